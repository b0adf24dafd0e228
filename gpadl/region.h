/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Regions of guest memory, and the table that lists them.
 */
#ifndef _GPADL_REGION_H
#define _GPADL_REGION_H

#include <linux/cache.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "gpadl/compat.h"
#include "mem.h"
#include "notifier.h"
#include "vmbus_gpadl_map.h"

struct gpadl_block;
struct gpadl_resident;
struct gpadl_pfn_list;

/**
 * struct gpadl_region - one range of guest memory; @desc does not change once published
 * @desc: as the channel layer set it
 * @mem: the memory that it is part of
 * @resident: its pages, pinned before it is published and until @users is 0; NULL if
 *	they are pinned on demand, and after that. Who is no user reads only whether it is NULL
 * @written: @resident has been mapped for writing
 * @huge: what was pinned of it last, by the run, was of a hugetlb page. A guess: what is pinned
 *	next need not be
 * @watch: notices changes of its addresses; from before it is published until @users is 0
 * @drop_work: lets go of what is pinned when the last user goes
 * @end_work: ends @watch then
 * @failures: count of the machine's memory errors when @resident was last marked for them
 * @gone: it is not set any more: all of @users are mappings. Protected by
 *	gpadl_mem.block_lock
 * @unused: nothing of it was mapped when it was not set any more; for what follows on
 *	gpadl_region_retire()
 * @users: 1 for being set, until @gone, and 1 for each mapping with pages in it; 0 once
 *	it is removed and nothing of it is mapped, for good
 * @ref: keeps the memory of this structure: 1 for each table that lists it, and 1 from when it
 *	is not set any more until what it has is gone
 */
struct gpadl_region {
	struct vmbus_gpa_region desc;
	struct gpadl_mem *mem;
	struct gpadl_resident *resident;
	bool written;
	bool huge;
	struct gpadl_watch watch;
	struct work_struct drop_work;
	struct work_struct end_work;
	unsigned long failures;
	bool gone;
	bool unused;
	/* Maps write to what follows, each once, and read what precedes for each page. */
	refcount_t users ____cacheline_aligned_in_smp;
	refcount_t ref;
};

/**
 * struct gpadl_region_table - all regions at one time; does not change once published
 * @ref: 1 for being the current one, and 1 for each mapping made from it
 * @rcu: frees it
 * @generation: a table published later has a larger one; the first, without regions, has 1
 * @nr: number of regions
 * @regions: sorted by guest physical address, disjoint
 */
struct gpadl_region_table {
	refcount_t ref;
	struct rcu_head rcu;
	u64 generation;
	unsigned int nr;
	struct gpadl_region *regions[] __counted_by(nr);
};

/* region.c */
struct gpadl_region_table *gpadl_region_table_alloc(unsigned int nr);
struct gpadl_region_table *gpadl_region_table_get(struct gpadl_mem *mem);
void gpadl_region_table_free(struct gpadl_region_table *table);
unsigned int gpadl_region_table_find(const struct gpadl_region_table *table, u64 gpa);
int gpadl_region_wait_switch(struct gpadl_mem *mem);

struct gpadl_region *gpadl_region_alloc(struct gpadl_mem *mem,
					const struct vmbus_gpa_region *desc);
void gpadl_region_put(struct gpadl_region *region);
int gpadl_region_begin(struct gpadl_region *region);
void gpadl_region_end(struct gpadl_region *region);
void gpadl_region_retire(struct gpadl_region *region);
void gpadl_region_retired(struct gpadl_region *region);
void gpadl_region_queue_end(struct gpadl_region *region);
void gpadl_region_queue_drop(struct gpadl_region *region);
void gpadl_regions_queue_stale(struct gpadl_mem *mem);
void gpadl_regions_drop_stale(struct gpadl_mem *mem, struct gpadl_block *only);
void gpadl_regions_trim(struct gpadl_mem *mem);
void gpadl_regions_stale_work(struct work_struct *work);

/* change.c */
bool gpadl_regions_move(const struct gpadl_pfn_list *pfns, const struct gpadl_region_table *mapped,
			const struct gpadl_region_table *old,
			const struct gpadl_region_table *new);
int gpadl_mem_set_regions(struct gpadl_mem *mem, const struct vmbus_gpa_region *changes,
			  unsigned int nr, u32 flags);
int gpadl_mem_init_regions(struct gpadl_mem *mem, const struct gpadl_mem_ops *ops);
void gpadl_mem_clear_regions(struct gpadl_mem *mem);
void gpadl_mem_drop_regions(struct gpadl_mem *mem);

/**
 * gpadl_region_table_put() - Drop a reference to a table
 * @table: the table
 *
 * Context: any but NMI.
 */
static inline void gpadl_region_table_put(struct gpadl_region_table *table)
{
	if (unlikely(refcount_dec_and_test(&table->ref)))
		gpadl_region_table_free(table);
}

/**
 * gpadl_region_table_is_current() - May a map go on with a table?
 * @mem: the memory
 * @table: the table; the caller is a user of the regions that it needs
 *
 * Context: any.
 * Return: false if another one is in force, or may soon be.
 */
static inline bool
gpadl_region_table_is_current(struct gpadl_mem *mem, const struct gpadl_region_table *table)
{
	/*
	 * Pairs with smp_mb() in table_switch() and gpadl_regions_drop_stale(): the counts of
	 * users are seen there, or what these have written before is seen from here on.
	 */
	smp_mb__after_atomic();
	/* Acquire: a change that is over has published its table, to be seen below. */
	return !smp_load_acquire(&mem->switching) && rcu_access_pointer(mem->table) == table;
}

/**
 * gpadl_region_table_is_retired() - Has the VMM taken regions away while a map pinned?
 * @mem: the memory
 * @table: the table in which it has looked up what is pinned by now
 *
 * With %VMBUS_GPA_REGIONS_RETIRE a change does not wait for maps, and when it is done the VMM may
 * have something else at the addresses of such a region: no memory of the guest's.
 *
 * Context: any.
 * Return: true if that may be what is pinned: to be dropped, and looked up again.
 */
static inline bool
gpadl_region_table_is_retired(const struct gpadl_mem *mem, const struct gpadl_region_table *table)
{
	/*
	 * The page tables have been read. Pairs with what lies between table_switch(), which
	 * writes @retired, and what the VMM then does to them: locks of both.
	 */
	smp_rmb();
	return READ_ONCE(mem->retired) > table->generation;
}

/**
 * gpadl_region_unuse() - A mapping lets go of a region
 * @region: the region, of which it is a user; the caller holds a table that lists it
 *
 * Context: any but NMI.
 */
static inline void gpadl_region_unuse(struct gpadl_region *region)
{
	struct gpadl_mem *mem = region->mem;

	if (unlikely(refcount_dec_and_test(&region->users))) {
		gpadl_region_queue_drop(region);
		return;
	}
	/*
	 * Pairs with smp_mb() in gpadl_regions_drop_stale(): either this sees the block, or
	 * that, which comes after the block was entered, sees the count.
	 */
	smp_mb__after_atomic();
	if (unlikely(!list_empty(&mem->stale_blocks)) && refcount_read(&region->users) == 1)
		gpadl_regions_queue_stale(mem);
}

#endif /* _GPADL_REGION_H */
