/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a map pins, block by block: each page once, and those that follow each other in
 * one go, in whatever order a guest's list names them.
 *
 * Knows pages and addresses; neither guests nor owners.
 */
#ifndef _GPADL_PINS_H
#define _GPADL_PINS_H

#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/types.h>

#include "mem.h"
#include "resident.h"

/* A block whose pages follow each other physically; the rest is the first one's address. */
#define GPADL_BLOCK_CONTIGUOUS	BIT(0)

/**
 * struct gpadl_pin_block - a block with pages that are to be pinned
 * @number: address of the block, in blocks
 * @pages: its pages, once they are pinned, lowest first; of no use if it is contiguous
 * @before: for each long of @wanted, the pages that those before it name
 * @wanted: the pages
 */
struct gpadl_pin_block {
	unsigned long number;
	struct page **pages;
	u16 before[BITS_TO_LONGS(GPADL_BLOCK_PAGES)];
	DECLARE_BITMAP(wanted, GPADL_BLOCK_PAGES);
};

/**
 * struct gpadl_pin_range - pinned pages that follow each other physically
 * @page: the first
 * @nr: how many pins: of so many pages, or of the hugetlb page that @page is part of
 */
struct gpadl_pin_range {
	struct page *page;
	unsigned long nr;
};

/**
 * struct gpadl_pin_set - what has been pinned and is to be unpinned
 * @pages: pages, each for itself
 * @nr_pages: number of these
 * @ranges: and ranges of pages
 * @nr_ranges: number of these
 */
struct gpadl_pin_set {
	struct page **pages;
	unsigned long nr_pages;
	struct gpadl_pin_range *ranges;
	unsigned long nr_ranges;
};

/**
 * struct gpadl_pin_plan - pages to be pinned, then where they are
 * @first: number of the first block
 * @mask: number of @blocks, which is a power of two, less one
 * @blocks: for each from there on: 0 if nothing is wanted; a physical address with
 *	GPADL_BLOCK_CONTIGUOUS; else its struct gpadl_pin_block
 * @wanted: the blocks with something wanted, as they came
 * @nr_wanted: number of these
 * @room: at most
 * @ranges: room for a range of each block
 * @nr_scattered: pages that are pinned in blocks that are not contiguous
 */
struct gpadl_pin_plan {
	unsigned long first;
	unsigned long mask;
	u64 *blocks;
	struct gpadl_pin_block *wanted;
	unsigned long nr_wanted;
	unsigned long room;
	struct gpadl_pin_range *ranges;
	unsigned long nr_scattered;
};

bool gpadl_page_fills_block(struct page *page, unsigned long i);

int gpadl_pin_plan_init(struct gpadl_pin_plan *plan, unsigned long first, unsigned long last,
			unsigned long nr);
void gpadl_pin_plan_free(struct gpadl_pin_plan *plan);
bool gpadl_pin_plan_want(struct gpadl_pin_plan *plan, unsigned long hva, unsigned long nr);
int gpadl_pin_plan_take(struct gpadl_pin_plan *plan, struct gpadl_pin_ctx *pin,
			struct gpadl_pin_set *set);
void gpadl_pin_set_unpin_all(const struct gpadl_pin_set *set, bool dirty);
void gpadl_pin_set_mark_dirty(const struct gpadl_pin_set *set);
bool gpadl_pin_set_is_dirty_all(const struct gpadl_pin_set *set);

/* A page alone, as most small requests are: the loops over more cost twice what is done to it. */
static inline bool gpadl_pin_set_is_page(const struct gpadl_pin_set *set)
{
	return set->nr_pages == 1 && !set->nr_ranges;
}

/**
 * gpadl_pin_set_unpin() - Unpin
 * @set: what; its lists stay the caller's
 * @dirty: the pages may have been written to
 *
 * Context: process, may sleep, if @dirty; else any but NMI. Allocates nothing. Any thread.
 */
static __always_inline void gpadl_pin_set_unpin(const struct gpadl_pin_set *set, bool dirty)
{
	if (!dirty && gpadl_pin_set_is_page(set))
		unpin_user_page(*set->pages);
	else
		gpadl_pin_set_unpin_all(set, dirty);
}

/**
 * gpadl_pin_set_is_dirty() - Is all that is pinned marked as dirty?
 * @set: what
 *
 * Context: any.
 * Return: true if so.
 */
static __always_inline bool gpadl_pin_set_is_dirty(const struct gpadl_pin_set *set)
{
	if (gpadl_pin_set_is_page(set))
		return folio_test_dirty(page_folio(*set->pages));
	return gpadl_pin_set_is_dirty_all(set);
}

/*
 * An address that the guest chooses is in its region, whatever a processor guesses
 * (gpadl_walk_next()); but if that guesses that the region is pinned on demand and it is
 * resident, not in one of these blocks, whose words are taken for addresses. The mask keeps it
 * there, in one instruction.
 */
static inline unsigned long gpadl_pin_plan_index(const struct gpadl_pin_plan *plan,
						 unsigned long hva)
{
	return ((hva >> GPADL_BLOCK_SHIFT) - plan->first) & plan->mask;
}

/**
 * gpadl_pin_plan_want_page() - gpadl_pin_plan_want() for a page of a block that is known
 * @plan: the plan
 * @hva: an address in the page; in the blocks of gpadl_pin_plan_init()
 *
 * Context: any.
 * Return: false if the block is not known yet: this is then for gpadl_pin_plan_want().
 */
static inline bool gpadl_pin_plan_want_page(struct gpadl_pin_plan *plan, unsigned long hva)
{
	u64 block = plan->blocks[gpadl_pin_plan_index(plan, hva)];
	struct gpadl_pin_block *b = (void *)(unsigned long)block;

	if (!b)
		return false;
	__set_bit((hva & ~GPADL_BLOCK_MASK) >> PAGE_SHIFT, b->wanted);
	return true;
}

/**
 * gpadl_pin_plan_entry() - Where is a page, of a block that is not contiguous, in its list?
 * @b: the block
 * @hva: an address in a pinned page of it
 *
 * Context: any.
 * Return: its place in @b->pages. Of pinned pages with adjoining addresses the places
 * adjoin.
 */
static inline struct page **gpadl_pin_plan_entry(const struct gpadl_pin_block *b,
						 unsigned long hva)
{
	unsigned long i = (hva & ~GPADL_BLOCK_MASK) >> PAGE_SHIFT;
	unsigned long below = b->wanted[BIT_WORD(i)] & (BIT_MASK(i) - 1);

	return b->pages + b->before[BIT_WORD(i)] + hweight_long(below);
}

/**
 * gpadl_pin_plan_find() - Where is a pinned page?
 * @plan: the plan, taken
 * @hva: an address in one of them
 * @entry: its place in the list of its block; NULL if the block needs none, being contiguous
 *
 * Context: any.
 * Return: the physical address.
 */
static inline phys_addr_t gpadl_pin_plan_find(const struct gpadl_pin_plan *plan, unsigned long hva,
					      struct page ***entry)
{
	u64 block = plan->blocks[gpadl_pin_plan_index(plan, hva)];

	if (block & GPADL_BLOCK_CONTIGUOUS) {
		*entry = NULL;
		return block - GPADL_BLOCK_CONTIGUOUS + (hva & ~GPADL_BLOCK_MASK);
	}
	*entry = gpadl_pin_plan_entry((void *)(unsigned long)block, hva);
	return page_to_phys(**entry) + offset_in_page(hva);
}

#endif /* _GPADL_PINS_H */
