// SPDX-License-Identifier: GPL-2.0
/*
 * The SCSI backend: a controller that the VMM wants to take away. The guest is to let go of
 * the disks first, while the channel works.
 */
#include "scsi_life.h"

static int unplug(int fd, __u32 relid)
{
	struct vmbus_host_channel arg = { .size = sizeof(arg), .relid = relid };

	return ioctl(fd, VMBUS_HOST_CHANNEL_UNPLUG, &arg) ? -errno : 0;
}

static bool is_rescinded(struct scsi_vmm *v)
{
	struct vmbus_host_event event;

	return !vmm_next_event(v->fd, &event) && event.type == VMBUS_HOST_EVENT_RESCIND &&
	       event.relid == v->chan[0].relid;
}

/* The guest lets go of a disk: it asks once more whether it is there, and hears no. */
#define EXPECT_LETS_GO(_c) do {							\
	struct scsi_cmd _tur = cmd_plain(0);					\
										\
	EXPECT_SRB(scsi_do(_c, &_tur), SRB_INVALID_LUN, CHECK_CONDITION, 0);	\
} while (0)

TEST_F(life, guest_lets_go)
{
	struct scsi_cmd luns = cmd_report_luns(MEM_GPA, 64);
	struct scsi_cmd inquiry = cmd_inquiry(-1, MEM_GPA, 36);
	struct scsi_vmm *v = &self->vmm;

	settle(self->c);
	EXPECT_EQ(0, unplug(v->fd, self->c->relid));
	EXPECT_TRUE(WAIT_FOR(scsi_hears_event(self->c)));
	EXPECT_LETS_GO(self->c);
	EXPECT_GOOD(scsi_do(self->c, &luns), 8);
	EXPECT_GOOD(scsi_do(self->c, &inquiry), 36);
	EXPECT_EQ(0x7f, v->mem[0]);
	/* The channel is open until the guest is quiet. Nothing is asked twice. */
	EXPECT_EQ(0, unplug(v->fd, self->c->relid));
	EXPECT_TRUE(WAIT_FOR(event_waits(v->fd)));
	EXPECT_TRUE(is_rescinded(v));
	EXPECT_EQ(0, vmm_rescind(v->fd, self->c->relid));
	EXPECT_EQ(0, vmm_destroy(v->fd, self->c->relid));
	/* The portal group has its disks as before. */
	ASSERT_EQ(0, scsi_create(v, 0));
}

/* What is under way is answered while the guest can hear it. */
TEST_F(life, command_under_way)
{
	__u64 id = BEGIN_HUNG(self->c, 7);
	struct scsi_vmm *v = &self->vmm;
	struct vstor_reply r;

	EXPECT_EQ(0, unplug(v->fd, self->c->relid));
	EXPECT_TRUE(WAIT_FOR(scsi_hears_event(self->c)));
	EXPECT_LETS_GO(self->c);
	/* Longer than the guest is to be quiet for */
	usleep(6500000);
	EXPECT_FALSE(event_waits(v->fd));
	EXPECT_LETS_GO(self->c);
	EXPECT_EQ(0, dm_suspend(DM, false));
	r = scsi_next(self->c);
	EXPECT_EQ(id, r.id);
	EXPECT_GOOD(r, BLOCK);
	EXPECT_TRUE(WAIT_FOR(event_waits(v->fd)));
	EXPECT_TRUE(is_rescinded(v));
}

TEST_F(life, guest_that_goes_on_asking)
{
	struct scsi_vmm *v = &self->vmm;
	unsigned int i;

	settle(self->c);
	EXPECT_EQ(0, unplug(v->fd, self->c->relid));
	for (i = 0; i < 14; i++) {
		EXPECT_LETS_GO(self->c);
		usleep(500000);
	}
	EXPECT_FALSE(event_waits(v->fd));
	/* The VMM need not wait. */
	EXPECT_EQ(0, vmm_rescind(v->fd, self->c->relid));
	EXPECT_EQ(0, vmm_destroy(v->fd, self->c->relid));
	EXPECT_FALSE(event_waits(v->fd));
}

/* What has taken its time once may do so again. */
TEST_F(life, guest_with_pauses)
{
	struct scsi_vmm *v = &self->vmm;

	settle(self->c);
	EXPECT_EQ(0, unplug(v->fd, self->c->relid));
	usleep(2000000);
	EXPECT_LETS_GO(self->c);
	/* Longer than one without pauses is given, shorter than four times its own */
	usleep(7000000);
	EXPECT_FALSE(event_waits(v->fd));
	EXPECT_LETS_GO(self->c);
	EXPECT_EQ(0, vmm_rescind(v->fd, self->c->relid));
	EXPECT_EQ(0, vmm_destroy(v->fd, self->c->relid));
}

TEST_F(life, guest_that_closes)
{
	struct scsi_vmm *v = &self->vmm;

	settle(self->c);
	EXPECT_EQ(0, unplug(v->fd, self->c->relid));
	EXPECT_EQ(0, guest_close(v->fd, self->c->relid));
	EXPECT_TRUE(WAIT_FOR(event_waits(v->fd)));
	EXPECT_TRUE(is_rescinded(v));
	ASSERT_EQ(0, scsi_chan_open(self->c));
	EXPECT_NOT_OPENED(v->fd, self->c->relid, self->c->relid);
	EXPECT_EQ(0, vmm_destroy(v->fd, self->c->relid));
}

/* There is nobody to let go. */
TEST_F(life, closed)
{
	struct scsi_vmm *v = &self->vmm;

	EXPECT_EQ(0, guest_close(v->fd, self->c->relid));
	EXPECT_TEARDOWN(v->fd, self->c->relid, self->c->handle);
	EXPECT_EQ(0, unplug(v->fd, self->c->relid));
	EXPECT_TRUE(WAIT_FOR(event_waits(v->fd)));
	EXPECT_TRUE(is_rescinded(v));
}

TEST_F(life, not_initialised)
{
	struct scsi_vmm *v = &self->vmm;

	EXPECT_EQ(0, guest_close(v->fd, self->c->relid));
	EXPECT_TEARDOWN(v->fd, self->c->relid, self->c->handle);
	OPEN_CHANNEL(v, 0);
	EXPECT_EQ(0, unplug(v->fd, self->c->relid));
	EXPECT_TRUE(WAIT_FOR(event_waits(v->fd)));
	EXPECT_TRUE(is_rescinded(v));
}

TEST_F(life, no_device)
{
	struct scsi_vmm *v = &self->vmm;

	EXPECT_EQ(-ENOENT, unplug(v->fd, 77));
	ASSERT_EQ(0, scsi_create(v, 1));
	EXPECT_EQ(-ENOENT, unplug(v->fd, v->chan[1].relid));
	EXPECT_FALSE(event_waits(v->fd));
}

TEST_HARNESS_MAIN
