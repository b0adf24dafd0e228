/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The two rings of an open channel, and what is done about what their functions say:
 * see endpoint_ring.c.
 */
#ifndef _VMBUS_HOST_ENDPOINT_RING_H
#define _VMBUS_HOST_ENDPOINT_RING_H

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "host.h"
#include "ring.h"

void vmbus_ep_rings_init(struct vmbus_endpoint *ep);
int vmbus_ep_rings_map(struct vmbus_endpoint *ep);
void vmbus_ep_rings_unmap(struct vmbus_endpoint *ep);
bool vmbus_ep_rings_have_input(struct vmbus_endpoint *ep);
void vmbus_ep_rings_opened(struct vmbus_endpoint *ep);
void vmbus_ep_rings_kicked(struct vmbus_endpoint *ep);

/* Do what a ring function asked for in @todo */
void vmbus_ep_do(struct vmbus_endpoint *ep, unsigned int todo);
void vmbus_ep_start_timer(struct vmbus_endpoint *ep);
void vmbus_ep_tell_broken(struct vmbus_endpoint *ep);

/* What the functions of a ring say is to be done. Called without a lock. */
static inline void endpoint_ring_do(struct vmbus_endpoint *ep, unsigned int todo)
{
	if (unlikely(todo))
		vmbus_ep_do(ep, todo);
}

/* The same, and unlock out_lock before. */
static inline void endpoint_unlock_and_do(struct vmbus_endpoint *ep, unsigned long irq,
					  unsigned int todo)
	__releases(&ep->out_lock)
{
	if (unlikely(todo & VMBUS_RING_WAIT))
		vmbus_ep_start_timer(ep);
	spin_unlock_irqrestore(&ep->out_lock, irq);
	endpoint_ring_do(ep, todo);
}

/* What a function of a ring has returned goes to the backend. */
static inline int endpoint_ring_result(struct vmbus_endpoint *ep, int ret)
{
	if (unlikely(ret == -EIO))
		vmbus_ep_tell_broken(ep);
	return ret;
}

#endif /* _VMBUS_HOST_ENDPOINT_RING_H */
