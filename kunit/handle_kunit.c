// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_handle: well-formed messages about handles that are in use, or are
 * not there, or are too many, and on channels that go. See input_kunit.c for those that
 * are not well-formed.
 */
#include <kunit/static_stub.h>

#include "suites.h"
#include "vm.h"

/* ---- A handle that is in use ---- */

static void expect_collision(struct vm *vm, struct vm_channel *c)
{
	struct guest_msg m;

	vm_valid_header(vm, &m, c, VM_HANDLE);
	KUNIT_EXPECT_EQ(vm->test, vm_post(vm, &m), 0);
	vm_expect_created(vm, c, VM_HANDLE, 0xC0000035);
	vm_expect_silence(vm);
	vm_expect_counted(vm, GPADL_REASON_COLLISION);
	vm_check(vm);
}

VM_CASE(handle_ready_here)
{
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 3);
	expect_collision(vm, &vm->c[0]);
	KUNIT_EXPECT_EQ(test, vm_gpadl(&vm->c[0], VM_HANDLE)->pfns.nr_pages, 3);
}

VM_CASE(handle_mapped_here)
{
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 3);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	expect_collision(vm, &vm->c[0]);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

/* The GPADL that was being assembled goes on as if nothing had come between. */
static void assembling_collides(struct vm *vm, struct vm_channel *c)
{
	struct guest_msg m;

	vm_valid_header(vm, &m, &vm->c[0], VM_HANDLE);
	m.len = GUEST_HEADER_DATA;
	KUNIT_EXPECT_EQ(vm->test, vm_post(vm, &m), 0);
	expect_collision(vm, c);
	guest_body(&m, VM_HANDLE);
	guest_words(&m, vm->s.words, 3);
	KUNIT_EXPECT_EQ(vm->test, vm_post(vm, &m), 0);
	vm_expect_established(vm, &vm->c[0], VM_HANDLE);
}

VM_CASE(handle_assembling_here)
{
	assembling_collides(vm, &vm->c[0]);
}

VM_CASE(handle_assembling_elsewhere)
{
	assembling_collides(vm, &vm->c[1]);
}

static void teardown_collides(struct vm *vm, struct vm_channel *c)
{
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 3);
	KUNIT_ASSERT_EQ(vm->test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	KUNIT_EXPECT_EQ(vm->test, vm_teardown(vm, &vm->c[0], VM_HANDLE), 0);
	expect_collision(vm, c);
	vm_unmap(&vm->c[0], VM_HANDLE);
	vm_expect_torndown(vm, VM_HANDLE);
	vm_expect_silence(vm);
	/* Now it is free. */
	vm_establish(vm, c, VM_HANDLE, VM_LOW_PFN, 1);
}

VM_CASE(handle_in_teardown_here)
{
	teardown_collides(vm, &vm->c[0]);
}

VM_CASE(handle_in_teardown_elsewhere)
{
	teardown_collides(vm, &vm->c[1]);
}

VM_CASE(handle_ready_elsewhere)
{
	int i;

	/* Linux numbers its GPADLs over all channels, but others need not. */
	for (i = 0; i < VM_CHANNELS; i++)
		vm_establish(vm, &vm->c[i], VM_HANDLE, VM_LOW_PFN + i, 1 + i);
	vm_check(vm);
	for (i = 0; i < VM_CHANNELS; i++)
		KUNIT_EXPECT_EQ(test, vm_gpadl(&vm->c[i], VM_HANDLE)->pfns.nr_pages, 1 + i);
	for (i = 0; i < VM_CHANNELS; i++) {
		KUNIT_EXPECT_EQ(test, vm_teardown(vm, &vm->c[i], VM_HANDLE), 0);
		vm_expect_torndown(vm, VM_HANDLE);
	}
	vm_expect_no_gpadl(vm, &vm->c[0]);
}

/* ---- Limits ---- */

static void expect_quota_exceeded(struct vm *vm, const struct guest_msg *m)
{
	u32 handle = guest_get(m->bytes + GUEST_HANDLE, 4);

	KUNIT_EXPECT_EQ(vm->test, vm_post(vm, m), 0);
	vm_expect_created(vm, &vm->c[0], handle, 0xC0000044);
	vm_expect_silence(vm);
	vm_expect_counted(vm, GPADL_REASON_QUOTA);
	KUNIT_EXPECT_NULL(vm->test, vm_gpadl(&vm->c[0], handle));
	vm_check(vm);
}

VM_CASE(more_gpadls_than_allowed)
{
	struct guest_msg m;
	u32 i;

	vm_valid_header(vm, &m, &vm->c[0], 0);
	for (i = 0; i < 4096; i++) {
		guest_put(m.bytes + GUEST_HANDLE, 4, i);
		KUNIT_ASSERT_EQ(test, vm_post(vm, &m), 0);
		vm_expect_created(vm, &vm->c[0], i, GPADL_STATUS_SUCCESS);
	}
	guest_put(m.bytes + GUEST_HANDLE, 4, i);
	expect_quota_exceeded(vm, &m);

	KUNIT_EXPECT_EQ(test, vm_teardown(vm, &vm->c[0], 17), 0);
	vm_expect_torndown(vm, 17);
	KUNIT_EXPECT_EQ(test, vm_post(vm, &m), 0);
	vm_expect_created(vm, &vm->c[0], i, GPADL_STATUS_SUCCESS);
}

/* Charged by what the HEADER announces: no page has to be named. */
VM_CASE(more_pages_than_allowed)
{
	const u32 pages = 8190, most = 524288;
	struct guest_msg m;
	u32 i;

	vm_valid_header(vm, &m, &vm->c[0], 0);
	m.len = GUEST_HEADER_DATA;
	guest_put(m.bytes + GUEST_BUFLEN, 2, 8 * (pages + 1));
	for (i = 0; i < most / pages; i++) {
		guest_put(m.bytes + GUEST_HANDLE, 4, i);
		KUNIT_ASSERT_EQ(test, vm_post(vm, &m), 0);
	}
	vm_expect_silence(vm);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->nr_pages), i * pages);

	/* One more than is left; then as many as are left. */
	guest_put(m.bytes + GUEST_HANDLE, 4, i);
	guest_put(m.bytes + GUEST_BUFLEN, 2, 8 * (most % pages + 2));
	expect_quota_exceeded(vm, &m);
	guest_put(m.bytes + GUEST_BUFLEN, 2, 8 * (most % pages + 1));
	KUNIT_EXPECT_EQ(test, vm_post(vm, &m), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->nr_pages), most);
	vm_expect_silence(vm);
}

/* What every kind of message gets while there is no room for a reply. */
static void expect_again(struct vm *vm)
{
	struct guest_msg m;

	vm_valid_header(vm, &m, &vm->c[0], 2);
	KUNIT_EXPECT_EQ(vm->test, vm_post(vm, &m), -EAGAIN);
	guest_body(&m, 1);
	guest_words(&m, vm->s.words, 3);
	KUNIT_EXPECT_EQ(vm->test, vm_post(vm, &m), -EAGAIN);
	KUNIT_EXPECT_EQ(vm->test, vm_teardown(vm, &vm->c[0], 0), -EAGAIN);
	KUNIT_EXPECT_EQ(vm->test, vm_teardown(vm, &vm->c[0], 12345), -EAGAIN);
	KUNIT_EXPECT_EQ(vm->test, atomic_read(&vm->p->counts[GPADL_REASON_NO_ROOM]), 4);
	KUNIT_EXPECT_EQ(vm->test, vmbus_partition_poll(vm->p), VMBUS_PARTITION_READABLE);

	/* Nothing has changed. */
	KUNIT_EXPECT_EQ(vm->test, vm_gpadl(&vm->c[0], 0)->state, GPADL_READY);
	KUNIT_EXPECT_EQ(vm->test, vm_gpadl(&vm->c[0], 1)->state, GPADL_ASSEMBLING);
	KUNIT_EXPECT_EQ(vm->test, vm_gpadl(&vm->c[0], 1)->pfns.taken, 0);
	KUNIT_EXPECT_NULL(vm->test, vm_gpadl(&vm->c[0], 2));
	vm_check(vm);
}

VM_CASE(replies_never_read)
{
	struct guest_msg m;
	int i, wakes;

	/* One READY, one being assembled, and replies that fill all room. */
	vm_establish(vm, &vm->c[0], 0, VM_LOW_PFN, 2);
	vm_valid_header(vm, &m, &vm->c[0], 1);
	m.len = GUEST_HEADER_DATA;
	KUNIT_EXPECT_EQ(test, vm_post(vm, &m), 0);
	for (i = 0; i < GPADL_REPLY_ROOM; i++)
		KUNIT_ASSERT_EQ(test, vm_teardown(vm, &vm->c[0], 1000 + i), 0);
	expect_again(vm);

	/* One is read: that makes room, and says so. */
	wakes = atomic_read(&vm->wakes);
	vm_expect_torndown(vm, 1000);
	KUNIT_EXPECT_GT(test, atomic_read(&vm->wakes), wakes);
	KUNIT_EXPECT_TRUE(test, vmbus_partition_poll(vm->p) & VMBUS_PARTITION_WRITABLE);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, &vm->c[0], 0), 0);

	/* Nothing was lost. */
	for (i = 1; i < GPADL_REPLY_ROOM; i++)
		vm_expect_torndown(vm, 1000 + i);
	vm_expect_torndown(vm, 0);
	vm_expect_silence(vm);
}

/* The last room was taken for a message that needed none: waiters for room are told. */
VM_CASE(room_that_was_not_needed)
{
	struct guest_msg m;
	int i, wakes;

	for (i = 0; i < GPADL_REPLY_ROOM - 1; i++)
		KUNIT_ASSERT_EQ(test, vm_teardown(vm, &vm->c[0], i), 0);
	vm_valid_header(vm, &m, &vm->c[0], VM_HANDLE);
	guest_body(&m, VM_HANDLE);
	guest_words(&m, vm->s.words, 3);
	wakes = atomic_read(&vm->wakes);
	KUNIT_EXPECT_EQ(test, vm_post(vm, &m), -ENOENT);
	KUNIT_EXPECT_GT(test, atomic_read(&vm->wakes), wakes);
	for (i = 0; i < GPADL_REPLY_ROOM - 1; i++)
		vm_expect_torndown(vm, i);
}

/* Replies that belong to a GPADL take no room: the guest's own GPADLs bound them. */
VM_CASE(unread_replies_of_gpadls)
{
	struct guest_msg m;
	u32 i, nr = 2 * GPADL_REPLY_ROOM;

	for (i = 0; i < nr; i++) {
		vm_valid_header(vm, &m, &vm->c[0], i);
		KUNIT_EXPECT_EQ(test, vm_post(vm, &m), 0);
		KUNIT_EXPECT_EQ(test, vm_teardown(vm, &vm->c[0], i), 0);
	}
	/* They count until they are read. */
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->nr_gpadls), nr);
	for (i = 0; i < nr; i++) {
		vm_expect_created(vm, &vm->c[0], i, GPADL_STATUS_SUCCESS);
		vm_expect_torndown(vm, i);
	}
	vm_expect_silence(vm);
	vm_expect_no_gpadl(vm, &vm->c[0]);
}

/* Now one allocation fails, now another: then nothing has changed. */
VM_CASE(out_of_memory)
{
	struct guest_msg m;
	u32 handle = 0, failed = 0;
	struct alloc_fault f = {};

	alloc_fault_need(test);
	while (alloc_fault_next(&f)) {
		u8 reply[VMBUS_GPADL_MAX_REPLY];
		u32 status;
		int ret;

		vm_valid_header(vm, &m, &vm->c[0], ++handle);
		alloc_fault_begin(&f);
		ret = vm_post(vm, &m);
		alloc_fault_end(&f);

		KUNIT_EXPECT_EQ(test, ret, 0);
		KUNIT_EXPECT_EQ(test, 20,
				vmbus_partition_next_reply(vm->p, reply, sizeof(reply)));
		status = guest_get(reply + 16, 4);
		KUNIT_EXPECT_TRUE(test, !status || (f.injected && status == 0xC000009A));
		KUNIT_EXPECT_EQ(test, !status, !!vm_gpadl(&vm->c[0], handle));
		failed += !!status;
		vm_check(vm);
	}
	/* The GPADL and its page list at least. */
	KUNIT_EXPECT_GE(test, failed, 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->p->counts[GPADL_REASON_NO_MEMORY]), failed);
}

/* The table that has no room for an entry */
static struct xarray *full;

static int store_unless_full(struct xarray *xa, struct gpadl *g)
{
	return xa == full ? -ENOMEM :
	       xa_err(__xa_store(xa, g->handle, g, GFP_KERNEL_ACCOUNT));
}

/* The GPADL of that handle on the other channel, if there is one, is as it was. */
static void expect_no_room(struct vm *vm, struct xarray *xa)
{
	struct vm_channel *c = &vm->c[0];
	struct gpadl *head = xa_load(&vm->p->handles, VM_HANDLE);
	struct guest_msg m;

	full = xa;
	vm_valid_header(vm, &m, c, VM_HANDLE);
	KUNIT_EXPECT_EQ(vm->test, vm_post(vm, &m), 0);
	vm_expect_created(vm, c, VM_HANDLE, 0xC000009A);
	vm_expect_silence(vm);
	KUNIT_EXPECT_NULL(vm->test, vm_gpadl(c, VM_HANDLE));
	KUNIT_EXPECT_PTR_EQ(vm->test, xa_load(&vm->p->handles, VM_HANDLE), head);
	vm_check(vm);

	/* The handle is free. */
	full = NULL;
	vm_establish(vm, c, VM_HANDLE, VM_LOW_PFN, 1);
	KUNIT_EXPECT_EQ(vm->test, vm_teardown(vm, c, VM_HANDLE), 0);
	vm_expect_torndown(vm, VM_HANDLE);
}

/* An xarray that has no memory tries again: what fails once does not make it fail. */
VM_CASE(no_room_in_a_table)
{
	kunit_activate_static_stub(test, gpadl_table_store, store_unless_full);
	expect_no_room(vm, &vm->p->handles);
	expect_no_room(vm, &vm->c[0].chan->gpadls);
	vm_establish(vm, &vm->c[1], VM_HANDLE, VM_LOW_PFN, 1);
	expect_no_room(vm, &vm->c[0].chan->gpadls);
	kunit_deactivate_static_stub(test, gpadl_table_store);
}

/* ---- TEARDOWN ---- */

VM_CASE(teardown_while_assembling)
{
	struct guest_msg m;

	vm_valid_header(vm, &m, &vm->c[0], VM_HANDLE);
	m.len = GUEST_HEADER_DATA;
	KUNIT_EXPECT_EQ(test, vm_post(vm, &m), 0);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_created(vm, &vm->c[0], VM_HANDLE, 0xC0000120);
	vm_expect_torndown(vm, VM_HANDLE);
	vm_expect_silence(vm);
	vm_expect_counted(vm, GPADL_REASON_CANCELLED);
	vm_expect_no_gpadl(vm, &vm->c[0]);
}

VM_CASE(teardown_of_unknown_handle)
{
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_torndown(vm, VM_HANDLE);
	vm_expect_silence(vm);
	vm_expect_no_gpadl(vm, &vm->c[0]);
}

VM_CASE(teardown_of_full_length)
{
	struct guest_msg m;

	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 2);
	guest_teardown(&m, vm->c[0].relid, VM_HANDLE);
	memset(m.bytes + m.len, 0xff, GUEST_MSG_MAX - m.len);
	m.len = GUEST_MSG_MAX;
	KUNIT_EXPECT_EQ(test, vm_post(vm, &m), 0);
	vm_expect_torndown(vm, VM_HANDLE);
	vm_expect_silence(vm);
}

VM_CASE(teardown_on_wrong_channel)
{
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 2);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, &vm->c[1], VM_HANDLE), 0);
	vm_expect_silence(vm);
	vm_expect_counted(vm, GPADL_REASON_OTHER_CHANNEL);
	KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

VM_CASE(second_teardown_while_first_waits)
{
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 2);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, &vm->c[0], VM_HANDLE), 0);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_silence(vm);
	vm_expect_counted(vm, GPADL_REASON_REPEATED);
	vm_flush_revokes(&vm->c[0]);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->c[0].revokes), 1);

	vm_unmap(&vm->c[0], VM_HANDLE);
	vm_expect_torndown(vm, VM_HANDLE);
	vm_expect_silence(vm);
}

VM_CASE(teardown_after_teardown)
{
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 2);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, &vm->c[0], VM_HANDLE), 0);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_torndown(vm, VM_HANDLE);
	vm_expect_torndown(vm, VM_HANDLE);
	vm_expect_silence(vm);
}

/*
 * A thread that has found a GPADL by its handle, or in a walk, comes to its lock just after
 * an unmap has ended it.
 */
VM_CASE(dead_when_it_is_reached)
{
	struct gpadl *g;

	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 2);
	g = vm_gpadl(&vm->c[0], VM_HANDLE);
	refcount_inc(&g->ref);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_torndown(vm, VM_HANDLE);
	KUNIT_EXPECT_EQ(test, g->state, GPADL_DEAD);

	mutex_lock(&vm->p->rx_mutex);
	KUNIT_EXPECT_FALSE(test, gpadl_teardown(g));
	gpadl_teardown_quietly(g, false);
	gpadl_teardown_quietly(g, true);
	mutex_unlock(&vm->p->rx_mutex);
	vm_expect_silence(vm);
	gpadl_put(g);
	vm_expect_no_gpadl(vm, &vm->c[0]);
}

/* ---- A channel that goes ---- */

VM_CASE(header_on_rescinded_channel)
{
	KUNIT_EXPECT_EQ(test, vmbus_gpadl_channel_rescind(vm->c[0].chan), 0);
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 2);
	KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), -ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, vm_teardown(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_torndown(vm, VM_HANDLE);
	vm_flush_revokes(&vm->c[0]);
	KUNIT_EXPECT_EQ(test, atomic_read(&vm->c[0].revokes), 0);
}

VM_CASE(header_on_released_channel)
{
	struct guest_msg m;

	KUNIT_EXPECT_EQ(test, vmbus_gpadl_channel_rescind(vm->c[0].chan), 0);
	vmbus_gpadl_channel_relid_released(vm->c[0].chan);
	vm_valid_header(vm, &m, &vm->c[0], VM_HANDLE);
	vm_expect_refused(vm, &m, -ENXIO, GPADL_REASON_NO_CHANNEL);
}

/* Released, but not rescinded: it is there for the next driver that the guest loads. */
VM_CASE(header_after_release)
{
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 2);
	vmbus_gpadl_channel_relid_released(vm->c[0].chan);
	vm_expect_silence(vm);
	vm_expect_no_gpadl(vm, &vm->c[0]);
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 2);
	KUNIT_EXPECT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	vm_unmap(&vm->c[0], VM_HANDLE);
}

/* The largest handle there can be: a walk ends after it, and not before. */
VM_CASE(release_of_last_handle)
{
	vm_establish(vm, &vm->c[0], U32_MAX - 1, VM_LOW_PFN, 2);
	vm_establish(vm, &vm->c[0], U32_MAX, VM_LOW_PFN, 2);
	vmbus_gpadl_channel_relid_released(vm->c[0].chan);
	KUNIT_EXPECT_NULL(test, vm_gpadl(&vm->c[0], U32_MAX - 1));
	KUNIT_EXPECT_NULL(test, vm_gpadl(&vm->c[0], U32_MAX));
	vm_expect_silence(vm);
}

/* Replies that wait go with their channel, those of others stay. */
VM_CASE(release_takes_replies_along)
{
	struct guest_msg m;
	int i;

	for (i = 0; i < VM_CHANNELS; i++) {
		vm_valid_header(vm, &m, &vm->c[i], VM_HANDLE + i);
		KUNIT_EXPECT_EQ(test, vm_post(vm, &m), 0);
		KUNIT_EXPECT_EQ(test, vm_teardown(vm, &vm->c[i], 77 + i), 0);
	}
	vmbus_gpadl_channel_relid_released(vm->c[0].chan);
	vm_expect_created(vm, &vm->c[1], VM_HANDLE + 1, GPADL_STATUS_SUCCESS);
	vm_expect_torndown(vm, 78);
	vm_expect_silence(vm);
	vm_check(vm);
}

/* An answer to what a channel was asked, which came when it had been put already */
VM_CASE(reset_takes_replies_of_put_channel)
{
	struct vmbus_gpadl_channel *chan = vm->c[0].chan;
	struct gpadl_reply *r;

	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 2);
	KUNIT_ASSERT_EQ(test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
	r = vmbus_partition_reserve_reply(vm->p);
	KUNIT_ASSERT_NOT_NULL(test, r);
	/* What is mapped keeps it. */
	vm_put_channel(&vm->c[0]);
	/* A revoke holds it for a moment: not any more when it goes. */
	gpadl_worker_flush(&chan->worker);
	vmbus_partition_queue_reply(chan, r, "late", 4);
	vmbus_gpadl_unmap(vm_mapping(chan, VM_HANDLE));
	KUNIT_EXPECT_EQ(test, vmbus_partition_reset(vm->p), 0);
	vm_expect_silence(vm);
	vm_check(vm);
}

static struct kunit_case handle_cases[] = {
	KUNIT_CASE(handle_ready_here),
	KUNIT_CASE(handle_mapped_here),
	KUNIT_CASE(handle_assembling_here),
	KUNIT_CASE(handle_assembling_elsewhere),
	KUNIT_CASE(handle_in_teardown_here),
	KUNIT_CASE(handle_in_teardown_elsewhere),
	KUNIT_CASE(handle_ready_elsewhere),
	KUNIT_CASE_SLOW(more_gpadls_than_allowed),
	KUNIT_CASE(more_pages_than_allowed),
	KUNIT_CASE(replies_never_read),
	KUNIT_CASE(room_that_was_not_needed),
	KUNIT_CASE(unread_replies_of_gpadls),
	KUNIT_CASE(out_of_memory),
	KUNIT_CASE(no_room_in_a_table),
	KUNIT_CASE(teardown_while_assembling),
	KUNIT_CASE(teardown_of_unknown_handle),
	KUNIT_CASE(teardown_of_full_length),
	KUNIT_CASE(teardown_on_wrong_channel),
	KUNIT_CASE(second_teardown_while_first_waits),
	KUNIT_CASE(teardown_after_teardown),
	KUNIT_CASE(dead_when_it_is_reached),
	KUNIT_CASE(header_on_rescinded_channel),
	KUNIT_CASE(header_on_released_channel),
	KUNIT_CASE(header_after_release),
	KUNIT_CASE(release_of_last_handle),
	KUNIT_CASE(release_takes_replies_along),
	KUNIT_CASE(reset_takes_replies_of_put_channel),
	{}
};

struct kunit_suite handle_suite = {
	.name = "vmbus_gpadl_handle",
	.init = vm_init,
	.exit = vm_exit,
	.test_cases = handle_cases,
};
