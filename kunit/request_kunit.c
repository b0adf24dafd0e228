// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_request: a packet's pages, from the map to the unmap. What the channel's
 * pool and the partition allow, how pages are pinned, and where they can be unpinned.
 *
 * What the packet has is in vm->s, as the stream of a GPADL would be.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/page-flags.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <trace/events/printk.h>

#include "gpadl/compat.h"
#include "gpadl/gpa_pool.h"
#include "gpa.h"
#include "suites.h"

#define READ_ONLY	VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY

/* ---- Limits ---- */

VM_CASE(eagain_pool_is_used_up)
{
	struct vmbus_mapping *map[GPA_REQUESTS], *more;
	unsigned int i;

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 1);
	for (i = 0; i < GPA_REQUESTS; i++)
		KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map[i]), 0);
	vm_check(vm);
	KUNIT_EXPECT_EQ(test, gpa_send(vm, 0, &more), -EAGAIN);
	/* What is wrong with it is told when there is room to look. */
	vm->s.nr_ranges = 0;
	KUNIT_EXPECT_EQ(test, gpa_send(vm, 0, &more), -EAGAIN);
	vmbus_gpa_unmap(map[3]);
	KUNIT_EXPECT_EQ(test, gpa_send(vm, 0, &more), -EBADMSG);
	vm->s.nr_ranges = 1;
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map[3]), 0);
	for (i = 0; i < GPA_REQUESTS; i++)
		vmbus_gpa_unmap(map[i]);
	vm_check(vm);
}

/* Pages in flight: what is over the limit waits, but never the only request of a channel. */
VM_CASE(eagain_pages_in_flight)
{
	struct vmbus_mapping *first, *second, *other;
	atomic_t *nr = &vm->p->nr_request_pages;

	/* As if other channels had taken all but three. */
	atomic_add(gpadl_max_request_pages() - 3, nr);
	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 2 * VM_PER_HOST);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &first), 0);
	KUNIT_EXPECT_EQ(test, gpa_send(vm, 0, &second), -EAGAIN);
	KUNIT_EXPECT_EQ(test, atomic_read(nr), (int)gpadl_max_request_pages() - 1);
	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, VM_PER_HOST);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &second), 0);
	/* Nothing of this one is in flight: nothing would tell it to try again. */
	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 8 * VM_PER_HOST);
	KUNIT_ASSERT_EQ(test, vmbus_gpa_pool_create(vm->c[1].chan, 2, PAGE_SIZE * 8), 0);
	KUNIT_ASSERT_EQ(test, gpa_send_on(vm, &vm->c[1], 0, &other), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(nr), (int)gpadl_max_request_pages() + 8);
	vmbus_gpa_unmap(second);
	vmbus_gpa_unmap(first);
	vmbus_gpa_unmap(other);
	vmbus_gpa_pool_destroy(vm->c[1].chan);
	atomic_sub(gpadl_max_request_pages() - 3, nr);
	vm_check(vm);
}

/* Pages that are resident are pinned by nobody, and count for nothing. */
VM_CASE(resident_pages_do_not_count)
{
	struct vmbus_mapping *map;
	int pins = atomic_read(&vm->pins);

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 20);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->nr_request_pages), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->pins), pins);
	vmbus_gpa_unmap(map);
}

/* ---- Pins ---- */

static unsigned int seen_flags;

static long pin_and_see(struct vm *vm, unsigned long hva, unsigned long nr,
			unsigned int gup_flags, struct page **pages)
{
	seen_flags = gup_flags;
	return pin_user_pages_fast(hva, nr, gup_flags, pages);
}

VM_CASE(pins_are_short)
{
	vm->pin = pin_and_see;
	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 5);
	gpa_expect_maps(vm, 0);
	KUNIT_EXPECT_EQ(test, seen_flags, FOLL_WRITE);
	gpa_expect_maps(vm, READ_ONLY);
	KUNIT_EXPECT_EQ(test, seen_flags, 0);
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 1);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	KUNIT_EXPECT_EQ(test, seen_flags, FOLL_WRITE | FOLL_LONGTERM);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

/* Not to one byte of memory beyond what the pool has; of pages that are there. */
VM_CASE(allocates_nothing)
{
	struct alloc_fault f = { .n = 1 };
	struct vmbus_mapping *map;
	int ret;

	alloc_fault_need(test);
	vm_begin(vm);
	guest_range(&vm->s, (GPA_PAGES - 1) * GUEST_PAGE, 1);
	guest_pfns(&vm->s, VM_BIG_PFN, 3, GPA_PAGES);
	vm_fill_gpadl(vm);
	alloc_fault_begin(&f);
	ret = gpa_send(vm, 0, &map);
	if (!ret)
		vmbus_gpa_unmap(map);
	alloc_fault_end(&f);
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_FALSE(test, f.injected);
}

/* Pages that are not there yet: of all that is allocated to bring them in, one is refused. */
VM_CASE(maps_without_memory)
{
	struct alloc_fault f = {};
	struct vmbus_mapping *map;
	unsigned int refused = 0;
	int ret;

	alloc_fault_need(test);
	while (alloc_fault_next(&f)) {
		vm_begin(vm);
		vm_range(vm, VM_BIG_PFN + 8 * f.tries, 3);
		alloc_fault_begin(&f);
		ret = gpa_send(vm, 0, &map);
		alloc_fault_end(&f);
		KUNIT_EXPECT_TRUE(test, !ret || ((ret == -ENOMEM || ret == -EFAULT) && f.injected));
		if (!ret)
			vmbus_gpa_unmap(map);
		refused += f.injected;
		KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), 0);
		vm_check(vm);
	}
	KUNIT_EXPECT_GT(test, refused, 0);
}

static void clean_pages(struct vm *vm)
{
	const struct guest_stream *s = &vm->s;
	struct page *page;
	u32 i;

	for (i = 1; i < s->nr; i++) {
		unsigned long hva = vm_hva(vm, s->words[i]);

		KUNIT_ASSERT_EQ(vm->test, get_user_pages_fast(hva, 1, 0, &page), 1);
		folio_clear_dirty(page_folio(page));
		put_page(page);
	}
}

static u32 dirty_pages(struct vm *vm)
{
	const struct guest_stream *s = &vm->s;
	u32 i, nr = 0;

	for (i = 1; i < s->nr; i++)
		nr += vm_page_is_dirty(vm_hva(vm, s->words[i]));
	return nr;
}

VM_CASE(written_pages_are_dirty)
{
	struct vmbus_mapping *map;

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 5);
	vm_fill_gpadl(vm);
	clean_pages(vm);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, READ_ONLY, &map), 0);
	vmbus_gpa_unmap(map);
	KUNIT_EXPECT_EQ(test, dirty_pages(vm), 0);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	KUNIT_EXPECT_EQ(test, dirty_pages(vm), 5);
	vmbus_gpa_unmap(map);
	KUNIT_EXPECT_EQ(test, dirty_pages(vm), 5);
	/* At once: nothing was left to be done. */
	KUNIT_EXPECT_FALSE(test, vmbus_gpadl_channel_is_busy(vm->c[0].chan));
}

/* Cleaned while it was mapped: an unmap with interrupts off leaves that to somebody else. */
VM_CASE(pages_cleaned_meanwhile)
{
	struct vm_blocker_wq b;
	struct vmbus_mapping *map;

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 5);
	vm_fill_gpadl(vm);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	clean_pages(vm);
	gpa_block_wq(&b, vm->p->late_wq);
	local_irq_disable();
	vmbus_gpa_unmap(map);
	local_irq_enable();
	/* Still in flight, and everything that waits for it goes on waiting. */
	KUNIT_EXPECT_TRUE(test, vmbus_gpadl_channel_is_busy(vm->c[0].chan));
	vm_expect_pinned(vm, true);
	KUNIT_EXPECT_EQ(test, dirty_pages(vm), 0);
	vm_check(vm);
	gpa_unblock_wq(&b);
	flush_workqueue(vm->p->late_wq);
	KUNIT_EXPECT_FALSE(test, vmbus_gpadl_channel_is_busy(vm->c[0].chan));
	vm_expect_pinned(vm, false);
	KUNIT_EXPECT_EQ(test, dirty_pages(vm), 5);
}

/* ---- Unmapping anywhere ---- */

VM_CASE(with_interrupts_off)
{
	struct vmbus_mapping *map;

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 20);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	local_irq_disable();
	vmbus_gpa_unmap(map);
	local_irq_enable();
	vm_expect_pinned(vm, false);
	vm_check(vm);
}

struct unmap_timer {
	struct hrtimer timer;
	struct vmbus_mapping *map;
	struct completion done;
	bool in_softirq;
};

static enum hrtimer_restart unmap_timer_fn(struct hrtimer *timer)
{
	struct unmap_timer *u = container_of(timer, struct unmap_timer, timer);

	u->in_softirq = in_serving_softirq() || in_hardirq();
	vmbus_gpa_unmap(u->map);
	complete(&u->done);
	return HRTIMER_NORESTART;
}

static void unmap_in_timer(struct vm *vm, enum hrtimer_mode mode)
{
	struct unmap_timer *u = kunit_kzalloc(vm->test, sizeof(*u), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(vm->test, u);
	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 20);
	KUNIT_ASSERT_EQ(vm->test, gpa_send(vm, 0, &u->map), 0);
	init_completion(&u->done);
	compat_hrtimer_setup(&u->timer, unmap_timer_fn, CLOCK_MONOTONIC, mode);
	hrtimer_start(&u->timer, ms_to_ktime(1), mode);
	KUNIT_EXPECT_NE(vm->test, wait_for_completion_timeout(&u->done, 60 * HZ), 0);
	hrtimer_cancel(&u->timer);
	KUNIT_EXPECT_TRUE(vm->test, u->in_softirq);
	vm_expect_pinned(vm, false);
	vm_check(vm);
}

VM_CASE(in_softirq_of_timer)
{
	unmap_in_timer(vm, HRTIMER_MODE_REL_SOFT);
}

VM_CASE(in_hardirq_of_timer)
{
	unmap_in_timer(vm, HRTIMER_MODE_REL_HARD);
}

/* The last user of a region that is gone, and of its table. */
VM_CASE(last_of_a_region_with_interrupts_off)
{
	struct vmbus_gpa_region gone = { .slot = VM_BIG };
	struct vmbus_mapping *map;

	vm_begin(vm);
	vm_range(vm, VM_BIG_PFN, 20);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	KUNIT_ASSERT_EQ(test, vmbus_partition_set_regions(vm->p, &gone, 1,
							  VMBUS_GPA_REGIONS_RETIRE), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->mem.nr_lingering), 1);
	local_irq_disable();
	vmbus_gpa_unmap(map);
	local_irq_enable();
	flush_workqueue(vm->p->drop_wq);
	flush_workqueue(vm->p->watch_wq);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->mem.nr_lingering), 0);
	vm_check(vm);
}

VM_CASE(twice_is_a_bug)
{
	struct vmbus_mapping *map;

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 1);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	vmbus_gpa_unmap(map);
	pr_info("gpadl-test: expect WARNING\n");
	vmbus_gpa_unmap(map);
	pr_info("gpadl-test: expected WARNING over\n");
	/* Once in a boot */
	vmbus_gpa_unmap(map);
	vm_check(vm);
	gpa_expect_maps(vm, 0);
}

/* ---- Without waiting ---- */

static int gpa_send_nowait(struct vm *vm, u32 flags, struct vmbus_mapping **map)
{
	return vmbus_gpa_map_nowait(vm->c[0].chan, flags, vm->s.words,
				    vm->s.nr * sizeof(u64), vm->s.nr_ranges, map);
}

VM_CASE(nowait_finds_what_is_there)
{
	struct vmbus_mapping *map;

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 5);
	vm_range(vm, VM_HIGH_PFN, 2);
	vm_fill_gpadl(vm);
	KUNIT_ASSERT_EQ(test, gpa_send_nowait(vm, 0, &map), 0);
	vm_expect_sg(vm, vmbus_mapping_sgt(map));
	vmbus_gpa_unmap(map);
	KUNIT_ASSERT_EQ(test, gpa_send_nowait(vm, READ_ONLY, &map), 0);
	vm_expect_sg(vm, vmbus_mapping_sgt(map));
	vmbus_gpa_unmap(map);
	/* The first unmap may have left its pages to that. */
	flush_workqueue(vm->p->late_wq);
	vm_check(vm);
}

/* Not in the page tables: nothing is brought in, and nothing tried again and again. */
VM_CASE(nowait_brings_nothing_in)
{
	struct vmbus_mapping *map;
	int pins;

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 1);
	vm_range(vm, VM_BIG_PFN + 5000, 1);
	vm_fill(vm, VM_LOW_PFN, 1);
	pins = atomic_read(&vm->pins);
	KUNIT_EXPECT_EQ(test, gpa_send_nowait(vm, 0, &map), -EAGAIN);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->pins) - pins, 2);
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), 0);
	vm_check(vm);
	/* A caller that may wait has it brought in; then it is there. */
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	vmbus_gpa_unmap(map);
	KUNIT_ASSERT_EQ(test, gpa_send_nowait(vm, 0, &map), 0);
	vmbus_gpa_unmap(map);
}

static int task_send_nowait(struct vm_task *t)
{
	return gpa_send_nowait(t->vm, t->flags, &t->map);
}

/* Nor is anybody waited for who changes the VMM's address space, and may take his time. */
VM_CASE(nowait_does_not_wait_for_the_address_space)
{
	struct vm_task *t;
	int n;

	vm_begin(vm);
	vm_range(vm, VM_BIG_PFN + 5000, 1);
	mmap_write_lock(vm->mm);
	t = vm_start(vm, task_send_nowait, &vm->c[0], 0, 0);
	for (n = 0; n < 1000 && !vm_is_done(t); n++)
		usleep_range(1000, 2000);
	KUNIT_EXPECT_TRUE(test, vm_is_done(t));
	mmap_write_unlock(vm->mm);
	KUNIT_EXPECT_EQ(test, vm_join(t), -EAGAIN);
	vm_check(vm);
}

VM_CASE(nowait_tells_what_is_wrong)
{
	struct vmbus_mapping *map;

	vm_begin(vm);
	vm_range(vm, VM_HOLE_PFN, 1);
	KUNIT_EXPECT_EQ(test, gpa_send_nowait(vm, 0, &map), -EFAULT);
	vm_begin(vm);
	vm_range(vm, VM_RO_PFN, 1);
	KUNIT_EXPECT_EQ(test, gpa_send_nowait(vm, 0, &map), -EACCES);
	/* Not whether it can ever be had. */
	vm_begin(vm);
	vm_range(vm, VM_NOVMA_PFN, 1);
	KUNIT_EXPECT_EQ(test, gpa_send_nowait(vm, 0, &map), -EAGAIN);
}

/* A resident page that may be another one by now is to be looked at first. */
VM_CASE(nowait_does_not_look_again)
{
	struct vmbus_mapping *map;

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 1);
	vm_fill_gpadl(vm);
	gpadl_watch_mark_all(&vm_region(vm, VM_LOW)->watch);
	KUNIT_EXPECT_EQ(test, gpa_send_nowait(vm, 0, &map), -EAGAIN);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	vm_expect_sg(vm, vmbus_mapping_sgt(map));
	vmbus_gpa_unmap(map);
	KUNIT_ASSERT_EQ(test, gpa_send_nowait(vm, 0, &map), 0);
	vmbus_gpa_unmap(map);
}

/* What the VMM has replaced there is charged, and so is refused where its limit is what it has. */
VM_CASE(replaced_page_is_charged)
{
	unsigned long resident = vm_resident(vm), hva = vm_hva(vm, VM_LOW_PFN + VM_PER_HOST);
	struct vmbus_mapping *map, *more;

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 1);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	vm_limit(vm, resident);
	KUNIT_ASSERT_EQ(test, hva, kunit_vm_mmap(test, NULL, hva, PAGE_SIZE, PROT_READ | PROT_WRITE,
						 MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED, 0));
	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN + VM_PER_HOST, 1);
	KUNIT_EXPECT_EQ(test, gpa_send(vm, 0, &more), -ENOMEM);
	vm_limit(vm, resident + 1);
	KUNIT_EXPECT_EQ(test, gpa_send(vm, 0, &more), 0);
	vmbus_gpa_unmap(more);
	vmbus_gpa_unmap(map);
	vm_unlimit(vm);
	/* What was replaced goes within a second, and is charged until then. */
	flush_delayed_work(&vm->p->mem.stale_work);
}

/* ---- The pool ---- */

VM_CASE(pool_sizes)
{
	struct vmbus_gpadl_channel *chan = vm->c[1].chan;

	KUNIT_EXPECT_EQ(test, vmbus_gpa_pool_create(chan, 0, 4096), -EINVAL);
	KUNIT_EXPECT_EQ(test, vmbus_gpa_pool_create(chan, 1, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, vmbus_gpa_pool_create(chan, 4097, 4096), -EINVAL);
	KUNIT_EXPECT_EQ(test, vmbus_gpa_pool_create(chan, 1, (31 << 20) + 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, vmbus_gpa_pool_create(chan, UINT_MAX, SIZE_MAX), -EINVAL);
	KUNIT_EXPECT_EQ(test, vmbus_gpa_pool_create(chan, 4096, 2 << 20), -EINVAL);
	KUNIT_EXPECT_EQ(test, vmbus_gpa_pool_create(vm->c[0].chan, 1, 1), -EBUSY);
	KUNIT_EXPECT_EQ(test, vmbus_gpa_pool_create(chan, 1, 31 << 20), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->nr_pool_pages),
			GPA_PAGES + 1 + (31 << 20) / 4096);
	vmbus_gpa_pool_destroy(chan);
	vm_flush_frees(vm->p);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->nr_pool_pages), GPA_PAGES);
	/* All requests of which one of each may be over the limit */
	atomic_add(GPADL_POOL_PAGES - GPA_PAGES - 1, &vm->p->nr_pool_pages);
	KUNIT_EXPECT_EQ(test, vmbus_gpa_pool_create(chan, 1, 1), -ENOSPC);
	atomic_sub(GPADL_POOL_PAGES - GPA_PAGES - 1, &vm->p->nr_pool_pages);
}

VM_CASE(pool_without_memory)
{
	struct alloc_fault f = {};
	int ret;

	alloc_fault_need(test);
	while (alloc_fault_next(&f)) {
		alloc_fault_begin(&f);
		ret = vmbus_gpa_pool_create(vm->c[1].chan, 4, 1 << 20);
		alloc_fault_end(&f);
		KUNIT_EXPECT_TRUE(test, !ret || (ret == -ENOMEM && f.injected));
		vmbus_gpa_pool_destroy(vm->c[1].chan);
	}
	KUNIT_EXPECT_GE(test, f.most, 5);
	vm_flush_frees(vm->p);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->nr_pool_pages), GPA_PAGES);
}

VM_CASE(pool_goes_with_its_last_request)
{
	struct vmbus_mapping *map, *more;

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 2);
	vm_fill_gpadl(vm);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	vmbus_gpa_pool_destroy(vm->c[0].chan);
	KUNIT_EXPECT_EQ(test, gpa_send(vm, 0, &more), -ENXIO);
	KUNIT_EXPECT_EQ(test, vmbus_gpa_pool_create(vm->c[0].chan, 1, 1), -EBUSY);
	vm_expect_sg(vm, vmbus_mapping_sgt(map));
	vmbus_gpa_unmap(map);
	KUNIT_EXPECT_EQ(test, vmbus_gpa_pool_create(vm->c[0].chan, 1, 4096), 0);
	gpa_expect_maps(vm, 0);
}

/* A second time there is nothing to destroy, but it is still there. */
VM_CASE(pool_is_destroyed_twice)
{
	struct vmbus_mapping *map;

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 2);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	vmbus_gpa_pool_destroy(vm->c[0].chan);
	vmbus_gpa_pool_destroy(vm->c[0].chan);
	KUNIT_EXPECT_EQ(test, vm->c[0].chan->pool->refs, 1);
	vmbus_gpa_unmap(map);
	KUNIT_EXPECT_NULL(test, vm->c[0].chan->pool);
}

/* As SET_REGIONS does, and the look for what is stuck: nobody's next open may fail by it. */
VM_CASE(pool_is_looked_at)
{
	struct gpa_pool *pool = gpadl_pool_get(vm->c[0].chan);

	vmbus_gpa_pool_destroy(vm->c[0].chan);
	KUNIT_EXPECT_EQ(test, vmbus_gpa_pool_create(vm->c[0].chan, 1, 4096), 0);
	gpadl_pool_unget(pool);
	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 1);
	gpa_expect_maps(vm, 0);
	vm_flush_frees(vm->p);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->nr_pool_pages), 2);
}

static int task_destroy_pool(struct vm_task *t)
{
	vmbus_gpa_pool_destroy(t->c->chan);
	return 0;
}

/* What an unmap has left to a work item may take as long as the VMM likes. */
VM_CASE(pool_is_destroyed_before_late_work)
{
	struct vm_blocker_wq b;
	struct vmbus_mapping *map;
	struct vm_task *t;

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 1);
	vm_fill_gpadl(vm);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	folio_clear_dirty(page_folio(sg_page(map->sgl)));
	gpa_block_wq(&b, vm->p->late_wq);
	KUNIT_EXPECT_TRUE(test, vmbus_gpadl_channel_owes(vm->c[0].chan));
	vmbus_gpa_unmap(map);
	t = vm_start(vm, task_destroy_pool, &vm->c[0], 0, 0);
	/* It is done although that work is not. */
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	/* The backend has done its part: the end of close() finds nothing to complain of. */
	KUNIT_EXPECT_FALSE(test, vmbus_gpadl_channel_owes(vm->c[0].chan));
	KUNIT_EXPECT_EQ(test, vmbus_gpa_pool_create(vm->c[0].chan, 1, 4096), 0);
	KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map), 0);
	KUNIT_EXPECT_TRUE(test, vmbus_gpadl_channel_is_busy(vm->c[0].chan));
	KUNIT_EXPECT_TRUE(test, vmbus_gpadl_channel_owes(vm->c[0].chan));
	vmbus_gpa_unmap(map);
	KUNIT_EXPECT_FALSE(test, vmbus_gpadl_channel_owes(vm->c[0].chan));
	gpa_unblock_wq(&b);
	vm_flush_frees(vm->p);
	KUNIT_EXPECT_FALSE(test, vmbus_gpadl_channel_is_busy(vm->c[0].chan));
	KUNIT_EXPECT_EQ(test, vm->c[0].chan->nr_late_pools, 0);
	vm_expect_pinned(vm, false);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->nr_pool_pages), 2);
}

/*
 * An unmap leaves a request to a work item that has begun, and has not come to its list: that
 * run takes both, and what keeps the pool with them. No other run may be left.
 */
VM_CASE(late_work_has_begun)
{
	struct gpa_pool *pool = vm->c[0].chan->pool;
	struct vmbus_mapping *map[2];
	struct vm_blocker_wq b;
	unsigned int i;

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 1);
	for (i = 0; i < 2; i++)
		KUNIT_ASSERT_EQ(test, gpa_send(vm, 0, &map[i]), 0);
	folio_clear_dirty(page_folio(sg_page(map[0]->sgl)));
	gpa_block_wq(&b, vm->p->late_wq);
	vmbus_gpa_unmap(map[0]);
	/* What a kworker does before it calls the function: from here on this is its run. */
	KUNIT_ASSERT_TRUE(test, cancel_work(&pool->late_work));
	vmbus_gpa_unmap(map[1]);
	KUNIT_EXPECT_EQ(test, pool->nr_late, 2);
	KUNIT_EXPECT_FALSE(test, work_pending(&pool->late_work));
	vmbus_gpa_pool_destroy(vm->c[0].chan);
	pool->late_work.func(&pool->late_work);
	/* The pool has gone, and the queue knows nothing of it. */
	flush_workqueue(gpadl_wq);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->nr_pool_pages), 0);
	gpa_unblock_wq(&b);
	vm_expect_pinned(vm, false);
	vm_check(vm);
}

/* ---- What is stuck ---- */

/* How many requests are stuck, as the log says */
static void stuck_told(void *nr, const char *text, size_t len)
{
	char line[160], *at;

	strscpy(line, text, min(len + 1, sizeof(line)));
	at = strstr(line, "channel ");
	if (at && strstr(at, " requests are still mapped"))
		sscanf(at, "channel %*u: %u", (unsigned int *)nr);
}

static void look_for_stuck(struct vm *vm)
{
	mod_delayed_work(gpadl_wq, &vm->p->stuck_work, 0);
	flush_delayed_work(&vm->p->stuck_work);
}

static void asked_for_long_ago(struct vmbus_mapping *map)
{
	to_gpa_request(map)->since = jiffies - GPADL_STUCK_SECONDS * HZ;
}

/* Not what was asked for just now, nor what nobody has asked for. */
VM_CASE(only_what_does_not_end_is_stuck)
{
	struct vmbus_mapping *first, *second, *third;
	unsigned int nr = 0;

	if (register_trace_console(stuck_told, &nr))
		kunit_skip(test, "no tracepoints");
	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 1);
	KUNIT_EXPECT_EQ(test, gpa_send(vm, 0, &first), 0);
	vmbus_partition_reset_start(vm->p);
	KUNIT_EXPECT_EQ(test, gpa_send(vm, 0, &second), 0);
	vmbus_partition_reset_start(vm->p);
	KUNIT_EXPECT_EQ(test, gpa_send(vm, 0, &third), 0);
	look_for_stuck(vm);
	KUNIT_EXPECT_EQ(test, nr, 0);
	asked_for_long_ago(first);
	look_for_stuck(vm);
	KUNIT_EXPECT_EQ(test, nr, 1);
	asked_for_long_ago(second);
	look_for_stuck(vm);
	KUNIT_EXPECT_EQ(test, nr, 2);
	vmbus_gpa_unmap(first);
	vmbus_gpa_unmap(second);
	vmbus_gpa_unmap(third);
	unregister_trace_console(stuck_told, &nr);
	tracepoint_synchronize_unregister();
	vm_check(vm);
}

static struct kunit_case request_cases[] = {
	KUNIT_CASE(eagain_pool_is_used_up),
	KUNIT_CASE(eagain_pages_in_flight),
	KUNIT_CASE(pins_are_short),
	KUNIT_CASE(allocates_nothing),
	KUNIT_CASE(maps_without_memory),
	KUNIT_CASE(written_pages_are_dirty),
	KUNIT_CASE(pages_cleaned_meanwhile),
	KUNIT_CASE(with_interrupts_off),
	KUNIT_CASE(in_softirq_of_timer),
	KUNIT_CASE(in_hardirq_of_timer),
	KUNIT_CASE(last_of_a_region_with_interrupts_off),
	KUNIT_CASE(twice_is_a_bug),
	KUNIT_CASE(nowait_finds_what_is_there),
	KUNIT_CASE(nowait_brings_nothing_in),
	KUNIT_CASE(nowait_does_not_wait_for_the_address_space),
	KUNIT_CASE(nowait_tells_what_is_wrong),
	KUNIT_CASE(pool_sizes),
	KUNIT_CASE(pool_without_memory),
	KUNIT_CASE(pool_goes_with_its_last_request),
	KUNIT_CASE(pool_is_destroyed_twice),
	KUNIT_CASE(pool_is_looked_at),
	KUNIT_CASE(pool_is_destroyed_before_late_work),
	KUNIT_CASE(late_work_has_begun),
	KUNIT_CASE(only_what_does_not_end_is_stuck),
	{}
};

static struct kunit_case request_resident_cases[] = {
	KUNIT_CASE(allocates_nothing),
	KUNIT_CASE(with_interrupts_off),
	KUNIT_CASE(in_softirq_of_timer),
	KUNIT_CASE(last_of_a_region_with_interrupts_off),
	KUNIT_CASE(nowait_finds_what_is_there),
	KUNIT_CASE(resident_pages_do_not_count),
	KUNIT_CASE(replaced_page_is_charged),
	KUNIT_CASE(nowait_does_not_look_again),
	{}
};

struct kunit_suite request_suite = {
	.name = "vmbus_gpadl_request",
	.init = gpa_init,
	.exit = vm_exit,
	.test_cases = request_cases,
};

struct kunit_suite request_resident_suite = {
	.name = "vmbus_gpadl_request_resident",
	.init = gpa_init_resident,
	.exit = vm_exit,
	.test_cases = request_resident_cases,
};
