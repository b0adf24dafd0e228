/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ring that the guest writes: what is done for each packet, inline.
 *
 * A reader looks at write_index once, and then goes from packet to packet as far as that:
 * no barrier, no store that the guest sees, no call. What happens once for many packets, and
 * what is rare, is in ring_in.c.
 */
#ifndef _VMBUS_RING_IN_H
#define _VMBUS_RING_IN_H

#include <linux/compiler.h>
#include <linux/minmax.h>
#include <linux/vmbus_packet.h>

#include <asm/barrier.h>

#include "mc.h"
#include "ring.h"

int vmbus_ring_break_in(struct vmbus_ring_in *ring);
bool vmbus_ring_room_made(struct vmbus_ring_in *ring, u32 pending, u32 bytes);

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

/* Do packets of this type have a header of their own, of 8 bytes, behind their descriptor? */
static __always_inline bool ring_type_has_header(u16 type)
{
	return type == VMBUS_PACKET_GPA_DIRECT || type == VMBUS_PACKET_XFER_PAGES;
}

/* Is this the descriptor of a valid packet, with at most @most bytes behind it? */
static __always_inline bool ring_desc_ok(u64 word, u32 most)
{
	u32 offset = ring_desc_offset(word), len = ring_desc_len(word);

	/* A length below 0 is larger than any limit: it is unsigned. */
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

#endif /* _VMBUS_RING_IN_H */
