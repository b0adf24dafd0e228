// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_host_misuse: a backend of /dev/vmbus-host forgets something, or does it twice. It is
 * told so once in a boot, and the channel goes on, or closes, as well as it can.
 *
 * The VMM is that of host_test.h, and its guest opens and closes the channel by messages.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/module.h>
#include <linux/percpu-refcount.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <linux/uuid.h>
#include <trace/events/printk.h>

#include "gpadl/compat.h"
#include "gpadl/priv.h"
#include "host/host.h"
#include "host_test.h"
#include "suites.h"

/* ---- The backend ---- */

/* What it does in its callbacks, if anything */
static int (*in_open)(struct vmbus_endpoint *ep);
static void (*in_kick)(struct vmbus_endpoint *ep);

static int (*in_probe)(struct vmbus_device *dev);

static int backend_probe(struct vmbus_device *dev, const void *config, size_t len)
{
	return in_probe ? in_probe(dev) : 0;
}

static int backend_open(struct vmbus_endpoint *ep)
{
	return in_open ? in_open(ep) : 0;
}

static void backend_kick(struct vmbus_endpoint *ep)
{
	if (in_kick)
		in_kick(ep);
}

static void backend_close(struct vmbus_endpoint *ep)
{
}

static struct vmbus_backend backend = {
	.owner = THIS_MODULE,
	.name = "misuse test",
	.if_type = IF_TYPE,
	.probe = backend_probe,
	.open = backend_open,
	.close = backend_close,
	.kick = backend_kick,
};

/* ---- What scripts/console.awk sees to ---- */

/* Twice: only the first may warn. */
static void do_wrong(struct vmbus_endpoint *ep, void (*fn)(struct vmbus_endpoint *ep))
{
	pr_info("gpadl-test: expect WARNING\n");
	fn(ep);
	pr_info("gpadl-test: expected WARNING over\n");
	fn(ep);
}

static void open_channel(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, vmm_open_channel(test), GPADL_STATUS_SUCCESS);
}

static void close_channel(struct vmbus_endpoint *ep)
{
	vmm_close_channel_start(current->kunit_test);
	vmm_close_channel_wait(ep);
}

static void destroy_channel(struct vmbus_endpoint *ep)
{
	struct vmbus_guest *guest = ep->guest;

	vmbus_ep_put(ep);
	KUNIT_EXPECT_EQ(current->kunit_test, vmm_destroy_channel(guest, RELID), 0);
}

/* ---- What a callback leaves ---- */

static void kick(struct vmbus_endpoint *ep)
{
	vmbus_endpoint_kick(ep);
	gpadl_worker_flush(&ep->chan->worker);
}

/* What is left to the channel's work is left to it again: by vmbus_endpoint_complete_later(). */
static void kick_goes_on_waiting(struct kunit *test)
{
	struct vmbus_endpoint *ep = vmm_create_channel_with_rings(test);

	in_kick = vmbus_endpoint_wait_begin;
	open_channel(test);
	do_wrong(ep, kick);
	KUNIT_EXPECT_EQ(test, atomic64_read(&ep->counts.kicks), 2);
	KUNIT_EXPECT_FALSE(test, ep->late_here);
	close_channel(ep);
	destroy_channel(ep);
}

static struct vmbus_mapping *left;

static int map_and_fail(struct vmbus_endpoint *ep)
{
	return vmbus_gpadl_map(ep->chan, 0, BUFFER_HANDLE, &left) ?: -EIO;
}

static int fail(struct vmbus_endpoint *ep)
{
	return -EIO;
}

static void expect_refused(struct vmbus_endpoint *ep)
{
	KUNIT_EXPECT_NE(current->kunit_test, vmm_open_channel(current->kunit_test),
			GPADL_STATUS_SUCCESS);
	in_open = fail;
}

static bool device_owes(struct vmbus_device *dev)
{
	bool owes;

	spin_lock(&dev->lock);
	owes = dev->owes;
	spin_unlock(&dev->lock);
	return owes;
}

/* So its module stays, which alone can unmap that. */
static void failed_open_leaves_a_gpadl(struct kunit *test)
{
	struct vmbus_endpoint *ep = vmm_create_channel_with_rings(test);

	left = NULL;
	in_open = fail;
	expect_refused(ep);
	KUNIT_EXPECT_FALSE(test, device_owes(ep->dev));
	in_open = map_and_fail;
	do_wrong(ep, expect_refused);
	KUNIT_ASSERT_NOT_NULL(test, left);
	KUNIT_EXPECT_TRUE(test, device_owes(ep->dev));
	vmbus_gpadl_unmap(left);
	destroy_channel(ep);
}

/* ---- What is never submitted ---- */

static void reserve_and_close(struct vmbus_endpoint *ep)
{
	struct kunit *test = current->kunit_test;
	struct vmbus_reservation res;

	KUNIT_EXPECT_EQ(test, vmbus_endpoint_reserve(ep, &res, vmbus_packet_room(8)), 0);
	close_channel(ep);
	/* The next begins anew. */
	open_channel(test);
}

static void reservation_is_never_submitted(struct kunit *test)
{
	static const struct vmbus_packet pkt = { .type = VMBUS_PACKET_INBAND, .len = 8 };
	struct vmbus_endpoint *ep = vmm_create_channel_with_rings(test);
	u32 at;

	open_channel(test);
	do_wrong(ep, reserve_and_close);
	at = ep->out.mem.control->write_index;
	KUNIT_EXPECT_EQ(test, vmbus_endpoint_send(ep, &pkt, "8 bytes"), 0);
	KUNIT_EXPECT_EQ(test, ep->out.mem.control->write_index, at + vmbus_packet_room(8));
	close_channel(ep);
	destroy_channel(ep);
}

/* ---- Holds ---- */

/* How often the log has said that a close() waits */
static atomic_t told;

static void count_told(void *unused, const char *text, size_t len)
{
	if (strnstr(text, "channel 5: close() has waited 0 s for what backend misuse test holds",
		    len))
		atomic_inc(&told);
}

static void read_log(struct kunit *test)
{
	atomic_set(&told, 0);
	if (register_trace_console(count_told, NULL))
		kunit_skip(test, "no tracepoints");
}

/* A close() that begins here waits for a hold: until the log, which is being read, says so. */
static void close_until_told(struct kunit *test, struct vmbus_endpoint *ep)
{
	const unsigned long patience = vmbus_ep_drain_patience;
	unsigned int ms;

	WRITE_ONCE(vmbus_ep_drain_patience, 1);
	vmm_close_channel_start(test);
	for (ms = 0; ms < 10000 && !atomic_read(&told); ms++)
		usleep_range(1000, 2000);
	/* It is said once, however long it lasts. */
	msleep(20);
	WRITE_ONCE(vmbus_ep_drain_patience, patience);
	unregister_trace_console(count_told, NULL);
	tracepoint_synchronize_unregister();
	KUNIT_EXPECT_EQ(test, atomic_read(&told), 1);
	KUNIT_EXPECT_STREQ(test, READ_ONCE(ep->callback), "drain");
	KUNIT_EXPECT_EQ(test, READ_ONCE(ep->state), ENDPOINT_CLOSING);
}

static void hold_that_close_waits_for_is_told_of(struct kunit *test)
{
	struct vmbus_endpoint *ep;

	read_log(test);
	ep = vmm_create_channel_with_rings(test);
	open_channel(test);
	KUNIT_EXPECT_TRUE(test, vmbus_endpoint_tryget(ep));
	close_until_told(test, ep);
	vmbus_endpoint_put(ep);
	vmm_close_channel_wait(ep);
	destroy_channel(ep);
}

/* The kernel's own check warns when the channel closes. Such a close() does not end by itself. */
static void hold_is_put_twice(struct kunit *test)
{
	struct vmbus_endpoint *ep;

	read_log(test);
	ep = vmm_create_channel_with_rings(test);
	open_channel(test);
	KUNIT_EXPECT_TRUE(test, vmbus_endpoint_tryget(ep));
	vmbus_endpoint_put(ep);
	pr_info("gpadl-test: expect WARNING\n");
	vmbus_endpoint_put(ep);
	close_until_told(test, ep);
	rcu_barrier();
	pr_info("gpadl-test: expected WARNING over\n");
	/* What would have been right: 1, and then nobody */
	percpu_ref_get_many(&ep->users, 2);
	percpu_ref_put(&ep->users);
	vmm_close_channel_wait(ep);
	destroy_channel(ep);
}

/* After close() has returned nobody looks, until the endpoint is freed. */
static void hold_is_put_twice_when_closed(struct kunit *test)
{
	struct vmbus_endpoint *ep = vmm_create_channel_with_rings(test);
	struct vmbus_guest *guest = test->priv;

	open_channel(test);
	close_channel(ep);
	pr_info("gpadl-test: expect WARNING\n");
	vmbus_endpoint_put(ep);
	destroy_channel(ep);
	while (atomic_read(&guest->nr_endpoints))
		usleep_range(500, 1000);
	/* It is counted out before it is freed, in the same work. */
	flush_workqueue(guest->p->free_wq);
	pr_info("gpadl-test: expected WARNING over\n");
}

/* Whoever shows it would read what is not there. */
static void backend_has_no_name(struct kunit *test)
{
	struct vmbus_backend nameless = backend;

	guid_gen(&nameless.if_type);
	nameless.name = NULL;
	KUNIT_EXPECT_EQ(test, vmbus_backend_register(&nameless), -EINVAL);
}

static int probe_is_positive(struct vmbus_device *dev)
{
	return 5;
}

/* The VMM would take it for success. */
static void probe_returns_no_errno(struct kunit *test)
{
	struct vmbus_guest *guest = test->priv;

	in_probe = probe_is_positive;
	pr_info("gpadl-test: expect WARNING\n");
	KUNIT_EXPECT_EQ(test, vmm_create_channel(guest, RELID, 0), -EINVAL);
	pr_info("gpadl-test: expected WARNING over\n");
	KUNIT_EXPECT_TRUE(test, xa_empty(&guest->endpoints));
	in_probe = NULL;
	KUNIT_EXPECT_EQ(test, vmm_create_channel(guest, RELID, 0), 0);
	KUNIT_EXPECT_EQ(test, vmm_destroy_channel(guest, RELID), 0);
}

/* ---- The suite ---- */

static int misuse_init(struct kunit *test)
{
	in_probe = NULL;
	in_open = NULL;
	in_kick = NULL;
	return host_test_init(test, &backend);
}

static void misuse_exit(struct kunit *test)
{
	host_test_exit(test, &backend);
}

static struct kunit_case misuse_cases[] = {
	KUNIT_CASE(kick_goes_on_waiting),
	KUNIT_CASE(failed_open_leaves_a_gpadl),
	KUNIT_CASE(reservation_is_never_submitted),
	KUNIT_CASE(hold_that_close_waits_for_is_told_of),
	KUNIT_CASE(hold_is_put_twice),
	KUNIT_CASE(hold_is_put_twice_when_closed),
	KUNIT_CASE(backend_has_no_name),
	KUNIT_CASE(probe_returns_no_errno),
	{}
};

struct kunit_suite host_misuse_suite = {
	.name = "vmbus_host_misuse",
	.init = misuse_init,
	.exit = misuse_exit,
	.test_cases = misuse_cases,
};
