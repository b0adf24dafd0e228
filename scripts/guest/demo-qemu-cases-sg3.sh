# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# Debian's sg3-utils, in one guest, ask one backstore by vmbus_scsi and then by vhost-scsi. Both disks
# come and go by the monitor, so that the portal groups have the same name and the same relative port
# number, which are in the answers. Sourced by demo-qemu-host.sh.
#
# shellcheck disable=SC2317,SC2154 # what await() and expect() call; demo-qemu-lib.sh sets it

sg3_ends() { since_mark | grep -q '^sg3 ends'; }
gone() { ! asked "info qtree" | grep -q "id \\\\\"$1\\\\\""; }

# ask_by WAY DEVICE: what the guest is told of it, in /tmp/sg3.WAY
ask_by()
{
	monitor "device_add $2,id=sg"
	mark
	guest "sg3 16"
	await 600 "sg3-utils are done, by $1" sg3_ends
	since_mark | sed '1,/^sg3 begins/d; /^sg3 ends/,$d' >"/tmp/sg3.$1"
	monitor "device_del sg"
	await_disks " sda=[0-9]*"
	await 90 "QEMU lets go of the disk" gone sg
	keep "sg3.$1"
	expect "many answers" [ "$(grep -c '^\$' "/tmp/sg3.$1")" -gt 80 ]
}

ask_vmbus()
{
	make_lun 3 fileio_0/sg
	echo 1 >"$(group_of 3)/attrib/reservations"
	ask_by vmbus "vmbus-host-scsi,wwpn=$(wwpn_of 3),tag=1"
	remove_target_of 3
}

ask_vhost()
{
	fabric=${fabric%/*}/vhost
	make_lun 3 fileio_0/sg
	ask_by vhost "vhost-scsi-pci,wwpn=$(wwpn_of 3)"
	remove_target_of 3
	rmdir "$fabric"
	fabric=${fabric%/*}/vmbus
}

# A file of its own for what is read; what is told goes on where it was
keep()
{
	result "$1" <"/tmp/$1"
	echo "@@ demo-qemu.txt" >/dev/results
}

# A line for each command, with its answer
answers()
{
	awk '/^\$ / { if (NR > 1) print answer; answer = $0; next }
	     { answer = answer "|" $0 } END { print answer }' "/tmp/sg3.$1"
}

# The commands whose answers differ
other_answers()
{
	answers vhost >/tmp/answers.vhost
	answers vmbus >/tmp/answers.vmbus
	awk -F '|' 'NR == FNR { first[FNR] = $0; next }
		    first[FNR] != $0 { print $1 }' /tmp/answers.vhost /tmp/answers.vmbus
}

sg3_case()
{
	headline "17. sg3-utils ask one disk by vmbus_scsi and by vhost-scsi"
	make_system
	backstore sg /tmp/sg 16
	start_with_disk -device "$heartbeat" -device "$(disk 9)"
	ask_vmbus
	tell guest "$(grep -c '^\$' /tmp/sg3.vmbus) commands, good ones and bad ones, to its own hv_storvsc"
	ask_vhost
	tell guest "the same to its own virtio_scsi"
	quit_qemu
	other_answers >/tmp/sg3.differs
	keep sg3.differs
	grep '^\$' /sg3-differs.txt | sort >/tmp/sg3.expected
	sort /tmp/sg3.differs >/tmp/sg3.sorted
	expect "no other answers than by vhost-scsi" cmp /tmp/sg3.expected /tmp/sg3.sorted
	tell host "the same answers to the same, but for $(wc -l </tmp/sg3.expected) that are accounted for"
	expect "the backstore goes" rmdir "$core/fileio_0/sg"
}
