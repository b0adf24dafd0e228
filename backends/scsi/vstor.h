/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The vstor protocol: what a guest's storvsc and its host say to each other in a channel's
 * rings.
 *
 * Pure code: bytes in, a verdict and an answer out. It knows of no channel, no target and
 * no memory but its arguments; tests/host runs it in user space. All it is given is a copy
 * that the guest cannot change any more.
 *
 *	BEGIN --BEGIN_INITIALIZATION--> VERSION --QUERY_PROTOCOL_VERSION, served-->
 *	PROPERTIES --QUERY_PROPERTIES--> END --END_INITIALIZATION--> READY
 *
 * CREATE_SUB_CHANNELS may come once in END, and as often as the guest likes in READY. What
 * comes out of order is answered with INVALID_DEVICE_STATE, and changes nothing. A close of
 * the primary channel leads back to BEGIN.
 *
 * Numbers of the wire are little endian, as is every host that this is built for.
 */
#ifndef _VMBUS_SCSI_VSTOR_H
#define _VMBUS_SCSI_VSTOR_H

#include <linux/build_bug.h>
#include <linux/types.h>

enum vstor_operation {
	VSTOR_COMPLETE_IO = 1,
	VSTOR_REMOVE_DEVICE = 2,
	VSTOR_EXECUTE_SRB = 3,
	VSTOR_RESET_LUN = 4,
	VSTOR_RESET_ADAPTER = 5,
	VSTOR_RESET_BUS = 6,
	VSTOR_BEGIN_INITIALIZATION = 7,
	VSTOR_END_INITIALIZATION = 8,
	VSTOR_QUERY_PROTOCOL_VERSION = 9,
	VSTOR_QUERY_PROPERTIES = 10,
	VSTOR_ENUMERATE_BUS = 11,
	VSTOR_FCHBA_DATA = 12,
	VSTOR_CREATE_SUB_CHANNELS = 13,
};

/* Versions: major << 8 | minor, in the order of Windows' releases */
#define VSTOR_VERSION_2_0	0x0200
#define VSTOR_VERSION_4_2	0x0402
#define VSTOR_VERSION_5_1	0x0501
#define VSTOR_VERSION_6_0	0x0600
#define VSTOR_VERSION_6_2	0x0602

/* NTSTATUS, in the header of an answer */
#define VSTOR_STATUS_SUCCESS			0x00000000u
#define VSTOR_STATUS_DEVICE_BUSY		0x80000011u
#define VSTOR_STATUS_INVALID_PARAMETER		0xC000000Du
#define VSTOR_STATUS_INVALID_DEVICE_REQUEST	0xC0000010u
#define VSTOR_STATUS_REVISION_MISMATCH		0xC0000059u
#define VSTOR_STATUS_DEVICE_DOES_NOT_EXIST	0xC00000C0u
#define VSTOR_STATUS_CANCELLED			0xC0000120u
#define VSTOR_STATUS_INVALID_DEVICE_STATE	0xC0000184u
#define VSTOR_STATUS_IO_DEVICE_ERROR		0xC0000185u

/* SRB status: a code, and a flag */
#define VSTOR_SRB_SUCCESS		0x01
#define VSTOR_SRB_ABORTED		0x02
#define VSTOR_SRB_ERROR			0x04
#define VSTOR_SRB_BUSY			0x05
#define VSTOR_SRB_INVALID_REQUEST	0x06
#define VSTOR_SRB_BUS_RESET		0x0e
#define VSTOR_SRB_INVALID_LUN		0x20
#define VSTOR_SRB_AUTOSENSE_VALID	0x80

/* Flags of a request block that matter here */
#define VSTOR_SRB_FLAG_DATA_IN		0x40u
#define VSTOR_SRB_FLAG_DATA_OUT		0x80u

/* Values of vstor_srb.data_in */
#define VSTOR_DATA_OUT		0
#define VSTOR_DATA_IN		1
#define VSTOR_DATA_NONE		2

#define VSTOR_CDB_MAX		16
#define VSTOR_SENSE_MAX		20

/* Flag of vstor_properties */
#define VSTOR_MULTI_CHANNEL	0x1u

/* SCSI request block; the last five fields since version 5.1 */
struct vstor_srb {
	u16 length;
	u8 srb_status;
	u8 scsi_status;
	u8 port;
	u8 path;
	u8 target;
	u8 lun;
	u8 cdb_length;
	u8 sense_length;
	u8 data_in;
	u8 reserved;
	u32 data_length;
	union {
		u8 cdb[VSTOR_CDB_MAX];
		u8 sense[VSTOR_SENSE_MAX];
	};
	u16 reserved2;
	u8 queue_tag;
	u8 queue_action;
	u32 flags;
	u32 timeout;
	u32 sort_key;
};

struct vstor_version {
	u16 version;
	u16 revision;
};

struct vstor_properties {
	u32 reserved;
	u16 max_channels;	/* that are sub-channels */
	u16 reserved1;
	u32 flags;
	u32 max_transfer_bytes;
	u32 reserved2[2];
};

struct vstor_packet {
	u32 operation;
	u32 flags;
	u32 status;
	union {
		struct vstor_srb srb;
		struct vstor_version version;
		struct vstor_properties properties;
		u16 subchannels;
		u8 bytes[52];
	};
};

static_assert(sizeof(struct vstor_packet) == 64);

#define VSTOR_HEADER_LEN	12u
#define VSTOR_LEN		64u
/* Without what 5.1 has added */
#define VSTOR_SHORT_LEN		48u

/* enum vstor_state - how far a guest's initialisation has come */
enum vstor_state {
	VSTOR_STATE_BEGIN,
	VSTOR_STATE_VERSION,
	VSTOR_STATE_PROPERTIES,
	VSTOR_STATE_END,
	VSTOR_STATE_READY,
};

/**
 * struct vstor - a controller, as far as the protocol knows it
 * @state: how far the guest's initialisation has come
 * @created: sub-channels were asked for before END
 * @version: agreed on, from PROPERTIES on
 * @max_subchannels: that the guest may ask for
 * @max_transfer_bytes: that the guest is told
 *
 * The last two are the owner's to set; the rest is for the primary channel to change.
 */
struct vstor {
	enum vstor_state state;
	bool created;
	u16 version;
	u16 max_subchannels;
	u32 max_transfer_bytes;
};

/**
 * enum vstor_verdict - what is to be done about a packet
 * @VSTOR_DO_ANSWER: send the answer, no more
 * @VSTOR_DO_OFFER: ask for as many sub-channels as the packet says, then answer
 * @VSTOR_DO_READY: answer; and sub-channels may go on
 * @VSTOR_DO_EXECUTE: a request block: vstor_command() tells what is to be done
 * @VSTOR_DO_RESET_LUN: reset one logical unit, then answer
 * @VSTOR_DO_RESET_ALL: reset all of them, then answer
 * @VSTOR_DO_WAIT: leave it in the ring until the controller is ready
 */
enum vstor_verdict {
	VSTOR_DO_ANSWER,
	VSTOR_DO_OFFER,
	VSTOR_DO_READY,
	VSTOR_DO_EXECUTE,
	VSTOR_DO_RESET_LUN,
	VSTOR_DO_RESET_ALL,
	VSTOR_DO_WAIT,
};

/**
 * enum vstor_direction - where the data of a command goes
 * @VSTOR_NO_DATA: there is none
 * @VSTOR_TO_GUEST: from the device to the guest
 * @VSTOR_FROM_GUEST: from the guest to the device
 */
enum vstor_direction {
	VSTOR_NO_DATA,
	VSTOR_TO_GUEST,
	VSTOR_FROM_GUEST,
};

/**
 * struct vstor_command - a request block that has been checked
 * @cdb: the command, zeroes behind it
 * @lun: logical unit
 * @elsewhere: on a path or a target where there is nothing
 * @direction: of the data; not VSTOR_NO_DATA for a command that is known to have a direction,
 *	even if @bytes is 0
 * @bytes: length of the data
 * @blocks: length of the data by the command, if that reads or writes blocks as they are: a
 *	device may do that in the guest's memory. Else 0
 * @asks: it asks what the device is: vstor_asks()
 */
struct vstor_command {
	u8 cdb[VSTOR_CDB_MAX];
	u8 lun;
	bool elsewhere;
	enum vstor_direction direction;
	u32 bytes;
	u32 blocks;
	bool asks;
};

/**
 * struct vstor_result - how a command ended
 * @srb_status: 0: follows from @scsi_status; else that
 * @scsi_status: SAM status
 * @sense: sense data; NULL if there is none
 * @sense_bytes: room of @sense
 * @bytes: that were transferred
 */
struct vstor_result {
	u8 srb_status;
	u8 scsi_status;
	const u8 *sense;
	size_t sense_bytes;
	u32 bytes;
};

void vstor_start(struct vstor *v);
size_t vstor_answer_len(size_t len);
enum vstor_verdict vstor_receive(struct vstor *v, bool primary, const struct vstor_packet *in,
				 size_t len, struct vstor_packet *answer);
bool vstor_command(const struct vstor_packet *in, size_t len, bool has_ranges, u32 max_bytes,
		   struct vstor_command *cmd);
bool vstor_ranges(void *header, size_t len, u32 bytes);
void vstor_complete(const struct vstor_result *result, struct vstor_packet *answer);
void vstor_reject(struct vstor_packet *answer);
size_t vstor_enumerate_bus(const struct vstor *v, struct vstor_packet *event);

/**
 * vstor_asks() - Does a command ask what a device is?
 * @cmd: the command
 *
 * hv_storvsc makes a success without data of whatever status such a command ends with: Linux takes
 * a disk that cannot answer MODE SENSE now for one without a write cache, and never flushes it, and
 * one that cannot answer INQUIRY for another device. So "later" is no answer.
 *
 * Context: any.
 * Return: true if so.
 */
static inline bool vstor_asks(const struct vstor_command *cmd)
{
	return cmd->asks;
}

/**
 * vstor_complete_good() - vstor_complete() of a command that ended with GOOD
 * @bytes: that were transferred
 * @answer: where the answer goes
 *
 * Context: any.
 */
static inline void vstor_complete_good(u32 bytes, struct vstor_packet *answer)
{
	*answer = (struct vstor_packet) {
		.operation = VSTOR_COMPLETE_IO,
		.status = VSTOR_STATUS_SUCCESS,
		.srb = {
			.length = sizeof(struct vstor_srb),
			.srb_status = VSTOR_SRB_SUCCESS,
			.cdb_length = VSTOR_CDB_MAX,
			.data_length = bytes,
		},
	};
}

/* Of logical units that are not there, and of what is there: lun.c */
#define VSTOR_LUNS	255	/* 0 to 254 */

/**
 * struct vstor_luns - which logical units there are
 * @bits: one each
 */
struct vstor_luns {
	unsigned long bits[256 / (8 * sizeof(long))];
};

bool vstor_has_lun(const struct vstor_luns *luns, unsigned int lun);
bool vstor_is_absent(const struct vstor_command *cmd, const struct vstor_luns *luns);
void vstor_absent(const struct vstor_command *cmd, const struct vstor_luns *luns,
		  struct vstor_result *result, u8 *data, size_t max, size_t *bytes);

/* Longest that vstor_absent() gives: REPORT LUNS of all */
#define VSTOR_ABSENT_DATA	(8 + 8 * VSTOR_LUNS)

#endif /* _VMBUS_SCSI_VSTOR_H */
