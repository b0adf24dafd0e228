// SPDX-License-Identifier: GPL-2.0
/*
 * Packets that name guest pages: a guest written here puts them into its ring, a backend in
 * the kernel (tests/module/vmbus_gpa_test.c) adds up or fills the pages, at once or when it is
 * told to. Meanwhile channel, partition, region and VMM go.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "../module/vmbus_gpa_test.h"
#include "fixture.h"
#include "guest_ring.h"

#define PACKET_WORDS	400
#define MAX_PAGES	(VMBUS_GPA_TEST_BYTES / HV_PAGE + 1)

#define FILL		VMBUS_GPA_TEST_FILL
#define SUM		VMBUS_GPA_TEST_SUM
#define HOLD		VMBUS_GPA_TEST_HOLD

#define GPA_DIRECT	9
#define XFER_PAGES	7
#define INBAND		6

struct answer {
	__u16 type;
	__u16 offset8;
	__u16 len8;
	__u16 flags;
	__u64 trans_id;
	struct vmbus_gpa_test_answer a;
};

/* A packet that is being written */
struct packet {
	__u64 words[PACKET_WORDS];
	unsigned int nr;
	unsigned int nr_ranges;
};

FIXTURE(gpa) {
	struct vmm vmm;
	struct packet p;
	__u64 asked;		/* also the next transaction id */
	unsigned int heard;	/* bytes of answers read */
};

static void keep_requests(bool on)
{
	int fd = open("/sys/module/vmbus_gpa_test/parameters/keep", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, on ? "1" : "0", 1) != 1)
		printf("# the parameter keep cannot be set\n");
	close(fd);
}

static int device_create(struct vmm *v)
{
	const __u8 type[16] = VMBUS_GPA_TEST_IF_TYPE;
	struct vmbus_host_channel_create create = {
		.size = sizeof(create),
		.relid = RELID2,
	};

	memcpy(create.if_type, type, sizeof(type));
	return ioctl(v->fd, VMBUS_HOST_CHANNEL_CREATE, &create) ? -errno : 0;
}

FIXTURE_SETUP(gpa)
{
	struct vmm *v = &self->vmm;

	self->asked = 0;
	self->heard = 0;
	vmm_start(_metadata, v, MEM_ANON, 0);
	ASSERT_EQ(0, device_create(v));
	EXPECT_GPADL(v->fd, RELID2, RING_HANDLE, RING_GPA, RING_BYTES);
	ASSERT_EQ(0, guest_open(v->fd, RELID2, 1, RING_HANDLE, RING_SPLIT));
	EXPECT_OPENED(v->fd, RELID2, 1);
}

FIXTURE_TEARDOWN(gpa)
{
	keep_requests(false);
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

/* ---- What the guest puts into its ring ---- */

static void packet_begin(struct packet *p)
{
	/* Room for the descriptor, and for what comes before the ranges */
	p->nr = 3;
	p->nr_ranges = 0;
}

static void packet_range(struct packet *p, __u32 offset, __u32 count)
{
	p->words[p->nr++] = range_word(offset, count);
	p->nr_ranges++;
}

static void packet_pages(struct packet *p, __u64 pfn, int step, unsigned int nr)
{
	while (nr--) {
		p->words[p->nr++] = pfn;
		pfn += step;
	}
}

/* Add what is asked for, and put it into the ring. Returns the transaction id. */
static __u64 packet_put(struct vmm *v, struct packet *p, __u16 type, __u64 id, __u32 op,
			__u32 flags, __u64 value)
{
	struct vmbus_gpa_test_request ask = { op, flags, value };
	unsigned int offset = type == INBAND ? 2 : p->nr;
	__u16 *desc = (__u16 *)p->words;

	desc[0] = type;
	desc[1] = offset;
	desc[2] = offset + 2;
	desc[3] = 1;
	p->words[1] = id;
	p->words[2] = (__u64)p->nr_ranges << 32;
	memcpy(&p->words[offset], &ask, sizeof(ask));
	ring_write(v->ring, p->words, (offset + 2) * 8, (offset + 3) * 8);
	return id;
}

/* The next answer, or one of transaction ~0 */
static struct answer answer(struct vmm *v, unsigned int *heard)
{
	struct answer a = { .trans_id = ~0ull };

	ring_take(v->ring, heard, &a, sizeof(a));
	return a;
}

#define PUT(_op, _flags, _value)						\
	packet_put(&self->vmm, &self->p, GPA_DIRECT, self->asked++, _op, _flags, _value)

#define EXPECT_ANSWER(_id, _status, _value) do {				\
	struct answer _a = answer(&self->vmm, &self->heard);			\
										\
	EXPECT_EQ(_id, _a.trans_id);						\
	EXPECT_EQ(11, _a.type);							\
	EXPECT_EQ(_status, _a.a.status);					\
	EXPECT_EQ(_value, _a.a.value);						\
} while (0)

#define EXPECT_DOES(_status, _sum, _op, _flags, _value) do {			\
	__u64 _id = PUT(_op, _flags, _value);					\
										\
	ring_kick(self->vmm.fd);							\
	EXPECT_ANSWER(_id, _status, _sum);					\
} while (0)

/* What is held is let go: an answer to this, too */
#define RELEASE()								\
	packet_put(&self->vmm, &(struct packet){}, INBAND, self->asked++,	\
		   VMBUS_GPA_TEST_RELEASE, 0, 0)

static bool all_are(const char *p, size_t len, char byte)
{
	while (len--)
		if (*p++ != byte)
			return false;
	return true;
}

/* ---- What a backend reads and writes ---- */

TEST_F(gpa, fill)
{
	char *mem = self->vmm.mem;

	memset(mem, 0x11, 8 * HV_PAGE);
	packet_begin(&self->p);
	packet_range(&self->p, 100, 2 * HV_PAGE);
	packet_pages(&self->p, MEM_PFN + 1, 1, 3);
	EXPECT_DOES(0, 0, FILL, 0, 0xa5);
	EXPECT_TRUE(all_are(mem, HV_PAGE + 100, 0x11));
	EXPECT_TRUE(all_are(mem + HV_PAGE + 100, 2 * HV_PAGE, (char)0xa5));
	EXPECT_TRUE(all_are(mem + 3 * HV_PAGE + 100, 4 * HV_PAGE, 0x11));
	EXPECT_EQ(0, pinned_pages() - RING_PAGES);
}

TEST_F(gpa, sum)
{
	memset(self->vmm.mem, 3, MEM_BYTES);
	packet_begin(&self->p);
	packet_range(&self->p, 4095, 1);
	packet_pages(&self->p, MEM_PFN + 9, 1, 1);
	packet_range(&self->p, 0, 64 * HV_PAGE);
	packet_pages(&self->p, MEM_PFN + 500, -3, 64);
	EXPECT_DOES(0, 3 * (1 + 64 * HV_PAGE), SUM, 0, 0);
}

/* The largest request that there is */
TEST_F(gpa, largest)
{
	memset(self->vmm.mem, 1, MEM_BYTES);
	packet_begin(&self->p);
	packet_range(&self->p, 1, VMBUS_GPA_TEST_BYTES);
	packet_pages(&self->p, MEM_PFN + 700, -2, MAX_PAGES);
	EXPECT_DOES(0, VMBUS_GPA_TEST_BYTES, SUM, 0, 0);
	packet_begin(&self->p);
	packet_range(&self->p, 0, VMBUS_GPA_TEST_BYTES + HV_PAGE + 1);
	packet_pages(&self->p, MEM_PFN, 1, MAX_PAGES + 1);
	EXPECT_DOES(-EMSGSIZE, 0, SUM, 0, 0);
}

/* As old versions of Linux send it */
TEST_F(gpa, words_behind)
{
	memset(self->vmm.mem, 1, MEM_BYTES);
	packet_begin(&self->p);
	packet_range(&self->p, 0, 2 * HV_PAGE);
	packet_pages(&self->p, MEM_PFN, 1, 2);
	packet_pages(&self->p, ~0ull, 0, 30);
	EXPECT_DOES(0, 2 * HV_PAGE, SUM, 0, 0);
}

TEST_F(gpa, softirq)
{
	packet_begin(&self->p);
	packet_range(&self->p, 8, 20 * HV_PAGE);
	packet_pages(&self->p, MEM_PFN + 100, -1, 21);
	EXPECT_DOES(0, 0, FILL, VMBUS_GPA_TEST_SOFTIRQ, 7);
	EXPECT_EQ(7, self->vmm.mem[81 * HV_PAGE + 1]);
	EXPECT_DOES(0, 20 * HV_PAGE * 7, SUM, VMBUS_GPA_TEST_SOFTIRQ, 0);
}

/* What was never touched has to be brought in: that is waited for, or not. */
TEST_F(gpa, nowait)
{
	if (vmm_resident)
		SKIP(return, "resident memory is there");
	packet_begin(&self->p);
	packet_range(&self->p, 0, HV_PAGE);
	packet_pages(&self->p, MEM_PFN + 800, 1, 1);
	EXPECT_DOES(-EAGAIN, 0, FILL, VMBUS_GPA_TEST_NOWAIT, 1);
	EXPECT_DOES(0, 0, FILL, 0, 1);
	EXPECT_DOES(0, 0, FILL, VMBUS_GPA_TEST_NOWAIT, 2);
	EXPECT_EQ(2, self->vmm.mem[800 * HV_PAGE]);
}

static void bad(struct packet *p, __u32 offset, __u32 count, __u64 pfn, unsigned int nr)
{
	packet_begin(p);
	packet_range(p, offset, count);
	packet_pages(p, pfn, 1, nr);
}

TEST_F(gpa, bad_ranges)
{
	bad(&self->p, 0, 0, MEM_PFN, 1);
	EXPECT_DOES(-EBADMSG, 0, SUM, 0, 0);
	bad(&self->p, HV_PAGE, 1, MEM_PFN, 2);
	EXPECT_DOES(-EBADMSG, 0, SUM, 0, 0);
	bad(&self->p, 1, HV_PAGE, MEM_PFN, 1);
	EXPECT_DOES(-EBADMSG, 0, SUM, 0, 0);
	bad(&self->p, 0, ~0u, MEM_PFN, 1);
	EXPECT_DOES(-EBADMSG, 0, SUM, 0, 0);
	bad(&self->p, 0, 1, 1ull << 40, 1);
	EXPECT_DOES(-EBADMSG, 0, SUM, 0, 0);
	bad(&self->p, 0, 1, 1, 1);
	EXPECT_DOES(-EFAULT, 0, SUM, 0, 0);
	bad(&self->p, 0, 1, MEM_PFN, 1);
	self->p.nr_ranges = 0;
	EXPECT_DOES(-EBADMSG, 0, SUM, 0, 0);
	self->p.nr_ranges = 2;
	EXPECT_DOES(-EBADMSG, 0, SUM, 0, 0);
	self->p.nr_ranges = ~0u;
	EXPECT_DOES(-EMSGSIZE, 0, SUM, 0, 0);
	/* And all is well */
	self->vmm.mem[0] = 9;
	self->p.nr_ranges = 1;
	EXPECT_DOES(0, 9, SUM, 0, 0);
}

/* A packet that names two parts of a GPADL; nothing else of it is touched. */
TEST_F(gpa, parts_of_a_gpadl)
{
	memset(self->vmm.mem, 1, MEM_BYTES);
	memset(self->vmm.mem + 4 * HV_PAGE + 4000, 5, 200);
	EXPECT_GPADL(self->vmm.fd, RELID2, HANDLE, MEM_GPA, 16 * HV_PAGE);
	packet_begin(&self->p);
	packet_range(&self->p, 4 * HV_PAGE + 4000, 200);
	packet_range(&self->p, 0, 16 * HV_PAGE);
	packet_put(&self->vmm, &self->p, XFER_PAGES, self->asked, SUM, 0, HANDLE);
	ring_kick(self->vmm.fd);
	EXPECT_ANSWER(self->asked, 0, 200 * 5 + 16 * HV_PAGE + 200 * 4);
	self->asked++;
	packet_begin(&self->p);
	packet_range(&self->p, 16 * HV_PAGE - 1, 2);
	packet_put(&self->vmm, &self->p, XFER_PAGES, self->asked, SUM, 0, HANDLE);
	ring_kick(self->vmm.fd);
	EXPECT_ANSWER(self->asked, -EINVAL, 0);
	EXPECT_TEARDOWN(self->vmm.fd, RELID2, HANDLE);
}

/* ---- More than there is room for ---- */

/* What is over the pool waits in the ring, and nothing is lost. */
TEST_F(gpa, more_than_the_pool)
{
	unsigned int i;

	self->vmm.mem[0] = 1;
	bad(&self->p, 0, 1, MEM_PFN, 1);
	for (i = 0; i < VMBUS_GPA_TEST_REQUESTS; i++)
		PUT(SUM, HOLD, 0);
	ring_kick(self->vmm.fd);
	/* Held; and the next packet is that which lets them go. */
	usleep(100000);
	EXPECT_FALSE(ring_waits(self->vmm.ring, self->heard));
	RELEASE();
	for (i = 0; i < 10; i++)
		PUT(SUM, 0, 0);
	ring_kick(self->vmm.fd);
	for (i = 0; i < VMBUS_GPA_TEST_REQUESTS; i++)
		EXPECT_ANSWER(i, 0, 1);
	EXPECT_ANSWER(VMBUS_GPA_TEST_REQUESTS, 0, 0);
	for (i = 0; i < 10; i++)
		EXPECT_ANSWER(VMBUS_GPA_TEST_REQUESTS + 1 + i, 0, 1);
}

TEST_F(gpa, stays_in_the_ring)
{
	unsigned int i, seen = 0;
	struct answer a;

	self->vmm.mem[0] = 1;
	bad(&self->p, 0, 1, MEM_PFN, 1);
	for (i = 0; i < VMBUS_GPA_TEST_REQUESTS; i++)
		PUT(SUM, HOLD, 0);
	for (i = 0; i < 5; i++)
		PUT(SUM, 0, 0);
	keep_requests(true);
	ring_kick(self->vmm.fd);
	usleep(100000);
	EXPECT_FALSE(ring_waits(self->vmm.ring, self->heard));
	keep_requests(false);
	/* What waited goes on as soon as there is room for one: before the last that was held. */
	for (i = 0; i < VMBUS_GPA_TEST_REQUESTS + 5; i++) {
		a = answer(&self->vmm, &self->heard);
		ASSERT_GT(VMBUS_GPA_TEST_REQUESTS + 5, a.trans_id);
		EXPECT_EQ(0, a.a.status);
		EXPECT_EQ(1, a.a.value);
		seen |= 1u << a.trans_id;
	}
	EXPECT_EQ((1u << (VMBUS_GPA_TEST_REQUESTS + 5)) - 1, seen);
}

/* ---- What ends while it is in flight ---- */

/* Two requests are in flight, and stay there until keep_requests(false). */
#define BEGIN_HELD() do {							\
	keep_requests(true);							\
	memset(self->vmm.mem, 1, 4 * HV_PAGE);					\
	bad(&self->p, 0, 2 * HV_PAGE, MEM_PFN, 2);				\
	PUT(FILL, HOLD, 8);							\
	PUT(FILL, HOLD | VMBUS_GPA_TEST_SOFTIRQ, 8);				\
	ring_kick(self->vmm.fd);							\
	EXPECT_TRUE(WAIT_FOR(pinned_pages() == RING_PAGES + 4 ||		\
			     vmm_resident));					\
} while (0)

/* A number of the guest's line in fdinfo: that of the only channel with requests */
static long long in_fdinfo(int fd, const char *key)
{
	char path[64], line[2048], *at;
	long long n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		at = strstr(line, key);
		if (at && strstr(line, "backend=gpa"))
			n = strtoll(at + strlen(key), NULL, 10);
	}
	if (f)
		fclose(f);
	return n;
}

TEST_F(gpa, age_of_what_is_in_flight)
{
	EXPECT_EQ(0, in_fdinfo(self->vmm.fd, " in-flight-ms="));
	BEGIN_HELD();
	usleep(300000);
	EXPECT_EQ(2, in_fdinfo(self->vmm.fd, " in-flight="));
	EXPECT_LE(280, in_fdinfo(self->vmm.fd, " in-flight-ms="));
	keep_requests(false);
	EXPECT_TRUE(WAIT_FOR(in_fdinfo(self->vmm.fd, " in-flight=") == 0));
	EXPECT_EQ(0, in_fdinfo(self->vmm.fd, " in-flight-ms="));
}

static int rescinding(void *arg)
{
	struct vmm *v = arg;

	return vmm_rescind(v->fd, RELID2);
}

static int resetting(void *arg)
{
	struct vmm *v = arg;

	return vmm_reset(v->fd);
}

static int destroying(void *arg)
{
	struct vmm *v = arg;

	return vmm_destroy(v->fd, RELID2);
}

/* The call waits until the device is through with the guest's pages. */
static void expect_waits(struct __test_metadata *_metadata, struct vmm *v,
			 int (*fn)(void *arg))
{
	struct task t;

	task_start(&t, fn, v);
	EXPECT_TRUE(WAIT_FOR(task_sleeps(&t)));
	usleep(50000);
	EXPECT_FALSE(task_is_done(&t));
	EXPECT_TRUE(all_are(v->mem, 2 * HV_PAGE, 1));
	keep_requests(false);
	EXPECT_EQ(0, task_join(&t));
	/* Not later than that */
	EXPECT_TRUE(all_are(v->mem, 2 * HV_PAGE, 8));
}

TEST_F(gpa, rescind)
{
	BEGIN_HELD();
	expect_waits(_metadata, &self->vmm, rescinding);
}

TEST_F(gpa, reset)
{
	BEGIN_HELD();
	expect_waits(_metadata, &self->vmm, resetting);
}

TEST_F(gpa, destroy)
{
	BEGIN_HELD();
	expect_waits(_metadata, &self->vmm, destroying);
}

TEST_F(gpa, guest_closes)
{
	int fd = self->vmm.fd;

	BEGIN_HELD();
	EXPECT_EQ(0, guest_close(fd, RELID2));
	EXPECT_EQ(0, guest_teardown(fd, RELID2, RING_HANDLE));
	usleep(100000);
	EXPECT_SILENCE(fd);
	keep_requests(false);
	EXPECT_TORNDOWN(fd, RING_HANDLE);
	EXPECT_TRUE(all_are(self->vmm.mem, 2 * HV_PAGE, 8));
}

TEST_F(gpa, last_close_of_the_file)
{
	BEGIN_HELD();
	vmm_stop(&self->vmm);
	usleep(100000);
	if (!vmm_resident)
		EXPECT_LE(4, pinned_pages());
	EXPECT_TRUE(all_are(self->vmm.mem, 2 * HV_PAGE, 1));
	keep_requests(false);
	EXPECT_TRUE(WAIT_FOR(all_are(self->vmm.mem, 2 * HV_PAGE, 8)));
}

TEST_F(gpa, region_is_changed)
{
	struct vmbus_host_region gone = { .slot = MEM_SLOT };
	struct vmm *v = &self->vmm;

	BEGIN_HELD();
	EXPECT_EQ(-EBUSY, vmm_regions(v->fd, &gone, 1));
	EXPECT_EQ(0, vmm_retire(v->fd, &gone, 1));
	PUT(SUM, 0, 0);
	ring_kick(v->fd);
	EXPECT_ANSWER(2, -EFAULT, 0);
	keep_requests(false);
	EXPECT_ANSWER(0, 0, 0);
	EXPECT_ANSWER(1, 0, 0);
	EXPECT_TRUE(all_are(v->mem, 2 * HV_PAGE, 8));
}

/* ---- The VMM is killed ---- */

/* In a process of its own: two requests in flight, and a byte to say so. */
static void vmm_to_be_killed(struct __test_metadata *_metadata, int ready)
{
	struct vmm v;
	struct packet p;

	vmm_start(_metadata, &v, MEM_ANON, 0);
	if (device_create(&v))
		exit(1);
	EXPECT_GPADL(v.fd, RELID2, RING_HANDLE, RING_GPA, RING_BYTES);
	if (guest_open(v.fd, RELID2, 1, RING_HANDLE, RING_SPLIT))
		exit(1);
	EXPECT_OPENED(v.fd, RELID2, 1);
	bad(&p, 0, 2 * HV_PAGE, MEM_PFN, 2);
	packet_put(&v, &p, GPA_DIRECT, 0, FILL, HOLD, 8);
	packet_put(&v, &p, GPA_DIRECT, 1, FILL, HOLD | VMBUS_GPA_TEST_SOFTIRQ, 8);
	ring_kick(v.fd);
	if (!WAIT_FOR(pinned_pages() == RING_PAGES + 4))
		exit(1);
	if (write(ready, "", 1) != 1)
		exit(1);
	for (;;)
		pause();
}

TEST(vmm_is_killed)
{
	int ready[2], status;
	pid_t pid;
	char byte;

	if (vmm_resident)
		SKIP(return, "what is in flight cannot be told from what is resident");
	keep_requests(true);
	ASSERT_EQ(0, pipe2(ready, O_CLOEXEC));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		vmm_to_be_killed(_metadata, ready[1]);
	close(ready[1]);
	EXPECT_EQ(1, read(ready[0], &byte, 1));
	close(ready[0]);
	EXPECT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	/* Its memory is the device's until that is through. */
	usleep(200000);
	EXPECT_LE(4, pinned_pages());
	keep_requests(false);
	EXPECT_TRUE(WAIT_FOR(pinned_pages() == 0));
}

TEST_HARNESS_MAIN
