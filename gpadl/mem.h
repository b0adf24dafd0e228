/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guest memory: whose it is, what is charged for it, and how its pages get pinned.
 */
#ifndef _GPADL_MEM_H
#define _GPADL_MEM_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/memcontrol.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "gpadl/compat.h"

struct gpadl_region_table;
struct mem_cgroup;
struct mm_struct;
struct page;
struct cred;
struct task_struct;
struct user_struct;

struct gpadl_mem;

/**
 * struct gpadl_mem_ops - what a memory asks of its partition
 * @moves: Is a page that is mapped, or being mapped, at another address in @new than in
 *	@old, or at none, or read-only only there?
 * @retire: Ask for every such page back.
 * @get: Keep the memory until @put: something of it is to be done yet. In any context but NMI.
 * @put: Undo @get. Likewise; the memory may be gone then.
 *
 * No map becomes a user of a region during @moves or @retire. Both may sleep, but not for a
 * backend or the VMM.
 */
struct gpadl_mem_ops {
	bool (*moves)(struct gpadl_mem *mem, const struct gpadl_region_table *old,
		      const struct gpadl_region_table *new);
	void (*retire)(struct gpadl_mem *mem, const struct gpadl_region_table *old,
		       const struct gpadl_region_table *new);
	void (*get)(struct gpadl_mem *mem);
	void (*put)(struct gpadl_mem *mem);
};

/**
 * struct gpadl_mem - the memory of one guest
 * @mm: address space that backs it (mmgrab'ed)
 * @id: number of the partition, for tracing
 * @ops: asked about what is mapped
 * @wq: for what regions have to do when a mapping goes
 * @owner: group leader of the process whose RLIMIT_MEMLOCK holds
 * @cred: those of the owner, which hold @user: free_uid() is not for the modules of 6.1
 * @user: whom pins are charged to, with all that the user has locked elsewhere; NULL if
 *	the owner had CAP_IPC_LOCK at the time it was bound: then there is no limit
 * @memcg: memory cgroup that it was in then (referenced), or NULL without such
 * @change_lock: serialises gpadl_mem_set_regions()
 * @switch_sem: held for writing while @switching; a map that finds a change under way
 *	waits for it by taking it for reading
 * @switching: it is being decided whether the regions may change: no map may become a user
 *	of one
 * @table: current table; read under RCU, written under both locks
 * @no_regions: the table for the end; NULL when it is that
 * @retired: generation of the last table for which pages were asked back, and not waited for
 * @watch_wq: ends watches, one after the other, which may wait for as long as the VMM likes
 * @nr_ending: what is to be done there
 * @nr_lingering: regions that were removed and still have users or work to be done. Each
 *	holds the partition
 * @block_lock: protects @blocks and what stands in them. No page is pinned under it, nor the VMM
 *	waited for; to unpin what has been written to may wait for the page's lock
 * @blocks: resident blocks by number: pinned for reading, and for writing
 * @stale_blocks: those of @blocks in which pages have been replaced that are still pinned
 * @stale_work: unpins these, as far as nothing is mapped. Holds the partition while it is queued
 * @nr_same: blocks that were looked at again, and were as before
 * @nr_replaced: pages that were found to be others, and pinned in place of those before
 * @nr_lost: looks at pages of which there was none, or that a memory error has hit
 * @pinned: host pages charged now
 * @pin_done: host pages of the resident region that is being pinned, pinned so far
 * @pin_total: host pages that it has; 0 if none is being pinned
 *
 * Lock order: change_lock > switch_sem > rx_mutex; change_lock > block_lock > watch lock.
 */
struct gpadl_mem {
	struct mm_struct *mm;
	int id;
	const struct gpadl_mem_ops *ops;
	struct workqueue_struct *wq;
	struct workqueue_struct *watch_wq;
	struct task_struct *owner;
	const struct cred *cred;
	struct user_struct *user;
	struct mem_cgroup *memcg;
	struct mutex change_lock;
	struct rw_semaphore switch_sem;
	bool switching;
	struct gpadl_region_table __rcu *table;
	struct gpadl_region_table *no_regions;
	u64 retired;
	atomic_t nr_ending;
	atomic_t nr_lingering;
	struct mutex block_lock;
	struct xarray blocks[2];
	struct list_head stale_blocks;
	struct delayed_work stale_work;
	atomic_t nr_same;
	atomic_t nr_replaced;
	atomic_t nr_lost;
	atomic64_t pinned;
	unsigned long pin_done;
	unsigned long pin_total;
};

/**
 * struct gpadl_mem_account - whom allocations were charged to before
 * @memcg: memory cgroup that is charged instead, of the &struct gpadl_mem; or NULL
 * @old: what set_active_memcg() returned
 */
struct gpadl_mem_account {
	struct mem_cgroup *memcg;
	struct mem_cgroup *old;
};

/**
 * enum gpadl_mm_access - how a thread gets at the pages of an address space
 * @GPADL_MM_OWN: it is its own
 * @GPADL_MM_ADOPTED: a kernel thread without one has adopted it for a while
 * @GPADL_MM_REMOTE: it is another process's
 */
enum gpadl_mm_access {
	GPADL_MM_OWN,
	GPADL_MM_ADOPTED,
	GPADL_MM_REMOTE,
};

/**
 * struct gpadl_pin_ctx - pages that are being pinned
 * @mm: address space that they are in
 * @access: how this thread gets at it
 * @write: for writing
 * @gup_flags: FOLL_* of the pins, but for FOLL_WRITE
 * @pages: where they go, one after the other
 * @done: of @pages, those pinned so far: they belong to the user of this context
 */
struct gpadl_pin_ctx {
	struct mm_struct *mm;
	enum gpadl_mm_access access;
	bool write;
	unsigned int gup_flags;
	struct page **pages;
	unsigned long done;
};

/* Pages per call of the kernel's pin function: it walks them with interrupts off. */
#define GPADL_PIN_BATCH		512

/* How often a pin is tried that fails for a reason that may pass. */
#define GPADL_PIN_TRIES		8

int gpadl_mem_init(struct gpadl_mem *mem);
void gpadl_mem_destroy(struct gpadl_mem *mem);

int gpadl_mem_charge(struct gpadl_mem *mem, unsigned long nr);
void gpadl_mem_uncharge(struct gpadl_mem *mem, unsigned long nr);
bool gpadl_mem_may_have(const struct gpadl_mem *mem, unsigned long nr);

int gpadl_mem_enter_other(struct gpadl_mem *mem, struct gpadl_pin_ctx *pin);
void gpadl_mem_leave_other(const struct gpadl_pin_ctx *pin);
int gpadl_mem_pin(struct gpadl_pin_ctx *pin, unsigned long hva, unsigned long nr);
int gpadl_mem_pin_rest(struct gpadl_pin_ctx *pin, unsigned long hva, unsigned long nr,
		       long ret);
bool gpadl_mem_any_poisoned(struct page **pages, long nr);
unsigned long gpadl_mem_peek(struct gpadl_pin_ctx *pin, unsigned long hva, unsigned long nr);

int gpadl_mem_pin_page(struct gpadl_mem *mem, unsigned long hva, struct page **page);
void gpadl_mem_unpin_page(struct gpadl_mem *mem, struct page *page);

/**
 * gpadl_mem_account_begin() - Charge allocations to the owner's memory cgroup
 * @mem: the memory
 * @acct: for gpadl_mem_account_end()
 *
 * For what is allocated (GFP_KERNEL_ACCOUNT) by a thread that is not the VMM's own: by the
 * cgroup that the VMM was in when it was bound. An address space that nobody uses any more,
 * because its process has ended or executes another program, belongs to no cgroup, but its
 * file can still be written to.
 *
 * Context: process.
 */
static inline void gpadl_mem_account_begin(const struct gpadl_mem *mem,
					   struct gpadl_mem_account *acct)
{
	/* A kernel thread pays nothing by itself, not even with the VMM's address space. */
	bool is_vmm = current->mm == mem->mm && !(current->flags & PF_KTHREAD);

	acct->memcg = is_vmm ? NULL : mem->memcg;
	if (acct->memcg)
		acct->old = set_active_memcg(acct->memcg);
}

/**
 * gpadl_mem_account_end() - Undo gpadl_mem_account_begin()
 * @acct: what it filled in
 *
 * Context: process, same thread.
 */
static inline void gpadl_mem_account_end(const struct gpadl_mem_account *acct)
{
	if (acct->memcg)
		set_active_memcg(acct->old);
}

/**
 * gpadl_mem_enter() - Get at the pages of the address space
 * @mem: the memory
 * @pin: filled in for gpadl_mem_pin(), for reading, for as long as the guest likes, and with
 *	nowhere to put pages yet
 *
 * Context: process.
 * Return: 0, to be undone by gpadl_mem_leave(); -ESRCH if the address space is gone.
 */
static inline int gpadl_mem_enter(struct gpadl_mem *mem, struct gpadl_pin_ctx *pin)
{
	*pin = (struct gpadl_pin_ctx) {
		.mm = mem->mm,
		.access = GPADL_MM_OWN,
		.gup_flags = FOLL_LONGTERM,
	};
	return likely(current->mm == mem->mm) ? 0 : gpadl_mem_enter_other(mem, pin);
}

/**
 * gpadl_mem_leave() - Undo gpadl_mem_enter()
 * @pin: what it filled in
 *
 * Context: process, same thread.
 */
static inline void gpadl_mem_leave(const struct gpadl_pin_ctx *pin)
{
	if (unlikely(pin->access != GPADL_MM_OWN))
		gpadl_mem_leave_other(pin);
}

/**
 * gpadl_mem_check() - Has none of some pages a memory error?
 * @pages: the pages, pinned
 * @nr: number of these
 *
 * A page with such an error that stays in the page table, being part of a huge one: the kernel pins
 * it all the same. Nothing is looked at on a machine that has had none.
 *
 * Context: any.
 * Return: 0; -EFAULT if one has.
 */
static inline int gpadl_mem_check(struct page **pages, long nr)
{
	if (likely(!compat_memory_failures()))
		return 0;
	return gpadl_mem_any_poisoned(pages, nr) ? -EFAULT : 0;
}

/**
 * gpadl_mem_check_pinned() - Has none of the pinned pages a memory error?
 * @pin: the pages
 *
 * Context: any.
 * Return: 0; -EFAULT if one has.
 */
static inline int gpadl_mem_check_pinned(const struct gpadl_pin_ctx *pin)
{
	return gpadl_mem_check(pin->pages, pin->done);
}

#if IS_ENABLED(CONFIG_KUNIT)
long gpadl_mem_pin_pages(struct mm_struct *mm, bool remote, unsigned long hva,
			 unsigned long nr, unsigned int gup_flags, struct page **pages);
#else
#define gpadl_mem_pin_pages	compat_pin_pages
#endif

/* One call of the kernel's pin function. */
static __always_inline long gpadl_mem_pin_once(const struct gpadl_pin_ctx *pin,
					       unsigned long hva, unsigned long nr)
{
	return gpadl_mem_pin_pages(pin->mm, pin->access == GPADL_MM_REMOTE, hva,
				   min_t(unsigned long, nr, GPADL_PIN_BATCH),
				   pin->gup_flags | (pin->write ? FOLL_WRITE : 0),
				   pin->pages + pin->done);
}

/**
 * gpadl_mem_pin_more() - Pin adjoining pages, for gpadl_mem_check_pinned() at the end
 * @pin: where they go; counts each from the moment that it is ours
 * @hva: where they begin, a multiple of PAGE_SIZE
 * @nr: how many host pages
 *
 * Context: process, may sleep for as long as the VMM likes.
 * Return: 0; -EFAULT, -ENOMEM or -EINTR as vmbus_gpadl_map(). What is pinned by then is
 * for the caller to unpin.
 */
static __always_inline int gpadl_mem_pin_more(struct gpadl_pin_ctx *pin, unsigned long hva,
					      unsigned long nr)
{
	long ret = gpadl_mem_pin_once(pin, hva, nr);

	if (unlikely(ret != nr))
		return gpadl_mem_pin_rest(pin, hva, nr, ret);
	pin->done += nr;
	return 0;
}

#endif /* _GPADL_MEM_H */
