// SPDX-License-Identifier: GPL-2.0
/*
 * Operations of a backend whose packets name guest pages.
 */
#include <errno.h>

#include "vmm.h"
#include "operation.h"

#define REQUESTS	4u
#define REQUEST_BYTES	0x10000u
/* So many and so large that a pool is not of single pages */
#define MANY_REQUESTS	64u
#define MANY_BYTES	0x100000u

/* What the backend of the tests calls the packet */
#define PACKET		HANDLE

/* ---- Pools ---- */

static int pool(struct rig *r)
{
	return backend_pool(r->vmm.backend, REQUESTS, REQUEST_BYTES);
}

static int pool_large(struct rig *r)
{
	return backend_pool(r->vmm.backend, MANY_REQUESTS, MANY_BYTES);
}

static int pool_destroy(struct rig *r)
{
	return backend_pool(r->vmm.backend, 0, 0);
}

MAPPER_OPERATION(pool,
		 .run = pool,
		 .undo = pool_destroy);

MAPPER_OPERATION(pool_large,
		 .run = pool_large,
		 .undo = pool_destroy);

/* Nothing that may fail can keep it */
const struct operation op_pool_destroy = {
	.name = "pool_destroy",
	.prepare = pool,
	.run = pool_destroy,
	.mapper_only = true,
	.open = true,
};

/* ---- Packets ---- */

#define PACKET_PAGES	(REQUEST_BYTES / HV_PAGE)

static int packet_setup(struct rig *r)
{
	return rig_region_on_demand(r) ?: pool(r);
}

static int packet_resident_setup(struct rig *r)
{
	return rig_region_resident(r) ?: pool(r);
}

static int packet_cleanup(struct rig *r)
{
	return pool_destroy(r) ?: rig_region_remove(r);
}

/* The first pages of spare: no two of them adjoin in memory. */
static int map_packet(struct rig *r)
{
	__u64 words[1 + PACKET_PAGES];
	__u32 i;

	words[0] = range_word(0, REQUEST_BYTES);
	for (i = 0; i < PACKET_PAGES; i++)
		words[1 + i] = SPARE_GPA / HV_PAGE + i;
	return backend_map_packet(r->vmm.backend, PACKET, 0, words, 1 + PACKET_PAGES, 1);
}

static int unmap_packet(struct rig *r)
{
	return backend_unmap(r->vmm.backend, PACKET);
}

/* The VMM's pages are allocated in the pin, and nothing else is. */
MAPPER_OPERATION(map_packet,
		 .setup = packet_setup,
		 .prepare = rig_spare_forget,
		 .run = map_packet,
		 .undo = unmap_packet,
		 .cleanup = packet_cleanup);

const struct operation op_map_packet_resident = {
	.name = "map_packet_resident",
	.setup = packet_resident_setup,
	.run = map_packet,
	.undo = unmap_packet,
	.cleanup = packet_cleanup,
	.mapper_only = true,
	.open = true,
};

const struct operation op_unmap_packet = {
	.name = "unmap_packet",
	.setup = packet_setup,
	.prepare = map_packet,
	.run = unmap_packet,
	.cleanup = packet_cleanup,
	.mapper_only = true,
	.open = true,
};

static int view_setup(struct rig *r)
{
	return packet_setup(r) ?: map_packet(r);
}

static int view(struct rig *r)
{
	int nr = backend_view(r->vmm.backend, PACKET, HV_PAGE / 2, REQUEST_BYTES / 2);

	if (nr < 0)
		return nr;
	/* An entry for a page, or for two that adjoin */
	return nr >= (int)PACKET_PAGES / 4 && nr <= (int)PACKET_PAGES / 2 + 1 ? 0 : -EPROTO;
}

static int view_cleanup(struct rig *r)
{
	return unmap_packet(r) ?: packet_cleanup(r);
}

const struct operation op_view = {
	.name = "view",
	.setup = view_setup,
	.run = view,
	.cleanup = view_cleanup,
	.mapper_only = true,
	.open = true,
};
