// SPDX-License-Identifier: GPL-2.0
/*
 * A GPADL's pages: looked up, pinned and listed.
 *
 * A mapping is one allocation if the list is short, with room for its scatterlist and for
 * what it has pinned. It owns its pins from the moment that they are taken until it is unmapped,
 * and the owner is charged for them from before the first is taken until after the
 * last is dropped. Unmapping allocates nothing and cannot fail.
 *
 * A map is: look the pages up (which regions, how many to pin; what the look at
 * establish has found holds until the regions change), become a user of these regions,
 * charge, pin, list. Memory that is resident is neither charged nor pinned again.
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

static void lookup_region(struct gpadl_lookup *found, const struct gpadl_extent *e)
{
	__set_bit(e->index, found->used);
	found->first_region = min_t(int, found->first_region, e->index);
	found->last_region = max_t(int, found->last_region, e->index);
	if (e->region->what.flags & VMBUS_GPA_REGION_READ_ONLY)
		found->read_only = true;
}

/* @nr pages are to be pinned that lie from address @first to @last. */
static void lookup_pins(struct gpadl_lookup *found, unsigned long first, unsigned long last,
			unsigned long nr)
{
	first >>= GPADL_BLOCK_SHIFT;
	last >>= GPADL_BLOCK_SHIFT;
	if (!found->nr_pins || first < found->first_block)
		found->first_block = first;
	if (!found->nr_pins || last > found->last_block)
		found->last_block = last;
	found->nr_pins += nr;
}

static void lookup_single_pages(struct gpadl_lookup *found, struct gpadl_walk *walk)
{
	const struct gpadl_region *region = walk->e.region;
	struct gpadl_single_pages s = gpadl_walk_single_pages(walk);
	u64 page, lowest = U64_MAX, highest = 0;
	u32 i;

	for (i = 0; i < s.nr; i++) {
		page = s.words[i] - s.first;
		if (page >= s.nr_region)
			break;
		lowest = min(lowest, page);
		highest = max(highest, page);
	}
	if (!i)
		return;
	gpadl_walk_skip(walk, i);
	found->nr_extents += i;
	if (!region->resident)
		lookup_pins(found, region->what.hva + (lowest << GPADL_PAGE_SHIFT),
			    region->what.hva + (highest << GPADL_PAGE_SHIFT), i);
}

/* Look all pages up in a table. */
static void lookup(struct gpadl_lookup *found, const struct gpadl_pfn_list *w,
		   const struct gpadl_region_table *table)
{
	const struct gpadl_region *region = NULL;
	struct gpadl_walk walk;

	*found = (struct gpadl_lookup) {
		.generation = table->generation,
		.first_region = VMBUS_GPA_REGION_SLOTS,
		.last_region = -1,
	};
	gpadl_walk_init(&walk, w, table);
	while (gpadl_walk_next(&walk)) {
		if (!walk.e.region) {
			found->hole = true;
			continue;
		}
		if (walk.e.region != region)
			lookup_region(found, &walk.e);
		region = walk.e.region;
		if (!region->resident)
			lookup_pins(found, walk.e.hva, gpadl_extent_last(&walk.e),
				    gpadl_extent_pins(&walk.e));
		found->nr_extents++;
		lookup_single_pages(found, &walk);
	}
}

/**
 * gpadl_mapping_covers() - Does every page of a GPADL lie in a region?
 * @mem: the memory
 * @w: the GPADL, complete
 * @found: what was found, for gpadl_mapping_map()
 *
 * It says so of the regions as they are now; if they change, a map looks again.
 *
 * Context: process, may sleep.
 * Return: true if they all do.
 */
bool gpadl_mapping_covers(struct gpadl_mem *mem, const struct gpadl_pfn_list *w,
			  struct gpadl_lookup *found)
{
	struct gpadl_region_table *table = gpadl_region_table_get(mem);

	lookup(found, w, table);
	gpadl_region_table_put(table);
	return !found->hole;
}

/* ---- Using regions ---- */

/* The next region after @i with pages of the GPADL. Mostly there is none: no search then. */
static int lookup_next_region(const struct gpadl_lookup *found, int i)
{
	if (i == found->last_region)
		return i + 1;
	return find_next_bit(found->used, found->last_region, i + 1);
}

static void lookup_put_regions(const struct gpadl_lookup *found,
			       struct gpadl_region_table *table, int end)
{
	int i;

	for (i = found->first_region; i < end; i = lookup_next_region(found, i))
		gpadl_region_unuse(table->regions[i]);
	gpadl_region_table_put(table);
}

/* Become a user of all regions found, or of none: one of them has just been removed. */
static bool lookup_use_regions(const struct gpadl_lookup *found,
			       struct gpadl_region_table *table, bool write)
{
	int i;

	for (i = found->first_region; i <= found->last_region;
	     i = lookup_next_region(found, i)) {
		struct gpadl_region *region = table->regions[i];

		if (!refcount_inc_not_zero(&region->users)) {
			lookup_put_regions(found, table, i);
			return false;
		}
		/* Written to once: the line is read by every map. */
		if (write && !found->read_only && region->resident &&
		    !READ_ONCE(region->written))
			WRITE_ONCE(region->written, true);
	}
	return true;
}

/*
 * Refresh a look-up that is stale, then take a user reference on each region; wait and retry
 * while it is being decided whether they change. Returns the table in which all of it
 * stands; ERR_PTR(-EINTR) on a fatal signal.
 */
static struct gpadl_region_table *lookup_begin(struct gpadl_mem *mem,
					       const struct gpadl_pfn_list *w,
					       struct gpadl_lookup *found, bool write)
{
	struct gpadl_region_table *table;
	int ret;

	do {
		table = gpadl_region_table_get(mem);
		if (found->generation != table->generation)
			lookup(found, w, table);
		if (lookup_use_regions(found, table, write)) {
			if (gpadl_region_table_is_current(mem, table))
				return table;
			lookup_put_regions(found, table, found->last_region + 1);
		}
		ret = gpadl_region_wait_switch(mem);
	} while (!ret);
	return ERR_PTR(ret);
}

/* Has anything changed under a resident region with pages that were looked up? */
static bool lookup_is_stale(struct gpadl_mem *mem, const struct gpadl_lookup *found,
			    const struct gpadl_region_table *table)
{
	const struct gpadl_region *region;
	int i;

	gpadl_relook_failures(mem);
	for (i = found->first_region; i <= found->last_region;
	     i = lookup_next_region(found, i)) {
		region = table->regions[i];
		if (region->resident && gpadl_watch_any(&region->watch))
			return true;
	}
	return false;
}

/* ---- Pinning ---- */

/* Few pages, wherever they are, and so many if they are in few runs: that is a short list. */
#define FEW_PAGES		16u
#define SHORT_PAGES		64u
#define SHORT_PAGES_PER_RUN	8

/*
 * Most lists are short: rings, and the requests of a device. They are pinned run by run, and
 * listed page by page, in two plain loops over the runs, all of which lie in one region.
 */
static bool lookup_is_short(const struct gpadl_lookup *found, const struct gpadl_pfn_list *w)
{
	if (!found->nr_pins || found->first_region != found->last_region ||
	    PAGE_SIZE > GPADL_PAGE_SIZE)
		return false;
	return w->nr_pages <= FEW_PAGES ||
	       (w->nr_pages <= SHORT_PAGES &&
		w->nr_pages >= SHORT_PAGES_PER_RUN * w->nr_runs);
}

/*
 * By the run as well: where pages are so far apart that a bitmap of their blocks would be
 * larger than their scatterlist, or lie in blocks of their own.
 */
#define BLOCKS_PER_PIN_MAX	4

static void want_single_pages(struct gpadl_pin_plan *pins, struct gpadl_walk *walk)
{
	const unsigned long hva = walk->e.region->what.hva;
	struct gpadl_single_pages s = gpadl_walk_single_pages(walk);
	u64 page;
	u32 i;

	for (i = 0; i < s.nr; i++) {
		page = s.words[i] - s.first;
		if (page >= s.nr_region ||
		    !gpadl_pin_plan_want_page(pins, hva + (page << GPADL_PAGE_SHIFT)))
			break;
	}
	gpadl_walk_skip(walk, i);
}

/* Note all that is to be pinned. False: too thin, to be pinned by the run. */
static bool mapping_want(const struct vmbus_mapping *m, const struct gpadl_pfn_list *w,
			 struct gpadl_pin_plan *pins)
{
	struct gpadl_walk walk;

	gpadl_walk_init(&walk, w, m->table);
	while (gpadl_walk_next(&walk)) {
		if (walk.e.region->resident)
			continue;
		if (!gpadl_pin_plan_want(pins, walk.e.hva & PAGE_MASK, gpadl_extent_pins(&walk.e)))
			return false;
		want_single_pages(pins, &walk);
	}
	return true;
}

/* How to pin: by the block, if pins->blocks is not NULL after. */
static int mapping_plan(const struct vmbus_mapping *m, const struct gpadl_pfn_list *w,
			struct gpadl_pin_plan *pins)
{
	const struct gpadl_lookup *found = m->found;
	int ret;

	pins->blocks = NULL;
	if (found->nr_pins <= FEW_PAGES ||
	    found->last_block - found->first_block >= BLOCKS_PER_PIN_MAX * found->nr_pins)
		return 0;
	ret = gpadl_pin_plan_init(pins, found->first_block, found->last_block, found->nr_pins);
	if (ret || !mapping_want(m, w, pins)) {
		gpadl_pin_plan_free(pins);
		pins->blocks = NULL;
	}
	return ret;
}

/* Pin every extent that is not resident, each from its lowest page up. */
static int mapping_pin_runs(const struct vmbus_mapping *m, const struct gpadl_pfn_list *w,
			    struct gpadl_pin_ctx *pin)
{
	struct gpadl_walk walk;
	int ret;

	gpadl_walk_init(&walk, w, m->table);
	while (gpadl_walk_next(&walk)) {
		if (walk.e.region->resident)
			continue;
		ret = gpadl_mem_pin(pin, walk.e.hva & PAGE_MASK, gpadl_extent_pins(&walk.e));
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

/* ---- Mapping ---- */

static int mapping_pin_short(const struct vmbus_mapping *m, const struct gpadl_pfn_list *w,
			     struct gpadl_pin_ctx *pin)
{
	const struct gpadl_region *region = m->table->regions[m->found->first_region];
	struct gpadl_short_walk walk = gpadl_short_walk(w, region);
	int ret;

	while (gpadl_short_next(&walk)) {
		ret = gpadl_mem_pin(pin, walk.hva, walk.run.nr);
		if (ret)
			return ret;
	}
	return 0;
}

/* Apart from the others: a short list is not to pay for what this has on the stack. */
static noinline int mapping_pin_long(struct vmbus_mapping *m, const struct gpadl_pfn_list *w,
				     struct gpadl_pin_ctx *pin, unsigned int max_segment)
{
	struct gpadl_pin_plan pins;
	int ret;

	ret = mapping_plan(m, w, &pins);
	if (ret)
		return ret;
	if (!pins.blocks) {
		ret = mapping_pin_runs(m, w, pin);
		return ret ?: gpadl_sg_make(m, w, NULL, pin->pages, max_segment);
	}
	ret = gpadl_pin_plan_take(&pins, pin, &m->pinned);
	if (!ret)
		ret = gpadl_sg_make(m, w, &pins, NULL, max_segment);
	gpadl_pin_plan_free(&pins);
	return ret;
}

/* With room for all, and all charged: pin, and build the scatterlist. */
static int mapping_pin_and_list(struct vmbus_mapping *m, const struct gpadl_pfn_list *w,
				struct gpadl_pin_ctx *pin, unsigned int max_segment)
{
	int ret;

	if (!m->is_short)
		return mapping_pin_long(m, w, pin, max_segment);
	ret = mapping_pin_short(m, w, pin);
	return ret ?: gpadl_sg_make_short(m, w, pin->pages, max_segment);
}

/* What is kept of the list of pinned pages, now that all of them are. */
static void mapping_keep_pinned(struct vmbus_mapping *m)
{
	struct gpadl_pin_set *pinned = &m->pinned;

	if (m->is_short) {
		/*
		 * All one behind the other: cheaper to unpin by the range. It begins where
		 * the list does: the pages of a run that goes down were pinned upwards.
		 */
		if (m->sgt.orig_nents == 1) {
			m->range.page = sg_page(m->sgt.sgl);
			m->range.nr = pinned->nr_pages;
			pinned->ranges = &m->range;
			pinned->nr_ranges = 1;
			pinned->nr_pages = 0;
		}
	} else if (!pinned->nr_pages) {
		/* Huge pages: all of it is ranges. */
		kvfree(pinned->pages);
		pinned->pages = NULL;
	}
}

static void mapping_unpin(struct vmbus_mapping *m, bool dirty)
{
	struct gpadl_pin_set *pinned = &m->pinned;

	gpadl_pin_set_unpin(pinned, dirty);
	if (pinned->ranges != &m->range)
		kvfree(pinned->ranges);
	if (!m->is_short)
		kvfree(pinned->pages);
}

static int mapping_pin(struct vmbus_mapping *m, const struct gpadl_pfn_list *w,
		       struct gpadl_pin_ctx *pin, unsigned int max_segment)
{
	const unsigned long nr = m->found->nr_pins;
	int ret;

	pin->write = m->writable;
	pin->pages = m->few;
	if (!m->is_short)
		pin->pages = kvmalloc_array(nr, sizeof(*pin->pages),
					    GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!pin->pages)
		return -ENOMEM;
	ret = mapping_pin_and_list(m, w, pin, max_segment);
	m->pinned.pages = pin->pages;
	m->pinned.nr_pages = pin->done;
	if (ret)
		mapping_unpin(m, false);
	else
		mapping_keep_pinned(m);
	return ret;
}

/* With the address space at hand. */
static int mapping_charge_and_pin(struct gpadl_mem *mem, struct vmbus_mapping *m,
				  const struct gpadl_pfn_list *w, struct gpadl_pin_ctx *pin,
				  unsigned int max_segment)
{
	int ret;

	ret = gpadl_mem_charge(mem, m->found->nr_pins);
	if (ret)
		return ret;
	ret = mapping_pin(m, w, pin, max_segment);
	if (ret)
		gpadl_mem_uncharge(mem, m->found->nr_pins);
	return ret;
}

static int mapping_make(struct gpadl_mem *mem, struct vmbus_mapping *m,
			const struct gpadl_pfn_list *w, unsigned int max_segment)
{
	struct gpadl_pin_ctx pin;
	int ret;

	/* Resident: the address space is not needed. */
	if (!m->found->nr_pins)
		return gpadl_sg_make(m, w, NULL, NULL, max_segment);
	ret = gpadl_mem_enter(mem, &pin);
	if (ret)
		return ret;
	ret = mapping_charge_and_pin(mem, m, w, &pin, max_segment);
	gpadl_mem_leave(&pin);
	return ret;
}

/*
 * With room for a scatterlist as long as that of the last map, if that was not long, and for
 * the pages of a short list: more is allocated where it is needed.
 */
static struct gpadl_mapping *mapping_alloc(const struct gpadl_pfn_list *w,
					   const struct gpadl_lookup *found)
{
	unsigned int nr_sgl = min(found->nr_entries ?: FEW_PAGES, w->nr_pages);
	bool is_short = lookup_is_short(found, w);
	unsigned long nr_few = is_short ? found->nr_pins : 0;
	struct gpadl_mapping *m;

	if (nr_sgl > SHORT_PAGES)
		nr_sgl = 1;
	m = kmalloc(struct_size(m, few_sgl, nr_sgl) + nr_few * sizeof(struct page *),
		    GFP_KERNEL_ACCOUNT);
	if (!m)
		return NULL;
	m->map = (struct vmbus_mapping) {
		.found = found,
		.is_short = is_short,
		.few_sgl = m->few_sgl,
		.nr_few_sgl = nr_sgl,
		.few = (struct page **)(m->few_sgl + nr_sgl),
	};
	refcount_set(&m->ref, 1);
	m->armed = false;
	m->told = false;
	return m;
}

/* What was looked up can be mapped: do it. */
static struct gpadl_mapping *mapping_create(struct gpadl_mem *mem,
					    const struct gpadl_pfn_list *w,
					    const struct gpadl_lookup *found,
					    struct gpadl_region_table *table, bool write,
					    unsigned int max_segment)
{
	struct gpadl_mapping *m = mapping_alloc(w, found);
	int ret;

	if (!m)
		return ERR_PTR(-ENOMEM);
	m->map.table = table;
	m->map.writable = write;
	ret = mapping_make(mem, &m->map, w, max_segment);
	if (ret) {
		kfree(m);
		return ERR_PTR(ret);
	}
	return m;
}

/* Why what was looked up cannot be mapped, if so. Resident pages are those that are there. */
static int lookup_check(struct gpadl_mem *mem, const struct gpadl_pfn_list *w,
			const struct gpadl_lookup *found,
			const struct gpadl_region_table *table, bool write)
{
	if (write && found->read_only)
		return -EACCES;
	/* Told also where nothing is to be pinned. */
	if (!atomic_read(&mem->mm->mm_users))
		return -ESRCH;
	if (found->hole)
		return -EFAULT;
	return lookup_is_stale(mem, found, table) ? gpadl_relook(mem, w, table) : 0;
}

/**
 * gpadl_mapping_map() - Pin the pages of a GPADL and list them
 * @mem: the memory
 * @w: the GPADL, complete
 * @found: of gpadl_mapping_covers(), and of maps before; stays as it is until the unmap
 * @write: the pages will be written to
 * @max_segment: length that an entry of the scatterlist has at most; whole pages
 *
 * Context: process, kernel threads included; may sleep for as long as the VMM likes.
 * Return: the mapping, for gpadl_mapping_unmap() and kfree(); ERR_PTR of -EACCES, -ESRCH,
 * -EFAULT, -ENOMEM or -EINTR as vmbus_gpadl_map().
 */
struct gpadl_mapping *gpadl_mapping_map(struct gpadl_mem *mem, const struct gpadl_pfn_list *w,
					struct gpadl_lookup *found, bool write,
					unsigned int max_segment)
{
	struct gpadl_region_table *table = lookup_begin(mem, w, found, write);
	struct gpadl_mem_account acct;
	struct gpadl_mapping *m;

	if (IS_ERR(table))
		return ERR_CAST(table);
	m = ERR_PTR(lookup_check(mem, w, found, table, write));
	if (!m) {
		gpadl_mem_account_begin(mem, &acct);
		m = mapping_create(mem, w, found, table, write, max_segment);
		gpadl_mem_account_end(&acct);
	}
	if (IS_ERR(m))
		lookup_put_regions(found, table, found->last_region + 1);
	else
		found->nr_entries = m->map.sgt.orig_nents;
	return m;
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_mapping_map);

/**
 * gpadl_mapping_unmap() - Unpin what gpadl_mapping_map() pinned
 * @mem: the memory
 * @m: the mapping
 *
 * Context: process, may sleep, allocates nothing. Any thread: neither the VMM nor its
 * address space need to be there any more.
 */
void gpadl_mapping_unmap(struct gpadl_mem *mem, struct vmbus_mapping *m)
{
	KUNIT_STATIC_STUB_REDIRECT(gpadl_mapping_unmap, mem, m);
	if (m->found->nr_pins) {
		mapping_unpin(m, m->writable);
		gpadl_mem_uncharge(mem, m->found->nr_pins);
	}
	gpadl_sg_free(m);
	lookup_put_regions(m->found, m->table, m->found->last_region + 1);
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
