// SPDX-License-Identifier: GPL-2.0
/*
 * The module.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/module.h>
#include <linux/workqueue.h>

#include "priv.h"

static int __init vmbus_gpadl_init(void)
{
	int ret;

	gpadl_wq = alloc_workqueue("vmbus_gpadl", WQ_UNBOUND, 0);
	if (!gpadl_wq)
		return -ENOMEM;
	ret = gpadl_workers_init();
	if (ret) {
		destroy_workqueue(gpadl_wq);
		return ret;
	}
	gpadl_debugfs_init();
	return 0;
}

static void __exit vmbus_gpadl_exit(void)
{
	/*
	 * Each partition held a channel layer, which held us: so none is left, but the work item
	 * that freed the last may still be returning.
	 */
	destroy_workqueue(gpadl_wq);
	gpadl_workers_exit();
	gpadl_debugfs_exit();
	/* Page lists and tables are freed by kvfree_rcu(), which is not module code. */
}

module_init(vmbus_gpadl_init);
module_exit(vmbus_gpadl_exit);

MODULE_DESCRIPTION("Host side of Hyper-V VMBus GPADL mapping");
MODULE_AUTHOR("The vmbus_gpadl_map developers");
MODULE_VERSION(VMBUS_VERSION);
MODULE_LICENSE("GPL");
