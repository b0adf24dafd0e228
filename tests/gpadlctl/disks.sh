#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# gpadlctl disk on a copy of a machine (--root) where configfs.c stands for the kernel: what is
# made, what is refused, and that nothing is left half done.
#
#	disks.sh GPADLCTL DIRECTORY	TAP on stdout

# shellcheck disable=SC2317 # ok() calls the functions below

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/gpadlctl/lib.sh
. "$here/lib.sh"

target=$root/sys/kernel/config/target
wwn=naa.5001405000000001
group=$target/vmbus/$wwn/tpgt_1
image=$root/srv/data.img

# fresh NAME COMMAND...: a test on a host that has no disks
fresh()
{
	rm -rf "$root"
	mkdir -p "$target/core/alua/lu_gps" "$root"/{proc,srv} "$root/sys/module/vmbus_scsi"
	echo 'configfs /sys/kernel/config configfs rw,nosuid 0 0' >"$root/proc/mounts"
	touch "$target/version"
	ok "$@"
}

nothing_is_left()
{
	local left

	left=$(find "$target" -mindepth 1 ! -path "$target/core/alua*" ! -path "$target/version" \
		! -path "$target/core" ! -path "$target/vmbus" -print)
	echo "$left"
	[ -z "$left" ]
}

create() { run disk create "$@" --wwn "$wwn" >/dev/null; }

# backstore HBA NAME PATH: by hand, as the kernel shows one of a file
backstore()
{
	mkdir -p "$target/core/$1/$2"
	printf 'Status: DEACTIVATED  Max Queue Depth: 0\n        TCM FILEIO ID: 0        File: %s  Size: 4096  Mode: O_DSYNC Async: 0\n' \
		"$3" >"$target/core/$1/$2/info"
	touch "$target/core/$1/$2/udev_path"
}

# lun_of FABRIC TARGET LUN NAME BACKSTORE: by hand
lun_of()
{
	local lun=$target/$1/$2/tpgt_1/lun/lun_$3

	mkdir -p "$lun/statistics"
	ln -s "$target/core/$5" "$lun/$4"
}

# ---- What is not there ----

# advises NEXT ARGUMENTS...: that next step is among what it says
advises()
{
	local next=$1
	shift
	says "^ +next: $next\$" "$@"
}

# Nothing says that there are no disks
configfs_is_not_mounted()
{
	local text='configfs is not mounted on /sys/kernel/config: no disk can be'

	rm -r "$target"
	echo 'proc /proc proc rw 0 0' >"$root/proc/mounts"
	refuses "$text seen" disk list
	refuses "$text seen" --json disk list
	refuses "$text seen" disk delete data
	refuses "$text made" disk create data --file "$image" --size 1M
	advises 'mount -t configfs none /sys/kernel/config' disk list
	says '^warning +disks +configfs is not mounted on /sys/kernel/config: no disks$' check
	advises 'mount -t configfs none /sys/kernel/config' check
	[ ! -e "$image" ]
	[ -z "$(ls -A "$root/sys/kernel/config")" ]
}

configfs_is_not_loaded()
{
	rm -r "$root/sys/kernel/config"
	: >"$root/proc/mounts"
	says '^There are no disks for VMBus guests.$' disk list
	refuses 'configfs is not loaded: no disk can be made' disk create data --memory 1M
	says '^warning +disks +configfs is not loaded: no disks$' check
	advises 'modprobe configfs; mount -t configfs none /sys/kernel/config' check
}

target_is_not_loaded()
{
	rm -r "$target"
	says '^There are no disks for VMBus guests.$' disk list
	refuses "the kernel's SCSI target is not loaded: no disk can be made" \
		disk create data --memory 1M
	advises 'modprobe target_core_mod' disk create data --memory 1M
	says "^warning +disks +the kernel's SCSI target is not loaded: no disks\$" check
	advises 'modprobe target_core_mod' check
}

fabric_is_not_loaded()
{
	rmdir "$root/sys/module/vmbus_scsi"
	refuses 'vmbus_scsi is not loaded: no disk can be made' disk create data --memory 1M
	advises 'modprobe vmbus_scsi' disk create data --memory 1M
	nothing_is_left
}

# ---- create ----

says_how_to_name_it() { says "--disk $wwn:1\$" disk create data --memory 1M --wwn "$wwn"; }

comes_and_goes()
{
	create data --file "$image" --size 1M
	says "^data +$wwn +1 +0 fileio +$image\$" disk list
	[ -L "$group/lun/lun_0/data" ]
	[ -s "$target/core/fileio_0/data/enable" ]
	says "^Disk data is gone; its data stays in $image.\$" disk delete data
	[ "$(stat -c %s "$image")" = 1048576 ]
	nothing_is_left
}

one_file_two_disks()
{
	create data --file "$image" --size 1M
	ln "$image" "$root/srv/hard.img"
	ln -s "$image" "$root/srv/soft.img"
	refuses "$image is the data of backstore fileio_0/data already" \
		disk create other --file "$image"
	refuses "hard.img is the data of backstore" disk create other --file "$root/srv/hard.img"
	refuses "soft.img is the data of backstore" disk create other --file "$root/srv/soft.img"
	[ ! -e "$target/core/fileio_1" ]
	run disk create other --file "$root/srv/other.img" --size 1M
}

# What a guest knows a disk by, and what the disk knows the guest by
identity() { cat "$target"/core/*/data/wwn/vpd_unit_serial "$group/nexus"; }

# configfs is empty after a reboot
made_again()
{
	local before

	create data --file "$image" --size 1M
	before=$(identity)
	[ "$(wc -l <<<"$before")" -ge 1 ]
	rm -rf "$target/core/fileio_0" "$target/vmbus"
	create data --file "$image"
	[ "$(identity)" = "$before" ]
	# Another disk in its place is another one.
	mv "$target/core/fileio_0/data" "$target/core/fileio_0/gone"
	rm -rf "$target/vmbus"
	run disk create data --file "$root/srv/other.img" --size 1M --wwn "$wwn" --lun 1 >/dev/null
	[ "$(identity)" != "$before" ]
}

# Without, no VMM can have the disk.
lost_nexus()
{
	local before

	create data --file "$image" --size 1M
	before=$(cat "$group/nexus")
	: >"$group/nexus"
	run disk create more --memory 1M --wwn "$wwn" --lun 1 >/dev/null
	[ -n "$before" ]
	[ "$(cat "$group/nexus")" = "$before" ]
}

# The kernel refuses a second one
nexus_of_somebody_else()
{
	create data --file "$image" --size 1M
	echo naa.5001405000000002 >"$group/nexus"
	run disk create more --memory 1M --wwn "$wwn" --lun 1 >/dev/null
	[ "$(cat "$group/nexus")" = naa.5001405000000002 ]
}

# Nobody had to write its path into udev_path, and nobody has to have a logical unit of it
one_file_of_somebody_else()
{
	touch "$image"
	backstore fileio_7 theirs "$image"
	refuses "is the data of backstore fileio_7/theirs already" disk create data --file "$image"
}

# The target would make 2^55 blocks of less than one
too_short()
{
	local bytes

	for bytes in 0 511 512 4095 4097; do
		truncate -s "$bytes" "$image"
		refuses "$image has $bytes bytes, which is no disk" disk create data --file "$image"
		[ "$(stat -c %s "$image")" = "$bytes" ]
		nothing_is_left
	done
	rm "$image"
	misused '100 is no size for a disk' disk create data --file "$image" --size 100
	misused '4097 is no size for a disk' disk create data --file "$image" --size 4097
	misused '100 is no size for a disk in memory' disk create data --memory 100
	misused '5000 is no size for a disk in memory' disk create data --memory 5000
	[ ! -e "$image" ]
	nothing_is_left
}

shortest()
{
	create data --file "$image" --size 4096
	truncate -s 4608 "$root/srv/other.img"
	run disk create other --file "$root/srv/other.img"
	run disk create more --memory 4K
	grep -q 'fd_dev_size=4096$' "$target/core/fileio_0/data/control"
	grep -q 'fd_dev_size=4608$' "$target/core/fileio_1/other/control"
}

undone()
{
	touch "$target/vmbus"
	refuses 'cannot make .*/vmbus' disk create data --file "$image" --size 1M
	rm "$target/vmbus"
	[ ! -e "$image" ]
	nothing_is_left
}

undo_that_fails()
{
	touch "$target/vmbus"
	FAKE_BUSY=/fileio_0 refuses 'core/fileio_0 was made, and cannot be removed: Device or' \
		disk create data --file "$image" --size 1M
}

# Nobody would know its name
not_told()
{
	local status=0

	run disk create --memory 1M >/dev/full || status=$?
	[ "$status" -eq 1 ]
	nothing_is_left
	# A reader that has gone ends it, as any program; not before all is undone
	status=0
	{ sleep 1; env --default-signal=PIPE "$gpadlctl" --root "$root" disk create --memory 1M ||
		echo $? >"$root/status"; } | true || status=$?
	[ "$(cat "$root/status")" -eq 141 ]
	nothing_is_left
}

# What cannot be looked at is not what is not there
not_to_be_looked_at()
{
	touch "$root/srv/file"
	refuses 'cannot look at .*/file/data.img: Not a directory' \
		disk create data --file "$root/srv/file/data.img" --size 1M
	nothing_is_left
}

interrupted_create()
{
	local status=0

	FAKE_SIGNAL=/lun_0 run disk create data --file "$image" --size 1M --wwn "$wwn" || status=$?
	[ "$status" -eq 143 ]
	[ ! -e "$image" ]
	nothing_is_left
}

# One that is ignored does not interrupt
nohup_create()
{
	(
		trap "" TERM
		FAKE_SIGNAL=/lun_0 create data --file "$image" --size 1M
	)
	[ -L "$group/lun/lun_0/data" ]
}

# ---- delete ----

memory_is_to_be_wanted()
{
	create data --memory 1M
	refuses 'the data of data is in memory, and would be gone' disk delete data
	[ -L "$group/lun/lun_0/data" ]
	says '^Disk data is gone, and so is its data, which was in memory.$' \
		disk delete --force data
	nothing_is_left
}

interrupted_delete()
{
	local status=0

	create data --file "$image" --size 1M
	FAKE_SIGNAL=/lun_0 run disk delete data || status=$?
	[ "$status" -eq 143 ]
	nothing_is_left
}

# Two logical units on one backstore, as Documentation/disks.rst makes them
second_lun()
{
	create data --memory 1M
	lun_of vmbus "$wwn" 1 again rd_mcp_0/data
	says 'its data stays: it is that of 1 other logical unit.$' disk delete again
	[ -L "$group/lun/lun_0/data" ]
	run disk delete --force data
	nothing_is_left
}

by_place()
{
	create data --file "$image" --size 1M
	lun_of vmbus "$wwn" 1 data fileio_0/data
	refuses 'there are several disks data' disk delete data
	run disk delete "$wwn:1:1"
	[ -L "$group/lun/lun_0/data" ]
	[ ! -e "$group/lun/lun_1" ]
}

other_fabric()
{
	create data --memory 1M
	lun_of iscsi iqn.2003-01.org.example:a-target-with-a-long-name 0 theirs rd_mcp_0/data
	says '1 other logical unit' disk delete data
	[ -d "$target/core/rd_mcp_0/data" ]
	json 'not d["disks"] and not d["unused"]' disk list
}

unused()
{
	backstore fileio_7 left "$image"
	says "^left +- +- +- fileio +$image \(not in use\)\$" disk list
	json 'd["unused"] == [{"name": "left", "backstore": "fileio_7/left", "path": "'"$image"'"}]' \
		disk list
	refuses 'there is a disk left already' disk create left --memory 1M
	says '^Disk left is gone' disk delete left
	nothing_is_left
}

# Somebody has made more in it: what was begun can be ended later
busy_backstore()
{
	create data --file "$image" --size 1M
	FAKE_BUSY=/fileio_0/data refuses 'cannot remove .*/core/fileio_0/data' disk delete data
	says '^data .*not in use' disk list
	run disk delete data
	nothing_is_left
}

# A portal group that cannot be removed keeps its nexus
busy_group()
{
	local before

	create data --file "$image" --size 1M
	before=$(cat "$group/nexus")
	FAKE_BUSY=/tpgt_1 says "when its VMM has ended, gpadlctl disk delete $wwn\$" \
		disk delete data
	[ "$(cat "$group/nexus")" = "$before" ]
	FAKE_BUSY=/tpgt_1 refuses "$wwn has disks, or a VMM has it" disk delete "$wwn"
	[ "$(cat "$group/nexus")" = "$before" ]
	run disk delete "$wwn"
	nothing_is_left
}

# Who is not root hears that, and not of a VMM
not_root()
{
	create data --file "$image" --size 1M
	FAKE_REFUSED=/lun_0/data says '^  next: run it as root$' disk delete data
	FAKE_BUSY=/tpgt_1 run disk delete data
	FAKE_REFUSED=/tpgt_1 says '^  next: run it as root$' disk delete "$wwn"
	mkdir -p "$group/lun/lun_0"
	FAKE_REFUSED=/lun_0 says '^  next: run it as root$' disk delete "$wwn"
	FAKE_BUSY=/tpgt_1 says '^  next: .*stop the VMM that uses it$' disk delete "$wwn"
	run disk delete "$wwn"
	nothing_is_left
}

# Another tool may have made it
name_that_drives_a_terminal()
{
	backstore fileio_7 $'\033[2Jx' "$image"
	says "^\?\[2Jx {16}- " disk list
	says "^Disk \?\[2Jx is gone" disk delete $'\033[2Jx'
}

# By another tool: gpadlctl itself waits for its turn
lun_meanwhile()
{
	local before

	create data --file "$image" --size 1M
	before=$(cat "$group/nexus")
	FAKE_LUN=/tpgt_1 json 'not d["target_stays"]' disk delete data
	[ -d "$group/lun/lun_7" ]
	[ "$(cat "$group/nexus")" = "$before" ]
}

# What a kill in the middle of create leaves
target_without_disks()
{
	mkdir -p "$group/lun/lun_0/statistics"
	touch "$group/nexus"
	says "^Target $wwn has no disks.\$" disk list
	json 'd["empty_targets"] == ["'"$wwn"'"]' disk list
	says "^Target $wwn is gone.\$" disk delete "$wwn"
	nothing_is_left
}

target_in_json()
{
	mkdir -p "$group/lun"
	touch "$group/nexus"
	json 'd == {"version": 1, "command": "disk delete", "name": "'"$wwn"'"}' disk delete "$wwn"
}

disk_in_json()
{
	create data --file "$image" --size 1M
	json 'd["name"] == "data" and not d["target_stays"] and not d["backstore_stays"]' \
		disk delete data
}

name_of_many_letters()
{
	create data --file "$root/srv/größe-€.img" --size 1M
	json 'd["disks"][0]["path"].endswith("/srv/größe-€.img")' disk list
	says '/srv/größe-€.img$' disk list
}

fresh "configfs is not mounted" configfs_is_not_mounted
fresh "configfs is not loaded" configfs_is_not_loaded
fresh "the SCSI target is not loaded" target_is_not_loaded
fresh "vmbus_scsi is not loaded" fabric_is_not_loaded
fresh "list: none" says '^There are no disks for VMBus guests.$' disk list
fresh "create: what the VMM is to be told" says_how_to_name_it
fresh "create, list, delete: a file" comes_and_goes
fresh "create: a disk that is made again after a reboot is the same one" made_again
fresh "create: a portal group without a nexus gets one" lost_nexus
fresh "create: a nexus that is there stays" nexus_of_somebody_else
fresh "create: one file is not two disks" one_file_two_disks
fresh "create: nor the file of somebody else" one_file_of_somebody_else
fresh "create: what is too short for a disk" too_short
fresh "create: the shortest disks" shortest
fresh "create: nothing is left of one that failed" undone
fresh "create: says what is left" undo_that_fails
fresh "create: nothing is left of one that was interrupted" interrupted_create
fresh "create: nor of one that nobody was told of" not_told
fresh "create: a file that cannot be looked at" not_to_be_looked_at
fresh "create: an ignored signal does not interrupt" nohup_create
fresh "create: no size" misused 'no size' disk create a --file /a --size 10X
fresh "create: nowhere" misused 'where is the data' disk create a
fresh "create: a name that leads elsewhere" misused 'no name' disk create ../a --memory 1M
fresh "create: the name of a target" misused 'no name' disk create "$wwn" --memory 1M
fresh "create: a path with options in it" misused 'cannot take' \
	disk create a --file /a,fd_dev_size=1 --size 1M
fresh "create: no target's name" misused 'no name of a target' disk create a --memory 1M --wwn naa.5
fresh "create: a LUN that no guest can name" misused '255 is none' \
	disk create a --memory 1M --lun 255
fresh "create: a device has its size" misused 'length of a file' \
	disk create a --block /dev/sda --size 1G
fresh "create: no such option" misused 'no option of disk create' disk create a --colour red
fresh "delete: no such disk" refuses 'there is no disk nothing' disk delete nothing
fresh "delete: no such target" refuses "there is no target $wwn" disk delete "$wwn"
fresh "delete: which?" misused 'which disk' disk delete
fresh "delete: data in memory is to be wanted" memory_is_to_be_wanted
fresh "delete: goes on when it is interrupted" interrupted_delete
fresh "delete: one of two logical units of a backstore" second_lun
fresh "delete: by its place" by_place
fresh "delete: a backstore that another fabric has" other_fabric
fresh "delete: a backstore that nobody has" unused
fresh "delete: again, after it failed half way" busy_backstore
fresh "delete: a portal group that a VMM has keeps its nexus" busy_group
fresh "delete: says that it wants root" not_root
fresh "delete: so does one that is not empty any more" lun_meanwhile
fresh "delete: a target without disks" target_without_disks
fresh "delete --json: a target" target_in_json
fresh "delete --json: a disk" disk_in_json
fresh "list: a name that drives a terminal" name_that_drives_a_terminal
fresh "list: a file's name is UTF-8" name_of_many_letters
finish
