/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The little of the kernel's headers that the wire and the ring files, and their tests,
 * include, for user space. Most other headers beside this one only include it.
 */
#ifndef _HOST_TYPES_H
#define _HOST_TYPES_H

#include <assert.h>
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

struct list_head {
	struct list_head *next, *prev;
};

#define U16_MAX			UINT16_MAX
#define U32_MAX			UINT32_MAX
#define U64_MAX			(~0ull)

#define BIT_ULL(n)		(1ull << (n))
#define GENMASK_ULL(high, low)	((~0ull >> (63 - (high))) & (~0ull << (low)))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))

#define ALIGN(x, a)		(((x) + (typeof(x))(a) - 1) & ~((typeof(x))(a) - 1))
#define IS_ALIGNED(x, a)	(((x) & ((typeof(x))(a) - 1)) == 0)

#define likely(x)		(x)
#define unlikely(x)		(x)
#define barrier()		({ __asm__ volatile("" : : : "memory"); })
#define data_race(x)		(x)

#define EXPORT_SYMBOL_NS_GPL(symbol, ns)	extern typeof(symbol) symbol

/* Of equal types, as the kernel has it */
#define HOST_LEAST(a, b, op) ({							\
	typeof(a) _a = (a);							\
	typeof(b) _b = (b);							\
										\
	static_assert(__builtin_types_compatible_p(typeof(_a + 0), typeof(_b + 0)), #a);	\
	_a op _b ? _a : _b;							\
})
#define min(a, b)		HOST_LEAST(a, b, <)
#define max(a, b)		HOST_LEAST(a, b, >)
#define min_t(type, a, b)	min((type)(a), (type)(b))

#endif /* _HOST_TYPES_H */
