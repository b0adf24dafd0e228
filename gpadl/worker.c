// SPDX-License-Identifier: GPL-2.0
/*
 * Workers: what is done for a channel is done by a thread of its own, which is the VMM's.
 *
 * It is made by vhost_task_create() in the VMM's ioctl, as vhost does it: a thread of that
 * process, in its cgroups, with its memory policy, priority and limits, that never returns
 * to user space. So what a backend costs is the VMM's, its page faults are in the VMM's own
 * address space, and SIGKILL wakes it.
 *
 * A thread of a process goes with it: when the process is killed, when it ends, and when it
 * executes another program. A backend's close() has to come all the same. So what is queued
 * then, and what comes later, runs in a work item: the same items, in the same order, still
 * one at a time. The thread hands over between two items. Such a worker is orphaned, and
 * the address space gone or about to go: nothing is mapped there.
 *
 * Queueing takes no lock: an item is added to a list by compare and exchange, and the
 * thread is woken. Of two workers, neither can hold the other up.
 *
 * What makes partitions and channels in a kernel thread (tests do) gets a kernel thread,
 * and so does everybody before Linux 6.10, where a thread of a process could not be killed
 * there. It is moved to the cgroups of its maker, cannot be killed, is never orphaned, and
 * borrows the address space for the time of a pin; see operators.rst.
 */
#include <linux/cgroup.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/kthread.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "compat.h"
#include "worker.h"

/* Of @vmbus_gpadl_work.flags */
#define WORK_QUEUED	0

/*
 * Orphaned workers that are served at once. Their items wait for no page fault and for no
 * VMM, but may wait for a backend's device.
 */
#define MAX_ORPHANS	256

static struct workqueue_struct *orphan_wq;

/* ---- Running ---- */

/* The oldest item, which may be queued again from here on; NULL if there is none. */
static struct vmbus_gpadl_work *worker_next(struct gpadl_worker *w)
{
	struct vmbus_gpadl_work *work;

	if (!w->todo)
		w->todo = llist_reverse_order(llist_del_all(&w->queue));
	if (!w->todo)
		return NULL;
	work = llist_entry(w->todo, struct vmbus_gpadl_work, node);
	w->todo = w->todo->next;
	/* Release: its place in the list was read before whoever queues it again writes there. */
	clear_bit_unlock(WORK_QUEUED, &work->flags);
	/*
	 * Before the item looks at what it is for: a thread that changes that and finds
	 * the item still queued relies on this run. Pairs with test_and_set_bit().
	 */
	smp_mb__after_atomic();
	return work;
}

/*
 * One item, so that between two of them the thread sees that it is killed. Called in
 * TASK_INTERRUPTIBLE, which was set before the look at the queue. Returns false if there
 * is nothing to do: then the caller sleeps.
 */
static bool worker_step(void *data)
{
	struct vmbus_gpadl_work *work = worker_next(data);

	if (!work)
		return false;
	__set_current_state(TASK_RUNNING);
	work->fn(work);
	cond_resched();
	return true;
}

/* One item, so that an orphan with much to do leaves room for others. */
static void worker_orphan_work(struct work_struct *orphan_work)
{
	struct gpadl_worker *w =
		container_of(orphan_work, struct gpadl_worker, orphan_work);
	struct vmbus_gpadl_work *work = worker_next(w);

	if (!work)
		return;
	work->fn(work);
	/* That there is nothing left is for the next run to find. */
	queue_work(orphan_wq, &w->orphan_work);
}

/* The last that the thread calls */
VISIBLE_IF_KUNIT void gpadl_worker_killed(void *data)
{
	struct gpadl_worker *w = data;

	/* Whoever sees it, and queues the work item, has it find what is left in @todo. */
	smp_store_release(&w->orphaned, true);
	/*
	 * Pairs with llist_add() in gpadl_worker_queue(): either the orphan work finds
	 * what was added there, or the thread that added it sees that the worker is orphaned.
	 */
	smp_mb();
	queue_work(orphan_wq, &w->orphan_work);
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_worker_killed);

static int worker_kthread(void *data)
{
	for (;;) {
		/* Pairs with the wake-ups in gpadl_worker_queue() and kthread_stop() */
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		if (!worker_step(data))
			schedule();
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

/* ---- Queueing ---- */

/**
 * gpadl_worker_queue() - Have an item run
 * @w: the worker
 * @work: the item
 *
 * Context: any. Takes no lock but what it takes to wake a thread.
 * Return: false if it was queued already, and has not begun to run.
 */
bool gpadl_worker_queue(struct gpadl_worker *w, struct vmbus_gpadl_work *work)
{
	/*
	 * Before the item can be seen: it may be the last, which another thread runs before
	 * this one goes on. The worker is freed only a grace period after its last item
	 * (channel_last_work()); and a thread that has not orphaned it by now is not freed in
	 * here either.
	 */
	guard(rcu)();
	if (test_and_set_bit(WORK_QUEUED, &work->flags))
		return false;
	/* A full barrier; see gpadl_worker_killed() */
	llist_add(&work->node, &w->queue);

	if (gpadl_worker_is_orphaned(w))
		queue_work(orphan_wq, &w->orphan_work);
	else if (w->task)
		compat_vhost_task_wake(w->task);
	else
		wake_up_process(w->kthread);
	return true;
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_worker_queue);

struct flush_work {
	struct vmbus_gpadl_work work;
	struct completion done;
};

static void worker_flushed(struct vmbus_gpadl_work *work)
{
	complete(&container_of(work, struct flush_work, work)->done);
}

/**
 * gpadl_worker_flush() - Wait until what is queued has run
 * @w: the worker
 *
 * Context: process, may sleep for as long as a backend or the VMM likes.
 */
void gpadl_worker_flush(struct gpadl_worker *w)
{
	struct flush_work flush;

	vmbus_gpadl_work_init(&flush.work, worker_flushed);
	init_completion(&flush.done);
	gpadl_worker_queue(w, &flush.work);
	wait_for_completion(&flush.done);
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_worker_flush);

/* ---- Life ---- */

static int worker_start_task(struct gpadl_worker *w, const char *name)
{
	struct vhost_task *task;

	task = compat_vhost_task_create(worker_step, gpadl_worker_killed, w, name);
	if (IS_ERR(task))
		return PTR_ERR(task);
	w->task = task;
	compat_vhost_task_start(task);
	return 0;
}

static int worker_start_kthread(struct gpadl_worker *w, const char *name)
{
	struct task_struct *task;
	int ret = 0;

	task = kthread_create(worker_kthread, w, "%s", name);
	if (IS_ERR(task))
		return PTR_ERR(task);
	/* Not so where a process has a vhost_task: gpadl_worker_create() */
	if (!COMPAT_HAS_VHOST_TASK && !(current->flags & PF_KTHREAD))
		ret = cgroup_attach_task_all(current, task);
	if (ret) {
		kthread_stop(task);
		return ret;
	}
	w->kthread = task;
	wake_up_process(task);
	return 0;
}

/* The last item. The thread that runs it, whichever that is, is waited for before @w goes. */
static void worker_end_work(struct vmbus_gpadl_work *work)
{
	struct gpadl_worker *w = container_of(work, struct gpadl_worker, end_work);

	WRITE_ONCE(w->ended, true);
	wake_up(&w->end_wait);
}

/**
 * gpadl_worker_create() - Make a worker, whose thread is one of the current process
 * @w: the worker
 * @name: of the thread
 *
 * Context: process, may sleep.
 * Return:
 *   * 0
 *   * %-EAGAIN: the process may have no more threads (RLIMIT_NPROC, pids.max)
 *   * %-ENOMEM: no memory
 *   * %-EINVAL: it may have none at all: it has done unshare(CLONE_NEWPID)
 *   * %-ERESTARTNOINTR: a signal waits for the process; to be returned from its system call
 *   * %-EINTR: it is being killed
 */
int gpadl_worker_create(struct gpadl_worker *w, const char *name)
{
	*w = (struct gpadl_worker) {};
	init_llist_head(&w->queue);
	INIT_WORK(&w->orphan_work, worker_orphan_work);
	vmbus_gpadl_work_init(&w->end_work, worker_end_work);
	init_waitqueue_head(&w->end_wait);
	if (COMPAT_HAS_VHOST_TASK && !(current->flags & PF_KTHREAD))
		return worker_start_task(w, name);
	return worker_start_kthread(w, name);
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_worker_create);

/**
 * gpadl_worker_destroy() - Stop a worker
 * @w: the worker, with nothing queued, and nobody left to queue: a grace period has passed since
 *	another thread did
 *
 * Context: process, may sleep: until the thread runs, which a VMM that is stopped (SIGSTOP,
 * a freezer) keeps from it.
 */
void gpadl_worker_destroy(struct gpadl_worker *w)
{
	/*
	 * What follows would wait for the thread as well, but so that the kernel takes the wait for
	 * one that hangs (TASK_UNINTERRUPTIBLE). A thread that has run just now is about to look
	 * for what follows.
	 */
	gpadl_worker_queue(w, &w->end_work);
	wait_event_idle(w->end_wait, READ_ONCE(w->ended));
	if (w->task)
		compat_vhost_task_stop(w->task);
	else
		kthread_stop(w->kthread);
	cancel_work_sync(&w->orphan_work);
	WARN_ON_ONCE(w->todo || !llist_empty(&w->queue));
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_worker_destroy);

/**
 * gpadl_workers_init() - Make what takes the place of workers that were killed
 *
 * Context: process, when the module is loaded.
 * Return: 0; -ENOMEM.
 */
int gpadl_workers_init(void)
{
	/* With a rescuer: there is a way to an end also where no thread can be made. */
	orphan_wq = alloc_workqueue("vmbus_gpadl_orphans", WQ_UNBOUND | WQ_MEM_RECLAIM,
				    MAX_ORPHANS);
	return orphan_wq ? 0 : -ENOMEM;
}

/**
 * gpadl_workers_exit() - Undo gpadl_workers_init()
 *
 * Context: process, when no worker is left.
 */
void gpadl_workers_exit(void)
{
	destroy_workqueue(orphan_wq);
}
