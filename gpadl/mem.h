/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guest memory: whose it is, what is charged for it, and how its pages get pinned.
 */
#ifndef _GPADL_MEM_H
#define _GPADL_MEM_H

#include <linux/atomic.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct gpadl_region_table;
struct mem_cgroup;
struct mm_struct;
struct page;
struct task_struct;

/**
 * struct gpadl_mem - the memory of one guest
 * @mm: address space that backs it (mmgrab'ed)
 * @owner: group leader of the process that is charged for pins
 * @lock_cap: owner had CAP_IPC_LOCK at the time it was bound
 * @memcg: memory cgroup that it was in then (referenced), or NULL without such
 * @change_lock: serialises gpadl_mem_set_regions()
 * @switch_lock: held while users of removed regions go to 0 and the new table is
 *	published, so that a mapping finds either the old state or the new one
 * @table: current table; read under RCU, written under both locks
 * @pinned: host pages charged now
 * @pin_done: host pages of the resident region that is being pinned, pinned so far
 * @pin_total: host pages that it has; 0 if none is being pinned
 */
struct gpadl_mem {
	struct mm_struct *mm;
	struct task_struct *owner;
	bool lock_cap;
	struct mem_cgroup *memcg;
	struct mutex change_lock;
	spinlock_t switch_lock;
	struct gpadl_region_table __rcu *table;
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
 * struct gpadl_pinning - pages that are being pinned
 * @mm: address space that they are in
 * @how: this thread gets at it
 * @write: for writing
 * @pages: where they go, one after the other
 * @done: of @pages, those pinned so far: they belong to whoever pins
 */
struct gpadl_pinning {
	struct mm_struct *mm;
	enum gpadl_mm_access how;
	bool write;
	struct page **pages;
	unsigned long done;
};

/* How often a pin is tried that fails for a reason that may pass. */
#define GPADL_PIN_TRIES		8

int gpadl_mem_init(struct gpadl_mem *mem);
void gpadl_mem_destroy(struct gpadl_mem *mem);

int gpadl_mem_charge(struct gpadl_mem *mem, unsigned long nr);
void gpadl_mem_uncharge(struct gpadl_mem *mem, unsigned long nr);
void gpadl_mem_account_begin(struct gpadl_mem *mem, struct gpadl_mem_account *acct);
void gpadl_mem_account_end(struct gpadl_mem_account *acct);

int gpadl_mem_enter(struct gpadl_mem *mem, struct gpadl_pinning *pin);
void gpadl_mem_leave(const struct gpadl_pinning *pin);
int gpadl_mem_pin(struct gpadl_pinning *pin, unsigned long hva, unsigned long nr);

int gpadl_mem_pin_page(struct gpadl_mem *mem, unsigned long hva, struct page **page);
void gpadl_mem_unpin_page(struct gpadl_mem *mem, struct page *page);

#if IS_ENABLED(CONFIG_KUNIT)
long gpadl_mem_pin_pages(struct mm_struct *mm, bool remote, unsigned long hva,
			 unsigned long nr, unsigned int gup_flags, struct page **pages);
#endif

#endif /* _GPADL_MEM_H */
