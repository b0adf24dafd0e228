#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# QEMU as the VMM of a stock Debian guest, end to end: the QEMU of qemu-build.sh in a host (L1),
# its device vmbus-host-scsi, and the guest's own hv_storvsc. The machines are the demo's.
#
#	demo-qemu.sh [CASE]...
#
# CASE: boot, plug, hotplug, resets, killed, qtest; without, all of them. QEMU_VERSION is
# qemu-build.sh's VERSION; RESETS=10, how many. CONFIG, SMP, TIMEOUT, SHOW and ACCEL are those of demo.sh. Logs stay in
# out/demo-qemu*/.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

dir=$out/demo-qemu-${QEMU_VERSION:=7.2}${CONFIG:+-$CONFIG}
logs=$dir/log
cases=("$@")
[ $# -gt 0 ] || cases=(boot plug hotplug resets killed qtest)

"$top/scripts/deps.sh"
choose_host
qemu=${QEMU_DIR:-$("$top/scripts/qemu-build.sh" "$QEMU_VERSION")}

build()
{
	say "Building the modules and the programs ..."
	build_modules "$kdir" "$dir/build"
	nice make -s -C "$dir/build/tests/nested" >&2 ||
		die "tests/nested does not build" "see above"
}

make_guest()
{
	rm -rf "$dir/guest"
	collect_modules "$dir/guest" "hv_vmbus hv_utils sd_mod hv_storvsc" "$kernel/modules"
	INIT=$top/scripts/guest/demo-qemu-guest.sh "$top/scripts/initramfs.sh" \
		"$dir/guest.img" "$dir/guest=/ko" "$dir/build/tests/nested/bin/ack=/sbin/ack"
}

run()
{
	build
	make_guest
	rm -rf "$dir/ko" "$dir/kvm"
	collect_modules "$dir/kvm" "$kvm" "$kernel/modules"
	collect_modules "$dir/ko" "configfs target_core_file vmbus_heartbeat vmbus_scsi" \
		"$dir/build" "${found[@]}"
	printf '%s\n' "resets=${RESETS:-10}" "${cases[@]}" >"$dir/arguments"
	"$top/scripts/initramfs.sh" "$dir/host.img" "$dir/ko" "$dir/kvm" \
		"$qemu/bin=/qemu/bin" "$qemu/share=/qemu/share" "$qemu/lib=/lib" \
		"$qemu/lib/ld-linux-x86-64.so.2=/lib64/ld-linux-x86-64.so.2" \
		"$dir/build/tests/nested/bin/ack" "$dir/arguments" \
		"$kernel/vmlinuz=/guest/vmlinuz" "$dir/guest.img=/guest/initramfs" \
		"$top/scripts/guest/lib.sh" "$top/scripts/guest/demo-lib.sh" \
		"$top/scripts/guest/target-lib.sh" "$top/scripts/guest/demo-qemu-host.sh=/run"

	say "Booting the host in QEMU, and the guests in it ..."
	FOLLOW=demo-qemu.txt SMP=${SMP:-1} MEM=${MEM:-3G} TIMEOUT=${TIMEOUT:-1500} \
		STALL=${STALL:-300} "$top/scripts/qemu.sh" "$image" "$dir/host.img" "$logs"
}

with_lock "$(echo "$dir" | tr / _)" run
