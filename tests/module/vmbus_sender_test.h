/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the backend "sender test" understands: several senders on one ring, in threads, softirqs
 * and work, which know nothing of each other.
 *
 * Each sends packets of its own from open() on, by every function that there is, and when
 * there is no room, does nothing until kick(). Of no use but for tests; it may change with
 * them. For kernel and user space.
 *
 * In /sys/kernel/debug/vmbus_sender_test, counts: "sent N received N bad N", of the device
 * that was opened last: packets sent in all, received, and received that are not the next
 * that the guest was to send.
 */
#ifndef _VMBUS_SENDER_TEST_H
#define _VMBUS_SENDER_TEST_H

#include <linux/types.h>

/* Interface type a1c7e250-6b3f-4d18-9a44-7f0c52d1be63, as 16 bytes of the wire */
#define VMBUS_SENDER_TEST_IF_TYPE						\
	{ 0x50, 0xe2, 0xc7, 0xa1, 0x3f, 0x6b, 0x18, 0x4d,			\
	  0x9a, 0x44, 0x7f, 0x0c, 0x52, 0xd1, 0xbe, 0x63 }

#define VMBUS_SENDER_TEST_MAX	6

/* size; senders: how many; packets: of each; longest: bytes of a payload; seed */
struct vmbus_sender_test_config {
	__u32 size;
	__u32 senders;
	__u32 packets;
	__u32 longest;
	__u32 seed;
};

/* A number that both sides know, of sender @who and packet @n */
static inline __u32 sender_test_number(__u32 seed, __u32 who, __u32 n)
{
	__u32 x = (seed ^ who * 0x9e3779b9u) + n * 0x85ebca6bu;

	x = (x ^ x >> 16) * 0x7feb352du;
	x = (x ^ x >> 15) * 0x846ca68bu;
	return x ^ x >> 16;
}

/* Bytes of the payload, each of which is the low byte of the number */
static inline __u32 sender_test_len(__u32 number, __u32 longest)
{
	return number % 4 ? number / 256 % 200 : number / 256 % (longest + 1);
}

#endif /* _VMBUS_SENDER_TEST_H */
