// SPDX-License-Identifier: GPL-2.0
/*
 * Controllers: what a VMM has configured, and what goes for all channels of one.
 *
 * When logical units come or go the guest is told, by ENUMERATE_BUS on the primary channel.
 * A Linux guest crashes if that comes before its driver is set up, of which the host sees
 * nothing but the first command: until then it is kept. What came before the end of the
 * initialisation is forgotten: the guest looks for all that there is anyway.
 */
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "gpadl/compat.h"
#include "scsi.h"

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

struct vmbus_backend vscsi_backend = {
	.owner = THIS_MODULE,
	.name = "scsi",
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

/* ---- Channels ---- */

/**
 * vscsi_device_add_channel() - A channel is open
 * @dev: its device
 * @chan: the channel; the primary one comes first, and begins anew
 *
 * Context: process.
 */
void vscsi_device_add_channel(struct vscsi_device *dev, struct vscsi_channel *chan)
{
	spin_lock(&dev->lock);
	if (!vmbus_endpoint_index(chan->ep)) {
		vstor_start(&dev->vstor);
		WRITE_ONCE(dev->started, false);
		WRITE_ONCE(dev->rescan, false);
		list_add(&chan->node, &dev->channels);
	} else {
		list_add_tail(&chan->node, &dev->channels);
	}
	spin_unlock(&dev->lock);
}

/**
 * vscsi_device_del_channel() - A channel is closing: nobody kicks it any more
 * @dev: its device
 * @chan: the channel
 *
 * Context: process.
 */
void vscsi_device_del_channel(struct vscsi_device *dev, struct vscsi_channel *chan)
{
	spin_lock(&dev->lock);
	list_del(&chan->node);
	spin_unlock(&dev->lock);
}

/* Have the primary channel called, or all of them. */
static void device_kick(struct vscsi_device *dev, bool all)
{
	struct vscsi_channel *chan;

	spin_lock(&dev->lock);
	list_for_each_entry(chan, &dev->channels, node) {
		if (all || !vmbus_endpoint_index(chan->ep))
			vmbus_endpoint_kick(chan->ep);
	}
	spin_unlock(&dev->lock);
}

/**
 * vscsi_device_ready() - The guest has initialised the controller
 * @dev: the device
 *
 * Sub-channels that were opened before go on.
 *
 * Context: process, in kick() of the primary channel.
 */
void vscsi_device_ready(struct vscsi_device *dev)
{
	WRITE_ONCE(dev->rescan, false);
	device_kick(dev, true);
}

/**
 * vscsi_device_started() - The guest has sent a command
 * @dev: the device
 *
 * Context: process.
 */
void vscsi_device_started(struct vscsi_device *dev)
{
	if (unlikely(READ_ONCE(dev->unplugging)))
		WRITE_ONCE(dev->heard, jiffies);
	if (READ_ONCE(dev->started))
		return;
	WRITE_ONCE(dev->started, true);
	device_kick(dev, false);
}

/**
 * vscsi_device_luns_changed() - A logical unit has come or gone
 * @dev: the device
 *
 * Context: process.
 */
void vscsi_device_luns_changed(struct vscsi_device *dev)
{
	WRITE_ONCE(dev->rescan, true);
	/* What waits need not wait any more if it is not for the only one now. */
	device_kick(dev, true);
}

/**
 * vscsi_luns_share() - Do several logical units share the channels of a device?
 * @dev: the device
 *
 * Context: any.
 * Return: true if so.
 */
bool vscsi_luns_share(const struct vscsi_device *dev)
{
	return READ_ONCE(dev->tpg->nr_luns) > 1;
}
