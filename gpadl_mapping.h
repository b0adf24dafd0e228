/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A GPADL's pages: looked up, pinned and listed.
 *
 * Knows nothing of GPADLs but the packed page lists of gpadl_wire.h.
 */
#ifndef _GPADL_MAPPING_H
#define _GPADL_MAPPING_H

#include <linux/bitmap.h>
#include <linux/scatterlist.h>
#include <linux/types.h>

#include "gpadl_wire.h"
#include "vmbus_gpadl_map.h"

struct gpadl_mem;
struct gpadl_region_table;
struct page;

/**
 * struct gpadl_lookup - what a look at a GPADL's pages has found
 * @generation: of the table of regions in which it looked; 0 if nothing is known yet
 * @nr_pins: host pages that are not resident, once for each time that they are named: to
 *	be charged, and at most as many pins
 * @first_block: the lowest block (GPADL_BLOCK_SIZE) with such a page
 * @last_block: the highest
 * @hole: a page lies in no region
 * @read_only: a page lies in a region that is read-only
 * @used: regions with pages of it
 */
struct gpadl_lookup {
	u64 generation;
	unsigned long nr_pins;
	unsigned long first_block;
	unsigned long last_block;
	bool hole;
	bool read_only;
	DECLARE_BITMAP(used, VMBUS_GPA_REGION_SLOTS);
};

/**
 * struct gpadl_mapping - a GPADL's pages
 * @found: where they are; what is known of an earlier table is of no use, else kept over
 *	unmap and map
 * @table: while mapped: where @found was looked up; has a reference, and each region in
 *	@found a user
 * @sgt: while mapped: covers the GPADL's ranges in order, to the byte
 * @pages: while mapped: what this mapping has pinned, NULL if all is resident
 * @nr_pages: number of @pages
 * @writable: mapped for writing
 */
struct gpadl_mapping {
	struct gpadl_lookup found;
	struct gpadl_region_table *table;
	struct sg_table sgt;
	struct page **pages;
	unsigned long nr_pages;
	bool writable;
};

bool gpadl_mapping_covers(struct gpadl_mem *mem, const struct gpadl_wire *w,
			  struct gpadl_mapping *m);
int gpadl_mapping_map(struct gpadl_mem *mem, const struct gpadl_wire *w, bool write,
		      struct gpadl_mapping *m);
void gpadl_mapping_unmap(struct gpadl_mem *mem, struct gpadl_mapping *m);
void *gpadl_mapping_vmap(const struct gpadl_mapping *m);
void gpadl_mapping_vunmap(void *addr);

#endif /* _GPADL_MAPPING_H */
