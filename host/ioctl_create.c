// SPDX-License-Identifier: GPL-2.0
/*
 * VMBUS_HOST_CHANNEL_CREATE: a device with its primary channel, or a sub-channel of one.
 *
 * First everything is copied from user memory, then everything is made, and the channel enters
 * the table last. A call that fails before that leaves no trace.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uuid.h>
#include <linux/wait.h>

#include "gpadl/compat.h"
#include "host.h"
#include "ioctl.h"
#include "ioctl_copy.h"

/**
 * struct creation - a channel that is being made
 * @guest: the guest
 * @arg: what is asked for
 * @if_type: the same as the kernel's kind of GUID
 * @if_instance: likewise
 * @signals: copied
 * @config: copied; NULL if there is none
 * @config_len: its length
 * @offer_size: size of the VMM's structure, if it wants one
 * @dev: the device, held
 */
struct creation {
	struct vmbus_guest *guest;
	const struct vmbus_host_channel_create *arg;
	guid_t if_type;
	guid_t if_instance;
	struct vmbus_host_signals signals;
	void *config;
	u32 config_len;
	u32 offer_size;
	struct vmbus_device *dev;
};

/* ---- What the VMM gives ---- */

static int creation_check(const struct vmbus_host_channel_create *arg)
{
	if (arg->flags || arg->__reserved)
		return -EOPNOTSUPP;
	if (!arg->relid || arg->relid > HOST_MAX_RELID || arg->primary > HOST_MAX_RELID)
		return -EINVAL;
	/* A primary channel has no number, and a sub-channel no configuration. */
	if (arg->primary ? !arg->index || arg->config : arg->index)
		return -EINVAL;
	return 0;
}

static int creation_copy_config(struct creation *c)
{
	void __user *from = u64_to_user_ptr(c->arg->config);

	if (!c->arg->config)
		return 0;
	if (get_user(c->config_len, (u32 __user *)from))
		return -EFAULT;
	if (c->config_len < sizeof(u32))
		return -EINVAL;
	if (c->config_len > VMBUS_HOST_CONFIG_MAX)
		return -E2BIG;
	c->config = memdup_user(from, c->config_len);
	if (IS_ERR(c->config))
		return PTR_ERR(c->config);
	/* It may have changed meanwhile. */
	*(u32 *)c->config = c->config_len;
	return 0;
}

static int creation_copy_offer(struct creation *c)
{
	struct vmbus_host_offer offer;
	int ret;

	if (!c->arg->offer)
		return 0;
	ret = COPY_SIZED(&offer, u64_to_user_ptr(c->arg->offer), user_defined);
	if (ret < 0)
		return ret;
	c->offer_size = ret;
	return 0;
}

static int creation_copy(struct creation *c)
{
	int ret;

	import_guid(&c->if_type, c->arg->if_type);
	import_guid(&c->if_instance, c->arg->if_instance);
	ret = vmbus_host_signals_copy(&c->signals, c->arg->signals);
	if (!ret)
		ret = creation_copy_offer(c);
	if (!ret)
		ret = creation_copy_config(c);
	return ret;
}

/* Fields that this kernel does not know stay as they are: zero. */
static int creation_return_offer(const struct creation *c)
{
	const struct vmbus_offer *from = &c->dev->offer;
	struct vmbus_host_offer offer = {
		.size = c->offer_size,
		.flags = from->flags & VMBUS_OFFER_FLAGS,
		.mmio_megabytes = from->mmio_megabytes,
	};

	static_assert(sizeof(offer.user_defined) == sizeof(from->user));
	if (!c->arg->offer)
		return 0;
	memcpy(offer.user_defined, from->user, sizeof(offer.user_defined));
	return copy_to_user(u64_to_user_ptr(c->arg->offer), &offer,
			    min_t(size_t, c->offer_size, sizeof(offer))) ? -EFAULT : 0;
}

/* ---- What is made ---- */

/* The device that gets a sub-channel, held. */
static struct vmbus_device *creation_find_device(const struct creation *c)
{
	struct vmbus_endpoint *primary;

	guard(mutex)(&c->guest->lock);
	primary = xa_load(&c->guest->endpoints, c->arg->primary);
	if (!primary || primary->index)
		return ERR_PTR(-ENOENT);
	if (!guid_equal(&primary->dev->if_type, &c->if_type) ||
	    !guid_equal(&primary->dev->if_instance, &c->if_instance))
		return ERR_PTR(-EINVAL);
	/* The backend may be gone by now; this copy of its limit stays. */
	if (c->arg->index > primary->dev->max_subchannels)
		return ERR_PTR(-EINVAL);
	vmbus_host_device_get(primary->dev);
	return primary->dev;
}

/* As a DESTROY; a thread that is killed does not wait for it. */
static void creation_undo(struct vmbus_endpoint *ep)
{
	vmbus_ep_die(ep);
	if (wait_event_killable(ep->guest->wait, vmbus_ep_is_idle(ep, true))) {
		vmbus_ep_abandon(ep);
		return;
	}
	/* Forget what its backend has asked of the VMM already, while the relid is taken. */
	vmbus_host_events_forget(ep->guest, ep->relid);
	vmbus_guest_wait_reader(ep->guest);
	/* The caller can repeat its call with this index at once, before the last put. */
	vmbus_ep_unjoin(ep);
	vmbus_ep_put(ep);
}

/* The endpoint joins its device, or this fails. */
static int creation_join(const struct creation *c, struct vmbus_endpoint *ep)
{
	bool primary = !c->arg->primary;
	int ret = 0;

	if (primary)
		ret = vmbus_host_device_probe(c->dev, c->config, c->config_len);
	if (ret)
		return ret;
	ret = creation_return_offer(c);
	if (!ret)
		ret = vmbus_ep_join(ep);
	if (ret && primary)
		vmbus_host_device_remove(c->dev);
	return ret;
}

static int creation_make(const struct creation *c)
{
	struct vmbus_endpoint *ep;
	int ret;

	ep = vmbus_ep_create(c->dev, c->arg->relid, c->arg->index);
	if (IS_ERR(ep))
		return PTR_ERR(ep);
	ret = vmbus_ep_set_signals(ep, &c->signals);
	if (!ret)
		ret = creation_join(c, ep);
	if (ret) {
		vmbus_ep_put(ep);
		return ret;
	}
	/* The last step: from here on the guest's messages find it. */
	ret = vmbus_guest_add_endpoint(c->guest, ep);
	if (ret)
		creation_undo(ep);
	return ret;
}

/**
 * vmbus_host_ioctl_channel_create() - VMBUS_HOST_CHANNEL_CREATE
 * @call: the call
 * @arg: its argument, struct vmbus_host_channel_create; the offer is returned where it says
 *
 * Context: process, may sleep: loads the backend's module, and waits for the backend's probe().
 * Return: 0; else as the uAPI says, with nothing made.
 */
int vmbus_host_ioctl_channel_create(const struct ioctl_call *call, union ioctl_arg *arg)
{
	struct creation c = { .guest = call->guest, .arg = &arg->channel_create };
	int ret;

	ret = creation_check(c.arg);
	if (!ret)
		ret = creation_copy(&c);
	if (ret)
		goto out_free;
	/* The relid may be free in a moment. */
	vmbus_guest_finish(c.guest);
	if (c.arg->primary)
		c.dev = creation_find_device(&c);
	else
		c.dev = vmbus_host_device_create(c.guest, c.arg->relid, &c.if_type, &c.if_instance);
	if (IS_ERR(c.dev)) {
		ret = PTR_ERR(c.dev);
		goto out_free;
	}
	ret = creation_make(&c);
	vmbus_host_device_put(c.dev);
out_free:
	if (!IS_ERR(c.config))
		kfree(c.config);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(vmbus_host_ioctl_channel_create);
