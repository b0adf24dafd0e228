// SPDX-License-Identifier: GPL-2.0
/*
 * The two rings of an open channel: where they are, and packets out of one and into the
 * other. What a ring is, ring.h tells.
 *
 * The backend reads in one context at a time, so reading takes no lock. Writing takes
 * out_lock with interrupts off, twice for a packet, for as long as it takes to compare and
 * set indexes; guest data is copied in between. So a backend can send from any context
 * that its own lower layers complete in, and a long packet delays nobody's interrupts.
 *
 * While somebody waits for room, a timer looks at the ring: guests that announce no
 * pending_send_sz, or announce it and do not mind it, never signal. It backs off while the
 * guest reads nothing, so that a guest that never will costs next to nothing.
 */
#include <linux/align.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/timer.h>

#include "gpadl/compat.h"
#include "gpadl/wire.h"
#include "host.h"
#include "trace.h"

/* How often the timer looks, in jiffies. */
#define POLL_FIRST	max(1UL, HZ / 250UL)
#define POLL_LAST	(HZ / 4UL)

/* How often a guest that has read nothing since the open is signalled again. */
#define MAX_REMINDERS	8

/* ---- What is to be done ---- */

/* Called with out_lock held. */
static void endpoint_start_timer(struct vmbus_endpoint *ep)
{
	lockdep_assert_held(&ep->out_lock);
	if (timer_pending(&ep->out_timer))
		return;
	ep->out_poll = POLL_FIRST;
	mod_timer(&ep->out_timer, jiffies + ep->out_poll);
}

/* Called without a lock. */
static void endpoint_ring_do(struct vmbus_endpoint *ep, unsigned int todo)
{
	if (todo & VMBUS_RING_SIGNAL)
		vmbus_ep_signal(ep);
	if (todo & VMBUS_RING_KICK)
		vmbus_ep_queue_kick(ep);
}

static void endpoint_unlock_and_do(struct vmbus_endpoint *ep, unsigned long irq,
				   unsigned int todo)
	__releases(&ep->out_lock)
{
	if (unlikely(todo & VMBUS_RING_WAIT))
		endpoint_start_timer(ep);
	spin_unlock_irqrestore(&ep->out_lock, irq);
	if (unlikely(todo))
		endpoint_ring_do(ep, todo);
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
		ep->out_poll = read == ep->out.read ? min(2 * ep->out_poll, POLL_LAST) :
			       POLL_FIRST;
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
 * Bytes of the ring GPADL, if it is of whole pages and the second ring begins where it
 * can: each has a control page and data. That it is of one range, the vmap finds.
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
	vmbus_mapping_arm(map, ep);
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
 * Whoever waits for room learns by it that there is. So the next send does not have to
 * have it called again.
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

/* ---- Receiving ---- */

/* A ring that the guest has spoilt is told to the VMM once for each open. */
static int endpoint_ring_result(struct vmbus_endpoint *ep, int ret)
{
	if (unlikely(ret == -EIO) && !atomic_xchg(&ep->told_broken, 1))
		vmbus_host_event_post(ep->guest, VMBUS_HOST_EVENT_BROKEN, ep->relid, 0);
	return ret;
}

/**
 * vmbus_endpoint_peek() - Look at the next packet from the guest, where it lies
 * @ep: the endpoint
 * @pkt: where the packet's description goes: a copy, and whatever the guest likes
 * @seg: where all that follows the descriptor lies: the type's own header, of
 *	@pkt->offset bytes, and the payload, of @pkt->len bytes; the second part is empty
 *	unless the packet goes round the end of the ring
 *
 * The memory is the guest's, which can change it at any time, also between two reads of
 * the same byte: copy what is to be checked (vmbus_endpoint_copy()), check the copy, and use
 * the copy. It can be looked at until the packet is committed. To go on to the next packet,
 * vmbus_endpoint_consume().
 *
 * Receiving is for one context at a time: that of kick(), or whichever the backend has
 * agreed on with itself.
 *
 * Does what hv_pkt_iter_first() does on the guest's side.
 *
 * Context: any, from open() until close() has returned; one at a time.
 *
 * Return: 0, or
 *
 * * %-EAGAIN: there is none; what was consumed has been committed, and kick() will come
 *   when there is one, unless vmbus_endpoint_disable_kick() is in effect
 * * %-EIO: the guest has put nonsense into the ring: it is of no use any more
 */
int vmbus_endpoint_peek(struct vmbus_endpoint *ep, struct vmbus_packet *pkt,
			struct kvec seg[2])
{
	unsigned int todo = 0;
	int ret;

	ret = vmbus_ring_peek(&ep->in, pkt, seg, &todo);
	if (unlikely(todo))
		endpoint_ring_do(ep, todo);
	if (!ret)
		trace_vmbus_host_receive(ep, pkt);
	return endpoint_ring_result(ep, ret);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_peek, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_copy() - Copy from a packet that was peeked at
 * @ep: the endpoint
 * @seg: as vmbus_endpoint_peek() has set it
 * @at: where to begin, in bytes from the end of the descriptor
 * @buf: where the copy goes
 * @len: bytes to copy
 *
 * A memory error in the guest's page is an error here, where the processor can tell;
 * memcpy() would be the host's end.
 *
 * Context: any, until the packet is committed; one at a time.
 * Return: 0; -EINVAL if the packet is shorter; -EIO on a memory error, after which the ring
 * is of no use any more.
 */
int vmbus_endpoint_copy(struct vmbus_endpoint *ep, const struct kvec seg[2], size_t at,
			void *buf, size_t len)
{
	return endpoint_ring_result(ep, vmbus_ring_copy(&ep->in, seg, at, buf, len));
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_copy, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_consume() - Step over the packet that was peeked at
 * @ep: the endpoint
 *
 * Also over one that vmbus_endpoint_recv() had no room for. The guest gets its room back at
 * the next vmbus_endpoint_commit(), or when vmbus_endpoint_peek() finds no other.
 *
 * Does what hv_pkt_iter_next() does on the guest's side.
 *
 * Context: any, from open() until close() has returned; one at a time. Warns once if no
 * packet was peeked at since the last one was consumed.
 */
void vmbus_endpoint_consume(struct vmbus_endpoint *ep)
{
	u32 bytes = ep->in.peeked;

	if (WARN_ON_ONCE(!vmbus_ring_consume(&ep->in)))
		return;
	/* Nobody else writes them. */
	WRITE_ONCE(ep->counts.received, ep->counts.received + 1);
	WRITE_ONCE(ep->counts.received_bytes, ep->counts.received_bytes + bytes);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_consume, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_commit() - Give the room of all that was consumed back to the guest
 * @ep: the endpoint
 *
 * One index, one barrier, and at most one signal for as many packets as one likes.
 *
 * Does what hv_pkt_iter_close() does on the guest's side.
 *
 * Context: any, from open() until close() has returned; one at a time.
 */
void vmbus_endpoint_commit(struct vmbus_endpoint *ep)
{
	unsigned int todo = 0;

	vmbus_ring_commit(&ep->in, &todo);
	if (unlikely(todo))
		endpoint_ring_do(ep, todo);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_commit, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_recv() - Receive the next packet from the guest
 * @ep: the endpoint
 * @pkt: where the packet's description goes
 * @buf: where all that follows the descriptor goes: the type's own header, of
 *	@pkt->offset bytes, and the payload, of @pkt->len bytes
 * @size: size of @buf in bytes
 *
 * Peek, copy, consume and commit, for those who do not count instructions. Everything in
 * @pkt and @buf is a copy, and whatever the guest likes.
 *
 * Does what vmbus_recvpacket_raw() does on the guest's side.
 *
 * Context: any, from open() until close() has returned; one at a time.
 *
 * Return: 0, or
 *
 * * %-EAGAIN: there is none; kick() will come when there is
 * * %-EMSGSIZE: @buf is too small for the packet that @pkt describes, and which stays
 *   the next one until it is received or vmbus_endpoint_consume() steps over it
 * * %-EIO: the guest has put nonsense into the ring, or its memory has an error: it is of
 *   no use any more
 */
int vmbus_endpoint_recv(struct vmbus_endpoint *ep, struct vmbus_packet *pkt, void *buf,
			size_t size)
{
	struct kvec seg[2];
	size_t len;
	int ret;

	ret = vmbus_endpoint_peek(ep, pkt, seg);
	if (ret)
		return ret;
	len = pkt->offset + pkt->len;
	if (len > size)
		return -EMSGSIZE;
	ret = vmbus_endpoint_copy(ep, seg, 0, buf, len);
	if (ret)
		return ret;
	vmbus_endpoint_consume(ep);
	vmbus_endpoint_commit(ep);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_recv, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_disable_kick() - The backend polls from now on
 * @ep: the endpoint
 *
 * The guest is asked not to signal packets. A guest may do so all the same; and kick()
 * still comes when there is room that somebody waits for.
 *
 * Context: any, from open() until close() has returned; one at a time, as receiving.
 */
void vmbus_endpoint_disable_kick(struct vmbus_endpoint *ep)
{
	vmbus_ring_mask(&ep->in);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_disable_kick, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_enable_kick() - The backend does not poll any more
 * @ep: the endpoint
 *
 * Commits what was consumed.
 *
 * Context: any, from open() until close() has returned; one at a time, as receiving.
 * Return: false: kick() will come when there is a packet. True: there is one, or the ring is
 * broken; look again.
 */
bool vmbus_endpoint_enable_kick(struct vmbus_endpoint *ep)
{
	vmbus_endpoint_commit(ep);
	return vmbus_ring_unmask(&ep->in);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_enable_kick, VMBUS_HOST_NS);

/* ---- Sending ---- */

static int endpoint_reserve(struct vmbus_endpoint *ep, u32 offset, size_t len,
			    struct vmbus_ring_slot *slot)
{
	unsigned int todo = 0;
	unsigned long irq;
	int ret;

	spin_lock_irqsave(&ep->out_lock, irq);
	ret = vmbus_ring_reserve(&ep->out, offset, len, slot, &todo);
	endpoint_unlock_and_do(ep, irq, todo);
	return endpoint_ring_result(ep, ret);
}

/* Called with out_lock held. */
static void endpoint_count_sent(struct vmbus_endpoint *ep, u32 bytes)
{
	WRITE_ONCE(ep->counts.sent, ep->counts.sent + 1);
	WRITE_ONCE(ep->counts.sent_bytes, ep->counts.sent_bytes + bytes);
}

static int endpoint_finish(struct vmbus_endpoint *ep, struct vmbus_ring_slot *slot, bool more)
{
	unsigned int todo = 0;
	unsigned long irq;
	int ret;

	spin_lock_irqsave(&ep->out_lock, irq);
	ret = vmbus_ring_finish(&ep->out, slot, more, &todo);
	if (!ret)
		endpoint_count_sent(ep, slot->len + VMBUS_RING_TRAILER);
	endpoint_unlock_and_do(ep, irq, todo);
	return endpoint_ring_result(ep, ret);
}

/**
 * vmbus_endpoint_sendv() - Send a packet to the guest
 * @ep: the endpoint
 * @pkt: describes the packet; @pkt->offset is a multiple of 8
 * @v: pieces of the type's own header, of @pkt->offset bytes, and the payload, of
 *	@pkt->len bytes
 * @n: number of pieces
 * @flags: VMBUS_SEND_MORE: others follow. The guest need not see the packet before the
 *	next one without that flag, or vmbus_endpoint_flush(), which must not be forgotten.
 *
 * The guest is signalled if it needs to be. Several can send at the same time; the packets
 * are in the order in which the calls began.
 *
 * When it returns -EAGAIN, what was sent with VMBUS_SEND_MORE has been flushed.
 *
 * Does what vmbus_sendpacket() does on the guest's side.
 *
 * Context: any, interrupts included (threaded ones on PREEMPT_RT), from open() until
 * close() has returned. Takes a lock with interrupts off, but not while it copies.
 *
 * Return: 0, or
 *
 * * %-EAGAIN: no room now; kick() will come when there is, or may be
 * * %-EMSGSIZE: the ring can never hold the packet
 * * %-EINVAL: @pkt->offset is not a multiple of 8, the lengths of @v are not that of the
 *   packet, or a flag is not known
 * * %-EIO: the guest has put nonsense into the ring: it is of no use any more
 */
int vmbus_endpoint_sendv(struct vmbus_endpoint *ep, const struct vmbus_packet *pkt,
			 const struct kvec *v, unsigned int n, unsigned int flags)
{
	size_t len = (size_t)pkt->offset + pkt->len;
	struct vmbus_ring_slot slot;
	size_t sum = 0;
	unsigned int i;
	int ret;

	for (i = 0; i < n; i++)
		sum += v[i].iov_len;
	if (sum != len || flags & ~VMBUS_SEND_MORE)
		return -EINVAL;
	ret = endpoint_reserve(ep, pkt->offset, len, &slot);
	if (ret)
		return ret;
	trace_vmbus_host_send(ep, pkt);
	vmbus_ring_fill(&ep->out, &slot, pkt, v, n);
	return endpoint_finish(ep, &slot, flags & VMBUS_SEND_MORE);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_sendv, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_send() - Send a packet to the guest, and now
 * @ep: the endpoint
 * @pkt: describes the packet; @pkt->offset is a multiple of 8
 * @buf: the type's own header, of @pkt->offset bytes, and the payload, of @pkt->len bytes
 *
 * vmbus_endpoint_sendv() of one piece and without flags.
 *
 * Context: as vmbus_endpoint_sendv().
 * Return: as vmbus_endpoint_sendv().
 */
int vmbus_endpoint_send(struct vmbus_endpoint *ep, const struct vmbus_packet *pkt,
			const void *buf)
{
	struct kvec v = {
		.iov_base = (void *)buf,
		.iov_len = (size_t)pkt->offset + pkt->len,
	};

	return vmbus_endpoint_sendv(ep, pkt, &v, 1, 0);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_send, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_flush() - Let the guest see all that was sent with VMBUS_SEND_MORE
 * @ep: the endpoint
 *
 * The guest is signalled if it needs to be.
 *
 * Context: as vmbus_endpoint_sendv().
 */
void vmbus_endpoint_flush(struct vmbus_endpoint *ep)
{
	unsigned int todo = 0;
	unsigned long irq;

	spin_lock_irqsave(&ep->out_lock, irq);
	vmbus_ring_flush(&ep->out, &todo);
	endpoint_unlock_and_do(ep, irq, todo);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_flush, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_room() - How long a packet can be sent now?
 * @ep: the endpoint
 * @want: bytes of header and payload that the backend would like to send
 *
 * If the answer is less than @want, kick() will come when there is room for that many, and a
 * quarter of the ring is free: so guest and host do not signal each other for every packet.
 * What the ring can never hold is not waited for.
 *
 * Another sender may take the room before the backend does.
 *
 * Context: as vmbus_endpoint_sendv().
 * Return: bytes of header and payload of the longest packet; 0 if the ring is broken.
 */
size_t vmbus_endpoint_room(struct vmbus_endpoint *ep, size_t want)
{
	unsigned int todo = 0;
	unsigned long irq;
	size_t room;

	spin_lock_irqsave(&ep->out_lock, irq);
	room = vmbus_ring_room(&ep->out, want, &todo);
	endpoint_unlock_and_do(ep, irq, todo);
	return room;
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_room, VMBUS_HOST_NS);
