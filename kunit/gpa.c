// SPDX-License-Identifier: GPL-2.0
/*
 * What the suites of packets that name pages share; see gpa.h.
 */
#include "gpa.h"

static int gpa_init_pool(struct kunit *test)
{
	struct vm *vm = test->priv;

	return vmbus_gpa_pool_create(vm->c[0].chan, GPA_REQUESTS, GPA_BYTES);
}

int gpa_init(struct kunit *test)
{
	return vm_init(test) ?: gpa_init_pool(test);
}

int gpa_init_resident(struct kunit *test)
{
	return vm_init_resident(test) ?: gpa_init_pool(test);
}

/* Map, on a channel, the packet whose ranges are in vm->s. */
int gpa_send_on(struct vm *vm, struct vm_channel *c, u32 flags, struct vmbus_mapping **map)
{
	return vmbus_gpa_map(c->chan, flags, vm->s.words, vm->s.nr * sizeof(u64),
			     vm->s.nr_ranges, map);
}

int gpa_send(struct vm *vm, u32 flags, struct vmbus_mapping **map)
{
	return gpa_send_on(vm, &vm->c[0], flags, map);
}

/* Map what is in vm->s, compare it, and unmap it. */
void gpa_expect_maps(struct vm *vm, u32 flags)
{
	struct vm_channel *c = &vm->c[0];
	s64 charged = atomic64_read(&vm->p->mem.pinned);
	struct vmbus_mapping *map;

	vm_fill_gpadl(vm);
	vm_expect_pinned(vm, false);
	KUNIT_ASSERT_EQ(vm->test, gpa_send(vm, flags, &map), 0);
	vm_expect_sg(vm, vmbus_mapping_sgt(map));
	vm_expect_pinned(vm, true);
	KUNIT_EXPECT_TRUE(vm->test, vmbus_gpadl_channel_is_busy(c->chan));
	KUNIT_EXPECT_EQ(vm->test, atomic64_read(&vm->p->mem.pinned), charged);
	vm_check(vm);
	vmbus_gpa_unmap(map);
	vm_expect_pinned(vm, false);
	KUNIT_EXPECT_FALSE(vm->test, vmbus_gpadl_channel_is_busy(c->chan));
	vm_check(vm);
}

/* A map that fails leaves nothing behind. */
void gpa_expect_refused(struct vm *vm, u32 flags, int error)
{
	struct vmbus_mapping *map;

	KUNIT_EXPECT_EQ(vm->test, gpa_send(vm, flags, &map), error);
	KUNIT_EXPECT_EQ(vm->test, atomic_read(&vm->p->nr_request_pages), 0);
	KUNIT_EXPECT_FALSE(vm->test, vmbus_gpadl_channel_is_busy(vm->c[0].chan));
	vm_check(vm);
}

/* In place of vm.pin: vm.pin_result */
long gpa_pin_fails(struct vm *vm, unsigned long hva, unsigned long nr,
		   unsigned int gup_flags, struct page **pages)
{
	return vm->pin_result;
}

static void gpa_block_work(struct work_struct *work)
{
	wait_for_completion(&container_of(work, struct vm_blocker_wq, work)->go);
}

void gpa_block_wq(struct vm_blocker_wq *b, struct workqueue_struct *wq)
{
	INIT_WORK_ONSTACK(&b->work, gpa_block_work);
	init_completion(&b->go);
	queue_work(wq, &b->work);
}

void gpa_unblock_wq(struct vm_blocker_wq *b)
{
	complete(&b->go);
	flush_work(&b->work);
	destroy_work_on_stack(&b->work);
}
