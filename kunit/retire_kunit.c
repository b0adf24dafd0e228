// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_retire: regions change although a GPADL has pages in them, and the backend
 * is asked for what it has there. Not for what has its pages where they are now.
 */
#include <kunit/static_stub.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/workqueue.h>

#include "gpadl/compat.h"
#include "gpadl/priv.h"
#include "gpa.h"
#include "suites.h"

#define PAGES	3

/* The pages of VM_LOW are to be elsewhere in the VMM. */
static int move_low(struct vm *vm, enum vm_slot where)
{
	struct vmbus_gpa_region moved = vm->memory[VM_LOW];

	moved.hva = vm->memory[where].hva;
	return vmbus_partition_set_regions(vm->p, &moved, 1, VMBUS_GPA_REGIONS_RETIRE);
}

static int task_move_low(struct vm_task *t)
{
	return move_low(t->vm, VM_HIGH);
}

static int task_remove_low(struct vm_task *t)
{
	return vm_remove_region(t->vm, VM_LOW);
}

/* A packet that names what is in vm->s. */
static int task_send(struct vm_task *t)
{
	return gpa_send_on(t->vm, t->c, t->flags, &t->map);
}

/* And they go, although they are mapped. */
static void remove_low(struct vm *vm)
{
	KUNIT_EXPECT_EQ(vm->test, 0,
			vmbus_partition_set_regions(vm->p, &(struct vmbus_gpa_region) {
				.slot = VM_LOW }, 1, VMBUS_GPA_REGIONS_RETIRE));
}

/* vm->s names them where they are now. */
static void fill_moved(struct vm *vm, enum vm_slot where)
{
	vm->memory[VM_LOW].hva = vm->memory[where].hva;
	vm_fill_gpadl(vm);
}

static void expect_asked(struct vm *vm, int asked)
{
	vm_flush_revokes(&vm->c[0]);
	KUNIT_EXPECT_EQ(vm->test, atomic_read(&vm->c[0].revokes), asked);
	KUNIT_EXPECT_EQ(vm->test, atomic_read(&vm->p->nr_revoked), asked);
}

static void establish(struct vm *vm)
{
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, PAGES);
}

/* Another GPADL, which is mapped: a change has something to decide about. */
static void map_another(struct vm *vm)
{
	vm_establish(vm, &vm->c[0], VM_HANDLE + 1, VM_LOW_PFN, 1);
	KUNIT_EXPECT_EQ(vm->test, vm_map(&vm->c[0], 0, VM_HANDLE + 1, NULL), 0);
}

static void unmap(struct vm *vm, u32 handle)
{
	vm_unmap(&vm->c[0], handle);
	vm_check(vm);
}

/* VM_LOW moves while a GPADL there is mapped. */
static void move_while_mapped(struct vm *vm, enum vm_slot where)
{
	establish(vm);
	KUNIT_ASSERT_EQ(vm->test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	KUNIT_EXPECT_EQ(vm->test, move_low(vm, where), 0);
}

/* VM_LOW moves while a map of a GPADL there pins. The map's thread still has to go on. */
static struct vm_task *move_while_map_pins(struct vm *vm)
{
	struct vm_task *t;

	establish(vm);
	vm_stall_arm(&vm->in_pin, 1);
	t = vm_start(vm, vm_task_map, &vm->c[0], 0, VM_HANDLE);
	vm_stall_wait(vm, &vm->in_pin);
	KUNIT_EXPECT_EQ(vm->test, move_low(vm, VM_HIGH), 0);
	return t;
}

VM_CASE(mapped_is_asked_back)
{
	move_while_mapped(vm, VM_HIGH);
	expect_asked(vm, 1);
	/* It keeps the VMM from nothing any more, and is asked for once. */
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_LOW), 0);
	expect_asked(vm, 1);
	unmap(vm, VM_HANDLE);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->nr_revoked), 0);
}

/* A region that goes, and one with the same pages that comes, is no reason to ask. */
VM_CASE(mapped_elsewhere_is_not)
{
	move_while_mapped(vm, VM_LOW);
	KUNIT_EXPECT_EQ(test, 0, vmbus_partition_set_regions(vm->p, &vm->memory[VM_HIGH], 1,
							     VMBUS_GPA_REGIONS_RETIRE));
	expect_asked(vm, 0);
	unmap(vm, VM_HANDLE);
}

/* What a map pins meanwhile is the VMM's own by then: it looks for its pages again. */
VM_CASE(map_that_pins_finds_what_came)
{
	struct vm_task *t = move_while_map_pins(vm);

	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->nr_revoked), 1);
	vm_stall_end(&vm->in_pin);
	KUNIT_ASSERT_EQ(test, vm_join(t), 0);
	expect_asked(vm, 0);
	fill_moved(vm, VM_HIGH);
	vm_expect_sg(vm, vmbus_mapping_sgt(t->map));
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_LOW), -EBUSY);
	unmap(vm, VM_HANDLE);
}

/* Nothing is left where they were. */
static void unmap_low(struct vm *vm)
{
	unsigned long hva = ALIGN_DOWN(vm_hva(vm, VM_LOW_PFN), PAGE_SIZE);

	KUNIT_EXPECT_EQ(vm->test, hva,
			kunit_vm_mmap(vm->test, NULL, hva, PAGE_SIZE, PROT_NONE,
				      MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED, 0));
}

/* Or cannot pin any more. */
VM_CASE(map_that_cannot_pin_finds_what_came)
{
	struct vm_task *t = move_while_map_pins(vm);

	unmap_low(vm);
	vm_stall_end(&vm->in_pin);
	KUNIT_ASSERT_EQ(test, vm_join(t), 0);
	fill_moved(vm, VM_HIGH);
	vm_expect_sg(vm, vmbus_mapping_sgt(t->map));
	unmap(vm, VM_HANDLE);
}

/* A resident page that has gone is looked for in vain, and is somewhere else. */
VM_CASE(map_that_looks_in_vain_finds_what_came)
{
	struct vmbus_gpa_region region = {
		.slot = VM_FREE_SLOT,
		.flags = VMBUS_GPA_REGION_RESIDENT,
		.gpa = VM_HOLE_PFN << GPADL_PAGE_SHIFT,
		.bytes = 2 * PAGE_SIZE,
		.hva = vm_hva(vm, VM_LOW_PFN),
	};
	struct vm_task *t;
	struct page *page;

	KUNIT_ASSERT_EQ(test, vmbus_partition_set_regions(vm->p, &region, 1, 0), 0);
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_HOLE_PFN, 1);
	unmap_low(vm);
	vm_stall_arm(&vm->in_pin, 1);
	t = vm_start(vm, vm_task_map, &vm->c[0], 0, VM_HANDLE);
	vm_stall_wait(vm, &vm->in_pin);
	region.hva = vm_hva(vm, VM_HIGH_PFN);
	KUNIT_EXPECT_EQ(test, 0, vmbus_partition_set_regions(vm->p, &region, 1,
							     VMBUS_GPA_REGIONS_RETIRE));
	vm_stall_end(&vm->in_pin);
	KUNIT_ASSERT_EQ(test, vm_join(t), 0);
	KUNIT_ASSERT_EQ(test, get_user_pages_fast(region.hva, 1, 0, &page), 1);
	KUNIT_EXPECT_PTR_EQ(test, sg_page(vmbus_mapping_sgt(t->map)->sgl), page);
	put_page(page);
	/* What was there is let go of in a work item. */
	flush_workqueue(vm->p->drop_wq);
	unmap(vm, VM_HANDLE);
}

/* Where there are none any more, none are mapped. */
VM_CASE(map_that_pins_what_went)
{
	struct vm_task *t;

	establish(vm);
	vm_stall_arm(&vm->in_pin, 1);
	t = vm_start(vm, vm_task_map, &vm->c[0], 0, VM_HANDLE);
	vm_stall_wait(vm, &vm->in_pin);
	remove_low(vm);
	vm_stall_end(&vm->in_pin);
	KUNIT_EXPECT_EQ(test, vm_join(t), -EFAULT);
	expect_asked(vm, 0);
	vm_check(vm);
}

/* One that does not come about: nothing is left to ask for. */
VM_CASE(map_that_fails_is_forgotten)
{
	struct vm_task *t = move_while_map_pins(vm);

	vmbus_gpadl_channel_rescind_start(vm->c[0].chan);
	vm_stall_end(&vm->in_pin);
	KUNIT_EXPECT_EQ(test, vm_join(t), -ESHUTDOWN);
	expect_asked(vm, 0);
	vm_check(vm);
}

/* Who is to complain of what is still mapped does not hold the partition. */
VM_CASE(watch_holds_nothing)
{
	unsigned int refs = refcount_read(&vm->p->ref);

	establish(vm);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	KUNIT_EXPECT_EQ(test, move_low(vm, VM_HIGH), 0);
	expect_asked(vm, 1);
	unmap(vm, VM_HANDLE);
	/* The region that has gone holds it, too, until its pages are let go. */
	flush_workqueue(vm->p->drop_wq);
	flush_workqueue(vm->p->watch_wq);
	vm_check(vm);
	KUNIT_EXPECT_TRUE(test, delayed_work_pending(&vm->p->stuck_work));
	KUNIT_EXPECT_EQ(test, refcount_read(&vm->p->ref), refs);
}

/* Nor does it end early for what comes after what came back. */
VM_CASE(watch_begins_anew)
{
	const struct timer_list *timer = &vm->p->stuck_work.timer;
	unsigned long first;

	move_while_mapped(vm, VM_HIGH);
	first = timer->expires;
	unmap(vm, VM_HANDLE);
	msleep(20);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	KUNIT_EXPECT_EQ(test, move_low(vm, VM_BIG), 0);
	KUNIT_EXPECT_TRUE(test, time_after(timer->expires, first));
	unmap(vm, VM_HANDLE);
}

/* Nor does it keep the guest's messages waiting for what has come back. */
VM_CASE(watch_of_nothing_takes_no_lock)
{
	struct delayed_work *watch = &vm->p->stuck_work;
	unsigned int ms;

	move_while_mapped(vm, VM_HIGH);
	unmap(vm, VM_HANDLE);
	mutex_lock(&vm->p->rx_mutex);
	mod_delayed_work(gpadl_wq, watch, 0);
	for (ms = 0; ms < 10000 && work_busy(&watch->work); ms++)
		usleep_range(1000, 2000);
	KUNIT_EXPECT_FALSE(test, work_busy(&watch->work));
	mutex_unlock(&vm->p->rx_mutex);
	flush_delayed_work(watch);
	KUNIT_EXPECT_FALSE(test, delayed_work_pending(watch));
}

/* Of pages on either side of where VM_LOW ends: VM_LOW goes, and with it what counts there. */
static void retire_the_lower_half(struct vm *vm)
{
	KUNIT_EXPECT_EQ(vm->test, vm_remove_region(vm, VM_LOW), -EBUSY);
	remove_low(vm);
	/* What it has in the other counts as before. */
	KUNIT_EXPECT_EQ(vm->test, vm_remove_region(vm, VM_HIGH), -EBUSY);
}

/* The lower half comes again, elsewhere, and goes: nothing of that is mapped. */
static void move_the_lower_half(struct vm *vm)
{
	KUNIT_EXPECT_EQ(vm->test, move_low(vm, VM_BIG), 0);
	KUNIT_EXPECT_EQ(vm->test, vm_remove_region(vm, VM_LOW), 0);
	KUNIT_EXPECT_EQ(vm->test, vm_remove_region(vm, VM_HIGH), -EBUSY);
}

VM_CASE(retired_in_one_region_counts_in_another)
{
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_HIGH_PFN - 1, 2);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	retire_the_lower_half(vm);
	move_the_lower_half(vm);
	expect_asked(vm, 1);
	unmap(vm, VM_HANDLE);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_HIGH), 0);
}

/* An unmap that is held up before its pages are unpinned */
static struct vm_task *start_unmap(struct vm *vm)
{
	struct vm_task *t;

	vm_stall_arm(&vm->in_unmap, 1);
	t = vm_start(vm, vm_task_unmap, &vm->c[0], 0, VM_HANDLE);
	vm_stall_wait(vm, &vm->in_unmap);
	return t;
}

/* What a GPADL has had elsewhere is not what is there now, however long its unmap takes. */
VM_CASE(unmap_of_what_went_keeps_nothing)
{
	struct vm_task *t;

	move_while_mapped(vm, VM_HIGH);
	t = start_unmap(vm);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_LOW), 0);
	vm_stall_end(&vm->in_unmap);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	vm_check(vm);
}

/* Until then it keeps what it has. */
VM_CASE(unmap_keeps_what_it_has)
{
	struct vm_task *t;

	establish(vm);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	t = start_unmap(vm);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_LOW), -EBUSY);
	vm_stall_end(&vm->in_unmap);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_LOW), 0);
	vm_check(vm);
}

/* ---- While it is being decided ---- */

/* Those of the partition; but a change asks for what is mapped when it is let go on. */
static const struct gpadl_mem_ops *partition_ops;
static struct gpadl_mem_ops late_ops;

static void retire_late(struct gpadl_mem *mem, const struct gpadl_region_table *old,
			const struct gpadl_region_table *new)
{
	struct vmbus_partition *p = container_of(mem, struct vmbus_partition, mem);

	vm_linger(p->priv);
	partition_ops->retire(mem, old, new);
}

/* Not what is mapped by then. */
static bool moves_late(struct gpadl_mem *mem, const struct gpadl_region_table *old,
		       const struct gpadl_region_table *new)
{
	struct vmbus_partition *p = container_of(mem, struct vmbus_partition, mem);

	vm_linger(p->priv);
	return partition_ops->moves(mem, old, new);
}

/* VM_LOW is to change, and it is being decided. Something of it is mapped. */
static struct vm_task *change_while_decided(struct vm *vm, int (*fn)(struct vm_task *t))
{
	struct vm_task *change;

	partition_ops = vm->p->mem.ops;
	late_ops = *partition_ops;
	late_ops.retire = retire_late;
	late_ops.moves = moves_late;
	vm->p->mem.ops = &late_ops;
	vm_stall_arm(&vm->linger, 1);
	change = vm_start(vm, fn, NULL, 0, 0);
	vm_stall_wait(vm, &vm->linger);
	return change;
}

static void decide(struct vm *vm, struct vm_task *change, int ret)
{
	vm_stall_end(&vm->linger);
	KUNIT_EXPECT_EQ(vm->test, vm_join(change), ret);
	vm->p->mem.ops = partition_ops;
}

/*
 * While a change is being decided a map begins, which cannot look for its pages yet. Another
 * GPADL is mapped: else the change has nothing to decide. Returns the map, whose first pin is held
 * up if @stall_pins; the change is done.
 */
static struct vm_task *map_while_decided(struct vm *vm, int (*fn)(struct vm_task *t),
					 bool stall_pins)
{
	struct vm_task *change, *map;

	map_another(vm);
	establish(vm);
	change = change_while_decided(vm, task_move_low);
	map = vm_start_waiting(vm, fn, &vm->c[0], 0, VM_HANDLE);
	if (fn == vm_task_map)
		KUNIT_EXPECT_EQ(vm->test, vm_gpadl(&vm->c[0], VM_HANDLE)->state, GPADL_MAPPING);
	vm_stall_arm(&vm->in_pin, stall_pins);
	decide(vm, change, 0);
	if (stall_pins)
		vm_stall_wait(vm, &vm->in_pin);
	return map;
}

/* It goes on in the regions that have come. */
VM_CASE(map_that_has_not_looked_is_not_asked_back)
{
	struct vm_task *map = map_while_decided(vm, vm_task_map, false);

	KUNIT_EXPECT_EQ(test, vm_join(map), 0);
	expect_asked(vm, 1);
	KUNIT_EXPECT_EQ(test, vm->c[0].revoked, VM_HANDLE + 1);
	fill_moved(vm, VM_HIGH);
	vm_expect_sg(vm, vmbus_mapping_sgt(map->map));
	/* It is one that a change minds, as any other. */
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_LOW), -EBUSY);
	KUNIT_EXPECT_EQ(test, move_low(vm, VM_BIG), 0);
	expect_asked(vm, 2);
	KUNIT_EXPECT_EQ(test, vm->c[0].revoked, VM_HANDLE);
	unmap(vm, VM_HANDLE);
	unmap(vm, VM_HANDLE + 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->nr_revoked), 0);
}

/* One that has no pages any more is no reason to wait, or to ask. */
VM_CASE(map_of_nothing_meanwhile)
{
	struct vm_task *change, *map;

	map_another(vm);
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_HIGH_PFN, PAGES);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_HIGH), 0);
	change = change_while_decided(vm, task_move_low);
	map = vm_start_waiting(vm, vm_task_map, &vm->c[0], 0, VM_HANDLE);
	decide(vm, change, 0);
	KUNIT_EXPECT_EQ(test, vm_join(map), -EFAULT);
	expect_asked(vm, 1);
	unmap(vm, VM_HANDLE + 1);
}

/* But these go as well before it comes to its end. */
VM_CASE(map_that_two_changes_meet_finds_the_last)
{
	struct vm_task *map = map_while_decided(vm, vm_task_map, true);

	KUNIT_EXPECT_EQ(test, move_low(vm, VM_BIG), 0);
	vm_stall_end(&vm->in_pin);
	KUNIT_ASSERT_EQ(test, vm_join(map), 0);
	expect_asked(vm, 1);
	KUNIT_EXPECT_EQ(test, vm->c[0].revoked, VM_HANDLE + 1);
	fill_moved(vm, VM_BIG);
	vm_expect_sg(vm, vmbus_mapping_sgt(map->map));
	unmap(vm, VM_HANDLE);
	unmap(vm, VM_HANDLE + 1);
}

/* While it pins too it is one that a change minds: it has found its pages. */
VM_CASE(map_that_pins_what_came_is_minded)
{
	struct vm_task *map = map_while_decided(vm, vm_task_map, true);

	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_LOW), -EBUSY);
	vm_stall_end(&vm->in_pin);
	KUNIT_EXPECT_EQ(test, vm_join(map), 0);
	expect_asked(vm, 1);
	unmap(vm, VM_HANDLE);
	unmap(vm, VM_HANDLE + 1);
}

/* It comes to its end before a change that is being decided has come to it. */
VM_CASE(map_that_ends_while_decided_is_minded)
{
	struct vm_task *map = map_while_decided(vm, vm_task_map, true), *change;

	change = change_while_decided(vm, task_remove_low);
	vm_stall_end(&vm->in_pin);
	KUNIT_EXPECT_EQ(test, vm_join(map), 0);
	decide(vm, change, -EBUSY);
	expect_asked(vm, 1);
	unmap(vm, VM_HANDLE);
	unmap(vm, VM_HANDLE + 1);
}

/* ---- Packets: nobody asks for what they have mapped ---- */

static void make_pool(struct vm *vm)
{
	KUNIT_ASSERT_EQ(vm->test, 0,
			vmbus_gpa_pool_create(vm->c[0].chan, GPA_REQUESTS, GPA_BYTES));
}

static void end_request(struct vm *vm, struct vm_task *map)
{
	vmbus_gpa_unmap(map->map);
	vm_check(vm);
}

VM_CASE(request_that_has_not_looked_is_minded)
{
	struct vm_task *map;

	make_pool(vm);
	map = map_while_decided(vm, task_send, false);
	KUNIT_ASSERT_EQ(test, vm_join(map), 0);
	expect_asked(vm, 1);
	fill_moved(vm, VM_HIGH);
	vm_expect_sg(vm, vmbus_mapping_sgt(map->map));
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_LOW), -EBUSY);
	KUNIT_EXPECT_EQ(test, move_low(vm, VM_BIG), 0);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_LOW), 0);
	end_request(vm, map);
	unmap(vm, VM_HANDLE + 1);
}

VM_CASE(request_that_pins_what_came_is_minded)
{
	struct vm_task *map;

	make_pool(vm);
	map = map_while_decided(vm, task_send, true);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_LOW), -EBUSY);
	vm_stall_end(&vm->in_pin);
	KUNIT_ASSERT_EQ(test, vm_join(map), 0);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_LOW), -EBUSY);
	end_request(vm, map);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_LOW), 0);
	unmap(vm, VM_HANDLE + 1);
}

/* A packet's map of pages of VM_LOW, held up while it pins */
static struct vm_task *send_and_stall(struct vm *vm)
{
	struct vm_task *map;

	make_pool(vm);
	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, PAGES);
	vm_stall_arm(&vm->in_pin, 1);
	map = vm_start(vm, task_send, &vm->c[0], 0, 0);
	vm_stall_wait(vm, &vm->in_pin);
	return map;
}

/* It pins what is the VMM's own by then. The last change leaves alone what came. */
VM_CASE(request_that_pins_finds_what_came)
{
	struct vm_task *map = send_and_stall(vm);

	KUNIT_EXPECT_EQ(test, move_low(vm, VM_HIGH), 0);
	KUNIT_EXPECT_EQ(test, 0, vmbus_partition_set_regions(vm->p, &(struct vmbus_gpa_region) {
		.slot = VM_BIG }, 1, VMBUS_GPA_REGIONS_RETIRE));
	vm_stall_end(&vm->in_pin);
	KUNIT_ASSERT_EQ(test, vm_join(map), 0);
	fill_moved(vm, VM_HIGH);
	vm_expect_sg(vm, vmbus_mapping_sgt(map->map));
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->nr_request_pages), PAGES);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_LOW), -EBUSY);
	end_request(vm, map);
}

VM_CASE(request_that_cannot_pin_finds_what_came)
{
	struct vm_task *map = send_and_stall(vm);

	KUNIT_EXPECT_EQ(test, move_low(vm, VM_HIGH), 0);
	unmap_low(vm);
	vm_stall_end(&vm->in_pin);
	KUNIT_ASSERT_EQ(test, vm_join(map), 0);
	fill_moved(vm, VM_HIGH);
	vm_expect_sg(vm, vmbus_mapping_sgt(map->map));
	end_request(vm, map);
}

VM_CASE(request_that_pins_what_went)
{
	struct vm_task *map = send_and_stall(vm);

	remove_low(vm);
	vm_stall_end(&vm->in_pin);
	KUNIT_EXPECT_EQ(test, vm_join(map), -EFAULT);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->nr_request_pages), 0);
	vm_check(vm);
}

VM_CASE(request_retired_in_one_region_counts_in_another)
{
	struct vmbus_mapping *map;

	make_pool(vm);
	vm_begin(vm);
	vm_range(vm, VM_HIGH_PFN - 1, 2);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	retire_the_lower_half(vm);
	move_the_lower_half(vm);
	vmbus_gpa_unmap(map);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_HIGH), 0);
	vm_check(vm);
}

static struct kunit_case retire_cases[] = {
	KUNIT_CASE(mapped_is_asked_back),
	KUNIT_CASE(mapped_elsewhere_is_not),
	KUNIT_CASE(map_that_pins_finds_what_came),
	KUNIT_CASE(map_that_cannot_pin_finds_what_came),
	KUNIT_CASE(map_that_looks_in_vain_finds_what_came),
	KUNIT_CASE(map_that_pins_what_went),
	KUNIT_CASE(map_that_fails_is_forgotten),
	KUNIT_CASE(watch_holds_nothing),
	KUNIT_CASE(watch_begins_anew),
	KUNIT_CASE(watch_of_nothing_takes_no_lock),
	KUNIT_CASE(unmap_of_what_went_keeps_nothing),
	KUNIT_CASE(unmap_keeps_what_it_has),
	KUNIT_CASE(retired_in_one_region_counts_in_another),
	KUNIT_CASE(map_that_has_not_looked_is_not_asked_back),
	KUNIT_CASE(map_of_nothing_meanwhile),
	KUNIT_CASE(map_that_two_changes_meet_finds_the_last),
	KUNIT_CASE(map_that_pins_what_came_is_minded),
	KUNIT_CASE(map_that_ends_while_decided_is_minded),
	KUNIT_CASE(request_that_has_not_looked_is_minded),
	KUNIT_CASE(request_that_pins_what_came_is_minded),
	KUNIT_CASE(request_that_pins_finds_what_came),
	KUNIT_CASE(request_that_cannot_pin_finds_what_came),
	KUNIT_CASE(request_that_pins_what_went),
	KUNIT_CASE(request_retired_in_one_region_counts_in_another),
	{}
};

struct kunit_suite retire_suite = {
	.name = "vmbus_gpadl_retire",
	.init = vm_init,
	.exit = vm_exit,
	.test_cases = retire_cases,
};
