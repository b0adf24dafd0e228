// SPDX-License-Identifier: GPL-2.0
/*
 * Guest memory that changes under its regions: what the VMM does to its own address space,
 * and what the machine does to it.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"
#include "machine.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

#define FREE_GPA	0x200000000ull	/* where no region is */

/* ---- Helpers ---- */

/* A file that debugfs has of a VMM's partition; those of tests before may not be gone yet. */
static FILE *open_debugfs(struct vmm *v, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", v->fd);
	snprintf(path, sizeof(path), "/sys/kernel/debug/vmbus_gpadl/%lld/%s",
		 file_number(path, "vmbus-partition:"), name);
	return fopen(path, "re");
}

static long count(struct vmm *v, const char *what)
{
	FILE *f = open_debugfs(v, "stats");
	char line[256];
	long n = -1;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, what, strlen(what)))
			n = atol(line + strlen(what));
	if (f)
		fclose(f);
	return n;
}

#define SAME(_v)	count(_v, "blocks found the same")
#define REPLACED(_v)	count(_v, "pages found replaced")
#define LOST(_v)	count(_v, "looks at lost pages")

/* How often the kernel has said that it changes something where MEM_SLOT is */
static long changes(struct vmm *v)
{
	FILE *f = open_debugfs(v, "regions");
	long n = -1, changes;
	char line[256];
	unsigned int slot;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%u %*s %*s %*s %*s %*s %*s %ld", &slot, &changes) == 2 &&
		    slot == MEM_SLOT)
			n = changes;
	if (f)
		fclose(f);
	return n;
}

static void take_note(int sig)
{
}

/* ---- A resident region, with one GPADL of a page, and one of another ---- */

FIXTURE(memory) {
	struct vmm vmm;
	char *page;	/* HANDLE's */
	char *other;	/* HANDLE2's, in the same block */
};

FIXTURE_VARIANT(memory) {
	enum memory kind;
};

FIXTURE_VARIANT_ADD(memory, small_pages) {
	.kind = MEM_ANON,
};

FIXTURE_VARIANT_ADD(memory, huge_pages) {
	.kind = MEM_THP,
};

FIXTURE_SETUP(memory)
{
	/*
	 * A memory error is told to each process that has the page mapped, which cannot ignore it
	 */
	signal(SIGBUS, take_note);
	vmm_resident = VMBUS_HOST_REGION_RESIDENT;
	vmm_start(_metadata, &self->vmm, variant->kind, 0);
	self->page = self->vmm.mem + 3 * HV_PAGE;
	self->other = self->vmm.mem + 5 * HV_PAGE;
	*self->page = 'p';
	*self->other = 'o';
	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA + 3 * HV_PAGE, HV_PAGE);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE2, MEM_GPA + 5 * HV_PAGE, HV_PAGE);
	EXPECT_EQ('p', backend_first_byte(self->vmm.backend, HANDLE));
}

FIXTURE_TEARDOWN(memory)
{
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

static char *put_new_page(char *at)
{
	munmap(at, HV_PAGE);
	return mmap(at, HV_PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

/* A map finds it by itself */
TEST_F(memory, another_page)
{
	ASSERT_EQ(self->page, put_new_page(self->page));
	*self->page = 'n';
	EXPECT_EQ('n', backend_first_byte(self->vmm.backend, HANDLE));
	EXPECT_EQ('o', backend_first_byte(self->vmm.backend, HANDLE2));
	EXPECT_EQ(1, REPLACED(&self->vmm));
	EXPECT_EQ(0, LOST(&self->vmm));
}

/* The entry is equal, what is behind it is not */
TEST_F(memory, another_page_and_an_equal_region)
{
	ASSERT_EQ(self->page, put_new_page(self->page));
	*self->page = 'n';
	EXPECT_EQ(0, vmm_region(self->vmm.fd, MEM_SLOT, 0, MEM_GPA, MEM_BYTES,
				self->vmm.mem));
	EXPECT_EQ(1, REPLACED(&self->vmm));
	EXPECT_EQ('n', backend_first_byte(self->vmm.backend, HANDLE));
	EXPECT_EQ(1, REPLACED(&self->vmm));
}

TEST_F(memory, page_given_back)
{
	ASSERT_EQ(0, madvise(self->page, HV_PAGE, MADV_DONTNEED));
	EXPECT_EQ(0, backend_first_byte(self->vmm.backend, HANDLE));
	*self->page = 'n';
	EXPECT_EQ('n', backend_first_byte(self->vmm.backend, HANDLE));
}

/* Only that GPADL fails, and an equal region; until there is memory again */
TEST_F(memory, no_page)
{
	ASSERT_EQ(0, munmap(self->page, HV_PAGE));
	EXPECT_EQ(-EFAULT, backend_first_byte(self->vmm.backend, HANDLE));
	EXPECT_EQ('o', backend_first_byte(self->vmm.backend, HANDLE2));
	EXPECT_EQ(1, LOST(&self->vmm));
	EXPECT_EQ(-EFAULT, vmm_region(self->vmm.fd, MEM_SLOT, 0, MEM_GPA, MEM_BYTES,
				      self->vmm.mem));
	ASSERT_EQ(self->page, put_new_page(self->page));
	*self->page = 'n';
	EXPECT_EQ('n', backend_first_byte(self->vmm.backend, HANDLE));
}

/* What a mapping has stays what it has, and is let go when nothing is mapped */
TEST_F(memory, another_page_under_a_mapping)
{
	char byte;

	ASSERT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	ASSERT_EQ(self->page, put_new_page(self->page));
	*self->page = 'n';
	EXPECT_EQ(0, backend_read(self->vmm.backend, HANDLE, 0, &byte, 1));
	EXPECT_EQ('p', byte);
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ('n', backend_first_byte(self->vmm.backend, HANDLE));
	/* The rings' region is another one */
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) == ALL_KB));
}

/* What unmaps have left to a work item is done, for one that came later is */
static void wait_for_drops(struct __test_metadata *_metadata, struct vmm *v)
{
	struct vmbus_host_region region = {
		.slot = 5, .flags = VMBUS_HOST_REGION_RESIDENT, .gpa = FREE_GPA,
		.bytes = HV_PAGE, .hva = PTR(memory_alloc(MEM_ANON, HV_PAGE)),
	};
	long kb;

	ASSERT_EQ(0, backend_policy(v->backend, ON_REVOKE_HOLD));
	ASSERT_EQ(0, vmm_regions(v->fd, &region, 1));
	EXPECT_GPADL(v->fd, RELID, HANDLE4, FREE_GPA, HV_PAGE);
	ASSERT_EQ(0, backend_map(v->backend, HANDLE4, 0));
	kb = pinned_kb(0);
	region.bytes = 0;
	ASSERT_EQ(0, vmm_retire(v->fd, &region, 1));
	EXPECT_EQ(0, backend_unmap(v->backend, HANDLE4));
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) < kb));
}

/* Two have the page, before and after it was replaced; then the region is another one */
TEST_F(memory, another_page_in_a_region_that_lingers)
{
	char byte;
	long kb;

	ASSERT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	ASSERT_EQ(self->page, put_new_page(self->page));
	*self->page = 'n';
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE3, MEM_GPA + 3 * HV_PAGE, HV_PAGE);
	ASSERT_EQ(0, backend_map(self->vmm.backend, HANDLE3, 0));
	EXPECT_EQ(1, REPLACED(&self->vmm));
	vmm_resident = 0;
	ASSERT_EQ(0, vmm_region(self->vmm.fd, MEM_SLOT, 0, MEM_GPA, MEM_BYTES,
				self->vmm.mem));
	kb = pinned_kb(0);
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE3));
	wait_for_drops(_metadata, &self->vmm);
	/* The first one still has the page that was there */
	EXPECT_EQ(kb, pinned_kb(0));
	EXPECT_EQ(0, backend_read(self->vmm.backend, HANDLE, 0, &byte, 1));
	EXPECT_EQ('p', byte);
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) == RING_KB));
}

/* Nothing is mapped: what was there goes at once */
TEST_F(memory, equal_region_drops_what_was_there)
{
	ASSERT_EQ(self->page, put_new_page(self->page));
	*self->page = 'n';
	EXPECT_EQ(0, vmm_region(self->vmm.fd, MEM_SLOT, 0, MEM_GPA, MEM_BYTES,
				self->vmm.mem));
	EXPECT_EQ(1, REPLACED(&self->vmm));
	EXPECT_EQ(ALL_KB, pinned_kb(0));
}

static struct vmbus_host_region part(struct vmm *v, __u32 slot, unsigned int first,
				     unsigned int pages)
{
	return (struct vmbus_host_region){
		.slot = slot,
		.flags = vmm_resident,
		.gpa = MEM_GPA + first * HV_PAGE,
		.bytes = pages * HV_PAGE,
		.hva = PTR(v->mem + first * HV_PAGE),
	};
}

/* Two regions have it; each time that it is mapped it is another page, and only that stays */
TEST_F(memory, another_page_in_a_block_of_two_regions)
{
	struct vmbus_host_region split[] = {
		part(&self->vmm, MEM_SLOT, 0, 100),
		part(&self->vmm, 2, 100, MEM_PAGES - 100),
	};
	int i;

	EXPECT_EQ(0, vmm_regions(self->vmm.fd, split, 2));
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, madvise(self->page, HV_PAGE, MADV_DONTNEED));
		*self->page = 'n';
		EXPECT_EQ('n', backend_first_byte(self->vmm.backend, HANDLE));
	}
	EXPECT_EQ(10, REPLACED(&self->vmm));
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) == ALL_KB))
		TH_LOG("%ld kB are charged", pinned_kb(0));
}

/* What the other region has mapped is in the same block: it may be that page */
TEST_F(memory, another_page_and_a_mapping_of_the_other_region)
{
	struct vmbus_host_region split[] = {
		part(&self->vmm, MEM_SLOT, 0, 4),
		part(&self->vmm, 2, 4, MEM_PAGES - 4),
	};

	EXPECT_EQ(0, vmm_regions(self->vmm.fd, split, 2));
	ASSERT_EQ(0, backend_map(self->vmm.backend, HANDLE2, 0));
	ASSERT_EQ(self->page, put_new_page(self->page));
	*self->page = 'n';
	EXPECT_EQ('n', backend_first_byte(self->vmm.backend, HANDLE));
	wait_for_drops(_metadata, &self->vmm);
	EXPECT_EQ(ALL_KB + HV_PAGE / 1024, pinned_kb(0));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE2));
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) == ALL_KB));
}

/* ---- Changes that leave the page where it is ---- */

static void expect_bytes(struct __test_metadata *_metadata, struct vmm *v)
{
	EXPECT_EQ('p', backend_first_byte(v->backend, HANDLE));
	EXPECT_EQ('o', backend_first_byte(v->backend, HANDLE2));
}

/*
 * Looked at once, not for each map, and nothing is pinned anew. The kernel may change
 * something by itself at any time: this waits until it lets two maps pass that it does not
 * disturb.
 */
static void expect_same(struct __test_metadata *_metadata, struct vmm *v)
{
	long same, before;
	int tries = 0;

	do {
		before = changes(v);
		expect_bytes(_metadata, v);
		same = SAME(v);
		expect_bytes(_metadata, v);
		same = SAME(v) - same;
	} while (changes(v) != before && ++tries < 1000);
	EXPECT_GT(1000, tries);
	EXPECT_LE(0, before);
	EXPECT_EQ(0, same);
	EXPECT_EQ(0, REPLACED(v));
	EXPECT_EQ(0, LOST(v));
	EXPECT_EQ(ALL_KB, pinned_kb(0));
}

/* The two counts of a moment. No look is for nothing: each has a change of its own. */
struct looks {
	long changes;
	long same;
};

static struct looks looks_so_far(struct vmm *v)
{
	struct looks now;

	now.changes = changes(v);
	now.same = SAME(v);
	return now;
}

/* Since then, between @nr looks, and as many as there were changes */
static void expect_looks(struct __test_metadata *_metadata, struct vmm *v,
			 struct looks since, long nr)
{
	long looks = SAME(v) - since.same;

	EXPECT_LE(nr, looks);
	EXPECT_GE(changes(v) - since.changes, looks);
}

TEST_F(memory, mprotect)
{
	struct looks before = looks_so_far(&self->vmm);

	ASSERT_EQ(0, mprotect(self->page, HV_PAGE, PROT_READ));
	expect_same(_metadata, &self->vmm);
	ASSERT_EQ(0, mprotect(self->page, HV_PAGE, PROT_READ | PROT_WRITE));
	expect_same(_metadata, &self->vmm);
	expect_looks(_metadata, &self->vmm, before, 2);
}

TEST_F(memory, soft_dirty)
{
	struct looks before = looks_so_far(&self->vmm);

	ASSERT_EQ(0, file_write("/proc/self/clear_refs", "4"));
	expect_same(_metadata, &self->vmm);
	expect_looks(_metadata, &self->vmm, before, 1);
}

TEST_F(memory, collapse)
{
	struct looks before = looks_so_far(&self->vmm);

	/* It fails, or has nothing to do: the pages are pinned. There is nothing to look at. */
	madvise(self->vmm.mem, MEM_BYTES, MADV_COLLAPSE);
	expect_same(_metadata, &self->vmm);
	expect_looks(_metadata, &self->vmm, before, 0);
}

TEST_F(memory, ksm)
{
	const char *scans = "/sys/kernel/mm/ksm/full_scans";
	long before_scans = file_number(scans, NULL);
	struct looks before = looks_so_far(&self->vmm);

	if (before_scans < 0)
		SKIP(return, "the kernel has no KSM");
	memset(self->vmm.mem + 16 * HV_PAGE, 's', 8 * HV_PAGE);
	ASSERT_EQ(0, madvise(self->vmm.mem, MEM_BYTES, MADV_MERGEABLE));
	ASSERT_EQ(0, file_write("/sys/kernel/mm/ksm/pages_to_scan", "10000"));
	ASSERT_EQ(0, file_write("/sys/kernel/mm/ksm/run", "1"));
	/* A huge page would have to be split first, which a pin forbids. */
	EXPECT_TRUE(WAIT_FOR(variant->kind == MEM_THP ?
			     file_number(scans, NULL) >= before_scans + 5 :
			     changes(&self->vmm) > before.changes));
	ASSERT_EQ(0, file_write("/sys/kernel/mm/ksm/run", "0"));
	expect_same(_metadata, &self->vmm);
	/* It makes pages read-only before it sees that they are pinned. */
	expect_looks(_metadata, &self->vmm, before, variant->kind == MEM_ANON);
}

/* ---- Memory that the kernel would rather have elsewhere ---- */

#define NUMA_BALANCING	"/proc/sys/kernel/numa_balancing"
#define NUMA_DEBUGFS	"/sys/kernel/debug/sched/numa_balancing/"

/* Processor time, by which NUMA balancing counts */
static void burn(unsigned int ms)
{
	clock_t end = clock() + ms * (CLOCKS_PER_SEC / 1000);

	while (clock() < end)
		;
}

/*
 * NUMA balancing takes away access to all of an address space, a piece at a time, to see
 * who touches what. On a machine of one node it does so if it is told to.
 */
TEST_F(memory, numa_balancing)
{
	struct looks before = looks_so_far(&self->vmm);
	long maps = 0;

	if (file_write(NUMA_BALANCING, "1"))
		SKIP(return, "the kernel has no NUMA balancing");
	EXPECT_EQ(0, file_write(NUMA_DEBUGFS "scan_delay_ms", "1"));
	EXPECT_EQ(0, file_write(NUMA_DEBUGFS "scan_period_min_ms", "1"));
	EXPECT_EQ(0, file_write(NUMA_DEBUGFS "scan_period_max_ms", "10"));
	/* Until it has come by twice, with maps in between */
	while (SAME(&self->vmm) < before.same + 2 && maps < 2000) {
		burn(10);
		maps++;
		expect_bytes(_metadata, &self->vmm);
	}
	EXPECT_EQ(0, file_write(NUMA_BALANCING, "0"));
	expect_same(_metadata, &self->vmm);
	expect_looks(_metadata, &self->vmm, before, 2);
}

/* ---- Memory errors ---- */

static int keep_for_ever(void *unused)
{
	syscall(SYS_close_range, 0, ~0u, 0);
	for (;;)
		pause();
	return 0;
}

/*
 * A huge page that was pinned when a part of it failed is not split; the kernel gives it back
 * when it is freed, with the bad part, for the next test to find. So it is not freed: a process
 * has this address space until the machine ends.
 */
static bool keep_memory(void)
{
	size_t size = 64 << 10;
	char *stack = malloc(size);

	return stack && clone(keep_for_ever, stack + size, CLONE_VM, NULL) > 0;
}

/* false: the kernel handles none */
static bool poison(char *page)
{
	if (madvise(page, HV_PAGE, MADV_HWPOISON) && (errno == EINVAL || errno == EPERM))
		return false;
	return keep_memory();
}

/* A part of a huge page that is pinned stays in the page tables, also if it has an error. */
static bool errors_are_unseen(enum memory kind)
{
	return kind == MEM_THP && kernel_before(6, 3);
}

TEST_F(memory, error_in_an_idle_page)
{
	if (errors_are_unseen(variant->kind))
		SKIP(return, UNCOUNTED_ERRORS);
	if (!poison(self->page))
		SKIP(return, "the kernel handles no memory errors");
	EXPECT_EQ(-EFAULT, backend_first_byte(self->vmm.backend, HANDLE));
	EXPECT_EQ('o', backend_first_byte(self->vmm.backend, HANDLE2));
	EXPECT_EQ(-EFAULT, backend_first_byte(self->vmm.backend, HANDLE));
}

TEST_F(memory, error_in_a_mapped_page)
{
	if (errors_are_unseen(variant->kind))
		SKIP(return, UNCOUNTED_ERRORS);
	ASSERT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	if (!poison(self->page))
		SKIP(return, "the kernel handles no memory errors");
	EXPECT_EQ('o', backend_first_byte(self->vmm.backend, HANDLE2));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(-EFAULT, backend_first_byte(self->vmm.backend, HANDLE));
	EXPECT_EQ('o', backend_first_byte(self->vmm.backend, HANDLE2));
}

/* Also where the page stays in the page tables: a part of a huge one that is pinned */
TEST_F(memory, error_and_an_equal_region)
{
	if (errors_are_unseen(variant->kind))
		SKIP(return, UNCOUNTED_ERRORS);
	if (!poison(self->page))
		SKIP(return, "the kernel handles no memory errors");
	EXPECT_EQ(-EFAULT, vmm_region(self->vmm.fd, MEM_SLOT, 0, MEM_GPA, MEM_BYTES,
				      self->vmm.mem));
	EXPECT_EQ('o', backend_first_byte(self->vmm.backend, HANDLE2));
}

/* One that is pinned before it is found to be bad is unpinned again: teardown sees to that. */
TEST_F(memory, error_in_event_flags)
{
	struct vmbus_host_signals signals = { .kick_fd = -1, .call_fd = eventfd(0, EFD_CLOEXEC) };
	unsigned int i;

	if (errors_are_unseen(variant->kind))
		SKIP(return, UNCOUNTED_ERRORS);
	if (!poison(self->page))
		SKIP(return, "the kernel handles no memory errors");
	signals.event_flags = PTR(self->page);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(-EFAULT, vmm_modify(self->vmm.fd, RELID, &signals));
	EXPECT_EQ('o', backend_first_byte(self->vmm.backend, HANDLE2));
	close(signals.call_fd);
}

TEST_F(memory, error_in_a_page_on_demand)
{
	char *mem = memory_alloc(variant->kind, MEM_BYTES);

	ASSERT_NE(NULL, mem);
	mem[0] = 'd';
	mem[HV_PAGE] = 'e';
	vmm_resident = 0;
	ASSERT_EQ(0, vmm_region(self->vmm.fd, 2, 0, FREE_GPA, MEM_BYTES, mem));
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE3, FREE_GPA, HV_PAGE);
	EXPECT_EQ('d', backend_first_byte(self->vmm.backend, HANDLE3));
	if (!poison(mem))
		SKIP(return, "the kernel handles no memory errors");
	EXPECT_EQ(-EFAULT, backend_first_byte(self->vmm.backend, HANDLE3));
	EXPECT_EQ('p', backend_first_byte(self->vmm.backend, HANDLE));
}

/* A page of a huge one that is pinned stays where it is: the next map of it fails all the same. */
TEST_F(memory, error_in_a_page_on_demand_that_is_mapped)
{
	const __u32 again = HANDLE3 + 1;
	char *mem = memory_alloc(variant->kind, MEM_BYTES);

	ASSERT_NE(NULL, mem);
	mem[0] = 'd';
	vmm_resident = 0;
	ASSERT_EQ(0, vmm_region(self->vmm.fd, 2, 0, FREE_GPA, MEM_BYTES, mem));
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE3, FREE_GPA, HV_PAGE);
	EXPECT_GPADL(self->vmm.fd, RELID, again, FREE_GPA, HV_PAGE);
	ASSERT_EQ(0, backend_map(self->vmm.backend, HANDLE3, 0));
	if (!poison(mem)) {
		backend_unmap(self->vmm.backend, HANDLE3);
		SKIP(return, "the kernel handles no memory errors");
	}
	EXPECT_EQ(-EFAULT, backend_map(self->vmm.backend, again, 0));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE3));
	EXPECT_EQ('p', backend_first_byte(self->vmm.backend, HANDLE));
}

/* ---- Changes of regions around what is mapped ---- */

FIXTURE(listener) {
	struct vmm vmm;
	char *other;
};

FIXTURE_VARIANT(listener) {
	__u32 flags;
};

FIXTURE_VARIANT_ADD(listener, on_demand) {
	.flags = 0,
};

FIXTURE_VARIANT_ADD(listener, resident) {
	.flags = VMBUS_HOST_REGION_RESIDENT,
};

/* HANDLE, the second page of memory, is mapped */
FIXTURE_SETUP(listener)
{
	vmm_resident = variant->flags;
	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
	self->other = memory_alloc(MEM_ANON, MEM_BYTES);
	ASSERT_NE(NULL, self->other);
	self->vmm.mem[HV_PAGE] = 'p';
	vmm_open_channel(_metadata, &self->vmm);
	ASSERT_EQ(0, backend_policy(self->vmm.backend, ON_REVOKE_HOLD));
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA + HV_PAGE, HV_PAGE);
	ASSERT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
}

FIXTURE_TEARDOWN(listener)
{
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

static int mapped_byte(struct vmm *v)
{
	char byte;
	int ret = backend_read(v->backend, HANDLE, 0, &byte, 1);

	return ret ?: byte;
}

/* No pin moves, and what is resident stays pinned once */
TEST_F(listener, split_and_merge)
{
	struct vmbus_host_region split[] = {
		part(&self->vmm, MEM_SLOT, 0, 100),
		part(&self->vmm, 2, 100, MEM_PAGES - 100),
	};
	struct vmbus_host_region merge[] = {
		part(&self->vmm, MEM_SLOT, 0, MEM_PAGES),
		{ .slot = 2 },
	};
	long kb = pinned_kb(0), pages = pinned_pages();

	EXPECT_EQ(0, vmm_regions(self->vmm.fd, split, 2));
	EXPECT_EQ(kb, pinned_kb(0));
	EXPECT_EQ(pages, pinned_pages());
	EXPECT_EQ('p', mapped_byte(&self->vmm));
	/* It is busy as before */
	EXPECT_EQ(-EBUSY, vmm_region(self->vmm.fd, MEM_SLOT, 0, 0, 0, NULL));
	EXPECT_EQ(0, vmm_regions(self->vmm.fd, merge, 2));
	EXPECT_EQ(kb, pinned_kb(0));
	EXPECT_EQ(pages, pinned_pages());
	EXPECT_EQ(-EBUSY, vmm_region(self->vmm.fd, MEM_SLOT, 0, 0, 0, NULL));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ('p', backend_first_byte(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, vmm_region(self->vmm.fd, MEM_SLOT, 0, 0, 0, NULL));
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) == RING_KB));
}

/* Other memory is laid over some of it: elsewhere, then where something is mapped */
TEST_F(listener, overlay)
{
	struct vmbus_host_region elsewhere[] = {
		part(&self->vmm, MEM_SLOT, 0, 100),
		{ .slot = 2, .flags = vmm_resident, .gpa = MEM_GPA + 100 * HV_PAGE,
		  .bytes = HV_PAGE, .hva = PTR(self->other) },
		part(&self->vmm, 3, 101, MEM_PAGES - 101),
	};
	struct vmbus_host_region here[] = {
		part(&self->vmm, MEM_SLOT, 0, 1),
		{ .slot = 4, .flags = vmm_resident, .gpa = MEM_GPA + HV_PAGE,
		  .bytes = HV_PAGE, .hva = PTR(self->other) },
		part(&self->vmm, 5, 2, 98),
	};

	EXPECT_EQ(0, vmm_regions(self->vmm.fd, elsewhere, 3));
	EXPECT_EQ('p', mapped_byte(&self->vmm));
	EXPECT_EQ(-EBUSY, vmm_regions(self->vmm.fd, here, 3));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, vmm_regions(self->vmm.fd, here, 3));
	EXPECT_EQ(0, backend_first_byte(self->vmm.backend, HANDLE));
}

/* Gone for a new map at once, for the old one when it is unmapped; the backend is asked */
TEST_F(listener, retired)
{
	struct vmbus_host_region gone = { .slot = MEM_SLOT };
	__u32 revokes = backend_state(self->vmm.backend, 0).revokes;

	EXPECT_EQ(-EBUSY, vmm_regions(self->vmm.fd, &gone, 1));
	EXPECT_EQ(0, vmm_retire(self->vmm.fd, &gone, 1));
	EXPECT_TRUE(WAIT_FOR(backend_state(self->vmm.backend, 0).revokes ==
			     revokes + 1));
	EXPECT_EQ('p', mapped_byte(&self->vmm));
	/* Other memory can have its place, and go again */
	EXPECT_EQ(0, vmm_region(self->vmm.fd, MEM_SLOT, 0, MEM_GPA, MEM_BYTES, self->other));
	EXPECT_EQ('p', mapped_byte(&self->vmm));
	EXPECT_EQ(0, vmm_region(self->vmm.fd, MEM_SLOT, 0, 0, 0, NULL));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(-EFAULT, backend_first_byte(self->vmm.backend, HANDLE));
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) == RING_KB));
}

/* ---- Whose limit it is, and for how long ---- */

/* The region that has a mapping stays pinned; the large one does not wait for it */
TEST(resident_regions_go_with_the_vmm)
{
	struct vmm vmm;
	void *page = memory_alloc(MEM_ANON, HV_PAGE);

	vmm_resident = 0;
	vmm_start(_metadata, &vmm, MEM_ANON, 0);
	vmm_open_channel(_metadata, &vmm);
	ASSERT_EQ(0, backend_policy(vmm.backend, ON_REVOKE_HOLD));
	EXPECT_EQ(0, vmm_region(vmm.fd, 2, 0, FREE_GPA, HV_PAGE, page));
	EXPECT_EQ(0, vmm_region(vmm.fd, MEM_SLOT, VMBUS_HOST_REGION_RESIDENT, MEM_GPA,
				MEM_BYTES, vmm.mem));
	EXPECT_GPADL(vmm.fd, RELID, HANDLE, FREE_GPA, HV_PAGE);
	ASSERT_EQ(0, backend_map(vmm.backend, HANDLE, 0));
	close(vmm.fd);
	vmm.fd = -1;
	EXPECT_TRUE(WAIT_FOR(pinned_pages() < MEM_PAGES))
		TH_LOG("%ld pages are pinned", pinned_pages());
	EXPECT_LT(0, pinned_pages());
	vmm_stop(&vmm);
	expect_nothing_pinned(_metadata);
}

/* A process that makes a partition with a resident region of 1 MiB, and ends */
static int resident_child(int fd)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		void *mem = memory_alloc(MEM_ANON, 0x100000);

		vmm_resident = 0;
		if (drop_ipc_lock() || memlock_limit(0x280000) || vmm_create(fd))
			_exit(100);
		_exit(-vmm_region(fd, 0, VMBUS_HOST_REGION_RESIDENT, 0, 0x100000, mem));
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

TEST(one_limit_for_all_processes_of_a_user)
{
	int fd[3], i;

	for (i = 0; i < 3; i++) {
		fd[i] = open("/dev/vmbus-host", O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, fd[i]);
	}
	EXPECT_EQ(0, resident_child(fd[0]));
	EXPECT_EQ(0, resident_child(fd[1]));
	EXPECT_EQ(ENOMEM, resident_child(fd[2]));
	close(fd[0]);
	EXPECT_TRUE(WAIT_FOR(pinned_pages() == 256));
	close(fd[2]);
	fd[2] = open("/dev/vmbus-host", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd[2]);
	EXPECT_EQ(0, resident_child(fd[2]));
	close(fd[1]);
	close(fd[2]);
	expect_nothing_pinned(_metadata);
}

/* All of its pages are others: these are pinned, and those before let go, block by block */
static int replacing_child(void)
{
	int status, fd, ret;
	pid_t pid = fork();

	if (!pid) {
		char *mem = memory_alloc(MEM_ANON, MEM_BYTES);

		vmm_resident = VMBUS_HOST_REGION_RESIDENT;
		fd = open("/dev/vmbus-host", O_RDWR | O_CLOEXEC);
		if (fd < 0 || drop_ipc_lock() || memlock_limit(MEM_BYTES + 0x200000) ||
		    vmm_create(fd))
			_exit(100);
		memset(mem, 'b', MEM_BYTES);
		ret = vmm_region(fd, MEM_SLOT, 0, MEM_GPA, MEM_BYTES, mem);
		madvise(mem, MEM_BYTES, MADV_DONTNEED);
		memset(mem, 'a', MEM_BYTES);
		if (!ret)
			ret = vmm_region(fd, MEM_SLOT, 0, MEM_GPA, MEM_BYTES, mem);
		_exit(ret ? -ret : pinned_kb(0) != MEM_BYTES / 1024);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

TEST(pages_are_replaced_within_the_limit)
{
	EXPECT_EQ(0, replacing_child());
	expect_nothing_pinned(_metadata);
}

TEST_HARNESS_MAIN
