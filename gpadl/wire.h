/* SPDX-License-Identifier: GPL-2.0 */
/*
 * VMBus GPADL wire format: bytes in, verdict out.
 *
 * Pure: no allocation, no lock, no kernel state. Compiles in user space (see
 * tests/host/), where it is fuzzed and proved.
 *
 * A GPADL is a sequence of ranges, each a struct gpa_range:
 *
 *	u32 byte_count; u32 byte_offset; u64 pfn[DIV_ROUND_UP(offset + count, 4096)]
 *
 * sent as a stream of u64 words, cut anywhere between words into one GPADL_HEADER
 * and any number of GPADL_BODY messages. struct gpadl_pfn_list takes the words in as they
 * come, checks each once, and keeps them packed: page frame numbers that follow each
 * other, upwards or downwards, become one run word. The packed form is never longer
 * than what the guest sent.
 *
 * Packed form, per range:
 *
 *	header word	byte_count | byte_offset << 32
 *	run words	until they cover the range's pages
 *
 * A run word holds a first page frame number (40 bits), a number of pages less one
 * (13 bits; a GPADL has 8190 pages at most) and the direction.
 *
 * A GPA-direct packet has such ranges as well, all of them in one piece:
 * gpadl_wire_take_ranges().
 */
#ifndef _GPADL_WIRE_H
#define _GPADL_WIRE_H

#include <linux/bits.h>
#include <linux/limits.h>
#include <linux/types.h>

/* Page size of the wire, whatever PAGE_SIZE is (HV_HYP_PAGE_SIZE). */
#define GPADL_PAGE_SHIFT	12
#define GPADL_PAGE_SIZE		4096u

/* Guest physical addresses have 52 bits at most. */
#define GPADL_PFN_BITS		40

/* range_buflen is a u16: 8191 words, one of which is a range header at least. */
#define GPADL_MAX_WORDS		(U16_MAX / 8)
#define GPADL_MAX_PAGES		(GPADL_MAX_WORDS - 1)

/* NTSTATUS values of GPADL_CREATED. A guest treats all but 0 alike. */
#define GPADL_STATUS_SUCCESS			0x00000000u
#define GPADL_STATUS_INVALID_PARAMETER		0xC000000Du
#define GPADL_STATUS_OBJECT_NAME_COLLISION	0xC0000035u
#define GPADL_STATUS_QUOTA_EXCEEDED		0xC0000044u
#define GPADL_STATUS_INSUFFICIENT_RESOURCES	0xC000009Au
#define GPADL_STATUS_CANCELLED			0xC0000120u

/* VMBus message types (enum vmbus_channel_message_type in hyperv.h). */
enum gpadl_wire_type {
	GPADL_MSG_OPENCHANNEL		= 5,
	GPADL_MSG_OPENCHANNEL_RESULT	= 6,
	GPADL_MSG_CLOSECHANNEL		= 7,
	GPADL_MSG_HEADER		= 8,
	GPADL_MSG_BODY			= 9,
	GPADL_MSG_CREATED		= 10,
	GPADL_MSG_TEARDOWN		= 11,
	GPADL_MSG_TORNDOWN		= 12,
	GPADL_MSG_RELID_RELEASED	= 13,
};

#define GPADL_WIRE_MAX_MSG	240
#define GPADL_WIRE_CREATED_LEN	20
#define GPADL_WIRE_TORNDOWN_LEN	12

/**
 * struct gpadl_wire_msg - a message from the guest, decoded
 * @type: GPADL_MSG_HEADER, GPADL_MSG_BODY or GPADL_MSG_TEARDOWN
 * @relid: the channel; 0 for a BODY, which does not say
 * @handle: the GPADL
 * @range_buflen: HEADER: bytes of all ranges, over all messages
 * @rangecount: HEADER: number of ranges
 * @nr_words: HEADER, BODY: whole words of range data in this message
 * @data: HEADER, BODY: first byte of the range data, inside the message
 */
struct gpadl_wire_msg {
	u32 type;
	u32 relid;
	u32 handle;
	u16 range_buflen;
	u16 rangecount;
	u32 nr_words;
	const u8 *data;
};

/**
 * struct gpadl_pfn_list - a GPADL being assembled, then complete
 * @words: the packed form, in memory of @capacity words that the caller provides
 * @capacity: what range_buflen announces, in words; of a packet, what was taken of it
 * @taken: words taken in from messages so far, <= @capacity
 * @nr_words: words of @words in use, <= @taken
 * @nr_pages: HV pages in @words
 * @nr_runs: run words in @words
 * @nr_ranges: ranges announced
 * @ranges_left: ranges whose header has not come yet
 * @pages_left: pages of the current range that have not come yet
 * @follows: the page frame number by which the last of @words, a run word of the current
 *	range, goes on upwards; GPADL_NO_PFN if none does
 * @precedes: likewise downwards; a run of one page has both
 */
struct gpadl_pfn_list {
	u64 *words;
	u32 capacity;
	u32 taken;
	u32 nr_words;
	u32 nr_pages;
	u32 nr_runs;
	u16 nr_ranges;
	u16 ranges_left;
	u32 pages_left;
	u64 follows;
	u64 precedes;
};

/* Why a GPADL is refused; each is counted and traced by name. */
enum gpadl_wire_verdict {
	GPADL_WIRE_OK,			/* fine so far, more must come */
	GPADL_WIRE_COMPLETE,		/* all ranges are there */
	GPADL_WIRE_BAD_BUFLEN,		/* range_buflen < 16 or not a multiple of 8 */
	GPADL_WIRE_NO_RANGES,		/* rangecount 0 */
	GPADL_WIRE_BAD_COUNT,		/* byte_count 0 */
	GPADL_WIRE_BAD_OFFSET,		/* byte_offset > 0xfff */
	GPADL_WIRE_OVERFLOW,		/* offset + count overflows a u32 */
	GPADL_WIRE_TOO_LONG,		/* ranges need more than range_buflen */
	GPADL_WIRE_BAD_PFN,		/* page frame number of more than 40 bits */
	GPADL_WIRE_NOTHING_ADDED,	/* a BODY without a whole word */
};

/**
 * struct gpadl_wire_run - a run word, unpacked
 * @pfn: first page frame number, in the order of the GPADL
 * @nr: number of pages, at least 1
 * @down: each page comes just below the one before
 */
struct gpadl_wire_run {
	u64 pfn;
	u32 nr;
	bool down;
};

/* Larger than any page frame number */
#define GPADL_NO_PFN		U64_MAX

/**
 * struct gpadl_wire_range - a range's header word, unpacked
 * @count: length in bytes
 * @offset: of the first byte in the first page
 * @nr_pages: pages that the range touches
 */
struct gpadl_wire_range {
	u32 count;
	u32 offset;
	u32 nr_pages;
};

/* Layout of a run word. */
#define GPADL_RUN_PFN_MASK	GENMASK_ULL(GPADL_PFN_BITS - 1, 0)
#define GPADL_RUN_NR_SHIFT	GPADL_PFN_BITS
#define GPADL_RUN_NR_MASK	0x1fffull
#define GPADL_RUN_ONE_MORE	BIT_ULL(GPADL_RUN_NR_SHIFT)
#define GPADL_RUN_DOWN		BIT_ULL(63)

/**
 * gpadl_wire_range() - Unpack a range's header word
 * @word: the word; its count and offset have been checked, or nr_pages is not used
 *
 * Context: any.
 * Return: the range.
 */
static inline struct gpadl_wire_range gpadl_wire_range(u64 word)
{
	u32 count = word;
	u32 offset = word >> 32;

	return (struct gpadl_wire_range) {
		.count = count,
		.offset = offset,
		.nr_pages = ((u64)count + offset + (GPADL_PAGE_SIZE - 1)) >>
			    GPADL_PAGE_SHIFT,
	};
}

/**
 * gpadl_wire_run() - Unpack a run word
 * @word: the word
 *
 * Context: any.
 * Return: the run.
 */
static inline struct gpadl_wire_run gpadl_wire_run(u64 word)
{
	return (struct gpadl_wire_run) {
		.pfn = word & GPADL_RUN_PFN_MASK,
		.nr = (word >> GPADL_RUN_NR_SHIFT & GPADL_RUN_NR_MASK) + 1,
		.down = word & GPADL_RUN_DOWN,
	};
}

int gpadl_wire_decode(const void *buf, size_t len, struct gpadl_wire_msg *msg);

enum gpadl_wire_verdict gpadl_wire_check_header(const struct gpadl_wire_msg *msg);
void gpadl_wire_init(struct gpadl_pfn_list *w, const struct gpadl_wire_msg *header,
		     u64 *words);
enum gpadl_wire_verdict gpadl_wire_add(struct gpadl_pfn_list *w,
				       const struct gpadl_wire_msg *msg);
enum gpadl_wire_verdict gpadl_wire_take_ranges(struct gpadl_pfn_list *w, const u8 *ranges,
					       u32 len, u32 nr_ranges, u64 *words, u32 room);

size_t gpadl_wire_created(void *buf, u32 relid, u32 handle, u32 status);
size_t gpadl_wire_torndown(void *buf, u32 handle);

#endif /* _GPADL_WIRE_H */
