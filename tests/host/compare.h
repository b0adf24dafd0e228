/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Gives messages to gpadl/wire.c and to the reference, and compares what they make of
 * them.
 */
#ifndef _COMPARE_H
#define _COMPARE_H

#include "gpadl/wire.h"
#include "reference.h"

/**
 * struct compare - a guest whose messages are compared
 * @w: what gpadl/wire.c makes of them
 * @words: its memory
 * @taking: a HEADER was accepted, and nothing refused since
 * @ref: what the reference makes of them
 * @complete: GPADLs that both found complete
 * @refused: GPADLs that both refused
 * @packet: what it makes of a packet
 * @packets: packets that both took
 * @packets_refused: and those that both refused
 */
struct compare {
	struct gpadl_pfn_list w;
	u64 *words;
	bool taking;
	struct reference ref;
	unsigned long complete;
	unsigned long refused;
	struct reference packet;
	unsigned long packets;
	unsigned long packets_refused;
};

const char *compare_message(struct compare *c, const u8 *bytes, size_t len);
const char *compare_ranges(struct compare *c, const u8 *bytes, size_t len, u32 nr_ranges,
			   u32 room);
void compare_end(struct compare *c);

#endif /* _COMPARE_H */
