/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a guest says on VMBus, and what it hears: the messages of GPADLs and channels,
 * written to and read from a file of /dev/vmbus-host.
 *
 * Functions return 0, or a negative errno.
 */
#ifndef _VMBUS_GUEST_H
#define _VMBUS_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#define HV_PAGE			4096u
#define MSG_MAX			240

enum msg_type {
	MSG_OPENCHANNEL = 5,
	MSG_OPENCHANNEL_RESULT = 6,
	MSG_CLOSECHANNEL = 7,
	MSG_GPADL_HEADER = 8,
	MSG_GPADL_BODY = 9,
	MSG_GPADL_CREATED = 10,
	MSG_GPADL_TEARDOWN = 11,
	MSG_GPADL_TORNDOWN = 12,
	MSG_RELID_RELEASED = 13,
};

#define STATUS_SUCCESS			0x00000000u
#define STATUS_INVALID_PARAMETER	0xC000000Du
#define STATUS_NO_SUCH_DEVICE		0xC000000Eu
#define STATUS_OBJECT_NAME_COLLISION	0xC0000035u
#define STATUS_QUOTA_EXCEEDED		0xC0000044u
#define STATUS_CANCELLED		0xC0000120u

#define HEADER_WORDS	27
#define BODY_WORDS	28
#define GPADL_WORDS	8191

/* The words of a HEADER are not aligned. */
#pragma pack(push, 4)
struct msg_header {
	__u32 type;
	__u32 padding;
	__u32 relid;
	__u32 handle;
	__u16 range_buflen;
	__u16 rangecount;
	__u64 words[HEADER_WORDS];
};

#pragma pack(pop)

struct msg_body {
	__u32 type;
	__u32 padding;
	__u32 msgnumber;
	__u32 handle;
	__u64 words[BODY_WORDS];
};

struct msg_teardown {
	__u32 type;
	__u32 padding;
	__u32 relid;
	__u32 handle;
};

struct msg_open {
	__u32 type;
	__u32 padding;
	__u32 relid;
	__u32 openid;
	__u32 ring_handle;
	__u32 target_vp;
	__u32 ring_page;
	__u8 userdata[120];
};

/* CLOSECHANNEL, RELID_RELEASED */
struct msg_channel {
	__u32 type;
	__u32 padding;
	__u32 relid;
};

#define HEADER_LEN(nr_words)	(offsetof(struct msg_header, words) + (nr_words) * 8)
#define BODY_LEN(nr_words)	(offsetof(struct msg_body, words) + (nr_words) * 8)

/* A GPADL: all its ranges, as the words that HEADER and BODYs carry */
struct guest_gpadl {
	__u32 handle;
	__u32 nr_ranges;
	__u32 nr_words;
	__u64 words[GPADL_WORDS];
};

/* Begin a range; its pages follow */
static inline __u64 range_word(__u32 offset, __u32 count)
{
	return count | (__u64)offset << 32;
}

void gpadl_init(struct guest_gpadl *g, __u32 handle);
void gpadl_range(struct guest_gpadl *g, __u32 offset, __u32 count);
void gpadl_pages(struct guest_gpadl *g, __u64 pfn, __u32 nr);
/* One range of whole pages that adjoin */
void gpadl_simple(struct guest_gpadl *g, __u32 handle, __u64 gpa, size_t bytes);

/* The guest posts one message */
int guest_post(int fd, const void *msg, size_t len);
/* ... a HEADER with these words, of a GPADL that needs @nr_all */
int guest_header(int fd, __u32 relid, __u32 handle, unsigned int nr_ranges,
		 unsigned int nr_all, const __u64 *words, unsigned int nr);
int guest_body(int fd, __u32 handle, __u32 msgnumber, const __u64 *words,
	       unsigned int nr);
int guest_teardown(int fd, __u32 relid, __u32 handle);
/* ... to open a channel, with these words for the backend */
#define GUEST_USERDATA		"hello"
int guest_open(int fd, __u32 relid, __u32 openid, __u32 ring_handle, __u32 ring_page);
int guest_close(int fd, __u32 relid);
int guest_released(int fd, __u32 relid);
/* ... a GPADL, in as many messages as it takes; @read_only: without write access */
int guest_gpadl(int fd, __u32 relid, const struct guest_gpadl *g, bool read_only);

/* A message for the guest; @len is a negative errno if there is none. */
struct reply {
	int len;
	__u32 type;
	__u32 relid;
	__u32 handle;
	__u32 openid;
	__u32 status;
};

struct reply reply_parse(const __u32 *msg, int len);	/* what read() has returned */
struct reply reply_read(int fd);	/* at once */
struct reply reply_wait(int fd);	/* waits, -ETIMEDOUT after long */

#endif /* _VMBUS_GUEST_H */
