// SPDX-License-Identifier: GPL-2.0
/*
 * Regions of guest memory, and the table that lists them.
 *
 * A guest's memory is a set of regions, each a range of guest physical addresses
 * backed by a range of the VMM's address space. Regions and the table that lists them
 * do not change once made: a change publishes a new table. A mapping keeps the table it
 * was made from, and each region with pages in it, by their counts. So:
 *
 *   users	1 while the region is set, and 1 for each mapping that has pages in it.
 *		Removal takes it from 1 to 0 or fails; 0 is final.
 *   ref	1 for each table that lists the region: keeps its memory, no more.
 *
 * The pages of a resident region are pinned once, by whoever sets it, before it is
 * published, and unpinned by whoever takes its users to 0, after. A mapping of it only
 * looks its pages up (resident.h).
 */
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "mem.h"
#include "region.h"
#include "resident.h"
#include "wire.h"

#define REGION_FLAGS	(VMBUS_GPA_REGION_READ_ONLY | VMBUS_GPA_REGION_RESIDENT)

/* ---- The region table ---- */

static void region_put(struct gpadl_region *region)
{
	if (refcount_dec_and_test(&region->ref))
		kfree(region);
}

/**
 * gpadl_region_table_put() - Drop a reference to a table
 * @table: the table
 *
 * Context: any but hard interrupts.
 */
void gpadl_region_table_put(struct gpadl_region_table *table)
{
	unsigned int i;

	if (!refcount_dec_and_test(&table->ref))
		return;
	for (i = 0; i < table->nr; i++)
		region_put(table->regions[i]);
	/* A reader may just be trying to get a reference. */
	kvfree_rcu(table, rcu);
}

/**
 * gpadl_region_table_alloc() - Make a table
 * @nr: how many regions it lists; the caller enters them
 *
 * Context: process, may sleep.
 * Return: the table, for gpadl_region_table_put() once its regions are in; NULL if there
 * is no memory.
 */
struct gpadl_region_table *gpadl_region_table_alloc(unsigned int nr)
{
	struct gpadl_region_table *table;

	table = kvzalloc(struct_size(table, regions, nr), GFP_KERNEL_ACCOUNT);
	if (!table)
		return NULL;
	refcount_set(&table->ref, 1);
	table->nr = nr;
	return table;
}

/**
 * gpadl_region_table_get() - The regions as they are now
 * @mem: the memory
 *
 * Context: any but hard interrupts.
 * Return: the table, for gpadl_region_table_put().
 */
struct gpadl_region_table *gpadl_region_table_get(struct gpadl_mem *mem)
{
	struct gpadl_region_table *table;

	guard(rcu)();
	do {
		table = rcu_dereference(mem->table);
		/* It is 0 only if another one has been published. */
	} while (!refcount_inc_not_zero(&table->ref));
	return table;
}

/**
 * gpadl_region_table_find() - Find the region that an address lies in
 * @table: the table
 * @gpa: the guest physical address
 *
 * Context: any.
 * Return: its index in the table; table->nr if there is none.
 */
unsigned int gpadl_region_table_find(const struct gpadl_region_table *table, u64 gpa)
{
	unsigned int lo = 0, hi = table->nr;

	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;
		const struct gpadl_region *region = table->regions[mid];

		if (gpa < region->what.gpa)
			hi = mid;
		else if (gpa - region->what.gpa >= region->what.bytes)
			lo = mid + 1;
		else
			return mid;
	}
	return table->nr;
}

/* ---- Changing regions ---- */

/* A change of the region table that is being prepared: new[] by slot. */
struct region_change {
	struct gpadl_region *new[VMBUS_GPA_REGION_SLOTS];
	DECLARE_BITMAP(seen, VMBUS_GPA_REGION_SLOTS);
	DECLARE_BITMAP(made, VMBUS_GPA_REGION_SLOTS);
};

static int region_check(const struct gpadl_mem *mem, const struct vmbus_gpa_region *what)
{
	u64 gpa_end, hva_end;

	if (what->flags & ~REGION_FLAGS)
		return -EOPNOTSUPP;
	if (what->slot >= VMBUS_GPA_REGION_SLOTS)
		return -EINVAL;
	if ((what->gpa | what->bytes | what->hva) & ~PAGE_MASK)
		return -EINVAL;
	if (check_add_overflow(what->gpa, what->bytes, &gpa_end) ||
	    gpa_end > BIT_ULL(GPADL_PFN_BITS + GPADL_PAGE_SHIFT))
		return -EINVAL;
	if (check_add_overflow(what->hva, what->bytes, &hva_end) ||
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

static struct gpadl_region *region_alloc(const struct vmbus_gpa_region *what)
{
	struct gpadl_region *region;

	region = kzalloc(sizeof(*region), GFP_KERNEL_ACCOUNT);
	if (!region)
		return NULL;
	region->what = *what;
	refcount_set(&region->users, 1);
	refcount_set(&region->ref, 1);
	return region;
}

/* Pin the next block. What it has pinned is the table's, or is unpinned. */
static int region_pin_block(struct gpadl_pinning *pin, struct gpadl_resident *r)
{
	unsigned long nr = gpadl_resident_wants(r);
	int ret;

	pin->done = 0;
	ret = gpadl_mem_pin(pin, r->hva + (r->done << PAGE_SHIFT), nr);
	if (!ret)
		ret = gpadl_resident_add(r, pin->pages, nr);
	if (ret)
		unpin_user_pages(pin->pages, pin->done);
	return ret;
}

/*
 * Only a fatal signal ends it: one that is handled would have it begin anew each time.
 */
static int region_pin_blocks(struct gpadl_mem *mem, struct gpadl_pinning *pin,
			     struct gpadl_resident *r)
{
	int ret = 0;

	pin->pages = kvmalloc_array(min(r->nr, GPADL_BLOCK_PAGES),
				    sizeof(*pin->pages), GFP_KERNEL_ACCOUNT);
	if (!pin->pages)
		return -ENOMEM;
	WRITE_ONCE(mem->pin_total, r->nr);
	while (!ret && r->done < r->nr) {
		ret = fatal_signal_pending(current) ? -EINTR : region_pin_block(pin, r);
		WRITE_ONCE(mem->pin_done, r->done);
	}
	WRITE_ONCE(mem->pin_total, 0);
	WRITE_ONCE(mem->pin_done, 0);
	kvfree(pin->pages);
	return ret;
}

static int region_pin_charged(struct gpadl_mem *mem, struct gpadl_region *region,
			      unsigned long nr)
{
	struct gpadl_mem_account acct;
	struct gpadl_pinning pin;
	struct gpadl_resident *r;
	int ret;

	ret = gpadl_mem_enter(mem, &pin);
	if (ret)
		return ret;
	pin.write = !(region->what.flags & VMBUS_GPA_REGION_READ_ONLY);
	gpadl_mem_account_begin(mem, &acct);
	r = gpadl_resident_alloc(region->what.hva, nr);
	ret = r ? region_pin_blocks(mem, &pin, r) : -ENOMEM;
	gpadl_mem_account_end(&acct);
	gpadl_mem_leave(&pin);
	if (!ret)
		region->resident = r;
	else if (r)
		gpadl_resident_free(r, false);
	return ret;
}

/* Pin all of a region that has not been published yet. */
static int region_pin(struct gpadl_mem *mem, struct gpadl_region *region)
{
	unsigned long nr = region->what.bytes >> PAGE_SHIFT;
	int ret;

	ret = gpadl_mem_charge(mem, nr);
	if (ret)
		return ret;
	ret = region_pin_charged(mem, region, nr);
	if (ret)
		gpadl_mem_uncharge(mem, nr);
	return ret;
}

/* Nobody uses the region, nor will. */
static void region_unpin(struct gpadl_mem *mem, struct gpadl_region *region)
{
	if (!region->resident)
		return;
	gpadl_resident_free(region->resident, region->written);
	region->resident = NULL;
	gpadl_mem_uncharge(mem, region->what.bytes >> PAGE_SHIFT);
}

/* Enter one entry of the caller's list into the change. */
static int change_enter(const struct gpadl_mem *mem, struct region_change *c,
			const struct vmbus_gpa_region *what)
{
	struct gpadl_region *old, *new;
	u32 slot;
	int ret;

	ret = region_check(mem, what);
	if (ret)
		return ret;
	slot = array_index_nospec(what->slot, VMBUS_GPA_REGION_SLOTS);
	if (test_and_set_bit(slot, c->seen))
		return -EINVAL;

	old = c->new[slot];
	if (!what->bytes) {
		if (!old)
			return -ENOENT;
		c->new[slot] = NULL;
		return 0;
	}
	if (old && region_equal(&old->what, what))
		return 0;
	new = region_alloc(what);
	if (!new)
		return -ENOMEM;
	c->new[slot] = new;
	set_bit(slot, c->made);
	return 0;
}

static int region_cmp(const void *a, const void *b)
{
	u64 gpa_a = (*(const struct gpadl_region *const *)a)->what.gpa;
	u64 gpa_b = (*(const struct gpadl_region *const *)b)->what.gpa;

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
		const struct vmbus_gpa_region *prev = &table->regions[slot - 1]->what;

		if (table->regions[slot]->what.gpa - prev->gpa < prev->bytes) {
			gpadl_region_table_put(table);
			return ERR_PTR(-EEXIST);
		}
	}
	return table;
}

/*
 * Take every region that @c replaces or removes out of use, or none. On success the
 * new table must be published before switch_lock is dropped: until then a mapping that
 * finds one of them in the old table looks again.
 */
static int regions_retire(const struct gpadl_region_table *old,
			  const struct region_change *c)
{
	unsigned int i;

	for (i = 0; i < old->nr; i++) {
		struct gpadl_region *region = old->regions[i];

		if (c->new[region->what.slot] != region &&
		    !refcount_dec_if_one(&region->users))
			goto err_busy;
	}
	return 0;

err_busy:
	while (i--) {
		struct gpadl_region *region = old->regions[i];

		if (c->new[region->what.slot] != region)
			refcount_set(&region->users, 1);
	}
	return -EBUSY;
}

static int table_switch(struct gpadl_mem *mem, struct gpadl_region_table *new,
			const struct region_change *c)
{
	struct gpadl_region_table *old;
	unsigned int i;
	int ret;

	old = rcu_dereference_protected(mem->table, lockdep_is_held(&mem->change_lock));
	new->generation = old->generation + 1;

	spin_lock(&mem->switch_lock);
	ret = regions_retire(old, c);
	if (!ret)
		rcu_assign_pointer(mem->table, new);
	spin_unlock(&mem->switch_lock);
	if (ret)
		return ret;

	for (i = 0; i < old->nr; i++)
		if (c->new[old->regions[i]->what.slot] != old->regions[i])
			region_unpin(mem, old->regions[i]);
	gpadl_region_table_put(old);
	return 0;
}

/* Pin those that are to be resident; what an error leaves is for change_unpin(). */
static int change_pin(struct gpadl_mem *mem, struct region_change *c)
{
	unsigned int slot;
	int ret = 0;

	for_each_set_bit(slot, c->made, VMBUS_GPA_REGION_SLOTS) {
		if (c->new[slot]->what.flags & VMBUS_GPA_REGION_RESIDENT)
			ret = region_pin(mem, c->new[slot]);
		if (ret)
			return ret;
	}
	return 0;
}

static void change_unpin(struct gpadl_mem *mem, struct region_change *c)
{
	unsigned int slot;

	for_each_set_bit(slot, c->made, VMBUS_GPA_REGION_SLOTS)
		region_unpin(mem, c->new[slot]);
}

static int change_apply(struct gpadl_mem *mem, struct region_change *c,
			const struct vmbus_gpa_region *changes, unsigned int nr)
{
	struct gpadl_region_table *table;
	unsigned int i;
	int ret;

	table = rcu_dereference_protected(mem->table,
					  lockdep_is_held(&mem->change_lock));
	for (i = 0; i < table->nr; i++)
		c->new[table->regions[i]->what.slot] = table->regions[i];
	for (i = 0; i < nr; i++) {
		ret = change_enter(mem, c, &changes[i]);
		if (ret)
			return ret;
	}

	table = change_to_table(c);
	if (IS_ERR(table))
		return PTR_ERR(table);
	ret = change_pin(mem, c);
	if (!ret)
		ret = table_switch(mem, table, c);
	if (ret) {
		change_unpin(mem, c);
		gpadl_region_table_put(table);
	}
	return ret;
}

/**
 * gpadl_mem_set_regions() - Add, replace and remove regions, all or none
 * @mem: the memory
 * @changes: what to change, each slot once at most
 * @nr: number of entries in @changes
 *
 * Context: process, may sleep.
 * Return: 0; -EINVAL, -EOPNOTSUPP, -ENOENT, -EEXIST, -EBUSY, -ESRCH, -EFAULT, -ENOMEM
 * or -EINTR as vmbus_partition_set_regions().
 */
int gpadl_mem_set_regions(struct gpadl_mem *mem, const struct vmbus_gpa_region *changes,
			  unsigned int nr)
{
	struct region_change *c;
	unsigned int slot;
	int ret;

	c = kvzalloc(sizeof(*c), GFP_KERNEL_ACCOUNT);
	if (!c)
		return -ENOMEM;

	ret = mutex_lock_killable(&mem->change_lock);
	if (ret)
		goto out_free;
	ret = change_apply(mem, c, changes, nr);
	mutex_unlock(&mem->change_lock);

	/* The published table has references of its own to those that were made. */
	for_each_set_bit(slot, c->made, VMBUS_GPA_REGION_SLOTS)
		region_put(c->new[slot]);
out_free:
	kvfree(c);
	return ret;
}

/**
 * gpadl_mem_init_regions() - Begin without regions
 * @mem: the memory
 *
 * Context: process, may sleep.
 * Return: 0, to be undone by gpadl_mem_drop_regions(); -ENOMEM.
 */
int gpadl_mem_init_regions(struct gpadl_mem *mem)
{
	struct gpadl_region_table *table = gpadl_region_table_alloc(0);

	if (!table)
		return -ENOMEM;
	table->generation = 1;
	mutex_init(&mem->change_lock);
	spin_lock_init(&mem->switch_lock);
	RCU_INIT_POINTER(mem->table, table);
	return 0;
}

/**
 * gpadl_mem_drop_regions() - Remove all regions, for good
 * @mem: the memory, with nothing mapped, and nobody to look at it any more
 *
 * Context: process, may sleep.
 */
void gpadl_mem_drop_regions(struct gpadl_mem *mem)
{
	struct gpadl_region_table *table = rcu_dereference_protected(mem->table, true);
	unsigned int i;

	for (i = 0; i < table->nr; i++)
		region_unpin(mem, table->regions[i]);
	gpadl_region_table_put(table);
}
