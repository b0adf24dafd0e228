#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: load the modules, run each program of /tests as root, send what
# it says, unload the modules. After each program nothing may be pinned. SUITE, on the
# kernel's command line, is where they come from: selftest, iommu or fault.

. /lib.sh

# A file system whose files are page cache that is written back, for the tests
# of memory on a regular file: they find it at /mnt
regular_file_system()
{
	while read -r m; do
		case $m in
		# A disk of 8 MiB that keeps protection information
		scsi_debug) insmod "/fs/$m.ko" dif=1 dix=1 ;;
		*)	insmod "/fs/$m.ko" ;;
		esac
	done </fs/order
	truncate -s 64M /tmp/disk &&
		mke2fs -F /tmp/disk >/dev/null &&
		mount -t ext2 -o loop /tmp/disk /mnt &&
		chmod 1777 /mnt
}

mkdir -p /mnt
regular_file_system || fail "no file system on /mnt"
# Tests of disks configure the target themselves
mount -t configfs configfs /sys/kernel/config || fail "no configfs"
# What is allocated is to fail
[ "$SUITE" != fault ] || spare_no_allocation

load_all

if [ "$SUITE" = selftest ]; then
	# Until a test unloads the modules every event is traced, then none
	echo 1 >/sys/kernel/tracing/events/vmbus_gpadl/enable
	echo 1 >/sys/kernel/tracing/events/vmbus_host/enable
fi

run_programs

# The page for operators; only where there is a target
[ "$SUITE" != selftest ] || [ ! -d /sys/module/vmbus_scsi ] ||
	sh -ex /disks.sh >/tmp/output 2>&1 ||
	{ cat /tmp/output >/dev/kmsg; fail "what Documentation/disks.rst says"; }

# A kernel that looks for leaks finds them while the modules are there, and after
[ -e /sys/kernel/debug/kmemleak ] || LEAKS=0
end_clean

exit $failed
