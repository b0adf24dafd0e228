// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_charge: who pays for what is pinned and allocated, and how much is allowed.
 */
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "suites.h"
#include "vm.h"

/* The owner may pin @pages pages more, and has no privilege. */
static void limit_owner(struct vm *vm, unsigned long pages)
{
	vm_limit(vm, pages);
}

VM_CASE(owner_over_limit)
{
	vm_establish(vm, &vm->c[0], 1, VM_LOW_PFN, 8 * VM_PER_HOST);
	vm_establish(vm, &vm->c[0], 2, VM_LOW_PFN, 3 * VM_PER_HOST);
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
VM_CASE(owner_over_limit_in_kernel_thread)
{
	vm_fill(vm, VM_LOW_PFN, 8 * VM_PER_HOST);
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 8 * VM_PER_HOST);
	limit_owner(vm, 7);
	KUNIT_EXPECT_EQ(test, vm_map_in_thread(vm, vm_task_map), -ENOMEM);
	limit_owner(vm, 8);
	KUNIT_EXPECT_EQ(test, vm_map_in_thread(vm, vm_task_map), 0);
}

VM_CASE(privileged_owner_over_limit)
{
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 8 * VM_PER_HOST);
	limit_owner(vm, 0);
	vm_unlimit(vm);
	KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&vm->mm->pinned_vm), 8);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

/* The partition's maker is asked whether it may, when it makes the partition. */
VM_CASE(owner_without_privilege)
{
	const struct cred *before;
	struct vm *other;
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
VM_CASE(partitions_let_go_of_their_owner)
{
	struct task_struct *owner = current->group_leader;
	struct vm *other;
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

VM_CASE(page_of_channel_layer)
{
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
VM_CASE(page_of_channel_layer_is_dirty)
{
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

VM_CASE(page_of_channel_layer_not_writable)
{
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
VM_CASE(map_does_not_stay_a_user)
{
	int before = atomic_read(&vm->mm->mm_users);

	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 2 * VM_PER_HOST);
	KUNIT_EXPECT_EQ(test, 0,
			vm_join(vm_start(vm, users_after_map, &vm->c[0], 0, VM_HANDLE)));
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->mm->mm_users), before);
}

#ifdef CONFIG_MEMCG
/* Is another cgroup than the thread's own charged for what it allocates? */
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
VM_CASE(map_charges_the_owner_meanwhile)
{
	vm->pin = pin_while_charging;
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 2 * VM_PER_HOST);
	KUNIT_EXPECT_EQ(test, 0,
			vm_join(vm_start(vm, memcg_after_map, &vm->c[0], 0, VM_HANDLE)));
	KUNIT_EXPECT_EQ(test, vm->pin_result, IS_ENABLED(CONFIG_MEMCG));
}

static struct kunit_case charge_cases[] = {
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
	{}
};

struct kunit_suite charge_suite = {
	.name = "vmbus_gpadl_charge",
	.init = vm_init,
	.exit = vm_exit,
	.test_cases = charge_cases,
};
