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

#include "gpadl/compat.h"
#include "vmbus_gpadl_map.h"

struct gpadl_mem;
struct gpadl_resident;

/**
 * struct gpadl_region - one range of guest memory; does not change once published
 * @what: as the channel layer set it
 * @resident: its pages, pinned before it is published and until @users is 0; NULL if
 *	they are pinned on demand
 * @written: @resident has been mapped for writing
 * @users: who keeps it from being removed: 1 for being set, and 1 for each mapping
 *	with pages in it; 0 once it is removed, for good
 * @ref: keeps the memory of this structure: 1 for each table that lists it
 */
struct gpadl_region {
	struct vmbus_gpa_region what;
	struct gpadl_resident *resident;
	bool written;
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

struct gpadl_region_table *gpadl_region_table_alloc(unsigned int nr);
struct gpadl_region_table *gpadl_region_table_get(struct gpadl_mem *mem);
void gpadl_region_table_put(struct gpadl_region_table *table);
unsigned int gpadl_region_table_find(const struct gpadl_region_table *table, u64 gpa);

int gpadl_mem_set_regions(struct gpadl_mem *mem, const struct vmbus_gpa_region *changes,
			  unsigned int nr);
int gpadl_mem_init_regions(struct gpadl_mem *mem);
void gpadl_mem_drop_regions(struct gpadl_mem *mem);

#endif /* _GPADL_REGION_H */
