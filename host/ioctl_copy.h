/* SPDX-License-Identifier: GPL-2.0 */
/* Structures of the uAPI, out of user memory. */
#ifndef _VMBUS_HOST_IOCTL_COPY_H
#define _VMBUS_HOST_IOCTL_COPY_H

#include <linux/stddef.h>
#include <linux/types.h>
#include <linux/vmbus_host.h>

int vmbus_host_copy_sized(void *to, u32 size, u32 min_size, const void __user *from);
int vmbus_host_signals_copy(struct vmbus_host_signals *signals, u64 from);

#define COPY_SIZED(_to, _from, _last) ({					\
	typeof(_to) __to = (_to);						\
										\
	vmbus_host_copy_sized(__to, sizeof(*__to), offsetofend(typeof(*__to), _last),	\
			      _from);							\
})

#endif /* _VMBUS_HOST_IOCTL_COPY_H */
