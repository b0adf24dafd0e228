// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_race: several threads at once, and what goes while it is in use.
 *
 * The first cases make a certain thing happen at a certain time. The others let threads
 * run against each other, many times.
 */
#include <kunit/static_stub.h>
#include <linux/delay.h>
#include <linux/mutex.h>
#include <linux/sched.h>

#include "gpadl/reply.h"
#include "suites.h"
#include "vm.h"

#define PAGES	3

/* ---- At a certain time ---- */

static void unmap_in_revoke(struct vm_channel *c, struct vmbus_mapping *map)
{
	KUNIT_EXPECT_PTR_EQ(c->vm->test, vmbus_mapping_priv(map), c);
	vmbus_gpadl_unmap(map);
}

/*
 * What happens while wake() is called: the reply can be read, and the lock of the GPADL
 * that it is about is held.
 */
static struct {
	struct task_struct *task;	/* who reads it, and acts */
	bool acts;			/* it has, and will now */
	bool late;			/* somebody went on too early */
} at_wake;

/* Let the other thread come to the lock before it is dropped. */
static void wake_and_let_act(struct vm *vm)
{
	unsigned long end = jiffies + HZ;

	if (current == READ_ONCE(at_wake.task))
		return;
	while (!READ_ONCE(at_wake.acts) && time_before(jiffies, end))
		cpu_relax();
	udelay(9);
}

static int task_map_when_created(struct vm_task *t)
{
	u8 reply[VMBUS_GPADL_MAX_REPLY];

	WRITE_ONCE(at_wake.task, current);
	while (vmbus_partition_next_reply(t->vm->p, reply, sizeof(reply)) < 0)
		cond_resched();
	WRITE_ONCE(at_wake.acts, true);
	return vm_task_map(t);
}

/*
 * When the guest can know that its GPADL is there, it can be mapped. Whoever comes to a
 * lock is not sure to be the next to have it: hence often.
 */
static void map_as_soon_as_created(struct kunit *test)
{
	struct vm *vm = test->priv;
	struct vm_channel *c = &vm->c[0];
	struct vm_task *t;
	int i;

	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, PAGES);
	for (i = 0; i < 100; i++) {
		memset(&at_wake, 0, sizeof(at_wake));
		t = vm_start(vm, task_map_when_created, c, 0, VM_HANDLE);
		while (!READ_ONCE(at_wake.task))
			cond_resched();
		vm->on_wake = wake_and_let_act;
		KUNIT_EXPECT_EQ(test, vm_send(vm, c, VM_HANDLE), 0);
		vm->on_wake = NULL;
		KUNIT_ASSERT_EQ(test, vm_join(t), 0);
		vm_unmap(c, VM_HANDLE);
		KUNIT_EXPECT_EQ(test, vm_teardown(vm, c, VM_HANDLE), 0);
		vm_expect_torndown(vm, VM_HANDLE);
		vm_forget_tasks(vm);
	}
}

/*
 * Those who wait for it would go on by now if they could. The first wake() is that of
 * TORNDOWN; another comes when they can.
 */
static void wake_and_look(struct vm *vm)
{
	vm->on_wake = NULL;
	mdelay(20);
	at_wake.late = READ_ONCE(at_wake.acts);
}

static int task_rescind_and_act(struct vm_task *t)
{
	int ret = vm_task_rescind(t);

	WRITE_ONCE(at_wake.acts, true);
	return ret;
}

/* When nothing is mapped any more, the guest can have been told so. */
static void rescind_ends_after_torndown(struct kunit *test)
{
	struct vm *vm = test->priv;
	struct vm_channel *c = &vm->c[0];
	struct vm_task *t;

	memset(&at_wake, 0, sizeof(at_wake));
	vm_establish(vm, c, VM_HANDLE, VM_LOW_PFN, PAGES);
	KUNIT_ASSERT_EQ(test, vm_map(c, 0, VM_HANDLE, NULL), 0);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, c, VM_HANDLE), 0);
	t = vm_start(vm, task_rescind_and_act, c, 0, 0);
	vm_wait_asleep(t);
	vm->on_wake = wake_and_look;
	vm_unmap(c, VM_HANDLE);
	vm->on_wake = NULL;
	KUNIT_EXPECT_FALSE(test, at_wake.late);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	vm_expect_torndown(vm, VM_HANDLE);
}

/* What the backend was never given is never asked back. */
static void teardown_while_mapping(struct kunit *test)
{
	struct vm *vm = test->priv;
	struct vm_channel *c = &vm->c[0];
	struct vm_task *t;

	vm_establish(vm, c, VM_HANDLE, VM_LOW_PFN, PAGES);
	vm_stall_arm(&vm->in_pin, 1);
	t = vm_start(vm, vm_task_map, c, 0, VM_HANDLE);
	vm_stall_wait(vm, &vm->in_pin);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, c, VM_HANDLE), 0);
	vm_expect_silence(vm);
	KUNIT_EXPECT_EQ(test, vm_map(c, 0, VM_HANDLE, NULL), -ESHUTDOWN);
	vm_stall_end(&vm->in_pin);
	KUNIT_EXPECT_EQ(test, vm_join(t), -ESHUTDOWN);
	vm_expect_torndown(vm, VM_HANDLE);
	vm_flush_revokes(c);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->revokes), 0);
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), 0);
}

/* Two threads map one GPADL: one gets it. */
static void map_while_mapping(struct kunit *test)
{
	struct vm *vm = test->priv;
	struct vm_channel *c = &vm->c[0];
	struct vm_task *t;

	vm_establish(vm, c, VM_HANDLE, VM_LOW_PFN, PAGES);
	vm_stall_arm(&vm->in_pin, 1);
	t = vm_start(vm, vm_task_map, c, 0, VM_HANDLE);
	vm_stall_wait(vm, &vm->in_pin);
	KUNIT_EXPECT_EQ(test, vm_map(c, 0, VM_HANDLE, NULL), -EBUSY);
	vm_stall_end(&vm->in_pin);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	vm_unmap(c, VM_HANDLE);
}

/* Not when the unmap begins, and not as long as a page is pinned. */
static void torndown_after_the_last_unpin(struct kunit *test)
{
	struct vm *vm = test->priv;
	struct vm_channel *c = &vm->c[0];
	struct vm_task *t;

	vm_establish(vm, c, VM_HANDLE, VM_LOW_PFN, PAGES);
	KUNIT_ASSERT_EQ(test, vm_map(c, 0, VM_HANDLE, NULL), 0);
	vm_stall_arm(&vm->in_unmap, 1);
	vm_stall_arm(&vm->after_unmap, 1);
	t = vm_start(vm, vm_task_unmap, c, 0, VM_HANDLE);
	vm_stall_wait(vm, &vm->in_unmap);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, c, VM_HANDLE), 0);
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), PAGES);
	vm_expect_silence(vm);
	vm_stall_end(&vm->in_unmap);
	vm_stall_wait(vm, &vm->after_unmap);
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), 0);
	vm_expect_silence(vm);
	vm_stall_end(&vm->after_unmap);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	vm_expect_torndown(vm, VM_HANDLE);
	vm_expect_silence(vm);
	/* It is on its way back anyhow. */
	vm_flush_revokes(c);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->revokes), 0);
}

/* It was mapped when it was asked for, but is not any more when the backend is told. */
static void unmap_before_revoke(struct kunit *test)
{
	struct vm *vm = test->priv;
	struct vm_channel *c = &vm->c[0];
	struct vm_blocker b;
	struct vm_task *t;

	vm_establish(vm, c, VM_HANDLE, VM_LOW_PFN, PAGES);
	KUNIT_ASSERT_EQ(test, vm_map(c, 0, VM_HANDLE, NULL), 0);
	vm_block(&b, c);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, c, VM_HANDLE), 0);
	vm_stall_arm(&vm->in_unmap, 1);
	t = vm_start(vm, vm_task_unmap, c, 0, VM_HANDLE);
	vm_stall_wait(vm, &vm->in_unmap);
	vm_unblock(&b);
	vm_flush_revokes(c);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->revokes), 0);
	vm_stall_end(&vm->in_unmap);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	vm_expect_torndown(vm, VM_HANDLE);
}

/* A backend that keeps what it was asked for is not asked for it with the next. */
static void revokes_of_two(struct kunit *test)
{
	struct vm *vm = test->priv;
	struct vm_channel *c = &vm->c[0];
	int i;

	for (i = 0; i < 2; i++) {
		vm_establish(vm, c, VM_HANDLE + i, VM_LOW_PFN, PAGES);
		KUNIT_ASSERT_EQ(test, vm_map(c, 0, VM_HANDLE + i, NULL), 0);
	}
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, vm_teardown(vm, c, VM_HANDLE + i), 0);
		vm_flush_revokes(c);
		KUNIT_EXPECT_EQ(test, atomic_read(&c->revokes), i + 1);
		KUNIT_EXPECT_EQ(test, c->revoked, VM_HANDLE + i);
	}
	for (i = 0; i < 2; i++) {
		vm_unmap(c, VM_HANDLE + i);
		vm_expect_torndown(vm, VM_HANDLE + i);
	}
}

/* What the unmap that ends a GPADL and the reset wait for each other with. */
static atomic_t dying, resetting;

/* A GPADL is out of the table, and its TORNDOWN is not in the queue yet. */
static void post_late(struct gpadl_reply_queue *q, struct gpadl_reply *r)
{
	struct kunit *test = current->kunit_test;
	unsigned int ms;

	atomic_set(&dying, 1);
	for (ms = 0; ms < 10000 && !atomic_read(&resetting); ms++)
		mdelay(1);
	/* It goes on, as far as it comes. */
	mdelay(100);
	current->kunit_test = NULL;
	gpadl_reply_post(q, r);
	current->kunit_test = test;
}

/* No reply comes after a reset, not even of a GPADL that the reset did not find. */
static void reset_while_dying(struct kunit *test)
{
	struct vm *vm = test->priv;
	struct vm_channel *c = &vm->c[0];
	struct vm_task *t;

	vm_establish(vm, c, VM_HANDLE, VM_LOW_PFN, PAGES);
	KUNIT_ASSERT_EQ(test, vm_map(c, 0, VM_HANDLE, NULL), 0);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, c, VM_HANDLE), 0);
	vm_flush_revokes(c);

	atomic_set(&dying, 0);
	atomic_set(&resetting, 0);
	kunit_activate_static_stub(test, gpadl_reply_post, post_late);
	t = vm_start(vm, vm_task_unmap, c, 0, VM_HANDLE);
	while (!atomic_read(&dying))
		usleep_range(100, 1000);
	atomic_set(&resetting, 1);
	KUNIT_EXPECT_EQ(test, vmbus_partition_reset(vm->p), 0);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	kunit_deactivate_static_stub(test, gpadl_reply_post);
	vm_expect_silence(vm);
}

/* A GPADL dies, as far as it comes, while somebody else changes the list of its handle. */
static void let_die_under_lock(struct vm *vm, struct gpadl *g)
{
	unsigned long end = jiffies + 10 * HZ;

	xa_lock(&vm->p->handles);
	vm_stall_end(&vm->after_unmap);
	while (READ_ONCE(g->state) != GPADL_DEAD && time_before(jiffies, end))
		cpu_relax();
	KUNIT_EXPECT_EQ(vm->test, READ_ONCE(g->state), GPADL_DEAD);
	mdelay(1);
	__xa_store(&vm->p->handles, VM_HANDLE, g, GFP_NOWAIT);
	g->prev_same = NULL;
	xa_unlock(&vm->p->handles);
}

/* Who leaves the list of a handle looks at it when nobody else can change it. */
static void unlink_while_list_changes(struct kunit *test)
{
	struct vm *vm = test->priv;
	struct gpadl *first, *second;
	struct vm_task *t;
	int i;

	for (i = 0; i < VM_CHANNELS; i++)
		vm_establish(vm, &vm->c[i], VM_HANDLE, VM_LOW_PFN, PAGES);
	first = vm_gpadl(&vm->c[0], VM_HANDLE);
	second = vm_gpadl(&vm->c[1], VM_HANDLE);
	KUNIT_ASSERT_PTR_EQ(test, xa_load(&vm->p->handles, VM_HANDLE), first);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[1], 0, VM_HANDLE, NULL), 0);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, &vm->c[1], VM_HANDLE), 0);

	vm_stall_arm(&vm->after_unmap, 1);
	t = vm_start(vm, vm_task_unmap, &vm->c[1], 0, VM_HANDLE);
	vm_stall_wait(vm, &vm->after_unmap);
	/* As the first does when it leaves: it still points to the second. */
	let_die_under_lock(vm, second);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	KUNIT_EXPECT_NULL(test, xa_load(&vm->p->handles, VM_HANDLE));
	vm_expect_torndown(vm, VM_HANDLE);

	first->next_same = NULL;
	KUNIT_EXPECT_EQ(test, 0, xa_err(xa_store(&vm->p->handles, VM_HANDLE, first,
						 GFP_KERNEL)));
}

/* A slow map holds nothing that other GPADLs, or the guest's messages, need. */
static void others_while_mapping(struct kunit *test)
{
	struct vm *vm = test->priv;
	struct vm_task *t;
	int i;

	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, PAGES);
	vm_stall_arm(&vm->in_pin, 1);
	t = vm_start(vm, vm_task_map, &vm->c[0], 0, VM_HANDLE);
	vm_stall_wait(vm, &vm->in_pin);
	for (i = 0; i < VM_CHANNELS; i++) {
		vm_establish(vm, &vm->c[i], VM_HANDLE + 1, VM_LOW_PFN, PAGES);
		KUNIT_EXPECT_EQ(test, vm_map(&vm->c[i], 0, VM_HANDLE + 1, NULL), 0);
		vm_unmap(&vm->c[i], VM_HANDLE + 1);
		KUNIT_EXPECT_EQ(test, vm_teardown(vm, &vm->c[i], VM_HANDLE + 1), 0);
		vm_expect_torndown(vm, VM_HANDLE + 1);
	}
	KUNIT_EXPECT_EQ(test, vmbus_gpadl_channel_rescind(vm->c[1].chan), 0);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_HIGH), 0);
	vm_stall_end(&vm->in_pin);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

/* Rescind and reset come back by themselves if the backend does as it is told. */
static void waits_end_when_backend_obeys(struct kunit *test)
{
	struct vm *vm = test->priv;
	u32 handle;
	int i;

	for (i = 0; i < VM_CHANNELS; i++) {
		vm->c[i].on_revoke = unmap_in_revoke;
		for (handle = 0; handle < 20; handle++) {
			vm_establish(vm, &vm->c[i], handle, VM_LOW_PFN + handle, PAGES);
			KUNIT_EXPECT_EQ(test, vm_map(&vm->c[i], 0, handle, NULL), 0);
		}
	}
	KUNIT_EXPECT_EQ(test, vmbus_gpadl_channel_rescind(vm->c[0].chan), 0);
	/* The last unmap may still have to return. */
	vm_flush_revokes(&vm->c[0]);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->c[0].revokes), 20);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->c[1].revokes), 0);
	vm_check(vm);
	KUNIT_EXPECT_EQ(test, vmbus_partition_reset(vm->p), 0);
	vm_flush_revokes(&vm->c[1]);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->c[1].revokes), 20);
	KUNIT_EXPECT_TRUE(test, xa_empty(&vm->p->handles));
	vm_check(vm);
}

/*
 * A reset does not wait for what the guest makes after it: there would always be something
 * that is wanted back.
 */
static void reset_waits_for_what_it_found(struct kunit *test)
{
	struct vm *vm = test->priv;
	struct vm_task *t, *again;
	int i;

	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, PAGES);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	t = vm_start(vm, vm_task_reset, NULL, 0, 0);
	vm_wait_asleep(t);
	/* A second one finds the same. */
	again = vm_start(vm, vm_task_reset, NULL, 0, 0);
	vm_wait_asleep(again);

	for (i = 0; i < VM_CHANNELS; i++) {
		vm_establish(vm, &vm->c[i], VM_HANDLE + 1, VM_LOW_PFN, PAGES);
		KUNIT_ASSERT_EQ(test, vm_map(&vm->c[i], 0, VM_HANDLE + 1, NULL), 0);
	}
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, &vm->c[0], VM_HANDLE + 1), 0);
	vmbus_gpadl_channel_relid_released(vm->c[1].chan);
	KUNIT_EXPECT_FALSE(test, vm_is_done(t));
	vm_unmap(&vm->c[0], VM_HANDLE);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	KUNIT_EXPECT_EQ(test, vm_join(again), 0);
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), PAGES);
	for (i = 0; i < VM_CHANNELS; i++)
		vm_unmap(&vm->c[i], VM_HANDLE + 1);
	vm_expect_torndown(vm, VM_HANDLE + 1);
	vm_expect_silence(vm);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->nr_resetting), 0);
}

/* A channel that its layer has put has a GPADL mapped all the same. */
static void reset_waits_for_channel_put(struct kunit *test)
{
	struct vm *vm = test->priv;
	struct vmbus_gpadl_channel *chan = vm->c[1].chan;
	struct vm_task *t;

	vm_establish(vm, &vm->c[1], VM_HANDLE, VM_LOW_PFN, PAGES);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[1], 0, VM_HANDLE, NULL), 0);
	vm_put_channel(&vm->c[1]);
	t = vm_start(vm, vm_task_reset, NULL, 0, 0);
	vm_wait_asleep(t);
	KUNIT_EXPECT_FALSE(test, vm_is_done(t));
	vmbus_gpadl_unmap(vm_mapping(chan, VM_HANDLE));
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->nr_resetting), 0);
}

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

/* Whoever has its lock knows its state: a thread that would change it waits. */
static void state_changes_under_the_lock(struct kunit *test)
{
	static int (*const fns[])(struct vm_task *t) = {
		task_map_late, task_unmap_late, task_tear_down_late,
	};
	struct vm *vm = test->priv;
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

/* Lets a thread go on, and come to its end, while the caller reads. */
static void let_end(struct vm *vm, struct vm_task *t)
{
	unsigned long end = jiffies + 10 * HZ;

	RCU_LOCKDEP_WARN(!rcu_read_lock_held(), "nobody reads");
	vm_stall_end(&vm->linger);
	while (!vm_is_done(t) && time_before(jiffies, end))
		cpu_relax();
}

/* For KASAN: that is there which a reader has found, for as long as it reads. */
static void gpadl_goes_after_its_readers(struct kunit *test)
{
	struct vm *vm = test->priv;
	struct vm_task *t;
	struct gpadl *g;
	int refs;

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

static void region_table_goes_after_its_readers(struct kunit *test)
{
	struct vm *vm = test->priv;
	struct gpadl_region_table *table;
	struct vm_task *t;
	int refs;

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
static void put_in_every_state(struct kunit *test)
{
	const struct leave *l = test->param_value;
	struct vm *vm = test->priv;
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
static void gpadls_go_with_partition(struct kunit *test)
{
	struct vm *vm = test->priv;
	struct vmbus_partition *p = vm->p;

	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 2);
	vm_put_partition(vm);
	KUNIT_EXPECT_EQ(test, atomic_read(&p->nr_gpadls), 0);
	KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), -ENOENT);
}

static void channel_after_partition(struct kunit *test)
{
	struct vm *vm = test->priv;
	struct vmbus_partition *p = vm->p;
	static const struct vmbus_gpadl_channel_ops ops;

	/* The channels hold it. */
	vm_put_partition(vm);
	KUNIT_EXPECT_EQ(test, -ENODEV,
			PTR_ERR_OR_ZERO(vmbus_gpadl_channel_create(p, 99, &ops, NULL)));
}

/* ---- Against each other ---- */

/* What has been read of the replies about a handle. */
struct tally {
	int created;
	int torndown;
};

/* Few: they are to meet. */
#define HANDLES		4

/**
 * struct arena - threads that run against each other
 * @vm: the guest
 * @lock: serialises readers of the replies
 * @tally: of handle i
 * @backends: those that have not finished
 * @maps: maps that succeeded
 * @refused: maps that did not
 * @late: of these, because of a teardown
 */
struct arena {
	struct vm *vm;
	struct mutex lock; /* see above */
	struct tally tally[HANDLES];
	atomic_t backends;
	atomic_t maps;
	atomic_t refused;
	atomic_t late;
};

/* Read what there is. CREATED and TORNDOWN of a handle come in turn. */
static void arena_read(struct arena *a)
{
	struct kunit *test = a->vm->test;
	u8 reply[VMBUS_GPADL_MAX_REPLY];
	int len;

	guard(mutex)(&a->lock);
	for (;;) {
		struct tally *tally;

		len = vmbus_partition_next_reply(a->vm->p, reply, sizeof(reply));
		if (len < 0)
			return;
		if (len == GPADL_WIRE_CREATED_LEN) {
			tally = &a->tally[guest_get(reply + 12, 4) % HANDLES];
			KUNIT_EXPECT_EQ(test, guest_get(reply + 16, 4), 0);
			KUNIT_EXPECT_EQ(test, ++tally->created, tally->torndown + 1);
		} else {
			tally = &a->tally[guest_get(reply + 8, 4) % HANDLES];
			KUNIT_EXPECT_EQ(test, tally->created, ++tally->torndown);
		}
	}
}

static int arena_torndown(struct arena *a, u32 handle)
{
	arena_read(a);
	return READ_ONCE(a->tally[handle].torndown);
}

/* Each handle belongs to the guest and the backend of one channel. */
static u32 arena_handle(struct vm_task *t, u64 *seed)
{
	u32 i = t->c - t->vm->c;

	return guest_random(seed) % (HANDLES / VM_CHANNELS) * VM_CHANNELS + i;
}

/* Make a GPADL, let the backend at it, tear it down, wait, and again, as Linux does. */
static int task_guest(struct vm_task *t)
{
	struct arena *a = t->arg;
	struct vm *vm = t->vm;
	u64 words[PAGES + 1], seed = t->c->relid;
	int lives = 0;

	while (atomic_read(&a->backends)) {
		struct guest_stream s = { .words = words };
		u32 handle = arena_handle(t, &seed);
		int before = arena_torndown(a, handle);
		struct guest_msg m;

		guest_range(&s, PAGES * GUEST_PAGE, 0);
		guest_pfns(&s, VM_LOW_PFN + handle, 1, PAGES);
		guest_next_msg(&m, t->c->relid, handle, &s);
		KUNIT_EXPECT_EQ(vm->test, vm_post(vm, &m), 0);
		if (guest_random(&seed) & 1)
			usleep_range(1, 50);
		guest_teardown(&m, t->c->relid, handle);
		KUNIT_EXPECT_EQ(vm->test, vm_post(vm, &m), 0);
		while (arena_torndown(a, handle) == before)
			cond_resched();
		lives++;
	}
	return lives;
}

/* Maps of each backend. */
#define MAPS	5000

/* What a revoke() says is ignored: the backend never keeps anything for long. */
static int task_backend(struct vm_task *t)
{
	struct arena *a = t->arg;
	u64 seed = t->c->relid + 1000;
	struct sg_table *sgt;
	int maps = 0;

	while (maps < MAPS) {
		u32 handle = arena_handle(t, &seed);
		int ret;

		ret = vm_map(t->c, 0, handle, &sgt);
		if (ret) {
			KUNIT_EXPECT_TRUE(t->vm->test, ret == -ENOENT || ret == -ESHUTDOWN);
			atomic_inc(&a->refused);
			if (ret == -ESHUTDOWN)
				atomic_inc(&a->late);
			cond_resched();
			continue;
		}
		maps++;
		if (guest_random(&seed) % 8 == 0) {
			void *addr = vm_vmap(t->c, handle);

			KUNIT_EXPECT_FALSE(t->vm->test, IS_ERR(addr));
			if (!IS_ERR(addr))
				vm_vunmap(t->c, handle);
		}
		KUNIT_EXPECT_EQ(t->vm->test, sgt->sgl->length % GUEST_PAGE, 0);
		vm_unmap(t->c, handle);
	}
	atomic_add(maps, &a->maps);
	atomic_dec(&a->backends);
	return 0;
}

static struct arena *arena_create(struct kunit *test)
{
	struct arena *a = kunit_kzalloc(test, sizeof(*a), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, a);
	a->vm = test->priv;
	mutex_init(&a->lock);
	return a;
}

/* 10,000 maps: two threads map and unmap, two make GPADLs and tear them down. */
static void ten_thousand_races(struct kunit *test)
{
	struct arena *a = arena_create(test);
	struct vm_task *guests[VM_CHANNELS], *backends[VM_CHANNELS];
	struct vm *vm = test->priv;
	int i, lives = 0;

	atomic_set(&a->backends, VM_CHANNELS);
	for (i = 0; i < VM_CHANNELS; i++) {
		backends[i] = vm_start_with(vm, task_backend, &vm->c[i], 0, 0, a);
		guests[i] = vm_start_with(vm, task_guest, &vm->c[i], 0, 0, a);
	}
	for (i = 0; i < VM_CHANNELS; i++) {
		KUNIT_EXPECT_EQ(test, vm_join(backends[i]), 0);
		lives += vm_join(guests[i]);
	}
	kunit_info(test, "%d maps, %d refused, %d of them late, %d GPADLs",
		   atomic_read(&a->maps), atomic_read(&a->refused), atomic_read(&a->late),
		   lives);
	KUNIT_EXPECT_EQ(test, atomic_read(&a->maps), VM_CHANNELS * MAPS);
	KUNIT_EXPECT_GT(test, lives, 0);
	KUNIT_EXPECT_TRUE(test, xa_empty(&vm->p->handles));
	vm_expect_silence(vm);
}

/* Complete a GPADL in one thread, tear it down in another. */
static int task_body(struct vm_task *t)
{
	struct guest_msg m;
	u64 words[2] = { GUEST_PAGE, VM_LOW_PFN };

	guest_body(&m, t->handle);
	guest_words(&m, words, ARRAY_SIZE(words));
	return vm_post(t->vm, &m);
}

static int task_teardown(struct vm_task *t)
{
	struct guest_msg m;

	guest_teardown(&m, t->c->relid, t->handle);
	return vm_post(t->vm, &m);
}

/* Whoever comes first, the guest reads CREATED first, once, and TORNDOWN then, once. */
static void several_writers(struct kunit *test)
{
	struct vm *vm = test->priv;
	int i, cancelled = 0;

	for (i = 0; i < 500; i++) {
		struct vm_task *body, *teardown;
		struct guest_msg m;
		u32 status;

		vm_begin(vm);
		vm_range(vm, VM_LOW_PFN, 1);
		guest_header(&m, vm->c[0].relid, i, &vm->s);
		KUNIT_ASSERT_EQ(test, vm_post(vm, &m), 0);
		/* Now one, now the other is ahead. */
		if (i & 1)
			teardown = vm_start(vm, task_teardown, &vm->c[0], 0, i);
		body = vm_start(vm, task_body, &vm->c[0], 0, i);
		if (!(i & 1))
			teardown = vm_start(vm, task_teardown, &vm->c[0], 0, i);

		KUNIT_EXPECT_EQ(test, vm_join(teardown), 0);
		status = vm_join(body) ? GPADL_STATUS_CANCELLED : GPADL_STATUS_SUCCESS;
		cancelled += !!status;
		vm_expect_created(vm, &vm->c[0], i, status);
		vm_expect_torndown(vm, i);
		vm_expect_silence(vm);
		vm_forget_tasks(vm);
	}
	kunit_info(test, "%d of 500 cancelled", cancelled);
	vm_expect_no_gpadl(vm, &vm->c[0]);
}

/* Takes a region away and puts it back until the backends have finished. */
static int task_regions(struct vm_task *t)
{
	struct arena *a = t->arg;
	struct vm *vm = t->vm;
	int ret, removed = 0;

	while (atomic_read(&a->backends)) {
		ret = vm_remove_region(vm, VM_LOW);
		KUNIT_EXPECT_TRUE(vm->test, !ret || ret == -EBUSY);
		removed += !ret;
		KUNIT_EXPECT_EQ(vm->test, 0,
				vmbus_partition_set_regions(vm->p, &vm->memory[VM_LOW], 1, 0));
		cond_resched();
	}
	return removed;
}

static int task_map_again_and_again(struct vm_task *t)
{
	struct arena *a = t->arg;
	int i, ret;

	for (i = 0; i < 2000; i++) {
		ret = vm_task_map(t);
		KUNIT_EXPECT_TRUE(t->vm->test, !ret || ret == -EFAULT);
		atomic_inc(ret ? &a->refused : &a->maps);
		if (!ret)
			vm_unmap(t->c, t->handle);
	}
	atomic_dec(&a->backends);
	return 0;
}

static void maps_against_region_changes(struct kunit *test)
{
	struct arena *a = arena_create(test);
	struct vm_task *backends[VM_CHANNELS], *regions;
	struct vm *vm = test->priv;
	int i, removed;

	atomic_set(&a->backends, VM_CHANNELS);
	for (i = 0; i < VM_CHANNELS; i++)
		vm_establish(vm, &vm->c[i], VM_HANDLE, VM_LOW_PFN, PAGES);
	regions = vm_start_with(vm, task_regions, NULL, 0, 0, a);
	for (i = 0; i < VM_CHANNELS; i++)
		backends[i] = vm_start_with(vm, task_map_again_and_again, &vm->c[i], 0,
					    VM_HANDLE, a);
	for (i = 0; i < VM_CHANNELS; i++)
		vm_join(backends[i]);
	removed = vm_join(regions);
	kunit_info(test, "%d maps, %d refused, %d times removed", atomic_read(&a->maps),
		   atomic_read(&a->refused), removed);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_LOW), 0);
}

static struct kunit_case race_cases[] = {
	KUNIT_CASE(map_as_soon_as_created),
	KUNIT_CASE(rescind_ends_after_torndown),
	KUNIT_CASE(teardown_while_mapping),
	KUNIT_CASE(map_while_mapping),
	KUNIT_CASE(torndown_after_the_last_unpin),
	KUNIT_CASE(unmap_before_revoke),
	KUNIT_CASE(revokes_of_two),
	KUNIT_CASE(reset_while_dying),
	KUNIT_CASE(unlink_while_list_changes),
	KUNIT_CASE(others_while_mapping),
	KUNIT_CASE(waits_end_when_backend_obeys),
	KUNIT_CASE(reset_waits_for_what_it_found),
	KUNIT_CASE(reset_waits_for_channel_put),
	KUNIT_CASE(state_changes_under_the_lock),
	KUNIT_CASE(gpadl_goes_after_its_readers),
	KUNIT_CASE(region_table_goes_after_its_readers),
	KUNIT_CASE_PARAM(put_in_every_state, leave_gen_params),
	KUNIT_CASE(gpadls_go_with_partition),
	KUNIT_CASE(channel_after_partition),
	KUNIT_CASE_SLOW(ten_thousand_races),
	KUNIT_CASE_SLOW(several_writers),
	KUNIT_CASE_SLOW(maps_against_region_changes),
	{}
};

struct kunit_suite race_suite = {
	.name = "vmbus_gpadl_race",
	.init = vm_init,
	.exit = vm_exit,
	.test_cases = race_cases,
};
