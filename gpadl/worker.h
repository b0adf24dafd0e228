/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Workers: a thread for each channel, which is one of the VMM's own.
 */
#ifndef _GPADL_WORKER_H
#define _GPADL_WORKER_H

#include <linux/compiler.h>
#include <linux/llist.h>
#include <linux/vmbus_work.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct task_struct;
struct vhost_task;

/**
 * struct gpadl_worker - runs work, one item at a time, in the order it was queued
 * @queue: what is to be run, newest first; added to without a lock
 * @todo: what was taken from there, oldest first; belongs to the thread that runs it
 * @task: the thread, one of the process that made it; or NULL
 * @kthread: then it is this one
 * @orphaned: the thread has been killed: what is queued, and what comes, runs in
 *	@orphan_work. Set once
 * @orphan_work: in place of the thread
 * @end_work: the last item: nothing is to be done any more
 * @ended: it has run
 * @end_wait: woken then
 */
struct gpadl_worker {
	struct llist_head queue;
	struct llist_node *todo;
	struct vhost_task *task;
	struct task_struct *kthread;
	bool orphaned;
	struct work_struct orphan_work;
	struct vmbus_gpadl_work end_work;
	bool ended;
	wait_queue_head_t end_wait;
};

int gpadl_workers_init(void);
void gpadl_workers_exit(void);

int gpadl_worker_create(struct gpadl_worker *w, const char *name);
void gpadl_worker_destroy(struct gpadl_worker *w);
bool gpadl_worker_queue(struct gpadl_worker *w, struct vmbus_gpadl_work *work);
void gpadl_worker_flush(struct gpadl_worker *w);
#if IS_ENABLED(CONFIG_KUNIT)
void gpadl_worker_killed(void *data);
#endif

static inline bool gpadl_worker_is_orphaned(const struct gpadl_worker *w)
{
	/* Pairs with the release in gpadl_worker_killed(). */
	return smp_load_acquire(&w->orphaned);
}

#endif /* _GPADL_WORKER_H */
