// SPDX-License-Identifier: GPL-2.0
/*
 * What a map pins, block by block.
 *
 * Most of what a pin costs is the way to it, which adjoining pages share. A guest names
 * its pages in any order, but those of a buffer mostly lie close together. So the pages
 * are entered into bitmaps first, one for each block (2 MiB on x86), and pinned from these:
 * each once, upwards, many at a time. No sort: a look-up by address finds a page's place
 * among the pinned ones by counting bits.
 *
 * Of a hugetlb page one pin is enough: it keeps the whole page, and an aligned block of
 * addresses that one of its pages backs is backed by it alone, with the same access. (Not
 * so with a transparent huge page: the process may have mapped any part of it anywhere.)
 *
 * The bitmaps live for as long as it takes to make the scatterlist. What is kept while the
 * GPADL is mapped is a range for each block whose pages follow each other physically, and
 * the list of the other pages.
 */
#include <linux/bitmap.h>
#include <linux/errno.h>
#include <linux/hugetlb.h>
#include <linux/io.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "pins.h"

/* A block's bitmap is worth it from so many pages per block on, on the average. */
#define PAGES_PER_BLOCK_MIN	8

/**
 * gpadl_pin_plan_init() - Prepare to pin by the block
 * @plan: the plan, for gpadl_pin_plan_free() also on error
 * @first: number of the lowest block
 * @last: number of the highest block
 * @nr: how many pages will be wanted at most
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM if there is no memory.
 */
int gpadl_pin_plan_init(struct gpadl_pin_plan *plan, unsigned long first, unsigned long last,
			unsigned long nr)
{
	*plan = (struct gpadl_pin_plan) {
		.first = first,
		.mask = roundup_pow_of_two(last - first + 1) - 1,
	};
	plan->room = min(last - first + 1, nr / PAGES_PER_BLOCK_MIN + 1);
	plan->wanted = kvmalloc_array(plan->room, sizeof(*plan->wanted),
				      GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	plan->ranges = kvmalloc_array(plan->room, sizeof(*plan->ranges),
				      GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	plan->blocks = kvcalloc(plan->mask + 1, sizeof(*plan->blocks),
				GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	return plan->wanted && plan->ranges && plan->blocks ? 0 : -ENOMEM;
}

/**
 * gpadl_pin_plan_free() - Free what gpadl_pin_plan_init() has allocated; what is pinned stays
 * @plan: the plan
 *
 * Context: process.
 */
void gpadl_pin_plan_free(struct gpadl_pin_plan *plan)
{
	kvfree(plan->wanted);
	kvfree(plan->ranges);
	kvfree(plan->blocks);
}

static struct gpadl_pin_block *plan_begin_block(struct gpadl_pin_plan *plan,
						unsigned long number)
{
	struct gpadl_pin_block *b;

	if (plan->nr_wanted == plan->room)
		return NULL;
	b = &plan->wanted[plan->nr_wanted++];
	b->number = number;
	bitmap_zero(b->wanted, GPADL_BLOCK_PAGES);
	plan->blocks[number - plan->first] = (unsigned long)b;
	return b;
}

/**
 * gpadl_pin_plan_want() - Note pages that are to be pinned
 * @plan: the plan
 * @hva: of the first, a multiple of PAGE_SIZE; in the blocks of gpadl_pin_plan_init()
 * @nr: host pages
 *
 * Context: any.
 * Return: false if there are too many blocks for too few pages.
 */
bool gpadl_pin_plan_want(struct gpadl_pin_plan *plan, unsigned long hva, unsigned long nr)
{
	while (nr) {
		unsigned long number = hva >> GPADL_BLOCK_SHIFT;
		unsigned long i = (hva & ~GPADL_BLOCK_MASK) >> PAGE_SHIFT;
		unsigned long n = min(nr, GPADL_BLOCK_PAGES - i);
		struct gpadl_pin_block *b;

		b = (void *)(unsigned long)plan->blocks[gpadl_pin_plan_index(plan, hva)];
		if (!b)
			b = plan_begin_block(plan, number);
		if (!b)
			return false;
		bitmap_set(b->wanted, i, n);
		hva += n << PAGE_SHIFT;
		nr -= n;
	}
	return true;
}

/**
 * gpadl_page_fills_block() - Is a page part of a hugetlb page that is all of its block?
 * @page: the page, pinned
 * @i: which of the block's pages it is
 *
 * Then the pin is one of all of the block: a hugetlb page is mapped, and unmapped, as a whole.
 *
 * Context: any.
 * Return: true if it is.
 */
bool gpadl_page_fills_block(struct page *page, unsigned long i)
{
	struct folio *folio = page_folio(page);

	return folio_test_hugetlb(folio) && folio_size(folio) >= GPADL_BLOCK_SIZE &&
	       IS_ALIGNED(page_to_phys(page) - (i << PAGE_SHIFT), GPADL_BLOCK_SIZE);
}

/*
 * What a block whose page @i is @page has in gpadl_pin_plan.blocks. May wrap below 0 when the
 * block begins before physical page 0; look-ups add an offset that wraps it back.
 */
static u64 block_contiguous(struct page *page, unsigned long i)
{
	return (page_to_phys(page) - (i << PAGE_SHIFT)) | GPADL_BLOCK_CONTIGUOUS;
}

/* All wanted pages of a block are pinned: how are they found? */
static u64 block_entry(struct gpadl_pin_block *b)
{
	unsigned long first = find_first_bit(b->wanted, GPADL_BLOCK_PAGES);
	u64 contiguous = block_contiguous(b->pages[0], first);
	unsigned long begin, end, n = 0;
	unsigned int i;

	for_each_set_bitrange(begin, end, b->wanted, GPADL_BLOCK_PAGES) {
		if (block_contiguous(b->pages[n], begin) != contiguous ||
		    gpadl_pages_follow(b->pages + n, end - begin) < end - begin)
			goto scattered;
		n += end - begin;
	}
	return contiguous;

scattered:
	for (i = 0, n = 0; i < BITS_TO_LONGS(GPADL_BLOCK_PAGES); i++) {
		b->before[i] = n;
		n += hweight_long(b->wanted[i]);
	}
	return (unsigned long)b;
}

/* Where the first wanted page of a block is. */
static unsigned long block_first(const struct gpadl_pin_block *b)
{
	return find_first_bit(b->wanted, GPADL_BLOCK_PAGES);
}

/* Pin @nr pages of a block, from page @begin on. */
static int block_pin_pages(const struct gpadl_pin_block *b, struct gpadl_pin_ctx *pin,
			   unsigned long begin, unsigned long nr)
{
	return gpadl_mem_pin(pin, (b->number << GPADL_BLOCK_SHIFT) + (begin << PAGE_SHIFT), nr);
}

/* Pin the wanted pages of a block, but for those that are pinned already: none, or the first. */
static int block_pin(const struct gpadl_pin_block *b, struct gpadl_pin_ctx *pin)
{
	unsigned long begin = block_first(b) + (pin->pages + pin->done - b->pages), end;
	int ret;

	for_each_set_bitrange_from(begin, end, b->wanted, GPADL_BLOCK_PAGES) {
		ret = block_pin_pages(b, pin, begin, end - begin);
		if (ret)
			return ret;
	}
	return 0;
}

/* The last @nr of the pages pinned so far need no list: they follow each other. */
static void set_make_range(struct gpadl_pin_set *set, struct gpadl_pin_ctx *pin,
			   unsigned long nr)
{
	struct gpadl_pin_range *range = &set->ranges[set->nr_ranges++];

	pin->done -= nr;
	range->page = pin->pages[pin->done];
	range->nr = nr;
}

static u64 *plan_entry(struct gpadl_pin_plan *plan, const struct gpadl_pin_block *b)
{
	return &plan->blocks[b->number - plan->first];
}

/* The one page that is pinned of a block is all of it: see what follows from that. */
static void plan_take_huge(struct gpadl_pin_plan *plan, struct gpadl_pin_block *b,
			   struct gpadl_pin_ctx *pin, struct gpadl_pin_set *set)
{
	*plan_entry(plan, b) = block_contiguous(b->pages[0], block_first(b));
	set_make_range(set, pin, 1);
}

/* Pin what is wanted of a block, and see how it lies. */
static int plan_take_block(struct gpadl_pin_plan *plan, struct gpadl_pin_block *b,
			   struct gpadl_pin_ctx *pin, struct gpadl_pin_set *set)
{
	unsigned long nr, first = block_first(b);
	u64 entry;
	int ret;

	ret = block_pin(b, pin);
	if (ret)
		return ret;
	nr = pin->pages + pin->done - b->pages;
	entry = block_entry(b);
	*plan_entry(plan, b) = entry;
	if (!(entry & GPADL_BLOCK_CONTIGUOUS))
		plan->nr_scattered += nr;
	else if (find_next_zero_bit(b->wanted, GPADL_BLOCK_PAGES, first) == first + nr)
		set_make_range(set, pin, nr);
	return 0;
}

/**
 * gpadl_pin_plan_take() - Pin what is wanted
 * @plan: the plan
 * @pin: has room for as many pages as were wanted
 * @set: for gpadl_pin_set_unpin(), also on error. Its pages are those of @pin
 *
 * Context: process, may sleep for as long as the VMM likes.
 * Return: 0; -EFAULT, -ENOMEM or -EINTR as vmbus_gpadl_map().
 */
int gpadl_pin_plan_take(struct gpadl_pin_plan *plan, struct gpadl_pin_ctx *pin,
			struct gpadl_pin_set *set)
{
	struct gpadl_pin_block *b;
	bool huge = true;
	int ret;

	set->ranges = plan->ranges;
	plan->ranges = NULL;
	for (b = plan->wanted; b < plan->wanted + plan->nr_wanted; b++) {
		b->pages = pin->pages + pin->done;
		/* Up to the first block that is no hugetlb page: mostly all are, or none. */
		if (huge) {
			ret = block_pin_pages(b, pin, block_first(b), 1);
			if (ret)
				return ret;
			huge = gpadl_page_fills_block(b->pages[0], block_first(b));
		}
		if (huge) {
			plan_take_huge(plan, b, pin, set);
		} else {
			ret = plan_take_block(plan, b, pin, set);
			if (ret)
				return ret;
		}
		cond_resched();
	}
	return 0;
}

/**
 * gpadl_pin_set_unpin_all() - gpadl_pin_set_unpin() of more than a page
 * @set: what; its lists stay the caller's
 * @dirty: the pages may have been written to
 *
 * Context: as gpadl_pin_set_unpin().
 */
void gpadl_pin_set_unpin_all(const struct gpadl_pin_set *set, bool dirty)
{
	unsigned long i;

	for (i = 0; i < set->nr_ranges; i++)
		unpin_user_page_range_dirty_lock(set->ranges[i].page,
						 set->ranges[i].nr, dirty);
	if (set->nr_pages)
		unpin_user_pages_dirty_lock(set->pages, set->nr_pages, dirty);
}

/* Those of a range that lie in one folio with the first are as dirty as that one is. */
static unsigned long range_in_folio(struct page *page, unsigned long nr)
{
	struct folio *folio = page_folio(page);

	return min_t(unsigned long, nr, folio_nr_pages(folio) - folio_page_idx(folio, page));
}

/* The lock keeps the page from being taken out of its file meanwhile. */
static void page_mark_dirty(struct page *page)
{
	struct folio *folio = page_folio(page);

	if (!folio_trylock(folio))
		return;
	folio_mark_dirty(folio);
	folio_unlock(folio);
}

/**
 * gpadl_pin_set_mark_dirty() - Mark what is pinned as dirty
 * @set: what
 *
 * As far as nobody holds the lock of a page, which may be for as long as a FUSE server likes, and
 * whose wait cannot be killed.
 *
 * Context: process, may sleep.
 */
void gpadl_pin_set_mark_dirty(const struct gpadl_pin_set *set)
{
	unsigned long i, n, nr;

	for (i = 0; i < set->nr_pages; i++)
		page_mark_dirty(set->pages[i]);
	for (i = 0; i < set->nr_ranges; i++) {
		struct page *page = set->ranges[i].page;

		for (nr = set->ranges[i].nr; nr; nr -= n) {
			n = range_in_folio(page, nr);
			page_mark_dirty(page);
			page += n;
		}
	}
}

/**
 * gpadl_pin_set_is_dirty_all() - gpadl_pin_set_is_dirty() of more than a page
 * @set: what
 *
 * Context: any.
 * Return: true if so.
 */
bool gpadl_pin_set_is_dirty_all(const struct gpadl_pin_set *set)
{
	unsigned long i, n, nr;

	for (i = 0; i < set->nr_pages; i++)
		if (!folio_test_dirty(page_folio(set->pages[i])))
			return false;
	for (i = 0; i < set->nr_ranges; i++) {
		struct page *page = set->ranges[i].page;

		for (nr = set->ranges[i].nr; nr; nr -= n) {
			n = range_in_folio(page, nr);
			if (!folio_test_dirty(page_folio(page)))
				return false;
			page += n;
		}
	}
	return true;
}
