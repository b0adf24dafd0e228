// SPDX-License-Identifier: GPL-2.0
/*
 * The SCSI backend: logical units and channels that come and go, backstores that fail or
 * hang, and what ends while commands are under way.
 */
#include <ctype.h>
#include <dirent.h>
#include <sys/syscall.h>

#include "fail.h"
#include "scsi_life.h"

/* ---- Logical units ---- */

TEST_F(life, lun_comes_and_goes)
{
	struct scsi_cmd tur = cmd_plain(0);

	tur.lun = 5;
	ASSERT_EQ(0, target_rd_mcp("r", 1 << 20));
	ASSERT_EQ(0, target_add_lun(5, "rd_mcp", "r"));
	/* Before its first command the guest's driver is not ready to hear of it. */
	usleep(100000);
	EXPECT_TRUE(scsi_is_quiet(self->c));
	EXPECT_GOOD(scsi_do(self->c, &tur), 0);
	EXPECT_TRUE(WAIT_FOR(scsi_hears_event(self->c)));
	self->c->events = 0;
	EXPECT_EQ(0, target_remove_lun(5));
	EXPECT_TRUE(WAIT_FOR(scsi_hears_event(self->c)));
	EXPECT_SRB(scsi_do(self->c, &tur), SRB_INVALID_LUN, CHECK_CONDITION, 0);
	EXPECT_EQ(0, target_remove_backstore("rd_mcp", "r"));
}

TEST_F(life, event_before_the_end)
{
	struct scsi_cmd tur = cmd_plain(0);

	EXPECT_EQ(0, guest_close(self->vmm.fd, self->c->relid));
	EXPECT_TEARDOWN(self->vmm.fd, self->c->relid, self->c->handle);
	OPEN_CHANNEL(&self->vmm, 0);
	ASSERT_EQ(0, target_rd_mcp("r", 1 << 20));
	ASSERT_EQ(0, target_add_lun(5, "rd_mcp", "r"));
	ASSERT_EQ(0, scsi_init(self->c, 0x0602));
	tur.lun = 5;
	EXPECT_GOOD(scsi_do(self->c, &tur), 0);
	EXPECT_GOOD(scsi_do(self->c, &tur), 0);
	/* It looks for them anyway. */
	EXPECT_EQ(0, self->c->events);
	EXPECT_EQ(0, target_remove_lun(5));
	EXPECT_EQ(0, target_remove_backstore("rd_mcp", "r"));
}

/* ---- A backstore that hangs ---- */

TEST_F(life, hung_lun)
{
	struct scsi_cmd tur = cmd_plain(0);
	__u64 id = BEGIN_HUNG(self->c, 7);
	struct vstor_reply r;
	unsigned int i;

	/* The other one goes on. */
	for (i = 0; i < 50; i++) {
		struct scsi_cmd cmd = cmd_rw(false, i, 8, MEM_GPA + 64 * HV_PAGE);

		EXPECT_GOOD(scsi_do(self->c, &cmd), 8 * BLOCK);
		EXPECT_GOOD(scsi_do(self->c, &tur), 0);
	}
	EXPECT_EQ(0, dm_suspend(DM, false));
	r = scsi_next(self->c);
	EXPECT_EQ(id, r.id);
	EXPECT_GOOD(r, BLOCK);
}

/* A command that a reset has ended is answered, before the reset is. */
TEST_F(life, reset)
{
	struct vstor_msg msg = { .op = OP_RESET_BUS };
	__u64 id = BEGIN_HUNG(self->c, 7);
	struct scsi_cmd tur = cmd_plain(0);
	struct vstor_reply r;

	scsi_put(self->c, 6, 1, 1000, NULL, 0, &msg, sizeof(msg));
	scsi_kick(self->c);
	EXPECT_TRUE(WAIT_FOR(is_taken(self->c)));
	/* What is not hung has been reset already, as its unit attention tells. */
	EXPECT_TRUE(WAIT_FOR(scsi_do(self->c, &tur).msg.srb_status ==
			     (SRB_ERROR | AUTOSENSE)));
	EXPECT_EQ(0, dm_suspend(DM, false));
	r = scsi_next(self->c);
	EXPECT_EQ(id, r.id);
	EXPECT_SRB(r, SRB_BUS_RESET, TASK_ABORTED, 0);
	r = scsi_next(self->c);
	EXPECT_EQ(1000, r.id);
	EXPECT_EQ(0, r.msg.status);
	/* The unit attention that it leaves behind: 29/03; then all is well */
	tur.lun = HUNG_LUN;
	EXPECT_SENSE(scsi_do(self->c, &tur), SRB_ERROR, 6, 0x29, 3);
	EXPECT_GOOD(scsi_do(self->c, &tur), 0);
}

/*
 * One that the target does not know yet, as its pages are not there, is under way, too: the reset
 * waits for it.
 */
TEST_F(life, reset_and_a_command_that_is_mapped)
{
	const __u64 at = MEM_BYTES - 16 * HV_PAGE;
	struct scsi_cmd cmd = cmd_rw(false, 2, 8, MEM_GPA + at);
	struct vstor_msg reset = { .op = OP_RESET_LUN };
	char *page = self->vmm.mem + at;
	struct scsi_vmm *v = &self->vmm;
	__u64 id;
	int uffd;

	settle(self->c);
	ASSERT_EQ(0, scsi_create(v, 1));
	OPEN_CHANNEL(v, 1);
	uffd = memory_stall(page, 16 * HV_PAGE);
	ASSERT_LE(0, uffd);
	id = scsi_send(&v->chan[1], &cmd);
	scsi_kick(&v->chan[1]);
	EXPECT_TRUE(WAIT_FOR(memory_is_touched(uffd)));
	scsi_put(self->c, 6, 1, 1000, NULL, 0, &reset, sizeof(reset));
	scsi_kick(self->c);
	usleep(200000);
	EXPECT_TRUE(scsi_is_quiet(self->c));
	EXPECT_EQ(0, memory_fill(uffd, page, 0x5a));
	EXPECT_EQ(0, scsi_next(self->c).msg.status);
	/* It has heard of the reset. */
	EXPECT_EQ(id, scsi_next(&v->chan[1]).id);
	close(uffd);
}

TEST_F(life, reset_of_nothing)
{
	struct vstor_msg msg = { .op = OP_RESET_LUN, .lun = 77 };

	EXPECT_EQ(0, scsi_ask(self->c, &msg, sizeof(msg)).msg.status);
	msg.lun = 0;
	EXPECT_EQ(0, scsi_ask(self->c, &msg, sizeof(msg)).msg.status);
	EXPECT_EQ(0, scsi_op(self->c, OP_RESET_ADAPTER).msg.status);
}

/* ---- Resets of many logical units, and many resets ---- */

#define NR_RAM		12u	/* more than are reset at a time */
#define FIRST_RAM	2u
#define MAX_RESETS	8u

/* Until it has said all that it has to say */
static void quieten(struct scsi_chan *c, __u8 lun)
{
	struct scsi_cmd tur = cmd_plain(0);
	unsigned int i;

	tur.lun = lun;
	for (i = 0; i < 4 && scsi_do(c, &tur).msg.srb_status != SRB_SUCCESS; i++)
		;
}

TEST_F(life, reset_of_many)
{
	char name[NR_RAM][8];
	unsigned int i;

	for (i = 0; i < NR_RAM; i++) {
		snprintf(name[i], sizeof(name[i]), "r%u", i);
		ASSERT_EQ(0, target_rd_mcp(name[i], 1 << 20));
		ASSERT_EQ(0, target_add_lun(FIRST_RAM + i, "rd_mcp", name[i]));
	}
	for (i = 0; i < NR_RAM; i++)
		quieten(self->c, FIRST_RAM + i);
	EXPECT_EQ(0, scsi_op(self->c, OP_RESET_BUS).msg.status);
	for (i = 0; i < NR_RAM; i++) {
		struct scsi_cmd tur = cmd_plain(0);

		tur.lun = FIRST_RAM + i;
		EXPECT_SENSE(scsi_do(self->c, &tur), SRB_ERROR, 6, 0x29, 3);
		EXPECT_EQ(0, target_remove_lun(FIRST_RAM + i));
		EXPECT_EQ(0, target_remove_backstore("rd_mcp", name[i]));
	}
}

/* The others are reset if there is no memory for one; the guest is told to try again. */
TEST_F(life, reset_without_memory)
{
	struct scsi_cmd tur = cmd_plain(0);
	struct vstor_reply r;
	int ret;

	settle(self->c);
	ret = fail("core_tmr_alloc_req -12 1");
	if (ret == -EOPNOTSUPP)
		SKIP(return, "the kernel has no kprobes");
	ASSERT_EQ(0, ret);
	r = scsi_op(self->c, OP_RESET_BUS);
	EXPECT_EQ(0, fail_left());
	fail(" ");
	EXPECT_EQ(STATUS_DEVICE_BUSY, r.msg.status);
	tur.lun = HUNG_LUN;
	EXPECT_SENSE(scsi_do(self->c, &tur), SRB_ERROR, 6, 0x29, 3);
	EXPECT_EQ(0, scsi_op(self->c, OP_RESET_BUS).msg.status);
}

/* Those of a disk that hangs wait, each in work that the whole host shares. */
TEST_F(life, too_many_resets)
{
	struct vstor_msg msg = { .op = OP_RESET_LUN, .lun = HUNG_LUN };
	__u64 id = BEGIN_HUNG(self->c, 7);
	struct vstor_reply r;
	unsigned int i;

	for (i = 0; i < MAX_RESETS + 2; i++)
		scsi_put(self->c, 6, 1, 1000 + i, NULL, 0, &msg, sizeof(msg));
	scsi_kick(self->c);
	for (i = 0; i < 2; i++) {
		r = scsi_next(self->c);
		EXPECT_EQ(1000 + MAX_RESETS + i, r.id);
		EXPECT_EQ(STATUS_DEVICE_BUSY, r.msg.status);
	}
	EXPECT_EQ(0, dm_suspend(DM, false));
	EXPECT_EQ(id, scsi_next(self->c).id);
	for (i = 0; i < MAX_RESETS; i++)
		EXPECT_EQ(0, scsi_next(self->c).msg.status);
	EXPECT_TRUE(scsi_is_quiet(self->c));
}

/* Threads that are in a @function of the kernel's */
static unsigned int threads_in(const char *function)
{
	char path[32], stack[2048];
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	unsigned int nr = 0;
	ssize_t len;
	int fd;

	while (proc && (entry = readdir(proc))) {
		if (!isdigit(entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%.10s/stack", entry->d_name);
		fd = open(path, O_RDONLY);
		len = read(fd, stack, sizeof(stack) - 1);
		close(fd);
		stack[len < 0 ? 0 : len] = 0;
		nr += !!strstr(stack, function);
	}
	if (proc)
		closedir(proc);
	return nr;
}

/* Of one disk that hangs, one: the others would be done when it may be another guest's as well. */
TEST_F(life, resets_of_a_lun_wait_here)
{
	struct vstor_msg msg = { .op = OP_RESET_LUN, .lun = HUNG_LUN };
	__u64 id = BEGIN_HUNG(self->c, 7);
	unsigned int i;

	if (access("/proc/self/stack", R_OK))
		SKIP(goto out, "the kernel does not tell what a thread is in");
	for (i = 0; i < MAX_RESETS; i++)
		scsi_put(self->c, 6, 1, 1000 + i, NULL, 0, &msg, sizeof(msg));
	scsi_kick(self->c);
	EXPECT_TRUE(WAIT_FOR(is_taken(self->c)));
	EXPECT_TRUE(WAIT_FOR(threads_in("core_tmr_lun_reset") > 0));
	/* Time for more of them */
	usleep(200000);
	EXPECT_EQ(1, threads_in("core_tmr_lun_reset"));
	EXPECT_EQ(0, dm_suspend(DM, false));
	EXPECT_EQ(id, scsi_next(self->c).id);
	for (i = 0; i < MAX_RESETS; i++)
		EXPECT_EQ(0, scsi_next(self->c).msg.status);
	EXPECT_TRUE(scsi_is_quiet(self->c));
	return;
out:
	EXPECT_EQ(0, dm_suspend(DM, false));
}

/* ---- Ends with commands under way ---- */

TEST_F(life, close)
{
	BEGIN_HUNG(self->c, 7);
	EXPECT_EQ(0, guest_close(self->vmm.fd, self->c->relid));
	/* It waits: the device may still write to that memory. */
	usleep(100000);
	EXPECT_LT(0, pinned_pages());
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, self->c->relid, self->c->handle));
	EXPECT_SILENCE(self->vmm.fd);
	EXPECT_EQ(0, dm_suspend(DM, false));
	EXPECT_TORNDOWN(self->vmm.fd, self->c->handle);
	EXPECT_TRUE(WAIT_FOR(pinned_pages() == 0));
}

TEST_F(life, rescind)
{
	BEGIN_HUNG(self->c, 7);
	EXPECT_EQ(-EINPROGRESS, vmm_rescind_start(self->vmm.fd, self->c->relid));
	EXPECT_EQ(0, dm_suspend(DM, false));
	EXPECT_TRUE(WAIT_FOR(event_waits(self->vmm.fd)));
	EXPECT_EQ(0, vmm_rescind(self->vmm.fd, self->c->relid));
	EXPECT_TRUE(WAIT_FOR(pinned_pages() == 0));
}

/* The module stays while its disks are in use, whatever an operator tries. */
TEST_F(life, module_stays)
{
	__u64 id = BEGIN_HUNG(self->c, 7);

	EXPECT_EQ(-1, syscall(SYS_delete_module, "vmbus_scsi", O_NONBLOCK));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, dm_suspend(DM, false));
	EXPECT_EQ(id, scsi_next(self->c).id);
}

TEST_F(life, reset_of_the_machine)
{
	BEGIN_HUNG(self->c, 7);
	EXPECT_EQ(-EINPROGRESS, vmm_reset_start(self->vmm.fd));
	EXPECT_EQ(0, dm_suspend(DM, false));
	EXPECT_TRUE(WAIT_FOR(event_waits(self->vmm.fd)));
	EXPECT_EQ(0, vmm_reset(self->vmm.fd));
	EXPECT_TRUE(WAIT_FOR(pinned_pages() == 0));
	/* And it begins anew. */
	OPEN_CHANNEL(&self->vmm, 0);
	EXPECT_EQ(0, scsi_init(self->c, 0x0602));
}

/* Says a byte to @ready when the disk hangs. */
static void hang_until_killed(struct __test_metadata *_metadata, struct scsi_vmm *v, int ready)
{
	scsi_vmm_start(_metadata, v);
	ASSERT_TRUE(WAIT_FOR(scsi_create(v, 0) == 0));
	OPEN_CHANNEL(v, 0);
	ASSERT_EQ(0, scsi_init(&v->chan[0], 0x0602));
	BEGIN_HUNG(&v->chan[0], 7);
	if (write(ready, "", 1) == 1)
		pause();
}

/* The process ends at once; its memory is pinned as long as the disk may write to it. */
TEST_F(life, vmm_is_killed)
{
	int ready[2], status;
	pid_t pid;
	char c;

	scsi_vmm_stop(&self->vmm);
	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	if (!pid) {
		hang_until_killed(_metadata, &self->vmm, ready[1]);
		_exit(1);
	}
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &c, 1));
	close(ready[0]);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_TRUE(WAIT_FOR(waitpid(pid, &status, WNOHANG) == pid));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_LT(0, pinned_pages());
	EXPECT_EQ(-EBUSY, target_nexus(TARGET_WWPN, TARGET_TAG, "NULL"));
	EXPECT_EQ(0, dm_suspend(DM, false));
	EXPECT_TRUE(WAIT_FOR(target_nexus(TARGET_WWPN, TARGET_TAG, "NULL") == 0));
	EXPECT_TRUE(WAIT_FOR(pinned_pages() == 0));
}

TEST_F(life, vmm_is_gone)
{
	BEGIN_HUNG(self->c, 7);
	scsi_vmm_stop(&self->vmm);
	/* The disk is taken until the last command has ended, */
	usleep(100000);
	EXPECT_EQ(-EBUSY, target_nexus(TARGET_WWPN, TARGET_TAG, "NULL"));
	EXPECT_EQ(0, dm_suspend(DM, false));
	/* and no longer. */
	EXPECT_TRUE(WAIT_FOR(target_nexus(TARGET_WWPN, TARGET_TAG, "NULL") == 0));
	EXPECT_TRUE(WAIT_FOR(pinned_pages() == 0));
}

static int remove_hung_lun(void *arg)
{
	return target_remove_lun(HUNG_LUN);
}

TEST_F(life, lun_goes)
{
	__u64 id = BEGIN_HUNG(self->c, 7);
	struct scsi_cmd tur = cmd_plain(0);
	struct vstor_reply r;
	struct task task;

	task_start(&task, remove_hung_lun, NULL);
	EXPECT_TRUE(WAIT_FOR(task_sleeps(&task)));
	/* New commands hear that it is gone, while that waits for those under way. */
	tur.lun = HUNG_LUN;
	EXPECT_SRB(scsi_do(self->c, &tur), SRB_INVALID_LUN, CHECK_CONDITION, 0);
	EXPECT_FALSE(task_is_done(&task));
	EXPECT_EQ(0, dm_suspend(DM, false));
	r = scsi_next(self->c);
	EXPECT_EQ(id, r.id);
	EXPECT_GOOD(r, BLOCK);
	EXPECT_EQ(0, task_join(&task));
	EXPECT_TRUE(WAIT_FOR(scsi_hears_event(self->c)));
}

/* ---- Every kind of backstore ---- */

/* Written and read again, where a sector begins and where not */
static bool keeps_data(struct scsi_vmm *v, __u8 lun, unsigned int offset)
{
	char *from = v->mem + HV_PAGE + offset, *to = v->mem + 64 * HV_PAGE;
	struct scsi_cmd write = cmd_rw(true, 10, 64, MEM_GPA + HV_PAGE + offset);
	struct scsi_cmd read = cmd_rw(false, 10, 64, MEM_GPA + 64 * HV_PAGE);
	struct vstor_reply r;
	unsigned int i;

	for (i = 0; i < write.bytes; i++)
		from[i] = i * 11 + i / 4096 + lun + offset;
	memset(to, 0, read.bytes);
	write.lun = lun;
	read.lun = lun;
	r = scsi_do(&v->chan[0], &write);
	if (r.msg.srb_status != SRB_SUCCESS || r.msg.data_length != write.bytes)
		return false;
	r = scsi_do(&v->chan[0], &read);
	return r.msg.srb_status == SRB_SUCCESS && r.msg.data_length == read.bytes &&
	       !memcmp(from, to, read.bytes);
}

TEST_F(life, every_backstore)
{
	static const unsigned int offsets[] = { 0, 512, 3584, 1, 4095 };
	struct scsi_cmd flush = { .cdb = { 0x35 }, .cdb_len = 10, .dir = DIR_NONE };
	static const __u8 luns[] = { 0, HUNG_LUN, 6 };
	unsigned int i, j;

	ASSERT_EQ(0, target_rd_mcp("r", 1 << 20));
	ASSERT_EQ(0, target_add_lun(6, "rd_mcp", "r"));
	settle(self->c);
	for (i = 0; i < ARRAY_SIZE(luns); i++) {
		for (j = 0; j < ARRAY_SIZE(offsets); j++)
			EXPECT_TRUE(keeps_data(&self->vmm, luns[i], offsets[j]))
				TH_LOG("LUN %u, offset %u", luns[i], offsets[j]);
		flush.lun = luns[i];
		EXPECT_GOOD(scsi_do(self->c, &flush), 0);
	}
	EXPECT_EQ(0, target_remove_lun(6));
	EXPECT_EQ(0, target_remove_backstore("rd_mcp", "r"));
}

/* ---- A backstore that fails ---- */

TEST_F(life, errors)
{
	struct scsi_cmd cmd = cmd_rw(false, 0, 8, MEM_GPA);
	struct vstor_reply r;
	char dev[32];

	ASSERT_EQ(0, dm_create("scsierr", "error", "", DISK_BLOCKS, dev, sizeof(dev)));
	ASSERT_EQ(0, target_iblock("e", dev));
	ASSERT_EQ(0, target_add_lun(2, "iblock", "e"));
	cmd.lun = 2;
	r = scsi_do(self->c, &cmd);
	EXPECT_SRB(r, SRB_ERROR | AUTOSENSE, CHECK_CONDITION, 0);
	EXPECT_LT(0, r.msg.sense[2] & 0xf);
	cmd = cmd_rw(true, 0, 8, MEM_GPA);
	cmd.lun = 2;
	EXPECT_SRB(scsi_do(self->c, &cmd), SRB_ERROR | AUTOSENSE, CHECK_CONDITION, 0);
	EXPECT_EQ(0, target_remove_lun(2));
	EXPECT_EQ(0, target_remove_backstore("iblock", "e"));
	EXPECT_EQ(0, dm_remove("scsierr"));
}

/* ---- Sub-channels ---- */

TEST_F(life, subchannels)
{
	struct vstor_msg msg = { .op = OP_SUBCHANNELS, .subchannels = MAX_CHANNELS };
	struct scsi_cmd tur = cmd_plain(0);
	struct scsi_vmm *v = &self->vmm;
	struct vmbus_host_event event;
	unsigned int i;

	settle(self->c);
	EXPECT_EQ(STATUS_INVALID_PARAMETER,
		  scsi_ask(self->c, &msg, sizeof(msg)).msg.status);
	EXPECT_FALSE(event_waits(v->fd));
	msg.subchannels = MAX_CHANNELS - 1;
	EXPECT_EQ(0, scsi_ask(self->c, &msg, sizeof(msg)).msg.status);
	ASSERT_EQ(0, vmm_next_event(v->fd, &event));
	EXPECT_EQ(VMBUS_HOST_EVENT_OFFER_SUBCHANNELS, event.type);
	EXPECT_EQ(MAX_CHANNELS - 1, event.value);
	for (i = 1; i < MAX_CHANNELS; i++) {
		ASSERT_EQ(0, scsi_create(v, i));
		OPEN_CHANNEL(v, i);
	}
	/* Commands on all of them; nothing of the initialisation on any */
	for (i = 1; i < MAX_CHANNELS; i++)
		begin(&v->chan[i], 0, i);
	for (i = 1; i < MAX_CHANNELS; i++) {
		EXPECT_GOOD(scsi_next(&v->chan[i]), BLOCK);
		EXPECT_EQ(STATUS_INVALID_DEVICE_STATE,
			  scsi_op(&v->chan[i], OP_BEGIN).msg.status);
		EXPECT_GOOD(scsi_do(&v->chan[i], &tur), 0);
	}
	EXPECT_GOOD(scsi_do(self->c, &tur), 0);
	/* One hangs; the others do not. */
	BEGIN_HUNG(&v->chan[1], 7);
	EXPECT_GOOD(scsi_do(&v->chan[2], &tur), 0);
	EXPECT_GOOD(scsi_do(self->c, &tur), 0);
	EXPECT_EQ(0, dm_suspend(DM, false));
	EXPECT_GOOD(scsi_next(&v->chan[1]), BLOCK);
}

/* One that is opened before the controller is ready waits for it. */
TEST_F(life, early_subchannel)
{
	struct scsi_cmd tur = cmd_plain(0);
	struct scsi_vmm *v = &self->vmm;

	EXPECT_EQ(0, guest_close(v->fd, self->c->relid));
	EXPECT_TEARDOWN(v->fd, self->c->relid, self->c->handle);
	OPEN_CHANNEL(v, 0);
	ASSERT_EQ(0, scsi_create(v, 1));
	OPEN_CHANNEL(v, 1);
	tur.lun = 9;
	scsi_send(&v->chan[1], &tur);
	scsi_kick(&v->chan[1]);
	usleep(100000);
	EXPECT_TRUE(scsi_is_quiet(&v->chan[1]));
	ASSERT_EQ(0, scsi_init(self->c, 0x0602));
	EXPECT_SRB(scsi_next(&v->chan[1]), SRB_INVALID_LUN, CHECK_CONDITION, 0);
}

TEST_HARNESS_MAIN
