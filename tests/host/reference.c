// SPDX-License-Identifier: GPL-2.0
/*
 * A second decoder of GPADL messages, to compare gpadl/wire.c with.
 */
#include "reference.h"

/* Little-endian bytes [@at, @at + @size) of a message. */
static u64 number(const u8 *bytes, size_t at, size_t size)
{
	u64 value = 0;
	size_t i;

	for (i = 0; i < size; i++)
		value += (u64)bytes[at + i] << (8 * i);
	return value;
}

static size_t fixed_part(u64 type)
{
	return type == 8 ? 20 : type == 9 || type == 11 ? 16 : 0;
}

/* What gpadl_wire_decode() should return; the fields if that is 0. */
int reference_decode(const u8 *bytes, size_t len, u32 *type, u32 *relid, u32 *handle)
{
	if (len < 8 || len > 240)
		return -EBADMSG;
	*type = number(bytes, 0, 4);
	if (!fixed_part(*type))
		return -EOPNOTSUPP;
	if (len < fixed_part(*type))
		return -EBADMSG;
	*relid = *type == 9 ? 0 : number(bytes, 8, 4);
	*handle = number(bytes, 12, 4);
	return 0;
}

/*
 * Read the words from the first to the last. @used: the words of the ranges announced,
 * if they are complete.
 */
static enum reference_verdict read_all(const struct reference *ref, u32 *used)
{
	u64 at = 0, range, page, count, offset, pages;

	for (range = 0; range < ref->nr_ranges; range++) {
		if (at == ref->nr)
			return REFERENCE_MORE;
		count = ref->words[at] % (1ull << 32);
		offset = ref->words[at] / (1ull << 32);
		pages = (offset + count + 4095) / 4096;
		at++;
		if (!count || offset > 4095 || offset + count + 4095 >= 1ull << 32)
			return REFERENCE_REFUSED;
		/* What is left must do for the ranges behind it, of two words each. */
		if (at + pages + 2 * (ref->nr_ranges - range - 1) > ref->capacity)
			return REFERENCE_REFUSED;
		for (page = 0; page < pages; page++, at++) {
			if (at == ref->nr)
				return REFERENCE_MORE;
			if (ref->words[at] >= 1ull << 40)
				return REFERENCE_REFUSED;
		}
	}
	*used = at;
	return REFERENCE_COMPLETE;
}

/* Words of the ranges announced; all of them must have come. */
u32 reference_used(const struct reference *ref)
{
	u32 used = 0;

	read_all(ref, &used);
	return used;
}

/* Take in a HEADER, which begins a new GPADL, or a BODY. */
enum reference_verdict reference_take(struct reference *ref, const u8 *bytes, size_t len)
{
	bool header = number(bytes, 0, 4) == 8;
	size_t at = header ? 20 : 16;
	u32 unused;

	if (header) {
		u64 range_buflen = number(bytes, 16, 2);

		ref->nr = 0;
		ref->capacity = range_buflen / 8;
		ref->nr_ranges = number(bytes, 18, 2);
		if (range_buflen < 16 || range_buflen % 8 || !ref->nr_ranges ||
		    ref->nr_ranges * 16ull > range_buflen)
			return REFERENCE_REFUSED;
	} else if (len < at + 8) {
		return REFERENCE_REFUSED;
	}
	for (; at + 8 <= len && ref->nr < ref->capacity; at += 8)
		ref->words[ref->nr++] = number(bytes, at, 8);
	return read_all(ref, &unused);
}

/* Take in the ranges of a packet, of which no more than @room words are kept. */
enum reference_verdict reference_ranges(struct reference *ref, const u8 *bytes, size_t len,
					u32 nr_ranges, u32 room)
{
	enum reference_verdict verdict;
	u32 unused;

	for (ref->nr = 0; ref->nr < len / 8 && ref->nr < room; ref->nr++)
		ref->words[ref->nr] = number(bytes, 8 * ref->nr, 8);
	ref->capacity = ref->nr;
	ref->nr_ranges = nr_ranges;
	if (!nr_ranges || nr_ranges > ref->nr)
		return REFERENCE_REFUSED;
	verdict = read_all(ref, &unused);
	/* Nothing more comes. */
	return verdict == REFERENCE_MORE ? REFERENCE_REFUSED : verdict;
}

/* A message of @nr fields behind type and padding. Returns its length. */
size_t reference_reply(u8 *bytes, u32 type, const u32 *fields, u32 nr)
{
	size_t i;

	for (i = 0; i < 8 + 4 * nr; i++) {
		u32 value = i < 4 ? type : i < 8 ? 0 : fields[i / 4 - 2];

		bytes[i] = value >> (8 * (i % 4));
	}
	return i;
}
