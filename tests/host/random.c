// SPDX-License-Identifier: GPL-2.0
/*
 * Random guests, mostly well-behaved: gpadl/wire.c and the reference must agree on each
 * of their messages.
 *
 *	random [SEED [GPADLS]]
 */
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "compare.h"
#include "guest.h"

static u64 state;

static u32 below(u32 n)
{
	return guest_random(&state) % n;
}

/* One in @n. */
static bool now_and_then(u32 n)
{
	return !below(n);
}

static void random_range(struct guest_stream *s, u32 pages)
{
	u32 offset = below(2) ? 0 : below(GUEST_PAGE), n;

	guest_range(s, pages * GUEST_PAGE - offset, offset);
	for (; pages; pages -= n) {
		n = 1 + below(pages);
		guest_pfns(s, 0x10000 + below(32), (s64)below(4) - 1, n);
	}
}

static void random_stream(struct guest_stream *s)
{
	u32 most = now_and_then(20) ? 1000 : 40, ranges;

	*s = (struct guest_stream) { .words = s->words };
	for (ranges = 1 + below(now_and_then(4) ? 8 : 1); ranges; ranges--)
		random_range(s, 1 + below(most));
}

/* Values that a field may be refused for, or just not. */
static u64 random_value(void)
{
	static const u64 values[] = {
		0, 1, 2, 7, 8, 15, 16, 0xfff, 0x1000, 0xffff, 0xfff8, 0xfffff000,
		0xffffffff, 1ull << 40, (1ull << 40) - 1, ~0ull,
	};

	return now_and_then(3) ? (u64)guest_random(&state) << 32 | guest_random(&state) :
				 values[below(ARRAY_SIZE(values))];
}

static void spoil(struct guest_msg *m)
{
	static const u32 sizes[] = { 1, 2, 4, 8 };
	u32 size = sizes[below(ARRAY_SIZE(sizes))];

	if (now_and_then(4))
		m->len = below(GUEST_MSG_MAX + 1);
	else
		guest_put(m->bytes + below(GUEST_MSG_MAX / 4 - 1) * 4 / size * size,
			  size, random_value());
}

/* The next message, of as many words as it likes. */
static void next_message(struct guest_msg *m, struct guest_stream *s)
{
	u32 nr = now_and_then(2) ? GUEST_HEADER_WORDS : below(GUEST_HEADER_WORDS + 1);

	if (s->sent || m->len)
		guest_body(m, 1);
	else
		guest_header(m, 1, 1, s);
	if (nr > s->nr - s->sent)
		nr = s->nr - s->sent;
	guest_words(m, s->words + s->sent, nr);
	s->sent += nr;
	if (now_and_then(10))
		m->len = GUEST_MSG_MAX;
	if (now_and_then(40))
		spoil(m);
}

/* The same ranges in a packet, with room for them or not quite, and now and then spoilt. */
static const char *compare_packet(struct compare *c, const struct guest_stream *s)
{
	static u8 bytes[REFERENCE_MAX_WORDS * sizeof(u64)];
	u32 i, nr = s->nr, nr_ranges = s->nr_ranges, room;

	if (nr + 32 > REFERENCE_MAX_WORDS)
		return NULL;
	for (i = 0; i < nr; i++)
		guest_put(bytes + i * sizeof(u64), sizeof(u64), s->words[i]);
	if (now_and_then(4)) {
		/* As many as Linux once sent, or fewer than are needed */
		nr = now_and_then(2) ? nr + below(32) : below(nr + 1);
		memset(bytes + i * sizeof(u64), 0xff, 32 * sizeof(u64));
	}
	if (now_and_then(10))
		guest_put(bytes + below(nr + 1) * sizeof(u64), sizeof(u64), random_value());
	if (now_and_then(20))
		nr_ranges = random_value();
	room = now_and_then(4) ? below(nr + 2) : nr + below(10);
	return compare_ranges(c, bytes, nr * sizeof(u64) + below(8), nr_ranges, room);
}

static const char *compare_gpadl(struct compare *c, struct guest_stream *s)
{
	struct guest_msg m = {};
	const char *complaint;

	random_stream(s);
	complaint = compare_packet(c, s);
	if (complaint)
		return complaint;
	do {
		next_message(&m, s);
		complaint = compare_message(c, m.bytes, m.len);
	} while (!complaint && s->sent < s->nr);
	return complaint;
}

int main(int argc, char **argv)
{
	static struct compare c;
	static u64 words[16384];
	struct guest_stream s = { .words = words };
	u64 seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (u64)time(NULL);
	unsigned long n, gpadls = argc > 2 ? strtoul(argv[2], NULL, 0) : 100000;
	const char *complaint = NULL;

	state = seed ?: 1;
	for (n = 0; n < gpadls && !complaint; n++)
		complaint = compare_gpadl(&c, &s);
	compare_end(&c);
	printf("# seed %llu: %lu GPADLs, %lu complete, %lu refused; of packets %lu and %lu\n",
	       seed, n, c.complete, c.refused, c.packets, c.packets_refused);
	if (complaint)
		printf("# GPADL %lu: %s\n", n - 1, complaint);
	/* Either alone would test little. */
	if (!c.complete || !c.refused || !c.packets || !c.packets_refused)
		complaint = "nothing was complete, or nothing refused";
	printf("%s 1 - random_guests\n1..1\n", complaint ? "not ok" : "ok");
	return !!complaint;
}
