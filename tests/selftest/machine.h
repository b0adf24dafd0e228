/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel's own files say of the machine, and are told.
 */
#ifndef _MACHINE_H
#define _MACHINE_H

#include <sys/types.h>

/* 0 or a negative errno */
int file_write(const char *path, const char *text);

/* The number that follows @key in a file; @key NULL: the first. -1 if it is not there. */
long long file_number(const char *path, const char *key);

/* Threads of a process, or of all if @pid is 0, whose names begin with @name */
int threads_named(pid_t pid, const char *name);

/* Kernel threads that run an item of a work queue whose name begins so, and are in that state */
int workers_in(const char *wq, char state);

/* Partitions that are not freed yet */
int partitions_left(void);

#endif /* _MACHINE_H */
