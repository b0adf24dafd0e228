// SPDX-License-Identifier: GPL-2.0
/*
 * Queue of the messages that wait for the VMM to deliver them to the guest.
 *
 * A reply is in one of three places: with its owner (a GPADL that has not posted it,
 * or the message that reserved it), in the queue, or, if unused, in the free list. It
 * moves under the queue's lock; what happens to it after it left the queue (give the
 * room back, drop the object's reference) happens outside, because it may free the
 * object, and with it the queue.
 */
#include <linux/errno.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "compat.h"
#include "reply.h"

/**
 * gpadl_reply_queue_init() - Prepare a queue with all its room free
 * @q: the queue
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM.
 */
int gpadl_reply_queue_init(struct gpadl_reply_queue *q)
{
	unsigned int i;

	spin_lock_init(&q->lock);
	INIT_LIST_HEAD(&q->queued);
	INIT_LIST_HEAD(&q->free);
	q->room = kvcalloc(GPADL_REPLY_ROOM, sizeof(*q->room), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!q->room)
		return -ENOMEM;
	for (i = 0; i < GPADL_REPLY_ROOM; i++)
		list_add_tail(&q->room[i].node, &q->free);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_reply_queue_init);

/**
 * gpadl_reply_queue_destroy() - Free the room of a queue in which nothing waits
 * @q: the queue
 *
 * Context: may sleep.
 */
void gpadl_reply_queue_destroy(struct gpadl_reply_queue *q)
{
	WARN_ON_ONCE(!list_empty(&q->queued));
	kvfree(q->room);
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_reply_queue_destroy);

/**
 * gpadl_reply_reserve() - Take room for a reply that no object holds
 * @q: the queue
 *
 * Context: process, also under a spinlock.
 * Return: the reply, to be posted or cancelled exactly once; NULL if there is no room.
 */
struct gpadl_reply *gpadl_reply_reserve(struct gpadl_reply_queue *q)
{
	struct gpadl_reply *r;

	spin_lock(&q->lock);
	r = list_first_entry_or_null(&q->free, struct gpadl_reply, node);
	if (r)
		list_del_init(&r->node);
	spin_unlock(&q->lock);
	return r;
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_reply_reserve);

/**
 * gpadl_reply_cancel() - Give room back that was not needed
 * @q: the queue
 * @r: what gpadl_reply_reserve() returned
 *
 * Context: process, also under a spinlock.
 * Return: true if there was no other room: somebody may wait for it.
 */
bool gpadl_reply_cancel(struct gpadl_reply_queue *q, struct gpadl_reply *r)
{
	bool was_full;

	spin_lock(&q->lock);
	was_full = list_empty(&q->free);
	list_add(&r->node, &q->free);
	spin_unlock(&q->lock);
	return was_full;
}

/**
 * gpadl_reply_post() - Queue a reply
 * @q: the queue
 * @r: the reply, its message filled in
 * @same: list of the channel that it is about
 *
 * Called in the critical section that changes the state that the message tells of,
 * so that the order of the messages is the order of the changes.
 *
 * Context: process, also under a spinlock.
 */
void gpadl_reply_post(struct gpadl_reply_queue *q, struct gpadl_reply *r,
		      struct list_head *same)
{
	KUNIT_STATIC_STUB_REDIRECT(gpadl_reply_post, q, r, same);
	spin_lock(&q->lock);
	r->id = ++q->nr_posted;
	list_add_tail(&r->node, &q->queued);
	list_add_tail(&r->same, same);
	spin_unlock(&q->lock);
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_reply_post);

/* Called with the lock held. */
static void reply_unqueue(struct gpadl_reply *r)
{
	list_del_init(&r->node);
	list_del(&r->same);
}

/* The oldest of those that are linked by their node, taken out; NULL if there is none. */
static struct gpadl_reply *reply_pop(struct gpadl_reply_queue *q, struct list_head *list)
{
	struct gpadl_reply *r;

	spin_lock(&q->lock);
	r = list_first_entry_or_null(list, struct gpadl_reply, node);
	if (r)
		reply_unqueue(r);
	spin_unlock(&q->lock);
	return r;
}

/* Likewise of those of a channel. */
static struct gpadl_reply *reply_pop_same(struct gpadl_reply_queue *q,
					  struct list_head *list)
{
	struct gpadl_reply *r;

	spin_lock(&q->lock);
	r = list_first_entry_or_null(list, struct gpadl_reply, same);
	if (r)
		reply_unqueue(r);
	spin_unlock(&q->lock);
	return r;
}

/* Called without the lock: a release may drop the last reference to anything. */
static void reply_done(struct gpadl_reply_queue *q, struct gpadl_reply *r)
{
	if (r->release)
		r->release(r);
	else
		gpadl_reply_cancel(q, r);
}

/**
 * gpadl_reply_next() - Take the oldest reply out of the queue
 * @q: the queue
 * @buf: where the message goes
 * @len: size of @buf in bytes
 *
 * Context: process, may sleep: an object may be freed.
 * Return: length of the message in bytes; -EAGAIN if none waits; -EMSGSIZE if @buf is
 * smaller than VMBUS_GPADL_MAX_REPLY, whatever waits.
 */
int gpadl_reply_next(struct gpadl_reply_queue *q, void *buf, size_t len)
{
	struct gpadl_reply *r;
	u32 n;

	if (len < VMBUS_GPADL_MAX_REPLY)
		return -EMSGSIZE;

	r = reply_pop(q, &q->queued);
	if (!r)
		return -EAGAIN;

	n = r->len;
	memcpy(buf, r->msg, n);
	reply_done(q, r);
	return n;
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_reply_next);

/**
 * gpadl_reply_peek() - Look at the oldest reply in the queue
 * @q: the queue
 * @copy: where it goes
 *
 * Context: process, also under a spinlock.
 * Return: 0; -EAGAIN if none waits.
 */
int gpadl_reply_peek(struct gpadl_reply_queue *q, struct vmbus_partition_reply *copy)
{
	struct gpadl_reply *r;

	spin_lock(&q->lock);
	r = list_first_entry_or_null(&q->queued, struct gpadl_reply, node);
	if (r) {
		copy->id = r->id;
		copy->len = r->len;
		memcpy(copy->msg, r->msg, r->len);
	}
	spin_unlock(&q->lock);
	return r ? 0 : -EAGAIN;
}

/**
 * gpadl_reply_take() - Take a reply out of the queue, if it is still the oldest
 * @q: the queue
 * @id: what gpadl_reply_peek() said
 *
 * Context: process, may sleep: an object may be freed.
 * Return: true if it was there.
 */
bool gpadl_reply_take(struct gpadl_reply_queue *q, u64 id)
{
	struct gpadl_reply *r;

	spin_lock(&q->lock);
	r = list_first_entry_or_null(&q->queued, struct gpadl_reply, node);
	if (r && r->id == id)
		reply_unqueue(r);
	else
		r = NULL;
	spin_unlock(&q->lock);
	if (r)
		reply_done(q, r);
	return r;
}

/**
 * gpadl_reply_purge() - Drop the replies of a channel
 * @q: the queue
 * @same: list of the channel
 *
 * One after the other, with the lock free in between: a guest can have two for each of
 * LIMIT_GPADLS, and everybody needs the lock. A reader may still get one meanwhile.
 *
 * The caller holds a reference to the partition that contains @q.
 *
 * Context: process, may sleep: objects may be freed.
 */
void gpadl_reply_purge(struct gpadl_reply_queue *q, struct list_head *same)
{
	struct gpadl_reply *r;
	LIST_HEAD(purged);

	spin_lock(&q->lock);
	list_splice_init(same, &purged);
	spin_unlock(&q->lock);
	while ((r = reply_pop_same(q, &purged))) {
		reply_done(q, r);
		cond_resched();
	}
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_reply_purge);

/**
 * gpadl_reply_purge_all() - Drop all replies
 * @q: the queue
 *
 * Nobody reads any of them from the moment that this is called.
 *
 * The caller holds a reference to the partition that contains @q.
 *
 * Context: process, may sleep: objects may be freed.
 */
void gpadl_reply_purge_all(struct gpadl_reply_queue *q)
{
	struct gpadl_reply *r;
	LIST_HEAD(purged);

	spin_lock(&q->lock);
	list_splice_init(&q->queued, &purged);
	spin_unlock(&q->lock);
	while ((r = reply_pop(q, &purged))) {
		reply_done(q, r);
		cond_resched();
	}
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_reply_purge_all);

/**
 * gpadl_reply_readable() - Does a reply wait?
 * @q: the queue
 *
 * Context: any.
 * Return: true if gpadl_reply_next() would find one.
 */
bool gpadl_reply_readable(struct gpadl_reply_queue *q)
{
	/* Without the lock: adding one wakes the readers that looked before. */
	return !data_race(list_empty_careful(&q->queued));
}

/**
 * gpadl_reply_writable() - Is there room?
 * @q: the queue
 *
 * Context: any.
 * Return: true if gpadl_reply_reserve() would find it.
 */
bool gpadl_reply_writable(struct gpadl_reply_queue *q)
{
	/* Likewise: freeing one wakes the writers. */
	return !data_race(list_empty_careful(&q->free));
}
