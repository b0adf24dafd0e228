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
 * way, and no command has come for a while. How long that is depends on the guest: one whose
 * processors get little time has pauses of seconds between two commands, and then pauses again.
 */
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/workqueue.h>

#include "scsi.h"

/*
 * How often it is looked whether the guest is quiet, and for how long it is to be: so much, and
 * so many times its longest pause until now, up to a bound.
 */
#define UNPLUG_LOOK		(HZ / 4)
#define UNPLUG_QUIET		(5 * HZ)
#define UNPLUG_PAUSES		4
#define UNPLUG_QUIET_MOST	(30L * HZ)

static bool device_is_silent(struct vscsi_device *dev)
{
	/* Bounded, so that no product of it wraps */
	long pause = min(READ_ONCE(dev->pause), UNPLUG_QUIET_MOST);
	long quiet = min(UNPLUG_QUIET + UNPLUG_PAUSES * pause, UNPLUG_QUIET_MOST);

	return time_after(jiffies, READ_ONCE(dev->heard) + quiet);
}

static bool device_is_busy(struct vscsi_device *dev)
{
	struct vscsi_channel *chan;
	bool busy = false;

	spin_lock(&dev->lock);
	list_for_each_entry(chan, &dev->channels, node)
		busy |= vscsi_channel_requests(chan);
	spin_unlock(&dev->lock);
	return busy;
}

static void device_rescind(struct vscsi_device *dev)
{
	if (!xchg(&dev->unplugged, true))
		vmbus_device_rescind(dev->dev);
}

/* Has the guest not been told yet? One that has sent no command knows no disk, and is not told. */
static bool device_is_to_tell(struct vscsi_device *dev)
{
	return READ_ONCE(dev->rescan) && READ_ONCE(dev->started);
}

static void unplug_look(struct work_struct *work)
{
	struct vscsi_device *dev = container_of(to_delayed_work(work), struct vscsi_device,
						unplug_work);
	/* First, as a command that is taken in meanwhile is under way then ... */
	bool silent = device_is_silent(dev);

	if (device_is_to_tell(dev) || device_is_busy(dev)) {
		/* While the guest waits for the host, its pause has not begun. */
		WRITE_ONCE(dev->heard, jiffies);
		silent = false;
	}
	/* ... and once more, as one that has ended since was heard. */
	if (silent && device_is_silent(dev))
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
	/* Pairs with vscsi_device_started(). */
	smp_store_release(&dev->unplugging, true);
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
