// SPDX-License-Identifier: GPL-2.0
/*
 * Channels: packets out of the ring.
 *
 * When too many requests are under way the next packet stays in the ring, and the guest
 * waits: nothing is queued in the host that the ring could hold. Receiving goes on when a
 * request is gone.
 */
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "scsi.h"

/* Packets in one call of kick(): the guest can write as fast as the host reads. */
#define KICK_WEIGHT	256u

/* Commands that are mapped before they go to the target: the first waits for the last. */
#define READY_MAX	32u

/* Requests with data that can be under way on a channel, so many MiB of it at most */
#define POOL_REQUESTS	256u
#define POOL_BYTES	(256u << 20)
/* One more for each so many, of those that cannot be told "later": see channel_has_spare(). */
#define SPARE_OF	16u

/* The type header names pages: u32 reserved, u32 range_cnt, u32 byte_count, u32 byte_offset */
#define RANGE_HEADER	16u
/* Linux once sent so many page frame numbers, whatever the length was. */
#define RANGE_PFNS_MIN	32u

static bool channel_is_primary(const struct vscsi_channel *chan)
{
	return !vmbus_endpoint_index(chan->ep);
}

/* ---- Receiving ---- */

static int packet_copy(struct vscsi_channel *chan, struct vscsi_request *r,
		       const struct kvec seg[2])
{
	size_t header = r->desc.offset, payload = min(r->desc.len, VSTOR_LEN), skip = 0;

	/* A header that is too long is refused later, as one that names no pages. */
	if (r->desc.type != VMBUS_PACKET_GPA_DIRECT || header > chan->header_max) {
		r->desc.type = VMBUS_PACKET_INBAND;
		skip = header;
		header = 0;
	}
	chan->packet = chan->header + header;
	if (payload < VSTOR_LEN)
		memset((void *)chan->packet + payload, 0, VSTOR_LEN - payload);
	return vmbus_endpoint_copy(chan->ep, seg, skip, chan->header, header + payload);
}

static void answer_now(struct vscsi_request *r, const struct vstor_packet *answer)
{
	r->packet = *answer;
	vscsi_request_done(r);
}

/* Returns -EBUSY or -ENOMEM if the packet is to stay, and @r is not used then. */
static int packet_handle(struct vscsi_channel *chan, struct vscsi_request *r)
{
	struct vscsi_device *dev = chan->dev;
	struct vstor_packet answer __uninitialized;
	enum vstor_verdict verdict;

	verdict = vstor_receive(&dev->vstor, channel_is_primary(chan), chan->packet,
				r->desc.len, &answer);
	switch (verdict) {
	case VSTOR_DO_EXECUTE:
		vscsi_device_started(dev);
		return vscsi_execute(r);
	case VSTOR_DO_RESET_LUN:
	case VSTOR_DO_RESET_ALL:
		/* It is to find those that came before it. */
		vscsi_submit_ready(chan);
		vscsi_reset(r, verdict == VSTOR_DO_RESET_ALL, &answer);
		return 0;
	case VSTOR_DO_WAIT:
		return -EAGAIN;
	case VSTOR_DO_OFFER:
		/* No more than the backend's: the VMM is asked, and cannot refuse. */
		vmbus_device_offer_subchannels(dev->dev, chan->packet->subchannels);
		break;
	case VSTOR_DO_READY:
		vscsi_device_ready(dev);
		break;
	case VSTOR_DO_ANSWER:
		break;
	}
	answer_now(r, &answer);
	return 0;
}

/* Receive the packet at which @desc and @seg point. */
static int packet_receive(struct vscsi_channel *chan, const struct vmbus_packet *desc,
			  const struct kvec seg[2])
{
	struct vscsi_request *r;
	int ret;

	/* No answer is sent if none is wanted, and nothing is done: no operation goes without. */
	if (!(desc->flags & VMBUS_PACKET_FLAG_COMPLETION) ||
	    desc->type == VMBUS_PACKET_COMPLETION)
		return 0;
	r = vscsi_request_alloc(chan);
	if (IS_ERR(r))
		return PTR_ERR(r);
	r->desc = *desc;
	ret = packet_copy(chan, r, seg);
	if (!ret)
		ret = packet_handle(chan, r);
	if (ret)
		vscsi_request_cancel(r);
	return ret;
}

static int channel_receive(struct vscsi_channel *chan)
{
	struct vmbus_packet desc __uninitialized;
	struct kvec seg[2] __uninitialized;
	int ret;

	ret = vmbus_endpoint_peek(chan->ep, &desc, seg);
	if (!ret)
		ret = packet_receive(chan, &desc, seg);
	if (!ret)
		vmbus_endpoint_consume(chan->ep);
	return ret;
}

/*
 * The next packet waits until a request is gone. It is tried once more after that is noted:
 * what it waited for may have gone just before.
 */
static int channel_stall(struct vscsi_channel *chan)
{
	spin_lock(&chan->lock);
	chan->stalled = true;
	spin_unlock(&chan->lock);
	return channel_receive(chan);
}

/* ---- Logical units come and go ---- */

static void channel_tell_rescan(struct vscsi_channel *chan)
{
	struct vmbus_packet desc = { .type = VMBUS_PACKET_INBAND };
	struct vscsi_device *dev = chan->dev;
	struct vstor_packet event;

	if (dev->vstor.state != VSTOR_STATE_READY || !READ_ONCE(dev->started) ||
	    !xchg(&dev->rescan, false))
		return;
	desc.len = vstor_enumerate_bus(&dev->vstor, &event);
	/* When there is room for it, kick() comes. */
	if (desc.len && vmbus_endpoint_send(chan->ep, &desc, &event) == -EAGAIN)
		WRITE_ONCE(dev->rescan, true);
}

/* ---- What vmbus_host calls ---- */

/**
 * vscsi_channel_kick() - There may be packets, or room for answers
 * @ep: the endpoint
 *
 * Context: process, work of the channel. May sleep.
 */
void vscsi_channel_kick(struct vmbus_endpoint *ep)
{
	struct vscsi_channel *chan = vmbus_endpoint_data(ep);
	unsigned int n;
	int ret = 0;

	if (channel_is_primary(chan))
		channel_tell_rescan(chan);
	for (n = 0; n < KICK_WEIGHT && !ret; n++) {
		ret = channel_receive(chan);
		if (ret == -EBUSY)
			ret = channel_stall(chan);
		if (chan->nr_ready == READY_MAX)
			vscsi_submit_ready(chan);
	}
	vscsi_submit_ready(chan);
	vmbus_endpoint_commit(ep);
	/* The rest later: close() may be waiting. */
	if (!ret || ret == -ENOMEM)
		vmbus_endpoint_kick(ep);
}

static size_t header_bytes(u32 max_transfer_bytes)
{
	u32 pfns = max(max_transfer_bytes / 4096u + 1, RANGE_PFNS_MIN);

	return RANGE_HEADER + pfns * sizeof(u64);
}

static void channel_destroy(struct vscsi_channel *chan)
{
	vscsi_requests_destroy(chan);
	kvfree(chan->header);
	kfree(chan);
}

static struct vscsi_channel *channel_create(struct vmbus_endpoint *ep,
					    struct vscsi_device *dev)
{
	struct vscsi_channel *chan = kzalloc(sizeof(*chan), GFP_KERNEL_ACCOUNT);

	if (!chan)
		return NULL;
	chan->ep = ep;
	chan->dev = dev;
	spin_lock_init(&chan->lock);
	chan->ready_end = &chan->ready;
	chan->max_commands = min(POOL_REQUESTS, POOL_BYTES / dev->vstor.max_transfer_bytes);
	chan->max_spare = DIV_ROUND_UP(chan->max_commands, SPARE_OF) + 1;
	chan->header_max = header_bytes(dev->vstor.max_transfer_bytes);
	chan->header = kvmalloc(chan->header_max + VSTOR_LEN, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!chan->header || vscsi_requests_create(chan, chan->max_commands)) {
		channel_destroy(chan);
		return NULL;
	}
	return chan;
}

/**
 * vscsi_channel_open() - The guest opens a channel
 * @ep: the endpoint
 *
 * Context: process, work of the channel. May sleep.
 * Return: 0; -EINVAL if the controller has no such sub-channel; -ENOMEM; what
 * vmbus_gpa_pool_create() returns.
 */
int vscsi_channel_open(struct vmbus_endpoint *ep)
{
	struct vscsi_device *dev = vmbus_device_data(vmbus_endpoint_device(ep));
	struct vscsi_channel *chan;
	int ret;

	if (vmbus_endpoint_index(ep) > dev->vstor.max_subchannels)
		return -EINVAL;
	chan = channel_create(ep, dev);
	if (!chan)
		return -ENOMEM;
	/* And one for what is answered here: request_absent() has one at a time. */
	ret = vmbus_gpa_pool_create(vmbus_endpoint_channel(ep),
				    chan->max_commands + chan->max_spare + 1,
				    dev->vstor.max_transfer_bytes);
	if (ret) {
		channel_destroy(chan);
		return ret;
	}
	vmbus_endpoint_set_data(ep, chan);
	vscsi_device_add_channel(dev, chan);
	return 0;
}

static const struct vscsi_request *commands_oldest(const struct vscsi_channel *chan)
{
	const struct vscsi_request *r, *oldest = NULL;

	lockdep_assert_held(&chan->lock);
	hlist_for_each_entry(r, &chan->commands, command_node)
		if (!oldest || time_before_eq(r->since, oldest->since))
			oldest = r;
	return oldest;
}

/* The oldest command, and its logical unit: what hangs, if anything does */
static int commands_show(const struct vscsi_channel *chan, const struct vscsi_request *oldest,
			 char *buf, size_t size)
{
	const struct vscsi_tpg *tpg = chan->dev->tpg;
	u8 lun = oldest->command.lun;
	int len;

	len = scnprintf(buf, size, "LUN %u of %s tpgt_%u: %u requests in flight, ", lun,
			tpg->wwpn, tpg->tag, chan->use[lun].commands);
	return len + scnprintf(buf + len, size - len, "oldest %lu s; %u in all",
			       (jiffies - oldest->since) / HZ, vscsi_channel_requests(chan));
}

/**
 * vscsi_channel_show() - Say what a channel is about, and what it waits for
 * @ep: the endpoint
 * @buf: where that goes
 * @size: room of @buf
 *
 * Context: any, from vmbus_endpoint_set_data() on.
 * Return: its length.
 */
int vscsi_channel_show(struct vmbus_endpoint *ep, char *buf, size_t size)
{
	struct vscsi_channel *chan = vmbus_endpoint_data(ep);
	const struct vscsi_tpg *tpg = chan->dev->tpg;
	const struct vscsi_request *oldest;
	int len;

	spin_lock(&chan->lock);
	oldest = commands_oldest(chan);
	if (oldest)
		len = commands_show(chan, oldest, buf, size);
	else
		len = scnprintf(buf, size, "%s tpgt_%u: %u requests", tpg->wwpn, tpg->tag,
				vscsi_channel_requests(chan));
	len += scnprintf(buf + len, size - len, "%s%s", chan->stalled ? ", stalled" : "",
			 READ_ONCE(chan->dev->unplugging) ? ", unplugging" : "");
	spin_unlock(&chan->lock);
	return len;
}

/**
 * vscsi_channel_close() - The guest, or the VMM, closes a channel
 * @ep: the endpoint
 *
 * Waits for the requests that are under way: the target works on the guest's memory.
 *
 * Context: process, work of the channel. May sleep for as long as a backstore takes.
 */
void vscsi_channel_close(struct vmbus_endpoint *ep)
{
	struct vscsi_channel *chan = vmbus_endpoint_data(ep);

	if (channel_is_primary(chan))
		vscsi_unplug_close(chan->dev);
	vmbus_endpoint_drain(ep);
	/* A reset, on another channel, waits for the commands of this one until then. */
	vscsi_device_del_channel(chan->dev, chan);
	vmbus_gpa_pool_destroy(vmbus_endpoint_channel(ep));
	/* No show() any more. */
	vmbus_endpoint_set_data(ep, NULL);
	channel_destroy(chan);
}
