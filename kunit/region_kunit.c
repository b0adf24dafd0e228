// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_region: changes of the regions of guest memory, all or none.
 */
#include <linux/delay.h>
#include <linux/refcount.h>
#include <linux/timer.h>

#include "suites.h"
#include "vm.h"

/* A guest page that the cases use, in VM_LOW; and where free addresses begin. */
#define PFN		(VM_LOW_PFN + 16)
#define FREE_PFN	VM_HOLE_PFN

/* 0: a GPADL of that page can be mapped. */
static int try_page(struct vm *vm, u64 pfn)
{
	int ret;

	vm_begin(vm);
	vm_range(vm, pfn, 1);
	ret = vm_send(vm, &vm->c[1], 77);
	KUNIT_EXPECT_EQ(vm->test, ret, 0);
	if (!vm_gpadl(&vm->c[1], 77)) {
		vm_expect_created(vm, &vm->c[1], 77, GPADL_STATUS_INVALID_PARAMETER);
		return -ENOENT;
	}
	vm_expect_created(vm, &vm->c[1], 77, GPADL_STATUS_SUCCESS);
	ret = vm_map(&vm->c[1], 0, 77, NULL);
	if (!ret)
		vm_unmap(&vm->c[1], 77);
	KUNIT_EXPECT_EQ(vm->test, vm_teardown(vm, &vm->c[1], 77), 0);
	vm_expect_torndown(vm, 77);
	return ret;
}

static u64 generation_now(struct vm *vm)
{
	struct gpadl_region_table *table;

	guard(rcu)();
	table = rcu_dereference(vm->p->mem.table);
	return table->generation;
}

/* ---- What is refused ---- */

struct bad_region {
	const char *name;
	struct vmbus_gpa_region what;
	int ret;
};

#define GPA(pfn)	((u64)(pfn) << GPADL_PAGE_SHIFT)
#define GPA_END		BIT_ULL(52)

/* Each is wrong in one field; hva 0 stands for one that is right. */
static const struct bad_region bad_regions[] = {
	{ "slot", { 512, 0, GPA(FREE_PFN), PAGE_SIZE }, -EINVAL },
	{ "slot of 32 bits", { ~0u, 0, GPA(FREE_PFN), PAGE_SIZE }, -EINVAL },
	{ "flag", { VM_FREE_SLOT, BIT(2), GPA(FREE_PFN), PAGE_SIZE }, -EOPNOTSUPP },
	{ "flag of 32 bits", { VM_FREE_SLOT, BIT(31), GPA(FREE_PFN), PAGE_SIZE }, -EOPNOTSUPP },
	{ "gpa", { VM_FREE_SLOT, 0, GPA(FREE_PFN) + 8, PAGE_SIZE }, -EINVAL },
	{ "bytes", { VM_FREE_SLOT, 0, GPA(FREE_PFN), PAGE_SIZE + 8 }, -EINVAL },
	{ "hva", { VM_FREE_SLOT, 0, GPA(FREE_PFN), PAGE_SIZE, PAGE_SIZE + 8 }, -EINVAL },
	{ "gpa over 52 bits", { VM_FREE_SLOT, 0, GPA_END, PAGE_SIZE }, -EINVAL },
	{ "end over 52 bits", { VM_FREE_SLOT, 0, GPA_END - PAGE_SIZE, 2 * PAGE_SIZE },
	  -EINVAL },
	{ "end over 64 bits", { VM_FREE_SLOT, 0, -PAGE_SIZE, 2 * PAGE_SIZE }, -EINVAL },
	{ "bytes of 64 bits", { VM_FREE_SLOT, 0, GPA(FREE_PFN), -PAGE_SIZE }, -EINVAL },
	{ "hva of the kernel", { VM_FREE_SLOT, 0, GPA(FREE_PFN), PAGE_SIZE, -PAGE_SIZE },
	  -EINVAL },
	{ "hva of nobody", { VM_FREE_SLOT, 0, GPA(FREE_PFN), PAGE_SIZE, BIT_ULL(62) },
	  -EINVAL },
	{ "removal of nothing", { VM_FREE_SLOT, 0, 0, 0 }, -ENOENT },
	{ "overlaps the first page",
	  { VM_FREE_SLOT, 0, GPA(VM_LOW_PFN - VM_PER_HOST), 2 * PAGE_SIZE }, -EEXIST },
	{ "overlaps the last page",
	  { VM_FREE_SLOT, 0, GPA(VM_HIGH_PFN + VM_HIGH_PAGES - VM_PER_HOST), 2 * PAGE_SIZE },
	  -EEXIST },
	{ "inside another", { VM_FREE_SLOT, 0, GPA(PFN), PAGE_SIZE }, -EEXIST },
	{ "around another",
	  { VM_FREE_SLOT, 0, GPA(VM_RO_PFN - VM_PER_HOST), GPA(VM_RO_PAGES + 2 * VM_PER_HOST) },
	  -EEXIST },
	{ "where another is",
	  { VM_FREE_SLOT, 0, GPA(VM_RO_PFN), GPA(VM_RO_PAGES) }, -EEXIST },
};

static void bad_region_desc(const struct bad_region *b, char *desc)
{
	strscpy(desc, b->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(bad_region, bad_regions, bad_region_desc);

/* Alone, and behind one that is right: then that one does not come about either. */
VM_CASE(region_with_bad_field)
{
	const struct bad_region *b = test->param_value;
	struct vmbus_gpa_region changes[] = {
		{ .slot = VM_FREE_SLOT + 1, .gpa = GPA(FREE_PFN + 64), .bytes = PAGE_SIZE },
		b->what,
	};
	u64 generation = generation_now(vm);

	changes[0].hva = vm_hva(vm, PFN);
	if (!changes[1].hva)
		changes[1].hva = vm_hva(vm, PFN);
	KUNIT_EXPECT_EQ(test, vmbus_partition_set_regions(vm->p, &changes[1], 1, 0), b->ret);
	KUNIT_EXPECT_EQ(test, vmbus_partition_set_regions(vm->p, changes, 2, 0), b->ret);
	KUNIT_EXPECT_EQ(test, generation_now(vm), generation);
	KUNIT_EXPECT_EQ(test, try_page(vm, FREE_PFN + 64), -ENOENT);
	KUNIT_EXPECT_EQ(test, try_page(vm, PFN), 0);
	KUNIT_EXPECT_EQ(test, vmbus_partition_set_regions(vm->p, changes, 1, 0), 0);
	KUNIT_EXPECT_EQ(test, try_page(vm, FREE_PFN + 64), 0);
}

VM_CASE(slot_named_twice)
{
	struct vmbus_gpa_region changes[] = {
		{ .slot = VM_FREE_SLOT, .gpa = GPA(FREE_PFN), .bytes = PAGE_SIZE },
		{ .slot = VM_FREE_SLOT, .gpa = GPA(FREE_PFN + VM_PER_HOST), .bytes = PAGE_SIZE },
	};

	KUNIT_EXPECT_EQ(test, vmbus_partition_set_regions(vm->p, changes, 2, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, try_page(vm, FREE_PFN), -ENOENT);
}

VM_CASE(unknown_flag_of_the_change)
{
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			vmbus_partition_set_regions(vm->p, &vm->memory[VM_LOW], 1,
						    VMBUS_GPA_REGIONS_RETIRE << 1));
	KUNIT_EXPECT_EQ(test, try_page(vm, PFN), 0);
}

VM_CASE(new_regions_overlap)
{
	struct vmbus_gpa_region changes[] = {
		{ .slot = VM_FREE_SLOT, .gpa = GPA(FREE_PFN), .bytes = 2 * PAGE_SIZE },
		{ .slot = VM_FREE_SLOT + 1, .gpa = GPA(FREE_PFN + VM_PER_HOST),
		  .bytes = PAGE_SIZE },
	};

	KUNIT_EXPECT_EQ(test, vmbus_partition_set_regions(vm->p, changes, 2, 0), -EEXIST);
	KUNIT_EXPECT_EQ(test, try_page(vm, FREE_PFN), -ENOENT);
}

static int task_remove_low_killed(struct vm_task *t)
{
	int ret;

	vm_kill();
	ret = vm_remove_region(t->vm, VM_LOW);
	vm_unkill();
	return ret;
}

/* A change that has to wait for another gives up when it is killed. */
VM_CASE(fatal_signal_while_waiting)
{
	struct vm_task *t;

	mutex_lock(&vm->p->mem.change_lock);
	t = vm_start(vm, task_remove_low_killed, NULL, 0, 0);
	KUNIT_EXPECT_EQ(test, vm_join(t), -EINTR);
	mutex_unlock(&vm->p->mem.change_lock);
	KUNIT_EXPECT_EQ(test, try_page(vm, PFN), 0);
}

/* ---- What is changed ---- */

VM_CASE(region_removed)
{
	vm_establish(vm, &vm->c[0], VM_HANDLE, PFN, 1);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_LOW), 0);
	KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), -EFAULT);
	KUNIT_EXPECT_EQ(test, try_page(vm, PFN), -ENOENT);
	/* Others are as before. */
	KUNIT_EXPECT_EQ(test, try_page(vm, VM_HIGH_PFN), 0);

	KUNIT_EXPECT_EQ(test, vmbus_partition_set_regions(vm->p, &vm->memory[VM_LOW], 1, 0), 0);
	KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

/* A map finds the region that is there then. */
VM_CASE(region_replaced)
{
	struct sg_table *sgt;

	vm_fill(vm, VM_LOW_PFN, 1);
	vm_fill(vm, VM_HIGH_PFN, 1);
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 1);
	KUNIT_EXPECT_EQ(test, vm_set_region(vm, VM_LOW, 0, VM_LOW_PFN, VM_PER_HOST,
					    vm_hva(vm, VM_HIGH_PFN)), 0);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, &sgt), 0);
	/* What is there has the address of the other page in it. */
	vm_begin(vm);
	vm_range(vm, VM_HIGH_PFN, 1);
	vm_expect_sg(vm, sgt);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

/* Nothing else is changed. */
VM_CASE(region_moved_in_the_vmm)
{
	struct vmbus_gpa_region moved = vm->memory[VM_LOW];

	moved.hva = vm->memory[VM_HIGH].hva;
	KUNIT_EXPECT_EQ(test, vmbus_partition_set_regions(vm->p, &moved, 1, 0), 0);
	vm->memory[VM_LOW].hva = moved.hva;
	vm_begin(vm);
	vm_range(vm, PFN, 3);
	vm_expect_maps(vm, 0);
}

VM_CASE(region_made_read_only)
{
	struct vmbus_gpa_region read_only = vm->memory[VM_LOW];

	vm_establish(vm, &vm->c[0], VM_HANDLE, PFN, 1);
	read_only.flags |= VMBUS_GPA_REGION_READ_ONLY;
	KUNIT_EXPECT_EQ(test, vmbus_partition_set_regions(vm->p, &read_only, 1, 0), 0);
	KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), -EACCES);
	KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY,
				     VM_HANDLE, NULL), 0);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

/* Two regions change places: in between, they would overlap. */
VM_CASE(regions_swapped)
{
	struct vmbus_gpa_region changes[] = { vm->memory[VM_LOW], vm->memory[VM_HIGH] };

	swap(changes[0].gpa, changes[1].gpa);
	KUNIT_EXPECT_EQ(test, vmbus_partition_set_regions(vm->p, &changes[0], 1, 0), -EEXIST);
	KUNIT_EXPECT_EQ(test, vmbus_partition_set_regions(vm->p, changes, 2, 0), 0);
	swap(vm->memory[VM_LOW].gpa, vm->memory[VM_HIGH].gpa);
	vm_begin(vm);
	vm_range(vm, VM_HIGH_PFN - 5, 10);
	vm_expect_maps(vm, 0);
}

/* A page of the host each, and one between each two */
static u64 slot_pfn(u32 slot)
{
	return 0x100000 - 2 * VM_PER_HOST * slot;
}

VM_CASE(every_slot)
{
	u32 slot;

	for (slot = VM_NR_SLOTS; slot < VMBUS_GPA_REGION_SLOTS; slot++)
		KUNIT_EXPECT_EQ(test, vm_set_region(vm, slot, 0, slot_pfn(slot), VM_PER_HOST,
						    vm_hva(vm, PFN)), 0);
	KUNIT_EXPECT_EQ(test, try_page(vm, slot_pfn(511)), 0);
	KUNIT_EXPECT_EQ(test, try_page(vm, slot_pfn(VM_NR_SLOTS)), 0);
	KUNIT_EXPECT_EQ(test, try_page(vm, slot_pfn(300)), 0);
	KUNIT_EXPECT_EQ(test, try_page(vm, slot_pfn(300) + VM_PER_HOST), -ENOENT);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, 300), 0);
	KUNIT_EXPECT_EQ(test, try_page(vm, slot_pfn(300)), -ENOENT);
}

/* ---- While something is mapped ---- */

VM_CASE(busy_region)
{
	struct vmbus_gpa_region smaller = vm->memory[VM_LOW];

	vm_establish(vm, &vm->c[0], VM_HANDLE, PFN, 1);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	smaller.bytes = GPA(PFN - VM_LOW_PFN);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_LOW), -EBUSY);
	KUNIT_EXPECT_EQ(test, vmbus_partition_set_regions(vm->p, &smaller, 1, 0), -EBUSY);
	KUNIT_EXPECT_EQ(test, try_page(vm, PFN + 1), 0);

	/* What is there already is no change; others can be changed. */
	KUNIT_EXPECT_EQ(test, vmbus_partition_set_regions(vm->p, &vm->memory[VM_LOW], 1, 0), 0);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_HIGH), 0);
	KUNIT_EXPECT_EQ(test, vm_set_region(vm, VM_FREE_SLOT, 0, FREE_PFN, VM_PER_HOST,
					    vm_hva(vm, PFN)), 0);
	vm_check(vm);

	vm_unmap(&vm->c[0], VM_HANDLE);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_LOW), 0);
}

/* Each region that a GPADL has pages in is busy; all or none of a change is done. */
VM_CASE(busy_among_others)
{
	struct vmbus_gpa_region changes[VM_NR_SLOTS] = {};
	u32 i;

	vm_begin(vm);
	vm_range(vm, VM_HIGH_PFN, 1);
	vm_range(vm, VM_TOP_PFN, 1);
	KUNIT_EXPECT_EQ(test, vm_send(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_created(vm, &vm->c[0], VM_HANDLE, GPADL_STATUS_SUCCESS);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_HIGH), -EBUSY);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_TOP), -EBUSY);

	for (i = 0; i < VM_NR_SLOTS; i++)
		changes[i].slot = i;
	KUNIT_EXPECT_EQ(test, vmbus_partition_set_regions(vm->p, changes, VM_NR_SLOTS, 0), -EBUSY);
	for (i = 0; i < VM_NR_SLOTS; i++)
		if (i != VM_NOVMA && i != VM_RO && i != VM_NOWRITE)
			KUNIT_EXPECT_EQ(test, 0, try_page(vm, (vm->memory[i].gpa >>
							       GPADL_PAGE_SHIFT) + 2));
	vm_unmap(&vm->c[0], VM_HANDLE);
	KUNIT_EXPECT_EQ(test, vmbus_partition_set_regions(vm->p, changes, VM_NR_SLOTS, 0), 0);
	KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), -EFAULT);
}

/* Whatever their order in the GPADL, and in the table */
VM_CASE(busy_one_and_all)
{
	static const u32 slots[] = { VM_TOP, VM_HIGH, VM_BIG, VM_LOW };
	int i;

	vm_begin(vm);
	for (i = 0; i < ARRAY_SIZE(slots); i++)
		vm_range(vm, vm->memory[slots[i]].gpa >> GPADL_PAGE_SHIFT, 1);
	KUNIT_EXPECT_EQ(test, vm_send(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_created(vm, &vm->c[0], VM_HANDLE, GPADL_STATUS_SUCCESS);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	for (i = 0; i < ARRAY_SIZE(slots); i++)
		KUNIT_EXPECT_EQ(test, vm_remove_region(vm, slots[i]), -EBUSY);
	vm_unmap(&vm->c[0], VM_HANDLE);
	for (i = 0; i < ARRAY_SIZE(slots); i++)
		KUNIT_EXPECT_EQ(test, vm_remove_region(vm, slots[i]), 0);
}

/*
 * It is being decided whether the regions change. A map that comes meanwhile sleeps, is a
 * user of none, and has not become one for each look when it goes on.
 */
VM_CASE(map_while_regions_change)
{
	struct gpadl_region *low = vm_region(vm, VM_LOW), *high = vm_region(vm, VM_HIGH);
	struct vm_task *t;

	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_HIGH_PFN - 1, 2);
	down_write(&vm->p->mem.switch_sem);
	WRITE_ONCE(vm->p->mem.switching, true);
	t = vm_start(vm, vm_task_map, &vm->c[0], 0, VM_HANDLE);
	vm_wait_asleep(t);
	KUNIT_EXPECT_EQ(test, refcount_read(&low->users), 1);
	KUNIT_EXPECT_EQ(test, refcount_read(&high->users), 1);
	WRITE_ONCE(vm->p->mem.switching, false);
	up_write(&vm->p->mem.switch_sem);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	KUNIT_EXPECT_EQ(test, refcount_read(&low->users), 2);
	KUNIT_EXPECT_EQ(test, refcount_read(&high->users), 2);
	vm_unmap(&vm->c[0], VM_HANDLE);
	KUNIT_EXPECT_EQ(test, refcount_read(&low->users), 1);
	KUNIT_EXPECT_EQ(test, refcount_read(&high->users), 1);
}

static int task_map_killed(struct vm_task *t)
{
	int ret;

	vm_kill();
	ret = vm_task_map(t);
	vm_unkill();
	return ret;
}

/* One that is killed does not wait for it. */
VM_CASE(killed_while_regions_change)
{
	vm_establish(vm, &vm->c[0], VM_HANDLE, PFN, 2);
	down_write(&vm->p->mem.switch_sem);
	WRITE_ONCE(vm->p->mem.switching, true);
	KUNIT_EXPECT_EQ(test, -EINTR, vm_join(vm_start(vm, task_map_killed, &vm->c[0], 0,
						       VM_HANDLE)));
	WRITE_ONCE(vm->p->mem.switching, false);
	up_write(&vm->p->mem.switch_sem);
	KUNIT_EXPECT_EQ(test, refcount_read(&vm_region(vm, VM_LOW)->users), 1);
}

/* ---- A table that goes ---- */

/* Brings the table back while a map looks for it. */
struct return_of_table {
	struct timer_list timer;
	struct gpadl_region_table *table;
	bool looks;		/* the map is about to begin */
	bool mapped;		/* it has come to its end */
	bool too_early;		/* before the table was back */
};

#define TABLE_IS_AWAY	msecs_to_jiffies(20)

static int task_map_meanwhile(struct vm_task *t)
{
	struct return_of_table *r = t->arg;
	int ret;

	WRITE_ONCE(r->looks, true);
	ret = vm_task_map(t);
	WRITE_ONCE(r->mapped, true);
	return ret;
}

/* In an interrupt: the map does not sleep, and there may be no other processor. */
static void table_returns(struct timer_list *timer)
{
	struct return_of_table *r = container_of(timer, struct return_of_table, timer);

	if (!READ_ONCE(r->looks)) {
		mod_timer(timer, jiffies + TABLE_IS_AWAY);
		return;
	}
	r->too_early = READ_ONCE(r->mapped);
	refcount_set(&r->table->ref, 1);
}

/* Its last holder goes between a map's look at the table and its hold: not for long. */
VM_CASE(map_while_table_goes)
{
	struct return_of_table *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);
	struct vm_task *t;

	KUNIT_ASSERT_NOT_NULL(test, r);
	vm_establish(vm, &vm->c[0], VM_HANDLE, PFN, 2);
	r->table = rcu_dereference_protected(vm->p->mem.table, true);
	KUNIT_ASSERT_TRUE(test, refcount_dec_if_one(&r->table->ref));
	timer_setup(&r->timer, table_returns, 0);
	mod_timer(&r->timer, jiffies + TABLE_IS_AWAY);
	t = vm_start_with(vm, task_map_meanwhile, &vm->c[0], 0, VM_HANDLE, r);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	timer_shutdown_sync(&r->timer);
	KUNIT_EXPECT_FALSE(test, r->too_early);
	vm_unmap(&vm->c[0], VM_HANDLE);
	KUNIT_EXPECT_EQ(test, refcount_read(&r->table->ref), 1);
}

/*
 * A map finds that the second of its regions is being removed, and tries again, as long as that
 * takes: it leaves the first alone meanwhile.
 */
VM_CASE(region_that_goes_keeps_no_other)
{
	struct gpadl_region *first, *second;
	struct vm_task *t;

	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_HIGH_PFN - 1, 2);
	first = vm_region(vm, VM_LOW);
	second = vm_region(vm, VM_HIGH);
	refcount_set(&second->users, 0);
	t = vm_start(vm, vm_task_map, &vm->c[0], 0, VM_HANDLE);
	msleep(50);
	refcount_set(&second->users, 1);
	KUNIT_ASSERT_EQ(test, vm_join(t), 0);
	KUNIT_EXPECT_EQ(test, refcount_read(&first->users), 2);
	KUNIT_EXPECT_EQ(test, refcount_read(&second->users), 2);
	vm_unmap(&vm->c[0], VM_HANDLE);
	vm_check(vm);
}

/* Two GPADLs keep a region until the second is unmapped. */
VM_CASE(region_of_two_gpadls)
{
	vm_establish(vm, &vm->c[0], 1, PFN, 1);
	vm_establish(vm, &vm->c[1], 2, PFN, 2);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, 1, NULL), 0);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[1], 0, 2, NULL), 0);
	vm_unmap(&vm->c[0], 1);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_LOW), -EBUSY);
	vm_unmap(&vm->c[1], 2);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_LOW), 0);
}

/* A map that fails keeps no region. */
VM_CASE(region_after_failed_map)
{
	vm_begin(vm);
	vm_range(vm, PFN, 1);
	vm_range(vm, VM_NOVMA_PFN, 1);
	KUNIT_EXPECT_EQ(test, vm_send(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_created(vm, &vm->c[0], VM_HANDLE, GPADL_STATUS_SUCCESS);
	KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), -EFAULT);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_LOW), 0);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_NOVMA), 0);
}

/* Now one allocation fails, now another: then nothing has changed. */
VM_CASE(out_of_memory)
{
	struct vmbus_gpa_region changes[] = {
		{ .slot = VM_FREE_SLOT, .gpa = GPA(FREE_PFN), .bytes = PAGE_SIZE },
		{ .slot = VM_LOW },
	};
	struct alloc_fault f = {};
	u32 failed = 0;
	int ret;

	alloc_fault_need(test);
	changes[0].hva = vm_hva(vm, PFN);
	while (alloc_fault_next(&f)) {
		alloc_fault_begin(&f);
		ret = vmbus_partition_set_regions(vm->p, changes, 2, 0);
		alloc_fault_end(&f);

		KUNIT_EXPECT_TRUE(test, !ret || (f.injected && ret == -ENOMEM));
		failed += !!ret;
		KUNIT_EXPECT_EQ(test, try_page(vm, PFN), ret ? 0 : -ENOENT);
		KUNIT_EXPECT_EQ(test, try_page(vm, FREE_PFN), ret ? -ENOENT : 0);
		if (ret)
			continue;
		KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_FREE_SLOT), 0);
		KUNIT_EXPECT_EQ(test, 0, vmbus_partition_set_regions(vm->p,
								     &vm->memory[VM_LOW], 1, 0));
	}
	/* The region and the table at least. */
	KUNIT_EXPECT_GE(test, failed, 2);
}

/* Those that hold for either kind of region, and others. */
#define REGION_CASES(name, ...)						\
static struct kunit_case name[] = {					\
	KUNIT_CASE_PARAM(region_with_bad_field, bad_region_gen_params),	\
	KUNIT_CASE(slot_named_twice),					\
	KUNIT_CASE(unknown_flag_of_the_change),				\
	KUNIT_CASE(new_regions_overlap),				\
	KUNIT_CASE(fatal_signal_while_waiting),				\
	KUNIT_CASE(region_removed),					\
	KUNIT_CASE(region_replaced),					\
	KUNIT_CASE(region_moved_in_the_vmm),				\
	KUNIT_CASE(region_made_read_only),				\
	KUNIT_CASE(regions_swapped),					\
	KUNIT_CASE_SLOW(every_slot),					\
	KUNIT_CASE(busy_region),					\
	KUNIT_CASE(busy_among_others),					\
	KUNIT_CASE(busy_one_and_all),					\
	KUNIT_CASE(map_while_regions_change),				\
	KUNIT_CASE(killed_while_regions_change),			\
	KUNIT_CASE(map_while_table_goes),				\
	KUNIT_CASE(region_that_goes_keeps_no_other),			\
	KUNIT_CASE(region_of_two_gpadls),				\
	KUNIT_CASE(region_after_failed_map),				\
	KUNIT_CASE(out_of_memory),					\
	__VA_ARGS__							\
	{}								\
}

REGION_CASES(region_cases);
REGION_CASES(region_resident_cases);

struct kunit_suite region_suite = {
	.name = "vmbus_gpadl_region",
	.init = vm_init,
	.exit = vm_exit,
	.test_cases = region_cases,
};

struct kunit_suite region_resident_suite = {
	.name = "vmbus_gpadl_region_resident",
	.init = vm_init_resident,
	.exit = vm_exit,
	.test_cases = region_resident_cases,
};
