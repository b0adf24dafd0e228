// SPDX-License-Identifier: GPL-2.0
/*
 * Partitions: one guest each.
 *
 * Its channel layer owns a partition, and its channels, by one reference each. Putting them
 * never waits: what is mapped is revoked, the rest goes at once, and the last mapping that
 * a backend gives back frees what it held.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/export.h>
#include <linux/idr.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "compat.h"
#include "gpa_pool.h"
#include "priv.h"
#include "user.h"

static DEFINE_IDA(partition_ids);

/* ---- Lifetime ---- */

static void partition_free_work(struct work_struct *work)
{
	struct vmbus_partition *p =
		container_of(work, struct vmbus_partition, free_work);
	struct module *owner = p->ops->owner;

	/* Holds nothing, and finds nothing any more. */
	cancel_delayed_work_sync(&p->stuck_work);
	/* Here and below: waits for the work item that has let go last to return, no more. */
	destroy_workqueue(p->free_wq);
	destroy_workqueue(p->late_wq);
	gpadl_debugfs_remove(p);
	WARN_ON_ONCE(!xa_empty(&p->channels) || !xa_empty(&p->handles));
	gpadl_reply_queue_destroy(&p->replies);
	gpadl_mem_drop_regions(&p->mem);
	destroy_workqueue(p->watch_wq);
	destroy_workqueue(p->drop_wq);
	gpadl_mem_destroy(&p->mem);
	if (p->ops->release)
		p->ops->release(p->priv);
	ida_free(&partition_ids, p->id);
	gpadl_user_remove_partition(p->user);
	kfree(p);
	/* The last: nothing but this holds the channel layer, which holds this module. */
	module_put(owner);
}

/* Its VMM has gone: what was resident need not be any more. */
static void partition_clear_work(struct work_struct *work)
{
	struct vmbus_partition *p =
		container_of(work, struct vmbus_partition, clear_work);

	gpadl_mem_clear_regions(&p->mem);
	gpadl_partition_unref(p);
}

/* ---- What is revoked, and stays mapped ---- */

static void channel_show_stuck(struct vmbus_gpadl_channel *chan)
{
	unsigned long handle = 0, age;
	struct gpadl *g;
	unsigned int nr;
	bool stuck;

	while ((g = gpadl_table_next(chan, &handle))) {
		spin_lock(&g->lock);
		age = (jiffies - g->since) / HZ;
		stuck = g->revoked && age >= GPADL_STUCK_SECONDS;
		spin_unlock(&g->lock);
		if (stuck)
			pr_warn_ratelimited("partition %d, channel %u: GPADL %#x is still mapped %lu s after it was asked for\n",
					    chan->p->id, chan->relid, g->handle, age);
		gpadl_put(g);
		cond_resched();
	}
	nr = gpadl_requests_stuck(chan);
	if (nr)
		pr_warn_ratelimited("partition %d, channel %u: %u requests are still mapped, %u s after they were to end\n",
				    chan->p->id, chan->relid, nr, GPADL_STUCK_SECONDS);
}

static void partition_stuck_work(struct work_struct *work)
{
	struct vmbus_partition *p = container_of(to_delayed_work(work),
						 struct vmbus_partition, stuck_work);
	struct vmbus_gpadl_channel *chan;

	/* All has come back: what is revoked from here on queues this anew. */
	if (!atomic_read(&p->nr_revoked))
		return;
	mutex_lock(&p->rx_mutex);
	list_for_each_entry(chan, &p->all_channels, node)
		channel_show_stuck(chan);
	mutex_unlock(&p->rx_mutex);

	if (atomic_read(&p->nr_revoked))
		queue_delayed_work(gpadl_wq, &p->stuck_work, GPADL_STUCK_SECONDS * HZ);
}

/* ---- What is mapped ---- */

static bool channel_moves(struct vmbus_gpadl_channel *chan,
			  const struct gpadl_region_table *old,
			  const struct gpadl_region_table *new)
{
	unsigned long handle = 0;
	bool moves = false;
	struct gpadl *g;

	while (!moves && (g = gpadl_table_next(chan, &handle))) {
		moves = gpadl_moves(g, old, new);
		gpadl_put(g);
		cond_resched();
	}
	return moves || gpadl_requests_move(chan, old, new);
}

static bool partition_moves(struct gpadl_mem *mem, const struct gpadl_region_table *old,
			    const struct gpadl_region_table *new)
{
	struct vmbus_partition *p = container_of(mem, struct vmbus_partition, mem);
	struct vmbus_gpadl_channel *chan;

	guard(mutex)(&p->rx_mutex);
	list_for_each_entry(chan, &p->all_channels, node)
		if (channel_moves(chan, old, new))
			return true;
	return false;
}

/* Nobody asks for requests: they end by themselves, and then count no more for what went. */
static void partition_retire(struct gpadl_mem *mem, const struct gpadl_region_table *old,
			     const struct gpadl_region_table *new)
{
	struct vmbus_partition *p = container_of(mem, struct vmbus_partition, mem);
	struct vmbus_gpadl_channel *chan;
	unsigned long handle;
	struct gpadl *g;

	guard(mutex)(&p->rx_mutex);
	list_for_each_entry(chan, &p->all_channels, node) {
		handle = 0;
		while ((g = gpadl_table_next(chan, &handle))) {
			if (gpadl_moves(g, old, new))
				gpadl_retire(g, old);
			gpadl_put(g);
			cond_resched();
		}
	}
}

static void partition_get_mem(struct gpadl_mem *mem)
{
	gpadl_partition_get(container_of(mem, struct vmbus_partition, mem));
}

static void partition_put_mem(struct gpadl_mem *mem)
{
	gpadl_partition_unref(container_of(mem, struct vmbus_partition, mem));
}

static const struct gpadl_mem_ops partition_mem_ops = {
	.moves = partition_moves,
	.retire = partition_retire,
	.get = partition_get_mem,
	.put = partition_put_mem,
};

/* ---- For the channel layer ---- */

/* Ordered, all of them: any other kind takes memory for each processor, charged to nobody. */
static int partition_alloc_queues(struct vmbus_partition *p)
{
	/* Of its own: a VMM that changes its memory without end keeps nobody else waiting. */
	p->drop_wq = alloc_ordered_workqueue("vmbus_drop/%d", 0, p->id);
	p->watch_wq = alloc_ordered_workqueue("vmbus_watch/%d", 0, p->id);
	p->late_wq = alloc_ordered_workqueue("vmbus_late/%d", 0, p->id);
	p->free_wq = alloc_ordered_workqueue("vmbus_free/%d", 0, p->id);
	if (p->drop_wq && p->watch_wq && p->late_wq && p->free_wq)
		return 0;
	if (p->free_wq)
		destroy_workqueue(p->free_wq);
	if (p->late_wq)
		destroy_workqueue(p->late_wq);
	if (p->watch_wq)
		destroy_workqueue(p->watch_wq);
	if (p->drop_wq)
		destroy_workqueue(p->drop_wq);
	return -ENOMEM;
}

static int partition_init(struct vmbus_partition *p)
{
	int ret;

	ret = gpadl_mem_init(&p->mem);
	if (ret)
		return ret;
	ret = gpadl_mem_init_regions(&p->mem, &partition_mem_ops);
	if (ret)
		goto err_mem;
	ret = gpadl_reply_queue_init(&p->replies);
	if (ret)
		goto err_regions;
	ret = ida_alloc(&partition_ids, GFP_KERNEL);
	if (ret < 0)
		goto err_replies;
	p->id = ret;
	p->mem.id = ret;
	ret = partition_alloc_queues(p);
	if (ret)
		goto err_id;
	p->mem.wq = p->drop_wq;
	p->mem.watch_wq = p->watch_wq;
	return 0;

err_id:
	ida_free(&partition_ids, p->id);
err_replies:
	gpadl_reply_queue_destroy(&p->replies);
err_regions:
	gpadl_mem_drop_regions(&p->mem);
err_mem:
	gpadl_mem_destroy(&p->mem);
	return ret;
}

/**
 * vmbus_partition_create() - Make a partition of the current process
 * @ops: what it asks of its channel layer
 * @priv: passed to @ops
 *
 * Binds the current address space, which backs the guest's memory, and its owner, whose
 * RLIMIT_MEMLOCK and CAP_IPC_LOCK (as it has it now) hold for what gets pinned, in whatever
 * thread.
 *
 * Context: process with an address space, may sleep.
 * Return: the partition, without regions and channels, for vmbus_partition_put(); or
 * ERR_PTR of -EINVAL (no address space), -EAGAIN (the user has too many that are not
 * freed yet) or -ENOMEM.
 */
struct vmbus_partition *vmbus_partition_create(const struct vmbus_partition_ops *ops,
					       void *priv)
{
	struct vmbus_partition *p;
	int ret;

	p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	if (!p)
		return ERR_PTR(-ENOMEM);
	p->user = gpadl_user_add_partition();
	if (IS_ERR(p->user)) {
		ret = PTR_ERR(p->user);
		goto err_free;
	}
	ret = partition_init(p);
	if (ret)
		goto err_user;

	__module_get(ops->owner);
	refcount_set(&p->ref, 1);
	p->ops = ops;
	p->priv = priv;
	mutex_init(&p->rx_mutex);
	xa_init_flags(&p->channels, XA_FLAGS_ACCOUNT);
	INIT_LIST_HEAD(&p->all_channels);
	xa_init_flags(&p->handles, XA_FLAGS_ACCOUNT);
	init_waitqueue_head(&p->idle);
	INIT_DELAYED_WORK(&p->stuck_work, partition_stuck_work);
	INIT_WORK(&p->clear_work, partition_clear_work);
	INIT_WORK(&p->free_work, partition_free_work);
	gpadl_debugfs_add(p);
	return p;

err_user:
	gpadl_user_remove_partition(p->user);
err_free:
	kfree(p);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_NS_GPL(vmbus_partition_create, VMBUS_GPADL_NS);

/* Called with rx_mutex held. */
static void partition_teardown_gpadls(struct vmbus_partition *p)
{
	struct vmbus_gpadl_channel *chan;

	/* Those that were put, and that a mapped GPADL still holds, as well. */
	list_for_each_entry(chan, &p->all_channels, node)
		gpadl_channel_teardown(chan, true);
	gpadl_reply_purge_all(&p->replies);
}

/**
 * vmbus_partition_put() - The channel layer lets a partition go
 * @p: the partition
 *
 * GPADLs that are not mapped go at once, without a reply; those that are mapped are
 * revoked, and hold what they need until they are unmapped; resident regions are unpinned
 * soon, but for those with pages that are mapped. ops->release() tells when all is gone.
 * Channels are to be put too, before or after.
 *
 * Context: process. Never waits for a backend or for the VMM.
 */
void vmbus_partition_put(struct vmbus_partition *p)
{
	mutex_lock(&p->rx_mutex);
	p->dead = true;
	partition_teardown_gpadls(p);
	mutex_unlock(&p->rx_mutex);
	/* The reference goes with it. */
	queue_work(p->drop_wq, &p->clear_work);
}
EXPORT_SYMBOL_NS_GPL(vmbus_partition_put, VMBUS_GPADL_NS);

/**
 * vmbus_partition_is_current() - Is the partition bound to the current address space?
 * @p: the partition
 *
 * Context: any.
 * Return: true if so.
 */
bool vmbus_partition_is_current(const struct vmbus_partition *p)
{
	return current->mm == p->mem.mm;
}
EXPORT_SYMBOL_NS_GPL(vmbus_partition_is_current, VMBUS_GPADL_NS);

/**
 * vmbus_partition_set_regions() - Add, replace and remove regions of guest memory
 * @p: the partition
 * @changes: what to change, each slot once at most
 * @nr: number of entries in @changes
 * @flags: VMBUS_GPA_REGIONS_RETIRE, or 0
 *
 * All or none. An entry equal to what is there is no change; of a resident region, what
 * the VMM has changed there since is pinned anew. GPADLs that are not mapped do not keep a
 * region: a later map finds what is there then. Those that are mapped keep the addresses of
 * their pages: a region can be split, merged with others, or overlaid, around them.
 *
 * A region with VMBUS_GPA_REGION_RESIDENT is pinned, for writing unless it is read-only,
 * before any of the change is done. A page that another such region has pinned (both for
 * writing, or both not) is neither pinned nor charged again.
 *
 * Context: process, may sleep.
 *
 * Return:
 *   * 0
 *   * %-EINVAL: slot too large or named twice; gpa, bytes or hva not a multiple of
 *     PAGE_SIZE, or out of the address space
 *   * %-EOPNOTSUPP: unknown flag bit, of a region or in @flags
 *   * %-ENOENT: removal of a slot that is not set
 *   * %-EEXIST: two regions would overlap in guest physical addresses
 *   * %-EBUSY: a page that is mapped would be at another address, or at none, or read-only
 *   * %-ESRCH: a region is to be resident, and the VMM's address space is gone
 *   * %-EFAULT: a region is to be resident, and its memory cannot be pinned
 *   * %-ENOMEM: no memory, or, for a resident region, the owner's RLIMIT_MEMLOCK would be
 *     exceeded
 *   * %-EINTR: fatal signal
 *   * %-ERESTARTNOINTR: another signal came when the first region was to be watched: call
 *     again when it has been handled
 */
int vmbus_partition_set_regions(struct vmbus_partition *p,
				const struct vmbus_gpa_region *changes, unsigned int nr,
				u32 flags)
{
	return gpadl_mem_set_regions(&p->mem, changes, nr, flags);
}
EXPORT_SYMBOL_NS_GPL(vmbus_partition_set_regions, VMBUS_GPADL_NS);

/**
 * vmbus_partition_reset_start() - The guest or its machine has been reset
 * @p: the partition
 *
 * Revokes and forgets every GPADL, and forgets every reply, also of the channel layer's
 * own. Channels and regions stay. When vmbus_partition_is_resetting() says that nothing of
 * that is mapped any more, ops->wake() has been called.
 *
 * Context: process. Never waits for a backend or for the VMM.
 */
void vmbus_partition_reset_start(struct vmbus_partition *p)
{
	mutex_lock(&p->rx_mutex);
	partition_teardown_gpadls(p);
	mutex_unlock(&p->rx_mutex);
	gpadl_partition_wake(p);
}
EXPORT_SYMBOL_NS_GPL(vmbus_partition_reset_start, VMBUS_GPADL_NS);

/**
 * vmbus_partition_is_resetting() - Is a GPADL mapped that a reset has found?
 * @p: the partition
 *
 * Not one that the guest has made since: it could make the wait endless.
 *
 * Context: any.
 * Return: true if so.
 */
bool vmbus_partition_is_resetting(const struct vmbus_partition *p)
{
	return atomic_read(&p->nr_resetting);
}
EXPORT_SYMBOL_NS_GPL(vmbus_partition_is_resetting, VMBUS_GPADL_NS);

/**
 * vmbus_partition_reset() - The guest or its machine has been reset
 * @p: the partition
 *
 * Does what vmbus_partition_reset_start() does, and waits until
 * vmbus_partition_is_resetting() is false.
 *
 * Context: process, may sleep for as long as a backend likes.
 * Return: 0; -EINTR on a fatal signal: ask again.
 */
int vmbus_partition_reset(struct vmbus_partition *p)
{
	vmbus_partition_reset_start(p);
	return gpadl_wait_killable(p, &p->nr_resetting);
}
EXPORT_SYMBOL_NS_GPL(vmbus_partition_reset, VMBUS_GPADL_NS);

/**
 * vmbus_partition_pin_page() - Pin a page of the VMM for the channel layer to write to
 * @p: the partition
 * @hva: an address in the page
 * @page: the page, for vmbus_partition_unpin_page()
 *
 * Charged to the owner like the pages of a GPADL.
 *
 * Context: process, may sleep for as long as the VMM likes.
 * Return: 0; -ESRCH, -EFAULT, -ENOMEM or -EINTR as vmbus_gpadl_map().
 */
int vmbus_partition_pin_page(struct vmbus_partition *p, unsigned long hva,
			     struct page **page)
{
	return gpadl_mem_pin_page(&p->mem, hva, page);
}
EXPORT_SYMBOL_NS_GPL(vmbus_partition_pin_page, VMBUS_GPADL_NS);

/**
 * vmbus_partition_unpin_page() - Undo vmbus_partition_pin_page()
 * @p: the partition
 * @page: the page
 *
 * Context: process, may sleep.
 */
void vmbus_partition_unpin_page(struct vmbus_partition *p, struct page *page)
{
	gpadl_mem_unpin_page(&p->mem, page);
}
EXPORT_SYMBOL_NS_GPL(vmbus_partition_unpin_page, VMBUS_GPADL_NS);
