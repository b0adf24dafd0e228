// SPDX-License-Identifier: GPL-2.0-only
/*
 * disk: disks for guests: which there are, and how one is taken away; disk_create.c makes
 * them. What they are made of is in target.h.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "target.h"

static bool disks_can_be_seen(void)
{
	const struct target_missing *missing = target_missing();

	if (!missing || !missing->is_hidden)
		return true;
	fail(missing->next, "%s: no disk can be seen", missing->text);
	return false;
}

/* ---- list ---- */

/* A path, or a name, as a terminal may have it. Returns how many characters it has. */
static int print_text(const char *text)
{
	size_t len;
	int n;

	for (n = 0; *text; text += len, n++) {
		len = printable_length(text);
		if (len)
			fwrite(text, len, 1, stdout);
		else
			putchar('?'), len = 1;
	}
	return n;
}

static void print_column(const char *text, int width)
{
	int n = print_text(text);

	printf("%*s ", n < width ? width - n : 0, "");
}

static void print_row(const char *name, const char *wwn, const char *tpgt, const char *lun,
		      const char *backstore, unsigned int *nr)
{
	char path[512];

	if (!(*nr)++)
		printf("%-20s %-20s %5s %5s %-12s %s\n", "NAME", "TARGET", "GROUP", "LUN", "KIND",
		       "DATA");
	backstore_path(backstore, path, sizeof(path));
	print_column(name, 20);
	print_column(wwn, 20);
	printf("%5s %5s %-12.*s ", tpgt, lun, backstore_kind(backstore), backstore);
	print_text(path);
	puts(*lun == '-' ? " (not in use)" : "");
}

static int print_lun(const struct lun *l, void *arg)
{
	print_row(l->name, l->wwn, l->tpgt + 5, l->lun + 4, l->backstore, arg);
	return 0;
}

static int print_unused(const char *backstore, void *arg)
{
	print_row(backstore_name(backstore), "-", "-", "-", backstore, arg);
	return 0;
}

static void json_backstore(struct json *j, const char *backstore)
{
	char path[512];

	backstore_path(backstore, path, sizeof(path));
	json_string(j, "backstore", backstore);
	json_string(j, "path", path);
}

static int json_lun(const struct lun *l, void *arg)
{
	struct json *j = arg;

	json_open(j, NULL, '{');
	json_string(j, "name", l->name);
	json_string(j, "wwn", l->wwn);
	json_number(j, "tpgt", strtoul(l->tpgt + 5, NULL, 10));
	json_number(j, "lun", strtoul(l->lun + 4, NULL, 10));
	json_backstore(j, l->backstore);
	json_close(j, '}');
	return 0;
}

static int json_unused(const char *backstore, void *arg)
{
	struct json *j = arg;

	json_open(j, NULL, '{');
	json_string(j, "name", backstore_name(backstore));
	json_backstore(j, backstore);
	json_close(j, '}');
	return 0;
}

static int json_target(const char *wwn, void *arg)
{
	json_string(arg, NULL, wwn);
	return 0;
}

static int print_target(const char *wwn, void *arg)
{
	(void)arg;
	printf("Target %s has no disks.\n  next: when its VMM has ended, gpadlctl disk delete %s\n",
	       wwn, wwn);
	return 0;
}

static int is_of_target(const struct lun *l, void *arg)
{
	const char **wwn = arg;

	if (strcmp(l->wwn, *wwn))
		return 0;
	*wwn = NULL;
	return 1;
}

/* Targets whose disks were taken away while a VMM had them, and what a kill has left */
static void walk_empty_targets(int (*fn)(const char *wwn, void *arg), void *arg)
{
	const struct lun fabric = { .fabric = FABRIC };
	DIR *dir = open_level(&fabric, LEVEL_TARGETS);
	const char *wwn;
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		wwn = e->d_name;
		if (!wwn_is_good(wwn))
			continue;
		walk_luns(&(struct lun_walk){ is_of_target, &wwn, FABRIC });
		if (wwn)
			fn(wwn, arg);
	}
	if (dir)
		closedir(dir);
}

static int disk_list(int argc)
{
	unsigned int nr = 0;
	struct json j;

	if (argc)
		return misuse("gpadlctl disk list", "disk list takes no arguments");
	if (!disks_can_be_seen())
		return 1;
	if (want_json) {
		json_begin(&j, "disk list");
		json_open(&j, "disks", '[');
		walk_luns(&(struct lun_walk){ json_lun, &j, FABRIC });
		json_close(&j, ']');
		json_open(&j, "unused", '[');
		walk_unused(&(struct backstore_walk){ json_unused, &j });
		json_close(&j, ']');
		json_open(&j, "empty_targets", '[');
		walk_empty_targets(json_target, &j);
		json_close(&j, ']');
		json_end(&j);
		return 0;
	}
	walk_luns(&(struct lun_walk){ print_lun, &nr, FABRIC });
	walk_unused(&(struct backstore_walk){ print_unused, &nr });
	if (!nr)
		puts("There are no disks for VMBus guests.");
	walk_empty_targets(print_target, NULL);
	return 0;
}

/* ---- delete: steps ---- */

static bool is_refused(int error)
{
	return error == EACCES || error == EPERM;
}

static bool remove_dir(const char *path, const char *next)
{
	if (!rmdir(path) || errno == ENOENT)
		return true;
	fail(is_refused(errno) ? "run it as root" : next, "cannot remove %s: %s", path,
	     strerror(errno));
	return false;
}

static bool is_empty(const struct lun *l)
{
	DIR *luns = open_level(l, LEVEL_LUNS);
	bool empty = luns;
	struct dirent *e;

	while (luns && (e = readdir(luns)))
		empty = empty && strncmp(e->d_name, "lun_", 4);
	if (luns)
		closedir(luns);
	return empty;
}

/* With the last of its directories, the fabric's, or its module stays in use */
static void remove_target(const char *wwn)
{
	/* Another portal group keeps it. */
	rmdir(rooted("%s/" FABRIC "/%s", TARGET, wwn));
	rmdir(rooted("%s/" FABRIC, TARGET));
}

/*
 * With its last logical unit, a portal group goes, and with that the target. Its nexus goes with
 * it, and stays if it stays. Returns 0; -EBUSY if a VMM has it; -ENOTEMPTY if somebody has made a
 * logical unit meanwhile; or what else rmdir() says.
 */
static int remove_group(const struct lun *l)
{
	if (rmdir(rooted("%s/" FABRIC "/%s/%s", TARGET, l->wwn, l->tpgt)) && errno != ENOENT)
		return -errno;
	remove_target(l->wwn);
	return 0;
}

/* And the directory that it was in, unless another backstore keeps that */
static bool remove_backstore(const char *backstore)
{
	char next[360];

	snprintf(next, sizeof(next), "see what is in it, then gpadlctl disk delete %s", backstore);
	if (!remove_dir(rooted("%s/core/%s", TARGET, backstore), next))
		return false;
	rmdir(rooted("%s/core/%.*s", TARGET, (int)strcspn(backstore, "/"), backstore));
	return true;
}

/* ---- delete ---- */

/* What was deleted, and what has stayed */
struct deleted {
	const char *name;
	const char *backstore;
	char path[512];			/* of its data */
	const char *target_stays;	/* a VMM has it; NULL if none has */
	unsigned int users;		/* logical units that still have the backstore */
};

static void say_data(const struct deleted *d)
{
	if (d->users) {
		printf("; its data stays: it is that of %u other logical unit%s", d->users,
		       d->users == 1 ? "" : "s");
	} else if (backstore_is_in_memory(d->backstore)) {
		fputs(", and so is its data, which was in memory", stdout);
	} else if (*d->path) {
		fputs("; its data stays in ", stdout);
		print_text(d->path);
	} else {
		fputs("; its data stays where it is", stdout);
	}
}

static void say_deleted(const struct deleted *d)
{
	struct json j;

	if (want_json) {
		json_begin(&j, "disk delete");
		json_string(&j, "name", d->name);
		json_bool(&j, "target_stays", d->target_stays);
		json_bool(&j, "backstore_stays", d->users);
		json_end(&j);
		return;
	}
	fputs("Disk ", stdout);
	print_text(d->name);
	fputs(" is gone", stdout);
	say_data(d);
	puts(".");
	if (d->target_stays)
		printf("  next: when its VMM has ended, gpadlctl disk delete %s\n",
		       d->target_stays);
}

/* Data in memory goes with its backstore: that is to be wanted. */
static bool may_lose(const char *name, const char *backstore, bool force)
{
	if (force || !backstore_is_in_memory(backstore))
		return true;
	fail("gpadlctl disk delete --force, if it is not needed any more",
	     "the data of %s is in memory, and would be gone", name);
	return false;
}

/*
 * Of a portal group, the directories that are no logical units: nothing is linked there. Returns 0,
 * or what kept the last one, be it a link.
 */
static int remove_unlinked(const struct lun *l)
{
	DIR *luns = open_level(l, LEVEL_LUNS);
	struct dirent *e;
	int ret = 0;

	while (luns && (e = readdir(luns)))
		if (!strncmp(e->d_name, "lun_", 4) &&
		    rmdir(rooted("%s/" FABRIC "/%s/%s/lun/%s", TARGET, l->wwn, l->tpgt, e->d_name)))
			ret = -errno;
	if (luns)
		closedir(luns);
	return ret;
}

/* A target whose disks went while a VMM had it */
static int delete_target(const char *wwn)
{
	struct lun l = { .fabric = FABRIC };
	int ret, error = 0;
	struct dirent *e;
	struct json j;
	DIR *groups;

	snprintf(l.wwn, sizeof(l.wwn), "%s", wwn);
	groups = open_level(&l, LEVEL_GROUPS);
	if (!groups)
		return fail("gpadlctl disk list", "there is no target %s", wwn);
	while ((e = readdir(groups))) {
		if (strncmp(e->d_name, "tpgt_", 5))
			continue;
		snprintf(l.tpgt, sizeof(l.tpgt), "%.31s", e->d_name);
		ret = remove_unlinked(&l) ?: remove_group(&l);
		error = ret ?: error;
	}
	closedir(groups);
	remove_target(wwn);
	if (error && error != -EBUSY && error != -ENOTEMPTY)
		return fail(is_refused(-error) ? "run it as root" : "gpadlctl disk list",
			    "cannot remove %s: %s", wwn, strerror(-error));
	if (error)
		return fail("gpadlctl disk list; stop the VMM that uses it",
			    "%s has disks, or a VMM has it", wwn);
	if (want_json) {
		json_begin(&j, "disk delete");
		json_string(&j, "name", wwn);
		json_end(&j);
	} else {
		printf("Target %s is gone.\n", wwn);
	}
	return 0;
}

/* The logical unit; and its backstore, unless others have that as well */
static int delete_lun(const struct lun *l, bool force)
{
	struct deleted d = { .name = l->name, .backstore = l->backstore };
	int ret;

	d.users = backstore_users(l->backstore);
	d.users -= !!d.users;
	if (!d.users && !may_lose(l->name, l->backstore, force))
		return 1;
	backstore_path(l->backstore, d.path, sizeof(d.path));
	if (unlink(rooted("%s/" FABRIC "/%s/%s/lun/%s/%s", TARGET, l->wwn, l->tpgt, l->lun,
			  l->name)))
		return fail(is_refused(errno) ? "run it as root" : "gpadlctl disk list",
			    "cannot take %s from its target: %s", l->name, strerror(errno));
	if (!remove_dir(rooted("%s/" FABRIC "/%s/%s/lun/%s", TARGET, l->wwn, l->tpgt, l->lun),
			"see what is in it, then gpadlctl disk list"))
		return 1;
	/* The guest has seen the disk go. */
	ret = is_empty(l) ? remove_group(l) : -ENOTEMPTY;
	if (ret && ret != -ENOTEMPTY)
		d.target_stays = l->wwn;
	if (!d.users && !remove_backstore(l->backstore))
		return 1;
	say_deleted(&d);
	return 0;
}

/* What is left where making or deleting a disk was cut short */
static int delete_unused(const char *backstore, bool force)
{
	struct deleted d = { .name = backstore_name(backstore), .backstore = backstore };

	if (!may_lose(d.name, backstore, force))
		return 1;
	backstore_path(backstore, d.path, sizeof(d.path));
	if (!remove_backstore(backstore))
		return 1;
	say_deleted(&d);
	return 0;
}

struct wanted_disk {
	const char *name;
	struct lun lun;
	char backstore[300];
	unsigned int nr_luns, nr_unused;
};

/* By its name, or its place */
static int match_lun(const struct lun *l, void *arg)
{
	struct wanted_disk *w = arg;
	char place[400];

	snprintf(place, sizeof(place), "%s:%s:%s", l->wwn, l->tpgt + 5, l->lun + 4);
	if (strcmp(l->name, w->name) && strcmp(place, w->name))
		return 0;
	w->lun = *l;
	w->nr_luns++;
	return 0;
}

static int match_unused(const char *backstore, void *arg)
{
	struct wanted_disk *w = arg;

	if (strcmp(backstore_name(backstore), w->name) && strcmp(backstore, w->name))
		return 0;
	snprintf(w->backstore, sizeof(w->backstore), "%s", backstore);
	w->nr_unused++;
	return 0;
}

static int delete_disk(const char *name, bool force)
{
	struct wanted_disk w = { .name = name };

	walk_luns(&(struct lun_walk){ match_lun, &w, FABRIC });
	if (!w.nr_luns)
		walk_unused(&(struct backstore_walk){ match_unused, &w });
	if (w.nr_luns > 1)
		return fail("gpadlctl disk delete TARGET:GROUP:LUN, as gpadlctl disk list has them",
			    "there are several disks %s", name);
	if (w.nr_unused > 1)
		return fail("gpadlctl disk delete HBA/NAME, as gpadlctl --json disk list has them",
			    "there are several backstores %s", name);
	if (w.nr_luns)
		return delete_lun(&w.lun, force);
	if (w.nr_unused)
		return delete_unused(w.backstore, force);
	return fail("gpadlctl disk list", "there is no disk %s", name);
}

static int disk_delete(int argc, char **argv)
{
	static const struct option options[] = {
		{ "force", no_argument, NULL, 'f' },
		{}
	};
	bool force = false;
	int c, ret;

	optind = 0;
	while ((c = getopt_long(argc + 1, argv - 1, "", options, NULL)) != -1) {
		if (c == '?')
			return misuse("man gpadlctl", "that is no option of disk delete");
		force = true;
	}
	if (optind != argc)
		return misuse("gpadlctl disk list", "which disk is to be deleted?");
	if (!disks_can_be_seen())
		return 1;
	changes_alone();
	/* Not cut short, which would leave half a disk */
	changes_begin();
	ret = wwn_is_good(argv[optind - 1]) ? delete_target(argv[optind - 1]) :
	      delete_disk(argv[optind - 1], force);
	changes_end();
	return ret;
}

int command_disk(int argc, char **argv)
{
	if (argc && !strcmp(argv[0], "create"))
		return disk_create(argc - 1, argv + 1);
	if (argc && !strcmp(argv[0], "list"))
		return disk_list(argc - 1);
	if (argc && !strcmp(argv[0], "delete"))
		return disk_delete(argc - 1, argv + 1);
	return misuse("gpadlctl disk create|list|delete", "what is to be done with a disk?");
}
