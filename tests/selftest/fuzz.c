// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "fuzz.h"
#include "vmm.h"

/* A life that takes so long hangs. */
#define HANGS_AFTER	60

/* Failures of which more would tell nothing new. */
#define ENOUGH		5

#define PARTITIONS	"/sys/kernel/debug/vmbus_gpadl/*"

struct fuzz_shared *fuzz;

/* ---- Numbers ---- */

/* A counter, stirred: every seed is a good one. */
__u64 roll64(struct dice *d)
{
	__u64 x = d->state += 0x9e3779b97f4a7c15;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

unsigned int fuzz_choose(struct dice *d, const struct fuzz_op *ops, unsigned int nr)
{
	unsigned int i, sum = 0;

	for (i = 0; i < nr; i++)
		sum += ops[i].weight;
	sum = roll(d, sum);
	for (i = 0; sum >= ops[i].weight; i++)
		sum -= ops[i].weight;
	return i;
}

static __u64 number(const char *name, __u64 otherwise)
{
	const char *s = getenv(name);

	return s && *s ? strtoull(s, NULL, 0) : otherwise;
}

/* ---- Shared memory ---- */

void *fuzz_share(unsigned long bytes)
{
	void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			 -1, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

void fuzz_fail(const char *format, ...)
{
	va_list args;

	if (!atomic_exchange(&fuzz->failed, true)) {
		va_start(args, format);
		vsnprintf(fuzz->why, sizeof(fuzz->why), format, args);
		va_end(args);
	}
	_exit(1);
}

void fuzz_count(unsigned int op, int ret)
{
	int error = ret < 0 ? -ret : 0;
	const int *errnos = fuzz->ops[op].errnos;
	unsigned int i = 0;

	if (ret == FUZZ_LATER)
		return;
	fuzz->operations++;
	if (error < FUZZ_ERRNOS)
		fuzz->results[op][error]++;
	while (error && i < FUZZ_MAX_ERRNOS && errnos[i] != error)
		i++;
	if (error && (i == FUZZ_MAX_ERRNOS || !errnos[i]))
		fuzz_fail("%s returned %s", fuzz->ops[op].name, strerrorname_np(error) ?: "?");
}

void fuzz_trace(const char *format, ...)
{
	static int wanted = -1;
	va_list args;

	if (wanted < 0)
		wanted = number("FUZZ_TRACE", 0);
	if (!wanted)
		return;
	va_start(args, format);
	vdprintf(1, format, args);
	va_end(args);
}

unsigned int fuzz_do(struct dice *d, const struct fuzz_op *ops, unsigned int nr, struct life *l)
{
	unsigned int op = fuzz_choose(d, ops, nr);
	int ret = ops[op].run(l);

	fuzz_trace("# %u: %s: %d\n", fuzz->step, ops[op].name, ret);
	fuzz_count(op, ret);
	return op;
}

/* ---- One life ---- */

/* The console is to tell which life it was that took the kernel along. */
static void tell_kernel(const char *name, const struct fuzz_seed *s)
{
	char line[128];
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	int len;

	if (fd < 0)
		return;
	len = snprintf(line, sizeof(line), "fuzz: %s: FUZZ_SEED=%llu FUZZ_OPS=%u\n", name,
		       s->seed, s->length);
	if (write(fd, line, len) != len)
		perror("/dev/kmsg");
	close(fd);
}

static void show_file(const char *path)
{
	char text[2048], *line, *next = text;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[len > 0 ? len : 0] = 0;
	dprintf(1, "# %s:\n", path);
	while ((line = strsep(&next, "\n")))
		dprintf(1, "#   %s\n", line);
}

static void show_files(const char *pattern)
{
	size_t i;
	glob_t g;

	if (glob(pattern, 0, NULL, &g))
		return;
	for (i = 0; i < g.gl_pathc; i++)
		show_file(g.gl_pathv[i]);
	globfree(&g);
}

/* Where each thread of it is, as far as the kernel tells */
static void show_threads(pid_t pid)
{
	char pattern[64];

	snprintf(pattern, sizeof(pattern), "/proc/%d/task/*/stack", pid);
	show_files(pattern);
}

/* Where a process is that waits for what no signal ends */
static void show_stuck(const char *stat)
{
	FILE *f = fopen(stat, "re");
	char state, path[64];
	int pid, fields;

	if (!f)
		return;
	fields = fscanf(f, "%d %*s %c", &pid, &state);
	fclose(f);
	snprintf(path, sizeof(path), "/proc/%d/stack", pid);
	if (fields == 2 && state == 'D')
		show_file(path);
}

/* What is left, and what still holds it */
static void show_left(void)
{
	size_t i;
	glob_t g;

	show_files(PARTITIONS "/*");
	show_files("/sys/kernel/debug/vmbus_host/*");
	if (glob("/proc/[0-9]*/stat", 0, NULL, &g))
		return;
	for (i = 0; i < g.gl_pathc; i++)
		show_stuck(g.gl_pathv[i]);
	globfree(&g);
}

/* Until neither it nor one that it has forked is there any more. Its status, or -1. */
static int await_end(pid_t pid)
{
	int status, result = -1, n;
	pid_t ended;

	for (n = 0; n < HANGS_AFTER * 200; n++) {
		while ((ended = waitpid(-1, &status, WNOHANG)) > 0)
			if (ended == pid)
				result = status;
		if (ended < 0)
			return result;
		usleep(5000);
	}
	show_threads(pid);
	snprintf(fuzz->why, sizeof(fuzz->why), "hangs");
	fuzz->failed = true;
	kill(pid, SIGKILL);
	return -1;
}

static bool no_partition(void)
{
	bool none;
	glob_t g;

	none = glob(PARTITIONS, GLOB_NOSORT, NULL, &g) == GLOB_NOMATCH;
	if (!none)
		globfree(&g);
	return none;
}

static void blame(const char *why, long detail)
{
	if (!atomic_exchange(&fuzz->failed, true))
		snprintf(fuzz->why, sizeof(fuzz->why), "%s: %ld", why, detail);
}

/* All processes have ended. */
static void look_after(int status)
{
	bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;

	if (status && !(killed && fuzz->mortal))
		blame("it ended with status", status);
	if (!WAIT_FOR(no_partition())) {
		blame("a partition is left", 0);
		show_left();
	}
	if (!WAIT_FOR(pinned_pages() == 0))
		blame("pages are pinned", pinned_pages());
}

static bool live(const struct fuzz_kind *kind, const struct fuzz_seed *s)
{
	pid_t pid;

	tell_kernel(kind->name, s);
	fuzz->step = 0;
	fuzz->mortal = false;
	fuzz->end = 0;
	fuzz->failed = false;
	if (kind->before)
		kind->before();
	pid = fork();
	if (!pid) {
		kind->life(s->seed, s->length);
		_exit(0);
	}
	if (pid < 0)
		blame("fork", errno);
	else
		look_after(await_end(pid));
	if (fuzz->failed)
		dprintf(1, "# FUZZ_SEED=%llu FUZZ_OPS=%u scripts/fuzz.sh %s: operation %u: %s\n",
			s->seed, s->length, kind->name, fuzz->step, fuzz->why);
	return !fuzz->failed;
}

/* ---- All of them ---- */

static void report_op(const struct fuzz_kind *kind, unsigned int op)
{
	char line[512];
	unsigned int n;
	int error;

	n = snprintf(line, sizeof(line), "# %-10s", kind->ops[op].name);
	for (error = 0; error < FUZZ_ERRNOS; error++)
		if (fuzz->results[op][error])
			n += snprintf(line + n, sizeof(line) - n, " %s %u",
				      error ? strerrorname_np(error) ?: "?" : "ok",
				      fuzz->results[op][error]);
	dprintf(1, "%s\n", line);
}

static void report(const struct fuzz_kind *kind, unsigned int lives, __u64 base,
		   unsigned int failed)
{
	unsigned int i, seen = 0;

	dprintf(1, "# What operations returned:\n");
	for (i = 0; i < kind->nr_ops; i++)
		report_op(kind, i);
	dprintf(1, "# States that were seen, and how often:\n");
	for (i = 0; i < kind->nr_states; i++) {
		if (!fuzz->states[i])
			continue;
		seen++;
		dprintf(1, "# %8u %s\n", fuzz->states[i], kind->state_name(i));
	}
	dprintf(1, "# %s: %u lives, %lu operations, %u states seen, FUZZ_BASE=%llu, %u failed\n",
		kind->name, lives, fuzz->operations, seen, base, failed);
}

/* A seed must lead to the same sequence each time. */
static bool repeats(const struct fuzz_kind *kind, const struct fuzz_seed *s)
{
	__u64 end;

	if (!live(kind, s))
		return false;
	end = fuzz->end;
	return live(kind, s) && end && fuzz->end == end;
}

static unsigned int run_seeds(const struct fuzz_kind *kind, unsigned int *lives)
{
	unsigned int i, failed = 0;

	for (i = 0; i < kind->nr_seeds; i++)
		failed += !live(kind, &kind->seeds[i]);
	if (!repeats(kind, &kind->seeds[0])) {
		dprintf(1, "# the first seed leads to one sequence, then to another\n");
		failed++;
	}
	*lives += kind->nr_seeds + 2;
	return failed;
}

unsigned int fuzz_run(const struct fuzz_kind *kind)
{
	struct fuzz_seed s = {
		.seed = number("FUZZ_SEED", 0),
		.length = number("FUZZ_OPS", kind->length),
	};
	__u64 base = number("FUZZ_BASE", time(NULL));
	time_t end = time(NULL) + number("FUZZ_SECONDS", 0);
	unsigned int lives = 0, failed = 0;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	fuzz = fuzz_share(sizeof(*fuzz));
	if (!fuzz)
		return 1;
	fuzz->ops = kind->ops;
	if (s.seed) {
		for (lives = 0; !failed && lives < number("FUZZ_TIMES", 1); lives++)
			failed = !live(kind, &s);
	} else {
		failed = run_seeds(kind, &lives);
		for (s.seed = base; time(NULL) < end && failed < ENOUGH; s.seed++, lives++)
			failed += !live(kind, &s);
	}
	report(kind, lives, base, failed);
	return failed;
}
