// SPDX-License-Identifier: GPL-2.0
/*
 * The ring that the guest writes: the guest waits for room, the host for packets. Does
 * either sleep for ever? And what a memory error in the guest's page does.
 */
#include <linux/uaccess.h>
#include <linux/vmbus_packet.h>

#include <asm/barrier.h>

#include "host/ring.h"
#include "model.h"

#define RING_BYTES	(2 * VMBUS_RING_PAGE)
#define DATA_BYTES	VMBUS_RING_PAGE
#define MAX_PACKETS	6

struct plan {
	u32 start;		/* index at which both begin */
	unsigned int batch;	/* packets that the host consumes between two commits */
	bool polls;		/* the host polls until it has found nothing */
	u32 len[MAX_PACKETS];	/* of the payload; 0 ends it */
};

enum guest_state {
	W_ROOM, W_PUT, W_PUBLISH, W_MASK, W_EMPTY, W_PENDING, W_RECHECK, W_SLEEP, W_DONE,
};

enum host_state { H_SLEEP, H_PEEK, H_CONSUME, H_COMMIT, H_UNMASK };

static union {
	struct {
		struct vmbus_ring_control control;
		u8 data[DATA_BYTES];
	};
	u64 align;
} mem;

static struct {
	const struct plan *plan;
	/* The guest */
	enum guest_state state;
	u32 write, start, pending;
	unsigned int sent;
	bool signalled;
	/* The host */
	struct vmbus_ring_in ring;
	enum host_state host;
	unsigned int got, uncommitted;
	bool kicked;
} m;

static unsigned int copies_until_error;

unsigned long copy_mc_to_kernel(void *to, const void *from, unsigned int len)
{
	/* An error stays where it is. */
	if (copies_until_error == 1)
		return len;
	if (copies_until_error)
		copies_until_error--;
	memcpy(to, from, len);
	return 0;
}

/* ---- The guest: hv_ringbuffer_write(), and a wait as hv_sock has it ---- */

static u32 total(void)
{
	return VMBUS_RING_DESC + m.plan->len[m.sent] + VMBUS_RING_TRAILER;
}

static bool has_room(void)
{
	u32 read = mem.control.read_index;

	return (m.write >= read ? DATA_BYTES - (m.write - read) : read - m.write) > total();
}

static void put(void)
{
	u16 head[8] = { VMBUS_PACKET_INBAND, 2, 2 + m.plan->len[m.sent] / 8, 0, m.sent };
	unsigned int i;

	for (i = 0; i < sizeof(head); i++)
		mem.data[(m.write + i) % DATA_BYTES] = ((u8 *)head)[i];
	m.start = m.write;
	m.write = (m.write + total()) % DATA_BYTES;
}

static void sent(void)
{
	m.sent++;
	m.state = m.sent < MAX_PACKETS && m.plan->len[m.sent] ? W_ROOM : W_DONE;
}

static bool guest_can(void *arg)
{
	(void)arg;
	return m.state != W_DONE && (m.state != W_SLEEP || m.signalled);
}

static void guest_step(void *arg)
{
	struct vmbus_ring_control *c = &mem.control;

	(void)arg;
	switch (m.state) {
	case W_ROOM:
		m.state = has_room() ? W_PUT : W_PENDING;
		break;
	case W_PUT:
		put();
		m.state = W_PUBLISH;
		break;
	case W_PUBLISH:
		c->write_index = m.write;
		m.state = W_MASK;
		break;
	case W_MASK:
		m.state = W_EMPTY;
		if (c->interrupt_mask)
			sent();
		break;
	case W_EMPTY:
		if (c->read_index == m.start)
			m.kicked = true;
		sent();
		break;
	case W_PENDING:
		c->pending_send_sz = total();
		m.state = W_RECHECK;
		break;
	case W_RECHECK:
		m.state = has_room() ? W_PUT : W_SLEEP;
		break;
	case W_SLEEP:
		m.signalled = false;
		c->pending_send_sz = 0;
		m.state = W_ROOM;
		break;
	case W_DONE:
		break;
	}
}

static const struct model_actor guest = {
	.name = "guest", .can = guest_can, .step = guest_step,
};

/* ---- The host: a backend's kick() ---- */

static void host_peek(unsigned int *todo)
{
	struct vmbus_packet pkt;
	struct kvec seg[2];
	int ret;

	ret = vmbus_ring_peek(&m.ring, &pkt, seg, todo);
	if (!ret) {
		if (pkt.trans_id != m.got || pkt.len != m.plan->len[m.got])
			model_fail("a packet is not what was sent");
		m.host = H_CONSUME;
		return;
	}
	if (ret != -EAGAIN)
		model_fail("a ring that is not broken is");
	m.uncommitted = 0;
	m.host = m.plan->polls ? H_UNMASK : H_SLEEP;
}

static bool host_can(void *arg)
{
	(void)arg;
	return m.host != H_SLEEP || m.kicked;
}

static void host_step(void *arg)
{
	unsigned int todo = 0;

	(void)arg;
	switch (m.host) {
	case H_SLEEP:
		m.kicked = false;
		if (m.plan->polls)
			vmbus_ring_mask(&m.ring);
		m.host = H_PEEK;
		break;
	case H_PEEK:
		host_peek(&todo);
		break;
	case H_CONSUME:
		vmbus_ring_consume(&m.ring);
		m.got++;
		m.host = ++m.uncommitted == m.plan->batch ? H_COMMIT : H_PEEK;
		break;
	case H_COMMIT:
		vmbus_ring_commit(&m.ring, &todo);
		m.uncommitted = 0;
		m.host = H_PEEK;
		break;
	case H_UNMASK:
		m.host = vmbus_ring_unmask(&m.ring) ? H_PEEK : H_SLEEP;
	}
	if (todo & VMBUS_RING_SIGNAL)
		m.signalled = true;
}

/* ---- Cases ---- */

static void begin(const struct model_case *c)
{
	const struct plan *plan = c->arg;

	memset(&m, 0, sizeof(m));
	m.plan = plan;
	m.write = plan->start;
	mem.control = (struct vmbus_ring_control){
		.read_index = plan->start,
		.write_index = plan->start,
	};
	if (vmbus_ring_init_in(&m.ring, &mem, RING_BYTES))
		model_fail("the ring cannot be set up");
	model_add(guest);
	model_add((struct model_actor){ "host", host_can, host_step, &m.host, false });
	model_set_guest(&guest);
}

static const char *end(void)
{
	if (m.state == W_SLEEP)
		return "the guest waits for room for ever";
	if (m.got != m.sent)
		return "the host sleeps, and the ring is not empty";
	if (mem.control.read_index != m.write)
		return "room was not given back";
	return NULL;
}

static void show(void)
{
	printf("write %u read %u pending %u mask %u; guest %d host %d kicked %d signalled %d\n",
	       mem.control.write_index, mem.control.read_index, mem.control.pending_send_sz,
	       mem.control.interrupt_mask, m.state, m.host, m.kicked, m.signalled);
}

#define MIXED	{ 1000, 3048, 1000, 8, 3048 }

static const struct model_case cases[] = {
	{ "guest writes, packets one by one", 3, begin, end, show,
	  &(const struct plan){ 0, 1, false, MIXED } },
	{ "guest writes, batches of two", 3, begin, end, show,
	  &(const struct plan){ 0, 2, false, MIXED } },
	{ "guest writes, commits only when empty", 3, begin, end, show,
	  &(const struct plan){ DATA_BYTES - 8, 100, false, MIXED } },
	{ "guest writes, the host polls", 3, begin, end, show,
	  &(const struct plan){ 0, 1, true, MIXED } },
	{ "guest writes, the host polls batches", 3, begin, end, show,
	  &(const struct plan){ 0, 100, true, MIXED } },
};

/* ---- Memory errors ---- */

/* The @nr-th copy of a packet that goes round the end meets one. */
static bool memory_error(unsigned int nr)
{
	static u8 buf[64];
	struct vmbus_packet pkt;
	unsigned int todo = 0;
	struct kvec seg[2];
	int ret;

	model_set_guest(NULL);
	m.plan = &(const struct plan){ DATA_BYTES - 8, 1, false, { 40 } };
	m.write = m.plan->start;
	m.sent = 0;
	mem.control = (struct vmbus_ring_control){ .read_index = m.write };
	vmbus_ring_init_in(&m.ring, &mem, RING_BYTES);
	put();
	mem.control.write_index = m.write;
	copies_until_error = nr;
	ret = vmbus_ring_peek(&m.ring, &pkt, seg, &todo);
	if (!ret)
		ret = vmbus_ring_copy(&m.ring, seg, 0, buf, 40);
	copies_until_error = 0;
	return ret == -EIO && vmbus_ring_peek(&m.ring, &pkt, seg, &todo) == -EIO;
}

static bool memory_errors(void)
{
	bool good = memory_error(1) && memory_error(2) && memory_error(3);

	printf("%s - a memory error breaks the ring\n", good ? "ok" : "not ok");
	return good;
}

bool ring_in_model(void)
{
	bool good = memory_errors();

	return model_run(cases, ARRAY_SIZE(cases)) && good;
}
