// SPDX-License-Identifier: GPL-2.0
/*
 * Replies on their way to the guest: what the channel layer fetches, and what it adds of its
 * own.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "compat.h"
#include "priv.h"

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

	/* There may be room again. */
	if (ret > 0)
		gpadl_partition_wake(p);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(vmbus_partition_next_reply, VMBUS_GPADL_NS);

/**
 * vmbus_partition_peek_reply() - Look at the oldest message for the guest
 * @p: the partition
 * @reply: where a copy goes
 *
 * It stays in the queue, until vmbus_partition_take_reply(), or until its channel is
 * released or the partition reset. The caller serialises this with taking.
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
 * Does nothing if it is gone.
 *
 * Context: process, may sleep.
 */
void vmbus_partition_take_reply(struct vmbus_partition *p, u64 id)
{
	/* There may be room again. */
	if (gpadl_reply_take(&p->replies, id))
		gpadl_partition_wake(p);
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
	r->len = min_t(size_t, len, sizeof(r->msg));
	memcpy(r->msg, msg, r->len);
	gpadl_reply_post(&chan->p->replies, r, &chan->replies);
	gpadl_partition_wake(chan->p);
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
	gpadl_partition_wake(p);
}
EXPORT_SYMBOL_NS_GPL(vmbus_partition_cancel_reply, VMBUS_GPADL_NS);
