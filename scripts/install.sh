#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The packages, on a Debian system of their own:
#
#	install.sh [RELEASE]		bookworm, if not told, or trixie
#
# An older version of them is installed there, which has DKMS build the modules, and a
# backend is compiled by what a backend's author needs. Then the system boots, as it comes,
# in QEMU: guest/install-system.sh upgrades, uses and purges them. Needs root. What a system
# is made of is kept in the cache for a week. The last line on stdout is 'N passed, N failed'.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$top/scripts/archive.sh"

release=${1:-bookworm}
dir=$out/install-$release
root=$dir/root
tarball=$cache/root-$release.tar

[ "$(id -u)" -eq 0 ] || die "this makes a Debian system, as root" "run it as root"
"$top/scripts/deps.sh" mmdebstrap e2fsprogs build-essential debhelper dh-dkms lintian \
	linux-source python3-sphinx

# What packages of ours depend on is there before: what they bring shows after
packages=systemd-sysv,udev,kmod,dkms,linux-image-amd64,linux-headers-amd64,initramfs-tools
packages+=,pkg-config,libjs-sphinxdoc,acl

make_tarball()
{
	[ -z "$(find "$tarball" -mtime -7 2>/dev/null)" ] || return 0
	say "Making a Debian system, $release: some minutes ..."
	logged "$cache/root-$release.log" mmdebstrap --format=tar --variant=minbase \
		--include="$packages" "$release" "$tarball.tmp" "$(archive_mirror)" ||
		die "mmdebstrap failed" "read $cache/root-$release.log"
	mv "$tarball.tmp" "$tarball"
}

# packages_of VERSION: made once for each
packages_of()
{
	GPADL_OUT=$dir/$1 VERSION=$1 "$top/scripts/deb.sh"
}

# In the system, with what DKMS looks for there; the mounts go with the command
inside()
{
	# shellcheck disable=SC2016 # the inner shell expands them
	unshare -m sh -c 'mount -t proc proc "$0/proc" && mount --bind /dev "$0/dev" &&
		exec chroot "$0" env DEBIAN_FRONTEND=noninteractive "$@"' "$root" "$@"
}

compile_backend()
{
	local release

	release=$(basename "$root"/lib/modules/*)
	mkdir -p "$root/tmp/backend"
	cp "$top/samples/vmbus_crc.c" "$top/samples/vmbus_crc.h" "$root/tmp/backend/"
	printf 'obj-m += vmbus_crc.o\ninclude /usr/share/vmbus-gpadl/backend.mk\n' \
		>"$root/tmp/backend/Kbuild"
	inside make -s -C "/lib/modules/$release/build" M=/tmp/backend \
		KCFLAGS=-Werror modules &&
	[ -e "$root/tmp/backend/vmbus_crc.ko" ]
}

prepare()
{
	local old new

	old=$(packages_of 0.0.1)
	new=$(packages_of "$(cat "$top/VERSION")")
	rm -rf "$root"
	mkdir -p "$root/old" "$root/new"
	tar -C "$root" -xf "$tarball"
	cp "$old"/*.deb "$root/old/"
	cp "$new"/*.deb "$root/new/"

	say "Installing version 0.0.1: DKMS builds the modules ..."
	logged "$dir/dpkg.log" inside sh -c 'dpkg -i /old/*.deb' ||
		die "the packages cannot be installed" "read $dir/dpkg.log"
	say "Compiling a backend by what is installed ..."
	logged "$dir/backend.log" compile_backend ||
		die "a backend does not compile" "read $dir/backend.log"
	rm -r "$root/tmp/backend"
}

# The system, with a service that runs the tests and powers off
make_image()
{
	cp "$top/scripts/guest/install-system.sh" "$root/usr/sbin/gpadl-install-test"
	chmod 755 "$root/usr/sbin/gpadl-install-test"
	cat >"$root/etc/systemd/system/gpadl-install-test.service" <<-END
		[Unit]
		After=multi-user.target systemd-udev-settle.service
		[Service]
		ExecStart=/usr/sbin/gpadl-install-test
		[Install]
		WantedBy=multi-user.target
	END
	inside systemctl enable gpadl-install-test >"$dir/systemctl.log" 2>&1
	cp "$root"/boot/vmlinuz-* "$dir/vmlinuz"
	cp "$root"/boot/initrd.img-* "$dir/initrd"
	rm -f "$dir/disk"
	truncate -s 4G "$dir/disk"
	mke2fs -q -t ext4 -d "$root" "$dir/disk"
	rm -rf "$root"
}

mkdir -p "$dir"
with_lock "root-$release" make_tarball
prepare
make_image
say "Booting it in QEMU: upgrade, use, purge. DKMS takes some minutes there ..."
QEMU_ARGS="-drive file=$dir/disk,if=virtio,format=raw" FOLLOW=install.tap MEM=4G \
	TIMEOUT=${TIMEOUT:-1800} "$top/scripts/qemu.sh" "$dir/vmlinuz" "$dir/initrd" \
	"$dir/log" root=/dev/vda rw quiet || say "(see $dir/log)"
read -r passed failed _ < <(count_results "$dir/log/install.tap" "")
rm -f "$dir/disk"
totals "$passed" "$failed"
