/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's SCSI target, as configfs shows it: what disk.c and disk_create.c share.
 *
 *	/sys/kernel/config/target/core/fileio_0/NAME		a backstore: what the data is in
 *	/sys/kernel/config/target/vmbus/naa.<16 digits>/tpgt_1/	what the VMM names
 *		nexus, lun/lun_0/NAME -> core/fileio_0/NAME
 *
 * Other fabrics (iSCSI and so on) look the same below their own names.
 */
#ifndef _GPADLCTL_TARGET_H
#define _GPADLCTL_TARGET_H

#include <dirent.h>

#include "gpadlctl.h"

#define CONFIGFS	"/sys/kernel/config"
#define TARGET		CONFIGFS "/target"
#define FABRIC		"vmbus"
#define NAME_MAX_LEN	64	/* of what gpadlctl makes */
#define PATH_LEN	480

/* ---- Steps, and what they made, to be undone if something fails later ---- */

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

/* Each says itself what is wrong, and returns whether it is done. */
bool step_failed(const char *what, const char *path);
bool step_dir(struct made *made, const char *path, bool may_exist);
bool step_link(struct made *made, const char *target, const char *path);
bool step_write(const char *path, const char *text);
void made_add(struct made *made, enum made_kind kind, const char *path);
void made_undo(struct made *made);

/* Until the end of the process, no other gpadlctl makes a disk. */
void changes_alone(void);
/* Until changes_end(), a signal that ends programs waits. */
void changes_begin(void);
bool changes_interrupted(void);
void changes_end(void);

/* ---- What there is ---- */

/* Why there is no directory of the target */
struct target_missing {
	const char *text, *next;
	bool is_hidden;		/* the target may be there all the same, with disks */
};

/* NULL if there is one */
const struct target_missing *target_missing(void);

struct lun {
	char fabric[32], wwn[256], tpgt[32], lun[32], name[256];
	char backstore[300];	/* behind core/ */
};

/* The directory that has targets, portal groups, logical units, links */
enum lun_level { LEVEL_FABRICS, LEVEL_TARGETS, LEVEL_GROUPS, LEVEL_LUNS, LEVEL_LINKS };
DIR *open_level(const struct lun *lun, enum lun_level level);

/* @fn ends a walk by returning something else than 0. */
struct lun_walk {
	int (*fn)(const struct lun *lun, void *arg);
	void *arg;
	const char *fabric;	/* NULL: all */
};

struct backstore_walk {
	int (*fn)(const char *backstore, void *arg);
	void *arg;
};

void walk_luns(const struct lun_walk *walk);
/* Those that no logical unit of any fabric has */
void walk_unused(const struct backstore_walk *walk);
void walk_backstores(const struct backstore_walk *walk);
/* How many logical units, of all fabrics, have it */
unsigned int backstore_users(const char *backstore);
/* Of "rd_mcp_0/name": 6, that of "rd_mcp" */
int backstore_kind(const char *backstore);
bool backstore_is_in_memory(const char *backstore);
const char *backstore_name(const char *backstore);
/* The file or the device; "" if it has none, or none is known */
void backstore_path(const char *backstore, char *to, size_t size);
bool wwn_is_good(const char *wwn);

/* ---- disk_create.c ---- */

int disk_create(int argc, char **argv);

#endif /* _GPADLCTL_TARGET_H */
