// SPDX-License-Identifier: GPL-2.0
/* The sample backends vmbus_crc.ko and vmbus_echo.ko: what they show, they do. */
#include "../../samples/vmbus_crc.h"
#include "fixture.h"
#include "guest_ring.h"

/* As the wire has it, both ways */
struct packet {
	__u16 type;
	__u16 offset8;
	__u16 len8;
	__u16 flags;
	__u64 trans_id;
	union {
		struct vmbus_crc_request ask;
		struct vmbus_crc_answer answer;
	};
};

#define ASK_BYTES	(32 + 8)	/* of a request in the ring, its trailer included */
#define ANSWER_BYTES	(24 + 8)

FIXTURE(crc) {
	struct vmm vmm;
	struct vmbus_host_channel_create create;
	struct vmbus_crc_config config;
	__u64 asked;		/* also the next transaction id */
	unsigned int heard;	/* bytes of answers read */
};

static int create(int fd, struct vmbus_host_channel_create *arg)
{
	return ioctl(fd, VMBUS_HOST_CHANNEL_CREATE, arg) ? -errno : 0;
}

FIXTURE_SETUP(crc)
{
	const __u8 type[16] = VMBUS_CRC_IF_TYPE;
	struct vmm *v = &self->vmm;

	vmm_start(_metadata, v, MEM_ANON, 0);
	self->config = (struct vmbus_crc_config){
		.size = sizeof(self->config),
		.max_requests = 4,
	};
	self->create = (struct vmbus_host_channel_create){
		.size = sizeof(self->create),
		.relid = RELID2,
		.config = PTR(&self->config),
	};
	memcpy(self->create.if_type, type, sizeof(type));
	ASSERT_EQ(0, create(v->fd, &self->create));
	EXPECT_GPADL(v->fd, RELID2, RING_HANDLE, RING_GPA, RING_BYTES);
	ASSERT_EQ(0, guest_open(v->fd, RELID2, 1, RING_HANDLE, RING_SPLIT));
	EXPECT_OPENED(v->fd, RELID2, 1);
}

FIXTURE_TEARDOWN(crc)
{
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

/* Returns the transaction id. The backend looks when it is kicked. */
static __u64 put(struct vmm *v, __u64 id, __u32 op, __u32 buffer, __u32 offset, __u32 len)
{
	struct packet p = {
		.type = 6,
		.offset8 = 2,
		.len8 = 4,
		.flags = 1,
		.trans_id = id,
		.ask = { op, buffer, offset, len },
	};

	ring_write(v->ring, &p, 32, ASK_BYTES);
	return id;
}

/* The next answer, or one of transaction ~0 */
static struct packet answer(struct vmm *v, unsigned int *heard)
{
	struct packet p = { .trans_id = ~0ull };

	ring_take(v->ring, heard, &p, ANSWER_BYTES - 8);
	return p;
}

#define PUT(_op, _buffer, _offset, _len)					\
	put(&self->vmm, self->asked++, _op, _buffer, _offset, _len)

#define EXPECT_ANSWER(_id, _error, _value) do {					\
	struct packet _p = answer(&self->vmm, &self->heard);			\
										\
	EXPECT_EQ(_id, _p.trans_id);						\
	EXPECT_EQ(11, _p.type);							\
	EXPECT_EQ(_error, _p.answer.error);					\
	EXPECT_EQ(_value, _p.answer.value);					\
} while (0)

#define EXPECT_DOES(_error, _value, _op, _buffer, _offset, _len) do {		\
	__u64 _id = PUT(_op, _buffer, _offset, _len);				\
										\
	ring_kick(self->vmm.fd);							\
	EXPECT_ANSWER(_id, _error, _value);					\
} while (0)

static __u32 crc32(const unsigned char *p, size_t len)
{
	__u32 crc = ~0u;
	int i;

	while (len--) {
		crc ^= *p++;
		for (i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

TEST_F(crc, sum)
{
	char *mem = self->vmm.mem;

	memset(mem, 0x5a, 2 * HV_PAGE);
	memcpy(mem + HV_PAGE - 4, "123456789", 9);
	EXPECT_EQ(0xcbf43926, crc32((unsigned char *)mem + HV_PAGE - 4, 9));
	EXPECT_GPADL(self->vmm.fd, RELID2, HANDLE, MEM_GPA, 2 * HV_PAGE);
	EXPECT_DOES(ENOENT, 0, VMBUS_CRC_SUM, HANDLE, 0, 1);
	EXPECT_DOES(0, 0, VMBUS_CRC_MAP, HANDLE, 0, 0);
	EXPECT_DOES(EBUSY, 0, VMBUS_CRC_MAP, HANDLE, 0, 0);
	EXPECT_DOES(0, 0xcbf43926, VMBUS_CRC_SUM, HANDLE, HV_PAGE - 4, 9);
	EXPECT_DOES(0, 0, VMBUS_CRC_SUM, HANDLE, 2 * HV_PAGE, 0);
	EXPECT_DOES(EINVAL, 0, VMBUS_CRC_SUM, HANDLE, 2 * HV_PAGE, 1);
	EXPECT_DOES(EINVAL, 0, VMBUS_CRC_SUM, HANDLE, ~0u, ~0u);
	EXPECT_DOES(0, 0, VMBUS_CRC_UNMAP, HANDLE, 0, 0);
	EXPECT_DOES(ENOENT, 0, VMBUS_CRC_UNMAP, HANDLE, 0, 0);
	EXPECT_DOES(EOPNOTSUPP, 0, 99, 0, 0, 0);
}

/* The guest names the rings of its channel as a buffer: they are none, and stay where they are. */
TEST_F(crc, rings_are_no_buffer)
{
	EXPECT_DOES(EBUSY, 0, VMBUS_CRC_MAP, RING_HANDLE, 0, 0);
	EXPECT_DOES(ENOENT, 0, VMBUS_CRC_SUM, RING_HANDLE, 0, 1);
	EXPECT_DOES(ENOENT, 0, VMBUS_CRC_UNMAP, RING_HANDLE, 0, 0);
	EXPECT_DOES(ENOENT, 0, VMBUS_CRC_SUM, RING_HANDLE, 0, 1);
}

/* More than may be under way at once, and more answers than fit into the ring */
TEST_F(crc, many)
{
	unsigned int i, n = RING_DATA / ASK_BYTES - 1;
	__u64 first;

	EXPECT_GPADL(self->vmm.fd, RELID2, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_DOES(0, 0, VMBUS_CRC_MAP, HANDLE, 0, 0);
	first = self->asked;
	for (i = 0; i < n; i++)
		PUT(VMBUS_CRC_UNMAP, HANDLE2, 0, 0);
	ring_kick(self->vmm.fd);
	for (i = 0; i < n; i++)
		EXPECT_ANSWER(first + i, ENOENT, 0);
}

TEST_F(crc, revoke)
{
	EXPECT_GPADL(self->vmm.fd, RELID2, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_DOES(0, 0, VMBUS_CRC_MAP, HANDLE, 0, 0);
	EXPECT_TEARDOWN(self->vmm.fd, RELID2, HANDLE);
	EXPECT_DOES(ENOENT, 0, VMBUS_CRC_UNMAP, HANDLE, 0, 0);
}

TEST_F(crc, close_unmaps)
{
	EXPECT_GPADL(self->vmm.fd, RELID2, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_DOES(0, 0, VMBUS_CRC_MAP, HANDLE, 0, 0);
	EXPECT_EQ(0, guest_close(self->vmm.fd, RELID2));
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) == 0));
}

TEST_F(crc, subchannels)
{
	struct vmbus_host_event event = { .size = sizeof(event) };

	EXPECT_DOES(EINVAL, 0, VMBUS_CRC_SUBCHANNELS_WANTED, 0, 0,
		    VMBUS_CRC_SUBCHANNELS + 1);
	EXPECT_DOES(0, 0, VMBUS_CRC_SUBCHANNELS_WANTED, 0, 0, 3);
	EXPECT_EQ(0, ioctl(self->vmm.fd, VMBUS_HOST_NEXT_EVENT, &event));
	EXPECT_EQ(VMBUS_HOST_EVENT_OFFER_SUBCHANNELS, event.type);
	EXPECT_EQ(3, event.value);
	self->create.primary = RELID2;
	self->create.relid = RELID2 + 1;
	self->create.index = 1;
	self->create.config = 0;
	EXPECT_EQ(0, create(self->vmm.fd, &self->create));
}

TEST_F(crc, config)
{
	EXPECT_EQ(0, vmm_destroy(self->vmm.fd, RELID2));
	self->config.max_requests = 0;
	EXPECT_EQ(-EINVAL, create(self->vmm.fd, &self->create));
	self->config.max_requests = VMBUS_CRC_MAX_REQUESTS + 1;
	EXPECT_EQ(-EINVAL, create(self->vmm.fd, &self->create));
	self->create.config = 0;
	EXPECT_EQ(-EINVAL, create(self->vmm.fd, &self->create));
}

/* ---- The smallest backend ---- */

FIXTURE(echo) {
	struct vmm vmm;
	unsigned int heard;
};

FIXTURE_SETUP(echo)
{
	/* 5f0c7a52-8d1e-4b39-a67e-14c93b206df8, as the wire has it */
	struct vmbus_host_channel_create arg = {
		.size = sizeof(arg),
		.relid = RELID2,
		.if_type = { 0x52, 0x7a, 0x0c, 0x5f, 0x1e, 0x8d, 0x39, 0x4b,
			     0xa6, 0x7e, 0x14, 0xc9, 0x3b, 0x20, 0x6d, 0xf8 },
	};
	struct vmm *v = &self->vmm;

	vmm_start(_metadata, v, MEM_ANON, 0);
	ASSERT_EQ(0, create(v->fd, &arg));
	EXPECT_GPADL(v->fd, RELID2, RING_HANDLE, RING_GPA, RING_BYTES);
	ASSERT_EQ(0, guest_open(v->fd, RELID2, 1, RING_HANDLE, RING_SPLIT));
	EXPECT_OPENED(v->fd, RELID2, 1);
}

FIXTURE_TEARDOWN(echo)
{
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

/* The next packet, which is as long as what was sent */
static struct packet echoed(struct vmm *v, unsigned int *heard)
{
	struct packet p = { .trans_id = ~0ull };

	ring_take(v->ring, heard, &p, ASK_BYTES - 8);
	return p;
}

TEST_F(echo, comes_back)
{
	struct packet p;

	put(&self->vmm, 7, 0x11223344, 2, 3, 0x55667788);
	ring_kick(self->vmm.fd);
	p = echoed(&self->vmm, &self->heard);
	EXPECT_EQ(11, p.type);
	EXPECT_EQ(7, p.trans_id);
	EXPECT_EQ(0x11223344, p.ask.op);
	EXPECT_EQ(0x55667788, p.ask.len);
}

/* Its ring is full of answers, and then the host's of packets: none is lost. */
TEST_F(echo, guest_that_reads_late)
{
	__u32 *answers = self->vmm.ring + RING_SPLIT * HV_PAGE;
	unsigned int i, n = RING_DATA / ASK_BYTES - 1;

	for (i = 0; i < n; i++)
		put(&self->vmm, i, 1, 2, 3, 4);
	ring_kick(self->vmm.fd);
	EXPECT_TRUE(WAIT_FOR(__atomic_load_n(answers, __ATOMIC_ACQUIRE) == n * ASK_BYTES));
	for (; i < 2 * n; i++)
		put(&self->vmm, i, 1, 2, 3, 4);
	ring_kick(self->vmm.fd);
	for (i = 0; i < 2 * n; i++)
		EXPECT_EQ(i, echoed(&self->vmm, &self->heard).trans_id);
}

TEST_HARNESS_MAIN
