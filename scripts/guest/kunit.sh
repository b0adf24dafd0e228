#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: load every module, which runs the suites; send their results.

. /lib.sh

# Cases set current->fail_nth: then any allocation of theirs may fail, also one that may
# sleep, and also one of a single page
for d in /sys/kernel/debug/failslab /sys/kernel/debug/fail_page_alloc; do
	[ -d $d ] || continue
	for knob in ignore-gfp-wait=N ignore-gfp-highmem=N cache-filter=N min-order=0 \
		verbose=0; do
		[ ! -e "$d/${knob%=*}" ] || echo "${knob#*=}" >"$d/${knob%=*}"
	done
done

while read -r m; do
	load "$m"
done </ko/order

for s in /sys/kernel/debug/kunit/*/results; do
	[ -e "$s" ] || { fail "no suite has run"; break; }
	suite=${s%/results}
	result "${suite##*/}.ktap" <"$s"
done

check_pins "after the suites"
check_leaks "with the modules loaded"
unload_all
check_pins "after the modules are gone"
check_leaks "after the modules are gone"

exit $failed
