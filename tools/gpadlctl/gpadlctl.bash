# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Completes the arguments of gpadlctl in bash.

# Partitions and process ids of guests, channels, disks: of this host, now
_gpadlctl_guests()
{
	gpadlctl list 2>/dev/null | awk '$1 ~ /^[0-9]+$/ { print $1; print $2 }'
}

_gpadlctl_channels()
{
	gpadlctl show 2>/dev/null | awk '
		/^Partition [0-9]+:/ { p = $2; sub(":", "", p) }
		/^  +[0-9]+ +[0-9]+ / { print p ":" $1 }'
}

_gpadlctl_disks()
{
	gpadlctl disk list 2>/dev/null | awk '
		/^Target naa\./ { print $2 }
		/ naa\./ && !/^ / && !/^Target / || /\(not in use\)$/ { print $1 }'
}

_gpadlctl()
{
	local commands="list show top trace check disk metrics" words="" command="" i
	local all word
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}

	for ((i = 1; i < COMP_CWORD; i++)); do
		[[ ${COMP_WORDS[i]} == -* || ${COMP_WORDS[i - 1]} == --root ]] ||
			{ command=${COMP_WORDS[i]}; break; }
	done
	case $before in
	--root | --file | --block)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
		;;
	--size | --memory | --wwn | --lun | --tpgt | --seconds)
		return
		;;
	esac
	case $command in
	"") words="$commands --json --root --help --version" ;;
	show) words="$(_gpadlctl_guests) --json" ;;
	trace) words="$(_gpadlctl_channels) --seconds --file --json" ;;
	disk)
		case ${COMP_WORDS[i + 1]-} in
		create) words="--file --block --memory --size --wwn --lun --tpgt --read-only --json" ;;
		delete) words="$(_gpadlctl_disks) --force --json" ;;
		list) words="--json" ;;
		*) words="create list delete" ;;
		esac
		[ "$COMP_CWORD" -gt $((i + 1)) ] || words="create list delete"
		;;
	*) words="--json" ;;
	esac
	# Not compgen -W, which expands what is in a word: a disk may be named $(...)
	COMPREPLY=()
	read -r -d "" -a all <<<"$words" || true
	for word in "${all[@]}"; do
		[[ $word != "$current"* ]] || COMPREPLY+=("$word")
	done
	# bash takes the colon of 0:3 for the end of a word
	if declare -F __ltrim_colon_completions >/dev/null; then
		__ltrim_colon_completions "$current"
	fi
}

complete -F _gpadlctl gpadlctl
