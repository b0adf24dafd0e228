/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What /dev/vmbus-gpadl-bench understands: a guest whose GPADLs are mapped and unmapped
 * under the clock, by vmbus_gpadl_map() and by the yardstick.
 *
 * One open file is one guest. write() hands over a message of the guest, read() fetches a
 * reply, as with /dev/vmbus-host. The ioctls below do the rest; the first is
 * BENCH_CREATE. For kernel and user space; of no use but for the benchmark.
 */
#ifndef _VMBUS_GPADL_BENCH_H
#define _VMBUS_GPADL_BENCH_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* The one channel of the guest */
#define BENCH_RELID	1

/* Bind to the caller's address space; guest page 0 is at @hva. */
struct bench_create {
	__aligned_u64 hva;
	__aligned_u64 bytes;
	__u32 resident;
	__u32 pad;
};

#define BENCH_CREATE	_IOW(0xBD, 0, struct bench_create)

/* Adjoining pages in the VMM's address space, the lowest first */
struct bench_run {
	__aligned_u64 hva;
	__aligned_u64 nr;
};

/* The yardstick's GPADL: what its author would work out when the guest sets it up */
struct bench_yardstick {
	__u32 handle;
	__u32 nr_runs;
	__aligned_u64 runs;
};

#define BENCH_YARDSTICK	_IOW(0xBD, 1, struct bench_yardstick)

enum bench_what {
	BENCH_OURS,		/* vmbus_gpadl_map() and vmbus_gpadl_unmap() */
	BENCH_YARD,		/* the same by the yardstick */
	BENCH_PACKET,		/* vmbus_gpa_map() and vmbus_gpa_unmap() of BENCH_SET_PACKET */
	BENCH_PACKET_YARD,	/* the same by its yardstick */
	BENCH_LOOKUP,		/* vmbus_gpadl_map() of a mapped GPADL, @rounds in one */
};

/* How the yardstick makes its scatterlist, and how it unpins */
enum bench_sg {
	BENCH_SG_FROM_PAGES,	/* sg_alloc_table_from_pages() */
	BENCH_SG_MERGED,	/* sg_alloc_table(), an entry for pages that follow */
	BENCH_SG_SINGLE,	/* sg_alloc_table(), an entry for each page */
	BENCH_NR_SG
};

enum bench_unpin {
	BENCH_UNPIN_RANGES,	/* unpin_user_page_range_dirty_lock() for each entry */
	BENCH_UNPIN_PAGES,	/* unpin_user_pages_dirty_lock() for all */
	BENCH_NR_UNPIN
};

/*
 * Do it @rounds times; what took least is the result. Nanoseconds, which are instructions
 * under QEMU's -icount shift=0.
 */
struct bench_time {
	__u32 what;
	__u32 handle;
	__u32 read_only;
	__u32 kthread;		/* by a kernel thread, which has no address space */
	__u32 rounds;
	__u32 sg;
	__u32 unpin;
	__u32 entries;		/* out: of the scatterlist */
	__aligned_u64 pages;	/* out: a hash of its pages, in their order */
	__aligned_u64 map_ns;	/* out: of the round that took least in all */
	__aligned_u64 unmap_ns;
	__aligned_u64 all_ns;	/* out: of all rounds */
};

#define BENCH_TIME	_IOWR(0xBD, 2, struct bench_time)

/*
 * Do it once, step by step. @data gets a line for each instruction that was executed: how
 * often by the map, how often by the unmap, and the function that it stands in.
 */
struct bench_profile {
	struct bench_time time;
	__aligned_u64 data;
	__aligned_u64 len;	/* room in @data; out: of the text */
};

#define BENCH_PROFILE	_IOWR(0xBD, 3, struct bench_profile)

/* The packet that the guest sends: its ranges, as they stand in the ring */
struct bench_packet {
	__u32 nr_words;
	__u32 nr_ranges;
	__aligned_u64 words;
};

#define BENCH_SET_PACKET	_IOW(0xBD, 9, struct bench_packet)

/*
 * Between the two, what the caller's thread allocates is watched: how often, and what is left
 * of what it has kmalloc()ed
 */
struct bench_allocs {
	__aligned_u64 calls;	/* out: of kmalloc() and kmem_cache_alloc() */
	__aligned_u64 asked;	/* out: bytes that were asked for */
	__aligned_u64 taken;	/* out: bytes with what allocations are rounded up to */
};

#define BENCH_ALLOCS_BEGIN	_IO(0xBD, 4)
#define BENCH_ALLOCS_END	_IOR(0xBD, 5, struct bench_allocs)

/* So many more channels, each with a worker; the argument is the number itself. */
#define BENCH_CHANNELS	_IO(0xBD, 6)

/* Kick a channel, the first of BENCH_CHANNELS being 0, wait until it is done, and again. */
struct bench_kick {
	__u32 channel;
	__u32 rounds;
	__aligned_u64 all_ns;	/* out */
};

#define BENCH_KICK	_IOWR(0xBD, 7, struct bench_kick)

/* A channel of /dev/vmbus-host, whichever file this is: receive or send @nr packets */
enum bench_ring_what {
	BENCH_RING_RECV,	/* vmbus_endpoint_recv() for each */
	BENCH_RING_PEEK,	/* in place, one commit */
	BENCH_RING_COPY,	/* the same, and a copy */
	BENCH_RING_SEND,	/* vmbus_endpoint_send() for each */
	BENCH_RING_SENDV,	/* VMBUS_SEND_MORE for all but the last */
	BENCH_RING_PLACEV,	/* one reservation, and a copy for each */
	BENCH_RING_PLACE,	/* one reservation; the payload is what the ring held */
};

#define BENCH_RING_MAX_LEN	4096

/* With @data, step by step; @data gets what that of struct bench_profile does. */
struct bench_ring {
	__u32 what;
	__u32 len;		/* of the payload */
	__u32 nr;
	__u32 pad;
	__aligned_u64 ns;	/* out: of all */
	__aligned_u64 data;
	__aligned_u64 text;	/* room in @data; out: of the text */
};

#define BENCH_RING	_IOWR(0xBD, 8, struct bench_ring)

#endif /* _VMBUS_GPADL_BENCH_H */
