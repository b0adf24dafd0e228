// SPDX-License-Identifier: GPL-2.0
/*
 * Several senders and each kind of guest: does any of them wait for ever?
 *
 * The backend (tests/module/vmbus_sender_test.c) sends in threads, softirqs and work at the same
 * time, by each function that sends. A sender that finds no room waits for kick(). The guest
 * reads, and writes packets of its own; it sleeps when it finds nothing to read and has no room,
 * until the host signals it. When it signals room itself is what differs between guests. All
 * packets have to arrive, each once, those of a sender in order, and as they were sent.
 *
 * tests/host/ring_out_model.c has the same guests step by step, with the timer held back from
 * those that need none.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "../module/vmbus_sender_test.h"
#include "fuzz.h"
#include "ring_wire.h"
#include "vmbus_guest.h"
#include "vmm.h"

#define COUNTS		"/sys/kernel/debug/vmbus_sender_test/counts"
#define RELID		5u
#define RING_HANDLE	0xe1e0fu
#define RING_GPA	0x100000ull
#define MAX_PAGES	8u	/* of data, of each ring */
#define FOR_EVER_MS	20000

/* When the guest signals that it has made room */
enum kind {
	KIND_OLD,	/* before Linux 4.11: as soon as pending_send_sz are free */
	KIND_NEW,	/* since: when more than that are */
	KIND_MASK,	/* 4.11 to 4.15: not while its own mask is set */
	KIND_NEVER,	/* it has not heard of pending_send_sz */
	NR_KINDS
};

/* What is counted is packets. */
static const struct fuzz_op ops[NR_KINDS] = {
	[KIND_OLD] = { .name = "old rule" },
	[KIND_NEW] = { .name = "new rule" },
	[KIND_MASK] = { .name = "own mask" },
	[KIND_NEVER] = { .name = "never" },
};

/**
 * struct life - a guest
 * @kind: when it signals room
 * @batch: packets that it reads before it says so
 * @to_write: packets that it writes in all
 * @in: the ring that it writes
 * @out: the ring that the host writes
 * @data_bytes: of each
 * @read: where it reads next
 * @write: where it writes next
 * @nr_read: of all senders
 * @nr_written: packets
 * @next: number of the packet that comes next of each sender
 */
struct life {
	struct dice dice;
	struct vmbus_sender_test_config config;
	enum kind kind;
	unsigned int batch;
	unsigned int to_write;
	int fd, kick, call;
	struct ring_control *in, *out;
	__u32 data_bytes;
	__u32 read, write;
	unsigned int nr_read, nr_written;
	__u32 next[VMBUS_SENDER_TEST_MAX];
};

/* ---- The channel ---- */

static void await(struct life *l, __u32 type)
{
	struct reply r = reply_wait(l->fd);

	if (r.len < 0 || r.type != type || r.status)
		fuzz_fail("message %d of type %u, status %#x, instead of type %u", r.len, r.type,
			  r.status, type);
}

static int create(struct life *l)
{
	struct vmbus_host_signals signals = {
		.size = sizeof(signals),
		.kick_fd = l->kick,
		.call_fd = l->call,
	};
	struct vmbus_host_channel_create arg = {
		.size = sizeof(arg),
		.relid = RELID,
		.if_type = VMBUS_SENDER_TEST_IF_TYPE,
		.signals = PTR(&signals),
		.config = PTR(&l->config),
	};

	return ioctl(l->fd, VMBUS_HOST_CHANNEL_CREATE, &arg) ? -errno : 0;
}

static void begin(struct life *l)
{
	__u32 pages = 2 * (1 + l->data_bytes / HV_PAGE);
	char *mem = memory_alloc(MEM_ANON, pages * HV_PAGE);
	struct guest_gpadl g;
	int ret;

	l->in = (void *)mem;
	l->out = (void *)(mem + pages / 2 * HV_PAGE);
	l->in->feature_bits = roll(&l->dice, 2);
	l->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	l->call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	l->fd = open("/dev/vmbus-host", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	gpadl_simple(&g, RING_HANDLE, RING_GPA, pages * HV_PAGE);
	ret = vmm_create(l->fd) ?:
	      vmm_region(l->fd, 0, 0, RING_GPA, pages * HV_PAGE, mem) ?:
	      create(l) ?:
	      guest_gpadl(l->fd, RELID, &g, false);
	if (ret)
		fuzz_fail("the channel: %d", ret);
	await(l, MSG_GPADL_CREATED);
	ret = guest_open(l->fd, RELID, 1, RING_HANDLE, pages / 2);
	if (ret)
		fuzz_fail("OPENCHANNEL: %d", ret);
	await(l, MSG_OPENCHANNEL_RESULT);
}

static void kick(struct life *l)
{
	if (eventfd_write(l->kick, 1))
		fuzz_fail("the eventfd: %d", errno);
}

/* ---- Reading: vmbus_on_event(), hv_pkt_iter_close() ---- */

static void get(struct life *l, __u32 at, void *to, __u32 len)
{
	const __u8 *data = (__u8 *)l->out + HV_PAGE;
	__u8 *bytes = to;

	while (len--)
		*bytes++ = data[at++ % l->data_bytes];
}

static void check(struct life *l, const struct desc *desc)
{
	__u32 who = desc->trans_id >> 32, n = desc->trans_id, number, len, i;
	__u8 byte;

	if (who >= l->config.senders || n != l->next[who])
		fuzz_fail("packet %u of sender %u, instead of %u", n, who,
			  who < l->config.senders ? l->next[who] : 0);
	l->next[who]++;
	number = sender_test_number(l->config.seed, who, n);
	len = sender_test_len(number, l->config.longest);
	if (desc->type != 6 || desc->offset8 != 2 || desc->len8 != 2 + (len + 7) / 8)
		fuzz_fail("packet %u of sender %u has %u words instead of %u bytes", n, who,
			  desc->len8, len);
	for (i = 0; i < (len + 7) / 8 * 8; i++) {
		get(l, l->read + DESC + i, &byte, 1);
		if (byte != (i < len ? (__u8)number : 0))
			fuzz_fail("byte %u of packet %u of sender %u is %#x", i, n, who, byte);
	}
}

static __u32 read_packet(struct life *l)
{
	struct desc desc;
	__u32 total;

	get(l, l->read, &desc, DESC);
	check(l, &desc);
	total = desc.len8 * 8u + TRAILER;
	l->read = (l->read + total) % l->data_bytes;
	l->nr_read++;
	fuzz_count(l->kind, 0);
	return total;
}

/* @bytes are read: is the host to be told of the room? */
static void tell_room(struct life *l, __u32 bytes)
{
	struct ring_control *c = l->out;
	__u32 pending, room, before;

	if (l->kind == KIND_NEVER || !(c->feature_bits & 1))
		return;
	pending = c->pending_send_sz;
	if (!pending || (l->kind == KIND_MASK && c->interrupt_mask))
		return;
	room = l->data_bytes - (c->write_index + l->data_bytes - l->read) % l->data_bytes;
	before = room - bytes;
	if (l->kind == KIND_OLD ? before < pending && room >= pending :
				  before <= pending && room > pending)
		kick(l);
}

static void read_all(struct life *l)
{
	struct ring_control *c = l->out;
	__u32 write, bytes;
	unsigned int n;

	do {
		c->interrupt_mask = 1;
		while ((write = c->write_index) != l->read) {
			for (bytes = 0, n = 0; n < l->batch && l->read != write; n++)
				bytes += read_packet(l);
			c->read_index = l->read;
			tell_room(l, bytes);
		}
		c->interrupt_mask = 0;
	} while (c->write_index != l->read);
}

/* ---- Writing: hv_ringbuffer_write() ---- */

static bool has_room(struct life *l, __u32 total)
{
	__u32 used = (l->write + l->data_bytes - l->in->read_index) % l->data_bytes;

	return l->data_bytes - used > total;
}

static void put(struct life *l, __u32 at, const void *from, __u32 len)
{
	__u8 *data = (__u8 *)l->in + HV_PAGE;
	const __u8 *bytes = from;

	while (len--)
		data[at++ % l->data_bytes] = *bytes++;
}

/* Returns false if there is no room: the host will signal. */
static bool write_packet(struct life *l)
{
	__u32 number = sender_test_number(l->config.seed, VMBUS_SENDER_TEST_MAX, l->nr_written);
	__u32 len = (sender_test_len(number, l->config.longest) + 7) / 8 * 8, i;
	__u32 total = DESC + len + TRAILER, start = l->write;
	struct desc desc = {
		.type = 6, .offset8 = 2, .len8 = 2 + len / 8, .trans_id = l->nr_written,
	};
	__u8 byte = number;

	if (!has_room(l, total)) {
		l->in->pending_send_sz = total;
		if (!has_room(l, total))
			return false;
	}
	l->in->pending_send_sz = 0;
	put(l, start, &desc, DESC);
	for (i = 0; i < len; i++)
		put(l, start + DESC + i, &byte, 1);
	l->write = (start + total) % l->data_bytes;
	l->in->write_index = l->write;
	l->nr_written++;
	if (!l->in->interrupt_mask && l->in->read_index == start)
		kick(l);
	return true;
}

/* Some at a time, so that it reads between */
static void write_some(struct life *l)
{
	unsigned int n = 1 + roll(&l->dice, 16);

	while (n-- && l->nr_written < l->to_write && write_packet(l))
		;
}

/* ---- The life ---- */

static unsigned int nr_to_read(const struct life *l)
{
	return l->config.senders * l->config.packets;
}

static bool is_done(const struct life *l)
{
	return l->nr_read == nr_to_read(l) && l->nr_written == l->to_write;
}

/* What it waits for, in order to fail by name */
static void sleep_until_signalled(struct life *l)
{
	struct pollfd p = { .fd = l->call, .events = POLLIN };
	eventfd_t count;

	if (poll(&p, 1, FOR_EVER_MS) != 1)
		fuzz_fail("%s: for ever: %u of %u read, %u of %u written, pending_send_sz %u, %u",
			  ops[l->kind].name, l->nr_read, nr_to_read(l), l->nr_written,
			  l->to_write, l->out->pending_send_sz, l->in->pending_send_sz);
	eventfd_read(l->call, &count);
}

static bool all_received(const struct life *l)
{
	unsigned int sent = 0, received = 0, bad = 0;
	FILE *f = fopen(COUNTS, "re");

	if (!f || fscanf(f, "sent %u received %u bad %u", &sent, &received, &bad) != 3)
		fuzz_fail("there are no counts");
	fclose(f);
	if (bad)
		fuzz_fail("%u packets are not what was written", bad);
	return received == l->to_write && sent == nr_to_read(l);
}

static void plan(struct life *l, __u64 seed, unsigned int length)
{
	struct dice *d = &l->dice;

	d->state = seed;
	l->kind = seed % NR_KINDS;
	l->data_bytes = (1 + roll(d, MAX_PAGES)) * HV_PAGE;
	l->batch = one_in(d, 2) ? 1 : 1 + roll(d, 64);
	l->to_write = one_in(d, 4) ? 0 : length;
	l->config = (struct vmbus_sender_test_config){
		.size = sizeof(l->config),
		.senders = 1 + roll(d, VMBUS_SENDER_TEST_MAX),
		.packets = length,
		/* A packet may be nearly as long as the ring. */
		.longest = one_in(d, 2) ? 300 : HV_PAGE - 2 * (DESC + TRAILER),
		.seed = roll64(d),
	};
}

static void life(__u64 seed, unsigned int length)
{
	static struct life l;

	plan(&l, seed, length);
	fuzz->end = l.config.seed + l.config.senders;
	begin(&l);
	for (;;) {
		read_all(&l);
		write_some(&l);
		fuzz->step = l.nr_read;
		if (is_done(&l))
			break;
		/* It has read all; and written all, or has no room, or goes on. */
		if (l.nr_written == l.to_write || l.in->pending_send_sz)
			sleep_until_signalled(&l);
	}
	if (!WAIT_FOR(all_received(&l)))
		fuzz_fail("not all that was written is received");
	close(l.fd);
}

#define SENDERS_SEED(seed, length)	{ seed, length },

#define FUZZ_KIND				\
	.name = "senders",			\
	.ops = ops,				\
	.nr_ops = NR_KINDS,			\
	.length = 500

#include "fuzz_main.h"

TEST_HARNESS_MAIN
