// SPDX-License-Identifier: GPL-2.0
/*
 * The ring that the host writes: see ring.h.
 *
 * Many may send at the same time, also from an interrupt that came while another was
 * copying. Each reserves its place, copies, and then finishes. Packets become visible in
 * order: one that is finished while an earlier one is not is left to that one, which
 * publishes both. So nobody waits for anybody, and nobody holds a lock while copying.
 *
 * Who signals whom, from the guest's drivers/hv/ring_buffer.c:
 *
 * - The host signals when the ring was empty before what it publishes, unless the guest
 *   has masked it. write_index, full barrier, interrupt_mask, read_index, in this order.
 * - A host without room sets pending_send_sz and, after a full barrier, looks again. A
 *   guest signals when its reading crosses that threshold. "Room for n bytes" means more
 *   than n are free. Guests before Linux 4.11 signal when pending_send_sz are free, newer
 *   ones when more than that are. As all lengths are multiples of 8, n + 1 is right for
 *   either.
 *
 * Several may wait. There is one pending_send_sz, which is for the largest of them; when
 * there is that much room, all are told. The first thread to find that room, be it a sender,
 * ends the wait, and has the others told: the guest may have seen nothing of it. Some
 * guests never tell; so the room is looked at now and then while anybody waits.
 */
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/vmbus_packet.h>

#include <asm/barrier.h>

#include "gpadl/compat.h"
#include "ring_out.h"

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
 * Return: 0; -EINVAL if the length is wrong; -EIO if one of the indexes is.
 */
int vmbus_ring_init_out(struct vmbus_ring_out *ring, void *base, size_t bytes)
{
	int ret;

	*ring = (struct vmbus_ring_out){};
	INIT_LIST_HEAD(&ring->reserved);
	ret = vmbus_ring_init(&ring->mem, base, bytes);
	if (ret)
		return ret;
	ring->index = READ_ONCE(ring->mem.control->write_index);
	ring->read = READ_ONCE(ring->mem.control->read_index);
	if (!vmbus_ring_index_ok(&ring->mem, ring->index) ||
	    !vmbus_ring_index_ok(&ring->mem, ring->read))
		return vmbus_ring_break(&ring->mem);
	ring->filled = ring->index;
	ring->written = ring->index;
	WRITE_ONCE(ring->mem.control->pending_send_sz, 0);
	WRITE_ONCE(ring->mem.control->feature_bits, VMBUS_RING_FEATURE_PENDING_SEND_SZ);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_init_out, VMBUS_HOST_NS);

/* ---- Room ---- */

/* Nobody waits for a broken ring. */
static int ring_break(struct vmbus_ring_out *ring, unsigned int *todo)
{
	if (ring->waiting)
		*todo |= VMBUS_RING_KICK;
	ring->waiting = 0;
	return vmbus_ring_break(&ring->mem);
}

/* Read read_index anew. */
static int ring_look(struct vmbus_ring_out *ring, unsigned int *todo)
{
	/* What the guest has read may be written over only after this. */
	u32 read = virt_load_acquire(&ring->mem.control->read_index), room = ring_room_known(ring);

	if (!vmbus_ring_index_ok(&ring->mem, read))
		return ring_break(ring, todo);
	ring->read = read;
	/* What it has read it has read: somebody may have been promised that room. */
	return ring_room_known(ring) < room ? ring_break(ring, todo) : 0;
}

static void ring_set_waiting(struct vmbus_ring_out *ring, u32 total)
{
	ring->waiting = total;
	WRITE_ONCE(ring->mem.control->pending_send_sz, total ? total + 1 : 0);
}

/* There may be room for the largest that is waited for: then everyone tries again. */
static void ring_end_wait(struct vmbus_ring_out *ring, unsigned int *todo)
{
	if (!ring->waiting || ring_look(ring, todo) || ring_room_known(ring) <= ring->waiting)
		return;
	ring_set_waiting(ring, 0);
	*todo |= VMBUS_RING_KICK;
}

/* ---- Publishing ---- */

/* Show the guest all that is complete. */
static void ring_publish(struct vmbus_ring_out *ring, unsigned int *todo)
{
	if (ring->written == ring->filled)
		return;
	ring_show(ring, todo);
	/*
	 * To the guest there was more room before, in which it may not have seen that the
	 * room which is waited for was made. Pairs with its barrier behind read_index.
	 */
	ring_end_wait(ring, todo);
}

/**
 * vmbus_ring_flush() - Show the guest all packets that were finished
 * @ring: the ring
 * @todo: VMBUS_RING_SIGNAL may be set
 *
 * Those behind one that is still being filled are shown when that one is finished.
 *
 * Context: any, under the caller's lock.
 */
void vmbus_ring_flush(struct vmbus_ring_out *ring, unsigned int *todo)
{
	struct vmbus_reservation *res;

	if (ring->mem.broken)
		return;
	ring_publish(ring, todo);
	/* Each: what was finished may be behind any of them, and waits for none that come later. */
	list_for_each_entry(res, &ring->reserved, node)
		res->publish = true;
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_flush, VMBUS_HOST_NS);

/* ---- Waiting ---- */

/*
 * The room known of is less than @total bytes. Look again; if that is not enough, have the guest
 * signal when there is room for @want. 0, -EAGAIN or -EIO.
 */
static int ring_await_room(struct vmbus_ring_out *ring, u32 total, u32 want,
			   unsigned int *todo)
{
	int ret = ring_look(ring, todo);

	if (ret || ring_room_known(ring) > total)
		return ret;
	/*
	 * What the guest does not see, it cannot read. If others wait already, all that is complete
	 * was shown before: so this looks at nothing that may break the ring.
	 */
	vmbus_ring_flush(ring, todo);
	ring_set_waiting(ring, max(ring->waiting, want));
	/* Pairs with the guest's between read_index and pending_send_sz. */
	virt_mb();
	ret = ring_look(ring, todo);
	if (ret || ring_room_known(ring) > total)
		return ret;
	*todo |= VMBUS_RING_WAIT;
	return -EAGAIN;
}

/**
 * vmbus_ring_poll_room() - Look whether there is the room that is waited for
 * @ring: the ring
 * @todo: VMBUS_RING_KICK is set if there is, VMBUS_RING_WAIT if somebody still waits
 *
 * Context: any, under the caller's lock.
 */
void vmbus_ring_poll_room(struct vmbus_ring_out *ring, unsigned int *todo)
{
	ring_end_wait(ring, todo);
	if (ring->waiting)
		*todo |= VMBUS_RING_WAIT;
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_poll_room, VMBUS_HOST_NS);

/**
 * vmbus_ring_stop_waiting() - Nobody waits for room any more
 * @ring: the ring
 *
 * Context: any, under the caller's lock.
 */
void vmbus_ring_stop_waiting(struct vmbus_ring_out *ring)
{
	ring->waiting = 0;
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_stop_waiting, VMBUS_HOST_NS);

/* The longest header and payload of a packet for which there is room. */
static size_t ring_longest(u32 room)
{
	/* One byte stays free; and so do, as all is in units of 8, 8. */
	if (room < VMBUS_RING_DESC + VMBUS_RING_TRAILER + 8)
		return 0;
	return min(room - 8 - VMBUS_RING_TRAILER, VMBUS_RING_MAX_PACKET) - VMBUS_RING_DESC;
}

/**
 * vmbus_ring_max_room() - How long a packet can the ring hold when it is empty?
 * @ring: the ring, broken or not
 *
 * Context: any; without a lock.
 * Return: bytes of header and payload of the longest packet.
 */
size_t vmbus_ring_max_room(const struct vmbus_ring_out *ring)
{
	return ring_longest(ring->mem.size);
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_max_room, VMBUS_HOST_NS);

/**
 * vmbus_ring_room() - How long a packet is there room for?
 * @ring: the ring
 * @want: bytes of header and payload that the caller would like to send
 * @todo: bits may be set
 *
 * If it is less than @want, and the ring can hold such a packet, there is a wait: for @want
 * or, if that is more, until a quarter of the ring is free, so that guest and host do not
 * signal each other for every packet.
 *
 * Context: any, under the caller's lock.
 * Return: bytes of header and payload of the longest packet.
 */
size_t vmbus_ring_room(struct vmbus_ring_out *ring, size_t want, unsigned int *todo)
{
	u32 total = vmbus_packet_room(want);

	if (ring->mem.broken)
		return 0;
	if (want <= vmbus_ring_max_room(ring) && ring_room_known(ring) <= total &&
	    !ring_await_room(ring, total, max(total, ring->mem.size / 4), todo))
		ring_end_wait(ring, todo);
	return ring->mem.broken ? 0 : ring_longest(ring_room_known(ring));
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_room, VMBUS_HOST_NS);

/* ---- Packets ---- */

/**
 * vmbus_ring_reserve() - Reserve the place of packets
 * @ring: the ring
 * @room: bytes, the sum of vmbus_packet_room()
 * @res: what is reserved; in use until vmbus_ring_finish()
 * @todo: bits may be set, also on error
 *
 * Context: any, under the caller's lock.
 *
 * Return:
 *   * 0
 *   * %-EAGAIN: no room now; the guest will signal when there is
 *   * %-EMSGSIZE: the ring can never hold that much
 *   * %-EIO: the guest has put nonsense into the ring, now or before
 */
int vmbus_ring_reserve(struct vmbus_ring_out *ring, size_t room,
		       struct vmbus_reservation *res, unsigned int *todo)
{
	int ret;

	if (ring_reserve_known(ring, room, res))
		return 0;
	if (ring->mem.broken)
		return -EIO;
	if (room >= ring->mem.size)
		return -EMSGSIZE;
	if (ring_room_known(ring) <= room) {
		ret = ring_await_room(ring, room, room, todo);
		if (ret)
			return ret;
	}
	if (ring->waiting) {
		ring_end_wait(ring, todo);
		if (ring->mem.broken)
			return -EIO;
	}
	ring_take(ring, room, res);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_reserve, VMBUS_HOST_NS);

/* At a multiple of 8: it never goes round the end. */
static u32 ring_put_word(const struct vmbus_ring *ring, u32 index, u64 word)
{
	*(u64 *)(ring->data + index) = word;
	return vmbus_ring_advance(ring, index, 8);
}

/**
 * vmbus_ring_place() - Write all of a packet but its payload
 * @ring: the ring
 * @res: where; the packets of a reservation follow each other
 * @pkt: describes the packet
 * @seg: where the type's own header and the payload go, @pkt->offset and @pkt->len bytes.
 *	The padding behind is zero.
 *
 * Context: any; without a lock.
 * Return: 0; -EINVAL if @pkt->offset is wrong, or if it does not fit into what is left.
 */
int vmbus_ring_place(struct vmbus_ring_out *ring, struct vmbus_reservation *res,
		     const struct vmbus_packet *pkt, struct kvec seg[2])
{
	size_t len = (size_t)pkt->offset + pkt->len;
	u32 start = res->next, padded = ALIGN(len, 8), index;

	if (ring_place_plain(&ring->mem, res, pkt, seg))
		return 0;
	if (!ring_fits(res, pkt))
		return -EINVAL;
	index = ring_put_word(&ring->mem, start, ring_desc_word(pkt, padded));
	index = ring_put_word(&ring->mem, index, pkt->trans_id);
	seg[0].iov_base = ring->mem.data + index;
	seg[0].iov_len = min(len, (size_t)ring->mem.size - index);
	seg[1].iov_base = ring->mem.data;
	seg[1].iov_len = len - seg[0].iov_len;
	/* The padding: the payload is written over the rest of the word. */
	index = vmbus_ring_advance(&ring->mem, index, padded);
	if (len % 8)
		ring_put_word(&ring->mem, (index ?: ring->mem.size) - 8, 0);
	index = ring_put_word(&ring->mem, index, (u64)start << 32);
	ring_placed(res, index, ring_total(padded));
	return 0;
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_place, VMBUS_HOST_NS);

/**
 * vmbus_ring_fill() - Write a payload into its place
 * @seg: the place, as vmbus_ring_place() has set it
 * @v: what goes there, of as many bytes
 * @n: number of pieces in @v
 *
 * Context: any; without a lock.
 */
void vmbus_ring_fill(const struct kvec seg[2], const struct kvec *v, unsigned int n)
{
	void *to = seg[0].iov_base;
	size_t room = seg[0].iov_len, first;

	for (; n; n--, v++) {
		first = min(v->iov_len, room);
		ring_write(to, v->iov_base, first);
		to += first;
		room -= first;
		if (first == v->iov_len)
			continue;
		/* Round the end, once at most. */
		to = seg[1].iov_base + (v->iov_len - first);
		room = seg[1].iov_len - (v->iov_len - first);
		ring_write(seg[1].iov_base, v->iov_base + first, v->iov_len - first);
	}
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_fill, VMBUS_HOST_NS);

/**
 * vmbus_ring_finish() - What was reserved is filled
 * @ring: the ring
 * @res: what was reserved; not in use any more
 * @more: the guest need not see it before the next packet, or vmbus_ring_flush()
 * @todo: VMBUS_RING_SIGNAL may be set
 *
 * If an earlier reservation is still being filled, that one shows this one too when it is
 * finished. A ring of which a part was reserved and not filled is broken: the guest would
 * take what lies there for a packet.
 *
 * Context: any, under the caller's lock.
 * Return: 0; -EIO if the ring is broken, now or before.
 */
int vmbus_ring_finish(struct vmbus_ring_out *ring, struct vmbus_reservation *res, bool more,
		      unsigned int *todo)
{
	bool publish = res->publish || !more || ring->waiting;
	bool first = list_is_first(&res->node, &ring->reserved);
	struct vmbus_reservation *prev;

	if (ring_finish_alone(ring, res, more, todo))
		return 0;
	if (!first) {
		prev = list_prev_entry(res, node);
		prev->end = res->end;
		prev->publish |= publish;
	}
	list_del(&res->node);
	if (ring->mem.broken)
		return -EIO;
	if (res->left)
		return ring_break(ring, todo);
	if (first) {
		ring->filled = res->end;
		if (publish)
			ring_publish(ring, todo);
	}
	return 0;
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_finish, VMBUS_HOST_NS);

/**
 * vmbus_ring_is_unread() - Is there anything that the guest has not read?
 * @ring: the ring
 *
 * Context: any, under the caller's lock.
 * Return: true if so, and if the guest asks to be signalled.
 */
bool vmbus_ring_is_unread(const struct vmbus_ring_out *ring)
{
	return !ring->mem.broken && !READ_ONCE(ring->mem.control->interrupt_mask) &&
	       READ_ONCE(ring->mem.control->read_index) != ring->written;
}
EXPORT_SYMBOL_NS_GPL(vmbus_ring_is_unread, VMBUS_HOST_NS);
