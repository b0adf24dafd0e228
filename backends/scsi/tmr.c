// SPDX-License-Identifier: GPL-2.0
/*
 * Resets, as task management of the target's: each logical unit is reset by itself, a few at
 * the same time, and the answer is sent when the last has ended its commands. Whoever is
 * through with one begins the next.
 *
 * The target core waits for commands that a backstore works on: one that hangs keeps the
 * answer, and nothing else, waiting. It does not wait for those that were done when it came, whose
 * data may still be copied to the guest, nor for those that another channel is about to submit: for
 * these the reset waits itself. The answers of all come before that of the reset.
 *
 * It also ends the commands of all others that have the same backstore, and tells each nexus of the
 * reset, by an entry that stays until that sends a command. So a logical unit is not reset where
 * that is more than the guest's own affair: its commands are waited for, which is what a guest
 * wants to know that resets a disk. Who has been allowed reservations shares knowingly, and breaks
 * those of others by a reset.
 */
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/rculist.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "scsi.h"

/* How often it is looked whether the commands have ended that are waited for */
#define RESET_LOOK	(HZ / 50 ?: 1)

/* Entries for a nexus that has heard of nothing yet, beyond which there are no resets */
#define UNIT_ATTENTIONS	16u

/*
 * @lun: that is being reset. @cmd: the target core's, if it is to reset it, which it is when
 * @submitted; @wait: looks then, or instead, whether its commands have ended
 */
struct vscsi_tmr {
	struct vscsi_request *r;
	u8 lun;
	bool submitted;
	struct delayed_work wait;
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

/* ---- Whose affair is it? ---- */

static unsigned int unit_attentions(struct se_dev_entry *entry)
{
	struct list_head *node;
	unsigned int n = 0;

	spin_lock(&entry->ua_lock);
	list_for_each(node, &entry->ua_list)
		n++;
	spin_unlock(&entry->ua_lock);
	return n;
}

/**
 * vscsi_backstore_is_unheard() - Is there a nexus that does not listen?
 * @backstore: the backstore, which stays
 * @most: unit attentions that a nexus may have, and has not heard of
 *
 * The target core of Linux 6.12 looks for one of the kind in the first entry alone.
 *
 * Context: process.
 * Return: true if one has as many.
 */
bool vscsi_backstore_is_unheard(struct se_device *backstore, unsigned int most)
{
	struct se_dev_entry *entry;
	struct se_lun *lun;
	bool many = false;

	spin_lock(&backstore->se_port_lock);
	list_for_each_entry(lun, &backstore->dev_sep_list, lun_dev_link) {
		spin_lock(&lun->lun_deve_lock);
		list_for_each_entry(entry, &lun->lun_deve_list, lun_link)
			many = many || unit_attentions(entry) >= most;
		spin_unlock(&lun->lun_deve_lock);
	}
	spin_unlock(&backstore->se_port_lock);
	return many;
}

/* Is a logical unit what the target core would reset by its number? See vscsi_post_link(). */
static bool lun_is_known_as(struct se_session *sess, unsigned int lun, const struct se_lun *linked)
{
	const struct se_dev_entry *entry;
	bool known = false;

	rcu_read_lock();
	hlist_for_each_entry_rcu(entry, &sess->se_node_acl->lun_entry_hlist, link)
		known = known || (entry->mapped_lun == lun && entry->se_lun == linked);
	rcu_read_unlock();
	return known;
}

/*
 * One at a time: a second would wait in the target core, in a work queue that the whole host
 * shares, and do what it does when the backstore may have become another guest's as well.
 */
static bool lun_is_to_be_reset(struct vscsi_device *dev, unsigned int lun)
{
	struct vscsi_tpg *tpg = dev->tpg;
	struct se_device *backstore;

	/* While it is there, so is its backstore. */
	lockdep_assert_held(&tpg->lock);
	if (!tpg->lun[lun].linked || !lun_is_known_as(dev->sess, lun, tpg->lun[lun].linked))
		return false;
	if (READ_ONCE(tpg->lun[lun].resetting))
		return false;
	backstore = tpg->lun[lun].backstore;
	if (READ_ONCE(backstore->export_count) > 1 && !READ_ONCE(tpg->reservations))
		return false;
	return !vscsi_backstore_is_unheard(backstore, UNIT_ATTENTIONS);
}

/* ---- One after the other ---- */

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

/*
 * Have the target core reset it, if it is to: what has been looked at is what it resets, so under
 * the lock. 1 if so: @tmr may be gone by now, unless the caller holds its request; 0 if it is not
 * to be; -ENOMEM.
 */
static int reset_submit(struct vscsi_tmr *tmr)
{
	struct vscsi_device *dev = tmr->r->chan->dev;
	struct vscsi_lun *lun = &dev->tpg->lun[tmr->lun];

	guard(mutex)(&dev->tpg->lock);
	if (!lun_is_to_be_reset(dev, tmr->lun))
		return 0;
	memset(&tmr->cmd, 0, sizeof(tmr->cmd));
	/* It may be done before this returns. */
	WRITE_ONCE(lun->resetting, true);
	tmr->submitted = true;
	if (!target_submit_tmr(&tmr->cmd, dev->sess, NULL, tmr->lun, NULL, TMR_LUN_RESET,
			       GFP_KERNEL, 0, TARGET_SCF_ACK_KREF))
		return 1;
	tmr->submitted = false;
	WRITE_ONCE(lun->resetting, false);
	return -ENOMEM;
}

/* Returns false if there is no memory. */
static bool reset_lun(struct vscsi_tmr *tmr)
{
	int ret;

	tmr->submitted = false;
	ret = reset_submit(tmr);
	if (!ret)
		queue_delayed_work(vscsi_wq, &tmr->wait, 0);
	return ret >= 0;
}

/* Reset the next logical unit by @tmr. Returns false if there is none: then @tmr is freed. */
static bool reset_begin(struct vscsi_tmr *tmr)
{
	struct vscsi_request *r = tmr->r;
	unsigned int lun;

	while ((lun = reset_next(r)) < VSTOR_LUNS) {
		tmr->lun = lun;
		atomic_inc(&r->nr_tmrs);
		if (reset_lun(tmr))
			return true;
		atomic_dec(&r->nr_tmrs);
		reset_failed(r, VSTOR_STATUS_DEVICE_BUSY);
	}
	tmr_free(tmr);
	return false;
}

/* One is done: @tmr does the next, or is freed. */
static void reset_done(struct vscsi_tmr *tmr)
{
	struct vscsi_request *r = tmr->r;

	reset_begin(tmr);
	reset_put(r);
}

/* It has not come to its end. Another reset may be over by now that was in the way. */
static void reset_look_again(struct vscsi_tmr *tmr)
{
	struct vscsi_request *r = tmr->r;

	/* For this function: @tmr may do the rest meanwhile. */
	atomic_inc(&r->nr_tmrs);
	if (tmr->submitted || reset_submit(tmr) <= 0)
		queue_delayed_work(vscsi_wq, &tmr->wait, RESET_LOOK);
	reset_put(r);
}

static void reset_wait(struct work_struct *work)
{
	struct vscsi_tmr *tmr = container_of(to_delayed_work(work), struct vscsi_tmr, wait);
	struct vscsi_request *r = tmr->r;

	if (vscsi_device_has_commands(r->chan->dev, tmr->lun, r->since)) {
		reset_look_again(tmr);
		return;
	}
	/* Whose end was seen may not have got as far as its answer. */
	synchronize_rcu();
	reset_done(tmr);
}

static struct vscsi_tmr *tmr_alloc(struct vscsi_request *r)
{
	struct vscsi_device *dev = r->chan->dev;
	struct vscsi_tmr *tmr = NULL;

	if (atomic_inc_return(&dev->nr_tmrs) <= VSCSI_MAX_TMRS)
		tmr = kzalloc(sizeof(*tmr), GFP_KERNEL_ACCOUNT);
	if (!tmr) {
		atomic_dec(&dev->nr_tmrs);
		return NULL;
	}
	tmr->r = r;
	INIT_DELAYED_WORK(&tmr->wait, reset_wait);
	return tmr;
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
	r->since = jiffies;
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
 * @cmd: the task management, which is freed, or resets the next logical unit, when all commands
 *	have ended
 *
 * Context: process.
 */
void vscsi_tmr_released(struct se_cmd *cmd)
{
	struct vscsi_tmr *tmr = container_of(cmd, struct vscsi_tmr, cmd);

	WRITE_ONCE(tmr->r->chan->dev->tpg->lun[tmr->lun].resetting, false);
	/* The target core has not waited for those that were done already, or not its yet. */
	queue_delayed_work(vscsi_wq, &tmr->wait, 0);
}
