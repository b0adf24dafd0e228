// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_wire_stream: gpadl/wire.c, every way in which a guest can describe a
 * buffer, in as many messages as it likes.
 */
#include <kunit/test.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "suites.h"
#include "wire_test.h"

/* ---- Sizes ---- */

struct size {
	const char *name;
	u32 pages;
	u32 messages;	/* as many as Linux sends */
};

static const struct size sizes[] = {
	{ "1 page", 1, 1 },
	{ "26 pages", 26, 1 },
	{ "27 pages", 27, 2 },
	{ "54 pages", 54, 2 },
	{ "55 pages", 55, 3 },
	{ "4096 pages", 4096, 147 },
	{ "7936 pages", 7936, 284 },
	{ "8190 pages", 8190, 293 },
};

KUNIT_ARRAY_PARAM_DESC(size, sizes, name);

static void size_ascending(struct kunit *test)
{
	const struct size *size = test->param_value;
	struct guest_stream s = wire_test_buffer(test, PFN, 1, size->pages);
	struct gpadl_pfn_list w;

	KUNIT_EXPECT_EQ(test, size->messages, wire_test_take_stream(test, &w, &s));
	KUNIT_EXPECT_EQ(test, w.nr_runs, 1);
	wire_test_expect(test, &w, &s);
}

static void size_descending(struct kunit *test)
{
	const struct size *size = test->param_value;
	struct guest_stream s = wire_test_buffer(test, PFN, -1, size->pages);
	struct gpadl_pfn_list w;

	KUNIT_EXPECT_EQ(test, size->messages, wire_test_take_stream(test, &w, &s));
	KUNIT_EXPECT_EQ(test, w.nr_runs, 1);
	wire_test_expect(test, &w, &s);
}

static void size_scattered(struct kunit *test)
{
	const struct size *size = test->param_value;
	struct guest_stream s = wire_test_buffer(test, PFN, 2, size->pages);
	struct gpadl_pfn_list w;

	KUNIT_EXPECT_EQ(test, size->messages, wire_test_take_stream(test, &w, &s));
	KUNIT_EXPECT_EQ(test, w.nr_words, s.nr);
	wire_test_expect(test, &w, &s);
}

/* Words of 8 bytes fill 65528 bytes at most; one page more cannot be announced. */
static void size_8191_pages(struct kunit *test)
{
	struct guest_stream s = wire_test_buffer(test, PFN, 1, GPADL_MAX_PAGES);
	struct gpadl_pfn_list w;
	struct guest_msg m;

	guest_next_msg(&m, RELID, HANDLE, &s);
	guest_put(m.bytes + GUEST_BYTE_COUNT, 4, (GPADL_MAX_PAGES + 1) * GUEST_PAGE);
	KUNIT_EXPECT_EQ(test, GPADL_WIRE_TOO_LONG, wire_test_take(test, &w, &m));
}

/* ---- Runs ---- */

struct runs {
	const char *name;
	u64 pfns[6];
	struct gpadl_wire_run runs[6];
};

static const struct runs runs_of[] = {
	{ "up", { 10, 11, 12 }, { { 10, 3, false } } },
	{ "down", { 12, 11, 10 }, { { 12, 3, true } } },
	{ "one page", { 12 }, { { 12, 1, false } } },
	{ "repeated", { 5, 5, 5 }, { { 5, 1 }, { 5, 1 }, { 5, 1 } } },
	{ "up, repeated", { 5, 6, 6, 7 }, { { 5, 2 }, { 6, 2 } } },
	{ "down, repeated", { 7, 6, 6, 5 }, { { 7, 2, true }, { 6, 2, true } } },
	{ "up, down", { 10, 11, 12, 11, 10 }, { { 10, 3 }, { 11, 2, true } } },
	{ "down, up", { 12, 11, 10, 11, 12 }, { { 12, 3, true }, { 11, 2 } } },
	{ "to and fro", { 1, 2, 1, 2 }, { { 1, 2 }, { 1, 2 } } },
	{ "up, then below", { 10, 11, 8 }, { { 10, 2 }, { 8, 1 } } },
	{ "down, then above", { 10, 9, 12 }, { { 10, 2, true }, { 12, 1 } } },
	{ "gaps", { 1, 3, 5 }, { { 1, 1 }, { 3, 1 }, { 5, 1 } } },
	{ "up over a gap", { 1, 2, 4, 5 }, { { 1, 2 }, { 4, 2 } } },
	{ "down over a gap", { 5, 4, 2, 1 }, { { 5, 2, true }, { 2, 2, true } } },
	{ "top, bottom", { PFN_END - 2, PFN_END - 1, 1 },
	  { { PFN_END - 2, 2 }, { 1, 1 } } },
};

KUNIT_ARRAY_PARAM_DESC(runs, runs_of, name);

static void packs_runs(struct kunit *test)
{
	const struct runs *c = test->param_value;
	struct guest_stream s = wire_test_stream(test);
	struct gpadl_pfn_list w;
	u32 nr, i;

	/* A row ends with 0. */
	for (nr = 0; nr < ARRAY_SIZE(c->pfns) && c->pfns[nr]; nr++)
		;
	guest_range(&s, nr * GUEST_PAGE, 0);
	memcpy(s.words + 1, c->pfns, nr * sizeof(u64));
	s.nr += nr;
	wire_test_take_stream(test, &w, &s);
	wire_test_expect(test, &w, &s);

	for (i = 0; i < w.nr_runs; i++) {
		struct gpadl_wire_run run = gpadl_wire_run(w.words[1 + i]);

		KUNIT_EXPECT_EQ(test, run.pfn, c->runs[i].pfn);
		KUNIT_EXPECT_EQ(test, run.nr, c->runs[i].nr);
		KUNIT_EXPECT_EQ(test, run.down, c->runs[i].down);
	}
	KUNIT_EXPECT_EQ(test, 0, c->runs[w.nr_runs].nr);
}

/* Page 0 ends a run downwards; it is not followed by the last page there is. */
static void run_ends_at_page_0(struct kunit *test)
{
	struct guest_stream s = wire_test_stream(test);
	struct gpadl_pfn_list w;

	guest_range(&s, 5 * GUEST_PAGE, 0);
	guest_pfns(&s, 1, -1, 2);
	guest_pfns(&s, PFN_END - 1, 0, 1);
	guest_pfns(&s, 0, 1, 2);
	wire_test_take_stream(test, &w, &s);
	KUNIT_EXPECT_EQ(test, w.nr_runs, 3);
	wire_test_expect(test, &w, &s);
}

static void runs_end_with_their_range(struct kunit *test)
{
	struct guest_stream s = wire_test_stream(test);
	struct gpadl_pfn_list w;

	guest_range(&s, 2 * GUEST_PAGE, 0);
	guest_pfns(&s, PFN, 1, 2);
	guest_range(&s, 2 * GUEST_PAGE, 0);
	guest_pfns(&s, PFN + 2, 1, 2);
	wire_test_take_stream(test, &w, &s);
	KUNIT_EXPECT_EQ(test, w.nr_runs, 2);
	wire_test_expect(test, &w, &s);
}

struct extent {
	const char *name;
	u32 count, offset, nr_pages;
};

static const struct extent extents[] = {
	{ "one byte", 1, 0, 1 },
	{ "a page's last byte", 1, 0xfff, 1 },
	{ "two bytes over a boundary", 2, 0xfff, 2 },
	{ "a page", 0x1000, 0, 1 },
	{ "a page and a byte", 0x1001, 0, 2 },
	{ "a page, one byte late", 0x1000, 1, 2 },
	{ "two pages' worth in three", 0x2000, 0xfff, 3 },
	{ "as many as fit", 8190 * GUEST_PAGE, 0, 8190 },
	{ "as many as a u32 holds", 0xfffff000, 0, 0xfffff },
};

KUNIT_ARRAY_PARAM_DESC(extent, extents, name);

static void range_pages(struct kunit *test)
{
	const struct extent *e = test->param_value;
	struct gpadl_wire_range range;

	range = gpadl_wire_range((u64)e->offset << 32 | e->count);
	KUNIT_EXPECT_EQ(test, range.count, e->count);
	KUNIT_EXPECT_EQ(test, range.offset, e->offset);
	KUNIT_EXPECT_EQ(test, range.nr_pages, e->nr_pages);
}

/* ---- Ranges ---- */

static void several_ranges(struct kunit *test)
{
	struct guest_stream s = wire_test_ranges(test);
	struct gpadl_pfn_list w;

	wire_test_take_stream(test, &w, &s);
	KUNIT_EXPECT_EQ(test, w.nr_pages, 12);
	wire_test_expect(test, &w, &s);
}

/* As many ranges as can be: each has a header word and a page. */
static void most_ranges(struct kunit *test)
{
	struct guest_stream s = wire_test_stream(test);
	struct gpadl_pfn_list w;
	u32 i;

	for (i = 0; i < GPADL_MAX_WORDS / 2; i++) {
		guest_range(&s, 1, i % GUEST_PAGE);
		guest_pfns(&s, PFN, 0, 1);
	}
	wire_test_take_stream(test, &w, &s);
	KUNIT_EXPECT_EQ(test, w.nr_ranges, 4095);
	wire_test_expect(test, &w, &s);
}

/* ---- Messages cut anywhere ---- */

/* @s as a HEADER with words [0, i) and BODYs with [i, j) and [j, end). */
static void take_cut(struct kunit *test, const struct guest_stream *s, u32 i, u32 j)
{
	const u32 cuts[] = { i, j, s->nr };
	enum gpadl_wire_verdict verdict;
	struct gpadl_pfn_list w;
	struct guest_msg m;
	u32 n, sent = i;

	guest_header(&m, RELID, HANDLE, s);
	guest_words(&m, s->words, i);
	verdict = wire_test_take(test, &w, &m);
	for (n = 1; n < ARRAY_SIZE(cuts); n++) {
		if (cuts[n] == sent)
			continue;
		KUNIT_ASSERT_EQ(test, verdict, GPADL_WIRE_OK);
		guest_body(&m, HANDLE);
		guest_words(&m, s->words + sent, cuts[n] - sent);
		sent = cuts[n];
		verdict = wire_test_take(test, &w, &m);
	}
	KUNIT_ASSERT_EQ(test, verdict, GPADL_WIRE_COMPLETE);
	wire_test_expect(test, &w, s);
	kunit_kfree(test, w.words);
}

/* Among these: a HEADER without words, and a range header as first word of a BODY. */
static void cut_anywhere(struct kunit *test)
{
	struct guest_stream s = wire_test_ranges(test);
	u32 i, j;

	for (i = 0; i <= s.nr; i++)
		for (j = i; j <= s.nr; j++)
			take_cut(test, &s, i, j);
}

static void header_without_words(struct kunit *test)
{
	struct guest_stream s = wire_test_buffer(test, PFN, 1, 1);
	struct gpadl_pfn_list w;
	struct guest_msg m;

	guest_header(&m, RELID, HANDLE, &s);
	KUNIT_EXPECT_EQ(test, GPADL_WIRE_OK, wire_test_take(test, &w, &m));
}

static void one_word_a_message(struct kunit *test)
{
	struct guest_stream s = wire_test_ranges(test);
	struct gpadl_pfn_list w;
	struct guest_msg m;
	u32 i;

	guest_header(&m, RELID, HANDLE, &s);
	wire_test_take(test, &w, &m);
	for (i = 0; i < s.nr; i++) {
		guest_body(&m, HANDLE);
		guest_words(&m, s.words + i, 1);
		KUNIT_EXPECT_EQ(test, i + 1 == s.nr ? GPADL_WIRE_COMPLETE :
						      GPADL_WIRE_OK, wire_test_take(test, &w, &m));
	}
	wire_test_expect(test, &w, &s);
}

static void body_adds_nothing(struct kunit *test)
{
	struct guest_stream s = wire_test_buffer(test, PFN, 1, 100);
	struct gpadl_pfn_list w;
	struct guest_msg m;
	u32 odd;

	for (odd = 0; odd < 8; odd++) {
		s.sent = 0;
		guest_next_msg(&m, RELID, HANDLE, &s);
		KUNIT_ASSERT_EQ(test, GPADL_WIRE_OK, wire_test_take(test, &w, &m));
		guest_body(&m, HANDLE);
		m.len += odd;
		KUNIT_EXPECT_EQ(test, GPADL_WIRE_NOTHING_ADDED, wire_test_take(test, &w, &m));
	}
}

/* ---- More than was announced ---- */

/* UEFI sends messages of full length, whatever they have to say. */
static void surplus_in_header(struct kunit *test)
{
	struct guest_stream s = wire_test_buffer(test, PFN, 1, 3);
	struct gpadl_pfn_list w;
	struct guest_msg m;

	guest_next_msg(&m, RELID, HANDLE, &s);
	memset(m.bytes + m.len, 0xff, GUEST_MSG_MAX - m.len);
	m.len = GUEST_MSG_MAX;
	KUNIT_EXPECT_EQ(test, GPADL_WIRE_COMPLETE, wire_test_take(test, &w, &m));
	wire_test_expect(test, &w, &s);
}

static void surplus_in_body(struct kunit *test)
{
	struct guest_stream s = wire_test_buffer(test, PFN, 1, 27);
	struct gpadl_pfn_list w;
	struct guest_msg m;

	guest_next_msg(&m, RELID, HANDLE, &s);
	KUNIT_ASSERT_EQ(test, GPADL_WIRE_OK, wire_test_take(test, &w, &m));
	guest_next_msg(&m, RELID, HANDLE, &s);
	memset(m.bytes + m.len, 0xff, GUEST_MSG_MAX - m.len);
	m.len = GUEST_MSG_MAX;
	KUNIT_EXPECT_EQ(test, GPADL_WIRE_COMPLETE, wire_test_take(test, &w, &m));
	wire_test_expect(test, &w, &s);
}

/* What range_buflen announces behind the last range need not even come. */
static void surplus_in_range_buflen(struct kunit *test)
{
	struct guest_stream s = wire_test_buffer(test, PFN, 1, 26);
	struct gpadl_pfn_list w;
	struct guest_msg m;

	guest_next_msg(&m, RELID, HANDLE, &s);
	guest_put(m.bytes + GUEST_BUFLEN, 2, 0xfff8);
	KUNIT_EXPECT_EQ(test, GPADL_WIRE_COMPLETE, wire_test_take(test, &w, &m));
	wire_test_expect(test, &w, &s);
}

static void body_after_the_end(struct kunit *test)
{
	struct guest_stream s = wire_test_buffer(test, PFN, 1, 26);
	const u64 word = PFN + 26;
	struct gpadl_pfn_list w;
	struct guest_msg m;

	wire_test_take_stream(test, &w, &s);
	guest_body(&m, HANDLE);
	guest_words(&m, &word, 1);
	KUNIT_EXPECT_EQ(test, GPADL_WIRE_COMPLETE, wire_test_take(test, &w, &m));
	wire_test_expect(test, &w, &s);
}

/* ---- Anything ---- */

/* A range of up to @most pages, in runs as random as its place and length. */
static void random_range(struct guest_stream *s, u64 *state, u32 most)
{
	u32 nr = 1 + guest_random(state) % most, n;
	u32 offset = guest_random(state) % GUEST_PAGE;
	u32 count = nr * GUEST_PAGE - offset;

	/* End anywhere in the last page. */
	count -= guest_random(state) % (nr > 1 ? GUEST_PAGE : count);
	guest_range(s, count, offset);
	for (; nr; nr -= n) {
		n = 1 + guest_random(state) % nr;
		guest_pfns(s, PFN + guest_random(state) % 32,
			   (s64)(guest_random(state) % 4) - 1, n);
	}
}

static void random_streams(struct kunit *test)
{
	struct guest_stream s = wire_test_stream(test);
	u64 state = 20240229;
	struct gpadl_pfn_list w;
	u32 round, n;

	for (round = 0; round < 500; round++) {
		s = (struct guest_stream) { .words = s.words };
		for (n = guest_random(&state) % 8; n < 8; n++)
			random_range(&s, &state, 1 + guest_random(&state) % 64);
		wire_test_take_stream(test, &w, &s);
		KUNIT_EXPECT_LE(test, w.nr_words, s.nr);
		wire_test_expect(test, &w, &s);
		kunit_kfree(test, w.words);
	}
}

static struct kunit_case wire_stream_cases[] = {
	KUNIT_CASE_PARAM(size_ascending, size_gen_params),
	KUNIT_CASE_PARAM(size_descending, size_gen_params),
	KUNIT_CASE_PARAM(size_scattered, size_gen_params),
	KUNIT_CASE(size_8191_pages),
	KUNIT_CASE_PARAM(packs_runs, runs_gen_params),
	KUNIT_CASE(run_ends_at_page_0),
	KUNIT_CASE(runs_end_with_their_range),
	KUNIT_CASE_PARAM(range_pages, extent_gen_params),
	KUNIT_CASE(several_ranges),
	KUNIT_CASE(most_ranges),
	KUNIT_CASE(cut_anywhere),
	KUNIT_CASE(header_without_words),
	KUNIT_CASE(one_word_a_message),
	KUNIT_CASE(body_adds_nothing),
	KUNIT_CASE(surplus_in_header),
	KUNIT_CASE(surplus_in_body),
	KUNIT_CASE(surplus_in_range_buflen),
	KUNIT_CASE(body_after_the_end),
	KUNIT_CASE(random_streams),
	{}
};

struct kunit_suite wire_stream_suite = {
	.name = "vmbus_gpadl_wire_stream",
	.test_cases = wire_stream_cases,
};
