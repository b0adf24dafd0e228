/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guest memory: where it lies, translation, pinning and accounting.
 *
 * Knows nothing of GPADLs but the packed page lists of gpadl_wire.h.
 */
#ifndef _GPADL_MEM_H
#define _GPADL_MEM_H

#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/cache.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>

#include "gpadl_wire.h"
#include "vmbus_gpadl_map.h"

struct gpadl_resident;
struct mem_cgroup;
struct mm_struct;
struct page;
struct task_struct;

/**
 * struct gpadl_region - one range of guest memory; does not change once published
 * @what: as the channel layer set it
 * @resident: its pages, pinned before it is published and until @users is 0; NULL if
 *	they are pinned on demand
 * @written: @resident has been mapped for writing
 * @users: who keeps it from being removed: 1 for being set, and 1 for each mapping
 *	with pages in it; 0 once it is removed, for good
 * @ref: keeps the memory of this structure: 1 for each table that lists it
 */
struct gpadl_region {
	struct vmbus_gpa_region what;
	struct gpadl_resident *resident;
	bool written;
	/* Maps write to what follows, each once, and read what precedes for each page. */
	refcount_t users ____cacheline_aligned_in_smp;
	refcount_t ref;
};

/**
 * struct gpadl_region_table - all regions at one time; does not change once published
 * @ref: 1 for being the current one, and 1 for each mapping made from it
 * @rcu: frees it
 * @generation: a table published later has a larger one
 * @nr: number of regions
 * @regions: sorted by guest physical address, disjoint
 */
struct gpadl_region_table {
	refcount_t ref;
	struct rcu_head rcu;
	u64 generation;
	unsigned int nr;
	struct gpadl_region *regions[] __counted_by(nr);
};

/**
 * struct gpadl_mem - the memory of one guest
 * @mm: address space that backs it (mmgrab'ed)
 * @owner: group leader of the process that is charged for pins
 * @lock_cap: owner had CAP_IPC_LOCK at the time it was bound
 * @change_lock: serialises gpadl_mem_set_regions()
 * @switch_lock: held while users of removed regions go to 0 and the new table is
 *	published, so that a mapping finds either the old state or the new one
 * @table: current table; read under RCU, written under both locks
 * @pinned: host pages pinned now
 * @pin_done: host pages of the resident region that is being pinned, pinned so far
 * @pin_total: host pages that it has; 0 if none is being pinned
 */
struct gpadl_mem {
	struct mm_struct *mm;
	struct task_struct *owner;
	bool lock_cap;
	struct mutex change_lock;
	spinlock_t switch_lock;
	struct gpadl_region_table __rcu *table;
	atomic64_t pinned;
	unsigned long pin_done;
	unsigned long pin_total;
};

/**
 * struct gpadl_mapping - pinned pages of one GPADL
 * @sgt: covers the GPADL's ranges in order, to the byte
 * @nr_pins: host pages pinned and charged, counted once per pin; none for those in
 *	resident regions
 * @pages: if only some of @sgt is pinned: those; else NULL
 * @writable: pinned for writing
 * @table: table that the pages were looked up in
 * @used: regions of @table whose users include this mapping
 */
struct gpadl_mapping {
	struct sg_table sgt;
	unsigned long nr_pins;
	struct page **pages;
	bool writable;
	struct gpadl_region_table *table;
	DECLARE_BITMAP(used, VMBUS_GPA_REGION_SLOTS);
};

/**
 * struct gpadl_mem_account - whom allocations were charged to before
 * @memcg: memory cgroup that is charged instead, or NULL
 * @old: what set_active_memcg() returned
 */
struct gpadl_mem_account {
	struct mem_cgroup *memcg;
	struct mem_cgroup *old;
};

int gpadl_mem_init(struct gpadl_mem *mem);
void gpadl_mem_destroy(struct gpadl_mem *mem);

struct gpadl_region_table *gpadl_region_table_get(struct gpadl_mem *mem);
void gpadl_region_table_put(struct gpadl_region_table *table);
int gpadl_mem_set_regions(struct gpadl_mem *mem, const struct vmbus_gpa_region *changes,
			  unsigned int nr);

bool gpadl_mem_covers(struct gpadl_mem *mem, const struct gpadl_wire *w);
int gpadl_mem_map(struct gpadl_mem *mem, const struct gpadl_wire *w, bool write,
		  struct gpadl_mapping *m);
void gpadl_mem_unmap(struct gpadl_mem *mem, struct gpadl_mapping *m);
void *gpadl_mem_vmap(const struct gpadl_mapping *m);
void gpadl_mem_vunmap(void *addr);

void gpadl_mem_account_begin(struct gpadl_mem *mem, struct gpadl_mem_account *acct);
void gpadl_mem_account_end(struct gpadl_mem_account *acct);

int gpadl_mem_pin_page(struct gpadl_mem *mem, unsigned long hva, struct page **page);
void gpadl_mem_unpin_page(struct gpadl_mem *mem, struct page *page);

#if IS_ENABLED(CONFIG_KUNIT)
long gpadl_mem_pin_pages(struct mm_struct *mm, bool remote, unsigned long hva,
			 unsigned long nr, unsigned int gup_flags, struct page **pages);
#endif

#endif /* _GPADL_MEM_H */
