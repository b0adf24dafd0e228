// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a GPADL: assembled from the guest's messages, mapped and unmapped by a
 * backend, torn down.
 *
 *	 HEADER            last BODY            map                   unmap
 *	   |--> ASSEMBLING ---------> READY --> MAPPING --> MAPPED --> UNMAPPING --> READY
 *	             \                  \           (leaving set at any point)        |
 *	              `------------------`--------------> DEAD <----------------------'
 *
 * MAPPING, MAPPED and UNMAPPING are the busy states. Only the thread that set MAPPING or
 * UNMAPPING ends it; everyone else sets flags, and that thread looks at them when it
 * takes the lock again (gpadl_settle()). So a teardown never waits, never allocates and
 * never fails: it happens at once if the GPADL is not busy, else when it stops to be.
 *
 * Whoever sets DEAD takes the GPADL out of the tables and queues its reply, all in one
 * critical section: a GPADL is DEAD once, so the reply goes out once, and only after the
 * last page is unpinned.
 *
 * CREATED is queued in the critical section that sets READY (or DEAD, for a GPADL that
 * was not accepted): when the guest reads it, the backend's map finds the GPADL.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "gpadl/compat.h"
#include "gpadl/priv.h"

#define CREATE_TRACE_POINTS
#include "gpadl/trace.h"

/* ---- References ---- */

static void gpadl_free(struct gpadl *g)
{
	struct vmbus_gpadl_channel *chan = g->chan;

	atomic_sub(g->nr_announced, &chan->p->nr_pages);
	atomic_dec(&chan->p->nr_gpadls);
	kvfree(g->wire.words);
	kfree_rcu(g, rcu);
	gpadl_channel_unref(chan);
}

void gpadl_put(struct gpadl *g)
{
	if (refcount_dec_and_test(&g->ref))
		gpadl_free(g);
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_put);

/*
 * Find a GPADL by its handle, and hold it. Takes no lock that another GPADL's map takes;
 * what is shared is the read side of the xarray.
 */
static struct gpadl *gpadl_get(struct vmbus_gpadl_channel *chan, u32 handle)
{
	struct gpadl *g;

	guard(rcu)();
	g = xa_load(&chan->gpadls, handle);
	return g && refcount_inc_not_zero(&g->ref) ? g : NULL;
}

/**
 * gpadl_next() - Walk over the GPADLs of a channel
 * @chan: the channel
 * @handle: 0 at first; where to go on
 *
 * Context: process.
 * Return: a GPADL, to be put, of the smallest handle that is not below *@handle, which
 * is then set to one above; NULL if there is none.
 */
struct gpadl *gpadl_next(struct vmbus_gpadl_channel *chan, unsigned long *handle)
{
	struct gpadl *g;

	guard(rcu)();
	while (*handle <= U32_MAX) {
		g = xa_find(&chan->gpadls, handle, U32_MAX, XA_PRESENT);
		if (!g)
			return NULL;
		(*handle)++;
		if (refcount_inc_not_zero(&g->ref))
			return g;
	}
	return NULL;
}

/* ---- Tables ---- */

/* Called with the xarray's lock held. Drops it to allocate; only rx_mutex holders insert. */
VISIBLE_IF_KUNIT int gpadl_store(struct xarray *xa, struct gpadl *g)
{
	KUNIT_STATIC_STUB_REDIRECT(gpadl_store, xa, g);
	return xa_err(__xa_store(xa, g->handle, g, GFP_KERNEL_ACCOUNT));
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_store);

/*
 * GPADLs of one handle on several channels are a list, whose head stands in the
 * partition's xarray.
 */
static int handle_link(struct vmbus_partition *p, struct gpadl *g)
{
	struct gpadl *head;
	int ret = 0;

	xa_lock(&p->handles);
	head = xa_load(&p->handles, g->handle);
	if (head) {
		g->same_handle = head->same_handle;
		head->same_handle = g;
	} else {
		ret = gpadl_store(&p->handles, g);
	}
	xa_unlock(&p->handles);
	return ret;
}

static void handle_unlink(struct vmbus_partition *p, struct gpadl *g)
{
	struct gpadl *head;

	/* Inside the lock of a channel's table, which is of the same class. */
	xa_lock_nested(&p->handles, SINGLE_DEPTH_NESTING);
	head = xa_load(&p->handles, g->handle);
	if (head == g) {
		/* Storing over an entry allocates nothing; NULL erases it. */
		__xa_store(&p->handles, g->handle, g->same_handle, GFP_NOWAIT);
	} else {
		while (head->same_handle != g)
			head = head->same_handle;
		head->same_handle = g->same_handle;
	}
	xa_unlock(&p->handles);
}

static int gpadl_link(struct gpadl *g)
{
	struct vmbus_gpadl_channel *chan = g->chan;
	int ret;

	ret = handle_link(chan->p, g);
	if (ret)
		return ret;
	xa_lock(&chan->gpadls);
	ret = gpadl_store(&chan->gpadls, g);
	xa_unlock(&chan->gpadls);
	if (ret)
		handle_unlink(chan->p, g);
	return ret;
}

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
	gpadl_reply_post(&p->replies, r);
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
 * Both under the table's lock: whoever drops what is there, and finds this one gone, waits
 * for its reply (gpadl_wait_dying()).
 */
static void gpadl_die(struct gpadl *g)
{
	struct vmbus_gpadl_channel *chan = g->chan;

	lockdep_assert_held(&g->lock);
	g->state = GPADL_DEAD;
	xa_lock(&chan->gpadls);
	__xa_erase(&chan->gpadls, g->handle);
	handle_unlink(chan->p, g);
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
 * End of a busy state: the pages are unpinned. Drops the lock, and the reference that the
 * busy state held.
 */
static void gpadl_settle(struct gpadl *g)
	__releases(&g->lock)
{
	struct vmbus_gpadl_channel *chan = g->chan;
	bool revoked = g->revoked, dead = g->leaving;

	g->revoked = false;
	g->state = GPADL_READY;
	if (dead)
		gpadl_die(g);
	/* Only now, with the reply queued, may those who wait for this go on. */
	if (revoked)
		gpadl_partition_unwatch_revoked(chan->p);
	if (g->reset)
		atomic_dec(&chan->p->nr_resetting);
	atomic_dec(&chan->nr_busy);
	/* Pairs with set_current_state() in wait_event(): it shows itself, then looks. */
	smp_mb__after_atomic();
	/* Not to take the queue's lock for nothing: all maps of the partition share it. */
	if (waitqueue_active(&chan->p->idle))
		wake_up_all(&chan->p->idle);
	spin_unlock(&g->lock);

	if (dead)
		gpadl_put(g);
	gpadl_put(g);
}

/*
 * A busy GPADL is wanted back. A backend that has it already is told; one that is
 * about to get it will not (gpadl_finish_map()).
 */
static void gpadl_want_back(struct gpadl *g)
{
	lockdep_assert_held(&g->lock);
	if (g->revoked)
		return;
	g->revoked = true;
	g->since = jiffies;
	gpadl_partition_watch_revoked(g->chan->p);
	if (g->state == GPADL_MAPPED) {
		trace_vmbus_gpadl_revoke(g);
		xa_set_mark(&g->chan->gpadls, g->handle, GPADL_MARK_REVOKE);
		gpadl_channel_queue_revoke(g->chan);
	}
}

/* Set leaving. Returns true if the GPADL died of it; then it has yet to be put. */
static bool gpadl_leave(struct gpadl *g, bool owe_torndown)
{
	lockdep_assert_held(&g->chan->p->rx_mutex);
	lockdep_assert_held(&g->lock);
	WRITE_ONCE(g->leaving, true);
	g->owe_torndown = owe_torndown;
	if (gpadl_is_busy(g)) {
		gpadl_want_back(g);
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
	gpadl_wire_init(&g->wire, header, words);
	refcount_set(&g->ref, 1);
	spin_lock_init(&g->lock);
	g->chan = chan;
	g->handle = header->handle;
	g->created.chan = chan;
	g->created.release = created_release;
	g->torndown.chan = chan;
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
	g->nr_announced = g->wire.capacity - g->wire.nr_ranges;
	refcount_inc(&chan->ref);
	atomic_inc(&p->nr_gpadls);
	atomic_add(g->nr_announced, &p->nr_pages);
	if (gpadl_link(g)) {
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

/* Packed, a page list is mostly much shorter than announced: give the rest back. */
static void gpadl_trim(struct gpadl *g)
{
	size_t len = g->wire.nr_words * sizeof(u64);
	u64 *words;

	if (g->wire.nr_words == g->wire.capacity)
		return;
	words = kvmalloc(len, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!words)
		return;
	memcpy(words, g->wire.words, len);
	kvfree(g->wire.words);
	g->wire.words = words;
}

static void gpadl_complete(struct gpadl *g)
{
	if (!gpadl_mapping_covers(&g->chan->p->mem, &g->wire, &g->mapping)) {
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
	verdict = gpadl_wire_add(&g->wire, msg);
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
	if (g->leaving && g->owe_torndown)
		gpadl_count(chan->p, chan->relid, g->handle, GPADL_REASON_REPEATED);
	if (g->state == GPADL_ASSEMBLING) {
		gpadl_count(chan->p, chan->relid, g->handle, GPADL_REASON_CANCELLED);
		gpadl_reply_created(g, GPADL_STATUS_CANCELLED);
	}
	dead = gpadl_leave(g, true);
	spin_unlock(&g->lock);
	if (dead)
		gpadl_put(g);
	return true;
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_teardown);

/**
 * gpadl_drop() - A GPADL's channel is released, or the partition reset
 * @g: the GPADL, held by the caller
 * @reset: somebody will wait until vmbus_partition.nr_resetting is 0
 *
 * Like a teardown of which the guest wants to hear nothing.
 *
 * Context: process; rx_mutex is held.
 */
void gpadl_drop(struct gpadl *g, bool reset)
{
	bool dead = false;

	spin_lock(&g->lock);
	if (g->state != GPADL_DEAD)
		dead = gpadl_leave(g, false);
	if (reset && gpadl_is_busy(g) && !g->reset) {
		g->reset = true;
		atomic_inc(&g->chan->p->nr_resetting);
	}
	spin_unlock(&g->lock);
	if (dead)
		gpadl_put(g);
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_drop);

/**
 * gpadl_rescind() - A GPADL's channel is being rescinded
 * @g: the GPADL, held by the caller; its channel is marked as closing
 *
 * Context: process.
 */
void gpadl_rescind(struct gpadl *g)
{
	spin_lock(&g->lock);
	if (gpadl_is_busy(g))
		gpadl_want_back(g);
	spin_unlock(&g->lock);
}

/**
 * gpadl_tell_revoked() - Tell the backend of each mapped GPADL that is wanted back
 * @chan: the channel
 *
 * Context: the channel's ordered work.
 */
void gpadl_tell_revoked(struct vmbus_gpadl_channel *chan)
{
	unsigned long handle;
	struct gpadl *g;

	xa_for_each_marked(&chan->gpadls, handle, g, GPADL_MARK_REVOKE) {
		bool mapped;

		/* The walk does not hold it; it may be another one of that handle now. */
		g = gpadl_get(chan, handle);
		if (!g)
			continue;
		spin_lock(&g->lock);
		mapped = g->state == GPADL_MAPPED && g->revoked;
		if (g->state != GPADL_DEAD)
			xa_clear_mark(&chan->gpadls, handle, GPADL_MARK_REVOKE);
		spin_unlock(&g->lock);
		gpadl_put(g);
		if (mapped)
			chan->ops->revoke(chan, handle);
	}
}

/* ---- What the backend does ---- */

/* READY to MAPPING, or why not. The busy state has a reference of its own. */
static int gpadl_begin_map(struct gpadl *g, bool write)
{
	lockdep_assert_held(&g->lock);
	if (g->state == GPADL_ASSEMBLING || g->state == GPADL_DEAD)
		return -ENOENT;
	if (g->leaving || READ_ONCE(g->chan->closing))
		return -ESHUTDOWN;
	if (g->state != GPADL_READY)
		return -EBUSY;
	if (write && g->read_only)
		return -EACCES;

	g->state = GPADL_MAPPING;
	g->since = jiffies;
	refcount_inc(&g->ref);
	atomic_inc(&g->chan->nr_busy);
	return 0;
}

/*
 * MAPPING to MAPPED if the pages are there (@ret) and nobody has asked for the GPADL
 * meanwhile; else back. Drops the lock.
 */
static int gpadl_finish_map(struct gpadl *g, bool write, int ret)
	__releases(&g->lock)
{
	if (!ret && (g->leaving || READ_ONCE(g->chan->closing))) {
		ret = -ESHUTDOWN;
		g->state = GPADL_UNMAPPING;
		spin_unlock(&g->lock);
		gpadl_mapping_unmap(&g->chan->p->mem, &g->mapping);
		spin_lock(&g->lock);
	}
	trace_vmbus_gpadl_map(g, write, ret);
	if (ret) {
		gpadl_settle(g);
		return ret;
	}
	g->state = GPADL_MAPPED;
	spin_unlock(&g->lock);
	return 0;
}

/**
 * vmbus_gpadl_map() - Map a GPADL into a scatterlist of pinned guest pages
 * @chan: channel that the guest created the GPADL on
 * @flags: VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY, or 0 for writing as well
 * @handle: the GPADL
 * @sgt: where the scatterlist goes. It belongs to the mapper and lives until
 *	vmbus_gpadl_unmap(). Its entries cover the GPADL's ranges in order and to the
 *	byte; an entry may span many pages, but not two ranges.
 *
 * The map is physical only: vmbus_gpadl_vmap() adds kernel addresses, and
 * vmbus_gpadl_dma_dir() tells the direction for dma_map_sgtable(). Only one mapping of a
 * GPADL exists at a time, and every one is paired with an unmap. The guest may go on
 * writing to the pages: read what must not change once, into a copy.
 *
 * The backend serialises map, vmap, vunmap and unmap of one GPADL. Different GPADLs are
 * mapped concurrently, under no common lock: what they share is the owner's count of
 * pinned pages, the use counts of regions and the channel's count of busy GPADLs, once
 * per map.
 *
 * Does what VmbChannelMapGpadl() of vmbkmcl.sys does.
 *
 * Context: any process context, kernel threads included. May sleep for as long as the
 * VMM likes (userfaultfd, FUSE, swap): never call it from a thread or workqueue that
 * serves more than one partition.
 *
 * Return: 0, or, in this order of precedence,
 *
 * * %-EINVAL: unknown flag bit
 * * %-ENOENT: no complete GPADL of that handle on that channel
 * * %-ESHUTDOWN: its teardown has begun, or the channel is closing
 * * %-EBUSY: it is mapped, or being mapped or unmapped
 * * %-EACCES: write access is wanted, but the GPADL was created without, or a page lies
 *   in a read-only region
 * * %-ESRCH: the VMM's address space is gone
 * * %-EFAULT: a page lies in no region, or its memory cannot be pinned
 * * %-ENOMEM: no memory, or the owner's RLIMIT_MEMLOCK would be exceeded
 * * %-EINTR: fatal signal
 *
 * On error nothing is pinned, nothing charged, and the GPADL's state is as before.
 */
int vmbus_gpadl_map(struct vmbus_gpadl_channel *chan, u32 flags, u32 handle,
		    struct sg_table **sgt)
{
	bool write = !(flags & VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY);
	struct gpadl *g;
	int ret;

	might_sleep();
	if (flags & ~VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY)
		return -EINVAL;
	g = gpadl_get(chan, handle);
	if (!g)
		return -ENOENT;

	spin_lock(&g->lock);
	ret = gpadl_begin_map(g, write);
	spin_unlock(&g->lock);
	if (ret)
		goto out_put;

	ret = gpadl_mapping_map(&chan->p->mem, &g->wire, write, &g->mapping);
	spin_lock(&g->lock);
	ret = gpadl_finish_map(g, write, ret);
	if (!ret)
		*sgt = &g->mapping.sgt;
out_put:
	gpadl_put(g);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_map, VMBUS_GPADL_NS);

/*
 * MAPPED to UNMAPPING. Returns the GPADL, held, and what was vmapped; NULL if it is not
 * mapped.
 */
static struct gpadl *gpadl_begin_unmap(struct vmbus_gpadl_channel *chan, u32 handle,
				       void **vaddr)
{
	struct gpadl *g = gpadl_get(chan, handle);
	bool mapped;

	if (!g)
		return NULL;
	spin_lock(&g->lock);
	mapped = g->state == GPADL_MAPPED;
	if (mapped) {
		trace_vmbus_gpadl_unmap(g);
		*vaddr = g->vaddr;
		g->vaddr = NULL;
		g->state = GPADL_UNMAPPING;
	}
	spin_unlock(&g->lock);
	if (!mapped)
		gpadl_put(g);
	return mapped ? g : NULL;
}

/**
 * vmbus_gpadl_unmap() - Undo vmbus_gpadl_map()
 * @chan: the channel
 * @handle: the GPADL
 *
 * The pages are unpinned, and marked dirty if they were mapped for writing, when this
 * returns; a teardown that waited for it completes. Cannot fail. An unmap of what is not
 * mapped is a bug of the backend: it warns once and does nothing. Of what is still
 * vmapped likewise: it warns once and vunmaps it.
 *
 * Does what VmbChannelUnmapGpadl() of vmbkmcl.sys does.
 *
 * Context: process, may sleep. May be called from the channel's revoke().
 */
void vmbus_gpadl_unmap(struct vmbus_gpadl_channel *chan, u32 handle)
{
	struct gpadl *g;
	void *vaddr;

	might_sleep();
	g = gpadl_begin_unmap(chan, handle, &vaddr);
	if (WARN_ONCE(!g, "channel %u: unmap of GPADL %#x, which is not mapped\n",
		      chan->relid, handle))
		return;

	if (WARN_ONCE(vaddr, "channel %u: unmap of GPADL %#x, which is vmapped\n",
		      chan->relid, handle))
		gpadl_mapping_vunmap(vaddr);
	gpadl_mapping_unmap(&chan->p->mem, &g->mapping);

	spin_lock(&g->lock);
	gpadl_settle(g);
	gpadl_put(g);
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_unmap, VMBUS_GPADL_NS);

/*
 * A GPADL that the backend says is mapped, held; NULL if it is not. It stays mapped: the
 * backend serialises what it does with one GPADL.
 */
static struct gpadl *gpadl_get_mapped(struct vmbus_gpadl_channel *chan, u32 handle)
{
	struct gpadl *g = gpadl_get(chan, handle);
	bool mapped;

	if (!g)
		return NULL;
	spin_lock(&g->lock);
	mapped = g->state == GPADL_MAPPED;
	spin_unlock(&g->lock);
	if (!mapped)
		gpadl_put(g);
	return mapped ? g : NULL;
}

/* What vmbus_gpadl_vmap() does, of a GPADL that is mapped. */
static void *gpadl_vmap(struct gpadl *g)
{
	struct gpadl_mem *mem = &g->chan->p->mem;
	struct gpadl_mem_account acct;
	void *vaddr;

	if (g->wire.nr_ranges != 1)
		return ERR_PTR(-EOPNOTSUPP);
	if (g->vaddr)
		return ERR_PTR(-EBUSY);

	gpadl_mem_account_begin(mem, &acct);
	vaddr = gpadl_mapping_vmap(&g->mapping);
	gpadl_mem_account_end(&acct);
	if (!IS_ERR(vaddr))
		g->vaddr = vaddr;
	return vaddr;
}

/**
 * vmbus_gpadl_vmap() - Give a mapped GPADL a kernel address
 * @chan: the channel
 * @handle: the GPADL, mapped and of exactly one range
 *
 * The address is good for reading only if the GPADL was mapped so. To be undone by
 * vmbus_gpadl_vunmap() before vmbus_gpadl_unmap().
 *
 * Context: process, may sleep.
 *
 * Return: address of the GPADL's first byte, or ERR_PTR of
 *
 * * %-ENOENT: it is not mapped
 * * %-EOPNOTSUPP: it has several ranges, or host pages are larger than the guest's 4 KiB
 *   and its pages cannot be laid side by side
 * * %-EBUSY: it is vmapped already
 * * %-ENOMEM: no memory
 */
void *vmbus_gpadl_vmap(struct vmbus_gpadl_channel *chan, u32 handle)
{
	struct gpadl *g;
	void *vaddr;

	might_sleep();
	g = gpadl_get_mapped(chan, handle);
	if (!g)
		return ERR_PTR(-ENOENT);
	vaddr = gpadl_vmap(g);
	gpadl_put(g);
	return vaddr;
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_vmap, VMBUS_GPADL_NS);

/**
 * vmbus_gpadl_vunmap() - Undo vmbus_gpadl_vmap()
 * @chan: the channel
 * @handle: the GPADL
 *
 * A vunmap of what is not vmapped is a bug of the backend: it warns once and does
 * nothing.
 *
 * Context: process, may sleep.
 */
void vmbus_gpadl_vunmap(struct vmbus_gpadl_channel *chan, u32 handle)
{
	void *vaddr = NULL;
	struct gpadl *g;

	might_sleep();
	g = gpadl_get_mapped(chan, handle);
	if (g) {
		vaddr = g->vaddr;
		g->vaddr = NULL;
		gpadl_put(g);
	}
	if (WARN_ONCE(!vaddr, "channel %u: vunmap of GPADL %#x, which is not vmapped\n",
		      chan->relid, handle))
		return;
	gpadl_mapping_vunmap(vaddr);
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_vunmap, VMBUS_GPADL_NS);

/**
 * vmbus_gpadl_dma_dir() - Direction in which a mapped GPADL may be used for DMA
 * @chan: the channel
 * @handle: the GPADL
 *
 * Context: process, may sleep.
 * Return: DMA_BIDIRECTIONAL if it is mapped for writing as well, DMA_TO_DEVICE if for
 * reading only, DMA_NONE if it is not mapped.
 */
enum dma_data_direction vmbus_gpadl_dma_dir(struct vmbus_gpadl_channel *chan, u32 handle)
{
	struct gpadl *g = gpadl_get_mapped(chan, handle);
	enum dma_data_direction dir;

	if (!g)
		return DMA_NONE;
	dir = g->mapping.writable ? DMA_BIDIRECTIONAL : DMA_TO_DEVICE;
	gpadl_put(g);
	return dir;
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_dma_dir, VMBUS_GPADL_NS);
