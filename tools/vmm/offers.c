// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a channel, as far as a VMM has to do with it. All of it is the delivery
 * thread's, which waits for no backend to let go: what is not done at once is gone on with
 * when the kernel says that it is (VMBUS_HOST_EVENT_DONE). To make a channel takes as long as
 * its backend needs, and its module to be loaded, if that is not there any more.
 *
 *	NONE --> CREATED --> OFFERED --> RESCINDING --> RESCINDED --> DESTROYING --> NONE
 *	    create      offer     unplugged        told        released or     done
 *			     by either side   the guest    asked for offers
 *
 * A device is one primary channel; sub-channels come and go while the guest has that open.
 * They are taken back when it has closed it, or when the device goes, and destroyed with
 * the primary at the latest.
 */
#include <errno.h>
#include <string.h>
#include <linux/vmbus_host.h>

#include "channel.h"
#include "messages.h"
#include "vmm.h"

static bool wants_offers;		/* the guest has asked for them */

static void offer(struct channel *channel)
{
	struct vmbus_offer msg = {
		.header.type = VMBUS_OFFERCHANNEL,
		.flags = channel->flags,
		.mmio_megabytes = channel->mmio_megabytes,
		.sub_channel = channel->index,
		.relid = channel->relid,
		.dedicated_interrupt = 1,
		.connection_id = channel->connection_id,
	};

	memcpy(msg.if_type, channel->if_type, sizeof(msg.if_type));
	memcpy(msg.if_instance, channel->if_instance, sizeof(msg.if_instance));
	memcpy(msg.user_defined, channel->user_defined, sizeof(msg.user_defined));
	channel->state = CHANNEL_OFFERED;
	deliver(&msg, sizeof(msg));
}

/* Return: whether the channel is there now */
static bool create(struct channel *channel)
{
	int err = host_channel_create(channel);

	if (err) {
		warn("channel %u is not offered: %s", channel->relid, strerror(err));
		return false;
	}
	channel->state = CHANNEL_CREATED;
	channel->opened = false;
	channel->leaving = false;
	channel->wanted = 0;
	return true;
}

/* A device that is of no use to the guest, but still there in the configuration */
static void offer_device(struct channel *primary)
{
	if (primary->state == CHANNEL_NONE && !primary->unplugged && wants_offers &&
	    create(primary))
		offer(primary);
}

/* Those that the device wants and has not. An old one of the same number is to go first */
static void offer_subchannels(struct channel *primary)
{
	struct channel *channel;
	unsigned int i;

	for (i = 1; i <= primary->wanted; i++) {
		if (channel_sub(primary, i))
			continue;
		channel = channel_new(primary, i);
		if (!channel) {
			warn("channel %u: there are too many for its sub-channel %u",
			     primary->relid, i);
			return;
		}
		if (!create(channel)) {
			channel_free(channel);
			return;
		}
		offer(channel);
	}
}

/* --- The way out --- */

static void forget_subchannels(struct channel *primary)
{
	struct channel *channel = NULL;

	while ((channel = channel_next(channel)))
		if (channel->primary == primary)
			channel_free(channel);
}

/* The kernel has forgotten it, and its sub-channels */
static void destroyed(struct channel *channel)
{
	struct channel *primary = channel->primary;

	channel->state = CHANNEL_NONE;
	if (primary) {
		channel_free(channel);
		offer_subchannels(primary);
	} else {
		forget_subchannels(channel);
		offer_device(channel);
	}
}

static void destroy(struct channel *channel)
{
	if (channel->state == CHANNEL_NONE || channel->state == CHANNEL_DESTROYING)
		return;
	channel->state = CHANNEL_DESTROYING;
	channel->wanted = 0;
	if (host_channel_destroy(channel))
		destroyed(channel);
}

static void tell_rescinded(struct channel *channel)
{
	struct vmbus_relid msg = {
		.header.type = VMBUS_RESCIND_CHANNELOFFER,
		.relid = channel->relid,
	};

	if (channel->state != CHANNEL_OFFERED && channel->state != CHANNEL_RESCINDING)
		return;
	channel->state = CHANNEL_RESCINDED;
	deliver(&msg, sizeof(msg));
}

/*
 * The guest may free what it gave when it hears of it, so the backend comes first. With a
 * primary channel the kernel has rescinded its sub-channels as well, of which the guest
 * has to hear first.
 */
static void rescinded(struct channel *channel)
{
	struct channel *sub = NULL;

	if (!wants_offers) {		/* there is nobody to tell any more */
		destroy(channel);
		return;
	}
	while (!channel->primary && (sub = channel_next(sub)))
		if (sub->primary == channel)
			tell_rescinded(sub);
	tell_rescinded(channel);
}

static void rescind(struct channel *channel)
{
	if (channel->state == CHANNEL_CREATED) {
		destroy(channel);
		return;
	}
	if (channel->state != CHANNEL_OFFERED)
		return;
	channel->state = CHANNEL_RESCINDING;
	channel->wanted = 0;
	if (host_channel_rescind(channel))
		rescinded(channel);
}

/* --- What the guest does --- */

/* Before the guest runs: what is wrong with a device is said then */
void offers_create(void)
{
	struct channel *channel = NULL;
	int err;

	while ((channel = channel_next(channel))) {
		err = host_channel_create(channel);
		if (err == ENODEV)
			die("nobody serves channel %u\n"
			    "  next: as root: modprobe %s", channel->relid,
			    channel->module ?: "the backend of its type");
		if (err)
			die("channel %u: VMBUS_HOST_CHANNEL_CREATE: %s", channel->relid,
			    strerror(err));
		channel->state = CHANNEL_CREATED;
	}
}

/* All are closed. @clean: and the backends have let go of all that the guest gave them */
static void begin_anew(struct channel *channel, bool clean)
{
	channel->opened = false;
	channel->wanted = 0;
	if (channel->primary) {
		if (clean)	/* else, with its primary */
			destroy(channel);
	} else if (channel->unplugged) {
		destroy(channel);
	} else if (channel->state == CHANNEL_CREATED ||
		   (channel->state == CHANNEL_OFFERED && clean)) {
		offer(channel);
	} else if (channel->state == CHANNEL_NONE) {
		offer_device(channel);
	} else {
		destroy(channel);
	}
}

/**
 * offers_request - REQUESTOFFERS
 * @clean: the reset that came before is done: channels that were not rescinded can be
 *	offered again as they are
 *
 * If it is not done, the channels are destroyed and made anew, each on its own: that of a
 * backend which does not let go is offered when it has.
 */
void offers_request(bool clean)
{
	struct vmbus_header all = { .type = VMBUS_ALLOFFERS_DELIVERED };
	struct channel *channel = NULL;

	wants_offers = true;
	while ((channel = channel_next(channel)))
		begin_anew(channel, clean);
	deliver(&all, sizeof(all));
}

/* The guest has gone, or is about to begin anew: no offers until it asks for them */
void offers_stop(void)
{
	wants_offers = false;
}

void offers_opened(uint32_t relid)
{
	struct channel *channel = channel_find(relid);

	if (channel)
		channel->opened = true;
}

/* The guest asks for sub-channels anew when it opens the device the next time */
void offers_closed(uint32_t relid)
{
	struct channel *channel = channel_find(relid), *sub = NULL;

	if (!channel)
		return;
	channel->opened = false;
	channel->wanted = 0;
	while (!channel->primary && (sub = channel_next(sub)))
		if (sub->primary == channel)
			rescind(sub);
}

/*
 * The relid is nothing to the guest any more. A guest that was not told of a rescind could
 * not make a device of the offer, or unloads: it is not offered the same again until it asks.
 */
void offers_released(uint32_t relid)
{
	struct channel *channel = channel_find(relid);

	if (!channel || (!channel->primary && channel->state == CHANNEL_OFFERED))
		return;
	if (channel->state == CHANNEL_OFFERED)
		channel->primary->wanted = 0;
	destroy(channel);
}

/* --- What the kernel says --- */

static void request_is_done(uint32_t command, struct channel *channel)
{
	if (command == VMBUS_HOST_CHANNEL_RESCIND && channel->state == CHANNEL_RESCINDING)
		rescinded(channel);
	else if (command == VMBUS_HOST_CHANNEL_DESTROY &&
		 channel->state == CHANNEL_DESTROYING)
		destroyed(channel);
}

/* An event of a channel. What is not known is ignored */
void offers_hear(const struct vmbus_host_event *event)
{
	struct channel *channel = channel_find(event->relid);

	if (!channel)
		return;
	switch (event->type) {
	case VMBUS_HOST_EVENT_DONE:
		request_is_done(event->value, channel);
		break;
	case VMBUS_HOST_EVENT_RESCIND:
		if (!channel->leaving)
			channel->unplugged = true;
		rescind(channel);
		break;
	case VMBUS_HOST_EVENT_OFFER_SUBCHANNELS:
		if (!wants_offers || !channel->opened)
			break;
		channel->wanted = event->value;
		offer_subchannels(channel);
		break;
	case VMBUS_HOST_EVENT_BROKEN:
		warn("channel %u: a ring is of no use any more", channel->relid);
		break;
	}
}

/* --- What an operator asks for --- */

/* The device's channel: no sub-channel is one */
static struct channel *device_find(uint32_t relid)
{
	struct channel *channel = channel_find(relid);

	return channel && !channel->primary ? channel : NULL;
}

/* Return: whether there is such a device */
bool offers_unplug(uint32_t relid)
{
	struct channel *channel = device_find(relid);

	if (!channel)
		return false;
	channel->unplugged = true;
	if (channel->state == CHANNEL_OFFERED) {
		channel->leaving = true;
		host_channel_unplug(channel);
	} else {
		rescind(channel);
	}
	return true;
}

/* Without a warning. Return: whether there is such a device */
bool offers_rescind(uint32_t relid)
{
	struct channel *channel = device_find(relid);

	if (!channel)
		return false;
	channel->unplugged = true;
	rescind(channel);
	return true;
}

bool offers_plug(uint32_t relid)
{
	struct channel *channel = device_find(relid);

	if (!channel)
		return false;
	channel->unplugged = false;
	offer_device(channel);
	return true;
}
