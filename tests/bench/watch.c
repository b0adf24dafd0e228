// SPDX-License-Identifier: GPL-2.0
/*
 * Watch the kernel at what is timed.
 *
 * Where its instructions go: the thread steps, and the trap after each instruction counts
 * it. Exact, if slow; and on x86 alone.
 *
 * What stays allocated: the tracepoints of kmalloc() and kfree() say what the thread
 * takes and gives back. What comes from a cache of its own (the nodes of an xarray) is not
 * in it.
 */
#include <linux/errno.h>
#include <linux/hash.h>
#include <linux/kallsyms.h>
#include <linux/kdebug.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <trace/events/kmem.h>

#include "watch.h"

/* ---- Where the instructions go ---- */

#define PROFILE_BITS	14

/**
 * struct place - an instruction
 * @ip: its address, 0 for none
 * @n: how often it was executed, by &enum watch_phase
 */
struct place {
	unsigned long ip;
	u32 n[WATCH_NR_PHASES];
};

/**
 * struct profile - instructions of a thread
 * @notifier: stops stepping while the thread does not run
 * @task: the thread
 * @phase: what it is at
 * @places: hashed by address
 */
struct profile {
	struct preempt_notifier notifier;
	struct task_struct *task;
	enum watch_phase phase;
	struct place places[1 << PROFILE_BITS];
};

/* The one that is under way */
static struct profile *profile_now;

static struct place *profile_place(struct profile *prof, unsigned long ip)
{
	u32 i = hash_long(ip, PROFILE_BITS);

	while (prof->places[i].ip && prof->places[i].ip != ip)
		i = (i + 1) % ARRAY_SIZE(prof->places);
	prof->places[i].ip = ip;
	return &prof->places[i];
}

/* After each instruction. An interrupt's are not stepped. */
static int profile_notify(struct notifier_block *nb, unsigned long val, void *data)
{
	struct die_args *args = data;
	struct profile *prof = READ_ONCE(profile_now);

	if (val != DIE_DEBUG || !prof || user_mode(args->regs))
		return NOTIFY_DONE;
	if (current != prof->task)
		return NOTIFY_DONE;
	profile_place(prof, args->regs->ip)->n[prof->phase]++;
	return NOTIFY_STOP;
}

static struct notifier_block profile_nb = { .notifier_call = profile_notify };

static __always_inline void step_begin(void)
{
	asm volatile("pushfq; orq %0, (%%rsp); popfq" : : "i" (X86_EFLAGS_TF)
		     : "memory", "cc");
}

static __always_inline void step_end(void)
{
	asm volatile("pushfq; andq %0, (%%rsp); popfq" : : "i" (~X86_EFLAGS_TF)
		     : "memory", "cc");
}

/* The flag is the processor's: it does not go with the thread. */
static void profile_sched_in(struct preempt_notifier *notifier, int cpu)
{
	step_begin();
}

static void profile_sched_out(struct preempt_notifier *notifier,
			      struct task_struct *next)
{
	step_end();
}

static struct preempt_ops profile_preempt_ops = {
	.sched_in = profile_sched_in,
	.sched_out = profile_sched_out,
};

struct profile *profile_create(void)
{
	struct profile *prof = kvzalloc(sizeof(*prof), GFP_KERNEL);

	if (!prof)
		return NULL;
	prof->task = current;
	preempt_notifier_init(&prof->notifier, &profile_preempt_ops);
	return prof;
}

void profile_destroy(struct profile *prof)
{
	kvfree(prof);
}

void profile_begin(struct profile *prof, enum watch_phase phase)
{
	prof->phase = phase;
	register_die_notifier(&profile_nb);
	WRITE_ONCE(profile_now, prof);
	preempt_notifier_inc();
	preempt_notifier_register(&prof->notifier);
	step_begin();
}

void profile_end(struct profile *prof)
{
	step_end();
	preempt_notifier_unregister(&prof->notifier);
	preempt_notifier_dec();
	WRITE_ONCE(profile_now, NULL);
	unregister_die_notifier(&profile_nb);
}

/* A line for each instruction that was executed; the reader sums them up by function. */
ssize_t profile_print(const struct profile *prof, char *buf, size_t len)
{
	size_t done = 0;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(prof->places); i++) {
		const struct place *place = &prof->places[i];

		if (place->ip)
			done += scnprintf(buf + done, len - done, "%u %u %ps\n",
					  place->n[WATCH_MAP], place->n[WATCH_UNMAP],
					  (void *)place->ip);
	}
	return done + 1 < len ? done : -ENOSPC;
}

/* ---- What stays allocated ---- */

/**
 * struct alloc - a piece of memory
 * @ptr: where, NULL for none
 * @asked: bytes that were asked for
 * @taken: bytes that it takes
 */
struct alloc {
	const void *ptr;
	size_t asked;
	size_t taken;
};

/* Of one thread, whose pieces are few */
static struct task_struct *allocs_task;
static struct alloc allocs[256];
static bool allocs_lost;
static u64 allocs_calls;

/* A large one is told twice. */
static void allocs_enter(const void *ptr, size_t asked, size_t taken)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(allocs); i++) {
		if (allocs[i].ptr && allocs[i].ptr != ptr)
			continue;
		allocs[i] = (struct alloc) { ptr, asked, taken };
		return;
	}
	allocs_lost = true;
}

static void allocs_kmalloc(void *data, unsigned long call_site, const void *ptr,
			   size_t asked, size_t taken, gfp_t gfp, int node)
{
	if (current != READ_ONCE(allocs_task) || !in_task() || !ptr)
		return;
	allocs_calls++;
	allocs_enter(ptr, asked, taken);
}

static void allocs_cache(void *data, unsigned long call_site, const void *ptr,
			 struct kmem_cache *cache, gfp_t gfp, int node)
{
	if (current == READ_ONCE(allocs_task) && in_task())
		allocs_calls++;
}

static void allocs_kfree(void *data, unsigned long call_site, const void *ptr)
{
	u32 i;

	if (current != READ_ONCE(allocs_task) || !in_task() || !ptr)
		return;
	for (i = 0; i < ARRAY_SIZE(allocs); i++)
		if (allocs[i].ptr == ptr)
			allocs[i].ptr = NULL;
}

int allocs_begin(void)
{
	int ret;

	if (allocs_task)
		return -EBUSY;
	memset(allocs, 0, sizeof(allocs));
	allocs_lost = false;
	allocs_calls = 0;
	ret = register_trace_kmalloc(allocs_kmalloc, NULL);
	if (ret)
		return ret;
	ret = register_trace_kfree(allocs_kfree, NULL);
	if (ret)
		goto err_kmalloc;
	ret = register_trace_kmem_cache_alloc(allocs_cache, NULL);
	if (ret)
		goto err_kfree;
	WRITE_ONCE(allocs_task, current);
	return 0;

err_kfree:
	unregister_trace_kfree(allocs_kfree, NULL);
err_kmalloc:
	unregister_trace_kmalloc(allocs_kmalloc, NULL);
	return ret;
}

/* What was allocated since allocs_begin(), by this thread, and how much is not freed. */
int allocs_end(struct bench_allocs *a)
{
	u32 i;

	if (allocs_task != current)
		return -EINVAL;
	WRITE_ONCE(allocs_task, NULL);
	unregister_trace_kmem_cache_alloc(allocs_cache, NULL);
	unregister_trace_kfree(allocs_kfree, NULL);
	unregister_trace_kmalloc(allocs_kmalloc, NULL);
	tracepoint_synchronize_unregister();
	*a = (struct bench_allocs) { .calls = allocs_calls };
	for (i = 0; i < ARRAY_SIZE(allocs); i++) {
		if (!allocs[i].ptr)
			continue;
		a->asked += allocs[i].asked;
		a->taken += allocs[i].taken;
	}
	return allocs_lost ? -ENOSPC : 0;
}
