/* SPDX-License-Identifier: GPL-2.0 */
/* How a program that measures ends where something cannot be measured; also that of tests/disk */
#ifndef _BENCH_DIE_H
#define _BENCH_DIE_H

#include "../../tools/compiler.h"

__printf(1, 2) __noreturn void die(const char *fmt, ...);

#endif /* _BENCH_DIE_H */
