/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The rings: what is done for each packet, inline.
 *
 * A reader looks at write_index once, and then goes from packet to packet as far as that:
 * no barrier, no store that the guest sees, no call. A sender that has reserved room writes
 * one packet behind the other without a lock. What is done once for many packets is in
 * ring_in.c and ring_out.c, and so is what is rare.
 */
#ifndef _VMBUS_RING_PACKET_H
#define _VMBUS_RING_PACKET_H

#include <linux/compiler.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/vmbus_packet.h>

#include <asm/barrier.h>

#include "mc.h"
#include "ring.h"

/* Bytes in the ring of a packet with @len bytes behind its descriptor */
static __always_inline u32 ring_total(u32 len)
{
	return VMBUS_RING_DESC + len + VMBUS_RING_TRAILER;
}

/*
 * The first word of a struct vmbus_ring_desc, in a register. Lengths are those of what is
 * behind the descriptor; below 0, if the packet is to begin in it.
 */
static __always_inline u16 ring_desc_type(u64 word)
{
	return word;
}

static __always_inline u32 ring_desc_offset(u64 word)
{
	return (u16)(word >> 16) * 8u - VMBUS_RING_DESC;
}

static __always_inline u32 ring_desc_len(u64 word)
{
	return (u16)(word >> 32) * 8u - VMBUS_RING_DESC;
}

static __always_inline u16 ring_desc_flags(u64 word)
{
	return word >> 48;
}

/* ---- The ring that the guest writes ---- */

int vmbus_ring_break_in(struct vmbus_ring_in *ring);
bool vmbus_ring_room_made(struct vmbus_ring_in *ring, u32 pending, u32 bytes);

/* Do packets of this type have a header of their own, of 8 bytes, behind their descriptor? */
static __always_inline bool ring_type_has_header(u16 type)
{
	return type == VMBUS_PACKET_GPA_DIRECT || type == VMBUS_PACKET_XFER_PAGES;
}

/* May a packet be so, of which at most @most bytes can be behind its descriptor? */
static __always_inline bool ring_desc_ok(u64 word, u32 most)
{
	u32 offset = ring_desc_offset(word), len = ring_desc_len(word);

	/* What is below 0 is more than anything. */
	return len <= most && offset <= len &&
	       !(!offset && ring_type_has_header(ring_desc_type(word)));
}

static __always_inline void ring_describe(struct vmbus_packet *pkt, u64 word, u64 trans_id)
{
	u32 offset = ring_desc_offset(word);

	pkt->type = ring_desc_type(word);
	pkt->flags = ring_desc_flags(word);
	pkt->trans_id = trans_id;
	pkt->offset = offset;
	pkt->len = ring_desc_len(word) - offset;
}

/*
 * vmbus_ring_peek() at a packet that is plain: known of, in one piece, and right. Each word of
 * its descriptor is read once, and what is checked is the copy. @body: where what follows it
 * lies, @len bytes. Returns false, and has done nothing, if the packet is not plain: then
 * vmbus_ring_peek() begins anew.
 */
static __always_inline bool ring_peek_plain(const struct vmbus_ring_in *ring,
					    struct vmbus_packet *pkt, const void **body,
					    u32 *len)
{
	u32 avail = ring->avail, room = ring->mem.size - ring->index;
	const u8 *at = ring->mem.data + ring->index;
	u64 word, trans_id;

	if (unlikely(avail < VMBUS_RING_DESC + VMBUS_RING_TRAILER || room < VMBUS_RING_DESC))
		return false;
	/* After a memory error the first is 0, which is no descriptor. */
	mc_load2((const u64 *)at, &word, &trans_id);
	if (unlikely(!ring_desc_ok(word, min(room - VMBUS_RING_DESC,
					     avail - VMBUS_RING_DESC - VMBUS_RING_TRAILER))))
		return false;
	ring_describe(pkt, word, trans_id);
	*body = at + VMBUS_RING_DESC;
	*len = ring_desc_len(word);
	return true;
}

/* Step over @bytes. */
static __always_inline void ring_step(struct vmbus_ring_in *ring, u32 bytes)
{
	ring->avail -= bytes;
	ring->index = vmbus_ring_advance(&ring->mem, ring->index, bytes);
}

/* vmbus_ring_commit(), if there is anything. Returns whether the guest is to be signalled. */
static __always_inline bool ring_commit(struct vmbus_ring_in *ring)
{
	u32 committed = ring->committed, pending;

	ring->committed = ring->index;
	/* The guest may write over the packets as soon as it sees this. */
	virt_store_release(&ring->mem.control->read_index, ring->index);
	/* read_index before pending_send_sz: pairs with the guest's other order. */
	virt_mb();
	pending = READ_ONCE(ring->mem.control->pending_send_sz);
	if (likely(!pending))
		return false;
	return vmbus_ring_room_made(ring, pending,
				    vmbus_ring_used(&ring->mem, committed, ring->index));
}

/* ---- The ring that the host writes ---- */

static __always_inline u32 ring_room_known(const struct vmbus_ring_out *ring)
{
	return ring->mem.size - vmbus_ring_used(&ring->mem, ring->read, ring->index);
}

/* There is so much room. Called under the caller's lock. */
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

/* vmbus_ring_reserve(), if it is plain that there is room. Called under the caller's lock. */
static __always_inline bool ring_reserve_known(struct vmbus_ring_out *ring, size_t room,
					       struct vmbus_reservation *res)
{
	if (unlikely(ring->mem.broken || ring->waiting || ring_room_known(ring) <= room))
		return false;
	ring_take(ring, room, res);
	return true;
}

/* May a packet be so, and does it fit into what is left? */
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

/* vmbus_ring_fill() of a place in one piece */
static __always_inline void ring_fill_plain(void *to, const struct kvec *v, unsigned int n)
{
	for (; n; n--, v++) {
		memcpy(to, v->iov_base, v->iov_len);
		to += v->iov_len;
	}
}

/*
 * Show the guest all that is complete, and something is. Is it to be told? Called under the
 * caller's lock.
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

#endif /* _VMBUS_RING_PACKET_H */
