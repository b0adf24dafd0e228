// SPDX-License-Identifier: GPL-2.0
/*
 * The SCSI backend and a guest that means no good: packets of another shape than any driver
 * has, memory that is something else at the same time, and too much of everything. Whatever it
 * sends, each packet that asks for an answer has one, and the disk works afterwards.
 */
#include "scsi_life.h"

/* A type header as long as the guest likes */
#define HEADER_PFNS	600u

struct header {
	__u32 reserved;
	__u32 nr;
	__u32 bytes;
	__u32 offset;
	__u64 pfn[HEADER_PFNS];
};

static struct vstor_msg read_msg(__u8 lun, __u32 lba, __u16 blocks)
{
	return (struct vstor_msg){
		.op = OP_EXECUTE_SRB,
		.length = 52,
		.lun = lun,
		.cdb_length = 10,
		.data_in = DIR_IN,
		.data_length = blocks * BLOCK,
		.cdb = { 0x28, [4] = lba >> 8, lba, [7] = blocks >> 8, blocks },
	};
}

static struct vstor_reply ask(struct scsi_chan *c, __u16 type, const void *header,
			      unsigned int header_len, const struct vstor_msg *msg)
{
	struct vstor_reply r;

	scsi_put(c, type, 1, ++c->next_id, header, header_len, msg, sizeof(*msg));
	scsi_kick(c);
	r = scsi_next(c);
	/* Whoever answers another one's packet is not believed. */
	if (r.id != c->next_id)
		r.id = ~0ull;
	return r;
}

#define EXPECT_WORKS(_chan) do {						\
	struct scsi_cmd _cmd = cmd_rw(false, 9, 1, MEM_GPA);			\
	struct scsi_chan *_c = (_chan);						\
										\
	settle(_c);								\
	EXPECT_GOOD(scsi_do(_c, &_cmd), BLOCK);					\
} while (0)

/* ---- Headers ---- */

/* More page frame numbers than the longest transfer has: as many as offset8 can tell */
TEST_F(life, header_beyond_the_longest)
{
	struct header h = { .nr = 1, .bytes = HV_PAGE };
	struct vstor_msg msg = read_msg(0, 0, 8), tur = { .op = OP_EXECUTE_SRB, .cdb_length = 6 };
	unsigned int i;

	settle(self->c);
	for (i = 0; i < HEADER_PFNS; i++)
		h.pfn[i] = MEM_PFN;
	EXPECT_SENSE(ask(self->c, 9, &h, sizeof(h), &msg), SRB_INVALID_REQUEST, 5, 0x24, 0);
	/* A command that needs no pages does not look at them. */
	tur.data_in = DIR_NONE;
	EXPECT_GOOD(ask(self->c, 9, &h, sizeof(h), &tur), 0);
	/* As many as there may be, of which one is needed */
	EXPECT_GOOD(ask(self->c, 9, &h, 16 + 257 * 8, &msg), HV_PAGE);
	/* An old type, by which pages are named otherwise */
	for (i = 7; i < 9; i++)
		EXPECT_SENSE(ask(self->c, i, &h, 16 + 8, &msg), SRB_INVALID_REQUEST, 5, 0x24, 0);
}

/* The same page 256 times; one that the guest's ring is in; and one for two commands */
TEST_F(life, pages_that_are_something_else)
{
	struct header h = { .nr = 1, .bytes = 256 * HV_PAGE };
	struct vstor_msg msg = read_msg(0, 16, 2048);
	__u64 lba, ids[2];
	unsigned int i;

	settle(self->c);
	for (i = 0; i < 256; i++)
		h.pfn[i] = MEM_PFN + 5;
	EXPECT_GOOD(ask(self->c, 9, &h, 16 + 256 * 8, &msg), 256 * HV_PAGE);
	/* One of the 256, whichever was the last */
	memcpy(&lba, self->vmm.mem + 5 * HV_PAGE, 8);
	EXPECT_EQ(0, (lba - 16) % 8);
	EXPECT_GT(16 + 2048, lba);
	for (i = 0; i < 2; i++) {
		struct scsi_cmd cmd = cmd_rw(false, 40 + 8 * i, 8, MEM_GPA + 9 * HV_PAGE);

		ids[i] = scsi_send(self->c, &cmd);
	}
	scsi_kick(self->c);
	for (i = 0; i < 2; i++) {
		struct vstor_reply r = scsi_next(self->c);

		EXPECT_GOOD(r, HV_PAGE);
		EXPECT_TRUE(r.id == ids[0] || r.id == ids[1]);
	}
	EXPECT_WORKS(self->c);
}

/*
 * The disk writes into the rings' indices. The channel is no good any more, and all else is: no
 * page stays pinned, another guest's disk is not disturbed, a close ends it.
 */
TEST_F(life, read_into_the_ring)
{
	struct scsi_vmm *v = &self->vmm;
	struct scsi_cmd cmd = cmd_rw(false, 17, 8, RING_GPA);
	unsigned int i;

	settle(self->c);
	scsi_send(self->c, &cmd);
	scsi_kick(self->c);
	EXPECT_TRUE(WAIT_FOR(((__u64 *)v->ring)[0] == 17));
	for (i = 0; i < 100; i++)
		scsi_kick(self->c);
	EXPECT_EQ(0, guest_close(v->fd, self->c->relid));
	EXPECT_TEARDOWN(v->fd, self->c->relid, self->c->handle);
	EXPECT_TRUE(WAIT_FOR(pinned_pages() == 0));
	OPEN_CHANNEL(v, 0);
	EXPECT_EQ(0, scsi_init(self->c, 0x0602));
	EXPECT_WORKS(self->c);
}

/* ---- Request blocks ---- */

/* What the block says of itself is nobody's measure. */
TEST_F(life, lengths_of_the_block)
{
	static const __u16 lengths[] = { 0, 1, 0x7fff, 0xffff };
	struct header h = { .nr = 1, .bytes = HV_PAGE, .pfn = { MEM_PFN } };
	struct vstor_msg msg = read_msg(0, 3, 8);
	unsigned int i;

	settle(self->c);
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		msg.length = lengths[i];
		msg.sense_length = lengths[i];
		msg.status = ~0u;
		msg.flags = ~0u;
		msg.srb_status = 0xff;
		msg.scsi_status = 0xff;
		EXPECT_GOOD(ask(self->c, 9, &h, 16 + 8, &msg), HV_PAGE);
	}
	/* Sense data is never longer than an answer has room for. */
	msg = read_msg(0, 0xffff, 8);
	msg.cdb[2] = 0xff;
	msg.sense_length = 255;
	EXPECT_SENSE(ask(self->c, 9, &h, 16 + 8, &msg), SRB_ERROR, 5, 0x21, 0);
	msg.sense_length = 0;
	EXPECT_SENSE(ask(self->c, 9, &h, 16 + 8, &msg), SRB_ERROR, 5, 0x21, 0);
}

/* Commands that say more than there is, or nothing, with data of another length */
TEST_F(life, lengths_of_commands)
{
	struct scsi_cmd cmd = cmd_rw(false, 0, 8, MEM_GPA);
	struct vstor_reply r;

	settle(self->c);
	memset(self->vmm.mem, 0xa5, HV_PAGE);
	/* 2^32 - 1 blocks; with them, bytes overflow 32 bits. */
	memset(&cmd.cdb[10], 0xff, 4);
	EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_ERROR, 5, 0x21, 0);
	/* The last block there can be, and one more */
	memset(&cmd.cdb[2], 0xff, 8);
	memset(&cmd.cdb[10], 0, 4);
	cmd.cdb[13] = 8;
	EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_ERROR, 5, 0x21, 0);
	/* 0 blocks are none, however much room there is. */
	cmd = cmd_rw(false, 0, 0, MEM_GPA);
	cmd.bytes = HV_PAGE;
	r = scsi_do(self->c, &cmd);
	EXPECT_GOOD(r, 0);
	EXPECT_EQ((char)0xa5, self->vmm.mem[0]);
	/* Blocks without room for any */
	cmd = cmd_rw(false, 0, 8, MEM_GPA);
	cmd.bytes = 0;
	r = scsi_do(self->c, &cmd);
	EXPECT_EQ(0, r.msg.data_length);
	/* Less than a block */
	cmd.bytes = 100;
	r = scsi_do(self->c, &cmd);
	EXPECT_GE(100, r.msg.data_length);
	EXPECT_EQ((char)0xa5, self->vmm.mem[100]);
	EXPECT_WORKS(self->c);
}

/* A command of operation code @op: one of twelve */
static struct scsi_cmd odd_command(__u8 op, unsigned int i)
{
	static const __u8 fill[] = { 0, 0xff, 0x11, 0x08 };
	struct scsi_cmd cmd = { .cdb_len = 16, .dir = i / 4, .gpa = MEM_GPA + 1 };

	memset(cmd.cdb, fill[i % 4], sizeof(cmd.cdb));
	cmd.cdb[0] = op;
	cmd.bytes = cmd.dir == DIR_NONE ? 0 : 4000;
	return cmd;
}

/*
 * Every operation code, with each direction, data as long as a page, and a CDB of ones, of
 * zeroes, or of neither: as many answers, and each another one's.
 */
TEST_F(life, every_opcode)
{
	unsigned int op, i, answered = 0, all = 0;

	settle(self->c);
	for (op = 0; op < 256; op++) {
		__u64 first = self->c->next_id + 1;
		unsigned int seen = 0;

		for (i = 0; i < 12; i++, all++) {
			struct scsi_cmd cmd = odd_command(op, i);

			scsi_send(self->c, &cmd);
		}
		scsi_kick(self->c);
		for (i = 0; i < 12; i++) {
			struct vstor_reply r = scsi_next(self->c);
			__u64 n = r.id - first;

			if (n >= 12)
				break;
			seen |= 1u << n;
			answered += r.type == 11 && r.msg.op == OP_COMPLETE_IO &&
				    r.msg.data_length <= odd_command(op, n).bytes;
		}
		EXPECT_EQ(0xfff, seen);
	}
	EXPECT_EQ(all, answered);
	EXPECT_TRUE(scsi_is_quiet(self->c));
	/* RESERVE and PERSISTENT RESERVE OUT may have been among them. */
	EXPECT_EQ(0, scsi_op(self->c, OP_RESET_BUS).msg.status);
	EXPECT_WORKS(self->c);
}

/* ---- The same number again ---- */

#define TWINS	100u

/* Numbers are the guest's: it has as many answers as it has sent packets. */
TEST_F(life, one_number)
{
	struct header h = { .nr = 1, .bytes = BLOCK, .pfn = { MEM_PFN } };
	struct vstor_msg msg = read_msg(HUNG_LUN, 0, 1), reset = { .op = OP_RESET_LUN };
	unsigned int i, ended = 0;

	settle(self->c);
	ASSERT_EQ(0, dm_suspend(DM, true));
	for (i = 0; i < TWINS; i++)
		scsi_put(self->c, 9, 1, ~0ull - 1, &h, 16 + 8, &msg, sizeof(msg));
	reset.lun = HUNG_LUN;
	scsi_put(self->c, 6, 1, ~0ull - 1, NULL, 0, &reset, sizeof(reset));
	scsi_kick(self->c);
	EXPECT_TRUE(WAIT_FOR(is_taken(self->c)));
	EXPECT_EQ(0, dm_suspend(DM, false));
	for (i = 0; i < TWINS + 1; i++) {
		struct vstor_reply r = scsi_next(self->c);

		EXPECT_EQ(~0ull - 1, r.id);
		ended += r.msg.op == OP_COMPLETE_IO;
	}
	EXPECT_EQ(TWINS + 1, ended);
	usleep(50000);
	EXPECT_TRUE(scsi_is_quiet(self->c));
}

/* ---- Task management ---- */

/* Resets that name pages, or a place where nothing is, beside commands for the same disk */
TEST_F(life, resets_of_everything)
{
	struct header h = { .nr = ~0u, .bytes = ~0u, .offset = ~0u, .pfn = { ~0ull } };
	struct vstor_msg reset = { .op = OP_RESET_LUN };
	struct scsi_cmd cmd = cmd_rw(false, 0, 8, MEM_GPA);
	unsigned int i, resets = 0, heard;
	__u64 first;

	settle(self->c);
	reset.lun = 255;
	EXPECT_EQ(0, ask(self->c, 9, &h, sizeof(h), &reset).msg.status);
	reset.lun = 0;
	reset.path = 255;
	reset.target = 255;
	EXPECT_EQ(0, ask(self->c, 9, &h, sizeof(h), &reset).msg.status);
	/* Nothing of LUN 0 was reset, which is not there. */
	EXPECT_GOOD(scsi_do(self->c, &cmd), cmd.bytes);
	first = self->c->next_id + 1;
	reset.path = 0;
	reset.target = 0;
	for (i = 0; i < 120; i++) {
		scsi_send(self->c, &cmd);
		reset.op = i % 3 ? OP_RESET_LUN : i % 2 ? OP_RESET_BUS : OP_RESET_ADAPTER;
		scsi_put(self->c, 6, 1, ++self->c->next_id, NULL, 0, &reset, sizeof(reset));
	}
	scsi_kick(self->c);
	for (heard = 0; heard < 240; heard++) {
		struct vstor_reply r = scsi_next(self->c);

		if (r.id - first >= 240)
			break;
		resets += (r.id - first) % 2;
	}
	EXPECT_EQ(240, heard);
	EXPECT_EQ(120, resets);
	EXPECT_TRUE(scsi_is_quiet(self->c));
	EXPECT_WORKS(self->c);
}

/* ---- Sub-channels ---- */

/* Asked for again and again, while nobody reads the events */
TEST_F(life, subchannels_again)
{
	struct vstor_msg msg = { .op = OP_SUBCHANNELS };
	struct vmbus_host_event event;
	unsigned int i;

	settle(self->c);
	for (i = 0; i < 1000; i++) {
		msg.subchannels = 1 + i % (MAX_CHANNELS - 1);
		EXPECT_EQ(0, scsi_ask(self->c, &msg, sizeof(msg)).msg.status);
	}
	/* One event, of the last; not a thousand */
	ASSERT_EQ(0, vmm_next_event(self->vmm.fd, &event));
	EXPECT_EQ(VMBUS_HOST_EVENT_OFFER_SUBCHANNELS, event.type);
	EXPECT_EQ(msg.subchannels, event.value);
	EXPECT_FALSE(event_waits(self->vmm.fd));
	msg.subchannels = 0xffff;
	EXPECT_EQ(STATUS_INVALID_PARAMETER, scsi_ask(self->c, &msg, sizeof(msg)).msg.status);
	EXPECT_FALSE(event_waits(self->vmm.fd));
}

/*
 * The primary channel is closed while a sub-channel has a command under way: that is closed
 * first, and waits for its disk. Both can be opened again.
 */
TEST_F(life, primary_goes_first)
{
	struct scsi_vmm *v = &self->vmm;
	struct scsi_cmd tur = cmd_plain(0);
	__u64 id;

	ASSERT_EQ(0, scsi_create(v, 1));
	OPEN_CHANNEL(v, 1);
	id = BEGIN_HUNG(&v->chan[1], 7);
	EXPECT_EQ(0, guest_close(v->fd, self->c->relid));
	EXPECT_EQ(0, guest_teardown(v->fd, self->c->relid, self->c->handle));
	/* What the guest sends meanwhile is nobody's. */
	scsi_send(&v->chan[1], &tur);
	scsi_kick(&v->chan[1]);
	usleep(100000);
	EXPECT_SILENCE(v->fd);
	EXPECT_LT(0, pinned_pages());
	EXPECT_EQ(0, dm_suspend(DM, false));
	EXPECT_TORNDOWN(v->fd, self->c->handle);
	EXPECT_EQ(id, scsi_next(&v->chan[1]).id);
	EXPECT_TEARDOWN(v->fd, v->chan[1].relid, v->chan[1].handle);
	EXPECT_TRUE(WAIT_FOR(pinned_pages() == 0));
	OPEN_CHANNEL(v, 0);
	EXPECT_EQ(STATUS_INVALID_DEVICE_STATE, scsi_op(self->c, OP_END).msg.status);
	ASSERT_EQ(0, scsi_init(self->c, 0x0602));
	OPEN_CHANNEL(v, 1);
	EXPECT_WORKS(&v->chan[1]);
	EXPECT_WORKS(self->c);
}

TEST_HARNESS_MAIN
