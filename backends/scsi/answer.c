// SPDX-License-Identifier: GPL-2.0
/*
 * The requests of a channel: how many may be under way, and their answers into the ring.
 *
 * Requests complete on any processor. The endpoint keeps the order, has one context at a time
 * send, and keeps an answer that finds no room until there is some. Such a request is counted
 * still: a guest that reads no answers has no more than so many.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/llist.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "scsi.h"

/* ---- Life ---- */

/**
 * vscsi_requests_create() - Make the requests that a channel has of its own
 * @chan: the channel
 * @nr: how many
 *
 * More than these are allocated one by one.
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM.
 */
int vscsi_requests_create(struct vscsi_channel *chan, unsigned int nr)
{
	init_llist_head(&chan->freed);
	chan->pool = kvcalloc(nr, sizeof(*chan->pool), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!chan->pool)
		return -ENOMEM;
	while (nr--) {
		chan->pool[nr].pooled = true;
		llist_add(&chan->pool[nr].free, &chan->freed);
	}
	return 0;
}

/**
 * vscsi_requests_destroy() - Undo vscsi_requests_create()
 * @chan: the channel, none of whose requests is used
 *
 * Context: process, may sleep.
 */
void vscsi_requests_destroy(struct vscsi_channel *chan)
{
	kvfree(chan->pool);
}

/* The work of the channel alone takes requests, and all that were freed at a time. */
static struct vscsi_request *request_take(struct vscsi_channel *chan)
{
	struct vscsi_request *r;

	if (!chan->free)
		chan->free = llist_del_all(&chan->freed);
	if (chan->free) {
		r = llist_entry(chan->free, struct vscsi_request, free);
		chan->free = chan->free->next;
		return r;
	}
	return kzalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);
}

/* One that is not counted any more, and holds its channel still. */
static void request_release(struct vscsi_request *r)
{
	if (r->pooled)
		llist_add(&r->free, &r->chan->freed);
	else
		kfree(r);
}

/* A command that is not the target's any more, or never was. Called with the lock held. */
static void channel_dismiss(struct vscsi_channel *chan, struct vscsi_request *r)
{
	struct vscsi_use *use;

	lockdep_assert_held(&chan->lock);
	if (!r->admitted)
		return;
	use = &chan->use[r->command.lun];
	r->admitted = false;
	chan->nr_spare -= r->spare;
	hlist_del(&r->command_node);
	WRITE_ONCE(chan->nr_commands, chan->nr_commands - 1);
	chan->copy_bytes -= r->copy_bytes;
	use->commands--;
	use->copy_bytes -= r->copy_bytes;
}

/**
 * vscsi_channel_requests() - How many requests has a channel?
 * @chan: the channel
 *
 * Context: any.
 * Return: how many; one that goes meanwhile may be among them.
 */
unsigned int vscsi_channel_requests(const struct vscsi_channel *chan)
{
	/* What is gone was taken before. */
	unsigned int gone = smp_load_acquire(&chan->nr_gone);

	return READ_ONCE(chan->nr_taken) - gone;
}

/**
 * vscsi_request_alloc() - Make a request of a channel's
 * @chan: the channel, which it holds
 *
 * Context: process, in kick() of the channel. May sleep.
 * Return: the request, of which the packet is to be filled in; ERR_PTR of -EBUSY if there
 * are as many as may be, -ESHUTDOWN if the channel is being closed, or -ENOMEM.
 */
struct vscsi_request *vscsi_request_alloc(struct vscsi_channel *chan)
{
	struct vscsi_request *r;

	if (vscsi_channel_requests(chan) >= VSCSI_MAX_REQUESTS)
		return ERR_PTR(-EBUSY);
	if (!vmbus_endpoint_tryget(chan->ep))
		return ERR_PTR(-ESHUTDOWN);
	r = request_take(chan);
	if (!r) {
		vmbus_endpoint_put(chan->ep);
		return ERR_PTR(-ENOMEM);
	}
	WRITE_ONCE(chan->nr_taken, chan->nr_taken + 1);
	r->chan = chan;
	r->map = NULL;
	r->copied = false;
	r->bounce = NULL;
	r->ended = false;
	r->aborted = false;
	r->absent = false;
	r->again = false;
	r->attentions = 0;
	r->admitted = false;
	r->copy_bytes = 0;
	return r;
}

/**
 * vscsi_request_cancel() - Undo vscsi_request_alloc(): the packet stays in the ring
 * @r: the request
 *
 * Context: process, in kick() of the channel.
 */
void vscsi_request_cancel(struct vscsi_request *r)
{
	struct vscsi_channel *chan = r->chan;

	spin_lock(&chan->lock);
	channel_dismiss(chan, r);
	spin_unlock(&chan->lock);
	WRITE_ONCE(chan->nr_taken, chan->nr_taken - 1);
	request_release(r);
	vmbus_endpoint_put(chan->ep);
}

/* ---- Answers ---- */

/* A request is gone; a packet may have waited for that. Called with the lock held. */
static void channel_request_gone(struct vscsi_channel *chan, struct vscsi_request *r)
{
	lockdep_assert_held(&chan->lock);
	/* Pairs with the acquire in vscsi_channel_requests(). */
	smp_store_release(&chan->nr_gone, chan->nr_gone + 1);
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
	channel_request_gone(chan, r);
	spin_unlock(&chan->lock);
	request_release(r);
}

static void answer_prepare(struct vscsi_request *r)
{
	r->answer.trans_id = r->desc.trans_id;
	r->answer.buf = &r->packet;
	r->answer.len = vstor_answer_len(r->desc.len);
	r->answer.done = answer_done;
	WRITE_ONCE(r->ended, true);
}

/**
 * vscsi_request_done() - The answer to a request is complete: send it
 * @r: the request, with the answer in its packet. Not the caller's any more
 *
 * Context: process.
 */
void vscsi_request_done(struct vscsi_request *r)
{
	/* A reset that sees that it has ended is answered behind it: see reset_wait(). */
	guard(rcu)();
	answer_prepare(r);
	vmbus_endpoint_complete(r->chan->ep, &r->answer);
}

/**
 * vscsi_request_done_later() - The same: the channel's thread sends it, with others
 * @r: the request, with the answer in its packet. Not the caller's any more
 *
 * Context: process.
 */
void vscsi_request_done_later(struct vscsi_request *r)
{
	guard(rcu)();
	answer_prepare(r);
	vmbus_endpoint_complete_later(r->chan->ep, &r->answer);
}

/* ---- What a channel may have under way ---- */

/*
 * A logical unit may have as much as three times what is left to all: one that hangs has
 * three quarters at most, and two, or ten, leave something for the next one. One that is
 * alone may have everything, and commands without data beyond that.
 */
static bool channel_has_room(const struct vscsi_channel *chan, const struct vscsi_request *r)
{
	bool shares = vscsi_luns_share(chan->dev);

	lockdep_assert_held(&chan->lock);
	if (chan->nr_commands >= chan->max_commands)
		return !shares && !r->command.bytes;
	return !shares || chan->use[r->command.lun].commands <
			  3 * (chan->max_commands - chan->nr_commands);
}

/*
 * Beyond that, a command that asks what the device is; and a logical unit's only one: another that
 * was alone, and hangs, may have had everything. The last place is for the latter: a backstore may
 * hang in what asks, too.
 */
static bool channel_has_spare(const struct vscsi_channel *chan, const struct vscsi_request *r,
			      bool room)
{
	bool only = !room && !chan->use[r->command.lun].commands;

	lockdep_assert_held(&chan->lock);
	return chan->nr_spare < chan->max_spare - !only && (only || vstor_asks(&r->command));
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
	room = channel_has_room(chan, r);
	r->spare = channel_has_spare(chan, r, room);
	room |= r->spare;
	if (room) {
		r->admitted = true;
		chan->nr_spare += r->spare;
		r->since = jiffies;
		hlist_add_head(&r->command_node, &chan->commands);
		WRITE_ONCE(chan->nr_commands, chan->nr_commands + 1);
		use->commands++;
	}
	spin_unlock(&chan->lock);
	return room;
}

static bool channel_has_commands(struct vscsi_channel *chan, u8 lun, unsigned long until)
{
	const struct vscsi_request *r;
	bool found = false;

	spin_lock(&chan->lock);
	hlist_for_each_entry(r, &chan->commands, command_node)
		found |= r->command.lun == lun && !READ_ONCE(r->ended) &&
			 time_before_eq(r->since, until);
	spin_unlock(&chan->lock);
	return found;
}

/**
 * vscsi_device_has_commands() - Does the target work on commands for a logical unit?
 * @dev: the device
 * @lun: the logical unit
 * @until: those that have begun by then, in jiffies
 *
 * Context: process.
 * Return: true if so, on any of its channels.
 */
bool vscsi_device_has_commands(struct vscsi_device *dev, u8 lun, unsigned long until)
{
	struct vscsi_channel *chan;
	bool found = false;

	spin_lock(&dev->lock);
	list_for_each_entry(chan, &dev->channels, node)
		found = found || channel_has_commands(chan, lun, until);
	spin_unlock(&dev->lock);
	return found;
}

/**
 * vscsi_request_charge() - Data of a command is to be copied
 * @r: the request, admitted
 * @bytes: so much
 *
 * A logical unit may always have one such command, and those that ask what it is a page each.
 *
 * Context: process.
 * Return: true; false if too much is under way.
 */
bool vscsi_request_charge(struct vscsi_request *r, u32 bytes)
{
	struct vscsi_use *use = &r->chan->use[r->command.lun];
	struct vscsi_channel *chan = r->chan;
	bool room;

	/* The smallest copy takes a page. */
	bytes = PAGE_ALIGN(bytes);
	spin_lock(&chan->lock);
	room = !use->copy_bytes || chan->copy_bytes + bytes <= VSCSI_COPY_PAGES ||
	       (r->spare && bytes == PAGE_SIZE);
	if (room) {
		chan->copy_bytes += bytes;
		use->copy_bytes += bytes;
		r->copy_bytes = bytes;
	}
	spin_unlock(&chan->lock);
	return room;
}
