#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# PID 1 of the guest (L2) of bench-disk-host.sh: Debian's kernel, its own drivers and Debian's fio.
# It says "ready" when it has all three disks, and then does what the host says, a line at a time on
# the console:
#
#	fio vmbus|vhost|blk randread|randwrite|read|write BYTES DEPTH JOBS SECONDS
#			answers "fio: REQUESTS-PER-SECOND INTERRUPTS REQUESTS", the latter two of
#			all that fio did

. /l2-lib.sh
begin

# disk_by vmbus|vhost|blk: the disk that the host calls so, by its way
disk_by()
{
	for d in /sys/block/[sv]d*; do
		case $(readlink -f "$d") in
		*/vd*)		way=blk ;;
		*/virtio*)	way=vhost ;;
		*)		way=vmbus ;;
		esac
		[ "$way" != "$1" ] || echo "${d##*/}"
	done
}

# interrupts_of DISK: the hypervisor's, which are VMBus' alone, or those of the virtio device
interrupts_of()
{
	name=$(readlink -f "/sys/block/$1" | sed -n 's,.*/\(virtio[0-9]*\)/.*,\1-req,p')
	awk -v name="${name:-^ *HYP:}" '
		NR == 1 { cpus = NF }
		$0 ~ name { for (i = 2; i < cpus + 2; i++) n += $i }
		END { print n + 0 }' /proc/interrupts
}

# all_interrupts BEFORE: on each processor since then, for those who wonder why
all_interrupts()
{
	awk 'NR == FNR { if (FNR > 1) { one[$1] = $2; other[$1] = $3 }; next }
	     FNR > 1 && $2 + $3 - one[$1] - other[$1] > 50 {
		printf " %s %d + %d,", $1 == "HYP:" ? $1 : $1 $NF, $2 - one[$1], $3 - other[$1]
	     }' "$1" /proc/interrupts
}

# Each job has a part of the disk. Where it runs the scheduler finds
run_fio()
{
	disk=$(disk_by "$1")
	cat /proc/interrupts >/tmp/interrupts
	before=$(interrupts_of "$disk")
	must fio --name=bench --filename="/dev/$disk" --direct=1 --ioengine=libaio --thread \
		--rw="$2" --bs="$3" --iodepth="$4" --numjobs="$5" --group_reporting \
		--norandommap --randrepeat=0 --size=256m --offset_increment=256m \
		--time_based --runtime="$6" --output-format=json --output=/tmp/fio.json
	after=$(interrupts_of "$disk")
	say "of $*:$(all_interrupts /tmp/interrupts)"
	# Of reads and of writes: one of the two is nothing
	say "fio: $(awk -v irqs=$((after - before)) '
		$1 == "\"iops\"" { iops += $3 }
		$1 == "\"total_ios\"" { ios += $3 }
		END { printf "%.0f %d %d", iops, irqs, ios }' /tmp/fio.json)"
}

# The driver as it is by itself
# shellcheck disable=SC2034 # load_drivers'
storvsc=
load_drivers all
for way in vmbus vhost blk; do
	until [ -n "$(disk_by $way)" ]; do
		sleep 0.1
	done
	until_there "/dev/$(disk_by $way)"
	d=/sys/block/$(disk_by $way)
	set -- "$d"/mq/*
	say "$way is ${d##*/}: $# queues of $(cat "$d/queue/nr_requests")," \
		"scheduler $(cat "$d/queue/scheduler")"
done
say "channels of vmbus are interrupted on $(cat /sys/bus/vmbus/devices/*/channels/*/cpu | tr '\n' ' ')"
say "ready"
while read -r what arguments; do
	# shellcheck disable=SC2086 # words
	[ "$what" != fio ] || run_fio $arguments
done
