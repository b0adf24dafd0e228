// SPDX-License-Identifier: GPL-2.0
/*
 * Completions that the guest is owed: sent when there is room.
 *
 *	tryget ... request is under way .. vmbus_endpoint_complete() .. done(), put
 *						|
 *					   in @unsent, in order, until there is room
 *
 * One context at a time sends, whichever comes first; others leave what they have in the
 * list and go. So nothing is sent with a lock held, and the order is that of the calls. What
 * is sent together is reserved together. When the channel closes nobody waits for room any
 * more: what does not fit is dropped.
 *
 * vmbus_endpoint_complete_later() only adds, to a list without a lock, and leaves the sending to
 * the channel's work, which it has woken when what ends on this processor by then has ended.
 *
 * A guest that asks and reads quickly could keep a context sending for ever, perhaps one that
 * answers other guests as well: after some batches it leaves the rest to the channel's work. If
 * that is what is kept, by a backend that takes requests in elsewhere, it comes back later.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/limits.h>
#include <linux/llist.h>
#include <linux/lockdep.h>
#include <linux/percpu-refcount.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "gpadl/compat.h"
#include "host.h"

#define MAX_BATCH	16u

/* What a context that is not the channel's own sends before it leaves the rest to that. */
#define MAX_BATCHES	4u

/* And that, before it does what else is to be done: close(), for one */
#define MAX_OWN_BATCHES	64u

/* ---- The list ---- */

static struct vmbus_completion *node_completion(struct llist_node *node)
{
	return container_of(node, struct vmbus_completion, node);
}

/* Append what hangs together from @first to @last. */
static void unsent_append(struct vmbus_endpoint *ep, struct llist_node *first,
			  struct llist_node *last)
{
	lockdep_assert_held(&ep->unsent_lock);
	last->next = NULL;
	if (ep->unsent)
		ep->unsent_last->next = first;
	else
		WRITE_ONCE(ep->unsent, first);
	ep->unsent_last = last;
}

static void unsent_add(struct vmbus_endpoint *ep, struct llist_node *node)
{
	unsigned long irq;

	spin_lock_irqsave(&ep->unsent_lock, irq);
	unsent_append(ep, node, node);
	spin_unlock_irqrestore(&ep->unsent_lock, irq);
}

/*
 * Append what was left to the channel's work, the oldest first. It goes from one list to the other
 * under one lock: a later answer, to a reset of these requests for one, comes behind them wherever
 * they are, even if this context is preempted here. They are at most as many as a backend has under
 * way; interrupts are off for that long.
 */
static void unsent_add_late(struct vmbus_endpoint *ep)
{
	struct llist_node *last;
	unsigned long irq;

	if (llist_empty(&ep->late))
		return;
	spin_lock_irqsave(&ep->unsent_lock, irq);
	last = llist_del_all(&ep->late);
	if (last)
		unsent_append(ep, llist_reverse_order(last), last);
	spin_unlock_irqrestore(&ep->unsent_lock, irq);
}

/* Take out the first, up to @last. */
static void unsent_cut(struct vmbus_endpoint *ep, struct llist_node *last)
{
	lockdep_assert_held(&ep->unsent_lock);
	WRITE_ONCE(ep->unsent, last->next);
	last->next = NULL;
}

/* The last of the first completions that go out together, and the room that they take */
static struct llist_node *unsent_batch(struct vmbus_endpoint *ep, unsigned int most,
				       size_t *room)
{
	struct llist_node *node = ep->unsent;

	lockdep_assert_held(&ep->unsent_lock);
	for (*room = 0;; node = node->next) {
		*room += vmbus_packet_room(node_completion(node)->len);
		if (!--most || !node->next)
			return node;
	}
}

/* ---- Sending ---- */

/*
 * Send from @node to @last. Nobody takes any out of the list meanwhile, and what is added comes
 * behind them: it can be walked without the lock, as far as the last of them.
 */
static int unsent_send(struct vmbus_endpoint *ep, struct llist_node *node,
		       const struct llist_node *last, size_t room)
{
	struct vmbus_reservation res;
	int ret;

	ret = vmbus_endpoint_reserve(ep, &res, room);
	if (ret)
		return ret;
	for (;; node = node->next) {
		vmbus_ep_place_completion(ep, &res, node_completion(node));
		if (node == last)
			break;
	}
	return vmbus_endpoint_submit(ep, &res, 0);
}

/* These have been sent, or dropped. Called without the lock; the caller keeps the endpoint. */
static void unsent_done(struct vmbus_endpoint *ep, struct llist_node *done)
{
	struct llist_node *node, *next;
	unsigned int n = 0;

	llist_for_each_safe(node, next, done) {
		struct vmbus_completion *c = node_completion(node);

		c->done(ep, c);
		n++;
	}
	percpu_ref_put_many(&ep->users, n);
}

/*
 * Called by the only sender with the lock held; drops and retakes it. Returns false if there is
 * no room, and kick() will come.
 */
static bool unsent_step(struct vmbus_endpoint *ep, unsigned long *irq)
	__must_hold(&ep->unsent_lock)
{
	struct llist_node *first = ep->unsent, *last;
	unsigned int most;
	size_t room;
	int ret = -EAGAIN;

	/* Where many do not fit, one may. */
	for (most = MAX_BATCH; most && ret; most = most > 1 ? 1 : 0) {
		last = unsent_batch(ep, most, &room);
		ep->unsent_again = false;
		spin_unlock_irqrestore(&ep->unsent_lock, *irq);
		ret = unsent_send(ep, first, last, room);
		spin_lock_irqsave(&ep->unsent_lock, *irq);
	}
	/* kick() has come since, and found us here: try again. */
	if (ret == -EAGAIN && !ep->unsent_closing)
		return ep->unsent_again;
	unsent_cut(ep, last);
	spin_unlock_irqrestore(&ep->unsent_lock, *irq);
	unsent_done(ep, first);
	spin_lock_irqsave(&ep->unsent_lock, *irq);
	return true;
}

/*
 * Send what there is, @most batches of it. The caller sees to it that the endpoint stays. All
 * that there is room for is sent when there is no kick() to leave it to: the channel closes, or
 * its work waits for the VMM. Nothing is added to what is in flight then.
 */
static void unsent_run(struct vmbus_endpoint *ep, unsigned int most)
{
	unsigned long irq;

	spin_lock_irqsave(&ep->unsent_lock, irq);
	ep->unsent_again = true;
	if (!ep->unsent_busy) {
		ep->unsent_busy = true;
		while (ep->unsent && unsent_step(ep, &irq)) {
			most -= !!most;
			if (!most && !ep->unsent_closing && !READ_ONCE(ep->late_here)) {
				vmbus_ep_queue_kick(ep);
				break;
			}
		}
		ep->unsent_busy = false;
	}
	spin_unlock_irqrestore(&ep->unsent_lock, irq);
}

/* ---- Later ---- */

/* What wakes channels for what was left to their work */
static struct workqueue_struct *late_wq;

/**
 * vmbus_host_completions_init() - Prepare what wakes channels
 *
 * A work queue of a processor, as those of the kernel's SCSI target and of most devices are in
 * which requests end: so what is queued runs behind those of them that are there by then, and the
 * channel's thread finds all of these. Woken for the first, it would often run before the second.
 *
 * Context: process, when the module is loaded.
 * Return: 0; -ENOMEM.
 */
int vmbus_host_completions_init(void)
{
	late_wq = alloc_workqueue("vmbus_late", COMPAT_WQ_PERCPU | WQ_MEM_RECLAIM, 0);
	return late_wq ? 0 : -ENOMEM;
}

/**
 * vmbus_host_completions_exit() - Undo vmbus_host_completions_init()
 *
 * Context: process, when nothing is left of any channel.
 */
void vmbus_host_completions_exit(void)
{
	destroy_workqueue(late_wq);
}

static void late_work_run(struct work_struct *work)
{
	struct vmbus_endpoint *ep = container_of(work, struct vmbus_endpoint, late_work);

	vmbus_ep_queue_kick(ep);
	percpu_ref_put(&ep->users);
}

/* Somebody has added the first; he holds the endpoint. */
static void late_wake(struct vmbus_endpoint *ep)
{
	percpu_ref_get(&ep->users);
	if (!queue_work(late_wq, &ep->late_work))
		percpu_ref_put(&ep->users);
}

/* ---- What the endpoint asks ---- */

/**
 * vmbus_ep_completions_init() - Prepare what is kept of completions
 * @ep: a new endpoint
 *
 * Context: any.
 */
void vmbus_ep_completions_init(struct vmbus_endpoint *ep)
{
	spin_lock_init(&ep->unsent_lock);
	init_llist_head(&ep->late);
	INIT_WORK(&ep->late_work, late_work_run);
}

static void unsent_kick(struct vmbus_endpoint *ep, unsigned int most)
{
	unsent_add_late(ep);
	if (READ_ONCE(ep->unsent))
		unsent_run(ep, most);
}

/**
 * vmbus_ep_completions_kick() - There may be room
 * @ep: the endpoint, open
 *
 * Context: process, work of the channel.
 */
void vmbus_ep_completions_kick(struct vmbus_endpoint *ep)
{
	unsent_kick(ep, MAX_OWN_BATCHES);
}
EXPORT_SYMBOL_IF_KUNIT(vmbus_ep_completions_kick);

/**
 * vmbus_endpoint_wait_begin() - The channel's work is about to wait for the VMM
 * @ep: the endpoint
 *
 * Until vmbus_endpoint_wait_end() nothing is left to it: what vmbus_endpoint_complete_later() has
 * left is sent now, and what comes is sent where it comes from. For a kick() that may sleep
 * in vmbus_gpa_map() or vmbus_gpadl_map() while requests are under way. Nobody else takes
 * requests in meanwhile. What finds no room is sent with the next completion, or by the next
 * kick(). A kick() that returns without vmbus_endpoint_wait_end() is warned of.
 *
 * Context: process, in kick().
 */
void vmbus_endpoint_wait_begin(struct vmbus_endpoint *ep)
{
	WRITE_ONCE(ep->late_here, true);
	/* Pairs with llist_add() in vmbus_endpoint_complete_later(). */
	smp_mb();
	/* All of it. If somebody else is at it, the lock has him see @late_here. */
	unsent_add_late(ep);
	unsent_run(ep, UINT_MAX);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_wait_begin, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_wait_end() - The channel's work does not wait any more
 * @ep: the endpoint
 *
 * Context: process, in kick().
 */
void vmbus_endpoint_wait_end(struct vmbus_endpoint *ep)
{
	WRITE_ONCE(ep->late_here, false);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_wait_end, VMBUS_HOST_NS);

/**
 * vmbus_ep_completions_close() - Stop waiting for room, or begin again
 * @ep: the endpoint
 * @closing: the first of the two: what does not fit is dropped
 *
 * Context: process, work of the channel.
 */
void vmbus_ep_completions_close(struct vmbus_endpoint *ep, bool closing)
{
	unsigned long irq;

	spin_lock_irqsave(&ep->unsent_lock, irq);
	ep->unsent_closing = closing;
	spin_unlock_irqrestore(&ep->unsent_lock, irq);
	if (closing)
		vmbus_endpoint_wait_begin(ep);
	else
		vmbus_endpoint_wait_end(ep);
}

/**
 * vmbus_endpoint_complete() - Send a completion, now or when there is room
 * @ep: the endpoint, which the caller holds (vmbus_endpoint_tryget()): the hold goes with the
 *	completion
 * @c: the completion: its trans_id, buf, len and done are set. It and what its buf points to
 *	stay until its done() is called.
 *
 * For whatever answers requests: it needs no list of its own of what did not fit into the
 * ring, and nothing of that in its kick(). Completions are sent in the order of the calls.
 * When the channel closes, one for which there is no room is dropped. Either way its done() is
 * called, once, then the endpoint is put.
 *
 * done() may be called before this returns, and in any context in which another completion of
 * the channel is handed over, or in the channel's work: it is safe in each of them. It frees the
 * request, and may ask for a kick() (vmbus_endpoint_kick()). So nobody calls this,
 * vmbus_endpoint_complete_later() or vmbus_endpoint_wait_begin() with a lock that a done() takes.
 *
 * A completion that the ring can never hold is dropped, too. A call sends what others have
 * handed over meanwhile as well, four batches at most: the channel's work sends the rest, if it
 * does not wait (vmbus_endpoint_wait_begin()).
 *
 * Context: any, interrupts included (threaded ones on PREEMPT_RT).
 */
void vmbus_endpoint_complete(struct vmbus_endpoint *ep, struct vmbus_completion *c)
{
	/* The hold of @c may be the last, and goes with it. */
	percpu_ref_get(&ep->users);
	unsent_add(ep, &c->node);
	unsent_run(ep, MAX_BATCHES);
	percpu_ref_put(&ep->users);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_complete, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_complete_later() - Have the channel's work send a completion
 * @ep: the endpoint, which the caller holds: the hold goes with the completion
 * @c: the completion, as for vmbus_endpoint_complete()
 *
 * For requests of which many are under way, and complete one after the other somewhere else.
 * The channel's work sends what has come until it runs, before kick() is called: the guest is
 * signalled once for all of them, and the time that it takes is the VMM's. It is woken behind what
 * is in the work queues of this processor now, where most of the others are that end soon (those
 * that are not WQ_UNBOUND or WQ_HIGHPRI): so not on a processor on which none of these may run, as
 * a thread of real-time priority has it. It is a switch to another thread, though: a request that
 * is alone is better sent by vmbus_endpoint_complete().
 *
 * Completions are sent in the order of these calls; vmbus_endpoint_complete() may overtake.
 * Once the channel closes, and while its work waits (vmbus_endpoint_wait_begin()), they are sent
 * here, and done() is called here too: one of these may overtake what came just before.
 *
 * Context: any, interrupts included (threaded ones on PREEMPT_RT).
 */
void vmbus_endpoint_complete_later(struct vmbus_endpoint *ep, struct vmbus_completion *c)
{
	/* As soon as @c is in the list it may be sent, and its hold be gone. */
	percpu_ref_get(&ep->users);
	/*
	 * A full barrier: the thread that sets @late_here sees @c in the list, or its store is seen
	 * here.
	 */
	if (llist_add(&c->node, &ep->late))
		late_wake(ep);
	if (unlikely(READ_ONCE(ep->late_here))) {
		unsent_add_late(ep);
		unsent_run(ep, MAX_BATCHES);
	}
	percpu_ref_put(&ep->users);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_complete_later, VMBUS_HOST_NS);
