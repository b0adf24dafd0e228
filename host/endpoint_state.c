// SPDX-License-Identifier: GPL-2.0
/*
 * The host's end of a channel: opened and closed by the guest, served by a backend.
 *
 *	           OPENCHANNEL                     CLOSECHANNEL
 *	 CLOSED ----> OPENING ----> OPEN (the backend has it) ----> CLOSING ----> CLOSED
 *	  ^   |          |             \                             ^                |
 *	  |   |          |              `--> DRAINING ---------------'                |
 *	  |   |          |                   (of a primary: its sub-channels close)   |
 *	  `---(----------'  no ring, no backend, or it refuses    <------------------'
 *	      |
 *	      `----> REMOVING ----> REMOVED	(for good)
 *
 * A request (a message of the guest, an ioctl, the last close of the file) only sets flags
 * under the device's lock and queues the state work, which acts on the flags step by step.
 * So write() never waits for a backend, a close that arrives during the open undoes all of
 * it, and an open that arrives during the close is done after it.
 *
 * The state work, kick() and revoke() are work of the channel: they run one at a time.
 *
 * A sub-channel is open only while its primary is OPEN, and is removed before it. Each of
 * its steps that a primary may wait for queues the primary's state work.
 *
 * An OPENCHANNEL is answered exactly once, in the critical section that changes what it
 * tells of; or never, if the guest has released the channel or was reset.
 */
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "gpadl/compat.h"
#include "gpadl/wire.h"
#include "endpoint_ring.h"
#include "host.h"
#include "trace.h"

/* ---- Answers ---- */

#define STATUS_UNSUCCESSFUL		0xC0000001u
#define STATUS_NO_SUCH_DEVICE		0xC000000Eu
#define STATUS_DELETE_PENDING		0xC0000056u
#define STATUS_INVALID_DEVICE_STATE	0xC0000184u

/* NTSTATUS for the guest, which treats all but 0 alike and logs it. */
static u32 open_status(int err)
{
	switch (err) {
	case 0:
		return GPADL_STATUS_SUCCESS;
	case -EINVAL:
	case -ENOENT:
	case -EOPNOTSUPP:
		return GPADL_STATUS_INVALID_PARAMETER;
	case -ENOMEM:
		return GPADL_STATUS_INSUFFICIENT_RESOURCES;
	case -ENODEV:
		return STATUS_NO_SUCH_DEVICE;
	case -EBUSY:
		return STATUS_INVALID_DEVICE_STATE;
	case -ESHUTDOWN:
		return STATUS_DELETE_PENDING;
	case -ECANCELED:
		return GPADL_STATUS_CANCELLED;
	default:
		return STATUS_UNSUCCESSFUL;
	}
}

/* struct vmbus_channel_open_result */
struct open_result {
	__le32 type;
	__le32 padding;
	__le32 relid;
	__le32 openid;
	__le32 status;
};

static_assert(sizeof(struct open_result) <= VMBUS_GPADL_MAX_REPLY);

/* Ends @req. Called with the device's lock held. */
static void open_answer(struct vmbus_endpoint *ep, struct open_request *req, int err)
{
	struct open_result msg = {
		.type = cpu_to_le32(GPADL_MSG_OPENCHANNEL_RESULT),
		.relid = cpu_to_le32(ep->relid),
		.openid = cpu_to_le32(req->openid),
		.status = cpu_to_le32(open_status(err)),
	};

	lockdep_assert_held(&ep->dev->lock);
	vmbus_partition_queue_reply(ep->chan, req->reply, &msg, sizeof(msg));
	req->reply = NULL;
	atomic64_inc(err ? &ep->counts.refused : &ep->counts.opens);
}

static void open_cancel(struct vmbus_endpoint *ep, struct open_request *req)
{
	lockdep_assert_held(&ep->dev->lock);
	vmbus_partition_cancel_reply(ep->guest->p, req->reply);
	req->reply = NULL;
}

/* ---- State work ---- */

/*
 * A callback of the backend's begins. What is written here names the callback that everybody
 * waits for when it does not end. The time comes first: a reader of a name finds its time, or
 * a later one.
 */
static u64 callback_begin(struct vmbus_endpoint *ep, const char *name)
{
	WRITE_ONCE(ep->callback_since, jiffies);
	/* Pairs with the acquire in fdinfo.c. */
	smp_store_release(&ep->callback, name);
	return trace_vmbus_host_callback_enabled() ? ktime_get_ns() : 0;
}

static void callback_end(struct vmbus_endpoint *ep, u64 begin)
{
	trace_vmbus_host_callback(ep, begin);
	WRITE_ONCE(ep->callback, NULL);
}

/* Called with the device's lock held. */
static void endpoint_queue(struct vmbus_endpoint *ep)
{
	vmbus_gpadl_channel_queue_work(ep->chan, &ep->state_work);
}

/*
 * Nothing that was begun in open() goes on after this; open() may have refused. Holders of
 * the endpoint may still use the rings.
 */
static void endpoint_retire(struct vmbus_endpoint *ep)
{
	u64 begin = callback_begin(ep, "drain");

	vmbus_endpoint_drain(ep);
	callback_end(ep, begin);
	vmbus_ep_rings_unmap(ep);
	ep->opened = false;
	endpoint_set_data(ep, NULL);
}

static int endpoint_do_open(struct vmbus_endpoint *ep)
{
	u64 begin;
	int ret;

	ret = vmbus_ep_rings_map(ep);
	if (ret)
		return ret;
	ep->opened = true;
	vmbus_ep_revive(ep);
	vmbus_ep_completions_close(ep, false);
	begin = callback_begin(ep, "open");
	ret = ep->dev->backend->open(ep);
	callback_end(ep, begin);
	if (ret) {
		vmbus_ep_kill(ep);
		endpoint_retire(ep);
		return ret;
	}
	/* The guest may have signalled its first packets before anybody listened. */
	if (vmbus_ep_rings_have_input(ep))
		vmbus_ep_queue_kick(ep);
	return 0;
}

static void endpoint_do_close(struct vmbus_endpoint *ep)
{
	u64 begin = callback_begin(ep, "close");

	vmbus_ep_kill(ep);
	vmbus_ep_completions_close(ep, true);
	ep->dev->backend->close(ep);
	callback_end(ep, begin);
	endpoint_retire(ep);
	if (!vmbus_gpadl_channel_is_busy(ep->chan))
		return;
	WARN_ONCE(1, "vmbus_host: channel %u: backend %s left a GPADL mapped\n", ep->relid,
		  ep->dev->backend->name);
	spin_lock(&ep->dev->lock);
	ep->dev->owes = true;
	spin_unlock(&ep->dev->lock);
}

static void endpoint_do_retarget(struct vmbus_endpoint *ep)
{
	const struct vmbus_backend *backend = ep->dev->backend;
	u64 begin;

	if (!backend->retarget)
		return;
	begin = callback_begin(ep, "retarget");
	backend->retarget(ep, READ_ONCE(ep->target_vp));
	callback_end(ep, begin);
}

static void endpoint_set_closed(struct vmbus_endpoint *ep)
{
	lockdep_assert_held(&ep->dev->lock);
	endpoint_set_state(ep, ENDPOINT_CLOSED);
	ep->close = ENDPOINT_KEEP;
	ep->nr_closed++;
	/* It may have waited for this. */
	if (!vmbus_ep_is_primary(ep))
		endpoint_queue(ep->dev->primary);
	wake_up_all(&ep->guest->wait);
}

static void endpoint_finish_open(struct vmbus_endpoint *ep, int ret)
{
	spin_lock(&ep->dev->lock);
	if (ep->close == ENDPOINT_CLOSE_QUIETLY)
		open_cancel(ep, &ep->open);
	else
		open_answer(ep, &ep->open, ret ?: ep->close ? -ECANCELED : 0);
	if (ret)
		endpoint_set_closed(ep);
	else
		endpoint_set_state(ep, ENDPOINT_OPEN);
	spin_unlock(&ep->dev->lock);
	if (!ret)
		vmbus_ep_rings_opened(ep);
}

static void endpoint_finish_close(struct vmbus_endpoint *ep)
{
	spin_lock(&ep->dev->lock);
	endpoint_set_closed(ep);
	spin_unlock(&ep->dev->lock);
}

static void endpoint_do_remove(struct vmbus_endpoint *ep)
{
	struct vmbus_device *dev = ep->dev;
	bool abandoned;
	u64 begin;

	if (vmbus_ep_is_primary(ep)) {
		begin = callback_begin(ep, "remove");
		vmbus_host_device_remove(dev);
		callback_end(ep, begin);
	}
	spin_lock(&dev->lock);
	endpoint_set_state(ep, ENDPOINT_REMOVED);
	if (vmbus_ep_is_primary(ep))
		dev->primary = NULL;
	else
		endpoint_queue(dev->primary);
	abandoned = ep->abandoned;
	wake_up_all(&ep->guest->wait);
	spin_unlock(&dev->lock);
	if (abandoned)
		vmbus_ep_put(ep);
}

static bool endpoint_is_in_use(const struct vmbus_endpoint *ep)
{
	lockdep_assert_held(&ep->dev->lock);
	switch (ep->state) {
	case ENDPOINT_OPENING:
	case ENDPOINT_OPEN:
	case ENDPOINT_DRAINING:
	case ENDPOINT_CLOSING:
		return true;
	default:
		return false;
	}
}

static bool subchannels_are_closed(const struct vmbus_device *dev)
{
	struct vmbus_endpoint *ep;

	list_for_each_entry(ep, &dev->endpoints, sibling)
		if (!vmbus_ep_is_primary(ep) && endpoint_is_in_use(ep))
			return false;
	return true;
}

/* A primary is the last to go. */
static bool endpoint_is_last(const struct vmbus_endpoint *ep)
{
	struct vmbus_endpoint *sub;

	if (!vmbus_ep_is_primary(ep))
		return true;
	list_for_each_entry(sub, &ep->dev->endpoints, sibling)
		if (sub != ep && sub->state != ENDPOINT_REMOVED)
			return false;
	return true;
}

static enum endpoint_step endpoint_next_closed(struct vmbus_endpoint *ep)
{
	if (ep->request.reply) {
		ep->open = ep->request;
		ep->request.reply = NULL;
		WRITE_ONCE(ep->target_vp, ep->open.target_vp);
		ep->retarget = false;
		endpoint_set_state(ep, ENDPOINT_OPENING);
		return ENDPOINT_STEP_OPEN;
	}
	if (ep->dying && endpoint_is_last(ep)) {
		endpoint_set_state(ep, ENDPOINT_REMOVING);
		return ENDPOINT_STEP_REMOVE;
	}
	return ENDPOINT_STEP_NONE;
}

static enum endpoint_step endpoint_next_open(struct vmbus_endpoint *ep)
{
	if (ep->close && vmbus_ep_is_primary(ep) && !subchannels_are_closed(ep->dev)) {
		endpoint_set_state(ep, ENDPOINT_DRAINING);
		return ENDPOINT_STEP_NONE;
	}
	if (ep->close) {
		endpoint_set_state(ep, ENDPOINT_CLOSING);
		return ENDPOINT_STEP_CLOSE;
	}
	if (ep->retarget) {
		ep->retarget = false;
		return ENDPOINT_STEP_RETARGET;
	}
	return ENDPOINT_STEP_NONE;
}

/* Take up what is to be done next. */
static enum endpoint_step endpoint_next(struct vmbus_endpoint *ep)
{
	enum endpoint_step step = ENDPOINT_STEP_NONE;

	spin_lock(&ep->dev->lock);
	switch (ep->state) {
	case ENDPOINT_CLOSED:
		step = endpoint_next_closed(ep);
		break;
	case ENDPOINT_OPEN:
	case ENDPOINT_DRAINING:
		step = endpoint_next_open(ep);
		break;
	default:
		break;
	}
	spin_unlock(&ep->dev->lock);
	return step;
}

static void endpoint_state_work(struct vmbus_gpadl_work *work)
{
	struct vmbus_endpoint *ep =
		container_of(work, struct vmbus_endpoint, state_work);

	for (;;) {
		switch (endpoint_next(ep)) {
		case ENDPOINT_STEP_OPEN:
			endpoint_finish_open(ep, endpoint_do_open(ep));
			break;
		case ENDPOINT_STEP_RETARGET:
			endpoint_do_retarget(ep);
			break;
		case ENDPOINT_STEP_CLOSE:
			endpoint_do_close(ep);
			endpoint_finish_close(ep);
			break;
		case ENDPOINT_STEP_REMOVE:
			endpoint_do_remove(ep);
			return;
		default:
			return;
		}
	}
}

/* ---- What is asked for ---- */

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
		open_answer(ep, &refused, ret);
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
			open_cancel(ep, &ep->request);
		else
			open_answer(ep, &ep->request, -ECANCELED);
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
 * vmbus_ep_close() - The channel is to be closed
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
 * vmbus_ep_rescind_locked() - The channel is to be closed, and not to be opened again
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
 * vmbus_ep_rescind() - The channel is to be closed, and not to be opened again
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
		wake_up_all(&ep->guest->wait);
	} else {
		endpoint_queue(ep);
	}
}

/*
 * Of a primary, if there is no remove() that might take its time: then the caller is to do
 * it, before the state work could.
 */
static bool endpoint_remove_begin(struct vmbus_endpoint *ep)
{
	if (!vmbus_ep_is_primary(ep) || !endpoint_can_be_removed_now(ep) ||
	    ep->dev->backend->remove)
		return false;
	endpoint_set_state(ep, ENDPOINT_REMOVING);
	return true;
}

/* Returns whether the caller, which may sleep, is to do endpoint_do_remove(). */
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
 * vmbus_ep_die_all() - All channels of a device are to be removed
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
 * vmbus_ep_die() - The channel is to be removed
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
		endpoint_do_remove(ep);
}

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
 * vmbus_ep_relid_released() - The guest has nothing to do with the channel any more
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
 * vmbus_ep_is_idle() - Is what vmbus_ep_rescind() or vmbus_ep_die() has asked for done?
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
 * vmbus_ep_reset() - The channel is to be closed; the guest may open it again at once
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
 * vmbus_ep_is_reset() - Is closed what vmbus_ep_reset() has found?
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

/* ---- What the backend is told ---- */

static void endpoint_kick_work(struct vmbus_gpadl_work *work)
{
	struct vmbus_endpoint *ep =
		container_of(work, struct vmbus_endpoint, kick_work);

	u64 begin;

	if (!ep->opened)
		return;
	atomic64_inc(&ep->counts.kicks);
	vmbus_ep_rings_kicked(ep);
	vmbus_ep_completions_kick(ep);
	begin = callback_begin(ep, "kick");
	ep->dev->backend->kick(ep);
	callback_end(ep, begin);
}

/**
 * vmbus_ep_revoke() - A mapping is wanted back
 * @chan: the channel
 * @map: the mapping
 *
 * A guest that tears down the rings of an open channel has closed it.
 *
 * Context: process, work of the channel.
 */
void vmbus_ep_revoke(struct vmbus_gpadl_channel *chan, struct vmbus_mapping *map)
{
	struct vmbus_endpoint *ep = vmbus_gpadl_channel_priv(chan);
	u64 begin;

	if (!ep->opened)
		return;
	if (map == ep->rings) {
		vmbus_ep_close(ep, ENDPOINT_CLOSE);
	} else if (ep->dev->backend->revoke) {
		begin = callback_begin(ep, "revoke");
		ep->dev->backend->revoke(ep, map);
		callback_end(ep, begin);
	}
}

/**
 * vmbus_ep_state_init() - Prepare what this file does for a new endpoint
 * @ep: the endpoint
 *
 * Context: any.
 */
void vmbus_ep_state_init(struct vmbus_endpoint *ep)
{
	vmbus_gpadl_work_init(&ep->state_work, endpoint_state_work);
	vmbus_gpadl_work_init(&ep->kick_work, endpoint_kick_work);
}

/**
 * vmbus_ep_state_name() - State of an endpoint in words
 * @ep: the endpoint
 *
 * Context: any but hard interrupts.
 * Return: a word.
 */
const char *vmbus_ep_state_name(struct vmbus_endpoint *ep)
{
	static const char * const names[] = {
		[ENDPOINT_NEW] = "new",
		[ENDPOINT_CLOSED] = "closed",
		[ENDPOINT_OPENING] = "opening",
		[ENDPOINT_OPEN] = "open",
		[ENDPOINT_DRAINING] = "draining",
		[ENDPOINT_CLOSING] = "closing",
		[ENDPOINT_REMOVING] = "removing",
		[ENDPOINT_REMOVED] = "removed",
	};

	/* Lockless: the state may change before the caller looks, lock or not. */
	return names[data_race(READ_ONCE(ep->state))];
}
