// SPDX-License-Identifier: GPL-2.0
/*
 * The SCSI backend: logical units that share a channel, one of which hangs. It has so much of
 * what the channel can have under way, and the others go on.
 */
#include "machine.h"
#include "scsi_life.h"

/* What a channel can have under way: POOL_REQUESTS */
#define MAX_COMMANDS		256u
/* Of its data that is copied, in whole pages: VSCSI_COPY_PAGES */
#define COPY_BYTES		(256u << 10)
/* Of a command: max_transfer_bytes */
#define TRANSFER		1048576u
#define SRB_BUSY		0x05
#define BUSY			0x08
#define TASK_SET_FULL		0x28
#define BATCH			64u

struct sent {
	unsigned int held;	/* without an answer */
	unsigned int full;	/* that are to be sent again */
};

static bool is_full(const struct vstor_reply *r)
{
	return r->msg.srb_status == SRB_BUSY && r->msg.scsi_status == TASK_SET_FULL &&
	       !r->msg.data_length;
}

/* Send @nr commands, as often as the ring has room, and hear what is answered at once. */
static struct sent send_many(struct scsi_chan *c, const struct scsi_cmd *cmd, unsigned int nr)
{
	struct sent s = { .held = nr };
	unsigned int i;

	for (i = 1; i <= nr; i++) {
		scsi_send(c, cmd);
		if (i % BATCH && i < nr)
			continue;
		scsi_kick(c);
		if (!WAIT_FOR(is_taken(c)))
			break;
		while (!scsi_is_quiet(c)) {
			struct vstor_reply r = scsi_next(c);

			s.held--;
			s.full += is_full(&r);
		}
	}
	return s;
}

static struct scsi_cmd read_of(__u8 lun, __u32 blocks, unsigned int offset)
{
	struct scsi_cmd cmd = cmd_rw(false, 0, blocks, MEM_GPA + offset);

	cmd.lun = lun;
	return cmd;
}

/* All of @nr commands that hung come to a good end. */
static unsigned int good_answers(struct scsi_chan *c, unsigned int nr, __u32 bytes)
{
	unsigned int good = 0;

	while (nr--) {
		struct vstor_reply r = scsi_next(c);

		good += r.msg.srb_status == SRB_SUCCESS && r.msg.data_length == bytes;
	}
	return good;
}

static bool lun_works(struct scsi_chan *c, __u8 lun, unsigned int offset)
{
	struct scsi_cmd cmd = read_of(lun, 8, offset);
	unsigned int i;

	for (i = 0; i < 20; i++) {
		struct vstor_reply r = scsi_do(c, &cmd);

		if (r.msg.srb_status != SRB_SUCCESS || r.msg.data_length != cmd.bytes)
			return false;
	}
	return true;
}

TEST_F(life, one_hangs)
{
	struct scsi_cmd cmd = read_of(HUNG_LUN, 1, 0);
	struct sent s;

	settle(self->c);
	ASSERT_EQ(0, dm_suspend(DM, true));
	s = send_many(self->c, &cmd, 3 * MAX_COMMANDS);
	EXPECT_EQ(3 * MAX_COMMANDS, s.held + s.full);
	/* Three quarters */
	EXPECT_EQ(MAX_COMMANDS * 3 / 4, s.held);
	EXPECT_TRUE(lun_works(self->c, 0, 64 * HV_PAGE));
	EXPECT_EQ(0, dm_suspend(DM, false));
	EXPECT_EQ(s.held, good_answers(self->c, s.held, BLOCK));
	/* And nothing is lost of it: the same again */
	ASSERT_EQ(0, dm_suspend(DM, true));
	s = send_many(self->c, &cmd, MAX_COMMANDS);
	EXPECT_EQ(MAX_COMMANDS * 3 / 4, s.held);
	EXPECT_EQ(0, dm_suspend(DM, false));
	EXPECT_EQ(s.held, good_answers(self->c, s.held, BLOCK));
}

/* Several: each leaves something for the next one. */
TEST_F(life, four_hang)
{
	struct sent s[4];
	unsigned int i;

	for (i = 2; i < 5; i++)
		ASSERT_EQ(0, target_add_lun(i, "iblock", "b"));
	for (i = 0; i < 2; i++) {
		struct scsi_cmd tur = cmd_plain(0);

		for (tur.lun = 0; tur.lun < 5; tur.lun++)
			scsi_do(self->c, &tur);
		settle(self->c);
	}
	ASSERT_EQ(0, dm_suspend(DM, true));
	for (i = 0; i < 4; i++) {
		struct scsi_cmd cmd = read_of(1 + i, 1, 0);

		s[i] = send_many(self->c, &cmd, MAX_COMMANDS);
		EXPECT_LT(0, s[i].held);
		EXPECT_LT(0, s[i].full);
	}
	EXPECT_TRUE(lun_works(self->c, 0, 64 * HV_PAGE));
	EXPECT_EQ(0, dm_suspend(DM, false));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(s[i].held, good_answers(self->c, s[i].held, BLOCK));
	for (i = 2; i < 5; i++)
		EXPECT_EQ(0, target_remove_lun(i));
}

/*
 * Of @nr reads from the logical unit that hangs, @held are under way. Their data is copied, since
 * no block device could use the pages where they begin.
 */
static void expect_copies_held(struct __test_metadata *_metadata, struct scsi_chan *c,
			       __u32 blocks, unsigned int nr, unsigned int held)
{
	struct scsi_cmd cmd = read_of(HUNG_LUN, blocks, 1);
	struct sent s;

	settle(c);
	ASSERT_EQ(0, dm_suspend(DM, true));
	s = send_many(c, &cmd, nr);
	EXPECT_EQ(held, s.held);
	EXPECT_EQ(nr, s.held + s.full);
	EXPECT_TRUE(lun_works(c, 0, 64 * HV_PAGE + 1));
	EXPECT_EQ(0, dm_suspend(DM, false));
	EXPECT_EQ(s.held, good_answers(c, s.held, cmd.bytes));
}

TEST_F(life, one_hangs_that_copies)
{
	expect_copies_held(_metadata, self->c, 128, 32, COPY_BYTES / (128 * BLOCK));
}

/* A copy takes a page, however small it is. */
TEST_F(life, one_hangs_with_small_copies)
{
	expect_copies_held(_metadata, self->c, 1, 128, COPY_BYTES / HV_PAGE);
}

/* ---- What cannot be told "later" ---- */

/* As many more as can be: for each 16 commands one */
#define SPARE		(MAX_COMMANDS / 16)

/* INQUIRY, MODE SENSE(6) and (10); a target answers them whatever its backstore does. */
static const __u8 asks[] = { 0x12, 0x1a, 0x5a };

static struct scsi_cmd cmd_asks(unsigned int i, __u8 lun)
{
	struct scsi_cmd cmd = {
		.cdb = { asks[i % 3] }, .cdb_len = i % 3 == 2 ? 10 : 6, .dir = DIR_IN, .lun = lun,
		.gpa = MEM_GPA + 32 * HV_PAGE, .bytes = 64,
	};

	cmd.cdb[2] = i % 3 ? 0x3f : 0;
	cmd.cdb[i % 3 == 2 ? 8 : 4] = 64;
	return cmd;
}

/* How many of the kinds of questions are answered with data? */
static unsigned int answered(struct scsi_chan *c, __u8 lun)
{
	unsigned int i, nr = 0;

	for (i = 0; i < ARRAY_SIZE(asks); i++) {
		struct scsi_cmd cmd = cmd_asks(i, lun);
		struct vstor_reply r = scsi_do(c, &cmd);

		nr += r.msg.srb_status == SRB_SUCCESS && r.msg.data_length;
	}
	return nr;
}

/* One that has all that it may have is asked what it is, and so is one that is not there. */
TEST_F(life, asked_while_it_hangs)
{
	struct scsi_cmd cmd = read_of(HUNG_LUN, 1, 0), nobody = cmd_asks(0, 77);
	struct sent s;

	settle(self->c);
	ASSERT_EQ(0, dm_suspend(DM, true));
	s = send_many(self->c, &cmd, MAX_COMMANDS);
	EXPECT_LT(0, s.full);
	EXPECT_EQ(3, answered(self->c, HUNG_LUN));
	EXPECT_EQ(3, answered(self->c, 0));
	EXPECT_GOOD(scsi_do(self->c, &nobody), 36);
	EXPECT_EQ(0, dm_suspend(DM, false));
	EXPECT_EQ(s.held, good_answers(self->c, s.held, BLOCK));
}

/* So is one whose copies are as many as may be. */
TEST_F(life, asked_while_it_copies)
{
	struct scsi_cmd cmd = read_of(HUNG_LUN, 128, 1);
	struct sent s;

	settle(self->c);
	ASSERT_EQ(0, dm_suspend(DM, true));
	s = send_many(self->c, &cmd, 32);
	EXPECT_LT(0, s.full);
	EXPECT_EQ(3, answered(self->c, HUNG_LUN));
	EXPECT_EQ(0, dm_suspend(DM, false));
	EXPECT_EQ(s.held, good_answers(self->c, s.held, cmd.bytes));
}

/* There is an end of it: of those whose answers find no room in the ring, so many are under way. */
TEST_F(life, asked_too_often)
{
	/* So many answers fill the ring, and some more. */
	const unsigned int hung = MAX_COMMANDS * 3 / 4, asked = SCSI_RING_DATA / 88 + 4 * SPARE;
	struct scsi_cmd cmd = read_of(HUNG_LUN, 1, 0);
	unsigned int i, full = 0, good = 0;
	char both[64];

	settle(self->c);
	ASSERT_EQ(0, dm_suspend(DM, true));
	for (i = 0; i < hung; i++)
		scsi_send(self->c, &cmd);
	scsi_kick(self->c);
	for (i = 0; i < asked; i++) {
		struct scsi_cmd ask = cmd_asks(i, HUNG_LUN);

		/* One after the other: what has an answer that is sent is not under way. */
		scsi_send(self->c, &ask);
		scsi_kick(self->c);
		EXPECT_TRUE(WAIT_FOR(is_taken(self->c)));
	}
	snprintf(both, sizeof(both), ": %u requests in flight", hung + SPARE);
	EXPECT_TRUE(WAIT_FOR(fdinfo_says(self->vmm.fd, both)));
	EXPECT_EQ(0, dm_suspend(DM, false));
	for (i = 0; i < hung + asked; i++) {
		struct vstor_reply r = scsi_next(self->c);

		full += is_full(&r);
		good += r.msg.srb_status == SRB_SUCCESS;
	}
	EXPECT_LT(0, full);
	EXPECT_EQ(hung + asked, full + good);
}

/*
 * Another logical unit has come, and the first command for this one asks what it is: that is
 * answered, and the next one is told of it.
 */
TEST_F(life, asked_before_it_is_told)
{
	struct scsi_cmd tur = cmd_plain(0);
	struct vstor_reply r;
	unsigned int i;

	settle(self->c);
	for (i = 0; i < ARRAY_SIZE(asks); i++) {
		struct scsi_cmd cmd = cmd_asks(i, 0);

		ASSERT_EQ(0, target_add_lun(5, "iblock", "b"));
		r = scsi_do(self->c, &cmd);
		EXPECT_EQ(SRB_SUCCESS, r.msg.srb_status);
		EXPECT_LT(0, r.msg.data_length);
		/* The length of mode data has one byte, or two. */
		if (i)
			EXPECT_EQ(i == 1, self->vmm.mem[32 * HV_PAGE] != 0);
		EXPECT_SENSE(scsi_do(self->c, &tur), SRB_ERROR, 6, 0x3f, 0x0e);
		EXPECT_GOOD(scsi_do(self->c, &tur), 0);
		EXPECT_EQ(0, target_remove_lun(5));
		settle(self->c);
	}
}

/* ---- Whose memory that is ---- */

#define CGROUPS		"/sys/fs/cgroup"
#define CGROUP		CGROUPS "/scsi-share-test"

/* Bytes that are charged to the cgroup */
static long charged(void)
{
	char text[32] = "";
	int fd = open(CGROUP "/memory.current", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	return atol(text);
}

/* The pages of data that is copied are the VMM's, also while its disk hangs. */
TEST_F(life, copies_are_charged)
{
	struct scsi_cmd cmd = read_of(HUNG_LUN, TRANSFER / BLOCK, 1);
	long before;

	if (kernel_before(6, 10))
		SKIP(return, KERNEL_WORKERS);
	ASSERT_EQ(0, file_write(CGROUPS "/cgroup.subtree_control", "+memory"));
	ASSERT_EQ(0, mkdir(CGROUP, 0755));
	ASSERT_EQ(0, file_write(CGROUP "/cgroup.procs", "0"));
	settle(self->c);
	ASSERT_EQ(0, dm_suspend(DM, true));
	/* The guest's own pages are there already. */
	memset(self->vmm.mem, 0x5a, TRANSFER + HV_PAGE);
	before = charged();
	scsi_send(self->c, &cmd);
	scsi_kick(self->c);
	EXPECT_TRUE(WAIT_FOR(charged() >= before + TRANSFER));
	EXPECT_EQ(0, dm_suspend(DM, false));
	EXPECT_GOOD(scsi_next(self->c), TRANSFER);
	EXPECT_TRUE(WAIT_FOR(charged() < before + TRANSFER));
	EXPECT_EQ(0, file_write(CGROUPS "/cgroup.procs", "0"));
	EXPECT_TRUE(WAIT_FOR(rmdir(CGROUP) == 0));
}

/*
 * What is not as long as its blocks is on pages of the target's, which nobody pays for: that is not
 * much.
 */
TEST_F(life, much_that_is_no_blocks)
{
	struct scsi_cmd cmd = read_of(0, TRANSFER / BLOCK, 0);

	settle(self->c);
	cmd.bytes = COPY_BYTES;
	EXPECT_GOOD(scsi_do(self->c, &cmd), COPY_BYTES);
	cmd.bytes = COPY_BYTES + BLOCK;
	EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_INVALID_REQUEST, 5, 0x24, 0);
	EXPECT_TRUE(lun_works(self->c, 0, 0));
}

/*
 * A logical unit has come: of the others' commands, the first that the target begins after that
 * is not done, but told of it (REPORTED LUNS DATA HAS CHANGED); and one that begins at the same
 * time, on another processor, may find it said already, and hears BUSY.
 */
static bool is_told(const struct vstor_reply *r)
{
	if (r->msg.srb_status == SRB_BUSY)
		return r->msg.scsi_status == BUSY;
	return r->msg.srb_status == (SRB_ERROR | AUTOSENSE) && r->msg.sense[2] == 6 &&
	       r->msg.sense[12] == 0x3f && r->msg.sense[13] == 0x0e;
}

/* One that is alone keeps nobody waiting: the packets stay in the ring. */
TEST_F(life, alone)
{
	const unsigned int nr = MAX_COMMANDS + 20;
	struct scsi_cmd cmd = read_of(HUNG_LUN, 1, 0);
	unsigned int i, full = 0, good = 0, told = 0;
	struct scsi_cmd tur = cmd_plain(0);

	EXPECT_EQ(0, target_remove_lun(0));
	settle(self->c);
	ASSERT_EQ(0, dm_suspend(DM, true));
	for (i = 0; i < nr; i++)
		scsi_send(self->c, &cmd);
	scsi_kick(self->c);
	EXPECT_TRUE(WAIT_FOR(fdinfo_says(self->vmm.fd, "; 256 in all, stalled\n")));
	EXPECT_FALSE(is_taken(self->c));
	/* It is no longer alone: those that waited are to be sent again. */
	ASSERT_EQ(0, target_add_lun(0, "fileio", "a"));
	EXPECT_TRUE(WAIT_FOR(is_taken(self->c)));
	for (i = 0; i < nr; i++) {
		struct vstor_reply r;

		/* The new one has a command at a time, until these are done. */
		if (i == nr - MAX_COMMANDS) {
			settle(self->c);
			EXPECT_TRUE(lun_works(self->c, 0, 64 * HV_PAGE));
			EXPECT_EQ(3, answered(self->c, 0));
			EXPECT_EQ(0, dm_suspend(DM, false));
		}
		r = scsi_next(self->c);
		full += is_full(&r);
		good += r.msg.srb_status == SRB_SUCCESS && r.msg.data_length == BLOCK;
		told += is_told(&r);
	}
	EXPECT_EQ(nr - MAX_COMMANDS, full);
	EXPECT_EQ(MAX_COMMANDS, good + told);
	EXPECT_GE(sysconf(_SC_NPROCESSORS_ONLN), told);
	scsi_do(self->c, &tur);
	EXPECT_TRUE(lun_works(self->c, 0, 64 * HV_PAGE));
}

/* ---- What is said of it ---- */

TEST_F(life, show)
{
	const char *lun = "LUN 1 of " TARGET_WWPN " tpgt_1: 2 requests in flight, oldest ";
	int fd = self->vmm.fd;

	EXPECT_TRUE(fdinfo_says(fd, TARGET_WWPN " tpgt_1: 0 requests\n"));
	BEGIN_HUNG(self->c, 7);
	begin(self->c, HUNG_LUN, 8);
	EXPECT_TRUE(WAIT_FOR(fdinfo_says(fd, lun)));
	EXPECT_TRUE(WAIT_FOR(fdinfo_says(fd, "oldest 2 s; 2 in all\n")));
	EXPECT_EQ(0, dm_suspend(DM, false));
	EXPECT_EQ(2, good_answers(self->c, 2, BLOCK));
	EXPECT_TRUE(WAIT_FOR(fdinfo_says(fd, TARGET_WWPN " tpgt_1: 0 requests\n")));
}

TEST_HARNESS_MAIN
