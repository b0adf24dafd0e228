// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the guests are: files of processes that lead to /dev/vmbus-host; and, for root, the
 * partitions in debugfs whose VMM has ended.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gpadlctl.h"

/* An fdinfo is as long as there are channels and GPADLs that are stuck. */
#define FILE_MAX_BYTES	(64 * 1024 * 1024)

const char *root = "";

const char *rooted(const char *format, ...)
{
	static char paths[4][1024];
	static unsigned int next;
	char *path = paths[next++ % ARRAY_SIZE(paths)];
	va_list args;
	int n;

	n = snprintf(path, sizeof(paths[0]), "%s", root);
	if (n < 0 || n >= (int)sizeof(paths[0]))
		return path;
	va_start(args, format);
	vsnprintf(path + n, sizeof(paths[0]) - n, format, args);
	va_end(args);
	return path;
}

static char *read_all(int fd)
{
	size_t size = 16384, len = 0;
	char *text = malloc(size), *more;
	ssize_t n;

	while (text) {
		n = read(fd, text + len, size - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += n;
		if (len < size - 1)
			continue;
		more = size < FILE_MAX_BYTES ? realloc(text, size *= 2) : NULL;
		if (!more)
			free(text);
		text = more;
	}
	if (!text) {
		errno = ENOMEM;
		return NULL;
	}
	text[len] = 0;
	if (n == 0)
		return text;
	free(text);
	return NULL;
}

char *read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), saved;
	char *text;

	if (fd < 0)
		return NULL;
	text = read_all(fd);
	saved = errno;
	close(fd);
	errno = saved;
	return text;
}

/* ---- Guests ---- */

static bool is_number(const char *s)
{
	if (!isdigit((unsigned char)*s))
		return false;
	while (isdigit((unsigned char)*s))
		s++;
	return !*s;
}

static void name_process(struct guest *g)
{
	char *name = read_file(rooted("/proc/%d/comm", g->pid));
	size_t i, len = name ? strcspn(name, "\n") : 0;

	for (i = 0; i < len && i < sizeof(g->command) - 1; i++)
		g->command[i] = isprint((unsigned char)name[i]) ? name[i] : '?';
	g->command[i] = 0;
	free(name);
}

static int add_guest(struct guests *all, pid_t pid, int fd, const char *text)
{
	struct guest g = { .pid = pid, .fd = fd }, *more;
	int ret = guest_parse(&g, text);

	if (ret) {
		guest_free(&g);
		/* A driver that shows nothing here is older than this. */
		return ret == -ENOENT ? 0 : ret;
	}
	name_process(&g);
	more = realloc(all->list, (all->nr + 1) * sizeof(g));
	if (!more) {
		guest_free(&g);
		return -ENOMEM;
	}
	all->list = more;
	all->list[all->nr++] = g;
	return 0;
}

/*
 * As the kernel has it: a file system is not asked, be it one whose server is dead, which would
 * hold up whoever asks.
 */
static bool is_device(const char *path, struct statx *st)
{
	return !statx(AT_FDCWD, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, st) &&
	       S_ISCHR(st->stx_mode);
}

/* What asks for more than this user has: the process is there, and is not looked into. */
static bool is_refused(void)
{
	return errno == EACCES || errno == EPERM;
}

/* Whether a file of a process is the device, in @ours; returns false if that cannot be seen. */
static bool look_at_file(pid_t pid, const char *fd, bool *ours)
{
	const char *path = rooted("/proc/%d/fd/%s", pid, fd);
	struct statx file, device;
	char target[64];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	*ours = false;
	/* The directory can be read by root, its links only with CAP_SYS_PTRACE. */
	if (n < 0)
		return !is_refused();
	/* Of sockets, pipes and the like */
	if (!n || *target != '/')
		return true;
	target[n] = 0;
	/* A VMM in a jail has it by another name. */
	*ours = !strcmp(target, "/dev/vmbus-host") ||
		(is_device(path, &file) && is_device(rooted("/dev/vmbus-host"), &device) &&
		 file.stx_rdev_major == device.stx_rdev_major &&
		 file.stx_rdev_minor == device.stx_rdev_minor);
	return true;
}

static int find_in_process(struct guests *all, pid_t pid)
{
	DIR *fds = opendir(rooted("/proc/%d/fd", pid));
	/* One that has ended meanwhile is no news. */
	bool unreadable = !fds && is_refused(), ours;
	struct dirent *d;
	char *text;
	int ret = 0;

	while (fds && !ret && (d = readdir(fds))) {
		if (!is_number(d->d_name))
			continue;
		if (!look_at_file(pid, d->d_name, &ours))
			unreadable = true;
		if (!ours)
			continue;
		text = read_file(rooted("/proc/%d/fdinfo/%s", pid, d->d_name));
		if (text)
			ret = add_guest(all, pid, atoi(d->d_name), text);
		else if (is_refused())
			unreadable = true;
		free(text);
	}
	if (fds)
		closedir(fds);
	all->nr_unreadable += unreadable;
	return ret;
}

static int compare_guests(const void *a, const void *b)
{
	const struct guest *x = a, *y = b;

	/* A file that is no guest yet has no partition: its number says nothing. */
	if (x->is_partition != y->is_partition)
		return x->is_partition ? -1 : 1;
	if (x->partition != y->partition)
		return x->partition < y->partition ? -1 : 1;
	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->fd < y->fd ? -1 : x->fd > y->fd;
}

/* A file that several have open is one guest: that of the owner is the one that stays. */
static void drop_copies(struct guests *all)
{
	struct guest *a, *b;
	unsigned int i, n = 0;

	for (i = 0; i < all->nr; i++) {
		a = n ? &all->list[n - 1] : NULL;
		b = &all->list[i];
		if (!a || !a->is_partition || !b->is_partition || a->partition != b->partition) {
			all->list[n++] = *b;
		} else if ((__u64)b->pid == b->owner && (__u64)a->pid != a->owner) {
			guest_free(a);
			*a = *b;
		} else {
			guest_free(b);
		}
	}
	all->nr = n;
}

int guests_find(struct guests *all)
{
	DIR *proc = opendir(rooted("/proc"));
	struct dirent *d;
	int ret = 0;

	*all = (struct guests){};
	if (!proc)
		return -errno;
	while (!ret && (d = readdir(proc)))
		if (is_number(d->d_name))
			ret = find_in_process(all, atoi(d->d_name));
	closedir(proc);
	/* Whoever does not see init sees no process of others: how many there are, nobody says. */
	all->hidden = access(rooted("/proc/1"), F_OK) && errno == ENOENT;
	all->nr_unreadable += all->hidden;
	if (all->nr)
		qsort(all->list, all->nr, sizeof(*all->list), compare_guests);
	drop_copies(all);
	return ret;
}

void guests_free(struct guests *all)
{
	unsigned int i;

	for (i = 0; i < all->nr; i++)
		guest_free(&all->list[i]);
	free(all->list);
}

struct guest *guests_select(struct guests *all, const char *which)
{
	unsigned long n;
	unsigned int i;

	if (!is_number(which))
		return NULL;
	n = strtoul(which, NULL, 10);
	for (i = 0; i < all->nr; i++)
		if (all->list[i].is_partition && all->list[i].partition == n)
			return &all->list[i];
	for (i = 0; i < all->nr; i++)
		if ((unsigned long)all->list[i].pid == n || all->list[i].owner == n)
			return &all->list[i];
	return NULL;
}

/* ---- Partitions that nobody has open any more ---- */

static const char orphans_dir[] = "/sys/kernel/debug/vmbus_gpadl";

/* 0 if it is not there */
static __u64 stat_of(const char *stats, const char *key)
{
	const char *line = strstr(stats, key);

	return line ? strtoull(line + strlen(key), NULL, 10) : 0;
}

static const char *next_line(const char *line)
{
	line = strchr(line, '\n');
	return line ? line + 1 : NULL;
}

static void orphan_requests(struct orphan *o, const char *requests)
{
	unsigned int relid, nr;
	const char *line;

	for (line = requests; line && *line; line = next_line(line)) {
		if (sscanf(line, "%u %u", &relid, &nr) != 2)
			continue;
		o->in_flight += nr;
		if (nr <= o->most)
			continue;
		o->most = nr;
		o->most_relid = relid;
	}
}

/* Of the text of debugfs, which is no interface: what does not match is left out. */
int orphan_parse(struct orphan *o, const char *stats, const char *gpadls, const char *requests)
{
	unsigned int relid, handle, age;
	const char *line;
	char state[16];

	if (!strstr(stats, "pinned host pages"))
		return -ENOENT;
	o->pinned_pages = stat_of(stats, "pinned host pages");
	o->request_pages = stat_of(stats, "requests' host pages");
	o->owner = stat_of(stats, "owner pid");
	orphan_requests(o, requests);
	for (line = gpadls; line && *line; line = next_line(line)) {
		if (sscanf(line, "%u %x %15s %*s %*u %*u %*u %*u %u", &relid, &handle, state,
			   &age) != 4 || !strstr(state, "MAP"))
			continue;
		o->mapped++;
		if (o->mapped > 1 && age <= o->age)
			continue;
		o->relid = relid;
		o->handle = handle;
		o->age = age;
	}
	return 0;
}

static bool is_open(const struct guests *guests, unsigned int partition)
{
	unsigned int i;

	for (i = 0; i < guests->nr; i++)
		if (guests->list[i].is_partition && guests->list[i].partition == partition)
			return true;
	return false;
}

/* A process of which nothing is left but its exit status has ended. */
static bool lives(pid_t pid)
{
	char *status = read_file(rooted("/proc/%d/status", pid));
	bool ended = status && strstr(status, "\nState:\tZ") &&
		     strstr(status, "\nThreads:\t1\n");

	free(status);
	return !ended && !access(rooted("/proc/%d", pid), F_OK);
}

/* The number may be that of a new partition, made since the processes were looked at. */
static bool owner_has_it(const struct orphan *o, struct guests *now)
{
	return !find_in_process(now, o->owner) && is_open(now, o->partition);
}

/* Returns whether nobody has it open that can be looked at. */
static bool orphan_look(struct orphan *o, const struct guests *guests)
{
	char *stats, *gpadls, *requests;
	struct guests now = {};
	bool is_one;

	if (is_open(guests, o->partition))
		return false;
	stats = read_file(rooted("%s/%u/stats", orphans_dir, o->partition));
	gpadls = read_file(rooted("%s/%u/gpadls", orphans_dir, o->partition));
	requests = read_file(rooted("%s/%u/requests", orphans_dir, o->partition));
	is_one = stats && gpadls && !orphan_parse(o, stats, gpadls, requests ?: "");
	free(stats);
	free(gpadls);
	free(requests);
	if (!is_one || !o->owner || !lives(o->owner))
		return is_one;
	is_one = !owner_has_it(o, &now);
	o->unseen = guests->nr_unreadable || now.nr_unreadable;
	guests_free(&now);
	return is_one;
}

static int orphan_add(struct orphans *all, unsigned int partition)
{
	struct orphan *more = realloc(all->list, (all->nr + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	all->list = more;
	all->list[all->nr++] = (struct orphan){ .partition = partition };
	return 0;
}

int orphans_begin(struct orphans *all)
{
	DIR *partitions = opendir(rooted("%s", orphans_dir));
	struct dirent *d;
	int ret = 0;

	*all = (struct orphans){};
	all->unreadable = !partitions && errno == EACCES;
	while (partitions && !ret && (d = readdir(partitions)))
		if (is_number(d->d_name))
			ret = orphan_add(all, atoi(d->d_name));
	if (partitions)
		closedir(partitions);
	return ret;
}

void orphans_end(struct orphans *all, const struct guests *guests)
{
	unsigned int i, n = 0;

	for (i = 0; i < all->nr; i++)
		if (orphan_look(&all->list[i], guests))
			all->list[n++] = all->list[i];
	all->nr = n;
}

void orphans_free(struct orphans *all)
{
	free(all->list);
}
