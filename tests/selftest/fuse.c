// SPDX-License-Identifier: GPL-2.0
/*
 * A file system in user space; see fuse.h. The protocol of /dev/fuse, without a library.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/fuse.h>

#include "fuse.h"

#define NODE_FILE	2
#define READAHEAD	(128 * 1024)

/* The server, in its own process */
struct server {
	int fd;
	int reads;
	size_t bytes;
	bool async;
};

static void answer(struct server *s, const struct fuse_in_header *in, int error,
		   const void *arg, size_t len)
{
	struct {
		struct fuse_out_header head;
		char arg[256];
	} out = {
		.head = {
			.len = sizeof(out.head) + (error ? 0 : len),
			.error = error,
			.unique = in->unique,
		},
	};

	if (!error)
		memcpy(out.arg, arg, len);
	if (write(s->fd, &out, out.head.len) != (ssize_t)out.head.len && errno != ENOENT)
		perror("fuse");
}

static void fill_attr(struct server *s, struct fuse_attr *attr, __u64 node)
{
	attr->ino = node;
	attr->nlink = 1;
	attr->mode = node == NODE_FILE ? S_IFREG | 0600 : S_IFDIR | 0700;
	attr->size = node == NODE_FILE ? s->bytes : 0;
	attr->blksize = 4096;
}

static void do_init(struct server *s, const struct fuse_in_header *in)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = READAHEAD,
		.flags = s->async ? FUSE_ASYNC_READ : 0,
		.max_write = 4096,
	};

	answer(s, in, 0, &out, sizeof(out));
}

static void do_lookup(struct server *s, const struct fuse_in_header *in, const char *name)
{
	struct fuse_entry_out out = { .nodeid = NODE_FILE, .entry_valid = 60 };

	fill_attr(s, &out.attr, NODE_FILE);
	answer(s, in, strcmp(name, "mem") ? -ENOENT : 0, &out, sizeof(out));
}

static void do_getattr(struct server *s, const struct fuse_in_header *in)
{
	struct fuse_attr_out out = {};

	fill_attr(s, &out.attr, in->nodeid);
	answer(s, in, 0, &out, sizeof(out));
}

static void do_open(struct server *s, const struct fuse_in_header *in)
{
	/* close() waits for no answer. */
	struct fuse_open_out out = { .open_flags = FOPEN_NOFLUSH };

	answer(s, in, 0, &out, sizeof(out));
}

static void serve(struct server *s, const struct fuse_in_header *in)
{
	switch (in->opcode) {
	case FUSE_INIT:
		do_init(s, in);
		break;
	case FUSE_LOOKUP:
		do_lookup(s, in, (const char *)(in + 1));
		break;
	case FUSE_GETATTR:
		do_getattr(s, in);
		break;
	case FUSE_OPEN:
		do_open(s, in);
		break;
	case FUSE_READ:
		if (write(s->reads, "r", 1) != 1)
			perror("fuse");
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	case FUSE_RELEASE:
		answer(s, in, 0, NULL, 0);
		break;
	default:
		answer(s, in, -EOPNOTSUPP, NULL, 0);
	}
}

static void server_main(struct server *s)
{
	static union {
		struct fuse_in_header head;
		char bytes[FUSE_MIN_READ_BUFFER + 4096];
	} in;
	ssize_t len;

	for (;;) {
		len = read(s->fd, &in, sizeof(in));
		if (len >= (ssize_t)sizeof(in.head))
			serve(s, &in.head);
		else if (len < 0 && errno != EINTR && errno != ENOENT)
			_exit(0);
	}
}

int fuse_start(struct fuse_server *s, const char *dir, size_t bytes, bool async)
{
	struct server server = { .bytes = bytes, .async = async };
	char options[128];

	*s = (struct fuse_server) { .dir = dir };
	if (pipe2(s->reads, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	mkdir(dir, 0700);
	server.fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (server.fd < 0)
		return -errno;
	server.reads = s->reads[1];
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0",
		 server.fd);
	if (mount("test", dir, "fuse", MS_NOSUID | MS_NODEV, options)) {
		close(server.fd);
		return -errno;
	}
	s->pid = fork();
	if (!s->pid)
		server_main(&server);
	/* When the server has gone, nobody has it: waiters get an error. */
	close(server.fd);
	return 0;
}

void fuse_pause(struct fuse_server *s, bool pause)
{
	kill(s->pid, pause ? SIGSTOP : SIGCONT);
}

bool fuse_is_read(struct fuse_server *s)
{
	struct pollfd p = { .fd = s->reads[0], .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

void fuse_stop(struct fuse_server *s)
{
	if (!s->pid)
		return;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
	umount2(s->dir, MNT_DETACH);
	close(s->reads[0]);
	close(s->reads[1]);
}
