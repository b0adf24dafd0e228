// SPDX-License-Identifier: GPL-2.0
/*
 * All requests of a channel: torn down, rescinded, looked at when regions change, counted.
 *
 * A walk takes the lock anew for each request, but for what only counts: a backend may map and
 * unmap meanwhile, and each walk says why that does no harm.
 */
#include <linux/atomic.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>

#include "compat.h"
#include "gpa_pool.h"
#include "priv.h"

/* With the lock. Somebody waits until it ends. */
static void request_revoke(struct gpa_request *r)
{
	if (r->revoked)
		return;
	r->revoked = true;
	r->since = jiffies;
	gpadl_partition_watch_revoked(r->pool->chan->p);
}

/**
 * gpadl_requests_teardown() - The guest has released a channel, or the partition is reset
 * @chan: the channel
 * @reset: somebody will wait until vmbus_partition.nr_resetting is 0
 *
 * Context: process; rx_mutex is held.
 */
void gpadl_requests_teardown(struct vmbus_gpadl_channel *chan, bool reset)
{
	struct gpa_pool *pool = gpadl_pool_get(chan);
	struct gpa_request *r;

	if (!pool)
		return;
	for (r = pool->requests; r < pool->requests + pool->nr_requests; r++) {
		spin_lock_irq(&chan->pool_lock);
		if (r->state != GPA_FREE) {
			WRITE_ONCE(r->tearing_down, true);
			request_revoke(r);
			if (reset && !r->reset) {
				r->reset = true;
				atomic_inc(&chan->p->nr_resetting);
			}
		}
		spin_unlock_irq(&chan->pool_lock);
		cond_resched();
	}
	gpadl_pool_unget(pool);
}

/**
 * gpadl_requests_rescind() - A channel is being rescinded
 * @chan: the channel, which is marked as rescinded
 *
 * Context: process.
 */
void gpadl_requests_rescind(struct vmbus_gpadl_channel *chan)
{
	struct gpa_pool *pool = gpadl_pool_get(chan);
	struct gpa_request *r;

	if (!pool)
		return;
	/*
	 * A thread that takes the lock after this one sees the mark; one that took it
	 * before is counted in nr_busy.
	 */
	for (r = pool->requests; r < pool->requests + pool->nr_requests; r++) {
		spin_lock_irq(&chan->pool_lock);
		if (r->state != GPA_FREE)
			request_revoke(r);
		spin_unlock_irq(&chan->pool_lock);
		cond_resched();
	}
	gpadl_pool_unget(pool);
}

/*
 * With the lock. Does a request count? @mapped: the table of regions in which it is mapped, to be
 * put; NULL if it is just being mapped.
 */
static bool request_begin_look(struct gpa_request *r, struct gpadl_region_table **mapped)
{
	*mapped = NULL;
	/* Before the look at the state: the table of one that is unmapped then is not freed yet. */
	guard(rcu)();
	/*
	 * One that is still being parsed uses no region yet, and waits for the change when it
	 * comes to that. Pairs with smp_store_release() in request_map(), gpa_map(). One that the
	 * backend has unmapped is mapped no more: its data is there, its pages are only to be
	 * unpinned, and perhaps to be marked.
	 */
	switch (smp_load_acquire(&r->state)) {
	case GPA_MAPPING:
		r->looked_at = true;
		break;
	case GPA_MAPPED:
		r->looked_at = refcount_inc_not_zero(&r->map.table->ref);
		if (r->looked_at)
			*mapped = r->map.table;
		break;
	default:
		r->looked_at = false;
	}
	return r->looked_at;
}

/* Would it have a page elsewhere that is mapped? */
static bool request_moves(struct gpa_request *r, const struct gpadl_region_table *old,
			  const struct gpadl_region_table *new)
{
	spinlock_t *lock = &r->pool->chan->pool_lock;
	struct gpadl_region_table *mapped;
	bool look, moves;

	spin_lock_irq(lock);
	look = request_begin_look(r, &mapped);
	spin_unlock_irq(lock);
	if (!look)
		return false;

	/* One that is being mapped may look in any table yet: it counts with what it names now. */
	moves = gpadl_regions_move(&r->pfns, mapped ?: old, old, new);
	if (mapped)
		gpadl_region_table_put(mapped);

	spin_lock_irq(lock);
	r->looked_at = false;
	if (r->state == GPA_FREE)
		gpadl_request_free(r);
	spin_unlock_irq(lock);
	return moves;
}

/**
 * gpadl_requests_move() - Would a request have a page elsewhere, that is mapped?
 * @chan: the channel
 * @old: regions as they are, or were
 * @new: as they are to be
 *
 * Context: process, may sleep; rx_mutex is held.
 * Return: true if one would.
 */
bool gpadl_requests_move(struct vmbus_gpadl_channel *chan,
			 const struct gpadl_region_table *old,
			 const struct gpadl_region_table *new)
{
	struct gpa_pool *pool = gpadl_pool_get(chan);
	struct gpa_request *r;
	bool moves = false;

	if (!pool)
		return false;
	for (r = pool->requests; r < pool->requests + pool->nr_requests && !moves; r++) {
		moves = request_moves(r, old, new);
		cond_resched();
	}
	gpadl_pool_unget(pool);
	return moves;
}

/**
 * gpadl_requests_stuck() - How many requests do not end?
 * @chan: the channel
 *
 * Context: process.
 * Return: those that somebody has waited for, GPADL_STUCK_SECONDS long.
 */
unsigned int gpadl_requests_stuck(struct vmbus_gpadl_channel *chan)
{
	struct gpa_pool *pool = gpadl_pool_get(chan);
	struct gpa_request *r;
	unsigned int nr = 0;

	if (!pool)
		return 0;
	for (r = pool->requests; r < pool->requests + pool->nr_requests; r++) {
		spin_lock_irq(&chan->pool_lock);
		nr += r->state != GPA_FREE && r->revoked &&
		      time_after_eq(jiffies, r->since + GPADL_STUCK_SECONDS * HZ);
		spin_unlock_irq(&chan->pool_lock);
		cond_resched();
	}
	gpadl_pool_unget(pool);
	return nr;
}

/* Requests that are looked at with the lock, and interrupts off, in one go */
#define SUM_BATCH	64

/* With the lock. */
static void request_sum(const struct gpa_request *r, struct gpa_sums *sums)
{
	if (r->state == GPA_FREE)
		return;
	sums->busy++;
	sums->oldest = max(sums->oldest, jiffies - r->taken);
	if (!r->revoked)
		return;
	sums->revoked++;
	sums->oldest_revoked = max(sums->oldest_revoked, jiffies - r->since);
}

/**
 * gpadl_requests_sum() - Sum a channel's requests up
 * @chan: the channel, held by the caller
 * @sums: zeroed, where that goes
 *
 * Does not hold the pool: watching must not keep the backend from making another one.
 *
 * Context: process.
 */
void gpadl_requests_sum(struct vmbus_gpadl_channel *chan, struct gpa_sums *sums)
{
	unsigned int i = 0, end;
	struct gpa_pool *pool;
	bool more;

	do {
		spin_lock_irq(&chan->pool_lock);
		/* While the channel has it, it is not freed. It may be another one than before. */
		pool = chan->pool;
		end = pool ? min(i + SUM_BATCH, pool->nr_requests) : i;
		for (; i < end; i++)
			request_sum(&pool->requests[i], sums);
		more = pool && i < pool->nr_requests;
		spin_unlock_irq(&chan->pool_lock);
		cond_resched();
	} while (more);
}

/**
 * gpadl_requests_show() - Show a channel's pool in debugfs
 * @m: where to
 * @chan: the channel
 *
 * Context: process.
 */
void gpadl_requests_show(struct seq_file *m, struct vmbus_gpadl_channel *chan)
{
	struct gpa_pool *pool = gpadl_pool_get(chan);

	if (!pool)
		return;
	seq_printf(m, "%-8u %9u %6u %8u %10u%s\n", chan->relid, READ_ONCE(pool->nr_busy),
		   READ_ONCE(pool->nr_most), pool->nr_requests, pool->max_pages,
		   READ_ONCE(pool->dead) ? " destroyed" : "");
	gpadl_pool_unget(pool);
}
