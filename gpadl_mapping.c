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
 *
 * Words: a run is what the guest's list says (page frame numbers that follow each
 * other), an extent is the part of a run that lies in one region, and so is contiguous
 * in the VMM's address space too.
 */
#include <linux/errno.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "gpadl_mapping.h"
#include "gpadl_mem.h"
#include "gpadl_pins.h"
#include "gpadl_region.h"
#include "gpadl_resident.h"

/* ---- Walking a GPADL's pages ---- */

/**
 * struct extent - part of a run that lies in one region
 * @region: the region; NULL if the page lies in none (then @nr is 1)
 * @index: of the region in the table
 * @hva: of the lowest page
 * @nr: guest pages, at least 1
 * @down: they come highest first
 * @first: it begins a range
 */
struct extent {
	const struct gpadl_region *region;
	unsigned int index;
	unsigned long hva;
	u32 nr;
	bool down;
	bool first;
};

/**
 * struct extent_walk - a walk over the extents of a GPADL, in its order
 * @w: the GPADL
 * @table: where to look pages up
 * @next: index in @w->words of the next word
 * @pages_left: pages of the range that are not yet in a run that was begun
 * @range: the range
 * @run: rest of the run that was begun; run.nr may be 0
 * @e: the extent found last; its region is tried first for the next
 */
struct extent_walk {
	const struct gpadl_wire *w;
	const struct gpadl_region_table *table;
	u32 next;
	u32 pages_left;
	struct gpadl_wire_range range;
	struct gpadl_wire_run run;
	struct extent e;
};

static void walk_init(struct extent_walk *walk, const struct gpadl_wire *w,
		      const struct gpadl_region_table *table)
{
	*walk = (struct extent_walk) { .w = w, .table = table };
}

static u64 region_pages(const struct gpadl_region *region)
{
	return region->what.bytes >> GPADL_PAGE_SHIFT;
}

/* Pages of the run, from @gpa on in its direction, that make one extent in @region. */
static u32 run_in_region(const struct gpadl_wire_run *run,
			 const struct gpadl_region *region, u64 gpa)
{
	u64 before = (gpa - region->what.gpa) >> GPADL_PAGE_SHIFT;

	return min_t(u64, run->nr,
		     run->down ? before + 1 : region_pages(region) - before);
}

static void walk_find_region(struct extent_walk *walk, u64 gpa)
{
	const struct gpadl_region_table *table = walk->table;
	struct extent *e = &walk->e;

	if (e->region && gpa - e->region->what.gpa < e->region->what.bytes)
		return;
	e->index = gpadl_region_table_find(table, gpa);
	e->region = e->index < table->nr ? table->regions[e->index] : NULL;
}

/* Begin the next run, and the next range if this one is through. */
static bool walk_next_run(struct extent_walk *walk)
{
	if (walk->run.nr)
		return true;
	if (walk->next >= walk->w->nr_words)
		return false;
	if (!walk->pages_left) {
		walk->range = gpadl_wire_range(walk->w->words[walk->next++]);
		walk->e.first = true;
		walk->pages_left = walk->range.nr_pages;
	}
	walk->run = gpadl_wire_run(walk->w->words[walk->next++]);
	walk->pages_left -= walk->run.nr;
	return true;
}

/* Find the next extent. False: there is none. */
static bool walk_next(struct extent_walk *walk)
{
	struct extent *e = &walk->e;
	u64 gpa;

	e->first = false;
	if (!walk_next_run(walk))
		return false;

	gpa = walk->run.pfn << GPADL_PAGE_SHIFT;
	walk_find_region(walk, gpa);
	e->down = walk->run.down;
	e->nr = 1;
	if (e->region) {
		e->nr = run_in_region(&walk->run, e->region, gpa);
		if (e->down)
			gpa -= (u64)(e->nr - 1) << GPADL_PAGE_SHIFT;
		e->hva = e->region->what.hva + (gpa - e->region->what.gpa);
	}

	walk->run.nr -= e->nr;
	if (walk->run.down)
		walk->run.pfn -= e->nr;
	else
		walk->run.pfn += e->nr;
	return true;
}

/**
 * struct single_pages - runs of one page that come next in a walk
 * @words: the first; each is no more than a page frame number (and any other word is
 *	larger than all of these)
 * @nr: of so many
 * @first: page frame number at which the region of the extent before begins
 * @nr_region: pages of it
 *
 * In a long list of pages that are scattered they are the rule. So each step of a map has a
 * loop for them that is as tight as can be, and ends where a page is not in the region; the
 * walk then goes on behind what it has taken.
 */
struct single_pages {
	const u64 *words;
	u32 nr;
	u64 first;
	u64 nr_region;
};

/* None of them is the last page of its range, which may not be whole. */
static struct single_pages walk_single_pages(const struct extent_walk *walk)
{
	const struct gpadl_region *region = walk->e.region;
	struct single_pages s = { .words = &walk->w->words[walk->next] };

	if (region && !walk->run.nr && walk->pages_left > 1) {
		s.nr = walk->pages_left - 1;
		s.first = region->what.gpa >> GPADL_PAGE_SHIFT;
		s.nr_region = region_pages(region);
	}
	return s;
}

static void walk_skip(struct extent_walk *walk, u32 nr)
{
	walk->next += nr;
	walk->pages_left -= nr;
}

/* Address of guest page @i of an extent, in the order of the GPADL. */
static unsigned long extent_hva(const struct extent *e, u32 i)
{
	return e->hva + ((unsigned long)(e->down ? e->nr - 1 - i : i) << GPADL_PAGE_SHIFT);
}

static unsigned long extent_last(const struct extent *e)
{
	return e->hva + ((unsigned long)e->nr << GPADL_PAGE_SHIFT) - 1;
}

/* Host pages that an extent touches. */
static unsigned long extent_pins(const struct extent *e)
{
	return (extent_last(e) >> PAGE_SHIFT) - (e->hva >> PAGE_SHIFT) + 1;
}

/* ---- Looking up ---- */

static void lookup_region(struct gpadl_lookup *found, const struct extent *e)
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

static void lookup_single_pages(struct gpadl_lookup *found, struct extent_walk *walk)
{
	const struct gpadl_region *region = walk->e.region;
	struct single_pages s = walk_single_pages(walk);
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
	walk_skip(walk, i);
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
	struct extent_walk walk;

	*found = (struct gpadl_lookup) {
		.generation = table->generation,
		.first_region = VMBUS_GPA_REGION_SLOTS,
		.last_region = -1,
	};
	walk_init(&walk, w, table);
	while (walk_next(&walk)) {
		if (!walk.e.region) {
			found->hole = true;
			continue;
		}
		if (walk.e.region != region)
			lookup_region(found, &walk.e);
		region = walk.e.region;
		if (!region->resident)
			lookup_pins(found, walk.e.hva, extent_last(&walk.e),
				    extent_pins(&walk.e));
		found->nr_extents++;
		lookup_single_pages(found, &walk);
	}
	found->hva = walk.e.hva;
	found->down = walk.e.down;
}

/*
 * A GPADL of one extent, as a ring is: what would be found by a walk. All its pages are in
 * the only region used.
 */
static struct extent lone_extent(const struct gpadl_mapping *m, const struct gpadl_wire *w)
{
	return (struct extent) {
		.region = m->table->regions[m->found.first_region],
		.hva = m->found.hva,
		.nr = w->nr_pages,
		.down = m->found.down,
		.first = true,
	};
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

#define for_each_region_found(i, found, end)					\
	for (i = (found)->first_region; i < (end);				\
	     i = lookup_next_region(found, i))

static void mapping_put_regions(struct gpadl_mapping *m, int end)
{
	int i;

	for_each_region_found(i, &m->found, end)
		refcount_dec(&m->table->regions[i]->users);
	gpadl_region_table_put(m->table);
}

/* Become a user of all regions found, or of none: one of them has just been removed. */
static bool mapping_use_regions(struct gpadl_mapping *m)
{
	int i;

	for_each_region_found(i, &m->found, m->found.last_region + 1) {
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
		if (!m->found.generation || m->found.generation != m->table->generation)
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

static void want_single_pages(struct gpadl_pins *pins, struct extent_walk *walk)
{
	const unsigned long hva = walk->e.region->what.hva;
	struct single_pages s = walk_single_pages(walk);
	u64 page;
	u32 i;

	for (i = 0; i < s.nr; i++) {
		page = s.words[i] - s.first;
		if (page >= s.nr_region ||
		    !gpadl_pins_want_page(pins, hva + (page << GPADL_PAGE_SHIFT)))
			break;
	}
	walk_skip(walk, i);
}

/* Note all that is to be pinned. False: too thin, to be pinned by the run. */
static bool mapping_want(const struct gpadl_mapping *m, const struct gpadl_wire *w,
			 struct gpadl_pins *pins)
{
	struct extent_walk walk;

	walk_init(&walk, w, m->table);
	while (walk_next(&walk)) {
		if (walk.e.region->resident)
			continue;
		if (!gpadl_pins_want(pins, walk.e.hva & PAGE_MASK, extent_pins(&walk.e)))
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
	struct extent_walk walk;
	int ret;

	if (m->found.nr_extents == 1)
		return gpadl_mem_pin(pin, m->found.hva & PAGE_MASK, m->found.nr_pins);

	walk_init(&walk, w, m->table);
	while (walk_next(&walk)) {
		if (walk.e.region->resident)
			continue;
		ret = gpadl_mem_pin(pin, walk.e.hva & PAGE_MASK, extent_pins(&walk.e));
		if (ret)
			return ret;
	}
	return 0;
}

/* ---- The scatterlist ---- */

/**
 * struct sg_builder - a scatterlist that grows
 * @sgl: one flat array: no chain to follow
 * @one: @sgl at first, of one entry: most rings need no more if huge pages back them
 * @nents: entries
 * @room: entries that @sgl has room for
 * @more: what it is to have room for next
 * @end: physical address behind the last entry
 * @pins: where the pages are that are not resident, if pinned by the block
 * @pages: else, the pages of the current extent and those that follow
 */
struct sg_builder {
	struct scatterlist *sgl;
	struct scatterlist *one;
	unsigned int nents;
	unsigned int room;
	unsigned int more;
	phys_addr_t end;
	const struct gpadl_pins *pins;
	struct page **pages;
};

static void sg_free(struct scatterlist *sgl, const struct scatterlist *one)
{
	if (sgl != one)
		kvfree(sgl);
}

static int sg_builder_resize(struct sg_builder *b, unsigned int room)
{
	struct scatterlist *sgl;

	sgl = kvmalloc_array(room, sizeof(*sgl), GFP_KERNEL_ACCOUNT);
	if (!sgl)
		return -ENOMEM;
	if (b->nents)
		memcpy(sgl, b->sgl, b->nents * sizeof(*sgl));
	sg_free(b->sgl, b->one);
	b->sgl = sgl;
	b->room = room;
	b->more = 2 * room;
	return 0;
}

/* All of an entry at once. (sg_set_page() keeps flags that a new entry does not have.) */
static __always_inline void sg_fill(struct scatterlist *sg, struct page *page,
				    unsigned int len, unsigned int offset)
{
	*sg = (struct scatterlist) {
		.page_link = (unsigned long)page,
		.offset = offset,
		.length = len,
	};
}

/* Add @len bytes; @apart: not to the entry before, even if they follow it. */
static int sg_builder_add(struct sg_builder *b, phys_addr_t phys, unsigned int len,
			  bool apart)
{
	int ret;

	if (phys == b->end && !apart) {
		b->sgl[b->nents - 1].length += len;
		b->end += len;
		return 0;
	}
	if (b->nents == b->room) {
		ret = sg_builder_resize(b, b->more);
		if (ret)
			return ret;
	}
	sg_fill(&b->sgl[b->nents++], pfn_to_page(PHYS_PFN(phys)), len, offset_in_page(phys));
	b->end = phys + len;
	return 0;
}

/**
 * struct sg_piece - pages of an extent that are found by one look
 * @nr: guest pages, at least 1
 * @phys: address of the first; the others lie above it, or below, as the extent goes
 * @slot: if they do not: its place in a list of host pages in which they follow,
 * @leaf: or in one of addresses of host pages
 */
struct sg_piece {
	u32 nr;
	phys_addr_t phys;
	struct page **slot;
	const u64 *leaf;
};

/* So many of @max pages, from @hva on, lie in the same aligned @size bytes. */
static u32 pages_in(unsigned long hva, unsigned long size, bool down, u32 max)
{
	unsigned long before = (hva & (size - 1)) >> GPADL_PAGE_SHIFT;

	return min_t(unsigned long, max,
		     down ? before + 1 : (size >> GPADL_PAGE_SHIFT) - before);
}

/* The pages of an extent from page @i on. */
static struct sg_piece sg_find(const struct sg_builder *b, const struct extent *e, u32 i)
{
	unsigned long hva = extent_hva(e, i), bytes, size = GPADL_BLOCK_SIZE;
	struct sg_piece p = {};

	if (e->region->resident) {
		p.phys = gpadl_resident_find(e->region->resident, hva, &bytes);
		p.leaf = gpadl_resident_leaf(e->region->resident, hva);
	} else if (b->pins) {
		p.phys = gpadl_pins_find(b->pins, hva, &p.slot);
	} else {
		p.slot = b->pages + ((hva >> PAGE_SHIFT) - (e->hva >> PAGE_SHIFT));
		p.phys = page_to_phys(*p.slot) + offset_in_page(hva);
	}
	/* A list of host pages is one of guest pages only if they are of one size. */
	if ((p.slot || p.leaf) && PAGE_SIZE > GPADL_PAGE_SIZE) {
		p.slot = NULL;
		p.leaf = NULL;
		size = PAGE_SIZE;
	}
	if (p.slot && !b->pins) {
		p.nr = e->nr - i;
		if (!e->down && gpadl_pages_follow(p.slot, p.nr) == p.nr)
			p.slot = NULL;
	} else {
		p.nr = pages_in(hva, size, e->down, e->nr - i);
	}
	return p;
}

/*
 * Add a whole guest page, where there is room: what loops are made of. @sg and @end are the
 * builder's next entry and its end, in registers.
 */
static __always_inline void sg_add_page(struct scatterlist **sg, phys_addr_t *end,
					phys_addr_t phys)
{
	unsigned int offset = PAGE_SIZE > GPADL_PAGE_SIZE ? offset_in_page(phys) : 0;

	if (phys == *end)
		(*sg)[-1].length += GPADL_PAGE_SIZE;
	else
		sg_fill((*sg)++, pfn_to_page(PHYS_PFN(phys)), GPADL_PAGE_SIZE, offset);
	*end = phys + GPADL_PAGE_SIZE;
}

/* Page @i of a piece. */
static __always_inline phys_addr_t piece_page(const struct sg_piece *p, bool down, u32 i)
{
	long n = down ? -(long)i : i;

	if (p->slot)
		return page_to_phys(p->slot[n]);
	return p->leaf ? p->leaf[n] : p->phys + n * (long)GPADL_PAGE_SIZE;
}

/* @nr whole pages of a piece, from page @i on. */
static void sg_add_whole_pages(struct sg_builder *b, const struct sg_piece *piece,
			       bool down, u32 i, u32 nr)
{
	struct scatterlist *sg = &b->sgl[b->nents];
	const struct sg_piece p = *piece;
	phys_addr_t end = b->end;

	if (p.slot && !down)
		for (; nr; nr--)
			sg_add_page(&sg, &end, page_to_phys(p.slot[i++]));
	else if (p.leaf && !down)
		for (; nr; nr--)
			sg_add_page(&sg, &end, p.leaf[i++]);
	else
		for (; nr; nr--)
			sg_add_page(&sg, &end, piece_page(&p, down, i++));
	b->nents = sg - b->sgl;
	b->end = end;
}

/* The pages of a piece, one by one. */
static int sg_add_pages(struct sg_builder *b, const struct sg_piece *p, bool down, u32 from,
			u32 *left, bool apart)
{
	u32 i = 0, nr, len;
	int ret;

	/* One entry will not be enough. */
	if (b->sgl == b->one && p->nr > 1) {
		ret = sg_builder_resize(b, b->more);
		if (ret)
			return ret;
	}
	while (i < p->nr) {
		nr = min3(p->nr - i, *left >> GPADL_PAGE_SHIFT, b->room - b->nents);
		if (!nr || from || apart) {
			/* The first or the last of the range, or there is no room. */
			nr = 1;
			len = min_t(u32, *left, GPADL_PAGE_SIZE - from);
			ret = sg_builder_add(b, piece_page(p, down, i) + from, len, apart);
			if (ret)
				return ret;
			from = 0;
			apart = false;
		} else {
			len = nr << GPADL_PAGE_SHIFT;
			sg_add_whole_pages(b, p, down, i, nr);
		}
		*left -= len;
		i += nr;
	}
	return 0;
}

/* A piece at a time: most of memory is in pieces of many pages. */
static int sg_add_extent(struct sg_builder *b, const struct extent *e, u32 from, u32 *left)
{
	u32 i, len;
	int ret;

	for (i = 0; i < e->nr;) {
		struct sg_piece p = sg_find(b, e, i);
		bool apart = e->first && !i;

		if (p.slot || p.leaf || e->down) {
			ret = sg_add_pages(b, &p, e->down, from, left, apart);
		} else {
			len = min_t(u32, *left, (p.nr << GPADL_PAGE_SHIFT) - from);
			ret = sg_builder_add(b, p.phys + from, len, apart);
			*left -= len;
		}
		if (ret)
			return ret;
		from = 0;
		i += p.nr;
	}
	if (!e->region->resident && !b->pins)
		b->pages += extent_pins(e);
	return 0;
}

/* In resident memory this is all of a map that goes by the page. */
static __always_inline void sg_add_single_pages(struct sg_builder *b,
						struct extent_walk *walk, u32 *left,
						bool resident)
{
	const struct gpadl_resident *r = walk->e.region->resident;
	const unsigned long hva = walk->e.region->what.hva;
	struct single_pages s = walk_single_pages(walk);
	struct scatterlist *sg = &b->sgl[b->nents];
	const u64 *word = s.words, *last = word + min(s.nr, b->room - b->nents);
	phys_addr_t end = b->end;
	unsigned long addr, bytes;
	struct page **slot;

	for (; word < last; word++) {
		addr = *word - s.first;
		if (addr >= s.nr_region)
			break;
		addr = hva + (addr << GPADL_PAGE_SHIFT);
		sg_add_page(&sg, &end, resident ? gpadl_resident_find(r, addr, &bytes) :
						  gpadl_pins_find(b->pins, addr, &slot));
	}
	b->nents = sg - b->sgl;
	b->end = end;
	walk_skip(walk, word - s.words);
	*left -= (word - s.words) << GPADL_PAGE_SHIFT;
}

static int sg_add_all(struct sg_builder *b, const struct gpadl_wire *w,
		      const struct gpadl_mapping *m)
{
	struct extent_walk walk;
	u32 left = 0;
	int ret;

	walk_init(&walk, w, m->table);
	while (walk_next(&walk)) {
		u32 from = 0;

		if (walk.e.first) {
			from = walk.range.offset;
			left = walk.range.count;
		}
		ret = sg_add_extent(b, &walk.e, from, &left);
		if (ret)
			return ret;
		if (walk.e.region->resident)
			sg_add_single_pages(b, &walk, &left, true);
		else if (b->pins)
			sg_add_single_pages(b, &walk, &left, false);
	}
	return 0;
}

/* Entries that an array has room for: for a ring's pages, wherever they are. */
#define SG_ROOM		16u

/*
 * An entry for each run is what most need, more where pinned pages are seen to be scattered,
 * and one for each page is enough for all. What this does not see, it grows for.
 */
static u32 sg_room(const struct sg_builder *b, const struct gpadl_wire *w)
{
	unsigned long room = w->nr_runs;

	if (b->pins)
		room += b->pins->nr_scattered + b->pins->nr_wanted;
	return min_t(unsigned long, w->nr_pages, max_t(unsigned long, room, SG_ROOM));
}

/* What was too much is given back, if it was much. */
static void sg_trim(struct sg_builder *b)
{
	if (b->room > SG_ROOM && b->nents < b->room / 2)
		/* If there is no memory for less, there is enough. */
		(void)sg_builder_resize(b, b->nents);
}

static int sg_build(struct sg_builder *b, const struct gpadl_wire *w,
		    const struct gpadl_mapping *m)
{
	int ret;

	if (m->found.nr_extents == 1) {
		struct gpadl_wire_range range = gpadl_wire_range(w->words[0]);
		struct extent e = lone_extent(m, w);

		ret = sg_add_extent(b, &e, range.offset, &range.count);
	} else {
		ret = sg_add_all(b, w, m);
	}
	if (!ret)
		sg_trim(b);
	return ret;
}

static int sg_make(struct gpadl_mapping *m, const struct gpadl_wire *w,
		   struct sg_builder *b)
{
	int ret;

	b->one = &m->one;
	b->sgl = &m->one;
	b->room = 1;
	b->more = sg_room(b, w);
	ret = sg_build(b, w, m);
	if (ret) {
		sg_free(b->sgl, b->one);
		return ret;
	}
	sg_mark_end(&b->sgl[b->nents - 1]);
	m->sgt.sgl = b->sgl;
	m->sgt.nents = b->nents;
	m->sgt.orig_nents = b->nents;
	return 0;
}

/* ---- Mapping ---- */

/* With room for all, and all charged: pin, and build the scatterlist. */
static int mapping_pin(struct gpadl_mapping *m, const struct gpadl_wire *w,
		       struct gpadl_pinning *pin)
{
	struct sg_builder b = { .pages = pin->pages };
	struct gpadl_pins pins;
	int ret;

	ret = mapping_plan(m, w, &pins);
	if (ret)
		return ret;
	if (pins.blocks)
		b.pins = &pins;
	ret = b.pins ? gpadl_pins_take(&pins, pin, &m->pinned) :
		       mapping_pin_runs(m, w, pin);
	if (!ret)
		ret = sg_make(m, w, &b);
	if (b.pins)
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
				    GFP_KERNEL_ACCOUNT);
	if (!pin->pages)
		return -ENOMEM;
	ret = mapping_pin(m, w, pin);
	m->pinned.pages = pin->pages;
	m->pinned.nr_pages = pin->done;
	if (ret)
		gpadl_pinned_drop(&m->pinned, false);
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
	struct sg_builder b = {};
	int ret;

	if (!atomic_read(&mem->mm->mm_users))
		return -ESRCH;
	gpadl_mem_account_begin(mem, &acct);
	ret = sg_make(m, w, &b);
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
	struct scatterlist *sg = m->sgt.sgl, *end = sg + m->sgt.nents;
	struct page *few[PINS_BY_RUN_MAX];
	unsigned long i, nr = 0;

	if (m->sgt.nents == 1) {
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
	sg_free(m->sgt.sgl, &m->one);
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
	pages = kvmalloc_array(n, sizeof(*pages), GFP_KERNEL_ACCOUNT);
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
