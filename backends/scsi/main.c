// SPDX-License-Identifier: GPL-2.0
/*
 * vmbus_scsi.ko: disks for guests that were made for Hyper-V, out of the kernel's SCSI target.
 *
 * The module, and its devices: what a VMM has configured becomes a controller here.
 */
#include <linux/errno.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "scsi.h"

/* ---- Devices ---- */

#define TRANSFER_DEFAULT	SZ_1M
#define TRANSFER_UNIT		4096u

static int config_check(const struct vmbus_host_scsi_config *config)
{
	u32 bytes = config->max_transfer_bytes;

	if (config->flags)
		return -EOPNOTSUPP;
	if (!config->wwpn[0] || strnlen(config->wwpn, sizeof(config->wwpn)) ==
	    sizeof(config->wwpn))
		return -EINVAL;
	if (config->subchannels > VMBUS_HOST_SCSI_SUBCHANNELS_MAX)
		return -EINVAL;
	if (bytes && (bytes < VMBUS_HOST_SCSI_TRANSFER_MIN ||
		      bytes > VMBUS_HOST_SCSI_TRANSFER_MAX || bytes % TRANSFER_UNIT))
		return -EINVAL;
	return 0;
}

static struct vscsi_device *device_create(struct vmbus_device *vdev,
					  const struct vmbus_host_scsi_config *config)
{
	struct vscsi_device *dev = kzalloc(sizeof(*dev), GFP_KERNEL_ACCOUNT);

	if (!dev)
		return NULL;
	dev->dev = vdev;
	spin_lock_init(&dev->lock);
	INIT_LIST_HEAD(&dev->channels);
	vscsi_unplug_init(dev);
	vstor_start(&dev->vstor);
	dev->vstor.max_subchannels = config->subchannels;
	dev->vstor.max_transfer_bytes = config->max_transfer_bytes ?: TRANSFER_DEFAULT;
	return dev;
}

static int vscsi_probe(struct vmbus_device *vdev, const void *data, size_t len)
{
	struct vmbus_host_scsi_config config;
	struct vscsi_device *dev;
	int ret;

	ret = vmbus_config_copy(&config, sizeof(config), sizeof(config), data, len);
	if (!ret)
		ret = config_check(&config);
	if (ret)
		return ret;
	dev = device_create(vdev, &config);
	if (!dev)
		return -ENOMEM;
	ret = vscsi_tpg_bind(dev, config.wwpn, config.tpgt);
	if (ret) {
		kfree(dev);
		return ret;
	}
	vmbus_device_set_data(vdev, dev);
	return 0;
}

static void vscsi_remove(struct vmbus_device *vdev)
{
	struct vscsi_device *dev = vmbus_device_data(vdev);

	vscsi_tpg_unbind(dev);
	kfree(dev);
}

static struct vmbus_backend vscsi_backend = {
	.owner = THIS_MODULE,
	.name = KBUILD_MODNAME,
	.if_type = GUID_INIT(0xba6163d9, 0x04a1, 0x4d29,
			     0xb6, 0x05, 0x72, 0xe2, 0xff, 0xb1, 0xdc, 0x7f),
	.max_subchannels = VMBUS_HOST_SCSI_SUBCHANNELS_MAX,
	.probe = vscsi_probe,
	.remove = vscsi_remove,
	.open = vscsi_channel_open,
	.close = vscsi_channel_close,
	.kick = vscsi_channel_kick,
	.unplug = vscsi_unplug,
	.show = vscsi_channel_show,
};

/* ---- The module ---- */

static int __init vscsi_init(void)
{
	int ret;

	vscsi_wq = alloc_workqueue("vmbus_scsi", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!vscsi_wq)
		return -ENOMEM;
	ret = vscsi_reserve_module_init();
	if (ret)
		goto err_wq;
	ret = vscsi_fabric_register();
	if (ret)
		goto err_reserve;
	/* The last: from here on there may be devices. */
	ret = vmbus_backend_register(&vscsi_backend);
	if (ret)
		goto err_fabric;
	return 0;

err_fabric:
	vscsi_fabric_unregister();
err_reserve:
	vscsi_reserve_module_exit();
err_wq:
	destroy_workqueue(vscsi_wq);
	return ret;
}

static void __exit vscsi_exit(void)
{
	vmbus_backend_unregister(&vscsi_backend);
	vscsi_fabric_unregister();
	/* What calls the target core last may be on its way back: see vscsi_tpg_unbind(). */
	synchronize_rcu_tasks();
	vscsi_reserve_module_exit();
	destroy_workqueue(vscsi_wq);
}

module_init(vscsi_init);
module_exit(vscsi_exit);

MODULE_DESCRIPTION("VMBus synthetic SCSI on the kernel's SCSI target");
MODULE_AUTHOR("The vmbus_gpadl_map developers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(VMBUS_HOST_NS);
MODULE_IMPORT_NS(VMBUS_GPADL_NS);
MODULE_ALIAS_VMBUS_BACKEND("ba6163d9-04a1-4d29-b605-72e2ffb1dc7f");
