#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# QEMU with the devices of tools/qemu, from Debian's source of it.
#
#	qemu-build.sh [VERSION]		build it, print the directory where it is
#	qemu-build.sh show [VERSION]	the same for people: how to run it
#	qemu-build.sh series DIR	make the patches, as QEMU's list wants them, in DIR
#
# VERSION is 7.2, which Debian 12 has; 10.0, which Debian 13 has; or newest, the newest that the
# archive gives out. In the directory: bin/qemu-system-x86_64, its libraries in lib/, its firmware
# in share/qemu. QEMU_SANITIZE=1 builds it with AddressSanitizer and UBSan; QEMU_VIRTIO=1 with
# virtio-blk and vhost-scsi besides, for bench-disk.sh. KEEP=DIR builds in DIR and leaves it there,
# for those who change it.
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
[ -z "${QEMU_VIRTIO-}" ] || packages+=(libaio-dev)

suite_of()
{
	case $1 in
	7.2)	echo bookworm ;;
	10.0)	echo trixie ;;
	newest)	echo sid ;;
	*)	die "VERSION=$1: 7.2, 10.0 or newest" ;;
	esac
}

# QEMU 7.2 takes the meson of Debian 12, 10.0 that of Debian 13, whichever this is
meson_make()
{
	unpack "$1" meson
}

meson()
{
	archive_ask "$1"
	cached meson "$cache/meson-$(pkg_field meson Version)" "" meson_make
}

# In a subshell, as unpack_source() gives up where there is another version to try
source_qemu_make()
{
	local dir=$1 tmp

	[ ! -e "$dir" ] || return 0
	tmp=$(mktemp -d "$cache/tmp.XXXXXX")
	if ! (unpack_source "$tmp" qemu "$2"); then
		rm -rf "$tmp"
		return 1
	fi
	chmod 755 "$tmp"
	mv -T "$tmp" "$dir"
	prune "$dir" "qemu-source-$3-*"
}

# The newest of a suite. A mirror may list what it does not have any more, or not yet.
source_qemu()
{
	local full dir

	archive_ask_sources "$(suite_of "$1")"
	for full in $(source_versions qemu); do
		dir=$cache/qemu-source-$1-${full#*:}
		if with_lock "qemu-source-$1" source_qemu_make "$dir" "$full" "$1"; then
			answer "$dir"
			return
		fi
	done
	die "the archive has no source of QEMU $1" "$apt_next"
}

system_make()
{
	# shellcheck disable=SC2046 # a list of names
	unpack "$1" $(library_closure "${packages[@]}") "${firmware[@]}"
}

# What it is built with, unpacked
system()
{
	local hash

	hash=$(hash_of_packages "${packages[@]}" "${firmware[@]}")
	cached qemu-system "$cache/qemu-system-$hash" "qemu-system-????????????" system_make
}

# Which patches a VERSION takes besides: tools/qemu/src is written for the newest
backports_of()
{
	case $1 in
	newest)	echo newest ;;
	7.2)	echo 10.0 7.2 ;;
	10.0)	echo 10.0 ;;
	esac
}

# patch_for FILE VERSION: before 10.1, hw/hyperv was compiled for each target, and so was in
# another list; and fewer pointers were to what is constant. The PC of 7.2 knows nothing of
# VMBus devices, and has other names of directories
patch_for()
{
	case $2 in
	7.2 | 10.0)
		sed -e 's/^\([ +]\)system_ss/\1specific_ss/' -e 's/^\( .*\)const void \*data)/\1void *data)/' \
			-e 's/(const InterfaceInfo\[\])/(InterfaceInfo[])/' "$1" |
			awk -v old="$2" '/^diff / { other = old == 7.2 && / a\/hw\/i386\/pc\.c / }
				old == 7.2 && /^(---|\+\+\+) / {
					sub("/include/system/", "/include/sysemu/")
					sub("/system/runstate", "/softmmu/runstate")
					sub("/system/cpus", "/softmmu/cpus")
				}
				!other' ;;
	*)
		cat "$1" ;;
	esac
}

# add_devices FILE VERSION: what is built. The tests have one of QEMU's own on the same bus, which
# 7.2 does not have
add_devices()
{
	cp "$top/tools/qemu/vmbus-host.mak" "$1"
	[ "$2" = 7.2 ] || echo CONFIG_HV_BALLOON=y >>"$1"
	[ -z "${QEMU_VIRTIO-}" ] || printf 'CONFIG_%s=y\n' VIRTIO_PCI VIRTIO_BLK VIRTIO_SCSI \
		VHOST_SCSI >>"$1"
}

# add_tree TREE VERSION: our files and patches
add_tree()
{
	local patch backport

	for patch in "$top/tools/qemu/patches"/{fixes,vmbus}/*.patch; do
		# 7.2 does not have that device
		[[ $2 != 7.2 || $patch != */????-hv-balloon-* ]] || continue
		patch_for "$patch" "$2" | patch -d "$1" -p1 -sf >&2 ||
			die "${patch##*/} does not apply to QEMU $2"
	done
	cp -r "$top/tools/qemu/src/." "$1"
	cp "$top"/include/uapi/linux/vmbus_host*.h "$1/linux-headers/linux/"
	add_devices "$1/configs/devices/x86_64-softmmu/vmbus-host.mak" "$2"
	for backport in $(backports_of "$2"); do
		for patch in "$top/tools/qemu/patches/$backport"/*.patch; do
			patch -d "$1" -p1 -sfi "$patch" >&2 ||
				die "${patch##*/} does not apply to QEMU $2 with tools/qemu/src"
		done
	done
}

# QEMU's own opinion of what is ours
check_style()
{
	local file

	cd "$1"
	for file in "$top"/tools/qemu/patches/*/*.patch; do
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
	local extra=(--disable-install-blobs --disable-download --enable-hv-balloon)
	local sanitize=(--enable-asan --enable-ubsan)

	if [ "$version" = 7.2 ]; then
		extra=("--meson=$meson/usr/bin/meson" "--ninja=$system/usr/bin/ninja")
		sanitize=(--enable-sanitizers)
	fi
	[ -z "${QEMU_SANITIZE-}" ] || extra+=("${sanitize[@]}")
	[ -z "${QEMU_VIRTIO-}" ] || extra+=(--enable-vhost-kernel --enable-linux-aio)
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

# collect_program SYSTEM FILE DIR: what runs without what it was built with. The sanitizers'
# libraries are the compiler's; with them, reports need the names of functions.
collect_program()
{
	local system=$1 file=$2 dir=$3 name

	if [ -z "${QEMU_SANITIZE-}" ]; then
		strip -o "$dir/bin/${file##*/}" "$file"
	else
		strip --strip-debug -o "$dir/bin/${file##*/}" "$file"
		for name in libstdc++ libasan libubsan; do
			name=$(gcc -print-file-name="$name.so")
			cp -L "$name" "$dir/lib/$(readelf -d "$name" |
				sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')"
			copy_needed "$system" "$name" "$dir/lib"
		done
	fi
	copy_needed "$system" "$file" "$dir/lib"
}

collect()
{
	local build=$1 system=$2 dir=$3

	mkdir -p "$dir"/{bin,lib,share/qemu}
	collect_program "$system" "$build/qemu-system-x86_64" "$dir"
	collect_program "$system" "$build/tests/qtest/vmbus-host-test" "$dir"
	cp -L "$(find_library "$system" 'ld-linux-x86-64.so.2')" "$dir/lib/"
	cp "$system/usr/share/seabios/bios-256k.bin" \
		"$system"/usr/share/qemu/{kvmvapic,linuxboot_dma}.bin "$dir/share/qemu/"
}

# Where it is built. A directory that KEEP names is emptied, so it is one that this has made.
work_directory()
{
	local work=$1.tmp

	if [ -n "${KEEP-}" ]; then
		work=$(realpath -m "$KEEP")
		[ ! -e "$work" ] || [ -e "$work/made-by-qemu-build" ] ||
			die "KEEP=$KEEP is there, and this has not made it" "name another directory"
	fi
	rm -rf "$work"
	mkdir -p "$work"
	touch "$work/made-by-qemu-build"
	echo "$work"
}

build_qemu_make()
{
	local dir=$1 version=$2 source=$3 system=$4 meson=$5 work

	[ ! -e "$dir" ] || [ -n "${KEEP-}" ] || return 0
	work=$(work_directory "$dir")
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
	[ -e "$dir" ] || mv -T "$work/new" "$dir"
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
	hash=$({ echo "$source $system $meson ${QEMU_SANITIZE-} ${QEMU_VIRTIO-}"
		declare -f configure_and_build collect collect_program add_tree add_devices \
			patch_for
		cd "$top" && find tools/qemu include/uapi/linux -type f -print0 | sort -z |
			xargs -0 sha256sum; } | sha256sum | cut -c 1-12)
	dir=$cache/qemu-$version-$hash
	# One that is there needs not wait for whoever builds another
	if [ ! -e "$dir" ] || [ -n "${KEEP-}" ]; then
		with_lock "qemu-$version" build_qemu_make "$dir" "$version" "$source" "$system" "$meson"
	fi
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
	    -cpu host,kvm=off,hv-relaxed,hv-vapic,hv-vpindex,hv-synic,hv-time,hv-stimer,hv-stimer-direct,hv-runtime,hv-reset \\
	    -device vmbus-bridge -device vmbus-host-scsi,id=disks,wwpn=naa.5001405000000001,tag=1 \\
	    -serial mon:stdio -display none -kernel VMLINUZ -initrd INITRD \\
	    -append "console=ttyS0 root=/dev/sda1"
	END
}

# series_commit TREE: the patches for the newest QEMU, as commits; git allows no fuzz. The headers
# are one of their own, as QEMU has those of Linux, before the first that has files of
# tools/qemu/src: which has which, patches/src-of knows
series_commit()
{
	local tree=$1 patches=$top/tools/qemu/patches patch first files
	local git=(git -C "$tree" -c user.name=maintainers -c user.email=maintainers@localhost \
		-c gc.auto=0)

	first=$(head -c 4 "$patches/src-of")
	for patch in "$patches"/{fixes,vmbus}/*.patch; do
		[[ $patch != */$first-* ]] || series_headers "$patch"
		"${git[@]}" am -q "$patch" >&2
		mapfile -t files < <(sed -n "s|^$(basename "$patch" | head -c 4) ||p" "$patches/src-of")
		[ ${#files[@]} -gt 0 ] || continue
		(cd "$top/tools/qemu/src" && cp --parents "${files[@]}" "$tree")
		"${git[@]}" add -fA
		"${git[@]}" commit -q --amend --no-edit
	done
	(cd "$top/tools/qemu/src" && find . -type f -exec cmp {} "$tree/{}" \;) >&2
}

# series_headers PATCH, which says whose they are
series_headers()
{
	cp "$top"/include/uapi/linux/vmbus_host*.h "$tree/linux-headers/linux/"
	"${git[@]}" add -fA
	"${git[@]}" commit -q --author="$(sed -n 's/^Signed-off-by: //p' "$1")" \
		-F "$patches/headers" --trailer "$(grep '^Signed-off-by: ' "$1")"
}

# Into DIR, with a cover letter. What is to become of Linux's headers QEMU's own script says
series()
{
	local dir source tree patch git

	dir=$(realpath -m "$1")
	source=$(source_qemu newest)
	tree=$(mktemp -d)
	git=(git -C "$tree" -c user.name=maintainers -c user.email=maintainers@localhost \
		-c gc.auto=0)
	mkdir -p "$dir"
	cp -r "$source/." "$tree"
	"${git[@]}" init -q -b series
	"${git[@]}" add -fA
	"${git[@]}" commit -q -m "QEMU ${source##*-newest-}"
	"${git[@]}" tag base
	series_commit "$tree"
	"${git[@]}" config branch.series.description "$(cat "$top/tools/qemu/patches/cover-letter")"
	"${git[@]}" format-patch -q --rfc --cover-letter --cover-from-description=subject -o "$dir" base
	cd "$tree"
	for patch in "$dir"/*.patch; do
		[[ $patch = *linux-headers* ]] || perl scripts/checkpatch.pl --terse --no-summary "$patch" >&2 ||
			die "QEMU's checkpatch finds something in ${patch##*/}"
	done
	rm -rf "$tree"
	answer "$dir"
}

mkdir -p "$cache"
case ${1-} in
series)	series "${2:?DIR}" ;;
show)	show "${2:-7.2}" ;;
*)	build_qemu "${1:-7.2}" ;;
esac
