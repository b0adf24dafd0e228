// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_lifetime: what goes while somebody reads or uses it.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/string.h>

#include "gpa.h"
#include "suites.h"
#include "vm.h"

#define PAGES	3

/* ---- Looked at by somebody ---- */

static int task_map_late(struct vm_task *t)
{
	vm_linger(t->vm);
	return vm_task_map(t);
}

static int task_unmap_late(struct vm_task *t)
{
	vm_linger(t->vm);
	return vm_task_unmap(t);
}

static int task_tear_down_late(struct vm_task *t)
{
	int ret;

	vm_linger(t->vm);
	ret = vm_teardown(t->vm, t->c, t->handle);
	vm_expect_torndown(t->vm, t->handle);
	return ret;
}

static int task_remove_low_late(struct vm_task *t)
{
	vm_linger(t->vm);
	return vm_remove_region(t->vm, VM_LOW);
}

/* A thread that is about to do @fn, at vm_stall_end(&vm->linger). */
static struct vm_task *start_late(struct vm *vm, int (*fn)(struct vm_task *t))
{
	struct vm_task *t;

	vm_stall_arm(&vm->linger, 1);
	t = vm_start(vm, fn, &vm->c[0], 0, VM_HANDLE);
	vm_stall_wait(vm, &vm->linger);
	return t;
}

/* The state holds still under the lock: a thread that would change it waits. */
VM_CASE(state_changes_under_the_lock)
{
	static int (*const fns[])(struct vm_task *t) = {
		task_map_late, task_unmap_late, task_tear_down_late,
	};
	int i, before, after;

	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, PAGES);
	for (i = 0; i < ARRAY_SIZE(fns); i++) {
		struct vm_task *t = start_late(vm, fns[i]);
		struct gpadl *g = vm_gpadl(&vm->c[0], VM_HANDLE);

		spin_lock(&g->lock);
		before = g->state;
		vm_stall_end(&vm->linger);
		/* It would have done so by now. */
		mdelay(20);
		after = READ_ONCE(g->state);
		spin_unlock(&g->lock);
		KUNIT_EXPECT_EQ(test, after, before);
		KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	}
}

/* Lets other threads run on the processor of a reader, who may not sleep, but may be preempted. */
static void let_preempt(void)
{
#ifdef CONFIG_PREEMPT_RCU
	preempt_schedule();
#else
	cpu_relax();
#endif
}

/* Lets a thread go on, and come to its end, while the caller reads. */
static void let_end(struct vm *vm, struct vm_task *t)
{
	unsigned long end = jiffies + 10 * HZ;

	RCU_LOCKDEP_WARN(!rcu_read_lock_held(), "nobody reads");
	vm_stall_end(&vm->linger);
	while (!vm_is_done(t) && time_before(jiffies, end))
		let_preempt();
}

static void need_room_beside_a_reader(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_PREEMPT_RCU) && num_online_cpus() == 1)
		kunit_skip(test, "nobody runs beside a reader on this kernel's only processor");
}

/* For KASAN: that is there which a reader has found, for as long as it reads. */
VM_CASE(gpadl_goes_after_its_readers)
{
	struct vm_task *t;
	struct gpadl *g;
	int refs;

	need_room_beside_a_reader(test);
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, PAGES);
	t = start_late(vm, task_tear_down_late);
	rcu_read_lock();
	g = vm_gpadl(&vm->c[0], VM_HANDLE);
	let_end(vm, t);
	refs = refcount_read(&g->ref);
	rcu_read_unlock();
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	KUNIT_EXPECT_EQ(test, refs, 0);
}

VM_CASE(region_table_goes_after_its_readers)
{
	struct gpadl_region_table *table;
	struct vm_task *t;
	int refs;

	need_room_beside_a_reader(test);
	t = start_late(vm, task_remove_low_late);
	rcu_read_lock();
	table = rcu_dereference(vm->p->mem.table);
	let_end(vm, t);
	refs = refcount_read(&table->ref);
	rcu_read_unlock();
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	KUNIT_EXPECT_EQ(test, refs, 0);
}

/* ---- The VMM goes ---- */

enum when { ASSEMBLING, READY, MAPPING, MAPPED, UNMAPPING, UNPINNED, LEAVING };

struct leave {
	const char *name;
	enum when when;
	bool partition_first;
};

static const struct leave leaves[] = {
	{ "channel first, assembling", ASSEMBLING, false },
	{ "channel first, ready", READY, false },
	{ "channel first, mapping", MAPPING, false },
	{ "channel first, mapped", MAPPED, false },
	{ "channel first, unmapping", UNMAPPING, false },
	{ "channel first, unpinned", UNPINNED, false },
	{ "channel first, teardown begun", LEAVING, false },
	{ "partition first, assembling", ASSEMBLING, true },
	{ "partition first, ready", READY, true },
	{ "partition first, mapping", MAPPING, true },
	{ "partition first, mapped", MAPPED, true },
	{ "partition first, unmapping", UNMAPPING, true },
	{ "partition first, unpinned", UNPINNED, true },
	{ "partition first, teardown begun", LEAVING, true },
};

static void leave_desc(const struct leave *l, char *desc)
{
	strscpy(desc, l->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(leave, leaves, leave_desc);

static struct vm_stall *stall_at(struct vm *vm, enum when when)
{
	return when == MAPPING ? &vm->in_pin :
	       when == UNMAPPING ? &vm->in_unmap :
	       when == UNPINNED ? &vm->after_unmap : NULL;
}

/* Bring a GPADL there. Returns the thread that is held up, if any. */
static struct vm_task *bring_to(struct vm *vm, struct vm_channel *c, enum when when)
{
	struct vm_stall *stall = stall_at(vm, when);
	struct vm_task *t = NULL;
	struct guest_msg m;

	vm_valid_header(vm, &m, c, VM_HANDLE);
	vm_fill_gpadl(vm);
	if (when == ASSEMBLING)
		m.len = GUEST_HEADER_DATA;
	KUNIT_EXPECT_EQ(vm->test, vm_post(vm, &m), 0);
	if (when > MAPPING)
		KUNIT_EXPECT_EQ(vm->test, vm_map(c, 0, VM_HANDLE, NULL), 0);
	if (when == LEAVING)
		KUNIT_EXPECT_EQ(vm->test, vm_teardown(vm, c, VM_HANDLE), 0);
	if (stall) {
		vm_stall_arm(stall, 1);
		t = vm_start(vm, when == MAPPING ? vm_task_map : vm_task_unmap, c, 0,
			     VM_HANDLE);
		vm_stall_wait(vm, stall);
	}
	return t;
}

/*
 * All that the VMM has goes, and no put waits: if one did, this case would not end. What
 * is busy stays until it is given back; then the last release() comes. Replies are unread.
 */
VM_CASE(put_in_every_state)
{
	const struct leave *l = test->param_value;
	struct vmbus_gpadl_channel *chan = vm->c[0].chan;
	struct vmbus_partition *p = vm->p;
	bool mapped = l->when == MAPPED || l->when == LEAVING;
	struct vm_task *t = bring_to(vm, &vm->c[0], l->when);

	if (l->partition_first)
		vm_put_partition(vm);
	vm_put_channel(&vm->c[0]);
	vm_put_channel(&vm->c[1]);
	if (!l->partition_first)
		vm_put_partition(vm);

	if (t || mapped) {
		vm_flush_frees(p);
		KUNIT_EXPECT_EQ(test, atomic_read(&vm->releases), 0);
		KUNIT_EXPECT_EQ(test, atomic_read(&vm->c[0].releases), 0);
	}
	if (mapped) {
		gpadl_worker_flush(&chan->worker);
		KUNIT_EXPECT_EQ(test, atomic_read(&vm->c[0].revokes), 1);
		KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), 2);
		vmbus_gpadl_unmap(vm_mapping(chan, VM_HANDLE));
	}
	if (t) {
		vm_stall_end(stall_at(vm, l->when));
		KUNIT_EXPECT_EQ(test, vm_join(t), l->when == MAPPING ? -ESHUTDOWN : 0);
		KUNIT_EXPECT_EQ(test, atomic_read(&vm->c[0].revokes), 0);
	}
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), 0);
}

/* The channels' own end may be long in coming. */
VM_CASE(gpadls_go_with_partition)
{
	struct vmbus_partition *p = vm->p;

	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 2);
	vm_put_partition(vm);
	KUNIT_EXPECT_EQ(test, atomic_read(&p->nr_gpadls), 0);
	KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), -ENOENT);
}

VM_CASE(channel_after_partition)
{
	struct vmbus_partition *p = vm->p;
	static const struct vmbus_gpadl_channel_ops ops;

	/* The channels hold it. */
	vm_put_partition(vm);
	KUNIT_EXPECT_EQ(test, -ENODEV,
			PTR_ERR_OR_ZERO(vmbus_gpadl_channel_create(p, 99, &ops, NULL)));
}

/* ---- What is queued when a channel is put ---- */

#define QUEUED	4

/* Work that says how often release() had come when it ran */
struct late_item {
	struct vmbus_gpadl_work work;
	struct vm_channel *c;
	int releases;
	unsigned int runs;
};

static void late_item_run(struct vmbus_gpadl_work *work)
{
	struct late_item *item = container_of(work, struct late_item, work);

	item->releases = atomic_read(&item->c->releases);
	item->runs++;
}

/* All of it runs, and release() comes after the last, however long the first takes. */
VM_CASE(release_comes_last)
{
	struct vmbus_partition *p = vm->p;
	struct vm_channel *c = &vm->c[0];
	struct late_item items[QUEUED] = {};
	struct vm_blocker b;
	unsigned int i;

	vm_block(&b, c);
	for (i = 0; i < QUEUED; i++) {
		items[i].c = c;
		vmbus_gpadl_work_init(&items[i].work, late_item_run);
		vmbus_gpadl_channel_queue_work(c->chan, &items[i].work);
	}
	vm_put_channel(c);
	vm_flush_frees(p);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->releases), 0);
	vm_unblock(&b);
	vm_put_channel(&vm->c[1]);
	vm_put_partition(vm);
	KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&vm->released, VM_TIMEOUT), 0);
	/* For vm_destroy() */
	complete(&vm->released);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->releases), 1);
	for (i = 0; i < QUEUED; i++) {
		KUNIT_EXPECT_EQ(test, items[i].runs, 1);
		KUNIT_EXPECT_EQ(test, items[i].releases, 0);
	}
}

/* ---- Two partitions ---- */

static struct workqueue_struct *drop_wq_of(struct vmbus_partition *p)
{
	return p->drop_wq;
}

static struct workqueue_struct *watch_wq_of(struct vmbus_partition *p)
{
	return p->watch_wq;
}

static struct workqueue_struct *free_wq_of(struct vmbus_partition *p)
{
	return p->free_wq;
}

struct hold_up {
	const char *name;
	struct workqueue_struct *(*wq)(struct vmbus_partition *p);
};

/* Where what is done for a partition may wait for its VMM */
static const struct hold_up hold_ups[] = {
	{ "regions that go", drop_wq_of },
	{ "changes of memory", watch_wq_of },
	{ "a worker that is stopped", free_wq_of },
};

static void hold_up_desc(const struct hold_up *h, char *desc)
{
	strscpy(desc, h->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(hold_up, hold_ups, hold_up_desc);

/* A VMM that is waited for holds up its own partition, and no other one. */
VM_CASE(goes_beside_one_that_waits)
{
	const struct hold_up *h = test->param_value;
	struct vm *other;
	struct vm_blocker_wq b;

	other = vm_create(test, VMBUS_GPA_REGION_RESIDENT);
	KUNIT_ASSERT_NOT_NULL(test, other);
	gpa_block_wq(&b, h->wq(vm->p));
	vm_put_channel(&vm->c[0]);
	vm_put_channel(&vm->c[1]);
	vm_put_partition(vm);
	/* It waits until all is gone. */
	vm_destroy(other);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->releases), 0);
	gpa_unblock_wq(&b);
}

static int task_create_channel(struct vm_task *t)
{
	static const struct vmbus_gpadl_channel_ops ops;

	return PTR_ERR_OR_ZERO(vmbus_gpadl_channel_create(t->vm->p, VM_RELID(VM_CHANNELS), &ops,
							  NULL));
}

/* Its worker would be that one's thread. */
VM_CASE(channel_by_another_process)
{
	KUNIT_EXPECT_EQ(test, -EIO, vm_join(vm_start(vm, task_create_channel, NULL, 0, 0)));
}

static struct kunit_case lifetime_cases[] = {
	KUNIT_CASE(state_changes_under_the_lock),
	KUNIT_CASE(gpadl_goes_after_its_readers),
	KUNIT_CASE(region_table_goes_after_its_readers),
	KUNIT_CASE_PARAM(put_in_every_state, leave_gen_params),
	KUNIT_CASE(gpadls_go_with_partition),
	KUNIT_CASE(channel_after_partition),
	KUNIT_CASE(channel_by_another_process),
	KUNIT_CASE(release_comes_last),
	KUNIT_CASE_PARAM(goes_beside_one_that_waits, hold_up_gen_params),
	{}
};

struct kunit_suite lifetime_suite = {
	.name = "vmbus_gpadl_lifetime",
	.init = vm_init,
	.exit = vm_exit,
	.test_cases = lifetime_cases,
};
