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

void gpadl_partition_get(struct vmbus_partition *p)
{
	refcount_inc(&p->ref);
}

void gpadl_partition_unref(struct vmbus_partition *p)
{
	if (refcount_dec_and_test(&p->ref))
		queue_work(gpadl_wq, &p->free_work);
}

void gpadl_channel_unref(struct vmbus_gpadl_channel *chan)
{
	/* The last of the channel's work: see channel.c */
	if (refcount_dec_and_test(&chan->ref))
		gpadl_worker_queue(&chan->worker, &chan->last_work);
}

/* Under a GPADL's lock: that GPADL holds the channel. */
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

void gpadl_put(struct gpadl *g)
{
	if (refcount_dec_and_test(&g->ref))
		gpadl_free(g);
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_put);

void gpadl_mapping_put(struct gpadl_mapping *m)
{
	struct gpadl *g = m->g;

	if (!refcount_dec_and_test(&m->ref))
		return;
	kfree(m);
	gpadl_put(g);
}

/* Under a GPADL's lock. Allocates nothing. */
void gpadl_partition_watch_revoked(struct vmbus_partition *p)
{
	atomic_inc(&p->nr_revoked);
	gpadl_partition_get(p);
	if (!queue_delayed_work(gpadl_wq, &p->stuck_work, GPADL_STUCK_SECONDS * HZ))
		gpadl_partition_unref(p);
}

void gpadl_partition_unwatch_revoked(struct vmbus_partition *p)
{
	if (!atomic_dec_and_test(&p->nr_revoked) || !cancel_delayed_work(&p->stuck_work))
		return;
	/*
	 * A concurrent watcher saw this work pending and did not queue it: requeue. Our
	 * reference moves to the requeued work; work that is queued already has its own.
	 */
	if (!atomic_read(&p->nr_revoked) ||
	    !queue_delayed_work(gpadl_wq, &p->stuck_work, GPADL_STUCK_SECONDS * HZ))
		gpadl_partition_unref(p);
}

void gpadl_count(struct vmbus_partition *p, u32 relid, u32 handle,
		 enum gpadl_reason reason)
{
	atomic_inc(&p->counts[reason]);
	trace_vmbus_gpadl_reject(p->id, relid, handle, reason);
}
