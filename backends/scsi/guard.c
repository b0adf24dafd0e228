// SPDX-License-Identifier: GPL-2.0
/*
 * What the target core takes for granted, and a guest need not keep to: looked at when a command
 * is prepared, or done when it is executed, before the target core does it. Reservations have a
 * file of their own, reserve.c.
 *
 * A command has one function of ours before its execute_cmd() at most: those for reads of blocks,
 * for COMPARE AND WRITE, for MODE SENSE and for reservations are each for other commands.
 */
#include <linux/highmem.h>
#include <linux/limits.h>
#include <linux/scatterlist.h>
#include <linux/semaphore.h>
#include <scsi/scsi_proto.h>
#include <target/target_core_backend.h>

#include "scsi.h"

/* In a CDB's second byte; RDPROTECT and WRPROTECT */
#define SYNC_IMMED	0x02
#define UNMAP_BIT	0x08
#define PROTECT_SHIFT	5

/* Blocks that one WRITE SAME writes */
#define WRITE_SAME_MAX	2048u

/* ---- When it is prepared ---- */

/*
 * The logical unit may have gone, or have become another one, since it was looked for. For
 * LUN 0 the target core answers itself then, from a device of zeroes. And of two that have one
 * number, the session's list need not have the one that is in the guest's.
 */
static bool is_another_lun(struct vscsi_request *r)
{
	struct se_cmd *cmd = &r->cmd;

	if (cmd->se_lun != READ_ONCE(r->chan->dev->tpg->lun[r->command.lun].linked))
		return true;
	if (!r->map || (r->copied && !r->bounce))
		return false;
	return (!r->bounce && cmd->se_dev->transport_flags & TRANSPORT_FLAG_PASSTHROUGH) ||
	       cmd->data_length != r->command.bytes;
}

/*
 * A read for which the guest has room for less than its command says. It is copied, and the target
 * core goes on with as much as there is room for; a block device has whole blocks only.
 */
static bool is_part_of_a_block(const struct se_cmd *cmd)
{
	return cmd->se_cmd_flags & SCF_SCSI_DATA_CDB &&
	       cmd->data_length % cmd->se_dev->dev_attrib.block_size;
}

/*
 * The target core counts bytes of blocks in 32 bits. And where a backstore keeps protection
 * information, it takes the length of that, and with RDPROTECT or WRPROTECT that of the data too,
 * from the command, and allocates as much, whatever there is room for. No guest is told that there
 * is such information: INQUIRY says PROTECT 0, with which SBC wants these bits refused.
 */
static bool is_more_than_there_is_room_for(const struct vscsi_request *r)
{
	const struct se_cmd *cmd = &r->cmd;
	u64 bytes = (u64)r->command.blocks * cmd->se_dev->dev_attrib.block_size;

	if (bytes > U32_MAX || cmd->data_length > r->command.bytes)
		return true;
	return cmd->prot_op != TARGET_PROT_NORMAL &&
	       (cmd->prot_length > r->command.bytes || cmd->t_task_cdb[1] >> PROTECT_SHIFT);
}

/*
 * iblock makes all bios of a WRITE SAME before it submits the first, one for a few blocks, as many
 * as the disk can clear at a time. If memory runs out, it waits for those that it has itself.
 */
static bool is_long_write_same(struct se_cmd *cmd)
{
	u8 opcode = cmd->t_task_cdb[0];

	return (opcode == WRITE_SAME || opcode == WRITE_SAME_16) &&
	       !(cmd->t_task_cdb[1] & UNMAP_BIT) &&
	       sbc_get_write_same_sectors(cmd) > WRITE_SAME_MAX;
}

/*
 * EXTENDED COPY, which no guest needs that has hv_storvsc. The target core's takes megabytes for
 * each command, charged to nobody, writes to any logical unit of the session, read-only or not, and
 * copies what a backstore has not filled in. A device behind pscsi, or the program behind a
 * backstore of the kind "user", finds the other end by its name, among all that the host may reach.
 */
static bool is_copy_elsewhere(const struct se_cmd *cmd)
{
	u8 opcode = cmd->t_task_cdb[0];

	return opcode == EXTENDED_COPY || opcode == RECEIVE_COPY_RESULTS;
}

/*
 * What the target core does of block devices, and not well enough, or not for a guest:
 *
 * By SET TARGET PORT GROUPS, which is MAINTENANCE OUT, a guest could take a backstore from others.
 * REPORT REFERRALS writes behind its buffer, if that ends in the middle of a descriptor.
 * COMPARE AND WRITE takes blocks larger than a page for one page, and writes what is behind that.
 */
static bool is_not_for_guests(const struct se_cmd *cmd)
{
	switch (cmd->t_task_cdb[0]) {
	case MAINTENANCE_OUT:
		return true;
	case SERVICE_ACTION_IN_16:
		return (cmd->t_task_cdb[1] & 0x1f) == SAI_REPORT_REFERRALS;
	case COMPARE_AND_WRITE:
		return cmd->se_dev->dev_attrib.block_size > PAGE_SIZE;
	}
	return false;
}

/*
 * What the target core lets pass, and is not to be done. Only where there are access lists does it
 * heed that a backstore is read-only, and here there are none.
 */
static sense_reason_t command_check(struct vscsi_request *r)
{
	struct se_cmd *cmd = &r->cmd;

	if (is_another_lun(r)) {
		r->absent = true;
		return TCM_NON_EXISTENT_LUN;
	}
	if (cmd->se_lun->lun_access_ro && cmd->data_direction == DMA_TO_DEVICE)
		return TCM_WRITE_PROTECTED;
	/* One that reads or writes blocks is none of these. */
	if (!r->command.blocks && is_copy_elsewhere(cmd))
		return TCM_UNSUPPORTED_SCSI_OPCODE;
	/* A device behind pscsi is asked itself. */
	if (cmd->se_dev->transport_flags & TRANSPORT_FLAG_PASSTHROUGH)
		return 0;
	if (!r->command.blocks && is_not_for_guests(cmd))
		return TCM_UNSUPPORTED_SCSI_OPCODE;
	if (!r->command.blocks && is_long_write_same(cmd))
		return TCM_INVALID_CDB_FIELD;
	if (is_part_of_a_block(cmd) || is_more_than_there_is_room_for(r))
		return TCM_INVALID_CDB_FIELD;
	return 0;
}

/* ---- When it is executed ---- */

/*
 * A backstore that says GOOD need not have filled the target core's pages: rd_nullio has not
 * touched them, a device behind pscsi may have been short. Clear them first: the guest must not
 * see what somebody else left there.
 */
static sense_reason_t execute_cleared(struct se_cmd *cmd)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sg(cmd->t_data_sg, sg, cmd->t_data_nents, i)
		memzero_page(sg_page(sg), sg->offset, sg->length);
	return vscsi_to_request(cmd)->execute(cmd);
}

static void clear_what_is_read(struct vscsi_request *r)
{
	struct se_cmd *cmd = &r->cmd;

	/* The target core's own pages of other commands are cleared by it; ours are. */
	if (!r->copied || r->bounce || r->command.direction != VSTOR_TO_GUEST ||
	    !(cmd->se_cmd_flags & SCF_SCSI_DATA_CDB))
		return;
	r->execute = cmd->execute_cmd;
	cmd->execute_cmd = execute_cleared;
}

/* What COMPARE AND WRITE compares with was read, or could not be. */
static sense_reason_t compare_callback(struct se_cmd *cmd, bool success, int *post_ret)
{
	if (success)
		return vscsi_to_request(cmd)->callback(cmd, success, post_ret);
	/* As the target core's own does, which warns if the command was not aborted. */
	up(&cmd->se_dev->caw_sem);
	return TCM_NO_SENSE;
}

/*
 * COMPARE AND WRITE has a callback, by which it lets go of the backstore's semaphore. The target
 * core calls it for a command that fails before it has taken that, too, for a unit attention for
 * example, and warns.
 */
static sense_reason_t execute_compare(struct se_cmd *cmd)
{
	cmd->transport_complete_callback = compare_callback;
	return vscsi_to_request(cmd)->execute(cmd);
}

static void hold_callback(struct vscsi_request *r)
{
	struct se_cmd *cmd = &r->cmd;

	if (!(cmd->se_cmd_flags & SCF_COMPARE_AND_WRITE))
		return;
	r->callback = cmd->transport_complete_callback;
	cmd->transport_complete_callback = NULL;
	r->execute = cmd->execute_cmd;
	cmd->execute_cmd = execute_compare;
}

/*
 * hv_storvsc makes a success of whatever MODE SENSE ends with (vstor_asks()). A unit attention or
 * another's reservation ends it before it is executed; but for INQUIRY, which the target core knows
 * by its operation code. So MODE SENSE has that one until it is executed, and the unit attention is
 * for the next command.
 */
static sense_reason_t execute_mode_sense(struct se_cmd *cmd)
{
	struct vscsi_request *r = vscsi_to_request(cmd);

	cmd->t_task_cdb[0] = r->command.cdb[0];
	return r->execute(cmd);
}

static void let_mode_sense_pass(struct vscsi_request *r)
{
	struct se_cmd *cmd = &r->cmd;

	if (!vstor_asks(&r->command) || cmd->t_task_cdb[0] == INQUIRY)
		return;
	cmd->t_task_cdb[0] = INQUIRY;
	r->execute = cmd->execute_cmd;
	cmd->execute_cmd = execute_mode_sense;
}

/*
 * A disk is. What a tape or a changer has to say - that it was wound back, or has another medium -
 * is worth more to a guest whose driver does hear it than an answer to all.
 */
static bool is_asked_again(const struct vscsi_request *r)
{
	struct se_device *backstore = r->cmd.se_dev;

	return vstor_asks(&r->command) &&
	       backstore->transport->get_device_type(backstore) == TYPE_DISK;
}

/*
 * Protection information of a block device is made and checked by the block layer, if nobody else
 * does. The target core has eight bytes of it for each block: a device that has more metadata moves
 * what lies behind them, and one that takes it in few pieces fails what is long.
 *
 * Else the target core makes a list of that length, and writes before its first entry if it is 0.
 */
static void protect_less(struct se_cmd *cmd)
{
	if (!cmd->se_dev->dev_attrib.hw_pi_prot_type && cmd->prot_length)
		return;
	cmd->prot_op = TARGET_PROT_NORMAL;
	cmd->prot_type = TARGET_DIF_TYPE0_PROT;
	cmd->prot_checks = 0;
	cmd->prot_length = 0;
}

/*
 * Told to answer at once, a backstore that is a file answers, and then goes on with the command,
 * and with the file: both may be gone. So it answers when it is done, which SBC leaves to it.
 */
static void sync_before_the_answer(struct se_cmd *cmd)
{
	u8 opcode = cmd->t_task_cdb[0];

	if ((opcode == SYNCHRONIZE_CACHE || opcode == SYNCHRONIZE_CACHE_16) &&
	    !(cmd->se_dev->transport_flags & TRANSPORT_FLAG_PASSTHROUGH))
		cmd->t_task_cdb[1] &= ~SYNC_IMMED;
}

/**
 * vscsi_guard() - See to it that a command does no harm
 * @r: the request, whose command is prepared, and not submitted yet
 *
 * Context: process.
 * Return: 0; why it is not to be done.
 */
sense_reason_t vscsi_guard(struct vscsi_request *r)
{
	sense_reason_t reason;

	reason = command_check(r);
	if (reason)
		return reason;
	/* A read or write of blocks in the guest's own pages: most commands */
	if (r->command.blocks && !r->copied) {
		protect_less(&r->cmd);
		return 0;
	}
	if (vscsi_is_reservation(&r->cmd))
		return vscsi_reservation_prepare(r);
	clear_what_is_read(r);
	hold_callback(r);
	let_mode_sense_pass(r);
	r->again = is_asked_again(r);
	protect_less(&r->cmd);
	sync_before_the_answer(&r->cmd);
	return 0;
}
