// SPDX-License-Identifier: GPL-2.0
/*
 * Packets out of the ring that the guest writes, for backends.
 *
 * The backend reads in one context at a time, so reading takes no lock. What is done for
 * each packet is here and in ring_in.h, in one piece; what happens once for many, the
 * look for new packets and the return of their room, is a call away.
 */
#include <linux/errno.h>
#include <linux/export.h>

#include "gpadl/compat.h"
#include "endpoint_ring.h"
#include "host.h"
#include "ring_in.h"
#include "trace.h"

/*
 * The uncommon cases. Each function below ends in its only call, so it needs no stack frame.
 */
static noinline int endpoint_peek_slow(struct vmbus_endpoint *ep, struct vmbus_packet *pkt,
				       struct kvec seg[2])
{
	unsigned int todo = 0;
	int ret;

	ret = vmbus_ring_peek(&ep->in, pkt, seg, &todo);
	endpoint_ring_do(ep, todo);
	if (!ret)
		trace_vmbus_host_receive(ep, pkt);
	return endpoint_ring_result(ep, ret);
}

/* A traced packet takes the slow path. */
static __always_inline bool endpoint_peek_plain(struct vmbus_endpoint *ep,
						struct vmbus_packet *pkt, const void **body,
						u32 *len)
{
	return !trace_vmbus_host_receive_enabled() &&
	       likely(ring_peek_plain(&ep->in, pkt, body, len));
}

static __always_inline int endpoint_peek(struct vmbus_endpoint *ep, struct vmbus_packet *pkt,
					 struct kvec seg[2])
{
	const void *body;
	u32 len;

	if (!endpoint_peek_plain(ep, pkt, &body, &len))
		return endpoint_peek_slow(ep, pkt, seg);
	ep->in.peeked = ring_total(len);
	seg[0].iov_base = (void *)body;
	seg[0].iov_len = len;
	seg[1].iov_len = 0;
	return 0;
}

static noinline int endpoint_copy_slow(struct vmbus_endpoint *ep, const struct kvec seg[2],
				       size_t at, void *buf, size_t len)
{
	return endpoint_ring_result(ep, vmbus_ring_copy(&ep->in, seg, at, buf, len));
}

/* A memory error in the packet ended the ring: a loop over a batch may find out only now. */
static void endpoint_nothing_peeked(struct vmbus_endpoint *ep)
{
	WARN_ON_ONCE(!ep->in.mem.broken);
}

/* Something was consumed. */
static __always_inline void endpoint_commit(struct vmbus_endpoint *ep)
{
	if (unlikely(ring_commit(&ep->in)))
		vmbus_ep_signal(ep);
}

static __always_inline void endpoint_step(struct vmbus_endpoint *ep, u32 bytes)
{
	ring_step(&ep->in, bytes);
	/* Nobody else writes it; debugfs and fdinfo may read it. */
	data_race(ep->counts.received++);
	/* Likewise. */
	data_race(ep->counts.received_bytes += bytes);
}

/* Give back a packet with @len bytes behind its descriptor. */
static __always_inline int endpoint_finish_packet(struct vmbus_endpoint *ep, u32 len)
{
	ep->in.peeked = 0;
	endpoint_step(ep, ring_total(len));
	endpoint_commit(ep);
	return 0;
}

static noinline int endpoint_recv_long(struct vmbus_endpoint *ep, const void *body, void *buf,
				       u32 len)
{
	if (unlikely(!mc_copy(buf, body, len)))
		return endpoint_ring_result(ep, vmbus_ring_break_in(&ep->in));
	return endpoint_finish_packet(ep, len);
}

static noinline int endpoint_recv_slow(struct vmbus_endpoint *ep, struct vmbus_packet *pkt,
				       void *buf, size_t size)
{
	struct kvec seg[2];
	size_t len;
	int ret;

	ret = endpoint_peek_slow(ep, pkt, seg);
	if (ret)
		return ret;
	len = pkt->offset + pkt->len;
	if (len > size)
		return -EMSGSIZE;
	if (!seg[1].iov_len)
		return endpoint_recv_long(ep, seg[0].iov_base, buf, len);
	ret = endpoint_copy_slow(ep, seg, 0, buf, len);
	return ret ?: endpoint_finish_packet(ep, len);
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
 * What the guest has written before the packet, also elsewhere in its memory, is seen behind this.
 *
 * Receiving is for one context at a time: that of kick(), or whichever the backend has
 * agreed on with itself.
 *
 * Does what hv_pkt_iter_first() does on the guest's side.
 *
 * Context: any, from open() until close() has returned, and as long as the endpoint is held;
 * one at a time.
 *
 * Return:
 *   * 0
 *   * %-EAGAIN: there is none; what was consumed has been committed, and kick() will come
 *     when there is one, unless vmbus_endpoint_disable_kick() is in effect
 *   * %-EIO: the guest has put nonsense into the ring: it is of no use any more
 */
int vmbus_endpoint_peek(struct vmbus_endpoint *ep, struct vmbus_packet *pkt,
			struct kvec seg[2])
{
	return endpoint_peek(ep, pkt, seg);
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
	size_t first = seg[0].iov_len;

	if (unlikely(!mc_is_short(len) || at > first || len > first - at) ||
	    unlikely(!mc_copy_words(buf, seg[0].iov_base + at, len)))
		return endpoint_copy_slow(ep, seg, at, buf, len);
	return 0;
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
 * Context: any, from open() until close() has returned, and as long as the endpoint is held;
 * one at a time. Warns once if no packet was peeked at since the last one was consumed, unless the
 * ring is of no use any more.
 */
void vmbus_endpoint_consume(struct vmbus_endpoint *ep)
{
	if (unlikely(!ep->in.peeked)) {
		endpoint_nothing_peeked(ep);
		return;
	}
	endpoint_step(ep, ep->in.peeked);
	ep->in.peeked = 0;
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_consume, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_next() - Step over the packet that was peeked at, and look at the next
 * @ep: the endpoint
 * @pkt: as for vmbus_endpoint_peek()
 * @seg: as for vmbus_endpoint_peek()
 *
 * vmbus_endpoint_consume() and vmbus_endpoint_peek() in one call, for the loop over a batch::
 *
 *	for (ret = vmbus_endpoint_peek(ep, &pkt, seg); !ret;
 *	     ret = vmbus_endpoint_next(ep, &pkt, seg))
 *		...
 *
 * Context: as vmbus_endpoint_consume().
 * Return: as vmbus_endpoint_peek().
 */
int vmbus_endpoint_next(struct vmbus_endpoint *ep, struct vmbus_packet *pkt,
			struct kvec seg[2])
{
	if (likely(ep->in.peeked))
		endpoint_step(ep, ep->in.peeked);
	else
		endpoint_nothing_peeked(ep);
	/* Sets @peeked anew. */
	return endpoint_peek(ep, pkt, seg);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_next, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_commit() - Give the room of all that was consumed back to the guest
 * @ep: the endpoint
 *
 * One index, one barrier, and at most one signal for as many packets as one likes.
 *
 * Does what hv_pkt_iter_close() does on the guest's side.
 *
 * Context: any, from open() until close() has returned, and as long as the endpoint is held;
 * one at a time.
 */
void vmbus_endpoint_commit(struct vmbus_endpoint *ep)
{
	unsigned int todo = 0;

	vmbus_ring_commit(&ep->in, &todo);
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
 * Peek, copy, consume and commit, for backends that do not count instructions. Everything in
 * @pkt and @buf is a copy, and whatever the guest likes. What the guest has written before the
 * packet is seen behind this.
 *
 * Does what vmbus_recvpacket_raw() does on the guest's side.
 *
 * Context: any, from open() until close() has returned, and as long as the endpoint is held;
 * one at a time.
 *
 * Return:
 *   * 0
 *   * %-EAGAIN: there is none; kick() will come when there is
 *   * %-EMSGSIZE: @buf is too small for the packet that @pkt describes, and which stays
 *     the next one until it is received or vmbus_endpoint_consume() steps over it
 *   * %-EIO: the guest has put nonsense into the ring, or its memory has an error: it is of
 *     no use any more
 */
int vmbus_endpoint_recv(struct vmbus_endpoint *ep, struct vmbus_packet *pkt, void *buf,
			size_t size)
{
	const void *body;
	u32 len;

	if (!endpoint_peek_plain(ep, pkt, &body, &len) || unlikely(len > size))
		return endpoint_recv_slow(ep, pkt, buf, size);
	if (unlikely(!mc_is_short(len) || !mc_copy_words(buf, body, len)))
		return endpoint_recv_long(ep, body, buf, len);
	return endpoint_finish_packet(ep, len);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_recv, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_disable_kick() - The backend polls from now on
 * @ep: the endpoint
 *
 * The guest is asked not to signal packets. kick() still comes: for a signal of before, or of a
 * guest that does as it likes, and when there is room that somebody waits for. It must not read
 * then: one context at a time receives, and that is the one that polls.
 *
 * Context: any, from open() until close() has returned, and as long as the endpoint is held;
 * one at a time, as receiving.
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
 * Context: any, from open() until close() has returned, and as long as the endpoint is held;
 * one at a time, as receiving.
 * Return: false: kick() will come when there is a packet. True: there is one, or the ring is
 * broken; look again.
 */
bool vmbus_endpoint_enable_kick(struct vmbus_endpoint *ep)
{
	vmbus_endpoint_commit(ep);
	return vmbus_ring_unmask(&ep->in);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_enable_kick, VMBUS_HOST_NS);
