// SPDX-License-Identifier: GPL-2.0
/*
 * Changing the regions of guest memory.
 *
 * A change is prepared as a whole: the new table is made, and what is to be resident is
 * pinned; it is decided in table_switch(); and what goes is dropped. Until it is decided, an
 * error leaves all as it was; after, nothing can fail.
 *
 * A VMM's memory listener cannot refuse a change. So what counts is not whether a region
 * has mappings, but whether a page that is mapped would be somewhere else: regions can be
 * split and merged, and others laid over them, around what is mapped. The mapping goes on
 * with the region that it was made in, which is in no table any more (it lingers); the pins
 * of that and of the region that has taken its place are the same ones (resident.c). If a
 * page that is mapped would be somewhere else, the change fails with -EBUSY; or, if the VMM
 * wants it so, is done: then no new map finds the page, what is mapped stays until it is
 * unmapped, and the backend is asked for it.
 */
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "compat.h"
#include "mem.h"
#include "region.h"
#include "relook.h"
#include "walk.h"
#include "wire.h"

#define REGION_FLAGS	(VMBUS_GPA_REGION_READ_ONLY | VMBUS_GPA_REGION_RESIDENT)

/* ---- What is to be there ---- */

/**
 * struct region_change - a change of the region table that is being prepared
 * @new: what is to be there, by slot
 * @seen: slots that the caller has named
 * @made: of these, those that get a new region
 * @equal: and those that have it already
 */
struct region_change {
	struct gpadl_region *new[VMBUS_GPA_REGION_SLOTS];
	DECLARE_BITMAP(seen, VMBUS_GPA_REGION_SLOTS);
	DECLARE_BITMAP(made, VMBUS_GPA_REGION_SLOTS);
	DECLARE_BITMAP(equal, VMBUS_GPA_REGION_SLOTS);
};

static int region_check(const struct gpadl_mem *mem, const struct vmbus_gpa_region *desc)
{
	u64 gpa_end, hva_end;

	if (desc->flags & ~REGION_FLAGS)
		return -EOPNOTSUPP;
	if (desc->slot >= VMBUS_GPA_REGION_SLOTS)
		return -EINVAL;
	if ((desc->gpa | desc->bytes | desc->hva) & ~PAGE_MASK)
		return -EINVAL;
	if (check_add_overflow(desc->gpa, desc->bytes, &gpa_end) ||
	    gpa_end > BIT_ULL(GPADL_PFN_BITS + GPADL_PAGE_SHIFT))
		return -EINVAL;
	if (check_add_overflow(desc->hva, desc->bytes, &hva_end) ||
	    hva_end > mem->mm->task_size)
		return -EINVAL;
	return 0;
}

static bool region_equal(const struct vmbus_gpa_region *a,
			 const struct vmbus_gpa_region *b)
{
	return a->gpa == b->gpa && a->bytes == b->bytes && a->hva == b->hva &&
	       a->flags == b->flags;
}

/* Enter one entry of the caller's list into the change. */
static int change_enter(struct gpadl_mem *mem, struct region_change *c,
			const struct vmbus_gpa_region *desc)
{
	struct gpadl_region *old, *new;
	u32 slot;
	int ret;

	ret = region_check(mem, desc);
	if (ret)
		return ret;
	slot = array_index_nospec(desc->slot, VMBUS_GPA_REGION_SLOTS);
	if (test_and_set_bit(slot, c->seen))
		return -EINVAL;

	old = c->new[slot];
	if (!desc->bytes) {
		if (!old)
			return -ENOENT;
		c->new[slot] = NULL;
		return 0;
	}
	if (old && region_equal(&old->desc, desc)) {
		set_bit(slot, c->equal);
		return 0;
	}
	new = gpadl_region_alloc(mem, desc);
	if (!new)
		return -ENOMEM;
	c->new[slot] = new;
	set_bit(slot, c->made);
	return 0;
}

static int region_cmp(const void *a, const void *b)
{
	u64 gpa_a = (*(const struct gpadl_region *const *)a)->desc.gpa;
	u64 gpa_b = (*(const struct gpadl_region *const *)b)->desc.gpa;

	return (gpa_a > gpa_b) - (gpa_a < gpa_b);
}

/* A table of the regions of @c, with references of its own; ERR_PTR if two overlap. */
static struct gpadl_region_table *change_to_table(const struct region_change *c)
{
	struct gpadl_region_table *table;
	unsigned int slot, nr = 0;

	for (slot = 0; slot < VMBUS_GPA_REGION_SLOTS; slot++)
		nr += !!c->new[slot];
	table = gpadl_region_table_alloc(nr);
	if (!table)
		return ERR_PTR(-ENOMEM);

	for (slot = 0, nr = 0; slot < VMBUS_GPA_REGION_SLOTS; slot++) {
		if (!c->new[slot])
			continue;
		refcount_inc(&c->new[slot]->ref);
		table->regions[nr++] = c->new[slot];
	}
	sort(table->regions, nr, sizeof(table->regions[0]), region_cmp, NULL);

	for (slot = 1; slot < nr; slot++) {
		const struct vmbus_gpa_region *prev = &table->regions[slot - 1]->desc;

		if (table->regions[slot]->desc.gpa - prev->gpa < prev->bytes) {
			gpadl_region_table_put(table);
			return ERR_PTR(-EEXIST);
		}
	}
	return table;
}

/* ---- What is mapped ---- */

/*
 * Has a table a page of region @where at the same address, and writable if it is there? So it is
 * for all pages up to @next.
 */
static bool table_keeps(const struct gpadl_region_table *table,
			const struct vmbus_gpa_region *where, u64 gpa, u64 *next)
{
	unsigned int i = gpadl_region_table_find(table, gpa);
	const struct vmbus_gpa_region *here;

	*next = gpa + GPADL_PAGE_SIZE;
	if (i == table->nr)
		return false;
	here = &table->regions[i]->desc;
	*next = here->gpa + here->bytes;
	return here->hva - here->gpa == where->hva - where->gpa &&
	       !(here->flags & ~where->flags & VMBUS_GPA_REGION_READ_ONLY);
}

/* Is a page of an extent still kept in @old, but not in @new? */
static bool extent_moves(const struct gpadl_extent *e, const struct gpadl_region_table *old,
			 const struct gpadl_region_table *new)
{
	const struct vmbus_gpa_region *where = &e->region->desc;
	u64 gpa = where->gpa + (e->hva - where->hva), end = gpa + gpadl_extent_bytes(e);
	u64 was, is;
	bool kept;

	for (; gpa < end; gpa = min(was, is)) {
		kept = table_keeps(old, where, gpa, &was);
		if (!table_keeps(new, where, gpa, &is) && kept)
			return true;
		cond_resched();
	}
	return false;
}

/**
 * gpadl_regions_move() - Does a change take a page away from where it is mapped?
 * @pfns: the pages
 * @mapped: the table that they were mapped in
 * @old: that in force
 * @new: the one to come
 *
 * Pages that an earlier change has taken away (VMBUS_GPA_REGIONS_RETIRE) do not count any more,
 * the others of the same list do.
 *
 * Context: process, may sleep.
 * Return: true if one is in @old where it is in @mapped, but in @new has another address, or none,
 * or is read-only only there.
 */
bool gpadl_regions_move(const struct gpadl_pfn_list *pfns, const struct gpadl_region_table *mapped,
			const struct gpadl_region_table *old,
			const struct gpadl_region_table *new)
{
	struct gpadl_walk walk;

	KUNIT_STATIC_STUB_REDIRECT(gpadl_regions_move, pfns, mapped, old, new);
	gpadl_walk_init(&walk, pfns, mapped, 0);
	while (gpadl_walk_next(&walk)) {
		if (walk.e.region && extent_moves(&walk.e, old, new))
			return true;
		cond_resched();
	}
	return false;
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_regions_move);

/* Is anything mapped that the change might concern? */
static bool change_is_near(struct gpadl_mem *mem, const struct gpadl_region_table *old,
			   const struct region_change *c)
{
	unsigned int i;
	bool any = false;

	for (i = 0; i < old->nr; i++) {
		if (c->new[old->regions[i]->desc.slot] == old->regions[i])
			continue;
		any = true;
		if (refcount_read(&old->regions[i]->users) > 1)
			return true;
	}
	/* A mapping of a region that was set before may have pages in one that goes. */
	return any && atomic_read(&mem->nr_lingering);
}

/* ---- Doing it ---- */

/*
 * Decide, and put the new table in force. A map that begins meanwhile waits, so that what is
 * mapped is what is found to be.
 */
static int table_switch(struct gpadl_mem *mem, struct gpadl_region_table *old,
			struct gpadl_region_table *new, const struct region_change *c,
			bool retire)
{
	int ret = 0;

	new->generation = old->generation + 1;
	down_write(&mem->switch_sem);
	WRITE_ONCE(mem->switching, true);
	/* Pairs with gpadl_region_table_is_current(). */
	smp_mb();
	if (change_is_near(mem, old, c)) {
		if (retire) {
			/* For maps that pin: gpadl_region_table_is_retired() */
			WRITE_ONCE(mem->retired, new->generation);
			mem->ops->retire(mem, old, new);
		} else if (mem->ops->moves(mem, old, new)) {
			ret = -EBUSY;
		}
	}
	if (!ret)
		rcu_assign_pointer(mem->table, new);
	/* A map that sees this sees the table: pairs with gpadl_region_table_is_current(). */
	smp_store_release(&mem->switching, false);
	up_write(&mem->switch_sem);
	return ret;
}

static int change_switch(struct gpadl_mem *mem, struct gpadl_region_table *new,
			 const struct region_change *c, bool retire)
{
	struct gpadl_region_table *old;
	unsigned int i;
	int ret;

	old = rcu_dereference_protected(mem->table, lockdep_is_held(&mem->change_lock));
	ret = table_switch(mem, old, new, c, retire);
	if (ret)
		return ret;
	for (i = 0; i < old->nr; i++)
		if (c->new[old->regions[i]->desc.slot] != old->regions[i])
			gpadl_region_retire(old->regions[i]);
	gpadl_regions_trim(mem);
	for (i = 0; i < old->nr; i++)
		gpadl_region_retired(old->regions[i]);
	gpadl_region_table_put(old);
	return 0;
}

/* What an error leaves is for change_end(). */
static int change_begin(struct gpadl_mem *mem, struct region_change *c)
{
	unsigned int slot;
	int ret;

	for_each_set_bit(slot, c->made, VMBUS_GPA_REGION_SLOTS) {
		ret = gpadl_region_begin(c->new[slot]);
		if (ret)
			return ret;
	}
	for_each_set_bit(slot, c->equal, VMBUS_GPA_REGION_SLOTS) {
		ret = gpadl_relook_region(mem, c->new[slot]);
		if (ret)
			return ret;
	}
	return 0;
}

static void change_end(struct gpadl_mem *mem, struct region_change *c)
{
	unsigned int slot;

	for_each_set_bit(slot, c->made, VMBUS_GPA_REGION_SLOTS)
		gpadl_region_end(c->new[slot]);
	/* What it has pinned in blocks of regions that stay. */
	gpadl_regions_trim(mem);
}

static int change_apply(struct gpadl_mem *mem, struct region_change *c,
			const struct vmbus_gpa_region *changes, unsigned int nr, bool retire)
{
	struct gpadl_region_table *table;
	unsigned int i;
	int ret;

	table = rcu_dereference_protected(mem->table,
					  lockdep_is_held(&mem->change_lock));
	for (i = 0; i < table->nr; i++)
		c->new[table->regions[i]->desc.slot] = table->regions[i];
	for (i = 0; i < nr; i++) {
		ret = change_enter(mem, c, &changes[i]);
		if (ret)
			return ret;
	}

	table = change_to_table(c);
	if (IS_ERR(table))
		return PTR_ERR(table);
	ret = change_begin(mem, c);
	if (!ret)
		ret = change_switch(mem, table, c, retire);
	if (ret) {
		change_end(mem, c);
		gpadl_region_table_put(table);
	}
	return ret;
}

/**
 * gpadl_mem_set_regions() - Add, replace and remove regions, all or none
 * @mem: the memory
 * @changes: what to change, each slot once at most
 * @nr: number of entries in @changes
 * @flags: VMBUS_GPA_REGIONS_*
 *
 * Context: process, may sleep.
 * Return: 0; -EINVAL, -EOPNOTSUPP, -ENOENT, -EEXIST, -EBUSY, -ESRCH, -EFAULT, -ENOMEM,
 * -EINTR or -ERESTARTNOINTR as vmbus_partition_set_regions().
 */
int gpadl_mem_set_regions(struct gpadl_mem *mem, const struct vmbus_gpa_region *changes,
			  unsigned int nr, u32 flags)
{
	struct region_change *c;
	unsigned int slot;
	int ret;

	if (flags & ~VMBUS_GPA_REGIONS_RETIRE)
		return -EOPNOTSUPP;
	/* Who keeps the address space changing, and changes regions all the time, is waited for. */
	if (atomic_read(&mem->nr_ending) >= VMBUS_GPA_REGION_SLOTS)
		flush_workqueue(mem->watch_wq);
	c = kvzalloc(sizeof(*c), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!c)
		return -ENOMEM;

	ret = mutex_lock_killable(&mem->change_lock);
	if (ret)
		goto out_free;
	ret = change_apply(mem, c, changes, nr, flags & VMBUS_GPA_REGIONS_RETIRE);
	mutex_unlock(&mem->change_lock);

	/* The published table has references of its own to those that were made. */
	for_each_set_bit(slot, c->made, VMBUS_GPA_REGION_SLOTS)
		gpadl_region_put(c->new[slot]);
out_free:
	kvfree(c);
	return ret;
}

/* ---- Beginning and end ---- */

/**
 * gpadl_mem_init_regions() - Begin without regions
 * @mem: the memory
 * @ops: of its partition
 *
 * Context: process, may sleep.
 * Return: 0, to be undone by gpadl_mem_drop_regions(); -ENOMEM.
 */
int gpadl_mem_init_regions(struct gpadl_mem *mem, const struct gpadl_mem_ops *ops)
{
	struct gpadl_region_table *table = gpadl_region_table_alloc(0);

	mem->no_regions = gpadl_region_table_alloc(0);
	if (!table || !mem->no_regions) {
		kvfree(table);
		kvfree(mem->no_regions);
		return -ENOMEM;
	}
	table->generation = 1;
	mem->ops = ops;
	mutex_init(&mem->change_lock);
	init_rwsem(&mem->switch_sem);
	mutex_init(&mem->block_lock);
	xa_init_flags(&mem->blocks[false], XA_FLAGS_ACCOUNT);
	xa_init_flags(&mem->blocks[true], XA_FLAGS_ACCOUNT);
	INIT_LIST_HEAD(&mem->stale_blocks);
	INIT_DELAYED_WORK(&mem->stale_work, gpadl_regions_stale_work);
	atomic_set(&mem->nr_ending, 0);
	atomic_set(&mem->nr_lingering, 0);
	RCU_INIT_POINTER(mem->table, table);
	return 0;
}

/**
 * gpadl_mem_clear_regions() - Remove all regions, for good
 * @mem: the memory, of which no region will be set any more
 *
 * As far as nothing is mapped of them. The others go with their last mapping, without
 * anybody being asked for it. Allocates nothing: it is done before the memory goes.
 *
 * Context: process, may sleep. Does not wait for changes of the VMM's memory.
 */
void gpadl_mem_clear_regions(struct gpadl_mem *mem)
{
	struct gpadl_region_table *new = mem->no_regions, *old;
	unsigned int i;

	mutex_lock(&mem->change_lock);
	mem->no_regions = NULL;
	old = rcu_dereference_protected(mem->table, lockdep_is_held(&mem->change_lock));
	new->generation = old->generation + 1;
	rcu_assign_pointer(mem->table, new);
	/* Pairs with gpadl_region_table_is_current(). */
	smp_mb();
	for (i = 0; i < old->nr; i++)
		gpadl_region_retire(old->regions[i]);
	for (i = 0; i < old->nr; i++)
		gpadl_region_queue_end(old->regions[i]);
	gpadl_region_table_put(old);
	mutex_unlock(&mem->change_lock);
	/* It would hold the partition for a second, for nothing. */
	if (cancel_delayed_work(&mem->stale_work))
		mem->ops->put(mem);
}

/**
 * gpadl_mem_drop_regions() - Undo gpadl_mem_init_regions()
 * @mem: the memory; its regions were cleared if any was set, and nothing of it is to be done:
 *	that would hold the partition
 *
 * Context: process. Waits for nothing.
 */
void gpadl_mem_drop_regions(struct gpadl_mem *mem)
{
	struct gpadl_region_table *table = rcu_dereference_protected(mem->table, true);

	WARN_ON_ONCE(table->nr || atomic_read(&mem->nr_lingering));
	gpadl_region_table_put(table);
	kvfree(mem->no_regions);
	WARN_ON_ONCE(!xa_empty(&mem->blocks[false]) || !xa_empty(&mem->blocks[true]));
}
