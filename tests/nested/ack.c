// SPDX-License-Identifier: GPL-2.0
/*
 * Write to a disk what can be recognised again, and say what the disk has acknowledged.
 *
 *	ack write DISK OFFSET BLOCKS	from there, so many blocks of 4 KiB, over and over: a
 *					line "ack N" for each write that is on stable storage
 *	ack check DISK OFFSET BLOCKS N	is it all there, up to write N?
 *
 * A block says which write it is of, in all its words. So a block whose write was
 * acknowledged has that write's number or a later one's, of which nobody may have heard: what
 * was said may still have been on its way. Nothing older, and no other block's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/types.h>

#define BLOCK	4096u
#define WORDS	(BLOCK / sizeof(__u64))

static __u64 *block;		/* as O_DIRECT wants it: aligned */

/* Which block, and of which write */
static __u64 word(__u64 where, __u64 n)
{
	return where << 40 | n;
}

static int fail(const char *what)
{
	printf("ack: %s: %s\n", what, strerror(errno));
	return 1;
}

/* FUA, or a flush after each: as the kernel finds best for the disk */
static int do_write(const char *disk, __u64 offset, __u64 blocks)
{
	int fd = open(disk, O_WRONLY | O_DIRECT | O_DSYNC);
	__u64 n;
	size_t i;

	if (fd < 0)
		return fail(disk);
	for (n = 1; ; n++) {
		for (i = 0; i < WORDS; i++)
			block[i] = word(n % blocks, n);
		if (pwrite(fd, block, BLOCK, offset + n % blocks * BLOCK) != BLOCK)
			return fail("write");
		printf("ack %llu\n", n);
	}
}

/* The write that a block must have at least: the last one there up to @last */
static __u64 expected(__u64 where, __u64 blocks, __u64 last)
{
	__u64 n = last - last % blocks + where;

	if (n > last)
		n = n < blocks ? 0 : n - blocks;
	return n;
}

static int check_block(__u64 where, __u64 blocks, __u64 least)
{
	__u64 n;
	size_t i;

	for (i = 0; i < WORDS; i++) {
		n = block[i] & ((1ull << 40) - 1);
		if (block[i] >> 40 != where || n % blocks != where || n < least) {
			printf("ack: block %llu, word %zu: %#llx, but write %llu was said\n",
			       where, i, block[i], least);
			return 1;
		}
	}
	return 0;
}

static int do_check(const char *disk, __u64 offset, __u64 blocks, __u64 last)
{
	int fd = open(disk, O_RDONLY);
	__u64 where, least, checked = 0;

	if (fd < 0)
		return fail(disk);
	for (where = 0; where < blocks; where++) {
		least = expected(where, blocks, last);
		if (!least)
			continue;
		if (pread(fd, block, BLOCK, offset + where * BLOCK) != BLOCK)
			return fail("read");
		if (check_block(where, blocks, least))
			return 1;
		checked++;
	}
	printf("ack: %llu blocks have what was acknowledged\n", checked);
	return !checked;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	block = aligned_alloc(BLOCK, BLOCK);
	if (!block)
		return fail("memory");
	if (argc == 5 && !strcmp(argv[1], "write"))
		return do_write(argv[2], strtoull(argv[3], NULL, 0),
				strtoull(argv[4], NULL, 0));
	if (argc == 6 && !strcmp(argv[1], "check"))
		return do_check(argv[2], strtoull(argv[3], NULL, 0),
				strtoull(argv[4], NULL, 0), strtoull(argv[5], NULL, 0));
	fprintf(stderr, "usage: ack write DISK OFFSET BLOCKS\n"
			"       ack check DISK OFFSET BLOCKS N\n");
	return 1;
}
