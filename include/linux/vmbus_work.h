/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Work of a channel: what its worker runs, one item at a time, in the order it was queued. For
 * channel layers, not for a backend: nothing waits for its items.
 */
#ifndef _VMBUS_WORK_H
#define _VMBUS_WORK_H

#include <linux/llist.h>

/**
 * struct vmbus_gpadl_work - something to be done in the order of a channel
 * @fn: does it. The item may be queued again from the moment that this is called
 */
struct vmbus_gpadl_work {
	void (*fn)(struct vmbus_gpadl_work *work);
	/* private: */
	struct llist_node node;
	unsigned long flags;
};

/**
 * vmbus_gpadl_work_init() - Prepare an item
 * @work: the item, not queued
 * @fn: what does it, in the channel's worker; may sleep
 *
 * Context: any.
 */
static inline void vmbus_gpadl_work_init(struct vmbus_gpadl_work *work,
					 void (*fn)(struct vmbus_gpadl_work *work))
{
	work->fn = fn;
	work->flags = 0;
}

#endif /* _VMBUS_WORK_H */
