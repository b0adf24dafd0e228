// SPDX-License-Identifier: GPL-2.0
/*
 * The two rings of an open channel: where they are, and packets out of one and into the
 * other. What a ring is, ring.c knows.
 */
#include <linux/align.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>

#include "gpadl/compat.h"
#include "gpadl/wire.h"
#include "host.h"

/* ---- Where they are ---- */

/**
 * endpoint_rings_init() - Prepare what belongs to the rings
 * @ep: a new endpoint
 *
 * Context: any.
 */
void endpoint_rings_init(struct vmbus_endpoint *ep)
{
	spin_lock_init(&ep->in_lock);
	spin_lock_init(&ep->out_lock);
}

/*
 * Bytes of the ring GPADL, if it is of whole pages and the second ring begins where it
 * can: each has a control page and data. That it is of one range, the vmap finds.
 */
static int ring_check(const struct sg_table *sgt, u32 ring_page, size_t *bytes)
{
	struct scatterlist *sg;
	unsigned int i;
	size_t len = 0;

	for_each_sgtable_sg(sgt, sg, i)
		len += sg->length;
	if (!IS_ALIGNED(sgt->sgl->offset, VMBUS_RING_PAGE) ||
	    !IS_ALIGNED(len, VMBUS_RING_PAGE))
		return -EINVAL;
	if (ring_page < 2 || ring_page > GPADL_MAX_PAGES ||
	    (size_t)ring_page * VMBUS_RING_PAGE + 2 * VMBUS_RING_PAGE > len)
		return -EINVAL;
	*bytes = len;
	return 0;
}

static int rings_init(struct vmbus_endpoint *ep, void *base, size_t bytes)
{
	size_t split = (size_t)ep->open.ring_page * VMBUS_RING_PAGE;
	int ret;

	ret = vmbus_ring_init_in(&ep->in, base, split);
	if (!ret)
		ret = vmbus_ring_init_out(&ep->out, base + split, bytes - split);
	return ret;
}

/**
 * endpoint_rings_map() - Map the rings that ep->open names, and take them up
 * @ep: the endpoint
 *
 * Context: process, work of the channel. May sleep for as long as the VMM likes.
 * Return: 0; -EINVAL if the GPADL holds no two rings; -EIO if the guest's indexes are
 * nonsense; what vmbus_gpadl_map() and vmbus_mapping_vmap() return.
 */
int endpoint_rings_map(struct vmbus_endpoint *ep)
{
	struct vmbus_mapping *map;
	size_t bytes;
	void *base;
	int ret;

	ret = vmbus_gpadl_map(ep->chan, 0, ep->open.ring_handle, &map);
	if (ret)
		return ret;
	ret = ring_check(vmbus_mapping_sgt(map), ep->open.ring_page, &bytes);
	if (ret)
		goto err_unmap;
	base = vmbus_mapping_vmap(map);
	if (IS_ERR(base)) {
		ret = PTR_ERR(base);
		goto err_unmap;
	}
	ret = rings_init(ep, base, bytes);
	if (ret)
		goto err_vunmap;
	ep->rings = map;
	vmbus_mapping_arm(map, ep);
	return 0;

err_vunmap:
	vmbus_mapping_vunmap(map);
err_unmap:
	vmbus_gpadl_unmap(map);
	return ret;
}

/**
 * endpoint_rings_unmap() - Give the rings back
 * @ep: the endpoint
 *
 * Context: process, work of the channel. Nobody uses the rings any more.
 */
void endpoint_rings_unmap(struct vmbus_endpoint *ep)
{
	vmbus_mapping_vunmap(ep->rings);
	vmbus_gpadl_unmap(ep->rings);
	ep->rings = NULL;
}

/**
 * endpoint_rings_have_input() - Is there a packet of the guest's?
 * @ep: the endpoint
 *
 * The backend may have begun to read already.
 *
 * Context: any.
 * Return: true if so.
 */
bool endpoint_rings_have_input(struct vmbus_endpoint *ep)
{
	unsigned long irq;
	bool has;

	spin_lock_irqsave(&ep->in_lock, irq);
	has = !vmbus_ring_is_empty(&ep->in);
	spin_unlock_irqrestore(&ep->in_lock, irq);
	return has;
}

/* ---- What the backend uses ---- */

/**
 * vmbus_endpoint_recv() - Receive the next packet from the guest
 * @ep: the endpoint
 * @pkt: where the packet's description goes
 * @buf: where all that follows the descriptor goes: the type's own header, of
 *	@pkt->offset bytes, and the payload, of @pkt->len bytes
 * @size: size of @buf in bytes
 *
 * Everything in @pkt and @buf is a copy, and whatever the guest likes.
 *
 * Does what vmbus_recvpacket_raw() does on the guest's side.
 *
 * Context: any, from open() until close() has returned.
 *
 * Return: 0, or
 *
 * * %-EAGAIN: there is none; kick() will come when there is
 * * %-EMSGSIZE: @buf is too small for the packet that @pkt describes, and which stays
 *   the next one
 * * %-EIO: the guest has put nonsense into the ring: it is of no use any more
 */
int vmbus_endpoint_recv(struct vmbus_endpoint *ep, struct vmbus_packet *pkt, void *buf,
			size_t size)
{
	bool signal = false;
	unsigned long irq;
	int ret;

	spin_lock_irqsave(&ep->in_lock, irq);
	ret = vmbus_ring_read(&ep->in, pkt, buf, size, &signal);
	spin_unlock_irqrestore(&ep->in_lock, irq);
	if (!ret)
		atomic64_inc(&ep->counts.received);
	if (signal)
		endpoint_signal(ep);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_recv, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_send() - Send a packet to the guest
 * @ep: the endpoint
 * @pkt: describes the packet; @pkt->offset is a multiple of 8
 * @buf: the type's own header, of @pkt->offset bytes, and the payload, of @pkt->len bytes
 *
 * The guest is signalled if it needs to be.
 *
 * Does what vmbus_sendpacket() does on the guest's side.
 *
 * Context: any, from open() until close() has returned.
 *
 * Return: 0, or
 *
 * * %-EAGAIN: no room now; kick() will come when there is
 * * %-EMSGSIZE: the ring can never hold the packet
 * * %-EINVAL: @pkt->offset is not a multiple of 8
 * * %-EIO: the guest has put nonsense into the ring: it is of no use any more
 */
int vmbus_endpoint_send(struct vmbus_endpoint *ep, const struct vmbus_packet *pkt,
			const void *buf)
{
	bool signal = false;
	unsigned long irq;
	int ret;

	spin_lock_irqsave(&ep->out_lock, irq);
	ret = vmbus_ring_write(&ep->out, pkt, buf, &signal);
	spin_unlock_irqrestore(&ep->out_lock, irq);
	if (!ret)
		atomic64_inc(&ep->counts.sent);
	if (signal)
		endpoint_signal(ep);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_send, VMBUS_HOST_NS);
