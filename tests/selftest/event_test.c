// SPDX-License-Identifier: GPL-2.0
/*
 * Requests that do not wait (RESCIND, DESTROY and RESET of a file that is O_NONBLOCK), and
 * the events that tell of their end.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "fixture.h"

static int next(int fd, __u32 *relid, __u32 *value)
{
	struct vmbus_host_event event;
	int ret = vmm_next_event(fd, &event);

	*relid = event.relid;
	*value = event.value;
	return ret ?: (int)event.type;
}

#define EXPECT_DONE(_fd, _relid, _cmd) do {			\
	__u32 _r = ~0u, _v = ~0u;				\
								\
	EXPECT_EQ(VMBUS_HOST_EVENT_DONE, next(_fd, &_r, &_v));	\
	EXPECT_EQ(_relid, _r);					\
	EXPECT_EQ(_cmd, _v);					\
} while (0)

#define EXPECT_NO_EVENT(_fd) do {				\
	struct vmbus_host_event _e;				\
	int __fd = (_fd);					\
								\
	EXPECT_FALSE(event_waits(__fd));			\
	EXPECT_EQ(-EAGAIN, vmm_next_event(__fd, &_e));		\
} while (0)

/* ---- One of the three ---- */

/* A GPADL is mapped, and the backend does not let go before it is told to. */
FIXTURE(request) {
	struct vmm vmm;
};

FIXTURE_VARIANT(request) {
	__u32 cmd;
	__u32 relid;	/* that the event names */
};

FIXTURE_VARIANT_ADD(request, rescind) {
	.cmd = VMBUS_HOST_CHANNEL_RESCIND,
	.relid = RELID,
};

FIXTURE_VARIANT_ADD(request, destroy) {
	.cmd = VMBUS_HOST_CHANNEL_DESTROY,
	.relid = RELID,
};

FIXTURE_VARIANT_ADD(request, reset) {
	.cmd = VMBUS_HOST_RESET,
};

static void hold_a_gpadl(struct __test_metadata *_metadata, struct vmm *vmm)
{
	vmm_open_channel(_metadata, vmm);
	EXPECT_GPADL(vmm->fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	ASSERT_EQ(0, backend_policy(vmm->backend, ON_REVOKE_HOLD));
	ASSERT_EQ(0, backend_map(vmm->backend, HANDLE, 0));
}

FIXTURE_SETUP(request)
{
	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
	hold_a_gpadl(_metadata, &self->vmm);
}

FIXTURE_TEARDOWN(request)
{
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

static int start(int fd, __u32 cmd)
{
	if (cmd == VMBUS_HOST_RESET)
		return vmm_reset_start(fd);
	return cmd == VMBUS_HOST_CHANNEL_RESCIND ? vmm_rescind_start(fd, RELID) :
						   vmm_destroy_start(fd, RELID);
}

TEST_F(request, does_not_wait)
{
	EXPECT_EQ(-EINPROGRESS, start(self->vmm.fd, variant->cmd));
	EXPECT_NO_EVENT(self->vmm.fd);
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_TRUE(WAIT_FOR(event_waits(self->vmm.fd)));
	EXPECT_DONE(self->vmm.fd, variant->relid, variant->cmd);
	EXPECT_NO_EVENT(self->vmm.fd);
	EXPECT_EQ(variant->cmd == VMBUS_HOST_CHANNEL_DESTROY ? -ENOENT : 0,
		  start(self->vmm.fd, variant->cmd));
	EXPECT_NO_EVENT(self->vmm.fd);
}

TEST_F(request, repeated_is_told_once)
{
	EXPECT_EQ(-EINPROGRESS, start(self->vmm.fd, variant->cmd));
	EXPECT_EQ(-EINPROGRESS, start(self->vmm.fd, variant->cmd));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_TRUE(WAIT_FOR(event_waits(self->vmm.fd)));
	EXPECT_DONE(self->vmm.fd, variant->relid, variant->cmd);
	EXPECT_NO_EVENT(self->vmm.fd);
}

/* A DONE that nobody has read does not answer what is asked for after it. */
TEST_F(request, done_is_of_the_last_one)
{
	int fd = self->vmm.fd;

	EXPECT_EQ(-EINPROGRESS, start(fd, variant->cmd));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_TRUE(WAIT_FOR(event_waits(fd)));
	if (variant->cmd == VMBUS_HOST_CHANNEL_RESCIND)
		EXPECT_EQ(0, vmm_destroy_start(fd, RELID));
	if (variant->cmd != VMBUS_HOST_RESET)
		EXPECT_EQ(0, vmm_channel(fd, RELID, 0, NULL));
	hold_a_gpadl(_metadata, &self->vmm);

	EXPECT_EQ(-EINPROGRESS, start(fd, variant->cmd));
	EXPECT_NO_EVENT(fd);
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_TRUE(WAIT_FOR(event_waits(fd)));
	EXPECT_DONE(fd, variant->relid, variant->cmd);
	EXPECT_NO_EVENT(fd);
}

static int do_wait_for_event(void *arg)
{
	struct pollfd p = { .fd = *(int *)arg, .events = POLLPRI };

	return poll(&p, 1, 20000) == 1 ? p.revents : -ETIMEDOUT;
}

/* 0 says that it is done, and nothing says so again. */
TEST_F(request, done_is_not_told_twice)
{
	int fd = self->vmm.fd;

	EXPECT_EQ(-EINPROGRESS, start(fd, variant->cmd));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_TRUE(WAIT_FOR(event_waits(fd)));
	if (variant->cmd == VMBUS_HOST_CHANNEL_DESTROY) {
		/* It is gone: another one with its relid, which is idle */
		EXPECT_EQ(0, vmm_channel(fd, RELID, 0, NULL));
		EXPECT_EQ(0, start(fd, variant->cmd));
	} else {
		EXPECT_EQ(0, start(fd, variant->cmd));
	}
	EXPECT_NO_EVENT(fd);
}

TEST_F(request, end_wakes_poll)
{
	struct task t;

	EXPECT_EQ(-EINPROGRESS, start(self->vmm.fd, variant->cmd));
	task_start(&t, do_wait_for_event, &self->vmm.fd);
	EXPECT_TRUE(WAIT_FOR(task_sleeps(&t)));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(POLLPRI, task_join(&t));
}

TEST_F(request, end_wakes_epoll)
{
	struct epoll_event event = { .events = EPOLLPRI | EPOLLET };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, self->vmm.fd, &event));
	EXPECT_EQ(-EINPROGRESS, start(self->vmm.fd, variant->cmd));
	EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 0));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(1, epoll_wait(epoll, &event, 1, 20000));
	EXPECT_EQ(EPOLLPRI, event.events);
	EXPECT_DONE(self->vmm.fd, variant->relid, variant->cmd);
	close(epoll);
}

static int do_next_event(void *arg)
{
	struct vmbus_host_event event;

	return vmm_next_event(*(int *)arg, &event) ?: (int)event.type;
}

static void set_blocking(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

TEST_F(request, end_wakes_next_event)
{
	struct task t;

	EXPECT_EQ(-EINPROGRESS, start(self->vmm.fd, variant->cmd));
	set_blocking(self->vmm.fd);
	task_start(&t, do_next_event, &self->vmm.fd);
	EXPECT_TRUE(WAIT_FOR(task_sleeps(&t)));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(VMBUS_HOST_EVENT_DONE, task_join(&t));
}

static void on_signal(int sig)
{
}

TEST_F(request, next_event_is_interrupted)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct task t;

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	set_blocking(self->vmm.fd);
	task_start(&t, do_next_event, &self->vmm.fd);
	EXPECT_TRUE(WAIT_FOR(task_sleeps(&t)));
	while (!task_is_done(&t)) {
		pthread_kill(t.thread, SIGUSR1);
		usleep(10000);
	}
	EXPECT_EQ(-EINTR, task_join(&t));
}

/* Without O_NONBLOCK it waits; the flag is only for files that have it. */
static int do_start(void *arg)
{
	const int *a = arg;

	return start(a[0], a[1]);
}

TEST_F(request, waits_if_the_file_blocks)
{
	int arg[2] = { self->vmm.fd, variant->cmd };
	struct task t;

	set_blocking(self->vmm.fd);
	task_start(&t, do_start, arg);
	EXPECT_TRUE(WAIT_FOR(task_sleeps(&t)));
	EXPECT_FALSE(task_is_done(&t));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, task_join(&t));
}

/* One waits, another has asked not to: each gets its answer. */
static int do_start_waiting(void *arg)
{
	const int *a = arg;

	if (a[1] == VMBUS_HOST_RESET)
		return vmm_reset(a[0]);
	return a[1] == VMBUS_HOST_CHANNEL_RESCIND ? vmm_rescind(a[0], RELID) :
						    vmm_destroy(a[0], RELID);
}

TEST_F(request, one_waits_and_another_does_not)
{
	int arg[2] = { self->vmm.fd, variant->cmd };
	struct task t;

	task_start(&t, do_start_waiting, arg);
	EXPECT_TRUE(WAIT_FOR(task_sleeps(&t)));
	EXPECT_EQ(-EINPROGRESS, start(self->vmm.fd, variant->cmd));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	/* Also if the event has come first, and what was asked for is no more. */
	EXPECT_EQ(0, task_join(&t));
	EXPECT_TRUE(WAIT_FOR(event_waits(self->vmm.fd)));
	EXPECT_DONE(self->vmm.fd, variant->relid, variant->cmd);
	EXPECT_NO_EVENT(self->vmm.fd);
}

/* Closed while it is in progress: teardown sees that nothing is left. */
TEST_F(request, file_is_closed)
{
	EXPECT_EQ(-EINPROGRESS, start(self->vmm.fd, variant->cmd));
	close(self->vmm.fd);
	self->vmm.fd = -1;
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
}

TEST_F(request, reading_it_faults_and_loses_nothing)
{
	char *page = mmap(NULL, 2 * HV_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vmbus_host_event *event = (void *)page;

	ASSERT_NE(MAP_FAILED, page);
	EXPECT_EQ(-EINPROGRESS, start(self->vmm.fd, variant->cmd));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_TRUE(WAIT_FOR(event_waits(self->vmm.fd)));
	*event = (struct vmbus_host_event){ .size = sizeof(*event) };
	ASSERT_EQ(0, mprotect(page, HV_PAGE, PROT_READ));
	EXPECT_IOCTL_ERRNO(EFAULT, self->vmm.fd, VMBUS_HOST_NEXT_EVENT, event);
	EXPECT_DONE(self->vmm.fd, variant->relid, variant->cmd);
}

/* Memory that nobody has touched yet: the event waits until it is there. */
TEST_F(request, reading_it_brings_memory_in)
{
	char *page = mmap(NULL, 2 * HV_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* Half of it is in the page that is still to come: its size is in the first. */
	struct vmbus_host_event *event = (void *)(page + HV_PAGE - 8);

	ASSERT_NE(MAP_FAILED, page);
	EXPECT_EQ(-EINPROGRESS, start(self->vmm.fd, variant->cmd));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_TRUE(WAIT_FOR(event_waits(self->vmm.fd)));
	event->size = sizeof(*event);
	EXPECT_EQ(0, ioctl(self->vmm.fd, VMBUS_HOST_NEXT_EVENT, event));
	EXPECT_EQ(VMBUS_HOST_EVENT_DONE, event->type);
	EXPECT_EQ(variant->relid, event->relid);
	EXPECT_EQ(variant->cmd, event->value);
	EXPECT_NO_EVENT(self->vmm.fd);
}

struct read_into {
	int fd;
	struct vmbus_host_event *event;
};

static int do_read_into(void *arg)
{
	const struct read_into *r = arg;

	return ioctl(r->fd, VMBUS_HOST_NEXT_EVENT, r->event) ? -errno : 0;
}

/*
 * While the memory is brought in, another thread gets the event. The call that finds none has left
 * the structure as it was: it can be repeated.
 */
TEST_F(request, reading_none_changes_nothing)
{
	struct read_into r = { .fd = self->vmm.fd };
	struct task t;
	int uffd;

	r.event = mmap(NULL, HV_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, r.event);
	r.event->size = sizeof(*r.event);
	uffd = memory_stall_writes(r.event, HV_PAGE);
	ASSERT_LE(0, uffd);
	EXPECT_EQ(-EINPROGRESS, start(self->vmm.fd, variant->cmd));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_TRUE(WAIT_FOR(event_waits(self->vmm.fd)));
	task_start(&t, do_read_into, &r);
	EXPECT_TRUE(WAIT_FOR(memory_is_touched(uffd)));
	EXPECT_DONE(self->vmm.fd, variant->relid, variant->cmd);
	EXPECT_EQ(0, memory_protect(uffd, r.event, HV_PAGE, false));
	EXPECT_EQ(-EAGAIN, task_join(&t));
	EXPECT_EQ(sizeof(*r.event), r.event->size);
	close(uffd);
}

/* ---- What is particular to each ---- */

FIXTURE(events) {
	struct vmm vmm;
};

FIXTURE_SETUP(events)
{
	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
}

FIXTURE_TEARDOWN(events)
{
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

TEST_F(events, none)
{
	EXPECT_NO_EVENT(self->vmm.fd);
}

TEST_F(events, nothing_to_wait_for)
{
	EXPECT_EQ(0, vmm_reset_start(self->vmm.fd));
	EXPECT_EQ(0, vmm_rescind_start(self->vmm.fd, RELID));
	EXPECT_EQ(0, vmm_destroy_start(self->vmm.fd, RELID));
	EXPECT_NO_EVENT(self->vmm.fd);
	EXPECT_EQ(0, vmm_channel(self->vmm.fd, RELID, 0, NULL));
}

TEST_F(events, no_such_channel)
{
	EXPECT_EQ(-ENOENT, vmm_rescind_start(self->vmm.fd, RELID2));
	EXPECT_EQ(-ENOENT, vmm_destroy_start(self->vmm.fd, RELID2));
}

TEST_F(events, rescind_and_destroy)
{
	hold_a_gpadl(_metadata, &self->vmm);
	EXPECT_EQ(-EINPROGRESS, vmm_rescind_start(self->vmm.fd, RELID));
	EXPECT_EQ(-EINPROGRESS, vmm_destroy_start(self->vmm.fd, RELID));
	EXPECT_EQ(-EINPROGRESS, vmm_reset_start(self->vmm.fd));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_TRUE(WAIT_FOR(event_waits(self->vmm.fd)));
	/* The round goes by relid, and then begins anew */
	EXPECT_DONE(self->vmm.fd, 0, VMBUS_HOST_RESET);
	EXPECT_DONE(self->vmm.fd, RELID, VMBUS_HOST_CHANNEL_RESCIND);
	EXPECT_DONE(self->vmm.fd, RELID, VMBUS_HOST_CHANNEL_DESTROY);
	EXPECT_NO_EVENT(self->vmm.fd);
}

/* The relid is free when that is done, whether the VMM has read so or not. */
TEST_F(events, relid_is_free_when_destroyed)
{
	hold_a_gpadl(_metadata, &self->vmm);
	EXPECT_EQ(-EINPROGRESS, vmm_destroy_start(self->vmm.fd, RELID));
	EXPECT_EQ(-EEXIST, vmm_channel(self->vmm.fd, RELID, 0, NULL));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_TRUE(WAIT_FOR(vmm_channel(self->vmm.fd, RELID, 0, NULL) == 0));
	EXPECT_DONE(self->vmm.fd, RELID, VMBUS_HOST_CHANNEL_DESTROY);
	/* The new channel works */
	close(self->vmm.backend);
	self->vmm.backend = -1;
	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_NO_EVENT(self->vmm.fd);
}

/* A guest that spoils its ring: told once for each open, however often the backend looks. */
TEST_F(events, broken)
{
	__u32 *write_index, relid, value;
	char buf[64];
	int i;

	for (i = 0; i < 2; i++) {
		vmm_open_channel(_metadata, &self->vmm);
		EXPECT_NO_EVENT(self->vmm.fd);
		write_index = self->vmm.ring;
		*write_index = 0xdead0001;
		EXPECT_EQ(-EIO, backend_recv(self->vmm.backend, buf, sizeof(buf)));
		EXPECT_TRUE(event_waits(self->vmm.fd));
		EXPECT_EQ(VMBUS_HOST_EVENT_BROKEN, next(self->vmm.fd, &relid, &value));
		EXPECT_EQ(RELID, relid);
		EXPECT_EQ(0, value);
		EXPECT_EQ(-EIO, backend_recv(self->vmm.backend, buf, sizeof(buf)));
		EXPECT_NO_EVENT(self->vmm.fd);
		close(self->vmm.backend);
		self->vmm.backend = -1;
		EXPECT_EQ(0, guest_close(self->vmm.fd, RELID));
		EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, RING_HANDLE));
		EXPECT_TORNDOWN(self->vmm.fd, RING_HANDLE);
	}
}

/* Their memory goes: the guest, which is told nothing, waits for answers; the VMM is told. */
TEST_F(events, rings_are_retired)
{
	struct vmbus_host_region gone = { .slot = RING_SLOT };
	__u32 relid, value;

	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_NO_EVENT(self->vmm.fd);
	EXPECT_EQ(0, vmm_retire(self->vmm.fd, &gone, 1));
	EXPECT_TRUE(WAIT_FOR(event_waits(self->vmm.fd)));
	EXPECT_EQ(VMBUS_HOST_EVENT_BROKEN, next(self->vmm.fd, &relid, &value));
	EXPECT_EQ(RELID, relid);
	EXPECT_NO_EVENT(self->vmm.fd);
	/* The guest's own messages are answered as ever. */
	EXPECT_EQ(0, guest_close(self->vmm.fd, RELID));
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, RING_HANDLE));
	EXPECT_TORNDOWN(self->vmm.fd, RING_HANDLE);
}

/* What was not read of a channel goes with it. */
TEST_F(events, destroyed_has_no_events)
{
	char buf[64];

	vmm_open_channel(_metadata, &self->vmm);
	*(__u32 *)self->vmm.ring = 0xdead0001;
	EXPECT_EQ(-EIO, backend_recv(self->vmm.backend, buf, sizeof(buf)));
	EXPECT_TRUE(event_waits(self->vmm.fd));
	EXPECT_EQ(0, vmm_destroy(self->vmm.fd, RELID));
	EXPECT_NO_EVENT(self->vmm.fd);
}

/* But for what answers the VMM itself */
TEST_F(events, done_outlives_the_channel)
{
	hold_a_gpadl(_metadata, &self->vmm);
	EXPECT_EQ(-EINPROGRESS, vmm_rescind_start(self->vmm.fd, RELID));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_TRUE(WAIT_FOR(event_waits(self->vmm.fd)));
	EXPECT_EQ(0, vmm_destroy(self->vmm.fd, RELID));
	EXPECT_DONE(self->vmm.fd, RELID, VMBUS_HOST_CHANNEL_RESCIND);
	EXPECT_NO_EVENT(self->vmm.fd);
}

/* Replies of a channel that is being destroyed come until it is. */
TEST_F(events, destroyed_has_no_replies)
{
	hold_a_gpadl(_metadata, &self->vmm);
	EXPECT_EQ(-EINPROGRESS, vmm_destroy_start(self->vmm.fd, RELID));
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_TRUE(WAIT_FOR(event_waits(self->vmm.fd)));
	EXPECT_SILENCE(self->vmm.fd);
	EXPECT_EQ(-ENXIO, guest_teardown(self->vmm.fd, RELID, HANDLE));
}

/* Another ioctl is at the channel, and cannot go on: the relid is free nevertheless. */
struct slow_modify {
	int fd;
	struct vmbus_host_signals signals;
};

static int do_modify(void *arg)
{
	struct slow_modify *m = arg;

	return vmm_modify(m->fd, RELID, &m->signals);
}

TEST_F(events, destroyed_while_modified)
{
	struct slow_modify m = {
		.fd = self->vmm.fd,
		.signals = {
			.kick_fd = eventfd(0, EFD_CLOEXEC),
			.call_fd = eventfd(0, EFD_CLOEXEC),
		},
	};
	char *page = mmap(NULL, HV_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct task t;
	int uffd;

	if (kernel_before(6, 2))
		SKIP(return, NO_PIN_WAITS);
	ASSERT_NE(MAP_FAILED, page);
	uffd = memory_stall(page, HV_PAGE);
	ASSERT_LE(0, uffd);
	m.signals.event_flags = PTR(page);
	task_start(&t, do_modify, &m);
	ASSERT_TRUE(WAIT_FOR(memory_is_touched(uffd)));
	EXPECT_EQ(0, vmm_destroy(self->vmm.fd, RELID));
	EXPECT_EQ(0, vmm_channel(self->vmm.fd, RELID, 0, NULL));
	EXPECT_EQ(0, memory_fill(uffd, page, 0));
	EXPECT_EQ(0, task_join(&t));
	/* The old one's signals are not the new one's */
	vmm_open_channel(_metadata, &self->vmm);
	close(uffd);
}

/* ---- A backend that never comes back ---- */

/*
 * What a VMM of one loop does when the guest panics: UNLOAD, and a new kernel that connects
 * and gets channels. Each call returns, or the harness' timeout tells.
 */
FIXTURE(hangs) {
	struct vmm vmm;
	int control;
	struct vmbus_host_signals signals;
};

#include "hang_variants.h"

FIXTURE_SETUP(hangs)
{
	self->control = open("/dev/vmbus-gpadl-test", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->control);
	self->signals = (struct vmbus_host_signals){
		.kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
		.call_fd = -1,
	};
	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
	ASSERT_EQ(0, vmm_modify(self->vmm.fd, RELID, &self->signals));
}

FIXTURE_TEARDOWN(hangs)
{
	vmm_stop(&self->vmm);
	close(self->control);
	expect_nothing_pinned(_metadata);
}

static bool hangs(struct vmm *vmm)
{
	return backend_state(vmm->backend, vmm->instance).hangs;
}

/* Bring the backend to where it does not come back from. */
static void hang(struct __test_metadata *_metadata, struct vmm *vmm, int control,
		 __u32 where, int kick_fd)
{
	if (where == VMBUS_GPADL_TEST_HANG_OPEN) {
		memset(vmm->ring, 0, RING_BYTES);
		EXPECT_GPADL(vmm->fd, RELID, RING_HANDLE, RING_GPA, RING_BYTES);
		ASSERT_EQ(0, backend_hang(control, vmm->instance, where));
		ASSERT_EQ(0, guest_open(vmm->fd, RELID, 1, RING_HANDLE, RING_SPLIT));
		vmm->backend = open("/dev/vmbus-gpadl-test", O_RDWR | O_CLOEXEC);
	} else {
		hold_a_gpadl(_metadata, vmm);
		ASSERT_EQ(0, backend_hang(control, vmm->instance, where));
		ASSERT_EQ(0, where == VMBUS_GPADL_TEST_HANG_KICK ?
			     eventfd_write(kick_fd, 1) :
			     where == VMBUS_GPADL_TEST_HANG_REVOKE ?
			     guest_teardown(vmm->fd, RELID, HANDLE) :
			     guest_close(vmm->fd, RELID));
	}
	ASSERT_TRUE(WAIT_FOR(hangs(vmm)));
}

TEST_F(hangs, while_the_guest_panics)
{
	int fd = self->vmm.fd;

	hang(_metadata, &self->vmm, self->control, variant->where, self->signals.kick_fd);

	/* UNLOAD. The VMM knows at once, and can answer. */
	EXPECT_EQ(-EINPROGRESS, vmm_reset_start(fd));
	EXPECT_SILENCE(fd);
	/* The new kernel asks for offers: other channels work as if nothing were. */
	EXPECT_EQ(-EINPROGRESS, vmm_destroy_start(fd, RELID));
	EXPECT_EQ(0, vmm_channel(fd, RELID2, 1, NULL));
	EXPECT_GPADL(fd, RELID2, HANDLE2, MEM_GPA, HV_PAGE);
	EXPECT_TEARDOWN(fd, RELID2, HANDLE2);
	EXPECT_EQ(0, vmm_destroy_start(fd, RELID2));
	EXPECT_NO_EVENT(fd);

	/* It comes back after all: everything that was asked for is done. */
	EXPECT_EQ(0, backend_policy(self->vmm.backend, ON_REVOKE_UNMAP));
	EXPECT_EQ(0, backend_hang(self->control, self->vmm.instance, 0));
	EXPECT_TRUE(WAIT_FOR(event_waits(fd)));
	EXPECT_TRUE(WAIT_FOR(vmm_channel(fd, RELID, 0, NULL) == 0));
	EXPECT_DONE(fd, 0, VMBUS_HOST_RESET);
	EXPECT_DONE(fd, RELID, VMBUS_HOST_CHANNEL_DESTROY);
	EXPECT_NO_EVENT(fd);
}

TEST_F(hangs, and_the_file_is_closed)
{
	hang(_metadata, &self->vmm, self->control, variant->where, self->signals.kick_fd);
	EXPECT_EQ(-EINPROGRESS, vmm_destroy_start(self->vmm.fd, RELID));
	EXPECT_EQ(0, close(self->vmm.fd));
	self->vmm.fd = -1;
	EXPECT_EQ(0, backend_policy(self->vmm.backend, ON_REVOKE_UNMAP));
}

TEST_HARNESS_MAIN
