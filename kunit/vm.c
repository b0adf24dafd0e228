// SPDX-License-Identifier: GPL-2.0
/*
 * One guest for a test, made and taken apart; see vm_helpers.h.
 */
#include <kunit/static_stub.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/wait_bit.h>

#include "gpadl/compat.h"
#include "gpadl/gpa_pool.h"
#include "vm.h"

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
	wake_up_var(&c->releases);
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

/*
 * Wait for release() of a channel that was put: its worker does the last work, and a grace period
 * later another thread frees it. Returns how often it was called.
 */
int vm_await_release(struct vm_channel *c)
{
	wait_var_event_timeout(&c->releases, atomic_read(&c->releases), VM_TIMEOUT);
	return atomic_read(&c->releases);
}

void vm_put_partition(struct vm *vm)
{
	struct vmbus_partition *p = vm->p;

	vm->p = NULL;
	vmbus_partition_put(p);
}

/* ---- Stubs, where threads can be held up ---- */

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

static void vm_unmap_pages(struct vmbus_mapping *m)
{
	struct kunit *test = current->kunit_test;
	struct vm *vm = test->priv;

	vm_stall_here(&vm->in_unmap);
	current->kunit_test = NULL;
	gpadl_mapping_unmap(m);
	current->kunit_test = test;
	vm_stall_here(&vm->after_unmap);
}

/* ---- Life ---- */

/* Ends by vm_destroy(). NULL if a part of it cannot be made: no case runs on half a guest. */
struct vm *vm_create(struct kunit *test, u32 resident)
{
	struct vm *vm;
	unsigned int i;

	vm = kunit_kzalloc(test, sizeof(*vm), GFP_KERNEL);
	if (!vm)
		return NULL;
	vm->test = test;
	vm->caller = "nowhere";
	vm->resident = resident;
	INIT_LIST_HEAD(&vm->tasks);
	INIT_LIST_HEAD(&vm->joined);
	init_completion(&vm->released);
	vm_stall_init(&vm->in_pin);
	vm_stall_init(&vm->in_unmap);
	vm_stall_init(&vm->after_unmap);
	vm_stall_init(&vm->linger);
	vm->page = kunit_kmalloc(test, GUEST_PAGE, GFP_KERNEL);
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
	if (vm_memory_init(vm)) {
		vm_destroy(vm);
		return NULL;
	}
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

static void vm_unmap_requests(struct vm_channel *c)
{
	struct gpa_pool *pool = c->chan->pool;
	unsigned int i;

	for (i = 0; pool && i < pool->nr_requests; i++) {
		if (pool->requests[i].state != GPA_MAPPED)
			continue;
		KUNIT_FAIL(c->vm->test, "request %u is still mapped", i);
		vmbus_gpa_unmap(&pool->requests[i].map);
	}
}

static void vm_unmap_all(struct vm_channel *c)
{
	unsigned long handle;
	struct gpadl *g;

	vm_unmap_requests(c);

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
