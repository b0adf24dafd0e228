/* SPDX-License-Identifier: GPL-2.0 */
/*
 * VMBus ring buffers, host side.
 *
 * A channel has two rings in one GPADL: the guest writes the first (struct vmbus_ring_in,
 * ring_in.c), the host the second (struct vmbus_ring_out, ring_out.c). A ring is a control
 * page and then data, a circle of packets:
 *
 *	descriptor (16 bytes) | type's header | payload | padding | trailer (8 bytes)
 *
 * all in units of 8 bytes; the trailer holds the index at which the packet began. The
 * writer moves write_index, the reader read_index; equal means empty, so a ring is never
 * filled to the last byte.
 *
 * The guest can change every byte at any time. So the host keeps its own index of each
 * ring and never reads it back, reads each value of the guest's once, and checks it before
 * it is used. What a guest spoils, it spoils for itself.
 *
 * The ring files need nothing but memory: no channel, no signal, no lock. What is to be
 * done about a signal, a waiter or a timer they only say, by VMBUS_RING_* bits. A ring in
 * an ordinary buffer works the same; tests/host runs them in user space.
 */
#ifndef _VMBUS_RING_H
#define _VMBUS_RING_H

#include <linux/align.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/list.h>
#include <linux/types.h>
#include <linux/uio.h>

struct vmbus_packet;
struct vmbus_reservation;

/* Page of the wire, whatever PAGE_SIZE is. */
#define VMBUS_RING_PAGE		4096u

/* Descriptor and trailer of a packet. */
#define VMBUS_RING_DESC		16u
#define VMBUS_RING_TRAILER	8u

/* Length of a packet without its trailer, which the descriptor counts in units of 8. */
#define VMBUS_RING_MAX_PACKET	(U16_MAX * 8u)

/**
 * struct vmbus_ring_control - control page of a ring, shared with the guest
 * @write_index: offset in the data of the next byte to be written; the writer's
 * @read_index: offset in the data of the next byte to be read; the reader's
 * @interrupt_mask: not 0: no signal for new packets, please; the reader's
 * @pending_send_sz: bytes that the writer waits for, 0 if it does not; the writer's
 * @reserved1: not used
 * @feature_bits: VMBUS_RING_FEATURE_*; the writer's
 * @reserved2: not used
 *
 * struct hv_ring_buffer of the kernel's guest side, but for its size, which is
 * a page of the wire here and not one of the host.
 */
struct vmbus_ring_control {
	u32 write_index;
	u32 read_index;
	u32 interrupt_mask;
	u32 pending_send_sz;
	u32 reserved1[12];
	u32 feature_bits;
	u32 reserved2[VMBUS_RING_PAGE / 4 - 17];
};

static_assert(sizeof(struct vmbus_ring_control) == VMBUS_RING_PAGE);

/*
 * The writer sets pending_send_sz when it waits for room, and minds that of the other
 * ring when it has made room there.
 */
#define VMBUS_RING_FEATURE_PENDING_SEND_SZ	1u

/* struct vmpacket_descriptor; lengths in units of 8 bytes. */
struct vmbus_ring_desc {
	u16 type;
	u16 offset8;
	u16 len8;
	u16 flags;
	u64 trans_id;
};

static_assert(sizeof(struct vmbus_ring_desc) == VMBUS_RING_DESC);

/*
 * What the caller is to do, in @todo of the functions below:
 * SIGNAL: signal the guest.
 * KICK: have each sender that waits for room try again.
 * WAIT: somebody waits for room; call vmbus_ring_poll_room() now and then.
 */
#define VMBUS_RING_SIGNAL	0x1u
#define VMBUS_RING_KICK		0x2u
#define VMBUS_RING_WAIT		0x4u

/**
 * struct vmbus_ring - memory of a ring
 * @control: its control page, shared
 * @data: its data, shared
 * @size: bytes of @data
 * @broken: the guest has put nonsense into it; the host does not touch it any more
 */
struct vmbus_ring {
	struct vmbus_ring_control *control;
	u8 *data;
	u32 size;
	bool broken;
};

/**
 * struct vmbus_ring_in - the ring that the guest writes
 * @mem: its memory
 * @index: where the next packet begins that was not consumed
 * @committed: what read_index was set to
 * @avail: bytes from there to the last write_index that was read, and found right; 0 if the
 *	ring is broken
 * @peeked: bytes of the packet at @index, with its trailer; 0 if it was not peeked at
 * @masked: interrupt_mask is set
 * @polled: it stays set when the ring is found empty
 *
 * One context at a time uses it. Without a lock: packets are read where they lie.
 */
struct vmbus_ring_in {
	struct vmbus_ring mem;
	u32 index;
	u32 committed;
	u32 avail;
	u32 peeked;
	bool masked;
	bool polled;
};

/**
 * struct vmbus_ring_out - the ring that the host writes
 * @mem: its memory
 * @index: where the next packet will begin
 * @filled: up to there every packet is complete
 * @written: what write_index was set to
 * @read: the last read_index that was read, and found right
 * @waiting: the most bytes that anybody waits for, 0 if nobody does; pending_send_sz is
 *	one more
 * @reserved: what is being filled, in the order of the ring
 *
 *	read        written        filled               index
 *	  |  published  |  complete  | @reserved, or behind   |  free
 *
 * A packet is written in three steps: its place is reserved, it is filled, and it is
 * finished; several at once, if the sender knows their lengths. The caller serialises
 * the first and the last step by a lock, which is held for as long as it takes to compare
 * indexes; packets are filled side by side, without it.
 */
struct vmbus_ring_out {
	struct vmbus_ring mem;
	u32 index;
	u32 filled;
	u32 written;
	u32 read;
	u32 waiting;
	struct list_head reserved;
};

/*
 * struct vmbus_reservation, of vmbus_packet.h: packets that are being filled, one behind the
 * other.
 *
 * @node: in vmbus_ring_out.reserved
 * @start: where it begins
 * @end: where it ends; or where the last of those ends that were finished before it, and
 *	follow it
 * @next: where the next of its packets will begin
 * @left: bytes of it that are in no packet yet
 * @room: bytes in all
 * @packets: that are
 * @publish: one of those that were finished behind it is to be published at once
 *
 * @node, @end and @publish are under the caller's lock, the rest is its holder's.
 */

/* Bytes in the ring of a packet with @len bytes behind its descriptor */
static __always_inline u32 ring_total(u32 len)
{
	return VMBUS_RING_DESC + len + VMBUS_RING_TRAILER;
}

static inline bool vmbus_ring_index_ok(const struct vmbus_ring *ring, u32 index)
{
	return index < ring->size && IS_ALIGNED(index, 8);
}

static inline u32 vmbus_ring_advance(const struct vmbus_ring *ring, u32 index, u32 bytes)
{
	index += bytes;
	return index < ring->size ? index : index - ring->size;
}

/* Bytes between a reader at @read and a writer at @write. */
static inline u32 vmbus_ring_used(const struct vmbus_ring *ring, u32 read, u32 write)
{
	return write >= read ? write - read : ring->size - read + write;
}

static inline int vmbus_ring_break(struct vmbus_ring *ring)
{
	ring->broken = true;
	return -EIO;
}

int vmbus_ring_init(struct vmbus_ring *ring, void *base, size_t bytes);

/* ring_in.c; what it does for each packet is inline, in ring_in.h */
int vmbus_ring_init_in(struct vmbus_ring_in *ring, void *base, size_t bytes);
bool vmbus_ring_is_empty(const struct vmbus_ring_in *ring);
int vmbus_ring_peek(struct vmbus_ring_in *ring, struct vmbus_packet *pkt,
		    struct kvec seg[2], unsigned int *todo);
int vmbus_ring_copy(struct vmbus_ring_in *ring, const struct kvec seg[2], size_t at,
		    void *buf, size_t len);
bool vmbus_ring_consume(struct vmbus_ring_in *ring);
void vmbus_ring_commit(struct vmbus_ring_in *ring, unsigned int *todo);
void vmbus_ring_mask(struct vmbus_ring_in *ring);
bool vmbus_ring_unmask(struct vmbus_ring_in *ring);

/* ring_out.c; what it does for each packet is inline, in ring_out.h */
int vmbus_ring_init_out(struct vmbus_ring_out *ring, void *base, size_t bytes);
int vmbus_ring_reserve(struct vmbus_ring_out *ring, size_t room,
		       struct vmbus_reservation *res, unsigned int *todo);
int vmbus_ring_place(struct vmbus_ring_out *ring, struct vmbus_reservation *res,
		     const struct vmbus_packet *pkt, struct kvec seg[2]);
void vmbus_ring_fill(const struct kvec seg[2], const struct kvec *v, unsigned int n);
int vmbus_ring_finish(struct vmbus_ring_out *ring, struct vmbus_reservation *res, bool more,
		      unsigned int *todo);
void vmbus_ring_flush(struct vmbus_ring_out *ring, unsigned int *todo);
size_t vmbus_ring_max_room(const struct vmbus_ring_out *ring);
size_t vmbus_ring_room(struct vmbus_ring_out *ring, size_t want, unsigned int *todo);
void vmbus_ring_poll_room(struct vmbus_ring_out *ring, unsigned int *todo);
void vmbus_ring_stop_waiting(struct vmbus_ring_out *ring);
bool vmbus_ring_is_unread(const struct vmbus_ring_out *ring);

#endif /* _VMBUS_RING_H */
