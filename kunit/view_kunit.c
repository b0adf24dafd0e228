// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_view: parts of what is mapped, as a packet names them.
 */
#include <linux/scatterlist.h>

#include "gpadl/compat.h"
#include "gpadl/gpa_pool.h"
#include "gpa.h"
#include "suites.h"

#define VIEW_MAX	8

/* Bytes @offset to @offset + @len of what is mapped, by the content of its pages. */
static void expect_view(struct vm *vm, struct vmbus_mapping *map, u64 offset, u32 len, int nr)
{
	struct sg_table *sgt = vmbus_mapping_sgt(map);
	struct scatterlist sgl[VIEW_MAX];
	u8 *whole, *part;

	whole = kunit_kzalloc(vm->test, 1 << 16, GFP_KERNEL);
	part = kunit_kzalloc(vm->test, 1 << 16, GFP_KERNEL);
	KUNIT_ASSERT_TRUE(vm->test, whole && part);
	KUNIT_ASSERT_EQ(vm->test, vmbus_mapping_view(map, offset, len, sgl, VIEW_MAX), nr);
	KUNIT_EXPECT_EQ(vm->test, sg_nents(sgl), nr);
	sg_copy_to_buffer(sgt->sgl, sgt->orig_nents, whole, 1 << 16);
	KUNIT_EXPECT_EQ(vm->test, sg_copy_to_buffer(sgl, nr, part, 1 << 16), len);
	KUNIT_EXPECT_MEMEQ(vm->test, part, whole + offset, len);
	kunit_kfree(vm->test, whole);
	kunit_kfree(vm->test, part);
}

/* 300 bytes, and then three pages of which the first and the last are not whole. */
static void views_of(struct vm *vm, struct vmbus_mapping *map, u32 total)
{
	struct kunit *test = vm->test;
	struct scatterlist sgl[VIEW_MAX];
	u32 nents = vmbus_mapping_sgt(map)->nents;

	expect_view(vm, map, 0, 1, 1);
	expect_view(vm, map, 299, 1, 1);
	expect_view(vm, map, 300, 1, 1);
	expect_view(vm, map, 299, 2, 2);
	expect_view(vm, map, 0, total, nents);
	expect_view(vm, map, total - 1, 1, 1);
	/* From inside the second page of the second range into the third */
	expect_view(vm, map, 300 + 4096, 4096, 2);
	KUNIT_EXPECT_EQ(test, vmbus_mapping_view(map, 0, 0, sgl, VIEW_MAX), -EINVAL);
	KUNIT_EXPECT_EQ(test, vmbus_mapping_view(map, total, 1, sgl, VIEW_MAX), -EINVAL);
	KUNIT_EXPECT_EQ(test, vmbus_mapping_view(map, total - 1, 2, sgl, VIEW_MAX), -EINVAL);
	KUNIT_EXPECT_EQ(test, vmbus_mapping_view(map, U64_MAX, U32_MAX, sgl, VIEW_MAX),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, vmbus_mapping_view(map, 1, U32_MAX, sgl, VIEW_MAX), -EINVAL);
	KUNIT_EXPECT_EQ(test, vmbus_mapping_view(map, 299, 2, sgl, 1), -EMSGSIZE);
	KUNIT_EXPECT_EQ(test, vmbus_mapping_view(map, 299, 1, sgl, 0), -EMSGSIZE);
}

/* The second range in two places, so that it has two entries whatever memory is like. */
static u32 view_ranges(struct vm *vm)
{
	vm_begin(vm);
	guest_range(&vm->s, 300, 4096 - 300);
	guest_pfns(&vm->s, VM_HIGH_PFN, 1, 1);
	guest_range(&vm->s, 2 * 4096 + 50, 100);
	guest_pfns(&vm->s, VM_LOW_PFN, 1, 1);
	guest_pfns(&vm->s, VM_LOW_PFN + 100, 0, 1);
	guest_pfns(&vm->s, VM_LOW_PFN + 100, 0, 1);
	vm_fill_gpadl(vm);
	return 300 + 2 * 4096 + 50;
}

VM_CASE(view_of_a_gpadl)
{
	u32 total = view_ranges(vm);

	KUNIT_ASSERT_EQ(test, vm_send(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_created(vm, &vm->c[0], VM_HANDLE, GPADL_STATUS_SUCCESS);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	views_of(vm, vm_mapping(vm->c[0].chan, VM_HANDLE), total);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

VM_CASE(view_of_a_packet)
{
	struct vmbus_mapping *map;
	u32 total = view_ranges(vm);

	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	views_of(vm, map, total);
	vmbus_gpa_unmap(map);
}

/* Inside of an entry of many pages: the entry of the view begins with the page. */
VM_CASE(view_inside_an_entry)
{
	struct vmbus_mapping *map;
	struct scatterlist sg;
	struct page *first;

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 2);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	/* As if they adjoined; whether they do is not for the test to choose. */
	first = sg_page(map->sgl);
	map->sgl[0].length = 8192;
	KUNIT_EXPECT_EQ(test, vmbus_mapping_view(map, 5000, 10, &sg, 1), 1);
	KUNIT_EXPECT_EQ(test, sg.offset, PAGE_SIZE == 4096 ? 5000 - 4096 : 5000);
	KUNIT_EXPECT_PTR_EQ(test, sg_page(&sg), first + 5000 / PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, sg.length, 10);
	vmbus_gpa_unmap(map);
}

static struct kunit_case view_cases[] = {
	KUNIT_CASE(view_of_a_gpadl),
	KUNIT_CASE(view_of_a_packet),
	KUNIT_CASE(view_inside_an_entry),
	{}
};

static struct kunit_case view_resident_cases[] = {
	KUNIT_CASE(view_of_a_gpadl),
	KUNIT_CASE(view_of_a_packet),
	{}
};

struct kunit_suite view_suite = {
	.name = "vmbus_gpadl_view",
	.init = gpa_init,
	.exit = vm_exit,
	.test_cases = view_cases,
};

struct kunit_suite view_resident_suite = {
	.name = "vmbus_gpadl_view_resident",
	.init = gpa_init_resident,
	.exit = vm_exit,
	.test_cases = view_resident_cases,
};
