// SPDX-License-Identifier: GPL-2.0
/*
 * The module.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/module.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "priv.h"

/**
 * vmbus_gpadl_flush() - Wait until every release() that is due has returned
 *
 * For the module_exit() of a channel layer, when its last release() has been called: the
 * work item that called it may still have to return.
 *
 * Context: process, may sleep.
 */
void vmbus_gpadl_flush(void)
{
	flush_workqueue(gpadl_wq);
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_flush, VMBUS_GPADL_NS);

static int __init vmbus_gpadl_init(void)
{
	gpadl_wq = alloc_workqueue("vmbus_gpadl", WQ_UNBOUND, 0);
	if (!gpadl_wq)
		return -ENOMEM;
	gpadl_debugfs_init();
	return 0;
}

static void __exit vmbus_gpadl_exit(void)
{
	/* Nobody can call in any more, but some may not be freed yet. */
	gpadl_partition_wait_gone();
	destroy_workqueue(gpadl_wq);
	gpadl_debugfs_exit();
	/* Page lists and tables are freed by kvfree_rcu(), which is not module code. */
}

module_init(vmbus_gpadl_init);
module_exit(vmbus_gpadl_exit);

MODULE_DESCRIPTION("Host side of Hyper-V VMBus GPADL mapping");
MODULE_AUTHOR("The vmbus_gpadl_map developers");
MODULE_LICENSE("GPL");
