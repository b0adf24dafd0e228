/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _HOST_COMPILER_H
#define _HOST_COMPILER_H

#include <linux/types.h>

/* One thread runs here; a model has its own: asm/barrier.h. */
#ifndef READ_ONCE
#define READ_ONCE(x)		(x)
#define WRITE_ONCE(x, value)	((x) = (value))
#endif

#define noinline	__attribute__((__noinline__))

#endif /* _HOST_COMPILER_H */
