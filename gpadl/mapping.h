/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A GPADL's pages: looked up, pinned and listed.
 *
 * Knows nothing of GPADLs but the packed page lists of wire.h.
 */
#ifndef _GPADL_MAPPING_H
#define _GPADL_MAPPING_H

#include <linux/bitmap.h>
#include <linux/container_of.h>
#include <linux/refcount.h>
#include <linux/scatterlist.h>
#include <linux/types.h>

#include "pins.h"
#include "wire.h"
#include "vmbus_gpadl_map.h"

struct gpadl;
struct gpadl_mem;
struct gpadl_region_table;

/**
 * struct gpadl_lookup - what a look at a GPADL's pages has found
 * @generation: of the table of regions in which it looked; 0 if nothing is known yet
 * @nr_extents: parts of runs that lie in one region each
 * @nr_entries: of the scatterlist of the last map; 0 if there was none
 * @hole: a page lies in no region
 * @read_only: a page lies in a region that is read-only
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
	u32 nr_entries;
	bool hole;
	bool read_only;
	unsigned long nr_pins;
	unsigned long first_block;
	unsigned long last_block;
	int first_region;
	int last_region;
	DECLARE_BITMAP(used, VMBUS_GPA_REGION_SLOTS);
};

/**
 * struct vmbus_mapping - a guest's pages, pinned and listed
 * @found: where they are; does not change while they are mapped
 * @table: where @found was looked up; has a reference, and each region in @found a user
 * @writable: mapped for writing
 * @is_short: a short list: all pages in one region, and in @few
 * @pinned: what this mapping has pinned; empty if all is resident. Never told from @sgt,
 *	which the backend, and dma_map_sgtable() for it, may change
 * @range: room for the only entry of @pinned.ranges
 * @few: @pinned.pages, if the list is short
 * @sgt: covers the guest's ranges in order, to the byte
 * @sgl: its entries, as they are to be freed
 * @few_sgl: room for @nr_few_sgl of them
 * @nr_few_sgl: at least 1
 * @vaddr: where it is vmapped, or NULL; the backend serialises its calls
 * @priv: of the backend; NULL before vmbus_mapping_arm(), and once it is being unmapped
 *
 * What all kinds of mappings have, whatever the guest named its pages by.
 */
struct vmbus_mapping {
	const struct gpadl_lookup *found;
	struct gpadl_region_table *table;
	bool writable;
	bool is_short;
	struct gpadl_pin_set pinned;
	struct gpadl_pin_range range;
	struct page **few;
	struct sg_table sgt;
	struct scatterlist *sgl;
	struct scatterlist *few_sgl;
	unsigned int nr_few_sgl;
	void *vaddr;
	void *priv;
};

/**
 * struct gpadl_mapping - the mapping of a GPADL
 * @map: its pages
 * @ref: the backend's, until it unmaps; and that of a revoke() that runs
 * @g: the GPADL, held until this is freed
 * @armed: the backend can be told that it is wanted back; protected by the GPADL's lock
 * @told: it has been; protected by the GPADL's lock
 * @few_sgl: of @map, and behind it its few
 */
struct gpadl_mapping {
	struct vmbus_mapping map;
	refcount_t ref;
	struct gpadl *g;
	bool armed;
	bool told;
	struct scatterlist few_sgl[];
};

static inline struct gpadl_mapping *to_gpadl_mapping(const struct vmbus_mapping *map)
{
	return container_of(map, struct gpadl_mapping, map);
}

bool gpadl_mapping_covers(struct gpadl_mem *mem, const struct gpadl_pfn_list *w,
			  struct gpadl_lookup *found);
struct gpadl_mapping *gpadl_mapping_map(struct gpadl_mem *mem, const struct gpadl_pfn_list *w,
					struct gpadl_lookup *found, bool write,
					unsigned int max_segment);
void gpadl_mapping_unmap(struct gpadl_mem *mem, struct vmbus_mapping *m);
void *gpadl_mapping_vmap(const struct vmbus_mapping *m);
void gpadl_mapping_vunmap(void *addr);

#endif /* _GPADL_MAPPING_H */
