// SPDX-License-Identifier: GPL-2.0
/*
 * Threads of a test: begun, held up, made to fail, killed, joined; see vm_helpers.h.
 */
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/workqueue.h>

#include "vm_helpers.h"

/* ---- Where threads can be held up ---- */

void vm_stall_init(struct vm_stall *s)
{
	atomic_set(&s->armed, 0);
	init_completion(&s->arrived);
	init_completion(&s->go);
}

/* The next @nr threads to come are held up. */
void vm_stall_arm(struct vm_stall *s, int nr)
{
	reinit_completion(&s->arrived);
	reinit_completion(&s->go);
	atomic_set(&s->armed, nr);
}

/* Wait until one has arrived. */
void vm_stall_wait(struct vm *vm, struct vm_stall *s)
{
	KUNIT_EXPECT_NE(vm->test, wait_for_completion_timeout(&s->arrived, VM_TIMEOUT), 0);
}

void vm_stall_end(struct vm_stall *s)
{
	complete_all(&s->go);
}

void vm_stall_here(struct vm_stall *s)
{
	if (atomic_dec_if_positive(&s->armed) < 0)
		return;
	complete(&s->arrived);
	wait_for_completion(&s->go);
}

/* For a thread that does what it does between two calls at its leisure. */
void vm_linger(struct vm *vm)
{
	vm_stall_here(&vm->linger);
}

/* ---- Threads ---- */

static int vm_task_thread(void *arg)
{
	struct vm_task *t = arg;

	current->kunit_test = t->vm->test;
	t->ret = t->fn(t);
	current->kunit_test = NULL;
	kthread_complete_and_exit(&t->done, 0);
}

/* Run @fn in a kernel thread without an address space. */
struct vm_task *vm_start_with(struct vm *vm, int (*fn)(struct vm_task *t),
			      struct vm_channel *c, u32 flags, u32 handle, void *arg)
{
	struct task_struct *task;
	struct vm_task *t;

	t = kunit_kzalloc(vm->test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(vm->test, t);
	t->vm = vm;
	t->fn = fn;
	t->c = c;
	t->flags = flags;
	t->handle = handle;
	t->arg = arg;
	init_completion(&t->done);
	task = kthread_create(vm_task_thread, t, "gpadl-test");
	KUNIT_ASSERT_FALSE(vm->test, IS_ERR(task));
	/* Before it runs: it may have ended before wake_up_process() has returned. */
	t->task = get_task_struct(task);
	list_add(&t->node, &vm->tasks);
	wake_up_process(task);
	return t;
}

struct vm_task *vm_start(struct vm *vm, int (*fn)(struct vm_task *t),
			 struct vm_channel *c, u32 flags, u32 handle)
{
	return vm_start_with(vm, fn, c, flags, handle, NULL);
}

/* Wait for a thread to end; what its function returned. */
int vm_join(struct vm_task *t)
{
	KUNIT_EXPECT_NE(t->vm->test, wait_for_completion_timeout(&t->done, VM_TIMEOUT), 0);
	list_move(&t->node, &t->vm->joined);
	return t->ret;
}

bool vm_is_done(struct vm_task *t)
{
	return completion_done(&t->done);
}

/* Wait until a thread that is not going to end sleeps. */
void vm_wait_asleep(struct vm_task *t)
{
	while (!(READ_ONCE(t->task->__state) & TASK_WAKEKILL) && !vm_is_done(t))
		usleep_range(500, 1000);
}

/* Run @fn, which cannot go on: the thread sleeps when this returns. */
struct vm_task *vm_start_waiting(struct vm *vm, int (*fn)(struct vm_task *t),
				 struct vm_channel *c, u32 flags, u32 handle)
{
	struct vm_task *t = vm_start(vm, fn, c, flags, handle);

	vm_wait_asleep(t);
	KUNIT_EXPECT_FALSE_MSG(vm->test, vm_is_done(t), VM_AT(vm));
	return t;
}

/* Wait until a thread sleeps, and does not mind SIGKILL. It may be a short sleep only. */
void vm_wait_blocked(struct vm_task *t)
{
	while (!(READ_ONCE(t->task->__state) & TASK_UNINTERRUPTIBLE) && !vm_is_done(t))
		usleep_range(500, 1000);
}

/* Free the memory of all threads: they have been joined. */
void vm_forget_tasks(struct vm *vm)
{
	struct vm_task *t, *next;

	list_for_each_entry_safe(t, next, &vm->joined, node) {
		list_del(&t->node);
		put_task_struct(t->task);
		kunit_kfree(vm->test, t);
	}
}

int vm_task_map(struct vm_task *t)
{
	int ret = vmbus_gpadl_map(t->c->chan, t->flags, t->handle, &t->map);

	if (!ret)
		vmbus_mapping_arm(t->map, t->c);
	return ret;
}

int vm_task_unmap(struct vm_task *t)
{
	vm_unmap(t->c, t->handle);
	return 0;
}

int vm_task_rescind(struct vm_task *t)
{
	return vmbus_gpadl_channel_rescind(t->c->chan);
}

int vm_task_reset(struct vm_task *t)
{
	return vmbus_partition_reset(t->vm->p);
}

int vm_map_in_thread(struct vm *vm, int (*fn)(struct vm_task *t))
{
	struct vm_task *t = vm_start(vm, fn, &vm->c[0], 0, VM_HANDLE);
	int ret = vm_join(t);

	if (!ret) {
		vm_expect_sg(vm, vmbus_mapping_sgt(t->map));
		vm_unmap(&vm->c[0], VM_HANDLE);
	}
	return ret;
}

/* ---- Faults ---- */

/* Choose an allocation. False: it has been enough. */
bool alloc_fault_next(struct alloc_fault *f)
{
	if (!f->tries)
		f->seed = 1;
	f->n = 1 + guest_random(&f->seed) % (f->most + 2);
	return f->tries++ < 200;
}

/* What a file of fault injection in debugfs sets; NULL if there is none. */
static void *fault_setting(const char *dir, const char *name)
{
	struct dentry *parent = debugfs_lookup(dir, NULL);
	struct dentry *file = parent ? debugfs_lookup(name, parent) : NULL;
	void *setting = file ? d_inode(file)->i_private : NULL;

	dput(file);
	dput(parent);
	return setting;
}

static void spare_none(const char *dir)
{
	static const char * const spared[] = { "ignore-gfp-wait", "ignore-gfp-highmem" };
	unsigned long *verbose = fault_setting(dir, "verbose");
	u32 *min_order = fault_setting(dir, "min-order");
	int i;

	for (i = 0; i < ARRAY_SIZE(spared); i++) {
		bool *spare = fault_setting(dir, spared[i]);

		if (spare)
			*spare = false;
	}
	if (min_order)
		*min_order = 0;
	if (verbose)
		*verbose = 0;
}

/*
 * Skips the case if no allocation can be made to fail. Unless told otherwise, fault injection
 * spares what may sleep and single pages: nearly all that is allocated here. Files in debugfs
 * tell it so, which nobody writes under kunit.py: there is no user space.
 */
void alloc_fault_need(struct kunit *test)
{
	if (!fault_setting("failslab", "ignore-gfp-wait") ||
	    !fault_setting("fail_page_alloc", "ignore-gfp-wait"))
		kunit_skip(test, "the kernel cannot make an allocation fail");
	spare_none("failslab");
	spare_none("fail_page_alloc");
}

/* Between these two, the allocation fails. */
void alloc_fault_begin(struct alloc_fault *f)
{
#ifdef CONFIG_FAULT_INJECTION
	current->fail_nth = f->n;
#endif
}

void alloc_fault_end(struct alloc_fault *f)
{
#ifdef CONFIG_FAULT_INJECTION
	f->injected = !current->fail_nth;
	current->fail_nth = 0;
#endif
	if (f->injected)
		f->most = max(f->most, f->n);
}

/*
 * Does to the current thread what SIGKILL does to a process. Nobody sends it to a kernel
 * thread, so it does not go through there.
 */
void vm_kill(void)
{
	sigaddset(&current->pending.signal, SIGKILL);
	set_tsk_thread_flag(current, TIF_SIGPENDING);
}

void vm_unkill(void)
{
	sigdelset(&current->pending.signal, SIGKILL);
	clear_tsk_thread_flag(current, TIF_SIGPENDING);
}

int vm_task_run_work(struct vm_task *t)
{
	struct work_struct *work = t->arg;

	work->func(work);
	return 0;
}

void vm_run_work(struct vm *vm, struct work_struct *work)
{
	KUNIT_EXPECT_TRUE(vm->test, cancel_work(work));
	vm_join(vm_start_with(vm, vm_task_run_work, NULL, 0, 0, work));
}
