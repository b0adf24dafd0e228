// SPDX-License-Identifier: GPL-2.0
/*
 * A device whose data is in the pages that its packets name: adds up what is there, or writes
 * to it, at once or when it is told to, in its thread or in a software interrupt.
 *
 * A request, from its packet until its completion is sent, holds the endpoint. Those that are
 * held wait in one list for all endpoints, until a packet or the parameter keep lets them go:
 * so a test can have them outlive the guest, its channel and its VMM.
 */
#include <linux/errno.h>
#include <linux/highmem.h>
#include <linux/hrtimer.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmbus_backend.h>

#include "gpadl/compat.h"
#include "vmbus_gpa_test.h"

/* As many pages as a test names in one part of a GPADL */
#define VIEW_ENTRIES	16

struct gpa_test_request {
	struct list_head node;
	struct vmbus_endpoint *ep;
	struct vmbus_mapping *map;
	u64 trans_id;
	struct vmbus_gpa_test_request ask;
	struct hrtimer timer;
};

static DEFINE_SPINLOCK(held_lock);
static LIST_HEAD(held);
static bool keep;

/* ---- The data ---- */

static u32 get_le32(const u8 *bytes)
{
	__le32 value;

	memcpy(&value, bytes, sizeof(value));
	return le32_to_cpu(value);
}

static u64 work_on_page(struct page *page, u32 offset, u32 len,
			const struct vmbus_gpa_test_request *ask)
{
	u8 *at = kmap_local_page(page);
	u64 sum = 0;
	u32 i;

	if (ask->op == VMBUS_GPA_TEST_FILL)
		memset(at + offset, ask->value, len);
	else
		for (i = 0; i < len; i++)
			sum += at[offset + i];
	kunmap_local(at);
	return sum;
}

static u64 work_on(struct scatterlist *sgl, unsigned int nents,
		   const struct vmbus_gpa_test_request *ask)
{
	struct scatterlist *sg;
	unsigned int i;
	u64 sum = 0;
	u32 at, len;

	for_each_sg(sgl, sg, nents, i) {
		for (at = sg->offset; at < sg->offset + sg->length; at += len) {
			len = min_t(u32, PAGE_SIZE - offset_in_page(at),
				    sg->offset + sg->length - at);
			sum += work_on_page(sg_page(sg) + (at >> PAGE_SHIFT),
					    offset_in_page(at), len, ask);
		}
	}
	return sum;
}

static void answer(struct vmbus_endpoint *ep, u64 trans_id, int status, u32 entries, u64 value)
{
	struct vmbus_gpa_test_answer a = {
		.status = status,
		.entries = entries,
		.value = value,
	};
	struct vmbus_packet pkt = {
		.type = VMBUS_PACKET_COMPLETION,
		.trans_id = trans_id,
		.len = sizeof(a),
	};

	/* A guest that has left no room hears nothing. */
	vmbus_endpoint_send(ep, &pkt, &a);
}

/* ---- Requests ---- */

/* From any context. The pages are looked at now: they are there until the unmap. */
static void request_end(struct gpa_test_request *req)
{
	struct sg_table *sgt = vmbus_mapping_sgt(req->map);
	struct vmbus_endpoint *ep = req->ep;
	u32 entries = sgt->orig_nents;
	u64 sum = work_on(sgt->sgl, entries, &req->ask);

	vmbus_gpa_unmap(req->map);
	answer(ep, req->trans_id, 0, entries, sum);
	/* There may be packets that had to wait for this one. */
	vmbus_endpoint_kick(ep);
	kfree(req);
	vmbus_endpoint_put(ep);
}

static enum hrtimer_restart request_timer(struct hrtimer *timer)
{
	request_end(container_of(timer, struct gpa_test_request, timer));
	return HRTIMER_NORESTART;
}

static void request_go(struct gpa_test_request *req)
{
	if (!(req->ask.flags & VMBUS_GPA_TEST_SOFTIRQ)) {
		request_end(req);
		return;
	}
	compat_hrtimer_setup(&req->timer, request_timer, CLOCK_MONOTONIC,
			     HRTIMER_MODE_REL_SOFT);
	hrtimer_start(&req->timer, ms_to_ktime(1), HRTIMER_MODE_REL_SOFT);
}

static void request_hold(struct gpa_test_request *req)
{
	spin_lock(&held_lock);
	list_add_tail(&req->node, &held);
	spin_unlock(&held_lock);
}

/* Let go what is held of an endpoint, or of all */
static void release_held(struct vmbus_endpoint *ep)
{
	struct gpa_test_request *req, *next;
	LIST_HEAD(list);

	spin_lock(&held_lock);
	list_for_each_entry_safe(req, next, &held, node)
		if (!ep || req->ep == ep)
			list_move_tail(&req->node, &list);
	spin_unlock(&held_lock);
	list_for_each_entry_safe(req, next, &list, node)
		request_go(req);
}

static int keep_set(const char *val, const struct kernel_param *kp)
{
	int ret = param_set_bool(val, kp);

	if (!ret && !keep)
		release_held(NULL);
	return ret;
}

static const struct kernel_param_ops keep_ops = {
	.set = keep_set,
	.get = param_get_bool,
};
module_param_cb(keep, &keep_ops, &keep, 0644);
MODULE_PARM_DESC(keep, "held requests stay until this is cleared");

/* A guest that asks for less gets it; -EAGAIN: the packet stays in the ring. */
static int request_begin(struct vmbus_endpoint *ep, const struct vmbus_packet *pkt,
			 const u8 *header, const struct vmbus_gpa_test_request *ask)
{
	struct vmbus_gpadl_channel *chan = vmbus_endpoint_channel(ep);
	u32 flags = ask->op == VMBUS_GPA_TEST_FILL ? 0 : VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY;
	u32 nr = get_le32(header + 4);
	struct gpa_test_request *req;
	int ret;

	req = kzalloc(sizeof(*req), GFP_KERNEL);
	if (!req)
		return -ENOMEM;
	if (ask->flags & VMBUS_GPA_TEST_NOWAIT)
		ret = vmbus_gpa_map_nowait(chan, flags, header + 8, pkt->offset - 8, nr, &req->map);
	else
		ret = vmbus_gpa_map(chan, flags, header + 8, pkt->offset - 8, nr, &req->map);
	if (!ret && !vmbus_endpoint_tryget(ep)) {
		vmbus_gpa_unmap(req->map);
		ret = -ESHUTDOWN;
	}
	if (ret) {
		kfree(req);
		return ret;
	}
	req->ep = ep;
	req->trans_id = pkt->trans_id;
	req->ask = *ask;
	if (ask->flags & VMBUS_GPA_TEST_HOLD)
		request_hold(req);
	else
		request_go(req);
	return 0;
}

/* Parts of a GPADL, each of which is listed and added up. */
static int add_parts(struct vmbus_mapping *map, const u8 *header, size_t len,
		     const struct vmbus_gpa_test_request *ask, u32 *entries, u64 *sum)
{
	u32 i, nr = get_le32(header + 4);
	struct scatterlist sgl[VIEW_ENTRIES];
	int ret;

	if (nr > (len - 8) / 8)
		return -EBADMSG;
	for (i = 0; i < nr; i++) {
		const u8 *part = header + 8 + 8 * i;

		ret = vmbus_mapping_view(map, get_le32(part + 4),
					 get_le32(part), sgl, VIEW_ENTRIES);
		if (ret < 0)
			return ret;
		*sum += work_on(sgl, ret, ask);
		*entries += ret;
	}
	return 0;
}

static void parts_of_gpadl(struct vmbus_endpoint *ep, const struct vmbus_packet *pkt,
			   const u8 *header, const struct vmbus_gpa_test_request *ask)
{
	struct vmbus_mapping *map;
	u32 entries = 0;
	u64 sum = 0;
	int ret;

	ret = vmbus_gpadl_map(vmbus_endpoint_channel(ep), VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY,
			      ask->value, &map);
	if (!ret) {
		ret = add_parts(map, header, pkt->offset, ask, &entries, &sum);
		vmbus_gpadl_unmap(map);
	}
	answer(ep, pkt->trans_id, ret, entries, sum);
}

/* ---- The backend ---- */

/* Returns -EAGAIN if the packet is to stay. */
static int handle_packet(struct vmbus_endpoint *ep, const struct vmbus_packet *pkt,
			 const u8 *bytes)
{
	struct vmbus_gpa_test_request ask;
	int ret = -EBADMSG;

	if (pkt->len < sizeof(ask))
		goto out;
	memcpy(&ask, bytes + pkt->offset, sizeof(ask));
	if (pkt->type == VMBUS_PACKET_GPA_DIRECT) {
		ret = request_begin(ep, pkt, bytes, &ask);
		if (!ret || (ret == -EAGAIN && !(ask.flags & VMBUS_GPA_TEST_NOWAIT)))
			return ret;
	} else if (pkt->type == VMBUS_PACKET_XFER_PAGES && ask.op == VMBUS_GPA_TEST_SUM) {
		parts_of_gpadl(ep, pkt, bytes, &ask);
		return 0;
	} else if (pkt->type == VMBUS_PACKET_INBAND && ask.op == VMBUS_GPA_TEST_RELEASE) {
		release_held(ep);
		ret = 0;
	}
out:
	answer(ep, pkt->trans_id, ret, 0, 0);
	return 0;
}

static void gpa_test_kick(struct vmbus_endpoint *ep)
{
	struct vmbus_packet pkt;
	struct kvec seg[2];
	int ret = 0;
	u8 *bytes;

	while (!ret && !vmbus_endpoint_peek(ep, &pkt, seg)) {
		bytes = kvmalloc(pkt.offset + pkt.len, GFP_KERNEL);
		if (!bytes)
			return;
		ret = vmbus_endpoint_copy(ep, seg, 0, bytes, pkt.offset + pkt.len);
		if (!ret)
			ret = handle_packet(ep, &pkt, bytes);
		kvfree(bytes);
		if (!ret)
			vmbus_endpoint_consume(ep);
	}
	vmbus_endpoint_commit(ep);
}

static int gpa_test_open(struct vmbus_endpoint *ep)
{
	return vmbus_gpa_pool_create(vmbus_endpoint_channel(ep), VMBUS_GPA_TEST_REQUESTS,
				     VMBUS_GPA_TEST_BYTES);
}

static void gpa_test_close(struct vmbus_endpoint *ep)
{
	if (!keep)
		release_held(ep);
	vmbus_endpoint_drain(ep);
	vmbus_gpa_pool_destroy(vmbus_endpoint_channel(ep));
}

static struct vmbus_backend gpa_test_backend = {
	.owner = THIS_MODULE,
	.name = "gpa-test",
	.if_type = GUID_INIT(0x1b7a3c5e, 0x4d21, 0x4f0a,
			     0x9c, 0x33, 0x7e, 0x5a, 0x60, 0xd1, 0xf2, 0xb4),
	.open = gpa_test_open,
	.close = gpa_test_close,
	.kick = gpa_test_kick,
};

static int __init gpa_test_init(void)
{
	return vmbus_backend_register(&gpa_test_backend);
}

static void __exit gpa_test_exit(void)
{
	vmbus_backend_unregister(&gpa_test_backend);
}

module_init(gpa_test_init);
module_exit(gpa_test_exit);

MODULE_DESCRIPTION("VMBus backend whose requests name guest pages, for tests");
MODULE_AUTHOR("The vmbus_gpadl_map developers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(VMBUS_HOST_NS);
MODULE_IMPORT_NS(VMBUS_GPADL_NS);
MODULE_ALIAS_VMBUS_BACKEND("1b7a3c5e-4d21-4f0a-9c33-7e5a60d1f2b4");
