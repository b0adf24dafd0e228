// SPDX-License-Identifier: GPL-2.0
/*
 * The SCSI backend as the kernel's target sees it: names and directories that operators make,
 * and what backstores do.
 */
#include "fail.h"
#include "scsi_life.h"

#define GROUP	"/sys/kernel/config/target/vmbus/" TARGET_WWPN "/tpgt_1"

static int try_mkdir(const char *path)
{
	if (mkdir(path, 0755))
		return -errno;
	rmdir(path);
	return 0;
}

/* ---- Access lists ---- */

static int make_acl_of_the_nexus(void *arg)
{
	return try_mkdir(GROUP "/acls/" TARGET_NEXUS);
}

/*
 * The target core has a list of that name, for the session: if it is asked to make it, it
 * deletes it, and waits for the end of the session with all of target/ locked.
 */
TEST_F(life, acl_of_the_nexus)
{
	struct scsi_cmd tur = cmd_plain(0);
	struct task task;

	settle(self->c);
	task_start(&task, make_acl_of_the_nexus, NULL);
	EXPECT_TRUE(WAIT_FOR(task_is_done(&task)));
	/* Or there is nothing more to see before the session ends. */
	if (!task_is_done(&task))
		scsi_vmm_stop(&self->vmm);
	EXPECT_EQ(-EOPNOTSUPP, task_join(&task));
	ASSERT_LE(0, self->vmm.fd);
	EXPECT_EQ(-EOPNOTSUPP, try_mkdir(GROUP "/acls/naa.5001405000000003"));
	/* The session has its list still: it is told of what comes. */
	ASSERT_EQ(0, target_rd_mcp("r", 1 << 20));
	ASSERT_EQ(0, target_add_lun(5, "rd_mcp", "r"));
	tur.lun = 5;
	EXPECT_GOOD(scsi_do(self->c, &tur), 0);
	EXPECT_EQ(0, target_remove_lun(5));
	EXPECT_EQ(0, target_remove_backstore("rd_mcp", "r"));
}

/* With nobody there, before and after */
TEST_F(life, acl_without_a_session)
{
	ASSERT_EQ(0, target_create(TARGET_WWPN, 2));
	EXPECT_EQ(-EOPNOTSUPP, try_mkdir("/sys/kernel/config/target/vmbus/" TARGET_WWPN
					 "/tpgt_2/acls/" TARGET_NEXUS));
	EXPECT_EQ(0, target_remove(TARGET_WWPN, 2));
	scsi_vmm_stop(&self->vmm);
	EXPECT_TRUE(WAIT_FOR(target_nexus(TARGET_WWPN, TARGET_TAG, "NULL") == 0));
	EXPECT_EQ(-EOPNOTSUPP, try_mkdir(GROUP "/acls/" TARGET_NEXUS));
}

/* ---- Names ---- */

/* The target core makes names of transport ids, in lower case, and compares them as text. */
TEST_F(life, upper_case)
{
	EXPECT_EQ(-EINVAL, target_create("naa.5001405ABCDEF002", 1));
	ASSERT_EQ(0, target_create("naa.5001405abcdef002", 1));
	EXPECT_EQ(-EINVAL, target_nexus("naa.5001405abcdef002", 1, "naa.5001405ABCDEF003"));
	EXPECT_EQ(0, target_nexus("naa.5001405abcdef002", 1, "naa.5001405abcdef003"));
	EXPECT_EQ(0, target_remove("naa.5001405abcdef002", 1));
}

/* One directory for each number */
TEST_F(life, names_of_portal_groups)
{
	static const char *const names[] = {
		"tpgt_01", "tpgt_+1", "tpgt_0x1", "tpgt_", "tpgt_65536", "tpgt_-1", "tpgt_1x",
		"tpgt", "1",
	};
	char path[128];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/config/target/vmbus/%s/%s",
			 TARGET_WWPN, names[i]);
		EXPECT_EQ(-EINVAL, try_mkdir(path))
			TH_LOG("%s", names[i]);
	}
	EXPECT_EQ(0, try_mkdir("/sys/kernel/config/target/vmbus/" TARGET_WWPN "/tpgt_65535"));
	EXPECT_EQ(0, try_mkdir("/sys/kernel/config/target/vmbus/" TARGET_WWPN "/tpgt_0"));
}

static bool reads_block(struct scsi_chan *c, char *mem, __u8 lun, __u64 lba)
{
	struct scsi_cmd cmd = cmd_rw(false, lba, 1, MEM_GPA);
	struct vstor_reply r;

	cmd.lun = lun;
	*(__u64 *)mem = ~0ull;
	r = scsi_do(c, &cmd);
	return r.msg.srb_status == SRB_SUCCESS && *(__u64 *)mem == lba;
}

static bool is_absent(struct scsi_chan *c, __u8 lun)
{
	struct scsi_cmd tur = cmd_plain(0);

	tur.lun = lun;
	return scsi_do(c, &tur).msg.srb_status == SRB_INVALID_LUN;
}

/* Two directories of one number: the logical unit is the one that was first. */
TEST_F(life, two_names_of_a_lun)
{
	char *mem = self->vmm.mem;
	struct scsi_chan *c = self->c;

	ASSERT_EQ(0, target_rd_mcp("r", 1 << 20));
	ASSERT_EQ(0, target_add_lun_dir("lun_0x1", "rd_mcp", "r"));
	settle(c);
	EXPECT_TRUE(reads_block(c, mem, 1, 7));
	EXPECT_EQ(0, target_remove_lun_dir("lun_0x1"));
	settle(c);
	EXPECT_TRUE(reads_block(c, mem, 1, 7));
	/* And the other way round: the second is none, either, when the first is gone */
	ASSERT_EQ(0, target_add_lun_dir("lun_0x1", "rd_mcp", "r"));
	EXPECT_EQ(0, target_remove_lun(1));
	settle(c);
	EXPECT_TRUE(is_absent(c, 1));
	ASSERT_EQ(0, target_add_lun(1, "iblock", "b"));
	EXPECT_EQ(0, target_remove_lun_dir("lun_0x1"));
	EXPECT_EQ(0, target_remove_backstore("rd_mcp", "r"));
	settle(c);
	EXPECT_TRUE(reads_block(c, mem, 0, 7));
}

/* A VMM, the session of whose device will be the first of its name: it has a new list */
static void start_first(struct __test_metadata *_metadata, struct scsi_vmm *v)
{
	EXPECT_TRUE(WAIT_FOR(target_nexus(TARGET_WWPN, TARGET_TAG, "NULL") == 0));
	EXPECT_EQ(0, target_nexus(TARGET_WWPN, TARGET_TAG, "naa.5001405000000004"));
	scsi_vmm_start(_metadata, v);
}

/* The session would have the later one: there is none before that is gone. */
TEST_F(life, two_names_before_the_session)
{
	struct scsi_vmm other = { .fd = -1 };

	scsi_vmm_stop(&self->vmm);
	ASSERT_EQ(0, target_rd_mcp("r", 1 << 20));
	ASSERT_EQ(0, target_add_lun_dir("lun_0x1", "rd_mcp", "r"));
	start_first(_metadata, &other);
	EXPECT_EQ(-ENOTUNIQ, scsi_create(&other, 0));
	/*
	 * Nor while the later one is there alone: it would have the other's number when that
	 * returns.
	 */
	EXPECT_EQ(0, target_remove_lun(1));
	EXPECT_EQ(-ENOTUNIQ, scsi_create(&other, 0));
	ASSERT_EQ(0, target_add_lun(1, "iblock", "b"));
	EXPECT_EQ(-ENOTUNIQ, scsi_create(&other, 0));
	EXPECT_EQ(0, target_remove_lun_dir("lun_0x1"));
	ASSERT_EQ(0, scsi_create(&other, 0));
	OPEN_CHANNEL(&other, 0);
	ASSERT_EQ(0, scsi_init(&other.chan[0], 0x0602));
	settle(&other.chan[0]);
	EXPECT_TRUE(reads_block(&other.chan[0], other.mem, 1, 7));
	scsi_vmm_stop(&other);
	EXPECT_EQ(0, target_remove_backstore("rd_mcp", "r"));
}

/* ---- A device comes while logical units come and go ---- */

static int remove_lun_0(void *arg)
{
	return target_remove_lun(0);
}

static int add_lun_0(void *arg)
{
	return target_add_lun(0, "fileio", "a");
}

/* For longer than it takes to look some times */
static bool is_blocked(struct task *task)
{
	unsigned int i;

	for (i = 0; i < 20; i++) {
		if (!task_sleeps(task))
			return false;
		usleep(1000);
	}
	return true;
}

static int create_device(void *arg)
{
	return scsi_create(arg, 0);
}

/*
 * The list of the first session of a name is made of what the target core lists, which the logical
 * unit that goes leaves last. It must not stay in there.
 */
TEST_F(life, bound_while_a_lun_goes)
{
	struct scsi_vmm other = { .fd = -1 };
	struct task task;
	int ret;

	scsi_vmm_stop(&self->vmm);
	start_first(_metadata, &other);
	/* It is out of the lists that there are. */
	ret = linger("core_clear_lun_from_tpg");
	if (ret == -EOPNOTSUPP)
		SKIP(return, "the kernel has no kprobes");
	ASSERT_EQ(0, ret);
	task_start(&task, remove_lun_0, NULL);
	EXPECT_TRUE(WAIT_FOR(lingers()));
	EXPECT_EQ(-EBUSY, scsi_create(&other, 0));
	EXPECT_EQ(0, linger(" "));
	EXPECT_EQ(0, task_join(&task));
	EXPECT_EQ(0, scsi_create(&other, 0));
	ASSERT_EQ(0, target_add_lun(0, "fileio", "a"));
	OPEN_CHANNEL(&other, 0);
	ASSERT_EQ(0, scsi_init(&other.chan[0], 0x0602));
	settle(&other.chan[0]);
	EXPECT_TRUE(reads_block(&other.chan[0], other.mem, 0, 7));
	scsi_vmm_stop(&other);
}

/* One that comes while that list is made is in there. */
TEST_F(life, bound_while_a_lun_comes)
{
	struct scsi_vmm other = { .fd = -1 };
	struct task create, add;
	int ret;

	scsi_vmm_stop(&self->vmm);
	start_first(_metadata, &other);
	EXPECT_EQ(0, target_remove_lun(0));
	/* The list is made, and nobody knows of it yet. */
	ret = linger("core_tpg_add_node_to_devs");
	if (ret == -EOPNOTSUPP)
		SKIP(return, "the kernel has no kprobes");
	ASSERT_EQ(0, ret);
	task_start(&create, create_device, &other);
	EXPECT_TRUE(WAIT_FOR(lingers()));
	task_start(&add, add_lun_0, NULL);
	EXPECT_TRUE(WAIT_FOR(is_blocked(&add)));
	EXPECT_EQ(0, linger(" "));
	EXPECT_EQ(0, task_join(&create));
	EXPECT_EQ(0, task_join(&add));
	OPEN_CHANNEL(&other, 0);
	ASSERT_EQ(0, scsi_init(&other.chan[0], 0x0602));
	settle(&other.chan[0]);
	EXPECT_TRUE(reads_block(&other.chan[0], other.mem, 0, 7));
	scsi_vmm_stop(&other);
}

/* ---- Backstores ---- */

/*
 * A file is read and written by whoever gives it the command: that must not be the channel's
 * thread, which the other disks have as well.
 */
TEST_F(life, file_that_hangs)
{
	struct scsi_cmd tur = cmd_plain(0);
	struct vstor_reply r;
	unsigned int i;
	__u64 id;

	ASSERT_EQ(0, target_fileio("f", self->dm, DISK_BYTES));
	ASSERT_EQ(0, target_add_lun(2, "fileio", "f"));
	settle(self->c);
	tur.lun = 2;
	for (i = 0; i < 4; i++)
		scsi_do(self->c, &tur);
	ASSERT_EQ(0, dm_suspend(DM, true));
	/* Where nobody has looked for a partition table, so that it is not in memory */
	id = begin(self->c, 2, 700);
	EXPECT_TRUE(WAIT_FOR(is_taken(self->c)));
	for (i = 0; i < 20; i++) {
		struct scsi_cmd cmd = cmd_rw(false, i, 8, MEM_GPA + 64 * HV_PAGE);

		EXPECT_GOOD(scsi_do(self->c, &cmd), 8 * BLOCK);
	}
	EXPECT_EQ(0, dm_suspend(DM, false));
	r = scsi_next(self->c);
	EXPECT_EQ(id, r.id);
	EXPECT_GOOD(r, BLOCK);
	EXPECT_EQ(0, target_remove_lun(2));
	EXPECT_EQ(0, target_remove_backstore("fileio", "f"));
}

/* A LUN 2 of blocks of @block bytes, on a file of blocks that say which they are */
static void loop_lun_add(struct __test_metadata *_metadata, struct scsi_chan *c,
			 int (*make)(const char *name, const char *path), unsigned int block,
			 char *loop, size_t len)
{
	struct scsi_cmd tur = cmd_plain(0);
	unsigned int i;

	ASSERT_EQ(0, loop_attach_blocks(HUNG_FILE, block, loop, len));
	ASSERT_EQ(0, make("k", loop));
	ASSERT_EQ(0, target_add_lun(2, "iblock", "k"));
	tur.lun = 2;
	for (i = 0; i < 4; i++)
		scsi_do(c, &tur);
}

static void loop_lun_remove(struct __test_metadata *_metadata, const char *loop)
{
	EXPECT_EQ(0, target_remove_lun(2));
	EXPECT_EQ(0, target_remove_backstore("iblock", "k"));
	EXPECT_TRUE(WAIT_FOR(loop_detach(loop) == 0));
}

/*
 * A disk that fills in nothing: where the data is copied, the guest gets zeroes, and not what
 * was in those pages before. (Without init_on_alloc=0 the kernel itself clears them.)
 */
TEST_F(life, nothing_is_read)
{
	unsigned int i, round, other = 0;
	struct scsi_cmd cmd;

	ASSERT_EQ(0, target_rd_nullio("n", 1 << 20));
	ASSERT_EQ(0, target_add_lun(2, "rd_mcp", "n"));
	for (round = 0; round < 8; round++) {
		/* Pages that have had something in them are free again. */
		char *dirty = memory_alloc(MEM_ANON, MEM_BYTES);

		ASSERT_NE(NULL, dirty);
		memset(dirty, 0x5a, MEM_BYTES);
		ASSERT_EQ(0, munmap(dirty, MEM_BYTES));
		memset(self->vmm.mem, 0xa5, MEM_BYTES);
		/* So are those of a write that is copied. */
		cmd = cmd_rw(true, 0, 512, MEM_GPA + 1);
		cmd.lun = 2;
		scsi_do(self->c, &cmd);
		cmd = cmd_rw(false, 0, 512, MEM_GPA + 1);
		cmd.lun = 2;
		/* Then they are the target's own, not ours. */
		if (round % 2)
			cmd.bytes -= BLOCK;
		if (!round)
			scsi_do(self->c, &cmd);
		EXPECT_GOOD(scsi_do(self->c, &cmd), cmd.bytes);
		for (i = 0; i < cmd.bytes; i++)
			other += self->vmm.mem[1 + i] != 0;
	}
	EXPECT_EQ(0, other);
	EXPECT_EQ((char)0xa5, self->vmm.mem[0]);
	EXPECT_EQ((char)0xa5, self->vmm.mem[1 + cmd.bytes]);
	EXPECT_EQ(0, target_remove_lun(2));
	EXPECT_EQ(0, target_remove_backstore("rd_mcp", "n"));
}

/*
 * 257 pieces, of which the first and the last are no whole blocks of 4 KiB: two bios, and no
 * block may be in both.
 */
TEST_F(life, pieces_of_blocks)
{
	struct { __u32 reserved, nr, bytes, offset; __u64 pfn[257]; } h = {
		.nr = 1, .bytes = 1 << 20, .offset = 512,
	};
	struct vstor_msg msg = {
		.op = OP_EXECUTE_SRB,
		.lun = 2,
		.cdb_length = 10,
		.data_in = DIR_IN,
		.data_length = 1 << 20,
		.cdb = { 0x28, [5] = 3, [7] = 1 },	/* 256 blocks from the third on */
	};
	unsigned int i, j, wrong = 0;
	char loop[32];
	__u64 lba;

	loop_lun_add(_metadata, self->c, target_iblock, 4096, loop, sizeof(loop));
	/* Backwards, so that no two of them adjoin */
	for (i = 0; i < ARRAY_SIZE(h.pfn); i++)
		h.pfn[i] = MEM_PFN + 600 - i;
	scsi_put(self->c, 9, 1, ++self->c->next_id, &h, sizeof(h), &msg, sizeof(msg));
	scsi_kick(self->c);
	EXPECT_GOOD(scsi_next(self->c), 1 << 20);
	/* Sectors say which they are. */
	for (i = 0; i < (1 << 20) / BLOCK; i++) {
		j = h.offset + i * BLOCK;
		memcpy(&lba, self->vmm.mem + (600 - j / HV_PAGE) * HV_PAGE + j % HV_PAGE, 8);
		wrong += lba != 3 * 8 + i;
	}
	EXPECT_EQ(0, wrong);
	loop_lun_remove(_metadata, loop);
}

/* ---- What the target core lets pass ---- */

/* The guest need not mind what MODE SENSE says of it. */
TEST_F(life, read_only_backstore)
{
	struct scsi_cmd read = cmd_rw(false, 3, 1, MEM_GPA), cmd = cmd_rw(true, 3, 1, MEM_GPA);
	char loop[32];

	loop_lun_add(_metadata, self->c, target_iblock_read_only, BLOCK, loop, sizeof(loop));
	read.lun = 2;
	cmd.lun = 2;
	memset(self->vmm.mem, 0xa5, BLOCK);
	EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_ERROR, 7, 0x27, 0);
	/* WRITE SAME(16) */
	cmd.cdb_len = 16;
	memset(cmd.cdb, 0, sizeof(cmd.cdb));
	cmd.cdb[0] = 0x93;
	cmd.cdb[9] = 3;
	cmd.cdb[13] = 1;
	EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_ERROR, 7, 0x27, 0);
	EXPECT_GOOD(scsi_do(self->c, &read), BLOCK);
	EXPECT_EQ(3, *(__u64 *)self->vmm.mem);
	loop_lun_remove(_metadata, loop);
}

/* It would take memory of the host's, and write where nobody looks what may be written. */
TEST_F(life, extended_copy)
{
	struct scsi_cmd cmd = {
		.cdb = { 0x83, [13] = 16 }, .cdb_len = 16, .dir = DIR_OUT, .gpa = MEM_GPA,
		.bytes = 16,
	};

	settle(self->c);
	memset(self->vmm.mem, 0, 16);
	EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_ERROR, 5, 0x20, 0);
	/* RECEIVE COPY RESULTS: the operating parameters */
	cmd.cdb[0] = 0x84;
	cmd.cdb[1] = 3;
	cmd.dir = DIR_IN;
	EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_ERROR, 5, 0x20, 0);
}

/* There is no bio of a part of a block. */
TEST_F(life, part_of_a_block)
{
	struct scsi_cmd cmd = cmd_rw(false, 3, 2, MEM_GPA);
	unsigned int lun;

	settle(self->c);
	memset(self->vmm.mem, 0xa5, HV_PAGE);
	for (lun = 0; lun < 2; lun++) {
		cmd.lun = lun;
		cmd.bytes = 100;
		EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_ERROR, 5, 0x24, 0);
		EXPECT_EQ((char)0xa5, self->vmm.mem[0]);
		cmd.bytes = BLOCK;
		EXPECT_GOOD(scsi_do(self->c, &cmd), BLOCK);
		EXPECT_EQ(3, *(__u64 *)self->vmm.mem);
		memset(self->vmm.mem, 0xa5, HV_PAGE);
	}
}

/* ---- A memory error while data is copied ---- */

/* What cannot be copied is no success: neither data that was read, nor what is to be written. */
TEST_F(life, copy_fails)
{
	struct scsi_cmd cmd = cmd_rw(false, 3, 8, MEM_GPA + 1);
	struct vstor_reply r;
	int ret;

	settle(self->c);
	ret = fail("vscsi_copy_to_guest 0 1");
	if (ret == -EOPNOTSUPP)
		SKIP(return, "the kernel has no kprobes");
	ASSERT_EQ(0, ret);
	r = scsi_do(self->c, &cmd);
	EXPECT_SRB(r, SRB_ERROR | AUTOSENSE, CHECK_CONDITION, 0);
	EXPECT_LT(0, r.msg.sense[2] & 0xf);
	EXPECT_GOOD(scsi_do(self->c, &cmd), cmd.bytes);
	cmd = cmd_rw(true, 3, 8, MEM_GPA + 1);
	ASSERT_EQ(0, fail("vscsi_copy_from_guest 0 1"));
	r = scsi_do(self->c, &cmd);
	EXPECT_SRB(r, SRB_ERROR | AUTOSENSE, CHECK_CONDITION, 0);
	EXPECT_LT(0, r.msg.sense[2] & 0xf);
	EXPECT_GOOD(scsi_do(self->c, &cmd), cmd.bytes);
	EXPECT_EQ(0, fail(" "));
}

/* Large blocks lie in the guest's pages as they like: a device may want each in one piece. */
TEST_F(life, begins_inside_a_block)
{
	struct scsi_cmd cmd = cmd_rw(false, 3, 2, MEM_GPA);
	char loop[32];
	int ret;

	loop_lun_add(_metadata, self->c, target_iblock, 4096, loop, sizeof(loop));
	cmd.lun = 2;
	cmd.bytes = 2 * 4096;
	ret = fail("vscsi_copy_to_guest 0 1");
	if (!ret) {
		/* That is used as it is, and this is not. */
		EXPECT_GOOD(scsi_do(self->c, &cmd), cmd.bytes);
		cmd.gpa += BLOCK;
		EXPECT_SRB(scsi_do(self->c, &cmd), SRB_ERROR | AUTOSENSE, CHECK_CONDITION, 0);
		EXPECT_GOOD(scsi_do(self->c, &cmd), cmd.bytes);
		EXPECT_EQ(3 * 8, *(__u64 *)(self->vmm.mem + BLOCK));
		EXPECT_EQ(0, fail(" "));
	}
	loop_lun_remove(_metadata, loop);
	if (ret == -EOPNOTSUPP)
		SKIP(return, "the kernel has no kprobes");
	EXPECT_EQ(0, ret);
}

/*
 * A tape that finds a shorter block than was asked for says so, and has read it: the guest is told
 * both, and how much there is.
 */
TEST_F(life, data_and_sense)
{
	struct scsi_cmd cmd = cmd_rw(false, 3, 8, MEM_GPA);
	unsigned int i, left = 0;
	struct vstor_reply r;
	int ret;

	settle(self->c);
	memset(self->vmm.mem, 0xa5, HV_PAGE);
	ret = fail_set(FAIL "short_block", "1000");
	if (ret == -EOPNOTSUPP)
		SKIP(return, "the kernel has no kprobes");
	ASSERT_EQ(0, ret);
	r = scsi_do(self->c, &cmd);
	EXPECT_SRB(r, SRB_ERROR | AUTOSENSE, CHECK_CONDITION, cmd.bytes - 1000);
	EXPECT_EQ(18, r.msg.sense_length);
	EXPECT_EQ(0xf0, r.msg.sense[0]);
	EXPECT_EQ(0x20, r.msg.sense[2]);
	EXPECT_EQ(0xe8, r.msg.sense[6]);
	EXPECT_EQ(3, *(__u64 *)self->vmm.mem);
	EXPECT_EQ(0, fail_set(FAIL "short_block", "0"));
	/*
	 * And nothing of it is left, in whichever request the next error comes. A channel has 256,
	 * and uses those first that were freed last: once all of them, then as many.
	 */
	cmd.cdb[2] = 0xff;
	for (i = 0; i < 600; i++)
		left |= scsi_do(self->c, &cmd).msg.sense[6];
	EXPECT_EQ(0, left);
}

/* ---- More requests than a channel has of its own ---- */

/* A channel has 256 of its own; a ring holds 250 commands of 112 bytes, and 370 without data. */
#define BEYOND	400u

/* BEYOND commands @cmd, as often as the ring has room: whether all of them are taken */
static bool send_beyond(struct scsi_chan *c, const struct scsi_cmd *cmd)
{
	unsigned int i;

	for (i = 1; i <= BEYOND; i++) {
		scsi_send(c, cmd);
		if (i % 100)
			continue;
		scsi_kick(c);
		if (!WAIT_FOR(is_taken(c)))
			return false;
	}
	return true;
}

TEST_F(life, beyond_the_pool)
{
	struct scsi_cmd flush = { .cdb = { 0x35 }, .cdb_len = 10, .dir = DIR_NONE };
	unsigned int i, round, good;

	/* Alone it may have everything. */
	EXPECT_EQ(0, target_remove_lun(0));
	flush.lun = HUNG_LUN;
	for (i = 0; i < 4; i++)
		scsi_do(self->c, &flush);
	/* The second time with those that are free again */
	for (round = 0; round < 2; round++) {
		ASSERT_EQ(0, dm_suspend(DM, true));
		EXPECT_TRUE(send_beyond(self->c, &flush));
		EXPECT_TRUE(WAIT_FOR(fdinfo_says(self->vmm.fd, " 400 in all\n")));
		EXPECT_EQ(0, dm_suspend(DM, false));
		for (i = 0, good = 0; i < BEYOND; i++)
			good += scsi_next(self->c).msg.srb_status == SRB_SUCCESS;
		EXPECT_EQ(BEYOND, good);
		EXPECT_TRUE(WAIT_FOR(fdinfo_says(self->vmm.fd, ": 0 requests\n")));
	}
	/* And a close that meets them */
	ASSERT_EQ(0, dm_suspend(DM, true));
	EXPECT_TRUE(send_beyond(self->c, &flush));
	EXPECT_EQ(0, guest_close(self->vmm.fd, self->c->relid));
	EXPECT_EQ(0, dm_suspend(DM, false));
	EXPECT_TEARDOWN(self->vmm.fd, self->c->relid, self->c->handle);
	ASSERT_EQ(0, target_add_lun(0, "fileio", "a"));
	OPEN_CHANNEL(&self->vmm, 0);
	EXPECT_EQ(0, scsi_init(self->c, 0x0602));
}

TEST_HARNESS_MAIN
