# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# What comes and goes while the guest writes: disks, memory, a processor, drivers.
# Sourced by demo-qemu-host.sh.
#
# shellcheck disable=SC2317,SC2154,SC2034 # what await() and expect() call; what is set for others

disks_are() { since_mark | grep -q "^guest: disks:$1\$"; }

# The guest has disks like this, sooner or later
await_disks()
{
	n=0
	until disks_are "$1"; do
		n=$((n + 1))
		[ "$n" -lt 60 ] || give_up "the guest has the disks$1"
		guest_does disks 20 "the guest answers" 'disks:'
		sleep 0.3
	done
}

# QEMU has no device of these numbers any more
targets_free()
{
	tree=$(asked "info qtree")
	for one; do
		! echo "$tree" | grep -q 'id \\"disk'"$one" || return 1
	done
}

sdb_was_filled() { [ "$(head -c 1048576 /tmp/disk-1 | tr -d '\252' | wc -c)" -eq 0 ]; }

plug_case()
{
	headline "2. Disks come and go by the monitor while the guest writes"
	boot
	write_some 50 sda
	for _ in 1 2; do
		monitor "device_add $(disk 1)"
		monitor "device_add $(disk 2)"
		await_disks " sda=$image_mib sdb=$image_mib sdc=$image_mib"
		tell guest "finds sdb and sdc"
		guest_does "fill sdb" 60 "the guest writes to sdb" "filled"
		monitor "device_del disk1"
		monitor "device_del disk2"
		await_disks " sda=$image_mib"
		mark
		await 90 "QEMU lets go of the disks" targets_free 1 2
		tell QEMU "device_del: sdb and sdc are gone, and so are their devices"
	done
	expect "sdb had what was written" sdb_was_filled
	mark
	await 60 "the guest goes on with sda" acked_many 50
	guest_does stop 20 "the guest stops writing" stopped
	quit_qemu
}

# fio_goes_on: two more rounds from here on, of which at least one has begun since
fio_goes_on()
{
	mark
	await 240 "fio verifies" fio_rounds 2
}

fio_rounds() { guest_says 'fio: ' && [ "$(since_mark | grep -c '^guest: fio: ')" -ge "$1" ]; }

hotplug_case()
{
	headline "3. Memory and a processor are plugged in while fio writes and verifies"
	make_system
	start_with_disk -device "$heartbeat" -device "$(disk 0)" -device "$(disk 9)"
	guest "fio $image_mib"
	fio_goes_on
	monitor "object_add memory-backend-ram,id=more,size=256M"
	monitor "device_add pc-dimm,id=dimm,memdev=more"
	guest_does "mem 500000" 60 "the guest has the memory" 'has it: memory'
	tell guest "has 256 MiB more"
	fio_goes_on
	monitor "device_add host-x86_64-cpu,id=cpu2,socket-id=0,core-id=2,thread-id=0"
	guest_does "cpu 2" 60 "the guest has the processor" 'has it: cpu 2'
	tell guest "has processor 2"
	monitor "device_add $(disk 1)"
	await_disks " sda=[0-9]* sdb=[0-9]* sdc=$image_mib"
	guest_does "fill sdc" 60 "the guest writes to sdc" "filled"
	tell guest "finds one more disk, one of whose channels that processor may have, and writes to it"
	fio_goes_on
	tell guest "fio: $(since_mark | sed -n 's/^guest: fio: //p' | tail -n 1) rounds of 8 MiB, all verified"
	quit_qemu
}

busy_case()
{
	headline "15. Drivers are unbound and bound while the guest writes"
	start_with_disk -device "$heartbeat" -device "$(disk 0)" -trace vmbus_modify_channel
	write_some 50 sda
	monitor "device_add $(disk 1)"
	await_disks " sda=$image_mib sdb=$image_mib"
	guest_does "busy sdb 5" 240 "the drivers are bound again" 'busy: done'
	goes_on
	tell guest "unbinds and binds the drivers of a disk and of the heartbeat, 5 times, and reads the disk"
	guest_does "offline 1" 60 "the guest tries to take a processor away" 'offline: '
	expect "the processor goes, and comes back" guest_says 'offline: and back'
	expect "QEMU has heard where channels go" [ "$(traced vmbus_modify_channel 'ret 0')" -gt 0 ]
	goes_on
	tell guest "has its channels go to another processor, and takes that one away and back"
	quit_qemu
}
