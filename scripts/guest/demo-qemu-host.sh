#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the host (L1) of QEMU's demo: a portal group of the kernel's SCSI target, and guests that
# have it by -device vmbus-host-scsi of the QEMU that is built here.
#
# shellcheck disable=SC2317 # what await() and expect() call is reachable
# shellcheck disable=SC2154 # demo-lib.sh and demo-qemu-lib.sh set it

. /lib.sh
. /demo-lib.sh
. /target-lib.sh
. /demo-qemu-lib.sh

# ---- A disk ----

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
	mark
	guest stop
	await 20 "the guest stops writing" guest_says stopped
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

# ---- Devices, processors and memory come and go ----

disks_are() { since_mark | grep -q "^guest: disks:$1\$"; }

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
	start_qemu -device "$heartbeat" -device "$(disk 0)" -device "$(disk 9)"
	mark
	await 120 "the guest has a disk" guest_says ready
	guest "fio $image_mib"
	fio_goes_on
	monitor "object_add memory-backend-ram,id=more,size=256M"
	monitor "device_add pc-dimm,id=dimm,memdev=more"
	mark
	guest "mem 500000"
	await 60 "the guest has the memory" guest_says 'has it: memory'
	tell guest "has 256 MiB more"
	fio_goes_on
	monitor "device_add host-x86_64-cpu,id=cpu2,socket-id=0,core-id=2,thread-id=0"
	mark
	guest "cpu 2"
	await 60 "the guest has the processor" guest_says 'has it: cpu 2'
	tell guest "has processor 2"
	monitor "device_add $(disk 1)"
	await_disks " sda=[0-9]* sdb=[0-9]* sdc=$image_mib"
	mark
	guest "fill sdc"
	await 60 "the guest writes to sdc" guest_says "filled"
	tell guest "finds one more disk, one of whose channels that processor may have, and writes to it"
	fio_goes_on
	tell guest "fio: $(since_mark | sed -n 's/^guest: fio: //p' | tail -n 1) rounds of 8 MiB, all verified"
	quit_qemu
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
	start_qemu -device "$heartbeat,path=/dev/vmbus-host" -device "$(disk 0)"
	mark
	await 120 "the guest has a disk" guest_says ready
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

# ---- A system on the disk ----

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

# ---- Panic ----

kdump_case()
{
	headline "8. The guest panics while it writes, and dumps by kexec"
	memory=640M initramfs=/guest/initramfs-kdump append=crashkernel=256M
	boot
	memory=384M initramfs=/guest/initramfs append=
	mark
	guest kdump
	await 120 "a crash kernel is loaded" guest_says 'kdump: loaded'
	write_some 100 sda
	guest panic
	await 60 "the guest panics" console 'Kernel panic - not syncing: sysrq triggered crash'
	last=$(acknowledged)
	await 240 "the crash kernel runs" guest_says 'kdump: the crash kernel runs'
	expect "the kernel before has got its UNLOAD_RESPONSE" [ "$(grep -c 'VMBus UNLOAD' /tmp/console)" -eq 0 ]
	await 240 "the crash kernel dumps to the disk" guest_says 'kdump: dumped '
	tell guest "panics; the crash kernel finds the disk and dumps, of $(since_mark | sed -n 's/^guest: kdump: dumped //p') bytes"
	guest
	end_qemu 0
	check_image 0 "$last"
	expect "the image has a core dump" [ "$(dd if=/tmp/disk-0 bs=1M skip=32 count=1 2>/dev/null | head -c 5 | od -An -tx1 | tr -d ' ')" = 7f454c4602 ]
	tell host "all $last acknowledged writes and the dump are in the image; nothing is pinned, no partition is left"
}

# ---- The guest's own drivers and kernels come and go ----

busy_case()
{
	headline "15. Drivers are unbound and bound while the guest writes"
	start_qemu -device "$heartbeat" -device "$(disk 0)" -trace vmbus_modify_channel
	mark
	await 120 "the guest has a disk" guest_says ready
	write_some 50 sda
	monitor "device_add $(disk 1)"
	await_disks " sda=$image_mib sdb=$image_mib"
	mark
	guest "busy sdb 5"
	await 240 "the drivers are bound again" guest_says 'busy: done'
	goes_on
	tell guest "unbinds and binds the drivers of a disk and of the heartbeat, 5 times, and reads the disk"
	mark
	guest "offline 1"
	await 60 "the guest tries to take a processor away" guest_says 'offline: '
	expect "the processor goes, and comes back" guest_says 'offline: and back'
	expect "QEMU has heard where channels go" [ "$(traced vmbus_modify_channel 'ret 0')" -gt 0 ]
	goes_on
	tell guest "has its channels go to another processor, and takes that one away and back"
	quit_qemu
}

kexec_case()
{
	headline "16. The guest begins anew by kexec while it writes"
	memory=640M initramfs=/guest/initramfs-kdump
	boot
	memory=384M initramfs=/guest/initramfs
	write_some 100 sda
	last=$(acknowledged)
	mark
	guest kexec
	await 240 "the other kernel has the disk" guest_says ready
	expect "the kernel before has got its UNLOAD_RESPONSE" [ "$(grep -c 'VMBus UNLOAD' /tmp/console)" -eq 0 ]
	check_image 0 "$last"
	write_some 50 sda
	tell guest "another kernel finds the disk, and writes; what was acknowledged before is in the image"
	quit_qemu
}

# ---- Paused, and stopped ----

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

goes_on()
{
	mark
	await 60 "the guest goes on" acked_many 1
}

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
	start_qemu -device "$heartbeat" -device "$(disk 3)"
	mark
	await 120 "the guest has a disk" guest_says ready
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
	fsfreeze --unfreeze /tmp/frozen
	await 120 "the guest boots" guest_says ready
	tell guest "reset while it is stopped, it boots after cont, and not before the request is done"
	check_image 3 "$last"
	quit_qemu
	remove_frozen
}

# ---- From one QEMU to another ----

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

# ---- What the kernel refuses ----

# What is pinned still is QEMU's own memory: the event flags of each channel
no_gpadls() { grep -qs '^vmbus-gpadls:[[:space:]]*0$' "/proc/$vmm"/fdinfo/*; }

regions_case()
{
	headline "10. The kernel does not take a change of guest memory"
	preload=/meddle.so
	boot
	preload=
	write_some 50 sda
	touch /tmp/meddle-regions
	monitor "object_add memory-backend-ram,id=more,size=256M"
	asked "device_add pc-dimm,id=dimm,memdev=more" |
		grep -q "the kernel does not take the change of guest memory: Cannot allocate memory" ||
		give_up "QEMU says what the kernel does not take"
	await 20 "the machine is stopped" machine_is "paused (internal-error)"
	await 20 "backends have let go of all" no_gpadls
	last=$(acknowledged)
	asked cont | grep -q "Resetting the Virtual Machine is required" || give_up "cont is refused"
	tell QEMU "stops the machine, and does not let it go on before it is reset; backends have nothing of it"
	refused=$(grep -c regions /tmp/meddled)
	asked system_reset >/dev/null
	await 20 "it is tried again, and refused again" refused_regions $((refused + 1))
	asked cont | grep -q "the machine has to be reset" || give_up "cont is not obeyed"
	await 20 "the machine is stopped again" machine_is "paused (internal-error)"
	rm /tmp/meddle-regions
	mark
	asked system_reset >/dev/null
	await 20 "the machine is reset" machine_is "paused (prelaunch)"
	monitor cont
	await 120 "the guest boots" guest_says ready
	check_image 0 "$last"
	write_some 50 sda
	tell guest "boots after a reset, with the memory that it has now, and writes"
	quit_qemu
}

# Nor a backend, after a reset; and then a backend that has gone unnoticed
refused_case()
{
	headline "13. Backends that are not there any more"
	make_frozen
	preload=/meddle.so
	start_qemu -device "$heartbeat" -device "$(disk 3)" -trace vmbus_send_offer
	preload=
	mark
	await 120 "the guest has a disk" guest_says ready
	write_some 50 sda
	reset_while_it_hangs
	offers=$(traced vmbus_send_offer '#[^1]')
	touch /tmp/meddle-create
	fsfreeze --unfreeze /tmp/frozen
	await 120 "the guest boots" guest_says Linux
	expect "QEMU has tried to have the channels again" grep -q create /tmp/meddled
	expect "the disk's channels, which are not there, are not offered" [ "$(traced vmbus_send_offer '#[^1]')" -eq "$offers" ]
	tell guest "boots without the disk when the kernel does not make its channels again"
	rm /tmp/meddle-create

	boots_again
	check_image 3 "$last"
	touch /tmp/meddle-unknown
	mark
	asked system_reset >/dev/null
	await 120 "the guest boots" guest_says Linux
	expect "the kernel knew no channel" grep -q unknown /tmp/meddled
	rm /tmp/meddle-unknown
	tell guest "is told that channels that the kernel does not know cannot be used, and boots"
	boots_again
	write_some 50 sda
	quit_qemu
	remove_frozen
}

refused_regions() { [ "$(grep -c regions /tmp/meddled)" -ge "$1" ]; }

balloon_type=525074dc-8985-46e2-8057-a307dc18a502

# QEMU's own VMBus device, which 7.2 does not have
has_balloon()
{
	/qemu/bin/qemu-system-x86_64 -device help 2>/dev/null | grep -q '"hv-balloon"'
}

# After the last of them, the guest has no VMBus any more
hostile_case()
{
	headline "12. Messages that no kernel posts"
	preload=/slow.so
	# A sub-channel that goes at a reset has QEMU look at its queue, whatever waits there
	subchannels=0
	set -- -device "$heartbeat" -device "$(disk 0)"
	subchannels=3
	! has_balloon || set -- "$@" -device hv-balloon
	start_qemu "$@" -trace vmbus_gpadl_header -trace vmbus_gpadl_created
	preload=
	mark
	await 120 "the guest has a disk" guest_says ready
	write_some 50 sda
	guest_posts gpadl
	guest_posts bodies
	goes_on
	tell guest "posts a GPADL that is shorter than its ranges, and more GPADL_BODYs than it has announced: QEMU lives"
	touch /tmp/meddle-slow
	guest_posts lengths
	guest_posts nowhere
	rm /tmp/meddle-slow
	goes_on
	# handles from 117440768, 0x7000100, on
	expect "QEMU has seen headers" [ "$(traced vmbus_gpadl_header 'gfns 200')" -gt 0 ]
	expect "QEMU reads no further than a message goes" [ "$(traced vmbus_gpadl_created '#1174407[6-9]')" -eq 0 ]
	tell guest "changes the length of a message while QEMU looks at it: QEMU takes it as it was"
	tell guest "posts on both processors what is in no memory: QEMU lives"
	guest_posts many
	await 60 "QEMU sees the last of many GPADLs" saw_the_last
	goes_on
	expect "QEMU has no room for it" [ "$(traced vmbus_gpadl_created '#117445632$')" -eq 0 ]
	tell guest "creates 1025 GPADLs: QEMU has no room for the last one"
	reset_with_queue
	! has_balloon || open_for_nothing
	for messages in contact absent unloads; do
		guest_posts "$messages"
		boots_again
	done
	tell guest "connects to no processor, and to one that is not there; unloads what is not connected: QEMU lives"
	write_some 50 sda
	quit_qemu
}

# Of those that the guest posts, 0x7001400
saw_the_last() { [ "$(traced vmbus_gpadl_header '#117445632 ')" -gt 0 ]; }

# A processor of the guest takes no more answers, so that they wait, and its messages behind them
reset_with_queue()
{
	guest "post queue"
	await 60 "the guest posts" console "hostile: queue posted, status 0"
	boots_again
	tell guest "is reset with messages on their way in both directions: it connects again"
}

# The heartbeat's channel is taken for one that another device may share the interrupts of
open_for_nothing()
{
	guest_posts opens "$heartbeat_type" "$balloon_type"
	tell guest "opens channels without interrupts, of the kernel's and of QEMU's devices: QEMU lives"
	boots_again
	guest_posts rings "$heartbeat_type" "$balloon_type"
	boots_again
	tell guest "opens a channel of QEMU's own with rings that are in no memory: QEMU lives"
	guest_posts offset "$heartbeat_type" "$balloon_type"
	guest_posts waiting "$heartbeat_type" "$balloon_type"
	boots_again
	tell guest "opens one whose ring begins nowhere, and one with a bad packet in it: QEMU lives"
}

boots_again()
{
	mark
	asked system_reset >/dev/null
	await 120 "the guest boots" guest_says ready
}

# The hypervisor has taken them
guest_posts()
{
	mark
	guest "post $*"
	await 60 "the guest posts" guest_says posted
	expect "QEMU takes it" console "hostile: $1 posted, status 0"
}

# traced EVENT PATTERN: how often QEMU has said so
traced() { grep -c "$1 .*$2" /tmp/qemu.log; }

# 7936 and 4096 pages, and the rings' 1024: a HEADER each, and as many BODYs
uio_case()
{
	headline "11. GPADLs of 7936 pages, through a queue that is full"
	preload=/meddle.so
	start_qemu -device "$heartbeat" -device "$(disk 0)" \
		-device vmbus-host,id=crc,if-type=0d6b8c5e-2f41-4c7a-9e13-605ad2884b97,config=0c0000000800000000000000,subchannels=3 \
		-trace vmbus_recv_message -trace vmbus_host_write -trace vmbus_host_read
	preload=
	mark
	await 120 "the guest has a disk" guest_says ready
	touch /tmp/meddle-busy
	for n in 3 2; do
		mark
		guest "uio $n"
		await 240 "the guest uses the device" guest_says 'uio: done'
		expect "its GPADL has 7936 pages" console '^crc: GPADL .* 32505856 bytes: all 6 parts are summed right'
		tell guest "GPADLs of 7936 and 4096 pages; the backend sums 7936 right; $n sub-channels answer"
		await 60 "the guest lets go of it" guest_says 'uio: unbound'
	done
	rm /tmp/meddle-busy
	posted=$(traced vmbus_recv_message 'type 9 ')
	taken=$(traced vmbus_host_write 'type 9 .*errno 0')
	later=$(traced vmbus_host_write 'type 9 .*errno 11')
	unread=$(grep -c read /tmp/meddled)
	expect "all BODYs are there: $taken" [ "$taken" -ge $((2 * (283 + 146 + 36))) ]
	expect "the kernel had QEMU come back" [ "$later" -gt 0 ]
	expect "QEMU had the guest come back" [ "$posted" -gt "$taken" ]
	expect "QEMU had to ask for answers again" [ "$unread" -gt 0 ]
	tell QEMU "of $posted GPADL_BODYs posted refused $((posted - taken)) for a full queue; the kernel refused $later; $taken arrived; $unread answers came later"
	write_some 50 sda
	quit_qemu
}

begin demo-qemu
headline "A host, Linux $(uname -r), with vmbus_scsi and QEMU $(/qemu/bin/qemu-system-x86_64 --version 2>/dev/null | sed -n 's/.*version \([0-9.]*\).*/\1/p'); pages pinned: $(pinned_pages)"
make_target 0 1 2
while read -r argument; do
	case $argument in
	resets=*)	resets=${argument#*=} ;;
	*)		began=$(date +%s)
			"${argument}_case"
			tell host "$argument took $(($(date +%s) - began)) s" ;;
	esac
done </arguments
remove_system
remove_target 0 1 2
end
