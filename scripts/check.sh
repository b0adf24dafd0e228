#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Every test, stage by stage, or the stages named.
#
#	check.sh [STAGE]...
#	check.sh full		those that take long, which are left out else
#
# Each stage is a script of its own whose last line on stdout is 'N passed, N
# failed', perhaps with ', N skipped' behind it; one that does not get that far counts as
# failed. The last line here is their sum. What each has said is in out/check/STAGE.log; why
# one has failed is shown again at the end.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

scripts=$top/scripts
summary=() guilty=()
# One stream, in the order in which things happen; stages answer on fd 3
exec 3>&1 2>&1

# stages SET: those of make check, those of make check-full, which it leaves out, or those that
# have no room in it (apart), in order: name, what it does, command. What begins with & runs beside
# the others, with low priority: it boots no guest, and most guests keep only one of two processors
# busy. It is shown behind them.
stages()
{
	grep -E "^$1\|" <<-'END' | cut -d '|' -f 2-
	check|prepare|get packages, Debian's kernels, and build two of our own|"$scripts/deps.sh" && kernels source stock "stock $series_old" "build debug" "build bench"
	check|&static|compiler warnings, sparse, checkpatch, kernel-doc, shellcheck|"$scripts/static.sh"
	check|tools|gpadlctl: hostile text under AddressSanitizer; its JSON, metrics and manual|make -s -C "$top/tests/gpadlctl" check
	check|wire|the wire format in user space, under AddressSanitizer and UBSan|make -s -C "$top/tests/host" check
	check|kunit|KUnit suites on a kernel with KASAN, lockdep and kmemleak|"$scripts/kunit.sh"
	check|selftest|the uAPI's tests, shipped modules, Debian's own kernel|"$scripts/selftest.sh"
	check|iommu|a device does DMA on mappings, behind an IOMMU|"$scripts/iommu.sh"
	check|bench|a map costs no more instructions than it did|"$scripts/bench.sh" check
	check|demo|end to end: a stock guest's GPADLs, mapped|happens demo.sh
	check|disk|end to end: a stock guest's disk; its VMM is killed, it is unplugged|happens demo-disk.sh
	full|&kernels|build the kernels for kcsan and coverage, and the newest|kernels "build kcsan" "build gcov" "build quick newest"
	full|&model|every interleaving of tests/model, by Spin|"$scripts/model.sh"
	full|&proof|the wire format keeps to its memory, by Frama-C|"$scripts/proof.sh"
	full|fuzz|the wire format, the device and the rings, fuzzed|FUZZ_BASE=${FUZZ_BASE:-1} "$scripts/fuzz.sh" "${FUZZ_SECONDS:-60}"
	full|fault|what can fail fails, one after the other, in each operation|"$scripts/fault.sh"
	full|debug|the selftests, and stress, with KASAN and lockdep|CONFIG=debug STRESS_SECONDS=30 "$scripts/selftest.sh"
	full|newest|the newest kernel in the archive: no warning, KUnit, the selftests|stage_newest
	full|old|the selftests on Debian's older kernel, but for what that cannot do|SERIES=$series_old "$scripts/selftest.sh"
	full|kcsan|KUnit, the selftests and stress on a kernel that looks for data races|CONFIG=kcsan LEAKS=0 STRESS_SECONDS=60 sum_up kunit.sh selftest.sh
	full|nested|stock guests: sub-channels by uio; panics while a backend hangs|"$scripts/nested.sh"
	full|verify|a stock guest's disk: what fio wrote is there after kills, resets, rescinds, unplugs|happens demo-disk.sh verify
	full|root|Debian boots from a disk|happens demo-disk.sh root
	full|sg3|sg3-utils in a guest ask one disk by vmbus_scsi and by vhost-scsi|happens demo-qemu.sh sg3
	full|diskbench|a request to a disk costs what the table tells|"$scripts/bench-disk.sh" check
	full|qemu|a QEMU that is built here: hot plug, resets, kdump, stop, kill|stage_qemu
	full|watch|what the documents show with perf and bpftrace|"$scripts/watch.sh"
	full|intree|a copy in the trees of Linux 6.12 and the newest: built in, as modules, kunit.py|sum_up intree.sh "intree.sh newest"
	full|install|packages on Debian 12 and 13: install, use, upgrade in use, purge|sum_up "install.sh bookworm" "install.sh trixie"
	full|coverage|what of the modules the tests reach, by gcov|"$scripts/coverage.sh"
	full|mutants|faults put into the wire format are found by its tests|"$scripts/mutants.sh" gpadl/wire.c
	apart|arm64|arm64, pages of 4 and 64 KiB: no warning; KUnit in an emulated machine|stage_arm64
	apart|fresh|make demo, make check in a clone on Debian 12 and 13 as they come|sum_up "fresh.sh bookworm" "fresh.sh trixie"
	END
}

# kernels "ARGUMENT..."...: of kernel.sh, for kernels that other stages would wait for
kernels()
{
	local arguments

	for arguments; do
		# shellcheck disable=SC2086 # words
		"$scripts/kernel.sh" $arguments >&2 || return
	done
	echo "1 passed, 0 failed"
}

# sum_up "[VARIABLE=VALUE]... SCRIPT [ARGUMENT]..."...: ends with the sum of what they end with
sum_up()
{
	local command passed=0 failed=0 skipped=0

	for command; do
		# shellcheck disable=SC2086 # words
		add_line "$(PATH=$scripts:$PATH env $command | tail -n 1)" || true
	done
	totals
}

# The kernel is one without KASAN and lockdep: they are for 6.12, and here is no time
stage_newest()
{
	CONFIG=quick LEAKS=0 sum_up "static.sh newest_kernel" "SERIES=newest kunit.sh" \
		"SERIES=newest selftest.sh"
}

# arm64 with either size of pages: no warning, and KUnit
stage_arm64()
{
	local -x ARCH=arm64

	"$scripts/deps.sh" &&
	LEAKS=0 sum_up "static.sh cross" "PAGES=64k static.sh cross" kunit.sh "PAGES=64k kunit.sh"
}

# A demo counts as one test: it happened as it should, or not
happens()
{
	local passed=0 failed=0 skipped=0

	tally "$scripts/$1" "${@:2}" >&2 || true
	totals
}

# Each of its cases is a test; the first that fails is the last. QEMU_VERSION says which QEMU
stage_qemu()
{
	local cases bad=0

	RESETS=${RESETS:-30} "$scripts/demo-qemu.sh" >&2 || bad=1
	cases=$(grep -cE '^[0-9]+\. ' "$out/demo-qemu-${QEMU_VERSION:-7.2}/log/demo-qemu.txt") || bad=1
	echo "$((cases - bad)) passed, $bad failed"
}

# run_stage NAME COMMAND: what it says of its own goes to stderr
run_stage()
{
	local start=$SECONDS

	(eval "$2") | tail -n 1 >"$dir/$1.last" || true
	echo $((SECONDS - start)) >"$dir/$1.seconds"
}

# record NAME: a stage has ended
record()
{
	local name=$1 line before=("$passed" "$failed" "$skipped")

	passed=0 failed=0 skipped=0
	add_line "$(cat "$dir/$name.last")" || echo "The stage did not run to its end."
	# No test is not a success
	[ $((passed + failed)) -gt 0 ] || add 0 1
	[ "$failed" -eq 0 ] || guilty+=("$name")
	line=$(printf '%-9s %4d passed %4d failed %5d s' "$name" "$passed" "$failed" \
		"$(cat "$dir/$name.seconds")")
	[ "$skipped" -eq 0 ] || line+=", $skipped skipped"
	add "${before[@]}"
	summary+=("$line")
	printf -- '-- %s\n' "$line"
}

# now NAME WHAT COMMAND
now()
{
	printf '\n== %s: %s\n' "$1" "$2"
	run_stage "$1" "$3" 2>&1 | tee "$dir/$1.log" >&3
	record "$1"
}

# Those beside, one after the other; what they say is not shown before show_beside
beside()
{
	local name what command

	renice -n 19 "$BASHPID" >/dev/null
	while IFS='|' read -r name what command; do
		printf -- '-- %s begins, beside the others: %s\n' "$name" "$what" >&3
		run_stage "$name" "$command" 2>"$dir/$name.log" </dev/null 3>&-
		printf -- '-- %s has ended: %s\n' "$name" "$(cat "$dir/$name.last")" >&3
	done
}

show_beside()
{
	local name what

	while IFS='|' read -r name what _; do
		printf '\n== %s: %s, beside the others\n' "$name" "$what"
		cat "$dir/$name.log"
		record "$name"
	done
}

# why STAGE: the lines of its log that say why it has failed, or its end
why()
{
	local log=$dir/$1.log signs

	signs='not ok|FAILED|BUG: |UBSAN: |WARNING: |Oops|error: |  next: '
	signs+='|not reached, no reason|: survived |: broken '
	printf '\n%s (all of it: %s):\n' "$1" "$log"
	{ grep -aE "$signs" "$log" || tail -n 12 "$log"; } |
		awk 'NR <= 12 { print "  " substr($0, 1, 150) }
		     END { if (NR > 12) print "  ... and " NR - 12 " more" }'
}

# Those of the set that run beside the others
aside() { stages "$set" | sed -n 's/^&//p'; }

# In a process group of its own, which goes when this does
begin_beside()
{
	set -m
	beside < <(aside) &
	side=$!
	set +m
	trap 'kill -- -$side 2>/dev/null || true' EXIT
}

if [ "${1-}" = full ]; then
	shift
	set=full
else
	set=check
fi
[ $# -eq 0 ] || set='.*'

dir=$out/check
mkdir -p "$dir"
wanted=" $* "
side=
# Whole, or the stages named; the latter in the order in which they stand above
[ "$set" != full ] || begin_beside
while IFS='|' read -r name what command <&4; do
	[[ $set == '.*' || $name != "&"* ]] || continue
	name=${name#&}
	[ $# -eq 0 ] || [[ $wanted == *" $name "* ]] || continue
	now "$name" "$what" "$command"
	# They have the kernels as well
	[ "$set-$name" != check-prepare ] || begin_beside
done 4< <(stages "$set")
if [ -n "$side" ]; then
	wait "$side" || true
	trap - EXIT
	show_beside < <(aside)
fi

printf '\n'
printf '%s\n' "${summary[@]}"
for name in ${guilty[@]+"${guilty[@]}"}; do
	why "$name"
done
printf '\n'
totals
