// SPDX-License-Identifier: GPL-2.0
/*
 * gpadl/wire.c: every way in which a guest can describe a buffer, and fail to.
 *
 * Runs in user space too, under AddressSanitizer (tests/host/). What is given to the
 * code under test lies in memory of exactly its size, so that either sanitizer sees a
 * byte read or written too much.
 */
#include <kunit/test.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "gpadl/wire.h"
#include "guest.h"
#include "suites.h"

#define RELID		5
#define HANDLE		0xe1e10
#define PFN		0x18060ull	/* any */
#define PFN_END		BIT_ULL(GPADL_PFN_BITS)

/* ---- What the cases share ---- */

static void *exact_copy(struct kunit *test, const void *bytes, size_t len)
{
	void *copy = kunit_kmalloc(test, len, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, copy);
	return memcpy(copy, bytes, len);
}

static struct guest_stream new_stream(struct kunit *test)
{
	struct guest_stream s = {
		.words = kunit_kmalloc(test, GPADL_MAX_WORDS * sizeof(u64), GFP_KERNEL),
	};

	KUNIT_ASSERT_NOT_NULL(test, s.words);
	return s;
}

/* One range of whole pages. */
static struct guest_stream new_buffer(struct kunit *test, u64 first, s64 step, u32 nr)
{
	struct guest_stream s = new_stream(test);

	guest_range(&s, nr * GUEST_PAGE, 0);
	guest_pfns(&s, first, step, nr);
	return s;
}

/* Three ranges, none of which begins or ends with a page: 3 + 12 words. */
static struct guest_stream three_ranges(struct kunit *test)
{
	struct guest_stream s = new_stream(test);

	guest_range(&s, 0x3000, 0x800);
	guest_pfns(&s, PFN, 1, 4);
	guest_range(&s, 2, 0xfff);
	guest_pfns(&s, PFN + 1, -1, 2);
	guest_range(&s, 0x5001, 0xffe);
	guest_pfns(&s, PFN + 10, 7, 6);
	return s;
}

static void expect_invariant(struct kunit *test, const struct gpadl_wire *w)
{
	KUNIT_EXPECT_LE(test, w->taken, w->capacity);
	KUNIT_EXPECT_LE(test, w->nr_words, w->taken);
	KUNIT_EXPECT_LE(test, w->nr_runs, w->nr_words);
	KUNIT_EXPECT_LE(test, w->nr_pages, GPADL_MAX_PAGES);
	KUNIT_EXPECT_LE(test, w->pages_left, w->nr_pages);
	KUNIT_EXPECT_LE(test, w->ranges_left, w->nr_ranges);
}

/* Do with a message what its receiver does; a HEADER begins @w anew. */
static enum gpadl_wire_verdict take(struct kunit *test, struct gpadl_wire *w,
				    const struct guest_msg *m)
{
	u8 *copy = exact_copy(test, m->bytes, m->len);
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
static u32 take_stream(struct kunit *test, struct gpadl_wire *w, struct guest_stream *s)
{
	enum gpadl_wire_verdict verdict;
	struct guest_msg m;
	u32 messages = 0;

	while (guest_next_msg(&m, RELID, HANDLE, s)) {
		verdict = take(test, w, &m);
		KUNIT_EXPECT_EQ(test, verdict, s->sent == s->nr ? GPADL_WIRE_COMPLETE :
								  GPADL_WIRE_OK);
		messages++;
	}
	return messages;
}

/* The packed form, unpacked, is the stream that was sent, word for word. */
static void expect_unpacked(struct kunit *test, const struct gpadl_wire *w,
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

static int decode(struct kunit *test, const struct guest_msg *m, u32 len,
		  struct gpadl_wire_msg *msg)
{
	u8 *copy = exact_copy(test, m->bytes, len ?: 1);
	int ret = gpadl_wire_decode(copy, len, msg);

	kunit_kfree(test, copy);
	return ret;
}

/* ---- Messages ---- */

static void decode_header(struct kunit *test)
{
	const u64 words[] = { 0x1112131415161718, 0x2122232425262728 };
	struct guest_stream s = { .nr = 5, .nr_ranges = 0x0102 };
	struct gpadl_wire_msg msg;
	struct guest_msg m;

	guest_header(&m, 0xa1a2a3a4, 0xb1b2b3b4, &s);
	guest_words(&m, words, 2);
	KUNIT_ASSERT_EQ(test, 0, gpadl_wire_decode(m.bytes, m.len, &msg));
	KUNIT_EXPECT_EQ(test, msg.type, GPADL_MSG_HEADER);
	KUNIT_EXPECT_EQ(test, msg.relid, 0xa1a2a3a4);
	KUNIT_EXPECT_EQ(test, msg.handle, 0xb1b2b3b4);
	KUNIT_EXPECT_EQ(test, msg.range_buflen, 40);
	KUNIT_EXPECT_EQ(test, msg.rangecount, 0x0102);
	KUNIT_EXPECT_EQ(test, msg.nr_words, 2);
	KUNIT_EXPECT_PTR_EQ(test, msg.data, (const u8 *)m.bytes + 20);
}

static void decode_body(struct kunit *test)
{
	const u64 words[] = { 0x1112131415161718, 0x2122232425262728, 3 };
	struct gpadl_wire_msg msg;
	struct guest_msg m;

	guest_body(&m, 0xb1b2b3b4);
	guest_words(&m, words, 3);
	KUNIT_ASSERT_EQ(test, 0, gpadl_wire_decode(m.bytes, m.len, &msg));
	KUNIT_EXPECT_EQ(test, msg.type, GPADL_MSG_BODY);
	KUNIT_EXPECT_EQ(test, msg.handle, 0xb1b2b3b4);
	KUNIT_EXPECT_EQ(test, msg.nr_words, 3);
	KUNIT_EXPECT_PTR_EQ(test, msg.data, (const u8 *)m.bytes + 16);
}

/* What a BODY has in the place of the relid is not one. */
static void decode_body_msgnumber_ignored(struct kunit *test)
{
	struct gpadl_wire_msg msg;
	struct guest_msg m;

	guest_body(&m, HANDLE);
	guest_put(m.bytes + GUEST_MSGNUMBER, 4, 0xffffffff);
	KUNIT_ASSERT_EQ(test, 0, gpadl_wire_decode(m.bytes, m.len, &msg));
	KUNIT_EXPECT_EQ(test, msg.relid, 0);
}

static void decode_teardown(struct kunit *test)
{
	struct gpadl_wire_msg msg;
	struct guest_msg m;

	guest_teardown(&m, 0xa1a2a3a4, 0xb1b2b3b4);
	KUNIT_ASSERT_EQ(test, 0, gpadl_wire_decode(m.bytes, m.len, &msg));
	KUNIT_EXPECT_EQ(test, msg.type, GPADL_MSG_TEARDOWN);
	KUNIT_EXPECT_EQ(test, msg.relid, 0xa1a2a3a4);
	KUNIT_EXPECT_EQ(test, msg.handle, 0xb1b2b3b4);
	KUNIT_EXPECT_EQ(test, msg.nr_words, 0);
}

/* 0 and ~0 are handles and relids like others. */
static void decode_extreme_numbers(struct kunit *test)
{
	struct gpadl_wire_msg msg;
	struct guest_msg m;

	guest_teardown(&m, 0, U32_MAX);
	KUNIT_ASSERT_EQ(test, 0, gpadl_wire_decode(m.bytes, m.len, &msg));
	KUNIT_EXPECT_EQ(test, msg.relid, 0);
	KUNIT_EXPECT_EQ(test, msg.handle, U32_MAX);
	guest_teardown(&m, U32_MAX, 0);
	KUNIT_ASSERT_EQ(test, 0, gpadl_wire_decode(m.bytes, m.len, &msg));
	KUNIT_EXPECT_EQ(test, msg.relid, U32_MAX);
	KUNIT_EXPECT_EQ(test, msg.handle, 0);
}

struct fixed_part {
	const char *name;
	u32 type;
	u32 len;
};

static const struct fixed_part fixed_parts[] = {
	{ "GPADL_HEADER", GPADL_MSG_HEADER, 20 },
	{ "GPADL_BODY", GPADL_MSG_BODY, 16 },
	{ "GPADL_TEARDOWN", GPADL_MSG_TEARDOWN, 16 },
};

KUNIT_ARRAY_PARAM_DESC(fixed_part, fixed_parts, name);

static void decode_too_short(struct kunit *test)
{
	const struct fixed_part *fixed = test->param_value;
	struct gpadl_wire_msg msg;
	struct guest_msg m = {};
	u32 len;

	guest_put(m.bytes + GUEST_TYPE, 4, fixed->type);
	for (len = 0; len < fixed->len; len++)
		KUNIT_EXPECT_EQ(test, -EBADMSG, decode(test, &m, len, &msg));
	KUNIT_EXPECT_EQ(test, 0, decode(test, &m, fixed->len, &msg));
	KUNIT_EXPECT_EQ(test, msg.nr_words, 0);
}

static void decode_too_long(struct kunit *test)
{
	const struct fixed_part *fixed = test->param_value;
	u8 *bytes = kunit_kzalloc(test, GUEST_MSG_MAX + 1, GFP_KERNEL);
	struct gpadl_wire_msg msg;

	KUNIT_ASSERT_NOT_NULL(test, bytes);
	guest_put(bytes + GUEST_TYPE, 4, fixed->type);
	KUNIT_EXPECT_EQ(test, 0, gpadl_wire_decode(bytes, GUEST_MSG_MAX, &msg));
	KUNIT_EXPECT_EQ(test, -EBADMSG,
			gpadl_wire_decode(bytes, GUEST_MSG_MAX + 1, &msg));
}

/* No two bytes of it are read as one number before they have been put together. */
static void decode_unaligned(struct kunit *test)
{
	struct guest_stream s = new_buffer(test, PFN, 1, 8);
	struct gpadl_wire_msg here, there;
	struct guest_msg m;
	u8 bytes[8 + GUEST_MSG_MAX];
	unsigned int shift;

	guest_next_msg(&m, RELID, HANDLE, &s);
	KUNIT_ASSERT_EQ(test, 0, gpadl_wire_decode(m.bytes, m.len, &here));
	for (shift = 0; shift < 8; shift++) {
		memcpy(bytes + shift, m.bytes, m.len);
		KUNIT_ASSERT_EQ(test, 0, gpadl_wire_decode(bytes + shift, m.len, &there));
		KUNIT_EXPECT_EQ(test, here.handle, there.handle);
		KUNIT_EXPECT_EQ(test, here.range_buflen, there.range_buflen);
		KUNIT_EXPECT_EQ(test, here.nr_words, there.nr_words);
	}
}

static void decode_odd_bytes_ignored(struct kunit *test)
{
	const u64 word = PFN;
	struct gpadl_wire_msg msg;
	struct guest_msg m;
	u32 odd;

	guest_body(&m, HANDLE);
	guest_words(&m, &word, 1);
	for (odd = 1; odd < 8; odd++) {
		KUNIT_ASSERT_EQ(test, 0, decode(test, &m, m.len + odd, &msg));
		KUNIT_EXPECT_EQ(test, msg.nr_words, 1);
	}
}

static void decode_other_types(struct kunit *test)
{
	const u32 far_away[] = { 0x108, 0x10008, 0x1000008, 0x80000008, U32_MAX };
	struct gpadl_wire_msg msg;
	struct guest_msg m = {};
	u32 i;

	for (i = 0; i < 64; i++) {
		if (i == GPADL_MSG_HEADER || i == GPADL_MSG_BODY ||
		    i == GPADL_MSG_TEARDOWN)
			continue;
		guest_put(m.bytes + GUEST_TYPE, 4, i);
		KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, decode(test, &m, 8, &msg));
		KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, decode(test, &m, 240, &msg));
	}
	for (i = 0; i < ARRAY_SIZE(far_away); i++) {
		guest_put(m.bytes + GUEST_TYPE, 4, far_away[i]);
		KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, decode(test, &m, 240, &msg));
	}
}

static void created_bytes(struct kunit *test)
{
	const u8 expected[] = {
		10, 0, 0, 0, 0, 0, 0, 0, 0x04, 0x03, 0x02, 0x01,
		0x14, 0x13, 0x12, 0x11, 0x0d, 0, 0, 0xc0,
	};
	u8 *buf = kunit_kmalloc(test, sizeof(expected), GFP_KERNEL);
	size_t len;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	memset(buf, 0xff, sizeof(expected));
	len = gpadl_wire_created(buf, 0x01020304, 0x11121314,
				 GPADL_STATUS_INVALID_PARAMETER);
	KUNIT_ASSERT_EQ(test, len, sizeof(expected));
	KUNIT_EXPECT_MEMEQ(test, buf, expected, sizeof(expected));
}

static void torndown_bytes(struct kunit *test)
{
	const u8 expected[] = { 12, 0, 0, 0, 0, 0, 0, 0, 0x14, 0x13, 0x12, 0x11 };
	u8 *buf = kunit_kmalloc(test, sizeof(expected), GFP_KERNEL);
	size_t len;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	memset(buf, 0xff, sizeof(expected));
	len = gpadl_wire_torndown(buf, 0x11121314);
	KUNIT_ASSERT_EQ(test, len, sizeof(expected));
	KUNIT_EXPECT_MEMEQ(test, buf, expected, sizeof(expected));
}

/* ---- One field that differs ---- */

/*
 * The message that the rows below change in one field: a HEADER of two ranges that are
 * complete in it, {0x2000 bytes, offset 0, 2 pages} and {0x2800, 0x400, 3 pages}.
 */
static struct guest_msg valid_header(struct kunit *test)
{
	struct guest_stream s = new_stream(test);
	struct guest_msg m;

	guest_range(&s, 0x2000, 0);
	guest_pfns(&s, PFN, 1, 2);
	guest_range(&s, 0x2800, 0x400);
	guest_pfns(&s, PFN + 100, 1, 3);
	guest_next_msg(&m, RELID, HANDLE, &s);
	return m;
}

#define WORD(i)		(GUEST_HEADER_DATA + 8 * (i))
#define COUNT_1		.at = WORD(0), .size = 4
#define OFFSET_1	.at = WORD(0) + 4, .size = 4
#define FIRST_PFN	.at = WORD(1), .size = 8
#define COUNT_2		.at = WORD(3), .size = 4
#define OFFSET_2	.at = WORD(3) + 4, .size = 4
#define LAST_PFN	.at = WORD(6), .size = 8
#define BUFLEN		.at = GUEST_BUFLEN, .size = 2
#define RANGECOUNT	.at = GUEST_RANGECOUNT, .size = 2

struct field {
	const char *name;
	u32 at, size;
	u64 value;
	enum gpadl_wire_verdict verdict;
};

static const struct field fields[] = {
	{ "nothing differs", GUEST_PADDING, 4, 0, GPADL_WIRE_COMPLETE },
	{ "padding ~0", GUEST_PADDING, 4, U32_MAX, GPADL_WIRE_COMPLETE },
	{ "range_buflen 0", BUFLEN, 0, GPADL_WIRE_BAD_BUFLEN },
	{ "range_buflen 1", BUFLEN, 1, GPADL_WIRE_BAD_BUFLEN },
	{ "range_buflen 2", BUFLEN, 2, GPADL_WIRE_BAD_BUFLEN },
	{ "range_buflen 3", BUFLEN, 3, GPADL_WIRE_BAD_BUFLEN },
	{ "range_buflen 4", BUFLEN, 4, GPADL_WIRE_BAD_BUFLEN },
	{ "range_buflen 5", BUFLEN, 5, GPADL_WIRE_BAD_BUFLEN },
	{ "range_buflen 6", BUFLEN, 6, GPADL_WIRE_BAD_BUFLEN },
	{ "range_buflen 7", BUFLEN, 7, GPADL_WIRE_BAD_BUFLEN },
	{ "range_buflen of a range header", BUFLEN, 8, GPADL_WIRE_BAD_BUFLEN },
	{ "range_buflen 15", BUFLEN, 15, GPADL_WIRE_BAD_BUFLEN },
	{ "range_buflen of one range", BUFLEN, 16, GPADL_WIRE_TOO_LONG },
	{ "range_buflen one word too small", BUFLEN, 48, GPADL_WIRE_TOO_LONG },
	{ "range_buflen one byte too small", BUFLEN, 55, GPADL_WIRE_BAD_BUFLEN },
	{ "range_buflen one byte too large", BUFLEN, 57, GPADL_WIRE_BAD_BUFLEN },
	{ "range_buflen one word too large", BUFLEN, 64, GPADL_WIRE_COMPLETE },
	{ "range_buflen 0xfff8", BUFLEN, 0xfff8, GPADL_WIRE_COMPLETE },
	{ "range_buflen 0xffff", BUFLEN, 0xffff, GPADL_WIRE_BAD_BUFLEN },
	{ "rangecount 0", RANGECOUNT, 0, GPADL_WIRE_NO_RANGES },
	{ "rangecount one too small", RANGECOUNT, 1, GPADL_WIRE_COMPLETE },
	{ "rangecount one too large", RANGECOUNT, 3, GPADL_WIRE_TOO_LONG },
	{ "rangecount that cannot fit", RANGECOUNT, 4, GPADL_WIRE_TOO_LONG },
	{ "rangecount 0xffff", RANGECOUNT, U16_MAX, GPADL_WIRE_TOO_LONG },
	{ "byte_count 0", COUNT_1, 0, GPADL_WIRE_BAD_COUNT },
	{ "byte_count leaves no range", COUNT_1, 0x5000, GPADL_WIRE_TOO_LONG },
	{ "byte_count leaves no word", COUNT_1, 0x6000, GPADL_WIRE_TOO_LONG },
	{ "byte_count beyond range_buflen", COUNT_1, 0x7000, GPADL_WIRE_TOO_LONG },
	{ "byte_count just no overflow", COUNT_1, 0xfffff000, GPADL_WIRE_TOO_LONG },
	{ "byte_count just overflow", COUNT_1, 0xfffff001, GPADL_WIRE_OVERFLOW },
	{ "byte_count 0xffffffff", COUNT_1, U32_MAX, GPADL_WIRE_OVERFLOW },
	{ "byte_offset 0x1000", OFFSET_1, 0x1000, GPADL_WIRE_BAD_OFFSET },
	{ "byte_offset 0xffffffff", OFFSET_1, U32_MAX, GPADL_WIRE_BAD_OFFSET },
	{ "first PFN of 40 bits", FIRST_PFN, PFN_END - 1, GPADL_WIRE_COMPLETE },
	{ "first PFN of 41 bits", FIRST_PFN, PFN_END, GPADL_WIRE_BAD_PFN },
	{ "first PFN of 64 bits", FIRST_PFN, BIT_ULL(63), GPADL_WIRE_BAD_PFN },
	{ "first PFN ~0", FIRST_PFN, U64_MAX, GPADL_WIRE_BAD_PFN },
	{ "second byte_count 0", COUNT_2, 0, GPADL_WIRE_BAD_COUNT },
	{ "second byte_count 1", COUNT_2, 1, GPADL_WIRE_COMPLETE },
	{ "second byte_count to the page's end", COUNT_2, 0x2c00, GPADL_WIRE_COMPLETE },
	{ "second byte_count one too large", COUNT_2, 0x2c01, GPADL_WIRE_TOO_LONG },
	{ "second byte_count no overflow", COUNT_2, 0xffffec00, GPADL_WIRE_TOO_LONG },
	{ "second byte_count just overflow", COUNT_2, 0xffffec01, GPADL_WIRE_OVERFLOW },
	{ "second byte_count 0xffffffff", COUNT_2, U32_MAX, GPADL_WIRE_OVERFLOW },
	{ "second byte_offset 0x800", OFFSET_2, 0x800, GPADL_WIRE_COMPLETE },
	{ "second byte_offset 0x801", OFFSET_2, 0x801, GPADL_WIRE_TOO_LONG },
	{ "second byte_offset 0x1000", OFFSET_2, 0x1000, GPADL_WIRE_BAD_OFFSET },
	{ "second byte_offset 0xffffffff", OFFSET_2, U32_MAX, GPADL_WIRE_BAD_OFFSET },
	{ "last PFN of 40 bits", LAST_PFN, PFN_END - 1, GPADL_WIRE_COMPLETE },
	{ "last PFN of 41 bits", LAST_PFN, PFN_END, GPADL_WIRE_BAD_PFN },
	{ "last PFN ~0", LAST_PFN, U64_MAX, GPADL_WIRE_BAD_PFN },
};

KUNIT_ARRAY_PARAM_DESC(field, fields, name);

static void one_field_differs(struct kunit *test)
{
	const struct field *field = test->param_value;
	struct guest_msg m = valid_header(test);
	struct gpadl_wire w;

	guest_put(m.bytes + field->at, field->size, field->value);
	KUNIT_EXPECT_EQ(test, field->verdict, take(test, &w, &m));
}

/* The same, a word at a time: where a message ends makes no difference. */
static void one_field_differs_in_bodies(struct kunit *test)
{
	const struct field *field = test->param_value;
	struct guest_msg m = valid_header(test), part = m;
	enum gpadl_wire_verdict verdict;
	struct gpadl_wire w;
	u64 word;
	u32 at;

	guest_put(m.bytes + field->at, field->size, field->value);
	guest_put(part.bytes + field->at, field->size, field->value);
	part.len = GUEST_HEADER_DATA;
	verdict = take(test, &w, &part);
	for (at = GUEST_HEADER_DATA; verdict == GPADL_WIRE_OK && at < m.len; at += 8) {
		word = guest_get(m.bytes + at, 8);
		guest_body(&part, HANDLE);
		guest_words(&part, &word, 1);
		verdict = take(test, &w, &part);
	}
	KUNIT_EXPECT_EQ(test, field->verdict, verdict);
}

/* More ranges than can be are refused before memory is spent on them. */
static void check_header_rangecount(struct kunit *test)
{
	struct gpadl_wire_msg msg = {};
	u32 words;

	for (words = 2; words <= GPADL_MAX_WORDS; words++) {
		msg.range_buflen = words * sizeof(u64);
		msg.rangecount = words / 2;
		KUNIT_ASSERT_EQ(test, GPADL_WIRE_OK, gpadl_wire_check_header(&msg));
		msg.rangecount++;
		KUNIT_ASSERT_EQ(test, GPADL_WIRE_TOO_LONG, gpadl_wire_check_header(&msg));
	}
}

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
	struct guest_stream s = new_buffer(test, PFN, 1, size->pages);
	struct gpadl_wire w;

	KUNIT_EXPECT_EQ(test, size->messages, take_stream(test, &w, &s));
	KUNIT_EXPECT_EQ(test, w.nr_runs, 1);
	expect_unpacked(test, &w, &s);
}

static void size_descending(struct kunit *test)
{
	const struct size *size = test->param_value;
	struct guest_stream s = new_buffer(test, PFN, -1, size->pages);
	struct gpadl_wire w;

	KUNIT_EXPECT_EQ(test, size->messages, take_stream(test, &w, &s));
	KUNIT_EXPECT_EQ(test, w.nr_runs, 1);
	expect_unpacked(test, &w, &s);
}

static void size_scattered(struct kunit *test)
{
	const struct size *size = test->param_value;
	struct guest_stream s = new_buffer(test, PFN, 2, size->pages);
	struct gpadl_wire w;

	KUNIT_EXPECT_EQ(test, size->messages, take_stream(test, &w, &s));
	KUNIT_EXPECT_EQ(test, w.nr_words, s.nr);
	expect_unpacked(test, &w, &s);
}

/* Words of 8 bytes fill 65528 bytes at most; one page more cannot be announced. */
static void size_8191_pages(struct kunit *test)
{
	struct guest_stream s = new_buffer(test, PFN, 1, GPADL_MAX_PAGES);
	struct gpadl_wire w;
	struct guest_msg m;

	guest_next_msg(&m, RELID, HANDLE, &s);
	guest_put(m.bytes + GUEST_BYTE_COUNT, 4, (GPADL_MAX_PAGES + 1) * GUEST_PAGE);
	KUNIT_EXPECT_EQ(test, GPADL_WIRE_TOO_LONG, take(test, &w, &m));
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
	struct guest_stream s = new_stream(test);
	struct gpadl_wire w;
	u32 nr, i;

	/* A row ends with 0. */
	for (nr = 0; nr < ARRAY_SIZE(c->pfns) && c->pfns[nr]; nr++)
		;
	guest_range(&s, nr * GUEST_PAGE, 0);
	memcpy(s.words + 1, c->pfns, nr * sizeof(u64));
	s.nr += nr;
	take_stream(test, &w, &s);
	expect_unpacked(test, &w, &s);

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
	struct guest_stream s = new_stream(test);
	struct gpadl_wire w;

	guest_range(&s, 5 * GUEST_PAGE, 0);
	guest_pfns(&s, 1, -1, 2);
	guest_pfns(&s, PFN_END - 1, 0, 1);
	guest_pfns(&s, 0, 1, 2);
	take_stream(test, &w, &s);
	KUNIT_EXPECT_EQ(test, w.nr_runs, 3);
	expect_unpacked(test, &w, &s);
}

static void runs_end_with_their_range(struct kunit *test)
{
	struct guest_stream s = new_stream(test);
	struct gpadl_wire w;

	guest_range(&s, 2 * GUEST_PAGE, 0);
	guest_pfns(&s, PFN, 1, 2);
	guest_range(&s, 2 * GUEST_PAGE, 0);
	guest_pfns(&s, PFN + 2, 1, 2);
	take_stream(test, &w, &s);
	KUNIT_EXPECT_EQ(test, w.nr_runs, 2);
	expect_unpacked(test, &w, &s);
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
	struct guest_stream s = three_ranges(test);
	struct gpadl_wire w;

	take_stream(test, &w, &s);
	KUNIT_EXPECT_EQ(test, w.nr_pages, 12);
	expect_unpacked(test, &w, &s);
}

/* As many ranges as can be: each has a header word and a page. */
static void most_ranges(struct kunit *test)
{
	struct guest_stream s = new_stream(test);
	struct gpadl_wire w;
	u32 i;

	for (i = 0; i < GPADL_MAX_WORDS / 2; i++) {
		guest_range(&s, 1, i % GUEST_PAGE);
		guest_pfns(&s, PFN, 0, 1);
	}
	take_stream(test, &w, &s);
	KUNIT_EXPECT_EQ(test, w.nr_ranges, 4095);
	expect_unpacked(test, &w, &s);
}

/* ---- Messages cut anywhere ---- */

/* @s as a HEADER with words [0, i) and BODYs with [i, j) and [j, end). */
static void take_cut(struct kunit *test, const struct guest_stream *s, u32 i, u32 j)
{
	const u32 cuts[] = { i, j, s->nr };
	enum gpadl_wire_verdict verdict;
	struct gpadl_wire w;
	struct guest_msg m;
	u32 n, sent = i;

	guest_header(&m, RELID, HANDLE, s);
	guest_words(&m, s->words, i);
	verdict = take(test, &w, &m);
	for (n = 1; n < ARRAY_SIZE(cuts); n++) {
		if (cuts[n] == sent)
			continue;
		KUNIT_ASSERT_EQ(test, verdict, GPADL_WIRE_OK);
		guest_body(&m, HANDLE);
		guest_words(&m, s->words + sent, cuts[n] - sent);
		sent = cuts[n];
		verdict = take(test, &w, &m);
	}
	KUNIT_ASSERT_EQ(test, verdict, GPADL_WIRE_COMPLETE);
	expect_unpacked(test, &w, s);
	kunit_kfree(test, w.words);
}

/* Among these: a HEADER without words, and a range header as first word of a BODY. */
static void cut_anywhere(struct kunit *test)
{
	struct guest_stream s = three_ranges(test);
	u32 i, j;

	for (i = 0; i <= s.nr; i++)
		for (j = i; j <= s.nr; j++)
			take_cut(test, &s, i, j);
}

static void header_without_words(struct kunit *test)
{
	struct guest_stream s = new_buffer(test, PFN, 1, 1);
	struct gpadl_wire w;
	struct guest_msg m;

	guest_header(&m, RELID, HANDLE, &s);
	KUNIT_EXPECT_EQ(test, GPADL_WIRE_OK, take(test, &w, &m));
}

static void one_word_a_message(struct kunit *test)
{
	struct guest_stream s = three_ranges(test);
	struct gpadl_wire w;
	struct guest_msg m;
	u32 i;

	guest_header(&m, RELID, HANDLE, &s);
	take(test, &w, &m);
	for (i = 0; i < s.nr; i++) {
		guest_body(&m, HANDLE);
		guest_words(&m, s.words + i, 1);
		KUNIT_EXPECT_EQ(test, i + 1 == s.nr ? GPADL_WIRE_COMPLETE :
						      GPADL_WIRE_OK, take(test, &w, &m));
	}
	expect_unpacked(test, &w, &s);
}

static void body_adds_nothing(struct kunit *test)
{
	struct guest_stream s = new_buffer(test, PFN, 1, 100);
	struct gpadl_wire w;
	struct guest_msg m;
	u32 odd;

	for (odd = 0; odd < 8; odd++) {
		s.sent = 0;
		guest_next_msg(&m, RELID, HANDLE, &s);
		KUNIT_ASSERT_EQ(test, GPADL_WIRE_OK, take(test, &w, &m));
		guest_body(&m, HANDLE);
		m.len += odd;
		KUNIT_EXPECT_EQ(test, GPADL_WIRE_NOTHING_ADDED, take(test, &w, &m));
	}
}

/* ---- More than was announced ---- */

/* UEFI sends messages of full length, whatever they have to say. */
static void surplus_in_header(struct kunit *test)
{
	struct guest_stream s = new_buffer(test, PFN, 1, 3);
	struct gpadl_wire w;
	struct guest_msg m;

	guest_next_msg(&m, RELID, HANDLE, &s);
	memset(m.bytes + m.len, 0xff, GUEST_MSG_MAX - m.len);
	m.len = GUEST_MSG_MAX;
	KUNIT_EXPECT_EQ(test, GPADL_WIRE_COMPLETE, take(test, &w, &m));
	expect_unpacked(test, &w, &s);
}

static void surplus_in_body(struct kunit *test)
{
	struct guest_stream s = new_buffer(test, PFN, 1, 27);
	struct gpadl_wire w;
	struct guest_msg m;

	guest_next_msg(&m, RELID, HANDLE, &s);
	KUNIT_ASSERT_EQ(test, GPADL_WIRE_OK, take(test, &w, &m));
	guest_next_msg(&m, RELID, HANDLE, &s);
	memset(m.bytes + m.len, 0xff, GUEST_MSG_MAX - m.len);
	m.len = GUEST_MSG_MAX;
	KUNIT_EXPECT_EQ(test, GPADL_WIRE_COMPLETE, take(test, &w, &m));
	expect_unpacked(test, &w, &s);
}

/* What range_buflen announces behind the last range need not even come. */
static void surplus_in_range_buflen(struct kunit *test)
{
	struct guest_stream s = new_buffer(test, PFN, 1, 26);
	struct gpadl_wire w;
	struct guest_msg m;

	guest_next_msg(&m, RELID, HANDLE, &s);
	guest_put(m.bytes + GUEST_BUFLEN, 2, 0xfff8);
	KUNIT_EXPECT_EQ(test, GPADL_WIRE_COMPLETE, take(test, &w, &m));
	expect_unpacked(test, &w, &s);
}

static void body_after_the_end(struct kunit *test)
{
	struct guest_stream s = new_buffer(test, PFN, 1, 26);
	const u64 word = PFN + 26;
	struct gpadl_wire w;
	struct guest_msg m;

	take_stream(test, &w, &s);
	guest_body(&m, HANDLE);
	guest_words(&m, &word, 1);
	KUNIT_EXPECT_EQ(test, GPADL_WIRE_COMPLETE, take(test, &w, &m));
	expect_unpacked(test, &w, &s);
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
	struct guest_stream s = new_stream(test);
	u64 state = 20240229;
	struct gpadl_wire w;
	u32 round, n;

	for (round = 0; round < 500; round++) {
		s = (struct guest_stream) { .words = s.words };
		for (n = guest_random(&state) % 8; n < 8; n++)
			random_range(&s, &state, 1 + guest_random(&state) % 64);
		take_stream(test, &w, &s);
		KUNIT_EXPECT_LE(test, w.nr_words, s.nr);
		expect_unpacked(test, &w, &s);
		kunit_kfree(test, w.words);
	}
}

static struct kunit_case wire_cases[] = {
	KUNIT_CASE(decode_header),
	KUNIT_CASE(decode_body),
	KUNIT_CASE(decode_body_msgnumber_ignored),
	KUNIT_CASE(decode_teardown),
	KUNIT_CASE(decode_extreme_numbers),
	KUNIT_CASE_PARAM(decode_too_short, fixed_part_gen_params),
	KUNIT_CASE_PARAM(decode_too_long, fixed_part_gen_params),
	KUNIT_CASE(decode_unaligned),
	KUNIT_CASE(decode_odd_bytes_ignored),
	KUNIT_CASE(decode_other_types),
	KUNIT_CASE(created_bytes),
	KUNIT_CASE(torndown_bytes),
	KUNIT_CASE_PARAM(one_field_differs, field_gen_params),
	KUNIT_CASE_PARAM(one_field_differs_in_bodies, field_gen_params),
	KUNIT_CASE(check_header_rangecount),
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

struct kunit_suite wire_suite = {
	.name = "vmbus_gpadl_wire",
	.test_cases = wire_cases,
};
