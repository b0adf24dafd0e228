// SPDX-License-Identifier: GPL-2.0
/*
 * Mappings that a device works on: dma_map_sgtable() behind an IOMMU, which rewrites the
 * entries of the table for the device, and DMA in both directions.
 *
 * The device copies from one GPADL to another: it reads the first and writes the second.
 * It takes 0.1 s for each page either way, so what is copied is small.
 */
#include <stdio.h>

#include "fixture.h"

#define NO_LIMIT	0xffffffffu
#define SEGMENT		0x10000u	/* what many devices take at most, in bytes */
#define MOST_ENTRIES	1024u

/* Where the GPADLs that are copied are: at either end of the guest's memory */
#define FROM_PFN	MEM_PFN
#define TO_PFN		(MEM_PFN + MEM_PAGES / 2)
#define FROM_HANDLE	HANDLE
#define TO_HANDLE	HANDLE2
#define NR_PAGES	8u

/* ---- What the backend is told ---- */

static int dma_op(int fd, struct vmbus_gpadl_test_op *op)
{
	return ioctl(fd, VMBUS_GPADL_TEST_OP, op) ? -errno : 0;
}

/* The number of entries that the device gets */
static int dma_map(int fd, __u32 handle, __u32 max_segment)
{
	struct vmbus_gpadl_test_op op = {
		.op = VMBUS_GPADL_TEST_DMA_MAP,
		.handle = handle,
		.len = max_segment,
	};

	return dma_op(fd, &op) ?: (int)op.value;
}

static int dma_unmap(int fd, __u32 handle)
{
	struct vmbus_gpadl_test_op op = {
		.op = VMBUS_GPADL_TEST_DMA_UNMAP,
		.handle = handle,
	};

	return dma_op(fd, &op);
}

/* Number of entries, of which the first @nr are stored */
static int dma_entries(int fd, __u32 handle, struct vmbus_gpadl_test_dma *dma,
		       unsigned int nr)
{
	struct vmbus_gpadl_test_op op = {
		.op = VMBUS_GPADL_TEST_DMA_INFO,
		.handle = handle,
		.len = nr,
		.data = PTR(dma),
	};

	return dma_op(fd, &op) ?: (int)op.value;
}

static int dma_copy(int fd, __u32 from, __u32 to, size_t offset, size_t len)
{
	struct vmbus_gpadl_test_op op = {
		.op = VMBUS_GPADL_TEST_DMA_COPY,
		.handle = from,
		.value = to,
		.offset = offset,
		.len = len,
	};

	return dma_op(fd, &op);
}

/* ---- The VMM, and memory of each kind ---- */

FIXTURE(dma) {
	struct vmm vmm;
};

FIXTURE_VARIANT(dma) {
	enum memory kind;
	__u32 resident;
};

FIXTURE_VARIANT_ADD(dma, anon) {
	.kind = MEM_ANON,
};

FIXTURE_VARIANT_ADD(dma, thp) {
	.kind = MEM_THP,
};

FIXTURE_VARIANT_ADD(dma, hugetlb) {
	.kind = MEM_HUGETLB,
};

FIXTURE_VARIANT_ADD(dma, memfd_resident) {
	.kind = MEM_MEMFD,
	.resident = VMBUS_HOST_REGION_RESIDENT,
};

FIXTURE_VARIANT_ADD(dma, thp_resident) {
	.kind = MEM_THP,
	.resident = VMBUS_HOST_REGION_RESIDENT,
};

FIXTURE_SETUP(dma)
{
	vmm_resident = variant->resident;
	vmm_start(_metadata, &self->vmm, variant->kind, 0);
	vmm_open_channel(_metadata, &self->vmm);
}

FIXTURE_TEARDOWN(dma)
{
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

/* @nr pages, a power of two, of which no two that adjoin in the guest follow each other */
static void gpadl_scattered(struct gpadl *g, __u32 handle, __u64 pfn, unsigned int nr)
{
	unsigned int i;

	gpadl_init(g, handle);
	gpadl_range(g, 0, nr * HV_PAGE);
	for (i = 0; i < nr; i++)
		gpadl_pages(g, pfn + i * 5 % nr, 1);
}

#define EXPECT_MAPPED(_vmm, _g, _map_flags) do {				\
	struct vmm *_v = (_vmm);						\
	const struct gpadl *_gpadl = (_g);					\
										\
	EXPECT_EQ(0, guest_gpadl(_v->fd, RELID, _gpadl, false));		\
	EXPECT_CREATED(_v->fd, RELID, _gpadl->handle, STATUS_SUCCESS);		\
	EXPECT_EQ(0, backend_map(_v->backend, _gpadl->handle, _map_flags));	\
} while (0)

static void fill_random(void *mem, size_t bytes)
{
	static __u32 word = 1;
	__u32 *to = mem;
	size_t i;

	for (i = 0; i < bytes / 4; i++) {
		word = word * 1664525u + 1013904223u;
		to[i] = word;
	}
}

/* ---- Merged by the IOMMU ---- */

TEST_F(dma, is_behind_an_iommu)
{
	char type[16] = "";
	FILE *f = popen("cat /sys/bus/pci/drivers/vmbus_gpadl_test/*:*/iommu_group/type", "r");

	ASSERT_NE(NULL, f);
	EXPECT_NE(NULL, fgets(type, sizeof(type), f));
	pclose(f);
	EXPECT_STREQ("DMA\n", type);
}

/* One entry for the device, of many that were given out */
TEST_F(dma, merged)
{
	struct vmbus_gpadl_test_dma dma[2];
	struct gpadl g;

	gpadl_scattered(&g, HANDLE, MEM_PFN, 64);
	EXPECT_MAPPED(&self->vmm, &g, 0);
	EXPECT_LT(16, backend_sg(self->vmm.backend, HANDLE, NULL, 0));
	EXPECT_EQ(1, dma_map(self->vmm.backend, HANDLE, NO_LIMIT));
	EXPECT_EQ(1, dma_entries(self->vmm.backend, HANDLE, dma, 2));
	EXPECT_EQ(64 * HV_PAGE, dma[0].length);
	EXPECT_EQ(0, dma_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
}

/* Both directions, to the byte */
TEST_F(dma, copies)
{
	const char *mem = self->vmm.mem;
	const char *to = mem + (TO_PFN - MEM_PFN) * HV_PAGE;
	struct gpadl from_g, to_g;

	fill_random(self->vmm.mem, MEM_BYTES);
	gpadl_scattered(&from_g, FROM_HANDLE, FROM_PFN, NR_PAGES);
	gpadl_scattered(&to_g, TO_HANDLE, TO_PFN, NR_PAGES);
	EXPECT_MAPPED(&self->vmm, &from_g, MAP_READ_ONLY);
	EXPECT_MAPPED(&self->vmm, &to_g, 0);
	EXPECT_EQ(1, dma_map(self->vmm.backend, FROM_HANDLE, NO_LIMIT));
	EXPECT_EQ(1, dma_map(self->vmm.backend, TO_HANDLE, NO_LIMIT));
	EXPECT_EQ(0, dma_copy(self->vmm.backend, FROM_HANDLE, TO_HANDLE, 0,
			      NR_PAGES * HV_PAGE));
	EXPECT_EQ(0, memcmp(mem, to, NR_PAGES * HV_PAGE));
	EXPECT_EQ(0, dma_unmap(self->vmm.backend, FROM_HANDLE));
	EXPECT_EQ(0, dma_unmap(self->vmm.backend, TO_HANDLE));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, FROM_HANDLE));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, TO_HANDLE));
	EXPECT_EQ(0, memcmp(mem, to, NR_PAGES * HV_PAGE));
}

TEST_HARNESS_MAIN
