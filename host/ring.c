// SPDX-License-Identifier: GPL-2.0
/*
 * VMBus ring buffer, host side: see ring.h.
 *
 * Who signals whom follows the guest's drivers/hv/ring_buffer.c, from the other end:
 *
 * - A writer signals when the ring was empty before its packet, unless the reader has
 *   masked it. write_index, full barrier, interrupt_mask, read_index, in this order.
 * - A reader masks while it reads. When it finds the ring empty, it unmasks and, after a
 *   full barrier, looks again.
 * - A writer without room sets pending_send_sz and, after a full barrier, looks again. A
 *   reader signals when what it has read crosses that threshold. read_index, full
 *   barrier, pending_send_sz, write_index, in this order.
 */
#include <linux/align.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/vmbus_backend.h>

#include <asm/barrier.h>

#include "gpadl/compat.h"
#include "ring.h"

/* struct vmpacket_descriptor; lengths in units of 8 bytes. */
struct ring_desc {
	u16 type;
	u16 offset8;
	u16 len8;
	u16 flags;
	u64 trans_id;
};

static_assert(sizeof(struct ring_desc) == VMBUS_RING_DESC);

static int ring_break(struct vmbus_ring *ring)
{
	ring->broken = true;
	return -EIO;
}

static bool ring_index_ok(const struct vmbus_ring *ring, u32 index)
{
	return index < ring->size && IS_ALIGNED(index, 8);
}

static u32 ring_advance(const struct vmbus_ring *ring, u32 index, u32 bytes)
{
	index += bytes;
	return index < ring->size ? index : index - ring->size;
}

/* Bytes between a reader at @read and a writer at @write. */
static u32 ring_used(const struct vmbus_ring *ring, u32 read, u32 write)
{
	return write >= read ? write - read : ring->size - read + write;
}

static void ring_copy_out(const struct vmbus_ring *ring, u32 index, void *buf, u32 len)
{
	u32 first = min(len, ring->size - index);

	memcpy(buf, ring->data + index, first);
	memcpy(buf + first, ring->data, len - first);
}

static u32 ring_copy_in(struct vmbus_ring *ring, u32 index, const void *buf, u32 len)
{
	u32 first = min(len, ring->size - index);

	memcpy(ring->data + index, buf, first);
	memcpy(ring->data, buf + first, len - first);
	return ring_advance(ring, index, len);
}

static int ring_init(struct vmbus_ring *ring, void *base, size_t bytes)
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
int vmbus_ring_init_in(struct vmbus_ring *ring, void *base, size_t bytes)
{
	int ret = ring_init(ring, base, bytes);

	if (ret)
		return ret;
	ring->index = READ_ONCE(ring->control->read_index);
	if (!ring_index_ok(ring, ring->index))
		return ring_break(ring);
	WRITE_ONCE(ring->control->interrupt_mask, 0);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_init_in, VMBUS_HOST_NS);

/**
 * vmbus_ring_init_out() - Take up the ring that the host writes
 * @ring: the ring
 * @base: its memory: control page and data
 * @bytes: length of that memory, a multiple of VMBUS_RING_PAGE
 *
 * Writing begins where write_index says. Tells the guest that the host minds
 * pending_send_sz.
 *
 * Context: any.
 * Return: 0; -EINVAL if the length is wrong; -EIO if write_index is.
 */
int vmbus_ring_init_out(struct vmbus_ring *ring, void *base, size_t bytes)
{
	int ret = ring_init(ring, base, bytes);

	if (ret)
		return ret;
	ring->index = READ_ONCE(ring->control->write_index);
	if (!ring_index_ok(ring, ring->index))
		return ring_break(ring);
	WRITE_ONCE(ring->control->pending_send_sz, 0);
	WRITE_ONCE(ring->control->feature_bits, VMBUS_RING_FEATURE_PENDING_SEND_SZ);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_init_out, VMBUS_HOST_NS);

/* ---- Reading ---- */

static void ring_mask(struct vmbus_ring *ring, bool on)
{
	ring->masked = on;
	WRITE_ONCE(ring->control->interrupt_mask, on);
}

/* Bytes that the guest has written and the host has not read; or -EIO. */
static int ring_avail(struct vmbus_ring *ring, u32 *avail)
{
	/* Pairs with the guest's barrier between a packet and write_index. */
	u32 write = virt_load_acquire(&ring->control->write_index);

	if (!ring_index_ok(ring, write))
		return ring_break(ring);
	*avail = ring_used(ring, ring->index, write);
	return 0;
}

/*
 * The same, and interrupt_mask is set if there are any, else clear. A packet that comes
 * while it is being cleared is either seen here or signalled.
 */
static int ring_avail_masked(struct vmbus_ring *ring, u32 *avail)
{
	int ret = ring_avail(ring, avail);

	if (!ret && !*avail && ring->masked) {
		ring_mask(ring, false);
		/* Pairs with the guest's between write_index and interrupt_mask. */
		virt_mb();
		ret = ring_avail(ring, avail);
	}
	if (!ret && *avail && !ring->masked)
		ring_mask(ring, true);
	return ret;
}

/* Copy the descriptor of the next packet out, and check the copy against @avail. */
static int ring_read_desc(struct vmbus_ring *ring, u32 avail, struct ring_desc *desc)
{
	u32 len, offset;

	if (avail < VMBUS_RING_DESC + VMBUS_RING_TRAILER)
		return ring_break(ring);
	ring_copy_out(ring, ring->index, desc, sizeof(*desc));
	/* Nobody reads it twice: the compiler must not go back to the ring either. */
	barrier();

	len = desc->len8 * 8u;
	offset = desc->offset8 * 8u;
	if (offset < VMBUS_RING_DESC || offset > len || len + VMBUS_RING_TRAILER > avail)
		return ring_break(ring);
	return 0;
}

/*
 * @bytes have just been read: does the guest wait for that much room? The signal is due
 * once, when it becomes enough.
 */
static bool ring_room_made(struct vmbus_ring *ring, u32 bytes)
{
	u32 pending, write, room;

	/* read_index before pending_send_sz: pairs with the guest's other order. */
	virt_mb();
	pending = READ_ONCE(ring->control->pending_send_sz);
	if (!pending)
		return false;
	/* pending_send_sz before write_index, as the guest's hv_pkt_iter_close(). */
	virt_rmb();
	write = READ_ONCE(ring->control->write_index);
	if (!ring_index_ok(ring, write))
		return false;
	room = ring->size - ring_used(ring, ring->index, write);
	return room > pending && (room < bytes || room - bytes <= pending);
}

/**
 * vmbus_ring_is_empty() - Has the guest written nothing that was not read?
 * @ring: a ring that the guest writes
 *
 * Context: any; the caller serialises.
 * Return: true if so. Nonsense is not nothing: vmbus_ring_read() finds out.
 */
bool vmbus_ring_is_empty(const struct vmbus_ring *ring)
{
	return READ_ONCE(ring->control->write_index) == ring->index;
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_is_empty, VMBUS_HOST_NS);

/**
 * vmbus_ring_read() - Read the next packet out of a ring that the guest writes
 * @ring: the ring
 * @pkt: where the packet's description goes
 * @buf: where all that follows the descriptor goes: the type's own header, of
 *	@pkt->offset bytes, and the payload, of @pkt->len bytes
 * @size: size of @buf in bytes
 * @signal: set to true if the guest waits for the room that this has made
 *
 * Context: any; the caller serialises.
 *
 * Return: 0, or
 *
 * * %-EAGAIN: the ring is empty; the guest will signal
 * * %-EMSGSIZE: @buf is too small for the packet that @pkt describes, and which stays
 *   the next one
 * * %-EIO: the guest has put nonsense into the ring, now or before
 */
int vmbus_ring_read(struct vmbus_ring *ring, struct vmbus_packet *pkt, void *buf,
		    size_t size, bool *signal)
{
	struct ring_desc desc;
	u32 avail, len, total;
	int ret;

	if (ring->broken)
		return -EIO;
	ret = ring_avail_masked(ring, &avail);
	if (ret)
		return ret;
	if (!avail)
		return -EAGAIN;
	ret = ring_read_desc(ring, avail, &desc);
	if (ret)
		return ret;

	len = desc.len8 * 8u - VMBUS_RING_DESC;
	*pkt = (struct vmbus_packet){
		.type = desc.type,
		.flags = desc.flags,
		.trans_id = desc.trans_id,
		.offset = desc.offset8 * 8u - VMBUS_RING_DESC,
		.len = (desc.len8 - desc.offset8) * 8u,
	};
	if (len > size)
		return -EMSGSIZE;
	ring_copy_out(ring, ring_advance(ring, ring->index, VMBUS_RING_DESC), buf, len);

	total = VMBUS_RING_DESC + len + VMBUS_RING_TRAILER;
	ring->index = ring_advance(ring, ring->index, total);
	/* The guest may write over the packet as soon as it sees this. */
	virt_store_release(&ring->control->read_index, ring->index);
	*signal = ring_room_made(ring, total);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_read, VMBUS_HOST_NS);

/* ---- Writing ---- */

/* Is there room for @total bytes, with one left? 0, -EAGAIN or -EIO. */
static int ring_has_room(struct vmbus_ring *ring, u32 total)
{
	/* What the guest has read may be written over only after this. */
	u32 read = virt_load_acquire(&ring->control->read_index);

	if (!ring_index_ok(ring, read))
		return ring_break(ring);
	return ring->size - ring_used(ring, read, ring->index) > total ? 0 : -EAGAIN;
}

static void ring_wait_for(struct vmbus_ring *ring, u32 total)
{
	WRITE_ONCE(ring->control->pending_send_sz, total);
	ring->waiting = total;
}

/* The same; where there is none, the guest will signal when there is. */
static int ring_await_room(struct vmbus_ring *ring, u32 total)
{
	int ret = ring_has_room(ring, total);

	if (ret == -EAGAIN) {
		ring_wait_for(ring, total);
		/* Pairs with the guest's between read_index and pending_send_sz. */
		virt_mb();
		ret = ring_has_room(ring, total);
	}
	/* Not for a smaller packet that found room: who has a larger one still waits. */
	if (!ret && ring->waiting && total >= ring->waiting)
		ring_wait_for(ring, 0);
	return ret;
}

/* The packet at @start has been published: is the guest to be told? */
static bool ring_was_empty(struct vmbus_ring *ring, u32 start)
{
	/* write_index before interrupt_mask: pairs with the guest's hv_end_read(). */
	virt_mb();
	if (READ_ONCE(ring->control->interrupt_mask))
		return false;
	/* interrupt_mask before read_index, as the guest's hv_signal_on_write(). */
	virt_rmb();
	return READ_ONCE(ring->control->read_index) == start;
}

static void ring_put(struct vmbus_ring *ring, const struct vmbus_packet *pkt,
		     const void *buf, u32 len)
{
	static const u8 zeroes[8];
	u32 padded = ALIGN(len, 8);
	u32 index = ring->index;
	u64 trailer = (u64)index << 32;
	struct ring_desc desc = {
		.type = pkt->type,
		.offset8 = (VMBUS_RING_DESC + pkt->offset) / 8,
		.len8 = (VMBUS_RING_DESC + padded) / 8,
		.flags = pkt->flags,
		.trans_id = pkt->trans_id,
	};

	index = ring_copy_in(ring, index, &desc, sizeof(desc));
	index = ring_copy_in(ring, index, buf, len);
	index = ring_copy_in(ring, index, zeroes, padded - len);
	ring->index = ring_copy_in(ring, index, &trailer, sizeof(trailer));
}

/**
 * vmbus_ring_write() - Write a packet into a ring that the host writes
 * @ring: the ring
 * @pkt: describes the packet; @pkt->offset is a multiple of 8
 * @buf: the type's own header, of @pkt->offset bytes, and the payload, of @pkt->len
 *	bytes; the packet is padded to a multiple of 8 with zeroes
 * @signal: set to true if the guest is to be signalled
 *
 * Context: any; the caller serialises.
 *
 * Return: 0, or
 *
 * * %-EAGAIN: no room now; the guest will signal when there is
 * * %-EMSGSIZE: the ring can never hold the packet
 * * %-EINVAL: @pkt->offset is not a multiple of 8
 * * %-EIO: the guest has put nonsense into the ring, now or before
 */
int vmbus_ring_write(struct vmbus_ring *ring, const struct vmbus_packet *pkt,
		     const void *buf, bool *signal)
{
	u64 len = (u64)pkt->offset + pkt->len;
	u64 total = VMBUS_RING_DESC + ALIGN(len, 8) + VMBUS_RING_TRAILER;
	u32 start = ring->index;
	int ret;

	if (ring->broken)
		return -EIO;
	if (!IS_ALIGNED(pkt->offset, 8))
		return -EINVAL;
	if (total >= ring->size || total - VMBUS_RING_TRAILER > U16_MAX * 8u)
		return -EMSGSIZE;
	ret = ring_await_room(ring, total);
	if (ret)
		return ret;

	ring_put(ring, pkt, buf, len);
	/* The packet is there before the guest is told. */
	virt_store_release(&ring->control->write_index, ring->index);
	*signal = ring_was_empty(ring, start);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_write, VMBUS_HOST_NS);
