// SPDX-License-Identifier: GPL-2.0
/*
 * What a packet costs the host: a backend whose channel is used under the clock.
 *
 * The program opens the channel by /dev/vmbus-host, fills the one ring, and empties the
 * other.
 */
#include <linux/errno.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/uuid.h>
#include <linux/vmbus_backend.h>

#include "gpadl/compat.h"
#include "ring_bench.h"

/* The one channel that is open; the program does one thing at a time. */
static struct vmbus_endpoint *ring_ep;
static u8 ring_buf[BENCH_RING_MAX_LEN] __aligned(64);

static int ring_open(struct vmbus_endpoint *ep)
{
	ring_ep = ep;
	return 0;
}

static void ring_close(struct vmbus_endpoint *ep)
{
	ring_ep = NULL;
}

static void ring_kick(struct vmbus_endpoint *ep)
{
}

static struct vmbus_backend ring_backend = {
	.owner = THIS_MODULE,
	.name = "bench",
	/* VMBUS_GPADL_TEST_IF_TYPE: its module is not loaded beside this one */
	.if_type = GUID_INIT(0x6f1d4c2a, 0x93b7, 0x4e58,
			     0xa0, 0xc4, 0x5d, 0x2f, 0x8b, 0x7e, 0x1a, 0x90),
	.open = ring_open,
	.close = ring_close,
	.kick = ring_kick,
};

static int ring_recv(const struct bench_ring *r)
{
	struct vmbus_packet pkt;
	int ret = 0;
	u32 i;

	for (i = 0; i < r->nr && !ret; i++)
		ret = vmbus_endpoint_recv(ring_ep, &pkt, ring_buf, sizeof(ring_buf));
	return ret;
}

static int ring_peek(const struct bench_ring *r, bool copy)
{
	struct vmbus_packet pkt;
	struct kvec seg[2];
	int ret;
	u32 i;

	ret = vmbus_endpoint_peek(ring_ep, &pkt, seg);
	for (i = 1; !ret; i++) {
		if (copy)
			ret = vmbus_endpoint_copy(ring_ep, seg, 0, ring_buf, pkt.len);
		if (ret || i == r->nr)
			break;
		ret = vmbus_endpoint_next(ring_ep, &pkt, seg);
	}
	if (!ret)
		vmbus_endpoint_consume(ring_ep);
	vmbus_endpoint_commit(ring_ep);
	return ret;
}

static int ring_send(const struct bench_ring *r)
{
	struct vmbus_packet pkt = { .type = VMBUS_PACKET_INBAND, .len = r->len };
	int ret = 0;
	u32 i;

	for (i = 0; i < r->nr && !ret; i++)
		ret = vmbus_endpoint_send(ring_ep, &pkt, ring_buf);
	return ret;
}

static int ring_sendv(const struct bench_ring *r)
{
	struct vmbus_packet pkt = { .type = VMBUS_PACKET_INBAND, .len = r->len };
	struct kvec v = { .iov_base = ring_buf, .iov_len = r->len };
	int ret = 0;
	u32 i;

	for (i = 0; i < r->nr && !ret; i++)
		ret = vmbus_endpoint_sendv(ring_ep, &pkt, &v, 1,
					   i + 1 < r->nr ? VMBUS_SEND_MORE : 0);
	return ret;
}

static int ring_place(const struct bench_ring *r, bool copy)
{
	struct vmbus_packet pkt = { .type = VMBUS_PACKET_INBAND, .len = r->len };
	struct kvec v = { .iov_base = ring_buf, .iov_len = r->len };
	struct vmbus_reservation res;
	struct kvec seg[2];
	int ret;
	u32 i;

	ret = vmbus_endpoint_reserve(ring_ep, &res, r->nr * vmbus_packet_room(r->len));
	if (ret)
		return ret;
	for (i = 0; i < r->nr; i++)
		if (copy)
			vmbus_endpoint_placev(ring_ep, &res, &pkt, &v, 1);
		else
			vmbus_endpoint_place(ring_ep, &res, &pkt, seg);
	return vmbus_endpoint_submit(ring_ep, &res, 0);
}

static int ring_do(const struct bench_ring *r)
{
	switch (r->what) {
	case BENCH_RING_RECV:
		return ring_recv(r);
	case BENCH_RING_PEEK:
		return ring_peek(r, false);
	case BENCH_RING_COPY:
		return ring_peek(r, true);
	case BENCH_RING_SEND:
		return ring_send(r);
	case BENCH_RING_SENDV:
		return ring_sendv(r);
	case BENCH_RING_PLACEV:
		return ring_place(r, true);
	case BENCH_RING_PLACE:
		return ring_place(r, false);
	default:
		return -EINVAL;
	}
}

/* @prof: step through it; else time it */
int ring_bench(struct bench_ring *r, struct profile *prof)
{
	u64 begin;
	int ret;

	if (!ring_ep || r->len > sizeof(ring_buf))
		return -EINVAL;
	if (prof) {
		profile_begin(prof, WATCH_MAP);
		ret = ring_do(r);
		profile_end(prof);
		return ret;
	}
	begin = ktime_get_ns();
	ret = ring_do(r);
	r->ns = ktime_get_ns() - begin;
	return ret;
}

int ring_bench_init(void)
{
	return vmbus_backend_register(&ring_backend);
}

void ring_bench_exit(void)
{
	vmbus_backend_unregister(&ring_backend);
}

MODULE_IMPORT_NS(VMBUS_HOST_NS);
