// SPDX-License-Identifier: GPL-2.0
/*
 * Channels of a partition: made, rescinded, released and put by the channel layer.
 *
 * Putting a channel never waits: what is mapped is revoked, the rest goes at once, and the
 * last mapping that a backend gives back frees what it held.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "compat.h"
#include "gpa_pool.h"
#include "limits.h"
#include "priv.h"
#include "user.h"

/* ---- Lifetime ---- */

static struct vmbus_gpadl_channel *channel_alloc(void)
{
	struct vmbus_gpadl_channel *chan = kzalloc(sizeof(*chan), GFP_KERNEL_ACCOUNT);

	if (!chan)
		return NULL;
	chan->stats = alloc_percpu_gfp(struct gpadl_channel_stats, GFP_KERNEL_ACCOUNT);
	if (!chan->stats) {
		kfree(chan);
		return NULL;
	}
	return chan;
}

static void channel_free(struct vmbus_gpadl_channel *chan)
{
	free_percpu(chan->stats);
	kfree(chan);
}

/*
 * Nothing refers to the channel: nobody queues more of its work. A worker cannot stop
 * itself, and stopping it may have to wait for the VMM: each partition has a work item for that.
 */
static void channel_last_work(struct vmbus_gpadl_work *work)
{
	struct vmbus_gpadl_channel *chan =
		container_of(work, struct vmbus_gpadl_channel, last_work);

	/* The thread that queued this may still be about to wake the worker. */
	queue_rcu_work(chan->p->free_wq, &chan->free_work);
}

static void channel_free_work(struct work_struct *work)
{
	struct vmbus_gpadl_channel *chan =
		container_of(to_rcu_work(work), struct vmbus_gpadl_channel, free_work);
	struct vmbus_partition *p = chan->p;

	gpadl_worker_destroy(&chan->worker);
	WARN_ON_ONCE(!xa_empty(&chan->gpadls));
	/* The channel layer may have queued an answer late. */
	gpadl_reply_purge(&p->replies, &chan->replies);
	mutex_lock(&p->rx_mutex);
	list_del(&chan->node);
	mutex_unlock(&p->rx_mutex);
	if (chan->ops->release)
		chan->ops->release(chan->priv);
	channel_free(chan);
	gpadl_user_remove_channel(p->user);
	gpadl_partition_unref(p);
}

static void channel_revoke_work(struct vmbus_gpadl_work *work)
{
	struct vmbus_gpadl_channel *chan =
		container_of(work, struct vmbus_gpadl_channel, revoke_work);

	gpadl_run_revokes(chan);
	gpadl_channel_unref(chan);
}

/**
 * gpadl_channel_teardown() - Tear down all that a channel has, quietly
 * @chan: the channel
 * @reset: somebody will wait until vmbus_partition.nr_resetting is 0
 *
 * The guest hears no more of these. What is mapped is revoked, and goes when it is unmapped.
 *
 * Context: process, may sleep, but not for a backend or for the VMM; rx_mutex is held.
 */
void gpadl_channel_teardown(struct vmbus_gpadl_channel *chan, bool reset)
{
	unsigned long handle = 0;
	struct gpadl *g;

	lockdep_assert_held(&chan->p->rx_mutex);
	while ((g = gpadl_table_next(chan, &handle))) {
		gpadl_teardown_quietly(g, reset);
		gpadl_put(g);
		/* There may be LIMIT_GPADLS of them. */
		cond_resched();
	}
	/* The walk misses one that an unmap has just taken out: wait for its reply. */
	gpadl_wait_dying(chan);
	gpadl_requests_teardown(chan, reset);
}

/* The same, and the replies that wait in the queue go. */
static void channel_teardown_all(struct vmbus_gpadl_channel *chan)
{
	gpadl_channel_teardown(chan, false);
	gpadl_reply_purge(&chan->p->replies, &chan->replies);
}

/* ---- For the channel layer ---- */

/* Take the relid, so that all that can fail is behind us when the worker is made. */
static int channel_reserve(struct vmbus_gpadl_channel *chan)
{
	struct vmbus_partition *p = chan->p;
	int ret;

	guard(mutex)(&p->rx_mutex);
	if (p->dead)
		return -ENODEV;
	if (p->nr_channels >= gpadl_max_channels())
		return -ENOSPC;
	ret = gpadl_user_add_channel(p->user);
	if (ret)
		return ret;
	ret = xa_insert(&p->channels, chan->relid, NULL, GFP_KERNEL_ACCOUNT);
	if (ret) {
		gpadl_user_remove_channel(p->user);
		return ret;
	}
	p->nr_channels++;
	return 0;
}

static void channel_unreserve(struct vmbus_gpadl_channel *chan)
{
	struct vmbus_partition *p = chan->p;

	guard(mutex)(&p->rx_mutex);
	xa_release(&p->channels, chan->relid);
	p->nr_channels--;
	gpadl_user_remove_channel(p->user);
}

/* From here on the guest's messages find it. */
static void channel_insert(struct vmbus_gpadl_channel *chan)
{
	struct vmbus_partition *p = chan->p;

	guard(mutex)(&p->rx_mutex);
	/* Into the place that is reserved: nothing is allocated. */
	xa_store(&p->channels, chan->relid, chan, GFP_KERNEL_ACCOUNT);
	list_add_tail(&chan->node, &p->all_channels);
	gpadl_partition_get(p);
}

static int channel_start(struct vmbus_gpadl_channel *chan)
{
	char name[TASK_COMM_LEN];
	int ret;

	ret = channel_reserve(chan);
	if (ret)
		return ret;
	snprintf(name, sizeof(name), "vmbus/%d.%u", chan->p->id, chan->relid);
	ret = gpadl_worker_create(&chan->worker, name);
	if (ret) {
		channel_unreserve(chan);
		return ret;
	}
	channel_insert(chan);
	return 0;
}

/**
 * vmbus_gpadl_channel_create() - Add a channel to a partition
 * @p: the partition
 * @relid: its number in VMBus messages
 * @ops: what it asks of its channel layer
 * @priv: passed to @ops
 *
 * Makes the channel's worker, a thread of the current process: that which the partition is
 * bound to.
 *
 * Context: process, may sleep.
 *
 * Return:
 *   * the channel, for vmbus_gpadl_channel_put(), or an ERR_PTR:
 *   * %-EIO: the partition is bound to another address space
 *   * %-ENODEV: the partition was put
 *   * %-ENOSPC: it has too many channels
 *   * %-EBUSY: it has one with that @relid
 *   * %-EAGAIN: the process may have no more threads, or the user no more channels
 *   * %-ENOMEM: no memory
 *   * %-EINVAL: the process may have no threads: it has done unshare(CLONE_NEWPID)
 *   * %-ERESTARTNOINTR: a signal waits for the process; to be returned from its system call
 *   * %-EINTR: it is being killed
 */
struct vmbus_gpadl_channel *
vmbus_gpadl_channel_create(struct vmbus_partition *p, u32 relid,
			   const struct vmbus_gpadl_channel_ops *ops, void *priv)
{
	struct vmbus_gpadl_channel *chan;
	int ret;

	if (current->mm != p->mem.mm)
		return ERR_PTR(-EIO);
	chan = channel_alloc();
	if (!chan)
		return ERR_PTR(-ENOMEM);
	refcount_set(&chan->ref, 1);
	chan->relid = relid;
	chan->p = p;
	chan->ops = ops;
	chan->priv = priv;
	chan->max_segment = U32_MAX & PAGE_MASK;
	xa_init_flags(&chan->gpadls, XA_FLAGS_ACCOUNT);
	spin_lock_init(&chan->pool_lock);
	INIT_LIST_HEAD(&chan->replies);
	vmbus_gpadl_work_init(&chan->revoke_work, channel_revoke_work);
	vmbus_gpadl_work_init(&chan->last_work, channel_last_work);
	INIT_RCU_WORK(&chan->free_work, channel_free_work);
	ret = channel_start(chan);
	if (ret) {
		channel_free(chan);
		return ERR_PTR(ret);
	}
	return chan;
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
 * vmbus_gpadl_channel_is_orphaned() - Has the channel lost the thread that worked for it?
 * @chan: the channel
 *
 * The VMM was killed, has ended, or executes another program, and somebody else holds its file.
 * What is queued still runs, in a kernel thread whose time no cgroup of the VMM's limits: do
 * no more there than it takes to end. Once true it stays so; for a channel made by a kernel
 * thread, and before Linux 6.10, it is never true.
 *
 * Context: any.
 * Return: true if it has.
 */
bool vmbus_gpadl_channel_is_orphaned(const struct vmbus_gpadl_channel *chan)
{
	return gpadl_worker_is_orphaned(&chan->worker);
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_channel_is_orphaned, VMBUS_GPADL_NS);

/**
 * vmbus_gpadl_channel_queue_work() - Queue work in the order of the channel
 * @chan: the channel, held by the caller
 * @work: the work
 *
 * For channel layers. Not for a backend: nothing waits for its items, neither close() nor the
 * module's unload.
 *
 * A channel's work, revoke() included, runs one item at a time, in the order in which
 * it was queued; other channels' work does not wait for it. What is queued when the
 * channel is put still runs, before ops->release().
 *
 * It runs in a thread of the VMM, or, when that was killed, in a kernel thread: then
 * nothing can be mapped any more. An item that is running when the VMM is killed has a
 * fatal signal pending: what must not be cut short waits uninterruptibly.
 *
 * Context: any. Takes no lock that another channel's work takes, while the VMM is there; when it
 * was killed, that of the work queue which runs what is left of all such.
 * Return: false if @work was queued already.
 */
bool vmbus_gpadl_channel_queue_work(struct vmbus_gpadl_channel *chan,
				    struct vmbus_gpadl_work *work)
{
	return gpadl_worker_queue(&chan->worker, work);
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_channel_queue_work, VMBUS_GPADL_NS);

/**
 * vmbus_gpadl_channel_is_busy() - Is a GPADL, or a packet, of the channel mapped?
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
 * vmbus_gpadl_channel_rescind_start() - Begin to take a channel's GPADLs back, for good
 * @chan: the channel
 *
 * From now on vmbus_gpadl_map() refuses (-ESHUTDOWN). What is mapped is revoked; when
 * vmbus_gpadl_channel_is_busy() says that nothing is, vmbus_partition_ops.wake() has been
 * called. Only then may the guest be told (RESCIND_CHANNELOFFER): Linux sends no
 * GPADL_TEARDOWN after it and may free the memory. The guest is answered as before until
 * vmbus_gpadl_channel_relid_released().
 *
 * Context: process. Never waits for a backend or for the VMM.
 */
void vmbus_gpadl_channel_rescind_start(struct vmbus_gpadl_channel *chan)
{
	unsigned long handle = 0;
	struct gpadl *g;

	guard(mutex)(&chan->p->rx_mutex);
	/*
	 * Before the walk: a thread that takes a GPADL's lock after the walk did sees the
	 * mark; the walk sees one that took it before, and counts it in nr_busy.
	 */
	WRITE_ONCE(chan->rescinded, true);
	while ((g = gpadl_table_next(chan, &handle))) {
		gpadl_rescind(g);
		gpadl_put(g);
		cond_resched();
	}
	gpadl_requests_rescind(chan);
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_channel_rescind_start, VMBUS_GPADL_NS);

/**
 * vmbus_gpadl_channel_rescind() - Take a channel's GPADLs back, for good
 * @chan: the channel
 *
 * Does what vmbus_gpadl_channel_rescind_start() does, and waits until nothing is mapped.
 *
 * Context: process, may sleep for as long as a backend likes.
 * Return: 0; -EINTR on a fatal signal: ask again.
 */
int vmbus_gpadl_channel_rescind(struct vmbus_gpadl_channel *chan)
{
	vmbus_gpadl_channel_rescind_start(chan);
	return gpadl_wait_killable(chan->p, &chan->nr_busy);
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_channel_rescind, VMBUS_GPADL_NS);

/**
 * vmbus_gpadl_channel_relid_released() - The guest has released a channel (RELID_RELEASED)
 * @chan: the channel
 *
 * Its GPADLs go, at once or when they are unmapped; no reply to the guest is left or
 * comes. A channel that was not rescinded can be offered and used again; one that was is
 * not there any more for the guest.
 *
 * Context: process. Never waits for a backend or for the VMM.
 */
void vmbus_gpadl_channel_relid_released(struct vmbus_gpadl_channel *chan)
{
	mutex_lock(&chan->p->rx_mutex);
	channel_teardown_all(chan);
	chan->released = chan->rescinded;
	mutex_unlock(&chan->p->rx_mutex);
	gpadl_partition_wake(chan->p);
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_channel_relid_released, VMBUS_GPADL_NS);

/**
 * vmbus_gpadl_channel_unlink() - A channel gives its relid back
 * @chan: the channel
 *
 * Does what vmbus_gpadl_channel_relid_released() does; and the relid is free when this returns,
 * although the channel itself is still to be put.
 *
 * Context: process. Never waits for a backend or for the VMM.
 */
void vmbus_gpadl_channel_unlink(struct vmbus_gpadl_channel *chan)
{
	struct vmbus_partition *p = chan->p;

	mutex_lock(&p->rx_mutex);
	WRITE_ONCE(chan->rescinded, true);
	channel_teardown_all(chan);
	if (xa_cmpxchg(&p->channels, chan->relid, chan, NULL, 0) == chan)
		p->nr_channels--;
	mutex_unlock(&p->rx_mutex);
	gpadl_partition_wake(p);
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_channel_unlink, VMBUS_GPADL_NS);

/**
 * vmbus_gpadl_channel_put() - The channel layer lets a channel go
 * @chan: the channel
 *
 * Does what vmbus_gpadl_channel_unlink() does, if that was not done yet. ops->release()
 * tells when nothing of the channel is left.
 *
 * Context: process. Never waits for a backend or for the VMM.
 */
void vmbus_gpadl_channel_put(struct vmbus_gpadl_channel *chan)
{
	vmbus_gpadl_channel_unlink(chan);
	gpadl_pool_end(chan);
	gpadl_channel_unref(chan);
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_channel_put, VMBUS_GPADL_NS);
