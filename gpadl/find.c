// SPDX-License-Identifier: GPL-2.0
/*
 * What a backend keeps mapped, found by the handle of its GPADL: the tables of GPADLs know it, so
 * a backend needs none of its own.
 *
 * A mapping counts from vmbus_mapping_arm() until its unmap begins. Nothing here holds it: a
 * backend does all that ends a mapping, and all that uses one found here, under one mutex.
 * What the channel layer has mapped, the rings, is not the backend's: a guest that names their
 * handle in a request must not get at them.
 */
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/spinlock.h>

#include "compat.h"
#include "priv.h"

static struct vmbus_mapping *gpadl_kept(struct gpadl *g)
{
	struct vmbus_mapping *map = NULL;

	spin_lock(&g->lock);
	if (g->state == GPADL_MAPPED && g->mapping->armed && !g->mapping->own)
		map = &g->mapping->map;
	spin_unlock(&g->lock);
	return map;
}

/**
 * vmbus_mapping_find() - The mapping that the backend keeps of a GPADL
 * @chan: the channel that it was mapped on
 * @handle: the GPADL
 *
 * Finds what the backend has mapped and armed, also while the guest tears the GPADL down: a
 * mapping is good until the backend unmaps it. The caller holds the mutex under which the backend
 * unmaps, in revoke() too; else the mapping may be gone when this returns.
 *
 * Context: process.
 * Return: the mapping, with no reference; NULL if there is none.
 */
struct vmbus_mapping *vmbus_mapping_find(struct vmbus_gpadl_channel *chan, u32 handle)
{
	struct vmbus_mapping *map;
	struct gpadl *g;

	g = gpadl_table_get(chan, handle);
	if (!g)
		return NULL;
	map = gpadl_kept(g);
	gpadl_put(g);
	return map;
}
EXPORT_SYMBOL_NS_GPL(vmbus_mapping_find, VMBUS_GPADL_NS);

/**
 * vmbus_gpadl_unmap_all() - Unmap all that the backend keeps mapped on a channel
 * @chan: the channel
 *
 * For close(), when requests are through: vmbus_gpadl_unmap() for each mapping that is armed, and
 * vmbus_mapping_vunmap() before it where there is something to undo. Nothing else maps or unmaps
 * on the channel meanwhile.
 *
 * Context: process, may sleep, waits for no callback.
 */
void vmbus_gpadl_unmap_all(struct vmbus_gpadl_channel *chan)
{
	struct vmbus_mapping *map;
	unsigned long handle = 0;
	struct gpadl *g;

	might_sleep();
	while ((g = gpadl_table_next(chan, &handle))) {
		map = gpadl_kept(g);
		if (map) {
			if (map->vaddr)
				vmbus_mapping_vunmap(map);
			vmbus_gpadl_unmap(map);
		}
		gpadl_put(g);
		/* There may be LIMIT_GPADLS of them. */
		cond_resched();
	}
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpadl_unmap_all, VMBUS_GPADL_NS);
