#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the host (L1) of QEMU's demo: a portal group of the kernel's SCSI target, and guests that
# have it by -device vmbus-host-scsi of the QEMU that is built here. Seen in
#
#	/tmp/console		what the guest says
#	/tmp/monitor.log	what QEMU's monitor answers
#	/tmp/qemu.log		what QEMU itself says
#	/tmp/disk-N		the images
#
# shellcheck disable=SC2317 # what await() and expect() call is reachable

. /lib.sh
. /demo-lib.sh
. /target-lib.sh

log_as_well events qemu.log monitor.log
image_mib=64
rm -f /tmp/keyboard

# ---- QEMU ----

# start_qemu ARGUMENT...
start_qemu()
{
	round=$((round + 1))
	rm -f /tmp/monitor.in /tmp/monitor.out /tmp/serial.in /tmp/serial.out
	mkfifo /tmp/monitor.in /tmp/monitor.out /tmp/serial.in /tmp/serial.out
	: >/tmp/console
	cat /tmp/serial.out >/tmp/console &
	cat /tmp/monitor.out >/tmp/monitor.log &
	/qemu/bin/qemu-system-x86_64 -nodefaults -display none -no-user-config \
		-machine pc,accel=kvm \
		-cpu host,kvm=off,hv-relaxed,hv-vapic,hv-vpindex,hv-synic,hv-time,hv-stimer,hv-runtime,hv-reset \
		-smp 2,maxcpus=4 -m 384M,slots=2,maxmem=1G \
		-device vmbus-bridge \
		-chardev pipe,id=serial,path=/tmp/serial -serial chardev:serial \
		-chardev pipe,id=monitor,path=/tmp/monitor -mon chardev=monitor,mode=control \
		-kernel /guest/vmlinuz -initrd /guest/initramfs \
		-append "console=ttyS0 panic=-1 noxsave" \
		"$@" >/tmp/qemu.log 2>&1 &
	vmm=$!
	exec 7<>/tmp/serial.in 8<>/tmp/monitor.in
	echo '{"execute": "qmp_capabilities"}' >&8
}

guest()
{
	echo "$*" >&7
}

# A line of the monitor that people use, by the one for programs, which echoes nothing
monitor()
{
	echo '{"execute": "human-monitor-command", "arguments": {"command-line": "'"$*"'"}}' >&8
}

# What the guest has said since mark()
mark()
{
	marked=$(($(wc -l </tmp/console) + 1))
}

since_mark()
{
	tail -n "+$marked" /tmp/console | tr -d '\r'
}

guest_says()
{
	! since_mark | grep -q '^guest: FAILED' || give_up "$(since_mark | grep '^guest: FAILED')"
	since_mark | grep -q "^guest: $1"
}

monitor_says()
{
	grep -q "$1" /tmp/monitor.log
}

acknowledged()
{
	since_mark | sed -n 's/^ack \([0-9]*\)$/\1/p' | tail -n 1
}

acked_many()
{
	[ "$(acknowledged)" -ge "$1" ] 2>/dev/null
}

# The guest writes to a disk; $1 acknowledged writes of that are awaited
write_some()
{
	mark
	guest ack "$2"
	await 60 "the guest writes to $2" acked_many "$1"
}

check_image()
{
	expect "what was acknowledged is in the image" /ack check "/tmp/disk-$1" 8388608 512 "$2"
}

quit_qemu()
{
	monitor quit
	wait "$vmm"
	status=$? vmm=
	expect "QEMU ends with status 0 and not $status" [ "$status" -eq 0 ]
	save_logs
}

heartbeat="vmbus-host,id=heartbeat,if-type=57164f39-9115-4e78-ab55-382f3bd5422d"

disk()
{
	echo "vmbus-host-scsi,id=disk$1,wwpn=$(wwpn_of "$1"),tag=1"
}

boot()
{
	start_qemu -device "$heartbeat" -device "$(disk 0)"
	mark
	await 120 "the guest has a disk" guest_says ready
}

# ---- The story ----

boot_case()
{
	headline "1. A disk, written; the guest powers off"
	boot
	tell guest "Linux $(since_mark | sed -n 's/^guest: Linux //p'), its own hv_storvsc, has a disk"
	write_some 200 sda
	mark
	guest stop
	await 20 "the guest stops writing" guest_says stopped
	last=$(grep '^ack ' /tmp/console | tr -d '\r' | tail -n 1 | cut -d ' ' -f 2)
	check_image 0 "$last"
	tell host "the image has the $last writes that were acknowledged"
	monitor migrate exec:cat
	await 20 "migration is refused" monitor_says "vmbus-host: rings and requests are in the host's kernel"
	monitor savevm x
	tell QEMU "does not migrate: $(sed -n 's/.*Error: \([^\\]*\).*/\1/p' /tmp/monitor.log | head -n 1)"
	guest off
	await 60 "QEMU ends" not_alive
	wait "$vmm"
	status=$? vmm=
	expect "QEMU ends with status 0 and not $status" [ "$status" -eq 0 ]
	save_logs
	all_gone
	tell host "nothing is pinned, no partition is left"
}

not_alive()
{
	! alive
}

# ---- Devices, processors and memory come and go ----

disks_are()
{
	since_mark | grep -q "^guest: disks:$1\$"
}

# The guest has disks like this, sooner or later
await_disks()
{
	n=0
	until disks_are "$1"; do
		n=$((n + 1))
		[ "$n" -lt 60 ] || give_up "the guest has the disks$1"
		mark
		guest disks
		await 20 "the guest answers" guest_says 'disks:'
		sleep 0.3
	done
}

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
		mark
		guest "fill sdb"
		await 60 "the guest writes to sdb" guest_says "filled"
		monitor "device_del disk1"
		monitor "device_del disk2"
		await_disks " sda=$image_mib"
		mark
		await 40 "QEMU lets go of the disks" targets_free 1 2
		tell QEMU "device_del: sdb and sdc are gone, and so are their devices"
	done
	expect "sdb had what was written" sdb_was_filled
	mark
	await 60 "the guest goes on with sda" acked_many 50
	mark
	guest stop
	await 20 "the guest stops writing" guest_says stopped
	quit_qemu
	all_gone
	tell host "nothing is pinned, no partition is left"
}

# QEMU has no device of these numbers any more
targets_free()
{
	told=$(($(wc -l </tmp/monitor.log) + 1))
	monitor "info qtree"
	until tail -n "+$told" /tmp/monitor.log | grep -q 'id \\"disk0\\"'; do
		sleep 0.1
	done
	for one; do
		! tail -n "+$told" /tmp/monitor.log | grep -q 'id \\"disk'"$one" || return 1
	done
}

sdb_was_filled()
{
	[ "$(head -c 1048576 /tmp/disk-1 | tr -d '\252' | wc -c)" -eq 0 ]
}

hotplug_case()
{
	headline "3. Memory and a processor are plugged in while the guest writes"
	boot
	write_some 50 sda
	mark
	monitor "object_add memory-backend-ram,id=more,size=256M"
	monitor "device_add pc-dimm,id=dimm,memdev=more"
	guest "mem 500000"
	await 60 "the guest has the memory" guest_says 'has it: memory'
	tell guest "has 256 MiB more"
	mark
	await 60 "the guest goes on" acked_many 50
	monitor "device_add host-x86_64-cpu,id=cpu2,socket-id=0,core-id=2,thread-id=0"
	mark
	guest "cpu 2"
	await 60 "the guest has the processor" guest_says 'has it: cpu 2'
	tell guest "has processor 2"
	mark
	await 60 "the guest goes on with three processors" acked_many 1
	mark
	guest stop
	await 20 "the guest stops writing" guest_says stopped
	quit_qemu
	all_gone
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
	done
	tell guest "boots $n times more; after each reset the image has what was acknowledged"
	quit_qemu
	all_gone
	tell host "nothing is pinned, no partition is left"
}

killed_case()
{
	headline "5. SIGSTOP, and SIGKILL, while the guest writes"
	boot
	write_some 100 sda
	kill -STOP "$vmm"
	sleep 1
	last=$(acknowledged)
	kill -CONT "$vmm"
	await 60 "the guest goes on" acked_many $((last + 50))
	tell guest "goes on after SIGSTOP and SIGCONT of QEMU"
	kill -9 "$vmm"
	wait "$vmm"
	status=$? vmm=
	expect "QEMU dies of SIGKILL and not with status $status" [ "$status" -eq 137 ]
	last=$(acknowledged)
	save_logs
	all_gone
	check_image 0 "$last"
	tell host "SIGKILL after write $last: nothing is pinned, no partition is left, all is in the image"
}

qtest_case()
{
	headline "6. QEMU's own test of these devices"
	if ! QTEST_QEMU_BINARY=/qemu/bin/qemu-system-x86_64 /qemu/bin/vmbus-host-test >/tmp/qtest 2>&1; then
		tail -n 20 /tmp/qtest >/dev/results
		give_up "vmbus-host-test passes"
	fi
	expect "none of it was skipped" [ "$(grep -c SKIP /tmp/qtest)" -eq 0 ]
	all_gone
	tell host "$(some "$(grep -c '^ok ' /tmp/qtest)" case) of vmbus-host-test pass"
}

echo "@@ demo-qemu.txt" >/dev/results
load_kvm
load_all
headline "A host, Linux $(uname -r), with vmbus_scsi and QEMU $(/qemu/bin/qemu-system-x86_64 --version | sed -n 's/.*version \([0-9.]*\).*/\1/p'); pages pinned: $(pinned_pages)"
make_target 0 1 2
while read -r what; do
	case $what in
	resets=*)	resets=${what#*=} ;;
	*)		"${what}_case" ;;
	esac
done </arguments
remove_target 0 1 2
unload_all
check_pins "after the modules are gone"
[ "$failed" -eq 0 ] || finish
headline "All of this happened."
finish
