// SPDX-License-Identifier: GPL-2.0
/*
 * The yardstick: what a careful author of a backend would write today.
 *
 * It does what vmbus_gpadl_map() must do, and as fast as the kernel's own parts allow:
 *
 * - looks the handle up (xarray under RCU, a reference), and changes its state under its
 *   lock, so that two maps, or a map and a teardown, keep apart;
 * - charges the owner's RLIMIT_MEMLOCK before it pins;
 * - gets at the address space as it must: its own thread has it, a kernel thread adopts
 *   it, another process's thread pins remotely under the mmap lock, which it takes once
 *   for each batch and not for each call;
 * - pins in batches of 512, by one call for each run of adjoining pages. Where the runs
 *   are was worked out when the GPADL was set up, and costs nothing here;
 * - makes a scatterlist, and unpins, each by the cheapest way that the kernel offers: the
 *   benchmark tries them all on each case and takes the best (struct yardstick_how).
 *
 * What a yardstick does not do where it costs: no regions (the VMM's memory is one
 * piece), no cond_resched(), no dirty log, nobody waits for an unmap.
 */
#include <linux/capability.h>
#include <linux/errno.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mmu_context.h>
#include <linux/overflow.h>
#include <linux/refcount.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "yardstick.h"

#define PIN_BATCH	512ul

/* So few pages, those of the smallest ring, are listed on the stack, as splice() does. */
#define PAGES_ON_STACK	8

enum yard_state {
	YARD_READY,
	YARD_BUSY,
	YARD_MAPPED,
};

/**
 * struct yard_gpadl - a GPADL
 * @ref: references
 * @rcu: frees it
 * @lock: protects @state and @tearing_down
 * @state: &enum yard_state
 * @tearing_down: being torn down
 * @nr_pages: pages in all runs
 * @how: as it was mapped
 * @write: it was mapped for writing
 * @pages: while mapped, if it is to be unpinned by pages
 * @sgt: while mapped
 * @nr_runs: number of @runs
 * @runs: pages that adjoin in the VMM's address space
 */
struct yard_gpadl {
	refcount_t ref;
	struct rcu_head rcu;
	spinlock_t lock;
	u8 state;
	bool tearing_down;
	u32 nr_pages;
	struct yardstick_how how;
	bool write;
	struct page **pages;
	struct sg_table sgt;
	u32 nr_runs;
	struct bench_run runs[] __counted_by(nr_runs);
};

static void yard_put(struct yard_gpadl *g)
{
	if (refcount_dec_and_test(&g->ref))
		kvfree_rcu(g, rcu);
}

static struct yard_gpadl *yard_get(struct yardstick *y, u32 handle)
{
	struct yard_gpadl *g;

	guard(rcu)();
	g = xa_load(&y->gpadls, handle);
	return g && refcount_inc_not_zero(&g->ref) ? g : NULL;
}

/* ---- Accounting ---- */

static int yard_charge(struct yardstick *y, unsigned long nr)
{
	unsigned long limit = task_rlimit(y->owner, RLIMIT_MEMLOCK) >> PAGE_SHIFT;

	if (atomic64_add_return(nr, &y->mm->pinned_vm) > limit && !y->lock_cap) {
		atomic64_sub(nr, &y->mm->pinned_vm);
		return -ENOMEM;
	}
	return 0;
}

static void yard_uncharge(struct yardstick *y, unsigned long nr)
{
	atomic64_sub(nr, &y->mm->pinned_vm);
}

/* ---- Pinning ---- */

/* Pages that the current thread can reach by itself. */
static unsigned long yard_pin_own(struct yard_gpadl *g, unsigned int gup_flags,
				  struct page **pages)
{
	unsigned long done = 0;
	u32 i;

	for (i = 0; i < g->nr_runs; i++) {
		unsigned long hva = g->runs[i].hva, nr = g->runs[i].nr;

		while (nr) {
			long ret = pin_user_pages_fast(hva, min(nr, PIN_BATCH), gup_flags,
						       pages + done);

			if (ret <= 0)
				return done;
			done += ret;
			nr -= ret;
			hva += ret << PAGE_SHIFT;
		}
	}
	return done;
}

/* Pages of another process: the mmap lock is taken anew after each batch. */
static unsigned long yard_pin_remote(struct mm_struct *mm, struct yard_gpadl *g,
				     unsigned int gup_flags, struct page **pages)
{
	unsigned long done = 0, since = 0;
	int locked = 0;
	u32 i;

	for (i = 0; i < g->nr_runs; i++) {
		unsigned long hva = g->runs[i].hva, nr = g->runs[i].nr;

		while (nr) {
			long ret;

			if (!locked && mmap_read_lock_killable(mm))
				return done;
			locked = 1;
			ret = pin_user_pages_remote(mm, hva, min(nr, PIN_BATCH), gup_flags,
						    pages + done, &locked);
			if (ret <= 0)
				goto out;
			done += ret;
			since += ret;
			nr -= ret;
			hva += ret << PAGE_SHIFT;
			if (since < PIN_BATCH)
				continue;
			since = 0;
			if (locked)
				mmap_read_unlock(mm);
			locked = 0;
		}
	}
out:
	if (locked)
		mmap_read_unlock(mm);
	return done;
}

static unsigned long yard_pin(struct yardstick *y, struct yard_gpadl *g, bool write,
			      struct page **pages)
{
	unsigned int gup_flags = FOLL_LONGTERM | (write ? FOLL_WRITE : 0);
	unsigned long done;

	if (current->mm == y->mm)
		return yard_pin_own(g, gup_flags, pages);
	if (!mmget_not_zero(y->mm))
		return 0;
	if (current->flags & PF_KTHREAD) {
		kthread_use_mm(y->mm);
		done = yard_pin_own(g, gup_flags, pages);
		kthread_unuse_mm(y->mm);
	} else {
		done = yard_pin_remote(y->mm, g, gup_flags, pages);
	}
	mmput_async(y->mm);
	return done;
}

/* ---- The scatterlist ---- */

static int yard_sg_single(struct sg_table *sgt, struct page **pages, u32 nr)
{
	struct scatterlist *sg;
	unsigned int i;
	int ret;

	ret = sg_alloc_table(sgt, nr, GFP_KERNEL_ACCOUNT);
	if (ret)
		return ret;
	for_each_sgtable_sg(sgt, sg, i)
		sg_set_page(sg, pages[i], PAGE_SIZE, 0);
	return 0;
}

/* Where each struct page stands beside the next, no numbers are needed. */
static bool yard_follows(struct page *page, struct page *prev)
{
	if (IS_ENABLED(CONFIG_SPARSEMEM_VMEMMAP))
		return page == prev + 1;
	return page_to_pfn(page) == page_to_pfn(prev) + 1;
}

static unsigned int yard_count_merged(struct page **pages, u32 nr)
{
	struct page **end = pages + nr, *prev = *pages;
	unsigned int nents = 1;

	while (++pages < end) {
		if (unlikely(!yard_follows(*pages, prev)))
			nents++;
		prev = *pages;
	}
	return nents;
}

static int yard_sg_merged(struct sg_table *sgt, struct page **pages, u32 nr)
{
	struct page **end = pages + nr, **first = pages, *prev = *pages;
	struct scatterlist *sg;
	int ret;

	ret = sg_alloc_table(sgt, yard_count_merged(pages, nr), GFP_KERNEL_ACCOUNT);
	if (ret)
		return ret;
	sg = sgt->sgl;
	while (++pages < end) {
		if (unlikely(!yard_follows(*pages, prev))) {
			sg_set_page(sg, *first, (pages - first) << PAGE_SHIFT, 0);
			sg = sg_next(sg);
			first = pages;
		}
		prev = *pages;
	}
	sg_set_page(sg, *first, (end - first) << PAGE_SHIFT, 0);
	return 0;
}

static int yard_sg_make(struct yard_gpadl *g, struct page **pages, enum bench_sg how)
{
	switch (how) {
	case BENCH_SG_MERGED:
		return yard_sg_merged(&g->sgt, pages, g->nr_pages);
	case BENCH_SG_SINGLE:
		return yard_sg_single(&g->sgt, pages, g->nr_pages);
	default:
		return sg_alloc_table_from_pages(&g->sgt, pages, g->nr_pages, 0,
						 (unsigned long)g->nr_pages << PAGE_SHIFT,
						 GFP_KERNEL_ACCOUNT);
	}
}

/* ---- Mapping ---- */

/* Into @pages, which is room for them all; what is pinned on error is unpinned. */
static __always_inline
int yard_pin_and_list(struct yardstick *y, struct yard_gpadl *g, bool write,
		      struct yardstick_how how, struct page **pages)
{
	unsigned long done = yard_pin(y, g, write, pages);
	int ret = -EFAULT;

	if (done == g->nr_pages)
		ret = yard_sg_make(g, pages, how.sg);
	if (ret)
		unpin_user_pages(pages, done);
	return ret;
}

/* Apart from the others, which would pay for clearing the list. */
static noinline int yard_make_few(struct yardstick *y, struct yard_gpadl *g, bool write,
				  struct yardstick_how how)
{
	struct page *pages[PAGES_ON_STACK];

	return yard_pin_and_list(y, g, write, how, pages);
}

/* The list of pages is needed for a moment only, if entries are unpinned one by one. */
static int yard_make(struct yardstick *y, struct yard_gpadl *g, bool write,
		     struct yardstick_how how)
{
	struct page **pages;
	int ret;

	g->how = how;
	g->write = write;
	if (how.unpin == BENCH_UNPIN_RANGES && g->nr_pages <= PAGES_ON_STACK)
		return yard_make_few(y, g, write, how);
	pages = kvmalloc_array(g->nr_pages, sizeof(*pages), GFP_KERNEL_ACCOUNT);
	if (!pages)
		return -ENOMEM;
	ret = yard_pin_and_list(y, g, write, how, pages);
	if (!ret && how.unpin == BENCH_UNPIN_PAGES)
		g->pages = pages;
	else
		kvfree(pages);
	return ret;
}

static int yard_fill(struct yardstick *y, struct yard_gpadl *g, bool write,
		     struct yardstick_how how)
{
	int ret;

	ret = yard_charge(y, g->nr_pages);
	if (ret)
		return ret;
	ret = yard_make(y, g, write, how);
	if (ret)
		yard_uncharge(y, g->nr_pages);
	return ret;
}

static bool yard_change(struct yard_gpadl *g, enum yard_state from, enum yard_state to)
{
	bool ok;

	spin_lock(&g->lock);
	ok = g->state == from && !g->tearing_down;
	if (ok)
		g->state = to;
	spin_unlock(&g->lock);
	return ok;
}

/* Map a GPADL; on success the reference stays until the unmap. */
int yardstick_map(struct yardstick *y, u32 handle, bool write, struct yardstick_how how,
		  struct sg_table **sgt)
{
	struct yard_gpadl *g = yard_get(y, handle);
	int ret = -EBUSY;

	if (!g)
		return -ENOENT;
	if (!yard_change(g, YARD_READY, YARD_BUSY))
		goto err_put;
	ret = yard_fill(y, g, write, how);
	yard_change(g, YARD_BUSY, ret ? YARD_READY : YARD_MAPPED);
	if (ret)
		goto err_put;
	*sgt = &g->sgt;
	return 0;

err_put:
	yard_put(g);
	return ret;
}

static void yard_unpin(struct yard_gpadl *g)
{
	struct scatterlist *sg;
	unsigned int i;

	if (g->how.unpin == BENCH_UNPIN_PAGES) {
		unpin_user_pages_dirty_lock(g->pages, g->nr_pages, g->write);
		kvfree(g->pages);
		return;
	}
	for_each_sgtable_sg(&g->sgt, sg, i)
		unpin_user_page_range_dirty_lock(sg_page(sg), sg->length >> PAGE_SHIFT,
						 g->write);
}

void yardstick_unmap(struct yardstick *y, u32 handle)
{
	struct yard_gpadl *g = yard_get(y, handle);

	if (!g)
		return;
	if (yard_change(g, YARD_MAPPED, YARD_BUSY)) {
		yard_unpin(g);
		sg_free_table(&g->sgt);
		yard_uncharge(y, g->nr_pages);
		yard_change(g, YARD_BUSY, YARD_READY);
		yard_put(g);
	}
	yard_put(g);
}

/* ---- Setting up ---- */

int yardstick_add(struct yardstick *y, u32 handle, const struct bench_run *runs, u32 nr)
{
	struct yard_gpadl *g, *old;
	u32 i;

	g = kvzalloc(struct_size(g, runs, nr), GFP_KERNEL_ACCOUNT);
	if (!g)
		return -ENOMEM;
	refcount_set(&g->ref, 1);
	spin_lock_init(&g->lock);
	g->state = YARD_READY;
	g->nr_runs = nr;
	for (i = 0; i < nr; i++) {
		g->runs[i] = runs[i];
		g->nr_pages += runs[i].nr;
	}
	old = xa_store(&y->gpadls, handle, g, GFP_KERNEL_ACCOUNT);
	if (xa_is_err(old)) {
		kvfree(g);
		return xa_err(old);
	}
	if (old)
		yard_put(old);
	return 0;
}

void yardstick_init(struct yardstick *y)
{
	xa_init(&y->gpadls);
	mmgrab(current->mm);
	y->mm = current->mm;
	y->owner = get_task_struct(current->group_leader);
	y->lock_cap = capable(CAP_IPC_LOCK);
}

void yardstick_destroy(struct yardstick *y)
{
	struct yard_gpadl *g;
	unsigned long handle;

	xa_for_each(&y->gpadls, handle, g)
		yard_put(g);
	xa_destroy(&y->gpadls);
	put_task_struct(y->owner);
	mmdrop(y->mm);
}
