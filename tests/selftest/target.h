/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's SCSI target, as an operator configures it, and the devices under it.
 *
 * Functions return 0, or a negative errno.
 */
#ifndef _TARGET_H
#define _TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#define TARGET_WWPN	"naa.5001405000000001"
#define TARGET_NEXUS	"naa.5001405000000002"
#define TARGET_TAG	1

/* ---- Backstores: target/core/<kind>_0/<name> ---- */

int target_fileio(const char *name, const char *path, size_t bytes);
int target_iblock(const char *name, const char *path);
int target_iblock_read_only(const char *name, const char *path);
int target_pscsi(const char *name, const char *path, const char *address);
int target_rd_mcp(const char *name, size_t bytes);
int target_rd_nullio(const char *name, size_t bytes);	/* reads and writes nothing */
/* Before it is a LUN */
int target_attribute(const char *kind, const char *name, const char *attribute, const char *value);
int target_remove_backstore(const char *kind, const char *name);

/* ---- The fabric: target/vmbus/ ---- */

int target_create(const char *wwpn, unsigned int tag);
int target_remove(const char *wwpn, unsigned int tag);	/* and all its LUNs */
int target_nexus(const char *wwpn, unsigned int tag, const char *initiator);
int target_reservations(bool allow);	/* of TARGET_WWPN, TARGET_TAG */
int target_add_lun(unsigned int lun, const char *kind, const char *name);
int target_remove_lun(unsigned int lun);
/* ... whose number is written another way: lun_0x1 */
int target_add_lun_dir(const char *dir, const char *kind, const char *name);
int target_remove_lun_dir(const char *dir);
/* ... of portal group @tag of TARGET_WWPN */
int target_reservations_of(unsigned int tag, bool allow);
int target_add_lun_of(unsigned int tag, unsigned int lun, const char *kind, const char *name);

/* ---- Block devices ---- */

int loop_attach(const char *path, char *dev, size_t len);	/* the loop device's name */
int loop_attach_blocks(const char *path, unsigned int block, char *dev, size_t len);
int loop_detach(const char *dev);

/*
 * The disk that scsi_debug emulates: its device's name, and its address, HOST:CHANNEL:TARGET:LUN.
 * -ENODEV if there is none
 */
int scsi_debug_disk(char *dev, size_t dev_len, char *address, size_t address_len);

/* A device-mapper device /dev/<dev> of one target, "linear" or "error" */
int dm_create(const char *name, const char *type, const char *params, __u64 sectors,
	      char *dev, size_t len);
int dm_suspend(const char *name, bool suspend);
int dm_remove(const char *name);

#endif /* _TARGET_H */
