/* SPDX-License-Identifier: GPL-2.0 */
/* What a guest writes into a ring: Documentation/layouts.rst */
#ifndef _RING_WIRE_H
#define _RING_WIRE_H

#include <stdatomic.h>
#include <linux/types.h>

#include "vmbus_guest.h"

#define DESC		16u
#define TRAILER		8u

struct ring_control {
	atomic_uint write_index;
	atomic_uint read_index;
	atomic_uint interrupt_mask;
	atomic_uint pending_send_sz;
	__u32 reserved[12];
	atomic_uint feature_bits;
};

struct desc {
	__u16 type;
	__u16 offset8;
	__u16 len8;
	__u16 flags;
	__u64 trans_id;
};

/* A packet with one word of payload */
struct packet {
	__u16 type;
	__u16 offset8;
	__u16 len8;
	__u16 flags;
	__u64 trans_id;
	__u64 payload;
	__u64 trailer;
};

/* @nr requests that want an answer, from the begin of a ring that was not used yet */
static inline void ring_put_requests(void *ring, unsigned int nr)
{
	struct packet *packet = ring + HV_PAGE;
	unsigned int i;

	for (i = 0; i < nr; i++)
		packet[i] = (struct packet){
			.type = 6,
			.offset8 = 2,
			.len8 = 3,
			.flags = 1,
			.trans_id = i,
		};
	((struct ring_control *)ring)->write_index = nr * sizeof(*packet);
}

#endif /* _RING_WIRE_H */
