/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reads of guest memory that survive a memory error.
 *
 * A processor that meets an error in memory which the kernel reads raises a machine check;
 * the kernel goes on if the instruction is one of those that say where to, and dies if not.
 * copy_mc_to_kernel() consists of such instructions, and is what long copies use. It costs
 * thirty instructions or so before the first byte. A descriptor is two words, and most
 * packets are short: these are read by the instructions below.
 */
#ifndef _VMBUS_HOST_MC_H
#define _VMBUS_HOST_MC_H

#include <linux/compiler.h>
#include <linux/instrumented.h>
#include <linux/types.h>
#include <linux/uaccess.h>

#include "copy_long.h"

/* Where a copy by words costs more than copy_mc_to_kernel(). */
#define MC_SHORT	256u

#if defined(CONFIG_X86_64) && defined(CONFIG_ARCH_HAS_COPY_MC)

#include <asm/asm.h>
#include <asm/cpufeature.h>

/**
 * mc_load2() - Read two words, each once
 * @from: the first; the other is behind it
 * @a: where the first goes; 0 on a memory error, in either of them
 * @b: where the second goes
 *
 * Context: any.
 */
static __always_inline void mc_load2(const u64 *from, u64 *a, u64 *b)
{
	asm volatile("xorl %k[a], %k[a]\n"
		     "1:	movq %[behind], %[b]\n"
		     "2:	movq %[from], %[a]\n"
		     "3:\n"
		     _ASM_EXTABLE_TYPE(1b, 3b, EX_TYPE_DEFAULT_MCE_SAFE)
		     _ASM_EXTABLE_TYPE(2b, 3b, EX_TYPE_DEFAULT_MCE_SAFE)
		     : [a] "=&r" (*a), [b] "=&r" (*b)
		     : [from] "m" (from[0]), [behind] "m" (from[1]));
}

/* Without enhanced string instructions, copy_mc_to_kernel() is memcpy(): no less is survived. */
static __always_inline bool mc_copy_long(void *to, const void *from, size_t len)
{
	if (cpu_feature_enabled(X86_FEATURE_ERMS))
		return likely(!copy_mc_to_kernel(to, from, len));
	copy_long(to, from, len);
	return true;
}

static __always_inline bool mc_copy_32(void *to, const void *from)
{
	asm goto("1:	movq (%[from]), %%r8\n"
		 "2:	movq 8(%[from]), %%r9\n"
		 "3:	movq 16(%[from]), %%r10\n"
		 "4:	movq 24(%[from]), %%r11\n"
		 "	movq %%r8, (%[to])\n"
		 "	movq %%r9, 8(%[to])\n"
		 "	movq %%r10, 16(%[to])\n"
		 "	movq %%r11, 24(%[to])\n"
		 _ASM_EXTABLE_TYPE(1b, %l[error], EX_TYPE_DEFAULT_MCE_SAFE)
		 _ASM_EXTABLE_TYPE(2b, %l[error], EX_TYPE_DEFAULT_MCE_SAFE)
		 _ASM_EXTABLE_TYPE(3b, %l[error], EX_TYPE_DEFAULT_MCE_SAFE)
		 _ASM_EXTABLE_TYPE(4b, %l[error], EX_TYPE_DEFAULT_MCE_SAFE)
		 : : [to] "r" (to), [from] "r" (from)
		 : "r8", "r9", "r10", "r11", "memory" : error);
	return true;
error:
	return false;
}

static __always_inline bool mc_copy_8(void *to, const void *from)
{
	asm goto("1:	movq (%[from]), %%r8\n"
		 "	movq %%r8, (%[to])\n"
		 _ASM_EXTABLE_TYPE(1b, %l[error], EX_TYPE_DEFAULT_MCE_SAFE)
		 : : [to] "r" (to), [from] "r" (from) : "r8", "memory" : error);
	return true;
error:
	return false;
}

#else

static __always_inline void mc_load2(const u64 *from, u64 *a, u64 *b)
{
	u64 word[2];

	*a = 0;
	if (copy_mc_to_kernel(word, from, sizeof(word)))
		return;
	/* The compiler must not go back to the ring either. */
	barrier();
	*a = word[0];
	*b = word[1];
}

static __always_inline bool mc_copy_long(void *to, const void *from, size_t len)
{
	return likely(!copy_mc_to_kernel(to, from, len));
}

static __always_inline bool mc_copy_32(void *to, const void *from)
{
	return !copy_mc_to_kernel(to, from, 32);
}

static __always_inline bool mc_copy_8(void *to, const void *from)
{
	return !copy_mc_to_kernel(to, from, 8);
}

#endif

/* Can mc_copy_words() copy as much? */
static __always_inline bool mc_is_short(size_t len)
{
	return likely(len <= MC_SHORT && !(len % 8));
}

/**
 * mc_copy_words() - Copy as much as is not worth a call
 * @to: where the copy goes
 * @from: guest memory
 * @len: bytes, mc_is_short()
 *
 * Context: any.
 * Return: true; false on a memory error.
 */
static __always_inline bool mc_copy_words(void *to, const void *from, size_t len)
{
	instrument_read(from, len);
	instrument_write(to, len);
	for (; len >= 32; to += 32, from += 32, len -= 32)
		if (unlikely(!mc_copy_32(to, from)))
			return false;
	for (; len; to += 8, from += 8, len -= 8)
		if (unlikely(!mc_copy_8(to, from)))
			return false;
	return true;
}

/**
 * mc_copy() - Copy
 * @to: where the copy goes
 * @from: guest memory
 * @len: bytes
 *
 * Context: any.
 * Return: true; false on a memory error.
 */
static inline bool mc_copy(void *to, const void *from, size_t len)
{
	return mc_is_short(len) ? mc_copy_words(to, from, len) : mc_copy_long(to, from, len);
}

#endif /* _VMBUS_HOST_MC_H */
