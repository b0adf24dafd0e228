#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What vmbus_gpadl_map() costs, beside the kernel's own way of pinning.
#
#	bench.sh		everything, in guest instructions: a table on stdout;
#				results.csv, goals.csv, packets.csv, without.csv, parallel.csv,
#				kicks.csv, rings.csv and ratios.txt in tests/bench, and the picture in
#				Documentation
#	bench.sh instructions	that, but for without.csv and what parallel does
#	bench.sh parallel	two threads at once (parallel.csv, kicks.csv)
#	bench.sh check		the smallest cases, and packets, compared with tests/bench/ratios.txt,
#				results.csv and rings.csv; the last line on stdout is 'N passed, N failed'
#	bench.sh wall		the cases in wall time, in QEMU (ACCEL=kvm, where the
#				processor can; MACHINE=1: on this machine itself, as root,
#				with modules for the running kernel, unloaded after)
#	bench.sh without	what each part of the mapper buys: ours without it, in real cases
#				and in those that are best for it; without.csv in tests/bench
#	bench.sh profile CASE	where the instructions go, by function, of map and of unmap;
#				CASE is HOLDING,MEMORY,LAYOUT,PAGES,WHO, for example
#				demand,hugetlb,shuffled,7936,ours
#	bench.sh raw WHAT...	cases quick packets ways establish lookup idle region ring: CSV in out/bench/log
#
# Under QEMU's -icount a nanosecond of the guest is an instruction, whatever else the
# machine does: two runs tell the same. The wall time of two threads is the exception.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

dir=$out/bench
logs=$dir/log
bench=$top/tests/bench
report=$top/scripts/bench.py

# build KDIR DIR: the modules, and the program
build()
{
	build_modules "$1" "$2" GPADL_BENCH=m
	build_programs "$2" tests/bench
}

# build_for CONFIG: sets kdir and tree, and leaves the modules in $dir/ko
build_for()
{
	tree=$dir/build-$1
	kdir=$("$top/scripts/kernel.sh" build "$1")
	build "$kdir" "$tree"
	collect_modules "$dir/ko" "$(built_modules "$tree")" "$tree"
}

# boot LOGDIR [FILE]...: it measures what $dir/measure says
boot()
{
	RUN=bench "$top/scripts/initramfs.sh" "$dir/initramfs" "$dir/ko" "$dir/measure" \
		"$tree/tests/bench/bin/bench" "$top/tests/data/guest-buffers.txt" "${@:2}"
	MEM=1G TIMEOUT=${TIMEOUT:-900} "$top/scripts/qemu.sh" \
		"$(built_image "$kdir")" "$dir/initramfs" "$1" hugepages=64
}

# measure CONFIG LOGDIR WHAT...: boot that kernel, and have it measured
measure()
{
	local kdir tree

	build_for "$1"
	printf '%s\n' "${@:3}" >"$dir/measure"
	say "Measuring (${*:3}) on the $1 kernel ..."
	boot "$2"
}

# Instructions, not time
count() { ICOUNT=1 measure bench "$logs" "$@"; }

# The same in wall time has to be measured more often
rounds=20

instructions()
{
	count cases packets establish lookup idle region
	"$report" report "$logs" "$bench"
	count quick packets ring
	"$report" rings "$logs" >"$bench/rings.csv"
	column -s, -t "$bench/rings.csv" >&2
	{
		cat <<-END
		# Ours to the yardstick, of the smallest cases, as make bench measured it.
		# make check fails if one has become 5 % worse; with another compiler than this, 25 %.
		# $(compiler)
		END
		"$report" ratios "$logs"
	} >"$bench/ratios.txt"
	picture
}

everything()
{
	instructions
	without
	parallel
}

# Wall time on the bench kernel; waits for locks on one that counts them
parallel()
{
	local what

	SMP=2 measure bench "$dir/log-parallel" parallel kicks
	SMP=2 measure lockstat "$dir/log-locks" parallel kicks
	for what in parallel kicks; do
		"$report" "$what" "$dir/log-parallel/$what.csv" "$dir/log-locks/$what.csv" \
			>"$bench/$what.csv"
		say ""
		column -s, -t "$bench/$what.csv" >&2
	done
}

# A mapper for each part that can be left out, all in one boot
without()
{
	local kdir tree n file parts list=$bench/without.txt mappers=$dir/without
	local apply=$top/tests/mutants/apply.py

	parts=$("$apply" "$list" "$top") ||
		die "parts of tests/bench/without.txt are not in the code" "correct their lines there"
	build_for bench
	rm -rf "$mappers"
	mkdir -p "$mappers"
	cp "$tree/vmbus_gpadl.ko" "$mappers/0.ko"
	echo "as it is" >"$mappers.names"
	while read -r n _ file; do
		cp "$tree/$file" "$mappers.saved"
		say "Building it without part $n ..."
		"$apply" "$list" "$tree" "$n" | sed 's/^[^:]*: /without /' >>"$mappers.names"
		nice make -s -C "$kdir" M="$tree" GPADL_BENCH=m modules >&2 ||
			die "the mapper does not build without part $n" "see above"
		cp "$tree/vmbus_gpadl.ko" "$mappers/$n.ko"
		cp "$mappers.saved" "$tree/$file"
	done <<<"$parts"
	say "Measuring each ..."
	echo ways >"$dir/measure"
	ICOUNT=1 boot "$dir/log-without" "$mappers"
	"$report" without "$mappers.names" "$dir/log-without" >"$bench/without.csv"
	column -s, -t "$bench/without.csv" >&2
}

picture()
{
	"$report" bars "$bench" >"$dir/bars"
	gnuplot -e "bars='$dir/bars'; picture='$top/Documentation/performance.svg'" \
		"$bench/performance.gnuplot"
}

# The kernel's own makes take gcc, too
compiler() { echo "gcc $(gcc -dumpversion | cut -d . -f 1)"; }

check()
{
	[ -e "$bench/ratios.txt" ] || die "there is no tests/bench/ratios.txt" "make bench"
	count quick packets ring >&2
	"$report" check "$logs" "$bench/ratios.txt" "$bench/results.csv" \
		"$bench/rings.csv" "$(compiler)"
}

# ---- Wall time ----

wall()
{
	SMP=2 measure bench "$dir/log-wall" "cases $rounds" parallel
	show_cases "$dir/log-wall/cases.csv"
	column -s, -t "$dir/log-wall/parallel.csv"
}

# What was done to this machine is undone, however it ends
machine_restore()
{
	local m

	for m in vmbus_gpadl_bench vmbus_host vmbus_gpadl; do
		[ ! -d "/sys/module/$m" ] || rmmod "$m"
	done
	echo "$hugepages" >/proc/sys/vm/nr_hugepages
}

wall_machine()
{
	local kdir tree=$dir/build-machine m

	kdir=/lib/modules/$(uname -r)/build
	[ "$(id -u)" -eq 0 ] || die "modules are loaded: that takes root" "sudo"
	[ -d "$kdir" ] || die "there are no headers of the running kernel" \
		"apt-get install linux-headers-$(uname -r)"
	[ ! -d /sys/module/vmbus_gpadl ] ||
		die "vmbus_gpadl is loaded, perhaps in use" "rmmod it, or use QEMU"
	build "$kdir" "$tree"
	hugepages=$(cat /proc/sys/vm/nr_hugepages)
	trap machine_restore EXIT
	echo $((hugepages + 32)) >/proc/sys/vm/nr_hugepages
	for m in vmbus_gpadl.ko host/vmbus_host.ko tests/bench/vmbus_gpadl_bench.ko; do
		insmod "$tree/$m"
	done
	for m in "cases $rounds" parallel; do
		say "Measuring ($m) on this machine ..."
		# shellcheck disable=SC2086 # words
		GUEST_BUFFERS=$top/tests/data/guest-buffers.txt \
			"$tree/tests/bench/bin/bench" $m >"$dir/${m%% *}.csv"
	done
	show_cases "$dir/cases.csv"
	column -s, -t "$dir/parallel.csv"
}

# ---- For making it faster ----

raw()
{
	local what

	count "$@"
	for what in "$@"; do
		case $what in
		cases | quick | packets)	show_cases "$logs/$what.csv" ;;
		*)		column -s, -t "$logs/$what.csv" ;;
		esac
	done
}

# Nanoseconds or instructions a page: the yardstick and its way, ours, the ratio; map and unmap of
# either
show_cases()
{
	awk -F, 'NR == 1 {
		printf "%-44s yardstick (way), ours, ratio  [map unmap | map unmap]\n", "case, for each page"
	}
	NR > 1 {
		yard = ($10 + $11) / $5; ours = ($13 + $14) / $5
		printf "%-6s %-8s %-7s %-10s %5d %s %-7s %7.1f (%s, %s) %7.1f %6.3f" \
			"  [%.1f %.1f | %.1f %.1f] entries %d %d\n", \
			$1, $2, $3, $4, $5, $6, $7, yard, $8, $9, ours, ours / yard, \
			$10 / $5, $11 / $5, $13 / $5, $14 / $5, $12, $15
	}' "$1"
}

profile()
{
	count "profile $1"
	printf '%9s %9s\n' map unmap
	awk '{ map[$3] += $1; unmap[$3] += $2; m += $1; u += $2 }
	     END {
		for (f in map)
			printf "%9d %9d  %5.1f %%  %s\n", map[f], unmap[f], \
				100 * (map[f] + unmap[f]) / (m + u), f
		printf "%9d %9d  100.0 %%  (all)\n", m, u
	     }' "$logs/profile.csv" | sort -k3,3nr | awk '$3 >= 0.1'
}

case ${1-} in
"")	command=everything ;;
wall)	command=wall
	[ "${MACHINE-}" != 1 ] || command=wall_machine ;;
check | raw | instructions | parallel | without)
	command=$1
	shift ;;
profile)
	[ $# -eq 2 ] || die "a profile of what?" \
		"scripts/bench.sh profile demand,hugetlb,shuffled,7936,ours"
	command=$1
	shift ;;
*)	die "usage: bench.sh [instructions | parallel | without | check | wall | profile CASE | raw WHAT...]" ;;
esac

"$top/scripts/deps.sh" bsdextrautils gnuplot-nox
mkdir -p "$dir"
with_lock "$dir" "$command" "$@"
