// SPDX-License-Identifier: GPL-2.0
/*
 * Answers into the ring, and what a channel may have under way.
 *
 * Requests complete on any processor. The endpoint keeps the order, has one context at a time
 * send, and keeps an answer that finds no room until there is some. Such a request is counted
 * still: a guest that reads no answers has no more than so many.
 */
#include <linux/errno.h>
#include <linux/jiffies.h>

#include "gpadl/compat.h"
#include "scsi.h"

/* A command that is not the target's any more, or never was. Called with the lock held. */
static void channel_dismiss(struct vscsi_channel *chan, struct vscsi_request *r)
{
	struct vscsi_use *use;

	lockdep_assert_held(&chan->lock);
	if (!r->admitted)
		return;
	use = &chan->use[r->command.lun];
	r->admitted = false;
	list_del(&r->command_node);
	chan->nr_commands--;
	chan->copy_bytes -= r->copy_bytes;
	use->commands--;
	use->copy_bytes -= r->copy_bytes;
}

/* A request is gone; a packet may have waited for that. Called with the lock held. */
static void channel_uncount(struct vscsi_channel *chan, struct vscsi_request *r)
{
	lockdep_assert_held(&chan->lock);
	chan->nr_requests--;
	channel_dismiss(chan, r);
	if (!chan->stalled)
		return;
	chan->stalled = false;
	vmbus_endpoint_kick(chan->ep);
}

/* The answer is sent, or the channel closes. The endpoint, and so @chan, is held still. */
static void answer_done(struct vmbus_endpoint *ep, struct vmbus_completion *c)
{
	struct vscsi_request *r = container_of(c, struct vscsi_request, answer);
	struct vscsi_channel *chan = r->chan;

	spin_lock(&chan->lock);
	channel_uncount(chan, r);
	spin_unlock(&chan->lock);
	vscsi_request_release(r);
}

/**
 * vscsi_request_done() - The answer to a request is complete: send it
 * @r: the request, with the answer in its packet. Not the caller's any more
 *
 * Context: process.
 */
void vscsi_request_done(struct vscsi_request *r)
{
	r->answer.trans_id = r->desc.trans_id;
	r->answer.buf = &r->packet;
	r->answer.len = vstor_answer_len(r->desc.len);
	r->answer.done = answer_done;
	vmbus_endpoint_complete(r->chan->ep, &r->answer);
}

/* ---- What a channel may have under way ---- */

/**
 * vscsi_channel_count() - One request more
 * @chan: the channel
 *
 * Context: process.
 * Return: true; false if there are as many as may be.
 */
bool vscsi_channel_count(struct vscsi_channel *chan)
{
	bool room;

	spin_lock(&chan->lock);
	room = chan->nr_requests < VSCSI_MAX_REQUESTS;
	if (room)
		chan->nr_requests++;
	spin_unlock(&chan->lock);
	return room;
}

/**
 * vscsi_channel_uncount() - A request was not used: its packet stays in the ring
 * @chan: the channel
 * @r: the request; NULL if there is none
 *
 * Context: process, in kick() of the channel.
 */
void vscsi_channel_uncount(struct vscsi_channel *chan, struct vscsi_request *r)
{
	spin_lock(&chan->lock);
	chan->nr_requests--;
	if (r)
		channel_dismiss(chan, r);
	spin_unlock(&chan->lock);
}

/*
 * A logical unit may have as much as three times what is left to all: one that hangs has
 * three quarters at most, and two, or ten, leave something for the next one. One that is
 * alone may have everything.
 */
static bool channel_has_room(const struct vscsi_channel *chan, const struct vscsi_use *use)
{
	lockdep_assert_held(&chan->lock);
	if (!vscsi_luns_share(chan->dev))
		return true;
	/* One that was alone may have had more. */
	return chan->nr_commands < chan->max_commands &&
	       use->commands < 3 * (chan->max_commands - chan->nr_commands);
}

/**
 * vscsi_request_admit() - A command is to go to the target
 * @r: the request
 *
 * Context: process.
 * Return: true; false if its logical unit has more under way than the others can spare.
 */
bool vscsi_request_admit(struct vscsi_request *r)
{
	struct vscsi_use *use = &r->chan->use[r->command.lun];
	struct vscsi_channel *chan = r->chan;
	bool room;

	spin_lock(&chan->lock);
	room = channel_has_room(chan, use);
	if (room) {
		r->admitted = true;
		r->since = jiffies;
		list_add_tail(&r->command_node, &chan->commands);
		chan->nr_commands++;
		use->commands++;
	}
	spin_unlock(&chan->lock);
	return room;
}

/**
 * vscsi_request_charge() - Data of a command is to be copied
 * @r: the request, admitted
 * @bytes: so much
 *
 * A logical unit may always have one such command.
 *
 * Context: process.
 * Return: true; false if too much is under way.
 */
bool vscsi_request_charge(struct vscsi_request *r, u32 bytes)
{
	struct vscsi_use *use = &r->chan->use[r->command.lun];
	struct vscsi_channel *chan = r->chan;
	bool room;

	spin_lock(&chan->lock);
	room = !use->copy_bytes || chan->copy_bytes + bytes <= VSCSI_COPY_BYTES;
	if (room) {
		chan->copy_bytes += bytes;
		use->copy_bytes += bytes;
		r->copy_bytes = bytes;
	}
	spin_unlock(&chan->lock);
	return room;
}
