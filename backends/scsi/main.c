// SPDX-License-Identifier: GPL-2.0
/*
 * vmbus_scsi.ko: disks for guests that were made for Hyper-V, out of the kernel's SCSI target.
 */
#include <linux/module.h>

#include "gpadl/compat.h"
#include "scsi.h"

static int __init vscsi_init(void)
{
	int ret;

	ret = vscsi_unplug_module_init();
	if (ret)
		return ret;
	ret = vscsi_fabric_register();
	if (ret)
		goto err_unplug;
	/* The last: from here on there may be devices. */
	ret = vmbus_backend_register(&vscsi_backend);
	if (ret)
		goto err_fabric;
	return 0;

err_fabric:
	vscsi_fabric_unregister();
err_unplug:
	vscsi_unplug_module_exit();
	return ret;
}

static void __exit vscsi_exit(void)
{
	vmbus_backend_unregister(&vscsi_backend);
	vscsi_fabric_unregister();
	vscsi_unplug_module_exit();
}

module_init(vscsi_init);
module_exit(vscsi_exit);

MODULE_DESCRIPTION("VMBus synthetic SCSI on the kernel's SCSI target");
MODULE_AUTHOR("The vmbus_gpadl_map developers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(VMBUS_HOST_NS);
MODULE_IMPORT_NS(VMBUS_GPADL_NS);
MODULE_ALIAS_VMBUS_BACKEND("ba6163d9-04a1-4d29-b605-72e2ffb1dc7f");
