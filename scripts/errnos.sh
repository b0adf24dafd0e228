#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Every errno that the uAPI's header names is met by a selftest, and no other.
#
#	errnos.sh TAP...	what the selftests have said, all of them
#
# Prints what is missing and what is too many; silent if there is neither.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

header=$top/include/uapi/linux/vmbus_host.h

# The lists of an ioctl's: " * - ENAME: what it means"; a backend has some of its own
named_ioctl()
{
	sed -n 's/^ \* - \(E[A-Z0-9]*\): .*/\1/p' "${header%.h}"*.h | sort -u
}

# The paragraph that begins so
named_call()
{
	sed -n "/^ \* $1() returns/,/^ \*$/p" "$header" | grep -oE '\bE[A-Z0-9]{3,}\b' |
		sort -u
}

met()
{
	local call=$1

	shift
	sed -n "s/^# errno $call \(E[A-Z0-9]*\)$/\1/p" "$@" | sort -u
}

# Two files of sorted names: lines of the first that the second lacks
without()
{
	comm -23 "$1" "$2"
}

check()
{
	local call=$1 names=$2 name
	shift 2

	while read -r name; do
		echo "$name of $call() stands in the header, and no test meets it"
	done < <(without <("$names" "$call") <(met "$call" "$@"))
	while read -r name; do
		echo "a test meets $name of $call(), and the header does not name it"
	done < <(without <(met "$call" "$@") <("$names" "$call"))
}

# VMBUS_HOST_POST has those of write(), and those of an ioctl
check_post()
{
	local name

	while read -r name; do
		echo "VMBUS_HOST_POST returns $name, which the header does not name"
	done < <(without <(met post "$@") <({ named_ioctl; named_call write; } | sort -u))
}

wrong=$(check ioctl named_ioctl "$@"; check write named_call "$@"
	check read named_call "$@"; check_post "$@")
[ -z "$wrong" ] && exit 0
echo "$wrong"
exit 1
