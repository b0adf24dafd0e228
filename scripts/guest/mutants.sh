#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: for each fault of /faults, load the modules with the fault in, and run
# the KUnit suites that it names, one after the other, until a test fails.
#
# /faults/N has those modules that the fault has changed, and in `suites` the suites, in
# order. What comes of it is the result file N: "passed", or "found" and what has failed.
# A fault may leave the machine in a state in which tests fail that would not have. So
# after each that was found, the suite that found it must pass with no fault in; where it
# does not, or the kernel complains, or something hangs, nothing more is tried in this
# boot: what has no result file has not been tried, but for the last that was begun.

. /lib.sh

# limited COMMAND...: fails if nothing is heard of it for too long; it then still runs. Not
# as long as it could, once something is wrong: what cleans up behind that may wait for
# what never comes.
limited()
{
	tenths=$((LIMIT * 10))
	[ -z "$found" ] || tenths=50
	heard=
	"$@" &
	pid=$!
	while kill -0 $pid 2>/dev/null; do
		[ $tenths -gt 0 ] || return 1
		tenths=$((tenths - 1))
		[ $((tenths % 5)) -ne 0 ] || [ -n "$found" ] || listen
		sleep 0.1
	done
	wait $pid
}

# A bug that the kernel has found, or a test that has failed, shortens the wait; each
# word of the kernel's begins it anew.
listen()
{
	last=$(dmesg | tail -n 1)
	[ "$last" = "$heard" ] || tenths=$((LIMIT * 10))
	heard=$last
	found=$(failed_test)
	[ -z "$found" ] || tenths=50
}

# The first test that has failed since try() began, or bug
failed_test()
{
	dmesg | sed -n 's/.*# \(.*\): \(EXPECTATION\|ASSERTION\) FAILED.*/\1/p
		s/.*  not ok [0-9]* \(- \)*//p
		s/.*\(BUG: .*\|Oops: .*\|general protection fault.*\)/\1/p' | head -n 1
}

# What is being tried is the last fault that the host's log names: this ends it all. Not
# by powering off, for which every CPU must be at hand.
stop()
{
	say "$1"
	echo "@@@ stop" >/dev/results
	sleep 60
}

# insert DIR MODULE: as it is in DIR, or else as it is without a fault
insert()
{
	file=/ko/$2.ko
	[ ! -e "$1/$2.ko" ] || file=$1/$2.ko
	limited insmod "$file"
}

remove() { limited remove_module "$1"; }

# try DIR SUITE...: with the modules of DIR. Sets found to what has failed, and suite to
# where; fails if the machine is not to be trusted any more
try()
{
	dir=$1
	shift
	found=
	dmesg -c >/dev/null
	# A test wants a warning that the kernel has once; not ours, which go with the module
	echo 1 >/sys/kernel/debug/clear_warn_once
	for m in $modules; do
		insert "$dir" "$m" || return 1
	done
	for suite in "$@"; do
		printf '%s' "$suite" >/sys/module/kunit/parameters/filter_glob
		insert "$dir" vmbus_gpadl_kunit || return 1
		found=${found:-$(failed_test)}
		remove vmbus_gpadl_kunit || return 1
		[ -z "$found" ] || break
	done
	for m in $reversed; do
		remove "$m" || return 1
	done
	pins=$(pinned_pages)
	[ "$pins" -eq 0 ] || { found=${found:-$pins pages are still pinned}; return 1; }
	trouble=$(dmesg | awk -f /console.awk | head -n 1)
	[ -z "$trouble" ] || { found=${found:-$trouble}; return 1; }
}

# Cases set current->fail_nth
spare_no_allocation
modules=$(grep -v kunit /ko/order)
reversed=$(sed '1!G;h;$!d' /ko/order | grep -v kunit)

cd /faults || exit 1
for fault in *; do
	say "fault $fault"
	sane=1
	# shellcheck disable=SC2046 # words
	try "/faults/$fault" $(cat "/faults/$fault/suites") || sane=
	if [ -n "$found" ]; then
		echo "found $found" | result "$fault"
	elif [ -n "$sane" ]; then
		echo passed | result "$fault"
		continue
	fi
	[ -n "$sane" ] || stop "no further"
	say "no fault"
	try /none "$suite" || stop "no further"
	[ -z "$found" ] || stop "$suite fails with no fault in: $found"
done
