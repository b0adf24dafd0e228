// SPDX-License-Identifier: GPL-2.0
/*
 * The loop of tools/vmm, its code as it is, on the real /dev/vmbus-host: offers,
 * sub-channels, hot unplug, a guest that panics. The test is the guest of loop_guest.h, and
 * there is no KVM.
 */
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "../../tools/vmm/channel.h"
#include "loop_guest.h"
#include "kselftest_harness.h"
#include "../module/vmbus_device_test.h"
#include "errnos.h"
#include "machine.h"

/* The backend that does what a test tells it, as instance 0; see vmm.c of the tests */
#define TEST_TYPE	"6f1d4c2a-93b7-4e58-a0c4-5d2f8b7e1a90"
#define TEST_DEVICE	TEST_TYPE ",instance=5e5e5e00-5e5e-5e5e-5e5e-5e5e5e5e5e5e"
/* That with sub-channels; its configuration is a size and three numbers */
#define DEVICE_TEST	"2d9f0c61-5b1e-4f37-8a70-c4e6b3a81d52,config=10000000" \
			"000000000000000000000000"
#define DEBUGFS		"/sys/kernel/debug/vmbus_device_test/"

/* ---- The machine ---- */

static int control(const char *what)
{
	return file_write(DEBUGFS "control", what);
}

/* What was called in the backend since the last look */
static const char *called(void)
{
	static char log[4096];
	FILE *f = fopen(DEBUGFS "log", "r");
	size_t n;

	if (!f)
		return "there is no log";
	n = fread(log, 1, sizeof(log) - 1, f);
	log[n] = '\0';
	fclose(f);
	return log;
}

/* ---- Offers, sub-channels, hot unplug ---- */

FIXTURE(loop) {
	__u32 relid;
	__u32 subs[4];		/* by index */
};

FIXTURE_SETUP(loop)
{
	called();
	boot(DEVICE_TEST, NULL);
	EXPECT_CONTACT();
	EXPECT_EQ(0, post_type(VMBUS_REQUESTOFFERS));
	EXPECT_OFFER(0);
	self->relid = heard.offer.relid;
	EXPECT_HEARD(VMBUS_ALLOFFERS_DELIVERED);
}

FIXTURE_TEARDOWN(loop)
{
	unlink(FIFO);
}

/* Ask for two sub-channels, hear their offers, open them. */
static void open_subchannels(struct __test_metadata *_metadata, __u32 relid, __u32 subs[4])
{
	struct vmbus_offer first;
	unsigned int i;

	EXPECT_EQ(0, control("offer 2"));
	for (i = 1; i <= 2; i++) {
		EXPECT_OFFER(i);
		subs[i] = heard.offer.relid;
		EXPECT_NE(relid, subs[i]);
		EXPECT_NE(0, heard.offer.connection_id);
		if (i == 1)
			first = heard.offer;
	}
	/* Of the same device, and each with a signal of its own */
	EXPECT_EQ(0, memcmp(first.if_type, heard.offer.if_type, 32));
	EXPECT_NE(first.connection_id, heard.offer.connection_id);
	for (i = 1; i <= 2; i++)
		EXPECT_OPEN(subs[i], 0);
}

TEST_F(loop, says_what_the_backend_wants_the_offer_to_be)
{
	EXPECT_EQ(0, post_type(VMBUS_UNLOAD));
	EXPECT_HEARD(VMBUS_UNLOAD_RESPONSE);
	EXPECT_CONTACT();
	EXPECT_EQ(0, post_type(VMBUS_REQUESTOFFERS));
	EXPECT_OFFER(0);
	EXPECT_EQ(0x10, heard.offer.flags);
	EXPECT_EQ(4, heard.offer.user_defined[0]);
	EXPECT_EQ(self->relid, heard.offer.relid);
}

TEST_F(loop, offers_subchannels)
{
	EXPECT_OPEN(self->relid, 0);
	open_subchannels(_metadata, self->relid, self->subs);
	/* One more: those that are there stay. */
	EXPECT_EQ(0, control("offer 3"));
	EXPECT_OFFER(3);
	EXPECT_OPEN(heard.offer.relid, 0);
}

TEST_F(loop, takes_subchannels_back_when_the_primary_is_closed)
{
	__u32 first;

	EXPECT_OPEN(self->relid, 0);
	open_subchannels(_metadata, self->relid, self->subs);
	EXPECT_EQ(0, post_relid(VMBUS_CLOSECHANNEL, self->relid));
	/* In whatever order their backends are done */
	EXPECT_HEARD(VMBUS_RESCIND_CHANNELOFFER);
	first = heard.relid.relid;
	EXPECT_TRUE(first == self->subs[1] || first == self->subs[2]);
	EXPECT_RESCINDED(self->subs[1] + self->subs[2] - first);
	EXPECT_EQ(0, post_teardown(self->relid, RING_HANDLE(self->relid)));
	EXPECT_HEARD(VMBUS_GPADL_TORNDOWN);

	/* Opened anew, it gets as many as it asks for now: when the old ones are gone */
	EXPECT_OPEN(self->relid, 0);
	EXPECT_EQ(0, control("offer 1"));
	EXPECT_EQ(0, post_relid(VMBUS_RELID_RELEASED, self->subs[2]));
	EXPECT_EQ(0, post_relid(VMBUS_RELID_RELEASED, self->subs[1]));
	EXPECT_OFFER(1);
	EXPECT_NE(self->subs[1], heard.offer.relid);
	self->subs[1] = heard.offer.relid;
	EXPECT_OPEN(self->subs[1], 0);
	EXPECT_CLOSE(self->subs[1]);
}

TEST_F(loop, a_device_is_unplugged_by_its_backend)
{
	EXPECT_OPEN(self->relid, 0);
	open_subchannels(_metadata, self->relid, self->subs);
	called();
	EXPECT_EQ(0, control("rescind"));
	/* Sub-channels first */
	EXPECT_RESCINDED(self->subs[1]);
	EXPECT_RESCINDED(self->subs[2]);
	EXPECT_RESCINDED(self->relid);
	EXPECT_EQ(0, post_relid(VMBUS_RELID_RELEASED, self->subs[1]));
	EXPECT_EQ(0, post_relid(VMBUS_RELID_RELEASED, self->subs[2]));
	EXPECT_EQ(0, post_relid(VMBUS_RELID_RELEASED, self->relid));
	EXPECT_TRUE(WAIT_FOR(strstr(called(), "remove")));
}

TEST_F(loop, a_device_is_unplugged_and_plugged_in)
{
	EXPECT_OPEN(self->relid, 0);
	EXPECT_EQ(0, operate("unplug 1\n"));
	EXPECT_RESCINDED(self->relid);
	/* While the guest has not released it: later */
	EXPECT_EQ(0, operate("plug 1\n"));
	EXPECT_EQ(0, post_relid(VMBUS_RELID_RELEASED, self->relid));
	EXPECT_OFFER(0);
	EXPECT_OPEN(self->relid, 0);

	EXPECT_EQ(0, operate("unplug 1\n"));
	EXPECT_RESCINDED(self->relid);
	called();
	EXPECT_EQ(0, post_relid(VMBUS_RELID_RELEASED, self->relid));
	EXPECT_TRUE(WAIT_FOR(strstr(called(), "remove")));
	/* A guest that comes back does not get what is unplugged */
	EXPECT_CONTACT();
	EXPECT_EQ(0, post_type(VMBUS_REQUESTOFFERS));
	EXPECT_HEARD(VMBUS_ALLOFFERS_DELIVERED);
	EXPECT_EQ(0, operate("plug 1\n"));
	EXPECT_OFFER(0);
}

TEST_F(loop, a_device_is_rescinded)
{
	EXPECT_OPEN(self->relid, 0);
	EXPECT_EQ(0, operate("rescind 1\n"));
	EXPECT_RESCINDED(self->relid);
	called();
	EXPECT_EQ(0, post_relid(VMBUS_RELID_RELEASED, self->relid));
	EXPECT_TRUE(WAIT_FOR(strstr(called(), "remove")));
	EXPECT_EQ(0, operate("plug 1\n"));
	EXPECT_OFFER(0);
}

TEST_F(loop, a_guest_comes_back_without_a_word)
{
	EXPECT_OPEN(self->relid, 0);
	open_subchannels(_metadata, self->relid, self->subs);
	/* kexec: no UNLOAD, nothing closed, nothing released */
	EXPECT_CONTACT();
	EXPECT_EQ(self->relid, one_offer());
	EXPECT_OPEN(self->relid, 0);
	open_subchannels(_metadata, self->relid, self->subs);
}

/* A backend whose probe() takes its time: half of a test's, unless the test ends it */
static sem_t go_on;
static bool creating, in_vain;

static void wait_in_create(unsigned long cmd)
{
	struct timespec until;

	if (cmd != VMBUS_HOST_CHANNEL_CREATE)
		return;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 15;
	__atomic_store_n(&creating, true, __ATOMIC_SEQ_CST);
	in_vain = sem_timedwait(&go_on, &until);
}

TEST_F(loop, a_processor_does_not_wait_while_a_channel_is_made)
{
	EXPECT_EQ(0, operate("unplug 1\n"));
	EXPECT_RESCINDED(self->relid);
	called();
	EXPECT_EQ(0, post_relid(VMBUS_RELID_RELEASED, self->relid));
	EXPECT_TRUE(WAIT_FOR(strstr(called(), "remove")));

	ASSERT_EQ(0, sem_init(&go_on, 0, 0));
	before_ioctl = wait_in_create;
	EXPECT_EQ(0, operate("plug 1\n"));
	EXPECT_TRUE(WAIT_FOR(__atomic_load_n(&creating, __ATOMIC_SEQ_CST)));
	/* What the guest does meanwhile, processors' threads do. */
	set_synic(0, false);
	set_synic(0, true);
	EXPECT_EQ(0, vmbus_signal_event(0x2000 + self->relid));
	EXPECT_EQ(0, sem_post(&go_on));
	EXPECT_OFFER(0);
	EXPECT_FALSE(in_vain);
	EXPECT_OPEN(self->relid, 0);
}

/* ---- Signals ---- */

FIXTURE(signals) {
	__u32 relid;
	int backend;
};

FIXTURE_SETUP(signals)
{
	boot(TEST_DEVICE, NULL);
	EXPECT_CONTACT();
	EXPECT_EQ(0, post_type(VMBUS_REQUESTOFFERS));
	EXPECT_OFFER(0);
	self->relid = heard.offer.relid;
	EXPECT_HEARD(VMBUS_ALLOFFERS_DELIVERED);
}

FIXTURE_TEARDOWN(signals)
{
	unlink(FIFO);
}

/* Whether the backend's packet into an empty ring has reached that processor */
static bool is_interrupted(int backend, __u32 relid, unsigned int cpu)
{
	__u64 *flags = (__u64 *)(vm.ram + SIEFP(cpu) + VMBUS_SINT * 256);
	__u32 *control = (__u32 *)(vm.ram + RING(relid) + RING_SPLIT * PAGE);
	__u64 bit = 1ull << relid, signals = 0;

	control[1] = control[0];	/* the guest has read all */
	flags[0] = 0;
	while (read(vm.cpus[cpu].sint_fd, &signals, sizeof(signals)) > 0)
		;
	signals = 0;
	if (backend_send(backend, "hello", 5))
		return false;
	if (read(vm.cpus[cpu].sint_fd, &signals, sizeof(signals)) < 0)
		signals = 0;
	return (flags[0] & bit) && signals;
}

TEST_F(signals, go_to_the_target_processor)
{
	EXPECT_OPEN(self->relid, 1);
	self->backend = backend_open(0);
	ASSERT_LE(0, self->backend);
	EXPECT_TRUE(is_interrupted(self->backend, self->relid, 1));
	EXPECT_FALSE(is_interrupted(self->backend, self->relid, 0));

	EXPECT_EQ(0, post_modify(self->relid, 0));
	EXPECT_HEARD(VMBUS_MODIFYCHANNEL_RESPONSE);
	EXPECT_EQ(0, heard.modified.status);
	EXPECT_TRUE(is_interrupted(self->backend, self->relid, 0));
	EXPECT_FALSE(is_interrupted(self->backend, self->relid, 1));
	/* Such a processor is not there: it stays where it was */
	EXPECT_EQ(0, post_modify(self->relid, 2));
	EXPECT_HEARD(VMBUS_MODIFYCHANNEL_RESPONSE);
	EXPECT_NE(0, heard.modified.status);
	EXPECT_TRUE(is_interrupted(self->backend, self->relid, 0));
}

TEST_F(signals, are_not_sent_to_a_guest_that_opens_without)
{
	EXPECT_OPEN(self->relid, VMBUS_NO_TARGET);
	self->backend = backend_open(0);
	ASSERT_LE(0, self->backend);
	EXPECT_FALSE(is_interrupted(self->backend, self->relid, 0));
	EXPECT_FALSE(is_interrupted(self->backend, self->relid, 1));
	/* The packet is there: the guest polls */
	EXPECT_NE(0, *(__u32 *)(vm.ram + RING(self->relid) + RING_SPLIT * PAGE));
}

TEST_F(signals, are_taken_away_from_a_guest_that_wants_none)
{
	EXPECT_OPEN(self->relid, 0);
	self->backend = backend_open(0);
	ASSERT_LE(0, self->backend);
	EXPECT_TRUE(is_interrupted(self->backend, self->relid, 0));
	EXPECT_EQ(0, post_modify(self->relid, VMBUS_NO_TARGET));
	EXPECT_HEARD(VMBUS_MODIFYCHANNEL_RESPONSE);
	EXPECT_EQ(0, heard.modified.status);
	EXPECT_FALSE(is_interrupted(self->backend, self->relid, 0));
	EXPECT_FALSE(is_interrupted(self->backend, self->relid, 1));
	/* And not when its pages move */
	set_synic(0, false);
	set_synic(0, true);
	EXPECT_FALSE(is_interrupted(self->backend, self->relid, 0));
	/* It wants them again */
	EXPECT_EQ(0, post_modify(self->relid, 1));
	EXPECT_HEARD(VMBUS_MODIFYCHANNEL_RESPONSE);
	EXPECT_TRUE(is_interrupted(self->backend, self->relid, 1));
}

/* ---- A backend that does not come back ---- */

FIXTURE(hangs) {
	__u32 relid;		/* of the device that hangs */
	__u32 other;		/* of one that works */
	int control;
	int backend;
};

#include "hang_variants.h"

FIXTURE_SETUP(hangs)
{
	self->control = open("/dev/vmbus-gpadl-test", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->control);
	boot(TEST_DEVICE, DEVICE_TEST);
	EXPECT_CONTACT();
	EXPECT_EQ(0, post_type(VMBUS_REQUESTOFFERS));
	EXPECT_OFFER(0);
	self->relid = heard.offer.relid;
	EXPECT_OFFER(0);
	self->other = heard.offer.relid;
	EXPECT_HEARD(VMBUS_ALLOFFERS_DELIVERED);
}

FIXTURE_TEARDOWN(hangs)
{
	close(self->control);
	unlink(FIFO);
}

static bool hangs(int control, __u32 where)
{
	return backend_state(control, 0).hangs == where;
}

static void hang(struct __test_metadata *_metadata, __u32 relid,
		 int control, __u32 where)
{
	int backend;

	if (where == VMBUS_GPADL_TEST_HANG_OPEN) {
		EXPECT_EQ(0, backend_hang(control, 0, where));
		EXPECT_GPADL_MADE(relid, RING_HANDLE(relid), RING(relid), RING_PAGES);
		EXPECT_EQ(0, post_open(relid, 0));
	} else {
		EXPECT_OPEN(relid, 0);
		EXPECT_GPADL_MADE(relid, BUFFER_HANDLE, BUFFER, 1);
		backend = backend_open(0);
		ASSERT_LE(0, backend);
		EXPECT_EQ(0, backend_map(backend, BUFFER_HANDLE, 0));
		EXPECT_EQ(0, backend_hang(control, 0, where));
		EXPECT_EQ(0, where == VMBUS_GPADL_TEST_HANG_KICK ?
			     vmbus_signal_event(0x2000 + relid) :
			     where == VMBUS_GPADL_TEST_HANG_REVOKE ?
			     post_teardown(relid, BUFFER_HANDLE) :
			     post_relid(VMBUS_CLOSECHANNEL, relid));
	}
	ASSERT_TRUE(WAIT_FOR(hangs(control, where)));
}

TEST_F(hangs, while_the_guest_panics)
{
	hang(_metadata, self->relid, self->control, variant->where);
	vmbus_guest_crashed();
	EXPECT_EQ(0, post_type(VMBUS_UNLOAD));
	EXPECT_HEARD(VMBUS_UNLOAD_RESPONSE);
	/* The crash kernel: it gets what works, and can use it */
	EXPECT_CONTACT();
	EXPECT_EQ(self->other, one_offer());
	EXPECT_OPEN(self->other, 0);
	EXPECT_TRUE(hangs(self->control, variant->where));
	/* It comes back after all: what it was in the way of goes on */
	EXPECT_EQ(0, backend_hang(self->control, 0, 0));
	EXPECT_OFFER(0);
	EXPECT_EQ(self->relid, heard.offer.relid);
	EXPECT_OPEN(self->relid, 0);
}

/* A guest that unloads in order needs its memory back: it waits, and nobody else does */
TEST_F(hangs, while_the_guest_unloads)
{
	hang(_metadata, self->relid, self->control, variant->where);
	EXPECT_EQ(0, post_type(VMBUS_UNLOAD));
	/* The loop has done with UNLOAD when it has done with what came behind it */
	EXPECT_EQ(0, post_modify(self->other, 1));
	EXPECT_TRUE(WAIT_FOR(channel_find(self->other)->target == 1));
	EXPECT_EQ(0, slot()->type);
	EXPECT_EQ(0, backend_hang(self->control, 0, 0));
	EXPECT_HEARD(VMBUS_UNLOAD_RESPONSE);
}

TEST_F(hangs, while_it_is_unplugged)
{
	hang(_metadata, self->relid, self->control, variant->where);
	EXPECT_EQ(0, operate("unplug 1\n"));
	/* The other device goes on, and comes and goes */
	EXPECT_OPEN(self->other, 0);
	EXPECT_EQ(0, operate("unplug 2\n"));
	EXPECT_RESCINDED(self->other);
	EXPECT_EQ(0, backend_hang(self->control, 0, 0));
	/* It answers what the guest had asked for before, or not at all; then it goes */
	while (hear() != VMBUS_RESCIND_CHANNELOFFER)
		ASSERT_NE(NOTHING, heard.header.type);
	EXPECT_EQ(self->relid, heard.relid.relid);
}

/* ---- Last words ---- */

/* How many lines a thousand warnings are, such as a guest can cause */
static unsigned int lines_of_warnings(void)
{
	int out = open("/tmp/warnings", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int saved = dup(STDERR_FILENO);
	unsigned int i, lines = 0;
	char c;

	dup2(out, STDERR_FILENO);
	for (i = 0; i < 1000; i++)
		warn("warning %u", i);
	dup2(saved, STDERR_FILENO);
	close(saved);
	lseek(out, 0, SEEK_SET);
	while (read(out, &c, 1) == 1)
		lines += c == '\n';
	close(out);
	unlink("/tmp/warnings");
	return lines;
}

TEST(a_guest_does_not_fill_the_log)
{
	/* Ten, or twice that, and how many were left out, if the time is just over */
	unsigned int lines = lines_of_warnings();

	EXPECT_LE(10, lines);
	EXPECT_GE(21, lines);
}

TEST_HARNESS_MAIN
