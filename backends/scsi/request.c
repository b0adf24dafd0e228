// SPDX-License-Identifier: GPL-2.0
/*
 * Request blocks: from a packet to a command of the target's, and from its end to an answer.
 *
 * The answer is made in release_cmd(), when the target core has let go of the command, and of
 * the scatterlist: that is where every command comes by, also one that a reset has aborted,
 * of which the target core says nothing else. queue_data_in() and queue_status() say only
 * that it is done.
 *
 *	queue_*(), or aborted_task()	only looks
 *	check_stop_free()		drops the only reference: release_cmd()
 *
 * Reads and writes of blocks work on the guest's pages as they are. Everything else is done
 * on pages of the target core's, from or to which the data is copied: these commands take
 * lengths and the like out of their data, which the guest must not be able to change
 * meanwhile; and the target core looks at such data as if each entry were a page.
 */
#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <scsi/scsi_common.h>
#include <scsi/scsi_eh.h>
#include <scsi/scsi_proto.h>
#include <target/target_core_backend.h>

#include "compat.h"
#include "scsi.h"

/*
 * For want of memory, a command that asks is tried again for a second, which the others wait:
 * "later" is an answer that does harm (vstor_asks()).
 */
#define ASK_TRIES	50
#define ASK_MS		20
/* More unit attentions than a device has at once */
#define MAX_ATTENTIONS	8

/* ---- Answers without the target ---- */

static int request_reject(struct vscsi_request *r)
{
	vstor_reject(&r->packet);
	vscsi_request_done(r);
	return 0;
}

static int request_complete(struct vscsi_request *r, const struct vstor_result *result)
{
	vstor_complete(result, &r->packet);
	vscsi_request_done(r);
	return 0;
}

/*
 * It cannot be done now. A packet that waits keeps those behind it waiting: so it waits only
 * if they are for the same logical unit, and else the guest sends it again.
 */
static int request_not_now(struct vscsi_request *r)
{
	struct vstor_result result = { .scsi_status = SAM_STAT_TASK_SET_FULL };

	return vscsi_luns_share(r->chan->dev) ? request_complete(r, &result) : -EBUSY;
}

/*
 * Its pages cannot be mapped, or copied. @error says why; returns -EBUSY: not now, as
 * vscsi_execute().
 */
static int request_unmappable(struct vscsi_request *r, int error)
{
	struct vstor_result result = {};

	switch (error) {
	case -EAGAIN:
		return request_not_now(r);
	case -ENOMEM:
		/* The guest tries again, by and by. */
		result.scsi_status = SAM_STAT_BUSY;
		break;
	case -ESHUTDOWN:
	case -ESRCH:
	case -EINTR:
		/* The channel is as good as closed. */
		result.scsi_status = SAM_STAT_TASK_ABORTED;
		break;
	default:
		return request_reject(r);
	}
	return request_complete(r, &result);
}

static size_t give_to_guest(struct vscsi_request *r, u8 *data, size_t len)
{
	struct scatterlist sg;

	if (!len)
		return 0;
	sg_init_one(&sg, data, len);
	return vscsi_copy_to_guest(r, &sg, 1, len);
}

/* What came before does not wait for the VMM to bring a page in; nor do its answers. */
static int request_map(struct vscsi_request *r)
{
	struct vscsi_channel *chan = r->chan;
	unsigned int tries = ASK_TRIES;
	int ret;

	if (chan->nr_ready) {
		ret = vscsi_map(r, true);
		if (ret != -EAGAIN && ret != -ENOMEM)
			return ret;
		vscsi_submit_ready(chan);
	}
	do {
		ret = vscsi_map(r, false);
	} while (ret == -ENOMEM && vstor_asks(&r->command) && --tries &&
		 !msleep_interruptible(ASK_MS));
	return ret;
}

/* For a logical unit that is not there, or about all of them */
static int request_absent(struct vscsi_request *r)
{
	struct vstor_command *cmd = &r->command;
	struct vstor_result result;
	size_t bytes;
	u8 *data;
	int ret;

	data = kmalloc(VSTOR_ABSENT_DATA, GFP_KERNEL_ACCOUNT);
	if (!data)
		return -ENOMEM;
	ret = request_map(r);
	if (!ret) {
		vstor_absent(cmd, vscsi_device_luns(r->chan->dev), &result, data,
			     min_t(size_t, cmd->bytes, VSTOR_ABSENT_DATA), &bytes);
		result.bytes = give_to_guest(r, data, bytes);
		vscsi_unmap(r);
		ret = request_complete(r, &result);
	} else {
		ret = request_unmappable(r, ret);
	}
	kfree(data);
	return ret;
}

/* ---- To the target ---- */

static enum dma_data_direction request_direction(const struct vscsi_request *r)
{
	switch (r->command.direction) {
	case VSTOR_TO_GUEST:
		return DMA_FROM_DEVICE;
	case VSTOR_FROM_GUEST:
		return DMA_TO_DEVICE;
	default:
		return DMA_NONE;
	}
}

static void request_submit(struct vscsi_request *r)
{
	struct vscsi_device *dev = r->chan->dev;
	struct vstor_command *c = &r->command;
	struct se_cmd *cmd = &r->cmd;
	struct scatterlist *sgl = NULL;
	unsigned int nents = 0;
	sense_reason_t reason;

	if (r->bounce) {
		sgl = r->bounce;
		nents = r->bounce_nents;
	} else if (r->map && !r->copied) {
		struct sg_table *sgt = vmbus_mapping_sgt(r->map);

		sgl = sgt->sgl;
		nents = sgt->orig_nents;
	}
	memset(cmd, 0, sizeof(*cmd));
	cmd->tag = r->desc.trans_id;
	/*
	 * It fails only when the session is stopped, which it is after the last close().
	 *
	 * Every command is a simple one, whatever the guest says. Of one that a reset aborts the
	 * target core forgets that it was under way: an ordered one, and all behind it, would
	 * wait for that for ever, whichever guest has sent them.
	 */
	WARN_ON_ONCE(target_init_cmd(cmd, dev->sess, r->sense, c->lun, c->bytes,
				     TCM_SIMPLE_TAG, request_direction(r), 0));
	/* If it fails, the target core has answered. */
	if (target_submit_prep(cmd, c->cdb, sgl, nents, NULL, 0, NULL, 0, GFP_KERNEL))
		return;
	reason = vscsi_guard(r);
	if (reason)
		transport_generic_request_failure(cmd, reason);
	else
		compat_target_submit(cmd);
}

/**
 * vscsi_submit_ready() - Give the target the commands that are mapped
 * @chan: the channel
 *
 * They go together, so the target's work is woken once, and finds all of them.
 *
 * Context: process, in kick() of the channel. May sleep, but not for the VMM.
 */
void vscsi_submit_ready(struct vscsi_channel *chan)
{
	struct llist_node *node, *next;

	*chan->ready_end = NULL;
	llist_for_each_safe(node, next, chan->ready)
		request_submit(llist_entry(node, struct vscsi_request, free));
	chan->ready_end = &chan->ready;
	chan->nr_ready = 0;
}

static void request_ready(struct vscsi_request *r)
{
	struct vscsi_channel *chan = r->chan;

	*chan->ready_end = &r->free;
	chan->ready_end = &r->free.next;
	chan->nr_ready++;
}

/*
 * The guest's pages, or others, from or to which its data is copied. A backstore that is given a
 * scatterlist works on all of it: so it must be as long as the command says. Data of a device
 * behind pscsi is as long as it is said to be here.
 *
 * What is no data of blocks, or has not the length of its blocks, goes on pages of the target
 * core's, which are charged to nobody: so that is not much.
 */
static int request_place(struct vscsi_request *r)
{
	const struct vstor_command *c = &r->command;
	u32 block = READ_ONCE(r->chan->dev->tpg->lun[c->lun].block_size);
	bool exact = c->blocks && (!block || (u64)c->blocks * block == c->bytes);

	r->copied = !exact || !block || !vscsi_is_aligned(r, block);
	if (!r->copied)
		return 0;
	if (!exact && c->bytes > VSCSI_COPY_BYTES)
		return -EMSGSIZE;
	if (!vscsi_request_charge(r, c->bytes))
		return -EAGAIN;
	return exact ? vscsi_bounce(r) : 0;
}

/**
 * vscsi_execute() - Do what a request block says
 * @r: the request, with a copy of the packet
 *
 * Context: process, in kick() of the channel. May sleep for as long as the VMM likes.
 * Return: 0: the request is in channel.ready, or answered, and not the caller's any more; -EBUSY
 * or -ENOMEM: not now, and it is the caller's.
 */
int vscsi_execute(struct vscsi_request *r)
{
	struct vscsi_device *dev = r->chan->dev;
	struct vstor_command *c = &r->command;
	int ret;

	if (!vstor_command(r->chan->packet, r->desc.len,
			   r->desc.type == VMBUS_PACKET_GPA_DIRECT,
			   dev->vstor.max_transfer_bytes, c))
		return request_reject(r);
	if (vstor_is_absent(c, vscsi_device_luns(dev)))
		return request_absent(r);
	if (!vscsi_request_admit(r))
		return request_not_now(r);
	if (c->bytes) {
		ret = request_map(r);
		if (!ret)
			ret = request_place(r);
		if (ret) {
			vscsi_unmap(r);
			return request_unmappable(r, ret);
		}
	}
	request_ready(r);
	return 0;
}

/* ---- From the target ---- */

/**
 * vscsi_write_pending() - The target core is ready for the data of a command
 * @cmd: the command
 *
 * Context: process.
 * Return: 0; -EIO if the guest's memory has an error, which fails the command.
 */
int vscsi_write_pending(struct se_cmd *cmd)
{
	struct vscsi_request *r = vscsi_to_request(cmd);

	/* Pages of the target core's have what somebody else left there. */
	if ((r->copied || !r->map) && cmd->data_length &&
	    !vscsi_copy_from_guest(r, cmd->t_data_sg, cmd->t_data_nents, cmd->data_length))
		return -EIO;
	target_execute_cmd(cmd);
	return 0;
}

/**
 * vscsi_queue_data_in() - A command is done, with data for the guest
 * @cmd: the command
 *
 * Context: process.
 * Return: 0; -EIO if the data has a memory error: the target core makes it CHECK CONDITION, and
 * calls vscsi_queue_status().
 */
int vscsi_queue_data_in(struct se_cmd *cmd)
{
	struct vscsi_request *r = vscsi_to_request(cmd);
	size_t len = min(cmd->data_length, r->command.bytes);

	if (r->copied &&
	    vscsi_copy_to_guest(r, cmd->t_data_sg, cmd->t_data_nents, len) != len)
		return -EIO;
	return 0;
}

/*
 * A read or write of blocks by a device behind pscsi that has done it all, and says how hard that
 * was (RECOVERED ERROR). hv_storvsc makes that a command of which nothing was done, whatever is
 * said of its length, and Linux sends it again for ever.
 */
static bool is_recovered(const struct vscsi_request *r)
{
	struct se_device *backstore = r->cmd.se_dev;
	struct scsi_sense_hdr sense;

	if (!r->command.blocks || r->cmd.scsi_status != SAM_STAT_CHECK_CONDITION ||
	    !scsi_normalize_sense(r->sense, sizeof(r->sense), &sense) ||
	    sense.sense_key != RECOVERED_ERROR || scsi_sense_is_deferred(&sense))
		return false;
	/* What a tape says is about the tape; what a program behind "user" has read is lost. */
	return !strcmp(backstore->transport->name, "pscsi") &&
	       backstore->transport->get_device_type(backstore) == TYPE_DISK;
}

static void request_recovered(struct vscsi_request *r)
{
	if (r->command.direction == VSTOR_TO_GUEST && vscsi_queue_data_in(&r->cmd))
		return;
	r->cmd.scsi_status = SAM_STAT_GOOD;
	/* For the next command: see request_complete_bad(). */
	memset(r->sense, 0, sizeof(r->sense));
}

/**
 * vscsi_queue_status() - A command is done
 * @cmd: the command
 *
 * Context: process.
 * Return: 0.
 */
int vscsi_queue_status(struct se_cmd *cmd)
{
	struct vscsi_request *r = vscsi_to_request(cmd);

	/* It was gone when the target core looked, and what answers in its place has failed it. */
	if (cmd->se_lun == cmd->se_sess->se_tpg->tpg_virt_lun0)
		r->absent = true;
	else if (is_recovered(r))
		request_recovered(r);
	return 0;
}

/**
 * vscsi_aborted_task() - A reset has ended a command
 * @cmd: the command; the target core drops its references itself
 *
 * Context: process.
 */
void vscsi_aborted_task(struct se_cmd *cmd)
{
	/* Of a reset that is aborted itself, queue_tm_rsp() or its release tells. */
	if (!(cmd->se_cmd_flags & SCF_SCSI_TMR_CDB))
		vscsi_to_request(cmd)->aborted = true;
}

/* Bytes that a command has transferred, which ended well */
static u32 bytes_transferred(const struct vscsi_request *r)
{
	const struct se_cmd *cmd = &r->cmd;
	u32 bytes = r->command.bytes;

	if (cmd->se_cmd_flags & SCF_UNDERFLOW_BIT)
		bytes -= min(bytes, cmd->residual_count);
	return bytes;
}

static void request_result(const struct vscsi_request *r, struct vstor_result *result)
{
	const struct se_cmd *cmd = &r->cmd;

	memset(result, 0, sizeof(*result));
	if (r->aborted) {
		result->srb_status = VSTOR_SRB_BUS_RESET;
		/* Linux before 6.0 looks at this only, and takes GOOD for done. */
		result->scsi_status = SAM_STAT_TASK_ABORTED;
		return;
	}
	/* Or it was gone when the target core looked for it. */
	if (r->absent || !(cmd->se_cmd_flags & SCF_SE_LUN_CMD)) {
		result->srb_status = VSTOR_SRB_INVALID_LUN;
		result->scsi_status = SAM_STAT_CHECK_CONDITION;
		return;
	}
	result->scsi_status = cmd->scsi_status;
	if (cmd->se_cmd_flags & (SCF_TRANSPORT_TASK_SENSE | SCF_EMULATED_TASK_SENSE)) {
		result->sense = r->sense;
		result->sense_bytes = cmd->scsi_sense_length;
	}
	/* A tape can return data and a CHECK CONDITION at once, for a short block for example. */
	if (cmd->scsi_status == SAM_STAT_GOOD ||
	    cmd->se_cmd_flags & SCF_TREAT_READ_AS_NORMAL)
		result->bytes = bytes_transferred(r);
}

/*
 * Has a command that asks (vstor_asks()) ended with something passing, which the guest would take
 * for an answer: a unit attention of a device behind pscsi, or another guest's reset of the
 * backstore? vscsi_guard() says which commands are given to the target again.
 */
static noinline bool is_to_be_asked_again(struct vscsi_request *r)
{
	const struct se_cmd *cmd = &r->cmd;
	struct scsi_sense_hdr sense;

	if (r->aborted || r->absent || r->attentions == MAX_ATTENTIONS)
		return false;
	if (cmd->scsi_status != SAM_STAT_TASK_ABORTED &&
	    (cmd->scsi_status != SAM_STAT_CHECK_CONDITION ||
	     !scsi_normalize_sense(r->sense, sizeof(r->sense), &sense) ||
	     sense.sense_key != UNIT_ATTENTION))
		return false;
	memset(r->sense, 0, sizeof(r->sense));
	r->attentions++;
	return true;
}

/* The sense data is the next command's: the target core fills in less than it says. */
static noinline void request_complete_bad(struct vscsi_request *r)
{
	struct vstor_result result;

	request_result(r, &result);
	vstor_complete(&result, &r->packet);
	memset(r->sense, 0, sizeof(r->sense));
}

static bool is_good(const struct vscsi_request *r)
{
	const struct se_cmd *cmd = &r->cmd;

	return cmd->scsi_status == SAM_STAT_GOOD && !r->aborted && !r->absent &&
	       cmd->se_cmd_flags & SCF_SE_LUN_CMD;
}

/**
 * vscsi_request_released() - The target core has let go of a command: answer it
 * @cmd: the command, which is freed
 *
 * Context: process.
 */
void vscsi_request_released(struct se_cmd *cmd)
{
	struct vscsi_request *r = vscsi_to_request(cmd);

	if (r->again && is_to_be_asked_again(r)) {
		request_submit(r);
		return;
	}
	vscsi_unmap(r);
	if (r->bounce)
		vscsi_unbounce(r);
	if (likely(is_good(r)))
		vstor_complete_good(bytes_transferred(r), &r->packet);
	else
		request_complete_bad(r);
	/* Others end soon, and are sent together. One that is alone is spared the switch. */
	if (READ_ONCE(r->chan->nr_commands) > 1)
		vscsi_request_done_later(r);
	else
		vscsi_request_done(r);
}
