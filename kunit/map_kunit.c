// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_map: what a backend asks of a GPADL, and what it gets.
 */
#include "suites.h"
#include "vm.h"

/* From the guest's message to the last reply. */
static void whole_life(struct kunit *test)
{
	struct vm *vm = test->priv;
	struct vm_channel *c = &vm->c[0];
	struct sg_table *sgt;

	vm_fill(vm, VM_LOW_PFN, 8);
	vm_establish(vm, c, VM_HANDLE, VM_LOW_PFN, 8);
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), 0);

	KUNIT_ASSERT_EQ(test, vm_map(c, 0, VM_HANDLE, &sgt), 0);
	vm_expect_sg(vm, sgt);
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), 8);
	vm_check(vm);

	vmbus_gpadl_unmap(c->chan, VM_HANDLE);
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), 0);
	vm_check(vm);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, c, VM_HANDLE), 0);
	vm_expect_torndown(vm, VM_HANDLE);
	vm_expect_silence(vm);
}

static struct kunit_case map_cases[] = {
	KUNIT_CASE(whole_life),
	{}
};

struct kunit_suite map_suite = {
	.name = "vmbus_gpadl_map",
	.init = vm_init,
	.exit = vm_exit,
	.test_cases = map_cases,
};
