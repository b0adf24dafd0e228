// SPDX-License-Identifier: GPL-2.0
/*
 * Backends by interface type, and the devices that each has.
 *
 * A backend has a device from before its probe() until after its remove(). The device holds
 * the backend's module, which cannot be unloaded meanwhile. When a VMM creates a device whose
 * backend is missing, the kernel loads it by a module alias. A guest never causes that.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/kmod.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/wait.h>

#include "gpadl/compat.h"
#include "host.h"

/* Protects both kinds of lists; taken with no other lock held, before device.lock. */
static DEFINE_MUTEX(backends_lock);
static LIST_HEAD(backends);
/* Woken when a backend has one device less. */
static DECLARE_WAIT_QUEUE_HEAD(device_gone);

static struct vmbus_backend *backend_find(const guid_t *if_type)
{
	struct vmbus_backend *backend;

	lockdep_assert_held(&backends_lock);
	list_for_each_entry(backend, &backends, node)
		if (guid_equal(&backend->if_type, if_type))
			return backend;
	return NULL;
}

static struct vmbus_backend *backend_try_get(struct vmbus_device *dev)
{
	struct vmbus_backend *backend;

	guard(mutex)(&backends_lock);
	backend = backend_find(&dev->if_type);
	/* A module on its way out does not count. */
	if (!backend || !try_module_get(backend->owner))
		return NULL;
	list_add_tail(&dev->node, &backend->devices);
	return backend;
}

/**
 * vmbus_host_backend_get() - Find the backend of a device, and have it know the device
 * @dev: the device
 *
 * A backend that is not there is loaded.
 *
 * Context: process, may sleep, for as long as modprobe takes.
 * Return: the backend, with a reference to its module; NULL if there is none.
 */
struct vmbus_backend *vmbus_host_backend_get(struct vmbus_device *dev)
{
	struct vmbus_backend *backend = backend_try_get(dev);

	/* Ignore modprobe's result: what counts is whether the backend is there now. */
	if (!backend) {
		request_module("vmbus-host-%pUl", &dev->if_type);
		backend = backend_try_get(dev);
	}
	return backend;
}

/**
 * vmbus_host_backend_forget() - A backend no longer has a device
 * @dev: the device, after its remove() or in place of its probe(). May be forgotten already
 *
 * What dev->backend points to may be gone when this returns; its module is still held.
 *
 * Context: process, may sleep.
 */
void vmbus_host_backend_forget(struct vmbus_device *dev)
{
	guard(mutex)(&backends_lock);
	list_del_init(&dev->node);
	wake_up_all(&device_gone);
}

/**
 * vmbus_backend_register() - Offer to serve the devices of an interface type
 * @backend: the backend; stays the caller's, and there until vmbus_backend_unregister()
 *
 * A VMM that creates a device of that type from now on finds it. The callbacks may come
 * before this has returned. So it is the last thing that a module's init does: what fails
 * after it would free the module although it has a device.
 *
 * Context: process, may sleep.
 * Return: 0; -EEXIST if somebody serves that type already; -EINVAL if its name, or a callback that
 * is not optional, is missing, or if the offer has flags that are not among VMBUS_OFFER_FLAGS.
 */
int vmbus_backend_register(struct vmbus_backend *backend)
{
	if (!backend->name || !backend->open || !backend->close || !backend->kick ||
	    backend->offer.flags & ~VMBUS_OFFER_FLAGS)
		return -EINVAL;

	guard(mutex)(&backends_lock);
	if (backend_find(&backend->if_type))
		return -EEXIST;
	INIT_LIST_HEAD(&backend->devices);
	list_add(&backend->node, &backends);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(vmbus_backend_register, VMBUS_HOST_NS);

/**
 * vmbus_host_backend_withdraw() - A backend serves no new device, and loses those that it has
 * @backend: the backend
 * @unplug: called for each device that it has; waits for nothing
 *
 * Context: process, may sleep until the last device is gone.
 */
void vmbus_host_backend_withdraw(struct vmbus_backend *backend,
				 void (*unplug)(struct vmbus_device *dev))
{
	struct vmbus_device *dev;

	scoped_guard(mutex, &backends_lock) {
		list_del(&backend->node);
		list_for_each_entry(dev, &backend->devices, node)
			unplug(dev);
	}
	/* A condition must not sleep, and so takes no mutex. */
	wait_event(device_gone, list_empty_careful(&backend->devices));
	/* The thread that removed the last device may still be using the list. */
	mutex_lock(&backends_lock);
	mutex_unlock(&backends_lock);
}
