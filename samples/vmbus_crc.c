// SPDX-License-Identifier: GPL-2.0
/*
 * A backend to copy from: the guest names buffers, and gets their CRCs.
 *
 * It shows what a backend of a real device does: a configuration, a sub-channel for each
 * of the guest's processors, buffers of the guest that stay mapped until they are wanted
 * back, and requests that complete in another thread.
 *
 *	struct vmbus_crc_config	probe() .. remove(): what the VMM has configured
 *	struct crc_channel	open() .. close(): one ring, its buffers, its requests
 *	struct crc_request	a packet, from kick() until its completion is sent
 *
 * A request holds the endpoint until then; so close() waits for it, and nothing here is freed
 * under it. A mutex for each channel is held while a buffer is used: that is why revoke() can
 * unmap. It is not held while a buffer is mapped, which may take as long as the VMM likes:
 * requests of other guests are in the same work queue, behind those that wait for the mutex.
 */
#include <linux/bitmap.h>
#include <linux/crc32.h>
#include <linux/errno.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/vmbus_backend.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "vmbus_crc.h"

struct crc_request {
	struct work_struct work;
	struct crc_channel *chan;
	struct vmbus_crc_request ask;	/* a copy: the guest cannot change it any more */
	struct vmbus_crc_answer answer;
	struct vmbus_completion done;
};

struct crc_channel {
	struct vmbus_endpoint *ep;
	const struct vmbus_crc_config *config;
	struct mutex lock;		/* protects buffers, and what is done with one */
	struct xarray buffers;		/* struct vmbus_mapping, by handle */
	DECLARE_BITMAP(busy, VMBUS_CRC_MAX_REQUESTS);
	struct crc_request requests[];
};

static struct workqueue_struct *crc_wq;

/* ---- Buffers ---- */

/* Called with the lock held. */
static int crc_unmap(struct crc_channel *c, u32 handle)
{
	struct vmbus_mapping *map = xa_erase(&c->buffers, handle);

	if (!map)
		return -ENOENT;
	vmbus_gpadl_unmap(map);
	return 0;
}

/* It may sleep for as long as the VMM likes: in kick(), which is this channel's thread. */
static int crc_map(struct crc_channel *c, u32 handle)
{
	struct vmbus_mapping *map;
	int ret;

	ret = vmbus_gpadl_map(vmbus_endpoint_channel(c->ep),
			      VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY, handle, &map);
	if (ret)
		return ret;
	guard(mutex)(&c->lock);
	ret = xa_insert(&c->buffers, handle, map, GFP_KERNEL_ACCOUNT);
	if (ret) {
		vmbus_gpadl_unmap(map);
		return ret;
	}
	/* The last step: now revoke() can find what it needs. */
	vmbus_mapping_arm(map, xa_mk_value(handle));
	return 0;
}

/* The guest may write to the pages meanwhile. It gets some CRC then: its own fault. */
static u32 crc_pages(struct sg_table *sgt, u32 offset, u32 len)
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

/* Called with the lock held. */
static int crc_sum(struct crc_channel *c, struct crc_request *r)
{
	u32 offset = le32_to_cpu(r->ask.offset), len = le32_to_cpu(r->ask.len);
	struct vmbus_mapping *map = xa_load(&c->buffers, le32_to_cpu(r->ask.buffer));
	struct sg_table *sgt;

	if (!map)
		return -ENOENT;
	sgt = vmbus_mapping_sgt(map);
	/* What a guest says is checked before it is used. */
	if (sg_nents_for_len(sgt->sgl, (u64)offset + len) < 0)
		return -EINVAL;
	if (c->config->max_bytes && len > c->config->max_bytes)
		return -E2BIG;
	r->answer.value = cpu_to_le32(crc_pages(sgt, offset, len));
	return 0;
}

/* ---- Requests ---- */

/* It is sent, or the channel closes. kick() may have stopped as there were too many. */
static void crc_done(struct vmbus_endpoint *ep, struct vmbus_completion *done)
{
	struct crc_request *r = container_of(done, struct crc_request, done);

	clear_bit_unlock(r - r->chan->requests, r->chan->busy);
	vmbus_endpoint_kick(ep);
}

/* The endpoint's hold goes with the completion: @r and its channel may be gone after this. */
static void crc_complete(struct crc_request *r, int ret)
{
	r->answer.error = cpu_to_le32(-ret);
	vmbus_endpoint_complete(r->chan->ep, &r->done);
}

/* What takes its time is done elsewhere; kick() goes on with the next packet. */
static void crc_work(struct work_struct *work)
{
	struct crc_request *r = container_of(work, struct crc_request, work);
	struct crc_channel *c = r->chan;
	int ret;

	mutex_lock(&c->lock);
	ret = crc_sum(c, r);
	mutex_unlock(&c->lock);
	crc_complete(r, ret);
}

static int crc_do_now(struct crc_channel *c, const struct vmbus_crc_request *ask)
{
	u32 handle = le32_to_cpu(ask->buffer), len = le32_to_cpu(ask->len);
	int ret;

	switch (le32_to_cpu(ask->op)) {
	case VMBUS_CRC_MAP:
		return crc_map(c, handle);
	case VMBUS_CRC_UNMAP:
		mutex_lock(&c->lock);
		ret = crc_unmap(c, handle);
		mutex_unlock(&c->lock);
		return ret;
	case VMBUS_CRC_SUBCHANNELS_WANTED:
		if (vmbus_endpoint_index(c->ep) || len > U16_MAX)
			return -EINVAL;
		return vmbus_device_offer_subchannels(vmbus_endpoint_device(c->ep), len);
	default:
		return -EOPNOTSUPP;
	}
}

static void crc_begin(struct crc_request *r)
{
	if (r->ask.op == cpu_to_le32(VMBUS_CRC_SUM))
		queue_work(crc_wq, &r->work);
	else
		crc_complete(r, crc_do_now(r->chan, &r->ask));
}

/* One that is free; only kick() takes them. */
static struct crc_request *crc_take(struct crc_channel *c)
{
	unsigned int i = find_first_zero_bit(c->busy, c->config->max_requests);

	/* Pairs with crc_done(). */
	if (i >= c->config->max_requests || test_and_set_bit_lock(i, c->busy))
		return NULL;
	return &c->requests[i];
}

/* The next packet, if there may be one more request. Returns false if there is none. */
static bool crc_receive(struct crc_channel *c)
{
	struct crc_request *r = crc_take(c);
	struct vmbus_packet pkt;
	int ret;

	if (!r)
		return false;
	if (!vmbus_endpoint_tryget(c->ep))
		goto err_release;
	ret = vmbus_endpoint_recv(c->ep, &pkt, &r->ask, sizeof(r->ask));
	if (ret == -EMSGSIZE)
		vmbus_endpoint_consume(c->ep);
	else if (ret)
		goto err_put;
	/* One that is not of ours is answered, too. */
	if (pkt.type != VMBUS_PACKET_INBAND || pkt.offset || pkt.len != sizeof(r->ask))
		r->ask.op = cpu_to_le32(~0);
	r->answer.value = 0;
	r->done.trans_id = pkt.trans_id;
	crc_begin(r);
	return true;

err_put:
	vmbus_endpoint_put(c->ep);
err_release:
	clear_bit(r - c->requests, c->busy);
	return false;
}

/* ---- The backend ---- */

static int crc_probe(struct vmbus_device *dev, const void *data, size_t len)
{
	struct vmbus_crc_config *config = kzalloc(sizeof(*config), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!config)
		return -ENOMEM;
	ret = vmbus_config_copy(config, sizeof(*config), sizeof(*config), data, len);
	if (!ret && (!config->max_requests || config->max_requests > VMBUS_CRC_MAX_REQUESTS))
		ret = -EINVAL;
	if (ret)
		kfree(config);
	else
		vmbus_device_set_data(dev, config);
	return ret;
}

static void crc_remove(struct vmbus_device *dev)
{
	kfree(vmbus_device_data(dev));
}

static int crc_open(struct vmbus_endpoint *ep)
{
	const struct vmbus_crc_config *config = vmbus_device_data(vmbus_endpoint_device(ep));
	struct crc_channel *c;
	unsigned int i;

	c = kvzalloc(struct_size(c, requests, config->max_requests), GFP_KERNEL_ACCOUNT);
	if (!c)
		return -ENOMEM;
	c->ep = ep;
	c->config = config;
	mutex_init(&c->lock);
	xa_init(&c->buffers);
	for (i = 0; i < config->max_requests; i++) {
		struct crc_request *r = &c->requests[i];

		r->chan = c;
		INIT_WORK(&r->work, crc_work);
		r->done.buf = &r->answer;
		r->done.len = sizeof(r->answer);
		r->done.done = crc_done;
	}
	vmbus_endpoint_set_data(ep, c);
	return 0;
}

/* No revoke() and no kick() any more, and no new request. */
static void crc_close(struct vmbus_endpoint *ep)
{
	struct crc_channel *c = vmbus_endpoint_data(ep);
	struct vmbus_mapping *map;
	unsigned long handle;

	/* Those that are under way. */
	vmbus_endpoint_drain(ep);
	xa_for_each(&c->buffers, handle, map)
		vmbus_gpadl_unmap(map);
	xa_destroy(&c->buffers);
	kvfree(c);
}

static void crc_kick(struct vmbus_endpoint *ep)
{
	unsigned int n;

	for (n = 0; n < 64; n++)
		if (!crc_receive(vmbus_endpoint_data(ep)))
			return;
	vmbus_endpoint_kick(ep);	/* the rest later: close() may be waiting */
}

static void crc_revoke(struct vmbus_endpoint *ep, struct vmbus_mapping *map)
{
	struct crc_channel *c = vmbus_endpoint_data(ep);
	void *handle;

	guard(mutex)(&c->lock);
	/* NULL: it has been unmapped meanwhile. */
	handle = vmbus_mapping_priv(map);
	if (handle)
		crc_unmap(c, xa_to_value(handle));
}

static struct vmbus_backend crc_backend = {
	.owner = THIS_MODULE,
	.name = KBUILD_MODNAME,
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
	int ret;

	/* close() waits for it, and memory is freed by close(). */
	crc_wq = alloc_workqueue("vmbus_crc", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!crc_wq)
		return -ENOMEM;
	ret = vmbus_backend_register(&crc_backend);
	if (ret)
		destroy_workqueue(crc_wq);
	return ret;
}

static void __exit crc_exit(void)
{
	vmbus_backend_unregister(&crc_backend);
	destroy_workqueue(crc_wq);
}

module_init(crc_init);
module_exit(crc_exit);

MODULE_DESCRIPTION("CRCs of a guest's buffers: a VMBus backend to copy from");
MODULE_AUTHOR("The vmbus_gpadl_map developers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(VMBUS_HOST_NS);
MODULE_IMPORT_NS(VMBUS_GPADL_NS);
MODULE_ALIAS_VMBUS_BACKEND("0d6b8c5e-2f41-4c7a-9e13-605ad2884b97");
