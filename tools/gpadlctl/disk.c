// SPDX-License-Identifier: GPL-2.0-only
/*
 * disk: a disk for guests, in one command: a backstore of the kernel's SCSI target, and a
 * portal group of its fabric "vmbus" that has it as a logical unit.
 *
 *	/sys/kernel/config/target/core/fileio_0/NAME		what the data is in
 *	/sys/kernel/config/target/vmbus/naa.<16 digits>/tpgt_1/	what the VMM names
 *		nexus, lun/lun_0/NAME -> core/fileio_0/NAME
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gpadlctl.h"

#define TARGET	"/sys/kernel/config/target"
#define NAME_MAX_LEN	64
#define PATH_LEN	480

/* ---- What was made, to be undone if something fails later ---- */

enum made_kind {
	MADE_DIR,
	MADE_LINK,
	MADE_FILE,
};

struct made {
	struct {
		enum made_kind kind;
		char path[PATH_LEN];
	} list[12];
	unsigned int nr;
};

static void made_add(struct made *made, enum made_kind kind, const char *path)
{
	snprintf(made->list[made->nr].path, PATH_LEN, "%s", path);
	made->list[made->nr++].kind = kind;
}

static void made_undo(struct made *made)
{
	while (made->nr--) {
		if (made->list[made->nr].kind == MADE_DIR)
			rmdir(made->list[made->nr].path);
		else
			unlink(made->list[made->nr].path);
	}
}

/* Every step says itself what is wrong, and returns whether it is done. */
static bool step_failed(const char *what, const char *path)
{
	const char *next = errno == EACCES || errno == EPERM ? "run it as root" :
			   errno == ENOENT ? "gpadlctl check" :
			   "dmesg | tail: the SCSI target says there what it does not like";

	fail(next, "cannot %s %s: %s", what, path, strerror(errno));
	return false;
}

static bool make_dir(struct made *made, const char *path, bool may_exist)
{
	if (!mkdir(path, 0755)) {
		made_add(made, MADE_DIR, path);
		return true;
	}
	return (may_exist && errno == EEXIST) || step_failed("make", path);
}

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
	return n >= 0 || step_failed("write to", path);
}

/* ---- The order ---- */

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

static bool wwn_is_good(const char *wwn)
{
	size_t i;

	if (strncmp(wwn, "naa.", 4) || strlen(wwn) != 20)
		return false;
	for (i = 4; i < 20; i++)
		if (!isxdigit((unsigned char)wwn[i]))
			return false;
	return true;
}

/* A directory's name, and nothing that leads elsewhere */
static bool name_is_good(const char *name)
{
	size_t i, len = strlen(name);

	if (!len || len > NAME_MAX_LEN || *name == '.')
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

/* ---- list ---- */

struct lun {
	char wwn[32], tpgt[32], lun[32], name[NAME_MAX_LEN + 1];
	char backstore[160];	/* behind core/ */
};

struct walk {
	int (*fn)(const struct lun *lun, void *arg);
	void *arg;
};

/* @name is a link in the directory of a logical unit, to its backstore if it is a link at all. */
static int walk_link(struct lun *lun, const char *name, const struct walk *walk)
{
	const char *path, *core;
	char target[512];
	ssize_t n;

	path = rooted("%s/vmbus/%s/%s/lun/%s/%s", TARGET, lun->wwn, lun->tpgt, lun->lun, name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return 0;
	target[n] = 0;
	core = strstr(target, "/core/");
	if (!core)
		return 0;
	snprintf(lun->name, sizeof(lun->name), "%s", name);
	snprintf(lun->backstore, sizeof(lun->backstore), "%.*s",
		 (int)sizeof(lun->backstore) - 1, core + strlen("/core/"));
	return walk->fn(lun, walk->arg);
}

/* Targets, portal groups, logical units, links: each level is a directory below the last. */
#define LINKS	3

static DIR *open_level(const struct lun *lun, unsigned int level)
{
	switch (level) {
	case 0:
		return opendir(rooted("%s/vmbus", TARGET));
	case 1:
		return opendir(rooted("%s/vmbus/%s", TARGET, lun->wwn));
	case 2:
		return opendir(rooted("%s/vmbus/%s/%s/lun", TARGET, lun->wwn, lun->tpgt));
	default:
		return opendir(rooted("%s/vmbus/%s/%s/lun/%s", TARGET, lun->wwn, lun->tpgt,
				      lun->lun));
	}
}

static int walk_level(struct lun *lun, unsigned int level, const struct walk *walk)
{
	static const char *const prefixes[] = { "naa.", "tpgt_", "lun_", "" };
	char *const names[] = { lun->wwn, lun->tpgt, lun->lun };
	const char *prefix = prefixes[level];
	DIR *dir = open_level(lun, level);
	struct dirent *e;
	int ret = 0;

	while (dir && !ret && (e = readdir(dir))) {
		if (*e->d_name == '.' || strncmp(e->d_name, prefix, strlen(prefix)))
			continue;
		if (level == LINKS) {
			ret = walk_link(lun, e->d_name, walk);
		} else {
			snprintf(names[level], sizeof(lun->lun), "%.31s", e->d_name);
			ret = walk_level(lun, level + 1, walk);
		}
	}
	if (dir)
		closedir(dir);
	return ret;
}

static void walk_luns(const struct walk *walk)
{
	struct lun lun = {};

	walk_level(&lun, 0, walk);
}

/* "" if nothing is known */
static void backstore_path(const struct lun *lun, char *to, size_t size)
{
	char *text = read_file(rooted("%s/core/%s/udev_path", TARGET, lun->backstore));
	size_t i;

	snprintf(to, size, "%s", text ?: "");
	for (i = 0; to[i]; i++)
		if (!isprint((unsigned char)to[i]))
			to[i] = to[i] == '\n' && !to[i + 1] ? 0 : '?';
	free(text);
}

/* Of "rd_mcp_0/name", that of "rd_mcp" */
static int kind_length(const char *backstore)
{
	int len = strcspn(backstore, "/");
	int i = len;

	while (i > 0 && isdigit((unsigned char)backstore[i - 1]))
		i--;
	return i > 0 && backstore[i - 1] == '_' ? i - 1 : len;
}

static int print_lun(const struct lun *lun, void *arg)
{
	unsigned int *nr = arg;
	char path[256];

	if (!(*nr)++)
		printf("%-20s %-20s %5s %5s %-12s %s\n", "NAME", "TARGET", "GROUP", "LUN", "KIND",
		       "DATA");
	backstore_path(lun, path, sizeof(path));
	printf("%-20s %-20s %5s %5s %-12.*s %s\n", lun->name, lun->wwn, lun->tpgt + 5,
	       lun->lun + 4, kind_length(lun->backstore), lun->backstore, path);
	return 0;
}

static int json_lun(const struct lun *lun, void *arg)
{
	struct json *j = arg;
	char path[256];

	backstore_path(lun, path, sizeof(path));
	json_open(j, NULL, '{');
	json_string(j, "name", lun->name);
	json_string(j, "wwn", lun->wwn);
	json_number(j, "tpgt", strtoul(lun->tpgt + 5, NULL, 10));
	json_number(j, "lun", strtoul(lun->lun + 4, NULL, 10));
	json_string(j, "backstore", lun->backstore);
	json_string(j, "path", path);
	json_close(j, '}');
	return 0;
}

static int disk_list(int argc)
{
	unsigned int nr = 0;
	struct json j;

	if (argc)
		return fail("gpadlctl disk list", "disk list takes no arguments");
	if (want_json) {
		json_begin(&j, "disk list");
		json_open(&j, "disks", '[');
		walk_luns(&(struct walk){ json_lun, &j });
		json_close(&j, ']');
		json_end(&j);
		return 0;
	}
	walk_luns(&(struct walk){ print_lun, &nr });
	if (!nr)
		puts("There are no disks for VMBus guests.");
	return 0;
}

struct wanted_disk {
	const char *name;
	struct lun lun;
	unsigned int nr;
};

static int match_lun(const struct lun *lun, void *arg)
{
	struct wanted_disk *w = arg;

	if (strcmp(lun->name, w->name))
		return 0;
	w->lun = *lun;
	w->nr++;
	return 0;
}

/* ---- create ---- */

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

static bool target_is_there(void)
{
	if (*root)
		return true;
	if (access(TARGET, F_OK))
		run_modprobe("target_core_mod");
	if (access("/sys/module/vmbus_scsi", F_OK))
		run_modprobe("vmbus_scsi");
	if (!access(TARGET, F_OK) && !access("/sys/module/vmbus_scsi", F_OK))
		return true;
	fail("gpadlctl check", "the kernel's SCSI target or vmbus_scsi is not loaded");
	return false;
}

static bool make_file(struct made *made, struct disk *d)
{
	struct stat st;
	int fd;

	if (!stat(d->path, &st)) {
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
		return true;
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

static bool make_backstore(struct made *made, struct disk *d)
{
	static const char *const kinds[] = { NULL, "fileio", "iblock", "rd_mcp" };
	char hba[PATH_LEN - NAME_MAX_LEN - 1], control[320], serial[40];
	__u64 n[2] = {};

	if (!make_hba(made, kinds[d->store], hba, sizeof(hba)))
		return false;
	snprintf(d->backstore, sizeof(d->backstore), "%s/%s", hba, d->name);
	if (!make_dir(made, rooted("%s", d->backstore), false))
		return false;
	control_of(d, control, sizeof(control));
	if (!write_text(rooted("%s/control", d->backstore), control))
		return false;
	/* For listings; the target itself needs it of no file. */
	if (d->store == STORE_FILE && !write_text(rooted("%s/udev_path", d->backstore), d->path))
		return false;
	if (!write_text(rooted("%s/enable", d->backstore), "1"))
		return false;
	if (getrandom(n, sizeof(n), 0) != sizeof(n))
		return true;
	snprintf(serial, sizeof(serial), "%016llx%016llx", n[0], n[1]);
	return write_text(rooted("%s/wwn/vpd_unit_serial", d->backstore), serial);
}

/* The portal group; one that is new has no nexus yet. */
static bool make_group(struct made *made, const struct disk *d, const char *group)
{
	bool is_new = access(rooted("%s", group), F_OK);
	char initiator[21];

	if (!make_dir(made, rooted("%s/vmbus", TARGET), true) ||
	    !make_dir(made, rooted("%s/vmbus/%s", TARGET, d->wwn), true) ||
	    !make_dir(made, rooted("%s", group), true))
		return false;
	random_wwn(initiator);
	return !is_new || write_text(rooted("%s/nexus", group), initiator);
}

static bool make_lun(struct made *made, const struct disk *d)
{
	char group[128], target[PATH_LEN];
	const char *link;

	snprintf(group, sizeof(group), "%s/vmbus/%s/tpgt_%u", TARGET, d->wwn, d->tpgt);
	if (!make_group(made, d, group) ||
	    !make_dir(made, rooted("%s/lun/lun_%u", group, d->lun), false))
		return false;
	snprintf(target, sizeof(target), "%s", rooted("%s", d->backstore));
	link = rooted("%s/lun/lun_%u/%s", group, d->lun, d->name);
	return !symlink(target, link) || step_failed("link", link);
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
	printf("  next: give the VMM wwpn %s and tpgt %u, for example: vmm --disk %s\n", d->wwn,
	       d->tpgt, d->wwn);
}

/* Of an option that takes one; an exit status */
static int set_option(struct disk *d, int option, const char *value)
{
	unsigned long n;
	char *end;

	switch (option) {
	case 'f':
	case 'b':
	case 'm':
		if (d->store)
			return fail("--file, --block or --memory", "a disk is in one place only");
		d->store = option == 'f' ? STORE_FILE : option == 'b' ? STORE_BLOCK :
			   STORE_MEMORY;
		d->path = value;
		return 0;
	case 's':
		d->bytes = size_of(value);
		return d->bytes ? 0 : fail("--size 10G", "%s is no size", value);
	case 'w':
		if (!wwn_is_good(value))
			return fail("naa. and 16 hexadecimal digits",
				    "%s is no name of a target", value);
		memcpy(d->wwn, value, sizeof(d->wwn));
		return 0;
	default:
		n = strtoul(value, &end, 10);
		if (!isdigit((unsigned char)*value) || *end || n > 0xffff)
			return fail("a number up to 65535", "%s is none", value);
		*(option == 'l' ? &d->lun : &d->tpgt) = n;
		return 0;
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
			return fail("man gpadlctl", "that is no option of disk create");
		if (c == 'r')
			d->read_only = true;
		else
			ret = set_option(d, c, optarg);
	}
	if (ret || optind == argc + 1)
		return ret;
	if (optind != argc || !name_is_good(argv[optind - 1]))
		return fail("gpadlctl disk create NAME --file /srv/NAME.img --size 10G",
			    "%s is no name for a disk: letters, digits, ._-",
			    argv[optind - 1]);
	snprintf(d->name, sizeof(d->name), "%s", argv[optind - 1]);
	return 0;
}

static int check_create(struct disk *d)
{
	if (!d->store)
		return fail("--file PATH, --block DEVICE or --memory SIZE",
			    "where is the data of the disk to be?");
	if (d->store == STORE_MEMORY) {
		d->bytes = size_of(d->path);
		if (d->bytes < (__u64)sysconf(_SC_PAGESIZE))
			return fail("--memory 256M", "%s is no size", d->path);
	} else if (!path_is_good(d->path)) {
		return fail("a path that begins with / and has no comma",
			    "the SCSI target cannot take %s", d->path);
	}
	if (d->read_only && d->store != STORE_BLOCK)
		return fail("--block", "only a block device can be read-only");
	if (!*d->wwn)
		random_wwn(d->wwn);
	if (!*d->name)
		snprintf(d->name, sizeof(d->name), "disk-%s", d->wwn + 11);
	return 0;
}

static int disk_create(int argc, char **argv)
{
	struct disk d = { .tpgt = 1 };
	struct made made = {};

	struct wanted_disk other = { .name = d.name };

	if (parse_create(argc, argv, &d) || check_create(&d) || !target_is_there())
		return 1;
	walk_luns(&(struct walk){ match_lun, &other });
	if (other.nr)
		return fail("another name; gpadlctl disk list", "there is a disk %s already",
			    d.name);
	if ((d.store == STORE_FILE && !make_file(&made, &d)) || !make_backstore(&made, &d) ||
	    !make_lun(&made, &d)) {
		made_undo(&made);
		return 1;
	}
	say_created(&d);
	return 0;
}

/* ---- delete ---- */

static bool remove_dir(const char *path)
{
	if (!rmdir(path) || errno == ENOENT)
		return true;
	fail(errno == EBUSY ? "stop the VMM that uses it" : "run it as root",
	     "cannot remove %s: %s", path, strerror(errno));
	return false;
}

static bool is_empty(const struct lun *l)
{
	DIR *luns = open_level(l, 2);
	bool empty = luns;
	struct dirent *e;

	while (luns && (e = readdir(luns)))
		empty = empty && strncmp(e->d_name, "lun_", 4);
	if (luns)
		closedir(luns);
	return empty;
}

/*
 * With its last logical unit, a portal group goes, and with that the target. One that a VMM
 * has stays: the guest has seen the disk go. Returns whether it is gone, or not empty.
 */
static bool remove_group(const struct lun *l)
{
	const char *nexus = rooted("%s/vmbus/%s/%s/nexus", TARGET, l->wwn, l->tpgt);
	int fd;

	if (!is_empty(l))
		return true;
	fd = open(nexus, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "NULL", 4) < 0 && errno == EBUSY) {
		close(fd);
		return false;
	}
	if (fd >= 0)
		close(fd);
	if (rmdir(rooted("%s/vmbus/%s/%s", TARGET, l->wwn, l->tpgt)))
		return false;
	/* Another portal group keeps it. */
	rmdir(rooted("%s/vmbus/%s", TARGET, l->wwn));
	/* With the last of them, or the module of the fabric stays in use. */
	rmdir(rooted("%s/vmbus", TARGET));
	return true;
}

/* A target whose disks went while a VMM had it */
static int target_delete(const char *wwn)
{
	struct lun l = {};
	struct dirent *e;
	bool gone = true;
	DIR *groups;

	snprintf(l.wwn, sizeof(l.wwn), "%s", wwn);
	groups = open_level(&l, 1);
	if (!groups)
		return fail("gpadlctl disk list", "there is no target %s", wwn);
	while ((e = readdir(groups))) {
		if (strncmp(e->d_name, "tpgt_", 5))
			continue;
		snprintf(l.tpgt, sizeof(l.tpgt), "%.31s", e->d_name);
		gone = is_empty(&l) && remove_group(&l) && gone;
	}
	closedir(groups);
	rmdir(rooted("%s/vmbus/%s", TARGET, wwn));
	rmdir(rooted("%s/vmbus", TARGET));
	return gone ? 0 : fail("gpadlctl disk list; stop the VMM that uses it",
			       "%s has disks, or a VMM has it", wwn);
}

static void say_deleted(const struct lun *l, bool gone)
{
	struct json j;

	if (want_json) {
		json_begin(&j, "disk delete");
		json_string(&j, "name", l->name);
		json_bool(&j, "target_stays", !gone);
		json_end(&j);
		return;
	}
	printf("Disk %s is gone; its data stays where it is.\n", l->name);
	if (!gone)
		printf("  next: when its VMM has ended, gpadlctl disk delete %s\n", l->wwn);
}

static int disk_delete(int argc, char **argv)
{
	struct wanted_disk w = { .name = argc == 1 ? argv[0] : "" };
	const struct lun *l = &w.lun;
	bool gone;

	if (argc != 1)
		return fail("gpadlctl disk list", "which disk is to be deleted?");
	if (wwn_is_good(w.name))
		return target_delete(w.name);
	walk_luns(&(struct walk){ match_lun, &w });
	if (w.nr != 1)
		return fail("gpadlctl disk list", w.nr ? "there are several disks %s" :
			    "there is no disk %s", w.name);
	if (unlink(rooted("%s/vmbus/%s/%s/lun/%s/%s", TARGET, l->wwn, l->tpgt, l->lun, l->name)))
		return fail("run it as root", "cannot take %s from its target: %s", w.name,
			    strerror(errno));
	if (!remove_dir(rooted("%s/vmbus/%s/%s/lun/%s", TARGET, l->wwn, l->tpgt, l->lun)))
		return 1;
	gone = remove_group(l);
	if (!remove_dir(rooted("%s/core/%s", TARGET, l->backstore)))
		return 1;
	/* The directory that it was in: another backstore keeps it. */
	rmdir(rooted("%s/core/%.*s", TARGET, (int)strcspn(l->backstore, "/"), l->backstore));
	say_deleted(l, gone);
	return 0;
}

int command_disk(int argc, char **argv)
{
	if (argc && !strcmp(argv[0], "create"))
		return disk_create(argc - 1, argv + 1);
	if (argc && !strcmp(argv[0], "list"))
		return disk_list(argc - 1);
	if (argc && !strcmp(argv[0], "delete"))
		return disk_delete(argc - 1, argv + 1);
	return fail("gpadlctl disk create|list|delete", "what is to be done with a disk?");
}
