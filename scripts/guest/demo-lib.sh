# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# What the hosts (L1) of guests that run in them share: start a guest, look what it and the
# host do, tell it. Sourced after lib.sh.
#
# No line is told before the thing was seen, and the first one that is not seen ends it.
# Seen where:
#
#	/tmp/messages		VMBus messages, as the VMM decodes them
#	/tmp/console		what the guest's kernel says
#	/tmp/keyboard		a FIFO: what the guest reads from its console
#
# Each round's are kept, in the log directory, as round-N.*.
# shellcheck disable=SC2317,SC2154 # what await() and expect() call is reachable; $failed

round=0
vmm=

tell() { printf '  %-6s %s\n' "$1" "$2" >/dev/results; }
headline() { printf '\n%s\n' "$1" >/dev/results; }

# To be called before the first start(): /tmp/NAME... are kept as well
log_files="console messages events"
log_as_well() { log_files="$log_files $*"; }

save_logs()
{
	[ ! -e /sys/kernel/tracing/trace ] || cat /sys/kernel/tracing/trace >/tmp/events
	for f in $log_files; do
		[ ! -e "/tmp/$f" ] || mv "/tmp/$f" "/tmp/round-$round.$f"
	done
}

finish()
{
	# What was killed may have ended in the middle of a line
	for f in /tmp/round-*; do
		[ ! -e "$f" ] || { cat "$f"; echo; } | result "${f##*/}"
	done
	exit "$failed"
}

# give_up WHAT: it was to happen and did not
give_up()
{
	headline "This did not happen: $1"
	fail "$1"
	# What the modules say of the guest's channels, before it is gone
	log_as_well fdinfo
	[ -z "$vmm" ] || { grep -h '^vmbus-' /proc/"$vmm"/fdinfo/* >/tmp/fdinfo
			   kill -9 "$vmm"; save_logs; } 2>/dev/null
	tail -n 5 "/tmp/round-$round.console" >/dev/results
	finish
}

expect()
{
	what=$1
	shift
	"$@" || give_up "$what"
}

# Sets now to the seconds since the boot. Nothing is started for it.
look_at_clock()
{
	read -r now _ </proc/uptime
	now=${now%.*}
}

# await SECONDS WHAT COMMAND...: look again and again until COMMAND succeeds. That is ten times a
# second, and where COMMAND itself takes long, for longer.
await()
{
	left=$(($1 * 10)) what=$2
	shift 2
	look_at_clock
	told=$now
	until "$@"; do
		left=$((left - 1))
		[ $left -gt 0 ] || give_up "$what"
		[ -z "$vmm" ] || alive || give_up "$what: the VMM has ended"
		# A host that says nothing for long is taken for dead
		look_at_clock
		[ $((now - told)) -lt 60 ] || { echo "demo: still waiting" >/dev/kmsg; told=$now; }
		sleep 0.1
	done
}

# some 8 page: "8 pages"
some() { echo "$1 $2$([ "$1" -eq 1 ] || echo s)"; }

message() { grep -q "$1" /tmp/messages; }

# heard N WHAT: at least so many messages
heard() { [ "$(grep -c "$2" /tmp/messages)" -ge "$1" ]; }

console() { grep -q "$1" /tmp/console; }

# A process that has ended is there until it was waited for, as a zombie
alive() { grep -q '^State:[[:space:]]*[RSDT]' "/proc/$vmm/status"; }

# start_vmm APPEND [VMM'S ARGUMENTS]: a guest, with this besides on its command line
start_vmm()
{
	append=$1
	shift
	round=$((round + 1))
	: >/tmp/messages
	[ ! -e /sys/kernel/tracing/trace ] || echo >/sys/kernel/tracing/trace
	# noxsave, pci=off: for nested software emulation, where the first is
	# wrong and the second slow
	/vmm --kernel /guest/vmlinuz --initrd /guest/initramfs \
		--append "console=ttyS0 panic=-1 noxsave pci=off $append" \
		--trace /tmp/messages "$@" >/tmp/console 2>&1 </tmp/keyboard &
	vmm=$!
}

# The guest goes on when it gets a line
press_return() { echo >/tmp/keyboard; }

# reap STATUS [WHO]: the VMM, or who it is, is to end with this status
reap()
{
	wait "$vmm"
	status=$? vmm=
	expect "${2:-the VMM} ends with status $1 and not $status" [ $status -eq "$1" ]
}

end_vmm()
{
	reap "$1"
	save_logs
}

load_kvm()
{
	# Both kvm-amd and kvm-intel are there: one fits the processor
	while read -r m; do
		insmod "/kvm/$m.ko" 2>/dev/null
	done </kvm/order
	expect "there is /dev/kvm" [ -e /dev/kvm ]
}

# An emulated processor that enters or leaves a guest changes, without a lock (QEMU before 10.2),
# what interrupts wait for it: now and then a timer's is forgotten, and Linux sets no other timer
# before that one has come. Any other interrupt brings it back. A clock that is to wake the machine
# some day makes 64 in a second.
set_alarm()
{
	[ ! -e /sys/class/rtc/rtc0/wakealarm ] || echo +80000 >/sys/class/rtc/rtc0/wakealarm
}

# begin NAME: what is told from here on is NAME.txt; KVM and our modules come
begin()
{
	echo "@@ $1.txt" >/dev/results
	set_alarm
	load_kvm
	load_all
}

# Our modules go, and that was all
end()
{
	unload_all
	check_pins "after the modules are gone"
	[ "$failed" -eq 0 ] || finish
	headline "All of this happened."
	finish
}

nothing_pinned() { [ "$(pinned_pages)" -eq 0 ]; }
no_partition() { [ -z "$(ls /sys/kernel/debug/vmbus_gpadl)" ]; }

all_gone()
{
	await 40 "nothing stays pinned" nothing_pinned
	await 40 "the partition goes" no_partition
}

mkfifo /tmp/keyboard
exec 3<>/tmp/keyboard
