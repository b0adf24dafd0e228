/* SPDX-License-Identifier: GPL-2.0 */
/* What the ioctls share. */
#ifndef _VMBUS_HOST_IOCTL_H
#define _VMBUS_HOST_IOCTL_H

#include <linux/types.h>
#include <linux/vmbus_host.h>

struct vmbus_guest;

union ioctl_arg {
	struct vmbus_host_create create;
	struct vmbus_host_set_regions set_regions;
	struct vmbus_host_channel_create channel_create;
	struct vmbus_host_channel_modify channel_modify;
	struct vmbus_host_channel channel;
	struct vmbus_host_post post;
	struct vmbus_host_reset reset;
	struct vmbus_host_event event;
	struct vmbus_host_version version;
};

/**
 * struct ioctl_call - an ioctl under way
 * @guest: the file
 * @from: its structure in user memory, for what is handed back there
 * @size: bytes of that structure that both sides know
 * @nonblock: the file is O_NONBLOCK
 */
struct ioctl_call {
	struct vmbus_guest *guest;
	void __user *from;
	u32 size;
	bool nonblock;
};

/* ioctl_create.c */
int vmbus_host_ioctl_channel_create(const struct ioctl_call *call, union ioctl_arg *arg);

#endif /* _VMBUS_HOST_IOCTL_H */
