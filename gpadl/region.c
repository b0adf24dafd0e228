// SPDX-License-Identifier: GPL-2.0
/*
 * Regions of guest memory, and the table that lists them.
 *
 * A guest's memory is a set of regions, each a range of guest physical addresses
 * backed by a range of the VMM's address space. Regions and the table that lists them
 * do not change once made: a change publishes a new table (change.c). A mapping keeps the
 * table it was made from, and each region with pages in it, by their counts. So:
 *
 *	users	1 while the region is set, and 1 for each mapping that has pages in it. The
 *		last to go, a change or an unmap, drops what the region has: its pins, and
 *		its watch. A count of 1 can mean either: gone tells which.
 *	ref	1 for each table that lists the region, and 1 from when it is not set any
 *		more until what it has is gone: keeps its memory, no more.
 *
 * The pages of a resident region are pinned before it is published. A mapping of it only
 * looks its pages up (resident.h), unless the VMM's memory has changed there since
 * (notifier.h, relook.c).
 *
 * A map becomes a user of regions that it has found in a table, and then sees whether that
 * table is still the one in force and no change is being decided; if not it lets go of them,
 * waits for that change, and looks again. A change first says that it is being decided, and
 * then looks for users: one of the two sees the other (gpadl_region_table_is_current()).
 */
#include <linux/bitmap.h>
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "mem.h"
#include "region.h"
#include "resident.h"

/* ---- The region table ---- */

/**
 * gpadl_region_put() - Drop a reference to a region
 * @region: the region
 *
 * Context: any but NMI.
 */
void gpadl_region_put(struct gpadl_region *region)
{
	if (!refcount_dec_and_test(&region->ref))
		return;
	/* Not kvfree(): interrupts may be off, where vmalloc's memory cannot be freed. */
	if (region->resident)
		kvfree_rcu(region->resident, rcu);
	kfree(region);
}

/**
 * gpadl_region_table_free() - Free a table that has no reference left
 * @table: the table
 *
 * Context: any but NMI.
 */
void gpadl_region_table_free(struct gpadl_region_table *table)
{
	unsigned int i;

	for (i = 0; i < table->nr; i++)
		gpadl_region_put(table->regions[i]);
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

	table = kvzalloc(struct_size(table, regions, nr), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
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

	/*
	 * kvfree_rcu() waits for whoever may not be preempted as well, and every map comes here: a
	 * lock of RCU's is 18 instructions where that can be preempted, and this 3.
	 */
	guard(preempt)();
	do {
		table = rcu_dereference_sched(mem->table);
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

		if (gpa < region->desc.gpa)
			hi = mid;
		else if (gpa - region->desc.gpa >= region->desc.bytes)
			lo = mid + 1;
		else
			/* The address is the guest's: so is what this leads to. */
			return array_index_nospec(mid, table->nr);
	}
	return table->nr;
}

/**
 * gpadl_region_wait_switch() - Wait for a change that is being decided
 * @mem: the memory
 *
 * Context: process, may sleep, but not for the VMM or a backend.
 * Return: 0; -EINTR on a fatal signal.
 */
int gpadl_region_wait_switch(struct gpadl_mem *mem)
{
	int ret = down_read_killable(&mem->switch_sem);

	if (!ret)
		up_read(&mem->switch_sem);
	return ret;
}

/* ---- The pages of a resident region ---- */

/* What was counted as pinned may have been let go since, with the last share of it. */
static int region_charge_more(struct gpadl_mem *mem, unsigned long nr)
{
	unsigned long done = mem->pin_done + nr;
	int ret;

	if (done <= mem->pin_total)
		return 0;
	ret = gpadl_mem_charge(mem, done - mem->pin_total);
	if (!ret)
		WRITE_ONCE(mem->pin_total, done);
	return ret;
}

/* Pin what is missing of a part of a block that the region has a share of. */
static int region_pin_part(struct gpadl_region *region, struct gpadl_pin_ctx *pin,
			   const struct gpadl_part *part)
{
	struct gpadl_resident *r = region->resident;
	struct gpadl_block *b = r->blocks[part->index];
	unsigned long i, nr, end = part->first + part->nr, missing = 0;
	int ret;

	for (i = part->first; i < end; i += nr) {
		i = gpadl_block_missing(b, i, end, &nr);
		if (!nr)
			break;
		ret = region_charge_more(region->mem, nr);
		if (ret)
			return ret;
		pin->done = 0;
		ret = gpadl_mem_pin(pin, part->hva + ((i - part->first) << PAGE_SHIFT), nr);
		if (!ret)
			ret = gpadl_block_fill(region->mem, b, i, pin->pages, nr);
		if (ret) {
			unpin_user_pages(pin->pages, pin->done);
			return ret;
		}
		missing += nr;
		WRITE_ONCE(region->mem->pin_done, region->mem->pin_done + nr);
	}
	/* What others have pinned was not looked at since. */
	if (missing < part->nr)
		gpadl_watch_mark(&region->watch, part->index);
	return 0;
}

/*
 * Each block is made when the one before is pinned, so that what cannot be pinned costs no more
 * memory than what can. Only a fatal signal ends it: one that is handled would have it begin
 * anew each time.
 */
static int region_pin_parts(struct gpadl_region *region, struct gpadl_pin_ctx *pin)
{
	struct gpadl_resident *r = region->resident;
	int ret = 0;

	pin->pages = kvmalloc_array(min(r->nr, GPADL_BLOCK_PAGES), sizeof(*pin->pages),
				    GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!pin->pages)
		return -ENOMEM;
	while (!ret && r->nr_claimed < r->nr_blocks) {
		struct gpadl_part part = gpadl_resident_block_part(r, r->nr_claimed);

		if (fatal_signal_pending(current))
			ret = -EINTR;
		else if (!gpadl_resident_claim(region->mem, r, pin->write))
			ret = -ENOMEM;
		else
			ret = region_pin_part(region, pin, &part);
		cond_resched();
	}
	kvfree(pin->pages);
	return ret;
}

/*
 * Charge for what is missing, and pin it. What of that is not pinned in the end is
 * uncharged; what is, the blocks have.
 */
static int region_charge_and_pin(struct gpadl_region *region, struct gpadl_pin_ctx *pin)
{
	unsigned long missing = gpadl_resident_missing(region->mem, region->resident, pin->write);
	struct gpadl_mem *mem = region->mem;
	int ret;

	ret = gpadl_mem_charge(mem, missing);
	if (ret)
		return ret;
	WRITE_ONCE(mem->pin_total, missing);
	ret = region_pin_parts(region, pin);
	gpadl_mem_uncharge(mem, mem->pin_total - mem->pin_done);
	WRITE_ONCE(mem->pin_total, 0);
	WRITE_ONCE(mem->pin_done, 0);
	return ret;
}

static int region_pin(struct gpadl_region *region)
{
	struct gpadl_mem *mem = region->mem;
	struct gpadl_mem_account acct;
	struct gpadl_pin_ctx pin;
	int ret;

	ret = gpadl_mem_enter(mem, &pin);
	if (ret)
		return ret;
	pin.write = !(region->desc.flags & VMBUS_GPA_REGION_READ_ONLY);
	gpadl_mem_account_begin(mem, &acct);
	region->resident = gpadl_resident_alloc(region->desc.hva,
						region->desc.bytes >> PAGE_SHIFT);
	ret = region->resident ? region_charge_and_pin(region, &pin) : -ENOMEM;
	gpadl_mem_account_end(&acct);
	gpadl_mem_leave(&pin);
	return ret;
}

/* ---- The life of a region ---- */

/*
 * Work that is to be done holds the partition. So when that is freed all is done, and nobody
 * else's partition waits in the work queue that frees them: the end of a region may take as
 * long as its VMM likes.
 */
static void mem_work_begin(struct gpadl_mem *mem)
{
	mem->ops->get(mem);
	atomic_inc(&mem->nr_lingering);
}

static void mem_work_done(struct gpadl_mem *mem)
{
	atomic_dec(&mem->nr_lingering);
	mem->ops->put(mem);
}

static void region_work_done(struct gpadl_region *region)
{
	struct gpadl_mem *mem = region->mem;

	gpadl_region_put(region);
	mem_work_done(mem);
}

/*
 * What a region has that nobody uses, and nobody will: first its pins, and then its watch, whose
 * end has to wait for as long as anybody keeps the address space changing. Not its memory: mappings
 * of others keep the table that lists it. A look-up in that may just see whether there is a table
 * of pages.
 */
static void region_unpin(struct gpadl_region *region)
{
	struct gpadl_resident *r = region->resident;

	if (!r)
		return;
	gpadl_resident_drop(region->mem, r, region->written);
	WRITE_ONCE(region->resident, NULL);
	kvfree_rcu(r, rcu);
}

static void region_end_work(struct work_struct *work)
{
	struct gpadl_region *region = container_of(work, struct gpadl_region, end_work);

	gpadl_watch_end(&region->watch);
	atomic_dec(&region->mem->nr_ending);
	region_work_done(region);
}

/* In a queue of its own: what else is to be unpinned does not wait for it. */
static void region_end_later(struct gpadl_region *region)
{
	atomic_inc(&region->mem->nr_ending);
	queue_work(region->mem->watch_wq, &region->end_work);
}

static void region_drop_work(struct work_struct *work)
{
	struct gpadl_region *region = container_of(work, struct gpadl_region, drop_work);

	region_unpin(region);
	gpadl_regions_trim(region->mem);
	region_end_later(region);
}

/**
 * gpadl_region_alloc() - Make a region
 * @mem: the memory
 * @desc: what it is to be
 *
 * Context: process, may sleep.
 * Return: the region, with a reference for the caller, for gpadl_region_begin(); NULL if
 * there is no memory.
 */
struct gpadl_region *gpadl_region_alloc(struct gpadl_mem *mem,
					const struct vmbus_gpa_region *desc)
{
	struct gpadl_region *region;

	region = kzalloc(sizeof(*region), GFP_KERNEL_ACCOUNT);
	if (!region)
		return NULL;
	region->desc = *desc;
	region->mem = mem;
	region->watch.id = mem->id;
	region->watch.slot = desc->slot;
	region->watch.users = &region->users;
	INIT_WORK(&region->drop_work, region_drop_work);
	INIT_WORK(&region->end_work, region_end_work);
	refcount_set(&region->users, 1);
	refcount_set(&region->ref, 1);
	return region;
}

/**
 * gpadl_region_begin() - Watch a region, and pin it if it is resident
 * @region: the region, not published yet
 *
 * Context: process, may sleep for as long as the VMM likes.
 * Return: 0; -ESRCH, -EFAULT, -ENOMEM, -EINTR or -ERESTARTNOINTR as
 * vmbus_partition_set_regions(). On error too, it is for gpadl_region_end().
 */
int gpadl_region_begin(struct gpadl_region *region)
{
	bool resident = region->desc.flags & VMBUS_GPA_REGION_RESIDENT;
	int ret;

	/* What can never be charged is worth neither marks nor a table. */
	if (resident && !gpadl_mem_may_have(region->mem, region->desc.bytes >> PAGE_SHIFT))
		return -ENOMEM;
	/* First: what changes, or is hit, while it is being pinned is to be looked at again. */
	region->failures = compat_memory_failures();
	ret = gpadl_watch_begin(&region->watch, region->mem->mm, region->desc.hva,
				region->desc.bytes, resident);
	if (!ret && resident)
		ret = region_pin(region);
	return ret;
}

/**
 * gpadl_region_end() - Undo gpadl_region_begin(), of a region that was never published
 * @region: the region
 *
 * Context: process, may sleep.
 */
void gpadl_region_end(struct gpadl_region *region)
{
	if (region->resident)
		gpadl_resident_drop(region->mem, region->resident, false);
	gpadl_watch_end(&region->watch);
}

/**
 * gpadl_region_retire() - A region is not set any more
 * @region: the region, in no table that a map can find
 *
 * What it has pinned goes now, or with the last mapping of it. For gpadl_regions_trim() next, and
 * then for gpadl_region_retired() or gpadl_region_queue_end(), while a table that lists it is held.
 *
 * Context: process, may sleep.
 */
void gpadl_region_retire(struct gpadl_region *region)
{
	/* For gpadl_region_unuse(), if that is the last. */
	refcount_inc(&region->ref);
	mem_work_begin(region->mem);
	/* From here on a single user is a mapping: see block_is_idle(). */
	mutex_lock(&region->mem->block_lock);
	region->gone = true;
	mutex_unlock(&region->mem->block_lock);
	if (!refcount_dec_and_test(&region->users))
		return;
	region->unused = true;
	region_unpin(region);
}

/**
 * gpadl_region_retired() - The rest of gpadl_region_retire(): nothing is watched any more
 * @region: the region. If something of it is mapped, or was, nothing is done
 *
 * Behind the former of all regions that go: this may have to wait.
 *
 * Context: process, may sleep until changes of the address space that are under way are done.
 */
void gpadl_region_retired(struct gpadl_region *region)
{
	if (!region->unused)
		return;
	gpadl_watch_end(&region->watch);
	region_work_done(region);
}

/**
 * gpadl_region_queue_end() - gpadl_region_retired() by a work item
 * @region: the region
 *
 * Context: any but NMI.
 */
void gpadl_region_queue_end(struct gpadl_region *region)
{
	if (region->unused)
		region_end_later(region);
}

/**
 * gpadl_region_queue_drop() - The last user of a region is a mapping, and lets go of it
 * @region: the region, not set any more
 *
 * Context: any but NMI.
 */
void gpadl_region_queue_drop(struct gpadl_region *region)
{
	queue_work(region->mem->wq, &region->drop_work);
}

/**
 * gpadl_regions_queue_stale() - Pins that have been replaced may be needed no more
 * @mem: the memory
 *
 * Once a second: a guest could have all of the blocks walked for each of its requests, in a thread
 * that is not its VMM's.
 *
 * Context: any but NMI.
 */
void gpadl_regions_queue_stale(struct gpadl_mem *mem)
{
	mem->ops->get(mem);
	if (!queue_delayed_work(mem->wq, &mem->stale_work, HZ))
		mem->ops->put(mem);
}

/* ---- What regions have in blocks that they share ---- */

static bool region_touches(const struct gpadl_region *region, const struct gpadl_block *b)
{
	const struct vmbus_gpa_region *desc = &region->desc;
	unsigned long begin = b->number << GPADL_BLOCK_SHIFT;

	return (desc->flags & VMBUS_GPA_REGION_RESIDENT) &&
	       b->write == !(desc->flags & VMBUS_GPA_REGION_READ_ONLY) &&
	       desc->hva < begin + GPADL_BLOCK_SIZE && desc->hva + desc->bytes > begin;
}

/*
 * Is nothing mapped of any region that has a share of a block? Those that are not in the
 * table are to come, or are gone and have mappings. Of one that is set, one user is just that.
 */
static bool block_is_idle(const struct gpadl_region_table *table, const struct gpadl_block *b)
{
	unsigned int i, nr = 0;

	for (i = 0; i < table->nr; i++) {
		const struct gpadl_region *region = table->regions[i];

		if (!region_touches(region, b))
			continue;
		if (region->gone || refcount_read(&region->users) != 1)
			return false;
		nr++;
	}
	return nr == b->shares;
}

/**
 * gpadl_regions_drop_stale() - Unpin pages that have been replaced
 * @mem: the memory
 * @only: look at this block, of which the caller keeps a share; NULL: at all that have such pages
 *
 * Those of blocks of which nothing is mapped. The others stay until the last mapping of a
 * region that shares the block goes.
 *
 * Context: process, may sleep.
 */
void gpadl_regions_drop_stale(struct gpadl_mem *mem, struct gpadl_block *only)
{
	struct gpadl_stale *stale[2] = {};
	struct gpadl_region_table *table;
	struct gpadl_block *b, *next;

	if (list_empty(&mem->stale_blocks))
		return;
	table = gpadl_region_table_get(mem);
	mutex_lock(&mem->block_lock);
	/* Pairs with gpadl_region_table_is_current(): a map from here on sees the new pages. */
	smp_mb();
	if (only) {
		if (only->stale && block_is_idle(table, only))
			gpadl_block_take_stale(only, &stale[only->write]);
	} else {
		list_for_each_entry_safe(b, next, &mem->stale_blocks, stale_node) {
			if (block_is_idle(table, b))
				gpadl_block_take_stale(b, &stale[b->write]);
			cond_resched();
		}
	}
	mutex_unlock(&mem->block_lock);
	gpadl_region_table_put(table);
	gpadl_mem_uncharge(mem, gpadl_stale_unpin(stale[false], false) +
				gpadl_stale_unpin(stale[true], true));
}

/**
 * gpadl_regions_stale_work() - gpadl_regions_drop_stale(), for gpadl_region_unuse()
 * @work: of the memory
 *
 * Context: process, may sleep.
 */
void gpadl_regions_stale_work(struct work_struct *work)
{
	struct gpadl_mem *mem = container_of(work, struct gpadl_mem, stale_work.work);

	gpadl_regions_drop_stale(mem, NULL);
	mem->ops->put(mem);
}

/* Of the table's regions, those that touch a block; and which pages of it they cover. */
static unsigned int block_covered(const struct gpadl_region_table *table,
				  const struct gpadl_block *b, unsigned long *covered)
{
	unsigned long begin = b->number << GPADL_BLOCK_SHIFT, first, last;
	unsigned int i, nr = 0;

	bitmap_zero(covered, GPADL_BLOCK_PAGES);
	for (i = 0; i < table->nr; i++) {
		const struct vmbus_gpa_region *desc = &table->regions[i]->desc;

		if (!region_touches(table->regions[i], b))
			continue;
		first = max_t(u64, desc->hva, begin);
		last = min_t(u64, desc->hva + desc->bytes, begin + GPADL_BLOCK_SIZE) - 1;
		bitmap_set(covered, (first - begin) >> PAGE_SHIFT,
			   (last >> PAGE_SHIFT) - (first >> PAGE_SHIFT) + 1);
		nr++;
	}
	return nr;
}

static void block_trim(struct gpadl_mem *mem, const struct gpadl_region_table *table,
		       struct gpadl_block *b)
{
	DECLARE_BITMAP(covered, GPADL_BLOCK_PAGES);

	/* Others: a region that goes with the last mapping of it, or one that is to come. */
	if (block_covered(table, b, covered) == b->shares)
		gpadl_mem_uncharge(mem, gpadl_block_trim(b, covered));
}

/**
 * gpadl_regions_trim() - Unpin what no resident region covers any more, and what was replaced
 * @mem: the memory
 *
 * Only blocks at the ends of regions can have pages that none covers. Those that a mapping
 * may still have stay, until the next time. So do those of a block that gets no list of its pages
 * for want of memory.
 *
 * Context: process, may sleep.
 */
void gpadl_regions_trim(struct gpadl_mem *mem)
{
	struct gpadl_region_table *table = gpadl_region_table_get(mem);
	struct gpadl_mem_account acct;
	unsigned int i;

	/* A block that others share may need a list, also in the work item of an unmap. */
	gpadl_mem_account_begin(mem, &acct);
	mutex_lock(&mem->block_lock);
	/* As long as it is the current one, each of its regions has its shares. */
	for (i = 0; i < table->nr && rcu_access_pointer(mem->table) == table; i++) {
		struct gpadl_resident *r = table->regions[i]->resident;

		if (!r)
			continue;
		block_trim(mem, table, r->blocks[0]);
		block_trim(mem, table, r->blocks[r->nr_claimed - 1]);
		cond_resched();
	}
	mutex_unlock(&mem->block_lock);
	gpadl_mem_account_end(&acct);
	gpadl_region_table_put(table);
	gpadl_regions_drop_stale(mem, NULL);
}
