// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_input: what each message of a guest gets, through the functions that
 * a channel layer uses. A message that is not right differs from one that is in one
 * field only.
 *
 * OPENCHANNEL, CLOSECHANNEL and RELID_RELEASED are messages to the channel layer.
 */
#include "suites.h"
#include "vm.h"

/* ---- Refused by a status ---- */

struct bad_field {
	const char *name;
	u32 offset;
	u32 size;
	u64 value;
	enum gpadl_reason reason;
};

#define BUFLEN(n, why)	{ "range_buflen " #n, GUEST_BUFLEN, 2, n, GPADL_REASON_##why }
#define RANGES(n, why)	{ "rangecount " #n, GUEST_RANGECOUNT, 2, n, GPADL_REASON_##why }
#define COUNT(n, why)	{ "byte_count " #n, GUEST_BYTE_COUNT, 4, n, GPADL_REASON_##why }
#define OFFSET(n, why)	{ "byte_offset " #n, GUEST_BYTE_OFFSET, 4, n, GPADL_REASON_##why }
#define PFN(i, n, why)	{ "pfn[" #i "] " #n, GUEST_PFN(i), 8, n, GPADL_REASON_##why }

static const struct bad_field bad_fields[] = {
	BUFLEN(0, BAD_BUFLEN), BUFLEN(1, BAD_BUFLEN), BUFLEN(2, BAD_BUFLEN),
	BUFLEN(3, BAD_BUFLEN), BUFLEN(4, BAD_BUFLEN), BUFLEN(5, BAD_BUFLEN),
	BUFLEN(6, BAD_BUFLEN), BUFLEN(7, BAD_BUFLEN), BUFLEN(8, BAD_BUFLEN),
	BUFLEN(15, BAD_BUFLEN), BUFLEN(23, BAD_BUFLEN), BUFLEN(25, BAD_BUFLEN),
	BUFLEN(28, BAD_BUFLEN), BUFLEN(0xffff, BAD_BUFLEN),
	BUFLEN(16, TOO_LONG),
	RANGES(0, NO_RANGES), RANGES(2, TOO_LONG), RANGES(0xffff, TOO_LONG),
	COUNT(0, BAD_COUNT), COUNT(0x2001, TOO_LONG), COUNT(0xffffffff, OVERFLOW),
	COUNT(0xfffff001, OVERFLOW), COUNT(0xfffff000, TOO_LONG),
	OFFSET(1, TOO_LONG), OFFSET(0xfff, TOO_LONG),
	OFFSET(0x1000, BAD_OFFSET), OFFSET(0xffffffff, BAD_OFFSET),
	PFN(0, 1ull << 40, BAD_PFN), PFN(1, ~0ull, BAD_PFN), PFN(1, 1ull << 63, BAD_PFN),
	PFN(0, VM_HOLE_PFN, NO_REGION), PFN(1, VM_HOLE_PFN, NO_REGION),
	PFN(1, VM_LOW_PFN - 1, NO_REGION), PFN(1, VM_TOP_PFN - 1, NO_REGION),
};

static void bad_field_desc(const struct bad_field *b, char *desc)
{
	strscpy(desc, b->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(bad_field, bad_fields, bad_field_desc);

VM_CASE(header_with_bad_field)
{
	const struct bad_field *b = test->param_value;
	struct guest_msg m;

	vm_valid_header(vm, &m, &vm->c[0], VM_HANDLE);
	guest_put(m.bytes + b->offset, b->size, b->value);
	KUNIT_EXPECT_EQ(test, vm_post(vm, &m), 0);
	vm_expect_created(vm, &vm->c[0], VM_HANDLE, 0xC000000D);
	vm_expect_silence(vm);
	vm_expect_counted(vm, b->reason);
	vm_expect_no_gpadl(vm, &vm->c[0]);

	/* The handle is as good as before. */
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 2);
}

/* The same in a later message: the range begins in the BODY. */
VM_CASE(body_with_bad_range)
{
	static const struct {
		u64 word[3];
		enum gpadl_reason reason;
	} bad[] = {
		{ { 0, VM_LOW_PFN, VM_LOW_PFN }, GPADL_REASON_BAD_COUNT },
		{ { 1ull << 44 | 8192, VM_LOW_PFN, VM_LOW_PFN }, GPADL_REASON_BAD_OFFSET },
		{ { 0xffffffff, VM_LOW_PFN, VM_LOW_PFN }, GPADL_REASON_OVERFLOW },
		{ { 8193, VM_LOW_PFN, VM_LOW_PFN }, GPADL_REASON_TOO_LONG },
		{ { 8192, VM_LOW_PFN, 1ull << 40 }, GPADL_REASON_BAD_PFN },
		{ { 8192, VM_LOW_PFN, VM_HOLE_PFN }, GPADL_REASON_NO_REGION },
	};
	struct guest_msg m;
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		vm_valid_header(vm, &m, &vm->c[0], VM_HANDLE);
		m.len = GUEST_HEADER_DATA;
		KUNIT_EXPECT_EQ(test, vm_post(vm, &m), 0);
		vm_expect_silence(vm);
		guest_body(&m, VM_HANDLE);
		guest_words(&m, bad[i].word, 3);
		KUNIT_EXPECT_EQ(test, vm_post(vm, &m), 0);
		vm_expect_created(vm, &vm->c[0], VM_HANDLE, 0xC000000D);
		KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->counts[bad[i].reason]), 1);
		vm_expect_no_gpadl(vm, &vm->c[0]);
	}
}

/* ---- Refused by an errno: the guest gets no reply ---- */

struct length {
	const char *name;
	u32 type;
	u32 len;
};

static const struct length bad_lengths[] = {
	{ "nothing", 8, 0 },
	{ "no type", 8, 7 },
	{ "HEADER one byte short", 8, 19 },
	{ "BODY one byte short", 9, 15 },
	{ "TEARDOWN one byte short", 11, 15 },
	{ "HEADER one byte long", 8, 241 },
	{ "BODY one byte long", 9, 241 },
	{ "TEARDOWN one byte long", 11, 241 },
	{ "another type, one byte long", 5, 241 },
};

static void length_desc(const struct length *l, char *desc)
{
	strscpy(desc, l->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(bad_length, bad_lengths, length_desc);

VM_CASE(message_of_bad_length)
{
	const struct length *l = test->param_value;
	struct guest_msg m;
	u8 *exact;

	/* Memory of that very length: KASAN sees a read beyond it. */
	exact = kunit_kzalloc(test, l->len, GFP_KERNEL);
	vm_valid_header(vm, &m, &vm->c[0], VM_HANDLE);
	guest_put(m.bytes + GUEST_TYPE, 4, l->type);
	memcpy(exact, m.bytes, min(l->len, m.len));
	KUNIT_EXPECT_EQ(test, vmbus_partition_receive(vm->p, exact, l->len, 0), -EBADMSG);
	vm_expect_silence(vm);
	vm_expect_counted(vm, GPADL_REASON_BAD_MESSAGE);
	vm_expect_no_gpadl(vm, &vm->c[0]);
}

VM_CASE(message_of_another_type)
{
	static const u32 types[] = {
		0, 1, 2, 3, 4, 5, 6, 7, 10, 12, 13, 14, 15, 16, 17, 22, 24, 0x108, ~0u
	};
	struct guest_msg m;
	int i;

	vm_valid_header(vm, &m, &vm->c[0], VM_HANDLE);
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		guest_put(m.bytes + GUEST_TYPE, 4, types[i]);
		KUNIT_EXPECT_EQ(test, vm_post(vm, &m), -EOPNOTSUPP);
		vm_expect_silence(vm);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->counts[GPADL_REASON_NOT_OURS]),
			ARRAY_SIZE(types));
	vm_expect_no_gpadl(vm, &vm->c[0]);
}

VM_CASE(header_for_unknown_relid)
{
	struct guest_msg m;

	vm_valid_header(vm, &m, &vm->c[0], VM_HANDLE);
	guest_put(m.bytes + GUEST_RELID, 4, 99);
	vm_expect_refused(vm, &m, -ENXIO, GPADL_REASON_NO_CHANNEL);
}

VM_CASE(teardown_for_unknown_relid)
{
	struct guest_msg m;

	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 2);
	guest_teardown(&m, 99, VM_HANDLE);
	vm_expect_refused(vm, &m, -ENXIO, GPADL_REASON_NO_CHANNEL);
	KUNIT_EXPECT_NOT_NULL(test, vm_gpadl(&vm->c[0], VM_HANDLE));
}

VM_CASE(body_for_unknown_handle)
{
	struct guest_msg m;
	u64 pfn = VM_LOW_PFN;

	guest_body(&m, VM_HANDLE);
	guest_words(&m, &pfn, 1);
	vm_expect_refused(vm, &m, -ENOENT, GPADL_REASON_NO_HEADER);
}

VM_CASE(body_for_complete_gpadl)
{
	struct sg_table *sgt;
	struct guest_msg m;
	u64 pfn = VM_HOLE_PFN;

	vm_fill(vm, VM_LOW_PFN, 2);
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 2);
	guest_body(&m, VM_HANDLE);
	guest_words(&m, &pfn, 1);
	vm_expect_refused(vm, &m, -ENOENT, GPADL_REASON_NO_HEADER);

	/* It is untouched. */
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, &sgt), 0);
	vm_expect_sg(vm, sgt);
	KUNIT_EXPECT_EQ(test, vm_post(vm, &m), -ENOENT);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

VM_CASE(unknown_receive_flag)
{
	struct guest_msg m;

	vm_valid_header(vm, &m, &vm->c[0], VM_HANDLE);
	KUNIT_EXPECT_EQ(test, vmbus_partition_receive(vm->p, m.bytes, m.len, BIT(1)), -EINVAL);
	vm_expect_silence(vm);
	vm_expect_no_gpadl(vm, &vm->c[0]);
}

VM_CASE(reply_buffer_too_small)
{
	struct guest_msg m;
	u8 reply[VMBUS_GPADL_MAX_REPLY];

	KUNIT_EXPECT_EQ(test, -EMSGSIZE,
			vmbus_partition_next_reply(vm->p, reply, sizeof(reply) - 1));
	vm_valid_header(vm, &m, &vm->c[0], VM_HANDLE);
	KUNIT_EXPECT_EQ(test, vm_post(vm, &m), 0);
	KUNIT_EXPECT_EQ(test, -EMSGSIZE,
			vmbus_partition_next_reply(vm->p, reply, sizeof(reply) - 1));
	/* It is not lost. */
	vm_expect_created(vm, &vm->c[0], VM_HANDLE, GPADL_STATUS_SUCCESS);
}

/* ---- Unusual, but right ---- */

VM_CASE(header_of_full_length)
{
	struct guest_msg m;

	vm_valid_header(vm, &m, &vm->c[0], VM_HANDLE);
	memset(m.bytes + m.len, 0xff, GUEST_MSG_MAX - m.len);
	m.len = GUEST_MSG_MAX;
	KUNIT_EXPECT_EQ(test, vm_post(vm, &m), 0);
	vm_expect_established(vm, &vm->c[0], VM_HANDLE);
}

VM_CASE(header_with_surplus_buflen)
{
	struct guest_msg m;

	/* All declared ranges are there, so it is complete. */
	vm_valid_header(vm, &m, &vm->c[0], VM_HANDLE);
	guest_put(m.bytes + GUEST_BUFLEN, 2, 0xfff8);
	KUNIT_EXPECT_EQ(test, vm_post(vm, &m), 0);
	vm_expect_established(vm, &vm->c[0], VM_HANDLE);
}

VM_CASE(header_with_odd_bytes)
{
	struct guest_msg m;
	u32 odd;

	for (odd = 1; odd < 8; odd++) {
		vm_valid_header(vm, &m, &vm->c[0], odd);
		memset(m.bytes + m.len, 0xff, odd);
		m.len += odd;
		KUNIT_EXPECT_EQ(test, vm_post(vm, &m), 0);
		vm_expect_established(vm, &vm->c[0], odd);
	}
}

VM_CASE(header_with_padding_set)
{
	struct guest_msg m;

	vm_valid_header(vm, &m, &vm->c[0], VM_HANDLE);
	guest_put(m.bytes + GUEST_PADDING, 4, ~0u);
	KUNIT_EXPECT_EQ(test, vm_post(vm, &m), 0);
	vm_expect_established(vm, &vm->c[0], VM_HANDLE);
}

/*
 * Sends the GPADL of vm_valid_header() with so many words, and @odd bytes, in each
 * message.
 */
static void send_cut(struct vm *vm, const u32 *cuts, u32 nr_cuts, u32 odd)
{
	struct guest_msg m;
	u32 i, at = 0;

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 2);
	guest_header(&m, vm->c[0].relid, VM_HANDLE, &vm->s);
	for (i = 0; i < nr_cuts; i++) {
		guest_words(&m, vm->s.words + at, cuts[i]);
		memset(m.bytes + m.len, 0xff, odd);
		m.len += odd;
		at += cuts[i];
		vm_expect_silence(vm);
		KUNIT_EXPECT_EQ(vm->test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), -ENOENT);
		KUNIT_EXPECT_EQ(vm->test, vm_post(vm, &m), 0);
		guest_body(&m, VM_HANDLE);
	}
	vm_expect_established(vm, &vm->c[0], VM_HANDLE);
}

static void header_without_words(struct kunit *test)
{
	send_cut(test->priv, (const u32[]) { 0, 3 }, 2, 0);
}

static void header_without_pfns(struct kunit *test)
{
	send_cut(test->priv, (const u32[]) { 1, 2 }, 2, 0);
}

static void one_word_a_message(struct kunit *test)
{
	send_cut(test->priv, (const u32[]) { 0, 1, 1, 1 }, 4, 0);
}

static void bodies_with_odd_bytes(struct kunit *test)
{
	send_cut(test->priv, (const u32[]) { 1, 1, 1 }, 3, 7);
}

VM_CASE(range_begins_in_body)
{
	struct sg_table *sgt;

	/* Linux's HEADER holds 27 words: the second range's first is the BODY's. */
	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, GUEST_HEADER_WORDS - 1);
	vm_range(vm, VM_HIGH_PFN, 3);
	vm_fill(vm, VM_LOW_PFN, GUEST_HEADER_WORDS);
	vm_fill(vm, VM_HIGH_PFN, 3);
	KUNIT_EXPECT_EQ(test, vm_send(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_created(vm, &vm->c[0], VM_HANDLE, GPADL_STATUS_SUCCESS);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, &sgt), 0);
	vm_expect_sg(vm, sgt);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

VM_CASE(body_past_the_end)
{
	struct guest_msg m;

	vm_valid_header(vm, &m, &vm->c[0], VM_HANDLE);
	m.len = GUEST_HEADER_DATA;
	KUNIT_EXPECT_EQ(test, vm_post(vm, &m), 0);
	guest_body(&m, VM_HANDLE);
	guest_words(&m, vm->s.words, 3);
	memset(m.bytes + m.len, 0xff, GUEST_MSG_MAX - m.len);
	m.len = GUEST_MSG_MAX;
	KUNIT_EXPECT_EQ(test, vm_post(vm, &m), 0);
	vm_expect_established(vm, &vm->c[0], VM_HANDLE);
}

VM_CASE(body_of_any_msgnumber)
{
	static const u32 numbers[] = { 0, 1, 7, ~0u };
	struct guest_msg m;
	int i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		vm_valid_header(vm, &m, &vm->c[0], i);
		m.len = GUEST_HEADER_DATA;
		KUNIT_EXPECT_EQ(test, vm_post(vm, &m), 0);
		guest_body(&m, i);
		guest_put(m.bytes + GUEST_MSGNUMBER, 4, numbers[i]);
		guest_words(&m, vm->s.words, 3);
		KUNIT_EXPECT_EQ(test, vm_post(vm, &m), 0);
		vm_expect_established(vm, &vm->c[0], i);
	}
}

VM_CASE(body_that_adds_nothing)
{
	struct guest_msg m;
	u32 odd;

	for (odd = 0; odd < 8; odd += 7) {
		vm_valid_header(vm, &m, &vm->c[0], VM_HANDLE);
		m.len = GUEST_HEADER_DATA;
		KUNIT_EXPECT_EQ(test, vm_post(vm, &m), 0);
		guest_body(&m, VM_HANDLE);
		m.len += odd;
		KUNIT_EXPECT_EQ(test, vm_post(vm, &m), 0);
		vm_expect_created(vm, &vm->c[0], VM_HANDLE, 0xC000000D);
		vm_expect_no_gpadl(vm, &vm->c[0]);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->counts[GPADL_REASON_NOTHING_ADDED]), 2);
}

VM_CASE(first_and_last_handle)
{
	static const u32 handles[] = { 0, ~0u };
	int i;

	for (i = 0; i < ARRAY_SIZE(handles); i++) {
		vm_establish(vm, &vm->c[0], handles[i], VM_LOW_PFN, 2);
		KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, handles[i], NULL), 0);
		vm_check(vm);
		vm_unmap(&vm->c[0], handles[i]);
		KUNIT_EXPECT_EQ(test, vm_teardown(vm, &vm->c[0], handles[i]), 0);
		vm_expect_torndown(vm, handles[i]);
	}
	vm_expect_no_gpadl(vm, &vm->c[0]);
}

VM_CASE(last_page_of_all)
{
	struct sg_table *sgt;

	vm_fill(vm, VM_TOP_PFN, VM_TOP_PAGES);
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_TOP_PFN, VM_TOP_PAGES);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, &sgt), 0);
	vm_expect_sg(vm, sgt);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

static struct kunit_case input_cases[] = {
	KUNIT_CASE_PARAM(header_with_bad_field, bad_field_gen_params),
	KUNIT_CASE(body_with_bad_range),
	KUNIT_CASE_PARAM(message_of_bad_length, bad_length_gen_params),
	KUNIT_CASE(message_of_another_type),
	KUNIT_CASE(header_for_unknown_relid),
	KUNIT_CASE(teardown_for_unknown_relid),
	KUNIT_CASE(body_for_unknown_handle),
	KUNIT_CASE(body_for_complete_gpadl),
	KUNIT_CASE(unknown_receive_flag),
	KUNIT_CASE(reply_buffer_too_small),
	KUNIT_CASE(header_of_full_length),
	KUNIT_CASE(header_with_surplus_buflen),
	KUNIT_CASE(header_with_odd_bytes),
	KUNIT_CASE(header_with_padding_set),
	KUNIT_CASE(header_without_words),
	KUNIT_CASE(header_without_pfns),
	KUNIT_CASE(one_word_a_message),
	KUNIT_CASE(bodies_with_odd_bytes),
	KUNIT_CASE(range_begins_in_body),
	KUNIT_CASE(body_past_the_end),
	KUNIT_CASE(body_of_any_msgnumber),
	KUNIT_CASE(body_that_adds_nothing),
	KUNIT_CASE(first_and_last_handle),
	KUNIT_CASE(last_page_of_all),
	{}
};

struct kunit_suite input_suite = {
	.name = "vmbus_gpadl_input",
	.init = vm_init,
	.exit = vm_exit,
	.test_cases = input_cases,
};
