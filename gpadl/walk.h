/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A walk over the pages of a GPADL: where they lie in the VMM's address space.
 *
 * Words: a run is what the guest's list says (page frame numbers that follow each
 * other), an extent is the part of a run that lies in one region, and so is contiguous
 * in the VMM's address space too.
 */
#ifndef _GPADL_WALK_H
#define _GPADL_WALK_H

#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/types.h>

#include "region.h"
#include "wire.h"

/**
 * struct gpadl_extent - part of a run that lies in one region
 * @region: the region; NULL if the page lies in none (then @nr is 1)
 * @index: of the region in the table
 * @hva: of the lowest page
 * @nr: guest pages, at least 1
 * @down: they come highest first
 * @first: it begins a range
 */
struct gpadl_extent {
	const struct gpadl_region *region;
	unsigned int index;
	unsigned long hva;
	u32 nr;
	bool down;
	bool first;
};

static inline u64 gpadl_region_pages(const struct gpadl_region *region)
{
	return region->desc.bytes >> GPADL_PAGE_SHIFT;
}

/**
 * struct gpadl_walk - a walk over the extents of a GPADL, in its order
 *
 * To be declared __uninitialized where it counts: it is large, and a kernel that clears what is
 * on the stack would clear it for each map.
 *
 * @table: where to look pages up
 * @next: the next word
 * @end: behind the last one
 * @pages_left: pages of the range that are not yet in a run that was begun
 * @range: the range
 * @run: rest of the run that was begun; run.nr may be 0
 * @e: the extent found last; its region is tried first for the next
 * @first: page frame number at which that region begins
 * @nr: pages of it; 0 if there is none
 */
struct gpadl_walk {
	const struct gpadl_region_table *table;
	const u64 *next;
	const u64 *end;
	u32 pages_left;
	struct gpadl_wire_range range;
	struct gpadl_wire_run run;
	struct gpadl_extent e;
	u64 first;
	u64 nr;
};

static __always_inline void gpadl_walk_set_region(struct gpadl_walk *walk, unsigned int index)
{
	const struct gpadl_region *region = NULL;

	if (index < walk->table->nr)
		region = walk->table->regions[index];
	walk->e.index = index;
	walk->e.region = region;
	walk->first = region ? region->desc.gpa >> GPADL_PAGE_SHIFT : 0;
	walk->nr = region ? gpadl_region_pages(region) : 0;
}

/* @index: of a region in the table that is to be tried first. */
static __always_inline void gpadl_walk_init(struct gpadl_walk *walk,
					    const struct gpadl_pfn_list *pfns,
					    const struct gpadl_region_table *table,
					    unsigned int index)
{
	/* The rest is set before it is read, and most of it at each step. */
	walk->table = table;
	walk->next = pfns->words;
	walk->end = pfns->words + pfns->nr_words;
	walk->pages_left = 0;
	walk->run.nr = 0;
	gpadl_walk_set_region(walk, index);
}

/* Begin the next run, and the next range if this one is through. */
static __always_inline bool gpadl_walk_next_run(struct gpadl_walk *walk)
{
	if (walk->next == walk->end)
		return false;
	if (!walk->pages_left) {
		walk->range = gpadl_wire_range(*walk->next++);
		walk->pages_left = walk->range.nr_pages;
		walk->e.first = true;
	}
	walk->run = gpadl_wire_run(*walk->next++);
	walk->pages_left -= walk->run.nr;
	return true;
}

/* An extent of what the run has in the region from page @page of the region on. */
static __always_inline void gpadl_walk_take(struct gpadl_walk *walk, u64 page)
{
	struct gpadl_extent *e = &walk->e;

	/* The guest chooses it, and it leads to further loads. */
	page = array_index_nospec(page, walk->nr);
	e->down = walk->run.down;
	e->nr = min_t(u64, walk->run.nr, e->down ? page + 1 : walk->nr - page);
	if (e->down)
		page -= e->nr - 1;
	e->hva = e->region->desc.hva + (page << GPADL_PAGE_SHIFT);
}

/*
 * Where pages are scattered, runs of one page in one region are the rule. The word of such a
 * run is no more than a page frame number, and any other is larger than all of these.
 */
static __always_inline bool gpadl_walk_next_page(struct gpadl_walk *walk)
{
	struct gpadl_extent *e = &walk->e;
	u64 page;

	if (walk->run.nr || !walk->pages_left)
		return false;
	page = *walk->next - walk->first;
	if (page >= walk->nr)
		return false;
	page = array_index_nospec(page, walk->nr);
	walk->next++;
	walk->pages_left--;
	e->hva = e->region->desc.hva + (page << GPADL_PAGE_SHIFT);
	e->nr = 1;
	e->down = false;
	return true;
}

/**
 * gpadl_walk_next() - Find the next extent
 * @walk: the walk; the extent is in @walk->e
 *
 * In line: most lists are short, and each step of a map walks over them.
 *
 * Context: any.
 * Return: false if there is none.
 */
static __always_inline bool gpadl_walk_next(struct gpadl_walk *walk)
{
	struct gpadl_extent *e = &walk->e;
	u64 gpa;

	e->first = false;
	if (gpadl_walk_next_page(walk))
		return true;
	if (!walk->run.nr && !gpadl_walk_next_run(walk))
		return false;
	if (walk->run.pfn - walk->first >= walk->nr) {
		gpa = walk->run.pfn << GPADL_PAGE_SHIFT;
		gpadl_walk_set_region(walk, gpadl_region_table_find(walk->table, gpa));
	}
	e->nr = 1;
	if (e->region)
		gpadl_walk_take(walk, walk->run.pfn - walk->first);
	walk->run.nr -= e->nr;
	walk->run.pfn = walk->run.down ? walk->run.pfn - e->nr : walk->run.pfn + e->nr;
	return true;
}

/* Address of guest page @i of an extent, in the order of the GPADL. */
static inline unsigned long gpadl_extent_hva(const struct gpadl_extent *e, u32 i)
{
	return e->hva + ((unsigned long)(e->down ? e->nr - 1 - i : i) << GPADL_PAGE_SHIFT);
}

static inline unsigned long gpadl_extent_bytes(const struct gpadl_extent *e)
{
	return (unsigned long)e->nr << GPADL_PAGE_SHIFT;
}

static inline unsigned long gpadl_extent_last(const struct gpadl_extent *e)
{
	return e->hva + ((unsigned long)e->nr << GPADL_PAGE_SHIFT) - 1;
}

/* Host pages that an extent touches. */
static inline unsigned long gpadl_extent_pins(const struct gpadl_extent *e)
{
	if (PAGE_SIZE == GPADL_PAGE_SIZE)
		return e->nr;
	return (gpadl_extent_last(e) >> PAGE_SHIFT) - (e->hva >> PAGE_SHIFT) + 1;
}

#endif /* _GPADL_WALK_H */
