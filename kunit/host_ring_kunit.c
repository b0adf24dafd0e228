// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_host_ring: what a backend does with the rings of a channel of /dev/vmbus-host.
 *
 * The rings themselves are those of the suites vmbus_ring_*. The VMM is that of host_test.h, and
 * the backend here does nothing: a case does what it would.
 */
#include <kunit/test.h>
#include <linux/bottom_half.h>
#include <linux/completion.h>
#include <linux/jiffies.h>
#include <linux/kasan.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/percpu-refcount.h>
#include <linux/sizes.h>
#include <linux/timer.h>

#include "gpadl/compat.h"
#include "gpadl/priv.h"
#include "host/host.h"
#include "host_test.h"
#include "ring_test.h"
#include "suites.h"

/* ---- The backend ---- */

static int backend_probe(struct vmbus_device *dev, const void *config, size_t len)
{
	return 0;
}

static int backend_open(struct vmbus_endpoint *ep)
{
	return 0;
}

static void backend_ignore(struct vmbus_endpoint *ep)
{
}

static struct vmbus_backend backend = {
	.owner = THIS_MODULE,
	.name = "ring test",
	.if_type = IF_TYPE,
	.probe = backend_probe,
	.open = backend_open,
	.close = backend_ignore,
	.kick = backend_ignore,
};

/* ---- Packets ---- */

/* A copy has met a memory error, and its backend goes on with the batch: nobody warns. */
static void batch_ends_with_its_ring(struct kunit *test)
{
	struct vmbus_endpoint *ep = kunit_kzalloc(test, sizeof(*ep), GFP_KERNEL);
	struct vmbus_packet pkt;
	struct kvec seg[2];

	KUNIT_ASSERT_NOT_NULL(test, ep);
	/* As vmbus_ring_break_in() leaves it */
	ep->in.mem.broken = true;
	atomic_set(&ep->told_broken, 1);
	KUNIT_EXPECT_EQ(test, vmbus_endpoint_next(ep, &pkt, seg), -EIO);
	vmbus_endpoint_consume(ep);
	KUNIT_EXPECT_EQ(test, ep->counts.received, 0);
}

/* What a backend's close() does first: it waits for a request */
static int drain(struct vmbus_guest *guest)
{
	struct vmbus_endpoint *ep = vmbus_guest_get_endpoint(guest, RELID);

	ep->callback = "close";
	ep->callback_since = 1;
	vmbus_endpoint_drain(ep);
	vmbus_ep_put(ep);
	return 0;
}

/* Who looks sees what it waits for, since when, and close() again behind it. */
static void close_that_drains(struct kunit *test)
{
	struct vmbus_guest *guest = test->priv;
	unsigned long begin = jiffies;
	struct vmbus_endpoint *ep;
	struct vmm_call *call;

	KUNIT_ASSERT_EQ(test, vmm_create_channel(guest, RELID, 0), 0);
	ep = vmbus_guest_get_endpoint(guest, RELID);
	KUNIT_ASSERT_NOT_NULL(test, ep);
	/* As while somebody holds it */
	reinit_completion(&ep->drained);
	call = vmm_call_start(test, drain);
	vmm_call_wait_asleep(call);
	KUNIT_EXPECT_STREQ(test, READ_ONCE(ep->callback), "drain");
	KUNIT_EXPECT_TRUE(test, time_in_range(READ_ONCE(ep->callback_since), begin, jiffies));
	complete_all(&ep->drained);
	vmm_call_join(call);
	KUNIT_EXPECT_STREQ(test, ep->callback, "close");
	KUNIT_EXPECT_EQ(test, ep->callback_since, 1);
	ep->callback = NULL;
	vmbus_ep_put(ep);
	KUNIT_EXPECT_EQ(test, vmm_destroy_channel(guest, RELID), 0);
}

/* ---- Room in the ring that the host writes ---- */

/* As much as a ring of one page of data has */
#define RING_ROOM	(VMBUS_RING_PAGE - 8)

/* A channel that is not open, but has a ring */
static struct vmbus_endpoint *endpoint_of_ring(struct kunit *test)
{
	const size_t bytes = 2 * VMBUS_RING_PAGE;
	void *ring = kunit_kzalloc(test, bytes, GFP_KERNEL);
	struct vmbus_endpoint *ep;

	KUNIT_ASSERT_NOT_NULL(test, ring);
	KUNIT_ASSERT_EQ(test, vmm_create_channel(test->priv, RELID, 0), 0);
	ep = vmbus_guest_get_endpoint(test->priv, RELID);
	KUNIT_ASSERT_NOT_NULL(test, ep);
	KUNIT_ASSERT_EQ(test, vmbus_ring_init_out(&ep->out, ring, bytes), 0);
	return ep;
}

/* All of it is reserved. */
static struct vmbus_endpoint *endpoint_of_full_ring(struct kunit *test)
{
	struct vmbus_endpoint *ep = endpoint_of_ring(test);
	struct vmbus_reservation res;

	KUNIT_EXPECT_EQ(test, vmbus_endpoint_reserve(ep, &res, RING_ROOM), 0);
	/* It is on the stack here, and nobody fills it. */
	list_del_init(&res.node);
	return ep;
}

static void endpoint_of_ring_put(struct vmbus_endpoint *ep)
{
	struct vmbus_guest *guest = ep->guest;

	timer_delete_sync(&ep->out_timer);
	vmbus_ep_put(ep);
	KUNIT_EXPECT_EQ(current->kunit_test, vmm_destroy_channel(guest, RELID), 0);
}

/* A look; the guest has read @bytes since the last. Returns in how many jiffies the next is. */
static unsigned long look_for_room(struct vmbus_endpoint *ep, u32 bytes)
{
	unsigned long poll;

	/* It may have looked by itself. */
	timer_delete_sync(&ep->out_timer);
	/* Not before it was seen what this one has set */
	local_bh_disable();
	ep->out.mem.control->read_index += bytes;
	ep->out_timer.function(&ep->out_timer);
	poll = ep->out_poll;
	local_bh_enable();
	return poll;
}

/* A guest that reads a word now and then makes the host look as seldom as that. */
static void room_is_looked_for_now_and_then(struct kunit *test)
{
	struct vmbus_endpoint *ep = endpoint_of_full_ring(test);
	struct vmbus_reservation more;
	unsigned int i;

	KUNIT_EXPECT_EQ(test, vmbus_endpoint_reserve(ep, &more, RING_ROOM), -EAGAIN);
	for (i = 0; i < 8; i++)
		look_for_room(ep, 8);
	KUNIT_EXPECT_EQ(test, look_for_room(ep, 8), HZ / 32);
	for (i = 0; i < 4; i++)
		look_for_room(ep, 0);
	KUNIT_EXPECT_EQ(test, look_for_room(ep, 0), HZ / 4);
	KUNIT_EXPECT_EQ(test, look_for_room(ep, 8), HZ / 32);
	endpoint_of_ring_put(ep);
}

/* A backend that asks for room and sends nothing: the VMM learns of a ring that is spoilt. */
static void spoilt_ring_has_no_room(struct kunit *test)
{
	struct vmbus_endpoint *ep = endpoint_of_full_ring(test);
	struct vmbus_host_event event = {};

	KUNIT_EXPECT_EQ(test, vmm_next_event(test->priv), -EAGAIN);
	ep->out.mem.control->read_index = 1;
	KUNIT_EXPECT_EQ(test, vmbus_endpoint_room(ep, 8), -EIO);
	KUNIT_EXPECT_EQ(test, vmbus_host_event_peek(test->priv, &event), 0);
	KUNIT_EXPECT_EQ(test, event.type, VMBUS_HOST_EVENT_BROKEN);
	KUNIT_EXPECT_EQ(test, event.relid, RELID);
	endpoint_of_ring_put(ep);
}

/* The longest that is ever sent is sent, and one byte more is never waited for. */
static void most_room_that_there_can_be(struct kunit *test)
{
	struct vmbus_endpoint *ep = endpoint_of_ring(test);
	const size_t most = VMBUS_RING_PAGE - 32;
	struct vmbus_packet pkt = { .type = VMBUS_PACKET_INBAND, .len = most };
	u8 *buf = kunit_kzalloc(test, most, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_EQ(test, vmbus_endpoint_max_room(ep), most);
	KUNIT_EXPECT_EQ(test, vmbus_endpoint_room(ep, most), most);
	KUNIT_EXPECT_EQ(test, vmbus_endpoint_room(ep, most + 1), -EMSGSIZE);
	KUNIT_EXPECT_EQ(test, vmbus_endpoint_send(ep, &pkt, buf), 0);
	/* As before, of a ring that is full: now less is waited for. */
	KUNIT_EXPECT_EQ(test, vmbus_endpoint_max_room(ep), most);
	KUNIT_EXPECT_EQ(test, vmbus_endpoint_room(ep, most + 1), -EMSGSIZE);
	KUNIT_EXPECT_EQ(test, ep->out.waiting, 0);
	KUNIT_EXPECT_FALSE(test, timer_pending(&ep->out_timer));
	KUNIT_EXPECT_EQ(test, vmbus_endpoint_room(ep, most), 0);
	KUNIT_EXPECT_NE(test, ep->out.waiting, 0);
	endpoint_of_ring_put(ep);
}

/* The guest would take what lies behind it for the rest of its descriptor. */
static void room_for_less_than_a_packet(struct kunit *test)
{
	struct vmbus_endpoint *ep = endpoint_of_ring(test);
	const size_t least = vmbus_packet_room(0);
	struct vmbus_reservation res;

	KUNIT_EXPECT_EQ(test, vmbus_endpoint_reserve(ep, &res, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, vmbus_endpoint_reserve(ep, &res, least - 8), -EINVAL);
	KUNIT_EXPECT_EQ(test, vmbus_endpoint_reserve(ep, &res, least + 4), -EINVAL);
	KUNIT_EXPECT_EQ(test, vmbus_endpoint_reserve(ep, &res, least), 0);
	/* It is on the stack here, and nobody fills it. */
	list_del_init(&res.node);
	endpoint_of_ring_put(ep);
}

/* In a large ring it is the packet's own length that ends it. */
static void most_room_of_a_large_ring(struct kunit *test)
{
	struct vmbus_endpoint *ep = kunit_kzalloc(test, sizeof(*ep), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ep);
	ep->out.mem.size = SZ_1M;
	KUNIT_EXPECT_EQ(test, vmbus_endpoint_max_room(ep), U16_MAX * 8 - VMBUS_RING_DESC);
	KUNIT_EXPECT_EQ(test, vmbus_endpoint_room(ep, U16_MAX * 8), -EMSGSIZE);
}

/* ---- Memory errors ---- */

/*
 * A channel with a packet of @len bytes of payload, each of which is 1, of which @good bytes are
 * there. The packet begins @at bytes into the ring.
 */
static struct vmbus_endpoint *endpoint_of_bad_packet(struct kunit *test, u32 len, u32 good, u32 at)
{
	u8 *bad = ring_test_error(test);
	struct ring_test *t = ring_test_alloc(test);
	const u32 there = at + VMBUS_RING_DESC + good;
	struct vmbus_endpoint *ep;

	t->control->read_index = at;
	t->control->write_index = at;
	t->guest_index = at;
	KUNIT_ASSERT_EQ(test, vmm_create_channel(test->priv, RELID, 0), 0);
	ep = vmbus_guest_get_endpoint(test->priv, RELID);
	KUNIT_ASSERT_NOT_NULL(test, ep);
	KUNIT_ASSERT_EQ(test, vmbus_ring_init_in(&ep->in, t->control, RING_BYTES), 0);
	ring_guest_send(t, len, 1);
	memcpy(bad - there, t->data, there);
	ep->in.mem.data = bad - there;
	/* It would report the address before the load faults. */
	kasan_disable_current();
	return ep;
}

/* The VMM was told, once; the ring is of no use any more. */
static void expect_error_was_told(struct kunit *test, struct vmbus_endpoint *ep)
{
	struct vmbus_host_event event = {};
	struct vmbus_guest *guest = ep->guest;
	struct vmbus_packet pkt;
	u64 buf;

	kasan_enable_current();
	KUNIT_EXPECT_EQ(test, vmbus_endpoint_recv(ep, &pkt, &buf, sizeof(buf)), -EIO);
	KUNIT_EXPECT_EQ(test, ep->counts.received, 0);
	KUNIT_EXPECT_EQ(test, vmbus_host_event_peek(guest, &event), 0);
	KUNIT_EXPECT_EQ(test, event.type, VMBUS_HOST_EVENT_BROKEN);
	KUNIT_EXPECT_EQ(test, event.relid, RELID);
	vmbus_ep_put(ep);
	KUNIT_EXPECT_EQ(test, vmm_destroy_channel(guest, RELID), 0);
}

/* Copied by words, or by the kernel, or in two parts of which the first is not all there */
static void packet_with_an_error_is_received(struct kunit *test)
{
	static const struct { u32 len, good, at; } packets[] = {
		{ 8, 0, 0 }, { 104, 48, 0 }, { 600, 296, 0 },
		{ 24, 8, DATA_BYTES - VMBUS_RING_DESC - 16 },
	};
	struct vmbus_endpoint *ep;
	struct vmbus_packet pkt;
	u8 buf[600];
	int i;

	for (i = 0; i < ARRAY_SIZE(packets); i++) {
		ep = endpoint_of_bad_packet(test, packets[i].len, packets[i].good, packets[i].at);
		KUNIT_EXPECT_EQ(test, vmbus_endpoint_recv(ep, &pkt, buf, sizeof(buf)), -EIO);
		expect_error_was_told(test, ep);
	}
}

static void part_with_an_error_is_copied(struct kunit *test)
{
	struct vmbus_endpoint *ep = endpoint_of_bad_packet(test, 104, 96, 0);
	struct vmbus_packet pkt;
	struct kvec seg[2];
	u64 buf = 0;

	KUNIT_ASSERT_EQ(test, vmbus_endpoint_peek(ep, &pkt, seg), 0);
	KUNIT_EXPECT_EQ(test, vmbus_endpoint_copy(ep, seg, 88, &buf, 8), 0);
	KUNIT_EXPECT_EQ(test, buf, 0x0101010101010101ULL);
	KUNIT_EXPECT_EQ(test, vmbus_endpoint_copy(ep, seg, 96, &buf, 8), -EIO);
	/* As a loop over a batch does it */
	vmbus_endpoint_consume(ep);
	expect_error_was_told(test, ep);
}

/* ---- Completions ---- */

/* More than the channel's work sends before it does something else */
#define NR_CHAINED	1000

static unsigned int nr_chained;

/* The guest reads at once, and asks for more, which somebody answers. */
static void chain_done(struct vmbus_endpoint *ep, struct vmbus_completion *c)
{
	ep->out.mem.control->read_index = ep->out.mem.control->write_index;
	if (++nr_chained < NR_CHAINED && vmbus_endpoint_tryget(ep))
		vmbus_endpoint_complete(ep, c);
}

/* The same, and the channel's work begins to wait for the VMM while that context sends. */
static void chain_while_waiting_done(struct vmbus_endpoint *ep, struct vmbus_completion *c)
{
	if (!nr_chained)
		vmbus_endpoint_wait_begin(ep);
	chain_done(ep, c);
}

/* The first of a chain, whose hold there is. The endpoint is as while it is open. */
static struct vmbus_completion *chain_begin(struct kunit *test, struct vmbus_endpoint *ep,
					    void (*done)(struct vmbus_endpoint *ep,
							 struct vmbus_completion *c))
{
	struct vmbus_completion *c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, c);
	reinit_completion(&ep->drained);
	percpu_ref_reinit(&ep->users);
	nr_chained = 0;
	c->buf = &nr_chained;
	c->len = sizeof(nr_chained);
	c->done = done;
	KUNIT_EXPECT_TRUE(test, vmbus_endpoint_tryget(ep));
	return c;
}

/* Outside close() it would wait for ever: a hold can be taken again. It is said once. */
static void drain_of_an_open_channel(struct kunit *test)
{
	struct vmbus_endpoint *ep = endpoint_of_ring(test);
	const char *before = ep->callback;

	reinit_completion(&ep->drained);
	percpu_ref_reinit(&ep->users);
	pr_info("gpadl-test: expect WARNING\n");
	vmbus_endpoint_drain(ep);
	pr_info("gpadl-test: expected WARNING over\n");
	vmbus_endpoint_drain(ep);
	KUNIT_EXPECT_PTR_EQ(test, ep->callback, before);
	percpu_ref_kill(&ep->users);
	KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&ep->drained, 10 * HZ), 0);
	endpoint_of_ring_put(ep);
}

/* What is left of it is sent. As before it is freed: the kill takes a grace period. */
static void chain_end(struct kunit *test, struct vmbus_endpoint *ep)
{
	percpu_ref_kill(&ep->users);
	vmbus_ep_completions_kick(ep);
	KUNIT_EXPECT_NULL(test, ep->unsent);
	KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&ep->drained, 10 * HZ), 0);
	endpoint_of_ring_put(ep);
}

/* What else the channel's work has to do, close() for one, does not wait for such a guest. */
static void quick_guest_does_not_keep_the_work(struct kunit *test)
{
	struct vmbus_endpoint *ep = endpoint_of_ring(test);
	struct vmbus_completion *c = chain_begin(test, ep, chain_done);

	vmbus_endpoint_complete_later(ep, c);
	/* It is not open: its work does nothing. */
	gpadl_worker_flush(&ep->chan->worker);
	KUNIT_EXPECT_EQ(test, nr_chained, 0);
	vmbus_ep_completions_kick(ep);
	KUNIT_EXPECT_GE(test, nr_chained, 16);
	KUNIT_EXPECT_LE(test, nr_chained, 64);
	/* It has left the rest to another run. */
	KUNIT_EXPECT_NOT_NULL(test, ep->unsent);
	chain_end(test, ep);
}

/* A context that sends leaves the rest to the channel's work, but not if that waits for the VMM. */
static void nothing_is_left_to_work_that_waits(struct kunit *test)
{
	struct vmbus_endpoint *ep = endpoint_of_ring(test);

	vmbus_endpoint_complete(ep, chain_begin(test, ep, chain_while_waiting_done));
	KUNIT_EXPECT_EQ(test, nr_chained, NR_CHAINED);
	KUNIT_EXPECT_NULL(test, ep->unsent);
	vmbus_endpoint_wait_end(ep);
	chain_end(test, ep);
}

/* ---- The suite ---- */

static int ring_init(struct kunit *test)
{
	return host_test_init(test, &backend);
}

static void ring_exit(struct kunit *test)
{
	host_test_exit(test, &backend);
}

static struct kunit_case ring_cases[] = {
	KUNIT_CASE(batch_ends_with_its_ring),
	KUNIT_CASE(close_that_drains),
	KUNIT_CASE(room_is_looked_for_now_and_then),
	KUNIT_CASE(spoilt_ring_has_no_room),
	KUNIT_CASE(most_room_that_there_can_be),
	KUNIT_CASE(most_room_of_a_large_ring),
	KUNIT_CASE(room_for_less_than_a_packet),
	KUNIT_CASE(packet_with_an_error_is_received),
	KUNIT_CASE(part_with_an_error_is_copied),
	KUNIT_CASE(quick_guest_does_not_keep_the_work),
	KUNIT_CASE(nothing_is_left_to_work_that_waits),
	KUNIT_CASE(drain_of_an_open_channel),
	{}
};

struct kunit_suite host_ring_suite = {
	.name = "vmbus_host_ring",
	.init = ring_init,
	.exit = ring_exit,
	.test_cases = ring_cases,
};
