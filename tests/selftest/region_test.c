// SPDX-License-Identifier: GPL-2.0
/*
 * Regions of guest memory: what can be set, and what happens to GPADLs when they change.
 */
#include "fixture.h"

#define FREE_GPA	0x200000000ull	/* where no region is */

FIXTURE(region) {
	struct vmm vmm;
	char *other;	/* more memory */
};

/* All of this holds for either kind of region */
FIXTURE_VARIANT(region) {
	__u32 flags;
};

FIXTURE_VARIANT_ADD(region, on_demand) {
	.flags = 0,
};

FIXTURE_VARIANT_ADD(region, resident) {
	.flags = VMBUS_HOST_REGION_RESIDENT,
};

FIXTURE_SETUP(region)
{
	vmm_resident = variant->flags;
	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
	self->other = memory_alloc(MEM_ANON, MEM_BYTES);
	ASSERT_NE(NULL, self->other);
}

FIXTURE_TEARDOWN(region)
{
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

static __u32 page_status(struct vmm *v, __u64 gpa)
{
	struct guest_gpadl g;
	struct reply r;

	gpadl_simple(&g, 0x9999, gpa, HV_PAGE);
	guest_gpadl(v->fd, RELID, &g, false);
	r = reply_wait(v->fd);
	if (r.status == STATUS_SUCCESS) {
		guest_teardown(v->fd, RELID, 0x9999);
		reply_wait(v->fd);
	}
	return r.status;
}

/* ---- What can be set ---- */

TEST_F(region, values)
{
	int fd = self->vmm.fd;
	char *mem = self->other;

	EXPECT_EQ(-EINVAL, vmm_region(fd, 512, 0, FREE_GPA, HV_PAGE, mem));
	EXPECT_EQ(-EINVAL, vmm_region(fd, ~0u, 0, FREE_GPA, HV_PAGE, mem));
	EXPECT_EQ(-EINVAL, vmm_region(fd, 511, 0, FREE_GPA + 1, HV_PAGE, mem));
	EXPECT_EQ(-EINVAL, vmm_region(fd, 511, 0, FREE_GPA, HV_PAGE + 8, mem));
	EXPECT_EQ(-EINVAL, vmm_region(fd, 511, 0, FREE_GPA, HV_PAGE, mem + 8));
	/* 52 bits */
	EXPECT_EQ(-EINVAL, vmm_region(fd, 511, 0, 1ull << 52, HV_PAGE, mem));
	EXPECT_EQ(-EINVAL, vmm_region(fd, 511, 0, (1ull << 52) - HV_PAGE, 2 * HV_PAGE,
				      mem));
	EXPECT_EQ(0, vmm_region(fd, 511, 0, (1ull << 52) - HV_PAGE, HV_PAGE, mem));
	/* Sums that wrap */
	EXPECT_EQ(-EINVAL, vmm_region(fd, 2, 0, -4096ull, 2 * HV_PAGE, mem));
	EXPECT_EQ(-EINVAL, vmm_region(fd, 2, 0, FREE_GPA, -4096ull, mem));
	EXPECT_EQ(-EINVAL, vmm_region(fd, 2, 0, FREE_GPA, 2 * HV_PAGE, (void *)-4096l));
	/* An address of the kernel */
	EXPECT_EQ(-EINVAL, vmm_region(fd, 2, 0, FREE_GPA, HV_PAGE, (void *)(1ul << 63)));
}

TEST_F(region, flags)
{
	int fd = self->vmm.fd;
	unsigned int bit;

	EXPECT_EQ(0, vmm_region(fd, 2, VMBUS_HOST_REGION_READ_ONLY, FREE_GPA, HV_PAGE,
				self->other));
	EXPECT_EQ(0, vmm_region(fd, 2, VMBUS_HOST_REGION_READ_ONLY |
				VMBUS_HOST_REGION_RESIDENT, FREE_GPA, HV_PAGE, self->other));
	for (bit = 2; bit < 32; bit++)
		EXPECT_EQ(-EOPNOTSUPP, vmm_region(fd, 3, 1u << bit, 2 * FREE_GPA,
						  HV_PAGE, self->other));
}

TEST_F(region, number_of_entries)
{
	struct vmbus_host_region regions[513] = {};
	unsigned int i;

	for (i = 0; i < 513; i++)
		regions[i] = (struct vmbus_host_region){
			.slot = i,
			.gpa = FREE_GPA + (__u64)i * HV_PAGE,
			.bytes = HV_PAGE,
			.hva = PTR(self->other),
		};
	EXPECT_EQ(-EINVAL, vmm_regions(self->vmm.fd, regions, 0));
	EXPECT_EQ(-EINVAL, vmm_regions(self->vmm.fd, regions, 513));
	EXPECT_EQ(-EINVAL, vmm_regions(self->vmm.fd, regions, ~0u));
	EXPECT_EQ(0, vmm_regions(self->vmm.fd, regions, 512));
	EXPECT_EQ(STATUS_SUCCESS, page_status(&self->vmm, FREE_GPA + 511 * HV_PAGE));
	/* Slots 0 and 1 were replaced */
	EXPECT_EQ(STATUS_INVALID_PARAMETER, page_status(&self->vmm, MEM_GPA));
}

TEST_F(region, faulting_list)
{
	EXPECT_EQ(-EFAULT, vmm_regions(self->vmm.fd, NULL, 1));
	EXPECT_EQ(-EFAULT, vmm_regions(self->vmm.fd, (void *)-4096l, 512));
}

TEST_F(region, slot_twice)
{
	struct vmbus_host_region regions[2] = {
		{ .slot = 2, .gpa = FREE_GPA, .bytes = HV_PAGE, .hva = PTR(self->other) },
		{ .slot = 2 },
	};

	EXPECT_EQ(-EINVAL, vmm_regions(self->vmm.fd, regions, 2));
	EXPECT_EQ(STATUS_INVALID_PARAMETER, page_status(&self->vmm, FREE_GPA));
}

TEST_F(region, remove)
{
	EXPECT_EQ(STATUS_SUCCESS, page_status(&self->vmm, MEM_GPA));
	EXPECT_EQ(0, vmm_region(self->vmm.fd, MEM_SLOT, 0, 0, 0, NULL));
	EXPECT_EQ(STATUS_INVALID_PARAMETER, page_status(&self->vmm, MEM_GPA));
	EXPECT_EQ(-ENOENT, vmm_region(self->vmm.fd, MEM_SLOT, 0, 0, 0, NULL));
}

TEST_F(region, overlap)
{
	int fd = self->vmm.fd;
	char *mem = self->other;

	EXPECT_EQ(-EEXIST, vmm_region(fd, 2, 0, MEM_GPA, HV_PAGE, mem));
	EXPECT_EQ(-EEXIST, vmm_region(fd, 2, 0, MEM_GPA - HV_PAGE, 2 * HV_PAGE, mem));
	EXPECT_EQ(-EEXIST, vmm_region(fd, 2, 0, MEM_GPA + MEM_BYTES - HV_PAGE,
				      2 * HV_PAGE, mem));
	EXPECT_EQ(-EEXIST, vmm_region(fd, 2, 0, 0, 2 * MEM_BYTES, mem));
	/* Side by side */
	EXPECT_EQ(0, vmm_region(fd, 2, 0, MEM_GPA - HV_PAGE, HV_PAGE, mem));
	EXPECT_EQ(0, vmm_region(fd, 3, 0, MEM_GPA + MEM_BYTES, HV_PAGE, mem));
}

TEST_F(region, overlap_in_one_call)
{
	struct vmbus_host_region regions[2] = {
		{ .slot = 2, .gpa = FREE_GPA, .bytes = 2 * HV_PAGE,
		  .hva = PTR(self->other) },
		{ .slot = 3, .gpa = FREE_GPA + HV_PAGE, .bytes = HV_PAGE,
		  .hva = PTR(self->other) },
	};

	EXPECT_EQ(-EEXIST, vmm_regions(self->vmm.fd, regions, 2));
	EXPECT_EQ(STATUS_INVALID_PARAMETER, page_status(&self->vmm, FREE_GPA));
}

/* What is removed in a call makes room for what is added in it */
TEST_F(region, move_in_one_call)
{
	struct vmbus_host_region regions[2] = {
		{ .slot = 2, .gpa = MEM_GPA, .bytes = MEM_BYTES,
		  .hva = PTR(self->other) },
		{ .slot = MEM_SLOT },
	};

	EXPECT_EQ(0, vmm_regions(self->vmm.fd, regions, 2));
	self->other[0] = 'n';
	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ('n', backend_first_byte(self->vmm.backend, HANDLE));
}

TEST_F(region, same_memory_twice)
{
	__u64 words[] = { range_word(0, 2 * HV_PAGE), MEM_PFN, FREE_GPA / HV_PAGE };
	char byte = 'a';

	EXPECT_EQ(0, vmm_region(self->vmm.fd, 2, 0, FREE_GPA, MEM_BYTES, self->vmm.mem));
	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 1, 3, words, 3));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, backend_write(self->vmm.backend, HANDLE, HV_PAGE, &byte, 1));
	byte = 0;
	EXPECT_EQ(0, backend_read(self->vmm.backend, HANDLE, 0, &byte, 1));
	EXPECT_EQ('a', byte);
	EXPECT_EQ('a', self->vmm.mem[0]);
}

TEST_F(region, gpadl_over_two_regions)
{
	char bytes[2 * HV_PAGE];

	EXPECT_EQ(0, vmm_region(self->vmm.fd, 2, 0, MEM_GPA + MEM_BYTES, HV_PAGE,
				self->other));
	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA + MEM_BYTES - HV_PAGE,
		     2 * HV_PAGE);
	self->vmm.mem[MEM_BYTES - 1] = 'e';
	self->other[0] = 'b';
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, backend_read(self->vmm.backend, HANDLE, 0, bytes, sizeof(bytes)));
	EXPECT_EQ('e', bytes[HV_PAGE - 1]);
	EXPECT_EQ('b', bytes[HV_PAGE]);
	/* Both are in use */
	EXPECT_EQ(-EBUSY, vmm_region(self->vmm.fd, 2, 0, 0, 0, NULL));
	EXPECT_EQ(-EBUSY, vmm_region(self->vmm.fd, MEM_SLOT, 0, 0, 0, NULL));
}

/* ---- While a GPADL is there ---- */

TEST_F(region, replaced_while_ready)
{
	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	self->vmm.mem[0] = 'o';
	self->other[0] = 'n';
	EXPECT_EQ('o', backend_first_byte(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, vmm_region(self->vmm.fd, MEM_SLOT, 0, MEM_GPA, MEM_BYTES,
				self->other));
	EXPECT_EQ('n', backend_first_byte(self->vmm.backend, HANDLE));
}

TEST_F(region, removed_while_ready)
{
	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, 2 * HV_PAGE);
	EXPECT_EQ(0, vmm_region(self->vmm.fd, MEM_SLOT, 0, 0, 0, NULL));
	EXPECT_EQ(-EFAULT, backend_map(self->vmm.backend, HANDLE, 0));
	/* Half of it comes back */
	EXPECT_EQ(0, vmm_region(self->vmm.fd, 5, 0, MEM_GPA + HV_PAGE, HV_PAGE,
				self->other));
	EXPECT_EQ(-EFAULT, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(RING_KB + (vmm_resident ? 4 : 0), pinned_kb(0));
	/* And the other half */
	EXPECT_EQ(0, vmm_region(self->vmm.fd, 6, 0, MEM_GPA, HV_PAGE, self->other));
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
}

TEST_F(region, removed_while_assembling)
{
	__u64 words[] = { range_word(0, 2 * HV_PAGE), MEM_PFN, MEM_PFN };

	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 1, 3, words, 2));
	EXPECT_EQ(0, vmm_region(self->vmm.fd, MEM_SLOT, 0, 0, 0, NULL));
	EXPECT_EQ(0, guest_body(self->vmm.fd, HANDLE, 0, words + 2, 1));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_INVALID_PARAMETER);
}

TEST_F(region, made_read_only_while_ready)
{
	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, vmm_region(self->vmm.fd, MEM_SLOT, VMBUS_HOST_REGION_READ_ONLY,
				MEM_GPA, MEM_BYTES, self->vmm.mem));
	EXPECT_EQ(-EACCES, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, MAP_READ_ONLY));
}

TEST_F(region, busy)
{
	int fd = self->vmm.fd;

	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_GPADL(fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, MAP_READ_ONLY));

	EXPECT_EQ(-EBUSY, vmm_region(fd, MEM_SLOT, 0, 0, 0, NULL));
	EXPECT_EQ(-EBUSY, vmm_region(fd, MEM_SLOT, 0, MEM_GPA, MEM_BYTES, self->other));
	EXPECT_EQ(-EBUSY, vmm_region(fd, MEM_SLOT, 0, MEM_GPA + HV_PAGE, MEM_BYTES - HV_PAGE,
				     self->vmm.mem + HV_PAGE));
	EXPECT_EQ(-EBUSY, vmm_region(fd, MEM_SLOT, VMBUS_HOST_REGION_READ_ONLY, MEM_GPA,
				     MEM_BYTES, self->vmm.mem));
	/* An entry that is equal changes nothing */
	EXPECT_EQ(0, vmm_region(fd, MEM_SLOT, 0, MEM_GPA, MEM_BYTES, self->vmm.mem));
	/* Another region is nobody's business */
	EXPECT_EQ(0, vmm_region(fd, 2, 0, FREE_GPA, HV_PAGE, self->other));
	EXPECT_EQ(0, vmm_region(fd, 2, 0, 0, 0, NULL));

	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, vmm_region(fd, MEM_SLOT, 0, 0, 0, NULL));
}

/* One that is busy, and three changes that could be made: none is */
TEST_F(region, all_or_none)
{
	struct vmbus_host_region regions[] = {
		{ .slot = 2, .gpa = FREE_GPA, .bytes = HV_PAGE, .hva = PTR(self->other) },
		{ .slot = 3 },
		{ .slot = 4, .gpa = 4 * FREE_GPA, .bytes = HV_PAGE,
		  .hva = PTR(self->other) },
		{ .slot = MEM_SLOT },
	};
	int fd = self->vmm.fd;

	EXPECT_EQ(0, vmm_region(fd, 3, 0, 2 * FREE_GPA, HV_PAGE, self->other));
	EXPECT_EQ(0, vmm_region(fd, 4, 0, 3 * FREE_GPA, HV_PAGE, self->other));
	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_GPADL(fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));

	EXPECT_EQ(-EBUSY, vmm_regions(fd, regions, 4));
	EXPECT_EQ(STATUS_INVALID_PARAMETER, page_status(&self->vmm, FREE_GPA));
	EXPECT_EQ(STATUS_SUCCESS, page_status(&self->vmm, 2 * FREE_GPA));
	EXPECT_EQ(STATUS_SUCCESS, page_status(&self->vmm, 3 * FREE_GPA));
	EXPECT_EQ(STATUS_INVALID_PARAMETER, page_status(&self->vmm, 4 * FREE_GPA));
	/* Those that were not busy can still be mapped, and changed */
	EXPECT_GPADL(fd, RELID, HANDLE2, 2 * FREE_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE2, 0));
	EXPECT_EQ(-EBUSY, vmm_regions(fd, regions, 3));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE2));

	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, vmm_regions(fd, regions, 4));
	EXPECT_EQ(STATUS_SUCCESS, page_status(&self->vmm, FREE_GPA));
	EXPECT_EQ(STATUS_INVALID_PARAMETER, page_status(&self->vmm, 2 * FREE_GPA));
	EXPECT_EQ(STATUS_INVALID_PARAMETER, page_status(&self->vmm, 3 * FREE_GPA));
	EXPECT_EQ(STATUS_SUCCESS, page_status(&self->vmm, 4 * FREE_GPA));
	EXPECT_EQ(STATUS_INVALID_PARAMETER, page_status(&self->vmm, MEM_GPA));
}

TEST_F(region, rings_are_busy)
{
	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_EQ(-EBUSY, vmm_region(self->vmm.fd, RING_SLOT, 0, 0, 0, NULL));
	EXPECT_EQ(0, guest_close(self->vmm.fd, RELID));
	/* The channel's work unmaps them. In a resident region, no count tells when */
	EXPECT_TRUE(WAIT_FOR(vmm_region(self->vmm.fd, RING_SLOT, 0, 0, 0, NULL) == 0));
}

/* ---- Resident regions ---- */

static int set_resident(int fd, __u64 bytes, void *mem)
{
	return vmm_region(fd, 2, VMBUS_HOST_REGION_RESIDENT, FREE_GPA, bytes, mem);
}

/* Pinned when set, once; let go when replaced, and when removed */
TEST_F(region, resident_is_charged)
{
	long kb = pinned_kb(0);
	int fd = self->vmm.fd;

	EXPECT_EQ(0, set_resident(fd, 10 * HV_PAGE, self->other));
	EXPECT_EQ(kb + 40, pinned_kb(0));
	EXPECT_EQ((kb + 40) / 4, pinned_pages());
	EXPECT_EQ(0, set_resident(fd, 10 * HV_PAGE, self->other));
	EXPECT_EQ(kb + 40, pinned_kb(0));
	EXPECT_EQ(0, set_resident(fd, 5 * HV_PAGE, self->other));
	EXPECT_EQ(kb + 20, pinned_kb(0));
	EXPECT_EQ(0, vmm_region(fd, 2, 0, 0, 0, NULL));
	EXPECT_EQ(kb, pinned_kb(0));
	EXPECT_EQ(kb / 4, pinned_pages());
	/* The end of the partition lets go of this one */
	EXPECT_EQ(0, set_resident(fd, MEM_BYTES, self->other));
}

/* What cannot be pinned to its last page is not pinned at all */
TEST_F(region, resident_with_a_hole)
{
	long kb = pinned_kb(0);

	ASSERT_EQ(0, munmap(self->other + MEM_BYTES - HV_PAGE, HV_PAGE));
	EXPECT_EQ(-EFAULT, set_resident(self->vmm.fd, MEM_BYTES, self->other));
	EXPECT_EQ(kb, pinned_kb(0));
	EXPECT_EQ(kb / 4, pinned_pages());
	EXPECT_EQ(STATUS_INVALID_PARAMETER, page_status(&self->vmm, FREE_GPA));
}

/* Read-only memory can be resident in a read-only region only */
TEST_F(region, resident_without_prot_write)
{
	ASSERT_EQ(0, mprotect(self->other, MEM_BYTES, PROT_READ));
	EXPECT_EQ(-EFAULT, set_resident(self->vmm.fd, MEM_BYTES, self->other));
	EXPECT_EQ(0, vmm_region(self->vmm.fd, 2, VMBUS_HOST_REGION_RESIDENT |
				VMBUS_HOST_REGION_READ_ONLY, FREE_GPA, MEM_BYTES,
				self->other));
}

TEST_HARNESS_MAIN
