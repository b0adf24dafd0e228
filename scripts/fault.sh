#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Let fail what can, one after the other, in each operation of the uAPI and in the load of
# each module: what is allocated, and what is copied from and to user space. In QEMU, on
# a kernel that is built to find bugs, see config/debug.config.
#
#	fault.sh [PROGRAM [its arguments]]	for example: fault.sh fault_test -v map
#
# CONFIG=NAME takes config/NAME.config instead, LEAKS=0 leaves out the search for leaks.
# Logs stay in out/fault-NAME/. On stderr: how many places there were to fail in, by operation.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

config=${CONFIG:-debug}

# The table of the places that have failed, out of what the programs have told: with one
# at a time (each), and with all below one function (all)
table()
{
	cat "$out/fault-$config/log"/*.tap | awk '
		/^# faults: / {
			if (!($3 in seen))
				order[++n] = $3
			seen[$3] = 1
			points[$3, $4] = $6; failures[$3, $4] = $8
			all += $6; failed += $8
		}
		END {
			form = "  %-24s %8s %8s %12s %8s\n"
			printf form, "operation", "places", "errors", "functions", "errors"
			for (i = 1; i <= n; i++)
				printf form, order[i], points[order[i], "each"],
					failures[order[i], "each"],
					points[order[i], "all"], failures[order[i], "all"]
			printf "  %d faults injected, %d of them seen as an error\n", all, failed
		}'
}

status=0
last=$(CONFIG=$config SUITE=fault "$top/scripts/selftest.sh" "$@" | tail -n 1) || status=$?
table >&2 || true
echo "$last"
exit $status
