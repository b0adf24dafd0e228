// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "vmbus_ring_stream": host and guest at a ring at the same time.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/string.h>

#include <asm/barrier.h>

#include "gpadl/compat.h"
#include "ring_test.h"
#include "suites.h"

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
	while (ring_guest_room(s->t) <= bytes) {
		WRITE_ONCE(s->t->control->pending_send_sz, bytes);
		/* pending_send_sz before read_index. */
		virt_mb();
		if (ring_guest_room(s->t) > bytes)
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
		if (ring_guest_send(s->t, len, i))
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
		ret = ring_test_read(s->t, &pkt, buf, sizeof(buf), &signal);
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
		while (ring_guest_recv(t, &desc)) {
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
		ret = ring_test_send(s->t, 1 + i % 256, i, &signal);
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

static struct kunit_case ring_stream_cases[] = {
	KUNIT_CASE_SLOW(stream_in),
	KUNIT_CASE_SLOW(stream_out),
	{}
};

struct kunit_suite ring_stream_suite = {
	.name = "vmbus_ring_stream",
	.test_cases = ring_stream_cases,
};

MODULE_IMPORT_NS(VMBUS_HOST_NS);
