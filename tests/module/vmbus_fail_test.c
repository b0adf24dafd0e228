// SPDX-License-Identifier: GPL-2.0
/*
 * vmbus_fail_test.ko: a function fails that no test could make fail otherwise, a memory error
 * in the middle of a copy, say.
 *
 *	echo "FUNCTION VALUE TIMES" >/sys/module/vmbus_fail_test/parameters/fail
 *
 * From then on FUNCTION does what it does, and returns VALUE instead, so many times. What is
 * read there is how often that is still to come. "" ends it.
 *
 *	echo BYTES >/sys/module/vmbus_fail_test/parameters/short_block
 *
 * The next command that hands data to vmbus_scsi is that of a tape which has found a block
 * shorter by so many bytes than was asked for: it has data and a CHECK CONDITION.
 *
 *	echo FUNCTION >/sys/module/vmbus_fail_test/parameters/linger
 *
 * The next time FUNCTION is done, it does not return before "" is written there, or for five
 * seconds: it sleeps, which it must be allowed to. What is read there is 1 from when it does.
 */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/wait.h>
#include <scsi/scsi_proto.h>
#include <target/target_core_base.h>

#include "gpadl/compat.h"

static DEFINE_MUTEX(fail_lock);	/* protects what follows, but for what the probe reads */
static bool armed;
static char function[64];
static long value;
static atomic_t times;

static int fail_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	if (atomic_dec_if_positive(&times) >= 0)
		regs_set_return_value(regs, value);
	return 0;
}

static struct kretprobe probe;

static void disarm(void)
{
	if (armed)
		unregister_kretprobe(&probe);
	armed = false;
	atomic_set(&times, 0);
}

static int arm(int n)
{
	int ret;

	/* One that was used cannot be registered again as it is. */
	probe = (struct kretprobe){
		.handler = fail_return,
		.maxactive = 64,
		.kp.symbol_name = function,
	};
	atomic_set(&times, n);
	ret = register_kretprobe(&probe);
	armed = !ret;
	return ret;
}

static int fail_set(const char *val, const struct kernel_param *kp)
{
	int n;

	guard(mutex)(&fail_lock);
	disarm();
	if (!*skip_spaces(val))
		return 0;
	if (sscanf(val, "%63s %ld %d", function, &value, &n) != 3)
		return -EINVAL;
	return arm(n);
}

static int fail_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%d\n", atomic_read(&times));
}

static const struct kernel_param_ops fail_ops = {
	.set = fail_set,
	.get = fail_get,
};

module_param_cb(fail, &fail_ops, NULL, 0600);
MODULE_PARM_DESC(fail, "function, what it returns, how often");

/* ---- A tape's short block ---- */

static atomic_t short_by;	/* bytes; 0: none */
static bool tape_armed;

/* What pscsi leaves for vscsi_queue_data_in(), whose argument the command is. */
static int tape_read(struct kprobe *p, struct pt_regs *regs)
{
	struct se_cmd *cmd = (struct se_cmd *)regs_get_kernel_argument(regs, 0);
	int bytes = atomic_xchg(&short_by, 0);

	if (!bytes)
		return 0;
	cmd->scsi_status = SAM_STAT_CHECK_CONDITION;
	cmd->se_cmd_flags |= SCF_TREAT_READ_AS_NORMAL | SCF_TRANSPORT_TASK_SENSE |
			     SCF_UNDERFLOW_BIT;
	cmd->residual_count = bytes;
	cmd->scsi_sense_length = 18;
	/* Incorrect length, and by how much, which nobody else writes there */
	memcpy(cmd->sense_buffer, "\xf0\0\x20\0\0\x03\xe8\x0a", 8);
	return 0;
}

static struct kprobe tape;

static int tape_set(const char *val, const struct kernel_param *kp)
{
	int ret, bytes;

	ret = kstrtoint(val, 0, &bytes);
	if (ret)
		return ret;
	guard(mutex)(&fail_lock);
	if (tape_armed)
		unregister_kprobe(&tape);
	tape_armed = false;
	atomic_set(&short_by, bytes);
	if (!bytes)
		return 0;
	tape = (struct kprobe){ .pre_handler = tape_read, .symbol_name = "vscsi_queue_data_in" };
	ret = register_kprobe(&tape);
	tape_armed = !ret;
	return ret;
}

static int tape_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%d\n", atomic_read(&short_by));
}

static const struct kernel_param_ops tape_ops = {
	.set = tape_set,
	.get = tape_get,
};

module_param_cb(short_block, &tape_ops, NULL, 0600);
MODULE_PARM_DESC(short_block, "bytes by which the next read is a tape's short block");

/* ---- A function that takes long ---- */

#define LINGER_MS	5000

static bool linger_armed;
static char linger_function[64];
static atomic_t linger_taken;		/* by the first that has come */
static struct task_struct *linger_task;	/* that is it, as long as it is there */
static bool lingers;
static bool linger_ends;
static DECLARE_WAIT_QUEUE_HEAD(linger_wait);
static struct kprobe linger;

/* In place of the function, which is called with whatever it may have been called with */
static long linger_instead(long a, long b, long c, long d, long e, long f)
{
	long (*fn)(long, long, long, long, long, long) = (void *)linger.addr;
	long ret = fn(a, b, c, d, e, f);

	WRITE_ONCE(lingers, true);
	wait_event_timeout(linger_wait, READ_ONCE(linger_ends), msecs_to_jiffies(LINGER_MS));
	WRITE_ONCE(linger_task, NULL);
	return ret;
}

static int linger_enter(struct kprobe *p, struct pt_regs *regs)
{
	if (READ_ONCE(linger_task) == current || atomic_xchg(&linger_taken, 1))
		return 0;
	WRITE_ONCE(linger_task, current);
	instruction_pointer_set(regs, (unsigned long)linger_instead);
	return 1;
}

/* With one, the other may say where it goes on. */
static void linger_entered(struct kprobe *p, struct pt_regs *regs, unsigned long flags)
{
}

static void linger_disarm(void)
{
	WRITE_ONCE(linger_ends, true);
	wake_up(&linger_wait);
	while (READ_ONCE(linger_task))
		msleep(20);
	if (linger_armed)
		unregister_kprobe(&linger);
	linger_armed = false;
}

static int linger_set(const char *val, const struct kernel_param *kp)
{
	int ret;

	guard(mutex)(&fail_lock);
	linger_disarm();
	if (!*skip_spaces(val))
		return 0;
	if (sscanf(val, "%63s", linger_function) != 1)
		return -EINVAL;
	atomic_set(&linger_taken, 0);
	lingers = false;
	linger_ends = false;
	linger = (struct kprobe){
		.pre_handler = linger_enter,
		.post_handler = linger_entered,
		.symbol_name = linger_function,
	};
	ret = register_kprobe(&linger);
	linger_armed = !ret;
	return ret;
}

static int linger_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(lingers));
}

static const struct kernel_param_ops linger_ops = {
	.set = linger_set,
	.get = linger_get,
};

module_param_cb(linger, &linger_ops, NULL, 0600);
MODULE_PARM_DESC(linger, "function that does not return, once");

static int __init fail_init(void)
{
	return 0;
}

static void __exit fail_exit(void)
{
	guard(mutex)(&fail_lock);
	disarm();
	if (tape_armed)
		unregister_kprobe(&tape);
	linger_disarm();
}

module_init(fail_init);
module_exit(fail_exit);

MODULE_DESCRIPTION("Functions that fail, for tests");
MODULE_AUTHOR("The vmbus_gpadl_map developers");
MODULE_LICENSE("GPL");
