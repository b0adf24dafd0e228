// SPDX-License-Identifier: GPL-2.0
#include <string.h>
#include <unistd.h>

#include "scsi_guest.h"
#include "vmm.h"

#define BLOCK	512u

/* ---- Rings ---- */

/* As the wire has it */
struct descriptor {
	__u16 type;
	__u16 offset8;
	__u16 len8;
	__u16 flags;
	__u64 id;
};

static void ring_copy_in(char *data, __u32 at, const void *from, unsigned int len)
{
	unsigned int i;

	for (i = 0; i < len; i++)
		data[(at + i) % SCSI_RING_DATA] = ((const char *)from)[i];
}

static void ring_copy_out(void *to, const char *data, __u32 at, unsigned int len)
{
	unsigned int i;

	for (i = 0; i < len; i++)
		((char *)to)[i] = data[(at + i) % SCSI_RING_DATA];
}

int scsi_chan_open(struct scsi_chan *c)
{
	memset(c->ring, 0, SCSI_RING_BYTES);
	/* The writer of our ring minds pending_send_sz of the other one. */
	((__u32 *)c->ring)[16] = 1;
	c->heard = 0;
	c->events = 0;
	return guest_open(c->fd, c->relid, c->relid, c->handle, SCSI_RING_SPLIT);
}

static unsigned int round8(unsigned int n)
{
	return (n + 7) & ~7u;
}

void scsi_put(struct scsi_chan *c, __u16 type, __u16 flags, __u64 id, const void *header,
	      unsigned int header_len, const void *payload, unsigned int len)
{
	struct descriptor d = {
		.type = type,
		.offset8 = (sizeof(d) + header_len) / 8,
		.len8 = (sizeof(d) + header_len + round8(len)) / 8,
		.flags = flags,
		.id = id,
	};
	__u32 *index = (__u32 *)c->ring, at = *index;
	char *data = c->ring + HV_PAGE;

	ring_copy_in(data, at, &d, sizeof(d));
	ring_copy_in(data, at + sizeof(d), header, header_len);
	ring_copy_in(data, at + sizeof(d) + header_len, payload, len);
	__atomic_store_n(index, (at + d.len8 * 8 + 8) % SCSI_RING_DATA, __ATOMIC_RELEASE);
}

void scsi_kick(struct scsi_chan *c)
{
	__u64 one = 1;

	if (write(c->kick_fd, &one, sizeof(one)) != sizeof(one))
		_exit(99);
}

bool scsi_is_quiet(struct scsi_chan *c)
{
	__u32 *in = (__u32 *)(c->ring + SCSI_RING_SPLIT * HV_PAGE);

	return __atomic_load_n(in, __ATOMIC_ACQUIRE) == c->heard;
}

static struct vstor_reply read_packet(struct scsi_chan *c)
{
	__u32 *in = (__u32 *)(c->ring + SCSI_RING_SPLIT * HV_PAGE);
	const char *data = (const char *)in + HV_PAGE;
	struct vstor_reply r = {};
	struct descriptor d;

	ring_copy_out(&d, data, c->heard, sizeof(d));
	r.id = d.id;
	r.type = d.type;
	r.flags = d.flags;
	r.len = (d.len8 - d.offset8) * 8;
	ring_copy_out(&r.msg, data, c->heard + d.offset8 * 8,
		      r.len < sizeof(r.msg) ? r.len : sizeof(r.msg));
	c->heard = (c->heard + d.len8 * 8 + 8) % SCSI_RING_DATA;
	__atomic_store_n(&in[1], c->heard, __ATOMIC_SEQ_CST);
	/* pending_send_sz: the host waits for room. */
	if (__atomic_load_n(&in[3], __ATOMIC_SEQ_CST))
		scsi_kick(c);
	return r;
}

/* As the protocol has it: in-band, for nobody, and no answer is wanted */
static bool is_event(const struct vstor_reply *r)
{
	return r->type == 6 && !r->flags && !r->id && r->msg.op == OP_ENUMERATE_BUS &&
	       !r->msg.status;
}

struct vstor_reply scsi_next(struct scsi_chan *c)
{
	struct vstor_reply r = { .id = ~0ull };

	while (WAIT_FOR(!scsi_is_quiet(c))) {
		r = read_packet(c);
		if (!is_event(&r))
			return r;
		c->events++;
		r.id = ~0ull;
	}
	return r;
}

bool scsi_hears_event(struct scsi_chan *c)
{
	struct vstor_reply r;

	while (!scsi_is_quiet(c)) {
		r = read_packet(c);
		if (!is_event(&r))
			return false;
		c->events++;
	}
	return c->events;
}

/* ---- Initialisation ---- */

struct vstor_reply scsi_ask(struct scsi_chan *c, const struct vstor_msg *msg,
			    unsigned int len)
{
	scsi_put(c, 6, 1, ++c->next_id, NULL, 0, msg, len);
	scsi_kick(c);
	return scsi_next(c);
}

struct vstor_reply scsi_op(struct scsi_chan *c, __u32 op)
{
	struct vstor_msg msg = { .op = op };

	return scsi_ask(c, &msg, sizeof(msg));
}

__u32 scsi_init(struct scsi_chan *c, __u16 version)
{
	struct vstor_msg msg = { .op = OP_VERSION, .version = version };
	__u32 status = scsi_op(c, OP_BEGIN).msg.status;

	status = status ?: scsi_ask(c, &msg, sizeof(msg)).msg.status;
	status = status ?: scsi_op(c, OP_PROPERTIES).msg.status;
	return status ?: scsi_op(c, OP_END).msg.status;
}

/* ---- Commands ---- */

#define MAX_PFNS	320

__u64 scsi_send(struct scsi_chan *c, const struct scsi_cmd *cmd)
{
	struct {
		__u32 reserved;
		__u32 nr_ranges;
		__u32 bytes;
		__u32 offset;
		__u64 pfn[MAX_PFNS];
	} h = { .nr_ranges = 1, .bytes = cmd->bytes, .offset = cmd->gpa % HV_PAGE };
	struct vstor_msg msg = {
		.op = OP_EXECUTE_SRB,
		.flags = 1,
		.length = 52,
		.path = cmd->path,
		.target = cmd->target,
		.lun = cmd->lun,
		.cdb_length = cmd->cdb_len,
		.sense_length = 20,
		.data_in = cmd->dir,
		.data_length = cmd->bytes,
		.queue_tag = 0xff,
		.queue_action = 0x20,
		.srb_flags = cmd->dir == DIR_IN ? 0x40 : cmd->dir == DIR_OUT ? 0x80 : 0,
		.timeout = 60,
	};
	unsigned int i, pfns = (h.offset + cmd->bytes + HV_PAGE - 1) / HV_PAGE;

	memcpy(msg.cdb, cmd->cdb, sizeof(msg.cdb));
	if (cmd->ordered) {
		msg.srb_flags |= 2;
		msg.queue_action = 0x22;
	}
	if (!cmd->bytes) {
		scsi_put(c, 6, 1, ++c->next_id, NULL, 0, &msg, sizeof(msg));
		return c->next_id;
	}
	for (i = 0; i < pfns && i < MAX_PFNS; i++)
		h.pfn[i] = cmd->gpa / HV_PAGE + i;
	scsi_put(c, 9, 1, ++c->next_id, &h, 16 + 8 * pfns, &msg, sizeof(msg));
	return c->next_id;
}

struct vstor_reply scsi_do(struct scsi_chan *c, const struct scsi_cmd *cmd)
{
	scsi_send(c, cmd);
	scsi_kick(c);
	return scsi_next(c);
}

struct scsi_cmd cmd_plain(__u8 opcode)
{
	return (struct scsi_cmd){ .cdb = { opcode }, .cdb_len = 6, .dir = DIR_NONE };
}

struct scsi_cmd cmd_inquiry(int page, __u64 gpa, __u16 bytes)
{
	return (struct scsi_cmd){
		.cdb = { 0x12, page >= 0, page >= 0 ? page : 0, bytes >> 8, bytes },
		.cdb_len = 6,
		.dir = DIR_IN,
		.gpa = gpa,
		.bytes = bytes,
	};
}

struct scsi_cmd cmd_report_luns(__u64 gpa, __u32 bytes)
{
	return (struct scsi_cmd){
		.cdb = { 0xa0, [6] = bytes >> 24, bytes >> 16, bytes >> 8, bytes },
		.cdb_len = 12,
		.dir = DIR_IN,
		.gpa = gpa,
		.bytes = bytes,
	};
}

struct scsi_cmd cmd_rw(bool write, __u64 lba, __u32 blocks, __u64 gpa)
{
	return (struct scsi_cmd){
		.cdb = { write ? 0x8a : 0x88, [6] = lba >> 24, lba >> 16, lba >> 8, lba,
			 blocks >> 24, blocks >> 16, blocks >> 8, blocks },
		.cdb_len = 16,
		.dir = write ? DIR_OUT : DIR_IN,
		.gpa = gpa,
		.bytes = blocks * BLOCK,
	};
}
