// SPDX-License-Identifier: GPL-2.0
/*
 * The scatterlist of a mapping.
 *
 * One flat array, in the order of the guest's list; pages that follow each other
 * physically share an entry, as far as their range goes. It is made in one go over the
 * list, in pieces as large as what is found by one look: a block of a huge page, the pages
 * of an extent that were pinned together, a run of single pages in one region.
 */
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "mapping.h"
#include "pins.h"
#include "region.h"
#include "resident.h"
#include "sg.h"
#include "walk.h"

/**
 * struct sg_builder - a scatterlist that grows
 * @sgl: one flat array: no chain to follow
 * @own: @sgl at first: what the mapping has room for by itself
 * @nents: entries
 * @room: entries that @sgl has room for
 * @more: what it is to have room for next
 * @end: physical address behind the last entry
 * @pins: where the pages are that are not resident, if pinned by the block
 * @pages: else, the pages of the current extent and those that follow
 */
struct sg_builder {
	struct scatterlist *sgl;
	struct scatterlist *own;
	unsigned int nents;
	unsigned int room;
	unsigned int more;
	phys_addr_t end;
	const struct gpadl_pin_plan *pins;
	struct page **pages;
};

static void sg_free(struct scatterlist *sgl, const struct scatterlist *own)
{
	if (sgl != own)
		kvfree(sgl);
}

static int sg_builder_resize(struct sg_builder *b, unsigned int room)
{
	struct scatterlist *sgl;

	sgl = kvmalloc_array(room, sizeof(*sgl), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!sgl)
		return -ENOMEM;
	if (b->nents)
		memcpy(sgl, b->sgl, b->nents * sizeof(*sgl));
	sg_free(b->sgl, b->own);
	b->sgl = sgl;
	b->room = room;
	b->more = 2 * room;
	return 0;
}

/* All of a new entry at once: sg_set_page() keeps flags, of which it has none. */
static __always_inline void sg_fill(struct scatterlist *sg, struct page *page,
				    unsigned int len, unsigned int offset)
{
	*sg = (struct scatterlist) {};
	sg_set_page(sg, page, len, offset);
}

/* Add @len bytes; @apart: not to the entry before, even if they follow it. */
static int sg_builder_add(struct sg_builder *b, phys_addr_t phys, unsigned int len,
			  bool apart)
{
	int ret;

	if (phys == b->end && !apart && !gpadl_memmap_breaks(PHYS_PFN(phys))) {
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
static struct sg_piece sg_find(const struct sg_builder *b, const struct gpadl_extent *e, u32 i)
{
	unsigned long hva = gpadl_extent_hva(e, i), bytes, size = GPADL_BLOCK_SIZE;
	struct sg_piece p = {};

	if (e->region->resident) {
		p.phys = gpadl_resident_find(e->region->resident, hva, &bytes);
		p.leaf = gpadl_resident_leaf(e->region->resident, hva);
	} else if (b->pins) {
		p.phys = gpadl_pin_plan_find(b->pins, hva, &p.slot);
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
	unsigned int offset = 0;

	if (PAGE_SIZE > GPADL_PAGE_SIZE)
		offset = offset_in_page(phys);
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
			sg_add_page(&sg, &end, piece_page(&p, true, i++));
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
	if (b->room == 1 && p->nr > 1) {
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
static int sg_add_extent(struct sg_builder *b, const struct gpadl_extent *e, u32 from, u32 *left)
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
		b->pages += gpadl_extent_pins(e);
	return 0;
}

/* In resident memory this is all of a map that goes by the page. */
static __always_inline void sg_add_single_pages(struct sg_builder *b,
						struct gpadl_walk *walk, u32 *left,
						bool resident)
{
	const struct gpadl_resident *r = walk->e.region->resident;
	const unsigned long hva = walk->e.region->what.hva;
	struct gpadl_single_pages s = gpadl_walk_single_pages(walk);
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
						  gpadl_pin_plan_find(b->pins, addr, &slot));
	}
	b->nents = sg - b->sgl;
	b->end = end;
	gpadl_walk_skip(walk, word - s.words);
	*left -= (word - s.words) << GPADL_PAGE_SHIFT;
}

static int sg_add_all(struct sg_builder *b, const struct gpadl_pfn_list *w,
		      const struct vmbus_mapping *m)
{
	struct gpadl_walk walk;
	u32 left = 0;
	int ret;

	gpadl_walk_init(&walk, w, m->table);
	while (gpadl_walk_next(&walk)) {
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
static u32 sg_room(const struct sg_builder *b, const struct gpadl_pfn_list *w)
{
	unsigned long room = w->nr_runs;

	if (b->pins)
		room += b->pins->nr_scattered + b->pins->nr_wanted;
	return min_t(unsigned long, w->nr_pages, max_t(unsigned long, room, SG_ROOM));
}

/* What was too much is given back, if it was much. */
static void sg_trim(struct sg_builder *b)
{
	if (b->sgl != b->own && b->room > SG_ROOM && b->nents < b->room / 2)
		/* If there is no memory for less, there is enough. */
		(void)sg_builder_resize(b, b->nents);
}

/* Entries that are needed if none may be longer than @max_segment. */
static unsigned int sg_count_split_long(const struct sg_builder *b, unsigned int max_segment)
{
	unsigned int i, nr = 0;

	for (i = 0; i < b->nents; i++)
		nr += DIV_ROUND_UP(b->sgl[i].offset + b->sgl[i].length, max_segment);
	return nr;
}

/*
 * Split the entries that are longer than @max_segment, each at ends of pages. A pass of its
 * own: few backends want it, and few entries are so long.
 */
static int sg_split_long(struct sg_builder *b, unsigned int max_segment)
{
	unsigned int nr = sg_count_split_long(b, max_segment), i, j, offset, len, n;
	struct scatterlist *sgl, *sg;
	struct page *page;

	if (nr == b->nents)
		return 0;
	sgl = kvmalloc_array(nr, sizeof(*sgl), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!sgl)
		return -ENOMEM;
	sg = sgl;
	for (i = 0; i < b->nents; i++) {
		offset = b->sgl[i].offset;
		len = b->sgl[i].length;
		page = sg_page(&b->sgl[i]);
		for (j = 0; len; j++) {
			n = min(len, max_segment - offset);
			sg_fill(sg++, page + j * (max_segment >> PAGE_SHIFT), n, offset);
			len -= n;
			offset = 0;
		}
	}
	sg_free(b->sgl, b->own);
	b->sgl = sgl;
	b->nents = nr;
	return 0;
}

/* The longest entry there can be: a GPADL has no more pages. */
#define SG_LONGEST	(GPADL_MAX_PAGES * GPADL_PAGE_SIZE)

/* A list of one extent, as of a ring in resident memory: no need of a walk. */
static int sg_add_only(struct sg_builder *b, const struct gpadl_pfn_list *w,
		       const struct vmbus_mapping *m)
{
	const struct gpadl_region *region = m->table->regions[m->found->first_region];
	struct gpadl_short_walk walk = gpadl_short_walk(w, region);
	struct gpadl_extent e;

	gpadl_short_next(&walk);
	e = (struct gpadl_extent) {
		.region = region,
		.hva = walk.hva,
		.nr = walk.run.nr,
		.down = walk.run.down,
		.first = true,
	};
	return sg_add_extent(b, &e, walk.range.offset, &walk.range.count);
}

/* In the room that the mapping has; if it is too little, in so much, and more than that. */
static void sg_begin(struct sg_builder *b, struct vmbus_mapping *m, unsigned int more)
{
	b->sgl = m->few_sgl;
	b->own = m->few_sgl;
	b->room = m->nr_few_sgl;
	b->more = max(more, 2 * b->room);
}

/* Give the list to the mapping, unless there was an error. */
static int sg_finish(struct sg_builder *b, struct vmbus_mapping *m, int ret,
		     unsigned int max_segment)
{
	if (!ret && max_segment < SG_LONGEST)
		ret = sg_split_long(b, max_segment);
	if (ret) {
		sg_free(b->sgl, b->own);
		return ret;
	}
	sg_mark_end(&b->sgl[b->nents - 1]);
	m->sgl = b->sgl;
	m->sgt.sgl = b->sgl;
	m->sgt.nents = b->nents;
	m->sgt.orig_nents = b->nents;
	return 0;
}

/**
 * gpadl_sg_make() - List the pages of a GPADL
 * @m: the mapping: its pages are looked up, and pinned or resident
 * @w: the GPADL
 * @pins: where the pages are that are not resident, if pinned by the block; else NULL
 * @pages: and if not so: these pages, extent by extent, each from its lowest up
 * @max_segment: length that an entry has at most; whole pages
 *
 * Fills in @m->sgt. The entries cover the GPADL's ranges in order, to the byte; none spans
 * two ranges. An entry that begins inside a page ends where one that began with the page
 * would.
 *
 * Context: process, may sleep.
 * Return: 0, to be undone by gpadl_sg_free(); -ENOMEM if there is no memory.
 */
int gpadl_sg_make(struct vmbus_mapping *m, const struct gpadl_pfn_list *w,
		  const struct gpadl_pin_plan *pins, struct page **pages,
		  unsigned int max_segment)
{
	struct sg_builder b = {
		.pins = pins,
		.pages = pages,
	};
	int ret;

	sg_begin(&b, m, sg_room(&b, w));
	if (m->found->nr_extents == 1)
		ret = sg_add_only(&b, w, m);
	else
		ret = sg_add_all(&b, w, m);
	if (!ret)
		sg_trim(&b);
	return sg_finish(&b, m, ret, max_segment);
}

/* The pages of a run, of which the lowest is the first of @pages. */
static int sg_add_run(struct sg_builder *b, const struct gpadl_wire_run *run,
		      struct page **pages, u32 from, u32 *left, bool apart)
{
	u32 i, nr, len;
	int ret;

	for (i = 0; i < run->nr; i += nr) {
		struct page **at = pages + (run->down ? run->nr - 1 - i : i);

		nr = run->down ? 1 : gpadl_pages_follow(at, run->nr - i);
		len = min_t(u32, *left, (nr << GPADL_PAGE_SHIFT) - from);
		ret = sg_builder_add(b, page_to_phys(*at) + from, len, apart);
		if (ret)
			return ret;
		*left -= len;
		from = 0;
		apart = false;
	}
	return 0;
}

/**
 * gpadl_sg_make_short() - gpadl_sg_make() of a short list
 * @m: the mapping
 * @w: the GPADL; all of it lies in one region, and was pinned
 * @pages: its pages, run by run, each from its lowest up
 * @max_segment: length that an entry has at most; whole pages
 *
 * Context: process, may sleep.
 * Return: 0, to be undone by gpadl_sg_free(); -ENOMEM if there is no memory.
 */
int gpadl_sg_make_short(struct vmbus_mapping *m, const struct gpadl_pfn_list *w,
			struct page **pages, unsigned int max_segment)
{
	struct gpadl_short_walk walk =
		gpadl_short_walk(w, m->table->regions[m->found->first_region]);
	struct sg_builder b = {};
	u32 from, left = 0;
	int ret = 0;

	sg_begin(&b, m, w->nr_pages);
	while (!ret && gpadl_short_next(&walk)) {
		from = 0;
		if (walk.first) {
			from = walk.range.offset;
			left = walk.range.count;
		}
		ret = sg_add_run(&b, &walk.run, pages, from, &left, walk.first);
		pages += walk.run.nr;
	}
	return sg_finish(&b, m, ret, max_segment);
}

/**
 * gpadl_sg_free() - Undo gpadl_sg_make()
 * @m: the mapping
 *
 * Context: process.
 */
void gpadl_sg_free(struct vmbus_mapping *m)
{
	sg_free(m->sgl, m->few_sgl);
}
