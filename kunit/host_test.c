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
#include <linux/uio.h>
#include <linux/wait.h>

#include "gpadl/compat.h"
#include "gpadl/wire.h"
#include "guest.h"
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

/* ---- Its guest ---- */

/* Page frames of its memory: the rings, and behind them the buffer */
#define MEMORY_PFN	0x100
#define MEMORY_PAGES	16
#define RING_PAGES	2

/* Where the fields of its messages are, and how long these are */
#define OPEN_RING_HANDLE	16
#define OPEN_RING_PAGE		24
#define OPEN_LEN		148
#define CLOSE_LEN		12
#define RESULT_STATUS		16

static void guest_sends(struct kunit *test, const struct guest_msg *m)
{
	struct kvec v = { .iov_base = (void *)m->bytes, .iov_len = m->len };
	struct iov_iter from;

	iov_iter_kvec(&from, ITER_SOURCE, &v, 1, m->len);
	KUNIT_ASSERT_EQ(test, vmbus_guest_receive_wait(test->priv, &from, 0, true), 0);
}

/* Waits for the next message to the guest, which is of @type. Returns a word of it. */
static u32 guest_receives(struct kunit *test, u32 type, unsigned int offset)
{
	struct vmbus_guest *guest = test->priv;
	u8 msg[VMBUS_GPADL_MAX_REPLY] = {};

	KUNIT_EXPECT_NE(test, wait_event_timeout(guest->wait, vmbus_guest_is_readable(guest),
						 10 * HZ), 0);
	KUNIT_EXPECT_GT(test, vmbus_partition_next_reply(guest->p, msg, sizeof(msg)), 0);
	KUNIT_EXPECT_EQ(test, guest_get(msg, 4), type);
	return guest_get(msg + offset, 4);
}

static void guest_makes_gpadl(struct kunit *test, u32 handle, u64 pfn, u32 nr)
{
	u64 words[1 + 2 * RING_PAGES];
	struct guest_stream s = { .words = words };
	struct guest_msg m;

	guest_range(&s, nr * GUEST_PAGE, 0);
	guest_pfns(&s, pfn, 1, nr);
	KUNIT_ASSERT_TRUE(test, guest_next_msg(&m, RELID, handle, &s));
	guest_sends(test, &m);
	KUNIT_EXPECT_EQ(test, guest_receives(test, GPADL_MSG_CREATED, 16), GPADL_STATUS_SUCCESS);
}

struct vmbus_endpoint *vmm_create_channel_with_rings(struct kunit *test)
{
	struct vmbus_gpa_region region = {
		.gpa = (u64)MEMORY_PFN << GPADL_PAGE_SHIFT,
		.bytes = MEMORY_PAGES << GPADL_PAGE_SHIFT,
	};
	struct vmbus_guest *guest = test->priv;
	struct vmbus_endpoint *ep;

	region.hva = kunit_vm_mmap(test, NULL, 0, region.bytes, PROT_READ | PROT_WRITE,
				   MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_TRUE(test, region.hva && region.hva < TASK_SIZE);
	KUNIT_ASSERT_EQ(test, vmbus_partition_set_regions(guest->p, &region, 1, 0), 0);
	KUNIT_ASSERT_EQ(test, vmm_create_channel(guest, RELID, 0), 0);
	guest_makes_gpadl(test, RINGS_HANDLE, MEMORY_PFN, 2 * RING_PAGES);
	guest_makes_gpadl(test, BUFFER_HANDLE, MEMORY_PFN + 2 * RING_PAGES, 1);
	ep = vmbus_guest_get_endpoint(guest, RELID);
	KUNIT_ASSERT_NOT_NULL(test, ep);
	return ep;
}

u32 vmm_open_channel(struct kunit *test)
{
	struct guest_msg m = { .len = OPEN_LEN };

	guest_put(m.bytes + GUEST_TYPE, 4, GPADL_MSG_OPENCHANNEL);
	guest_put(m.bytes + GUEST_RELID, 4, RELID);
	guest_put(m.bytes + OPEN_RING_HANDLE, 4, RINGS_HANDLE);
	guest_put(m.bytes + OPEN_RING_PAGE, 4, RING_PAGES);
	guest_sends(test, &m);
	return guest_receives(test, GPADL_MSG_OPENCHANNEL_RESULT, RESULT_STATUS);
}

void vmm_close_channel_start(struct kunit *test)
{
	struct guest_msg m = { .len = CLOSE_LEN };

	guest_put(m.bytes + GUEST_TYPE, 4, GPADL_MSG_CLOSECHANNEL);
	guest_put(m.bytes + GUEST_RELID, 4, RELID);
	guest_sends(test, &m);
}

void vmm_close_channel_wait(struct vmbus_endpoint *ep)
{
	KUNIT_EXPECT_NE(current->kunit_test,
			wait_event_timeout(ep->guest->wait,
					   READ_ONCE(ep->state) == ENDPOINT_CLOSED, 10 * HZ), 0);
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
