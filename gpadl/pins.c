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
#include <linux/sched.h>
#include <linux/slab.h>

#include "pins.h"

/* A block's bitmap is worth it from so many pages per block on, on the average. */
#define PAGES_PER_BLOCK_MIN	8

/**
 * gpadl_pin_plan_init() - Prepare to pin by the block
 * @pins: the pins, for gpadl_pin_plan_free() also on error
 * @first: number of the lowest block
 * @last: number of the highest block
 * @nr: how many pages will be wanted at most
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM if there is no memory.
 */
int gpadl_pin_plan_init(struct gpadl_pin_plan *pins, unsigned long first, unsigned long last,
			unsigned long nr)
{
	*pins = (struct gpadl_pin_plan) {
		.first = first,
		.mask = roundup_pow_of_two(last - first + 1) - 1,
	};
	pins->room = min(last - first + 1, nr / PAGES_PER_BLOCK_MIN + 1);
	pins->wanted = kvmalloc_array(pins->room, sizeof(*pins->wanted),
				      GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	pins->ranges = kvmalloc_array(pins->room, sizeof(*pins->ranges),
				      GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	pins->blocks = kvcalloc(pins->mask + 1, sizeof(*pins->blocks),
				GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	return pins->wanted && pins->ranges && pins->blocks ? 0 : -ENOMEM;
}

/**
 * gpadl_pin_plan_free() - Free what gpadl_pin_plan_init() has allocated; what is pinned stays
 * @pins: the pins
 *
 * Context: process.
 */
void gpadl_pin_plan_free(struct gpadl_pin_plan *pins)
{
	kvfree(pins->wanted);
	kvfree(pins->ranges);
	kvfree(pins->blocks);
}

static struct gpadl_pin_block *pins_begin_block(struct gpadl_pin_plan *pins,
						unsigned long number)
{
	struct gpadl_pin_block *b;

	if (pins->nr_wanted == pins->room)
		return NULL;
	b = &pins->wanted[pins->nr_wanted++];
	b->number = number;
	bitmap_zero(b->wanted, GPADL_BLOCK_PAGES);
	pins->blocks[number - pins->first] = (unsigned long)b;
	return b;
}

/**
 * gpadl_pin_plan_want() - Note pages that are to be pinned
 * @pins: the pins
 * @hva: of the first, a multiple of PAGE_SIZE; in the blocks of gpadl_pin_plan_init()
 * @nr: host pages
 *
 * Context: any.
 * Return: false if there are too many blocks for too few pages.
 */
bool gpadl_pin_plan_want(struct gpadl_pin_plan *pins, unsigned long hva, unsigned long nr)
{
	while (nr) {
		unsigned long number = hva >> GPADL_BLOCK_SHIFT;
		unsigned long i = (hva & ~GPADL_BLOCK_MASK) >> PAGE_SHIFT;
		unsigned long n = min(nr, GPADL_BLOCK_PAGES - i);
		struct gpadl_pin_block *b;

		b = (void *)(unsigned long)pins->blocks[gpadl_pin_plan_index(pins, hva)];
		if (!b)
			b = pins_begin_block(pins, number);
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
static void pinned_make_range(struct gpadl_pin_set *pinned, struct gpadl_pin_ctx *pin,
			      unsigned long nr)
{
	struct gpadl_pin_range *range = &pinned->ranges[pinned->nr_ranges++];

	pin->done -= nr;
	range->page = pin->pages[pin->done];
	range->nr = nr;
}

static u64 *plan_entry(struct gpadl_pin_plan *pins, const struct gpadl_pin_block *b)
{
	return &pins->blocks[b->number - pins->first];
}

/* The one page that is pinned of a block is all of it: see what follows from that. */
static void pins_take_huge(struct gpadl_pin_plan *pins, struct gpadl_pin_block *b,
			   struct gpadl_pin_ctx *pin, struct gpadl_pin_set *pinned)
{
	*plan_entry(pins, b) = block_contiguous(b->pages[0], block_first(b));
	pinned_make_range(pinned, pin, 1);
}

/* Pin what is wanted of a block, and see how it lies. */
static int pins_take_block(struct gpadl_pin_plan *pins, struct gpadl_pin_block *b,
			   struct gpadl_pin_ctx *pin, struct gpadl_pin_set *pinned)
{
	unsigned long nr, first = block_first(b);
	u64 entry;
	int ret;

	ret = block_pin(b, pin);
	if (ret)
		return ret;
	nr = pin->pages + pin->done - b->pages;
	entry = block_entry(b);
	*plan_entry(pins, b) = entry;
	if (!(entry & GPADL_BLOCK_CONTIGUOUS))
		pins->nr_scattered += nr;
	else if (find_next_zero_bit(b->wanted, GPADL_BLOCK_PAGES, first) == first + nr)
		pinned_make_range(pinned, pin, nr);
	return 0;
}

/**
 * gpadl_pin_plan_take() - Pin what is wanted
 * @pins: the pins
 * @pin: has room for as many pages as were wanted
 * @pinned: for gpadl_pin_set_unpin(), also on error. Its pages are those of @pin
 *
 * Context: process, may sleep for as long as the VMM likes.
 * Return: 0; -EFAULT, -ENOMEM or -EINTR as vmbus_gpadl_map().
 */
int gpadl_pin_plan_take(struct gpadl_pin_plan *pins, struct gpadl_pin_ctx *pin,
			struct gpadl_pin_set *pinned)
{
	struct gpadl_pin_block *b;
	bool huge = true;
	int ret;

	pinned->ranges = pins->ranges;
	pins->ranges = NULL;
	for (b = pins->wanted; b < pins->wanted + pins->nr_wanted; b++) {
		b->pages = pin->pages + pin->done;
		/* Up to the first block that is no hugetlb page: mostly all are, or none. */
		if (huge) {
			ret = block_pin_pages(b, pin, block_first(b), 1);
			if (ret)
				return ret;
			huge = gpadl_page_fills_block(b->pages[0], block_first(b));
		}
		if (huge) {
			pins_take_huge(pins, b, pin, pinned);
		} else {
			ret = pins_take_block(pins, b, pin, pinned);
			if (ret)
				return ret;
		}
		cond_resched();
	}
	return 0;
}

/**
 * gpadl_pin_set_unpin() - Unpin
 * @pinned: what; its lists stay the caller's
 * @dirty: the pages may have been written to
 *
 * Context: process, may sleep, allocates nothing. Any thread.
 */
void gpadl_pin_set_unpin(const struct gpadl_pin_set *pinned, bool dirty)
{
	unsigned long i;

	for (i = 0; i < pinned->nr_ranges; i++)
		unpin_user_page_range_dirty_lock(pinned->ranges[i].page,
						 pinned->ranges[i].nr, dirty);
	if (pinned->nr_pages)
		unpin_user_pages_dirty_lock(pinned->pages, pinned->nr_pages, dirty);
}

/* Those of a range that lie in one folio with the first are as dirty as that one is. */
static unsigned long range_in_folio(struct page *page, unsigned long nr)
{
	struct folio *folio = page_folio(page);

	return min_t(unsigned long, nr, folio_nr_pages(folio) - folio_page_idx(folio, page));
}

/**
 * gpadl_pin_set_mark_dirty() - Mark all that is pinned as dirty
 * @pinned: what
 *
 * Context: process, may sleep.
 */
void gpadl_pin_set_mark_dirty(const struct gpadl_pin_set *pinned)
{
	unsigned long i, n, nr;

	for (i = 0; i < pinned->nr_pages; i++)
		set_page_dirty_lock(pinned->pages[i]);
	for (i = 0; i < pinned->nr_ranges; i++) {
		struct page *page = pinned->ranges[i].page;

		for (nr = pinned->ranges[i].nr; nr; nr -= n) {
			n = range_in_folio(page, nr);
			set_page_dirty_lock(page);
			page += n;
		}
	}
}

/**
 * gpadl_pin_set_is_dirty() - Is all that is pinned marked as dirty?
 * @pinned: what
 *
 * Context: any.
 * Return: true if so.
 */
bool gpadl_pin_set_is_dirty(const struct gpadl_pin_set *pinned)
{
	unsigned long i, n, nr;

	for (i = 0; i < pinned->nr_pages; i++)
		if (!folio_test_dirty(page_folio(pinned->pages[i])))
			return false;
	for (i = 0; i < pinned->nr_ranges; i++) {
		struct page *page = pinned->ranges[i].page;

		for (nr = pinned->ranges[i].nr; nr; nr -= n) {
			n = range_in_folio(page, nr);
			if (!folio_test_dirty(page_folio(page)))
				return false;
			page += n;
		}
	}
	return true;
}
