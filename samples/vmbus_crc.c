// SPDX-License-Identifier: GPL-2.0
/*
 * A backend to copy from: the guest names buffers, and gets their CRCs.
 *
 * It has what the backend of a real device has: a configuration, sub-channels, buffers of the
 * guest that stay mapped until they are wanted back, and requests that end in another thread.
 *
 *	struct crc_device	probe() .. remove(): what the VMM has configured
 *	struct crc_channel	open() .. close(): one ring, and its requests
 *	struct crc_request	a packet, from kick() until its answer is sent
 *
 * A request holds the endpoint; so close() waits for it, and nothing here is freed under it.
 * The mapper knows which buffers are mapped. The mutex of a channel is held while one is used or
 * unmapped; not while one is mapped, which may take as long as the VMM likes.
 */
#include <linux/bitmap.h>
#include <linux/crc32.h>
#include <linux/llist.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmbus_backend.h>
#include <linux/workqueue.h>

#include "vmbus_crc.h"

/*
 * One queue for all guests: one each would be a thread each (WQ_MEM_RECLAIM), and memory, which no
 * limit of the VMM's reaches. Guests wait for each other's checksums; and a VMM whose cgroup has no
 * processor time left, while its channel's thread unmaps a buffer, keeps one of these runs waiting:
 * with CRC_MAX_RUNS devices, all. A backend for which that is too much does such work in kick(), as
 * vmbus_echo does, in that VMM's own thread.
 */
static struct workqueue_struct *crc_wq;
#define CRC_MAX_RUNS	16	/* devices that are served at a time */

struct crc_device {
	struct vmbus_crc_config config;
	struct llist_head todo;		/* requests, newest first */
	struct work_struct work;	/* does these, one after the other */
};

struct crc_request {
	struct llist_node node;
	struct crc_channel *chan;
	struct vmbus_crc_request ask;	/* a copy: the guest cannot change it any more */
	struct vmbus_crc_answer answer;
	struct vmbus_completion done;
};

struct crc_channel {
	struct vmbus_endpoint *ep;
	struct vmbus_gpadl_channel *gpadls;
	struct crc_device *dev;
	struct mutex lock;		/* held while a buffer is used or unmapped */
	DECLARE_BITMAP(busy, VMBUS_CRC_MAX_REQUESTS);
	struct crc_request requests[];
};

/* ---- Buffers ---- */

/* It may sleep for as long as the VMM likes: in kick(), which is this channel's thread. */
static int crc_map(struct crc_channel *c, u32 handle)
{
	struct vmbus_mapping *map;
	int ret;

	ret = vmbus_gpadl_map(c->gpadls, VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY, handle, &map);
	/* Keep it: from now on it is found, and revoke() may come. */
	if (!ret)
		vmbus_mapping_arm(map, c);
	return ret;
}

static int crc_unmap(struct crc_channel *c, u32 handle)
{
	struct vmbus_mapping *map;

	guard(mutex)(&c->lock);
	map = vmbus_mapping_find(c->gpadls, handle);
	if (!map)
		return -ENOENT;
	vmbus_gpadl_unmap(map);
	return 0;
}

/* The guest, or the VMM, wants it back. */
static void crc_revoke(struct vmbus_endpoint *ep, struct vmbus_mapping *map)
{
	struct crc_channel *c = vmbus_endpoint_data(ep);

	guard(mutex)(&c->lock);
	/* NULL: crc_unmap() was first. */
	if (vmbus_mapping_priv(map))
		vmbus_gpadl_unmap(map);
}

/* Of bytes that the guest may be writing to: it gets some CRC then, its own fault. */
static int crc_sum(struct crc_channel *c, struct crc_request *r)
{
	u32 offset = le32_to_cpu(r->ask.offset), len = le32_to_cpu(r->ask.len), crc = ~0;
	struct vmbus_mapping *map;
	struct sg_mapping_iter it;
	struct sg_table *sgt;
	u8 bytes[256];
	int ret = 0;
	size_t n;

	guard(mutex)(&c->lock);
	map = vmbus_mapping_find(c->gpadls, le32_to_cpu(r->ask.buffer));
	if (!map)
		return -ENOENT;
	sgt = vmbus_mapping_sgt(map);
	/* What a guest says is checked before it is used. */
	if (sg_nents_for_len(sgt->sgl, (u64)offset + len) < 0)
		return -EINVAL;
	sg_miter_start(&it, sgt->sgl, sgt->orig_nents, SG_MITER_FROM_SG);
	for (sg_miter_skip(&it, offset); len && sg_miter_next(&it); len -= n) {
		n = min3((size_t)len, it.length, sizeof(bytes));
		/* A plain read of memory that has an error would be the end of the host. */
		if (copy_mc_to_kernel(bytes, it.addr, n)) {
			ret = -EIO;
			break;
		}
		crc = crc32_le(crc, bytes, n);
		it.consumed = n;
	}
	sg_miter_stop(&it);
	r->answer.value = cpu_to_le32(~crc);
	return ret;
}

/* ---- Requests ---- */

static int crc_do(struct crc_channel *c, struct crc_request *r)
{
	u32 buffer = le32_to_cpu(r->ask.buffer), len = le32_to_cpu(r->ask.len);

	switch (le32_to_cpu(r->ask.op)) {
	case VMBUS_CRC_MAP:
		return crc_map(c, buffer);
	case VMBUS_CRC_UNMAP:
		return crc_unmap(c, buffer);
	case VMBUS_CRC_SUM:
		return crc_sum(c, r);
	case VMBUS_CRC_SUBCHANNELS_WANTED:
		return vmbus_device_offer_subchannels(vmbus_endpoint_device(c->ep), len);
	default:
		return -EOPNOTSUPP;
	}
}

/* Called by kick() for what is done at once. */
static void crc_finish(struct crc_request *r)
{
	r->answer.error = cpu_to_le32(-crc_do(r->chan, r));
	/* The endpoint's hold goes with it: @r and its channel may be gone after this. */
	vmbus_endpoint_complete(r->chan->ep, &r->done);
}

static void crc_work(struct work_struct *work)
{
	struct crc_device *d = container_of(work, struct crc_device, work);
	struct llist_node *todo = llist_reverse_order(llist_del_all(&d->todo));
	struct crc_request *r, *next;

	llist_for_each_entry_safe(r, next, todo, node) {
		crc_finish(r);
		cond_resched();
	}
}

static void crc_queue(struct crc_device *d, struct crc_request *r)
{
	/* If there was one already, a run is to come that finds this one too. */
	if (llist_add(&r->node, &d->todo))
		queue_work(crc_wq, &d->work);
}

/* The answer is sent, or the channel closes. kick() may have stopped for want of a request. */
static void crc_done(struct vmbus_endpoint *ep, struct vmbus_completion *done)
{
	struct crc_request *r = container_of(done, struct crc_request, done);

	clear_bit_unlock(r - r->chan->requests, r->chan->busy);
	vmbus_endpoint_kick(ep);
}

/* The next packet, if one more request may be under way. Returns false if none was taken. */
static bool crc_receive(struct crc_channel *c)
{
	unsigned int max = c->dev->config.max_requests, i = find_first_zero_bit(c->busy, max);
	struct crc_request *r = &c->requests[i];
	struct vmbus_packet pkt;
	int ret;

	/* Pairs with crc_done(); only kick() takes requests. */
	if (i == max || test_and_set_bit_lock(i, c->busy))
		return false;
	ret = vmbus_endpoint_recv(c->ep, &pkt, &r->ask, sizeof(r->ask));
	if (ret == -EMSGSIZE)
		vmbus_endpoint_consume(c->ep);
	/* There is none; or the channel closes, and nobody wants an answer. */
	if ((ret && ret != -EMSGSIZE) || !vmbus_endpoint_tryget(c->ep)) {
		clear_bit(i, c->busy);
		return false;
	}
	/* An answer has none: this backend has asked nothing. */
	if (pkt.type == VMBUS_PACKET_COMPLETION) {
		clear_bit(i, c->busy);
		vmbus_endpoint_put(c->ep);
		return true;
	}
	/* One that is not of ours is answered, too. */
	if (pkt.type != VMBUS_PACKET_INBAND || pkt.offset || pkt.len != sizeof(r->ask))
		r->ask.op = cpu_to_le32(~0);
	r->chan = c;
	r->answer.value = 0;
	r->done = (struct vmbus_completion) {
		.trans_id = pkt.trans_id,
		.buf = &r->answer,
		.len = sizeof(r->answer),
		.done = crc_done,
	};
	/* What takes its time is done elsewhere; kick() goes on with the next packet. */
	if (r->ask.op == cpu_to_le32(VMBUS_CRC_SUM))
		crc_queue(c->dev, r);
	else
		crc_finish(r);
	return true;
}

static void crc_kick(struct vmbus_endpoint *ep)
{
	unsigned int n;

	for (n = 0; n < 64; n++)
		if (!crc_receive(vmbus_endpoint_data(ep)))
			return;
	vmbus_endpoint_kick(ep);	/* the rest later: close() may be waiting */
}

/* ---- Devices and channels ---- */

static int crc_probe(struct vmbus_device *dev, const void *config, size_t len)
{
	struct crc_device *d __free(kfree) = kzalloc(sizeof(*d), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!d)
		return -ENOMEM;
	ret = vmbus_config_copy(&d->config, sizeof(d->config), sizeof(d->config), config, len);
	if (ret)
		return ret;
	if (!d->config.max_requests || d->config.max_requests > VMBUS_CRC_MAX_REQUESTS)
		return -EINVAL;
	init_llist_head(&d->todo);
	INIT_WORK(&d->work, crc_work);
	vmbus_device_set_data(dev, no_free_ptr(d));
	return 0;
}

static void crc_remove(struct vmbus_device *dev)
{
	struct crc_device *d = vmbus_device_data(dev);

	/* Its requests have ended; the run that has ended the last may be about to return. */
	flush_work(&d->work);
	kfree(d);
}

static int crc_open(struct vmbus_endpoint *ep)
{
	struct crc_device *d = vmbus_device_data(vmbus_endpoint_device(ep));
	struct crc_channel *c;

	c = kvzalloc(struct_size(c, requests, d->config.max_requests), GFP_KERNEL_ACCOUNT);
	if (!c)
		return -ENOMEM;
	c->ep = ep;
	c->gpadls = vmbus_endpoint_channel(ep);
	c->dev = d;
	mutex_init(&c->lock);
	vmbus_endpoint_set_data(ep, c);
	return 0;
}

/* No revoke() and no kick() any more, and no new request. */
static void crc_close(struct vmbus_endpoint *ep)
{
	struct crc_channel *c = vmbus_endpoint_data(ep);

	vmbus_endpoint_drain(ep);	/* those that are under way */
	vmbus_gpadl_unmap_all(c->gpadls);
	kvfree(c);
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

	/* With a rescuer: close() waits for what is queued, and memory is freed by close(). */
	crc_wq = alloc_workqueue("vmbus_crc", WQ_UNBOUND | WQ_MEM_RECLAIM, CRC_MAX_RUNS);
	if (!crc_wq)
		return -ENOMEM;
	/* The last: a device may come before this has returned. */
	ret = vmbus_backend_register(&crc_backend);
	if (ret)
		destroy_workqueue(crc_wq);
	return ret;
}
module_init(crc_init);

static void __exit crc_exit(void)
{
	vmbus_backend_unregister(&crc_backend);
	destroy_workqueue(crc_wq);
}
module_exit(crc_exit);

MODULE_DESCRIPTION("CRCs of a guest's buffers: a VMBus backend to copy from");
MODULE_AUTHOR("The vmbus_gpadl_map developers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(VMBUS_HOST_NS);
MODULE_IMPORT_NS(VMBUS_GPADL_NS);
MODULE_ALIAS_VMBUS_BACKEND("0d6b8c5e-2f41-4c7a-9e13-605ad2884b97");
