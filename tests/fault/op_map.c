// SPDX-License-Identifier: GPL-2.0
/*
 * Operations of a backend: map, vmap, and what takes them back.
 */
#include <errno.h>
#include <sys/mman.h>

#include "vmm.h"
#include "operation.h"

static int establish_spare(struct rig *r)
{
	gpadl_simple(&r->gpadl, HANDLE, SPARE_GPA, SPARE_BYTES);
	return rig_establish(r, RELID);
}

static int map_setup(struct rig *r)
{
	return rig_region_on_demand(r) ?: establish_spare(r);
}

static int map_cleanup(struct rig *r)
{
	return rig_tear_down_small(r) ?: rig_region_remove(r);
}

static int map(struct rig *r)
{
	return backend_map(r->vmm.backend, HANDLE, 0);
}

static int map_read_only(struct rig *r)
{
	return backend_map(r->vmm.backend, HANDLE, MAP_READ_ONLY);
}

static int unmap(struct rig *r)
{
	return backend_unmap(r->vmm.backend, HANDLE);
}

MAPPER_OPERATION(map,
		 .setup = map_setup,
		 .prepare = rig_spare_forget,
		 .run = map,
		 .undo = unmap,
		 .cleanup = map_cleanup);

MAPPER_OPERATION(map_read_only,
		 .setup = map_setup,
		 .prepare = rig_spare_forget,
		 .run = map_read_only,
		 .undo = unmap,
		 .cleanup = map_cleanup);

static int establish_scattered(struct rig *r)
{
	rig_scattered(&r->gpadl);
	return rig_establish(r, RELID);
}

MAPPER_OPERATION(map_large,
		 .setup = establish_scattered,
		 .run = map,
		 .undo = unmap,
		 .cleanup = rig_tear_down_small);

static int map_resident_setup(struct rig *r)
{
	return rig_region_resident(r) ?: establish_spare(r);
}

MAPPER_OPERATION(map_resident,
		 .setup = map_resident_setup,
		 .run = map,
		 .undo = unmap,
		 .cleanup = map_cleanup);

/* Page by page out of either kind of region */
static int map_mixed_setup(struct rig *r)
{
	__u32 i;
	int ret;

	ret = rig_spare_region(r, SPARE_SLOT, VMBUS_HOST_REGION_RESIDENT, 0, SPARE_HALF) ?:
	      rig_spare_region(r, SPARE_SLOT2, 0, SPARE_HALF, SPARE_HALF);
	if (ret)
		return ret;
	gpadl_init(&r->gpadl, HANDLE);
	gpadl_range(&r->gpadl, 0, SPARE_BYTES);
	for (i = 0; i < SPARE_HALF; i++) {
		gpadl_pages(&r->gpadl, SPARE_GPA / HV_PAGE + i, 1);
		gpadl_pages(&r->gpadl, SPARE_GPA / HV_PAGE + SPARE_HALF + i, 1);
	}
	return rig_establish(r, RELID);
}

static int map_mixed_cleanup(struct rig *r)
{
	return rig_tear_down_small(r) ?: rig_regions_remove(r);
}

MAPPER_OPERATION(map_mixed,
		 .setup = map_mixed_setup,
		 .run = map,
		 .undo = unmap,
		 .cleanup = map_mixed_cleanup);

/* In a kernel thread without an address space, which adopts the VMM's */
static int map_by_worker(struct rig *r)
{
	return backend_map_by_kthread(r->vmm.backend, HANDLE, 0);
}

const struct operation op_map_by_worker = {
	.name = "map_by_worker",
	.setup = map_setup,
	.prepare = rig_spare_forget,
	.run = map_by_worker,
	.undo = unmap,
	.cleanup = map_cleanup,
	.may = MAY_ENOMEM,
	.by_workers = true,
	.open = true,
};

const struct operation op_unmap = {
	.name = "unmap",
	.setup = map_setup,
	.prepare = map,
	.run = unmap,
	.cleanup = map_cleanup,
	.mapper_only = true,
	.open = true,
};

static int vmap(struct rig *r)
{
	return backend_vmap(r->vmm.backend, HANDLE);
}

static int vunmap(struct rig *r)
{
	return backend_vunmap(r->vmm.backend, HANDLE);
}

static int vmap_setup(struct rig *r)
{
	return map_setup(r) ?: map(r);
}

static int vmap_cleanup(struct rig *r)
{
	return unmap(r) ?: map_cleanup(r);
}

MAPPER_OPERATION(vmap,
		 .setup = vmap_setup,
		 .run = vmap,
		 .undo = vunmap,
		 .cleanup = vmap_cleanup);

static int vmap_large_setup(struct rig *r)
{
	return establish_scattered(r) ?: map(r);
}

static int vmap_large_cleanup(struct rig *r)
{
	return unmap(r) ?: rig_tear_down_small(r);
}

MAPPER_OPERATION(vmap_large,
		 .setup = vmap_large_setup,
		 .run = vmap,
		 .undo = vunmap,
		 .cleanup = vmap_large_cleanup);

const struct operation op_vunmap = {
	.name = "vunmap",
	.setup = vmap_setup,
	.prepare = vmap,
	.run = vunmap,
	.cleanup = vmap_cleanup,
	.mapper_only = true,
	.open = true,
};
