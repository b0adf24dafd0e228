#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Make an initramfs: busybox, the common init, and what is named.
#
#	initramfs.sh IMAGE [FILE[=PLACE]]...
#
# PLACE is where FILE goes in the guest; without it FILE goes to / under its
# own name. A directory is copied with what is in it. The guest's /init is
# guest/init, which runs /run: guest/NAME.sh, with RUN=NAME in the environment, which
# has guest/lib.sh beside it. INIT=FILE is another /init.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ $# -ge 1 ] || die "usage: initramfs.sh IMAGE [FILE[=PLACE]]..."
image=$(realpath -m "$1")
shift

if [ "$arch" = x86 ]; then
	busybox=$(command -v busybox) || die "there is no busybox" "scripts/deps.sh"
else
	busybox=$("$top/scripts/kernel.sh" busybox)
fi
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

mkdir -p "$root"/{bin,dev,etc,proc,sys,tmp,root} "$(dirname "$image")"
cp "$busybox" "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
cp "${INIT:-$top/scripts/guest/init}" "$root/init"
chmod 755 "$root" "$root/init"
printf 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/tmp:/bin/sh\n' \
	>"$root/etc/passwd"

[ -z "${RUN-}" ] || set -- "$@" "$top/scripts/guest/lib.sh" "$top/scripts/guest/$RUN.sh=/run"
for entry; do
	file=${entry%%=*}
	place=${entry#*=}
	[ "$place" != "$entry" ] || place=/$(basename "$file")
	mkdir -p "$root$(dirname "$place")"
	cp -rLT "$file" "$root$place"
done

(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0 | gzip -1) >"$image.tmp"
mv "$image.tmp" "$image"
