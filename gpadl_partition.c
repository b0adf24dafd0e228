// SPDX-License-Identifier: GPL-2.0
/*
 * Partitions, their channels, and the messages of their guests.
 *
 * A partition is one guest. Its channel layer owns it, and its channels, by one
 * reference each. Putting them never waits: what is mapped is revoked, the rest goes at
 * once, and the last mapping that a backend gives back frees what it held.
 *
 * The guest's messages come one at a time (rx_mutex). Each is decoded into a copy of its
 * fixed part, and gets a free reply slot before anything is changed; so there is always
 * room for an answer, and a guest whose replies nobody reads is told to come back.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/export.h>
#include <linux/idr.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "compat.h"
#include "gpadl_priv.h"
#include "gpadl_trace.h"

/* Frees what has no reference left, and complains of what is stuck. */
struct workqueue_struct *gpadl_wq;

static DEFINE_IDA(partition_ids);
static atomic_t nr_partitions = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(no_partition);

/* A mapped GPADL that is wanted back for longer is worth a line in the log. */
#define STUCK_SECONDS	10

/* ---- Limits ---- */

#define LIMIT_GPADLS	131072
/*
 * Each pin of a small page takes 1024 of its reference count, which is negative from
 * 2^21 pins on; a guest may name one page in all of its GPADLs.
 */
#define LIMIT_PAGES	1048576
#define LIMIT_CHANNELS	2048

/**
 * struct limit - a limit that can be changed at run time
 * @value: in force; what there is already may be over it
 * @most: largest value that can be set
 */
struct limit {
	unsigned int value;
	unsigned int most;
};

static struct limit max_gpadls = { .value = 4096, .most = LIMIT_GPADLS };
static struct limit max_pages = { .value = 524288, .most = LIMIT_PAGES };
static struct limit max_channels = { .value = 2048, .most = LIMIT_CHANNELS };

static int limit_set(const char *val, const struct kernel_param *kp)
{
	struct limit *limit = kp->arg;
	unsigned int value;
	int ret;

	ret = kstrtouint(val, 0, &value);
	if (ret)
		return ret;
	if (!value || value > limit->most)
		return -EINVAL;
	WRITE_ONCE(limit->value, value);
	return 0;
}

static int limit_get(char *buf, const struct kernel_param *kp)
{
	const struct limit *limit = kp->arg;

	return sysfs_emit(buf, "%u\n", READ_ONCE(limit->value));
}

static const struct kernel_param_ops limit_ops = {
	.set = limit_set,
	.get = limit_get,
};

module_param_cb(max_gpadls, &limit_ops, &max_gpadls, 0644);
MODULE_PARM_DESC(max_gpadls, "GPADLs of a partition (default 4096, at most 131072)");
module_param_cb(max_pages, &limit_ops, &max_pages, 0644);
MODULE_PARM_DESC(max_pages,
		 "4 KiB pages that the GPADLs of a partition describe (default 524288, at most 1048576)");
module_param_cb(max_channels, &limit_ops, &max_channels, 0644);
MODULE_PARM_DESC(max_channels, "channels of a partition (default 2048, at most 2048)");

/* ---- Lifetime ---- */

static void partition_free_work(struct work_struct *work)
{
	struct vmbus_partition *p =
		container_of(work, struct vmbus_partition, free_work);

	gpadl_debugfs_remove(p);
	WARN_ON_ONCE(!xa_empty(&p->channels) || !xa_empty(&p->handles));
	gpadl_reply_queue_destroy(&p->replies);
	gpadl_mem_destroy(&p->mem);
	if (p->ops->release)
		p->ops->release(p->priv);
	ida_free(&partition_ids, p->id);
	kfree(p);
	if (atomic_dec_and_test(&nr_partitions))
		wake_up_all(&no_partition);
}

static void partition_get(struct vmbus_partition *p)
{
	refcount_inc(&p->ref);
}

static void partition_unref(struct vmbus_partition *p)
{
	if (refcount_dec_and_test(&p->ref))
		queue_work(gpadl_wq, &p->free_work);
}

static void channel_free_work(struct work_struct *work)
{
	struct vmbus_gpadl_channel *chan =
		container_of(work, struct vmbus_gpadl_channel, free_work);
	struct vmbus_partition *p = chan->p;

	/* Waits for work that is queued or running; nobody queues more. */
	destroy_workqueue(chan->wq);
	WARN_ON_ONCE(!xa_empty(&chan->gpadls));
	mutex_lock(&p->rx_mutex);
	list_del(&chan->node);
	mutex_unlock(&p->rx_mutex);
	if (chan->ops->release)
		chan->ops->release(chan->priv);
	kfree(chan);
	partition_unref(p);
}

void channel_put(struct vmbus_gpadl_channel *chan)
{
	if (refcount_dec_and_test(&chan->ref))
		queue_work(gpadl_wq, &chan->free_work);
}

/* ---- GPADLs that are wanted back ---- */

static void channel_revoke_work(struct work_struct *work)
{
	struct vmbus_gpadl_channel *chan =
		container_of(work, struct vmbus_gpadl_channel, revoke_work);

	gpadl_tell_revoked(chan);
	channel_put(chan);
}

/* Under a GPADL's lock: that GPADL holds the channel. */
void channel_queue_revoke(struct vmbus_gpadl_channel *chan)
{
	refcount_inc(&chan->ref);
	if (!queue_work(chan->wq, &chan->revoke_work))
		channel_put(chan);
}

/* Under a GPADL's lock. Allocates nothing. */
void partition_watch_revoked(struct vmbus_partition *p)
{
	atomic_inc(&p->nr_revoked);
	partition_get(p);
	if (!queue_delayed_work(gpadl_wq, &p->stuck_work, STUCK_SECONDS * HZ))
		partition_unref(p);
}

void partition_unwatch_revoked(struct vmbus_partition *p)
{
	if (!atomic_dec_and_test(&p->nr_revoked) || !cancel_delayed_work(&p->stuck_work))
		return;
	/*
	 * Whoever counted itself meanwhile found this work queued, and relies on it. The
	 * reference goes with the work; if that is queued again already, it has its own.
	 */
	if (!atomic_read(&p->nr_revoked) ||
	    !queue_delayed_work(gpadl_wq, &p->stuck_work, STUCK_SECONDS * HZ))
		partition_unref(p);
}

static void channel_show_stuck(struct vmbus_gpadl_channel *chan)
{
	unsigned long handle = 0, age;
	struct gpadl *g;
	bool stuck;

	while ((g = gpadl_next(chan, &handle))) {
		spin_lock(&g->lock);
		age = (jiffies - g->since) / HZ;
		stuck = g->revoked && age >= STUCK_SECONDS;
		spin_unlock(&g->lock);
		if (stuck)
			pr_warn_ratelimited("partition %d, channel %u: GPADL %#x is still mapped %lu s after it was asked for\n",
					    chan->p->id, chan->relid, g->handle, age);
		gpadl_put(g);
	}
}

static void partition_stuck_work(struct work_struct *work)
{
	struct vmbus_partition *p = container_of(to_delayed_work(work),
						 struct vmbus_partition, stuck_work);
	struct vmbus_gpadl_channel *chan;

	mutex_lock(&p->rx_mutex);
	list_for_each_entry(chan, &p->all_channels, node)
		channel_show_stuck(chan);
	mutex_unlock(&p->rx_mutex);

	if (atomic_read(&p->nr_revoked)) {
		partition_get(p);
		if (!queue_delayed_work(gpadl_wq, &p->stuck_work, STUCK_SECONDS * HZ))
			partition_unref(p);
	}
	partition_unref(p);
}

/* Called with rx_mutex held. The guest hears no more of these. */
static void channel_drop_gpadls(struct vmbus_gpadl_channel *chan, bool reset)
{
	unsigned long handle = 0;
	struct gpadl *g;

	lockdep_assert_held(&chan->p->rx_mutex);
	while ((g = gpadl_next(chan, &handle))) {
		gpadl_drop(g, reset);
		gpadl_put(g);
		/* There may be LIMIT_GPADLS of them. */
		cond_resched();
	}
	/* One that an unmap has just taken out was not met: its reply is still to be. */
	gpadl_wait_dying(chan);
}

/* The same, and the replies that wait in the queue go. */
static void channel_drop_all(struct vmbus_gpadl_channel *chan)
{
	channel_drop_gpadls(chan, false);
	gpadl_reply_purge(&chan->p->replies, chan);
}

static int wait_killable(struct vmbus_partition *p, const atomic_t *nr)
{
	return wait_event_killable(p->idle, !atomic_read(nr)) ? -EINTR : 0;
}

static void partition_wake(struct vmbus_partition *p)
{
	p->ops->wake(p->priv);
}

/* ---- Partitions ---- */

static int partition_init(struct vmbus_partition *p)
{
	int ret;

	ret = gpadl_mem_init(&p->mem);
	if (ret)
		return ret;
	ret = gpadl_reply_queue_init(&p->replies);
	if (ret)
		goto err_mem;
	ret = ida_alloc(&partition_ids, GFP_KERNEL);
	if (ret < 0)
		goto err_replies;
	p->id = ret;
	return 0;

err_replies:
	gpadl_reply_queue_destroy(&p->replies);
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
 * RLIMIT_MEMLOCK and CAP_IPC_LOCK (as it has it now) hold for what gets pinned, whoever
 * asks for it.
 *
 * Context: process with an address space, may sleep.
 * Return: the partition, without regions and channels, for vmbus_partition_put(); or
 * ERR_PTR of -EINVAL (no address space) or -ENOMEM.
 */
struct vmbus_partition *vmbus_partition_create(const struct vmbus_partition_ops *ops,
					       void *priv)
{
	struct vmbus_partition *p;
	int ret;

	p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	if (!p)
		return ERR_PTR(-ENOMEM);
	ret = partition_init(p);
	if (ret) {
		kfree(p);
		return ERR_PTR(ret);
	}

	refcount_set(&p->ref, 1);
	p->ops = ops;
	p->priv = priv;
	mutex_init(&p->rx_mutex);
	xa_init_flags(&p->channels, XA_FLAGS_ACCOUNT);
	INIT_LIST_HEAD(&p->all_channels);
	xa_init_flags(&p->handles, XA_FLAGS_ACCOUNT);
	init_waitqueue_head(&p->idle);
	INIT_DELAYED_WORK(&p->stuck_work, partition_stuck_work);
	INIT_WORK(&p->free_work, partition_free_work);
	atomic_inc(&nr_partitions);
	gpadl_debugfs_add(p);
	return p;
}
EXPORT_SYMBOL_NS_GPL(vmbus_partition_create, VMBUS_GPADL_NS);

/* Called with rx_mutex held. */
static void partition_drop_gpadls(struct vmbus_partition *p)
{
	struct vmbus_gpadl_channel *chan;

	/* Those that were put, and that a mapped GPADL still holds, as well. */
	list_for_each_entry(chan, &p->all_channels, node)
		channel_drop_gpadls(chan, true);
	gpadl_reply_purge(&p->replies, NULL);
}

/**
 * vmbus_partition_put() - The channel layer lets a partition go
 * @p: the partition
 *
 * GPADLs that are not mapped go at once, without a reply; those that are mapped are
 * revoked, and hold what they need until they are unmapped. ops->release() tells when
 * all is gone. Channels are to be put too, before or after.
 *
 * Context: process. Never waits for a backend or for the VMM.
 */
void vmbus_partition_put(struct vmbus_partition *p)
{
	mutex_lock(&p->rx_mutex);
	p->dead = true;
	partition_drop_gpadls(p);
	mutex_unlock(&p->rx_mutex);
	partition_unref(p);
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
 *
 * All or none. An entry equal to what is there is no change. GPADLs that are not mapped
 * do not keep a region: a later map finds what is there then.
 *
 * A region with VMBUS_GPA_REGION_RESIDENT is pinned, for writing unless it is read-only,
 * before any of the change is done. What takes the place of such a region is pinned while
 * that still is.
 *
 * Context: process, may sleep.
 *
 * Return: 0, or
 *
 * * %-EINVAL: slot too large or named twice; gpa, bytes or hva not a multiple of
 *   PAGE_SIZE, or out of the address space
 * * %-EOPNOTSUPP: unknown flag bit
 * * %-ENOENT: removal of a slot that is not set
 * * %-EEXIST: two regions would overlap in guest physical addresses
 * * %-EBUSY: a region to be replaced or removed has mapped pages
 * * %-ESRCH: a region is to be resident, and the VMM's address space is gone
 * * %-EFAULT: a region is to be resident, and its memory cannot be pinned
 * * %-ENOMEM: no memory, or, for a resident region, the owner's RLIMIT_MEMLOCK would be
 *   exceeded
 * * %-EINTR: fatal signal
 */
int vmbus_partition_set_regions(struct vmbus_partition *p,
				const struct vmbus_gpa_region *changes, unsigned int nr)
{
	return gpadl_mem_set_regions(&p->mem, changes, nr);
}
EXPORT_SYMBOL_NS_GPL(vmbus_partition_set_regions, VMBUS_GPADL_NS);

/**
 * vmbus_partition_reset() - The guest or its machine has been reset
 * @p: the partition
 *
 * Revokes and forgets every GPADL, and forgets every reply, also of the channel layer's
 * own. Channels and regions stay. Waits until nothing of that is mapped; not for what the
 * guest makes meanwhile, who could have it wait for ever.
 *
 * Context: process, may sleep for as long as a backend likes.
 * Return: 0; -EINTR on a fatal signal: ask again.
 */
int vmbus_partition_reset(struct vmbus_partition *p)
{
	mutex_lock(&p->rx_mutex);
	partition_drop_gpadls(p);
	mutex_unlock(&p->rx_mutex);
	partition_wake(p);
	return wait_killable(p, &p->nr_resetting);
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

/* ---- Channels ---- */

static int channel_insert(struct vmbus_gpadl_channel *chan)
{
	struct vmbus_partition *p = chan->p;
	int ret;

	guard(mutex)(&p->rx_mutex);
	if (p->dead)
		return -ENODEV;
	if (p->nr_channels >= READ_ONCE(max_channels.value))
		return -ENOSPC;
	ret = xa_insert(&p->channels, chan->relid, chan, GFP_KERNEL_ACCOUNT);
	if (ret)
		return ret;
	p->nr_channels++;
	list_add_tail(&chan->node, &p->all_channels);
	partition_get(p);
	return 0;
}

/**
 * vmbus_gpadl_channel_create() - Add a channel to a partition
 * @p: the partition
 * @relid: its number in VMBus messages
 * @ops: what it asks of its channel layer
 * @priv: passed to @ops
 *
 * Context: process, may sleep.
 * Return: the channel, for vmbus_gpadl_channel_put(); or ERR_PTR of -EBUSY (there is one
 * with that @relid), -ENOSPC (too many), -ENODEV (the partition was put), -ENOMEM.
 */
struct vmbus_gpadl_channel *
vmbus_gpadl_channel_create(struct vmbus_partition *p, u32 relid,
			   const struct vmbus_gpadl_channel_ops *ops, void *priv)
{
	struct vmbus_gpadl_channel *chan;
	int ret;

	chan = kzalloc(sizeof(*chan), GFP_KERNEL_ACCOUNT);
	if (!chan)
		return ERR_PTR(-ENOMEM);
	refcount_set(&chan->ref, 1);
	chan->relid = relid;
	chan->p = p;
	chan->ops = ops;
	chan->priv = priv;
	xa_init_flags(&chan->gpadls, XA_FLAGS_ACCOUNT);
	INIT_WORK(&chan->revoke_work, channel_revoke_work);
	INIT_WORK(&chan->free_work, channel_free_work);
	chan->wq = alloc_ordered_workqueue("vmbus/%d.%u", 0, p->id, relid);
	if (!chan->wq) {
		ret = -ENOMEM;
		goto err_free;
	}
	ret = channel_insert(chan);
	if (ret)
		goto err_wq;
	return chan;

err_wq:
	destroy_workqueue(chan->wq);
err_free:
	kfree(chan);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_channel_create, VMBUS_GPADL_NS);

/**
 * vmbus_gpadl_channel_priv() - What the channel layer gave for itself
 * @chan: the channel
 *
 * Context: any.
 * Return: the priv of vmbus_gpadl_channel_create().
 */
void *vmbus_gpadl_channel_priv(const struct vmbus_gpadl_channel *chan)
{
	return chan->priv;
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_channel_priv, VMBUS_GPADL_NS);

/**
 * vmbus_gpadl_channel_queue_work() - Queue work in the order of the channel
 * @chan: the channel, held by the caller
 * @work: the work
 *
 * A channel's work, revoke() included, runs one item at a time, in the order in which
 * it was queued; other channels' work does not wait for it. What is queued when the
 * channel is put still runs, before ops->release().
 *
 * Context: any.
 * Return: false if @work was queued already.
 */
bool vmbus_gpadl_channel_queue_work(struct vmbus_gpadl_channel *chan,
				    struct work_struct *work)
{
	return queue_work(chan->wq, work);
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_channel_queue_work, VMBUS_GPADL_NS);

/**
 * vmbus_gpadl_channel_is_busy() - Is a GPADL of the channel mapped?
 * @chan: the channel
 *
 * Context: any.
 * Return: true if one is, or is being mapped or unmapped.
 */
bool vmbus_gpadl_channel_is_busy(const struct vmbus_gpadl_channel *chan)
{
	return atomic_read(&chan->nr_busy);
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_channel_is_busy, VMBUS_GPADL_NS);

/**
 * vmbus_gpadl_channel_rescind() - Take a channel's GPADLs back, for good
 * @chan: the channel
 *
 * From now on vmbus_gpadl_map() refuses (-ESHUTDOWN). What is mapped is revoked; this
 * waits until nothing is. Only then may the guest be told (RESCIND_CHANNELOFFER): Linux
 * sends no GPADL_TEARDOWN after it and may free the memory. The guest is answered as
 * before until vmbus_gpadl_channel_release().
 *
 * Context: process, may sleep for as long as a backend likes.
 * Return: 0; -EINTR on a fatal signal: ask again.
 */
int vmbus_gpadl_channel_rescind(struct vmbus_gpadl_channel *chan)
{
	unsigned long handle = 0;
	struct gpadl *g;

	mutex_lock(&chan->p->rx_mutex);
	/*
	 * Before the walk: who takes a GPADL's lock after the walk has, sees it; who took
	 * it before is seen by the walk, and counted in nr_busy.
	 */
	WRITE_ONCE(chan->closing, true);
	while ((g = gpadl_next(chan, &handle))) {
		gpadl_rescind(g);
		gpadl_put(g);
	}
	mutex_unlock(&chan->p->rx_mutex);
	return wait_killable(chan->p, &chan->nr_busy);
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_channel_rescind, VMBUS_GPADL_NS);

/**
 * vmbus_gpadl_channel_release() - The guest has released a channel (RELID_RELEASED)
 * @chan: the channel
 *
 * Its GPADLs go, at once or when they are unmapped; no reply to the guest is left or
 * comes. A channel that was not rescinded can be offered and used again; one that was is
 * not there any more for the guest.
 *
 * Context: process. Never waits for a backend or for the VMM.
 */
void vmbus_gpadl_channel_release(struct vmbus_gpadl_channel *chan)
{
	mutex_lock(&chan->p->rx_mutex);
	channel_drop_all(chan);
	chan->released = chan->closing;
	mutex_unlock(&chan->p->rx_mutex);
	partition_wake(chan->p);
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_channel_release, VMBUS_GPADL_NS);

/**
 * vmbus_gpadl_channel_put() - The channel layer lets a channel go
 * @chan: the channel
 *
 * Does what vmbus_gpadl_channel_release() does. The relid is free when this returns.
 * ops->release() tells when nothing of the channel is left.
 *
 * Context: process. Never waits for a backend or for the VMM.
 */
void vmbus_gpadl_channel_put(struct vmbus_gpadl_channel *chan)
{
	mutex_lock(&chan->p->rx_mutex);
	WRITE_ONCE(chan->closing, true);
	channel_drop_all(chan);
	xa_erase(&chan->p->channels, chan->relid);
	chan->p->nr_channels--;
	mutex_unlock(&chan->p->rx_mutex);
	partition_wake(chan->p);
	channel_put(chan);
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_channel_put, VMBUS_GPADL_NS);

/* ---- Replies ---- */

/**
 * vmbus_partition_next_reply() - Fetch the oldest message for the guest
 * @p: the partition
 * @buf: where it goes
 * @len: size of @buf, at least VMBUS_GPADL_MAX_REPLY bytes
 *
 * Context: process, may sleep.
 * Return: length of the message in bytes; -EAGAIN if there is none; -EMSGSIZE if @buf is
 * too small: no message is lost.
 */
int vmbus_partition_next_reply(struct vmbus_partition *p, void *buf, size_t len)
{
	int ret = gpadl_reply_next(&p->replies, buf, len);

	/* A slot may have become free. */
	if (ret > 0)
		partition_wake(p);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(vmbus_partition_next_reply, VMBUS_GPADL_NS);

/**
 * vmbus_partition_peek_reply() - Look at the oldest message for the guest
 * @p: the partition
 * @reply: where a copy goes
 *
 * It stays in the queue, until vmbus_partition_take_reply(), or until its channel is
 * released or the partition reset. Who peeks serialises that with who takes.
 *
 * Context: process, also under a spinlock.
 * Return: 0; -EAGAIN if there is none.
 */
int vmbus_partition_peek_reply(struct vmbus_partition *p,
			       struct vmbus_partition_reply *reply)
{
	return gpadl_reply_peek(&p->replies, reply);
}
EXPORT_SYMBOL_NS_GPL(vmbus_partition_peek_reply, VMBUS_GPADL_NS);

/**
 * vmbus_partition_take_reply() - A message for the guest has been delivered
 * @p: the partition
 * @id: which one, as vmbus_partition_peek_reply() said
 *
 * Nothing happens if it is not there any more.
 *
 * Context: process, may sleep.
 */
void vmbus_partition_take_reply(struct vmbus_partition *p, u64 id)
{
	/* A slot may have become free. */
	if (gpadl_reply_take(&p->replies, id))
		partition_wake(p);
}
EXPORT_SYMBOL_NS_GPL(vmbus_partition_take_reply, VMBUS_GPADL_NS);

/**
 * vmbus_partition_poll() - What can be done without waiting
 * @p: the partition
 *
 * Context: any.
 * Return: set of &enum vmbus_partition_events.
 */
unsigned int vmbus_partition_poll(struct vmbus_partition *p)
{
	unsigned int events = 0;

	if (gpadl_reply_readable(&p->replies))
		events |= VMBUS_PARTITION_READABLE;
	if (gpadl_reply_writable(&p->replies))
		events |= VMBUS_PARTITION_WRITABLE;
	return events;
}
EXPORT_SYMBOL_NS_GPL(vmbus_partition_poll, VMBUS_GPADL_NS);

/**
 * vmbus_partition_reserve_reply() - Reserve room for a reply of the channel layer's own
 * @p: the partition
 *
 * To be done before the guest's message is looked at.
 *
 * Context: process, also under a spinlock.
 * Return: to be queued or cancelled exactly once; NULL if there is no room.
 */
struct gpadl_reply *vmbus_partition_reserve_reply(struct vmbus_partition *p)
{
	return gpadl_reply_reserve(&p->replies);
}
EXPORT_SYMBOL_NS_GPL(vmbus_partition_reserve_reply, VMBUS_GPADL_NS);

/**
 * vmbus_partition_queue_reply() - Queue a reply of the channel layer's own
 * @chan: channel that it is about: if that is released, the reply goes
 * @r: what vmbus_partition_reserve_reply() returned
 * @msg: the message
 * @len: its length in bytes, VMBUS_GPADL_MAX_REPLY at most
 *
 * Context: process, also under a spinlock.
 */
void vmbus_partition_queue_reply(struct vmbus_gpadl_channel *chan, struct gpadl_reply *r,
				 const void *msg, size_t len)
{
	r->chan = chan;
	r->len = min_t(size_t, len, sizeof(r->msg));
	memcpy(r->msg, msg, r->len);
	gpadl_reply_post(&chan->p->replies, r);
	partition_wake(chan->p);
}
EXPORT_SYMBOL_NS_GPL(vmbus_partition_queue_reply, VMBUS_GPADL_NS);

/**
 * vmbus_partition_cancel_reply() - Give reserved room back
 * @p: the partition
 * @r: what vmbus_partition_reserve_reply() returned
 *
 * Context: process, also under a spinlock.
 */
void vmbus_partition_cancel_reply(struct vmbus_partition *p, struct gpadl_reply *r)
{
	gpadl_reply_cancel(&p->replies, r);
	partition_wake(p);
}
EXPORT_SYMBOL_NS_GPL(vmbus_partition_cancel_reply, VMBUS_GPADL_NS);

/* ---- Messages of the guest ---- */

void gpadl_count(struct vmbus_partition *p, u32 relid, u32 handle,
		 enum gpadl_reason reason)
{
	atomic_inc(&p->counts[reason]);
	trace_vmbus_gpadl_reject(p->id, relid, handle, reason);
}

/**
 * struct rx - a message being received
 * @p: the partition
 * @msg: the message, decoded
 * @slot: slot for a reply that belongs to no object; NULL once used
 * @read_only: VMBUS_GPADL_RECEIVE_READ_ONLY
 */
struct rx {
	struct vmbus_partition *p;
	struct gpadl_wire_msg msg;
	struct gpadl_reply *slot;
	bool read_only;
};

static int rx_refuse(struct rx *rx, enum gpadl_reason reason, int ret)
{
	gpadl_count(rx->p, rx->msg.relid, rx->msg.handle, reason);
	return ret;
}

static void rx_reply(struct rx *rx, const struct vmbus_gpadl_channel *chan)
{
	rx->slot->chan = chan;
	gpadl_reply_post(&rx->p->replies, rx->slot);
	rx->slot = NULL;
	partition_wake(rx->p);
}

/* A HEADER that makes no GPADL: the reply takes the slot. */
static int rx_reject_header(struct rx *rx, const struct vmbus_gpadl_channel *chan,
			    enum gpadl_reason reason, u32 status)
{
	gpadl_count(rx->p, chan->relid, rx->msg.handle, reason);
	rx->slot->len = gpadl_wire_created(rx->slot->msg, chan->relid, rx->msg.handle,
					   status);
	rx_reply(rx, chan);
	return 0;
}

static struct vmbus_gpadl_channel *rx_find_channel(struct rx *rx)
{
	struct vmbus_gpadl_channel *chan;

	lockdep_assert_held(&rx->p->rx_mutex);
	chan = xa_load(&rx->p->channels, rx->msg.relid);
	return chan && !chan->released ? chan : NULL;
}

/* What is known of a handle in the whole partition. */
struct rx_handle {
	struct gpadl *here;		/* on the channel in question, held */
	struct gpadl *assembling;	/* on whatever channel, held */
	bool elsewhere;			/* on another channel */
	bool leaving;			/* being torn down on whatever channel */
};

static struct rx_handle rx_find_handle(struct rx *rx, struct vmbus_gpadl_channel *chan)
{
	struct rx_handle found = {};
	struct gpadl *g;

	/*
	 * Under the xarray's lock: an unmap may just take one out of the list. What is in
	 * the list has the tables' reference. Nobody but us makes one leave (rx_mutex).
	 */
	xa_lock(&rx->p->handles);
	for (g = xa_load(&rx->p->handles, rx->msg.handle); g; g = g->same_handle) {
		if (g->chan == chan)
			found.here = g;
		else
			found.elsewhere = true;
		/* A backend may be at it; but this state comes and goes under rx_mutex. */
		if (data_race(g->state) == GPADL_ASSEMBLING)
			found.assembling = g;
		if (READ_ONCE(g->leaving))
			found.leaving = true;
	}
	if (found.here)
		refcount_inc(&found.here->ref);
	if (found.assembling)
		refcount_inc(&found.assembling->ref);
	xa_unlock(&rx->p->handles);
	return found;
}

static void rx_handle_put(struct rx_handle *found)
{
	if (found->here)
		gpadl_put(found->here);
	if (found->assembling)
		gpadl_put(found->assembling);
}

static bool rx_handle_taken(struct rx *rx, struct vmbus_gpadl_channel *chan)
{
	struct rx_handle found = rx_find_handle(rx, chan);
	bool taken = found.here || found.assembling || found.leaving;

	rx_handle_put(&found);
	return taken;
}

static bool rx_over_limit(struct rx *rx)
{
	u32 pages = rx->msg.range_buflen / sizeof(u64) - rx->msg.rangecount;

	return atomic_read(&rx->p->nr_gpadls) >= READ_ONCE(max_gpadls.value) ||
	       atomic_read(&rx->p->nr_pages) + pages > READ_ONCE(max_pages.value);
}

static int rx_header(struct rx *rx)
{
	struct vmbus_gpadl_channel *chan = rx_find_channel(rx);
	enum gpadl_wire_verdict verdict;
	struct gpadl *g;

	if (!chan)
		return rx_refuse(rx, GPADL_REASON_NO_CHANNEL, -ENXIO);
	verdict = gpadl_wire_check_header(&rx->msg);
	if (verdict != GPADL_WIRE_OK)
		return rx_reject_header(rx, chan, gpadl_verdict_reason(verdict),
					GPADL_STATUS_INVALID_PARAMETER);
	if (rx_handle_taken(rx, chan))
		return rx_reject_header(rx, chan, GPADL_REASON_COLLISION,
					GPADL_STATUS_OBJECT_NAME_COLLISION);
	if (rx_over_limit(rx))
		return rx_reject_header(rx, chan, GPADL_REASON_QUOTA,
					GPADL_STATUS_QUOTA_EXCEEDED);
	g = gpadl_create(chan, &rx->msg, rx->read_only);
	if (!g)
		return rx_reject_header(rx, chan, GPADL_REASON_NO_MEMORY,
					GPADL_STATUS_INSUFFICIENT_RESOURCES);
	gpadl_add(g, &rx->msg);
	return 0;
}

static int rx_body(struct rx *rx)
{
	struct rx_handle found = rx_find_handle(rx, NULL);

	if (!found.assembling)
		return rx_refuse(rx, GPADL_REASON_NO_HEADER, -ENOENT);
	gpadl_add(found.assembling, &rx->msg);
	rx_handle_put(&found);
	return 0;
}

static int rx_teardown(struct rx *rx)
{
	struct vmbus_gpadl_channel *chan = rx_find_channel(rx);
	struct rx_handle found;
	bool answered;

	if (!chan)
		return rx_refuse(rx, GPADL_REASON_NO_CHANNEL, -ENXIO);
	found = rx_find_handle(rx, chan);
	answered = found.here && gpadl_teardown(found.here);
	rx_handle_put(&found);
	if (answered)
		return 0;
	if (found.elsewhere)
		return rx_refuse(rx, GPADL_REASON_OTHER_CHANNEL, 0);

	rx->slot->len = gpadl_wire_torndown(rx->slot->msg, rx->msg.handle);
	rx_reply(rx, chan);
	return 0;
}

static int rx_dispatch(struct rx *rx)
{
	switch (rx->msg.type) {
	case GPADL_MSG_HEADER:
		return rx_header(rx);
	case GPADL_MSG_BODY:
		return rx_body(rx);
	default:
		return rx_teardown(rx);
	}
}

static int rx_locked(struct rx *rx)
{
	struct gpadl_mem_account acct;
	int ret;

	rx->slot = gpadl_reply_reserve(&rx->p->replies);
	if (!rx->slot)
		return rx_refuse(rx, GPADL_REASON_NO_SLOT, -EAGAIN);

	gpadl_mem_account_begin(&rx->p->mem, &acct);
	ret = rx_dispatch(rx);
	gpadl_mem_account_end(&acct);

	if (rx->slot && gpadl_reply_cancel(&rx->p->replies, rx->slot))
		partition_wake(rx->p);
	return ret;
}

/**
 * vmbus_partition_receive() - Take a message from the guest
 * @p: the partition
 * @msg: the message, in memory that does not change
 * @len: its length in bytes
 * @flags: VMBUS_GPADL_RECEIVE_READ_ONLY, or 0
 *
 * GPADL_HEADER, GPADL_BODY and GPADL_TEARDOWN. The table of what each input gets stands
 * in Documentation/guest-input.rst: mostly a reply for vmbus_partition_next_reply().
 *
 * Context: process, may sleep, but not for a backend or for the VMM.
 *
 * Return: 0, or, with nothing changed,
 *
 * * %-EBADMSG: shorter than its fixed part, or longer than VMBUS_GPADL_MSG_MAX
 * * %-EOPNOTSUPP: another type of message
 * * %-ENXIO: no channel here has that relid, and no reply goes out
 * * %-ENOENT: a GPADL_BODY for a handle that is not being assembled; no reply goes out
 * * %-EAGAIN: too many replies wait; ops->wake() tells when there is room
 * * %-EINVAL: unknown bit in @flags
 */
int vmbus_partition_receive(struct vmbus_partition *p, const void *msg, size_t len,
			    u32 flags)
{
	struct rx rx = {
		.p = p,
		.read_only = flags & VMBUS_GPADL_RECEIVE_READ_ONLY,
	};
	int ret;

	if (flags & ~VMBUS_GPADL_RECEIVE_READ_ONLY)
		return -EINVAL;
	ret = gpadl_wire_decode(msg, len, &rx.msg);
	if (ret)
		return rx_refuse(&rx, ret == -EBADMSG ? GPADL_REASON_BAD_MESSAGE :
				 GPADL_REASON_NOT_OURS, ret);

	mutex_lock(&p->rx_mutex);
	ret = rx_locked(&rx);
	mutex_unlock(&p->rx_mutex);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(vmbus_partition_receive, VMBUS_GPADL_NS);

/* ---- The module ---- */

/**
 * vmbus_gpadl_flush() - Wait until every release() that is due has returned
 *
 * For the module_exit() of a channel layer, when its last release() has been called: the
 * work item that called it may still have to return.
 *
 * Context: process, may sleep.
 */
void vmbus_gpadl_flush(void)
{
	flush_workqueue(gpadl_wq);
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_flush, VMBUS_GPADL_NS);

static int __init vmbus_gpadl_init(void)
{
	gpadl_wq = alloc_workqueue("vmbus_gpadl", WQ_UNBOUND, 0);
	if (!gpadl_wq)
		return -ENOMEM;
	gpadl_debugfs_init();
	return 0;
}

static void __exit vmbus_gpadl_exit(void)
{
	/* Nobody can call in any more, but some may not be freed yet. */
	wait_event(no_partition, !atomic_read(&nr_partitions));
	destroy_workqueue(gpadl_wq);
	gpadl_debugfs_exit();
	/* Page lists and tables are freed by kvfree_rcu(), which is not module code. */
}

module_init(vmbus_gpadl_init);
module_exit(vmbus_gpadl_exit);

MODULE_DESCRIPTION("Host side of Hyper-V VMBus GPADL mapping");
MODULE_AUTHOR("The vmbus_gpadl_map developers");
MODULE_LICENSE("GPL");
