// SPDX-License-Identifier: GPL-2.0
/*
 * Backends by interface type.
 *
 * A backend is bound to an endpoint from before its open() until after its close(), with
 * a reference to its module: who is bound cannot be unloaded. One that is not there is
 * asked for by a module alias.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/kmod.h>
#include <linux/list.h>
#include <linux/mutex.h>

#include "gpadl/compat.h"
#include "host.h"

static DEFINE_MUTEX(backends_lock);
static LIST_HEAD(backends);

static struct vmbus_backend *backend_find(const guid_t *if_type)
{
	struct vmbus_backend *backend;

	lockdep_assert_held(&backends_lock);
	list_for_each_entry(backend, &backends, node)
		if (guid_equal(&backend->if_type, if_type))
			return backend;
	return NULL;
}

static struct vmbus_backend *backend_try_get(const guid_t *if_type)
{
	struct vmbus_backend *backend;

	guard(mutex)(&backends_lock);
	backend = backend_find(if_type);
	/* A module on its way out does not count. */
	return backend && try_module_get(backend->owner) ? backend : NULL;
}

/**
 * backend_get() - Find the backend of an interface type
 * @if_type: interface type GUID
 * @load: have it loaded if it is not there
 *
 * Context: process, may sleep; with @load, for as long as modprobe takes.
 * Return: the backend, with a reference to its module; NULL if there is none.
 */
struct vmbus_backend *backend_get(const guid_t *if_type, bool load)
{
	struct vmbus_backend *backend = backend_try_get(if_type);

	/* Whatever modprobe says: what counts is whether the backend is there now. */
	if (!backend && load) {
		request_module("vmbus-host-%pUl", if_type);
		backend = backend_try_get(if_type);
	}
	return backend;
}

void backend_put(struct vmbus_backend *backend)
{
	module_put(backend->owner);
}

/**
 * vmbus_backend_register() - Offer to serve the channels of an interface type
 * @backend: the backend; stays the caller's, and there until vmbus_backend_unregister()
 *
 * A guest that opens a channel of that type from now on finds it. The callbacks may come
 * before this has returned. So it is the last thing that a module's init does: what fails
 * after it would free the module although a channel is bound to it.
 *
 * Context: process, may sleep.
 * Return: 0; -EEXIST if somebody serves that type already; -EINVAL if a callback that is
 * not optional is missing.
 */
int vmbus_backend_register(struct vmbus_backend *backend)
{
	if (!backend->open || !backend->close || !backend->kick)
		return -EINVAL;

	guard(mutex)(&backends_lock);
	if (backend_find(&backend->if_type))
		return -EEXIST;
	list_add(&backend->node, &backends);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(vmbus_backend_register, VMBUS_HOST_NS);

/**
 * vmbus_backend_unregister() - Undo vmbus_backend_register()
 * @backend: the backend
 *
 * To be called when the backend's module is unloaded: then no channel is bound to it.
 *
 * Context: process, may sleep.
 */
void vmbus_backend_unregister(struct vmbus_backend *backend)
{
	guard(mutex)(&backends_lock);
	list_del(&backend->node);
}
EXPORT_SYMBOL_NS_GPL(vmbus_backend_unregister, VMBUS_HOST_NS);
