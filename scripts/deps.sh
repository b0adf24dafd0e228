#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# See to it that the Debian packages are there that the tests and the demo use,
# and those that are named:
#
#	deps.sh [PACKAGE]...
#
# Installs what is missing where that is possible (Debian, as root), says what
# is missing where it is not. With ARCH=arm64, what cross-compiles for that too. What apt
# says goes to deps.log in the cache.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages=(
	# compile modules, a kernel and test programs
	gcc g++ make bc bison flex libelf-dev pahole libc6-dev linux-libc-dev
	# io_uring, for the selftests
	liburing-dev
	# unpack kernels and make initramfs images
	xz-utils cpio kmod busybox-static
	# run them
	qemu-system-x86
	# check
	perl python3 python3-sphinx graphviz sparse shellcheck codespell git groff-base
	"$@"
)
# cross-compile, and run that
[ "$arch" != arm64 ] ||
	packages+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-system-arm)

log=$cache/deps.log

missing()
{
	local p

	for p in "${packages[@]}"; do
		# shellcheck disable=SC2016 # dpkg-query's own variable
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = \
			installed ] || echo "$p"
	done
}

command -v dpkg-query >/dev/null ||
	die "this is not Debian; these packages are needed, by Debian's names: ${packages[*]}" \
	    "run it in a Debian 12 or 13 machine, where it installs them itself"

mapfile -t need < <(missing)

if [ "$(id -u)" -ne 0 ]; then
	[ ${#need[@]} -eq 0 ] ||
		die "packages are missing: ${need[*]}" \
		    "as root: apt-get install ${need[*]}"
	exit 0
fi

# The archive's lists are asked for kernels too. Old lists name files that the
# archive no longer has.
lists_current()
{
	[ -n "$(find /var/lib/apt/lists -name '*_Packages*' -mtime -1 2>/dev/null)" ] &&
		apt-cache show "linux-source-$series" >/dev/null 2>&1
}

install_missing()
{
	if ! lists_current; then
		say "Asking the Debian archive what it has ..."
		logged "$log" apt-get -q update ||
			die "apt-get update failed" "see to the machine's network and /etc/apt"
	fi
	# Another run may have done it meanwhile
	mapfile -t need < <(missing)
	[ ${#need[@]} -gt 0 ] || return 0
	say "Installing ${need[*]} ..."
	logged "$log" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 \
		--no-install-recommends install "${need[@]}" </dev/null ||
		die "cannot install ${need[*]}" "as root: apt-get install ${need[*]}"
}

if [ ${#need[@]} -gt 0 ] || ! lists_current; then
	with_lock deps install_missing
fi
