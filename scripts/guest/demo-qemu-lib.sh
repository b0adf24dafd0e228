# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# A QEMU and its guest (L2) in the host (L1) of demo-qemu-host.sh. Sourced after demo-lib.sh and
# target-lib.sh. Seen in
#
#	/tmp/console		what the guest says
#	/tmp/monitor.log	what QEMU's monitor answers
#	/tmp/qemu.log		what QEMU itself says
#	/tmp/disk-N		the images
#
# shellcheck disable=SC2317,SC2154,SC2034 # demo-lib.sh's, and what await() and expect() call

log_as_well qemu.log monitor.log meddled
# QEMU frees little before it ends; meddle.so is in front of the sanitizer's own library
export ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0 UBSAN_OPTIONS=print_stacktrace=1
image_mib=64
rm -f /tmp/keyboard

# ---- The target: a portal group for each disk ----

wwpn_of() { echo "naa.600140500000001$1"; }
group_of() { echo "$fabric/$(wwpn_of "$1")/tpgt_1"; }

# make_lun N BACKSTORE: a target with one portal group
make_lun() { make_group "$(group_of "$1")" "naa.600140500000002$1" "$2"; }

remove_target_of()
{
	remove_group "$(group_of "$1")"
	expect "the target goes" rmdir "$fabric/$(wwpn_of "$1")"
}

# make_disk N: the image /tmp/disk-N
make_disk()
{
	make_backstore "disk$1" "/tmp/disk-$1" $image_mib
	make_lun "$1" "fileio_0/disk$1"
}

remove_disk()
{
	remove_target_of "$1"
	expect "the backstore goes" rmdir "$core/fileio_0/disk$1"
}

make_target()
{
	mount -t configfs configfs /sys/kernel/config
	for disk; do
		make_disk "$disk"
	done
}

remove_target()
{
	for disk; do
		remove_disk "$disk"
	done
	rmdir "$fabric"
	rmdir "$core"/fileio_0
	umount /sys/kernel/config
	tell host "the target lets go of portal groups, targets and backstores"
}

# The Debian system is disk 9
make_system()
{
	has_system_backstore || {
		make_system_backstore
		make_lun 9 iblock_0/system
	}
}

remove_system()
{
	! has_system_backstore || {
		remove_target_of 9
		remove_system_backstore
	}
}

# ---- QEMU ----

# What start_qemu() takes besides its arguments
memory=384M
# And disk(): a channel for each processor that there can be; nothing: as QEMU finds right
subchannels=3
initramfs=/guest/initramfs
append=
preload=

# start_qemu ARGUMENT...
start_qemu()
{
	round=$((round + 1))
	rm -f /tmp/monitor.in /tmp/monitor.out /tmp/serial.in /tmp/serial.out
	mkfifo /tmp/monitor.in /tmp/monitor.out /tmp/serial.in /tmp/serial.out
	: >/tmp/console
	cat /tmp/serial.out >/tmp/console &
	cat /tmp/monitor.out >/tmp/monitor.log &
	rm -f /tmp/meddle-* /tmp/meddled
	LD_PRELOAD=$preload /qemu/bin/qemu-system-x86_64 -nodefaults -display none -no-user-config \
		-machine pc,accel=kvm \
		-cpu host,kvm=off,hv-relaxed,hv-vapic,hv-vpindex,hv-synic,hv-time,hv-stimer,hv-stimer-direct,hv-runtime,hv-reset \
		-smp 2,maxcpus=4 -m "$memory,slots=2,maxmem=2G" \
		-device vmbus-bridge \
		-chardev pipe,id=serial,path=/tmp/serial -serial chardev:serial \
		-chardev pipe,id=monitor,path=/tmp/monitor -mon chardev=monitor,mode=control \
		-kernel /guest/vmlinuz -initrd "$initramfs" \
		-append "console=ttyS0 panic=-1 noxsave $append" \
		"$@" >/tmp/qemu.log 2>&1 &
	vmm=$!
	exec 7<>/tmp/serial.in 8<>/tmp/monitor.in
	echo '{"execute": "qmp_capabilities"}' >&8
}

guest() { echo "$*" >&7; }

# A line of the monitor that people use, by the one for programs, which echoes nothing
monitor()
{
	echo '{"execute": "human-monitor-command", "arguments": {"command-line": "'"$*"'"}'"${ask-}"'}' >&8
}

# What the guest has said since mark(), in whole lines: one that is stopped may be in the middle of
# one, which is then what it says first when it goes on. A line may stand behind the prompt of a
# login, or what fio says of its progress
since_mark()
{
	head -n "$(wc -l </tmp/console)" /tmp/console | tail -n "+$marked" | tr -d '\r' |
		sed 's/^.*guest: /guest: /'
}

# The guest writes to a disk; $1 acknowledged writes of that are awaited
write_some()
{
	mark
	guest ack "$2"
	await 60 "the guest writes to $2" acked_many "$1"
}

# guest_does COMMAND SECONDS WHAT TEXT: the guest gets COMMAND, and is to say TEXT
guest_does()
{
	mark
	guest "$1"
	await "$2" "$3" guest_says "$4"
}

check_image() { check_acks "/tmp/disk-$1" 8388608 "$2"; }

# A QEMU with sanitizers says what it finds, and may go on
qemu_is_sane()
{
	! grep -E 'AddressSanitizer|LeakSanitizer|runtime error:' /tmp/qemu.log >/dev/results
}

# QEMU is on its way out, and is to end with status $1; what it has had is the host's again
end_qemu()
{
	reap "$1" QEMU
	expect "no sanitizer has found anything" qemu_is_sane
	save_logs
	all_gone
}

quit_qemu()
{
	monitor quit
	end_qemu 0
	tell host "nothing is pinned, no partition is left"
}

# qemu_says TEXT, since it was started
qemu_says() { grep -q "$1" /tmp/qemu.log; }

# asked COMMAND: what the monitor answers to it, which has the number that was asked by
asked()
{
	told=$(($(wc -l </tmp/monitor.log) + 1))
	ask=', "id": '$told
	monitor "$1"
	ask=
	until tail -n "+$told" /tmp/monitor.log | grep "\"id\": ${told}[,}]"; do
		sleep 0.1
	done
}

# machine_is STATUS, as info status says it
machine_is() { asked "info status" | grep -q "VM status: $1"; }

heartbeat_type=57164f39-9115-4e78-ab55-382f3bd5422d
heartbeat="vmbus-host,id=heartbeat,if-type=$heartbeat_type"

disk()
{
	echo "vmbus-host-scsi,id=disk$1,wwpn=$(wwpn_of "$1"),tag=1${subchannels:+,subchannels=$subchannels}"
}

# start_with_disk ARGUMENT...: start_qemu, and wait until the guest has a disk
start_with_disk()
{
	start_qemu "$@"
	mark
	await 120 "the guest has a disk" guest_says ready
}

boot() { start_with_disk -device "$heartbeat" -device "$(disk 0)"; }

goes_on()
{
	mark
	await 60 "the guest goes on" acked_many 1
}

boots_again()
{
	mark
	asked system_reset >/dev/null
	await 120 "the guest boots" guest_says ready
}

# traced EVENT PATTERN: how often QEMU has said so
traced() { grep -c "$1 .*$2" /tmp/qemu.log; }
