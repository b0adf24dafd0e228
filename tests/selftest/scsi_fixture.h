/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of the SCSI backend share: a target with a disk, and a guest that has
 * opened its controller.
 */
#ifndef _SCSI_FIXTURE_H
#define _SCSI_FIXTURE_H

#include <sys/eventfd.h>
#include <sys/stat.h>
#include <linux/vmbus_host_scsi.h>

#include "fixture.h"
#include "scsi_guest.h"
#include "target.h"

#define BLOCK		512u
#define DISK_BLOCKS	16384u
#define DISK_BYTES	(DISK_BLOCKS * BLOCK)
#define DISK_FILE	"/tmp/scsi.img"

#define MAX_CHANNELS	4

#define GOOD			0x00
#define CHECK_CONDITION		0x02
#define SRB_SUCCESS		0x01
#define SRB_ERROR		0x04
#define SRB_INVALID_REQUEST	0x06
#define SRB_BUS_RESET		0x0e
#define TASK_ABORTED		0x40
#define SRB_INVALID_LUN		0x20
#define AUTOSENSE		0x80

#define STATUS_REVISION_MISMATCH	0xC0000059u
#define STATUS_INVALID_DEVICE_REQUEST	0xC0000010u
#define STATUS_DEVICE_BUSY	0x80000011u
#define STATUS_INVALID_DEVICE_STATE	0xC0000184u

struct scsi_vmm {
	int fd;
	char *mem;	/* of the guest, at MEM_GPA */
	char *ring;	/* of all channels, at RING_GPA */
	struct vmbus_host_scsi_config config;
	struct scsi_chan chan[MAX_CHANNELS];	/* [0] is the primary one */
};

static inline int scsi_create(struct scsi_vmm *v, unsigned int index)
{
	const __u8 type[16] = VMBUS_HOST_SCSI_IF_TYPE;
	struct scsi_chan *c = &v->chan[index];
	struct vmbus_host_signals signals = {
		.size = sizeof(signals),
		.kick_fd = c->kick_fd,
		.call_fd = -1,
	};
	struct vmbus_host_channel_create create = {
		.size = sizeof(create),
		.relid = c->relid,
		.primary = index ? v->chan[0].relid : 0,
		.index = index,
		.signals = PTR(&signals),
		.config = index ? 0 : PTR(&v->config),
	};

	memcpy(create.if_type, type, sizeof(type));
	return ioctl(v->fd, VMBUS_HOST_CHANNEL_CREATE, &create) ? -errno : 0;
}

static inline void disk_make(struct __test_metadata *_metadata, const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	__u64 i, block[BLOCK / 8];

	ASSERT_LE(0, fd);
	/* Each block says which it is. */
	for (i = 0; i < DISK_BLOCKS; i++) {
		memset(block, i & 0xff, sizeof(block));
		block[0] = i;
		ASSERT_EQ(BLOCK, pwrite(fd, block, BLOCK, i * BLOCK));
	}
	close(fd);
}

static inline void scsi_vmm_start(struct __test_metadata *_metadata, struct scsi_vmm *v)
{
	unsigned int i;

	v->config = (struct vmbus_host_scsi_config){
		.size = sizeof(v->config),
		.wwpn = TARGET_WWPN,
		.tpgt = TARGET_TAG,
		.subchannels = MAX_CHANNELS - 1,
	};
	v->mem = memory_alloc(MEM_ANON, MEM_BYTES);
	v->ring = memory_alloc(MEM_ANON, MAX_CHANNELS * SCSI_RING_BYTES);
	ASSERT_NE(NULL, v->mem);
	ASSERT_NE(NULL, v->ring);
	v->fd = open("/dev/vmbus-host", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, v->fd);
	ASSERT_EQ(0, vmm_create(v->fd));
	ASSERT_EQ(0, vmm_region(v->fd, MEM_SLOT, 0, MEM_GPA, MEM_BYTES, v->mem));
	ASSERT_EQ(0, vmm_region(v->fd, RING_SLOT, 0, RING_GPA,
				MAX_CHANNELS * SCSI_RING_BYTES, v->ring));
	for (i = 0; i < MAX_CHANNELS; i++) {
		v->chan[i] = (struct scsi_chan){
			.fd = v->fd,
			.relid = RELID + i,
			.handle = RING_HANDLE + i,
			.gpa = RING_GPA + i * SCSI_RING_BYTES,
			.ring = v->ring + i * SCSI_RING_BYTES,
			.kick_fd = eventfd(0, EFD_CLOEXEC),
		};
		ASSERT_LE(0, v->chan[i].kick_fd);
	}
}

static inline void scsi_vmm_stop(struct scsi_vmm *v)
{
	unsigned int i;

	if (v->fd >= 0)
		close(v->fd);
	v->fd = -1;
	for (i = 0; i < MAX_CHANNELS; i++) {
		if (v->chan[i].kick_fd >= 0)
			close(v->chan[i].kick_fd);
		v->chan[i].kick_fd = -1;
	}
}

#define OPEN_CHANNEL(_v, _i) do {						\
	struct scsi_chan *_c = &(_v)->chan[_i];					\
										\
	EXPECT_GPADL(_c->fd, _c->relid, _c->handle, _c->gpa, SCSI_RING_BYTES);	\
	ASSERT_EQ(0, scsi_chan_open(_c));					\
	EXPECT_OPENED(_c->fd, _c->relid, _c->relid);				\
} while (0)

/* The answer to a command: SRB and SCSI status, and bytes */
#define EXPECT_SRB(_r, _srb, _scsi, _bytes) do {				\
	const struct vstor_reply _a = (_r);					\
										\
	EXPECT_NE(~0ull, _a.id);						\
	EXPECT_EQ(11, _a.type);							\
	EXPECT_EQ(64, _a.len);							\
	EXPECT_EQ(OP_COMPLETE_IO, _a.msg.op);					\
	EXPECT_EQ(_srb, _a.msg.srb_status);					\
	EXPECT_EQ(_scsi, _a.msg.scsi_status);					\
	EXPECT_EQ(_bytes, _a.msg.data_length);					\
} while (0)

#define EXPECT_GOOD(_r, _bytes)	EXPECT_SRB(_r, SRB_SUCCESS, GOOD, _bytes)

#define EXPECT_SENSE(_r, _srb, _key, _asc, _ascq) do {				\
	const struct vstor_reply _s = (_r);					\
										\
	EXPECT_SRB(_s, (_srb) | AUTOSENSE, CHECK_CONDITION, 0);			\
	EXPECT_LE(14, _s.msg.sense_length);					\
	EXPECT_GE(20, _s.msg.sense_length);					\
	EXPECT_EQ(_key, _s.msg.sense[2] & 0xf);					\
	EXPECT_EQ(_asc, _s.msg.sense[12]);					\
	EXPECT_EQ(_ascq, _s.msg.sense[13]);					\
} while (0)

#endif /* _SCSI_FIXTURE_H */
