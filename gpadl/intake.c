// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's messages, one at a time (rx_mutex).
 *
 * Each is decoded into a copy of its fixed part, and room for a reply is reserved before
 * anything is changed; so it can always be answered, and a guest whose replies nobody reads
 * is told to come back.
 *
 * A message that makes or finds no GPADL is answered here; a GPADL answers for itself
 * (vmbus_gpadl_map.c).
 */
#include <linux/errno.h>
#include <linux/export.h>

#include "compat.h"
#include "limits.h"
#include "priv.h"

/**
 * struct rx - a message being received
 * @p: the partition
 * @msg: the message, decoded
 * @reply: room for one that belongs to no object; NULL once used
 * @read_only: VMBUS_GPADL_RECEIVE_READ_ONLY
 */
struct rx {
	struct vmbus_partition *p;
	struct gpadl_wire_msg msg;
	struct gpadl_reply *reply;
	bool read_only;
};

static int rx_refuse(struct rx *rx, enum gpadl_reason reason, int ret)
{
	gpadl_count(rx->p, rx->msg.relid, rx->msg.handle, reason);
	return ret;
}

static void rx_reply(struct rx *rx, struct vmbus_gpadl_channel *chan)
{
	gpadl_reply_post(&rx->p->replies, rx->reply, &chan->replies);
	rx->reply = NULL;
	gpadl_partition_wake(rx->p);
}

/* A HEADER that makes no GPADL: the reply takes the room. */
static int rx_reject_header(struct rx *rx, struct vmbus_gpadl_channel *chan,
			    enum gpadl_reason reason, u32 status)
{
	gpadl_count(rx->p, chan->relid, rx->msg.handle, reason);
	rx->reply->len = gpadl_wire_created(rx->reply->msg, chan->relid, rx->msg.handle,
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

static bool rx_handle_taken(struct rx *rx, struct vmbus_gpadl_channel *chan)
{
	struct gpadl_handle_look look = gpadl_table_look(chan, rx->msg.handle);
	bool taken = look.here || look.assembling || look.tearing_down;

	gpadl_table_look_end(&look);
	return taken;
}

static bool rx_over_limit(struct rx *rx)
{
	u32 pages = rx->msg.range_buflen / sizeof(u64) - rx->msg.rangecount;

	return atomic_read(&rx->p->nr_gpadls) >= gpadl_max_gpadls() ||
	       atomic_read(&rx->p->nr_pages) + pages > gpadl_max_pages();
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
	struct gpadl *g = gpadl_table_get_assembling(rx->p, rx->msg.handle);

	if (!g)
		return rx_refuse(rx, GPADL_REASON_NO_HEADER, -ENOENT);
	gpadl_add(g, &rx->msg);
	gpadl_put(g);
	return 0;
}

static int rx_teardown(struct rx *rx)
{
	struct vmbus_gpadl_channel *chan = rx_find_channel(rx);
	struct gpadl_handle_look look;
	bool answered;

	if (!chan)
		return rx_refuse(rx, GPADL_REASON_NO_CHANNEL, -ENXIO);
	look = gpadl_table_look(chan, rx->msg.handle);
	answered = look.here && gpadl_teardown(look.here);
	gpadl_table_look_end(&look);
	if (answered)
		return 0;
	if (look.elsewhere)
		return rx_refuse(rx, GPADL_REASON_OTHER_CHANNEL, 0);

	rx->reply->len = gpadl_wire_torndown(rx->reply->msg, rx->msg.handle);
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

	rx->reply = gpadl_reply_reserve(&rx->p->replies);
	if (!rx->reply)
		return rx_refuse(rx, GPADL_REASON_NO_ROOM, -EAGAIN);

	gpadl_mem_account_begin(&rx->p->mem, &acct);
	ret = rx_dispatch(rx);
	gpadl_mem_account_end(&acct);

	if (rx->reply && gpadl_reply_cancel(&rx->p->replies, rx->reply))
		gpadl_partition_wake(rx->p);
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
 * in Documentation/guest-input.rst: mostly a reply for vmbus_partition_next_reply(). On error
 * nothing has changed.
 *
 * Context: process, may sleep, but not for a backend or for the VMM.
 *
 * Return:
 *   * 0
 *   * %-EBADMSG: shorter than its fixed part, or longer than VMBUS_GPADL_MSG_MAX
 *   * %-EOPNOTSUPP: another type of message
 *   * %-ENXIO: no channel here has that relid, and no reply goes out
 *   * %-ENOENT: a GPADL_BODY for a handle that is not being assembled; no reply goes out
 *   * %-EAGAIN: too many replies wait; ops->wake() tells when there is room
 *   * %-EINVAL: unknown bit in @flags
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
