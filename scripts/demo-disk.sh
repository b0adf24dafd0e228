#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A disk for a stock Debian guest, end to end: its own hv_storvsc, the backend vmbus_scsi,
# and the kernel's SCSI target. The machines are the demo's.
#
#	demo-disk.sh [CASE]...
#
# CASE: disk, killed, unplug; verify and root, which need root for the Debian system on a disk
# (disk-image.sh) and Debian's own kernel. Without, the first three. ROUNDS: how often verify
# kills, resets, rescinds, unplugs (1). FIO_SECONDS: how long its fio writes and verifies in all, in
# equal parts before each of these (0: once); booting, and what is under way when it happens, are not
# counted. CONFIG is that of demo.sh. Logs stay in out/demo-disk*/.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$top/scripts/host.sh"

cases=("$@")
[ $# -gt 0 ] || cases=(disk killed unplug)
choose_host demo-disk
choose_system verify root
# A line for each case: its name, how often, how long
cases=("${cases[@]/%/ ${ROUNDS:-1} ${FIO_SECONDS:-0}}")

build()
{
	local packages="e2fsprogs fdisk util-linux"

	say "Building the modules, the VMM and the programs ..."
	build_modules "$kdir" "$dir/build"
	build_programs "$dir/build" tools/vmm tests/nested
	"$top/scripts/programs.sh" "$dir/programs" "$packages" mke2fs sfdisk fstrim
	"$top/scripts/programs.sh" "$dir/host-programs" "$packages" e2fsck
}

make_guest()
{
	guest_modules "$dir/guest" "hv_vmbus hv_utils sd_mod crc32c_generic ext4 hv_storvsc"
	INIT=$top/scripts/guest/demo-disk-guest.sh "$top/scripts/initramfs.sh" \
		"$dir/guest.img" "$dir/guest=/ko" "$dir/programs=/" \
		"$dir/build/tests/nested/bin/ack=/sbin/ack" \
		"$top"/scripts/guest/{verify,verify-again}.fio "$top/scripts/guest/l2-lib.sh"
}

run()
{
	build
	make_guest
	TIMEOUT=${TIMEOUT:-$((1500 * ${ROUNDS:-1} + 2 * ${FIO_SECONDS:-0}))} STALL=${STALL:-300} boot_host demo-disk \
		"configfs loop crc32c_generic ext4 target_core_file \
		${system:+virtio_pci virtio_blk target_core_iblock} \
		vmbus_heartbeat vmbus_scsi" \
		"$dir/build/tools/vmm/vmm" "$dir/build/tests/nested/bin/ack" \
		"$dir/host-programs=/" \
		"$top/scripts/guest/target-lib.sh"
}

with_lock "$dir" run
