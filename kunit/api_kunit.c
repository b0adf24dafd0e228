// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "vmbus_gpadl_api": what the in-kernel API refuses to its own users.
 */
#include <kunit/test.h>
#include <linux/err.h>
#include <linux/sched.h>
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

static struct kunit_case api_cases[] = {
	KUNIT_CASE(partition_without_memory),
	KUNIT_CASE(backend_lacks_a_callback),
	KUNIT_CASE(backend_of_that_type_is_there),
	{}
};

struct kunit_suite api_suite = {
	.name = "vmbus_gpadl_api",
	.test_cases = api_cases,
};
