# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# What the guests' /run scripts share. Modules are in /ko, in the order in
# which they must be loaded in /ko/order.

# shellcheck disable=SC2034 # the scripts end with it
failed=0

# Say it where the host's log has it, beside what the kernel says
say() { echo "guest: $*" >/dev/kmsg; }

fail()
{
	say "FAILED: $*"
	failed=1
}

# result NAME: standard input becomes the file NAME on the host
result() { { echo "@@ $1"; cat; } >/dev/results; }

load()
{
	say "insmod $1.ko"
	insmod "/ko/$1.ko" || fail "insmod $1.ko"
}

load_all()
{
	while read -r m; do
		load "$m"
	done </ko/order
}

# Run a program, up to TIMES times, until it fails
run_program()
{
	n=0 status=0
	while [ $n -lt "${TIMES:-1}" ] && [ $status -eq 0 ]; do
		n=$((n + 1))
		# shellcheck disable=SC2046 # words
		"$1" $(cat /arguments) >/tmp/output 2>&1
		status=$?
	done
	[ $n -eq 1 ] || say "$n times"
	return $status
}

# Run each program of /tests, send what it says. After each nothing may be pinned.
run_programs()
{
	for t in /tests/*; do
		name=${t##*/}
		say "run $name"
		run_program "$t"
		status=$?
		result "$name.tap" </tmp/output
		[ $status -eq 0 ] || fail "$name ended with status $status"
		check_pins "after $name"
	done
}

# Take out what came in, last first
unload_all()
{
	sed '1!G;h;$!d' /ko/order | while read -r m; do
		say "rmmod $m"
		remove_module "$m" || exit 1
	done || fail "a module does not unload"
}

# A module is in use until what the last close has left behind is freed
remove_module()
{
	n=0
	# busybox insmod/rmmod know names with _ only
	until rmmod "$(echo "$1" | tr - _)"; do
		n=$((n + 1))
		[ $n -lt 100 ] || return 1
		sleep 0.1
	done
}

# Have fault injection spare nothing: by itself it does so with allocations that may sleep
# and with single pages, which are nearly all that there are here
spare_no_allocation()
{
	for d in /sys/kernel/debug/failslab /sys/kernel/debug/fail_page_alloc; do
		[ -d $d ] || continue
		for knob in ignore-gfp-wait=N ignore-gfp-highmem=N cache-filter=N \
			min-order=0 verbose=0; do
			[ ! -e "$d/${knob%=*}" ] || echo "${knob#*=}" >"$d/${knob%=*}"
		done
	done
	[ ! -d /sys/kernel/debug/fail_usercopy ] ||
		echo 0 >/sys/kernel/debug/fail_usercopy/verbose
}

# Pages that are pinned in the whole machine. The counters lag per CPU, hence
# the refresh.
pinned_pages()
{
	echo 1 >/proc/sys/vm/stat_refresh
	awk '/^nr_foll_pin_acquired/ { n += $2 }
	     /^nr_foll_pin_released/ { n -= $2 } END { print n + 0 }' /proc/vmstat
}

check_pins()
{
	n=$(pinned_pages)
	[ "$n" -eq 0 ] || fail "$n pages are still pinned $1"
}

# Unload the modules; nothing is pinned or leaked, before it and after
end_clean()
{
	check_leaks "with the modules loaded"
	unload_all
	check_pins "after the modules are gone"
	check_leaks "after the modules are gone"
}

# An object counts as leaked when it is older than 5 s and two scans agree.
check_leaks()
{
	# LEAKS=0 on the kernel's command line: a developer's run without the search
	[ "${LEAKS-}" != 0 ] || return 0
	leaks=/sys/kernel/debug/kmemleak
	[ -e $leaks ] || { fail "this kernel has no kmemleak"; return; }
	sleep 6
	echo scan >$leaks
	sleep 6
	echo scan >$leaks
	[ -n "$(head -c 1 $leaks)" ] || return 0
	# Line by line: the kernel's log takes no more at a time
	while IFS= read -r line; do
		echo "$line" >/dev/kmsg
	done <$leaks
	fail "memory leaked $1"
}
