// SPDX-License-Identifier: GPL-2.0
/*
 * Map and unmap, by the yardstick and by us, in every case.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "bench_user.h"

enum thread {
	THREAD_OWN,
	THREAD_KERNEL,
	THREAD_FOREIGN,
};

static const char *const thread_names[] = { "own", "kernel", "foreign" };
static const char *const holding_names[] = { "demand", "resident" };
static const char *const sg_names[] = { "from_pages", "merged", "single" };
static const char *const unpin_names[] = { "ranges", "pages" };

#define NR_WAYS	(BENCH_NR_SG * BENCH_NR_UNPIN)

/* What is timed, and what has come out; by both ways. @tried: each way of the yardstick */
struct result {
	__u32 pages;
	struct bench_time yard;
	struct bench_time ours;
	__u64 tried[NR_WAYS];
};

/* @packet: a packet names the pages, and not a GPADL */
struct point {
	enum layout layout;
	__u32 pages;
	bool read_only;
	bool packet;
	enum thread thread;
};

/* ---- One GPADL ---- */

static __u64 cost(const struct bench_time *t)
{
	return t->map_ns + t->unmap_ns;
}

/* Try every way once, then measure the best: it is the yardstick. */
static void time_yardstick(int fd, struct result *r)
{
	struct bench_time best = {}, try = r->yard;
	int i;

	try.rounds = rounds_for(r->pages) / 2;
	for (i = 0; i < NR_WAYS; i++) {
		try.sg = i / BENCH_NR_UNPIN;
		try.unpin = i % BENCH_NR_UNPIN;
		bench_time(fd, &try);
		r->tried[i] = cost(&try);
		if (!best.rounds || cost(&try) < cost(&best))
			best = try;
	}
	best.rounds = rounds_for(r->pages);
	bench_time(fd, &best);
	r->yard = best;
}

/* Only what we take is of interest: the yardstick says just which pages there are. */
static bool ours_only;

/* The first map finds what no later one does: it does not count. */
static void time_both(int fd, const struct point *p, struct result *r)
{
	struct bench_time t = {
		.handle = HANDLE,
		.read_only = p->read_only,
		.kthread = p->thread == THREAD_KERNEL,
		.rounds = 1,
	};

	if (!r->yard.rounds) {
		r->yard = t;
		r->yard.what = p->packet ? BENCH_PACKET_YARD : BENCH_YARD;
		bench_time(fd, &r->yard);
		if (!ours_only)
			time_yardstick(fd, r);
	}
	r->ours = t;
	r->ours.what = p->packet ? BENCH_PACKET : BENCH_OURS;
	bench_time(fd, &r->ours);
	r->ours.rounds = rounds_for(r->pages);
	bench_time(fd, &r->ours);
	if (r->ours.pages != r->yard.pages)
		die("the two ways do not map the same pages");
}

/* In a process that is not the VMM; what comes out is in shared memory. */
static void time_foreign(int fd, const struct point *p, struct result *r)
{
	static struct result *shared;
	int status;
	pid_t pid;

	if (!shared)
		shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*shared = *r;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		time_both(fd, p, shared);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		die("the foreign process failed");
	*r = *shared;
}

static void result_of(int fd, const struct point *p, const struct list *l,
		      const void *mem, struct result *r)
{
	r->pages = l->nr;
	if (p->packet)
		bench_packet(fd, l);
	else
		bench_gpadl(fd, HANDLE, l, mem);
	if (p->thread == THREAD_FOREIGN)
		time_foreign(fd, p, r);
	else
		time_both(fd, p, r);
	if (!p->packet)
		bench_gpadl_end(fd, HANDLE);
}

/* ---- Cases ---- */

static void print_head(void)
{
	int i;

	printf("source,holding,memory,layout,pages,access,thread,yard_sg,yard_unpin,");
	printf("yard_map,yard_unmap,yard_entries,map,unmap,entries");
	for (i = 0; i < NR_WAYS; i++)
		printf(",%s+%s", sg_names[i / BENCH_NR_UNPIN],
		       unpin_names[i % BENCH_NR_UNPIN]);
	printf("\n");
}

static void print(enum holding holding, const char *memory, const char *layout,
		  const struct point *p, const struct result *r)
{
	int i;

	printf("%s,%s,%s,%s,%u,%s,%s,%s,%s,%llu,%llu,%u,%llu,%llu,%u",
	       p->packet ? "packet" : "gpadl", holding_names[holding], memory, layout, r->pages,
	       p->read_only ? "ro" : "rw", thread_names[p->thread],
	       sg_names[r->yard.sg], unpin_names[r->yard.unpin],
	       r->yard.map_ns, r->yard.unmap_ns, r->yard.entries,
	       r->ours.map_ns, r->ours.unmap_ns, r->ours.entries);
	for (i = 0; i < NR_WAYS; i++)
		printf(",%llu", r->tried[i]);
	printf("\n");
	fflush(stdout);
}

/* Files: of the guest on demand, and of the resident one; memory is the same. */
struct pair {
	const char *memory;
	void *mem;
	int fd[2];
};

static void run_point(const struct pair *pair, const struct point *p)
{
	static struct list l;
	struct result r = {};
	int h;

	list_make(&l, p->layout, p->pages);
	for (h = HOLD_DEMAND; h <= HOLD_RESIDENT; h++) {
		result_of(pair->fd[h], p, &l, pair->mem, &r);
		print(h, pair->memory, layout_names[p->layout], p, &r);
	}
}

static void add_time(struct bench_time *sum, const struct bench_time *t)
{
	sum->sg = t->sg;
	sum->unpin = t->unpin;
	sum->map_ns += t->map_ns;
	sum->unmap_ns += t->unmap_ns;
	sum->entries += t->entries;
}

static void add_result(struct result *sum, const struct result *r)
{
	int i;

	sum->pages += r->pages;
	add_time(&sum->yard, &r->yard);
	add_time(&sum->ours, &r->ours);
	for (i = 0; i < NR_WAYS; i++)
		sum->tried[i] += r->tried[i];
}

/* The large buffers of real guests, all of them, summed */
static void run_real(const struct pair *pair)
{
	static struct list l;
	struct result sum[2] = {};
	struct point p = {};
	unsigned int i;
	int h;

	for (i = 0; list_real(&l, i); i++) {
		struct result r = {};

		for (h = HOLD_DEMAND; h <= HOLD_RESIDENT; h++) {
			result_of(pair->fd[h], &p, &l, pair->mem, &r);
			add_result(&sum[h], &r);
		}
	}
	for (h = HOLD_DEMAND; h <= HOLD_RESIDENT; h++)
		print(h, pair->memory, "real", &p, &sum[h]);
}

static const __u32 sizes[] = { 8, 64, 256, 4096, 7936, 8190 };
#define NR_QUICK	3

static void run_layouts(const struct pair *pair, bool quick)
{
	struct point p = {};
	unsigned int i;

	for (p.layout = LAYOUT_CONTIGUOUS; p.layout <= LAYOUT_SHUFFLED; p.layout++) {
		for (i = 0; i < (quick ? NR_QUICK : ARRAY_SIZE(sizes)); i++) {
			p.pages = sizes[i];
			run_point(pair, &p);
		}
	}
}

/* Which thread maps, and for what: of the smallest and of a large one */
static void run_threads(const struct pair *pair, bool quick)
{
	static const __u32 pages[] = { 8, 7936 };
	static const enum layout layouts[] = { LAYOUT_CONTIGUOUS, LAYOUT_SHUFFLED };
	int i, j;

	for (i = 0; i < (quick ? 1 : 2); i++) {
		for (j = 0; j < 2; j++) {
			struct point p = { .layout = layouts[j], .pages = pages[i] };

			p.thread = THREAD_KERNEL;
			run_point(pair, &p);
			p.thread = THREAD_FOREIGN;
			run_point(pair, &p);
			p.thread = THREAD_OWN;
			p.read_only = true;
			run_point(pair, &p);
		}
	}
}

void cases_run(bool quick)
{
	unsigned int i;

	print_head();
	for (i = 0; i < NR_MEMORIES; i++) {
		struct pair pair = { .memory = memories[i].name };

		pair.mem = guest_memory(memories[i].kind);
		pair.fd[HOLD_DEMAND] = bench_guest(pair.mem, false);
		pair.fd[HOLD_RESIDENT] = bench_guest(pair.mem, true);
		run_layouts(&pair, quick);
		if (!quick)
			run_real(&pair);
		run_threads(&pair, quick);
		close(pair.fd[HOLD_DEMAND]);
		close(pair.fd[HOLD_RESIDENT]);
		guest_memory_free(pair.mem);
	}
}

/* ---- Packets ---- */

/* Whatever is in a packet, to map it allocates nothing. */
static void expect_no_allocation(int fd)
{
	struct bench_time t = { .what = BENCH_PACKET, .rounds = 100 };
	struct bench_allocs a;

	allocs_watch(fd);
	bench_time(fd, &t);
	a = allocs_seen(fd);
	if (a.calls)
		die("%llu allocations in %u maps of a packet", a.calls, t.rounds);
}

void packets_run(void)
{
	static const __u32 pages[] = { 1, 8, 64, 256 };
	static const enum layout layouts[] = { LAYOUT_CONTIGUOUS, LAYOUT_SHUFFLED };
	struct point p = { .packet = true };
	unsigned int i, j, k;

	print_head();
	for (i = 0; i < NR_MEMORIES; i++) {
		struct pair pair = { .memory = memories[i].name };

		pair.mem = guest_memory(memories[i].kind);
		pair.fd[HOLD_DEMAND] = bench_guest(pair.mem, false);
		pair.fd[HOLD_RESIDENT] = bench_guest(pair.mem, true);
		for (j = 0; j < ARRAY_SIZE(layouts); j++) {
			p.layout = layouts[j];
			for (k = !!j; k < ARRAY_SIZE(pages); k++) {
				p.pages = pages[k];
				run_point(&pair, &p);
				expect_no_allocation(pair.fd[HOLD_DEMAND]);
				expect_no_allocation(pair.fd[HOLD_RESIDENT]);
			}
		}
		close(pair.fd[HOLD_DEMAND]);
		close(pair.fd[HOLD_RESIDENT]);
		guest_memory_free(pair.mem);
	}
}

/*
 * What real guests have, rings and large buffers, and for each way of the mapper the list that
 * is best for it: to be compared with a mapper that lacks that way.
 */
void ways_run(void)
{
	static const struct point points[] = {
		{ LAYOUT_CONTIGUOUS, 8 }, { LAYOUT_CONTIGUOUS, 64 }, { LAYOUT_CONTIGUOUS, 256 },
		{ LAYOUT_SHUFFLED, 64 }, { LAYOUT_SHUFFLED, 7936 },
		{ LAYOUT_CONTIGUOUS, 256, .packet = true },
		{ LAYOUT_SHUFFLED, 64, .packet = true },
	};
	unsigned int i, j;

	ours_only = true;
	print_head();
	for (i = 0; i < NR_MEMORIES; i++) {
		struct pair pair = { .memory = memories[i].name };

		pair.mem = guest_memory(memories[i].kind);
		pair.fd[HOLD_DEMAND] = bench_guest(pair.mem, false);
		pair.fd[HOLD_RESIDENT] = bench_guest(pair.mem, true);
		run_real(&pair);
		for (j = 0; j < ARRAY_SIZE(points); j++)
			run_point(&pair, &points[j]);
		close(pair.fd[HOLD_DEMAND]);
		close(pair.fd[HOLD_RESIDENT]);
		guest_memory_free(pair.mem);
	}
}

/* ---- Where the instructions go ---- */

static char text[4 << 20];

static void step(int fd, struct bench_time *t)
{
	struct bench_profile p = { .time = *t, .data = PTR(text), .len = sizeof(text) };

	if (ioctl(fd, BENCH_PROFILE, &p))
		die("there is no profile: %s", strerror(errno));
	fwrite(text, 1, p.len, stdout);
}

static int find(const char *name, const char *const *names, int nr)
{
	while (nr--)
		if (!strcmp(name, names[nr]))
			return nr;
	die("what is '%s'?", name);
}

/* The list that is called so; of real guests' lists the longest */
static void list_named(struct list *l, const char *name, __u32 pages)
{
	static struct list try;
	unsigned int i;

	if (strcmp(name, "real")) {
		list_make(l, find(name, layout_names, LAYOUT_SHUFFLED + 1), pages);
		return;
	}
	l->nr = 0;
	for (i = 0; list_real(&try, i); i++)
		if (try.nr > l->nr)
			*l = try;
}

void profile_run(const char *name)
{
	char holding[16], memory[16], layout[16], who[16];
	const char *names[NR_MEMORIES];
	static struct list l;
	struct point p = {};
	struct result r = {};
	unsigned int i;
	__u32 pages, len, nr;
	void *mem;
	int fd;

	if (sscanf(name, "ring,%15[^,],%u,%u", who, &len, &nr) == 3) {
		ring_profile(who, len, nr);
		return;
	}
	p.packet = !strncmp(name, "packet,", 7);
	if (p.packet)
		name += 7;
	if (sscanf(name, "%15[^,],%15[^,],%15[^,],%u,%15s", holding, memory, layout, &pages,
		   who) != 5 || pages > MAX_PAGES)
		die("a profile: [packet,]HOLDING,MEMORY,LAYOUT,PAGES,WHO or ring,WAY,BYTES,BATCH");
	for (i = 0; i < NR_MEMORIES; i++)
		names[i] = memories[i].name;
	mem = guest_memory(memories[find(memory, names, NR_MEMORIES)].kind);
	fd = bench_guest(mem, find(holding, holding_names, 2) == HOLD_RESIDENT);
	list_named(&l, layout, pages);
	if (p.packet)
		bench_packet(fd, &l);
	else
		bench_gpadl(fd, HANDLE, &l, mem);
	r.pages = l.nr;
	time_both(fd, &p, &r);
	step(fd, strcmp(who, "ours") ? &r.yard : &r.ours);
	if (!p.packet)
		bench_gpadl_end(fd, HANDLE);
	close(fd);
	guest_memory_free(mem);
}
