#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The kernels that the tests run on and build against.
#
#	kernel.sh stock [SERIES]	Debian's own image, modules and headers
#	kernel.sh source [SERIES]	Debian's kernel source
#	kernel.sh busybox		the shell for guests, for ARCH
#	kernel.sh build CONFIG [SERIES]	that source, built with tinyconfig plus
#					config/base.config and config/CONFIG.config
#
# SERIES is 6.12 if not told; `newest` (source and build only) is what the backports of
# Debian's stable release have, whatever release this machine runs. From the environment,
# for build: ARCH=arm64 cross-compiles, PAGES=64k takes pages of that size there.
#
# Each prints the directory where it is, and makes it first if need be:
#
#	stock	vmlinuz, modules/, build/ (what KDIR= wants), release
#	source	the tree
#	build	the image, see built_image(), and a tree that KDIR= takes as it is
#
# Nothing is installed on the machine and root is not needed: packages are
# downloaded and unpacked. Versions move in the archive and old ones vanish, so
# none is written here: the meta-packages' dependencies say what is current.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$top/scripts/archive.sh"

# The meta-package of a series: linux-KIND-6.12-amd64 where there are several
# series in the archive, linux-KIND-amd64 for the one of the release
meta_package()
{
	local kind=$1 want=$2 p

	for p in "linux-$kind-$want-amd64" "linux-$kind-amd64"; do
		case $(pkg_field "$p" Version) in
		"$want".*) echo "$p"; return ;;
		esac
	done
	return 1
}

# Debian's releases have a series each: what this one does not have, the one before may
find_series()
{
	meta_package image "$1" >/dev/null && return
	archive_ask oldstable
	meta_package image "$1" >/dev/null ||
		die "the archive has no linux-image for Linux $1" "$apt_next"
}

# headers_relocate TREE DIR RELEASE: Debian's headers name each other by absolute paths under
# /usr; those in TREE will be found in DIR
headers_relocate()
{
	local tree=$1 dir=$2 release=$3 link

	sed -i "s,/usr/src/,$dir/usr/src/,g; s,/usr/lib/,$dir/usr/lib/,g" \
		"$tree/usr/src/linux-headers-$release/Makefile"
	find "$tree/usr/src" -type l -lname '/usr/*' | while read -r link; do
		ln -sfn "$dir$(readlink "$link")" "$link"
	done
	ln -sfn "usr/src/linux-headers-$release" "$tree/build"
}

stock_make()
{
	local dir=$1 image=$2 headers=$3 tmp=$4
	local release=${image#linux-image-}

	unpack_headers "$headers" "$tmp" "$image"
	mv "$tmp/boot/vmlinuz-$release" "$tmp/vmlinuz"
	mv "$(find "$tmp" -path "*/lib/modules/$release" -prune)" "$tmp/modules"
	echo "$release" >"$tmp/release"
	headers_relocate "$tmp" "$dir" "$release"
}

# The compiler that Debian's headers ask for
headers_compiler() { sed -n 's/.*)\(gcc-[0-9]*\)$/\1/p' "$1"/build/.kernelvariables; }

stock()
{
	local want=$1 image headers dir

	find_series "$want"
	image=$(pkg_depends "$(meta_package image "$want")" linux-image)
	headers=$(pkg_depends "$(meta_package headers "$want")" linux-headers)
	dir=$cache/stock-$want-$(pkg_field "$image" Version)
	cached "stock-$want" "$dir" "stock-$want-*" stock_make "$dir" "$image" "$headers" >/dev/null
	"$top/scripts/deps.sh" "$(headers_compiler "$dir")"
	echo "$dir"
}

source_make()
{
	local package=$1 tmp=$2 packages=$2.packages

	unpack "$packages" "$package"
	say "Unpacking $package ..."
	tar -xf "$packages/usr/src/$package.tar.xz" -C "$tmp" --strip-components=1
	rm -rf "$packages"
}

source_tree()
{
	local want=$1 package=linux-source-$1 name=source version

	if [ "$want" = newest ]; then
		archive_ask stable-backports
		package=$(pkg_depends linux-source linux-source-)
		name=source-newest
	fi
	version=$(pkg_field "$package" Version)
	[ -n "$version" ] || die "the archive has no $package" "$apt_next"
	cached "$name" "$cache/$name-$version" "$name-[0-9]*" source_make "$package"
}

# What fragments ask for, a symbol a line: what a later one says of a symbol holds
config_wanted()
{
	cat "$@" | awk -F= '/^CONFIG_/ { value[$1] = $2 }
			    END { for (s in value) print s "=" value[s] }' | sort
}

# A symbol whose dependencies are not met is dropped by olddefconfig without a
# word, and the tests would then run without what it finds.
config_verify()
{
	local config=$1 symbol value missing=0
	shift

	while IFS='=' read -r symbol value; do
		if [ "$value" = n ]; then
			! grep -q "^$symbol=" "$config" && continue
		else
			grep -qxF "$symbol=$value" "$config" && continue
		fi
		say "$symbol=$value was asked for, and is not so"
		missing=1
	done < <(config_wanted "$@")
	[ "$missing" -eq 0 ] ||
		die "the configuration is not the one asked for" \
		    "see what these symbols depend on in this source"
}

# What external modules need of a built tree is its configuration, generated
# headers, scripts, objtool and Module.symvers: object files can go.
build_strip()
{
	find "$1" \( -path "$1/scripts" -o -path "$1/tools" \) -prune -o \
		-type f \( -name '*.o' -o -name '*.a' -o -name '*.cmd' \) \
		-exec rm -f {} +
	rm -f "$1"/.tmp_vmlinux* "$1"/arch/*/boot/compressed/vmlinux*
}

# Joined by &&: errexit does not reach into what is called under `||`
build_run()
{
	local src=$1 tmp=$2
	shift 2

	make -C "$src" O="$tmp" tinyconfig &&
	"$src/scripts/kconfig/merge_config.sh" -m -O "$tmp" "$tmp/.config" "$@" &&
	make -C "$src" O="$tmp" olddefconfig &&
	config_verify "$tmp/.config" "$@" &&
	nice make -C "$src" O="$tmp" -j"$(nproc)" "$image" modules
}

build_make()
{
	local name=$1 dir=$2 src=$3 tmp=$2.tmp
	shift 3

	[ ! -e "$dir" ] || return 0
	# Only the holder of the lock comes here: what is left is from a run
	# that was interrupted.
	rm -rf "$tmp"
	mkdir -p "$tmp"
	say "Building the $name kernel, some minutes ..."
	logged "$tmp.log" build_run "$src" "$tmp" "$@" ||
		die "the $name kernel did not build" "read $tmp.log"
	build_strip "$tmp"
	# Newer kernels name the place in the tree's own Makefile
	sed -i "s,^export KBUILD_OUTPUT = .*,export KBUILD_OUTPUT = $dir," "$tmp/Makefile"
	mv -T "$tmp" "$dir"
	mv "$tmp.log" "$dir/build.log"
	say "Built the $name kernel in $SECONDS s"
	prune "$dir" "kernel-$name-????????????"
}

# The parts of a configuration: what all have, and what there is for an architecture, for
# its size of pages and for a series alone
fragments()
{
	local part name

	for part in base "$1"; do
		for name in "$part" "$part.$arch" "$part.$pages" "$part.$2"; do
			name=$top/scripts/config/$name.config
			[ ! -e "$name" ] || echo "$name"
		done
	done
}

build()
{
	local want=$2 name src hash fragments

	[ -e "$top/scripts/config/$1.config" ] ||
		die "there is no configuration $1" "ls scripts/config"
	mapfile -t fragments < <(fragments "$1" "$want")
	src=$(source_tree "$want")
	name=$(name_of "$1" "$want")
	hash=$({ echo "$src"; "${CROSS_COMPILE-}gcc" --version
		 config_wanted "${fragments[@]}"; } | sha256sum | cut -c 1-12)
	with_lock "kernel-$name" build_make "$name" \
		"$cache/kernel-$name-$hash" "$src" "${fragments[@]}"
	answer "$cache/kernel-$name-$hash"
}

busybox_make() { unpack "$1" busybox-static; }

# The shell of a guest of another architecture than this machine's
busybox()
{
	local dir

	archive_ask stable "$arch"
	dir=$cache/busybox-$arch-$(pkg_field busybox-static Version)
	cached "busybox-$arch" "$dir" "busybox-$arch-*" busybox_make >/dev/null
	find "$dir" -path "*/bin/busybox"
}

mkdir -p "$cache"
case ${1-} in
stock)	stock "${2:-$series}" ;;
source)	source_tree "${2:-$series}" ;;
busybox) busybox ;;
build)	build "${2:?the name of a configuration}" "${3:-$series}" ;;
*)	die "usage: kernel.sh stock [SERIES] | source [SERIES] | build CONFIG [SERIES]" ;;
esac
