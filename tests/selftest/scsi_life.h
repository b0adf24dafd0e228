/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests share that have a disk which can be made to hang.
 *
 * LUN 0 is a file, LUN 1 a device-mapper device on a loop device: suspended, it hangs.
 */
#ifndef _SCSI_LIFE_H
#define _SCSI_LIFE_H

#include "scsi_fixture.h"

#define DM		"scsitest"
#define HUNG_FILE	"/tmp/scsi-hung.img"
#define HUNG_LUN	1

FIXTURE(life) {
	struct scsi_vmm vmm;
	struct scsi_chan *c;
	char loop[32];
	char dm[32];
};

FIXTURE_SETUP(life)
{
	struct scsi_vmm *v = &self->vmm;
	char table[64];

	disk_make(_metadata, DISK_FILE);
	disk_make(_metadata, HUNG_FILE);
	ASSERT_EQ(0, loop_attach(HUNG_FILE, self->loop, sizeof(self->loop)));
	snprintf(table, sizeof(table), "%s 0", self->loop);
	ASSERT_EQ(0, dm_create(DM, "linear", table, DISK_BLOCKS, self->dm, sizeof(self->dm)));
	ASSERT_EQ(0, target_fileio("a", DISK_FILE, DISK_BYTES));
	ASSERT_EQ(0, target_iblock("b", self->dm));
	ASSERT_EQ(0, target_create(TARGET_WWPN, TARGET_TAG));
	ASSERT_EQ(0, target_nexus(TARGET_WWPN, TARGET_TAG, TARGET_NEXUS));
	ASSERT_EQ(0, target_add_lun(0, "fileio", "a"));
	ASSERT_EQ(0, target_add_lun(HUNG_LUN, "iblock", "b"));
	scsi_vmm_start(_metadata, v);
	ASSERT_EQ(0, scsi_create(v, 0));
	OPEN_CHANNEL(v, 0);
	self->c = &v->chan[0];
	ASSERT_EQ(0, scsi_init(self->c, 0x0602));
}

FIXTURE_TEARDOWN(life)
{
	dm_suspend(DM, false);
	scsi_vmm_stop(&self->vmm);
	EXPECT_TRUE(WAIT_FOR(target_remove(TARGET_WWPN, TARGET_TAG) == 0));
	EXPECT_EQ(0, target_remove_backstore("fileio", "a"));
	EXPECT_EQ(0, target_remove_backstore("iblock", "b"));
	EXPECT_TRUE(WAIT_FOR(dm_remove(DM) == 0));
	EXPECT_TRUE(WAIT_FOR(loop_detach(self->loop) == 0));
	expect_nothing_pinned(_metadata);
}

/* A read of LUN @lun, which is under way when this returns */
static inline __u64 begin(struct scsi_chan *c, __u8 lun, unsigned int nr)
{
	struct scsi_cmd cmd = cmd_rw(false, nr, 1, MEM_GPA + nr * HV_PAGE);
	__u64 id;

	cmd.lun = lun;
	id = scsi_send(c, &cmd);
	scsi_kick(c);
	return id;
}

static inline bool is_taken(const struct scsi_chan *c)
{
	const __u32 *index = (const __u32 *)c->ring;

	return __atomic_load_n(&index[0], __ATOMIC_SEQ_CST) ==
	       __atomic_load_n(&index[1], __ATOMIC_SEQ_CST);
}

/* Does a backend say @what of its channel? */
static inline bool fdinfo_says(int fd, const char *what)
{
	char path[64], line[1024];
	bool says = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		says = says || (!strncmp(line, "vmbus-backend:", 14) && strstr(line, what));
	fclose(f);
	return says;
}

/* Each logical unit says once that there are others now (unit attention 3F/0E). */
static inline void settle(struct scsi_chan *c)
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		struct scsi_cmd tur = cmd_plain(0);

		tur.lun = i % 2;
		scsi_do(c, &tur);
	}
}

#define BEGIN_HUNG(_chan, _nr) ({					\
	struct scsi_chan *_c = (_chan);					\
	__u64 _id;							\
									\
	settle(_c);							\
	ASSERT_EQ(0, dm_suspend(DM, true));				\
	_id = begin(_c, HUNG_LUN, _nr);					\
	EXPECT_TRUE(WAIT_FOR(is_taken(_c)));				\
	_id;								\
})

#endif /* _SCSI_LIFE_H */
