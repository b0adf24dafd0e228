// SPDX-License-Identifier: GPL-2.0
/*
 * Different GPADLs of one guest, mapped and unmapped by one thread, and by two at once,
 * each on a processor of its own. And channels that are kicked at once.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bench_user.h"

#define PAGES	256

/* The time that counts is the least of so many */
#define REPEATS	5
#define ROUNDS	400

/* In memory that the other does not touch: what they share is what the mapper shares */
#define APART	1024

struct mapper {
	pthread_t thread;
	pthread_barrier_t *barrier;
	unsigned int cpu;
	int fd;
	struct bench_time time;
};

static void *mapper_run(void *arg)
{
	struct mapper *m = arg;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(m->cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		die("there is no processor %u: %s", m->cpu, strerror(errno));
	pthread_barrier_wait(m->barrier);
	bench_time(m->fd, &m->time);
	return NULL;
}

/* Nanoseconds that the slowest of @nr threads takes for all its rounds */
static __u64 run(int fd, enum bench_what what, unsigned int nr)
{
	pthread_barrier_t barrier;
	struct mapper m[2] = {};
	__u64 longest = 0;
	unsigned int i;

	pthread_barrier_init(&barrier, NULL, nr);
	for (i = 0; i < nr; i++) {
		m[i] = (struct mapper) {
			.barrier = &barrier,
			.cpu = i,
			.fd = fd,
			.time = { .what = what, .handle = HANDLE + i, .rounds = ROUNDS },
		};
		pthread_create(&m[i].thread, NULL, mapper_run, &m[i]);
	}
	for (i = 0; i < nr; i++) {
		pthread_join(m[i].thread, NULL);
		if (m[i].time.all_ns > longest)
			longest = m[i].time.all_ns;
	}
	return longest;
}

/* ---- Contended locks, on a kernel that counts them ---- */

#define LOCK_STAT	"/proc/lock_stat"

static void put(const char *file, const char *value)
{
	FILE *f = fopen(file, "w");

	if (!f)
		return;
	fputs(value, f);
	fclose(f);
}

/*
 * How often a lock was waited for, and the names of such. A line of a lock is "NAME:
 * contention-bounces contentions ..."; those of the places where it was waited for have no
 * colon there.
 */
static long count_contended(char *names, size_t len)
{
	FILE *f = fopen(LOCK_STAT, "r");
	long sum = 0, bounces, n;
	char line[512], *colon;
	size_t done = 0;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		colon = strrchr(line, ':');
		if (!colon || sscanf(colon + 1, "%ld %ld", &bounces, &n) != 2 || !n)
			continue;
		*colon = 0;
		sum += n;
		if (done < len)
			done += snprintf(names + done, len - done, " %s",
					 line + strspn(line, " "));
	}
	fclose(f);
	return sum;
}

/* Time of the best of some runs; locks of all */
static __u64 run_often(int fd, enum bench_what what, unsigned int nr)
{
	__u64 best = 0, ns;
	unsigned int i;

	put(LOCK_STAT, "0");
	put("/proc/sys/kernel/lock_stat", "1");
	for (i = 0; i < REPEATS; i++) {
		ns = run(fd, what, nr);
		if (!i || ns < best)
			best = ns;
	}
	put("/proc/sys/kernel/lock_stat", "0");
	return best;
}

static void parallel(const void *mem, const char *memory, bool resident,
		     enum bench_what what)
{
	int fd = bench_guest(mem, resident);
	static struct list l;
	char names[512] = "";
	unsigned int i, j;
	__u64 one, two;
	long locks;

	list_make(&l, LAYOUT_SHUFFLED, PAGES);
	for (i = 0; i < 2; i++) {
		bench_gpadl(fd, HANDLE + i, &l, mem);
		for (j = 0; j < l.nr; j++)
			l.pfn[j] += APART;
	}
	one = run_often(fd, what, 1);
	two = run_often(fd, what, 2);
	locks = count_contended(names, sizeof(names));
	printf("%s,%s,%s,%u,%llu,%llu,%ld,%s\n", what == BENCH_YARD ? "yardstick" : "ours",
	       resident ? "resident" : "demand", memory, 2 * ROUNDS * REPEATS,
	       one / ROUNDS, two / ROUNDS, locks, names);
	fflush(stdout);
	close(fd);
}

/* ---- Kicks ---- */

#define KICKS	2000

/* Two channels are kicked, each by a thread of its own, @idle others are there. */
struct kicker {
	pthread_t thread;
	pthread_barrier_t *barrier;
	int fd;
	struct bench_kick kick;
};

static void *kicker_run(void *arg)
{
	struct kicker *k = arg;

	pthread_barrier_wait(k->barrier);
	if (ioctl(k->fd, BENCH_KICK, &k->kick))
		die("kick: %s", strerror(errno));
	return NULL;
}

/* Nanoseconds that the slower of two threads takes for all its kicks */
static __u64 kick_two(int fd)
{
	pthread_barrier_t barrier;
	struct kicker k[2] = {};
	__u64 longest = 0;
	unsigned int i;

	pthread_barrier_init(&barrier, NULL, 2);
	for (i = 0; i < 2; i++) {
		k[i] = (struct kicker) {
			.barrier = &barrier,
			.fd = fd,
			.kick = { .channel = i, .rounds = KICKS },
		};
		pthread_create(&k[i].thread, NULL, kicker_run, &k[i]);
	}
	for (i = 0; i < 2; i++) {
		pthread_join(k[i].thread, NULL);
		if (k[i].kick.all_ns > longest)
			longest = k[i].kick.all_ns;
	}
	return longest;
}

static void kicks(const void *mem, unsigned int idle)
{
	int fd = bench_guest(mem, false);
	char names[512] = "";
	__u64 best = 0, ns;
	unsigned int i;
	long locks;

	if (ioctl(fd, BENCH_CHANNELS, 2 + idle))
		die("%u channels: %s", 2 + idle, strerror(errno));
	put(LOCK_STAT, "0");
	put("/proc/sys/kernel/lock_stat", "1");
	for (i = 0; i < REPEATS; i++) {
		ns = kick_two(fd);
		if (!i || ns < best)
			best = ns;
	}
	put("/proc/sys/kernel/lock_stat", "0");
	locks = count_contended(names, sizeof(names));
	printf("%u,%u,%llu,%ld,%s\n", idle, 2 * KICKS * REPEATS, best / KICKS, locks, names);
	fflush(stdout);
	close(fd);
}

/* A kick of one of two busy channels, alone and among many that are idle */
void kicks_run(void)
{
	void *mem = guest_memory(MEM_MEMFD);

	printf("idle,kicks,kick_ns,contended,locks\n");
	kicks(mem, 0);
	kicks(mem, 2000);
	guest_memory_free(mem);
}

/*
 * The last columns: how often one of the two threads had to wait for a lock, over all
 * rounds, and for which; -1: this kernel does not count
 */
void parallel_run(void)
{
	void *mem;

	printf("who,holding,memory,maps,one_ns,two_ns,contended,locks\n");
	mem = guest_memory(MEM_MEMFD);
	parallel(mem, "shmem", false, BENCH_YARD);
	parallel(mem, "shmem", false, BENCH_OURS);
	parallel(mem, "shmem", true, BENCH_OURS);
	guest_memory_free(mem);
	mem = guest_memory(MEM_HUGETLB_MEMFD);
	parallel(mem, "hugetlb", false, BENCH_YARD);
	parallel(mem, "hugetlb", false, BENCH_OURS);
	parallel(mem, "hugetlb", true, BENCH_OURS);
	guest_memory_free(mem);
}
