// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_find: what a backend keeps mapped is found by its handle, from the arm until
 * the unmap, whatever the guest does meanwhile.
 */
#include <linux/err.h>

#include "suites.h"
#include "vm.h"

#define PAGES	3

/* What a backend keeps of a new GPADL */
static struct vmbus_mapping *keep(struct vm_channel *c, u32 handle, u64 pfn)
{
	struct vm *vm = c->vm;

	vm_establish(vm, c, handle, pfn, PAGES);
	KUNIT_ASSERT_EQ(vm->test, vm_map(c, 0, handle, NULL), 0);
	return vm_mapping(c->chan, handle);
}

VM_CASE(found_from_arm_to_unmap)
{
	struct vm_channel *c = &vm->c[0];
	struct vmbus_mapping *map;

	KUNIT_EXPECT_NULL(test, vmbus_mapping_find(c->chan, VM_HANDLE));
	vm_establish(vm, c, VM_HANDLE, VM_LOW_PFN, PAGES);
	KUNIT_EXPECT_NULL(test, vmbus_mapping_find(c->chan, VM_HANDLE));
	KUNIT_ASSERT_EQ(test, vmbus_gpadl_map(c->chan, 0, VM_HANDLE, &map), 0);
	KUNIT_EXPECT_NULL(test, vmbus_mapping_find(c->chan, VM_HANDLE));
	vmbus_mapping_arm(map, c);
	KUNIT_EXPECT_PTR_EQ(test, vmbus_mapping_find(c->chan, VM_HANDLE), map);
	KUNIT_EXPECT_NULL(test, vmbus_mapping_find(c->chan, VM_HANDLE + 1));
	KUNIT_EXPECT_NULL(test, vmbus_mapping_find(vm->c[1].chan, VM_HANDLE));
	vmbus_gpadl_unmap(map);
	KUNIT_EXPECT_NULL(test, vmbus_mapping_find(c->chan, VM_HANDLE));
}

/* No map begins any more; what is mapped is good until the backend unmaps it. */
VM_CASE(found_while_torn_down)
{
	struct vm_channel *c = &vm->c[0];
	struct vmbus_mapping *map = keep(c, VM_HANDLE, VM_LOW_PFN);

	KUNIT_EXPECT_EQ(test, vm_teardown(vm, c, VM_HANDLE), 0);
	vm_flush_revokes(c);
	KUNIT_EXPECT_PTR_EQ(test, vmbus_mapping_find(c->chan, VM_HANDLE), map);
	vmbus_gpadl_unmap(map);
	vm_expect_torndown(vm, VM_HANDLE);
	KUNIT_EXPECT_NULL(test, vmbus_mapping_find(c->chan, VM_HANDLE));
}

/* Its pages are being unpinned: a backend that found it now would unmap it twice. */
VM_CASE(not_found_while_unmapped)
{
	struct vm_channel *c = &vm->c[0];
	struct vm_task *t;

	keep(c, VM_HANDLE, VM_LOW_PFN);
	vm_stall_arm(&vm->in_unmap, 1);
	t = vm_start(vm, vm_task_unmap, c, 0, VM_HANDLE);
	vm_stall_wait(vm, &vm->in_unmap);
	KUNIT_EXPECT_NULL(test, vmbus_mapping_find(c->chan, VM_HANDLE));
	vmbus_gpadl_unmap_all(c->chan);
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), PAGES);
	vm_stall_end(&vm->in_unmap);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
}

/* All that is armed on this channel; not what some function has for a moment. */
VM_CASE(all_that_is_kept)
{
	struct vm_channel *c = &vm->c[0], *other = &vm->c[1];
	struct vmbus_mapping *moment;
	u32 i;

	vmbus_gpadl_unmap_all(c->chan);
	/* The first, the middle one and the last are kept; one of them is wanted back. */
	for (i = 0; i < 5; i += 2)
		keep(c, VM_HANDLE + 3 * i, VM_LOW_PFN + 16 * i);
	for (i = 1; i < 5; i += 2)
		vm_establish(vm, c, VM_HANDLE + 3 * i, VM_LOW_PFN + 16 * i, PAGES);
	keep(other, VM_HANDLE + 1, VM_HIGH_PFN);
	KUNIT_ASSERT_EQ(test, vmbus_gpadl_map(c->chan, 0, VM_HANDLE + 3, &moment), 0);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, c, VM_HANDLE + 6), 0);
	vm_flush_revokes(c);

	vmbus_gpadl_unmap_all(c->chan);
	vm_expect_torndown(vm, VM_HANDLE + 6);
	for (i = 0; i < 5; i++)
		KUNIT_EXPECT_NULL(test, vmbus_mapping_find(c->chan, VM_HANDLE + 3 * i));
	KUNIT_EXPECT_NOT_NULL(test, vmbus_mapping_find(other->chan, VM_HANDLE + 1));
	KUNIT_EXPECT_EQ(test, atomic_read(&c->chan->nr_busy), 1);
	vmbus_gpadl_unmap(moment);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->chan->nr_busy), 0);
	vm_unmap(other, VM_HANDLE + 1);
}

/* A guest may choose the last handle that there is. */
VM_CASE(all_up_to_the_last_handle)
{
	struct vm_channel *c = &vm->c[0];

	keep(c, U32_MAX, VM_LOW_PFN);
	KUNIT_EXPECT_NOT_NULL(test, vmbus_mapping_find(c->chan, U32_MAX));
	vmbus_gpadl_unmap_all(c->chan);
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), 0);
}

/* The rings are mapped on the same channel, and the guest may name their handle to the backend. */
VM_CASE(not_that_of_the_channel_layer)
{
	struct vm_channel *c = &vm->c[0];
	struct vmbus_mapping *rings;

	vm_establish(vm, c, VM_HANDLE, VM_LOW_PFN, PAGES);
	KUNIT_ASSERT_EQ(test, vmbus_gpadl_map(c->chan, 0, VM_HANDLE, &rings), 0);
	vmbus_mapping_arm_own(rings, c);
	KUNIT_EXPECT_NULL(test, vmbus_mapping_find(c->chan, VM_HANDLE));
	vmbus_gpadl_unmap_all(c->chan);
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), PAGES);
	/* It is revoked as any other. */
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, c, VM_HANDLE), 0);
	vm_flush_revokes(c);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->revokes), 1);
	vmbus_gpadl_unmap(rings);
	vm_expect_torndown(vm, VM_HANDLE);
}

/* A buffer with a kernel address: the end of a channel is the end of both. */
VM_CASE(all_that_is_vmapped)
{
	struct vm_channel *c = &vm->c[0];

	KUNIT_EXPECT_FALSE(test, IS_ERR(vmbus_mapping_vmap(keep(c, VM_HANDLE, VM_LOW_PFN))));
	vmbus_gpadl_unmap_all(c->chan);
	KUNIT_EXPECT_NULL(test, vmbus_mapping_find(c->chan, VM_HANDLE));
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), 0);
}

/* A backend that keeps nothing with it tells it from what was unmapped all the same. */
VM_CASE(nothing_is_kept_with_it)
{
	struct vm_channel *c = &vm->c[0];
	struct vmbus_mapping *map;

	vm_establish(vm, c, VM_HANDLE, VM_LOW_PFN, PAGES);
	KUNIT_ASSERT_EQ(test, vmbus_gpadl_map(c->chan, 0, VM_HANDLE, &map), 0);
	vmbus_mapping_arm(map, NULL);
	KUNIT_EXPECT_PTR_EQ(test, vmbus_mapping_priv(map), map);
	vmbus_gpadl_unmap(map);
}

static struct kunit_case find_cases[] = {
	KUNIT_CASE(found_from_arm_to_unmap),
	KUNIT_CASE(found_while_torn_down),
	KUNIT_CASE(not_found_while_unmapped),
	KUNIT_CASE(all_that_is_kept),
	KUNIT_CASE(all_up_to_the_last_handle),
	KUNIT_CASE(not_that_of_the_channel_layer),
	KUNIT_CASE(all_that_is_vmapped),
	KUNIT_CASE(nothing_is_kept_with_it),
	{}
};

struct kunit_suite find_suite = {
	.name = "vmbus_gpadl_find",
	.init = vm_init,
	.exit = vm_exit,
	.test_cases = find_cases,
};
