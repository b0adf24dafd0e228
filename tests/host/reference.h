/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A second decoder of GPADL messages, to compare gpadl/wire.c with.
 *
 * It is as plain as can be: it keeps all words that came, as they came, and after each
 * message reads them again from the first. It packs nothing, saves nothing and shares
 * no code and no constant with gpadl/wire.c.
 */
#ifndef _REFERENCE_H
#define _REFERENCE_H

#include <linux/types.h>

enum reference_verdict {
	REFERENCE_MORE,
	REFERENCE_COMPLETE,
	REFERENCE_REFUSED,
};

#define REFERENCE_MAX_WORDS	8191

struct reference {
	u32 capacity;		/* words that range_buflen announces */
	u32 nr_ranges;		/* that rangecount announces */
	u32 nr;			/* words that came, at most capacity */
	u64 words[REFERENCE_MAX_WORDS];
};

int reference_decode(const u8 *bytes, size_t len, u32 *type, u32 *relid, u32 *handle);
enum reference_verdict reference_take(struct reference *ref, const u8 *bytes, size_t len);
enum reference_verdict reference_ranges(struct reference *ref, const u8 *bytes, size_t len,
					u32 nr_ranges, u32 room);
u32 reference_used(const struct reference *ref);
size_t reference_reply(u8 *bytes, u32 type, const u32 *fields, u32 nr);

#endif /* _REFERENCE_H */
