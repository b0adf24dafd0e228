// SPDX-License-Identifier: GPL-2.0
/*
 * Lists of guest pages: made, or those of real guests.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_user.h"

const char *const layout_names[] = {
	[LAYOUT_CONTIGUOUS] = "contiguous",
	[LAYOUT_REVERSED] = "reversed",
	[LAYOUT_SHUFFLED] = "shuffled",
};

/* xorshift64*: the same order everywhere */
static __u32 random_below(__u64 *state, __u32 n)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (*state * 0x2545f4914f6cdd1dull >> 32) % n;
}

static void list_shuffle(struct list *l)
{
	__u64 state = 0x5eed;
	__u32 i, j;

	for (i = l->nr - 1; i; i--) {
		__u64 pfn = l->pfn[i];

		j = random_below(&state, i + 1);
		l->pfn[i] = l->pfn[j];
		l->pfn[j] = pfn;
	}
}

void list_make(struct list *l, enum layout how, __u32 nr)
{
	__u32 i;

	l->nr = nr;
	for (i = 0; i < nr; i++)
		l->pfn[i] = how == LAYOUT_REVERSED ? nr - 1 - i : i;
	if (how == LAYOUT_SHUFFLED)
		list_shuffle(l);
}

/* ---- Real guests' ---- */

#define HUGE_PFNS	512u

static int cmp_u64(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return (x > y) - (x < y);
}

/*
 * Move a list into the memory that there is. 2 MiB blocks of which the guest uses no page
 * are left out, the others keep their order and what is in them. Pages adjoin if they did
 * in the guest, and only then: where leaving out would bring two together, a block stays.
 */
static void list_compact(struct list *l)
{
	static __u64 sorted[MAX_PAGES], moved[MAX_PAGES];
	__u64 block = 0;
	__u32 i;

	memcpy(sorted, l->pfn, l->nr * sizeof(*sorted));
	qsort(sorted, l->nr, sizeof(*sorted), cmp_u64);
	for (i = 0; i < l->nr; i++) {
		__u64 here = sorted[i] / HUGE_PFNS;

		if (i && here != sorted[i - 1] / HUGE_PFNS) {
			block++;
			if (here != sorted[i - 1] / HUGE_PFNS + 1 &&
			    sorted[i] % HUGE_PFNS == 0 &&
			    sorted[i - 1] % HUGE_PFNS == HUGE_PFNS - 1)
				block++;
		}
		moved[i] = block * HUGE_PFNS + sorted[i] % HUGE_PFNS;
	}
	if ((block + 1) * HUGE_PFNS * HV_PAGE > MEM_BYTES)
		die("a list of a real guest does not fit in the memory");
	for (i = 0; i < l->nr; i++) {
		__u64 *p = bsearch(&l->pfn[i], sorted, l->nr, sizeof(*sorted), cmp_u64);

		l->pfn[i] = moved[p - sorted];
	}
}

/* A line is a list: runs FIRST+NR upwards, FIRST-NR downwards */
static void list_parse(struct list *l, char *line)
{
	char *word, *save;

	l->nr = 0;
	line[strcspn(line, "\n")] = 0;
	for (word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		unsigned long long first;
		unsigned int nr;
		char dir;

		if (sscanf(word, "%llu%c%u", &first, &dir, &nr) != 3 ||
		    (dir != '+' && dir != '-') || l->nr + nr > MAX_PAGES)
			die("a list of pages has '%s'", word);
		while (nr--)
			l->pfn[l->nr++] = dir == '+' ? first++ : first--;
	}
}

bool list_real(struct list *l, unsigned int i)
{
	const char *name = getenv("GUEST_BUFFERS") ?: "/guest-buffers.txt";
	static char line[65536];
	bool found = false;
	FILE *f = fopen(name, "r");

	if (!f)
		die("there is no %s", name);
	while (!found && fgets(line, sizeof(line), f))
		found = line[0] != '#' && line[0] != '\n' && !i--;
	fclose(f);
	if (!found)
		return false;
	list_parse(l, line);
	list_compact(l);
	return true;
}
