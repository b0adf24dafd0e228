// SPDX-License-Identifier: GPL-2.0
/*
 * Mapping memory on a file that is written back: /mnt has a file system for it.
 */
#include <stdlib.h>

#include "fixture.h"

#define FILE_GPA	0x200000000ull
#define FILE_BYTES	(16 * HV_PAGE)

FIXTURE(file) {
	struct vmm vmm;
	int file;
	char *mem;
};

FIXTURE_VARIANT(file) {
	int flags;
};

FIXTURE_VARIANT_ADD(file, shared) {
	.flags = MAP_SHARED,
};

FIXTURE_VARIANT_ADD(file, private) {
	.flags = MAP_PRIVATE,
};

FIXTURE_SETUP(file)
{
	char path[] = "/mnt/gpadlXXXXXX";

	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
	vmm_open_channel(_metadata, &self->vmm);
	self->file = mkstemp(path);
	ASSERT_LE(0, self->file);
	unlink(path);
	ASSERT_EQ(0, ftruncate(self->file, FILE_BYTES));
	self->mem = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, variant->flags,
			 self->file, 0);
	ASSERT_NE(MAP_FAILED, self->mem);
	ASSERT_EQ(0, vmm_region(self->vmm.fd, 2, 0, FILE_GPA, FILE_BYTES, self->mem));
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, FILE_GPA, FILE_BYTES);
}

FIXTURE_TEARDOWN(file)
{
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

/*
 * A long-term pin for writing and writeback do not go together: the kernel refuses. A
 * private mapping is anonymous memory as soon as it is written.
 */
TEST_F(file, to_write)
{
	int expected = variant->flags == MAP_SHARED ? -EFAULT : 0;
	char byte;

	EXPECT_EQ(expected, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(expected ? RING_KB : RING_KB + FILE_BYTES / 1024, pinned_kb(0));
	if (!expected)
		EXPECT_EQ(0, backend_write(self->vmm.backend, HANDLE, 0, "w", 1));
	EXPECT_EQ(expected ? 0 : 'w', self->mem[0]);
	EXPECT_EQ(1, pread(self->file, &byte, 1, 0));
	EXPECT_EQ(0, byte);
}

TEST_F(file, to_write_by_a_kernel_thread)
{
	EXPECT_EQ(variant->flags == MAP_SHARED ? -EFAULT : 0,
		  backend_map_by_kthread(self->vmm.backend, HANDLE, 0));
}

TEST_F(file, to_read)
{
	char byte;

	EXPECT_EQ(1, pwrite(self->file, "1", 1, 0));
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, MAP_READ_ONLY));
	EXPECT_EQ(0, backend_read(self->vmm.backend, HANDLE, 0, &byte, 1));
	EXPECT_EQ('1', byte);
	self->mem[0] = '2';
	EXPECT_EQ(0, backend_read(self->vmm.backend, HANDLE, 0, &byte, 1));
	EXPECT_EQ('2', byte);
	if (variant->flags != MAP_SHARED)
		return;
	EXPECT_EQ(1, pwrite(self->file, "3", 1, 0));
	EXPECT_EQ(0, backend_read(self->vmm.backend, HANDLE, 0, &byte, 1));
	EXPECT_EQ('3', byte);
}

/* A file that the VMM may not write */
TEST_F(file, read_only_mapping)
{
	char *mem = mmap(NULL, FILE_BYTES, PROT_READ, variant->flags, self->file, 0);
	char byte;

	ASSERT_NE(MAP_FAILED, mem);
	ASSERT_EQ(0, vmm_region(self->vmm.fd, 2, VMBUS_HOST_REGION_READ_ONLY, FILE_GPA,
				FILE_BYTES, mem));
	EXPECT_EQ(1, pwrite(self->file, "1", 1, 0));
	EXPECT_EQ(-EACCES, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, MAP_READ_ONLY));
	EXPECT_EQ(0, backend_read(self->vmm.backend, HANDLE, 0, &byte, 1));
	EXPECT_EQ('1', byte);
}

/* A resident region is pinned for writing: the same memory is refused, when it is set */
TEST_F(file, resident)
{
	int expected = variant->flags == MAP_SHARED ? -EFAULT : 0;

	EXPECT_EQ(expected, vmm_region(self->vmm.fd, 3, VMBUS_HOST_REGION_RESIDENT,
				       2 * FILE_GPA, FILE_BYTES, self->mem));
	EXPECT_EQ(expected ? RING_KB : RING_KB + FILE_BYTES / 1024, pinned_kb(0));
	EXPECT_EQ(0, vmm_region(self->vmm.fd, 3, VMBUS_HOST_REGION_RESIDENT |
				VMBUS_HOST_REGION_READ_ONLY, 2 * FILE_GPA, FILE_BYTES,
				self->mem));
	EXPECT_EQ(RING_KB + FILE_BYTES / 1024, pinned_kb(0));
}

TEST_HARNESS_MAIN
