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
#include <linux/vmbus_packet.h>

#include <asm/barrier.h>

#include "gpadl/compat.h"
#include "ring_in.h"

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
	/* A glance: the reader may have gone on when this returns. */
	return READ_ONCE(ring->mem.control->write_index) == data_race(ring->index);
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_is_empty, VMBUS_HOST_NS);

/* ---- Making room ---- */

/**
 * vmbus_ring_room_made() - Does the guest get a signal for the room that was made?
 * @ring: the ring
 * @pending: its pending_send_sz, read after read_index was set
 * @bytes: as many have just been given back
 *
 * The signal is due once, when it becomes enough.
 *
 * Context: any; the caller is the ring's only user.
 * Return: true if so.
 */
bool vmbus_ring_room_made(struct vmbus_ring_in *ring, u32 pending, u32 bytes)
{
	u32 write, room;

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
	if (ring->index != ring->committed && !ring->mem.broken && ring_commit(ring))
		*todo |= VMBUS_RING_SIGNAL;
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_commit, VMBUS_HOST_NS);

/* ---- Looking for a packet ---- */

static void ring_set_mask(struct vmbus_ring_in *ring, bool on)
{
	ring->masked = on;
	WRITE_ONCE(ring->mem.control->interrupt_mask, on);
}

/**
 * vmbus_ring_break_in() - Stop using the ring: the guest has spoilt it
 * @ring: the ring
 *
 * Context: any; the caller is the ring's only user.
 * Return: -EIO.
 */
int vmbus_ring_break_in(struct vmbus_ring_in *ring)
{
	ring->avail = 0;
	ring->peeked = 0;
	return vmbus_ring_break(&ring->mem);
}

/* Read write_index anew. 0, or -EIO. */
static int ring_look(struct vmbus_ring_in *ring)
{
	/* Pairs with the guest's barrier between a packet and write_index. */
	u32 write = virt_load_acquire(&ring->mem.control->write_index);

	if (!vmbus_ring_index_ok(&ring->mem, write))
		return vmbus_ring_break_in(ring);
	ring->avail = vmbus_ring_used(&ring->mem, ring->index, write);
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

/* No packet is known of: look for one. 0, -EAGAIN, or -EIO. */
static int ring_await_packet(struct vmbus_ring_in *ring, unsigned int *todo)
{
	int ret;

	if (ring->mem.broken)
		return -EIO;
	ret = ring_look(ring);
	if (!ret && !ring->avail) {
		vmbus_ring_commit(ring, todo);
		if (ring->masked && !ring->polled)
			ret = ring_look_unmasked(ring);
	}
	if (ret)
		return ret;
	if (!ring->avail)
		return -EAGAIN;
	if (!ring->masked)
		ring_set_mask(ring, true);
	return 0;
}

/* ---- Packets ---- */

static void ring_segments(const struct vmbus_ring *ring, u32 index, u32 len,
			  struct kvec seg[2])
{
	u32 first = min(len, ring->size - index);

	seg[0].iov_base = ring->data + index;
	seg[0].iov_len = first;
	seg[1].iov_base = ring->data;
	seg[1].iov_len = len - first;
}

/* Look at a packet that is known to be there, in one piece or two. Returns 0 or -EIO. */
static int ring_peek_known(struct vmbus_ring_in *ring, struct vmbus_packet *pkt,
			   struct kvec seg[2])
{
	const struct vmbus_ring *mem = &ring->mem;
	u32 behind = vmbus_ring_advance(mem, ring->index, 8), len;
	u64 word, trans_id;

	if (ring->avail < VMBUS_RING_DESC + VMBUS_RING_TRAILER)
		return vmbus_ring_break_in(ring);
	/* Words do not go round the end of the ring, which is a multiple of 8. */
	if (!mc_copy(&word, mem->data + ring->index, 8) ||
	    !mc_copy(&trans_id, mem->data + behind, 8))
		return vmbus_ring_break_in(ring);
	/* The compiler must not go back to the ring either. */
	barrier();
	if (!ring_desc_ok(word, ring->avail - VMBUS_RING_DESC - VMBUS_RING_TRAILER))
		return vmbus_ring_break_in(ring);
	len = ring_desc_len(word);
	ring->peeked = ring_total(len);
	ring_describe(pkt, word, trans_id);
	ring_segments(mem, vmbus_ring_advance(mem, behind, 8), len, seg);
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
 * Return:
 *   * 0
 *   * %-EAGAIN: there is none
 *   * %-EIO: the guest has put nonsense into the ring, now or before
 */
int vmbus_ring_peek(struct vmbus_ring_in *ring, struct vmbus_packet *pkt,
		    struct kvec seg[2], unsigned int *todo)
{
	const void *body;
	u32 len;
	int ret;

	ring->peeked = 0;
	if (!ring->avail) {
		ret = ring_await_packet(ring, todo);
		if (ret)
			return ret;
	}
	if (ring_peek_plain(ring, pkt, &body, &len)) {
		ring->peeked = ring_total(len);
		seg[0].iov_base = (void *)body;
		seg[0].iov_len = len;
		seg[1].iov_len = 0;
		return 0;
	}
	return ring_peek_known(ring, pkt, seg);
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
	bool good = true;

	if (at > first + seg[1].iov_len || len > first + seg[1].iov_len - at)
		return -EINVAL;
	if (at < first) {
		n = min(len, first - at);
		good = mc_copy(buf, seg[0].iov_base + at, n);
		buf += n;
		len -= n;
		at = first;
	}
	if (good && len)
		good = mc_copy(buf, seg[1].iov_base + (at - first), len);
	return good ? 0 : vmbus_ring_break_in(ring);
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
	ring_step(ring, ring->peeked);
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
	if (ring->mem.broken || ring->avail)
		return true;
	if (ring_look_unmasked(ring))
		return true;
	if (!ring->avail)
		return false;
	ring_set_mask(ring, true);
	return true;
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_unmask, VMBUS_HOST_NS);
