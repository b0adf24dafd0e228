// SPDX-License-Identifier: GPL-2.0
/*
 * Revoke: the backend is to unmap a GPADL because the guest tears it down, its channel is
 * rescinded or its region is gone. The channel's work calls revoke() once per mapping.
 */
#include <linux/jiffies.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#include "compat.h"
#include "priv.h"
#include "trace.h"

/**
 * gpadl_queue_revoke() - Have the channel's work call revoke() for a mapping that is armed
 * @g: the GPADL, MAPPED and revoked
 *
 * Context: its lock is held. Allocates nothing.
 */
void gpadl_queue_revoke(struct gpadl *g)
{
	lockdep_assert_held(&g->lock);
	trace_vmbus_gpadl_revoke(g);
	xa_set_mark(&g->chan->gpadls, g->handle, GPADL_MARK_REVOKE);
	gpadl_channel_queue_revoke(g->chan);
}

/**
 * gpadl_revoke() - Revoke a busy GPADL
 * @g: the GPADL; one that is revoked already is fine
 *
 * A backend that has it is told now, or once the mapping is armed (vmbus_mapping_arm()); a map
 * under way fails instead (gpadl_finish_map()).
 *
 * Context: its lock is held. Allocates nothing.
 */
void gpadl_revoke(struct gpadl *g)
{
	lockdep_assert_held(&g->lock);
	if (g->revoked)
		return;
	g->revoked = true;
	g->since = jiffies;
	gpadl_partition_watch_revoked(g->chan->p);
	if (g->state == GPADL_MAPPED && g->mapping->armed)
		gpadl_queue_revoke(g);
}

/**
 * gpadl_rescind() - A GPADL's channel is being rescinded
 * @g: the GPADL, held by the caller; its channel is marked as rescinded
 *
 * Context: process.
 */
void gpadl_rescind(struct gpadl *g)
{
	spin_lock(&g->lock);
	if (gpadl_is_busy(g))
		gpadl_revoke(g);
	spin_unlock(&g->lock);
}

/**
 * gpadl_moves() - Would a GPADL have a page elsewhere, that is mapped?
 * @g: the GPADL, held by the caller
 * @old: regions as they are
 * @new: as they are to be
 *
 * Context: process, may sleep.
 * Return: true if so; false also if only pages would that an earlier change has taken away.
 */
bool gpadl_moves(struct gpadl *g, const struct gpadl_region_table *old,
		 const struct gpadl_region_table *new)
{
	struct gpadl_region_table *mapped = NULL;
	bool busy, moves;

	spin_lock(&g->lock);
	busy = gpadl_is_busy(g);
	if (g->mapping) {
		mapped = g->mapping->map.table;
		refcount_inc(&mapped->ref);
	}
	spin_unlock(&g->lock);
	if (!busy)
		return false;
	/*
	 * A page list that is complete does not change any more. One that is being mapped may have
	 * looked in any table yet: it counts with what it names now. So does one whose map a
	 * teardown has overtaken, until its pages are unpinned.
	 */
	moves = gpadl_regions_move(&g->pfns, mapped ?: old, old, new);
	if (mapped)
		gpadl_region_table_put(mapped);
	return moves;
}

/**
 * gpadl_retire() - A region goes in which a GPADL has mapped pages
 * @g: the GPADL, held by the caller
 * @old: regions as they are
 *
 * One that is being mapped may be about to wait for the regions that come, or looks for its pages
 * again (gpadl_region_table_is_retired()), but for one that has just come to its end: that is
 * known then (gpadl_finish_map()).
 *
 * Context: process; vmbus_partition.mem.switching is set.
 */
void gpadl_retire(struct gpadl *g, const struct gpadl_region_table *old)
{
	spin_lock(&g->lock);
	if (gpadl_is_busy(g)) {
		g->retired = old->generation;
		gpadl_revoke(g);
	}
	spin_unlock(&g->lock);
}

/**
 * gpadl_unretire() - Undo gpadl_retire(), for a map that has ended in a later table of regions
 * @g: the GPADL, MAPPING and retired
 *
 * Context: its lock is held.
 */
void gpadl_unretire(struct gpadl *g)
{
	lockdep_assert_held(&g->lock);
	g->retired = 0;
	g->revoked = false;
	gpadl_partition_unwatch_revoked(g->chan->p);
}

/*
 * Take a reference to the mapping of a revoked GPADL, unless the backend has unmapped it: a
 * mapping is queued once. revoke() gets this mapping even if the handle is reused meanwhile.
 */
static struct gpadl_mapping *gpadl_take_revoked(struct gpadl *g)
{
	struct gpadl_mapping *m = NULL;

	spin_lock(&g->lock);
	if (g->state == GPADL_MAPPED && g->revoked && g->mapping->armed) {
		m = g->mapping;
		m->told = true;
		refcount_inc(&m->ref);
	}
	if (g->state != GPADL_DEAD)
		xa_clear_mark(&g->chan->gpadls, g->handle, GPADL_MARK_REVOKE);
	spin_unlock(&g->lock);
	return m;
}

/* A stub point for tests, which let other things happen just before the call. */
VISIBLE_IF_KUNIT void gpadl_call_revoke(struct gpadl_mapping *m)
{
	struct vmbus_gpadl_channel *chan = m->g->chan;

	KUNIT_STATIC_STUB_REDIRECT(gpadl_call_revoke, m);
	chan->ops->revoke(chan, &m->map);
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_call_revoke);

/**
 * gpadl_run_revokes() - Tell the backend of each mapping that is revoked
 * @chan: the channel
 *
 * Context: work of the channel.
 */
void gpadl_run_revokes(struct vmbus_gpadl_channel *chan)
{
	struct gpadl_mapping *m;
	unsigned long handle;
	struct gpadl *g;

	xa_for_each_marked(&chan->gpadls, handle, g, GPADL_MARK_REVOKE) {
		/* The walk holds no reference: look the handle up again. */
		g = gpadl_table_get(chan, handle);
		if (!g)
			continue;
		m = gpadl_take_revoked(g);
		gpadl_put(g);
		if (m) {
			gpadl_call_revoke(m);
			gpadl_mapping_put(m);
		}
	}
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_run_revokes);
