/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel's headers have and libc's have not */
#ifndef COMPILER_H
#define COMPILER_H

#include <assert.h>

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define BIT(n)			(1u << (n))

#define attribute(what)		__attribute__((what))
#undef __packed
#define __packed		attribute(packed)
#define __printf(fmt, args)	attribute(format(printf, fmt, args))
#undef __noreturn
#define __noreturn		attribute(noreturn)

#endif /* COMPILER_H */
