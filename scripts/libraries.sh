# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # apt_options is archive.sh's
#
# Libraries of packages that are unpacked and not installed. Source it after archive.sh.

# library_closure PACKAGE...: these, and the libraries that they depend on, all of them
library_closure()
{
	apt-cache "${apt_options[@]}" depends --recurse --no-recommends --no-suggests \
		--no-conflicts --no-breaks --no-replaces --no-enhances "$@" |
		sed -n 's/^\([a-z0-9][^ :]*\)$/\1/p' | grep -E "^z?lib|^($(IFS='|'; echo "$*"))$" |
		sort -u
}

# find_library TREE NAME: a file of that name where the dynamic linker would look
find_library()
{
	local roots=("$1/usr/lib")

	# Packages of Debian 13 have nothing there
	[ ! -d "$1/lib" ] || roots=("$1/lib" "${roots[@]}")
	find "${roots[@]}" \( -type f -o -type l \) -name "$2" -exec test -e {} \; -print |
		head -n 1
}

# copy_needed TREE FILE DIR: the libraries of the tree that a file needs, and those that they need
copy_needed()
{
	local tree=$1 dir=$3 name file

	readelf -d "$2" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | while read -r name; do
		[ ! -e "$dir/$name" ] || continue
		file=$(find_library "$tree" "$name")
		[ -n "$file" ] || die "there is no $name in $tree"
		cp -L "$file" "$dir/$name"
		copy_needed "$tree" "$file" "$dir"
	done
}
