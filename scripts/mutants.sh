#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Put faults into the code, one at a time, and see whether the tests find them.
#
#	mutants.sh [--again] [N|FILE]...	those of tests/mutants/mutants.txt
#						that have a number or are in a file, or all
#
# Each is tried on the suites that belong to its file, then on all of KUnit, then on
# the selftests, until a test fails. JOBS at a time (2). What was found stays found
# (out/mutants/results) until the file or the fault changes, or with --again; so a run
# can be broken off and resumed. A fault that nothing finds fails, unless the list says
# why that is right. The last line on stdout is 'N passed, N failed'.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

list=$top/tests/mutants/mutants.txt
apply=$top/tests/mutants/apply.py
dir=$out/mutants
results=$dir/results
jobs=${JOBS:-2}
# Trees have an out/ each; they are not part of this git tree
unset GPADL_OUT
export GIT_CEILING_DIRECTORIES=$dir

# The end of a guest that has a test failed, or a bug found by the kernel
failure='not ok [0-9]|BUG: |Oops|Kernel panic|UBSAN: '

# The suites to try a file's faults on, in order: a name, KUnit's filter
suites_of()
{
	case $1 in
	gpadl_wire.c)		echo "wire -" ;;
	gpadl_mem.c)		echo "kunit vmbus_gpadl_[mr]e[mg]*" ;;
	gpadl_resident.c)	echo "kunit vmbus_gpadl_resident" ;;
	gpadl_partition.c)	echo "kunit vmbus_gpadl_[hio]*" ;;
	gpadl_reply.c)		echo "kunit vmbus_gpadl_[io]*" ;;
	vmbus_gpadl_map.c)	echo "kunit vmbus_gpadl_[ho]*" ;;
	host/ring.c)		echo "kunit vmbus_ring" ;;
	esac
	printf '%s\n' "kunit" "selftest"
}

run_suite()
{
	local tree=$1 suite=$2 filter=${3-}

	case $suite in
	wire)	  timeout 120 make -s -C "$tree/tests/host" check ;;
	kunit)	  LEAKS=0 TIMEOUT=$([ -n "$filter" ] && echo 150 || echo 900) STOP=$failure \
			"$tree/scripts/kunit.sh" "$filter" ;;
	selftest) TIMEOUT=600 STOP=$failure "$tree/scripts/selftest.sh" ;;
	esac
}

# What has failed, in a few words; nothing is known if nothing is printed
evidence()
{
	local tree=$1 suite=$2 log=$3 logs

	case $suite in
	wire)	  logs=("$log.stdout" "$log") ;;
	kunit)	  logs=("$tree"/out/kunit-debug/log/{console,trouble}.log "$log") ;;
	selftest) logs=("$tree"/out/selftest-*/log/{result,console,trouble}.log "$log") ;;
	esac
	cat "${logs[@]}" 2>/dev/null | tr -d '\r' | awk '
		/not ok [0-9]+/ && !test { test = $0; sub(/.*not ok [0-9]+ (- )?/, "", test) }
		/gpadl-test: expect WARNING/		{ expected = 1 }
		/gpadl-test: expected WARNING over/	{ expected = 0 }
		/BUG: |Oops|UBSAN: |ERROR: |WARNING: / && !expected && !bug {
			bug = $0; sub(/^(\[[^]]*\] *|==[0-9]+==)/, "", bug) }
		/was not done after/ { late = "the time is over" }
		/verdict: [^0]/ { bad = "what the guest checks at its end" }
		END { print substr(test ? test : bug ? bug : late ? late : bad, 1, 60) }'
}

# One suite after the other, until one finds the fault: prints which, and what failed
try_tests()
{
	local tree=$1 file=$2 log=$3 suite filter last why

	while read -r suite filter <&7; do
		run_suite "$tree" "$suite" "$filter" >"$log.stdout" 2>"$log" 7<&- || true
		last=$(tail -n 1 "$log.stdout")
		[[ $last != *" passed, 0 failed" ]] || continue
		why=$(evidence "$tree" "$suite" "$log")
		if [[ $last == *" failed" ]] && [ -n "$why" ]; then
			echo "$suite $why"
		elif [ "$suite" = wire ]; then
			echo "wire a program dies or hangs"
		else
			echo "broken $suite did not run, see $log"
		fi
		return
	done 7< <(suites_of "$file")
	echo "survived all tests pass"
}

# Is the result of an earlier run good?
known()
{
	[ -e "$1" ] || return 1
	case $(cat "$1") in
	broken*)	return 1 ;;
	survived*)	[ -n "$2" ] ;;
	esac
}

# The next fault of the list, which all workers read from one open file
next_fault()
{
	{
		flock 6
		read -r n key file reason <&8
	} 6>"$dir/lock"
}

# worker JOB: takes faults until there is none
worker()
{
	local tree=$dir/tree$1 n key file reason what start

	while next_fault; do
		known "$results/$key" "$reason" && continue
		start=$SECONDS
		mirror_tree "$tree"
		what=$("$apply" "$list" "$tree" "$n")
		try_tests "$tree" "$file" "$dir/$n.log" 8<&- >"$results/$key.new"
		mv "$results/$key.new" "$results/$key"
		say "$(printf '%3d %4d s  %s  <- %s' "$n" $((SECONDS - start)) \
			"$(cat "$results/$key")" "$what")"
	done
}

# Entries of the list that the command line names
wanted()
{
	"$apply" "$list" "$top" | awk -v want=" $* " '
		want == "  " || index(want, " " $1 " ") || index(want, " " $3 " ")'
}

# Prints what every fault came to; sets passed and failed
judge()
{
	local n key file reason how why

	while read -r n key file reason; do
		read -r how why <"$results/$key" || how=missing why=
		case $how in
		wire | kunit | selftest)
			by[$how]=$((${by[$how]-0} + 1)) passed=$((passed + 1))
			[ -z "$reason" ] || say "$n: $how finds it by now: $why"
			;;
		survived)
			if [ -n "$reason" ]; then
				excused=$((excused + 1)) passed=$((passed + 1))
				continue
			fi ;&
		*)
			failed=$((failed + 1))
			say "$n: $file: $how $why"
			;;
		esac
	done <"$dir/list"
}

again=
if [ "${1-}" = --again ]; then
	again=1
	shift
fi
mkdir -p "$results"
wanted "$@" >"$dir/list" || die "a fault does not fit the code any more" "see $list"
if [ -n "$again" ]; then
	while read -r _ key _; do
		rm -f "$results/$key"
	done <"$dir/list"
fi

say "$(wc -l <"$dir/list") faults, $jobs at a time; the logs are in $dir"
exec 8<"$dir/list"
for ((job = 0; job < jobs; job++)); do
	worker "$job" &
	workers[job]=$!
done
exec 8<&-
wait "${workers[@]}"

passed=0 failed=0 excused=0
declare -A by=()
judge
for suite in "${!by[@]}"; do
	say "$(printf '%4d caught by %s' "${by[$suite]}" "$suite")"
done
say "$(printf '%4d survive, with a reason in %s' "$excused" "${list#"$top/"}")"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
