// SPDX-License-Identifier: GPL-2.0
/*
 * Guest memory: whose it is, what is charged for it, and how its pages get pinned.
 *
 * Arrows one way: a mapping of a GPADL (mapping.c) looks its pages up in the regions
 * (walk.h, region.c), pins those that are not resident (many by the block:
 * pins.c), and lists them (sg.c). All pin through gpadl_mem_pin() here, or gpadl_mem_pin_once()
 * where the pages may be those that are there already (relook.c).
 *
 * Each pinner charges the owner before it takes the first pin, and uncharges after the
 * last is dropped. Unpinning allocates nothing and cannot fail. (A look at resident pages, which
 * mostly are the same, charges for those that it keeps: relook.c.)
 *
 * Words: a run is what the guest's list says (page frame numbers that follow each
 * other), an extent is the part of a run that lies in one region, and so is contiguous
 * in the VMM's address space too. `last` is inclusive, `end` exclusive. Guest pages are
 * GPADL_PAGE_SIZE (4 KiB) long; pins and charges are in host pages.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmu_context.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/user.h>

#include "compat.h"
#include "mem.h"

/* ---- Accounting ---- */

/* In host pages, as it is now. */
static unsigned long owner_limit(const struct gpadl_mem *mem)
{
	return task_rlimit(mem->owner, RLIMIT_MEMLOCK) >> PAGE_SHIFT;
}

/* Never above the limit, not even for a moment: a charge that fails makes no other fail. */
static bool user_charge(struct gpadl_mem *mem, unsigned long nr)
{
	unsigned long limit = owner_limit(mem);
	long old = atomic_long_read(&mem->user->locked_vm);
	unsigned long new;

	do {
		if (check_add_overflow((unsigned long)old, nr, &new) || new > limit)
			return false;
	} while (!atomic_long_try_cmpxchg(&mem->user->locked_vm, &old, new));
	return true;
}

/**
 * gpadl_mem_charge() - Charge the owner for pages that are about to be pinned
 * @mem: the memory
 * @nr: host pages
 *
 * Before they are pinned, so that concurrent maps cannot pass the limit together. What is
 * limited is what the owner's user has locked in all, as for io_uring and iommufd: another
 * process of that user has no limit of its own. mm->pinned_vm (VmPin) is for information.
 *
 * Context: any.
 * Return: 0; -ENOMEM if the owner's RLIMIT_MEMLOCK would be exceeded.
 */
int gpadl_mem_charge(struct gpadl_mem *mem, unsigned long nr)
{
	/* All maps of the guest share these counts: those of resident memory leave them alone. */
	if (!nr)
		return 0;
	if (mem->user && !user_charge(mem, nr))
		return -ENOMEM;
	atomic64_add(nr, &mem->mm->pinned_vm);
	atomic64_add(nr, &mem->pinned);
	return 0;
}

/**
 * gpadl_mem_uncharge() - Undo gpadl_mem_charge()
 * @mem: the memory
 * @nr: host pages, none of them pinned any more
 *
 * Context: any.
 */
void gpadl_mem_uncharge(struct gpadl_mem *mem, unsigned long nr)
{
	if (!nr)
		return;
	atomic64_sub(nr, &mem->pinned);
	atomic64_sub(nr, &mem->mm->pinned_vm);
	if (mem->user)
		atomic_long_sub(nr, &mem->user->locked_vm);
}

/**
 * gpadl_mem_may_have() - Can so many pages be charged at all?
 * @mem: the memory
 * @nr: host pages, of which each is charged once
 *
 * Costs nothing, charges nothing: for what is to be refused before memory is spent on it.
 *
 * Context: any.
 * Return: false if the owner's RLIMIT_MEMLOCK is lower, and not so many are pinned already:
 * it may have been lowered since.
 */
bool gpadl_mem_may_have(const struct gpadl_mem *mem, unsigned long nr)
{
	return !mem->user || nr <= owner_limit(mem) || nr <= atomic64_read(&mem->pinned);
}

/* ---- Pinning ---- */

/**
 * gpadl_mem_enter_other() - gpadl_mem_enter() of an address space that is not current's
 * @mem: the memory
 * @pin: filled in, but for how this thread gets at it
 *
 * Context: process.
 * Return: as gpadl_mem_enter().
 */
int gpadl_mem_enter_other(struct gpadl_mem *mem, struct gpadl_pin_ctx *pin)
{
	if (!mmget_not_zero(mem->mm))
		return -ESRCH;
	pin->access = GPADL_MM_REMOTE;
	if ((current->flags & PF_KTHREAD) && !current->mm) {
		kthread_use_mm(mem->mm);
		pin->access = GPADL_MM_ADOPTED;
	}
	return 0;
}

/**
 * gpadl_mem_leave_other() - Undo gpadl_mem_enter_other()
 * @pin: what it filled in
 *
 * Context: process, same thread.
 */
void gpadl_mem_leave_other(const struct gpadl_pin_ctx *pin)
{
	if (pin->access == GPADL_MM_ADOPTED)
		kthread_unuse_mm(pin->mm);
	/*
	 * It may be the last user: then tearing the address space down is not this
	 * thread's work, and may wait for what this thread holds.
	 */
	mmput_async(pin->mm);
}

#if IS_ENABLED(CONFIG_KUNIT)
/**
 * gpadl_mem_pin_pages() - Pin adjoining pages
 * @mm: the address space, alive
 * @remote: it is not the current thread's
 * @hva: where they begin
 * @nr: how many
 * @gup_flags: FOLL_*
 * @pages: where they go
 *
 * The one place where pages get pinned: tests put themselves in its place to stall
 * it, or to make it come back short.
 *
 * Context: process, may sleep for as long as the VMM likes (userfaultfd, FUSE).
 * Return: how many of the first pages have been pinned; 0 or an errno if none.
 */
long gpadl_mem_pin_pages(struct mm_struct *mm, bool remote, unsigned long hva,
			 unsigned long nr, unsigned int gup_flags, struct page **pages)
{
	KUNIT_STATIC_STUB_REDIRECT(gpadl_mem_pin_pages, mm, remote, hva, nr, gup_flags,
				   pages);
	return compat_pin_pages(mm, remote, hva, nr, gup_flags, pages);
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_mem_pin_pages);
#endif

/*
 * A pin may fail for a reason that passes: a page that is to be moved first, out of CMA or
 * of movable memory, is held by somebody for a moment, or is being moved already. 6.12 says
 * -ENOMEM of that, as of an allocation that fails, which may pass too; others -EAGAIN, -EBUSY
 * or no page at all. Returns whether to try again, after a sleep that doubles: an eighth of
 * a second in all.
 */
static bool pin_retry(const struct gpadl_pin_ctx *pin, long ret, unsigned int tries)
{
	if (pin->gup_flags & FOLL_NOFAULT)
		return false;
	if (ret && ret != -EAGAIN && ret != -EBUSY && ret != -ENOMEM)
		return false;
	if (tries >= GPADL_PIN_TRIES || fatal_signal_pending(current))
		return false;
	schedule_timeout_killable(msecs_to_jiffies(1u << (tries - 1)));
	return true;
}

/**
 * gpadl_mem_pin_rest() - Go on where one call was not enough
 * @pin: where pages go
 * @hva: where they begin, a multiple of PAGE_SIZE
 * @nr: how many host pages
 * @ret: what gpadl_mem_pin_once() has returned for these
 *
 * Context: process, may sleep for as long as the VMM likes.
 * Return: as gpadl_mem_pin_more().
 */
int gpadl_mem_pin_rest(struct gpadl_pin_ctx *pin, unsigned long hva, unsigned long nr,
		       long ret)
{
	unsigned int tries = 0;

	for (;;) {
		if (ret > 0) {
			pin->done += ret;
			nr -= ret;
			hva += ret << PAGE_SHIFT;
			if (!nr)
				return 0;
			tries = 0;
			cond_resched();
		} else if (!pin_retry(pin, ret, ++tries)) {
			if (fatal_signal_pending(current))
				return -EINTR;
			return ret == -ENOMEM ? -ENOMEM : -EFAULT;
		}
		ret = gpadl_mem_pin_once(pin, hva, nr);
	}
}

/**
 * gpadl_mem_any_poisoned() - Is any of some pages one with a memory error?
 * @pages: the pages, pinned
 * @nr: number of these
 *
 * Context: any.
 * Return: true if one is.
 */
bool gpadl_mem_any_poisoned(struct page **pages, long nr)
{
	long i;

	for (i = 0; i < nr; i++)
		if (is_page_hwpoison(pages[i]))
			return true;
	return false;
}

/**
 * gpadl_mem_pin() - Pin adjoining pages
 * @pin: where they go; counts each from the moment that it is ours
 * @hva: where they begin, a multiple of PAGE_SIZE
 * @nr: how many host pages
 *
 * Context: process, may sleep for as long as the VMM likes.
 * Return: 0; -EFAULT, -ENOMEM or -EINTR as vmbus_gpadl_map(). What is pinned by then is
 * for the caller to unpin.
 */
int gpadl_mem_pin(struct gpadl_pin_ctx *pin, unsigned long hva, unsigned long nr)
{
	struct page **pages = pin->pages + pin->done;
	int ret;

	ret = gpadl_mem_pin_more(pin, hva, nr);
	if (!ret)
		ret = gpadl_mem_check(pages, nr);
	return ret;
}

/**
 * gpadl_mem_peek() - See which pages are at adjoining addresses
 * @pin: where they go; @pin->done is left alone
 * @hva: where they begin, a multiple of PAGE_SIZE
 * @nr: how many host pages
 *
 * Brings nothing in and changes nothing.
 *
 * Context: process, may sleep, but not for the VMM.
 * Return: how many of the first ones have been found: they are held, for
 * unpin_user_pages(); none of them has a memory error.
 */
unsigned long gpadl_mem_peek(struct gpadl_pin_ctx *pin, unsigned long hva, unsigned long nr)
{
	unsigned long done = 0, n;
	long ret;

	/* As gpadl_mem_pin_once(): with pages of 64 KiB, a block has more of them. */
	do {
		n = min_t(unsigned long, nr - done, GPADL_PIN_BATCH);
		ret = compat_pin_raw(pin->mm, pin->access == GPADL_MM_REMOTE,
				     hva + (done << PAGE_SHIFT), n, FOLL_NOFAULT,
				     pin->pages + done);
		if (ret > 0)
			done += ret;
	} while (ret == n && done < nr);
	if (!gpadl_mem_check(pin->pages, done))
		return done;
	unpin_user_pages(pin->pages, done);
	return 0;
}

/* ---- Single pages ---- */

/**
 * gpadl_mem_pin_page() - Pin and charge one page of the VMM for writing
 * @mem: the memory
 * @hva: an address in the page
 * @page: the page, for gpadl_mem_unpin_page()
 *
 * Context: process, may sleep for as long as the VMM likes.
 * Return: 0; -ESRCH, -EFAULT, -ENOMEM or -EINTR as vmbus_gpadl_map().
 */
int gpadl_mem_pin_page(struct gpadl_mem *mem, unsigned long hva, struct page **page)
{
	struct gpadl_pin_ctx pin;
	int ret;

	ret = gpadl_mem_enter(mem, &pin);
	if (ret)
		return ret;
	ret = gpadl_mem_charge(mem, 1);
	if (ret)
		goto out_leave;
	pin.write = true;
	pin.pages = page;
	ret = gpadl_mem_pin(&pin, hva & PAGE_MASK, 1);
	if (ret) {
		/* It may have been pinned before it was found to have a memory error. */
		unpin_user_pages(page, pin.done);
		gpadl_mem_uncharge(mem, 1);
	}
out_leave:
	gpadl_mem_leave(&pin);
	return ret;
}

/**
 * gpadl_mem_unpin_page() - Undo gpadl_mem_pin_page()
 * @mem: the memory
 * @page: the page
 *
 * Context: process, may sleep.
 */
void gpadl_mem_unpin_page(struct gpadl_mem *mem, struct page *page)
{
	unpin_user_pages_dirty_lock(&page, 1, true);
	gpadl_mem_uncharge(mem, 1);
}

/* ---- Life ---- */

/**
 * gpadl_mem_init() - Bind to the current address space and its owner
 * @mem: the memory; for gpadl_mem_init_regions() next
 *
 * Context: process with an address space, may sleep.
 * Return: 0; -EINVAL without an address space.
 */
int gpadl_mem_init(struct gpadl_mem *mem)
{
	if (!current->mm)
		return -EINVAL;
	mmgrab(current->mm);
	mem->mm = current->mm;
	mem->owner = get_task_struct(current->group_leader);
	mem->cred = get_current_cred();
	mem->user = capable(CAP_IPC_LOCK) ? NULL : mem->cred->user;
	mem->memcg = get_mem_cgroup_from_mm(current->mm);
	atomic64_set(&mem->pinned, 0);
	atomic_set(&mem->nr_same, 0);
	atomic_set(&mem->nr_replaced, 0);
	atomic_set(&mem->nr_lost, 0);
	mem->pin_done = 0;
	mem->pin_total = 0;
	return 0;
}

/**
 * gpadl_mem_destroy() - Let go of the address space and its owner
 * @mem: the memory, with nothing mapped and its regions dropped
 *
 * Context: process, may sleep.
 */
void gpadl_mem_destroy(struct gpadl_mem *mem)
{
	WARN_ON_ONCE(atomic64_read(&mem->pinned));
	mem_cgroup_put(mem->memcg);
	put_cred(mem->cred);
	put_task_struct(mem->owner);
	mmdrop(mem->mm);
}
