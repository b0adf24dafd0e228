/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The yardstick: what a careful author of a backend would write today, with the kernel's
 * own parts and no more, to map a guest's buffer and to unmap it.
 */
#ifndef _BENCH_YARDSTICK_H
#define _BENCH_YARDSTICK_H

#include <linux/scatterlist.h>
#include <linux/xarray.h>

#include "vmbus_gpadl_bench.h"

struct mm_struct;
struct task_struct;

/**
 * struct yardstick - a guest
 * @gpadls: by handle
 * @mm: address space of its VMM (mmgrab'ed)
 * @owner: charged for pins
 * @lock_cap: owner had CAP_IPC_LOCK
 */
struct yardstick {
	struct xarray gpadls;
	struct mm_struct *mm;
	struct task_struct *owner;
	bool lock_cap;
};

/**
 * struct yardstick_how - the choices that depend on the memory
 * @sg: how the scatterlist is made
 * @unpin: how pages are unpinned
 */
struct yardstick_how {
	enum bench_sg sg;
	enum bench_unpin unpin;
};

void yardstick_init(struct yardstick *y);
void yardstick_destroy(struct yardstick *y);
int yardstick_add(struct yardstick *y, u32 handle, const struct bench_run *runs, u32 nr);
int yardstick_map(struct yardstick *y, u32 handle, bool write, struct yardstick_how how,
		  struct sg_table **sgt);
void yardstick_unmap(struct yardstick *y, u32 handle);

#endif /* _BENCH_YARDSTICK_H */
