// SPDX-License-Identifier: GPL-2.0
/*
 * The ring that the host writes, with every kind of guest and several senders: does anybody
 * wait for ever, or in a ring that a guest has spoilt?
 *
 * A sender is blocked when it has got -EAGAIN, until kick() comes. The guest sleeps when it
 * has found the ring empty, until it is signalled. The timer is looked at only when nobody
 * else can go on, and only where the guest is of a kind that never signals room: for all
 * others it must not be needed.
 */
#include <linux/uaccess.h>
#include <linux/vmbus_packet.h>

#include <asm/barrier.h>

#include "host/ring.h"
#include "model.h"

#define RING_BYTES	(2 * VMBUS_RING_PAGE)
#define DATA_BYTES	VMBUS_RING_PAGE
#define MAX_SENDERS	3
#define MAX_PACKETS	4

/* When a guest signals that there is room */
enum guest_kind {
	GUEST_OLD,	/* before Linux 4.11: as soon as pending_send_sz are free */
	GUEST_NEW,	/* since: when more than that are */
	GUEST_MASK,	/* 4.11 to 4.15: not while its own mask is set */
	GUEST_NEVER,	/* it has not heard of pending_send_sz */
	GUEST_SPOILS,	/* as a new one, but its read_index is nonsense for a moment */
};

/* What a sender does */
enum sender_kind {
	SENDER_RETRIES,		/* waits for kick() when there is no room */
	SENDER_GIVES_UP,	/* drops the packet */
	SENDER_BATCHES,		/* with VMBUS_SEND_MORE, and a flush behind the last */
	SENDER_ASKS,		/* asks for room first, and waits for more than it needs */
};

struct sender_plan {
	enum sender_kind kind;
	u32 len[MAX_PACKETS];	/* of the payload; 0 ends it */
};

struct plan {
	enum guest_kind guest;
	u32 start;		/* index at which both begin */
	bool batch;		/* the guest reads all that is there, then tells */
	struct sender_plan sender[MAX_SENDERS];
};

enum sender_state { S_TRY, S_FILL, S_FINISH, S_BLOCKED, S_DONE };

struct sender {
	const struct sender_plan *plan;
	unsigned int id, next;
	enum sender_state state;
	struct vmbus_reservation res;
};

enum guest_state {
	G_SLEEP, G_MASK, G_LOAD, G_READ, G_SPOIL, G_COMMIT, G_PENDING, G_ROOM, G_UNMASK, G_RECHECK,
};

static union {
	struct {
		struct vmbus_ring_control control;
		u8 data[DATA_BYTES];
	};
	u64 align;
} mem;

static struct {
	const struct plan *plan;
	struct vmbus_ring_out ring;
	struct sender sender[MAX_SENDERS];
	bool kicked, armed;
	/* The guest */
	enum guest_state state;
	bool signalled;
	u32 read, write, bytes, pending;
	unsigned int got[MAX_SENDERS];
} m;

/* ---- What the host's functions ask for ---- */

static void todo_do(unsigned int todo)
{
	if (todo & VMBUS_RING_SIGNAL)
		m.signalled = true;
	if (todo & VMBUS_RING_KICK)
		m.kicked = true;
	if (todo & VMBUS_RING_WAIT)
		m.armed = true;
}

/* ---- The guest: vmbus_on_event() and hv_pkt_iter_close() ---- */

static u32 word(u32 index)
{
	return *(u32 *)(mem.data + index % DATA_BYTES);
}

/* One packet; its sender and number are its transaction id. */
static void guest_read_packet(void)
{
	u32 total = (word(m.read + 4) & 0xffff) * 8 + VMBUS_RING_TRAILER;
	u32 id = word(m.read + 8), sender = id / 256, number = id % 256;
	const struct sender *s = &m.sender[sender];

	if (sender >= MAX_SENDERS || number < m.got[sender] || number >= MAX_PACKETS ||
	    total != VMBUS_RING_DESC + s->plan->len[number] + VMBUS_RING_TRAILER) {
		model_fail("a packet that was not sent, or sent before");
		return;
	}
	if (s->plan->kind != SENDER_GIVES_UP && number != m.got[sender])
		model_fail("a packet is missing");
	m.got[sender] = number + 1;
	m.read = (m.read + total) % DATA_BYTES;
	m.bytes += total;
}

static u32 guest_room(void)
{
	u32 write = mem.control.write_index;

	return write >= m.read ? DATA_BYTES - (write - m.read) : m.read - write;
}

static void guest_tell(void)
{
	u32 room = guest_room(), before = room - m.bytes;

	if (m.plan->guest == GUEST_OLD ? before < m.pending && room >= m.pending :
					 before <= m.pending && room > m.pending)
		m.kicked = true;
}

static bool guest_can(void *arg)
{
	(void)arg;
	return m.state != G_SLEEP || m.signalled;
}

static void guest_step(void *arg)
{
	struct vmbus_ring_control *c = &mem.control;

	(void)arg;
	switch (m.state) {
	case G_SLEEP:
		m.signalled = false;
		m.state = G_MASK;
		break;
	case G_MASK:
		c->interrupt_mask = 1;
		m.state = G_LOAD;
		break;
	case G_LOAD:
		m.write = c->write_index;
		m.bytes = 0;
		m.state = m.write == m.read ? G_UNMASK : G_READ;
		break;
	case G_READ:
		do
			guest_read_packet();
		while (m.plan->batch && m.read != m.write && m.bytes < DATA_BYTES);
		m.state = m.plan->guest == GUEST_SPOILS ? G_SPOIL : G_COMMIT;
		break;
	case G_SPOIL:
		c->read_index = 1;
		m.state = G_COMMIT;
		break;
	case G_COMMIT:
		c->read_index = m.read;
		m.state = m.plan->guest == GUEST_NEVER || !(c->feature_bits & 1) ?
			  G_LOAD : G_PENDING;
		break;
	case G_PENDING:
		m.pending = c->pending_send_sz;
		m.state = G_ROOM;
		if (!m.pending || (m.plan->guest == GUEST_MASK && c->interrupt_mask))
			m.state = G_LOAD;
		break;
	case G_ROOM:
		guest_tell();
		m.state = G_LOAD;
		break;
	case G_UNMASK:
		c->interrupt_mask = 0;
		m.state = G_RECHECK;
		break;
	case G_RECHECK:
		m.state = c->write_index == m.read ? G_SLEEP : G_MASK;
		break;
	}
}

static const struct model_actor guest = { .name = "guest", .can = guest_can, .step = guest_step };

/* ---- The senders ---- */

static void sender_next(struct sender *s)
{
	unsigned int todo = 0;

	s->state = S_TRY;
	if (++s->next < MAX_PACKETS && s->plan->len[s->next])
		return;
	s->state = S_DONE;
	if (s->plan->kind == SENDER_BATCHES)
		vmbus_ring_flush(&m.ring, &todo);
	todo_do(todo);
}

/* Whoever finds it says so, and nobody waits any more. */
static bool ring_is_spoilt(int ret)
{
	if (!m.ring.mem.broken || m.plan->guest != GUEST_SPOILS)
		return false;
	if (ret != -EIO)
		model_fail("a broken ring is used");
	if (m.ring.waiting)
		model_fail("a broken ring is waited for");
	return true;
}

static void sender_try(struct sender *s)
{
	u32 len = s->plan->len[s->next];
	unsigned int todo = 0;
	int ret = 0;

	if (s->plan->kind == SENDER_ASKS && vmbus_ring_room(&m.ring, len, &todo) < len)
		ret = -EAGAIN;
	if (!ret)
		ret = vmbus_ring_reserve(&m.ring, vmbus_packet_room(len), &s->res, &todo);
	if (ring_is_spoilt(ret))
		s->state = S_DONE;
	else if (!ret)
		s->state = S_FILL;
	else if (ret != -EAGAIN)
		model_fail("a send fails");
	else if (s->plan->kind == SENDER_GIVES_UP)
		sender_next(s);
	else
		s->state = S_BLOCKED;
	todo_do(todo);
}

static void sender_fill(struct sender *s)
{
	static u8 payload[DATA_BYTES];
	struct vmbus_packet pkt = {
		.type = VMBUS_PACKET_INBAND,
		.trans_id = s->id * 256 + s->next,
		.len = s->plan->len[s->next],
	};
	struct kvec v = { .iov_base = payload, .iov_len = pkt.len };
	struct kvec seg[2];

	/* Nothing of what the guest looks at changes: let it alone. */
	model_set_guest(NULL);
	if (vmbus_ring_place(&m.ring, &s->res, &pkt, seg))
		model_fail("a packet does not fit into its place");
	else
		vmbus_ring_fill(seg, &v, 1);
	model_set_guest(&guest);
	s->state = S_FINISH;
}

static void sender_finish(struct sender *s)
{
	unsigned int todo = 0;
	int ret;

	ret = vmbus_ring_finish(&m.ring, &s->res, s->plan->kind == SENDER_BATCHES, &todo);
	if (ret && !ring_is_spoilt(ret))
		model_fail("a packet that was reserved cannot be finished");
	todo_do(todo);
	sender_next(s);
}

static bool sender_can(void *arg)
{
	struct sender *s = arg;

	return s->state != S_BLOCKED && s->state != S_DONE;
}

static void sender_step(void *arg)
{
	struct sender *s = arg;

	switch (s->state) {
	case S_TRY:
		sender_try(s);
		break;
	case S_FILL:
		sender_fill(s);
		break;
	default:
		sender_finish(s);
	}
}

/* ---- The channel's work, and the timer ---- */

static bool kick_can(void *arg)
{
	(void)arg;
	return m.kicked;
}

static void kick_step(void *arg)
{
	unsigned int todo = 0, i;

	(void)arg;
	m.kicked = false;
	vmbus_ring_poll_room(&m.ring, &todo);
	for (i = 0; i < MAX_SENDERS; i++)
		if (m.sender[i].state == S_BLOCKED)
			m.sender[i].state = S_TRY;
}

static bool timer_can(void *arg)
{
	(void)arg;
	return m.armed && (m.plan->guest == GUEST_NEVER || m.plan->guest == GUEST_MASK);
}

static void timer_step(void *arg)
{
	unsigned int todo = 0;

	(void)arg;
	m.armed = false;
	vmbus_ring_poll_room(&m.ring, &todo);
	/* Nobody reads any more: the timer would tick for ever. */
	if (m.state == G_SLEEP && !m.signalled && !(todo & VMBUS_RING_KICK))
		todo = 0;
	todo_do(todo);
}

/* ---- Cases ---- */

static void begin(const struct model_case *c)
{
	static const char *const names[MAX_SENDERS] = { "sender 0", "sender 1", "sender 2" };
	const struct plan *plan = c->arg;
	unsigned int i;

	memset(&m, 0, sizeof(m));
	m.plan = plan;
	m.read = plan->start;
	mem.control = (struct vmbus_ring_control){
		.read_index = plan->start,
		.write_index = plan->start,
	};
	if (vmbus_ring_init_out(&m.ring, &mem, RING_BYTES))
		model_fail("the ring cannot be set up");
	for (i = 0; i < MAX_SENDERS; i++) {
		m.sender[i].plan = &plan->sender[i];
		m.sender[i].id = i;
		if (!plan->sender[i].len[0])
			m.sender[i].state = S_DONE;
		model_add((struct model_actor){ names[i], sender_can, sender_step, &m.sender[i],
			  false });
	}
	model_add(guest);
	model_add((struct model_actor){ "kick", kick_can, kick_step, &m.kicked, false });
	model_add((struct model_actor){ "timer", timer_can, timer_step, &m.armed, true });
	model_set_guest(&guest);
}

static const char *end(void)
{
	unsigned int i;

	for (i = 0; i < MAX_SENDERS; i++)
		if (m.sender[i].state == S_BLOCKED)
			return "a sender waits for room for ever";
	if (m.ring.mem.broken)
		return m.ring.waiting ? "a broken ring is waited for" : NULL;
	if (m.read != m.ring.index)
		return "the guest sleeps, and the ring is not empty";
	if (mem.control.write_index != m.ring.index || !list_empty(&m.ring.reserved))
		return "a packet was never published";
	for (i = 0; i < MAX_SENDERS; i++)
		if (m.sender[i].plan->kind != SENDER_GIVES_UP &&
		    m.got[i] != m.sender[i].next)
			return "a packet is lost";
	return NULL;
}

static void show(void)
{
	printf("write %u read %u pending %u mask %u; senders %d %d %d guest %d kicked %d\n",
	       mem.control.write_index, mem.control.read_index, mem.control.pending_send_sz,
	       mem.control.interrupt_mask, m.sender[0].state, m.sender[1].state,
	       m.sender[2].state, m.state, m.kicked);
}

#define ONE	{ SENDER_RETRIES, { 1000, 1000, 3048, 1000 } }
#define LARGE	{ SENDER_RETRIES, { 3000, 3000 } }
#define SMALL	{ SENDER_RETRIES, { 1000, 1000 } }
#define BATCH	{ SENDER_BATCHES, { 1000, 1000, 1000 } }
#define LAST	{ SENDER_RETRIES, { 3048 } }
#define ASKS	{ SENDER_ASKS, { 504, 3000, 504 } }
#define GIVES	{ SENDER_GIVES_UP, { 3504, 200 } }

#define CASES(kind, say)							\
	{ say ", one sender", 2, begin, end, show,					\
	  &(const struct plan){ kind, 0, false, { ONE } } },			\
	{ say ", one sender, the ring's end", 2, begin, end, show,			\
	  &(const struct plan){ kind, DATA_BYTES - 8, true, { LARGE } } },	\
	{ say ", two senders", 2, begin, end, show,					\
	  &(const struct plan){ kind, 0, false, { LARGE, SMALL } } },		\
	{ say ", two senders, read in batches", 2, begin, end, show,			\
	  &(const struct plan){ kind, 8, true, { LARGE, SMALL } } },		\
	{ say ", three senders", 1, begin, end, show,					\
	  &(const struct plan){ kind, 0, false, { LARGE, SMALL, LAST } } },	\
	{ say ", one sends batches", 2, begin, end, show,				\
	  &(const struct plan){ kind, 0, true, { BATCH, LARGE } } },		\
	{ say ", one gives up", 2, begin, end, show,					\
	  &(const struct plan){ kind, 0, false, { GIVES, SMALL } } },		\
	{ say ", one asks for room", 2, begin, end, show,				\
	  &(const struct plan){ kind, 0, false, { ASKS, SMALL } } }

#define CASE_SPOILS(say, n, ...)							\
	{ "read_index spoilt, " say, n, begin, end, show,				\
	  &(const struct plan){ GUEST_SPOILS, 0, false, { __VA_ARGS__ } } }

static const struct model_case cases[] = {
	CASES(GUEST_OLD, "room by the old rule"),
	CASES(GUEST_NEW, "room by the new rule"),
	CASES(GUEST_MASK, "room unless masked"),
	CASES(GUEST_NEVER, "room never told"),
	CASE_SPOILS("one sender", 2, ONE),
	CASE_SPOILS("two senders", 2, LARGE, SMALL),
	CASE_SPOILS("three senders", 1, LARGE, SMALL, LAST),
	CASE_SPOILS("one sends batches", 2, BATCH, LARGE),
	CASE_SPOILS("one gives up", 2, GIVES, SMALL),
};

bool ring_out_model(void)
{
	return model_run(cases, ARRAY_SIZE(cases));
}
