// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/debug/vmbus_gpadl/<partition>/: what a partition has. Not an ABI.
 */
#include <linux/debugfs.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/seq_file.h>

#include "gpa_pool.h"
#include "priv.h"

static struct dentry *gpadl_debugfs;

static const char *const reason_names[] = { GPADL_REASONS(GPADL_REASON_TEXT) };

static const char *const state_names[] = {
	[GPADL_ASSEMBLING] = "ASSEMBLING",
	[GPADL_READY] = "READY",
	[GPADL_MAPPING] = "MAPPING",
	[GPADL_MAPPED] = "MAPPED",
	[GPADL_UNMAPPING] = "UNMAPPING",
	[GPADL_DEAD] = "DEAD",
};

/* Whether it is to be revoked, and whether the backend knows. */
static const char *revoke_name(const struct gpadl *g)
{
	if (!g->revoked)
		return "";
	return g->mapping && g->mapping->told ? " revoked" : " revoke-pending";
}

static void gpadl_show(struct seq_file *m, struct gpadl *g)
{
	unsigned long age = 0;
	const char *revoke;
	bool tearing_down;
	u8 state;

	spin_lock(&g->lock);
	state = g->state;
	revoke = revoke_name(g);
	tearing_down = g->tearing_down;
	if (gpadl_is_busy(g))
		age = (jiffies - g->since) / HZ;
	spin_unlock(&g->lock);

	seq_printf(m, "%5u %#10x %-10s %-6s %5u %5u %5u %8u %5lu%s%s\n", g->chan->relid,
		   g->handle, state_names[state], g->read_only ? "ro" : "rw",
		   g->pfns.nr_pages, g->pfns.nr_ranges, g->pfns.nr_runs, g->nr_messages,
		   age, tearing_down ? " tearing-down" : "", revoke);
}

static int gpadls_show(struct seq_file *m, void *unused)
{
	struct vmbus_partition *p = m->private;
	struct vmbus_gpadl_channel *chan;
	unsigned long handle;
	struct gpadl *g;

	seq_puts(m, "relid     handle state      access pages range  runs messages age/s\n");
	mutex_lock(&p->rx_mutex);
	list_for_each_entry(chan, &p->all_channels, node) {
		handle = 0;
		while ((g = gpadl_table_next(chan, &handle))) {
			gpadl_show(m, g);
			gpadl_put(g);
			cond_resched();
		}
	}
	mutex_unlock(&p->rx_mutex);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(gpadls);

static int requests_show(struct seq_file *m, void *unused)
{
	struct vmbus_partition *p = m->private;
	struct vmbus_gpadl_channel *chan;

	seq_puts(m, "relid    in-flight   most requests pages-each\n");
	mutex_lock(&p->rx_mutex);
	list_for_each_entry(chan, &p->all_channels, node)
		gpadl_requests_show(m, chan);
	mutex_unlock(&p->rx_mutex);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(requests);

static int regions_show(struct seq_file *m, void *unused)
{
	struct vmbus_partition *p = m->private;
	struct gpadl_region_table *table = gpadl_region_table_get(&p->mem);
	unsigned int i;

	seq_puts(m, "slot                gpa              bytes                hva access memory    mappings changes to-look-at\n");
	for (i = 0; i < table->nr; i++) {
		const struct gpadl_region *region = table->regions[i];
		const struct vmbus_gpa_region *desc = &region->desc;

		seq_printf(m, "%4u %#18llx %#18llx %#18llx %-6s %-9s %8d %7llu %10lu\n",
			   desc->slot,
			   desc->gpa, desc->bytes, desc->hva,
			   desc->flags & VMBUS_GPA_REGION_READ_ONLY ? "ro" : "rw",
			   desc->flags & VMBUS_GPA_REGION_RESIDENT ? "resident" : "on-demand",
			   (int)refcount_read(&region->users) - 1,
			   READ_ONCE(region->watch.invalidations),
			   READ_ONCE(region->watch.nr_marked));
	}
	gpadl_region_table_put(table);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(regions);

static int stats_show(struct seq_file *m, void *unused)
{
	struct vmbus_partition *p = m->private;
	unsigned int i;

	seq_printf(m, "owner pid            %d\n", task_tgid_nr(p->mem.owner));
	seq_printf(m, "pinned host pages    %lld\n",
		   (long long)atomic64_read(&p->mem.pinned));
	seq_printf(m, "being made resident  %lu of %lu host pages\n",
		   READ_ONCE(p->mem.pin_done), READ_ONCE(p->mem.pin_total));
	seq_printf(m, "blocks found the same %d\n", atomic_read(&p->mem.nr_same));
	seq_printf(m, "pages found replaced %d\n", atomic_read(&p->mem.nr_replaced));
	seq_printf(m, "looks at lost pages  %d\n", atomic_read(&p->mem.nr_lost));
	seq_printf(m, "regions that linger  %d\n", atomic_read(&p->mem.nr_lingering));
	seq_printf(m, "GPADLs               %d\n", atomic_read(&p->nr_gpadls));
	seq_printf(m, "described HV pages   %d\n", atomic_read(&p->nr_pages));
	seq_printf(m, "revoked              %d\n", atomic_read(&p->nr_revoked));
	seq_printf(m, "requests' host pages %d\n", atomic_read(&p->nr_request_pages));
	seq_puts(m, "refused messages:\n");
	for (i = 0; i < GPADL_NR_REASONS; i++)
		seq_printf(m, "%10u  %s\n", (unsigned int)atomic_read(&p->counts[i]),
			   reason_names[i]);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

/**
 * gpadl_debugfs_add() - Make the directory of a partition
 * @p: the partition; it stays until gpadl_debugfs_remove()
 *
 * Nothing needs it: what fails is not there.
 *
 * Context: process, may sleep.
 */
void gpadl_debugfs_add(struct vmbus_partition *p)
{
	char name[12];

	snprintf(name, sizeof(name), "%d", p->id);
	p->debugfs = debugfs_create_dir(name, gpadl_debugfs);
	debugfs_create_file("gpadls", 0400, p->debugfs, p, &gpadls_fops);
	debugfs_create_file("requests", 0400, p->debugfs, p, &requests_fops);
	debugfs_create_file("regions", 0400, p->debugfs, p, &regions_fops);
	debugfs_create_file("stats", 0400, p->debugfs, p, &stats_fops);
}

/**
 * gpadl_debugfs_remove() - Undo gpadl_debugfs_add()
 * @p: the partition
 *
 * Context: process, may sleep: waits for those that read a file of it.
 */
void gpadl_debugfs_remove(struct vmbus_partition *p)
{
	debugfs_remove_recursive(p->debugfs);
}

/**
 * gpadl_debugfs_init() - Make the directory of the module
 *
 * Context: process, when the module is loaded.
 */
void gpadl_debugfs_init(void)
{
	gpadl_debugfs = debugfs_create_dir("vmbus_gpadl", NULL);
}

/**
 * gpadl_debugfs_exit() - Undo gpadl_debugfs_init()
 *
 * Context: process, when no partition is left.
 */
void gpadl_debugfs_exit(void)
{
	debugfs_remove_recursive(gpadl_debugfs);
}
