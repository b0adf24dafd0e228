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
. /target-lib.sh

wwpn=naa.6001405000000001
nexus=naa.6001405000000002
image=/tmp/disk
image_mib=128

# ---- The target ----

# group_of TAG
group_of() { echo "$fabric/$wwpn/tpgt_$1"; }

make_target()
{
	mount -t configfs configfs /sys/kernel/config
	backstore disk "$image" "$image_mib"
	make_group "$(group_of 1)" "$nexus" fileio_0/disk
	tell host "target $wwpn, portal group 1, LUN 0: a file of $image_mib MiB"
}

remove_target()
{
	remove_group "$(group_of 1)"
	expect "the target goes" rmdir "$fabric/$wwpn"
	rmdir "$fabric"
	expect "the backstore goes" rmdir "$core"/fileio_0/disk
	rmdir "$core"/fileio_0
	umount /sys/kernel/config
	tell host "the target lets go of portal group, target and backstore"
}

# ---- What is seen ----

image_kib() { du -k "$image" | cut -f 1; }
channels_are() { [ "$(grep -vc '^#' /sys/kernel/debug/vmbus_host/endpoints)" -eq "$1" ]; }
fsck() { /sbin/e2fsck -fn "$image?offset=$first" >/tmp/fsck 2>&1; }

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

# start CASE [DISK [DISK]]: a guest of three processors, and a channel of each disk for each
start()
{
	start_vmm "case=$1" --cpus 3 --memory 320 --offer heartbeat \
		--disk "${2:-$wwpn:1},subchannels=2" ${3:+--disk "$3,subchannels=2"} --control /tmp/control
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

# It powers off
guest_is_done()
{
	await 20 "the guest is done" guest_says 'done'
	press_return
	end_vmm 0
	all_gone
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
	add_lun "$(group_of 1)" 1 fileio_0/second
	tell host "adds LUN 1 while the guest runs"
	await 60 "the guest finds it" guest_says 'sdb: '
	tell guest "finds sdb, $(said 'sdb: ')"
	await 60 "the guest uses it" guest_says 'sdb has what was written'
	tell guest "writes it, and reads the same"
	remove_lun "$(group_of 1)" 1
	expect "the second backstore goes" rmdir "$core"/fileio_0/second
	tell host "removes LUN 1"
	await 60 "the guest loses it" guest_says 'sdb is gone'
	await 60 "the guest has the other one" guest_says 'sda can be read'
	tell guest "sdb is gone; sda can be read as before"
	guest_is_done
	tell guest "powers off; nothing is pinned, no partition is left"
}

# The disk is the second device that the VMM was given
unplug_case()
{
	headline "3. The controller is unplugged while the guest writes"
	start unplug
	await 120 "the guest writes" guest_says 'writes'
	echo "unplug 2" >/tmp/control
	tell host "the VMM is asked to unplug the controller, to which four processes write"
	await 120 "the guest loses the disk" guest_says 'sda is gone'
	await 90 "the guest loses the controller" guest_says 'so is its controller'
	tell guest "sda is gone, and so are they, and the controller: nobody waits for ever"
	await 40 "the controller is destroyed" channels_are 1
	echo "plug 2" >/tmp/control
	await 120 "the guest finds it again" guest_says 'sda is there again'
	tell guest "plugged in again, sda can be read"
	guest_is_done
}

killed_case()
{
	headline "2. The VMM is killed while the guest writes"
	start ack
	await 180 "the guest writes" acked_many 600
	kill -9 "$vmm"
	reap 137
	last=$(acknowledged)
	save_logs
	all_gone
	tell host "SIGKILL after write $last; nothing is pinned, no partition is left"
	check_acks "$image" 8388608 "$last"
	tell host "in the image: all that was acknowledged, $last writes"
	start "check-$last"
	await 120 "the guest finds it" guest_says 'done'
	press_return
	end_vmm 0
	tell guest "the next one finds it as well"
}

# ---- fio, and a root ----

# The Debian system, and a disk for fio
make_system()
{
	! has_system_backstore || return 0
	make_system_backstore
	make_group "$(group_of 2)" "$nexus" iblock_0/system
	backstore fio /tmp/fio 64
	make_group "$(group_of 3)" "$nexus" fileio_0/fio
}

remove_system()
{
	has_system_backstore || return 0
	remove_group "$(group_of 2)"
	remove_group "$(group_of 3)"
	expect "the backstore of fio's disk goes" rmdir "$core/fileio_0/fio"
	remove_system_backstore
}

# Its session would not let the nexus go
session_is_gone()
{
	echo NULL >"$(group_of 3)/nexus" 2>/dev/null && echo "$nexus" >"$(group_of 3)/nexus"
}

start_fio() { start "$1" "$wwpn:3" "$wwpn:2"; }

# check_fio: what ack has said is there
check_fio()
{
	last=$(acknowledged)
	expect "fio has found nothing wrong" sh -c "! grep -q '^guest: FAILED' /tmp/console"
	save_logs
	all_gone
	await 40 "the session is gone" session_is_gone
	check_acks /tmp/fio 58720256 "$last"
	tell host "nothing is pinned, the session is gone; all $last acknowledged writes are there"
}

fio_is_killed()
{
	# At another moment each time
	sleep "0.$(head -c 2 /dev/urandom | od -An -tu2 | tr -d " ")"
	kill -9 "$vmm"
	reap 137
	tell host "the VMM is killed"
	check_fio
}

fio_is_reset()
{
	echo reset >/tmp/keyboard
	reap 2
	tell guest "resets itself"
	check_fio
}

# No guest of Linux' gets over that: see Documentation/disks.rst
fio_is_rescinded()
{
	echo "rescind 2" >/tmp/control
	await 40 "the backend has let go, and the guest is told" message 'RESCIND_CHANNELOFFER relid=2$'
	kill -9 "$vmm"
	reap 137
	tell host "the channel is rescinded without a warning; then the VMM is killed"
	check_fio
}

fio_is_unplugged()
{
	press_return
	echo "unplug 2" >/tmp/control
	await 120 "fio and ack end" guest_says 'nobody writes any more'
	await 60 "the controller is destroyed" channels_are 4
	tell host "the controller is unplugged, and plugged in again"
	echo "plug 2" >/tmp/control
	fio_comes_back
}

fio_loses_its_lun()
{
	press_return
	remove_lun "$(group_of 3)" 0
	await 120 "fio and ack end" guest_says 'nobody writes any more'
	await 60 "the guest has no such disk any more" guest_says 'the disk is gone'
	tell host "the LUN is removed, and added again"
	add_lun "$(group_of 3)" 0 fileio_0/fio
	fio_comes_back
}

fio_comes_back()
{
	await 240 "the guest finds it, and all is there" guest_says 'verified once more'
	tell guest "fio: verified once more"
	await 20 "the guest is done" guest_says 'done'
	press_return
	reap 0
	check_fio
}

verify_case()
{
	headline "4. fio writes and verifies, while it is killed, reset, rescinded, unplugged"
	make_system
	case=verify
	set -- fio_is_killed fio_is_reset fio_is_rescinded fio_is_unplugged fio_loses_its_lun
	each=$((seconds / rounds / $#))
	worked=0
	while [ "$rounds" -gt 0 ]; do
		rounds=$((rounds - 1))
		for how; do
			start_fio "$case seconds=$each"
			await $((600 + each)) "fio verifies" guest_says 'verified '
			tell guest "fio: verified $(said 'verified ')"
			worked=$((worked + $(said 'seconds of fio: ')))
			await 120 "the guest writes" acked_many 50
			"$how"
			case=verify-again
		done
	done
	tell guest "fio: $worked seconds in all"
}

root_case()
{
	headline "5. Debian boots from the disk"
	make_system
	run=fio,--name=root,--filename=/var/tmp/fio,--size=8m,--bs=64k,--rw=randwrite
	# An empty line first: getty's prompt may have no end.
	run=$run,--verify=crc32c,--end_fsync=1,\>/tmp/fio,\&\&,echo,\&\&,echo,guest:,fio,verified
	start "root demo.run=$run" "$wwpn:2"
	await 600 "systemd has booted" guest_says 'root is '
	tell guest "systemd has booted; its root is $(said 'root is ')"
	await 300 "fio verifies a file" guest_says 'fio verified'
	tell guest "fio: a file of 8 MiB verifies"
	end_vmm 0
	all_gone
	expect "e2fsck finds nothing" sh -c "/sbin/e2fsck -fn /dev/vda1 >/tmp/fsck 2>&1"
	tell host "powered off; e2fsck -f of the disk finds nothing to mend"
}

begin demo-disk
headline "A host, Linux $(uname -r), with vmbus_scsi; pages pinned: $(pinned_pages)"
make_target
mkfifo /tmp/control
while read -r what rounds seconds; do
	"${what}_case"
done </arguments
remove_system
remove_target
end
