// SPDX-License-Identifier: GPL-2.0
/*
 * What gpadlctl tells of a guest at work, and of one whose backend does not let go. That it
 * stands hostile text, and that other programs can read what it prints, is tested in
 * tests/gpadlctl.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <linux/vmbus_host_scsi.h>

#include "ctl.h"
#include "fixture.h"
#include "fuse.h"
#include "target.h"

#define TRACES		"/sys/kernel/tracing/instances"

FIXTURE(gpadlctl) {
	struct vmm vmm;
	char *text;
};

FIXTURE_SETUP(gpadlctl)
{
	self->text = malloc(CTL_TEXT_BYTES);
	ASSERT_NE(NULL, self->text);
	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
	vmm_open_channel(_metadata, &self->vmm);
}

FIXTURE_TEARDOWN(gpadlctl)
{
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
	free(self->text);
}

/* ---- The commands ---- */

TEST_F(gpadlctl, list)
{
	EXPECT_EQ(0, ctl_run(self->text, "list"));
	EXPECT_TRUE(ctl_says(self->text, "^ +[0-9]+ +%d gpadlctl_test .* 1 of 1 +1 well$",
			     getpid()));
}

TEST_F(gpadlctl, list_of_nobody)
{
	vmm_stop(&self->vmm);
	EXPECT_TRUE(WAIT_FOR(!ctl_run(self->text, "list") &&
			     ctl_says(self->text, "^No process has /dev/vmbus-host open.$") &&
			     !ctl_says(self->text, "^Partition ")));
}

TEST_F(gpadlctl, show)
{
	EXPECT_EQ(0, ctl_run(self->text, "show %d", getpid()));
	EXPECT_TRUE(ctl_says(self->text, "^Partition [0-9]+: process %d ", getpid()));
	EXPECT_TRUE(ctl_says(self->text, "^ +%u +0 test +open .* 1 of 1 *$", RELID));
	EXPECT_TRUE(ctl_says(self->text, "^ +opens [0-9]+ revokes [0-9]+"));
	EXPECT_FALSE(ctl_says(self->text, "What is wrong"));
	EXPECT_EQ(1, ctl_run(self->text, "show 9999999"));
	EXPECT_TRUE(ctl_says(self->text, "^  next: gpadlctl list$"));
}

TEST_F(gpadlctl, gpadl_that_a_backend_holds)
{
	EXPECT_EQ(0, backend_policy(self->vmm.backend, ON_REVOKE_HOLD));
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE));
	sleep(2);
	EXPECT_EQ(0, ctl_run(self->text, "show %d", getpid()));
	EXPECT_TRUE(ctl_says(self->text,
			     "GPADL %#x, channel %u: teardown waits [0-9]+ s for backend test, opens ",
			     HANDLE, RELID));
	EXPECT_EQ(0, ctl_run(self->text, "list"));
	EXPECT_TRUE(ctl_says(self->text, "^ +[0-9]+ +%d .* 1 stuck: gpadlctl show [0-9]+$",
			     getpid()));
	EXPECT_EQ(0, ctl_run(self->text, "--json show %d", getpid()));
	EXPECT_TRUE(ctl_says(self->text, "\"problems\":\\[\"GPADL %#x, ", HANDLE));

	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_TORNDOWN(self->vmm.fd, HANDLE);
	EXPECT_EQ(0, ctl_run(self->text, "show %d", getpid()));
	EXPECT_FALSE(ctl_says(self->text, "GPADL %#x", HANDLE));
}

TEST_F(gpadlctl, callback_that_does_not_return)
{
	int hanger = open("/dev/vmbus-gpadl-test", O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, hanger);
	ASSERT_EQ(0, backend_hang(hanger, 0, VMBUS_GPADL_TEST_HANG_CLOSE));
	EXPECT_EQ(0, guest_close(self->vmm.fd, RELID));
	sleep(2);
	EXPECT_EQ(0, ctl_run(self->text, "show %d", getpid()));
	EXPECT_TRUE(ctl_says(self->text,
			     "Channel %u: backend test is in its close\\(\\) for [0-9]+ s", RELID));
	EXPECT_EQ(0, backend_hang(hanger, 0, 0));
	close(hanger);
}

/* Of what a VMM has left, debugfs tells: the backend still holds it. */
TEST_F(gpadlctl, partition_whose_vmm_has_ended)
{
	int hanger = open("/dev/vmbus-gpadl-test", O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, hanger);
	ASSERT_EQ(0, backend_hang(hanger, 0, VMBUS_GPADL_TEST_HANG_CLOSE));
	close(self->vmm.fd);
	self->vmm.fd = -1;
	EXPECT_EQ(0, ctl_run(self->text, "list"));
	EXPECT_TRUE(ctl_says(self->text, "^Partition [0-9]+: its VMM has ended; %u host pages",
			     RING_PAGES));
	EXPECT_TRUE(ctl_says(self->text, "^  GPADL %#x, channel %u: mapped for ", RING_HANDLE,
			     RELID));
	EXPECT_EQ(0, backend_hang(hanger, 0, 0));
	close(hanger);
}

TEST_F(gpadlctl, top_without_a_terminal)
{
	EXPECT_EQ(0, ctl_run(self->text, "top </dev/null"));
	EXPECT_TRUE(ctl_says(self->text, "^ +[0-9]+ +%u test +open ", RELID));
}

TEST_F(gpadlctl, metrics)
{
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, ctl_run(self->text, "metrics"));
	EXPECT_TRUE(ctl_says(self->text, "^vmbus_guest_pinned_pages\\{.*pid=\"%d\".*\\} %u$",
			     getpid(), RING_PAGES + 1));
	EXPECT_TRUE(ctl_says(self->text, "^vmbus_channel_maps_total\\{.*channel=\"%u\".*\\} 2$",
			     RELID));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
}

TEST_F(gpadlctl, check)
{
	ctl_run(self->text, "check");
	EXPECT_TRUE(ctl_says(self->text, "^ok +modules +vmbus_gpadl and vmbus_host are loaded$"));
	EXPECT_TRUE(ctl_says(self->text, "^warning +device +/dev/vmbus-host is root's alone"));
	EXPECT_TRUE(ctl_says(self->text, "^ok +limits "));
	EXPECT_TRUE(ctl_says(self->text, "^ok +tracing "));
}

/* A user who may not have the device is told so, and what to do. */
TEST_F(gpadlctl, check_as_nobody)
{
	ASSERT_EQ(0, setresuid(65534, 65534, 0));
	EXPECT_EQ(-1, open("/dev/vmbus-host", O_RDWR | O_CLOEXEC));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(1, ctl_run(self->text, "check"));
	EXPECT_EQ(0, setresuid(0, 0, 0));
	EXPECT_TRUE(ctl_says(self->text,
			     "^FAILED +device +this user may not open /dev/vmbus-host: "));
	EXPECT_TRUE(ctl_says(self->text, "^ +next: adduser USER kvm, log in again"));
}

static int run_trace(void *arg)
{
	return ctl_run(arg, "trace %u --seconds 4", RELID);
}

/* Has it switched its events on? */
static bool is_tracing(void)
{
	return !system("cat " TRACES "/*/events/vmbus_host/enable | grep -q 1");
}

TEST_F(gpadlctl, trace)
{
	struct task task = {};
	__u64 word = 0;

	task_start(&task, run_trace, self->text);
	EXPECT_TRUE(WAIT_FOR(is_tracing()));
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, 3 * HV_PAGE);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_EQ(0, backend_send(self->vmm.backend, &word, sizeof(word)));
	EXPECT_TEARDOWN(self->vmm.fd, RELID, HANDLE);
	EXPECT_EQ(0, task_join(&task));
	EXPECT_TRUE(ctl_says(self->text, "guest   makes GPADL %#x: 3 pages ", HANDLE));
	EXPECT_TRUE(ctl_says(self->text, "backend maps GPADL %#x: .* took [0-9]+ .s$", HANDLE));
	EXPECT_TRUE(ctl_says(self->text, "backend has unmapped GPADL %#x; took [0-9]+ .s$",
			     HANDLE));
	EXPECT_TRUE(ctl_says(self->text, "backend sends a packet "));
	EXPECT_TRUE(ctl_says(self->text, "guest   is told of the end of GPADL %#x$", HANDLE));
	/* Nobody else's tracing is touched, and nothing is left. */
	EXPECT_NE(0, system("ls -d " TRACES "/gpadlctl.* 2>/dev/null"));
}

/* ---- Files of others ---- */

static int run_list(void *arg)
{
	return ctl_run(arg, "list");
}

/* No guest's business, and in the way of none: stat() of it would wait for the server. */
TEST_F(gpadlctl, file_whose_server_is_dead)
{
	struct fuse_server server;
	struct task task = {};
	int file;

	ASSERT_EQ(0, fuse_start(&server, "/tmp/dead", 4096, false));
	file = open("/tmp/dead/mem", O_RDONLY | O_CLOEXEC);
	EXPECT_LE(0, file);
	fuse_pause(&server, true);
	task_start(&task, run_list, self->text);
	EXPECT_TRUE(WAIT_FOR(task_is_done(&task)));
	fuse_pause(&server, false);
	EXPECT_EQ(0, task_join(&task));
	EXPECT_TRUE(ctl_says(self->text, "^ +[0-9]+ +%d gpadlctl_test .* 1 of 1 +1 well$",
			     getpid()));
	close(file);
	fuse_stop(&server);
}

/* ---- Disks ---- */

#define WWN	"naa.5001405000000777"
#define GROUP	"/sys/kernel/config/target/vmbus/" WWN "/tpgt_1"
#define IMAGE	"/tmp/gpadlctl.img"

static bool exists(const char *path)
{
	return !access(path, F_OK);
}

/* A VMM takes the portal group: VMBUS_HOST_CHANNEL_CREATE of a controller */
static int take_group(int fd)
{
	const __u8 type[16] = VMBUS_HOST_SCSI_IF_TYPE;
	struct vmbus_host_scsi_config config = {
		.size = sizeof(config),
		.wwpn = WWN,
		.tpgt = 1,
	};
	struct vmbus_host_channel_create create = {
		.size = sizeof(create),
		.relid = RELID + 1,
		.config = PTR(&config),
	};

	memcpy(create.if_type, type, sizeof(type));
	return ioctl(fd, VMBUS_HOST_CHANNEL_CREATE, &create) ? -errno : 0;
}

static long number_in(const char *path)
{
	FILE *f = fopen(path, "r");
	long n = -1;

	if (f && fscanf(f, "%ld", &n) != 1)
		n = -1;
	if (f)
		fclose(f);
	return n;
}

TEST_F(gpadlctl, disk_of_a_file)
{
	struct stat st;

	unlink(IMAGE);
	EXPECT_EQ(0, ctl_run(self->text, "disk create data --file " IMAGE " --size 8M --wwn " WWN));
	EXPECT_TRUE(ctl_says(self->text,
			     "^Disk data, 8 MiB is LUN 0 of " WWN ", portal group 1.$"));
	EXPECT_TRUE(exists(GROUP "/lun/lun_0/data/udev_path"));
	EXPECT_EQ(0, number_in(GROUP "/lun/lun_0/data/attrib/emulate_3pc"));
	EXPECT_EQ(2048, number_in(GROUP "/lun/lun_0/data/attrib/max_write_same_len"));
	EXPECT_EQ(0, stat(IMAGE, &st));
	EXPECT_EQ(8 << 20, st.st_size);
	EXPECT_EQ(0, ctl_run(self->text, "disk list"));
	EXPECT_TRUE(ctl_says(self->text, "^data +" WWN " +1 +0 fileio +" IMAGE "$"));
	EXPECT_EQ(1, ctl_run(self->text, "disk create data --memory 1M"));
	EXPECT_TRUE(ctl_says(self->text, "there is a disk data already"));

	EXPECT_EQ(0, ctl_run(self->text, "disk create more --memory 1M --lun 1 --wwn " WWN));
	EXPECT_EQ(0, ctl_run(self->text, "disk delete data"));
	EXPECT_TRUE(exists(GROUP "/lun/lun_1"));
	EXPECT_FALSE(exists(GROUP "/lun/lun_0"));
	EXPECT_EQ(1, ctl_run(self->text, "disk delete more"));
	EXPECT_TRUE(ctl_says(self->text, "the data of more is in memory, and would be gone"));
	EXPECT_EQ(0, ctl_run(self->text, "disk delete more --force"));
	EXPECT_TRUE(ctl_says(self->text, "^Disk more is gone, and so is its data"));
	EXPECT_FALSE(exists(GROUP));
	EXPECT_TRUE(exists(IMAGE));
	EXPECT_EQ(0, unlink(IMAGE));
	EXPECT_EQ(0, ctl_run(self->text, "disk list"));
	EXPECT_TRUE(ctl_says(self->text, "^There are no disks for VMBus guests.$"));
}

TEST_F(gpadlctl, disk_that_a_vmm_has)
{
	EXPECT_EQ(0, ctl_run(self->text, "disk create data --memory 1M --wwn " WWN));
	EXPECT_EQ(0, take_group(self->vmm.fd));
	EXPECT_EQ(0, ctl_run(self->text, "disk delete --force data"));
	EXPECT_TRUE(ctl_says(self->text,
			     "next: when its VMM has ended, gpadlctl disk delete " WWN));
	EXPECT_TRUE(exists(GROUP));
	EXPECT_EQ(0, ctl_run(self->text, "disk list"));
	EXPECT_TRUE(ctl_says(self->text, "^Target " WWN " has no disks.$"));
	EXPECT_EQ(1, ctl_run(self->text, "disk delete " WWN));
	EXPECT_EQ(0, vmm_destroy(self->vmm.fd, RELID + 1));
	EXPECT_EQ(0, ctl_run(self->text, "disk delete " WWN));
	EXPECT_FALSE(exists(GROUP));
}

#define CORE	"/sys/kernel/config/target/core/"
#define HAND	CORE "fileio_7/hand"
#define SECOND	GROUP "/lun/lun_1"

/* A second backstore on the file, by hand: only the kernel says what its data is. */
TEST_F(gpadlctl, file_that_has_a_backstore)
{
	unlink(IMAGE);
	EXPECT_EQ(0, ctl_run(self->text, "disk create data --file " IMAGE " --size 1M --wwn " WWN));
	EXPECT_EQ(1, ctl_run(self->text, "disk create other --file " IMAGE));
	EXPECT_TRUE(ctl_says(self->text, IMAGE " is the data of backstore fileio_0/data already$"));
	EXPECT_EQ(0, ctl_run(self->text, "disk delete data"));

	EXPECT_EQ(0, system("mkdir -p " HAND));
	EXPECT_EQ(0, system("echo fd_dev_name=" IMAGE ",fd_dev_size=1048576 >" HAND "/control"));
	EXPECT_EQ(0, system("echo 1 >" HAND "/enable"));
	EXPECT_EQ(1, ctl_run(self->text, "disk create other --file " IMAGE));
	EXPECT_TRUE(ctl_says(self->text, IMAGE " is the data of backstore fileio_7/hand already$"));
	EXPECT_EQ(0, ctl_run(self->text, "disk list"));
	EXPECT_TRUE(ctl_says(self->text, "^hand +- +- +- fileio +" IMAGE " \\(not in use\\)$"));
	EXPECT_EQ(0, ctl_run(self->text, "disk delete hand"));
	EXPECT_FALSE(exists(CORE "fileio_7"));
	EXPECT_EQ(0, unlink(IMAGE));
}

TEST_F(gpadlctl, backstore_with_two_luns)
{
	EXPECT_EQ(0, ctl_run(self->text, "disk create data --memory 1M --wwn " WWN));
	EXPECT_EQ(0, mkdir(SECOND, 0755));
	EXPECT_EQ(0, symlink(CORE "rd_mcp_0/data", SECOND "/data"));
	EXPECT_EQ(1, ctl_run(self->text, "disk delete data"));
	EXPECT_TRUE(ctl_says(self->text, "there are several disks data"));
	EXPECT_EQ(0, ctl_run(self->text, "disk delete " WWN ":1:1"));
	EXPECT_TRUE(ctl_says(self->text, "that of 1 other logical unit.$"));
	EXPECT_FALSE(exists(SECOND));
	EXPECT_TRUE(exists(GROUP "/lun/lun_0/data/udev_path"));
	EXPECT_EQ(0, ctl_run(self->text, "disk delete data --force"));
	EXPECT_FALSE(exists(CORE "rd_mcp_0"));
}

/* The target takes every write to a device for one that can go past the cache. */
TEST_F(gpadlctl, disk_of_a_device)
{
	char loop[32];

	EXPECT_EQ(0, system("truncate -s 8M " IMAGE));
	ASSERT_EQ(0, loop_attach(IMAGE, loop, sizeof(loop)));
	EXPECT_EQ(0, ctl_run(self->text, "disk create data --block %s --wwn " WWN, loop));
	EXPECT_EQ(0, number_in(GROUP "/lun/lun_0/data/attrib/emulate_fua_write"));
	EXPECT_EQ(0, ctl_run(self->text, "disk delete data"));
	EXPECT_TRUE(WAIT_FOR(loop_detach(loop) == 0));
	EXPECT_EQ(0, unlink(IMAGE));
}

/* What the target does not take leaves nothing behind. */
TEST_F(gpadlctl, disk_that_cannot_be)
{
	EXPECT_EQ(1, ctl_run(self->text, "disk create data --block /dev/null --wwn " WWN));
	EXPECT_TRUE(ctl_says(self->text, "^  next: "));
	EXPECT_FALSE(exists(GROUP));
	EXPECT_NE(0, system("ls -d /sys/kernel/config/target/core/iblock_* 2>/dev/null"));
}

TEST_HARNESS_MAIN
