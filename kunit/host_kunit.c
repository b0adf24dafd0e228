// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_host_life: how channels of /dev/vmbus-host come and go when two calls meet.
 *
 * A case is the VMM, and calls what its ioctls call. It has no file, and its backend is in
 * here.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/bottom_half.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/task.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/uuid.h>
#include <linux/wait.h>

#include "gpadl/compat.h"
#include "gpadl/priv.h"
#include "host/host.h"
#include "host/ioctl.h"
#include "suites.h"
#include "vm.h"

#define RELID		5
#define SUB_RELID	6

/* 0e5b54c8-6a0d-4a41-9c64-21f7f1d3a9e0 */
#define IF_TYPE GUID_INIT(0x0e5b54c8, 0x6a0d, 0x4a41, 0x9c, 0x64, 0x21, 0xf7, 0xf1, 0xd3,	\
			  0xa9, 0xe0)

/* ---- The backend ---- */

/* What it does in probe(), if anything */
static void (*in_probe)(struct vmbus_device *dev);

static int backend_probe(struct vmbus_device *dev, const void *config, size_t len)
{
	if (in_probe)
		in_probe(dev);
	return 0;
}

static int backend_open(struct vmbus_endpoint *ep)
{
	return 0;
}

static void backend_ignore(struct vmbus_endpoint *ep)
{
}

/* The target that it was told last, or none */
static u32 told_target;

static void backend_retarget(struct vmbus_endpoint *ep, u32 target_vp)
{
	WRITE_ONCE(told_target, target_vp);
}

static struct vmbus_backend backend = {
	.owner = THIS_MODULE,
	.name = "life test",
	.if_type = IF_TYPE,
	.max_subchannels = 1,
	.probe = backend_probe,
	.open = backend_open,
	.close = backend_ignore,
	.kick = backend_ignore,
	.retarget = backend_retarget,
};

/* ---- The VMM ---- */

static int create_channel(struct vmbus_guest *guest, u32 relid, u32 primary)
{
	static const guid_t if_type = IF_TYPE;
	struct ioctl_call call = { .guest = guest };
	union ioctl_arg arg = {
		.channel_create = {
			.size = sizeof(arg.channel_create),
			.relid = relid,
			.primary = primary,
			.index = !!primary,
		},
	};

	export_guid(arg.channel_create.if_type, &if_type);
	return vmbus_host_ioctl_channel_create(&call, &arg);
}

static int destroy_channel(struct vmbus_guest *guest, u32 relid)
{
	return vmbus_guest_destroy_channel(guest, relid, false);
}

static int next_event(struct vmbus_guest *guest)
{
	struct vmbus_host_event event;

	return vmbus_host_event_peek(guest, &event);
}

/* ---- A thread of the VMM's ---- */

struct call {
	struct vmbus_guest *guest;
	struct mm_struct *mm;
	int (*fn)(struct vmbus_guest *guest);
	int ret;
	struct task_struct *task;
	struct completion done;
};

static int call_thread(void *arg)
{
	struct call *c = arg;

	kthread_use_mm(c->mm);
	c->ret = c->fn(c->guest);
	kthread_unuse_mm(c->mm);
	kthread_complete_and_exit(&c->done, 0);
}

static struct call *call_start(struct kunit *test, int (*fn)(struct vmbus_guest *guest))
{
	struct call *c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	struct task_struct *task;

	KUNIT_ASSERT_NOT_NULL(test, c);
	c->guest = test->priv;
	c->mm = current->mm;
	c->fn = fn;
	init_completion(&c->done);
	task = kthread_create(call_thread, c, "life-test");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	c->task = get_task_struct(task);
	wake_up_process(task);
	return c;
}

/* Until it waits for a lock, or has ended. */
static void call_wait_asleep(struct call *c)
{
	while (!(READ_ONCE(c->task->__state) & TASK_UNINTERRUPTIBLE) &&
	       !completion_done(&c->done))
		usleep_range(500, 1000);
}

static int call_join(struct call *c)
{
	wait_for_completion(&c->done);
	put_task_struct(c->task);
	return c->ret;
}

/* ---- Two calls that meet ---- */

static int destroy(struct vmbus_guest *guest)
{
	return destroy_channel(guest, RELID);
}

/* Whatever the DESTROY says: the relid is free. */
static int destroy_and_create(struct vmbus_guest *guest)
{
	int ret = destroy_channel(guest, RELID);

	if (ret && ret != -ENOENT)
		return ret;
	return create_channel(guest, RELID, 0);
}

static void relid_is_free_when_destroyed_twice(struct kunit *test)
{
	struct vmbus_guest *guest = test->priv;
	struct call *first, *second;

	KUNIT_ASSERT_EQ(test, create_channel(guest, RELID, 0), 0);
	/* As a reader that is just about to copy a reply: the first waits for it. */
	mutex_lock(&guest->read_lock);
	first = call_start(test, destroy);
	while (xa_load(&guest->endpoints, RELID))
		usleep_range(500, 1000);
	second = call_start(test, destroy_and_create);
	call_wait_asleep(second);
	mutex_unlock(&guest->read_lock);
	KUNIT_EXPECT_EQ(test, call_join(first), 0);
	KUNIT_EXPECT_EQ(test, call_join(second), 0);
	KUNIT_EXPECT_EQ(test, destroy_channel(guest, RELID), 0);
}

/* What happens before a channel gets into the table, its last step */
static void (*before_added)(struct vmbus_guest *guest, struct vmbus_endpoint *ep);

static int add_late(struct vmbus_guest *guest, struct vmbus_endpoint *ep)
{
	struct kunit *test = current->kunit_test;
	int ret;

	before_added(guest, ep);
	current->kunit_test = NULL;
	ret = vmbus_guest_add_endpoint(guest, ep);
	current->kunit_test = test;
	return ret;
}

static void destroy_primary(struct vmbus_guest *guest, struct vmbus_endpoint *ep)
{
	int ret = destroy_channel(guest, RELID);

	if (ret)
		pr_err("DESTROY: %d\n", ret);
}

static void sub_channel_of_a_device_that_goes(struct kunit *test)
{
	struct vmbus_guest *guest = test->priv;

	KUNIT_ASSERT_EQ(test, create_channel(guest, RELID, 0), 0);
	before_added = destroy_primary;
	kunit_activate_static_stub(test, vmbus_guest_add_endpoint, add_late);
	KUNIT_EXPECT_EQ(test, create_channel(guest, SUB_RELID, RELID), -ENODEV);
	kunit_deactivate_static_stub(test, vmbus_guest_add_endpoint);
	KUNIT_EXPECT_TRUE(test, xa_empty(&guest->endpoints));
	KUNIT_EXPECT_EQ(test, destroy_channel(guest, SUB_RELID), -ENOENT);
	/* Both numbers are free. */
	KUNIT_EXPECT_EQ(test, create_channel(guest, RELID, 0), 0);
	KUNIT_EXPECT_EQ(test, create_channel(guest, SUB_RELID, RELID), 0);
	KUNIT_EXPECT_EQ(test, destroy_channel(guest, RELID), 0);
}

struct stall {
	struct vmbus_gpadl_work work;
	struct completion go;
};

static void stall_fn(struct vmbus_gpadl_work *work)
{
	wait_for_completion(&container_of(work, struct stall, work)->go);
}

/* A sub-channel that is removed may have been put: its primary's end gives it no work. */
static void removed_sub_channel_gets_no_work(struct kunit *test)
{
	struct stall *stall = kunit_kzalloc(test, sizeof(*stall), GFP_KERNEL);
	struct vmbus_guest *guest = test->priv;
	struct vmbus_endpoint *sub;

	KUNIT_ASSERT_NOT_NULL(test, stall);
	KUNIT_ASSERT_EQ(test, create_channel(guest, RELID, 0), 0);
	KUNIT_ASSERT_EQ(test, create_channel(guest, SUB_RELID, RELID), 0);
	sub = vmbus_guest_get_endpoint(guest, SUB_RELID);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(sub));
	KUNIT_EXPECT_EQ(test, destroy_channel(guest, SUB_RELID), 0);
	/* What is queued from here on stays queued. */
	init_completion(&stall->go);
	vmbus_gpadl_work_init(&stall->work, stall_fn);
	vmbus_gpadl_channel_queue_work(sub->chan, &stall->work);
	/* As it is when the file is closed: nobody has taken it out of its device's list. */
	spin_lock(&sub->dev->lock);
	list_add_tail(&sub->sibling, &sub->dev->endpoints);
	spin_unlock(&sub->dev->lock);
	KUNIT_EXPECT_EQ(test, destroy_channel(guest, RELID), 0);
	/* It was not there yet. */
	KUNIT_EXPECT_TRUE(test, vmbus_gpadl_channel_queue_work(sub->chan, &sub->state_work));
	complete(&stall->go);
	vmbus_ep_put(sub);
}

static void set_state(struct vmbus_endpoint *ep, int state)
{
	spin_lock(&ep->dev->lock);
	ep->state = state;
	spin_unlock(&ep->dev->lock);
}

/* Whoever asks for the end of the last sub-channel may be the one that its primary waits for. */
static void removed_sub_channel_wakes_its_primary(struct kunit *test)
{
	struct stall *stall = kunit_kzalloc(test, sizeof(*stall), GFP_KERNEL);
	struct vmbus_guest *guest = test->priv;
	struct vmbus_endpoint *primary, *sub;

	KUNIT_ASSERT_NOT_NULL(test, stall);
	KUNIT_ASSERT_EQ(test, create_channel(guest, RELID, 0), 0);
	KUNIT_ASSERT_EQ(test, create_channel(guest, SUB_RELID, RELID), 0);
	primary = vmbus_guest_get_endpoint(guest, RELID);
	sub = vmbus_guest_get_endpoint(guest, SUB_RELID);
	init_completion(&stall->go);
	vmbus_gpadl_work_init(&stall->work, stall_fn);
	vmbus_gpadl_channel_queue_work(sub->chan, &stall->work);
	/* The primary finds it in its close(), and goes to sleep. */
	set_state(sub, ENDPOINT_CLOSING);
	vmbus_ep_die(primary);
	gpadl_worker_flush(&primary->chan->worker);
	/* Its thread has left close(), and is not on a processor just now. */
	set_state(sub, ENDPOINT_CLOSED);
	vmbus_ep_die(sub);
	KUNIT_EXPECT_NE(test, wait_event_timeout(guest->wait, vmbus_ep_is_idle(primary, true),
						 10 * HZ), 0);
	complete(&stall->go);
	vmbus_ep_put(sub);
	vmbus_ep_put(primary);
	KUNIT_EXPECT_EQ(test, destroy_channel(guest, RELID), 0);
}

/* A channel whose work does not go on, until it is told to */
static struct stall *stalled;

static void backend_remove(struct vmbus_device *dev)
{
}

/* Its device has a remove(), which is for its work to call: without, it would go at once. */
static void stall_channel(struct vmbus_endpoint *ep)
{
	backend.remove = backend_remove;
	init_completion(&stalled->go);
	vmbus_gpadl_work_init(&stalled->work, stall_fn);
	vmbus_gpadl_channel_queue_work(ep->chan, &stalled->work);
}

static void stall_unplug_and_kill(struct vmbus_guest *guest, struct vmbus_endpoint *ep)
{
	stall_channel(ep);
	vmbus_host_device_unplug(ep->dev);
	vm_kill();
}

/* Until everything of it has gone: it is no more than a number then. */
static void expect_relid_becomes_free(struct kunit *test)
{
	struct vmbus_guest *guest = test->priv;
	unsigned int ms;
	int ret;

	for (ms = 0; ms < 10000 && !list_empty(&backend.devices); ms++)
		usleep_range(1000, 2000);
	KUNIT_EXPECT_TRUE(test, list_empty(&backend.devices));
	backend.remove = NULL;
	/* The backend has lost the device before the number is free. */
	while ((ret = create_channel(guest, RELID, 0)) == -EEXIST && ms++ < 10000)
		usleep_range(1000, 2000);
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, destroy_channel(guest, RELID), 0);
}

/* The thread that makes a channel is killed when that has to be undone: it goes all the same. */
static void killed_while_a_channel_is_undone(struct kunit *test)
{
	struct vmbus_guest *guest = test->priv;
	int ret;

	stalled = kunit_kzalloc(test, sizeof(*stalled), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, stalled);
	before_added = stall_unplug_and_kill;
	kunit_activate_static_stub(test, vmbus_guest_add_endpoint, add_late);
	ret = create_channel(guest, RELID, 0);
	vm_unkill();
	kunit_deactivate_static_stub(test, vmbus_guest_add_endpoint);
	KUNIT_EXPECT_EQ(test, ret, -ENODEV);
	KUNIT_EXPECT_FALSE(test, list_empty(&backend.devices));
	complete(&stalled->go);
	expect_relid_becomes_free(test);
}

/* So it is if it destroys one: that is done, and it does not wait for it. */
static void killed_while_a_channel_is_destroyed(struct kunit *test)
{
	struct vmbus_guest *guest = test->priv;
	struct vmbus_endpoint *ep;
	int ret;

	stalled = kunit_kzalloc(test, sizeof(*stalled), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, stalled);
	KUNIT_ASSERT_EQ(test, create_channel(guest, RELID, 0), 0);
	ep = vmbus_guest_get_endpoint(guest, RELID);
	KUNIT_ASSERT_NOT_NULL(test, ep);
	stall_channel(ep);
	vmbus_ep_put(ep);
	vm_kill();
	ret = destroy_channel(guest, RELID);
	vm_unkill();
	KUNIT_EXPECT_EQ(test, ret, -EINTR);
	complete(&stalled->go);
	/* Somebody comes back for it. */
	KUNIT_EXPECT_EQ(test, destroy_channel(guest, RELID), 0);
	expect_relid_becomes_free(test);
}

/* Both wait for the same end: one of them frees the relid, once. */
static void destroyed_twice_while_it_is_busy(struct kunit *test)
{
	struct vmbus_guest *guest = test->priv;
	struct call *first, *second;
	struct vmbus_endpoint *ep;

	stalled = kunit_kzalloc(test, sizeof(*stalled), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, stalled);
	KUNIT_ASSERT_EQ(test, create_channel(guest, RELID, 0), 0);
	ep = vmbus_guest_get_endpoint(guest, RELID);
	KUNIT_ASSERT_NOT_NULL(test, ep);
	stall_channel(ep);
	first = call_start(test, destroy);
	second = call_start(test, destroy);
	/* Each has found the channel, and holds it. */
	while (refcount_read(&ep->ref) < 4)
		usleep_range(500, 1000);
	complete(&stalled->go);
	KUNIT_EXPECT_EQ(test, call_join(first), 0);
	KUNIT_EXPECT_EQ(test, call_join(second), 0);
	KUNIT_EXPECT_EQ(test, refcount_read(&ep->ref), 1);
	vmbus_ep_put(ep);
	expect_relid_becomes_free(test);
}

static void unplug(struct vmbus_guest *guest, struct vmbus_endpoint *ep)
{
	vmbus_host_device_unplug(ep->dev);
}

/* A channel that CHANNEL_CREATE has not made asks the VMM for nothing. */
static void undone_channel_leaves_no_event(struct kunit *test)
{
	struct vmbus_guest *guest = test->priv;

	before_added = unplug;
	kunit_activate_static_stub(test, vmbus_guest_add_endpoint, add_late);
	KUNIT_EXPECT_EQ(test, create_channel(guest, RELID, 0), -ENODEV);
	kunit_deactivate_static_stub(test, vmbus_guest_add_endpoint);
	KUNIT_EXPECT_EQ(test, next_event(guest), -EAGAIN);
	KUNIT_EXPECT_EQ(test, create_channel(guest, RELID, 0), 0);
	KUNIT_EXPECT_EQ(test, next_event(guest), -EAGAIN);
	KUNIT_EXPECT_EQ(test, destroy_channel(guest, RELID), 0);
}

/* One that it has made does, and goes on asking when somebody has asked for its end. */
static void unplugged_channel_is_asked_back(struct kunit *test)
{
	struct vmbus_guest *guest = test->priv;
	struct vmbus_host_event event = {};
	struct vmbus_endpoint *ep;

	KUNIT_ASSERT_EQ(test, create_channel(guest, RELID, 0), 0);
	ep = vmbus_guest_get_endpoint(guest, RELID);
	vmbus_host_device_unplug(ep->dev);
	vmbus_ep_put(ep);
	KUNIT_EXPECT_EQ(test, vmbus_host_event_peek(guest, &event), 0);
	KUNIT_EXPECT_EQ(test, event.type, VMBUS_HOST_EVENT_RESCIND);
	KUNIT_EXPECT_EQ(test, event.relid, RELID);
	KUNIT_EXPECT_EQ(test, destroy_channel(guest, RELID), 0);
	KUNIT_EXPECT_EQ(test, next_event(guest), -EAGAIN);
}

/* ---- A channel without its thread ---- */

/* As CHANNEL_MODIFY does, of a channel that is open */
static void retarget(struct vmbus_endpoint *ep, u32 target_vp)
{
	spin_lock(&ep->dev->lock);
	ep->state = ENDPOINT_OPEN;
	ep->target_vp = target_vp;
	ep->retarget = true;
	spin_unlock(&ep->dev->lock);
	vmbus_gpadl_channel_queue_work(ep->chan, &ep->state_work);
	gpadl_worker_flush(&ep->chan->worker);
	KUNIT_EXPECT_FALSE(current->kunit_test, ep->retarget);
}

/* The thread is killed when the target has changed: the backend gets only its close(). */
static void orphan_has_no_target(struct kunit *test)
{
	struct vmbus_guest *guest = test->priv;
	struct vmbus_endpoint *ep;
	struct gpadl_worker *w;

	KUNIT_ASSERT_EQ(test, create_channel(guest, RELID, 0), 0);
	ep = vmbus_guest_get_endpoint(guest, RELID);
	KUNIT_ASSERT_NOT_NULL(test, ep);
	w = &ep->chan->worker;
	told_target = VMBUS_HOST_NO_TARGET_VP;
	WRITE_ONCE(w->orphaned, true);
	retarget(ep, 3);
	KUNIT_EXPECT_EQ(test, told_target, VMBUS_HOST_NO_TARGET_VP);
	/* It looks whether there is more to do when the last item is done. */
	cancel_work_sync(&w->orphan_work);
	WRITE_ONCE(w->orphaned, false);
	retarget(ep, 4);
	KUNIT_EXPECT_EQ(test, told_target, 4);
	set_state(ep, ENDPOINT_CLOSED);
	vmbus_ep_put(ep);
	KUNIT_EXPECT_EQ(test, destroy_channel(guest, RELID), 0);
}

/* ---- Before a device has a channel ---- */

static void expect_gone_in_probe(struct kunit *test, void (*fn)(struct vmbus_device *dev))
{
	struct vmbus_guest *guest = test->priv;

	in_probe = fn;
	KUNIT_EXPECT_EQ(test, create_channel(guest, RELID, 0), -ENODEV);
	in_probe = NULL;
	KUNIT_EXPECT_EQ(test, next_event(guest), -EAGAIN);
	KUNIT_EXPECT_TRUE(test, list_empty(&backend.devices));
	KUNIT_EXPECT_EQ(test, create_channel(guest, RELID, 0), 0);
	KUNIT_EXPECT_EQ(test, destroy_channel(guest, RELID), 0);
}

static void rescinded_in_probe(struct kunit *test)
{
	expect_gone_in_probe(test, vmbus_device_rescind);
}

static void unplugged_in_probe(struct kunit *test)
{
	expect_gone_in_probe(test, vmbus_host_device_unplug);
}

/* ---- After a backend has gone ---- */

/* References to this module; built in it has none */
static int module_refs(void)
{
#if defined(MODULE) && defined(CONFIG_MODULE_UNLOAD)
	return module_refcount(THIS_MODULE);
#else
	return 0;
#endif
}

/*
 * What it has left mapped keeps its module, and not the structure that it has registered: that is
 * its own again.
 */
static void module_is_held_without_its_backend(struct kunit *test)
{
	struct vmbus_guest *guest = test->priv;
	struct vmbus_endpoint *ep;
	unsigned int ms;
	int refs;

	refs = module_refs();
	KUNIT_ASSERT_EQ(test, create_channel(guest, RELID, 0), 0);
	ep = vmbus_guest_get_endpoint(guest, RELID);
	KUNIT_ASSERT_NOT_NULL(test, ep);
	/* As its close() would */
	spin_lock(&ep->dev->lock);
	ep->dev->owes = true;
	spin_unlock(&ep->dev->lock);
	KUNIT_EXPECT_EQ(test, destroy_channel(guest, RELID), 0);
	vmbus_backend_unregister(&backend);
	backend.owner = NULL;
	/* With it goes the device. */
	vmbus_ep_put(ep);
	for (ms = 0; ms < 10000 && module_refs() > refs; ms++)
		usleep_range(1000, 2000);
	KUNIT_EXPECT_LE(test, module_refs(), refs);
	backend.owner = THIS_MODULE;
	/* For life_exit() */
	KUNIT_EXPECT_EQ(test, vmbus_backend_register(&backend), 0);
}

/* ---- While somebody reads fdinfo ---- */

static struct vmbus_endpoint *looked_at;

static int end_look(struct vmbus_guest *guest)
{
	vmbus_ep_put_by_work(looked_at);
	return 0;
}

/* The reader has the last reference. What that leads to is not done in its process. */
static void reader_takes_no_mutex(struct kunit *test)
{
	struct vmbus_guest *guest = test->priv;
	struct call *reader;
	unsigned int ms;

	KUNIT_ASSERT_EQ(test, create_channel(guest, RELID, 0), 0);
	looked_at = vmbus_guest_get_endpoint(guest, RELID);
	KUNIT_ASSERT_NOT_NULL(test, looked_at);
	KUNIT_EXPECT_EQ(test, destroy_channel(guest, RELID), 0);
	KUNIT_EXPECT_EQ(test, refcount_read(&looked_at->ref), 1);
	mutex_lock(&guest->p->rx_mutex);
	reader = call_start(test, end_look);
	for (ms = 0; ms < 10000 && !completion_done(&reader->done); ms++)
		usleep_range(1000, 2000);
	KUNIT_EXPECT_TRUE(test, completion_done(&reader->done));
	mutex_unlock(&guest->p->rx_mutex);
	KUNIT_EXPECT_EQ(test, call_join(reader), 0);
	expect_relid_becomes_free(test);
}

/* ---- A ring ---- */

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
	struct call *call;

	KUNIT_ASSERT_EQ(test, create_channel(guest, RELID, 0), 0);
	ep = vmbus_guest_get_endpoint(guest, RELID);
	KUNIT_ASSERT_NOT_NULL(test, ep);
	/* As while somebody holds it */
	reinit_completion(&ep->drained);
	call = call_start(test, drain);
	call_wait_asleep(call);
	KUNIT_EXPECT_STREQ(test, READ_ONCE(ep->callback), "drain");
	KUNIT_EXPECT_TRUE(test, time_in_range(READ_ONCE(ep->callback_since), begin, jiffies));
	complete_all(&ep->drained);
	call_join(call);
	KUNIT_EXPECT_STREQ(test, ep->callback, "close");
	KUNIT_EXPECT_EQ(test, ep->callback_since, 1);
	ep->callback = NULL;
	vmbus_ep_put(ep);
	KUNIT_EXPECT_EQ(test, destroy_channel(guest, RELID), 0);
}

/* ---- Room in the ring that the host writes ---- */

/* As much as a ring of one page of data has */
#define RING_ROOM	(VMBUS_RING_PAGE - 8)

/* A channel that is not open, but has a ring, all of which is reserved */
static struct vmbus_endpoint *endpoint_of_full_ring(struct kunit *test)
{
	const size_t bytes = 2 * VMBUS_RING_PAGE;
	void *ring = kunit_kzalloc(test, bytes, GFP_KERNEL);
	struct vmbus_reservation res;
	struct vmbus_endpoint *ep;

	KUNIT_ASSERT_NOT_NULL(test, ring);
	KUNIT_ASSERT_EQ(test, create_channel(test->priv, RELID, 0), 0);
	ep = vmbus_guest_get_endpoint(test->priv, RELID);
	KUNIT_ASSERT_NOT_NULL(test, ep);
	KUNIT_ASSERT_EQ(test, vmbus_ring_init_out(&ep->out, ring, bytes), 0);
	KUNIT_EXPECT_EQ(test, vmbus_endpoint_reserve(ep, &res, RING_ROOM), 0);
	/* It is on the stack here, and nobody fills it. */
	list_del_init(&res.node);
	return ep;
}

static void endpoint_of_full_ring_put(struct vmbus_endpoint *ep)
{
	struct vmbus_guest *guest = ep->guest;

	timer_delete_sync(&ep->out_timer);
	vmbus_ep_put(ep);
	KUNIT_EXPECT_EQ(current->kunit_test, destroy_channel(guest, RELID), 0);
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
	endpoint_of_full_ring_put(ep);
}

/* A backend that asks for room and sends nothing: the VMM learns of a ring that is spoilt. */
static void spoilt_ring_has_no_room(struct kunit *test)
{
	struct vmbus_endpoint *ep = endpoint_of_full_ring(test);
	struct vmbus_host_event event = {};

	KUNIT_EXPECT_EQ(test, next_event(test->priv), -EAGAIN);
	ep->out.mem.control->read_index = 1;
	KUNIT_EXPECT_EQ(test, vmbus_endpoint_room(ep, 8), 0);
	KUNIT_EXPECT_EQ(test, vmbus_host_event_peek(test->priv, &event), 0);
	KUNIT_EXPECT_EQ(test, event.type, VMBUS_HOST_EVENT_BROKEN);
	KUNIT_EXPECT_EQ(test, event.relid, RELID);
	endpoint_of_full_ring_put(ep);
}

/* ---- The suite ---- */

static int life_init(struct kunit *test)
{
	struct vmbus_guest *guest;
	int ret;

	/* It attaches an address space. */
	if (!kunit_vm_mmap(test, NULL, 0, PAGE_SIZE, PROT_READ, MAP_ANONYMOUS | MAP_PRIVATE, 0))
		return -ENOMEM;
	in_probe = NULL;
	ret = vmbus_backend_register(&backend);
	if (ret)
		return ret;
	guest = vmbus_guest_alloc();
	if (!guest) {
		vmbus_backend_unregister(&backend);
		return -ENOMEM;
	}
	test->priv = guest;
	return vmbus_guest_create(guest);
}

static void life_exit(struct kunit *test)
{
	if (!test->priv)
		return;
	vmbus_guest_close(test->priv);
	/* When the last device has gone */
	vmbus_backend_unregister(&backend);
}

static struct kunit_case life_cases[] = {
	KUNIT_CASE(relid_is_free_when_destroyed_twice),
	KUNIT_CASE(sub_channel_of_a_device_that_goes),
	KUNIT_CASE(removed_sub_channel_gets_no_work),
	KUNIT_CASE(removed_sub_channel_wakes_its_primary),
	KUNIT_CASE(killed_while_a_channel_is_undone),
	KUNIT_CASE(killed_while_a_channel_is_destroyed),
	KUNIT_CASE(destroyed_twice_while_it_is_busy),
	KUNIT_CASE(undone_channel_leaves_no_event),
	KUNIT_CASE(unplugged_channel_is_asked_back),
	KUNIT_CASE(orphan_has_no_target),
	KUNIT_CASE(rescinded_in_probe),
	KUNIT_CASE(unplugged_in_probe),
	KUNIT_CASE(module_is_held_without_its_backend),
	KUNIT_CASE(reader_takes_no_mutex),
	KUNIT_CASE(batch_ends_with_its_ring),
	KUNIT_CASE(close_that_drains),
	KUNIT_CASE(room_is_looked_for_now_and_then),
	KUNIT_CASE(spoilt_ring_has_no_room),
	{}
};

struct kunit_suite host_life_suite = {
	.name = "vmbus_host_life",
	.init = life_init,
	.exit = life_exit,
	.test_cases = life_cases,
};
