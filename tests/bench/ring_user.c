// SPDX-License-Identifier: GPL-2.0
/*
 * What a packet costs the host, received and sent, alone and 16 in a batch.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bench_user.h"

#define DATA_PAGES	15u
#define RING_PAGES	(2 * (1 + DATA_PAGES))
#define DATA_BYTES	(DATA_PAGES * HV_PAGE)
#define DESC		16u
#define TRAILER		8u

struct control {
	__u32 write_index;
	__u32 read_index;
};

struct desc {
	__u16 type;
	__u16 offset8;
	__u16 len8;
	__u16 flags;
	__u64 trans_id;
};

static struct {
	int host, bench;
	struct control *in, *out;
} r;

static void ring_begin(char *mem)
{
	static struct guest_gpadl g;
	struct reply reply;

	r.host = open("/dev/vmbus-host", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	r.bench = open("/dev/vmbus-gpadl-bench", O_RDWR | O_CLOEXEC);
	gpadl_simple(&g, HANDLE, 0, RING_PAGES * HV_PAGE);
	if (r.host < 0 || r.bench < 0 || vmm_create(r.host) ||
	    vmm_region(r.host, 0, 0, 0, MEM_BYTES, mem) ||
	    vmm_channel(r.host, BENCH_RELID, 0, NULL))
		die("/dev/vmbus-host: %s", strerror(errno));
	r.in = (void *)mem;
	r.out = (void *)(mem + (1 + DATA_PAGES) * HV_PAGE);
	memset(mem, 0, RING_PAGES * HV_PAGE);
	gpadl_create(r.host, BENCH_RELID, &g);
	if (guest_open(r.host, BENCH_RELID, 1, HANDLE, 1 + DATA_PAGES))
		die("the channel cannot be opened");
	reply = reply_wait(r.host);
	if (reply.type != MSG_OPENCHANNEL_RESULT || reply.status)
		die("the channel is not opened: %#x", reply.status);
}

/* @nr packets of the guest's, which do not go round the end */
static void write_packets(__u32 len, __u32 nr)
{
	struct desc desc = { .type = 6, .offset8 = 2, .len8 = (DESC + len) / 8 };
	__u32 at = r.in->write_index;
	char *data = (char *)r.in + HV_PAGE;

	while (nr--) {
		memcpy(data + at, &desc, DESC);
		at += DESC + len + TRAILER;
	}
	__atomic_store_n(&r.in->write_index, at, __ATOMIC_RELEASE);
}

/* Both rings begin at 0 again: the host opens them anew. */
static void ring_restart(void)
{
	struct reply reply;

	if (guest_close(r.host, BENCH_RELID))
		die("the channel cannot be closed");
	memset((void *)r.in, 0, HV_PAGE);
	memset((void *)r.out, 0, HV_PAGE);
	if (guest_open(r.host, BENCH_RELID, 1, HANDLE, 1 + DATA_PAGES))
		die("the channel cannot be opened again");
	reply = reply_wait(r.host);
	if (reply.type != MSG_OPENCHANNEL_RESULT || reply.status)
		die("the channel is not opened again: %#x", reply.status);
}

static const struct {
	const char *name;
	__u32 what;
} ways[] = {
	{ "recv", BENCH_RING_RECV },
	{ "peek", BENCH_RING_PEEK },
	{ "peek and copy", BENCH_RING_COPY },
	{ "send", BENCH_RING_SEND },
	{ "sendv", BENCH_RING_SENDV },
	{ "placev", BENCH_RING_PLACEV },
	{ "place", BENCH_RING_PLACE },
};

/* The packets are there that are to be received, or the room for those that are sent. */
static void prepare(const struct bench_ring *b)
{
	__u32 bytes = b->nr * (DESC + b->len + TRAILER);

	if (r.in->write_index + bytes >= DATA_BYTES || r.out->write_index + bytes >= DATA_BYTES)
		ring_restart();
	if (b->what <= BENCH_RING_COPY)
		write_packets(b->len, b->nr);
}

static void ring_ioctl(struct bench_ring *b)
{
	prepare(b);
	if (ioctl(r.bench, BENCH_RING, b))
		die("ring %u, %u x %u: %s", b->what, b->len, b->nr, strerror(errno));
	r.out->read_index = r.out->write_index;
}

static void measure(const char *name, __u32 what, __u32 len, __u32 nr)
{
	__u64 best = ~0ull;
	__u32 i;

	for (i = 0; i < 10 * rounds; i++) {
		struct bench_ring b = { .what = what, .len = len, .nr = nr };

		ring_ioctl(&b);
		if (b.ns < best)
			best = b.ns;
	}
	printf("%s,%u,%u,%.1f\n", name, len, nr, (double)best / nr);
}

void ring_run(void)
{
	static const __u32 lens[] = { 64, 1024 }, numbers[] = { 1, 16 };
	char *mem = guest_memory(MEM_MEMFD);
	unsigned int i, j, k;

	ring_begin(mem);
	printf("way,bytes,batch,instructions\n");
	for (i = 0; i < ARRAY_SIZE(ways); i++)
		for (j = 0; j < ARRAY_SIZE(lens); j++)
			for (k = 0; k < ARRAY_SIZE(numbers); k++)
				measure(ways[i].name, ways[i].what, lens[j], numbers[k]);
	close(r.bench);
	close(r.host);
	guest_memory_free(mem);
}

void ring_profile(const char *way, __u32 len, __u32 nr)
{
	static char text[1 << 20];
	char *mem = guest_memory(MEM_MEMFD);
	struct bench_ring b = { .len = len, .nr = nr };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ways) && strcmp(way, ways[i].name); i++)
		;
	if (i == ARRAY_SIZE(ways))
		die("what is '%s'?", way);
	b.what = ways[i].what;
	ring_begin(mem);
	ring_ioctl(&b);
	b.data = PTR(text);
	b.text = sizeof(text);
	ring_ioctl(&b);
	fwrite(text, 1, b.text, stdout);
	close(r.bench);
	close(r.host);
	guest_memory_free(mem);
}
