// SPDX-License-Identifier: GPL-2.0
/*
 * A backend that does, in its kick(), what a test in user space tells it: burn processor
 * time, map. And that writes down which of its callbacks came in which order, and in which
 * thread.
 *
 * A line is a channel by its instance GUID; it is remembered until the module goes.
 */
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/math64.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sched/cputime.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uuid.h>
#include <linux/vmbus_backend.h>

#include "gpadl/compat.h"
#include "vmbus_worker_test.h"

#define MAX_LINES	4096
#define MAX_MAPPED	16

/**
 * struct line - a channel
 * @node: in the list of all
 * @guid: its instance GUID
 * @ep: while it is open
 * @chan: the same
 * @op: what is to be done next; NOTHING if nothing
 * @value: for @op
 * @leave: close() leaves what is mapped
 * @mapped: what is mapped
 * @nr_mapped: number of these
 * @state: for the test
 * @log_len: of the log in @state
 */
struct line {
	struct list_head node;
	guid_t guid;
	struct vmbus_endpoint *ep;
	struct vmbus_gpadl_channel *chan;
	u32 op;
	u32 value;
	bool leave;
	struct vmbus_mapping *mapped[MAX_MAPPED];
	unsigned int nr_mapped;
	struct vmbus_worker_test_state state;
	unsigned int log_len;
};

/* Protects all lines; not held while anything sleeps but for memory. */
static DEFINE_MUTEX(lines_lock);
static LIST_HEAD(lines);
static unsigned int nr_lines;

static struct line *line_find(const guid_t *guid)
{
	struct line *line;

	lockdep_assert_held(&lines_lock);
	list_for_each_entry(line, &lines, node)
		if (guid_equal(&line->guid, guid))
			return line;
	return NULL;
}

static struct line *line_find_or_make(const guid_t *guid)
{
	struct line *line = line_find(guid);

	if (line || nr_lines == MAX_LINES)
		return line;
	line = kzalloc(sizeof(*line), GFP_KERNEL);
	if (!line)
		return NULL;
	line->guid = *guid;
	list_add(&line->node, &lines);
	nr_lines++;
	return line;
}

static void line_log(struct line *line, char what)
{
	lockdep_assert_held(&lines_lock);
	/* The last byte stays 0; and what does not fit is the end of a long test. */
	if (line->log_len < VMBUS_WORKER_TEST_LOG - 1)
		line->state.log[line->log_len++] = what;
	line->state.tid = task_pid_nr(current);
	line->state.tgid = task_tgid_nr(current);
	line->state.user_worker = !(current->flags & PF_KTHREAD);
}

/* ---- What is to be done ---- */

static int do_burn(u32 ms)
{
	u64 end = current->se.sum_exec_runtime + (u64)ms * NSEC_PER_MSEC;
	u32 rounds = 0;

	/* The count moves on with the tick, at the latest. */
	while (current->se.sum_exec_runtime < end) {
		cpu_relax();
		if (!(++rounds % 1024))
			cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return 0;
}

static int do_map(struct line *line, u32 handle)
{
	int ret;

	if (line->nr_mapped == MAX_MAPPED)
		return -ENOSPC;
	ret = vmbus_gpadl_map(line->chan, 0, handle, &line->mapped[line->nr_mapped]);
	line->nr_mapped += !ret;
	return ret;
}

/* Nobody else does: in a callback, or when the channel is closed, with the lock */
static void line_unmap_all(struct line *line)
{
	while (line->nr_mapped)
		vmbus_gpadl_unmap(line->mapped[--line->nr_mapped]);
}

static int line_do(struct line *line, u32 op, u32 value)
{
	switch (op) {
	case VMBUS_WORKER_TEST_BURN:
		return do_burn(value);
	case VMBUS_WORKER_TEST_MAP:
		return do_map(line, value);
	case VMBUS_WORKER_TEST_LEAVE:
		line->leave = true;
		return 0;
	default:
		return -EINVAL;
	}
}

/* ---- The backend ---- */

static int worker_test_open(struct vmbus_endpoint *ep)
{
	struct line *line;

	guard(mutex)(&lines_lock);
	line = line_find_or_make(vmbus_endpoint_instance(ep));
	if (!line)
		return -ENOMEM;
	if (line->ep || line->nr_mapped)
		return -EBUSY;
	line_log(line, 'O');
	line->ep = ep;
	line->chan = vmbus_endpoint_channel(ep);
	line->leave = false;
	line->op = VMBUS_WORKER_TEST_NOTHING;
	vmbus_endpoint_set_data(ep, line);
	line_log(line, 'o');
	return 0;
}

static void worker_test_close(struct vmbus_endpoint *ep)
{
	struct line *line = vmbus_endpoint_data(ep);

	guard(mutex)(&lines_lock);
	line_log(line, 'C');
	if (!line->leave)
		line_unmap_all(line);
	line->ep = NULL;
	line_log(line, 'c');
}

static void worker_test_kick(struct vmbus_endpoint *ep)
{
	struct line *line = vmbus_endpoint_data(ep);
	u32 op, value;
	int ret;

	scoped_guard(mutex, &lines_lock) {
		line_log(line, 'K');
		op = line->op;
		value = line->value;
		line->op = VMBUS_WORKER_TEST_NOTHING;
	}
	ret = op ? line_do(line, op, value) : 0;
	scoped_guard(mutex, &lines_lock) {
		line_log(line, 'k');
		line->state.nr_done += !!op;
		if (op)
			line->state.result = ret;
	}
}

static struct vmbus_backend worker_test_backend = {
	.owner = THIS_MODULE,
	.name = "worker-test",
	.if_type = GUID_INIT(0x0c7a9e15, 0x4d2b, 0x47c6,
			     0xb8, 0xf1, 0x93, 0xe0, 0x5a, 0x6d, 0x2c, 0x74),
	.open = worker_test_open,
	.close = worker_test_close,
	.kick = worker_test_kick,
};

/* ---- The device ---- */

static int ioctl_do(const void __user *arg)
{
	struct vmbus_worker_test_do cmd;
	struct line *line;
	guid_t guid;

	if (copy_from_user(&cmd, arg, sizeof(cmd)))
		return -EFAULT;
	import_guid(&guid, cmd.if_instance);
	guard(mutex)(&lines_lock);
	line = line_find(&guid);
	if (!line || !line->ep)
		return -ENOENT;
	if (line->op)
		return -EBUSY;
	line->op = cmd.op;
	line->value = cmd.value;
	vmbus_endpoint_kick(line->ep);
	return 0;
}

static int ioctl_state(void __user *arg)
{
	struct vmbus_worker_test_state state;
	struct line *line;
	guid_t guid;

	if (copy_from_user(&state, arg, sizeof(state.if_instance)))
		return -EFAULT;
	import_guid(&guid, state.if_instance);
	scoped_guard(mutex, &lines_lock) {
		line = line_find(&guid);
		if (!line)
			return -ENOENT;
		state = line->state;
		state.open = !!line->ep;
		state.mapped = line->nr_mapped;
	}
	export_guid(state.if_instance, &guid);
	return copy_to_user(arg, &state, sizeof(state)) ? -EFAULT : 0;
}

static int ioctl_tidy(void)
{
	struct line *line;

	guard(mutex)(&lines_lock);
	list_for_each_entry(line, &lines, node)
		if (!line->ep)
			line_unmap_all(line);
	return 0;
}

static long worker_test_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case VMBUS_WORKER_TEST_DO:
		return ioctl_do(uarg);
	case VMBUS_WORKER_TEST_STATE:
		return ioctl_state(uarg);
	case VMBUS_WORKER_TEST_TIDY:
		return ioctl_tidy();
	default:
		return -ENOTTY;
	}
}

static const struct file_operations worker_test_fops = {
	.owner = THIS_MODULE,
	.open = stream_open,
	.unlocked_ioctl = worker_test_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice worker_test_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "vmbus-worker-test",
	.mode = 0600,
	.fops = &worker_test_fops,
};

static int __init worker_test_init(void)
{
	int ret;

	ret = misc_register(&worker_test_device);
	if (ret)
		return ret;
	ret = vmbus_backend_register(&worker_test_backend);
	if (ret)
		misc_deregister(&worker_test_device);
	return ret;
}

static void __exit worker_test_exit(void)
{
	struct line *line, *next;

	vmbus_backend_unregister(&worker_test_backend);
	misc_deregister(&worker_test_device);
	list_for_each_entry_safe(line, next, &lines, node)
		kfree(line);
}

module_init(worker_test_init);
module_exit(worker_test_exit);

MODULE_DESCRIPTION("VMBus backend whose kick() does what tests command");
MODULE_AUTHOR("The vmbus_gpadl_map developers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(VMBUS_HOST_NS);
MODULE_IMPORT_NS(VMBUS_GPADL_NS);
MODULE_ALIAS_VMBUS_BACKEND("0c7a9e15-4d2b-47c6-b8f1-93e05a6d2c74");
