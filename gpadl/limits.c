// SPDX-License-Identifier: GPL-2.0
/*
 * Limits of a partition and of a user, as parameters of the module.
 *
 * They can be changed at run time: a new value holds for later requests.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sysfs.h>

#include "compat.h"
#include "limits.h"

#define LIMIT_GPADLS	131072
/*
 * Each pin of a small page takes 1024 of its reference count, which is negative from
 * 2^21 pins on; a guest may name one page in all of its GPADLs. This bounds one partition: one
 * page can be in several, and then RLIMIT_MEMLOCK is what bounds its pins. What stays below that,
 * by the limits here, are GPADLs and requests: looks at resident memory are not counted.
 */
#define LIMIT_PAGES	1048576
#define LIMIT_CHANNELS	2048
/*
 * Of requests. As many again for the first request of each channel, which is never refused
 * (GPADL_POOL_PAGES), and all of LIMIT_PAGES still stay below 2^21.
 */
#define LIMIT_REQUEST_PAGES	262144
/* More than there can be processes. */
#define LIMIT_USER_PARTITIONS	4194304
#define LIMIT_USER_CHANNELS	4194304

/**
 * struct limit - a limit that can be changed at run time
 * @value: in force; what exists already may exceed it
 * @most: largest value that can be set
 */
struct limit {
	unsigned int value;
	unsigned int most;
};

static struct limit max_gpadls = { .value = 4096, .most = LIMIT_GPADLS };
static struct limit max_pages = { .value = 524288, .most = LIMIT_PAGES };
static struct limit max_channels = { .value = 2048, .most = LIMIT_CHANNELS };
static struct limit max_request_pages = { .value = 65536, .most = LIMIT_REQUEST_PAGES };
static struct limit max_user_partitions = { .value = 4096, .most = LIMIT_USER_PARTITIONS };
static struct limit max_user_channels = { .value = 65536, .most = LIMIT_USER_CHANNELS };

static int limit_set(const char *val, const struct kernel_param *kp)
{
	struct limit *limit = kp->arg;
	unsigned int value;
	int ret;

	ret = kstrtouint(val, 0, &value);
	if (ret)
		return ret;
	if (!value || value > limit->most)
		return -EINVAL;
	WRITE_ONCE(limit->value, value);
	return 0;
}

static int limit_get(char *buf, const struct kernel_param *kp)
{
	const struct limit *limit = kp->arg;

	return sysfs_emit(buf, "%u\n", READ_ONCE(limit->value));
}

static const struct kernel_param_ops limit_ops = {
	.set = limit_set,
	.get = limit_get,
};

module_param_cb(max_gpadls, &limit_ops, &max_gpadls, 0644);
MODULE_PARM_DESC(max_gpadls, "GPADLs of a partition (default 4096, at most 131072)");
module_param_cb(max_pages, &limit_ops, &max_pages, 0644);
MODULE_PARM_DESC(max_pages,
		 "4 KiB pages that the GPADLs of a partition describe (default 524288, at most 1048576)");
module_param_cb(max_channels, &limit_ops, &max_channels, 0644);
MODULE_PARM_DESC(max_channels, "channels of a partition (default 2048, at most 2048)");
module_param_cb(max_request_pages, &limit_ops, &max_request_pages, 0644);
MODULE_PARM_DESC(max_request_pages,
		 "pages that are pinned at a time for requests of a partition (default 65536, at most 262144)");
module_param_cb(max_user_partitions, &limit_ops, &max_user_partitions, 0644);
MODULE_PARM_DESC(max_user_partitions,
		 "partitions of a user that are not freed yet (default 4096, at most 4194304)");
module_param_cb(max_user_channels, &limit_ops, &max_user_channels, 0644);
MODULE_PARM_DESC(max_user_channels,
		 "channels of all these partitions (default 65536, at most 4194304)");

/**
 * gpadl_max_gpadls() - GPADLs of a partition at most, those being assembled included
 *
 * Context: any.
 * Return: the limit in force, which may change at any time; what exists may exceed it.
 */
unsigned int gpadl_max_gpadls(void)
{
	return READ_ONCE(max_gpadls.value);
}

/**
 * gpadl_max_pages() - 4 KiB pages that the GPADLs of a partition describe at most
 *
 * Context: any.
 * Return: the limit in force, which may change at any time; what exists may exceed it.
 */
unsigned int gpadl_max_pages(void)
{
	return READ_ONCE(max_pages.value);
}

/**
 * gpadl_max_channels() - Channels of a partition at most
 *
 * Context: any.
 * Return: the limit in force, which may change at any time; what exists may exceed it.
 */
unsigned int gpadl_max_channels(void)
{
	return READ_ONCE(max_channels.value);
}

/**
 * gpadl_max_request_pages() - Host pages pinned for requests of a partition at most
 *
 * Context: any.
 * Return: the limit in force, which may change at any time; what exists may exceed it.
 */
unsigned int gpadl_max_request_pages(void)
{
	return READ_ONCE(max_request_pages.value);
}
EXPORT_SYMBOL_IF_KUNIT(gpadl_max_request_pages);

/**
 * gpadl_max_user_partitions() - Partitions of a user at most that are not freed yet
 *
 * Context: any.
 * Return: the limit in force, which may change at any time; what exists may exceed it.
 */
unsigned int gpadl_max_user_partitions(void)
{
	return READ_ONCE(max_user_partitions.value);
}

/**
 * gpadl_max_user_channels() - Channels of all these partitions at most
 *
 * Context: any.
 * Return: the limit in force, which may change at any time; what exists may exceed it.
 */
unsigned int gpadl_max_user_channels(void)
{
	return READ_ONCE(max_user_channels.value);
}
