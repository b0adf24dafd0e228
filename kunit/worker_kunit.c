// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "vmbus_gpadl_worker": the order of work, and what becomes of it when the
 * thread is killed. The thread here is a kernel thread, which nobody kills: a case stops
 * it and says that it was.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/sched/task.h>

#include "gpadl/compat.h"
#include "gpadl/worker.h"
#include "suites.h"

#define ITEMS	8

struct job;

/* An item that writes down that it ran, and waits if it is told to. */
struct item {
	struct vmbus_gpadl_work work;
	struct job *job;
	unsigned int again;	/* queue it so many times from itself */
	unsigned int runs;
};

/* A worker, and what has become of its items */
struct job {
	struct gpadl_worker worker;
	struct task_struct *thread;
	struct item items[ITEMS];
	struct item *ran[ITEMS * 2];
	unsigned int nr_ran;
	atomic_t running;
	bool overlapped;
	struct vmbus_gpadl_work gate;
	struct completion at_gate;
	struct completion go;
};

static void item_run(struct vmbus_gpadl_work *work)
{
	struct item *item = container_of(work, struct item, work);
	struct job *job = item->job;

	if (atomic_inc_return(&job->running) > 1)
		job->overlapped = true;
	item->runs++;
	if (job->nr_ran < ARRAY_SIZE(job->ran))
		job->ran[job->nr_ran++] = item;
	if (item->again) {
		item->again--;
		gpadl_worker_queue(&job->worker, work);
	}
	atomic_dec(&job->running);
}

static void gate_run(struct vmbus_gpadl_work *work)
{
	struct job *job = container_of(work, struct job, gate);

	complete(&job->at_gate);
	wait_for_completion(&job->go);
}

/* Until job_open_gate(), what is queued after this does not run. */
static void job_close_gate(struct job *job)
{
	gpadl_worker_queue(&job->worker, &job->gate);
	wait_for_completion(&job->at_gate);
}

static void job_open_gate(struct job *job)
{
	complete(&job->go);
}

/* What SIGKILL does to a thread of a process, between two items */
static void job_kill(struct job *job)
{
	kthread_stop(job->thread);
	gpadl_worker_killed(&job->worker);
}

static bool job_queue(struct job *job, unsigned int i)
{
	return gpadl_worker_queue(&job->worker, &job->items[i].work);
}

static void job_expect_ran(struct kunit *test, const unsigned int *order, unsigned int nr)
{
	struct job *job = test->priv;
	unsigned int i;

	gpadl_worker_flush(&job->worker);
	KUNIT_ASSERT_EQ(test, job->nr_ran, nr);
	for (i = 0; i < nr; i++)
		KUNIT_EXPECT_PTR_EQ(test, job->ran[i], &job->items[order[i]]);
	KUNIT_EXPECT_FALSE(test, job->overlapped);
}

static void in_order(struct kunit *test)
{
	static const unsigned int order[] = { 2, 0, 1 };
	struct job *job = test->priv;
	unsigned int i;

	job_close_gate(job);
	for (i = 0; i < ARRAY_SIZE(order); i++)
		KUNIT_EXPECT_TRUE(test, job_queue(job, order[i]));
	job_open_gate(job);
	job_expect_ran(test, order, ARRAY_SIZE(order));
}

static void queued_twice_runs_once(struct kunit *test)
{
	static const unsigned int order[] = { 0, 1 };
	struct job *job = test->priv;

	job_close_gate(job);
	KUNIT_EXPECT_TRUE(test, job_queue(job, 0));
	KUNIT_EXPECT_TRUE(test, job_queue(job, 1));
	KUNIT_EXPECT_FALSE(test, job_queue(job, 0));
	job_open_gate(job);
	job_expect_ran(test, order, ARRAY_SIZE(order));
}

/* From its function on, an item can be queued again; and waits its turn. */
static void queued_from_itself(struct kunit *test)
{
	static const unsigned int order[] = { 0, 1, 0 };
	struct job *job = test->priv;

	job_close_gate(job);
	job->items[0].again = 1;
	job_queue(job, 0);
	job_queue(job, 1);
	job_open_gate(job);
	while (READ_ONCE(job->nr_ran) < 3)
		usleep_range(100, 1000);
	job_expect_ran(test, order, ARRAY_SIZE(order));
}

/* What waited when the thread was killed, and what came later, in one order */
static void killed_with_work(struct kunit *test)
{
	static const unsigned int order[] = { 3, 1, 0, 2 };
	struct job *job = test->priv;

	kthread_stop(job->thread);
	job_queue(job, 3);
	job_queue(job, 1);
	job_queue(job, 0);
	KUNIT_EXPECT_EQ(test, job->nr_ran, 0);
	KUNIT_EXPECT_FALSE(test, gpadl_worker_is_orphaned(&job->worker));
	gpadl_worker_killed(&job->worker);
	KUNIT_EXPECT_TRUE(test, gpadl_worker_is_orphaned(&job->worker));
	job_queue(job, 2);
	job_expect_ran(test, order, ARRAY_SIZE(order));
}

/* Of what the thread has taken from the queue, it may not have run all. */
static void killed_while_it_runs(struct kunit *test)
{
	static const unsigned int order[] = { 0, 1, 2, 3 };
	struct job *job = test->priv;
	unsigned int i;

	job_close_gate(job);
	for (i = 0; i < 3; i++)
		job_queue(job, order[i]);
	job_open_gate(job);
	job_kill(job);
	job_queue(job, order[3]);
	job_expect_ran(test, order, ARRAY_SIZE(order));
}

static void orphan_queues_itself(struct kunit *test)
{
	struct job *job = test->priv;

	job_kill(job);
	job->items[0].again = 5;
	job_queue(job, 0);
	while (READ_ONCE(job->items[0].runs) < 6)
		usleep_range(100, 1000);
	gpadl_worker_flush(&job->worker);
	KUNIT_EXPECT_EQ(test, job->items[0].runs, 6);
	KUNIT_EXPECT_FALSE(test, job->overlapped);
}

/* ---- While others queue ---- */

#define QUEUERS	3
#define ROUNDS	2000

struct queuer {
	struct item item;
	struct completion done;
	unsigned int queued;
	atomic_t seen;
};

static int queuer_thread(void *arg)
{
	struct queuer *q = arg;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		q->queued += gpadl_worker_queue(&q->item.job->worker, &q->item.work);
		cond_resched();
	}
	kthread_complete_and_exit(&q->done, 0);
}

/* Every item that was queued runs, in the thread or without it: none is lost in between. */
static void killed_while_others_queue(struct kunit *test)
{
	struct job *job = test->priv;
	struct queuer *queuers;
	unsigned int i;

	queuers = kunit_kcalloc(test, QUEUERS, sizeof(*queuers), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, queuers);
	for (i = 0; i < QUEUERS; i++) {
		struct queuer *q = &queuers[i];

		vmbus_gpadl_work_init(&q->item.work, item_run);
		q->item.job = job;
		init_completion(&q->done);
		KUNIT_ASSERT_FALSE(test, IS_ERR(kthread_run(queuer_thread, q, "queuer")));
	}
	usleep_range(100, 500);
	job_kill(job);
	for (i = 0; i < QUEUERS; i++)
		wait_for_completion(&queuers[i].done);
	gpadl_worker_flush(&job->worker);
	for (i = 0; i < QUEUERS; i++)
		KUNIT_EXPECT_EQ(test, queuers[i].item.runs, queuers[i].queued);
	KUNIT_EXPECT_FALSE(test, job->overlapped);
}

/* ---- The suite ---- */

static int worker_init(struct kunit *test)
{
	struct job *job = kunit_kzalloc(test, sizeof(*job), GFP_KERNEL);
	unsigned int i;
	int ret;

	if (!job)
		return -ENOMEM;
	for (i = 0; i < ITEMS; i++) {
		vmbus_gpadl_work_init(&job->items[i].work, item_run);
		job->items[i].job = job;
	}
	vmbus_gpadl_work_init(&job->gate, gate_run);
	init_completion(&job->at_gate);
	init_completion(&job->go);
	ret = gpadl_worker_create(&job->worker, "worker-test");
	if (ret)
		return ret;
	job->thread = get_task_struct(job->worker.kthread);
	test->priv = job;
	return 0;
}

static int stand_in(void *arg)
{
	return 0;
}

static void worker_exit(struct kunit *test)
{
	struct job *job = test->priv;

	if (!job)
		return;
	/* A kernel thread can be stopped once: if the case has, another is to be. */
	if (gpadl_worker_is_orphaned(&job->worker))
		job->worker.kthread = kthread_create(stand_in, NULL, "stand-in");
	gpadl_worker_destroy(&job->worker);
	put_task_struct(job->thread);
}

static struct kunit_case worker_cases[] = {
	KUNIT_CASE(in_order),
	KUNIT_CASE(queued_twice_runs_once),
	KUNIT_CASE(queued_from_itself),
	KUNIT_CASE(killed_with_work),
	KUNIT_CASE(killed_while_it_runs),
	KUNIT_CASE(orphan_queues_itself),
	KUNIT_CASE(killed_while_others_queue),
	{}
};

struct kunit_suite worker_suite = {
	.name = "vmbus_gpadl_worker",
	.init = worker_init,
	.exit = worker_exit,
	.test_cases = worker_cases,
};
