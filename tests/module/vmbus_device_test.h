/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the backend "device test" understands: a device with a configuration, sub-channels,
 * and requests that complete elsewhere.
 *
 * Of no use but for tests; it may change with them. For kernel and user space.
 *
 * In /sys/kernel/debug/vmbus_device_test:
 *
 *	log	what was called since the last look, a line each: "probe RELID",
 *		"open INDEX vp VP", "retarget INDEX vp VP", "close INDEX", "remove RELID"
 *	counts	"taken N done N stray N chained N": requests taken out of the rings, completed,
 *		completed when their channel was closed, and of the last chain those that the work
 *		item sent itself
 *	control	is written to: "softirq", "work" or "kthread" completes there all requests
 *		that are held; "chain" completes one in a work item, and in its done() the next,
 *		and so on; "offer N" asks for sub-channels, "rescind" unplugs, "instance" logs the
 *		GUID, each of the device that was probed last; "load", "unload" (un)registers a
 *		second backend, of VMBUS_DEVICE_TEST_OTHER_TYPE; "load confidential" as one whose
 *		rings the host could not read
 */
#ifndef _VMBUS_DEVICE_TEST_H
#define _VMBUS_DEVICE_TEST_H

#include <linux/types.h>

/* Interface type 2d9f0c61-5b1e-4f37-8a70-c4e6b3a81d52, as 16 bytes of the wire */
#define VMBUS_DEVICE_TEST_IF_TYPE						\
	{ 0x61, 0x0c, 0x9f, 0x2d, 0x1e, 0x5b, 0x37, 0x4f,			\
	  0x8a, 0x70, 0xc4, 0xe6, 0xb3, 0xa8, 0x1d, 0x52 }

/* The same with another last byte */
#define VMBUS_DEVICE_TEST_OTHER_TYPE						\
	{ 0x61, 0x0c, 0x9f, 0x2d, 0x1e, 0x5b, 0x37, 0x4f,			\
	  0x8a, 0x70, 0xc4, 0xe6, 0xb3, 0xa8, 0x1d, 0x53 }

#define VMBUS_DEVICE_TEST_SUBCHANNELS	3

/* close() leaves it to the framework to wait for what is held */
#define VMBUS_DEVICE_TEST_NO_DRAIN	0x1
/* open() sends a packet */
#define VMBUS_DEVICE_TEST_SENDS_IN_OPEN	0x2
/* Requests are completed by vmbus_endpoint_complete() */
#define VMBUS_DEVICE_TEST_COMPLETION	0x4
/* ... by vmbus_endpoint_complete_later() */
#define VMBUS_DEVICE_TEST_LATER		0x8
/* open() and close() take 50 ms each */
#define VMBUS_DEVICE_TEST_SLOW		0x10

/*
 * size; error: the errno that probe() fails with, or 0; mmio_megabytes: of the offer. What
 * came in the second version, flags, may be missing.
 */
struct vmbus_device_test_config {
	__u32 size;
	__u32 error;
	__u32 mmio_megabytes;
	__u32 flags;
};

#define VMBUS_DEVICE_TEST_CONFIG_V1	12

#endif /* _VMBUS_DEVICE_TEST_H */
