#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# PID 1 of a guest (L2) of demo-disk-host.sh: Debian's kernel, its own hv_storvsc, and
# Debian's tools. The kernel's command line tells what for:
#
#	case=disk	partition the disk, make a file system, write, trim; then a LUN that
#			comes and goes
#	case=unplug	write until the disk is gone, with its controller; and when it is back
#	case=verify	write by fio, verify, for seconds=N at least; then go on with both
#	case=verify-again	verify first what another guest has written
#	case=root	mount the system that is on the disk, and become it
#	case=ack	write, and say what the disk has acknowledged, for ever
#	case=check-N	is all there, up to write N?
#
# It goes on when the host sends a line to the console.

. /l2-lib.sh
begin

until_gone() { wait_until [ ! -e "$1" ]; }

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

all_channels() { [ "$(channels)" -eq "$(nproc)" ]; }

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

# Writers that go on until the disk refuses
write_for_ever()
{
	for i in 1 2 3 4; do
		while dd if=/dev/zero of=/dev/sda bs=16k count=64 seek=$((i * 100)) \
			conv=notrunc,fsync 2>/dev/null; do
			echo "$i" >>/tmp/written
		done &
	done
}

have_written() { [ "$(wc -l </tmp/written 2>/dev/null || echo 0)" -ge 8 ]; }
no_controller() { [ -z "$(ls /sys/class/scsi_host)" ]; }

unplugged()
{
	# Or dd would make a file of that name when the device is gone
	mount -o remount,bind,ro /dev
	write_for_ever
	wait_until have_written
	say "writes"
	until_gone /sys/block/sda
	# Processes that wait for a disk are in state D, and cannot be waited for
	wait
	say "sda is gone, and so are those who wrote to it"
	wait_until no_controller
	say "so is its controller"
	until_there /dev/sda
	must dd if=/dev/sda of=/dev/null bs=1M count=4 iflag=direct 2>/tmp/dd
	say "sda is there again, and can be read"
}

# ---- fio, which the other disk has: a Debian system ----

mount_fio()
{
	mount_system ro
	system_has bind dev proc sys tmp
	# The job files: fio sees no other directory of this one's
	cp /verify*.fio /tmp
}

# run_fio JOBS [OPTION]...
run_fio()
{
	jobs=$1
	shift
	chroot /system /usr/bin/env -i PATH=/usr/bin \
		DISK="/dev/$(disk_of 64)" fio "$@" --output=/tmp/fio.out "/tmp/$jobs.fio"
}

must_fio()
{
	run_fio "$@" >/tmp/fio.err 2>&1 || {
		tail -n 20 /tmp/fio.err /tmp/fio.out
		say "FAILED: fio $*"
		sleep 1
		poweroff -f
	}
}

written_mib()
{
	echo $(($(sed -n 's/^size=\([0-9]*\)m$/\1/p' /tmp/verify.fio | tr '\n' '+')0))
}

# For ever, or until the disk is taken away: fio, which may not find anything wrong until then, and
# beside it one who says each write
work_on()
{
	ack write "/dev/$(disk_of 64)" 58720256 512 &
	{
		while run_fio verify --do_verify=1 --randrepeat=0 >/tmp/fio.err 2>&1; do
			:
		done
		! grep -q 'verify: bad\|verify failed' /tmp/fio.err /tmp/fio.out ||
			say "FAILED: fio finds it wrong"
	} &
}

up() { cut -d . -f 1 /proc/uptime; }

# Once, and then until fio has been at work for as long as the kernel's command line says
verify_for_long()
{
	begun=$(up)
	if [ "$1" = first ]; then
		must_fio verify --do_verify=1
		what="were written"
	else
		must_fio verify-again
		what="another had written"
	fi
	more=0
	while [ $(($(up) - begun)) -lt "${seconds:-0}" ]; do
		must_fio verify --do_verify=1 --randrepeat=0
		more=$((more + 1))
	done
	say "seconds of fio: $(($(up) - begun))"
	say "verified $(written_mib) MiB that $what, and $more times as many that were written then"
}

verify()
{
	mount_fio
	verify_for_long "$1"
	work_on
	read -r how
	[ "$how" != reset ] || echo b >/proc/sysrq-trigger
	# The disk is taken away
	wait
	say "nobody writes any more"
	while disk_is_there 64; do
		sleep 0.1
	done
	say "the disk is gone"
	wait_until disk_is_there 64
	until_there "/dev/$(disk_of 64)"
	must_fio verify-again
	say "verified once more"
}

load_drivers all
until_there /dev/sda
say "sda: $(about sda)"
# One for each processor, as the module was told
wait_until all_channels
say "channels: $(channels)"

what=$(sed 's/.*case=\([^ ]*\).*/\1/' /proc/cmdline)
case $what in
disk)		make_file_system
		write_files
		read -r _
		trim
		read -r _
		second_lun ;;
unplug)		unplugged ;;
verify)		verify first ;;
verify-again)	verify again ;;
root)		become_system ;;
ack)		ack write /dev/sda 8388608 512 ;;
check-*)	must ack check /dev/sda 8388608 512 "${what#check-}" ;;
esac
say "done"
read -r _
poweroff -f
