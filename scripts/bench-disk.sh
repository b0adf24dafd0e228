#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What a request to a disk costs the host: vmbus_scsi beside vhost-scsi, which takes the same
# way to the same backstores of the kernel's SCSI target.
#
#	bench-disk.sh			the table, on stdout and in tests/disk/results.csv; and with what
#				nested.csv has, the picture of Documentation/performance-disks.rst
#	bench-disk.sh profile BYTES DEPTH read|write
#					where the instructions of such a request to "null" go, by
#					function: of vhost-scsi and of vmbus_scsi, as Debian's perf
#					samples them, by the same clock
#	bench-disk.sh check		requests to "null" alone, compared with tests/disk/results.csv;
#					the last line on stdout is 'N passed, N failed'
#	bench-disk.sh nested		the same two and QEMU's virtio-blk, in a stock guest with
#					fio, nested in a host: tests/disk/nested.csv. Rows come as
#					they are measured; ROUNDS=3, how often each is
#
# "resident" is vmbus_scsi for a guest whose memory is pinned as a whole.
#
# But for "nested", Debian's own kernel runs under QEMU's -icount, where a nanosecond is an
# instruction, whatever else the machine does: two runs tell the same. There is no guest in it:
# tests/disk drives both disks out of a process, as the drivers of Linux do, and takes what it
# costs itself off. REQUESTS of each kind (2000) are counted, behind as many that are not.
#
# "nested" goes by the clock, of an emulated machine: its ratios are those of disks that take
# turns, round by round, in one boot. Exits and interrupts are counted. The guest has 2 processors,
# and one channel for both, as QEMU gives it by itself; CHANNELS=2: one for each, in nested-2.csv.
# MEMORY=1: null_blk keeps what is written, and copies. ROWS='4096 1' is a pattern: only those rows
# that have it among their operation, bytes, depth and jobs, in the table as well.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$top/scripts/host.sh"

results=$top/tests/disk
# A ratio may be so much off the one that is committed: another number of requests makes up to 4 % of
# it, and two decimals of 0.30 another 3
tolerance=1.07

"$top/scripts/deps.sh" bsdextrautils gnuplot-nox
choose_host "bench-disk${1:+-$1}"

# measure "STORE..." [BYTES DEPTH read|write]
measure()
{
	local stores=$1
	shift

	say "Building the modules and the program ..."
	build_modules "$kernel/build" "$dir/build"
	nice make -s -C "$dir/build/tests/disk" >&2 || die "tests/disk does not build" "see above"
	rm -rf "$dir/ko"
	collect_modules "$dir/ko" "configfs target_core_iblock null_blk vhost_scsi vmbus_scsi" \
		"$dir/build" "$kernel/modules"
	echo "${REQUESTS:-2000}" >"$dir/requests"
	tr ' ' '\n' <<<"$stores" >"$dir/stores"
	echo "$*" >"$dir/profile"
	mkdir -p "$dir/programs"
	[ $# -eq 0 ] || "$top/scripts/programs.sh" "$dir/programs" linux-perf perf
	"$top/scripts/initramfs.sh" "$dir/initramfs" "$dir/ko" "$dir/requests" "$dir/stores" \
		"$dir/profile" "$dir/programs=/" "$dir/build/tests/disk/bin/disk" "$top/scripts/guest/lib.sh" \
		"$top/scripts/guest/bench-disk.sh=/run"
	say "Measuring ..."
	ICOUNT=1 MEM=1G TIMEOUT=${TIMEOUT:-900} "$top/scripts/qemu.sh" "$kernel/vmlinuz" \
		"$dir/initramfs" "$logs"
}

report() { awk -f "$results/table.awk" "$logs"/{vhost,vmbus,resident}.csv; }

# Of the tables as they are
picture()
{
	gnuplot -e "table='$results/results.csv'; nested='$results/nested.csv';
		picture='$top/Documentation/performance-disks.svg'" "$results/disks.gnuplot"
}

profile()
{
	REQUESTS=${REQUESTS:-20000} measure null "$@"
	for peer in vhost vmbus resident; do
		awk -F, -v peer="$peer" 'NR == 1 { print peer ": " $6 " instructions a request" }' \
			"$logs/$peer.csv"
		awk -v n="$(cut -d , -f 6 "$logs/$peer.csv")" '
			$1 ~ /%$/ { printf "%8.0f  %-22s %s\n", $1 * n / 100, $2, $NF
				    sum[$2] += $1 * n / 100 }
			END { for (where in sum) printf "%8.0f  %s in all\n", sum[where], where }' \
			"$logs/$peer.profile"
	done
}

# Both ratios of each row that there is now, beside what the table tells
check()
{
	measure null >&2
	report | awk -v tolerance=$tolerance -f "$results/check.awk" "$results/results.csv" -
}

# The machines of demo-qemu.sh, with the QEMU that has the other two as well
nested()
{
	local qemu

	qemu=${QEMU_DIR:-$(QEMU_VIRTIO=1 "$top/scripts/qemu-build.sh")}
	say "Building the modules ..."
	build_modules "$kdir" "$dir/build"
	guest_modules "$dir/guest" "hv_vmbus sd_mod hv_storvsc virtio_pci virtio_scsi virtio_blk"
	"$top/scripts/programs.sh" "$dir/programs" fio fio
	INIT=$top/scripts/guest/bench-disk-guest.sh "$top/scripts/initramfs.sh" "$dir/guest.img" \
		"$dir/guest=/ko" "$dir/programs=/" "$top/scripts/guest/l2-lib.sh"
	cases=("${ROUNDS:-3} ${MEMORY:-0} ${CHANNELS:-0} ${ROWS:-.}")
	TIMEOUT=${TIMEOUT:-2400} STALL=${STALL:-300} boot_host bench-disk \
		"configfs target_core_iblock null_blk vhost_scsi vmbus_scsi" \
		"$qemu/bin=/qemu/bin" "$qemu/share=/qemu/share" "$qemu/lib=/lib" \
		"$qemu/lib/ld-linux-x86-64.so.2=/lib64/ld-linux-x86-64.so.2" \
		"$top"/scripts/guest/{target-lib,demo-qemu-lib}.sh "$top/scripts/guest/bench-disk.awk"
}

run()
{
	case ${1-} in
	profile)
		[ $# -eq 4 ] || die "a profile of what?" "scripts/bench-disk.sh profile 4096 32 read"
		shift
		profile "$@" ;;
	nested)
		nested
		awk -f "$top/scripts/guest/bench-disk.awk" "$logs/nested-runs.csv" \
			>"$results/nested${CHANNELS:+-$CHANNELS}.csv"
		picture
		column -s, -t "$results/nested${CHANNELS:+-$CHANNELS}.csv" ;;
	check)
		check ;;
	"")
		measure "null memory block"
		report >"$results/results.csv"
		picture
		column -s, -t "$results/results.csv" ;;
	*)
		die "$1: check, nested, profile or nothing" ;;
	esac
}

with_lock "$dir" run "$@"
