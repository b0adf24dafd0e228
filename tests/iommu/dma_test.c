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

/* Bytes of an entry that the device takes at most */
#define NO_LIMIT	0xffffffffu
#define SEGMENT		0x10000u

/* What is copied: a GPADL in either half of the guest's memory */
#define FROM		HANDLE
#define FROM_PFN	MEM_PFN
#define TO		HANDLE2
#define TO_PFN		(MEM_PFN + MEM_PAGES / 2)
#define COPY_PAGES	4u
#define COPY_BYTES	(COPY_PAGES * HV_PAGE)

/* ---- What the backend is told ---- */

static int dma_op(int fd, struct vmbus_gpadl_test_op *op)
{
	return ioctl(fd, VMBUS_GPADL_TEST_OP, op) ? -errno : 0;
}

/* Entries of later maps are no longer than that */
static int max_segment(int fd, __u32 bytes)
{
	struct vmbus_gpadl_test_op op = {
		.op = VMBUS_GPADL_TEST_MAX_SEGMENT,
		.len = bytes,
	};

	return dma_op(fd, &op);
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

/* ---- What the guest has ---- */

/*
 * @nr pages, a power of two: those that follow each other do not adjoin, in the guest nor,
 * but by chance, in the host
 */
static void gpadl_scattered(struct guest_gpadl *g, __u32 handle, __u64 pfn, unsigned int nr)
{
	unsigned int i;

	gpadl_init(g, handle);
	gpadl_range(g, 0, nr * HV_PAGE);
	for (i = 0; i < nr; i++)
		gpadl_pages(g, pfn + i * 3 % nr, 1);
}

#define EXPECT_MAPPED(_vmm, _g, _map_flags) do {				\
	struct vmm *_v = (_vmm);						\
	const struct guest_gpadl *_gpadl = (_g);				\
										\
	EXPECT_EQ(0, guest_gpadl(_v->fd, RELID, _gpadl, false));		\
	EXPECT_CREATED(_v->fd, RELID, _gpadl->handle, STATUS_SUCCESS);		\
	EXPECT_EQ(0, backend_map(_v->backend, _gpadl->handle, _map_flags));	\
} while (0)

/* Memory that holds nothing twice, and FROM and TO in it, mapped for the device as well */
#define EXPECT_COPY_READY(_vmm, _to_flags) do {					\
	struct vmm *_copy = (_vmm);						\
	struct guest_gpadl _g;							\
										\
	fill_random(_copy->mem, MEM_BYTES);					\
	gpadl_scattered(&_g, FROM, FROM_PFN, COPY_PAGES);			\
	EXPECT_MAPPED(_copy, &_g, MAP_READ_ONLY);				\
	gpadl_scattered(&_g, TO, TO_PFN, COPY_PAGES);				\
	EXPECT_MAPPED(_copy, &_g, _to_flags);					\
	EXPECT_EQ(1, dma_map(_copy->backend, FROM, NO_LIMIT));			\
	EXPECT_EQ(1, dma_map(_copy->backend, TO, NO_LIMIT));			\
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

static bool is_copied(const struct vmm *v)
{
	return !memcmp(v->mem, v->mem + (TO_PFN - MEM_PFN) * HV_PAGE, COPY_BYTES);
}

/* ---- Memory of each kind ---- */

FIXTURE(memory) {
	struct vmm vmm;
};

FIXTURE_VARIANT(memory) {
	enum memory kind;
	__u32 resident;
};

FIXTURE_VARIANT_ADD(memory, anon) {
	.kind = MEM_ANON,
};

FIXTURE_VARIANT_ADD(memory, thp) {
	.kind = MEM_THP,
};

FIXTURE_VARIANT_ADD(memory, hugetlb) {
	.kind = MEM_HUGETLB,
};

FIXTURE_VARIANT_ADD(memory, memfd_resident) {
	.kind = MEM_MEMFD,
	.resident = VMBUS_HOST_REGION_RESIDENT,
};

FIXTURE_VARIANT_ADD(memory, thp_resident) {
	.kind = MEM_THP,
	.resident = VMBUS_HOST_REGION_RESIDENT,
};

FIXTURE_SETUP(memory)
{
	vmm_resident = variant->resident;
	vmm_start(_metadata, &self->vmm, variant->kind, 0);
	vmm_open_channel(_metadata, &self->vmm);
}

FIXTURE_TEARDOWN(memory)
{
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

/*
 * Of many entries that were given out the device gets one. What was pinned is unpinned all
 * the same, no more and no less, whether or not the table is given back as it was.
 */
TEST_F(memory, merged)
{
	long pages = pinned_pages(), kb = pinned_kb(0), pages_mapped, kb_mapped;
	struct vmbus_gpadl_test_dma dma;
	struct guest_gpadl g;
	int i;

	gpadl_scattered(&g, HANDLE, MEM_PFN, 64);
	EXPECT_EQ(0, guest_gpadl(self->vmm.fd, RELID, &g, false));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
		pages_mapped = pinned_pages();
		kb_mapped = pinned_kb(0);
		EXPECT_LT(16, backend_sg(self->vmm.backend, HANDLE, NULL, 0));

		EXPECT_EQ(1, dma_map(self->vmm.backend, HANDLE, NO_LIMIT));
		EXPECT_EQ(1, dma_entries(self->vmm.backend, HANDLE, &dma, 1));
		EXPECT_EQ(64 * HV_PAGE, dma.length);
		EXPECT_EQ(pages_mapped, pinned_pages());
		if (i)
			EXPECT_EQ(0, dma_unmap(self->vmm.backend, HANDLE));
		EXPECT_EQ(pages_mapped, pinned_pages());
		EXPECT_EQ(kb_mapped, pinned_kb(0));

		EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
		EXPECT_EQ(pages, pinned_pages());
		EXPECT_EQ(kb, pinned_kb(0));
	}
}

/* A device of 64 KiB gets none that is longer, of memory that may adjoin for megabytes. */
TEST_F(memory, segments)
{
	struct vmbus_gpadl_test_dma dma[MEM_PAGES];
	size_t bytes = 0;
	int i, nr;

	EXPECT_EQ(0, max_segment(self->vmm.backend, SEGMENT));
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, MEM_BYTES);
	ASSERT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	nr = dma_map(self->vmm.backend, HANDLE, SEGMENT);
	ASSERT_LE(MEM_BYTES / SEGMENT, nr);
	ASSERT_GE(MEM_PAGES, nr);
	ASSERT_EQ(nr, dma_entries(self->vmm.backend, HANDLE, dma, nr));
	for (i = 0; i < nr; i++) {
		EXPECT_GE(SEGMENT, dma[i].length);
		bytes += dma[i].length;
	}
	EXPECT_EQ(MEM_BYTES, bytes);
	EXPECT_EQ(0, dma_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
}

/* Single pages are merged up to that length, and no further. */
TEST_F(memory, segments_of_scattered_pages)
{
	struct vmbus_gpadl_test_dma dma[4];
	struct guest_gpadl g;
	int i;

	gpadl_scattered(&g, HANDLE, MEM_PFN, 4 * SEGMENT / HV_PAGE);
	EXPECT_EQ(0, max_segment(self->vmm.backend, HV_PAGE));
	EXPECT_MAPPED(&self->vmm, &g, 0);
	EXPECT_EQ(g.nr_words - 1, backend_sg(self->vmm.backend, HANDLE, NULL, 0));
	EXPECT_EQ(4, dma_map(self->vmm.backend, HANDLE, SEGMENT));
	EXPECT_EQ(4, dma_entries(self->vmm.backend, HANDLE, dma, 4));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(SEGMENT, dma[i].length);
}

/* The device reads what the guest wrote, and the guest reads what the device wrote. */
TEST_F(memory, copied)
{
	EXPECT_COPY_READY(&self->vmm, 0);
	EXPECT_FALSE(is_copied(&self->vmm));
	EXPECT_EQ(0, dma_copy(self->vmm.backend, FROM, TO, 0, COPY_BYTES));
	EXPECT_TRUE(is_copied(&self->vmm));
	EXPECT_EQ(0, dma_unmap(self->vmm.backend, FROM));
	EXPECT_EQ(0, dma_unmap(self->vmm.backend, TO));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, FROM));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, TO));
	EXPECT_TRUE(is_copied(&self->vmm));
}

/* ---- What does not depend on the memory ---- */

FIXTURE(dma) {
	struct vmm vmm;
};

FIXTURE_SETUP(dma)
{
	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
	vmm_open_channel(_metadata, &self->vmm);
}

FIXTURE_TEARDOWN(dma)
{
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

/* Without this the others would show nothing: translated, and strictly. */
TEST_F(dma, is_behind_an_iommu)
{
	char type[16] = "";
	FILE *f = popen("cat /sys/bus/pci/drivers/vmbus_gpadl_test/*:*/iommu_group/type", "r");

	ASSERT_NE(NULL, f);
	EXPECT_NE(NULL, fgets(type, sizeof(type), f));
	pclose(f);
	EXPECT_STREQ("DMA\n", type);
}

/* Ranges that begin and end anywhere, from one GPADL to another that is cut otherwise */
TEST_F(dma, copied_to_the_byte)
{
	static const __u32 bytes = 2 * HV_PAGE + 301;
	char from[bytes], to[bytes];
	struct guest_gpadl g;

	fill_random(self->vmm.mem, MEM_BYTES);
	gpadl_init(&g, FROM);
	gpadl_range(&g, HV_PAGE - 1, 301);
	gpadl_pages(&g, FROM_PFN + 9, 1);
	gpadl_pages(&g, FROM_PFN + 3, 1);
	gpadl_range(&g, 123, 2 * HV_PAGE);
	gpadl_pages(&g, FROM_PFN + 30, 1);
	gpadl_pages(&g, FROM_PFN + 7, 2);
	EXPECT_MAPPED(&self->vmm, &g, MAP_READ_ONLY);
	gpadl_init(&g, TO);
	gpadl_range(&g, 8, bytes - 1);
	gpadl_pages(&g, TO_PFN + 5, 1);
	gpadl_pages(&g, TO_PFN + 1, 2);
	gpadl_range(&g, 77, 1);
	gpadl_pages(&g, TO_PFN + 9, 1);
	EXPECT_MAPPED(&self->vmm, &g, 0);
	EXPECT_LE(2, dma_map(self->vmm.backend, FROM, SEGMENT));
	EXPECT_LE(2, dma_map(self->vmm.backend, TO, SEGMENT));

	EXPECT_EQ(0, dma_copy(self->vmm.backend, FROM, TO, 0, bytes));
	EXPECT_EQ(0, backend_read(self->vmm.backend, FROM, 0, from, bytes));
	EXPECT_EQ(0, backend_read(self->vmm.backend, TO, 0, to, bytes));
	EXPECT_EQ(0, memcmp(from, to, bytes));
}

/* The table that a CPU walks is the same before, while and after a device has it. */
TEST_F(dma, keeps_the_table)
{
	struct vmbus_gpadl_test_sg before[64], now[64];
	struct guest_gpadl g;
	int nr;

	gpadl_scattered(&g, HANDLE, MEM_PFN, 64);
	EXPECT_MAPPED(&self->vmm, &g, 0);
	nr = backend_sg(self->vmm.backend, HANDLE, before, 64);
	ASSERT_LT(1, nr);
	EXPECT_EQ(1, dma_map(self->vmm.backend, HANDLE, NO_LIMIT));
	EXPECT_EQ(nr, backend_sg(self->vmm.backend, HANDLE, now, 64));
	EXPECT_EQ(0, memcmp(before, now, nr * sizeof(now[0])));
	EXPECT_EQ(0, dma_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(nr, backend_sg(self->vmm.backend, HANDLE, now, 64));
	EXPECT_EQ(0, memcmp(before, now, nr * sizeof(now[0])));
}

/* vmbus_mapping_dma_dir() of such a map has the IOMMU refuse the device's writes. */
TEST_F(dma, read_only_is_not_written)
{
	EXPECT_COPY_READY(&self->vmm, MAP_READ_ONLY);
	/* The device does not tell; the kernel's log does */
	EXPECT_EQ(0, dma_copy(self->vmm.backend, FROM, TO, 0, 16));
	EXPECT_NE(0, memcmp(self->vmm.mem, self->vmm.mem + (TO_PFN - MEM_PFN) * HV_PAGE, 16));
}

/* The guest asks for its memory back while the device has it: not before it is unmapped. */
TEST_F(dma, torndown_after_the_unmap)
{
	EXPECT_COPY_READY(&self->vmm, 0);
	EXPECT_EQ(0, backend_policy(self->vmm.backend, ON_REVOKE_HOLD));
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, TO));
	EXPECT_EQ(0, dma_copy(self->vmm.backend, FROM, TO, 0, COPY_BYTES));
	EXPECT_TRUE(is_copied(&self->vmm));
	EXPECT_EQ(0, dma_unmap(self->vmm.backend, TO));
	EXPECT_SILENCE(self->vmm.fd);
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, TO));
	EXPECT_TORNDOWN(self->vmm.fd, TO);
}

/* A backend that gives it back in revoke() takes it from the device first. */
TEST_F(dma, revoked)
{
	EXPECT_COPY_READY(&self->vmm, 0);
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, TO));
	EXPECT_TORNDOWN(self->vmm.fd, TO);
	EXPECT_EQ(-ENOENT, dma_copy(self->vmm.backend, FROM, TO, 0, COPY_BYTES));
	EXPECT_EQ(-ENOENT, dma_unmap(self->vmm.backend, TO));
}

/* ---- The VMM is killed ---- */

static void vmm_main(struct __test_metadata *_metadata, int ready)
{
	struct vmm v;
	struct guest_gpadl g;

	vmm_start(_metadata, &v, MEM_ANON, 0);
	vmm_open_channel(_metadata, &v);
	fill_random(v.mem, MEM_BYTES);
	gpadl_scattered(&g, FROM, FROM_PFN, COPY_PAGES);
	EXPECT_EQ(0, guest_gpadl(v.fd, RELID, &g, false));
	gpadl_scattered(&g, TO, TO_PFN, COPY_PAGES);
	EXPECT_EQ(0, guest_gpadl(v.fd, RELID, &g, false));
	close(v.backend);
	if (write(ready, "r", 1) == 1)
		pause();
}

/* The device still has memory of it: that stays, and goes when it is unmapped. */
TEST(vmm_is_killed)
{
	char from[COPY_BYTES], to[COPY_BYTES], byte;
	int ready[2], backend;
	__u32 closes;
	pid_t pid;

	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	if (!pid) {
		vmm_main(_metadata, ready[1]);
		_exit(1);
	}
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	backend = backend_open(0);
	ASSERT_LE(0, backend);
	EXPECT_EQ(0, backend_policy(backend, ON_REVOKE_HOLD));
	ASSERT_EQ(0, backend_map(backend, FROM, MAP_READ_ONLY));
	ASSERT_EQ(0, backend_map(backend, TO, 0));
	EXPECT_EQ(1, dma_map(backend, FROM, NO_LIMIT));
	EXPECT_EQ(1, dma_map(backend, TO, NO_LIMIT));

	closes = backend_state(backend, 0).closes;
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_TRUE(WAIT_FOR(backend_state(backend, 0).closes == closes + 1));
	EXPECT_EQ(0, dma_copy(backend, FROM, TO, 0, COPY_BYTES));
	EXPECT_EQ(0, backend_read(backend, FROM, 0, from, COPY_BYTES));
	EXPECT_EQ(0, backend_read(backend, TO, 0, to, COPY_BYTES));
	EXPECT_EQ(0, memcmp(from, to, COPY_BYTES));
	EXPECT_EQ(0, backend_unmap(backend, FROM));
	EXPECT_EQ(0, backend_unmap(backend, TO));
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	expect_nothing_pinned(_metadata);
	close(backend);
}

TEST_HARNESS_MAIN
