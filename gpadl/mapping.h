/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A GPADL's pages: looked up, pinned and listed.
 *
 * Reads nothing of GPADLs but the packed page lists of wire.h: what else a GPADL's mapping has is
 * for the files that know GPADLs.
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
 * enum gpadl_pin_way - how pages are pinned
 * @GPADL_PIN_BY_RUN: each extent for itself, while they are listed
 * @GPADL_PIN_BY_BLOCK: all first, in the order of their addresses, by a plan
 */
enum gpadl_pin_way {
	GPADL_PIN_BY_RUN,
	GPADL_PIN_BY_BLOCK,
};

/**
 * struct gpadl_lookup - what a look at a GPADL's pages has found
 * @generation: of the table of regions in which it looked; 0 if nothing is known yet
 * @nr_extents: parts of runs that lie in one region each
 * @nr_entries: of the scatterlist of the last map; 0 if there was none
 * @way: how to pin, where there is no room for all pins
 * @hole: a page lies in no region
 * @read_only: a page lies in a region that is read-only
 * @resident: a page lies in a region that is resident
 * @hva: of the lowest page, if there is one extent
 * @nr_pins: host pages that are not resident, once for each time that they are named: to
 *	be charged, and at most as many pins
 * @first_block: the lowest block (GPADL_BLOCK_SIZE) with such a page
 * @last_block: the highest
 * @first_region: index of the first region with pages of it
 * @last_region: and of the last; below the first if there is none
 * @used: all of these; not read, and not set where there is one extent
 */
struct gpadl_lookup {
	u64 generation;
	u32 nr_extents;
	u32 nr_entries;
	enum gpadl_pin_way way;
	bool hole;
	bool read_only;
	bool resident;
	unsigned long hva;
	unsigned long nr_pins;
	unsigned long first_block;
	unsigned long last_block;
	int first_region;
	int last_region;
	DECLARE_BITMAP(used, VMBUS_GPA_REGION_SLOTS);
};

/**
 * struct gpadl_room - memory for a short list, which the owner of a mapping provides
 * @pages: for pages that are pinned
 * @nr_pages: so many, or 0
 * @sgl: for entries of the scatterlist
 * @nr_sgl: so many, at least 1
 *
 * Where there is room for as many pages, and for as many entries, as the list has pages, a
 * map allocates nothing, unless an entry has to be split.
 */
struct gpadl_room {
	struct page **pages;
	unsigned int nr_pages;
	struct scatterlist *sgl;
	unsigned int nr_sgl;
};

/**
 * struct vmbus_mapping - a guest's pages, pinned and listed
 * @mem: the memory that they are in
 * @pfns: the pages: a list that is complete
 * @lookup: where they are; does not change while they are mapped
 * @room: memory that is there for it
 * @max_segment: length that an entry of the scatterlist has at most; whole pages
 * @gup_flags: FOLL_* of the pins, but for FOLL_WRITE; with FOLL_NOFAULT, the VMM is not
 *	waited for
 * @writable: mapped for writing
 * @is_request: of a packet, not of a GPADL: part of a struct gpa_request
 * @table: where @lookup was looked up; has a reference, and each region in @lookup a user
 * @pages: list of pages that are pinned, in @room or allocated; NULL if there is none
 * @pinned: what this mapping has pinned; empty if all is resident. Never told from @sgt,
 *	which the backend, and dma_map_sgtable() for it, may change
 * @sgt: covers the guest's ranges in order, to the byte
 * @sgl: its entries, as they are to be freed
 * @vaddr: where it is vmapped, or NULL; the backend serialises its calls
 * @priv: of the backend; NULL before vmbus_mapping_arm(), and once it is being unmapped
 *
 * What all kinds of mappings have, whatever the guest named its pages by. Those before
 * @table, and @vaddr and @priv, are set by its owner.
 */
struct vmbus_mapping {
	struct gpadl_mem *mem;
	const struct gpadl_pfn_list *pfns;
	struct gpadl_lookup *lookup;
	struct gpadl_room room;
	unsigned int max_segment;
	unsigned int gup_flags;
	bool writable;
	bool is_request;
	struct gpadl_region_table *table;
	struct page **pages;
	struct gpadl_pin_set pinned;
	struct sg_table sgt;
	struct scatterlist *sgl;
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
 * @own: if @armed: it is the channel layer's own, and not the backend's
 * @sgl: room of @map; that for pages is behind it
 */
struct gpadl_mapping {
	struct vmbus_mapping map;
	refcount_t ref;
	struct gpadl *g;
	bool armed;
	bool told;
	bool own;
	struct scatterlist sgl[];
};

static inline struct gpadl_mapping *to_gpadl_mapping(const struct vmbus_mapping *map)
{
	return container_of(map, struct gpadl_mapping, map);
}

bool gpadl_mapping_covers(struct gpadl_mem *mem, const struct gpadl_pfn_list *pfns,
			  struct gpadl_lookup *lookup);
int gpadl_mapping_use_regions(struct vmbus_mapping *m);
void gpadl_mapping_unuse_regions(const struct vmbus_mapping *m);
int gpadl_mapping_take(struct vmbus_mapping *m);
int gpadl_mapping_take_there(struct vmbus_mapping *m);
void gpadl_mapping_drop(struct vmbus_mapping *m, bool dirty);
struct gpadl_mapping *gpadl_mapping_create(struct gpadl_mem *mem,
					   const struct gpadl_pfn_list *pfns,
					   struct gpadl_lookup *lookup, bool write,
					   unsigned int max_segment);
void gpadl_mapping_unmap(struct vmbus_mapping *m);
void *gpadl_mapping_vmap(const struct vmbus_mapping *m);
void gpadl_mapping_vunmap(void *addr);

#endif /* _GPADL_MAPPING_H */
