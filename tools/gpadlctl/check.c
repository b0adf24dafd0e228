// SPDX-License-Identifier: GPL-2.0-only
/*
 * check: is this host ready for guests with devices in the kernel? What is not, and the next
 * step to take.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "target.h"

enum status {
	OK,
	WARNING,	/* something will not be there */
	FAILED,		/* no guest can run */
};

struct checks {
	struct json json;
	unsigned int nr[3];
};

/* @next: NULL if it is OK */
static void __printf(5, 6) report(struct checks *c, const char *name, enum status status,
				  const char *next, const char *format, ...)
{
	static const char *const marks[] = { "ok     ", "warning", "FAILED " };
	static const char *const words[] = { "ok", "warning", "failed" };
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	c->nr[status]++;
	if (want_json) {
		json_open(&c->json, NULL, '{');
		json_string(&c->json, "name", name);
		json_string(&c->json, "status", words[status]);
		json_string(&c->json, "text", text);
		json_string(&c->json, "next", next ?: "");
		json_close(&c->json, '}');
		return;
	}
	printf("%s  %-12s %s\n", marks[status], name, text);
	if (next)
		printf("%23snext: %s\n", "", next);
}

static bool exists(const char *path)
{
	return !access(rooted("%s", path), F_OK);
}

/* ---- Kernel and KVM ---- */

#define OSRELEASE	"/proc/sys/kernel/osrelease"

static void report_kernel(struct checks *c, const char *release)
{
	int major = 0, minor = 0;

	if (sscanf(release, "%d.%d", &major, &minor) != 2 || major < 6 ||
	    (major == 6 && minor < 1))
		report(c, "kernel", FAILED, "install Linux 6.1 or later; it is made for 6.12",
		       "Linux %s is too old", release);
	else if (major == 6 && minor < 10)
		report(c, "kernel", WARNING,
		       "Linux 6.10 or later, if VMMs are not trusted",
		       "Linux %s: channels have kernel threads, which a kill of the VMM does not end",
		       release);
	else
		report(c, "kernel", OK, NULL, "Linux %s", release);
}

static void check_kernel(struct checks *c)
{
	struct utsname name;
	char *release;

	if (!*root) {
		uname(&name);
		report_kernel(c, name.release);
		return;
	}
	release = read_file(rooted(OSRELEASE));
	if (release) {
		release[strcspn(release, "\n")] = '\0';
		report_kernel(c, release);
	} else {
		report(c, "kernel", WARNING, "copy " OSRELEASE " as well",
		       "the copy does not say of which kernel it is");
	}
	free(release);
}

static const struct {
	int cap;
	const char *name;
} needed[] = {
	{ KVM_CAP_HYPERV, "HYPERV" },
	{ KVM_CAP_HYPERV_SYNIC2, "HYPERV_SYNIC2" },
	{ KVM_CAP_HYPERV_VP_INDEX, "HYPERV_VP_INDEX" },
	{ KVM_CAP_HYPERV_EVENTFD, "HYPERV_EVENTFD" },
	{ KVM_CAP_IRQFD, "IRQFD" },
};

static void check_enlightenments(struct checks *c, int kvm)
{
	char missing[128] = "";
	size_t i;

	for (i = 0; i < ARRAY_SIZE(needed); i++) {
		if (ioctl(kvm, KVM_CHECK_EXTENSION, needed[i].cap) > 0)
			continue;
		strncat(missing, " ", sizeof(missing) - strlen(missing) - 1);
		strncat(missing, needed[i].name, sizeof(missing) - strlen(missing) - 1);
	}
	if (*missing)
		report(c, "hyper-v", FAILED,
		       "a kernel with CONFIG_KVM_HYPERV=y (x86; before 6.9, CONFIG_KVM)",
		       "KVM lacks%s: a guest finds no VMBus", missing);
	else
		report(c, "hyper-v", OK, NULL, "KVM has the enlightenments that VMBus needs");
}

/* A node that was copied leads to this machine's. */
static int open_kvm(void)
{
	return open(rooted("/dev/kvm"), (*root ? O_PATH : O_RDWR) | O_CLOEXEC);
}

static void check_kvm(struct checks *c)
{
	int kvm = open_kvm();

	if (kvm >= 0 && *root) {
		report(c, "kvm", OK, NULL, "/dev/kvm is there");
		close(kvm);
	} else if (kvm >= 0) {
		report(c, "kvm", OK, NULL, "/dev/kvm can be used");
		check_enlightenments(c, kvm);
		close(kvm);
	} else if (errno == EACCES || errno == EPERM) {
		report(c, "kvm", FAILED, "adduser USER kvm, then log in again",
		       "this user may not open /dev/kvm");
	} else {
		report(c, "kvm", FAILED,
		       "modprobe kvm_intel or kvm_amd; if that says that it is not supported, switch virtualisation on in the firmware",
		       "/dev/kvm: %s", strerror(errno));
	}
}

/* ---- Our modules ---- */

/* After an upgrade, the modules of before are loaded until somebody takes them away. */
static void check_version(struct checks *c)
{
	char *version = read_file(rooted("/sys/module/vmbus_gpadl/version"));

	if (version)
		version[strcspn(version, "\n")] = '\0';
	if (version && strcmp(version, GPADLCTL_VERSION))
		report(c, "modules", WARNING,
		       "when no guest runs: modprobe -r vmbus_host vmbus_gpadl (first what lsmod names beside vmbus_host), then modprobe vmbus_host",
		       "version %s of the modules is loaded; this is gpadlctl " GPADLCTL_VERSION,
		       version);
	else
		report(c, "modules", OK, NULL, "vmbus_gpadl and vmbus_host are loaded");
	free(version);
}

static void check_modules(struct checks *c)
{
	if (!exists("/sys/module/vmbus_gpadl"))
		report(c, "modules", FAILED, "modprobe vmbus_host",
		       "vmbus_gpadl is not loaded");
	else if (!exists("/sys/module/vmbus_host"))
		report(c, "modules", FAILED, "modprobe vmbus_host", "vmbus_host is not loaded");
	else
		check_version(c);
}

static void check_device(struct checks *c)
{
	struct stat st;

	if (stat(rooted("/dev/vmbus-host"), &st)) {
		report(c, "device", FAILED, "modprobe vmbus_host", "/dev/vmbus-host: %s",
		       strerror(errno));
	} else if (!*root && access("/dev/vmbus-host", R_OK | W_OK)) {
		report(c, "device", FAILED,
		       "adduser USER kvm, log in again; the udev rule of make install gives that group the device",
		       "this user may not open /dev/vmbus-host: its mode is %04o",
		       st.st_mode & 07777);
	} else if (!(st.st_mode & 0060)) {
		report(c, "device", WARNING,
		       "if VMMs run as other users: the udev rule of make install gives group kvm the device",
		       "/dev/vmbus-host is root's alone: its mode is %04o", st.st_mode & 07777);
	} else {
		report(c, "device", OK, NULL, "/dev/vmbus-host %s; its mode is %04o",
		       *root ? "is there" : "can be used", st.st_mode & 07777);
	}
}

/* -1 if there is no such number */
static long long parameter(const char *name)
{
	char *text = read_file(rooted("/sys/module/vmbus_gpadl/parameters/%s", name));
	long long n = text ? strtoll(text, NULL, 10) : -1;

	free(text);
	return n;
}

/* Fewer than a few guests with a few devices can have */
#define FEW_PARTITIONS	8
#define FEW_CHANNELS	128

static void check_limits(struct checks *c)
{
	long long partitions = parameter("max_user_partitions");
	long long channels = parameter("max_user_channels");

	if (partitions < 0 || channels < 0)
		return;		/* The modules are not there, which is said already. */
	if (partitions < FEW_PARTITIONS || channels < FEW_CHANNELS)
		report(c, "limits", WARNING,
		       "raise them in /sys/module/vmbus_gpadl/parameters, or /etc/modprobe.d",
		       "a user may have %lld guests and %lld channels in all", partitions,
		       channels);
	else
		report(c, "limits", OK, NULL,
		       "a user may have %lld guests and %lld channels in all",
		       partitions, channels);
}

/* A network card's receive buffer has 16 MiB. */
#define ENOUGH_MEMLOCK	(64u << 20)

static void report_little_memlock(struct checks *c, const char *limit)
{
	if (geteuid())
		report(c, "memlock", WARNING,
		       "LimitMEMLOCK=256M in the VMM's systemd unit; for resident memory, more",
		       "RLIMIT_MEMLOCK is %s: too little for a network card", limit);
	else
		report(c, "memlock", OK, NULL, "RLIMIT_MEMLOCK is %s, which does not bind root",
		       limit);
}

static void check_memlock(struct checks *c)
{
	struct rlimit limit;
	char text[32];

	if (*root || getrlimit(RLIMIT_MEMLOCK, &limit))
		return;
	if (limit.rlim_cur == RLIM_INFINITY)
		report(c, "memlock", OK, NULL, "RLIMIT_MEMLOCK is unlimited");
	else if (limit.rlim_cur < ENOUGH_MEMLOCK)
		report_little_memlock(c, bytes_text(limit.rlim_cur, text));
	else
		report(c, "memlock", OK, NULL, "RLIMIT_MEMLOCK is %s",
		       bytes_text(limit.rlim_cur, text));
}

/* ---- Disks ---- */

static void check_disks(struct checks *c)
{
	const struct target_missing *missing = target_missing();

	if (missing)
		report(c, "disks", WARNING, missing->next, "%s: no disks", missing->text);
	else if (!exists("/sys/module/vmbus_scsi"))
		report(c, "disks", WARNING, "modprobe vmbus_scsi",
		       "vmbus_scsi is not loaded: no disks");
	else
		report(c, "disks", OK, NULL, "the SCSI target and vmbus_scsi are loaded");
}

/* What only root sees, unless it is a copy */
static void check_tracing(struct checks *c)
{
	if (!*root && geteuid())
		return;
	if (!exists("/sys/kernel/tracing/events/vmbus_gpadl"))
		report(c, "tracing", WARNING,
		       "mount -t tracefs none /sys/kernel/tracing; modprobe vmbus_host",
		       "tracefs has no events of the modules: gpadlctl trace does not work");
	else
		report(c, "tracing", OK, NULL, "tracefs has the events of the modules");
}

static void print_verdict(const struct checks *c)
{
	if (*root)
		puts("\nA copy of a machine does not tell what its KVM can do, who may open its\n"
		     "devices, nor RLIMIT_MEMLOCK: gpadlctl check there does.");
	if (c->nr[FAILED])
		printf("\nNot ready: %u checks failed.\n", c->nr[FAILED]);
	else
		printf("\nReady%s\n", c->nr[WARNING] ? ", but see the warnings." : ".");
}

int command_check(int argc, char **argv)
{
	struct checks c = {};

	(void)argv;
	if (argc)
		return misuse("gpadlctl check", "check takes no arguments");
	if (want_json) {
		json_begin(&c.json, "check");
		json_open(&c.json, "checks", '[');
	}
	check_kernel(&c);
	check_kvm(&c);
	check_modules(&c);
	check_device(&c);
	check_limits(&c);
	check_memlock(&c);
	check_disks(&c);
	check_tracing(&c);
	if (want_json) {
		json_close(&c.json, ']');
		json_bool(&c.json, "ready", !c.nr[FAILED]);
		json_end(&c.json);
	} else {
		print_verdict(&c);
	}
	return c.nr[FAILED] ? 1 : 0;
}
