/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the pages of a resident region are: a table that is filled when the region is
 * pinned, and only read after.
 *
 * Knows pages and addresses; neither guests nor who is charged.
 */
#ifndef _GPADL_RESIDENT_H
#define _GPADL_RESIDENT_H

#include <linux/bits.h>
#include <linux/mm.h>
#include <linux/types.h>

#include "gpadl/compat.h"

/*
 * A block is an aligned piece of the address space as large as one entry of a page table
 * directory maps: what a folio of that size backs is one block.
 */
#define GPADL_BLOCK_SIZE	PMD_SIZE
#define GPADL_BLOCK_MASK	PMD_MASK
#define GPADL_BLOCK_SHIFT	PMD_SHIFT
#define GPADL_BLOCK_PAGES	(GPADL_BLOCK_SIZE >> PAGE_SHIFT)

/* A block whose pages follow each other physically; the rest is the first one's address. */
#define GPADL_BLOCK_CONTIGUOUS	BIT(0)

/**
 * struct gpadl_resident - pinned pages of one range of addresses
 * @hva: where it begins
 * @first: number of the first block, that is, its address in blocks
 * @nr: host pages in all
 * @done: host pages that are in, and whose pins belong to the table
 * @nr_blocks: blocks that it touches
 * @first_leaf: pages of the first block, if these are listed. @blocks has it shifted by
 *	what precedes @hva, so that a look-up need not know; leaks are found by this one
 * @blocks: each a physical address with GPADL_BLOCK_CONTIGUOUS, or the address of a leaf:
 *	an array of the physical addresses of its pages
 */
struct gpadl_resident {
	unsigned long hva;
	unsigned long first;
	unsigned long nr;
	unsigned long done;
	unsigned long nr_blocks;
	u64 *first_leaf;
	u64 blocks[] __counted_by(nr_blocks);
};

/*
 * Does a section of memory begin here whose struct pages need not follow those of the one
 * before? The kernel does not step from one into the other by page + 1, and so must nobody: what
 * is a run for us (and an entry of a scatterlist) ends there.
 */
static inline bool gpadl_memmap_breaks(unsigned long pfn)
{
#if defined(CONFIG_SPARSEMEM) && !defined(CONFIG_SPARSEMEM_VMEMMAP)
	return IS_ALIGNED(pfn, PAGES_PER_SECTION);
#else
	return false;
#endif
}

/* How many of the first pages are one run; @nr is at least 1. */
static inline unsigned long gpadl_pages_follow(struct page *const *pages, unsigned long nr)
{
	unsigned long i;

	for (i = 1; i < nr && pages[i] == pages[0] + i; i++)
		if (gpadl_memmap_breaks(page_to_pfn(pages[i])))
			break;
	return i;
}

struct gpadl_resident *gpadl_resident_alloc(unsigned long hva, unsigned long nr);
unsigned long gpadl_resident_wants(const struct gpadl_resident *r);
int gpadl_resident_add(struct gpadl_resident *r, struct page **pages, unsigned long nr);
void gpadl_resident_free(struct gpadl_resident *r, bool dirty);

/**
 * gpadl_resident_find() - Where is an address?
 * @r: the table, with all pages in
 * @hva: the address, in its range
 * @bytes: from there on, so many bytes follow each other physically; more may
 *
 * Two loads, one in memory that huge pages back: no search, no atomic, no reference.
 *
 * Context: any.
 * Return: the physical address.
 */
static inline phys_addr_t gpadl_resident_find(const struct gpadl_resident *r,
					      unsigned long hva, unsigned long *bytes)
{
	unsigned long in_block = hva & ~GPADL_BLOCK_MASK;
	u64 block = r->blocks[(hva >> GPADL_BLOCK_SHIFT) - r->first];

	if (block & GPADL_BLOCK_CONTIGUOUS) {
		*bytes = GPADL_BLOCK_SIZE - in_block;
		return block - GPADL_BLOCK_CONTIGUOUS + in_block;
	}
	*bytes = PAGE_SIZE - offset_in_page(hva);
	return ((const u64 *)(unsigned long)block)[in_block >> PAGE_SHIFT] +
	       offset_in_page(hva);
}

/**
 * gpadl_resident_leaf() - Where is a page in the list of its block?
 * @r: the table, with all pages in
 * @hva: an address in its range
 *
 * Context: any.
 * Return: the place that has the physical address of its page, those of the next pages of
 * the block behind it; NULL if the pages of the block follow each other physically.
 */
static inline const u64 *gpadl_resident_leaf(const struct gpadl_resident *r,
					     unsigned long hva)
{
	u64 block = r->blocks[(hva >> GPADL_BLOCK_SHIFT) - r->first];

	if (block & GPADL_BLOCK_CONTIGUOUS)
		return NULL;
	return (const u64 *)(unsigned long)block +
	       ((hva & ~GPADL_BLOCK_MASK) >> PAGE_SHIFT);
}

#endif /* _GPADL_RESIDENT_H */
