// SPDX-License-Identifier: GPL-2.0
/*
 * Notice when the VMM's memory changes under a region.
 *
 * The VMM can put other pages at an address at any time: madvise(), munmap() and mmap(),
 * a memory error, userfaultfd. Pins keep pages, not translations. So each region has an
 * mmu_interval_notifier over its addresses. The kernel calls it before it changes anything
 * in the page tables there, mostly for something that leaves the page where it is (KSM
 * looks at it, soft-dirty tracking, mprotect(), NUMA balancing, a migration that fails).
 *
 * Model, for a resident region:
 *
 *	kernel				map of a page of block b
 *	------				------------------------
 *	seq is odd: changing		is b marked?  no: the table is right
 *	callback: seq, mark b		seq = look(): wait until nothing is changing
 *	change page tables		find the page in the page tables
 *	seq is even			table has another one: enter it, if !moved(seq)
 *					all of b is the same: clear the mark, if !moved(seq)
 *
 * Invariant: if a block is not marked, then each of its pages is the one that is at its
 * address, or a change has begun whose callback has not been called yet; or, where the
 * address has no page, it is the one that was there.
 *
 * - A mark is set before the page tables change, and goes only when a look that began after
 *   the last change has found all of the block as it was: gpadl_watch_clear() tests that
 *   under the lock under which the callback sets it. A look that was overtaken leaves it.
 * - A map that finds the mark answers for the pages that it names, with what it finds
 *   itself; the mark is for the others. A page that changes after it was found is like one
 *   that changes after the map has returned.
 * - A new region is watched before its first page is pinned.
 *
 * Of a region that is not resident, what a map has pinned stays what the backend has; that
 * its address has another page now is counted and traced, and no more: the guest has been
 * given other memory under a buffer that it lent, which is the VMM's doing.
 *
 * The callback runs under the mmap lock or locks of the reverse map, may be called where
 * nothing may block, and so does nothing but set bits under a spinlock: it never allocates,
 * never sleeps, never says no. With @lock nothing else is taken.
 *
 * Life: from before the region is published until nobody uses it (region.c). The address
 * space may die before: then all is marked, and there is nothing to find any more. Ending
 * a watch waits for changes that are under way, and so must hold nothing that they may
 * wait for: no lock that is held while pages are pinned.
 */
#include <linux/bitmap.h>
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "compat.h"
#include "notifier.h"
#include "resident.h"
#include "trace.h"

static void watch_mark_range(struct gpadl_watch *w, unsigned long first, unsigned long last)
{
	unsigned long i, end, mask, *word, added = 0;

	lockdep_assert_held(&w->lock);
	/* By the word: a region may be all of an address space, and the VMM says what changes. */
	for (i = first; i <= last; i = end + 1) {
		end = min(last, i | (BITS_PER_LONG - 1));
		mask = GENMASK(end % BITS_PER_LONG, i % BITS_PER_LONG);
		word = &w->marks[BIT_WORD(i)];
		if ((*word & mask) == mask)
			continue;
		added += hweight_long(mask & ~*word);
		WRITE_ONCE(*word, *word | mask);
	}
	if (added)
		WRITE_ONCE(w->nr_marked, w->nr_marked + added);
}

static bool watch_invalidate(struct mmu_interval_notifier *mni,
			     const struct mmu_notifier_range *range, unsigned long seq)
{
	struct gpadl_watch *w = container_of(mni, struct gpadl_watch, mni);
	unsigned long start = max(range->start, mni->interval_tree.start);
	unsigned long last = min(range->end - 1, mni->interval_tree.last);

	if (!w->marks && refcount_read(w->users) <= 1)
		return true;
	spin_lock(&w->lock);
	mmu_interval_set_seq(mni, seq);
	WRITE_ONCE(w->invalidations, w->invalidations + 1);
	if (w->marks)
		watch_mark_range(w, (start >> GPADL_BLOCK_SHIFT) - w->first,
				 (last >> GPADL_BLOCK_SHIFT) - w->first);
	spin_unlock(&w->lock);
	trace_vmbus_gpadl_invalidate(w->id, w->slot, start, last, range->event,
				     refcount_read(w->users) > 1);
	return true;
}

static const struct mmu_interval_notifier_ops watch_ops = {
	.invalidate = watch_invalidate,
};

/**
 * gpadl_watch_begin() - Begin to notice changes
 * @w: the watch; id, slot and users are set, all else is zero
 * @mm: the address space
 * @hva: where the range begins
 * @bytes: its length
 * @resident: mark what changes
 *
 * What changes from now on is marked; a change that is under way has come to its end. An
 * address space that is gone does not change any more.
 *
 * Context: process, may sleep.
 * Return: 0, to be undone by gpadl_watch_end(); -ENOMEM if there is no memory; -EINTR on a
 * fatal signal; -ERESTARTNOINTR on another one: to be repeated when that has been handled.
 */
int gpadl_watch_begin(struct gpadl_watch *w, struct mm_struct *mm, unsigned long hva,
		      unsigned long bytes, bool resident)
{
	unsigned long last = (hva + bytes - 1) >> GPADL_BLOCK_SHIFT;
	int ret;

	spin_lock_init(&w->lock);
	w->first = hva >> GPADL_BLOCK_SHIFT;
	if (resident) {
		w->marks = kvcalloc(BITS_TO_LONGS(last - w->first + 1), sizeof(*w->marks),
				    GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
		if (!w->marks)
			return -ENOMEM;
	}
	if (!mmget_not_zero(mm))
		return 0;
	ret = mmu_interval_notifier_insert(&w->mni, mm, hva, bytes, &watch_ops);
	/* If this is the last user, what it had is not torn down here. */
	mmput_async(mm);
	if (ret) {
		kvfree(w->marks);
		w->marks = NULL;
		/* The first of an address space takes many locks, and gives way to signals. */
		if (ret == -EINTR && !fatal_signal_pending(current))
			return -ERESTARTNOINTR;
		return ret;
	}
	w->active = true;
	/* What began to change before, and does not call us, is over then. */
	if (resident)
		mmu_interval_read_begin(&w->mni);
	return 0;
}

/**
 * gpadl_watch_end() - Undo gpadl_watch_begin()
 * @w: the watch; nothing happens if that was not done, or failed
 *
 * Context: process, may sleep until changes that are under way are done.
 */
void gpadl_watch_end(struct gpadl_watch *w)
{
	KUNIT_STATIC_STUB_REDIRECT(gpadl_watch_end, w);
	if (w->active)
		mmu_interval_notifier_remove(&w->mni);
	w->active = false;
	kvfree(w->marks);
	w->marks = NULL;
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_watch_end);

/**
 * gpadl_watch_mark() - A block is to be looked at
 * @w: the watch, of a resident region
 * @block: number of the block in the region
 *
 * Context: process.
 */
void gpadl_watch_mark(struct gpadl_watch *w, unsigned long block)
{
	spin_lock(&w->lock);
	watch_mark_range(w, block, block);
	spin_unlock(&w->lock);
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_watch_mark);

/**
 * gpadl_watch_mark_all() - All blocks are to be looked at
 * @w: the watch, of a resident region
 *
 * Context: process.
 */
void gpadl_watch_mark_all(struct gpadl_watch *w)
{
	unsigned long last = w->mni.interval_tree.last >> GPADL_BLOCK_SHIFT;

	/* No reader can reach it any more. */
	if (!w->active)
		return;
	spin_lock(&w->lock);
	/* Pairs with gpadl_watch_look(): what begins to look behind this finds the error. */
	smp_store_release(&w->nr_errors, w->nr_errors + 1);
	watch_mark_range(w, 0, last - w->first);
	spin_unlock(&w->lock);
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_watch_mark_all);

/**
 * gpadl_watch_look() - Begin to look at page tables
 * @w: the watch, active
 *
 * Context: process, may sleep until changes that are under way are done.
 * Return: for gpadl_watch_moved() and gpadl_watch_clear().
 */
struct gpadl_look gpadl_watch_look(struct gpadl_watch *w)
{
	struct gpadl_look look;

	/* Pairs with gpadl_watch_mark_all(). */
	look.nr_errors = smp_load_acquire(&w->nr_errors);
	look.seq = mmu_interval_read_begin(&w->mni);
	return look;
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_watch_look);

/**
 * gpadl_watch_moved() - Has anything changed since?
 * @w: the watch
 * @look: what gpadl_watch_look() returned
 *
 * Without the lock under which the callback notes the change. So false says no more than that
 * a look again is not known to be needed: what was found may be entered, as it was there after
 * the look began, but the mark stays, which only gpadl_watch_clear() takes, under that lock.
 *
 * Context: any.
 * Return: true if so: what was found may not be so any more.
 */
bool gpadl_watch_moved(struct gpadl_watch *w, struct gpadl_look look)
{
	return mmu_interval_check_retry(&w->mni, look.seq);
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_watch_moved);

/**
 * gpadl_watch_clear() - A block has been looked at, and is as it was
 * @w: the watch, active
 * @block: number of the block in the region
 * @look: what gpadl_watch_look() returned before
 *
 * If anything has changed since, the mark stays; and if it is for a memory error that the look
 * may have come too early for: of that, no page table tells.
 *
 * Context: process.
 */
void gpadl_watch_clear(struct gpadl_watch *w, unsigned long block, struct gpadl_look look)
{
	spin_lock(&w->lock);
	if (!mmu_interval_read_retry(&w->mni, look.seq) && w->nr_errors == look.nr_errors &&
	    test_and_clear_bit(block, w->marks))
		/* Pairs with gpadl_watch_any(). */
		smp_store_release(&w->nr_marked, w->nr_marked - 1);
	spin_unlock(&w->lock);
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_watch_clear);
