// SPDX-License-Identifier: GPL-2.0
/*
 * Loading the modules, while first the 1st, then the 2nd, 3rd ... of what their init
 * functions allocate fails: a module is loaded, or it is not and nothing of it is left.
 *
 * What the kernel's loader allocates before and after is its own affair, and much.
 */
#include <stdio.h>
#include <sys/syscall.h>

#include "fixture.h"
#include "fault.h"

#define IDLE		3u
#define POINTS_MOST	2000u
#define NR_MODULES	12
#define ORDER		"/ko/order"
#define DEBUGFS		"/sys/kernel/debug/"

/* A module, and what its load makes */
struct module {
	const char *name;
	const char *device;	/* in /dev, or NULL */
	const char *debugfs;	/* directory in there, or NULL */
	int error;		/* what the kernel makes of -ENOMEM somewhere; or 0 */
};

/* In the order in which they are loaded, which is that of ORDER */
static const struct module modules[NR_MODULES] = {
	{ .name = "vmbus_gpadl", .debugfs = DEBUGFS "vmbus_gpadl" },
	{ .name = "vmbus_host", .device = "/dev/vmbus-host", .debugfs = DEBUGFS "vmbus_host" },
	{ .name = "vmbus_scsi" },
	{ .name = "vmbus_heartbeat" },
	{ .name = "vmbus_crc" },
	{ .name = "vmbus_echo" },
	{ .name = "vmbus_gpadl_test", .device = "/dev/vmbus-gpadl-test", .error = -EINVAL },
	{ .name = "vmbus_device_test" },
	{ .name = "vmbus_gpa_test" },
	{ .name = "vmbus_worker_test" },
	{ .name = "vmbus_sender_test" },
	{ .name = "vmbus_fail_test" },
};

/* One that is not in the table would keep those that it uses from being unloaded */
static bool table_is_whole(void)
{
	FILE *f = fopen(ORDER, "re");
	char name[64];
	int n = 0;

	if (!f)
		return false;
	while (fscanf(f, "%63s", name) == 1) {
		if (n == NR_MODULES || strcmp(name, modules[n].name)) {
			fprintf(stderr, "%s of " ORDER " is not number %d of modules[]\n",
				name, n);
			break;
		}
		n++;
	}
	n = feof(f) ? n : -1;
	fclose(f);
	return n == NR_MODULES;
}

static int unload(const struct module *m)
{
	return syscall(SYS_delete_module, m->name, O_NONBLOCK) ? -errno : 0;
}

static int load_file(int fd)
{
	return syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
}

static int open_module(const struct module *m)
{
	char path[128];

	snprintf(path, sizeof(path), "/ko/%s.ko", m->name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int load(const struct module *m)
{
	int fd = open_module(m), ret;

	if (fd < 0)
		return -errno;
	ret = load_file(fd);
	close(fd);
	return ret;
}

static bool is_there(const struct module *m)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/%s", m->name);
	return !access(path, F_OK);
}

/* Nothing that it has made is left. */
static void expect_gone(struct __test_metadata *_metadata, const struct module *m)
{
	EXPECT_FALSE(is_there(m));
	if (m->device)
		EXPECT_NE(0, access(m->device, F_OK));
	if (m->debugfs)
		EXPECT_NE(0, access(m->debugfs, F_OK));
}

struct loads {
	int nr;		/* so many modules are loaded */
	unsigned int points, failures;
};

FIXTURE(module) {
	const struct module *m;
	struct loads l;
};

FIXTURE_VARIANT(module) {
	const char *name;
};

FIXTURE_VARIANT_ADD(module, vmbus_gpadl) { .name = "vmbus_gpadl" };
FIXTURE_VARIANT_ADD(module, vmbus_host) { .name = "vmbus_host" };
FIXTURE_VARIANT_ADD(module, vmbus_scsi) { .name = "vmbus_scsi" };
FIXTURE_VARIANT_ADD(module, vmbus_heartbeat) { .name = "vmbus_heartbeat" };
FIXTURE_VARIANT_ADD(module, vmbus_crc) { .name = "vmbus_crc" };
FIXTURE_VARIANT_ADD(module, vmbus_echo) { .name = "vmbus_echo" };
FIXTURE_VARIANT_ADD(module, vmbus_gpadl_test) { .name = "vmbus_gpadl_test" };

static const struct module *module_by_name(const char *name)
{
	int i;

	for (i = 0; i < NR_MODULES; i++)
		if (!strcmp(modules[i].name, name))
			return &modules[i];
	return NULL;
}

/* All of those before it are loaded. */
FIXTURE_SETUP(module)
{
	self->m = module_by_name(variant->name);
	ASSERT_NE(NULL, self->m);
	ASSERT_TRUE(table_is_whole());
	ASSERT_EQ(0, fault_init());
	for (self->l.nr = NR_MODULES; self->l.nr > self->m - modules; self->l.nr--)
		ASSERT_TRUE(WAIT_FOR(unload(&modules[self->l.nr - 1]) == 0));
}

FIXTURE_TEARDOWN(module)
{
	while (self->l.nr < NR_MODULES)
		EXPECT_EQ(0, load(&modules[self->l.nr++]));
}

static enum fault_result load_nth(struct __test_metadata *_metadata, struct loads *l,
				  const struct module *m, unsigned int nth)
{
	int fd = open_module(m), ret;
	enum fault_result result;

	ASSERT_LE(0, fd);
	fault_begin_nth(FAULT_THIS, nth, code_of_kernel("do_one_initcall"));
	ret = load_file(fd);
	result = fault_end_nth();
	close(fd);
	if (ret) {
		l->failures++;
		EXPECT_TRUE(ret == -ENOMEM || (m->error && ret == m->error));
		EXPECT_EQ(FAULT_INJECTED, result);
		expect_gone(_metadata, m);
		ASSERT_EQ(0, load(m));
	}
	EXPECT_TRUE(is_there(m));
	ASSERT_TRUE(WAIT_FOR(unload(m) == 0));
	expect_gone(_metadata, m);
	if (result == FAULT_INJECTED)
		l->points++;
	return result;
}

TEST_F_TIMEOUT(module, each_fails, 300)
{
	const struct module *m = self->m;
	struct loads *l = &self->l;
	unsigned int nth, idle = 0;

	ASSERT_NE(0, code_of_kernel("do_one_initcall").end);
	for (nth = 1; idle < IDLE && _metadata->exit_code == KSFT_PASS; nth++) {
		ASSERT_GT(POINTS_MOST, nth);
		if (load_nth(_metadata, l, m, nth) == FAULT_INJECTED)
			idle = 0;
		else
			idle++;
		EXPECT_TRUE(_metadata->exit_code == KSFT_PASS) {
			TH_LOG("... when number %u failed", nth);
		}
	}
	printf("# faults: insmod_%s each places %u errors %u\n", m->name, l->points,
	       l->failures);
	fflush(stdout);
}

TEST_HARNESS_MAIN
