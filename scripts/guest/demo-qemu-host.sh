#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the host (L1) of QEMU's demo: a portal group of the kernel's SCSI target, and guests that
# have it by -device vmbus-host-scsi of the QEMU that is built here.
#
# shellcheck disable=SC2317 # what await() and expect() call is reachable
# shellcheck disable=SC2154,SC2034 # what the libraries set, and what is set for the cases

. /lib.sh
. /demo-lib.sh
. /target-lib.sh
. /demo-qemu-lib.sh
# The cases: NAME_case, of what NAME is in the arguments
for group in /demo-qemu-cases-*.sh; do
	# shellcheck source=/dev/null
	. "$group"
done

# run_qtest [HOW]: what it says is in /tmp/qtest
run_qtest()
{
	if ! QTEST_QEMU_BINARY=/qemu/bin/qemu-system-x86_64 /qemu/bin/vmbus-host-test >/tmp/qtest 2>&1; then
		tail -n 20 /tmp/qtest >/dev/results
		give_up "vmbus-host-test passes$1"
	fi
}

qtest_case()
{
	headline "6. QEMU's own test of these devices"
	run_qtest
	expect "none of it was skipped" [ "$(grep -c SKIP /tmp/qtest)" -eq 0 ]
	all_gone
	passed=$(grep -c '^ok ' /tmp/qtest)
	mv /dev/vmbus-host /dev/vmbus-host.away
	run_qtest " without /dev/vmbus-host"
	mv /dev/vmbus-host.away /dev/vmbus-host
	skipped=$(grep -c '^ok .* SKIP there is no /dev/vmbus-host' /tmp/qtest)
	expect "what needs /dev/vmbus-host is skipped without it" [ "$skipped" -eq 7 ]
	tell host "$(some "$passed" case) of vmbus-host-test pass; $skipped are skipped where there is no /dev/vmbus-host"
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
