// SPDX-License-Identifier: GPL-2.0
/*
 * Packets into the ring that the host writes, for backends.
 *
 * A sender reserves room, writes, and submits. The first and the last take out_lock
 * with interrupts off for as long as it takes to compare and set indexes; what is sent is
 * written in between, by as many senders as there are at the same time. So a backend can send
 * from any context that its own lower layers complete in, and a long packet delays nobody's
 * interrupts. Packets that are reserved together share the two.
 */
#include <linux/align.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uio.h>

#include "gpadl/compat.h"
#include "endpoint_ring.h"
#include "host.h"
#include "ring_out.h"
#include "trace.h"

static __always_inline int endpoint_reserve(struct vmbus_endpoint *ep,
					    struct vmbus_reservation *res, size_t room)
{
	unsigned int todo = 0;
	unsigned long irq;
	int ret = 0;

	spin_lock_irqsave(&ep->out_lock, irq);
	if (likely(ring_reserve_known(&ep->out, room, res))) {
		spin_unlock_irqrestore(&ep->out_lock, irq);
		return 0;
	}
	ret = vmbus_ring_reserve(&ep->out, room, res, &todo);
	endpoint_unlock_and_do(ep, irq, todo);
	return endpoint_ring_result(ep, ret);
}

static __always_inline int endpoint_submit(struct vmbus_endpoint *ep,
					   struct vmbus_reservation *res, bool more)
{
	unsigned int todo = 0;
	unsigned long irq;
	int ret = 0;

	spin_lock_irqsave(&ep->out_lock, irq);
	if (unlikely(!ring_finish_alone(&ep->out, res, more, &todo)))
		ret = vmbus_ring_finish(&ep->out, res, more, &todo);
	if (likely(!ret)) {
		WRITE_ONCE(ep->counts.sent, ep->counts.sent + res->packets);
		WRITE_ONCE(ep->counts.sent_bytes, ep->counts.sent_bytes + res->room);
	}
	endpoint_unlock_and_do(ep, irq, todo);
	return endpoint_ring_result(ep, ret);
}

/* The uncommon cases, and traced packets */
static noinline int endpoint_place_slow(struct vmbus_endpoint *ep,
					struct vmbus_reservation *res,
					const struct vmbus_packet *pkt, struct kvec seg[2])
{
	int ret = vmbus_ring_place(&ep->out, res, pkt, seg);

	if (!ret)
		trace_vmbus_host_send(ep, pkt);
	return ret;
}

static __always_inline bool endpoint_place_plain(struct vmbus_endpoint *ep,
						 struct vmbus_reservation *res,
						 const struct vmbus_packet *pkt,
						 struct kvec seg[2])
{
	return !trace_vmbus_host_send_enabled() &&
	       likely(ring_place_plain(&ep->out.mem, res, pkt, seg));
}

static noinline int endpoint_placev_slow(struct vmbus_endpoint *ep,
					 struct vmbus_reservation *res,
					 const struct vmbus_packet *pkt, const struct kvec *v,
					 unsigned int n)
{
	struct kvec seg[2];
	int ret;

	ret = endpoint_place_slow(ep, res, pkt, seg);
	if (!ret)
		vmbus_ring_fill(seg, v, n);
	return ret;
}

static __always_inline int endpoint_placev(struct vmbus_endpoint *ep,
					   struct vmbus_reservation *res,
					   const struct vmbus_packet *pkt,
					   const struct kvec *v, unsigned int n)
{
	struct kvec seg[2];

	if (!endpoint_place_plain(ep, res, pkt, seg))
		return endpoint_placev_slow(ep, res, pkt, v, n);
	ring_fill_plain(seg[0].iov_base, v, n);
	return 0;
}

/* What most answers have: no call, nor a loop */
#define USUAL_COMPLETION	64u

/**
 * vmbus_ep_place_completion() - vmbus_endpoint_placev() of a completion
 * @ep: the endpoint
 * @res: a reservation with room for it
 * @c: the completion
 *
 * It has no header of its own, and is one piece.
 *
 * Context: as vmbus_endpoint_place().
 */
void vmbus_ep_place_completion(struct vmbus_endpoint *ep, struct vmbus_reservation *res,
			       const struct vmbus_completion *c)
{
	const struct vmbus_packet pkt = {
		.type = VMBUS_PACKET_COMPLETION,
		.trans_id = c->trans_id,
		.len = c->len,
	};
	const struct kvec v = { .iov_base = (void *)c->buf, .iov_len = c->len };
	struct kvec seg[2] __uninitialized;

	if (!endpoint_place_plain(ep, res, &pkt, seg))
		endpoint_placev_slow(ep, res, &pkt, &v, 1);
	else if (likely(c->len == USUAL_COMPLETION))
		memcpy(seg[0].iov_base, c->buf, USUAL_COMPLETION);
	else
		ring_write(seg[0].iov_base, c->buf, c->len);
}

/* Are these pieces as long as the packet? */
static __always_inline bool endpoint_pieces_ok(size_t len, const struct kvec *v,
					       unsigned int n)
{
	size_t sum = 0;

	for (; n; n--, v++)
		sum += v->iov_len;
	return likely(sum == len);
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
 * One packet at a time takes the lock twice for each. A backend with many to send reserves
 * room for all of them: vmbus_endpoint_reserve().
 *
 * When it returns -EAGAIN, what was sent with VMBUS_SEND_MORE has been flushed. A kick() follows,
 * unless close() has begun or the VMM was killed: then only close() comes, which itself wakes
 * whoever waits to send. A sender in another thread notes that it waits before it sends: kick()
 * may come before this has returned.
 *
 * What the caller has read from or written to the guest's memory before is done when the guest sees
 * the packet: it needs no barrier of its own.
 *
 * Does what vmbus_sendpacket() does on the guest's side.
 *
 * Context: any, interrupts included (threaded ones on PREEMPT_RT), from open() until close() has
 * returned, and as long as the endpoint is held. Takes a lock with interrupts off, but not while
 * it copies.
 *
 * Return:
 *   * 0
 *   * %-EAGAIN: no room now; kick() will come when there is, or may be: see above
 *   * %-EMSGSIZE: the ring can never hold the packet
 *   * %-EINVAL: @pkt->offset is not a multiple of 8, the lengths of @v are not that of the
 *     packet, or a flag is not known
 *   * %-EIO: the guest has put nonsense into the ring: it is of no use any more
 */
int vmbus_endpoint_sendv(struct vmbus_endpoint *ep, const struct vmbus_packet *pkt,
			 const struct kvec *v, unsigned int n, unsigned int flags)
{
	size_t len = (size_t)pkt->offset + pkt->len;
	struct vmbus_reservation res;
	int ret;

	if (!endpoint_pieces_ok(len, v, n) || flags & ~VMBUS_SEND_MORE ||
	    !IS_ALIGNED(pkt->offset, 8))
		return -EINVAL;
	if (unlikely(len > VMBUS_RING_MAX_PACKET - VMBUS_RING_DESC))
		return -EMSGSIZE;
	ret = endpoint_reserve(ep, &res, vmbus_packet_room(len));
	if (unlikely(ret))
		return ret;
	endpoint_placev(ep, &res, pkt, v, n);
	return endpoint_submit(ep, &res, flags & VMBUS_SEND_MORE);
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
 * vmbus_endpoint_reserve() - Reserve room in the ring for packets
 * @ep: the endpoint
 * @res: the reservation; on the caller's stack, or wherever
 * @room: bytes: the sum of vmbus_packet_room() of all packets
 *
 * The packets are then written where the guest reads them, and shown to it together::
 *
 *	ret = vmbus_endpoint_reserve(ep, &res, n * vmbus_packet_room(sizeof(*answer)));
 *	if (ret)
 *		return ret;			(kick() comes when there is room)
 *	for each of n
 *		vmbus_endpoint_place(ep, &res, &pkt, seg);	and write there, or
 *		vmbus_endpoint_placev(ep, &res, &pkt, v, 1);
 *	vmbus_endpoint_submit(ep, &res, 0);
 *
 * The backend fills all the room that it reserves and submits it: it cannot be given back, as what
 * others have reserved behind it may be complete already. So it is reserved when it is known
 * what is to be sent. There may be any number of reservations at the same time. The guest
 * sees nothing of what was reserved behind one until that one is submitted; so its holder
 * does not sleep, and does not wait for another sender. One that was not submitted when the channel
 * has closed is warned of.
 *
 * Context: as vmbus_endpoint_sendv().
 *
 * Return:
 *   * 0
 *   * %-EAGAIN: no room now; kick() will come when there is, or may be, as for
 *     vmbus_endpoint_sendv()
 *   * %-EMSGSIZE: the ring can never hold that much
 *   * %-EINVAL: @room is no such sum
 *   * %-EIO: the guest has put nonsense into the ring: it is of no use any more
 */
int vmbus_endpoint_reserve(struct vmbus_endpoint *ep, struct vmbus_reservation *res,
			   size_t room)
{
	/* No packet is smaller than one without a payload. */
	if (room < vmbus_packet_room(0) || !IS_ALIGNED(room, 8))
		return -EINVAL;
	return endpoint_reserve(ep, res, room);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_reserve, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_place() - Begin the next packet of a reservation
 * @ep: the endpoint
 * @res: the reservation
 * @pkt: describes the packet; @pkt->offset is a multiple of 8
 * @seg: where the type's own header, of @pkt->offset bytes, and the payload, of @pkt->len
 *	bytes, are to be written; the second part is empty unless the packet goes round the end
 *	of the ring
 *
 * All else of the packet is written. @seg is the guest's memory, which holds what it held
 * before: write all of it, and read nothing from it. It can be written to until
 * vmbus_endpoint_submit().
 *
 * Context: any; the reservation is its holder's alone. Takes no lock.
 *
 * Return: 0; -EINVAL if @pkt->offset is not a multiple of 8, or if the packet does not fit
 * into what is left of the reservation: then nothing was written.
 */
int vmbus_endpoint_place(struct vmbus_endpoint *ep, struct vmbus_reservation *res,
			 const struct vmbus_packet *pkt, struct kvec seg[2])
{
	if (endpoint_place_plain(ep, res, pkt, seg))
		return 0;
	return endpoint_place_slow(ep, res, pkt, seg);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_place, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_placev() - Write the next packet of a reservation
 * @ep: the endpoint
 * @res: the reservation
 * @pkt: describes the packet; @pkt->offset is a multiple of 8
 * @v: pieces of the type's own header, of @pkt->offset bytes, and the payload, of
 *	@pkt->len bytes
 * @n: number of pieces
 *
 * Context: as vmbus_endpoint_place().
 * Return: as vmbus_endpoint_place(); also -EINVAL if the lengths of @v are not that of the
 * packet.
 */
int vmbus_endpoint_placev(struct vmbus_endpoint *ep, struct vmbus_reservation *res,
			  const struct vmbus_packet *pkt, const struct kvec *v, unsigned int n)
{
	if (!endpoint_pieces_ok((size_t)pkt->offset + pkt->len, v, n))
		return -EINVAL;
	return endpoint_placev(ep, res, pkt, v, n);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_placev, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_submit() - Show the guest the packets of a reservation
 * @ep: the endpoint
 * @res: the reservation, which is none any more
 * @flags: VMBUS_SEND_MORE, as for vmbus_endpoint_sendv()
 *
 * The guest sees them when all that was reserved before is submitted, too; the sender that
 * submits the last of that shows all, and signals. What was read from or written to the guest's
 * memory before this call is done by then.
 *
 * Context: as vmbus_endpoint_sendv(). Warns once if room is left in which no packet was
 * placed: the ring is broken then.
 *
 * Return: 0; -EIO: the guest, or a packet that was not placed, has spoilt the ring.
 */
int vmbus_endpoint_submit(struct vmbus_endpoint *ep, struct vmbus_reservation *res,
			  unsigned int flags)
{
	WARN_ON_ONCE(res->left);
	return endpoint_submit(ep, res, flags & VMBUS_SEND_MORE);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_submit, VMBUS_HOST_NS);

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
 *
 * Another sender may take the room before the backend does.
 *
 * Check for an error before the answer is compared with a size_t: as that, it is a large number.
 *
 * Context: as vmbus_endpoint_sendv().
 *
 * Return:
 *   * bytes of header and payload of the longest packet
 *   * %-EMSGSIZE: the ring can never hold @want, and no kick() comes for it: see
 *     vmbus_endpoint_max_room()
 *   * %-EIO: the guest has put nonsense into the ring: it is of no use any more
 */
ssize_t vmbus_endpoint_room(struct vmbus_endpoint *ep, size_t want)
{
	unsigned int todo = 0;
	unsigned long irq;
	size_t room;
	int ret;

	if (want > vmbus_ring_max_room(&ep->out))
		return -EMSGSIZE;
	spin_lock_irqsave(&ep->out_lock, irq);
	room = vmbus_ring_room(&ep->out, want, &todo);
	ret = ep->out.mem.broken ? -EIO : 0;
	endpoint_unlock_and_do(ep, irq, todo);
	return endpoint_ring_result(ep, ret) ?: (ssize_t)room;
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_room, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_max_room() - How long a packet can ever be sent?
 * @ep: the endpoint
 *
 * The guest chooses the size of its ring when it opens the channel: a backend whose packets may be
 * longer than that finds out in open(), and refuses, or sends less at a time. A longer packet is
 * -EMSGSIZE to all that sends.
 *
 * Context: any, from open() until close() has returned, and as long as the endpoint is held.
 * Return: bytes of header and payload of the longest packet that the ring holds when the guest has
 * read all. It does not change until close(), whatever the guest puts into the ring.
 */
size_t vmbus_endpoint_max_room(const struct vmbus_endpoint *ep)
{
	return vmbus_ring_max_room(&ep->out);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_max_room, VMBUS_HOST_NS);
