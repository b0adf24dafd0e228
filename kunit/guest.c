// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's side of the GPADL messages, for tests.
 */
#include "guest.h"

#define MSG_HEADER	8
#define MSG_BODY	9
#define MSG_TEARDOWN	11

/* A little-endian number of @size bytes. */
u64 guest_get(const u8 *p, unsigned int size)
{
	u64 value = 0;

	while (size--)
		value = value << 8 | p[size];
	return value;
}

void guest_put(u8 *p, unsigned int size, u64 value)
{
	for (; size--; value >>= 8)
		*p++ = value;
}

/* Begin a range of @count bytes; its page frame numbers are to follow. */
void guest_range(struct guest_stream *s, u32 count, u32 offset)
{
	s->words[s->nr++] = (u64)offset << 32 | count;
	s->nr_ranges++;
}

/* @nr page frame numbers, each @step above the one before. */
void guest_pfns(struct guest_stream *s, u64 first, s64 step, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		s->words[s->nr++] = first + i * step;
}

static void guest_begin(struct guest_msg *m, u32 type, u32 len)
{
	*m = (struct guest_msg) { .len = len };
	guest_put(m->bytes + GUEST_TYPE, 4, type);
}

/* A GPADL_HEADER that announces @s, without words. */
void guest_header(struct guest_msg *m, u32 relid, u32 handle,
		  const struct guest_stream *s)
{
	guest_begin(m, MSG_HEADER, GUEST_HEADER_DATA);
	guest_put(m->bytes + GUEST_RELID, 4, relid);
	guest_put(m->bytes + GUEST_HANDLE, 4, handle);
	guest_put(m->bytes + GUEST_BUFLEN, 2, s->nr * sizeof(u64));
	guest_put(m->bytes + GUEST_RANGECOUNT, 2, s->nr_ranges);
}

/* A GPADL_BODY without words. */
void guest_body(struct guest_msg *m, u32 handle)
{
	guest_begin(m, MSG_BODY, GUEST_BODY_DATA);
	guest_put(m->bytes + GUEST_HANDLE, 4, handle);
}

void guest_teardown(struct guest_msg *m, u32 relid, u32 handle)
{
	guest_begin(m, MSG_TEARDOWN, 16);
	guest_put(m->bytes + GUEST_RELID, 4, relid);
	guest_put(m->bytes + GUEST_HANDLE, 4, handle);
}

/* Append words to a message; what does not fit is left out. */
void guest_words(struct guest_msg *m, const u64 *words, u32 nr)
{
	for (; nr && m->len + sizeof(u64) <= GUEST_MSG_MAX; nr--, words++) {
		guest_put(m->bytes + m->len, sizeof(u64), *words);
		m->len += sizeof(u64);
	}
}

/* The next message of a GPADL. False: all of it has been sent. */
bool guest_next_msg(struct guest_msg *m, u32 relid, u32 handle, struct guest_stream *s)
{
	u32 nr = s->nr - s->sent, most = s->sent ? GUEST_BODY_WORDS : GUEST_HEADER_WORDS;

	if (!nr)
		return false;
	if (nr > most)
		nr = most;
	if (s->sent)
		guest_body(m, handle);
	else
		guest_header(m, relid, handle, s);
	guest_words(m, s->words + s->sent, nr);
	s->sent += nr;
	return true;
}

/* The same numbers from the same seed, everywhere (xorshift64*); the seed is not 0. */
u32 guest_random(u64 *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dull >> 32;
}
