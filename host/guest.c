// SPDX-License-Identifier: GPL-2.0
/*
 * A guest: one open file, its partition, and its channels by their relid.
 */
#include <linux/errno.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "gpadl/compat.h"
#include "host.h"

/* All that are not freed yet. */
static DEFINE_MUTEX(guests_lock);
static LIST_HEAD(guests);

/* ---- Lifetime ---- */

static void guest_free(struct vmbus_guest *guest)
{
	scoped_guard(mutex, &guests_lock)
		list_del(&guest->node);
	kfree(guest);
}

static void guest_wake(void *priv)
{
	struct vmbus_guest *guest = priv;

	wake_up_all(&guest->wait);
}

static void guest_release(void *priv)
{
	guest_free(priv);
}

static const struct vmbus_partition_ops host_ops = {
	.owner = THIS_MODULE,
	.wake = guest_wake,
	.release = guest_release,
};

/**
 * vmbus_guest_alloc() - Make the guest of an open file
 *
 * Context: process, may sleep.
 * Return: the guest, no partition yet, for vmbus_guest_close(); NULL if there is no memory.
 */
struct vmbus_guest *vmbus_guest_alloc(void)
{
	struct vmbus_guest *guest = kzalloc(sizeof(*guest), GFP_KERNEL_ACCOUNT);

	if (!guest)
		return NULL;
	mutex_init(&guest->lock);
	mutex_init(&guest->read_lock);
	xa_init_flags(&guest->endpoints, XA_FLAGS_ACCOUNT);
	init_waitqueue_head(&guest->wait);
	vmbus_host_events_init(&guest->events);
	INIT_LIST_HEAD(&guest->asked);
	guard(mutex)(&guests_lock);
	list_add_tail(&guest->node, &guests);
	return guest;
}
EXPORT_SYMBOL_IF_KUNIT(vmbus_guest_alloc);

/**
 * vmbus_guest_create() - Make a file a partition of the current process
 * @guest: the file
 *
 * Context: process, may sleep.
 * Return: 0; -EBUSY if it is one already; or an errno of vmbus_partition_create().
 */
int vmbus_guest_create(struct vmbus_guest *guest)
{
	struct vmbus_partition *p;

	guard(mutex)(&guest->lock);
	if (guest->p)
		return -EBUSY;
	p = vmbus_partition_create(&host_ops, guest);
	if (IS_ERR(p))
		return PTR_ERR(p);
	guest->owner = task_tgid_nr(current);
	/* Pairs with the acquire in vmbus_guest_partition(). */
	smp_store_release(&guest->p, p);
	wake_up_all(&guest->wait);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(vmbus_guest_create);

/**
 * vmbus_guest_close() - The last copy of the file has been closed
 * @guest: the file
 *
 * Context: process. Waits for nothing: see vmbus_ep_abandon() and vmbus_partition_put().
 */
void vmbus_guest_close(struct vmbus_guest *guest)
{
	struct vmbus_endpoint *ep, *next;
	unsigned long relid;

	list_for_each_entry_safe(ep, next, &guest->asked, asked_node) {
		list_del_init(&ep->asked_node);
		vmbus_ep_put(ep);
	}
	xa_for_each(&guest->endpoints, relid, ep) {
		xa_erase(&guest->endpoints, relid);
		vmbus_ep_abandon(ep);
	}
	if (guest->p)
		vmbus_partition_put(guest->p);
	else
		guest_free(guest);
}
EXPORT_SYMBOL_IF_KUNIT(vmbus_guest_close);

/**
 * vmbus_guest_for_each() - Call a function for each guest that is a partition
 * @fn: the function; it may sleep, but must not add or free a guest
 * @arg: passed to it
 *
 * Context: process, may sleep.
 */
void vmbus_guest_for_each(void (*fn)(struct vmbus_guest *guest, void *arg), void *arg)
{
	struct vmbus_guest *guest;

	guard(mutex)(&guests_lock);
	list_for_each_entry(guest, &guests, node) {
		if (vmbus_guest_partition(guest))
			fn(guest, arg);
		cond_resched();
	}
}

/* ---- Channels ---- */

/**
 * vmbus_guest_add_endpoint() - The last step of making a channel: the guest's messages find it
 * @guest: the guest
 * @ep: the endpoint, whose first reference becomes the table's
 *
 * A device that is being destroyed, or rescinded, takes those of its channels with it that are in
 * the table: the look at the device happens under the lock under which they are looked for there.
 *
 * Context: process, may sleep.
 * Return: 0; -ENODEV if the device goes, or is rescinded; -EEXIST; -ENOMEM.
 */
int vmbus_guest_add_endpoint(struct vmbus_guest *guest, struct vmbus_endpoint *ep)
{
	int ret;

	KUNIT_STATIC_STUB_REDIRECT(vmbus_guest_add_endpoint, guest, ep);
	guard(mutex)(&guest->lock);
	if (vmbus_ep_is_dying(ep) || READ_ONCE(ep->rescinded))
		return -ENODEV;
	ret = xa_insert(&guest->endpoints, ep->relid, ep, GFP_KERNEL_ACCOUNT);
	return ret == -EBUSY ? -EEXIST : ret;
}
EXPORT_SYMBOL_IF_KUNIT(vmbus_guest_add_endpoint);

/**
 * vmbus_guest_remove_endpoint() - Take an endpoint out of the table
 * @guest: the guest
 * @ep: the endpoint
 *
 * Context: process, may sleep; guest.lock is held.
 * Return: true, and the table's reference is the caller's; false if somebody else has.
 */
bool vmbus_guest_remove_endpoint(struct vmbus_guest *guest, struct vmbus_endpoint *ep)
{
	lockdep_assert_held(&guest->lock);
	return xa_cmpxchg(&guest->endpoints, ep->relid, ep, NULL, 0) == ep;
}

/**
 * vmbus_guest_get_endpoint() - Find the host's end of a channel
 * @guest: the guest
 * @relid: number of the channel
 *
 * Context: process, may sleep.
 * Return: the endpoint, for vmbus_ep_put(); NULL if there is none.
 */
struct vmbus_endpoint *vmbus_guest_get_endpoint(struct vmbus_guest *guest, u32 relid)
{
	struct vmbus_endpoint *ep;

	guard(mutex)(&guest->lock);
	ep = xa_load(&guest->endpoints, relid);
	if (ep)
		refcount_inc(&ep->ref);
	return ep;
}
EXPORT_SYMBOL_IF_KUNIT(vmbus_guest_get_endpoint);

/**
 * vmbus_guest_peek_endpoint() - Walk the channels of a guest without its lock
 * @guest: the guest
 * @relid: where to begin, 0 at first; is moved on
 *
 * An endpoint that is out of the table is freed only after a grace period: its channel is,
 * and frees it.
 *
 * Context: process.
 * Return: as vmbus_guest_next_endpoint(); one that is about to go is left out.
 */
struct vmbus_endpoint *vmbus_guest_peek_endpoint(struct vmbus_guest *guest, unsigned long *relid)
{
	struct vmbus_endpoint *ep;

	guard(rcu)();
	while ((ep = xa_find(&guest->endpoints, relid, HOST_MAX_RELID, XA_PRESENT))) {
		(*relid)++;
		if (refcount_inc_not_zero(&ep->ref))
			return ep;
	}
	return NULL;
}

/**
 * vmbus_guest_next_endpoint() - Walk the channels of a guest
 * @guest: the guest
 * @relid: where to begin, 0 at first; is moved on
 *
 * Context: process, may sleep.
 * Return: the endpoint with the smallest number that is not below *@relid, for
 * vmbus_ep_put(); NULL if there is none.
 */
struct vmbus_endpoint *vmbus_guest_next_endpoint(struct vmbus_guest *guest, unsigned long *relid)
{
	struct vmbus_endpoint *ep;

	guard(mutex)(&guest->lock);
	ep = xa_find(&guest->endpoints, relid, HOST_MAX_RELID, XA_PRESENT);
	if (ep) {
		refcount_inc(&ep->ref);
		(*relid)++;
	}
	return ep;
}
