// SPDX-License-Identifier: GPL-2.0
/*
 * RESCIND, DESTROY and RESET: what a VMM asks for that is done when backends have let go.
 *
 * Each begins at once, and cannot fail from then on. A caller that may wait does so with no
 * lock held. For one that may not, the request is noted in the guest's list, which holds a
 * reference; the next poll() or ioctl after it is done brings it to its end, and
 * posts VMBUS_HOST_EVENT_DONE. The VMM comes by: all that requests depend on wakes
 * guest.wait, after it has changed.
 *
 * UNPLUG only has the device's backend asked, which says so when the guest has let go: unplug.c.
 */
#include <linux/errno.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/wait.h>

#include "gpadl/compat.h"
#include "host.h"

/* ---- When it is done ---- */

static bool guest_is_reset(struct vmbus_guest *guest)
{
	struct vmbus_endpoint *ep;
	unsigned long relid;

	lockdep_assert_held(&guest->lock);
	if (vmbus_partition_is_resetting(guest->p))
		return false;
	xa_for_each(&guest->endpoints, relid, ep)
		if (!vmbus_ep_is_reset(ep))
			return false;
	return true;
}

/* ---- What comes after ---- */

/**
 * vmbus_guest_wait_reader() - Wait until readers of replies and events are through
 * @guest: the guest
 *
 * For a caller that has just taken one back: a reader that has looked at it by now has delivered
 * it, or has failed.
 *
 * Context: process, may sleep, but not for a backend or for the VMM.
 */
void vmbus_guest_wait_reader(struct vmbus_guest *guest)
{
	mutex_lock(&guest->read_lock);
	mutex_unlock(&guest->read_lock);
}

/*
 * With the lock, under which each caller notes what it asks: the event is one for a note of this
 * channel, whatever becomes of its relid.
 */
static void guest_post_done(struct vmbus_guest *guest, struct vmbus_endpoint *ep)
{
	lockdep_assert_held(&guest->lock);
	if (ep->asked & ENDPOINT_ASKED_RESCIND)
		vmbus_host_event_post(guest, VMBUS_HOST_EVENT_DONE, ep->relid,
				      VMBUS_HOST_CHANNEL_RESCIND);
	if (ep->asked & ENDPOINT_ASKED_DESTROY)
		vmbus_host_event_post(guest, VMBUS_HOST_EVENT_DONE, ep->relid,
				      VMBUS_HOST_CHANNEL_DESTROY);
	ep->asked = 0;
}

/*
 * The channel is rescinded, and idle; the caller holds it. After this, no reader returns anything
 * about the channel except VMBUS_HOST_EVENT_DONE, and its relid is free, even if another ioctl
 * still holds the endpoint. Somebody else may have been first. All under one lock: a thread that
 * finds the endpoint out of the table finds its relid free.
 */
static void guest_forget_one(struct vmbus_guest *guest, struct vmbus_endpoint *ep)
{
	guard(mutex)(&guest->lock);
	if (!vmbus_guest_remove_endpoint(guest, ep))
		return;
	vmbus_ep_relid_released(ep);
	vmbus_host_events_forget(guest, ep->relid);
	vmbus_guest_wait_reader(guest);
	vmbus_gpadl_channel_unlink(ep->chan);
	vmbus_ep_unjoin(ep);
	guest_post_done(guest, ep);
	if (!list_empty(&ep->asked_node)) {
		list_del_init(&ep->asked_node);
		vmbus_ep_put(ep);
	}
	vmbus_ep_put(ep);
}

/* Walk the channels of a device: as vmbus_guest_next_endpoint(). */
static struct vmbus_endpoint *guest_next_of_device(struct vmbus_guest *guest,
						   const struct vmbus_device *dev,
						   unsigned long *relid)
{
	struct vmbus_endpoint *ep;

	while ((ep = vmbus_guest_next_endpoint(guest, relid))) {
		if (ep->dev == dev)
			return ep;
		vmbus_ep_put(ep);
	}
	return NULL;
}

/* With a primary channel, all of its device. */
static void guest_forget_channel(struct vmbus_guest *guest, struct vmbus_endpoint *ep)
{
	struct vmbus_endpoint *sub;
	unsigned long relid = 0;

	while (vmbus_ep_is_primary(ep) && (sub = guest_next_of_device(guest, ep->dev, &relid))) {
		if (sub != ep)
			guest_forget_one(guest, sub);
		vmbus_ep_put(sub);
	}
	guest_forget_one(guest, ep);
}

/* ---- What is asked for without waiting ---- */

static void guest_withdraw_done(struct vmbus_guest *guest, const struct vmbus_endpoint *ep,
				enum endpoint_asked ask)
{
	vmbus_host_event_withdraw(guest, VMBUS_HOST_EVENT_DONE, ep->relid,
				  ask == ENDPOINT_ASKED_DESTROY ? VMBUS_HOST_CHANNEL_DESTROY :
								  VMBUS_HOST_CHANNEL_RESCIND);
}

/* With the lock */
static void guest_note(struct vmbus_guest *guest, struct vmbus_endpoint *ep,
		       enum endpoint_asked ask)
{
	lockdep_assert_held(&guest->lock);
	if (!ep->asked) {
		refcount_inc(&ep->ref);
		list_add_tail(&ep->asked_node, &guest->asked);
	}
	ep->asked |= ask;
	/* It may have become idle before it was in the list. */
	wake_up_all(&guest->wait);
}

/*
 * Note a request, unless it is done. The note comes before the look, so that a later change finds
 * it. A DONE that was not read answers an earlier call, perhaps of a channel before with this
 * relid: none follows a 0, and another one follows -EINPROGRESS. Nor does a reader come with it
 * that has looked at it before.
 *
 * A call that comes late, when somebody else has destroyed the channel, takes back nothing: what
 * it would find is the answer to that call, or one about a channel that has come since, and
 * perhaps gone, with this relid.
 */
VISIBLE_IF_KUNIT int vmbus_guest_ask(struct vmbus_guest *guest, struct vmbus_endpoint *ep,
				     enum endpoint_asked ask)
{
	int ret = 0;

	guard(mutex)(&guest->lock);
	if (xa_load(&guest->endpoints, ep->relid) != ep)
		return 0;
	guest_withdraw_done(guest, ep, ask);
	if (ep->asked || !vmbus_ep_is_idle(ep, ask == ENDPOINT_ASKED_DESTROY)) {
		guest_note(guest, ep, ask);
		ret = -EINPROGRESS;
	}
	/* It is not posted again meanwhile: that takes the lock. */
	vmbus_guest_wait_reader(guest);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(vmbus_guest_ask);

/*
 * Take a channel for which what was asked is done out of the list, with its reference. If it is to
 * be forgotten, the note stays until it is: whoever asks meanwhile is answered by the same event.
 */
static struct vmbus_endpoint *guest_next_done(struct vmbus_guest *guest, bool *destroy)
{
	struct vmbus_endpoint *ep;

	guard(mutex)(&guest->lock);
	list_for_each_entry(ep, &guest->asked, asked_node) {
		*destroy = ep->asked & ENDPOINT_ASKED_DESTROY;
		if (!vmbus_ep_is_idle(ep, *destroy))
			continue;
		list_del_init(&ep->asked_node);
		if (!*destroy)
			guest_post_done(guest, ep);
		return ep;
	}
	return NULL;
}

static void guest_finish_reset(struct vmbus_guest *guest)
{
	/* Posted under the lock: whoever asks anew withdraws it. */
	guard(mutex)(&guest->lock);
	if (!guest->asked_reset || !guest_is_reset(guest))
		return;
	guest->asked_reset = false;
	vmbus_host_event_post(guest, VMBUS_HOST_EVENT_DONE, 0, VMBUS_HOST_RESET);
}

/**
 * vmbus_guest_finish() - Bring what was asked for to its end, as far as it is done
 * @guest: the guest, a partition
 *
 * Context: process, may sleep, but not for a backend or for the VMM.
 */
void vmbus_guest_finish(struct vmbus_guest *guest)
{
	struct vmbus_endpoint *ep;
	bool destroy;

	while ((ep = guest_next_done(guest, &destroy))) {
		if (destroy)
			guest_forget_channel(guest, ep);
		vmbus_ep_put(ep);
	}
	guest_finish_reset(guest);
}

/* ---- Requests ---- */

/* With a primary channel, what is mapped of all of its device. */
static void guest_rescind_gpadls(struct vmbus_guest *guest, struct vmbus_endpoint *ep)
{
	struct vmbus_endpoint *sub;
	unsigned long relid = 0;

	vmbus_gpadl_channel_rescind_start(ep->chan);
	if (!vmbus_ep_is_primary(ep))
		return;
	while ((sub = guest_next_of_device(guest, ep->dev, &relid))) {
		vmbus_gpadl_channel_rescind_start(sub->chan);
		vmbus_ep_put(sub);
	}
}

static int guest_rescind(struct vmbus_endpoint *ep, bool nonblock, enum endpoint_asked ask)
{
	bool remove = ask == ENDPOINT_ASKED_DESTROY;

	if (remove)
		vmbus_ep_die(ep);
	else
		vmbus_ep_rescind(ep);
	guest_rescind_gpadls(ep->guest, ep);
	if (nonblock)
		return vmbus_guest_ask(ep->guest, ep, ask);
	return wait_event_killable(ep->guest->wait, vmbus_ep_is_idle(ep, remove)) ?
	       -EINTR : 0;
}

static int guest_end_channel(struct vmbus_guest *guest, u32 relid, bool nonblock,
			     enum endpoint_asked ask)
{
	struct vmbus_endpoint *ep;
	int ret;

	vmbus_guest_finish(guest);
	ep = vmbus_guest_get_endpoint(guest, relid);
	if (!ep)
		return -ENOENT;
	ret = guest_rescind(ep, nonblock, ask);
	/* Last: until here, the caller can repeat the call. */
	if (!ret && ask == ENDPOINT_ASKED_DESTROY)
		guest_forget_channel(guest, ep);
	vmbus_ep_put(ep);
	return ret;
}

/**
 * vmbus_guest_rescind_channel() - VMBUS_HOST_CHANNEL_RESCIND
 * @guest: the guest, a partition
 * @relid: the channel
 * @nonblock: do not wait
 *
 * Context: process, may sleep; without @nonblock, for as long as a backend likes.
 * Return: 0; -ENOENT; -EINPROGRESS; -EINTR on a fatal signal.
 */
int vmbus_guest_rescind_channel(struct vmbus_guest *guest, u32 relid, bool nonblock)
{
	return guest_end_channel(guest, relid, nonblock, ENDPOINT_ASKED_RESCIND);
}
EXPORT_SYMBOL_IF_KUNIT(vmbus_guest_rescind_channel);

/**
 * vmbus_guest_destroy_channel() - VMBUS_HOST_CHANNEL_DESTROY
 * @guest: the guest, a partition
 * @relid: the channel
 * @nonblock: do not wait
 *
 * Context: process, may sleep; without @nonblock, for as long as a backend likes.
 * Return: 0, and the relid is free; -ENOENT; -EINPROGRESS; -EINTR on a fatal signal.
 */
int vmbus_guest_destroy_channel(struct vmbus_guest *guest, u32 relid, bool nonblock)
{
	return guest_end_channel(guest, relid, nonblock, ENDPOINT_ASKED_DESTROY);
}
EXPORT_SYMBOL_IF_KUNIT(vmbus_guest_destroy_channel);

/**
 * vmbus_guest_unplug_channel() - VMBUS_HOST_CHANNEL_UNPLUG
 * @guest: the guest, a partition
 * @relid: the primary channel of the device
 *
 * Context: process, may sleep, but not for a backend.
 * Return: 0; -ENOENT.
 */
int vmbus_guest_unplug_channel(struct vmbus_guest *guest, u32 relid)
{
	struct vmbus_endpoint *ep = vmbus_guest_get_endpoint(guest, relid);
	int ret = 0;

	if (!ep)
		return -ENOENT;
	if (!vmbus_ep_is_primary(ep))
		ret = -ENOENT;
	else
		vmbus_gpadl_channel_queue_work(ep->chan, &ep->unplug_work);
	vmbus_ep_put(ep);
	return ret;
}

static void guest_reset_endpoints(struct vmbus_guest *guest)
{
	struct vmbus_endpoint *ep;
	unsigned long relid = 0;

	while ((ep = vmbus_guest_next_endpoint(guest, &relid))) {
		vmbus_ep_reset(ep);
		vmbus_ep_put(ep);
	}
}

static int guest_wait_reset(struct vmbus_guest *guest)
{
	struct vmbus_endpoint *ep;
	unsigned long relid = 0;
	int ret;

	ret = wait_event_killable(guest->wait, !vmbus_partition_is_resetting(guest->p));
	while (!ret && (ep = vmbus_guest_next_endpoint(guest, &relid))) {
		ret = wait_event_killable(guest->wait, vmbus_ep_is_reset(ep));
		vmbus_ep_put(ep);
	}
	return ret ? -EINTR : 0;
}

/* As vmbus_guest_ask(). */
static int guest_ask_reset(struct vmbus_guest *guest)
{
	int ret = 0;

	guard(mutex)(&guest->lock);
	vmbus_host_event_withdraw(guest, VMBUS_HOST_EVENT_DONE, 0, VMBUS_HOST_RESET);
	if (guest->asked_reset || !guest_is_reset(guest)) {
		guest->asked_reset = true;
		wake_up_all(&guest->wait);
		ret = -EINPROGRESS;
	}
	vmbus_guest_wait_reader(guest);
	return ret;
}

/**
 * vmbus_guest_reset() - VMBUS_HOST_RESET
 * @guest: the guest, a partition
 * @nonblock: do not wait
 *
 * Context: process, may sleep; without @nonblock, for as long as a backend likes.
 * Return: 0; -EINPROGRESS; -EINTR on a fatal signal.
 */
int vmbus_guest_reset(struct vmbus_guest *guest, bool nonblock)
{
	int ret;

	vmbus_guest_finish(guest);
	/*
	 * In this order: a quiet close adds no reply to those that are dropped, and no reader
	 * delivers one of them after this.
	 */
	guest_reset_endpoints(guest);
	vmbus_partition_reset_start(guest->p);
	vmbus_guest_wait_reader(guest);
	if (nonblock)
		return guest_ask_reset(guest);
	ret = guest_wait_reset(guest);
	/* What channels asked of the VMM was taken back when they closed. */
	if (!ret)
		vmbus_guest_wait_reader(guest);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(vmbus_guest_reset);
