// SPDX-License-Identifier: GPL-2.0
/*
 * Resets, as task management of the target's: each logical unit is reset by itself, all at
 * the same time, and the answer is sent when the last has ended its commands.
 *
 * The target core waits for commands that a backstore works on: one that hangs keeps the
 * answer, and nothing else, waiting. The answers of the commands that were ended are sent
 * before that of the reset: their release_cmd() comes before its.
 */
#include <linux/errno.h>
#include <linux/slab.h>

#include "gpadl/compat.h"
#include "scsi.h"

struct vscsi_tmr {
	struct vscsi_request *r;
	struct se_cmd cmd;
};

static void reset_failed(struct vscsi_request *r, u32 status)
{
	/* Whichever is the last. */
	WRITE_ONCE(r->packet.status, status);
}

static void reset_put(struct vscsi_request *r)
{
	if (atomic_dec_and_test(&r->nr_tmrs))
		vscsi_request_done(r);
}

static void tmr_free(struct vscsi_tmr *tmr)
{
	atomic_dec(&tmr->r->chan->dev->nr_tmrs);
	kfree(tmr);
}

static struct vscsi_tmr *tmr_alloc(struct vscsi_request *r)
{
	struct vscsi_device *dev = r->chan->dev;
	struct vscsi_tmr *tmr = NULL;

	if (atomic_inc_return(&dev->nr_tmrs) <= VSCSI_MAX_TMRS)
		tmr = kzalloc(sizeof(*tmr), GFP_KERNEL_ACCOUNT);
	if (tmr)
		tmr->r = r;
	else
		atomic_dec(&dev->nr_tmrs);
	return tmr;
}

static void reset_lun(struct vscsi_request *r, unsigned int lun)
{
	struct vscsi_tmr *tmr = tmr_alloc(r);

	if (!tmr) {
		reset_failed(r, VSTOR_STATUS_DEVICE_BUSY);
		return;
	}
	atomic_inc(&r->nr_tmrs);
	if (!target_submit_tmr(&tmr->cmd, r->chan->dev->sess, NULL, lun, NULL, TMR_LUN_RESET,
			       GFP_KERNEL, 0, TARGET_SCF_ACK_KREF))
		return;
	tmr_free(tmr);
	reset_failed(r, VSTOR_STATUS_DEVICE_BUSY);
	atomic_dec(&r->nr_tmrs);
}

/**
 * vscsi_reset() - Reset logical units
 * @r: the request; answered when all of it is done, and not the caller's any more
 * @all: all of them, not the one that the packet names
 * @answer: the answer, if all goes well
 *
 * Context: process, in kick() of the channel. May sleep.
 */
void vscsi_reset(struct vscsi_request *r, bool all, const struct vstor_packet *answer)
{
	const struct vstor_luns *luns = &r->chan->dev->tpg->luns;
	const struct vstor_srb srb = r->packet.srb;
	unsigned int lun;

	r->packet = *answer;
	/* One for this function: what it begins may be done before it has begun all. */
	atomic_set(&r->nr_tmrs, 1);
	for (lun = 0; lun < VSTOR_LUNS; lun++) {
		if (!vstor_has_lun(luns, lun))
			continue;
		if (all || (srb.lun == lun && !srb.path && !srb.target))
			reset_lun(r, lun);
	}
	reset_put(r);
}

/**
 * vscsi_queue_tm_rsp() - A logical unit was reset, or could not be
 * @cmd: the task management
 *
 * Context: process.
 */
void vscsi_queue_tm_rsp(struct se_cmd *cmd)
{
	struct vscsi_tmr *tmr = container_of(cmd, struct vscsi_tmr, cmd);
	u8 response = cmd->se_tmr_req->response;

	/* One that has gone meanwhile has nothing under way. */
	if (response != TMR_FUNCTION_COMPLETE && response != TMR_LUN_DOES_NOT_EXIST)
		reset_failed(tmr->r, VSTOR_STATUS_IO_DEVICE_ERROR);
	transport_generic_free_cmd(cmd, 0);
}

/**
 * vscsi_tmr_released() - The target core has let go of a task management
 * @cmd: the task management, which is freed
 *
 * Context: process.
 */
void vscsi_tmr_released(struct se_cmd *cmd)
{
	struct vscsi_tmr *tmr = container_of(cmd, struct vscsi_tmr, cmd);
	struct vscsi_request *r = tmr->r;

	tmr_free(tmr);
	reset_put(r);
}
