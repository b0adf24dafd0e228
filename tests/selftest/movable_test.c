// SPDX-License-Identifier: GPL-2.0
/*
 * Guest memory that the kernel wants to be able to move: a page of it is moved before it is
 * pinned. That fails while somebody holds the page for a moment; a map waits for that moment to
 * pass, and no longer.
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "fixture.h"
#include "machine.h"

#define BLOCKS	"/sys/devices/system/memory/"

/* ---- Blocks of memory ---- */

static int block_set(long block, const char *state)
{
	char path[96];

	snprintf(path, sizeof(path), BLOCKS "memory%ld/state", block);
	return file_write(path, state);
}

/* Physical addresses of a block of memory, in bytes; 0: the kernel has no such blocks */
static long long block_bytes(void)
{
	FILE *f = fopen(BLOCKS "block_size_bytes", "r");
	long long bytes = 0;

	if (f && fscanf(f, "%llx", &bytes) != 1)
		bytes = 0;
	if (f)
		fclose(f);
	return bytes;
}

/* The highest blocks are those that the kernel itself uses least. */
static long block_highest(void)
{
	long block, highest = -1;
	size_t i;
	glob_t g;

	if (glob(BLOCKS "memory[0-9]*", 0, NULL, &g))
		return -1;
	for (i = 0; i < g.gl_pathc; i++) {
		block = atol(g.gl_pathv[i] + strlen(BLOCKS "memory"));
		if (block > highest)
			highest = block;
	}
	globfree(&g);
	return highest;
}

/* Make one movable: -1 if none can be. */
static long block_make_movable(void)
{
	long block;

	for (block = block_highest(); block > 0; block--) {
		if (block_set(block, "offline"))
			continue;
		if (!block_set(block, "online_movable"))
			return block;
		block_set(block, "online");
	}
	return -1;
}

/* Number of the block that the page at an address is in; -1 if none is */
static long block_of(const void *at)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	__u64 entry = 0;

	if (fd >= 0 && pread(fd, &entry, 8, (unsigned long)at / HV_PAGE * 8) != 8)
		entry = 0;
	close(fd);
	if (!(entry >> 63))
		return -1;
	return (long)((entry & ((1ull << 55) - 1)) * HV_PAGE / block_bytes());
}

/* ---- Tests ---- */

FIXTURE(movable) {
	struct vmm vmm;
	long block;
	char *page;	/* of guest memory, in the block */
	int held[2];	/* a pipe that holds it */
	struct task task;
};

/* A page is there that has to be moved, and cannot be. */
FIXTURE_SETUP(movable)
{
	struct iovec iov = { .iov_len = 1 };
	unsigned int i;

	if (!block_bytes())
		SKIP(return, "the kernel has no blocks of memory");
	self->block = block_make_movable();
	ASSERT_LT(0, self->block);
	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
	vmm_open_channel(_metadata, &self->vmm);
	for (i = 0; i < MEM_PAGES; i++) {
		self->page = self->vmm.mem + i * HV_PAGE;
		*self->page = 'p';
		if (block_of(self->page) == self->block)
			break;
	}
	ASSERT_EQ(self->block, block_of(self->page));
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA + i * HV_PAGE, HV_PAGE);

	ASSERT_EQ(0, pipe(self->held));
	iov.iov_base = self->page;
	ASSERT_EQ(1, vmsplice(self->held[1], &iov, 1, 0));
}

static void let_go(int held[2])
{
	close(held[0]);
	close(held[1]);
}

FIXTURE_TEARDOWN(movable)
{
	vmm_stop(&self->vmm);
	munmap(self->vmm.mem, MEM_BYTES);
	expect_nothing_pinned(_metadata);
	EXPECT_TRUE(WAIT_FOR(block_set(self->block, "offline") == 0));
	EXPECT_EQ(0, block_set(self->block, "online"));
}

static int do_map(void *arg)
{
	return backend_map(((struct vmm *)arg)->backend, HANDLE, 0);
}

static long long failed_moves(void)
{
	return file_number("/proc/vmstat", "pgmigrate_fail");
}

TEST_F(movable, page_is_held_for_a_moment)
{
	long long failed = failed_moves();
	char byte;

	ASSERT_LE(0, failed);
	task_start(&self->task, do_map, &self->vmm);
	/* It has been tried once, at least. */
	while (failed_moves() == failed && !task_is_done(&self->task))
		;
	EXPECT_FALSE(task_is_done(&self->task));
	let_go(self->held);
	EXPECT_EQ(0, task_join(&self->task));
	EXPECT_EQ(0, backend_read(self->vmm.backend, HANDLE, 0, &byte, 1));
	EXPECT_EQ('p', byte);
	EXPECT_NE(self->block, block_of(self->page));
}

/* A map does not wait for ever; nothing is left of it, and the next one finds the page. */
TEST_F(movable, page_is_held)
{
	EXPECT_EQ(-ENOMEM, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(RING_PAGES, (unsigned int)pinned_pages());
	EXPECT_EQ(self->block, block_of(self->page));
	let_go(self->held);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_NE(self->block, block_of(self->page));
}

TEST_HARNESS_MAIN
