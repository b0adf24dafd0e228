// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_mem: what a guest's page list becomes: scatterlist, pins, charges.
 */
#include <linux/cred.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/vmstat.h>

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

static void map_of_size(struct kunit *test)
{
	const struct size *s = test->param_value;
	struct vm *vm = test->priv;

	vm_begin(vm);
	vm_range(vm, VM_BIG_PFN, s->nr);
	vm_expect_maps(vm, 0);
}

static void map_of_run_down(struct kunit *test)
{
	struct vm *vm = test->priv;

	vm_begin(vm);
	guest_range(&vm->s, 600 * GUEST_PAGE, 0);
	guest_pfns(&vm->s, VM_BIG_PFN + 700, -1, 600);
	vm_expect_maps(vm, 0);
}

/* Up, down, up from where it came, single pages; in one range. */
static void map_of_runs(struct kunit *test)
{
	struct vm *vm = test->priv;

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

/* Pages from VM_BIG_PFN on, in any order. */
static void shuffled_range(struct vm *vm, u32 nr, u64 seed)
{
	u32 i, j;

	vm_begin(vm);
	vm_range(vm, VM_BIG_PFN, nr);
	for (i = nr; i > 1; i--) {
		j = 1 + guest_random(&seed) % i;
		swap(vm->s.words[i], vm->s.words[j]);
	}
}

static void map_of_shuffled_pages(struct kunit *test)
{
	struct vm *vm = test->priv;

	shuffled_range(vm, 1000, 4711);
	vm_expect_maps(vm, 0);
}

static void map_of_repeated_page(struct kunit *test)
{
	struct vm *vm = test->priv;

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

static void map_of_piece(struct kunit *test)
{
	const struct piece *p = test->param_value;
	struct vm *vm = test->priv;
	s64 step;

	for (step = -1; step <= 1; step++) {
		vm_begin(vm);
		add_piece(vm, p, VM_LOW_PFN + 20, step);
		vm_expect_maps(vm, 0);
	}
}

/* All of them in one GPADL; each begins where the one before ended, or in its page. */
static void map_of_many_ranges(struct kunit *test)
{
	struct vm *vm = test->priv;
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
static void map_of_ranges_that_adjoin(struct kunit *test)
{
	struct vm *vm = test->priv;

	vm_begin(vm);
	add_piece(vm, &(struct piece) { .offset = 0, .count = 0x800 }, VM_LOW_PFN, 1);
	add_piece(vm, &(struct piece) { .offset = 0x800, .count = 0x800 }, VM_LOW_PFN, 1);
	vm_range(vm, VM_LOW_PFN + 1, 1);
	vm_range(vm, VM_LOW_PFN + 2, 1);
	vm_expect_maps(vm, 0);
}

/* As many ranges as a GPADL can have: one page each. */
static void map_of_most_ranges(struct kunit *test)
{
	struct vm *vm = test->priv;
	u32 i;

	vm_begin(vm);
	for (i = 0; i < GPADL_MAX_WORDS / 2; i++)
		add_piece(vm, &(struct piece) { .offset = i & 0xfff, .count = 1 },
			  VM_LOW_PFN + i % VM_LOW_PAGES, 1);
	vm_expect_maps(vm, 0);
}

/* Adjoining for the guest, but not for the VMM. */
static void map_across_regions(struct kunit *test)
{
	struct vm *vm = test->priv;

	vm_begin(vm);
	vm_range(vm, VM_HIGH_PFN - 5, 10);
	vm_expect_maps(vm, 0);
	vm_begin(vm);
	guest_range(&vm->s, 10 * GUEST_PAGE, 0);
	guest_pfns(&vm->s, VM_HIGH_PFN + 4, -1, 10);
	vm_expect_maps(vm, 0);
}

/* The rest of a run is in the next region; pages of the first one come behind it. */
static void map_of_run_before_pages_apart(struct kunit *test)
{
	struct vm *vm = test->priv;

	vm_begin(vm);
	guest_range(&vm->s, 13 * GUEST_PAGE, 0);
	guest_pfns(&vm->s, VM_HIGH_PFN - 4, 1, 8);
	guest_pfns(&vm->s, VM_LOW_PFN + 10, 10, 5);
	vm_fill_gpadl(vm);
	vm_expect_maps(vm, 0);
}

/* Among pages that are apart: first few, then so many that they are pinned by the block */
static void map_of_page_behind_region(struct kunit *test)
{
	struct vm *vm = test->priv;
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
static void map_of_aliases(struct kunit *test)
{
	struct vm *vm = test->priv;

	vm_begin(vm);
	vm_range(vm, VM_ALIAS_PFN, 10);
	vm_range(vm, VM_LOW_PFN, 10);
	vm_range(vm, VM_ALIAS_PFN + 5, 10);
	vm_expect_maps(vm, 0);
}

static void read_only_map_of_anything(struct kunit *test)
{
	struct vm *vm = test->priv;

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 10);
	vm_range(vm, VM_RO_PFN, 10);
	vm_expect_maps(vm, VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY);
}

/* ---- The same memory as the guest's ---- */

static void writes_go_both_ways(struct kunit *test)
{
	struct vm *vm = test->priv;
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
static void read_only_map_sees_later_writes(struct kunit *test)
{
	struct vm *vm = test->priv;
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

static void only_a_writable_map_makes_dirty(struct kunit *test)
{
	const struct dirty *d = test->param_value;
	struct vm *vm = test->priv;

	vm_begin(vm);
	guest_range(&vm->s, d->nr * GUEST_PAGE, 0);
	guest_pfns(&vm->s, d->pfn, d->step, d->nr);
	vm_expect_maps(vm, VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY);
	KUNIT_EXPECT_EQ(test, dirty_pages(vm, d), 0);
	vm_expect_maps(vm, 0);
	KUNIT_EXPECT_EQ(test, dirty_pages(vm, d), d->nr);
}

/* ---- Pins ---- */

/* A pin that says what it was asked for, and refuses. */
static long pin_notes_flags(struct vm *vm, unsigned long hva, unsigned long nr,
			    unsigned int gup_flags, struct page **pages)
{
	vm->pin_result = gup_flags;
	return -EFAULT;
}

static void pins_are_long_term(struct kunit *test)
{
	struct vm *vm = test->priv;

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
static void adjoining_pages_are_pinned_together(struct kunit *test)
{
	struct vm *vm = test->priv;

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
static void shuffled_pages_are_pinned_together(struct kunit *test)
{
	struct vm *vm = test->priv;

	shuffled_range(vm, 1024, 815);
	vm_expect_maps(vm, 0);
	KUNIT_EXPECT_LE(test, atomic_read(&vm->pins), 3 + 1);
}

/* So few pages, so far apart, that each is pinned by itself. */
static void pages_far_apart(struct kunit *test)
{
	const u32 step = VM_BIG_PAGES / 64;
	struct vm *vm = test->priv;

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
static void pages_spread_over_blocks(struct kunit *test)
{
	const struct spread *s = test->param_value;
	struct vm *vm = test->priv;
	u64 pfn = first_block_pfn(vm);
	u32 i;

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
} lucky;

/* Pins these instead of what is there; the kernel's own pin does the same to small pages. */
static long pin_lucky(struct vm *vm, unsigned long hva, unsigned long nr,
		      unsigned int gup_flags, struct page **pages)
{
	unsigned long i, first = (hva - lucky.hva) >> PAGE_SHIFT;

	for (i = 0; i < nr; i++) {
		pages[i] = lucky.page + ((first + i) ^ lucky.flip);
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
	{ .nr = 100, .step = 1, .entries = 50, .ranges = 0, .flip = 2 },
	{ .nr = 8, .step = 1, .entries = 1, .ranges = 1, .flip = 7, .down = true },
};

static void luck_desc(const struct luck *l, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u pages, %u apart%s", l->nr, l->step,
		 l->down ? ", from the last down" : l->flip ? ", in pairs" : "");
}

KUNIT_ARRAY_PARAM(luck, lucks, luck_desc);

/* From here on, what is pinned from @pfn on are these. */
static void lucky_begin(struct kunit *test, u64 pfn, unsigned long flip)
{
	struct vm *vm = test->priv;

	lucky.page = alloc_pages(GFP_KERNEL, LUCKY_ORDER);
	KUNIT_ASSERT_NOT_NULL(test, lucky.page);
	split_page(lucky.page, LUCKY_ORDER);
	lucky.hva = vm_hva(vm, pfn);
	lucky.flip = flip;
	vm->pin = pin_lucky;
}

static void lucky_end(void)
{
	int i;

	for (i = 0; i < 1 << LUCKY_ORDER; i++)
		__free_page(lucky.page + i);
}

/* They are unpinned as a range if there is no hole in it, and exactly those pinned. */
static void pages_that_follow_by_luck(struct kunit *test)
{
	const struct luck *l = test->param_value;
	struct vm *vm = test->priv;
	u64 pfn = first_block_pfn(vm);
	struct sg_table *sgt;

	lucky_begin(test, pfn, l->flip);
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

static const u32 dma_pages[] = { 1, 8, 16, 20, 100 };

static void dma_pages_desc(const u32 *nr, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u pages", *nr);
}

KUNIT_ARRAY_PARAM(dma_pages, dma_pages, dma_pages_desc);

/* Behind an IOMMU, dma_map_sgtable() leaves one entry in nents, and dma_unmap_sgtable() too. */
static void dma_map_merges_entries(struct kunit *test)
{
	const u32 nr = *(const u32 *)test->param_value;
	struct vm *vm = test->priv;
	u64 pfn = first_block_pfn(vm);
	struct sg_table *sgt;

	lucky_begin(test, pfn, 2);
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

static void short_pins_go_on(struct kunit *test)
{
	struct vm *vm = test->priv;

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

static void failed_pin_drops_the_others(struct kunit *test)
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
	struct vm *vm = test->priv;
	int i;

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

/* ---- Who maps ---- */

static int map_in_thread(struct vm *vm, int (*fn)(struct vm_task *t))
{
	struct vm_task *t = vm_start(vm, fn, &vm->c[0], 0, VM_HANDLE);
	int ret = vm_join(t);

	if (!ret) {
		vm_expect_sg(vm, vmbus_mapping_sgt(t->map));
		vm_unmap(&vm->c[0], VM_HANDLE);
	}
	return ret;
}

static void map_by_kernel_thread(struct kunit *test)
{
	struct vm *vm = test->priv;

	vm_fill(vm, VM_LOW_PFN, 5);
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 5);
	KUNIT_EXPECT_EQ(test, map_in_thread(vm, vm_task_map), 0);
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

static void map_by_another_process(struct kunit *test)
{
	struct vm *vm = test->priv;

	vm_fill(vm, VM_LOW_PFN, 5);
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 5);
	KUNIT_EXPECT_EQ(test, map_in_thread(vm, task_map_with_other_mm), 0);
}

/* ---- Charges ---- */

/* The owner may pin @pages pages more, and has no privilege. */
static void limit_owner(struct vm *vm, unsigned long pages)
{
	vm_limit(vm, pages);
}

static void owner_over_limit(struct kunit *test)
{
	struct vm *vm = test->priv;

	vm_establish(vm, &vm->c[0], 1, VM_LOW_PFN, 8);
	vm_establish(vm, &vm->c[0], 2, VM_LOW_PFN, 3);
	limit_owner(vm, 10);
	KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, 1, NULL), 0);
	/* The same pages again are pinned again, and charged again. */
	KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, 2, NULL), -ENOMEM);
	vm_check(vm);
	KUNIT_EXPECT_EQ(test, atomic64_read(&vm->mm->pinned_vm), 8);
	limit_owner(vm, 11);
	KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, 2, NULL), 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&vm->mm->pinned_vm), 11);
	vm_unmap(&vm->c[0], 1);
	vm_unmap(&vm->c[0], 2);
}

/* It is the owner's limit that counts, not that of the thread that maps. */
static void owner_over_limit_in_kernel_thread(struct kunit *test)
{
	struct vm *vm = test->priv;

	vm_fill(vm, VM_LOW_PFN, 8);
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 8);
	limit_owner(vm, 7);
	KUNIT_EXPECT_EQ(test, map_in_thread(vm, vm_task_map), -ENOMEM);
	limit_owner(vm, 8);
	KUNIT_EXPECT_EQ(test, map_in_thread(vm, vm_task_map), 0);
}

static void privileged_owner_over_limit(struct kunit *test)
{
	struct vm *vm = test->priv;

	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 8);
	limit_owner(vm, 0);
	vm_unlimit(vm);
	KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&vm->mm->pinned_vm), 8);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

/* Whether it may is asked when the partition is made, of whoever makes it. */
static void owner_without_privilege(struct kunit *test)
{
	const struct cred *before;
	struct vm *vm = test->priv, *other;
	struct cred *cred;

	KUNIT_EXPECT_NULL(test, vm->p->mem.user);
	cred = prepare_creds();
	KUNIT_ASSERT_NOT_NULL(test, cred);
	cap_lower(cred->cap_effective, CAP_IPC_LOCK);
	before = override_creds(cred);
	other = vm_create(test, 0);
	revert_creds(before);
	put_cred(cred);
	KUNIT_ASSERT_NOT_NULL(test, other);
	KUNIT_EXPECT_NOT_NULL(test, other->p->mem.user);
	vm_destroy(other);
}

/* The counts go up and down by themselves, but not by one each time. */
static void partitions_let_go_of_their_owner(struct kunit *test)
{
	struct task_struct *owner = current->group_leader;
	struct vm *vm = test->priv, *other;
	int tasks, mms, i;

	tasks = refcount_read(&owner->usage);
	mms = atomic_read(&vm->mm->mm_count);
	for (i = 0; i < 32; i++) {
		other = vm_create(test, 0);
		KUNIT_ASSERT_NOT_NULL(test, other);
		KUNIT_EXPECT_PTR_EQ(test, other->p->mem.owner, owner);
		vm_destroy(other);
	}
	KUNIT_EXPECT_LT(test, refcount_read(&owner->usage), tasks + 16);
	KUNIT_EXPECT_LT(test, atomic_read(&vm->mm->mm_count), mms + 16);
}

static void page_of_channel_layer(struct kunit *test)
{
	struct vm *vm = test->priv;
	unsigned long hva = vm_hva(vm, VM_LOW_PFN);
	struct page *page;

	limit_owner(vm, 0);
	KUNIT_EXPECT_EQ(test, vmbus_partition_pin_page(vm->p, hva, &page), -ENOMEM);
	limit_owner(vm, 1);
	KUNIT_EXPECT_EQ(test, vmbus_partition_pin_page(vm->p, PAGE_SIZE, &page), -EFAULT);
	KUNIT_EXPECT_EQ(test, atomic64_read(&vm->mm->pinned_vm), 0);
	KUNIT_ASSERT_EQ(test, vmbus_partition_pin_page(vm->p, hva + 0x123, &page), 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&vm->mm->pinned_vm), 1);
	KUNIT_EXPECT_TRUE(test, folio_maybe_dma_pinned(page_folio(page)));
	vmbus_partition_unpin_page(vm->p, page);
	KUNIT_EXPECT_EQ(test, atomic64_read(&vm->mm->pinned_vm), 0);
}

/* A page that the channel layer writes to, and nobody else has. */
static void page_of_channel_layer_is_dirty(struct kunit *test)
{
	struct vm *vm = test->priv;
	unsigned long hva = vm_hva(vm, VM_LOW_PFN + 1);
	struct page *page;

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN + 1, 1);
	vm_expect_maps(vm, VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY);
	KUNIT_EXPECT_FALSE(test, vm_page_is_dirty(hva));
	KUNIT_ASSERT_EQ(test, vmbus_partition_pin_page(vm->p, hva, &page), 0);
	vmbus_partition_unpin_page(vm->p, page);
	KUNIT_EXPECT_TRUE(test, vm_page_is_dirty(hva));
}

static void page_of_channel_layer_not_writable(struct kunit *test)
{
	struct vm *vm = test->priv;
	struct page *page;

	KUNIT_EXPECT_EQ(test, vmbus_partition_pin_page(vm->p, vm_hva(vm, VM_NOWRITE_PFN),
						       &page), -EFAULT);
}

static int users_after_map(struct vm_task *t)
{
	int before = atomic_read(&t->vm->mm->mm_users);

	KUNIT_EXPECT_EQ(t->vm->test, vm_task_map(t), 0);
	KUNIT_EXPECT_EQ(t->vm->test, atomic_read(&t->vm->mm->mm_users), before);
	KUNIT_EXPECT_NULL(t->vm->test, current->mm);
	vm_unmap(t->c, t->handle);
	return 0;
}

/* While it is mapped too, the VMM's address space goes with its last user. */
static void map_does_not_stay_a_user(struct kunit *test)
{
	struct vm *vm = test->priv;
	int before = atomic_read(&vm->mm->mm_users);

	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 2);
	KUNIT_EXPECT_EQ(test, 0,
			vm_join(vm_start(vm, users_after_map, &vm->c[0], 0, VM_HANDLE)));
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->mm->mm_users), before);
}

#ifdef CONFIG_MEMCG
/* Whoever is charged for what this thread allocates, if not itself */
static bool charges_another(void)
{
	return current->active_memcg;
}
#else
static bool charges_another(void)
{
	return false;
}
#endif

static long pin_while_charging(struct vm *vm, unsigned long hva, unsigned long nr,
			       unsigned int gup_flags, struct page **pages)
{
	vm->pin_result = charges_another();
	return -EFAULT;
}

static int memcg_after_map(struct vm_task *t)
{
	KUNIT_EXPECT_EQ(t->vm->test, vm_task_map(t), -EFAULT);
	KUNIT_EXPECT_FALSE(t->vm->test, charges_another());
	return 0;
}

/* What another thread allocates for the VMM is charged to the VMM; and no more than that. */
static void map_charges_the_owner_meanwhile(struct kunit *test)
{
	struct vm *vm = test->priv;

	vm->pin = pin_while_charging;
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 2);
	KUNIT_EXPECT_EQ(test, 0,
			vm_join(vm_start(vm, memcg_after_map, &vm->c[0], 0, VM_HANDLE)));
	KUNIT_EXPECT_EQ(test, vm->pin_result, IS_ENABLED(CONFIG_MEMCG));
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

static void out_of_memory(struct kunit *test)
{
	struct vm *vm = test->priv;

	if (!IS_ENABLED(CONFIG_FAILSLAB))
		kunit_skip(test, "the kernel cannot make an allocation fail");
	/* Untouched memory: page tables and pages too are allocated in the map. */
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 20);
	/* The list of pages and the scatterlist at least. */
	KUNIT_EXPECT_GE(test, maps_out_of_memory(vm), 2);
}

/* One run says nothing of how many entries it takes: if it goes down, one for each page. */
static void out_of_memory_as_the_list_grows(struct kunit *test)
{
	struct vm *vm = test->priv;

	if (!IS_ENABLED(CONFIG_FAILSLAB))
		kunit_skip(test, "the kernel cannot make an allocation fail");
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
	  KUNIT_CASE(pins_are_long_term),
	  KUNIT_CASE(adjoining_pages_are_pinned_together),
	  KUNIT_CASE(shuffled_pages_are_pinned_together),
	  KUNIT_CASE(pages_far_apart),
	  KUNIT_CASE_PARAM(pages_spread_over_blocks, spread_gen_params),
	  KUNIT_CASE_PARAM(pages_that_follow_by_luck, luck_gen_params),
	  KUNIT_CASE_PARAM(dma_map_merges_entries, dma_pages_gen_params),
	  KUNIT_CASE(short_pins_go_on),
	  KUNIT_CASE(failed_pin_drops_the_others),
	  KUNIT_CASE(owner_over_limit),
	  KUNIT_CASE(owner_over_limit_in_kernel_thread),
	  KUNIT_CASE(privileged_owner_over_limit),
	  KUNIT_CASE(owner_without_privilege),
	  KUNIT_CASE(partitions_let_go_of_their_owner),
	  KUNIT_CASE(page_of_channel_layer),
	  KUNIT_CASE(page_of_channel_layer_is_dirty),
	  KUNIT_CASE(page_of_channel_layer_not_writable),
	  KUNIT_CASE(map_does_not_stay_a_user),
	  KUNIT_CASE(map_charges_the_owner_meanwhile),
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
