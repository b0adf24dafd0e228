// SPDX-License-Identifier: GPL-2.0
/*
 * Guest memory: where it lies, translation, pinning and accounting.
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
 * A mapping owns its pins from the moment that they are taken until it is unmapped,
 * and the owner is charged for them from before the first is taken until after the
 * last is dropped. Unmapping allocates nothing and cannot fail.
 *
 * The pages of a resident region are pinned once, by whoever sets it, before it is
 * published, and unpinned by whoever takes its users to 0, after. A mapping of it only
 * looks its pages up (gpadl_resident.h).
 *
 * Cache lines that concurrent maps share and write to, each once per map and not per
 * page: the reference count of the table, the user count of each region with pages in
 * it, and, where something is pinned on demand, the two counts of pinned pages, and
 * those of the address space if it is not the current one's. Per page, the kernel's pin
 * writes to the page's folio; a resident region spares even that.
 *
 * Words: a run is what the guest's list says (page frame numbers that follow each
 * other), an extent is the part of a run that lies in one region, and so is contiguous
 * in the VMM's address space too. `last` is inclusive, `end` exclusive. Guest pages are
 * GPADL_PAGE_SIZE (4 KiB) long; pins and charges are in host pages.
 */
#include <linux/capability.h>
#include <linux/errno.h>
#include <linux/highmem.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmu_context.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "gpadl_mem.h"
#include "gpadl_resident.h"

/* Pages per call of the kernel's pin function: it walks them with interrupts off. */
#define PIN_BATCH	512

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

static struct gpadl_region_table *table_alloc(unsigned int nr)
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

/* Index of the region that contains @gpa; table->nr if there is none. */
static unsigned int table_find(const struct gpadl_region_table *table, u64 gpa)
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

/* ---- Walking a GPADL's pages ---- */

/**
 * struct extent - part of a run that lies in one region
 * @region: the region; NULL if the page lies in none (then @nr is 1)
 * @index: of the region in the table
 * @hva: of the lowest page
 * @nr: guest pages, at least 1
 * @down: they come highest first
 * @first: it begins a range
 * @range: the range that it is part of
 */
struct extent {
	const struct gpadl_region *region;
	unsigned int index;
	unsigned long hva;
	u32 nr;
	bool down;
	bool first;
	struct gpadl_wire_range range;
};

/**
 * struct extent_walk - a walk over the extents of a GPADL, in its order
 * @w: the GPADL
 * @table: where to look pages up
 * @next: index in @w->words of the next word
 * @pages_left: pages of the range that are not yet in a run that was begun
 * @run: rest of the run that was begun; run.nr may be 0
 * @e: the extent found last; its region is tried first for the next
 */
struct extent_walk {
	const struct gpadl_wire *w;
	const struct gpadl_region_table *table;
	u32 next;
	u32 pages_left;
	struct gpadl_wire_run run;
	struct extent e;
};

static void walk_init(struct extent_walk *walk, const struct gpadl_wire *w,
		      const struct gpadl_region_table *table)
{
	*walk = (struct extent_walk) { .w = w, .table = table };
}

static bool region_contains(const struct gpadl_region *region, u64 gpa)
{
	return region && gpa - region->what.gpa < region->what.bytes;
}

/*
 * Pages of the run, from @gpa on in its direction, that make one extent in @region.
 * Where a host page holds several guest pages, those of a descending run are taken one
 * by one, so that each has a pin of its own as it has a scatterlist entry of its own.
 */
static u32 run_in_region(const struct gpadl_wire_run *run,
			 const struct gpadl_region *region, u64 gpa)
{
	u64 before = (gpa - region->what.gpa) >> GPADL_PAGE_SHIFT;
	u64 all = region->what.bytes >> GPADL_PAGE_SHIFT;

	if (!run->down)
		return min_t(u64, run->nr, all - before);
	if (PAGE_SIZE > GPADL_PAGE_SIZE)
		return 1;
	return min_t(u64, run->nr, before + 1);
}

static void walk_find_region(struct extent_walk *walk, u64 gpa)
{
	const struct gpadl_region_table *table = walk->table;
	struct extent *e = &walk->e;

	if (region_contains(e->region, gpa))
		return;
	e->index = table_find(table, gpa);
	e->region = e->index < table->nr ? table->regions[e->index] : NULL;
}

/* Begin the next run, and the next range if this one is through. */
static bool walk_next_run(struct extent_walk *walk)
{
	walk->e.first = false;
	if (walk->run.nr)
		return true;
	if (walk->next >= walk->w->nr_words)
		return false;
	if (!walk->pages_left) {
		walk->e.range = gpadl_wire_range(walk->w->words[walk->next++]);
		walk->e.first = true;
		walk->pages_left = walk->e.range.nr_pages;
	}
	walk->run = gpadl_wire_run(walk->w->words[walk->next++]);
	walk->pages_left -= walk->run.nr;
	return true;
}

/* Find the next extent. False: there is none. */
static bool walk_next(struct extent_walk *walk)
{
	struct extent *e = &walk->e;
	u64 gpa;

	if (!walk_next_run(walk))
		return false;

	gpa = walk->run.pfn << GPADL_PAGE_SHIFT;
	walk_find_region(walk, gpa);
	e->down = walk->run.down;
	e->nr = 1;
	if (e->region) {
		e->nr = run_in_region(&walk->run, e->region, gpa);
		if (e->down)
			gpa -= (u64)(e->nr - 1) << GPADL_PAGE_SHIFT;
		e->hva = e->region->what.hva + (gpa - e->region->what.gpa);
	}

	walk->run.nr -= e->nr;
	if (walk->run.down)
		walk->run.pfn -= e->nr;
	else
		walk->run.pfn += e->nr;
	return true;
}

/* Host pages that an extent touches: so many pins it takes. */
static unsigned long extent_pins(const struct extent *e)
{
	unsigned long end = e->hva + ((unsigned long)e->nr << GPADL_PAGE_SHIFT);

	return (PAGE_ALIGN(end) - (e->hva & PAGE_MASK)) >> PAGE_SHIFT;
}

/**
 * gpadl_mem_covers() - Does every page of a GPADL lie in a region?
 * @mem: the memory
 * @w: the GPADL, complete
 *
 * It says so of the regions as they are now; a map looks again.
 *
 * Context: process, may sleep.
 * Return: true if they all do.
 */
bool gpadl_mem_covers(struct gpadl_mem *mem, const struct gpadl_wire *w)
{
	struct gpadl_region_table *table = gpadl_region_table_get(mem);
	struct extent_walk walk;
	bool covered = true;

	walk_init(&walk, w, table);
	while (covered && walk_next(&walk))
		covered = walk.e.region;
	gpadl_region_table_put(table);
	return covered;
}

/* ---- Accounting ---- */

/*
 * The charge comes before the pins, so that concurrent maps cannot pass the limit
 * together. It is the owner's limit, whoever runs this.
 */
static int mem_charge(struct gpadl_mem *mem, unsigned long nr)
{
	unsigned long limit = task_rlimit(mem->owner, RLIMIT_MEMLOCK) >> PAGE_SHIFT;

	if (atomic64_add_return(nr, &mem->mm->pinned_vm) > limit && !mem->lock_cap) {
		atomic64_sub(nr, &mem->mm->pinned_vm);
		return -ENOMEM;
	}
	atomic64_add(nr, &mem->pinned);
	return 0;
}

static void mem_uncharge(struct gpadl_mem *mem, unsigned long nr)
{
	atomic64_sub(nr, &mem->pinned);
	atomic64_sub(nr, &mem->mm->pinned_vm);
}

/**
 * gpadl_mem_account_begin() - Charge allocations to the owner's memory cgroup
 * @mem: the memory
 * @acct: for gpadl_mem_account_end()
 *
 * For what is allocated (GFP_KERNEL_ACCOUNT) by a thread that is not the VMM's own.
 *
 * Context: process.
 */
void gpadl_mem_account_begin(struct gpadl_mem *mem, struct gpadl_mem_account *acct)
{
	acct->memcg = current->mm == mem->mm ? NULL : get_mem_cgroup_from_mm(mem->mm);
	if (acct->memcg)
		acct->old = set_active_memcg(acct->memcg);
}

/**
 * gpadl_mem_account_end() - Undo gpadl_mem_account_begin()
 * @acct: what it filled in
 *
 * Context: process, same thread.
 */
void gpadl_mem_account_end(struct gpadl_mem_account *acct)
{
	if (!acct->memcg)
		return;
	set_active_memcg(acct->old);
	mem_cgroup_put(acct->memcg);
}

/* ---- Pinning ---- */

/* How a thread gets at the pages of an address space. */
enum mm_access {
	MM_OWN,		/* it is ours, or we have adopted it */
	MM_ADOPT,	/* a kernel thread without one: adopt it for a while */
	MM_REMOTE,	/* it is another process's */
};

static int mm_enter(struct mm_struct *mm, enum mm_access *how)
{
	if (current->mm == mm) {
		*how = MM_OWN;
		return 0;
	}
	if (!mmget_not_zero(mm))
		return -ESRCH;
	if ((current->flags & PF_KTHREAD) && !current->mm) {
		kthread_use_mm(mm);
		*how = MM_ADOPT;
	} else {
		*how = MM_REMOTE;
	}
	return 0;
}

static void mm_leave(struct mm_struct *mm, enum mm_access how)
{
	if (how == MM_OWN)
		return;
	if (how == MM_ADOPT)
		kthread_unuse_mm(mm);
	/*
	 * It may be the last user: then tearing the address space down is not this
	 * thread's work, and may wait for what this thread holds.
	 */
	mmput_async(mm);
}

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
VISIBLE_IF_KUNIT long gpadl_mem_pin_pages(struct mm_struct *mm, bool remote,
					  unsigned long hva, unsigned long nr,
					  unsigned int gup_flags, struct page **pages)
{
	KUNIT_STATIC_STUB_REDIRECT(gpadl_mem_pin_pages, mm, remote, hva, nr, gup_flags,
				   pages);
	return compat_pin_pages(mm, remote, hva, nr, gup_flags, pages);
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_mem_pin_pages);

/* Pin @nr adjoining pages; *@done counts them from the moment that each is ours. */
static int pin_adjoining(struct mm_struct *mm, enum mm_access how, unsigned long hva,
			 unsigned long nr, bool write, struct page **pages,
			 unsigned long *done)
{
	unsigned int gup_flags = FOLL_LONGTERM | (write ? FOLL_WRITE : 0);
	long ret;

	while (nr) {
		ret = gpadl_mem_pin_pages(mm, how == MM_REMOTE, hva,
					  min_t(unsigned long, nr, PIN_BATCH),
					  gup_flags, pages + *done);
		if (ret <= 0) {
			if (fatal_signal_pending(current))
				return -EINTR;
			return ret == -ENOMEM ? -ENOMEM : -EFAULT;
		}
		*done += ret;
		nr -= ret;
		hva += ret << PAGE_SHIFT;
		cond_resched();
	}
	return 0;
}

/* Pin every extent that is not resident into @pages, each from its lowest page up. */
static int pin_extents(struct gpadl_mem *mem, enum mm_access how,
		       const struct gpadl_wire *w, const struct gpadl_mapping *m,
		       struct page **pages)
{
	struct extent_walk walk;
	unsigned long done = 0;
	int ret;

	walk_init(&walk, w, m->table);
	while (walk_next(&walk)) {
		if (walk.e.region->resident)
			continue;
		ret = pin_adjoining(mem->mm, how, walk.e.hva & PAGE_MASK,
				    extent_pins(&walk.e), m->writable, pages, &done);
		if (ret) {
			unpin_user_pages(pages, done);
			return ret;
		}
	}
	return 0;
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
static int region_pin_block(struct gpadl_mem *mem, enum mm_access how,
			    struct gpadl_resident *r, bool write, struct page **pages)
{
	unsigned long nr = gpadl_resident_wants(r), done = 0;
	int ret;

	ret = pin_adjoining(mem->mm, how, r->hva + (r->done << PAGE_SHIFT), nr, write,
			    pages, &done);
	if (!ret)
		ret = gpadl_resident_add(r, pages, nr);
	if (ret)
		unpin_user_pages(pages, done);
	return ret;
}

/*
 * Only a fatal signal ends it: one that is handled would have it begin anew each time.
 */
static int region_pin_blocks(struct gpadl_mem *mem, enum mm_access how,
			     struct gpadl_resident *r, bool write)
{
	struct page **pages;
	int ret = 0;

	pages = kvmalloc_array(min(r->nr, GPADL_BLOCK_SIZE >> PAGE_SHIFT), sizeof(*pages),
			       GFP_KERNEL_ACCOUNT);
	if (!pages)
		return -ENOMEM;
	WRITE_ONCE(mem->pin_total, r->nr);
	while (!ret && r->done < r->nr) {
		ret = fatal_signal_pending(current) ? -EINTR :
		      region_pin_block(mem, how, r, write, pages);
		WRITE_ONCE(mem->pin_done, r->done);
	}
	WRITE_ONCE(mem->pin_total, 0);
	WRITE_ONCE(mem->pin_done, 0);
	kvfree(pages);
	return ret;
}

static int region_pin_charged(struct gpadl_mem *mem, struct gpadl_region *region,
			      unsigned long nr)
{
	bool write = !(region->what.flags & VMBUS_GPA_REGION_READ_ONLY);
	struct gpadl_mem_account acct;
	struct gpadl_resident *r;
	enum mm_access how;
	int ret;

	ret = mm_enter(mem->mm, &how);
	if (ret)
		return ret;
	gpadl_mem_account_begin(mem, &acct);
	r = gpadl_resident_alloc(region->what.hva, nr);
	ret = r ? region_pin_blocks(mem, how, r, write) : -ENOMEM;
	gpadl_mem_account_end(&acct);
	mm_leave(mem->mm, how);
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

	ret = mem_charge(mem, nr);
	if (ret)
		return ret;
	ret = region_pin_charged(mem, region, nr);
	if (ret)
		mem_uncharge(mem, nr);
	return ret;
}

/* Nobody uses the region, nor will. */
static void region_unpin(struct gpadl_mem *mem, struct gpadl_region *region)
{
	if (!region->resident)
		return;
	gpadl_resident_free(region->resident, region->written);
	region->resident = NULL;
	mem_uncharge(mem, region->what.bytes >> PAGE_SHIFT);
}

/* Enter one entry of the caller's list into the change. */
static int change_enter(const struct gpadl_mem *mem, struct region_change *c,
			const struct vmbus_gpa_region *what)
{
	struct gpadl_region *old, *new;
	int ret;

	ret = region_check(mem, what);
	if (ret)
		return ret;
	if (test_and_set_bit(what->slot, c->seen))
		return -EINVAL;

	old = c->new[what->slot];
	if (!what->bytes) {
		if (!old)
			return -ENOENT;
		c->new[what->slot] = NULL;
		return 0;
	}
	if (old && region_equal(&old->what, what))
		return 0;
	new = region_alloc(what);
	if (!new)
		return -ENOMEM;
	c->new[what->slot] = new;
	set_bit(what->slot, c->made);
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
	table = table_alloc(nr);
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

/* ---- The scatterlist ---- */

/**
 * struct sg_builder - a scatterlist that grows
 * @sgl: one flat array: no chain to follow
 * @nents: entries begun; all but the last are filled in
 * @room: entries that @sgl has room for
 * @begin: physical address of the current entry
 * @end: behind it
 */
struct sg_builder {
	struct scatterlist *sgl;
	unsigned int nents;
	unsigned int room;
	phys_addr_t begin;
	phys_addr_t end;
};

static int sg_builder_grow(struct sg_builder *b, unsigned int room)
{
	struct scatterlist *sgl;

	sgl = kvmalloc_array(room, sizeof(*sgl), GFP_KERNEL_ACCOUNT);
	if (!sgl)
		return -ENOMEM;
	if (b->nents)
		memcpy(sgl, b->sgl, b->nents * sizeof(*sgl));
	kvfree(b->sgl);
	b->sgl = sgl;
	b->room = room;
	return 0;
}

static void sg_builder_flush(struct sg_builder *b)
{
	struct scatterlist *sg = &b->sgl[b->nents - 1];

	*sg = (struct scatterlist) {};
	sg_set_page(sg, pfn_to_page(PHYS_PFN(b->begin)), b->end - b->begin,
		    offset_in_page(b->begin));
}

/* Add @len bytes; @apart: not to the entry before, even if they follow it. */
static int sg_builder_add(struct sg_builder *b, phys_addr_t phys, unsigned int len,
			  bool apart)
{
	int ret;

	if (phys == b->end && !apart) {
		b->end += len;
		return 0;
	}
	if (b->nents)
		sg_builder_flush(b);
	if (b->nents == b->room) {
		ret = sg_builder_grow(b, 2 * b->room);
		if (ret)
			return ret;
	}
	b->nents++;
	b->begin = phys;
	b->end = phys + len;
	return 0;
}

/* Address of guest page @i of an extent, in the order of the GPADL. */
static unsigned long extent_hva(const struct extent *e, u32 i)
{
	return e->hva + ((unsigned long)(e->down ? e->nr - 1 - i : i) << GPADL_PAGE_SHIFT);
}

/*
 * Guest page @i of an extent in memory that is pinned for this map. It goes on with the
 * entry before only at the begin of a host page, or in one that the entry has already. So
 * a pin belongs to one entry, and an entry can be unpinned by itself.
 */
static int sg_add_pinned(struct sg_builder *b, const struct extent *e, u32 i,
			 struct page **pages, u32 from, u32 len)
{
	unsigned long hva = extent_hva(e, i);
	unsigned long n = (hva - (e->hva & PAGE_MASK)) >> PAGE_SHIFT;
	unsigned int offset = offset_in_page(hva) + from;
	bool same_pin = i && !e->down;

	return sg_builder_add(b, page_to_phys(pages[n]) + offset, len,
			      (e->first && !i) || (offset && !same_pin));
}

static int sg_add_pinned_extent(struct sg_builder *b, const struct extent *e,
				struct page **pages, u32 from, u32 *left)
{
	u32 i, len;
	int ret;

	for (i = 0; i < e->nr; i++) {
		len = min_t(u32, *left, GPADL_PAGE_SIZE - from);
		ret = sg_add_pinned(b, e, i, pages, from, len);
		if (ret)
			return ret;
		*left -= len;
		from = 0;
	}
	return 0;
}

/* As many pages at a time as follow each other. */
static int sg_add_resident_extent(struct sg_builder *b, const struct extent *e, u32 from,
				  u32 *left)
{
	const struct gpadl_resident *r = e->region->resident;
	unsigned long bytes;
	u32 i, nr, len;
	int ret;

	for (i = 0; i < e->nr; i += nr) {
		phys_addr_t phys = gpadl_resident_find(r, extent_hva(e, i), &bytes);

		nr = e->down ? 1 : min_t(unsigned long, e->nr - i, bytes >> GPADL_PAGE_SHIFT);
		len = min_t(u32, *left, (nr << GPADL_PAGE_SHIFT) - from);
		ret = sg_builder_add(b, phys + from, len, e->first && !i);
		if (ret)
			return ret;
		*left -= len;
		from = 0;
	}
	return 0;
}

static int sg_build(struct sg_builder *b, const struct gpadl_wire *w,
		    const struct gpadl_mapping *m, struct page **pages)
{
	struct extent_walk walk;
	u32 left = 0;
	int ret;

	walk_init(&walk, w, m->table);
	while (walk_next(&walk)) {
		u32 from = 0;

		if (walk.e.first) {
			from = walk.e.range.offset;
			left = walk.e.range.count;
		}
		if (walk.e.region->resident) {
			ret = sg_add_resident_extent(b, &walk.e, from, &left);
		} else {
			ret = sg_add_pinned_extent(b, &walk.e, pages, from, &left);
			pages += extent_pins(&walk.e);
		}
		if (ret)
			return ret;
	}
	sg_builder_flush(b);
	sg_mark_end(&b->sgl[b->nents - 1]);
	return 0;
}

/* Entries that a scatterlist has room for at first: for a ring's pages, wherever they are. */
#define SG_ROOM		16u

/* It begins with an entry for each run, which most need, and doubles. */
static int sg_make(struct gpadl_mapping *m, const struct gpadl_wire *w,
		   struct page **pages)
{
	struct sg_builder b = {};
	int ret;

	ret = sg_builder_grow(&b, max(w->nr_runs, min(w->nr_pages, SG_ROOM)));
	if (!ret)
		ret = sg_build(&b, w, m, pages);
	if (ret) {
		kvfree(b.sgl);
		return ret;
	}
	m->sgt.sgl = b.sgl;
	m->sgt.nents = b.nents;
	m->sgt.orig_nents = b.nents;
	return 0;
}

/* Host pages that an entry touches: as many pins, if it was pinned on demand. */
static unsigned long sg_pages(const struct scatterlist *sg)
{
	return PAGE_ALIGN(sg->offset + sg->length) >> PAGE_SHIFT;
}

/* ---- Mapping ---- */

static void mapping_put_regions(struct gpadl_mapping *m)
{
	unsigned int i;

	for_each_set_bit(i, m->used, m->table->nr)
		refcount_dec(&m->table->regions[i]->users);
	gpadl_region_table_put(m->table);
}

/* What a look at the pages has found, in the order in which it is told. */
struct lookup {
	bool read_only;
	bool hole;
	bool resident;
	unsigned long nr_pins;
};

/* Become a user of the extent's region. False: it has just been removed. */
static bool mapping_use_region(struct gpadl_mapping *m, const struct extent *e)
{
	struct gpadl_region *region = m->table->regions[e->index];

	if (test_bit(e->index, m->used))
		return true;
	if (!refcount_inc_not_zero(&region->users))
		return false;
	__set_bit(e->index, m->used);
	/* Written to once: the line is read by every map. */
	if (m->writable && region->resident && !READ_ONCE(region->written))
		WRITE_ONCE(region->written, true);
	return true;
}

/* Look all pages up and use their regions. False: the table has changed meanwhile. */
static bool mapping_try_lookup(struct gpadl_mapping *m, const struct gpadl_wire *w,
			       struct lookup *found)
{
	struct extent_walk walk;

	*found = (struct lookup) {};
	bitmap_zero(m->used, VMBUS_GPA_REGION_SLOTS);
	walk_init(&walk, w, m->table);
	while (walk_next(&walk)) {
		if (!walk.e.region) {
			found->hole = true;
			continue;
		}
		if (!mapping_use_region(m, &walk.e))
			return false;
		if (walk.e.region->what.flags & VMBUS_GPA_REGION_READ_ONLY)
			found->read_only = true;
		if (walk.e.region->resident)
			found->resident = true;
		else
			found->nr_pins += extent_pins(&walk.e);
	}
	return true;
}

static void mapping_lookup(struct gpadl_mem *mem, struct gpadl_mapping *m,
			   const struct gpadl_wire *w, struct lookup *found)
{
	for (;;) {
		m->table = gpadl_region_table_get(mem);
		if (mapping_try_lookup(m, w, found))
			return;
		mapping_put_regions(m);
		/* Not long: whoever retired it publishes next, or puts it back. */
		cond_resched();
	}
}

/* With the address space at hand and all charged: pin, and build the scatterlist. */
static int mapping_pin(struct gpadl_mem *mem, enum mm_access how,
		       const struct gpadl_wire *w, struct gpadl_mapping *m, bool some)
{
	struct page **pages;
	int ret;

	pages = kvmalloc_array(m->nr_pins, sizeof(*pages), GFP_KERNEL_ACCOUNT);
	if (!pages)
		return -ENOMEM;
	ret = pin_extents(mem, how, w, m, pages);
	if (ret)
		goto out_free;
	ret = sg_make(m, w, pages);
	if (ret)
		unpin_user_pages(pages, m->nr_pins);
	if (!ret && some) {
		/* The scatterlist does not tell which of its pages they are. */
		m->pages = pages;
		return 0;
	}
out_free:
	kvfree(pages);
	return ret;
}

static int mapping_charge_and_pin(struct gpadl_mem *mem, enum mm_access how,
				  const struct gpadl_wire *w, struct gpadl_mapping *m,
				  bool some)
{
	int ret;

	ret = mem_charge(mem, m->nr_pins);
	if (ret)
		return ret;
	ret = mapping_pin(mem, how, w, m, some);
	if (ret)
		mem_uncharge(mem, m->nr_pins);
	return ret;
}

static int mapping_make(struct gpadl_mem *mem, const struct gpadl_wire *w,
			struct gpadl_mapping *m, const struct lookup *found)
{
	struct gpadl_mem_account acct;
	enum mm_access how;
	int ret;

	ret = mm_enter(mem->mm, &how);
	if (ret)
		return ret;
	gpadl_mem_account_begin(mem, &acct);
	ret = found->hole ? -EFAULT :
	      mapping_charge_and_pin(mem, how, w, m, found->resident);
	gpadl_mem_account_end(&acct);
	mm_leave(mem->mm, how);
	return ret;
}

/*
 * All pages are resident: the address space is not needed, nor its count of users. That
 * it is gone is told all the same, as it is where pages are pinned on demand.
 */
static int mapping_make_resident(struct gpadl_mem *mem, const struct gpadl_wire *w,
				 struct gpadl_mapping *m)
{
	struct gpadl_mem_account acct;
	int ret;

	if (!atomic_read(&mem->mm->mm_users))
		return -ESRCH;
	gpadl_mem_account_begin(mem, &acct);
	ret = sg_make(m, w, NULL);
	gpadl_mem_account_end(&acct);
	return ret;
}

/**
 * gpadl_mem_map() - Pin the pages of a GPADL and list them
 * @mem: the memory
 * @w: the GPADL, complete
 * @write: the pages will be written to
 * @m: the mapping, for gpadl_mem_unmap(); holds nothing on error
 *
 * Context: process, kernel threads included; may sleep for as long as the VMM likes.
 * Return: 0; -EACCES, -ESRCH, -EFAULT, -ENOMEM or -EINTR as vmbus_gpadl_map().
 */
int gpadl_mem_map(struct gpadl_mem *mem, const struct gpadl_wire *w, bool write,
		  struct gpadl_mapping *m)
{
	struct lookup found;
	int ret;

	m->writable = write;
	m->pages = NULL;
	mapping_lookup(mem, m, w, &found);
	m->nr_pins = found.nr_pins;
	if (write && found.read_only)
		ret = -EACCES;
	else if (found.hole || found.nr_pins)
		ret = mapping_make(mem, w, m, &found);
	else
		ret = mapping_make_resident(mem, w, m);
	if (ret)
		mapping_put_regions(m);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_mem_map);

static void mapping_unpin(struct gpadl_mapping *m)
{
	struct scatterlist *sg;
	unsigned int i;

	if (m->pages) {
		unpin_user_pages_dirty_lock(m->pages, m->nr_pins, m->writable);
		kvfree(m->pages);
		return;
	}
	for_each_sgtable_sg(&m->sgt, sg, i) {
		unpin_user_page_range_dirty_lock(sg_page(sg), sg_pages(sg), m->writable);
		cond_resched();
	}
}

/**
 * gpadl_mem_unmap() - Unpin what gpadl_mem_map() pinned
 * @mem: the memory
 * @m: the mapping
 *
 * Context: process, may sleep, allocates nothing. Any thread: neither the VMM nor its
 * address space need to be there any more.
 */
void gpadl_mem_unmap(struct gpadl_mem *mem, struct gpadl_mapping *m)
{
	KUNIT_STATIC_STUB_REDIRECT(gpadl_mem_unmap, mem, m);
	if (m->nr_pins) {
		mapping_unpin(m);
		mem_uncharge(mem, m->nr_pins);
	}
	kvfree(m->sgt.sgl);
	mapping_put_regions(m);
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_mem_unmap);

/* ---- Virtual mapping ---- */

/* Can the entries be laid side by side, page by page? Always, if pages are 4 KiB. */
static bool mapping_is_pagewise(const struct gpadl_mapping *m)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_sg(&m->sgt, sg, i) {
		if (i && sg->offset)
			return false;
		if (!sg_is_last(sg) && offset_in_page(sg->offset + sg->length))
			return false;
	}
	return true;
}

/**
 * gpadl_mem_vmap() - Map pinned pages side by side into kernel addresses
 * @m: the mapping, of one range
 *
 * Context: process, may sleep.
 * Return: address of the first byte; ERR_PTR(-EOPNOTSUPP) if host pages are larger
 * than guest pages and the pieces do not fit together, ERR_PTR(-ENOMEM).
 */
void *gpadl_mem_vmap(const struct gpadl_mapping *m)
{
	struct sg_page_iter iter;
	struct scatterlist *sg;
	struct page **pages;
	unsigned long n = 0;
	unsigned int i;
	void *addr;

	if (!mapping_is_pagewise(m))
		return ERR_PTR(-EOPNOTSUPP);
	for_each_sgtable_sg(&m->sgt, sg, i)
		n += sg_pages(sg);
	pages = kvmalloc_array(n, sizeof(*pages), GFP_KERNEL_ACCOUNT);
	if (!pages)
		return ERR_PTR(-ENOMEM);
	n = 0;
	for_each_sgtable_page(&m->sgt, &iter, 0)
		pages[n++] = sg_page_iter_page(&iter);
	addr = vmap(pages, n, VM_MAP, m->writable ? PAGE_KERNEL : PAGE_KERNEL_RO);
	kvfree(pages);
	if (!addr)
		return ERR_PTR(-ENOMEM);
	return addr + m->sgt.sgl->offset;
}

/**
 * gpadl_mem_vunmap() - Undo gpadl_mem_vmap()
 * @addr: what it returned
 *
 * Context: process, may sleep.
 */
void gpadl_mem_vunmap(void *addr)
{
	vunmap((void *)((unsigned long)addr & PAGE_MASK));
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
	unsigned long done = 0;
	enum mm_access how;
	int ret;

	ret = mm_enter(mem->mm, &how);
	if (ret)
		return ret;
	ret = mem_charge(mem, 1);
	if (ret)
		goto out_leave;
	ret = pin_adjoining(mem->mm, how, hva & PAGE_MASK, 1, true, page, &done);
	if (ret)
		mem_uncharge(mem, 1);
out_leave:
	mm_leave(mem->mm, how);
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
	mem_uncharge(mem, 1);
}

/* ---- Life ---- */

/**
 * gpadl_mem_init() - Bind to the current address space and its owner
 * @mem: the memory; without regions at first
 *
 * Context: process with an address space, may sleep.
 * Return: 0; -EINVAL without an address space, -ENOMEM.
 */
int gpadl_mem_init(struct gpadl_mem *mem)
{
	struct gpadl_region_table *table;

	if (!current->mm)
		return -EINVAL;
	table = table_alloc(0);
	if (!table)
		return -ENOMEM;

	mmgrab(current->mm);
	mem->mm = current->mm;
	mem->owner = get_task_struct(current->group_leader);
	mem->lock_cap = capable(CAP_IPC_LOCK);
	mutex_init(&mem->change_lock);
	spin_lock_init(&mem->switch_lock);
	RCU_INIT_POINTER(mem->table, table);
	atomic64_set(&mem->pinned, 0);
	mem->pin_done = 0;
	mem->pin_total = 0;
	return 0;
}

/**
 * gpadl_mem_destroy() - Let go of the address space and its owner
 * @mem: the memory, with nothing mapped
 *
 * Context: process, may sleep.
 */
void gpadl_mem_destroy(struct gpadl_mem *mem)
{
	struct gpadl_region_table *table = rcu_dereference_protected(mem->table, true);
	unsigned int i;

	for (i = 0; i < table->nr; i++)
		region_unpin(mem, table->regions[i]);
	WARN_ON_ONCE(atomic64_read(&mem->pinned));
	gpadl_region_table_put(table);
	put_task_struct(mem->owner);
	mmdrop(mem->mm);
}
