// SPDX-License-Identifier: GPL-2.0
/*
 * Devices: how they are made and unmade, and what a backend can do with one.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "gpadl/compat.h"
#include "host.h"

/* ---- Lifetime ---- */

/**
 * vmbus_host_device_create() - Make a device, and find its backend
 * @guest: the guest
 * @relid: of the primary channel
 * @if_type: interface type GUID
 * @if_instance: interface instance GUID
 *
 * Context: process, may sleep, for as long as modprobe takes.
 * Return: the device, without a channel, for vmbus_host_device_put(); ERR_PTR of -ENODEV if nobody
 * serves the type, or -ENOMEM.
 */
struct vmbus_device *vmbus_host_device_create(struct vmbus_guest *guest, u32 relid,
					      const guid_t *if_type, const guid_t *if_instance)
{
	struct vmbus_device *dev = kzalloc(sizeof(*dev), GFP_KERNEL_ACCOUNT);

	if (!dev)
		return ERR_PTR(-ENOMEM);
	refcount_set(&dev->ref, 1);
	dev->guest = guest;
	dev->relid = relid;
	dev->if_type = *if_type;
	dev->if_instance = *if_instance;
	spin_lock_init(&dev->lock);
	INIT_LIST_HEAD(&dev->endpoints);
	INIT_LIST_HEAD(&dev->node);
	dev->backend = vmbus_host_backend_get(dev);
	if (!dev->backend) {
		kfree(dev);
		return ERR_PTR(-ENODEV);
	}
	dev->owner = dev->backend->owner;
	strscpy(dev->backend_name, dev->backend->name, sizeof(dev->backend_name));
	dev->max_subchannels = dev->backend->max_subchannels;
	dev->offer = dev->backend->offer;
	return dev;
}

/**
 * vmbus_host_device_get() - Take a reference to a device
 * @dev: the device, held by the caller
 *
 * Context: any.
 */
void vmbus_host_device_get(struct vmbus_device *dev)
{
	refcount_inc(&dev->ref);
}

/**
 * vmbus_host_device_put() - Drop a reference to a device
 * @dev: the device
 *
 * Context: process, may sleep.
 */
void vmbus_host_device_put(struct vmbus_device *dev)
{
	if (!refcount_dec_and_test(&dev->ref))
		return;
	/* Nothing is mapped any more. */
	vmbus_host_backend_forget(dev);
	module_put(dev->owner);
	kfree(dev);
}

/**
 * vmbus_host_device_probe() - Give a device to its backend
 * @dev: the device
 * @config: configuration; NULL if @len is 0
 * @len: its length in bytes
 *
 * Context: process, the VMM's ioctl. May sleep for as long as the backend likes.
 * Return: 0; -EINVAL if the backend takes no configuration, or if its probe() returns what is no
 * errno; what probe() returns.
 */
int vmbus_host_device_probe(struct vmbus_device *dev, const void *config, size_t len)
{
	int ret = 0;

	if (dev->backend->probe)
		ret = dev->backend->probe(dev, config, len);
	else if (len)
		ret = -EINVAL;
	/* The VMM takes what is not negative for success. */
	if (WARN_ON_ONCE(ret > 0))
		ret = -EINVAL;
	if (ret)
		vmbus_host_backend_forget(dev);
	return ret;
}

/**
 * vmbus_host_device_remove() - Take a device from its backend
 * @dev: the device, which its backend has probed; all its channels are closed for good
 *
 * Context: process, in the order of the primary channel. May sleep for as long as the
 * backend likes.
 */
void vmbus_host_device_remove(struct vmbus_device *dev)
{
	if (dev->backend->remove)
		dev->backend->remove(dev);
	dev->data = NULL;
	vmbus_host_backend_forget(dev);
	dev->backend = NULL;
	/* A module that owes an unmap stays until the last put: nobody else can do it. */
	if (dev->owes)
		return;
	module_put(dev->owner);
	dev->owner = NULL;
}

/* ---- What the backend uses ---- */

/**
 * vmbus_config_copy() - Take over the configuration that probe() was given
 * @to: where it goes
 * @size: sizeof(*@to), what the backend knows
 * @min_size: size of the structure in its first version
 * @config: what probe() was given
 * @len: its length
 *
 * A configuration is a structure that begins with its size, a u32, and can grow: fields
 * that the VMM does not know are zero, and fields that the backend does not know have to
 * be. As copy_struct_from_user(), but of a copy.
 *
 * Context: any.
 *
 * Return:
 *   * 0
 *   * %-EINVAL: there is none, it is shorter than its first version, or its size is not @len
 *   * %-E2BIG: it has fields, not zero, that the backend does not know
 */
int vmbus_config_copy(void *to, size_t size, size_t min_size, const void *config,
		      size_t len)
{
	size_t known = min(size, len);

	if (len < min_size || len < sizeof(u32) || *(const u32 *)config != len)
		return -EINVAL;
	if (memchr_inv(config + known, 0, len - known))
		return -E2BIG;
	memcpy(to, config, known);
	memset(to + known, 0, size - known);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(vmbus_config_copy, VMBUS_HOST_NS);

/**
 * vmbus_device_offer() - What the guest is told of a device
 * @dev: the device
 *
 * Context: any, in probe(): there it can be changed.
 * Return: that, as the backend's @offer says to begin with.
 */
struct vmbus_offer *vmbus_device_offer(struct vmbus_device *dev)
{
	return &dev->offer;
}
EXPORT_SYMBOL_NS_GPL(vmbus_device_offer, VMBUS_HOST_NS);

/**
 * vmbus_device_instance() - Interface instance GUID of a device's offer
 * @dev: the device
 *
 * Context: any, from probe() until remove() has returned.
 * Return: the GUID.
 */
const guid_t *vmbus_device_instance(const struct vmbus_device *dev)
{
	return &dev->if_instance;
}
EXPORT_SYMBOL_NS_GPL(vmbus_device_instance, VMBUS_HOST_NS);

/**
 * vmbus_device_relid() - Number of a device's primary channel in VMBus messages
 * @dev: the device
 *
 * Context: any, from probe() until remove() has returned.
 * Return: the number.
 */
u32 vmbus_device_relid(const struct vmbus_device *dev)
{
	return dev->relid;
}
EXPORT_SYMBOL_NS_GPL(vmbus_device_relid, VMBUS_HOST_NS);

/**
 * vmbus_device_set_data() - Keep something of the backend's own with a device
 * @dev: the device
 * @data: what to keep; to be set in probe(), and forgotten after remove()
 *
 * Context: any.
 */
void vmbus_device_set_data(struct vmbus_device *dev, void *data)
{
	dev->data = data;
}
EXPORT_SYMBOL_NS_GPL(vmbus_device_set_data, VMBUS_HOST_NS);

/**
 * vmbus_device_data() - What vmbus_device_set_data() has set
 * @dev: the device
 *
 * Context: any, from probe() until remove() has returned.
 * Return: that; NULL if nothing.
 */
void *vmbus_device_data(const struct vmbus_device *dev)
{
	return dev->data;
}
EXPORT_SYMBOL_NS_GPL(vmbus_device_data, VMBUS_HOST_NS);

/**
 * vmbus_device_offer_subchannels() - Ask the VMM for sub-channels
 * @dev: the device
 * @count: how many it is to have, those that it has included; with indices 1 to @count
 *
 * What the guest's driver has asked for, as a rule: the number can be passed on as it is.
 * The VMM creates and offers them, or does not. The backend hears of one when the guest opens it.
 * If its protocol answers with a number, that is what there is, not what was asked for: a guest
 * may wait for as many, and for ever, as Linux's hv_netvsc does.
 *
 * They go when the device goes, and the VMM takes them back when the guest has closed the primary
 * channel. To be called anew after each open of that.
 *
 * Context: process, from open() of the primary channel until its close() has returned.
 * Return: 0; -EINVAL if @count is 0 or more than the backend's max_subchannels.
 */
int vmbus_device_offer_subchannels(struct vmbus_device *dev, u32 count)
{
	if (!count || count > dev->max_subchannels)
		return -EINVAL;
	vmbus_host_event_post(dev->guest, VMBUS_HOST_EVENT_OFFER_SUBCHANNELS, dev->relid, count);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(vmbus_device_offer_subchannels, VMBUS_HOST_NS);
