/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What /dev/vmbus-gpadl-test understands: a backend that does what a test tells it.
 *
 * Of no use but for tests; it may change with them. For kernel and user space.
 */
#ifndef _VMBUS_GPADL_TEST_H
#define _VMBUS_GPADL_TEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Interface type 6f1d4c2a-93b7-4e58-a0c4-5d2f8b7e1a90, as 16 bytes of the wire */
#define VMBUS_GPADL_TEST_IF_TYPE						\
	{ 0x2a, 0x4c, 0x1d, 0x6f, 0xb7, 0x93, 0x58, 0x4e,			\
	  0xa0, 0xc4, 0x5d, 0x2f, 0x8b, 0x7e, 0x1a, 0x90 }

/*
 * Bind the file to the channel with this instance GUID. ENOENT: no such channel is open.
 * EBUSY: another file has it, or this file has one. Ends when the channel is closed;
 * then everything on it is ENODEV.
 */
struct vmbus_gpadl_test_bind {
	__u8 if_instance[16];
};

#define VMBUS_GPADL_TEST_BIND	_IOW(0xBC, 0, struct vmbus_gpadl_test_bind)

enum vmbus_gpadl_test_ops {
	VMBUS_GPADL_TEST_MAP,		/* map_flags as they are */
	VMBUS_GPADL_TEST_UNMAP,		/* vunmaps first where needed */
	VMBUS_GPADL_TEST_VMAP,
	VMBUS_GPADL_TEST_VUNMAP,
	VMBUS_GPADL_TEST_DMA_DIR,	/* value: enum dma_data_direction */
	VMBUS_GPADL_TEST_READ,		/* len bytes at offset, through the scatterlist */
	VMBUS_GPADL_TEST_WRITE,
	VMBUS_GPADL_TEST_VREAD,		/* the same through the address of VMAP */
	VMBUS_GPADL_TEST_VWRITE,
	VMBUS_GPADL_TEST_SG_INFO,	/* len: room in data; value: number of entries */
	VMBUS_GPADL_TEST_WAIT,		/* for an ASYNC MAP: its result */
	VMBUS_GPADL_TEST_SEND,		/* an in-band packet; value: trans_id */
	VMBUS_GPADL_TEST_RECV,		/* value: length of payload | packet type << 32 */
	VMBUS_GPADL_TEST_MAX_SEGMENT,	/* len: bytes of an entry at most, in later maps */
	/* For QEMU's edu device, without which: ENODEV. UNMAP takes it back by itself. */
	VMBUS_GPADL_TEST_DMA_MAP,	/* len: longest segment; value: number of entries */
	VMBUS_GPADL_TEST_DMA_UNMAP,
	VMBUS_GPADL_TEST_DMA_INFO,	/* as SG_INFO, of what the device gets */
	VMBUS_GPADL_TEST_DMA_COPY,	/* len bytes at offset, by the device; value: to there */
	/* Packets: room for len requests of value bytes each; len 0: no room any more */
	VMBUS_GPADL_TEST_POOL,
	/* data, len: ranges, so many as value says; afterwards as a GPADL called handle */
	VMBUS_GPADL_TEST_MAP_PACKET,
	VMBUS_GPADL_TEST_VIEW,		/* len bytes at offset; value: number of entries */
	VMBUS_GPADL_TEST_DISABLE_KICK,
	VMBUS_GPADL_TEST_ENABLE_KICK,	/* value: there is a packet, or the ring is broken */
	/* value: a mistake of a sender's (VMBUS_GPADL_TEST_WRONG_*): the result that it has */
	VMBUS_GPADL_TEST_SEND_WRONG,
};

enum vmbus_gpadl_test_mistakes {
	VMBUS_GPADL_TEST_WRONG_PIECES,		/* they are shorter than the packet */
	VMBUS_GPADL_TEST_WRONG_FLAG,
	VMBUS_GPADL_TEST_WRONG_OFFSET,		/* of 4 bytes */
	VMBUS_GPADL_TEST_WRONG_LENGTH,		/* longer than any packet */
	VMBUS_GPADL_TEST_WRONG_NO_ROOM,		/* room for nothing is reserved */
	VMBUS_GPADL_TEST_WRONG_SHORT_ROOM,	/* or for less than the shortest packet */
	VMBUS_GPADL_TEST_WRONG_ODD_ROOM,	/* or for 28 bytes */
	/* What is placed where there is room for 32 bytes; afterwards the ring is broken */
	VMBUS_GPADL_TEST_WRONG_PLACE,		/* is longer */
	VMBUS_GPADL_TEST_WRONG_PLACEV,		/* likewise, in pieces */
	VMBUS_GPADL_TEST_WRONG_PLACED_PIECES,	/* has pieces that are shorter than it */
	VMBUS_GPADL_TEST_WRONG_NOTHING_PLACED,	/* is nothing: the result is that of submit */
};

/* MAP_PACKET: so much at most */
#define VMBUS_GPADL_TEST_PACKET_BYTES	4096

/* MAP: in a kernel thread instead of the caller's */
#define VMBUS_GPADL_TEST_KTHREAD	0x1
/* MAP with KTHREAD: do not wait for it; WAIT collects the result */
#define VMBUS_GPADL_TEST_ASYNC		0x2
/* SEND: ask for a completion */
#define VMBUS_GPADL_TEST_COMPLETION	0x4

/*
 * The ioctl's result is that of the operation. ENOENT: this backend has not mapped the
 * handle (or vmapped it, for VUNMAP, VREAD, VWRITE). EACCES: WRITE or VWRITE of what was
 * mapped read-only. EINVAL: unknown op, or bytes outside of the GPADL.
 */
struct vmbus_gpadl_test_op {
	__u32 op;
	__u32 flags;
	__u32 handle;
	__u32 map_flags;
	__aligned_u64 offset;
	__aligned_u64 len;
	__aligned_u64 data;
	__aligned_u64 value;
};

#define VMBUS_GPADL_TEST_OP	_IOWR(0xBC, 1, struct vmbus_gpadl_test_op)

/* An entry of the scatterlist; offset is in the host page of that number. */
struct vmbus_gpadl_test_sg {
	__u32 offset;
	__u32 length;
	__aligned_u64 pfn;
};

/* What the device gets of it */
struct vmbus_gpadl_test_dma {
	__aligned_u64 addr;
	__aligned_u64 length;
};

enum vmbus_gpadl_test_policies {
	/* revoke() and close() unmap at once */
	VMBUS_GPADL_TEST_ON_REVOKE_UNMAP,
	/*
	 * revoke() does nothing, close() waits: until every GPADL was unmapped by UNMAP,
	 * or the file is closed
	 */
	VMBUS_GPADL_TEST_ON_REVOKE_HOLD,
	/* As UNMAP; and while a file with this policy is open, open() refuses: EPERM */
	VMBUS_GPADL_TEST_REFUSE_OPEN,
	/* Likewise: ENODEV */
	VMBUS_GPADL_TEST_REFUSE_ABSENT,
	VMBUS_GPADL_TEST_POLICIES,
};

struct vmbus_gpadl_test_policy {
	__u32 policy;
};

#define VMBUS_GPADL_TEST_POLICY	_IOW(0xBC, 2, struct vmbus_gpadl_test_policy)

/*
 * Callbacks of an instance, open or not, that do not return until this is called again
 * without them, or the file is closed. EBUSY: another file does that.
 */
#define VMBUS_GPADL_TEST_HANG_OPEN	0x1
#define VMBUS_GPADL_TEST_HANG_KICK	0x2
#define VMBUS_GPADL_TEST_HANG_REVOKE	0x4
#define VMBUS_GPADL_TEST_HANG_CLOSE	0x8

struct vmbus_gpadl_test_hang {
	__u8 if_instance[16];
	__u32 where;
};

#define VMBUS_GPADL_TEST_HANG	_IOW(0xBC, 4, struct vmbus_gpadl_test_hang)

/* What became of an instance, open or not. ENOENT: never opened. */
struct vmbus_gpadl_test_state {
	__u8 if_instance[16];	/* in */
	__u32 open;
	__u32 bound;
	__u32 opens;
	__u32 closes;
	__u32 kicks;
	__u32 revokes;
	__u32 mapped;
	__u32 last_revoked;
	__u32 relid;		/* as of the last open */
	__u8 userdata[12];	/* the first of it, likewise */
	__u32 hangs;		/* VMBUS_GPADL_TEST_HANG_* in which it is right now */
};

#define VMBUS_GPADL_TEST_STATE	_IOWR(0xBC, 3, struct vmbus_gpadl_test_state)

#endif /* _VMBUS_GPADL_TEST_H */
