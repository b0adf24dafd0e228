// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "vmbus_ring_in": the ring that the guest writes.
 */
#include <kunit/resource.h>
#include <kunit/test.h>
#include <linux/kasan.h>
#include <linux/module.h>
#include <linux/string.h>

#include <asm/cpufeature.h>

#include "gpadl/compat.h"
#include "ring_test.h"
#include "suites.h"

/* ---- Set-up ---- */

static void init_checks_length(struct kunit *test)
{
	struct ring_test *t = ring_test_alloc(test);
	static const size_t bad[] = { 0, 1, VMBUS_RING_PAGE, RING_BYTES - 8, RING_BYTES + 8 };
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		KUNIT_EXPECT_EQ(test, vmbus_ring_init_in(&t->in, t->control, bad[i]),
				-EINVAL);
		KUNIT_EXPECT_EQ(test, vmbus_ring_init_out(&t->out, t->control, bad[i]),
				-EINVAL);
	}
}

static void init_checks_index(struct kunit *test)
{
	struct ring_test *t = ring_test_alloc(test);
	int i;

	for (i = 0; i < ARRAY_SIZE(ring_bad_indexes); i++) {
		t->control->read_index = ring_bad_indexes[i];
		t->control->write_index = ring_bad_indexes[i];
		KUNIT_EXPECT_EQ(test, vmbus_ring_init_in(&t->in, t->control, RING_BYTES),
				-EIO);
		KUNIT_EXPECT_EQ(test, vmbus_ring_init_out(&t->out, t->control, RING_BYTES),
				-EIO);
	}
}

static void init_goes_on_where_it_was(struct kunit *test)
{
	struct ring_test *t = ring_test_alloc(test);
	struct vmbus_packet pkt;
	bool signal;

	t->control->read_index = DATA_BYTES - 8;
	t->control->write_index = DATA_BYTES - 8;
	t->guest_index = DATA_BYTES - 8;
	KUNIT_ASSERT_EQ(test, vmbus_ring_init_in(&t->in, t->control, RING_BYTES), 0);
	ring_guest_send(t, 16, 3);
	KUNIT_EXPECT_EQ(test, ring_test_read(t, &pkt, t->buf, 16, &signal), 0);
	KUNIT_EXPECT_EQ(test, pkt.trans_id, 3);
}

/* ---- Reading ---- */

static void read_empty(struct kunit *test)
{
	struct ring_test *t = ring_test_in(test);
	struct vmbus_packet pkt;
	bool signal;

	KUNIT_EXPECT_EQ(test, ring_test_read(t, &pkt, t->buf, 8, &signal), -EAGAIN);
	KUNIT_EXPECT_EQ(test, t->control->interrupt_mask, 0);
}

static void read_one(struct kunit *test)
{
	struct ring_test *t = ring_test_in(test);
	struct desc desc = {
		.type = VMBUS_PACKET_GPA_DIRECT,
		.offset8 = 4,
		.len8 = 6,
		.flags = VMBUS_PACKET_FLAG_COMPLETION,
		.trans_id = 0x1122334455667788,
	};
	u8 *buf = kunit_kzalloc(test, 32, GFP_KERNEL);
	struct vmbus_packet pkt;
	bool signal = true;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	memset(t->buf, 0xaa, 16);
	memset(t->buf + 16, 0xbb, 16);
	KUNIT_EXPECT_TRUE(test, vmbus_ring_is_empty(&t->in));
	KUNIT_EXPECT_TRUE(test, ring_guest_write(t, &desc, 32));
	KUNIT_EXPECT_FALSE(test, vmbus_ring_is_empty(&t->in));

	KUNIT_ASSERT_EQ(test, ring_test_read(t, &pkt, buf, 32, &signal), 0);
	KUNIT_EXPECT_EQ(test, pkt.type, desc.type);
	KUNIT_EXPECT_EQ(test, pkt.flags, desc.flags);
	KUNIT_EXPECT_EQ(test, pkt.trans_id, desc.trans_id);
	KUNIT_EXPECT_EQ(test, pkt.offset, 16);
	KUNIT_EXPECT_EQ(test, pkt.len, 16);
	KUNIT_EXPECT_MEMEQ(test, buf, t->buf, 32);
	KUNIT_EXPECT_FALSE(test, signal);
	KUNIT_EXPECT_EQ(test, t->control->read_index, 56);
}

/* Packets of all sizes at all positions, so that each part of one wraps some time. */
static void read_wraps(struct kunit *test)
{
	struct ring_test *t = ring_test_in(test);
	struct vmbus_packet pkt;
	u8 want[512];
	bool signal;
	u32 i, len;

	for (i = 0; i < 4 * DATA_BYTES / 8; i++) {
		len = i % 65 * 8;
		ring_guest_send(t, len, i);
		KUNIT_ASSERT_EQ(test,
				ring_test_read(t, &pkt, t->buf, 520, &signal), 0);
		KUNIT_ASSERT_EQ(test, pkt.len, len);
		KUNIT_ASSERT_EQ(test, pkt.trans_id, i);
		memset(want, i, min(len, 512u));
		KUNIT_ASSERT_MEMEQ(test, t->buf, want, min(len, 512u));
		KUNIT_ASSERT_EQ(test, t->control->read_index, t->control->write_index);
	}
}

static void read_masks_until_empty(struct kunit *test)
{
	struct ring_test *t = ring_test_in(test);
	struct vmbus_packet pkt;
	bool signal;

	KUNIT_EXPECT_TRUE(test, ring_guest_send(t, 8, 1));
	KUNIT_EXPECT_FALSE(test, ring_guest_send(t, 8, 2));
	KUNIT_EXPECT_EQ(test, ring_test_read(t, &pkt, t->buf, 8, &signal), 0);
	KUNIT_EXPECT_EQ(test, t->control->interrupt_mask, 1);
	KUNIT_EXPECT_EQ(test, ring_test_read(t, &pkt, t->buf, 8, &signal), 0);
	/* Read empty, but the host does not know yet. */
	KUNIT_EXPECT_FALSE(test, ring_guest_send(t, 8, 3));
	KUNIT_EXPECT_EQ(test, ring_test_read(t, &pkt, t->buf, 8, &signal), 0);
	KUNIT_EXPECT_EQ(test, ring_test_read(t, &pkt, t->buf, 8, &signal), -EAGAIN);
	KUNIT_EXPECT_EQ(test, t->control->interrupt_mask, 0);
	KUNIT_EXPECT_TRUE(test, ring_guest_send(t, 8, 4));
}

static void read_small_buffer(struct kunit *test)
{
	struct ring_test *t = ring_test_in(test);
	struct vmbus_packet pkt;
	bool signal;

	ring_guest_send(t, 16, 1);
	KUNIT_EXPECT_EQ(test, ring_test_read(t, &pkt, t->buf, 8, &signal), -EMSGSIZE);
	KUNIT_EXPECT_EQ(test, pkt.len, 16);
	KUNIT_EXPECT_EQ(test, t->control->read_index, 0);
	KUNIT_EXPECT_EQ(test, ring_test_read(t, &pkt, t->buf, 16, &signal), 0);
}

/* One field of a valid packet or control page, spoilt. */
struct bad_packet {
	const char *name;
	u16 offset8;
	u16 len8;
	u32 write_index;	/* 0: as it should be */
};

static const struct bad_packet bad_packets[] = {
	{ "length 0", 2, 0, 0 },
	{ "shorter than a descriptor", 1, 1, 0 },
	{ "offset 0", 0, 3, 0 },
	{ "offset inside the descriptor", 1, 3, 0 },
	{ "offset past the end", 4, 3, 0 },
	{ "longest offset", U16_MAX, 3, 0 },
	{ "8 bytes longer than what is there", 2, 4, 0 },
	{ "longest", 2, U16_MAX, 0 },
	{ "less than a descriptor and a trailer", 2, 3, 16 },
	{ "write index odd", 2, 3, 33 },
	{ "write index a multiple of 4", 2, 3, 36 },
	{ "write index at the end", 2, 3, DATA_BYTES },
	{ "write index past the end", 2, 3, DATA_BYTES + 32 },
	{ "largest write index", 2, 3, U32_MAX },
};

KUNIT_ARRAY_PARAM_DESC(bad_packet, bad_packets, name);

static void read_bad(struct kunit *test)
{
	const struct bad_packet *bad = test->param_value;
	struct ring_test *t = ring_test_in(test);
	struct desc desc = {
		.type = VMBUS_PACKET_INBAND,
		.offset8 = bad->offset8,
		.len8 = bad->len8,
	};
	struct vmbus_packet pkt;
	bool signal = false;

	ring_guest_write(t, &desc, 8);
	if (bad->write_index)
		t->control->write_index = bad->write_index;
	KUNIT_EXPECT_EQ(test, ring_test_read(t, &pkt, t->buf, sizeof(t->buf),
					     &signal), -EIO);
	KUNIT_EXPECT_EQ(test, t->control->read_index, 0);
	KUNIT_EXPECT_FALSE(test, signal);

	/* It stays so, whatever the guest mends. */
	desc.offset8 = 2;
	desc.len8 = 3;
	t->guest_index = 0;
	ring_guest_write(t, &desc, 8);
	KUNIT_EXPECT_EQ(test, ring_test_read(t, &pkt, t->buf, sizeof(t->buf),
					     &signal), -EIO);
}

/* What the guest does to the host's index does not matter to the host. */
static void read_keeps_own_index(struct kunit *test)
{
	struct ring_test *t = ring_test_in(test);
	struct vmbus_packet pkt;
	bool signal;
	u64 id;

	for (id = 0; id < 3; id++)
		ring_guest_send(t, 8, id);
	for (id = 0; id < 3; id++) {
		t->control->read_index = ring_bad_indexes[id];
		KUNIT_EXPECT_EQ(test, ring_test_read(t, &pkt, t->buf, 8, &signal), 0);
		KUNIT_EXPECT_EQ(test, pkt.trans_id, id);
	}
	KUNIT_EXPECT_EQ(test, t->control->read_index, 3 * 32);
}

/* One signal when what the guest waits for has become free: not before, not again. */
static void read_signals_room_once(struct kunit *test)
{
	struct ring_test *t = ring_test_in(test);
	u32 room, signals = 0, pending = 1000;
	struct vmbus_packet pkt;
	bool signal;

	while (ring_guest_room(t) > 64)
		ring_guest_send(t, 40, 1);
	t->control->pending_send_sz = pending;
	for (;;) {
		room = ring_guest_room(t);
		if (ring_test_read(t, &pkt, t->buf, 40, &signal))
			break;
		KUNIT_EXPECT_EQ(test, signal, room <= pending && ring_guest_room(t) > pending);
		signals += signal;
	}
	KUNIT_EXPECT_EQ(test, signals, 1);
}

static void read_signals_nobody_who_does_not_wait(struct kunit *test)
{
	struct ring_test *t = ring_test_in(test);
	struct vmbus_packet pkt;
	bool signal;

	while (ring_guest_room(t) > 64)
		ring_guest_send(t, 40, 1);
	while (!ring_test_read(t, &pkt, t->buf, 40, &signal))
		KUNIT_EXPECT_FALSE(test, signal);
}

/* ---- In place ---- */

static void peek_in_place(struct kunit *test)
{
	struct ring_test *t = ring_test_in(test);
	struct vmbus_packet pkt;
	unsigned int todo = 0;
	struct kvec seg[2];

	ring_guest_send(t, 40, 7);
	KUNIT_ASSERT_EQ(test, vmbus_ring_peek(&t->in, &pkt, seg, &todo), 0);
	KUNIT_EXPECT_EQ(test, pkt.trans_id, 7);
	KUNIT_EXPECT_PTR_EQ(test, seg[0].iov_base, (void *)(t->data + VMBUS_RING_DESC));
	KUNIT_EXPECT_EQ(test, seg[0].iov_len, 40);
	KUNIT_EXPECT_EQ(test, seg[1].iov_len, 0);
	KUNIT_EXPECT_EQ(test, t->control->read_index, 0);
}

/* The second part begins where the data begins. */
static void peek_goes_round_the_end(struct kunit *test)
{
	struct ring_test *t = ring_test_alloc(test);
	struct vmbus_packet pkt;
	unsigned int todo = 0;
	struct kvec seg[2];
	u8 buf[40];

	t->guest_index = DATA_BYTES - VMBUS_RING_DESC - 8;
	t->control->read_index = t->guest_index;
	t->control->write_index = t->guest_index;
	KUNIT_ASSERT_EQ(test, vmbus_ring_init_in(&t->in, t->control, RING_BYTES), 0);
	ring_guest_send(t, 40, 7);
	KUNIT_ASSERT_EQ(test, vmbus_ring_peek(&t->in, &pkt, seg, &todo), 0);
	KUNIT_EXPECT_EQ(test, seg[0].iov_len, 8);
	KUNIT_EXPECT_PTR_EQ(test, seg[1].iov_base, (void *)t->data);
	KUNIT_EXPECT_EQ(test, seg[1].iov_len, 32);
	KUNIT_EXPECT_EQ(test, vmbus_ring_copy(&t->in, seg, 0, buf, 40), 0);
	KUNIT_EXPECT_MEMEQ(test, buf, t->buf, 40);
}

static void copy_keeps_to_the_packet(struct kunit *test)
{
	struct ring_test *t = ring_test_in(test);
	struct vmbus_packet pkt;
	unsigned int todo = 0;
	struct kvec seg[2];
	u8 buf[64];

	ring_guest_send(t, 40, 7);
	KUNIT_ASSERT_EQ(test, vmbus_ring_peek(&t->in, &pkt, seg, &todo), 0);
	KUNIT_EXPECT_EQ(test, vmbus_ring_copy(&t->in, seg, 32, buf, 8), 0);
	KUNIT_EXPECT_EQ(test, vmbus_ring_copy(&t->in, seg, 40, buf, 0), 0);
	KUNIT_EXPECT_EQ(test, vmbus_ring_copy(&t->in, seg, 0, buf, 41), -EINVAL);
	KUNIT_EXPECT_EQ(test, vmbus_ring_copy(&t->in, seg, 33, buf, 8), -EINVAL);
	KUNIT_EXPECT_EQ(test, vmbus_ring_copy(&t->in, seg, 41, buf, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, vmbus_ring_copy(&t->in, seg, SIZE_MAX, buf, 8), -EINVAL);
}

static void consume_shows_at_commit(struct kunit *test)
{
	struct ring_test *t = ring_test_in(test);
	struct vmbus_packet pkt;
	unsigned int todo = 0;
	struct kvec seg[2];
	u64 id;

	for (id = 0; id < 3; id++)
		ring_guest_send(t, 8, id);
	for (id = 0; id < 2; id++) {
		KUNIT_ASSERT_EQ(test, vmbus_ring_peek(&t->in, &pkt, seg, &todo), 0);
		KUNIT_EXPECT_EQ(test, pkt.trans_id, id);
		KUNIT_EXPECT_TRUE(test, vmbus_ring_consume(&t->in));
		KUNIT_EXPECT_EQ(test, t->control->read_index, 0);
	}
	vmbus_ring_commit(&t->in, &todo);
	KUNIT_EXPECT_EQ(test, t->control->read_index, 64);
}

static void consume_takes_what_was_peeked(struct kunit *test)
{
	struct ring_test *t = ring_test_in(test);
	struct vmbus_packet pkt;
	unsigned int todo = 0;
	struct kvec seg[2];

	KUNIT_EXPECT_FALSE(test, vmbus_ring_consume(&t->in));
	ring_guest_send(t, 8, 1);
	ring_guest_send(t, 8, 2);
	KUNIT_ASSERT_EQ(test, vmbus_ring_peek(&t->in, &pkt, seg, &todo), 0);
	KUNIT_EXPECT_TRUE(test, vmbus_ring_consume(&t->in));
	KUNIT_EXPECT_FALSE(test, vmbus_ring_consume(&t->in));
}

/* The guest's only packet is consumed, and its room not given back yet; what is left to do. */
static unsigned int consume_one(struct kunit *test, struct ring_test *t)
{
	struct vmbus_packet pkt;
	unsigned int todo = 0;
	struct kvec seg[2];

	ring_guest_send(t, 8, 1);
	KUNIT_ASSERT_EQ(test, vmbus_ring_peek(&t->in, &pkt, seg, &todo), 0);
	KUNIT_EXPECT_TRUE(test, vmbus_ring_consume(&t->in));
	return todo;
}

/* The guest signals if it finds read_index where its packet begins. */
static void peek_of_nothing_commits(struct kunit *test)
{
	struct ring_test *t = ring_test_in(test);
	unsigned int todo = consume_one(test, t);
	struct vmbus_packet pkt;
	struct kvec seg[2];

	KUNIT_EXPECT_EQ(test, vmbus_ring_peek(&t->in, &pkt, seg, &todo), -EAGAIN);
	KUNIT_EXPECT_EQ(test, t->control->read_index, 32);
	KUNIT_EXPECT_EQ(test, t->control->interrupt_mask, 0);
	KUNIT_EXPECT_TRUE(test, ring_guest_send(t, 8, 2));
}

static void batch_signals_room_once(struct kunit *test)
{
	struct ring_test *t = ring_test_in(test);
	struct vmbus_packet pkt;
	unsigned int todo = 0;
	struct kvec seg[2];

	while (ring_guest_room(t) > 64)
		ring_guest_send(t, 40, 1);
	t->control->pending_send_sz = 1000;
	while (!vmbus_ring_peek(&t->in, &pkt, seg, &todo) && t->in.index < DATA_BYTES / 2)
		vmbus_ring_consume(&t->in);
	KUNIT_EXPECT_EQ(test, todo, 0);
	vmbus_ring_commit(&t->in, &todo);
	KUNIT_EXPECT_EQ(test, todo, VMBUS_RING_SIGNAL);
	todo = 0;
	vmbus_ring_commit(&t->in, &todo);
	KUNIT_EXPECT_EQ(test, todo, 0);
}

/* One that the buffer is too small for need not stay for ever. */
static void too_large_is_stepped_over(struct kunit *test)
{
	struct ring_test *t = ring_test_in(test);
	struct vmbus_packet pkt;
	bool signal;

	ring_guest_send(t, 16, 1);
	ring_guest_send(t, 8, 2);
	KUNIT_EXPECT_EQ(test, ring_test_read(t, &pkt, t->buf, 8, &signal), -EMSGSIZE);
	KUNIT_EXPECT_TRUE(test, vmbus_ring_consume(&t->in));
	KUNIT_EXPECT_EQ(test, ring_test_read(t, &pkt, t->buf, 8, &signal), 0);
	KUNIT_EXPECT_EQ(test, pkt.trans_id, 2);
	KUNIT_EXPECT_EQ(test, t->control->read_index, 72);
}

static void type_header_is_there(struct kunit *test)
{
	static const u16 types[] = { VMBUS_PACKET_GPA_DIRECT, VMBUS_PACKET_XFER_PAGES };
	struct desc desc = { .len8 = 4 };
	struct vmbus_packet pkt;
	bool signal;
	int i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		struct ring_test *t = ring_test_in(test);

		desc.type = types[i];
		desc.offset8 = 3;
		ring_guest_write(t, &desc, 16);
		KUNIT_EXPECT_EQ(test, ring_test_read(t, &pkt, t->buf, 16, &signal), 0);
		KUNIT_EXPECT_EQ(test, pkt.offset, 8);
		desc.offset8 = 2;
		ring_guest_write(t, &desc, 16);
		KUNIT_EXPECT_EQ(test, ring_test_read(t, &pkt, t->buf, 16, &signal), -EIO);
	}
}

/* As is any other type, with a header or without: its backend sees what is there. */
static void type_gpadl_is_handed_over(struct kunit *test)
{
	struct ring_test *t = ring_test_in(test);
	struct desc desc = { .type = VMBUS_PACKET_GPADL, .len8 = 4 };
	struct vmbus_packet pkt;
	bool signal;

	for (desc.offset8 = 2; desc.offset8 <= desc.len8; desc.offset8++) {
		ring_guest_write(t, &desc, 16);
		KUNIT_EXPECT_EQ(test, ring_test_read(t, &pkt, t->buf, 16, &signal), 0);
		KUNIT_EXPECT_EQ(test, pkt.type, VMBUS_PACKET_GPADL);
		KUNIT_EXPECT_EQ(test, pkt.offset, (desc.offset8 - 2) * 8);
		KUNIT_EXPECT_EQ(test, pkt.len, (desc.len8 - desc.offset8) * 8);
	}
}

/* ---- Polling ---- */

static void polled_stays_masked(struct kunit *test)
{
	struct ring_test *t = ring_test_in(test);
	struct vmbus_packet pkt;
	bool signal;

	vmbus_ring_mask(&t->in);
	KUNIT_EXPECT_EQ(test, ring_test_read(t, &pkt, t->buf, 8, &signal), -EAGAIN);
	KUNIT_EXPECT_FALSE(test, ring_guest_send(t, 8, 1));
	KUNIT_EXPECT_EQ(test, ring_test_read(t, &pkt, t->buf, 8, &signal), 0);
	KUNIT_EXPECT_EQ(test, ring_test_read(t, &pkt, t->buf, 8, &signal), -EAGAIN);
	KUNIT_EXPECT_EQ(test, t->control->interrupt_mask, 1);
}

static void unmask_tells_of_a_packet(struct kunit *test)
{
	struct ring_test *t = ring_test_in(test);
	struct vmbus_packet pkt;
	bool signal;

	vmbus_ring_mask(&t->in);
	ring_guest_send(t, 8, 1);
	KUNIT_EXPECT_TRUE(test, vmbus_ring_unmask(&t->in));
	KUNIT_EXPECT_EQ(test, ring_test_read(t, &pkt, t->buf, 8, &signal), 0);
	vmbus_ring_mask(&t->in);
	KUNIT_EXPECT_FALSE(test, vmbus_ring_unmask(&t->in));
	KUNIT_EXPECT_EQ(test, t->control->interrupt_mask, 0);
	KUNIT_EXPECT_TRUE(test, ring_guest_send(t, 8, 2));
}

static void unmask_tells_of_a_broken_ring(struct kunit *test)
{
	struct ring_test *t = ring_test_in(test);
	struct vmbus_packet pkt;
	bool signal;

	vmbus_ring_mask(&t->in);
	t->control->write_index = 1;
	KUNIT_EXPECT_TRUE(test, vmbus_ring_unmask(&t->in));
	KUNIT_EXPECT_EQ(test, ring_test_read(t, &pkt, t->buf, 8, &signal), -EIO);
	KUNIT_EXPECT_TRUE(test, vmbus_ring_unmask(&t->in));
}

/* What was consumed before is not the guest's again: it may be anything. */
static void broken_commits_nothing(struct kunit *test)
{
	struct ring_test *t = ring_test_in(test);
	unsigned int todo = consume_one(test, t);
	struct vmbus_packet pkt;
	struct kvec seg[2];

	t->control->write_index = 1;
	KUNIT_EXPECT_EQ(test, vmbus_ring_peek(&t->in, &pkt, seg, &todo), -EIO);
	vmbus_ring_commit(&t->in, &todo);
	KUNIT_EXPECT_EQ(test, t->control->read_index, 0);
	t->control->interrupt_mask = 7;
	vmbus_ring_mask(&t->in);
	KUNIT_EXPECT_EQ(test, t->control->interrupt_mask, 7);
}

static void unmask_with_a_packet_at_hand(struct kunit *test)
{
	struct ring_test *t = ring_test_in(test);
	struct vmbus_packet pkt;
	bool signal;

	ring_guest_send(t, 8, 1);
	ring_guest_send(t, 8, 2);
	KUNIT_EXPECT_EQ(test, ring_test_read(t, &pkt, t->buf, 8, &signal), 0);
	vmbus_ring_mask(&t->in);
	KUNIT_EXPECT_TRUE(test, vmbus_ring_unmask(&t->in));
	KUNIT_EXPECT_EQ(test, t->control->interrupt_mask, 1);
	KUNIT_EXPECT_EQ(test, ring_test_read(t, &pkt, t->buf, 8, &signal), 0);
}

/* ---- Memory errors ---- */

/*
 * A ring with a packet of 600 bytes of payload. @behind: from there on its memory has errors;
 * @page: what lies before that, a page.
 */
struct mc_test {
	struct ring_test *ring;
	u8 *page;
	u8 *behind;
};

static void mc_init(struct kunit *test, struct mc_test *mc)
{
	mc->behind = ring_test_error(test);
	mc->page = mc->behind - PAGE_SIZE;
	mc->ring = ring_test_in(test);
	ring_guest_send(mc->ring, 600, 1);
	memcpy(mc->page, mc->ring->data, PAGE_SIZE);
	/* It would report the address before the load faults. */
	kasan_disable_current();
}

/* A descriptor, or the second half of one */
static void error_in_descriptor(struct kunit *test)
{
	struct vmbus_packet pkt;
	unsigned int todo = 0;
	struct kvec seg[2];
	struct mc_test mc;
	int i, ret;

	for (i = 0; i <= 8; i += 8) {
		mc_init(test, &mc);
		mc.ring->in.mem.data = mc.behind - i;
		memcpy(mc.behind - 8, mc.page, 8);
		ret = vmbus_ring_peek(&mc.ring->in, &pkt, seg, &todo);
		kasan_enable_current();
		KUNIT_EXPECT_EQ(test, ret, -EIO);
		KUNIT_EXPECT_EQ(test, vmbus_ring_peek(&mc.ring->in, &pkt, seg, &todo), -EIO);
	}
}

/* A payload of which the first words are there: it is copied by words, or by the kernel. */
static void error_in_payload(struct kunit *test)
{
	static const u32 lens[] = { 8, 40, 104, 600 };
	struct vmbus_packet pkt;
	unsigned int todo = 0;
	struct kvec seg[2];
	struct mc_test mc;
	int i, ret;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		mc_init(test, &mc);
		kasan_enable_current();
		KUNIT_ASSERT_EQ(test, vmbus_ring_peek(&mc.ring->in, &pkt, seg, &todo), 0);
		seg[0].iov_base = mc.behind - lens[i] / 16 * 8;
		kasan_disable_current();
		ret = vmbus_ring_copy(&mc.ring->in, seg, 0, mc.ring->buf, lens[i]);
		kasan_enable_current();
		KUNIT_EXPECT_EQ(test, ret, -EIO);
		KUNIT_EXPECT_EQ(test, vmbus_ring_peek(&mc.ring->in, &pkt, seg, &todo), -EIO);
	}
}

static struct kunit_case ring_in_cases[] = {
	KUNIT_CASE(init_checks_length),
	KUNIT_CASE(init_checks_index),
	KUNIT_CASE(init_goes_on_where_it_was),
	KUNIT_CASE(read_empty),
	KUNIT_CASE(read_one),
	KUNIT_CASE(read_wraps),
	KUNIT_CASE(read_masks_until_empty),
	KUNIT_CASE(read_small_buffer),
	KUNIT_CASE_PARAM(read_bad, bad_packet_gen_params),
	KUNIT_CASE(read_keeps_own_index),
	KUNIT_CASE(read_signals_room_once),
	KUNIT_CASE(read_signals_nobody_who_does_not_wait),
	KUNIT_CASE(peek_in_place),
	KUNIT_CASE(peek_goes_round_the_end),
	KUNIT_CASE(copy_keeps_to_the_packet),
	KUNIT_CASE(consume_shows_at_commit),
	KUNIT_CASE(consume_takes_what_was_peeked),
	KUNIT_CASE(peek_of_nothing_commits),
	KUNIT_CASE(batch_signals_room_once),
	KUNIT_CASE(too_large_is_stepped_over),
	KUNIT_CASE(type_header_is_there),
	KUNIT_CASE(type_gpadl_is_handed_over),
	KUNIT_CASE(polled_stays_masked),
	KUNIT_CASE(unmask_tells_of_a_packet),
	KUNIT_CASE(unmask_tells_of_a_broken_ring),
	KUNIT_CASE(broken_commits_nothing),
	KUNIT_CASE(unmask_with_a_packet_at_hand),
	KUNIT_CASE(error_in_descriptor),
	KUNIT_CASE(error_in_payload),
	{}
};

struct kunit_suite ring_in_suite = {
	.name = "vmbus_ring_in",
	.test_cases = ring_in_cases,
};

MODULE_IMPORT_NS(VMBUS_HOST_NS);
