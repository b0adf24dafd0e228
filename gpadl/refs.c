// SPDX-License-Identifier: GPL-2.0
/*
 * References: getting and putting a partition, a channel, a GPADL or a mapping; and what else a
 * GPADL needs of its channel and partition: queueing work, counting.
 *
 * Knows their structures only. What frees them, or tells a backend, is a work item that
 * partition.c and channel.c have set up: so arrows point down, and any thread may drop the
 * last reference under any lock.
 */
#include <linux/jiffies.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "priv.h"
#include "trace.h"

/* Frees what has no reference left, and reports what is stuck. */
struct workqueue_struct *gpadl_wq;
EXPORT_SYMBOL_IF_KUNIT(gpadl_wq);

/**
 * gpadl_partition_get() - Take a reference to a partition
 * @p: the partition, held by the caller
 *
 * Context: any.
 */
void gpadl_partition_get(struct vmbus_partition *p)
{
	refcount_inc(&p->ref);
}

/**
 * gpadl_partition_unref() - Drop a reference to a partition
 * @p: the partition
 *
 * The last one has a work item free it: nothing of it may be touched after this.
 *
 * Context: any but NMI.
 */
void gpadl_partition_unref(struct vmbus_partition *p)
{
	if (refcount_dec_and_test(&p->ref))
		queue_work(gpadl_wq, &p->free_work);
}

/**
 * gpadl_channel_unref() - Drop a reference to a channel
 * @chan: the channel
 *
 * The last one queues the last of its work, which has it freed after a grace period: a lock of the
 * channel may be dropped after this only by a reader of RCU.
 *
 * Context: any but NMI.
 */
void gpadl_channel_unref(struct vmbus_gpadl_channel *chan)
{
	/* See channel.c */
	if (refcount_dec_and_test(&chan->ref))
		gpadl_worker_queue(&chan->worker, &chan->last_work);
}

/**
 * gpadl_channel_queue_revoke() - Have the channel's work tell its backend of what is marked
 * @chan: the channel
 *
 * Context: the lock of a GPADL of the channel is held, which holds the channel. Allocates nothing.
 */
void gpadl_channel_queue_revoke(struct vmbus_gpadl_channel *chan)
{
	refcount_inc(&chan->ref);
	if (!gpadl_worker_queue(&chan->worker, &chan->revoke_work))
		gpadl_channel_unref(chan);
}

static void gpadl_free(struct gpadl *g)
{
	struct vmbus_gpadl_channel *chan = g->chan;

	atomic_sub(g->nr_announced, &chan->p->nr_pages);
	atomic_dec(&chan->p->nr_gpadls);
	kvfree(g->pfns.words);
	kfree_rcu(g, rcu);
	gpadl_channel_unref(chan);
}

/**
 * gpadl_put() - Drop a reference to a GPADL
 * @g: the GPADL; its lock is not held by the caller
 *
 * The last one frees it, after a grace period, and drops its reference to its channel, and so
 * perhaps the last of the partition as well: both are freed by work items.
 *
 * Context: process, as a page list is freed with kvfree(): may sleep, if it is the last.
 */
void gpadl_put(struct gpadl *g)
{
	if (refcount_dec_and_test(&g->ref))
		gpadl_free(g);
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_put);

/**
 * gpadl_mapping_put() - Drop a reference to a mapping
 * @m: the mapping: unmapped, if this is not revoke()'s reference
 *
 * The last one frees it, and drops its reference to its GPADL: see gpadl_put().
 *
 * Context: process, may sleep.
 */
void gpadl_mapping_put(struct gpadl_mapping *m)
{
	struct gpadl *g = m->g;

	if (!refcount_dec_and_test(&m->ref))
		return;
	kfree(m);
	gpadl_put(g);
}

/**
 * gpadl_partition_watch_revoked() - A GPADL or a request is revoked
 * @p: the partition
 *
 * Context: the lock of that GPADL, or of the request's pool, is held. Allocates nothing.
 */
void gpadl_partition_watch_revoked(struct vmbus_partition *p)
{
	/* For those before, which have come back, it may be due already. */
	if (atomic_inc_return(&p->nr_revoked) == 1)
		mod_delayed_work(gpadl_wq, &p->stuck_work, GPADL_STUCK_SECONDS * HZ);
}

/**
 * gpadl_partition_unwatch_revoked() - Undo gpadl_partition_watch_revoked()
 * @p: the partition, held by the caller
 *
 * Context: as there.
 */
void gpadl_partition_unwatch_revoked(struct vmbus_partition *p)
{
	atomic_dec(&p->nr_revoked);
}

/**
 * gpadl_count() - Something became of a message other than its purpose
 * @p: the partition
 * @relid: the channel that it was for; 0 if it does not tell
 * @handle: its handle
 * @reason: what
 *
 * Context: any.
 */
void gpadl_count(struct vmbus_partition *p, u32 relid, u32 handle,
		 enum gpadl_reason reason)
{
	atomic_inc(&p->counts[reason]);
	trace_vmbus_gpadl_reject(p->id, relid, handle, reason);
}
