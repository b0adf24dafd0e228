#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: load the modules, run the benchmark's program once for each thing that
# /measure names, send what comes out.

. /lib.sh

load_all

while read -r what arguments; do
	say "bench $what $arguments"
	# shellcheck disable=SC2086 # words
	/bench "$what" $arguments >/tmp/output 2>/tmp/errors || fail "bench $what: $(cat /tmp/errors)"
	result "$what.csv" </tmp/output
done </measure

unload_all
check_pins "after the benchmark"

exit $failed
