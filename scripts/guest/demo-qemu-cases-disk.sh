# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# A disk of a guest that is reset, killed and moved, and that boots from it.
# Sourced by demo-qemu-host.sh.
#
# shellcheck disable=SC2317,SC2154,SC2034 # what await() and expect() call; what is set for others

is_refused() { asked "$1" | grep -q "vmbus-host: rings and requests are in the host's kernel"; }

boot_case()
{
	headline "1. A disk, written; the guest powers off"
	# The file is opened for QEMU, which the first device is told
	exec 9<>/dev/vmbus-host
	subchannels=
	start_qemu -device "$heartbeat,fd=9" -device "$(disk 0)"
	subchannels=3
	exec 9>&-
	mark
	await 120 "the guest has a disk" guest_says ready
	expect "a disk for two processors has one channel" \
		[ "$(grep -vc '^#' /sys/kernel/debug/vmbus_host/endpoints)" -eq 2 ]
	tell guest "Linux $(since_mark | sed -n 's/^guest: Linux //p'), its own hv_storvsc, has a disk"
	write_some 200 sda
	guest_does stop 20 "the guest stops writing" stopped
	last=$(grep '^ack ' /tmp/console | tr -d '\r' | tail -n 1 | cut -d ' ' -f 2)
	check_image 0 "$last"
	tell host "the image has the $last writes that were acknowledged"
	expect "migration is refused" is_refused "migrate exec:cat"
	tell QEMU "does not migrate: $(sed -n 's/.*Error: \([^\\]*\).*/\1/p' /tmp/monitor.log | head -n 1)"
	expect "savevm is refused" is_refused "savevm x"
	guest off
	end_qemu 0
	tell host "nothing is pinned, no partition is left"
}

resets_case()
{
	headline "4. system_reset while the guest writes, $resets times"
	boot
	n=0
	while [ "$n" -lt "$resets" ]; do
		n=$((n + 1))
		write_some $((20 + n * 7 % 40)) sda
		last=$(acknowledged)
		mark
		monitor system_reset
		await 120 "the guest boots again, reset $n" guest_says ready
		check_image 0 "$last"
		# The console alone: a host that says nothing for so long is taken for dead
		echo "demo: the guest boots after reset $n" >/dev/kmsg
		[ $((n % 5)) -ne 0 ] || tell guest "boots after reset $n"
	done
	tell guest "boots $n times more; after each reset the image has what was acknowledged"
	quit_qemu
}

killed_case()
{
	headline "5. SIGSTOP, and SIGKILL, while the guest writes"
	start_with_disk -device "$heartbeat,path=/dev/vmbus-host" -device "$(disk 0)"
	write_some 100 sda
	kill -STOP "$vmm"
	sleep 1
	last=$(acknowledged)
	kill -CONT "$vmm"
	await 60 "the guest goes on" acked_many $((last + 50))
	tell guest "goes on after SIGSTOP and SIGCONT of QEMU"
	kill -9 "$vmm"
	sleep 0.3
	last=$(acknowledged)
	end_qemu 137
	check_image 0 "$last"
	tell host "SIGKILL after write $last: nothing is pinned, no partition is left, all is in the image"
}

root_case()
{
	headline "7. Debian boots from the disk"
	make_system
	run=fio,--name=root,--filename=/var/tmp/fio,--size=8m,--bs=64k,--rw=randwrite
	run=$run,--verify=crc32c,--end_fsync=1,\>/tmp/fio,\&\&,echo,guest:,fio,verified
	append="case=root demo.run=$run"
	start_qemu -device "$heartbeat" -device "$(disk 9)"
	append=
	mark
	await 600 "systemd has booted" guest_says 'root is '
	tell guest "systemd has booted; its root is $(since_mark | sed -n 's/^guest: root is //p')"
	await 300 "fio verifies a file" guest_says "fio verified"
	tell guest "fio: a file of 8 MiB verifies; powers off"
	end_qemu 0
	expect "e2fsck finds nothing" sh -c "/sbin/e2fsck -fn /dev/vda1 >/tmp/fsck 2>&1"
	tell host "nothing is pinned, no partition is left; e2fsck -f of the disk finds nothing to mend"
}

has_migrated() { asked "info migrate" | grep -q 'status: completed'; }

moved_case()
{
	headline "14. A guest without such devices moves to another QEMU, and is given one there"
	start_qemu
	mark
	await 120 "the guest boots" guest_says Linux
	monitor "migrate -d exec:cat>/tmp/state"
	await 120 "the guest's state is in a file" has_migrated
	quit_qemu
	start_qemu -incoming "exec:cat</tmp/state"
	await 120 "the machine runs" machine_is running
	rm /tmp/state
	mark
	monitor "device_add $heartbeat"
	monitor "device_add $(disk 0)"
	await 120 "the guest has a disk" guest_says ready
	write_some 50 sda
	tell guest "finds the disk that it is given where it has come to, and writes to it"
	quit_qemu
}
