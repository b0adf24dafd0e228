// SPDX-License-Identifier: GPL-2.0
/*
 * Persistent reservations. Those of SPC-2, by RESERVE and RELEASE, are refused: of their holder the
 * target core keeps a pointer that the end of its session clears while others use it.
 *
 * The target core's take it that initiators mean well, and come one after the other (Linux 6.1 to
 * 7.x). So a portal group has to allow them (attrib/reservations), and where it does:
 *
 * - One after the other they are executed, of all guests: two that remove the same registration
 *   would both free it; others spin with a lock that the one for which they wait needs.
 * - What goes wrong even then is refused:
 *   PREEMPT AND ABORT waits for the work item that it is executed in, or for others of these;
 *   REGISTER AND MOVE drops a reference twice;
 *   PREEMPT by the key of one's own registration frees that, and goes on with it;
 *   PREEMPT of all registrants, by key 0, frees that which holds the reservation, and goes on with
 *   it;
 *   REGISTER with ALL_TG_PT, if it takes a registration back, may free that which the reservation
 *   has just gone over to; without access lists it registers nowhere else in any case;
 *   REGISTER with SPEC_I_PT, if it fails, leaves a reference that nobody drops.
 * - The full status of many registrations is written behind its buffer: there are fewer.
 * - Whoever is registered is told what others do, by an entry that stays until it sends a command:
 *   there is a limit.
 * - A logical unit goes when none of these is executed: its registrations are freed before its
 *   commands are waited for. As long as that takes, which may be as long as a backstore hangs,
 *   those that walk the registrations of the backstore, and let go of the lock, are told "later",
 *   whichever logical unit they are for: PERSISTENT RESERVE OUT, and IN for the full status.
 *
 * They are still not safe from another fabric's on the same backstore, nor from a logical unit
 * that goes on a kernel without fabric_post_unlink(), but by the bit of that one; nor two logical
 * units of the same backstore that are removed at once: to keep these apart, one removal would have
 * to wait until the backstore does not hang any more.
 */
#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/hash.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/workqueue.h>
#include <scsi/scsi_proto.h>
#include <target/target_core_backend.h>

#include "compat.h"
#include "scsi.h"

/* Service actions of PERSISTENT RESERVE OUT */
#define PRO_REGISTER			0x00
#define PRO_PREEMPT			0x04
#define PRO_PREEMPT_AND_ABORT		0x05
#define PRO_REGISTER_AND_IGNORE		0x06
#define PRO_REGISTER_AND_MOVE		0x07
/* Its parameter list: two keys, four bytes, and flags */
#define PRO_PARAMETER_BYTES		24
#define PRO_ALL_TG_PT			0x04
#define PRO_SPEC_I_PT			0x08
/* A service action of PERSISTENT RESERVE IN */
#define PRI_READ_FULL_STATUS		0x03

/* Far more unit attentions than a cluster leaves for a node that is down */
#define UNIT_ATTENTIONS			1024u

/*
 * As many registrations as a cluster of 64 nodes has with two ways to the disk. The target core
 * checks the room for a descriptor of the full status without its first 32 bytes: with the
 * lengths of this fabric's, it is from the 171st on that one crosses the end of a page.
 */
#define REGISTRATIONS			128u

static struct workqueue_struct *reserve_wq;

/*
 * Logical units that are going, counted by their backstore. Where two backstores have one count,
 * guests of one are told "later" for nothing. And those that are none of a guest's, which no
 * command keeps: nobody knows their backstore when they have gone.
 */
#define GOING_BITS		6
static atomic_t going[1 << GOING_BITS];
static atomic_t others_going;

static atomic_t *going_on(const struct se_device *backstore)
{
	return backstore ? &going[hash_ptr(backstore, GOING_BITS)] : &others_going;
}

static u8 service_action(const struct se_cmd *cmd)
{
	return cmd->t_task_cdb[1] & 0x1f;
}

/* Does a command let go of the lock while it walks the list of all registrations? */
static bool walks_registrations(const struct se_cmd *cmd)
{
	return cmd->t_task_cdb[0] == PERSISTENT_RESERVE_OUT ||
	       (cmd->t_task_cdb[0] == PERSISTENT_RESERVE_IN &&
		service_action(cmd) == PRI_READ_FULL_STATUS);
}

/* The parameter list is a copy: the guest cannot change it any more. */
static sense_reason_t parameters_check(struct se_cmd *cmd)
{
	bool bad;
	u8 *p;

	if (cmd->data_length < PRO_PARAMETER_BYTES)
		return 0;
	p = transport_kmap_data_sg(cmd);
	if (!p)
		return TCM_OUT_OF_RESOURCES;
	bad = p[20] & (PRO_SPEC_I_PT | PRO_ALL_TG_PT) ||
	      (service_action(cmd) == PRO_PREEMPT &&
	       (!memcmp(p, p + 8, 8) || !memchr_inv(p + 8, 0, 8)));
	transport_kunmap_data_sg(cmd);
	return bad ? TCM_INVALID_PARAMETER_LIST : 0;
}

/* Would a command register one more than there may be? */
static bool is_one_too_many(const struct se_cmd *cmd)
{
	struct t10_reservation *pr = &cmd->se_dev->t10_pr;
	const struct t10_pr_registration *reg;
	u8 action = service_action(cmd);
	bool registered = false;
	unsigned int n = 0;

	if (action != PRO_REGISTER && action != PRO_REGISTER_AND_IGNORE)
		return false;
	spin_lock(&pr->registration_lock);
	list_for_each_entry(reg, &pr->registration_list, pr_reg_list) {
		registered = registered || reg->pr_reg_nacl == cmd->se_sess->se_node_acl;
		n++;
	}
	spin_unlock(&pr->registration_lock);
	return n >= REGISTRATIONS && !registered;
}

static sense_reason_t out_check(struct se_cmd *cmd)
{
	sense_reason_t reason;

	if (cmd->t_task_cdb[0] != PERSISTENT_RESERVE_OUT)
		return 0;
	reason = parameters_check(cmd);
	if (reason)
		return reason;
	/*
	 * Of TCM_INSUFFICIENT_REGISTRATION_RESOURCES the target core makes an unsupported
	 * command.
	 */
	if (is_one_too_many(cmd))
		return TCM_INVALID_PARAMETER_LIST;
	if (vscsi_backstore_is_unheard(cmd->se_dev, UNIT_ATTENTIONS))
		return TCM_OUT_OF_RESOURCES;
	return 0;
}

static sense_reason_t reservation_execute(struct vscsi_request *r)
{
	sense_reason_t reason;

	/* See vscsi_reservations_hold(). */
	if (!vstor_has_lun(&r->chan->dev->tpg->luns, r->command.lun)) {
		r->absent = true;
		return TCM_NON_EXISTENT_LUN;
	}
	if (walks_registrations(&r->cmd) &&
	    (atomic_read(going_on(r->cmd.se_dev)) || atomic_read(&others_going)))
		return TCM_LUN_BUSY;
	reason = out_check(&r->cmd);
	return reason ?: r->execute(&r->cmd);
}

static void reservation_work(struct work_struct *work)
{
	struct vscsi_request *r = container_of(work, struct vscsi_request, reservation_work);
	sense_reason_t reason = reservation_execute(r);

	/* Without a reason it is done, and may be gone. */
	if (reason)
		transport_generic_request_failure(&r->cmd, reason);
}

static sense_reason_t execute_reservation(struct se_cmd *cmd)
{
	struct vscsi_request *r = vscsi_to_request(cmd);

	INIT_WORK(&r->reservation_work, reservation_work);
	queue_work(reserve_wq, &r->reservation_work);
	return 0;
}

/**
 * vscsi_is_reservation() - Is a command about reservations?
 * @cmd: the command
 *
 * Context: any.
 * Return: whether it is.
 */
bool vscsi_is_reservation(const struct se_cmd *cmd)
{
	switch (cmd->t_task_cdb[0]) {
	case RESERVE_6:
	case RESERVE_10:
	case RELEASE_6:
	case RELEASE_10:
	case PERSISTENT_RESERVE_IN:
	case PERSISTENT_RESERVE_OUT:
		return true;
	}
	return false;
}

/**
 * vscsi_reservation_prepare() - Have a command that is about reservations wait its turn
 * @r: the request, whose command has not been submitted
 *
 * A read-only disk can be shared by guests that do not know each other: it cannot be reserved.
 *
 * Context: process.
 * Return: 0; why it is not to be done.
 */
sense_reason_t vscsi_reservation_prepare(struct vscsi_request *r)
{
	struct se_cmd *cmd = &r->cmd;
	u8 opcode = cmd->t_task_cdb[0];

	if (!READ_ONCE(r->chan->dev->tpg->reservations))
		return TCM_UNSUPPORTED_SCSI_OPCODE;
	if (cmd->se_lun->lun_access_ro && opcode != PERSISTENT_RESERVE_IN)
		return TCM_WRITE_PROTECTED;
	/* They are the device's, not the target core's. */
	if (cmd->se_dev->transport_flags & TRANSPORT_FLAG_PASSTHROUGH_PGR)
		return 0;
	if (opcode != PERSISTENT_RESERVE_IN && opcode != PERSISTENT_RESERVE_OUT)
		return TCM_UNSUPPORTED_SCSI_OPCODE;
	if (opcode == PERSISTENT_RESERVE_OUT && (service_action(cmd) == PRO_PREEMPT_AND_ABORT ||
						 service_action(cmd) == PRO_REGISTER_AND_MOVE))
		return TCM_INVALID_CDB_FIELD;
	r->execute = cmd->execute_cmd;
	cmd->execute_cmd = execute_reservation;
	return 0;
}

/**
 * vscsi_reservations_hold() - A logical unit goes: wait for what is executed of reservations
 * @backstore: its backstore; NULL if it is none of a guest's
 *
 * What is executed later finds of the logical unit what struct vscsi_tpg says of it now; and of the
 * others with that backstore (with any, if that is NULL) nothing that walks_registrations() is,
 * until vscsi_reservations_release(). There they may wait for nothing: what the logical unit
 * waits for may be behind them in the queue.
 *
 * Context: process. Sleeps, but for no guest and no backstore.
 */
void vscsi_reservations_hold(const struct se_device *backstore)
{
	/* Without vscsi_post_unlink() nobody would release it. */
	if (COMPAT_POST_UNLINK)
		atomic_inc(going_on(backstore));
	/* What is queued later is executed later, and sees that. */
	flush_workqueue(reserve_wq);
}

/**
 * vscsi_reservations_release() - Undo vscsi_reservations_hold()
 * @backstore: the same
 *
 * Context: any.
 */
void vscsi_reservations_release(const struct se_device *backstore)
{
	atomic_dec(going_on(backstore));
}

/**
 * vscsi_reserve_module_init() - For the module: before anything else of this file
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM.
 */
int vscsi_reserve_module_init(void)
{
	reserve_wq = alloc_ordered_workqueue("vmbus_scsi_reserve", 0);
	return reserve_wq ? 0 : -ENOMEM;
}

/**
 * vscsi_reserve_module_exit() - For the module: there are no devices
 *
 * Context: process, may sleep.
 */
void vscsi_reserve_module_exit(void)
{
	destroy_workqueue(reserve_wq);
}
