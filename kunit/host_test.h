/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VMM without its file, for the suites of /dev/vmbus-host: it calls what the ioctls call.
 *
 * A case has its guest in test->priv, and its suite the backend of IF_TYPE.
 */
#ifndef _KUNIT_HOST_TEST_H
#define _KUNIT_HOST_TEST_H

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/sched.h>
#include <linux/types.h>
#include <linux/uuid.h>

#include "host/host.h"

#define RELID		5
#define SUB_RELID	6

/* 0e5b54c8-6a0d-4a41-9c64-21f7f1d3a9e0 */
#define IF_TYPE GUID_INIT(0x0e5b54c8, 0x6a0d, 0x4a41, 0x9c, 0x64, 0x21, 0xf7, 0xf1, 0xd3,	\
			  0xa9, 0xe0)

/* What a suite's init() and exit() do with its backend */
int host_test_init(struct kunit *test, struct vmbus_backend *backend);
void host_test_exit(struct kunit *test, struct vmbus_backend *backend);

int vmm_create_channel(struct vmbus_guest *guest, u32 relid, u32 primary);
int vmm_destroy_channel(struct vmbus_guest *guest, u32 relid);
/* Whether there is one: it stays */
int vmm_next_event(struct vmbus_guest *guest);

/* GPADLs of a guest with memory: two rings of two pages each, and a buffer of a page */
#define RINGS_HANDLE	0xe1e10
#define BUFFER_HANDLE	0xe1e11

/* A channel of a guest that has memory, and these; held for the caller */
struct vmbus_endpoint *vmm_create_channel_with_rings(struct kunit *test);
/* OPENCHANNEL. Returns the status that the guest gets, once it has it. */
u32 vmm_open_channel(struct kunit *test);
/* CLOSECHANNEL, and until that is done */
void vmm_close_channel_start(struct kunit *test);
void vmm_close_channel_wait(struct vmbus_endpoint *ep);

/* A call by a thread of the VMM's */
struct vmm_call {
	struct vmbus_guest *guest;
	struct mm_struct *mm;
	int (*fn)(struct vmbus_guest *guest);
	int ret;
	struct task_struct *task;
	struct completion done;
};

struct vmm_call *vmm_call_start(struct kunit *test, int (*fn)(struct vmbus_guest *guest));
/* Until it waits for a lock, or has ended. */
void vmm_call_wait_asleep(struct vmm_call *c);
/* What it has returned */
int vmm_call_join(struct vmm_call *c);

#endif /* _KUNIT_HOST_TEST_H */
