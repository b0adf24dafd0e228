/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a VMM, a guest and a backend do, as operations that can be done again and again,
 * and of which each part may fail.
 */
#ifndef _OPERATION_H
#define _OPERATION_H

#include "../selftest/layout.h"
#include "fault.h"

/* Memory that an operation brings in: pages of which no two follow each other */
#define SPARE_SLOT	10u
#define SPARE_SLOT2	11u
#define SPARE_GPA	0x200000000ull
#define SPARE_PAGES	48u	/* more than a scatterlist has room for at first */
#define SPARE_HALF	(SPARE_PAGES / 2)
#define SPARE_BYTES	(SPARE_PAGES * HV_PAGE)

/* struct rig - a VMM that does operations */
struct rig {
	struct vmm vmm;
	int other;		/* another file of /dev/vmbus-host, or -1 */
	int kick, call;		/* eventfds */
	char *spare;
	struct guest_gpadl gpadl;
};

/*
 * Which errnos an operation may come to. What goes to or comes from user space can be
 * EFAULT, all else is ENOMEM.
 */
#define MAY_ENOMEM	1u
#define MAY_EFAULT	2u

/**
 * struct operation - something that is done, and undone
 * @name: as it is printed
 * @setup: once, before all; or NULL
 * @prepare: before each time; or NULL
 * @run: the operation, 0 or a negative errno; alone in this, something may fail
 * @outcome: what came of it, if @run does not tell: 0 or a negative errno; or NULL
 * @undo: after each success: takes back @prepare and @run; or NULL
 * @cleanup: once, after all; or NULL
 * @may: the errnos that it may come to
 * @by_workers: its work is done by the kernel's workers; it is over when @outcome is
 * @mapper_only: only what vmbus_gpadl.ko allocates is to fail, not what the backend of
 *	the tests does before it calls
 * @open: the channel is open, and this test its backend
 * @disk: the backend of disks takes part
 */
struct operation {
	const char *name;
	int (*setup)(struct rig *r);
	int (*prepare)(struct rig *r);
	int (*run)(struct rig *r);
	int (*outcome)(struct rig *r, int ret);
	int (*undo)(struct rig *r);
	int (*cleanup)(struct rig *r);
	unsigned int may;
	bool by_workers;
	bool mapper_only;
	bool open;
	bool disk;
};

/* What allocates in the mapper alone, for a backend whose channel is open */
#define MAPPER_OPERATION(_name, ...)						\
const struct operation op_##_name = {						\
	.name = #_name,								\
	.may = MAY_ENOMEM,							\
	.mapper_only = true,							\
	.open = true,								\
	__VA_ARGS__								\
}

/* What operations have in common: operation.c */
char *spare_alloc(void);	/* the memory of spare; NULL if there is none */
int rig_spare_forget(struct rig *r);
int rig_spare_region(struct rig *r, __u32 slot, __u32 flags, __u32 page, __u32 nr);
int rig_spare_remove(struct rig *r, __u32 slot);
int rig_silence(struct rig *r);
int rig_status(__u32 status);
int rig_answer_created(struct rig *r, int ret);
int rig_answer_torndown(struct rig *r, int ret);
int rig_answer_opened(struct rig *r, int ret);
int rig_establish(struct rig *r, __u32 relid);
int rig_tear_down(struct rig *r, __u32 relid, __u32 handle);
int rig_establish_small(struct rig *r);
int rig_tear_down_small(struct rig *r);
void rig_scattered(struct guest_gpadl *g);

/* Some are a part of others: op_vmm.c */
int rig_regions_remove(struct rig *r);
int rig_region_resident(struct rig *r);
int rig_region_remove(struct rig *r);
int rig_region_on_demand(struct rig *r);
int rig_channel_create(struct rig *r);
int rig_channel_destroy(struct rig *r);
int rig_header(struct rig *r);

/* How many partitions there are, those that are closed and not yet freed too */
int debugfs_partitions(void);

extern const struct operation op_open_file;
extern const struct operation op_create;
extern const struct operation op_create_many;
extern const struct operation op_regions;
extern const struct operation op_regions_many;
extern const struct operation op_region_resident;
extern const struct operation op_region_to_resident;
extern const struct operation op_region_remove;
extern const struct operation op_channel_create;
extern const struct operation op_channel_modify;
extern const struct operation op_rescind;
extern const struct operation op_destroy;
extern const struct operation op_unplug;
extern const struct operation op_next_event;
extern const struct operation op_get_version;
extern const struct operation op_reset;
extern const struct operation op_post;
extern const struct operation op_header;
extern const struct operation op_header_large;
extern const struct operation op_header_same_handle;
extern const struct operation op_body;
extern const struct operation op_teardown;
extern const struct operation op_read_reply;
extern const struct operation op_poll_file;
extern const struct operation op_open_message;
extern const struct operation op_open_by_worker;
extern const struct operation op_close_message;
extern const struct operation op_released;
extern const struct operation op_map;
extern const struct operation op_map_read_only;
extern const struct operation op_map_large;
extern const struct operation op_map_resident;
extern const struct operation op_map_mixed;
extern const struct operation op_map_by_worker;
extern const struct operation op_unmap;
extern const struct operation op_vmap;
extern const struct operation op_vmap_large;
extern const struct operation op_vunmap;
extern const struct operation op_pool;
extern const struct operation op_pool_large;
extern const struct operation op_pool_destroy;
extern const struct operation op_map_packet;
extern const struct operation op_map_packet_resident;
extern const struct operation op_unmap_packet;
extern const struct operation op_view;
extern const struct operation op_disk_create;
extern const struct operation op_disk_open;
extern const struct operation op_debugfs;
extern const struct operation op_close_file;

#endif /* _OPERATION_H */
