// SPDX-License-Identifier: GPL-2.0
/*
 * Which errnos of each call on /dev/vmbus-host a test has met: each is told once, as a comment in
 * its output. scripts/errnos.sh compares them with those that the uAPI's header names.
 *
 * The linker puts these functions in the place of libc's (Makefile).
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <linux/vmbus_host.h>

#include "errnos.h"

/* Commands by their number; what is none of them is told as an ioctl's */
static const char * const names[] = {
	"CREATE", "SET_REGIONS", "CHANNEL_CREATE", "CHANNEL_MODIFY", "CHANNEL_RESCIND",
	"CHANNEL_DESTROY", "POST", "RESET", "NEXT_EVENT", "GET_VERSION", "CHANNEL_UNPLUG",
	"ioctl", "read", "write"
};

enum call { IOCTL = _IOC_NR(VMBUS_HOST_CHANNEL_UNPLUG) + 1, READ, WRITE, NR_CALLS };

static void met(unsigned int call)
{
	static bool told[NR_CALLS][256];
	int err = errno;

	if (err > 0 && err < 256 && !told[call][err]) {
		told[call][err] = true;
		dprintf(STDOUT_FILENO, "# errno %s%s %s\n",
			call < IOCTL ? "VMBUS_HOST_" : "", names[call], strerrorname_np(err));
	}
	errno = err;
}

static bool is_ours(int fd)
{
	struct stat file, device;
	int err = errno;
	bool is;

	is = !fstat(fd, &file) && !stat("/dev/vmbus-host", &device) &&
	     S_ISCHR(file.st_mode) && file.st_rdev == device.st_rdev;
	errno = err;
	return is;
}

void (*before_ioctl)(unsigned long cmd);

int __wrap_ioctl(int fd, unsigned long cmd, void *arg)
{
	unsigned int nr = _IOC_NR(cmd);
	int ret;

	if (before_ioctl)
		before_ioctl(cmd);
	ret = __real_ioctl(fd, cmd, arg);
	if (ret < 0 && is_ours(fd))
		met(cmd == _IO(VMBUS_HOST_IOC, nr) && nr < IOCTL ? nr : IOCTL);
	return ret;
}

#define WRAP(_name, _call, _to)						\
ssize_t __wrap_##_name(int fd, _to, size_t len)				\
{									\
	ssize_t ret = __real_##_name(fd, to, len);			\
									\
	if (ret < 0 && is_ours(fd))					\
		met(_call);						\
	return ret;							\
}

WRAP(read, READ, void *to)
WRAP(write, WRITE, const void *to)
WRAP(readv, READ, const struct iovec *to)
WRAP(writev, WRITE, const struct iovec *to)
