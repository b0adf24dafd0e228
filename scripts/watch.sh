#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The examples of Documentation/watching.rst with perf and bpftrace, on Debian's own kernel with
# Debian's own programs, while some selftests are at work:
#
#	watch.sh
#
# Each block of commands that has a line ".. shows: REGEX" before it is run, and has to show that.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

dir=$out/watch
logs=$dir/log
# What makes the events
programs=(sample_test gpadl_test gpa_test)

"$top/scripts/deps.sh"
source=$("$top/scripts/kernel.sh" source)
choose_kernel "" "$series"

# N.sh, the commands, and N.shows, what they have to show
examples()
{
	rm -rf "$dir/examples"
	mkdir -p "$dir/examples"
	awk -v dir="$dir/examples/" '
		/^\.\. shows: /		{ shows = substr($0, 11) }
		/^\.\. code-block:: sh$/ {
			if (shows) {
				n++
				print shows > (dir n ".shows")
				file = dir n ".sh"
				shows = ""
			}
			next
		}
		/^[^ ]/			{ file = "" }
		file && NF		{ sub(/^    /, ""); print > file }' \
		"$top/Documentation/watching.rst"
	[ -e "$dir/examples/1.sh" ] || die "watching.rst has no examples"
}

run()
{
	local p ok=0

	say "Building the modules and the tests ..."
	build_modules "$kdir" "$dir/build" GPADL_TESTS=m
	for p in "${programs[@]}"; do
		nice make -s -C "$dir/build/tests/selftest" "bin/$p" \
			KSELFTEST="$source/tools/testing/selftests" >&2
	done
	examples
	"$top/scripts/programs.sh" "$dir/programs" "linux-perf bpftrace" perf bpftrace
	collect_modules "$dir/ko" "$(built_modules "$dir/build")" "$dir/build" "${found[@]}"
	RUN=watch "$top/scripts/initramfs.sh" "$dir/initramfs" "$dir/ko" "$dir/programs=/" \
		"$dir/examples" "${programs[@]/#/$dir/build/tests/selftest/bin/}"
	say "Running the examples in QEMU ..."
	FOLLOW=watch.tap MEM=3G TIMEOUT=${TIMEOUT:-1800} "$top/scripts/qemu.sh" \
		"$vmlinuz" "$dir/initramfs" "$logs" || ok=1
	read -r passed failed _ < <(count_results "$logs/watch.tap" "")
	[ "$ok" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
	totals
}

with_lock "$dir" run
