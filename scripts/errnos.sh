#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Every errno that the uAPI's headers name of a call is met by a selftest of that call, and no other.
#
#	errnos.sh TAP...	what the selftests have said, all of them
#
# Prints what is missing and what is too many; silent if there is neither.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

header=$top/include/uapi/linux/vmbus_host.h

errnos() { grep -oE '\bE[A-Z0-9]{2,}\b' | sort -u; }

# row NAME: the list in the header that begins so, which may go on in the next line
row() { sed -n "/^ \* - $1: /,/^ \*\( - .*\)\?$/{ /^ \* - $1: /p; /^ \*   /p; }" "$header"; }

# " * - ENAME: what it means": in the header of a backend, what CHANNEL_CREATE returns for it
meanings() { sed -n 's/^ \* - \(E[A-Z0-9]*\): .*/\1/p' "$@" | sort -u; }

of_backends() { meanings "${header%.h}"_*.h; }

# What the header names of a call: read, write, a command, or ioctl for what is no command
named()
{
	local call=$1

	case $call in
	read | write)	sed -n "/^ \* $call() returns/,/^ \*$/p" "$header" ;;
	ioctl)		echo ENOTTY ;;
	*)		row any; row "$call" ;;
	esac
	case $call in
	VMBUS_HOST_POST)		named write ;;
	VMBUS_HOST_CHANNEL_CREATE)	of_backends ;;
	esac
	case $call in
	VMBUS_HOST_GET_VERSION)		;;
	VMBUS_HOST_*)			row 'any but VMBUS_HOST_GET_VERSION' ;;
	esac
}

calls()
{
	printf '%s\n' read write ioctl
	sed -n 's/^#define \(VMBUS_HOST_[A-Z_]*\)[[:blank:]]*_IO(.*/\1/p' "$header"
}

met() { sed -n "s/^# errno $1 \(E[A-Z0-9]*\)$/\1/p" "${@:2}" | sort -u; }

check()
{
	comm -3 <(named "$1" | errnos) <(met "$@") |
		sed "s/^\t\(.*\)/a test meets \1 of $1, and the header does not name it/; t
			s/\$/ of $1 stands in the header, and no test meets it/"
}

# What an errno means is said of each that a command returns, and of no other
check_meanings()
{
	local call

	calls | grep -vxE 'read|write|VMBUS_HOST_POST' |
		while read -r call; do named "$call"; done | errnos |
		comm -3 - <({ meanings "$header"; of_backends; } | sort -u) |
		sed 's/^\t*/a command returns it, or a line says what it means, and not both: /'
}

wrong=$(calls | while read -r call; do check "$call" "$@"; done; check_meanings)
[ -z "$wrong" ] && exit 0
echo "$wrong"
exit 1
