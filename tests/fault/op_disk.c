// SPDX-License-Identifier: GPL-2.0
/*
 * Operations of a VMM and a guest with a synthetic SCSI controller: it is created and opened.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/vmbus_host_scsi.h>

#include "vmm.h"
#include "operation.h"
#include "scsi_guest.h"
#include "target.h"

#define DISK_BYTES	0x100000u
#define DISK_SLOT	SPARE_SLOT2
#define DISK_GPA	(SPARE_GPA + 0x10000000ull)
#define DISK_HANDLE	(RING_HANDLE + 0x100)

static struct scsi_chan disk;

/* ---- The controller ---- */

static int disk_target(struct rig *r)
{
	return target_rd_mcp("fault", DISK_BYTES) ?: target_create(TARGET_WWPN, TARGET_TAG) ?:
	       target_nexus(TARGET_WWPN, TARGET_TAG, TARGET_NEXUS) ?:
	       target_add_lun(0, "rd_mcp", "fault");
}

/* The device may hold it until a moment after its DESTROY */
static int disk_target_remove(struct rig *r)
{
	return WAIT_FOR(!target_remove(TARGET_WWPN, TARGET_TAG)) ?
	       target_remove_backstore("rd_mcp", "fault") : -EBUSY;
}

static int disk_create(struct rig *r)
{
	const __u8 type[16] = VMBUS_HOST_SCSI_IF_TYPE;
	struct vmbus_host_scsi_config config = {
		.size = sizeof(config),
		.wwpn = TARGET_WWPN,
		.tpgt = TARGET_TAG,
	};
	struct vmbus_host_signals signals = {
		.size = sizeof(signals),
		.kick_fd = r->kick,
		.call_fd = -1,
	};
	struct vmbus_host_channel_create create = {
		.size = sizeof(create),
		.relid = RELID2,
		.signals = PTR(&signals),
		.config = PTR(&config),
	};

	memcpy(create.if_type, type, sizeof(type));
	return ioctl(r->vmm.fd, VMBUS_HOST_CHANNEL_CREATE, &create) ? -errno : 0;
}

const struct operation op_disk_create = {
	.name = "disk_create",
	.setup = disk_target,
	.run = disk_create,
	.undo = rig_channel_destroy,
	.cleanup = disk_target_remove,
	.may = MAY_ENOMEM | MAY_EFAULT,
	.disk = true,
};

/* ---- Opening it ---- */

static int disk_setup(struct rig *r)
{
	char *ring = memory_alloc(MEM_ANON, SCSI_RING_BYTES);
	int ret;

	if (!ring)
		return -ENOMEM;
	disk = (struct scsi_chan){
		.fd = r->vmm.fd,
		.relid = RELID2,
		.handle = DISK_HANDLE,
		.gpa = DISK_GPA,
		.ring = ring,
		.kick_fd = r->kick,
	};
	ret = disk_target(r) ?: disk_create(r);
	ret = ret ?: vmm_region(r->vmm.fd, DISK_SLOT, 0, DISK_GPA, SCSI_RING_BYTES, ring);
	gpadl_simple(&r->gpadl, DISK_HANDLE, DISK_GPA, SCSI_RING_BYTES);
	return ret ?: rig_establish(r, RELID2);
}

static int disk_cleanup(struct rig *r)
{
	return rig_tear_down(r, RELID2, DISK_HANDLE) ?: rig_channel_destroy(r) ?:
	       rig_spare_remove(r, DISK_SLOT) ?: disk_target_remove(r);
}

static int disk_open(struct rig *r)
{
	return scsi_chan_open(&disk);
}

static int disk_close(struct rig *r)
{
	int ret = guest_close(r->vmm.fd, RELID2);

	/* Closed is when its rings are not mapped any more. */
	return ret ?: WAIT_FOR(!pinned_pages()) ? 0 : -ETIMEDOUT;
}

const struct operation op_disk_open = {
	.name = "disk_open",
	.setup = disk_setup,
	.run = disk_open,
	.outcome = rig_answer_opened,
	.undo = disk_close,
	.cleanup = disk_cleanup,
	.may = MAY_ENOMEM,
	.by_workers = true,
	.disk = true,
};
