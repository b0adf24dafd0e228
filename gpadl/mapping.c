// SPDX-License-Identifier: GPL-2.0
/*
 * A GPADL's pages: looked up, pinned and listed.
 *
 * A mapping owns its pins from the moment that they are taken until it is unmapped,
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
 * writes to the page's folio; a hugetlb page is pinned once, a resident region not at all.
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
static void lookup(struct gpadl_lookup *found, const struct gpadl_wire *w,
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
	found->hva = walk.e.hva;
	found->down = walk.e.down;
}

/**
 * gpadl_mapping_covers() - Does every page of a GPADL lie in a region?
 * @mem: the memory
 * @w: the GPADL, complete
 * @m: its mapping, zeroed; remembers what was found for gpadl_mapping_map()
 *
 * It says so of the regions as they are now; if they change, a map looks again.
 *
 * Context: process, may sleep.
 * Return: true if they all do.
 */
bool gpadl_mapping_covers(struct gpadl_mem *mem, const struct gpadl_wire *w,
			  struct gpadl_mapping *m)
{
	struct gpadl_region_table *table = gpadl_region_table_get(mem);

	lookup(&m->found, w, table);
	gpadl_region_table_put(table);
	return !m->found.hole;
}

/* ---- Using regions ---- */

/* The next region after @i with pages of the GPADL. Mostly there is none: no search then. */
static int lookup_next_region(const struct gpadl_lookup *found, int i)
{
	if (i == found->last_region)
		return i + 1;
	return find_next_bit(found->used, found->last_region, i + 1);
}

static void mapping_put_regions(struct gpadl_mapping *m, int end)
{
	int i;

	for (i = m->found.first_region; i < end; i = lookup_next_region(&m->found, i))
		refcount_dec(&m->table->regions[i]->users);
	gpadl_region_table_put(m->table);
}

/* Become a user of all regions found, or of none: one of them has just been removed. */
static bool mapping_use_regions(struct gpadl_mapping *m)
{
	const struct gpadl_lookup *found = &m->found;
	int i;

	for (i = found->first_region; i <= found->last_region;
	     i = lookup_next_region(found, i)) {
		struct gpadl_region *region = m->table->regions[i];

		if (!refcount_inc_not_zero(&region->users)) {
			mapping_put_regions(m, i);
			return false;
		}
		/* Written to once: the line is read by every map. */
		if (m->writable && region->resident && !READ_ONCE(region->written))
			WRITE_ONCE(region->written, true);
	}
	return true;
}

/* What is known of the pages is still so, or is found out; their regions are used. */
static void mapping_look_up(struct gpadl_mem *mem, const struct gpadl_wire *w,
			    struct gpadl_mapping *m)
{
	for (;;) {
		m->table = gpadl_region_table_get(mem);
		if (m->found.generation != m->table->generation)
			lookup(&m->found, w, m->table);
		if (mapping_use_regions(m))
			return;
		/* Not long: whoever retired it publishes next, or puts it back. */
		cond_resched();
	}
}

/* ---- Pinning ---- */

/*
 * By the run: where there are few pages, and where they are so far apart that a bitmap of
 * their blocks would be larger than their scatterlist, or lie in blocks of their own.
 */
#define PINS_BY_RUN_MAX		16u
#define BLOCKS_PER_PIN_MAX	4

static void want_single_pages(struct gpadl_pins *pins, struct gpadl_walk *walk)
{
	const unsigned long hva = walk->e.region->what.hva;
	struct gpadl_single_pages s = gpadl_walk_single_pages(walk);
	u64 page;
	u32 i;

	for (i = 0; i < s.nr; i++) {
		page = s.words[i] - s.first;
		if (page >= s.nr_region ||
		    !gpadl_pins_want_page(pins, hva + (page << GPADL_PAGE_SHIFT)))
			break;
	}
	gpadl_walk_skip(walk, i);
}

/* Note all that is to be pinned. False: too thin, to be pinned by the run. */
static bool mapping_want(const struct gpadl_mapping *m, const struct gpadl_wire *w,
			 struct gpadl_pins *pins)
{
	struct gpadl_walk walk;

	gpadl_walk_init(&walk, w, m->table);
	while (gpadl_walk_next(&walk)) {
		if (walk.e.region->resident)
			continue;
		if (!gpadl_pins_want(pins, walk.e.hva & PAGE_MASK, gpadl_extent_pins(&walk.e)))
			return false;
		want_single_pages(pins, &walk);
	}
	return true;
}

/* How to pin: by the block, if pins->blocks is not NULL after. */
static int mapping_plan(const struct gpadl_mapping *m, const struct gpadl_wire *w,
			struct gpadl_pins *pins)
{
	const struct gpadl_lookup *found = &m->found;
	int ret;

	pins->blocks = NULL;
	if (found->nr_pins <= PINS_BY_RUN_MAX ||
	    found->last_block - found->first_block >= BLOCKS_PER_PIN_MAX * found->nr_pins)
		return 0;
	ret = gpadl_pins_init(pins, found->first_block, found->last_block, found->nr_pins);
	if (ret || !mapping_want(m, w, pins)) {
		gpadl_pins_free(pins);
		pins->blocks = NULL;
	}
	return ret;
}

/* Pin every extent that is not resident, each from its lowest page up. */
static int mapping_pin_runs(const struct gpadl_mapping *m, const struct gpadl_wire *w,
			    struct gpadl_pinning *pin)
{
	struct gpadl_walk walk;
	int ret;

	if (m->found.nr_extents == 1)
		return gpadl_mem_pin(pin, m->found.hva & PAGE_MASK, m->found.nr_pins);

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

/* With room for all, and all charged: pin, and build the scatterlist. */
static int mapping_pin(struct gpadl_mapping *m, const struct gpadl_wire *w,
		       struct gpadl_pinning *pin)
{
	struct gpadl_pins pins;
	int ret;

	ret = mapping_plan(m, w, &pins);
	if (ret)
		return ret;
	if (!pins.blocks) {
		ret = mapping_pin_runs(m, w, pin);
		return ret ?: gpadl_sg_make(m, w, NULL, pin->pages);
	}
	ret = gpadl_pins_take(&pins, pin, &m->pinned);
	if (!ret)
		ret = gpadl_sg_make(m, w, &pins, NULL);
	gpadl_pins_free(&pins);
	return ret;
}

/*
 * As few pages as a ring has, one after the other: what is pinned is what is listed, and
 * needs no list of its own.
 */
static int mapping_pin_few(struct gpadl_mapping *m, const struct gpadl_wire *w,
			   struct gpadl_pinning *pin)
{
	struct page *few[PINS_BY_RUN_MAX];
	int ret;

	pin->pages = few;
	ret = mapping_pin(m, w, pin);
	if (ret)
		unpin_user_pages(few, pin->done);
	m->is_listed = !ret;
	return ret;
}

static int mapping_pin_many(struct gpadl_mapping *m, const struct gpadl_wire *w,
			    struct gpadl_pinning *pin)
{
	int ret;

	pin->pages = kvmalloc_array(m->found.nr_pins, sizeof(*pin->pages),
				    GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!pin->pages)
		return -ENOMEM;
	ret = mapping_pin(m, w, pin);
	m->pinned.pages = pin->pages;
	m->pinned.nr_pages = pin->done;
	if (ret) {
		gpadl_pinned_drop(&m->pinned, false);
	} else if (!pin->done) {
		/* Huge pages: all of it is ranges. */
		kvfree(m->pinned.pages);
		m->pinned.pages = NULL;
	}
	return ret;
}

/* With the address space at hand. */
static int mapping_charge_and_pin(struct gpadl_mem *mem, const struct gpadl_wire *w,
				  struct gpadl_mapping *m, struct gpadl_pinning *pin)
{
	const struct gpadl_lookup *found = &m->found;
	int ret;

	ret = gpadl_mem_charge(mem, found->nr_pins);
	if (ret)
		return ret;
	pin->write = m->writable;
	if (found->nr_extents == 1 && !found->down && found->nr_pins <= PINS_BY_RUN_MAX)
		ret = mapping_pin_few(m, w, pin);
	else
		ret = mapping_pin_many(m, w, pin);
	if (ret)
		gpadl_mem_uncharge(mem, found->nr_pins);
	return ret;
}

static int mapping_make(struct gpadl_mem *mem, const struct gpadl_wire *w,
			struct gpadl_mapping *m)
{
	struct gpadl_mem_account acct;
	struct gpadl_pinning pin;
	int ret;

	ret = gpadl_mem_enter(mem, &pin);
	if (ret)
		return ret;
	gpadl_mem_account_begin(mem, &acct);
	ret = m->found.hole ? -EFAULT : mapping_charge_and_pin(mem, w, m, &pin);
	gpadl_mem_account_end(&acct);
	gpadl_mem_leave(&pin);
	return ret;
}

/*
 * All pages are resident: the address space is not needed, nor its count of users. That
 * it is gone is told all the same, as it is where pages are pinned on demand.
 */
static int mapping_make_resident(struct gpadl_mem *mem, const struct gpadl_wire *w,
				 struct gpadl_mapping *m)
{
	struct gpadl_mem_account acct;
	int ret;

	if (!atomic_read(&mem->mm->mm_users))
		return -ESRCH;
	gpadl_mem_account_begin(mem, &acct);
	ret = gpadl_sg_make(m, w, NULL, NULL);
	gpadl_mem_account_end(&acct);
	return ret;
}

/**
 * gpadl_mapping_map() - Pin the pages of a GPADL and list them
 * @mem: the memory
 * @w: the GPADL, complete
 * @write: the pages will be written to
 * @m: the mapping, for gpadl_mapping_unmap(); zeroed, or used for this GPADL before.
 *	Holds nothing on error
 *
 * Context: process, kernel threads included; may sleep for as long as the VMM likes.
 * Return: 0; -EACCES, -ESRCH, -EFAULT, -ENOMEM or -EINTR as vmbus_gpadl_map().
 */
int gpadl_mapping_map(struct gpadl_mem *mem, const struct gpadl_wire *w, bool write,
		      struct gpadl_mapping *m)
{
	int ret;

	m->writable = write;
	m->is_listed = false;
	m->pinned = (struct gpadl_pinned) {};
	mapping_look_up(mem, w, m);
	if (write && m->found.read_only)
		ret = -EACCES;
	else if (m->found.hole || m->found.nr_pins)
		ret = mapping_make(mem, w, m);
	else
		ret = mapping_make_resident(mem, w, m);
	if (ret)
		mapping_put_regions(m, m->found.last_region + 1);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_mapping_map);

/* Host pages that an entry touches. */
static unsigned long sg_pages(const struct scatterlist *sg)
{
	return PAGE_ALIGN(sg->offset + sg->length) >> PAGE_SHIFT;
}

/* What mapping_pin_few() has pinned. Scattered pages are cheaper to unpin all at once. */
static void mapping_unpin_few(struct gpadl_mapping *m)
{
	/* Not nents: that is what dma_map_sgtable() has made of it for the backend's device. */
	struct scatterlist *sg = m->sgt.sgl, *end = sg + m->sgt.orig_nents;
	struct page *few[PINS_BY_RUN_MAX];
	unsigned long i, nr = 0;

	if (m->sgt.orig_nents == 1) {
		unpin_user_page_range_dirty_lock(sg_page(sg), sg_pages(sg), m->writable);
		return;
	}
	for (; sg < end; sg++)
		for (i = 0; i < sg_pages(sg); i++)
			few[nr++] = nth_page(sg_page(sg), i);
	unpin_user_pages_dirty_lock(few, nr, m->writable);
}

/**
 * gpadl_mapping_unmap() - Unpin what gpadl_mapping_map() pinned
 * @mem: the memory
 * @m: the mapping
 *
 * Context: process, may sleep, allocates nothing. Any thread: neither the VMM nor its
 * address space need to be there any more.
 */
void gpadl_mapping_unmap(struct gpadl_mem *mem, struct gpadl_mapping *m)
{
	KUNIT_STATIC_STUB_REDIRECT(gpadl_mapping_unmap, mem, m);
	if (m->found.nr_pins) {
		if (m->is_listed)
			mapping_unpin_few(m);
		else
			gpadl_pinned_drop(&m->pinned, m->writable);
		gpadl_mem_uncharge(mem, m->found.nr_pins);
	}
	gpadl_sg_free(m);
	mapping_put_regions(m, m->found.last_region + 1);
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_mapping_unmap);

/* ---- Virtual mapping ---- */

/* Can the entries be laid side by side, page by page? Always, if pages are 4 KiB. */
static bool mapping_is_pagewise(const struct gpadl_mapping *m)
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
void *gpadl_mapping_vmap(const struct gpadl_mapping *m)
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
