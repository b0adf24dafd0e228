/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the benchmark's program share. On any error they say what happened
 * and end the program: half a benchmark is none.
 */
#ifndef _BENCH_USER_H
#define _BENCH_USER_H

#include <stdbool.h>
#include <linux/types.h>

#include "../selftest/vmbus_guest.h"
#include "../selftest/vmm.h"
#include "die.h"
#include "vmbus_gpadl_bench.h"

/* As Linux begins to count */
#define HANDLE		0xe1e10u

#define MAX_PAGES	8190u

/* Memory of the guest: the page lists of real guests take less. */
#define MEM_BYTES	(64ul << 20)

/* ---- Of all of them (rounds_user.c) ---- */

/*
 * Rounds of which the one that took least counts; more in wall time than in instructions.
 * Of a small GPADL it takes more: what happens in one round of some, a timer tick or a
 * refill of a cache, is much of it.
 */
extern __u32 rounds;

__u32 rounds_for(__u32 pages);

/* ---- Lists of guest pages (layout_user.c) ---- */

struct list {
	__u32 nr;
	__u64 pfn[MAX_PAGES];
};

enum layout {
	LAYOUT_CONTIGUOUS,
	LAYOUT_REVERSED,
	LAYOUT_SHUFFLED,
};

extern const char *const layout_names[];

void list_make(struct list *l, enum layout how, __u32 nr);
/* List number @i of a real guest; false: there are no more */
bool list_real(struct list *l, unsigned int i);

/* ---- Guests (guest_user.c) ---- */

enum holding {
	HOLD_DEMAND,	/* pinned at map */
	HOLD_RESIDENT,	/* pinned when the region is set */
};

#define NR_MEMORIES	3

struct memory_name {
	enum memory kind;
	const char *name;
};

extern const struct memory_name memories[NR_MEMORIES];

void *guest_memory(enum memory kind);
void guest_memory_free(void *mem);

/* A file of /dev/vmbus-gpadl-bench that is a guest with this memory */
int bench_guest(const void *mem, bool resident);
/* Its GPADL @handle, with the yardstick's beside it, or not */
void bench_gpadl(int fd, __u32 handle, const struct list *l, const void *mem);
void bench_gpadl_end(int fd, __u32 handle);
/* The guest sends a packet with these pages. */
void bench_packet(int fd, const struct list *l);
void bench_time(int fd, struct bench_time *t);

/* Between the two, what is allocated for this thread is watched */
void allocs_watch(int fd);
struct bench_allocs allocs_seen(int fd);

/* A GPADL on any file that takes a guest's messages: HEADER to CREATED */
void gpadl_prepare(struct guest_gpadl *g, __u32 handle, const struct list *l);
void gpadl_create(int fd, __u32 relid, const struct guest_gpadl *g);
/* TEARDOWN to TORNDOWN */
void gpadl_tear_down(int fd, __u32 relid, __u32 handle);

/* ---- What is measured ---- */

void cases_run(bool quick);
void packets_run(void);
void ways_run(void);
void establish_run(void);
void lookup_run(void);
void idle_run(void);
void region_run(void);
void ring_run(void);
void parallel_run(void);
void kicks_run(void);
/* [packet,]HOLDING,MEMORY,LAYOUT,PAGES,WHO: where the instructions go; WHO is ours or yardstick */
void profile_run(const char *name);
/* ring,WAY,BYTES,BATCH: the same */
void ring_profile(const char *way, __u32 len, __u32 nr);

#endif /* _BENCH_USER_H */
