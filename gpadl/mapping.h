/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A GPADL's pages: looked up, pinned and listed.
 *
 * Knows nothing of GPADLs but the packed page lists of wire.h.
 */
#ifndef _GPADL_MAPPING_H
#define _GPADL_MAPPING_H

#include <linux/bitmap.h>
#include <linux/scatterlist.h>
#include <linux/types.h>

#include "pins.h"
#include "wire.h"
#include "vmbus_gpadl_map.h"

struct gpadl_mem;
struct gpadl_region_table;

/**
 * struct gpadl_lookup - what a look at a GPADL's pages has found
 * @generation: of the table of regions in which it looked; 0 if nothing is known yet
 * @nr_extents: parts of runs that lie in one region each
 * @down: the last of them names its pages from the highest down
 * @hole: a page lies in no region
 * @read_only: a page lies in a region that is read-only
 * @hva: address in the VMM of the lowest page of the last extent
 * @nr_pins: host pages that are not resident, once for each time that they are named: to
 *	be charged, and at most as many pins
 * @first_block: the lowest block (GPADL_BLOCK_SIZE) with such a page
 * @last_block: the highest
 * @first_region: index of the first region with pages of it
 * @last_region: and of the last; below the first if there is none
 * @used: all of these
 */
struct gpadl_lookup {
	u64 generation;
	u32 nr_extents;
	bool down;
	bool hole;
	bool read_only;
	unsigned long hva;
	unsigned long nr_pins;
	unsigned long first_block;
	unsigned long last_block;
	int first_region;
	int last_region;
	DECLARE_BITMAP(used, VMBUS_GPA_REGION_SLOTS);
};

/**
 * struct gpadl_mapping - a GPADL's pages
 * @found: where they are; what is known of an earlier table is of no use, else kept over
 *	unmap and map
 * @table: while mapped: where @found was looked up; has a reference, and each region in
 *	@found a user
 * @sgt: while mapped: covers the GPADL's ranges in order, to the byte
 * @one: its entry, if it is the only one: of a ring in huge pages
 * @pinned: while mapped: what this mapping has pinned; empty if all is resident
 * @is_listed: while mapped: what it has pinned is what @sgt lists, each page once; @pinned
 *	does not say so again
 * @writable: mapped for writing
 */
struct gpadl_mapping {
	struct gpadl_lookup found;
	struct gpadl_region_table *table;
	struct sg_table sgt;
	struct scatterlist one;
	struct gpadl_pinned pinned;
	bool is_listed;
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
