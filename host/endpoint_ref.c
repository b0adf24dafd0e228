// SPDX-License-Identifier: GPL-2.0
/*
 * References to an endpoint: the table's and those of ioctls, which keep it there; and those
 * of requests that complete elsewhere, and later, which keep it open:
 *
 *	open()	  kick(): tryget ------ the request is under way ---- put()
 *	  |						     \	       \
 *	  alive ----------------- killed -- close() -- drain() waits -- rings unmapped
 *				  tryget says   no from here on
 *
 * A percpu_ref: tryget and put touch nothing that two CPUs share while the channel is
 * open, and work in any context.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bug.h>
#include <linux/completion.h>
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/percpu-refcount.h>
#include <linux/printk.h>

#include "gpadl/compat.h"
#include "host.h"

static void endpoint_unlink(struct vmbus_endpoint *ep)
{
	/* A kick would queue work, which the channel no longer takes. */
	vmbus_ep_clear_signals(ep);
	vmbus_gpadl_channel_put(ep->chan);
}

/**
 * vmbus_ep_put() - Drop a reference to an endpoint
 * @ep: the endpoint
 *
 * The last one lets the channel go: work that is queued is still done.
 *
 * Context: process. Never waits for a backend or for the VMM.
 */
void vmbus_ep_put(struct vmbus_endpoint *ep)
{
	if (refcount_dec_and_test(&ep->ref))
		endpoint_unlink(ep);
}
EXPORT_SYMBOL_IF_KUNIT(vmbus_ep_put);

static void endpoint_put_work(struct vmbus_gpadl_work *work)
{
	endpoint_unlink(container_of(work, struct vmbus_endpoint, put_work));
}

/**
 * vmbus_ep_put_by_work() - Drop a reference to an endpoint, whoever has taken it
 * @ep: the endpoint
 *
 * As vmbus_ep_put(), but if it is the last one, the channel's own work lets the channel go: that
 * takes locks, and costs time, which are the VMM's and not the caller's.
 *
 * Context: any.
 */
void vmbus_ep_put_by_work(struct vmbus_endpoint *ep)
{
	/* The channel is held until that has run. */
	if (refcount_dec_and_test(&ep->ref))
		vmbus_gpadl_channel_queue_work(ep->chan, &ep->put_work);
}
EXPORT_SYMBOL_IF_KUNIT(vmbus_ep_put_by_work);

static void endpoint_ref_zero(struct percpu_ref *ref)
{
	struct vmbus_endpoint *ep = container_of(ref, struct vmbus_endpoint, users);

	complete_all(&ep->drained);
}

/**
 * vmbus_ep_ref_init() - Prepare an endpoint for being held
 * @ep: a new endpoint; it cannot be held until vmbus_ep_revive()
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM.
 */
int vmbus_ep_ref_init(struct vmbus_endpoint *ep)
{
	vmbus_gpadl_work_init(&ep->put_work, endpoint_put_work);
	init_completion(&ep->drained);
	complete_all(&ep->drained);
	return percpu_ref_init(&ep->users, endpoint_ref_zero,
			       PERCPU_REF_INIT_DEAD | PERCPU_REF_ALLOW_REINIT,
			       GFP_KERNEL_ACCOUNT);
}

/**
 * vmbus_ep_ref_exit() - Undo vmbus_ep_ref_init()
 * @ep: the endpoint, held by nobody
 *
 * Context: process, may sleep.
 */
void vmbus_ep_ref_exit(struct vmbus_endpoint *ep)
{
	/* If nothing else was held when the channel closed, the percpu_ref has warned. */
	WARN_ONCE(!percpu_ref_is_zero(&ep->users),
		  "vmbus_host: channel %u: backend %s put its endpoint more often than it held it\n",
		  ep->relid, ep->dev->backend_name);
	percpu_ref_exit(&ep->users);
}

/**
 * vmbus_ep_revive() - From now on the endpoint can be held
 * @ep: the endpoint, drained
 *
 * Context: process, may sleep.
 */
void vmbus_ep_revive(struct vmbus_endpoint *ep)
{
	reinit_completion(&ep->drained);
	percpu_ref_reinit(&ep->users);
}

/**
 * vmbus_ep_kill() - From now on nobody can take a hold of the endpoint
 * @ep: the endpoint
 *
 * Context: process.
 */
void vmbus_ep_kill(struct vmbus_endpoint *ep)
{
	percpu_ref_kill(&ep->users);
}

/* How long nothing is said of holds that a close() waits for, in jiffies; tests are in a hurry. */
VISIBLE_IF_KUNIT unsigned long vmbus_ep_drain_patience = 10 * HZ;
EXPORT_SYMBOL_IF_KUNIT(vmbus_ep_drain_patience);

/*
 * A hold may last as long as a device takes, or be one that was forgotten: nobody here can tell,
 * and so it is said once, and not warned of. Behind that there is one long sleep, which the
 * kernel's own search for hung tasks finds.
 */
static void endpoint_wait_drained(struct vmbus_endpoint *ep)
{
	unsigned long patience = READ_ONCE(vmbus_ep_drain_patience);

	if (wait_for_completion_timeout(&ep->drained, patience))
		return;
	pr_warn_ratelimited("partition %d, channel %u: close() has waited %lu s for what backend %s holds\n",
			    vmbus_partition_id(ep->guest->p), ep->relid, patience / HZ,
			    ep->dev->backend_name);
	wait_for_completion(&ep->drained);
}

/* ---- What the backend uses ---- */

/**
 * vmbus_endpoint_tryget() - Hold an endpoint for something that completes later
 * @ep: the endpoint
 *
 * The holder can use its rings; close() waits (vmbus_endpoint_drain()) for vmbus_endpoint_put().
 *
 * For what ends by itself: a device, a timer, a thread. Never for what the guest answers, nor for
 * what kick(), revoke() or other work of the channel has to do: none of these comes while close()
 * waits, which then waits for ever.
 *
 * No GPADL stays mapped for it: revoke() comes all the same, and may unmap. What is used is used
 * under the mutex that revoke() takes, or the backend counts its users.
 *
 * Context: any, interrupts included, from open() until close() has returned, and as long as the
 * endpoint is held. Other threads find @ep by a pointer of the backend's, which close() takes back;
 * it waits for those that use it before it returns.
 * Return: true if it is held; false if the channel is being closed: nobody waits for the
 * result any more.
 */
bool vmbus_endpoint_tryget(struct vmbus_endpoint *ep)
{
	return percpu_ref_tryget_live(&ep->users);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_tryget, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_put() - Undo vmbus_endpoint_tryget()
 * @ep: the endpoint, which may be gone when this returns
 *
 * One put too many counts for somebody else's hold, for which close() may not wait then; without
 * one, that close(), or that of the next opening, waits for ever. It is not found here, where
 * nothing is shared: it warns when the channel closes or opens again, or the endpoint is freed.
 *
 * Context: any, interrupts included.
 */
void vmbus_endpoint_put(struct vmbus_endpoint *ep)
{
	percpu_ref_put(&ep->users);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_put, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_drain() - Wait until nobody holds the endpoint
 * @ep: the endpoint
 *
 * For close(), when it has cancelled what can be cancelled: after this, what the backend
 * keeps with the endpoint can be freed. A backend that has nothing to free need not call
 * it: the rings are not unmapped before.
 *
 * No kick() and no revoke() comes meanwhile: a hold that only these can end keeps it for ever.
 *
 * While it waits, fdinfo names "drain" as what the channel is in: what hangs is a request, and
 * not the backend's close(). After 10 s the log says so, once.
 *
 * Context: process, in close() only: warned of elsewhere, and left at once. May sleep for as long
 * as requests take.
 */
void vmbus_endpoint_drain(struct vmbus_endpoint *ep)
{
	const char *callback = ep->callback;
	unsigned long since = ep->callback_since;

	/* It can be held anew: the wait would never end. */
	if (WARN_ON_ONCE(!percpu_ref_is_dying(&ep->users)))
		return;
	WRITE_ONCE(ep->callback_since, jiffies);
	/* Pairs with the acquire in fdinfo.c, as vmbus_ep_callback_begin(). */
	smp_store_release(&ep->callback, "drain");
	endpoint_wait_drained(ep);
	WRITE_ONCE(ep->callback_since, since);
	/* Likewise */
	smp_store_release(&ep->callback, callback);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_drain, VMBUS_HOST_NS);
