// SPDX-License-Identifier: GPL-2.0
/*
 * Mapping: the bytes that a backend gets, for each kind of memory and in each size.
 */
#include <stdlib.h>

#include "fixture.h"

/* ---- The bytes, in every kind of memory ---- */

FIXTURE(map) {
	struct vmm vmm;
};

FIXTURE_VARIANT(map) {
	enum memory kind;
	__u32 resident;
};

#define RESIDENT	.resident = VMBUS_HOST_REGION_RESIDENT

FIXTURE_VARIANT_ADD(map, anon) { .kind = MEM_ANON };
FIXTURE_VARIANT_ADD(map, anon_shared) { .kind = MEM_ANON_SHARED };
FIXTURE_VARIANT_ADD(map, memfd) { .kind = MEM_MEMFD };
FIXTURE_VARIANT_ADD(map, memfd_private) { .kind = MEM_MEMFD_PRIVATE };
FIXTURE_VARIANT_ADD(map, thp) { .kind = MEM_THP };
FIXTURE_VARIANT_ADD(map, hugetlb) { .kind = MEM_HUGETLB };
FIXTURE_VARIANT_ADD(map, hugetlb_memfd) { .kind = MEM_HUGETLB_MEMFD };
FIXTURE_VARIANT_ADD(map, anon_resident) { .kind = MEM_ANON, RESIDENT };
FIXTURE_VARIANT_ADD(map, memfd_resident) { .kind = MEM_MEMFD, RESIDENT };
FIXTURE_VARIANT_ADD(map, memfd_private_resident) { .kind = MEM_MEMFD_PRIVATE, RESIDENT };
FIXTURE_VARIANT_ADD(map, thp_resident) { .kind = MEM_THP, RESIDENT };
FIXTURE_VARIANT_ADD(map, hugetlb_resident) { .kind = MEM_HUGETLB, RESIDENT };
FIXTURE_VARIANT_ADD(map, hugetlb_memfd_resident) { .kind = MEM_HUGETLB_MEMFD, RESIDENT };

FIXTURE_SETUP(map)
{
	vmm_resident = variant->resident;
	vmm_start(_metadata, &self->vmm, variant->kind, 0);
	vmm_open_channel(_metadata, &self->vmm);
}

FIXTURE_TEARDOWN(map)
{
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

/* No two pages are alike, nor two words of a page */
static void fill_pattern(void *mem, size_t bytes)
{
	__u32 *word = mem;
	size_t i;

	for (i = 0; i < bytes / 4; i++)
		word[i] = i * 2654435761u;
}

/*
 * A GPADL as a sequence of bytes, by its words and the guest's memory: what the backend
 * should find. Returns the length.
 */
static size_t gpadl_bytes(const struct guest_gpadl *g, const char *mem, char *to)
{
	unsigned int i = 0, offset, len;
	size_t all = 0, left;

	while (i < g->nr_words) {
		offset = g->words[i] >> 32;
		left = (__u32)g->words[i++];
		for (; left; left -= len, all += len, offset = 0) {
			len = left < HV_PAGE - offset ? left : HV_PAGE - offset;
			memcpy(to + all, mem + (g->words[i++] - MEM_PFN) * HV_PAGE +
			       offset, len);
		}
	}
	return all;
}

/* Ranges with all that is odd: offsets, short ones, descending and repeated pages */
static void gpadl_odd(struct guest_gpadl *g, __u32 handle)
{
	unsigned int i;

	gpadl_init(g, handle);
	gpadl_range(g, 0, 3 * HV_PAGE);
	gpadl_pages(g, MEM_PFN, 3);
	gpadl_range(g, 0xfff, 1);
	gpadl_pages(g, MEM_PFN + 3, 1);
	gpadl_range(g, 0xffe, 4);
	gpadl_pages(g, MEM_PFN + 4, 2);
	gpadl_range(g, 8, 2 * HV_PAGE);
	for (i = 0; i < 3; i++)
		gpadl_pages(g, MEM_PFN + 600 - i, 1);
	gpadl_range(g, 100, 2 * HV_PAGE);
	for (i = 0; i < 3; i++)
		gpadl_pages(g, MEM_PFN + 9, 1);
	gpadl_range(g, 1, 2);
	gpadl_pages(g, MEM_PFN + MEM_PAGES - 1, 1);
	gpadl_range(g, 0, 40 * HV_PAGE);
	for (i = 0; i < 40; i++)
		gpadl_pages(g, MEM_PFN + i * 7 % 40, 1);
}

static void check_bytes(struct __test_metadata *_metadata, struct vmm *v,
			const struct guest_gpadl *g, __u32 map_flags)
{
	char *expected = malloc(GPADL_WORDS * HV_PAGE);
	char *seen = malloc(GPADL_WORDS * HV_PAGE);
	size_t len;

	ASSERT_NE(NULL, expected);
	ASSERT_NE(NULL, seen);
	fill_pattern(v->mem, MEM_BYTES);
	ASSERT_EQ(0, guest_gpadl(v->fd, RELID, g, false));
	EXPECT_CREATED(v->fd, RELID, g->handle, STATUS_SUCCESS);
	ASSERT_EQ(0, backend_map(v->backend, g->handle, map_flags));

	len = gpadl_bytes(g, v->mem, expected);
	EXPECT_EQ(0, backend_read(v->backend, g->handle, 0, seen, len));
	EXPECT_EQ(0, memcmp(expected, seen, len));
	/* Not one byte more */
	EXPECT_EQ(-EINVAL, backend_read(v->backend, g->handle, len, seen, 1));
	EXPECT_EQ(0, backend_unmap(v->backend, g->handle));
	free(expected);
	free(seen);
}

/* The second time it is known what kind of pages there are. */
TEST_F(map, short_list_downwards)
{
	struct guest_gpadl g;
	unsigned int i;
	__u32 handle;

	for (handle = HANDLE; handle < HANDLE + 2; handle++) {
		gpadl_init(&g, handle);
		gpadl_range(&g, 0x123, 4 * HV_PAGE);
		for (i = 0; i < 5; i++)
			gpadl_pages(&g, MEM_PFN + 20 - i, 1);
		check_bytes(_metadata, &self->vmm, &g, 0);
	}
}

TEST_F(map, reads_what_the_guest_wrote)
{
	struct guest_gpadl g;

	gpadl_odd(&g, HANDLE);
	check_bytes(_metadata, &self->vmm, &g, 0);
}

TEST_F(map, reads_what_the_guest_wrote_read_only)
{
	struct guest_gpadl g;

	gpadl_odd(&g, HANDLE);
	check_bytes(_metadata, &self->vmm, &g, MAP_READ_ONLY);
}

TEST_F(map, all_pages)
{
	struct guest_gpadl g;

	gpadl_simple(&g, HANDLE, MEM_GPA, MEM_BYTES);
	check_bytes(_metadata, &self->vmm, &g, 0);
}

/* In any order: the same each time, and nearly no two of them adjoin */
static void gpadl_shuffled(struct guest_gpadl *g, __u32 handle, __u32 offset)
{
	__u64 seed = 1;
	unsigned int i, j;

	gpadl_init(g, handle);
	gpadl_range(g, offset, MEM_BYTES - 2 * offset);
	gpadl_pages(g, MEM_PFN, MEM_PAGES);
	for (i = MEM_PAGES; i > 1; i--) {
		__u64 *a = &g->words[i], word = *a;

		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		j = 1 + (seed >> 33) % i;
		*a = g->words[j];
		g->words[j] = word;
	}
}

TEST_F(map, shuffled_pages)
{
	struct guest_gpadl g;

	gpadl_shuffled(&g, HANDLE, 0);
	check_bytes(_metadata, &self->vmm, &g, 0);
}

/* The first page and the last are not whole */
TEST_F(map, shuffled_pages_to_the_byte)
{
	struct guest_gpadl g;

	gpadl_shuffled(&g, HANDLE, 123);
	check_bytes(_metadata, &self->vmm, &g, MAP_READ_ONLY);
}

TEST_F(map, descending_pages)
{
	struct guest_gpadl g;
	unsigned int i;

	gpadl_init(&g, HANDLE);
	gpadl_range(&g, 77, MEM_BYTES - 100);
	for (i = 0; i < MEM_PAGES; i++)
		gpadl_pages(&g, MEM_PFN + MEM_PAGES - 1 - i, 1);
	check_bytes(_metadata, &self->vmm, &g, 0);
}

/* A page in the midst of a block, or of a huge page, that is not part of what it was */
TEST_F(map, a_page_is_another)
{
	bool huge = variant->kind == MEM_HUGETLB || variant->kind == MEM_HUGETLB_MEMFD;
	size_t len = huge ? MEM_BYTES / 2 : HV_PAGE;
	char *at = self->vmm.mem + (huge ? 0 : 300 * HV_PAGE);
	struct guest_gpadl g;

	fill_pattern(self->vmm.mem, MEM_BYTES);
	EXPECT_EQ(0, vmm_region(self->vmm.fd, MEM_SLOT, 0, MEM_GPA, 0, NULL));
	ASSERT_EQ(at, mmap(at, len, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE |
			   MAP_ANONYMOUS | (huge ? MAP_HUGETLB : 0), -1, 0));
	EXPECT_EQ(0, vmm_region(self->vmm.fd, MEM_SLOT, 0, MEM_GPA, MEM_BYTES,
				self->vmm.mem));
	gpadl_simple(&g, HANDLE, MEM_GPA, MEM_BYTES);
	check_bytes(_metadata, &self->vmm, &g, 0);
	gpadl_shuffled(&g, HANDLE2, 0);
	check_bytes(_metadata, &self->vmm, &g, 0);
}

/* Pages of two pieces of memory that are as far apart as the VMM likes */
TEST_F(map, pages_far_apart)
{
	const __u64 far_pfn = 0x200000;
	char *far = self->vmm.mem - (8ull << 30), seen[20 * HV_PAGE];
	struct guest_gpadl g;
	unsigned int i;

	ASSERT_EQ(far, mmap(far, 10 * HV_PAGE, PROT_READ | PROT_WRITE,
			    MAP_FIXED_NOREPLACE | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	fill_pattern(self->vmm.mem, 10 * HV_PAGE);
	memset(far, 'f', 10 * HV_PAGE);
	ASSERT_EQ(0, vmm_region(self->vmm.fd, 7, 0, far_pfn * HV_PAGE,
				10 * HV_PAGE, far));
	gpadl_init(&g, HANDLE);
	gpadl_range(&g, 0, 20 * HV_PAGE);
	for (i = 0; i < 10; i++) {
		gpadl_pages(&g, MEM_PFN + i, 1);
		gpadl_pages(&g, far_pfn + 9 - i, 1);
	}
	ASSERT_EQ(0, guest_gpadl(self->vmm.fd, RELID, &g, false));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
	ASSERT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, backend_read(self->vmm.backend, HANDLE, 0, seen, sizeof(seen)));
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(0, memcmp(seen + 2 * i * HV_PAGE, self->vmm.mem + i * HV_PAGE,
				    HV_PAGE));
		EXPECT_EQ(0, memcmp(seen + (2 * i + 1) * HV_PAGE, far, HV_PAGE));
	}
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
}

TEST_F(map, guest_reads_what_the_backend_wrote)
{
	char *expected = malloc(MEM_BYTES);
	struct guest_gpadl g;

	ASSERT_NE(NULL, expected);
	fill_pattern(expected, MEM_BYTES);
	gpadl_simple(&g, HANDLE, MEM_GPA, MEM_BYTES);
	EXPECT_EQ(0, guest_gpadl(self->vmm.fd, RELID, &g, false));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
	ASSERT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, backend_write(self->vmm.backend, HANDLE, 0, expected, MEM_BYTES));
	EXPECT_EQ(0, memcmp(expected, self->vmm.mem, MEM_BYTES));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, memcmp(expected, self->vmm.mem, MEM_BYTES));
	free(expected);
}

/* Nothing but the bytes of the ranges is written */
TEST_F(map, writes_to_the_byte)
{
	char bytes[20];
	struct guest_gpadl g;

	memset(bytes, 'w', sizeof(bytes));
	gpadl_init(&g, HANDLE);
	gpadl_range(&g, HV_PAGE - 10, 20);
	gpadl_pages(&g, MEM_PFN + 5, 1);
	gpadl_pages(&g, MEM_PFN + 4, 1);
	EXPECT_EQ(0, guest_gpadl(self->vmm.fd, RELID, &g, false));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
	ASSERT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, backend_write(self->vmm.backend, HANDLE, 0, bytes, 20));
	EXPECT_EQ(0, self->vmm.mem[6 * HV_PAGE - 11]);
	EXPECT_EQ(0, memcmp(bytes, self->vmm.mem + 6 * HV_PAGE - 10, 10));
	EXPECT_EQ(0, self->vmm.mem[6 * HV_PAGE]);
	EXPECT_EQ(0, memcmp(bytes, self->vmm.mem + 4 * HV_PAGE, 10));
	EXPECT_EQ(0, self->vmm.mem[4 * HV_PAGE + 10]);
}

/* The entries cover the ranges in order, to the byte, and none spans two ranges */
TEST_F(map, scatterlist)
{
	struct vmbus_gpadl_test_sg sg[128];
	unsigned int i = 0, n = 0, len;
	struct guest_gpadl g;
	int nr;

	gpadl_odd(&g, HANDLE);
	EXPECT_EQ(0, guest_gpadl(self->vmm.fd, RELID, &g, false));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
	ASSERT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	nr = backend_sg(self->vmm.backend, HANDLE, sg, 128);
	ASSERT_LT(0, nr);
	ASSERT_GE(128, nr);

	while (i < g.nr_words) {
		__u32 offset = g.words[i] >> 32, left = (__u32)g.words[i];

		i += 1 + (offset + left + HV_PAGE - 1) / HV_PAGE;
		ASSERT_GT(nr, n);
		EXPECT_EQ(offset, sg[n].offset);
		while (left) {
			ASSERT_GT(nr, n);
			len = sg[n++].length;
			ASSERT_GE(left, len);
			left -= len;
		}
	}
	EXPECT_EQ(nr, n);
}

TEST_F(map, huge_pages_make_few_entries)
{
	struct vmbus_gpadl_test_sg sg[8];
	int most = MEM_PAGES;

	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, MEM_BYTES);
	ASSERT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	if (variant->kind == MEM_HUGETLB || variant->kind == MEM_HUGETLB_MEMFD)
		most = 2;
	EXPECT_GE(most, backend_sg(self->vmm.backend, HANDLE, sg, 8));
}

/* Host pages that are charged; of a hugetlb page one pin is taken, whatever it is of it */
TEST_F(map, charges_what_it_maps)
{
	bool huge = variant->kind == MEM_HUGETLB || variant->kind == MEM_HUGETLB_MEMFD;
	int by_one = huge && !variant->resident;

	/* Longer than a short list, of which each page is pinned, in huge pages too */
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, 100 * HV_PAGE);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE2, MEM_GPA, 70 * HV_PAGE);
	EXPECT_EQ(CHARGED_KB(RING_KB), pinned_kb(0));
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(CHARGED_KB(RING_KB + 400), pinned_kb(0));
	EXPECT_EQ(by_one ? RING_PAGES + 1 : CHARGED_KB(RING_KB + 400) / 4, pinned_pages());
	/* The same pages, another map: once for each */
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE2, MAP_READ_ONLY));
	EXPECT_EQ(CHARGED_KB(RING_KB + 680), pinned_kb(0));
	EXPECT_EQ(by_one ? RING_PAGES + 2 : CHARGED_KB(RING_KB + 680) / 4, pinned_pages());
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(CHARGED_KB(RING_KB + 280), pinned_kb(0));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE2));
	EXPECT_EQ(CHARGED_KB(RING_KB), pinned_kb(0));
	EXPECT_EQ(CHARGED_KB(RING_KB) / 4, pinned_pages());
}

/* Two pieces of 20 pages that adjoin, one downwards, on either side of where a huge page ends */
static void gpadl_about_huge_page(struct guest_gpadl *g, __u32 handle)
{
	const unsigned int end = 512;
	unsigned int i;

	gpadl_init(g, handle);
	gpadl_range(g, 0, 20 * HV_PAGE);
	gpadl_pages(g, MEM_PFN + end - 10, 20);
	gpadl_range(g, 100, 20 * HV_PAGE);
	for (i = 0; i < 21; i++)
		gpadl_pages(g, MEM_PFN + end + 9 - i, 1);
	gpadl_range(g, 0, 2 * HV_PAGE);
	for (i = 0; i < 2; i++)
		gpadl_pages(g, MEM_PFN + 7 + i * 131, 1);
}

/* A short list is pinned page by page, until hugetlb pages have been seen: by the block then */
TEST_F(map, short_list_again)
{
	bool huge = variant->kind == MEM_HUGETLB || variant->kind == MEM_HUGETLB_MEMFD;
	bool by_block = huge && getpagesize() == HV_PAGE;
	long before = pinned_pages();
	long pins = getpagesize() == HV_PAGE ? 43 : 0;
	struct guest_gpadl g;

	gpadl_about_huge_page(&g, HANDLE);
	check_bytes(_metadata, &self->vmm, &g, 0);
	g.handle = HANDLE2;
	check_bytes(_metadata, &self->vmm, &g, 0);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	/* Across the end, and back: the pages after that lie in the last block */
	if (by_block)
		pins = 3;
	if (variant->resident || pins)
		EXPECT_EQ(variant->resident ? 0 : pins, pinned_pages() - before);
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(before, pinned_pages());
}

/* The guess holds for a region, which begins below its huge pages here, and in the first block */
TEST_F(map, lowest_addresses_before_huge_pages)
{
	const size_t mib = 1 << 20;
	const __u64 pfn = 0x200000;
	char *low = (char *)mib, seen[2 * HV_PAGE];
	struct guest_gpadl g;

	if (variant->kind != MEM_HUGETLB)
		return;
	ASSERT_EQ(low, mmap(low, mib, PROT_READ | PROT_WRITE,
			    MAP_FIXED_NOREPLACE | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	ASSERT_EQ(low + mib, mmap(low + mib, 2 * mib, PROT_READ | PROT_WRITE,
				  MAP_FIXED_NOREPLACE | MAP_PRIVATE | MAP_ANONYMOUS |
				  MAP_HUGETLB, -1, 0));
	memset(low, 'l', sizeof(seen));
	ASSERT_EQ(0, vmm_region(self->vmm.fd, 7, 0, pfn * HV_PAGE, 3 * mib, low));
	gpadl_simple(&g, HANDLE, pfn * HV_PAGE + mib, 2 * HV_PAGE);
	ASSERT_EQ(0, guest_gpadl(self->vmm.fd, RELID, &g, false));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
	ASSERT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));

	gpadl_simple(&g, HANDLE2, pfn * HV_PAGE, 2 * HV_PAGE);
	ASSERT_EQ(0, guest_gpadl(self->vmm.fd, RELID, &g, false));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE2, STATUS_SUCCESS);
	ASSERT_EQ(0, backend_map(self->vmm.backend, HANDLE2, 0));
	EXPECT_EQ(0, backend_read(self->vmm.backend, HANDLE2, 0, seen, sizeof(seen)));
	EXPECT_EQ(0, memcmp(low, seen, sizeof(seen)));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE2));
}

TEST_F(map, by_a_kernel_thread)
{
	char byte = 'k';

	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, MEM_BYTES);
	EXPECT_EQ(0, backend_map_by_kthread(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(RING_KB + MEM_BYTES / 1024, pinned_kb(0));
	EXPECT_EQ(0, backend_write(self->vmm.backend, HANDLE, MEM_BYTES - 1, &byte, 1));
	EXPECT_EQ('k', self->vmm.mem[MEM_BYTES - 1]);
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
}

/* The owner pays, whichever process maps */
TEST_F(map, by_another_process)
{
	int status;
	pid_t pid;

	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, MEM_BYTES);
	pid = fork();
	if (!pid) {
		char byte = 'p';

		if (backend_map(self->vmm.backend, HANDLE, 0))
			_exit(1);
		if (backend_write(self->vmm.backend, HANDLE, MEM_BYTES - 1, &byte, 1))
			_exit(2);
		_exit(pinned_kb(0) ? 3 : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(RING_KB + MEM_BYTES / 1024, pinned_kb(0));
	EXPECT_EQ('p', self->vmm.mem[MEM_BYTES - 1]);
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
}

TEST_F(map, vmap)
{
	char bytes[2 * HV_PAGE + 100], seen[2 * HV_PAGE + 100];
	struct guest_gpadl g;

	fill_pattern(bytes, sizeof(bytes));
	gpadl_init(&g, HANDLE);
	gpadl_range(&g, 50, sizeof(bytes));
	gpadl_pages(&g, MEM_PFN + 700, 1);
	gpadl_pages(&g, MEM_PFN + 3, 1);
	gpadl_pages(&g, MEM_PFN + 2, 1);
	EXPECT_EQ(0, guest_gpadl(self->vmm.fd, RELID, &g, false));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
	ASSERT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	ASSERT_EQ(0, backend_vmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, backend_vwrite(self->vmm.backend, HANDLE, 0, bytes, sizeof(bytes)));
	gpadl_bytes(&g, self->vmm.mem, seen);
	EXPECT_EQ(0, memcmp(bytes, seen, sizeof(bytes)));
	memset(self->vmm.mem + 3 * HV_PAGE, 'g', HV_PAGE);
	gpadl_bytes(&g, self->vmm.mem, bytes);
	EXPECT_EQ(0, backend_vread(self->vmm.backend, HANDLE, 0, seen, sizeof(seen)));
	EXPECT_EQ(0, memcmp(bytes, seen, sizeof(bytes)));
	EXPECT_EQ(0, backend_vunmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
}

/* ---- A read-only map sees what the guest writes later ---- */

TEST_F(map, read_only_sees_writes_to_untouched_memory)
{
	char byte;

	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	ASSERT_EQ(0, backend_map(self->vmm.backend, HANDLE, MAP_READ_ONLY));
	EXPECT_EQ(0, backend_read(self->vmm.backend, HANDLE, 0, &byte, 1));
	EXPECT_EQ(0, byte);
	self->vmm.mem[0] = 'l';
	EXPECT_EQ(0, backend_read(self->vmm.backend, HANDLE, 0, &byte, 1));
	EXPECT_EQ('l', byte);
}

static char read_byte(const char *from)
{
	return __atomic_load_n(from, __ATOMIC_RELAXED);
}

TEST_F(map, read_only_sees_writes_to_read_memory)
{
	char byte;

	ASSERT_EQ(0, read_byte(self->vmm.mem));
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	ASSERT_EQ(0, backend_map(self->vmm.backend, HANDLE, MAP_READ_ONLY));
	self->vmm.mem[0] = 'l';
	EXPECT_EQ(0, backend_read(self->vmm.backend, HANDLE, 0, &byte, 1));
	EXPECT_EQ('l', byte);
}

TEST_F(map, read_only_sees_writes_to_written_memory)
{
	char byte;

	self->vmm.mem[0] = 'e';
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	ASSERT_EQ(0, backend_map(self->vmm.backend, HANDLE, MAP_READ_ONLY));
	EXPECT_EQ(0, backend_read(self->vmm.backend, HANDLE, 0, &byte, 1));
	EXPECT_EQ('e', byte);
	self->vmm.mem[0] = 'l';
	EXPECT_EQ(0, backend_read(self->vmm.backend, HANDLE, 0, &byte, 1));
	EXPECT_EQ('l', byte);
}

/* By a kernel thread, which takes another way to the pages */
TEST_F(map, read_only_by_a_kernel_thread_sees_writes)
{
	char byte;

	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	ASSERT_EQ(0, backend_map_by_kthread(self->vmm.backend, HANDLE, MAP_READ_ONLY));
	self->vmm.mem[0] = 'l';
	EXPECT_EQ(0, backend_read(self->vmm.backend, HANDLE, 0, &byte, 1));
	EXPECT_EQ('l', byte);
}

TEST_F(map, read_only_refuses_writes)
{
	char byte = 'x';

	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	ASSERT_EQ(0, backend_map(self->vmm.backend, HANDLE, MAP_READ_ONLY));
	EXPECT_EQ(-EACCES, backend_write(self->vmm.backend, HANDLE, 0, &byte, 1));
	EXPECT_EQ(1 /* DMA_TO_DEVICE */, backend_dma_dir(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, backend_vmap(self->vmm.backend, HANDLE));
	self->vmm.mem[0] = 'v';
	EXPECT_EQ(0, backend_vread(self->vmm.backend, HANDLE, 0, &byte, 1));
	EXPECT_EQ('v', byte);
}

/* ---- Sizes, each the first or the last that takes so many messages ---- */

FIXTURE(map_size) {
	struct vmm vmm;
};

FIXTURE_VARIANT(map_size) {
	unsigned int pages;
	__u32 resident;
};

FIXTURE_VARIANT_ADD(map_size, 1) { .pages = 1 };
FIXTURE_VARIANT_ADD(map_size, 26) { .pages = 26 };
FIXTURE_VARIANT_ADD(map_size, 27) { .pages = 27 };
FIXTURE_VARIANT_ADD(map_size, 54) { .pages = 54 };
FIXTURE_VARIANT_ADD(map_size, 55) { .pages = 55 };
FIXTURE_VARIANT_ADD(map_size, 4096) { .pages = 4096 };
FIXTURE_VARIANT_ADD(map_size, 7936) { .pages = 7936 };
FIXTURE_VARIANT_ADD(map_size, 8190) { .pages = 8190 };
FIXTURE_VARIANT_ADD(map_size, 8190_resident) { .pages = 8190, RESIDENT };

FIXTURE_SETUP(map_size)
{
	vmm_resident = variant->resident;
	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
	vmm_open_channel(_metadata, &self->vmm);
}

FIXTURE_TEARDOWN(map_size)
{
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

/* The memory is smaller than the largest of them: pages repeat */
TEST_F(map_size, bytes)
{
	struct guest_gpadl g;

	gpadl_init(&g, HANDLE);
	gpadl_range(&g, 0, variant->pages * HV_PAGE);
	while (g.nr_words <= variant->pages)
		gpadl_pages(&g, MEM_PFN + g.nr_words % MEM_PAGES, 1);
	check_bytes(_metadata, &self->vmm, &g, 0);
}

TEST_HARNESS_MAIN
