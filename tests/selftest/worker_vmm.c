// SPDX-License-Identifier: GPL-2.0
/*
 * A VMM that is a process of its own, and its backend; see worker_vmm.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/vmbus_host.h>

#include "layout.h"
#include "vmbus_guest.h"
#include "vmm.h"
#include "worker_vmm.h"

int worker_fd = -1;

static void worker_guid(__u8 *guid, unsigned int instance)
{
	memset(guid, 0x77, 16);
	memcpy(guid, &instance, sizeof(instance));
}

int worker_do(unsigned int instance, __u32 op, __u32 value)
{
	struct vmbus_worker_test_do arg = { .op = op, .value = value };

	worker_guid(arg.if_instance, instance);
	return ioctl(worker_fd, VMBUS_WORKER_TEST_DO, &arg) ? -errno : 0;
}

struct vmbus_worker_test_state worker_state(unsigned int instance)
{
	struct vmbus_worker_test_state arg = {};

	worker_guid(arg.if_instance, instance);
	if (ioctl(worker_fd, VMBUS_WORKER_TEST_STATE, &arg))
		memset(&arg, 0, sizeof(arg));
	return arg;
}

/* Have it done, and wait until it is. Returns its result. */
int worker_do_wait(unsigned int instance, __u32 op, __u32 value)
{
	__u32 before = worker_state(instance).nr_done;
	int ret = worker_do(instance, op, value);

	if (ret)
		return ret;
	if (!WAIT_FOR(worker_state(instance).nr_done != before))
		return -ETIMEDOUT;
	return worker_state(instance).result;
}

int worker_channel(int fd, __u32 relid, unsigned int instance)
{
	struct vmbus_host_channel_create arg = {
		.size = sizeof(arg),
		.relid = relid,
		.if_type = VMBUS_WORKER_TEST_IF_TYPE,
	};

	worker_guid(arg.if_instance, instance);
	return ioctl(fd, VMBUS_HOST_CHANNEL_CREATE, &arg) ? -errno : 0;
}

/* A partition with a channel that is open. Returns 0 if all went well. */
int guest_begin(struct guest *g, unsigned int instance, enum memory kind)
{
	struct reply r;
	struct guest_gpadl rings;

	g->mem = memory_alloc(kind, MEM_BYTES);
	g->ring = memory_alloc(MEM_ANON, RING_BYTES);
	if (!g->mem || !g->ring)
		return 1;
	memset(g->ring, 0, RING_BYTES);
	if (vmm_create(g->fd) ||
	    vmm_region(g->fd, MEM_SLOT, 0, MEM_GPA, MEM_BYTES, g->mem) ||
	    vmm_region(g->fd, RING_SLOT, 0, RING_GPA, RING_BYTES, g->ring) ||
	    worker_channel(g->fd, RELID, instance))
		return 2;
	gpadl_simple(&rings, RING_HANDLE, RING_GPA, RING_BYTES);
	if (guest_gpadl(g->fd, RELID, &rings, false))
		return 3;
	r = reply_wait(g->fd);
	if (r.type != MSG_GPADL_CREATED || r.status ||
	    guest_open(g->fd, RELID, 1, RING_HANDLE, RING_SPLIT))
		return 4;
	r = reply_wait(g->fd);
	return r.type == MSG_OPENCHANNEL_RESULT && !r.status ? 0 : 5;
}

/* A GPADL of @bytes at @gpa that is established */
int guest_has(struct guest *g, __u32 handle, __u64 gpa, size_t bytes)
{
	struct guest_gpadl gpadl;
	struct reply r;

	gpadl_simple(&gpadl, handle, gpa, bytes);
	if (guest_gpadl(g->fd, RELID, &gpadl, false))
		return 1;
	r = reply_wait(g->fd);
	return r.type == MSG_GPADL_CREATED && !r.status ? 0 : 2;
}

int device_open(void)
{
	return open("/dev/vmbus-host", O_RDWR | O_NONBLOCK);
}

int sync_make(struct sync *s)
{
	return pipe(s->there) || pipe(s->go) ? -errno : 0;
}

void sync_tell(int fd, char what)
{
	if (write(fd, &what, 1) != 1)
		abort();
}

/* What the other says; 0 if it has ended */
char sync_hear(int fd)
{
	char what = 0;

	return read(fd, &what, 1) == 1 ? what : 0;
}

/* In the child: says whether it has got so far, then waits to be told. */
void child_report(struct sync *s, int ret)
{
	sync_tell(s->there[1], ret ? 'a' + ret : '!');
	if (ret)
		_exit(ret);
}

void child_wait(struct sync *s)
{
	close(s->go[1]);
	sync_hear(s->go[0]);
}
