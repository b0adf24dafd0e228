// SPDX-License-Identifier: GPL-2.0
/*
 * The SCSI backend: packets that are found in the ring together go to the target together. What
 * that must not change.
 */
#include "scsi_life.h"

/* A reset finds the command that came before it, though nobody kicked in between. */
TEST_F(life, reset_behind_a_command)
{
	struct scsi_cmd cmd = cmd_rw(false, 0, 1, MEM_GPA);
	struct vstor_msg msg = { .op = OP_RESET_LUN, .lun = HUNG_LUN };
	struct vstor_reply r;
	__u64 id;

	cmd.lun = HUNG_LUN;
	settle(self->c);
	ASSERT_EQ(0, dm_suspend(DM, true));
	id = scsi_send(self->c, &cmd);
	scsi_put(self->c, 6, 1, 1000, NULL, 0, &msg, sizeof(msg));
	scsi_kick(self->c);
	EXPECT_TRUE(WAIT_FOR(is_taken(self->c)));
	/* It waits for the command. */
	usleep(100000);
	EXPECT_TRUE(scsi_is_quiet(self->c));
	EXPECT_EQ(0, dm_suspend(DM, false));
	r = scsi_next(self->c);
	EXPECT_EQ(id, r.id);
	EXPECT_SRB(r, SRB_BUS_RESET, TASK_ABORTED, 0);
	EXPECT_EQ(1000, scsi_next(self->c).id);
}

/* A page that the VMM does not bring in keeps waiting what names it, and nothing before that. */
TEST_F(life, page_of_the_second)
{
	const __u64 at = MEM_BYTES - 16 * HV_PAGE;
	struct scsi_cmd first = cmd_rw(false, 1, 8, MEM_GPA);
	struct scsi_cmd second = cmd_rw(false, 2, 8, MEM_GPA + at);
	char *page = self->vmm.mem + at;
	__u64 ids[3];
	int uffd;

	settle(self->c);
	EXPECT_GOOD(scsi_do(self->c, &first), HV_PAGE);
	uffd = memory_stall(page, 16 * HV_PAGE);
	ASSERT_LE(0, uffd);
	ids[0] = scsi_send(self->c, &first);
	ids[1] = scsi_send(self->c, &second);
	ids[2] = scsi_send(self->c, &first);
	scsi_kick(self->c);
	EXPECT_EQ(ids[0], scsi_next(self->c).id);
	EXPECT_TRUE(WAIT_FOR(memory_is_touched(uffd)));
	EXPECT_TRUE(scsi_is_quiet(self->c));
	EXPECT_EQ(0, memory_fill(uffd, page, 0x5a));
	EXPECT_EQ(ids[1], scsi_next(self->c).id);
	EXPECT_EQ(ids[2], scsi_next(self->c).id);
	/* What was read, and not what the page was filled with */
	EXPECT_EQ(2, *(__u64 *)page);
	close(uffd);
}

/* More than are submitted together; each is answered once, with its own block. */
TEST_F(life, many_together)
{
	enum { NR = 150 };	/* of the 192 that one of two disks may have */
	unsigned int i, right = 0;
	bool seen[NR] = {};
	__u64 first;

	settle(self->c);
	memset(self->vmm.mem, 0xff, NR * HV_PAGE);
	first = self->c->next_id + 1;
	for (i = 0; i < NR; i++) {
		struct scsi_cmd cmd = cmd_rw(false, i, 1, MEM_GPA + i * HV_PAGE);

		scsi_send(self->c, &cmd);
	}
	scsi_kick(self->c);
	for (i = 0; i < NR; i++) {
		struct vstor_reply r = scsi_next(self->c);
		__u64 n = r.id - first;

		if (n >= NR || seen[n] || r.msg.srb_status != SRB_SUCCESS)
			break;
		seen[n] = true;
		right += *(__u64 *)(self->vmm.mem + n * HV_PAGE) == n;
	}
	EXPECT_EQ(NR, right);
	EXPECT_TRUE(scsi_is_quiet(self->c));
}

TEST_HARNESS_MAIN
