// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a GPADL: assembled from the guest's messages, mapped and unmapped by a
 * backend, torn down.
 *
 *	 HEADER            last BODY            map                   unmap
 *	   |--> ASSEMBLING ---------> READY --> MAPPING --> MAPPED --> UNMAPPING --> READY
 *	             \                  \           (teardown at any point)          |
 *	              `------------------`--------------> DEAD <----------------------'
 *
 * MAPPING, MAPPED and UNMAPPING are the busy states. Only the thread that set MAPPING or
 * UNMAPPING ends it; everyone else sets flags, and that thread looks at them when it
 * takes the lock again (gpadl_settle()). So a teardown never waits, never allocates and
 * never fails: it happens at once if the GPADL is idle, else as soon as it is no longer busy.
 *
 * The thread that sets DEAD takes the GPADL out of the tables and queues its reply in the
 * same critical section: a GPADL dies once, so its reply goes out once, and only after the
 * last page is unpinned.
 *
 * CREATED is queued in the critical section that sets READY (or DEAD, for a GPADL that
 * was not accepted): when the guest reads it, the backend's map finds the GPADL.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "gpadl/compat.h"
#include "gpadl/gpa_pool.h"
#include "gpadl/priv.h"

#define CREATE_TRACE_POINTS
#include "gpadl/trace.h"

/* ---- Replies ---- */

static void created_release(struct gpadl_reply *r)
{
	gpadl_put(container_of(r, struct gpadl, created));
}

static void torndown_release(struct gpadl_reply *r)
{
	gpadl_put(container_of(r, struct gpadl, torndown));
}

/* Queue a reply that is part of @g; it holds @g until it has been read. */
static void gpadl_reply(struct gpadl *g, struct gpadl_reply *r)
{
	struct vmbus_partition *p = g->chan->p;

	refcount_inc(&g->ref);
	gpadl_reply_post(&p->replies, r, &g->chan->replies);
	gpadl_partition_wake(p);
}

static void gpadl_reply_created(struct gpadl *g, u32 status)
{
	lockdep_assert_held(&g->lock);
	trace_vmbus_gpadl_created(g, status);
	g->created.len = gpadl_wire_created(g->created.msg, g->chan->relid, g->handle,
					    status);
	gpadl_reply(g, &g->created);
}

static void gpadl_reply_torndown(struct gpadl *g)
{
	lockdep_assert_held(&g->lock);
	trace_vmbus_gpadl_torndown(g);
	g->torndown.len = gpadl_wire_torndown(g->torndown.msg, g->handle);
	gpadl_reply(g, &g->torndown);
}

/* ---- States ---- */

/*
 * The end. The caller drops the tables' reference when it has dropped the lock.
 *
 * Out of the table first: the guest may use the handle again as soon as it has the reply.
 * Both under the table's lock: a teardown of all that finds this one gone waits for its reply
 * (gpadl_wait_dying()).
 */
static void gpadl_die(struct gpadl *g)
{
	struct vmbus_gpadl_channel *chan = g->chan;

	lockdep_assert_held(&g->lock);
	g->state = GPADL_DEAD;
	xa_lock(&chan->gpadls);
	gpadl_table_remove(g);
	if (g->owe_torndown)
		gpadl_reply_torndown(g);
	xa_unlock(&chan->gpadls);
}

/**
 * gpadl_wait_dying() - Wait until each GPADL that is out of the table has replied
 * @chan: the channel
 *
 * Context: process.
 */
void gpadl_wait_dying(struct vmbus_gpadl_channel *chan)
{
	xa_lock(&chan->gpadls);
	xa_unlock(&chan->gpadls);
}

/*
 * End of a busy state: the pages are unpinned. Drops the lock. The reference that the busy
 * state held is still to be put: by the mapping, if there is one.
 */
static void gpadl_settle(struct gpadl *g)
	__releases(&g->lock)
{
	struct vmbus_gpadl_channel *chan = g->chan;
	bool revoked = g->revoked, dead = g->tearing_down;

	g->revoked = false;
	g->retired = 0;
	g->mapping = NULL;
	g->state = GPADL_READY;
	if (dead)
		gpadl_die(g);
	/* The reply is queued: only now may waiters proceed. */
	if (revoked)
		gpadl_partition_unwatch_revoked(chan->p);
	if (g->reset)
		atomic_dec(&chan->p->nr_resetting);
	atomic_dec(&chan->nr_busy);
	gpadl_wake_idle(chan->p);
	/* Likewise: nobody waits for most unmaps. What is reset is revoked as well. */
	if (revoked || READ_ONCE(chan->rescinded))
		gpadl_partition_wake(chan->p);
	spin_unlock(&g->lock);

	if (dead)
		gpadl_put(g);
}

/* Set tearing_down. Returns true if the GPADL died of it: the caller then puts it. */
static bool gpadl_begin_teardown(struct gpadl *g, bool owe_torndown)
{
	lockdep_assert_held(&g->chan->p->rx_mutex);
	lockdep_assert_held(&g->lock);
	if (gpadl_is_busy(g) && !g->tearing_down)
		gpadl_table_move_last(g);
	WRITE_ONCE(g->tearing_down, true);
	g->owe_torndown = owe_torndown;
	if (gpadl_is_busy(g)) {
		gpadl_revoke(g);
		return false;
	}
	gpadl_die(g);
	return true;
}

/* ---- What the guest does ---- */

static struct gpadl *gpadl_alloc(struct vmbus_gpadl_channel *chan,
				 const struct gpadl_wire_msg *header)
{
	struct gpadl *g;
	u64 *words;

	g = kzalloc(sizeof(*g), GFP_KERNEL_ACCOUNT);
	if (!g)
		return NULL;
	words = kvmalloc(header->range_buflen, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!words) {
		kfree(g);
		return NULL;
	}
	gpadl_wire_init(&g->pfns, header, words);
	refcount_set(&g->ref, 1);
	spin_lock_init(&g->lock);
	g->chan = chan;
	g->handle = header->handle;
	INIT_LIST_HEAD(&g->same);
	g->created.release = created_release;
	g->torndown.release = torndown_release;
	return g;
}

/**
 * gpadl_create() - Begin a GPADL
 * @chan: its channel
 * @header: the GPADL_HEADER, checked by gpadl_wire_check_header(); its handle is free
 * @read_only: the buffer was created without write access
 *
 * The GPADL stands in the tables when this returns, ASSEMBLING; no range data has been
 * taken in yet.
 *
 * Context: process, may sleep; rx_mutex is held.
 * Return: the GPADL, with no reference for the caller; NULL if there is no memory.
 */
struct gpadl *gpadl_create(struct vmbus_gpadl_channel *chan,
			   const struct gpadl_wire_msg *header, bool read_only)
{
	struct vmbus_partition *p = chan->p;
	struct gpadl *g;

	lockdep_assert_held(&p->rx_mutex);
	g = gpadl_alloc(chan, header);
	if (!g)
		return NULL;
	g->read_only = read_only;
	g->nr_announced = g->pfns.capacity - g->pfns.nr_ranges;
	refcount_inc(&chan->ref);
	atomic_inc(&p->nr_gpadls);
	atomic_add(g->nr_announced, &p->nr_pages);
	if (gpadl_table_insert(g)) {
		gpadl_put(g);
		return NULL;
	}
	return g;
}

static void gpadl_reject(struct gpadl *g, enum gpadl_reason reason, u32 status)
{
	gpadl_count(g->chan->p, g->chan->relid, g->handle, reason);
	spin_lock(&g->lock);
	gpadl_reply_created(g, status);
	gpadl_die(g);
	spin_unlock(&g->lock);
	gpadl_put(g);
}

/* A packed page list is usually much shorter than announced: free the rest. */
static void gpadl_trim(struct gpadl *g)
{
	size_t len = g->pfns.nr_words * sizeof(u64);
	u64 *words;

	if (g->pfns.nr_words == g->pfns.capacity)
		return;
	words = kvmalloc(len, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!words)
		return;
	memcpy(words, g->pfns.words, len);
	kvfree(g->pfns.words);
	g->pfns.words = words;
}

static void gpadl_complete(struct gpadl *g)
{
	if (!gpadl_mapping_covers(&g->chan->p->mem, &g->pfns, &g->lookup)) {
		gpadl_reject(g, GPADL_REASON_NO_REGION, GPADL_STATUS_INVALID_PARAMETER);
		return;
	}
	gpadl_trim(g);

	spin_lock(&g->lock);
	g->state = GPADL_READY;
	gpadl_reply_created(g, GPADL_STATUS_SUCCESS);
	spin_unlock(&g->lock);
}

/**
 * gpadl_add() - Take in the range data of a HEADER or BODY
 * @g: the GPADL, ASSEMBLING; may be gone when this returns
 * @msg: the message
 *
 * Replies to the guest if this completes the GPADL, or spoils it.
 *
 * Context: process, may sleep; rx_mutex is held.
 */
void gpadl_add(struct gpadl *g, const struct gpadl_wire_msg *msg)
{
	enum gpadl_wire_verdict verdict;

	lockdep_assert_held(&g->chan->p->rx_mutex);
	g->nr_messages++;
	verdict = gpadl_wire_add(&g->pfns, msg);
	if (verdict == GPADL_WIRE_COMPLETE)
		gpadl_complete(g);
	else if (verdict != GPADL_WIRE_OK)
		gpadl_reject(g, gpadl_verdict_reason(verdict),
			     GPADL_STATUS_INVALID_PARAMETER);
}

/**
 * gpadl_teardown() - The guest tears a GPADL down
 * @g: the GPADL, held by the caller
 *
 * Context: process; rx_mutex is held.
 * Return: false if the GPADL was gone already, and this queued no reply and will not.
 */
bool gpadl_teardown(struct gpadl *g)
{
	struct vmbus_gpadl_channel *chan = g->chan;
	bool dead = false;

	spin_lock(&g->lock);
	if (g->state == GPADL_DEAD) {
		spin_unlock(&g->lock);
		return false;
	}
	trace_vmbus_gpadl_teardown(g);
	if (g->tearing_down && g->owe_torndown)
		gpadl_count(chan->p, chan->relid, g->handle, GPADL_REASON_REPEATED);
	if (g->state == GPADL_ASSEMBLING) {
		gpadl_count(chan->p, chan->relid, g->handle, GPADL_REASON_CANCELLED);
		gpadl_reply_created(g, GPADL_STATUS_CANCELLED);
	}
	dead = gpadl_begin_teardown(g, true);
	spin_unlock(&g->lock);
	if (dead)
		gpadl_put(g);
	return true;
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_teardown);

/**
 * gpadl_teardown_quietly() - A GPADL's channel is released, or the partition reset
 * @g: the GPADL, held by the caller
 * @reset: somebody will wait until vmbus_partition.nr_resetting is 0
 *
 * Like a teardown of which the guest wants to hear nothing.
 *
 * Context: process; rx_mutex is held.
 */
void gpadl_teardown_quietly(struct gpadl *g, bool reset)
{
	bool dead = false;

	spin_lock(&g->lock);
	if (g->state != GPADL_DEAD)
		dead = gpadl_begin_teardown(g, false);
	if (reset && gpadl_is_busy(g) && !g->reset) {
		g->reset = true;
		atomic_inc(&g->chan->p->nr_resetting);
	}
	spin_unlock(&g->lock);
	if (dead)
		gpadl_put(g);
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_teardown_quietly);

/* ---- What the backend does ---- */

/* READY to MAPPING, or why not. The busy state takes over the reference of the caller. */
static int gpadl_begin_map(struct gpadl *g, bool write)
{
	lockdep_assert_held(&g->lock);
	if (g->state == GPADL_ASSEMBLING || g->state == GPADL_DEAD)
		return -ENOENT;
	if (g->tearing_down || READ_ONCE(g->chan->rescinded))
		return -ESHUTDOWN;
	if (g->state != GPADL_READY)
		return -EBUSY;
	if (write && g->read_only)
		return -EACCES;

	g->state = GPADL_MAPPING;
	g->since = jiffies;
	atomic_inc(&g->chan->nr_busy);
	return 0;
}

/* Called with the GPADL's lock held, so on one processor. */
static void gpadl_count_map(const struct gpadl *g)
{
	struct gpadl_channel_stats __percpu *stats = g->chan->stats;

	this_cpu_inc(stats->maps);
	this_cpu_add(stats->pages, g->pfns.nr_pages);
	this_cpu_add(stats->pins, g->lookup.nr_pins);
}

/*
 * MAPPING to MAPPED if the pages are there and nobody has asked for the GPADL meanwhile;
 * else back. @m: the mapping, or an ERR_PTR; @begin: when the map began, for tracing. Drops
 * the lock.
 */
static int gpadl_finish_map(struct gpadl *g, bool write, struct gpadl_mapping *m, u64 begin)
	__releases(&g->lock)
{
	int ret = PTR_ERR_OR_ZERO(m);

	if (!ret && (g->tearing_down || READ_ONCE(g->chan->rescinded))) {
		ret = -ESHUTDOWN;
		g->state = GPADL_UNMAPPING;
		spin_unlock(&g->lock);
		/* No backend has seen it, and so none has written. */
		m->map.writable = false;
		gpadl_mapping_unmap(&m->map);
		gpadl_region_table_put(m->map.table);
		kfree(m);
		spin_lock(&g->lock);
	}
	if (ret) {
		this_cpu_inc(g->chan->stats->failed);
		trace_vmbus_gpadl_map(g, write, ret, begin);
		gpadl_settle(g);
		gpadl_put(g);
		return ret;
	}
	/* Retired before it looked: it has found its pages where they are now. */
	if (g->retired && g->lookup.generation > g->retired)
		gpadl_unretire(g);
	m->g = g;
	g->mapping = m;
	g->state = GPADL_MAPPED;
	gpadl_count_map(g);
	trace_vmbus_gpadl_map(g, write, 0, begin);
	spin_unlock(&g->lock);
	return 0;
}

/**
 * vmbus_gpadl_map() - Map a GPADL: pin the guest's pages and list them
 * @chan: channel that the guest created the GPADL on
 * @flags: VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY, or 0 for writing as well
 * @handle: the GPADL
 * @map: where the mapping goes, for vmbus_gpadl_unmap()
 *
 * The map is physical only: vmbus_mapping_sgt() has the pages, vmbus_mapping_vmap() adds
 * kernel addresses, and vmbus_mapping_dma_dir() tells the direction for dma_map_sgtable().
 * Only one mapping of a GPADL exists at a time, and every one is paired with an unmap. The
 * guest may go on writing to the pages: read what must not change once, into a copy.
 *
 * A mapping that is kept is to be armed (vmbus_mapping_arm()): revoke() does not come
 * before. One that is unmapped at once, as soon as it has been read or written, need not.
 *
 * GPADLs are mapped concurrently, under no common lock: what they share is the owner's
 * count of pinned pages, the use counts of regions and the channel's count of busy GPADLs,
 * once per map.
 *
 * On error nothing is mapped, and no pin or charge of this call's is left, but for pages of a
 * resident region that have replaced others (the region has these); the GPADL's state is as before,
 * or has gone on if its guest has torn it down meanwhile. While it lasts, what it pins is charged,
 * also if it fails in the end: another one may get %-ENOMEM for that.
 *
 * Of several errors, the one that is returned is the first in the list below, but: %-ESRCH of a
 * thread that was killed and %-EINTR come before %-EACCES of a read-only region, and %-ENOMEM of
 * RLIMIT_MEMLOCK before %-EFAULT of memory that cannot be pinned.
 *
 * Does what VmbChannelMapGpadl() of vmbkmcl.sys does.
 *
 * Context: any process context, kernel threads included. May sleep for as long as the
 * VMM likes (userfaultfd, FUSE, swap): never call it from a thread or workqueue that
 * serves more than one partition.
 *
 * Return:
 *   * 0
 *   * %-EINVAL: unknown flag bit
 *   * %-ENOENT: no complete GPADL of that handle on that channel
 *   * %-ESHUTDOWN: its teardown has begun, or the channel is rescinded. A channel that is closed
 *     but not rescinded is no reason
 *   * %-EBUSY: it is mapped, or being mapped or unmapped
 *   * %-EACCES: write access is wanted, but the GPADL was created without, or a page lies
 *     in a read-only region
 *   * %-ESRCH: the VMM's address space is gone, or its thread for this channel was killed
 *   * %-EFAULT: a page lies in no region, or its memory cannot be pinned. Memory that the VMM
 *     itself may not write, and a file on a disk, are such cases for a map for writing
 *   * %-ENOMEM: the owner's RLIMIT_MEMLOCK would be exceeded; a page has to be moved before it is
 *     pinned (it lies in CMA or ZONE_MOVABLE), and somebody holds it: that may pass; or there
 *     is no memory, which may be told before any of those above
 *   * %-EINTR: fatal signal
 */
int vmbus_gpadl_map(struct vmbus_gpadl_channel *chan, u32 flags, u32 handle,
		    struct vmbus_mapping **map)
{
	bool write = !(flags & VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY);
	struct gpadl_mapping *m;
	struct gpadl *g;
	u64 begin = 0;
	int ret;

	might_sleep();
	if (trace_vmbus_gpadl_map_enabled())
		begin = ktime_get_ns();
	if (flags & ~VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY)
		return -EINVAL;
	g = gpadl_table_get(chan, handle);
	if (!g) {
		this_cpu_inc(chan->stats->failed);
		return -ENOENT;
	}

	spin_lock(&g->lock);
	ret = gpadl_begin_map(g, write);
	spin_unlock(&g->lock);
	if (ret) {
		this_cpu_inc(chan->stats->failed);
		gpadl_put(g);
		return ret;
	}

	/* The address space may still exist, but nobody may wait for it. */
	m = ERR_PTR(-ESRCH);
	if (!gpadl_worker_is_orphaned(&chan->worker))
		m = gpadl_mapping_create(&chan->p->mem, &g->pfns, &g->lookup, write,
					 READ_ONCE(chan->max_segment));
	spin_lock(&g->lock);
	ret = gpadl_finish_map(g, write, m, begin);
	if (!ret)
		*map = &m->map;
	return ret;
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_map, VMBUS_GPADL_NS);

/* MAPPED to UNMAPPING. False on a second unmap: then only revoke() holds @m. */
static bool gpadl_begin_unmap(struct gpadl_mapping *m)
{
	struct gpadl *g = m->g;
	bool mapped;

	spin_lock(&g->lock);
	mapped = g->mapping == m && g->state == GPADL_MAPPED;
	if (mapped) {
		trace_vmbus_gpadl_unmap(g);
		g->state = GPADL_UNMAPPING;
		WRITE_ONCE(m->map.priv, NULL);
	}
	spin_unlock(&g->lock);
	return mapped;
}

/**
 * vmbus_gpadl_unmap() - Undo vmbus_gpadl_map()
 * @map: the mapping; gone when this returns, but for a revoke() that has it
 *
 * The pages are unpinned, and marked dirty if they were mapped for writing, when this returns; a
 * teardown that waited for it completes. Cannot fail. A second unmap, which is possible only in
 * revoke(), is a bug of the backend: it warns once and does nothing. So is an unmap of what is
 * still vmapped: it warns once and vunmaps it.
 *
 * Where revoke() and another thread can both come to unmap, do it under a mutex of the
 * endpoint's; see vmbus_mapping_priv().
 *
 * Does what VmbChannelUnmapGpadl() of vmbkmcl.sys does.
 *
 * Context: process, may sleep, waits for no callback. May be called from the channel's
 * revoke().
 */
void vmbus_gpadl_unmap(struct vmbus_mapping *map)
{
	struct gpadl_mapping *m = to_gpadl_mapping(map);
	struct gpadl *g = m->g;
	u64 begin = 0;

	might_sleep();
	if (WARN_ONCE(map->is_request, "a packet's mapping is unmapped as a GPADL's\n"))
		return;
	if (trace_vmbus_gpadl_unmapped_enabled())
		begin = ktime_get_ns();
	if (WARN_ONCE(!gpadl_begin_unmap(m),
		      "channel %u: a mapping of GPADL %#x is unmapped twice\n",
		      g->chan->relid, g->handle))
		return;

	if (WARN_ONCE(map->vaddr, "channel %u: unmap of GPADL %#x, which is vmapped\n",
		      g->chan->relid, g->handle))
		gpadl_mapping_vunmap(map->vaddr);
	gpadl_mapping_unmap(map);

	spin_lock(&g->lock);
	trace_vmbus_gpadl_unmapped(g, begin);
	gpadl_settle(g);
	/* Not before: see gpadl_moves(). */
	gpadl_region_table_put(map->table);
	gpadl_mapping_put(m);
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_unmap, VMBUS_GPADL_NS);

/* @own: it is the channel layer's, and not the backend's */
static void gpadl_arm(struct vmbus_mapping *map, void *priv, bool own)
{
	struct gpadl_mapping *m = to_gpadl_mapping(map);
	struct gpadl *g = m->g;

	if (WARN_ONCE(map->is_request, "a packet's mapping is armed\n"))
		return;
	spin_lock(&g->lock);
	/* Not NULL, which means unmapped: see vmbus_mapping_priv(). */
	WRITE_ONCE(map->priv, priv ?: map);
	if (!m->armed && g->revoked)
		gpadl_queue_revoke(g);
	m->armed = true;
	m->own = own;
	spin_unlock(&g->lock);
}

/**
 * vmbus_mapping_arm() - From now on revoke() may come for a mapping
 * @map: the mapping
 * @priv: of the backend, for vmbus_mapping_priv(); NULL if it keeps nothing: then that is @map
 *
 * To be called once for a mapping that is kept, when the backend is ready for revoke():
 * when it has put the mapping where revoke() looks. If the GPADL is revoked by then,
 * revoke() comes at once. So none comes before vmbus_gpadl_map() has returned, and none is
 * lost.
 *
 * Context: process.
 */
void vmbus_mapping_arm(struct vmbus_mapping *map, void *priv)
{
	gpadl_arm(map, priv, false);
}
EXPORT_SYMBOL_NS_GPL(vmbus_mapping_arm, VMBUS_GPADL_NS);

/**
 * vmbus_mapping_arm_own() - The same of a mapping that is the channel layer's own
 * @map: the mapping
 * @priv: of the channel layer, for vmbus_mapping_priv()
 *
 * For the rings of a channel, whose GPADL the guest may name to the backend like any other:
 * vmbus_mapping_find() and vmbus_gpadl_unmap_all() leave it alone.
 *
 * Context: process.
 */
void vmbus_mapping_arm_own(struct vmbus_mapping *map, void *priv)
{
	gpadl_arm(map, priv, true);
}
EXPORT_SYMBOL_NS_GPL(vmbus_mapping_arm_own, VMBUS_GPADL_NS);
