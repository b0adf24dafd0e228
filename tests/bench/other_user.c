// SPDX-License-Identifier: GPL-2.0
/*
 * What is measured beside map and unmap: establish, look-up, memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bench_user.h"

static __u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* ---- Establish: what a VMM does with /dev/vmbus-host ---- */

static int host_guest(const void *mem)
{
	int fd = open("/dev/vmbus-host", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || vmm_create(fd) || vmm_region(fd, 0, 0, 0, MEM_BYTES, mem) ||
	    vmm_channel(fd, BENCH_RELID, 0, NULL))
		die("/dev/vmbus-host: %s", strerror(errno));
	return fd;
}

static void establish(int fd, const char *layout, const struct list *l)
{
	static struct guest_gpadl g;
	__u64 best = 0;
	__u32 i;

	gpadl_prepare(&g, HANDLE, l);
	for (i = 0; i <= rounds_for(l->nr); i++) {
		__u64 begin = now(), took;

		gpadl_create(fd, BENCH_RELID, &g);
		took = now() - begin;
		gpadl_tear_down(fd, BENCH_RELID, HANDLE);
		if (i && (!best || took < best))
			best = took;
	}
	printf("%s,%u,%llu\n", layout, l->nr, best);
}

void establish_run(void)
{
	static const __u32 sizes[] = { 8, 64, 256, 4096, 7936, 8190 };
	static struct list l;
	void *mem = guest_memory(MEM_MEMFD);
	int layout, fd = host_guest(mem);
	unsigned int i;

	printf("layout,pages,instructions\n");
	for (layout = LAYOUT_CONTIGUOUS; layout <= LAYOUT_SHUFFLED; layout++) {
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			list_make(&l, layout, sizes[i]);
			establish(fd, layout_names[layout], &l);
		}
	}
	for (i = 0; list_real(&l, i); i++)
		establish(fd, "real", &l);
	close(fd);
	guest_memory_free(mem);
}

/* ---- Look-up among many ---- */

#define LOOKUPS	1000

static __u64 least(int fd, struct bench_time t)
{
	__u64 best = 0;
	__u32 i;

	for (i = 0; i <= rounds; i++) {
		bench_time(fd, &t);
		if (i && (!best || t.all_ns < best))
			best = t.all_ns;
	}
	return best;
}

/* Of the one in the middle of @nr, whose handles are counted from @first */
static void lookup(const void *mem, __u32 first, __u32 nr)
{
	struct bench_time t = { .handle = first + nr / 2 };
	static struct guest_gpadl g;
	static struct list l;
	int fd = bench_guest(mem, true);
	__u64 lookups, map;
	__u32 i;

	list_make(&l, LAYOUT_CONTIGUOUS, 1);
	gpadl_prepare(&g, first, &l);
	for (i = 0; i < nr; i++, g.handle++)
		gpadl_create(fd, BENCH_RELID, &g);
	t.what = BENCH_LOOKUP;
	t.rounds = LOOKUPS;
	lookups = least(fd, t);
	t.what = BENCH_OURS;
	t.rounds = 1;
	map = least(fd, t);
	printf("%#x,%u,%.1f,%llu\n", first, nr, (double)lookups / LOOKUPS, map);
	fflush(stdout);
	close(fd);
}

void lookup_run(void)
{
	static const __u32 firsts[] = { HANDLE, 1 }, numbers[] = { 1, 1000, 100000 };
	void *mem = guest_memory(MEM_HUGETLB_MEMFD);
	unsigned int i, j;

	if (param_set("max_gpadls", "131072"))
		die("max_gpadls cannot be set");
	printf("first,gpadls,look_up,map_and_unmap_one_page\n");
	for (i = 0; i < ARRAY_SIZE(firsts); i++)
		for (j = 0; j < ARRAY_SIZE(numbers); j++)
			lookup(mem, firsts[i], numbers[j]);
	guest_memory_free(mem);
}

/* ---- Memory of an idle GPADL ---- */

static void idle(int fd, const char *layout, const struct list *l)
{
	static struct guest_gpadl g;
	struct bench_allocs a;

	gpadl_prepare(&g, HANDLE, l);
	allocs_watch(fd);
	gpadl_create(fd, BENCH_RELID, &g);
	a = allocs_seen(fd);
	gpadl_tear_down(fd, BENCH_RELID, HANDLE);
	printf("%s,%u,%llu,%llu\n", layout, l->nr, a.asked, a.taken);
}

void idle_run(void)
{
	static const __u32 sizes[] = { 8, 64, 256, 1024, 4096, 7936, 8190 };
	static struct list l;
	void *mem = guest_memory(MEM_MEMFD);
	int layout, fd = bench_guest(mem, false);
	unsigned int i;

	printf("layout,pages,asked,taken\n");
	for (layout = LAYOUT_CONTIGUOUS; layout <= LAYOUT_SHUFFLED; layout++) {
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			list_make(&l, layout, sizes[i]);
			idle(fd, layout_names[layout], &l);
		}
	}
	for (i = 0; list_real(&l, i); i++)
		idle(fd, "real", &l);
	close(fd);
	guest_memory_free(mem);
}

/* ---- What a resident region costs ---- */

struct region_cost {
	__u64 ns;
	__u64 bytes;
};

/* Of a guest with one region, and all that it has besides */
static struct region_cost guest_cost(int watcher, const void *mem, bool resident)
{
	struct region_cost cost = {};
	__u32 i;

	for (i = 0; i < rounds; i++) {
		__u64 begin = now(), took;
		int fd = bench_guest(mem, resident);

		took = now() - begin;
		close(fd);
		if (!i || took < cost.ns)
			cost.ns = took;
	}
	allocs_watch(watcher);
	i = bench_guest(mem, resident);
	cost.bytes = allocs_seen(watcher).taken;
	close(i);
	return cost;
}

/* What the resident one costs more than the one on demand */
void region_run(void)
{
	unsigned int i;

	printf("memory,pages,instructions,bytes\n");
	for (i = 0; i < NR_MEMORIES; i++) {
		void *mem = guest_memory(memories[i].kind);
		int watcher = bench_guest(mem, false);
		struct region_cost demand = guest_cost(watcher, mem, false);
		struct region_cost resident = guest_cost(watcher, mem, true);

		printf("%s,%lu,%llu,%llu\n", memories[i].name, MEM_BYTES / HV_PAGE,
		       resident.ns - demand.ns, resident.bytes - demand.bytes);
		close(watcher);
		guest_memory_free(mem);
	}
}
