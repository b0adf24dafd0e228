# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034,SC2046,SC2016 # lib.sh's; for who sources this; lists; apt's own
#
# What the Debian archive has, and how to get it without installing anything: source it
# after lib.sh. By default the archive is what the machine's /etc/apt says; archive_ask()
# makes it another suite, or another architecture, of the same mirror. What apt knows of
# that stays in the cache: the machine's own lists are left alone.

apt_next="as root: apt-get update; is there a Debian mirror in /etc/apt?"
apt_options=(-q -o APT::Sandbox::User=root)
apt_types=(deb)

archive_mirror()
{
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
		'Origin: Debian' 'Label: Debian' | head -n 1
}

archive_update()
{
	printf '%s\n' "${apt_types[@]/%/ $mirror $1 main}" >"$apt_state/sources.list"
	logged "$apt_state/log" apt-get "${apt_options[@]}" update
}

# An alias tells what the suite is called today. Mirrors have been seen to hand out an old
# list under the alias, hence the second question.
archive_follow()
{
	archive_update "$1" &&
	archive_update "$(sed -n 's/^Codename: //p' "$apt_state"/lists/*_dists_"$1"_*Release)"
}

archive_refresh()
{
	[ -z "$(find "$apt_state/sources.list" -mtime -1 2>/dev/null)" ] || return 0
	mkdir -p "$apt_state/lists/partial" "$apt_state/cache/archives/partial"
	say "Asking the Debian archive what it has in $1 ..."
	if ! archive_follow "$1"; then
		rm -f "$apt_state/sources.list"
		die "cannot ask the archive what it has in $1" "read $apt_state/log"
	fi
}

# archive_ask SUITE [ARCHITECTURE]: from here on the archive is that
archive_ask()
{
	mirror=$(archive_mirror)
	[ -n "$mirror" ] || die "/etc/apt names no Debian mirror" "$apt_next"
	apt_state=$cache/apt/$1-${2:-all}
	apt_options+=(-o "Dir::State=$apt_state" -o "Dir::Cache=$apt_state/cache"
		-o "Dir::Etc::sourcelist=$apt_state/sources.list"
		-o Dir::Etc::sourceparts=- -o Acquire::Languages=none)
	[ -z "${2-}" ] || [ "$2" = source ] || apt_options+=(-o "APT::Architecture=$2" -o "APT::Architectures=$2")
	with_lock apt archive_refresh "$1"
}

# archive_ask_sources SUITE: the same, for the sources of packages
archive_ask_sources()
{
	apt_types=(deb-src)
	archive_ask "$1" source
}

# source_versions PACKAGE: those that the suite lists, the newest first
source_versions()
{
	apt-cache "${apt_options[@]}" showsrc --only-source "$1" 2>/dev/null |
		sed -n 's/^Version: //p' | sort -rV
}

# unpack_source DIR PACKAGE VERSION: what Debian builds its package from, with its patches
unpack_source()
{
	local dir=$1 tmp patch

	tmp=$(mktemp -d "$cache/tmp.XXXXXX")
	say "Downloading the source of $2 $3 ..."
	logged "$tmp/log" env -C "$tmp" apt-get "${apt_options[@]}" source --download-only "$2=$3" ||
		die "cannot download $2 $3" "$apt_next"
	mkdir -p "$dir"
	tar -xf "$tmp"/*.orig.tar.* -C "$dir" --strip-components=1 ||
		die "cannot unpack $2 $3" "is there room?"
	tar -xf "$tmp"/*.debian.tar.* -C "$dir" || die "cannot unpack $2 $3" "is there room?"
	grep -v '^ *\(#\|$\)' "$dir/debian/patches/series" | while read -r patch; do
		patch -d "$dir" -p1 -sfi "$dir/debian/patches/$patch" >&2
	done
	rm -rf "$tmp"
}

# pkg_field PACKAGE FIELD: of the version that apt would install
pkg_field()
{
	apt-cache "${apt_options[@]}" show --no-all-versions "$1" 2>/dev/null |
		sed -n "s/^$2: //p" | head -n 1
}

# The names that PACKAGE depends on and that begin with PREFIX
pkg_depends()
{
	pkg_field "$1" Depends | tr -s ',|' '\n' | sed 's/^ *//; s/ .*//' |
		grep "^$2" || true
}

# unpack DIR PACKAGE...: download the packages and unpack them into DIR
unpack()
{
	local dir=$1 debs deb
	shift

	debs=$(mktemp -d "$cache/tmp.XXXXXX")
	say "Downloading $* ..."
	logged "$debs/log" env -C "$debs" apt-get "${apt_options[@]}" download "$@" ||
		die "cannot download $*" "$apt_next"
	for deb in "$debs"/*.deb; do
		dpkg -x "$deb" "$dir"
	done
	rm -rf "$debs"
}

# unpack_headers PACKAGE DIR [MORE]...: those of a kernel, what they depend on, and more packages
unpack_headers()
{
	unpack "$2" "$1" "${@:3}" $(pkg_depends "$1" linux-headers) $(pkg_depends "$1" linux-kbuild)
}

# prune DIR PATTERN: drop what DIR replaces: same name, other version or configuration. Not
# what was used within a day: another tree of this project may be at it.
prune()
{
	find "$cache" -maxdepth 1 -name "$2" ! -path "$1" -mtime +0 \
		-exec rm -rf {} +
}

# The answer of a script. The time stamp says when it was last used.
answer()
{
	touch -c "$1"
	echo "$1"
}

cache_fill()
{
	local dir=$1 others=$2 tmp
	shift 2

	[ ! -e "$dir" ] || return 0
	tmp=$(mktemp -d "$cache/tmp.XXXXXX")
	"$@" "$tmp"
	chmod 755 "$tmp"
	mv -T "$tmp" "$dir"
	prune "$dir" "$others"
}

# cached LOCK DIR PATTERN COMMAND...: unless DIR is there, "COMMAND... TMP" fills a directory that
# becomes DIR, for which those like PATTERN go. Prints where it is
cached()
{
	with_lock "$1" cache_fill "${@:2}"
	answer "$2"
}

system_tar_make()
{
	local tar=$1

	[ -z "$(find "$tar" -mtime -7 2>/dev/null)" ] || return 0
	say "Making a Debian system, $3: some minutes ..."
	logged "$tar.log" mmdebstrap --format=tar --variant=minbase --include="$4" \
		"$3" "$tar.tmp" "$(archive_mirror)" || die "mmdebstrap failed" "read $tar.log"
	mv "$tar.tmp" "$tar"
	prune "$tar" "$2-$3-*.tar"
}

# system_tar NAME RELEASE PACKAGE,...: a Debian system, which is kept for a week. Needs root. Prints
# where it is
system_tar()
{
	local tar

	tar=$cache/$1-$2-$(sha256sum <<<"$3" | cut -c 1-12).tar
	with_lock "$1-$2-tar" system_tar_make "$tar" "$@"
	echo "$tar"
}

# hash_of_packages PACKAGE...: another one when the archive has other versions of them
hash_of_packages()
{
	local p

	for p; do echo "$p $(pkg_field "$p" Version)"; done | sha256sum | cut -c 1-12
}
