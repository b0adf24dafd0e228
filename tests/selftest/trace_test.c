// SPDX-License-Identifier: GPL-2.0
/*
 * Events, as Documentation/watching.rst describes them: each comes once for what it tells of, in a
 * trace with its fields, and in perf.
 */
#include <fcntl.h>
#include <linux/perf_event.h>
#include <regex.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "fixture.h"
#include "machine.h"

#define TRACING		"/sys/kernel/tracing"
/* Of our own: scripts/guest/selftest.sh has the events in the common one, too. */
#define INSTANCE	TRACING "/instances/trace_test"
#define MAX_CPUS	64

/* Slot, address and memory of a page that the VMM changes */
#define SLOT		7
#define GPA		0x200000000ull

/* ---- What there is to read ---- */

/* How many lines match an extended regular expression? */
static int lines_like(const char *path, const char *pattern)
{
	FILE *f = fopen(path, "re");
	char line[512];
	regex_t regex;
	int nr = 0;

	if (!f || regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE))
		return -1;
	while (fgets(line, sizeof(line), f))
		nr += !regexec(&regex, line, 0, NULL, 0);
	regfree(&regex);
	fclose(f);
	return nr;
}

static int traced(const char *name, const char *fields)
{
	char pattern[256];

	snprintf(pattern, sizeof(pattern), " %s: partition=[0-9]+ %s", name, fields);
	return lines_like(INSTANCE "/trace", pattern);
}

/* @group: INSTANCE, or TRACING */
static int switch_event(const char *group, const char *name, bool on)
{
	const char *system = strstr(name, "_host_") ? "vmbus_host" : "vmbus_gpadl";
	char path[128];

	snprintf(path, sizeof(path), "%s/events/%s/%s/enable", group, system, name);
	return file_write(path, on ? "1" : "0");
}

/* A counter of an event for each processor; how many there are */
static int perf_open(const char *name, int *fds)
{
	const char *system = strstr(name, "_host_") ? "vmbus_host" : "vmbus_gpadl";
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr) };
	char path[128];
	int nr;

	snprintf(path, sizeof(path), TRACING "/events/%s/%s/id", system, name);
	attr.config = file_number(path, NULL);
	for (nr = 0; nr < MAX_CPUS; nr++) {
		fds[nr] = syscall(SYS_perf_event_open, &attr, -1, nr, -1, PERF_FLAG_FD_CLOEXEC);
		if (fds[nr] < 0)
			break;
	}
	return nr;
}

static long long perf_count(const int *fds, int nr)
{
	long long sum = 0;
	__u64 count;

	while (nr--)
		sum += read(fds[nr], &count, sizeof(count)) == sizeof(count) ? count : -1000000;
	return sum;
}

/* ---- What happens ---- */

static void make_gpadl(struct __test_metadata *_metadata, struct vmm *v)
{
	EXPECT_GPADL(v->fd, RELID, HANDLE, MEM_GPA, 3 * HV_PAGE);
}

static void map_as(struct __test_metadata *_metadata, struct vmm *v, __u32 flags)
{
	make_gpadl(_metadata, v);
	EXPECT_EQ(0, backend_map(v->backend, HANDLE, flags));
	EXPECT_EQ(0, backend_unmap(v->backend, HANDLE));
	EXPECT_TEARDOWN(v->fd, RELID, HANDLE);
}

static void map(struct __test_metadata *_metadata, struct vmm *v)
{
	map_as(_metadata, v, 0);
}

static void map_for_reading(struct __test_metadata *_metadata, struct vmm *v)
{
	map_as(_metadata, v, MAP_READ_ONLY);
}

static void map_what_is_not_there(struct __test_metadata *_metadata, struct vmm *v)
{
	EXPECT_EQ(0, vmm_region(v->fd, SLOT, 0, GPA, HV_PAGE, (void *)HV_PAGE));
	EXPECT_GPADL(v->fd, RELID, HANDLE, GPA, HV_PAGE);
	EXPECT_EQ(-EFAULT, backend_map(v->backend, HANDLE, 0));
}

static void tear_down_what_is_mapped(struct __test_metadata *_metadata, struct vmm *v)
{
	EXPECT_EQ(0, backend_policy(v->backend, ON_REVOKE_HOLD));
	make_gpadl(_metadata, v);
	EXPECT_EQ(0, backend_map(v->backend, HANDLE, 0));
	EXPECT_EQ(0, guest_teardown(v->fd, RELID, HANDLE));
	EXPECT_EQ(0, backend_unmap(v->backend, HANDLE));
	EXPECT_TORNDOWN(v->fd, HANDLE);
}

static void send_a_body_alone(struct __test_metadata *_metadata, struct vmm *v)
{
	__u64 words[] = { range_word(0, HV_PAGE) };

	EXPECT_EQ(-ENOENT, guest_body(v->fd, HANDLE, 0, words, 1));
}

static void map_packet_as(struct __test_metadata *_metadata, struct vmm *v, __u32 flags)
{
	__u64 words[] = { range_word(0, HV_PAGE), MEM_PFN };

	EXPECT_EQ(0, backend_pool(v->backend, 4, HV_PAGE));
	EXPECT_EQ(0, backend_map_packet(v->backend, HANDLE, flags, words, 2, 1));
	usleep(1000);
	EXPECT_EQ(0, backend_unmap(v->backend, HANDLE));
}

static void map_packet(struct __test_metadata *_metadata, struct vmm *v)
{
	map_packet_as(_metadata, v, 0);
}

static void map_packet_for_reading(struct __test_metadata *_metadata, struct vmm *v)
{
	map_packet_as(_metadata, v, MAP_READ_ONLY);
}

static void map_no_packet(struct __test_metadata *_metadata, struct vmm *v)
{
	__u64 words[] = { range_word(0, HV_PAGE), MEM_PFN + MEM_PAGES };

	EXPECT_EQ(0, backend_pool(v->backend, 4, HV_PAGE));
	EXPECT_EQ(-EFAULT, backend_map_packet(v->backend, HANDLE, 0, words, 2, 1));
}

static void *resident_page(struct __test_metadata *_metadata, struct vmm *v)
{
	void *page = mmap(NULL, HV_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	EXPECT_NE(MAP_FAILED, page);
	EXPECT_EQ(0, vmm_region(v->fd, SLOT, VMBUS_HOST_REGION_RESIDENT, GPA, HV_PAGE, page));
	return page;
}

static void change_memory(struct __test_metadata *_metadata, struct vmm *v)
{
	EXPECT_EQ(0, munmap(resident_page(_metadata, v), HV_PAGE));
}

static void change_mapped_memory(struct __test_metadata *_metadata, struct vmm *v)
{
	void *page = resident_page(_metadata, v);

	EXPECT_GPADL(v->fd, RELID, HANDLE, GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(v->backend, HANDLE, 0));
	EXPECT_EQ(0, munmap(page, HV_PAGE));
	EXPECT_EQ(0, backend_unmap(v->backend, HANDLE));
}

static void close_channel(struct __test_metadata *_metadata, struct vmm *v)
{
	EXPECT_EQ(0, guest_close(v->fd, RELID));
}

static void send_packet(struct __test_metadata *_metadata, struct vmm *v)
{
	__u64 word = 0;

	EXPECT_EQ(0, backend_send(v->backend, &word, sizeof(word)));
}

/* The first in the ring: a descriptor, a payload of 8 bytes, a trailer */
static void receive_packet(struct __test_metadata *_metadata, struct vmm *v)
{
	__u16 *desc = (void *)((char *)v->ring + HV_PAGE);
	__u64 word = 0;

	desc[0] = 6;	/* VM_PKT_DATA_INBAND */
	desc[1] = 16 / 8;
	desc[2] = (16 + 8) / 8;
	__atomic_store_n((__u32 *)v->ring, 16 + 8 + 8, __ATOMIC_RELEASE);
	EXPECT_EQ(8, backend_recv(v->backend, &word, sizeof(word)));
}

/* ---- Each event ---- */

FIXTURE(event) {
	struct vmm vmm;
};

/* @fn: what is done of which the event tells once, with @fields as they are printed */
FIXTURE_VARIANT(event) {
	const char *name;
	const char *fields;
	void (*fn)(struct __test_metadata *_metadata, struct vmm *v);
};

#define CHANNEL	"relid=5 "
#define GPADL	CHANNEL "handle=0xe1e10"

FIXTURE_VARIANT_ADD(event, created) {
	.name = "vmbus_gpadl_created",
	.fields = GPADL " status=0x0 pages=3 ranges=1 runs=1 messages=1 access=r[ow]$",
	.fn = make_gpadl,
};

FIXTURE_VARIANT_ADD(event, map) {
	.name = "vmbus_gpadl_map",
	.fields = GPADL " access=rw pinned=[0-9]+ entries=[123] ret=0 ns=[1-9][0-9]*$",
	.fn = map,
};

FIXTURE_VARIANT_ADD(event, map_for_reading) {
	.name = "vmbus_gpadl_map",
	.fields = GPADL " access=ro pinned=[0-9]+ entries=[123] ret=0 ns=[1-9][0-9]*$",
	.fn = map_for_reading,
};

FIXTURE_VARIANT_ADD(event, map_fails) {
	.name = "vmbus_gpadl_map",
	.fields = GPADL " access=rw pinned=0 entries=0 ret=-14 ns=[1-9][0-9]*$",
	.fn = map_what_is_not_there,
};

FIXTURE_VARIANT_ADD(event, unmap) {
	.name = "vmbus_gpadl_unmap",
	.fields = GPADL "$",
	.fn = map,
};

FIXTURE_VARIANT_ADD(event, unmapped) {
	.name = "vmbus_gpadl_unmapped",
	.fields = GPADL " ns=[1-9][0-9]*$",
	.fn = map,
};

FIXTURE_VARIANT_ADD(event, teardown) {
	.name = "vmbus_gpadl_teardown",
	.fields = GPADL "$",
	.fn = map,
};

FIXTURE_VARIANT_ADD(event, revoke) {
	.name = "vmbus_gpadl_revoke",
	.fields = GPADL "$",
	.fn = tear_down_what_is_mapped,
};

FIXTURE_VARIANT_ADD(event, torndown) {
	.name = "vmbus_gpadl_torndown",
	.fields = GPADL "$",
	.fn = tear_down_what_is_mapped,
};

FIXTURE_VARIANT_ADD(event, reject) {
	.name = "vmbus_gpadl_reject",
	.fields = "relid=0 handle=0xe1e10 reason=NO_HEADER$",
	.fn = send_a_body_alone,
};

FIXTURE_VARIANT_ADD(event, gpa_map) {
	.name = "vmbus_gpa_map",
	.fields = CHANNEL
		  "request=[0-3] access=rw pages=1 ranges=1 pinned=[01] entries=1 ret=0 ns=[1-9]",
	.fn = map_packet,
};

FIXTURE_VARIANT_ADD(event, gpa_map_for_reading) {
	.name = "vmbus_gpa_map",
	.fields = CHANNEL
		  "request=[0-3] access=ro pages=1 ranges=1 pinned=[01] entries=1 ret=0 ns=[1-9]",
	.fn = map_packet_for_reading,
};

FIXTURE_VARIANT_ADD(event, gpa_map_fails) {
	.name = "vmbus_gpa_map",
	.fields = CHANNEL
		  "request=[0-3] access=rw pages=1 ranges=1 pinned=0 entries=0 ret=-14 ns=[1-9]",
	.fn = map_no_packet,
};

/* For a millisecond at least */
FIXTURE_VARIANT_ADD(event, gpa_unmap) {
	.name = "vmbus_gpa_unmap",
	.fields = CHANNEL "request=[0-3] ns=[1-9][0-9]{6,}$",
	.fn = map_packet,
};

FIXTURE_VARIANT_ADD(event, invalidate) {
	.name = "vmbus_gpadl_invalidate",
	.fields = "slot=7 hva=0x[0-9a-f]+-0x[0-9a-f]+ event=0$",
	.fn = change_memory,
};

FIXTURE_VARIANT_ADD(event, invalidate_mapped) {
	.name = "vmbus_gpadl_invalidate",
	.fields = "slot=7 hva=0x[0-9a-f]+-0x[0-9a-f]+ event=0 mapped$",
	.fn = change_mapped_memory,
};

FIXTURE_VARIANT_ADD(event, callback) {
	.name = "vmbus_host_callback",
	.fields = CHANNEL "callback=close ns=[1-9][0-9]*$",
	.fn = close_channel,
};

FIXTURE_VARIANT_ADD(event, send) {
	.name = "vmbus_host_send",
	.fields = CHANNEL "type=6 flags=0x[0-9a-f]+ len=8 trans_id=",
	.fn = send_packet,
};

FIXTURE_VARIANT_ADD(event, receive) {
	.name = "vmbus_host_receive",
	.fields = CHANNEL "type=6 flags=0x0 len=8 trans_id=",
	.fn = receive_packet,
};

FIXTURE_SETUP(event)
{
	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
	vmm_open_channel(_metadata, &self->vmm);
	ASSERT_EQ(0, mkdir(INSTANCE, 0700));
}

FIXTURE_TEARDOWN(event)
{
	switch_event(INSTANCE, variant->name, false);
	EXPECT_EQ(0, rmdir(INSTANCE));
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

TEST_F(event, comes_once)
{
	int fds[MAX_CPUS], nr = perf_open(variant->name, fds);

	ASSERT_LT(0, nr);
	ASSERT_EQ(0, switch_event(INSTANCE, variant->name, true));
	variant->fn(_metadata, &self->vmm);
	EXPECT_TRUE(WAIT_FOR(traced(variant->name, variant->fields) == 1));
	/* Those of other channels, and of what goes before, are in both. */
	EXPECT_TRUE(WAIT_FOR(perf_count(fds, nr) == traced(variant->name, "")));
	while (nr--)
		close(fds[nr]);
}

/* ---- One event without another ---- */

FIXTURE(alone) {
	struct vmm vmm;
	bool traced;
};

FIXTURE_SETUP(alone)
{
	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
	vmm_open_channel(_metadata, &self->vmm);
	self->traced = lines_like(TRACING "/events/vmbus_gpadl/vmbus_gpa_map/enable", "^1$") == 1;
	ASSERT_EQ(0, mkdir(INSTANCE, 0700));
	EXPECT_EQ(0, switch_event(TRACING, "vmbus_gpa_map", false));
	EXPECT_EQ(0, switch_event(INSTANCE, "vmbus_gpa_unmap", true));
}

FIXTURE_TEARDOWN(alone)
{
	EXPECT_EQ(0, switch_event(TRACING, "vmbus_gpa_map", self->traced));
	EXPECT_EQ(0, switch_event(INSTANCE, "vmbus_gpa_unmap", false));
	EXPECT_EQ(0, rmdir(INSTANCE));
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

/* An unmap tells how long the pages were mapped, also when nobody traces maps. */
TEST_F(alone, unmap_of_a_packet_is_timed)
{
	map_packet(_metadata, &self->vmm);
	EXPECT_EQ(1, traced("vmbus_gpa_unmap", CHANNEL "request=[0-3] ns=[1-9][0-9]{6,}$"));
}

TEST_HARNESS_MAIN
