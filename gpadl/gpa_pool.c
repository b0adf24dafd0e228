// SPDX-License-Identifier: GPL-2.0
/*
 * The requests of a channel: where they come from, how they end, and what waits for them.
 *
 * One lock, the channel's, for both ends of a request: a backend maps in a thread, and
 * unmaps in whatever context its device has. Nothing is done under it that could take long.
 *
 * Unmapping happens where a device completes, interrupts off or not, and so marks nothing
 * dirty: the map has done so. A page that was cleaned meanwhile, by writeback, is left to
 * a work item together with its request, which is in flight until then.
 *
 * A pool holds its channel, and so the partition and its owner. It is freed when the backend
 * has destroyed it and nothing of it is in flight: until then the module that owes an unmap
 * stays.
 */
#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/math.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "compat.h"
#include "gpa_pool.h"
#include "limits.h"
#include "priv.h"

/* More than any device has, and numbers that can be counted to. */
#define MAX_REQUESTS	4096
#define MAX_BYTES	(31u << 20)
/* Of all requests: 8 GiB, with 100 MiB of memory for them */
#define MAX_PAGES	(2u << 20)

/* ---- The pool ---- */

static void pool_free(struct gpa_pool *pool)
{
	kvfree(pool->sgl);
	kvfree(pool->pages);
	kvfree(pool->words);
	kvfree(pool->requests);
	kfree(pool);
}

static void pool_free_work(struct work_struct *work)
{
	struct gpa_pool *pool = container_of(work, struct gpa_pool, free_work);
	struct vmbus_gpadl_channel *chan = pool->chan;

	pool_free(pool);
	gpadl_channel_unref(chan);
}

/*
 * With the lock: that of the channel, which may be gone soon after it is dropped. True if this was
 * the last reference: then all stays until the caller, without the lock, calls pool_queue_free().
 */
static bool pool_put(struct gpa_pool *pool)
{
	lockdep_assert_held(&pool->chan->pool_lock);
	return !--pool->refs;
}

static void pool_queue_free(struct gpa_pool *pool)
{
	atomic_sub(pool->max_pages, &pool->chan->p->nr_pool_pages);
	queue_work(gpadl_wq, &pool->free_work);
}

/**
 * gpadl_pool_get() - Have a channel's pool stay
 * @chan: the channel
 *
 * Context: process.
 * Return: the pool, for gpadl_pool_unget(); NULL if there is none.
 */
struct gpa_pool *gpadl_pool_get(struct vmbus_gpadl_channel *chan)
{
	struct gpa_pool *pool;

	spin_lock_irq(&chan->pool_lock);
	pool = chan->pool;
	if (pool)
		pool->refs++;
	spin_unlock_irq(&chan->pool_lock);
	return pool;
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_pool_get);

/**
 * gpadl_pool_unget() - Undo gpadl_pool_get()
 * @pool: the pool
 *
 * Context: process.
 */
void gpadl_pool_unget(struct gpa_pool *pool)
{
	struct vmbus_gpadl_channel *chan = pool->chan;
	bool last;

	spin_lock_irq(&chan->pool_lock);
	last = pool_put(pool);
	spin_unlock_irq(&chan->pool_lock);
	if (last)
		pool_queue_free(pool);
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_pool_unget);

/*
 * With the lock. What the backend has destroyed makes room for another one as soon as nothing of
 * it is mapped: neither a look at it nor what unmaps have left to a work item keeps the guest
 * from opening the channel again.
 */
static void pool_detach(struct gpa_pool *pool)
{
	if (pool->dead && pool->nr_busy == pool->nr_late && pool->chan->pool == pool)
		pool->chan->pool = NULL;
}

/*
 * With the lock, whenever @nr_busy or @nr_late has changed. Tells pools in which the backend still
 * has something mapped from those in which only late_work has something left: see
 * vmbus_gpadl_channel_owes().
 */
static void pool_count_late(struct gpa_pool *pool)
{
	bool late;

	if (likely(!pool->nr_late && !pool->only_late))
		return;
	late = pool->nr_busy && pool->nr_busy == pool->nr_late;
	pool->chan->nr_late_pools += late - pool->only_late;
	pool->only_late = late;
}

/* The rest of what an unmap could not do where it was called. */
static void pool_late_work(struct work_struct *work)
{
	struct gpa_pool *pool = container_of(work, struct gpa_pool, late_work);
	struct llist_node *late = llist_del_all(&pool->late);
	struct gpa_request *r, *next;

	/* The last of them may take the pool with it. */
	llist_for_each_entry_safe(r, next, late, late) {
		gpadl_request_unpin(r, true);
		gpadl_request_put(r);
		cond_resched();
	}
}

static void pool_init_request(struct gpa_pool *pool, unsigned int i)
{
	struct gpa_request *r = &pool->requests[i];

	r->pool = pool;
	r->pfns.words = pool->words + (size_t)i * gpa_words(pool->max_pages);
	r->map.mem = &pool->chan->p->mem;
	r->map.pfns = &r->pfns;
	r->map.lookup = &r->lookup;
	r->map.is_request = true;
	r->map.room = (struct gpadl_room) {
		.pages = pool->pages + (size_t)i * pool->max_pages,
		.nr_pages = pool->max_pages,
		.sgl = pool->sgl + (size_t)i * pool->max_pages,
		.nr_sgl = pool->max_pages,
	};
	r->next = pool->free;
	pool->free = r;
}

static struct gpa_pool *pool_alloc(struct vmbus_gpadl_channel *chan, unsigned int nr_requests,
				   unsigned int max_pages)
{
	const gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_NOWARN;
	size_t nr_pages = (size_t)nr_requests * max_pages;
	struct gpa_pool *pool;
	unsigned int i;

	pool = kzalloc(sizeof(*pool), GFP_KERNEL_ACCOUNT);
	if (!pool)
		return NULL;
	pool->chan = chan;
	pool->nr_requests = nr_requests;
	pool->max_pages = max_pages;
	pool->refs = 1;
	init_llist_head(&pool->late);
	INIT_WORK(&pool->late_work, pool_late_work);
	INIT_WORK(&pool->free_work, pool_free_work);
	pool->requests = kvcalloc(nr_requests, sizeof(*pool->requests), gfp);
	pool->words = kvmalloc_array((size_t)nr_requests * gpa_words(max_pages),
				     sizeof(*pool->words), gfp);
	pool->pages = kvmalloc_array(nr_pages, sizeof(*pool->pages), gfp);
	pool->sgl = kvmalloc_array(nr_pages, sizeof(*pool->sgl), gfp);
	if (!pool->requests || !pool->words || !pool->pages || !pool->sgl) {
		pool_free(pool);
		return NULL;
	}
	for (i = nr_requests; i; i--)
		pool_init_request(pool, i - 1);
	return pool;
}

/* The pages of its largest request; of all pools of a partition, not too many. */
static int pool_reserve(struct vmbus_partition *p, unsigned int max_pages)
{
	if (atomic_add_return(max_pages, &p->nr_pool_pages) <= GPADL_POOL_PAGES)
		return 0;
	atomic_sub(max_pages, &p->nr_pool_pages);
	return -ENOSPC;
}

static int pool_install(struct gpa_pool *pool)
{
	struct vmbus_gpadl_channel *chan = pool->chan;
	int ret = -EBUSY;

	spin_lock_irq(&chan->pool_lock);
	if (!chan->pool) {
		chan->pool = pool;
		refcount_inc(&chan->ref);
		ret = 0;
	}
	spin_unlock_irq(&chan->pool_lock);
	return ret;
}

/**
 * vmbus_gpa_pool_create() - Make room for a channel's requests in flight
 * @chan: the channel
 * @nr_requests: mappings at a time, at most; for example 256
 * @max_bytes: bytes of a request of one range, at most, wherever it begins; for example
 *	1 MiB
 *
 * All that vmbus_gpa_map() needs is allocated here, and charged to the VMM's memory cgroup: about
 * 13 KiB for each request of 1 MiB; but for what it takes to look again at pages of resident
 * regions that may have been replaced. To be called in open().
 *
 * A request has DIV_ROUND_UP(@max_bytes, 4096) + 1 pages. The same bytes in n ranges may lie in
 * 2 * (n - 1) pages more, as each range may begin and end inside a page: 4096 more of @max_bytes
 * for each. A range that lies within a page takes that page only: where up to 32 such may come, or
 * one of any kind, max(bytes, 31 * 4096) is enough.
 *
 * Context: process, may sleep.
 *
 * Return:
 *   * 0
 *   * %-EINVAL: no requests or no bytes; more than 4096, than 31 MiB each, or 8 GiB in all
 *   * %-EBUSY: the channel has a pool, or something of the one before is still mapped
 *   * %-ENOSPC: the requests of all pools of the partition, one of each, would have too many
 *     pages
 *   * %-ENOMEM: no memory
 */
int vmbus_gpa_pool_create(struct vmbus_gpadl_channel *chan, unsigned int nr_requests,
			  size_t max_bytes)
{
	struct gpadl_mem_account acct;
	unsigned int max_pages;
	struct gpa_pool *pool;
	int ret;

	if (!nr_requests || nr_requests > MAX_REQUESTS || !max_bytes || max_bytes > MAX_BYTES)
		return -EINVAL;
	max_pages = DIV_ROUND_UP(max_bytes, GPADL_PAGE_SIZE) + 1;
	if (nr_requests > MAX_PAGES / max_pages)
		return -EINVAL;
	ret = pool_reserve(chan->p, max_pages);
	if (ret)
		return ret;
	gpadl_mem_account_begin(&chan->p->mem, &acct);
	pool = pool_alloc(chan, nr_requests, max_pages);
	gpadl_mem_account_end(&acct);
	ret = pool ? pool_install(pool) : -ENOMEM;
	if (ret) {
		atomic_sub(max_pages, &chan->p->nr_pool_pages);
		if (pool)
			pool_free(pool);
	}
	return ret;
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpa_pool_create, VMBUS_GPADL_NS);

/* With the lock. No map succeeds any more. As pool_put() */
static bool pool_kill(struct gpa_pool *pool)
{
	if (pool->dead)
		return false;
	pool->dead = true;
	pool_detach(pool);
	return pool_put(pool);
}

/**
 * gpadl_pool_end() - A channel is put: its pool goes with its last request
 * @chan: the channel
 *
 * Context: process.
 */
void gpadl_pool_end(struct vmbus_gpadl_channel *chan)
{
	struct gpa_pool *pool;
	bool last;

	spin_lock_irq(&chan->pool_lock);
	pool = chan->pool;
	last = pool && pool_kill(pool);
	spin_unlock_irq(&chan->pool_lock);
	if (last)
		pool_queue_free(pool);
}

/**
 * vmbus_gpa_pool_destroy() - Undo vmbus_gpa_pool_create()
 * @chan: the channel; one without a pool is fine
 *
 * To be called in close(), when all is unmapped (vmbus_endpoint_drain()). What
 * vmbus_gpa_unmap() has left to be done later is not waited for: it may take as long as the VMM
 * likes. What is not unmapped yet stays as it is, and the pool until it is unmapped. If it is
 * not called, the pool goes when the channel does.
 *
 * Context: process.
 */
void vmbus_gpa_pool_destroy(struct vmbus_gpadl_channel *chan)
{
	gpadl_pool_end(chan);
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpa_pool_destroy, VMBUS_GPADL_NS);

/* ---- A request ---- */

/**
 * gpadl_request_get() - Begin a request
 * @chan: the channel
 *
 * Context: process.
 * Return: the request, PARSING, for gpadl_request_put(); ERR_PTR of -ENXIO, -ESHUTDOWN or
 * -EAGAIN as vmbus_gpa_map().
 */
struct gpa_request *gpadl_request_get(struct vmbus_gpadl_channel *chan)
{
	struct gpa_request *r;
	struct gpa_pool *pool;

	spin_lock_irq(&chan->pool_lock);
	pool = chan->pool;
	if (!pool || pool->dead)
		r = ERR_PTR(-ENXIO);
	else if (READ_ONCE(chan->rescinded))
		r = ERR_PTR(-ESHUTDOWN);
	else if (!pool->free)
		r = ERR_PTR(-EAGAIN);
	else
		r = pool->free;
	if (!IS_ERR(r)) {
		pool->free = r->next;
		pool->refs++;
		r->first = !pool->nr_busy++;
		if (r->first)
			atomic_inc(&chan->nr_busy);
		pool_count_late(pool);
		if (pool->nr_busy > pool->nr_most)
			pool->nr_most = pool->nr_busy;
		r->counted = 0;
		r->tearing_down = false;
		r->revoked = false;
		r->reset = false;
		r->is_late = false;
		r->taken = jiffies;
		WRITE_ONCE(r->state, GPA_PARSING);
	}
	spin_unlock_irq(&chan->pool_lock);
	return r;
}

/**
 * gpadl_request_free() - A request may be used again
 * @r: the request, FREE
 *
 * Context: the lock of its channel's pools is held.
 */
void gpadl_request_free(struct gpa_request *r)
{
	r->next = r->pool->free;
	r->pool->free = r;
}

/**
 * gpadl_request_put() - End a request
 * @r: the request: nothing of it is pinned, and it uses no region
 *
 * Context: any but NMI.
 */
void gpadl_request_put(struct gpa_request *r)
{
	struct gpa_pool *pool = r->pool;
	struct vmbus_gpadl_channel *chan = pool->chan;
	struct vmbus_partition *p = chan->p;
	bool last, free;
	unsigned long flags;

	spin_lock_irqsave(&chan->pool_lock, flags);
	if (r->counted)
		atomic_sub(r->counted, &p->nr_request_pages);
	WRITE_ONCE(r->state, GPA_FREE);
	if (!r->looked_at)
		gpadl_request_free(r);
	if (r->revoked)
		gpadl_partition_unwatch_revoked(p);
	if (r->reset)
		atomic_dec(&p->nr_resetting);
	if (r->is_late) {
		pool->nr_late--;
		/* Read without the lock, too. */
		WRITE_ONCE(pool->nr_ended, pool->nr_ended + 1);
		/* Without a look whether anybody waits: it is rare. */
		wake_up_all(&p->idle);
	}
	last = !--pool->nr_busy;
	pool_count_late(pool);
	pool_detach(pool);
	if (last)
		atomic_dec(&chan->nr_busy);
	if (last || r->reset)
		gpadl_wake_idle(p);
	if (r->revoked || READ_ONCE(chan->rescinded))
		gpadl_partition_wake(p);
	/* If it is not the last, the pool and the channel are somebody else's from here on. */
	free = pool_put(pool);
	spin_unlock_irqrestore(&chan->pool_lock, flags);
	if (unlikely(free))
		pool_queue_free(pool);
}

/**
 * gpadl_request_put_late() - End a request in a thread that may sleep
 * @r: the request, UNMAPPING, with pages that are to be marked dirty; it uses no region
 *
 * Context: any but NMI.
 */
void gpadl_request_put_late(struct gpa_request *r)
{
	struct gpa_pool *pool = r->pool;
	struct vmbus_gpadl_channel *chan = pool->chan;
	unsigned long flags;

	/*
	 * With the lock: without it the work, which may be running, could take the request and
	 * the pool with it before it is queued here.
	 */
	spin_lock_irqsave(&chan->pool_lock, flags);
	r->is_late = true;
	pool->nr_late++;
	pool_count_late(pool);
	pool_detach(pool);
	/*
	 * If the list was not empty, a run that is queued already takes this request too. Do not
	 * queue another: only requests in the list hold the pool, so a run that finds none could
	 * outlive it.
	 */
	if (llist_add(&r->late, &pool->late))
		/* For this alone: marking may wait for the VMM, and for ever if that is gone. */
		queue_work(chan->p->late_wq, &pool->late_work);
	spin_unlock_irqrestore(&chan->pool_lock, flags);
}

/**
 * gpadl_request_unpin() - Unpin what a request has pinned
 * @r: the request
 * @dirty: see that the pages, which were mapped for writing, are dirty
 *
 * Context: any but NMI; process, if @dirty. Allocates nothing.
 */
void gpadl_request_unpin(struct gpa_request *r, bool dirty)
{
	KUNIT_STATIC_STUB_REDIRECT(gpadl_request_unpin, r, dirty);
	gpadl_mapping_drop(&r->map, dirty);
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_request_unpin);

/**
 * gpadl_requests_wait_late() - Wait for requests that the backend has ended already
 * @chan: the channel
 *
 * For a map that found no room. If the backend has any in flight, it tries again when these
 * end. If it has not, what takes the room are requests that have been left to a work item, or
 * that a change of regions looks at (request_moves()): nobody tells the backend of their end.
 *
 * Context: process, may sleep for as long as the VMM likes: not in a work queue that serves others.
 * Return: 0 if there may be room now; -EAGAIN if the backend is to try again; -EINTR on a fatal
 * signal.
 */
int gpadl_requests_wait_late(struct vmbus_gpadl_channel *chan)
{
	struct gpa_pool *pool = gpadl_pool_get(chan);
	bool only_late, any_late;
	unsigned int ended;
	int ret = -EAGAIN;

	if (!pool)
		return -EAGAIN;
	spin_lock_irq(&chan->pool_lock);
	only_late = pool->nr_busy == pool->nr_late;
	any_late = pool->nr_late;
	ended = pool->nr_ended;
	spin_unlock_irq(&chan->pool_lock);
	if (only_late) {
		ret = 0;
		if (any_late)
			ret = wait_event_killable(chan->p->idle,
						  READ_ONCE(pool->nr_ended) != ended);
		ret = ret ? -EINTR : gpadl_region_wait_switch(&chan->p->mem);
	}
	gpadl_pool_unget(pool);
	return ret;
}

/**
 * vmbus_gpadl_channel_owes() - Does the backend have anything of the channel mapped?
 * @chan: the channel, of which nothing is being mapped or unmapped
 *
 * Unlike vmbus_gpadl_channel_is_busy(), this does not count what vmbus_gpa_unmap() has left to be
 * done later.
 *
 * Context: process.
 * Return: true if it does.
 */
bool vmbus_gpadl_channel_owes(struct vmbus_gpadl_channel *chan)
{
	bool owes;

	spin_lock_irq(&chan->pool_lock);
	owes = atomic_read(&chan->nr_busy) > chan->nr_late_pools;
	spin_unlock_irq(&chan->pool_lock);
	return owes;
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_channel_owes, VMBUS_GPADL_NS);
