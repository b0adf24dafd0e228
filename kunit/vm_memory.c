// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of a test's guest: regions, what is in their pages, and what a scatterlist says of
 * them; see vm_helpers.h.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/uaccess.h>

#include "vm_helpers.h"

/* ---- Memory ---- */

/* The regions that every case begins with. */
int vm_memory_init(struct vm *vm)
{
	/* In the VMM: not in the order of the guest, and a page apart. */
	static const struct {
		u32 slot;
		u64 pfn;
		u32 nr;
	} areas[] = {
		{ VM_HIGH, VM_HIGH_PFN, VM_HIGH_PAGES },
		{ VM_LOW, VM_LOW_PFN, VM_LOW_PAGES },
		{ VM_RO, VM_RO_PFN, VM_RO_PAGES },
		{ VM_TOP, VM_TOP_PFN, VM_TOP_PAGES },
		{ VM_BIG, VM_BIG_PFN, VM_BIG_PAGES },
	};
	unsigned long hva, nowrite, bytes = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(areas); i++)
		bytes += areas[i].nr * GUEST_PAGE + PAGE_SIZE;
	hva = kunit_vm_mmap(vm->test, NULL, 0, bytes, PROT_READ | PROT_WRITE,
			    MAP_ANONYMOUS | MAP_PRIVATE, 0);
	nowrite = kunit_vm_mmap(vm->test, NULL, 0, VM_NOWRITE_PAGES * GUEST_PAGE, PROT_READ,
				MAP_ANONYMOUS | MAP_PRIVATE, 0);
	/* An error may come back as an address. */
	if (!hva || hva >= TASK_SIZE || !nowrite || nowrite >= TASK_SIZE)
		return -ENOMEM;

	for (i = 0; i < ARRAY_SIZE(areas); i++) {
		vm->memory[areas[i].slot] = (struct vmbus_gpa_region) {
			.gpa = areas[i].pfn << GPADL_PAGE_SHIFT,
			.bytes = (u64)areas[i].nr << GPADL_PAGE_SHIFT,
			.hva = hva,
		};
		hva += areas[i].nr * GUEST_PAGE + PAGE_SIZE;
	}
	vm->memory[VM_RO].flags = VMBUS_GPA_REGION_READ_ONLY;
	vm->memory[VM_ALIAS] = vm->memory[VM_LOW];
	vm->memory[VM_ALIAS].gpa = (u64)VM_ALIAS_PFN << GPADL_PAGE_SHIFT;
	vm->memory[VM_ALIAS].bytes = VM_ALIAS_PAGES << GPADL_PAGE_SHIFT;
	vm->memory[VM_NOWRITE].gpa = (u64)VM_NOWRITE_PFN << GPADL_PAGE_SHIFT;
	vm->memory[VM_NOWRITE].bytes = VM_NOWRITE_PAGES << GPADL_PAGE_SHIFT;
	vm->memory[VM_NOWRITE].hva = nowrite;
	vm->memory[VM_NOVMA].gpa = (u64)VM_NOVMA_PFN << GPADL_PAGE_SHIFT;
	vm->memory[VM_NOVMA].bytes = VM_NOVMA_PAGES << GPADL_PAGE_SHIFT;
	vm->memory[VM_NOVMA].hva = PAGE_SIZE;
	for (i = 0; i < VM_NR_SLOTS; i++) {
		vm->memory[i].slot = i;
		/* These two cannot be pinned as they are set. */
		if (i != VM_NOWRITE && i != VM_NOVMA)
			vm->memory[i].flags |= vm->resident;
	}
	return vmbus_partition_set_regions(vm->p, vm->memory, VM_NR_SLOTS, 0);
}

/* Set a region of @pages pages, of the suite's kind; 0 removes it. */
int vm_set_region(struct vm *vm, u32 slot, u32 flags, u64 pfn, u64 pages, u64 hva)
{
	struct vmbus_gpa_region region = {
		.slot = slot,
		.flags = flags | vm->resident,
		.gpa = pfn << GPADL_PAGE_SHIFT,
		.bytes = pages << GPADL_PAGE_SHIFT,
		.hva = hva,
	};

	return vmbus_partition_set_regions(vm->p, &region, 1, 0);
}

int vm_remove_region(struct vm *vm, u32 slot)
{
	return vm_set_region(vm, slot, 0, 0, 0, 0);
}

/* The owner may lock so many pages; what is charged so far counts, too. */
void vm_limit(struct vm *vm, unsigned long pages)
{
	struct gpadl_mem *mem = &vm->p->mem;

	if (!mem->user) {
		mem->user = mem->cred->user;
		atomic_long_add(atomic64_read(&mem->pinned), &mem->user->locked_vm);
	}
	current->signal->rlim[RLIMIT_MEMLOCK].rlim_cur = pages << PAGE_SHIFT;
}

/* It had CAP_IPC_LOCK after all. */
void vm_unlimit(struct vm *vm)
{
	struct gpadl_mem *mem = &vm->p->mem;

	atomic_long_sub(atomic64_read(&mem->pinned), &mem->user->locked_vm);
	mem->user = NULL;
}

/* Where a guest page lies by what vm_init() set; 0: nowhere. */
unsigned long vm_hva(struct vm *vm, u64 pfn)
{
	u64 gpa = pfn << GPADL_PAGE_SHIFT;
	unsigned int i;

	for (i = 0; i < VM_NR_SLOTS; i++) {
		const struct vmbus_gpa_region *r = &vm->memory[i];

		if (gpa >= r->gpa && gpa < r->gpa + r->bytes)
			return r->hva + (gpa - r->gpa);
	}
	return 0;
}

/* What vm_fill() writes to the guest page at @hva. */
void vm_page_content(unsigned long hva, u64 *words)
{
	unsigned int i;

	for (i = 0; i < GUEST_PAGE / sizeof(u64); i++)
		words[i] = (hva + i) * 0x9e3779b97f4a7c15ull;
}

/* Write to pages, as the guest does, what tells one from the other. */
void vm_fill(struct vm *vm, u64 pfn, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		unsigned long hva = vm_hva(vm, pfn + i);

		vm_page_content(hva, vm->page);
		KUNIT_EXPECT_EQ(vm->test, 0,
				copy_to_user((void __user *)hva, vm->page, GUEST_PAGE));
	}
}

static bool vm_hva_is_pinned(unsigned long hva)
{
	struct page *page;
	bool pinned;

	if (get_user_pages_fast(hva, 1, 0, &page) != 1)
		return false;
	pinned = folio_maybe_dma_pinned(page_folio(page));
	put_page(page);
	return pinned;
}

bool vm_page_is_dirty(unsigned long hva)
{
	struct page *page;
	bool dirty;

	if (get_user_pages_fast(hva, 1, 0, &page) != 1)
		return false;
	dirty = folio_test_dirty(page_folio(page));
	put_page(page);
	return dirty;
}

/* The same for the pages of the GPADL in vm->s. */
void vm_fill_gpadl(struct vm *vm)
{
	const struct guest_stream *s = &vm->s;
	u32 i, j, nr;

	for (i = 0; i < s->nr; i += nr) {
		nr = gpadl_wire_range(s->words[i++]).nr_pages;
		for (j = 0; j < nr; j++)
			vm_fill(vm, s->words[i + j], 1);
	}
}

/* How many pages of the GPADL in vm->s are pinned, as the kernel sees it. */
u32 vm_pages_pinned(struct vm *vm)
{
	const struct guest_stream *s = &vm->s;
	u32 i, j, nr, pinned = 0;

	for (i = 0; i < s->nr; i += nr) {
		nr = gpadl_wire_range(s->words[i++]).nr_pages;
		for (j = 0; j < nr; j++)
			pinned += vm_hva_is_pinned(vm_hva(vm, s->words[i + j]));
	}
	return pinned;
}

/* Each page of the GPADL in vm->s is pinned if it is mapped, or resident anyway. */
void vm_expect_pinned(struct vm *vm, bool mapped)
{
	const struct guest_stream *s = &vm->s;
	u32 i, nr, pages = 0;

	for (i = 0; i < s->nr; i += 1 + nr) {
		nr = gpadl_wire_range(s->words[i]).nr_pages;
		pages += nr;
	}
	KUNIT_EXPECT_EQ_MSG(vm->test, vm_pages_pinned(vm), mapped || vm->resident ? pages : 0,
			    VM_AT(vm));
}

/* The region that is in a slot now; NULL if none is */
struct gpadl_region *vm_region(struct vm *vm, u32 slot)
{
	struct gpadl_region_table *table;
	unsigned int i;

	guard(rcu)();
	table = rcu_dereference(vm->p->mem.table);
	for (i = 0; i < table->nr; i++)
		if (table->regions[i]->desc.slot == slot)
			return table->regions[i];
	return NULL;
}

/* Pages of region @i that no region before has, and pins for the same purpose. */
static unsigned long region_own_pages(const struct gpadl_region_table *table, unsigned int i)
{
	const struct vmbus_gpa_region *desc = &table->regions[i]->desc, *other;
	unsigned long hva, pages = 0;
	unsigned int j;

	for (hva = desc->hva; hva < desc->hva + desc->bytes; hva += PAGE_SIZE) {
		for (j = 0; j < i; j++) {
			other = &table->regions[j]->desc;
			if (other->flags == desc->flags && hva - other->hva < other->bytes)
				break;
		}
		pages += j == i;
	}
	return pages;
}

/* Pages of all regions that are resident, for when nobody changes them. */
unsigned long vm_resident(struct vm *vm)
{
	struct gpadl_region_table *table;
	unsigned long pages = 0;
	unsigned int i;

	guard(rcu)();
	table = rcu_dereference(vm->p->mem.table);
	for (i = 0; i < table->nr; i++)
		if (table->regions[i]->desc.flags & VMBUS_GPA_REGION_RESIDENT)
			pages += region_own_pages(table, i);
	return pages;
}

/* ---- Scatterlists ---- */

/* A place in a scatterlist. */
struct sg_cursor {
	struct scatterlist *sg;
	u32 done;	/* bytes of it */
	u64 end;	/* physical address behind the entry before */
};

/* The next @len bytes are those at @from in the page at @hva. False if not. */
static bool cursor_take(struct vm *vm, struct sg_cursor *at, unsigned long hva, u32 from,
			u32 len, bool new_range)
{
	bool new_entry = at->done == at->sg->length;
	struct page *page;
	char *addr;
	bool same;
	u64 phys;

	if (new_entry) {
		at->end = sg_phys(at->sg) + at->sg->length;
		at->sg = sg_next(at->sg);
		at->done = 0;
		if (!at->sg)
			return false;
	}
	/* An entry per range at least; and no more than needed. */
	if (new_range && at->done)
		return false;
	if (new_entry && !new_range && sg_phys(at->sg) == at->end)
		return false;
	if (at->sg->length - at->done < len ||
	    (at->sg->offset + at->done) % GUEST_PAGE != from)
		return false;

	phys = sg_phys(at->sg) + at->done;
	page = pfn_to_page(PHYS_PFN(phys));
	vm_page_content(hva, vm->page);
	addr = kmap_local_page(page);
	same = !memcmp(addr + offset_in_page(phys), (char *)vm->page + from, len);
	kunmap_local(addr);
	at->done += len;
	return same && folio_maybe_dma_pinned(page_folio(page));
}

/*
 * @sgt holds, byte for byte, what vm_fill() wrote to the pages of the GPADL in vm->s; its
 * entries cover each range by itself, and no two in a range could be one.
 */
void vm_expect_sg(struct vm *vm, const struct sg_table *sgt)
{
	const struct guest_stream *s = &vm->s;
	struct sg_cursor at = { .sg = sgt->sgl };
	u32 i, page;

	for (i = 0; i < s->nr;) {
		struct gpadl_wire_range range = gpadl_wire_range(s->words[i++]);
		u32 from = range.offset, left = range.count;

		for (page = 0; page < range.nr_pages; page++, i++) {
			u32 len = min_t(u32, left, GUEST_PAGE - from);

			if (!cursor_take(vm, &at, vm_hva(vm, s->words[i]), from, len, !page)) {
				KUNIT_FAIL(vm->test, "word %u, page %u of its range, called at %s",
					   i, page, vm->caller);
				return;
			}
			left -= len;
			from = 0;
		}
	}
	KUNIT_EXPECT_TRUE_MSG(vm->test, at.done == at.sg->length && sg_is_last(at.sg), VM_AT(vm));
	KUNIT_EXPECT_EQ_MSG(vm->test, sgt->nents, sg_nents(sgt->sgl), VM_AT(vm));
	KUNIT_EXPECT_EQ_MSG(vm->test, sgt->orig_nents, sgt->nents, VM_AT(vm));
}
