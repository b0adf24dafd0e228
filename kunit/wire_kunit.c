// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_wire: gpadl/wire.c, one message and its fields.
 */
#include <kunit/test.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "suites.h"
#include "wire_test.h"

static int decode(struct kunit *test, const struct guest_msg *m, u32 len,
		  struct gpadl_wire_msg *msg)
{
	u8 *copy = wire_test_copy(test, m->bytes, len ?: 1);
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
	struct guest_stream s = wire_test_buffer(test, PFN, 1, 8);
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
	struct guest_stream s = wire_test_stream(test);
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
	struct gpadl_pfn_list w;

	guest_put(m.bytes + field->at, field->size, field->value);
	KUNIT_EXPECT_EQ(test, field->verdict, wire_test_take(test, &w, &m));
}

/* The same, a word at a time: where a message ends makes no difference. */
static void one_field_differs_in_bodies(struct kunit *test)
{
	const struct field *field = test->param_value;
	struct guest_msg m = valid_header(test), part = m;
	enum gpadl_wire_verdict verdict;
	struct gpadl_pfn_list w;
	u64 word;
	u32 at;

	guest_put(m.bytes + field->at, field->size, field->value);
	guest_put(part.bytes + field->at, field->size, field->value);
	part.len = GUEST_HEADER_DATA;
	verdict = wire_test_take(test, &w, &part);
	for (at = GUEST_HEADER_DATA; verdict == GPADL_WIRE_OK && at < m.len; at += 8) {
		word = guest_get(m.bytes + at, 8);
		guest_body(&part, HANDLE);
		guest_words(&part, &word, 1);
		verdict = wire_test_take(test, &w, &part);
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
	{}
};

struct kunit_suite wire_suite = {
	.name = "vmbus_gpadl_wire",
	.test_cases = wire_cases,
};
