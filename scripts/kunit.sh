#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Run the KUnit suites in QEMU on a kernel that is built to find bugs: KASAN,
# lockdep, kmemleak and more, see config/debug.config.
#
#	kunit.sh [GLOB]		for example 'vmbus_gpadl_wire' or '*_mem.map_of_*'
#
# CONFIG=NAME takes config/NAME.config instead, SERIES=newest the newest kernel of the
# archive, LEAKS=0 leaves out the search for leaks, which takes 40 s. Logs stay in
# out/kunit-NAME/. What needs x86, or pages of 4 KiB, is skipped elsewhere.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

filter=${1-}
config=${CONFIG:-debug}
want=${SERIES:-$series}
name=$(name_of "$config" "$want")
dir=$out/kunit-$name
logs=$dir/log

"$top/scripts/deps.sh"
source=$("$top/scripts/kernel.sh" source "$want")
choose_kernel "$config" "$want"

# What kunit.py says of one suite, if it is not content; nothing if it is.
# One suite a file: it reads only the first document of a log.
suite_complaints()
{
	python3 -B "$source/tools/testing/kunit/kunit.py" parse <"$1" \
		>"$1.parsed" 2>&1 || grep -vE '^\[[0-9:]+\] \[PASSED\]' "$1.parsed"
}

# What a case says that a host with larger pages has nothing to show for; nothing, where each of
# its parameters says so
case $arch-$pages in
x86-*)	skips= ;;
*-4k)	skips='only on x86 ' ;;
*)	skips='(only on x86 |is about pages of 4 KiB|$)' ;;
esac

# Cases that the sources define: what did not run did not pass
cases_defined() { cat "$top"/kunit/*.c | grep -cE '^[[:space:]]*KUNIT_CASE[A-Z_]*\(' || true; }

run()
{
	local ok=0 ktap p f s defined

	say "Building the modules against the $name kernel ..."
	build_modules "$kdir" "$dir/build" GPADL_KUNIT=m
	collect_modules "$dir/ko" "$(built_modules "$dir/build") \
		$(basename -s .ko -a "$dir"/build/kunit/*.ko | tr '\n' ' ')" \
		"$dir/build"
	RUN=kunit "$top/scripts/initramfs.sh" "$dir/initramfs" "$dir/ko"

	say "Running the suites in QEMU ..."
	TIMEOUT=${TIMEOUT:-2400} PROGRESS=1 "$top/scripts/qemu.sh" \
		"$vmlinuz" "$dir/initramfs" "$logs" \
		"LEAKS=${LEAKS:-1}" "${filter:+kunit.filter_glob=$filter}" || ok=1

	for ktap in "$logs"/*.ktap; do
		[ -e "$ktap" ] || continue
		suite_complaints "$ktap" >&2 || true
		read -r p f s < <(count_results "$ktap" '    ' "$skips")
		say "  $(basename -s .ktap "$ktap"): $(totals "$p" "$f" "$s" || true)"
		add "$p" "$f" "$s"
	done

	defined=$(cases_defined)
	if [ -z "$filter" ] && [ $((passed + failed + skipped)) -lt "$defined" ]; then
		say "The sources define $defined cases, $((passed + failed + skipped)) ran"
		failed=$((defined - passed - skipped))
	fi
	# The kernel's own complaints, leaks and the like: one failure more
	[ $ok -eq 0 ] || add 0 1
	totals
}

with_lock "$dir" run
