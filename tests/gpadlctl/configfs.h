/* SPDX-License-Identifier: GPL-2.0-only */
/* libc's own, and what stands in their place: see --wrap in ld(1) */
#ifndef _GPADLCTL_TEST_CONFIGFS_H
#define _GPADLCTL_TEST_CONFIGFS_H

#include <dirent.h>
#include <sys/types.h>

int __real_mkdir(const char *path, mode_t mode);
int __real_rmdir(const char *path);
int __real_unlink(const char *path);
DIR *__real_opendir(const char *path);
ssize_t __real_readlink(const char *path, char *buf, size_t size);
int __real_open(const char *path, int flags, ...);
int __real_access(const char *path, int mode);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_rmdir(const char *path);
int __wrap_unlink(const char *path);
DIR *__wrap_opendir(const char *path);
ssize_t __wrap_readlink(const char *path, char *buf, size_t size);
int __wrap_open(const char *path, int flags, ...);
int __wrap_access(const char *path, int mode);

#endif /* _GPADLCTL_TEST_CONFIGFS_H */
