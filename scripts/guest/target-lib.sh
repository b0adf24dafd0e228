# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# Portal groups of the kernel's SCSI target for guests (L2), one for each disk, and whether the
# host lets go of what was a guest's. Sourced after demo-lib.sh. $image_mib is set.
# shellcheck disable=SC2154

core=/sys/kernel/config/target/core
fabric=/sys/kernel/config/target/vmbus

wwpn_of()
{
	echo "naa.600140500000001$1"
}

# make_disk N: the image /tmp/disk-N, behind a portal group of its own
make_disk()
{
	truncate -s "${image_mib}M" "/tmp/disk-$1"
	expect "a backstore" mkdir -p "$core/fileio_0/disk$1"
	echo "fd_dev_name=/tmp/disk-$1,fd_dev_size=$((image_mib * 1048576)),fd_buffered_io=1" \
		>"$core/fileio_0/disk$1/control"
	echo 1 >"$core/fileio_0/disk$1/enable"
	make_group "$1" "fileio_0/disk$1"
}

# make_group N BACKSTORE: a portal group with one LUN
make_group()
{
	group=$fabric/$(wwpn_of "$1")/tpgt_1
	expect "a target" mkdir -p "$group"
	expect "a nexus" sh -c "echo naa.600140500000002$1 >$group/nexus"
	expect "a LUN of the portal group" mkdir -p "$group/lun/lun_0"
	expect "a link to its backstore" ln -s "$core/$2" "$group/lun/lun_0/backstore"
}

# remove_group N: nobody has the portal group any more, or this does not succeed
remove_group()
{
	group=$fabric/$(wwpn_of "$1")/tpgt_1
	rm "$group/lun/lun_0/backstore"
	expect "the LUN goes" rmdir "$group/lun/lun_0"
	expect "the nexus goes" sh -c "echo NULL >$group/nexus"
	expect "the portal group goes" rmdir "$group"
	expect "the target goes" rmdir "${group%/*}"
}

remove_disk()
{
	remove_group "$1"
	expect "the backstore goes" rmdir "$core/fileio_0/disk$1"
}

make_target()
{
	mount -t configfs configfs /sys/kernel/config
	for disk; do
		make_disk "$disk"
	done
}

remove_target()
{
	for disk; do
		remove_disk "$disk"
	done
	rmdir "$fabric"
	rmdir "$core"/fileio_0
	umount /sys/kernel/config
	tell host "the target lets go of portal groups, targets and backstores"
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
