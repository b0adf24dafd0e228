// SPDX-License-Identifier: GPL-2.0
/*
 * What an operator is told of a disk that hangs: gpadlctl names the backend, the disk, how many
 * requests it has and how old they are, whoever waits for it.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "scsi_life.h"

#define HUNG	"backend vmbus_scsi, LUN 1 of " TARGET_WWPN " tpgt_1: 3 requests in flight, " \
		"oldest [0-9]+ s; 3 in all$"

#define OLD	"3 requests in flight, the oldest for [0-9]+ s: LUN 1 of " TARGET_WWPN " tpgt_1: "

/* With the first, three that the disk does not answer */
static void begin_two_more(struct scsi_chan *c)
{
	unsigned int i;

	for (i = 8; i < 10; i++)
		begin(c, HUNG_LUN, i);
}

/* The guest closes its channel, and wants its rings back. */
TEST_F(life, close)
{
	char *text = malloc(CTL_TEXT_BYTES);

	ASSERT_NE(NULL, text);
	BEGIN_HUNG(self->c, 7);
	begin_two_more(self->c);
	EXPECT_TRUE(WAIT_FOR(is_taken(self->c)));
	EXPECT_EQ(0, ctl_run(text, "show %d", getpid()));
	EXPECT_EQ(NULL, strstr(text, "What is wrong"));
	EXPECT_EQ(0, guest_close(self->vmm.fd, self->c->relid));
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, self->c->relid, self->c->handle));
	sleep(2);
	EXPECT_EQ(0, ctl_run(text, "show %d", getpid()));
	EXPECT_TRUE(ctl_says(text, "GPADL %#x, channel %u: teardown waits [0-9]+ s for " HUNG,
			     self->c->handle, self->c->relid));
	EXPECT_TRUE(ctl_says(text, "Channel %u: its close waits [0-9]+ s for " HUNG,
			     self->c->relid));
	EXPECT_EQ(0, ctl_run(text, "list"));
	EXPECT_TRUE(ctl_says(text, "^ +[0-9]+ +%d .* stuck: gpadlctl show [0-9]+$", getpid()));

	EXPECT_EQ(0, dm_suspend(DM, false));
	EXPECT_TORNDOWN(self->vmm.fd, self->c->handle);
	EXPECT_EQ(0, ctl_run(text, "show %d", getpid()));
	EXPECT_EQ(NULL, strstr(text, "What is wrong"));
	free(text);
}

/* Nobody waits but the guest's own program: that a disk is slow is worth a line after 10 s. */
TEST_F(life, old_requests)
{
	char *text = malloc(CTL_TEXT_BYTES);

	ASSERT_NE(NULL, text);
	BEGIN_HUNG(self->c, 7);
	begin_two_more(self->c);
	sleep(12);
	EXPECT_EQ(0, ctl_run(text, "show %d", getpid()));
	EXPECT_TRUE(ctl_says(text, "Channel %u: backend vmbus_scsi has " OLD, self->c->relid));
	EXPECT_EQ(0, dm_suspend(DM, false));
	free(text);
}

TEST_HARNESS_MAIN
