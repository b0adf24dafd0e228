// SPDX-License-Identifier: GPL-2.0
/*
 * The SCSI backend: commands of block devices by which a guest would have more of the target core
 * than it has given room for, or have it warn, or go on with what is gone.
 */
#include "fail.h"
#include "machine.h"
#include "scsi_life.h"

#define OTHER_LUN	2
#define LARGE_BLOCK	16384u

/* A command for LUN 2; the first few hear that there are others now. */
static struct vstor_reply ask_other(struct scsi_chan *c, struct scsi_cmd cmd)
{
	cmd.lun = OTHER_LUN;
	return scsi_do(c, &cmd);
}

static void settle_other(struct scsi_chan *c)
{
	unsigned int i;

	settle(c);
	for (i = 0; i < 4; i++)
		ask_other(c, cmd_plain(0));
}

static void other_lun_remove(struct __test_metadata *_metadata, const char *kind, const char *name)
{
	EXPECT_EQ(0, target_remove_lun(OTHER_LUN));
	EXPECT_EQ(0, target_remove_backstore(kind, name));
}

/* scsi_debug's disk behind pscsi; -ENODEV if the kernel has none */
static int pass_through_add(struct scsi_chan *c)
{
	char dev[32], address[32];
	int ret;

	ret = scsi_debug_disk(dev, sizeof(dev), address, sizeof(address));
	if (!ret)
		ret = target_pscsi("p", dev, address);
	if (!ret)
		ret = target_add_lun(OTHER_LUN, "pscsi", "p");
	if (!ret)
		settle_other(c);
	return ret;
}

/* ---- Protection information ---- */

static void protected_lun_add(struct __test_metadata *_metadata, struct scsi_chan *c)
{
	ASSERT_EQ(0, target_rd_mcp("p", 8 << 20));
	ASSERT_EQ(0, target_attribute("rd_mcp", "p", "pi_prot_type", "1"));
	ASSERT_EQ(0, target_add_lun(OTHER_LUN, "rd_mcp", "p"));
	settle_other(c);
}

/*
 * The target core takes the length of such data from the command. With RDPROTECT, it allocated
 * pages for all of its blocks, and there was room for one.
 */
TEST_F(life, protected_data)
{
	struct scsi_cmd cmd = cmd_rw(false, 0, 8192, MEM_GPA);

	protected_lun_add(_metadata, self->c);
	cmd.cdb[1] = 0x20;
	cmd.bytes = BLOCK;
	EXPECT_SENSE(ask_other(self->c, cmd), SRB_ERROR, 5, 0x24, 0);
	/* Nor with as much room as it says */
	cmd = cmd_rw(false, 0, 8, MEM_GPA);
	cmd.cdb[1] = 0x60;
	EXPECT_SENSE(ask_other(self->c, cmd), SRB_ERROR, 5, 0x24, 0);
	cmd = cmd_rw(true, 0, 8, MEM_GPA);
	cmd.cdb[1] = 0x20;
	EXPECT_SENSE(ask_other(self->c, cmd), SRB_ERROR, 5, 0x24, 0);
	/* A guest that does not ask for it reads and writes what it likes. */
	memset(self->vmm.mem, 0x5a, HV_PAGE);
	EXPECT_GOOD(ask_other(self->c, cmd_rw(true, 0, 8, MEM_GPA)), HV_PAGE);
	memset(self->vmm.mem, 0, HV_PAGE);
	EXPECT_GOOD(ask_other(self->c, cmd_rw(false, 0, 8, MEM_GPA)), HV_PAGE);
	EXPECT_EQ(0x5a, self->vmm.mem[HV_PAGE - 1]);
	other_lun_remove(_metadata, "rd_mcp", "p");
}

/* Without RDPROTECT too it has eight bytes for each block that the command names. */
TEST_F(life, protection_information_alone)
{
	struct scsi_cmd cmd = cmd_rw(false, 0, 8192, MEM_GPA);

	protected_lun_add(_metadata, self->c);
	cmd.bytes = BLOCK;
	EXPECT_SENSE(ask_other(self->c, cmd), SRB_ERROR, 5, 0x24, 0);
	other_lun_remove(_metadata, "rd_mcp", "p");
}

/* No blocks, with such information: a list of no entries, before the first of which it wrote */
TEST_F(life, no_blocks_that_are_protected)
{
	struct scsi_cmd cmd = cmd_rw(true, 0, 0, MEM_GPA);
	unsigned int i;

	protected_lun_add(_metadata, self->c);
	for (i = 0; i < 20; i++) {
		EXPECT_GOOD(ask_other(self->c, cmd_rw(false, 0, 0, MEM_GPA)), 0);
		EXPECT_GOOD(ask_other(self->c, cmd_rw(true, 0, 0, MEM_GPA)), 0);
	}
	/* And blocks for which the guest has nothing: it would have what the host's memory has. */
	cmd.cdb[1] = 0x60;
	cmd.cdb[13] = 8;
	EXPECT_SENSE(ask_other(self->c, cmd), SRB_ERROR, 5, 0x24, 0);
	other_lun_remove(_metadata, "rd_mcp", "p");
}

/*
 * Of a block device with such information the block layer makes it, and checks it: the target core
 * takes each block's for eight bytes, and gives the device room for these.
 */
TEST_F(life, block_device_with_protection_information)
{
	char dev[32], address[32];
	int ret, left;

	ret = scsi_debug_disk(dev, sizeof(dev), address, sizeof(address));
	if (ret == -ENODEV)
		SKIP(return, "the kernel has no scsi_debug");
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, target_iblock("d", dev));
	ASSERT_EQ(0, target_add_lun(OTHER_LUN, "iblock", "d"));
	settle_other(self->c);
	ret = fail("sbc_dif_generate 0 1000");
	memset(self->vmm.mem, 0xaa, HV_PAGE);
	EXPECT_GOOD(ask_other(self->c, cmd_rw(true, 16, 8, MEM_GPA)), HV_PAGE);
	memset(self->vmm.mem, 0, HV_PAGE);
	EXPECT_GOOD(ask_other(self->c, cmd_rw(false, 16, 8, MEM_GPA)), HV_PAGE);
	EXPECT_EQ((char)0xaa, self->vmm.mem[HV_PAGE - 1]);
	left = fail_left();
	fail(" ");
	other_lun_remove(_metadata, "iblock", "d");
	if (ret == -EOPNOTSUPP)
		SKIP(return, "the kernel has no kprobes");
	ASSERT_EQ(0, ret);
	EXPECT_EQ(1000, left);
}

/* ---- Commands that are refused ---- */

/*
 * A device behind pscsi finds the other end of a copy by its name. This one has no EXTENDED COPY,
 * but is not asked.
 */
TEST_F(life, copies_behind_a_pass_through)
{
	struct scsi_cmd copy = { .cdb = { 0x83, [13] = 16 }, .cdb_len = 16, .dir = DIR_OUT,
				 .gpa = MEM_GPA, .bytes = 16 };
	struct scsi_cmd results = { .cdb = { 0x84, [13] = 16 }, .cdb_len = 16, .dir = DIR_IN,
				    .gpa = MEM_GPA, .bytes = 16 };
	int ret, left;

	ret = pass_through_add(self->c);
	if (ret == -ENODEV)
		SKIP(return, "the kernel has no scsi_debug");
	ASSERT_EQ(0, ret);
	ret = fail("blk_execute_rq_nowait 0 1000");
	EXPECT_SENSE(ask_other(self->c, copy), SRB_ERROR, 5, 0x20, 0);
	EXPECT_SENSE(ask_other(self->c, results), SRB_ERROR, 5, 0x20, 0);
	left = fail_left();
	EXPECT_GOOD(ask_other(self->c, cmd_plain(0)), 0);
	/* It counts what is asked. */
	EXPECT_EQ(left - 1, fail_left());
	fail(" ");
	other_lun_remove(_metadata, "pscsi", "p");
	if (ret == -EOPNOTSUPP)
		SKIP(return, "the kernel has no kprobes");
	ASSERT_EQ(0, ret);
	EXPECT_EQ(1000, left);
}

/* Has scsi_debug's disks tell that their size has changed; 0, or a negative errno */
static int change_size(const char *gb)
{
	return file_write("/sys/bus/pseudo/drivers/scsi_debug/virtual_gb", gb);
}

/* A device behind pscsi has a unit attention when it is asked MODE SENSE, and is asked again. */
TEST_F(life, pass_through_that_has_changed)
{
	struct scsi_cmd sense = { .cdb = { 0x1a, [2] = 0x3f, [4] = 64 }, .cdb_len = 6,
				  .dir = DIR_IN, .gpa = MEM_GPA, .bytes = 64 };
	struct vstor_reply r;
	int ret;

	ret = pass_through_add(self->c);
	if (ret == -ENODEV)
		SKIP(return, "the kernel has no scsi_debug");
	ASSERT_EQ(0, ret);
	EXPECT_EQ(0, change_size("1"));
	r = ask_other(self->c, sense);
	EXPECT_EQ(SRB_SUCCESS, r.msg.srb_status);
	EXPECT_LT(0, r.msg.data_length);
	/* Another command is told, and what it was told is not left for the next. */
	EXPECT_EQ(0, change_size("0"));
	EXPECT_SENSE(ask_other(self->c, cmd_plain(0)), SRB_ERROR, 6, 0x2a, 0x09);
	EXPECT_GOOD(ask_other(self->c, cmd_plain(0)), 0);
	other_lun_remove(_metadata, "pscsi", "p");
}

/* What scsi_debug's disk says of every command */
static int inject(const char *opts, const char *every)
{
	int ret = file_write("/sys/bus/pseudo/drivers/scsi_debug/opts", opts);

	return ret ?: file_write("/sys/bus/pseudo/drivers/scsi_debug/every_nth", every);
}

/* It has done it all, and says that this was hard: RECOVERED ERROR. The guest would try again. */
TEST_F(life, pass_through_that_recovers)
{
	struct scsi_cmd write = cmd_rw(true, 8, 8, MEM_GPA);
	struct scsi_cmd read = cmd_rw(false, 8, 8, MEM_GPA + 8 * HV_PAGE);
	char *mem = self->vmm.mem;
	int ret;

	ret = pass_through_add(self->c);
	if (ret == -ENODEV)
		SKIP(return, "the kernel has no scsi_debug");
	ASSERT_EQ(0, ret);
	memset(mem, 0x5a, 8 * BLOCK);
	memset(mem + 8 * HV_PAGE, 0, 8 * BLOCK);
	EXPECT_EQ(0, inject("8", "1"));
	EXPECT_GOOD(ask_other(self->c, write), 8 * BLOCK);
	EXPECT_GOOD(ask_other(self->c, read), 8 * BLOCK);
	EXPECT_EQ(0, inject("0", "0"));
	EXPECT_EQ(0, memcmp(mem, mem + 8 * HV_PAGE, 8 * BLOCK));
	other_lun_remove(_metadata, "pscsi", "p");
}

/* Where the backstore has an lba_map, the target core would write behind the end of a buffer. */
TEST_F(life, report_referrals)
{
	struct scsi_cmd cmd = { .cdb = { 0x9e, 0x13, [13] = 64 }, .cdb_len = 16, .dir = DIR_IN,
				.gpa = MEM_GPA, .bytes = 64 };

	settle(self->c);
	EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_ERROR, 5, 0x20, 0);
}

/* ---- Counts ---- */

/* iblock makes a list of them first, as long as the disk. */
TEST_F(life, long_write_same)
{
	struct scsi_cmd cmd = {
		.cdb = { 0x93, [12] = 2048 >> 8 }, .cdb_len = 16, .dir = DIR_OUT, .gpa = MEM_GPA,
		.bytes = BLOCK, .lun = HUNG_LUN,
	};
	struct scsi_cmd read = cmd_rw(false, 2040, 8, MEM_GPA);

	settle(self->c);
	memset(self->vmm.mem, 0xaa, BLOCK);
	EXPECT_GOOD(scsi_do(self->c, &cmd), BLOCK);
	read.lun = HUNG_LUN;
	EXPECT_GOOD(scsi_do(self->c, &read), HV_PAGE);
	EXPECT_EQ((char)0xaa, self->vmm.mem[HV_PAGE - 1]);
	cmd.cdb[13] = 1;
	EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_ERROR, 5, 0x24, 0);
}

/* 2^23 + 1 blocks of 512 bytes are 512 bytes, in 32 bits. */
TEST_F(life, more_bytes_than_32_bits_count)
{
	struct scsi_cmd cmd = cmd_rw(false, 0, (1u << 23) + 1, MEM_GPA);

	ASSERT_EQ(0, target_rd_nullio("n", 5ull << 30));
	ASSERT_EQ(0, target_add_lun(OTHER_LUN, "rd_mcp", "n"));
	settle_other(self->c);
	cmd.bytes = BLOCK;
	EXPECT_SENSE(ask_other(self->c, cmd), SRB_ERROR, 5, 0x24, 0);
	EXPECT_GOOD(ask_other(self->c, cmd_rw(false, 0, 1, MEM_GPA)), BLOCK);
	other_lun_remove(_metadata, "rd_mcp", "n");
}

/* ---- COMPARE AND WRITE ---- */

/* One whose read fails had the target core warn; the next one must not find it locked. */
TEST_F(life, compare_and_write_of_a_bad_block)
{
	struct scsi_cmd cmd = {
		.cdb = { 0x89, [9] = 3, [13] = 1 }, .cdb_len = 16, .dir = DIR_OUT,
		.gpa = MEM_GPA, .bytes = 2 * BLOCK,
	};
	unsigned int i;
	char dev[32];

	ASSERT_EQ(0, dm_create("scsierr", "error", "", DISK_BLOCKS, dev, sizeof(dev)));
	ASSERT_EQ(0, target_iblock("e", dev));
	ASSERT_EQ(0, target_add_lun(OTHER_LUN, "iblock", "e"));
	settle_other(self->c);
	for (i = 0; i < 3; i++)
		EXPECT_SRB(ask_other(self->c, cmd), SRB_ERROR | AUTOSENSE, CHECK_CONDITION, 0);
	other_lun_remove(_metadata, "iblock", "e");
	EXPECT_EQ(0, dm_remove("scsierr"));
}

/* ---- Resets ---- */

/* Which of @nr answers is that to @id; @nr if none is */
static unsigned int place(const struct vstor_reply *r, unsigned int nr, __u64 id)
{
	unsigned int i;

	for (i = 0; i < nr && r[i].id != id; i++)
		;
	return i;
}

/*
 * The target core ends the commands of all that have the backstore. Here that is LUN 2, as it would
 * be another guest: nothing of it ends, the guest's own command does what it is to do, and the
 * reset is answered behind that.
 */
TEST_F(life, reset_of_what_others_have_too)
{
	struct vstor_msg reset = { .op = OP_RESET_LUN, .lun = HUNG_LUN };
	struct scsi_cmd tur = cmd_plain(0);
	struct vstor_reply r[3];
	unsigned int i;
	__u64 ids[2];

	ASSERT_EQ(0, target_add_lun(OTHER_LUN, "iblock", "b"));
	settle_other(self->c);
	ids[0] = BEGIN_HUNG(self->c, 3);
	ids[1] = begin(self->c, OTHER_LUN, 4);
	scsi_put(self->c, 6, 1, 1000, NULL, 0, &reset, sizeof(reset));
	scsi_kick(self->c);
	EXPECT_TRUE(WAIT_FOR(is_taken(self->c)));
	usleep(200000);
	EXPECT_TRUE(scsi_is_quiet(self->c));
	EXPECT_EQ(0, dm_suspend(DM, false));
	for (i = 0; i < 3; i++)
		r[i] = scsi_next(self->c);
	/* Each of them, and so there are these places. */
	ASSERT_EQ(3, place(r, 3, ids[0]) + place(r, 3, ids[1]) + place(r, 3, 1000));
	ASSERT_GT(3, place(r, 3, ids[0]));
	ASSERT_GT(3, place(r, 3, ids[1]));
	EXPECT_GOOD(r[place(r, 3, ids[0])], BLOCK);
	EXPECT_GOOD(r[place(r, 3, ids[1])], BLOCK);
	EXPECT_EQ(0, r[place(r, 3, 1000)].msg.status);
	EXPECT_LT(place(r, 3, ids[0]), place(r, 3, 1000));
	/* Nobody hears of a reset. */
	tur.lun = HUNG_LUN;
	EXPECT_GOOD(scsi_do(self->c, &tur), 0);
	EXPECT_GOOD(ask_other(self->c, cmd_plain(0)), 0);
	EXPECT_EQ(0, target_remove_lun(OTHER_LUN));
}

/* Commands of a sub-channel that is closing are the guest's own, too. */
TEST_F(life, reset_while_a_channel_closes)
{
	struct vstor_msg reset = { .op = OP_RESET_LUN, .lun = HUNG_LUN };
	struct scsi_vmm *v = &self->vmm;
	struct scsi_chan *sub = &v->chan[1];

	ASSERT_EQ(0, target_add_lun(OTHER_LUN, "iblock", "b"));
	settle_other(self->c);
	ASSERT_EQ(0, scsi_create(v, 1));
	OPEN_CHANNEL(v, 1);
	BEGIN_HUNG(sub, 3);
	EXPECT_EQ(0, guest_close(v->fd, sub->relid));
	EXPECT_EQ(0, guest_teardown(v->fd, sub->relid, sub->handle));
	scsi_put(self->c, 6, 1, 1000, NULL, 0, &reset, sizeof(reset));
	scsi_kick(self->c);
	EXPECT_TRUE(WAIT_FOR(is_taken(self->c)));
	usleep(200000);
	EXPECT_TRUE(scsi_is_quiet(self->c));
	EXPECT_EQ(0, dm_suspend(DM, false));
	EXPECT_EQ(0, scsi_next(self->c).msg.status);
	EXPECT_TORNDOWN(v->fd, sub->handle);
	EXPECT_EQ(0, target_remove_lun(OTHER_LUN));
}

/*
 * A guest that has not heard yet that a logical unit has come is told so first: the target core
 * looks at the first entry alone, and has added one for each reset.
 */
TEST_F(life, resets_that_nobody_hears_of)
{
	struct vstor_msg reset = { .op = OP_RESET_LUN };
	struct scsi_cmd tur = cmd_plain(0);
	unsigned int i;
	int ret, left;

	ASSERT_EQ(0, target_rd_mcp("p", 1 << 20));
	ASSERT_EQ(0, target_add_lun(OTHER_LUN, "rd_mcp", "p"));
	ret = fail("target_dev_ua_allocate 0 1000");
	for (i = 0; !ret && i < 100; i++)
		EXPECT_EQ(0, scsi_ask(self->c, &reset, sizeof(reset)).msg.status);
	left = fail_left();
	fail(" ");
	other_lun_remove(_metadata, "rd_mcp", "p");
	if (ret == -EOPNOTSUPP)
		SKIP(return, "the kernel has no kprobes");
	ASSERT_EQ(0, ret);
	EXPECT_LT(0, 1000 - left);
	EXPECT_GE(16, 1000 - left);
	/* When it has listened, it is reset as before. */
	settle(self->c);
	EXPECT_EQ(0, scsi_ask(self->c, &reset, sizeof(reset)).msg.status);
	EXPECT_SENSE(scsi_do(self->c, &tur), SRB_ERROR, 6, 0x29, 3);
}

/* The target core takes a block for one page. No block device has larger ones before Linux 6.15. */
TEST_F(life, compare_and_write_of_large_blocks)
{
	struct scsi_cmd cmd = {
		.cdb = { 0x89, [13] = 1 }, .cdb_len = 16, .dir = DIR_OUT, .gpa = MEM_GPA,
		.bytes = 2 * LARGE_BLOCK, .lun = OTHER_LUN,
	};
	char dev[32];
	int ret;

	ret = loop_attach_blocks(HUNG_FILE, LARGE_BLOCK, dev, sizeof(dev));
	if (!ret) {
		ASSERT_EQ(0, target_iblock("l", dev));
		ASSERT_EQ(0, target_add_lun(OTHER_LUN, "iblock", "l"));
		settle_other(self->c);
		EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_ERROR, 5, 0x20, 0);
		other_lun_remove(_metadata, "iblock", "l");
	}
	EXPECT_EQ(0, loop_detach(dev));
	EXPECT_TRUE(!ret || ret == -EINVAL);
}

/* ---- SYNCHRONIZE CACHE ---- */

/*
 * A file was flushed after the answer, and after the command, and the backstore, might be gone. So
 * there is no answer while the disk below it hangs.
 */
TEST_F(life, flush_that_is_answered_at_once)
{
	struct scsi_cmd cmd = { .cdb = { 0x35, 0x02 }, .cdb_len = 10, .dir = DIR_NONE };
	struct vstor_reply r;
	__u64 id;

	ASSERT_EQ(0, target_fileio("f", self->dm, DISK_BYTES));
	ASSERT_EQ(0, target_add_lun(OTHER_LUN, "fileio", "f"));
	settle_other(self->c);
	EXPECT_GOOD(ask_other(self->c, cmd_rw(true, 40, 8, MEM_GPA)), HV_PAGE);
	ASSERT_EQ(0, dm_suspend(DM, true));
	cmd.lun = OTHER_LUN;
	id = scsi_send(self->c, &cmd);
	scsi_kick(self->c);
	EXPECT_TRUE(WAIT_FOR(is_taken(self->c)));
	usleep(200000);
	EXPECT_TRUE(scsi_is_quiet(self->c));
	EXPECT_EQ(0, dm_suspend(DM, false));
	r = scsi_next(self->c);
	EXPECT_EQ(id, r.id);
	EXPECT_GOOD(r, 0);
	other_lun_remove(_metadata, "fileio", "f");
}

TEST_HARNESS_MAIN
