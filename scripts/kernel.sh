#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The kernels that the tests run on and build against.
#
#	kernel.sh stock [SERIES]	Debian's own image, modules and headers
#	kernel.sh source		Debian's kernel source
#	kernel.sh build CONFIG		that source, built with tinyconfig plus
#					config/base.config and config/CONFIG.config
#
# Each prints the directory where it is, and makes it first if need be:
#
#	stock	vmlinuz, modules/, build/ (what KDIR= wants), release
#	source	the tree
#	build	arch/x86/boot/bzImage, and a tree that KDIR= takes as it is
#
# Nothing is installed on the machine and root is not needed: packages are
# downloaded and unpacked. Versions move in the archive and old ones vanish, so
# none is written here: the meta-packages' dependencies say what is current.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

apt_next="as root: apt-get update; is there a Debian mirror in /etc/apt?"

pkg_field()
{
	apt-cache show --no-all-versions "$1" 2>/dev/null |
		sed -n "s/^$2: //p" | head -n 1
}

# The names that PACKAGE depends on and that begin with PREFIX
pkg_depends()
{
	pkg_field "$1" Depends | tr -s ',|' '\n' | sed 's/^ *//; s/ .*//' |
		grep "^$2" || true
}

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
	die "the archive has no linux-$kind for Linux $want" "$apt_next"
}

# unpack DIR PACKAGE...: download the packages and unpack them into DIR
unpack()
{
	local dir=$1 debs deb
	shift

	debs=$(mktemp -d "$cache/tmp.XXXXXX")
	say "Downloading $* ..."
	(cd "$debs" && apt-get -q -o APT::Sandbox::User=root download "$@") \
		>"$debs/log" 2>&1 ||
		{ cat "$debs/log" >&2; die "cannot download $*" "$apt_next"; }
	for deb in "$debs"/*.deb; do
		dpkg -x "$deb" "$dir"
	done
	rm -rf "$debs"
}

# Drop what this one replaces: same name, other version or configuration. Not
# what was used within a day: another tree of this project may be at it.
prune()
{
	find "$cache" -maxdepth 1 -name "$2" ! -path "$1" -mtime +0 \
		-exec rm -rf {} +
}

# The answer of this script. The time stamp says when it was last used.
answer()
{
	touch "$1"
	echo "$1"
}

# Debian's headers name each other by absolute paths under /usr
headers_relocate()
{
	local root=$1 release=$2
	local build=$root/usr/src/linux-headers-$release link

	sed -i "s,/usr/src/,$root/usr/src/,g; s,/usr/lib/,$root/usr/lib/,g" \
		"$build/Makefile"
	find "$root/usr/src" -type l -lname '/usr/*' | while read -r link; do
		ln -sfn "$root$(readlink "$link")" "$link"
	done
	ln -sfn "usr/src/linux-headers-$release" "$root/build"
}

stock_make()
{
	local want=$1 dir=$2 image=$3 headers=$4
	local release=${image#linux-image-}
	local tmp

	[ ! -e "$dir" ] || return 0
	tmp=$(mktemp -d "$cache/tmp.XXXXXX")
	# shellcheck disable=SC2046 # a list of names
	unpack "$tmp" "$image" "$headers" \
		$(pkg_depends "$headers" linux-headers) \
		$(pkg_depends "$headers" linux-kbuild)
	mv "$tmp/boot/vmlinuz-$release" "$tmp/vmlinuz"
	if [ -d "$tmp/usr/lib/modules/$release" ]; then
		mv "$tmp/usr/lib/modules/$release" "$tmp/modules"
	else
		mv "$tmp/lib/modules/$release" "$tmp/modules"
	fi
	echo "$release" >"$tmp/release"
	chmod 755 "$tmp"
	mv -T "$tmp" "$dir"
	# The paths inside name the place where it will be found
	headers_relocate "$dir" "$release"
	prune "$dir" "stock-$want-*"
}

stock()
{
	local want=$1 image headers dir

	image=$(pkg_depends "$(meta_package image "$want")" linux-image)
	headers=$(pkg_depends "$(meta_package headers "$want")" linux-headers)
	dir=$cache/stock-$want-$(pkg_field "$image" Version)
	with_lock "stock-$want" stock_make "$want" "$dir" "$image" "$headers"
	answer "$dir"
}

source_make()
{
	local dir=$1 package=$2
	local tarball=/usr/src/$package.tar.xz tmp

	[ ! -e "$dir" ] || return 0
	tmp=$(mktemp -d "$cache/tmp.XXXXXX")
	# shellcheck disable=SC2016 # dpkg-query's own variable
	if [ ! -e "$tarball" ] ||
	   [ "$(dpkg-query -W -f '${Version}' "$package" 2>/dev/null)" != \
	     "$(pkg_field "$package" Version)" ]; then
		unpack "$tmp" "$package"
		tarball=$tmp$tarball
	fi
	say "Unpacking $package ..."
	mkdir "$tmp/tree"
	tar -xf "$tarball" -C "$tmp/tree" --strip-components=1
	mv -T "$tmp/tree" "$dir"
	rm -rf "$tmp"
	prune "$dir" "source-*"
}

source_tree()
{
	local package=linux-source-$series version dir

	version=$(pkg_field "$package" Version)
	[ -n "$version" ] || die "the archive has no $package" "$apt_next"
	dir=$cache/source-$version
	with_lock source source_make "$dir" "$package"
	answer "$dir"
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
	done < <(cat "$@" | grep '^CONFIG_')
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
	rm -f "$1"/.tmp_vmlinux* "$1"/arch/x86/boot/compressed/vmlinux*
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
	nice make -C "$src" O="$tmp" -j"$(nproc)" bzImage modules
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
	mv -T "$tmp" "$dir"
	mv "$tmp.log" "$dir/build.log"
	say "Built the $name kernel in $SECONDS s"
	prune "$dir" "kernel-$name-*"
}

build()
{
	local name=$1 src hash
	local config=$top/scripts/config
	local fragments=("$config/base.config" "$config/$name.config")

	[ -e "$config/$name.config" ] ||
		die "there is no configuration $name" "ls scripts/config"
	src=$(source_tree)
	hash=$({ echo "$src"; gcc --version; cat "${fragments[@]}"; } |
		sha256sum | cut -c 1-12)
	with_lock "kernel-$name" build_make "$name" \
		"$cache/kernel-$name-$hash" "$src" "${fragments[@]}"
	answer "$cache/kernel-$name-$hash"
}

mkdir -p "$cache"
case ${1-} in
stock)	stock "${2:-$series}" ;;
source)	source_tree ;;
build)	build "${2:?the name of a configuration}" ;;
*)	die "usage: kernel.sh stock [SERIES] | source | build CONFIG" ;;
esac
