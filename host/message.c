// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's messages: those on channels are taken here, those on GPADLs are passed on.
 *
 * A message is a copy by now, and does not change any more. What follows its fixed part
 * is ignored: UEFI sends every message at full length.
 */
#include <linux/errno.h>
#include <linux/string.h>

#include "gpadl/compat.h"
#include "gpadl/wire.h"
#include "host.h"

/* struct vmbus_channel_message_header and what follows it in every message of ours */
struct message {
	__le32 type;
	__le32 padding;
	__le32 relid;
};

/* struct vmbus_channel_open_channel */
struct message_open {
	struct message head;
	__le32 openid;
	__le32 ring_handle;
	__le32 target_vp;
	__le32 ring_page;
	u8 userdata[VMBUS_USERDATA_SIZE];
};

static_assert(sizeof(struct message_open) == 148);

static int receive_open(struct host *host, struct vmbus_endpoint *ep,
			const struct message_open *msg)
{
	struct open_request req = {
		.openid = le32_to_cpu(msg->openid),
		.ring_handle = le32_to_cpu(msg->ring_handle),
		.ring_page = le32_to_cpu(msg->ring_page),
	};

	/* First of all: where there is no room for an answer, nothing has happened. */
	req.reply = vmbus_partition_reserve_reply(host->p);
	if (!req.reply)
		return -EAGAIN;
	memcpy(req.userdata, msg->userdata, sizeof(req.userdata));
	endpoint_open(ep, &req);
	return 0;
}

/* A message on a channel, long enough for its type. */
static int receive_on_channel(struct host *host, const struct message *msg)
{
	struct vmbus_endpoint *ep;

	guard(mutex)(&host->lock);
	ep = xa_load(&host->endpoints, le32_to_cpu(msg->relid));
	if (!ep || ep->released)
		return -ENXIO;

	switch (le32_to_cpu(msg->type)) {
	case GPADL_MSG_OPENCHANNEL:
		return receive_open(host, ep, (const struct message_open *)msg);
	case GPADL_MSG_CLOSECHANNEL:
		endpoint_close(ep, ENDPOINT_LEAVE);
		return 0;
	default:
		endpoint_let_go(ep);
		return 0;
	}
}

/* Length of a message's fixed part; 0 if the message is not one on a channel. */
static size_t message_min_len(u32 type)
{
	switch (type) {
	case GPADL_MSG_OPENCHANNEL:
		return sizeof(struct message_open);
	case GPADL_MSG_CLOSECHANNEL:
	case GPADL_MSG_RELID_RELEASED:
		return sizeof(struct message);
	default:
		return 0;
	}
}

/**
 * host_receive() - Take a message from the guest
 * @host: the guest
 * @msg: the message, aligned to 4 bytes
 * @len: its length in bytes
 * @flags: as for vmbus_partition_receive()
 *
 * Context: process, may sleep, but not for a backend or for the VMM.
 * Return: as vmbus_partition_receive().
 */
int host_receive(struct host *host, const void *msg, size_t len, u32 flags)
{
	size_t min_len;

	if (len < sizeof(u32) || len > VMBUS_GPADL_MSG_MAX)
		goto err_bad;
	min_len = message_min_len(le32_to_cpup(msg));
	if (!min_len)
		return vmbus_partition_receive(host->p, msg, len, flags);
	if (len < min_len)
		goto err_bad;
	return receive_on_channel(host, msg);

err_bad:
	atomic_inc(&host->nr_bad);
	return -EBADMSG;
}
