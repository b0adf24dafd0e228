// SPDX-License-Identifier: GPL-2.0
/*
 * Channels: opened and closed by the guest, rescinded, destroyed and reset by the VMM.
 */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#include "fixture.h"

FIXTURE(channel) {
	struct vmm vmm;
};

FIXTURE_SETUP(channel)
{
	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
}

FIXTURE_TEARDOWN(channel)
{
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

static struct vmbus_gpadl_test_state state(struct vmm *v)
{
	return backend_state(v->backend, v->instance);
}

/* ---- OPENCHANNEL ---- */

#define EXPECT_OPEN_FAILS(_relid, _ring_handle, _ring_page) do {		\
	__u32 __relid = (_relid);						\
										\
	EXPECT_EQ(0, guest_open(self->vmm.fd, __relid, 77, _ring_handle,	\
				_ring_page));					\
	EXPECT_NOT_OPENED(self->vmm.fd, __relid, 77);				\
	EXPECT_SILENCE(self->vmm.fd);						\
} while (0)

TEST_F(channel, open)
{
	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_EQ(1, state(&self->vmm).open);
	EXPECT_EQ(RING_KB, pinned_kb(0));
}

TEST_F(channel, open_again)
{
	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_OPEN_FAILS(RELID, RING_HANDLE, RING_SPLIT);
	EXPECT_EQ(1, state(&self->vmm).open);
}

TEST_F(channel, open_without_ring)
{
	EXPECT_OPEN_FAILS(RELID, RING_HANDLE, RING_SPLIT);
}

TEST_F(channel, open_with_incomplete_ring)
{
	__u64 words[] = { range_word(0, RING_BYTES), RING_GPA / HV_PAGE };

	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, RING_HANDLE, 1, 5, words, 2));
	EXPECT_OPEN_FAILS(RELID, RING_HANDLE, RING_SPLIT);
}

TEST_F(channel, open_with_ring_of_two_ranges)
{
	struct guest_gpadl g;

	gpadl_init(&g, RING_HANDLE);
	gpadl_range(&g, 0, 2 * HV_PAGE);
	gpadl_pages(&g, RING_GPA / HV_PAGE, 2);
	gpadl_range(&g, 0, 2 * HV_PAGE);
	gpadl_pages(&g, RING_GPA / HV_PAGE + 2, 2);
	EXPECT_EQ(0, guest_gpadl(self->vmm.fd, RELID, &g, false));
	EXPECT_CREATED(self->vmm.fd, RELID, RING_HANDLE, STATUS_SUCCESS);
	EXPECT_OPEN_FAILS(RELID, RING_HANDLE, RING_SPLIT);
}

TEST_F(channel, open_with_ring_at_an_offset)
{
	struct guest_gpadl g;

	gpadl_init(&g, RING_HANDLE);
	gpadl_range(&g, 8, RING_BYTES - HV_PAGE);
	gpadl_pages(&g, RING_GPA / HV_PAGE, RING_PAGES);
	EXPECT_EQ(0, guest_gpadl(self->vmm.fd, RELID, &g, false));
	EXPECT_CREATED(self->vmm.fd, RELID, RING_HANDLE, STATUS_SUCCESS);
	EXPECT_OPEN_FAILS(RELID, RING_HANDLE, RING_SPLIT);
}

TEST_F(channel, open_with_ring_of_odd_length)
{
	struct guest_gpadl g;

	gpadl_init(&g, RING_HANDLE);
	gpadl_range(&g, 0, RING_BYTES - 8);
	gpadl_pages(&g, RING_GPA / HV_PAGE, RING_PAGES);
	EXPECT_EQ(0, guest_gpadl(self->vmm.fd, RELID, &g, false));
	EXPECT_CREATED(self->vmm.fd, RELID, RING_HANDLE, STATUS_SUCCESS);
	EXPECT_OPEN_FAILS(RELID, RING_HANDLE, RING_SPLIT);
}

TEST_F(channel, open_with_bad_ring_page)
{
	EXPECT_GPADL(self->vmm.fd, RELID, RING_HANDLE, RING_GPA, RING_BYTES);
	EXPECT_OPEN_FAILS(RELID, RING_HANDLE, 0);
	EXPECT_OPEN_FAILS(RELID, RING_HANDLE, 1);
	EXPECT_OPEN_FAILS(RELID, RING_HANDLE, RING_PAGES - 1);
	EXPECT_OPEN_FAILS(RELID, RING_HANDLE, RING_PAGES);
	EXPECT_OPEN_FAILS(RELID, RING_HANDLE, 0x80000000);
	EXPECT_OPEN_FAILS(RELID, RING_HANDLE, ~0u);
	EXPECT_EQ(0, pinned_kb(0));
	/* None of it has spoiled anything */
	EXPECT_EQ(0, guest_open(self->vmm.fd, RELID, 1, RING_HANDLE, RING_SPLIT));
	EXPECT_OPENED(self->vmm.fd, RELID, 1);
}

TEST_F(channel, open_with_read_only_ring)
{
	struct guest_gpadl g;

	gpadl_simple(&g, RING_HANDLE, RING_GPA, RING_BYTES);
	EXPECT_EQ(0, guest_gpadl(self->vmm.fd, RELID, &g, true));
	EXPECT_CREATED(self->vmm.fd, RELID, RING_HANDLE, STATUS_SUCCESS);
	EXPECT_OPEN_FAILS(RELID, RING_HANDLE, RING_SPLIT);
}

TEST_F(channel, open_with_ring_of_another_channel)
{
	ASSERT_EQ(0, vmm_channel(self->vmm.fd, RELID2, 1, NULL));
	EXPECT_GPADL(self->vmm.fd, RELID2, RING_HANDLE, RING_GPA, RING_BYTES);
	EXPECT_OPEN_FAILS(RELID, RING_HANDLE, RING_SPLIT);
}

TEST_F(channel, open_refused_by_backend)
{
	int fd = open("/dev/vmbus-gpadl-test", O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, backend_policy(fd, VMBUS_GPADL_TEST_REFUSE_OPEN));
	EXPECT_GPADL(self->vmm.fd, RELID, RING_HANDLE, RING_GPA, RING_BYTES);
	EXPECT_OPEN_FAILS(RELID, RING_HANDLE, RING_SPLIT);
	EXPECT_EQ(0, pinned_kb(0));
	close(fd);
	EXPECT_EQ(0, guest_open(self->vmm.fd, RELID, 2, RING_HANDLE, RING_SPLIT));
	EXPECT_OPENED(self->vmm.fd, RELID, 2);
}

/* It has an NTSTATUS of its own. */
TEST_F(channel, open_of_what_the_backend_has_not_got)
{
	int fd = open("/dev/vmbus-gpadl-test", O_RDWR | O_CLOEXEC);
	struct reply r;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, backend_policy(fd, VMBUS_GPADL_TEST_REFUSE_ABSENT));
	EXPECT_GPADL(self->vmm.fd, RELID, RING_HANDLE, RING_GPA, RING_BYTES);
	EXPECT_EQ(0, guest_open(self->vmm.fd, RELID, 1, RING_HANDLE, RING_SPLIT));
	r = reply_wait(self->vmm.fd);
	EXPECT_EQ(MSG_OPENCHANNEL_RESULT, r.type);
	EXPECT_EQ(STATUS_NO_SUCH_DEVICE, r.status);
	close(fd);
	EXPECT_EQ(0, guest_open(self->vmm.fd, RELID, 2, RING_HANDLE, RING_SPLIT));
	EXPECT_OPENED(self->vmm.fd, RELID, 2);
}

/* UEFI sends every message at full length, VMBus 6.0 an event flag and flags: not looked at */
TEST_F(channel, open_that_is_longer)
{
	struct {
		struct msg_open open;
		__u8 more[VMBUS_HOST_MSG_MAX - sizeof(struct msg_open)];
	} msg = {
		.open = {
			.type = MSG_OPENCHANNEL,
			.relid = RELID,
			.openid = 3,
			.ring_handle = RING_HANDLE,
			.ring_page = RING_SPLIT,
		},
	};

	memset(msg.more, 0xff, sizeof(msg.more));
	EXPECT_GPADL(self->vmm.fd, RELID, RING_HANDLE, RING_GPA, RING_BYTES);
	EXPECT_EQ(0, guest_post(self->vmm.fd, &msg, sizeof(msg)));
	EXPECT_OPENED(self->vmm.fd, RELID, 3);
}

/* The bytes of a ring that the guest has filled with nonsense: refused, not believed */
TEST_F(channel, open_with_nonsense_in_ring)
{
	memset(self->vmm.ring, 0xff, RING_BYTES);
	EXPECT_GPADL(self->vmm.fd, RELID, RING_HANDLE, RING_GPA, RING_BYTES);
	EXPECT_OPEN_FAILS(RELID, RING_HANDLE, RING_SPLIT);
}

/* ---- CLOSECHANNEL and RELID_RELEASED ---- */

TEST_F(channel, close_unmaps_and_keeps_gpadls)
{
	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));

	EXPECT_EQ(0, guest_close(self->vmm.fd, RELID));
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) == 0));
	EXPECT_EQ(0, state(&self->vmm).open);
	EXPECT_EQ(-ENODEV, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_SILENCE(self->vmm.fd);

	EXPECT_TEARDOWN(self->vmm.fd, RELID, HANDLE);
	EXPECT_TEARDOWN(self->vmm.fd, RELID, RING_HANDLE);
	close(self->vmm.backend);
	vmm_open_channel(_metadata, &self->vmm);
}

TEST_F(channel, close_of_what_is_not_open)
{
	EXPECT_EQ(0, guest_close(self->vmm.fd, RELID));
	EXPECT_SILENCE(self->vmm.fd);
	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_EQ(0, guest_close(self->vmm.fd, RELID));
	EXPECT_EQ(0, guest_close(self->vmm.fd, RELID));
	EXPECT_SILENCE(self->vmm.fd);
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) == 0));
}

/* An OPENCHANNEL right behind a CLOSECHANNEL waits for it */
TEST_F(channel, open_follows_close)
{
	unsigned int i;

	vmm_open_channel(_metadata, &self->vmm);
	for (i = 2; i < 50; i++) {
		EXPECT_EQ(0, guest_close(self->vmm.fd, RELID));
		EXPECT_EQ(0, guest_open(self->vmm.fd, RELID, i, RING_HANDLE, RING_SPLIT));
		EXPECT_OPENED(self->vmm.fd, RELID, i);
	}
}

/* An OPENCHANNEL is answered once, however soon the close comes */
TEST_F(channel, close_follows_open)
{
	struct reply r;
	unsigned int i;

	EXPECT_GPADL(self->vmm.fd, RELID, RING_HANDLE, RING_GPA, RING_BYTES);
	for (i = 1; i < 50; i++) {
		EXPECT_EQ(0, guest_open(self->vmm.fd, RELID, i, RING_HANDLE, RING_SPLIT));
		EXPECT_EQ(0, guest_close(self->vmm.fd, RELID));
		r = reply_wait(self->vmm.fd);
		EXPECT_EQ(MSG_OPENCHANNEL_RESULT, r.type);
		EXPECT_EQ(i, r.openid);
	}
	EXPECT_SILENCE(self->vmm.fd);
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) == 0));
}

/* The close comes while the rings are being mapped: opened, and closed again, unseen */
TEST_F(channel, close_while_opening)
{
	int uffd = memory_stall(self->vmm.ring, RING_BYTES);
	struct reply r;
	__u32 i;

	if (kernel_before(6, 2))
		SKIP(return, NO_PIN_WAITS);
	ASSERT_LE(0, uffd);
	EXPECT_GPADL(self->vmm.fd, RELID, RING_HANDLE, RING_GPA, RING_BYTES);
	EXPECT_EQ(0, guest_open(self->vmm.fd, RELID, 1, RING_HANDLE, RING_SPLIT));
	ASSERT_TRUE(WAIT_FOR(memory_is_touched(uffd)));
	EXPECT_EQ(0, guest_close(self->vmm.fd, RELID));
	for (i = 0; i < RING_PAGES; i++)
		EXPECT_EQ(0, memory_fill(uffd, self->vmm.ring + i * HV_PAGE, 0));
	r = reply_wait(self->vmm.fd);
	EXPECT_EQ(MSG_OPENCHANNEL_RESULT, r.type);
	EXPECT_EQ(STATUS_CANCELLED, r.status);
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) == 0));
	EXPECT_SILENCE(self->vmm.fd);
	close(uffd);
}

/* The same by a guest that has done with the channel: nothing is opened, and nobody is told. */
TEST_F(channel, released_while_opening)
{
	int uffd = memory_stall(self->vmm.ring, RING_BYTES);
	__u32 i;

	if (kernel_before(6, 2))
		SKIP(return, NO_PIN_WAITS);
	ASSERT_LE(0, uffd);
	EXPECT_GPADL(self->vmm.fd, RELID, RING_HANDLE, RING_GPA, RING_BYTES);
	EXPECT_EQ(0, guest_open(self->vmm.fd, RELID, 1, RING_HANDLE, RING_SPLIT));
	ASSERT_TRUE(WAIT_FOR(memory_is_touched(uffd)));
	EXPECT_EQ(0, guest_released(self->vmm.fd, RELID));
	for (i = 0; i < RING_PAGES; i++)
		EXPECT_EQ(0, memory_fill(uffd, self->vmm.ring + i * HV_PAGE, 0));
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) == 0));
	EXPECT_SILENCE(self->vmm.fd);
	close(uffd);
	/* It can be opened anew. */
	vmm_open_channel(_metadata, &self->vmm);
}

TEST_F(channel, teardown_of_the_ring_closes)
{
	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_TEARDOWN(self->vmm.fd, RELID, RING_HANDLE);
	EXPECT_TRUE(WAIT_FOR(!state(&self->vmm).open));
	EXPECT_EQ(0, pinned_kb(0));
}

TEST_F(channel, released_while_open)
{
	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));

	EXPECT_EQ(0, guest_released(self->vmm.fd, RELID));
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) == 0));
	EXPECT_TRUE(WAIT_FOR(!state(&self->vmm).open));
	EXPECT_SILENCE(self->vmm.fd);

	/* It was not rescinded: it can be used again, with nothing left of before */
	close(self->vmm.backend);
	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
}

TEST_F(channel, released_takes_unread_replies)
{
	__u64 words[] = { range_word(0, HV_PAGE), MEM_PFN };

	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 1, 2, words, 2));
	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 1, 2, words, 2));
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE2));
	EXPECT_EQ(0, guest_released(self->vmm.fd, RELID));
	EXPECT_SILENCE(self->vmm.fd);
}

/* A mapped GPADL that is wanted back for good gets no TORNDOWN any more */
TEST_F(channel, released_while_teardown_waits)
{
	vmm_open_channel(_metadata, &self->vmm);
	ASSERT_EQ(0, backend_policy(self->vmm.backend, ON_REVOKE_HOLD));
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE));
	EXPECT_EQ(0, guest_released(self->vmm.fd, RELID));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) == 0));
	EXPECT_SILENCE(self->vmm.fd);
}

/* ---- Rescind ---- */

static int do_rescind(void *arg)
{
	return vmm_rescind(((struct vmm *)arg)->fd, RELID);
}

static int do_destroy(void *arg)
{
	return vmm_destroy(((struct vmm *)arg)->fd, RELID);
}

static int do_reset(void *arg)
{
	return vmm_reset(((struct vmm *)arg)->fd);
}

/* A GPADL that the backend keeps until it is told otherwise */
static void hold_gpadl(struct __test_metadata *_metadata, struct vmm *v)
{
	vmm_open_channel(_metadata, v);
	ASSERT_EQ(0, backend_policy(v->backend, ON_REVOKE_HOLD));
	EXPECT_GPADL(v->fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	ASSERT_EQ(0, backend_map(v->backend, HANDLE, 0));
}

TEST_F(channel, rescind_waits_for_the_backend)
{
	unsigned int closes;
	struct task t;

	hold_gpadl(_metadata, &self->vmm);
	closes = state(&self->vmm).closes;
	task_start(&t, do_rescind, &self->vmm);
	EXPECT_TRUE(WAIT_FOR(state(&self->vmm).closes > closes));
	EXPECT_TRUE(WAIT_FOR(task_sleeps(&t)));
	EXPECT_FALSE(task_is_done(&t));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, task_join(&t));
	EXPECT_EQ(0, pinned_kb(0));
}

TEST_F(channel, rescind_is_told_to_a_backend_that_lets_go)
{
	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, vmm_rescind(self->vmm.fd, RELID));
	EXPECT_EQ(0, pinned_kb(0));
	EXPECT_EQ(0, vmm_rescind(self->vmm.fd, RELID));
	EXPECT_SILENCE(self->vmm.fd);
}

TEST_F(channel, rescinded_still_answers)
{
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, vmm_rescind(self->vmm.fd, RELID));
	EXPECT_TEARDOWN(self->vmm.fd, RELID, HANDLE);
	/* As if nothing were, but that nobody maps it */
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_TEARDOWN(self->vmm.fd, RELID, HANDLE);
	EXPECT_GPADL(self->vmm.fd, RELID, RING_HANDLE, RING_GPA, RING_BYTES);
	EXPECT_OPEN_FAILS(RELID, RING_HANDLE, RING_SPLIT);
	EXPECT_EQ(0, guest_close(self->vmm.fd, RELID));
	EXPECT_SILENCE(self->vmm.fd);
}

TEST_F(channel, rescinded_and_released)
{
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, vmm_rescind(self->vmm.fd, RELID));
	EXPECT_EQ(0, guest_released(self->vmm.fd, RELID));
	EXPECT_EQ(-ENXIO, guest_teardown(self->vmm.fd, RELID, HANDLE));
	EXPECT_EQ(-ENXIO, guest_released(self->vmm.fd, RELID));
	EXPECT_EQ(-ENXIO, guest_close(self->vmm.fd, RELID));
	EXPECT_SILENCE(self->vmm.fd);
	EXPECT_EQ(0, vmm_destroy(self->vmm.fd, RELID));
	EXPECT_EQ(0, vmm_channel(self->vmm.fd, RELID, 0, NULL));
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
}

/*
 * Only a fatal signal ends the wait. So it is a process that shares the address space
 * that waits, and is killed; what it asked for stands, and can be asked again.
 */
static int rescind_and_exit(void *arg)
{
	_exit(vmm_rescind(((struct vmm *)arg)->fd, RELID) ? 1 : 0);
}

static bool process_sleeps(pid_t pid)
{
	char path[64], stat[256] = "", *mark;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(stat, sizeof(stat), f))
		stat[0] = 0;
	fclose(f);
	mark = strrchr(stat, ')');
	return mark && (mark[2] == 'S' || mark[2] == 'D');
}

TEST_F(channel, rescind_is_killed_and_repeated)
{
	char *stack = malloc(65536);
	unsigned int closes;
	struct task t;
	int status;
	pid_t pid;

	hold_gpadl(_metadata, &self->vmm);
	closes = state(&self->vmm).closes;
	pid = clone(rescind_and_exit, stack + 65536, CLONE_VM | CLONE_FILES | SIGCHLD,
		    &self->vmm);
	ASSERT_LT(0, pid);
	EXPECT_TRUE(WAIT_FOR(state(&self->vmm).closes > closes));
	EXPECT_TRUE(WAIT_FOR(process_sleeps(pid)));
	EXPECT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));

	task_start(&t, do_rescind, &self->vmm);
	EXPECT_TRUE(WAIT_FOR(task_sleeps(&t)));
	EXPECT_FALSE(task_is_done(&t));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, task_join(&t));
	free(stack);
}

/* ---- Destroy ---- */

TEST_F(channel, destroy_waits_for_the_backend)
{
	struct task t;

	hold_gpadl(_metadata, &self->vmm);
	task_start(&t, do_destroy, &self->vmm);
	EXPECT_TRUE(WAIT_FOR(task_sleeps(&t)));
	EXPECT_FALSE(task_is_done(&t));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, task_join(&t));
	EXPECT_EQ(0, pinned_kb(0));
	EXPECT_EQ(-ENXIO, guest_teardown(self->vmm.fd, RELID, HANDLE));
	EXPECT_SILENCE(self->vmm.fd);
}

TEST_F(channel, destroyed_relid_can_be_used_again)
{
	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, vmm_destroy(self->vmm.fd, RELID));
	EXPECT_EQ(-ENOENT, vmm_destroy(self->vmm.fd, RELID));
	EXPECT_EQ(0, vmm_channel(self->vmm.fd, RELID, 0, NULL));
	close(self->vmm.backend);
	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
}

TEST_F(channel, destroy_takes_unread_replies)
{
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE));
	EXPECT_EQ(0, vmm_destroy(self->vmm.fd, RELID));
	EXPECT_SILENCE(self->vmm.fd);
}

/* ---- Reset ---- */

TEST_F(channel, reset_waits_for_the_backend)
{
	struct task t;

	hold_gpadl(_metadata, &self->vmm);
	task_start(&t, do_reset, &self->vmm);
	EXPECT_TRUE(WAIT_FOR(task_sleeps(&t)));
	EXPECT_FALSE(task_is_done(&t));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, task_join(&t));
	EXPECT_EQ(0, pinned_kb(0));
	EXPECT_SILENCE(self->vmm.fd);
}

/* The guest can open a channel again before the reset is through: that is not waited for. */
TEST_F(channel, reset_does_not_wait_for_the_guest)
{
	unsigned int closes;
	struct task t;

	hold_gpadl(_metadata, &self->vmm);
	closes = state(&self->vmm).closes;
	task_start(&t, do_reset, &self->vmm);
	EXPECT_TRUE(WAIT_FOR(state(&self->vmm).closes > closes));
	EXPECT_TRUE(WAIT_FOR(task_sleeps(&t)));
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE2, RING_GPA, RING_BYTES);
	EXPECT_EQ(0, guest_open(self->vmm.fd, RELID, 2, HANDLE2, RING_SPLIT));
	EXPECT_SILENCE(self->vmm.fd);

	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_OPENED(self->vmm.fd, RELID, 2);
	EXPECT_TRUE(WAIT_FOR(task_is_done(&t)));
	EXPECT_EQ(RING_KB, pinned_kb(0));
	EXPECT_EQ(0, guest_close(self->vmm.fd, RELID));
	EXPECT_EQ(0, task_join(&t));
}

/* Channels and regions stay; GPADLs and replies go */
TEST_F(channel, reset)
{
	__u64 words[] = { range_word(0, 2 * HV_PAGE), MEM_PFN, MEM_PFN };

	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE2, 1, 3, words, 2));
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE3));

	EXPECT_EQ(0, vmm_reset(self->vmm.fd));
	EXPECT_EQ(0, pinned_kb(0));
	EXPECT_SILENCE(self->vmm.fd);
	EXPECT_EQ(POLLOUT, poll_now(self->vmm.fd));
	EXPECT_EQ(-ENOENT, guest_body(self->vmm.fd, HANDLE2, 0, words, 1));

	close(self->vmm.backend);
	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
}

/* A reply that could not be delivered is one that was not read */
TEST_F(channel, reset_drops_a_reply_that_faulted)
{
	char *page = mmap(NULL, HV_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE));
	EXPECT_EQ(-1, read(self->vmm.fd, page, VMBUS_HOST_MSG_MAX));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, vmm_reset(self->vmm.fd));
	EXPECT_SILENCE(self->vmm.fd);
}

/* Nor is it lost: nobody else would answer the guest. */
TEST_F(channel, reply_that_faulted_is_read_again)
{
	char *page = mmap(NULL, HV_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE));
	EXPECT_EQ(-1, read(self->vmm.fd, page, VMBUS_HOST_MSG_MAX));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(POLLIN | POLLOUT, poll_now(self->vmm.fd));
	EXPECT_TORNDOWN(self->vmm.fd, HANDLE);
	EXPECT_SILENCE(self->vmm.fd);
}

/* What the backend can ask its endpoint */
TEST_F(channel, backend_knows)
{
	struct vmbus_gpadl_test_state is;

	vmm_open_channel(_metadata, &self->vmm);
	is = state(&self->vmm);
	EXPECT_EQ(RELID, is.relid);
	EXPECT_STREQ(GUEST_USERDATA, (char *)is.userdata);
}

TEST_HARNESS_MAIN
