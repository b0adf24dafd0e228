#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Put faults into the code, one at a time, and see whether the tests find them.
#
#	mutants.sh [N]...	those of tests/mutants/mutants.txt, or all
#
# Each is tried on the wire suite in user space, then KUnit, then the selftests,
# until one of them fails. JOBS at a time (2). Takes about 20 s for each; a fault
# that nothing finds takes minutes. The last line on stdout is 'N passed, N failed'.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

list=$top/tests/mutants/mutants.txt
apply=$top/tests/mutants/apply.py
dir=$out/mutants
jobs=${JOBS:-2}

# Run a suite: it finds the fault (0), it does not (1), or it did not get that far (2)
finds()
{
	local log=$1 last
	shift

	"$@" >"$log.stdout" 2>"$log" || true
	last=$(tail -n 1 "$log.stdout")
	case $last in
	*" passed, 0 failed") return 1 ;;
	*" passed, "*" failed") return 0 ;;
	*) return 2 ;;
	esac
}

# One suite after the other, until one finds the fault. Prints which one did.
try_tests()
{
	local tree=$1 log=$2 name rc
	local -A suites=(
		[wire]="make -s -C $tree/tests/host check"
		[kunit]="env LEAKS=0 TIMEOUT=300 $tree/scripts/kunit.sh"
		[selftest]="env TIMEOUT=600 $tree/scripts/selftest.sh"
	)

	for name in wire kunit selftest; do
		rc=0
		# shellcheck disable=SC2086 # a command and its arguments
		finds "$log" ${suites[$name]} || rc=$?
		case $rc in
		0) echo "$name" && return ;;
		2) echo "$name DID NOT RUN" && return ;;
		esac
	done
	echo "SURVIVED"
}

worker()
{
	local job=$1 tree=$dir/tree$1 n what result
	shift

	for n; do
		mirror_tree "$tree"
		what=$("$apply" "$list" "$n" "$tree")
		result=$(try_tests "$tree" "$dir/$n.log")
		printf '%3d  %-18s %s\n' "$n" "$result" "$what" | tee "$dir/$n.result" >&2
	done
}

deal()
{
	local job=$1 i=0 n
	shift

	for n; do
		[ $((i++ % jobs)) -ne "$job" ] || echo "$n"
	done
}

mkdir -p "$dir"
# The copies are not part of this git tree
export GIT_CEILING_DIRECTORIES=$dir
rm -f "$dir"/*.result "$dir"/*.log "$dir"/*.stdout
[ $# -gt 0 ] || mapfile -t all < <(seq "$("$apply" "$list")")
[ $# -eq 0 ] || all=("$@")
say "${#all[@]} faults, $jobs at a time; the logs are in $dir"
for ((job = 0; job < jobs; job++)); do
	mapfile -t mine < <(deal "$job" "${all[@]}")
	[ ${#mine[@]} -eq 0 ] || worker "$job" "${mine[@]}" &
done
wait

caught=$(cat "$dir"/*.result | grep -cE '^ *[0-9]+  (wire|kunit|selftest)  ' || true)
echo "$caught passed, $((${#all[@]} - caught)) failed"
[ "$caught" -eq "${#all[@]}" ]
