// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_watch: the VMM's memory changes under a resident region. That is noticed,
 * and what is there now is looked for when somebody wants it.
 */
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sched/signal.h>

#include "gpadl/notifier.h"
#include "gpadl/relook.h"
#include "gpa.h"
#include "suites.h"

#define RESIDENT	VMBUS_GPA_REGION_RESIDENT
#define PFN		VM_HOLE_PFN

/* Where a block begins in the memory of VM_BIG, which has several */
static unsigned long first_block(struct vm *vm)
{
	return ALIGN(vm_hva(vm, VM_BIG_PFN), GPADL_BLOCK_SIZE);
}

static int set_resident(struct vm *vm, u32 slot, u64 pfn, u64 pages, unsigned long hva)
{
	return vm_set_region(vm, slot, RESIDENT, pfn, pages, hva);
}

/* Pages @pfn, of that region, go, and others come when somebody touches them. */
static void change(struct vm *vm, u64 pfn, unsigned long nr)
{
	unsigned long hva = first_block(vm) + ((pfn - PFN) << PAGE_SHIFT);

	KUNIT_EXPECT_EQ(vm->test, hva,
			kunit_vm_mmap(vm->test, NULL, hva, nr << PAGE_SHIFT,
				      PROT_READ | PROT_WRITE,
				      MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED, 0));
}

static s64 charged(struct vm *vm)
{
	return atomic64_read(&vm->mm->pinned_vm);
}

/* A region of so many pages, the first of which are a GPADL. */
static void establish(struct vm *vm, u64 pages, u32 nr)
{
	KUNIT_ASSERT_EQ(vm->test, 0,
			set_resident(vm, VM_FREE_SLOT, PFN, pages, first_block(vm)));
	vm_establish(vm, &vm->c[0], VM_HANDLE, PFN, nr);
}

static int map(struct vm *vm)
{
	return vm_map(&vm->c[0], 0, VM_HANDLE, NULL);
}

static void unmap(struct vm *vm)
{
	vm_unmap(&vm->c[0], VM_HANDLE);
	/* What has been replaced need not be pinned any more; it is for a work item to see. */
	flush_delayed_work(&vm->p->mem.stale_work);
	vm_check(vm);
}

/* ---- Marks ---- */

VM_CASE(mark_goes_when_it_was_looked_at)
{
	struct gpadl_watch *w;

	establish(vm, 4, 4);
	w = &vm_region(vm, VM_FREE_SLOT)->watch;
	KUNIT_EXPECT_FALSE(test, gpadl_watch_any(w));
	gpadl_watch_mark(w, 0);
	gpadl_watch_mark(w, 0);
	KUNIT_EXPECT_TRUE(test, gpadl_watch_any(w));
	gpadl_watch_clear(w, 0, gpadl_watch_look(w));
	KUNIT_EXPECT_FALSE(test, gpadl_watch_any(w));
	/* Two may look at the same time: it goes once. */
	gpadl_watch_clear(w, 0, gpadl_watch_look(w));
	KUNIT_EXPECT_EQ(test, w->nr_marked, 0);
}

/* What was seen is not what is there. */
VM_CASE(mark_stays_if_it_changes_meanwhile)
{
	struct gpadl_watch *w;
	struct gpadl_look look;

	establish(vm, 4, 4);
	w = &vm_region(vm, VM_FREE_SLOT)->watch;
	gpadl_watch_mark(w, 0);
	look = gpadl_watch_look(w);
	change(vm, PFN + 1, 1);
	KUNIT_EXPECT_TRUE(test, gpadl_watch_moved(w, look));
	gpadl_watch_clear(w, 0, look);
	KUNIT_EXPECT_TRUE(test, gpadl_watch_any(w));
}

/* A look that began before a memory error need not have seen it, and no page table tells of it. */
VM_CASE(mark_stays_if_there_is_an_error_meanwhile)
{
	struct gpadl_region *region;
	struct gpadl_look look;

	establish(vm, 4, 4);
	region = vm_region(vm, VM_FREE_SLOT);
	gpadl_watch_mark(&region->watch, 0);
	look = gpadl_watch_look(&region->watch);
	region->failures--;
	gpadl_relook_failures(region);
	gpadl_watch_clear(&region->watch, 0, look);
	KUNIT_EXPECT_TRUE(test, gpadl_watch_any(&region->watch));
}

/* It is looked for in each region of a list, also behind one that is to be looked at anyway. */
VM_CASE(error_in_the_second_region)
{
	struct gpadl_region *second;
	int nr_same;

	KUNIT_ASSERT_EQ(test, 0, set_resident(vm, VM_FREE_SLOT, PFN, 4, first_block(vm)));
	KUNIT_ASSERT_EQ(test, 0, set_resident(vm, VM_FREE_SLOT + 1, PFN + 4, 4,
					      first_block(vm) + GPADL_BLOCK_SIZE));
	vm_establish(vm, &vm->c[0], VM_HANDLE, PFN, 8);
	second = vm_region(vm, VM_FREE_SLOT + 1);
	gpadl_watch_mark(&vm_region(vm, VM_FREE_SLOT)->watch, 0);
	second->failures--;
	nr_same = atomic_read(&vm->p->mem.nr_same);
	KUNIT_ASSERT_EQ(test, map(vm), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->mem.nr_same), nr_same + 2);
	unmap(vm);
}

/* A region is moved while a map looks again at what it had: that is the VMM's own by then. */
VM_CASE(map_that_looks_again_finds_what_came)
{
	const struct vmbus_gpa_region moved = {
		.slot = VM_FREE_SLOT,
		.flags = RESIDENT,
		.gpa = PFN << GPADL_PAGE_SHIFT,
		.bytes = 4 << GPADL_PAGE_SHIFT,
		.hva = first_block(vm) + GPADL_BLOCK_SIZE,
	};
	struct vm_task *t;
	struct page *page;

	establish(vm, 4, 4);
	change(vm, PFN, 4);
	vm_stall_arm(&vm->in_pin, 1);
	t = vm_start(vm, vm_task_map, &vm->c[0], 0, VM_HANDLE);
	vm_stall_wait(vm, &vm->in_pin);
	KUNIT_EXPECT_EQ(test, 0, vmbus_partition_set_regions(vm->p, &moved, 1,
							     VMBUS_GPA_REGIONS_RETIRE));
	vm_stall_end(&vm->in_pin);
	KUNIT_ASSERT_EQ(test, vm_join(t), 0);
	KUNIT_ASSERT_EQ(test, get_user_pages_fast(moved.hva, 1, 0, &page), 1);
	KUNIT_EXPECT_PTR_EQ(test, sg_page(vmbus_mapping_sgt(t->map)->sgl), page);
	put_page(page);
	flush_workqueue(vm->p->drop_wq);
	unmap(vm);
}

/* One of an address space that was gone: there is no more to notice. */
VM_CASE(watch_of_nothing)
{
	static struct gpadl_watch nothing;

	gpadl_watch_mark_all(&nothing);
	KUNIT_EXPECT_FALSE(test, gpadl_watch_any(&nothing));
	gpadl_watch_end(&nothing);
}

/* ---- The look ---- */

/* What is mapped are the pages that are in the page tables now. */
static void expect_there(struct vm *vm, struct sg_table *sgt)
{
	unsigned long hva = first_block(vm);
	struct sg_page_iter iter;
	struct page *page;

	for_each_sgtable_page(sgt, &iter, 0) {
		KUNIT_ASSERT_EQ(vm->test, get_user_pages_fast(hva, 1, 0, &page), 1);
		KUNIT_EXPECT_PTR_EQ(vm->test, sg_page_iter_page(&iter), page);
		put_page(page);
		hva += PAGE_SIZE;
	}
}

/* All of a region is gone: each page is brought in anew, and the old ones go. */
VM_CASE(nothing_is_there)
{
	struct sg_table *sgt;

	establish(vm, 4, 4);
	change(vm, PFN, 4);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, &sgt), 0);
	expect_there(vm, sgt);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->mem.nr_replaced), 4);
	unmap(vm);
	KUNIT_EXPECT_EQ(test, charged(vm), 4);
}

/* Two parts of a list in one block: it is looked at as a whole once. */
VM_CASE(two_runs_of_a_block)
{
	int i;

	KUNIT_ASSERT_EQ(test, 0, set_resident(vm, VM_FREE_SLOT, PFN, 9, first_block(vm)));
	vm_begin(vm);
	vm_range(vm, PFN, 2);
	vm_range(vm, PFN + 5, 2);
	KUNIT_EXPECT_EQ(test, vm_send(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_created(vm, &vm->c[0], VM_HANDLE, GPADL_STATUS_SUCCESS);
	change(vm, PFN, 9);
	for (i = 0; i < 2; i++) {
		KUNIT_ASSERT_EQ(test, map(vm), 0);
		/* The other five are nobody's yet. */
		KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->mem.nr_replaced), 4);
		unmap(vm);
	}
	KUNIT_EXPECT_EQ(test, charged(vm), 9);
}

/* What is there now takes its place in the charge only when what was there goes. */
VM_CASE(owner_over_limit)
{
	establish(vm, 4, 4);
	change(vm, PFN + 1, 1);
	vm_limit(vm, 4);
	KUNIT_EXPECT_EQ(test, map(vm), -ENOMEM);
	KUNIT_EXPECT_EQ(test, charged(vm), 4);
	vm_limit(vm, 8);
	KUNIT_ASSERT_EQ(test, map(vm), 0);
	KUNIT_EXPECT_EQ(test, charged(vm), 5);
	unmap(vm);
	KUNIT_EXPECT_EQ(test, charged(vm), 4);
	vm_unlimit(vm);
}

/* A shared mapping takes the place of the first pages. */
static void share(struct vm *vm, unsigned long nr)
{
	KUNIT_ASSERT_EQ(vm->test, first_block(vm),
			kunit_vm_mmap(vm->test, NULL, first_block(vm), nr << PAGE_SHIFT,
				      PROT_READ | PROT_WRITE,
				      MAP_ANONYMOUS | MAP_SHARED | MAP_FIXED, 0));
}

/* No page of a shared mapping is in the page tables any more; each is still what it was. */
static void zap_shared(struct vm *vm)
{
	struct page *page;

	KUNIT_ASSERT_EQ(vm->test, get_user_pages_fast(first_block(vm), 1, 0, &page), 1);
	unmap_mapping_range(page_folio(page)->mapping, 0, 0, true);
	put_page(page);
}

/* The first of two, and then both by one change: else maps would go on looking for the third. */
VM_CASE(block_is_marked_once)
{
	struct gpadl_watch *w;

	share(vm, GPADL_BLOCK_PAGES + 1);
	establish(vm, GPADL_BLOCK_PAGES + 1, 4);
	w = &vm_region(vm, VM_FREE_SLOT)->watch;
	gpadl_watch_mark(w, 0);
	zap_shared(vm);
	KUNIT_EXPECT_EQ(test, w->nr_marked, 2);
}

/* Reclaim does so, and MADV_DONTNEED: the owner, whose limit is just that, has them all. */
VM_CASE(same_pages_at_the_limit)
{
	share(vm, 4);
	establish(vm, 4, 4);
	vm_limit(vm, 4);
	zap_shared(vm);
	KUNIT_EXPECT_TRUE(test, gpadl_watch_any(&vm_region(vm, VM_FREE_SLOT)->watch));
	KUNIT_ASSERT_EQ(test, map(vm), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->mem.nr_replaced), 0);
	KUNIT_EXPECT_EQ(test, charged(vm), 4);
	unmap(vm);
	/* Now one is another. */
	zap_shared(vm);
	change(vm, PFN + 2, 1);
	KUNIT_EXPECT_EQ(test, map(vm), -ENOMEM);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->mem.nr_replaced), 0);
	KUNIT_EXPECT_EQ(test, charged(vm), 4);
	vm_limit(vm, 5);
	KUNIT_ASSERT_EQ(test, map(vm), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->mem.nr_replaced), 1);
	KUNIT_EXPECT_EQ(test, charged(vm), 5);
	unmap(vm);
	KUNIT_EXPECT_EQ(test, charged(vm), 4);
	vm_unlimit(vm);
}

/* What was entered before stays, and what was there goes; the rest is charged to nobody. */
VM_CASE(no_memory_for_what_is_new)
{
	struct alloc_fault f = {};
	int ret;

	alloc_fault_need(test);
	establish(vm, 4, 4);
	while (alloc_fault_next(&f)) {
		change(vm, PFN + 1, 2);
		alloc_fault_begin(&f);
		ret = map(vm);
		alloc_fault_end(&f);
		KUNIT_EXPECT_TRUE(test, !ret || (ret == -ENOMEM && f.injected));
		if (!ret)
			vm_unmap(&vm->c[0], VM_HANDLE);
		flush_delayed_work(&vm->p->mem.stale_work);
		KUNIT_EXPECT_EQ(test, charged(vm), 4);
		vm_check(vm);
	}
	KUNIT_EXPECT_GE(test, f.most, 3);
}

/* Whenever a page was found it is another one by then. */
static long pin_and_change(struct vm *vm, unsigned long hva, unsigned long nr,
			   unsigned int gup_flags, struct page **pages)
{
	long ret = pin_user_pages_fast(hva, nr, gup_flags, pages);

	change(vm, PFN + 1, 1);
	if (atomic_read(&vm->pins) == 3)
		vm_kill();
	return ret;
}

VM_CASE(killed_while_it_changes)
{
	establish(vm, 4, 4);
	change(vm, PFN + 1, 1);
	atomic_set(&vm->pins, 0);
	vm->pin = pin_and_change;
	KUNIT_EXPECT_EQ(test, map(vm), -EINTR);
	vm_unkill();
	vm->pin = NULL;
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->pins), 3);
	KUNIT_EXPECT_EQ(test, charged(vm), 4);
	KUNIT_ASSERT_EQ(test, map(vm), 0);
	unmap(vm);
}

/* An equal region looks at all: what has been replaced goes, but for what may be mapped. */
VM_CASE(equal_region_while_mapped)
{
	const u64 pages = 2 * GPADL_BLOCK_PAGES;
	int i;

	establish(vm, pages, 2);
	KUNIT_ASSERT_EQ(test, map(vm), 0);
	/* The second time there is something to drop when the first block is looked at. */
	for (i = 1; i <= 2; i++) {
		change(vm, PFN + pages - 1, 1);
		KUNIT_EXPECT_EQ(test, 0, set_resident(vm, VM_FREE_SLOT, PFN, pages,
						      first_block(vm)));
		KUNIT_EXPECT_EQ(test, charged(vm), pages + i);
	}
	unmap(vm);
	KUNIT_EXPECT_EQ(test, charged(vm), pages);
	/* Nothing is mapped: what was there goes at once, block by block. */
	change(vm, PFN + 7, 1);
	KUNIT_EXPECT_EQ(test, 0, set_resident(vm, VM_FREE_SLOT, PFN, pages, first_block(vm)));
	KUNIT_EXPECT_EQ(test, charged(vm), pages);
}

/* Where all is as it was, nothing but the look itself minds a signal. */
VM_CASE(killed_while_all_is_the_same)
{
	const u64 pages = 2 * GPADL_BLOCK_PAGES;
	int same;

	establish(vm, pages, 2);
	same = atomic_read(&vm->p->mem.nr_same);
	gpadl_watch_mark_all(&vm_region(vm, VM_FREE_SLOT)->watch);
	vm_kill();
	KUNIT_EXPECT_EQ(test, -EINTR, set_resident(vm, VM_FREE_SLOT, PFN, pages,
						   first_block(vm)));
	vm_unkill();
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->mem.nr_same), same);
	KUNIT_EXPECT_EQ(test, 0, set_resident(vm, VM_FREE_SLOT, PFN, pages, first_block(vm)));
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->mem.nr_same), same + 2);
}

/* The look ends at the first block that cannot be had: the next would be one more to undo. */
VM_CASE(equal_region_of_which_a_block_fails)
{
	const u64 pages = 2 * GPADL_BLOCK_PAGES;

	establish(vm, pages, 2);
	change(vm, PFN, 2);
	change(vm, PFN + GPADL_BLOCK_PAGES, 1);
	/* Enough for what is new in the second, and for one page of the first */
	vm_limit(vm, pages + 1);
	KUNIT_EXPECT_EQ(test, -ENOMEM, set_resident(vm, VM_FREE_SLOT, PFN, pages,
						    first_block(vm)));
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->mem.nr_replaced), 1);
	KUNIT_EXPECT_EQ(test, charged(vm), pages);
	vm_unlimit(vm);
	KUNIT_EXPECT_EQ(test, 0, set_resident(vm, VM_FREE_SLOT, PFN, pages, first_block(vm)));
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->mem.nr_replaced), 3);
	KUNIT_EXPECT_EQ(test, charged(vm), pages);
	vm_check(vm);
}

/* A page of a region of four, all mapped, is replaced; the look for it is due when this returns. */
static void replace_while_mapped(struct vm *vm)
{
	establish(vm, 4, 4);
	KUNIT_ASSERT_EQ(vm->test, map(vm), 0);
	change(vm, PFN, 1);
	/* The region is changed while a page is mapped that was replaced. */
	KUNIT_EXPECT_EQ(vm->test, 0, set_resident(vm, VM_FREE_SLOT, PFN, 4, first_block(vm)));
	KUNIT_EXPECT_EQ(vm->test, charged(vm), 5);
	vm_unmap(&vm->c[0], VM_HANDLE);
	/* Not before the case has looked; the item holds the partition while it is queued. */
	if (!mod_delayed_work(vm->p->mem.wq, &vm->p->mem.stale_work, VM_TIMEOUT))
		refcount_inc(&vm->p->ref);
}

/* However many come to an end until then, it holds the partition once. */
VM_CASE(look_is_due_already)
{
	unsigned int refs;

	replace_while_mapped(vm);
	refs = refcount_read(&vm->p->ref);
	KUNIT_ASSERT_EQ(test, map(vm), 0);
	vm_unmap(&vm->c[0], VM_HANDLE);
	KUNIT_EXPECT_EQ(test, refcount_read(&vm->p->ref), refs);
	flush_delayed_work(&vm->p->mem.stale_work);
	KUNIT_EXPECT_EQ(test, charged(vm), 4);
	vm_check(vm);
}

/* What was replaced goes with its region, and is not looked for after that. */
VM_CASE(region_goes_before_what_was_replaced)
{
	replace_while_mapped(vm);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_FREE_SLOT), 0);
	KUNIT_EXPECT_EQ(test, charged(vm), 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&vm->p->mem.stale_blocks));
	flush_delayed_work(&vm->p->mem.stale_work);
	vm_check(vm);
}

/* In two blocks: both go, one look for all. */
VM_CASE(replaced_in_two_blocks)
{
	const u64 pages = 2 * GPADL_BLOCK_PAGES;

	establish(vm, pages, 2);
	KUNIT_ASSERT_EQ(test, map(vm), 0);
	change(vm, PFN, 1);
	change(vm, PFN + GPADL_BLOCK_PAGES, 1);
	KUNIT_EXPECT_EQ(test, 0, set_resident(vm, VM_FREE_SLOT, PFN, pages, first_block(vm)));
	KUNIT_EXPECT_EQ(test, charged(vm), pages + 2);
	unmap(vm);
	KUNIT_EXPECT_EQ(test, charged(vm), pages);
}

/* A region for reading has blocks of its own, and does not keep what is replaced in others. */
VM_CASE(replaced_beside_a_read_only_region)
{
	establish(vm, 4, 4);
	KUNIT_ASSERT_EQ(test, 0, vm_set_region(vm, VM_FREE_SLOT + 1,
					       RESIDENT | VMBUS_GPA_REGION_READ_ONLY, PFN + 0x4000,
					       4, first_block(vm)));
	KUNIT_EXPECT_EQ(test, charged(vm), 8);
	change(vm, PFN + 1, 1);
	KUNIT_ASSERT_EQ(test, map(vm), 0);
	KUNIT_EXPECT_EQ(test, charged(vm), 9);
	unmap(vm);
	KUNIT_EXPECT_EQ(test, charged(vm), 8);
}

static int watches_ended;

static void end_when_nothing_is_pinned(struct gpadl_watch *w)
{
	struct kunit *test = current->kunit_test;

	KUNIT_EXPECT_EQ(test, charged(test->priv), 0);
	watches_ended++;
	current->kunit_test = NULL;
	gpadl_watch_end(w);
	current->kunit_test = test;
}

/*
 * The end of a watch waits until nothing changes any more, which others may see to that it never
 * is: the pins of all that go are gone by then.
 */
VM_CASE(pins_go_before_the_watches)
{
	struct vmbus_gpa_region gone[] = {
		{ .slot = VM_FREE_SLOT }, { .slot = VM_FREE_SLOT + 1 },
	};
	unsigned int i;

	for (i = 0; i < 2; i++)
		KUNIT_ASSERT_EQ(test, 0, set_resident(vm, VM_FREE_SLOT + i, PFN + i * 0x4000, 4,
						      first_block(vm) + i * GPADL_BLOCK_SIZE));
	KUNIT_EXPECT_EQ(test, charged(vm), 8);
	watches_ended = 0;
	kunit_activate_static_stub(test, gpadl_watch_end, end_when_nothing_is_pinned);
	KUNIT_EXPECT_EQ(test, vmbus_partition_set_regions(vm->p, gone, 2, 0), 0);
	kunit_deactivate_static_stub(test, gpadl_watch_end);
	KUNIT_EXPECT_EQ(test, watches_ended, 2);
}

/* Nor do pins wait for the watch of another region that went earlier: its end is elsewhere. */
VM_CASE(pins_go_beside_the_watches)
{
	struct vmbus_partition *p = vm->p;
	struct vmbus_mapping *mapping;
	struct gpadl_region *region;
	struct vm_blocker_wq b;

	KUNIT_ASSERT_EQ(test, 0, set_resident(vm, VM_FREE_SLOT, PFN, 4, first_block(vm)));
	KUNIT_ASSERT_EQ(test, 0, set_resident(vm, VM_FREE_SLOT + 1, PFN + 0x4000, 4,
					      first_block(vm) + GPADL_BLOCK_SIZE));
	region = vm_region(vm, VM_FREE_SLOT);
	vm_establish(vm, &vm->c[0], VM_HANDLE, PFN, 2);
	KUNIT_ASSERT_EQ(test, map(vm), 0);
	mapping = vm_mapping(vm->c[0].chan, VM_HANDLE);
	KUNIT_EXPECT_EQ(test, charged(vm), 8);
	gpa_block_wq(&b, p->drop_wq);
	vm_put_channel(&vm->c[0]);
	vm_put_channel(&vm->c[1]);
	watches_ended = 0;
	kunit_activate_static_stub(test, gpadl_watch_end, end_when_nothing_is_pinned);
	vm_put_partition(vm);
	/* The one that is not mapped */
	vm_run_work(vm, &p->clear_work);
	KUNIT_EXPECT_EQ(test, charged(vm), 4);
	vmbus_gpadl_unmap(mapping);
	vm_run_work(vm, &region->drop_work);
	KUNIT_EXPECT_EQ(test, charged(vm), 0);
	kunit_deactivate_static_stub(test, gpadl_watch_end);
	KUNIT_EXPECT_EQ(test, watches_ended, 0);
	gpa_unblock_wq(&b);
	/* vm_exit() waits for it to be released. */
}

static int task_set_both(struct vm_task *t)
{
	struct vm *vm = t->vm;

	return set_resident(vm, VM_FREE_SLOT + 1, PFN + 0x4000, 2 * GPADL_BLOCK_PAGES,
			    first_block(vm));
}

/* A VMM that changes regions faster than their watches end is waited for. */
VM_CASE(watches_that_do_not_end_are_bounded)
{
	struct vmbus_gpa_region gone = { .slot = VM_FREE_SLOT };
	struct vm_blocker_wq b;
	struct vm_task *changer;

	KUNIT_ASSERT_EQ(test, 0, set_resident(vm, VM_FREE_SLOT, PFN, 4, first_block(vm)));
	vm_establish(vm, &vm->c[0], VM_HANDLE, PFN, 2);
	KUNIT_ASSERT_EQ(test, map(vm), 0);
	KUNIT_ASSERT_EQ(test, 0, vmbus_partition_set_regions(vm->p, &gone, 1,
							     VMBUS_GPA_REGIONS_RETIRE));
	gpa_block_wq(&b, vm->p->watch_wq);
	vm_unmap(&vm->c[0], VM_HANDLE);
	flush_workqueue(vm->p->drop_wq);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->mem.nr_ending), 1);
	KUNIT_EXPECT_EQ(test, charged(vm), 0);
	/* There is room for more. */
	KUNIT_EXPECT_EQ(test, 0, set_resident(vm, VM_FREE_SLOT, PFN, 4, first_block(vm)));
	atomic_add(VMBUS_GPA_REGION_SLOTS, &vm->p->mem.nr_ending);
	changer = vm_start(vm, task_set_both, NULL, 0, 0);
	vm_wait_blocked(changer);
	KUNIT_EXPECT_FALSE(test, vm_is_done(changer));
	atomic_sub(VMBUS_GPA_REGION_SLOTS, &vm->p->mem.nr_ending);
	gpa_unblock_wq(&b);
	KUNIT_EXPECT_EQ(test, vm_join(changer), 0);
	flush_workqueue(vm->p->watch_wq);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->mem.nr_ending), 0);
}

/* The work item would hold the partition, for nothing: what has been replaced goes with it. */
VM_CASE(partition_goes_before_what_was_replaced)
{
	struct vmbus_partition *p = vm->p;
	struct delayed_work *stale = &p->mem.stale_work;
	struct vm_blocker_wq before, after;

	replace_while_mapped(vm);
	gpa_block_wq(&before, p->drop_wq);
	vm_put_channel(&vm->c[0]);
	vm_put_channel(&vm->c[1]);
	vm_put_partition(vm);
	/* Behind the end of the regions, and before that of the partition */
	gpa_block_wq(&after, p->drop_wq);
	KUNIT_EXPECT_TRUE(test, delayed_work_pending(stale));
	gpa_unblock_wq(&before);
	flush_work(&p->clear_work);
	KUNIT_EXPECT_FALSE(test, delayed_work_pending(stale));
	gpa_unblock_wq(&after);
	/* vm_exit() waits for it to be released. */
}

/* ---- What others let go of meanwhile ---- */

/*
 * A region of two blocks, of which another has the second pinned; that one is gone, but for a
 * mapping. When its first block is being pinned, the mapping goes. The change is held up.
 */
static struct vm_task *set_while_the_other_goes(struct vm *vm)
{
	struct vmbus_gpa_region gone = { .slot = VM_FREE_SLOT };
	struct vm_task *t;

	KUNIT_EXPECT_EQ(vm->test, 0,
			set_resident(vm, VM_FREE_SLOT, PFN, GPADL_BLOCK_PAGES,
				     first_block(vm) + GPADL_BLOCK_SIZE));
	vm_establish(vm, &vm->c[0], VM_HANDLE, PFN, 1);
	KUNIT_EXPECT_EQ(vm->test, map(vm), 0);
	KUNIT_EXPECT_EQ(vm->test, 0, vmbus_partition_set_regions(vm->p, &gone, 1,
								 VMBUS_GPA_REGIONS_RETIRE));
	vm_stall_arm(&vm->in_pin, 1);
	t = vm_start(vm, task_set_both, NULL, 0, 0);
	vm_stall_wait(vm, &vm->in_pin);
	KUNIT_EXPECT_EQ(vm->test, READ_ONCE(vm->p->mem.pin_total), GPADL_BLOCK_PAGES);
	KUNIT_EXPECT_EQ(vm->test, charged(vm), 2 * GPADL_BLOCK_PAGES);
	vm_unmap(&vm->c[0], VM_HANDLE);
	vm_flush_frees(vm->p);
	KUNIT_EXPECT_EQ(vm->test, charged(vm), GPADL_BLOCK_PAGES);
	return t;
}

VM_CASE(block_goes_while_the_other_is_pinned)
{
	struct vm_task *t = set_while_the_other_goes(vm);

	vm_stall_end(&vm->in_pin);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	KUNIT_EXPECT_EQ(test, charged(vm), 2 * GPADL_BLOCK_PAGES);
	vm_check(vm);
}

/* The owner may not have as much any more. */
VM_CASE(block_goes_and_the_limit_is_lowered)
{
	struct vm_task *t;

	vm_limit(vm, 2 * GPADL_BLOCK_PAGES);
	t = set_while_the_other_goes(vm);
	vm_limit(vm, 2 * GPADL_BLOCK_PAGES - 1);
	vm_stall_end(&vm->in_pin);
	KUNIT_EXPECT_EQ(test, vm_join(t), -ENOMEM);
	KUNIT_EXPECT_EQ(test, charged(vm), 0);
	vm_unlimit(vm);
	vm_check(vm);
}

/* ---- The first of an address space ---- */

static void begin_released(void *priv)
{
	complete(priv);
}

static void begin_wake(void *priv)
{
}

static const struct vmbus_partition_ops begin_ops = {
	.owner = THIS_MODULE,
	.wake = begin_wake,
	.release = begin_released,
};

/* What happens meanwhile, in a process of its own */
struct first {
	bool killed;
	bool interrupted;
	struct alloc_fault fault;
};

static int task_set_first(struct vm_task *t)
{
	struct vmbus_gpa_region region = { .flags = RESIDENT, .bytes = PAGE_SIZE };
	DECLARE_COMPLETION_ONSTACK(released);
	struct first *first = t->arg;
	struct vmbus_partition *p;
	int ret;

	region.hva = kunit_vm_mmap(t->vm->test, NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
				   MAP_ANONYMOUS | MAP_PRIVATE, 0);
	p = vmbus_partition_create(&begin_ops, &released);
	if (IS_ERR(p))
		return PTR_ERR(p);
	if (first->killed)
		vm_kill();
	if (first->interrupted)
		set_tsk_thread_flag(current, TIF_SIGPENDING);
	alloc_fault_begin(&first->fault);
	ret = vmbus_partition_set_regions(p, &region, 1, 0);
	alloc_fault_end(&first->fault);
	vm_unkill();
	KUNIT_EXPECT_EQ(t->vm->test, atomic64_read(&p->mem.pinned), !ret);
	vmbus_partition_put(p);
	wait_for_completion(&released);
	return ret;
}

static int set_first(struct vm *vm, struct first *first)
{
	int ret = vm_join(vm_start_with(vm, task_set_first, NULL, 0, 0, first));

	vm_forget_tasks(vm);
	return ret;
}

/* The kernel takes all locks of the address space, and gives way to signals. */
VM_CASE(signal_before_the_first_region)
{
	struct first killed = { .killed = true }, interrupted = { .interrupted = true };
	struct first nothing = {};

	KUNIT_EXPECT_EQ(test, set_first(vm, &killed), -EINTR);
	KUNIT_EXPECT_EQ(test, set_first(vm, &interrupted), -ERESTARTNOINTR);
	KUNIT_EXPECT_EQ(test, set_first(vm, &nothing), 0);
}

/* It has to make room for those that watch it, too; each time in another one. */
VM_CASE(no_memory_for_the_first_region)
{
	u32 idle = 0, failed = 0;
	struct first first = {};
	int ret;

	alloc_fault_need(test);
	for (first.fault.n = 1; idle < 4 && first.fault.n < 1000; first.fault.n++) {
		ret = set_first(vm, &first);
		KUNIT_EXPECT_TRUE(test, !ret || (first.fault.injected && ret == -ENOMEM));
		failed += !!ret;
		idle = first.fault.injected ? 0 : idle + 1;
	}
	/* The region, the table, its marks, and what watches the address space, at least */
	KUNIT_EXPECT_GE(test, failed, 4);
}

static struct kunit_case watch_cases[] = {
	KUNIT_CASE(mark_goes_when_it_was_looked_at),
	KUNIT_CASE(mark_stays_if_it_changes_meanwhile),
	KUNIT_CASE(mark_stays_if_there_is_an_error_meanwhile),
	KUNIT_CASE(error_in_the_second_region),
	KUNIT_CASE(map_that_looks_again_finds_what_came),
	KUNIT_CASE(watch_of_nothing),
	KUNIT_CASE(nothing_is_there),
	KUNIT_CASE(two_runs_of_a_block),
	KUNIT_CASE(owner_over_limit),
	KUNIT_CASE(block_is_marked_once),
	KUNIT_CASE(same_pages_at_the_limit),
	KUNIT_CASE_SLOW(no_memory_for_what_is_new),
	KUNIT_CASE(killed_while_it_changes),
	KUNIT_CASE(equal_region_while_mapped),
	KUNIT_CASE(killed_while_all_is_the_same),
	KUNIT_CASE(equal_region_of_which_a_block_fails),
	KUNIT_CASE(look_is_due_already),
	KUNIT_CASE(region_goes_before_what_was_replaced),
	KUNIT_CASE(replaced_in_two_blocks),
	KUNIT_CASE(replaced_beside_a_read_only_region),
	KUNIT_CASE(pins_go_before_the_watches),
	KUNIT_CASE(pins_go_beside_the_watches),
	KUNIT_CASE(watches_that_do_not_end_are_bounded),
	KUNIT_CASE(partition_goes_before_what_was_replaced),
	KUNIT_CASE(block_goes_while_the_other_is_pinned),
	KUNIT_CASE(block_goes_and_the_limit_is_lowered),
	KUNIT_CASE(signal_before_the_first_region),
	KUNIT_CASE_SLOW(no_memory_for_the_first_region),
	{}
};

/* Blocks, and what is pinned of them, are reckoned in guest pages here. */
static int watch_init(struct kunit *test)
{
	vm_need_small_pages(test);
	return vm_init(test);
}

struct kunit_suite watch_suite = {
	.name = "vmbus_gpadl_watch",
	.init = watch_init,
	.exit = vm_exit,
	.test_cases = watch_cases,
};
