// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_host_life: how channels of /dev/vmbus-host come and go when two calls meet.
 *
 * A case is the VMM of host_test.h. Its backend is in here.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/wait.h>

#include "gpadl/compat.h"
#include "gpadl/priv.h"
#include "host/host.h"
#include "host_test.h"
#include "suites.h"
#include "vm.h"

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
	.max_subchannels = 2,
	.probe = backend_probe,
	.open = backend_open,
	.close = backend_ignore,
	.kick = backend_ignore,
	.retarget = backend_retarget,
};

/* ---- Two calls that meet ---- */

static int destroy(struct vmbus_guest *guest)
{
	return vmm_destroy_channel(guest, RELID);
}

/* Whatever the DESTROY says: the relid is free. */
static int destroy_and_create(struct vmbus_guest *guest)
{
	int ret = vmm_destroy_channel(guest, RELID);

	if (ret && ret != -ENOENT)
		return ret;
	return vmm_create_channel(guest, RELID, 0);
}

static void relid_is_free_when_destroyed_twice(struct kunit *test)
{
	struct vmbus_guest *guest = test->priv;
	struct vmm_call *first, *second;

	KUNIT_ASSERT_EQ(test, vmm_create_channel(guest, RELID, 0), 0);
	/* As a reader that is just about to copy a reply: the first waits for it. */
	mutex_lock(&guest->read_lock);
	first = vmm_call_start(test, destroy);
	while (xa_load(&guest->endpoints, RELID))
		usleep_range(500, 1000);
	second = vmm_call_start(test, destroy_and_create);
	vmm_call_wait_asleep(second);
	mutex_unlock(&guest->read_lock);
	KUNIT_EXPECT_EQ(test, vmm_call_join(first), 0);
	KUNIT_EXPECT_EQ(test, vmm_call_join(second), 0);
	KUNIT_EXPECT_EQ(test, vmm_destroy_channel(guest, RELID), 0);
}

static void set_state(struct vmbus_endpoint *ep, int state)
{
	spin_lock(&ep->dev->lock);
	ep->state = state;
	spin_unlock(&ep->dev->lock);
}

/* A channel that is made, with a reference for the caller */
static struct vmbus_endpoint *create_channel(struct kunit *test)
{
	struct vmbus_endpoint *ep;

	KUNIT_ASSERT_EQ(test, vmm_create_channel(test->priv, RELID, 0), 0);
	ep = vmbus_guest_get_endpoint(test->priv, RELID);
	KUNIT_ASSERT_NOT_NULL(test, ep);
	return ep;
}

/* A call that has found a channel, and comes late: by then its relid is another one's. */
static void late_request_takes_no_answer_of_the_next(struct kunit *test)
{
	struct vmbus_guest *guest = test->priv;
	struct vmbus_endpoint *gone = create_channel(test), *next;

	KUNIT_EXPECT_EQ(test, vmm_destroy_channel(guest, RELID), 0);
	next = create_channel(test);
	set_state(next, ENDPOINT_CLOSING);
	KUNIT_EXPECT_EQ(test, vmbus_guest_rescind_channel(guest, RELID, true), -EINPROGRESS);
	set_state(next, ENDPOINT_CLOSED);
	/* Each call brings to its end what is done. */
	KUNIT_EXPECT_EQ(test, vmbus_guest_rescind_channel(guest, SUB_RELID, true), -ENOENT);
	KUNIT_EXPECT_EQ(test, vmbus_guest_ask(guest, gone, ENDPOINT_ASKED_RESCIND), 0);
	KUNIT_EXPECT_EQ(test, vmm_next_event(guest), 0);
	vmbus_ep_put(gone);
	vmbus_ep_put(next);
	KUNIT_EXPECT_EQ(test, vmm_destroy_channel(guest, RELID), 0);
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

/* Make a channel; @fn comes before the last step. */
static int create_after(struct kunit *test, u32 relid, u32 primary,
			void (*fn)(struct vmbus_guest *guest, struct vmbus_endpoint *ep))
{
	int ret;

	before_added = fn;
	kunit_activate_static_stub(test, vmbus_guest_add_endpoint, add_late);
	ret = vmm_create_channel(test->priv, relid, primary);
	kunit_deactivate_static_stub(test, vmbus_guest_add_endpoint);
	return ret;
}

static void destroy_primary(struct vmbus_guest *guest, struct vmbus_endpoint *ep)
{
	int ret = vmm_destroy_channel(guest, RELID);

	if (ret)
		pr_err("DESTROY: %d\n", ret);
}

static void rescind_primary(struct vmbus_guest *guest, struct vmbus_endpoint *ep)
{
	int ret = vmbus_guest_rescind_channel(guest, RELID, false);

	if (ret)
		pr_err("RESCIND: %d\n", ret);
}

/* Nobody could open it; and of its GPADLs the guest would not be told that they are to go. */
static void sub_channel_of_a_device_that_is_rescinded(struct kunit *test)
{
	struct vmbus_guest *guest = test->priv;

	KUNIT_ASSERT_EQ(test, vmm_create_channel(guest, RELID, 0), 0);
	KUNIT_EXPECT_EQ(test, create_after(test, SUB_RELID, RELID, rescind_primary), -ENODEV);
	KUNIT_EXPECT_EQ(test, vmm_destroy_channel(guest, SUB_RELID), -ENOENT);
	KUNIT_EXPECT_EQ(test, vmm_destroy_channel(guest, RELID), 0);
}

static void sub_channel_of_a_device_that_goes(struct kunit *test)
{
	struct vmbus_guest *guest = test->priv;

	KUNIT_ASSERT_EQ(test, vmm_create_channel(guest, RELID, 0), 0);
	KUNIT_EXPECT_EQ(test, create_after(test, SUB_RELID, RELID, destroy_primary), -ENODEV);
	KUNIT_EXPECT_TRUE(test, xa_empty(&guest->endpoints));
	KUNIT_EXPECT_EQ(test, vmm_destroy_channel(guest, SUB_RELID), -ENOENT);
	/* Both numbers are free. */
	KUNIT_EXPECT_EQ(test, vmm_create_channel(guest, RELID, 0), 0);
	KUNIT_EXPECT_EQ(test, vmm_create_channel(guest, SUB_RELID, RELID), 0);
	KUNIT_EXPECT_EQ(test, vmm_destroy_channel(guest, RELID), 0);
}

struct stall {
	struct vmbus_gpadl_work work;
	struct completion go;
};

static void stall_fn(struct vmbus_gpadl_work *work)
{
	wait_for_completion(&container_of(work, struct stall, work)->go);
}

/* What is queued on a channel behind its work stays queued, until it may go on. */
static struct stall *stall_alloc(struct kunit *test)
{
	struct stall *stall = kunit_kzalloc(test, sizeof(*stall), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, stall);
	init_completion(&stall->go);
	vmbus_gpadl_work_init(&stall->work, stall_fn);
	return stall;
}

/* A sub-channel that is removed may have been put: its primary's end gives it no work. */
static void removed_sub_channel_gets_no_work(struct kunit *test)
{
	struct stall *stall = stall_alloc(test);
	struct vmbus_guest *guest = test->priv;
	struct vmbus_endpoint *sub;

	KUNIT_ASSERT_EQ(test, vmm_create_channel(guest, RELID, 0), 0);
	KUNIT_ASSERT_EQ(test, vmm_create_channel(guest, SUB_RELID, RELID), 0);
	sub = vmbus_guest_get_endpoint(guest, SUB_RELID);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(sub));
	KUNIT_EXPECT_EQ(test, vmm_destroy_channel(guest, SUB_RELID), 0);
	vmbus_gpadl_channel_queue_work(sub->chan, &stall->work);
	/* As it is when the file is closed: nobody has taken it out of its device's list. */
	spin_lock(&sub->dev->lock);
	list_add_tail(&sub->sibling, &sub->dev->endpoints);
	spin_unlock(&sub->dev->lock);
	KUNIT_EXPECT_EQ(test, vmm_destroy_channel(guest, RELID), 0);
	/* It was not there yet. */
	KUNIT_EXPECT_TRUE(test, vmbus_gpadl_channel_queue_work(sub->chan, &sub->state_work));
	complete(&stall->go);
	vmbus_ep_put(sub);
}

/* Whoever asks for the end of the last sub-channel may be the one that its primary waits for. */
static void removed_sub_channel_wakes_its_primary(struct kunit *test)
{
	struct stall *stall = stall_alloc(test);
	struct vmbus_guest *guest = test->priv;
	struct vmbus_endpoint *primary, *sub;

	KUNIT_ASSERT_EQ(test, vmm_create_channel(guest, RELID, 0), 0);
	KUNIT_ASSERT_EQ(test, vmm_create_channel(guest, SUB_RELID, RELID), 0);
	primary = vmbus_guest_get_endpoint(guest, RELID);
	sub = vmbus_guest_get_endpoint(guest, SUB_RELID);
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
	KUNIT_EXPECT_EQ(test, vmm_destroy_channel(guest, RELID), 0);
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
	vmbus_gpadl_channel_queue_work(ep->chan, &stalled->work);
}

/* One that is made, with a reference for the caller */
static struct vmbus_endpoint *create_stalled_channel(struct kunit *test)
{
	struct vmbus_endpoint *ep = create_channel(test);

	stalled = stall_alloc(test);
	stall_channel(ep);
	return ep;
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
	while ((ret = vmm_create_channel(guest, RELID, 0)) == -EEXIST && ms++ < 10000)
		usleep_range(1000, 2000);
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, vmm_destroy_channel(guest, RELID), 0);
}

/* It comes later still: what had its relid after that is gone, too. */
static void late_request_takes_no_answer_of_one_that_has_gone(struct kunit *test)
{
	struct vmbus_guest *guest = test->priv;
	struct vmbus_endpoint *gone = create_channel(test), *next;

	KUNIT_EXPECT_EQ(test, vmm_destroy_channel(guest, RELID), 0);
	next = create_stalled_channel(test);
	KUNIT_EXPECT_EQ(test, vmbus_guest_destroy_channel(guest, RELID, true), -EINPROGRESS);
	complete(&stalled->go);
	KUNIT_EXPECT_NE(test, wait_event_timeout(guest->wait, vmbus_ep_is_idle(next, true),
						 10 * HZ), 0);
	vmbus_ep_put(next);
	/* Each call brings to its end what is done. */
	KUNIT_EXPECT_EQ(test, vmbus_guest_rescind_channel(guest, RELID, true), -ENOENT);
	KUNIT_EXPECT_EQ(test, vmbus_guest_ask(guest, gone, ENDPOINT_ASKED_DESTROY), 0);
	KUNIT_EXPECT_EQ(test, vmm_next_event(guest), 0);
	vmbus_ep_put(gone);
	expect_relid_becomes_free(test);
}

/* The thread that makes a channel is killed when that has to be undone: it goes all the same. */
static void killed_while_a_channel_is_undone(struct kunit *test)
{
	int ret;

	stalled = stall_alloc(test);
	ret = create_after(test, RELID, 0, stall_unplug_and_kill);
	vm_unkill();
	KUNIT_EXPECT_EQ(test, ret, -ENODEV);
	KUNIT_EXPECT_FALSE(test, list_empty(&backend.devices));
	complete(&stalled->go);
	expect_relid_becomes_free(test);
}

/* So it is if it destroys one: that is done, and it does not wait for it. */
static void killed_while_a_channel_is_destroyed(struct kunit *test)
{
	struct vmbus_guest *guest = test->priv;
	int ret;

	vmbus_ep_put(create_stalled_channel(test));
	vm_kill();
	ret = vmm_destroy_channel(guest, RELID);
	vm_unkill();
	KUNIT_EXPECT_EQ(test, ret, -EINTR);
	complete(&stalled->go);
	/* Somebody comes back for it. */
	KUNIT_EXPECT_EQ(test, vmm_destroy_channel(guest, RELID), 0);
	expect_relid_becomes_free(test);
}

/* Both wait for the same end: one of them frees the relid, once. */
static void destroyed_twice_while_it_is_busy(struct kunit *test)
{
	struct vmbus_endpoint *ep = create_stalled_channel(test);
	struct vmm_call *first, *second;

	first = vmm_call_start(test, destroy);
	second = vmm_call_start(test, destroy);
	/* Each has found the channel, and holds it. */
	while (refcount_read(&ep->ref) < 4)
		usleep_range(500, 1000);
	complete(&stalled->go);
	KUNIT_EXPECT_EQ(test, vmm_call_join(first), 0);
	KUNIT_EXPECT_EQ(test, vmm_call_join(second), 0);
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

	KUNIT_EXPECT_EQ(test, create_after(test, RELID, 0, unplug), -ENODEV);
	KUNIT_EXPECT_EQ(test, vmm_next_event(guest), -EAGAIN);
	KUNIT_EXPECT_EQ(test, vmm_create_channel(guest, RELID, 0), 0);
	KUNIT_EXPECT_EQ(test, vmm_next_event(guest), -EAGAIN);
	KUNIT_EXPECT_EQ(test, vmm_destroy_channel(guest, RELID), 0);
}

/* One that it has made does, and goes on asking when somebody has asked for its end. */
static void unplugged_channel_is_asked_back(struct kunit *test)
{
	struct vmbus_guest *guest = test->priv;
	struct vmbus_endpoint *ep = create_channel(test);
	struct vmbus_host_event event = {};

	vmbus_host_device_unplug(ep->dev);
	vmbus_ep_put(ep);
	KUNIT_EXPECT_EQ(test, vmbus_host_event_peek(guest, &event), 0);
	KUNIT_EXPECT_EQ(test, event.type, VMBUS_HOST_EVENT_RESCIND);
	KUNIT_EXPECT_EQ(test, event.relid, RELID);
	KUNIT_EXPECT_EQ(test, vmm_destroy_channel(guest, RELID), 0);
	KUNIT_EXPECT_EQ(test, vmm_next_event(guest), -EAGAIN);
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
	/* And the run that finds nothing more to do. */
	gpadl_worker_flush(&ep->chan->worker);
	gpadl_worker_flush(&ep->chan->worker);
	KUNIT_EXPECT_FALSE(current->kunit_test, ep->retarget);
}

/* The thread is killed when the target has changed: the backend gets only its close(). */
static void orphan_has_no_target(struct kunit *test)
{
	struct vmbus_guest *guest = test->priv;
	struct vmbus_endpoint *ep = create_channel(test);
	struct gpadl_worker *w = &ep->chan->worker;

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
	KUNIT_EXPECT_EQ(test, vmm_destroy_channel(guest, RELID), 0);
}

static unsigned int nr_unplugs;

static void count_unplug(struct vmbus_endpoint *ep)
{
	nr_unplugs++;
}

/* As CHANNEL_UNPLUG does, of a channel that is open */
static void unplug_open(struct vmbus_endpoint *ep)
{
	ep->opened = true;
	vmbus_gpadl_channel_queue_work(ep->chan, &ep->unplug_work);
	gpadl_worker_flush(&ep->chan->worker);
	ep->opened = false;
}

/* So it is if the device is unplugged: there is nobody to let go of it. */
static void orphan_is_not_unplugged(struct kunit *test)
{
	struct vmbus_guest *guest = test->priv;
	struct vmbus_endpoint *ep = create_channel(test);
	struct gpadl_worker *w = &ep->chan->worker;
	struct vmbus_host_event event = {};

	nr_unplugs = 0;
	backend.unplug = count_unplug;
	unplug_open(ep);
	KUNIT_EXPECT_EQ(test, nr_unplugs, 1);
	KUNIT_EXPECT_EQ(test, vmm_next_event(guest), -EAGAIN);
	WRITE_ONCE(w->orphaned, true);
	unplug_open(ep);
	KUNIT_EXPECT_EQ(test, nr_unplugs, 1);
	KUNIT_EXPECT_EQ(test, vmbus_host_event_peek(guest, &event), 0);
	KUNIT_EXPECT_EQ(test, event.type, VMBUS_HOST_EVENT_RESCIND);
	backend.unplug = NULL;
	/* It looks whether there is more to do when the last item is done. */
	cancel_work_sync(&w->orphan_work);
	WRITE_ONCE(w->orphaned, false);
	vmbus_ep_put(ep);
	KUNIT_EXPECT_EQ(test, vmm_destroy_channel(guest, RELID), 0);
}

/* ---- Before a device has a channel ---- */

static void expect_gone_in_probe(struct kunit *test, void (*fn)(struct vmbus_device *dev))
{
	struct vmbus_guest *guest = test->priv;

	in_probe = fn;
	KUNIT_EXPECT_EQ(test, vmm_create_channel(guest, RELID, 0), -ENODEV);
	in_probe = NULL;
	KUNIT_EXPECT_EQ(test, vmm_next_event(guest), -EAGAIN);
	KUNIT_EXPECT_TRUE(test, list_empty(&backend.devices));
	KUNIT_EXPECT_EQ(test, vmm_create_channel(guest, RELID, 0), 0);
	KUNIT_EXPECT_EQ(test, vmm_destroy_channel(guest, RELID), 0);
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
	int refs = module_refs();
	struct vmbus_endpoint *ep = create_channel(test);
	unsigned int ms;

	/* As its close() would */
	spin_lock(&ep->dev->lock);
	ep->dev->owes = true;
	spin_unlock(&ep->dev->lock);
	KUNIT_EXPECT_EQ(test, vmm_destroy_channel(guest, RELID), 0);
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

/* ---- While somebody reads an event ---- */

static int ask_rescind(struct vmbus_guest *guest)
{
	return vmbus_guest_rescind_channel(guest, RELID, true);
}

/* A reader that has looked at the DONE of an earlier call is through when the next returns. */
static void rescind_waits_for_a_reader(struct kunit *test)
{
	struct vmbus_guest *guest = test->priv;
	struct vmm_call *call;

	KUNIT_ASSERT_EQ(test, vmm_create_channel(guest, RELID, 0), 0);
	mutex_lock(&guest->read_lock);
	call = vmm_call_start(test, ask_rescind);
	vmm_call_wait_asleep(call);
	KUNIT_EXPECT_FALSE(test, completion_done(&call->done));
	mutex_unlock(&guest->read_lock);
	KUNIT_EXPECT_EQ(test, vmm_call_join(call), 0);
	KUNIT_EXPECT_EQ(test, vmm_destroy_channel(guest, RELID), 0);
}

static int wait_reset(struct vmbus_guest *guest)
{
	return vmbus_guest_reset(guest, false);
}

/* So is one that has looked at what a channel has asked for before it closed. */
static void reset_waits_for_a_reader(struct kunit *test)
{
	struct vmbus_guest *guest = test->priv;
	struct vmm_call *call;

	/* Something is still mapped. */
	atomic_inc(&guest->p->nr_resetting);
	call = vmm_call_start(test, wait_reset);
	while (!wq_has_sleeper(&guest->wait) && !completion_done(&call->done))
		usleep_range(500, 1000);
	mutex_lock(&guest->read_lock);
	atomic_dec(&guest->p->nr_resetting);
	wake_up_all(&guest->wait);
	vmm_call_wait_asleep(call);
	KUNIT_EXPECT_FALSE(test, completion_done(&call->done));
	mutex_unlock(&guest->read_lock);
	KUNIT_EXPECT_EQ(test, vmm_call_join(call), 0);
}

static struct kunit *reader_test;
static struct completion reader_looks;
static bool reader_is_through;

static int read_slowly(struct vmbus_guest *guest)
{
	mutex_lock(&guest->read_lock);
	complete(&reader_looks);
	msleep(100);
	reader_is_through = true;
	mutex_unlock(&guest->read_lock);
	return 0;
}

static struct vmm_call *reader;

static void unplug_and_read(struct vmbus_guest *guest, struct vmbus_endpoint *ep)
{
	vmbus_host_device_unplug(ep->dev);
	reader = vmm_call_start(reader_test, read_slowly);
	wait_for_completion(&reader_looks);
}

/* And one that has looked at what a channel asks for that is not made in the end. */
static void undone_channel_waits_for_a_reader(struct kunit *test)
{
	reader_test = test;
	reader_is_through = false;
	init_completion(&reader_looks);
	KUNIT_EXPECT_EQ(test, create_after(test, RELID, 0, unplug_and_read), -ENODEV);
	KUNIT_EXPECT_TRUE(test, reader_is_through);
	vmm_call_join(reader);
}

/* A number of sub-channels that comes while the last one is read is told, too. */
static void number_changes_while_it_is_read(struct kunit *test)
{
	struct vmbus_guest *guest = test->priv;
	struct vmbus_endpoint *ep = create_channel(test);
	struct vmbus_host_event event = {};

	KUNIT_EXPECT_EQ(test, vmbus_device_offer_subchannels(ep->dev, 1), 0);
	KUNIT_ASSERT_EQ(test, vmbus_host_event_peek(guest, &event), 0);
	KUNIT_EXPECT_EQ(test, vmbus_device_offer_subchannels(ep->dev, 2), 0);
	vmbus_host_event_take(guest, &event);
	KUNIT_ASSERT_EQ(test, vmbus_host_event_peek(guest, &event), 0);
	KUNIT_EXPECT_EQ(test, event.value, 2);
	vmbus_host_event_take(guest, &event);
	KUNIT_EXPECT_EQ(test, vmm_next_event(guest), -EAGAIN);
	vmbus_ep_put(ep);
	KUNIT_EXPECT_EQ(test, vmm_destroy_channel(guest, RELID), 0);
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
	struct vmm_call *reader;
	unsigned int ms;

	looked_at = create_channel(test);
	KUNIT_EXPECT_EQ(test, vmm_destroy_channel(guest, RELID), 0);
	KUNIT_EXPECT_EQ(test, refcount_read(&looked_at->ref), 1);
	mutex_lock(&guest->p->rx_mutex);
	reader = vmm_call_start(test, end_look);
	for (ms = 0; ms < 10000 && !completion_done(&reader->done); ms++)
		usleep_range(1000, 2000);
	KUNIT_EXPECT_TRUE(test, completion_done(&reader->done));
	mutex_unlock(&guest->p->rx_mutex);
	KUNIT_EXPECT_EQ(test, vmm_call_join(reader), 0);
	expect_relid_becomes_free(test);
}

/* ---- The suite ---- */

static int life_init(struct kunit *test)
{
	in_probe = NULL;
	return host_test_init(test, &backend);
}

static void life_exit(struct kunit *test)
{
	host_test_exit(test, &backend);
}

static struct kunit_case life_cases[] = {
	KUNIT_CASE(relid_is_free_when_destroyed_twice),
	KUNIT_CASE(late_request_takes_no_answer_of_the_next),
	KUNIT_CASE(sub_channel_of_a_device_that_is_rescinded),
	KUNIT_CASE(sub_channel_of_a_device_that_goes),
	KUNIT_CASE(removed_sub_channel_gets_no_work),
	KUNIT_CASE(removed_sub_channel_wakes_its_primary),
	KUNIT_CASE(late_request_takes_no_answer_of_one_that_has_gone),
	KUNIT_CASE(killed_while_a_channel_is_undone),
	KUNIT_CASE(killed_while_a_channel_is_destroyed),
	KUNIT_CASE(destroyed_twice_while_it_is_busy),
	KUNIT_CASE(undone_channel_leaves_no_event),
	KUNIT_CASE(unplugged_channel_is_asked_back),
	KUNIT_CASE(orphan_has_no_target),
	KUNIT_CASE(orphan_is_not_unplugged),
	KUNIT_CASE(rescinded_in_probe),
	KUNIT_CASE(unplugged_in_probe),
	KUNIT_CASE(module_is_held_without_its_backend),
	KUNIT_CASE(rescind_waits_for_a_reader),
	KUNIT_CASE(reset_waits_for_a_reader),
	KUNIT_CASE(undone_channel_waits_for_a_reader),
	KUNIT_CASE(number_changes_while_it_is_read),
	KUNIT_CASE(reader_takes_no_mutex),
	{}
};

struct kunit_suite host_life_suite = {
	.name = "vmbus_host_life",
	.init = life_init,
	.exit = life_exit,
	.test_cases = life_cases,
};
