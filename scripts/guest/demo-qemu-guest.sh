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
#	cpu N		take a processor that was plugged in; mem: likewise, memory
#	off		power off

export PATH=/bin:/sbin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp

say()
{
	echo "guest: $*"
}

until_there()
{
	until [ -e "$1" ]; do
		sleep 0.1
	done
}

disks()
{
	for d in /sys/block/sd*; do
		[ ! -e "$d" ] || printf ' %s=%s' "${d##*/}" $(($(cat "$d/size") / 2048))
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
	cpu)	take "/sys/devices/system/cpu/cpu$2/online" 1 "cpu $2" ;;
	mem)	until [ "$(awk '/^MemTotal/ { print $2 }' /proc/meminfo)" -gt "$2" ]; do
			sleep 0.1
		done
		say "has it: memory" ;;
	off)	poweroff -f ;;
	esac
}

echo online >/sys/devices/system/memory/auto_online_blocks
while read -r m; do
	case $m in
	hv_storvsc)	insmod "/ko/$m.ko" storvsc_vcpus_per_sub_channel=1 ;;
	*)		insmod "/ko/$m.ko" ;;
	esac
done </ko/order
say "Linux $(uname -r)"
until_there /dev/sda
say "ready"
while read -r line; do
	# shellcheck disable=SC2086 # words
	obey $line
done
