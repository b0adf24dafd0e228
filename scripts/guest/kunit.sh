#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: load every module, which runs the suites; send their results.

. /lib.sh

load_all

for s in /sys/kernel/debug/kunit/*/results; do
	[ -e "$s" ] || { fail "no suite has run"; break; }
	suite=${s%/results}
	result "${suite##*/}.ktap" <"$s"
done

check_pins "after the suites"
end_clean

exit $failed
