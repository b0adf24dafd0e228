# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# A backend that takes its time when it is given a device, which meddle.so (tests/nested) makes of
# one that does not. Sourced by demo-qemu-host.sh.
#
# shellcheck disable=SC2317,SC2154,SC2034 # what await() and expect() call; what is set for others

# begun N: so many channels have been begun that the kernel has not created yet
begun() { [ "$(grep -c probe /tmp/meddled)" -ge "$1" ]; }

# The monitor answers, the machine runs, and the guest writes
nothing_waits()
{
	expect "the machine runs" machine_is running
	goes_on
}

late_reset()
{
	reset_while_it_hangs
	touch /tmp/meddle-probe
	fsfreeze --unfreeze /tmp/frozen
	await 120 "the guest boots" guest_says Linux
	await 20 "QEMU has a channel created" begun 1
	expect "the machine runs" machine_is running
	rm /tmp/meddle-probe
	await 120 "the guest has its disk" guest_says ready
	check_image 3 "$last"
	tell guest "boots while a channel is created anew, and has its disk when it is there"
}

late_plug()
{
	write_some 50 sda
	touch /tmp/meddle-probe
	asked "device_add $(disk 1)" | grep -q "warning: .*the backend takes its time" ||
		give_up "device_add succeeds, and says that the guest gets the device later"
	nothing_waits
	rm /tmp/meddle-probe
	await_disks " sda=$image_mib sdb=$image_mib"
	tell QEMU "device_add of a disk whose backend takes its time: the guest goes on, and finds it later"

	touch /tmp/meddle-probe
	asked "device_add $(disk 2)" >/dev/null
	asked "device_del disk2" >/dev/null
	asked "device_del disk2" >/dev/null
	nothing_waits
	! targets_free 2 || give_up "a device that is being created stays"
	rm /tmp/meddle-probe
	await 60 "QEMU lets go of the disk" targets_free 2
	await_disks " sda=$image_mib sdb=$image_mib"
	tell QEMU "device_del meanwhile: it goes when it is there, and the guest has never seen it"
}

# A process of QEMU's user may be one too many
late_thread()
{
	touch /tmp/meddle-thread
	asked "device_add $(disk 2)" | grep -q "VMBUS_HOST_CHANNEL_CREATE.*Resource temporarily" ||
		give_up "device_add says that there can be no more threads"
	expect "one could not be made" grep -q thread /tmp/meddled
	nothing_waits
	expect "nothing is left of the device" targets_free 2
	tell QEMU "device_add when there can be no more threads: it says so, and lives"
}

# The queue of messages is full, and is not read before a backend has let go of what it has
late_contact()
{
	write_some 50 sda
	fsfreeze --freeze /tmp/frozen
	await 20 "a request hangs" write_waits
	guest_does "post full" 60 "the guest posts" posted
	expect "QEMU takes it" console "hostile: full posted, status 0"
	fsfreeze --unfreeze /tmp/frozen
	tell guest "connects anew while the queue is full of what is void: QEMU hears it"
	boots_again
}

# Neither a reset nor the end of QEMU waits for it
late_ends()
{
	touch /tmp/meddle-probe
	asked "device_add $(disk 2)" >/dev/null
	mark
	asked system_reset >/dev/null
	await 120 "the guest boots" guest_says Linux
	rm /tmp/meddle-probe
	await 120 "the guest has its disks" guest_says ready
	await_disks " sda=$image_mib sdb=$image_mib sdc=$image_mib"
	tell guest "reset meanwhile: it boots, and finds the disk later"
	touch /tmp/meddle-probe
	asked "device_del disk2" >/dev/null
	await 60 "QEMU lets go of the disk" targets_free 2
	asked "device_add $(disk 2)" >/dev/null
	quit_qemu
}

late_case()
{
	headline "18. Backends that take their time"
	make_frozen
	preload=/meddle.so
	start_with_disk -device "$heartbeat" -device "$(disk 3)"
	preload=
	write_some 50 sda
	late_reset
	late_plug
	late_thread
	late_contact
	late_ends
	remove_frozen
}
