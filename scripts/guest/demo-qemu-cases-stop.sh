# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# The machine is stopped, also while a backend has a request that takes as long as we like.
# Sourced by demo-qemu-host.sh.
#
# shellcheck disable=SC2317,SC2154,SC2034 # what await() and expect() call; what is set for others

# Writes to a file system that is frozen wait, in the kernel, until it is thawed
make_frozen()
{
	truncate -s 96M /tmp/frozen.img
	mke2fs -F /tmp/frozen.img >/tmp/mke2fs 2>&1
	loop=$(losetup -f)
	losetup "$loop" /tmp/frozen.img
	mkdir -p /tmp/frozen
	expect "a file system that can be frozen" mount -t ext4 "$loop" /tmp/frozen
	ln -s /tmp/frozen/image /tmp/disk-3
	make_disk 3
}

remove_frozen()
{
	remove_disk 3
	umount /tmp/frozen
	losetup -d "$loop"
	rm /tmp/disk-3
}

# A backend's write waits for the file system
write_waits() { grep -qs percpu_rwsem_wait /proc/[0-9]*/wchan; }
write_is_done() { ! write_waits; }

# reset_while_it_hangs [stop]: while a backend has a request that takes as long as we like
reset_while_it_hangs()
{
	fsfreeze --freeze /tmp/frozen
	await 20 "a request hangs" write_waits
	last=$(acknowledged)
	resets_before=$(grep -c '"event": "RESET"' /tmp/monitor.log)
	[ $# -eq 0 ] || {
		monitor "$1"
		await 20 "the machine stops" machine_is paused
	}
	mark
	asked system_reset >/dev/null
	await 20 "the machine is reset" was_reset $((resets_before + 1))
}

was_reset() { [ "$(grep -c '"event": "RESET"' /tmp/monitor.log)" -ge "$1" ]; }
machine_waits() { ! machine_is running; }

# What it has said before may be on its way yet
is_quiet()
{
	mark
	sleep 1
	[ -z "$(acknowledged)" ]
}

stop_case()
{
	headline "9. The machine is stopped, and is not let go on too soon"
	make_frozen
	start_with_disk -device "$heartbeat" -device "$(disk 3)"
	write_some 50 sda
	monitor stop
	await 20 "the machine stops" machine_is paused
	await 20 "the guest does nothing" is_quiet
	monitor cont
	goes_on
	tell guest "does nothing after stop, goes on after cont"

	reset_while_it_hangs
	await 20 "QEMU says that the machine waits" qemu_says "a backend still has memory of the guest; the machine goes on"
	expect "the machine does not run" machine_waits
	asked cont | grep -q "the machine goes on when it has let go" || give_up "QEMU does not go on"
	await 20 "the machine is paused" machine_is paused
	expect "no guest has booted" [ "$(since_mark | grep -c '^guest:')" -eq 0 ]
	tell QEMU "system_reset: a backend has a request; the machine waits, even after cont"
	fsfreeze --unfreeze /tmp/frozen
	await 120 "the guest boots" guest_says ready
	tell guest "boots when the request is done, by itself"
	check_image 3 "$last"

	write_some 20 sda
	reset_while_it_hangs stop
	asked cont | grep -q "the machine goes on when it has let go" || give_up "cont is not obeyed"
	await 20 "the machine is paused" machine_is paused
	expect "no guest has booted" [ "$(since_mark | grep -c '^guest:')" -eq 0 ]
	asked stop >/dev/null
	fsfreeze --unfreeze /tmp/frozen
	await 20 "the request is done" write_is_done
	await 20 "the guest does nothing" is_quiet
	expect "the machine does not run" machine_waits
	mark
	monitor cont
	await 120 "the guest boots" guest_says ready
	tell guest "reset while it is stopped, it boots after cont, not before the request is done, nor after stop"
	check_image 3 "$last"
	quit_qemu
	remove_frozen
}
