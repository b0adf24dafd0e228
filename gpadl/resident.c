// SPDX-License-Identifier: GPL-2.0
/*
 * Where the pages of resident regions are, and whose their pins are.
 *
 * Pins belong to blocks: aligned pieces of the address space of 2 MiB (x86). A partition
 * has each block once, for pins for reading and for pins for writing, and each region that
 * touches it has a share. So a page is pinned and charged once, whatever regions cover it;
 * when a region is split or merged, no pin moves: the regions that come take shares of the
 * blocks before those that go drop theirs. The last share to go takes the pins with it.
 *
 * A guest's memory may be a terabyte, and a look-up comes with each page that it names.
 * So a block is one address if its pages follow each other physically, as those of a
 * hugetlb page or of a transparent huge page do, and else a list (its leaf), with an entry
 * for each page whether it is pinned or not. Nothing is searched.
 *
 * Life of a block's entry: 0 until a region that covers it is set (gpadl_block_fill()), by
 * one thread at a time (gpadl_mem.change_lock); another page when a map has found another
 * one there (gpadl_block_replace()); 0 again when no region covers it and the block has to
 * stay for others (gpadl_block_trim()). A map that reads it without a lock is a user of a
 * region that covers it, and so gets a page that stays pinned while it is: what is replaced
 * stays in the list of stale pins until nothing is mapped of any region with a share of the
 * block (region.c).
 */
#include <linux/bitmap.h>
#include <linux/errno.h>
#include <linux/io.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "compat.h"
#include "mem.h"
#include "resident.h"

/* ---- The pages of a block ---- */

/* The page that entry @i of a block names: one that is pinned. */
static struct page *block_page(const struct gpadl_block *b, unsigned long i)
{
	return b->leaf ? pfn_to_page(PHYS_PFN(b->leaf[i])) : pfn_to_page(PHYS_PFN(b->phys) + i);
}

/**
 * gpadl_block_missing() - Find pages of a block that are not pinned
 * @b: the block
 * @first: number of the page in it to begin with
 * @end: number of the page to end before
 * @nr: how many missing pages follow each other
 *
 * Context: gpadl_mem.block_lock or change_lock is held.
 * Return: number of the first missing page; @end if there is none, and @nr is 0 then.
 */
unsigned long gpadl_block_missing(const struct gpadl_block *b, unsigned long first,
				  unsigned long end, unsigned long *nr)
{
	const u64 *leaf = READ_ONCE(b->leaf);
	unsigned long i;

	if (!leaf) {
		*nr = b->phys ? 0 : end - first;
		return b->phys ? end : first;
	}
	while (first < end && READ_ONCE(leaf[first]))
		first++;
	for (i = first; i < end && !READ_ONCE(leaf[i]); i++)
		;
	*nr = i - first;
	return first;
}

/**
 * gpadl_block_same() - Are pages those that a block has?
 * @b: the block
 * @first: number of the first page in it
 * @pages: the pages
 * @nr: number of these; the block has as many pinned there
 *
 * Context: gpadl_mem.block_lock is held.
 * Return: true if each is.
 */
bool gpadl_block_same(const struct gpadl_block *b, unsigned long first, struct page **pages,
		      unsigned long nr)
{
	unsigned long i;

	for (i = 0; i < nr; i++)
		if (block_page(b, first + i) != pages[i])
			return false;
	return true;
}

/* Give a block a list of its pages, if it has none. */
static int block_make_leaf(struct gpadl_block *b)
{
	unsigned long i;
	u64 *leaf;

	if (b->leaf)
		return 0;
	leaf = kvcalloc(GPADL_BLOCK_PAGES, sizeof(*leaf), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!leaf)
		return -ENOMEM;
	for (i = 0; b->phys && i < GPADL_BLOCK_PAGES; i++)
		leaf[i] = b->phys + (i << PAGE_SHIFT);
	/* A map that finds the list finds what is in it. */
	smp_store_release(&b->leaf, leaf);
	return 0;
}

/**
 * gpadl_block_fill() - Enter pages where there were none
 * @mem: the memory
 * @b: the block
 * @first: number of the first page in it
 * @pages: the pages, pinned and charged; on success the pins are the block's
 * @nr: number of these
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM if there is no memory.
 */
int gpadl_block_fill(struct gpadl_mem *mem, struct gpadl_block *b, unsigned long first,
		     struct page **pages, unsigned long nr)
{
	unsigned long i;
	int ret;

	guard(mutex)(&mem->block_lock);
	if (nr == GPADL_BLOCK_PAGES && !b->leaf && gpadl_pages_follow(pages, nr) == nr) {
		WRITE_ONCE(b->phys, page_to_phys(pages[0]));
		return 0;
	}
	ret = block_make_leaf(b);
	if (ret)
		return ret;
	for (i = 0; i < nr; i++)
		WRITE_ONCE(b->leaf[first + i], page_to_phys(pages[i]));
	return 0;
}

/* Enter a page, pinned, in place of another one, and charge it. */
static int block_replace_page(struct gpadl_mem *mem, struct gpadl_block *b, unsigned long i,
			      struct page *page)
{
	struct page *old = block_page(b, i);
	struct gpadl_stale *stale;
	int ret;

	ret = gpadl_mem_charge(mem, 1);
	if (ret)
		return ret;
	stale = kmalloc(sizeof(*stale), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!stale || block_make_leaf(b)) {
		kfree(stale);
		gpadl_mem_uncharge(mem, 1);
		return -ENOMEM;
	}
	WRITE_ONCE(b->leaf[i], page_to_phys(page));
	*stale = (struct gpadl_stale) { .next = b->stale, .page = old };
	if (!b->stale)
		list_add(&b->stale_node, &mem->stale_blocks);
	b->stale = stale;
	atomic_inc(&mem->nr_replaced);
	return 0;
}

/**
 * gpadl_block_replace() - Enter pages in place of others
 * @mem: the memory
 * @b: the block
 * @first: number of the first page in it
 * @pages: what is there now, pinned and not charged; those that the block takes are charged, and
 *	set to NULL. The others are what it has
 * @nr: number of these
 *
 * What was there stays pinned, and charged, as stale: a mapping may have it.
 *
 * Context: process, may sleep; gpadl_mem.block_lock is held.
 * Return: 0; -ENOMEM if there is no memory, or if the owner's RLIMIT_MEMLOCK would be exceeded: it
 * may have taken some.
 */
int gpadl_block_replace(struct gpadl_mem *mem, struct gpadl_block *b, unsigned long first,
			struct page **pages, unsigned long nr)
{
	unsigned long i;
	int ret;

	for (i = 0; i < nr; i++) {
		if (block_page(b, first + i) == pages[i])
			continue;
		ret = block_replace_page(mem, b, first + i, pages[i]);
		if (ret)
			return ret;
		pages[i] = NULL;
	}
	return 0;
}

/**
 * gpadl_block_take_stale() - Take from a block the pins that have been replaced
 * @b: the block, with such; no mapping has a page that it had before
 * @stale: where they are added, for gpadl_stale_unpin()
 *
 * Context: process; gpadl_mem.block_lock is held.
 */
void gpadl_block_take_stale(struct gpadl_block *b, struct gpadl_stale **stale)
{
	struct gpadl_stale **end = &b->stale;

	while (*end)
		end = &(*end)->next;
	*end = *stale;
	*stale = b->stale;
	b->stale = NULL;
	list_del(&b->stale_node);
}

/**
 * gpadl_stale_unpin() - Unpin what has been replaced
 * @stale: the first of the pins, or NULL
 * @dirty: these were pins for writing
 *
 * Context: process, may sleep; no lock is held.
 * Return: number of pages that are to be uncharged.
 */
unsigned long gpadl_stale_unpin(struct gpadl_stale *stale, bool dirty)
{
	struct gpadl_stale *next;
	unsigned long nr = 0;

	for (; stale; stale = next) {
		next = stale->next;
		unpin_user_pages_dirty_lock(&stale->page, 1, dirty);
		kfree(stale);
		nr++;
		cond_resched();
	}
	return nr;
}

/* How many entries of a leaf, from @first on to @end, are pages in a row? */
static unsigned long leaf_run(const struct gpadl_block *b, unsigned long first, unsigned long end)
{
	unsigned long n;

	for (n = 1; first + n < end; n++) {
		u64 phys = b->leaf[first + n];

		if (phys != b->leaf[first] + (n << PAGE_SHIFT) ||
		    gpadl_memmap_breaks(PHYS_PFN(phys)))
			break;
	}
	return n;
}

/* Unpin entries of a leaf, from @first on to @end. */
static unsigned long leaf_unpin(struct gpadl_block *b, unsigned long first,
				unsigned long end, bool dirty)
{
	unsigned long i, n, nr = 0;

	for (i = first; i < end; i += n) {
		u64 phys = b->leaf[i];

		if (!phys) {
			n = 1;
			continue;
		}
		n = leaf_run(b, i, end);
		unpin_user_page_range_dirty_lock(pfn_to_page(PHYS_PFN(phys)), n, dirty);
		nr += n;
	}
	return nr;
}

/**
 * gpadl_block_trim() - Unpin the pages of a block that nothing covers any more
 * @b: the block
 * @keep: of its pages, those that stay
 *
 * What cannot be trimmed for want of memory stays pinned with the block.
 *
 * Context: process, may sleep; gpadl_mem.block_lock is held. Allocates 4 KiB (for 512 pages) if the
 * block has no list of its pages yet.
 * Return: number of pages that are to be uncharged.
 */
unsigned long gpadl_block_trim(struct gpadl_block *b, const unsigned long *keep)
{
	unsigned long begin, end, nr = 0;

	KUNIT_STATIC_STUB_REDIRECT(gpadl_block_trim, b, keep);
	if (bitmap_full(keep, GPADL_BLOCK_PAGES) || block_make_leaf(b))
		return 0;
	for_each_clear_bitrange(begin, end, keep, GPADL_BLOCK_PAGES) {
		nr += leaf_unpin(b, begin, end, b->written);
		memset(&b->leaf[begin], 0, (end - begin) * sizeof(*b->leaf));
	}
	return nr;
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_block_trim);

/* Free a block without shares. Returns the number of pages to uncharge. */
static unsigned long block_free(struct gpadl_block *b)
{
	unsigned long nr = gpadl_stale_unpin(b->stale, b->write);

	if (b->leaf) {
		nr += leaf_unpin(b, 0, GPADL_BLOCK_PAGES, b->written);
	} else if (b->phys) {
		unpin_user_page_range_dirty_lock(pfn_to_page(PHYS_PFN(b->phys)),
						 GPADL_BLOCK_PAGES, b->written);
		nr += GPADL_BLOCK_PAGES;
	}
	kvfree(b->leaf);
	kfree(b);
	return nr;
}

/* ---- The table of a range ---- */

/**
 * gpadl_resident_alloc() - Make an empty table
 * @hva: where the range begins, a multiple of PAGE_SIZE
 * @nr: how many host pages it has, at least 1
 *
 * Context: process, may sleep.
 * Return: the table, for gpadl_resident_claim(), to be freed by kvfree() once its shares
 * are dropped; NULL if there is no memory.
 */
struct gpadl_resident *gpadl_resident_alloc(unsigned long hva, unsigned long nr)
{
	unsigned long last = hva + (nr << PAGE_SHIFT) - 1;
	unsigned long nr_blocks =
		(last >> GPADL_BLOCK_SHIFT) - (hva >> GPADL_BLOCK_SHIFT) + 1;
	struct gpadl_resident *r;
	size_t size = struct_size(r, blocks, nr_blocks);

	/* Half a petabyte: what cannot be had needs no warning in the log. */
	if (size > INT_MAX)
		return NULL;
	r = kvzalloc(size, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!r)
		return NULL;
	r->nr_blocks = nr_blocks;
	r->hva = hva;
	r->first = hva >> GPADL_BLOCK_SHIFT;
	r->nr = nr;
	return r;
}

/**
 * gpadl_resident_part() - What of a block lies between two addresses?
 * @r: the table
 * @hva: an address in its range, a multiple of PAGE_SIZE
 * @nr: host pages from there on, all in the range
 *
 * Context: any.
 * Return: the pages to the end of the block, or of those asked for.
 */
struct gpadl_part gpadl_resident_part(const struct gpadl_resident *r, unsigned long hva,
				      unsigned long nr)
{
	struct gpadl_part part = {
		.index = (hva >> GPADL_BLOCK_SHIFT) - r->first,
		.first = (hva & ~GPADL_BLOCK_MASK) >> PAGE_SHIFT,
		.hva = hva,
	};

	part.nr = min(GPADL_BLOCK_PAGES - part.first, nr);
	return part;
}

/**
 * gpadl_resident_block_part() - What of a block lies in a range?
 * @r: the table
 * @index: of the block in it
 *
 * Context: any.
 * Return: the pages, at least one.
 */
struct gpadl_part gpadl_resident_block_part(const struct gpadl_resident *r, unsigned long index)
{
	unsigned long hva = max(r->hva, (r->first + index) << GPADL_BLOCK_SHIFT);

	return gpadl_resident_part(r, hva, r->nr - ((hva - r->hva) >> PAGE_SHIFT));
}

/* How many pages are missing of a part of a block. */
static unsigned long block_count_missing(const struct gpadl_block *b, unsigned long first,
					 unsigned long end)
{
	unsigned long i, nr, sum = 0;

	for (i = first; i < end; i += nr) {
		i = gpadl_block_missing(b, i, end, &nr);
		sum += nr;
	}
	return sum;
}

/**
 * gpadl_resident_missing() - How many pages of a range are not pinned yet?
 * @mem: the memory
 * @r: the table
 * @write: in the blocks that are pinned for writing
 *
 * Costs what there is of blocks, not of addresses. Blocks that go meanwhile were counted.
 *
 * Context: process, may sleep; gpadl_mem.change_lock is held.
 * Return: the number.
 */
unsigned long gpadl_resident_missing(struct gpadl_mem *mem, const struct gpadl_resident *r,
				     bool write)
{
	unsigned long number = r->first, last = r->first + r->nr_blocks - 1, missing = r->nr;
	struct gpadl_block *b;

	for (;; number++) {
		struct gpadl_part part;

		guard(mutex)(&mem->block_lock);
		b = xa_find(&mem->blocks[write], &number, last, XA_PRESENT);
		if (!b)
			return missing;
		part = gpadl_resident_block_part(r, number - r->first);
		missing -= part.nr - block_count_missing(b, part.first, part.first + part.nr);
		if (number == last)
			return missing;
		cond_resched();
	}
}

/* A share of the block of that number; NULL if there is no memory. */
static struct gpadl_block *block_get(struct gpadl_mem *mem, unsigned long number, bool write)
{
	struct xarray *blocks = &mem->blocks[write];
	struct gpadl_block *b;

	b = xa_load(blocks, number);
	if (!b) {
		b = kzalloc(sizeof(*b), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
		if (!b)
			return NULL;
		b->number = number;
		b->write = write;
		if (xa_err(xa_store(blocks, number, b, GFP_KERNEL_ACCOUNT | __GFP_NOWARN))) {
			kfree(b);
			return NULL;
		}
	}
	b->shares++;
	return b;
}

/**
 * gpadl_resident_claim() - Take a share of the next block of a range
 * @mem: the memory
 * @r: the table, with blocks left that it has no share of; for gpadl_resident_drop()
 * @write: of the blocks that are pinned for writing
 *
 * Context: process, may sleep.
 * Return: the block; NULL if there is no memory.
 */
struct gpadl_block *gpadl_resident_claim(struct gpadl_mem *mem, struct gpadl_resident *r,
					 bool write)
{
	struct gpadl_block *b;

	guard(mutex)(&mem->block_lock);
	b = block_get(mem, r->first + r->nr_claimed, write);
	if (b)
		r->blocks[r->nr_claimed++] = b;
	return b;
}

/**
 * gpadl_resident_drop() - Drop the shares of a table; what nobody shares is unpinned
 * @mem: the memory
 * @r: the table: nobody looks pages up in it any more
 * @written: its pages may have been written to
 *
 * Context: process, may sleep, allocates nothing. Any thread.
 */
void gpadl_resident_drop(struct gpadl_mem *mem, struct gpadl_resident *r, bool written)
{
	while (r->nr_claimed) {
		struct gpadl_block *b;
		bool last;

		mutex_lock(&mem->block_lock);
		b = r->blocks[--r->nr_claimed];
		b->written |= written;
		last = !--b->shares;
		if (last)
			xa_erase(&mem->blocks[b->write], b->number);
		if (last && b->stale)
			list_del(&b->stale_node);
		mutex_unlock(&mem->block_lock);
		if (last)
			gpadl_mem_uncharge(mem, block_free(b));
		cond_resched();
	}
}
