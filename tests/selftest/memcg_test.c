// SPDX-License-Identifier: GPL-2.0
/*
 * Charges: all that the host stores for a guest is charged to the VMM's memory cgroup, whichever
 * thread it is that has it stored. And how much that is, for Documentation/security.rst.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "fixture.h"
#include "machine.h"

#define CGROUPS		"/sys/fs/cgroup"
#define CGROUP_TO_GO	CGROUPS "/vmbus-memcg-test-to-go"

/* An xarray has a node for each six bits of an index of 32 that it does not share. */
#define NODE_BYTES	576
#define LONELY_NODES	3

/* Replies that belong to no GPADL */
#define ROOM		256
#define REPLY_BYTES	80

/* What may be charged ahead, or not yet: 64 pages for each CPU */
#define SLACK		(1024l * 1024)

/* What Documentation/security.rst says of Debian's kernel */
#define GPADL_BYTES		512l
#define SHARED_NODES		261
#define MESSAGE_BYTES		73000l
#define CHANNEL_BYTES		(32l * 1024)
#define PARTITION_BYTES		(48l * 1024)
#define MAPPED_PAGE_BYTES	(2 * (32 + 8))

/* KASAN and lockdep, which the same kernel has, make what is stored larger. */
static bool sizes_are_as_told(void)
{
	return access("/proc/lockdep", F_OK);
}

#define EXPECT_AT_MOST(_most, _bytes) do {			\
	if (sizes_are_as_told())				\
		EXPECT_GE(_most, _bytes);			\
} while (0)

FIXTURE(memcg) {
	struct vmm vmm;
};

/*
 * A test has a cgroup of its own: what another one has left behind may be given back at any
 * time. A test is a process, whose children use its cgroup.
 */
static char cgroup[64];

static int cgroup_make(void)
{
	int ret = file_write(CGROUPS "/cgroup.subtree_control", "+memory");

	snprintf(cgroup, sizeof(cgroup), CGROUPS "/vmbus-memcg-test-%d", getpid());
	if (!ret && mkdir(cgroup, 0755))
		ret = -errno;
	return ret;
}

static const char *cgroup_file(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", cgroup, name);
	return path;
}

/* Bytes that are charged to the cgroup now */
static long charged(void)
{
	char text[32] = {};
	int fd = open(cgroup_file("memory.current"), O_RDONLY);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return -1;
	close(fd);
	return atol(text);
}

FIXTURE_SETUP(memcg)
{
	ASSERT_EQ(0, cgroup_make());
	ASSERT_EQ(0, file_write(cgroup_file("cgroup.procs"), "0"));
	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
	/* All of it is there, and charged, before anything is measured. */
	memset(self->vmm.mem, 1, MEM_BYTES);
	vmm_open_channel(_metadata, &self->vmm);
}

FIXTURE_TEARDOWN(memcg)
{
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
	EXPECT_EQ(0, file_write(CGROUPS "/cgroup.procs", "0"));
}

/* A GPADL of @nr pages, no two of which adjoin */
static void scattered(struct guest_gpadl *g, __u32 handle, unsigned int nr)
{
	unsigned int i;

	gpadl_init(g, handle);
	gpadl_range(g, 0, nr * HV_PAGE);
	for (i = 0; i < nr; i++)
		gpadl_pages(g, MEM_PFN + 2 * i % MEM_PAGES, 1);
}

/* A GPADL of @nr ranges of a page each: the most words that @nr pages can take */
static void ranges(struct guest_gpadl *g, __u32 handle, unsigned int nr)
{
	unsigned int i;

	gpadl_init(g, handle);
	for (i = 0; i < nr; i++) {
		gpadl_range(g, 0, HV_PAGE);
		gpadl_pages(g, MEM_PFN + i, 1);
	}
}

/* Handles as far apart as can be: they share few nodes of an xarray. */
static void make_many(struct __test_metadata *_metadata, int fd, unsigned int nr,
		      unsigned int pages)
{
	static struct guest_gpadl g;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		ranges(&g, i * (0xffffffff / nr), pages);
		ASSERT_EQ(0, guest_gpadl(fd, RELID, &g, false));
		EXPECT_CREATED(fd, RELID, g.handle, STATUS_SUCCESS);
	}
}

/* Two tables: the channel's, and the partition's */
TEST_F_TIMEOUT(memcg, tables, 300)
{
	const long nr = 1024;
	long before = charged();

	ASSERT_LT(0, before);
	make_many(_metadata, self->vmm.fd, nr, 1);
	EXPECT_LT(nr * 2 * LONELY_NODES * NODE_BYTES, charged() - before + SLACK / 4);
	EXPECT_AT_MOST(nr * GPADL_BYTES + 2 * (nr * LONELY_NODES + SHARED_NODES) * NODE_BYTES,
		       charged() - before - SLACK / 2);
	TH_LOG("a GPADL of one page: %ld bytes", (charged() - before) / nr);
}

/*
 * What costs the host most under the default limits: 524288 pages, and 4096 GPADLs. Of 129
 * ranges a GPADL has 258 words, just above a power of 2, which is what they are stored in.
 */
TEST_F_TIMEOUT(memcg, limits, 900)
{
	const long nr = 4064, pages = 129;
	long before = charged();
	static struct guest_gpadl g;

	ASSERT_LT(0, before);
	make_many(_metadata, self->vmm.fd, nr, pages);
	TH_LOG("%ld GPADLs of %ld pages: %ld kB", nr, pages, (charged() - before) / 1024);
	EXPECT_LT(nr * (2 * LONELY_NODES * NODE_BYTES + 2 * pages * 8), charged() - before);
	/* 16 MiB of lists; 4096 GPADLs, and as many handles */
	EXPECT_AT_MOST((16l << 20) + 4096 * GPADL_BYTES +
		       2 * (4096 * LONELY_NODES + SHARED_NODES) * NODE_BYTES,
		       charged() - before - SLACK);

	ranges(&g, HANDLE, pages);
	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, g.nr_ranges, g.nr_words,
				  g.words, HEADER_WORDS));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_QUOTA_EXCEEDED);
}

/* Of a VMM's life, what makes a partition with memory and a channel in its file */
static int create_in_cgroup(int fd)
{
	void *mem = memory_alloc(MEM_ANON, MEM_BYTES);
	int ret = file_write(cgroup_file("cgroup.procs"), "0");

	ret = ret ?: vmm_create(fd);
	ret = ret ?: vmm_region(fd, MEM_SLOT, 0, MEM_GPA, MEM_BYTES, mem);
	return -(ret ?: vmm_channel(fd, RELID, 0, NULL));
}

/* A file can be written to when its VMM has gone: the VMM's cgroup goes on paying. */
TEST(left_behind)
{
	const long nr = 60, pages = 8190;
	static struct guest_gpadl g;
	int fd, status;
	long before;
	__u32 i;
	pid_t pid;

	ASSERT_EQ(0, cgroup_make());
	fd = open("/dev/vmbus-host", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, fd);
	pid = fork();
	if (!pid)
		_exit(create_in_cgroup(fd));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);

	before = charged();
	for (i = 0; i < nr; i++) {
		scattered(&g, i, pages);
		ASSERT_EQ(0, guest_gpadl(fd, RELID, &g, false));
		EXPECT_CREATED(fd, RELID, i, STATUS_SUCCESS);
	}
	EXPECT_LT(nr * pages * 8, charged() - before + SLACK);
	EXPECT_AT_MOST(nr * MESSAGE_BYTES, charged() - before - SLACK);
	close(fd);
}

/* ---- Partitions ---- */

/* Room for replies is most of it. */
TEST_F(memcg, partitions)
{
	const long nr = 64;
	long before = charged();
	int fds[64], i;

	for (i = 0; i < nr; i++) {
		fds[i] = open("/dev/vmbus-host", O_RDWR | O_NONBLOCK | O_CLOEXEC);
		ASSERT_LE(0, fds[i]);
		ASSERT_EQ(0, vmm_create(fds[i]));
	}
	TH_LOG("a partition: %ld bytes", (charged() - before) / nr);
	EXPECT_LT(nr * ROOM * REPLY_BYTES, charged() - before);
	EXPECT_AT_MOST(nr * PARTITION_BYTES, charged() - before - SLACK);
	for (i = 0; i < nr; i++)
		close(fds[i]);
}

/* ---- Channels ---- */

/* Bytes of memory that the kernel has in use for itself, charged or not */
static long used_by_kernel(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];
	long kb, sum = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "SUnreclaim: %ld", &kb) == 1 ||
		    sscanf(line, "Percpu: %ld", &kb) == 1 ||
		    sscanf(line, "KernelStack: %ld", &kb) == 1)
			sum += kb * 1024;
	if (f)
		fclose(f);
	return sum;
}

/* Its thread is most of it. */
TEST_F_TIMEOUT(memcg, channels, 120)
{
	const long nr = 1000;
	long before = charged(), all = used_by_kernel();
	__u32 i;

	for (i = 0; i < nr; i++)
		ASSERT_EQ(0, vmm_channel(self->vmm.fd, 100 + i, 0, NULL));
	TH_LOG("a channel: %ld bytes charged, %ld in all", (charged() - before) / nr,
	       (used_by_kernel() - all) / nr);
	EXPECT_LT(nr * 512, charged() - before);
	EXPECT_AT_MOST(nr * CHANNEL_BYTES, charged() - before - SLACK);
}

/* ---- Maps ---- */

#define MAPS	16

/* Bytes that are charged for a map of @nr pages, no two of which adjoin */
static long cost_of_map(struct __test_metadata *_metadata, struct vmm *v, unsigned int nr,
			int (*map)(int fd, __u32 handle, __u32 map_flags))
{
	static struct guest_gpadl g;
	long before;
	__u32 i;

	for (i = 0; i < MAPS; i++) {
		scattered(&g, i, nr);
		EXPECT_EQ(0, guest_gpadl(v->fd, RELID, &g, false));
		EXPECT_CREATED(v->fd, RELID, i, STATUS_SUCCESS);
	}
	before = charged();
	for (i = 0; i < MAPS; i++)
		EXPECT_EQ(0, map(v->backend, i, 0));
	return (charged() - before) / MAPS;
}

#define SG_BYTES	32	/* struct scatterlist, on 64 bits */

TEST_F_TIMEOUT(memcg, map, 120)
{
	long cost = cost_of_map(_metadata, &self->vmm, 8190, backend_map);

	TH_LOG("a map of 8190 pages: %ld bytes", cost);
	EXPECT_LT(8190 * SG_BYTES, cost + SLACK / MAPS);
	EXPECT_AT_MOST(8190 * MAPPED_PAGE_BYTES, cost - SLACK / MAPS);
}

TEST_F_TIMEOUT(memcg, map_by_kthread, 120)
{
	long cost = cost_of_map(_metadata, &self->vmm, 8190, backend_map_by_kthread);

	TH_LOG("a map of 8190 pages: %ld bytes", cost);
	EXPECT_LT(8190 * SG_BYTES, cost + SLACK / MAPS);
	EXPECT_AT_MOST(8190 * MAPPED_PAGE_BYTES, cost - SLACK / MAPS);
}

/* ---- The end ---- */

/* Memory cgroups that have been removed, but that something still holds */
static int dying(void)
{
	FILE *f = fopen(CGROUPS "/cgroup.stat", "r");
	char line[64];
	int nr = -1;

	while (f && nr < 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, "nr_dying_descendants %d", &nr) != 1)
			nr = -1;
	if (f)
		fclose(f);
	return nr;
}

/* Of a VMM's life, what holds its cgroup: maps by another thread, memory that is pinned */
static int live_in_cgroup(struct __test_metadata *_metadata)
{
	struct vmm vmm;
	int i, ret;

	ret = file_write(CGROUP_TO_GO "/cgroup.procs", "0");
	if (ret)
		return -ret;
	vmm_start(_metadata, &vmm, MEM_ANON, 0);
	vmm_open_channel(_metadata, &vmm);
	EXPECT_GPADL(vmm.fd, RELID, HANDLE, MEM_GPA, 100 * HV_PAGE);
	for (i = 0; i < 4 && !ret; i++) {
		ret = backend_map_by_kthread(vmm.backend, HANDLE, 0);
		if (!ret)
			ret = backend_unmap(vmm.backend, HANDLE);
	}
	vmm_stop(&vmm);
	return -ret;
}

/* Not what waits in a list of each CPU to be aged: drop_caches empties these first. */
static int dying_for_long(void)
{
	int ret = file_write("/proc/sys/vm/drop_caches", "1");

	return ret ?: dying();
}

/* When it is not there any more, nobody has it. */
TEST(cgroup_goes_with_its_vmm)
{
	int before = dying_for_long(), status;
	pid_t pid;

	ASSERT_LE(0, before);
	ASSERT_EQ(0, file_write(CGROUPS "/cgroup.subtree_control", "+memory"));
	ASSERT_EQ(0, mkdir(CGROUP_TO_GO, 0755));
	pid = fork();
	if (!pid)
		_exit(live_in_cgroup(_metadata));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(WAIT_FOR(rmdir(CGROUP_TO_GO) == 0));
	EXPECT_TRUE(WAIT_FOR(dying_for_long() <= before));
}

TEST_HARNESS_MAIN
