/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest of the device's fuzzer: its memory, its GPADLs, and the account of what it
 * has said and heard.
 *
 * A handle below DATA_HANDLES has, on each channel, one list of pages for a whole life. So
 * whichever GPADL of that name is mapped, what its bytes are is known. RING is that of a
 * channel's rings; what JUNK names, nobody knows.
 *
 * The account is in memory that is shared with forked processes. It is exact, but while
 * @loose: replies may be dropped, or read by several.
 */
#ifndef _FUZZ_VM_H
#define _FUZZ_VM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <linux/vmbus_host.h>

#include "fuzz.h"
#include "vmbus_guest.h"
#include "vmm.h"

#define CHANNELS	2u
#define DATA_HANDLES	4u
#define RING		4u
#define JUNK		5u
#define HANDLES		6u

extern const __u32 vm_handles[HANDLES];

#define RELID_OF(c)	(1 + (c))

/* Guest memory, in pages: slots of regions as they are at first */
#define SLOTS		6u
#define SLOT_SLOW	2u	/* each page comes late */
#define SLOT_RING	3u
#define SLOT_HOLE	5u	/* not set */
#define DATA_PFN	0x100u
#define DATA_PAGES	64u
#define SLOW_PFN	0x140u
#define SLOW_PAGES	16u
#define RING_PFN	0x150u
#define RING_PAGES	4u	/* of a channel */
#define ALIAS_PFN	0x158u
#define ALIAS_PAGES	16u
#define HOLE_PFN	0x168u
#define HOLE_PAGES	8u

/* Memory of the VMM, in pages */
#define MEM_COPY	64u	/* another one of the data */
#define MEM_RING	128u
#define MEM_HOLE	144u
#define MEM_FLAGS	200u
#define MEM_PAGES	512u

/* TEARDOWNs that wait, of one GPADL's name */
#define MAX_WAITING	16u

/**
 * struct waiting - TEARDOWNs that may wait for their TORNDOWN
 * @needed: number of HEADERs before each, the oldest first
 * @nr: how many these are
 * @lost: there were more
 *
 * At least those that wait: one TORNDOWN may be for several, and others may read it. So the
 * oldest is never too much to ask for. For the first thread of the process only.
 */
struct waiting {
	int needed[MAX_WAITING];
	unsigned int nr;
	bool lost;
};

struct ledger {
	atomic_int headers[CHANNELS][HANDLES];
	atomic_int created[CHANNELS][HANDLES];
	atomic_int teardowns[HANDLES];
	atomic_int torndown[HANDLES];
	atomic_int opens[CHANNELS];
	atomic_int opened[CHANNELS];
};

/**
 * struct fuzz_vm - a guest and its VMM
 * @fd: of /dev/vmbus-host
 * @mem: MEM_PAGES
 * @slow: SLOW_PAGES that the pager brings
 * @slots: regions, as they are now
 * @layouts: of the data handles
 * @bytes: length of these
 * @ledger: the account
 * @forked: a process that was forked may read and write too
 * @threads: operations in other threads that have not ended
 * @loose: replies may have been dropped
 * @waiting: TEARDOWNs without a TORNDOWN
 * @used: on which channels the handle has been named, one bit each
 * @held: a backend has it mapped, and will not let go by itself
 */
struct fuzz_vm {
	int fd;
	char *mem;
	char *slow;
	struct vmbus_host_region slots[SLOTS];
	struct guest_gpadl layouts[CHANNELS][DATA_HANDLES];
	__u32 bytes[CHANNELS][DATA_HANDLES];
	struct ledger *ledger;
	bool forked;
	unsigned int threads;
	bool loose;
	struct waiting waiting[CHANNELS][HANDLES];
	unsigned int used[HANDLES];
	bool held[CHANNELS][HANDLES];
};

bool vm_init(struct fuzz_vm *vm, struct dice *d, enum memory kind);

/* Regions as they are at first, without SLOT_HOLE */
int vm_set_regions(struct fuzz_vm *vm);
/* Set these; keeps the account of @slots. */
int vm_change_regions(struct fuzz_vm *vm, const struct vmbus_host_region *regions,
		      unsigned int nr);

/* As write(), and VMBUS_HOST_POST; -EAGAIN if the replies must be read first */
int vm_say(struct fuzz_vm *vm, const void *msg, size_t len, bool read_only);
/* As read(), of that many bytes; -EAGAIN if there is none */
int vm_hear(struct fuzz_vm *vm, size_t size);
/* Until there is none */
void vm_drain(struct fuzz_vm *vm);
/* As vm_say(), but reads replies where that must be */
int vm_insist(struct fuzz_vm *vm, const void *msg, size_t len, bool read_only);

/* The guest makes a GPADL of a data handle or of the rings. */
int vm_make(struct fuzz_vm *vm, unsigned int c, unsigned int h, bool read_only);
int vm_teardown(struct fuzz_vm *vm, unsigned int c, unsigned int h);

/* What @buf holds must be what the guest has there, in a GPADL that is mapped. */
void vm_compare(struct fuzz_vm *vm, unsigned int c, unsigned int h, __u32 offset,
		const char *buf, __u32 len);

/* No reply of this channel, or of any, is to come any more. */
void vm_forget_channel(struct fuzz_vm *vm, unsigned int c);
void vm_forget(struct fuzz_vm *vm);

/* Everything is torn down, and must be answered. No backend has anything mapped. */
void vm_settle(struct fuzz_vm *vm);

#endif /* _FUZZ_VM_H */
