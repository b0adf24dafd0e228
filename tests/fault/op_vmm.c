// SPDX-License-Identifier: GPL-2.0
/*
 * Operations of the VMM: files, regions, channels, debugfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "vmm.h"
#include "operation.h"

#define OTHER_INSTANCE	9u

#define PARTITIONS	"/sys/kernel/debug/vmbus_gpadl"
#define ENDPOINTS	"/sys/kernel/debug/vmbus_host/endpoints"

/* ---- The file ---- */

static int other_open(struct rig *r)
{
	r->other = open("/dev/vmbus-host", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return r->other < 0 ? -errno : 0;
}

static int other_close(struct rig *r)
{
	int ret = close(r->other) ? -errno : 0;

	r->other = -1;
	return ret;
}

const struct operation op_open_file = {
	.name = "open_file",
	.run = other_open,
	.undo = other_close,
	.may = MAY_ENOMEM | MAY_EFAULT,
};

static int other_create(struct rig *r)
{
	return vmm_create(r->other);
}

const struct operation op_create = {
	.name = "create",
	.prepare = other_open,
	.run = other_create,
	.undo = other_close,
	.may = MAY_ENOMEM | MAY_EFAULT,
};

/*
 * The numbers of partitions up to this one take no memory, the next does: see ida_alloc().
 * So this many others are there, and that they are is seen in debugfs.
 */
#define CHEAP_PARTITIONS	63

static int cheap[CHEAP_PARTITIONS + 1];
static int nr_cheap;

static int cheap_partitions(struct rig *r)
{
	int ret = 0;

	while (!ret && access(PARTITIONS "/62", F_OK) && nr_cheap <= CHEAP_PARTITIONS) {
		ret = other_open(r) ?: other_create(r);
		cheap[nr_cheap++] = r->other;
	}
	return ret;
}

static int cheap_partitions_close(struct rig *r)
{
	while (nr_cheap)
		close(cheap[--nr_cheap]);
	r->other = -1;
	return 0;
}

const struct operation op_create_many = {
	.name = "create_many",
	.setup = cheap_partitions,
	.prepare = other_open,
	.run = other_create,
	.undo = other_close,
	.cleanup = cheap_partitions_close,
	.may = MAY_ENOMEM | MAY_EFAULT,
};

/* With all that a partition can have when it is closed */
static int other_fill(struct rig *r)
{
	struct guest_gpadl g;
	int ret;

	gpadl_simple(&g, HANDLE, SPARE_GPA, SPARE_BYTES);
	ret = other_open(r) ?: vmm_create(r->other);
	ret = ret ?: vmm_region(r->other, SPARE_SLOT, VMBUS_HOST_REGION_RESIDENT, SPARE_GPA,
				SPARE_BYTES, r->spare);
	ret = ret ?: vmm_channel(r->other, RELID, OTHER_INSTANCE, NULL);
	return ret ?: guest_gpadl(r->other, RELID, &g, false);
}

const struct operation op_close_file = {
	.name = "close_file",
	.prepare = other_fill,
	.run = other_close,
};

static int get_version(struct rig *r)
{
	struct vmbus_host_version version = { .size = sizeof(version) };

	if (ioctl(r->vmm.fd, VMBUS_HOST_GET_VERSION, &version))
		return -errno;
	return version.version ? 0 : -EPROTO;
}

const struct operation op_get_version = {
	.name = "get_version",
	.run = get_version,
	.may = MAY_EFAULT,
};

/* ---- Regions ---- */

static int regions(struct rig *r)
{
	struct vmbus_host_region both[] = {
		{ .slot = SPARE_SLOT, .gpa = SPARE_GPA, .bytes = SPARE_BYTES / 2,
		  .hva = PTR(r->spare) },
		{ .slot = SPARE_SLOT2, .gpa = SPARE_GPA + SPARE_BYTES / 2,
		  .bytes = SPARE_BYTES / 2, .hva = PTR(r->spare) },
	};

	return vmm_regions(r->vmm.fd, both, 2);
}

int rig_regions_remove(struct rig *r)
{
	return rig_spare_remove(r, SPARE_SLOT) ?: rig_spare_remove(r, SPARE_SLOT2);
}

const struct operation op_regions = {
	.name = "regions",
	.run = regions,
	.undo = rig_regions_remove,
	.may = MAY_ENOMEM | MAY_EFAULT,
};

/* So many in one call that what is allocated for them is larger than a page */
#define MANY_REGIONS	120u

static int many_set(struct rig *r, __u64 bytes)
{
	static struct vmbus_host_region many[MANY_REGIONS];
	__u32 i;

	for (i = 0; i < MANY_REGIONS; i++)
		many[i] = (struct vmbus_host_region) {
			.slot = SPARE_SLOT + i,
			.gpa = SPARE_GPA + i * HV_PAGE,
			.bytes = bytes,
			.hva = PTR(r->spare),
		};
	return vmm_regions(r->vmm.fd, many, MANY_REGIONS);
}

static int regions_many(struct rig *r)
{
	return many_set(r, HV_PAGE);
}

static int regions_many_remove(struct rig *r)
{
	return many_set(r, 0);
}

/* Pinned: fresh pages are allocated in the pin, others are not. */
int rig_region_resident(struct rig *r)
{
	return rig_spare_region(r, SPARE_SLOT, VMBUS_HOST_REGION_RESIDENT, 0, SPARE_PAGES);
}

int rig_region_remove(struct rig *r)
{
	return rig_spare_remove(r, SPARE_SLOT);
}

const struct operation op_regions_many = {
	.name = "regions_many",
	.run = regions_many,
	.undo = regions_many_remove,
	.may = MAY_ENOMEM | MAY_EFAULT,
};

const struct operation op_region_resident = {
	.name = "region_resident",
	.prepare = rig_spare_forget,
	.run = rig_region_resident,
	.undo = rig_region_remove,
	.may = MAY_ENOMEM | MAY_EFAULT,
};

int rig_region_on_demand(struct rig *r)
{
	return rig_spare_region(r, SPARE_SLOT, 0, 0, SPARE_PAGES);
}

const struct operation op_region_to_resident = {
	.name = "region_to_resident",
	.prepare = rig_region_on_demand,
	.run = rig_region_resident,
	.undo = rig_region_remove,
	.may = MAY_ENOMEM | MAY_EFAULT,
};

const struct operation op_region_remove = {
	.name = "region_remove",
	.prepare = rig_region_resident,
	.run = rig_region_remove,
	.may = MAY_ENOMEM | MAY_EFAULT,
};

/* ---- Channels ---- */

static struct vmbus_host_signals signals(struct rig *r)
{
	return (struct vmbus_host_signals) {
		.kick_fd = r->kick,
		.call_fd = r->call,
		.event_flags = PTR(r->spare),
		.flag = RELID2,
	};
}

int rig_channel_create(struct rig *r)
{
	struct vmbus_host_signals s = signals(r);

	return vmm_channel(r->vmm.fd, RELID2, OTHER_INSTANCE, &s);
}

int rig_channel_destroy(struct rig *r)
{
	return vmm_destroy(r->vmm.fd, RELID2);
}

const struct operation op_channel_create = {
	.name = "channel_create",
	.prepare = rig_spare_forget,
	.run = rig_channel_create,
	.undo = rig_channel_destroy,
	.may = MAY_ENOMEM | MAY_EFAULT,
};

static int channel_modify(struct rig *r)
{
	struct vmbus_host_signals s = signals(r);

	return vmm_modify(r->vmm.fd, RELID, &s);
}

static int channel_modify_back(struct rig *r)
{
	struct vmbus_host_signals s = { .kick_fd = -1, .call_fd = -1 };

	return vmm_modify(r->vmm.fd, RELID, &s);
}

const struct operation op_channel_modify = {
	.name = "channel_modify",
	.prepare = rig_spare_forget,
	.run = channel_modify,
	.undo = channel_modify_back,
	.may = MAY_ENOMEM | MAY_EFAULT,
};

static int rescind(struct rig *r)
{
	return vmm_rescind(r->vmm.fd, RELID2);
}

const struct operation op_rescind = {
	.name = "rescind",
	.prepare = rig_channel_create,
	.run = rescind,
	.undo = rig_channel_destroy,
	.may = MAY_EFAULT,
};

const struct operation op_destroy = {
	.name = "destroy",
	.prepare = rig_channel_create,
	.run = rig_channel_destroy,
	.may = MAY_EFAULT,
};

static int reset(struct rig *r)
{
	return vmm_reset(r->vmm.fd);
}

/* It forgets what was there, the answers too. */
static int reset_outcome(struct rig *r, int ret)
{
	return ret ?: rig_silence(r);
}

int rig_header(struct rig *r)
{
	gpadl_simple(&r->gpadl, HANDLE, MEM_GPA, 4 * HV_PAGE);
	return guest_gpadl(r->vmm.fd, RELID, &r->gpadl, false);
}

const struct operation op_reset = {
	.name = "reset",
	.prepare = rig_header,
	.run = reset,
	.outcome = reset_outcome,
	.may = MAY_EFAULT,
};

static int released(struct rig *r)
{
	return guest_released(r->vmm.fd, RELID2);
}

const struct operation op_released = {
	.name = "released",
	.prepare = rig_channel_create,
	.run = released,
	.undo = rig_channel_destroy,
	.may = MAY_EFAULT,
};

/* ---- Unplugging, and its event ---- */

static int unplug(struct rig *r)
{
	struct vmbus_host_channel arg = { .size = sizeof(arg), .relid = RELID2 };

	return ioctl(r->vmm.fd, VMBUS_HOST_CHANNEL_UNPLUG, &arg) ? -errno : 0;
}

static int event_take(struct rig *r)
{
	struct vmbus_host_event event;

	return vmm_next_event(r->vmm.fd, &event) ?:
	       event.type == VMBUS_HOST_EVENT_RESCIND && event.relid == RELID2 ? 0 : -EPROTO;
}

/* The backend has nothing to ask of the guest: the device goes at once, or nothing is asked for. */
static int unplug_outcome(struct rig *r, int ret)
{
	if (ret)
		return event_waits(r->vmm.fd) ? -EPROTO : ret;
	return WAIT_FOR(event_waits(r->vmm.fd)) ? event_take(r) : -ETIMEDOUT;
}

const struct operation op_unplug = {
	.name = "unplug",
	.prepare = rig_channel_create,
	.run = unplug,
	.outcome = unplug_outcome,
	.undo = rig_channel_destroy,
	.may = MAY_EFAULT,
};

static int event_prepare(struct rig *r)
{
	int ret = rig_channel_create(r) ?: unplug(r);

	return ret ?: WAIT_FOR(event_waits(r->vmm.fd)) ? 0 : -ETIMEDOUT;
}

/* Once it was taken there is no other: one that did not reach the VMM is still there. */
static int event_outcome(struct rig *r, int ret)
{
	return event_waits(r->vmm.fd) == !ret ? -EPROTO : ret;
}

const struct operation op_next_event = {
	.name = "next_event",
	.prepare = event_prepare,
	.run = event_take,
	.outcome = event_outcome,
	.undo = rig_channel_destroy,
	.may = MAY_EFAULT,
};

/* ---- debugfs ---- */

static int read_all(const char *path)
{
	char buf[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -errno;
	do
		len = read(fd, buf, sizeof(buf));
	while (len > 0);
	len = len < 0 ? -errno : 0;
	close(fd);
	return len;
}

static char debugfs_files[3][300];

int debugfs_partitions(void)
{
	static const char * const names[] = { "gpadls", "requests", "regions", "stats" };
	glob_t g;
	int i, nr;

	if (glob(PARTITIONS "/*", 0, NULL, &g))
		return 0;
	for (i = 0; i < 3; i++)
		snprintf(debugfs_files[i], sizeof(debugfs_files[i]), "%s/%s",
			 g.gl_pathv[0], names[i]);
	nr = g.gl_pathc;
	globfree(&g);
	return nr;
}

static int debugfs_setup(struct rig *r)
{
	return debugfs_partitions() == 1 ? rig_establish_small(r) : -ENOENT;
}

static int debugfs(struct rig *r)
{
	return read_all(debugfs_files[0]) ?: read_all(debugfs_files[1]) ?:
	       read_all(debugfs_files[2]) ?: read_all(ENDPOINTS);
}

const struct operation op_debugfs = {
	.name = "debugfs",
	.setup = debugfs_setup,
	.run = debugfs,
	.cleanup = rig_tear_down_small,
	.may = MAY_ENOMEM | MAY_EFAULT,
};
