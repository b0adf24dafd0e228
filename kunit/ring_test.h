/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A ring, and a guest at its other end, for the suites of the rings.
 *
 * The guest follows drivers/hv/ring_buffer.c where it behaves, and writes whatever it
 * likes where it does not. The rings are in memory of exactly their size, so that KASAN
 * sees what goes beyond.
 */
#ifndef _KUNIT_RING_TEST_H
#define _KUNIT_RING_TEST_H

#include <kunit/test.h>
#include <linux/types.h>
#include <linux/vmbus_packet.h>

#include "host/ring.h"

#define RING_BYTES	(2 * VMBUS_RING_PAGE)
#define DATA_BYTES	VMBUS_RING_PAGE

/* As the wire has it. */
struct desc {
	u16 type;
	u16 offset8;
	u16 len8;
	u16 flags;
	u64 trans_id;
};

/**
 * struct ring_test - a ring and its two ends
 * @in: the host's end, if the guest writes
 * @out: the host's end, if the host writes
 * @control: control page of the ring
 * @data: its data
 * @guest_index: where the guest reads or writes next
 * @buf: payload
 */
struct ring_test {
	union {
		struct vmbus_ring_in in;
		struct vmbus_ring_out out;
	};
	struct vmbus_ring_control *control;
	u8 *data;
	u32 guest_index;
	u8 buf[1024];
};

/* Indexes that are nonsense. */
extern const u32 ring_bad_indexes[9];

struct ring_test *ring_test_alloc(struct kunit *test);
struct ring_test *ring_test_in(struct kunit *test);
struct ring_test *ring_test_out(struct kunit *test);

/*
 * Where memory with an error begins; a page before it has none. A load that faults goes on where
 * one that meets an error in memory does, by the same entry of the kernel's table: so what stands
 * for the error is a page that is not there, behind an allocation of vmalloc()'s. KASAN would
 * report it before the load faults. Skips the test where the host cannot survive one.
 */
u8 *ring_test_error(struct kunit *test);

/* One packet after the other, as vmbus_endpoint_recv() and vmbus_endpoint_send() do. */
int ring_test_read(struct ring_test *t, struct vmbus_packet *pkt, void *buf, size_t size,
		   bool *signal);
int ring_test_write(struct ring_test *t, const struct vmbus_packet *pkt, const void *buf,
		    bool *signal);
/* A packet of @len bytes, each of which is @id. */
int ring_test_send(struct ring_test *t, u32 len, u64 id, bool *signal);

u32 ring_guest_put(struct ring_test *t, u32 index, const void *src, u32 len);
/* Room for the guest; one byte of it cannot be used. */
u32 ring_guest_room(struct ring_test *t);
/* Write a packet, the payload of which are @len bytes; returns whether to signal. */
bool ring_guest_write(struct ring_test *t, const struct desc *desc, u32 len);
/* A packet of @len bytes of payload, each of which is @id. */
bool ring_guest_send(struct ring_test *t, u32 len, u64 id);
/* Read a packet; returns the length of its payload, which is in t->buf, or 0. */
u32 ring_guest_recv(struct ring_test *t, struct desc *desc);

#endif /* _KUNIT_RING_TEST_H */
