// SPDX-License-Identifier: GPL-2.0
/*
 * One guest for a test; see vm.h.
 */
#include <kunit/static_stub.h>
#include <linux/delay.h>
#include <linux/highmem.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/user.h>
#include <linux/uaccess.h>

#include "gpadl/compat.h"
#include "vm.h"

/* Long enough for anything that comes at all. */
#define VM_TIMEOUT	(60 * HZ)

/* ---- The channel layer ---- */

static void vm_wake(void *priv)
{
	struct vm *vm = priv;

	atomic_inc(&vm->wakes);
	if (vm->on_wake)
		vm->on_wake(vm);
}

static void vm_released(void *priv)
{
	struct vm *vm = priv;

	atomic_inc(&vm->releases);
	complete(&vm->released);
}

static const struct vmbus_partition_ops vm_ops = {
	.owner = THIS_MODULE,
	.wake = vm_wake,
	.release = vm_released,
};

static void vm_channel_revoke(struct vmbus_gpadl_channel *chan, struct vmbus_mapping *map)
{
	struct vm_channel *c = vmbus_gpadl_channel_priv(chan);

	c->revoked = vm_handle_of(map);
	atomic_inc(&c->revokes);
	if (c->on_revoke)
		c->on_revoke(c, map);
}

static void vm_channel_released(void *priv)
{
	struct vm_channel *c = priv;

	atomic_inc(&c->releases);
}

static const struct vmbus_gpadl_channel_ops vm_channel_ops = {
	.revoke = vm_channel_revoke,
	.release = vm_channel_released,
};

/* Create the channel @c, anew if it was put. */
void vm_new_channel(struct vm *vm, struct vm_channel *c)
{
	struct vmbus_gpadl_channel *chan;

	chan = vmbus_gpadl_channel_create(vm->p, c->relid, &vm_channel_ops, c);
	KUNIT_EXPECT_FALSE(vm->test, IS_ERR(chan));
	if (IS_ERR(chan))
		return;
	c->chan = chan;
	c->creates++;
}

void vm_put_channel(struct vm_channel *c)
{
	struct vmbus_gpadl_channel *chan = c->chan;

	c->chan = NULL;
	vmbus_gpadl_channel_put(chan);
}

void vm_put_partition(struct vm *vm)
{
	struct vmbus_partition *p = vm->p;

	vm->p = NULL;
	vmbus_partition_put(p);
}

/* ---- Where threads can be held up ---- */

static void vm_stall_init(struct vm_stall *s)
{
	atomic_set(&s->armed, 0);
	init_completion(&s->arrived);
	init_completion(&s->go);
}

/* The next @nr threads to come are held up. */
void vm_stall_arm(struct vm_stall *s, int nr)
{
	reinit_completion(&s->arrived);
	reinit_completion(&s->go);
	atomic_set(&s->armed, nr);
}

/* Wait until one has arrived. */
void vm_stall_wait(struct vm *vm, struct vm_stall *s)
{
	KUNIT_EXPECT_NE(vm->test, wait_for_completion_timeout(&s->arrived, VM_TIMEOUT), 0);
}

void vm_stall_end(struct vm_stall *s)
{
	complete_all(&s->go);
}

static void vm_stall_here(struct vm_stall *s)
{
	if (atomic_dec_if_positive(&s->armed) < 0)
		return;
	complete(&s->arrived);
	wait_for_completion(&s->go);
}

/* For a thread that does what it does between two calls at its leisure. */
void vm_linger(struct vm *vm)
{
	vm_stall_here(&vm->linger);
}

static long vm_pin_pages(struct mm_struct *mm, bool remote, unsigned long hva,
			 unsigned long nr, unsigned int gup_flags, struct page **pages)
{
	struct kunit *test = current->kunit_test;
	struct vm *vm = test->priv;
	long ret;

	atomic_inc(&vm->pins);
	vm_stall_here(&vm->in_pin);
	if (vm->pin)
		return vm->pin(vm, hva, nr, gup_flags, pages);

	/* Without a test, a function is itself. */
	current->kunit_test = NULL;
	ret = gpadl_mem_pin_pages(mm, remote, hva, nr, gup_flags, pages);
	current->kunit_test = test;
	return ret;
}

static void vm_unmap_pages(struct gpadl_mem *mem, struct vmbus_mapping *m)
{
	struct kunit *test = current->kunit_test;
	struct vm *vm = test->priv;

	vm_stall_here(&vm->in_unmap);
	current->kunit_test = NULL;
	gpadl_mapping_unmap(mem, m);
	current->kunit_test = test;
	vm_stall_here(&vm->after_unmap);
}

/* ---- Memory ---- */

static int vm_memory_init(struct vm *vm)
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
		bytes += (areas[i].nr + 1) * PAGE_SIZE;
	hva = kunit_vm_mmap(vm->test, NULL, 0, bytes, PROT_READ | PROT_WRITE,
			    MAP_ANONYMOUS | MAP_PRIVATE, 0);
	nowrite = kunit_vm_mmap(vm->test, NULL, 0, VM_NOWRITE_PAGES * PAGE_SIZE, PROT_READ,
				MAP_ANONYMOUS | MAP_PRIVATE, 0);
	/* An error may come back as an address. */
	if (!hva || hva >= TASK_SIZE || !nowrite || nowrite >= TASK_SIZE)
		return -ENOMEM;

	for (i = 0; i < ARRAY_SIZE(areas); i++) {
		vm->memory[areas[i].slot] = (struct vmbus_gpa_region) {
			.gpa = areas[i].pfn << PAGE_SHIFT,
			.bytes = (u64)areas[i].nr << PAGE_SHIFT,
			.hva = hva,
		};
		hva += (areas[i].nr + 1) * PAGE_SIZE;
	}
	vm->memory[VM_RO].flags = VMBUS_GPA_REGION_READ_ONLY;
	vm->memory[VM_ALIAS] = vm->memory[VM_LOW];
	vm->memory[VM_ALIAS].gpa = (u64)VM_ALIAS_PFN << PAGE_SHIFT;
	vm->memory[VM_ALIAS].bytes = VM_ALIAS_PAGES << PAGE_SHIFT;
	vm->memory[VM_NOWRITE].gpa = (u64)VM_NOWRITE_PFN << PAGE_SHIFT;
	vm->memory[VM_NOWRITE].bytes = VM_NOWRITE_PAGES << PAGE_SHIFT;
	vm->memory[VM_NOWRITE].hva = nowrite;
	vm->memory[VM_NOVMA].gpa = (u64)VM_NOVMA_PFN << PAGE_SHIFT;
	vm->memory[VM_NOVMA].bytes = VM_NOVMA_PAGES << PAGE_SHIFT;
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
		.gpa = pfn << PAGE_SHIFT,
		.bytes = pages << PAGE_SHIFT,
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
		mem->user = get_uid(current_user());
		atomic_long_add(atomic64_read(&mem->pinned), &mem->user->locked_vm);
	}
	current->signal->rlim[RLIMIT_MEMLOCK].rlim_cur = pages << PAGE_SHIFT;
}

/* It had CAP_IPC_LOCK after all. */
void vm_unlimit(struct vm *vm)
{
	struct gpadl_mem *mem = &vm->p->mem;

	atomic_long_sub(atomic64_read(&mem->pinned), &mem->user->locked_vm);
	free_uid(mem->user);
	mem->user = NULL;
}

/* Where a guest page lies by what vm_init() set; 0: nowhere. */
unsigned long vm_hva(struct vm *vm, u64 pfn)
{
	u64 gpa = pfn << PAGE_SHIFT;
	unsigned int i;

	for (i = 0; i < VM_NR_SLOTS; i++) {
		const struct vmbus_gpa_region *r = &vm->memory[i];

		if (gpa >= r->gpa && gpa < r->gpa + r->bytes)
			return r->hva + (gpa - r->gpa);
	}
	return 0;
}

/* What vm_fill() writes to the page at @hva. */
void vm_page_content(unsigned long hva, u64 *words)
{
	unsigned int i;

	for (i = 0; i < PAGE_SIZE / sizeof(u64); i++)
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
				copy_to_user((void __user *)hva, vm->page, PAGE_SIZE));
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
	KUNIT_EXPECT_EQ(vm->test, vm_pages_pinned(vm), mapped || vm->resident ? pages : 0);
}

/* The region that is in a slot now; NULL if none is */
struct gpadl_region *vm_region(struct vm *vm, u32 slot)
{
	struct gpadl_region_table *table;
	unsigned int i;

	guard(rcu)();
	table = rcu_dereference(vm->p->mem.table);
	for (i = 0; i < table->nr; i++)
		if (table->regions[i]->what.slot == slot)
			return table->regions[i];
	return NULL;
}

/* Pages of region @i that no region before has, and pins for the same purpose. */
static unsigned long region_own_pages(const struct gpadl_region_table *table, unsigned int i)
{
	const struct vmbus_gpa_region *what = &table->regions[i]->what, *other;
	unsigned long hva, pages = 0;
	unsigned int j;

	for (hva = what->hva; hva < what->hva + what->bytes; hva += PAGE_SIZE) {
		for (j = 0; j < i; j++) {
			other = &table->regions[j]->what;
			if (other->flags == what->flags && hva - other->hva < other->bytes)
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
		if (table->regions[i]->what.flags & VMBUS_GPA_REGION_RESIDENT)
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
	    offset_in_page(at->sg->offset + at->done) != from)
		return false;

	page = pfn_to_page(PHYS_PFN(sg_phys(at->sg) + at->done));
	vm_page_content(hva, vm->page);
	addr = kmap_local_page(page);
	same = !memcmp(addr + from, (char *)vm->page + from, len);
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
				KUNIT_FAIL(vm->test, "word %u, page %u of its range", i, page);
				return;
			}
			left -= len;
			from = 0;
		}
	}
	KUNIT_EXPECT_TRUE(vm->test, at.done == at.sg->length && sg_is_last(at.sg));
	KUNIT_EXPECT_EQ(vm->test, sgt->nents, sg_nents(sgt->sgl));
	KUNIT_EXPECT_EQ(vm->test, sgt->orig_nents, sgt->nents);
}

/* ---- What the guest sends ---- */

/* Begin the stream of another GPADL. */
void vm_begin(struct vm *vm)
{
	vm->s = (struct guest_stream) { .words = vm->s.words };
}

/* Add a range of whole pages that follow each other. */
void vm_range(struct vm *vm, u64 pfn, u32 nr)
{
	guest_range(&vm->s, nr * GUEST_PAGE, 0);
	guest_pfns(&vm->s, pfn, 1, nr);
}

int vm_post(struct vm *vm, const struct guest_msg *m)
{
	return vmbus_partition_receive(vm->p, m->bytes, m->len, 0);
}

/* Send the GPADL in vm->s; returns what the last message got. */
int vm_send(struct vm *vm, struct vm_channel *c, u32 handle)
{
	int ret = 0;

	vm->s.sent = 0;
	while (!ret && guest_next_msg(&vm->msg, c->relid, handle, &vm->s))
		ret = vm_post(vm, &vm->msg);
	return ret;
}

int vm_teardown(struct vm *vm, struct vm_channel *c, u32 handle)
{
	guest_teardown(&vm->msg, c->relid, handle);
	return vm_post(vm, &vm->msg);
}

/* A GPADL of pages that follow each other, READY. */
void vm_establish(struct vm *vm, struct vm_channel *c, u32 handle, u64 pfn, u32 nr)
{
	vm_begin(vm);
	vm_range(vm, pfn, nr);
	KUNIT_ASSERT_EQ(vm->test, vm_send(vm, c, handle), 0);
	vm_expect_created(vm, c, handle, GPADL_STATUS_SUCCESS);
}

/* ---- What the guest gets ---- */

static void vm_expect_reply(struct vm *vm, const void *expected, size_t len)
{
	u8 reply[VMBUS_GPADL_MAX_REPLY];
	int ret;

	ret = vmbus_partition_next_reply(vm->p, reply, sizeof(reply));
	KUNIT_EXPECT_EQ(vm->test, ret, len);
	if (ret == len)
		KUNIT_EXPECT_MEMEQ(vm->test, reply, expected, len);
}

/* The next reply is GPADL_CREATED. Not made by the code that is tested. */
void vm_expect_created(struct vm *vm, struct vm_channel *c, u32 handle, u32 status)
{
	u8 expected[20] = {};

	guest_put(expected, 4, 10);
	guest_put(expected + 8, 4, c->relid);
	guest_put(expected + 12, 4, handle);
	guest_put(expected + 16, 4, status);
	vm_expect_reply(vm, expected, sizeof(expected));
}

/* The next reply is GPADL_TORNDOWN. */
void vm_expect_torndown(struct vm *vm, u32 handle)
{
	u8 expected[12] = {};

	guest_put(expected, 4, 12);
	guest_put(expected + 8, 4, handle);
	vm_expect_reply(vm, expected, sizeof(expected));
}

/* There is no further reply. */
void vm_expect_silence(struct vm *vm)
{
	u8 reply[VMBUS_GPADL_MAX_REPLY];

	KUNIT_EXPECT_EQ(vm->test, -EAGAIN,
			vmbus_partition_next_reply(vm->p, reply, sizeof(reply)));
	KUNIT_EXPECT_FALSE(vm->test, vmbus_partition_poll(vm->p) & VMBUS_PARTITION_READABLE);
}

/* ---- What many cases begin or end with ---- */

/* The message that all others are made from: a GPADL of two pages, in one HEADER. */
void vm_valid_header(struct vm *vm, struct guest_msg *m, struct vm_channel *c,
		     u32 handle)
{
	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 2);
	guest_next_msg(m, c->relid, handle, &vm->s);
}

/* A message has been counted for @reason, once, and for no other. */
void vm_expect_counted(struct vm *vm, enum gpadl_reason reason)
{
	int i;

	for (i = 0; i < GPADL_NR_REASONS; i++)
		KUNIT_EXPECT_EQ_MSG(vm->test, atomic_read(&vm->p->counts[i]), i == reason,
				    "reason %d", i);
}

void vm_expect_no_gpadl(struct vm *vm, struct vm_channel *c)
{
	KUNIT_EXPECT_TRUE(vm->test, xa_empty(&c->chan->gpadls));
	KUNIT_EXPECT_TRUE(vm->test, xa_empty(&vm->p->handles));
	vm_check(vm);
}

/* Posts a message that nobody answers and that changes nothing. */
void vm_expect_refused(struct vm *vm, const struct guest_msg *m, int ret,
		       enum gpadl_reason reason)
{
	KUNIT_EXPECT_EQ(vm->test, vm_post(vm, m), ret);
	vm_expect_silence(vm);
	vm_expect_counted(vm, reason);
	vm_check(vm);
}

/* The GPADL of vm_valid_header() is there, and nothing more. */
void vm_expect_established(struct vm *vm, struct vm_channel *c, u32 handle)
{
	struct sg_table *sgt;

	vm_expect_created(vm, c, handle, GPADL_STATUS_SUCCESS);
	vm_expect_silence(vm);
	vm_fill(vm, VM_LOW_PFN, 2);
	KUNIT_ASSERT_EQ(vm->test, vm_map(c, 0, handle, &sgt), 0);
	vm_expect_sg(vm, sgt);
	vm_unmap(c, handle);
}

/*
 * Establish the GPADL in vm->s, map it by @flags, compare the scatterlist with it, and
 * unmap it.
 */
void vm_expect_maps(struct vm *vm, u32 flags)
{
	struct vm_channel *c = &vm->c[0];
	struct sg_table *sgt;
	u32 nr;

	vm_fill_gpadl(vm);
	KUNIT_ASSERT_EQ(vm->test, vm_send(vm, c, VM_HANDLE), 0);
	vm_expect_created(vm, c, VM_HANDLE, GPADL_STATUS_SUCCESS);
	nr = vm_gpadl(c, VM_HANDLE)->pfns.nr_pages;
	vm_expect_pinned(vm, false);

	KUNIT_ASSERT_EQ(vm->test, vm_map(c, flags, VM_HANDLE, &sgt), 0);
	vm_expect_sg(vm, sgt);
	vm_expect_pinned(vm, true);
	KUNIT_EXPECT_EQ(vm->test, atomic64_read(&vm->p->mem.pinned),
			vm->resident ? vm_resident(vm) : nr);
	vm_check(vm);

	vm_unmap(c, VM_HANDLE);
	vm_expect_pinned(vm, false);
	vm_check(vm);
	KUNIT_EXPECT_EQ(vm->test, vm_teardown(vm, c, VM_HANDLE), 0);
	vm_expect_torndown(vm, VM_HANDLE);
}

/* ---- The backend ---- */

/* Map it, to be told when it is wanted back. */
int vm_map(struct vm_channel *c, u32 flags, u32 handle, struct sg_table **sgt)
{
	struct vmbus_mapping *map;
	int ret;

	ret = vmbus_gpadl_map(c->chan, flags, handle, &map);
	if (ret)
		return ret;
	if (sgt)
		*sgt = vmbus_mapping_sgt(map);
	vmbus_mapping_arm(map, c);
	return 0;
}

/* The mapping that a GPADL has; of a channel that may have been put. */
struct vmbus_mapping *vm_mapping(struct vmbus_gpadl_channel *chan, u32 handle)
{
	struct gpadl *g = xa_load(&chan->gpadls, handle);

	return &g->mapping->map;
}

void vm_unmap(struct vm_channel *c, u32 handle)
{
	vmbus_gpadl_unmap(vm_mapping(c->chan, handle));
}

void *vm_vmap(struct vm_channel *c, u32 handle)
{
	return vmbus_mapping_vmap(vm_mapping(c->chan, handle));
}

void vm_vunmap(struct vm_channel *c, u32 handle)
{
	vmbus_mapping_vunmap(vm_mapping(c->chan, handle));
}

u32 vm_handle_of(const struct vmbus_mapping *map)
{
	return container_of(map, struct gpadl_mapping, map)->g->handle;
}

/* For a look at its state; only while nobody makes it go. */
struct gpadl *vm_gpadl(struct vm_channel *c, u32 handle)
{
	return xa_load(&c->chan->gpadls, handle);
}

/* What is to be revoked has been when this returns. */
void vm_flush_revokes(struct vm_channel *c)
{
	gpadl_worker_flush(&c->chan->worker);
}

/* What can be freed has been when this returns, of a partition that is held by something. */
void vm_flush_frees(struct vmbus_partition *p)
{
	/* A channel is freed after a grace period. */
	rcu_barrier();
	flush_workqueue(p->free_wq);
	flush_workqueue(p->drop_wq);
	flush_workqueue(gpadl_wq);
}

static void vm_block_work(struct vmbus_gpadl_work *work)
{
	struct vm_blocker *b = container_of(work, struct vm_blocker, work);

	wait_for_completion(&b->go);
	complete(&b->gone);
}

void vm_block(struct vm_blocker *b, struct vm_channel *c)
{
	vmbus_gpadl_work_init(&b->work, vm_block_work);
	init_completion(&b->go);
	init_completion(&b->gone);
	vmbus_gpadl_channel_queue_work(c->chan, &b->work);
}

void vm_unblock(struct vm_blocker *b)
{
	complete(&b->go);
	wait_for_completion(&b->gone);
}

/* ---- What must hold ---- */

struct vm_sums {
	unsigned int gpadls;
	unsigned int pages;
	unsigned int revoked;
	unsigned int resetting;
	unsigned long pins;
};

static void vm_check_channel(struct kunit *test, struct vmbus_gpadl_channel *chan,
			     struct vm_sums *sums)
{
	unsigned long handle = 0;
	unsigned int busy = 0;
	struct gpadl *g;

	xa_for_each(&chan->gpadls, handle, g) {
		KUNIT_EXPECT_NE(test, g->state, GPADL_DEAD);
		KUNIT_EXPECT_EQ(test, g->handle, handle);
		KUNIT_EXPECT_TRUE(test, gpadl_is_busy(g) || !g->leaving);
		KUNIT_EXPECT_TRUE(test, gpadl_is_busy(g) || !g->revoked);
		KUNIT_EXPECT_TRUE(test, gpadl_is_busy(g) || !g->mapping);
		sums->gpadls++;
		sums->pages += g->nr_announced;
		sums->revoked += g->revoked;
		sums->resetting += g->reset;
		busy += gpadl_is_busy(g);
		if (gpadl_is_busy(g))
			sums->pins += g->found.nr_pins;
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&chan->nr_busy), busy);
}

static unsigned int vm_count_slots(struct gpadl_reply_queue *q, bool *idle)
{
	struct gpadl_reply *r;
	unsigned int nr = 0;

	spin_lock(&q->lock);
	list_for_each_entry(r, &q->queued, node)
		nr += !r->release;
	list_for_each_entry(r, &q->free, node)
		nr++;
	*idle = list_empty(&q->queued);
	spin_unlock(&q->lock);
	return nr;
}

/*
 * The counts agree with what is there. For when no thread is inside, or those that are
 * stand where they have charged what they pin: in vm_stall_wait().
 */
void vm_check(struct vm *vm)
{
	struct vmbus_partition *p = vm->p;
	struct vmbus_gpadl_channel *chan;
	struct vm_sums sums = { .pins = vm_resident(vm) };
	bool all_read;

	mutex_lock(&p->rx_mutex);
	list_for_each_entry(chan, &p->all_channels, node)
		vm_check_channel(vm->test, chan, &sums);
	mutex_unlock(&p->rx_mutex);

	KUNIT_EXPECT_EQ(vm->test, vm_count_slots(&p->replies, &all_read),
			GPADL_REPLY_SLOTS);
	KUNIT_EXPECT_EQ(vm->test, atomic_read(&p->nr_revoked), sums.revoked);
	KUNIT_EXPECT_EQ(vm->test, atomic_read(&p->nr_resetting), sums.resetting);
	KUNIT_EXPECT_EQ(vm->test, atomic64_read(&p->mem.pinned), sums.pins);
	KUNIT_EXPECT_EQ(vm->test, atomic64_read(&vm->mm->pinned_vm), sums.pins);
	if (all_read) {
		KUNIT_EXPECT_EQ(vm->test, atomic_read(&p->nr_gpadls), sums.gpadls);
		KUNIT_EXPECT_EQ(vm->test, atomic_read(&p->nr_pages), sums.pages);
	}
}

/* ---- Threads ---- */

static int vm_task_thread(void *arg)
{
	struct vm_task *t = arg;

	current->kunit_test = t->vm->test;
	t->ret = t->fn(t);
	current->kunit_test = NULL;
	kthread_complete_and_exit(&t->done, 0);
}

/* Run @fn in a kernel thread without an address space. */
struct vm_task *vm_start_with(struct vm *vm, int (*fn)(struct vm_task *t),
			      struct vm_channel *c, u32 flags, u32 handle, void *arg)
{
	struct task_struct *task;
	struct vm_task *t;

	t = kunit_kzalloc(vm->test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(vm->test, t);
	t->vm = vm;
	t->fn = fn;
	t->c = c;
	t->flags = flags;
	t->handle = handle;
	t->arg = arg;
	init_completion(&t->done);
	task = kthread_create(vm_task_thread, t, "gpadl-test");
	KUNIT_ASSERT_FALSE(vm->test, IS_ERR(task));
	/* Before it runs: it may have ended before wake_up_process() has returned. */
	t->task = get_task_struct(task);
	list_add(&t->node, &vm->tasks);
	wake_up_process(task);
	return t;
}

struct vm_task *vm_start(struct vm *vm, int (*fn)(struct vm_task *t),
			 struct vm_channel *c, u32 flags, u32 handle)
{
	return vm_start_with(vm, fn, c, flags, handle, NULL);
}

/* Wait for a thread to end; what its function returned. */
int vm_join(struct vm_task *t)
{
	KUNIT_EXPECT_NE(t->vm->test, wait_for_completion_timeout(&t->done, VM_TIMEOUT), 0);
	list_move(&t->node, &t->vm->joined);
	return t->ret;
}

bool vm_is_done(struct vm_task *t)
{
	return completion_done(&t->done);
}

/* Wait until a thread that is not going to end sleeps. */
void vm_wait_asleep(struct vm_task *t)
{
	while (!(READ_ONCE(t->task->__state) & TASK_WAKEKILL) && !vm_is_done(t))
		usleep_range(500, 1000);
}

/* Free the memory of all threads: they have been joined. */
void vm_forget_tasks(struct vm *vm)
{
	struct vm_task *t, *next;

	list_for_each_entry_safe(t, next, &vm->joined, node) {
		list_del(&t->node);
		put_task_struct(t->task);
		kunit_kfree(vm->test, t);
	}
}

int vm_task_map(struct vm_task *t)
{
	int ret = vmbus_gpadl_map(t->c->chan, t->flags, t->handle, &t->map);

	if (!ret)
		vmbus_mapping_arm(t->map, t->c);
	return ret;
}

int vm_task_unmap(struct vm_task *t)
{
	vm_unmap(t->c, t->handle);
	return 0;
}

int vm_task_rescind(struct vm_task *t)
{
	return vmbus_gpadl_channel_rescind(t->c->chan);
}

int vm_task_reset(struct vm_task *t)
{
	return vmbus_partition_reset(t->vm->p);
}

/* ---- Faults ---- */

/* Choose an allocation. False: it has been enough. */
bool alloc_fault_next(struct alloc_fault *f)
{
	if (!f->tries)
		f->seed = 1;
	f->n = 1 + guest_random(&f->seed) % (f->most + 2);
	return f->tries++ < 200;
}

/* Between these two, the allocation fails. */
void alloc_fault_begin(struct alloc_fault *f)
{
	current->fail_nth = f->n;
}

void alloc_fault_end(struct alloc_fault *f)
{
	f->injected = !current->fail_nth;
	current->fail_nth = 0;
	if (f->injected)
		f->most = max(f->most, f->n);
}

/*
 * Does to the current thread what SIGKILL does to a process. Nobody sends it to a kernel
 * thread, so it does not go through there.
 */
void vm_kill(void)
{
	sigaddset(&current->pending.signal, SIGKILL);
	set_tsk_thread_flag(current, TIF_SIGPENDING);
}

void vm_unkill(void)
{
	sigdelset(&current->pending.signal, SIGKILL);
	clear_tsk_thread_flag(current, TIF_SIGPENDING);
}

/* ---- Life ---- */

/* Ends by vm_destroy(), which also takes one that is half made. */
struct vm *vm_create(struct kunit *test, u32 resident)
{
	struct vm *vm;
	unsigned int i;

	vm = kunit_kzalloc(test, sizeof(*vm), GFP_KERNEL);
	if (!vm)
		return NULL;
	vm->test = test;
	vm->resident = resident;
	INIT_LIST_HEAD(&vm->tasks);
	INIT_LIST_HEAD(&vm->joined);
	init_completion(&vm->released);
	vm_stall_init(&vm->in_pin);
	vm_stall_init(&vm->in_unmap);
	vm_stall_init(&vm->after_unmap);
	vm_stall_init(&vm->linger);
	vm->page = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);
	vm->s.words = kunit_kmalloc_array(test, GPADL_MAX_WORDS, sizeof(u64), GFP_KERNEL);
	/* The first one attaches an address space. */
	if (!vm->page || !vm->s.words ||
	    !kunit_vm_mmap(test, NULL, 0, PAGE_SIZE, PROT_READ,
			   MAP_ANONYMOUS | MAP_PRIVATE, 0))
		return NULL;

	vm->p = vmbus_partition_create(&vm_ops, vm);
	if (IS_ERR(vm->p))
		return NULL;
	vm->mm = current->mm;
	mmgrab(vm->mm);
	for (i = 0; i < VM_CHANNELS; i++) {
		vm->c[i].vm = vm;
		vm->c[i].relid = VM_RELID(i);
		vm_new_channel(vm, &vm->c[i]);
	}
	KUNIT_EXPECT_EQ(test, vm_memory_init(vm), 0);
	return vm;
}

static void vm_end_tasks(struct vm *vm)
{
	struct vm_task *t, *next;

	vm_stall_end(&vm->in_pin);
	vm_stall_end(&vm->in_unmap);
	vm_stall_end(&vm->after_unmap);
	vm_stall_end(&vm->linger);
	/* A case that succeeds has joined them. */
	list_for_each_entry_safe(t, next, &vm->tasks, node)
		vm_join(t);
	vm_forget_tasks(vm);
}

static void vm_unmap_all(struct vm_channel *c)
{
	unsigned long handle;
	struct gpadl *g;

	xa_for_each(&c->chan->gpadls, handle, g) {
		if (g->state != GPADL_MAPPED)
			continue;
		KUNIT_FAIL(c->vm->test, "GPADL %#lx is still mapped", handle);
		vm_unmap(c, handle);
	}
}

/* After every case: nothing is left. */
void vm_destroy(struct vm *vm)
{
	struct kunit *test = vm->test;
	unsigned int i;

	vm_end_tasks(vm);
	for (i = 0; i < VM_CHANNELS; i++) {
		if (!vm->c[i].chan)
			continue;
		vm_unmap_all(&vm->c[i]);
		vm_flush_revokes(&vm->c[i]);
	}
	if (vm->p)
		vm_check(vm);
	for (i = 0; i < VM_CHANNELS; i++)
		if (vm->c[i].chan)
			vm_put_channel(&vm->c[i]);
	if (vm->p)
		vm_put_partition(vm);

	KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&vm->released, VM_TIMEOUT), 0);
	flush_workqueue(gpadl_wq);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->releases), 1);
	for (i = 0; i < VM_CHANNELS; i++)
		KUNIT_EXPECT_EQ(test, atomic_read(&vm->c[i].releases), vm->c[i].creates);
	KUNIT_EXPECT_EQ(test, atomic64_read(&vm->mm->pinned_vm), 0);
	mmdrop(vm->mm);
}

static int vm_init_kind(struct kunit *test, u32 resident)
{
	struct vm *vm = vm_create(test, resident);

	test->priv = vm;
	if (!vm)
		return -ENOMEM;
	kunit_activate_static_stub(test, gpadl_mem_pin_pages, vm_pin_pages);
	kunit_activate_static_stub(test, gpadl_mapping_unmap, vm_unmap_pages);
	return 0;
}

int vm_init(struct kunit *test)
{
	return vm_init_kind(test, 0);
}

int vm_init_resident(struct kunit *test)
{
	return vm_init_kind(test, VMBUS_GPA_REGION_RESIDENT);
}

void vm_exit(struct kunit *test)
{
	if (test->priv)
		vm_destroy(test->priv);
}

MODULE_IMPORT_NS(COMPAT_KUNIT_NS);
