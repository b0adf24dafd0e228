// SPDX-License-Identifier: GPL-2.0
/*
 * Requests that complete elsewhere, in softirqs, in work and in threads, while their channel is
 * closed, rescinded, destroyed, reset, unplugged, or its VMM dies: nothing is lost, and nothing
 * comes after close().
 */
#include <signal.h>
#include <unistd.h>

#include "device_fixture.h"
#include "ring_wire.h"

#define NR_REQUESTS	16

struct late {
	int fd;
	char *rings;
	struct vmbus_host_channel_create create;
	struct vmbus_device_test_config config;
	struct counts before;
	__u32 host_read;	/* read_index of the ring that the host writes, at first */
};

/* The channel is open, and the backend has requests under way. */
static void late_start(struct __test_metadata *_metadata, struct late *self, __u32 flags)
{
	self->rings = memory_alloc(MEM_ANON, RING_BYTES);
	ASSERT_NE(NULL, self->rings);
	self->fd = open("/dev/vmbus-host", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vmm_create(self->fd));
	ASSERT_EQ(0, vmm_region(self->fd, RING_SLOT, 0, RING_GPA, RING_BYTES, self->rings));
	self->config.size = sizeof(self->config);
	self->config.flags = flags;
	self->create = (struct vmbus_host_channel_create){
		.size = sizeof(self->create),
		.relid = RELID,
		.config = PTR(&self->config),
	};
	memcpy(self->create.if_type, if_type, sizeof(if_type));
	ASSERT_EQ(0, create(self->fd, &self->create));

	ring_put_requests(self->rings, NR_REQUESTS);
	((__u32 *)(self->rings + RING_SPLIT * HV_PAGE))[1] = self->host_read;
	EXPECT_RINGS(0);
	EXPECT_CHANNEL_OPENS(0);
	ASSERT_TRUE(WAIT_FOR(counts().taken == self->before.taken + NR_REQUESTS));
	EXPECT_EQ(self->before.done, counts().done);
}

/* All of them came, completed, and did so while their channel was there. */
#define EXPECT_ALL_COMPLETED(_before) do {					\
	struct counts _b = (_before), _after = counts();			\
										\
	EXPECT_EQ(_b.taken + NR_REQUESTS, _after.taken);			\
	EXPECT_EQ(_b.done + NR_REQUESTS, _after.done);				\
	EXPECT_EQ(_b.stray, _after.stray);					\
} while (0)

FIXTURE(late) {
	struct late l;
	struct task task;
};

FIXTURE_VARIANT(late) {
	const char *where;	/* they complete */
	__u32 flags;		/* of the configuration */
};

/*
 * By vmbus_endpoint_send() and vmbus_endpoint_put(), by vmbus_endpoint_complete(), or by
 * vmbus_endpoint_complete_later()
 */
#define COMPLETION	.flags = VMBUS_DEVICE_TEST_COMPLETION
#define LATER		.flags = VMBUS_DEVICE_TEST_LATER
#define NO_DRAIN	.flags = VMBUS_DEVICE_TEST_NO_DRAIN

FIXTURE_VARIANT_ADD(late, softirq) { .where = "softirq" };
FIXTURE_VARIANT_ADD(late, work) { .where = "work" };
FIXTURE_VARIANT_ADD(late, kthread) { .where = "kthread" };
FIXTURE_VARIANT_ADD(late, softirq_completion) { .where = "softirq", COMPLETION };
FIXTURE_VARIANT_ADD(late, work_completion) { .where = "work", COMPLETION };
FIXTURE_VARIANT_ADD(late, kthread_completion) { .where = "kthread", COMPLETION };
FIXTURE_VARIANT_ADD(late, softirq_later) { .where = "softirq", LATER };
FIXTURE_VARIANT_ADD(late, work_later) { .where = "work", LATER };
FIXTURE_VARIANT_ADD(late, kthread_later) { .where = "kthread", LATER };
FIXTURE_VARIANT_ADD(late, close_returns) { .where = "softirq", NO_DRAIN };

FIXTURE_SETUP(late)
{
	self->l.before = counts();
	late_start(_metadata, &self->l, variant->flags);
	backend_log();
}

FIXTURE_TEARDOWN(late)
{
	EXPECT_ALL_COMPLETED(self->l.before);
	close(self->l.fd);
	expect_nothing_pinned(_metadata);
}

static int do_rescind(void *arg)
{
	return vmm_rescind(*(int *)arg, RELID);
}

static int do_destroy(void *arg)
{
	return vmm_destroy(*(int *)arg, RELID);
}

static int do_reset(void *arg)
{
	return vmm_reset(*(int *)arg);
}

/* Packets that the host has sent */
static unsigned int completions(const char *rings)
{
	return *(__u32 *)(rings + RING_SPLIT * HV_PAGE) / 24;
}

TEST_F(late, completes_while_open)
{
	EXPECT_EQ(0, control(variant->where));
	if (variant->flags & VMBUS_DEVICE_TEST_LATER)
		EXPECT_TRUE(WAIT_FOR(counts().done == self->l.before.done + NR_REQUESTS));
	EXPECT_EQ(NR_REQUESTS, completions(self->l.rings));
}

/* close() is called, nobody gets hold of the channel any more, and it waits. */
#define EXPECT_CLOSE_WAITS() do {						\
	EXPECT_TRUE(WAIT_FOR(!strcmp(backend_log(), "close 0\n")));		\
	EXPECT_EQ(self->l.before.done, counts().done);				\
	EXPECT_EQ((long)RING_KB, pinned_kb(0));					\
} while (0)

/* So does who asks for its end, until the requests have completed. */
#define EXPECT_WAITS_FOR_CLOSE(_fn) do {					\
	task_start(&self->task, _fn, &self->l.fd);				\
	EXPECT_CLOSE_WAITS();							\
	EXPECT_TRUE(WAIT_FOR(task_sleeps(&self->task)));			\
	EXPECT_EQ(0, control(variant->where));					\
	EXPECT_EQ(0, task_join(&self->task));					\
} while (0)

TEST_F(late, close)
{
	EXPECT_EQ(0, guest_close(self->l.fd, RELID));
	EXPECT_CLOSE_WAITS();
	EXPECT_EQ(0, control(variant->where));
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) == 0));
	EXPECT_EQ(NR_REQUESTS, completions(self->l.rings));
}

TEST_F(late, reopen)
{
	EXPECT_EQ(0, guest_close(self->l.fd, RELID));
	EXPECT_CLOSE_WAITS();
	memset(self->l.rings, 0, HV_PAGE);
	EXPECT_EQ(0, guest_open(self->l.fd, RELID, 9, SUB_HANDLE(0), RING_SPLIT));
	EXPECT_SILENCE(self->l.fd);
	EXPECT_EQ(0, control(variant->where));
	EXPECT_OPENED(self->l.fd, RELID, 9);
}

TEST_F(late, rescind)
{
	EXPECT_WAITS_FOR_CLOSE(do_rescind);
	EXPECT_EQ(0, pinned_kb(0));
}

TEST_F(late, destroy)
{
	EXPECT_WAITS_FOR_CLOSE(do_destroy);
	EXPECT_LOG("remove 5\n");
}

TEST_F(late, reset)
{
	EXPECT_WAITS_FOR_CLOSE(do_reset);
	EXPECT_EQ(0, pinned_kb(0));
}

TEST_F(late, last_close)
{
	close(self->l.fd);
	self->l.fd = -1;
	EXPECT_CLOSE_WAITS();
	EXPECT_EQ(0, control(variant->where));
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) == 0));
	EXPECT_TRUE(WAIT_FOR(control("rescind") == -ENODEV));
	EXPECT_LOG("remove 5\n");
}

/* The backend unplugs the device itself. */
TEST_F(late, unplug)
{
	EXPECT_EQ(0, control("rescind"));
	EXPECT_CLOSE_WAITS();
	EXPECT_EQ(0, control(variant->where));
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) == 0));
}

/* A guest that tears the rings down has closed the channel. */
TEST_F(late, rings_are_torn_down)
{
	EXPECT_EQ(0, guest_teardown(self->l.fd, RELID, SUB_HANDLE(0)));
	EXPECT_CLOSE_WAITS();
	EXPECT_SILENCE(self->l.fd);
	EXPECT_EQ(0, control(variant->where));
	EXPECT_TORNDOWN(self->l.fd, SUB_HANDLE(0));
}

/* ---- Completions without room ---- */

FIXTURE(full) {
	struct late l;
};

FIXTURE_VARIANT(full) {
	const char *where;
	__u32 flags;
};

FIXTURE_VARIANT_ADD(full, softirq) { .where = "softirq", COMPLETION };
FIXTURE_VARIANT_ADD(full, work) { .where = "work", COMPLETION };
FIXTURE_VARIANT_ADD(full, kthread) { .where = "kthread", COMPLETION };
FIXTURE_VARIANT_ADD(full, later) { .where = "softirq", LATER };

/* There is room for four, and they are completed. */
FIXTURE_SETUP(full)
{
	self->l.before = counts();
	self->l.host_read = 5 * 24;
	late_start(_metadata, &self->l, variant->flags);
	EXPECT_EQ(0, control(variant->where));
	EXPECT_TRUE(WAIT_FOR(counts().done == self->l.before.done + 4));
	EXPECT_EQ(4, completions(self->l.rings));
	backend_log();
}

FIXTURE_TEARDOWN(full)
{
	EXPECT_TRUE(WAIT_FOR(counts().done == self->l.before.done + NR_REQUESTS));
	EXPECT_ALL_COMPLETED(self->l.before);
	close(self->l.fd);
	expect_nothing_pinned(_metadata);
}

/* The rest is sent as the guest reads; the timer finds out that it has. */
TEST_F(full, guest_reads)
{
	__u32 *ring = (__u32 *)(self->l.rings + RING_SPLIT * HV_PAGE);

	EXPECT_EQ(self->l.before.done + 4, counts().done);
	__atomic_store_n(&ring[1], 4 * 24, __ATOMIC_RELEASE);
	EXPECT_TRUE(WAIT_FOR(completions(self->l.rings) == NR_REQUESTS));
}

/* close() waits for no guest that does not read. */
TEST_F(full, close)
{
	EXPECT_EQ(0, guest_close(self->l.fd, RELID));
	EXPECT_TRUE(WAIT_FOR(!strcmp(backend_log(), "close 0\n")));
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) == 0));
	EXPECT_EQ(4, completions(self->l.rings));
}

TEST_F(full, reset)
{
	EXPECT_EQ(0, vmm_reset(self->l.fd));
	EXPECT_EQ(0, pinned_kb(0));
}

TEST_F(full, last_close)
{
	close(self->l.fd);
	self->l.fd = -1;
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) == 0));
}

/* ---- Completions without an end ---- */

/*
 * Each that is sent brings the next, as with a guest that asks and reads as quickly as it is
 * answered: the thread that sent the first, which others need too, leaves the rest to the VMM's.
 */
TEST(chain)
{
	struct late l = { .before = counts() };

	late_start(_metadata, &l, VMBUS_DEVICE_TEST_COMPLETION);
	EXPECT_EQ(0, control("chain"));
	EXPECT_TRUE(WAIT_FOR(completions(l.rings) == NR_REQUESTS));
	EXPECT_TRUE(WAIT_FOR(counts().done == l.before.done + NR_REQUESTS));
	EXPECT_EQ(4, counts().chained);
	EXPECT_ALL_COMPLETED(l.before);
	close(l.fd);
	expect_nothing_pinned(_metadata);
	backend_log();
}

/* ---- Completions that are left to the channel's work ---- */

FIXTURE(later) {
	struct late l;
};

FIXTURE_SETUP(later)
{
	self->l.before = counts();
	late_start(_metadata, &self->l, VMBUS_DEVICE_TEST_LATER);
}

FIXTURE_TEARDOWN(later)
{
	EXPECT_TRUE(WAIT_FOR(counts().done == self->l.before.done + NR_REQUESTS));
	EXPECT_ALL_COMPLETED(self->l.before);
	EXPECT_EQ(NR_REQUESTS, completions(self->l.rings));
	close(self->l.fd);
	expect_nothing_pinned(_metadata);
	backend_log();
}

/* The thread that completes them sends none. */
TEST_F(later, sent_by_the_channel)
{
	EXPECT_EQ(0, control("kthread"));
	EXPECT_TRUE(WAIT_FOR(counts().done == self->l.before.done + NR_REQUESTS));
	EXPECT_EQ(self->l.before.here, counts().here);
}

/* Once the channel closes, its work waits, and nobody else is there to send them. */
TEST_F(later, sent_here_while_it_closes)
{
	backend_log();
	EXPECT_EQ(0, guest_close(self->l.fd, RELID));
	EXPECT_TRUE(WAIT_FOR(!strcmp(backend_log(), "close 0\n")));
	EXPECT_EQ(0, control("kthread"));
	EXPECT_EQ(self->l.before.here + NR_REQUESTS, counts().here);
}

/* ---- The VMM dies ---- */

FIXTURE(killed) {
	struct counts before;
	pid_t vmm;
	int ready;
};

FIXTURE_VARIANT(killed) {
	const char *where;
	__u32 flags;
};

FIXTURE_VARIANT_ADD(killed, softirq) { .where = "softirq" };

FIXTURE_VARIANT_ADD(killed, work) { .where = "work" };

FIXTURE_VARIANT_ADD(killed, kthread) { .where = "kthread" };

FIXTURE_VARIANT_ADD(killed, softirq_completion) {
	.where = "softirq",
	.flags = VMBUS_DEVICE_TEST_COMPLETION,
};

FIXTURE_VARIANT_ADD(killed, kthread_later) {
	.where = "kthread",
	.flags = VMBUS_DEVICE_TEST_LATER,
};

/* Its child is the VMM, which does what it is told by a signal: it closes the channel. */
static struct late child;

static void child_closes(int signal)
{
	guest_close(child.fd, RELID);
}

FIXTURE_SETUP(killed)
{
	int ready[2];
	char byte;

	self->before = counts();
	ASSERT_EQ(0, pipe(ready));
	self->vmm = fork();
	ASSERT_LE(0, self->vmm);
	if (!self->vmm) {
		signal(SIGUSR1, child_closes);
		child.before = self->before;
		late_start(_metadata, &child, variant->flags);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	close(ready[0]);
	backend_log();
}

FIXTURE_TEARDOWN(killed)
{
	EXPECT_TRUE(WAIT_FOR(counts().done == self->before.done + NR_REQUESTS));
	EXPECT_ALL_COMPLETED(self->before);
	expect_nothing_pinned(_metadata);
}

static void kill_vmm(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

TEST_F(killed, while_open)
{
	kill_vmm(self->vmm);
	EXPECT_TRUE(WAIT_FOR(!strcmp(backend_log(), "close 0\n")));
	EXPECT_EQ(self->before.done, counts().done);
	EXPECT_EQ(0, control(variant->where));
	EXPECT_TRUE(WAIT_FOR(control("rescind") == -ENODEV));
	EXPECT_LOG("remove 5\n");
}

/* close() waits for what is under way, in a thread of the VMM's, when that is killed. */
TEST_F(killed, while_closing)
{
	kill(self->vmm, SIGUSR1);
	EXPECT_TRUE(WAIT_FOR(!strcmp(backend_log(), "close 0\n")));
	kill(self->vmm, SIGKILL);
	EXPECT_EQ(self->before.done, counts().done);
	EXPECT_EQ(0, control(variant->where));
	kill_vmm(self->vmm);
	EXPECT_TRUE(WAIT_FOR(control("rescind") == -ENODEV));
	EXPECT_LOG("remove 5\n");
}

TEST_HARNESS_MAIN
