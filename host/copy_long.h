/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copies of some hundred bytes and more, by a string instruction of words.
 *
 * memcpy() uses a string instruction only on processors that begin one fast (FSRM). On others it
 * is a loop, 12 instructions for 32 bytes, for the sake of copies shorter than these.
 */
#ifndef _VMBUS_HOST_COPY_LONG_H
#define _VMBUS_HOST_COPY_LONG_H

#include <linux/instrumented.h>
#include <linux/string.h>
#include <linux/types.h>

#ifdef CONFIG_X86_64

/**
 * copy_long() - memcpy() of what is long
 * @to: where the copy goes
 * @from: what is copied
 * @len: bytes; of 256 and more this is worth it
 *
 * Context: any.
 */
static __always_inline void copy_long(void *to, const void *from, size_t len)
{
	size_t words = len / 8;

	instrument_read(from, len);
	instrument_write(to, len);
	asm volatile("rep movsq" : "+D" (to), "+S" (from), "+c" (words) : : "memory");
	if (len % 8)
		memcpy(to, from, len % 8);
}

#else

static __always_inline void copy_long(void *to, const void *from, size_t len)
{
	memcpy(to, from, len);
}

#endif

#endif /* _VMBUS_HOST_COPY_LONG_H */
