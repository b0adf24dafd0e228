#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# QEMU with the devices of tools/qemu, from Debian's source of it.
#
#	qemu-build.sh [VERSION]		build it, print the directory where it is
#	qemu-build.sh show [VERSION]	the same for people: how to run it
#
# VERSION is 7.2, which Debian 12 has, or 10.0, which Debian 13 has. In the directory:
# bin/qemu-system-x86_64, its libraries in lib/, its firmware in share/qemu. ASAN=1 builds it
# with AddressSanitizer. KEEP=DIR builds in DIR and leaves it there, for those who change it.
#
# It is not the system's QEMU: it has KVM, a PC, serial ports and VMBus, and nothing else.
# Nothing is installed, and root is not needed: what it is built with is downloaded, unpacked and
# kept in the cache, by the version of the source and of the patches.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$top/scripts/archive.sh"
. "$top/scripts/libraries.sh"

# pip and what it needs keep QEMU's configure from asking for more of Python than this
packages=(libglib2.0-dev libpixman-1-dev libfdt-dev zlib1g-dev libc6 libgcc-s1
	pkgconf pkgconf-bin ninja-build
	python3-pip python3-setuptools python3-pkg-resources python3-distlib python3-wheel)
firmware=(seabios qemu-system-data)

suite_of()
{
	case $1 in
	7.2)	echo bookworm ;;
	10.0)	echo trixie ;;
	*)	die "VERSION=$1: 7.2 or 10.0" ;;
	esac
}

# QEMU 7.2 takes the meson of Debian 12, 10.0 that of Debian 13, whichever this is
meson_make()
{
	local dir=$1 tmp

	[ ! -e "$dir" ] || return 0
	tmp=$(mktemp -d "$cache/tmp.XXXXXX")
	unpack "$tmp" meson
	chmod 755 "$tmp"
	mv -T "$tmp" "$dir"
}

meson()
{
	local dir

	archive_ask "$1"
	dir=$cache/meson-$(pkg_field meson Version)
	with_lock meson meson_make "$dir"
	answer "$dir"
}

source_qemu_make()
{
	local dir=$1 tmp

	[ ! -e "$dir" ] || return 0
	tmp=$(mktemp -d "$cache/tmp.XXXXXX")
	unpack_source "$tmp" qemu "$2"
	chmod 755 "$tmp"
	mv -T "$tmp" "$dir"
	prune "$dir" "qemu-source-$3-*"
}

source_qemu()
{
	local full dir

	archive_ask_sources "$(suite_of "$1")"
	full=$(source_version qemu)
	[ -n "$full" ] || die "the archive has no source of QEMU $1" "$apt_next"
	dir=$cache/qemu-source-$1-${full#*:}
	with_lock "qemu-source-$1" source_qemu_make "$dir" "$full" "$1"
	answer "$dir"
}

system_make()
{
	local dir=$1 tmp

	[ ! -e "$dir" ] || return 0
	tmp=$(mktemp -d "$cache/tmp.XXXXXX")
	# shellcheck disable=SC2046 # a list of names
	unpack "$tmp" $(library_closure "${packages[@]}") "${firmware[@]}"
	chmod 755 "$tmp"
	mv -T "$tmp" "$dir"
	prune "$dir" "qemu-system-????????????"
}

# What it is built with, unpacked
system()
{
	local dir versions

	versions=$(for p in "${packages[@]}" "${firmware[@]}"; do
		echo "$p $(pkg_field "$p" Version)"
	done)
	dir=$cache/qemu-system-$(sha256sum <<<"$versions" | cut -c 1-12)
	with_lock qemu-system system_make "$dir"
	answer "$dir"
}

# add_tree TREE VERSION: our files and patches
add_tree()
{
	local patch

	for patch in "$top/tools/qemu/patches"/{fixes,vmbus}/*.patch; do
		patch -d "$1" -p1 -sfi "$patch" >&2 || die "${patch##*/} does not apply to QEMU $2"
	done
	cp -r "$top/tools/qemu/src/." "$1"
	cp "$top"/include/uapi/linux/vmbus_host*.h "$1/linux-headers/linux/"
	for patch in "$top/tools/qemu/patches/$2"/*.patch; do
		[ ! -e "$patch" ] || patch -d "$1" -p1 -sfi "$patch" >&2 ||
			die "${patch##*/} does not apply to tools/qemu/src"
	done
}

# QEMU's own opinion of what is ours
check_style()
{
	local file

	cd "$1"
	for file in "$top"/tools/qemu/patches/{fixes,vmbus}/*.patch; do
		perl scripts/checkpatch.pl --terse --no-summary "$file" || true
	done
	(cd "$top/tools/qemu/src" && find . -name '*.[ch]') | while read -r file; do
		perl scripts/checkpatch.pl --terse --no-summary -f "$file" || true
	done
}

# Joined by &&: errexit does not reach into what is called under `||`
configure_and_build()
{
	local tree=$1 build=$2 system=$3 meson=$4 version=$5
	local lib=$system/usr/lib/x86_64-linux-gnu
	local python=$system/usr/lib/python3/dist-packages
	local extra=(--disable-install-blobs --disable-download)

	[ "$version" != 7.2 ] || extra=("--meson=$meson/usr/bin/meson" "--ninja=$system/usr/bin/ninja")
	[ -z "${ASAN-}" ] || extra+=(--enable-sanitizers)
	mkdir -p "$build" && cd "$build"
	# It needs its library, which the machine may not have
	printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s/usr/bin/pkgconf "$@"\n' "$lib" "$system" \
		>pkg-config
	chmod +x pkg-config
	export PKG_CONFIG=$build/pkg-config
	export PYTHON=python3 PYTHONPATH=$meson/usr/lib/python3/dist-packages:$meson/usr/share/meson:$python
	export PATH=$system/usr/bin:$PATH PKG_CONFIG_SYSROOT_DIR=$system
	export PKG_CONFIG_LIBDIR=$lib/pkgconfig:$system/usr/share/pkgconfig
	"$tree/configure" --target-list=x86_64-softmmu --without-default-features \
		--without-default-devices --with-devices-x86_64=vmbus-host \
		--enable-kvm --disable-tcg --enable-fdt --disable-werror --disable-docs \
		--extra-cflags="-I$system/usr/include -I${lib/lib/include}" \
		--extra-ldflags="-L$lib -L$system/lib/${lib##*/}" "${extra[@]}" &&
	nice ninja qemu-system-x86_64 tests/qtest/vmbus-host-test
}

# What runs without what it was built with
collect()
{
	local build=$1 system=$2 dir=$3

	mkdir -p "$dir"/{bin,lib,share/qemu}
	strip -o "$dir/bin/qemu-system-x86_64" "$build/qemu-system-x86_64"
	cp "$build/tests/qtest/vmbus-host-test" "$dir/bin/"
	[ -n "${ASAN-}" ] || {
		copy_needed "$system" "$dir/bin/qemu-system-x86_64" "$dir/lib"
		cp -L "$(find_library "$system" 'ld-linux-x86-64.so.2')" "$dir/lib/"
	}
	cp "$system/usr/share/seabios/bios-256k.bin" \
		"$system"/usr/share/qemu/{kvmvapic,linuxboot_dma}.bin "$dir/share/qemu/"
}

build_qemu_make()
{
	local dir=$1 version=$2 source=$3 system=$4 meson=$5 work

	[ ! -e "$dir" ] || return 0
	work=${KEEP:-$dir.tmp}
	rm -rf "$work"
	mkdir -p "$work"
	say "Building QEMU $version, some minutes ..."
	cp -r "$source" "$work/tree"
	add_tree "$work/tree" "$version"
	(check_style "$work/tree" >"$work.style")
	[ ! -s "$work.style" ] ||
		die "QEMU's checkpatch finds something" "read $work.style"
	rm -f "$work.style"
	logged "$work.log" configure_and_build "$work/tree" "$work/build" "$system" "$meson" \
		"$version" || die "QEMU $version did not build" "read $work.log"
	collect "$work/build" "$system" "$work/new"
	mv "$work.log" "$work/new/build.log"
	mv -T "$work/new" "$dir"
	[ -n "${KEEP-}" ] || rm -rf "$work"
	say "Built QEMU $version in $SECONDS s"
	prune "$dir" "qemu-$version-????????????"
}

build_qemu()
{
	local version=$1 source system meson hash dir

	suite_of "$version" >/dev/null
	source=$(source_qemu "$version")
	system=$(system)
	meson=$(meson "$(suite_of "$version")")
	hash=$({ echo "$source $system $meson ${ASAN-}"; declare -f configure_and_build collect
		cd "$top" && find tools/qemu include/uapi/linux -type f -print0 | sort -z |
			xargs -0 sha256sum; } | sha256sum | cut -c 1-12)
	dir=$cache/qemu-$version-$hash
	with_lock "qemu-$version" build_qemu_make "$dir" "$version" "$source" "$system" "$meson"
	answer "$dir"
}

show()
{
	local dir

	dir=$(build_qemu "$1")
	cat <<-END
	QEMU $1 with vmbus-host is in $dir.
	It is not the system's QEMU, and does not take its place. A guest on a host that has
	vmbus_host and vmbus_scsi loaded, and a portal group (Documentation/disks.rst):

	  $dir/bin/qemu-system-x86_64 -nodefaults -machine pc,accel=kvm -m 2G -smp 4 \\
	    -cpu host,kvm=off,hv-relaxed,hv-vapic,hv-vpindex,hv-synic,hv-time,hv-stimer,hv-runtime,hv-reset \\
	    -device vmbus-bridge -device vmbus-host-scsi,id=disks,wwpn=naa.6001405000000001,tag=1 \\
	    -serial mon:stdio -display none -kernel VMLINUZ -initrd INITRD \\
	    -append "console=ttyS0 root=/dev/sda1"
	END
}

mkdir -p "$cache"
case ${1-} in
show)	show "${2:-7.2}" ;;
*)	build_qemu "${1:-7.2}" ;;
esac
