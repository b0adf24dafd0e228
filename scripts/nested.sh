#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What a stock guest makes of tools/vmm, beyond the demo: its machine is the demo's.
#
#	nested.sh [CASE]...
#
# CASE: crc, a device without a driver and its sub-channels, used by uio_hv_generic; open,
# kick, revoke, close: the guest panics while a backend does not return from there, and is to
# dump by kexec. Without: all of them, in three minutes. CONFIG, SMP, TIMEOUT, SHOW and ACCEL
# are those of demo.sh. Logs stay in out/nested*/. The last line is 'N passed, N failed'.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

dir=$out/nested${CONFIG:+-$CONFIG}
logs=$dir/log
cases=("$@")
[ $# -gt 0 ] || cases=(crc open kick revoke close)

"$top/scripts/deps.sh"
choose_host

build()
{
	say "Building the modules, the VMM and the programs ..."
	build_modules "$kdir" "$dir/build" GPADL_TESTS=m
	for d in tools/vmm samples/guest tests/nested; do
		nice make -s -C "$dir/build/$d" >&2 ||
			die "$d does not build" "see above"
	done
	"$top/scripts/programs.sh" "$dir/programs" kexec-tools kexec
}

# The guest; in it, what it boots when it has crashed
make_guest()
{
	local -x INIT=$top/scripts/guest/nested-guest.sh

	rm -rf "$dir/crash" "$dir/guest"
	collect_modules "$dir/crash" "hv_vmbus hv_utils" "$kernel/modules"
	"$top/scripts/initramfs.sh" "$dir/crash.img" "$dir/crash=/ko"
	collect_modules "$dir/guest" "hv_vmbus hv_utils uio_hv_generic" "$kernel/modules"
	"$top/scripts/initramfs.sh" "$dir/guest.img" "$dir/guest=/ko" \
		"$dir/build/samples/guest/crc=/sbin/crc" "$dir/programs=/" \
		"$kernel/vmlinuz=/crash/vmlinuz" "$dir/crash.img=/crash/initramfs"
}

run()
{
	local ok=0 passed

	build
	make_guest
	rm -rf "$dir/ko" "$dir/kvm"
	collect_modules "$dir/kvm" "$kvm" "$kernel/modules"
	collect_modules "$dir/ko" "vmbus_heartbeat vmbus_crc vmbus_gpadl_test" "$dir/build"
	printf '%s\n' "${cases[@]}" >"$dir/arguments"
	"$top/scripts/initramfs.sh" "$dir/host.img" "$dir/ko" "$dir/kvm" \
		"$dir/build/tools/vmm/vmm" "$dir/build/tests/nested/bin/hang" \
		"$kernel/vmlinuz=/guest/vmlinuz" "$dir/guest.img=/guest/initramfs" \
		"$dir/arguments" "$top/scripts/guest/lib.sh" \
		"$top/scripts/guest/demo-lib.sh" "$top/scripts/guest/nested-host.sh=/run"

	say "Booting the host in QEMU, and the guests in it ..."
	FOLLOW=nested.txt SMP=${SMP:-1} TIMEOUT=${TIMEOUT:-900} STALL=${STALL:-300} \
		"$top/scripts/qemu.sh" "$image" "$dir/host.img" "$logs" || ok=1
	passed=$(grep -c '^ok - ' "$logs/nested.txt") || true
	[ "$passed" -eq ${#cases[@]} ] || ok=1
	totals "$passed" $ok
}

with_lock "$(echo "$dir" | tr / _)" run
