# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the tests of gpadlctl on copies of machines share: they are given the program and a directory.

set -euo pipefail

gpadlctl=$1
root=$2
n=0
failed=0
echo "TAP version 13"

# ok NAME COMMAND...: a test, by the status of a command; of a function, it ends at the first
# line that fails, which it would not within a condition
ok()
{
	local name=$1 said line status
	shift

	n=$((n + 1))
	set +e
	said=$(
		set -e
		"$@" 2>&1
	)
	status=$?
	set -e
	if [ "$status" -eq 0 ]; then
		echo "ok $n $name"
	else
		echo "not ok $n $name"
		while read -r line; do
			echo "# $line"
		done <<<"$said"
		failed=1
	fi
}

finish()
{
	echo "1..$n"
	exit "$failed"
}

run() { "$gpadlctl" --root "$root" "$@"; }

# says PATTERN ARGUMENTS...: a line of the output matches
says()
{
	local pattern=$1
	shift
	{ run "$@" 2>&1 || true; } | grep -E -- "$pattern"
}

# json EXPRESSION ARGUMENTS...: the output is JSON, and the Python expression on d is true
json()
{
	local expression=$1
	shift
	{ run --json "$@" 2>/dev/null || true; } |
		python3 -c 'import json, sys; d = json.load(sys.stdin); assert eval(sys.argv[1]), d' \
			"$expression"
}

# ends_with STATUS PATTERN ARGUMENTS...: with that status; says why, and what to do next
ends_with()
{
	local wanted=$1 pattern=$2 said status=0
	shift 2

	said=$(run "$@" 2>&1) || status=$?
	echo "it ends with $status: $said"
	[ "$status" -eq "$wanted" ] && grep -qE -- "$pattern" <<<"$said" &&
		grep -q "next: ." <<<"$said"
}

# refuses PATTERN ARGUMENTS...: cannot do it
refuses() { ends_with 1 "$@"; }

# misused PATTERN ARGUMENTS...: does not understand the command line
misused() { ends_with 2 "$@"; }
