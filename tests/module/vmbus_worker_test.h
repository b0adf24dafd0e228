/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What /dev/vmbus-worker-test understands: a backend that does, in its kick(), what a test
 * tells it.
 *
 * Of no use but for tests; it may change with them. For kernel and user space.
 */
#ifndef _VMBUS_WORKER_TEST_H
#define _VMBUS_WORKER_TEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Interface type 0c7a9e15-4d2b-47c6-b8f1-93e05a6d2c74, as 16 bytes of the wire */
#define VMBUS_WORKER_TEST_IF_TYPE						\
	{ 0x15, 0x9e, 0x7a, 0x0c, 0x2b, 0x4d, 0xc6, 0x47,			\
	  0xb8, 0xf1, 0x93, 0xe0, 0x5a, 0x6d, 0x2c, 0x74 }

#define VMBUS_WORKER_TEST_LOG	64

enum vmbus_worker_test_ops {
	VMBUS_WORKER_TEST_NOTHING,
	VMBUS_WORKER_TEST_BURN,		/* value: milliseconds of processor time */
	VMBUS_WORKER_TEST_MAP,		/* value: the GPADL */
	VMBUS_WORKER_TEST_LEAVE,	/* close() leaves what is mapped */
};

/*
 * Have something done in kick() of the channel with this instance GUID; does not wait.
 * ENOENT: no such channel is open. EBUSY: the last has not begun yet.
 */
struct vmbus_worker_test_do {
	__u8 if_instance[16];
	__u32 op;
	__u32 value;
};

#define VMBUS_WORKER_TEST_DO	_IOW(0xBD, 0, struct vmbus_worker_test_do)

/* What has become of a channel, open or not. ENOENT: never opened. */
struct vmbus_worker_test_state {
	__u8 if_instance[16];	/* in */
	__u32 open;
	__u32 nr_done;		/* what was to be done in kick(), and is */
	__s32 result;		/* of the last of it */
	__s32 tid;		/* thread of the last callback, and its process */
	__s32 tgid;
	__u32 user_worker;	/* it is a thread of a process, not of the kernel */
	__u32 mapped;
	/* What was called, and whether it had begun when the next was: 'O' to 'o' open() */
	char log[VMBUS_WORKER_TEST_LOG];
};

#define VMBUS_WORKER_TEST_STATE	_IOWR(0xBD, 1, struct vmbus_worker_test_state)

/* Unmap what LEAVE has left, of all channels. */
#define VMBUS_WORKER_TEST_TIDY	_IO(0xBD, 2)

#endif /* _VMBUS_WORKER_TEST_H */
