// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's SCSI target in configfs: what there is, and steps that change it.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target.h"

/* ---- Steps ---- */

void made_add(struct made *made, enum made_kind kind, const char *path)
{
	snprintf(made->list[made->nr].path, PATH_LEN, "%s", path);
	made->list[made->nr++].kind = kind;
}

/* What cannot be taken back is said: nothing else would tell of it. */
void made_undo(struct made *made)
{
	const char *path;
	int ret;

	while (made->nr--) {
		path = made->list[made->nr].path;
		ret = made->list[made->nr].kind == MADE_DIR ? rmdir(path) : unlink(path);
		if (ret && errno != ENOENT)
			fail("gpadlctl disk list", "%s was made, and cannot be removed: %s", path,
			     strerror(errno));
	}
}

bool step_failed(const char *what, const char *path)
{
	const char *next = errno == EACCES || errno == EPERM ? "run it as root" :
			   errno == ENOENT ? "gpadlctl check" :
			   "dmesg | tail: the SCSI target says there what it does not like";

	fail(next, "cannot %s %s: %s", what, path, strerror(errno));
	return false;
}

bool step_dir(struct made *made, const char *path, bool may_exist)
{
	if (!mkdir(path, 0755)) {
		made_add(made, MADE_DIR, path);
		return true;
	}
	return (may_exist && errno == EEXIST) || step_failed("make", path);
}

bool step_link(struct made *made, const char *target, const char *path)
{
	if (symlink(target, path))
		return step_failed("link", path);
	made_add(made, MADE_LINK, path);
	return true;
}

bool step_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
	return n >= 0 || step_failed("write to", path);
}

/* ---- All or nothing ---- */

static const int deadly[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE };

/* One that is ignored, by nohup for example, would stay pending as long as it is blocked. */
static void deadly_signals(sigset_t *set)
{
	struct sigaction action;
	size_t i;

	sigemptyset(set);
	for (i = 0; i < ARRAY_SIZE(deadly); i++)
		if (!sigaction(deadly[i], NULL, &action) && action.sa_handler != SIG_IGN)
			sigaddset(set, deadly[i]);
}

/*
 * The file stays open, and with it the lock, as long as the process lives. It is root's alone: what
 * anybody can open, anybody can lock. Where there is no /run, as in an initramfs, the target's
 * directory has to do.
 */
void changes_alone(void)
{
	int fd = open(rooted("/run/gpadlctl.lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		fd = open(rooted("%s", TARGET), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || !flock(fd, LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK)
		return;
	fputs("Another gpadlctl makes or deletes a disk; this one waits for it.\n", stderr);
	flock(fd, LOCK_EX);
}

void changes_begin(void)
{
	sigset_t set;

	deadly_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

bool changes_interrupted(void)
{
	sigset_t set;
	size_t i;

	sigpending(&set);
	for (i = 0; i < ARRAY_SIZE(deadly); i++)
		if (sigismember(&set, deadly[i]))
			return true;
	return false;
}

/* What came meanwhile ends the process now, which has said what it did. */
void changes_end(void)
{
	sigset_t set;

	fflush(stdout);
	deadly_signals(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- Is it there? ---- */

/*
 * The directory to mount it on comes with the module. Where /proc does not tell, in a copy of /sys
 * alone, it is taken for mounted.
 */
static bool configfs_is_mounted(void)
{
	char *mounts = read_file(rooted("/proc/mounts"));
	bool mounted = !mounts || strstr(mounts, " " CONFIGFS " configfs ");

	free(mounts);
	return mounted;
}

const struct target_missing *target_missing(void)
{
	static const struct target_missing no_configfs = {
		.text = "configfs is not loaded",
		.next = "modprobe configfs; mount -t configfs none " CONFIGFS,
	}, not_mounted = {
		.text = "configfs is not mounted on " CONFIGFS,
		.next = "mount -t configfs none " CONFIGFS,
		.is_hidden = true,
	}, not_loaded = {
		.text = "the kernel's SCSI target is not loaded",
		.next = "modprobe target_core_mod",
	};

	if (!access(rooted("%s", TARGET), F_OK))
		return NULL;
	if (access(rooted("%s", CONFIGFS), F_OK))
		return &no_configfs;
	return configfs_is_mounted() ? &not_loaded : &not_mounted;
}

/* ---- Logical units ---- */

DIR *open_level(const struct lun *l, enum lun_level level)
{
	switch (level) {
	case LEVEL_FABRICS:
		return opendir(rooted("%s", TARGET));
	case LEVEL_TARGETS:
		return opendir(rooted("%s/%s", TARGET, l->fabric));
	case LEVEL_GROUPS:
		return opendir(rooted("%s/%s/%s", TARGET, l->fabric, l->wwn));
	case LEVEL_LUNS:
		return opendir(rooted("%s/%s/%s/%s/lun", TARGET, l->fabric, l->wwn, l->tpgt));
	default:
		return opendir(rooted("%s/%s/%s/%s/lun/%s", TARGET, l->fabric, l->wwn, l->tpgt,
				      l->lun));
	}
}

/* What is behind the last "/core/" */
static const char *behind_core(const char *target)
{
	const char *at = target, *found = NULL;

	while ((at = strstr(at, "/core/"))) {
		at += strlen("/core/");
		found = at;
	}
	return found;
}

/* @name is a link in the directory of a logical unit, to its backstore if it is a link at all. */
static int walk_link(struct lun *l, const char *name, const struct lun_walk *walk)
{
	const char *path, *backstore;
	char target[1024];
	ssize_t n;

	path = rooted("%s/%s/%s/%s/lun/%s/%s", TARGET, l->fabric, l->wwn, l->tpgt, l->lun, name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return 0;
	target[n] = 0;
	backstore = behind_core(target);
	if (!backstore)
		return 0;
	snprintf(l->name, sizeof(l->name), "%s", name);
	snprintf(l->backstore, sizeof(l->backstore), "%.*s", (int)sizeof(l->backstore) - 1,
		 backstore);
	return walk->fn(l, walk->arg);
}

static bool is_fabric(const struct lun_walk *walk, const char *name)
{
	return walk->fabric ? !strcmp(name, walk->fabric) : strcmp(name, "core") != 0;
}

static int walk_level(struct lun *l, enum lun_level level, const struct lun_walk *walk)
{
	static const char *const prefixes[] = { "", "", "tpgt_", "lun_", "" };
	const struct {
		char *name;
		size_t size;
	} fields[] = {
		{ l->fabric, sizeof(l->fabric) },
		{ l->wwn, sizeof(l->wwn) },
		{ l->tpgt, sizeof(l->tpgt) },
		{ l->lun, sizeof(l->lun) },
	};
	const char *prefix = prefixes[level];
	DIR *dir = open_level(l, level);
	struct dirent *e;
	int ret = 0;

	while (dir && !ret && (e = readdir(dir))) {
		if (*e->d_name == '.' || strncmp(e->d_name, prefix, strlen(prefix)))
			continue;
		if (level == LEVEL_FABRICS && !is_fabric(walk, e->d_name))
			continue;
		if (level == LEVEL_LINKS) {
			ret = walk_link(l, e->d_name, walk);
		} else if (strlen(e->d_name) < fields[level].size) {
			memcpy(fields[level].name, e->d_name, strlen(e->d_name) + 1);
			ret = walk_level(l, level + 1, walk);
		}
	}
	if (dir)
		closedir(dir);
	return ret;
}

void walk_luns(const struct lun_walk *walk)
{
	struct lun l = {};

	walk_level(&l, LEVEL_FABRICS, walk);
}

/* ---- Backstores ---- */

int backstore_kind(const char *backstore)
{
	int len = strcspn(backstore, "/");
	int i = len;

	while (i > 0 && isdigit((unsigned char)backstore[i - 1]))
		i--;
	return i > 0 && i < len && backstore[i - 1] == '_' ? i - 1 : len;
}

bool backstore_is_in_memory(const char *backstore)
{
	return !strncmp(backstore, "rd_", 3);
}

const char *backstore_name(const char *backstore)
{
	const char *slash = strchr(backstore, '/');

	return slash ? slash + 1 : backstore;
}

/* "core/alua" is none. */
static bool is_hba(const char *name)
{
	return *name != '.' && (size_t)backstore_kind(name) < strlen(name);
}

static int walk_hba(const char *hba, const struct backstore_walk *walk)
{
	DIR *dir = opendir(rooted("%s/core/%s", TARGET, hba));
	char backstore[300];
	struct dirent *e;
	int ret = 0, n;

	while (dir && !ret && (e = readdir(dir))) {
		if (*e->d_name == '.' || (e->d_type != DT_DIR && e->d_type != DT_UNKNOWN))
			continue;
		n = snprintf(backstore, sizeof(backstore), "%s/%s", hba, e->d_name);
		if (n < (int)sizeof(backstore))
			ret = walk->fn(backstore, walk->arg);
	}
	if (dir)
		closedir(dir);
	return ret;
}

void walk_backstores(const struct backstore_walk *walk)
{
	DIR *hbas = opendir(rooted("%s/core", TARGET));
	struct dirent *e;
	int ret = 0;

	while (hbas && !ret && (e = readdir(hbas)))
		if (is_hba(e->d_name))
			ret = walk_hba(e->d_name, walk);
	if (hbas)
		closedir(hbas);
}

struct count {
	const char *backstore;
	unsigned int nr;
};

static int count_user(const struct lun *l, void *arg)
{
	struct count *c = arg;

	c->nr += !strcmp(l->backstore, c->backstore);
	return 0;
}

unsigned int backstore_users(const char *backstore)
{
	struct count c = { .backstore = backstore };

	walk_luns(&(struct lun_walk){ .fn = count_user, .arg = &c });
	return c.nr;
}

static int if_unused(const char *backstore, void *arg)
{
	const struct backstore_walk *walk = arg;

	return backstore_users(backstore) ? 0 : walk->fn(backstore, walk->arg);
}

void walk_unused(const struct backstore_walk *walk)
{
	walk_backstores(&(struct backstore_walk){ if_unused, (void *)walk });
}

/* What stands in @text between two words; "" if it does not */
static void between(const char *text, const char *before, const char *behind, char *to, size_t size)
{
	const char *from = strstr(text, before), *end;

	*to = 0;
	end = from ? strstr(from + strlen(before), behind) : NULL;
	if (!end)
		return;
	from += strlen(before);
	snprintf(to, size, "%.*s", (int)(end - from), from);
}

/*
 * The kernel knows what it has opened; "udev_path" is a note of whoever made the backstore,
 * which those of files need not have.
 */
void backstore_path(const char *backstore, char *to, size_t size)
{
	char *text = read_file(rooted("%s/core/%s/info", TARGET, backstore));

	*to = 0;
	if (text)
		between(text, " File: ", "  Size: ", to, size);
	if (text && !*to)
		between(text, " UDEV PATH: ", "  readonly: ", to, size);
	free(text);
	if (*to)
		return;
	text = read_file(rooted("%s/core/%s/udev_path", TARGET, backstore));
	if (text)
		snprintf(to, size, "%.*s", (int)strcspn(text, "\n"), text);
	free(text);
}

bool wwn_is_good(const char *wwn)
{
	size_t i;

	if (strncmp(wwn, "naa.", 4) || strlen(wwn) != 20)
		return false;
	for (i = 4; i < 20; i++)
		/* The kernel's rule: the target compares names byte by byte. */
		if (!isdigit((unsigned char)wwn[i]) && (wwn[i] < 'a' || wwn[i] > 'f'))
			return false;
	return true;
}
