#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Fuzz the wire format and the SCSI controller's protocol in user space, and the device, its
# packets and its rings on the debug kernel; see tests/fuzz/README.
#
#	fuzz.sh [SECONDS]		all of them: a sixth of SECONDS (60) for wire and vstor
#					each, a third for each of the four programs on the
#					kernel; 1.7 times SECONDS in all
#	fuzz.sh wire|vstor|device|packet|ring [SECONDS]	one of them
#	FUZZ_SEED=n FUZZ_OPS=n fuzz.sh device|packet|ring	that life, and no other
#
# FUZZER_OPTIONS are passed to libFuzzer. FUZZ_BASE is the first seed of device and ring,
# the time if not told; FUZZ_TRACE=1 has every operation said. The last line on stdout is
# 'N passed, N failed': the runs, the coverage of the committed corpora, and the kernel.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$top/scripts/archive.sh"

what=all
case ${1-} in
wire|vstor|device|packet|ring)
	what=$1
	shift ;;
esac
seconds=${1:-60}
dir=$out/fuzz
kernel_logs=$out/selftest-debug/log
flags=(-std=gnu11 -g -Wall -Wextra -Werror -Wno-sign-compare
       -Wno-missing-field-initializers -Wno-c2x-extensions
       -I"$top/tests/host/include" -I"$top/tests/host" -I"$top")

# target NAME: the files that are fuzzed, of which the corpus covers every line and every
# branch, and what else is compiled
target()
{
	name=$1
	case $name in
	wire)
		corpus=$top/tests/fuzz/corpus
		fuzzed=("$top/gpadl/wire.c")
		helpers=("$top/tests/fuzz/fuzz_wire.c" "$top/tests/host/compare.c"
			 "$top/tests/host/reference.c") ;;
	vstor)
		corpus=$top/tests/fuzz/corpus-vstor
		fuzzed=("$top/backends/scsi/vstor.c" "$top/backends/scsi/lun.c")
		helpers=("$top/tests/fuzz/fuzz_vstor.c") ;;
	esac
}

# The fuzzer's own words are in the log; this is what they come to
fuzz()
{
	local seconds=$1 log=$dir/fuzz-$name.log new=$dir/${corpus##*/} rc=0

	say "Fuzzing ${fuzzed[*]#"$top/"} for $seconds s ..."
	mkdir -p "$new"
	# shellcheck disable=SC2086 # options, split at spaces
	logged "$log" nice "$dir/fuzz_$name" -max_total_time="$seconds" -max_len=4096 \
		-artifact_prefix="$dir/" -print_final_stats=1 ${FUZZER_OPTIONS-} \
		"$new" "$corpus" || rc=1
	sed -n 's/^stat::number_of_executed_units: */  executions: /p
		s/^stat::new_units_added: */  new inputs kept: /p' "$log" >&2
	if [ $rc -ne 0 ]; then
		say "  an input fails; it is in $dir/"
	fi
	return $rc
}

# Every line and every branch, by the committed corpus alone
coverage()
{
	local lines unseen branches untaken

	say "Measuring what the committed corpus covers ..."
	LLVM_PROFILE_FILE=$dir/raw "$dir/replay-$name" "$corpus"/* >&2 || return 1
	"llvm-profdata-$llvm" merge -o "$dir/profile" "$dir/raw"
	"llvm-cov-$llvm" show "$dir/replay-$name" -instr-profile="$dir/profile" \
		-show-branches=count "${fuzzed[@]}" >"$dir/coverage-$name.txt"
	read -r lines unseen branches untaken < <("llvm-cov-$llvm" report "$dir/replay-$name" \
		-instr-profile="$dir/profile" "${fuzzed[@]}" |
		awk '/^TOTAL/ { print $8, $9, $11, $12 }')
	say "  ${fuzzed[*]#"$top/"}: lines $((lines - unseen))/$lines," \
		"branches $((branches - untaken))/$branches ($dir/coverage-$name.txt)"
	[ "$unseen" -eq 0 ] && [ "$untaken" -eq 0 ]
}

# in_user_space TARGET SECONDS
in_user_space()
{
	target "$1"
	mkdir -p "$dir"
	say "Building the fuzzer ..."
	"clang-$llvm" "${flags[@]}" -O1 -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=all -o "$dir/fuzz_$name" "${helpers[@]}" "${fuzzed[@]}"
	"clang-$llvm" "${flags[@]}" -O0 -fprofile-instr-generate -fcoverage-mapping \
		-o "$dir/replay-$name" "$top/tests/fuzz/replay.c" "${helpers[@]}" "${fuzzed[@]}"
	tally fuzz "$2" || true
	tally coverage || true
}

# The programs of tests/selftest that a pattern fits, for so long each
on_kernel()
{
	local last

	say "Fuzzing $2 on the debug kernel, $3 s each ..."
	last=$(CONFIG=debug FUZZ_SECONDS=$3 FUZZ_BASE=${FUZZ_BASE:-$(date +%s)} \
		TIMEOUT=$(($3 * 3 + 900)) "$top/scripts/selftest.sh" "$1" | tail -n 1) || true
	grep -hE '^# (FUZZ_SEED|device:|packet:|ring:|senders:)' "$kernel_logs"/fuzz_*.tap >&2 || true
	say "  what operations returned: $kernel_logs/fuzz_*.tap"
	add_line "$last" || true
}

run()
{
	case $what in
	wire | vstor)	in_user_space "$what" "$seconds" ;;
	device)	on_kernel fuzz_device_test "the device" "$seconds" ;;
	packet)	on_kernel fuzz_packet_test "packets" "$seconds" ;;
	ring)	on_kernel 'fuzz_ring*_test' "the rings" "$((seconds / 2))" ;;
	all)	in_user_space wire $((seconds / 6))
		in_user_space vstor $((seconds / 6))
		on_kernel 'fuzz_*_test' "the device, packets and the rings" $((seconds / 3)) ;;
	esac
	totals
}

# The version is that of the release: what its package clang depends on
"$top/scripts/deps.sh"
llvm=$(pkg_depends clang clang-)
llvm=${llvm#clang-}
"$top/scripts/deps.sh" "clang-$llvm" "llvm-$llvm" "libclang-rt-$llvm-dev"
with_lock "$dir" run
