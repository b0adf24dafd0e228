// SPDX-License-Identifier: GPL-2.0
/*
 * What a VMM does with /dev/vmbus-host, without the file: its channels, and its calls in threads
 * that have its address space.
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/sched/task.h>
#include <linux/string.h>

#include "gpadl/compat.h"
#include "host/ioctl.h"
#include "host_test.h"

int host_test_init(struct kunit *test, struct vmbus_backend *backend)
{
	struct vmbus_guest *guest;
	int ret;

	/* It attaches an address space. */
	if (!kunit_vm_mmap(test, NULL, 0, PAGE_SIZE, PROT_READ, MAP_ANONYMOUS | MAP_PRIVATE, 0))
		return -ENOMEM;
	ret = vmbus_backend_register(backend);
	if (ret)
		return ret;
	guest = vmbus_guest_alloc();
	if (!guest) {
		vmbus_backend_unregister(backend);
		return -ENOMEM;
	}
	test->priv = guest;
	return vmbus_guest_create(guest);
}

void host_test_exit(struct kunit *test, struct vmbus_backend *backend)
{
	if (!test->priv)
		return;
	vmbus_guest_close(test->priv);
	/* When the last device has gone */
	vmbus_backend_unregister(backend);
}

/* ---- The VMM ---- */

int vmm_create_channel(struct vmbus_guest *guest, u32 relid, u32 primary)
{
	static const guid_t if_type = IF_TYPE;
	struct ioctl_call call = { .guest = guest };
	union ioctl_arg arg = {
		.channel_create = {
			.size = sizeof(arg.channel_create),
			.relid = relid,
			.primary = primary,
			.index = !!primary,
		},
	};

	export_guid(arg.channel_create.if_type, &if_type);
	return vmbus_host_ioctl_channel_create(&call, &arg);
}

int vmm_destroy_channel(struct vmbus_guest *guest, u32 relid)
{
	return vmbus_guest_destroy_channel(guest, relid, false);
}

int vmm_next_event(struct vmbus_guest *guest)
{
	struct vmbus_host_event event;

	return vmbus_host_event_peek(guest, &event);
}

/* ---- A thread of the VMM's ---- */

static int call_thread(void *arg)
{
	struct vmm_call *c = arg;

	kthread_use_mm(c->mm);
	c->ret = c->fn(c->guest);
	kthread_unuse_mm(c->mm);
	kthread_complete_and_exit(&c->done, 0);
}

struct vmm_call *vmm_call_start(struct kunit *test, int (*fn)(struct vmbus_guest *guest))
{
	struct vmm_call *c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	struct task_struct *task;

	KUNIT_ASSERT_NOT_NULL(test, c);
	c->guest = test->priv;
	c->mm = current->mm;
	c->fn = fn;
	init_completion(&c->done);
	task = kthread_create(call_thread, c, "host-test");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	c->task = get_task_struct(task);
	wake_up_process(task);
	return c;
}

void vmm_call_wait_asleep(struct vmm_call *c)
{
	while (!(READ_ONCE(c->task->__state) & TASK_UNINTERRUPTIBLE) &&
	       !completion_done(&c->done))
		usleep_range(500, 1000);
}

int vmm_call_join(struct vmm_call *c)
{
	wait_for_completion(&c->done);
	put_task_struct(c->task);
	return c->ret;
}
