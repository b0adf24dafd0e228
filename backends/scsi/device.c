// SPDX-License-Identifier: GPL-2.0
/*
 * Controllers: what goes for all channels of one.
 *
 * When logical units come or go the guest is told, by ENUMERATE_BUS on the primary channel.
 * A Linux guest crashes if that comes before its driver is set up, of which the host sees
 * nothing but the first command: until then it is kept. What came before the end of the
 * initialisation is forgotten: the guest looks for all that there is anyway.
 */
#include <linux/jiffies.h>
#include <linux/list.h>

#include "scsi.h"

/* close() waits for what is in it, and may run where memory is being reclaimed. */
struct workqueue_struct *vscsi_wq;

static const struct vstor_luns no_luns;

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
 * vscsi_device_del_channel() - A channel has closed: it has no command, and nobody kicks it
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

/*
 * It is being unplugged: note that the guest was heard, and how long it was not. Channels may do
 * this at the same time: what one of them overwrites is as recent.
 */
static void device_heard(struct vscsi_device *dev)
{
	/* Less than nothing, if another channel was heard meanwhile */
	long pause = jiffies - READ_ONCE(dev->heard);

	if (pause > READ_ONCE(dev->pause))
		WRITE_ONCE(dev->pause, pause);
	WRITE_ONCE(dev->heard, jiffies);
}

/**
 * vscsi_device_started() - The guest has sent a command
 * @dev: the device
 *
 * Context: process.
 */
void vscsi_device_started(struct vscsi_device *dev)
{
	/* Pairs with vscsi_unplug(): whoever sees that it is unplugged sees since when. */
	if (unlikely(smp_load_acquire(&dev->unplugging)))
		device_heard(dev);
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

/**
 * vscsi_device_luns() - Logical units that the guest may know of
 * @dev: the device
 *
 * Context: any.
 * Return: those of its portal group; none if it is being unplugged.
 */
const struct vstor_luns *vscsi_device_luns(const struct vscsi_device *dev)
{
	return READ_ONCE(dev->unplugging) ? &no_luns : &dev->tpg->luns;
}
