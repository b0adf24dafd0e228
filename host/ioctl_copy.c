// SPDX-License-Identifier: GPL-2.0
/*
 * Structures of the uAPI, out of user memory: each begins with its size.
 */
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "ioctl_copy.h"

/**
 * vmbus_host_copy_sized() - Copy a structure that begins with its size
 * @to: where it goes
 * @size: its size, as this kernel knows it
 * @min_size: its size in its first version
 * @from: where it is in user memory
 *
 * Context: process, may sleep.
 * Return: number of bytes that the VMM's has; -EFAULT; -EINVAL if that is less than
 * @min_size; -E2BIG if there are fields, not zero, that this kernel does not know.
 */
int vmbus_host_copy_sized(void *to, u32 size, u32 min_size, const void __user *from)
{
	u32 user_size;
	int ret;

	if (get_user(user_size, (const u32 __user *)from))
		return -EFAULT;
	if (user_size < min_size)
		return -EINVAL;
	/* No structure is that long: do not search 4 GiB for zeroes. */
	if (user_size > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(to, size, from, user_size);
	return ret ?: user_size;
}

/**
 * vmbus_host_signals_copy() - Copy the signals that an ioctl's structure points to
 * @signals: where they go
 * @from: where they are in user memory; 0: there are none
 *
 * Context: process, may sleep.
 * Return: 0; what vmbus_host_copy_sized() returns.
 */
int vmbus_host_signals_copy(struct vmbus_host_signals *signals, u64 from)
{
	int ret;

	if (!from) {
		*signals = (struct vmbus_host_signals){ .kick_fd = -1, .call_fd = -1 };
		return 0;
	}
	ret = COPY_SIZED(signals, u64_to_user_ptr(from), event_flags);
	return ret < 0 ? ret : 0;
}
