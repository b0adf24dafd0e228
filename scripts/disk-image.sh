#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A Debian system on a disk: an image with a GPT and, in its first partition, ext4. Prints
# where it is, in the cache; whoever writes to it makes a copy, or has QEMU keep what is written
# elsewhere (snapshot=on).
#
#	disk-image.sh [RELEASE]		bookworm, if not told
#
# It has systemd, fio and sg3-utils, no kernel and no network. root has no password. When it has
# booted it runs guest/system-run.sh. Needs root. What it is made of is kept for a week.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$top/scripts/archive.sh"

release=${1:-bookworm}
packages=systemd-sysv,udev,e2fsprogs,mount,fio,sg3-utils
mib=1024
guest=$top/scripts/guest

[ "$(id -u)" -eq 0 ] || die "this makes a Debian system, as root" "run it as root"
"$top/scripts/deps.sh" mmdebstrap e2fsprogs fdisk

configure()
{
	local units=$1/etc/systemd/system

	echo vmbus-guest >"$1/etc/hostname"
	printf '/dev/disk/by-label/root / ext4 errors=remount-ro 0 1\n' >"$1/etc/fstab"
	sed -i 's/^root:[^:]*:/root::/' "$1/etc/shadow"
	install -m 755 "$guest/system-run.sh" "$1/usr/local/sbin/system-run"
	cp "$guest/system-run.service" "$units/"
	mkdir -p "$units/multi-user.target.wants"
	ln -s ../system-run.service "$units/multi-user.target.wants/"
	rm -rf "$1"/usr/share/{doc,man,locale,info}
}

# The partition begins at 1 MiB; GPT keeps 33 sectors at the end
make_image()
{
	local tarball root tmp=$image.tmp

	[ ! -e "$image" ] || return 0
	tarball=$(system_tar disk "$release" "$packages")
	say "Making an image of it ..."
	root=$(mktemp -d "$cache/tmp.XXXXXX")
	chmod 755 "$root"
	tar -xf "$tarball" -C "$root" --exclude='./dev/*'
	configure "$root"
	rm -f "$tmp"
	truncate -s "${mib}M" "$tmp"
	printf 'label: gpt\n2048,,L\n' | sfdisk -q "$tmp" >&2
	mke2fs -q -t ext4 -L root -d "$root" -E offset=1048576 "$tmp" "$((mib - 2))M" >&2 ||
		die "mke2fs failed" "see above"
	rm -rf "$root"
	mv "$tmp" "$image"
	prune "$image" "disk-$release-*.img"
}

# Another one for what is written above, or for other packages
image=$cache/disk-$release-$({ cat "${BASH_SOURCE[0]}" "$guest"/system-run.*; echo "$packages"; } | sha256sum |
	cut -c 1-12).img
with_lock "disk-$release" make_image
answer "$image"
