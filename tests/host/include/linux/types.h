/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The little of the kernel's headers that gpadl/wire.c and its tests include, for user
 * space. All the other headers beside this one only include it.
 */
#ifndef _HOST_TYPES_H
#define _HOST_TYPES_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

#define U16_MAX			UINT16_MAX
#define U32_MAX			UINT32_MAX
#define U64_MAX			(~0ull)

#define BIT_ULL(n)		(1ull << (n))
#define GENMASK_ULL(high, low)	((~0ull >> (63 - (high))) & (~0ull << (low)))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))

#endif /* _HOST_TYPES_H */
