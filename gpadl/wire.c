// SPDX-License-Identifier: GPL-2.0
/*
 * VMBus GPADL wire format: bytes in, verdict out.
 *
 * Everything here comes from an untrusted guest. Each byte is read once, each value
 * checked before it is used, and no sum is made that can wrap: see gpadl_wire_add().
 * Nothing is allocated, locked or logged; this compiles in user space as it is.
 *
 * The messages are those of include/linux/hyperv.h: struct vmbus_channel_gpadl_header,
 * _body, _teardown, _created and _torndown.
 */
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/types.h>

#include "wire.h"

/* Bytes before the variable part: type, padding, and the fields of the type. */
#define MSG_HDR_LEN		8
#define MSG_HEADER_LEN		20
#define MSG_BODY_LEN		16
#define MSG_TEARDOWN_LEN	16

/* A range has a header word and at least one page frame number. */
#define RANGE_MIN_WORDS		2

static inline u16 get_le16(const u8 *p)
{
	return p[0] | p[1] << 8;
}

static inline u32 get_le32(const u8 *p)
{
	return get_le16(p) | (u32)get_le16(p + 2) << 16;
}

static inline u64 get_le64(const u8 *p)
{
	return get_le32(p) | (u64)get_le32(p + 4) << 32;
}

static void put_le32(u8 *p, u32 value)
{
	p[0] = value;
	p[1] = value >> 8;
	p[2] = value >> 16;
	p[3] = value >> 24;
}

static size_t msg_fixed_len(u32 type)
{
	switch (type) {
	case GPADL_MSG_HEADER:
		return MSG_HEADER_LEN;
	case GPADL_MSG_BODY:
		return MSG_BODY_LEN;
	case GPADL_MSG_TEARDOWN:
		return MSG_TEARDOWN_LEN;
	default:
		return 0;
	}
}

/**
 * gpadl_wire_decode() - Decode a message from the guest
 * @buf: the message, in memory that does not change
 * @len: its length in bytes
 * @msg: what it says; data points into @buf
 *
 * Bytes behind the last whole word are ignored: UEFI sends messages of full length.
 *
 * Context: any.
 * Return: 0; -EBADMSG if it is shorter than the fixed part of its type or longer than a
 * message can be; -EOPNOTSUPP if it is of another type.
 */
int gpadl_wire_decode(const void *buf, size_t len, struct gpadl_wire_msg *msg)
{
	const u8 *p = buf;
	size_t fixed;

	*msg = (struct gpadl_wire_msg) {};
	if (len < MSG_HDR_LEN || len > GPADL_WIRE_MAX_MSG)
		return -EBADMSG;
	msg->type = get_le32(p);
	fixed = msg_fixed_len(msg->type);
	if (!fixed)
		return -EOPNOTSUPP;
	if (len < fixed)
		return -EBADMSG;

	/* A BODY has a message number in place of the relid; no guest sets it. */
	if (msg->type != GPADL_MSG_BODY)
		msg->relid = get_le32(p + 8);
	msg->handle = get_le32(p + 12);
	if (msg->type == GPADL_MSG_HEADER) {
		msg->range_buflen = get_le16(p + 16);
		msg->rangecount = get_le16(p + 18);
	}
	if (msg->type != GPADL_MSG_TEARDOWN) {
		msg->data = p + fixed;
		msg->nr_words = (len - fixed) / sizeof(u64);
	}
	return 0;
}

/**
 * gpadl_wire_check_header() - Check what a HEADER announces, before memory is spent on it
 * @msg: a GPADL_HEADER
 *
 * Context: any.
 * Return: GPADL_WIRE_OK, GPADL_WIRE_BAD_BUFLEN, GPADL_WIRE_NO_RANGES or
 * GPADL_WIRE_TOO_LONG.
 */
enum gpadl_wire_verdict gpadl_wire_check_header(const struct gpadl_wire_msg *msg)
{
	u32 words = msg->range_buflen / sizeof(u64);

	if (words < RANGE_MIN_WORDS || msg->range_buflen % sizeof(u64))
		return GPADL_WIRE_BAD_BUFLEN;
	if (!msg->rangecount)
		return GPADL_WIRE_NO_RANGES;
	if (msg->rangecount > words / RANGE_MIN_WORDS)
		return GPADL_WIRE_TOO_LONG;
	return GPADL_WIRE_OK;
}

/**
 * gpadl_wire_init() - Prepare to take a GPADL in
 * @w: the GPADL
 * @header: its GPADL_HEADER, checked by gpadl_wire_check_header()
 * @words: memory for header->range_buflen bytes
 *
 * Context: any.
 */
void gpadl_wire_init(struct gpadl_pfn_list *w, const struct gpadl_wire_msg *header,
		     u64 *words)
{
	*w = (struct gpadl_pfn_list) {
		.words = words,
		.capacity = header->range_buflen / sizeof(u64),
		.nr_ranges = header->rangecount,
		.ranges_left = header->rangecount,
		.follows = GPADL_NO_PFN,
		.precedes = GPADL_NO_PFN,
	};
}

/* Check a range's header word, and begin the range. */
static enum gpadl_wire_verdict wire_begin_range(struct gpadl_pfn_list *w, u64 word)
{
	struct gpadl_wire_range range = gpadl_wire_range(word);
	u32 left = w->capacity - w->taken;

	if (!range.count)
		return GPADL_WIRE_BAD_COUNT;
	if (range.offset >= GPADL_PAGE_SIZE)
		return GPADL_WIRE_BAD_OFFSET;
	if (range.count > U32_MAX - range.offset - (GPADL_PAGE_SIZE - 1))
		return GPADL_WIRE_OVERFLOW;
	/* Room for its pages, and for the smallest ranges that can come behind. */
	w->ranges_left--;
	if (range.nr_pages > left ||
	    w->ranges_left > (left - range.nr_pages) / RANGE_MIN_WORDS)
		return GPADL_WIRE_TOO_LONG;

	w->words[w->nr_words++] = word;
	w->pages_left = range.nr_pages;
	w->nr_pages += range.nr_pages;
	w->follows = GPADL_NO_PFN;
	w->precedes = GPADL_NO_PFN;
	return GPADL_WIRE_OK;
}

/*
 * One that does not go on upwards: wire_add_run() looks for that first. The number of pages of
 * a run fits: a GPADL has no more than GPADL_MAX_PAGES.
 */
static enum gpadl_wire_verdict wire_add_page(struct gpadl_pfn_list *w, u64 pfn)
{
	if (pfn > GPADL_RUN_PFN_MASK)
		return GPADL_WIRE_BAD_PFN;
	w->pages_left--;
	if (pfn == w->precedes) {
		w->words[w->nr_words - 1] += GPADL_RUN_ONE_MORE;
		w->words[w->nr_words - 1] |= GPADL_RUN_DOWN;
		w->follows = GPADL_NO_PFN;
		/* Below page 0 is GPADL_NO_PFN. */
		w->precedes--;
		return GPADL_WIRE_OK;
	}
	w->words[w->nr_words++] = pfn;
	w->nr_runs++;
	w->follows = pfn + 1;
	w->precedes = pfn - 1;
	return GPADL_WIRE_OK;
}

/*
 * Take in those of the next @nr words that are pages and go on with the run upwards: most of
 * most lists. Returns how many.
 */
static u32 wire_add_run(struct gpadl_pfn_list *w, const u8 *data, u32 nr)
{
	const u64 next = w->follows;
	u32 n = 0;

	if (next > GPADL_RUN_PFN_MASK)
		return 0;
	if (nr > w->pages_left)
		nr = w->pages_left;
	/* There is no page frame number beyond the mask. */
	if (nr > GPADL_RUN_PFN_MASK + 1 - next)
		nr = GPADL_RUN_PFN_MASK + 1 - next;
	while (n < nr && get_le64(data + n * sizeof(u64)) == next + n)
		n++;
	if (!n)
		return 0;
	w->words[w->nr_words - 1] += n * GPADL_RUN_ONE_MORE;
	w->follows = next + n;
	w->precedes = GPADL_NO_PFN;
	w->pages_left -= n;
	w->taken += n;
	return n;
}

static bool wire_complete(const struct gpadl_pfn_list *w)
{
	return !w->ranges_left && !w->pages_left;
}

/**
 * gpadl_wire_add() - Take in the range data of a message
 * @w: the GPADL, not complete
 * @msg: its HEADER, or a BODY for it
 *
 * Words behind the last range are ignored. So is what is behind range_buflen, which
 * cannot be needed: a range is accepted only if it fits.
 *
 * No index can run over: each word taken in writes one word at most, and no more than
 * @w->capacity are taken in.
 *
 * Context: any.
 * Return: GPADL_WIRE_OK or GPADL_WIRE_COMPLETE; anything else is why the GPADL is
 * refused, and it can then only be thrown away.
 */
enum gpadl_wire_verdict gpadl_wire_add(struct gpadl_pfn_list *w,
				       const struct gpadl_wire_msg *msg)
{
	enum gpadl_wire_verdict verdict;
	u32 i, n;

	if (msg->type == GPADL_MSG_BODY && !msg->nr_words)
		return GPADL_WIRE_NOTHING_ADDED;

	for (i = 0; i < msg->nr_words && !wire_complete(w); i += n) {
		const u8 *data = msg->data + i * sizeof(u64);
		u64 word = get_le64(data);

		n = word == w->follows ? wire_add_run(w, data, msg->nr_words - i) : 0;
		if (n)
			continue;
		n = 1;
		/* There is room: an incomplete list fits in what is left. */
		w->taken++;
		verdict = w->pages_left ? wire_add_page(w, word) :
					  wire_begin_range(w, word);
		if (verdict != GPADL_WIRE_OK)
			return verdict;
	}
	return wire_complete(w) ? GPADL_WIRE_COMPLETE : GPADL_WIRE_OK;
}

/*
 * One page, as most requests of a disk name: false if it is not that, or not right, which the
 * general way finds out. A range of one page has no offset beyond it.
 */
static inline bool wire_take_page(struct gpadl_pfn_list *w, u64 word, u64 pfn, u64 *words)
{
	struct gpadl_wire_range range = gpadl_wire_range(word);

	if (!range.count || range.nr_pages != 1 || pfn > GPADL_RUN_PFN_MASK)
		return false;
	words[0] = word;
	words[1] = pfn;
	*w = (struct gpadl_pfn_list) {
		.words = words,
		.capacity = RANGE_MIN_WORDS,
		.taken = RANGE_MIN_WORDS,
		.nr_words = RANGE_MIN_WORDS,
		.nr_pages = 1,
		.nr_runs = 1,
		.nr_ranges = 1,
		.follows = GPADL_NO_PFN,
		.precedes = GPADL_NO_PFN,
	};
	return true;
}

static noinline enum gpadl_wire_verdict
wire_take_any(struct gpadl_pfn_list *w, const u8 *ranges, u32 len, u32 nr_ranges, u64 *words,
	      u32 room)
{
	u32 nr_words = len / sizeof(u64);
	struct gpadl_wire_msg msg = {
		.type = GPADL_MSG_HEADER,
		.nr_words = nr_words < room ? nr_words : room,
		.data = ranges,
	};

	if (!nr_ranges)
		return GPADL_WIRE_NO_RANGES;
	if (nr_ranges > msg.nr_words / RANGE_MIN_WORDS)
		return GPADL_WIRE_TOO_LONG;
	*w = (struct gpadl_pfn_list) {
		.words = words,
		.capacity = msg.nr_words,
		.nr_ranges = nr_ranges,
		.ranges_left = nr_ranges,
		.follows = GPADL_NO_PFN,
		.precedes = GPADL_NO_PFN,
	};
	return gpadl_wire_add(w, &msg);
}

/**
 * gpadl_wire_take_ranges() - Take in the ranges of a GPA-direct packet
 * @w: the list of pages, if GPADL_WIRE_COMPLETE is returned
 * @ranges: the packet's, in memory that does not change
 * @len: bytes of these
 * @nr_ranges: the number that the packet tells
 * @words: memory for @room words
 * @room: at most GPADL_MAX_WORDS
 *
 * Words behind the last range are ignored, as in a GPADL: old versions of Linux sent 32
 * page frame numbers in their only range, however few that needed. Between ranges there can
 * be none: nothing would tell where the next one begins.
 *
 * Context: any.
 * Return: GPADL_WIRE_COMPLETE; anything else is what is wrong with them, which is
 * GPADL_WIRE_TOO_LONG also if there is no room for them.
 */
enum gpadl_wire_verdict gpadl_wire_take_ranges(struct gpadl_pfn_list *w, const u8 *ranges,
					       u32 len, u32 nr_ranges, u64 *words, u32 room)
{
	/* Before anything else: the general way costs twice as much before it looks at a word. */
	if (nr_ranges == 1 && len >= RANGE_MIN_WORDS * sizeof(u64) && room >= RANGE_MIN_WORDS &&
	    wire_take_page(w, get_le64(ranges), get_le64(ranges + sizeof(u64)), words))
		return GPADL_WIRE_COMPLETE;
	return wire_take_any(w, ranges, len, nr_ranges, words, room);
}

static void put_msg_header(u8 *p, u32 type)
{
	put_le32(p, type);
	put_le32(p + 4, 0);
}

/**
 * gpadl_wire_created() - Make a GPADL_CREATED
 * @buf: where it goes, GPADL_WIRE_CREATED_LEN bytes
 * @relid: the channel
 * @handle: the GPADL
 * @status: GPADL_STATUS_*
 *
 * Context: any.
 * Return: its length in bytes.
 */
size_t gpadl_wire_created(void *buf, u32 relid, u32 handle, u32 status)
{
	u8 *p = buf;

	put_msg_header(p, GPADL_MSG_CREATED);
	put_le32(p + 8, relid);
	put_le32(p + 12, handle);
	put_le32(p + 16, status);
	return GPADL_WIRE_CREATED_LEN;
}

/**
 * gpadl_wire_torndown() - Make a GPADL_TORNDOWN
 * @buf: where it goes, GPADL_WIRE_TORNDOWN_LEN bytes
 * @handle: the GPADL
 *
 * Context: any.
 * Return: its length in bytes.
 */
size_t gpadl_wire_torndown(void *buf, u32 handle)
{
	u8 *p = buf;

	put_msg_header(p, GPADL_MSG_TORNDOWN);
	put_le32(p + 8, handle);
	return GPADL_WIRE_TORNDOWN_LEN;
}
