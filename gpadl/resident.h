/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the pages of resident regions are, and whose their pins are.
 *
 * Knows pages and addresses; neither guests nor regions.
 */
#ifndef _GPADL_RESIDENT_H
#define _GPADL_RESIDENT_H

#include <linux/bits.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/types.h>

#include "gpadl/compat.h"

struct gpadl_mem;

/*
 * A block is an aligned piece of the address space as large as one entry of a page table
 * directory maps: what a folio of that size backs is one block. It is no more where such an entry
 * maps more (512 MiB with pages of 64 KiB): all of a block is looked at, and replaced, together.
 */
#define GPADL_BLOCK_SHIFT	(PMD_SHIFT < 21 ? PMD_SHIFT : 21)
#define GPADL_BLOCK_SIZE	BIT(GPADL_BLOCK_SHIFT)
#define GPADL_BLOCK_MASK	(~(GPADL_BLOCK_SIZE - 1))
#define GPADL_BLOCK_PAGES	(GPADL_BLOCK_SIZE >> PAGE_SHIFT)

/**
 * struct gpadl_stale - a pin of a page that is no longer at its address
 * @next: the next of the same block, or of those taken from several
 * @page: the page
 */
struct gpadl_stale {
	struct gpadl_stale *next;
	struct page *page;
};

/**
 * struct gpadl_block - pinned pages of one aligned block of addresses
 * @phys: physical address of the first page, if all pages follow it and are pinned; set
 *	once. 0 if nothing is pinned yet, or if they never did
 * @leaf: the physical address of each page, 0 if it is not pinned; overrules @phys. NULL
 *	until it is needed, set once
 * @number: address of the block, in blocks
 * @write: the pins are for writing
 * @written: a region that had a share was mapped for writing
 * @shares: tables that list it
 * @stale: pins that have been replaced and that a mapping may still rely on
 * @stale_node: in gpadl_mem.stale_blocks while there are any
 *
 * All but @phys, @leaf and what it points to are protected by gpadl_mem.block_lock. These
 * are written under it and read without: a map reads each once.
 */
struct gpadl_block {
	u64 phys;
	u64 *leaf;
	unsigned long number;
	bool write;
	bool written;
	unsigned int shares;
	struct gpadl_stale *stale;
	struct list_head stale_node;
};

/**
 * struct gpadl_resident - the blocks of one range of addresses
 * @hva: where it begins
 * @first: number of the first block
 * @nr: host pages in all
 * @nr_blocks: blocks that it touches
 * @nr_claimed: of @blocks, those of which it has a share
 * @rcu: frees it
 * @blocks: the blocks
 */
struct gpadl_resident {
	unsigned long hva;
	unsigned long first;
	unsigned long nr;
	unsigned long nr_blocks;
	unsigned long nr_claimed;
	struct rcu_head rcu;
	struct gpadl_block *blocks[] __counted_by(nr_blocks);
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

/* Is a page @next, which is behind one that is known? */
static __always_inline bool gpadl_page_is_next(struct page *page, struct page *next)
{
	return page == next && !gpadl_memmap_breaks(page_to_pfn(next - 1) + 1);
}

/*
 * How many of the first pages are one run; @nr is at least 1. Where not even the second follows,
 * that is all; else there may be many, so four at a time.
 */
static __always_inline unsigned long gpadl_pages_follow(struct page *const *pages,
							unsigned long nr)
{
	struct page *next = *pages + 1;
	unsigned long i = 1;

	if (nr == 1 || !gpadl_page_is_next(pages[1], next))
		return 1;
	for (; i + 4 <= nr && gpadl_page_is_next(pages[i], next) &&
	     gpadl_page_is_next(pages[i + 1], next + 1) &&
	     gpadl_page_is_next(pages[i + 2], next + 2) &&
	     gpadl_page_is_next(pages[i + 3], next + 3); i += 4)
		next += 4;
	for (; i < nr && gpadl_page_is_next(pages[i], next); i++)
		next++;
	return i;
}

/**
 * struct gpadl_part - the part of a block that lies in a range
 * @index: of the block in gpadl_resident.blocks
 * @first: of its pages, the first
 * @nr: number of pages
 * @hva: address of the first
 */
struct gpadl_part {
	unsigned long index;
	unsigned long first;
	unsigned long nr;
	unsigned long hva;
};

struct gpadl_resident *gpadl_resident_alloc(unsigned long hva, unsigned long nr);
unsigned long gpadl_resident_missing(struct gpadl_mem *mem, const struct gpadl_resident *r,
				     bool write);
struct gpadl_block *gpadl_resident_claim(struct gpadl_mem *mem, struct gpadl_resident *r,
					 bool write);
void gpadl_resident_drop(struct gpadl_mem *mem, struct gpadl_resident *r, bool written);
struct gpadl_part gpadl_resident_part(const struct gpadl_resident *r, unsigned long hva,
				      unsigned long nr);
struct gpadl_part gpadl_resident_block_part(const struct gpadl_resident *r, unsigned long index);

unsigned long gpadl_block_missing(const struct gpadl_block *b, unsigned long first,
				  unsigned long end, unsigned long *nr);
bool gpadl_block_same(const struct gpadl_block *b, unsigned long first, struct page **pages,
		      unsigned long nr);
int gpadl_block_fill(struct gpadl_mem *mem, struct gpadl_block *b, unsigned long first,
		     struct page **pages, unsigned long nr);
int gpadl_block_replace(struct gpadl_mem *mem, struct gpadl_block *b, unsigned long first,
			struct page **pages, unsigned long nr);
void gpadl_block_take_stale(struct gpadl_block *b, struct gpadl_stale **stale);
unsigned long gpadl_stale_unpin(struct gpadl_stale *stale, bool dirty);
unsigned long gpadl_block_trim(struct gpadl_block *b, const unsigned long *keep);

/**
 * gpadl_resident_find() - Where is an address?
 * @r: the table, filled
 * @hva: the address, in its range
 * @leaf: the place that has the physical address of its page, those of the next pages of
 *	the block behind it; NULL if the pages of the block follow each other physically
 *
 * Two loads, or three where pages do not follow each other: no search, no atomic, no
 * reference.
 *
 * Context: any.
 * Return: the physical address.
 */
static inline phys_addr_t gpadl_resident_find(const struct gpadl_resident *r,
					      unsigned long hva, const u64 **leaf)
{
	/* No mask: it is in the range, whatever a processor guesses (gpadl_walk_next()). */
	const struct gpadl_block *b = r->blocks[(hva >> GPADL_BLOCK_SHIFT) - r->first];
	unsigned long in_block = hva & ~GPADL_BLOCK_MASK;
	const u64 *first = READ_ONCE(b->leaf);

	if (!first) {
		*leaf = NULL;
		return b->phys + in_block;
	}
	*leaf = first + (in_block >> PAGE_SHIFT);
	return READ_ONCE(**leaf) + offset_in_page(hva);
}

#endif /* _GPADL_RESIDENT_H */
