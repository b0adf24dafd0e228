/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _RING_BENCH_H
#define _RING_BENCH_H

#include "vmbus_gpadl_bench.h"
#include "watch.h"

int ring_bench(struct bench_ring *r, struct profile *prof);
int ring_bench_init(void);
void ring_bench_exit(void);

#endif /* _RING_BENCH_H */
