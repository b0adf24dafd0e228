// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_pin: how many calls pin a GPADL's pages, and that each is unpinned.
 */
#include <linux/mm.h>
#include <linux/vmstat.h>

#include "suites.h"
#include "vm.h"

/* A pin that says what it was asked for, and refuses. */
static long pin_notes_flags(struct vm *vm, unsigned long hva, unsigned long nr,
			    unsigned int gup_flags, struct page **pages)
{
	vm->pin_result = gup_flags;
	return -EFAULT;
}

VM_CASE(pins_are_long_term)
{
	vm->pin = pin_notes_flags;
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 3);
	KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), -EFAULT);
	KUNIT_EXPECT_EQ(test, vm->pin_result, FOLL_LONGTERM | FOLL_WRITE);
	KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY,
				     VM_HANDLE, NULL), -EFAULT);
	KUNIT_EXPECT_EQ(test, vm->pin_result, FOLL_LONGTERM);
}

/*
 * Never a call per page where pages adjoin: 512 at a time, no more than a block, and one
 * page first to see what kind of memory it is.
 */
VM_CASE(adjoining_pages_are_pinned_together)
{
	vm_begin(vm);
	vm_range(vm, VM_BIG_PFN, 1024);
	vm_expect_maps(vm, 0);
	KUNIT_EXPECT_LE(test, atomic_xchg(&vm->pins, 0), 3 + 1);

	vm_begin(vm);
	guest_range(&vm->s, 1024 * GUEST_PAGE, 0);
	guest_pfns(&vm->s, VM_BIG_PFN + 1023, -1, 1024);
	vm_expect_maps(vm, 0);
	KUNIT_EXPECT_LE(test, atomic_xchg(&vm->pins, 0), 3 + 1);

	vm_begin(vm);
	vm_range(vm, VM_HIGH_PFN - 5, 10);
	vm_expect_maps(vm, 0);
	KUNIT_EXPECT_EQ(test, atomic_xchg(&vm->pins, 0), 2);
}

/* Nor where they adjoin but for the order in which the guest names them. */
VM_CASE(shuffled_pages_are_pinned_together)
{
	vm_shuffled_range(vm, 1024, 815);
	vm_expect_maps(vm, 0);
	KUNIT_EXPECT_LE(test, atomic_read(&vm->pins), 3 + 1);
}

/* So few pages, so far apart, that each is pinned by itself. */
VM_CASE(pages_far_apart)
{
	const u32 step = VM_BIG_PAGES / 64;

	vm_need_small_pages(test);
	vm_begin(vm);
	guest_range(&vm->s, 64 * GUEST_PAGE, 0);
	guest_pfns(&vm->s, VM_BIG_PFN, step, 64);
	vm_expect_maps(vm, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->pins), 64);
}

/* The first page of VM_BIG that begins a block, for the VMM. */
static u64 first_block_pfn(struct vm *vm)
{
	unsigned long hva = vm_hva(vm, VM_BIG_PFN);

	return VM_BIG_PFN + ((ALIGN(hva, GPADL_BLOCK_SIZE) - hva) >> PAGE_SHIFT);
}

struct spread {
	u32 blocks;
	u32 even;
	u32 odd;
	int pins;
};

/* There is room for a block to every eight pages, and one. */
static const struct spread spreads[] = {
	{ .blocks = 9, .even = 4, .odd = 4, .pins = 9 + 1 },
	{ .blocks = 10, .even = 4, .odd = 3, .pins = 10 * 7 },
};

static void spread_desc(const struct spread *s, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u pages in %u blocks",
		 s->blocks * (s->even + s->odd), s->blocks);
}

KUNIT_ARRAY_PARAM(spread, spreads, spread_desc);

/* By the block a call pins what adjoins; by the run it does not, in that order. */
VM_CASE(pages_spread_over_blocks)
{
	const struct spread *s = test->param_value;
	u64 pfn = first_block_pfn(vm);
	u32 i;

	vm_need_small_pages(test);
	vm_begin(vm);
	guest_range(&vm->s, s->blocks * (s->even + s->odd) * GUEST_PAGE, 0);
	for (i = 0; i < s->blocks; i++, pfn += GPADL_BLOCK_PAGES) {
		guest_pfns(&vm->s, pfn, 2, s->even);
		guest_pfns(&vm->s, pfn + 1, 2, s->odd);
	}
	vm_expect_maps(vm, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->pins), s->pins);
}

/* Pages that follow each other physically, each by itself: as luck would have it. */
#define LUCKY_ORDER	7

static struct {
	struct page *page;
	unsigned long hva;
	unsigned long flip;
	unsigned long gap;	/* the page that does not follow those before it; 0: all do */
} lucky;

/* Pins these instead of what is there; the kernel's own pin does the same to small pages. */
static long pin_lucky(struct vm *vm, unsigned long hva, unsigned long nr,
		      unsigned int gup_flags, struct page **pages)
{
	unsigned long i, n, first = (hva - lucky.hva) >> PAGE_SHIFT;

	for (i = 0; i < nr; i++) {
		n = first + i;
		if (lucky.gap && n >= lucky.gap)
			n++;
		pages[i] = lucky.page + (n ^ lucky.flip);
		page_ref_add(pages[i], GUP_PIN_COUNTING_BIAS);
		mod_node_page_state(page_pgdat(pages[i]), NR_FOLL_PIN_ACQUIRED, 1);
	}
	return nr;
}

/* How many of the first pages, @step apart, are pinned; -1 if others are, or otherwise. */
static int lucky_pinned(u32 step)
{
	int i, pins, nr = 0;

	for (i = 0; i < 1 << LUCKY_ORDER; i++) {
		pins = page_ref_count(lucky.page + i) - 1;
		if (pins && (pins != GUP_PIN_COUNTING_BIAS || i != nr * step))
			return -1;
		nr += !!pins;
	}
	return nr;
}

static int lucky_dirty(void)
{
	int i, nr = 0;

	for (i = 0; i < 1 << LUCKY_ORDER; i++)
		nr += PageDirty(lucky.page + i);
	return nr;
}

struct luck {
	u32 nr;
	u32 step;
	u32 entries;
	u32 ranges;
	u32 flip;
	bool down;
};

static const struct luck lucks[] = {
	{ .nr = 100, .step = 1, .entries = 1, .ranges = 1 },
	{ .nr = 50, .step = 2, .entries = 50, .ranges = 0 },
	{ .nr = 100, .step = 1, .entries = 50, .ranges = 50, .flip = 2 },
	{ .nr = 8, .step = 1, .entries = 1, .ranges = 1, .flip = 7, .down = true },
};

static void luck_desc(const struct luck *l, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u pages, %u apart%s", l->nr, l->step,
		 l->down ? ", from the last down" : l->flip ? ", in pairs" : "");
}

KUNIT_ARRAY_PARAM(luck, lucks, luck_desc);

/* From here on, what is pinned from @pfn on are these. */
static void lucky_begin(struct vm *vm, u64 pfn, unsigned long flip)
{
	lucky.page = alloc_pages(GFP_KERNEL, LUCKY_ORDER);
	KUNIT_ASSERT_NOT_NULL(vm->test, lucky.page);
	split_page(lucky.page, LUCKY_ORDER);
	lucky.hva = vm_hva(vm, pfn);
	lucky.flip = flip;
	lucky.gap = 0;
	vm->pin = pin_lucky;
}

static void lucky_end(void)
{
	int i;

	for (i = 0; i < 1 << LUCKY_ORDER; i++)
		__free_page(lucky.page + i);
}

/* They are unpinned as a range if there is no hole in it, and exactly those pinned. */
VM_CASE(pages_that_follow_by_luck)
{
	const struct luck *l = test->param_value;
	u64 pfn = first_block_pfn(vm);
	struct sg_table *sgt;

	vm_need_small_pages(test);
	lucky_begin(vm, pfn, l->flip);
	vm_begin(vm);
	guest_range(&vm->s, l->nr * GUEST_PAGE, 0);
	if (l->down)
		guest_pfns(&vm->s, pfn + l->nr - 1, -1, l->nr);
	else
		guest_pfns(&vm->s, pfn, l->step, l->nr);
	KUNIT_EXPECT_EQ(test, vm_send(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_created(vm, &vm->c[0], VM_HANDLE, GPADL_STATUS_SUCCESS);

	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY,
				     VM_HANDLE, &sgt), 0);
	KUNIT_EXPECT_EQ(test, sgt->nents, l->entries);
	KUNIT_EXPECT_EQ(test, vm_gpadl(&vm->c[0], VM_HANDLE)->mapping->map.pinned.nr_ranges,
			l->ranges);
	KUNIT_EXPECT_EQ(test, lucky_pinned(l->step), l->nr);
	vm_unmap(&vm->c[0], VM_HANDLE);
	KUNIT_EXPECT_EQ(test, lucky_pinned(1), 0);
	KUNIT_EXPECT_EQ(test, lucky_dirty(), 0);

	KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	vm_unmap(&vm->c[0], VM_HANDLE);
	KUNIT_EXPECT_EQ(test, lucky_pinned(1), 0);
	KUNIT_EXPECT_EQ(test, lucky_dirty(), l->nr);
	lucky_end();
}

/* Pages of two runs, the second of which begins behind @gap pages of the address space. */
static void expect_two_runs(struct vm *vm, u32 handle, u32 nr, u32 gap, bool down)
{
	u64 pfn = first_block_pfn(vm);
	struct sg_table *sgt;

	lucky.gap = gap;
	lucky.flip = down ? (1 << LUCKY_ORDER) - 1 : 0;
	vm_begin(vm);
	guest_range(&vm->s, nr * GUEST_PAGE, 0);
	guest_pfns(&vm->s, down ? pfn + nr - 1 : pfn, down ? -1 : 1, nr);
	KUNIT_EXPECT_EQ(vm->test, vm_send(vm, &vm->c[0], handle), 0);
	vm_expect_created(vm, &vm->c[0], handle, GPADL_STATUS_SUCCESS);
	KUNIT_ASSERT_EQ(vm->test, vm_map(&vm->c[0], 0, handle, &sgt), 0);
	KUNIT_EXPECT_EQ_MSG(vm->test, sgt->nents, 2, "%u pages, %u%s", nr, gap,
			    down ? ", down" : "");
	KUNIT_EXPECT_EQ(vm->test, sgt->sgl->length, (down ? nr - gap : gap) * GUEST_PAGE);
	vm_unmap(&vm->c[0], handle);
}

/* By the run and by the block. Pages are looked at several at a time. */
VM_CASE(run_ends_anywhere)
{
	u32 gap, handle = VM_HANDLE;

	vm_need_small_pages(test);
	lucky_begin(vm, first_block_pfn(vm), 0);
	for (gap = 1; gap < 12; gap++) {
		expect_two_runs(vm, handle++, 16, gap, false);
		expect_two_runs(vm, handle++, 16, 16 - gap, true);
		expect_two_runs(vm, handle++, 100, gap, false);
		expect_two_runs(vm, handle++, 100, 100 - gap, true);
	}
	lucky_end();
}

static const u32 dma_pages[] = { 1, 8, 16, 20, 100 };

static void dma_pages_desc(const u32 *nr, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u pages", *nr);
}

KUNIT_ARRAY_PARAM(dma_pages, dma_pages, dma_pages_desc);

/* Behind an IOMMU, dma_map_sgtable() leaves one entry in nents, and dma_unmap_sgtable() too. */
VM_CASE(dma_map_merges_entries)
{
	const u32 nr = *(const u32 *)test->param_value;
	u64 pfn = first_block_pfn(vm);
	struct sg_table *sgt;

	vm_need_small_pages(test);
	lucky_begin(vm, pfn, 2);
	vm_establish(vm, &vm->c[0], VM_HANDLE, pfn, nr);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, &sgt), 0);
	KUNIT_EXPECT_EQ(test, lucky_dirty(), 0);
	sgt->nents = 1;
	vm_unmap(&vm->c[0], VM_HANDLE);
	KUNIT_EXPECT_EQ(test, lucky_pinned(1), 0);
	KUNIT_EXPECT_EQ(test, lucky_dirty(), nr);
	lucky_end();
}

/* Pins fewer than asked for. */
static long pin_short(struct vm *vm, unsigned long hva, unsigned long nr,
		      unsigned int gup_flags, struct page **pages)
{
	return pin_user_pages_fast(hva, min(nr, 3ul), gup_flags, pages);
}

VM_CASE(short_pins_go_on)
{
	vm_need_small_pages(test);
	vm->pin = pin_short;
	vm_begin(vm);
	vm_range(vm, VM_BIG_PFN, 100);
	guest_range(&vm->s, 50 * GUEST_PAGE, 0);
	guest_pfns(&vm->s, VM_BIG_PFN + 300, -1, 50);
	vm_expect_maps(vm, 0);
	KUNIT_EXPECT_GE(test, atomic_read(&vm->pins), 34 + 17);
}

/* The first calls succeed, the next comes to vm->pin_result. */
static long pin_then_fail(struct vm *vm, unsigned long hva, unsigned long nr,
			  unsigned int gup_flags, struct page **pages)
{
	if (atomic_read(&vm->pins) > 3)
		return vm->pin_result;
	return pin_short(vm, hva, nr, gup_flags, pages);
}

VM_CASE(failed_pin_drops_the_others)
{
	static const struct {
		long pin;
		int map;
		int tries;
	} rows[] = {
		{ -EFAULT, -EFAULT, 1 },
		{ -EINTR, -EFAULT, 1 },
		/* These may pass. */
		{ 0, -EFAULT, GPADL_PIN_TRIES },
		{ -ENOMEM, -ENOMEM, GPADL_PIN_TRIES },
		{ -EAGAIN, -EFAULT, GPADL_PIN_TRIES },
		{ -EBUSY, -EFAULT, GPADL_PIN_TRIES },
	};
	int i;

	vm_need_small_pages(test);
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 50);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		vm->pin = pin_then_fail;
		vm->pin_result = rows[i].pin;
		atomic_set(&vm->pins, 0);
		KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), rows[i].map);
		KUNIT_EXPECT_EQ(test, atomic_read(&vm->pins), 3 + rows[i].tries);
		KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), 0);
		vm_check(vm);

		vm->pin = NULL;
		KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
		vm_unmap(&vm->c[0], VM_HANDLE);
	}
}

/* A region that seems to have huge pages, and has none at all there. */
VM_CASE(failed_pin_of_a_huge_page)
{
	vm_need_small_pages(test);
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 5);
	vm_region(vm, VM_LOW)->huge = true;
	vm->pin = pin_notes_flags;
	KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), -EFAULT);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->pins), 1);
	vm_check(vm);
	vm->pin = NULL;
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	KUNIT_EXPECT_FALSE(test, vm_region(vm, VM_LOW)->huge);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

static struct kunit_case pin_cases[] = {
	KUNIT_CASE(pins_are_long_term),
	KUNIT_CASE(adjoining_pages_are_pinned_together),
	KUNIT_CASE(shuffled_pages_are_pinned_together),
	KUNIT_CASE(pages_far_apart),
	KUNIT_CASE_PARAM(pages_spread_over_blocks, spread_gen_params),
	KUNIT_CASE_PARAM(pages_that_follow_by_luck, luck_gen_params),
	KUNIT_CASE(run_ends_anywhere),
	KUNIT_CASE_PARAM(dma_map_merges_entries, dma_pages_gen_params),
	KUNIT_CASE(short_pins_go_on),
	KUNIT_CASE(failed_pin_drops_the_others),
	KUNIT_CASE(failed_pin_of_a_huge_page),
	{}
};

struct kunit_suite pin_suite = {
	.name = "vmbus_gpadl_pin",
	.init = vm_init,
	.exit = vm_exit,
	.test_cases = pin_cases,
};
