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

/**
 * struct gpadl_walk - a walk over the extents of a GPADL, in its order
 * @w: the GPADL
 * @table: where to look pages up
 * @next: index in @w->words of the next word
 * @pages_left: pages of the range that are not yet in a run that was begun
 * @range: the range
 * @run: rest of the run that was begun; run.nr may be 0
 * @e: the extent found last; its region is tried first for the next
 */
struct gpadl_walk {
	const struct gpadl_pfn_list *w;
	const struct gpadl_region_table *table;
	u32 next;
	u32 pages_left;
	struct gpadl_wire_range range;
	struct gpadl_wire_run run;
	struct gpadl_extent e;
};

static inline void gpadl_walk_init(struct gpadl_walk *walk, const struct gpadl_pfn_list *w,
				   const struct gpadl_region_table *table)
{
	*walk = (struct gpadl_walk) { .w = w, .table = table };
}

bool gpadl_walk_next(struct gpadl_walk *walk);

static inline u64 region_pages(const struct gpadl_region *region)
{
	return region->what.bytes >> GPADL_PAGE_SHIFT;
}

/**
 * struct gpadl_single_pages - runs of one page that come next in a walk
 * @words: the first; each is no more than a page frame number (and any other word is
 *	larger than all of these)
 * @nr: of so many
 * @first: page frame number at which the region of the extent before begins
 * @nr_region: pages of it
 *
 * In a long list of pages that are scattered they are the rule. So each step of a map has a
 * loop for them that is as tight as can be, and ends where a page is not in the region; the
 * walk then goes on behind what it has taken.
 */
struct gpadl_single_pages {
	const u64 *words;
	u32 nr;
	u64 first;
	u64 nr_region;
};

/*
 * Those behind an extent that lies in a region. None of them is the last page of its range,
 * which may not be whole.
 */
static inline struct gpadl_single_pages gpadl_walk_single_pages(const struct gpadl_walk *walk)
{
	const struct gpadl_region *region = walk->e.region;
	struct gpadl_single_pages s = { .words = &walk->w->words[walk->next] };

	if (!walk->run.nr && walk->pages_left > 1) {
		s.nr = walk->pages_left - 1;
		s.first = region->what.gpa >> GPADL_PAGE_SHIFT;
		s.nr_region = region_pages(region);
	}
	return s;
}

static inline void gpadl_walk_skip(struct gpadl_walk *walk, u32 nr)
{
	walk->next += nr;
	walk->pages_left -= nr;
}

/**
 * struct gpadl_short_walk - a walk over the runs of a GPADL that lies in one region
 * @w: the GPADL
 * @region: all of it
 * @next: index in @w->words of the next word
 * @pages_left: pages of the range that are in runs which come next
 * @range: the range
 * @first: @run begins it
 * @run: the run found last
 * @hva: of its lowest page
 */
struct gpadl_short_walk {
	const struct gpadl_pfn_list *w;
	const struct gpadl_region *region;
	u32 next;
	u32 pages_left;
	struct gpadl_wire_range range;
	bool first;
	struct gpadl_wire_run run;
	unsigned long hva;
};

static inline struct gpadl_short_walk gpadl_short_walk(const struct gpadl_pfn_list *w,
						       const struct gpadl_region *region)
{
	return (struct gpadl_short_walk) { .w = w, .region = region };
}

/* The next run; false if there is none. */
static inline bool gpadl_short_next(struct gpadl_short_walk *walk)
{
	const struct gpadl_pfn_list *w = walk->w;
	u64 page;

	if (walk->next >= w->nr_words)
		return false;
	walk->first = !walk->pages_left;
	if (walk->first) {
		walk->range = gpadl_wire_range(w->words[walk->next++]);
		walk->pages_left = walk->range.nr_pages;
	}
	walk->run = gpadl_wire_run(w->words[walk->next++]);
	walk->pages_left -= walk->run.nr;
	page = walk->run.pfn - (walk->region->what.gpa >> GPADL_PAGE_SHIFT);
	if (walk->run.down)
		page -= walk->run.nr - 1;
	/* It was looked up in this region; a processor may guess otherwise. */
	page = array_index_nospec(page, region_pages(walk->region));
	walk->hva = walk->region->what.hva + (page << GPADL_PAGE_SHIFT);
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
	return (gpadl_extent_last(e) >> PAGE_SHIFT) - (e->hva >> PAGE_SHIFT) + 1;
}

#endif /* _GPADL_WALK_H */
