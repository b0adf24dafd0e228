#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: with each mapper of /without in turn, load the modules, run the benchmark's
# program, send what comes out.

. /lib.sh

for mapper in /without/*.ko; do
	name=${mapper##*/}
	name=${name%.ko}
	cp "$mapper" /ko/vmbus_gpadl.ko
	load_all
	/bench ways >/tmp/output 2>/tmp/errors || fail "bench ways: $(cat /tmp/errors)"
	result "$name.csv" </tmp/output
	unload_all
	check_pins "after mapper $name"
done

exit $failed
