// SPDX-License-Identifier: GPL-2.0
/*
 * A backend to copy from: the guest names buffers, and gets their CRCs.
 *
 * It shows what a backend of a real device does: a configuration, a sub-channel for each
 * of the guest's processors, buffers of the guest that stay mapped until they are wanted
 * back, requests that complete in another thread, and a ring that is full for a while.
 *
 *	struct crc_device	probe() .. remove(): what the VMM has configured
 *	struct crc_channel	open() .. close(): one ring, its buffers, its requests
 *	struct crc_buffer	a GPADL of that channel, mapped
 *	struct crc_request	a packet, from kick() until its completion is sent
 *
 * A request holds the endpoint until its completion is sent; so close() waits for it, and
 * nothing here is freed under it. A mutex for each channel is held while a buffer is used:
 * that is why revoke() can unmap.
 */
#include <linux/crc32.h>
#include <linux/errno.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmbus_backend.h>
#include <linux/workqueue.h>

#include "gpadl/compat.h"
#include "vmbus_crc.h"

struct crc_device {
	struct vmbus_crc_config config;
};

struct crc_channel {
	struct vmbus_endpoint *ep;
	struct crc_device *dev;
	struct mutex buffers_lock;
	struct list_head buffers;
	spinlock_t done_lock;		/* protects what follows */
	struct list_head done;		/* requests whose completion is to be sent */
	unsigned int nr_requests;
	bool closing;
};

struct crc_buffer {
	struct list_head node;
	struct vmbus_mapping *map;
	u32 handle;
};

struct crc_request {
	struct list_head node;
	struct work_struct work;
	struct crc_channel *chan;
	u64 trans_id;
	struct vmbus_crc_request ask;	/* a copy: the guest cannot change it any more */
	int error;
	u32 value;
};

/* ---- Buffers; called with buffers_lock held ---- */

static struct crc_buffer *crc_find(struct crc_channel *c, u32 handle)
{
	struct crc_buffer *b;

	list_for_each_entry(b, &c->buffers, node)
		if (b->handle == handle)
			return b;
	return NULL;
}

static void crc_drop(struct crc_buffer *b)
{
	vmbus_gpadl_unmap(b->map);
	list_del(&b->node);
	kfree(b);
}

/* It may sleep for as long as the VMM likes: in kick(), which is this channel's thread. */
static int crc_map(struct crc_channel *c, u32 handle)
{
	struct crc_buffer *b = kzalloc(sizeof(*b), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!b)
		return -ENOMEM;
	ret = vmbus_gpadl_map(vmbus_endpoint_channel(c->ep),
			      VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY, handle, &b->map);
	if (ret) {
		kfree(b);
		return ret;
	}
	b->handle = handle;
	list_add(&b->node, &c->buffers);
	/* The last step: now revoke() can find what it needs. */
	vmbus_mapping_arm(b->map, b);
	return 0;
}

static int crc_unmap(struct crc_channel *c, u32 handle)
{
	struct crc_buffer *b = crc_find(c, handle);

	if (!b)
		return -ENOENT;
	crc_drop(b);
	return 0;
}

static size_t crc_bytes(struct sg_table *sgt)
{
	struct scatterlist *sg;
	size_t bytes = 0;
	unsigned int i;

	for_each_sgtable_sg(sgt, sg, i)
		bytes += sg->length;
	return bytes;
}

/* The guest may write to the pages meanwhile. It gets some CRC then: its own fault. */
static u32 crc_sum_pages(struct sg_table *sgt, u32 offset, u32 len)
{
	struct sg_mapping_iter it;
	u32 crc = ~0;
	size_t n;

	sg_miter_start(&it, sgt->sgl, sgt->orig_nents, SG_MITER_FROM_SG);
	sg_miter_skip(&it, offset);
	for (; len && sg_miter_next(&it); len -= n) {
		n = min_t(size_t, it.length, len);
		crc = crc32_le(crc, it.addr, n);
	}
	sg_miter_stop(&it);
	return ~crc;
}

static int crc_sum(struct crc_channel *c, struct crc_request *r)
{
	u32 offset = le32_to_cpu(r->ask.offset), len = le32_to_cpu(r->ask.len);
	struct crc_buffer *b = crc_find(c, le32_to_cpu(r->ask.buffer));
	struct sg_table *sgt;
	size_t bytes;

	if (!b)
		return -ENOENT;
	sgt = vmbus_mapping_sgt(b->map);
	bytes = crc_bytes(sgt);
	if (offset > bytes || len > bytes - offset)
		return -EINVAL;
	if (c->dev->config.max_bytes && len > c->dev->config.max_bytes)
		return -E2BIG;
	r->value = crc_sum_pages(sgt, offset, len);
	return 0;
}

/* ---- Requests ---- */

/*
 * @done is done. Send the completions that there are, in order. If there is no room for
 * one it stays: kick() comes when there is. Nobody waits for one that closes the channel.
 */
static void crc_send_done(struct crc_channel *c, struct crc_request *done)
{
	struct vmbus_endpoint *ep = c->ep;
	struct crc_request *r, *next;
	LIST_HEAD(sent);

	spin_lock(&c->done_lock);
	if (done)
		list_add_tail(&done->node, &c->done);
	list_for_each_entry_safe(r, next, &c->done, node) {
		struct vmbus_crc_answer answer = {
			.error = cpu_to_le32(-r->error),
			.value = cpu_to_le32(r->value),
		};
		struct vmbus_packet pkt = {
			.type = VMBUS_PACKET_COMPLETION,
			.trans_id = r->trans_id,
			.len = sizeof(answer),
		};

		if (vmbus_endpoint_send(ep, &pkt, &answer) == -EAGAIN && !c->closing)
			break;
		list_move_tail(&r->node, &sent);
		/* kick() stopped reading when there were too many. */
		if (c->nr_requests-- == c->dev->config.max_requests)
			vmbus_endpoint_kick(ep);
	}
	spin_unlock(&c->done_lock);
	/* After the last put @c may be gone. */
	list_for_each_entry_safe(r, next, &sent, node) {
		kfree(r);
		vmbus_endpoint_put(ep);
	}
}

/* What takes its time is done elsewhere; kick() goes on with the next packet. */
static void crc_work(struct work_struct *work)
{
	struct crc_request *r = container_of(work, struct crc_request, work);
	struct crc_channel *c = r->chan;

	mutex_lock(&c->buffers_lock);
	r->error = crc_sum(c, r);
	mutex_unlock(&c->buffers_lock);
	crc_send_done(c, r);
}

static int crc_do_now(struct crc_channel *c, const struct crc_request *r)
{
	u32 handle = le32_to_cpu(r->ask.buffer);

	guard(mutex)(&c->buffers_lock);
	switch (le32_to_cpu(r->ask.op)) {
	case VMBUS_CRC_MAP:
		return crc_map(c, handle);
	case VMBUS_CRC_UNMAP:
		return crc_unmap(c, handle);
	case VMBUS_CRC_SUBCHANNELS_WANTED:
		if (vmbus_endpoint_index(c->ep) || le32_to_cpu(r->ask.len) > U16_MAX)
			return -EINVAL;
		return vmbus_device_offer_subchannels(vmbus_endpoint_device(c->ep),
						      le32_to_cpu(r->ask.len));
	default:
		return -EOPNOTSUPP;
	}
}

static void crc_begin(struct crc_channel *c, struct crc_request *r)
{
	spin_lock(&c->done_lock);
	c->nr_requests++;
	spin_unlock(&c->done_lock);
	if (r->ask.op == cpu_to_le32(VMBUS_CRC_SUM)) {
		INIT_WORK(&r->work, crc_work);
		queue_work(system_unbound_wq, &r->work);
	} else {
		r->error = crc_do_now(c, r);
		crc_send_done(c, r);
	}
}

/* The next packet, if there may be one more request. Returns false if there is none. */
static bool crc_receive(struct crc_channel *c)
{
	struct vmbus_packet pkt;
	struct crc_request *r;
	int ret;

	/* kick() comes again when there are less. */
	if (READ_ONCE(c->nr_requests) >= c->dev->config.max_requests)
		return false;
	r = kzalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);
	if (!r) {
		vmbus_endpoint_kick(c->ep);	/* the packet stays where it is */
		return false;
	}
	if (!vmbus_endpoint_tryget(c->ep))
		goto err_free;
	ret = vmbus_endpoint_recv(c->ep, &pkt, &r->ask, sizeof(r->ask));
	if (ret)
		goto err_put;
	r->chan = c;
	r->trans_id = pkt.trans_id;
	/* One that is not of ours is answered, too. */
	if (pkt.type != VMBUS_PACKET_INBAND || pkt.offset || pkt.len != sizeof(r->ask))
		r->ask.op = cpu_to_le32(~0);
	crc_begin(c, r);
	return true;

err_put:
	vmbus_endpoint_put(c->ep);
err_free:
	kfree(r);
	return false;
}

/* ---- The backend ---- */

static int crc_probe(struct vmbus_device *dev, const void *config, size_t len)
{
	struct crc_device *d = kzalloc(sizeof(*d), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!d)
		return -ENOMEM;
	ret = vmbus_config_copy(&d->config, sizeof(d->config), sizeof(d->config), config,
				len);
	if (!ret && (!d->config.max_requests ||
		     d->config.max_requests > VMBUS_CRC_MAX_REQUESTS))
		ret = -EINVAL;
	if (ret) {
		kfree(d);
		return ret;
	}
	vmbus_device_set_data(dev, d);
	return 0;
}

static void crc_remove(struct vmbus_device *dev)
{
	kfree(vmbus_device_data(dev));
}

static int crc_open(struct vmbus_endpoint *ep)
{
	struct crc_channel *c = kzalloc(sizeof(*c), GFP_KERNEL_ACCOUNT);

	if (!c)
		return -ENOMEM;
	c->ep = ep;
	c->dev = vmbus_device_data(vmbus_endpoint_device(ep));
	mutex_init(&c->buffers_lock);
	INIT_LIST_HEAD(&c->buffers);
	spin_lock_init(&c->done_lock);
	INIT_LIST_HEAD(&c->done);
	vmbus_endpoint_set_data(ep, c);
	return 0;
}

/* No revoke() and no kick() any more, and no new request. */
static void crc_close(struct vmbus_endpoint *ep)
{
	struct crc_channel *c = vmbus_endpoint_data(ep);
	struct crc_buffer *b, *next;

	spin_lock(&c->done_lock);
	c->closing = true;
	spin_unlock(&c->done_lock);
	crc_send_done(c, NULL);
	/* Those that are under way. */
	vmbus_endpoint_drain(ep);
	list_for_each_entry_safe(b, next, &c->buffers, node)
		crc_drop(b);
	mutex_destroy(&c->buffers_lock);
	kfree(c);
}

static void crc_kick(struct vmbus_endpoint *ep)
{
	struct crc_channel *c = vmbus_endpoint_data(ep);
	unsigned int n;

	crc_send_done(c, NULL);
	for (n = 0; n < 64; n++)
		if (!crc_receive(c))
			return;
	vmbus_endpoint_kick(ep);	/* the rest later: close() may be waiting */
}

static void crc_revoke(struct vmbus_endpoint *ep, struct vmbus_mapping *map)
{
	struct crc_channel *c = vmbus_endpoint_data(ep);
	struct crc_buffer *b;

	guard(mutex)(&c->buffers_lock);
	/* Only this channel's thread unmaps, so it is there; it costs nothing to be sure. */
	b = vmbus_mapping_priv(map);
	if (b)
		crc_drop(b);
}

static struct vmbus_backend crc_backend = {
	.owner = THIS_MODULE,
	.name = "crc",
	.if_type = GUID_INIT(0x0d6b8c5e, 0x2f41, 0x4c7a,
			     0x9e, 0x13, 0x60, 0x5a, 0xd2, 0x88, 0x4b, 0x97),
	.max_subchannels = VMBUS_CRC_SUBCHANNELS,
	.probe = crc_probe,
	.remove = crc_remove,
	.open = crc_open,
	.close = crc_close,
	.kick = crc_kick,
	.revoke = crc_revoke,
};

static int __init crc_init(void)
{
	return vmbus_backend_register(&crc_backend);
}

static void __exit crc_exit(void)
{
	vmbus_backend_unregister(&crc_backend);
}

module_init(crc_init);
module_exit(crc_exit);

MODULE_DESCRIPTION("CRCs of a guest's buffers: a VMBus backend to copy from");
MODULE_AUTHOR("The vmbus_gpadl_map developers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(VMBUS_HOST_NS);
MODULE_IMPORT_NS(VMBUS_GPADL_NS);
MODULE_ALIAS_VMBUS_BACKEND("0d6b8c5e-2f41-4c7a-9e13-605ad2884b97");
