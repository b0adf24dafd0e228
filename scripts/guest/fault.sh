#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: load the modules, run each program of /tests, in which what is allocated
# fails; send what it says. After all nothing may be pinned, and nothing leaked.

. /lib.sh

spare_no_allocation

while read -r m; do
	load "$m"
done </ko/order

for t in /tests/*; do
	name=${t##*/}
	say "run $name"
	# shellcheck disable=SC2046 # words
	"$t" $(cat /arguments) >/tmp/output 2>&1
	status=$?
	result "$name.tap" </tmp/output
	[ $status -eq 0 ] || fail "$name ended with status $status"
	check_pins "after $name"
done

check_leaks "with the modules loaded"
unload_all
check_pins "after the modules are gone"
check_leaks "after the modules are gone"

exit $failed
