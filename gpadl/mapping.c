// SPDX-License-Identifier: GPL-2.0
/*
 * A GPADL's pages: looked up, pinned and listed.
 *
 * A map is: find the pages (which regions, how many to pin; what a look has found holds
 * until the regions change) and become a user of their regions, then take them: pin and list.
 * A mapping owns its pins from the moment that they are taken until it drops them. Dropping
 * allocates nothing and cannot fail.
 *
 * The memory for all that is the mapping's: its owner gives it room for a short list. That of
 * a GPADL is one allocation with its room, and what does not fit is allocated; its owner is
 * charged from before the first page is pinned until after the last is not. Memory that is
 * resident is neither charged nor pinned again.
 *
 * Cache lines that concurrent maps share and write to, each once per map and not per
 * page: the reference count of the table, the user count of each region with pages in
 * it, and, where something is pinned on demand, the two counts of pinned pages, and
 * those of the address space if it is not the current one's. Per page, the kernel's pin
 * writes to the page's folio; in a list that is not short a hugetlb page is pinned once, and a
 * resident region not at all.
 */
#include <linux/errno.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "mapping.h"
#include "mem.h"
#include "pins.h"
#include "region.h"
#include "relook.h"
#include "resident.h"
#include "sg.h"
#include "walk.h"

/* ---- Looking up ---- */

static void lookup_region(struct gpadl_lookup *lookup, const struct gpadl_extent *e)
{
	__set_bit(e->index, lookup->used);
	lookup->first_region = min_t(int, lookup->first_region, e->index);
	lookup->last_region = max_t(int, lookup->last_region, e->index);
	if (e->region->desc.flags & VMBUS_GPA_REGION_READ_ONLY)
		lookup->read_only = true;
	if (READ_ONCE(e->region->resident))
		lookup->resident = true;
}

/* A short list has at most FEW_PAGES pages, or SHORT_PAGES if they are in few runs. */
#define FEW_PAGES		16u
#define SHORT_PAGES		64u
#define SHORT_PAGES_PER_RUN	8

/*
 * Pages may be so far apart that a bitmap of their blocks would be larger than their
 * scatterlist.
 */
#define BLOCKS_PER_PIN_MAX	4

/* Most lists are short: rings, and the requests of a device. These are pinned by the run. */
static enum gpadl_pin_way lookup_way(const struct gpadl_lookup *lookup,
				     const struct gpadl_pfn_list *pfns)
{
	if (lookup->nr_pins <= FEW_PAGES ||
	    (pfns->nr_pages <= SHORT_PAGES &&
	     pfns->nr_pages >= SHORT_PAGES_PER_RUN * pfns->nr_runs) ||
	    lookup->last_block - lookup->first_block >= BLOCKS_PER_PIN_MAX * lookup->nr_pins)
		return GPADL_PIN_BY_RUN;
	return GPADL_PIN_BY_BLOCK;
}

/* A guest's pages lie in few regions: most likely in the one that the look before has found. */
static __always_inline unsigned int lookup_find_region(const struct gpadl_lookup *lookup,
						       const struct gpadl_region_table *table,
						       u64 gpa)
{
	const unsigned int guess = lookup->first_region;
	const struct gpadl_region *region;

	if (guess < table->nr) {
		region = table->regions[array_index_nospec(guess, table->nr)];
		if (gpa - region->desc.gpa < region->desc.bytes)
			return guess;
	}
	return gpadl_region_table_find(table, gpa);
}

/*
 * One run in one region, as most rings are, and most requests of a disk: nothing to walk over.
 * False if it is not that.
 */
static bool lookup_only(struct gpadl_lookup *lookup, const struct gpadl_pfn_list *pfns,
			const struct gpadl_region_table *table)
{
	const struct gpadl_wire_run run = gpadl_wire_run(pfns->words[1]);
	const u64 pfn = run.down ? run.pfn - (run.nr - 1) : run.pfn;
	struct gpadl_extent e __uninitialized;
	const struct gpadl_region *region;
	unsigned int index;
	u64 page, nr;

	index = lookup_find_region(lookup, table, pfn << GPADL_PAGE_SHIFT);
	if (index == table->nr)
		return false;
	region = table->regions[index];
	nr = gpadl_region_pages(region);
	/* The guest chooses it, and it leads to further loads. */
	page = array_index_nospec(pfn - (region->desc.gpa >> GPADL_PAGE_SHIFT), nr);
	if (run.nr > nr - page)
		return false;
	e.hva = region->desc.hva + (page << GPADL_PAGE_SHIFT);
	e.nr = run.nr;
	lookup->generation = table->generation;
	lookup->nr_extents = 1;
	lookup->nr_entries = 0;
	lookup->hole = false;
	lookup->read_only = region->desc.flags & VMBUS_GPA_REGION_READ_ONLY;
	lookup->resident = READ_ONCE(region->resident);
	lookup->hva = e.hva;
	lookup->nr_pins = lookup->resident ? 0 : gpadl_extent_pins(&e);
	lookup->first_block = e.hva >> GPADL_BLOCK_SHIFT;
	lookup->last_block = gpadl_extent_last(&e) >> GPADL_BLOCK_SHIFT;
	lookup->first_region = index;
	lookup->last_region = index;
	lookup->way = lookup_way(lookup, pfns);
	return true;
}

/* By a walk. A list of one extent is not to pay for what this has on the stack. */
static noinline void lookup_all(struct gpadl_lookup *lookup, const struct gpadl_pfn_list *pfns,
				const struct gpadl_region_table *table)
{
	unsigned long first = ULONG_MAX, last = 0, nr_pins = 0;
	const struct gpadl_region *region = NULL;
	struct gpadl_walk walk __uninitialized;
	u32 nr_extents = 0;
	bool resident;

	*lookup = (struct gpadl_lookup) {
		.generation = table->generation,
		.first_region = VMBUS_GPA_REGION_SLOTS,
		.last_region = -1,
	};
	gpadl_walk_init(&walk, pfns, table, 0);
	while (gpadl_walk_next(&walk)) {
		if (!walk.e.region) {
			lookup->hole = true;
			continue;
		}
		if (walk.e.region != region)
			lookup_region(lookup, &walk.e);
		region = walk.e.region;
		resident = READ_ONCE(region->resident);
		/* Scattered pages come one after the other, and mostly in one region. */
		do {
			nr_extents++;
			if (resident)
				continue;
			nr_pins += gpadl_extent_pins(&walk.e);
			first = min(first, walk.e.hva);
			last = max(last, gpadl_extent_last(&walk.e));
		} while (gpadl_walk_next_page(&walk));
	}
	lookup->nr_extents = nr_extents;
	lookup->nr_pins = nr_pins;
	lookup->first_block = first >> GPADL_BLOCK_SHIFT;
	lookup->last_block = last >> GPADL_BLOCK_SHIFT;
	lookup->way = lookup_way(lookup, pfns);
}

/* Look all pages up in a table. */
static void lookup_fill(struct gpadl_lookup *lookup, const struct gpadl_pfn_list *pfns,
			const struct gpadl_region_table *table)
{
	if (pfns->nr_runs > 1 || !lookup_only(lookup, pfns, table))
		lookup_all(lookup, pfns, table);
}

/**
 * gpadl_mapping_covers() - Does every page of a GPADL lie in a region?
 * @mem: the memory
 * @pfns: the GPADL, complete
 * @lookup: what was found, for gpadl_mapping_create()
 *
 * It says so of the regions as they are now; if they change, a map looks again.
 *
 * Context: process, may sleep.
 * Return: true if they all do.
 */
bool gpadl_mapping_covers(struct gpadl_mem *mem, const struct gpadl_pfn_list *pfns,
			  struct gpadl_lookup *lookup)
{
	struct gpadl_region_table *table = gpadl_region_table_get(mem);

	lookup_fill(lookup, pfns, table);
	gpadl_region_table_put(table);
	return !lookup->hole;
}

/* ---- Using regions ---- */

/* The next region after @i with pages of the GPADL. Mostly there is none: no search then. */
static int lookup_next_region(const struct gpadl_lookup *lookup, int i)
{
	if (i == lookup->last_region)
		return i + 1;
	return find_next_bit(lookup->used, lookup->last_region, i + 1);
}

static noinline void lookup_unuse_many(const struct gpadl_lookup *lookup,
				       struct gpadl_region_table *table, int end)
{
	int i;

	for (i = lookup->first_region; i < end; i = lookup_next_region(lookup, i))
		gpadl_region_unuse(table->regions[i]);
}

static __always_inline void lookup_unuse_regions(const struct gpadl_lookup *lookup,
						 struct gpadl_region_table *table)
{
	if (likely(lookup->first_region == lookup->last_region))
		gpadl_region_unuse(table->regions[lookup->first_region]);
	else
		lookup_unuse_many(lookup, table, lookup->last_region + 1);
}

/**
 * gpadl_mapping_unuse_regions() - Undo gpadl_mapping_use_regions()
 * @m: the mapping, with nothing in its regions that is used; pins of its own may be left
 *
 * Context: any but NMI.
 */
void gpadl_mapping_unuse_regions(const struct vmbus_mapping *m)
{
	lookup_unuse_regions(m->lookup, m->table);
	gpadl_region_table_put(m->table);
}

/* Become a user of a region. False if it has just been removed. */
static __always_inline bool lookup_use_region(struct gpadl_region *region, bool write)
{
	if (!refcount_inc_not_zero(&region->users))
		return false;
	/* Written to once: the line is read by every map. */
	if (write && region->resident && !READ_ONCE(region->written))
		WRITE_ONCE(region->written, true);
	return true;
}

static noinline bool lookup_use_many(const struct gpadl_lookup *lookup,
				     struct gpadl_region_table *table, bool write)
{
	int i;

	for (i = lookup->first_region; i <= lookup->last_region;
	     i = lookup_next_region(lookup, i)) {
		if (!lookup_use_region(table->regions[i], write)) {
			lookup_unuse_many(lookup, table, i);
			return false;
		}
	}
	return true;
}

/* Become a user of all regions found, or of none: one of them has just been removed. */
static __always_inline bool lookup_use_regions(const struct gpadl_lookup *lookup,
					       struct gpadl_region_table *table, bool write)
{
	/* Such a map fails. */
	write = write && !lookup->read_only;
	if (likely(lookup->first_region == lookup->last_region))
		return lookup_use_region(table->regions[lookup->first_region], write);
	return lookup_use_many(lookup, table, write);
}

/*
 * Refresh a look-up that is stale, then take a user reference on each region; wait and retry
 * while it is being decided whether they change. All of it stands in @m->table then. -EINTR
 * on a fatal signal, -EAGAIN instead of a wait.
 */
static int mapping_look_up(struct vmbus_mapping *m)
{
	struct gpadl_lookup *lookup = m->lookup;
	struct gpadl_region_table *table;
	int ret;

	do {
		table = gpadl_region_table_get(m->mem);
		if (unlikely(lookup->generation != table->generation))
			lookup_fill(lookup, m->pfns, table);
		if (lookup_use_regions(lookup, table, m->writable)) {
			m->table = table;
			if (likely(gpadl_region_table_is_current(m->mem, table)))
				return 0;
			gpadl_mapping_unuse_regions(m);
		} else {
			gpadl_region_table_put(table);
		}
		ret = m->gup_flags & FOLL_NOFAULT ? -EAGAIN :
						    gpadl_region_wait_switch(m->mem);
	} while (!ret);
	return ret;
}

/* Has anything changed under a resident region with pages that were looked up? */
static __always_inline bool region_is_stale(struct gpadl_region *region)
{
	if (!region->resident)
		return false;
	gpadl_relook_failures(region);
	return gpadl_watch_any(&region->watch);
}

static noinline bool lookup_is_stale_many(const struct gpadl_lookup *lookup,
					  const struct gpadl_region_table *table)
{
	bool stale = false;
	int i;

	/* Each of them: a memory error is noted where its region is looked at, and not behind. */
	for (i = lookup->first_region; i <= lookup->last_region;
	     i = lookup_next_region(lookup, i))
		stale |= region_is_stale(table->regions[i]);
	return stale;
}

static __always_inline bool lookup_is_stale(const struct gpadl_lookup *lookup,
					    const struct gpadl_region_table *table)
{
	if (likely(lookup->first_region == lookup->last_region))
		return region_is_stale(table->regions[lookup->first_region]);
	return lookup_is_stale_many(lookup, table);
}

/*
 * 0, or why what was looked up cannot be mapped. Only resident pages can be mapped without a
 * wait; -EAGAIN instead of one.
 */
static int mapping_check(const struct vmbus_mapping *m)
{
	const struct gpadl_lookup *lookup = m->lookup;

	if (m->writable && lookup->read_only)
		return -EACCES;
	/* Told also where nothing is to be pinned. */
	if (!atomic_read(&m->mem->mm->mm_users))
		return -ESRCH;
	if (lookup->hole)
		return -EFAULT;
	if (!lookup->resident || !lookup_is_stale(lookup, m->table))
		return 0;
	return m->gup_flags & FOLL_NOFAULT ? -EAGAIN :
					     gpadl_relook(m->mem, m->pfns, m->table);
}

/**
 * gpadl_mapping_use_regions() - Look pages up, and become a user of their regions
 * @m: the mapping, with all members that its owner sets. Its look-up is one of the
 *	same pages, or all 0
 *
 * What it finds stays as it is until gpadl_mapping_unuse_regions().
 *
 * Context: process, may sleep for as long as the VMM likes, unless FOLL_NOFAULT.
 * Return: 0, for gpadl_mapping_take() next; -EACCES, -ESRCH, -EFAULT, -ENOMEM or -EINTR as
 * vmbus_gpadl_map(); -EAGAIN instead of a wait.
 */
int gpadl_mapping_use_regions(struct vmbus_mapping *m)
{
	bool retired;
	int ret;

	do {
		ret = mapping_look_up(m);
		if (ret)
			return ret;
		ret = mapping_check(m);
		if (likely(!ret))
			return 0;
		/* Where its pages were is nothing any more; they are somewhere else. */
		retired = ret == -EFAULT && gpadl_region_table_is_retired(m->mem, m->table);
		gpadl_mapping_unuse_regions(m);
	} while (retired && !(m->gup_flags & FOLL_NOFAULT));
	return retired ? -EAGAIN : ret;
}

/* ---- Pinning ---- */

/* Note all that is to be pinned. False if there are too few pages for a plan. */
static bool mapping_want(const struct vmbus_mapping *m, struct gpadl_pin_plan *plan)
{
	struct gpadl_walk walk __uninitialized;

	gpadl_walk_init(&walk, m->pfns, m->table, m->lookup->first_region);
	while (gpadl_walk_next(&walk)) {
		if (walk.e.region->resident)
			continue;
		do {
			if (walk.e.nr == 1 && gpadl_pin_plan_want_page(plan, walk.e.hva))
				continue;
			if (!gpadl_pin_plan_want(plan, walk.e.hva & PAGE_MASK,
						 gpadl_extent_pins(&walk.e)))
				return false;
		} while (gpadl_walk_next_page(&walk));
	}
	return true;
}

/*
 * By the block; by the run if that turns out to be better. A short list is not to pay for
 * what this has on the stack.
 */
static noinline int mapping_pin_by_block(struct vmbus_mapping *m, struct gpadl_pin_ctx *pin)
{
	const struct gpadl_lookup *lookup = m->lookup;
	struct gpadl_pin_plan plan;
	int ret;

	ret = gpadl_pin_plan_init(&plan, lookup->first_block, lookup->last_block,
				  lookup->nr_pins);
	if (ret)
		goto out;
	if (mapping_want(m, &plan)) {
		ret = gpadl_pin_plan_take(&plan, pin, &m->pinned);
		if (!ret)
			ret = gpadl_sg_make(m, &plan);
	} else {
		ret = gpadl_sg_pin(m, pin);
	}
out:
	gpadl_pin_plan_free(&plan);
	return ret;
}

/*
 * If each page of the list was pinned once, in the order of the list, its entries are ranges
 * of what is pinned: cheaper to unpin than page by page. A range is as large as two pages in
 * the list that it takes the place of.
 */
static void mapping_make_ranges(struct vmbus_mapping *m)
{
	struct gpadl_pin_set *pinned = &m->pinned;
	const unsigned int nr = m->sgt.orig_nents;
	struct gpadl_pin_range *range;
	unsigned int i;

	if (pinned->nr_ranges || PAGE_SIZE > GPADL_PAGE_SIZE ||
	    pinned->nr_pages != m->pfns->nr_pages || nr > pinned->nr_pages / 2)
		return;
	/* Pinned by the block, the list had room for other ranges; there are none. */
	if (pinned->ranges)
		kvfree(pinned->ranges);
	range = (void *)pinned->pages;
	for (i = 0; i < nr; i++) {
		range[i].page = sg_page(&m->sgl[i]);
		range[i].nr = PFN_UP(m->sgl[i].offset + m->sgl[i].length);
	}
	pinned->ranges = range;
	pinned->nr_ranges = nr;
	pinned->nr_pages = 0;
}

static void mapping_free_pages(struct vmbus_mapping *m)
{
	if (m->pages != m->room.pages)
		kvfree(m->pages);
	m->pages = NULL;
}

static void mapping_unpin(struct vmbus_mapping *m, bool dirty)
{
	gpadl_pin_set_unpin(&m->pinned, dirty);
	if (m->pinned.ranges && (void *)m->pinned.ranges != m->pages)
		kvfree(m->pinned.ranges);
	mapping_free_pages(m);
}

/* ---- Mapping ---- */

/* All charged, and with the address space at hand: pin, and build the scatterlist. */
static int mapping_pin(struct vmbus_mapping *m, struct gpadl_pin_ctx *pin)
{
	const unsigned long nr = m->lookup->nr_pins;
	enum gpadl_pin_way way = GPADL_PIN_BY_RUN;
	int ret;

	m->pages = m->room.pages;
	if (nr > m->room.nr_pages) {
		way = m->lookup->way;
		m->pages = kvmalloc_array(nr, sizeof(*m->pages),
					  GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
		if (!m->pages)
			return -ENOMEM;
	}
	pin->write = m->writable;
	pin->gup_flags = m->gup_flags;
	pin->pages = m->pages;
	m->pinned = (struct gpadl_pin_set) { .pages = m->pages };
	if (way == GPADL_PIN_BY_RUN)
		ret = gpadl_sg_pin(m, pin);
	else
		ret = mapping_pin_by_block(m, pin);
	m->pinned.nr_pages = pin->done;
	if (ret)
		mapping_unpin(m, false);
	else if (pin->done)
		mapping_make_ranges(m);
	else
		/* Huge pages: all of it is ranges. */
		mapping_free_pages(m);
	return ret;
}

/**
 * gpadl_mapping_take() - Pin pages that are not resident, and list all
 * @m: the mapping, found
 *
 * Charges nothing to RLIMIT_MEMLOCK, and allocates nothing if the room of @m is enough. What is
 * allocated is charged as the caller has set it up (gpadl_mem_account_begin()).
 *
 * Context: process, kernel threads included; may sleep for as long as the VMM likes, unless
 * FOLL_NOFAULT.
 * Return: 0, to be undone by gpadl_mapping_drop(); -ESRCH, -EFAULT, -ENOMEM or -EINTR as
 * vmbus_gpadl_map(), and nothing is pinned.
 */
int gpadl_mapping_take(struct vmbus_mapping *m)
{
	struct gpadl_pin_ctx pin __uninitialized;
	int ret;

	/* Resident: the address space is not needed. */
	if (!m->lookup->nr_pins) {
		m->pages = NULL;
		m->pinned = (struct gpadl_pin_set) {};
		return gpadl_sg_make(m, NULL);
	}
	/* One page, in a thread of the VMM's: most small requests */
	if (m->pfns->nr_pages == 1 && m->room.nr_pages && current->mm == m->mem->mm) {
		ret = gpadl_sg_take_page(m);
		if (likely(ret <= 0))
			return ret;
	}
	ret = gpadl_mem_enter(m->mem, &pin);
	if (ret)
		return ret;
	ret = mapping_pin(m, &pin);
	gpadl_mem_leave(&pin);
	return ret;
}

/**
 * gpadl_mapping_take_there() - gpadl_mapping_take() of what is the guest's
 * @m: the mapping, found
 *
 * Context: as gpadl_mapping_take().
 * Return: as gpadl_mapping_take(), and -EAGAIN if the VMM has taken regions away meanwhile: what is
 * there is something else, or nothing, and the pages are to be looked up again.
 */
int gpadl_mapping_take_there(struct vmbus_mapping *m)
{
	int ret = gpadl_mapping_take(m);

	if (likely(!ret)) {
		if (likely(!gpadl_region_table_is_retired(m->mem, m->table)))
			return 0;
		/* Nobody has written to it. */
		gpadl_mapping_drop(m, false);
		return -EAGAIN;
	}
	return ret == -EFAULT && gpadl_region_table_is_retired(m->mem, m->table) ? -EAGAIN : ret;
}

/**
 * gpadl_mapping_drop() - Undo gpadl_mapping_take()
 * @m: the mapping
 * @dirty: mark what it has pinned as written to
 *
 * Context: process, may sleep, if @dirty; else any but NMI. Any thread: neither the VMM nor
 * its address space need to be there any more. Allocates nothing.
 */
void gpadl_mapping_drop(struct vmbus_mapping *m, bool dirty)
{
	if (m->lookup->nr_pins)
		mapping_unpin(m, dirty);
	gpadl_sg_free(m);
}

/*
 * With room for a scatterlist as long as that of the last map, if that was not long, and for
 * the pages of a short list: more is allocated where it is needed.
 */
static struct gpadl_mapping *mapping_alloc(const struct gpadl_pfn_list *pfns,
					   const struct gpadl_lookup *lookup)
{
	unsigned int nr_sgl = min(lookup->nr_entries ?: FEW_PAGES, pfns->nr_pages);
	unsigned int nr_pages = 0;
	struct gpadl_mapping *m;

	if (nr_sgl > SHORT_PAGES)
		nr_sgl = 1;
	if (lookup->nr_pins <= SHORT_PAGES && lookup->way == GPADL_PIN_BY_RUN)
		nr_pages = lookup->nr_pins;
	m = kmalloc(struct_size(m, sgl, nr_sgl) + nr_pages * sizeof(struct page *),
		    GFP_KERNEL_ACCOUNT);
	if (!m)
		return NULL;
	m->map.room.pages = (struct page **)(m->sgl + nr_sgl);
	m->map.room.nr_pages = nr_pages;
	m->map.room.sgl = m->sgl;
	m->map.room.nr_sgl = nr_sgl;
	return m;
}

/*
 * Pages of a GPADL are charged from before the first is pinned until after the last is not.
 * -EAGAIN if the VMM has taken regions away meanwhile.
 */
static int mapping_charge_and_take(struct vmbus_mapping *m)
{
	int ret;

	ret = gpadl_mapping_use_regions(m);
	if (ret)
		return ret;
	ret = gpadl_mem_charge(m->mem, m->lookup->nr_pins);
	if (ret)
		goto err_unfind;
	ret = gpadl_mapping_take_there(m);
	if (ret)
		goto err_uncharge;
	m->lookup->nr_entries = m->sgt.orig_nents;
	return 0;

err_uncharge:
	gpadl_mem_uncharge(m->mem, m->lookup->nr_pins);
err_unfind:
	gpadl_mapping_unuse_regions(m);
	return ret;
}

/**
 * gpadl_mapping_create() - Pin the pages of a GPADL and list them
 * @mem: the memory
 * @pfns: the GPADL, complete
 * @lookup: of gpadl_mapping_covers(), and of maps before; stays as it is until the unmap
 * @write: the pages will be written to
 * @max_segment: length that an entry of the scatterlist has at most; whole pages
 *
 * Context: process, kernel threads included; may sleep for as long as the VMM likes.
 * Return: the mapping, for gpadl_mapping_unmap(), gpadl_region_table_put() and kfree(); ERR_PTR
 * of -EACCES, -ESRCH, -EFAULT, -ENOMEM or -EINTR as vmbus_gpadl_map().
 */
struct gpadl_mapping *gpadl_mapping_create(struct gpadl_mem *mem,
					   const struct gpadl_pfn_list *pfns,
					   struct gpadl_lookup *lookup, bool write,
					   unsigned int max_segment)
{
	struct gpadl_mem_account acct;
	struct gpadl_mapping *m;
	int ret = -ENOMEM;

	gpadl_mem_account_begin(mem, &acct);
	m = mapping_alloc(pfns, lookup);
	if (m) {
		m->map.mem = mem;
		m->map.pfns = pfns;
		m->map.lookup = lookup;
		m->map.max_segment = max_segment;
		m->map.gup_flags = FOLL_LONGTERM;
		m->map.writable = write;
		m->map.is_request = false;
		m->map.vaddr = NULL;
		m->map.priv = NULL;
		refcount_set(&m->ref, 1);
		m->armed = false;
		m->told = false;
		do {
			ret = mapping_charge_and_take(&m->map);
		} while (ret == -EAGAIN);
	}
	gpadl_mem_account_end(&acct);
	if (!ret)
		return m;
	kfree(m);
	return ERR_PTR(ret);
}

/**
 * gpadl_mapping_unmap() - Undo gpadl_mapping_create(), but for freeing it
 * @m: the mapping; its table is still to be put
 *
 * Context: process, may sleep, allocates nothing. Any thread: neither the VMM nor its
 * address space need to be there any more.
 */
void gpadl_mapping_unmap(struct vmbus_mapping *m)
{
	KUNIT_STATIC_STUB_REDIRECT(gpadl_mapping_unmap, m);
	gpadl_mapping_drop(m, m->writable);
	gpadl_mem_uncharge(m->mem, m->lookup->nr_pins);
	lookup_unuse_regions(m->lookup, m->table);
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_mapping_unmap);

/* ---- Virtual mapping ---- */

/* Host pages that an entry touches. */
static unsigned long sg_pages(const struct scatterlist *sg)
{
	return PAGE_ALIGN(sg->offset + sg->length) >> PAGE_SHIFT;
}

/* Can the entries be laid side by side, page by page? Always, if pages are 4 KiB. */
static bool mapping_is_pagewise(const struct vmbus_mapping *m)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_sg(&m->sgt, sg, i) {
		if (i && sg->offset)
			return false;
		if (!sg_is_last(sg) && offset_in_page(sg->offset + sg->length))
			return false;
	}
	return true;
}

/**
 * gpadl_mapping_vmap() - Map pinned pages side by side into kernel addresses
 * @m: the mapping, of one range
 *
 * Context: process, may sleep.
 * Return: address of the first byte; ERR_PTR(-EOPNOTSUPP) if host pages are larger
 * than guest pages and the pieces do not fit together, ERR_PTR(-ENOMEM).
 */
void *gpadl_mapping_vmap(const struct vmbus_mapping *m)
{
	struct sg_page_iter iter;
	struct scatterlist *sg;
	struct page **pages;
	unsigned long n = 0;
	unsigned int i;
	void *addr;

	if (!mapping_is_pagewise(m))
		return ERR_PTR(-EOPNOTSUPP);
	for_each_sgtable_sg(&m->sgt, sg, i)
		n += sg_pages(sg);
	pages = kvmalloc_array(n, sizeof(*pages), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!pages)
		return ERR_PTR(-ENOMEM);
	n = 0;
	for_each_sgtable_page(&m->sgt, &iter, 0)
		pages[n++] = sg_page_iter_page(&iter);
	addr = vmap(pages, n, VM_MAP, m->writable ? PAGE_KERNEL : PAGE_KERNEL_RO);
	kvfree(pages);
	if (!addr)
		return ERR_PTR(-ENOMEM);
	return addr + m->sgt.sgl->offset;
}

/**
 * gpadl_mapping_vunmap() - Undo gpadl_mapping_vmap()
 * @addr: what it returned
 *
 * Context: process, may sleep.
 */
void gpadl_mapping_vunmap(void *addr)
{
	vunmap((void *)((unsigned long)addr & PAGE_MASK));
}
