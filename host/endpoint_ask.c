// SPDX-License-Identifier: GPL-2.0
/*
 * What is asked of an endpoint: by a message of the guest, an ioctl, or the last close of the
 * file. Each sets flags and queues the state work (endpoint_state.c); none waits. And what the
 * mapper asks for, which wants a mapping back: that is work of the channel already, and calls
 * the backend.
 */
#include <linux/errno.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "gpadl/compat.h"
#include "endpoint_ring.h"
#include "endpoint_state.h"
#include "host.h"

/* Called with the device's lock held. Returns 0, or why the guest cannot open it now. */
static int endpoint_may_open(const struct vmbus_endpoint *ep)
{
	const struct vmbus_endpoint *primary = ep->dev->primary;

	lockdep_assert_held(&ep->dev->lock);
	if (ep->rescinded)
		return -ESHUTDOWN;
	if (ep->request.reply)
		return -EBUSY;
	if (!ep->close && (ep->state == ENDPOINT_OPENING || ep->state == ENDPOINT_OPEN))
		return -EBUSY;
	if (!vmbus_ep_is_primary(ep) && (primary->state != ENDPOINT_OPEN || primary->close))
		return -EBUSY;
	return 0;
}

/**
 * vmbus_ep_open() - The guest opens the channel
 * @ep: the endpoint
 * @req: what it asks for; its reply is spent when this returns
 *
 * Context: process. Waits for nothing; guest.lock is held.
 */
void vmbus_ep_open(struct vmbus_endpoint *ep, const struct open_request *req)
{
	struct open_request refused = *req;
	int ret;

	lockdep_assert_held(&ep->guest->lock);
	spin_lock(&ep->dev->lock);
	ret = endpoint_may_open(ep);
	if (ret) {
		vmbus_ep_answer_open(ep, &refused, ret);
	} else {
		ep->request = *req;
		endpoint_queue(ep);
	}
	spin_unlock(&ep->dev->lock);
}

static void endpoint_close_one(struct vmbus_endpoint *ep, enum endpoint_close mode)
{
	if (ep->request.reply) {
		if (mode == ENDPOINT_CLOSE_QUIETLY)
			vmbus_ep_cancel_open(ep, &ep->request);
		else
			vmbus_ep_answer_open(ep, &ep->request, -ECANCELED);
		wake_up_all(&ep->guest->wait);
	}
	if (ep->state == ENDPOINT_OPENING || ep->state == ENDPOINT_OPEN ||
	    ep->state == ENDPOINT_DRAINING) {
		ep->close = max_t(u8, ep->close, mode);
		endpoint_queue(ep);
	}
}

/* With a primary, its sub-channels close. */
static void endpoint_close_locked(struct vmbus_endpoint *ep, enum endpoint_close mode)
{
	struct vmbus_endpoint *sub;

	lockdep_assert_held(&ep->dev->lock);
	if (vmbus_ep_is_primary(ep))
		list_for_each_entry(sub, &ep->dev->endpoints, sibling)
			if (sub != ep)
				endpoint_close_one(sub, ENDPOINT_CLOSE);
	endpoint_close_one(ep, mode);
}

/**
 * vmbus_ep_close() - Have the channel closed
 * @ep: the endpoint
 * @mode: whether an OPENCHANNEL that waits is answered
 *
 * Context: process. Waits for nothing; the caller holds a reference.
 */
void vmbus_ep_close(struct vmbus_endpoint *ep, enum endpoint_close mode)
{
	spin_lock(&ep->dev->lock);
	endpoint_close_locked(ep, mode);
	spin_unlock(&ep->dev->lock);
}

/**
 * vmbus_ep_rescind_locked() - Have the channel closed, for good
 * @ep: the endpoint; with a primary, all of its device
 *
 * Context: process, the device's lock is held. Waits for nothing.
 */
void vmbus_ep_rescind_locked(struct vmbus_endpoint *ep)
{
	struct vmbus_endpoint *sub;

	lockdep_assert_held(&ep->dev->lock);
	/* vmbus_ep_relid_released() looks without the lock. */
	WRITE_ONCE(ep->rescinded, true);
	if (vmbus_ep_is_primary(ep))
		list_for_each_entry(sub, &ep->dev->endpoints, sibling)
			WRITE_ONCE(sub->rescinded, true);
	endpoint_close_locked(ep, ENDPOINT_CLOSE);
}

/**
 * vmbus_ep_rescind() - Have the channel closed, for good
 * @ep: the endpoint; with a primary, all of its device
 *
 * Context: process. Waits for nothing; the caller holds a reference.
 */
void vmbus_ep_rescind(struct vmbus_endpoint *ep)
{
	spin_lock(&ep->dev->lock);
	vmbus_ep_rescind_locked(ep);
	spin_unlock(&ep->dev->lock);
}

/* Nothing to wait for: only a device has a remove(). */
static bool endpoint_can_be_removed_now(const struct vmbus_endpoint *ep)
{
	return ep->state == ENDPOINT_CLOSED && ep->dying && !ep->request.reply &&
	       endpoint_is_last(ep);
}

/* Remove a closed endpoint at once, or leave it to the state work. */
static void endpoint_die_one(struct vmbus_endpoint *ep)
{
	ep->dying = true;
	if (!vmbus_ep_is_primary(ep) && !ep->abandoned && endpoint_can_be_removed_now(ep)) {
		endpoint_set_state(ep, ENDPOINT_REMOVED);
		/* It may be waiting for its last sub-channel, as in vmbus_ep_do_remove(). */
		endpoint_queue(ep->dev->primary);
		wake_up_all(&ep->guest->wait);
	} else {
		endpoint_queue(ep);
	}
}

/*
 * Take a primary for removal, if no remove() may take its time: then the caller removes it,
 * before the state work could.
 */
static bool endpoint_remove_begin(struct vmbus_endpoint *ep)
{
	if (!vmbus_ep_is_primary(ep) || !endpoint_can_be_removed_now(ep) ||
	    ep->dev->backend->remove)
		return false;
	endpoint_set_state(ep, ENDPOINT_REMOVING);
	return true;
}

/* Returns whether the caller, which may sleep, is to do vmbus_ep_do_remove(). */
static bool endpoint_die_locked(struct vmbus_endpoint *ep, bool may_remove)
{
	struct vmbus_endpoint *sub;

	vmbus_ep_rescind_locked(ep);
	if (vmbus_ep_is_primary(ep)) {
		ep->dev->dying = true;
		list_for_each_entry(sub, &ep->dev->endpoints, sibling)
			if (sub != ep)
				endpoint_die_one(sub);
	}
	ep->dying = true;
	if (may_remove && endpoint_remove_begin(ep))
		return true;
	endpoint_die_one(ep);
	return false;
}

/**
 * vmbus_ep_die_all() - Have all channels of a device removed
 * @dev: the device
 *
 * Context: process, the device's lock is held. Waits for nothing.
 */
void vmbus_ep_die_all(struct vmbus_device *dev)
{
	lockdep_assert_held(&dev->lock);
	dev->dying = true;
	if (dev->primary)
		endpoint_die_locked(dev->primary, false);
}

/**
 * vmbus_ep_die() - Have the channel removed
 * @ep: the endpoint; with a primary, all of its device
 *
 * As vmbus_ep_rescind(), and then the backend hears no more of it: after a primary's last
 * close(), remove() is called.
 *
 * Context: process, may sleep. Waits for no backend; the caller holds a reference.
 */
void vmbus_ep_die(struct vmbus_endpoint *ep)
{
	bool remove;

	spin_lock(&ep->dev->lock);
	remove = endpoint_die_locked(ep, true);
	spin_unlock(&ep->dev->lock);
	if (remove)
		vmbus_ep_do_remove(ep);
}
EXPORT_SYMBOL_IF_KUNIT(vmbus_ep_die);

/**
 * vmbus_ep_abandon() - As vmbus_ep_die(), and nobody comes back for it
 * @ep: the endpoint, with a reference, which is spent
 *
 * The guest hears nothing of it any more.
 *
 * Context: process. Waits for nothing.
 */
void vmbus_ep_abandon(struct vmbus_endpoint *ep)
{
	bool removed;

	spin_lock(&ep->dev->lock);
	endpoint_close_locked(ep, ENDPOINT_CLOSE_QUIETLY);
	endpoint_die_locked(ep, false);
	removed = ep->state == ENDPOINT_REMOVED;
	ep->abandoned = true;
	spin_unlock(&ep->dev->lock);
	if (removed)
		vmbus_ep_put(ep);
}

/**
 * vmbus_ep_retarget() - The guest wants the channel's interrupts elsewhere
 * @ep: the endpoint, held by the caller
 * @target_vp: where; VMBUS_NO_TARGET: it wants none
 *
 * Context: process. Waits for nothing.
 */
void vmbus_ep_retarget(struct vmbus_endpoint *ep, u32 target_vp)
{
	spin_lock(&ep->dev->lock);
	if (ep->target_vp != target_vp) {
		WRITE_ONCE(ep->target_vp, target_vp);
		ep->retarget = true;
		endpoint_queue(ep);
	}
	spin_unlock(&ep->dev->lock);
}

/**
 * vmbus_ep_relid_released() - The guest has released the channel
 * @ep: the endpoint
 *
 * It hears nothing more of it: what waits is dropped, and if the channel was rescinded,
 * nothing comes. One that was not can be offered and used again.
 *
 * Context: process. Waits for nothing; guest.lock is held.
 */
void vmbus_ep_relid_released(struct vmbus_endpoint *ep)
{
	lockdep_assert_held(&ep->guest->lock);
	vmbus_ep_close(ep, ENDPOINT_CLOSE_QUIETLY);
	vmbus_gpadl_channel_relid_released(ep->chan);
	ep->released = READ_ONCE(ep->rescinded);
}

static bool endpoint_is_idle_locked(const struct vmbus_endpoint *ep, bool removed)
{
	if (removed && ep->state != ENDPOINT_REMOVED)
		return false;
	return !endpoint_is_in_use(ep) && !ep->request.reply &&
	       !vmbus_gpadl_channel_is_busy(ep->chan);
}

/**
 * vmbus_ep_is_idle() - Has what vmbus_ep_rescind() or vmbus_ep_die() asked for been done?
 * @ep: the endpoint, held by the caller; with a primary, all of its device
 * @removed: it is the latter
 *
 * Once true, it stays true. guest.wait is woken when it becomes true.
 *
 * Context: process, also under a spinlock.
 * Return: true if so.
 */
bool vmbus_ep_is_idle(struct vmbus_endpoint *ep, bool removed)
{
	struct vmbus_endpoint *sub;
	bool idle;

	spin_lock(&ep->dev->lock);
	idle = endpoint_is_idle_locked(ep, removed);
	if (vmbus_ep_is_primary(ep))
		list_for_each_entry(sub, &ep->dev->endpoints, sibling)
			idle = idle && endpoint_is_idle_locked(sub, removed);
	spin_unlock(&ep->dev->lock);
	return idle;
}
EXPORT_SYMBOL_IF_KUNIT(vmbus_ep_is_idle);

/**
 * vmbus_ep_is_dying() - Is the endpoint to be removed, or has been?
 * @ep: the endpoint, held by the caller
 *
 * Context: process, also under a spinlock.
 * Return: true if so: it stays so.
 */
bool vmbus_ep_is_dying(struct vmbus_endpoint *ep)
{
	bool dying;

	spin_lock(&ep->dev->lock);
	dying = ep->dying;
	spin_unlock(&ep->dev->lock);
	return dying;
}

/**
 * vmbus_ep_reset() - Have the channel closed; the guest may open it again at once
 * @ep: the endpoint
 *
 * Context: process. Waits for nothing; the caller holds a reference.
 */
void vmbus_ep_reset(struct vmbus_endpoint *ep)
{
	spin_lock(&ep->dev->lock);
	endpoint_close_locked(ep, ENDPOINT_CLOSE_QUIETLY);
	ep->reset_at = ep->nr_closed + endpoint_is_in_use(ep);
	spin_unlock(&ep->dev->lock);
}

/**
 * vmbus_ep_is_reset() - Has what vmbus_ep_reset() found been closed?
 * @ep: the endpoint, held by the caller
 *
 * Not whether the endpoint is closed now: the guest can reopen it any time, and could keep
 * the caller waiting for ever. guest.wait is woken when this becomes true.
 *
 * Context: process, also under a spinlock.
 * Return: true if so.
 */
bool vmbus_ep_is_reset(struct vmbus_endpoint *ep)
{
	bool reset;

	spin_lock(&ep->dev->lock);
	reset = (s32)(ep->nr_closed - ep->reset_at) >= 0;
	spin_unlock(&ep->dev->lock);
	return reset;
}

/* ---- What the mapper asks for ---- */

/**
 * vmbus_ep_revoke() - Revoke a mapping
 * @chan: the channel
 * @map: the mapping
 *
 * A guest that tears down the rings of an open channel has closed it; and so has a VMM that takes
 * their memory away (VMBUS_HOST_SET_REGIONS_RETIRE), of which the guest knows nothing.
 *
 * Context: process, work of the channel.
 */
void vmbus_ep_revoke(struct vmbus_gpadl_channel *chan, struct vmbus_mapping *map)
{
	struct vmbus_endpoint *ep = vmbus_gpadl_channel_priv(chan);
	bool closes;
	u64 begin;

	if (!ep->opened)
		return;
	if (map == ep->rings) {
		/* A reset or a rescind wants all back, and closes it first. */
		spin_lock(&ep->dev->lock);
		closes = ep->close != ENDPOINT_KEEP;
		spin_unlock(&ep->dev->lock);
		if (!closes)
			vmbus_ep_tell_broken(ep);
		vmbus_ep_close(ep, ENDPOINT_CLOSE);
	} else if (ep->dev->backend->revoke) {
		begin = vmbus_ep_callback_begin(ep, "revoke");
		ep->dev->backend->revoke(ep, map);
		vmbus_ep_callback_end(ep, begin);
	}
}
