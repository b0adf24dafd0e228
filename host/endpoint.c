// SPDX-License-Identifier: GPL-2.0
/*
 * Endpoints: how they come and go, and what a backend can ask them.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "gpadl/compat.h"
#include "endpoint_ring.h"
#include "host.h"

/* All that are not freed yet. */
static DEFINE_MUTEX(endpoints_lock);
static LIST_HEAD(endpoints);

/* ---- Lifetime ---- */

/**
 * vmbus_ep_unjoin() - Take an endpoint off its device's list
 * @ep: the endpoint, not joined or removed. May have left already
 *
 * Its index can be used again.
 *
 * Context: process. Waits for nothing.
 */
void vmbus_ep_unjoin(struct vmbus_endpoint *ep)
{
	spin_lock(&ep->dev->lock);
	list_del_init(&ep->sibling);
	spin_unlock(&ep->dev->lock);
}

static void endpoint_free(struct vmbus_endpoint *ep)
{
	vmbus_ep_unjoin(ep);
	vmbus_ep_ref_exit(ep);
	vmbus_host_device_put(ep->dev);
	kfree(ep);
}

/* Nothing is mapped, queued or running any more. */
static void endpoint_release(void *priv)
{
	struct vmbus_endpoint *ep = priv;

	scoped_guard(mutex, &endpoints_lock)
		list_del(&ep->node);
	atomic_dec(&ep->guest->nr_endpoints);
	endpoint_free(ep);
}

static const struct vmbus_gpadl_channel_ops endpoint_ops = {
	.revoke = vmbus_ep_revoke,
	.release = endpoint_release,
};

static struct vmbus_endpoint *endpoint_alloc(struct vmbus_device *dev, u32 relid,
					     u16 index)
{
	struct vmbus_endpoint *ep = kzalloc(sizeof(*ep), GFP_KERNEL_ACCOUNT);

	if (!ep)
		return NULL;
	refcount_set(&ep->ref, 1);
	INIT_LIST_HEAD(&ep->asked_node);
	INIT_LIST_HEAD(&ep->sibling);
	ep->guest = dev->guest;
	ep->dev = dev;
	ep->relid = relid;
	ep->index = index;
	spin_lock_init(&ep->signal_lock);
	spin_lock_init(&ep->show_lock);
	vmbus_ep_rings_init(ep);
	vmbus_ep_completions_init(ep);
	vmbus_ep_state_init(ep);
	vmbus_ep_unplug_init(ep);
	if (vmbus_ep_ref_init(ep)) {
		kfree(ep);
		return NULL;
	}
	vmbus_host_device_get(dev);
	return ep;
}

/**
 * vmbus_ep_create() - Make a channel of a device
 * @dev: the device
 * @relid: number of the channel
 * @index: 0 for the primary channel, or which sub-channel
 *
 * Context: process, may sleep.
 * Return: the endpoint, without signals, in no table yet; or ERR_PTR of -EEXIST, or an errno
 * of vmbus_gpadl_channel_create().
 */
struct vmbus_endpoint *vmbus_ep_create(struct vmbus_device *dev, u32 relid, u16 index)
{
	struct vmbus_gpadl_channel *chan;
	struct vmbus_endpoint *ep;

	ep = endpoint_alloc(dev, relid, index);
	if (!ep)
		return ERR_PTR(-ENOMEM);
	chan = vmbus_gpadl_channel_create(dev->guest->p, relid, &endpoint_ops, ep);
	if (IS_ERR(chan)) {
		endpoint_free(ep);
		return PTR_ERR(chan) == -EBUSY ? ERR_PTR(-EEXIST) : ERR_CAST(chan);
	}
	ep->chan = chan;
	atomic_inc(&dev->guest->nr_endpoints);
	guard(mutex)(&endpoints_lock);
	list_add_tail(&ep->node, &endpoints);
	return ep;
}

static bool device_has_index(const struct vmbus_device *dev, u16 index)
{
	struct vmbus_endpoint *ep;

	lockdep_assert_held(&dev->lock);
	list_for_each_entry(ep, &dev->endpoints, sibling)
		if (ep->index == index)
			return true;
	return false;
}

static int endpoint_join_locked(struct vmbus_endpoint *ep)
{
	struct vmbus_device *dev = ep->dev;

	lockdep_assert_held(&dev->lock);
	if (dev->dying || (!vmbus_ep_is_primary(ep) && dev->primary->rescinded))
		return -ENODEV;
	if (device_has_index(dev, ep->index))
		return -EEXIST;
	list_add_tail(&ep->sibling, &dev->endpoints);
	if (vmbus_ep_is_primary(ep))
		dev->primary = ep;
	endpoint_set_state(ep, ENDPOINT_CLOSED);
	return 0;
}

/**
 * vmbus_ep_join() - A new endpoint becomes one of its device's
 * @ep: the endpoint; from here on it is removed by vmbus_ep_die()
 *
 * Context: process. Waits for nothing.
 * Return: 0; -EEXIST if there is one with that index; -ENODEV if the device goes.
 */
int vmbus_ep_join(struct vmbus_endpoint *ep)
{
	int ret;

	spin_lock(&ep->dev->lock);
	ret = endpoint_join_locked(ep);
	spin_unlock(&ep->dev->lock);
	return ret;
}

/**
 * vmbus_ep_for_each() - Call a function for each endpoint of every guest
 * @fn: the function; it may sleep, but must not make or free an endpoint
 * @arg: passed to it
 *
 * Context: process, may sleep.
 */
void vmbus_ep_for_each(void (*fn)(struct vmbus_endpoint *ep, void *arg), void *arg)
{
	struct vmbus_endpoint *ep;

	guard(mutex)(&endpoints_lock);
	list_for_each_entry(ep, &endpoints, node) {
		fn(ep, arg);
		cond_resched();
	}
}

/* ---- What the backend uses ---- */

/**
 * vmbus_endpoint_device() - The device of a channel
 * @ep: the endpoint
 *
 * Context: any, from open() until close() has returned, and as long as the endpoint is held.
 * Return: the device.
 */
struct vmbus_device *vmbus_endpoint_device(const struct vmbus_endpoint *ep)
{
	return ep->dev;
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_device, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_index() - Which channel of its device it is
 * @ep: the endpoint
 *
 * Context: any, from open() until close() has returned, and as long as the endpoint is held.
 * Return: 0 for the primary channel, else the number of the sub-channel.
 */
u16 vmbus_endpoint_index(const struct vmbus_endpoint *ep)
{
	return ep->index;
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_index, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_target_vp() - Virtual processor that gets the channel's interrupts
 * @ep: the endpoint
 *
 * Context: any, from open() until close() has returned, and as long as the endpoint is held.
 * Return: its number, which is whatever the guest likes; VMBUS_NO_TARGET if the guest wants
 * no interrupts.
 */
u32 vmbus_endpoint_target_vp(const struct vmbus_endpoint *ep)
{
	return READ_ONCE(ep->target_vp);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_target_vp, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_channel() - The channel, for vmbus_gpadl_map() and the like
 * @ep: the endpoint
 *
 * Context: any, from open() until close() has returned, and as long as the endpoint is held.
 * Return: the channel.
 */
struct vmbus_gpadl_channel *vmbus_endpoint_channel(const struct vmbus_endpoint *ep)
{
	return ep->chan;
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_channel, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_relid() - Number of the channel in VMBus messages
 * @ep: the endpoint
 *
 * Context: any, from open() until close() has returned, and as long as the endpoint is held.
 * Return: the number.
 */
u32 vmbus_endpoint_relid(const struct vmbus_endpoint *ep)
{
	return ep->relid;
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_relid, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_instance() - Interface instance GUID of the channel's offer
 * @ep: the endpoint
 *
 * Context: any, from open() until close() has returned, and as long as the endpoint is held.
 * Return: the GUID.
 */
const guid_t *vmbus_endpoint_instance(const struct vmbus_endpoint *ep)
{
	return &ep->dev->if_instance;
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_instance, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_userdata() - What the guest gave along when it opened the channel
 * @ep: the endpoint
 *
 * Context: any, from open() until close() has returned, and as long as the endpoint is held.
 * Return: VMBUS_USERDATA_SIZE bytes, a copy; whatever the guest likes is in them.
 */
const u8 *vmbus_endpoint_userdata(const struct vmbus_endpoint *ep)
{
	return ep->open.userdata;
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_userdata, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_set_data() - Keep something of the backend's own with the endpoint
 * @ep: the endpoint
 * @data: what to keep; to be set in open(), and forgotten after close()
 *
 * The backend's show() comes from then on, until NULL is set or close() has returned: when
 * this returns, it is not running with what was there before.
 *
 * Context: process.
 */
void vmbus_endpoint_set_data(struct vmbus_endpoint *ep, void *data)
{
	endpoint_set_data(ep, data);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_set_data, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_data() - What vmbus_endpoint_set_data() has set
 * @ep: the endpoint
 *
 * Context: any, from open() until close() has returned, and as long as the endpoint is held.
 * Return: that; NULL if nothing.
 */
void *vmbus_endpoint_data(const struct vmbus_endpoint *ep)
{
	return ep->data;
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_data, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_kick() - Have kick() called once more
 * @ep: the endpoint
 *
 * For a kick() that has done enough for now: a guest can write as fast as the backend
 * reads, and while kick() runs, close() and revoke() have to wait.
 *
 * Context: any, from open() until close() has returned, and as long as the endpoint is held.
 */
void vmbus_endpoint_kick(struct vmbus_endpoint *ep)
{
	vmbus_ep_queue_kick(ep);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_kick, VMBUS_HOST_NS);
