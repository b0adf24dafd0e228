# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# The kernel's SCSI target, for guests (L2), a backstore of the Debian system that QEMU gives this
# machine, and what the guests say. Sourced after demo-lib.sh.
# shellcheck disable=SC2034,SC2154,SC2317 # demo-lib.sh's, and what await() and expect() call

core=/sys/kernel/config/target/core
fabric=/sys/kernel/config/target/vmbus

# ---- The target ----

# make_backstore NAME FILE MIB: of that file
make_backstore()
{
	truncate -s "$3M" "$2"
	expect "a backstore" mkdir -p "$core/fileio_0/$1"
	echo "fd_dev_name=$2,fd_dev_size=$(($3 * 1048576)),fd_buffered_io=1" \
		>"$core/fileio_0/$1/control"
	echo 1 >"$core/fileio_0/$1/enable"
}

# backstore NAME FILE MIB: a file; what the guest discards is cut out of it
backstore()
{
	make_backstore "$@"
	echo 1 >"$core/fileio_0/$1/attrib/emulate_tpu"
	echo "$1" >"$core/fileio_0/$1/wwn/vpd_unit_serial"
	expect "discards are taken" [ "$(cat "$core/fileio_0/$1/attrib/emulate_tpu")" = 1 ]
}

# add_lun GROUP N BACKSTORE
add_lun()
{
	expect "LUN $2 of the portal group" mkdir -p "$1/lun/lun_$2"
	expect "a link to its backstore" ln -s "$core/$3" "$1/lun/lun_$2/backstore"
}

# remove_lun GROUP N
remove_lun()
{
	rm "$1/lun/lun_$2/backstore"
	expect "LUN $2 goes" rmdir "$1/lun/lun_$2"
}

# make_group GROUP NEXUS BACKSTORE: a portal group with one LUN
make_group()
{
	expect "a portal group" mkdir -p "$1"
	expect "a nexus" sh -c "echo $2 >$1/nexus"
	add_lun "$1" 0 "$3"
}

# remove_group GROUP: nobody has it any more, or this does not succeed
remove_group()
{
	remove_lun "$1" 0
	expect "the nexus goes" sh -c "echo NULL >$1/nexus"
	expect "the portal group goes" rmdir "$1"
}

make_system_backstore()
{
	expect "there is a disk with a system" [ -b /dev/vda ]
	expect "a backstore of it" mkdir -p "$core/iblock_0/system"
	echo "udev_path=/dev/vda" >"$core/iblock_0/system/control"
	echo /dev/vda >"$core/iblock_0/system/udev_path"
	echo 1 >"$core/iblock_0/system/enable"
}

has_system_backstore() { [ -e "$core/iblock_0/system" ]; }

# Nobody has it any more, or this does not succeed
remove_system_backstore()
{
	expect "the backstore of the system goes" rmdir "$core/iblock_0/system"
	rmdir "$core"/iblock_0
}

# ---- What a guest says ----

marked=1

# From here on
mark() { marked=$(($(wc -l </tmp/console) + 1)); }

# Whole lines: a VMM that is killed may not come to the end of one. A line may stand behind the
# prompt of a login, or what fio says of its progress
since_mark()
{
	tail -n "+$marked" /tmp/console |
		sed -n '/\r$/ { s/\r//g; s/^.*guest: /guest: /; p; }'
}

guest_says()
{
	! since_mark | grep -q '^guest: FAILED' || give_up "$(since_mark | grep '^guest: FAILED')"
	since_mark | grep -q "^guest: $1"
}

# said TEXT: what stands behind it
said() { since_mark | sed -n "s/^guest: $1//p" | tail -n 1; }

# The last of the writes that ack has said to be on the disk
acknowledged() { since_mark | sed -n 's/^ack \([0-9]*\)$/\1/p' | tail -n 1; }

acked_many() { [ "$(acknowledged)" -ge "$1" ] 2>/dev/null; }

# check_acks IMAGE OFFSET N
check_acks() { expect "what was acknowledged is in the image" /ack check "$1" "$2" 512 "$3"; }
