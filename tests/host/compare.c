// SPDX-License-Identifier: GPL-2.0
/*
 * Gives messages to gpadl/wire.c and to the reference, and compares what they make of
 * them.
 */
#include <stdlib.h>

#include "compare.h"

static enum reference_verdict plain(enum gpadl_wire_verdict verdict)
{
	switch (verdict) {
	case GPADL_WIRE_OK:
		return REFERENCE_MORE;
	case GPADL_WIRE_COMPLETE:
		return REFERENCE_COMPLETE;
	default:
		return REFERENCE_REFUSED;
	}
}

static bool invariant(const struct gpadl_pfn_list *w)
{
	return w->nr_words <= w->taken && w->taken <= w->capacity &&
	       w->nr_runs <= w->nr_words && w->nr_pages <= GPADL_MAX_PAGES &&
	       w->pages_left <= w->nr_pages && w->ranges_left <= w->nr_ranges;
}

/* Is the packed form, unpacked, what the reference has kept? */
static bool same_words(const struct gpadl_pfn_list *w, const struct reference *ref)
{
	u32 in = 0, out = 0, runs = 0, pages = 0, left, i;

	while (in < w->nr_words) {
		struct gpadl_wire_range range = gpadl_wire_range(w->words[in]);
		struct gpadl_wire_run run;

		if (out == ref->nr || w->words[in++] != ref->words[out++])
			return false;
		pages += range.nr_pages;
		for (left = range.nr_pages; left; left -= run.nr) {
			if (in == w->nr_words)
				return false;
			run = gpadl_wire_run(w->words[in++]);
			if (run.nr > left || run.nr > ref->nr - out)
				return false;
			for (i = 0; i < run.nr; i++)
				if (ref->words[out++] !=
				    (run.down ? run.pfn - i : run.pfn + i))
					return false;
			runs++;
		}
	}
	return out == reference_used(ref) && runs == w->nr_runs && pages == w->nr_pages;
}

/* What gpadl/wire.c says of a message that could be decoded. */
static enum gpadl_wire_verdict take(struct compare *c, const struct gpadl_wire_msg *msg)
{
	enum gpadl_wire_verdict verdict;

	if (msg->type == GPADL_MSG_HEADER) {
		verdict = gpadl_wire_check_header(msg);
		if (verdict != GPADL_WIRE_OK)
			return verdict;
		free(c->words);
		c->words = malloc(msg->range_buflen);
		if (!c->words)
			abort();
		gpadl_wire_init(&c->w, msg, c->words);
		c->taking = true;
	}
	return gpadl_wire_add(&c->w, msg);
}

static const char *compare_decoded(struct compare *c, const struct gpadl_wire_msg *msg,
				   const u8 *bytes, size_t len)
{
	enum reference_verdict verdict;

	if (msg->type == GPADL_MSG_TEARDOWN)
		return NULL;
	if (msg->type == GPADL_MSG_HEADER)
		c->taking = false;
	else if (!c->taking)
		return NULL;

	verdict = plain(take(c, msg));
	if (verdict != reference_take(&c->ref, bytes, len))
		return "the verdicts differ";
	if (verdict == REFERENCE_REFUSED) {
		c->taking = false;
		c->refused++;
		return NULL;
	}
	if (!invariant(&c->w))
		return "the counts contradict each other";
	if (verdict != REFERENCE_COMPLETE)
		return NULL;
	c->complete++;
	return same_words(&c->w, &c->ref) ? NULL : "the pages differ";
}

/* The replies that there are to a message of these numbers. */
static bool same_replies(const struct gpadl_wire_msg *msg)
{
	const u32 created[] = { msg->relid, msg->handle, msg->relid ^ msg->handle };
	u8 mine[GPADL_WIRE_CREATED_LEN], theirs[GPADL_WIRE_CREATED_LEN];
	size_t len = gpadl_wire_created(mine, created[0], created[1], created[2]);

	if (len != reference_reply(theirs, 10, created, 3) || memcmp(mine, theirs, len))
		return false;
	len = gpadl_wire_torndown(mine, msg->handle);
	return len == reference_reply(theirs, 12, &msg->handle, 1) &&
	       !memcmp(mine, theirs, len);
}

/**
 * compare_message() - Have a message decoded by both
 * @c: the guest; all 0 at first
 * @bytes: the message
 * @len: its length
 *
 * Return: NULL if they agree, or in what they differ.
 */
const char *compare_message(struct compare *c, const u8 *bytes, size_t len)
{
	u8 *copy = malloc(len ?: 1);
	u32 type, relid, handle;
	struct gpadl_wire_msg msg;
	const char *complaint;
	int ret;

	if (!copy)
		abort();
	/* In memory of exactly its length: more must not be read. */
	memcpy(copy, bytes, len);
	ret = reference_decode(bytes, len, &type, &relid, &handle);
	if (gpadl_wire_decode(copy, len, &msg) != ret)
		complaint = "the errors differ";
	else if (ret)
		complaint = NULL;
	else if (msg.type != type || msg.relid != relid || msg.handle != handle)
		complaint = "the fields differ";
	else if (!same_replies(&msg))
		complaint = "the replies differ";
	else
		complaint = compare_decoded(c, &msg, bytes, len);
	free(copy);
	return complaint;
}

/**
 * compare_ranges() - Have the ranges of a packet taken in by both
 * @c: counts what comes of it
 * @bytes: the ranges
 * @len: their length
 * @nr_ranges: what the packet tells
 * @room: words that there is room for, at most REFERENCE_MAX_WORDS
 *
 * Return: NULL if they agree, or in what they differ.
 */
const char *compare_ranges(struct compare *c, const u8 *bytes, size_t len, u32 nr_ranges,
			   u32 room)
{
	/* In memory of exactly its length, as for messages; and likewise the room. */
	u64 *words = malloc(room * sizeof(u64) ?: 1);
	const char *complaint = NULL;
	enum reference_verdict verdict;
	u8 *copy = malloc(len ?: 1);
	struct gpadl_pfn_list w;

	if (!words || !copy)
		abort();
	memcpy(copy, bytes, len);
	verdict = plain(gpadl_wire_take_ranges(&w, copy, len, nr_ranges, words, room));
	if (verdict != reference_ranges(&c->packet, bytes, len, nr_ranges, room))
		complaint = "the verdicts on a packet differ";
	else if (verdict != REFERENCE_COMPLETE)
		c->packets_refused++;
	else if (!invariant(&w) || !same_words(&w, &c->packet))
		complaint = "the pages of a packet differ";
	else
		c->packets++;
	free(copy);
	free(words);
	return complaint;
}

/* Forget the guest: @c can be used for another one. */
void compare_end(struct compare *c)
{
	free(c->words);
	c->words = NULL;
	c->taking = false;
}
