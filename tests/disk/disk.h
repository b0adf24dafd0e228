/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Disks as a guest's driver sees them, without a guest: this process is the VMM, and its own
 * memory the guest's. So nothing is measured but the host's part, and what little a driver
 * does in a ring.
 */
#ifndef _DISK_H
#define _DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#include "../bench/die.h"

#define MAX_DEPTH	128u
#define PAGE		4096u
#define BLOCK		512u

/**
 * struct request - one that the driver has under way, or may have
 * @data: of the guest; @bytes of it
 * @lba: block of the disk
 */
struct request {
	char *data;
	__u32 bytes;
	__u32 lba;
	bool write;
};

/**
 * struct peer - a kind of disk
 * @start: open the disk @wwpn for requests of which each has its number and its place in
 *	@mem, which is all the memory that the guest has
 * @submit: put request @slot into the ring
 * @kick: let the host know, if it wants to: whether it did
 * @reap: take one answer out of the ring; the request's number, -1 if there is none
 * @listen: whether the guest wants to be interrupted. Ask for an answer once more after that
 * @call_fd: what the host interrupts the guest by
 */
struct peer {
	const char *name;
	void (*start)(const char *wwpn, char *mem, size_t size);
	void (*submit)(unsigned int slot, const struct request *r);
	bool (*kick)(void);
	int (*reap)(void);
	void (*listen)(bool wanted);
	int call_fd;
};

extern struct peer vmbus_peer, resident_peer, vhost_peer;

#define BIT_ULL(_n)		(1ull << (_n))

#define MUST(_x) do {							\
	if (!(_x))							\
		die("%s:%d: %s: %m", __FILE__, __LINE__, #_x);		\
} while (0)

#define load(_p)	__atomic_load_n(_p, __ATOMIC_ACQUIRE)
#define store(_p, _v)	__atomic_store_n(_p, _v, __ATOMIC_RELEASE)
#define barrier_all()	__atomic_thread_fence(__ATOMIC_SEQ_CST)

/* A READ (10) or WRITE (10) */
static inline void cdb_fill(__u8 *cdb, const struct request *r)
{
	__u32 blocks = r->bytes / BLOCK;

	cdb[0] = r->write ? 0x2a : 0x28;
	cdb[2] = r->lba >> 24;
	cdb[3] = r->lba >> 16;
	cdb[4] = r->lba >> 8;
	cdb[5] = r->lba;
	cdb[7] = blocks >> 8;
	cdb[8] = blocks;
}

#endif /* _DISK_H */
