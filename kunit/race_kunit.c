// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_race: one thread is held up, and another comes in between.
 */
#include <kunit/static_stub.h>
#include <linux/delay.h>
#include <linux/sched.h>

#include "gpadl/reply.h"
#include "suites.h"
#include "vm.h"

#define PAGES	3

static void unmap_in_revoke(struct vm_channel *c, struct vmbus_mapping *map)
{
	KUNIT_EXPECT_PTR_EQ(c->vm->test, vmbus_mapping_priv(map), c);
	vmbus_gpadl_unmap(map);
}

/* While the caller has a spin lock */
static bool others_run(void)
{
	return num_online_cpus() > 1;
}

/*
 * What happens while wake() is called: the reply can be read, and the lock of the GPADL
 * that it is about is held.
 */
static struct {
	struct task_struct *task;	/* reads it, and acts */
	bool acts;			/* it has, and will now */
	bool late;			/* somebody went on too early */
} at_wake;

/* Let the other thread come to the lock before it is dropped. */
static void wake_and_let_act(struct vm *vm)
{
	unsigned long end = jiffies + HZ;

	if (current == READ_ONCE(at_wake.task) || !others_run())
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
 * When the guest can know that its GPADL is there, it can be mapped. A thread that comes to
 * a lock is not sure to be the next to have it: hence often.
 */
VM_CASE(map_as_soon_as_created)
{
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
 * The first wake() is that of TORNDOWN; another comes when the waiter can go on. Until then it
 * sleeps.
 */
static void wake_and_look(struct vm *vm)
{
	vm->on_wake = NULL;
	at_wake.late = !(READ_ONCE(at_wake.task->__state) & TASK_WAKEKILL);
}

/* When nothing is mapped any more, the guest can have been told so. */
VM_CASE(rescind_ends_after_torndown)
{
	struct vm_channel *c = &vm->c[0];
	struct vm_task *t;

	memset(&at_wake, 0, sizeof(at_wake));
	vm_establish(vm, c, VM_HANDLE, VM_LOW_PFN, PAGES);
	KUNIT_ASSERT_EQ(test, vm_map(c, 0, VM_HANDLE, NULL), 0);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, c, VM_HANDLE), 0);
	t = vm_start(vm, vm_task_rescind, c, 0, 0);
	vm_wait_asleep(t);
	at_wake.task = t->task;
	vm->on_wake = wake_and_look;
	vm_unmap(c, VM_HANDLE);
	vm->on_wake = NULL;
	KUNIT_EXPECT_FALSE(test, at_wake.late);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	vm_expect_torndown(vm, VM_HANDLE);
}

/* A map that is held up before its pages are pinned */
static struct vm_task *start_map(struct vm *vm)
{
	struct vm_task *t;

	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, PAGES);
	vm_stall_arm(&vm->in_pin, 1);
	t = vm_start(vm, vm_task_map, &vm->c[0], 0, VM_HANDLE);
	vm_stall_wait(vm, &vm->in_pin);
	return t;
}

/* What the backend was never given is never asked back. */
VM_CASE(teardown_while_mapping)
{
	struct vm_channel *c = &vm->c[0];
	struct vm_task *t = start_map(vm);

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
VM_CASE(map_while_mapping)
{
	struct vm_channel *c = &vm->c[0];
	struct vm_task *t = start_map(vm);

	KUNIT_EXPECT_EQ(test, vm_map(c, 0, VM_HANDLE, NULL), -EBUSY);
	vm_stall_end(&vm->in_pin);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	vm_unmap(c, VM_HANDLE);
}

/* Not when the unmap begins, and not as long as a page is pinned. */
VM_CASE(torndown_after_the_last_unpin)
{
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
VM_CASE(unmap_before_revoke)
{
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
VM_CASE(revokes_of_two)
{
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
static void post_late(struct gpadl_reply_queue *q, struct gpadl_reply *r,
		      struct list_head *same)
{
	struct kunit *test = current->kunit_test;
	unsigned int ms;

	atomic_set(&dying, 1);
	for (ms = 0; others_run() && ms < 10000 && !atomic_read(&resetting); ms++)
		mdelay(1);
	/* It goes on, as far as it comes. */
	mdelay(100);
	current->kunit_test = NULL;
	gpadl_reply_post(q, r, same);
	current->kunit_test = test;
}

/* No reply comes after a reset, not even of a GPADL that the reset did not find. */
VM_CASE(reset_while_dying)
{
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
	/* As the other one does when it leaves. */
	list_del_init(&g->same);
	__xa_store(&vm->p->handles, VM_HANDLE, g, GFP_NOWAIT);
	xa_unlock(&vm->p->handles);
}

/* A GPADL leaves the list of its handle when nobody else can change it. */
VM_CASE(unlink_while_list_changes)
{
	struct gpadl *first, *second;
	struct vm_task *t;
	int i;

	if (!others_run())
		kunit_skip(test, "nobody runs beside a spin lock on the only processor");
	for (i = 0; i < VM_CHANNELS; i++)
		vm_establish(vm, &vm->c[i], VM_HANDLE, VM_LOW_PFN, PAGES);
	first = vm_gpadl(&vm->c[0], VM_HANDLE);
	second = vm_gpadl(&vm->c[1], VM_HANDLE);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[1], 0, VM_HANDLE, NULL), 0);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, &vm->c[1], VM_HANDLE), 0);

	vm_stall_arm(&vm->after_unmap, 1);
	t = vm_start(vm, vm_task_unmap, &vm->c[1], 0, VM_HANDLE);
	vm_stall_wait(vm, &vm->after_unmap);
	let_die_under_lock(vm, second);
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	KUNIT_EXPECT_NULL(test, xa_load(&vm->p->handles, VM_HANDLE));
	vm_expect_torndown(vm, VM_HANDLE);

	KUNIT_EXPECT_EQ(test, 0, xa_err(xa_store(&vm->p->handles, VM_HANDLE, first,
						 GFP_KERNEL)));
}

/* A slow map holds nothing that other GPADLs, or the guest's messages, need. */
VM_CASE(others_while_mapping)
{
	struct vm_task *t = start_map(vm);
	int i;

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
VM_CASE(waits_end_when_backend_obeys)
{
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
VM_CASE(reset_waits_for_what_it_found)
{
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
VM_CASE(reset_waits_for_channel_put)
{
	struct vmbus_gpadl_channel *chan = vm->c[1].chan;
	struct vm_task *t;

	vm_establish(vm, &vm->c[1], VM_HANDLE, VM_LOW_PFN, PAGES);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[1], 0, VM_HANDLE, NULL), 0);
	vm_put_channel(&vm->c[1]);
	t = vm_start_waiting(vm, vm_task_reset, NULL, 0, 0);
	vmbus_gpadl_unmap(vm_mapping(chan, VM_HANDLE));
	KUNIT_EXPECT_EQ(test, vm_join(t), 0);
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(vm), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->nr_resetting), 0);
}

/*
 * A map comes to its end between the mark that its channel is rescinded and the look for what
 * is mapped, which does not find it: whoever waits is told by the map.
 */
VM_CASE(rescinded_before_the_map_is_found)
{
	struct vmbus_gpadl_channel *chan = vm->c[0].chan;
	struct vm_task *t = start_map(vm);
	int wakes;

	wakes = atomic_read(&vm->wakes);
	/* As vmbus_gpadl_channel_rescind_start() begins */
	WRITE_ONCE(chan->rescinded, true);
	vm_stall_end(&vm->in_pin);
	KUNIT_EXPECT_EQ(test, vm_join(t), -ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->wakes), wakes + 1);
	KUNIT_EXPECT_FALSE(test, vmbus_gpadl_channel_is_busy(chan));
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->nr_revoked), 0);
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
	KUNIT_CASE(rescinded_before_the_map_is_found),
	{}
};

struct kunit_suite race_suite = {
	.name = "vmbus_gpadl_race",
	.init = vm_init,
	.exit = vm_exit,
	.test_cases = race_cases,
};
