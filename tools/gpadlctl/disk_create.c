// SPDX-License-Identifier: GPL-2.0-only
/*
 * disk create: a backstore of the kernel's SCSI target, and a portal group of its fabric
 * "vmbus" that has it as a logical unit. All of it is made, or nothing.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target.h"

/* ---- The order ---- */

/* A guest can name LUNs 0 to 254. */
#define MAX_LUN		254

/* A block of the target's, and the smallest disk */
#define BLOCK		512
#define MIN_BYTES	4096

enum store {
	STORE_NONE,
	STORE_FILE,
	STORE_BLOCK,
	STORE_MEMORY,
};

struct disk {
	enum store store;
	const char *path;
	__u64 bytes;
	char name[NAME_MAX_LEN + 1];
	char wwn[21];		/* naa. and 16 digits */
	unsigned int tpgt, lun;
	bool read_only;
	char backstore[PATH_LEN];
};

/* 10G and the like; 0 if it is none */
static __u64 size_of(const char *text)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;
	__u64 n;

	if (!isdigit((unsigned char)*text))
		return 0;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno)
		return 0;
	if (!*end)
		return n;
	unit = strchr(units, toupper((unsigned char)*end));
	if (!unit || end[1])
		return 0;
	for (unit++; unit > units; unit--) {
		if (n > ~0ull >> 10)
			return 0;
		n <<= 10;
	}
	return n;
}

/*
 * The target takes any length and subtracts a block from it: of one that is shorter than a block,
 * the guest would be told that it is a disk of 2^55 of them, and could fill the host's file system.
 */
static bool bytes_are_good(__u64 bytes)
{
	return bytes >= MIN_BYTES && !(bytes % BLOCK);
}

#define GOOD_BYTES	"4096 bytes or more, and a multiple of 512"

static bool fail_bytes(const char *what, __u64 bytes)
{
	fail(GOOD_BYTES, "%s has %llu bytes, which is no disk", what, bytes);
	return false;
}

/* A directory's name, and nothing that leads elsewhere, nor what names a target */
static bool name_is_good(const char *name)
{
	size_t i, len = strlen(name);

	if (!len || len > NAME_MAX_LEN || *name == '.' || wwn_is_good(name))
		return false;
	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i]))
			return false;
	return true;
}

/* naa.5001405: of the Linux SCSI target */
static void random_wwn(char wwn[21])
{
	__u64 n = 0;

	if (getrandom(&n, sizeof(n), 0) != sizeof(n))
		n = getpid();
	snprintf(wwn, 21, "naa.5001405%09llx", n & 0xfffffffff);
}

/*
 * What the guest knows a disk by, and the disk a guest, follows from their names: a disk that is
 * made again after a reboot, with the same --wwn, is the same one (serial number, reservations).
 */
static __u64 __printf(1, 2) name_hash(const char *format, ...)
{
	__u64 hash = 0xcbf29ce484222325;	/* FNV-1a */
	char text[NAME_MAX_LEN + 64];
	va_list args;
	const char *c;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (c = text; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
	return hash;
}

/* The target takes options that are parted by commas. */
static bool path_is_good(const char *path)
{
	const char *c;

	if (*path != '/' || strlen(path) >= 256)
		return false;
	for (c = path; *c; c++)
		if (*c == ',' || *c == '\n' || iscntrl((unsigned char)*c))
			return false;
	return true;
}

/* ---- Steps ---- */

static void run_modprobe(const char *module)
{
	char *const argv[] = { "modprobe", "-q", (char *)module, NULL };
	pid_t pid = fork();
	int status;

	if (!pid) {
		execvp(argv[0], argv);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
}

/* Of a copy of a machine, nothing is loaded here. */
static void load_target(void)
{
	if (*root)
		return;
	if (access(TARGET, F_OK))
		run_modprobe("target_core_mod");
	if (access("/sys/module/vmbus_scsi", F_OK))
		run_modprobe("vmbus_scsi");
}

static bool target_is_there(void)
{
	const struct target_missing *missing;

	load_target();
	missing = target_missing();
	if (missing)
		fail(missing->next, "%s: no disk can be made", missing->text);
	else if (access(rooted("/sys/module/vmbus_scsi"), F_OK))
		fail("modprobe vmbus_scsi", "vmbus_scsi is not loaded: no disk can be made");
	else
		return true;
	return false;
}

static bool make_file(struct made *made, struct disk *d)
{
	struct stat st;
	int fd, ret = stat(d->path, &st);

	if (ret && errno != ENOENT)
		return step_failed("look at", d->path);
	if (!ret) {
		if (!S_ISREG(st.st_mode)) {
			fail("--block for devices", "%s is no file", d->path);
			return false;
		}
		if (d->bytes && d->bytes != (__u64)st.st_size) {
			fail("leave --size out, or name another file",
			     "%s is there already, and has another size", d->path);
			return false;
		}
		d->bytes = st.st_size;
		return bytes_are_good(d->bytes) || fail_bytes(d->path, d->bytes);
	}
	if (!d->bytes) {
		fail("--size 10G, for example", "%s is not there, and is to be how long?",
		     d->path);
		return false;
	}
	fd = open(d->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return step_failed("make", d->path);
	made_add(made, MADE_FILE, d->path);
	if (ftruncate(fd, d->bytes)) {
		close(fd);
		return step_failed("make", d->path);
	}
	close(fd);
	return true;
}

/* Sets its size, if that is known; what is no device, the target refuses. */
static bool measure_device(struct disk *d)
{
	int fd = open(d->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	struct stat st;
	bool is_device = size >= 0 && !fstat(fd, &st) && S_ISBLK(st.st_mode);

	if (fd >= 0)
		close(fd);
	if (size > 0)
		d->bytes = size;
	/* A drive without a medium, or a loop device without a file, has none. */
	return !is_device || bytes_are_good(size) || fail_bytes(d->path, size);
}

/* A number that no other backstore of the kind has, as the other tools for it do */
static bool make_hba(struct made *made, const char *kind, char *hba, size_t size)
{
	const char *path;
	unsigned int i;

	for (i = 0; i < 10000; i++) {
		snprintf(hba, size, "%s/core/%s_%u", TARGET, kind, i);
		path = rooted("%s", hba);
		if (!mkdir(path, 0755)) {
			made_add(made, MADE_DIR, path);
			return true;
		}
		if (errno != EEXIST)
			break;
	}
	return step_failed("make", hba);
}

static void control_of(const struct disk *d, char *buf, size_t size)
{
	if (d->store == STORE_FILE)
		snprintf(buf, size, "fd_dev_name=%s,fd_dev_size=%llu", d->path, d->bytes);
	else if (d->store == STORE_BLOCK)
		snprintf(buf, size, "udev_path=%s%s", d->path,
			 d->read_only ? ",readonly=1" : "");
	else
		snprintf(buf, size, "rd_pages=%llu", d->bytes / sysconf(_SC_PAGESIZE));
}

/* Can a device write past its cache (FUA)? Of a partition, the whole disk says so. */
static bool device_has_fua(const char *path)
{
	static const char *const queues[] = { "queue", "../queue" };
	bool has = false;
	struct stat st;
	unsigned int i;
	char *text;

	if (stat(path, &st))
		return false;
	for (i = 0; i < sizeof(queues) / sizeof(*queues) && !has; i++) {
		text = read_file(rooted("/sys/dev/block/%u:%u/%s/fua", major(st.st_rdev),
					minor(st.st_rdev), queues[i]));
		has = text && *text == '1';
		free(text);
	}
	return has;
}

/* What the guest is told that the disk can do */
static bool set_attributes(const struct disk *d)
{
	/* What vmbus_scsi refuses, it is not to be told of. */
	if (!step_write(rooted("%s/attrib/emulate_3pc", d->backstore), "0") ||
	    !step_write(rooted("%s/attrib/max_write_same_len", d->backstore), "2048"))
		return false;
	/*
	 * The target says of each device with a write cache that it has FUA, and writes without it
	 * to one that has not: so the guest is not told, and flushes the cache instead.
	 */
	return d->store != STORE_BLOCK || device_has_fua(d->path) ||
	       step_write(rooted("%s/attrib/emulate_fua_write", d->backstore), "0");
}

static bool make_backstore(struct made *made, struct disk *d)
{
	static const char *const kinds[] = { NULL, "fileio", "iblock", "rd_mcp" };
	char hba[PATH_LEN - NAME_MAX_LEN - 1], control[320], serial[40];

	if (!make_hba(made, kinds[d->store], hba, sizeof(hba)))
		return false;
	snprintf(d->backstore, sizeof(d->backstore), "%s/%s", hba, d->name);
	if (!step_dir(made, rooted("%s", d->backstore), false))
		return false;
	control_of(d, control, sizeof(control));
	if (!step_write(rooted("%s/control", d->backstore), control))
		return false;
	/* For listings; the target itself needs it of no file. */
	if (d->store == STORE_FILE && !step_write(rooted("%s/udev_path", d->backstore), d->path))
		return false;
	if (!step_write(rooted("%s/enable", d->backstore), "1"))
		return false;
	if (!set_attributes(d))
		return false;
	/* A guest sees the first 25 digits of it in the disk's NAA name. */
	snprintf(serial, sizeof(serial), "%s%016llx", d->wwn + strlen("naa."),
		 name_hash("%s:%u:%u:%s", d->wwn, d->tpgt, d->lun, d->name));
	return step_write(rooted("%s/wwn/vpd_unit_serial", d->backstore), serial);
}

static bool has_nexus(const char *group)
{
	int fd = open(rooted("%s/nexus", group), O_RDONLY | O_CLOEXEC);
	char c;
	bool has = fd >= 0 && read(fd, &c, 1) == 1;

	if (fd >= 0)
		close(fd);
	return has;
}

/* The portal group; one that is new, or that somebody else has made, may have no nexus. */
static bool make_group(struct made *made, const struct disk *d, const char *group)
{
	char initiator[21];

	if (!step_dir(made, rooted("%s/vmbus", TARGET), true) ||
	    !step_dir(made, rooted("%s/vmbus/%s", TARGET, d->wwn), true) ||
	    !step_dir(made, rooted("%s", group), true))
		return false;
	snprintf(initiator, sizeof(initiator), "naa.5001405%09llx",
		 name_hash("nexus:%s:%u", d->wwn, d->tpgt) & 0xfffffffff);
	return has_nexus(group) || step_write(rooted("%s/nexus", group), initiator);
}

static bool make_lun(struct made *made, const struct disk *d)
{
	char group[128], target[PATH_LEN];
	const char *link;

	snprintf(group, sizeof(group), "%s/vmbus/%s/tpgt_%u", TARGET, d->wwn, d->tpgt);
	if (!make_group(made, d, group) ||
	    !step_dir(made, rooted("%s/lun/lun_%u", group, d->lun), false))
		return false;
	snprintf(target, sizeof(target), "%s", rooted("%s", d->backstore));
	link = rooted("%s/lun/lun_%u/%s", group, d->lun, d->name);
	return step_link(made, target, link);
}

static void say_created(const struct disk *d)
{
	struct json j;
	char size[32];

	if (want_json) {
		json_begin(&j, "disk create");
		json_string(&j, "name", d->name);
		json_string(&j, "wwn", d->wwn);
		json_number(&j, "tpgt", d->tpgt);
		json_number(&j, "lun", d->lun);
		json_number(&j, "bytes", d->bytes);
		json_end(&j);
		return;
	}
	printf("Disk %s%s%s is LUN %u of %s, portal group %u.\n", d->name, d->bytes ? ", " : "",
	       d->bytes ? bytes_text(d->bytes, size) : "", d->lun, d->wwn, d->tpgt);
	printf("  next: give the VMM wwpn %s and tpgt %u, for example: vmm --disk %s:%u\n", d->wwn,
	       d->tpgt, d->wwn, d->tpgt);
}

static int set_number(unsigned int *number, unsigned int max, const char *value)
{
	unsigned long n;
	char *end;

	n = strtoul(value, &end, 10);
	if (!isdigit((unsigned char)*value) || *end || n > max) {
		char next[40];

		snprintf(next, sizeof(next), "a number up to %u", max);
		return misuse(next, "%s is none", value);
	}
	*number = n;
	return 0;
}

/* Of an option that takes one; an exit status */
static int set_option(struct disk *d, int option, const char *value)
{
	switch (option) {
	case 'f':
	case 'b':
	case 'm':
		if (d->store)
			return misuse("--file, --block or --memory",
				      "a disk is in one place only");
		d->store = option == 'f' ? STORE_FILE : option == 'b' ? STORE_BLOCK :
			   STORE_MEMORY;
		d->path = value;
		return 0;
	case 's':
		d->bytes = size_of(value);
		if (!d->bytes)
			return misuse("--size 10G", "%s is no size", value);
		return bytes_are_good(d->bytes) ? 0 :
		       misuse("--size 10G; " GOOD_BYTES, "%s is no size for a disk", value);
	case 'w':
		if (!wwn_is_good(value))
			return misuse("naa. and 16 hexadecimal digits",
				      "%s is no name of a target", value);
		memcpy(d->wwn, value, sizeof(d->wwn));
		return 0;
	case 'l':
		return set_number(&d->lun, MAX_LUN, value);
	default:
		return set_number(&d->tpgt, 0xffff, value);
	}
}

/* @argv: behind "create", which is argv[-1] */
static int parse_create(int argc, char **argv, struct disk *d)
{
	static const struct option options[] = {
		{ "file", required_argument, NULL, 'f' },
		{ "block", required_argument, NULL, 'b' },
		{ "memory", required_argument, NULL, 'm' },
		{ "size", required_argument, NULL, 's' },
		{ "wwn", required_argument, NULL, 'w' },
		{ "lun", required_argument, NULL, 'l' },
		{ "tpgt", required_argument, NULL, 't' },
		{ "read-only", no_argument, NULL, 'r' },
		{}
	};
	int c, ret = 0;

	optind = 0;
	while (!ret && (c = getopt_long(argc + 1, argv - 1, "", options, NULL)) != -1) {
		if (c == '?')
			return misuse("man gpadlctl", "that is no option of disk create");
		if (c == 'r')
			d->read_only = true;
		else
			ret = set_option(d, c, optarg);
	}
	if (ret || optind == argc + 1)
		return ret;
	if (optind != argc || !name_is_good(argv[optind - 1]))
		return misuse("gpadlctl disk create NAME --file /srv/NAME.img --size 10G",
			      "%s is no name for a disk: letters, digits, ._-",
			      argv[optind - 1]);
	snprintf(d->name, sizeof(d->name), "%s", argv[optind - 1]);
	return 0;
}

/* An exit status */
static int check_create(struct disk *d)
{
	if (!d->store)
		return misuse("--file PATH, --block DEVICE or --memory SIZE",
			      "where is the data of the disk to be?");
	if (d->bytes && d->store != STORE_FILE)
		return misuse("leave --size out", "--size is the length of a file");
	if (d->store == STORE_MEMORY) {
		d->bytes = size_of(d->path);
		if (!d->bytes || d->bytes % sysconf(_SC_PAGESIZE))
			return misuse("--memory 256M; a number of pages",
				      "%s is no size for a disk in memory", d->path);
	} else if (!path_is_good(d->path)) {
		return misuse("a path that begins with / and has no comma",
			      "the SCSI target cannot take %s", d->path);
	}
	if (d->read_only && d->store != STORE_BLOCK)
		return misuse("--block", "only a block device can be read-only");
	if (!*d->wwn)
		random_wwn(d->wwn);
	if (!*d->name)
		snprintf(d->name, sizeof(d->name), "disk-%s", d->wwn + 11);
	return 0;
}

/* ---- What there is already ---- */

struct taken {
	const struct disk *d;
	struct statx st;	/* of what is to have the data */
	bool by_name, by_data;
	char backstore[300];	/* that has the data */
};

static int lun_takes(const struct lun *l, void *arg)
{
	struct taken *t = arg;

	t->by_name = !strcmp(l->name, t->d->name);
	return t->by_name;
}

static int unused_takes(const char *backstore, void *arg)
{
	struct taken *t = arg;

	t->by_name = !strcmp(backstore_name(backstore), t->d->name);
	return t->by_name;
}

/*
 * As the kernel has it: a server that is dead is not asked for what it knows of the data of another
 * disk, which would hold up all commands for disks. To find the name, it may be asked.
 */
static int look_at(const char *path, struct statx *st)
{
	return statx(AT_FDCWD, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
		     STATX_TYPE | STATX_INO, st);
}

/* Whatever leads there: two names of one file, two nodes of one device */
static bool is_same(const struct statx *a, const struct statx *b)
{
	if (S_ISBLK(a->stx_mode) && S_ISBLK(b->stx_mode))
		return a->stx_rdev_major == b->stx_rdev_major &&
		       a->stx_rdev_minor == b->stx_rdev_minor;
	return a->stx_dev_major == b->stx_dev_major && a->stx_dev_minor == b->stx_dev_minor &&
	       a->stx_ino == b->stx_ino;
}

static int backstore_takes(const char *backstore, void *arg)
{
	struct taken *t = arg;
	char path[512];
	struct statx st;

	backstore_path(backstore, path, sizeof(path));
	t->by_data = *path && !look_at(path, &st) && is_same(&t->st, &st);
	if (t->by_data)
		snprintf(t->backstore, sizeof(t->backstore), "%s", backstore);
	return t->by_data;
}

/*
 * The target itself opens a file as often as it is told to: two guests would write to it,
 * each with a cache and a file system of its own.
 */
static bool is_taken(const struct disk *d)
{
	struct taken t = { .d = d };

	walk_luns(&(struct lun_walk){ lun_takes, &t, FABRIC });
	if (!t.by_name)
		walk_unused(&(struct backstore_walk){ unused_takes, &t });
	if (t.by_name) {
		fail("another name; gpadlctl disk list", "there is a disk %s already", d->name);
		return true;
	}
	if (d->store == STORE_MEMORY)
		return false;
	/* What is not there is nobody's; what cannot be looked at may be. */
	if (look_at(d->path, &t.st))
		return errno != ENOENT && !step_failed("look at", d->path);
	walk_backstores(&(struct backstore_walk){ backstore_takes, &t });
	if (t.by_data)
		fail("gpadlctl disk list; one more LUN on it: Documentation/disks.rst",
		     "%s is the data of backstore %s already", d->path, t.backstore);
	return t.by_data;
}

/* All of it, or nothing */
static bool make_disk(struct disk *d)
{
	struct made made = {};
	bool done;

	changes_begin();
	done = (d->store != STORE_BLOCK || measure_device(d)) &&
	       (d->store != STORE_FILE || make_file(&made, d)) && make_backstore(&made, d) &&
	       make_lun(&made, d);
	if (done && changes_interrupted()) {
		fail("gpadlctl disk create, again", "interrupted: the disk is not made");
		done = false;
	}
	/* The name may be one by chance, and nobody else knows it. */
	if (done)
		say_created(d);
	if (done && (fflush(stdout) || ferror(stdout))) {
		/* Not later, either: it is not made. */
		__fpurge(stdout);
		clearerr(stdout);
		fail("gpadlctl disk create, again",
		     "cannot write the output: the disk is not made");
		done = false;
	}
	if (!done)
		made_undo(&made);
	changes_end();
	return done;
}

int disk_create(int argc, char **argv)
{
	struct disk d = { .tpgt = 1 };
	int ret;

	ret = parse_create(argc, argv, &d) ?: check_create(&d);
	if (ret)
		return ret;
	if (!target_is_there())
		return 1;
	changes_alone();
	return is_taken(&d) || !make_disk(&d);
}
