// SPDX-License-Identifier: GPL-2.0
/*
 * The fabric "vmbus" of the kernel's SCSI target: /sys/kernel/config/target/vmbus/.
 *
 *	naa.<16 hex digits>/		a target
 *	  tpgt_<N>/			a portal group: what a device has
 *	    nexus			the initiator's name, "naa." likewise; NULL: none
 *	    lun/lun_<N>/		a logical unit, linked to a backstore
 *
 * The nexus is a name: what persistent reservations know the guest by. The session exists
 * from probe() to remove(), so nothing of it is left when the VMM is gone. There are no
 * access lists: the VMM and its operator decide which guest has which portal group.
 *
 * A device keeps its portal group's directory, and so that of the target, from being removed
 * (target_depend_item()). That takes locks of configfs's, under which the functions here are
 * called: so it is called with no lock held, and a reference to the directory keeps the
 * portal group there meanwhile.
 */
#include <linux/configfs.h>
#include <linux/ctype.h>
#include <linux/dcache.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <scsi/scsi_proto.h>
#include <target/target_core_backend.h>

#include "compat.h"
#include "scsi.h"

#define NAA_PREFIX	"naa."
#define NAA_DIGITS	16

struct vscsi_wwn {
	struct se_wwn se_wwn;
	char name[VMBUS_HOST_SCSI_WWPN_MAX];
};

static DEFINE_MUTEX(tpgs_lock);	/* protects tpgs */
static LIST_HEAD(tpgs);

static struct vscsi_tpg *to_vscsi_tpg(struct se_portal_group *se_tpg)
{
	return container_of(se_tpg, struct vscsi_tpg, se_tpg);
}

/*
 * Names are those of SAS. The target core makes transport ids of reservations of them, and names
 * of transport ids, in lower case; and it compares names byte by byte.
 */
static bool name_is_naa(const char *name)
{
	unsigned int i;

	if (strncmp(name, NAA_PREFIX, strlen(NAA_PREFIX)))
		return false;
	name += strlen(NAA_PREFIX);
	for (i = 0; i < NAA_DIGITS; i++)
		if (!isdigit(name[i]) && (name[i] < 'a' || name[i] > 'f'))
			return false;
	return !name[NAA_DIGITS];
}

/* ---- No access lists ---- */

static struct config_group *no_acl(struct config_group *group, const char *name)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static struct configfs_group_operations no_acl_ops = {
	.make_group = no_acl,
};

static const struct config_item_type no_acl_type = {
	.ct_group_ops = &no_acl_ops,
	.ct_owner = THIS_MODULE,
};

/*
 * From now on, mkdir in acls/ does not get as far as the target core. Of the name of a session,
 * that would take the session's own list for the new directory; and, told by
 * fabric_init_nodeacl() that there is to be none, delete it, which waits for the end of the
 * session, with a lock that every mkdir and rmdir under target/ takes.
 *
 * What mkdir holds is held here: none that has begun goes on when this returns.
 */
static void forbid_acls(struct vscsi_tpg *tpg)
{
	struct config_item *acls = &tpg->se_tpg.tpg_acl_group.cg_item;
	struct inode *dir = d_inode(acls->ci_dentry);

	inode_lock(dir);
	acls->ci_type = &no_acl_type;
	inode_unlock(dir);
}

/*
 * The target core frees the list then, but puts no item: a name of 20 characters or more, which is
 * allocated, would stay. A short one has its room in the item.
 */
static int vscsi_init_nodeacl(struct se_node_acl *acl, const char *name)
{
	config_item_set_name(&acl->acl_group.cg_item, "none");
	return -EOPNOTSUPP;
}

/* ---- Devices and their portal groups ---- */

/*
 * With a reference to its directory, which may be on its way out. One that is out already may
 * be in the list still, beside a new one of the same name.
 */
static struct vscsi_tpg *tpg_find(const char *wwpn, u16 tag)
{
	struct vscsi_tpg *tpg, *found = NULL;

	mutex_lock(&tpgs_lock);
	list_for_each_entry(tpg, &tpgs, node) {
		if (tpg->tag != tag || strcmp(tpg->wwpn, wwpn))
			continue;
		if (!config_item_get_unless_zero(&tpg->se_tpg.tpg_group.cg_item))
			continue;
		found = tpg;
		break;
	}
	mutex_unlock(&tpgs_lock);
	return found;
}

/*
 * Was another one of its number there when it was linked? Then it is none, also when that is
 * gone.
 */
static bool is_second(const struct vscsi_tpg *tpg, const struct se_lun *lun)
{
	return lun->unpacked_lun < VSTOR_LUNS && tpg->lun[lun->unpacked_lun].linked != lun;
}

/*
 * The list of a new session has what the target core lists. That is one that is being linked or
 * unlinked, too, earlier than tpg->nr_links counts it, and longer: the list would keep one that
 * goes when it is gone. And of two of one number it has the later one.
 */
static int links_check(struct vscsi_tpg *tpg)
{
	bool twice = false;
	unsigned int nr = 0;
	struct se_lun *lun;

	lockdep_assert_held(&tpg->lock);
	mutex_lock(&tpg->se_tpg.tpg_lun_mutex);
	hlist_for_each_entry(lun, &tpg->se_tpg.tpg_lun_hlist, link) {
		nr++;
		twice = twice || is_second(tpg, lun);
	}
	mutex_unlock(&tpg->se_tpg.tpg_lun_mutex);
	if (nr != tpg->nr_links)
		return -EBUSY;
	return twice ? -ENOTUNIQ : 0;
}

static int tpg_take(struct vscsi_tpg *tpg, struct vscsi_device *dev)
{
	struct se_session *sess;
	int ret;

	guard(mutex)(&tpg->lock);
	if (tpg->dev)
		return -EBUSY;
	ret = links_check(tpg);
	if (ret)
		return ret;
	if (!tpg->initiator[0])
		return -ENOTCONN;
	WRITE_ONCE(tpg->taker, current);
	sess = target_setup_session(&tpg->se_tpg, 0, 0, TARGET_PROT_NORMAL, tpg->initiator,
				    NULL, NULL);
	WRITE_ONCE(tpg->taker, NULL);
	/* There are no access lists: it has no memory for one of its own. */
	if (IS_ERR(sess))
		return PTR_ERR(sess) == -EACCES ? -ENOMEM : PTR_ERR(sess);
	dev->sess = sess;
	dev->tpg = tpg;
	tpg->dev = dev;
	return 0;
}

/**
 * vscsi_tpg_bind() - Give a portal group to a device
 * @dev: the device
 * @wwpn: name of the target
 * @tag: number of the portal group
 *
 * Context: process, may sleep.
 * Return: 0; -ENOENT if there is none; -EBUSY if another device has it, or while a logical unit of
 * it is being linked or unlinked; -ENOTUNIQ if one was linked while there was another of its
 * number; -ENOTCONN if it has no nexus; -ENOMEM.
 */
int vscsi_tpg_bind(struct vscsi_device *dev, const char *wwpn, u16 tag)
{
	struct vscsi_tpg *tpg = tpg_find(wwpn, tag);
	struct config_item *item;
	int ret;

	if (!tpg)
		return -ENOENT;
	item = &tpg->se_tpg.tpg_group.cg_item;
	ret = target_depend_item(item);
	if (!ret) {
		/* Before there is a session; all directories are there, and stay. */
		forbid_acls(tpg);
		ret = tpg_take(tpg, dev);
		if (ret)
			target_undepend_item(item);
	}
	config_item_put(item);
	return ret;
}

/**
 * vscsi_tpg_unbind() - Take its portal group from a device
 * @dev: the device, all its channels closed
 *
 * When it returns, no function of this module is called for a command of the session, nor does
 * one run, but for its way back: it may have let go of the last reference, and have been preempted
 * since.
 *
 * Context: process, may sleep.
 */
void vscsi_tpg_unbind(struct vscsi_device *dev)
{
	struct vscsi_tpg *tpg = dev->tpg;

	/* The last answer is sent before the target core has left the command. */
	target_stop_session(dev->sess);
	target_wait_for_sess_cmds(dev->sess);
	/*
	 * Who has dropped the last reference wakes this up by what is freed next, in an RCU read
	 * side.
	 */
	synchronize_rcu();
	target_remove_session(dev->sess);
	mutex_lock(&tpg->lock);
	tpg->dev = NULL;
	mutex_unlock(&tpg->lock);
	target_undepend_item(&tpg->se_tpg.tpg_group.cg_item);
}

/* ---- Targets and portal groups ---- */

static struct se_wwn *vscsi_make_wwn(struct target_fabric_configfs *tf,
				     struct config_group *group, const char *name)
{
	struct vscsi_wwn *wwn;

	if (!name_is_naa(name))
		return ERR_PTR(-EINVAL);
	wwn = kzalloc(sizeof(*wwn), GFP_KERNEL);
	if (!wwn)
		return ERR_PTR(-ENOMEM);
	strscpy(wwn->name, name, sizeof(wwn->name));
	return &wwn->se_wwn;
}

static void vscsi_drop_wwn(struct se_wwn *se_wwn)
{
	kfree(container_of(se_wwn, struct vscsi_wwn, se_wwn));
}

static struct se_portal_group *vscsi_make_tpg(struct se_wwn *se_wwn, const char *name)
{
	struct vscsi_wwn *wwn = container_of(se_wwn, struct vscsi_wwn, se_wwn);
	struct vscsi_tpg *tpg;
	char canonical[16];
	int ret;
	u16 tag;

	if (strncmp(name, "tpgt_", 5) || kstrtou16(name + 5, 10, &tag))
		return ERR_PTR(-EINVAL);
	/* Not tpgt_01 either: there would be two of one number. */
	snprintf(canonical, sizeof(canonical), "tpgt_%u", tag);
	if (strcmp(name, canonical))
		return ERR_PTR(-EINVAL);
	tpg = kzalloc(sizeof(*tpg), GFP_KERNEL);
	if (!tpg)
		return ERR_PTR(-ENOMEM);
	tpg->wwpn = wwn->name;
	tpg->tag = tag;
	mutex_init(&tpg->lock);
	ret = core_tpg_register(se_wwn, &tpg->se_tpg, SCSI_PROTOCOL_SAS);
	if (ret) {
		kfree(tpg);
		return ERR_PTR(ret);
	}
	/* A device that looks at it may keep it longer than its directory is there. */
	config_item_get(&se_wwn->wwn_group.cg_item);
	mutex_lock(&tpgs_lock);
	list_add_tail(&tpg->node, &tpgs);
	mutex_unlock(&tpgs_lock);
	return &tpg->se_tpg;
}

/* The last reference to the directory is gone: no device has it. */
static void vscsi_drop_tpg(struct se_portal_group *se_tpg)
{
	struct vscsi_tpg *tpg = to_vscsi_tpg(se_tpg);
	struct se_wwn *se_wwn = se_tpg->se_tpg_wwn;

	mutex_lock(&tpgs_lock);
	list_del(&tpg->node);
	mutex_unlock(&tpgs_lock);
	core_tpg_deregister(se_tpg);
	mutex_destroy(&tpg->lock);
	kfree(tpg);
	config_item_put(&se_wwn->wwn_group.cg_item);
}

/* ---- Logical units ---- */

static void lun_changed(struct vscsi_tpg *tpg)
{
	lockdep_assert_held(&tpg->lock);
	if (tpg->dev)
		vscsi_device_luns_changed(tpg->dev);
}

/*
 * There is a directory for each way to write a number: lun_1 and lun_0x1. Of two that are linked
 * the first is the logical unit, until it is gone. Of a session that comes later the list would
 * have the other one: so none comes before that is unlinked (links_check()).
 */
static int vscsi_post_link(struct se_portal_group *se_tpg, struct se_lun *se_lun)
{
	struct se_device *backstore = rcu_dereference_raw(se_lun->lun_se_dev);
	struct vscsi_tpg *tpg = to_vscsi_tpg(se_tpg);
	u64 n = se_lun->unpacked_lun;
	struct vscsi_lun *lun;

	guard(mutex)(&tpg->lock);
	tpg->nr_links++;
	if (n >= VSTOR_LUNS) {
		pr_warn("vmbus_scsi: no guest can name LUN %llu: 0 to %u\n", n, VSTOR_LUNS - 1);
		return 0;
	}
	lun = &tpg->lun[n];
	if (lun->linked || lun->going) {
		pr_warn("vmbus_scsi: there are two of LUN %llu: the first is the guest's\n", n);
		return 0;
	}
	/* Pass-through takes single pages only. */
	WRITE_ONCE(lun->block_size, backstore->transport_flags & TRANSPORT_FLAG_PASSTHROUGH ?
		   0 : backstore->dev_attrib.block_size);
	lun->backstore = backstore;
	WRITE_ONCE(lun->linked, se_lun);
	/* A command is for a number that has the bit, and is absent if it is not @linked. */
	smp_mb__before_atomic();
	set_bit(n, tpg->luns.bits);
	WRITE_ONCE(tpg->nr_luns, tpg->nr_luns + 1);
	lun_changed(tpg);
	return 0;
}

/* False if it was none for the guest. */
static bool lun_leaves(struct vscsi_tpg *tpg, struct se_lun *se_lun)
{
	u64 n = se_lun->unpacked_lun;

	guard(mutex)(&tpg->lock);
	tpg->nr_links--;
	if (n >= VSTOR_LUNS || tpg->lun[n].linked != se_lun)
		return false;
	clear_bit(n, tpg->luns.bits);
	WRITE_ONCE(tpg->lun[n].linked, NULL);
	WRITE_ONCE(tpg->nr_luns, tpg->nr_luns - 1);
	if (COMPAT_POST_UNLINK)
		tpg->lun[n].going = se_lun;
	else
		lun_changed(tpg);
	return true;
}

/*
 * From here on the guest hears that there is no such logical unit: Linux lets go of it then.
 *
 * The target core frees the session's registrations with that backstore next, which others look
 * at; also if this was none of the guest's.
 */
static void vscsi_pre_unlink(struct se_portal_group *se_tpg, struct se_lun *se_lun)
{
	bool of_guest = lun_leaves(to_vscsi_tpg(se_tpg), se_lun);

	vscsi_reservations_hold(of_guest ? rcu_dereference_raw(se_lun->lun_se_dev) : NULL);
}

/* The logical unit does not know its backstore any more. */
static void __maybe_unused
vscsi_post_unlink(struct se_portal_group *se_tpg, struct se_lun *se_lun)
{
	struct vscsi_tpg *tpg = to_vscsi_tpg(se_tpg);
	u64 n = se_lun->unpacked_lun;

	guard(mutex)(&tpg->lock);
	if (n >= VSTOR_LUNS || tpg->lun[n].going != se_lun) {
		vscsi_reservations_release(NULL);
		return;
	}
	vscsi_reservations_release(tpg->lun[n].backstore);
	tpg->lun[n].going = NULL;
	lun_changed(tpg);
}

/* ---- The nexus ---- */

static ssize_t vscsi_tpg_nexus_show(struct config_item *item, char *page)
{
	struct vscsi_tpg *tpg = to_vscsi_tpg(to_tpg(item));

	guard(mutex)(&tpg->lock);
	if (!tpg->initiator[0])
		return -ENODEV;
	return sysfs_emit(page, "%s\n", tpg->initiator);
}

static ssize_t vscsi_tpg_nexus_store(struct config_item *item, const char *page, size_t count)
{
	struct vscsi_tpg *tpg = to_vscsi_tpg(to_tpg(item));
	char name[TRANSPORT_IQN_LEN];
	bool none;

	if (strscpy(name, page, sizeof(name)) < 0)
		return -EINVAL;
	if (name[0] && name[strlen(name) - 1] == '\n')
		name[strlen(name) - 1] = 0;
	none = !strcmp(name, "NULL");
	if (!none && !name_is_naa(name))
		return -EINVAL;
	guard(mutex)(&tpg->lock);
	if (tpg->dev)
		return -EBUSY;
	if (none && !tpg->initiator[0])
		return -ENODEV;
	if (!none && tpg->initiator[0])
		return -EEXIST;
	strscpy(tpg->initiator, none ? "" : name, sizeof(tpg->initiator));
	return count;
}

CONFIGFS_ATTR(vscsi_tpg_, nexus);

static struct configfs_attribute *vscsi_tpg_attrs[] = {
	&vscsi_tpg_attr_nexus,
	NULL,
};

/* ---- Reservations ---- */

static ssize_t vscsi_tpg_attrib_reservations_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n", READ_ONCE(to_vscsi_tpg(attrib_to_tpg(item))->reservations));
}

static ssize_t vscsi_tpg_attrib_reservations_store(struct config_item *item, const char *page,
						   size_t count)
{
	struct vscsi_tpg *tpg = to_vscsi_tpg(attrib_to_tpg(item));
	bool on;
	int ret;

	ret = kstrtobool(page, &on);
	if (ret)
		return ret;
	WRITE_ONCE(tpg->reservations, on);
	return count;
}

CONFIGFS_ATTR(vscsi_tpg_attrib_, reservations);

static struct configfs_attribute *vscsi_tpg_attrib_attrs[] = {
	&vscsi_tpg_attrib_attr_reservations,
	NULL,
};

/* ---- What the target core asks ---- */

static char *vscsi_get_wwn(struct se_portal_group *se_tpg)
{
	return (char *)to_vscsi_tpg(se_tpg)->wwpn;
}

static u16 vscsi_get_tag(struct se_portal_group *se_tpg)
{
	return to_vscsi_tpg(se_tpg)->tag;
}

static int vscsi_yes(struct se_portal_group *se_tpg)
{
	return 1;
}

/*
 * Initiators that no list names are let in. The target core asks for two reasons: it makes the list
 * of a session; or it has listed a logical unit, and adds it to the lists of sessions next. A list
 * that is being made, of what was there before, would not have it, then or ever: so wait for that.
 */
static int vscsi_demo_mode(struct se_portal_group *se_tpg)
{
	struct vscsi_tpg *tpg = to_vscsi_tpg(se_tpg);

	if (READ_ONCE(tpg->taker) != current) {
		mutex_lock(&tpg->lock);
		mutex_unlock(&tpg->lock);
	}
	return 1;
}

static int vscsi_no(struct se_portal_group *se_tpg)
{
	return 0;
}

/* Until 6.1 these are not optional. */
static u32 vscsi_get_index(struct se_portal_group *se_tpg)
{
	return 1;
}

static u32 vscsi_sess_index(struct se_session *sess)
{
	return 0;
}

static void vscsi_default_attributes(struct se_node_acl *acl)
{
}

static int vscsi_cmd_state(struct se_cmd *cmd)
{
	return 0;
}

static void vscsi_release_cmd(struct se_cmd *cmd)
{
	if (cmd->se_cmd_flags & SCF_SCSI_TMR_CDB)
		vscsi_tmr_released(cmd);
	else
		vscsi_request_released(cmd);
}

static const struct target_core_fabric_ops vscsi_ops = {
	.module = THIS_MODULE,
	.fabric_name = "vmbus",
	.tpg_get_wwn = vscsi_get_wwn,
	.tpg_get_tag = vscsi_get_tag,
	.tpg_get_inst_index = vscsi_get_index,
	.tpg_check_demo_mode = vscsi_demo_mode,
	.tpg_check_demo_mode_cache = vscsi_yes,
	.tpg_check_demo_mode_write_protect = vscsi_no,
	.tpg_check_prod_mode_write_protect = vscsi_no,
	.sess_get_index = vscsi_sess_index,
	.set_default_node_attributes = vscsi_default_attributes,
	.get_cmd_state = vscsi_cmd_state,
	.write_pending = vscsi_write_pending,
	.queue_data_in = vscsi_queue_data_in,
	.queue_status = vscsi_queue_status,
	.queue_tm_rsp = vscsi_queue_tm_rsp,
	.aborted_task = vscsi_aborted_task,
	/* No function of ours: it returns when remove() may have returned. */
	.check_stop_free = target_put_sess_cmd,
	.release_cmd = vscsi_release_cmd,
	.fabric_make_wwn = vscsi_make_wwn,
	.fabric_drop_wwn = vscsi_drop_wwn,
	.fabric_make_tpg = vscsi_make_tpg,
	.fabric_drop_tpg = vscsi_drop_tpg,
	.fabric_init_nodeacl = vscsi_init_nodeacl,
	.fabric_post_link = vscsi_post_link,
	.fabric_pre_unlink = vscsi_pre_unlink,
	COMPAT_TARGET_POST_UNLINK(vscsi_post_unlink)
	.tfc_tpg_base_attrs = vscsi_tpg_attrs,
	.tfc_tpg_attrib_attrs = vscsi_tpg_attrib_attrs,
	COMPAT_TARGET_SUBMIT
};

/**
 * vscsi_fabric_register() - Make the directory target/vmbus possible
 *
 * Context: process, may sleep.
 * Return: 0; what target_register_template() returns.
 */
int vscsi_fabric_register(void)
{
	return target_register_template(&vscsi_ops);
}

/**
 * vscsi_fabric_unregister() - Undo vscsi_fabric_register()
 *
 * The directories hold the module: there are none.
 *
 * Context: process, may sleep.
 */
void vscsi_fabric_unregister(void)
{
	target_unregister_template(&vscsi_ops);
}
