// SPDX-License-Identifier: GPL-2.0-only
/* The channels that there are, and how they and the guest signal each other. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "messages.h"
#include "vmm.h"

#define MAX_CHANNELS		256
/* The first relid's connection; one per relid, which keeps it */
#define FIRST_CONNECTION	0x2001

/* That of relid 1 is the first */
static struct channel channels[MAX_CHANNELS];

/*
 * Whether a channel is there, its target, and that the kernel knows that; before
 * synic_lock. The delivery thread alone makes and frees channels, so what it has found
 * stays there without it. Processors take it: nobody asks the kernel for something that
 * may take long, such as to make a channel, while he holds it.
 */
static pthread_mutex_t target_lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * One after the other in turn: the kernel may still have something to say of a channel
 * that is gone, and this way it is not taken for its successor's.
 */
static struct channel *find_free(void)
{
	static unsigned int turn;
	unsigned int i;

	for (i = 0; i < MAX_CHANNELS; i++, turn++)
		if (!channels[turn % MAX_CHANNELS].relid)
			return &channels[turn++ % MAX_CHANNELS];
	return NULL;
}

/**
 * channel_new - one more channel, which nobody knows of yet
 * @primary: whose sub-channel it is, or NULL
 * @index: number of the sub-channel
 *
 * Return: the channel; or NULL if there are too many.
 */
struct channel *channel_new(struct channel *primary, uint16_t index)
{
	struct channel *channel, new = { .primary = primary, .index = index };

	pthread_mutex_lock(&target_lock);
	channel = find_free();
	if (channel) {
		new.relid = channel - channels + 1;
		new.connection_id = FIRST_CONNECTION + (channel - channels);
		new.kick_fd = channel->kick_fd;
		/* The eventfd of a relid is made once, and stays attached */
		if (!channel->connection_id) {
			new.kick_fd = vm_event();
			vm_attach_signal(new.connection_id, new.kick_fd);
		}
		if (primary) {
			memcpy(new.if_type, primary->if_type, sizeof(new.if_type));
			memcpy(new.if_instance, primary->if_instance,
			       sizeof(new.if_instance));
			new.module = primary->module;
		}
		*channel = new;
	}
	pthread_mutex_unlock(&target_lock);
	return channel;
}

void channel_free(struct channel *channel)
{
	pthread_mutex_lock(&target_lock);
	channel->relid = 0;
	pthread_mutex_unlock(&target_lock);
}

/* Return: the channel, or NULL if there is no such */
struct channel *channel_find(uint32_t relid)
{
	if (!relid || relid > MAX_CHANNELS || !channels[relid - 1].relid)
		return NULL;
	return &channels[relid - 1];
}

/* Return: the channel after @after, or the first one; NULL if there are no more */
struct channel *channel_next(struct channel *after)
{
	struct channel *channel = after ? after + 1 : channels;

	for (; channel < channels + MAX_CHANNELS; channel++)
		if (channel->relid)
			return channel;
	return NULL;
}

/* Return: the sub-channel, or NULL if the device does not have it */
struct channel *channel_sub(const struct channel *primary, uint16_t index)
{
	struct channel *channel = NULL;

	while ((channel = channel_next(channel)))
		if (channel->primary == primary && channel->index == index)
			return channel;
	return NULL;
}

/* What the kernel does about it when it is told of another target */
typedef void tell_fn(const struct channel *channel);

static bool set_target(uint32_t relid, uint32_t vp, tell_fn *tell)
{
	struct channel *channel;

	if (vp >= vm.nr_cpus && vp != VMBUS_NO_TARGET)
		return false;
	pthread_mutex_lock(&target_lock);
	channel = channel_find(relid);
	if (channel) {
		channel->target = vp;
		tell(channel);
	}
	pthread_mutex_unlock(&target_lock);
	return channel;
}

/* OPENCHANNEL, which tells the backend its target itself. */
void channel_opens(uint32_t relid, uint32_t vp)
{
	/* A processor that is not there gets no signals. */
	if (!set_target(relid, vp, host_channel_signals))
		set_target(relid, VMBUS_NO_TARGET, host_channel_signals);
}

/* MODIFYCHANNEL. Return: whether there is such a channel and such a processor */
bool channel_set_target(uint32_t relid, uint32_t vp)
{
	return set_target(relid, vp, host_channel_retarget);
}

/* The guest moved, set or removed a processor's event flags page */
void vmbus_event_flags_moved(struct vcpu *cpu)
{
	struct channel *channel = NULL;

	pthread_mutex_lock(&target_lock);
	while ((channel = channel_next(channel)))
		if (channel->target == cpu->id)
			host_channel_signals(channel);
	pthread_mutex_unlock(&target_lock);
}

static int find_kick_fd(uint64_t connection_id)
{
	struct channel *channel = NULL;
	int fd = -1;

	pthread_mutex_lock(&target_lock);
	while ((channel = channel_next(channel)))
		if (channel->connection_id == connection_id)
			fd = channel->kick_fd;
	pthread_mutex_unlock(&target_lock);
	return fd;
}

/*
 * HvSignalEvent where KVM did not find an eventfd for the connection: with a KVM
 * that has no KVM_HYPERV_EVENTFD, all.
 */
uint16_t vmbus_signal_event(uint64_t connection_id)
{
	const uint64_t one = 1;
	int fd = find_kick_fd(connection_id);

	if (fd < 0)
		return HV_STATUS_INVALID_CONNECTION_ID;
	if (write(fd, &one, sizeof(one)) < 0)
		die_errno("eventfd");
	return HV_STATUS_SUCCESS;
}
