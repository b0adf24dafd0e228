/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A function of the kernel's that fails, or is counted: see tests/module/vmbus_fail_test.c.
 */
#ifndef _FAIL_H
#define _FAIL_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAIL	"/sys/module/vmbus_fail_test/parameters/"

static inline int fail_set(const char *parameter, const char *what)
{
	int fd = open(parameter, O_WRONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, what, strlen(what)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* "FUNCTION VALUE TIMES"; -EOPNOTSUPP if the kernel has no kprobes */
static inline int fail(const char *what)
{
	return fail_set(FAIL "fail", what);
}

/* "FUNCTION", or " ", which ends it; -EOPNOTSUPP if the kernel has no kprobes */
static inline int linger(const char *what)
{
	return fail_set(FAIL "linger", what);
}

static inline int fail_get(const char *parameter)
{
	int fd = open(parameter, O_RDONLY | O_CLOEXEC);
	char text[16] = "";

	if (fd < 0)
		return -errno;
	if (read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = '-';
	close(fd);
	return text[0] == '-' ? -EIO : atoi(text);
}

/* How often that is still to come; below 0 if it cannot be read */
static inline int fail_left(void)
{
	return fail_get(FAIL "fail");
}

/* Is it there? */
static inline bool lingers(void)
{
	return fail_get(FAIL "linger") == 1;
}

#endif /* _FAIL_H */
