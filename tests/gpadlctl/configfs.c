// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel does about mkdir() and rmdir() in configfs and tracefs, for gpadlctl on a
 * copy of a machine: directories come with their files, and what is linked to stays. Linked
 * into the program with --wrap; gpadlctl_test meets the kernel's own.
 *
 *	FAKE_SIGNAL=TEXT	SIGTERM upon the mkdir or rmdir of a path that ends so
 *	FAKE_BUSY=TEXT		EBUSY upon the rmdir of a path that ends so
 *	FAKE_REFUSED=TEXT	EACCES upon the rmdir or unlink of a path that ends so
 *	FAKE_LUN=TEXT		a logical unit in the portal group whose path ends so, just before
 *				its rmdir
 *	FAKE_SECRET=TEXT	EACCES upon the opendir of a path that ends so
 *	FAKE_SECRET_LINKS=TEXT	EACCES upon the readlink of a path with that in it
 *	FAKE_LATE=PATH		PATH is there, which was PATH.late, upon the opendir of /proc
 *	FAKE_EVENT=PATH		what is in the trace_pipe of an instance
 *	FAKE_THERE=1		EEXIST upon the mkdir of an instance
 *	FAKE_NO_PIPE=1		an instance of tracefs has no trace_pipe
 *	FAKE_KVM=PATH		PATH is opened instead of this machine's /dev/kvm
 *	FAKE_LOCKED=TEXT	EACCES upon the access, but to see whether it is there, of a path
 *				that ends so
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "configfs.h"

static bool ends_as(const char *path, const char *variable)
{
	const char *end = getenv(variable);
	size_t len = strlen(path), n = end ? strlen(end) : 0;

	return n && n <= len && !strcmp(path + len - n, end);
}

/* How many names there are behind @dir in @path, which becomes the first; 0: it is not there */
static unsigned int depth(const char *path, const char *dir)
{
	const char *at = strstr(path, dir);
	unsigned int n = 0;

	for (at = at ? at + strlen(dir) : ""; *at; at++)
		n += *at == '/';
	return n;
}

static bool is_backstore(const char *path)
{
	return depth(path, "/target/core") == 2;
}

static bool is_group(const char *path)
{
	return depth(path, "/target/vmbus") == 2;
}

static bool is_lun(const char *path)
{
	return depth(path, "/target/vmbus") == 4;
}

static bool is_instance(const char *path)
{
	return depth(path, "/tracing/instances") == 1;
}

static void file(const char *dir, const char *name)
{
	char path[1024];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT, 0644);
	if (fd >= 0)
		close(fd);
}

static void directory(const char *dir, const char *name)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	__real_mkdir(path, 0755);
}

static void fill_instance(const char *path)
{
	static const char *const events[] = {
		"vmbus_gpadl/vmbus_gpadl_created", "vmbus_gpadl/vmbus_gpadl_map",
		"vmbus_gpadl/vmbus_gpadl_unmap", "vmbus_gpadl/vmbus_gpadl_unmapped",
		"vmbus_gpadl/vmbus_gpadl_teardown", "vmbus_gpadl/vmbus_gpadl_revoke",
		"vmbus_gpadl/vmbus_gpadl_torndown", "vmbus_gpadl/vmbus_gpadl_reject",
		"vmbus_gpadl/vmbus_gpa_map", "vmbus_gpadl/vmbus_gpa_unmap",
		"vmbus_host/vmbus_host_callback", "vmbus_host/vmbus_host_receive",
		"vmbus_host/vmbus_host_send",
	};
	const char *event = getenv("FAKE_EVENT");
	char name[128], pipe[1024], text[4096];
	int fd, from;
	ssize_t n;
	size_t i;

	directory(path, "events");
	directory(path, "events/vmbus_gpadl");
	directory(path, "events/vmbus_host");
	for (i = 0; i < sizeof(events) / sizeof(*events); i++) {
		snprintf(name, sizeof(name), "events/%s", events[i]);
		directory(path, name);
		snprintf(name, sizeof(name), "events/%s/enable", events[i]);
		file(path, name);
	}
	if (getenv("FAKE_NO_PIPE"))
		return;
	snprintf(pipe, sizeof(pipe), "%s/trace_pipe", path);
	/* Somebody has it open for writing: empty is not the end. */
	fd = mkfifo(pipe, 0600) ? -1 : open(pipe, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		abort();
	from = event ? open(event, O_RDONLY | O_CLOEXEC) : -1;
	n = from < 0 ? 0 : read(from, text, sizeof(text));
	if (n > 0 && write(fd, text, n) != n)
		abort();
	if (from >= 0)
		close(from);
}

int __wrap_mkdir(const char *path, mode_t mode)
{
	if (ends_as(path, "FAKE_SIGNAL"))
		raise(SIGTERM);
	if (is_instance(path) && getenv("FAKE_THERE")) {
		errno = EEXIST;
		return -1;
	}
	if (__real_mkdir(path, mode))
		return -1;
	if (is_backstore(path)) {
		file(path, "control");
		file(path, "enable");
		file(path, "udev_path");
		directory(path, "wwn");
		file(path, "wwn/vpd_unit_serial");
		directory(path, "attrib");
		file(path, "attrib/emulate_3pc");
		file(path, "attrib/max_write_same_len");
		file(path, "attrib/emulate_fua_write");
	} else if (is_group(path)) {
		directory(path, "lun");
		file(path, "nexus");
	} else if (is_lun(path)) {
		directory(path, "statistics");
	} else if (is_instance(path)) {
		fill_instance(path);
	}
	return 0;
}

/* ---- rmdir ---- */

static char wanted[4096];

static int if_leads_there(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char target[4096];

	(void)st;
	(void)ftw;
	return (type == FTW_SL || type == FTW_SLN) && realpath(path, target) &&
	       !strcmp(target, wanted);
}

/* Is there a link to the backstore? */
static bool is_linked(const char *backstore)
{
	char top[1024];

	snprintf(top, sizeof(top), "%.*s/target", (int)(strstr(backstore, "/target/") - backstore),
		 backstore);
	return realpath(backstore, wanted) && nftw(top, if_leads_there, 16, FTW_PHYS) > 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	if (!ftw->level)
		return 0;
	return type == FTW_DP || type == FTW_D ? __real_rmdir(path) : unlink(path);
}

/* Has the directory something that the kernel did not put there? */
static bool has_own(const char *path, bool links)
{
	DIR *dir = __real_opendir(path);
	struct dirent *e;
	bool found = false;

	while (dir && (e = readdir(dir)))
		found |= links ? e->d_type == DT_LNK : *e->d_name != '.';
	if (dir)
		closedir(dir);
	return found;
}

int __wrap_rmdir(const char *path)
{
	char luns[1024];
	int error = 0;

	if (ends_as(path, "FAKE_SIGNAL"))
		raise(SIGTERM);
	if (ends_as(path, "FAKE_LUN"))
		directory(path, "lun/lun_7");
	snprintf(luns, sizeof(luns), "%s/lun", path);
	if (ends_as(path, "FAKE_REFUSED"))
		error = EACCES;
	else if (ends_as(path, "FAKE_BUSY") || (is_backstore(path) && is_linked(path)))
		error = EBUSY;
	else if ((is_lun(path) && has_own(path, true)) || (is_group(path) && has_own(luns, false)))
		error = ENOTEMPTY;
	errno = error;
	if (error)
		return -1;
	if (is_backstore(path) || is_lun(path) || is_group(path) || is_instance(path))
		nftw(path, remove_one, 16, FTW_PHYS | FTW_DEPTH);
	return __real_rmdir(path);
}

int __wrap_unlink(const char *path)
{
	if (!ends_as(path, "FAKE_REFUSED"))
		return __real_unlink(path);
	errno = EACCES;
	return -1;
}

DIR *__wrap_opendir(const char *path)
{
	const char *late = getenv("FAKE_LATE");
	char name[1024];

	if (late && strlen(path) > 5 && !strcmp(path + strlen(path) - 5, "/proc")) {
		snprintf(name, sizeof(name), "%s.late", late);
		if (rename(name, late))
			abort();
	}
	if (!ends_as(path, "FAKE_SECRET"))
		return __real_opendir(path);
	errno = EACCES;
	return NULL;
}

ssize_t __wrap_readlink(const char *path, char *buf, size_t size)
{
	const char *secret = getenv("FAKE_SECRET_LINKS");

	if (!secret || !strstr(path, secret))
		return __real_readlink(path, buf, size);
	errno = EACCES;
	return -1;
}

int __wrap_open(const char *path, int flags, ...)
{
	const char *kvm = getenv("FAKE_KVM");
	mode_t mode = 0;
	va_list args;

	if (flags & O_CREAT) {
		va_start(args, flags);
		mode = va_arg(args, mode_t);
		va_end(args);
	}
	return __real_open(kvm && !strcmp(path, "/dev/kvm") ? kvm : path, flags, mode);
}

int __wrap_access(const char *path, int mode)
{
	if (mode == F_OK || !ends_as(path, "FAKE_LOCKED"))
		return __real_access(path, mode);
	errno = EACCES;
	return -1;
}
