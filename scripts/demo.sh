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
# find bugs. Logs stay in out/demo*/: what was told, and for each round the guest's
# console, the VMBus messages and the mapper's tracepoints.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$top/scripts/host.sh"

cases=()
cat >&2 <<END
This boots a host (Debian's kernel, KVM, these modules) in QEMU and, in that, a stock Debian
guest whose GPADLs the modules map. Nothing is loaded on this machine. It takes about a
minute; the first time also what it needs is fetched, 120 MB of kernel and the Debian
packages that are missing, which takes a minute or two more.

END
choose_host demo

run()
{
	say "Building the modules and the VMM ..."
	build_modules "$kdir" "$dir/build"
	build_programs "$dir/build" tools/vmm
	guest_modules "$dir/guest" "hv_vmbus hv_utils"
	INIT=$top/scripts/guest/demo-guest.sh "$top/scripts/initramfs.sh" \
		"$dir/guest.img" "$dir/guest=/ko"
	# One backend is enough; it brings what it depends on
	TIMEOUT=${TIMEOUT:-900} STALL=${STALL:-150} boot_host demo vmbus_heartbeat \
		"$dir/build/tools/vmm/vmm"
}

with_lock "$dir" run
