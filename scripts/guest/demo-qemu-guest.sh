#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# PID 1 of a guest (L2) of demo-qemu-host.sh: Debian's kernel, its own drivers. It does what
# the host says, a line at a time on the console:
#
#	ack DISK	write, and say what the disk has acknowledged, until the next line
#	stop		stop that
#	check DISK N	is all there, up to write N?
#	disks		which there are
#	fill DISK	write 1 MiB of 0xaa to its beginning
#	fio MIB		fio, that of the Debian system on another disk, writes to the disk of that
#			size and verifies, round after round, for ever
#	sg3 MIB		sg3-utils, those of that system as well, ask the disk of that size
#	cpu N		take a processor that was plugged in; mem: likewise, memory
#	uio N		a device that only uio_hv_generic drives, and N sub-channels of it
#	busy DISK N	N times unbind and bind the drivers of the disk, and of the heartbeat
#	offline N	take a processor away, and give it back; the kernel may refuse
#	kexec		begin anew with another kernel
#	kdump		load a crash kernel; panic: panic
#	post WHAT [TYPE TYPE]	messages that no kernel posts (tests/nested/guest), for the
#			channels of these interface types
#	off		power off
#
# With case=root on the kernel's command line it becomes the Debian system that is on the disk. As
# a crash kernel it dumps.

. /l2-lib.sh
begin

disks()
{
	for d in /sys/block/sd*; do
		# It may go while this looks
		sectors=$(cat "$d/size" 2>/dev/null) || continue
		printf ' %s=%s' "${d##*/}" $((sectors / 2048))
	done
}

stop_writing()
{
	[ -z "$writer" ] || { kill "$writer"; wait "$writer"; } 2>/dev/null
	writer=
}

# What was plugged in is there when ACPI has told, and is not used before it is taken
take()
{
	until_there "$1"
	[ "$(cat "$1")" = "$2" ] || echo "$2" >"$1"
	say "has it: $3"
}

# ---- The Debian system on a disk ----

# What it has written it verifies soon, and goes on
fio_rounds()
{
	n=0
	while chroot /system /usr/bin/fio --name=rounds --filename="/dev/$1" --direct=1 \
		--ioengine=libaio --iodepth=8 --rw=randwrite --bsrange=4k-64k --offset=16m \
		--size=8m --randrepeat=0 --verify=crc32c --verify_fatal=1 --verify_backlog=32 \
		--eta=never --output=/dev/null; do
		n=$((n + 1))
		say "fio: $n"
	done
	say "FAILED: fio"
}

# What the kernel says would stand in the middle of it
ask_by_sg3()
{
	wait_until disk_is_there "$1"
	until_there "/dev/$(disk_of "$1")"
	dmesg -n 1
	echo "sg3 begins"
	chroot /system sh /tmp/sg3.sh "/dev/$(disk_of "$1")"
	echo "sg3 ends"
	dmesg -n 7
}

# ---- A device without a driver ----

crc_type=0d6b8c5e-2f41-4c7a-9e13-605ad2884b97
heartbeat_type=57164f39-9115-4e78-ab55-382f3bd5422d

relid_of() { cat "$vmbus/devices/$(device_of "$1")/id"; }

use_uio()
{
	[ -d $vmbus/drivers/uio_hv_generic ] || {
		insmod /ko/uio.ko
		insmod /ko/uio_hv_generic.ko
	} 2>/dev/null
	bind_uio $crc_type
	if crc "$instance" "$1"; then say "uio: done"; else say "FAILED: crc"; fi
	echo "$crc_type" >$vmbus/drivers/uio_hv_generic/remove_id
	echo "$instance" >$vmbus/drivers/uio_hv_generic/unbind
	say "uio: unbound"
}

# ---- Drivers that come and go ----

# rebind DRIVER INSTANCE
rebind()
{
	echo "$2" >"$vmbus/drivers/$1/unbind"
	[ ! -e "$vmbus/devices/$2/driver" ] || say "FAILED: $1 is bound"
	echo "$2" >"$vmbus/drivers/$1/bind"
}

# busy DISK N
busy()
{
	path=$(readlink -f "/sys/block/$1/device")
	path=${path%%/host[0-9]*}
	for _ in $(seq "$2"); do
		rebind hv_storvsc "${path##*/}"
		until set -- "$path"/host*/target*/*/block/* && [ -e "$1" ]; do
			sleep 0.1
		done
		# Its name is there a moment before it can be opened
		until dd if="/dev/${1##*/}" of=/dev/null bs=64k count=16 2>/tmp/dd; do
			sleep 0.1
		done
		rebind hv_utils "$(device_of "$heartbeat_type")"
	done
	say "busy: done"
}

# Channels that are bound to it go to another one first: the kernel refuses otherwise
offline()
{
	for target in /sys/bus/vmbus/devices/*/channels/*/cpu; do
		[ "$(cat "$target")" != "$1" ] || echo 0 >"$target"
	done 2>/tmp/retarget
	cpu=/sys/devices/system/cpu/cpu$1/online
	if echo 0 >"$cpu"; then say "offline: and back"; else say "offline: refused"; fi 2>/tmp/offline
	[ "$(cat "$cpu")" = 1 ] || echo 1 >"$cpu"
}

# ---- Another kernel ----

# The drivers are shut down as at a reboot, and the VMBus is unloaded
begin_anew()
{
	kexec -l -s /crash/vmlinuz --initrd=/crash/initramfs \
		--append="console=ttyS0 panic=-1 noxsave" && kexec -e
	say "FAILED: kexec"
}

# ---- Panic ----

load_crash_kernel()
{
	kexec -p -s /crash/vmlinuz --initrd=/crash/initramfs \
		--append="console=ttyS0 panic=-1 noxsave nr_cpus=1"
	[ "$(cat /sys/kernel/kexec_crash_loaded)" = 1 ] && say "kdump: loaded"
}

# The crash kernel has a disk: some of the dump goes there
dump()
{
	say "kdump: the crash kernel runs"
	until_there /dev/sda
	dd if=/proc/vmcore of=/dev/sda bs=1M count=4 seek=32 oflag=direct 2>/tmp/dd &&
		say "kdump: dumped $(stat -c %s /proc/vmcore)"
	read -r _
	poweroff -f
}

writer=
obey()
{
	case $1 in
	ack)	until_there "/dev/$2"
		ack write "/dev/$2" 8388608 512 &
		writer=$! ;;
	stop)	stop_writing
		say "stopped" ;;
	check)	until_there "/dev/$2"
		if ack check "/dev/$2" 8388608 512 "$3"; then say "checked"; else say "FAILED: check"; fi ;;
	disks)	say "disks:$(disks)" ;;
	fill)	until_there "/dev/$2"
		head -c 1048576 /dev/zero | tr '\0' '\252' >/tmp/filled
		dd if=/tmp/filled of="/dev/$2" bs=64k oflag=direct 2>/tmp/dd && say "filled" ;;
	fio)	mount_system ro
		system_has bind dev proc sys
		fio_rounds "$(disk_of "$2")" & ;;
	sg3)	[ -d /system/proc/1 ] || {
			mount_system ro
			system_has bind dev proc sys tmp
			cp /sg3.sh /tmp
		}
		ask_by_sg3 "$2" ;;
	cpu)	take "/sys/devices/system/cpu/cpu$2/online" 1 "cpu $2" ;;
	mem)	until [ "$(awk '/^MemTotal/ { print $2 }' /proc/meminfo)" -gt "$2" ]; do
			sleep 0.1
		done
		say "has it: memory" ;;
	uio)	use_uio "$2" ;;
	busy)	busy "$2" "$3" ;;
	offline)	offline "$2" ;;
	kexec)	begin_anew ;;
	kdump)	load_crash_kernel ;;
	post)	insmod /hostile.ko "what=$2" ${3:+"relid=$(relid_of "$3"),$(relid_of "$4")"} 2>/dev/null
		say "posted" ;;
	panic)	echo c >/proc/sysrq-trigger ;;
	off)	poweroff -f ;;
	esac
}

echo online >/sys/devices/system/memory/auto_online_blocks
load_drivers uio
[ ! -e /proc/vmcore ] || dump
! grep -q case=root /proc/cmdline || become_system
until_there /dev/sda
say "ready"
while read -r line; do
	# shellcheck disable=SC2086 # words
	obey $line
done
