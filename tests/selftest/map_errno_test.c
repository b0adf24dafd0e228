// SPDX-License-Identifier: GPL-2.0
/*
 * Each errno of vmbus_gpadl_map() and of a vmap that guest and VMM can cause; what is charged for
 * what is mapped, and by which limit.
 */
#include <sched.h>
#include <sys/resource.h>

#include "fixture.h"

/* ---- Each errno ---- */

FIXTURE(map_errno) {
	struct vmm vmm;
};

FIXTURE_SETUP(map_errno)
{
	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
	vmm_open_channel(_metadata, &self->vmm);
}

FIXTURE_TEARDOWN(map_errno)
{
	/* What failed has left nothing */
	if (self->vmm.backend >= 0)
		EXPECT_EQ(RING_KB, pinned_kb(0));
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

TEST_F(map_errno, einval)
{
	unsigned int bit;

	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	for (bit = 1; bit < 32; bit++)
		EXPECT_EQ(-EINVAL, backend_map(self->vmm.backend, HANDLE, 1u << bit));
	/* Before all else */
	EXPECT_EQ(-EINVAL, backend_map(self->vmm.backend, HANDLE2, 2));
}

TEST_F(map_errno, enoent_unknown)
{
	EXPECT_EQ(-ENOENT, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(-ENOENT, backend_map(self->vmm.backend, 0, 0));
	EXPECT_EQ(-ENOENT, backend_map(self->vmm.backend, ~0u, 0));
}

TEST_F(map_errno, enoent_incomplete)
{
	__u64 words[] = { range_word(0, 2 * HV_PAGE), MEM_PFN, MEM_PFN };

	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 1, 3, words, 2));
	EXPECT_EQ(-ENOENT, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, guest_body(self->vmm.fd, HANDLE, 0, words + 2, 1));
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
}

TEST_F(map_errno, enoent_other_channel)
{
	ASSERT_EQ(0, vmm_channel(self->vmm.fd, RELID2, 1, NULL));
	EXPECT_GPADL(self->vmm.fd, RELID2, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(-ENOENT, backend_map(self->vmm.backend, HANDLE, 0));
}

TEST_F(map_errno, enoent_torn_down)
{
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_TEARDOWN(self->vmm.fd, RELID, HANDLE);
	EXPECT_EQ(-ENOENT, backend_map(self->vmm.backend, HANDLE, 0));
}

/* Before -EBUSY */
TEST_F(map_errno, eshutdown)
{
	ASSERT_EQ(0, backend_policy(self->vmm.backend, ON_REVOKE_HOLD));
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE));
	EXPECT_EQ(-ESHUTDOWN, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_TORNDOWN(self->vmm.fd, HANDLE);
}

/* Before -EACCES; and only one mapping exists at a time, also to read */
TEST_F(map_errno, ebusy)
{
	struct guest_gpadl g;

	gpadl_simple(&g, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, guest_gpadl(self->vmm.fd, RELID, &g, true));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, MAP_READ_ONLY));
	EXPECT_EQ(-EBUSY, backend_map(self->vmm.backend, HANDLE, MAP_READ_ONLY));
	EXPECT_EQ(-EBUSY, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, MAP_READ_ONLY));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
}

/* The ring is mapped by the channel itself */
TEST_F(map_errno, ebusy_ring)
{
	EXPECT_EQ(-EBUSY, backend_map(self->vmm.backend, RING_HANDLE, 0));
}

TEST_F(map_errno, eacces_gpadl)
{
	struct guest_gpadl g;

	gpadl_simple(&g, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, guest_gpadl(self->vmm.fd, RELID, &g, true));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
	EXPECT_EQ(-EACCES, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, MAP_READ_ONLY));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
}

#define RO_GPA	0x200000000ull

/* One page of it is enough */
TEST_F(map_errno, eacces_region)
{
	__u64 words[] = { range_word(0, 2 * HV_PAGE), MEM_PFN, RO_GPA / HV_PAGE };

	ASSERT_EQ(0, vmm_region(self->vmm.fd, 2, VMBUS_HOST_REGION_READ_ONLY, RO_GPA,
				HV_PAGE, self->vmm.mem + HV_PAGE));
	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 1, 3, words, 3));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
	EXPECT_EQ(-EACCES, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, MAP_READ_ONLY));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
}

/* -EACCES comes before -EFAULT, whichever page is first */
TEST_F(map_errno, eacces_before_efault)
{
	__u64 words[] = { range_word(0, 2 * HV_PAGE), MEM_PFN, RO_GPA / HV_PAGE };

	ASSERT_EQ(0, vmm_region(self->vmm.fd, 2, VMBUS_HOST_REGION_READ_ONLY, RO_GPA,
				HV_PAGE, self->vmm.mem + HV_PAGE));
	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 1, 3, words, 3));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
	ASSERT_EQ(0, vmm_region(self->vmm.fd, MEM_SLOT, 0, 0, 0, NULL));
	EXPECT_EQ(-EACCES, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(-EFAULT, backend_map(self->vmm.backend, HANDLE, MAP_READ_ONLY));
}

TEST_F(map_errno, efault_no_region)
{
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	ASSERT_EQ(0, vmm_region(self->vmm.fd, MEM_SLOT, 0, 0, 0, NULL));
	EXPECT_EQ(-EFAULT, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(-EFAULT, backend_map_by_kthread(self->vmm.backend, HANDLE, 0));
}

/* In the middle: what was pinned before it is let go */
TEST_F(map_errno, efault_no_memory_there)
{
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, MEM_BYTES);
	ASSERT_EQ(0, munmap(self->vmm.mem + 700 * HV_PAGE, HV_PAGE));
	EXPECT_EQ(-EFAULT, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(-EFAULT, backend_map_by_kthread(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(RING_PAGES, pinned_pages());
}

TEST_F(map_errno, efault_prot_none)
{
	if (kernel_before(6, 5))
		SKIP(return, PROT_NONE_PINNED);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, 8 * HV_PAGE);
	ASSERT_EQ(0, mprotect(self->vmm.mem + 4 * HV_PAGE, HV_PAGE, PROT_NONE));
	EXPECT_EQ(-EFAULT, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(-EFAULT, backend_map(self->vmm.backend, HANDLE, MAP_READ_ONLY));
}

TEST_F(map_errno, efault_read_only_vma)
{
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, 8 * HV_PAGE);
	ASSERT_EQ(0, mprotect(self->vmm.mem + 4 * HV_PAGE, HV_PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, MAP_READ_ONLY));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
}

/* ---- vmap ---- */

TEST_F(map_errno, vmap_ebusy)
{
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0 /* DMA_BIDIRECTIONAL */, backend_dma_dir(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, backend_vmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(-EBUSY, backend_vmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, backend_vunmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, backend_vmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, backend_vunmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
}

TEST_F(map_errno, vmap_eopnotsupp)
{
	__u64 words[] = {
		range_word(0, HV_PAGE), MEM_PFN, range_word(0, HV_PAGE), MEM_PFN + 1,
	};

	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 2, 4, words, 4));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(-EOPNOTSUPP, backend_vmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
}

/* ---- Who pays ---- */

/* A VMM without CAP_IPC_LOCK that may pin RING_PAGES + 10 */
FIXTURE(memlock) {
	struct vmm vmm;
};

FIXTURE_SETUP(memlock)
{
	ASSERT_EQ(0, drop_ipc_lock());
	ASSERT_EQ(0, memlock_limit((RING_PAGES + 10) * HV_PAGE));
	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
	vmm_open_channel(_metadata, &self->vmm);
}

FIXTURE_TEARDOWN(memlock)
{
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

TEST_F(memlock, enomem)
{
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, 10 * HV_PAGE);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE2, MEM_GPA, 11 * HV_PAGE);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE3, MEM_GPA, HV_PAGE);
	EXPECT_EQ(-ENOMEM, backend_map(self->vmm.backend, HANDLE2, 0));
	EXPECT_EQ(RING_KB, pinned_kb(0));
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(-ENOMEM, backend_map(self->vmm.backend, HANDLE3, MAP_READ_ONLY));
	EXPECT_EQ(RING_KB + 40, pinned_kb(0));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE3, MAP_READ_ONLY));
}

TEST_F(memlock, enomem_by_a_kernel_thread)
{
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, 10 * HV_PAGE);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE2, MEM_GPA, 11 * HV_PAGE);
	EXPECT_EQ(-ENOMEM, backend_map_by_kthread(self->vmm.backend, HANDLE2, 0));
	EXPECT_EQ(0, backend_map_by_kthread(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(RING_KB + 40, pinned_kb(0));
}

/* Not even one that could pin as much as it likes for itself */
TEST_F(memlock, enomem_by_another_process)
{
	int status, to_child[2];
	char byte = 0;
	pid_t pid;

	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, 10 * HV_PAGE);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE2, MEM_GPA, 11 * HV_PAGE);
	ASSERT_EQ(0, pipe(to_child));
	pid = fork();
	if (!pid) {
		if (memlock_limit(RLIM_INFINITY) || read(to_child[0], &byte, 1) != 1)
			_exit(1);
		if (backend_map(self->vmm.backend, HANDLE2, 0) != -ENOMEM)
			_exit(2);
		_exit(backend_map(self->vmm.backend, HANDLE, 0) ? 3 : 0);
	}
	ASSERT_EQ(1, write(to_child[1], &byte, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(RING_KB + 40, pinned_kb(0));
}

/* A resident region is charged when it is set */
TEST_F(memlock, enomem_resident)
{
	EXPECT_EQ(-ENOMEM, vmm_region(self->vmm.fd, 2, VMBUS_HOST_REGION_RESIDENT,
				      RO_GPA, MEM_BYTES, self->vmm.mem));
	EXPECT_EQ(RING_KB, pinned_kb(0));
	EXPECT_EQ(0, vmm_region(self->vmm.fd, 2, VMBUS_HOST_REGION_RESIDENT, RO_GPA,
				HV_PAGE, self->vmm.mem));
	EXPECT_EQ(RING_KB + 4, pinned_kb(0));
}

/* It is the limit as it is when something is mapped */
TEST_F(memlock, limit_is_raised)
{
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, 11 * HV_PAGE);
	EXPECT_EQ(-ENOMEM, backend_map(self->vmm.backend, HANDLE, 0));
	ASSERT_EQ(0, memlock_limit((RING_PAGES + 11) * HV_PAGE));
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
}

/* A page that is named twice is pinned, and paid for, twice */
TEST_F(memlock, repeated_pages)
{
	struct guest_gpadl g;
	unsigned int i;

	gpadl_init(&g, HANDLE);
	gpadl_range(&g, 0, 11 * HV_PAGE);
	for (i = 0; i < 11; i++)
		gpadl_pages(&g, MEM_PFN, 1);
	EXPECT_EQ(0, guest_gpadl(self->vmm.fd, RELID, &g, false));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
	EXPECT_EQ(-ENOMEM, backend_map(self->vmm.backend, HANDLE, 0));
}

TEST_F(memlock, ring_over_the_limit)
{
	EXPECT_EQ(0, guest_close(self->vmm.fd, RELID));
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) == 0));
	ASSERT_EQ(0, memlock_limit((RING_PAGES - 1) * HV_PAGE));
	EXPECT_EQ(0, guest_open(self->vmm.fd, RELID, 2, RING_HANDLE, RING_SPLIT));
	EXPECT_NOT_OPENED(self->vmm.fd, RELID, 2);
}

/* The capability is that of CREATE, for good */
TEST(capability_of_create)
{
	struct vmm v;

	vmm_start(_metadata, &v, MEM_ANON, 0);
	ASSERT_EQ(0, drop_ipc_lock());
	ASSERT_EQ(0, memlock_limit(0));
	vmm_open_channel(_metadata, &v);
	EXPECT_GPADL(v.fd, RELID, HANDLE, MEM_GPA, MEM_BYTES);
	EXPECT_EQ(0, backend_map(v.backend, HANDLE, 0));
	vmm_stop(&v);
	expect_nothing_pinned(_metadata);
}

#define NOBODY	65534

/* What becomes of a VMM that has all capabilities in its own namespace. -ENOTSUP: there is none */
static int vmm_in_its_own_namespace(int fd)
{
	void *mem = memory_alloc(MEM_ANON, MEM_BYTES);

	if (!mem || memlock_limit(10 * HV_PAGE) || setresuid(NOBODY, NOBODY, NOBODY))
		return -EIO;
	if (unshare(CLONE_NEWUSER))
		return -ENOTSUP;
	if (vmm_create(fd) ||
	    vmm_region(fd, MEM_SLOT, VMBUS_HOST_REGION_RESIDENT, MEM_GPA, 10 * HV_PAGE, mem))
		return -EIO;
	return vmm_region(fd, RING_SLOT, VMBUS_HOST_REGION_RESIDENT, RING_GPA, HV_PAGE,
			  mem + 10 * HV_PAGE);
}

/* Any user can have that. */
TEST(capability_in_another_user_namespace)
{
	int fd = open("/dev/vmbus-host", O_RDWR | O_NONBLOCK | O_CLOEXEC), status;
	pid_t pid;

	ASSERT_LE(0, fd);
	pid = fork();
	if (!pid)
		_exit(-vmm_in_its_own_namespace(fd));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	close(fd);
	ASSERT_TRUE(WIFEXITED(status));
	if (WEXITSTATUS(status) == ENOTSUP)
		SKIP(return, "the kernel has no user namespaces for users");
	EXPECT_EQ(ENOMEM, WEXITSTATUS(status));
	expect_nothing_pinned(_metadata);
}

TEST_HARNESS_MAIN
