/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of devices share: the backend vmbus_device_test.ko, what it is told and what
 * it tells, and its channels.
 */
#ifndef _DEVICE_FIXTURE_H
#define _DEVICE_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

#include "../module/vmbus_device_test.h"
#include "fixture.h"
#include "machine.h"

#define DEBUGFS		"/sys/kernel/debug/vmbus_device_test/"
#define SUB_RELID(_i)	(RELID + (_i))
#define SUB_HANDLE(_i)	(RING_HANDLE + 0x100 + (_i))
#define NR_RINGS	(1 + VMBUS_DEVICE_TEST_SUBCHANNELS)

static const __u8 if_type[16] = VMBUS_DEVICE_TEST_IF_TYPE;

/* ---- The backend ---- */

static inline void read_file(const char *name, char *text, size_t size)
{
	char path[128];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), DEBUGFS "%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? 0 : read(fd, text, size - 1);
	text[len < 0 ? 0 : len] = 0;
	close(fd);
}

/* What was called since the last look */
static inline const char *backend_log(void)
{
	static char text[4096];

	read_file("log", text, sizeof(text));
	return text;
}

struct counts {
	unsigned int taken, done, stray, chained, here;
};

static inline struct counts counts(void)
{
	struct counts c = { ~0u, ~0u, ~0u };
	char text[128];

	read_file("counts", text, sizeof(text));
	if (sscanf(text, "taken %u done %u stray %u chained %u here %u", &c.taken, &c.done,
		   &c.stray, &c.chained, &c.here) != 5)
		c.taken = ~0u;
	return c;
}

static inline int control(const char *what)
{
	return file_write(DEBUGFS "control", what);
}

/* ---- Channels ---- */

static inline int create(int fd, struct vmbus_host_channel_create *arg)
{
	return ioctl(fd, VMBUS_HOST_CHANNEL_CREATE, arg) ? -errno : 0;
}

static inline int create_sub(int fd, const struct vmbus_host_channel_create *primary,
			     unsigned int index)
{
	struct vmbus_host_channel_create arg = *primary;

	arg.relid = SUB_RELID(index);
	arg.primary = RELID;
	arg.index = index;
	arg.config = 0;
	return create(fd, &arg);
}

/* Open channel @index, the rings of which are GPADL SUB_HANDLE(@index) */
#define EXPECT_CHANNEL_OPENS(_index) do {					\
	unsigned int __i = (_index);						\
										\
	EXPECT_EQ(0, guest_open(self->fd, SUB_RELID(__i), __i, SUB_HANDLE(__i),	\
				RING_SPLIT));					\
	EXPECT_OPENED(self->fd, SUB_RELID(__i), __i);				\
} while (0)

#define EXPECT_CHANNEL_IS_REFUSED(_index) do {					\
	unsigned int __i = (_index);						\
										\
	EXPECT_EQ(0, guest_open(self->fd, SUB_RELID(__i), __i, SUB_HANDLE(__i),	\
				RING_SPLIT));					\
	EXPECT_NOT_OPENED(self->fd, SUB_RELID(__i), __i);			\
} while (0)

#define EXPECT_RINGS(_index) do {						\
	unsigned int __i = (_index);						\
										\
	EXPECT_GPADL(self->fd, SUB_RELID(__i), SUB_HANDLE(__i),			\
		     RING_GPA + __i * RING_BYTES, RING_BYTES);			\
} while (0)

/* A device with its primary channel and @_nr_subs sub-channels, all open */
#define EXPECT_DEVICE(_nr_subs) do {						\
	unsigned int _i, _nr = (_nr_subs);					\
										\
	EXPECT_EQ(0, create(self->fd, &self->create));				\
	for (_i = 0; _i <= _nr; _i++) {						\
		if (_i)								\
			EXPECT_EQ(0, create_sub(self->fd, &self->create, _i));	\
		EXPECT_RINGS(_i);						\
		EXPECT_CHANNEL_OPENS(_i);					\
	}									\
} while (0)

#define EXPECT_LOG(_text)	EXPECT_STREQ(_text, backend_log())

#endif /* _DEVICE_FIXTURE_H */
