/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest's driver of a synthetic SCSI controller: what it puts into its ring, and what
 * comes back.
 *
 * Functions return 0, or a negative errno.
 */
#ifndef _SCSI_GUEST_H
#define _SCSI_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#include "vmbus_guest.h"

/* Data pages of each of a channel's two rings */
#define SCSI_RING_DATA	(8 * HV_PAGE)
#define SCSI_RING_SPLIT	(1 + SCSI_RING_DATA / HV_PAGE)
#define SCSI_RING_BYTES	(2 * SCSI_RING_SPLIT * HV_PAGE)

enum vstor_op {
	OP_COMPLETE_IO = 1,
	OP_REMOVE_DEVICE = 2,
	OP_EXECUTE_SRB = 3,
	OP_RESET_LUN = 4,
	OP_RESET_ADAPTER = 5,
	OP_RESET_BUS = 6,
	OP_BEGIN = 7,
	OP_END = 8,
	OP_VERSION = 9,
	OP_PROPERTIES = 10,
	OP_ENUMERATE_BUS = 11,
	OP_SUBCHANNELS = 13,
};

struct vstor_msg {
	__u32 op;
	__u32 flags;
	__u32 status;
	union {
		struct {
			__u16 length;
			__u8 srb_status;
			__u8 scsi_status;
			__u8 port;
			__u8 path;
			__u8 target;
			__u8 lun;
			__u8 cdb_length;
			__u8 sense_length;
			__u8 data_in;
			__u8 reserved;
			__u32 data_length;
			union {
				__u8 cdb[16];
				__u8 sense[20];
			};
			__u16 reserved2;
			__u8 queue_tag;
			__u8 queue_action;
			__u32 srb_flags;
			__u32 timeout;
			__u32 sort_key;
		};
		struct {
			__u16 version;
			__u16 revision;
		};
		struct {
			__u32 p_reserved;
			__u16 max_channels;
			__u16 p_reserved1;
			__u32 p_flags;
			__u32 max_transfer;
		};
		__u16 subchannels;
		__u8 bytes[52];
	};
};

/* What came back: @id ~0 if nothing did */
struct vstor_reply {
	__u64 id;
	__u16 type;
	__u16 flags;
	unsigned int len;	/* payload */
	struct vstor_msg msg;
};

/* A channel. @gpa, @ring: where its rings are */
struct scsi_chan {
	int fd;
	__u32 relid;
	__u32 handle;
	__u64 gpa;
	char *ring;
	int kick_fd;
	__u32 heard;
	unsigned int events;	/* ENUMERATE_BUS that have come */
	__u64 next_id;
};

/* A command, and where its data is: in one range from @gpa on, of @pages pages that adjoin */
struct scsi_cmd {
	__u8 path, target, lun;
	__u8 cdb[16];
	unsigned int cdb_len;
	unsigned int dir;	/* DIR_* */
	__u64 gpa;
	__u32 bytes;
	bool ordered;
};

#define DIR_OUT		0
#define DIR_IN		1
#define DIR_NONE	2

int scsi_chan_open(struct scsi_chan *c);	/* posts; the reply is the caller's */
void scsi_put(struct scsi_chan *c, __u16 type, __u16 flags, __u64 id, const void *header,
	      unsigned int header_len, const void *payload, unsigned int len);
void scsi_kick(struct scsi_chan *c);
struct vstor_reply scsi_next(struct scsi_chan *c);	/* the next answer; waits, long */
bool scsi_hears_event(struct scsi_chan *c);		/* ENUMERATE_BUS has come */
bool scsi_is_quiet(struct scsi_chan *c);		/* nothing waits to be read */

/* One packet without data, and its answer */
struct vstor_reply scsi_ask(struct scsi_chan *c, const struct vstor_msg *msg,
			    unsigned int len);
struct vstor_reply scsi_op(struct scsi_chan *c, __u32 op);
/* The whole initialisation; the status of what failed, or 0 */
__u32 scsi_init(struct scsi_chan *c, __u16 version);

__u64 scsi_send(struct scsi_chan *c, const struct scsi_cmd *cmd);	/* its id; no kick */
struct vstor_reply scsi_do(struct scsi_chan *c, const struct scsi_cmd *cmd);

/* Commands */
struct scsi_cmd cmd_plain(__u8 opcode);			/* 6 bytes, no data */
struct scsi_cmd cmd_inquiry(int page, __u64 gpa, __u16 bytes);	/* page < 0: none */
struct scsi_cmd cmd_report_luns(__u64 gpa, __u32 bytes);
struct scsi_cmd cmd_rw(bool write, __u64 lba, __u32 blocks, __u64 gpa);

#endif /* _SCSI_GUEST_H */
