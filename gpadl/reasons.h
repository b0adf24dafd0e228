/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What can become of a message other than its purpose. Each is counted per partition, and shown:
 * by its name in tracepoints, by its key in fdinfo, by its text in debugfs. The first are the
 * verdicts of wire.h, in their order.
 */
#ifndef _GPADL_REASONS_H
#define _GPADL_REASONS_H

/* R(name, key, text) */
#define GPADL_REASONS(R) \
	R(BAD_BUFLEN, bad_buflen, "range_buflen below 16 or not a multiple of 8") \
	R(NO_RANGES, no_ranges, "rangecount 0") \
	R(BAD_COUNT, bad_count, "byte_count 0") \
	R(BAD_OFFSET, bad_offset, "byte_offset above 0xfff") \
	R(OVERFLOW, overflow, "byte_offset + byte_count overflows") \
	R(TOO_LONG, too_long, "ranges need more than range_buflen") \
	R(BAD_PFN, bad_pfn, "page frame number above 40 bits") \
	R(NOTHING_ADDED, nothing_added, "GPADL_BODY without a page") \
	R(NO_REGION, no_region, "page outside every region") \
	R(COLLISION, collision, "handle in use") \
	R(QUOTA, quota, "over a limit") \
	R(NO_MEMORY, no_memory, "out of memory") \
	R(CANCELLED, cancelled, "torn down while being assembled") \
	R(BAD_MESSAGE, bad_message, "message too short or too long") \
	R(NOT_OURS, not_ours, "message type that is not handled here") \
	R(NO_CHANNEL, no_channel, "no such channel here") \
	R(NO_ROOM, no_room, "too many replies wait") \
	R(NO_HEADER, no_header, "GPADL_BODY that continues nothing") \
	R(OTHER_CHANNEL, other_channel, "GPADL_TEARDOWN by another channel") \
	R(REPEATED, repeated, "GPADL_TEARDOWN repeated")

#define GPADL_REASON_ENUM(name, key, text)	GPADL_REASON_##name,
#define GPADL_REASON_KEY(name, key, text)	[GPADL_REASON_##name] = #key,
#define GPADL_REASON_TEXT(name, key, text)	[GPADL_REASON_##name] = text,
#define GPADL_REASON_TRACE(name, key, text)	TRACE_DEFINE_ENUM(GPADL_REASON_##name);
#define GPADL_REASON_SYMBOL(name, key, text)	{ GPADL_REASON_##name, #name },

enum gpadl_reason {
	GPADL_REASONS(GPADL_REASON_ENUM)
	GPADL_NR_REASONS
};

#endif /* _GPADL_REASONS_H */
