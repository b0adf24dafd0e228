// SPDX-License-Identifier: GPL-2.0
/*
 * What the suites of gpadl/wire.c share; see wire_test.h.
 */
#include <kunit/test.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "wire_test.h"

void *wire_test_copy(struct kunit *test, const void *bytes, size_t len)
{
	void *copy = kunit_kmalloc(test, len, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, copy);
	return memcpy(copy, bytes, len);
}

struct guest_stream wire_test_stream(struct kunit *test)
{
	struct guest_stream s = {
		.words = kunit_kmalloc(test, GPADL_MAX_WORDS * sizeof(u64), GFP_KERNEL),
	};

	KUNIT_ASSERT_NOT_NULL(test, s.words);
	return s;
}

/* One range of whole pages. */
struct guest_stream wire_test_buffer(struct kunit *test, u64 first, s64 step, u32 nr)
{
	struct guest_stream s = wire_test_stream(test);

	guest_range(&s, nr * GUEST_PAGE, 0);
	guest_pfns(&s, first, step, nr);
	return s;
}

/* Three ranges, none of which begins or ends with a page: 3 + 12 words. */
struct guest_stream wire_test_ranges(struct kunit *test)
{
	struct guest_stream s = wire_test_stream(test);

	guest_range(&s, 0x3000, 0x800);
	guest_pfns(&s, PFN, 1, 4);
	guest_range(&s, 2, 0xfff);
	guest_pfns(&s, PFN + 1, -1, 2);
	guest_range(&s, 0x5001, 0xffe);
	guest_pfns(&s, PFN + 10, 7, 6);
	return s;
}

static void expect_invariant(struct kunit *test, const struct gpadl_pfn_list *w)
{
	KUNIT_EXPECT_LE(test, w->taken, w->capacity);
	KUNIT_EXPECT_LE(test, w->nr_words, w->taken);
	KUNIT_EXPECT_LE(test, w->nr_runs, w->nr_words);
	KUNIT_EXPECT_LE(test, w->nr_pages, GPADL_MAX_PAGES);
	KUNIT_EXPECT_LE(test, w->pages_left, w->nr_pages);
	KUNIT_EXPECT_LE(test, w->ranges_left, w->nr_ranges);
}

/* Do with a message what its receiver does; a HEADER begins @w anew. */
enum gpadl_wire_verdict wire_test_take(struct kunit *test, struct gpadl_pfn_list *w,
				       const struct guest_msg *m)
{
	u8 *copy = wire_test_copy(test, m->bytes, m->len);
	enum gpadl_wire_verdict verdict;
	struct gpadl_wire_msg msg;
	u64 *words;

	KUNIT_ASSERT_EQ(test, 0, gpadl_wire_decode(copy, m->len, &msg));
	if (msg.type == GPADL_MSG_HEADER) {
		verdict = gpadl_wire_check_header(&msg);
		if (verdict != GPADL_WIRE_OK)
			return verdict;
		words = kunit_kmalloc(test, msg.range_buflen, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, words);
		gpadl_wire_init(w, &msg, words);
	}
	verdict = gpadl_wire_add(w, &msg);
	expect_invariant(test, w);
	kunit_kfree(test, copy);
	return verdict;
}

/* Send @s as Linux does, and see it complete with the last message. Returns how many. */
u32 wire_test_take_stream(struct kunit *test, struct gpadl_pfn_list *w, struct guest_stream *s)
{
	enum gpadl_wire_verdict verdict;
	struct guest_msg m;
	u32 messages = 0;

	while (guest_next_msg(&m, RELID, HANDLE, s)) {
		verdict = wire_test_take(test, w, &m);
		KUNIT_EXPECT_EQ(test, verdict, s->sent == s->nr ? GPADL_WIRE_COMPLETE :
								  GPADL_WIRE_OK);
		messages++;
	}
	return messages;
}

/* The packed form, unpacked, is the stream that was sent, word for word. */
void wire_test_expect(struct kunit *test, const struct gpadl_pfn_list *w,
		      const struct guest_stream *s)
{
	u32 in = 0, out = 0, pages = 0, runs = 0, ranges = 0, left, i;

	while (in < w->nr_words && out < s->nr) {
		struct gpadl_wire_range range = gpadl_wire_range(w->words[in]);
		struct gpadl_wire_run run;

		KUNIT_ASSERT_EQ(test, w->words[in++], s->words[out++]);
		ranges++;
		pages += range.nr_pages;
		for (left = range.nr_pages; left; left -= run.nr) {
			KUNIT_ASSERT_LT(test, in, w->nr_words);
			run = gpadl_wire_run(w->words[in++]);
			KUNIT_ASSERT_LE(test, run.nr, left);
			KUNIT_ASSERT_LE(test, run.nr, s->nr - out);
			runs++;
			for (i = 0; i < run.nr; i++)
				KUNIT_ASSERT_EQ(test, s->words[out++],
						run.down ? run.pfn - i : run.pfn + i);
		}
	}
	KUNIT_EXPECT_EQ(test, in, w->nr_words);
	KUNIT_EXPECT_EQ(test, out, s->nr);
	KUNIT_EXPECT_EQ(test, pages, w->nr_pages);
	KUNIT_EXPECT_EQ(test, runs, w->nr_runs);
	KUNIT_EXPECT_EQ(test, ranges, w->nr_ranges);
}
