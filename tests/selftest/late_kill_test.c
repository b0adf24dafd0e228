// SPDX-License-Identifier: GPL-2.0
/*
 * A VMM is killed while its device has requests under way that complete elsewhere: the channel
 * and its rings are there until the last one has, and then all is gone.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "../module/vmbus_device_test.h"
#include "fixture.h"
#include "machine.h"
#include "pass_fd.h"
#include "ring_wire.h"

#define DEBUGFS		"/sys/kernel/debug/vmbus_device_test/"
#define NR_REQUESTS	16

static long long requests(const char *what)
{
	return file_number(DEBUGFS "counts", what);
}

FIXTURE(late_kill) {
	pid_t pid;
	long long taken, done, stray;
};

FIXTURE_VARIANT(late_kill) {
	const char *where;	/* they complete */
	__u32 flags;		/* of the configuration */
};

FIXTURE_VARIANT_ADD(late_kill, softirq) { .where = "softirq" };
FIXTURE_VARIANT_ADD(late_kill, work) { .where = "work" };
FIXTURE_VARIANT_ADD(late_kill, kthread) { .where = "kthread" };
FIXTURE_VARIANT_ADD(late_kill, close_returns) {
	.where = "softirq",
	.flags = VMBUS_DEVICE_TEST_NO_DRAIN,
};

/* The VMM, which opens its device and then does nothing; its file goes to @sock, if that is one */
static void vmm_main(struct __test_metadata *_metadata, __u32 flags, unsigned int requests,
		     int sock)
{
	struct vmbus_device_test_config config = { .size = sizeof(config), .flags = flags };
	struct vmbus_host_channel_create create = {
		.size = sizeof(create),
		.relid = RELID,
		.if_type = VMBUS_DEVICE_TEST_IF_TYPE,
		.config = PTR(&config),
	};
	char *rings = memory_alloc(MEM_ANON, RING_BYTES);
	int fd = open("/dev/vmbus-host", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	ASSERT_NE(NULL, rings);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vmm_create(fd));
	ASSERT_EQ(0, vmm_region(fd, RING_SLOT, 0, RING_GPA, RING_BYTES, rings));
	ASSERT_EQ(0, ioctl(fd, VMBUS_HOST_CHANNEL_CREATE, &create));
	ring_put_requests(rings, requests);
	EXPECT_GPADL(fd, RELID, RING_HANDLE, RING_GPA, RING_BYTES);
	ASSERT_EQ(0, guest_open(fd, RELID, 1, RING_HANDLE, RING_SPLIT));
	EXPECT_OPENED(fd, RELID, 1);
	if (sock >= 0)
		ASSERT_EQ(0, send_fd(sock, fd));
	pause();
}

FIXTURE_SETUP(late_kill)
{
	self->taken = requests("taken");
	self->done = requests("done");
	self->stray = requests("stray");
	ASSERT_LE(0, self->taken);
	self->pid = fork();
	if (!self->pid) {
		vmm_main(_metadata, variant->flags, NR_REQUESTS, -1);
		_exit(1);
	}
	ASSERT_TRUE(WAIT_FOR(requests("taken") == self->taken + NR_REQUESTS));
	ASSERT_EQ(self->done, requests("done"));
}

FIXTURE_TEARDOWN(late_kill)
{
	expect_nothing_pinned(_metadata);
	EXPECT_TRUE(WAIT_FOR(partitions_left() == 0));
	EXPECT_EQ(0, threads_named(0, "vmbus/"));
}

/* Its process ends when the requests have: the thread in close() is one of its own. */
TEST_F(late_kill, killed)
{
	int status;

	ASSERT_EQ(0, kill(self->pid, SIGKILL));
	usleep(200000);
	EXPECT_EQ(self->done, requests("done"));
	EXPECT_EQ((long)RING_PAGES, pinned_pages());
	EXPECT_EQ(1, partitions_left());

	EXPECT_EQ(0, file_write(DEBUGFS "control", variant->where));
	EXPECT_EQ(self->done + NR_REQUESTS, requests("done"));
	EXPECT_EQ(self->stray, requests("stray"));
	ASSERT_TRUE(WAIT_FOR(waitpid(self->pid, &status, WNOHANG) == self->pid));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_TRUE(WAIT_FOR(pinned_pages() == 0));
}

/* While they complete: nothing is lost, and nothing comes after close(). */
TEST_F(late_kill, killed_while_they_complete)
{
	int status;

	ASSERT_EQ(0, kill(self->pid, SIGKILL));
	EXPECT_EQ(0, file_write(DEBUGFS "control", variant->where));
	EXPECT_EQ(self->done + NR_REQUESTS, requests("done"));
	EXPECT_EQ(self->stray, requests("stray"));
	ASSERT_TRUE(WAIT_FOR(waitpid(self->pid, &status, WNOHANG) == self->pid));
	EXPECT_TRUE(WAIT_FOR(pinned_pages() == 0));
}

/* ---- While somebody else drives its channel ---- */

/* A process that has the VMM's file has the channel closed and opened without end. */
FIXTURE(driven) {
	pid_t pid;
	pid_t driver;
	int fd;
};

/* Each callback takes longer than a turn here: there is always something to be done next. */
static void drive(int fd)
{
	__u32 openid = 2;

	for (;;) {
		guest_close(fd, RELID);
		guest_open(fd, RELID, openid++, RING_HANDLE, RING_SPLIT);
		while (reply_read(fd).len > 0)
			;
		usleep(10000);
	}
}

FIXTURE_SETUP(driven)
{
	int sock[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock));
	self->pid = fork();
	if (!self->pid) {
		vmm_main(_metadata, VMBUS_DEVICE_TEST_SLOW, 0, sock[1]);
		_exit(1);
	}
	self->fd = receive_fd(sock[0]);
	ASSERT_LE(0, self->fd);
	close(sock[0]);
	close(sock[1]);
	self->driver = fork();
	if (!self->driver)
		drive(self->fd);
	/* It is in the midst of it. */
	usleep(300000);
}

FIXTURE_TEARDOWN(driven)
{
	kill(self->driver, SIGKILL);
	EXPECT_EQ(self->driver, waitpid(self->driver, NULL, 0));
	close(self->fd);
	expect_nothing_pinned(_metadata);
	EXPECT_TRUE(WAIT_FOR(partitions_left() == 0));
	EXPECT_EQ(0, threads_named(0, "vmbus/"));
}

/* That keeps no thread of the VMM from its end. */
TEST_F(driven, killed)
{
	int n, status = 0;

	ASSERT_EQ(0, kill(self->pid, SIGKILL));
	for (n = 0; n < 200 && waitpid(self->pid, &status, WNOHANG) != self->pid; n++)
		usleep(10000);
	EXPECT_GT(200, n);
	EXPECT_TRUE(WIFSIGNALED(status));
	/* The driver is there, and gets nothing opened. A kernel thread stays with the file. */
	if (!kernel_before(6, 10))
		EXPECT_EQ(0, threads_named(0, "vmbus/"));
}

TEST_HARNESS_MAIN
