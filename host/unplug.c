// SPDX-License-Identifier: GPL-2.0
/*
 * Hot unplug: a device goes because its backend says so, or because its backend goes.
 */
#include <linux/export.h>
#include <linux/lockdep.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>

#include "gpadl/compat.h"
#include "host.h"

/*
 * Under the device's lock: its primary channel is not removed then, so the relid is not
 * another device's, and whoever frees it forgets this.
 */
static void device_ask_back(struct vmbus_device *dev)
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
		device_ask_back(dev);
	} else {
		/* From probe(), or soon after: vmbus_ep_join() refuses. */
		dev->dying = true;
	}
	spin_unlock(&dev->lock);
}
EXPORT_SYMBOL_NS_GPL(vmbus_device_rescind, VMBUS_HOST_NS);

/* Have a device, which was not removed yet, removed from its backend. */
VISIBLE_IF_KUNIT void vmbus_host_device_unplug(struct vmbus_device *dev)
{
	spin_lock(&dev->lock);
	/* Else CHANNEL_CREATE fails, which says it; the relid may be another device's. */
	if (dev->primary)
		device_ask_back(dev);
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
 * runs or will be called, and vmbus_endpoint_put() in interrupts and softirqs has returned.
 *
 * Context: process, may sleep for as long as the backend's own callbacks take. Not in one of
 * these.
 */
void vmbus_backend_unregister(struct vmbus_backend *backend)
{
	vmbus_host_backend_withdraw(backend, vmbus_host_device_unplug);
	synchronize_rcu();
}
EXPORT_SYMBOL_NS_GPL(vmbus_backend_unregister, VMBUS_HOST_NS);
