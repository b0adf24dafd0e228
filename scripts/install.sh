#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The packages, on a Debian system of their own:
#
#	install.sh [RELEASE]		bookworm, if not told, or trixie
#
# An older version of them is installed there: DKMS builds the modules, for the kernel that the
# release has and for the one of its backports, and a backend is compiled by what is installed.
# Then the system boots in QEMU: guest/install-system.sh runs the demo's guest on it, upgrades the
# packages meanwhile, makes a disk, and purges them. There DKMS does all that it does anywhere; but
# each compiler's answer is in a cache, as the same source was compiled here before. What a system
# is made of is kept for a week. lintian of the release looks at the packages. Needs root.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$top/scripts/archive.sh"

release=${1:-bookworm}
dir=$out/install-$release
root=$dir/root
compiled=$cache/ccache-$release
old_version=0.0.1

[ "$(id -u)" -eq 0 ] || die "this makes a Debian system, as root" "run it as root"
"$top/scripts/deps.sh" mmdebstrap e2fsprogs build-essential debhelper dh-dkms lintian \
	linux-source python3-sphinx

# What packages of ours depend on is there before: what they bring shows after
packages=systemd-sysv,udev,kmod,dkms,linux-image-amd64,linux-headers-amd64,initramfs-tools
packages+=,mokutil,gcc,pkg-config,libc6-dev,pahole,libjs-sphinxdoc,ccache,openssl,lintian

# The headers of the kernel that the release's backports have, unpacked; prints where
backports_headers()
{
	local headers name=headers-$release

	archive_ask "$release-backports"
	headers=$(pkg_depends linux-headers-amd64 linux-headers-)
	cached "$name" "$cache/$name-${headers#linux-headers-}" "$name-*" unpack_headers "$headers"
}

# packages_of VERSION: of the last commit, made once for all releases; prints where they are
packages_of()
{
	local place=$out/packages/$1 commit

	commit=$(git -C "$top" rev-parse HEAD)
	if [ "$(cat "$place/commit" 2>/dev/null)" != "$commit" ]; then
		GPADL_OUT=$place VERSION=$1 "$top/scripts/deb.sh" >/dev/null
		echo "$commit" >"$place/commit"
	fi
	echo "$place/deb"
}

# count WHAT COMMAND...: a step here, outside the guest, is a test as well
count()
{
	local what=$1
	shift

	if tally logged "$dir/$(tr -c 'A-Za-z0-9\n' - <<<"$what").log" "$@"; then
		say "ok - $what"
	else
		say "not ok - $what"
		return 1
	fi
}

# A header is the same if size and time are: to read a thousand for each object takes a second
# where processors are emulated. An image of a file system has another ctime
ccache_settings()
{
	echo "max_size = 200M"
	echo "sloppiness = file_stat_matches, file_stat_matches_ctime, include_file_ctime"
}

# In the system, with what DKMS looks for there; the mounts go with the command. Its devices are its
# own: nothing in there can take those of this machine away. Compilers are asked through a cache that
# outlives the system: what they said of the same source before is true still
inside()
{
	# shellcheck disable=SC2016 # the inner shell expands them
	unshare -m sh -c 'mount -t proc proc "$0/proc" &&
		mount --bind "$1" "$0/var/cache/ccache" && root=$0 && shift &&
		exec chroot "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C \
			DEBIAN_KERNEL_USE_CCACHE=1 CCACHE_DIR=/var/cache/ccache "$@"' \
		"$root" "$compiled" "$@"
}

# What the following leave in the system's /tmp is nobody's trace: see no_trace() in there

# What the release's own lintian thinks of them; deb.sh asks that of this machine
lintian_is_silent()
{
	local place=$root/tmp/packages

	cp -r "$(with_lock packages packages_of "$(cat "$top/VERSION")")" "$place"
	cp "$top/packaging/lintian-suppressed" "$place/"
	inside sh -c 'cd /tmp/packages && lintian --version && lintian --allow-root \
		--suppress-tags-from-file lintian-suppressed --fail-on error,warning ./*.changes'
}

# As if nothing of what only the other packages need was installed on this machine
without_build_depends_indep()
{
	# shellcheck disable=SC2016 # the inner shell expands them
	unshare -m sh -ec '
		mount -t tmpfs none /usr/src
		mount -t tmpfs none /usr/share/sphinx
		for sequence in sphinxdoc dkms; do
			mount --bind /dev/null \
				"/usr/share/perl5/Debian/Debhelper/Sequence/$sequence.pm"
		done
		exec "$@"' sh "$@"
}

tools_alone()
{
	local packages place=$dir/alone

	packages=$(with_lock packages packages_of "$(cat "$top/VERSION")")
	rm -rf "$place"
	mkdir -p "$place"
	dpkg-source -x "$packages"/*.dsc "$place/source" &&
	without_build_depends_indep env -C "$place/source" dpkg-buildpackage -us -uc -B &&
	[ "$(echo "$place"/*.deb)" = "$(echo "$place"/vmbus-gpadl-tools*_*.deb)" ]
}

# The kernel that boots
kernel_of_root() { basename "$root"/boot/vmlinuz-* | sed 's/^vmlinuz-//'; }

compile_backend()
{
	local place=$root/tmp/backend

	mkdir -p "$place"
	cp "$top/samples/vmbus_crc.c" "$top/samples/vmbus_crc.h" "$place/"
	printf 'obj-m += vmbus_crc.o\ninclude /usr/share/vmbus-gpadl/backend.mk\n' \
		>"$place/Kbuild"
	inside make -s -C "/lib/modules/$(kernel_of_root)/build" M=/tmp/backend \
		KCFLAGS=-Werror modules &&
	[ -e "$place/vmbus_crc.ko" ]
}

# A VMM is compiled by what pkg-config says
compile_vmm()
{
	local place=$root/tmp/vmm

	mkdir -p "$place"
	cat >"$place/vmm.c" <<-END
		#include <linux/vmbus_host.h>
		int main(void) { return sizeof(struct vmbus_host_channel_create) == 0; }
	END
	# shellcheck disable=SC2016 # the inner shell expands it
	inside sh -c 'cd /tmp/vmm && gcc -Wall -Werror $(pkg-config --cflags vmbus-gpadl) vmm.c -o vmm &&
		./vmm'
}

# headers_in HEADERS: for a kernel that is not installed, whose headers are in this directory
headers_in()
{
	(cd "$1" && find . -depth -type d | sed 's,^\./lib/,./usr/lib/,') |
		while read -r place; do
			[ -e "$root/$place" ] || echo "$place"
		done >"$dir/directories"
	cp -a "$1/usr/." "$root/usr/"
	[ ! -d "$1/lib" ] || cp -a "$1/lib/." "$root/usr/lib/"
}

headers_out()
{
	local place

	(cd "$1" && find . ! -type d) | sed 's,^\./lib/,./usr/lib/,' |
		while read -r place; do rm -f "$root/$place"; done
	rm -rf "$root/usr/lib/modules/${2:?}"
	while read -r place; do
		[ ! -e "$root/$place" ] || rmdir "$root/$place"
	done <"$dir/directories"
}

# built KERNEL: DKMS has each module for it
built()
{
	local place=$root/var/lib/dkms/vmbus-gpadl/$old_version name

	for name in vmbus_gpadl vmbus_host vmbus_scsi; do
		find "$place/$1" -name "$name.ko*" | grep -q . ||
			{ echo "there is no $name"; cat "$place/build/make.log"; return 1; }
	done
}

# dkms_builds HEADERS
dkms_builds()
{
	local headers=$1 kernel status=0

	kernel=$(basename "$headers"/usr/src/linux-headers-*-amd64 | sed 's/^linux-headers-//')
	headers_in "$headers"
	inside dkms build "vmbus-gpadl/$old_version" -k "$kernel" || status=1
	built "$kernel" || status=1
	inside dkms remove "vmbus-gpadl/$old_version" -k "$kernel" || status=1
	headers_out "$headers" "$kernel"
	return $status
}

# The new version is built here once, and taken away again. What the compiler says of it goes with
# the system, for the upgrade to find it: an emulated processor takes ten times as long
dkms_builds_new()
{
	local new status=0 unpacked=$dir/unpacked

	new=$(cat "$top/VERSION")
	rm -rf "$unpacked"
	dpkg-deb -x "$root"/new/vmbus-gpadl-dkms_*.deb "$unpacked"
	cp -a "$unpacked/usr/src/vmbus-gpadl-$new" "$root/usr/src/"
	inside dkms add "vmbus-gpadl/$new" &&
	inside dkms build "vmbus-gpadl/$new" -k "$(kernel_of_root)" || status=1
	inside dkms remove "vmbus-gpadl/$new" --all || status=1
	rm -rf "$root/usr/src/vmbus-gpadl-$new" "$unpacked"
	cp -a "$compiled/." "$root/var/cache/ccache/"
	return $status
}

# depmod reads all modules that there are, and an upgrade runs it twice: minutes of an emulated
# processor. What no virtual machine needs goes
thin()
{
	local place kernel

	kernel=$(kernel_of_root)
	for place in "$root/usr/lib/modules/$kernel"/kernel/{drivers/*,sound}; do
		case ${place##*/} in
		block | char | crypto | scsi | target | vhost | virt | virtio)	;;
		*)	rm -rf "$place" ;;
		esac
	done
	inside depmod "$kernel"
}

# What the system has beside the packages: those to come, the demo's guest, and a service that
# runs the tests and powers off
furnish()
{
	local stock demo=$root/opt/gpadl-demo

	rm -rf "$root"
	mkdir -p "$root/old" "$root/new" "$demo" "$root/var/cache/ccache"
	tar -C "$root" -xf "$tarball"
	ccache_settings >"$compiled/ccache.conf"
	thin
	cp "$(with_lock packages packages_of "$old_version")"/*.deb "$root/old/"
	cp "$(with_lock packages packages_of "$(cat "$top/VERSION")")"/*.deb "$root/new/"
	rm "$root"/{old,new}/*-dbgsym_*

	stock=$("$top/scripts/kernel.sh" stock)
	collect_modules "$dir/guest" "hv_vmbus hv_utils" "$stock/modules"
	INIT=$top/scripts/guest/demo-guest.sh "$top/scripts/initramfs.sh" \
		"$demo/initramfs" "$dir/guest=/ko"
	cp "$stock/vmlinuz" "$demo/vmlinuz"
	mirror_tree "$dir/build"
	make -s -C "$dir/build/tools/vmm" >&2
	cp "$dir/build/tools/vmm/vmm" "$demo/"

	install -m 755 "$top/scripts/guest/install-system.sh" "$root/usr/sbin/install-test"
	cp "$top/packaging/vmbus-disks.service" "$top/scripts/guest/install-test.service" \
		"$root/etc/systemd/system/"
	truncate -s 8M "$root/srv/data.img"
	inside systemctl enable install-test vmbus-disks >"$dir/systemctl.log" 2>&1
	: >"$root/before"
	find "$root" -xdev -printf '/%P\n' | LC_ALL=C sort >"$root/before"
}

prepare()
{
	furnish
	count "lintian of $release has nothing to say" lintian_is_silent || true
	count "the tools are built without Sphinx, DKMS and a kernel's source" tools_alone || true
	say "Installing version $old_version: DKMS builds the modules ..."
	count "the packages can be installed" inside sh -c 'dpkg -i /old/*.deb' || return 1
	count "a backend compiles by what is installed" compile_backend || true
	count "a VMM compiles by what is installed" compile_vmm || true
	count "DKMS builds for the kernel of the backports" dkms_builds "$1" || true
	count "DKMS builds the new version beside the old one" dkms_builds_new || true
}

make_image()
{
	cp "$root"/boot/vmlinuz-* "$dir/vmlinuz"
	cp "$root"/boot/initrd.img-* "$dir/initrd"
	rm -f "$dir/disk"
	truncate -s 4G "$dir/disk"
	mke2fs -q -t ext4 -d "$root" "$dir/disk"
	rm -rf "$root"
}

mkdir -p "$dir" "$compiled"
tarball=$(system_tar root "$release" "$packages")
headers=$(backports_headers)
if prepare "$headers"; then
	make_image
	add_line "$(TIMEOUT='' "$top/scripts/secure-boot.sh" "$dir")" || true
	say "Booting it in QEMU: use, upgrade, purge. DKMS takes some minutes there ..."
	status=0
	QEMU_ARGS="-drive file=$dir/disk,if=virtio,format=raw,cache=unsafe" FOLLOW=install.tap \
		MEM=4G TIMEOUT=${TIMEOUT:-2400} "$top/scripts/qemu.sh" "$dir/vmlinuz" \
		"$dir/initrd" "$dir/log" root=/dev/vda rw quiet || status=1
	read -r p f _ < <(count_results "$dir/log/install.tap" "")
	add "$p" "$f"
	# The console's complaints, or a system that did not get to the end: one failure more
	[ "$status" -eq 0 ] || [ "$f" -gt 0 ] || add 0 1
	rm -f "$dir/disk"
fi
totals
