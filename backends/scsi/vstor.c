// SPDX-License-Identifier: GPL-2.0
/*
 * The vstor protocol: packets of initialisation, request blocks and their answers. vstor.h
 * has the states.
 *
 * A guest that says nonsense gets an answer, for each packet that asks for one: a request
 * that is never answered hangs a Linux guest for good, since its timer always starts anew.
 */
#include <linux/compiler.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "vstor.h"

/* SAM status */
#define SAM_GOOD			0x00
#define SAM_CHECK_CONDITION		0x02
#define SAM_CONDITION_MET		0x04
#define SAM_BUSY			0x08
#define SAM_TASK_SET_FULL		0x28
#define SAM_TASK_ABORTED		0x40

/* Fixed format: response code, key, additional length, ASC */
#define SENSE_INVALID_FIELD_IN_CDB						\
	{ 0x70, 0, 0x05, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0, 0, 0, 0, 0 }

/* ---- Initialisation ---- */

/**
 * vstor_start() - Begin as after a close of the primary channel
 * @v: the controller
 *
 * Context: any.
 */
void vstor_start(struct vstor *v)
{
	WRITE_ONCE(v->state, VSTOR_STATE_BEGIN);
	v->created = false;
	v->version = 0;
}

/**
 * vstor_answer_len() - How long the answer to a packet is
 * @len: payload of that packet
 *
 * As long as the packet: Windows insists on the length of the version that was agreed on,
 * and older guests on the shorter one. But never shorter than the shortest of any version,
 * and never longer than the longest: Linux takes exactly that, and has no room for more.
 *
 * Context: any.
 * Return: payload in bytes.
 */
size_t vstor_answer_len(size_t len)
{
	if (len <= VSTOR_SHORT_LEN)
		return VSTOR_SHORT_LEN;
	return min_t(size_t, len, VSTOR_LEN);
}

static bool version_is_served(u16 version)
{
	switch (version) {
	case VSTOR_VERSION_2_0:
	case VSTOR_VERSION_4_2:
	case VSTOR_VERSION_5_1:
	case VSTOR_VERSION_6_0:
	case VSTOR_VERSION_6_2:
		return true;
	default:
		return false;
	}
}

static u16 subchannels_offered(const struct vstor *v)
{
	return v->version >= VSTOR_VERSION_5_1 ? v->max_subchannels : 0;
}

static u32 answer_version(struct vstor *v, const struct vstor_packet *in,
			  struct vstor_packet *answer)
{
	answer->version = in->version;
	/* The guest tries another one. */
	if (!version_is_served(in->version.version))
		return VSTOR_STATUS_REVISION_MISMATCH;
	v->version = in->version.version;
	v->state = VSTOR_STATE_PROPERTIES;
	return VSTOR_STATUS_SUCCESS;
}

static void answer_properties(struct vstor *v, struct vstor_packet *answer)
{
	answer->properties.max_channels = subchannels_offered(v);
	answer->properties.flags = subchannels_offered(v) ? VSTOR_MULTI_CHANNEL : 0;
	answer->properties.max_transfer_bytes = v->max_transfer_bytes;
	v->state = VSTOR_STATE_END;
}

static enum vstor_verdict create_subchannels(struct vstor *v, const struct vstor_packet *in,
					     struct vstor_packet *answer)
{
	if (in->subchannels > subchannels_offered(v)) {
		answer->status = VSTOR_STATUS_INVALID_PARAMETER;
		return VSTOR_DO_ANSWER;
	}
	v->created = true;
	return in->subchannels ? VSTOR_DO_OFFER : VSTOR_DO_ANSWER;
}

static bool belongs_here(const struct vstor *v, u32 operation)
{
	switch (operation) {
	case VSTOR_BEGIN_INITIALIZATION:
		return v->state == VSTOR_STATE_BEGIN;
	case VSTOR_QUERY_PROTOCOL_VERSION:
		return v->state == VSTOR_STATE_VERSION;
	case VSTOR_QUERY_PROPERTIES:
		return v->state == VSTOR_STATE_PROPERTIES;
	case VSTOR_CREATE_SUB_CHANNELS:
		return v->state == VSTOR_STATE_READY ||
		       (v->state == VSTOR_STATE_END && !v->created);
	default:
		return v->state == VSTOR_STATE_END;
	}
}

/* An operation of the initialisation, on the primary channel */
static enum vstor_verdict initialise(struct vstor *v, const struct vstor_packet *in,
				     struct vstor_packet *answer)
{
	if (!belongs_here(v, in->operation)) {
		answer->status = VSTOR_STATUS_INVALID_DEVICE_STATE;
		return VSTOR_DO_ANSWER;
	}
	answer->status = VSTOR_STATUS_SUCCESS;
	switch (in->operation) {
	case VSTOR_BEGIN_INITIALIZATION:
		v->state = VSTOR_STATE_VERSION;
		return VSTOR_DO_ANSWER;
	case VSTOR_QUERY_PROTOCOL_VERSION:
		answer->status = answer_version(v, in, answer);
		return VSTOR_DO_ANSWER;
	case VSTOR_QUERY_PROPERTIES:
		answer_properties(v, answer);
		return VSTOR_DO_ANSWER;
	case VSTOR_CREATE_SUB_CHANNELS:
		return create_subchannels(v, in, answer);
	default:
		/* Sub-channels look at it. */
		WRITE_ONCE(v->state, VSTOR_STATE_READY);
		return VSTOR_DO_READY;
	}
}

/* ---- Any packet ---- */

static enum vstor_verdict use_ready(const struct vstor_packet *in, size_t len,
				    struct vstor_packet *answer)
{
	if (len < VSTOR_SHORT_LEN) {
		answer->status = VSTOR_STATUS_INVALID_PARAMETER;
		return VSTOR_DO_ANSWER;
	}
	answer->status = VSTOR_STATUS_SUCCESS;
	switch (in->operation) {
	case VSTOR_RESET_LUN:
		return VSTOR_DO_RESET_LUN;
	default:
		return VSTOR_DO_RESET_ALL;
	}
}

/**
 * vstor_receive() - Look at a packet of the guest's
 * @v: the controller; changed only if @primary
 * @primary: the packet came on the primary channel
 * @in: a copy of the packet, zeroes behind it
 * @len: its payload in bytes, any
 * @answer: where the answer goes; vstor_answer_len() of it is to be sent
 *
 * Context: any; for the primary channel, one at a time.
 * Return: what is to be done. If it is more than an answer, @answer is what it is if that
 * succeeds; but of VSTOR_DO_EXECUTE, for which vstor_complete() makes one, there is none.
 */
enum vstor_verdict vstor_receive(struct vstor *v, bool primary, const struct vstor_packet *in,
				 size_t len, struct vstor_packet *answer)
{
	/* Looked at once: on a sub-channel, the primary one may make it so meanwhile. */
	const bool ready = READ_ONCE(v->state) == VSTOR_STATE_READY;

	/* What comes most often. One that is too short, or too early, is refused below. */
	if (in->operation == VSTOR_EXECUTE_SRB && len >= VSTOR_SHORT_LEN && ready)
		return VSTOR_DO_EXECUTE;
	memset(answer, 0, sizeof(*answer));
	answer->operation = VSTOR_COMPLETE_IO;
	if (len < VSTOR_HEADER_LEN) {
		answer->status = VSTOR_STATUS_INVALID_PARAMETER;
		return VSTOR_DO_ANSWER;
	}
	switch (in->operation) {
	case VSTOR_EXECUTE_SRB:
	case VSTOR_RESET_LUN:
	case VSTOR_RESET_ADAPTER:
	case VSTOR_RESET_BUS:
		if (ready)
			return use_ready(in, len, answer);
		/* A guest may open a sub-channel before it ends the initialisation. */
		if (!primary)
			return VSTOR_DO_WAIT;
		answer->srb.srb_status = VSTOR_SRB_INVALID_REQUEST;
		answer->status = VSTOR_STATUS_INVALID_DEVICE_STATE;
		return VSTOR_DO_ANSWER;
	case VSTOR_BEGIN_INITIALIZATION:
	case VSTOR_QUERY_PROTOCOL_VERSION:
	case VSTOR_QUERY_PROPERTIES:
	case VSTOR_CREATE_SUB_CHANNELS:
	case VSTOR_END_INITIALIZATION:
		if (primary)
			return initialise(v, in, answer);
		answer->status = VSTOR_STATUS_INVALID_DEVICE_STATE;
		return VSTOR_DO_ANSWER;
	default:
		/* Fibre Channel's, the host's own, or none at all */
		answer->status = VSTOR_STATUS_INVALID_DEVICE_REQUEST;
		return VSTOR_DO_ANSWER;
	}
}

/* ---- Commands ---- */

/* What is known of an operation code: where its data goes, and where its length in blocks is */
#define OP_IN		0x01
#define OP_OUT		0x02
#define OP_BLOCKS_6	0x10
#define OP_BLOCKS_10	0x20
#define OP_BLOCKS_12	0x30
#define OP_BLOCKS_16	0x40
#define OP_BLOCKS	0x70	/* in which CDB: that it reads or writes blocks as they are */
#define OP_ASKS		0x80	/* see vstor_asks() */

/*
 * Commands whose direction decides something in the target: it checks write protection and
 * reservations by the direction that it is told, and some of these would find no data where
 * they rely on it. So it is told the one that the command has, whatever the guest says.
 */
static const u8 operations[256] = {
	[0x0a] = OP_OUT | OP_BLOCKS_6,	/* WRITE(6) */
	[0x2a] = OP_OUT | OP_BLOCKS_10,	/* WRITE(10) */
	[0x2e] = OP_OUT | OP_BLOCKS_10,	/* WRITE AND VERIFY(10) */
	[0x8a] = OP_OUT | OP_BLOCKS_16,	/* WRITE(16) */
	[0x8e] = OP_OUT | OP_BLOCKS_16,	/* WRITE AND VERIFY(16) */
	/* Whose boundary the target core counts as well */
	[0x9c] = OP_OUT | OP_BLOCKS_16,	/* WRITE ATOMIC(16) */
	[0xaa] = OP_OUT | OP_BLOCKS_12,	/* WRITE(12) */
	[0xae] = OP_OUT,		/* WRITE AND VERIFY(12) */
	[0x15] = OP_OUT,		/* MODE SELECT(6) */
	[0x1d] = OP_OUT,		/* SEND DIAGNOSTIC */
	[0x3b] = OP_OUT,		/* WRITE BUFFER */
	[0x3f] = OP_OUT,		/* WRITE LONG(10) */
	[0x41] = OP_OUT,		/* WRITE SAME(10) */
	[0x42] = OP_OUT,		/* UNMAP */
	[0x4c] = OP_OUT,		/* LOG SELECT */
	[0x55] = OP_OUT,		/* MODE SELECT(10) */
	[0x5f] = OP_OUT,		/* PERSISTENT RESERVE OUT */
	[0x83] = OP_OUT,		/* EXTENDED COPY */
	[0x89] = OP_OUT,		/* COMPARE AND WRITE */
	[0x8d] = OP_OUT,		/* WRITE ATTRIBUTE */
	[0x93] = OP_OUT,		/* WRITE SAME(16) */
	[0xa4] = OP_OUT,		/* MAINTENANCE OUT */
	[0xb5] = OP_OUT,		/* SECURITY PROTOCOL OUT */
	[0x08] = OP_IN | OP_BLOCKS_6,	/* READ(6) */
	[0x28] = OP_IN | OP_BLOCKS_10,	/* READ(10) */
	[0x88] = OP_IN | OP_BLOCKS_16,	/* READ(16) */
	[0xa8] = OP_IN | OP_BLOCKS_12,	/* READ(12) */
	[0x12] = OP_IN | OP_ASKS,	/* INQUIRY */
	[0x1a] = OP_IN | OP_ASKS,	/* MODE SENSE(6) */
	[0x5a] = OP_IN | OP_ASKS,	/* MODE SENSE(10) */
	[0x03] = OP_IN,			/* REQUEST SENSE */
	[0x1c] = OP_IN,			/* RECEIVE DIAGNOSTIC RESULTS */
	[0x25] = OP_IN,			/* READ CAPACITY(10) */
	[0x3c] = OP_IN,			/* READ BUFFER */
	[0x4d] = OP_IN,			/* LOG SENSE */
	[0x5e] = OP_IN,			/* PERSISTENT RESERVE IN */
	[0x84] = OP_IN,			/* RECEIVE COPY RESULTS */
	[0x8c] = OP_IN,			/* READ ATTRIBUTE */
	[0x9e] = OP_IN,			/* SERVICE ACTION IN(16) */
	[0xa0] = OP_IN,			/* REPORT LUNS */
	[0xa2] = OP_IN,			/* SECURITY PROTOCOL IN */
	[0xa3] = OP_IN,			/* MAINTENANCE IN */
};

static enum vstor_direction op_direction(u8 op)
{
	if (op & OP_IN)
		return VSTOR_TO_GUEST;
	return op & OP_OUT ? VSTOR_FROM_GUEST : VSTOR_NO_DATA;
}

static u32 get_be32(const u8 *p)
{
	return (u32)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* Blocks that a command reads or writes as they are; 0 if it does something else, or nothing */
static u32 op_blocks(u8 op, const u8 *cdb)
{
	switch (op & OP_BLOCKS) {
	case OP_BLOCKS_6:
		return cdb[4] ?: 256;
	case OP_BLOCKS_10:
		return cdb[7] << 8 | cdb[8];
	case OP_BLOCKS_12:
		return get_be32(&cdb[6]);
	case OP_BLOCKS_16:
		return get_be32(&cdb[10]);
	default:
		return 0;
	}
}

/* Bytes of a command by its operation code */
static unsigned int cdb_length(const u8 *cdb)
{
	static const u8 by_group[8] = { 6, 10, 10, 12, 16, 12, 10, 10 };

	return by_group[cdb[0] >> 5];
}

/* What the guest says of the direction. False if it contradicts itself. */
static bool srb_direction(const struct vstor_srb *srb, u32 flags,
			  enum vstor_direction *direction)
{
	flags &= VSTOR_SRB_FLAG_DATA_IN | VSTOR_SRB_FLAG_DATA_OUT;
	*direction = srb->data_in == VSTOR_DATA_OUT ? VSTOR_FROM_GUEST : VSTOR_TO_GUEST;
	/* Neither or both: unspecified; and older guests have no flags. */
	if (flags == VSTOR_SRB_FLAG_DATA_IN)
		return *direction == VSTOR_TO_GUEST;
	if (flags == VSTOR_SRB_FLAG_DATA_OUT)
		return *direction == VSTOR_FROM_GUEST;
	return true;
}

/* Lengths that are known when this is compiled are copied without a call. */
static void cdb_copy(u8 *to, const u8 *from, unsigned int len)
{
	switch (len) {
	case 10:
		memcpy(to, from, 10);
		break;
	case 16:
		memcpy(to, from, 16);
		break;
	default:
		memcpy(to, from, len);
	}
}

/* Into one that is all 0 but for what the request block itself says. */
static bool command_cdb(const struct vstor_srb *srb, struct vstor_command *cmd)
{
	u8 len = srb->cdb_length;

	/* A variable length command is longer than a request block's room. */
	if (!len || len > VSTOR_CDB_MAX || srb->cdb[0] == 0x7f)
		return false;
	cdb_copy(cmd->cdb, srb->cdb, min_t(unsigned int, len, cdb_length(srb->cdb)));
	cmd->blocks = op_blocks(operations[cmd->cdb[0]], cmd->cdb);
	cmd->asks = operations[cmd->cdb[0]] & OP_ASKS;
	return true;
}

static bool command_direction(const struct vstor_srb *srb, u32 flags,
			      struct vstor_command *cmd)
{
	enum vstor_direction said, known = op_direction(operations[cmd->cdb[0]]);

	if (!srb_direction(srb, flags, &said) && cmd->bytes)
		return false;
	if (known == VSTOR_NO_DATA) {
		cmd->direction = cmd->bytes ? said : VSTOR_NO_DATA;
		return true;
	}
	cmd->direction = known;
	return !cmd->bytes || said == known;
}

/**
 * vstor_command() - Check a request block
 * @in: a copy of the packet, zeroes behind it
 * @len: its payload in bytes, VSTOR_SHORT_LEN at least
 * @has_ranges: the packet names pages
 * @max_bytes: most data that a command may have
 * @cmd: where the command goes
 *
 * The command's direction is that of its operation code, where that has one, and else what
 * the guest says; if the guest says otherwise, the command is refused.
 *
 * Context: any.
 * Return: true; false if it is to be refused: vstor_reject(). @cmd tells then, too, where it
 * was for.
 */
bool vstor_command(const struct vstor_packet *in, size_t len, bool has_ranges, u32 max_bytes,
		   struct vstor_command *cmd)
{
	const struct vstor_srb *srb = &in->srb;
	u32 flags = len < VSTOR_LEN ? 0 : srb->flags;

	memset(cmd, 0, sizeof(*cmd));
	cmd->lun = srb->lun;
	cmd->elsewhere = srb->path || srb->target || srb->lun >= VSTOR_LUNS;
	cmd->bytes = srb->data_length;
	if (!has_ranges) {
		/* Older guests leave an old length in commands without data. */
		if (cmd->bytes && srb->data_in != VSTOR_DATA_NONE)
			return false;
		cmd->bytes = 0;
	}
	return command_cdb(srb, cmd) && command_direction(srb, flags, cmd) &&
	       cmd->bytes <= max_bytes;
}

/**
 * vstor_ranges() - Cut the range of a packet to the length of its data
 * @header: a copy of the packet's type header, aligned: u32 reserved, u32 range_cnt, and ranges
 * @len: its length in bytes
 * @bytes: length of the data, not 0
 *
 * Context: any.
 * Return: true: there is one range, it has no more than @bytes now; false if there is none,
 * or more, or one that is shorter.
 */
bool vstor_ranges(void *header, size_t len, u32 bytes)
{
	struct {
		u32 reserved;
		u32 nr_ranges;
		u32 bytes;
		u32 offset;
	} *h = header;

	if (len < sizeof(*h) || h->nr_ranges != 1 || h->bytes < bytes)
		return false;
	h->bytes = bytes;
	return true;
}

/* ---- Answers ---- */

static u8 srb_status_of(u8 scsi_status)
{
	switch (scsi_status) {
	case SAM_GOOD:
	case SAM_CONDITION_MET:
		return VSTOR_SRB_SUCCESS;
	case SAM_BUSY:
	case SAM_TASK_SET_FULL:
		return VSTOR_SRB_BUSY;
	case SAM_TASK_ABORTED:
		return VSTOR_SRB_ABORTED;
	default:
		return VSTOR_SRB_ERROR;
	}
}

static u32 status_of(u8 srb_status)
{
	switch (srb_status & ~VSTOR_SRB_AUTOSENSE_VALID) {
	case VSTOR_SRB_SUCCESS:
		return VSTOR_STATUS_SUCCESS;
	case VSTOR_SRB_BUSY:
		return VSTOR_STATUS_DEVICE_BUSY;
	case VSTOR_SRB_INVALID_LUN:
		return VSTOR_STATUS_DEVICE_DOES_NOT_EXIST;
	case VSTOR_SRB_ABORTED:
		return VSTOR_STATUS_CANCELLED;
	default:
		return VSTOR_STATUS_IO_DEVICE_ERROR;
	}
}

/* Bytes of sense data, of either format; 0 if there is none */
static size_t sense_length(const u8 *sense, size_t room)
{
	if (!sense || room < 8 || (sense[0] & 0x7f) < 0x70 || (sense[0] & 0x7f) > 0x73)
		return 0;
	return min_t(size_t, min_t(size_t, sense[7] + 8, room), VSTOR_SENSE_MAX);
}

/**
 * vstor_complete() - Make the answer to a request block
 * @result: how the command ended
 * @answer: where the answer goes
 *
 * Sense data goes with CHECK CONDITION only, and AUTOSENSE_VALID only with sense data: Linux
 * looks at data that is not there if they disagree, or takes an error for a success.
 *
 * Context: any.
 */
void vstor_complete(const struct vstor_result *result, struct vstor_packet *answer)
{
	struct vstor_srb *srb = &answer->srb;
	size_t sense = 0;

	memset(answer, 0, sizeof(*answer));
	answer->operation = VSTOR_COMPLETE_IO;
	srb->length = sizeof(*srb);
	srb->cdb_length = VSTOR_CDB_MAX;
	srb->scsi_status = result->scsi_status;
	srb->srb_status = result->srb_status ?: srb_status_of(result->scsi_status);
	srb->data_length = result->bytes;
	if (result->scsi_status == SAM_CHECK_CONDITION)
		sense = sense_length(result->sense, result->sense_bytes);
	if (sense) {
		memcpy(srb->sense, result->sense, sense);
		srb->sense_length = sense;
		srb->srb_status |= VSTOR_SRB_AUTOSENSE_VALID;
	}
	answer->status = status_of(srb->srb_status);
}

/**
 * vstor_reject() - Make the answer to a request block that is nonsense
 * @answer: where the answer goes
 *
 * INVALID REQUEST, and ILLEGAL REQUEST, INVALID FIELD IN CDB.
 *
 * Context: any.
 */
void vstor_reject(struct vstor_packet *answer)
{
	static const u8 sense[] = SENSE_INVALID_FIELD_IN_CDB;
	struct vstor_result result = {
		.srb_status = VSTOR_SRB_INVALID_REQUEST,
		.scsi_status = SAM_CHECK_CONDITION,
		.sense = sense,
		.sense_bytes = sizeof(sense),
	};

	vstor_complete(&result, answer);
}

/**
 * vstor_enumerate_bus() - Make the packet that tells the guest to look for logical units
 * @v: the controller, READY
 * @event: where the packet goes
 *
 * Guests before 4.2 do not know it.
 *
 * Context: any.
 * Return: its length in bytes; 0 if the guest does not know it.
 */
size_t vstor_enumerate_bus(const struct vstor *v, struct vstor_packet *event)
{
	if (v->version < VSTOR_VERSION_4_2)
		return 0;
	memset(event, 0, sizeof(*event));
	event->operation = VSTOR_ENUMERATE_BUS;
	return v->version < VSTOR_VERSION_5_1 ? VSTOR_SHORT_LEN : VSTOR_LEN;
}
