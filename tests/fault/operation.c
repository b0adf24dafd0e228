// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm.h"
#include "operation.h"

#define OTHER_INSTANCE	9u

#define PARTITIONS	"/sys/kernel/debug/vmbus_gpadl"
#define ENDPOINTS	"/sys/kernel/debug/vmbus_host/endpoints"

/* ---- Memory ---- */

/*
 * Pages that do not follow each other in memory, whatever the allocator gives: two of a
 * file, in turns.
 */
char *spare_alloc(void)
{
	int fd = memfd_create("spare", MFD_CLOEXEC);
	char *mem = MAP_FAILED;
	unsigned int i;

	if (fd < 0 || ftruncate(fd, 2 * HV_PAGE))
		return NULL;
	mem = mmap(NULL, SPARE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (i = 0; i < SPARE_PAGES && mem != MAP_FAILED; i++)
		if (mmap(mem + i * HV_PAGE, HV_PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fd, i % 2 * HV_PAGE) == MAP_FAILED)
			return NULL;
	close(fd);
	return mem == MAP_FAILED ? NULL : mem;
}

/* Take its pages, so that whoever touches it next has to allocate them. */
static int spare_forget(struct rig *r)
{
	return madvise(r->spare, HV_PAGE, MADV_REMOVE) ||
	       madvise(r->spare + HV_PAGE, HV_PAGE, MADV_REMOVE) ? -errno : 0;
}

static int spare_region(struct rig *r, __u32 slot, __u32 flags, __u32 page, __u32 nr)
{
	return vmm_region(r->vmm.fd, slot, flags, SPARE_GPA + page * HV_PAGE, nr * HV_PAGE,
			  r->spare + page * HV_PAGE);
}

static int spare_remove(struct rig *r, __u32 slot)
{
	return vmm_region(r->vmm.fd, slot, 0, 0, 0, NULL);
}

/* ---- Messages and their answers ---- */

/* The guest has heard nothing. */
static int silence(struct rig *r)
{
	return reply_read(r->vmm.fd).len == -EAGAIN ? 0 : -EPROTO;
}

static int status_to_errno(__u32 status)
{
	switch (status) {
	case STATUS_SUCCESS:
		return 0;
	case 0xC000009A: /* STATUS_INSUFFICIENT_RESOURCES */
		return -ENOMEM;
	default:
		return -EPROTO;
	}
}

/* The answer to what was posted with result @ret */
static int answer(struct rig *r, int ret, __u32 type)
{
	struct reply reply;

	if (ret)
		return silence(r) ?: ret;
	reply = reply_wait(r->vmm.fd);
	if (reply.len < 0)
		return reply.len;
	return reply.type == type ? status_to_errno(reply.status) : -EPROTO;
}

static int answer_created(struct rig *r, int ret)
{
	return answer(r, ret, MSG_GPADL_CREATED);
}

static int answer_torndown(struct rig *r, int ret)
{
	return answer(r, ret, MSG_GPADL_TORNDOWN);
}

static int answer_opened(struct rig *r, int ret)
{
	return answer(r, ret, MSG_OPENCHANNEL_RESULT);
}

static int establish(struct rig *r, __u32 relid)
{
	return answer_created(r, guest_gpadl(r->vmm.fd, relid, &r->gpadl, false));
}

static int tear_down(struct rig *r, __u32 relid, __u32 handle)
{
	return answer_torndown(r, guest_teardown(r->vmm.fd, relid, handle));
}

static int establish_small(struct rig *r)
{
	gpadl_simple(&r->gpadl, HANDLE, MEM_GPA, 4 * HV_PAGE);
	return establish(r, RELID);
}

static int tear_down_it(struct rig *r)
{
	return tear_down(r, RELID, HANDLE);
}

/* All of the guest's memory, no two pages of it adjoining: 7 and 1024 have no divisor */
static void gpadl_scattered(struct gpadl *g)
{
	__u32 i;

	gpadl_init(g, HANDLE);
	gpadl_range(g, 0, MEM_BYTES);
	for (i = 0; i < MEM_PAGES; i++)
		gpadl_pages(g, MEM_PFN + i * 7 % MEM_PAGES, 1);
}

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
	struct gpadl g;
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

static int regions_remove(struct rig *r)
{
	return spare_remove(r, SPARE_SLOT) ?: spare_remove(r, SPARE_SLOT2);
}

const struct operation op_regions = {
	.name = "regions",
	.run = regions,
	.undo = regions_remove,
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
static int region_resident(struct rig *r)
{
	return spare_region(r, SPARE_SLOT, VMBUS_HOST_REGION_RESIDENT, 0, SPARE_PAGES);
}

static int region_remove(struct rig *r)
{
	return spare_remove(r, SPARE_SLOT);
}

const struct operation op_regions_many = {
	.name = "regions_many",
	.run = regions_many,
	.undo = regions_many_remove,
	.may = MAY_ENOMEM | MAY_EFAULT,
};

const struct operation op_region_resident = {
	.name = "region_resident",
	.prepare = spare_forget,
	.run = region_resident,
	.undo = region_remove,
	.may = MAY_ENOMEM | MAY_EFAULT,
};

static int region_on_demand(struct rig *r)
{
	return spare_region(r, SPARE_SLOT, 0, 0, SPARE_PAGES);
}

const struct operation op_region_to_resident = {
	.name = "region_to_resident",
	.prepare = region_on_demand,
	.run = region_resident,
	.undo = region_remove,
	.may = MAY_ENOMEM | MAY_EFAULT,
};

const struct operation op_region_remove = {
	.name = "region_remove",
	.prepare = region_resident,
	.run = region_remove,
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

static int channel_create(struct rig *r)
{
	struct vmbus_host_signals s = signals(r);

	return vmm_channel(r->vmm.fd, RELID2, OTHER_INSTANCE, &s);
}

static int channel_destroy(struct rig *r)
{
	return vmm_destroy(r->vmm.fd, RELID2);
}

const struct operation op_channel_create = {
	.name = "channel_create",
	.prepare = spare_forget,
	.run = channel_create,
	.undo = channel_destroy,
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
	.prepare = spare_forget,
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
	.prepare = channel_create,
	.run = rescind,
	.undo = channel_destroy,
	.may = MAY_EFAULT,
};

const struct operation op_destroy = {
	.name = "destroy",
	.prepare = channel_create,
	.run = channel_destroy,
	.may = MAY_EFAULT,
};

static int reset(struct rig *r)
{
	return vmm_reset(r->vmm.fd);
}

/* It forgets what was there, the answers too. */
static int reset_outcome(struct rig *r, int ret)
{
	return ret ?: silence(r);
}

static int header(struct rig *r)
{
	gpadl_simple(&r->gpadl, HANDLE, MEM_GPA, 4 * HV_PAGE);
	return guest_gpadl(r->vmm.fd, RELID, &r->gpadl, false);
}

const struct operation op_reset = {
	.name = "reset",
	.prepare = header,
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
	.prepare = channel_create,
	.run = released,
	.undo = channel_destroy,
	.may = MAY_EFAULT,
};

/* ---- GPADLs ---- */

static int post(struct rig *r)
{
	gpadl_simple(&r->gpadl, HANDLE, MEM_GPA, 4 * HV_PAGE);
	return guest_gpadl(r->vmm.fd, RELID, &r->gpadl, true);
}

const struct operation op_post = {
	.name = "post",
	.run = post,
	.outcome = answer_created,
	.undo = tear_down_it,
	.may = MAY_ENOMEM | MAY_EFAULT,
};

const struct operation op_header = {
	.name = "header",
	.run = header,
	.outcome = answer_created,
	.undo = tear_down_it,
	.may = MAY_ENOMEM | MAY_EFAULT,
};

/* The first message of the largest there is: its page list takes several pages. */
static int header_large(struct rig *r)
{
	gpadl_simple(&r->gpadl, HANDLE, MEM_GPA, MEM_BYTES);
	return guest_header(r->vmm.fd, RELID, HANDLE, 1, GPADL_WORDS, r->gpadl.words,
			    HEADER_WORDS);
}

/* It is answered only if it is refused; else it waits for the rest. */
static int header_large_outcome(struct rig *r, int ret)
{
	struct reply reply = reply_read(r->vmm.fd);

	if (reply.len == -EAGAIN)
		return ret;
	return ret ? -EPROTO : status_to_errno(reply.status) ?: -EPROTO;
}

static int header_large_undo(struct rig *r)
{
	struct reply reply;
	int ret;

	ret = guest_teardown(r->vmm.fd, RELID, HANDLE);
	reply = reply_wait(r->vmm.fd);
	if (ret || reply.type != MSG_GPADL_CREATED || reply.status != STATUS_CANCELLED)
		return ret ?: -EPROTO;
	return answer_torndown(r, 0);
}

const struct operation op_header_large = {
	.name = "header_large",
	.run = header_large,
	.outcome = header_large_outcome,
	.undo = header_large_undo,
	.may = MAY_ENOMEM | MAY_EFAULT,
};

/* There is one of this handle, on another channel. */
static int same_handle_setup(struct rig *r)
{
	gpadl_simple(&r->gpadl, HANDLE, MEM_GPA, 4 * HV_PAGE);
	return channel_create(r) ?: establish(r, RELID2);
}

static int same_handle_cleanup(struct rig *r)
{
	return tear_down(r, RELID2, HANDLE) ?: channel_destroy(r);
}

const struct operation op_header_same_handle = {
	.name = "header_same_handle",
	.setup = same_handle_setup,
	.run = header,
	.outcome = answer_created,
	.undo = tear_down_it,
	.cleanup = same_handle_cleanup,
	.may = MAY_ENOMEM | MAY_EFAULT,
};

#define BODY_PAGES	(HEADER_WORDS - 1 + BODY_WORDS)

static int body_prepare(struct rig *r)
{
	gpadl_simple(&r->gpadl, HANDLE, MEM_GPA, BODY_PAGES * HV_PAGE);
	return guest_header(r->vmm.fd, RELID, HANDLE, 1, r->gpadl.nr_words, r->gpadl.words,
			    HEADER_WORDS);
}

/* It completes the GPADL: without memory to make the page list shorter that works too. */
static int body(struct rig *r)
{
	return guest_body(r->vmm.fd, HANDLE, 0, r->gpadl.words + HEADER_WORDS, BODY_WORDS);
}

const struct operation op_body = {
	.name = "body",
	.prepare = body_prepare,
	.run = body,
	.outcome = answer_created,
	.undo = tear_down_it,
	.may = MAY_EFAULT,
};

static int teardown(struct rig *r)
{
	return guest_teardown(r->vmm.fd, RELID, HANDLE);
}

const struct operation op_teardown = {
	.name = "teardown",
	.prepare = establish_small,
	.run = teardown,
	.outcome = answer_torndown,
	.may = MAY_EFAULT,
};

static int read_reply(struct rig *r)
{
	struct reply reply = reply_read(r->vmm.fd);

	if (reply.len < 0)
		return reply.len;
	return reply.type == MSG_GPADL_CREATED ? 0 : -EPROTO;
}

/* No reply is lost: it is there the next time. */
const struct operation op_read_reply = {
	.name = "read_reply",
	.prepare = header,
	.run = read_reply,
	.undo = tear_down_it,
	.may = MAY_EFAULT,
};

static int poll_file(struct rig *r)
{
	int ret = poll_now(r->vmm.fd);

	return ret < 0 ? ret : 0;
}

const struct operation op_poll_file = {
	.name = "poll_file",
	.run = poll_file,
	.may = MAY_EFAULT,
};

/* ---- Opening a channel ---- */

static int ring_establish(struct rig *r)
{
	memset(r->vmm.ring, 0, RING_BYTES);
	gpadl_simple(&r->gpadl, RING_HANDLE, RING_GPA, RING_BYTES);
	return establish(r, RELID);
}

static int ring_tear_down(struct rig *r)
{
	return tear_down(r, RELID, RING_HANDLE);
}

static int open_message(struct rig *r)
{
	return guest_open(r->vmm.fd, RELID, 1, RING_HANDLE, RING_SPLIT);
}

static int close_message(struct rig *r)
{
	return guest_close(r->vmm.fd, RELID);
}

/* Closed is when the backend is; the rings are unmapped then, or soon after. */
static int close_outcome(struct rig *r, int ret)
{
	bool closed;
	int fd;

	if (ret)
		return ret;
	fd = open("/dev/vmbus-gpadl-test", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	closed = WAIT_FOR(!backend_state(fd, r->vmm.instance).open && !pinned_pages());
	close(fd);
	return closed ? 0 : -ETIMEDOUT;
}

static int close_channel(struct rig *r)
{
	return close_outcome(r, close_message(r));
}

/* What it takes is a message; the work comes later. */
const struct operation op_open_message = {
	.name = "open_message",
	.setup = ring_establish,
	.run = open_message,
	.outcome = answer_opened,
	.undo = close_channel,
	.cleanup = ring_tear_down,
	.may = MAY_EFAULT,
};

/* And this is the work: map and vmap the rings, and ask the backend. */
const struct operation op_open_by_worker = {
	.name = "open_by_worker",
	.setup = ring_establish,
	.run = open_message,
	.outcome = answer_opened,
	.undo = close_channel,
	.cleanup = ring_tear_down,
	.may = MAY_ENOMEM,
	.by_workers = true,
};

static int open_channel(struct rig *r)
{
	return answer_opened(r, open_message(r));
}

const struct operation op_close_message = {
	.name = "close_message",
	.setup = ring_establish,
	.prepare = open_channel,
	.run = close_message,
	.outcome = close_outcome,
	.cleanup = ring_tear_down,
	.may = MAY_EFAULT,
};

/* ---- Maps ---- */

static int establish_spare(struct rig *r)
{
	gpadl_simple(&r->gpadl, HANDLE, SPARE_GPA, SPARE_BYTES);
	return establish(r, RELID);
}

static int map_setup(struct rig *r)
{
	return region_on_demand(r) ?: establish_spare(r);
}

static int map_cleanup(struct rig *r)
{
	return tear_down_it(r) ?: region_remove(r);
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

const struct operation op_map = {
	.name = "map",
	.setup = map_setup,
	.prepare = spare_forget,
	.run = map,
	.undo = unmap,
	.cleanup = map_cleanup,
	.may = MAY_ENOMEM,
	.mapper_only = true,
	.open = true,
};

const struct operation op_map_read_only = {
	.name = "map_read_only",
	.setup = map_setup,
	.prepare = spare_forget,
	.run = map_read_only,
	.undo = unmap,
	.cleanup = map_cleanup,
	.may = MAY_ENOMEM,
	.mapper_only = true,
	.open = true,
};

static int establish_scattered(struct rig *r)
{
	gpadl_scattered(&r->gpadl);
	return establish(r, RELID);
}

const struct operation op_map_large = {
	.name = "map_large",
	.setup = establish_scattered,
	.run = map,
	.undo = unmap,
	.cleanup = tear_down_it,
	.may = MAY_ENOMEM,
	.mapper_only = true,
	.open = true,
};

static int map_resident_setup(struct rig *r)
{
	return region_resident(r) ?: establish_spare(r);
}

const struct operation op_map_resident = {
	.name = "map_resident",
	.setup = map_resident_setup,
	.run = map,
	.undo = unmap,
	.cleanup = map_cleanup,
	.may = MAY_ENOMEM,
	.mapper_only = true,
	.open = true,
};

/* Page by page out of either kind of region */
static int map_mixed_setup(struct rig *r)
{
	__u32 i;
	int ret;

	ret = spare_region(r, SPARE_SLOT, VMBUS_HOST_REGION_RESIDENT, 0, SPARE_HALF) ?:
	      spare_region(r, SPARE_SLOT2, 0, SPARE_HALF, SPARE_HALF);
	if (ret)
		return ret;
	gpadl_init(&r->gpadl, HANDLE);
	gpadl_range(&r->gpadl, 0, SPARE_BYTES);
	for (i = 0; i < SPARE_HALF; i++) {
		gpadl_pages(&r->gpadl, SPARE_GPA / HV_PAGE + i, 1);
		gpadl_pages(&r->gpadl, SPARE_GPA / HV_PAGE + SPARE_HALF + i, 1);
	}
	return establish(r, RELID);
}

static int map_mixed_cleanup(struct rig *r)
{
	return tear_down_it(r) ?: regions_remove(r);
}

const struct operation op_map_mixed = {
	.name = "map_mixed",
	.setup = map_mixed_setup,
	.run = map,
	.undo = unmap,
	.cleanup = map_mixed_cleanup,
	.may = MAY_ENOMEM,
	.mapper_only = true,
	.open = true,
};

/* In a kernel thread without an address space, which adopts the VMM's */
static int map_by_worker(struct rig *r)
{
	return backend_map_by_kthread(r->vmm.backend, HANDLE, 0);
}

const struct operation op_map_by_worker = {
	.name = "map_by_worker",
	.setup = map_setup,
	.prepare = spare_forget,
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

const struct operation op_vmap = {
	.name = "vmap",
	.setup = vmap_setup,
	.run = vmap,
	.undo = vunmap,
	.cleanup = vmap_cleanup,
	.may = MAY_ENOMEM,
	.mapper_only = true,
	.open = true,
};

static int vmap_large_setup(struct rig *r)
{
	return establish_scattered(r) ?: map(r);
}

static int vmap_large_cleanup(struct rig *r)
{
	return unmap(r) ?: tear_down_it(r);
}

const struct operation op_vmap_large = {
	.name = "vmap_large",
	.setup = vmap_large_setup,
	.run = vmap,
	.undo = vunmap,
	.cleanup = vmap_large_cleanup,
	.may = MAY_ENOMEM,
	.mapper_only = true,
	.open = true,
};

const struct operation op_vunmap = {
	.name = "vunmap",
	.setup = vmap_setup,
	.prepare = vmap,
	.run = vunmap,
	.cleanup = vmap_cleanup,
	.mapper_only = true,
	.open = true,
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
	static const char * const names[] = { "gpadls", "regions", "stats" };
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
	return debugfs_partitions() == 1 ? establish_small(r) : -ENOENT;
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
	.cleanup = tear_down_it,
	.may = MAY_ENOMEM | MAY_EFAULT,
};
