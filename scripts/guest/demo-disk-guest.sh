#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# PID 1 of a guest (L2) of demo-disk-host.sh: Debian's kernel, its own hv_storvsc, and
# Debian's tools. The kernel's command line tells what for:
#
#	case=disk	partition the disk, make a file system, write, trim; then a LUN that
#			comes and goes
#	case=ack	write, and say what the disk has acknowledged, for ever
#	case=check-N	is all there, up to write N?
#
# It goes on when the host sends a line to the console.

export PATH=/bin:/sbin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
mkdir -p /mnt

say()
{
	echo "guest: $*"
}

# The host hears of what does not happen
must()
{
	"$@" || { say "FAILED: $*"; sleep 1; poweroff -f; }
}

until_there()
{
	until [ -e "$1" ]; do
		sleep 0.1
	done
}

until_gone()
{
	while [ -e "$1" ]; do
		sleep 0.1
	done
}

# about sda: what the kernel knows of it
about()
{
	d=/sys/block/$1
	echo "$(($(cat "$d/size") / 2048)) MiB, $(tr -s ' ' <"$d/device/vendor")$(tr -s ' ' <"$d/device/model")"
}

# Channels of the device that the disk is behind
channels()
{
	d=$(readlink -f /sys/block/sda)
	set -- "${d%%/host*}"/channels/*
	echo $#
}

make_file_system()
{
	printf 'label: gpt\n,,L\n' | must /sbin/sfdisk -q /dev/sda
	until_there /dev/sda1
	must /sbin/mke2fs -q -t ext4 /dev/sda1
	must mount -t ext4 /dev/sda1 /mnt
	say "start $(cat /sys/block/sda/sda1/start)"
	say "a GPT, and ext4 on $(cat /sys/block/sda/sda1/size) sectors"
}

write_files()
{
	must dd if=/dev/urandom of=/mnt/data bs=1M count=24 conv=fsync 2>/tmp/dd
	must cp -r /sbin /mnt/copy
	must umount /mnt
	must mount -t ext4 /dev/sda1 /mnt
	say "sum $(sha256sum </mnt/data)"
	must umount /mnt
	say "unmounted"
}

trim()
{
	must mount -t ext4 /dev/sda1 /mnt
	must rm -r /mnt/data /mnt/copy
	# What was freed and is not committed yet is not free to be trimmed
	sync
	must /sbin/fstrim -v /mnt
	must umount /mnt
	say "trimmed"
}

second_lun()
{
	until_there /dev/sdb
	say "sdb: $(about sdb)"
	must dd if=/dev/urandom of=/tmp/data bs=64k count=16 2>/tmp/dd
	must dd if=/tmp/data of=/dev/sdb bs=64k conv=fsync 2>/tmp/dd
	echo 3 >/proc/sys/vm/drop_caches
	must dd if=/dev/sdb of=/tmp/copy bs=64k count=16 2>/tmp/dd
	must cmp /tmp/data /tmp/copy
	say "sdb has what was written"
	until_gone /sys/block/sdb
	say "sdb is gone"
	# The other one is as before
	must dd if=/dev/sda of=/dev/null bs=1M count=4 iflag=direct 2>/tmp/dd
	say "sda can be read"
}

while read -r m; do
	case $m in
	hv_storvsc)	insmod "/ko/$m.ko" storvsc_vcpus_per_sub_channel=1 ;;
	*)		insmod "/ko/$m.ko" ;;
	esac
done </ko/order
say "Linux $(uname -r)"
until_there /dev/sda
say "sda: $(about sda)"
# One for each processor, as the module was told
until [ "$(channels)" -eq "$(nproc)" ]; do
	sleep 0.1
done
say "channels: $(channels)"

what=$(sed 's/.*case=\([^ ]*\).*/\1/' /proc/cmdline)
case $what in
disk)
	make_file_system
	write_files
	read -r _
	trim
	read -r _
	second_lun
	;;
ack)
	ack write /dev/sda 8388608 512
	;;
check-*)
	must ack check /dev/sda 8388608 512 "${what#check-}"
	;;
esac
say "done"
read -r _
poweroff -f
