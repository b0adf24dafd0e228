// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_object: a mapping as an object. When the backend is told that it is
 * wanted back, what it holds, and what a backend does to the scatterlist that it was given.
 */
#include <kunit/static_stub.h>
#include <linux/mutex.h>

#include "suites.h"
#include "vm.h"

#define PAGES	3

/* ---- Wanted back ---- */

static void unmap_in_revoke(struct vm_channel *c, struct vmbus_mapping *map)
{
	KUNIT_EXPECT_PTR_EQ(c->vm->test, vmbus_mapping_priv(map), c);
	vmbus_gpadl_unmap(map);
}

/* The backend has the mapping, but is not ready to be told of it. */
static int task_map_and_linger(struct vm_task *t)
{
	int ret = vmbus_gpadl_map(t->c->chan, 0, t->handle, &t->map);

	vm_linger(t->vm);
	vmbus_mapping_arm(t->map, t->c);
	return ret;
}

VM_CASE(revoke_waits_until_armed)
{
	struct vm_channel *c = &vm->c[0];
	struct vm_task *t;

	vm_establish(vm, c, VM_HANDLE, VM_LOW_PFN, PAGES);
	c->on_revoke = unmap_in_revoke;
	vm_stall_arm(&vm->linger, 1);
	t = vm_start(vm, task_map_and_linger, c, 0, VM_HANDLE);
	vm_stall_wait(vm, &vm->linger);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, c, VM_HANDLE), 0);
	vm_flush_revokes(c);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->revokes), 0);
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), PAGES);
	vm_expect_silence(vm);

	vm_stall_end(&vm->linger);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	vm_flush_revokes(c);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->revokes), 1);
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), 0);
	vm_expect_torndown(vm, VM_HANDLE);
}

/* Once is enough: it is told once. */
VM_CASE(armed_twice)
{
	struct vm_channel *c = &vm->c[0];

	vm_establish(vm, c, VM_HANDLE, VM_LOW_PFN, PAGES);
	KUNIT_ASSERT_EQ(test, vm_map(c, 0, VM_HANDLE, NULL), 0);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, c, VM_HANDLE), 0);
	vm_flush_revokes(c);
	vmbus_mapping_arm(vm_mapping(c->chan, VM_HANDLE), c);
	vm_flush_revokes(c);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->revokes), 1);
	vm_unmap(c, VM_HANDLE);
	vm_expect_torndown(vm, VM_HANDLE);
}

/* A backend that unmaps at once is never told anything. */
VM_CASE(never_revoked_if_not_armed)
{
	struct vm_channel *c = &vm->c[0];
	struct vmbus_mapping *map;

	vm_establish(vm, c, VM_HANDLE, VM_LOW_PFN, PAGES);
	KUNIT_ASSERT_EQ(test, vmbus_gpadl_map(c->chan, 0, VM_HANDLE, &map), 0);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, c, VM_HANDLE), 0);
	vm_flush_revokes(c);
	vmbus_gpadl_unmap(map);
	vm_flush_revokes(c);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->revokes), 0);
	vm_expect_torndown(vm, VM_HANDLE);
}

/* What the backend and the guest do before revoke() is called, and what it was called for. */
static struct {
	struct vm_channel *c;
	struct vmbus_mapping *first;
	struct vmbus_mapping *second;
	struct vmbus_mapping *revoked;
	void *priv;
} anew;

/* Between the look at what is to be revoked and the call: the handle is made anew. */
static void revoke_after_anew(struct gpadl_mapping *m)
{
	struct kunit *test = current->kunit_test;
	struct vm_channel *c = anew.c;
	struct vm *vm = c->vm;

	KUNIT_EXPECT_PTR_EQ(test, &m->map, anew.first);
	vmbus_gpadl_unmap(anew.first);
	vm_expect_torndown(vm, VM_HANDLE);
	vm_establish(vm, c, VM_HANDLE, VM_LOW_PFN, PAGES);
	KUNIT_EXPECT_EQ(test, vmbus_gpadl_map(c->chan, 0, VM_HANDLE, &anew.second), 0);
	vmbus_mapping_arm(anew.second, &anew);

	current->kunit_test = NULL;
	gpadl_call_revoke(m);
	current->kunit_test = test;
}

/* As a backend does it: what has been unmapped is not unmapped again. */
static void unmap_if_mapped(struct vm_channel *c, struct vmbus_mapping *map)
{
	anew.revoked = map;
	anew.priv = vmbus_mapping_priv(map);
	if (anew.priv)
		vmbus_gpadl_unmap(map);
}

static int task_tell_revoked(struct vm_task *t)
{
	gpadl_run_revokes(t->c->chan);
	return 0;
}

/* revoke() is for the mapping that was wanted back, not for what has its handle now. */
VM_CASE(revoke_of_a_handle_made_anew)
{
	struct vm_channel *c = &vm->c[0];
	struct vm_blocker b;

	memset(&anew, 0, sizeof(anew));
	anew.c = c;
	vm_establish(vm, c, VM_HANDLE, VM_LOW_PFN, PAGES);
	KUNIT_ASSERT_EQ(test, vmbus_gpadl_map(c->chan, 0, VM_HANDLE, &anew.first), 0);
	vmbus_mapping_arm(anew.first, &anew);
	c->on_revoke = unmap_if_mapped;
	kunit_activate_static_stub(test, gpadl_call_revoke, revoke_after_anew);

	/* In a thread of the test, which static stubs work in. */
	vm_block(&b, c);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, c, VM_HANDLE), 0);
	KUNIT_EXPECT_EQ(test, vm_join(vm_start(vm, task_tell_revoked, c, 0, 0)), 0);
	kunit_deactivate_static_stub(test, gpadl_call_revoke);
	vm_unblock(&b);
	vm_flush_revokes(c);

	KUNIT_EXPECT_EQ(test, atomic_read(&c->revokes), 1);
	KUNIT_EXPECT_PTR_EQ(test, anew.revoked, anew.first);
	KUNIT_EXPECT_NULL(test, anew.priv);
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), PAGES);
	KUNIT_EXPECT_PTR_EQ(test, vm_mapping(c->chan, VM_HANDLE), anew.second);
	vmbus_gpadl_unmap(anew.second);
	c->on_revoke = NULL;
}

static void expect_warning(void)
{
	pr_info("gpadl-test: expect WARNING\n");
}

static void expected_warning_over(void)
{
	pr_info("gpadl-test: expected WARNING over\n");
}

static void unmap_twice(struct vm_channel *c, struct vmbus_mapping *map)
{
	vmbus_gpadl_unmap(map);
	vmbus_gpadl_unmap(map);
}

/* The first was the last reference, but for that of revoke(). */
static void second_unmap_in_revoke(struct vm *vm)
{
	struct vm_channel *c = &vm->c[0];

	vm_establish(vm, c, VM_HANDLE, VM_LOW_PFN, PAGES);
	KUNIT_ASSERT_EQ(vm->test, vm_map(c, 0, VM_HANDLE, NULL), 0);
	c->on_revoke = unmap_twice;
	KUNIT_EXPECT_EQ(vm->test, vm_teardown(vm, c, VM_HANDLE), 0);
	vm_flush_revokes(c);
	c->on_revoke = NULL;
	KUNIT_EXPECT_EQ(vm->test, vm_pages_pinned(vm), 0);
	vm_expect_torndown(vm, VM_HANDLE);
	vm_check(vm);
}

/* The first is still at it. */
static void second_unmap_meanwhile(struct vm *vm)
{
	struct vm_channel *c = &vm->c[0];
	struct vmbus_mapping *map;
	struct vm_task *t;

	vm_establish(vm, c, VM_HANDLE, VM_LOW_PFN, PAGES);
	KUNIT_ASSERT_EQ(vm->test, vm_map(c, 0, VM_HANDLE, NULL), 0);
	map = vm_mapping(c->chan, VM_HANDLE);
	vm_stall_arm(&vm->in_unmap, 1);
	t = vm_start(vm, vm_task_unmap, c, 0, VM_HANDLE);
	vm_stall_wait(vm, &vm->in_unmap);
	vmbus_gpadl_unmap(map);
	KUNIT_EXPECT_EQ(vm->test, vm_pages_pinned(vm), PAGES);
	vm_stall_end(&vm->in_unmap);
	KUNIT_EXPECT_EQ(vm->test, vm_join(t), 0);
	KUNIT_EXPECT_EQ(vm->test, vm_pages_pinned(vm), 0);
}

/* The kernel warns once in all. */
VM_CASE(second_unmap)
{
	expect_warning();
	second_unmap_in_revoke(vm);
	second_unmap_meanwhile(vm);
	expected_warning_over();
}

/* ---- Two threads of a backend ---- */

/*
 * What a backend has: a mutex for all of the endpoint, and by it the mapping, for as long as
 * it is mapped. No handle, no table, and nothing that says where the other thread is.
 */
struct backend {
	struct mutex lock;
	struct vmbus_mapping *map;
	int unmaps;
};

static struct backend backend;

static void backend_unmap(struct backend *b)
{
	lockdep_assert_held(&b->lock);
	vmbus_gpadl_unmap(b->map);
	b->map = NULL;
	b->unmaps++;
}

static void backend_revoke(struct vm_channel *c, struct vmbus_mapping *map)
{
	struct backend *b;

	guard(mutex)(&backend.lock);
	b = vmbus_mapping_priv(map);
	if (b)
		backend_unmap(b);
}

/* The backend's own thread is done with it. */
static int task_backend_done(struct vm_task *t)
{
	guard(mutex)(&backend.lock);
	if (backend.map)
		backend_unmap(&backend);
	return 0;
}

/* Whichever of the two is first, the other finds it done. */
VM_CASE(two_threads_unmap)
{
	struct vm_channel *c = &vm->c[0];
	struct vm_task *t;
	int i;

	mutex_init(&backend.lock);
	backend.unmaps = 0;
	c->on_revoke = backend_revoke;
	for (i = 0; i < 100; i++) {
		vm_establish(vm, c, VM_HANDLE, VM_LOW_PFN, PAGES);
		KUNIT_ASSERT_EQ(test, 0, vmbus_gpadl_map(c->chan, 0, VM_HANDLE, &backend.map));
		vmbus_mapping_arm(backend.map, &backend);
		t = vm_start(vm, task_backend_done, c, 0, 0);
		KUNIT_EXPECT_EQ(test, vm_teardown(vm, c, VM_HANDLE), 0);
		KUNIT_EXPECT_EQ(test, vm_join(t), 0);
		vm_flush_revokes(c);
		KUNIT_EXPECT_EQ(test, backend.unmaps, i + 1);
		vm_expect_torndown(vm, VM_HANDLE);
		vm_forget_tasks(vm);
	}
	c->on_revoke = NULL;
}

static struct vm_task *other_thread;

/* The other thread unmaps while revoke() runs: what revoke() has is still there. */
static void unmap_under_revoke(struct vm_channel *c, struct vmbus_mapping *map)
{
	vm_stall_end(&c->vm->linger);
	KUNIT_EXPECT_EQ(c->vm->test, vm_join(other_thread), 0);
	KUNIT_EXPECT_EQ(c->vm->test, atomic64_read(&c->vm->p->mem.pinned), 0);
	KUNIT_EXPECT_NULL(c->vm->test, vmbus_mapping_priv(map));
}

static int task_linger_and_unmap(struct vm_task *t)
{
	vm_linger(t->vm);
	vmbus_gpadl_unmap(t->arg);
	return 0;
}

VM_CASE(unmapped_while_revoked)
{
	struct vm_channel *c = &vm->c[0];
	struct vmbus_mapping *map;

	vm_establish(vm, c, VM_HANDLE, VM_LOW_PFN, PAGES);
	KUNIT_ASSERT_EQ(test, vmbus_gpadl_map(c->chan, 0, VM_HANDLE, &map), 0);
	vmbus_mapping_arm(map, c);
	vm_stall_arm(&vm->linger, 1);
	other_thread = vm_start_with(vm, task_linger_and_unmap, c, 0, 0, map);
	vm_stall_wait(vm, &vm->linger);
	c->on_revoke = unmap_under_revoke;
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, c, VM_HANDLE), 0);
	vm_flush_revokes(c);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->revokes), 1);
	vm_expect_torndown(vm, VM_HANDLE);
	c->on_revoke = NULL;
}

/* ---- The scatterlist that is given out ---- */

/* Map a GPADL of @nr pages that lie @step apart; for unmap_of_spoilt_list(). */
static struct vmbus_mapping *map_apart(struct vm *vm, u64 pfn, u32 nr, int step)
{
	struct vmbus_mapping *map = NULL;

	vm_begin(vm);
	guest_range(&vm->s, nr * GUEST_PAGE, 0);
	guest_pfns(&vm->s, pfn, step, nr);
	vm_fill_gpadl(vm);
	KUNIT_EXPECT_EQ(vm->test, vm_send(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_created(vm, &vm->c[0], VM_HANDLE, GPADL_STATUS_SUCCESS);
	KUNIT_EXPECT_EQ(vm->test, 0, vmbus_gpadl_map(vm->c[0].chan, 0, VM_HANDLE, &map));
	KUNIT_EXPECT_EQ(vm->test, vm_pages_pinned(vm), nr);
	return map;
}

/* As a consumer may leave it that eats the list up, or worse. */
static void spoil(struct sg_table *sgt)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_sg(sgt, sg, i) {
		sg->length = i % 2 ? 0 : 64 * PAGE_SIZE;
		sg->offset = 0;
	}
	sgt->sgl = NULL;
	sgt->nents = 1000;
	sgt->orig_nents = 1000;
}

/* What was pinned is unpinned, whatever has become of the list. */
VM_CASE(unmap_of_spoilt_list)
{
	static const struct {
		u32 nr;
		int step;
	} lists[] = { { 1, 1 }, { 8, 1 }, { 8, -1 }, { 8, 3 }, { 64, 1 }, { 64, 3 } };
	struct vmbus_mapping *map;
	int i;

	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		map = map_apart(vm, VM_LOW_PFN + 8, lists[i].nr, lists[i].step);
		KUNIT_ASSERT_NOT_NULL(test, map);
		spoil(vmbus_mapping_sgt(map));
		vmbus_gpadl_unmap(map);
		KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), 0);
		vm_check(vm);
		KUNIT_EXPECT_EQ(test, vm_teardown(vm, &vm->c[0], VM_HANDLE), 0);
		vm_expect_torndown(vm, VM_HANDLE);
	}
}

/* ---- The longest entry ---- */

/* All bytes of @sgt in order, and no entry longer than @most with what precedes it. */
static void expect_same_bytes(struct kunit *test, struct sg_table *sgt,
			      const phys_addr_t *pages, u32 nr, u32 offset, u32 most)
{
	u32 n = 0, at = offset;
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_sg(sgt, sg, i) {
		u32 done = 0;

		KUNIT_EXPECT_LE(test, sg->offset + sg->length, most);
		KUNIT_EXPECT_TRUE(test, !i || !sg->offset);
		while (done < sg->length && n < nr) {
			KUNIT_EXPECT_EQ(test, sg_phys(sg) + done, pages[n] + at);
			done += PAGE_SIZE - at;
			at = 0;
			n++;
		}
	}
	KUNIT_EXPECT_EQ(test, n, nr);
	KUNIT_EXPECT_TRUE(test, sg_is_last(sg_last(sgt->sgl, sgt->orig_nents)));
}

#define SEGMENT_PAGES	37

/* In memory whose pages all adjoin: one entry, if nothing is said. */
VM_CASE(entries_are_limited)
{
	static const u32 limits[] = { SZ_4K, SZ_8K, SZ_16K, SZ_64K, SZ_64K + 1, UINT_MAX };
	static phys_addr_t pages[SEGMENT_PAGES];
	struct vmbus_mapping *map;
	struct sg_page_iter iter;
	unsigned int i, n;

	vm_need_small_pages(test);
	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		vm_begin(vm);
		guest_range(&vm->s, SEGMENT_PAGES * GUEST_PAGE - 0x123 - 5, 0x123);
		guest_pfns(&vm->s, VM_LOW_PFN, 1, SEGMENT_PAGES);
		KUNIT_EXPECT_EQ(test, vm_send(vm, &vm->c[0], VM_HANDLE), 0);
		vm_expect_created(vm, &vm->c[0], VM_HANDLE, GPADL_STATUS_SUCCESS);

		KUNIT_EXPECT_EQ(test, 0, vmbus_gpadl_set_max_segment(vm->c[0].chan, UINT_MAX));
		KUNIT_ASSERT_EQ(test, 0, vmbus_gpadl_map(vm->c[0].chan, 0, VM_HANDLE, &map));
		n = 0;
		for_each_sgtable_page(vmbus_mapping_sgt(map), &iter, 0)
			pages[n++] = page_to_phys(sg_page_iter_page(&iter));
		KUNIT_EXPECT_EQ(test, n, SEGMENT_PAGES);
		vmbus_gpadl_unmap(map);

		KUNIT_EXPECT_EQ(test, 0,
				vmbus_gpadl_set_max_segment(vm->c[0].chan, limits[i]));
		KUNIT_ASSERT_EQ(test, 0, vmbus_gpadl_map(vm->c[0].chan, 0, VM_HANDLE, &map));
		expect_same_bytes(test, vmbus_mapping_sgt(map), pages, SEGMENT_PAGES, 0x123,
				  limits[i] & PAGE_MASK);
		vmbus_gpadl_unmap(map);
		KUNIT_EXPECT_EQ(test, vm_teardown(vm, &vm->c[0], VM_HANDLE), 0);
		vm_expect_torndown(vm, VM_HANDLE);
	}
}

VM_CASE(limit_of_less_than_a_page)
{
	struct vmbus_gpadl_channel *chan = vm->c[0].chan;

	KUNIT_EXPECT_EQ(test, vmbus_gpadl_set_max_segment(chan, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, vmbus_gpadl_set_max_segment(chan, PAGE_SIZE - 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, vmbus_gpadl_set_max_segment(chan, PAGE_SIZE), 0);
}

/* ---- Pins that fail for a while ---- */

/* All but the last that is tried come to vm->pin_result. */
static long pin_after_a_while(struct vm *vm, unsigned long hva, unsigned long nr,
			      unsigned int gup_flags, struct page **pages)
{
	if (atomic_read(&vm->pins) < GPADL_PIN_TRIES)
		return vm->pin_result;
	return pin_user_pages_fast(hva, nr, gup_flags, pages);
}

VM_CASE(pin_fails_for_a_while)
{
	static const long pins[] = { 0, -EAGAIN, -EBUSY, -ENOMEM };
	int i;

	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, PAGES);
	vm->pin = pin_after_a_while;
	for (i = 0; i < ARRAY_SIZE(pins); i++) {
		atomic_set(&vm->pins, 0);
		vm->pin_result = pins[i];
		KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
		KUNIT_EXPECT_EQ(test, atomic_read(&vm->pins), GPADL_PIN_TRIES);
		KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), PAGES);
		vm_unmap(&vm->c[0], VM_HANDLE);
	}
	vm->pin = NULL;
}

static struct kunit_case object_cases[] = {
	KUNIT_CASE(revoke_waits_until_armed),
	KUNIT_CASE(armed_twice),
	KUNIT_CASE(never_revoked_if_not_armed),
	KUNIT_CASE(revoke_of_a_handle_made_anew),
	KUNIT_CASE(second_unmap),
	KUNIT_CASE(two_threads_unmap),
	KUNIT_CASE(unmapped_while_revoked),
	KUNIT_CASE(unmap_of_spoilt_list),
	KUNIT_CASE(entries_are_limited),
	KUNIT_CASE(limit_of_less_than_a_page),
	KUNIT_CASE(pin_fails_for_a_while),
	{}
};

struct kunit_suite object_suite = {
	.name = "vmbus_gpadl_object",
	.init = vm_init,
	.exit = vm_exit,
	.test_cases = object_cases,
};
