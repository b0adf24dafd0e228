/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Notice when the VMM's memory changes under a region.
 */
#ifndef _GPADL_NOTIFIER_H
#define _GPADL_NOTIFIER_H

#include <linux/mmu_notifier.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct mm_struct;

/**
 * struct gpadl_watch - a range of addresses whose changes are noticed
 * @mni: the subscription
 * @active: it stands in the address space's tree
 * @id: number of the partition, for tracing
 * @slot: of the region, for tracing
 * @users: of the region: above 1 if pages of it are mapped. Of one that is not set any more it is
 *	1 with a single mapping: what changes there is not counted
 * @first: number of the first block
 * @lock: protects what follows; innermost, taken in the kernel's callback
 * @marks: a bit for each block: to be looked at; NULL if nothing is resident
 * @nr_marked: number of bits set; read without the lock
 * @nr_errors: how often all were set, for a memory error
 * @invalidations: changes that were noticed: of a resident region, all; of another one,
 *	those that came while pages of it were mapped
 */
struct gpadl_watch {
	struct mmu_interval_notifier mni;
	bool active;
	int id;
	u32 slot;
	const refcount_t *users;
	unsigned long first;
	spinlock_t lock;
	unsigned long *marks;
	unsigned long nr_marked;
	unsigned long nr_errors;
	u64 invalidations;
};

/**
 * struct gpadl_look - when page tables were looked at
 * @seq: as mmu_interval_read_begin() returned it
 * @nr_errors: gpadl_watch.nr_errors
 */
struct gpadl_look {
	unsigned long seq;
	unsigned long nr_errors;
};

int gpadl_watch_begin(struct gpadl_watch *w, struct mm_struct *mm, unsigned long hva,
		      unsigned long bytes, bool resident);
void gpadl_watch_end(struct gpadl_watch *w);
void gpadl_watch_mark(struct gpadl_watch *w, unsigned long block);
void gpadl_watch_mark_all(struct gpadl_watch *w);
struct gpadl_look gpadl_watch_look(struct gpadl_watch *w);
bool gpadl_watch_moved(struct gpadl_watch *w, struct gpadl_look look);
void gpadl_watch_clear(struct gpadl_watch *w, unsigned long block, struct gpadl_look look);

/* Is any block to be looked at? All that a map of an unchanged region asks. */
static inline bool gpadl_watch_any(const struct gpadl_watch *w)
{
	/*
	 * Pairs with gpadl_watch_clear(): if none is any more, a map finds the pages that were
	 * entered before the last mark went.
	 */
	return smp_load_acquire(&w->nr_marked);
}

/* Is a block to be looked at? Acquire: likewise. */
static inline bool gpadl_watch_marked(const struct gpadl_watch *w, unsigned long block)
{
	return test_bit_acquire(block, w->marks);
}

#endif /* _GPADL_NOTIFIER_H */
