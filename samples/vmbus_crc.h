/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/* What a VMM and a guest's driver need to know of the sample backend vmbus_crc.ko. */
#ifndef _VMBUS_CRC_H
#define _VMBUS_CRC_H

#include <linux/types.h>

/* Interface type 0d6b8c5e-2f41-4c7a-9e13-605ad2884b97, as 16 bytes of the wire */
#define VMBUS_CRC_IF_TYPE							\
	{ 0x5e, 0x8c, 0x6b, 0x0d, 0x41, 0x2f, 0x7a, 0x4c,			\
	  0x9e, 0x13, 0x60, 0x5a, 0xd2, 0x88, 0x4b, 0x97 }

#define VMBUS_CRC_SUBCHANNELS	7
#define VMBUS_CRC_MAX_REQUESTS	256

/*
 * Configuration, of VMBUS_HOST_CHANNEL_CREATE. size; max_requests: under way on a channel, 1
 * to VMBUS_CRC_MAX_REQUESTS.
 */
struct vmbus_crc_config {
	__u32 size;
	__u32 max_requests;
};

enum vmbus_crc_op {
	VMBUS_CRC_MAP,		/* keep buffer mapped */
	VMBUS_CRC_UNMAP,
	VMBUS_CRC_SUM,		/* value: CRC of len bytes of buffer from offset on */
	VMBUS_CRC_SUBCHANNELS_WANTED,	/* len: how many */
};

/* An in-band packet of the guest; buffer is the number of a GPADL. */
struct vmbus_crc_request {
	__le32 op;
	__le32 buffer;
	__le32 offset;
	__le32 len;
};

/* The completion of it. error: 0 or an errno */
struct vmbus_crc_answer {
	__le32 error;
	__le32 value;
};

#endif /* _VMBUS_CRC_H */
