/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fixtures of the tests share: a VMM with memory, a channel and a backend, and
 * the look, after each test, that nothing of ours stays pinned.
 */
#ifndef _FIXTURE_H
#define _FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "layout.h"
#include "vmbus_guest.h"
#include "vmm.h"

/* What the VMM is charged: if its memory is resident, all of it, whatever is mapped */
#define ALL_KB		(RING_KB + MEM_BYTES / 1024)
#define CHARGED_KB(on_demand)	(vmm_resident ? ALL_KB : (on_demand))

/* ---- Ioctls ---- */

#define EXPECT_IOCTL_ERRNO(_errno, _fd, _cmd, _arg) do {	\
	EXPECT_EQ(-1, ioctl(_fd, _cmd, _arg));			\
	EXPECT_EQ(_errno, errno);				\
} while (0)

/* ---- Replies ---- */

#define EXPECT_CREATED(_fd, _relid, _handle, _status) do {	\
	struct reply _r = reply_wait(_fd);			\
								\
	EXPECT_EQ(20, _r.len);					\
	EXPECT_EQ(MSG_GPADL_CREATED, _r.type);			\
	EXPECT_EQ(_relid, _r.relid);				\
	EXPECT_EQ(_handle, _r.handle);				\
	EXPECT_EQ(_status, _r.status);				\
} while (0)

#define EXPECT_TORNDOWN(_fd, _handle) do {			\
	struct reply _r = reply_wait(_fd);			\
								\
	EXPECT_EQ(12, _r.len);					\
	EXPECT_EQ(MSG_GPADL_TORNDOWN, _r.type);			\
	EXPECT_EQ(_handle, _r.handle);				\
} while (0)

#define EXPECT_OPENED(_fd, _relid, _openid) do {		\
	struct reply _r = reply_wait(_fd);			\
								\
	EXPECT_EQ(20, _r.len);					\
	EXPECT_EQ(MSG_OPENCHANNEL_RESULT, _r.type);		\
	EXPECT_EQ(_relid, _r.relid);				\
	EXPECT_EQ(_openid, _r.openid);				\
	EXPECT_EQ(STATUS_SUCCESS, _r.status);			\
} while (0)

#define EXPECT_NOT_OPENED(_fd, _relid, _openid) do {		\
	struct reply _r = reply_wait(_fd);			\
								\
	EXPECT_EQ(20, _r.len);					\
	EXPECT_EQ(MSG_OPENCHANNEL_RESULT, _r.type);		\
	EXPECT_EQ(_relid, _r.relid);				\
	EXPECT_EQ(_openid, _r.openid);				\
	EXPECT_NE(STATUS_SUCCESS, _r.status);			\
} while (0)

#define EXPECT_SILENCE(_fd)	EXPECT_EQ(-EAGAIN, reply_read(_fd).len)

/* A GPADL of adjoining pages that is accepted */
#define EXPECT_GPADL(_fd, _relid, _handle, _gpa, _bytes) do {	\
	int __fd = (_fd);					\
	__u32 __relid = (_relid);				\
	struct guest_gpadl _g;					\
								\
	gpadl_simple(&_g, _handle, _gpa, _bytes);		\
	EXPECT_EQ(0, guest_gpadl(__fd, __relid, &_g, false));	\
	EXPECT_CREATED(__fd, __relid, _g.handle, STATUS_SUCCESS); \
} while (0)

#define EXPECT_TEARDOWN(_fd, _relid, _handle) do {		\
	__u32 __handle = (_handle);				\
	int __fd = (_fd);					\
								\
	EXPECT_EQ(0, guest_teardown(__fd, _relid, __handle));	\
	EXPECT_TORNDOWN(__fd, __handle);			\
} while (0)

/* ---- The VMM ---- */

/* A partition with guest memory and a channel; its file does not block. */
static inline void vmm_start(struct __test_metadata *_metadata, struct vmm *v,
			     enum memory kind, unsigned int instance)
{
	v->backend = -1;
	v->instance = instance;
	v->mem = memory_alloc(kind, MEM_BYTES);
	v->ring = memory_alloc(MEM_ANON, RING_BYTES);
	ASSERT_NE(NULL, v->mem);
	ASSERT_NE(NULL, v->ring);
	v->fd = open("/dev/vmbus-host", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, v->fd);
	ASSERT_EQ(0, vmm_create(v->fd));
	ASSERT_EQ(0, vmm_region(v->fd, MEM_SLOT, 0, MEM_GPA, MEM_BYTES, v->mem));
	ASSERT_EQ(0, vmm_region(v->fd, RING_SLOT, 0, RING_GPA, RING_BYTES, v->ring));
	ASSERT_EQ(0, vmm_channel(v->fd, RELID, instance, NULL));
}

/* The guest opens the channel, and the test is its backend. */
static inline void vmm_open_channel(struct __test_metadata *_metadata, struct vmm *v)
{
	memset(v->ring, 0, RING_BYTES);
	EXPECT_GPADL(v->fd, RELID, RING_HANDLE, RING_GPA, RING_BYTES);
	ASSERT_EQ(0, guest_open(v->fd, RELID, 1, RING_HANDLE, RING_SPLIT));
	EXPECT_OPENED(v->fd, RELID, 1);
	v->backend = backend_open(v->instance);
	ASSERT_LE(0, v->backend);
}

static inline void vmm_stop(struct vmm *v)
{
	if (v->backend >= 0)
		close(v->backend);
	if (v->fd >= 0)
		close(v->fd);
	v->backend = -1;
	v->fd = -1;
}

/* To be called when nothing of the test is open any more; what is left goes by itself. */
static inline void expect_nothing_pinned(struct __test_metadata *_metadata)
{
	EXPECT_TRUE(WAIT_FOR(pinned_pages() == 0))
		TH_LOG("%ld pages are pinned", pinned_pages());
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) == 0))
		TH_LOG("%ld kB are charged", pinned_kb(0));
}

#endif /* _FIXTURE_H */
