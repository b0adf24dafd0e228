// SPDX-License-Identifier: GPL-2.0
/*
 * A disk of vmbus_scsi.ko, driven as Linux' hv_storvsc does it: rings of 128 KiB, a signal only
 * when the host's ring was empty, no interrupts while answers are being read.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/vmbus_host_scsi.h>

#include "../selftest/layout.h"
#include "../selftest/scsi_guest.h"
#include "../selftest/vmm.h"
#include "disk.h"

#define DATA		(128u << 10)	/* of each ring */
#define SPLIT		(1 + DATA / PAGE)
#define BYTES		(2 * SPLIT * PAGE)
#define MAX_PFNS	65u

/* The first page of a ring */
struct ring {
	__u32 write, read, mask, pending;
	__u32 reserved[12];
	__u32 features;
};

/* A packet: descriptor, ranges, request block. What follows the pages moves up */
struct packet {
	__u16 type, offset8, len8, flags;
	__u64 id;
	__u32 reserved, nr_ranges;
	__u32 bytes, offset;
	__u64 pfn[MAX_PFNS];
};

static int fd, kick_fd;
static struct ring *out, *in;
static char *memory;
static bool must_kick;
static __u64 event_flags[32];

static void put(__u32 *at, const void *from, __u32 len)
{
	char *data = (char *)out + PAGE;
	__u32 first = DATA - *at;

	if (len < first) {
		memcpy(data + *at, from, len);
		*at += len;
		return;
	}
	memcpy(data + *at, from, first);
	memcpy(data, (const char *)from + first, len - first);
	*at = len - first;
}

/* Publish what was put from the write index to @at. */
static void publish(__u32 at)
{
	__u32 old = out->write;

	store(&out->write, at);
	barrier_all();
	if (!load(&out->mask) && load(&out->read) == old)
		must_kick = true;
}

static void send_packet(const struct packet *p, __u32 len, const struct vstor_msg *msg)
{
	const __u64 trailer = (__u64)out->write << 32;
	__u32 at = out->write;

	put(&at, p, len);
	put(&at, msg, sizeof(*msg));
	put(&at, &trailer, sizeof(trailer));
	publish(at);
}

static void vmbus_submit(unsigned int slot, const struct request *r)
{
	static struct packet p = { .type = 9, .flags = 1, .nr_ranges = 1 };
	static struct vstor_msg msg = {
		.op = OP_EXECUTE_SRB,
		.flags = 1,
		.length = 52,
		.cdb_length = 10,
		.sense_length = 20,
		.queue_tag = 0xff,
		.queue_action = 0x20,
		.timeout = 60,
	};
	__u64 gpa = MEM_GPA + (r->data - memory);
	unsigned int i, n = r->bytes / PAGE, len = offsetof(struct packet, pfn) + n * 8;

	p.offset8 = len / 8;
	p.len8 = (len + sizeof(msg)) / 8;
	p.id = slot + 1;
	p.bytes = r->bytes;
	for (i = 0; i < n; i++)
		p.pfn[i] = gpa / PAGE + i;
	msg.data_in = !r->write;
	msg.data_length = r->bytes;
	msg.srb_flags = r->write ? 0x80 : 0x40;
	cdb_fill(msg.cdb, r);
	send_packet(&p, len, &msg);
}

static bool vmbus_kick(void)
{
	bool kicked = must_kick;

	must_kick = false;
	if (kicked)
		eventfd_write(kick_fd, 1);
	return kicked;
}

/* What lies @offset behind the read index. No word goes round the end by halves */
static const void *peek(__u32 offset)
{
	__u32 at = in->read + offset;

	return (const char *)in + PAGE + (at < DATA ? at : at - DATA);
}

/* The next answer is the request's of that number; false if there is none */
static bool receive_begin(__u64 *id, __u32 *payload)
{
	const __u16 *head = peek(0);

	if (load(&in->write) == in->read)
		return false;
	*payload = head[1] * 8;
	*id = *(const __u64 *)peek(8);
	return true;
}

static void receive_end(void)
{
	const __u16 *head = peek(0);
	__u32 at = in->read + head[2] * 8 + 8;

	store(&in->read, at < DATA ? at : at - DATA);
}

/* The next answer, all of it */
static bool receive(__u64 *id, struct vstor_msg *msg)
{
	__u32 payload, i;

	if (!receive_begin(id, &payload))
		return false;
	for (i = 0; i < sizeof(*msg); i += 8)
		memcpy((char *)msg + i, peek(payload + i), 8);
	receive_end();
	return true;
}

/* As much of the answer as a driver looks at, where it lies */
static int vmbus_reap(void)
{
	const __u8 *status;
	__u32 payload;
	__u64 id;

	if (!receive_begin(&id, &payload))
		return -1;
	/* srb_status, and scsi_status beside it */
	status = peek(payload + offsetof(struct vstor_msg, srb_status));
	if (status[0] != 1)
		die("vmbus: request %ju ended with status %#x/%#x", (uintmax_t)id, status[0],
		    status[1]);
	receive_end();
	return id - 1;
}

static void vmbus_listen(bool wanted)
{
	store(&in->mask, !wanted);
	barrier_all();
	/* As the interrupt's handler does */
	if (!wanted)
		__atomic_and_fetch(&event_flags[0], ~(1ull << RELID), __ATOMIC_SEQ_CST);
}

/* ---- How it begins ---- */

static void create_channel(const char *wwpn, int call_fd)
{
	const __u8 type[16] = VMBUS_HOST_SCSI_IF_TYPE;
	struct vmbus_host_scsi_config config = { .size = sizeof(config), .tpgt = 1 };
	struct vmbus_host_signals signals = {
		.size = sizeof(signals),
		.kick_fd = kick_fd,
		.call_fd = call_fd,
		.flag = RELID,
		.event_flags = (uintptr_t)event_flags,
	};
	struct vmbus_host_channel_create create = {
		.size = sizeof(create),
		.relid = RELID,
		.signals = (uintptr_t)&signals,
		.config = (uintptr_t)&config,
	};

	snprintf((char *)config.wwpn, sizeof(config.wwpn), "%s", wwpn);
	memcpy(create.if_type, type, sizeof(type));
	MUST(!ioctl(fd, VMBUS_HOST_CHANNEL_CREATE, &create));
}

static void open_channel(void)
{
	static struct guest_gpadl g;

	gpadl_simple(&g, RING_HANDLE, RING_GPA, BYTES);
	MUST(!guest_gpadl(fd, RELID, &g, false));
	MUST(reply_wait(fd).type == MSG_GPADL_CREATED);
	out->features = 1;
	in->features = 1;
	MUST(!guest_open(fd, RELID, 1, RING_HANDLE, SPLIT));
	MUST(!reply_wait(fd).status);
}

static void ask(struct vstor_msg msg)
{
	struct packet p = { .type = 6, .flags = 1, .offset8 = 2, .len8 = 10, .id = ~0ull };
	__u64 id;

	send_packet(&p, 16, &msg);
	vmbus_kick();
	MUST(WAIT_FOR(receive(&id, &msg)));
	MUST(!msg.status);
}

static void start(struct peer *peer, const char *wwpn, char *mem, size_t size, __u32 flags)
{
	memory = mem;
	fd = open("/dev/vmbus-host", O_RDWR | O_CLOEXEC);
	MUST(fd >= 0);
	kick_fd = eventfd(0, EFD_CLOEXEC);
	peer->call_fd = eventfd(0, EFD_CLOEXEC);
	out = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(out != MAP_FAILED);
	in = (void *)((char *)out + SPLIT * PAGE);
	MUST(!vmm_create(fd));
	MUST(!vmm_region(fd, MEM_SLOT, flags, MEM_GPA, size, mem));
	MUST(!vmm_region(fd, RING_SLOT, 0, RING_GPA, BYTES, out));
	create_channel(wwpn, peer->call_fd);
	open_channel();
	ask((struct vstor_msg){ .op = OP_BEGIN });
	ask((struct vstor_msg){ .op = OP_VERSION, .version = 0x0602 });
	ask((struct vstor_msg){ .op = OP_PROPERTIES });
	ask((struct vstor_msg){ .op = OP_END });
}

static void vmbus_start(const char *wwpn, char *mem, size_t size)
{
	start(&vmbus_peer, wwpn, mem, size, 0);
}

/* All of the guest's memory is pinned from the start, as where it has a device of its own */
static void resident_start(const char *wwpn, char *mem, size_t size)
{
	start(&resident_peer, wwpn, mem, size, VMBUS_HOST_REGION_RESIDENT);
}

struct peer vmbus_peer = {
	.name = "vmbus",
	.start = vmbus_start,
	.submit = vmbus_submit,
	.kick = vmbus_kick,
	.reap = vmbus_reap,
	.listen = vmbus_listen,
};

struct peer resident_peer = {
	.name = "resident",
	.start = resident_start,
	.submit = vmbus_submit,
	.kick = vmbus_kick,
	.reap = vmbus_reap,
	.listen = vmbus_listen,
};
