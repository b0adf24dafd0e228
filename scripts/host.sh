# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # those who source it set cases; arch and out are lib.sh's
#
# A host (L1) in QEMU, for guests (L2) in it: what demo.sh, demo-disk.sh, demo-qemu.sh and nested.sh
# share. Source it after lib.sh.

# choose_host NAME: what it runs: Debian's kernel, or with CONFIG one that is built here. Sets
#
#	dir, logs	where all of it is, out/NAME
#	kernel		Debian's, which the guests run
#	kvm		the modules that it loads to have KVM, where that is not in the kernel
#
# and what choose_kernel() does.
choose_host()
{
	dir=$out/$1${CONFIG:+-$CONFIG}
	logs=$dir/log
	"$top/scripts/deps.sh"
	kernel=$("$top/scripts/kernel.sh" stock)
	choose_kernel "${CONFIG-}" "$series"
	kvm=
	[ -n "${CONFIG-}" ] || kvm="kvm-amd kvm-intel"
}

# choose_system CASE...: sets system to the Debian system on a disk, if one of the cases is to be
# run: only they need it; else to nothing
choose_system()
{
	local needs

	system=
	for needs; do
		[[ " ${cases[*]} " == *" $needs "* ]] || continue
		[ -z "${CONFIG-}" ] || die "CONFIG=$CONFIG has no driver for the disk of $needs" \
			"name other cases"
		system=$("$top/scripts/disk-image.sh")
		return
	done
}

# guest_modules DIR "NAME...": Debian's, for a guest
guest_modules() { collect_modules "$1" "$2" "$kernel/modules"; }

# boot_host NAME "MODULE..." FILE[=PLACE]...: it runs guest/NAME-host.sh, whose answer is NAME.txt,
# with the modules, the guest's kernel and initramfs, the cases' names in /arguments, and the files
boot_host()
{
	local name=$1 modules=$2
	shift 2

	say "Booting the host in QEMU, and the guests in it ..."
	printf '%s\n' "${cases[@]}" >"$dir/arguments"
	collect_modules "$dir/kvm" "$kvm" "$kernel/modules"
	collect_modules "$dir/ko" "$modules" "$dir/build" "${found[@]}"
	RUN=$name-host "$top/scripts/initramfs.sh" "$dir/host.img" "$dir/ko" "$dir/kvm" \
		"$kernel/vmlinuz=/guest/vmlinuz" "$dir/guest.img=/guest/initramfs" \
		"$top/scripts/guest/demo-lib.sh" "$dir/arguments" "$@"
	[ -z "${system-}" ] || export QEMU_ARGS="-drive \
		if=none,id=system,format=raw,snapshot=on,file=$system \
		-device virtio-blk-pci,drive=system"
	# One CPU: no slower under emulation, and it leaves the other one free
	FOLLOW=$name.txt SMP=${SMP:-1} "$top/scripts/qemu.sh" "$vmlinuz" "$dir/host.img" "$logs"
}
