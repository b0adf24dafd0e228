/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Accesses to memory that is shared with the guest, for user space: before each, the
 * guest of the ring model may run. Memory is sequentially consistent here.
 */
#ifndef _HOST_BARRIER_H
#define _HOST_BARRIER_H

void model_point(void);

#undef READ_ONCE
#undef WRITE_ONCE

#define READ_ONCE(x)	({ model_point(); *(const volatile typeof(x) *)&(x); })
#define WRITE_ONCE(x, value) do {						\
	model_point();								\
	*(volatile typeof(x) *)&(x) = (value);					\
} while (0)

#define virt_load_acquire(p)		READ_ONCE(*(p))
#define virt_store_release(p, value)	WRITE_ONCE(*(p), value)
#define virt_mb()			model_point()
#define virt_rmb()			model_point()

#endif /* _HOST_BARRIER_H */
