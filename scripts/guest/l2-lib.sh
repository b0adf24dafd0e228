# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# What the guests (L2) of the demos of disks share: begin, say, wait, and the Debian system that
# another disk has. The host looks for lines that begin with "guest: ".

begin()
{
	export PATH=/bin:/sbin
	/bin/busybox --install -s /bin
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mount -t devtmpfs devtmpfs /dev
	mount -t tmpfs tmpfs /tmp
	mkdir -p /mnt
}

say() { echo "guest: $*"; }

# The host hears of what does not happen
must() { "$@" || { say "FAILED: $*"; sleep 1; poweroff -f; }; }

# wait_until COMMAND...
wait_until()
{
	until "$@"; do
		sleep 0.1
	done
}

until_there() { wait_until [ -e "$1" ]; }

# ---- VMBus devices ----

vmbus=/sys/bus/vmbus

# device_of TYPE: the one of that interface type
device_of()
{
	for d in "$vmbus"/devices/*; do
		[ "$(cat "$d/class_id")" != "{$1}" ] || echo "${d##*/}"
	done
}

# bind_uio TYPE: uio_hv_generic drives the device of that type, as soon as it is there. Sets instance,
# and uio to the file that it is used by
bind_uio()
{
	until instance=$(device_of "$1") && [ -n "$instance" ]; do
		sleep 0.1
	done
	echo "$1" >$vmbus/drivers/uio_hv_generic/new_id
	until set -- "$vmbus/devices/$instance"/uio/uio* && [ -e "$1" ]; do
		sleep 0.1
	done
	# shellcheck disable=SC2034 # for who has called it
	uio=/dev/${1##*/}
}

# load_drivers all, or those that wait: their names begin with that. A disk's queue as for a channel
# for each processor, if storvsc= does not tell other parameters
load_drivers()
{
	while read -r m; do
		# shellcheck disable=SC2086 # nothing, or words
		case $m in
		"$1"*)	;;
		hv_storvsc)	insmod "/ko/$m.ko" ${storvsc-storvsc_vcpus_per_sub_channel=1} ;;
		*)		insmod "/ko/$m.ko" ;;
		esac
	done </ko/order
	say "Linux $(uname -r)"
}

# disk_of MIB: the one of that size
disk_of()
{
	for d in /sys/block/sd*; do
		[ ! -e "$d" ] || [ "$(cat "$d/size")" -ne $(($1 * 2048)) ] || echo "${d##*/}"
	done
}

disk_is_there() { [ -n "$(disk_of "$1")" ]; }

# mount_system OPTIONS: the Debian system is the disk of 1 GiB
mount_system()
{
	wait_until disk_is_there 1024
	until_there "/dev/$(disk_of 1024)1"
	mkdir -p /system
	must mount -t ext4 -o "$1" "/dev/$(disk_of 1024)1" /system
}

# system_has bind | move DIRECTORY...: these of ours
system_has()
{
	how=$1
	shift
	for d; do
		must mount "--$how" "/$d" "/system/$d"
	done
}

become_system()
{
	mount_system rw
	system_has move dev proc sys
	exec switch_root /system /sbin/init
}
