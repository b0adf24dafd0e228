#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Every test, stage by stage, or the stages named.
#
#	check.sh [STAGE]...
#	check.sh full		those that take long, which are left out else
#
# Each stage is a script of its own whose last line on stdout is 'N passed, N
# failed'; one that does not get that far counts as failed. So does the last
# line here, over all stages.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

scripts=$top/scripts
passed=0 failed=0 summary=()
# One stream, in the order in which things happen; stages answer on fd 3
exec 3>&1 2>&1

stage_prepare()
{
	"$scripts/deps.sh" &&
	"$scripts/kernel.sh" source >&2 &&
	"$scripts/kernel.sh" stock >&2 &&
	"$scripts/kernel.sh" stock "$series_old" >&2 &&
	"$scripts/kernel.sh" build debug >&2 &&
	"$scripts/kernel.sh" build bench >&2 &&
	echo "1 passed, 0 failed"
}

# The stages, in order: name, what it does, command
stages()
{
	cat <<-END
	prepare|get packages, Debian's kernels, and build two of our own|stage_prepare
	static|compiler warnings, sparse, checkpatch, kernel-doc, shellcheck|$scripts/static.sh
	wire|the wire format in user space, under AddressSanitizer and UBSan|make -s -C $top/tests/host check
	kunit|KUnit suites on a kernel with KASAN, lockdep and kmemleak|$scripts/kunit.sh
	selftest|the uAPI's tests, shipped modules, Debian's own kernel|$scripts/selftest.sh
	bench|a map costs no more instructions than it did|$scripts/bench.sh check
	demo|end to end: a stock guest's GPADLs, mapped|stage_demo
	END
}

# Those of make check-full
stages_full()
{
	cat <<-END
	fuzz|the wire format, the device and the rings, fuzzed|$scripts/fuzz.sh ${FUZZ_SECONDS:-30}
	proof|the wire format keeps to its memory, by Frama-C|$scripts/proof.sh
	model|every interleaving of a GPADL's life, by Spin|stage_model
	debug|the selftests, and stress, with KASAN and lockdep|stage_debug
	kcsan|KUnit, the selftests and stress on a kernel that looks for data races|stage_kcsan
	coverage|what of the modules the tests reach, by gcov|$scripts/coverage.sh
	mutants|faults put into the wire format are found by its tests|$scripts/mutants.sh gpadl_wire.c
	END
}

stages_all()
{
	stages
	stages_full
}

stage_model()
{
	"$scripts/deps.sh" spin gcc && "$scripts/model.sh" >&2 &&
	echo "1 passed, 0 failed"
}

# Ends with the sum of what its arguments, commands, end with
sum_up()
{
	local command

	for command in "$@"; do
		$command | tail -n 1
	done | awk -v wanted=$# '
		/^[0-9]+ passed, [0-9]+ failed$/ { ended++; passed += $1; failed += $3 }
		END { print passed + 0 " passed, " failed + wanted - ended " failed" }'
}

stage_debug()
{
	CONFIG=debug TIMEOUT=1500 STRESS_SECONDS=30 "$scripts/selftest.sh"
}

stage_kcsan()
{
	local -x CONFIG=kcsan TIMEOUT=1500 LEAKS=0 STRESS_SECONDS=60

	sum_up "$scripts/kunit.sh" "$scripts/selftest.sh"
}

# The demo counts as one test: it happened as it should, or not
stage_demo()
{
	if "$scripts/demo.sh" >&2; then
		echo "1 passed, 0 failed"
	else
		echo "0 passed, 1 failed"
	fi
}

run_stage()
{
	local name=$1 what=$2 command=$3 p=0 f=0 start=$SECONDS last

	printf '\n== %s: %s\n' "$name" "$what"
	last=$($command 2>&3 | tail -n 1) || true
	if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
		p=${BASH_REMATCH[1]} f=${BASH_REMATCH[2]}
	else
		echo "The stage did not run to its end."
	fi
	# No test is not a success
	[ $((p + f)) -gt 0 ] || f=1
	passed=$((passed + p)) failed=$((failed + f))
	last=$(printf '%-9s %4d passed %4d failed %5d s' \
		"$name" "$p" "$f" $((SECONDS - start)))
	summary+=("$last")
	printf -- '-- %s\n' "$last"
}

if [ "${1-}" = full ]; then
	shift
	list=stages_full
elif [ $# -eq 0 ]; then
	list=stages
else
	list=stages_all
fi

wanted=" $* "
while IFS='|' read -r name what command <&4; do
	[ $# -eq 0 ] || [[ $wanted == *" $name "* ]] || continue
	run_stage "$name" "$what" "$command"
done 4< <($list)

printf '\n'
printf '%s\n' "${summary[@]}"
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
