#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Does what README.md promises come true on a Debian system as it comes?
#
#	fresh.sh [RELEASE [COMMAND]...]		bookworm, if not told, or trixie
#
# Runs `make demo` and `make check`, or the commands, as root in a clone of this tree, of what is
# committed. git and make are all that is there before: what else it takes is fetched, kernels too,
# and built, which is why it takes about an hour. The system stays in out/fresh-RELEASE/root until
# the next run, and a .log of each command beside it. Needs root. The last line on stdout is 'N
# passed, N failed': what commands count themselves, and one for each that does not.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$top/scripts/archive.sh"

release=${1:-bookworm}
dir=$out/fresh-$release
root=$dir/root
commands=("${@:2}")
[ $# -gt 1 ] || commands=("make demo" "make check")

[ "$(id -u)" -eq 0 ] || die "this makes a Debian system, as root" "run it as root"
"$top/scripts/deps.sh" mmdebstrap

# The archive as Debian's installer sets it up, and this machine's network
furnish()
{
	local tarball mirror

	tarball=$(system_tar fresh "$release" git,make)
	mirror=$(archive_mirror)
	rm -rf "$root"
	mkdir -p "$root"
	tar -xf "$tarball" -C "$root"
	cat >"$root/etc/apt/sources.list" <<-END
		deb $mirror $release main
		deb $mirror $release-updates main
		deb ${mirror%/}-security $release-security main
	END
	cp -L /etc/hosts /etc/resolv.conf "$root/etc/"
	git clone -q "$top" "$root/root/clone"
}

# inside COMMAND: in the clone. The mounts go with it. Devices are the system's own
inside()
{
	# shellcheck disable=SC2016 # the inner shell expands them
	unshare -m sh -c 'mount -t proc proc "$0/proc" && mount -t sysfs -o ro sysfs "$0/sys" &&
		mount -t devpts -o newinstance,ptmxmode=666 devpts "$0/dev/pts" &&
		mount -t tmpfs tmpfs "$0/dev/shm" &&
		exec chroot "$0" env -i HOME=/root TERM=dumb \
			PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
			sh -c "cd /root/clone && $1"' "$root" "$1"
}

# run COMMAND
run()
{
	local log sum status=0

	log=$dir/$(tr -c 'A-Za-z0-9\n' - <<<"$1" | cut -c 1-40).log
	say "On a fresh Debian, $release: $1 ..."
	logged "$log" inside "$1" || status=1
	sum=$(grep -aE '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1) || true
	if [ -n "$sum" ]; then
		add_line "$sum"
		[ $status -eq 0 ] || [[ $sum != *", 0 failed"* ]] || add 0 1
	else
		tally [ $status -eq 0 ]
	fi
}

furnish
for command in "${commands[@]}"; do
	run "$command" || true
done
totals
