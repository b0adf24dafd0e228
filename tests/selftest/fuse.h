/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A file system in user space with one file, "mem", that is never read to the end: a read of
 * it is taken, and gets no answer.
 */
#ifndef _FUSE_H
#define _FUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/**
 * struct fuse_server - a process that is one
 * @dir: where it is mounted
 * @pid: the process; 0 when it was stopped
 * @reads: a byte comes out for each read
 */
struct fuse_server {
	const char *dir;
	pid_t pid;
	int reads[2];
};

/*
 * Mount it. @async: the kernel need not wait for what it reads ahead. Returns 0 or a negative
 * errno.
 */
int fuse_start(struct fuse_server *s, const char *dir, size_t bytes, bool async);
/* It answers nothing; what a file is like is asked of it each time. */
void fuse_pause(struct fuse_server *s, bool pause);
bool fuse_is_read(struct fuse_server *s);	/* somebody waits */
void fuse_stop(struct fuse_server *s);		/* waiters get an error */

#endif /* _FUSE_H */
