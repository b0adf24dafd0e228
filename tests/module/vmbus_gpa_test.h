/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a guest can ask of vmbus_gpa_test.ko: a device whose data is in the pages that its
 * packets name. For kernel and user space; of no use but for tests.
 */
#ifndef _VMBUS_GPA_TEST_H
#define _VMBUS_GPA_TEST_H

#include <linux/types.h>

/* Interface type 1b7a3c5e-4d21-4f0a-9c33-7e5a60d1f2b4, as 16 bytes of the wire */
#define VMBUS_GPA_TEST_IF_TYPE							\
	{ 0x5e, 0x3c, 0x7a, 0x1b, 0x21, 0x4d, 0x0a, 0x4f,			\
	  0x9c, 0x33, 0x7e, 0x5a, 0x60, 0xd1, 0xf2, 0xb4 }

/* A channel has so many requests in flight, of so many bytes each. */
#define VMBUS_GPA_TEST_REQUESTS	16
#define VMBUS_GPA_TEST_BYTES	1048576

enum vmbus_gpa_test_ops {
	VMBUS_GPA_TEST_SUM,	/* add all bytes of the pages */
	VMBUS_GPA_TEST_FILL,	/* write the low byte of value to each */
	VMBUS_GPA_TEST_RELEASE,	/* in-band: complete what is held */
};

/* Not before RELEASE; or, while the parameter keep is set, not before that is cleared */
#define VMBUS_GPA_TEST_HOLD	0x1
/* vmbus_gpa_map_nowait() */
#define VMBUS_GPA_TEST_NOWAIT	0x2
/* Completed and unmapped by a timer, in a software interrupt */
#define VMBUS_GPA_TEST_SOFTIRQ	0x4

/*
 * Payload of a packet. One of type 7 names parts of a GPADL, whose handle is @value, as the
 * ranges of its header: only SUM.
 */
struct vmbus_gpa_test_request {
	__u32 op;
	__u32 flags;
	__u64 value;
};

/* Its completion: @status is 0 or a negative errno; @value the sum. */
struct vmbus_gpa_test_answer {
	__s32 status;
	__u32 entries;
	__u64 value;
};

#endif /* _VMBUS_GPA_TEST_H */
