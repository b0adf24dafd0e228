// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/debug/vmbus_host/guests: one line per guest; endpoints: one line per
 * channel of every guest.
 */
#include <linux/debugfs.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>

#include "host.h"

static struct dentry *host_debugfs;
/* Protects both lists; innermost. */
static DEFINE_MUTEX(lists_lock);
static LIST_HEAD(guests);
static LIST_HEAD(endpoints);

static unsigned int count_channels(struct host *host)
{
	struct vmbus_endpoint *ep;
	unsigned int n = 0;

	list_for_each_entry(ep, &endpoints, node)
		n += ep->host == host;
	return n;
}

static int guests_show(struct seq_file *m, void *unused)
{
	struct host *host;

	seq_puts(m, "# pid counts\n");
	guard(mutex)(&lists_lock);
	list_for_each_entry(host, &guests, node) {
		seq_printf(m, "%d channels %u bad-messages %d\n", host->owner,
			   count_channels(host), atomic_read(&host->nr_bad));
		cond_resched();
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(guests);

static bool glance(const bool *flag)
{
	/* Without its lock: for people, flags may be of different moments. */
	return data_race(*flag);
}

static void endpoint_show(struct seq_file *m, struct vmbus_endpoint *ep)
{
	struct endpoint_counts *c = &ep->counts;

	seq_printf(m, "%d %u %pUl %pUl %s%s%s opens %d refused %d kicks %d calls %d received %lld sent %lld%s%s\n",
		   ep->host->owner, ep->relid, &ep->if_type, &ep->if_instance,
		   endpoint_state_name(ep),
		   glance(&ep->rescinded) ? " rescinded" : "",
		   glance(&ep->released) ? " released" : "",
		   atomic_read(&c->opens), atomic_read(&c->refused),
		   atomic_read(&c->kicks), atomic_read(&c->calls),
		   atomic64_read(&c->received), atomic64_read(&c->sent),
		   glance(&ep->in.broken) ? " bad-in-ring" : "",
		   glance(&ep->out.broken) ? " bad-out-ring" : "");
}

static int endpoints_show(struct seq_file *m, void *unused)
{
	struct vmbus_endpoint *ep;

	seq_puts(m, "# pid relid if_type if_instance state counts\n");
	guard(mutex)(&lists_lock);
	list_for_each_entry(ep, &endpoints, node)
		endpoint_show(m, ep);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(endpoints);

void host_debugfs_add(struct host *host)
{
	guard(mutex)(&lists_lock);
	list_add_tail(&host->node, &guests);
}

void host_debugfs_remove(struct host *host)
{
	guard(mutex)(&lists_lock);
	list_del(&host->node);
}

void host_debugfs_add_endpoint(struct vmbus_endpoint *ep)
{
	guard(mutex)(&lists_lock);
	list_add_tail(&ep->node, &endpoints);
}

void host_debugfs_remove_endpoint(struct vmbus_endpoint *ep)
{
	guard(mutex)(&lists_lock);
	list_del(&ep->node);
}

void host_debugfs_init(void)
{
	host_debugfs = debugfs_create_dir("vmbus_host", NULL);
	debugfs_create_file("guests", 0400, host_debugfs, NULL, &guests_fops);
	debugfs_create_file("endpoints", 0400, host_debugfs, NULL, &endpoints_fops);
}

void host_debugfs_exit(void)
{
	debugfs_remove_recursive(host_debugfs);
}
