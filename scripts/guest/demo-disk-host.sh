#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the host (L1) of the disk's demo: a portal group of the kernel's SCSI target, and guests
# that have a disk of it by their own hv_storvsc.
#
# Besides what demo-lib.sh looks at, things are seen in
#
#	/tmp/disk		the image, by e2fsck, mounted, and by its length
#	configfs		whether the target lets go of what was a guest's
#	/proc/vmstat		pages pinned in the whole machine
#
# shellcheck disable=SC2317 # what await() and expect() call is reachable

. /lib.sh
. /demo-lib.sh

log_as_well events
core=/sys/kernel/config/target/core
fabric=/sys/kernel/config/target/vmbus
wwpn=naa.6001405000000001
nexus=naa.6001405000000002
group=$fabric/$wwpn/tpgt_1
image=/tmp/disk
image_mib=128

# ---- The target ----

# backstore NAME FILE MIB: a file; what the guest discards is cut out of it
backstore()
{
	truncate -s "$3M" "$2"
	expect "a backstore" mkdir -p "$core/fileio_0/$1"
	echo "fd_dev_name=$2,fd_dev_size=$(($3 * 1048576)),fd_buffered_io=1" \
		>"$core/fileio_0/$1/control"
	echo 1 >"$core/fileio_0/$1/enable"
	echo 1 >"$core/fileio_0/$1/attrib/emulate_tpu"
	echo "$1" >"$core/fileio_0/$1/wwn/vpd_unit_serial"
	expect "discards are taken" [ "$(cat "$core/fileio_0/$1/attrib/emulate_tpu")" = 1 ]
}

add_lun()
{
	expect "LUN $1 of the portal group" mkdir -p "$group/lun/lun_$1"
	expect "a link to its backstore" ln -s "$core/$2" "$group/lun/lun_$1/backstore"
}

remove_lun()
{
	rm "$group/lun/lun_$1/backstore"
	expect "LUN $1 goes" rmdir "$group/lun/lun_$1"
}

make_target()
{
	mount -t configfs configfs /sys/kernel/config
	backstore disk "$image" "$image_mib"
	expect "a target" mkdir -p "$group"
	expect "a nexus" sh -c "echo $nexus >$group/nexus"
	add_lun 0 fileio_0/disk
	tell host "target $wwpn, portal group 1, LUN 0: a file of $image_mib MiB"
}

# Nobody has the portal group any more, or this does not succeed
remove_target()
{
	remove_lun 0
	expect "the nexus goes" sh -c "echo NULL >$group/nexus"
	expect "the portal group goes" rmdir "$group"
	expect "the target goes" rmdir "${group%/*}"
	rmdir "$fabric"
	expect "the backstore goes" rmdir "$core"/fileio_0/disk
	rmdir "$core"/fileio_0
	umount /sys/kernel/config
	tell host "the target lets go of portal group, target and backstore"
}

# ---- What is seen ----

# said PATTERN: what the guest says behind it
said()
{
	sed -n "s/^guest: $1//p" /tmp/console | tr -d '\r' | tail -n 1
}

guest_says()
{
	! console '^guest: FAILED' || give_up "$(sed -n 's/^guest: FAILED: //p' /tmp/console)"
	console "^guest: $1"
}

heard()
{
	[ "$(grep -c "$2" /tmp/messages)" -ge "$1" ]
}

image_kib()
{
	du -k "$image" | cut -f 1
}

nothing_pinned()
{
	[ "$(pinned_pages)" -eq 0 ]
}

no_partition()
{
	[ -z "$(ls /sys/kernel/debug/vmbus_gpadl)" ]
}

all_gone()
{
	await 40 "nothing stays pinned" nothing_pinned
	await 40 "the partition goes" no_partition
}

fsck()
{
	/sbin/e2fsck -fn "$image?offset=$first" >/tmp/fsck 2>&1
}

sum_of_data()
{
	mkdir -p /tmp/mnt
	loop=$(losetup -f)
	losetup -r -o "$first" "$loop" "$image" &&
		mount -t ext4 -o ro "$loop" /tmp/mnt || return 1
	sha256sum </tmp/mnt/data
	umount /tmp/mnt
	losetup -d "$loop"
}

# ---- The story ----

# start CASE: a guest of three processors, for sub-channels
start()
{
	start_vmm "case=$1" --cpus 3 --memory 320 --offer heartbeat \
		--disk "$wwpn:1"
	await 180 "the guest has a disk" guest_says 'channels: '
}

tell_disk()
{
	tell guest "Linux $(said 'Linux '), its own hv_storvsc: sda, $(said 'sda: ')"
	expect "the disk has as many MiB as the image" [ "$(said 'sda: ' | cut -d ' ' -f 1)" -eq "$image_mib" ]
	expect "two sub-channels were offered" heard 2 'OFFERCHANNEL .*sub-channel='
	await 40 "three channels are open" heard 3 'OPENCHANNEL_RESULT relid=[2-9]* status=0'
	tell guest "opens $(said 'channels: ') channels for it, two of them sub-channels"
}

disk_case()
{
	headline "1. A disk, a file system, a LUN that comes and goes"
	start disk
	tell_disk
	await 120 "a file system" guest_says 'a GPT'
	first=$(($(said 'start ') * 512))
	tell guest "sfdisk, mke2fs: a GPT$(said 'a GPT')"
	await 240 "the guest unmounts" guest_says 'unmounted'
	sum=$(said 'sum ')
	tell guest "writes 24 MiB with fsync and some files, reads them again, unmounts"
	expect "e2fsck finds nothing" fsck
	tell host "e2fsck -f of the image finds nothing to mend"
	expect "the file is what the guest wrote" [ "$(sum_of_data)" = "$sum" ]
	tell host "the file has the sum that the guest said: $(echo "$sum" | cut -c 1-16)..."

	before=$(image_kib)
	press_return
	await 120 "the guest trims" guest_says 'trimmed'
	after=$(image_kib)
	expect "space comes back: $before KiB, then $after" [ "$after" -lt $((before - 24000)) ]
	tell guest "removes the files, fstrim: the image shrinks from $before to $after KiB"
	expect "e2fsck finds nothing" fsck

	press_return
	backstore second /tmp/second 16
	add_lun 1 fileio_0/second
	tell host "adds LUN 1 while the guest runs"
	await 60 "the guest finds it" guest_says 'sdb: '
	tell guest "finds sdb, $(said 'sdb: ')"
	await 60 "the guest uses it" guest_says 'sdb has what was written'
	tell guest "writes it, and reads the same"
	remove_lun 1
	expect "the second backstore goes" rmdir "$core"/fileio_0/second
	tell host "removes LUN 1"
	await 60 "the guest loses it" guest_says 'sdb is gone'
	await 60 "the guest has the other one" guest_says 'sda can be read'
	tell guest "sdb is gone; sda can be read as before"
	await 20 "the guest is done" guest_says 'done'
	press_return
	end_vmm 0
	all_gone
	tell guest "powers off; nothing is pinned, no partition is left"
}

acknowledged()
{
	# A whole line: the VMM may have been killed in the middle of one
	sed -n 's/^ack \([0-9]*\)\r$/\1/p' /tmp/console | tail -n 1
}

acked_many()
{
	[ "$(acknowledged)" -ge "$1" ] 2>/dev/null
}

check_acks()
{
	expect "what was acknowledged is in the image" \
		/ack check "$image" 8388608 512 "$1"
	tell host "in the image: all that was acknowledged, $1 writes"
}

killed_case()
{
	headline "2. The VMM is killed while the guest writes"
	start ack
	await 180 "the guest writes" acked_many 600
	kill -9 "$vmm"
	wait "$vmm"
	status=$? vmm=
	expect "the VMM dies of SIGKILL and not with status $status" [ "$status" -eq 137 ]
	last=$(acknowledged)
	save_logs
	all_gone
	tell host "SIGKILL after write $last; nothing is pinned, no partition is left"
	check_acks "$last"
	start "check-$last"
	await 120 "the guest finds it" guest_says 'done'
	press_return
	end_vmm 0
	tell guest "the next one finds it as well"
}

echo "@@ demo-disk.txt" >/dev/results
load_kvm
load_all
headline "A host, Linux $(uname -r), with vmbus_scsi; pages pinned: $(pinned_pages)"
make_target
while read -r what; do
	"${what}_case"
done </arguments
remove_target
unload_all
check_pins "after the modules are gone"
[ "$failed" -eq 0 ] || finish
headline "All of this happened."
finish
