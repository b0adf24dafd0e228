// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_gpa_race: packets' pages that are mapped, or just being mapped, when their
 * channel, partition or region goes. Nobody revokes them; what needs them gone waits.
 *
 * What the packet has is in vm->s, as the stream of a GPADL would be.
 */
#include <kunit/static_stub.h>
#include <linux/delay.h>
#include <linux/iopoll.h>
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/pagemap.h>
#include <linux/rcupdate.h>
#include <linux/workqueue.h>

#include "gpadl/compat.h"
#include "gpadl/gpa_pool.h"
#include "gpa.h"
#include "suites.h"

static void packet(struct vm *vm, u64 pfn, u32 nr)
{
	vm_begin(vm);
	vm_range(vm, pfn, nr);
	vm_fill_gpadl(vm);
}

static int task_send(struct vm_task *t)
{
	return gpa_send_on(t->vm, t->c, t->flags, &t->map);
}

/* A thread that is just pinning what is in vm->s. */
static struct vm_task *start_mapping(struct vm *vm, u32 flags)
{
	struct vm_task *t;

	vm_stall_arm(&vm->in_pin, 1);
	t = vm_start(vm, task_send, &vm->c[0], flags, 0);
	vm_stall_wait(vm, &vm->in_pin);
	KUNIT_EXPECT_TRUE(vm->test, vmbus_gpadl_channel_is_busy(vm->c[0].chan));
	vm_check(vm);
	return t;
}

static int set_regions(struct vm *vm, u32 slot, u64 hva, u32 flags)
{
	struct vmbus_gpa_region region = vm->memory[slot];

	if (hva)
		region.hva = hva;
	else
		region.bytes = 0;
	return vmbus_partition_set_regions(vm->p, &region, 1, flags);
}

/* ---- Rescind ---- */

VM_CASE(rescind_waits_for_the_unmap)
{
	struct vmbus_mapping *map, *more;
	int wakes = atomic_read(&vm->wakes);
	struct vm_task *t;

	packet(vm, VM_LOW_PFN, 3);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	t = vm_start_waiting(vm, vm_task_rescind, &vm->c[0], 0, 0);
	KUNIT_EXPECT_EQ(test, gpa_send(vm, 0, &more), -ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->nr_revoked), 1);
	vm_expect_sg(vm, vmbus_mapping_sgt(map));
	vm_check(vm);
	vmbus_gpa_unmap(map);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&vm->wakes), wakes);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->c[0].revokes), 0);
	vm_expect_pinned(vm, false);
	vm_check(vm);
}

static void rescind_and_map(struct vm *vm, u32 flags)
{
	struct kunit *test = vm->test;
	struct vm_task *mapper, *t;

	packet(vm, VM_LOW_PFN, 3);
	mapper = start_mapping(vm, flags);
	t = vm_start_waiting(vm, vm_task_rescind, &vm->c[0], 0, 0);
	vm_stall_end(&vm->in_pin);
	KUNIT_EXPECT_EQ(test, vm_join(mapper), -ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	vm_expect_pinned(vm, false);
	vm_check(vm);
}

VM_CASE(rescind_while_mapping)
{
	rescind_and_map(vm, 0);
}

VM_CASE(rescind_while_mapping_for_reading)
{
	rescind_and_map(vm, VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY);
}

/* One that the rescind has not come to yet: whoever waits is told of its end. */
VM_CASE(rescinded_before_it_is_found)
{
	struct vmbus_mapping *map;
	int wakes;

	packet(vm, VM_LOW_PFN, 3);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	wakes = atomic_read(&vm->wakes);
	/* As vmbus_gpadl_channel_rescind_start() begins */
	WRITE_ONCE(vm->c[0].chan->rescinded, true);
	vmbus_gpa_unmap(map);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->wakes), wakes + 1);
}

/* What an unmap has left to a work item is in flight until that is through. */
VM_CASE(rescind_waits_for_late_work)
{
	struct vm_blocker_wq b;
	struct vmbus_mapping *map;
	struct vm_task *t;

	packet(vm, VM_LOW_PFN, 1);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	folio_clear_dirty(page_folio(sg_page(map->sgl)));
	gpa_block_wq(&b, vm->p->late_wq);
	vmbus_gpa_unmap(map);
	t = vm_start_waiting(vm, vm_task_rescind, &vm->c[0], 0, 0);
	vm_check(vm);
	gpa_unblock_wq(&b);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	vm_expect_pinned(vm, false);
	KUNIT_EXPECT_TRUE(test, vm_page_is_dirty(vm_hva(vm, VM_LOW_PFN)));
}

/*
 * All the backend has unmapped is late: nothing would have it try again. So a caller that may
 * wait does, and one that may not is told so.
 */
VM_CASE(map_waits_for_late_work)
{
	struct vmbus_mapping *map[GPA_REQUESTS], *more;
	struct vm_blocker_wq b;
	struct vm_task *t;
	unsigned int i;

	packet(vm, VM_LOW_PFN, 1);
	for (i = 0; i < GPA_REQUESTS; i++)
		KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map[i]), 0);
	KUNIT_EXPECT_EQ(test, gpa_send(vm, 0, &more), -EAGAIN);
	gpa_block_wq(&b, vm->p->late_wq);
	folio_clear_dirty(page_folio(sg_page(map[0]->sgl)));
	for (i = 0; i < GPA_REQUESTS - 1; i++)
		vmbus_gpa_unmap(map[i]);
	/* There is one whose unmap is to come. */
	KUNIT_EXPECT_EQ(test, gpa_send(vm, 0, &more), -EAGAIN);
	vmbus_gpa_unmap(map[i]);
	KUNIT_EXPECT_EQ(test, -EAGAIN,
			vmbus_gpa_map_nowait(vm->c[0].chan, 0, vm->s.words,
					     vm->s.nr * sizeof(u64), 1, &more));
	t = vm_start(vm, task_send, &vm->c[0], 0, 0);
	vm_wait_blocked(t);
	KUNIT_EXPECT_FALSE(test, vm_is_done(t));
	gpa_unblock_wq(&b);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	vmbus_gpa_unmap(t->map);
	vm_check(vm);
}

static bool is_done_soon(struct vm_task *t)
{
	int n;

	for (n = 0; n < 1000 && !vm_is_done(t); n++)
		usleep_range(1000, 2000);
	return vm_is_done(t);
}

static int task_send_killed(struct vm_task *t)
{
	int ret;

	vm_kill();
	ret = gpa_send_on(t->vm, t->c, t->flags, &t->map);
	vm_unkill();
	return ret;
}

/* Until it is killed. */
VM_CASE(map_that_waits_for_late_work_is_killed)
{
	struct vmbus_mapping *map[GPA_REQUESTS];
	struct vm_blocker_wq b;
	struct vm_task *t;
	unsigned int i;

	packet(vm, VM_LOW_PFN, 1);
	for (i = 0; i < GPA_REQUESTS; i++)
		KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map[i]), 0);
	gpa_block_wq(&b, vm->p->late_wq);
	folio_clear_dirty(page_folio(sg_page(map[0]->sgl)));
	for (i = 0; i < GPA_REQUESTS; i++)
		vmbus_gpa_unmap(map[i]);
	t = vm_start(vm, task_send_killed, &vm->c[0], 0, 0);
	KUNIT_EXPECT_TRUE(test, is_done_soon(t));
	gpa_unblock_wq(&b);
	KUNIT_EXPECT_EQ(test, vm_join(t), -EINTR);
	vm_flush_frees(vm->p);
	vm_check(vm);
}

/* A page that somebody has locked is marked by the unmap, which waits for that elsewhere. */
VM_CASE(map_waits_for_no_locked_page)
{
	struct vmbus_mapping *map;
	struct folio *folio;
	struct vm_task *t;

	packet(vm, VM_LOW_PFN, 1);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	folio = page_folio(sg_page(map->sgl));
	folio_lock(folio);
	folio_clear_dirty(folio);
	t = vm_start(vm, task_send, &vm->c[0], 0, 0);
	KUNIT_EXPECT_TRUE(test, is_done_soon(t));
	KUNIT_EXPECT_FALSE(test, folio_test_dirty(folio));
	folio_unlock(folio);
	KUNIT_ASSERT_EQ(test, vm_join(t), 0);
	vmbus_gpa_unmap(t->map);
	vmbus_gpa_unmap(map);
	vm_flush_frees(vm->p);
	KUNIT_EXPECT_TRUE(test, vm_page_is_dirty(vm_hva(vm, VM_LOW_PFN)));
	vm_check(vm);
}

/* Another request of the channel, and a GPADL, count as well. */
VM_CASE(rescind_waits_for_all)
{
	struct vmbus_mapping *a, *b;
	struct vm_task *t;

	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_HIGH_PFN, 1);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	packet(vm, VM_LOW_PFN, 3);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &a), 0);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &b), 0);
	t = vm_start(vm, vm_task_rescind, &vm->c[0], 0, 0);
	vm_wait_asleep(t);
	vmbus_gpa_unmap(a);
	KUNIT_EXPECT_TRUE(test, vmbus_gpadl_channel_is_busy(vm->c[0].chan));
	vmbus_gpa_unmap(b);
	KUNIT_EXPECT_TRUE(test, vmbus_gpadl_channel_is_busy(vm->c[0].chan));
	vm_unmap(&vm->c[0], VM_HANDLE);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	vm_check(vm);
}

/* ---- Reset ---- */

VM_CASE(reset_waits_for_what_it_has_found)
{
	struct vmbus_mapping *before, *after;
	struct vm_task *t;

	packet(vm, VM_LOW_PFN, 3);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &before), 0);
	t = vm_start(vm, vm_task_reset, &vm->c[0], 0, 0);
	vm_wait_asleep(t);
	KUNIT_EXPECT_TRUE(test, vmbus_partition_is_resetting(vm->p));
	/* The guest goes on: what it sends now is not waited for. */
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &after), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->nr_resetting), 1);
	vm_check(vm);
	vmbus_gpa_unmap(before);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	vm_expect_sg(vm, vmbus_mapping_sgt(after));
	vmbus_gpa_unmap(after);
	vm_check(vm);
}

VM_CASE(reset_while_mapping)
{
	struct vm_task *mapper, *t;
	struct vmbus_mapping *map;

	packet(vm, VM_LOW_PFN, 3);
	mapper = start_mapping(vm, 0);
	t = vm_start_waiting(vm, vm_task_reset, &vm->c[0], 0, 0);
	vm_stall_end(&vm->in_pin);
	/* The guest that sent it is not there any more. */
	KUNIT_EXPECT_EQ(test, vm_join(mapper), -ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	vm_expect_pinned(vm, false);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	vmbus_gpa_unmap(map);
	vm_check(vm);
}

/* Twice: it is counted once. */
VM_CASE(reset_again)
{
	struct vmbus_mapping *map;

	packet(vm, VM_LOW_PFN, 3);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	vmbus_partition_reset_start(vm->p);
	vmbus_partition_reset_start(vm->p);
	vmbus_gpadl_channel_rescind_start(vm->c[0].chan);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->nr_resetting), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->nr_revoked), 1);
	vm_check(vm);
	vmbus_gpa_unmap(map);
	KUNIT_EXPECT_FALSE(test, vmbus_partition_is_resetting(vm->p));
	vm_check(vm);
}

/* ---- Everything goes ---- */

/* The channel and the partition are put: what is mapped keeps what it needs. */
VM_CASE(all_is_put)
{
	struct vmbus_partition *p = vm->p;
	struct vmbus_mapping *map;

	packet(vm, VM_LOW_PFN, 3);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	vm_put_channel(&vm->c[0]);
	vm_put_channel(&vm->c[1]);
	vm_put_partition(vm);
	vm_flush_frees(p);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->releases), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->c[0].releases), 0);
	vm_expect_sg(vm, vmbus_mapping_sgt(map));
	local_irq_disable();
	vmbus_gpa_unmap(map);
	local_irq_enable();
	/* vm_exit() waits for both to be released. */
}

/* The last of it is a work item's. */
VM_CASE(all_is_put_and_late)
{
	struct vmbus_mapping *map;

	packet(vm, VM_LOW_PFN, 1);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	vm_put_channel(&vm->c[0]);
	vm_put_channel(&vm->c[1]);
	vm_put_partition(vm);
	folio_clear_dirty(page_folio(sg_page(map->sgl)));
	vmbus_gpa_unmap(map);
}

/* That work may take for ever. What is resident, and not mapped any more, goes beside it. */
VM_CASE(resident_goes_beside_late_work)
{
	struct vmbus_partition *p = vm->p;
	struct vmbus_mapping *map;
	struct vm_blocker_wq b;
	s64 left;

	KUNIT_ASSERT_EQ(test, 0, vm_set_region(vm, VM_HIGH, VMBUS_GPA_REGION_RESIDENT,
					       VM_HIGH_PFN, VM_HIGH_PAGES,
					       vm_hva(vm, VM_HIGH_PFN)));
	KUNIT_EXPECT_NE(test, atomic64_read(&p->mem.pinned), 0);
	/* A page on demand, and one that is resident */
	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 1);
	vm_range(vm, VM_HIGH_PFN, 1);
	vm_fill_gpadl(vm);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	folio_clear_dirty(page_folio(sg_page(map->sgl)));
	gpa_block_wq(&b, p->late_wq);
	vmbus_gpa_unmap(map);
	vm_put_channel(&vm->c[0]);
	vm_put_channel(&vm->c[1]);
	vm_put_partition(vm);
	KUNIT_EXPECT_EQ(test, 0, read_poll_timeout(atomic64_read, left, !left, USEC_PER_MSEC,
						   10 * USEC_PER_SEC, false, &p->mem.pinned));
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->releases), 0);
	gpa_unblock_wq(&b);
}

/*
 * The end of a region may take as long as the VMM likes. Freeing the partition, in a work queue
 * that all partitions share, begins when that is over.
 */
VM_CASE(all_is_put_and_a_region_takes_long)
{
	struct vmbus_partition *p = vm->p;
	struct vmbus_mapping *map;
	struct vm_blocker_wq b;

	packet(vm, VM_LOW_PFN, 3);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	vm_put_channel(&vm->c[0]);
	vm_put_channel(&vm->c[1]);
	vm_put_partition(vm);
	flush_workqueue(p->drop_wq);
	flush_workqueue(p->watch_wq);
	gpa_block_wq(&b, p->drop_wq);
	vmbus_gpa_unmap(map);
	KUNIT_EXPECT_EQ(test, vm_await_release(&vm->c[0]), 1);
	/* What frees the channels, and would free the partition, has run. */
	rcu_barrier();
	flush_workqueue(p->free_wq);
	flush_workqueue(gpadl_wq);
	KUNIT_EXPECT_EQ(test, refcount_read(&p->ref), 1);
	KUNIT_EXPECT_EQ(test, work_busy(&p->free_work), 0);
	gpa_unblock_wq(&b);
	/* vm_exit() waits for the partition to be released. */
}

VM_CASE(channel_is_put_while_mapping)
{
	struct vm_task *mapper;

	packet(vm, VM_LOW_PFN, 3);
	mapper = start_mapping(vm, 0);
	vm_put_channel(&vm->c[0]);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->c[0].releases), 0);
	vm_stall_end(&vm->in_pin);
	KUNIT_EXPECT_EQ(test, vm_join(mapper), -ESHUTDOWN);
	/* The pool goes first, by a work item, then the channel, by its worker and others. */
	KUNIT_EXPECT_EQ(test, vm_await_release(&vm->c[0]), 1);
}

/* The guest releases the channel, and may use it again. */
VM_CASE(relid_is_released)
{
	struct vmbus_mapping *map, *after;

	packet(vm, VM_LOW_PFN, 3);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	vmbus_gpadl_channel_relid_released(vm->c[0].chan);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->nr_revoked), 1);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &after), 0);
	vmbus_gpa_unmap(after);
	vmbus_gpa_unmap(map);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->nr_revoked), 0);
	vm_check(vm);
}

/* ---- Regions ---- */

VM_CASE(region_of_a_request_stays)
{
	u64 hva = vm->memory[VM_LOW].hva, other = vm->memory[VM_HIGH].hva;
	struct vmbus_mapping *map;

	packet(vm, VM_LOW_PFN + 10, 3);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	KUNIT_EXPECT_EQ(test, set_regions(vm, VM_LOW, 0, 0), -EBUSY);
	KUNIT_EXPECT_EQ(test, set_regions(vm, VM_LOW, other, 0), -EBUSY);
	/* Another one may go. */
	KUNIT_EXPECT_EQ(test, set_regions(vm, VM_BIG, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, set_regions(vm, VM_BIG, vm->memory[VM_BIG].hva, 0), 0);
	vm_check(vm);
	vmbus_gpa_unmap(map);
	KUNIT_EXPECT_EQ(test, set_regions(vm, VM_LOW, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, set_regions(vm, VM_LOW, hva, 0), 0);
	KUNIT_EXPECT_EQ(test, vm->p->mem.nr_lingering.counter, 0);
}

/* A split around it moves nothing. */
VM_CASE(region_is_split)
{
	struct vmbus_gpa_region half[2] = { vm->memory[VM_LOW], vm->memory[VM_LOW] };
	struct vmbus_mapping *map;

	half[0].bytes /= 2;
	half[1].slot = VM_FREE_SLOT;
	half[1].bytes -= half[0].bytes;
	half[1].gpa += half[0].bytes;
	half[1].hva += half[0].bytes;
	packet(vm, VM_LOW_PFN + VM_LOW_PAGES / 2 - 1, 2);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	KUNIT_EXPECT_EQ(test, vmbus_partition_set_regions(vm->p, half, 2, 0), 0);
	vm_expect_sg(vm, vmbus_mapping_sgt(map));
	vm_check(vm);
	/* Now that it is in no table: of the one that has its pages now */
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_FREE_SLOT), -EBUSY);
	vmbus_gpa_unmap(map);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_FREE_SLOT), 0);
	vm_flush_frees(vm->p);
	vm_check(vm);
}

/* It stays where it is, but a backend may write to it: not while it does. */
VM_CASE(region_becomes_read_only)
{
	struct vmbus_gpa_region region = vm->memory[VM_LOW];
	struct vmbus_mapping *map;

	region.flags |= VMBUS_GPA_REGION_READ_ONLY;
	packet(vm, VM_LOW_PFN, 3);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	KUNIT_EXPECT_EQ(test, vmbus_partition_set_regions(vm->p, &region, 1, 0), -EBUSY);
	vmbus_gpa_unmap(map);
	KUNIT_EXPECT_EQ(test, vmbus_partition_set_regions(vm->p, &region, 1, 0), 0);
	gpa_expect_refused(vm, 0, -EACCES);
	/* More than before may always be. */
	KUNIT_ASSERT_EQ(test, gpa_send(vm, VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY, &map), 0);
	KUNIT_EXPECT_EQ(test, vmbus_partition_set_regions(vm->p, &vm->memory[VM_LOW], 1, 0), 0);
	vmbus_gpa_unmap(map);
	vm_check(vm);
}

VM_CASE(region_while_mapping)
{
	struct vm_task *mapper;

	packet(vm, VM_LOW_PFN, 3);
	mapper = start_mapping(vm, 0);
	KUNIT_EXPECT_EQ(test, set_regions(vm, VM_LOW, 0, 0), -EBUSY);
	vm_stall_end(&vm->in_pin);
	KUNIT_EXPECT_EQ(test, vm_join(mapper), 0);
	vm_expect_sg(vm, vmbus_mapping_sgt(mapper->map));
	vmbus_gpa_unmap(mapper->map);
	KUNIT_EXPECT_EQ(test, set_regions(vm, VM_LOW, 0, 0), 0);
}

/*
 * What an unmap has left to a work item keeps the VMM from nothing: the guest, which has its
 * answer, may have let go of that memory.
 */
VM_CASE(region_of_late_work_goes)
{
	struct vm_blocker_wq b;
	struct vmbus_mapping *map;

	packet(vm, VM_LOW_PFN, 1);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	folio_clear_dirty(page_folio(sg_page(map->sgl)));
	gpa_block_wq(&b, vm->p->late_wq);
	KUNIT_EXPECT_EQ(test, set_regions(vm, VM_LOW, 0, 0), -EBUSY);
	vmbus_gpa_unmap(map);
	KUNIT_EXPECT_EQ(test, set_regions(vm, VM_LOW, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), 1);
	gpa_unblock_wq(&b);
	vm_flush_frees(vm->p);
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), 0);
	KUNIT_EXPECT_TRUE(test, vm_page_is_dirty(vm_hva(vm, VM_LOW_PFN)));
	KUNIT_EXPECT_EQ(test, set_regions(vm, VM_LOW, vm->memory[VM_LOW].hva, 0), 0);
	vm_check(vm);
}

/* With the VMM's word for it: it goes, and what is mapped stays until it is unmapped. */
VM_CASE(region_is_retired)
{
	struct vmbus_mapping *map, *more;

	packet(vm, VM_LOW_PFN, 3);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	KUNIT_EXPECT_EQ(test, set_regions(vm, VM_LOW, 0, VMBUS_GPA_REGIONS_RETIRE), 0);
	vm_expect_sg(vm, vmbus_mapping_sgt(map));
	KUNIT_EXPECT_EQ(test, gpa_send(vm, 0, &more), -EFAULT);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->c[0].revokes), 0);
	/* It keeps the VMM from nothing any more, */
	KUNIT_EXPECT_EQ(test, set_regions(vm, VM_LOW, vm->memory[VM_HIGH].hva, 0), 0);
	KUNIT_EXPECT_EQ(test, set_regions(vm, VM_LOW, 0, 0), 0);
	/* unless that memory is set again where it was. */
	KUNIT_EXPECT_EQ(test, set_regions(vm, VM_LOW, vm->memory[VM_LOW].hva, 0), 0);
	KUNIT_EXPECT_EQ(test, set_regions(vm, VM_LOW, 0, 0), -EBUSY);
	KUNIT_EXPECT_EQ(test, set_regions(vm, VM_LOW, 0, VMBUS_GPA_REGIONS_RETIRE), 0);
	vm_expect_pinned(vm, true);
	vmbus_gpa_unmap(map);
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), 0);
	vm_flush_frees(vm->p);
	vm_check(vm);
}

/* The place of one that was retired is used again: it is another request. */
VM_CASE(retired_is_forgotten)
{
	struct vmbus_mapping *map;

	packet(vm, VM_LOW_PFN, 3);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	KUNIT_EXPECT_EQ(test, set_regions(vm, VM_LOW, 0, VMBUS_GPA_REGIONS_RETIRE), 0);
	vmbus_gpa_unmap(map);
	KUNIT_EXPECT_EQ(test, set_regions(vm, VM_LOW, vm->memory[VM_LOW].hva, 0), 0);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	KUNIT_EXPECT_EQ(test, set_regions(vm, VM_LOW, 0, 0), -EBUSY);
	vmbus_gpa_unmap(map);
}

/* It ends while it is looked at: its place is free only after. */
VM_CASE(ends_while_looked_at)
{
	struct vmbus_mapping *map, *more;
	struct gpa_request *r;

	packet(vm, VM_LOW_PFN, 3);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	r = to_gpa_request(map);
	/* As request_moves() does */
	r->looked_at = true;
	vmbus_gpa_unmap(map);
	KUNIT_EXPECT_EQ(test, r->state, GPA_FREE);
	KUNIT_EXPECT_FALSE(test, vmbus_gpadl_channel_is_busy(vm->c[0].chan));
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &more), 0);
	KUNIT_EXPECT_PTR_NE(test, more, map);
	vmbus_gpa_unmap(more);
	r->looked_at = false;
	r->next = vm->c[0].chan->pool->free;
	vm->c[0].chan->pool->free = r;
}

static struct vmbus_mapping *looked_at;

/* Its backend unmaps it meanwhile. */
static bool unmap_and_move(const struct gpadl_pfn_list *w, const struct gpadl_region_table *mapped,
			   const struct gpadl_region_table *old,
			   const struct gpadl_region_table *new)
{
	vmbus_gpa_unmap(looked_at);
	return true;
}

VM_CASE(ends_while_a_change_looks)
{
	struct vmbus_mapping *map[GPA_REQUESTS];
	unsigned int i;

	packet(vm, VM_LOW_PFN, 3);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &looked_at), 0);
	kunit_activate_static_stub(test, gpadl_regions_move, unmap_and_move);
	KUNIT_EXPECT_EQ(test, set_regions(vm, VM_LOW, 0, 0), -EBUSY);
	kunit_deactivate_static_stub(test, gpadl_regions_move);
	KUNIT_EXPECT_FALSE(test, vmbus_gpadl_channel_is_busy(vm->c[0].chan));
	/* Its place is there again, once. */
	packet(vm, VM_HIGH_PFN, 1);
	for (i = 0; i < GPA_REQUESTS; i++)
		KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map[i]), 0);
	KUNIT_EXPECT_EQ(test, gpa_send(vm, 0, &looked_at), -EAGAIN);
	for (i = 0; i < GPA_REQUESTS; i++)
		vmbus_gpa_unmap(map[i]);
}

/* All that there is room for is being looked at: a map waits for the end of that. */
VM_CASE(map_waits_for_a_look)
{
	struct gpa_pool *pool = vm->c[0].chan->pool;
	struct vmbus_mapping *map[GPA_REQUESTS];
	struct vm_task *t;
	unsigned int i;

	packet(vm, VM_LOW_PFN, 1);
	for (i = 0; i < GPA_REQUESTS; i++)
		KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map[i]), 0);
	/* As table_switch() and request_moves() do */
	down_write(&vm->p->mem.switch_sem);
	for (i = 0; i < GPA_REQUESTS; i++) {
		to_gpa_request(map[i])->looked_at = true;
		vmbus_gpa_unmap(map[i]);
	}
	t = vm_start_waiting(vm, task_send, &vm->c[0], 0, 0);
	for (i = 0; i < GPA_REQUESTS; i++) {
		struct gpa_request *r = to_gpa_request(map[i]);

		spin_lock_irq(&vm->c[0].chan->pool_lock);
		r->looked_at = false;
		r->next = pool->free;
		pool->free = r;
		spin_unlock_irq(&vm->c[0].chan->pool_lock);
	}
	up_write(&vm->p->mem.switch_sem);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	vmbus_gpa_unmap(t->map);
	vm_check(vm);
}

/* While a change is decided a map waits; one that does not wait says so. */
VM_CASE(map_waits_for_a_change)
{
	struct vmbus_mapping *map;
	struct vm_task *t;

	packet(vm, VM_LOW_PFN, 3);
	down_write(&vm->p->mem.switch_sem);
	WRITE_ONCE(vm->p->mem.switching, true);
	KUNIT_EXPECT_EQ(test, -EAGAIN,
			vmbus_gpa_map_nowait(vm->c[0].chan, 0, vm->s.words,
					     vm->s.nr * sizeof(u64), 1, &map));
	t = vm_start_waiting(vm, task_send, &vm->c[0], 0, 0);
	WRITE_ONCE(vm->p->mem.switching, false);
	up_write(&vm->p->mem.switch_sem);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	vmbus_gpa_unmap(t->map);
	vm_check(vm);
}

static struct kunit_case gpa_race_cases[] = {
	KUNIT_CASE(rescind_waits_for_the_unmap),
	KUNIT_CASE(rescind_while_mapping),
	KUNIT_CASE(rescind_while_mapping_for_reading),
	KUNIT_CASE(rescinded_before_it_is_found),
	KUNIT_CASE(rescind_waits_for_late_work),
	KUNIT_CASE(map_waits_for_late_work),
	KUNIT_CASE(map_that_waits_for_late_work_is_killed),
	KUNIT_CASE(map_waits_for_no_locked_page),
	KUNIT_CASE(rescind_waits_for_all),
	KUNIT_CASE(reset_waits_for_what_it_has_found),
	KUNIT_CASE(reset_while_mapping),
	KUNIT_CASE(reset_again),
	KUNIT_CASE(all_is_put),
	KUNIT_CASE(all_is_put_and_late),
	KUNIT_CASE(resident_goes_beside_late_work),
	KUNIT_CASE(all_is_put_and_a_region_takes_long),
	KUNIT_CASE(channel_is_put_while_mapping),
	KUNIT_CASE(relid_is_released),
	KUNIT_CASE(region_of_a_request_stays),
	KUNIT_CASE(region_is_split),
	KUNIT_CASE(region_becomes_read_only),
	KUNIT_CASE(region_while_mapping),
	KUNIT_CASE(region_of_late_work_goes),
	KUNIT_CASE(region_is_retired),
	KUNIT_CASE(retired_is_forgotten),
	KUNIT_CASE(ends_while_looked_at),
	KUNIT_CASE(ends_while_a_change_looks),
	KUNIT_CASE(map_waits_for_a_look),
	KUNIT_CASE(map_waits_for_a_change),
	{}
};

struct kunit_suite gpa_race_suite = {
	.name = "vmbus_gpadl_gpa_race",
	.init = gpa_init,
	.exit = vm_exit,
	.test_cases = gpa_race_cases,
};
