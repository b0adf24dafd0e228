#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Programs of Debian's, for a guest that has nothing but busybox: the programs named, and
# the libraries that they need, in a directory that initramfs.sh can put at the guest's root.
#
#	programs.sh DIR "PACKAGE..." PROGRAM...
#
# Nothing is installed on this machine: the packages, and those that they depend on, are
# downloaded, unpacked and kept in the cache.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$top/scripts/archive.sh"

[ $# -ge 3 ] || die "usage: programs.sh DIR 'PACKAGE...' PROGRAM..."
dir=$1
read -ra packages <<<"$2"
shift 2

# The packages and the libraries that they depend on, all of them
closure()
{
	apt-cache "${apt_options[@]}" depends --recurse --no-recommends --no-suggests \
		--no-conflicts --no-breaks --no-replaces --no-enhances "${packages[@]}" |
		sed -n 's/^\([a-z0-9][^ :]*\)$/\1/p' | grep -E "^z?lib|^($(IFS='|'; echo "${packages[*]}"))$" |
		sort -u
}

make_tree()
{
	local tmp

	[ ! -e "$tree" ] || return 0
	tmp=$(mktemp -d "$cache/tmp.XXXXXX")
	# shellcheck disable=SC2046 # a list of names
	unpack "$tmp" $(closure)
	rm -rf "${tmp:?}/usr/share"
	chmod 755 "$tmp"
	mv -T "$tmp" "$tree"
	prune "$tree" "programs-*"
}

# find_library NAME: a file of that name where the dynamic linker would look
find_library()
{
	find "$tree/lib" "$tree/usr/lib" \( -type f -o -type l \) -name "$1" \
		-exec test -e {} \; -print | head -n 1
}

# copy_needed FILE: the libraries that it needs, and those that they need
copy_needed()
{
	local name file

	readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | while read -r name; do
		[ ! -e "$dir/lib/$name" ] || continue
		file=$(find_library "$name")
		[ -n "$file" ] || die "there is no $name in ${packages[*]}"
		cp -L "$file" "$dir/lib/$name"
		copy_needed "$file"
	done
}

copy_program()
{
	local file

	file=$(find "$tree"/{bin,sbin,usr/bin,usr/sbin} -name "$1" -print 2>/dev/null |
		head -n 1) || true
	[ -n "$file" ] || die "there is no $1 in ${packages[*]}"
	cp -L "$file" "$dir/sbin/$1"
	copy_needed "$file"
}

versions=$(for p in "${packages[@]}"; do echo "$p $(pkg_field "$p" Version)"; done)
tree=$cache/programs-$(sha256sum <<<"$versions" | cut -c 1-12)
with_lock programs make_tree
touch "$tree"

rm -rf "$dir"
mkdir -p "$dir"/{sbin,lib,lib64}
for program; do
	copy_program "$program"
done
ln -s ../lib/ld-linux-x86-64.so.2 "$dir/lib64/"
cp -L "$(find_library 'ld-linux-x86-64.so.2')" "$dir/lib/"
