// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "vmbus_ring": the host side of the rings, against a guest made of test code.
 *
 * The guest follows drivers/hv/ring_buffer.c where it behaves, and writes whatever it
 * likes where it does not. The rings are in memory of exactly their size, so that KASAN
 * sees what goes beyond.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/vmbus_backend.h>

#include "gpadl/compat.h"
#include "host/ring.h"
#include "suites.h"

#define RING_BYTES	(2 * VMBUS_RING_PAGE)
#define DATA_BYTES	VMBUS_RING_PAGE

/* As the wire has it. */
struct desc {
	u16 type;
	u16 offset8;
	u16 len8;
	u16 flags;
	u64 trans_id;
};

struct ring_test {
	struct vmbus_ring ring;
	struct vmbus_ring_control *control;
	u8 *data;
	u32 guest_index;	/* where the guest reads or writes next */
	u8 buf[1024];
};

static struct ring_test *ring_test_alloc(struct kunit *test)
{
	struct ring_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	t->control = kunit_kzalloc(test, RING_BYTES, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->control);
	t->data = (u8 *)(t->control + 1);
	return t;
}

static struct ring_test *ring_test_in(struct kunit *test)
{
	struct ring_test *t = ring_test_alloc(test);

	KUNIT_ASSERT_EQ(test, vmbus_ring_init_in(&t->ring, t->control, RING_BYTES), 0);
	return t;
}

static struct ring_test *ring_test_out(struct kunit *test)
{
	struct ring_test *t = ring_test_alloc(test);

	KUNIT_ASSERT_EQ(test, vmbus_ring_init_out(&t->ring, t->control, RING_BYTES), 0);
	return t;
}

/* ---- The guest ---- */

static u32 guest_put(struct ring_test *t, u32 index, const void *src, u32 len)
{
	const u8 *bytes = src;

	while (len--) {
		t->data[index] = *bytes++;
		index = (index + 1) % DATA_BYTES;
	}
	return index;
}

static void guest_get(struct ring_test *t, u32 index, void *dst, u32 len)
{
	u8 *bytes = dst;

	while (len--) {
		*bytes++ = t->data[index];
		index = (index + 1) % DATA_BYTES;
	}
}

/* Room for the guest; one byte of it cannot be used. */
static u32 guest_room(struct ring_test *t)
{
	u32 read = READ_ONCE(t->control->read_index);
	u32 write = t->guest_index;

	return write >= read ? DATA_BYTES - (write - read) : read - write;
}

/* Write a packet, the payload of which are @len bytes; returns whether to signal. */
static bool guest_write(struct ring_test *t, const struct desc *desc, u32 len)
{
	u64 trailer = (u64)t->guest_index << 32;
	u32 start = t->guest_index, index;

	index = guest_put(t, start, desc, sizeof(*desc));
	index = guest_put(t, index, t->buf, len);
	index = guest_put(t, index, &trailer, sizeof(trailer));
	t->guest_index = index;
	/* The packet before write_index. */
	virt_store_release(&t->control->write_index, index);
	/* As hv_signal_on_write(): write_index, interrupt_mask, read_index. */
	virt_mb();
	if (READ_ONCE(t->control->interrupt_mask))
		return false;
	/* See above. */
	virt_rmb();
	return READ_ONCE(t->control->read_index) == start;
}

/* A packet of @len bytes of payload, each of which is @id. */
static bool guest_send(struct ring_test *t, u32 len, u64 id)
{
	struct desc desc = {
		.type = VMBUS_PACKET_INBAND,
		.offset8 = 2,
		.len8 = 2 + len / 8,
		.trans_id = id,
	};

	memset(t->buf, id, len);
	return guest_write(t, &desc, len);
}

/* Read a packet; returns the length of its payload, which is in t->buf, or 0. */
static u32 guest_recv(struct ring_test *t, struct desc *desc)
{
	/* write_index before the packet. */
	u32 write = virt_load_acquire(&t->control->write_index);
	u32 len;

	if (write == t->guest_index)
		return 0;
	guest_get(t, t->guest_index, desc, sizeof(*desc));
	len = (desc->len8 - desc->offset8) * 8;
	guest_get(t, (t->guest_index + desc->offset8 * 8) % DATA_BYTES, t->buf, len);
	t->guest_index = (t->guest_index + desc->len8 * 8 + 8) % DATA_BYTES;
	/* The packet before read_index. */
	virt_store_release(&t->control->read_index, t->guest_index);
	return len;
}

/* ---- Set-up ---- */

static void init_checks_length(struct kunit *test)
{
	struct ring_test *t = ring_test_alloc(test);
	static const size_t bad[] = { 0, 1, VMBUS_RING_PAGE, RING_BYTES - 8, RING_BYTES + 8 };
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		KUNIT_EXPECT_EQ(test, vmbus_ring_init_in(&t->ring, t->control, bad[i]),
				-EINVAL);
		KUNIT_EXPECT_EQ(test, vmbus_ring_init_out(&t->ring, t->control, bad[i]),
				-EINVAL);
	}
}

static const u32 bad_indexes[] = {
	1, 4, 7, DATA_BYTES - 1, DATA_BYTES, DATA_BYTES + 8, 0x80000000, 0xfffffff8, U32_MAX,
};

static void init_checks_index(struct kunit *test)
{
	struct ring_test *t = ring_test_alloc(test);
	int i;

	for (i = 0; i < ARRAY_SIZE(bad_indexes); i++) {
		t->control->read_index = bad_indexes[i];
		t->control->write_index = bad_indexes[i];
		KUNIT_EXPECT_EQ(test, vmbus_ring_init_in(&t->ring, t->control, RING_BYTES),
				-EIO);
		KUNIT_EXPECT_EQ(test, vmbus_ring_init_out(&t->ring, t->control, RING_BYTES),
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
	KUNIT_ASSERT_EQ(test, vmbus_ring_init_in(&t->ring, t->control, RING_BYTES), 0);
	guest_send(t, 16, 3);
	KUNIT_EXPECT_EQ(test, vmbus_ring_read(&t->ring, &pkt, t->buf, 16, &signal), 0);
	KUNIT_EXPECT_EQ(test, pkt.trans_id, 3);
}

/* ---- Reading ---- */

static void read_empty(struct kunit *test)
{
	struct ring_test *t = ring_test_in(test);
	struct vmbus_packet pkt;
	bool signal;

	KUNIT_EXPECT_EQ(test, vmbus_ring_read(&t->ring, &pkt, t->buf, 8, &signal), -EAGAIN);
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
	KUNIT_EXPECT_TRUE(test, vmbus_ring_is_empty(&t->ring));
	KUNIT_EXPECT_TRUE(test, guest_write(t, &desc, 32));
	KUNIT_EXPECT_FALSE(test, vmbus_ring_is_empty(&t->ring));

	KUNIT_ASSERT_EQ(test, vmbus_ring_read(&t->ring, &pkt, buf, 32, &signal), 0);
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
		guest_send(t, len, i);
		KUNIT_ASSERT_EQ(test,
				vmbus_ring_read(&t->ring, &pkt, t->buf, 520, &signal), 0);
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

	KUNIT_EXPECT_TRUE(test, guest_send(t, 8, 1));
	KUNIT_EXPECT_FALSE(test, guest_send(t, 8, 2));
	KUNIT_EXPECT_EQ(test, vmbus_ring_read(&t->ring, &pkt, t->buf, 8, &signal), 0);
	KUNIT_EXPECT_EQ(test, t->control->interrupt_mask, 1);
	KUNIT_EXPECT_EQ(test, vmbus_ring_read(&t->ring, &pkt, t->buf, 8, &signal), 0);
	/* Read empty, but the host does not know yet. */
	KUNIT_EXPECT_FALSE(test, guest_send(t, 8, 3));
	KUNIT_EXPECT_EQ(test, vmbus_ring_read(&t->ring, &pkt, t->buf, 8, &signal), 0);
	KUNIT_EXPECT_EQ(test, vmbus_ring_read(&t->ring, &pkt, t->buf, 8, &signal), -EAGAIN);
	KUNIT_EXPECT_EQ(test, t->control->interrupt_mask, 0);
	KUNIT_EXPECT_TRUE(test, guest_send(t, 8, 4));
}

static void read_small_buffer(struct kunit *test)
{
	struct ring_test *t = ring_test_in(test);
	struct vmbus_packet pkt;
	bool signal;

	guest_send(t, 16, 1);
	KUNIT_EXPECT_EQ(test, vmbus_ring_read(&t->ring, &pkt, t->buf, 8, &signal), -EMSGSIZE);
	KUNIT_EXPECT_EQ(test, pkt.len, 16);
	KUNIT_EXPECT_EQ(test, t->control->read_index, 0);
	KUNIT_EXPECT_EQ(test, vmbus_ring_read(&t->ring, &pkt, t->buf, 16, &signal), 0);
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

	guest_write(t, &desc, 8);
	if (bad->write_index)
		t->control->write_index = bad->write_index;
	KUNIT_EXPECT_EQ(test, vmbus_ring_read(&t->ring, &pkt, t->buf, sizeof(t->buf),
					      &signal), -EIO);
	KUNIT_EXPECT_EQ(test, t->control->read_index, 0);
	KUNIT_EXPECT_FALSE(test, signal);

	/* It stays so, whatever the guest mends. */
	desc.offset8 = 2;
	desc.len8 = 3;
	t->guest_index = 0;
	guest_write(t, &desc, 8);
	KUNIT_EXPECT_EQ(test, vmbus_ring_read(&t->ring, &pkt, t->buf, sizeof(t->buf),
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
		guest_send(t, 8, id);
	for (id = 0; id < 3; id++) {
		t->control->read_index = bad_indexes[id];
		KUNIT_EXPECT_EQ(test, vmbus_ring_read(&t->ring, &pkt, t->buf, 8, &signal), 0);
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

	while (guest_room(t) > 64)
		guest_send(t, 40, 1);
	t->control->pending_send_sz = pending;
	for (;;) {
		room = guest_room(t);
		if (vmbus_ring_read(&t->ring, &pkt, t->buf, 40, &signal))
			break;
		KUNIT_EXPECT_EQ(test, signal, room <= pending && guest_room(t) > pending);
		signals += signal;
	}
	KUNIT_EXPECT_EQ(test, signals, 1);
}

static void read_signals_nobody_who_does_not_wait(struct kunit *test)
{
	struct ring_test *t = ring_test_in(test);
	struct vmbus_packet pkt;
	bool signal;

	while (guest_room(t) > 64)
		guest_send(t, 40, 1);
	while (!vmbus_ring_read(&t->ring, &pkt, t->buf, 40, &signal))
		KUNIT_EXPECT_FALSE(test, signal);
}

/* ---- Writing ---- */

static int host_send(struct ring_test *t, u32 len, u64 id, bool *signal)
{
	struct vmbus_packet pkt = {
		.type = VMBUS_PACKET_INBAND,
		.trans_id = id,
		.len = len,
	};
	static u8 payload[1024];

	memset(payload, id, sizeof(payload));
	return vmbus_ring_write(&t->ring, &pkt, payload, signal);
}

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
	KUNIT_EXPECT_EQ(test, vmbus_ring_write(&t->ring, &pkt, "header  hello", &signal), 0);
	KUNIT_EXPECT_TRUE(test, signal);
	KUNIT_EXPECT_MEMEQ(test, t->data, want, sizeof(want));
	KUNIT_EXPECT_EQ(test, t->data[sizeof(want)], 0xff);
	KUNIT_EXPECT_EQ(test, t->control->write_index, sizeof(want));

	/* The second trailer holds where the second packet began. */
	KUNIT_EXPECT_EQ(test, vmbus_ring_write(&t->ring, &pkt, "header  hello", &signal), 0);
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
		KUNIT_ASSERT_EQ(test, host_send(t, len, i, &signal), 0);
		KUNIT_ASSERT_TRUE(test, signal);
		KUNIT_ASSERT_EQ(test, guest_recv(t, &desc), ALIGN(len, 8));
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

	KUNIT_EXPECT_EQ(test, host_send(t, 8, 1, &signal), 0);
	KUNIT_EXPECT_TRUE(test, signal);
	KUNIT_EXPECT_EQ(test, host_send(t, 8, 2, &signal), 0);
	KUNIT_EXPECT_FALSE(test, signal);
	guest_recv(t, &desc);
	guest_recv(t, &desc);
	KUNIT_EXPECT_EQ(test, host_send(t, 8, 3, &signal), 0);
	KUNIT_EXPECT_TRUE(test, signal);
}

static void write_minds_mask(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	bool signal = true;

	t->control->interrupt_mask = 1;
	KUNIT_EXPECT_EQ(test, host_send(t, 8, 1, &signal), 0);
	KUNIT_EXPECT_FALSE(test, signal);
}

/* Room for a packet is not enough: a ring filled to the last byte would look empty. */
static void write_never_fills(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	bool signal;
	u32 i;

	for (i = 0; i < DATA_BYTES / 32 - 1; i++)
		KUNIT_ASSERT_EQ(test, host_send(t, 8, i, &signal), 0);
	KUNIT_EXPECT_EQ(test, host_send(t, 8, i, &signal), -EAGAIN);
	KUNIT_EXPECT_NE(test, t->control->write_index, t->control->read_index);
}

static void write_waits_for_room(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	struct desc desc;
	bool signal;

	KUNIT_EXPECT_EQ(test, t->control->feature_bits, VMBUS_RING_FEATURE_PENDING_SEND_SZ);
	while (!host_send(t, 1000, 1, &signal))
		KUNIT_EXPECT_EQ(test, t->control->pending_send_sz, 0);
	KUNIT_EXPECT_EQ(test, t->control->pending_send_sz, 1024);
	guest_recv(t, &desc);
	KUNIT_EXPECT_EQ(test, host_send(t, 1000, 2, &signal), 0);
	KUNIT_EXPECT_EQ(test, t->control->pending_send_sz, 0);
}

/* A smaller packet finds room meanwhile: the guest is to signal all the same. */
static void write_waits_past_a_smaller_one(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	bool signal;

	while (!host_send(t, 1000, 1, &signal))
		;
	KUNIT_EXPECT_EQ(test, t->control->pending_send_sz, 1024);
	KUNIT_EXPECT_EQ(test, host_send(t, 8, 2, &signal), 0);
	KUNIT_EXPECT_EQ(test, t->control->pending_send_sz, 1024);
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
		KUNIT_EXPECT_EQ(test, vmbus_ring_write(&t->ring, &pkt, t->buf, &signal),
				-EMSGSIZE);
	}
	KUNIT_EXPECT_EQ(test, t->control->write_index, 0);
	KUNIT_EXPECT_EQ(test, t->control->pending_send_sz, 0);
}

static void write_odd_offset(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	struct vmbus_packet pkt = { .offset = 4, .len = 8 };
	bool signal;

	KUNIT_EXPECT_EQ(test, vmbus_ring_write(&t->ring, &pkt, t->buf, &signal), -EINVAL);
}

static void write_bad_read_index(struct kunit *test)
{
	bool signal = false;
	int i;

	for (i = 0; i < ARRAY_SIZE(bad_indexes); i++) {
		struct ring_test *t = ring_test_out(test);

		t->control->read_index = bad_indexes[i];
		KUNIT_EXPECT_EQ(test, host_send(t, 8, 1, &signal), -EIO);
		KUNIT_EXPECT_FALSE(test, signal);
		KUNIT_EXPECT_EQ(test, t->control->write_index, 0);
		t->control->read_index = 0;
		KUNIT_EXPECT_EQ(test, host_send(t, 8, 1, &signal), -EIO);
	}
}

static void write_keeps_own_index(struct kunit *test)
{
	struct ring_test *t = ring_test_out(test);
	struct desc desc;
	bool signal;

	KUNIT_EXPECT_EQ(test, host_send(t, 8, 1, &signal), 0);
	t->control->write_index = U32_MAX;
	KUNIT_EXPECT_EQ(test, host_send(t, 8, 2, &signal), 0);
	KUNIT_EXPECT_EQ(test, t->control->write_index, 64);
	guest_recv(t, &desc);
	KUNIT_EXPECT_EQ(test, guest_recv(t, &desc), 8);
	KUNIT_EXPECT_EQ(test, desc.trans_id, 2);
}

/* ---- Both at once ---- */

#define STREAM_PACKETS	20000
#define STREAM_TIMEOUT	(60 * HZ)

/*
 * Host and guest at the two ends of one ring, each in a thread, each asleep whenever it
 * cannot go on, and woken only by the other's signal. A signal that is lost leaves both
 * asleep.
 */
struct stream {
	struct ring_test *t;
	struct completion to_host;
	struct completion to_guest;
	struct completion done;
	int bad;
};

/* Signals do not add up: one that comes while another is not taken yet is the same. */
static void stream_signal(struct completion *signal)
{
	if (!completion_done(signal))
		complete(signal);
}

static bool stream_sleep(struct completion *signal)
{
	return wait_for_completion_timeout(signal, STREAM_TIMEOUT) != 0;
}

/* Wait for room as a guest does that writes: pending_send_sz, barrier, look again. */
static bool guest_await_room(struct stream *s, u32 bytes)
{
	while (guest_room(s->t) <= bytes) {
		WRITE_ONCE(s->t->control->pending_send_sz, bytes);
		/* pending_send_sz before read_index. */
		virt_mb();
		if (guest_room(s->t) > bytes)
			break;
		if (!stream_sleep(&s->to_guest))
			return false;
	}
	WRITE_ONCE(s->t->control->pending_send_sz, 0);
	return true;
}

static int guest_writer(void *arg)
{
	struct stream *s = arg;
	u32 i, len;

	for (i = 0; i < STREAM_PACKETS; i++) {
		len = i % 33 * 8;
		if (!guest_await_room(s, len + 24)) {
			s->bad++;
			break;
		}
		if (guest_send(s->t, len, i))
			stream_signal(&s->to_host);
	}
	complete(&s->done);
	return 0;
}

static void stream_init(struct kunit *test, struct stream *s, struct ring_test *t,
			int (*guest)(void *arg))
{
	struct task_struct *task;

	s->t = t;
	init_completion(&s->to_host);
	init_completion(&s->to_guest);
	init_completion(&s->done);
	task = kthread_run(guest, s, "ring-guest");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
}

static void stream_in(struct kunit *test)
{
	struct stream *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	struct vmbus_packet pkt;
	u8 buf[256];
	bool signal;
	u32 i = 0;
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, s);
	stream_init(test, s, ring_test_in(test), guest_writer);
	while (i < STREAM_PACKETS) {
		ret = vmbus_ring_read(&s->t->ring, &pkt, buf, sizeof(buf), &signal);
		if (ret == -EAGAIN && stream_sleep(&s->to_host))
			continue;
		KUNIT_EXPECT_EQ(test, ret, 0);
		if (ret)
			break;
		if (pkt.trans_id != i || pkt.len != i % 33 * 8 ||
		    memchr_inv(buf, i & 0xff, pkt.len))
			s->bad++;
		i++;
		if (signal)
			stream_signal(&s->to_guest);
	}
	wait_for_completion(&s->done);
	KUNIT_EXPECT_EQ(test, i, STREAM_PACKETS);
	KUNIT_EXPECT_EQ(test, s->bad, 0);
}

/* Did the guest's reading of @bytes make the room that the host waits for? */
static bool guest_made_room(struct ring_test *t, u32 bytes)
{
	u32 pending, write, room;

	/* As hv_pkt_iter_close(): read_index, pending_send_sz, write_index. */
	virt_mb();
	pending = READ_ONCE(t->control->pending_send_sz);
	if (!pending)
		return false;
	/* See above. */
	virt_rmb();
	write = READ_ONCE(t->control->write_index);
	room = write >= t->guest_index ? DATA_BYTES - (write - t->guest_index) :
	       t->guest_index - write;
	return room - bytes <= pending && room > pending;
}

/* As vmbus_on_event(): mask, read all, unmask, look again. */
static int guest_reader(void *arg)
{
	struct stream *s = arg;
	struct ring_test *t = s->t;
	struct desc desc = {};
	u32 i = 0;

	while (i < STREAM_PACKETS) {
		WRITE_ONCE(t->control->interrupt_mask, 1);
		/* interrupt_mask before write_index, as hv_begin_read(). */
		virt_mb();
		while (guest_recv(t, &desc)) {
			if (desc.trans_id != i++)
				s->bad++;
			if (guest_made_room(t, desc.len8 * 8 + 8))
				stream_signal(&s->to_host);
		}
		WRITE_ONCE(t->control->interrupt_mask, 0);
		/* The same, as hv_end_read(). */
		virt_mb();
		if (READ_ONCE(t->control->write_index) == t->guest_index &&
		    i < STREAM_PACKETS && !stream_sleep(&s->to_guest)) {
			s->bad++;
			break;
		}
	}
	complete(&s->done);
	return 0;
}

static void stream_out(struct kunit *test)
{
	struct stream *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	bool signal;
	u32 i = 0;
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, s);
	stream_init(test, s, ring_test_out(test), guest_reader);
	while (i < STREAM_PACKETS) {
		ret = host_send(s->t, 1 + i % 256, i, &signal);
		if (ret == -EAGAIN && stream_sleep(&s->to_host))
			continue;
		KUNIT_EXPECT_EQ(test, ret, 0);
		if (ret)
			break;
		i++;
		if (signal)
			stream_signal(&s->to_guest);
	}
	wait_for_completion(&s->done);
	KUNIT_EXPECT_EQ(test, i, STREAM_PACKETS);
	KUNIT_EXPECT_EQ(test, s->bad, 0);
}

static struct kunit_case ring_cases[] = {
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
	KUNIT_CASE(write_one),
	KUNIT_CASE(write_wraps),
	KUNIT_CASE(write_signals_empty_only),
	KUNIT_CASE(write_minds_mask),
	KUNIT_CASE(write_never_fills),
	KUNIT_CASE(write_waits_for_room),
	KUNIT_CASE(write_waits_past_a_smaller_one),
	KUNIT_CASE(write_too_long),
	KUNIT_CASE(write_odd_offset),
	KUNIT_CASE(write_bad_read_index),
	KUNIT_CASE(write_keeps_own_index),
	KUNIT_CASE_SLOW(stream_in),
	KUNIT_CASE_SLOW(stream_out),
	{}
};

struct kunit_suite ring_suite = {
	.name = "vmbus_ring",
	.test_cases = ring_cases,
};

MODULE_IMPORT_NS(VMBUS_HOST_NS);
