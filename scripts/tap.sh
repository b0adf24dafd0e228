#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Run programs that tell their tests in TAP, and add up; what else they say is shown.
#
#	tap.sh LOG "PROGRAM [ARGUMENT]..."...
#
# One that dies counts as one failure, if it has told none.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

log=$1
shift
for program; do
	status=0
	$program >"$log" 2>&1 || status=$?
	grep -vE '^ok |^TAP|^1\.\.' "$log" || true
	read -r p f _ < <(count_results "$log" '')
	[ "$status" -eq 0 ] || [ "$f" -gt 0 ] || f=1
	add "$p" "$f"
done
totals
