// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/vmbus-gpadl-test, by which a test in user space commands the backend.
 */
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uuid.h>
#include <linux/vmbus_backend.h>
#include <linux/workqueue.h>

#include "gpadl/compat.h"
#include "backend.h"
#include "edu.h"

static int test_ioctl_op(struct session *s, void __user *arg)
{
	struct vmbus_gpadl_test_op op;
	int ret;

	if (copy_from_user(&op, arg, sizeof(op)))
		return -EFAULT;
	if (op.op == VMBUS_GPADL_TEST_MAP)
		return op_map(s, &op);
	if (op.op == VMBUS_GPADL_TEST_MAP_PACKET)
		return op_map_packet(s, &op);
	if (op.op == VMBUS_GPADL_TEST_WAIT)
		return op_wait(s, &op);
	ret = op_with_data(s, &op);
	if (!ret && copy_to_user(arg, &op, sizeof(op)))
		ret = -EFAULT;
	return ret;
}

static int test_ioctl_bind(struct session *s, void __user *arg)
{
	struct vmbus_gpadl_test_bind bind;
	struct instance *inst;
	guid_t guid;

	if (copy_from_user(&bind, arg, sizeof(bind)))
		return -EFAULT;
	import_guid(&guid, bind.if_instance);
	guard(mutex)(&test_lock);
	inst = instance_find(&guid);
	if (!inst || !inst->ep || inst->closing)
		return -ENOENT;
	if (inst->session || s->inst)
		return -EBUSY;
	inst->session = s;
	s->inst = inst;
	return 0;
}

/* With the lock. */
static void session_set_policy(struct session *s, u32 policy)
{
	test_nr_sessions[s->policy]--;
	test_nr_sessions[policy]++;
	s->policy = policy;
}

static int test_ioctl_policy(struct session *s, void __user *arg)
{
	struct vmbus_gpadl_test_policy policy;

	if (copy_from_user(&policy, arg, sizeof(policy)))
		return -EFAULT;
	if (policy.policy >= VMBUS_GPADL_TEST_POLICIES)
		return -EINVAL;
	guard(mutex)(&test_lock);
	session_set_policy(s, policy.policy);
	wake_up_all(&test_wait);
	return 0;
}

static int test_ioctl_hang(struct session *s, void __user *arg)
{
	struct vmbus_gpadl_test_hang hang;
	struct instance *inst;
	guid_t guid;

	if (copy_from_user(&hang, arg, sizeof(hang)))
		return -EFAULT;
	import_guid(&guid, hang.if_instance);
	guard(mutex)(&test_lock);
	inst = instance_find_or_make(&guid);
	if (!inst)
		return -ENOMEM;
	if (inst->hanger && inst->hanger != s)
		return -EBUSY;
	inst->hanger = s;
	inst->hang_in = hang.where;
	wake_up_all(&test_wait);
	return 0;
}

static u32 instance_nr_mapped(struct instance *inst)
{
	struct mapping *m;
	u32 nr = 0;

	list_for_each_entry(m, &inst->mappings, node)
		nr += !!m->map;
	return nr;
}

static int test_ioctl_state(void __user *arg)
{
	struct vmbus_gpadl_test_state state;
	struct instance *inst;
	guid_t guid;

	if (copy_from_user(&state, arg, sizeof(state.if_instance)))
		return -EFAULT;
	import_guid(&guid, state.if_instance);
	scoped_guard(mutex, &test_lock) {
		inst = instance_find(&guid);
		if (!inst)
			return -ENOENT;
		state = (struct vmbus_gpadl_test_state){
			.open = !!inst->ep,
			.bound = !!inst->session,
			.opens = inst->opens,
			.closes = inst->closes,
			.kicks = inst->kicks,
			.revokes = inst->revokes,
			.mapped = instance_nr_mapped(inst),
			.last_revoked = inst->last_revoked,
			.relid = inst->relid,
			.hangs = inst->hangs,
		};
		memcpy(state.userdata, inst->userdata, sizeof(state.userdata));
	}
	export_guid(state.if_instance, &guid);
	return copy_to_user(arg, &state, sizeof(state)) ? -EFAULT : 0;
}

static long test_fop_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct session *s = file->private_data;
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case VMBUS_GPADL_TEST_BIND:
		return test_ioctl_bind(s, uarg);
	case VMBUS_GPADL_TEST_OP:
		return test_ioctl_op(s, uarg);
	case VMBUS_GPADL_TEST_POLICY:
		return test_ioctl_policy(s, uarg);
	case VMBUS_GPADL_TEST_HANG:
		return test_ioctl_hang(s, uarg);
	case VMBUS_GPADL_TEST_STATE:
		return test_ioctl_state(uarg);
	default:
		return -ENOTTY;
	}
}

static int test_fop_open(struct inode *inode, struct file *file)
{
	struct session *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return -ENOMEM;
	file->private_data = s;
	return stream_open(inode, file);
}

static int test_fop_release(struct inode *inode, struct file *file)
{
	struct session *s = file->private_data;

	mutex_lock(&test_lock);
	session_set_policy(s, VMBUS_GPADL_TEST_ON_REVOKE_UNMAP);
	if (s->inst) {
		s->inst->session = NULL;
		instance_drop(s->inst, false);
	}
	instance_unhang(s);
	mutex_unlock(&test_lock);
	kfree(s);
	return 0;
}

static const struct file_operations test_fops = {
	.owner = THIS_MODULE,
	.open = test_fop_open,
	.release = test_fop_release,
	.unlocked_ioctl = test_fop_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice test_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "vmbus-gpadl-test",
	.mode = 0600,
	.fops = &test_fops,
};

static int __init test_init(void)
{
	int ret;

	test_wq = alloc_workqueue("vmbus_gpadl_test", WQ_UNBOUND, 0);
	if (!test_wq)
		return -ENOMEM;
	ret = vmbus_backend_register(&test_backend);
	if (ret)
		goto err_wq;
	ret = edu_register();
	if (ret)
		goto err_backend;
	ret = misc_register(&test_device);
	if (ret)
		goto err_edu;
	return 0;

err_edu:
	edu_unregister();
err_backend:
	vmbus_backend_unregister(&test_backend);
err_wq:
	destroy_workqueue(test_wq);
	return ret;
}

static void __exit test_exit(void)
{
	struct instance *inst, *next;

	misc_deregister(&test_device);
	vmbus_backend_unregister(&test_backend);
	edu_unregister();
	destroy_workqueue(test_wq);
	list_for_each_entry_safe(inst, next, &test_instances, node)
		kfree(inst);
}

module_init(test_init);
module_exit(test_exit);

MODULE_DESCRIPTION("VMBus backend that tests command from user space");
MODULE_AUTHOR("The vmbus_gpadl_map developers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(VMBUS_HOST_NS);
MODULE_IMPORT_NS(VMBUS_GPADL_NS);
MODULE_ALIAS_VMBUS_BACKEND("6f1d4c2a-93b7-4e58-a0c4-5d2f8b7e1a90");
