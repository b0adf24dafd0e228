// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_resident: regions that are pinned when they are set.
 *
 * That maps of them give what maps of others do is for the suites *_resident.
 */
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "suites.h"
#include "vm.h"

#define RESIDENT	VMBUS_GPA_REGION_RESIDENT
#define READ_ONLY	VMBUS_GPA_REGION_READ_ONLY

/* A region of so many pages, over memory that is VM_BIG's too. */
static int set_resident(struct vm *vm, u32 flags, u64 pages)
{
	return vm_set_region(vm, VM_FREE_SLOT, RESIDENT | flags, VM_HOLE_PFN, pages,
			     vm_hva(vm, VM_BIG_PFN));
}

/* In guest pages, too */
static s64 charged(struct vm *vm)
{
	return atomic64_read(&vm->mm->pinned_vm) * VM_PER_HOST;
}

/* So many of VM_BIG's first 1200 pages are pinned. */
static u32 pinned(struct vm *vm)
{
	vm_begin(vm);
	vm_range(vm, VM_BIG_PFN, 1200);
	return vm_pages_pinned(vm);
}

/* ---- When it is pinned ---- */

VM_CASE(pinned_when_set)
{
	KUNIT_EXPECT_EQ(test, set_resident(vm, 0, 1008), 0);
	KUNIT_EXPECT_EQ(test, pinned(vm), 1008);
	KUNIT_EXPECT_EQ(test, charged(vm), 1008);
	vm_check(vm);
	/* What is there already is no change. */
	atomic_set(&vm->pins, 0);
	KUNIT_EXPECT_EQ(test, set_resident(vm, 0, 1008), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->pins), 0);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_FREE_SLOT), 0);
	KUNIT_EXPECT_EQ(test, pinned(vm), 0);
	KUNIT_EXPECT_EQ(test, charged(vm), 0);
}

VM_CASE(replaced_by_each_kind)
{
	KUNIT_EXPECT_EQ(test, set_resident(vm, 0, 704), 0);
	KUNIT_EXPECT_EQ(test, set_resident(vm, 0, 608), 0);
	KUNIT_EXPECT_EQ(test, pinned(vm), 608);
	KUNIT_EXPECT_EQ(test, charged(vm), 608);
	KUNIT_EXPECT_EQ(test, 0, vm_set_region(vm, VM_FREE_SLOT, 0, VM_HOLE_PFN, 608,
					       vm_hva(vm, VM_BIG_PFN)));
	KUNIT_EXPECT_EQ(test, pinned(vm), 0);
	KUNIT_EXPECT_EQ(test, charged(vm), 0);
	KUNIT_EXPECT_EQ(test, set_resident(vm, READ_ONLY, 608), 0);
	KUNIT_EXPECT_EQ(test, pinned(vm), 608);
	/* vm_exit() sees that the end of the partition unpins it. */
}

/* What another region has of a block at its end, and at its beginning, is pinned once. */
VM_CASE(shares_of_another)
{
	u64 hva = vm_hva(vm, VM_BIG_PFN);

	vm_need_small_pages(test);
	KUNIT_EXPECT_EQ(test, 0, vm_set_region(vm, VM_FREE_SLOT + 1, RESIDENT, VM_HOLE_PFN + 1000,
					       5, hva + 5 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, set_resident(vm, 0, 10), 0);
	KUNIT_EXPECT_EQ(test, charged(vm), 10);
	KUNIT_EXPECT_EQ(test, set_resident(vm, 0, 12), 0);
	KUNIT_EXPECT_EQ(test, charged(vm), 12);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_FREE_SLOT), 0);
	KUNIT_EXPECT_EQ(test, charged(vm), 5);
	KUNIT_EXPECT_EQ(test, pinned(vm), 5);
	vm_check(vm);
}

VM_CASE(busy_region_stays_pinned)
{
	KUNIT_EXPECT_EQ(test, set_resident(vm, 0, 608), 0);
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_HOLE_PFN, 3);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_FREE_SLOT), -EBUSY);
	/* Pinned, and then not taken. */
	KUNIT_EXPECT_EQ(test, -EBUSY, vm_set_region(vm, VM_FREE_SLOT, RESIDENT,
						    VM_HOLE_PFN + VM_PER_HOST, 704,
						    vm_hva(vm, VM_BIG_PFN)));
	KUNIT_EXPECT_EQ(test, pinned(vm), 608);
	KUNIT_EXPECT_EQ(test, charged(vm), 608);
	vm_unmap(&vm->c[0], VM_HANDLE);
	KUNIT_EXPECT_EQ(test, pinned(vm), 608);
}

VM_CASE(map_neither_pins_nor_charges)
{
	KUNIT_EXPECT_EQ(test, set_resident(vm, 0, 608), 0);
	vm_limit(vm, 0);
	atomic_set(&vm->pins, 0);
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_HOLE_PFN, 608);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->pins), 0);
	KUNIT_EXPECT_EQ(test, charged(vm), 608);
	vm_unmap(&vm->c[0], VM_HANDLE);
	KUNIT_EXPECT_EQ(test, charged(vm), 608);
}

/* Pinned, mapped with @flags, and unmapped */
static void set_and_map(struct vm *vm, u32 flags)
{
	KUNIT_ASSERT_EQ(vm->test, set_resident(vm, 0, 2 * VM_PER_HOST), 0);
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_HOLE_PFN, 1);
	KUNIT_ASSERT_EQ(vm->test, vm_map(&vm->c[0], flags, VM_HANDLE, NULL), 0);
	vm_unmap(&vm->c[0], VM_HANDLE);
	KUNIT_EXPECT_EQ(vm->test, vm_teardown(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_torndown(vm, VM_HANDLE);
}

VM_CASE(only_a_writable_map_makes_dirty)
{
	unsigned long hva = vm_hva(vm, VM_BIG_PFN);

	set_and_map(vm, VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY);
	KUNIT_ASSERT_EQ(test, vm_remove_region(vm, VM_FREE_SLOT), 0);
	KUNIT_EXPECT_FALSE(test, vm_page_is_dirty(hva));
	set_and_map(vm, 0);
	KUNIT_ASSERT_EQ(test, vm_remove_region(vm, VM_FREE_SLOT), 0);
	KUNIT_EXPECT_TRUE(test, vm_page_is_dirty(hva));
}

/* The pins of what is written by one region go with another, which has taken them over. */
VM_CASE(dirty_by_the_region_before)
{
	unsigned long hva = vm_hva(vm, VM_BIG_PFN);

	set_and_map(vm, 0);
	KUNIT_ASSERT_EQ(test, set_resident(vm, 0, VM_PER_HOST), 0);
	KUNIT_EXPECT_FALSE(test, vm_page_is_dirty(hva));
	KUNIT_ASSERT_EQ(test, vm_remove_region(vm, VM_FREE_SLOT), 0);
	KUNIT_EXPECT_TRUE(test, vm_page_is_dirty(hva));
}

/* Adjoining pages, but for the last: that is VM_LOW's first. */
static long pin_last_elsewhere(struct vm *vm, unsigned long hva, unsigned long nr,
			       unsigned int gup_flags, struct page **pages)
{
	KUNIT_EXPECT_EQ(vm->test, pin_user_pages_fast(hva, nr - 1, gup_flags, pages), nr - 1);
	KUNIT_EXPECT_EQ(vm->test, 1, pin_user_pages_fast(vm_hva(vm, VM_LOW_PFN), 1, gup_flags,
							 pages + nr - 1));
	return nr;
}

VM_CASE(last_page_is_elsewhere)
{
	unsigned long hva = vm_hva(vm, VM_LOW_PFN);
	struct sg_table *sgt;
	u64 value = 0;

	KUNIT_EXPECT_EQ(test, copy_to_user((void __user *)hva, &(u64) { 17 }, 8), 0);
	vm->pin = pin_last_elsewhere;
	KUNIT_ASSERT_EQ(test, set_resident(vm, 0, 5 * VM_PER_HOST), 0);
	vm->pin = NULL;
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_HOLE_PFN, 5 * VM_PER_HOST);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, &sgt), 0);
	KUNIT_EXPECT_EQ(test, 8, sg_pcopy_to_buffer(sgt->sgl, sgt->orig_nents, &value, 8,
						    4 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, value, 17);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

/* One GPADL with pages in both kinds of region: only the one kind is pinned for it. */
VM_CASE(map_of_both_kinds)
{
	struct sg_table *sgt;
	int i;

	vm->memory[VM_RO].flags = RESIDENT | READ_ONLY;
	vm->memory[VM_HIGH].flags = RESIDENT;
	KUNIT_EXPECT_EQ(test, vmbus_partition_set_regions(vm->p, vm->memory, VM_NR_SLOTS, 0), 0);
	vm_begin(vm);
	vm_range(vm, VM_RO_PFN, 4);
	vm_range(vm, VM_HIGH_PFN - 5, 10);
	vm_range(vm, VM_BIG_PFN, 7);
	vm_range(vm, VM_HIGH_PFN + 9, 2);
	vm_fill_gpadl(vm);
	KUNIT_EXPECT_EQ(test, vm_send(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_created(vm, &vm->c[0], VM_HANDLE, GPADL_STATUS_SUCCESS);
	for (i = 0; i < 2; i++) {
		KUNIT_ASSERT_EQ(test, 0, vm_map(&vm->c[0], VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY,
						VM_HANDLE, &sgt));
		vm_expect_sg(vm, sgt);
		KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), 23);
		KUNIT_EXPECT_EQ(test, charged(vm), VM_RO_PAGES + VM_HIGH_PAGES +
						   (VM_PER_HOST > 1 ? 2 * VM_PER_HOST : 12));
		vm_unmap(&vm->c[0], VM_HANDLE);
		KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), 11);
		vm_check(vm);
	}
}

/* ---- What fails leaves nothing ---- */

static void expect_nothing_done(struct vm *vm)
{
	KUNIT_EXPECT_EQ(vm->test, pinned(vm), 0);
	KUNIT_EXPECT_EQ(vm->test, charged(vm), 0);
	KUNIT_EXPECT_EQ(vm->test, READ_ONCE(vm->p->mem.pin_total), 0);
	KUNIT_EXPECT_NULL(vm->test, vm_region(vm, VM_FREE_SLOT));
	vm_check(vm);
}

VM_CASE(owner_over_limit)
{
	vm_limit(vm, 1008 / VM_PER_HOST - 1);
	KUNIT_EXPECT_EQ(test, set_resident(vm, 0, 1008), -ENOMEM);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->pins), 0);
	expect_nothing_done(vm);
	KUNIT_EXPECT_EQ(test, set_resident(vm, 0, 1008 - VM_PER_HOST), 0);
	/* What takes its place pins only what it did not have. */
	KUNIT_EXPECT_EQ(test, set_resident(vm, 0, 1008 - 2 * VM_PER_HOST), 0);
	KUNIT_EXPECT_EQ(test, charged(vm), 1008 - 2 * VM_PER_HOST);
}

/* A limit that was lowered since holds for what is not pinned yet. */
VM_CASE(limit_is_lowered)
{
	vm_limit(vm, 1008 / VM_PER_HOST);
	KUNIT_EXPECT_EQ(test, set_resident(vm, 0, 1008), 0);
	vm_limit(vm, 10);
	KUNIT_EXPECT_EQ(test, set_resident(vm, 0, 1008 - VM_PER_HOST), 0);
	KUNIT_EXPECT_EQ(test, charged(vm), 1008 - VM_PER_HOST);
	KUNIT_EXPECT_EQ(test, set_resident(vm, 0, 1008), -ENOMEM);
}

/* Is -ENOMEM or -EFAULT all that it gets, and not memory for each of its 400 blocks? */
static void expect_cheap(struct vm *vm, int error)
{
	struct alloc_fault f = { .n = 200 };
	int ret;

	alloc_fault_begin(&f);
	ret = vm_set_region(vm, VM_FREE_SLOT, RESIDENT, 1ull << 28,
			    400 * GPADL_BLOCK_PAGES * VM_PER_HOST, PAGE_SIZE);
	alloc_fault_end(&f);
	KUNIT_EXPECT_EQ(vm->test, ret, error);
	KUNIT_EXPECT_FALSE(vm->test, f.injected);
	expect_nothing_done(vm);
}

VM_CASE(no_memory_for_what_cannot_be)
{
	alloc_fault_need(test);
	expect_cheap(vm, -EFAULT);
	vm_limit(vm, 999);
	expect_cheap(vm, -ENOMEM);
}

VM_CASE(memory_that_cannot_be_pinned)
{
	u64 hva = vm_hva(vm, VM_NOWRITE_PFN);

	KUNIT_EXPECT_EQ(test, -EFAULT, vm_set_region(vm, VM_FREE_SLOT, RESIDENT, VM_HOLE_PFN,
						     VM_NOWRITE_PAGES, hva));
	KUNIT_EXPECT_EQ(test, -EFAULT, vm_set_region(vm, VM_FREE_SLOT, RESIDENT, VM_HOLE_PFN,
						     VM_PER_HOST, PAGE_SIZE));
	expect_nothing_done(vm);
	KUNIT_EXPECT_EQ(test, 0, vm_set_region(vm, VM_FREE_SLOT, RESIDENT | READ_ONLY,
					       VM_HOLE_PFN, VM_NOWRITE_PAGES, hva));
}

/* As many calls as it takes to be in the third block, then vm->pin_result. */
static long pin_then_fail(struct vm *vm, unsigned long hva, unsigned long nr,
			  unsigned int gup_flags, struct page **pages)
{
	KUNIT_EXPECT_EQ(vm->test, gup_flags, FOLL_LONGTERM | FOLL_WRITE);
	if (atomic_read(&vm->pins) > 10)
		return vm->pin_result;
	return pin_user_pages_fast(hva, min(nr, 110ul), gup_flags, pages);
}

static long pin_then_die(struct vm *vm, unsigned long hva, unsigned long nr,
			 unsigned int gup_flags, struct page **pages)
{
	if (atomic_read(&vm->pins) == 2)
		vm_kill();
	KUNIT_EXPECT_LT(vm->test, atomic_read(&vm->pins), 4);
	return pin_user_pages_fast(hva, nr, gup_flags, pages);
}

VM_CASE(pin_fails_half_way)
{
	static const struct {
		long pin;
		int set;
		int tries;
	} rows[] = {
		{ -EFAULT, -EFAULT, 1 },
		{ 0, -EFAULT, GPADL_PIN_TRIES },
		{ -ENOMEM, -ENOMEM, GPADL_PIN_TRIES },
	};
	int i;

	vm_need_small_pages(test);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		vm->pin = pin_then_fail;
		vm->pin_result = rows[i].pin;
		atomic_set(&vm->pins, 0);
		KUNIT_EXPECT_EQ(test, set_resident(vm, 0, 1200), rows[i].set);
		KUNIT_EXPECT_EQ(test, atomic_read(&vm->pins), 10 + rows[i].tries);
		expect_nothing_done(vm);
	}
	vm->pin = NULL;
	KUNIT_EXPECT_EQ(test, set_resident(vm, 0, 1200), 0);
	KUNIT_EXPECT_EQ(test, pinned(vm), 1200);
}

VM_CASE(killed_half_way)
{
	vm_need_small_pages(test);
	/* The kernel itself would give up where it has to make pages. */
	vm_fill(vm, VM_BIG_PFN, 1200);
	vm->pin = pin_then_die;
	KUNIT_EXPECT_EQ(test, set_resident(vm, 0, 1200), -EINTR);
	vm_unkill();
	expect_nothing_done(vm);
}

/* The second of two: the first goes too. */
VM_CASE(one_of_two_fails)
{
	struct vmbus_gpa_region changes[] = {
		{ .slot = VM_FREE_SLOT, .flags = RESIDENT, .bytes = 608 * GUEST_PAGE,
		  .gpa = (u64)VM_HOLE_PFN << GPADL_PAGE_SHIFT, .hva = vm_hva(vm, VM_BIG_PFN) },
		{ .slot = VM_FREE_SLOT + 1, .flags = RESIDENT, .bytes = PAGE_SIZE,
		  .gpa = (u64)(VM_HOLE_PFN + 608) << GPADL_PAGE_SHIFT, .hva = PAGE_SIZE },
	};

	KUNIT_EXPECT_EQ(test, vmbus_partition_set_regions(vm->p, changes, 2, 0), -EFAULT);
	expect_nothing_done(vm);
}

VM_CASE(out_of_memory)
{
	struct alloc_fault f = {};
	u32 failed = 0;
	int ret;

	alloc_fault_need(test);
	vm_begin(vm);
	vm_range(vm, VM_BIG_PFN, 1200);
	vm_fill_gpadl(vm);
	while (alloc_fault_next(&f)) {
		alloc_fault_begin(&f);
		ret = set_resident(vm, 0, 1200);
		alloc_fault_end(&f);

		KUNIT_EXPECT_TRUE(test, !ret || (f.injected && ret == -ENOMEM));
		failed += !!ret;
		if (!ret)
			KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_FREE_SLOT), 0);
		KUNIT_EXPECT_EQ(test, charged(vm), 0);
	}
	expect_nothing_done(vm);
	/* Region, table of regions, table of pages, list of pages, three leaves. */
	KUNIT_EXPECT_GE(test, failed, 5);
}

/* ---- The table ---- */

static long pin_shows_progress(struct vm *vm, unsigned long hva, unsigned long nr,
			       unsigned int gup_flags, struct page **pages)
{
	unsigned long done = (hva - vm_hva(vm, VM_BIG_PFN)) >> PAGE_SHIFT;

	KUNIT_EXPECT_EQ(vm->test, READ_ONCE(vm->p->mem.pin_done), done);
	KUNIT_EXPECT_EQ(vm->test, READ_ONCE(vm->p->mem.pin_total), 1200 / VM_PER_HOST);
	return pin_user_pages_fast(hva, nr, gup_flags, pages);
}

VM_CASE(progress)
{
	vm->pin = pin_shows_progress;
	KUNIT_EXPECT_EQ(test, set_resident(vm, 0, 1200), 0);
	KUNIT_EXPECT_EQ(test, READ_ONCE(vm->p->mem.pin_total), 0);
}

/* A mapping of another region keeps the regions' table, and nothing of what this one had. */
VM_CASE(table_goes_with_its_region)
{
	struct gpadl_region *region;

	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 1);
	KUNIT_EXPECT_EQ(test, set_resident(vm, 0, 1008), 0);
	region = vm_region(vm, VM_FREE_SLOT);
	KUNIT_ASSERT_NOT_NULL(test, region);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	KUNIT_EXPECT_NOT_NULL(test, region->resident);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_FREE_SLOT), 0);
	KUNIT_EXPECT_EQ(test, refcount_read(&region->ref), 1);
	KUNIT_EXPECT_NULL(test, region->resident);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

static struct kunit_case resident_cases[] = {
	KUNIT_CASE(pinned_when_set),
	KUNIT_CASE(replaced_by_each_kind),
	KUNIT_CASE(shares_of_another),
	KUNIT_CASE(busy_region_stays_pinned),
	KUNIT_CASE(map_neither_pins_nor_charges),
	KUNIT_CASE(only_a_writable_map_makes_dirty),
	KUNIT_CASE(dirty_by_the_region_before),
	KUNIT_CASE(last_page_is_elsewhere),
	KUNIT_CASE(map_of_both_kinds),
	KUNIT_CASE(owner_over_limit),
	KUNIT_CASE(limit_is_lowered),
	KUNIT_CASE(no_memory_for_what_cannot_be),
	KUNIT_CASE(memory_that_cannot_be_pinned),
	KUNIT_CASE(pin_fails_half_way),
	KUNIT_CASE(killed_half_way),
	KUNIT_CASE(one_of_two_fails),
	KUNIT_CASE(out_of_memory),
	KUNIT_CASE(progress),
	KUNIT_CASE(table_goes_with_its_region),
	{}
};

struct kunit_suite resident_suite = {
	.name = "vmbus_gpadl_resident",
	.init = vm_init,
	.exit = vm_exit,
	.test_cases = resident_cases,
};
