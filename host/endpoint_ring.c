// SPDX-License-Identifier: GPL-2.0
/*
 * The two rings of an open channel: where they are, and the signals, kicks and timers that their
 * functions ask for. What a ring is, ring.h tells; what backends do with them, endpoint_recv.c
 * and endpoint_send.c.
 *
 * While somebody waits for room, a timer looks at the ring: guests that announce no
 * pending_send_sz, or announce it and do not mind it, never signal. It backs off while the
 * guest reads nothing, so that a guest that never will costs next to nothing.
 */
#include <linux/align.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/timer.h>

#include "gpadl/compat.h"
#include "gpadl/wire.h"
#include "endpoint_ring.h"
#include "host.h"

/* How often the timer looks, in jiffies. */
#define POLL_FIRST	max(1UL, HZ / 250UL)
#define POLL_READING	max(1UL, HZ / 32UL)
#define POLL_LAST	(HZ / 4UL)

/* How often a guest that has read nothing since the open is signalled again. */
#define MAX_REMINDERS	8

/* ---- What is to be done ---- */

/**
 * vmbus_ep_do() - Signal the guest, call kick()
 * @ep: the endpoint
 * @todo: VMBUS_RING_SIGNAL, VMBUS_RING_KICK
 *
 * Context: any; out_lock is not held.
 */
void vmbus_ep_do(struct vmbus_endpoint *ep, unsigned int todo)
{
	if (todo & VMBUS_RING_SIGNAL)
		vmbus_ep_signal(ep);
	if (todo & VMBUS_RING_KICK)
		vmbus_ep_queue_kick(ep);
}

/**
 * vmbus_ep_start_timer() - Look for room now and then, for a waiting sender
 * @ep: the endpoint
 *
 * Context: any; out_lock is held.
 */
void vmbus_ep_start_timer(struct vmbus_endpoint *ep)
{
	lockdep_assert_held(&ep->out_lock);
	if (timer_pending(&ep->out_timer))
		return;
	ep->out_poll = POLL_FIRST;
	mod_timer(&ep->out_timer, jiffies + ep->out_poll);
}

/**
 * vmbus_ep_tell_broken() - Tell the VMM that a ring is of no use any more
 * @ep: the endpoint
 *
 * The VMM is told once for each open.
 *
 * Context: any.
 */
void vmbus_ep_tell_broken(struct vmbus_endpoint *ep)
{
	if (!atomic_xchg(&ep->told_broken, 1))
		vmbus_host_event_post(ep->guest, VMBUS_HOST_EVENT_BROKEN, ep->relid, 0);
}

/*
 * A guest whose driver was not ready when the first packets came may have missed their
 * signal, and no other follows: the ring is not empty any more.
 */
static unsigned int endpoint_remind(struct vmbus_endpoint *ep)
{
	lockdep_assert_held(&ep->out_lock);
	/* A guest that has read all, or masks, has its driver at work. */
	if (ep->reminders && !vmbus_ring_is_unread(&ep->out))
		ep->reminders = 0;
	if (!ep->reminders)
		return 0;
	ep->reminders--;
	return VMBUS_RING_SIGNAL | VMBUS_RING_WAIT;
}

static void endpoint_out_timer(struct timer_list *timer)
{
	struct vmbus_endpoint *ep = container_of(timer, struct vmbus_endpoint, out_timer);
	unsigned int todo = 0;
	u32 read;
	unsigned long irq;

	spin_lock_irqsave(&ep->out_lock, irq);
	read = ep->out.read;
	vmbus_ring_poll_room(&ep->out, &todo);
	todo |= endpoint_remind(ep);
	if (todo & VMBUS_RING_WAIT && !timer_pending(timer)) {
		/* A guest that reads may have made the room by next time, or never makes it. */
		ep->out_poll = min(2 * ep->out_poll,
				   read == ep->out.read ? POLL_LAST : POLL_READING);
		mod_timer(timer, jiffies + ep->out_poll);
	}
	spin_unlock_irqrestore(&ep->out_lock, irq);
	endpoint_ring_do(ep, todo);
}

/* ---- Where they are ---- */

/**
 * vmbus_ep_rings_init() - Prepare what belongs to the rings
 * @ep: a new endpoint
 *
 * Context: any.
 */
void vmbus_ep_rings_init(struct vmbus_endpoint *ep)
{
	spin_lock_init(&ep->out_lock);
	timer_setup(&ep->out_timer, endpoint_out_timer, 0);
}

/*
 * Bytes of the ring GPADL, if it is of whole pages and the second ring begins where it can: each
 * has a control page and data. The vmap checks that it has one range.
 */
static int ring_check(const struct sg_table *sgt, u32 ring_page, size_t *bytes)
{
	struct scatterlist *sg;
	unsigned int i;
	size_t len = 0;

	for_each_sgtable_sg(sgt, sg, i)
		len += sg->length;
	if (!IS_ALIGNED(sgt->sgl->offset, VMBUS_RING_PAGE) ||
	    !IS_ALIGNED(len, VMBUS_RING_PAGE))
		return -EINVAL;
	if (ring_page < 2 || ring_page > GPADL_MAX_PAGES ||
	    (size_t)ring_page * VMBUS_RING_PAGE + 2 * VMBUS_RING_PAGE > len)
		return -EINVAL;
	*bytes = len;
	return 0;
}

static int rings_init(struct vmbus_endpoint *ep, void *base, size_t bytes)
{
	size_t split = (size_t)ep->open.ring_page * VMBUS_RING_PAGE;
	int ret;

	ep->reminders = 0;
	atomic_set(&ep->told_broken, 0);
	ret = vmbus_ring_init_in(&ep->in, base, split);
	if (!ret)
		ret = vmbus_ring_init_out(&ep->out, base + split, bytes - split);
	return ret;
}

/**
 * vmbus_ep_rings_map() - Map the rings that ep->open names, and take them up
 * @ep: the endpoint
 *
 * Context: process, work of the channel. May sleep for as long as the VMM likes.
 * Return: 0; -EINVAL if the GPADL holds no two rings; -EIO if the guest's indexes are
 * nonsense; what vmbus_gpadl_map() and vmbus_mapping_vmap() return.
 */
int vmbus_ep_rings_map(struct vmbus_endpoint *ep)
{
	struct vmbus_mapping *map;
	size_t bytes;
	void *base;
	int ret;

	ret = vmbus_gpadl_map(ep->chan, 0, ep->open.ring_handle, &map);
	if (ret)
		return ret;
	ret = ring_check(vmbus_mapping_sgt(map), ep->open.ring_page, &bytes);
	if (ret)
		goto err_unmap;
	base = vmbus_mapping_vmap(map);
	if (IS_ERR(base)) {
		ret = PTR_ERR(base);
		goto err_unmap;
	}
	ret = rings_init(ep, base, bytes);
	if (ret)
		goto err_vunmap;
	ep->rings = map;
	/* Not the backend's to find: a guest may name the rings as a buffer. */
	vmbus_mapping_arm_own(map, ep);
	return 0;

err_vunmap:
	vmbus_mapping_vunmap(map);
err_unmap:
	vmbus_gpadl_unmap(map);
	return ret;
}

/* Nobody sends any more; only the timer may still run. */
static void rings_stop(struct vmbus_endpoint *ep)
{
	unsigned long irq;

	spin_lock_irqsave(&ep->out_lock, irq);
	vmbus_ring_stop_waiting(&ep->out);
	ep->reminders = 0;
	spin_unlock_irqrestore(&ep->out_lock, irq);
	timer_delete_sync(&ep->out_timer);
	vmbus_ep_forget_signal(ep);
}

/**
 * vmbus_ep_rings_unmap() - Give the rings back
 * @ep: the endpoint
 *
 * Context: process, work of the channel. The backend does not use the rings any more.
 */
void vmbus_ep_rings_unmap(struct vmbus_endpoint *ep)
{
	rings_stop(ep);
	/* The guest has seen nothing of what was sent behind it. */
	WARN_ONCE(!list_empty(&ep->out.reserved),
		  "vmbus_host: channel %u: backend %s left a reservation that it never submitted\n",
		  ep->relid, ep->dev->backend->name);
	vmbus_mapping_vunmap(ep->rings);
	vmbus_gpadl_unmap(ep->rings);
	ep->rings = NULL;
}

/* ---- What the endpoint asks ---- */

/**
 * vmbus_ep_rings_have_input() - Is there a packet of the guest's?
 * @ep: the endpoint, of which the backend may be reading already
 *
 * Context: any.
 * Return: true if so.
 */
bool vmbus_ep_rings_have_input(struct vmbus_endpoint *ep)
{
	return !vmbus_ring_is_empty(&ep->in);
}

/**
 * vmbus_ep_rings_opened() - The guest has been told that the channel is open
 * @ep: the endpoint
 *
 * What the backend has sent before was signalled when the guest may not have listened.
 *
 * Context: process, no lock held.
 */
void vmbus_ep_rings_opened(struct vmbus_endpoint *ep)
{
	unsigned int todo;
	unsigned long irq;

	spin_lock_irqsave(&ep->out_lock, irq);
	ep->reminders = MAX_REMINDERS;
	todo = endpoint_remind(ep);
	endpoint_unlock_and_do(ep, irq, todo);
}

/**
 * vmbus_ep_rings_kicked() - kick() is about to be called
 * @ep: the endpoint
 *
 * It tells each sender that waits for room that there may be some. So the next send does not
 * have to cause another call.
 *
 * Context: process, work of the channel.
 */
void vmbus_ep_rings_kicked(struct vmbus_endpoint *ep)
{
	unsigned int todo = 0;
	unsigned long irq;

	spin_lock_irqsave(&ep->out_lock, irq);
	vmbus_ring_poll_room(&ep->out, &todo);
	spin_unlock_irqrestore(&ep->out_lock, irq);
}
