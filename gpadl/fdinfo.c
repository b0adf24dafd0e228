// SPDX-License-Identifier: GPL-2.0
/*
 * What a partition and its channels have, for the fdinfo of the channel layer's file.
 *
 * An interface for programs, which Documentation/fdinfo.rst describes: a key keeps its
 * meaning, and new keys are added. It shows what is waited for while something is stuck, so it
 * takes no lock but a GPADL's own spinlock and, for some requests at a time, the pool_lock of a
 * channel, and finds what it shows by RCU.
 */
#include <linux/export.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/percpu.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/seq_file.h>

#include "compat.h"
#include "gpa_pool.h"
#include "priv.h"

/* GPADLs of one channel that are shown by handle; the others are counted. */
#define SHOW_REVOKED	8

/* ---- Names ---- */

static const char *const reason_keys[] = { GPADL_REASONS(GPADL_REASON_KEY) };

static const char *const state_keys[] = {
	[GPADL_ASSEMBLING] = "assembling",
	[GPADL_READY] = "ready",
	[GPADL_MAPPING] = "mapping",
	[GPADL_MAPPED] = "mapped",
	[GPADL_UNMAPPING] = "unmapping",
	[GPADL_DEAD] = "dead",
};

/* Why a GPADL is revoked. Called with its lock held. */
static const char *revoke_key(const struct gpadl *g)
{
	lockdep_assert_held(&g->lock);
	if (g->owe_torndown)
		return "teardown";
	if (g->reset)
		return "reset";
	if (g->tearing_down)
		return "release";
	return g->retired ? "region" : "rescind";
}

/* ---- A partition ---- */

/**
 * vmbus_partition_id() - Number of a partition, as debugfs and tracepoints have it
 * @p: the partition
 *
 * Context: any.
 * Return: the number; one that is gone may be given again.
 */
int vmbus_partition_id(const struct vmbus_partition *p)
{
	return p->id;
}
EXPORT_SYMBOL_NS_GPL(vmbus_partition_id, VMBUS_GPADL_NS);

static void regions_show(struct gpadl_mem *mem, struct seq_file *m)
{
	struct gpadl_region_table *table = gpadl_region_table_get(mem);
	u64 bytes = 0, resident = 0;
	unsigned int i;

	for (i = 0; i < table->nr; i++) {
		const struct vmbus_gpa_region *desc = &table->regions[i]->desc;

		bytes += desc->bytes;
		if (desc->flags & VMBUS_GPA_REGION_RESIDENT)
			resident += desc->bytes;
	}
	seq_printf(m, "vmbus-regions:\t%u\n", table->nr);
	seq_printf(m, "vmbus-region-bytes:\t%llu\n", bytes);
	seq_printf(m, "vmbus-resident-bytes:\t%llu\n", resident);
	gpadl_region_table_put(table);
}

/**
 * vmbus_partition_show() - Show what a partition has
 * @p: the partition
 * @m: where to, of a file of a procfs
 *
 * Context: process, may sleep, but not for a backend or for the VMM.
 */
void vmbus_partition_show(struct vmbus_partition *p, struct seq_file *m)
{
	unsigned int i;

	seq_printf(m, "vmbus-partition:\t%d\n", p->id);
	/* As all other numbers in this /proc, whatever namespace its reader is in */
	seq_printf(m, "vmbus-owner:\t%d\n",
		   task_tgid_nr_ns(p->mem.owner, proc_pid_ns(file_inode(m->file)->i_sb)));
	regions_show(&p->mem, m);
	seq_printf(m, "vmbus-page-size:\t%lu\n", PAGE_SIZE);
	seq_printf(m, "vmbus-pinned-pages:\t%lld\n",
		   (long long)atomic64_read(&p->mem.pinned));
	seq_printf(m, "vmbus-pinning:\tdone=%lu total=%lu\n", READ_ONCE(p->mem.pin_done),
		   READ_ONCE(p->mem.pin_total));
	seq_printf(m, "vmbus-gpadls:\t%d\n", atomic_read(&p->nr_gpadls));
	seq_printf(m, "vmbus-gpadl-pages:\t%d\n", atomic_read(&p->nr_pages));
	seq_printf(m, "vmbus-revoked:\t%d\n", atomic_read(&p->nr_revoked));
	seq_printf(m, "vmbus-replies:\t%llu\n", READ_ONCE(p->replies.nr_posted));
	seq_printf(m, "vmbus-replies-waiting:\t%d\n", gpadl_reply_readable(&p->replies));
	seq_puts(m, "vmbus-rejects:\t");
	for (i = 0; i < GPADL_NR_REASONS; i++)
		seq_printf(m, "%s%s=%u", i ? " " : "", reason_keys[i],
			   (unsigned int)atomic_read(&p->counts[i]));
	seq_putc(m, '\n');
}
EXPORT_SYMBOL_NS_GPL(vmbus_partition_show, VMBUS_GPADL_NS);

/* ---- A channel ---- */

static void stats_show(const struct vmbus_gpadl_channel *chan, struct seq_file *m)
{
	struct gpadl_channel_stats sum = {};
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct gpadl_channel_stats *s = per_cpu_ptr(chan->stats, cpu);

		sum.maps += READ_ONCE(s->maps);
		sum.failed += READ_ONCE(s->failed);
		sum.requests += READ_ONCE(s->requests);
		sum.requests_failed += READ_ONCE(s->requests_failed);
		sum.pages += READ_ONCE(s->pages);
		sum.pins += READ_ONCE(s->pins);
	}
	seq_printf(m, " maps=%llu map-failures=%llu requests=%llu request-failures=%llu map-pages=%llu pins=%llu",
		   sum.maps, sum.failed, sum.requests, sum.requests_failed, sum.pages, sum.pins);
}

/**
 * struct gpadl_sums - what the GPADLs of a channel are together
 * @states: how many, by &enum gpadl_state
 * @mapped_pages: HV pages of those that are mapped
 * @revoked: those that are revoked
 * @oldest: of these, jiffies since that one was asked for which has been longest
 */
struct gpadl_sums {
	unsigned int states[GPADL_DEAD + 1];
	u64 mapped_pages;
	unsigned int revoked;
	unsigned long oldest;
};

static void gpadl_add_up(struct gpadl *g, struct gpadl_sums *sums)
{
	spin_lock(&g->lock);
	sums->states[g->state]++;
	if (g->state == GPADL_MAPPED)
		sums->mapped_pages += g->pfns.nr_pages;
	if (g->revoked) {
		sums->revoked++;
		sums->oldest = max(sums->oldest, jiffies - g->since);
	}
	spin_unlock(&g->lock);
}

/**
 * vmbus_gpadl_channel_show() - Show what a channel has, and what its backend has done
 * @chan: the channel, held by the caller
 * @m: where to: pairs of a key and a value behind what stands in the line already
 *
 * Walks over its GPADLs: limits.c bounds them.
 *
 * Context: process, may sleep, but not for a backend or for the VMM.
 */
void vmbus_gpadl_channel_show(struct vmbus_gpadl_channel *chan, struct seq_file *m)
{
	struct gpadl_sums sums = {};
	struct gpa_sums requests = {};
	unsigned long handle = 0;
	struct gpadl *g;
	unsigned int i;

	while (!seq_has_overflowed(m) && (g = gpadl_table_next(chan, &handle))) {
		gpadl_add_up(g, &sums);
		gpadl_put(g);
		cond_resched();
	}
	stats_show(chan, m);
	for (i = 0; i < GPADL_DEAD; i++)
		seq_printf(m, " %s=%u", state_keys[i], sums.states[i]);
	gpadl_requests_sum(chan, &requests);
	seq_printf(m, " in-flight=%u in-flight-ms=%u", requests.busy,
		   jiffies_to_msecs(requests.oldest));
	seq_printf(m, " in-flight-revoked=%u in-flight-revoked-ms=%u", requests.revoked,
		   jiffies_to_msecs(requests.oldest_revoked));
	seq_printf(m, " mapped-pages=%llu revoked=%u revoked-ms=%u worker=%s", sums.mapped_pages,
		   sums.revoked, jiffies_to_msecs(sums.oldest),
		   gpadl_worker_is_orphaned(&chan->worker) ? "orphaned" : "vmm");
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_channel_show, VMBUS_GPADL_NS);

/* Returns whether it is one that is revoked. */
static bool gpadl_show_revoked(struct gpadl *g, const char *backend, struct seq_file *m)
{
	bool revoked, armed = false, told = false;
	const char *why = NULL;
	unsigned long age;
	u8 state;

	spin_lock(&g->lock);
	revoked = g->revoked;
	state = g->state;
	age = jiffies - g->since;
	if (revoked)
		why = revoke_key(g);
	if (g->mapping) {
		armed = g->mapping->armed;
		told = g->mapping->told;
	}
	spin_unlock(&g->lock);
	if (revoked)
		seq_printf(m, "vmbus-revoke:\trelid=%u handle=%#x why=%s state=%s armed=%d told=%d ms=%u pages=%u backend=%s\n",
			   g->chan->relid, g->handle, why, state_keys[state], armed, told,
			   jiffies_to_msecs(age), g->pfns.nr_pages, backend);
	return revoked;
}

/**
 * vmbus_gpadl_channel_show_revoked() - Show the GPADLs that a backend is to give back
 * @chan: the channel, held by the caller
 * @backend: name of its backend, a word
 * @m: where to: a line each, for the first few of them
 *
 * Context: process, may sleep, but not for a backend or for the VMM.
 */
void vmbus_gpadl_channel_show_revoked(struct vmbus_gpadl_channel *chan, const char *backend,
				      struct seq_file *m)
{
	unsigned int shown = 0;
	unsigned long handle = 0;
	struct gpadl *g;

	if (!atomic_read(&chan->nr_busy))
		return;
	while (shown < SHOW_REVOKED && !seq_has_overflowed(m) &&
	       (g = gpadl_table_next(chan, &handle))) {
		shown += gpadl_show_revoked(g, backend, m);
		gpadl_put(g);
		cond_resched();
	}
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_channel_show_revoked, VMBUS_GPADL_NS);
