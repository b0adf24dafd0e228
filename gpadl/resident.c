// SPDX-License-Identifier: GPL-2.0
/*
 * Where the pages of a resident region are.
 *
 * A guest's memory may be a terabyte, and a look-up comes with each page that it names.
 * So the table has one word for each block of 2 MiB (x86) whose pages follow each other
 * physically, as those of a hugetlb page or of a transparent huge page do, and one word
 * for each page of the others. Nothing is searched.
 *
 * It is filled from its beginning, block by block, and takes over the pins: it can be
 * freed at any time, and drops exactly those that it has.
 */
#include <linux/errno.h>
#include <linux/io.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "resident.h"

/* Pages of the first block that lie before the range. */
static unsigned long resident_skip(const struct gpadl_resident *r)
{
	return (r->hva & ~GPADL_BLOCK_MASK) >> PAGE_SHIFT;
}

/**
 * gpadl_resident_alloc() - Make an empty table
 * @hva: where the range begins, a multiple of PAGE_SIZE
 * @nr: host pages in it, at least 1
 *
 * Context: process, may sleep.
 * Return: the table, for gpadl_resident_free(); NULL if there is no memory.
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
 * gpadl_resident_wants() - How many pages gpadl_resident_add() takes next
 * @r: the table
 *
 * Context: any.
 * Return: number of pages to the end of the block, GPADL_BLOCK_SIZE at most; 0 if all
 * are in.
 */
unsigned long gpadl_resident_wants(const struct gpadl_resident *r)
{
	unsigned long in_block = (resident_skip(r) + r->done) %
				 GPADL_BLOCK_PAGES;

	return min(GPADL_BLOCK_PAGES - in_block, r->nr - r->done);
}

/**
 * gpadl_resident_add() - Enter the pages of the next block
 * @r: the table
 * @pages: the pages, pinned; on success the pins are the table's
 * @nr: as many as gpadl_resident_wants() said
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM if there is no memory.
 */
int gpadl_resident_add(struct gpadl_resident *r, struct page **pages, unsigned long nr)
{
	unsigned long skip = r->done ? 0 : resident_skip(r);
	u64 *block = &r->blocks[(resident_skip(r) + r->done) /
				GPADL_BLOCK_PAGES];
	unsigned long i;
	u64 *leaf;

	if (gpadl_pages_follow(pages, nr) == nr) {
		/* Below 0, if what is skipped would be: what is found is not. */
		*block = (page_to_phys(pages[0]) - (skip << PAGE_SHIFT)) |
			 GPADL_BLOCK_CONTIGUOUS;
		r->done += nr;
		return 0;
	}

	leaf = kvmalloc_array(nr, sizeof(*leaf), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!leaf)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		leaf[i] = page_to_phys(pages[i]);
	if (!r->done)
		r->first_leaf = leaf;
	*block = (unsigned long)leaf - skip * sizeof(*leaf);
	r->done += nr;
	return 0;
}

static void resident_free_leaf(struct gpadl_resident *r, unsigned long i)
{
	if (!i)
		kvfree(r->first_leaf);
	else if (!(r->blocks[i] & GPADL_BLOCK_CONTIGUOUS))
		kvfree((void *)(unsigned long)r->blocks[i]);
}

/**
 * gpadl_resident_free() - Unpin what is in a table, and free it
 * @r: the table
 * @dirty: the pages may have been written to
 *
 * Context: process, may sleep, allocates nothing. Any thread.
 */
void gpadl_resident_free(struct gpadl_resident *r, bool dirty)
{
	unsigned long hva = r->hva, end = r->hva + (r->done << PAGE_SHIFT), bytes, i;

	while (hva < end) {
		phys_addr_t phys = gpadl_resident_find(r, hva, &bytes);

		bytes = min(bytes, end - hva);
		unpin_user_page_range_dirty_lock(pfn_to_page(PHYS_PFN(phys)),
						 bytes >> PAGE_SHIFT, dirty);
		hva += bytes;
		cond_resched();
	}
	for (i = 0; i < r->nr_blocks && r->blocks[i]; i++)
		resident_free_leaf(r, i);
	kvfree(r);
}
