// SPDX-License-Identifier: GPL-2.0
/*
 * Resets, as task management of the target's: each logical unit is reset by itself, a few at
 * the same time, and the answer is sent when the last has ended its commands. Whoever is
 * through with one begins the next.
 *
 * The target core waits for commands that a backstore works on: one that hangs keeps the
 * answer, and nothing else, waiting. The answers of the commands that were ended are sent
 * before that of the reset: their release_cmd() comes before its.
 */
#include <linux/errno.h>
#include <linux/slab.h>
#include <linux/string.h>

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

/* The next logical unit to reset; VSTOR_LUNS if there is none. */
static unsigned int reset_next(struct vscsi_request *r)
{
	const struct vstor_luns *luns = &r->chan->dev->tpg->luns;
	unsigned int lun;

	spin_lock(&r->chan->lock);
	for (lun = r->next_lun; lun < r->end_lun && !vstor_has_lun(luns, lun); lun++)
		;
	r->next_lun = lun + 1;
	spin_unlock(&r->chan->lock);
	return lun < r->end_lun ? lun : VSTOR_LUNS;
}

static void reset_put(struct vscsi_request *r)
{
	/* Behind the commands that it has ended, which may be left to the channel's thread. */
	if (atomic_dec_and_test(&r->nr_tmrs))
		vscsi_request_done_later(r);
}

/* Reset the next logical unit by @tmr. Returns false if there is none: then @tmr is freed. */
static bool reset_begin(struct vscsi_tmr *tmr)
{
	struct vscsi_request *r = tmr->r;
	unsigned int lun;

	while ((lun = reset_next(r)) < VSTOR_LUNS) {
		memset(&tmr->cmd, 0, sizeof(tmr->cmd));
		atomic_inc(&r->nr_tmrs);
		if (!target_submit_tmr(&tmr->cmd, r->chan->dev->sess, NULL, lun, NULL,
				       TMR_LUN_RESET, GFP_KERNEL, 0, TARGET_SCF_ACK_KREF))
			return true;
		atomic_dec(&r->nr_tmrs);
		reset_failed(r, VSTOR_STATUS_DEVICE_BUSY);
	}
	tmr_free(tmr);
	return false;
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
	const struct vstor_srb *srb = &r->chan->packet->srb;
	struct vscsi_tmr *tmr = NULL;
	bool more = true;

	r->packet = *answer;
	r->next_lun = all ? 0 : srb->lun;
	r->end_lun = all ? VSTOR_LUNS : srb->lun + 1;
	/* There is no such logical unit. */
	if (!all && (srb->path || srb->target || srb->lun >= VSTOR_LUNS))
		r->end_lun = 0;
	/* One for this function: what it begins may be done before it has begun all. */
	atomic_set(&r->nr_tmrs, 1);
	while (more) {
		tmr = tmr_alloc(r);
		more = tmr && reset_begin(tmr);
	}
	/* Not one: other resets have all that the device may have. */
	if (!tmr && atomic_read(&r->nr_tmrs) == 1 && reset_next(r) < VSTOR_LUNS)
		reset_failed(r, VSTOR_STATUS_DEVICE_BUSY);
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
 * @cmd: the task management, which is freed, or resets the next logical unit
 *
 * Context: process.
 */
void vscsi_tmr_released(struct se_cmd *cmd)
{
	struct vscsi_tmr *tmr = container_of(cmd, struct vscsi_tmr, cmd);
	struct vscsi_request *r = tmr->r;

	reset_begin(tmr);
	reset_put(r);
}
