// SPDX-License-Identifier: GPL-2.0
/*
 * What goes when: memory and files, each while something else still uses what it leaves behind.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "fixture.h"
#include "pass_fd.h"

/* ---- Memory that goes while it is mapped ---- */

FIXTURE(mapped) {
	struct vmm vmm;
};

FIXTURE_VARIANT(mapped) {
	enum memory kind;
};

FIXTURE_VARIANT_ADD(mapped, anon) {
	.kind = MEM_ANON,
};

FIXTURE_VARIANT_ADD(mapped, memfd) {
	.kind = MEM_MEMFD,
};

FIXTURE_VARIANT_ADD(mapped, memfd_private) {
	.kind = MEM_MEMFD_PRIVATE,
};

FIXTURE_VARIANT_ADD(mapped, thp) {
	.kind = MEM_THP,
};

FIXTURE_VARIANT_ADD(mapped, hugetlb) {
	.kind = MEM_HUGETLB,
};

FIXTURE_SETUP(mapped)
{
	vmm_start(_metadata, &self->vmm, variant->kind, 0);
	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, MEM_BYTES);
	self->vmm.mem[0] = 'a';
	ASSERT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
}

FIXTURE_TEARDOWN(mapped)
{
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

static int backend_byte(struct vmm *v)
{
	unsigned char byte;

	return backend_read(v->backend, HANDLE, 0, &byte, 1) ?: byte;
}

TEST_F(mapped, munmap)
{
	EXPECT_EQ(0, munmap(self->vmm.mem, MEM_BYTES));
	EXPECT_EQ('a', backend_byte(&self->vmm));
	EXPECT_EQ(0, backend_write(self->vmm.backend, HANDLE, 0, "b", 1));
	EXPECT_EQ('b', backend_byte(&self->vmm));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(RING_PAGES, pinned_pages());
	EXPECT_EQ(-EFAULT, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(-EFAULT, backend_map_by_kthread(self->vmm.backend, HANDLE, 0));
	EXPECT_TEARDOWN(self->vmm.fd, RELID, HANDLE);
}

TEST_F(mapped, other_memory_in_its_place)
{
	char *mem = self->vmm.mem;

	ASSERT_EQ(mem, mmap(mem, MEM_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	mem[0] = 'n';
	EXPECT_EQ('a', backend_byte(&self->vmm));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ('n', backend_byte(&self->vmm));
}

TEST_F(mapped, mprotect)
{
	ASSERT_EQ(0, mprotect(self->vmm.mem, MEM_BYTES, PROT_READ));
	EXPECT_EQ(0, backend_write(self->vmm.backend, HANDLE, 0, "b", 1));
	EXPECT_EQ('b', self->vmm.mem[0]);
}

/* The pinned pages stay the parent's, whichever process writes first. */
TEST_F(mapped, fork)
{
	bool shared = variant->kind == MEM_MEMFD;
	int go[2], done[2], status;
	char byte = 0;
	pid_t pid;

	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(0, pipe(done));
	pid = fork();
	if (!pid) {
		self->vmm.mem[0] = 'c';
		if (write(done[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(1);
		/* Neither the parent's nor the backend's write is seen here */
		_exit(shared || self->vmm.mem[0] == 'c' ? 0 : 2);
	}
	ASSERT_EQ(1, read(done[0], &byte, 1));
	EXPECT_EQ(shared ? 'c' : 'a', self->vmm.mem[0]);
	EXPECT_EQ(shared ? 'c' : 'a', backend_byte(&self->vmm));

	self->vmm.mem[0] = 'p';
	EXPECT_EQ('p', backend_byte(&self->vmm));
	EXPECT_EQ(0, backend_write(self->vmm.backend, HANDLE, 0, "b", 1));
	EXPECT_EQ('b', self->vmm.mem[0]);

	ASSERT_EQ(1, write(go[1], &byte, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ('b', backend_byte(&self->vmm));
}

/* Mapped after the fork, the parent's pages are still the parent's */
TEST_F(mapped, fork_before)
{
	bool shared = variant->kind == MEM_MEMFD;
	int go[2], status;
	char byte = 0;
	pid_t pid;

	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	ASSERT_EQ(0, pipe(go));
	pid = fork();
	if (!pid) {
		if (read(go[0], &byte, 1) != 1)
			_exit(1);
		_exit(self->vmm.mem[0] == (shared ? 'b' : 'a') ? 0 : 2);
	}
	/* By a read-only map too: the copy is made before the pin */
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, MAP_READ_ONLY));
	self->vmm.mem[0] = 'l';
	EXPECT_EQ('l', backend_byte(&self->vmm));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, backend_write(self->vmm.backend, HANDLE, 0, "b", 1));
	EXPECT_EQ('b', self->vmm.mem[0]);
	ASSERT_EQ(1, write(go[1], &byte, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* ---- The file in other hands ---- */

FIXTURE(shared) {
	struct vmm vmm;
	struct vmm other;
};

FIXTURE_SETUP(shared)
{
	self->other.backend = -1;
	self->other.fd = -1;
	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
	vmm_open_channel(_metadata, &self->vmm);
}

FIXTURE_TEARDOWN(shared)
{
	vmm_stop(&self->other);
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

/* What a process that is not the VMM can do with the file. Returns 0 if all is right. */
static int use_others_file(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct vmbus_host_signals none = { .kick_fd = -1, .call_fd = -1 };
	struct vmbus_host_version version = { .size = sizeof(version) };
	struct vmbus_host_channel unplug = { .size = sizeof(unplug), .relid = RELID };
	__u32 msg[4] = { MSG_GPADL_TEARDOWN, 0, RELID, HANDLE };
	struct vmbus_host_post post = {
		.size = sizeof(post),
		.len = sizeof(msg),
		.msg = PTR(msg),
	};
	struct vmbus_host_event event;
	struct reply r;

	if (guest_teardown(fd, RELID, HANDLE) || poll(&p, 1, 10000) != 1)
		return 1;
	r = reply_read(fd);
	if (r.type != MSG_GPADL_TORNDOWN || r.handle != HANDLE)
		return 2;
	if (vmm_create(fd) != -EIO || vmm_reset(fd) != -EIO ||
	    vmm_rescind(fd, RELID) != -EIO || vmm_destroy(fd, RELID) != -EIO ||
	    vmm_modify(fd, RELID, &none) != -EIO || vmm_channel(fd, 9, 9, NULL) != -EIO ||
	    vmm_region(fd, 9, 0, 0, HV_PAGE, &none) != -EIO ||
	    vmm_next_event(fd, &event) != -EIO)
		return 3;
	if (!ioctl(fd, VMBUS_HOST_POST, &post) || errno != EIO ||
	    !ioctl(fd, VMBUS_HOST_CHANNEL_UNPLUG, &unplug) || errno != EIO)
		return 4;
	return ioctl(fd, VMBUS_HOST_GET_VERSION, &version) ? 5 : 0;
}

#define OWNERS_FILE	"VMBUS_OWNERS_FILE"

/* If this is what the VMM goes on as, its file is all that it looks at. */
__attribute__((constructor)) static void go_on_as_another_program(void)
{
	const char *file = getenv(OWNERS_FILE);

	if (file)
		_exit(use_others_file(atoi(file)));
}

TEST_F(shared, with_a_child)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(use_others_file(self->vmm.fd));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F(shared, by_scm_rights)
{
	int sock[2], status;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	pid = fork();
	if (!pid) {
		close(self->vmm.fd);
		_exit(use_others_file(receive_fd(sock[0])));
	}
	EXPECT_EQ(0, send_fd(sock[1], self->vmm.fd));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* The process that was the VMM is none after exec(): its memory is another. */
TEST_F(shared, with_the_program_that_the_vmm_executes)
{
	char file[16];
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		vmm_start(_metadata, &self->other, MEM_ANON, 1);
		/* Without O_CLOEXEC */
		snprintf(file, sizeof(file), "%d", dup(self->other.fd));
		if (!setenv(OWNERS_FILE, file, 1))
			execl("/proc/self/exe", "lifetime_test", NULL);
		_exit(99);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* As long as a child holds the file, the partition goes on. */
TEST_F(shared, child_outlives_close)
{
	int go[2], status;
	char byte = 0;
	pid_t pid;

	ASSERT_EQ(0, pipe(go));
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE2, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE2, 0));
	pid = fork();
	if (!pid)
		_exit(read(go[0], &byte, 1) == 1 ? use_others_file(self->vmm.fd) : 9);
	close(self->vmm.fd);
	self->vmm.fd = -1;
	EXPECT_EQ(RING_KB + 4, pinned_kb(0));
	EXPECT_EQ(0, backend_write(self->vmm.backend, HANDLE2, 0, "x", 1));
	EXPECT_EQ('x', self->vmm.mem[0]);
	ASSERT_EQ(1, write(go[1], &byte, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	/* That was the last one */
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) == 0));
}

/* The VMM dies, but somebody has its file: what is mapped stays, no more can be. */
TEST_F(shared, esrch)
{
	int sock[2], fd, backend;
	struct vmm v;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	pid = fork();
	if (!pid) {
		vmm_start(_metadata, &v, MEM_ANON, 1);
		vmm_open_channel(_metadata, &v);
		EXPECT_GPADL(v.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
		EXPECT_GPADL(v.fd, RELID, HANDLE2, MEM_GPA, HV_PAGE);
		v.mem[0] = 'd';
		close(v.backend);
		send_fd(sock[0], v.fd);
		pause();
		_exit(0);
	}
	fd = receive_fd(sock[1]);
	ASSERT_LE(0, fd);
	backend = backend_open(1);
	ASSERT_LE(0, backend);
	EXPECT_EQ(0, backend_map(backend, HANDLE, 0));
	EXPECT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));

	EXPECT_EQ(-ESRCH, backend_map(backend, HANDLE2, 0));
	EXPECT_EQ(-ESRCH, backend_map_by_kthread(backend, HANDLE2, MAP_READ_ONLY));
	EXPECT_EQ(0, backend_vmap(backend, HANDLE));
	EXPECT_EQ(0, backend_vwrite(backend, HANDLE, 0, "e", 1));
	EXPECT_EQ(0, backend_unmap(backend, HANDLE));
	EXPECT_EQ(-ESRCH, backend_map(backend, HANDLE, 0));
	EXPECT_TEARDOWN(fd, RELID, HANDLE);
	EXPECT_EQ(0, guest_close(fd, RELID));
	EXPECT_TEARDOWN(fd, RELID, RING_HANDLE);
	close(backend);
	close(fd);
}

/* The same relid, the same handle, another guest */
TEST_F(shared, two_partitions)
{
	vmm_start(_metadata, &self->other, MEM_ANON, 1);
	vmm_open_channel(_metadata, &self->other);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_GPADL(self->other.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, backend_map(self->other.backend, HANDLE, 0));
	EXPECT_EQ(0, backend_write(self->vmm.backend, HANDLE, 0, "1", 1));
	EXPECT_EQ(0, backend_write(self->other.backend, HANDLE, 0, "2", 1));
	EXPECT_EQ('1', self->vmm.mem[0]);
	EXPECT_EQ('2', self->other.mem[0]);

	EXPECT_TEARDOWN(self->vmm.fd, RELID, HANDLE);
	EXPECT_SILENCE(self->other.fd);
	EXPECT_EQ(0, vmm_reset(self->vmm.fd));
	EXPECT_EQ('2', backend_byte(&self->other));
	EXPECT_EQ(0, vmm_destroy(self->vmm.fd, RELID));
	vmm_stop(&self->vmm);
	EXPECT_EQ('2', backend_byte(&self->other));
	EXPECT_TEARDOWN(self->other.fd, RELID, HANDLE);
}

TEST_F(shared, many_partitions)
{
	int fds[64], i;

	for (i = 0; i < 64; i++) {
		fds[i] = open("/dev/vmbus-host", O_RDWR | O_NONBLOCK | O_CLOEXEC);
		ASSERT_LE(0, fds[i]);
		EXPECT_EQ(0, vmm_create(fds[i]));
		EXPECT_EQ(0, vmm_channel(fds[i], RELID, 1, NULL));
		EXPECT_TEARDOWN(fds[i], RELID, i);
	}
	for (i = 0; i < 64; i++) {
		EXPECT_SILENCE(fds[i]);
		close(fds[i]);
	}
}

/* ---- A map that sleeps in a page fault ---- */

/* Of the guest's memory, the pages from STALL_PAGE on stop each thread that touches them. */
#define STALL_PAGE	512u
#define STALL_GPA	(MEM_GPA + STALL_PAGE * HV_PAGE)

FIXTURE(stalled) {
	int uffd;
	struct vmm vmm;
	char *page;
};

FIXTURE_SETUP(stalled)
{
	if (kernel_before(6, 2))
		SKIP(return, NO_PIN_WAITS);
	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
	self->page = self->vmm.mem + STALL_PAGE * HV_PAGE;
	self->uffd = memory_stall(self->page, MEM_BYTES - STALL_PAGE * HV_PAGE);
	ASSERT_LE(0, self->uffd);
	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, STALL_GPA, HV_PAGE);
	ASSERT_EQ(0, backend_map_begin(self->vmm.backend, HANDLE, 0));
	ASSERT_TRUE(WAIT_FOR(memory_is_touched(self->uffd)));
}

FIXTURE_TEARDOWN(stalled)
{
	close(self->uffd);
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

TEST_F(stalled, goes_on)
{
	EXPECT_EQ(0, memory_fill(self->uffd, self->page, 'f'));
	EXPECT_EQ(0, backend_map_end(self->vmm.backend, HANDLE));
	EXPECT_EQ('f', backend_byte(&self->vmm));
}

TEST_F(stalled, only_one_map)
{
	EXPECT_EQ(-EBUSY, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(-EBUSY, backend_map(self->vmm.backend, HANDLE, MAP_READ_ONLY));
	EXPECT_EQ(0, memory_fill(self->uffd, self->page, 'f'));
	EXPECT_EQ(0, backend_map_end(self->vmm.backend, HANDLE));
}

/* A map that does not need that page does not wait for it. */
TEST_F(stalled, others_go_on)
{
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE2, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE2, 0));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE2));
	EXPECT_TEARDOWN(self->vmm.fd, RELID, HANDLE2);
	EXPECT_EQ(0, memory_fill(self->uffd, self->page, 'f'));
	EXPECT_EQ(0, backend_map_end(self->vmm.backend, HANDLE));
}

/* What the backend was not given is not revoked */
TEST_F(stalled, is_torn_down)
{
	unsigned int revokes = backend_state(self->vmm.backend, 0).revokes;

	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE));
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE));
	EXPECT_SILENCE(self->vmm.fd);
	EXPECT_EQ(-ESHUTDOWN, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, memory_fill(self->uffd, self->page, 'f'));
	EXPECT_TORNDOWN(self->vmm.fd, HANDLE);
	EXPECT_EQ(-ESHUTDOWN, backend_map_end(self->vmm.backend, HANDLE));
	EXPECT_SILENCE(self->vmm.fd);
	EXPECT_EQ(revokes, backend_state(self->vmm.backend, 0).revokes);
	EXPECT_EQ(RING_KB, pinned_kb(0));
}

TEST_F(stalled, regions)
{
	EXPECT_EQ(-EBUSY, vmm_region(self->vmm.fd, MEM_SLOT, 0, 0, 0, NULL));
	EXPECT_EQ(0, memory_fill(self->uffd, self->page, 'f'));
	EXPECT_EQ(0, backend_map_end(self->vmm.backend, HANDLE));
	EXPECT_EQ(-EBUSY, vmm_region(self->vmm.fd, MEM_SLOT, 0, 0, 0, NULL));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, vmm_region(self->vmm.fd, MEM_SLOT, 0, 0, 0, NULL));
}

static int do_rescind(void *arg)
{
	return vmm_rescind(((struct vmm *)arg)->fd, RELID);
}

static int do_reset(void *arg)
{
	return vmm_reset(((struct vmm *)arg)->fd);
}

TEST_F(stalled, rescind)
{
	struct task t;

	task_start(&t, do_rescind, &self->vmm);
	EXPECT_TRUE(WAIT_FOR(task_sleeps(&t)));
	EXPECT_FALSE(task_is_done(&t));
	EXPECT_EQ(0, memory_fill(self->uffd, self->page, 'f'));
	EXPECT_EQ(0, task_join(&t));
	EXPECT_EQ(0, pinned_kb(0));
	EXPECT_TEARDOWN(self->vmm.fd, RELID, HANDLE);
}

TEST_F(stalled, reset)
{
	struct task t;

	task_start(&t, do_reset, &self->vmm);
	EXPECT_TRUE(WAIT_FOR(task_sleeps(&t)));
	EXPECT_FALSE(task_is_done(&t));
	EXPECT_EQ(0, memory_fill(self->uffd, self->page, 'f'));
	EXPECT_EQ(0, task_join(&t));
	EXPECT_EQ(0, pinned_kb(0));
	EXPECT_SILENCE(self->vmm.fd);
}

/* The page is gone while somebody waits for it */
TEST_F(stalled, munmap)
{
	EXPECT_EQ(0, munmap(self->page, HV_PAGE));
	/* Nobody tells him so, until the userfaultfd goes */
	close(self->uffd);
	EXPECT_EQ(-EFAULT, backend_map_end(self->vmm.backend, HANDLE));
	EXPECT_EQ(RING_KB, pinned_kb(0));
}

/* The last close never waits, also if it is the same thread that could end the stall. */
TEST_F(stalled, close)
{
	close(self->vmm.fd);
	self->vmm.fd = -1;
	EXPECT_EQ(0, memory_fill(self->uffd, self->page, 'f'));
}

TEST_HARNESS_MAIN
