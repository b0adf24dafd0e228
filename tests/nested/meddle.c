// SPDX-License-Identifier: GPL-2.0
/*
 * For LD_PRELOAD of a VMM: let the kernel's device refuse what it hardly ever refuses by itself.
 * As long as there is
 *
 *	/tmp/meddle-regions	VMBUS_HOST_SET_REGIONS fails with ENOMEM
 *	/tmp/meddle-reset	VMBUS_HOST_RESET fails with EIO, as another process is told
 *	/tmp/meddle-create	VMBUS_HOST_CHANNEL_CREATE fails with ENOENT
 *	/tmp/meddle-destroy	VMBUS_HOST_CHANNEL_DESTROY fails with EIO
 *	/tmp/meddle-probe	VMBUS_HOST_CHANNEL_CREATE waits, as for a backend's probe()
 *	/tmp/meddle-thread	the next thread cannot be made; the file goes with that
 *	/tmp/meddle-busy	two of three read() and write() of messages fail with EAGAIN
 *	/tmp/meddle-unknown	write() of messages fails with ENXIO: there is no such channel
 *
 * What it has refused, and what has waited, is counted: a line for each in /tmp/meddled.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>
#include <linux/vmbus_host.h>

static int device = -1;		/* the file that became a guest */

static void *next(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

/* libc's own write(), as dprintf() calls it, is not the one below. */
static void say(const char *what)
{
	int fd = open("/tmp/meddled", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd < 0)
		return;
	dprintf(fd, "%s\n", what);
	close(fd);
}

static bool told_to(const char *file)
{
	int err = errno;
	bool there = !access(file, F_OK);

	errno = err;
	return there;
}

static bool is_refused(int fd, unsigned int *calls, const char *what)
{
	if (fd != device || !told_to("/tmp/meddle-busy") || ++*calls % 3 == 0)
		return false;
	say(what);
	errno = EAGAIN;
	return true;
}

ssize_t read(int fd, void *buf, size_t len)
{
	static ssize_t (*real)(int, void *, size_t);
	static unsigned int calls;

	if (!real)
		real = next("read");
	return is_refused(fd, &calls, __func__) ? -1 : real(fd, buf, len);
}

ssize_t write(int fd, const void *buf, size_t len)
{
	static ssize_t (*real)(int, const void *, size_t);
	static unsigned int calls;

	if (!real)
		real = next("write");
	if (fd == device && told_to("/tmp/meddle-unknown")) {
		say("unknown");
		errno = ENXIO;
		return -1;
	}
	return is_refused(fd, &calls, __func__) ? -1 : real(fd, buf, len);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	int ret = EAGAIN;	/* positive, as POSIX has it for threads */

	if (!real)
		real = next("pthread_create");
	if (unlink("/tmp/meddle-thread"))
		return real(thread, attr, fn, arg);
	say("thread");
	return ret;
}

/* What an ioctl is made to fail with, as -errno; 0: with nothing */
static int ioctl_error(unsigned long request)
{
	if (request == VMBUS_HOST_SET_REGIONS && told_to("/tmp/meddle-regions")) {
		say("regions");
		return -ENOMEM;
	}
	if (request == VMBUS_HOST_CHANNEL_CREATE && told_to("/tmp/meddle-create")) {
		say("create");
		return -ENOENT;
	}
	if (request == VMBUS_HOST_CHANNEL_DESTROY && told_to("/tmp/meddle-destroy")) {
		say("destroy");
		return -EIO;
	}
	if (request == VMBUS_HOST_RESET && told_to("/tmp/meddle-reset")) {
		say("reset");
		return -EIO;
	}
	return 0;
}

static void wait_for_probe(void)
{
	if (told_to("/tmp/meddle-probe"))
		say("probe");
	while (told_to("/tmp/meddle-probe"))
		usleep(20000);
}

int ioctl(int fd, unsigned long request, ...)
{
	static int (*real)(int, unsigned long, void *);
	va_list args;
	void *arg;
	int err, ret;

	if (!real)
		real = next("ioctl");
	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	err = ioctl_error(request);
	if (err) {
		errno = -err;
		return -1;
	}
	if (request == VMBUS_HOST_CHANNEL_CREATE)
		wait_for_probe();
	ret = real(fd, request, arg);
	if (request == VMBUS_HOST_CREATE && !ret)
		device = fd;
	return ret;
}
