#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The whole path, end to end: a stock Debian guest's hv_vmbus establishes
# GPADLs, the modules receive them, an in-kernel backend maps them.
#
#	this machine	QEMU, software emulation
#	  L1, the host	Debian's kernel, KVM, our modules: guest/demo-host.sh
#	    L2, guest	Debian's kernel, its own VMBus drivers: guest/demo-guest.sh
#
# Succeeds if all of it happened. CONFIG=debug takes a host kernel that is built to
# find bugs. SMP, TIMEOUT, SHOW and ACCEL are those of qemu.sh. Logs stay in
# out/demo*/: what was told, and for each round the guest's console, the VMBus
# messages and the mapper's tracepoints.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$top/scripts/host.sh"

dir=$out/demo${CONFIG:+-$CONFIG}
logs=$dir/log

cat >&2 <<END
This boots a host (Debian's kernel, KVM, these modules) in QEMU and, in that, a stock Debian
guest whose GPADLs the modules map. Nothing is loaded on this machine. It takes about a
minute; the first time also what it needs is fetched, 120 MB of kernel and the Debian
packages that are missing, which takes a minute or two more.

END
"$top/scripts/deps.sh"
choose_host

run()
{
	say "Building the modules and the VMM ..."
	build_modules "$kdir" "$dir/build"
	nice make -s -C "$dir/build/tools/vmm" >&2 ||
		die "the VMM does not build" "see above"

	rm -rf "$dir/ko" "$dir/kvm" "$dir/guest"
	collect_modules "$dir/guest" "hv_vmbus hv_utils" "$kernel/modules"
	INIT=$top/scripts/guest/demo-guest.sh "$top/scripts/initramfs.sh" \
		"$dir/guest.img" "$dir/guest=/ko"

	collect_modules "$dir/kvm" "$kvm" "$kernel/modules"
	# One backend is enough; it brings what it depends on
	collect_modules "$dir/ko" vmbus_heartbeat "$dir/build"
	"$top/scripts/initramfs.sh" "$dir/host.img" "$dir/ko" "$dir/kvm" \
		"$dir/build/tools/vmm/vmm" "$kernel/vmlinuz=/guest/vmlinuz" \
		"$dir/guest.img=/guest/initramfs" "$top/scripts/guest/lib.sh" \
		"$top/scripts/guest/demo-lib.sh" "$top/scripts/guest/demo-host.sh=/run"

	# One CPU: no slower under emulation, and it leaves the other one free
	say "Booting the host in QEMU, and the guest in it ..."
	FOLLOW=demo.txt SMP=${SMP:-1} TIMEOUT=${TIMEOUT:-900} STALL=${STALL:-150} \
		"$top/scripts/qemu.sh" \
		"$image" "$dir/host.img" "$logs"
}

with_lock "$(echo "$dir" | tr / _)" run
