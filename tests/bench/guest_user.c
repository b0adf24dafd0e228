// SPDX-License-Identifier: GPL-2.0
/*
 * Guests of /dev/vmbus-gpadl-bench, and their GPADLs.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "bench_user.h"

const struct memory_name memories[NR_MEMORIES] = {
	{ MEM_MEMFD, "shmem" },
	{ MEM_THP, "thp" },
	{ MEM_HUGETLB_MEMFD, "hugetlb" },
};

/*
 * Touched here and there, as guests do: small pages that adjoin in the VMM's addresses do
 * not adjoin physically then, whatever memory the machine happens to have. Not for
 * children.
 */
void *guest_memory(enum memory kind)
{
	static struct list l;
	char *mem = memory_alloc(kind, MEM_BYTES);
	size_t done;
	__u32 i;

	if (!mem)
		die("no memory for a guest: %s", strerror(errno));
	list_make(&l, LAYOUT_SHUFFLED, MAX_PAGES);
	for (done = 0; done < MEM_BYTES; done += MAX_PAGES * HV_PAGE)
		for (i = 0; i < MAX_PAGES; i++)
			if (done + l.pfn[i] * HV_PAGE < MEM_BYTES)
				mem[done + l.pfn[i] * HV_PAGE] = 0x5a;
	if (madvise(mem, MEM_BYTES, MADV_DONTFORK))
		die("madvise: %s", strerror(errno));
	return mem;
}

void guest_memory_free(void *mem)
{
	munmap(mem, MEM_BYTES);
}

static int bench_open(void)
{
	int fd = open("/dev/vmbus-gpadl-bench", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("/dev/vmbus-gpadl-bench: %s", strerror(errno));
	return fd;
}

int bench_guest(const void *mem, bool resident)
{
	struct bench_create c = {
		.hva = PTR(mem),
		.bytes = MEM_BYTES,
		.resident = resident,
	};
	int fd = bench_open();

	if (ioctl(fd, BENCH_CREATE, &c))
		die("a guest: %s", strerror(errno));
	return fd;
}

void gpadl_prepare(struct guest_gpadl *g, __u32 handle, const struct list *l)
{
	__u32 i;

	gpadl_init(g, handle);
	gpadl_range(g, 0, l->nr * HV_PAGE);
	for (i = 0; i < l->nr; i++)
		gpadl_pages(g, l->pfn[i], 1);
}

void gpadl_create(int fd, __u32 relid, const struct guest_gpadl *g)
{
	struct reply r;

	if (guest_gpadl(fd, relid, g, false))
		die("a message of GPADL %#x is refused", g->handle);
	r = reply_read(fd);
	if (r.type != MSG_GPADL_CREATED || r.handle != g->handle || r.status)
		die("GPADL %#x is not created: %#x", g->handle, r.status);
}

void gpadl_tear_down(int fd, __u32 relid, __u32 handle)
{
	struct reply r;

	if (guest_teardown(fd, relid, handle))
		die("the teardown of GPADL %#x is refused", handle);
	r = reply_read(fd);
	if (r.type != MSG_GPADL_TORNDOWN || r.handle != handle)
		die("GPADL %#x is not torn down", handle);
}

/* The runs of a list, upwards only, as the kernel's pin function takes them */
static __u32 list_runs(const struct list *l, const void *mem, struct bench_run *runs)
{
	__u32 i, nr = 0;

	for (i = 0; i < l->nr; i++) {
		if (i && l->pfn[i] == l->pfn[i - 1] + 1) {
			runs[nr - 1].nr++;
			continue;
		}
		runs[nr++] = (struct bench_run) {
			.hva = PTR(mem) + l->pfn[i] * HV_PAGE,
			.nr = 1,
		};
	}
	return nr;
}

void bench_gpadl(int fd, __u32 handle, const struct list *l, const void *mem)
{
	static struct bench_run runs[MAX_PAGES];
	static struct guest_gpadl g;
	struct bench_yardstick y = {
		.handle = handle,
		.nr_runs = list_runs(l, mem, runs),
		.runs = PTR(runs),
	};

	gpadl_prepare(&g, handle, l);
	gpadl_create(fd, BENCH_RELID, &g);
	if (ioctl(fd, BENCH_YARDSTICK, &y))
		die("the yardstick: %s", strerror(errno));
}

void bench_gpadl_end(int fd, __u32 handle)
{
	gpadl_tear_down(fd, BENCH_RELID, handle);
}

void bench_packet(int fd, const struct list *l)
{
	static __u64 words[MAX_PAGES + 1];
	struct bench_packet p = {
		.nr_words = l->nr + 1,
		.nr_ranges = 1,
		.words = PTR(words),
	};

	words[0] = range_word(0, l->nr * HV_PAGE);
	memcpy(words + 1, l->pfn, l->nr * sizeof(*words));
	if (ioctl(fd, BENCH_SET_PACKET, &p))
		die("a packet: %s", strerror(errno));
}

void bench_time(int fd, struct bench_time *t)
{
	static const char *const names[] = {
		[BENCH_OURS] = "a GPADL",
		[BENCH_YARD] = "the yardstick's GPADL",
		[BENCH_PACKET] = "a packet",
		[BENCH_PACKET_YARD] = "the yardstick's packet",
		[BENCH_LOOKUP] = "a GPADL",
	};

	if (ioctl(fd, BENCH_TIME, t))
		die("%s cannot be mapped: %s", names[t->what], strerror(errno));
}

void allocs_watch(int fd)
{
	if (ioctl(fd, BENCH_ALLOCS_BEGIN))
		die("allocations cannot be watched: %s", strerror(errno));
}

struct bench_allocs allocs_seen(int fd)
{
	struct bench_allocs a;

	if (ioctl(fd, BENCH_ALLOCS_END, &a))
		die("allocations were not watched: %s", strerror(errno));
	return a;
}
