#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest of bench-disk.sh: two fabrics of the kernel's SCSI target, and a LUN of the same
# backstore for each, one after the other.
#
#	null	reads and writes nothing: the way there and back alone
#	memory	a disk in memory, which copies
#	block	a block device that does nothing, by iblock

. /lib.sh

target=/sys/kernel/config/target

# backstore KIND NAME CONTROL
backstore()
{
	mkdir -p "$target/core/$1/$2"
	echo "$3" >"$target/core/$1/$2/control"
	case $3 in
	udev_path=*)	echo "${3#*=}" >"$target/core/$1/$2/udev_path" ;;
	esac
	echo 1 >"$target/core/$1/$2/enable"
}

# measure vhost|vmbus|resident NAME: the nexus comes last: no logical unit is news to it
measure()
{
	kind=rd_mcp_0
	[ "$2" != block ] || kind=iblock_0
	fabric=$1
	[ "$fabric" = vhost ] || fabric=vmbus
	group=$target/$fabric/naa.5001405000000001/tpgt_1
	mkdir -p "$group/lun/lun_0"
	ln -s "$target/core/$kind/$2" "$group/lun/lun_0/disk"
	echo naa.5001405000000002 >"$group/nexus"
	say "$1 $2"
	# shellcheck disable=SC2086 # words
	$watched /disk "$1" naa.5001405000000001 "$2" "$(cat /requests)" $profiled \
		>>"/tmp/$1.csv" 2>/tmp/errors || fail "$1 on $2: $(cat /tmp/errors)"
	rm "$group/lun/lun_0/disk"
	rmdir "$group/lun/lun_0"
	# What the process has left is let go of behind its back
	n=0
	until echo NULL >"$group/nexus" 2>/dev/null; do
		n=$((n + 1))
		[ $n -lt 100 ] || { fail "$1: the nexus is kept"; break; }
		sleep 0.1
	done
	rmdir "$group" "${group%/*}"
}

profiled=$(cat /profile)
watched=
if [ -n "$profiled" ]; then
	echo 100000 >/proc/sys/kernel/perf_event_max_sample_rate
	echo 0 >/proc/sys/kernel/perf_cpu_time_max_percent
	watched="perf record -q -a -e cpu-clock -F 25000 -o /tmp/perf.data"
fi
load_all
mount -t configfs configfs /sys/kernel/config
backstore rd_mcp_0 null rd_pages=8192,rd_nullio=1
backstore rd_mcp_0 memory rd_pages=8192
backstore iblock_0 block udev_path=/dev/nullb0
for peer in vhost vmbus resident; do
	while read -r store; do
		measure $peer "$store"
	done </stores
	[ -z "$profiled" ] ||
		perf report -i /tmp/perf.data --stdio -s dso,sym --percent-limit 0.2 2>/dev/null |
			result $peer.profile
	result $peer.csv </tmp/$peer.csv
done
rmdir $target/vhost $target/vmbus
rmdir $target/core/rd_mcp_0/null $target/core/rd_mcp_0/memory $target/core/iblock_0/block
rmdir $target/core/rd_mcp_0 $target/core/iblock_0
umount /sys/kernel/config
unload_all
check_pins "after the benchmark"

exit $failed
