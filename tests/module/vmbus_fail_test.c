// SPDX-License-Identifier: GPL-2.0
/*
 * vmbus_fail_test.ko: a function fails that no test could make fail otherwise, a memory error
 * in the middle of a copy, say.
 *
 *	echo "FUNCTION VALUE TIMES" >/sys/module/vmbus_fail_test/parameters/fail
 *
 * From then on FUNCTION does what it does, and returns VALUE instead, so many times. What is
 * read there is how often that is still to come. "" ends it.
 */
#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/ptrace.h>
#include <linux/string.h>
#include <linux/sysfs.h>

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

static int __init fail_init(void)
{
	return 0;
}

static void __exit fail_exit(void)
{
	guard(mutex)(&fail_lock);
	disarm();
}

module_init(fail_init);
module_exit(fail_exit);

MODULE_DESCRIPTION("Functions that fail, for tests");
MODULE_AUTHOR("The vmbus_gpadl_map developers");
MODULE_LICENSE("GPL");
