// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "vmbus_ring_out": the ring that the host writes.
 */
#include <kunit/test.h>
#include <linux/module.h>
#include <linux/string.h>

#include "gpadl/compat.h"
#include "ring_test.h"
#include "suites.h"

/* ---- Writing ---- */

static void write_one(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	struct vmbus_packet pkt = {
		.type = VMBUS_PACKET_COMPLETION,
		.flags = VMBUS_PACKET_FLAG_COMPLETION,
		.trans_id = 0x1122334455667788,
		.offset = 8,
		.len = 5,
	};
	static const u8 want[] = {
		11, 0, 3, 0, 4, 0, 1, 0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
		'h', 'e', 'a', 'd', 'e', 'r', ' ', ' ', 'h', 'e', 'l', 'l', 'o', 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0,
	};
	bool signal = false;

	memset(t->data, 0xff, DATA_BYTES);
	KUNIT_EXPECT_EQ(test, ring_test_write(t, &pkt, "header  hello", &signal), 0);
	KUNIT_EXPECT_TRUE(test, signal);
	KUNIT_EXPECT_MEMEQ(test, t->data, want, sizeof(want));
	KUNIT_EXPECT_EQ(test, t->data[sizeof(want)], 0xff);
	KUNIT_EXPECT_EQ(test, t->control->write_index, sizeof(want));

	/* The second trailer holds where the second packet began. */
	KUNIT_EXPECT_EQ(test, ring_test_write(t, &pkt, "header  hello", &signal), 0);
	KUNIT_EXPECT_EQ(test, *(u64 *)(t->data + 2 * sizeof(want) - 8),
			(u64)sizeof(want) << 32);
}

static void write_wraps(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	struct desc desc;
	u8 want[520];
	bool signal;
	u32 i, len;

	for (i = 0; i < 4 * DATA_BYTES / 8; i++) {
		len = 1 + i % 513;
		KUNIT_ASSERT_EQ(test, ring_test_send(t, len, i, &signal), 0);
		KUNIT_ASSERT_TRUE(test, signal);
		KUNIT_ASSERT_EQ(test, ring_guest_recv(t, &desc), ALIGN(len, 8));
		KUNIT_ASSERT_EQ(test, desc.trans_id, i);
		memset(want, 0, sizeof(want));
		memset(want, i, len);
		KUNIT_ASSERT_MEMEQ(test, t->buf, want, ALIGN(len, 8));
	}
}

static void write_signals_empty_only(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	struct desc desc;
	bool signal;

	KUNIT_EXPECT_EQ(test, ring_test_send(t, 8, 1, &signal), 0);
	KUNIT_EXPECT_TRUE(test, signal);
	KUNIT_EXPECT_EQ(test, ring_test_send(t, 8, 2, &signal), 0);
	KUNIT_EXPECT_FALSE(test, signal);
	ring_guest_recv(t, &desc);
	ring_guest_recv(t, &desc);
	KUNIT_EXPECT_EQ(test, ring_test_send(t, 8, 3, &signal), 0);
	KUNIT_EXPECT_TRUE(test, signal);
}

static void write_minds_mask(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	bool signal = true;

	t->control->interrupt_mask = 1;
	KUNIT_EXPECT_EQ(test, ring_test_send(t, 8, 1, &signal), 0);
	KUNIT_EXPECT_FALSE(test, signal);
}

/* Room for a packet is not enough: a ring filled to the last byte would look empty. */
static void write_never_fills(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	bool signal;
	u32 i;

	for (i = 0; i < DATA_BYTES / 32 - 1; i++)
		KUNIT_ASSERT_EQ(test, ring_test_send(t, 8, i, &signal), 0);
	KUNIT_EXPECT_EQ(test, ring_test_send(t, 8, i, &signal), -EAGAIN);
	KUNIT_EXPECT_NE(test, t->control->write_index, t->control->read_index);
}

static void write_waits_for_room(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	struct desc desc;
	bool signal;

	KUNIT_EXPECT_EQ(test, t->control->feature_bits, VMBUS_RING_FEATURE_PENDING_SEND_SZ);
	while (!ring_test_send(t, 1000, 1, &signal))
		KUNIT_EXPECT_EQ(test, t->control->pending_send_sz, 0);
	KUNIT_EXPECT_EQ(test, t->control->pending_send_sz, 1025);
	ring_guest_recv(t, &desc);
	KUNIT_EXPECT_EQ(test, ring_test_send(t, 1000, 2, &signal), 0);
	KUNIT_EXPECT_EQ(test, t->control->pending_send_sz, 0);
}

/* A smaller packet finds room meanwhile: the guest is to signal all the same. */
static void write_waits_past_a_smaller_one(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	bool signal;

	while (!ring_test_send(t, 1000, 1, &signal))
		;
	KUNIT_EXPECT_EQ(test, t->control->pending_send_sz, 1025);
	KUNIT_EXPECT_EQ(test, ring_test_send(t, 8, 2, &signal), 0);
	KUNIT_EXPECT_EQ(test, t->control->pending_send_sz, 1025);
}

static void write_too_long(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	struct vmbus_packet pkt = { .type = VMBUS_PACKET_INBAND };
	static const u32 bad[] = { DATA_BYTES - 24, DATA_BYTES, U16_MAX * 8, U32_MAX };
	bool signal;
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		pkt.len = bad[i];
		KUNIT_EXPECT_EQ(test, ring_test_write(t, &pkt, t->buf, &signal),
				-EMSGSIZE);
	}
	KUNIT_EXPECT_EQ(test, t->control->write_index, 0);
	KUNIT_EXPECT_EQ(test, t->control->pending_send_sz, 0);
}

/* It is looked at when there is no room otherwise. */
static void write_bad_read_index(struct kunit *test)
{
	bool signal = false;
	u32 written;
	int i;

	for (i = 0; i < ARRAY_SIZE(ring_bad_indexes); i++) {
		struct ring_test *t = ring_test_out(test);

		t->control->read_index = ring_bad_indexes[i];
		while (!ring_test_send(t, 1000, 1, &signal))
			;
		written = t->control->write_index;
		KUNIT_EXPECT_EQ(test, written, 3 * 1024);
		t->control->read_index = 0;
		KUNIT_EXPECT_EQ(test, ring_test_send(t, 8, 1, &signal), -EIO);
		KUNIT_EXPECT_EQ(test, t->control->write_index, written);
		KUNIT_EXPECT_EQ(test, t->control->pending_send_sz, 0);
	}
}

/* What the guest has read it has read: somebody may have been promised that room. */
static void read_index_goes_back(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	bool signal = false;

	while (!ring_test_send(t, 1000, 1, &signal))
		;
	t->control->read_index = 2048;
	KUNIT_EXPECT_EQ(test, ring_test_send(t, 1000, 1, &signal), 0);
	KUNIT_EXPECT_EQ(test, ring_test_send(t, 1000, 1, &signal), 0);
	t->control->read_index = 1536;
	KUNIT_EXPECT_EQ(test, ring_test_send(t, 1000, 1, &signal), -EIO);
	t->control->read_index = 2048;
	KUNIT_EXPECT_EQ(test, ring_test_send(t, 8, 1, &signal), -EIO);
}

static void write_keeps_own_index(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	struct desc desc;
	bool signal;

	KUNIT_EXPECT_EQ(test, ring_test_send(t, 8, 1, &signal), 0);
	t->control->write_index = U32_MAX;
	KUNIT_EXPECT_EQ(test, ring_test_send(t, 8, 2, &signal), 0);
	KUNIT_EXPECT_EQ(test, t->control->write_index, 64);
	ring_guest_recv(t, &desc);
	KUNIT_EXPECT_EQ(test, ring_guest_recv(t, &desc), 8);
	KUNIT_EXPECT_EQ(test, desc.trans_id, 2);
}

static void write_in_pieces(struct kunit *test)
{
	static const struct vmbus_packet pkt = { .type = 6, .offset = 8, .len = 13 };
	struct ring_test *t = ring_test_out(test);
	struct kvec v[] = { { "head", 4 }, { "er  pay", 7 }, { "", 0 }, { "load 10 by", 10 } };
	struct vmbus_reservation res;
	unsigned int todo = 0;
	struct kvec seg[2];
	struct desc desc;

	memset(t->data, 0xff, DATA_BYTES);
	KUNIT_ASSERT_EQ(test, vmbus_ring_reserve(&t->out, vmbus_packet_room(21), &res, &todo),
			0);
	KUNIT_ASSERT_EQ(test, vmbus_ring_place(&t->out, &res, &pkt, seg), 0);
	vmbus_ring_fill(seg, v, ARRAY_SIZE(v));
	KUNIT_EXPECT_EQ(test, vmbus_ring_finish(&t->out, &res, false, &todo), 0);
	KUNIT_EXPECT_EQ(test, todo, VMBUS_RING_SIGNAL);
	KUNIT_EXPECT_EQ(test, ring_guest_recv(t, &desc), 16);
	KUNIT_EXPECT_MEMEQ(test, t->data + 16, "header  payload 10 by\0\0\0", 24);
}

/* The longest that write_is_a_copy() takes */
#define PAYLOAD	1000

/* Short and long ones go different ways, and so does what is behind the last whole word. */
static void write_is_a_copy(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	struct vmbus_packet pkt = { .type = 6 };
	struct desc desc;
	u8 *payload = kunit_kmalloc(test, PAYLOAD, GFP_KERNEL);
	bool signal;
	u32 i, len;

	KUNIT_ASSERT_NOT_NULL(test, payload);
	for (i = 0; i < PAYLOAD; i++)
		payload[i] = i * 7 + i / 256;
	for (len = 240; len < 280; len++) {
		for (i = 0; i < 9; i++) {
			u32 at = (u32)(t->control->write_index + 16) % DATA_BYTES;

			pkt.len = len + (i % 2) * 700;
			KUNIT_ASSERT_EQ(test, ring_test_write(t, &pkt, payload + i, &signal), 0);
			KUNIT_ASSERT_EQ(test, ring_guest_recv(t, &desc), ALIGN(pkt.len, 8));
			KUNIT_ASSERT_MEMEQ(test, t->buf, payload + i, pkt.len);
			/* The padding is zero, as far as it has not gone round the end. */
			if (pkt.len % 8 && at + pkt.len < DATA_BYTES)
				KUNIT_ASSERT_EQ(test, t->data[at + pkt.len], 0);
		}
	}
}

/* ---- In place ---- */

/* A batch of packets of different lengths, at every place in the ring. */
static void batch_in_place(struct kunit *test)
{
	static const u32 lens[] = { 8, 21, 0, 64 };
	struct ring_test *t = ring_test_out(test);
	struct vmbus_reservation res;
	unsigned int todo, i, k;
	struct kvec seg[2];
	struct desc desc;
	size_t room = 0;

	for (k = 0; k < ARRAY_SIZE(lens); k++)
		room += vmbus_packet_room(lens[k]);
	for (i = 0; i < 2 * DATA_BYTES / 8; i++) {
		todo = 0;
		KUNIT_ASSERT_EQ(test, vmbus_ring_reserve(&t->out, room, &res, &todo), 0);
		for (k = 0; k < ARRAY_SIZE(lens); k++) {
			struct vmbus_packet pkt = { .type = 6, .trans_id = k, .len = lens[k] };

			KUNIT_ASSERT_EQ(test, vmbus_ring_place(&t->out, &res, &pkt, seg), 0);
			KUNIT_ASSERT_EQ(test, seg[0].iov_len + seg[1].iov_len, lens[k]);
			memset(seg[0].iov_base, i + k, seg[0].iov_len);
			if (seg[1].iov_len)
				memset(seg[1].iov_base, i + k, seg[1].iov_len);
		}
		KUNIT_ASSERT_EQ(test, vmbus_ring_finish(&t->out, &res, false, &todo), 0);
		KUNIT_ASSERT_EQ(test, todo, VMBUS_RING_SIGNAL);
		for (k = 0; k < ARRAY_SIZE(lens); k++) {
			u8 want[64] = {};

			memset(want, i + k, lens[k]);
			KUNIT_ASSERT_EQ(test, ring_guest_recv(t, &desc), ALIGN(lens[k], 8));
			KUNIT_ASSERT_EQ(test, desc.trans_id, k);
			KUNIT_ASSERT_MEMEQ(test, t->buf, want, ALIGN(lens[k], 8));
		}
		/* One word further each time */
		KUNIT_ASSERT_EQ(test, ring_test_send(t, 8 * (1 + i % 2), 0, &(bool){ false }), 0);
		ring_guest_recv(t, &desc);
	}
}

static void place_takes_what_fits(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	struct vmbus_packet pkt = { .type = 6, .len = 16 };
	struct vmbus_packet odd = { .type = 6, .offset = 4, .len = 4 };
	struct vmbus_packet small = { .type = 6, .len = 8 };
	struct vmbus_reservation res;
	unsigned int todo = 0;
	struct kvec seg[2];

	memset(t->data, 0xff, DATA_BYTES);
	KUNIT_ASSERT_EQ(test, vmbus_ring_reserve(&t->out, vmbus_packet_room(8), &res, &todo), 0);
	KUNIT_EXPECT_EQ(test, vmbus_ring_place(&t->out, &res, &pkt, seg), -EINVAL);
	KUNIT_EXPECT_EQ(test, vmbus_ring_place(&t->out, &res, &odd, seg), -EINVAL);
	KUNIT_EXPECT_EQ(test, t->data[0], 0xff);
	KUNIT_EXPECT_EQ(test, vmbus_ring_place(&t->out, &res, &small, seg), 0);
	KUNIT_EXPECT_EQ(test, vmbus_ring_place(&t->out, &res, &small, seg), -EINVAL);
	KUNIT_EXPECT_EQ(test, vmbus_ring_finish(&t->out, &res, false, &todo), 0);
	KUNIT_EXPECT_EQ(test, t->data[32], 0xff);
}

/* The guest would take what lies there for a packet. */
static void room_that_is_not_filled_breaks(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	struct vmbus_reservation res;
	unsigned int todo = 0;
	bool signal;

	KUNIT_ASSERT_EQ(test, vmbus_ring_reserve(&t->out, 32, &res, &todo), 0);
	KUNIT_EXPECT_EQ(test, vmbus_ring_finish(&t->out, &res, false, &todo), -EIO);
	KUNIT_EXPECT_EQ(test, t->control->write_index, 0);
	KUNIT_EXPECT_EQ(test, ring_test_send(t, 8, 1, &signal), -EIO);
}

/* ---- Several ---- */

static int reserve(struct ring_test *t, struct vmbus_reservation *res, u32 len,
		   unsigned int *todo)
{
	*todo = 0;
	return vmbus_ring_reserve(&t->out, vmbus_packet_room(len), res, todo);
}

static unsigned int finish(struct ring_test *t, struct vmbus_reservation *res, u64 id, bool more)
{
	struct vmbus_packet pkt = {
		.type = VMBUS_PACKET_INBAND,
		.trans_id = id,
		.len = res->left - VMBUS_RING_DESC - VMBUS_RING_TRAILER,
	};
	struct kvec seg[2];
	unsigned int todo = 0;

	vmbus_ring_place(&t->out, res, &pkt, seg);
	return vmbus_ring_finish(&t->out, res, more, &todo) ? ~0 : todo;
}

/* In order, whichever is the first to be finished. */
static void several_are_seen_in_order(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	struct vmbus_reservation res[3];
	unsigned int todo;
	struct desc desc;
	int i;

	for (i = 0; i < 3; i++)
		KUNIT_ASSERT_EQ(test, reserve(t, &res[i], 0, &todo), 0);
	KUNIT_EXPECT_EQ(test, finish(t, &res[1], 1, false), 0);
	KUNIT_EXPECT_EQ(test, t->control->write_index, 0);
	KUNIT_EXPECT_EQ(test, finish(t, &res[0], 0, false), VMBUS_RING_SIGNAL);
	KUNIT_EXPECT_EQ(test, t->control->write_index, 48);
	KUNIT_EXPECT_EQ(test, finish(t, &res[2], 2, false), 0);
	for (i = 0; i < 3; i++) {
		ring_guest_recv(t, &desc);
		KUNIT_EXPECT_EQ(test, desc.trans_id, i);
	}
}

/* What an interrupt sends while another packet is filled goes with that one. */
static void later_one_is_shown_by_an_earlier(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	struct vmbus_reservation res[2];
	unsigned int todo;

	KUNIT_ASSERT_EQ(test, reserve(t, &res[0], 0, &todo), 0);
	KUNIT_ASSERT_EQ(test, reserve(t, &res[1], 0, &todo), 0);
	KUNIT_EXPECT_EQ(test, finish(t, &res[1], 1, false), 0);
	KUNIT_EXPECT_EQ(test, finish(t, &res[0], 0, true), VMBUS_RING_SIGNAL);
	KUNIT_EXPECT_EQ(test, t->control->write_index, 48);
}

static void more_is_seen_at_flush(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	struct vmbus_reservation res;
	unsigned int todo, i;

	for (i = 0; i < 16; i++) {
		KUNIT_ASSERT_EQ(test, reserve(t, &res, 0, &todo), 0);
		KUNIT_EXPECT_EQ(test, finish(t, &res, i, true), 0);
	}
	KUNIT_EXPECT_EQ(test, t->control->write_index, 0);
	vmbus_ring_flush(&t->out, &todo);
	KUNIT_EXPECT_EQ(test, todo, VMBUS_RING_SIGNAL);
	KUNIT_EXPECT_EQ(test, t->control->write_index, 16 * 24);
}

static void more_is_seen_with_the_next(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	struct vmbus_reservation res;
	unsigned int todo;
	bool signal;

	KUNIT_ASSERT_EQ(test, reserve(t, &res, 0, &todo), 0);
	KUNIT_EXPECT_EQ(test, finish(t, &res, 1, true), 0);
	KUNIT_EXPECT_EQ(test, ring_test_send(t, 8, 2, &signal), 0);
	KUNIT_EXPECT_TRUE(test, signal);
	KUNIT_EXPECT_EQ(test, t->control->write_index, 24 + 32);
}

/* What the guest does not see, it cannot read. */
static void more_is_seen_when_the_ring_is_full(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	struct vmbus_reservation res;
	unsigned int todo;

	while (!reserve(t, &res, 0, &todo))
		KUNIT_ASSERT_EQ(test, finish(t, &res, 1, true), 0);
	KUNIT_EXPECT_EQ(test, todo, VMBUS_RING_SIGNAL | VMBUS_RING_WAIT);
	KUNIT_EXPECT_EQ(test, t->control->write_index, t->out.index);
}

static void flush_reaches_what_is_being_filled(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	struct vmbus_reservation res;
	unsigned int todo;

	KUNIT_ASSERT_EQ(test, reserve(t, &res, 0, &todo), 0);
	vmbus_ring_flush(&t->out, &todo);
	KUNIT_EXPECT_EQ(test, todo, 0);
	KUNIT_EXPECT_EQ(test, finish(t, &res, 1, true), VMBUS_RING_SIGNAL);
}

/* A packet that was flushed waits for the one before it, and not for one behind it. */
static void flush_waits_for_nothing_later(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	struct vmbus_reservation res[3];
	unsigned int todo, i;

	for (i = 0; i < ARRAY_SIZE(res); i++)
		KUNIT_ASSERT_EQ(test, reserve(t, &res[i], 0, &todo), 0);
	KUNIT_EXPECT_EQ(test, finish(t, &res[1], 2, true), 0);
	vmbus_ring_flush(&t->out, &todo);
	KUNIT_EXPECT_EQ(test, todo, 0);
	KUNIT_EXPECT_EQ(test, finish(t, &res[0], 1, true), VMBUS_RING_SIGNAL);
	KUNIT_EXPECT_EQ(test, t->control->write_index, 48);
	finish(t, &res[2], 3, false);
	KUNIT_EXPECT_EQ(test, t->control->write_index, 72);
}

/* ---- Waiting ---- */

/* Three packets of 1024 bytes are in the ring; room for 1016 is left. */
static struct ring_test *ring_test_full(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	bool signal;
	int i;

	for (i = 0; i < 3; i++)
		KUNIT_ASSERT_EQ(test, ring_test_send(t, 1000, i, &signal), 0);
	return t;
}

static void largest_wait_counts(struct kunit *test)
{
	struct ring_test *t = ring_test_full(test);
	struct vmbus_reservation res;
	unsigned int todo;

	KUNIT_EXPECT_EQ(test, reserve(t, &res, 2000, &todo), -EAGAIN);
	KUNIT_EXPECT_EQ(test, todo, VMBUS_RING_WAIT);
	KUNIT_EXPECT_EQ(test, reserve(t, &res, 1000, &todo), -EAGAIN);
	KUNIT_EXPECT_EQ(test, t->control->pending_send_sz, 2025);
	KUNIT_EXPECT_EQ(test, reserve(t, &res, 3000, &todo), -EAGAIN);
	KUNIT_EXPECT_EQ(test, t->control->pending_send_sz, 3025);
}

/* The first look finds it: nothing is asked for, and what need not be seen is not shown. */
static void room_that_is_found_is_not_waited_for(struct kunit *test)
{
	struct ring_test *t = ring_test_full(test);
	struct vmbus_reservation res;
	unsigned int todo;
	struct desc desc;

	KUNIT_ASSERT_EQ(test, reserve(t, &res, 0, &todo), 0);
	KUNIT_EXPECT_EQ(test, finish(t, &res, 1, true), 0);
	ring_guest_recv(t, &desc);
	KUNIT_EXPECT_EQ(test, reserve(t, &res, 1000, &todo), 0);
	KUNIT_EXPECT_EQ(test, todo, 0);
	KUNIT_EXPECT_EQ(test, t->control->write_index, 3 * 1024);
	finish(t, &res, 2, false);
}

/* The sender that ends the wait has the others told: the guest may have seen none of it. */
static void send_that_ends_a_wait_kicks(struct kunit *test)
{
	struct ring_test *t = ring_test_full(test);
	struct vmbus_reservation res;
	unsigned int todo;
	struct desc desc;

	KUNIT_EXPECT_EQ(test, reserve(t, &res, 2000, &todo), -EAGAIN);
	ring_guest_recv(t, &desc);
	KUNIT_EXPECT_EQ(test, reserve(t, &res, 0, &todo), 0);
	KUNIT_EXPECT_EQ(test, todo, VMBUS_RING_KICK);
	KUNIT_EXPECT_EQ(test, t->control->pending_send_sz, 0);
	finish(t, &res, 1, false);
}

static void send_that_leaves_a_wait_does_not_kick(struct kunit *test)
{
	struct ring_test *t = ring_test_full(test);
	struct vmbus_reservation res;
	unsigned int todo;

	KUNIT_EXPECT_EQ(test, reserve(t, &res, 2000, &todo), -EAGAIN);
	KUNIT_EXPECT_EQ(test, reserve(t, &res, 0, &todo), 0);
	KUNIT_EXPECT_EQ(test, todo, 0);
	KUNIT_EXPECT_EQ(test, finish(t, &res, 1, false), 0);
	KUNIT_EXPECT_EQ(test, t->control->pending_send_sz, 2025);
}

/*
 * The guest has read all but sees less in the ring than was reserved: to it, there was the
 * room before. It does not signal, so the host must find out when it shows the packet.
 */
static void packet_that_is_shown_late_kicks(struct kunit *test)
{
	struct ring_test *t = ring_test_full(test);
	struct vmbus_reservation res, other;
	unsigned int todo;
	struct desc desc;

	KUNIT_ASSERT_EQ(test, reserve(t, &res, 0, &todo), 0);
	KUNIT_EXPECT_EQ(test, reserve(t, &other, 2000, &todo), -EAGAIN);
	while (ring_guest_recv(t, &desc))
		;
	KUNIT_EXPECT_EQ(test, finish(t, &res, 1, false),
			VMBUS_RING_SIGNAL | VMBUS_RING_KICK);
}

static void poll_kicks_when_there_is_room(struct kunit *test)
{
	struct ring_test *t = ring_test_full(test);
	struct vmbus_reservation res;
	unsigned int todo;
	struct desc desc;

	KUNIT_EXPECT_EQ(test, reserve(t, &res, 2000, &todo), -EAGAIN);
	todo = 0;
	vmbus_ring_poll_room(&t->out, &todo);
	KUNIT_EXPECT_EQ(test, todo, VMBUS_RING_WAIT);
	ring_guest_recv(t, &desc);
	todo = 0;
	vmbus_ring_poll_room(&t->out, &todo);
	KUNIT_EXPECT_EQ(test, todo, VMBUS_RING_KICK);
	todo = 0;
	vmbus_ring_poll_room(&t->out, &todo);
	KUNIT_EXPECT_EQ(test, todo, 0);
}

/* The guest spoils a ring while somebody waits for room; one who wants @bytes finds it. */
static void expect_found_broken(struct kunit *test, struct ring_test *t, u32 bytes)
{
	struct vmbus_reservation res;
	unsigned int todo;

	KUNIT_EXPECT_EQ(test, reserve(t, &res, 2000, &todo), -EAGAIN);
	t->control->read_index = 1;
	KUNIT_EXPECT_EQ(test, reserve(t, &res, bytes, &todo), -EIO);
	KUNIT_EXPECT_EQ(test, todo, VMBUS_RING_KICK);
}

/* All learn of it: they get -EIO. */
static void ring_that_breaks_kicks(struct kunit *test)
{
	struct ring_test *t = ring_test_full(test);
	unsigned int todo = 0;

	expect_found_broken(test, t, 1000);
	vmbus_ring_poll_room(&t->out, &todo);
	KUNIT_EXPECT_EQ(test, todo, 0);
}

/* Also one for which there is room, as far as is known: it looks for those that wait. */
static void smaller_one_finds_the_ring_broken(struct kunit *test)
{
	expect_found_broken(test, ring_test_full(test), 0);
}

static void broken_while_a_packet_is_filled(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	struct vmbus_reservation res, other;
	unsigned int todo;

	KUNIT_ASSERT_EQ(test, reserve(t, &res, 1000, &todo), 0);
	t->control->read_index = 1;
	KUNIT_EXPECT_EQ(test, reserve(t, &other, 4000, &todo), -EIO);
	KUNIT_EXPECT_EQ(test, finish(t, &res, 1, false), ~0);
	KUNIT_EXPECT_EQ(test, t->control->write_index, 0);
	vmbus_ring_flush(&t->out, &todo);
	KUNIT_EXPECT_EQ(test, vmbus_ring_room(&t->out, 8, &todo), 0);
	KUNIT_EXPECT_EQ(test, t->control->write_index, 0);
}

static void room_is_what_can_be_sent(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	struct vmbus_reservation res;
	unsigned int todo = 0;
	size_t room, more;

	room = vmbus_ring_room(&t->out, 8, &todo);
	KUNIT_EXPECT_EQ(test, room, DATA_BYTES - 32);
	KUNIT_EXPECT_EQ(test, reserve(t, &res, room, &todo), 0);
	finish(t, &res, 1, false);
	for (more = 0; more < 2; more++)
		KUNIT_EXPECT_EQ(test, vmbus_ring_room(&t->out, more, &todo), 0);
}

/* No ping-pong: a quarter of the ring is waited for, or what is wanted if that is more. */
static void room_waits_for_a_quarter(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	struct vmbus_reservation res;
	unsigned int todo = 0;

	KUNIT_ASSERT_EQ(test, reserve(t, &res, DATA_BYTES - 64, &todo), 0);
	finish(t, &res, 1, false);
	KUNIT_EXPECT_EQ(test, vmbus_ring_room(&t->out, 8, &todo), 8);
	KUNIT_EXPECT_EQ(test, t->control->pending_send_sz, 0);
	KUNIT_EXPECT_EQ(test, vmbus_ring_room(&t->out, 16, &todo), 8);
	KUNIT_EXPECT_EQ(test, todo, VMBUS_RING_WAIT);
	KUNIT_EXPECT_EQ(test, t->control->pending_send_sz, DATA_BYTES / 4 + 1);
	KUNIT_EXPECT_EQ(test, vmbus_ring_room(&t->out, 2000, &todo), 8);
	KUNIT_EXPECT_EQ(test, t->control->pending_send_sz, 2025);
}

static void room_that_cannot_be_is_not_waited_for(struct kunit *test)
{
	static const size_t bad[] = { DATA_BYTES - 31, DATA_BYTES, U16_MAX * 8u, SIZE_MAX };
	struct ring_test *t = ring_test_out(test);
	unsigned int todo = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_EQ(test, vmbus_ring_room(&t->out, bad[i], &todo),
				DATA_BYTES - 32);
	KUNIT_EXPECT_EQ(test, todo, 0);
	KUNIT_EXPECT_EQ(test, t->control->pending_send_sz, 0);
}

/* Each of its indexes has to be right. */
static void init_checks_what_was_read(struct kunit *test)
{
	struct ring_test *t = ring_test_alloc(test);
	int i;

	for (i = 0; i < ARRAY_SIZE(ring_bad_indexes); i++) {
		t->control->read_index = ring_bad_indexes[i];
		KUNIT_EXPECT_EQ(test, vmbus_ring_init_out(&t->out, t->control, RING_BYTES),
				-EIO);
	}
}

/* The guest spoils the ring when more room is looked for than there was. */
static void room_of_a_ring_that_breaks(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	struct vmbus_reservation res;
	unsigned int todo = 0;
	bool signal;

	while (!ring_test_send(t, 1000, 1, &signal))
		;
	KUNIT_EXPECT_TRUE(test, vmbus_ring_is_unread(&t->out));
	t->control->read_index = 1;
	KUNIT_EXPECT_EQ(test, vmbus_ring_room(&t->out, 1000, &todo), 0);
	/* Whoever waits is told. */
	KUNIT_EXPECT_EQ(test, todo, VMBUS_RING_KICK);
	/* It stays so, whatever the guest mends. */
	t->control->read_index = 0;
	KUNIT_EXPECT_EQ(test, vmbus_ring_room(&t->out, 8, &todo), 0);
	KUNIT_EXPECT_EQ(test, vmbus_ring_reserve(&t->out, 32, &res, &todo), -EIO);
	KUNIT_EXPECT_FALSE(test, vmbus_ring_is_unread(&t->out));
}

/* So it is when a packet is shown to it. */
static void wait_that_ends_in_a_ring_that_breaks(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	unsigned int todo = 0;
	bool signal;

	while (!ring_test_send(t, 1000, 1, &signal))
		;
	t->control->read_index = 1;
	vmbus_ring_poll_room(&t->out, &todo);
	KUNIT_EXPECT_EQ(test, todo, VMBUS_RING_KICK);
	KUNIT_EXPECT_EQ(test, ring_test_send(t, 8, 2, &signal), -EIO);
}

static void unread_minds_the_mask(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	bool signal;

	KUNIT_EXPECT_FALSE(test, vmbus_ring_is_unread(&t->out));
	ring_test_send(t, 8, 1, &signal);
	KUNIT_EXPECT_TRUE(test, vmbus_ring_is_unread(&t->out));
	t->control->interrupt_mask = 1;
	KUNIT_EXPECT_FALSE(test, vmbus_ring_is_unread(&t->out));
}

static struct kunit_case ring_out_cases[] = {
	KUNIT_CASE(write_one),
	KUNIT_CASE(write_wraps),
	KUNIT_CASE(write_signals_empty_only),
	KUNIT_CASE(write_minds_mask),
	KUNIT_CASE(write_never_fills),
	KUNIT_CASE(write_waits_for_room),
	KUNIT_CASE(write_waits_past_a_smaller_one),
	KUNIT_CASE(write_too_long),
	KUNIT_CASE(write_bad_read_index),
	KUNIT_CASE(read_index_goes_back),
	KUNIT_CASE(write_keeps_own_index),
	KUNIT_CASE(write_in_pieces),
	KUNIT_CASE(write_is_a_copy),
	KUNIT_CASE(batch_in_place),
	KUNIT_CASE(place_takes_what_fits),
	KUNIT_CASE(room_that_is_not_filled_breaks),
	KUNIT_CASE(several_are_seen_in_order),
	KUNIT_CASE(later_one_is_shown_by_an_earlier),
	KUNIT_CASE(more_is_seen_at_flush),
	KUNIT_CASE(more_is_seen_with_the_next),
	KUNIT_CASE(more_is_seen_when_the_ring_is_full),
	KUNIT_CASE(flush_reaches_what_is_being_filled),
	KUNIT_CASE(flush_waits_for_nothing_later),
	KUNIT_CASE(largest_wait_counts),
	KUNIT_CASE(room_that_is_found_is_not_waited_for),
	KUNIT_CASE(send_that_ends_a_wait_kicks),
	KUNIT_CASE(send_that_leaves_a_wait_does_not_kick),
	KUNIT_CASE(packet_that_is_shown_late_kicks),
	KUNIT_CASE(poll_kicks_when_there_is_room),
	KUNIT_CASE(ring_that_breaks_kicks),
	KUNIT_CASE(smaller_one_finds_the_ring_broken),
	KUNIT_CASE(broken_while_a_packet_is_filled),
	KUNIT_CASE(room_is_what_can_be_sent),
	KUNIT_CASE(room_waits_for_a_quarter),
	KUNIT_CASE(room_that_cannot_be_is_not_waited_for),
	KUNIT_CASE(init_checks_what_was_read),
	KUNIT_CASE(room_of_a_ring_that_breaks),
	KUNIT_CASE(wait_that_ends_in_a_ring_that_breaks),
	KUNIT_CASE(unread_minds_the_mask),
	{}
};

struct kunit_suite ring_out_suite = {
	.name = "vmbus_ring_out",
	.test_cases = ring_out_cases,
};

MODULE_IMPORT_NS(VMBUS_HOST_NS);
