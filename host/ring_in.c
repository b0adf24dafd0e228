// SPDX-License-Identifier: GPL-2.0
/*
 * The ring that the guest writes: see ring.h.
 *
 * Who signals whom follows the guest's drivers/hv/ring_buffer.c, from the other end:
 *
 * - The guest signals when the ring was empty before its packet, unless the host has
 *   masked it. It does so in this order: write_index, full barrier, interrupt_mask,
 *   read_index. So the host masks while it reads; when it finds the ring empty, it makes
 *   read_index true, unmasks and, after a full barrier, looks again.
 * - A guest without room sets pending_send_sz and, after a full barrier, looks again. The
 *   host signals when what it has read crosses that threshold, in this order: read_index,
 *   full barrier, pending_send_sz, write_index.
 *
 * Packets are read where they lie. What is consumed is the guest's again at the commit:
 * one index, one barrier, and at most one signal for as many packets as one likes.
 */
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/uaccess.h>
#include <linux/vmbus_packet.h>

#include <asm/barrier.h>

#include "gpadl/compat.h"
#include "ring.h"

/**
 * vmbus_ring_init() - Take up memory as a ring
 * @ring: the ring
 * @base: its memory: control page and data
 * @bytes: length of that memory, a multiple of VMBUS_RING_PAGE
 *
 * Context: any.
 * Return: 0; -EINVAL if the length is wrong.
 */
int vmbus_ring_init(struct vmbus_ring *ring, void *base, size_t bytes)
{
	if (!IS_ALIGNED(bytes, VMBUS_RING_PAGE) || bytes < 2 * VMBUS_RING_PAGE ||
	    bytes > U32_MAX / 2)
		return -EINVAL;
	*ring = (struct vmbus_ring){
		.control = base,
		.data = base + VMBUS_RING_PAGE,
		.size = bytes - VMBUS_RING_PAGE,
	};
	return 0;
}

/**
 * vmbus_ring_init_in() - Take up the ring that the guest writes
 * @ring: the ring
 * @base: its memory: control page and data
 * @bytes: length of that memory, a multiple of VMBUS_RING_PAGE
 *
 * Reading begins where read_index says.
 *
 * Context: any.
 * Return: 0; -EINVAL if the length is wrong; -EIO if read_index is.
 */
int vmbus_ring_init_in(struct vmbus_ring_in *ring, void *base, size_t bytes)
{
	int ret;

	*ring = (struct vmbus_ring_in){};
	ret = vmbus_ring_init(&ring->mem, base, bytes);
	if (ret)
		return ret;
	ring->index = READ_ONCE(ring->mem.control->read_index);
	if (!vmbus_ring_index_ok(&ring->mem, ring->index))
		return vmbus_ring_break(&ring->mem);
	ring->committed = ring->index;
	ring->write = ring->index;
	WRITE_ONCE(ring->mem.control->interrupt_mask, 0);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_init_in, VMBUS_HOST_NS);

/**
 * vmbus_ring_is_empty() - Has the guest written nothing that was not consumed?
 * @ring: the ring
 *
 * Context: any, also while another one reads; then the answer is a glance.
 * Return: true if so. A corrupt index reads as non-empty; vmbus_ring_peek() rejects it.
 */
bool vmbus_ring_is_empty(const struct vmbus_ring_in *ring)
{
	/* A glance: whoever reads may have gone on when this returns. */
	return READ_ONCE(ring->mem.control->write_index) == data_race(ring->index);
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_is_empty, VMBUS_HOST_NS);

/* ---- Making room ---- */

/*
 * @bytes have just been given back: does the guest wait for that much room? The signal is
 * due once, when it becomes enough.
 */
static bool ring_room_made(struct vmbus_ring_in *ring, u32 bytes)
{
	u32 pending, write, room;

	/* read_index before pending_send_sz: pairs with the guest's other order. */
	virt_mb();
	pending = READ_ONCE(ring->mem.control->pending_send_sz);
	if (!pending)
		return false;
	/* pending_send_sz before write_index, as the guest's hv_pkt_iter_close(). */
	virt_rmb();
	write = READ_ONCE(ring->mem.control->write_index);
	if (!vmbus_ring_index_ok(&ring->mem, write))
		return false;
	room = ring->mem.size - vmbus_ring_used(&ring->mem, ring->committed, write);
	return room > pending && (room < bytes || room - bytes <= pending);
}

/**
 * vmbus_ring_commit() - Give back to the guest what was consumed
 * @ring: the ring
 * @todo: VMBUS_RING_SIGNAL is set if the guest waits for the room that this makes
 *
 * Context: any; the caller is the ring's only user.
 */
void vmbus_ring_commit(struct vmbus_ring_in *ring, unsigned int *todo)
{
	u32 bytes = vmbus_ring_used(&ring->mem, ring->committed, ring->index);

	if (!bytes || ring->mem.broken)
		return;
	ring->committed = ring->index;
	/* The guest may write over the packets as soon as it sees this. */
	virt_store_release(&ring->mem.control->read_index, ring->index);
	if (ring_room_made(ring, bytes))
		*todo |= VMBUS_RING_SIGNAL;
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_commit, VMBUS_HOST_NS);

/* ---- Looking for a packet ---- */

static void ring_set_mask(struct vmbus_ring_in *ring, bool on)
{
	ring->masked = on;
	WRITE_ONCE(ring->mem.control->interrupt_mask, on);
}

/* Read write_index anew. 0, or -EIO. */
static int ring_look(struct vmbus_ring_in *ring)
{
	/* Pairs with the guest's barrier between a packet and write_index. */
	u32 write = virt_load_acquire(&ring->mem.control->write_index);

	if (!vmbus_ring_index_ok(&ring->mem, write))
		return vmbus_ring_break(&ring->mem);
	ring->write = write;
	return 0;
}

/*
 * The ring is empty: unmask, and look again. A packet that comes meanwhile is either seen
 * here or signalled. The guest signals if it finds read_index where its packet begins, so
 * that has to be true by then.
 */
static int ring_look_unmasked(struct vmbus_ring_in *ring)
{
	ring_set_mask(ring, false);
	/* Pairs with the guest's between write_index and interrupt_mask. */
	virt_mb();
	return ring_look(ring);
}

/* There is no packet that is known of. 0, -EAGAIN, or -EIO. */
static int ring_await_packet(struct vmbus_ring_in *ring, unsigned int *todo)
{
	int ret = ring_look(ring);

	if (!ret && ring->write == ring->index) {
		vmbus_ring_commit(ring, todo);
		if (ring->masked && !ring->polled)
			ret = ring_look_unmasked(ring);
	}
	if (ret)
		return ret;
	if (ring->write == ring->index)
		return -EAGAIN;
	if (!ring->masked)
		ring_set_mask(ring, true);
	return 0;
}

/* ---- Packets ---- */

/* Bytes of the header that packets of this type have behind their descriptor. */
static u32 ring_type_header(u16 type)
{
	return type == VMBUS_PACKET_GPA_DIRECT || type == VMBUS_PACKET_XFER_PAGES ? 8 : 0;
}

static void ring_segments(const struct vmbus_ring *ring, u32 index, u32 len,
			  struct kvec seg[2])
{
	u32 first = min(len, ring->size - index);

	seg[0].iov_base = ring->data + index;
	seg[0].iov_len = first;
	seg[1].iov_base = ring->data;
	seg[1].iov_len = len - first;
}

/* A memory error in what is read must not be the host's end. */
static int ring_copy_out(struct vmbus_ring *ring, void *to, const void *from, size_t len)
{
	return copy_mc_to_kernel(to, from, len) ? vmbus_ring_break(ring) : 0;
}

/*
 * Copy the descriptor of the packet at @ring->index, and check the copy: nobody reads it
 * twice. Returns 0 or -EIO.
 */
static int ring_read_desc(struct vmbus_ring_in *ring, struct vmbus_ring_desc *desc)
{
	u32 avail = vmbus_ring_used(&ring->mem, ring->index, ring->write);
	u32 first = min(VMBUS_RING_DESC, ring->mem.size - ring->index);
	u32 len, offset;
	int ret;

	if (avail < VMBUS_RING_DESC + VMBUS_RING_TRAILER)
		return vmbus_ring_break(&ring->mem);
	ret = ring_copy_out(&ring->mem, desc, ring->mem.data + ring->index, first);
	if (!ret && first < VMBUS_RING_DESC)
		ret = ring_copy_out(&ring->mem, (void *)desc + first, ring->mem.data,
				    VMBUS_RING_DESC - first);
	if (ret)
		return ret;
	/* The compiler must not go back to the ring either. */
	barrier();

	len = desc->len8 * 8u;
	offset = desc->offset8 * 8u;
	if (offset < VMBUS_RING_DESC + ring_type_header(desc->type) || offset > len ||
	    len + VMBUS_RING_TRAILER > avail)
		return vmbus_ring_break(&ring->mem);
	return 0;
}

/**
 * vmbus_ring_peek() - Look at the next packet that was not consumed, where it lies
 * @ring: the ring
 * @pkt: where the packet's description goes, a copy
 * @seg: where all that follows the descriptor lies: the type's own header, of
 *	@pkt->offset bytes, and the payload, of @pkt->len bytes. The second part is empty
 *	unless the packet goes round the end of the ring.
 * @todo: VMBUS_RING_SIGNAL may be set
 *
 * When there is none, what was consumed is committed, and unless the ring is polled, the
 * guest signals the next.
 *
 * Context: any; the caller is the ring's only user.
 *
 * Return: 0, or
 *
 * * %-EAGAIN: there is none
 * * %-EIO: the guest has put nonsense into the ring, now or before
 */
int vmbus_ring_peek(struct vmbus_ring_in *ring, struct vmbus_packet *pkt,
		    struct kvec seg[2], unsigned int *todo)
{
	struct vmbus_ring_desc desc;
	int ret;

	if (ring->mem.broken)
		return -EIO;
	if (ring->write == ring->index) {
		ret = ring_await_packet(ring, todo);
		if (ret)
			return ret;
	}
	ret = ring_read_desc(ring, &desc);
	if (ret)
		return ret;

	*pkt = (struct vmbus_packet){
		.type = desc.type,
		.flags = desc.flags,
		.trans_id = desc.trans_id,
		.offset = desc.offset8 * 8u - VMBUS_RING_DESC,
		.len = (desc.len8 - desc.offset8) * 8u,
	};
	ring_segments(&ring->mem, vmbus_ring_advance(&ring->mem, ring->index, VMBUS_RING_DESC),
		      pkt->offset + pkt->len, seg);
	ring->peeked = desc.len8 * 8u + VMBUS_RING_TRAILER;
	return 0;
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_peek, VMBUS_HOST_NS);

/**
 * vmbus_ring_copy() - Copy from a packet that was peeked at
 * @ring: the ring
 * @seg: as vmbus_ring_peek() has set it
 * @at: where to begin
 * @buf: where the copy goes
 * @len: bytes to copy
 *
 * Context: any; the caller is the ring's only user.
 * Return: 0; -EINVAL if the packet is shorter; -EIO on a memory error, after which the ring
 * is broken.
 */
int vmbus_ring_copy(struct vmbus_ring_in *ring, const struct kvec seg[2], size_t at,
		    void *buf, size_t len)
{
	size_t first = seg[0].iov_len, n;
	int ret = 0;

	if (at > first + seg[1].iov_len || len > first + seg[1].iov_len - at)
		return -EINVAL;
	if (at < first) {
		n = min(len, first - at);
		ret = ring_copy_out(&ring->mem, buf, seg[0].iov_base + at, n);
		buf += n;
		len -= n;
		at = first;
	}
	if (!ret && len)
		ret = ring_copy_out(&ring->mem, buf, seg[1].iov_base + (at - first), len);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_copy, VMBUS_HOST_NS);

/**
 * vmbus_ring_consume() - Step over the packet that was peeked at
 * @ring: the ring
 *
 * Its memory stays as it is until vmbus_ring_commit(), or until a vmbus_ring_peek() that
 * finds no other; as far as the guest leaves it so.
 *
 * Context: any; the caller is the ring's only user.
 * Return: true; false if none was peeked at since the last one was consumed.
 */
bool vmbus_ring_consume(struct vmbus_ring_in *ring)
{
	if (!ring->peeked)
		return false;
	ring->index = vmbus_ring_advance(&ring->mem, ring->index, ring->peeked);
	ring->peeked = 0;
	return true;
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_consume, VMBUS_HOST_NS);

/**
 * vmbus_ring_mask() - From now on the ring is polled
 * @ring: the ring
 *
 * The guest is asked not to signal, also when the ring is found empty.
 *
 * Context: any; the caller is the ring's only user.
 */
void vmbus_ring_mask(struct vmbus_ring_in *ring)
{
	ring->polled = true;
	if (!ring->mem.broken)
		ring_set_mask(ring, true);
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_mask, VMBUS_HOST_NS);

/**
 * vmbus_ring_unmask() - The ring is not polled any more
 * @ring: the ring, with nothing consumed that was not committed
 *
 * Context: any; the caller is the ring's only user.
 * Return: false: it is empty, and the guest signals the next packet. True: there is one, or
 * the ring is broken; vmbus_ring_peek() tells.
 */
bool vmbus_ring_unmask(struct vmbus_ring_in *ring)
{
	ring->polled = false;
	if (ring->mem.broken || ring->write != ring->index)
		return true;
	if (ring_look_unmasked(ring))
		return true;
	if (ring->write == ring->index)
		return false;
	ring_set_mask(ring, true);
	return true;
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_unmask, VMBUS_HOST_NS);
