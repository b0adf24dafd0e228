#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# QEMU as the VMM of a stock Debian guest, end to end: the QEMU of qemu-build.sh in a host (L1),
# its device vmbus-host-scsi, and the guest's own hv_storvsc. The machines are the demo's.
#
#	demo-qemu.sh [CASE]...
#
# CASE: boot, plug, resets, killed, qtest, kdump, stop, regions, uio, hostile, refused, moved, busy,
# kexec, late; and, which need root for the Debian system on a disk (disk-image.sh) and Debian's own
# kernel, hotplug, root and sg3. Without, all that are possible but sg3, which takes a QEMU that has
# vhost-scsi as well. QEMU_VERSION is qemu-build.sh's VERSION,
# QEMU_SANITIZE its option; RESETS=10, how many: each takes most of a minute, and check.sh's stage has
# 30. TIMEOUT=6000, seconds for all. CONFIG, SMP, SHOW and ACCEL are those of demo.sh. Logs stay in
# out/demo-qemu*/.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$top/scripts/host.sh"

cases=("$@")
if [ $# -eq 0 ]; then
	cases=(boot plug resets killed qtest kdump stop regions uio hostile refused moved)
	cases+=(busy kexec late)
	[ "$(id -u)" -ne 0 ] || cases+=(hotplug root)
fi

sg3=
[[ " ${cases[*]} " != *" sg3 "* ]] || export QEMU_VIRTIO=1 sg3=1

choose_host "demo-qemu-${QEMU_VERSION:=7.2}${QEMU_SANITIZE:+-sanitize}"
qemu=${QEMU_DIR:-$("$top/scripts/qemu-build.sh" "$QEMU_VERSION")}

choose_system root hotplug sg3
cases=("resets=${RESETS:-10}" "${cases[@]}")

build()
{
	say "Building the modules and the programs ..."
	build_modules "$kdir" "$dir/build"
	build_programs "$dir/build" tests/nested samples/guest
	nice make -s -C "$kernel/build" M="$dir/build/tests/nested/guest" modules >&2 ||
		die "tests/nested/guest does not build" "see above"
	"$top/scripts/programs.sh" "$dir/programs" kexec-tools kexec
	"$top/scripts/programs.sh" "$dir/host-programs" e2fsprogs e2fsck
}

# The guest; and one that has a crash kernel besides
make_guests()
{
	local -x INIT=$top/scripts/guest/demo-qemu-guest.sh
	local bin=$dir/build/tests/nested/bin

	guest_modules "$dir/guest" "hv_vmbus hv_utils sd_mod crc32c_generic ext4 hv_storvsc \
		uio_hv_generic ${sg3:+virtio_pci virtio_scsi}"
	"$top/scripts/initramfs.sh" "$dir/guest.img" "$dir/guest=/ko" \
		"$bin/ack=/sbin/ack" "$dir/build/samples/guest/crc=/sbin/crc" \
		"$dir/build/tests/nested/guest/hostile.ko" "$top"/scripts/guest/{l2-lib,sg3}.sh
	"$top/scripts/initramfs.sh" "$dir/guest-kdump.img" "$dir/guest=/ko" \
		"$bin/ack=/sbin/ack" "$dir/programs=/" "$top/scripts/guest/l2-lib.sh" \
		"$kernel/vmlinuz=/crash/vmlinuz" "$dir/guest.img=/crash/initramfs"
}

run()
{
	build
	make_guests
	MEM=${MEM:-3G} TIMEOUT=${TIMEOUT:-6000} STALL=${STALL:-300} boot_host demo-qemu \
		"configfs loop crc32c_generic ext4 target_core_file \
		${system:+virtio_pci virtio_blk target_core_iblock} ${sg3:+vhost_scsi} \
		vmbus_heartbeat vmbus_crc vmbus_scsi" \
		"$qemu/bin=/qemu/bin" "$qemu/share=/qemu/share" "$qemu/lib=/lib" \
		"$qemu/lib/ld-linux-x86-64.so.2=/lib64/ld-linux-x86-64.so.2" \
		"$dir/build/tests/nested/bin"/{ack,meddle.so,slow.so} "$dir/host-programs=/" \
		"$dir/guest-kdump.img=/guest/initramfs-kdump" \
		"$top"/scripts/guest/{target-lib,demo-qemu-lib,demo-qemu-cases-*}.sh \
		"$top/scripts/guest/sg3-differs.txt"
}

with_lock "$dir" run
