/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A packet that names guest pages, mapped by vmbus_gpa_map() or as a careful author of a
 * backend would do it today.
 */
#ifndef _BENCH_PACKET_H
#define _BENCH_PACKET_H

#include <linux/scatterlist.h>

#include "yardstick.h"

struct packet_request;
struct vmbus_gpadl_channel;
struct vmbus_mapping;

/**
 * struct packet - what the guest has sent last, and who maps it
 * @words: its ranges; NULL before the first packet
 * @nr_words: how many 64-bit words
 * @nr_ranges: how many ranges
 * @hva: where guest page 0 is
 * @bytes: how much memory the guest has
 * @pool: the yardstick's requests
 * @busy: a bit for each that is in flight
 * @in_flight: how many, and one
 */
struct packet {
	u64 *words;
	u32 nr_words;
	u32 nr_ranges;
	u64 hva;
	u64 bytes;
	struct packet_request *pool;
	unsigned long busy;
	refcount_t in_flight;
};

int packet_set(struct packet *p, struct vmbus_gpadl_channel *chan,
	       const struct bench_packet *what);
void packet_end(struct packet *p);

int packet_map(struct packet *p, struct vmbus_gpadl_channel *chan, bool write,
	       struct vmbus_mapping **map);
int packet_yard_map(struct packet *p, bool write, struct yardstick_how how,
		    struct packet_request **req, struct sg_table **sgt);
void packet_yard_unmap(struct packet *p, struct packet_request *req);

#endif /* _BENCH_PACKET_H */
