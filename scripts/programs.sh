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
. "$top/scripts/libraries.sh"

[ $# -ge 3 ] || die "usage: programs.sh DIR 'PACKAGE...' PROGRAM..."
dir=$1
read -ra packages <<<"$2"
shift 2

make_tree()
{
	# shellcheck disable=SC2046 # a list of names
	unpack "$1" $(library_closure "${packages[@]}")
	rm -rf "${1:?}/usr/share"
}

copy_program()
{
	local file

	file=$(find "$tree"/{bin,sbin,usr/bin,usr/sbin} -name "$1" -print 2>/dev/null |
		head -n 1) || true
	[ -n "$file" ] || die "there is no $1 in ${packages[*]}"
	cp -L "$file" "$dir/sbin/$1"
	copy_needed "$tree" "$file" "$dir/lib"
}

tree=$cache/programs-$(hash_of_packages "${packages[@]}")
cached programs "$tree" "programs-*" make_tree >/dev/null

rm -rf "$dir"
mkdir -p "$dir"/{sbin,lib,lib64}
for program; do
	copy_program "$program"
done
ln -s ../lib/ld-linux-x86-64.so.2 "$dir/lib64/"
cp -L "$(find_library "$tree" 'ld-linux-x86-64.so.2')" "$dir/lib/"
