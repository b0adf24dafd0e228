/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ring that the host writes: what is done for each packet, inline.
 *
 * A sender that has reserved room writes one packet behind the other without a lock. What
 * happens once for many packets, and what is rare, is in ring_out.c.
 */
#ifndef _VMBUS_RING_OUT_H
#define _VMBUS_RING_OUT_H

#include <linux/compiler.h>
#include <linux/list.h>
#include <linux/string.h>
#include <linux/vmbus_packet.h>

#include <asm/barrier.h>

#include "copy_long.h"
#include "ring.h"

/* Where a string instruction is worth its start */
#define RING_LONG	256u

static __always_inline u32 ring_room_known(const struct vmbus_ring_out *ring)
{
	return ring->mem.size - vmbus_ring_used(&ring->mem, ring->read, ring->index);
}

/* Take @room bytes, which are free. Called under the caller's lock. */
static __always_inline void ring_take(struct vmbus_ring_out *ring, u32 room,
				      struct vmbus_reservation *res)
{
	res->start = ring->index;
	res->next = ring->index;
	res->left = room;
	res->room = room;
	res->packets = 0;
	res->publish = false;
	ring->index = vmbus_ring_advance(&ring->mem, ring->index, room);
	res->end = ring->index;
	list_add_tail(&res->node, &ring->reserved);
}

/* vmbus_ring_reserve(), if the room known of is enough. Called under the caller's lock. */
static __always_inline bool ring_reserve_known(struct vmbus_ring_out *ring, size_t room,
					       struct vmbus_reservation *res)
{
	if (unlikely(ring->mem.broken || ring->waiting || ring_room_known(ring) <= room))
		return false;
	ring_take(ring, room, res);
	return true;
}

/* Is the packet valid, and does it fit into what is left? */
static __always_inline bool ring_fits(const struct vmbus_reservation *res,
				      const struct vmbus_packet *pkt)
{
	size_t len = (size_t)pkt->offset + pkt->len;

	return likely(!(pkt->offset % 8) && len <= VMBUS_RING_MAX_PACKET - VMBUS_RING_DESC &&
		      vmbus_packet_room(len) <= res->left);
}

/* The first word of a descriptor, of a packet with @padded bytes behind it */
static __always_inline u64 ring_desc_word(const struct vmbus_packet *pkt, u32 padded)
{
	return pkt->type | (u64)((VMBUS_RING_DESC + pkt->offset) / 8) << 16 |
	       (u64)((VMBUS_RING_DESC + padded) / 8) << 32 | (u64)pkt->flags << 48;
}

static __always_inline void ring_placed(struct vmbus_reservation *res, u32 next, u32 room)
{
	res->next = next;
	res->left -= room;
	res->packets++;
}

/*
 * vmbus_ring_place() of a packet that ends before the ring does. Returns false, and has done
 * nothing, if it does not, or does not fit.
 */
static __always_inline bool ring_place_plain(const struct vmbus_ring *mem,
					     struct vmbus_reservation *res,
					     const struct vmbus_packet *pkt, struct kvec seg[2])
{
	size_t len = (size_t)pkt->offset + pkt->len;
	u32 padded = ALIGN(len, 8), room = ring_total(padded);
	u32 start = res->next;
	u64 *at = (u64 *)(mem->data + start);
	u64 *trailer = (void *)at + VMBUS_RING_DESC + padded;

	if (unlikely(!ring_fits(res, pkt) || start + room >= mem->size))
		return false;
	at[0] = ring_desc_word(pkt, padded);
	at[1] = pkt->trans_id;
	/* The padding: the payload is written over the rest of the word. */
	if (len % 8)
		trailer[-1] = 0;
	trailer[0] = (u64)start << 32;
	seg[0].iov_base = at + 2;
	seg[0].iov_len = len;
	seg[1].iov_base = NULL;
	seg[1].iov_len = 0;
	ring_placed(res, start + room, room);
	return true;
}

/* Into the ring. A memory error there shows when somebody reads it, and that is the guest. */
static __always_inline void ring_write(void *to, const void *from, size_t len)
{
	if (len < RING_LONG)
		memcpy(to, from, len);
	else
		copy_long(to, from, len);
}

/* vmbus_ring_fill() of a place in one piece */
static __always_inline void ring_fill_plain(void *to, const struct kvec *v, unsigned int n)
{
	for (; n; n--, v++) {
		ring_write(to, v->iov_base, v->iov_len);
		to += v->iov_len;
	}
}

/*
 * Show the guest all complete packets, of which there are some; signal it if it has to be. Called
 * under the caller's lock.
 */
static __always_inline void ring_show(struct vmbus_ring_out *ring, unsigned int *todo)
{
	u32 start = ring->written;

	ring->written = ring->filled;
	/* The packets are there before the guest is told. */
	virt_store_release(&ring->mem.control->write_index, ring->written);
	/* write_index before interrupt_mask: pairs with the guest's hv_end_read(). */
	virt_mb();
	if (READ_ONCE(ring->mem.control->interrupt_mask))
		return;
	/* interrupt_mask before read_index, as the guest's hv_signal_on_write(). */
	virt_rmb();
	if (READ_ONCE(ring->mem.control->read_index) == start)
		*todo |= VMBUS_RING_SIGNAL;
}

/*
 * vmbus_ring_finish(), if nobody else fills anything, and nobody waits. Called under the
 * caller's lock.
 */
static __always_inline bool ring_finish_alone(struct vmbus_ring_out *ring,
					      struct vmbus_reservation *res, bool more,
					      unsigned int *todo)
{
	if (unlikely(!list_is_singular(&ring->reserved) || ring->waiting ||
		     ring->mem.broken || res->left))
		return false;
	INIT_LIST_HEAD(&ring->reserved);
	ring->filled = res->end;
	if (!more || res->publish)
		ring_show(ring, todo);
	return true;
}

#endif /* _VMBUS_RING_OUT_H */
