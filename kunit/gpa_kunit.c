// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_gpa: packets that name pages. What a backend is given for their ranges, and
 * what it is refused.
 *
 * What the packet has is in vm->s, as the stream of a GPADL would be.
 */
#include <linux/mm.h>
#include <linux/string.h>

#include "gpadl/compat.h"
#include "gpadl/gpa_pool.h"
#include "gpa.h"
#include "suites.h"

#define READ_ONLY	VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY

/* ---- What is mapped ---- */

VM_CASE(one_page)
{
	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 1);
	gpa_expect_maps(vm, 0);
	gpa_expect_maps(vm, READ_ONLY);
}

VM_CASE(up_and_down)
{
	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 100);
	gpa_expect_maps(vm, 0);
	vm_begin(vm);
	guest_range(&vm->s, 100 * GUEST_PAGE, 0);
	guest_pfns(&vm->s, VM_LOW_PFN + 99, -1, 100);
	gpa_expect_maps(vm, 0);
}

/* As many as a request may have, each apart from the next. */
VM_CASE(scattered)
{
	vm_begin(vm);
	guest_range(&vm->s, GPA_PAGES * GUEST_PAGE, 0);
	guest_pfns(&vm->s, VM_BIG_PFN, 17, GPA_PAGES);
	gpa_expect_maps(vm, 0);
}

VM_CASE(parts_of_pages)
{
	vm_begin(vm);
	guest_range(&vm->s, 1, GUEST_PAGE - 1);
	guest_pfns(&vm->s, VM_LOW_PFN + 7, 0, 1);
	guest_range(&vm->s, 2 * GUEST_PAGE, 8);
	guest_pfns(&vm->s, VM_LOW_PFN, 1, 3);
	guest_range(&vm->s, 512, 0);
	guest_pfns(&vm->s, VM_LOW_PFN + 3, 1, 1);
	gpa_expect_maps(vm, 0);
}

/* Two regions that adjoin for the guest only, and a read-only one. */
VM_CASE(several_regions)
{
	vm_begin(vm);
	vm_range(vm, VM_HIGH_PFN - 2, 4);
	gpa_expect_maps(vm, 0);
	vm_range(vm, VM_RO_PFN, 3);
	gpa_expect_maps(vm, READ_ONLY);
}

VM_CASE(page_named_twice)
{
	vm_begin(vm);
	guest_range(&vm->s, 3 * GUEST_PAGE, 0);
	guest_pfns(&vm->s, VM_LOW_PFN, 0, 2);
	guest_pfns(&vm->s, VM_ALIAS_PFN, 0, 1);
	gpa_expect_maps(vm, 0);
}

VM_CASE(most_ranges)
{
	u32 i;

	vm_begin(vm);
	for (i = 0; i < VMBUS_GPA_MAX_RANGES; i++)
		vm_range(vm, VM_LOW_PFN + 2 * i, 1);
	gpa_expect_maps(vm, 0);
	vm_range(vm, VM_LOW_PFN, 1);
	gpa_expect_refused(vm, 0, -EMSGSIZE);
}

/* As old versions of Linux send it; whatever they are. */
VM_CASE(words_behind_are_ignored)
{
	struct vmbus_mapping *map;

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 2);
	vm_fill_gpadl(vm);
	vm->s.words[vm->s.nr] = U64_MAX;
	KUNIT_ASSERT_EQ(test, vmbus_gpa_map(vm->c[0].chan, 0, vm->s.words,
					    (vm->s.nr + 1) * sizeof(u64) + 7, 1, &map), 0);
	vm_expect_sg(vm, vmbus_mapping_sgt(map));
	vmbus_gpa_unmap(map);
	/* More of them than a request may have pages. */
	memset64(vm->s.words + vm->s.nr, U64_MAX, GPA_PAGES + 100);
	KUNIT_ASSERT_EQ(test, vmbus_gpa_map(vm->c[0].chan, 0, vm->s.words,
					    (GPA_PAGES + 100) * sizeof(u64), 1, &map), 0);
	vm_expect_sg(vm, vmbus_mapping_sgt(map));
	vmbus_gpa_unmap(map);
}

/* The copy need not be aligned: it may begin anywhere in a packet. */
VM_CASE(ranges_at_any_address)
{
	struct vmbus_mapping *map;
	char copy[128];

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 3);
	vm_fill_gpadl(vm);
	memcpy(copy + 3, vm->s.words, vm->s.nr * sizeof(u64));
	KUNIT_ASSERT_EQ(test, vmbus_gpa_map(vm->c[0].chan, 0, copy + 3,
					    vm->s.nr * sizeof(u64), 1, &map), 0);
	vm_expect_sg(vm, vmbus_mapping_sgt(map));
	vmbus_gpa_unmap(map);
}

VM_CASE(direction)
{
	struct vmbus_mapping *map;

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 1);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	KUNIT_EXPECT_EQ(test, vmbus_mapping_dma_dir(map), DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, PTR_ERR(vmbus_mapping_vmap(map)), -EOPNOTSUPP);
	vmbus_gpa_unmap(map);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, READ_ONLY, &map), 0);
	KUNIT_EXPECT_EQ(test, vmbus_mapping_dma_dir(map), DMA_TO_DEVICE);
	vmbus_gpa_unmap(map);
}

/* Entries of a page at most, of which each may be the last that there is room for. */
VM_CASE(segments)
{
	struct vmbus_mapping *map;
	struct scatterlist *sg;
	u32 i, sum = 0;

	vm_need_small_pages(test);
	vm_begin(vm);
	guest_range(&vm->s, (GPA_PAGES - 1) * GUEST_PAGE, 100);
	guest_pfns(&vm->s, VM_BIG_PFN, 1, GPA_PAGES);
	vm_fill_gpadl(vm);
	KUNIT_ASSERT_EQ(test, vmbus_gpadl_set_max_segment(vm->c[0].chan, PAGE_SIZE), 0);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	KUNIT_EXPECT_EQ(test, vmbus_mapping_sgt(map)->nents, GPA_PAGES);
	KUNIT_EXPECT_PTR_EQ(test, vmbus_mapping_sgt(map)->sgl, map->room.sgl);
	for_each_sgtable_sg(vmbus_mapping_sgt(map), sg, i) {
		KUNIT_EXPECT_EQ(test, sg->offset, i ? 0 : 100);
		KUNIT_EXPECT_LE(test, sg->offset + sg->length, PAGE_SIZE);
		sum += sg->length;
	}
	KUNIT_EXPECT_EQ(test, sum, (GPA_PAGES - 1) * GUEST_PAGE);
	vmbus_gpa_unmap(map);
}

/* More pages than are pinned without a look at whether others want the processor. */
VM_CASE(many_pages)
{
	vm_need_small_pages(test);
	vmbus_gpa_pool_destroy(vm->c[0].chan);
	KUNIT_ASSERT_EQ(test, vmbus_gpa_pool_create(vm->c[0].chan, 1,
						    3 * GPADL_PIN_BATCH * GUEST_PAGE), 0);
	vm_begin(vm);
	guest_range(&vm->s, 3 * GPADL_PIN_BATCH * GUEST_PAGE, 0);
	guest_pfns(&vm->s, VM_BIG_PFN, 2, GPADL_PIN_BATCH);
	guest_pfns(&vm->s, VM_BIG_PFN + 3 * GPADL_PIN_BATCH, 1, 2 * GPADL_PIN_BATCH);
	gpa_expect_maps(vm, 0);
}

static int task_map_unmap(struct vm_task *t)
{
	struct vmbus_mapping *map;
	int ret = gpa_send(t->vm, t->flags, &map);

	if (ret)
		return ret;
	vm_expect_sg(t->vm, vmbus_mapping_sgt(map));
	vmbus_gpa_unmap(map);
	return 0;
}

/* A thread that is not the VMM's */
VM_CASE(in_kernel_thread)
{
	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 5);
	vm_fill_gpadl(vm);
	KUNIT_EXPECT_EQ(test, vm_join(vm_start(vm, task_map_unmap, &vm->c[0], 0, 0)), 0);
}

/* ---- What is refused ---- */

VM_CASE(einval_flags)
{
	int bit;

	vmbus_gpa_pool_destroy(vm->c[0].chan);
	for (bit = 1; bit < 32; bit++)
		gpa_expect_refused(vm, BIT(bit), -EINVAL);
}

VM_CASE(enxio_no_pool)
{
	vm_begin(vm);
	vmbus_gpa_pool_destroy(vm->c[0].chan);
	gpa_expect_refused(vm, 0, -ENXIO);
	/* Another time is fine, and so is a new one. */
	vmbus_gpa_pool_destroy(vm->c[0].chan);
	KUNIT_EXPECT_EQ(test, vmbus_gpa_pool_create(vm->c[0].chan, 1, 1), 0);
	vm_range(vm, VM_LOW_PFN, 2);
	gpa_expect_maps(vm, 0);
}

struct bad_ranges {
	const char *name;
	u32 count, offset;
	u32 pfns;
	u64 first;
	u32 nr_ranges;
	int error;
};

static const struct bad_ranges bad_ranges[] = {
	{ "no range", 4096, 0, 1, VM_LOW_PFN, 0, -EBADMSG },
	{ "a range that is not there", 4096, 0, 1, VM_LOW_PFN, 2, -EBADMSG },
	{ "length 0", 0, 0, 1, VM_LOW_PFN, 1, -EBADMSG },
	{ "length 0, with an offset", 0, 8, 1, VM_LOW_PFN, 1, -EBADMSG },
	{ "offset of a page", 1, 4096, 2, VM_LOW_PFN, 1, -EBADMSG },
	{ "offset of 32 bits", 1, U32_MAX, 2, VM_LOW_PFN, 1, -EBADMSG },
	{ "sum that overflows", U32_MAX, 4095, 8, VM_LOW_PFN, 1, -EBADMSG },
	{ "sum that overflows when rounded", U32_MAX - 4000, 0, 8, VM_LOW_PFN, 1, -EBADMSG },
	{ "no page", 4096, 0, 0, VM_LOW_PFN, 1, -EBADMSG },
	{ "a page less than it needs", 4096, 1, 1, VM_LOW_PFN, 1, -EBADMSG },
	{ "frame number of 41 bits", 4096, 0, 1, BIT_ULL(40), 1, -EBADMSG },
	{ "frame number of 64 bits", 4096, 0, 1, U64_MAX, 1, -EBADMSG },
	{ "a page too many", (GPA_PAGES + 1) * 4096, 0, GPA_PAGES + 1, VM_BIG_PFN, 1, -EMSGSIZE },
	{ "a byte too many", GPA_PAGES * 4096, 1, GPA_PAGES + 1, VM_BIG_PFN, 1, -EMSGSIZE },
	{ "all that a packet has", 8000 * 4096, 0, 8000, VM_BIG_PFN, 1, -EMSGSIZE },
	{ "more ranges than all", 4096, 0, 8000, VM_LOW_PFN, U32_MAX, -EMSGSIZE },
	{ "no region", 4096, 0, 1, VM_HOLE_PFN, 1, -EFAULT },
	{ "the end of memory", 8192, 0, 2, VM_TOP_PFN + VM_TOP_PAGES - 1, 1, -EBADMSG },
	{ "nothing behind a region", 4096, 0, 1, VM_NOVMA_PFN, 1, -EFAULT },
	{ "no right to write", 4096, 0, 1, VM_NOWRITE_PFN, 1, -EFAULT },
	{ "read-only region", 8192, 0, 2, VM_RO_PFN, 1, -EACCES },
};

VM_CASE(bad_ranges_are_refused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad_ranges); i++) {
		const struct bad_ranges *b = &bad_ranges[i];

		vm_begin(vm);
		guest_range(&vm->s, b->count, b->offset);
		guest_pfns(&vm->s, b->first, 1, b->pfns);
		vm->s.nr_ranges = b->nr_ranges;
		if (b->nr_ranges == U32_MAX) {
			struct vmbus_mapping *map;

			KUNIT_EXPECT_EQ(test, b->error,
					vmbus_gpa_map(vm->c[0].chan, 0, vm->s.words,
						      vm->s.nr * sizeof(u64), U32_MAX, &map));
			continue;
		}
		kunit_info(test, "%s\n", b->name);
		gpa_expect_refused(vm, 0, b->error);
	}
}

/* A bad range behind a good one; and what lies between them is not skipped. */
VM_CASE(second_range_counts)
{
	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 2);
	guest_range(&vm->s, 0, 0);
	guest_pfns(&vm->s, VM_LOW_PFN, 1, 1);
	gpa_expect_refused(vm, 0, -EBADMSG);

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 1);
	guest_pfns(&vm->s, U64_MAX, 0, 1);
	vm_range(vm, VM_LOW_PFN, 1);
	gpa_expect_refused(vm, 0, -EBADMSG);
}

VM_CASE(eshutdown_rescinded)
{
	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 1);
	KUNIT_EXPECT_EQ(test, vmbus_gpadl_channel_rescind(vm->c[0].chan), 0);
	gpa_expect_refused(vm, 0, -ESHUTDOWN);
}

VM_CASE(esrch_worker_killed)
{
	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 1);
	WRITE_ONCE(vm->c[0].chan->worker.orphaned, true);
	gpa_expect_refused(vm, 0, -ESRCH);
	WRITE_ONCE(vm->c[0].chan->worker.orphaned, false);
}

/* Nobody waits there for what is in flight. */
VM_CASE(esrch_worker_killed_and_no_room)
{
	struct vmbus_mapping *map[GPA_REQUESTS], *more;
	unsigned int i;

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 1);
	for (i = 0; i < GPA_REQUESTS; i++)
		KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map[i]), 0);
	KUNIT_EXPECT_EQ(test, gpa_send(vm, 0, &more), -EAGAIN);
	WRITE_ONCE(vm->c[0].chan->worker.orphaned, true);
	KUNIT_EXPECT_EQ(test, gpa_send(vm, 0, &more), -ESRCH);
	WRITE_ONCE(vm->c[0].chan->worker.orphaned, false);
	for (i = 0; i < GPA_REQUESTS; i++)
		vmbus_gpa_unmap(map[i]);
}

VM_CASE(eintr_killed)
{
	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 3);
	vm_kill();
	vm->pin = gpa_pin_fails;
	vm->pin_result = -EINTR;
	gpa_expect_refused(vm, 0, -EINTR);
	vm_unkill();
}

/* Some pages are pinned when it fails: they are not left so. */
VM_CASE(fails_half_way)
{
	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 3);
	vm_range(vm, VM_NOVMA_PFN, 1);
	vm_fill(vm, VM_LOW_PFN, 3);
	gpa_expect_refused(vm, 0, -EFAULT);
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), vm->resident ? 3 : 0);
}

static struct kunit_case gpa_cases[] = {
	KUNIT_CASE(one_page),
	KUNIT_CASE(up_and_down),
	KUNIT_CASE(scattered),
	KUNIT_CASE(parts_of_pages),
	KUNIT_CASE(several_regions),
	KUNIT_CASE(page_named_twice),
	KUNIT_CASE(most_ranges),
	KUNIT_CASE(words_behind_are_ignored),
	KUNIT_CASE(ranges_at_any_address),
	KUNIT_CASE(direction),
	KUNIT_CASE(segments),
	KUNIT_CASE(many_pages),
	KUNIT_CASE(in_kernel_thread),
	KUNIT_CASE(einval_flags),
	KUNIT_CASE(enxio_no_pool),
	KUNIT_CASE(bad_ranges_are_refused),
	KUNIT_CASE(second_range_counts),
	KUNIT_CASE(eshutdown_rescinded),
	KUNIT_CASE(esrch_worker_killed),
	KUNIT_CASE(esrch_worker_killed_and_no_room),
	KUNIT_CASE(eintr_killed),
	KUNIT_CASE(fails_half_way),
	{}
};

static struct kunit_case gpa_resident_cases[] = {
	KUNIT_CASE(one_page),
	KUNIT_CASE(up_and_down),
	KUNIT_CASE(scattered),
	KUNIT_CASE(parts_of_pages),
	KUNIT_CASE(several_regions),
	KUNIT_CASE(page_named_twice),
	KUNIT_CASE(most_ranges),
	KUNIT_CASE(segments),
	KUNIT_CASE(in_kernel_thread),
	KUNIT_CASE(bad_ranges_are_refused),
	{}
};

struct kunit_suite gpa_suite = {
	.name = "vmbus_gpadl_gpa",
	.init = gpa_init,
	.exit = vm_exit,
	.test_cases = gpa_cases,
};

struct kunit_suite gpa_resident_suite = {
	.name = "vmbus_gpadl_gpa_resident",
	.init = gpa_init_resident,
	.exit = vm_exit,
	.test_cases = gpa_resident_cases,
};
