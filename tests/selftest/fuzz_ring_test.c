// SPDX-License-Identifier: GPL-2.0
/*
 * A hostile guest on a channel's rings.
 *
 * In the first kind of life one thread does all: it writes a packet or nonsense into the
 * ring, or anything into the control pages, and then lets the host read or write. What
 * that does is known: a reader that is as simple as can be says what must come of it.
 *
 * In the second, a guest of its own rewrites indexes, offsets, lengths, masks and features
 * of both rings without pause, on another processor, while the host reads and writes. What
 * comes of it, nobody can say; only that no more comes than was asked for.
 *
 * A ring that is spoiled stays so until the channel is opened again, and then works.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>

#include "kselftest_harness.h"
#include "fuzz.h"
#include "ring_wire.h"
#include "vmbus_guest.h"
#include "vmm.h"

#define RELID		5u
#define RING_HANDLE	0xe1e0fu
#define RING_GPA	0x100000ull
#define DATA_PAGES	2u	/* of each ring, beside its control page */
#define RING_PAGES	(2 * (1 + DATA_PAGES))
#define DATA_BYTES	(DATA_PAGES * HV_PAGE)
#define BUF		(2 * DATA_BYTES)

/**
 * struct ring - one of the two, as the guest sees it, and as the host must
 * @control: its control page
 * @data: the rest
 * @index: of the host, which the guest cannot change
 * @other: the guest's index, as the host has last found it right
 * @waiting: the host has waited for room
 * @broken: the host has seen nonsense
 */
struct ring {
	struct ring_control *control;
	__u8 *data;
	__u32 index;
	__u32 other;
	bool waiting;
	bool broken;
};

struct life {
	struct dice dice;
	int fd;
	int backend;
	int kick;
	int call;
	__u32 openid;
	__u8 *mem;
	struct ring in;
	struct ring out;
	__u32 written;		/* where the guest writes, if it behaves */
	bool racing;
	struct task hostile;
	struct dice hostile_dice;
	atomic_bool stop;
};

enum op { PACKET, NONSENSE, CONTROL, RECV, SEND, KICK, READ_OUT, REOPEN, NR_OPS };

static const struct fuzz_op ops[NR_OPS];

/* ---- The channel ---- */

static void await(struct life *l, __u32 type)
{
	struct reply r = reply_wait(l->fd);

	if (r.len < 0 || r.type != type || r.status)
		fuzz_fail("message %d of type %u, status %#x, instead of type %u", r.len, r.type,
			  r.status, type);
}

static void ring_begin(struct ring *ring, __u8 *mem)
{
	ring->control = (void *)mem;
	ring->data = mem + HV_PAGE;
	ring->index = 0;
	ring->other = 0;
	ring->waiting = false;
	ring->broken = false;
}

static void open_channel(struct life *l)
{
	int ret;

	memset(l->mem, 0, RING_PAGES * HV_PAGE);
	ring_begin(&l->in, l->mem);
	ring_begin(&l->out, l->mem + (1 + DATA_PAGES) * HV_PAGE);
	l->written = 0;
	ret = guest_open(l->fd, RELID, ++l->openid, RING_HANDLE, 1 + DATA_PAGES);
	if (ret)
		fuzz_fail("OPENCHANNEL: %d", ret);
	await(l, MSG_OPENCHANNEL_RESULT);
	l->backend = backend_open(0);
	if (l->backend < 0)
		fuzz_fail("the backend: %d", l->backend);
}

static void close_channel(struct life *l)
{
	int ret;

	close(l->backend);
	ret = guest_close(l->fd, RELID);
	if (ret)
		fuzz_fail("CLOSECHANNEL: %d", ret);
}

static void begin_life(struct life *l)
{
	struct vmbus_host_signals signals = {};
	struct guest_gpadl g;
	int ret;

	l->mem = memory_alloc(MEM_ANON, (RING_PAGES + 1) * HV_PAGE);
	l->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	l->call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	l->fd = open("/dev/vmbus-host", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	signals.kick_fd = l->kick;
	signals.call_fd = l->call;
	signals.event_flags = PTR(l->mem + RING_PAGES * HV_PAGE);
	gpadl_simple(&g, RING_HANDLE, RING_GPA, RING_PAGES * HV_PAGE);
	ret = vmm_create(l->fd) ?:
	      vmm_region(l->fd, 0, 0, RING_GPA, RING_PAGES * HV_PAGE, l->mem) ?:
	      vmm_channel(l->fd, RELID, 0, &signals) ?:
	      guest_gpadl(l->fd, RELID, &g, false);
	if (ret)
		fuzz_fail("the channel: %d", ret);
	await(l, MSG_GPADL_CREATED);
	open_channel(l);
}

/* ---- The guest ---- */

static __u32 advance(__u32 index, __u32 bytes)
{
	return (index + bytes) % DATA_BYTES;
}

static void put(struct ring *ring, __u32 index, const void *from, __u32 len)
{
	const __u8 *bytes = from;
	__u32 i;

	for (i = 0; i < len; i++)
		ring->data[advance(index, i)] = bytes[i];
}

static void get(const struct ring *ring, __u32 index, void *to, __u32 len)
{
	__u8 *bytes = to;
	__u32 i;

	for (i = 0; i < len; i++)
		bytes[i] = ring->data[advance(index, i)];
}

/* Values at which something ends come often. */
static __u32 odd_value(struct dice *d)
{
	static const __u32 edges[] = {
		0, 1, 7, 8, 16, 24, DATA_BYTES - 8, DATA_BYTES, DATA_BYTES + 8, 0x7fffffff,
		0x80000000, 0xfffffff8, 0xffffffff,
	};

	switch (roll(d, 4)) {
	case 0:
		return edges[roll(d, ARRAY_SIZE(edges))];
	case 1:
		return roll64(d);
	default:
		return roll(d, DATA_BYTES / 8) * 8;
	}
}

static __u32 room(struct life *l)
{
	__u32 read = l->racing ? l->in.control->read_index % DATA_BYTES : l->in.index;

	return DATA_BYTES - (l->written + DATA_BYTES - read) % DATA_BYTES;
}

/* One that is right, or nearly so */
static int run_packet(struct life *l)
{
	__u32 len8 = 2 + roll(&l->dice, one_in(&l->dice, 4) ? 1000 : 20);
	__u32 offset8 = one_in(&l->dice, 4) ? 2 + roll(&l->dice, 4) : 2, i;
	bool spoil = one_in(&l->dice, 12);
	__u16 odd = roll64(&l->dice) >> roll(&l->dice, 16);
	struct desc desc = {
		.type = one_in(&l->dice, 4) ? roll(&l->dice, 0x10000) : 6,
		.len8 = len8,
		.offset8 = offset8,
		.flags = roll(&l->dice, 2),
		.trans_id = roll64(&l->dice),
	};
	__u64 words[1024];

	for (i = 0; i < 1024; i++)
		words[i] = desc.trans_id * (i + 1);
	if (spoil && odd & 1)
		desc.len8 = odd;
	else if (spoil)
		desc.offset8 = odd;
	if (len8 * 8 + TRAILER >= room(l))
		return -ENOSPC;
	put(&l->in, l->written, &desc, DESC);
	put(&l->in, advance(l->written, DESC), words, len8 * 8 - DESC);
	l->written = advance(l->written, len8 * 8 + TRAILER);
	l->in.control->write_index = l->written;
	return 0;
}

/* Any bytes, anywhere */
static int run_nonsense(struct life *l)
{
	struct ring *ring = one_in(&l->dice, 4) ? &l->out : &l->in;
	__u64 words[8];
	__u32 at = roll(&l->dice, DATA_BYTES), i;

	for (i = 0; i < 8; i++)
		words[i] = one_in(&l->dice, 2) ? odd_value(&l->dice) : roll64(&l->dice);
	put(ring, at, words, sizeof(words));
	return 0;
}

static void spoil_control(struct ring *ring, struct dice *d)
{
	__u32 value = odd_value(d);

	switch (roll(d, 8)) {
	case 0:
		ring->control->interrupt_mask = value;
		break;
	case 1:
		ring->control->pending_send_sz = value;
		break;
	case 2:
		ring->control->feature_bits = value;
		break;
	case 3 ... 5:
		ring->control->write_index = value;
		break;
	default:
		ring->control->read_index = value;
	}
}

static int run_control(struct life *l)
{
	spoil_control(one_in(&l->dice, 2) ? &l->out : &l->in, &l->dice);
	l->written = l->in.control->write_index % DATA_BYTES / 8 * 8;
	return 0;
}

/* It reads what the host has sent, or says so. */
static int run_read_out(struct life *l)
{
	l->out.control->read_index = l->out.control->write_index;
	return 0;
}

static int run_kick(struct life *l)
{
	return eventfd_write(l->kick, 1) ? -errno : 0;
}

/* ---- What must come of it, where nobody else is at work ---- */

static bool index_ok(__u32 index)
{
	return index < DATA_BYTES && index % 8 == 0;
}

static int broken(struct ring *ring)
{
	ring->broken = true;
	return -EIO;
}

/* Bytes of the header of this type's packets */
static __u32 type_header(__u16 type)
{
	return type == 7 || type == 9 ? 8 : 0;
}

/* Next packet of the guest's: its length, and all that follows it; or an errno */
static int expect_recv(struct ring *in, struct desc *desc, __u8 *payload, __u32 size)
{
	__u32 write = in->control->write_index, used, len;

	if (in->broken)
		return -EIO;
	/* It looks where the guest is when it has read all that it knew of. */
	if (in->other == in->index) {
		if (!index_ok(write))
			return broken(in);
		in->other = write;
	}
	used = (in->other + DATA_BYTES - in->index) % DATA_BYTES;
	if (!used)
		return -EAGAIN;
	if (used < DESC + TRAILER)
		return broken(in);
	get(in, in->index, desc, DESC);
	if (desc->offset8 * 8u < DESC + type_header(desc->type) ||
	    desc->offset8 > desc->len8 || desc->len8 * 8u + TRAILER > used)
		return broken(in);
	if (desc->len8 * 8u - DESC > size)
		return -EMSGSIZE;
	len = (desc->len8 - desc->offset8) * 8u;
	get(in, advance(in->index, desc->offset8 * 8u), payload, len);
	in->index = advance(in->index, desc->len8 * 8u + TRAILER);
	return len;
}

static __u32 out_room(const struct ring *out)
{
	return DATA_BYTES - (out->index + DATA_BYTES - out->other) % DATA_BYTES;
}

/*
 * The host looks where the guest is when it has no room. From then on it may do so at any
 * time, as it waits for some: what it knows, nobody can say.
 */
static int expect_send(struct ring *out, __u32 len)
{
	__u32 total = DESC + (len + 7) / 8 * 8 + TRAILER, read = out->control->read_index;

	if (out->broken)
		return -EIO;
	if (total >= DATA_BYTES)
		return -EMSGSIZE;
	if (out_room(out) <= total) {
		if (!index_ok(read))
			return broken(out);
		out->other = read;
	}
	if (out_room(out) <= total) {
		out->waiting = true;
		return -EAGAIN;
	}
	out->index = advance(out->index, total);
	return 0;
}

/* One of these it must be, once the host has waited. */
static int expect_any_send(struct ring *out, __u32 len, int ret)
{
	__u32 total = DESC + (len + 7) / 8 * 8 + TRAILER;

	if (total >= DATA_BYTES && ret != -EIO)
		return -EMSGSIZE;
	if (ret == -EIO)
		out->broken = true;
	else if (!ret)
		out->index = advance(out->index, total);
	else
		return -EAGAIN;
	return ret;
}

static void check_sent(struct life *l, __u32 start, const __u8 *bytes, __u32 len)
{
	static __u8 back[BUF];
	struct desc desc;
	__u64 trailer;
	__u32 padded = (len + 7) / 8 * 8;

	get(&l->out, start, &desc, DESC);
	get(&l->out, advance(start, DESC), back, padded);
	get(&l->out, advance(start, DESC + padded), &trailer, TRAILER);
	if (desc.type != 6 || desc.offset8 != 2 || desc.len8 != (DESC + padded) / 8 ||
	    trailer != (__u64)start << 32 || memcmp(back, bytes, len) ||
	    l->out.control->write_index != l->out.index)
		fuzz_fail("what was sent at %#x, %u bytes, is not what is there", start, len);
	while (len < padded)
		if (back[len++])
			fuzz_fail("the padding at %#x is not zero", start);
}

/* ---- The host ---- */

static int run_recv(struct life *l)
{
	static __u8 bytes[BUF], expected[BUF];
	__u32 size = one_in(&l->dice, 3) ? roll(&l->dice, 200) : BUF;
	struct desc desc;
	int ret, must;

	ret = backend_recv(l->backend, bytes, size);
	if (ret > (int)size)
		fuzz_fail("%d bytes received where %u were asked for", ret, size);
	if (l->racing)
		return ret;
	must = expect_recv(&l->in, &desc, expected, size);
	if (ret != must)
		fuzz_fail("receiving returned %d instead of %d", ret, must);
	if (ret > 0 && memcmp(bytes, expected, ret))
		fuzz_fail("what was received is not what was written");
	if (ret >= 0 && l->in.control->read_index != l->in.index)
		fuzz_fail("read_index is %#x instead of %#x", l->in.control->read_index,
			  l->in.index);
	return ret;
}

static int run_send(struct life *l)
{
	static __u8 bytes[BUF];
	__u32 len = one_in(&l->dice, 8) ? roll(&l->dice, BUF) : roll(&l->dice, 200), i;
	__u8 first = roll(&l->dice, 256);
	__u32 start = l->out.index;
	int ret, must;

	for (i = 0; i < len; i++)
		bytes[i] = first + i;
	ret = backend_send(l->backend, bytes, len);
	if (l->racing)
		return ret;
	must = l->out.waiting && !l->out.broken ? expect_any_send(&l->out, len, ret) :
						  expect_send(&l->out, len);
	if (ret != must)
		fuzz_fail("sending returned %d instead of %d", ret, must);
	if (!ret)
		check_sent(l, start, bytes, len);
	return ret;
}

/* ---- The guest that does not wait ---- */

/* Mostly what could be true, so that the host goes far before it sees that it is not */
static void spoil(struct life *l, struct dice *d)
{
	struct ring *ring = one_in(d, 2) ? &l->out : &l->in;
	atomic_ushort *half = (void *)(l->in.data + roll(d, DATA_BYTES / 8) * 8);

	switch (roll(d, 16)) {
	case 0:
		spoil_control(ring, d);
		break;
	case 1 ... 2:
		ring->control->interrupt_mask = roll(d, 2);
		break;
	case 3 ... 4:
		ring->control->pending_send_sz = roll(d, 300);
		break;
	case 5 ... 6:
		ring->control->write_index = roll(d, DATA_BYTES / 8) * 8;
		break;
	case 7:
		ring->control->read_index = roll(d, DATA_BYTES / 8) * 8;
		break;
	default:
		/* A descriptor, in parts */
		half[0] = 6;
		half[1] = one_in(d, 8) ? roll64(d) : 2 + roll(d, 3);
		half[2] = one_in(d, 8) ? roll64(d) : 2 + roll(d, 60);
	}
}

static int hostile(void *arg)
{
	struct life *l = arg;

	while (!l->stop)
		spoil(l, &l->hostile_dice);
	return 0;
}

/* ---- All is well again ---- */

static void check_health(struct life *l)
{
	static const struct desc desc = { .type = 6, .offset8 = 2, .len8 = 3 };
	static const __u64 word = 0x1122334455667788;
	__u64 back = 0;
	int ret;

	put(&l->in, 0, &desc, DESC);
	put(&l->in, DESC, &word, 8);
	l->in.control->write_index = DESC + 8 + TRAILER;
	ret = backend_recv(l->backend, &back, sizeof(back));
	if (ret != 8 || back != word)
		fuzz_fail("a new ring: received %d bytes, %#llx", ret, back);
	ret = backend_send(l->backend, &word, sizeof(word));
	if (ret)
		fuzz_fail("a new ring: sending returned %d", ret);
	get(&l->out, DESC, &back, 8);
	if (back != word || l->out.control->write_index != DESC + 8 + TRAILER)
		fuzz_fail("a new ring: sent %#llx", back);
	l->written = DESC + 8 + TRAILER;
	l->in.index = l->written;
	l->in.other = l->written;
	l->out.index = l->written;
}

static void begin_racing(struct life *l)
{
	l->stop = false;
	task_start(&l->hostile, hostile, l);
}

static void end_racing(struct life *l)
{
	l->stop = true;
	task_join(&l->hostile);
}

static int run_reopen(struct life *l)
{
	if (l->racing)
		end_racing(l);
	close_channel(l);
	open_channel(l);
	check_health(l);
	if (l->racing)
		begin_racing(l);
	return 0;
}

/* ---- The life ---- */

static const struct fuzz_op ops[NR_OPS] = {
	[PACKET] = { "packet", 24, run_packet, { ENOSPC } },
	[NONSENSE] = { "nonsense", 4, run_nonsense, {} },
	[CONTROL] = { "control", 3, run_control, {} },
	[RECV] = { "recv", 32, run_recv, { EAGAIN, EMSGSIZE, EIO } },
	[SEND] = { "send", 24, run_send, { EAGAIN, EMSGSIZE, EIO } },
	[KICK] = { "kick", 4, run_kick, { EAGAIN } },
	[READ_OUT] = { "read out", 8, run_read_out, {} },
	[REOPEN] = { "reopen", 5, run_reopen, {} },
};

/* Every other seed has a guest that does not wait. */
static void life(__u64 seed, unsigned int length)
{
	static struct life l;
	__u64 sum = 0;

	l.dice.state = seed;
	l.hostile_dice.state = ~seed;
	begin_life(&l);
	l.racing = seed % 2;
	if (l.racing)
		begin_racing(&l);
	for (fuzz->step = 0; fuzz->step < length; fuzz->step++)
		sum = sum * 31 + fuzz_do(&l.dice, ops, NR_OPS, &l);
	run_reopen(&l);
	fuzz->end = sum + l.dice.state;
	if (l.racing)
		end_racing(&l);
	close(l.backend);
	close(l.fd);
}

#define RING_SEED(seed, length)	{ seed, length },

#define FUZZ_KIND				\
	.name = "ring",				\
	.ops = ops,				\
	.nr_ops = NR_OPS,			\
	.length = 2000

#include "fuzz_main.h"

TEST_HARNESS_MAIN
