// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_mem: the scatterlist that a guest's page list becomes, and what is read
 * and written through it.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/uaccess.h>

#include "suites.h"
#include "vm.h"

/* ---- The scatterlist ---- */

struct size {
	u32 nr;
};

/* What fills one message and two, and one more; and what real guests send. */
static const struct size sizes[] = {
	{ 1 }, { 26 }, { 27 }, { 54 }, { 55 }, { 4096 }, { 7936 }, { 8190 },
};

static void size_desc(const struct size *s, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u pages", s->nr);
}

KUNIT_ARRAY_PARAM(size, sizes, size_desc);

VM_CASE(map_of_size)
{
	const struct size *s = test->param_value;

	vm_begin(vm);
	vm_range(vm, VM_BIG_PFN, s->nr);
	vm_expect_maps(vm, 0);
}

VM_CASE(map_of_run_down)
{
	vm_begin(vm);
	guest_range(&vm->s, 600 * GUEST_PAGE, 0);
	guest_pfns(&vm->s, VM_BIG_PFN + 700, -1, 600);
	vm_expect_maps(vm, 0);
}

/* Up, down, up from where it came, single pages; in one range. */
VM_CASE(map_of_runs)
{
	vm_begin(vm);
	guest_range(&vm->s, 53 * GUEST_PAGE, 0);
	guest_pfns(&vm->s, VM_BIG_PFN + 10, 1, 10);
	guest_pfns(&vm->s, VM_BIG_PFN + 19, -1, 10);
	guest_pfns(&vm->s, VM_BIG_PFN + 9, -1, 5);
	guest_pfns(&vm->s, VM_BIG_PFN + 5, 1, 10);
	guest_pfns(&vm->s, VM_BIG_PFN + 100, 2, 10);
	guest_pfns(&vm->s, VM_BIG_PFN + 200, -2, 8);
	vm_expect_maps(vm, 0);
}

/* Up to the last page that a guest can have, and on from elsewhere. */
VM_CASE(map_of_the_last_pages)
{
	vm_begin(vm);
	guest_range(&vm->s, (VM_TOP_PAGES + 8) * GUEST_PAGE, 0);
	guest_pfns(&vm->s, VM_TOP_PFN, 1, VM_TOP_PAGES);
	guest_pfns(&vm->s, VM_LOW_PFN, 1, 8);
	vm_expect_maps(vm, 0);
}

VM_CASE(map_of_shuffled_pages)
{
	vm_shuffled_range(vm, 1000, 4711);
	vm_expect_maps(vm, 0);
}

VM_CASE(map_of_repeated_page)
{
	vm_begin(vm);
	guest_range(&vm->s, 100 * GUEST_PAGE, 0);
	guest_pfns(&vm->s, VM_LOW_PFN + 3, 0, 50);
	guest_pfns(&vm->s, VM_LOW_PFN + 3, 1, 10);
	guest_pfns(&vm->s, VM_LOW_PFN + 3, 1, 10);
	guest_pfns(&vm->s, VM_LOW_PFN + 12, -1, 10);
	guest_pfns(&vm->s, VM_LOW_PFN + 3, 0, 20);
	vm_expect_maps(vm, 0);
}

struct piece {
	const char *name;
	u32 offset;
	u32 count;
};

/* Ranges as they can begin and end in a page. */
static const struct piece pieces[] = {
	{ "first byte", 0, 1 },
	{ "last byte", 0xfff, 1 },
	{ "a byte each of two pages", 0xfff, 2 },
	{ "all but the first byte", 1, 0xfff },
	{ "all but the last byte", 0, 0xfff },
	{ "one page over two", 0x800, 0x1000 },
	{ "a whole page", 0, 0x1000 },
	{ "to the end of a page", 0x234, 0x1000 - 0x234 },
	{ "odd begin and end", 0x123, 5 * 0x1000 + 0x321 },
	{ "odd end", 0, 5 * 0x1000 + 1 },
	{ "odd begin", 0xffe, 5 * 0x1000 + 2 },
};

static void piece_desc(const struct piece *p, char *desc)
{
	strscpy(desc, p->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(piece, pieces, piece_desc);

/* Adds a range of pages that go up or down from @pfn. */
static void add_piece(struct vm *vm, const struct piece *p, u64 pfn, s64 step)
{
	u32 nr = (p->offset + p->count + GUEST_PAGE - 1) / GUEST_PAGE;

	guest_range(&vm->s, p->count, p->offset);
	guest_pfns(&vm->s, pfn, step, nr);
}

VM_CASE(map_of_piece)
{
	const struct piece *p = test->param_value;
	s64 step;

	for (step = -1; step <= 1; step++) {
		vm_begin(vm);
		add_piece(vm, p, VM_LOW_PFN + 20, step);
		vm_expect_maps(vm, 0);
	}
}

/* All of them in one GPADL; each begins where the one before ended, or in its page. */
VM_CASE(map_of_many_ranges)
{
	u64 pfn = VM_LOW_PFN + 20;
	int i, pass;

	vm_begin(vm);
	for (pass = 0; pass < 3; pass++) {
		for (i = 0; i < ARRAY_SIZE(pieces); i++) {
			add_piece(vm, &pieces[i], pfn, pass - 1);
			pfn = vm->s.words[vm->s.nr - 1] + (i & 1);
		}
	}
	vm_expect_maps(vm, 0);
}

/* Two ranges in one page are two entries, though they adjoin to the byte. */
VM_CASE(map_of_ranges_that_adjoin)
{
	vm_begin(vm);
	add_piece(vm, &(struct piece) { .offset = 0, .count = 0x800 }, VM_LOW_PFN, 1);
	add_piece(vm, &(struct piece) { .offset = 0x800, .count = 0x800 }, VM_LOW_PFN, 1);
	vm_range(vm, VM_LOW_PFN + 1, 1);
	vm_range(vm, VM_LOW_PFN + 2, 1);
	vm_expect_maps(vm, 0);
}

/* As many ranges as a GPADL can have: one page each. */
VM_CASE(map_of_most_ranges)
{
	u32 i;

	vm_begin(vm);
	for (i = 0; i < GPADL_MAX_WORDS / 2; i++)
		add_piece(vm, &(struct piece) { .offset = i & 0xfff, .count = 1 },
			  VM_LOW_PFN + i % VM_LOW_PAGES, 1);
	vm_expect_maps(vm, 0);
}

/* Adjoining for the guest, but not for the VMM. */
VM_CASE(map_across_regions)
{
	vm_begin(vm);
	vm_range(vm, VM_HIGH_PFN - 5, 10);
	vm_expect_maps(vm, 0);
	vm_begin(vm);
	guest_range(&vm->s, 10 * GUEST_PAGE, 0);
	guest_pfns(&vm->s, VM_HIGH_PFN + 4, -1, 10);
	vm_expect_maps(vm, 0);
}

/* The rest of a run is in the next region; pages of the first one come behind it. */
VM_CASE(map_of_run_before_pages_apart)
{
	vm_begin(vm);
	guest_range(&vm->s, 13 * GUEST_PAGE, 0);
	guest_pfns(&vm->s, VM_HIGH_PFN - 4, 1, 8);
	guest_pfns(&vm->s, VM_LOW_PFN + 10, 10, 5);
	vm_fill_gpadl(vm);
	vm_expect_maps(vm, 0);
}

/* Among pages that are apart: first few, then so many that they are pinned by the block */
VM_CASE(map_of_page_behind_region)
{
	u32 nr;

	for (nr = 2; nr <= 64; nr *= 2) {
		vm_begin(vm);
		guest_range(&vm->s, (2 * nr + 1) * GUEST_PAGE, 0);
		guest_pfns(&vm->s, VM_LOW_PFN, 2, nr);
		guest_pfns(&vm->s, VM_HIGH_PFN, 0, 1);
		guest_pfns(&vm->s, VM_LOW_PFN + 1, 2, nr);
		vm_fill_gpadl(vm);
		vm_expect_maps(vm, 0);
	}
}

/* Two guest addresses for the same memory. */
VM_CASE(map_of_aliases)
{
	vm_begin(vm);
	vm_range(vm, VM_ALIAS_PFN, 10);
	vm_range(vm, VM_LOW_PFN, 10);
	vm_range(vm, VM_ALIAS_PFN + 5, 10);
	vm_expect_maps(vm, 0);
}

VM_CASE(read_only_map_of_anything)
{
	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 10);
	vm_range(vm, VM_RO_PFN, 10);
	vm_expect_maps(vm, VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY);
}

/* ---- The same memory as the guest's ---- */

VM_CASE(writes_go_both_ways)
{
	unsigned long hva = vm_hva(vm, VM_LOW_PFN + 1);
	struct sg_table *sgt;
	u64 value = 0;

	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN + 1, 1);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, &sgt), 0);
	KUNIT_EXPECT_EQ(test, sg_pcopy_from_buffer(sgt->sgl, 1, &(u64) { 17 }, 8, 16), 8);
	KUNIT_EXPECT_EQ(test, copy_from_user(&value, (void __user *)hva + 16, 8), 0);
	KUNIT_EXPECT_EQ(test, value, 17);
	KUNIT_EXPECT_EQ(test, copy_to_user((void __user *)hva + 8, &(u64) { 18 }, 8), 0);
	KUNIT_EXPECT_EQ(test, sg_pcopy_to_buffer(sgt->sgl, 1, &value, 8, 8), 8);
	KUNIT_EXPECT_EQ(test, value, 18);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

/* Memory that nobody has touched before the map: not the kernel's page of zeroes. */
VM_CASE(read_only_map_sees_later_writes)
{
	unsigned long hva = vm_hva(vm, VM_LOW_PFN + 1);
	struct sg_table *sgt;
	u64 value = 1;

	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN + 1, 1);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY,
				     VM_HANDLE, &sgt), 0);
	KUNIT_EXPECT_EQ(test, sg_pcopy_to_buffer(sgt->sgl, 1, &value, 8, 8), 8);
	KUNIT_EXPECT_EQ(test, value, 0);
	KUNIT_EXPECT_EQ(test, copy_to_user((void __user *)hva + 8, &(u64) { 18 }, 8), 0);
	KUNIT_EXPECT_EQ(test, sg_pcopy_to_buffer(sgt->sgl, 1, &value, 8, 8), 8);
	KUNIT_EXPECT_EQ(test, value, 18);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

struct dirty {
	const char *name;
	u64 pfn;
	s64 step;
	u32 nr;
};

/* By how they are unpinned */
static const struct dirty dirties[] = {
	{ "one page", VM_LOW_PFN + 1, 1, 1 },
	{ "few pages, each by itself", VM_LOW_PFN + 1, 2, 9 },
	{ "many pages, each by itself", VM_LOW_PFN + 1, 2, 40 },
	{ "many pages, one after the other", VM_BIG_PFN, 1, 512 },
};

static void dirty_desc(const struct dirty *d, char *desc)
{
	strscpy(desc, d->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(dirty, dirties, dirty_desc);

static u32 dirty_pages(struct vm *vm, const struct dirty *d)
{
	u32 i, nr = 0;

	for (i = 0; i < d->nr; i++)
		nr += vm_page_is_dirty(vm_hva(vm, d->pfn + i * d->step));
	return nr;
}

VM_CASE(only_a_writable_map_makes_dirty)
{
	const struct dirty *d = test->param_value;

	vm_begin(vm);
	guest_range(&vm->s, d->nr * GUEST_PAGE, 0);
	guest_pfns(&vm->s, d->pfn, d->step, d->nr);
	vm_expect_maps(vm, VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY);
	KUNIT_EXPECT_EQ(test, dirty_pages(vm, d), 0);
	vm_expect_maps(vm, 0);
	KUNIT_EXPECT_EQ(test, dirty_pages(vm, d), d->nr);
}

/* ---- Who maps ---- */

VM_CASE(map_by_kernel_thread)
{
	vm_fill(vm, VM_LOW_PFN, 5);
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 5);
	KUNIT_EXPECT_EQ(test, vm_map_in_thread(vm, vm_task_map), 0);
}

/* It has an address space of its own, where the same addresses are something else. */
static int task_map_with_other_mm(struct vm_task *t)
{
	struct vm *vm = t->vm;
	unsigned long hva = vm_hva(vm, VM_LOW_PFN);

	if (kunit_vm_mmap(vm->test, NULL, hva, 5 * PAGE_SIZE, PROT_READ | PROT_WRITE,
			  MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED, 0) != hva)
		return -ENXIO;
	return vm_task_map(t);
}

VM_CASE(map_by_another_process)
{
	vm_fill(vm, VM_LOW_PFN, 5);
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 5);
	KUNIT_EXPECT_EQ(test, vm_map_in_thread(vm, task_map_with_other_mm), 0);
}

/* ---- Memory that is not there ---- */

/* Now one allocation of a map fails, now another: then nothing has changed. */
static u32 maps_out_of_memory(struct vm *vm)
{
	struct kunit *test = vm->test;
	struct alloc_fault f = {};
	u32 failed = 0;
	int ret;

	while (alloc_fault_next(&f)) {
		alloc_fault_begin(&f);
		ret = vm_map(&vm->c[0], 0, VM_HANDLE, NULL);
		alloc_fault_end(&f);

		KUNIT_EXPECT_TRUE(test, !ret || (f.injected && ret == -ENOMEM));
		failed += !!ret;
		vm_check(vm);
		if (!ret)
			vm_unmap(&vm->c[0], VM_HANDLE);
		KUNIT_EXPECT_EQ(test, vm_gpadl(&vm->c[0], VM_HANDLE)->state, GPADL_READY);
	}
	return failed;
}

VM_CASE(out_of_memory)
{
	alloc_fault_need(test);
	/* Untouched memory: page tables and pages too are allocated in the map. */
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 20);
	/* The list of pages and the scatterlist at least. */
	KUNIT_EXPECT_GE(test, maps_out_of_memory(vm), 2);
}

/* One run says nothing of how many entries it takes: if it goes down, one for each page. */
VM_CASE(out_of_memory_as_the_list_grows)
{
	alloc_fault_need(test);
	vm_begin(vm);
	guest_range(&vm->s, 60 * GUEST_PAGE, 0);
	guest_pfns(&vm->s, VM_LOW_PFN + 100, -1, 60);
	KUNIT_EXPECT_EQ(test, vm_send(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_created(vm, &vm->c[0], VM_HANDLE, GPADL_STATUS_SUCCESS);
	KUNIT_EXPECT_GE(test, maps_out_of_memory(vm), 2);
}

/* Those that hold for either kind of region, and others. */
#define MEM_CASES(name, ...)					\
static struct kunit_case name[] = {				\
	KUNIT_CASE_PARAM_ATTR(map_of_size, size_gen_params,	\
			      { .speed = KUNIT_SPEED_SLOW }),	\
	KUNIT_CASE(map_of_run_down),				\
	KUNIT_CASE(map_of_runs),				\
	KUNIT_CASE(map_of_the_last_pages),			\
	KUNIT_CASE(map_of_shuffled_pages),			\
	KUNIT_CASE(map_of_repeated_page),			\
	KUNIT_CASE_PARAM(map_of_piece, piece_gen_params),	\
	KUNIT_CASE(map_of_many_ranges),				\
	KUNIT_CASE(map_of_ranges_that_adjoin),			\
	KUNIT_CASE(map_of_most_ranges),				\
	KUNIT_CASE(map_across_regions),				\
	KUNIT_CASE(map_of_run_before_pages_apart),			\
	KUNIT_CASE(map_of_page_behind_region),			\
	KUNIT_CASE(map_of_aliases),				\
	KUNIT_CASE(read_only_map_of_anything),			\
	KUNIT_CASE(writes_go_both_ways),			\
	KUNIT_CASE(map_by_kernel_thread),			\
	KUNIT_CASE(map_by_another_process),			\
	__VA_ARGS__						\
	{}							\
}

MEM_CASES(mem_cases,
	  KUNIT_CASE(read_only_map_sees_later_writes),
	  KUNIT_CASE_PARAM(only_a_writable_map_makes_dirty, dirty_gen_params),
	  KUNIT_CASE(out_of_memory),
);
MEM_CASES(mem_resident_cases,
	  KUNIT_CASE(out_of_memory_as_the_list_grows),
);

struct kunit_suite mem_suite = {
	.name = "vmbus_gpadl_mem",
	.init = vm_init,
	.exit = vm_exit,
	.test_cases = mem_cases,
};

struct kunit_suite mem_resident_suite = {
	.name = "vmbus_gpadl_mem_resident",
	.init = vm_init_resident,
	.exit = vm_exit,
	.test_cases = mem_resident_cases,
};
