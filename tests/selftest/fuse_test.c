// SPDX-License-Identifier: GPL-2.0
/*
 * A VMM is killed while its backend sleeps in a page fault on a file in user space, which
 * nobody reads: the thread that sleeps is the VMM's, so the signal wakes it.
 */
#include <signal.h>

#include "fixture.h"
#include "fuse.h"
#include "machine.h"
#include "worker_vmm.h"

#define DIR_FUSE	"/tmp/fuse"

FIXTURE(fuse) {
	struct sync sync;
	struct fuse_server server;
	pid_t pid;
};

/*
 * @instance: number of the channel's instance
 * @async: the server lets the kernel read ahead without waiting, as libfuse does
 */
FIXTURE_VARIANT(fuse) {
	unsigned int instance;
	bool async;
};

FIXTURE_VARIANT_ADD(fuse, async) {
	.instance = 23,
	.async = true,
};

FIXTURE_VARIANT_ADD(fuse, sync) {
	.instance = 24,
};

/* The VMM, the second half of whose memory is in a file that is never read */
static int fuse_begin(struct guest *g, unsigned int instance)
{
	char *half;
	int fd, ret;

	g->fd = device_open();
	ret = guest_begin(g, instance, MEM_ANON);
	ret = ret ?: guest_has(g, HANDLE, STALL_GPA, HV_PAGE);
	if (ret)
		return ret;
	fd = open(DIR_FUSE "/mem", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return 6;
	half = g->mem + MEM_BYTES / 2;
	if (mmap(half, MEM_BYTES / 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd,
		 0) != half)
		return 7;
	close(fd);
	return worker_do(instance, VMBUS_WORKER_TEST_MAP, HANDLE) ? 8 : 0;
}

FIXTURE_SETUP(fuse)
{
	if (kernel_before(6, 10))
		SKIP(return, KERNEL_WORKERS);
	worker_fd = open("/dev/vmbus-worker-test", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, worker_fd);
	ASSERT_EQ(0, sync_make(&self->sync));
	ASSERT_EQ(0, fuse_start(&self->server, DIR_FUSE, MEM_BYTES / 2, variant->async));
	self->pid = fork();
	if (!self->pid) {
		struct guest g;

		child_report(&self->sync, fuse_begin(&g, variant->instance));
		pause();
		_exit(0);
	}
	ASSERT_EQ('!', sync_hear(self->sync.there[0]));
	ASSERT_TRUE(WAIT_FOR(fuse_is_read(&self->server)));
}

FIXTURE_TEARDOWN(fuse)
{
	fuse_stop(&self->server);
	close(worker_fd);
	expect_nothing_pinned(_metadata);
}

/*
 * The kernel waits for an answer to what it reads without read-ahead, and cannot be killed
 * there: no process can. Then it takes the end of the server.
 */
TEST_F(fuse, killed)
{
	struct vmbus_worker_test_state state;
	int status;

	ASSERT_EQ(1, threads_named(self->pid, "vmbus/"));
	ASSERT_EQ(0, kill(self->pid, SIGKILL));
	if (!variant->async) {
		usleep(100000);
		EXPECT_EQ(0, waitpid(self->pid, &status, WNOHANG));
		fuse_stop(&self->server);
	}
	ASSERT_TRUE(WAIT_FOR(waitpid(self->pid, &status, WNOHANG) == self->pid));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_TRUE(WAIT_FOR(!worker_state(variant->instance).open));
	EXPECT_TRUE(WAIT_FOR(partitions_left() == 0));
	EXPECT_EQ(0, threads_named(0, "vmbus/"));
	EXPECT_TRUE(WAIT_FOR(pinned_pages() == 0));

	state = worker_state(variant->instance);
	EXPECT_STREQ("OoKkCc", state.log);
	if (variant->async)
		EXPECT_EQ(-EINTR, state.result);
}

TEST_HARNESS_MAIN
