// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/debug/vmbus_host/guests: one line per guest; endpoints: one line per
 * channel of every guest.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "host.h"

static struct dentry *host_debugfs;

static void guest_show(struct vmbus_guest *guest, void *m)
{
	seq_printf(m, "%d channels %u bad-messages %u\n", guest->owner,
		   atomic_read(&guest->nr_endpoints), atomic_read(&guest->nr_bad));
}

static int guests_show(struct seq_file *m, void *unused)
{
	seq_puts(m, "# pid counts\n");
	vmbus_guest_for_each(guest_show, m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(guests);

static bool glance(const bool *flag)
{
	/* Lockless: debugfs may show flags of different moments. */
	return data_race(*flag);
}

static void endpoint_show(struct vmbus_endpoint *ep, void *m)
{
	struct endpoint_counts *c = &ep->counts;

	seq_printf(m, "%d %u %pUl %pUl %s%s%s opens %lld refused %lld kicks %lld calls %llu received %llu sent %llu%s%s\n",
		   ep->guest->owner, ep->relid, &ep->dev->if_type, &ep->dev->if_instance,
		   vmbus_ep_state_name(ep),
		   glance(&ep->rescinded) ? " rescinded" : "",
		   glance(&ep->released) ? " released" : "",
		   atomic64_read(&c->opens), atomic64_read(&c->refused),
		   atomic64_read(&c->kicks), READ_ONCE(c->calls),
		   READ_ONCE(c->received), READ_ONCE(c->sent),
		   glance(&ep->in.mem.broken) ? " bad-in-ring" : "",
		   glance(&ep->out.mem.broken) ? " bad-out-ring" : "");
}

static int endpoints_show(struct seq_file *m, void *unused)
{
	seq_puts(m, "# pid relid if_type if_instance state counts\n");
	vmbus_ep_for_each(endpoint_show, m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(endpoints);

/**
 * vmbus_host_debugfs_init() - Make the directory of the module
 *
 * Nothing needs it: what fails is not there.
 *
 * Context: process, when the module is loaded.
 */
void vmbus_host_debugfs_init(void)
{
	host_debugfs = debugfs_create_dir("vmbus_host", NULL);
	debugfs_create_file("guests", 0400, host_debugfs, NULL, &guests_fops);
	debugfs_create_file("endpoints", 0400, host_debugfs, NULL, &endpoints_fops);
}

/**
 * vmbus_host_debugfs_exit() - Undo vmbus_host_debugfs_init()
 *
 * Context: process, when no guest is left.
 */
void vmbus_host_debugfs_exit(void)
{
	debugfs_remove_recursive(host_debugfs);
}
