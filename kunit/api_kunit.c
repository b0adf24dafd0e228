// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "vmbus_gpadl_api": what the in-kernel API refuses to its own users.
 */
#include <kunit/test.h>
#include <linux/err.h>
#include <linux/sched.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/vmbus_backend.h>

#include "suites.h"
#include "vmbus_gpadl_map.h"

static const struct vmbus_partition_ops no_ops;

/* The thread of a case is the kernel's. */
static void partition_without_memory(struct kunit *test)
{
	struct vmbus_partition *p;

	KUNIT_ASSERT_NULL(test, current->mm);
	p = vmbus_partition_create(&no_ops, NULL);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(p), -EINVAL);
}

static int backend_open(struct vmbus_endpoint *ep)
{
	return -ENODEV;
}

static void backend_ignore(struct vmbus_endpoint *ep)
{
}

static const struct vmbus_backend serves_nobody = {
	.owner = THIS_MODULE,
	.name = "test",
	.if_type = GUID_INIT(0x1b7e3a60, 0x7f4d, 0x4f0a, 0x9a, 0x61, 0x0c, 0x22, 0x35,
			     0x10, 0x5d, 0x77),
	.open = backend_open,
	.close = backend_ignore,
	.kick = backend_ignore,
};

static void backend_lacks_a_callback(struct kunit *test)
{
	struct vmbus_backend backend;

	backend = serves_nobody;
	backend.open = NULL;
	KUNIT_EXPECT_EQ(test, vmbus_backend_register(&backend), -EINVAL);
	backend = serves_nobody;
	backend.close = NULL;
	KUNIT_EXPECT_EQ(test, vmbus_backend_register(&backend), -EINVAL);
	backend = serves_nobody;
	backend.kick = NULL;
	KUNIT_EXPECT_EQ(test, vmbus_backend_register(&backend), -EINVAL);
}

static void backend_of_that_type_is_there(struct kunit *test)
{
	struct vmbus_backend first = serves_nobody, second = serves_nobody;

	KUNIT_ASSERT_EQ(test, vmbus_backend_register(&first), 0);
	KUNIT_EXPECT_EQ(test, vmbus_backend_register(&second), -EEXIST);
	vmbus_backend_unregister(&first);
	KUNIT_ASSERT_EQ(test, vmbus_backend_register(&second), 0);
	vmbus_backend_unregister(&second);
}

/* A configuration of two fields, of which the second came later */
struct config {
	u32 size;
	u32 first;
	u32 second;
};

#define CONFIG_V1	offsetofend(struct config, first)

static int config_copy(struct config *to, const void *from, size_t len)
{
	memset(to, 0xff, sizeof(*to));
	return vmbus_config_copy(to, sizeof(*to), CONFIG_V1, from, len);
}

static void config_of_this_version(struct kunit *test)
{
	struct config to, from = { sizeof(from), 1, 2 };

	KUNIT_ASSERT_EQ(test, config_copy(&to, &from, sizeof(from)), 0);
	KUNIT_EXPECT_MEMEQ(test, &to, &from, sizeof(from));
}

static void config_of_the_first_version(struct kunit *test)
{
	struct config to, from = { CONFIG_V1, 1, 2 };

	KUNIT_ASSERT_EQ(test, config_copy(&to, &from, CONFIG_V1), 0);
	KUNIT_EXPECT_EQ(test, to.first, 1);
	KUNIT_EXPECT_EQ(test, to.second, 0);
}

static void config_of_a_later_version(struct kunit *test)
{
	u32 from[4] = { 16, 1, 2, 0 };
	struct config to;

	KUNIT_EXPECT_EQ(test, config_copy(&to, from, sizeof(from)), 0);
	from[3] = 1;
	KUNIT_EXPECT_EQ(test, config_copy(&to, from, sizeof(from)), -E2BIG);
}

static void config_that_is_none(struct kunit *test)
{
	struct config to, from = { CONFIG_V1 - 1, 1, 2 };

	KUNIT_EXPECT_EQ(test, config_copy(&to, NULL, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, config_copy(&to, &from, CONFIG_V1 - 1), -EINVAL);
	/* Its size is another one */
	KUNIT_EXPECT_EQ(test, config_copy(&to, &from, CONFIG_V1), -EINVAL);
}

static struct kunit_case api_cases[] = {
	KUNIT_CASE(partition_without_memory),
	KUNIT_CASE(backend_lacks_a_callback),
	KUNIT_CASE(backend_of_that_type_is_there),
	KUNIT_CASE(config_of_this_version),
	KUNIT_CASE(config_of_the_first_version),
	KUNIT_CASE(config_of_a_later_version),
	KUNIT_CASE(config_that_is_none),
	{}
};

struct kunit_suite api_suite = {
	.name = "vmbus_gpadl_api",
	.test_cases = api_cases,
};
