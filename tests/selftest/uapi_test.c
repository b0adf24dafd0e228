// SPDX-License-Identifier: GPL-2.0
/*
 * The rules of /dev/vmbus-host that hold whatever it is used for: write(), read() and
 * poll().
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "fixture.h"

/* ---- One file, one partition ---- */

FIXTURE(file) {
	struct vmm vmm;
};

FIXTURE_SETUP(file)
{
	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
}

FIXTURE_TEARDOWN(file)
{
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

TEST_F(file, unknown_ioctl)
{
	__u32 size = sizeof(size);

	EXPECT_IOCTL_ERRNO(ENOTTY, self->vmm.fd, _IO(VMBUS_HOST_IOC, 0x0b), &size);
	EXPECT_IOCTL_ERRNO(ENOTTY, self->vmm.fd, _IO(VMBUS_HOST_IOC, 0xff), &size);
	EXPECT_IOCTL_ERRNO(ENOTTY, self->vmm.fd, _IO(VMBUS_HOST_IOC + 1, 0), &size);
	EXPECT_IOCTL_ERRNO(ENOTTY, self->vmm.fd, _IOW(VMBUS_HOST_IOC, 7, __u32), &size);
}

TEST_F(file, nothing_before_create)
{
	int fd = open("/dev/vmbus-host", O_RDWR | O_NONBLOCK);
	char buf[VMBUS_HOST_MSG_MAX];

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EINVAL, guest_teardown(fd, RELID, HANDLE));
	EXPECT_EQ(-1, read(fd, buf, sizeof(buf)));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(POLLERR, poll_now(fd));
	EXPECT_EQ(0, vmm_create(fd));
	EXPECT_EQ(POLLOUT, poll_now(fd));
	EXPECT_SILENCE(fd);
	close(fd);
}

/* What modinfo says, of a file that is no partition yet and of one that is another's */
TEST_F(file, version)
{
	struct vmbus_host_version v = { .size = sizeof(v) };
	unsigned int major, minor, patch;
	FILE *f = fopen("/sys/module/vmbus_host/version", "r");
	int fd = open("/dev/vmbus-host", O_RDWR);

	ASSERT_NE(NULL, f);
	ASSERT_EQ(3, fscanf(f, "%u.%u.%u", &major, &minor, &patch));
	fclose(f);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, ioctl(fd, VMBUS_HOST_GET_VERSION, &v));
	EXPECT_EQ(major << 16 | minor << 8 | patch, v.version);
	EXPECT_EQ(0, ioctl(self->vmm.fd, VMBUS_HOST_GET_VERSION, &v));
	v.flags = 1;
	EXPECT_IOCTL_ERRNO(EOPNOTSUPP, fd, VMBUS_HOST_GET_VERSION, &v);
	v.flags = 0;
	v.__reserved = 1;
	EXPECT_IOCTL_ERRNO(EOPNOTSUPP, fd, VMBUS_HOST_GET_VERSION, &v);
	close(fd);
}

TEST_F(file, version_of_another_size)
{
	struct {
		struct vmbus_host_version v;
		__u32 unknown;
	} arg = { .v.size = sizeof(arg) };

	EXPECT_EQ(0, ioctl(self->vmm.fd, VMBUS_HOST_GET_VERSION, &arg));
	arg.unknown = 1;
	EXPECT_IOCTL_ERRNO(E2BIG, self->vmm.fd, VMBUS_HOST_GET_VERSION, &arg);
	arg.v.size = sizeof(arg.v) - 1;
	EXPECT_IOCTL_ERRNO(EINVAL, self->vmm.fd, VMBUS_HOST_GET_VERSION, &arg);
}

TEST_F(file, version_into_memory_that_cannot_be_written)
{
	struct vmbus_host_version *v = mmap(NULL, HV_PAGE, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, v);
	v->size = sizeof(*v);
	ASSERT_EQ(0, mprotect(v, HV_PAGE, PROT_READ));
	EXPECT_IOCTL_ERRNO(EFAULT, self->vmm.fd, VMBUS_HOST_GET_VERSION, v);
}

TEST_F(file, second_create)
{
	EXPECT_EQ(-EBUSY, vmm_create(self->vmm.fd));
}

TEST_F(file, not_seekable)
{
	EXPECT_EQ(-1, lseek(self->vmm.fd, 0, SEEK_SET));
	EXPECT_EQ(ESPIPE, errno);
}

TEST_F(file, relid_range)
{
	EXPECT_EQ(-EINVAL, vmm_channel(self->vmm.fd, 0, 1, NULL));
	EXPECT_EQ(-EINVAL, vmm_channel(self->vmm.fd, 2048, 1, NULL));
	EXPECT_EQ(-EINVAL, vmm_channel(self->vmm.fd, ~0u, 1, NULL));
	EXPECT_EQ(0, vmm_channel(self->vmm.fd, 1, 1, NULL));
	EXPECT_EQ(0, vmm_channel(self->vmm.fd, 2047, 1, NULL));
}

TEST_F(file, relid_in_use)
{
	EXPECT_EQ(-EEXIST, vmm_channel(self->vmm.fd, RELID, 1, NULL));
	EXPECT_EQ(0, vmm_destroy(self->vmm.fd, RELID));
	EXPECT_EQ(0, vmm_channel(self->vmm.fd, RELID, 1, NULL));
}

TEST_F(file, no_such_channel)
{
	struct vmbus_host_signals none = { .kick_fd = -1, .call_fd = -1 };

	EXPECT_EQ(-ENOENT, vmm_modify(self->vmm.fd, RELID2, &none));
	EXPECT_EQ(-ENOENT, vmm_rescind(self->vmm.fd, RELID2));
	EXPECT_EQ(-ENOENT, vmm_destroy(self->vmm.fd, RELID2));
}

/* Two thousand channels, on a kernel that looks at each access to memory: it takes long */
TEST_F_TIMEOUT(file, all_relids, 300)
{
	__u32 relid;
	int ret = 0;

	for (relid = 1; relid < 2048 && !ret; relid++)
		if (relid != RELID)
			ret = vmm_channel(self->vmm.fd, relid, 1, NULL);
	EXPECT_EQ(0, ret);
}

TEST_F(file, too_many_channels)
{
	char old[16];

	ASSERT_EQ(0, param_get("max_channels", old, sizeof(old)));
	ASSERT_EQ(0, param_set("max_channels", "2"));
	EXPECT_EQ(0, vmm_channel(self->vmm.fd, 1, 1, NULL));
	EXPECT_EQ(-ENOSPC, vmm_channel(self->vmm.fd, 2, 1, NULL));
	EXPECT_EQ(0, vmm_destroy(self->vmm.fd, 1));
	EXPECT_EQ(0, vmm_channel(self->vmm.fd, 2, 1, NULL));
	ASSERT_EQ(0, param_set("max_channels", old));
}

TEST_F(file, parameters_have_bounds)
{
	EXPECT_EQ(-EINVAL, param_set("max_gpadls", "many"));
	EXPECT_EQ(-EINVAL, param_set("max_gpadls", "0"));
	EXPECT_EQ(-EINVAL, param_set("max_gpadls", "131073"));
	EXPECT_EQ(-EINVAL, param_set("max_pages", "0"));
	EXPECT_EQ(-EINVAL, param_set("max_pages", "1048577"));
	EXPECT_EQ(-EINVAL, param_set("max_channels", "0"));
	EXPECT_EQ(-EINVAL, param_set("max_channels", "2049"));
}

/* ---- write() ---- */

TEST_F(file, write_short)
{
	static const struct {
		__u32 type;
		size_t fixed_len;
	} msgs[] = {
		{ MSG_OPENCHANNEL, sizeof(struct msg_open) },
		{ MSG_CLOSECHANNEL, sizeof(struct msg_channel) },
		{ MSG_GPADL_HEADER, HEADER_LEN(0) },
		{ MSG_GPADL_BODY, BODY_LEN(0) },
		{ MSG_GPADL_TEARDOWN, sizeof(struct msg_teardown) },
		{ MSG_RELID_RELEASED, sizeof(struct msg_channel) },
	};
	__u32 msg[60] = {};
	size_t i, len;

	for (i = 0; i < ARRAY_SIZE(msgs); i++) {
		msg[0] = msgs[i].type;
		for (len = 0; len < msgs[i].fixed_len; len++)
			EXPECT_EQ(-EBADMSG, guest_post(self->vmm.fd, msg, len));
	}
	EXPECT_SILENCE(self->vmm.fd);
}

TEST_F(file, write_long)
{
	struct msg_teardown *msg = calloc(1, 65536);

	ASSERT_NE(NULL, msg);
	msg->type = MSG_GPADL_TEARDOWN;
	msg->relid = RELID;
	msg->handle = HANDLE;
	EXPECT_EQ(-EBADMSG, guest_post(self->vmm.fd, msg, 241));
	EXPECT_EQ(-EBADMSG, guest_post(self->vmm.fd, msg, 65536));
	EXPECT_SILENCE(self->vmm.fd);
	EXPECT_EQ(0, guest_post(self->vmm.fd, msg, 240));
	EXPECT_TORNDOWN(self->vmm.fd, HANDLE);
}

/* What of this process's line in debugfs says how many messages were bad, or -1 */
static int bad_messages(void)
{
	FILE *f = fopen("/sys/kernel/debug/vmbus_host/guests", "r");
	int pid, channels, bad, found = -1;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%d channels %d bad-messages %d", &pid, &channels,
			   &bad) == 3 && pid == getpid())
			found = bad;
	if (f)
		fclose(f);
	return found;
}

TEST_F(file, bad_messages_are_counted)
{
	__u32 msg[61] = { MSG_OPENCHANNEL };

	EXPECT_EQ(0, bad_messages());
	EXPECT_EQ(-EBADMSG, guest_post(self->vmm.fd, msg, 3));
	EXPECT_EQ(1, bad_messages());
	EXPECT_EQ(-EBADMSG, guest_post(self->vmm.fd, msg, 8));
	EXPECT_EQ(2, bad_messages());
	EXPECT_EQ(-EBADMSG, guest_post(self->vmm.fd, msg, 241));
	EXPECT_EQ(3, bad_messages());
}

TEST_F(file, write_type_not_handled)
{
	__u32 msg[60] = { 0, 0, RELID, HANDLE };
	__u32 type;

	for (type = 0; type < 40; type++) {
		if ((type >= MSG_OPENCHANNEL && type <= MSG_RELID_RELEASED &&
		     type != MSG_OPENCHANNEL_RESULT && type != MSG_GPADL_CREATED &&
		     type != MSG_GPADL_TORNDOWN))
			continue;
		msg[0] = type;
		EXPECT_EQ(-EOPNOTSUPP, guest_post(self->vmm.fd, msg, sizeof(msg)))
			TH_LOG("type %u", type);
	}
	msg[0] = ~0u;
	EXPECT_EQ(-EOPNOTSUPP, guest_post(self->vmm.fd, msg, sizeof(msg)));
	EXPECT_SILENCE(self->vmm.fd);
}

TEST_F(file, write_unknown_relid)
{
	__u64 words[2] = { range_word(0, 1), MEM_PFN };

	EXPECT_EQ(-ENXIO, guest_header(self->vmm.fd, RELID2, HANDLE, 1, 2, words, 2));
	EXPECT_EQ(-ENXIO, guest_header(self->vmm.fd, 0, HANDLE, 1, 2, words, 2));
	EXPECT_EQ(-ENXIO, guest_header(self->vmm.fd, ~0u, HANDLE, 1, 2, words, 2));
	EXPECT_EQ(-ENXIO, guest_teardown(self->vmm.fd, RELID2, HANDLE));
	EXPECT_EQ(-ENXIO, guest_open(self->vmm.fd, RELID2, 1, HANDLE, 1));
	EXPECT_EQ(-ENXIO, guest_close(self->vmm.fd, RELID2));
	EXPECT_EQ(-ENXIO, guest_released(self->vmm.fd, RELID2));
	EXPECT_EQ(-ENXIO, guest_released(self->vmm.fd, ~0u));
	EXPECT_SILENCE(self->vmm.fd);
}

TEST_F(file, write_faulting)
{
	char *page = mmap(NULL, HV_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, page);
	EXPECT_EQ(-EFAULT, guest_post(self->vmm.fd, page, 16));
	EXPECT_SILENCE(self->vmm.fd);
}

TEST_F(file, post)
{
	struct vmbus_host_post post = { .size = sizeof(post) };
	struct msg_teardown msg = {
		.type = MSG_GPADL_TEARDOWN,
		.relid = RELID,
		.handle = HANDLE,
	};

	post.msg = PTR(&msg);
	post.len = sizeof(msg);
	EXPECT_EQ(0, ioctl(self->vmm.fd, VMBUS_HOST_POST, &post));
	EXPECT_TORNDOWN(self->vmm.fd, HANDLE);
	post.len = sizeof(msg) - 1;
	EXPECT_IOCTL_ERRNO(EBADMSG, self->vmm.fd, VMBUS_HOST_POST, &post);
	post.len = ~0u;
	EXPECT_IOCTL_ERRNO(EBADMSG, self->vmm.fd, VMBUS_HOST_POST, &post);
	post.len = sizeof(msg);
	msg.relid = RELID2;
	EXPECT_IOCTL_ERRNO(ENXIO, self->vmm.fd, VMBUS_HOST_POST, &post);
	msg.type = MSG_GPADL_BODY;
	EXPECT_IOCTL_ERRNO(ENOENT, self->vmm.fd, VMBUS_HOST_POST, &post);
	msg.type = 1;
	EXPECT_IOCTL_ERRNO(EOPNOTSUPP, self->vmm.fd, VMBUS_HOST_POST, &post);
	post.msg = 0;
	EXPECT_IOCTL_ERRNO(EFAULT, self->vmm.fd, VMBUS_HOST_POST, &post);
	EXPECT_SILENCE(self->vmm.fd);
}

/* ---- read() ---- */

TEST_F(file, read_nothing)
{
	EXPECT_SILENCE(self->vmm.fd);
}

TEST_F(file, read_is_one_message)
{
	char buf[2 * VMBUS_HOST_MSG_MAX];

	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, 1));
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, 2));
	EXPECT_EQ(12, read(self->vmm.fd, buf, sizeof(buf)));
	EXPECT_TORNDOWN(self->vmm.fd, 2);
	EXPECT_SILENCE(self->vmm.fd);
}

TEST_F(file, read_short_loses_nothing)
{
	char buf[VMBUS_HOST_MSG_MAX];
	size_t len;

	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE));
	for (len = 0; len < sizeof(buf); len++) {
		EXPECT_EQ(-1, read(self->vmm.fd, buf, len));
		EXPECT_EQ(EMSGSIZE, errno);
	}
	EXPECT_TORNDOWN(self->vmm.fd, HANDLE);
}

TEST_F(file, read_faulting_loses_nothing)
{
	char *pages = mmap(NULL, 2 * HV_PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, pages);
	ASSERT_EQ(0, mprotect(pages + HV_PAGE, HV_PAGE, PROT_NONE));
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, 1));
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, 2));

	EXPECT_EQ(-1, read(self->vmm.fd, pages + HV_PAGE, VMBUS_HOST_MSG_MAX));
	EXPECT_EQ(EFAULT, errno);
	/* In the middle of the message */
	EXPECT_EQ(-1, read(self->vmm.fd, pages + HV_PAGE - 8, VMBUS_HOST_MSG_MAX));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(POLLIN | POLLOUT, poll_now(self->vmm.fd));
	EXPECT_TORNDOWN(self->vmm.fd, 1);
	EXPECT_TORNDOWN(self->vmm.fd, 2);
	EXPECT_SILENCE(self->vmm.fd);
}

/* What a reader could not take goes with its channel like the rest. */
TEST_F(file, read_faulting_keeps_nothing_of_a_released_channel)
{
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, 1));
	EXPECT_EQ(-1, read(self->vmm.fd, nowhere, VMBUS_HOST_MSG_MAX));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, guest_released(self->vmm.fd, RELID));
	EXPECT_SILENCE(self->vmm.fd);
}

TEST_F(file, read_faulting_keeps_nothing_of_a_destroyed_channel)
{
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, 1));
	EXPECT_EQ(-1, read(self->vmm.fd, nowhere, VMBUS_HOST_MSG_MAX));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, vmm_destroy(self->vmm.fd, RELID));
	EXPECT_SILENCE(self->vmm.fd);
}

/* ---- In pieces ---- */

/* A message is all that one call hands over, in however many pieces. */
TEST_F(file, write_in_pieces)
{
	struct msg_teardown msg = {
		.type = MSG_GPADL_TEARDOWN,
		.relid = RELID,
		.handle = HANDLE,
	};
	struct iovec pieces[] = {
		{ &msg, 3 },
		{ NULL, 0 },
		{ (char *)&msg + 3, sizeof(msg) - 4 },
		{ (char *)&msg + sizeof(msg) - 1, 1 },
	};

	EXPECT_EQ(sizeof(msg), writev(self->vmm.fd, pieces, 4));
	EXPECT_TORNDOWN(self->vmm.fd, HANDLE);
	EXPECT_SILENCE(self->vmm.fd);
}

TEST_F(file, write_in_pieces_too_long)
{
	__u32 msg[60] = { MSG_GPADL_TEARDOWN, 0, RELID, HANDLE };
	struct iovec pieces[] = { { msg, sizeof(msg) }, { msg, 1 } };

	EXPECT_EQ(-1, writev(self->vmm.fd, pieces, 2));
	EXPECT_EQ(EBADMSG, errno);
	EXPECT_SILENCE(self->vmm.fd);
}

TEST_F(file, write_in_pieces_faulting)
{
	struct msg_teardown msg = {
		.type = MSG_GPADL_TEARDOWN,
		.relid = RELID,
		.handle = HANDLE,
	};
	struct iovec pieces[] = { { &msg, 12 }, { nowhere, 4 } };

	EXPECT_EQ(-1, writev(self->vmm.fd, pieces, 2));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_SILENCE(self->vmm.fd);
}

TEST_F(file, read_into_pieces)
{
	__u32 head[2] = {}, handle = 0;
	char rest[VMBUS_HOST_MSG_MAX];
	struct iovec pieces[] = {
		{ head, sizeof(head) },
		{ &handle, sizeof(handle) },
		{ rest, sizeof(rest) - 12 },
	};

	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE));
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE2));
	EXPECT_EQ(12, readv(self->vmm.fd, pieces, 3));
	EXPECT_EQ(MSG_GPADL_TORNDOWN, head[0]);
	EXPECT_EQ(HANDLE, handle);
	EXPECT_TORNDOWN(self->vmm.fd, HANDLE2);
	/* All pieces together count */
	pieces[2].iov_len--;
	EXPECT_EQ(-1, readv(self->vmm.fd, pieces, 3));
	EXPECT_EQ(EMSGSIZE, errno);
}

/* What had reached the first piece is there again for the next reader. */
TEST_F(file, read_into_pieces_faulting_loses_nothing)
{
	__u32 head[2];
	struct iovec pieces[] = {
		{ head, sizeof(head) },
		{ nowhere, VMBUS_HOST_MSG_MAX },
	};

	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE));
	EXPECT_EQ(-1, readv(self->vmm.fd, pieces, 2));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_TORNDOWN(self->vmm.fd, HANDLE);
}

/* ---- What waits ---- */

static void set_blocking(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

static int do_read(void *arg)
{
	return reply_read(*(int *)arg).len;
}

/* A reader whose buffer is not there yet: there is a reply for it, and it cannot go on. */
struct slow_reader {
	struct vmm vmm;
	char *page;
	int uffd;
	struct task task;
};

static int do_read_slowly(void *arg)
{
	struct slow_reader *r = arg;
	int len = read(r->vmm.fd, r->page, VMBUS_HOST_MSG_MAX);

	return len < 0 ? -errno : len;
}

FIXTURE(slow_reader) {
	struct slow_reader r;
};

FIXTURE_SETUP(slow_reader)
{
	vmm_start(_metadata, &self->r.vmm, MEM_ANON, 0);
	self->r.page = mmap(NULL, HV_PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->r.page);
	self->r.uffd = memory_stall(self->r.page, HV_PAGE);
	ASSERT_LE(0, self->r.uffd);
	EXPECT_EQ(0, guest_teardown(self->r.vmm.fd, RELID, HANDLE));
	task_start(&self->r.task, do_read_slowly, &self->r);
	ASSERT_TRUE(WAIT_FOR(memory_is_touched(self->r.uffd)));
}

FIXTURE_TEARDOWN(slow_reader)
{
	close(self->r.uffd);
	munmap(self->r.page, HV_PAGE);
	vmm_stop(&self->r.vmm);
}

static int do_destroy(void *arg)
{
	return vmm_destroy(((struct vmm *)arg)->fd, RELID);
}

static int do_reset(void *arg)
{
	return vmm_reset(((struct vmm *)arg)->fd);
}

/* It keeps nobody, and when @fn has returned, it does not come with an older reply. */
static void expect_gone_for_reader(struct __test_metadata *_metadata,
				   struct slow_reader *r, int (*fn)(void *arg))
{
	struct task t;

	task_start(&t, fn, &r->vmm);
	EXPECT_TRUE(WAIT_FOR(task_is_done(&t)));
	EXPECT_FALSE(task_is_done(&r->task));
	EXPECT_EQ(0, memory_fill(r->uffd, r->page, 0));
	EXPECT_EQ(-EAGAIN, task_join(&r->task));
	EXPECT_EQ(0, task_join(&t));
	EXPECT_SILENCE(r->vmm.fd);
}

TEST_F(slow_reader, destroy)
{
	expect_gone_for_reader(_metadata, &self->r, do_destroy);
	EXPECT_EQ(0, vmm_channel(self->r.vmm.fd, RELID, 0, NULL));
}

TEST_F(slow_reader, reset)
{
	expect_gone_for_reader(_metadata, &self->r, do_reset);
}

/* A caller that has asked not to wait does not wait for the other's memory either. */
TEST_F(slow_reader, another_reads)
{
	EXPECT_EQ(POLLIN | POLLOUT, poll_now(self->r.vmm.fd));
	EXPECT_TORNDOWN(self->r.vmm.fd, HANDLE);
	EXPECT_FALSE(task_is_done(&self->r.task));
	EXPECT_EQ(0, memory_fill(self->r.uffd, self->r.page, 0));
	EXPECT_EQ(-EAGAIN, task_join(&self->r.task));
}

TEST_F(slow_reader, gets_it)
{
	EXPECT_EQ(0, memory_fill(self->r.uffd, self->r.page, 0));
	EXPECT_EQ(12, task_join(&self->r.task));
	EXPECT_SILENCE(self->r.vmm.fd);
}

static int do_teardown(void *arg)
{
	return guest_teardown(*(int *)arg, RELID, HANDLE);
}

/* The same by VMBUS_HOST_POST */
static int do_post(void *arg)
{
	struct msg_teardown msg = {
		.type = MSG_GPADL_TEARDOWN,
		.relid = RELID,
		.handle = HANDLE,
	};
	struct vmbus_host_post post = {
		.size = sizeof(post),
		.len = sizeof(msg),
		.msg = PTR(&msg),
	};

	return ioctl(*(int *)arg, VMBUS_HOST_POST, &post) ? -errno : 0;
}

TEST_F(file, read_waits)
{
	struct task t;

	set_blocking(self->vmm.fd);
	task_start(&t, do_read, &self->vmm.fd);
	EXPECT_TRUE(WAIT_FOR(task_sleeps(&t)));
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE));
	EXPECT_EQ(12, task_join(&t));
}

static void on_signal(int sig)
{
}

/* What a call that waits returns when a signal comes */
static int interrupted(int (*call)(void *arg), int fd)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct task t;

	if (sigaction(SIGUSR1, &action, NULL))
		return -errno;
	set_blocking(fd);
	task_start(&t, call, &fd);
	if (!WAIT_FOR(task_sleeps(&t)))
		return -ETIMEDOUT;
	/* It may have slept before it got there */
	while (!task_is_done(&t)) {
		pthread_kill(t.thread, SIGUSR1);
		usleep(10000);
	}
	return task_join(&t);
}

TEST_F(file, read_is_interrupted)
{
	EXPECT_EQ(-EINTR, interrupted(do_read, self->vmm.fd));
}

#define ROOM	256

/* Replies that no object holds, as many as there is room for */
static void fill_room(struct __test_metadata *_metadata, int fd)
{
	__u32 i;

	for (i = 0; i < ROOM; i++)
		ASSERT_EQ(0, guest_teardown(fd, RELID, i));
}

TEST_F(file, write_waits_for_room)
{
	struct task t;

	fill_room(_metadata, self->vmm.fd);
	set_blocking(self->vmm.fd);
	task_start(&t, do_teardown, &self->vmm.fd);
	EXPECT_TRUE(WAIT_FOR(task_sleeps(&t)));
	EXPECT_FALSE(task_is_done(&t));
	EXPECT_TORNDOWN(self->vmm.fd, 0);
	EXPECT_EQ(0, task_join(&t));
}

TEST_F(file, write_is_interrupted)
{
	__u32 i;

	fill_room(_metadata, self->vmm.fd);
	EXPECT_EQ(-EINTR, interrupted(do_teardown, self->vmm.fd));
	EXPECT_EQ(-EINTR, interrupted(do_post, self->vmm.fd));
	/* Nothing has been changed */
	for (i = 0; i < ROOM; i++)
		EXPECT_TORNDOWN(self->vmm.fd, i);
	fcntl(self->vmm.fd, F_SETFL, O_NONBLOCK);
	EXPECT_SILENCE(self->vmm.fd);
}

/* ---- Replies that nobody reads ---- */

TEST_F(file, replies_never_read)
{
	__u32 i;

	fill_room(_metadata, self->vmm.fd);
	EXPECT_EQ(POLLIN, poll_now(self->vmm.fd));
	EXPECT_EQ(-EAGAIN, guest_teardown(self->vmm.fd, RELID, 1000));
	EXPECT_EQ(-EAGAIN, guest_teardown(self->vmm.fd, RELID, 1000));
	EXPECT_EQ(-EAGAIN, do_post(&self->vmm.fd));

	EXPECT_TORNDOWN(self->vmm.fd, 0);
	EXPECT_EQ(POLLIN | POLLOUT, poll_now(self->vmm.fd));
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, 1000));
	EXPECT_EQ(POLLIN, poll_now(self->vmm.fd));

	for (i = 1; i < ROOM; i++)
		EXPECT_TORNDOWN(self->vmm.fd, i);
	EXPECT_TORNDOWN(self->vmm.fd, 1000);
	EXPECT_EQ(POLLOUT, poll_now(self->vmm.fd));
	EXPECT_SILENCE(self->vmm.fd);
}

/* Every message that may need an answer is refused, and has changed nothing. */
TEST_F(file, no_room_for_any_message)
{
	__u64 words[] = { range_word(0, 2 * HV_PAGE), MEM_PFN, MEM_PFN };
	__u32 i;

	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 1, 3, words, 2));
	fill_room(_metadata, self->vmm.fd);
	EXPECT_EQ(-EAGAIN, guest_body(self->vmm.fd, HANDLE, 0, words + 2, 1));
	EXPECT_EQ(-EAGAIN, guest_header(self->vmm.fd, RELID, HANDLE2, 1, 2, words, 2));
	EXPECT_EQ(-EAGAIN, guest_open(self->vmm.fd, RELID, 1, HANDLE, 2));
	for (i = 0; i < ROOM; i++)
		EXPECT_TORNDOWN(self->vmm.fd, i);
	EXPECT_SILENCE(self->vmm.fd);

	EXPECT_EQ(0, guest_body(self->vmm.fd, HANDLE, 0, words + 2, 1));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE2, MEM_GPA, HV_PAGE);
}

/* What a GPADL itself answers needs no room: nothing is ever lost. */
TEST_F(file, more_gpadls_than_room)
{
	struct guest_gpadl g;
	__u32 i;

	for (i = 0; i < 2 * ROOM; i++) {
		gpadl_simple(&g, i, MEM_GPA, HV_PAGE);
		ASSERT_EQ(0, guest_gpadl(self->vmm.fd, RELID, &g, false));
	}
	for (i = 0; i < 2 * ROOM; i++)
		ASSERT_EQ(0, guest_teardown(self->vmm.fd, RELID, i));
	EXPECT_EQ(POLLIN | POLLOUT, poll_now(self->vmm.fd));
	for (i = 0; i < 2 * ROOM; i++)
		EXPECT_CREATED(self->vmm.fd, RELID, i, STATUS_SUCCESS);
	for (i = 0; i < 2 * ROOM; i++)
		EXPECT_TORNDOWN(self->vmm.fd, i);
	EXPECT_SILENCE(self->vmm.fd);
}

TEST_F(file, replies_go_with_the_file)
{
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE));
	fill_room(_metadata, self->vmm.fd);
}

TEST_HARNESS_MAIN
