#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A disk for a stock Debian guest, end to end: its own hv_storvsc, the backend vmbus_scsi,
# and the kernel's SCSI target. The machines are the demo's.
#
#	demo-disk.sh [CASE]...
#
# CASE: disk, killed, unplug; verify, root, sg3, which need root for the Debian system on a disk
# (disk-image.sh) and Debian's own kernel. Without, the first three. ROUNDS: how often verify
# kills, resets, unplugs (1). CONFIG, SMP, TIMEOUT, SHOW and ACCEL are those of demo.sh. Logs
# stay in out/demo-disk*/.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$top/scripts/host.sh"

dir=$out/demo-disk${CONFIG:+-$CONFIG}
logs=$dir/log
cases=("$@")
[ $# -gt 0 ] || cases=(disk killed unplug)
system=

"$top/scripts/deps.sh"
choose_host
case " ${cases[*]} " in
*" verify "* | *" root "* | *" sg3 "*)
	[ -z "${CONFIG-}" ] || die "CONFIG=$CONFIG has no driver for the disk of verify, root and sg3" \
		"name other cases"
	system=$("$top/scripts/disk-image.sh")
	;;
esac

# What the guest needs besides busybox
programs()
{
	local packages="e2fsprogs fdisk util-linux"

	"$top/scripts/programs.sh" "$dir/programs" "$packages" mke2fs sfdisk fstrim
	"$top/scripts/programs.sh" "$dir/host-programs" "$packages" e2fsck
}

build()
{
	say "Building the modules, the VMM and the programs ..."
	build_modules "$kdir" "$dir/build"
	for d in tools/vmm tests/nested; do
		nice make -s -C "$dir/build/$d" >&2 ||
			die "$d does not build" "see above"
	done
	programs
}

make_guest()
{
	rm -rf "$dir/guest"
	collect_modules "$dir/guest" "hv_vmbus hv_utils sd_mod crc32c_generic ext4 hv_storvsc" \
		"$kernel/modules"
	INIT=$top/scripts/guest/demo-disk-guest.sh "$top/scripts/initramfs.sh" \
		"$dir/guest.img" "$dir/guest=/ko" "$dir/programs=/" \
		"$dir/build/tests/nested/bin/ack=/sbin/ack" \
		"$top/scripts/guest/verify.fio" "$top/scripts/guest/verify-again.fio" \
		"$top/scripts/guest/sg3.sh" "$top/scripts/guest/l2-lib.sh"
}

run()
{
	build
	make_guest
	rm -rf "$dir/ko" "$dir/kvm"
	collect_modules "$dir/kvm" "$kvm" "$kernel/modules"
	collect_modules "$dir/ko" "configfs loop crc32c_generic ext4 target_core_file \
		${system:+virtio_pci virtio_blk target_core_iblock tcm_loop sd_mod} \
		vmbus_heartbeat vmbus_scsi" "$dir/build" "${found[@]}"
	printf "%s ${ROUNDS:-1}\n" "${cases[@]}" >"$dir/arguments"
	"$top/scripts/initramfs.sh" "$dir/host.img" "$dir/ko" "$dir/kvm" \
		"$dir/build/tools/vmm/vmm" "$dir/build/tests/nested/bin/ack" \
		"$dir/host-programs=/" "$dir/arguments" \
		"$kernel/vmlinuz=/guest/vmlinuz" "$dir/guest.img=/guest/initramfs" \
		"$top/scripts/guest/lib.sh" "$top/scripts/guest/demo-lib.sh" \
		"$top/scripts/guest/target-lib.sh" "$top/scripts/guest/sg3.sh" "$top/scripts/guest/sg3-differs.txt" \
		"$top/scripts/guest/demo-disk-host.sh=/run"

	say "Booting the host in QEMU, and the guests in it ..."
	[ -z "$system" ] || export QEMU_ARGS="-drive \
		if=none,id=system,format=raw,snapshot=on,file=$system \
		-device virtio-blk-pci,drive=system"
	FOLLOW=demo-disk.txt SMP=${SMP:-1} TIMEOUT=${TIMEOUT:-1500} \
		STALL=${STALL:-300} "$top/scripts/qemu.sh" "$image" "$dir/host.img" "$logs"
}

with_lock "$(echo "$dir" | tr / _)" run
