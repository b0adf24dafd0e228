/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Devices: what the VMM creates and the guest sees as one or more channels.
 *
 * A device is there from CHANNEL_CREATE of its primary channel until nothing of its
 * channels is left. Its backend has it from probe() to remove().
 */
#ifndef _VMBUS_HOST_DEVICE_H
#define _VMBUS_HOST_DEVICE_H

#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uuid.h>
#include <linux/vmbus_backend.h>

struct vmbus_guest;

/**
 * struct vmbus_device - a device
 * @ref: one for each of its endpoints, and its maker's
 * @guest: the guest
 * @backend: serves it; NULL from remove() on, when vmbus_backend_unregister() may have returned
 * @owner: the backend's module, with a reference; NULL when that was given back
 * @backend_name: its name, for as long as the device is there
 * @node: in the backend's list, from before probe() until after remove(); empty if in none
 * @if_type: selects the backend
 * @if_instance: names the device
 * @relid: of the primary channel
 * @max_subchannels: the backend's
 * @offer: what the guest is told; the backend changes it in probe() only
 * @data: the backend's own
 * @lock: protects all below, and the state of each endpoint: what one channel of a device
 *	does depends on the others
 * @endpoints: that have not been removed, the primary first
 * @primary: the primary channel's; NULL when it was removed, after all others
 * @dying: it is to be removed
 * @owes: the backend has not unmapped what it had mapped
 */
struct vmbus_device {
	refcount_t ref;
	struct vmbus_guest *guest;
	struct vmbus_backend *backend;
	struct module *owner;
	char backend_name[32];
	struct list_head node;
	guid_t if_type;
	guid_t if_instance;
	u32 relid;
	u16 max_subchannels;
	struct vmbus_offer offer;
	void *data;

	spinlock_t lock;
	struct list_head endpoints;
	struct vmbus_endpoint *primary;
	bool dying;
	bool owes;
};

/* device.c */
struct vmbus_device *vmbus_host_device_create(struct vmbus_guest *guest, u32 relid,
					      const guid_t *if_type, const guid_t *if_instance);
void vmbus_host_device_get(struct vmbus_device *dev);
void vmbus_host_device_put(struct vmbus_device *dev);
int vmbus_host_device_probe(struct vmbus_device *dev, const void *config, size_t len);
void vmbus_host_device_remove(struct vmbus_device *dev);

/* backend.c: which backend serves which interface type */
struct vmbus_backend *vmbus_host_backend_get(struct vmbus_device *dev);
void vmbus_host_backend_forget(struct vmbus_device *dev);
void vmbus_host_backend_withdraw(struct vmbus_backend *backend,
				 void (*unplug)(struct vmbus_device *dev));

#if IS_ENABLED(CONFIG_KUNIT)
/* unplug.c */
void vmbus_host_device_unplug(struct vmbus_device *dev);
#endif

#endif /* _VMBUS_HOST_DEVICE_H */
