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
 * A request (a message of the guest, an ioctl, the last close of the file; endpoint_ask.c) only
 * sets flags under the device's lock and queues the state work, which acts on the flags, one step
 * a run. So write() never waits for a backend, a close that arrives during the open undoes all of
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
#include "endpoint_state.h"
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

/**
 * vmbus_ep_answer_open() - Answer an OPENCHANNEL
 * @ep: the endpoint
 * @req: the request, which this ends
 * @err: 0, or a negative errno: why the channel is not open
 *
 * Context: any, under the device's lock.
 */
void vmbus_ep_answer_open(struct vmbus_endpoint *ep, struct open_request *req, int err)
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

/**
 * vmbus_ep_cancel_open() - Forget an OPENCHANNEL: the guest waits for no answer any more
 * @ep: the endpoint
 * @req: the request, which this ends
 *
 * Context: any, under the device's lock.
 */
void vmbus_ep_cancel_open(struct vmbus_endpoint *ep, struct open_request *req)
{
	lockdep_assert_held(&ep->dev->lock);
	vmbus_partition_cancel_reply(ep->guest->p, req->reply);
	req->reply = NULL;
}

/* ---- State work ---- */

/**
 * vmbus_ep_callback_begin() - A callback of the backend's is about to be called
 * @ep: the endpoint
 * @name: of the callback
 *
 * What is written here names the callback that everybody waits for when it does not end. The
 * time comes first: a reader of a name finds its time, or a later one.
 *
 * Context: process, work of the channel.
 * Return: for vmbus_ep_callback_end().
 */
u64 vmbus_ep_callback_begin(struct vmbus_endpoint *ep, const char *name)
{
	WRITE_ONCE(ep->callback_since, jiffies);
	/* Pairs with the acquire in fdinfo.c. */
	smp_store_release(&ep->callback, name);
	return trace_vmbus_host_callback_enabled() ? ktime_get_ns() : 0;
}

/**
 * vmbus_ep_callback_end() - A callback of the backend's has returned
 * @ep: the endpoint
 * @begin: what vmbus_ep_callback_begin() returned
 *
 * Context: process, work of the channel.
 */
void vmbus_ep_callback_end(struct vmbus_endpoint *ep, u64 begin)
{
	trace_vmbus_host_callback(ep, begin);
	WRITE_ONCE(ep->callback, NULL);
}

/*
 * Nothing that was begun in open() goes on after this; open() may have refused. Holders of
 * the endpoint may still use the rings.
 */
static void endpoint_retire(struct vmbus_endpoint *ep)
{
	u64 begin = vmbus_ep_callback_begin(ep, "drain");

	vmbus_endpoint_drain(ep);
	vmbus_ep_callback_end(ep, begin);
	vmbus_ep_rings_unmap(ep);
	ep->opened = false;
	endpoint_set_data(ep, NULL);
	if (!vmbus_gpadl_channel_owes(ep->chan))
		return;
	WARN_ONCE(1, "vmbus_host: channel %u: backend %s left a GPADL mapped\n", ep->relid,
		  ep->dev->backend->name);
	spin_lock(&ep->dev->lock);
	ep->dev->owes = true;
	spin_unlock(&ep->dev->lock);
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
	begin = vmbus_ep_callback_begin(ep, "open");
	ret = ep->dev->backend->open(ep);
	vmbus_ep_callback_end(ep, begin);
	if (ret) {
		vmbus_ep_kill(ep);
		vmbus_ep_completions_close(ep, true);
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
	u64 begin = vmbus_ep_callback_begin(ep, "close");

	vmbus_ep_kill(ep);
	vmbus_ep_completions_close(ep, true);
	ep->dev->backend->close(ep);
	vmbus_ep_callback_end(ep, begin);
	endpoint_retire(ep);
}

static void endpoint_do_retarget(struct vmbus_endpoint *ep)
{
	const struct vmbus_backend *backend = ep->dev->backend;
	u64 begin;

	/* An orphan gets only its close(): see endpoint_kick_work(). */
	if (!backend->retarget || vmbus_gpadl_channel_is_orphaned(ep->chan))
		return;
	begin = vmbus_ep_callback_begin(ep, "retarget");
	backend->retarget(ep, READ_ONCE(ep->target_vp));
	vmbus_ep_callback_end(ep, begin);
}

static void endpoint_set_closed(struct vmbus_endpoint *ep)
{
	lockdep_assert_held(&ep->dev->lock);
	endpoint_set_state(ep, ENDPOINT_CLOSED);
	ep->close = ENDPOINT_KEEP;
	ep->nr_closed++;
	vmbus_host_events_closed(ep->guest, ep->relid);
	/* It may have waited for this. */
	if (!vmbus_ep_is_primary(ep))
		endpoint_queue(ep->dev->primary);
	wake_up_all(&ep->guest->wait);
}

static void endpoint_finish_open(struct vmbus_endpoint *ep, int ret)
{
	spin_lock(&ep->dev->lock);
	if (ep->close == ENDPOINT_CLOSE_QUIETLY)
		vmbus_ep_cancel_open(ep, &ep->open);
	else
		vmbus_ep_answer_open(ep, &ep->open, ret ?: ep->close ? -ECANCELED : 0);
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

/**
 * vmbus_ep_do_remove() - An endpoint leaves its device; of a primary, the device its backend
 * @ep: the endpoint, REMOVING
 *
 * Context: process; work of the channel, if it is a primary.
 */
void vmbus_ep_do_remove(struct vmbus_endpoint *ep)
{
	struct vmbus_device *dev = ep->dev;
	bool abandoned;
	u64 begin;

	if (vmbus_ep_is_primary(ep)) {
		begin = vmbus_ep_callback_begin(ep, "remove");
		vmbus_host_device_remove(dev);
		vmbus_ep_callback_end(ep, begin);
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

static bool subchannels_are_closed(const struct vmbus_device *dev)
{
	struct vmbus_endpoint *ep;

	list_for_each_entry(ep, &dev->endpoints, sibling)
		if (!vmbus_ep_is_primary(ep) && endpoint_is_in_use(ep))
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

/*
 * One step. What comes next is for another run, even if it is there by now: between two items the
 * thread sees that it is killed, and whoever has the VMM's file can ask for steps without end.
 */
static void endpoint_state_work(struct vmbus_gpadl_work *work)
{
	struct vmbus_endpoint *ep =
		container_of(work, struct vmbus_endpoint, state_work);

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
		vmbus_ep_do_remove(ep);
		return;
	default:
		return;
	}
	/* The channel, and so the endpoint, is there until this item has ended. */
	spin_lock(&ep->dev->lock);
	endpoint_queue(ep);
	spin_unlock(&ep->dev->lock);
}

/* ---- What the backend is told ---- */

static void endpoint_kick_work(struct vmbus_gpadl_work *work)
{
	struct vmbus_endpoint *ep =
		container_of(work, struct vmbus_endpoint, kick_work);

	u64 begin;

	if (!ep->opened)
		return;
	/* Somebody else has the VMM's file: the guest gets no time, only its close(). */
	if (vmbus_gpadl_channel_is_orphaned(ep->chan))
		return;
	atomic64_inc(&ep->counts.kicks);
	vmbus_ep_rings_kicked(ep);
	vmbus_ep_completions_kick(ep);
	begin = vmbus_ep_callback_begin(ep, "kick");
	ep->dev->backend->kick(ep);
	vmbus_ep_callback_end(ep, begin);
	/* Else nothing would be left to this work any more. */
	if (WARN_ONCE(READ_ONCE(ep->late_here),
		      "vmbus_host: channel %u: backend %s left kick() without vmbus_endpoint_wait_end()\n",
		      ep->relid, ep->dev->backend->name))
		vmbus_endpoint_wait_end(ep);
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
