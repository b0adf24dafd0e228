/* SPDX-License-Identifier: GPL-2.0 */
/* The state of endpoints, and the work that changes it: see endpoint_state.c. */
#ifndef _VMBUS_HOST_ENDPOINT_STATE_H
#define _VMBUS_HOST_ENDPOINT_STATE_H

#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/types.h>

#include "host.h"

/*
 * Called with the device's lock held. One that is removed has nothing left to do, and whoever
 * removed it may have put its channel: it stays in the device's list until that is freed.
 */
static inline void endpoint_queue(struct vmbus_endpoint *ep)
{
	lockdep_assert_held(&ep->dev->lock);
	if (ep->state != ENDPOINT_REMOVED)
		vmbus_gpadl_channel_queue_work(ep->chan, &ep->state_work);
}

static inline bool endpoint_is_in_use(const struct vmbus_endpoint *ep)
{
	lockdep_assert_held(&ep->dev->lock);
	switch (ep->state) {
	case ENDPOINT_OPENING:
	case ENDPOINT_OPEN:
	case ENDPOINT_DRAINING:
	case ENDPOINT_CLOSING:
		return true;
	default:
		return false;
	}
}

/* A primary is the last to go. */
static inline bool endpoint_is_last(const struct vmbus_endpoint *ep)
{
	struct vmbus_endpoint *sub;

	if (!vmbus_ep_is_primary(ep))
		return true;
	list_for_each_entry(sub, &ep->dev->endpoints, sibling)
		if (sub != ep && sub->state != ENDPOINT_REMOVED)
			return false;
	return true;
}

void vmbus_ep_answer_open(struct vmbus_endpoint *ep, struct open_request *req, int err);
void vmbus_ep_cancel_open(struct vmbus_endpoint *ep, struct open_request *req);
u64 vmbus_ep_callback_begin(struct vmbus_endpoint *ep, const char *name);
void vmbus_ep_callback_end(struct vmbus_endpoint *ep, u64 begin);
void vmbus_ep_do_remove(struct vmbus_endpoint *ep);

#endif /* _VMBUS_HOST_ENDPOINT_STATE_H */
