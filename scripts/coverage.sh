#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Measure what of vmbus_gpadl.ko and vmbus_host.ko the tests reach: KUnit, the
# selftests and fault injection, in QEMU, on a kernel with gcov.
#
#	coverage.sh		run the tests, and report
#	coverage.sh report	report what the last run has left
#
# What is not reached must stand in tests/coverage/left.txt, with a reason. The
# report is in out/coverage/: index.html for each line, left.txt for what is not
# reached, lines.txt for each file. The last line on stdout is 'N passed, N failed'.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

dir=$out/coverage
runs=(kunit selftest fault)
goal_lines=99.9 goal_branches=91.0
failed=0

"$top/scripts/deps.sh" gcovr

# measure RUN: its script builds in, and logs to, a directory of its own
measure()
{
	local last

	say "$1.sh:"
	# First, and without GCOV_PROFILE, which is for the modules; KASAN and kmemleak are for
	# other kernels
	"$top/scripts/kernel.sh" build gcov >/dev/null
	# As the source has them: a function that is made part of another one has two places
	last=$(CONFIG=gcov GCOV_PROFILE=y KCFLAGS=-fno-early-inlining LEAKS=0 \
		"$top/scripts/$1.sh" | tail -n 1) || true
	say "$last"
	[[ $last =~ ^[0-9]+\ passed,\ 0\ failed(,|$) ]] || failed=$((failed + 1))
}

# collect RUN: what its guest has handed over, put beside what the compiler left
collect()
{
	local build=$out/$1-gcov/build counts=$out/$1-gcov/log/coverage

	[ -s "$counts" ] || die "$1.sh has counted nothing" "see $out/$1-gcov/log"
	find "$build" -name '*.gcda' -delete
	# Those of the two modules only
	base64 -d "$counts" | tar -C / -xz --wildcards --no-wildcards-match-slash \
		".$build/*.gcda" ".$build/gpadl/*.gcda" ".$build/host/*.gcda"
	python3 -B "$top/scripts/gcov.py" "$build" "$top" >"$dir/$1.json"
}

report()
{
	local traces=() run

	for run in "${runs[@]}"; do
		collect "$run"
		traces+=(--add-tracefile "$dir/$run.json")
	done
	cd "$top"
	gcovr --root . "${traces[@]}" --json "$dir/all.json" \
		--html-details "$dir/index.html" --json-summary "$dir/summary.json"
	python3 -B scripts/coverage.py "$dir/all.json" tests/coverage/left.txt \
		>"$dir/left.txt" || failed=$((failed + 1))
	gcovr --root . --add-tracefile "$dir/all.json" --print-summary \
		--fail-under-line $goal_lines --fail-under-branch $goal_branches \
		--output "$dir/lines.txt" >&2 || failed=$((failed + 1))
}

mkdir -p "$dir"
if [ "${1-}" != report ]; then
	for run in "${runs[@]}"; do
		measure "$run"
	done
fi
report
# What was asked: each run, what is left, and the goals
say "(line by line: $dir/index.html)"
echo "$((${#runs[@]} + 2 - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
