// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/vmbus-host through io_uring: what read(), write() and poll() do, and no less.
 */
#include <liburing.h>
#include <sys/uio.h>

#include "fixture.h"

FIXTURE(uring) {
	struct vmm vmm;
	struct io_uring ring;
};

FIXTURE_SETUP(uring)
{
	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
	ASSERT_EQ(0, io_uring_queue_init(8, &self->ring, 0));
}

FIXTURE_TEARDOWN(uring)
{
	io_uring_queue_exit(&self->ring);
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

static void set_blocking(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

/* Submit what was prepared, and wait for its result. */
static int do_one(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int ret;

	ret = io_uring_submit_and_wait(ring, 1);
	if (ret < 0)
		return ret;
	ret = io_uring_wait_cqe(ring, &cqe);
	if (ret)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return ret;
}

/* Submit what was prepared; it is not done yet. */
static int start_one(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int ret = io_uring_submit(ring);

	if (ret != 1)
		return ret;
	return io_uring_peek_cqe(ring, &cqe) == -EAGAIN ? 0 : -EALREADY;
}

static int result(struct io_uring *ring)
{
	struct __kernel_timespec long_time = { .tv_sec = 20 };
	struct io_uring_cqe *cqe;
	int ret = io_uring_wait_cqe_timeout(ring, &cqe, &long_time);

	if (ret)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return ret;
}

static struct msg_teardown teardown(__u32 handle)
{
	return (struct msg_teardown){
		.type = MSG_GPADL_TEARDOWN,
		.relid = RELID,
		.handle = handle,
	};
}

TEST_F(uring, write_and_read)
{
	struct msg_teardown msg = teardown(HANDLE);
	__u32 reply[60];

	io_uring_prep_write(io_uring_get_sqe(&self->ring), self->vmm.fd, &msg,
			    sizeof(msg), 0);
	EXPECT_EQ(sizeof(msg), do_one(&self->ring));
	io_uring_prep_read(io_uring_get_sqe(&self->ring), self->vmm.fd, reply,
			   sizeof(reply), 0);
	EXPECT_EQ(12, do_one(&self->ring));
	EXPECT_EQ(MSG_GPADL_TORNDOWN, reply[0]);
	EXPECT_EQ(HANDLE, reply[2]);
}

TEST_F(uring, in_pieces)
{
	struct msg_teardown msg = teardown(HANDLE);
	struct iovec out[] = { { &msg, 5 }, { (char *)&msg + 5, sizeof(msg) - 5 } };
	__u32 head[2], rest[58];
	struct iovec in[] = { { head, sizeof(head) }, { rest, sizeof(rest) } };

	io_uring_prep_writev(io_uring_get_sqe(&self->ring), self->vmm.fd, out, 2, 0);
	EXPECT_EQ(sizeof(msg), do_one(&self->ring));
	io_uring_prep_readv(io_uring_get_sqe(&self->ring), self->vmm.fd, in, 2, 0);
	EXPECT_EQ(12, do_one(&self->ring));
	EXPECT_EQ(MSG_GPADL_TORNDOWN, head[0]);
	EXPECT_EQ(HANDLE, rest[0]);
}

TEST_F(uring, registered_buffer)
{
	struct msg_teardown msg = teardown(HANDLE);
	__u32 reply[60] = {};
	struct iovec buffers[] = { { &msg, sizeof(msg) }, { reply, sizeof(reply) } };

	ASSERT_EQ(0, io_uring_register_buffers(&self->ring, buffers, 2));
	io_uring_prep_write_fixed(io_uring_get_sqe(&self->ring), self->vmm.fd, &msg,
				  sizeof(msg), 0, 0);
	EXPECT_EQ(sizeof(msg), do_one(&self->ring));
	io_uring_prep_read_fixed(io_uring_get_sqe(&self->ring), self->vmm.fd, reply,
				 sizeof(reply), 0, 1);
	EXPECT_EQ(12, do_one(&self->ring));
	EXPECT_EQ(HANDLE, reply[2]);
	/* Pinned by the ring, not by us */
	EXPECT_EQ(0, io_uring_unregister_buffers(&self->ring));
}

/* io_uring waits for a file that can be polled, even if it is O_NONBLOCK: this says not to. */
TEST_F(uring, read_nothing)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
	char buf[VMBUS_HOST_MSG_MAX];

	io_uring_prep_read(sqe, self->vmm.fd, buf, sizeof(buf), 0);
	sqe->rw_flags = RWF_NOWAIT;
	EXPECT_EQ(-EAGAIN, do_one(&self->ring));
}

TEST_F(uring, errors)
{
	char buf[VMBUS_HOST_MSG_MAX];
	__u32 msg[] = { MSG_GPADL_TEARDOWN, 0, RELID2, HANDLE };

	io_uring_prep_write(io_uring_get_sqe(&self->ring), self->vmm.fd, msg, sizeof(msg), 0);
	EXPECT_EQ(-ENXIO, do_one(&self->ring));
	io_uring_prep_write(io_uring_get_sqe(&self->ring), self->vmm.fd, msg, 8, 0);
	EXPECT_EQ(-EBADMSG, do_one(&self->ring));
	io_uring_prep_read(io_uring_get_sqe(&self->ring), self->vmm.fd, buf,
			   sizeof(buf) - 1, 0);
	EXPECT_EQ(-EMSGSIZE, do_one(&self->ring));
}

/* Of a file that blocks: it waits in the ring, and no thread waits with it. */
TEST_F(uring, read_waits)
{
	__u32 reply[60];

	set_blocking(self->vmm.fd);
	io_uring_prep_read(io_uring_get_sqe(&self->ring), self->vmm.fd, reply,
			   sizeof(reply), 0);
	EXPECT_EQ(0, start_one(&self->ring));
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE));
	EXPECT_EQ(12, result(&self->ring));
	EXPECT_EQ(HANDLE, reply[2]);
}

TEST_F(uring, read_is_cancelled)
{
	struct io_uring_sqe *sqe;
	char buf[VMBUS_HOST_MSG_MAX];

	set_blocking(self->vmm.fd);
	io_uring_prep_read(io_uring_get_sqe(&self->ring), self->vmm.fd, buf, sizeof(buf), 0);
	EXPECT_EQ(0, start_one(&self->ring));
	sqe = io_uring_get_sqe(&self->ring);
	io_uring_prep_cancel_fd(sqe, self->vmm.fd, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	EXPECT_EQ(1, io_uring_submit(&self->ring));
	EXPECT_EQ(-ECANCELED, result(&self->ring));
	/* It took nothing with it */
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE));
	EXPECT_TORNDOWN(self->vmm.fd, HANDLE);
}

TEST_F(uring, poll_sees_an_event)
{
	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	ASSERT_EQ(0, backend_policy(self->vmm.backend, ON_REVOKE_HOLD));
	ASSERT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(-EINPROGRESS, vmm_rescind_start(self->vmm.fd, RELID));
	io_uring_prep_poll_add(io_uring_get_sqe(&self->ring), self->vmm.fd, POLLPRI);
	EXPECT_EQ(0, start_one(&self->ring));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(POLLPRI, result(&self->ring));
}

TEST_HARNESS_MAIN
