#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What vmbus_gpadl_map() costs, beside the kernel's own way of pinning, in guest
# instructions.
#
#	bench.sh raw WHAT...	only run it: cases quick; the CSV stays in out/bench/log

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

dir=$out/bench
logs=$dir/log

build()
{
	kdir=$("$top/scripts/kernel.sh" build bench)
	build_modules "$kdir" "$dir/build" GPADL_BENCH=m
	nice make -s -C "$dir/build/tests/bench" >&2 ||
		die "the benchmark's program does not build" "see above"
	rm -rf "$dir/ko"
	collect_modules "$dir/ko" "$(built_modules "$dir/build")" "$dir/build"
}

# measure WHAT...: boot, and have it measured
measure()
{
	build
	printf '%s\n' "$@" >"$dir/measure"
	"$top/scripts/initramfs.sh" "$dir/initramfs" "$dir/ko" "$dir/measure" \
		"$dir/build/tests/bench/bin/bench" "$top/tests/data/guest-buffers.txt" \
		"$top/scripts/guest/lib.sh" "$top/scripts/guest/bench.sh=/run"
	say "Measuring $* in QEMU ..."
	ICOUNT=1 MEM=1G TIMEOUT=${TIMEOUT:-900} "$top/scripts/qemu.sh" \
		"$kdir/arch/x86/boot/bzImage" "$dir/initramfs" "$logs" hugepages=64
}

# For eyes, and per page
show()
{
	awk -F, 'NR > 1 {
		y = ($9 + $10) / $4; o = ($12 + $13) / $4
		printf "%-8s %-7s %-10s %5d %s %-7s %8.1f (%s, %s) %8.1f %6.3f  [map %.1f unmap %.1f | map %.1f unmap %.1f] entries %d %d\n", $1, $2, $3, $4, $5, $6, y, $7, $8, o, o / y, $9/$4, $10/$4, $12/$4, $13/$4, $11, $14
	}' "$1"
}

# Instructions by function, of the whole case; the yardstick's or ours
show_profile()
{
	awk '{ map[$3] += $1; unmap[$3] += $2; m += $1; u += $2 }
	     END {
		for (f in map)
			printf "%9d %9d  %5.1f %%  %s\n", map[f], unmap[f],
				100 * (map[f] + unmap[f]) / (m + u), f
		printf "%9d %9d  100.0 %%  (all)\n", m, u
	     }' "$1" | sort -k3,3nr | awk '$3 >= 0.1'
}

"$top/scripts/deps.sh"
lock=$(echo "$dir" | tr / _)
case ${1-} in
raw)	shift
	with_lock "$lock" measure "$@"
	for what in "$@"; do
		case $what in
		cases | quick)	show "$logs/$what.csv" ;;
		*)		column -s, -t "$logs/$what.csv" ;;
		esac
	done ;;
profile)
	with_lock "$lock" measure "profile ${2:?HOLDING,MEMORY,LAYOUT,PAGES,WHO}"
	printf '%9s %9s\n' map unmap
	show_profile "$logs/profile.csv" ;;
*)	die "usage: bench.sh raw WHAT... | profile HOLDING,MEMORY,LAYOUT,PAGES,WHO" ;;
esac
