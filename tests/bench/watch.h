/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Watch the kernel at what is timed: where its instructions go, what stays allocated.
 */
#ifndef _BENCH_WATCH_H
#define _BENCH_WATCH_H

#include <linux/types.h>

#include "vmbus_gpadl_bench.h"

/**
 * enum watch_phase - what the stepped instructions belong to
 * @WATCH_MAP: the map
 * @WATCH_UNMAP: the unmap
 */
enum watch_phase {
	WATCH_MAP,
	WATCH_UNMAP,
	WATCH_NR_PHASES
};

struct profile;
struct profile *profile_create(void);
void profile_destroy(struct profile *prof);
void profile_begin(struct profile *prof, enum watch_phase phase);
void profile_end(struct profile *prof);
ssize_t profile_print(const struct profile *prof, char *buf, size_t len);

int allocs_begin(void);
int allocs_end(struct bench_allocs *a);

#endif /* _BENCH_WATCH_H */
