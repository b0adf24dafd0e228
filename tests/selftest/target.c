// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <linux/dm-ioctl.h>
#include <linux/loop.h>

#include "target.h"

#define ROOT		"/sys/kernel/config/target"
#define FABRIC		ROOT "/vmbus"

/* ---- Files ---- */

static int write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static ssize_t read_file(const char *path, char *value, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = read(fd, value, size - 1);
	if (len >= 0)
		value[len] = 0;
	close(fd);
	return len;
}

static int make(const char *path)
{
	return mkdir(path, 0755) && errno != EEXIST ? -errno : 0;
}

static int discard(const char *path)
{
	return rmdir(path) ? -errno : 0;
}

/* ---- Backstores ---- */

static int backstore(const char *kind, const char *name, const char *control,
		     const char *udev_path)
{
	char path[256], file[300];
	int ret;

	snprintf(path, sizeof(path), ROOT "/core/%s_0", kind);
	ret = make(path);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), ROOT "/core/%s_0/%s", kind, name);
	ret = make(path);
	snprintf(file, sizeof(file), "%s/control", path);
	ret = ret ?: write_file(file, control);
	snprintf(file, sizeof(file), "%s/udev_path", path);
	if (!ret && udev_path)
		ret = write_file(file, udev_path);
	snprintf(file, sizeof(file), "%s/enable", path);
	return ret ?: write_file(file, "1");
}

int target_fileio(const char *name, const char *path, size_t bytes)
{
	char control[256];

	snprintf(control, sizeof(control), "fd_dev_name=%s,fd_dev_size=%zu", path, bytes);
	return backstore("fileio", name, control, NULL);
}

int target_iblock(const char *name, const char *path)
{
	char control[256];

	snprintf(control, sizeof(control), "udev_path=%s", path);
	return backstore("iblock", name, control, path);
}

int target_iblock_read_only(const char *name, const char *path)
{
	char control[256];

	snprintf(control, sizeof(control), "udev_path=%s,readonly=1", path);
	return backstore("iblock", name, control, path);
}

int target_pscsi(const char *name, const char *path, const char *address)
{
	unsigned int host, channel, target, lun;
	char control[256];

	if (sscanf(address, "%u:%u:%u:%u", &host, &channel, &target, &lun) != 4)
		return -EINVAL;
	snprintf(control, sizeof(control),
		 "scsi_host_id=%u,scsi_channel_id=%u,scsi_target_id=%u,scsi_lun_id=%u", host,
		 channel, target, lun);
	return backstore("pscsi", name, control, path);
}

int target_rd_mcp(const char *name, size_t bytes)
{
	char control[64];

	snprintf(control, sizeof(control), "rd_pages=%zu", bytes / 4096);
	return backstore("rd_mcp", name, control, NULL);
}

int target_rd_nullio(const char *name, size_t bytes)
{
	char control[64];

	snprintf(control, sizeof(control), "rd_pages=%zu,rd_nullio=1", bytes / 4096);
	return backstore("rd_mcp", name, control, NULL);
}

int target_attribute(const char *kind, const char *name, const char *attribute, const char *value)
{
	char path[300];

	snprintf(path, sizeof(path), ROOT "/core/%s_0/%s/attrib/%s", kind, name, attribute);
	return write_file(path, value);
}

int target_remove_backstore(const char *kind, const char *name)
{
	char path[256];
	int ret;

	snprintf(path, sizeof(path), ROOT "/core/%s_0/%s", kind, name);
	ret = discard(path);
	snprintf(path, sizeof(path), ROOT "/core/%s_0", kind);
	rmdir(path);
	return ret;
}

/* ---- The fabric ---- */

int target_create(const char *wwpn, unsigned int tag)
{
	char path[256];
	int ret = make(FABRIC);

	snprintf(path, sizeof(path), FABRIC "/%s", wwpn);
	ret = ret ?: make(path);
	snprintf(path, sizeof(path), FABRIC "/%s/tpgt_%u", wwpn, tag);
	return ret ?: make(path);
}

static int remove_lun(const char *luns, const char *lun)
{
	char path[512], link[800];
	struct dirent *e;
	DIR *dir;
	int ret = 0;

	snprintf(path, sizeof(path), "%s/%s", luns, lun);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((e = readdir(dir))) {
		if (e->d_type != DT_LNK)
			continue;
		snprintf(link, sizeof(link), "%s/%s", path, e->d_name);
		if (unlink(link))
			ret = -errno;
	}
	closedir(dir);
	return ret ?: discard(path);
}

int target_remove(const char *wwpn, unsigned int tag)
{
	char path[256], luns[300];
	struct dirent *e;
	DIR *dir;
	int ret = 0;

	snprintf(path, sizeof(path), FABRIC "/%s/tpgt_%u", wwpn, tag);
	snprintf(luns, sizeof(luns), "%s/lun", path);
	dir = opendir(luns);
	while (dir && (e = readdir(dir)))
		if (!strncmp(e->d_name, "lun_", 4))
			ret = remove_lun(luns, e->d_name) ?: ret;
	if (dir)
		closedir(dir);
	ret = ret ?: discard(path);
	snprintf(path, sizeof(path), FABRIC "/%s", wwpn);
	rmdir(path);
	rmdir(FABRIC);
	return ret;
}

int target_nexus(const char *wwpn, unsigned int tag, const char *initiator)
{
	char path[256];

	snprintf(path, sizeof(path), FABRIC "/%s/tpgt_%u/nexus", wwpn, tag);
	return write_file(path, initiator);
}

int target_reservations_of(unsigned int tag, bool allow)
{
	char path[256];

	snprintf(path, sizeof(path), FABRIC "/" TARGET_WWPN "/tpgt_%u/attrib/reservations", tag);
	return write_file(path, allow ? "1" : "0");
}

int target_reservations(bool allow)
{
	return target_reservations_of(TARGET_TAG, allow);
}

#define LUNS	FABRIC "/" TARGET_WWPN "/tpgt_1/lun"

static int add_lun(unsigned int tag, const char *lun, const char *kind, const char *name)
{
	char path[256], link[300], to[256];
	int ret;

	snprintf(path, sizeof(path), FABRIC "/" TARGET_WWPN "/tpgt_%u/lun/%s", tag, lun);
	ret = make(path);
	snprintf(link, sizeof(link), "%s/%s", path, name);
	snprintf(to, sizeof(to), ROOT "/core/%s_0/%s", kind, name);
	if (!ret && symlink(to, link))
		ret = -errno;
	return ret;
}

int target_add_lun_of(unsigned int tag, unsigned int lun, const char *kind, const char *name)
{
	char dir[32];

	snprintf(dir, sizeof(dir), "lun_%u", lun);
	return add_lun(tag, dir, kind, name);
}

int target_add_lun(unsigned int lun, const char *kind, const char *name)
{
	return target_add_lun_of(TARGET_TAG, lun, kind, name);
}

int target_add_lun_dir(const char *dir, const char *kind, const char *name)
{
	return add_lun(TARGET_TAG, dir, kind, name);
}

int target_remove_lun_dir(const char *dir)
{
	return remove_lun(LUNS, dir);
}

int target_remove_lun(unsigned int lun)
{
	char name[32];

	snprintf(name, sizeof(name), "lun_%u", lun);
	return remove_lun(LUNS, name);
}

/* ---- Block devices ---- */

int loop_attach(const char *path, char *dev, size_t len)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), file, loop, n, ret = 0;

	if (control < 0)
		return -errno;
	n = ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	if (n < 0)
		return -errno;
	snprintf(dev, len, "/dev/loop%d", n);
	file = open(path, O_RDWR | O_CLOEXEC);
	loop = open(dev, O_RDWR | O_CLOEXEC);
	if (file < 0 || loop < 0 || ioctl(loop, LOOP_SET_FD, file))
		ret = -errno;
	close(file);
	close(loop);
	return ret;
}

int loop_attach_blocks(const char *path, unsigned int block, char *dev, size_t len)
{
	int ret = loop_attach(path, dev, len), loop;

	if (ret)
		return ret;
	loop = open(dev, O_RDWR | O_CLOEXEC);
	if (loop < 0 || ioctl(loop, LOOP_SET_BLOCK_SIZE, block))
		ret = -errno;
	close(loop);
	return ret;
}

int loop_detach(const char *dev)
{
	int loop = open(dev, O_RDWR | O_CLOEXEC), ret;

	if (loop < 0)
		return -errno;
	ret = ioctl(loop, LOOP_CLR_FD, 0) ? -errno : 0;
	close(loop);
	return ret;
}

int scsi_debug_disk(char *dev, size_t dev_len, char *address, size_t address_len)
{
	char path[300], link[256], model[32];
	struct dirent *entry;
	int ret = -ENODEV;
	ssize_t len;
	DIR *dir;

	dir = opendir("/sys/block");
	while (dir && ret && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/block/%s/device/model", entry->d_name);
		len = read_file(path, model, sizeof(model));
		if (len < 0 || strncmp(model, "scsi_debug", 10))
			continue;
		snprintf(path, sizeof(path), "/sys/block/%s/device", entry->d_name);
		len = readlink(path, link, sizeof(link) - 1);
		if (len < 0)
			continue;
		link[len] = 0;
		snprintf(dev, dev_len, "/dev/%s", entry->d_name);
		snprintf(address, address_len, "%s", basename(link));
		ret = 0;
	}
	if (dir)
		closedir(dir);
	return ret;
}

struct dm_request {
	struct dm_ioctl dm;
	struct dm_target_spec target;
	char params[256];
};

static int dm_do(unsigned long cmd, const char *name, struct dm_request *r)
{
	int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	r->dm.version[0] = DM_VERSION_MAJOR;
	r->dm.data_size = sizeof(*r);
	r->dm.data_start = offsetof(struct dm_request, target);
	snprintf(r->dm.name, sizeof(r->dm.name), "%s", name);
	ret = ioctl(fd, cmd, r) ? -errno : 0;
	close(fd);
	return ret;
}

int dm_create(const char *name, const char *type, const char *params, __u64 sectors,
	      char *dev, size_t len)
{
	struct dm_request r = {};
	__u64 number;
	int ret;

	ret = dm_do(DM_DEV_CREATE, name, &r);
	if (ret)
		return ret;
	number = r.dm.dev;
	memset(&r, 0, sizeof(r));
	r.dm.target_count = 1;
	r.target.length = sectors;
	snprintf(r.target.target_type, sizeof(r.target.target_type), "%s", type);
	snprintf(r.params, sizeof(r.params), "%s", params);
	ret = dm_do(DM_TABLE_LOAD, name, &r);
	ret = ret ?: dm_suspend(name, false);
	/* devtmpfs names it so. The number has the old encoding. */
	snprintf(dev, len, "/dev/dm-%u", (unsigned int)(number & 0xff));
	return ret;
}

int dm_suspend(const char *name, bool suspend)
{
	struct dm_request r = { .dm.flags = suspend ? DM_SUSPEND_FLAG | DM_NOFLUSH_FLAG |
				DM_SKIP_LOCKFS_FLAG : 0 };

	return dm_do(DM_DEV_SUSPEND, name, &r);
}

int dm_remove(const char *name)
{
	struct dm_request r = {};

	return dm_do(DM_DEV_REMOVE, name, &r);
}
