// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/vmbus-host: all that a VMM does with it. The contract is in
 * include/uapi/linux/vmbus_host.h.
 *
 * The calls here come from several threads; the device orders them itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/vmbus_host.h>

#include "channel.h"
#include "messages.h"
#include "vmm.h"

static int host = -1;

/* All of guest memory. A VMM that hot-plugs calls this again, with the change */
static void set_regions(void)
{
	struct vmbus_host_region region = {
		.size = sizeof(region),
		.slot = 0,
		.gpa = 0,
		.bytes = vm.ram_size,
		.hva = (uintptr_t)vm.ram,
	};
	struct vmbus_host_set_regions regions = {
		.size = sizeof(regions),
		.nr = 1,
		.regions = (uintptr_t)&region,
	};

	if (ioctl(host, VMBUS_HOST_SET_REGIONS, &regions))
		die_errno("VMBUS_HOST_SET_REGIONS");
}

/* Return: the file, to poll */
int host_open(const char *device)
{
	struct vmbus_host_create create = { .size = sizeof(create) };

	/* What cannot be done at once is answered at once: the guest will retry */
	host = open(device, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (host < 0 && (errno == ENOENT || errno == ENXIO || errno == ENODEV))
		die("there is no %s\n"
		    "  next: as root: modprobe vmbus_host", device);
	if (host < 0)
		die_errno("%s (next: be root, or let root give you the file)", device);
	if (ioctl(host, VMBUS_HOST_CREATE, &create))
		die_errno("%s: VMBUS_HOST_CREATE", device);
	set_regions();
	return host;
}

/*
 * With the address of the event flags the kernel sets the channel's flag itself
 * and raises the SINT if it was clear; we have no part in it. While the guest has
 * no event flags page there is nothing to set and nobody to interrupt; nor if it
 * wants no signals.
 */
static struct vmbus_host_signals signals_of(const struct channel *channel)
{
	struct vmbus_host_signals signals = {
		.size = sizeof(signals),
		.kick_fd = channel->kick_fd,
		.call_fd = -1,
		.flag = channel->relid,
	};
	uint64_t *flags;

	if (channel->target == VMBUS_NO_TARGET)
		return signals;
	flags = synic_event_flags(&vm.cpus[channel->target]);
	if (flags) {
		signals.call_fd = vm.cpus[channel->target].sint_fd;
		signals.event_flags = (uintptr_t)flags;
	}
	return signals;
}

/*
 * Make a channel that has never been open. It has nobody to interrupt: where that is to go,
 * the guest says when it opens the channel.
 *
 * The backend's probe() runs now, and may take its time.
 *
 * Return: 0 or the errno, which the header says the meaning of
 */
int host_channel_create(struct channel *channel)
{
	struct vmbus_host_signals signals = {
		.size = sizeof(signals),
		.kick_fd = channel->kick_fd,
		.call_fd = -1,
		.flag = channel->relid,
	};
	struct vmbus_host_offer offer = { .size = sizeof(offer) };
	struct vmbus_host_channel_create create = {
		.size = sizeof(create),
		.relid = channel->relid,
		.primary = channel->primary ? channel->primary->relid : 0,
		.index = channel->index,
		.signals = (uintptr_t)&signals,
		.config = (uintptr_t)channel->config,
		.offer = (uintptr_t)&offer,
	};

	memcpy(create.if_type, channel->if_type, sizeof(create.if_type));
	memcpy(create.if_instance, channel->if_instance, sizeof(create.if_instance));
	if (ioctl(host, VMBUS_HOST_CHANNEL_CREATE, &create))
		return errno;
	channel->flags = offer.flags;
	channel->mmio_megabytes = offer.mmio_megabytes;
	memcpy(channel->user_defined, offer.user_defined, sizeof(channel->user_defined));
	return 0;
}

/*
 * Ask for something on a channel; a backend that is not done with it does not keep us.
 *
 * Return: whether it is done. If not, an event will tell.
 */
static bool request(unsigned long command, const char *name, uint32_t relid)
{
	struct vmbus_host_channel channel = { .size = sizeof(channel), .relid = relid };

	if (!ioctl(host, command, &channel))
		return true;
	if (errno == EINPROGRESS)
		return false;
	/* Not there is fine: that is what is wanted */
	if (errno != ENOENT)
		die_errno("%s %u", name, relid);
	return true;
}

bool host_channel_rescind(const struct channel *channel)
{
	return request(VMBUS_HOST_CHANNEL_RESCIND, "VMBUS_HOST_CHANNEL_RESCIND",
		       channel->relid);
}

bool host_channel_destroy(const struct channel *channel)
{
	return request(VMBUS_HOST_CHANNEL_DESTROY, "VMBUS_HOST_CHANNEL_DESTROY",
		       channel->relid);
}

/* An event, RESCIND, will tell when the guest has let go of the device */
void host_channel_unplug(const struct channel *channel)
{
	request(VMBUS_HOST_CHANNEL_UNPLUG, "VMBUS_HOST_CHANNEL_UNPLUG", channel->relid);
}

static void channel_modify(const struct channel *channel, uint32_t flags,
			   uint32_t target_vp)
{
	struct vmbus_host_signals signals = signals_of(channel);
	struct vmbus_host_channel_modify modify = {
		.size = sizeof(modify),
		.flags = flags,
		.relid = channel->relid,
		.target_vp = target_vp,
		.signals = (uintptr_t)&signals,
	};

	if (ioctl(host, VMBUS_HOST_CHANNEL_MODIFY, &modify) && errno != ENOENT)
		warn("VMBUS_HOST_CHANNEL_MODIFY %u: %s", channel->relid, strerror(errno));
}

/* The guest moved its event flags, or is about to open the channel */
void host_channel_signals(const struct channel *channel)
{
	channel_modify(channel, 0, 0);
}

/* The guest wants the signals on another processor, or none */
void host_channel_retarget(const struct channel *channel)
{
	channel_modify(channel, VMBUS_HOST_MODIFY_TARGET_VP, channel->target);
}

/* Return: whether the backends have let go of all that the guest gave them */
bool host_reset(void)
{
	struct vmbus_host_reset reset = { .size = sizeof(reset) };

	if (!ioctl(host, VMBUS_HOST_RESET, &reset))
		return true;
	if (errno != EINPROGRESS)
		die_errno("VMBUS_HOST_RESET");
	return false;
}

/* Return: whether there was an event */
bool host_next_event(struct vmbus_host_event *event)
{
	*event = (struct vmbus_host_event) { .size = sizeof(*event) };
	if (!ioctl(host, VMBUS_HOST_NEXT_EVENT, event))
		return true;
	if (errno != EAGAIN && errno != EINTR)
		die_errno("VMBUS_HOST_NEXT_EVENT");
	return false;
}

/* Return: 0 or the errno, which the header says the meaning of */
int host_write(const void *msg, size_t len)
{
	return write(host, msg, len) < 0 ? errno : 0;
}

/* Return: length of the message, 0 if there is none */
size_t host_read(void *msg)
{
	ssize_t len = read(host, msg, VMBUS_HOST_MSG_MAX);

	if (len < 0 && errno != EAGAIN)
		die_errno("reading from /dev/vmbus-host");
	return len < 0 ? 0 : len;
}
