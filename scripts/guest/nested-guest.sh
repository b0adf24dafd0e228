#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# PID 1 of a guest (L2) of nested-host.sh. The kernel's command line tells what for:
#
#	case=crc	run the program for the sample backend vmbus_crc, twice
#	case=open, case=kick, case=revoke, case=close
#			have the backend called there, and panic while it hangs
#	case=crashed	this is the crash kernel
#
# It goes on when the host sends a line to the console.

. /l2-lib.sh
begin

crc_type=0d6b8c5e-2f41-4c7a-9e13-605ad2884b97
test_type=6f1d4c2a-93b7-4e58-a0c4-5d2f8b7e1a90

run_crc()
{
	bind_uio $crc_type
	crc "$instance" 3
	read -r _
	crc "$instance" 2
	read -r _
	poweroff -f
}

load_crash_kernel()
{
	kexec -p -s /crash/vmlinuz --initrd=/crash/initramfs \
		--append="console=ttyS0 panic=-1 noxsave pci=off nr_cpus=1 case=crashed"
	[ "$(cat /sys/kernel/kexec_crash_loaded)" = 1 ] && say "a crash kernel is loaded"
}

# What does not return is done by a child: this has to panic
call()
{
	case $1 in
	open)	exec 9<>"$uio" ;;
	kick)	printf '\1\0\0\0' >&9 ;;
	revoke)	echo "$instance" >$vmbus/drivers/uio_hv_generic/unbind ;;
	close)	exec 9>&- ;;
	esac
}

# Who closes has to have it open alone
call_when_told()
{
	[ "$1" != close ] || exec 9<>"$uio"
	touch /tmp/ready
	until_there /tmp/go
	call "$1"
}

panic_while()
{
	load_crash_kernel
	bind_uio $test_type
	[ "$1" = open ] || [ "$1" = close ] || exec 9<>"$uio"
	call_when_told "$1" &
	until_there /tmp/ready
	say "ready"
	read -r _
	touch /tmp/go
	read -r _
	echo c >/proc/sysrq-trigger
}

crashed()
{
	say "the crash kernel runs, /proc/vmcore has $(stat -c %s /proc/vmcore) bytes"
	# A core dump of a 64-bit machine begins so
	[ "$(head -c 5 /proc/vmcore | hexdump -e '1/1 "%02x"')" = 7f454c4602 ] &&
		say "/proc/vmcore can be read"
	read -r _
	poweroff -f
}

load_drivers all
what=$(sed 's/.*case=\([^ ]*\).*/\1/' /proc/cmdline)
case $what in
crc)		run_crc ;;
crashed)	crashed ;;
*)		panic_while "$what" ;;
esac
