#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the host (L1) of "bench-disk.sh nested": three disks that are null_blk's, in one guest of one
# QEMU, by vmbus_scsi, by vhost-scsi, and by QEMU's own virtio-blk with an iothread. fio in the
# guest uses one after the other.
#
# What happens is counted here, within two seconds in which fio is at work, by kvm in debugfs:
# neither its start nor its end is in there. How many requests these were null_blk knows. Of each
# run there is a line in nested-runs.csv, with the names that it begins with.
#
# shellcheck disable=SC2317 # what await() and expect() call is reachable
# shellcheck disable=SC2154 # demo-lib.sh and demo-qemu-lib.sh set it

. /lib.sh
. /demo-lib.sh
. /target-lib.sh
. /demo-qemu-lib.sh

config=/sys/kernel/config
ways="vhost vmbus blk"
seconds=4		# of each run, of which
window=2		# are looked at
counters="exits hypercalls mmio_exits io_exits halt_exits irq_exits irq_window_exits"
counters="$counters insn_emulation irq_injections halt_wakeup"

# ---- The disks ----

# make_null WAY: a disk of 1 GiB that reads and writes nothing
make_null()
{
	mkdir "$config/nullb/$1"
	echo 1024 >"$config/nullb/$1/size"
	echo "$memory_backed" >"$config/nullb/$1/memory_backed"
	echo 1 >"$config/nullb/$1/power"
	expect "there is a disk" [ -b "/dev/$1" ]
}

make_iblock()
{
	expect "a backstore" mkdir -p "$core/iblock_0/$1"
	echo "udev_path=/dev/$1" >"$core/iblock_0/$1/control"
	echo "/dev/$1" >"$core/iblock_0/$1/udev_path"
	echo 1 >"$core/iblock_0/$1/enable"
}

make_disks()
{
	mount -t configfs configfs $config
	for way in $ways; do
		make_null "$way"
	done
	make_iblock vmbus
	make_iblock vhost
	make_lun 0 iblock_0/vmbus
	fabric=$config/target/vhost
	make_lun 1 iblock_0/vhost
}

remove_disks()
{
	remove_target_of 1
	rmdir "$fabric"
	fabric=$config/target/vmbus
	remove_target_of 0
	rmdir "$fabric" "$core/iblock_0/vmbus" "$core/iblock_0/vhost" "$core/iblock_0"
	for way in $ways; do
		echo 0 >"$config/nullb/$way/power"
		rmdir "$config/nullb/$way"
	done
	umount $config
}

boot_guest()
{
	memory=768M
	subchannels=
	[ "$channels" -eq 0 ] || subchannels=$((channels - 1))
	start_qemu -device "$(disk 0)" \
		-device vhost-scsi-pci,id=vhost,wwpn="$(wwpn_of 1)" \
		-object iothread,id=thread \
		-blockdev driver=host_device,node-name=null,filename=/dev/blk,cache.direct=on,aio=native \
		-device virtio-blk-pci,id=blk,drive=null,iothread=thread
	mark
	await 240 "the guest has three disks" guest_says ready
	since_mark | sed -n 's/^guest: \(.* \(is\|are\) .*\)/\1/p' | while read -r line; do
		tell guest "$line"
	done
	vm=$(echo /sys/kernel/debug/kvm/*-*)
	expect "kvm counts" [ -e "$vm/exits" ]
}

# ---- What is counted ----

# sectors WAY: how many null_blk has read and written. Here and below nothing is started that would
# be counted as well
sectors()
{
	read -r _ _ read _ _ _ written _ <"/sys/block/$1/stat"
	sectors=$((read + written))
}

look()
{
	read -r up _ </proc/uptime
	sectors "$1"
	seen="$up $sectors"
	for counter in $counters; do
		read -r n <"$vm/$counter"
		seen="$seen $n"
	done
	while read -r name n _; do
		[ "$name" != ctxt ] || seen="$seen $n"
	done </proc/stat
}

# run WAY OP BYTES DEPTH JOBS: a line of what is counted for each request, and from end to end
run()
{
	sectors "$1"
	idle=$sectors
	mark
	guest "fio $* $seconds"
	n=0
	until sectors "$1" && [ $((sectors - idle)) -ge $(($3 * 20 / 512)) ]; do
		n=$((n + 1))
		[ $n -lt 600 ] || give_up "fio begins: $*"
		sleep 0.1
	done
	sleep 0.7
	look "$1"
	before=$seen
	sleep $window
	look "$1"
	await 120 "fio ends" guest_says 'fio: '
	said 'fio: ' | { read -r iops irqs ios
		echo "$before $seen" | awk -v run="$(echo "$*" | tr ' ' ,)" -v iops="$iops" \
			-v irqs="$irqs" -v ios="$ios" -v bytes="$3" '{
			half = NF / 2
			requests = ($(2 + half) - $2) * 512 / bytes
			printf "%s,%s,%.0f,%.4f", run, iops,
			       requests / ($(1 + half) - $1), irqs / ios
			for (i = 3; i <= half; i++)
				printf ",%.4f", ($(i + half) - $i) / requests
			print "" }'; } >>/tmp/runs
}

# A line of the table for people
show()
{
	awk -F, '{ for (i = 1; i <= NF; i++) printf "%s%-11s", (i > 1 ? " " : "  "), $i
		   print "" }' >/dev/results
}

# row OP BYTES DEPTH JOBS: one more round of it, and the medians up to this one
row()
{
	for way in $ways; do
		run "$way" "$@"
	done
	tail -n 3 /tmp/runs | result nested-runs.csv
	echo "@@ bench-disk.txt" >/dev/results
	awk -f /bench-disk.awk /tmp/runs | grep "^$(echo "$*" | tr ' ' ,)," | show
	echo "bench: $*" >/dev/kmsg
}

round_of_all()
{
	for jobs in 1 2; do
		for depth in 1 32; do
			for request in randread,4096 randwrite,4096 read,262144 write,262144; do
				set -- "${request%,*}" "${request#*,}" $depth $jobs
				! echo "$* " | grep -q "$rows" || row "$@"
			done
		done
	done
}

read -r rounds memory_backed channels rows </arguments
begin bench-disk
headline "A host, Linux $(uname -r), $(nproc) CPU; a guest of 2, QEMU $(/qemu/bin/qemu-system-x86_64 --version | sed -n 's/.*version \([0-9.]*\).*/\1/p')"
make_disks
boot_guest
echo "way,op,bytes,depth,jobs,iops,iops_seen,interrupts,$(echo "$counters" | tr ' ' ,),switches" |
	result nested-runs.csv
echo "@@ bench-disk.txt" >/dev/results
awk -f /bench-disk.awk </dev/null | show
for n in $(seq "$rounds"); do
	headline "Round $n of $rounds, $(cut -d ' ' -f 1 /proc/uptime) s"
	round_of_all
done
quit_qemu
remove_disks
end
