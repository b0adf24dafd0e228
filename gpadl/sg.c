// SPDX-License-Identifier: GPL-2.0
/*
 * The scatterlist of a mapping.
 *
 * One flat array, in the order of the guest's list; pages that follow each other physically share
 * an entry, as far as their range goes. It is made in one walk over the list. One of three tells
 * the walk where the pages of an extent are: the table of their region if it is resident; the
 * plan by which they were pinned, if they were pinned by the block; or the pin itself, which is
 * done there and then.
 *
 * All is added as whole guest pages. A range need not begin and end with a page: its first
 * and its last entry are cut to size when the range is through.
 */
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "mapping.h"
#include "mem.h"
#include "pins.h"
#include "region.h"
#include "resident.h"
#include "sg.h"
#include "walk.h"

/* No page begins there, so the next one gets an entry of its own. */
#define SG_APART	((phys_addr_t)-1)

/**
 * struct sg_builder - a scatterlist that grows
 * @sgl: one flat array: no chain to follow
 * @own: @sgl at first: what the mapping has room for by itself
 * @nents: entries
 * @room: entries that @sgl has room for
 * @next_room: what it is to have room for next
 * @end: physical address behind the last entry, or SG_APART
 * @first: number of the entry that the range begins with
 * @range: the range
 */
struct sg_builder {
	struct scatterlist *sgl;
	struct scatterlist *own;
	unsigned int nents;
	unsigned int room;
	unsigned int next_room;
	phys_addr_t end;
	unsigned int first;
	struct gpadl_wire_range range;
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
	memcpy(sgl, b->sgl, b->nents * sizeof(*sgl));
	sg_free(b->sgl, b->own);
	b->sgl = sgl;
	b->room = room;
	b->next_room = 2 * room;
	return 0;
}

/* ---- Ranges ---- */

/* Cut off the parts of the first and the last page that are not in the range. */
static void sg_end_range(struct sg_builder *b)
{
	const struct gpadl_wire_range *range = &b->range;
	struct scatterlist *first = &b->sgl[b->first], *last = &b->sgl[b->nents - 1];

	first->offset += range->offset;
	first->length -= range->offset;
	last->length -= (range->nr_pages << GPADL_PAGE_SHIFT) - range->offset - range->count;
}

static void sg_begin_range(struct sg_builder *b, const struct gpadl_wire_range *range)
{
	if (b->nents)
		sg_end_range(b);
	b->range = *range;
	b->first = b->nents;
	b->end = SG_APART;
}

/* ---- Pages ---- */

/*
 * All of a new entry at once. sg_set_page() would keep the flags that share a word with the page,
 * of which it has none, and costs 6 instructions more for each entry.
 */
static __always_inline void sg_fill(struct scatterlist *sg, struct page *page,
				    unsigned int len, unsigned int offset)
{
	*sg = (struct scatterlist) {
		.page_link = (unsigned long)page,
		.offset = offset,
		.length = len,
	};
}

/* Does an address go on where the last entry ends? */
static __always_inline bool sg_follows(phys_addr_t phys, phys_addr_t end)
{
	return phys == end && !gpadl_memmap_breaks(PHYS_PFN(phys));
}

/* Add @nr pages that follow each other. */
static __always_inline int sg_add_run(struct sg_builder *b, phys_addr_t phys, u32 nr)
{
	unsigned int len = nr << GPADL_PAGE_SHIFT;
	int ret;

	if (sg_follows(phys, b->end)) {
		b->sgl[b->nents - 1].length += len;
		b->end += len;
		return 0;
	}
	if (b->nents == b->room) {
		ret = sg_builder_resize(b, b->next_room);
		if (ret)
			return ret;
	}
	sg_fill(&b->sgl[b->nents++], pfn_to_page(PHYS_PFN(phys)), len, offset_in_page(phys));
	b->end = phys + len;
	return 0;
}

/* Make room for the next entry, and return it. NULL if there is no memory. */
static noinline struct scatterlist *sg_more_room(struct sg_builder *b)
{
	b->nents = b->room;
	return sg_builder_resize(b, b->next_room) ? NULL : &b->sgl[b->nents];
}

/* gpadl_pages_follow() of a list that is gone through backwards: mostly they do not. */
static __always_inline u32 sg_pages_follow_back(struct page **pages, u32 nr)
{
	struct page *page = *pages;
	u32 n = 1;

	while (n < nr && gpadl_page_is_next(*--pages, page + n))
		n++;
	return n;
}

/* sg_add_pages() with @back known. */
static __always_inline int sg_add_list(struct sg_builder *b, struct page **pages, u32 nr,
				       const bool back)
{
	struct scatterlist *sg = &b->sgl[b->nents], *room = &b->sgl[b->room];
	struct page *page = *pages;
	u32 n = 0;

	/* No other run than the first can go on where an entry ends. */
	if (sg_follows(page_to_phys(page), b->end)) {
		n = back ? sg_pages_follow_back(pages, nr) : gpadl_pages_follow(pages, nr);
		sg[-1].length += n << GPADL_PAGE_SHIFT;
	}
	while (nr -= n) {
		pages = back ? pages - n : pages + n;
		page = *pages;
		n = back ? sg_pages_follow_back(pages, nr) : gpadl_pages_follow(pages, nr);
		if (sg == room) {
			sg = sg_more_room(b);
			if (!sg)
				return -ENOMEM;
			room = &b->sgl[b->room];
		}
		sg_fill(sg++, page, n << GPADL_PAGE_SHIFT, 0);
	}
	b->nents = sg - b->sgl;
	b->end = page_to_phys(page) + (n << GPADL_PAGE_SHIFT);
	return 0;
}

/* Add pages of a list of host pages, as large as the guest's; @back: each before the last one. */
static int sg_add_pages(struct sg_builder *b, struct page **pages, u32 nr, bool back)
{
	return back ? sg_add_list(b, pages, nr, true) : sg_add_list(b, pages, nr, false);
}

/* Add pages of a list of addresses of such pages. */
static int sg_add_leaf(struct sg_builder *b, const u64 *leaf, u32 nr, long step)
{
	struct scatterlist *sg = &b->sgl[b->nents];
	phys_addr_t phys, end = b->end;

	for (; nr; nr--, leaf += step) {
		phys = READ_ONCE(*leaf);
		if (sg_follows(phys, end)) {
			sg[-1].length += GPADL_PAGE_SIZE;
		} else {
			if (sg == &b->sgl[b->room]) {
				sg = sg_more_room(b);
				if (!sg)
					return -ENOMEM;
			}
			sg_fill(sg++, pfn_to_page(PHYS_PFN(phys)), GPADL_PAGE_SIZE, 0);
		}
		end = phys + GPADL_PAGE_SIZE;
	}
	b->nents = sg - b->sgl;
	b->end = end;
	return 0;
}

/* Add pages that follow each other downwards. */
static int sg_add_down(struct sg_builder *b, phys_addr_t phys, u32 nr)
{
	int ret = 0;

	for (; !ret && nr; nr--, phys -= GPADL_PAGE_SIZE)
		ret = sg_add_run(b, phys, 1);
	return ret;
}

/* ---- Extents ---- */

/* How many of @max pages, from @hva on, lie in the same aligned @size bytes? */
static u32 pages_in(unsigned long hva, unsigned long size, bool down, u32 max)
{
	unsigned long before = (hva & (size - 1)) >> GPADL_PAGE_SHIFT;

	return min_t(unsigned long, max,
		     down ? before + 1 : (size >> GPADL_PAGE_SHIFT) - before);
}

/**
 * struct sg_list - where a page stands in a list of its block, if it has one
 * @pages: of pinned pages; NULL if it does not stand in such a list
 * @leaf: of addresses of pages; likewise
 */
struct sg_list {
	struct page **pages;
	const u64 *leaf;
};

/* Where a page is, told by the table of its region, or the plan by which it was pinned. */
static __always_inline phys_addr_t sg_find(const struct gpadl_region *region,
					   const struct gpadl_pin_plan *plan,
					   unsigned long hva, struct sg_list *list)
{
	*list = (struct sg_list) {};
	if (region->resident)
		return gpadl_resident_find(region->resident, hva, &list->leaf);
	return gpadl_pin_plan_find(plan, hva, &list->pages);
}

/* Add an extent of found pages: as many at a time as one look finds. */
static noinline int sg_add_found(struct sg_builder *b, struct gpadl_extent e,
				 const struct gpadl_pin_plan *plan)
{
	const long step = e.down ? -1 : 1;
	struct sg_list list;
	phys_addr_t phys;
	unsigned long hva;
	int ret = 0;
	u32 i, nr;

	for (i = 0; !ret && i < e.nr; i += nr) {
		hva = gpadl_extent_hva(&e, i);
		phys = sg_find(e.region, plan, hva, &list);
		nr = pages_in(hva, GPADL_BLOCK_SIZE, e.down, e.nr - i);
		if ((list.pages || list.leaf) && PAGE_SIZE > GPADL_PAGE_SIZE) {
			/* A list of host pages is not one of guest pages: one at a time. */
			nr = 1;
			ret = sg_add_run(b, phys, 1);
		} else if (list.pages) {
			ret = sg_add_pages(b, list.pages, nr, e.down);
		} else if (list.leaf) {
			ret = sg_add_leaf(b, list.leaf, nr, step);
		} else if (e.down) {
			ret = sg_add_down(b, phys, nr);
		} else {
			ret = sg_add_run(b, phys, nr);
		}
	}
	return ret;
}

/* The pages of an extent, which are pinned from @pages on, from the lowest up. */
static int sg_add_pinned(struct sg_builder *b, const struct gpadl_extent *e,
			 struct page **pages)
{
	unsigned long hva;
	int ret = 0;
	u32 i;

	if (PAGE_SIZE == GPADL_PAGE_SIZE)
		return e->down ? sg_add_pages(b, pages + e->nr - 1, e->nr, true) :
				 sg_add_pages(b, pages, e->nr, false);
	for (i = 0; !ret && i < e->nr; i++) {
		hva = gpadl_extent_hva(e, i);
		ret = sg_add_run(b, page_to_phys(pages[(hva >> PAGE_SHIFT) -
						       (e->hva >> PAGE_SHIFT)]) +
				 offset_in_page(hva), 1);
	}
	return ret;
}

/* ---- Pinning by the run ---- */

/* Pin an extent, and list it. */
static __always_inline int sg_pin_extent(struct sg_builder *b, struct gpadl_pin_ctx *pin,
					 const struct gpadl_extent *e)
{
	struct page **pages = pin->pages + pin->done;
	int ret;

	ret = gpadl_mem_pin_more(pin, e->hva & PAGE_MASK, gpadl_extent_pins(e));
	if (ret)
		return ret;
	if (e->nr == 1)
		return sg_add_run(b, page_to_phys(*pages) + offset_in_page(e->hva), 1);
	return sg_add_pinned(b, e, pages);
}

/* A page of the guest's is looked for in a huge one by its own address: both are as large. */
#define SG_MAY_BE_HUGE	(PAGE_SIZE == GPADL_PAGE_SIZE)

/* No block has this number, not even that of the lowest addresses. */
#define SG_NO_BLOCK	(~0ul)

/**
 * struct sg_huge - a block that is a hugetlb page, or part of one, and was pinned by one page
 * @number: the block, or SG_NO_BLOCK
 * @phys: where it begins
 */
struct sg_huge {
	unsigned long number;
	phys_addr_t phys;
};

static __always_inline bool sg_may_be_huge(const struct gpadl_region *region)
{
	return SG_MAY_BE_HUGE && READ_ONCE(region->huge);
}

static bool sg_is_huge(struct page *page, unsigned long hva)
{
	return gpadl_page_fills_block(page, (hva & ~GPADL_BLOCK_MASK) >> PAGE_SHIFT);
}

/*
 * Is it worth it to try one pin for a block next time? Told by the page that was pinned last.
 * @hva is its address, unless the last extent was not pinned by itself: that does no harm.
 */
static __always_inline void sg_guess_huge(struct gpadl_region *region, struct page *page,
					  unsigned long hva)
{
	if (SG_MAY_BE_HUGE && unlikely(PageCompound(page)) && sg_is_huge(page, hva))
		WRITE_ONCE(region->huge, true);
}

/*
 * Pin an extent by one page of each block, as far as these are hugetlb pages. The rest, where the
 * guess was wrong, is pinned as any other. Host pages are as large as the guest's.
 */
static noinline int sg_pin_huge(struct sg_builder *b, struct gpadl_pin_ctx *pin,
				struct gpadl_region *region, struct gpadl_extent e,
				struct sg_huge *huge)
{
	unsigned long hva;
	struct page *page;
	phys_addr_t phys;
	int ret = 0;
	u32 nr;

	for (; !ret && e.nr; e.nr -= nr, e.hva += e.down ? 0 : nr << GPADL_PAGE_SHIFT) {
		hva = gpadl_extent_hva(&e, 0);
		if (hva >> GPADL_BLOCK_SHIFT != huge->number) {
			ret = gpadl_mem_pin_more(pin, hva, 1);
			if (ret)
				return ret;
			page = pin->pages[pin->done - 1];
			if (!sg_is_huge(page, hva)) {
				WRITE_ONCE(region->huge, false);
				unpin_user_page(page);
				pin->done--;
				return sg_pin_extent(b, pin, &e);
			}
			huge->number = hva >> GPADL_BLOCK_SHIFT;
			huge->phys = page_to_phys(page) - (hva & ~GPADL_BLOCK_MASK);
		}
		phys = huge->phys + (hva & ~GPADL_BLOCK_MASK);
		nr = pages_in(hva, GPADL_BLOCK_SIZE, e.down, e.nr);
		ret = e.down ? sg_add_down(b, phys, nr) : sg_add_run(b, phys, nr);
	}
	return ret;
}

/* ---- The whole list ---- */

/* Entries that an array has room for: for a ring's pages, wherever they are. */
#define SG_ROOM		16u

/* Shrink a mostly empty array. */
static noinline void sg_trim(struct sg_builder *b)
{
	if (b->room > SG_ROOM && b->nents < b->room / 2)
		/* On failure keep the larger one. */
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

/* Split an entry at multiples of @max_segment into those before @end; returns the first. */
static struct scatterlist *sg_split_entry(struct scatterlist *end, struct scatterlist entry,
					  unsigned int max_segment)
{
	unsigned int left = entry.offset + entry.length, from;
	struct page *page = sg_page(&entry);

	while (left) {
		/* The first piece begins where the entry does, not at a multiple. */
		from = (left - 1) / max_segment * max_segment;
		sg_fill(--end, page + (from >> PAGE_SHIFT),
			left - max(from, entry.offset), from ? 0 : entry.offset);
		left = from;
	}
	return end;
}

/*
 * Split the entries that are longer than @max_segment, each at ends of pages. A pass of its
 * own: few backends want it, and few entries are so long. From the last to the first: an
 * entry that is not split yet is not written over.
 */
static noinline int sg_split_long(struct sg_builder *b, unsigned int max_segment)
{
	unsigned int nr = sg_count_split_long(b, max_segment), i = b->nents;
	struct scatterlist *end;
	int ret;

	if (nr == b->nents)
		return 0;
	if (nr > b->room) {
		ret = sg_builder_resize(b, nr);
		if (ret)
			return ret;
	}
	end = &b->sgl[nr];
	while (i--)
		end = sg_split_entry(end, b->sgl[i], max_segment);
	b->nents = nr;
	return 0;
}

/* The longest entry there can be: a GPADL has no more pages. */
#define SG_LONGEST	(GPADL_MAX_PAGES * GPADL_PAGE_SIZE)

/* Begin in the room that the mapping has; if that is too little, in @room entries or more. */
static void sg_begin(struct sg_builder *b, const struct vmbus_mapping *m, unsigned long room)
{
	/* The rest is the range's. */
	b->sgl = m->room.sgl;
	b->own = m->room.sgl;
	b->nents = 0;
	b->room = m->room.nr_sgl;
	b->next_room = max_t(unsigned long, min_t(unsigned long, room, m->pfns->nr_pages),
			     2 * m->room.nr_sgl);
}

/* The list is complete. */
static __always_inline void sg_give(struct vmbus_mapping *m, struct scatterlist *sgl,
				    unsigned int nents)
{
	sg_mark_end(&sgl[nents - 1]);
	m->sgl = sgl;
	m->sgt.sgl = sgl;
	m->sgt.nents = nents;
	m->sgt.orig_nents = nents;
}

/* All is listed, or there was an error. */
static int sg_finish(struct sg_builder *b, struct vmbus_mapping *m, int ret)
{
	if (!ret) {
		sg_end_range(b);
		if (m->max_segment < SG_LONGEST)
			ret = sg_split_long(b, m->max_segment);
	}
	if (ret) {
		sg_free(b->sgl, b->own);
		return ret;
	}
	if (b->sgl != b->own)
		sg_trim(b);
	sg_give(m, b->sgl, b->nents);
	return 0;
}

/* The list is one page, so there is room for its entry, and no need to split it. */
static __always_inline void sg_make_page(struct vmbus_mapping *m, struct page *page)
{
	const struct gpadl_wire_range range = gpadl_wire_range(m->pfns->words[0]);

	sg_fill(m->room.sgl, page, range.count, offset_in_page(m->lookup->hva) + range.offset);
	sg_give(m, m->room.sgl, 1);
}

/* The list is one extent: that was found when it was looked up, and needs no walk. */
static __always_inline struct gpadl_extent sg_begin_only(struct sg_builder *b,
							 const struct vmbus_mapping *m)
{
	const struct gpadl_pfn_list *pfns = m->pfns;
	const unsigned int index = m->lookup->first_region;
	struct gpadl_wire_range range = gpadl_wire_range(pfns->words[0]);

	sg_begin_range(b, &range);
	return (struct gpadl_extent) {
		.region = m->table->regions[index],
		.index = index,
		.hva = m->lookup->hva,
		.nr = pfns->nr_pages,
		.down = gpadl_wire_run(pfns->words[1]).down,
	};
}

/* List resident pages that are one extent. */
static int sg_make_only(struct vmbus_mapping *m)
{
	struct sg_builder b __uninitialized;
	struct gpadl_extent e __uninitialized;

	sg_begin(&b, m, SG_ROOM);
	e = sg_begin_only(&b, m);
	return sg_finish(&b, m, sg_add_found(&b, e, NULL));
}

/* List the only page, which is resident. */
static int sg_find_page(struct vmbus_mapping *m)
{
	const struct gpadl_region *region = m->table->regions[m->lookup->first_region];
	const u64 *leaf;

	sg_make_page(m, pfn_to_page(PHYS_PFN(gpadl_resident_find(region->resident,
								 m->lookup->hva, &leaf))));
	return 0;
}

static noinline int sg_make_all(struct vmbus_mapping *m, const struct gpadl_pin_plan *plan)
{
	/* An entry for each run is what most need, more where pages are seen to be scattered. */
	unsigned long room = m->pfns->nr_runs;
	struct gpadl_walk walk __uninitialized;
	struct sg_builder b __uninitialized;
	struct sg_list list;
	int ret = 0;

	if (plan)
		room += plan->nr_scattered + plan->nr_wanted;
	sg_begin(&b, m, max_t(unsigned long, room, SG_ROOM));
	gpadl_walk_init(&walk, m->pfns, m->table, m->lookup->first_region);
	while (!ret && gpadl_walk_next(&walk)) {
		if (walk.e.first)
			sg_begin_range(&b, &walk.range);
		if (walk.e.nr == 1)
			ret = sg_add_run(&b, sg_find(walk.e.region, plan, walk.e.hva, &list), 1);
		else
			ret = sg_add_found(&b, walk.e, plan);
	}
	return sg_finish(&b, m, ret);
}

/**
 * gpadl_sg_make() - List pages that are resident, or pinned by a plan
 * @m: the mapping: its pages are looked up
 * @plan: where the pages are that are not resident; NULL if all are
 *
 * Fills in @m->sgt, which lies in the room of @m if that is enough. The entries cover the
 * guest's ranges in order, to the byte; none spans two ranges. An entry that begins inside
 * a page ends where one that began with the page would.
 *
 * Context: process, may sleep.
 * Return: 0, to be undone by gpadl_sg_free(); -ENOMEM if there is no memory.
 */
int gpadl_sg_make(struct vmbus_mapping *m, const struct gpadl_pin_plan *plan)
{
	if (plan || m->lookup->nr_extents > 1)
		return sg_make_all(m, plan);
	return m->pfns->nr_pages == 1 ? sg_find_page(m) : sg_make_only(m);
}

/* Pin the only page, as it is. */
static noinline int sg_pin_page(struct vmbus_mapping *m, struct gpadl_pin_ctx *pin)
{
	const unsigned long hva = m->lookup->hva;
	int ret;

	ret = gpadl_mem_pin_more(pin, hva & PAGE_MASK, 1);
	if (!ret)
		ret = gpadl_mem_check_pinned(pin);
	if (!ret)
		sg_make_page(m, *pin->pages);
	return ret;
}

/**
 * gpadl_sg_take_page() - Pin the only page, and list it
 * @m: the mapping: one page, which is not resident, with room for it
 *
 * What gpadl_mapping_take() does, without all that more pages need.
 *
 * Context: process, a thread whose address space it is; may sleep for as long as the VMM likes,
 * unless FOLL_NOFAULT.
 * Return: 0, to be undone by gpadl_mapping_drop(); -EFAULT if the page has a memory error; 1 if
 * it was not to be had at once.
 */
int gpadl_sg_take_page(struct vmbus_mapping *m)
{
	const unsigned int flags = m->gup_flags | (m->writable ? FOLL_WRITE : 0);
	struct page **pages = m->room.pages;

	if (unlikely(gpadl_mem_pin_pages(m->mem->mm, false, m->lookup->hva & PAGE_MASK, 1, flags,
					 pages) != 1))
		return 1;
	if (unlikely(gpadl_mem_check(pages, 1))) {
		unpin_user_page(*pages);
		return -EFAULT;
	}
	m->pages = pages;
	m->pinned = (struct gpadl_pin_set) { .pages = pages, .nr_pages = 1 };
	sg_make_page(m, *pages);
	return 0;
}

static __always_inline int sg_pin_only(struct sg_builder *b, struct vmbus_mapping *m,
				       struct gpadl_pin_ctx *pin, struct sg_huge *huge)
{
	const struct gpadl_extent e = sg_begin_only(b, m);
	struct gpadl_region *region = m->table->regions[e.index];
	int ret;

	if (sg_may_be_huge(region))
		return sg_pin_huge(b, pin, region, e, huge);
	ret = sg_pin_extent(b, pin, &e);
	if (!ret)
		sg_guess_huge(region, pin->pages[pin->done - 1], gpadl_extent_last(&e));
	return ret;
}

static __always_inline int sg_pin_all(struct sg_builder *b, struct vmbus_mapping *m,
				      struct gpadl_pin_ctx *pin, struct sg_huge *huge)
{
	unsigned long resched = GPADL_PIN_BATCH;
	struct gpadl_walk walk __uninitialized;
	struct gpadl_region *region;
	int ret = 0;

	gpadl_walk_init(&walk, m->pfns, m->table, m->lookup->first_region);
	while (!ret && gpadl_walk_next(&walk)) {
		if (walk.e.first)
			sg_begin_range(b, &walk.range);
		if (walk.e.region->resident) {
			ret = sg_add_found(b, walk.e, NULL);
			continue;
		}
		region = m->table->regions[walk.e.index];
		ret = sg_may_be_huge(region) ? sg_pin_huge(b, pin, region, walk.e, huge) :
					       sg_pin_extent(b, pin, &walk.e);
		if (unlikely(pin->done >= resched)) {
			resched += GPADL_PIN_BATCH;
			cond_resched();
		}
	}
	if (!ret)
		sg_guess_huge(m->table->regions[walk.e.index], pin->pages[pin->done - 1],
			      gpadl_extent_last(&walk.e));
	return ret;
}

static noinline int sg_pin_list(struct vmbus_mapping *m, struct gpadl_pin_ctx *pin)
{
	struct sg_huge huge = { .number = SG_NO_BLOCK };
	struct sg_builder b __uninitialized;
	int ret;

	sg_begin(&b, m, m->pfns->nr_pages);
	if (m->lookup->nr_extents == 1)
		ret = sg_pin_only(&b, m, pin, &huge);
	else
		ret = sg_pin_all(&b, m, pin, &huge);
	if (!ret)
		ret = gpadl_mem_check_pinned(pin);
	return sg_finish(&b, m, ret);
}

/**
 * gpadl_sg_pin() - Pin pages by the run, and list them
 * @m: the mapping: its pages are looked up
 * @pin: how to pin those that are not resident; what is pinned is the caller's, also on error
 *
 * As gpadl_sg_make(). Short lists come here: what is pinned is at hand when it is listed.
 *
 * Context: process, may sleep for as long as the VMM likes.
 * Return: 0, to be undone by gpadl_sg_free(); -EFAULT, -ENOMEM or -EINTR as
 * vmbus_gpadl_map().
 */
int gpadl_sg_pin(struct vmbus_mapping *m, struct gpadl_pin_ctx *pin)
{
	return m->pfns->nr_pages == 1 ? sg_pin_page(m, pin) : sg_pin_list(m, pin);
}
