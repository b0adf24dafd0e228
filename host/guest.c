// SPDX-License-Identifier: GPL-2.0
/*
 * A guest: what an open file stands for, its partition, and its channels by their relid.
 */
#include <linux/errno.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "gpadl/compat.h"
#include "host.h"

/* All that are not freed yet. */
static DEFINE_MUTEX(guests_lock);
static LIST_HEAD(guests);

/* ---- Lifetime ---- */

static void host_free(struct host *host)
{
	scoped_guard(mutex, &guests_lock)
		list_del(&host->node);
	kfree(host);
}

static void host_wake(void *priv)
{
	struct host *host = priv;

	wake_up_all(&host->wait);
}

static void host_release(void *priv)
{
	host_free(priv);
}

static const struct vmbus_partition_ops host_ops = {
	.owner = THIS_MODULE,
	.wake = host_wake,
	.release = host_release,
};

/**
 * host_alloc() - Make what an open file stands for
 *
 * Context: process, may sleep.
 * Return: the guest, no partition yet, for host_close(); NULL if there is no memory.
 */
struct host *host_alloc(void)
{
	struct host *host = kzalloc(sizeof(*host), GFP_KERNEL_ACCOUNT);

	if (!host)
		return NULL;
	mutex_init(&host->lock);
	mutex_init(&host->read_lock);
	xa_init_flags(&host->endpoints, XA_FLAGS_ACCOUNT);
	init_waitqueue_head(&host->wait);
	host_events_init(&host->events);
	INIT_LIST_HEAD(&host->asked);
	guard(mutex)(&guests_lock);
	list_add_tail(&host->node, &guests);
	return host;
}

/**
 * host_create() - Make a file a partition of the current process
 * @host: the file
 *
 * Context: process, may sleep.
 * Return: 0; -EBUSY if it is one already; or an errno of vmbus_partition_create().
 */
int host_create(struct host *host)
{
	struct vmbus_partition *p;

	guard(mutex)(&host->lock);
	if (host->p)
		return -EBUSY;
	p = vmbus_partition_create(&host_ops, host);
	if (IS_ERR(p))
		return PTR_ERR(p);
	host->owner = task_tgid_nr(current);
	/* Pairs with the acquire in host_partition(). */
	smp_store_release(&host->p, p);
	wake_up_all(&host->wait);
	return 0;
}

/**
 * host_close() - The last copy of the file has been closed
 * @host: the file
 *
 * Context: process. Waits for nothing: see endpoint_abandon() and vmbus_partition_put().
 */
void host_close(struct host *host)
{
	struct vmbus_endpoint *ep, *next;
	unsigned long relid;

	list_for_each_entry_safe(ep, next, &host->asked, asked_node) {
		list_del_init(&ep->asked_node);
		endpoint_put(ep);
	}
	xa_for_each(&host->endpoints, relid, ep) {
		xa_erase(&host->endpoints, relid);
		endpoint_abandon(ep);
	}
	if (host->p)
		vmbus_partition_put(host->p);
	else
		host_free(host);
}

/**
 * host_for_each() - Call a function for each guest that is a partition
 * @fn: the function; it may sleep, but must not add or free a guest
 * @arg: passed to it
 *
 * Context: process, may sleep.
 */
void host_for_each(void (*fn)(struct host *host, void *arg), void *arg)
{
	struct host *host;

	guard(mutex)(&guests_lock);
	list_for_each_entry(host, &guests, node) {
		if (host_partition(host))
			fn(host, arg);
		cond_resched();
	}
}

/* ---- Channels ---- */

/**
 * host_add_endpoint() - The last step of making a channel: the guest's messages find it
 * @host: the guest
 * @ep: the endpoint, whose first reference becomes the table's
 *
 * Context: process, may sleep.
 * Return: 0; -EEXIST; -ENOMEM.
 */
int host_add_endpoint(struct host *host, struct vmbus_endpoint *ep)
{
	int ret;

	guard(mutex)(&host->lock);
	ret = xa_insert(&host->endpoints, ep->relid, ep, GFP_KERNEL_ACCOUNT);
	return ret == -EBUSY ? -EEXIST : ret;
}

/**
 * host_remove_endpoint() - Take an endpoint out of the table
 * @host: the guest
 * @ep: the endpoint
 *
 * Context: process, may sleep.
 * Return: true, and the table's reference is the caller's; false if somebody else has.
 */
bool host_remove_endpoint(struct host *host, struct vmbus_endpoint *ep)
{
	guard(mutex)(&host->lock);
	return xa_cmpxchg(&host->endpoints, ep->relid, ep, NULL, 0) == ep;
}

/**
 * host_get_endpoint() - Find the host's end of a channel
 * @host: the guest
 * @relid: number of the channel
 *
 * Context: process, may sleep.
 * Return: the endpoint, for endpoint_put(); NULL if there is none.
 */
struct vmbus_endpoint *host_get_endpoint(struct host *host, u32 relid)
{
	struct vmbus_endpoint *ep;

	guard(mutex)(&host->lock);
	ep = xa_load(&host->endpoints, relid);
	if (ep)
		refcount_inc(&ep->ref);
	return ep;
}

/**
 * host_next_endpoint() - Walk the channels of a guest
 * @host: the guest
 * @relid: where to begin, 0 at first; is moved on
 *
 * Context: process, may sleep.
 * Return: the endpoint with the smallest number that is not below *@relid, for
 * endpoint_put(); NULL if there is none.
 */
struct vmbus_endpoint *host_next_endpoint(struct host *host, unsigned long *relid)
{
	struct vmbus_endpoint *ep;

	guard(mutex)(&host->lock);
	ep = xa_find(&host->endpoints, relid, HOST_MAX_RELID, XA_PRESENT);
	if (ep) {
		refcount_inc(&ep->ref);
		(*relid)++;
	}
	return ep;
}
