/* SPDX-License-Identifier: GPL-2.0 */
/*
 * VMBus ring buffer, host side.
 *
 * A channel has two rings in one GPADL: the guest writes the first, the host the second.
 * A ring is a control page and then data, a circle of packets:
 *
 *	descriptor (16 bytes) | type's header | payload | padding | trailer (8 bytes)
 *
 * all in units of 8 bytes; the trailer holds the index at which the packet began. The
 * writer moves write_index, the reader read_index; equal means empty, so that a ring is
 * never filled to the last byte.
 *
 * The guest can change every byte at any time. So the host keeps its own index of each
 * ring in struct vmbus_ring and never reads it back, reads each value of the guest's
 * once, and checks it before it is used. What a guest spoils, it spoils for itself.
 *
 * Pure in that it needs only memory: no channel, no signal. A ring in an ordinary buffer
 * works the same.
 */
#ifndef _VMBUS_RING_H
#define _VMBUS_RING_H

#include <linux/build_bug.h>
#include <linux/types.h>

struct vmbus_packet;

/* Page of the wire, whatever PAGE_SIZE is. */
#define VMBUS_RING_PAGE		4096u

/* Descriptor and trailer of a packet. */
#define VMBUS_RING_DESC		16u
#define VMBUS_RING_TRAILER	8u

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

/**
 * struct vmbus_ring - one ring
 * @control: its control page, shared
 * @data: its data, shared
 * @size: bytes of @data
 * @index: the host's own index: where it reads or writes next
 * @masked: the host has set interrupt_mask
 * @waiting: what the host has set pending_send_sz to
 * @broken: the guest has put nonsense into it; the host does not touch it any more
 *
 * The caller serialises what it does with one ring.
 */
struct vmbus_ring {
	struct vmbus_ring_control *control;
	u8 *data;
	u32 size;
	u32 index;
	bool masked;
	u32 waiting;
	bool broken;
};

int vmbus_ring_init_in(struct vmbus_ring *ring, void *base, size_t bytes);
int vmbus_ring_init_out(struct vmbus_ring *ring, void *base, size_t bytes);
bool vmbus_ring_is_empty(const struct vmbus_ring *ring);
int vmbus_ring_read(struct vmbus_ring *ring, struct vmbus_packet *pkt, void *buf,
		    size_t size, bool *signal);
int vmbus_ring_write(struct vmbus_ring *ring, const struct vmbus_packet *pkt,
		     const void *buf, bool *signal);

#endif /* _VMBUS_RING_H */
