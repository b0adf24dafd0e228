// SPDX-License-Identifier: GPL-2.0
/*
 * The backend of a guest for a test, and what it finds; see vm_helpers.h.
 */
#include <linux/completion.h>
#include <linux/rcupdate.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "vm_helpers.h"

/* Map it, to be told when it is wanted back. */
int vm_map(struct vm_channel *c, u32 flags, u32 handle, struct sg_table **sgt)
{
	struct vmbus_mapping *map;
	int ret;

	ret = vmbus_gpadl_map(c->chan, flags, handle, &map);
	if (ret)
		return ret;
	if (sgt)
		*sgt = vmbus_mapping_sgt(map);
	vmbus_mapping_arm(map, c);
	return 0;
}

/* The mapping that a GPADL has; of a channel that may have been put. */
struct vmbus_mapping *vm_mapping(struct vmbus_gpadl_channel *chan, u32 handle)
{
	struct gpadl *g = xa_load(&chan->gpadls, handle);

	return &g->mapping->map;
}

void vm_unmap(struct vm_channel *c, u32 handle)
{
	vmbus_gpadl_unmap(vm_mapping(c->chan, handle));
}

void *vm_vmap(struct vm_channel *c, u32 handle)
{
	return vmbus_mapping_vmap(vm_mapping(c->chan, handle));
}

void vm_vunmap(struct vm_channel *c, u32 handle)
{
	vmbus_mapping_vunmap(vm_mapping(c->chan, handle));
}

u32 vm_handle_of(const struct vmbus_mapping *map)
{
	return container_of(map, struct gpadl_mapping, map)->g->handle;
}

/* For a look at its state; only while nobody makes it go. */
struct gpadl *vm_gpadl(struct vm_channel *c, u32 handle)
{
	return xa_load(&c->chan->gpadls, handle);
}

/* What is to be revoked has been when this returns. */
void vm_flush_revokes(struct vm_channel *c)
{
	gpadl_worker_flush(&c->chan->worker);
}

/* What can be freed has been when this returns, of a partition that is held by something. */
void vm_flush_frees(struct vmbus_partition *p)
{
	/* A channel is freed after a grace period. */
	rcu_barrier();
	flush_workqueue(p->late_wq);
	flush_workqueue(p->free_wq);
	flush_workqueue(p->drop_wq);
	flush_workqueue(p->watch_wq);
	flush_workqueue(gpadl_wq);
}

static void vm_block_work(struct vmbus_gpadl_work *work)
{
	struct vm_blocker *b = container_of(work, struct vm_blocker, work);

	wait_for_completion(&b->go);
	complete(&b->gone);
}

void vm_block(struct vm_blocker *b, struct vm_channel *c)
{
	vmbus_gpadl_work_init(&b->work, vm_block_work);
	init_completion(&b->go);
	init_completion(&b->gone);
	vmbus_gpadl_channel_queue_work(c->chan, &b->work);
}

void vm_unblock(struct vm_blocker *b)
{
	complete(&b->go);
	wait_for_completion(&b->gone);
}
