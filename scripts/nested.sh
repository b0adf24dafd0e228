#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What a stock guest makes of tools/vmm, beyond the demo: its machine is the demo's.
#
#	nested.sh [CASE]...
#
# CASE: crc, a device without a driver and its sub-channels, used by uio_hv_generic; open,
# kick, revoke, close: the guest panics while a backend does not return from there, and is to
# dump by kexec. Without: all of them, in three minutes. CONFIG is that of demo.sh. Logs stay in
# out/nested*/.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$top/scripts/host.sh"

cases=("$@")
[ $# -gt 0 ] || cases=(crc open kick revoke close)
choose_host nested

build()
{
	say "Building the modules, the VMM and the programs ..."
	build_modules "$kdir" "$dir/build" GPADL_TESTS=m
	build_programs "$dir/build" tools/vmm samples/guest tests/nested
	"$top/scripts/programs.sh" "$dir/programs" kexec-tools kexec
}

# The guest; in it, what it boots when it has crashed
make_guest()
{
	local -x INIT=$top/scripts/guest/nested-guest.sh

	guest_modules "$dir/crash" "hv_vmbus hv_utils"
	"$top/scripts/initramfs.sh" "$dir/crash.img" "$dir/crash=/ko" \
		"$top/scripts/guest/l2-lib.sh"
	guest_modules "$dir/guest" "hv_vmbus hv_utils uio_hv_generic"
	"$top/scripts/initramfs.sh" "$dir/guest.img" "$dir/guest=/ko" \
		"$top/scripts/guest/l2-lib.sh" \
		"$dir/build/samples/guest/crc=/sbin/crc" "$dir/programs=/" \
		"$kernel/vmlinuz=/crash/vmlinuz" "$dir/crash.img=/crash/initramfs"
}

run()
{
	local ok=0

	build
	make_guest
	TIMEOUT=${TIMEOUT:-900} STALL=${STALL:-300} boot_host nested \
		"vmbus_heartbeat vmbus_crc vmbus_gpadl_test" "$dir/build/tools/vmm/vmm" \
		"$dir/build/tests/nested/bin/hang" || ok=1
	passed=$(grep -c '^ok - ' "$logs/nested.txt") || true
	[ "$passed" -eq ${#cases[@]} ] || ok=1
	totals "$passed" $ok 0
}

with_lock "$dir" run
