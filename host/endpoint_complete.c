// SPDX-License-Identifier: GPL-2.0
/*
 * Completions that the guest is owed: sent when there is room.
 *
 *	tryget() .. request is under way .. vmbus_endpoint_complete() .. done(), put
 *						|
 *					   in @unsent, in order, until there is room
 *
 * One context at a time sends, whichever comes first; others leave what they have in the
 * list and go. So nothing is sent with a lock held, and the order is that of the calls. What
 * is sent together is reserved together. When the channel closes nobody waits for room any
 * more: what does not fit is dropped.
 *
 * A guest that asks and reads quickly could keep a context sending for ever, perhaps one that
 * answers other guests as well: after some batches it leaves the rest to the channel's work.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/percpu-refcount.h>
#include <linux/spinlock.h>

#include "gpadl/compat.h"
#include "host.h"

#define MAX_BATCH	16u

/* What a context that is not the channel's own sends before it leaves the rest to that. */
#define MAX_BATCHES	4u

/* Count the first completions that go out together, and the room that they take. */
static unsigned int unsent_batch(struct vmbus_endpoint *ep, unsigned int most, size_t *room)
{
	struct vmbus_completion *c;
	unsigned int n = 0;

	lockdep_assert_held(&ep->unsent_lock);
	*room = 0;
	list_for_each_entry(c, &ep->unsent, node) {
		if (n++ == most)
			return most;
		*room += vmbus_packet_room(c->len);
	}
	return n;
}

/*
 * Send the first @n. Nobody takes any out of the list meanwhile, and what is added comes
 * behind them: it can be walked without the lock, as far as the last of them.
 */
static int unsent_send(struct vmbus_endpoint *ep, struct vmbus_completion *first,
		       unsigned int n, size_t room)
{
	struct vmbus_reservation res;
	struct vmbus_completion *c;
	int ret;

	ret = vmbus_endpoint_reserve(ep, &res, room);
	if (ret)
		return ret;
	for (c = first;; c = list_next_entry(c, node)) {
		struct vmbus_packet pkt = {
			.type = VMBUS_PACKET_COMPLETION,
			.trans_id = c->trans_id,
			.len = c->len,
		};
		struct kvec v = { .iov_base = (void *)c->buf, .iov_len = c->len };

		vmbus_endpoint_placev(ep, &res, &pkt, &v, 1);
		if (!--n)
			break;
	}
	return vmbus_endpoint_submit(ep, &res, 0);
}

/* These have been sent. Called without the lock. */
static void unsent_done(struct vmbus_endpoint *ep, struct list_head *done)
{
	struct vmbus_completion *c, *next;

	list_for_each_entry_safe(c, next, done, node) {
		c->done(ep, c);
		vmbus_endpoint_put(ep);
	}
}

static void unsent_cut(struct vmbus_endpoint *ep, unsigned int n, struct list_head *done)
{
	lockdep_assert_held(&ep->unsent_lock);
	while (n--)
		list_move_tail(ep->unsent.next, done);
}

/*
 * Called by the only sender with the lock held; drops and retakes it. Returns false if there is
 * no room, and kick() will come.
 */
static bool unsent_step(struct vmbus_endpoint *ep, unsigned long *irq)
	__must_hold(&ep->unsent_lock)
{
	struct vmbus_completion *first;
	unsigned int n, most;
	LIST_HEAD(done);
	size_t room;
	int ret = -EAGAIN;

	first = list_first_entry(&ep->unsent, struct vmbus_completion, node);
	/* Where many do not fit, one may. */
	for (most = MAX_BATCH; most && ret; most = most > 1 ? 1 : 0) {
		n = unsent_batch(ep, most, &room);
		ep->unsent_again = false;
		spin_unlock_irqrestore(&ep->unsent_lock, *irq);
		ret = unsent_send(ep, first, n, room);
		spin_lock_irqsave(&ep->unsent_lock, *irq);
	}
	/* kick() has come since, and found us here: try again. */
	if (ret == -EAGAIN && !ep->unsent_closing)
		return ep->unsent_again;
	unsent_cut(ep, n, &done);
	spin_unlock_irqrestore(&ep->unsent_lock, *irq);
	unsent_done(ep, &done);
	spin_lock_irqsave(&ep->unsent_lock, *irq);
	return true;
}

/*
 * Send what there is, @most batches of it. The caller sees to it that the endpoint stays. When
 * the channel closes it is all sent: nothing is added to what is in flight, and there is no
 * kick() to leave it to.
 */
static void unsent_run(struct vmbus_endpoint *ep, unsigned int most)
{
	unsigned long irq;

	spin_lock_irqsave(&ep->unsent_lock, irq);
	ep->unsent_again = true;
	if (!ep->unsent_busy) {
		ep->unsent_busy = true;
		while (!list_empty(&ep->unsent) && unsent_step(ep, &irq))
			if (!--most && !ep->unsent_closing) {
				vmbus_ep_queue_kick(ep);
				break;
			}
		ep->unsent_busy = false;
	}
	spin_unlock_irqrestore(&ep->unsent_lock, irq);
}

/**
 * vmbus_ep_completions_init() - Prepare what is kept of completions
 * @ep: a new endpoint
 *
 * Context: any.
 */
void vmbus_ep_completions_init(struct vmbus_endpoint *ep)
{
	spin_lock_init(&ep->unsent_lock);
	INIT_LIST_HEAD(&ep->unsent);
}

/**
 * vmbus_ep_completions_kick() - There may be room
 * @ep: the endpoint, open
 *
 * Context: process, work of the channel.
 */
void vmbus_ep_completions_kick(struct vmbus_endpoint *ep)
{
	if (!list_empty_careful(&ep->unsent))
		unsent_run(ep, UINT_MAX);
}

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
		unsent_run(ep, UINT_MAX);
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
 * the channel is handed over, or in the channel's work: it frees the request, no more.
 *
 * A completion that the ring can never hold is dropped, too. A call sends what others have
 * handed over meanwhile as well, four batches at most: the channel's work sends the rest.
 *
 * Context: any, interrupts included (threaded ones on PREEMPT_RT).
 */
void vmbus_endpoint_complete(struct vmbus_endpoint *ep, struct vmbus_completion *c)
{
	unsigned long irq;

	/* The hold of @c may be the last, and goes with it. */
	percpu_ref_get(&ep->users);
	spin_lock_irqsave(&ep->unsent_lock, irq);
	list_add_tail(&c->node, &ep->unsent);
	spin_unlock_irqrestore(&ep->unsent_lock, irq);
	unsent_run(ep, MAX_BATCHES);
	percpu_ref_put(&ep->users);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_complete, VMBUS_HOST_NS);
