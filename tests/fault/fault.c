// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fault.h"

#define DEBUGFS		"/sys/kernel/debug"
/* More than any call can meet */
#define MANY		1000000u
#define MAX_WORKERS	64

/* ---- The knobs, open all the time: to open a file allocates ---- */

enum knob { PROBABILITY, TIMES, TASK_FILTER, BEGIN, END, NR_KNOBS };

static const char * const knob_names[NR_KNOBS] = {
	[PROBABILITY] = "probability",
	[TIMES] = "times",
	[TASK_FILTER] = "task-filter",
	[BEGIN] = "require-start",
	[END] = "require-end",
};

enum kind { SLAB, PAGES, USERCOPY, NR_KINDS };

static const char * const kind_names[NR_KINDS] = {
	[SLAB] = "failslab",
	[PAGES] = "fail_page_alloc",
	[USERCOPY] = "fail_usercopy",
};

static int knobs[NR_KINDS][NR_KNOBS];
static int own_nth = -1, own_all = -1;

static void put(int fd, unsigned long value)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%lu", value);

	/* What fails may be this very call, and then the next does not. */
	if (write(fd, text, len) < 0 && write(fd, text, len) < 0)
		perror("fault injection");
}

/* -1: this read has failed, and so nothing has before. */
static long get(int fd)
{
	char text[32] = "";

	return pread(fd, text, sizeof(text) - 1, 0) < 0 ? -1 : strtol(text, NULL, 0);
}

/* A file there can be read only once. */
static long get_knob(enum kind kind, enum knob knob)
{
	char path[128], text[32] = "";
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), DEBUGFS "/%s/%s", kind_names[kind], knob_names[knob]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	return len < 0 ? -1 : strtol(text, NULL, 0);
}

static void put_all(enum knob knob, unsigned long value)
{
	int kind;

	for (kind = 0; kind < NR_KINDS; kind++)
		put(knobs[kind][knob], value);
}

int fault_init(void)
{
	char path[128];
	int kind, knob;

	for (kind = 0; kind < NR_KINDS; kind++) {
		for (knob = 0; knob < NR_KNOBS; knob++) {
			snprintf(path, sizeof(path), DEBUGFS "/%s/%s", kind_names[kind],
				 knob_names[knob]);
			knobs[kind][knob] = open(path, O_RDWR | O_CLOEXEC);
			if (knobs[kind][knob] < 0)
				return -errno;
		}
	}
	own_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	own_all = open("/proc/thread-self/make-it-fail", O_RDWR | O_CLOEXEC);
	if (own_nth < 0 || own_all < 0)
		return -errno;
	put_all(PROBABILITY, 0);
	put_all(TASK_FILTER, 1);
	return 0;
}

static void look_below(struct fault_code where)
{
	/* First the end: with begin and end as at first there is no look at callers. */
	put_all(END, where.end);
	put_all(BEGIN, where.begin);
}

/* ---- Workers ---- */

static struct {
	int fd[MAX_WORKERS];
	unsigned int nr;
} workers;

/* @dir/ID/@file of a thread with such a name; -1: it is another one, or gone */
static int open_worker(const char *dir, const char *id, const char *name, const char *file)
{
	char path[300], comm[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s/comm", dir, id);
	f = fopen(path, "r");
	if (!f)
		return -1;
	if (!fgets(comm, sizeof(comm), f))
		comm[0] = 0;
	fclose(f);
	if (strncmp(comm, name, strlen(name)))
		return -1;
	snprintf(path, sizeof(path), "%s/%s/%s", dir, id, file);
	return open(path, O_RDWR | O_CLOEXEC);
}

static void open_threads(const char *dir, const char *name, const char *file)
{
	DIR *threads = opendir(dir);
	struct dirent *d;
	int fd;

	while (threads && (d = readdir(threads)) && workers.nr < MAX_WORKERS) {
		fd = isdigit(d->d_name[0]) ? open_worker(dir, d->d_name, name, file) : -1;
		if (fd >= 0)
			workers.fd[workers.nr++] = fd;
	}
	if (threads)
		closedir(threads);
}

/* Those of the channels, which are threads of the VMM, and the kernel's unbound ones */
static void open_workers(const char *file)
{
	workers.nr = 0;
	open_threads("/proc/self/task", "vmbus/", file);
	open_threads("/proc", "kworker/u", file);
}

static void put_workers(unsigned long value)
{
	unsigned int i;

	for (i = 0; i < workers.nr; i++)
		put(workers.fd[i], value);
}

static void close_workers(void)
{
	while (workers.nr)
		close(workers.fd[--workers.nr]);
}

/* ---- The nth ---- */

static enum fault_task who;
static unsigned int nth_now;

void fault_begin_nth(enum fault_task task, unsigned int nth, struct fault_code where)
{
	who = task;
	nth_now = nth;
	look_below(where);
	if (who == FAULT_THIS) {
		put(own_nth, nth);
	} else {
		open_workers("fail-nth");
		put_workers(nth);
	}
}

/* One of them has done it, or none of those that were there at the begin. */
static enum fault_result end_workers(void)
{
	enum fault_result result = FAULT_NOT_ARMED;
	unsigned int i;
	long left;

	for (i = 0; i < workers.nr; i++) {
		left = get(workers.fd[i]);
		if (!left)
			result = FAULT_INJECTED;
		else if (left < nth_now && result == FAULT_NOT_ARMED)
			result = FAULT_NONE;
	}
	put_workers(0);
	close_workers();
	return result;
}

enum fault_result fault_end_nth(void)
{
	enum fault_result result;

	if (who == FAULT_THIS) {
		result = get(own_nth) ? FAULT_NONE : FAULT_INJECTED;
		put(own_nth, 0);
	} else {
		result = end_workers();
	}
	look_below(FAULT_ANYWHERE);
	return result;
}

/* ---- All ---- */

void fault_begin_all(enum fault_task task, struct fault_code where)
{
	who = task;
	look_below(where);
	put_all(TIMES, MANY);
	if (who == FAULT_THIS) {
		put(own_all, 1);
	} else {
		open_workers("make-it-fail");
		put_workers(1);
	}
	put(knobs[SLAB][PROBABILITY], 100);
	put(knobs[PAGES][PROBABILITY], 100);
}

enum fault_result fault_end_all(void)
{
	bool injected;

	put_all(PROBABILITY, 0);
	if (who == FAULT_THIS) {
		put(own_all, 0);
	} else {
		put_workers(0);
		close_workers();
	}
	injected = get_knob(SLAB, TIMES) < MANY || get_knob(PAGES, TIMES) < MANY;
	/* As it is at first; fail-nth looks at neither. */
	put_all(TIMES, 1);
	look_below(FAULT_ANYWHERE);
	return injected ? FAULT_INJECTED : FAULT_NONE;
}

/* ---- Code ---- */

struct line {
	unsigned long address;
	char type;
	char name[96];
	char module[64];
};

static bool next_line(FILE *f, struct line *l)
{
	char text[512];

	if (!fgets(text, sizeof(text), f))
		return false;
	l->module[0] = 0;
	return sscanf(text, "%lx %c %95s [%63[^]]]", &l->address, &l->type, l->name,
		      l->module) >= 3;
}

static bool is_function(const struct line *l)
{
	return l->type == 't' || l->type == 'T';
}

static int by_address(const void *a, const void *b)
{
	const struct code_symbol *x = a, *y = b;

	return (x->code.begin > y->code.begin) - (x->code.begin < y->code.begin);
}

size_t code_symbols(const char *module, struct code_symbol *symbols, size_t most)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	struct line l;
	size_t nr = 0, i;

	while (f && nr < most && next_line(f, &l)) {
		if (strcmp(l.module, module) || !is_function(&l))
			continue;
		memcpy(symbols[nr].name, l.name, sizeof(l.name));
		symbols[nr++].code.begin = l.address;
	}
	if (f)
		fclose(f);
	qsort(symbols, nr, sizeof(*symbols), by_address);
	/* The last one ends somewhere in its page. */
	for (i = 0; i < nr; i++)
		symbols[i].code.end = i + 1 < nr ? symbols[i + 1].code.begin :
						   (symbols[i].code.begin | 4095) + 1;
	return nr;
}

struct fault_code code_of_kernel(const char *function)
{
	struct fault_code code = {};
	FILE *f = fopen("/proc/kallsyms", "r");
	struct line l;

	/* Those of the kernel are sorted. */
	while (f && next_line(f, &l)) {
		if (!code.begin && !l.module[0] && !strcmp(l.name, function))
			code.begin = l.address;
		if (code.begin && l.address > code.begin) {
			code.end = l.address;
			break;
		}
	}
	if (f)
		fclose(f);
	return code;
}

struct fault_code code_of_modules(const char *first, const char *other)
{
	struct fault_code code = { ~0ul, 0 };
	FILE *f = fopen("/proc/kallsyms", "r");
	struct line l;

	while (f && next_line(f, &l)) {
		if (!is_function(&l) || (strcmp(l.module, first) && strcmp(l.module, other)))
			continue;
		if (l.address < code.begin)
			code.begin = l.address;
		if ((l.address | 4095) + 1 > code.end)
			code.end = (l.address | 4095) + 1;
	}
	if (f)
		fclose(f);
	return code;
}
