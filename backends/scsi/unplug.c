// SPDX-License-Identifier: GPL-2.0
/*
 * A controller that the VMM wants to take away.
 *
 * A Linux guest loses commands when its controller is rescinded: it looks into the ring no
 * more, so an answer that is there already is not seen; and what its driver is given to send
 * from then on is dropped, and never completed. The synchronisation of the cache, by which it
 * says farewell to each disk, is one of these. A wait for such a command never ends.
 *
 * So the disks go first, as if each of them were removed: commands hear that there is no such
 * logical unit, and ENUMERATE_BUS has the guest look. It lets go of them while the channel works.
 * The host does not see the end of that, but that the guest has gone quiet: nothing is under
 * way, and no command has come for a while.
 */
#include <linux/jiffies.h>
#include <linux/workqueue.h>

#include "scsi.h"

/*
 * How often it is looked whether the guest is quiet, and for how long it is to be: a guest whose
 * processors get little time has pauses of seconds between two commands.
 */
#define UNPLUG_LOOK	(HZ / 4)
#define UNPLUG_QUIET	(5 * HZ)

static bool device_is_quiet(struct vscsi_device *dev)
{
	struct vscsi_channel *chan;
	bool quiet;

	/* A guest that has sent no command knows no disk, and is not told. */
	quiet = (!READ_ONCE(dev->rescan) || !READ_ONCE(dev->started)) &&
		time_after(jiffies, READ_ONCE(dev->heard) + UNPLUG_QUIET);
	spin_lock(&dev->lock);
	list_for_each_entry(chan, &dev->channels, node)
		quiet = quiet && !vscsi_channel_requests(chan);
	spin_unlock(&dev->lock);
	return quiet;
}

static void device_rescind(struct vscsi_device *dev)
{
	if (!xchg(&dev->unplugged, true))
		vmbus_device_rescind(dev->dev);
}

static void unplug_look(struct work_struct *work)
{
	struct vscsi_device *dev = container_of(to_delayed_work(work), struct vscsi_device,
						unplug_work);

	if (device_is_quiet(dev))
		device_rescind(dev);
	else
		queue_delayed_work(vscsi_wq, &dev->unplug_work, UNPLUG_LOOK);
}

/**
 * vscsi_unplug_init() - Prepare what this file does for a new device
 * @dev: the device
 *
 * Context: any.
 */
void vscsi_unplug_init(struct vscsi_device *dev)
{
	INIT_DELAYED_WORK(&dev->unplug_work, unplug_look);
}

/**
 * vscsi_unplug() - The VMM wants to take a controller away: have the guest let go of it
 * @ep: endpoint of its primary channel
 *
 * Context: process, work of that channel. Waits for nothing.
 */
void vscsi_unplug(struct vmbus_endpoint *ep)
{
	struct vscsi_device *dev = vmbus_device_data(vmbus_endpoint_device(ep));

	if (dev->vstor.state != VSTOR_STATE_READY) {
		device_rescind(dev);
		return;
	}
	if (READ_ONCE(dev->unplugging))
		return;
	WRITE_ONCE(dev->heard, jiffies);
	WRITE_ONCE(dev->unplugging, true);
	vscsi_device_luns_changed(dev);
	queue_delayed_work(vscsi_wq, &dev->unplug_work, UNPLUG_LOOK);
}

/**
 * vscsi_unplug_close() - The primary channel closes: nobody is to let go any more
 * @dev: the device
 *
 * Context: process, close() of that channel. May sleep.
 */
void vscsi_unplug_close(struct vscsi_device *dev)
{
	cancel_delayed_work_sync(&dev->unplug_work);
	if (dev->unplugging)
		device_rescind(dev);
}
