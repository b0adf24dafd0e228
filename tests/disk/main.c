// SPDX-License-Identifier: GPL-2.0
/*
 * What a request to a disk costs the host:
 *
 *	disk PEER WWPN BACKSTORE REQUESTS [BYTES DEPTH read|write]
 *
 * PEER is vmbus, the same with the guest's memory resident, or vhost; WWPN a target of that
 * fabric, with a portal group 1 and a LUN 0.
 * For each kind of request, or that one, a line of CSV: what it costs the host on the average,
 * in nanoseconds, which are instructions in an emulator that counts them; how often the guest told
 * the host, which costs a guest an exit; how often the host told the guest, an interrupt; and
 * what it costs the driver, which is not in the first figure.
 *
 * The driver keeps so many requests under way. It does not spin: with nothing to do it waits
 * for an interrupt, which it does not want while it looks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "disk.h"

#define MEM_BYTES	(16u << 20)
#define DISK_BLOCKS	(32u << 11)

/*
 * @ticks: of a clock of which reading costs next to nothing, while the driver was at work; @least
 * for a request
 */
struct counts {
	__u64 kicks, calls, ticks, least;
};

static struct request requests[MAX_DEPTH];

static __u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static __u64 ticks(void)
{
#ifdef __x86_64__
	return __builtin_ia32_rdtsc();
#else
	return now();
#endif
}

/*
 * The driver was at work for @ticks, and is through with @nr requests. If that is much for so many
 * it was interrupted, and others were at work.
 */
static void count_driver(struct counts *c, __u64 ticks, unsigned int nr)
{
	if (!nr)
		return;
	if (!c->least || ticks / nr < c->least)
		c->least = ticks / nr;
	c->ticks += ticks < 2 * nr * c->least ? ticks : nr * c->least;
}

/* Anywhere on the disk, by a number that follows from the last */
static __u32 next_lba(__u32 bytes)
{
	static __u32 n = 1;
	__u32 blocks = bytes / BLOCK;

	n = n * 1103515245u + 12345;
	return (n >> 8) % (DISK_BLOCKS / blocks) * blocks;
}

/* Return: how many were put into the ring */
static unsigned int take_answers(struct peer *peer, unsigned int *left, unsigned int *done,
				 struct counts *c)
{
	unsigned int submitted = 0, before = *done;
	__u64 begin = ticks();
	int slot;

	while ((slot = peer->reap()) >= 0) {
		++*done;
		if (!*left)
			continue;
		--*left;
		requests[slot].lba = next_lba(requests[slot].bytes);
		peer->submit(slot, &requests[slot]);
		submitted++;
	}
	count_driver(c, ticks() - begin, *done - before);
	return submitted;
}

static void wait_for_call(struct peer *peer, struct counts *c)
{
	__u64 n;

	MUST(read(peer->call_fd, &n, sizeof(n)) == sizeof(n));
	c->calls += n;
}

static void run(struct peer *peer, unsigned int depth, unsigned int nr, struct counts *c)
{
	unsigned int i, left = nr - depth, done = 0, before;

	for (i = 0; i < depth; i++)
		peer->submit(i, &requests[i]);
	c->kicks += peer->kick();
	while (done < nr) {
		before = done;
		if (take_answers(peer, &left, &done, c))
			c->kicks += peer->kick();
		if (done != before)
			continue;
		peer->listen(true);
		if (take_answers(peer, &left, &done, c))
			c->kicks += peer->kick();
		else if (done == before)
			wait_for_call(peer, c);
		peer->listen(false);
	}
}

static void prepare(char *mem, unsigned int depth, __u32 bytes, bool write)
{
	unsigned int i;

	for (i = 0; i < depth; i++)
		requests[i] = (struct request){
			.data = mem + (size_t)i * bytes,
			.bytes = bytes,
			.lba = next_lba(bytes),
			.write = write,
		};
}

static void measure(struct peer *peer, const char *backstore, char *mem, unsigned int nr,
		    unsigned int depth, __u32 bytes, bool write)
{
	struct counts c = {};
	__u64 begin, begin_ticks, ns;
	double driver;

	prepare(mem, depth, bytes, write);
	/*
	 * As many that do not count: behind requests that were sent one at a time, threads take
	 * turns for each of the first hundreds.
	 */
	run(peer, depth, nr, &c);
	c = (struct counts){};
	begin_ticks = ticks();
	begin = now();
	run(peer, depth, nr, &c);
	ns = now() - begin;
	driver = (double)c.ticks / (ticks() - begin_ticks) * ns;
	printf("%s,%s,%s,%u,%u,%.0f,%.3f,%.3f,%.0f\n", peer->name, backstore,
	       write ? "write" : "read", bytes, depth, (ns - driver) / nr,
	       (double)c.kicks / nr, (double)c.calls / nr, driver / nr);
}

int main(int argc, char **argv)
{
	static const __u32 sizes[] = { 4096, 256 << 10 };
	static const unsigned int depths[] = { 1, 32 };
	static struct peer *const peers[] = { &vmbus_peer, &resident_peer, &vhost_peer };
	struct peer *peer;
	unsigned int i;
	char *mem;

	if (argc != 5 && argc != 8)
		die("disk vmbus|resident|vhost WWPN STORE REQUESTS [BYTES DEPTH read|write]");
	for (i = 0; i < ARRAY_SIZE(peers) && strcmp(argv[1], peers[i]->name); i++)
		;
	if (i == ARRAY_SIZE(peers))
		die("%s?", argv[1]);
	peer = peers[i];
	mem = mmap(NULL, MEM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(mem != MAP_FAILED);
	/* Pages as a guest that has run for a while has them */
	madvise(mem, MEM_BYTES, MADV_NOHUGEPAGE);
	memset(mem, 1, MEM_BYTES);
	peer->start(argv[2], mem, MEM_BYTES);
	peer->listen(false);
	if (argc == 8) {
		measure(peer, argv[3], mem, atoi(argv[4]), atoi(argv[6]), atoi(argv[5]),
			!strcmp(argv[7], "write"));
		return 0;
	}
	for (i = 0; i < 8; i++) {
		__u32 bytes = sizes[i >> 2];

		measure(peer, argv[3], mem, atoi(argv[4]) / (bytes > 4096 ? 2 : 1),
			depths[i >> 1 & 1], bytes, i & 1);
	}
	return 0;
}
