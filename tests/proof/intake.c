// SPDX-License-Identifier: GPL-2.0
/*
 * What Frama-C's WP proves of the taking in of a GPADL: gpadl_wire_init() makes the
 * invariant below true, gpadl_wire_add() keeps it, whatever the guest sends, in whatever
 * pieces, and no function reads or writes anything but what its contract names.
 *
 * gpadl/wire.c is included as it is, but for the comment with the loop's invariant, which
 * scripts/proof.sh inserts in a copy.
 */
#include "gpadl/wire.h"

/* A message has 28 at most, a packet what there is room for. */
#define MSG_WORDS_MAX	GPADL_MAX_WORDS

/* GPADL_RUN_PFN_MASK, which in a formula, where ~0 has no end, would be another number */
#define PFN_MAX		0xffffffffff

/*@
predicate memory(struct gpadl_pfn_list *w) =
	\valid(w) && 2 <= w->capacity <= GPADL_MAX_WORDS &&
	\valid(w->words + (0 .. w->capacity - 1)) &&
	\separated(w, w->words + (0 .. w->capacity - 1));

// Words that were taken in are range headers and pages; each was packed into one at most.
predicate counts(struct gpadl_pfn_list *w) =
	w->ranges_left <= w->nr_ranges &&
	w->nr_words == w->nr_runs + (w->nr_ranges - w->ranges_left) &&
	w->nr_words <= w->taken <= w->capacity &&
	w->nr_pages + (w->nr_ranges - w->ranges_left) == w->taken + w->pages_left &&
	(w->follows <= PFN_MAX ==> 0 < w->nr_words) &&
	(w->precedes <= PFN_MAX ==> 0 < w->nr_words);

// What has been announced and not come yet fits in what is left.
predicate room(struct gpadl_pfn_list *w) =
	w->pages_left + 2 * w->ranges_left <= w->capacity - w->taken;

predicate sane(struct gpadl_pfn_list *w) = memory(w) && counts(w) && room(w);

predicate complete(struct gpadl_pfn_list *w) = w->ranges_left == 0 && w->pages_left == 0;

// The same, when a word has been counted and not packed yet.
predicate counted(struct gpadl_pfn_list *w) =
	memory(w) && w->ranges_left <= w->nr_ranges &&
	w->nr_words == w->nr_runs + (w->nr_ranges - w->ranges_left) &&
	w->nr_words < w->taken <= w->capacity &&
	w->nr_pages + (w->nr_ranges - w->ranges_left) == w->taken - 1 + w->pages_left &&
	w->pages_left + 2 * w->ranges_left <= w->capacity - (w->taken - 1) &&
	(w->follows <= PFN_MAX ==> 0 < w->nr_words) &&
	(w->precedes <= PFN_MAX ==> 0 < w->nr_words);

predicate going_on(enum gpadl_wire_verdict v) =
	v == GPADL_WIRE_OK || v == GPADL_WIRE_COMPLETE;
*/

// Of get_le16() and gpadl_wire_run() the contracts are proved by EVA: see messages.c.

/*@
requires \valid_read(p + (0 .. 1));
assigns \nothing;
*/
static inline u16 get_le16(const u8 *p);

/*@
requires \valid_read(p + (0 .. 3));
assigns \nothing;
*/
static inline u32 get_le32(const u8 *p);

/*@
requires \valid_read(p + (0 .. 7));
assigns \nothing;
*/
static inline u64 get_le64(const u8 *p);

/*@
requires \valid_read(msg);
assigns \nothing;
ensures \result == GPADL_WIRE_OK <==>
	16 <= msg->range_buflen && msg->range_buflen % 8 == 0 &&
	1 <= msg->rangecount && 16 * msg->rangecount <= msg->range_buflen;
*/
enum gpadl_wire_verdict gpadl_wire_check_header(const struct gpadl_wire_msg *msg);

/*@
requires \valid(w) && \valid_read(header);
requires \separated(w, header);
requires 16 <= header->range_buflen && header->range_buflen % 8 == 0;
requires 1 <= header->rangecount && 16 * header->rangecount <= header->range_buflen;
requires \valid(words + (0 .. header->range_buflen / 8 - 1));
requires \separated(w, words + (0 .. header->range_buflen / 8 - 1));
assigns *w;
ensures sane(w) && !complete(w);
*/
void gpadl_wire_init(struct gpadl_pfn_list *w, const struct gpadl_wire_msg *header,
		     u64 *words);

/*@
assigns \nothing;
ensures \result.count == (u32)word;
ensures \result.offset == (u32)(word >> 32);
ensures \result.nr_pages == (u32)((\result.count + \result.offset + 4095) >> 12);
*/
struct gpadl_wire_range gpadl_wire_range(u64 word);

/*@
assigns \nothing;
ensures 1 <= \result.nr <= 8192;
*/
struct gpadl_wire_run gpadl_wire_run(u64 word);

/*@
requires counted(w) && w->pages_left == 0 && 0 < w->ranges_left;
assigns w->ranges_left, w->words[w->nr_words], w->nr_words, w->pages_left, w->nr_pages,
	w->follows, w->precedes;
ensures \result == GPADL_WIRE_OK ==> sane(w);
ensures \result != GPADL_WIRE_COMPLETE;
*/
static enum gpadl_wire_verdict wire_begin_range(struct gpadl_pfn_list *w, u64 word);

/*@
requires counted(w) && 0 < w->pages_left;
assigns w->pages_left, w->words[0 .. w->nr_words], w->nr_words, w->nr_runs, w->follows,
	w->precedes;
ensures \result == GPADL_WIRE_OK ==> sane(w);
ensures \result != GPADL_WIRE_COMPLETE;
*/
static enum gpadl_wire_verdict wire_add_page(struct gpadl_pfn_list *w, u64 pfn);

/*@
requires sane(w);
requires \valid_read(data + (0 .. 8 * nr - 1)) && nr <= MSG_WORDS_MAX;
requires \separated(w, data + (0 .. 8 * nr - 1), w->words + (0 .. w->capacity - 1));
assigns w->taken, w->pages_left, w->follows, w->precedes, w->words[0 .. w->capacity - 1];
ensures sane(w);
ensures \result <= nr;
ensures w->pages_left == \old(w->pages_left) - \result;
ensures w->taken == \old(w->taken) + \result;
*/
static u32 wire_add_run(struct gpadl_pfn_list *w, const u8 *data, u32 nr);

/*@
requires \valid_read(w);
assigns \nothing;
ensures \result <==> complete(w);
*/
static bool wire_complete(const struct gpadl_pfn_list *w);

/*@
requires sane(w);
requires \valid_read(msg) && msg->nr_words <= MSG_WORDS_MAX;
requires \valid_read(msg->data + (0 .. 8 * msg->nr_words - 1));
requires \separated(w, msg, msg->data + (0 .. 8 * msg->nr_words - 1),
		    w->words + (0 .. w->capacity - 1));
assigns w->taken, w->nr_words, w->nr_pages, w->nr_runs, w->ranges_left, w->pages_left,
	w->follows, w->precedes, w->words[0 .. w->capacity - 1];
ensures going_on(\result) ==> sane(w);
ensures \result == GPADL_WIRE_COMPLETE ==> complete(w);
ensures \result == GPADL_WIRE_OK ==> !complete(w);
*/
enum gpadl_wire_verdict gpadl_wire_add(struct gpadl_pfn_list *w,
				       const struct gpadl_wire_msg *msg);

/*@
requires \valid(w) && \valid(words + (0 .. 1)) && \separated(w, words + (0 .. 1));
assigns *w, words[0 .. 1];
ensures \result ==> sane(w) && complete(w) && w->words == words && w->capacity == 2;
*/
static inline bool wire_take_page(struct gpadl_pfn_list *w, u64 word, u64 pfn, u64 *words);

/*@
requires \valid(w) && room <= GPADL_MAX_WORDS;
requires \valid_read(ranges + (0 .. len - 1));
requires \valid(words + (0 .. room - 1));
requires \separated(w, ranges + (0 .. len - 1), words + (0 .. room - 1));
assigns *w, words[0 .. room - 1];
ensures \result == GPADL_WIRE_COMPLETE ==> sane(w) && complete(w) &&
	w->words == words && w->capacity <= room;
*/
static enum gpadl_wire_verdict
wire_take_any(struct gpadl_pfn_list *w, const u8 *ranges, u32 len, u32 nr_ranges, u64 *words,
	      u32 room);

/*@
requires \valid(w) && room <= GPADL_MAX_WORDS;
requires \valid_read(ranges + (0 .. len - 1));
requires \valid(words + (0 .. room - 1));
requires \separated(w, ranges + (0 .. len - 1), words + (0 .. room - 1));
assigns *w, words[0 .. room - 1];
ensures \result == GPADL_WIRE_COMPLETE ==> sane(w) && complete(w) &&
	w->words == words && w->capacity <= room;
*/
enum gpadl_wire_verdict gpadl_wire_take_ranges(struct gpadl_pfn_list *w, const u8 *ranges,
					       u32 len, u32 nr_ranges, u64 *words, u32 room);

#include "gpadl_wire.annotated.c"
