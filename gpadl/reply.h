/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Queue of the messages that wait for the VMM to deliver them to the guest.
 *
 * A reply belongs to an object (a GPADL's CREATED and TORNDOWN, embedded in it, so that
 * a teardown never allocates) or is one of a fixed number, the queue's room. Room is
 * reserved before a guest's message is looked at: where there is none, nothing has
 * been changed, and the guest can be told to try again.
 */
#ifndef _GPADL_REPLY_H
#define _GPADL_REPLY_H

#include <linux/build_bug.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "vmbus_gpadl_map.h"

/* Room for so many replies that belong to no object */
#define GPADL_REPLY_ROOM	256

/**
 * struct gpadl_reply - a message for the guest
 * @node: in gpadl_reply_queue.queued or .free; empty if in neither
 * @same: in the list of the channel that it is about, while it is queued
 * @release: gives the reply back to its object; NULL if it has none
 * @id: which one it is of all that have ever been queued
 * @len: bytes of @msg in use
 * @msg: the message
 */
struct gpadl_reply {
	struct list_head node;
	struct list_head same;
	void (*release)(struct gpadl_reply *r);
	u64 id;
	u32 len;
	u8 msg[VMBUS_GPADL_MAX_REPLY];
};

/* All that one partition has room for, whoever reads: see Documentation/security.rst. */
static_assert(GPADL_REPLY_ROOM * sizeof(struct gpadl_reply) <= 20 * 1024);

/**
 * struct gpadl_reply_queue - replies of one partition
 * @lock: protects all below; innermost, taken under GPADL locks
 * @queued: replies that wait, in the order of the changes that they tell of
 * @free: room that is neither reserved nor queued
 * @room: all of it
 * @nr_posted: replies that have ever been queued
 *
 * It also protects the list that each channel has of its replies that are queued, which the
 * channel purges before it goes.
 */
struct gpadl_reply_queue {
	spinlock_t lock;
	struct list_head queued;
	struct list_head free;
	struct gpadl_reply *room;
	u64 nr_posted;
};

int gpadl_reply_queue_init(struct gpadl_reply_queue *q);
void gpadl_reply_queue_destroy(struct gpadl_reply_queue *q);

struct gpadl_reply *gpadl_reply_reserve(struct gpadl_reply_queue *q);
bool gpadl_reply_cancel(struct gpadl_reply_queue *q, struct gpadl_reply *r);
void gpadl_reply_post(struct gpadl_reply_queue *q, struct gpadl_reply *r,
		      struct list_head *same);
int gpadl_reply_next(struct gpadl_reply_queue *q, void *buf, size_t len);
int gpadl_reply_peek(struct gpadl_reply_queue *q, struct vmbus_partition_reply *copy);
bool gpadl_reply_take(struct gpadl_reply_queue *q, u64 id);
void gpadl_reply_purge(struct gpadl_reply_queue *q, struct list_head *same);
void gpadl_reply_purge_all(struct gpadl_reply_queue *q);
bool gpadl_reply_readable(struct gpadl_reply_queue *q);
bool gpadl_reply_writable(struct gpadl_reply_queue *q);

#endif /* _GPADL_REPLY_H */
