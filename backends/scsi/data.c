// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's pages of a request: mapped, and copied from and to.
 */
#include <linux/bio.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/scatterlist.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "scsi.h"

/* Where ranges begin in the type header: behind u32 reserved, u32 range_cnt */
#define RANGES_AT	8u
#define GUEST_PAGE	4096u
/* What a block device can do DMA from and to, as a rule */
#define SECTOR		512u

/**
 * vscsi_map() - Map the guest's pages of a request
 * @r: the request; its channel has a copy of the type header
 * @nowait: not if the VMM would have to bring a page in
 *
 * For reading only, if the guest's data goes to the device. As much as the command says is
 * mapped, if the guest names more. A command without data has nothing to map.
 *
 * Context: process, in kick() of the channel. May sleep, without @nowait for as long as the VMM
 * likes.
 * Return: 0; -EBADMSG if the packet does not have one range that is long enough; what
 * vmbus_gpa_map() or vmbus_gpa_map_nowait() returns.
 */
int vscsi_map(struct vscsi_request *r, bool nowait)
{
	u32 flags = r->command.direction == VSTOR_FROM_GUEST ?
		    VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY : 0;
	struct vscsi_channel *chan = r->chan;
	void *ranges = chan->header + RANGES_AT;
	size_t len = r->desc.offset - RANGES_AT;
	int ret;

	if (!r->command.bytes)
		return 0;
	if (!vstor_ranges(chan->header, r->desc.offset, r->command.bytes))
		return -EBADMSG;
	if (nowait)
		return vmbus_gpa_map_nowait(vmbus_endpoint_channel(chan->ep), flags, ranges,
					    len, 1, &r->map);
	vmbus_endpoint_wait_begin(chan->ep);
	ret = vmbus_gpa_map(vmbus_endpoint_channel(chan->ep), flags, ranges, len, 1,
			    &r->map);
	vmbus_endpoint_wait_end(chan->ep);
	return ret;
}

/**
 * vscsi_unmap() - Undo vscsi_map()
 * @r: the request, of which nothing may be mapped
 *
 * Context: process.
 */
void vscsi_unmap(struct vscsi_request *r)
{
	if (r->map)
		vmbus_gpa_unmap(r->map);
	r->map = NULL;
}

/**
 * vscsi_bounce() - Have pages for the data of a command that is copied
 * @r: the request, mapped
 *
 * They are charged to the VMM, which those are not that the target core allocates (before Linux
 * 6.10 these are not either, as a kernel thread allocates them), and cleared if the guest reads:
 * what a backstore does not fill in must not be what somebody else left there.
 *
 * Context: process, in kick() of the channel. May sleep.
 * Return: 0; -ENOMEM.
 */
int vscsi_bounce(struct vscsi_request *r)
{
	gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_NOWARN;

	if (r->command.direction == VSTOR_TO_GUEST)
		gfp |= __GFP_ZERO;
	/* One page each: the target core looks at some data as if each entry were one. */
	r->bounce = sgl_alloc_order(r->command.bytes, 0, false, gfp, &r->bounce_nents);
	return r->bounce ? 0 : -ENOMEM;
}

/**
 * vscsi_unbounce() - Undo vscsi_bounce()
 * @r: the request, which may have no such pages
 *
 * Context: process.
 */
void vscsi_unbounce(struct vscsi_request *r)
{
	if (r->bounce)
		sgl_free_n_order(r->bounce, r->bounce_nents, 0);
	r->bounce = NULL;
}

/**
 * vscsi_is_aligned() - Can a block device use the guest's pages as they are?
 * @r: the request, mapped
 * @block: bytes of a block of the logical unit
 *
 * A list that is too long for one bio is cut, between two of its pieces: then each must be
 * whole blocks. And there are devices, dm-crypt with large sectors for one, that want that of each
 * piece. All pieces begin and end with a page of the guest's, but for where the data begins and
 * ends.
 *
 * Context: any.
 * Return: true if each piece of them begins and ends with a block.
 */
bool vscsi_is_aligned(const struct vscsi_request *r, u32 block)
{
	struct sg_table *sgt = vmbus_mapping_sgt(r->map);
	u32 unit = max(block, SECTOR), begin = sgt->sgl->offset;

	/* Larger than a page, or no power of two: hardly anybody has such blocks. */
	if (unit > GUEST_PAGE || unit & (unit - 1))
		return false;
	return !((begin | (begin + r->command.bytes)) & (unit - 1));
}

/* Copies between two lists; true if all of it is. */
static bool sg_copy(struct scatterlist *to, unsigned int to_nents, struct scatterlist *from,
		    unsigned int from_nents, size_t len)
{
	struct sg_mapping_iter src, dst;
	size_t n, used_src, used_dst;
	bool ok = true;

	sg_miter_start(&src, from, from_nents, SG_MITER_FROM_SG);
	sg_miter_start(&dst, to, to_nents, SG_MITER_TO_SG);
	used_src = 0;
	used_dst = 0;
	src.length = 0;
	dst.length = 0;
	for (; len && ok; len -= n) {
		if (used_src == src.length) {
			used_src = 0;
			ok = sg_miter_next(&src);
		}
		if (ok && used_dst == dst.length) {
			used_dst = 0;
			ok = sg_miter_next(&dst);
		}
		if (!ok)
			break;
		n = min3(len, src.length - used_src, dst.length - used_dst);
		/* A memory error of the guest's is no error of the host's. */
		ok = !copy_mc_to_kernel(dst.addr + used_dst, src.addr + used_src, n);
		used_src += n;
		used_dst += n;
	}
	sg_miter_stop(&dst);
	sg_miter_stop(&src);
	return ok;
}

/**
 * vscsi_copy_to_guest() - Copy data of a command to the guest's pages
 * @r: the request, mapped for writing
 * @sgl: where the data is
 * @nents: entries of @sgl
 * @len: bytes of it
 *
 * Context: process, may sleep.
 * Return: bytes copied: no more than the guest has room for.
 */
size_t vscsi_copy_to_guest(struct vscsi_request *r, struct scatterlist *sgl,
			   unsigned int nents, size_t len)
{
	struct sg_table *sgt;

	len = min_t(size_t, len, r->command.bytes);
	if (!r->map || r->command.direction != VSTOR_TO_GUEST)
		return 0;
	sgt = vmbus_mapping_sgt(r->map);
	return sg_copy(sgt->sgl, sgt->orig_nents, sgl, nents, len) ? len : 0;
}

/**
 * vscsi_copy_from_guest() - Copy data of a command from the guest's pages
 * @r: the request
 * @sgl: where the data goes
 * @nents: entries of @sgl
 * @len: bytes of it
 *
 * Context: process, may sleep.
 * Return: true; false if the guest has no such data, or its memory has an error.
 */
bool vscsi_copy_from_guest(struct vscsi_request *r, struct scatterlist *sgl,
			   unsigned int nents, size_t len)
{
	struct sg_table *sgt;

	if (!r->map || len > r->command.bytes)
		return false;
	sgt = vmbus_mapping_sgt(r->map);
	return sg_copy(sgl, nents, sgt->sgl, sgt->orig_nents, len);
}
