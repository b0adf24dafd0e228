// SPDX-License-Identifier: GPL-2.0
/*
 * Look again at pages of resident regions that may have changed.
 *
 * A mark (notifier.c) says that something has changed in a block. A map that names a page of
 * it sees first whether all of the block is as it was, without bringing anything in. Mostly
 * it is, and the mark goes. Else it answers for the pages that it names, as a map on demand
 * would: it has them brought in and pinned, and enters those that are others than before.
 * It fails if there is none, or if a memory error has hit it; then only it does, and any
 * other map that names that page. The mark stays for the rest of the block.
 *
 * Only what is others than before is charged, when it is entered: the rest has been since it
 * was pinned first, and an owner whose limit is just that may have it.
 *
 * Nothing is held while pages are looked for. What is found is entered only if nothing in
 * the region has changed since the look began; else one looks again. That ends when the VMM
 * stops changing its memory under its guest, or is killed: the time is its own.
 */
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "mem.h"
#include "region.h"
#include "relook.h"
#include "resident.h"
#include "walk.h"

/**
 * struct relook - a look at pages
 * @mem: the memory
 * @region: the region that they are in, resident
 * @pin: how to get at them; has room for a block
 * @seen: number of the last block found changed; -1 if none
 */
struct relook {
	struct gpadl_mem *mem;
	struct gpadl_region *region;
	struct gpadl_pin_ctx pin;
	unsigned long seen;
};

static struct gpadl_block *relook_block(const struct relook *l, const struct gpadl_part *part)
{
	return l->region->resident->blocks[part->index];
}

/* Are all these where they were? If so, the mark goes. */
static bool part_is_same(struct relook *l, const struct gpadl_part *part)
{
	struct gpadl_watch *watch = &l->region->watch;
	const struct gpadl_look look = gpadl_watch_look(watch);
	unsigned long nr;
	bool same;

	nr = gpadl_mem_peek(&l->pin, part->hva, part->nr);
	mutex_lock(&l->mem->block_lock);
	same = nr == part->nr &&
	       gpadl_block_same(relook_block(l, part), part->first, l->pin.pages, nr);
	mutex_unlock(&l->mem->block_lock);
	if (nr)
		unpin_user_pages(l->pin.pages, nr);
	if (!same)
		return false;
	atomic_inc(&l->mem->nr_same);
	gpadl_watch_clear(watch, part->index, look);
	return true;
}

/*
 * Pin what is there, of the pages: as many of the first ones as nobody has to be waited for; if
 * that is none, the first, for as long as the VMM likes. They are not charged yet: so no more
 * than what one look finds is held, and nothing while the VMM is waited for.
 */
static int part_pin(struct relook *l, const struct gpadl_part *part)
{
	struct gpadl_pin_ctx *pin = &l->pin;
	long ret;

	pin->done = 0;
	pin->gup_flags |= FOLL_NOFAULT;
	ret = gpadl_mem_pin_once(pin, part->hva, part->nr);
	pin->gup_flags &= ~FOLL_NOFAULT;
	if (ret <= 0)
		return gpadl_mem_pin(pin, part->hva, 1);
	pin->done = ret;
	return gpadl_mem_check_pinned(pin);
}

/* Enter what has been pinned. -EAGAIN if something has changed since @look. */
static int part_enter(struct relook *l, const struct gpadl_part *part,
		      struct gpadl_look look)
{
	guard(mutex)(&l->mem->block_lock);
	if (gpadl_watch_moved(&l->region->watch, look))
		return -EAGAIN;
	return gpadl_block_replace(l->mem, relook_block(l, part), part->first, l->pin.pages,
				   l->pin.done);
}

/* Unpin what the block has not taken. */
static void part_unpin_rest(const struct relook *l)
{
	unsigned long i;

	for (i = 0; i < l->pin.done; i++)
		if (l->pin.pages[i])
			unpin_user_page(l->pin.pages[i]);
}

/* Pin what is there now, and enter it. */
static int part_repin(struct relook *l, struct gpadl_part part)
{
	struct gpadl_look look;
	int ret = 0;

	while (!ret && part.nr) {
		look = gpadl_watch_look(&l->region->watch);
		ret = part_pin(l, &part);
		if (!ret)
			ret = part_enter(l, &part, look);
		part_unpin_rest(l);
		if (!ret) {
			part.first += l->pin.done;
			part.hva += l->pin.done << PAGE_SHIFT;
			part.nr -= l->pin.done;
		} else if (ret == -EAGAIN) {
			ret = fatal_signal_pending(current) ? -EINTR : 0;
		}
		cond_resched();
	}
	if (ret == -EFAULT)
		atomic_inc(&l->mem->nr_lost);
	return ret;
}

static int relook_part(struct relook *l, const struct gpadl_part *part)
{
	struct gpadl_part whole = gpadl_resident_block_part(l->region->resident, part->index);

	if (l->seen != whole.index && part_is_same(l, &whole))
		return 0;
	l->seen = whole.index;
	return part_repin(l, *part);
}

/* Those of adjoining pages that are in marked blocks. */
static int relook_range(struct relook *l, unsigned long hva, unsigned long nr)
{
	struct gpadl_resident *r = l->region->resident;
	int ret;

	while (nr) {
		struct gpadl_part part = gpadl_resident_part(r, hva, nr);

		part.index = array_index_nospec(part.index, r->nr_blocks);
		if (gpadl_watch_marked(&l->region->watch, part.index)) {
			ret = relook_part(l, &part);
			if (ret)
				return ret;
		}
		hva += part.nr << PAGE_SHIFT;
		nr -= part.nr;
		cond_resched();
	}
	return 0;
}

static void relook_set_region(struct relook *l, struct gpadl_region *region)
{
	if (l->region != region)
		l->seen = ULONG_MAX;
	l->region = region;
	l->pin.write = !(region->desc.flags & VMBUS_GPA_REGION_READ_ONLY);
}

static int relook_walk(struct relook *l, const struct gpadl_pfn_list *pfns,
		       const struct gpadl_region_table *table)
{
	struct gpadl_walk walk;
	int ret;

	gpadl_walk_init(&walk, pfns, table, 0);
	while (gpadl_walk_next(&walk)) {
		/* Each page lies in a region: see mapping_check() */
		if (!walk.e.region->resident || !gpadl_watch_any(&walk.e.region->watch))
			continue;
		relook_set_region(l, table->regions[walk.e.index]);
		ret = relook_range(l, walk.e.hva & PAGE_MASK, gpadl_extent_pins(&walk.e));
		if (ret)
			return ret;
	}
	return 0;
}

static int relook_begin(struct relook *l, struct gpadl_mem *mem)
{
	int ret;

	*l = (struct relook) { .mem = mem, .seen = ULONG_MAX };
	ret = gpadl_mem_enter(mem, &l->pin);
	if (ret)
		return ret;
	l->pin.pages = kvmalloc_array(GPADL_BLOCK_PAGES, sizeof(*l->pin.pages),
				      GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (l->pin.pages)
		return 0;
	gpadl_mem_leave(&l->pin);
	return -ENOMEM;
}

static void relook_end(struct relook *l)
{
	kvfree(l->pin.pages);
	gpadl_mem_leave(&l->pin);
}

/**
 * gpadl_relook_failures() - A memory error may have hit a page that stays where it is
 * @region: the region, resident; the caller is a user of it, or keeps it set
 *
 * A page of a huge page that is pinned cannot be taken out of the page tables, so that no
 * change of these tells of its error. So when the machine has had one more, whatever it has
 * hit, all is to be looked at again. Counted from before the first page was pinned.
 *
 * Context: process.
 */
void gpadl_relook_failures(struct gpadl_region *region)
{
	unsigned long failures = compat_memory_failures();

	/* Pairs with the store below: a thread that sees the count sees the marks. */
	if (likely(failures == smp_load_acquire(&region->failures)))
		return;
	gpadl_watch_mark_all(&region->watch);
	/* A reader of this also sees the marks: pairs with the load above. */
	smp_store_release(&region->failures, failures);
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_relook_failures);

/**
 * gpadl_relook() - Look again at those pages of a GPADL that may have changed
 * @mem: the memory
 * @pfns: the GPADL
 * @table: where it was looked up; the caller is a user of the regions that have its pages
 *
 * When this returns 0, each page of the GPADL that is in a resident region is the one that
 * was there at some moment since it was called.
 *
 * Context: process, may sleep for as long as the VMM likes.
 * Return: 0; -ESRCH, -EFAULT, -ENOMEM or -EINTR as vmbus_gpadl_map().
 */
int gpadl_relook(struct gpadl_mem *mem, const struct gpadl_pfn_list *pfns,
		 const struct gpadl_region_table *table)
{
	struct gpadl_mem_account acct;
	struct relook l;
	int ret;

	gpadl_mem_account_begin(mem, &acct);
	ret = relook_begin(&l, mem);
	if (!ret) {
		ret = relook_walk(&l, pfns, table);
		relook_end(&l);
	}
	gpadl_mem_account_end(&acct);
	return ret;
}

/*
 * By the block: where nothing is mapped, what was there goes before the next block is pinned,
 * so that it takes no more than one block above what the region has.
 */
static int relook_all(struct relook *l)
{
	const struct gpadl_resident *r = l->region->resident;
	unsigned long i;
	int ret = 0;

	for (i = 0; !ret && i < r->nr_blocks; i++) {
		struct gpadl_part part = gpadl_resident_block_part(r, i);

		/* Where all is as it was, nothing else looks for it. */
		if (fatal_signal_pending(current))
			return -EINTR;
		ret = relook_range(l, part.hva, part.nr);
		gpadl_regions_drop_stale(l->mem, r->blocks[i]);
	}
	return ret;
}

/**
 * gpadl_relook_region() - Look again at all pages of a region that may have changed
 * @mem: the memory
 * @region: the region, set; nothing is done if it is not resident
 *
 * Context: process, may sleep for as long as the VMM likes.
 * Return: 0; -ESRCH, -EFAULT, -ENOMEM or -EINTR as vmbus_partition_set_regions().
 */
int gpadl_relook_region(struct gpadl_mem *mem, struct gpadl_region *region)
{
	struct gpadl_mem_account acct;
	struct relook l;
	int ret;

	if (!region->resident)
		return 0;
	gpadl_relook_failures(region);
	if (!gpadl_watch_any(&region->watch))
		return 0;
	gpadl_mem_account_begin(mem, &acct);
	ret = relook_begin(&l, mem);
	if (!ret) {
		relook_set_region(&l, region);
		ret = relook_all(&l);
		relook_end(&l);
	}
	gpadl_mem_account_end(&acct);
	return ret;
}
