// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_bugs: a backend takes a packet's mapping for a GPADL's, or the other way
 * round. It is told so once in a boot, however often a guest has it do that, and nothing else
 * happens.
 */
#include "gpadl/gpa_pool.h"
#include "gpa.h"
#include "suites.h"

#define PAGES	3

/* Twice: only the first may warn, which scripts/console.awk sees to. */
static void do_wrong(void (*fn)(struct vmbus_mapping *map), struct vmbus_mapping *map)
{
	pr_info("gpadl-test: expect WARNING\n");
	fn(map);
	pr_info("gpadl-test: expected WARNING over\n");
	fn(map);
}

/* What is wrong with a packet's mapping; which stays what it was. */
static void wrong_of_a_packet(struct vm *vm, void (*fn)(struct vmbus_mapping *map))
{
	struct vmbus_mapping *map;

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, PAGES);
	vm_fill_gpadl(vm);
	KUNIT_ASSERT_EQ(vm->test, gpa_send(vm, 0, &map), 0);
	do_wrong(fn, map);
	KUNIT_EXPECT_NULL(vm->test, vmbus_mapping_priv(map));
	KUNIT_EXPECT_EQ(vm->test, to_gpa_request(map)->state, GPA_MAPPED);
	KUNIT_EXPECT_TRUE(vm->test, vmbus_gpadl_channel_is_busy(vm->c[0].chan));
	vm_expect_sg(vm, vmbus_mapping_sgt(map));
	vmbus_gpa_unmap(map);
	KUNIT_EXPECT_FALSE(vm->test, vmbus_gpadl_channel_is_busy(vm->c[0].chan));
	vm_check(vm);
}

VM_CASE(packet_is_unmapped_as_a_gpadl)
{
	wrong_of_a_packet(vm, vmbus_gpadl_unmap);
}

VM_CASE(packet_is_vunmapped)
{
	wrong_of_a_packet(vm, vmbus_mapping_vunmap);
}

static void arm(struct vmbus_mapping *map)
{
	vmbus_mapping_arm(map, map);
}

VM_CASE(packet_is_armed)
{
	wrong_of_a_packet(vm, arm);
}

VM_CASE(gpadl_is_unmapped_as_a_packet)
{
	struct vm_channel *c = &vm->c[0];
	struct vmbus_mapping *map;

	vm_establish(vm, c, VM_HANDLE, VM_LOW_PFN, PAGES);
	KUNIT_ASSERT_EQ(test, vm_map(c, 0, VM_HANDLE, NULL), 0);
	map = vm_mapping(c->chan, VM_HANDLE);
	KUNIT_ASSERT_NOT_NULL(test, map);
	do_wrong(vmbus_gpa_unmap, map);
	KUNIT_EXPECT_PTR_EQ(test, vm_mapping(c->chan, VM_HANDLE), map);
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), PAGES);
	vm_unmap(c, VM_HANDLE);
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), 0);
	vm_check(vm);
}

static struct kunit_case bugs_cases[] = {
	KUNIT_CASE(packet_is_unmapped_as_a_gpadl),
	KUNIT_CASE(packet_is_vunmapped),
	KUNIT_CASE(packet_is_armed),
	KUNIT_CASE(gpadl_is_unmapped_as_a_packet),
	{}
};

struct kunit_suite bugs_suite = {
	.name = "vmbus_gpadl_bugs",
	.init = gpa_init,
	.exit = vm_exit,
	.test_cases = bugs_cases,
};
