#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Run the selftests of the uAPI in QEMU on Debian's own kernel, with the modules
# as they are shipped.
#
#	selftest.sh [PROGRAM [its arguments]]	for example: selftest.sh map_test -t vmap
#
# PROGRAM may be a pattern: 'fuzz_*'. SERIES=6.1 takes that Debian kernel, CONFIG=debug
# one that is built to find bugs, SERIES=newest one that is built so of the newest source in
# the archive. STRESS_SECONDS is how long stress_test takes, 5 if not
# told; FUZZ_SECONDS, FUZZ_BASE (1 if not told), FUZZ_SEED and FUZZ_OPS are for the
# fuzzers (fuzz.sh).
# TIMES=40 runs each program so often, until it fails: is it steady? SUITE=NAME takes the
# programs of tests/NAME; APPEND is more of the kernel's command line. LEAKS=0 leaves out the
# search for leaks. Logs stay in out/selftest-*/. Skipped is, on 6.1 and with CONFIG=, what that
# kernel cannot do.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

want=${SERIES:-$series}
suite=${SUITE:-selftest}
# Debian's own kernel, or one that is built here
config=${CONFIG-}
[ "$want" != newest ] || config=${config:-debug}
name=$want
[ -z "$config" ] || name=$(name_of "$config" "$want")
dir=$out/$suite-$name
logs=$dir/log
# Why a test may be skipped: NO_PIN_WAITS and the like in tests/selftest/vmm.h. No other kernel is too old.
too_old=
[ "$want" != "$series_old" ] || too_old="before Linux "
# And what Debian's own kernels have, and those that are built here have not
[ -z "$config" ] || too_old="the kernel has no (NUMA balancing|blocks of memory|kprobes|scsi_debug|\
PID namespaces|user namespaces .*|calls of 32 bits)$"

"$top/scripts/deps.sh"
KSELFTEST=$("$top/scripts/kernel.sh" source)/tools/testing/selftests
export KSELFTEST
choose_kernel "$config" "$want"

# The programs asked for, or all, as words for initramfs.sh
programs()
{
	local p

	for p in "$dir/build/tests/$suite"/bin/*; do
		[ -e "$top/tests/$suite/${p##*/}.c" ] || continue
		# shellcheck disable=SC2053 # it is a pattern
		[[ ${p##*/} == ${1:-*} ]] || continue
		echo "$p=/tests/${p##*/}"
	done
}

run()
{
	local ok=0 all=0 tap p f s

	say "Building the modules and the tests ..."
	build_modules "$kdir" "$dir/build" GPADL_TESTS=m
	build_programs "$dir/build" "tests/$suite" tools/gpadlctl
	mapfile -t programs < <(programs "${1-}")
	[ $# -gt 0 ] || all=1
	[ ${#programs[@]} -gt 0 ] || die "there is no ${1-} in tests/$suite" "ls tests/$suite"
	shift || true

	collect_modules "$dir/ko" "$(built_modules "$dir/build")" "$dir/build" "${found[@]}"
	# What is there before our modules, and stays: file systems, and what disks stand on
	collect_modules "$dir/fs" "loop crc32c_generic ext4 fuse target_core_file \
		target_core_iblock target_core_pscsi dm_mod dm_delay sd_mod scsi_debug" \
		"${found[@]:-$dir/fs}"
	grep -vxFf "$dir/fs/order" "$dir/ko/order" >"$dir/ko/order.ours"
	mv "$dir/ko/order.ours" "$dir/ko/order"
	printf '%s\n' "$@" >"$dir/arguments"
	# What operators are told to type, line by line
	awk '/^\.\. code-block:: sh$/ { inside = 1; next }
	     /^[^ ]/ { inside = 0 }
	     inside' "$top/Documentation/disks.rst" >"$dir/disks.sh"

	RUN=selftest "$top/scripts/initramfs.sh" "$dir/initramfs" "${programs[@]}" "$dir/ko" \
		"$dir/fs" "$dir/arguments" "$dir/disks.sh" "$dir/build/tools/gpadlctl/gpadlctl"

	say "Running them in QEMU ..."
	TIMEOUT=${TIMEOUT:-2400} PROGRESS=1 "$top/scripts/qemu.sh" \
		"$vmlinuz" "$dir/initramfs" "$logs" hugepages=64 init_on_alloc=0 \
		"SUITE=$suite" "STRESS_SECONDS=${STRESS_SECONDS:-5}" "FUZZ_SECONDS=${FUZZ_SECONDS:-0}" \
		"FUZZ_BASE=${FUZZ_BASE:-1}" "FUZZ_SEED=${FUZZ_SEED-}" \
		"FUZZ_OPS=${FUZZ_OPS-}" "FUZZ_TIMES=${FUZZ_TIMES-}" "FUZZ_TRACE=${FUZZ_TRACE-}" \
		"LEAKS=${LEAKS:-1}" "TIMES=${TIMES:-1}" "${APPEND-}" || ok=1

	for tap in "$logs"/*.tap; do
		[ -e "$tap" ] || continue
		grep -E '^not ok|# SKIP' "$tap" >&2 || true
		read -r p f s < <(count_results "$tap" '' "$too_old")
		say "  $(basename -s .tap "$tap"): $p passed, $f failed, $s skipped"
		add "$p" "$f" "$s"
		complete "$tap" || add 0 1
	done
	for p in "${programs[@]}"; do
		[ -e "$logs/${p##*/}.tap" ] || {
			say "  ${p##*/}: did not run"
			add 0 1
		}
	done
	# Only all tests together meet what there is to meet
	if [ $all -eq 1 ] && [ "$skipped" -eq 0 ] && [ "$suite" = selftest ]; then
		"$top/scripts/errnos.sh" "$logs"/*.tap >&2 || add 0 1
	fi
	# The kernel's own complaints, pages left pinned and the like: one more
	[ $ok -eq 0 ] || add 0 1
	totals
}

# Did a program report as many tests as it said it would?
complete()
{
	awk '/^1\.\.[0-9]+/	{ plan = substr($1, 4) }
	     /^(not )?ok /	{ ran++ }
	     END { exit !(plan > 0 && ran == plan) }' "$1" && return
	say "  $(basename -s .tap "$1"): it ended before its last test:"
	tail -n 5 "$1" >&2
	return 1
}

with_lock "$dir" run "$@"
