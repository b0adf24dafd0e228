# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# The kernel's SCSI target, for guests (L2): where it is configured, and a backstore of the Debian
# system that QEMU gives this machine. Sourced after demo-lib.sh.
# shellcheck disable=SC2034

core=/sys/kernel/config/target/core
fabric=/sys/kernel/config/target/vmbus

make_system_backstore()
{
	expect "there is a disk with a system" [ -b /dev/vda ]
	expect "a backstore of it" mkdir -p "$core/iblock_0/system"
	echo "udev_path=/dev/vda" >"$core/iblock_0/system/control"
	echo /dev/vda >"$core/iblock_0/system/udev_path"
	echo 1 >"$core/iblock_0/system/enable"
}

has_system_backstore()
{
	[ -e "$core/iblock_0/system" ]
}

# Nobody has it any more, or this does not succeed
remove_system_backstore()
{
	expect "the backstore of the system goes" rmdir "$core/iblock_0/system"
	rmdir "$core"/iblock_0
}
