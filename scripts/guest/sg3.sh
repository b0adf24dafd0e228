#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What a disk says of itself, by Debian's sg3-utils: run in the Debian system of QEMU's demo, once
# for each way to the same disk; what they say is compared.
#
#	sg3.sh DISK		a disk of 16 MiB, whose data is lost
#
# Each command is told, what it says, and its status. Names of devices, which differ, are not.

disk=$1

try()
{
	echo "$ $*"
	"$@" "$disk" >/tmp/sg3.out 2>&1
	status=$?
	# A number that the disk counts up with each registration
	sed "s,$disk,DISK,g; s/PR generation=0x[0-9a-f]*/PR generation=N/" /tmp/sg3.out
	echo "= $status"
}

# raw LENGTH CDB...: a command as it is, LENGTH bytes of data come back
raw()
{
	len=$1
	shift
	echo "$ raw $*"
	# shellcheck disable=SC2086 # two words
	sg_raw ${len:+-r $len} "$disk" "$@" 2>&1 | grep -v '^Command'
}

# raw_out LENGTH CDB...: LENGTH bytes of data go there
raw_out()
{
	len=$1
	shift
	echo "$ raw out $len: $*"
	head -c "$len" /dev/zero | sg_raw -s "$len" "$disk" "$@" 2>&1 | grep -v '^Command'
}

try sg_turs
try sg_inq
try sg_inq -H
try sg_readcap
try sg_readcap --long
try sg_luns
for page in 00 80 83 86 b0 b1 b2; do
	try sg_vpd "--page=0x$page"
	try sg_vpd "--page=0x$page" -H
done
try sg_modes -a
for page in 01 08 0a 1c 3f; do
	try sg_modes "--page=0x$page" -H
	try sg_modes "--page=0x$page" -6 -H
	for control in 1 2 3; do
		try sg_modes "--page=0x$page" --control=$control -H
	done
done
try sg_requests
try sg_opcodes
try sg_logs -l
try sg_rtpg
try sg_persist --in --read-keys
try sg_persist --in --report-capabilities
try sg_persist --out --register --param-sark=abc
try sg_persist --in --read-full-status
try sg_persist --out --reserve --param-rk=abc --prout-type=3
try sg_persist --in --read-reservation
try sg_persist --out --release --param-rk=abc --prout-type=3
try sg_persist --out --register --param-rk=abc
try sg_sync
try sg_verify --count=8
try sg_get_lba_status --lba=0
try sg_unmap --lba=64 --num=64 --force
try sg_write_same --lba=0 --num=8 --xferlen=512
try sg_write_same --16 --unmap --lba=64 --num=8 --xferlen=512

# Commands that are no good: the status, and sense data to the byte
raw "" ff 00 00 00 00 00
raw "" c1 00 00 00 00 00 00 00 00 00
raw 512 28 00 ff ff ff 00 00 00 01 00
raw 512 28 00 00 00 7f ff 00 00 02 00
raw 512 88 00 ff 00 00 00 00 00 00 00 00 00 00 01 00 00
raw 512 28 20 00 00 00 00 00 00 01 00
raw_out 512 2a 00 ff ff ff 00 00 00 01 00
raw_out 512 2a 00 00 00 00 00 00 00 02 00
raw 512 28 00 00 00 00 00 00 00 02 00
raw "" 35 00 ff ff ff ff 00 00 01 00
raw 64 12 01 77 00 40 00
raw 64 12 00 01 00 40 00
raw 64 1a 00 33 00 40 00
raw 192 5a 00 33 00 00 00 00 00 c0 00
raw 252 4d 00 6f 00 00 00 00 00 fc 00
raw 32 9e 11 00 00 00 00 00 00 00 00 00 00 00 20 00 00
raw 96 a3 1f 00 00 00 00 00 00 00 60 00 00
raw_out 24 42 00 00 00 00 00 00 00 18 00
raw_out 4 42 00 00 00 00 00 00 00 04 00
raw_out 24 5f 00 05 00 00 00 00 00 18 00
raw_out 8 5f 00 00 00 00 00 00 00 08 00
raw_out 24 15 10 00 00 18 00
raw "" 1b 00 00 00 02 00
raw "" 2f 00 ff ff ff ff 00 00 01 00
raw 512 83 11 00 00 00 00 00 00 00 00 00 00 02 00 00 00
raw 64 a0 00 05 00 00 00 00 00 00 40 00 00
raw 8 a0 00 00 00 00 00 00 00 00 08 00 00
