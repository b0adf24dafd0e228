/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Packets in the rings of a VMBus channel, as backends see them.
 */
#ifndef _VMBUS_PACKET_H
#define _VMBUS_PACKET_H

#include <linux/align.h>
#include <linux/types.h>

/*
 * Packet types in use, and VMBUS_PACKET_GPADL, which no guest has been seen to send (enum
 * vmbus_packet_type in hyperv.h has them all).
 */
#define VMBUS_PACKET_INBAND		6	/* data in the ring */
#define VMBUS_PACKET_XFER_PAGES		7	/* data in a GPADL, by ranges */
#define VMBUS_PACKET_GPADL		8	/* data in the GPADL it names */
#define VMBUS_PACKET_GPA_DIRECT		9	/* data in pages it names */
#define VMBUS_PACKET_COMPLETION		11	/* answer to a packet */

/* The sender of the packet asks for a completion that carries its trans_id. */
#define VMBUS_PACKET_FLAG_COMPLETION	1

/**
 * struct vmbus_packet - describes a packet in a ring
 * @type: VMBUS_PACKET_*
 * @flags: VMBUS_PACKET_FLAG_*
 * @trans_id: transaction id; a completion has that of the packet it answers
 * @offset: bytes of the type's own header, which come first; at least 8 in a packet of
 *	type VMBUS_PACKET_XFER_PAGES or VMBUS_PACKET_GPA_DIRECT, and 0 in an in-band packet
 *	or a completion of a well-behaved guest. Of any other type, VMBUS_PACKET_GPADL
 *	included, nobody has looked whether there is a header
 * @len: bytes of payload, which follow it; a multiple of 8 if received
 */
struct vmbus_packet {
	u16 type;
	u16 flags;
	u64 trans_id;
	u32 offset;
	u32 len;
};

/**
 * struct vmbus_reservation - room in the ring for packets that are being written
 *
 * Belongs to its reserver, from vmbus_endpoint_reserve() to vmbus_endpoint_submit().
 */
struct vmbus_reservation {
	/* private: see host/ring.h */
	struct list_head node;
	u32 start;
	u32 end;
	u32 next;
	u32 left;
	u32 room;
	u32 packets;
	bool publish;
};

/**
 * vmbus_packet_room() - How much room does a packet take in a ring?
 * @len: bytes of the type's own header and the payload
 *
 * Context: any.
 * Return: bytes, with the descriptor, the padding and the trailer.
 */
static inline size_t vmbus_packet_room(size_t len)
{
	return 16 + ALIGN(len, 8) + 8;
}

#endif /* _VMBUS_PACKET_H */
