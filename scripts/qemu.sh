#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Boot a kernel with an initramfs, wait until the guest powers off, judge.
#
#	qemu.sh KERNEL INITRAMFS LOGDIR [more of the kernel's command line]
#
# In LOGDIR afterwards: console.log, what the guest sent on its second serial
# port (result.log), and the files that it named there; see guest/init.
#
# Succeeds if the guest's /run did and the console shows no trouble, and says
# what is wrong if not. From the environment:
#
#	SMP=2		virtual CPUs
#	MEM=2G		memory
#	TIMEOUT=300	seconds for all of it
#	BOOT_TIMEOUT=300	of these, until code of ours runs; then once more
#	ACCEL=kvm	use KVM, if the processor can. Never by itself: that
#			/dev/kvm is there does not mean that it runs any kernel
#	ICOUNT=1	one CPU, whose clock counts the instructions that it executes, a
#			nanosecond each, whatever else the machine does
#	QEMU_ARGS="..."	more of QEMU's own arguments, in words: another machine, devices
#	SHOW=1		show the console
#	FOLLOW=NAME	show the result file NAME as it grows
#	PROGRESS=1	show which program the guest runs, which suite of KUnit it ends
#	STOP=REGEX	end it as soon as the guest prints this
#	STALL=SECONDS	end it when the guest prints nothing for so long; if an NMI shows that
#			the emulator has lost it, once more. So where it runs code that is no more

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ $# -ge 3 ] || die "usage: qemu.sh KERNEL INITRAMFS LOGDIR [APPEND]..."
kernel=$1 initramfs=$2 logs=$3
shift 3
timeout=${TIMEOUT:-300} boot_timeout=${BOOT_TIMEOUT:-300}

# The machine; its console; the second serial port, where virt has none a card
case $arch in
x86)
	machine=(qemu-system-x86_64 -accel "tcg,thread=multi" -cpu max)
	tty=ttyS0 results=(-serial "file:$logs/result.log") ;;
arm64)
	machine=(qemu-system-aarch64 -machine virt -accel "tcg,thread=multi"
		 -cpu "max,pauth-impdef=on")
	tty=ttyAMA0 results=(-chardev "file,id=results,path=$logs/result.log"
			     -device "pci-serial,chardev=results") ;;
esac
if [ "${ACCEL-}" = kvm ]; then
	grep -qwE 'svm|vmx' /proc/cpuinfo ||
		die "ACCEL=kvm, but this processor shows neither svm nor vmx" \
		    "run it without ACCEL=kvm"
	machine=(qemu-system-x86_64 -accel kvm -cpu host)
elif [ "${ICOUNT-}" = 1 ]; then
	# Without these features, the kernel clears and copies without the string
	# instructions, which count once for each of their iterations
	machine=(qemu-system-x86_64 -accel tcg -icount "shift=0,sleep=off"
		 -cpu "max,-erms,-fsrm")
	SMP=1
fi

read -ra devices <<<"${QEMU_ARGS-}"

console=(-serial "file:$logs/console.log")
if [ "${SHOW-}" = 1 ]; then
	console=(-chardev "stdio,id=console,signal=off,logfile=$logs/console.log"
		 -serial chardev:console)
fi

qemu=
trap '[ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true' EXIT

boot()
{
	local status=0 watch

	rm -rf "$logs"
	mkdir -p "$logs"
	touch "$logs/console.log" "$logs/result.log"
	mkfifo "$logs/monitor.in" "$logs/monitor.out"
	timeout -k 5 "$timeout" "${machine[@]}" "${devices[@]}" \
		-smp "${SMP:-2}" -m "${MEM:-2G}" \
		-nodefaults -display none -no-reboot -monitor "pipe:$logs/monitor" \
		"${console[@]}" "${results[@]}" \
		-kernel "$kernel" -initrd "$initramfs" \
		-append "console=$tty panic=-1 unknown_nmi_panic $*" </dev/null >&2 &
	qemu=$!
	watch "$qemu" &
	watch=$!
	if [ -n "${FOLLOW-}" ]; then
		follow "$qemu"
	elif [ "${PROGRESS-}" = 1 ]; then
		progress "$qemu"
	fi
	wait_for "$qemu" || status=$?
	wait "$watch"
	qemu=
	return $status
}

began() { grep -q '^@@@ begin' "$logs/result.log" 2>/dev/null; }

# Of a guest that prints nothing any more, ask process PID, which is timeout, for the one
# interrupt that nobody can disable. A kernel that works answers with a panic, and where
# it was. The emulator has lost it if it does not, or if it was waiting for an interrupt
# that does not come: halted, or while a guest of its own runs.
was_lost()
{
	local at

	# For reading as well: it does not wait for a QEMU that is gone
	echo nmi 1<>"$logs/monitor.in"
	for _ in {1..20}; do
		sleep 1
		kill -0 "$1" 2>/dev/null || break
	done
	if ! grep -q 'Kernel panic - .*NMI' "$logs/console.log"; then
		say "The guest says nothing, and does not answer an NMI"
		return 0
	fi
	# Where it was, and not what had called that: an interrupt of ours may be in there
	at=$(sed '1,/Kernel panic - .*NMI/d' "$logs/console.log" | grep -m 1 RIP:)
	say "The guest says nothing. An NMI has found it here:"
	say "$at"
	[[ $at =~ (default_idle|native_safe_halt|svm_vcpu_run|svm_vcpu_enter_exit)\+ ]]
}

# Multi-threaded TCG, before QEMU 8.1, reads the code that it translates without a lock against
# another processor's store to it. A breakpoint that the kernel puts into its text while it patches
# that, and takes out again, can so be met for ever after. Of that the kernel knows nothing: an Oops,
# where memory has no breakpoint (cc) before the byte that RIP points to, which "Code:" shows as <..>.
stale_code()
{
	awk '/Oops: int3: / { oops = 1 }
	     oops && /Code: .*</ { stale = !/ cc </; exit }
	     END { exit !stale }' "$logs/console.log"
}

# watch PID: end a process if it hangs before any code of ours has run; when the guest prints
# what STOP matches; or nothing for STALL seconds; or has met code that is no more
watch()
{
	local said=("$logs/console.log" "$logs/result.log") size last='' start=$SECONDS since=$SECONDS

	while sleep 1; do
		kill -0 "$1" 2>/dev/null || return 0
		size=$(stat -c %s "${said[@]}")
		[ "$size" = "$last" ] || since=$SECONDS
		last=$size
		if [ -n "${STALL-}" ] && [ $((SECONDS - since)) -ge "$STALL" ]; then
			! was_lost "$1" || touch "$logs/lost"
			break
		fi
		if stale_code; then
			touch "$logs/lost"
			break
		fi
		[ -z "${STOP-}" ] || ! grep -qE "$STOP" "${said[@]}" || break
		began || [ $((SECONDS - start)) -lt "$boot_timeout" ] || break
	done
	kill "$1" 2>/dev/null || true
}

# The lines of one result file while they come, until process PID is gone. Not
# with awk: Debian's own, mawk, waits until it has read a buffer full.
follow()
{
	local line on=

	tail -n +1 -f --pid="$1" "$logs/result.log" |
		while IFS= read -r line; do
			case $line in
			"@@ $FOLLOW")	on=1 ;;
			@@*)		on= ;;
			*)		[ -z "$on" ] || say "$line" ;;
			esac
		done
}

# How far the guest is, until process PID is gone
progress()
{
	local line start=$SECONDS

	tail -n +1 -f --pid="$1" "$logs/console.log" |
		sed -nu 's/\r$//; s/.*\] guest: run //p; s/^\[[^]]*\] \(not \)*ok [0-9]* \(- \)*//p' |
		while IFS= read -r line; do
			printf '  %5d s  %s\n' $((SECONDS - start)) "$line" >&2
		done
}

# Cut result.log into the files that it holds
split_results()
{
	awk -v dir="$logs/" '
		/^@@@ / { file = ""; next }
		/^@@ /  { gsub(/[^A-Za-z0-9._-]/, "_", $2)
			  file = dir $2; printf "" > file; next }
		file    { print > file }' "$logs/result.log"
}

status=0
boot "$@" || status=$?
if [ $status -ne 124 ] && { ! began || [ -e "$logs/lost" ] || stale_code; }; then
	# No code of ours has run. Multi-threaded TCG trips, once in some tens
	# of boots, over a kernel that patches its text; see stale_code() for later. Or a
	# guest that has a guest gets no timer's interrupt any more, once in some hundreds:
	# what waits for our code looks every second, and is not heard of.
	say "The emulator has lost the guest. The last that it said:"
	tail -n 5 "$logs/console.log" >&2 || true
	! stale_code || grep -aE 'Oops: int3|RIP: |Code: ' "$logs/console.log" | head -n 4 >&2
	say "Once more ..."
	status=0
	boot "$@" || status=$?
fi

wrong=0
split_results
case $status in
0)	;;
124)	say "The guest was not done after $timeout s"; wrong=1 ;;
*)	say "QEMU ended with status $status"; wrong=1 ;;
esac

verdict=$(sed -n 's/^@@@ verdict //p' "$logs/result.log")
if [ "$verdict" != 0 ]; then
	say "The guest's verdict: ${verdict:-none}"
	wrong=1
fi

awk -f "$top/scripts/console.awk" "$logs/console.log" >"$logs/trouble.log"
if [ -s "$logs/trouble.log" ]; then
	say "The console shows trouble:"
	head -n 40 "$logs/trouble.log" >&2
	wrong=1
fi

[ $wrong -eq 0 ] || say "(the whole console: $logs/console.log)"
exit $wrong
