// SPDX-License-Identifier: GPL-2.0
/*
 * What a backend does with a mapping that it has: the pages, kernel addresses, DMA.
 *
 * Takes no lock: the backend owns the mapping from the map until the unmap, and nothing changes
 * it meanwhile.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/mm.h>

#include "compat.h"
#include "priv.h"

/**
 * vmbus_mapping_priv() - What the backend keeps with a mapping
 * @map: the mapping
 *
 * In revoke() it also tells whether there is anything left to do. Another thread may unmap
 * at the same time; so both take the same mutex, which belongs to the endpoint and is there
 * until close() returns, and revoke() asks for this after it has the mutex.
 *
 * Context: any.
 * Return: the priv of vmbus_mapping_arm(), or @map if that was NULL; NULL before that, and from
 * the moment that vmbus_gpadl_unmap() is called.
 */
void *vmbus_mapping_priv(const struct vmbus_mapping *map)
{
	return READ_ONCE(map->priv);
}
EXPORT_SYMBOL_NS_GPL(vmbus_mapping_priv, VMBUS_GPADL_NS);

/**
 * vmbus_mapping_sgt() - The pages of a mapping
 * @map: the mapping
 *
 * The table belongs to the mapper and lives until vmbus_gpadl_unmap(). Its entries cover the
 * GPADL's ranges in order and to the byte; an entry may span many pages, but not two ranges,
 * and is no longer than vmbus_gpadl_set_max_segment() has said. dma_map_sgtable() may be
 * called on it, and undone before the unmap.
 *
 * Context: any.
 * Return: the table.
 */
struct sg_table *vmbus_mapping_sgt(struct vmbus_mapping *map)
{
	return &map->sgt;
}
EXPORT_SYMBOL_NS_GPL(vmbus_mapping_sgt, VMBUS_GPADL_NS);

/**
 * vmbus_mapping_dma_dir() - Direction in which a mapping may be used for DMA
 * @map: the mapping
 *
 * Context: any.
 * Return: DMA_BIDIRECTIONAL if it is mapped for writing as well, DMA_TO_DEVICE if for
 * reading only.
 */
enum dma_data_direction vmbus_mapping_dma_dir(const struct vmbus_mapping *map)
{
	return map->writable ? DMA_BIDIRECTIONAL : DMA_TO_DEVICE;
}
EXPORT_SYMBOL_NS_GPL(vmbus_mapping_dma_dir, VMBUS_GPADL_NS);

/**
 * vmbus_mapping_vmap() - Give a mapping a kernel address
 * @map: the mapping of a GPADL, of exactly one range
 *
 * The address is good for reading only if the GPADL was mapped so. To be undone by
 * vmbus_mapping_vunmap() before vmbus_gpadl_unmap(). The backend serialises the calls for
 * one mapping.
 *
 * Context: process, may sleep.
 *
 * Return:
 *   * address of the GPADL's first byte, or an ERR_PTR:
 *   * %-EOPNOTSUPP: it is a packet's, or has several ranges, or host pages are larger than the
 *     guest's 4 KiB and its pages cannot be laid side by side
 *   * %-EBUSY: it is vmapped already
 *   * %-ENOMEM: no memory
 */
void *vmbus_mapping_vmap(struct vmbus_mapping *map)
{
	struct gpadl *g = to_gpadl_mapping(map)->g;
	struct gpadl_mem_account acct;
	void *vaddr;

	might_sleep();
	if (map->is_request || g->pfns.nr_ranges != 1)
		return ERR_PTR(-EOPNOTSUPP);
	if (map->vaddr)
		return ERR_PTR(-EBUSY);

	gpadl_mem_account_begin(&g->chan->p->mem, &acct);
	vaddr = gpadl_mapping_vmap(map);
	gpadl_mem_account_end(&acct);
	if (!IS_ERR(vaddr))
		map->vaddr = vaddr;
	return vaddr;
}
EXPORT_SYMBOL_NS_GPL(vmbus_mapping_vmap, VMBUS_GPADL_NS);

/**
 * vmbus_mapping_vunmap() - Undo vmbus_mapping_vmap()
 * @map: the mapping
 *
 * A vunmap without a vmap is a bug of the backend: it warns once and does nothing.
 *
 * Context: process, may sleep.
 */
void vmbus_mapping_vunmap(struct vmbus_mapping *map)
{
	struct gpadl *g = to_gpadl_mapping(map)->g;
	void *vaddr = map->vaddr;

	might_sleep();
	if (WARN_ONCE(map->is_request, "vunmap of a packet's mapping\n"))
		return;
	map->vaddr = NULL;
	if (WARN_ONCE(!vaddr, "channel %u: vunmap of GPADL %#x, which is not vmapped\n",
		      g->chan->relid, g->handle))
		return;
	gpadl_mapping_vunmap(vaddr);
}
EXPORT_SYMBOL_NS_GPL(vmbus_mapping_vunmap, VMBUS_GPADL_NS);

/**
 * vmbus_gpadl_set_max_segment() - Limit the entries of scatterlists
 * @chan: the channel
 * @bytes: length that an entry has at most, as dma_get_max_seg_size() tells of a device;
 *	what is more than whole pages does not count
 *
 * Holds for maps that begin after this. Without it all pages that adjoin share an entry, up
 * to 32 MiB, which dma_map_sgtable() does not split.
 *
 * Context: any.
 * Return: 0; -EINVAL if @bytes is less than a page.
 */
int vmbus_gpadl_set_max_segment(struct vmbus_gpadl_channel *chan, unsigned int bytes)
{
	if (bytes < PAGE_SIZE)
		return -EINVAL;
	WRITE_ONCE(chan->max_segment, round_down(bytes, PAGE_SIZE));
	return 0;
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_set_max_segment, VMBUS_GPADL_NS);
