// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_charge: who pays for what is pinned and allocated, and how much is allowed.
 */
#include <kunit/static_stub.h>
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/workqueue.h>

#include "gpa.h"
#include "gpadl/resident.h"
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

static long pin_while_another_maps(struct vm *vm, unsigned long hva, unsigned long nr,
				   unsigned int gup_flags, struct page **pages)
{
	vm->pin_result = vm_map(&vm->c[0], 0, 2, NULL);
	return -EFAULT;
}

/* What fails in the end counts until then. */
VM_CASE(map_that_will_fail_is_charged_meanwhile)
{
	vm_establish(vm, &vm->c[0], 1, VM_LOW_PFN, 8 * VM_PER_HOST);
	vm_establish(vm, &vm->c[0], 2, VM_LOW_PFN, 3 * VM_PER_HOST);
	limit_owner(vm, 10);
	vm->pin = pin_while_another_maps;
	KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, 1, NULL), -EFAULT);
	KUNIT_EXPECT_EQ(test, vm->pin_result, -ENOMEM);
	vm->pin = NULL;
	KUNIT_EXPECT_EQ(test, atomic64_read(&vm->mm->pinned_vm), 0);
	KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, 2, NULL), 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&vm->mm->pinned_vm), 3);
	vm_unmap(&vm->c[0], 2);
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

static unsigned long trim_while_charging(struct gpadl_block *b, const unsigned long *keep)
{
	struct vm *vm = current->kunit_test->priv;

	vm->pin_result = charges_another();
	return 0;
}

static int task_run_work(struct vm_task *t)
{
	vm_task_run_work(t);
	KUNIT_EXPECT_FALSE(t->vm->test, charges_another());
	return 0;
}

/* What is made for a block when the last mapping of a region goes is the VMM's, too. */
VM_CASE(trim_charges_the_owner_meanwhile)
{
	struct vmbus_gpa_region gone = { .slot = VM_FREE_SLOT };
	u64 pages = 4 * VM_PER_HOST, hva = vm_hva(vm, VM_BIG_PFN);
	struct gpadl_region *region;
	struct vm_blocker_wq b;

	/* Two in one block, of which one stays */
	KUNIT_ASSERT_EQ(test, 0, vm_set_region(vm, VM_FREE_SLOT, VMBUS_GPA_REGION_RESIDENT,
					       VM_HOLE_PFN, pages, hva));
	KUNIT_ASSERT_EQ(test, 0, vm_set_region(vm, VM_FREE_SLOT + 1, VMBUS_GPA_REGION_RESIDENT,
					       VM_HOLE_PFN + 1024, pages, hva + 4 * PAGE_SIZE));
	region = vm_region(vm, VM_FREE_SLOT);
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_HOLE_PFN, 2);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	KUNIT_EXPECT_EQ(test, 0, vmbus_partition_set_regions(vm->p, &gone, 1,
							     VMBUS_GPA_REGIONS_RETIRE));
	gpa_block_wq(&b, vm->p->drop_wq);
	vm_unmap(&vm->c[0], VM_HANDLE);
	KUNIT_EXPECT_TRUE(test, cancel_work(&region->drop_work));
	kunit_activate_static_stub(test, gpadl_block_trim, trim_while_charging);
	vm->pin_result = -1;
	vm_join(vm_start_with(vm, task_run_work, NULL, 0, 0, &region->drop_work));
	kunit_deactivate_static_stub(test, gpadl_block_trim);
	gpa_unblock_wq(&b);
	KUNIT_EXPECT_EQ(test, vm->pin_result, IS_ENABLED(CONFIG_MEMCG));
	/* With it goes what was not trimmed. */
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_FREE_SLOT + 1), 0);
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
	KUNIT_CASE(map_that_will_fail_is_charged_meanwhile),
	KUNIT_CASE(map_does_not_stay_a_user),
	KUNIT_CASE(map_charges_the_owner_meanwhile),
	KUNIT_CASE(trim_charges_the_owner_meanwhile),
	{}
};

struct kunit_suite charge_suite = {
	.name = "vmbus_gpadl_charge",
	.init = vm_init,
	.exit = vm_exit,
	.test_cases = charge_cases,
};
