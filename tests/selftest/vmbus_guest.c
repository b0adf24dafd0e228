// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/vmbus_host.h>

#include "vmbus_guest.h"

/* ---- What a GPADL is made of ---- */

void gpadl_init(struct guest_gpadl *g, __u32 handle)
{
	g->handle = handle;
	g->nr_ranges = 0;
	g->nr_words = 0;
}

void gpadl_range(struct guest_gpadl *g, __u32 offset, __u32 count)
{
	g->words[g->nr_words++] = range_word(offset, count);
	g->nr_ranges++;
}

void gpadl_pages(struct guest_gpadl *g, __u64 pfn, __u32 nr)
{
	while (nr--)
		g->words[g->nr_words++] = pfn++;
}

void gpadl_simple(struct guest_gpadl *g, __u32 handle, __u64 gpa, size_t bytes)
{
	gpadl_init(g, handle);
	gpadl_range(g, 0, bytes);
	gpadl_pages(g, gpa / HV_PAGE, bytes / HV_PAGE);
}

/* ---- What the guest says ---- */

int guest_post(int fd, const void *msg, size_t len)
{
	ssize_t ret = write(fd, msg, len);

	if (ret < 0)
		return -errno;
	return (size_t)ret == len ? 0 : -EPROTO;
}

static int post_read_only(int fd, const void *msg, size_t len)
{
	struct vmbus_host_post post = {
		.size = sizeof(post),
		.flags = VMBUS_HOST_POST_GPADL_READ_ONLY,
		.len = len,
		.msg = (__u64)(unsigned long)msg,
	};

	return ioctl(fd, VMBUS_HOST_POST, &post) ? -errno : 0;
}

static int header(int fd, __u32 relid, __u32 handle, unsigned int nr_ranges,
		  unsigned int nr_all, const __u64 *words, unsigned int nr,
		  bool read_only)
{
	struct msg_header msg = {
		.type = MSG_GPADL_HEADER,
		.relid = relid,
		.handle = handle,
		.range_buflen = nr_all * 8,
		.rangecount = nr_ranges,
	};

	memcpy(msg.words, words, nr * 8);
	return read_only ? post_read_only(fd, &msg, HEADER_LEN(nr)) :
			   guest_post(fd, &msg, HEADER_LEN(nr));
}

int guest_header(int fd, __u32 relid, __u32 handle, unsigned int nr_ranges,
		 unsigned int nr_all, const __u64 *words, unsigned int nr)
{
	return header(fd, relid, handle, nr_ranges, nr_all, words, nr, false);
}

int guest_body(int fd, __u32 handle, __u32 msgnumber, const __u64 *words,
	       unsigned int nr)
{
	struct msg_body msg = {
		.type = MSG_GPADL_BODY,
		.msgnumber = msgnumber,
		.handle = handle,
	};

	memcpy(msg.words, words, nr * 8);
	return guest_post(fd, &msg, BODY_LEN(nr));
}

static unsigned int at_most(unsigned int n, unsigned int most)
{
	return n < most ? n : most;
}

int guest_gpadl(int fd, __u32 relid, const struct guest_gpadl *g, bool read_only)
{
	unsigned int done = at_most(g->nr_words, HEADER_WORDS);
	__u32 msgnumber = 0;
	int ret;

	ret = header(fd, relid, g->handle, g->nr_ranges, g->nr_words, g->words, done,
		     read_only);
	while (!ret && done < g->nr_words) {
		unsigned int nr = at_most(g->nr_words - done, BODY_WORDS);

		ret = guest_body(fd, g->handle, msgnumber++, g->words + done, nr);
		done += nr;
	}
	return ret;
}

int guest_teardown(int fd, __u32 relid, __u32 handle)
{
	struct msg_teardown msg = {
		.type = MSG_GPADL_TEARDOWN,
		.relid = relid,
		.handle = handle,
	};

	return guest_post(fd, &msg, sizeof(msg));
}

int guest_open(int fd, __u32 relid, __u32 openid, __u32 ring_handle, __u32 ring_page)
{
	struct msg_open msg = {
		.type = MSG_OPENCHANNEL,
		.relid = relid,
		.openid = openid,
		.ring_handle = ring_handle,
		.ring_page = ring_page,
		.userdata = GUEST_USERDATA,
	};

	return guest_post(fd, &msg, sizeof(msg));
}

static int post_channel(int fd, __u32 type, __u32 relid)
{
	struct msg_channel msg = { .type = type, .relid = relid };

	return guest_post(fd, &msg, sizeof(msg));
}

int guest_close(int fd, __u32 relid)
{
	return post_channel(fd, MSG_CLOSECHANNEL, relid);
}

int guest_released(int fd, __u32 relid)
{
	return post_channel(fd, MSG_RELID_RELEASED, relid);
}

/* ---- What the guest hears ---- */

/* The length that a message of this type has */
static int reply_len(__u32 type)
{
	return type == MSG_GPADL_TORNDOWN ? 12 : 20;
}

struct reply reply_parse(const __u32 *msg, int len)
{
	struct reply r = { .len = len, .type = msg[0] };

	if (r.len != reply_len(r.type))
		r.len = -EPROTO;

	switch (r.type) {
	case MSG_GPADL_CREATED:
		r.relid = msg[2];
		r.handle = msg[3];
		r.status = msg[4];
		break;
	case MSG_GPADL_TORNDOWN:
		r.handle = msg[2];
		break;
	case MSG_OPENCHANNEL_RESULT:
		r.relid = msg[2];
		r.openid = msg[3];
		r.status = msg[4];
		break;
	default:
		r.len = -EPROTO;
	}
	return r;
}

struct reply reply_read(int fd)
{
	__u32 msg[VMBUS_HOST_MSG_MAX / 4] = {};
	int len = read(fd, msg, sizeof(msg));

	if (len < 0)
		return (struct reply){ .len = -errno };
	return reply_parse(msg, len);
}

struct reply reply_wait(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (poll(&p, 1, 20000) != 1)
		return (struct reply){ .len = -ETIMEDOUT };
	return reply_read(fd);
}
