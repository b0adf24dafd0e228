// SPDX-License-Identifier: GPL-2.0
/*
 * Hot unplug: a device goes because its backend says so, or because its backend goes; or
 * because the VMM asks for it, and then its backend says so when the guest has let go.
 */
#include <linux/export.h>
#include <linux/lockdep.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>

#include "gpadl/compat.h"
#include "endpoint_state.h"
#include "host.h"

/*
 * Under the device's lock: its primary channel is not removed then, so the relid is not
 * another device's, and freeing it forgets this.
 */
static void device_post_rescind(struct vmbus_device *dev)
{
	lockdep_assert_held(&dev->lock);
	vmbus_host_event_post(dev->guest, VMBUS_HOST_EVENT_RESCIND, dev->relid, 0);
}

/**
 * vmbus_device_rescind() - Unplug a device
 * @dev: the device
 *
 * All its channels are closed and cannot be opened again; the VMM is asked to rescind and
 * destroy them, whereupon remove() is called. Does not wait for any of it.
 *
 * Context: process, from probe() until remove() has returned; also in a callback of the
 * backend, and while it holds a lock.
 */
void vmbus_device_rescind(struct vmbus_device *dev)
{
	spin_lock(&dev->lock);
	if (dev->primary) {
		vmbus_ep_rescind_locked(dev->primary);
		device_post_rescind(dev);
	} else {
		/* From probe(), or soon after: vmbus_ep_join() refuses. */
		dev->dying = true;
	}
	spin_unlock(&dev->lock);
}
EXPORT_SYMBOL_NS_GPL(vmbus_device_rescind, VMBUS_HOST_NS);

/* ---- The VMM asks ---- */

static void endpoint_unplug_work(struct vmbus_gpadl_work *work)
{
	struct vmbus_endpoint *ep = container_of(work, struct vmbus_endpoint, unplug_work);
	u64 begin;

	/* No guest has it, or its VMM is gone: there is nobody to let go. */
	if (!ep->opened || vmbus_gpadl_channel_is_orphaned(ep->chan) ||
	    !ep->dev->backend->unplug) {
		vmbus_device_rescind(ep->dev);
		return;
	}
	begin = vmbus_ep_callback_begin(ep, "unplug");
	ep->dev->backend->unplug(ep);
	vmbus_ep_callback_end(ep, begin);
}

/**
 * vmbus_ep_unplug_init() - Prepare what this file does for a new endpoint
 * @ep: the endpoint
 *
 * Context: any.
 */
void vmbus_ep_unplug_init(struct vmbus_endpoint *ep)
{
	vmbus_gpadl_work_init(&ep->unplug_work, endpoint_unplug_work);
}

/* ---- Its backend goes ---- */

/* Have a device, which was not removed yet, removed from its backend. */
VISIBLE_IF_KUNIT void vmbus_host_device_unplug(struct vmbus_device *dev)
{
	spin_lock(&dev->lock);
	/* Else CHANNEL_CREATE fails, which says it; the relid may be another device's. */
	if (dev->primary)
		device_post_rescind(dev);
	vmbus_ep_die_all(dev);
	spin_unlock(&dev->lock);
}
EXPORT_SYMBOL_IF_KUNIT(vmbus_host_device_unplug);

/**
 * vmbus_backend_unregister() - Undo vmbus_backend_register()
 * @backend: the backend
 *
 * In a module's exit no device is left. Unregistering earlier unplugs the devices: their
 * channels are closed, remove() is called, and the VMM is told. When this returns, no callback
 * runs or will be called, and what has called vmbus_endpoint_put() in interrupts and softirqs has
 * returned.
 *
 * A function of the backend's in a thread, which may sleep or be preempted after its last put, may
 * still be on its way back: the backend waits for it in remove(). Where it cannot, such a function
 * does not sleep, and the module's exit calls synchronize_rcu_tasks() behind this. That is not done
 * here: it can take seconds, and is no more than synchronize_rcu() on a preemptible kernel without
 * CONFIG_TASKS_RCU.
 *
 * It waits for close() and remove() of each device, which run in threads of the VMMs: for as long
 * as these callbacks take, and for as long as a VMM is stopped (SIGSTOP, a frozen cgroup); and, of
 * a device that is just being made, for as long as its VMM takes to bring in a page that the ioctl
 * names (userfaultfd). It cannot be interrupted. A module that unregisters only in its exit does
 * not wait.
 *
 * Context: process, sleeps. Not in a callback of the backend.
 */
void vmbus_backend_unregister(struct vmbus_backend *backend)
{
	vmbus_host_backend_withdraw(backend, vmbus_host_device_unplug);
	synchronize_rcu();
}
EXPORT_SYMBOL_NS_GPL(vmbus_backend_unregister, VMBUS_HOST_NS);
