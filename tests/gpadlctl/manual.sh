#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The manual of gpadlctl: groff has nothing to say; it names every command and option that the
# program knows, and so does what completes them in bash.

set -euo pipefail

tool=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../tools/gpadlctl" && pwd)

complain()
{
	echo "$1"
	exit 1
}

said=$(groff -man -Tutf8 -ww -z "$tool/gpadlctl.8" 2>&1) || true
[ -z "$said" ] || complain "$said"
text=$(groff -man -Tascii -P-c "$tool/gpadlctl.8" | tr -s '\n ' ' ' | sed 's/.\x08//g')
words=$(sed -n 's/^\t{ "\([a-z]*\)", command_.*/\1/p' "$tool/main.c"
	sed -n 's/^\t\t{ "\([a-z-]*\)", \(no\|required\)_argument.*/--\1/p' \
		"$tool"/{main,disk,disk_create}.c
	grep -oE '"--[a-z]+"' "$tool/trace.c" | tr -d '"')
[ "$(wc -w <<<"$words")" -gt 15 ] || complain "found only: $words"
for word in $words; do
	grep -qF -- "$word" <<<"$text" || complain "gpadlctl.8 does not tell of $word"
	grep -qF -- "$word" "$tool/gpadlctl.bash" || complain "gpadlctl.bash does not know $word"
done
bash -n "$tool/gpadlctl.bash"
