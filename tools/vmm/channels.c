// SPDX-License-Identifier: GPL-2.0-only
/* The channels that are offered, and how they and the guest signal each other. */
#include <stdio.h>
#include <unistd.h>

#include "vmbus.h"
#include "vmm.h"

/* What is offered: the heartbeat of the integration components */
static struct channel channels[] = { {
	.relid = 1,
	.connection_id = 0x2001,
	.if_type = {			/* 57164f39-9115-4e78-ab55-382f3bd5422d */
		0x39, 0x4f, 0x16, 0x57, 0x15, 0x91, 0x78, 0x4e,
		0xab, 0x55, 0x38, 0x2f, 0x3b, 0xd5, 0x42, 0x2d },
	.if_instance = {		/* fd149e91-82e0-4a7d-afa6-2a4166cbd7c0 */
		0x91, 0x9e, 0x14, 0xfd, 0xe0, 0x82, 0x7d, 0x4a,
		0xaf, 0xa6, 0x2a, 0x41, 0x66, 0xcb, 0xd7, 0xc0 },
} };

/* channels[].target, and that the kernel knows it; before synic_lock */
static pthread_mutex_t target_lock = PTHREAD_MUTEX_INITIALIZER;

struct channel *channel_find(uint32_t relid)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(channels); i++)
		if (channels[i].relid == relid)
			return &channels[i];
	return NULL;
}

/* What the kernel does about it when it is told of another target */
typedef void tell_fn(const struct channel *channel);

static bool set_target(uint32_t relid, uint32_t vp, tell_fn *tell)
{
	struct channel *channel = channel_find(relid);

	if (!channel || (vp >= vm.nr_cpus && vp != VMBUS_NO_TARGET))
		return false;
	pthread_mutex_lock(&target_lock);
	channel->target = vp;
	tell(channel);
	pthread_mutex_unlock(&target_lock);
	return true;
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
	unsigned int i;

	pthread_mutex_lock(&target_lock);
	for (i = 0; i < ARRAY_SIZE(channels); i++)
		if (channels[i].target == cpu->id)
			host_channel_signals(&channels[i]);
	pthread_mutex_unlock(&target_lock);
}

/* Return: the channel, or NULL if there are no more; 0 is the first */
struct channel *channel_nth(unsigned int index)
{
	return index < ARRAY_SIZE(channels) ? &channels[index] : NULL;
}

/* Make a channel that has never been open */
void channel_create(struct channel *channel)
{
	pthread_mutex_lock(&target_lock);
	if (!host_channel_create(channel))
		die("nobody serves channel %u\n"
		    "  next: as root: modprobe vmbus_heartbeat", channel->relid);
	pthread_mutex_unlock(&target_lock);
}

/*
 * HvSignalEvent where KVM did not find an eventfd for the connection: with a KVM
 * that has no KVM_HYPERV_EVENTFD, all.
 */
uint16_t vmbus_signal_event(uint64_t connection_id)
{
	const uint64_t one = 1;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(channels); i++) {
		if (channels[i].connection_id != connection_id)
			continue;
		if (write(channels[i].kick_fd, &one, sizeof(one)) < 0)
			die_errno("eventfd");
		return HV_STATUS_SUCCESS;
	}
	return HV_STATUS_INVALID_CONNECTION_ID;
}

void channels_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(channels); i++) {
		channels[i].kick_fd = vm_event();
		vm_attach_signal(channels[i].connection_id, channels[i].kick_fd);
	}
}
