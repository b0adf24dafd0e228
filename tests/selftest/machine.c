// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel's own files say of the machine; see machine.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "machine.h"

int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/* The number that follows @key in a file; @key NULL: the first. -1 if it is not there. */
long long file_number(const char *path, const char *key)
{
	FILE *f = fopen(path, "re");
	long long value = -1;
	char word[128];

	if (!f)
		return -1;
	if (!key) {
		if (fscanf(f, "%lld", &value) != 1)
			value = -1;
	} else {
		while (fscanf(f, "%127s", word) == 1)
			if (!strcmp(word, key) && fscanf(f, "%lld", &value) == 1)
				break;
	}
	fclose(f);
	return value;
}

/* Threads of a process whose names begin with @name */
static int threads_of(const char *pid, const char *name)
{
	char path[300], comm[32];
	struct dirent *d;
	DIR *dir;
	FILE *f;
	int nr = 0;

	snprintf(path, sizeof(path), "/proc/%.20s/task", pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/task/%.20s/comm", pid, d->d_name);
		f = fopen(path, "re");
		if (f && fgets(comm, sizeof(comm), f))
			nr += !strncmp(comm, name, strlen(name));
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	return nr;
}

/* The same; of all processes if @pid is 0 */
int threads_named(pid_t pid, const char *name)
{
	struct dirent *d;
	char number[16];
	int nr = 0;
	DIR *dir;

	if (pid) {
		snprintf(number, sizeof(number), "%d", pid);
		return threads_of(number, name);
	}
	dir = opendir("/proc");
	while (dir && (d = readdir(dir)))
		if (d->d_name[0] >= '1' && d->d_name[0] <= '9')
			nr += threads_of(d->d_name, name);
	if (dir)
		closedir(dir);
	return nr;
}

/* The thread of a process, or of the kernel, as its stat says: "2 (kworker/0:1+events) I ..." */
static bool worker_is_in(const char *pid, const char *plus_wq, char state)
{
	char path[64], line[256];
	const char *end;
	bool is = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	f = fopen(path, "re");
	if (f && fgets(line, sizeof(line), f) && strstr(line, plus_wq)) {
		end = strrchr(line, ')');
		is = end && end[1] == ' ' && end[2] == state;
	}
	if (f)
		fclose(f);
	return is;
}

/* Kernel threads that run an item of a work queue whose name begins so, and are in that state */
int workers_in(const char *wq, char state)
{
	DIR *dir = opendir("/proc");
	struct dirent *d;
	char plus_wq[64];
	int nr = 0;

	snprintf(plus_wq, sizeof(plus_wq), "+%s", wq);
	while (dir && (d = readdir(dir)))
		if (d->d_name[0] >= '1' && d->d_name[0] <= '9')
			nr += worker_is_in(d->d_name, plus_wq, state);
	if (dir)
		closedir(dir);
	return nr;
}

/* Partitions that are not freed yet */
int partitions_left(void)
{
	DIR *dir = opendir("/sys/kernel/debug/vmbus_gpadl");
	struct dirent *d;
	int nr = 0;

	while (dir && (d = readdir(dir)))
		nr += d->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return nr;
}
