// SPDX-License-Identifier: GPL-2.0
/*
 * Views: parts of what is mapped, for packets that name a GPADL's bytes and not pages.
 *
 * The entries of a mapping's list are looked through from the first on: mostly they are few.
 * What counts is what the mapper has listed: a backend, or dma_map_sgtable() for it, changes the
 * addresses for a device only.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/scatterlist.h>

#include "compat.h"
#include "mapping.h"

/**
 * vmbus_mapping_view() - List a part of what is mapped
 * @map: the mapping, of a GPADL or of a packet
 * @offset: of the first byte, counted over all ranges in their order
 * @len: bytes, at least 1
 * @sgl: where the entries go; need not be initialised
 * @max: room for so many
 *
 * For packets that name parts of a GPADL which is mapped already (VMBUS_PACKET_XFER_PAGES, or
 * VMBUS_PACKET_GPADL). Nothing is pinned: the entries are good until @map is unmapped. The last
 * is marked as the end. An entry may span many pages, but not two ranges.
 *
 * Context: any.
 * Return: number of entries; -EINVAL if the part is empty or reaches beyond the end;
 * -EMSGSIZE if it needs more than @max entries.
 */
int vmbus_mapping_view(const struct vmbus_mapping *map, u64 offset, u32 len,
		       struct scatterlist *sgl, unsigned int max)
{
	const struct scatterlist *sg = map->sgl, *end = sg + map->sgt.orig_nents;
	unsigned int nr = 0, n;

	if (!len)
		return -EINVAL;
	for (; sg < end && offset >= sg->length; sg++)
		offset -= sg->length;
	for (; sg < end && len; sg++) {
		if (nr == max)
			return -EMSGSIZE;
		n = min_t(u64, sg->length - offset, len);
		sgl[nr] = (struct scatterlist) {};
		/* The page that the first byte lies in, as everywhere. */
		sg_set_page(&sgl[nr++], sg_page((struct scatterlist *)sg) +
			    ((sg->offset + offset) >> PAGE_SHIFT), n,
			    offset_in_page(sg->offset + offset));
		len -= n;
		offset = 0;
	}
	if (len)
		return -EINVAL;
	sg_mark_end(&sgl[nr - 1]);
	return nr;
}
EXPORT_SYMBOL_NS_GPL(vmbus_mapping_view, VMBUS_GPADL_NS);
