/* SPDX-License-Identifier: GPL-2.0 */
/* The calls that errnos.c stands in the place of, as libc has them. */
#ifndef _ERRNOS_H
#define _ERRNOS_H

#include <sys/types.h>
#include <sys/uio.h>

int __real_ioctl(int fd, unsigned long cmd, void *arg);
ssize_t __real_read(int fd, void *buf, size_t len);
ssize_t __real_readv(int fd, const struct iovec *v, int nr);
ssize_t __real_write(int fd, const void *buf, size_t len);
ssize_t __real_writev(int fd, const struct iovec *v, int nr);

/* Called before each ioctl(), of whatever thread; NULL: nothing is */
extern void (*before_ioctl)(unsigned long cmd);

#endif /* _ERRNOS_H */
