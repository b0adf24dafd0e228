// SPDX-License-Identifier: GPL-2.0
/*
 * Whose thread a channel's work runs in, and what becomes of that work when the thread goes.
 *
 * The VMM is a process of its own, which this one gives orders to by a pipe; so it can be
 * killed, execute another program, or leave its file to a child.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "fixture.h"
#include "machine.h"
#include "pass_fd.h"
#include "worker_vmm.h"

#define NOBODY	65534

FIXTURE(worker) {
	struct sync sync;
	pid_t pid;
};

FIXTURE_SETUP(worker)
{
	worker_fd = open("/dev/vmbus-worker-test", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, worker_fd);
	ASSERT_EQ(0, sync_make(&self->sync));
	self->pid = 0;
}

FIXTURE_TEARDOWN(worker)
{
	if (self->pid > 0)
		kill(self->pid, SIGKILL);
	close(worker_fd);
	expect_nothing_pinned(_metadata);
	EXPECT_TRUE(WAIT_FOR(partitions_left() == 0));
	EXPECT_EQ(0, threads_named(0, "vmbus/"));
}

static void expect_ended(struct __test_metadata *_metadata, pid_t pid)
{
	int status;

	ASSERT_TRUE(WAIT_FOR(waitpid(pid, &status, WNOHANG) == pid));
	EXPECT_TRUE(WIFEXITED(status) && !WEXITSTATUS(status))
		TH_LOG("status %#x", status);
}

/* ---- Whose thread ---- */

TEST_F(worker, is_the_vmms)
{
	struct guest g = { .fd = device_open(), .uffd = -1 };

	if (kernel_before(6, 10))
		SKIP(return, KERNEL_WORKERS);
	ASSERT_EQ(0, guest_begin(&g, 1, MEM_ANON));
	EXPECT_EQ(1, threads_named(getpid(), "vmbus/"));
	EXPECT_EQ(0, worker_do_wait(1, VMBUS_WORKER_TEST_BURN, 0));
	EXPECT_EQ(getpid(), worker_state(1).tgid);
	EXPECT_EQ(1, worker_state(1).user_worker);
	close(g.fd);
	/* The process lives on, without it. */
	EXPECT_TRUE(WAIT_FOR(threads_named(getpid(), "vmbus/") == 0));
	EXPECT_FALSE(worker_state(1).open);
}

/* What was asked for before the close is done before it; each callback once, in order */
TEST_F(worker, close_comes_last_and_once)
{
	struct guest g = { .fd = device_open(), .uffd = -1 };

	ASSERT_EQ(0, guest_begin(&g, 2, MEM_ANON));
	ASSERT_EQ(0, worker_do(2, VMBUS_WORKER_TEST_BURN, 50));
	close(g.fd);
	EXPECT_TRUE(WAIT_FOR(!worker_state(2).open));
	EXPECT_STREQ("OoKkCc", worker_state(2).log);
}

/* ---- Who pays ---- */

#define CGROUPS	"/sys/fs/cgroup"
#define CGROUP	CGROUPS "/vmbus-worker-test"

/* The child moves itself there, and leaves it by its end. */
static int cgroup_make(void)
{
	int ret = file_write(CGROUPS "/cgroup.subtree_control", "+cpu +memory +hugetlb +pids");

	if (!ret && mkdir(CGROUP, 0755) && errno != EEXIST)
		ret = -errno;
	return ret;
}

#define BURN_MS	300
#define CHARGED_AHEAD	(1024 * 1024)

FIXTURE(pays) {
	struct sync sync;
	pid_t pid;
};

FIXTURE_VARIANT(pays) {
	enum memory kind;
};

FIXTURE_VARIANT_ADD(pays, shmem) {
	.kind = MEM_MEMFD,
};

FIXTURE_VARIANT_ADD(pays, hugetlb) {
	.kind = MEM_HUGETLB_MEMFD,
};

FIXTURE_SETUP(pays)
{
	ASSERT_EQ(0, cgroup_make());
	worker_fd = open("/dev/vmbus-worker-test", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, worker_fd);
	ASSERT_EQ(0, sync_make(&self->sync));
	self->pid = fork();
	if (!self->pid) {
		struct guest g = { .fd = device_open(), .uffd = -1 };
		int ret = file_write(CGROUP "/cgroup.procs", "0") ? 9 : 0;

		ret = ret ?: guest_begin(&g, 3, variant->kind);
		ret = ret ?: guest_has(&g, HANDLE, MEM_GPA, MEM_BYTES);
		child_report(&self->sync, ret);
		child_wait(&self->sync);
		_exit(0);
	}
	ASSERT_EQ('!', sync_hear(self->sync.there[0]));
}

FIXTURE_TEARDOWN(pays)
{
	sync_tell(self->sync.go[1], '!');
	expect_ended(_metadata, self->pid);
	close(worker_fd);
	expect_nothing_pinned(_metadata);
	EXPECT_TRUE(WAIT_FOR(rmdir(CGROUP) == 0));
}

/* Nobody but the backend does anything: the VMM's own threads wait. */
TEST_F(pays, processor_time)
{
	long long before = file_number(CGROUP "/cpu.stat", "usage_usec");

	ASSERT_LE(0, before);
	EXPECT_EQ(0, worker_do_wait(3, VMBUS_WORKER_TEST_BURN, BURN_MS));
	EXPECT_LE(before + BURN_MS * 900ll, file_number(CGROUP "/cpu.stat", "usage_usec"));
}

/* The pages are there when the backend has mapped them: all are the VMM's, none the root's. */
TEST_F(pays, page_faults)
{
	bool huge = variant->kind == MEM_HUGETLB_MEMFD;
	const char *file = huge ? CGROUP "/hugetlb.2MB.current" : CGROUP "/memory.current";
	long long before = file_number(file, NULL);
	long long free = file_number("/proc/meminfo", "HugePages_Free:");

	ASSERT_LE(0, before);
	EXPECT_EQ(0, worker_do_wait(3, VMBUS_WORKER_TEST_MAP, HANDLE));
	/* Of small pages, 64 for each processor may have been charged ahead. */
	EXPECT_LE(before + (long long)MEM_BYTES - (huge ? 0 : CHARGED_AHEAD),
		  file_number(file, NULL));
	if (huge)
		EXPECT_EQ(file_number(file, NULL) - before, 2 * 1024 * 1024 *
			  (free - file_number("/proc/meminfo", "HugePages_Free:")));
}

/* ---- How many ---- */

#define THREADS	12

/* Channels until there can be no more; the last errno goes to @ret. */
static int channels_until_full(int fd, int *ret)
{
	int nr = 0;

	while (nr < 2 * THREADS && !(*ret = worker_channel(fd, 1 + nr, 100 + nr)))
		nr++;
	return nr;
}

/* What was refused has left nothing: where one goes, exactly one can come. */
static int full_and_clean(int fd)
{
	int ret, nr = channels_until_full(fd, &ret);

	if (ret != -EAGAIN || nr >= THREADS || !nr)
		return 11;
	if (threads_named(getpid(), "vmbus/") != nr)
		return 12;
	if (worker_channel(fd, 1 + nr, 100) != -EAGAIN || vmm_destroy(fd, 1))
		return 13;
	if (!WAIT_FOR(worker_channel(fd, 1 + nr, 100) == 0))
		return 14;
	if (worker_channel(fd, 1, 100) != -EAGAIN)
		return 15;
	return 0;
}

TEST_F(worker, rlimit_nproc)
{
	struct rlimit limit = { THREADS, THREADS };
	int fd = device_open();

	if (kernel_before(6, 10))
		SKIP(return, KERNEL_WORKERS);
	ASSERT_LE(0, fd);
	self->pid = fork();
	if (!self->pid) {
		if (setrlimit(RLIMIT_NPROC, &limit) || setresuid(NOBODY, NOBODY, NOBODY) ||
		    prctl(PR_SET_DUMPABLE, 1) || vmm_create(fd))
			_exit(10);
		_exit(full_and_clean(fd));
	}
	close(fd);
	expect_ended(_metadata, self->pid);
	self->pid = 0;
}

TEST_F(worker, pids_max)
{
	int fd = device_open();
	char most[16];

	if (kernel_before(6, 10))
		SKIP(return, KERNEL_WORKERS);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, cgroup_make());
	snprintf(most, sizeof(most), "%d", THREADS);
	ASSERT_EQ(0, file_write(CGROUP "/pids.max", most));
	self->pid = fork();
	if (!self->pid) {
		if (file_write(CGROUP "/cgroup.procs", "0") || vmm_create(fd))
			_exit(10);
		_exit(full_and_clean(fd));
	}
	close(fd);
	expect_ended(_metadata, self->pid);
	self->pid = 0;
	EXPECT_TRUE(WAIT_FOR(rmdir(CGROUP) == 0));
}

/* ---- Killed ---- */

FIXTURE(stuck) {
	struct sync sync;
	pid_t pid;
	int uffd;
};

/*
 * @instance: number of the channel's instance
 * @uffd_first: the userfaultfd is opened before the device, so it is closed before it
 * @kept: and this process has it too, so that nothing but the signal ends the page fault
 */
FIXTURE_VARIANT(stuck) {
	unsigned int instance;
	bool uffd_first;
	bool kept;
};

FIXTURE_VARIANT_ADD(stuck, device_first) {
	.instance = 20,
};

FIXTURE_VARIANT_ADD(stuck, uffd_first) {
	.instance = 21,
	.uffd_first = true,
};

FIXTURE_VARIANT_ADD(stuck, uffd_kept) {
	.instance = 22,
	.kept = true,
};

/* The VMM, whose backend sleeps in a page fault that nobody will serve */
static int stuck_begin(struct guest *g, unsigned int instance, bool uffd_first)
{
	/* A number below the device's, which is what the order of closing goes by */
	int spare = uffd_first ? open("/dev/null", O_RDONLY) : -1;
	int ret, uffd;

	g->fd = device_open();
	ret = guest_begin(g, instance, MEM_ANON);
	ret = ret ?: guest_has(g, HANDLE, STALL_GPA, HV_PAGE);
	if (ret)
		return ret;
	uffd = memory_stall(g->mem + MEM_BYTES / 2, MEM_BYTES / 2);
	if (uffd < 0)
		return 6;
	if (uffd_first && dup2(uffd, spare) == spare) {
		close(uffd);
		uffd = spare;
	}
	g->uffd = uffd;
	if (worker_do(instance, VMBUS_WORKER_TEST_MAP, HANDLE))
		return 7;
	return WAIT_FOR(memory_is_touched(uffd)) ? 0 : 8;
}

FIXTURE_SETUP(stuck)
{
	int sock[2];

	if (kernel_before(6, 10))
		SKIP(return, KERNEL_WORKERS);
	worker_fd = open("/dev/vmbus-worker-test", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, worker_fd);
	ASSERT_EQ(0, sync_make(&self->sync));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	self->uffd = -1;
	self->pid = fork();
	if (!self->pid) {
		struct guest g;
		int ret = stuck_begin(&g, variant->instance, variant->uffd_first);

		if (!ret && variant->kept && send_fd(sock[0], g.uffd))
			abort();
		child_report(&self->sync, ret);
		pause();
		_exit(0);
	}
	ASSERT_EQ('!', sync_hear(self->sync.there[0]));
	if (variant->kept)
		self->uffd = receive_fd(sock[1]);
	close(sock[0]);
	close(sock[1]);
}

FIXTURE_TEARDOWN(stuck)
{
	if (self->uffd >= 0)
		close(self->uffd);
	close(worker_fd);
}

/* All that there was is gone, with the userfaultfd still there if this process has it. */
TEST_F(stuck, killed)
{
	struct vmbus_worker_test_state state;
	int status;

	ASSERT_EQ(1, threads_named(self->pid, "vmbus/"));
	ASSERT_EQ(0, kill(self->pid, SIGKILL));
	ASSERT_TRUE(WAIT_FOR(waitpid(self->pid, &status, WNOHANG) == self->pid));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_TRUE(WAIT_FOR(!worker_state(variant->instance).open));
	EXPECT_TRUE(WAIT_FOR(partitions_left() == 0));
	EXPECT_EQ(0, threads_named(0, "vmbus/"));
	EXPECT_TRUE(WAIT_FOR(pinned_pages() == 0));

	state = worker_state(variant->instance);
	EXPECT_STREQ("OoKkCc", state.log);
	EXPECT_EQ(-EINTR, state.result);
}

/* ---- The thread goes, the file stays ---- */

static bool fdinfo_says(int fd, const char *what)
{
	char path[64], text[4096];
	ssize_t n;
	int info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY);
	n = read(info, text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = 0;
	close(info);
	return strstr(text, what);
}

/*
 * This process holds the VMM's file: kicks from it cost nobody any time, and close() comes when
 * it closes the file.
 */
static void expect_orphan(struct __test_metadata *_metadata, int fd, unsigned int instance)
{
	struct vmbus_worker_test_state state;

	ASSERT_TRUE(WAIT_FOR(threads_named(0, "vmbus/") == 0));
	EXPECT_TRUE(fdinfo_says(fd, " worker=orphaned\n"));
	EXPECT_TRUE(worker_state(instance).open);
	EXPECT_EQ(0, worker_do(instance, VMBUS_WORKER_TEST_BURN, 1));
	EXPECT_EQ(0, guest_teardown(fd, RELID, HANDLE));
	EXPECT_TORNDOWN(fd, HANDLE);
	close(fd);
	EXPECT_TRUE(WAIT_FOR(!worker_state(instance).open));
	/* In the order of the channel: the kick was queued before. */
	state = worker_state(instance);
	EXPECT_STREQ("OoCc", state.log);
	EXPECT_EQ(0, state.user_worker);
}

static int begin_with_gpadl(struct guest *g, unsigned int instance)
{
	int ret = guest_begin(g, instance, MEM_ANON);

	return ret ?: guest_has(g, HANDLE, MEM_GPA, HV_PAGE);
}

TEST_F(worker, owner_exits_child_has_the_file)
{
	struct guest g = { .fd = device_open(), .uffd = -1 };

	if (kernel_before(6, 10))
		SKIP(return, KERNEL_WORKERS);
	ASSERT_LE(0, g.fd);
	self->pid = fork();
	if (!self->pid)
		_exit(begin_with_gpadl(&g, 5));
	expect_ended(_metadata, self->pid);
	self->pid = 0;
	expect_orphan(_metadata, g.fd, 5);
}

TEST_F(worker, owner_is_killed_child_has_the_file)
{
	struct guest g = { .fd = device_open(), .uffd = -1 };
	int status;

	if (kernel_before(6, 10))
		SKIP(return, KERNEL_WORKERS);
	ASSERT_LE(0, g.fd);
	self->pid = fork();
	if (!self->pid) {
		child_report(&self->sync, begin_with_gpadl(&g, 6));
		pause();
		_exit(0);
	}
	ASSERT_EQ('!', sync_hear(self->sync.there[0]));
	ASSERT_EQ(0, kill(self->pid, SIGKILL));
	ASSERT_TRUE(WAIT_FOR(waitpid(self->pid, &status, WNOHANG) == self->pid));
	self->pid = 0;
	expect_orphan(_metadata, g.fd, 6);
}

/* The process goes on as another program; its file is still open, here and there. */
TEST_F(worker, owner_executes_another_program)
{
	struct guest g = { .fd = device_open(), .uffd = -1 };
	int hold[2], status;

	if (kernel_before(6, 10))
		SKIP(return, KERNEL_WORKERS);
	ASSERT_LE(0, g.fd);
	ASSERT_EQ(0, pipe(hold));
	self->pid = fork();
	if (!self->pid) {
		int ret = begin_with_gpadl(&g, 7);

		if (ret)
			_exit(ret);
		dup2(hold[0], 0);
		close(hold[1]);
		sync_tell(self->sync.there[1], '!');
		execl("/bin/sh", "sh", "-c", "read x", NULL);
		_exit(99);
	}
	close(hold[0]);
	ASSERT_EQ('!', sync_hear(self->sync.there[0]));
	ASSERT_TRUE(WAIT_FOR(threads_named(self->pid, "sh") == 1));
	/* That program has the file as well, until it ends. */
	close(hold[1]);
	ASSERT_TRUE(WAIT_FOR(waitpid(self->pid, &status, WNOHANG) == self->pid));
	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) != 99);
	self->pid = 0;
	expect_orphan(_metadata, g.fd, 7);
}

/* ---- A backend that leaves something mapped ---- */

static int module_unload(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

static int module_load(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return ret;
}

/* Nobody but it can unmap that: it stays until it has, and so does all that it needs. */
TEST_F(worker, backend_that_owes_an_unmap_stays)
{
	struct guest g = { .fd = device_open(), .uffd = -1 };

	ASSERT_EQ(0, guest_begin(&g, 10, MEM_ANON));
	ASSERT_EQ(0, guest_has(&g, HANDLE, MEM_GPA, HV_PAGE));
	ASSERT_EQ(0, worker_do_wait(10, VMBUS_WORKER_TEST_LEAVE, 0));
	ASSERT_EQ(0, worker_do_wait(10, VMBUS_WORKER_TEST_MAP, HANDLE));
	ASSERT_EQ(0, file_write("/dev/kmsg", "gpadl-test: expect WARNING\n"));
	close(g.fd);
	EXPECT_TRUE(WAIT_FOR(!worker_state(10).open));
	EXPECT_TRUE(WAIT_FOR(pinned_pages() == 1));
	ASSERT_EQ(0, file_write("/dev/kmsg", "gpadl-test: expected WARNING over\n"));

	close(worker_fd);
	EXPECT_EQ(-EWOULDBLOCK, module_unload("vmbus_worker_test"));
	EXPECT_EQ(-EWOULDBLOCK, module_unload("vmbus_host"));
	EXPECT_EQ(1, pinned_pages());

	worker_fd = open("/dev/vmbus-worker-test", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, worker_fd);
	EXPECT_EQ(0, ioctl(worker_fd, VMBUS_WORKER_TEST_TIDY));
	close(worker_fd);
	EXPECT_TRUE(WAIT_FOR(module_unload("vmbus_worker_test") == 0));
	EXPECT_EQ(0, module_load("/ko/vmbus_worker_test.ko"));
	worker_fd = open("/dev/vmbus-worker-test", O_RDWR | O_CLOEXEC);
}

/* ---- What is left, of a user ---- */

/* A VMM of a user that ends, and leaves a partition which this process holds. Returns its file. */
static int leave_partition_of(struct __test_metadata *_metadata, uid_t uid, int *ret)
{
	int fd = device_open(), status;
	pid_t pid;

	EXPECT_LE(0, fd);
	pid = fork();
	if (!pid) {
		if (setresuid(uid, uid, uid))
			_exit(200);
		*ret = vmm_create(fd);
		*ret = *ret ?: worker_channel(fd, RELID, 8);
		_exit(-*ret);
	}
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	*ret = WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
	return fd;
}

static int leave_partition(struct __test_metadata *_metadata, int *ret)
{
	return leave_partition_of(_metadata, NOBODY, ret);
}

FIXTURE(user) {
	char most[2][16];
	int fds[4];
};

FIXTURE_SETUP(user)
{
	worker_fd = -1;
	ASSERT_EQ(0, param_get("max_user_partitions", self->most[0], 16));
	ASSERT_EQ(0, param_get("max_user_channels", self->most[1], 16));
}

FIXTURE_TEARDOWN(user)
{
	EXPECT_EQ(0, param_set("max_user_partitions", self->most[0]));
	EXPECT_EQ(0, param_set("max_user_channels", self->most[1]));
	EXPECT_TRUE(WAIT_FOR(partitions_left() == 0));
}

static void expect_bound_of_3(struct __test_metadata *_metadata, int *fds)
{
	int i, ret;

	for (i = 0; i < 4; i++) {
		fds[i] = leave_partition(_metadata, &ret);
		EXPECT_EQ(i < 3 ? 0 : -EAGAIN, ret);
	}
	/* Another user is not affected; and what is freed does not count. */
	close(fds[3]);
	fds[3] = device_open();
	EXPECT_EQ(0, vmm_create(fds[3]));
	EXPECT_EQ(0, vmm_channel(fds[3], RELID, 9, NULL));
	close(fds[3]);
	close(fds[0]);
	EXPECT_TRUE(WAIT_FOR(partitions_left() == 2));
	fds[0] = leave_partition(_metadata, &ret);
	EXPECT_EQ(0, ret);
	for (i = 0; i < 3; i++)
		close(fds[i]);
}

/* Their VMMs are gone, they are not: one more is too many. */
TEST_F(user, partitions)
{
	ASSERT_EQ(0, param_set("max_user_partitions", "3"));
	expect_bound_of_3(_metadata, self->fds);
}

/* Whose numbers have one hash: each has its own count. */
TEST_F(user, that_are_found_beside_each_other)
{
	static const uid_t users[] = { 55, 144, 199, 55, 199, 144 };
	int fds[6], i, ret;

	ASSERT_EQ(0, param_set("max_user_partitions", "1"));
	for (i = 0; i < 6; i++) {
		fds[i] = leave_partition_of(_metadata, users[i], &ret);
		EXPECT_EQ(i < 3 ? 0 : -EAGAIN, ret);
	}
	for (i = 0; i < 6; i++)
		close(fds[i]);
}

TEST_F(user, channels)
{
	ASSERT_EQ(0, param_set("max_user_channels", "3"));
	expect_bound_of_3(_metadata, self->fds);
}

/* Of /proc/PID/uid_map: ten ids that nobody else has */
static int map_subordinate_ids(pid_t pid)
{
	static const char map[] = "0 200000 10";
	char path[64];
	int fd, ret;

	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = write(fd, map, sizeof(map) - 1) == sizeof(map) - 1 ? 0 : -errno;
	close(fd);
	return ret;
}

/* As leave_partition_of(), under the @id'th subordinate id of that user. -ENOTSUP: it has none */
static int leave_partition_as(struct __test_metadata *_metadata, uid_t uid, unsigned int id,
			      int *ret)
{
	int fd = device_open(), made[2], mapped[2], status;
	char c = 0;
	pid_t pid;

	EXPECT_LE(0, fd);
	EXPECT_EQ(0, pipe(made));
	EXPECT_EQ(0, pipe(mapped));
	pid = fork();
	if (!pid) {
		if (setresuid(uid, uid, uid))
			_exit(200);
		if (unshare(CLONE_NEWUSER))
			_exit(ENOTSUP);
		if (write(made[1], &c, 1) != 1 || read(mapped[0], &c, 1) != 1 ||
		    setresuid(id, id, id))
			_exit(201);
		_exit(-vmm_create(fd));
	}
	close(made[1]);
	/* Nothing comes of one that has ended. */
	if (read(made[0], &c, 1) == 1) {
		EXPECT_EQ(0, map_subordinate_ids(pid));
		EXPECT_EQ(1, write(mapped[1], &c, 1));
	}
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	close(made[0]);
	close(mapped[0]);
	close(mapped[1]);
	*ret = WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
	return fd;
}

/* One for each of @ids; all but the last can be. Says whether there are such ids. */
static bool expect_last_is_too_many(struct __test_metadata *_metadata, int *fds, uid_t uid,
				    const unsigned int *ids, int nr)
{
	int i, ret = 0;

	for (i = 0; i < nr && ret != -ENOTSUP; i++) {
		fds[i] = leave_partition_as(_metadata, uid, ids[i], &ret);
		if (ret != -ENOTSUP)
			EXPECT_EQ(i < nr - 1 ? 0 : -EAGAIN, ret);
	}
	while (i--)
		close(fds[i]);
	return ret != -ENOTSUP;
}

#define NO_USER_NAMESPACES	"the kernel has no user namespaces for users"

/* The ids that /etc/subuid gives a user do not make many of it. */
TEST_F(user, subordinate_ids)
{
	static const unsigned int ids[] = { 0, 1, 2, 3 };

	ASSERT_EQ(0, param_set("max_user_partitions", "3"));
	if (!expect_last_is_too_many(_metadata, self->fds, NOBODY, ids, 4))
		SKIP(return, NO_USER_NAMESPACES);
}

/* Those of a container that root has made are users, its own root among them. */
TEST_F(user, ids_of_a_container)
{
	static const unsigned int ids[] = { 0, 1, 0 };

	ASSERT_EQ(0, param_set("max_user_partitions", "1"));
	if (!expect_last_is_too_many(_metadata, self->fds, 0, ids, 3))
		SKIP(return, NO_USER_NAMESPACES);
}

TEST_HARNESS_MAIN
