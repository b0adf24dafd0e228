// SPDX-License-Identifier: GPL-2.0
/*
 * A walk over the pages of a GPADL, extent by extent.
 */
#include <linux/minmax.h>

#include "walk.h"

/* Pages of the run, from @gpa on in its direction, that make one extent in @region. */
static u32 run_in_region(const struct gpadl_wire_run *run,
			 const struct gpadl_region *region, u64 gpa)
{
	u64 before = (gpa - region->what.gpa) >> GPADL_PAGE_SHIFT;

	return min_t(u64, run->nr,
		     run->down ? before + 1 : region_pages(region) - before);
}

static void walk_find_region(struct gpadl_walk *walk, u64 gpa)
{
	const struct gpadl_region_table *table = walk->table;
	struct gpadl_extent *e = &walk->e;

	if (e->region && gpa - e->region->what.gpa < e->region->what.bytes)
		return;
	e->index = gpadl_region_table_find(table, gpa);
	e->region = e->index < table->nr ? table->regions[e->index] : NULL;
}

/* Begin the next run, and the next range if this one is through. */
static bool walk_next_run(struct gpadl_walk *walk)
{
	if (walk->run.nr)
		return true;
	if (walk->next >= walk->w->nr_words)
		return false;
	if (!walk->pages_left) {
		walk->range = gpadl_wire_range(walk->w->words[walk->next++]);
		walk->e.first = true;
		walk->pages_left = walk->range.nr_pages;
	}
	walk->run = gpadl_wire_run(walk->w->words[walk->next++]);
	walk->pages_left -= walk->run.nr;
	return true;
}

/**
 * gpadl_walk_next() - Find the next extent
 * @walk: the walk; the extent is in @walk->e
 *
 * Context: any.
 * Return: false if there is none.
 */
bool gpadl_walk_next(struct gpadl_walk *walk)
{
	struct gpadl_extent *e = &walk->e;
	u64 gpa;

	e->first = false;
	if (!walk_next_run(walk))
		return false;

	gpa = walk->run.pfn << GPADL_PAGE_SHIFT;
	walk_find_region(walk, gpa);
	e->down = walk->run.down;
	e->nr = 1;
	if (e->region) {
		e->nr = run_in_region(&walk->run, e->region, gpa);
		if (e->down)
			gpa -= (u64)(e->nr - 1) << GPADL_PAGE_SHIFT;
		e->hva = e->region->what.hva + (gpa - e->region->what.gpa);
	}

	walk->run.nr -= e->nr;
	if (walk->run.down)
		walk->run.pfn -= e->nr;
	else
		walk->run.pfn += e->nr;
	return true;
}
