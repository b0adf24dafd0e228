#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: load the modules, run the benchmark's program once for each thing that
# /measure names, send what comes out; where there is /without, with each mapper of that in turn.

. /lib.sh

# measure [MAPPER]
measure()
{
	load_all
	while read -r what arguments; do
		say "bench $what $arguments $1"
		# shellcheck disable=SC2086 # words
		/bench "$what" $arguments >/tmp/output 2>/tmp/errors || fail "bench $what: $(cat /tmp/errors)"
		result "${1:-$what}.csv" </tmp/output
	done </measure
	unload_all
	check_pins "after the benchmark"
}

if [ -d /without ]; then
	for mapper in /without/*.ko; do
		cp "$mapper" /ko/vmbus_gpadl.ko
		measure "$(basename "$mapper" .ko)"
	done
else
	measure ""
fi

exit $failed
