// SPDX-License-Identifier: GPL-2.0
/*
 * How the two ends of a channel signal each other: kick, from the guest, and call, to it.
 */
#include <sys/eventfd.h>

#include "fixture.h"
#include "ring_wire.h"

static struct vmbus_gpadl_test_state state(struct vmm *v)
{
	return backend_state(v->backend, v->instance);
}

struct ring {
	__u32 write_index;
	__u32 read_index;
	__u32 interrupt_mask;
	__u32 pending_send_sz;
};

FIXTURE(signals) {
	struct vmm vmm;
	struct vmbus_host_signals signals;
	__u64 *flags;		/* 2048 of them */
	struct ring *in;	/* that the host writes */
};

FIXTURE_SETUP(signals)
{
	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
	self->flags = memory_alloc(MEM_ANON, HV_PAGE);
	ASSERT_NE(NULL, self->flags);
	self->signals.kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	self->signals.call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	self->signals.event_flags = PTR(self->flags);
	self->signals.flag = RELID;
	ASSERT_EQ(0, vmm_modify(self->vmm.fd, RELID, &self->signals));
	vmm_open_channel(_metadata, &self->vmm);
	self->in = self->vmm.ring + RING_SPLIT * HV_PAGE;
}

FIXTURE_TEARDOWN(signals)
{
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

/* How often an eventfd was signalled since the last look */
static int signalled(int fd)
{
	eventfd_t n;

	return eventfd_read(fd, &n) ? 0 : (int)n;
}

/* The host sends a packet into the empty ring; the guest takes it out. */
static int send_one(struct vmm *v, struct ring *ring)
{
	__u64 packet = 0x1234;
	int ret = backend_send(v->backend, &packet, sizeof(packet));

	ring->read_index = ring->write_index;
	return ret;
}

TEST_F(signals, kick)
{
	unsigned int before = state(&self->vmm).kicks;

	EXPECT_EQ(0, eventfd_write(self->signals.kick_fd, 1));
	EXPECT_TRUE(WAIT_FOR(state(&self->vmm).kicks == before + 1));
	EXPECT_EQ(0, eventfd_write(self->signals.kick_fd, 1));
	EXPECT_TRUE(WAIT_FOR(state(&self->vmm).kicks == before + 2));
	/* The host took it: the counter does not fill up */
	EXPECT_EQ(0, signalled(self->signals.kick_fd));
}

/* An open that is refused: what the channel's work had to do before is done. */
static void flush_work(struct __test_metadata *_metadata, int fd)
{
	EXPECT_EQ(0, guest_open(fd, RELID, 7, RING_HANDLE + 1, RING_SPLIT));
	EXPECT_NOT_OPENED(fd, RELID, 7);
}

TEST_F(signals, kick_of_a_closed_channel)
{
	unsigned int before;

	EXPECT_EQ(0, guest_close(self->vmm.fd, RELID));
	EXPECT_TRUE(WAIT_FOR(!state(&self->vmm).open));
	/* The close may still be at work, and would do an open before it does a kick. */
	flush_work(_metadata, self->vmm.fd);
	before = state(&self->vmm).kicks;
	EXPECT_EQ(0, eventfd_write(self->signals.kick_fd, 1));
	flush_work(_metadata, self->vmm.fd);
	EXPECT_EQ(0, guest_open(self->vmm.fd, RELID, 2, RING_HANDLE, RING_SPLIT));
	EXPECT_OPENED(self->vmm.fd, RELID, 2);
	EXPECT_EQ(before, state(&self->vmm).kicks);
}

TEST_F(signals, kick_before_it_was_attached)
{
	unsigned int before = state(&self->vmm).kicks;
	struct vmbus_host_signals signals = {
		.kick_fd = eventfd(1, EFD_CLOEXEC),
		.call_fd = -1,
	};

	EXPECT_EQ(0, vmm_modify(self->vmm.fd, RELID, &signals));
	EXPECT_TRUE(WAIT_FOR(state(&self->vmm).kicks == before + 1));
}

TEST_F(signals, kick_fd_is_closed)
{
	close(self->signals.kick_fd);
	EXPECT_EQ(0, send_one(&self->vmm, self->in));
	EXPECT_EQ(0, guest_close(self->vmm.fd, RELID));
	EXPECT_TRUE(WAIT_FOR(!state(&self->vmm).open));
}

/* The guest writes a packet at the begin of its ring, which is empty. */
static void guest_send(struct vmm *v, __u64 payload)
{
	struct ring *ring = v->ring;
	struct packet packet = {
		.type = 6,	/* data, in band */
		.offset8 = 2,
		.len8 = 3,
		.payload = payload,
	};

	memcpy(v->ring + HV_PAGE, &packet, sizeof(packet));
	__atomic_store_n(&ring->write_index, sizeof(packet), __ATOMIC_RELEASE);
}

TEST_F(signals, receive)
{
	struct ring *out = self->vmm.ring;
	__u64 payload = 0;

	EXPECT_EQ(-EAGAIN, backend_recv(self->vmm.backend, &payload, 8));
	guest_send(&self->vmm, 0xfeed);
	EXPECT_EQ(-EMSGSIZE, backend_recv(self->vmm.backend, &payload, 7));
	EXPECT_EQ(8, backend_recv(self->vmm.backend, &payload, 8));
	EXPECT_EQ(0xfeed, payload);
	EXPECT_EQ(out->write_index, out->read_index);
	EXPECT_EQ(-EAGAIN, backend_recv(self->vmm.backend, &payload, 8));
	EXPECT_EQ(0, signalled(self->signals.call_fd));
}

/* The guest waits for more room than there was before the host has read. */
TEST_F(signals, receive_makes_room)
{
	struct ring *out = self->vmm.ring;
	__u64 payload;

	guest_send(&self->vmm, 1);
	out->pending_send_sz = HV_PAGE - 8;
	EXPECT_EQ(8, backend_recv(self->vmm.backend, &payload, 8));
	EXPECT_EQ(1ull << RELID, self->flags[0]);
	EXPECT_EQ(1, signalled(self->signals.call_fd));
}

/* What was in the ring before the open is told by a kick. */
TEST_F(signals, packet_before_the_open)
{
	unsigned int before = state(&self->vmm).kicks;

	EXPECT_EQ(0, guest_close(self->vmm.fd, RELID));
	EXPECT_TRUE(WAIT_FOR(!state(&self->vmm).open));
	memset(self->vmm.ring, 0, RING_BYTES);
	guest_send(&self->vmm, 1);
	EXPECT_EQ(0, guest_open(self->vmm.fd, RELID, 2, RING_HANDLE, RING_SPLIT));
	EXPECT_OPENED(self->vmm.fd, RELID, 2);
	EXPECT_TRUE(WAIT_FOR(state(&self->vmm).kicks == before + 1));
}

TEST_F(signals, call_without_signals)
{
	struct vmbus_host_signals none = { .kick_fd = -1, .call_fd = -1 };

	EXPECT_EQ(0, vmm_modify(self->vmm.fd, RELID, &none));
	EXPECT_EQ(0, send_one(&self->vmm, self->in));
	EXPECT_EQ(0, signalled(self->signals.call_fd));
	EXPECT_EQ(0, self->flags[0]);
}

/* What was to be told of when there was nothing to do it by is told when there is, once. */
TEST_F(signals, call_that_was_owed)
{
	struct vmbus_host_signals none = { .kick_fd = -1, .call_fd = -1 };
	int i;

	EXPECT_EQ(0, vmm_modify(self->vmm.fd, RELID, &none));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, send_one(&self->vmm, self->in));
	EXPECT_EQ(0, vmm_modify(self->vmm.fd, RELID, &self->signals));
	EXPECT_EQ(1ull << RELID, self->flags[0]);
	EXPECT_EQ(1, signalled(self->signals.call_fd));

	self->flags[0] = 0;
	EXPECT_EQ(0, vmm_modify(self->vmm.fd, RELID, &self->signals));
	EXPECT_EQ(0, self->flags[0]);
	EXPECT_EQ(0, signalled(self->signals.call_fd));
}

/* Not any more when the rings are others. */
TEST_F(signals, call_that_was_owed_for_another_ring)
{
	struct vmbus_host_signals none = { .kick_fd = -1, .call_fd = -1 };

	EXPECT_EQ(0, vmm_modify(self->vmm.fd, RELID, &none));
	EXPECT_EQ(0, send_one(&self->vmm, self->in));
	EXPECT_EQ(0, guest_close(self->vmm.fd, RELID));
	EXPECT_TRUE(WAIT_FOR(!state(&self->vmm).open));
	memset(self->vmm.ring, 0, RING_BYTES);
	EXPECT_EQ(0, guest_open(self->vmm.fd, RELID, 2, RING_HANDLE, RING_SPLIT));
	EXPECT_OPENED(self->vmm.fd, RELID, 2);
	EXPECT_EQ(0, vmm_modify(self->vmm.fd, RELID, &self->signals));
	EXPECT_EQ(0, self->flags[0]);
	EXPECT_EQ(0, signalled(self->signals.call_fd));
}

TEST_F(signals, call)
{
	EXPECT_EQ(0, send_one(&self->vmm, self->in));
	EXPECT_EQ(1ull << RELID, self->flags[0]);
	EXPECT_EQ(1, signalled(self->signals.call_fd));
}

/* The guest has not looked yet: no second interrupt */
TEST_F(signals, call_while_the_flag_is_set)
{
	self->flags[0] = ~0ull;
	EXPECT_EQ(0, send_one(&self->vmm, self->in));
	EXPECT_EQ(0, signalled(self->signals.call_fd));
	EXPECT_EQ(~0ull, self->flags[0]);

	self->flags[0] = ~(1ull << RELID);
	EXPECT_EQ(0, send_one(&self->vmm, self->in));
	EXPECT_EQ(1, signalled(self->signals.call_fd));
	EXPECT_EQ(~0ull, self->flags[0]);
}

TEST_F(signals, call_is_masked)
{
	self->in->interrupt_mask = 1;
	EXPECT_EQ(0, send_one(&self->vmm, self->in));
	EXPECT_EQ(0, self->flags[0]);
	EXPECT_EQ(0, signalled(self->signals.call_fd));
}

TEST_F(signals, call_without_flags)
{
	self->signals.event_flags = 0;
	EXPECT_EQ(0, vmm_modify(self->vmm.fd, RELID, &self->signals));
	EXPECT_EQ(0, send_one(&self->vmm, self->in));
	EXPECT_EQ(1, signalled(self->signals.call_fd));
	EXPECT_EQ(0, send_one(&self->vmm, self->in));
	EXPECT_EQ(1, signalled(self->signals.call_fd));
	EXPECT_EQ(0, self->flags[0]);
}

TEST_F(signals, last_flag)
{
	self->signals.flag = 2047;
	EXPECT_EQ(0, vmm_modify(self->vmm.fd, RELID, &self->signals));
	EXPECT_EQ(0, send_one(&self->vmm, self->in));
	EXPECT_EQ(1ull << 63, self->flags[31]);
	EXPECT_EQ(0, self->flags[0]);
}

TEST_F(signals, flags_page_is_charged)
{
	EXPECT_EQ(RING_KB + 4, pinned_kb(0));
	self->signals.event_flags = 0;
	EXPECT_EQ(0, vmm_modify(self->vmm.fd, RELID, &self->signals));
	EXPECT_EQ(RING_KB, pinned_kb(0));
}

TEST_F(signals, flags_page_over_the_limit)
{
	struct vmm other;

	/* A partition without CAP_IPC_LOCK; this one keeps what it had */
	ASSERT_EQ(0, drop_ipc_lock());
	ASSERT_EQ(0, memlock_limit(0));
	vmm_start(_metadata, &other, MEM_ANON, 1);
	EXPECT_EQ(-ENOMEM, vmm_modify(other.fd, RELID, &self->signals));
	EXPECT_EQ(-ENOMEM, vmm_channel(other.fd, RELID2, 2, &self->signals));
	self->signals.event_flags = 0;
	EXPECT_EQ(0, vmm_modify(other.fd, RELID, &self->signals));
	vmm_stop(&other);
}

TEST_F(signals, moved_flags)
{
	__u64 *moved = memory_alloc(MEM_MEMFD, HV_PAGE);

	ASSERT_NE(NULL, moved);
	self->signals.event_flags = PTR(moved) + HV_PAGE - 256;
	EXPECT_EQ(0, vmm_modify(self->vmm.fd, RELID, &self->signals));
	EXPECT_EQ(0, send_one(&self->vmm, self->in));
	EXPECT_EQ(1ull << RELID, moved[15 * 32]);
	EXPECT_EQ(0, self->flags[0]);
	EXPECT_EQ(1, signalled(self->signals.call_fd));
}

/* All or nothing: what was there before goes on working */
TEST_F(signals, bad_ones_change_nothing)
{
	struct vmbus_host_signals bad = self->signals;
	int file = open("/dev/null", O_RDWR | O_CLOEXEC);
	char *none = mmap(NULL, HV_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *read_only = mmap(NULL, HV_PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0);

	bad.kick_fd = file;
	EXPECT_EQ(-EBADF, vmm_modify(self->vmm.fd, RELID, &bad));
	EXPECT_EQ(-EBADF, vmm_channel(self->vmm.fd, RELID2, 2, &bad));
	bad.kick_fd = -2;
	EXPECT_EQ(-EBADF, vmm_modify(self->vmm.fd, RELID, &bad));
	bad.kick_fd = 1000000;
	EXPECT_EQ(-EBADF, vmm_modify(self->vmm.fd, RELID, &bad));
	bad = self->signals;
	bad.call_fd = file;
	EXPECT_EQ(-EBADF, vmm_modify(self->vmm.fd, RELID, &bad));
	bad.call_fd = -2;
	EXPECT_EQ(-EBADF, vmm_modify(self->vmm.fd, RELID, &bad));
	/* Flags that nobody is told of */
	bad.call_fd = -1;
	EXPECT_EQ(-EINVAL, vmm_modify(self->vmm.fd, RELID, &bad));
	bad = self->signals;
	bad.flag = 2048;
	EXPECT_EQ(-EINVAL, vmm_modify(self->vmm.fd, RELID, &bad));
	bad = self->signals;
	bad.event_flags += 4;
	EXPECT_EQ(-EINVAL, vmm_modify(self->vmm.fd, RELID, &bad));
	/* Only whole SINTs are in a page; the last one is */
	bad.event_flags = self->signals.event_flags + HV_PAGE - 248;
	EXPECT_EQ(-EINVAL, vmm_modify(self->vmm.fd, RELID, &bad));
	bad.event_flags = -8ull;
	EXPECT_EQ(-EINVAL, vmm_modify(self->vmm.fd, RELID, &bad));
	bad.event_flags = 1ull << 63;
	EXPECT_EQ(-EFAULT, vmm_modify(self->vmm.fd, RELID, &bad));
	bad.event_flags = PTR(none);
	EXPECT_EQ(-EFAULT, vmm_modify(self->vmm.fd, RELID, &bad));
	bad.event_flags = PTR(read_only);
	EXPECT_EQ(-EFAULT, vmm_modify(self->vmm.fd, RELID, &bad));

	EXPECT_EQ(RING_KB + 4, pinned_kb(0));
	EXPECT_EQ(0, send_one(&self->vmm, self->in));
	EXPECT_EQ(1ull << RELID, self->flags[0]);
	EXPECT_EQ(1, signalled(self->signals.call_fd));
}

TEST_F(signals, bad_ones_make_no_channel)
{
	self->signals.flag = 2048;
	EXPECT_EQ(-EINVAL, vmm_channel(self->vmm.fd, RELID2, 1, &self->signals));
	EXPECT_EQ(-ENXIO, guest_teardown(self->vmm.fd, RELID2, HANDLE));
	self->signals.flag = 0;
	EXPECT_EQ(0, vmm_channel(self->vmm.fd, RELID2, 1, &self->signals));
}

/* The VMM may do what it likes with the page: the host has its own hold on it */
TEST_F(signals, flags_page_is_unmapped)
{
	EXPECT_EQ(0, munmap(self->flags, HV_PAGE));
	EXPECT_EQ(0, send_one(&self->vmm, self->in));
	EXPECT_EQ(1, signalled(self->signals.call_fd));
}

TEST_HARNESS_MAIN
