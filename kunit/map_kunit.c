// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_map: what a backend asks of a GPADL, and what it gets.
 *
 * Errnos come in an order of precedence: a case that expects one often has the reason for
 * a later one too.
 */
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "suites.h"
#include "vm.h"

#define READ_ONLY	VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY

/* From the guest's message to the last reply. */
VM_CASE(whole_life)
{
	struct vm_channel *c = &vm->c[0];
	struct sg_table *sgt;

	vm_fill(vm, VM_LOW_PFN, 8);
	vm_establish(vm, c, VM_HANDLE, VM_LOW_PFN, 8);
	vm_expect_pinned(vm, false);

	KUNIT_ASSERT_EQ(test, vm_map(c, 0, VM_HANDLE, &sgt), 0);
	vm_expect_sg(vm, sgt);
	vm_expect_pinned(vm, true);
	vm_check(vm);

	vm_unmap(c, VM_HANDLE);
	vm_expect_pinned(vm, false);
	vm_check(vm);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, c, VM_HANDLE), 0);
	vm_expect_torndown(vm, VM_HANDLE);
	vm_expect_silence(vm);
}

/* ---- What map returns ---- */

/* A map that fails leaves things as they were. */
static void expect_map_fails(struct vm *vm, struct vm_channel *c, u32 flags, int error)
{
	s64 pinned = atomic64_read(&vm->p->mem.pinned);
	struct gpadl *g = vm_gpadl(c, VM_HANDLE);
	int state = g ? g->state : GPADL_DEAD;

	KUNIT_EXPECT_EQ(vm->test, vm_map(c, flags, VM_HANDLE, NULL), error);
	KUNIT_EXPECT_EQ(vm->test, atomic64_read(&vm->p->mem.pinned), pinned);
	if (g)
		KUNIT_EXPECT_EQ(vm->test, g->state, state);
	vm_check(vm);
}

/* A GPADL created without write access. */
static void establish_read_only(struct vm *vm, u64 pfn)
{
	struct guest_msg m;

	vm_begin(vm);
	vm_range(vm, pfn, 1);
	guest_next_msg(&m, vm->c[0].relid, VM_HANDLE, &vm->s);
	KUNIT_EXPECT_EQ(vm->test, 0,
			vmbus_partition_receive(vm->p, m.bytes, m.len,
						VMBUS_GPADL_RECEIVE_READ_ONLY));
	vm_expect_created(vm, &vm->c[0], VM_HANDLE, GPADL_STATUS_SUCCESS);
}

VM_CASE(einval_unknown_flag)
{
	int bit;

	/* No such GPADL: that would be -ENOENT. */
	for (bit = 1; bit < 32; bit++)
		expect_map_fails(vm, &vm->c[0], BIT(bit), -EINVAL);
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 1);
	expect_map_fails(vm, &vm->c[0], READ_ONLY | BIT(31), -EINVAL);
}

VM_CASE(enoent_unknown_handle)
{
	KUNIT_EXPECT_EQ(test, vmbus_gpadl_channel_rescind(vm->c[0].chan), 0);
	expect_map_fails(vm, &vm->c[0], 0, -ENOENT);
}

VM_CASE(enoent_other_channel)
{
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 1);
	expect_map_fails(vm, &vm->c[1], 0, -ENOENT);
}

VM_CASE(enoent_incomplete)
{
	struct guest_msg m;

	vm_valid_header(vm, &m, &vm->c[0], VM_HANDLE);
	m.len -= sizeof(u64);
	KUNIT_EXPECT_EQ(test, vm_post(vm, &m), 0);
	KUNIT_EXPECT_EQ(test, vmbus_gpadl_channel_rescind(vm->c[0].chan), 0);
	expect_map_fails(vm, &vm->c[0], 0, -ENOENT);
}

VM_CASE(enoent_torn_down)
{
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 1);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, &vm->c[0], VM_HANDLE), 0);
	expect_map_fails(vm, &vm->c[0], 0, -ENOENT);
	vm_expect_torndown(vm, VM_HANDLE);
}

VM_CASE(eshutdown_teardown_begun)
{
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 1);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, &vm->c[0], VM_HANDLE), 0);
	/* It is mapped, too. */
	expect_map_fails(vm, &vm->c[0], 0, -ESHUTDOWN);
	vm_unmap(&vm->c[0], VM_HANDLE);
	vm_expect_torndown(vm, VM_HANDLE);
}

VM_CASE(eshutdown_channel_rescinded)
{
	/* Created read-only, too. */
	establish_read_only(vm, VM_LOW_PFN);
	KUNIT_EXPECT_EQ(test, vmbus_gpadl_channel_rescind(vm->c[0].chan), 0);
	expect_map_fails(vm, &vm->c[0], 0, -ESHUTDOWN);
}

VM_CASE(ebusy_mapped)
{
	establish_read_only(vm, VM_LOW_PFN);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], READ_ONLY, VM_HANDLE, NULL), 0);
	expect_map_fails(vm, &vm->c[0], READ_ONLY, -EBUSY);
	/* Created read-only, too. */
	expect_map_fails(vm, &vm->c[0], 0, -EBUSY);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

VM_CASE(eacces_created_read_only)
{
	/* Its memory cannot be pinned either. */
	establish_read_only(vm, VM_NOVMA_PFN);
	expect_map_fails(vm, &vm->c[0], 0, -EACCES);
}

VM_CASE(eacces_read_only_region)
{
	/* One page of many; and another lies in no region any more. */
	vm_begin(vm);
	vm_range(vm, VM_HIGH_PFN, 10);
	vm_range(vm, VM_LOW_PFN, 10);
	vm_range(vm, VM_RO_PFN, 1);
	vm_range(vm, VM_LOW_PFN, 10);
	KUNIT_EXPECT_EQ(test, vm_send(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_created(vm, &vm->c[0], VM_HANDLE, GPADL_STATUS_SUCCESS);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_HIGH), 0);
	expect_map_fails(vm, &vm->c[0], 0, -EACCES);
	expect_map_fails(vm, &vm->c[0], READ_ONLY, -EFAULT);
}

VM_CASE(efault_no_region)
{
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_HIGH_PFN - 2, 4);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_HIGH), 0);
	/* There is no room for its pins, too. */
	vm_limit(vm, 0);
	expect_map_fails(vm, &vm->c[0], 0, -EFAULT);
	expect_map_fails(vm, &vm->c[0], READ_ONLY, -EFAULT);
}

VM_CASE(efault_no_memory_behind_region)
{
	/* Some of its pages can be pinned. */
	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 10);
	vm_range(vm, VM_NOVMA_PFN, 1);
	KUNIT_EXPECT_EQ(test, vm_send(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_created(vm, &vm->c[0], VM_HANDLE, GPADL_STATUS_SUCCESS);
	expect_map_fails(vm, &vm->c[0], 0, -EFAULT);
	expect_map_fails(vm, &vm->c[0], READ_ONLY, -EFAULT);
}

VM_CASE(efault_memory_not_writable)
{
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_NOWRITE_PFN, 3);
	expect_map_fails(vm, &vm->c[0], 0, -EFAULT);
	KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], READ_ONLY, VM_HANDLE, NULL), 0);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

VM_CASE(enomem_over_limit)
{
	/* Its memory cannot be pinned either, but nobody has tried. */
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_NOVMA_PFN, 4);
	vm_limit(vm, DIV_ROUND_UP(4, VM_PER_HOST) - 1);
	expect_map_fails(vm, &vm->c[0], 0, -ENOMEM);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->pins), 0);
}

static long pin_killed(struct vm *vm, unsigned long hva, unsigned long nr,
		       unsigned int gup_flags, struct page **pages)
{
	if (atomic_read(&vm->pins) == 1)
		return pin_user_pages_fast(hva, 2, gup_flags, pages);
	vm_kill();
	return vm->pin_result;
}

VM_CASE(eintr_killed_while_pinning)
{
	static const long pins[] = { -EINTR, -ERESTARTSYS, -EFAULT, -EAGAIN, 0 };
	int i;

	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 5);
	vm->pin = pin_killed;
	for (i = 0; i < ARRAY_SIZE(pins); i++) {
		atomic_set(&vm->pins, 0);
		vm->pin_result = pins[i];
		KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), -EINTR);
		vm_unkill();
		KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), 0);
		vm_check(vm);
	}
	vm->pin = NULL;
	KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

VM_CASE(eintr_killed_while_rescinding)
{
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 1);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	vm_kill();
	KUNIT_EXPECT_EQ(test, vmbus_gpadl_channel_rescind(vm->c[0].chan), -EINTR);
	KUNIT_EXPECT_EQ(test, vmbus_partition_reset(vm->p), -EINTR);
	vm_unkill();
	vm_flush_revokes(&vm->c[0]);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->c[0].revokes), 1);
	vm_unmap(&vm->c[0], VM_HANDLE);
	/* They can be asked again. */
	KUNIT_EXPECT_EQ(test, vmbus_gpadl_channel_rescind(vm->c[0].chan), 0);
	KUNIT_EXPECT_EQ(test, vmbus_partition_reset(vm->p), 0);
}

/* ---- A VMM that has gone ---- */

/* Another guest, whose VMM this thread is: it has a GPADL in each of two regions. */
static int task_other_vmm(struct vm_task *t)
{
	struct vm *vm = vm_create(t->vm->test, t->vm->resident);

	t->other = vm;
	if (!vm)
		return -ENOMEM;
	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 5);
	vm_fill_gpadl(vm);
	KUNIT_EXPECT_EQ(vm->test, vm_send(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_created(vm, &vm->c[0], VM_HANDLE, GPADL_STATUS_SUCCESS);
	vm_begin(vm);
	vm_range(vm, VM_RO_PFN, 5);
	KUNIT_EXPECT_EQ(vm->test, vm_send(vm, &vm->c[1], VM_HANDLE), 0);
	vm_expect_created(vm, &vm->c[1], VM_HANDLE, GPADL_STATUS_SUCCESS);
	return 0;
}

static int task_other_vmm_maps(struct vm_task *t)
{
	int ret = task_other_vmm(t);

	if (ret)
		return ret;
	return vmbus_gpadl_map(t->other->c[0].chan, 0, VM_HANDLE, &t->map);
}

/* Wait until the VMM's last thread has left its address space. */
static struct vm_task *other_vmm(struct vm *vm, int (*fn)(struct vm_task *t))
{
	struct vm_task *t = vm_start(vm, fn, NULL, 0, 0);
	int ms;

	KUNIT_EXPECT_EQ(vm->test, vm_join(t), 0);
	KUNIT_ASSERT_NOT_NULL(vm->test, t->other);
	for (ms = 0; atomic_read(&t->other->mm->mm_users) && ms < 60000; ms++)
		usleep_range(500, 1000);
	KUNIT_EXPECT_EQ(vm->test, atomic_read(&t->other->mm->mm_users), 0);
	return t;
}

static void esrch_vmm_gone(struct kunit *test)
{
	struct vm *vm = other_vmm(test->priv, task_other_vmm)->other;

	/* Writing to a read-only region is told first, and pages in no region later. */
	expect_map_fails(vm, &vm->c[1], 0, -EACCES);
	expect_map_fails(vm, &vm->c[1], READ_ONLY, -ESRCH);
	expect_map_fails(vm, &vm->c[0], 0, -ESRCH);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_LOW), 0);
	expect_map_fails(vm, &vm->c[0], 0, -ESRCH);
	vm_destroy(vm);
}

/* What the channel layer wants to have pinned, in a thread of its own */
static void esrch_pin_when_vmm_gone(struct kunit *test)
{
	struct vm *vm = other_vmm(test->priv, task_other_vmm)->other;
	unsigned long hva = vm_hva(vm, VM_BIG_PFN);
	struct vmbus_gpa_region region = {
		.slot = VM_FREE_SLOT,
		.flags = VMBUS_GPA_REGION_RESIDENT,
		.gpa = (u64)VM_HOLE_PFN << GPADL_PAGE_SHIFT,
		.bytes = 3 << PAGE_SHIFT,
		.hva = hva,
	};
	struct page *page;

	KUNIT_EXPECT_EQ(test, vmbus_partition_set_regions(vm->p, &region, 1, 0), -ESRCH);
	vm_check(vm);
	KUNIT_EXPECT_EQ(test, vmbus_partition_pin_page(vm->p, hva, &page), -ESRCH);
	vm_check(vm);
	/* It is not pinned: without its memory it can be set. */
	region.flags = 0;
	KUNIT_EXPECT_EQ(test, vmbus_partition_set_regions(vm->p, &region, 1, 0), 0);
	vm_destroy(vm);
}

/* The backend goes on working with what it has. */
static void unmap_when_vmm_gone(struct kunit *test)
{
	struct vm_task *t = other_vmm(test->priv, task_other_vmm_maps);
	struct vm *vm = t->other;

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 5);
	vm_expect_sg(vm, vmbus_mapping_sgt(t->map));
	KUNIT_EXPECT_EQ(test, atomic64_read(&vm->mm->pinned_vm),
			vm_resident(vm) ?: DIV_ROUND_UP(5, VM_PER_HOST));
	vm_unmap(&vm->c[0], VM_HANDLE);
	vm_check(vm);
	vm_destroy(vm);
}

/* ---- Direction ---- */

VM_CASE(dma_direction)
{
	static const struct {
		u32 flags;
		enum dma_data_direction dir;
	} maps[] = { { 0, DMA_BIDIRECTIONAL }, { READ_ONLY, DMA_TO_DEVICE } };
	struct vmbus_mapping *map;
	int i;

	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 1);
	for (i = 0; i < ARRAY_SIZE(maps); i++) {
		KUNIT_ASSERT_EQ(test, 0, vmbus_gpadl_map(vm->c[0].chan, maps[i].flags,
							 VM_HANDLE, &map));
		KUNIT_EXPECT_EQ(test, vmbus_mapping_dma_dir(map), maps[i].dir);
		vmbus_gpadl_unmap(map);
	}
}

/* ---- Virtual mapping ---- */

/* The range that the GPADL in vm->s has lies at @addr, to the byte. */
static void expect_content(struct vm *vm, const char *addr)
{
	struct gpadl_wire_range range = gpadl_wire_range(vm->s.words[0]);
	u32 i, from = range.offset, left = range.count;

	KUNIT_EXPECT_EQ(vm->test, offset_in_page(addr), range.offset);
	for (i = 0; i < range.nr_pages; i++) {
		u32 len = min_t(u32, left, GUEST_PAGE - from);

		vm_page_content(vm_hva(vm, vm->s.words[1 + i]), vm->page);
		KUNIT_EXPECT_MEMEQ(vm->test, addr, (char *)vm->page + from, len);
		addr += len;
		left -= len;
		from = 0;
	}
}

/* Scattered pages, the first and last in part. */
static void establish_scattered(struct vm *vm)
{
	vm_begin(vm);
	guest_range(&vm->s, 19 * GUEST_PAGE - 0x800, 0x123);
	guest_pfns(&vm->s, VM_LOW_PFN + 30, -1, 10);
	guest_pfns(&vm->s, VM_HIGH_PFN + 3, 2, 9);
	vm_fill_gpadl(vm);
	KUNIT_EXPECT_EQ(vm->test, vm_send(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_created(vm, &vm->c[0], VM_HANDLE, GPADL_STATUS_SUCCESS);
}

/* Write what is there already. No architecture tells a module of its page tables alike. */
static bool is_writable(void *addr)
{
	u8 byte = *(u8 *)addr;

	__put_kernel_nofault(addr, &byte, u8, fault);
	return true;
fault:
	return false;
}

static void expect_vmap_fails(struct vm *vm, int error)
{
	KUNIT_EXPECT_EQ(vm->test, error,
			PTR_ERR_OR_ZERO(vm_vmap(&vm->c[0], VM_HANDLE)));
}

/* A page of the host's is all that a page table can show, and guest pages are parts of one. */
static bool vmap_needs_small_pages(struct vm *vm)
{
	if (VM_PER_HOST == 1)
		return false;
	expect_vmap_fails(vm, -EOPNOTSUPP);
	vm_unmap(&vm->c[0], VM_HANDLE);
	return true;
}

VM_CASE(vmap_of_writable_map)
{
	u64 value = 0;
	char *addr;

	establish_scattered(vm);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	if (vmap_needs_small_pages(vm))
		return;
	addr = vm_vmap(&vm->c[0], VM_HANDLE);
	KUNIT_ASSERT_FALSE(test, IS_ERR(addr));
	expect_content(vm, addr);
	KUNIT_EXPECT_TRUE(test, is_writable(addr));

	/* The guest sees what is written there. */
	memcpy(addr, &(u64) { 19 }, 8);
	KUNIT_EXPECT_EQ(test, 0, copy_from_user(&value, (void __user *)
						vm_hva(vm, VM_LOW_PFN + 30) + 0x123, 8));
	KUNIT_EXPECT_EQ(test, value, 19);
	vm_vunmap(&vm->c[0], VM_HANDLE);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

VM_CASE(vmap_of_read_only_map)
{
	char *addr;

	establish_scattered(vm);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], READ_ONLY, VM_HANDLE, NULL), 0);
	if (vmap_needs_small_pages(vm))
		return;
	addr = vm_vmap(&vm->c[0], VM_HANDLE);
	KUNIT_ASSERT_FALSE(test, IS_ERR(addr));
	expect_content(vm, addr);
	KUNIT_EXPECT_FALSE(test, is_writable(addr));
	vm_vunmap(&vm->c[0], VM_HANDLE);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

VM_CASE(vmap_eopnotsupp_several_ranges)
{
	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 1);
	vm_range(vm, VM_LOW_PFN + 1, 1);
	KUNIT_EXPECT_EQ(test, vm_send(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_created(vm, &vm->c[0], VM_HANDLE, GPADL_STATUS_SUCCESS);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	expect_vmap_fails(vm, -EOPNOTSUPP);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

VM_CASE(vmap_ebusy)
{
	int i;

	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 3);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	for (i = 0; i < 2; i++) {
		expect_vmap_fails(vm, 0);
		expect_vmap_fails(vm, -EBUSY);
		vm_vunmap(&vm->c[0], VM_HANDLE);
	}
	vm_unmap(&vm->c[0], VM_HANDLE);
}

VM_CASE(vmap_out_of_memory)
{
	struct alloc_fault f = {};
	u32 failed = 0;
	void *addr;

	alloc_fault_need(test);
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 3);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	while (alloc_fault_next(&f)) {
		alloc_fault_begin(&f);
		addr = vm_vmap(&vm->c[0], VM_HANDLE);
		alloc_fault_end(&f);

		if (IS_ERR(addr)) {
			KUNIT_EXPECT_EQ(test, PTR_ERR(addr), -ENOMEM);
			KUNIT_EXPECT_TRUE(test, f.injected);
			failed++;
		} else {
			vm_vunmap(&vm->c[0], VM_HANDLE);
		}
	}
	KUNIT_EXPECT_GE(test, failed, 2);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

/* ---- Bugs of a backend: warned of once, and harmless ---- */

static void expect_warning(void)
{
	pr_info("gpadl-test: expect WARNING\n");
}

static void expected_warning_over(void)
{
	pr_info("gpadl-test: expected WARNING over\n");
}

VM_CASE(unmap_of_vmapped)
{
	void *addr;

	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 3);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	addr = vm_vmap(&vm->c[0], VM_HANDLE);
	KUNIT_ASSERT_FALSE(test, IS_ERR(addr));
	KUNIT_EXPECT_NOT_NULL(test, vmalloc_to_page(addr));
	expect_warning();
	vm_unmap(&vm->c[0], VM_HANDLE);
	expected_warning_over();
	KUNIT_EXPECT_NULL(test, vmalloc_to_page(addr));
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), 0);
	vm_check(vm);
	/* Once in a boot; the vunmap is done each time. */
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	addr = vm_vmap(&vm->c[0], VM_HANDLE);
	KUNIT_ASSERT_FALSE(test, IS_ERR(addr));
	vm_unmap(&vm->c[0], VM_HANDLE);
	KUNIT_EXPECT_NULL(test, vmalloc_to_page(addr));
}

VM_CASE(vunmap_of_unvmapped)
{
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 3);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	expect_warning();
	vm_vunmap(&vm->c[0], VM_HANDLE);
	expected_warning_over();
	/* Once in a boot */
	vm_vunmap(&vm->c[0], VM_HANDLE);
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), 3);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

/* ---- Channels of a partition ---- */

VM_CASE(channels_of_one_relid)
{
	static const struct vmbus_gpadl_channel_ops ops;

	KUNIT_EXPECT_EQ(test, -EBUSY,
			PTR_ERR_OR_ZERO(vmbus_gpadl_channel_create(vm->p, vm->c[0].relid,
								   &ops, NULL)));
	vm_put_channel(&vm->c[0]);
	vm_new_channel(vm, &vm->c[0]);
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 3);
}

/* Those that hold for either kind of region, and others. */
#define MAP_CASES(name, ...)				\
static struct kunit_case name[] = {			\
	KUNIT_CASE(whole_life),				\
	KUNIT_CASE(einval_unknown_flag),		\
	KUNIT_CASE(enoent_unknown_handle),		\
	KUNIT_CASE(enoent_other_channel),		\
	KUNIT_CASE(enoent_incomplete),			\
	KUNIT_CASE(enoent_torn_down),			\
	KUNIT_CASE(eshutdown_teardown_begun),		\
	KUNIT_CASE(eshutdown_channel_rescinded),		\
	KUNIT_CASE(ebusy_mapped),			\
	KUNIT_CASE(eacces_created_read_only),		\
	KUNIT_CASE(eacces_read_only_region),		\
	KUNIT_CASE(esrch_vmm_gone),			\
	KUNIT_CASE(esrch_pin_when_vmm_gone),		\
	KUNIT_CASE(efault_no_region),			\
	KUNIT_CASE(efault_no_memory_behind_region),	\
	KUNIT_CASE(efault_memory_not_writable),		\
	KUNIT_CASE(enomem_over_limit),			\
	KUNIT_CASE(eintr_killed_while_rescinding),	\
	KUNIT_CASE(unmap_when_vmm_gone),		\
	KUNIT_CASE(dma_direction),			\
	KUNIT_CASE(vmap_of_writable_map),		\
	KUNIT_CASE(vmap_of_read_only_map),		\
	KUNIT_CASE(vmap_eopnotsupp_several_ranges),	\
	KUNIT_CASE(vmap_ebusy),				\
	KUNIT_CASE(vmap_out_of_memory),			\
	KUNIT_CASE(channels_of_one_relid),		\
	__VA_ARGS__					\
	{}						\
}

MAP_CASES(map_cases,
	  KUNIT_CASE(eintr_killed_while_pinning),
	  KUNIT_CASE(unmap_of_vmapped),
	  KUNIT_CASE(vunmap_of_unvmapped),
);
MAP_CASES(map_resident_cases);

struct kunit_suite map_suite = {
	.name = "vmbus_gpadl_map",
	.init = vm_init,
	.exit = vm_exit,
	.test_cases = map_cases,
};

struct kunit_suite map_resident_suite = {
	.name = "vmbus_gpadl_map_resident",
	.init = vm_init_resident,
	.exit = vm_exit,
	.test_cases = map_resident_cases,
};
