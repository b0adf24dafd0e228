#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the demo's host (L1): load KVM and our modules, run the guest three times,
# tell what happens.
#
# Besides what demo-lib.sh looks at, things are seen in
#
#	tracepoints		what the mapper did: created, map, unmap, torndown
#	debugfs			GPADLs and pins of each partition, heartbeats
#	/proc/vmstat		pages pinned in the whole machine
#
# shellcheck disable=SC2317 # what await() and expect() call is reachable

. /lib.sh
. /demo-lib.sh

tracing=/sys/kernel/tracing
partitions=/sys/kernel/debug/vmbus_gpadl
heartbeats=/sys/kernel/debug/vmbus_heartbeat
modules="vmbus_heartbeat vmbus_host vmbus_gpadl"

# --- Where things are seen ---

# events NAME: this round's lines of a tracepoint
events() { grep " vmbus_gpadl_$1: " "$tracing"/trace; }

seen() { events "$1" >/dev/null; }

# value NAME LINE: of NAME=value in LINE
value() { echo "$2" | sed -n "s/.*[: ]$1=\([^ ]*\).*/\1/p"; }

count() { events "$1" | wc -l; }

# What the mapper itself counts, over all guests
pinned_by_mapper()
{
	cat "$partitions"/*/stats 2>/dev/null |
		awk '/^pinned host pages/ { n += $NF } END { print n + 0 }'
}

# Both counts: the kernel's, over the whole machine, and our own
pinned_are() { [ "$(pinned_pages)" -eq "$1" ] && [ "$(pinned_by_mapper)" -eq "$1" ]; }

# answered N: at least N heartbeats were
answered()
{
	[ "$(sed -n 's/^answered: //p' "$heartbeats"/* 2>/dev/null)" -ge "$1" ] 2>/dev/null
}

mapped() { grep -q ' MAPPED ' "$partitions"/*/gpadls 2>/dev/null; }

version_requested()
{
	sed -n 's/.*INITIATE_CONTACT version=\([^ ]*\).*/\1/p' /tmp/messages | tail -n 1
}

# The life of each GPADL, in the order in which the mapper went through it
lives_complete()
{
	awk '
		match($0, / vmbus_gpadl_[a-z]+: /) {
			name = substr($0, RSTART + 13, RLENGTH - 15)
			match($0, /handle=[^ ]+/)
			life[substr($0, RSTART, RLENGTH)] = \
				life[substr($0, RSTART, RLENGTH)] " " name
		}
		END {
			for (h in life) {
				n++
				if (life[h] !~ /^ created map( unmap unmapped teardown| unmap teardown unmapped| teardown( revoke)? unmap unmapped) torndown$/)
					bad = 1
			}
			exit bad || !n
		}' "$tracing"/trace
}

# --- The story ---

start() { start_vmm "demo=$1" --memory 256; }

tell_contact()
{
	await 60 "the guest boots" console '^guest: Linux'
	tell guest "$(sed -n 's/^guest: \(Linux [^ ]*\).*/\1/p' /tmp/console | tr -d '\r') boots"

	await 60 "the guest gets its offers" message 'host  > ALLOFFERS_DELIVERED'
	version=$(version_requested)
	expect "the VMM accepts VMBus $version" message 'host  > VERSION_RESPONSE supported=1'
	await 10 "the guest says that it uses VMBus $version" \
		console "hv_vmbus: Vmbus version:$version"
	tell guest "its hv_vmbus connects: VMBus $version"
}

# tell_gpadl LINE: of the tracepoint
tell_gpadl()
{
	handle=$(value handle "$1")
	case $(value access "$1") in
	rw)	access="read and write" ;;
	ro)	access="read only" ;;
	*)	give_up "GPADL $handle has an access" ;;
	esac
	expect "GPADL $handle came from the guest" message "guest > GPADL_HEADER .*handle=$handle "
	tell guest "GPADL $handle of channel $(value relid "$1"): $(some "$(value pages "$1")" page) in $(some "$(value messages "$1")" message), $access"
	expect "GPADL $handle is accepted" [ "$(value status "$1")" = 0x0 ]
	await 10 "the guest gets GPADL_CREATED for $handle" \
		message "host  > GPADL_CREATED .*handle=$handle status=0\$"
	tell host "GPADL_CREATED $handle, status 0"
}

tell_gpadls()
{
	await 30 "a GPADL is mapped" seen map
	events created >/tmp/created
	while read -r line; do
		tell_gpadl "$line"
	done </tmp/created

	line=$(events map | tail -n 1)
	expect "the map succeeds" [ "$(value ret "$line")" = 0 ]
	expect "the channel's rings are the GPADL that was mapped" \
		message "guest > OPENCHANNEL .*ring=$(value handle "$line") "
	await 10 "the channel opens" message 'host  > OPENCHANNEL_RESULT .*status=0$'
	expect "the map is for writing" [ "$(value access "$line")" = rw ]
	pinned=$(value pinned "$line")
	tell host "the backend maps $(value handle "$line"), the channel's rings, read and write: $(some "$pinned" page) pinned, sg_table of $(some "$(value entries "$line")" run)"

	expect "one page more is pinned, that of the guest's event flags" \
		pinned_are $((pinned + 1))
	tell host "pinned in the whole machine: $(some $((pinned + 1)) page), these and the one of the guest's event flags"
}

beat() { sed -n "s/^$1: //p" /tmp/heartbeats; }

tell_heartbeats()
{
	await 60 "three heartbeats are answered" answered 3
	cat "$heartbeats"/* >/tmp/heartbeats
	tell host "heartbeats: $(beat sent) sent, $(beat answered) answered"
	expect "no answer is wrong" [ "$(beat bad)" -eq 0 ]
}

tell_refusal()
{
	for m in $modules; do
		! rmmod "$m" 2>/dev/null || give_up "rmmod $m is refused while in use"
	done
	tell host "rmmod is refused while they are in use: $modules"
}

tell_teardown()
{
	press_return
	await 60 "the guest closes its channel" message 'guest > CLOSECHANNEL'
	tell guest "unloads hv_utils: CLOSECHANNEL"
	await 10 "the backend unmaps" seen unmap
	tell host "the backend unmaps $(value handle "$(events unmap)")"
	await 10 "the guest tears its GPADL down" seen teardown
	handle=$(value handle "$(events teardown)")
	expect "GPADL_TEARDOWN $handle came from the guest" \
		message "guest > GPADL_TEARDOWN .*handle=$handle\$"
	tell guest "GPADL_TEARDOWN $handle"
	await 10 "the guest gets GPADL_TORNDOWN" message "host  > GPADL_TORNDOWN handle=$handle\$"
	expect "each GPADL was created, mapped, unmapped, torn down, in that order" lives_complete
	tell host "GPADL_TORNDOWN $handle"
	await 10 "no page of a GPADL stays pinned" pinned_are 1
	tell host "pages still pinned: $(pinned_pages), the one of the guest's event flags"
}

tell_departure()
{
	press_return
	await 60 "the guest unloads hv_vmbus" message 'host  > UNLOAD_RESPONSE'
	tell guest "unloads hv_vmbus: UNLOAD, and gets UNLOAD_RESPONSE"
	await 10 "nothing stays pinned" pinned_are 0
	expect "the guest still runs" alive
	tell host "pages still pinned: $(pinned_pages), while the guest still runs"
}

tell_end()
{
	press_return
	reap 0
	tell guest "powers off; the VMM ends with status 0"
	await 10 "the partition goes with the VMM" no_partition
	expect "no message of the guest was refused" [ "$(count reject)" -eq 0 ]
	expect "nothing is pinned" pinned_are 0
	save_logs
}

come_and_go()
{
	start leave
	tell_contact
	tell_gpadls
	tell_heartbeats
	tell_refusal
	tell_teardown
	tell_departure
	tell_end
}

now() { cut -d ' ' -f 1 /proc/uptime; }
five_gone_by() { [ "$(count torndown)" -ge 5 ]; }

# Stop the VMM; if a GPADL is mapped then, and stays so, leave it there
caught_while_mapped()
{
	kill -STOP "$vmm"
	if mapped && sleep 0.3 && mapped && [ "$(pinned_pages)" -gt 1 ]; then
		return
	fi
	kill -CONT "$vmm"
	return 1
}

killed()
{
	start busy
	tell_contact
	await 60 "five GPADLs come and go" five_gone_by
	torndown=$(count torndown)
	tell guest "opens and closes its channel without pause: $(count created) GPADLs created, $torndown torn down so far"
	await 60 "the VMM is caught while a GPADL is mapped" caught_while_mapped
	pinned=$(pinned_pages)
	since=$(now)
	kill -9 "$vmm"
	reap 137
	tell host "the VMM is killed (SIGKILL) while a GPADL is mapped, $(some "$pinned" page) pinned"
	await 20 "nothing stays pinned" pinned_are 0
	await 20 "the partition goes" no_partition
	tell host "pages still pinned: $(pinned_pages), at most $(echo "$(now) $since" |
		awk '{ printf "%.1f", $1 - $2 }') s later; no partition is left"
	save_logs
}

unload()
{
	for m in $modules; do
		expect "rmmod $m" remove_module "$m"
	done
	expect "no module of ours is left" [ "$(grep -c ^vmbus_ /proc/modules)" -eq 0 ]
	expect "nothing is pinned" [ "$(pinned_pages)" -eq 0 ]
	tell host "rmmod $modules: all gone; pages still pinned: $(pinned_pages)"
}

begin demo
for m in $modules; do
	expect "$m is loaded" grep -q "^$m " /proc/modules
done
expect "nothing is pinned before" pinned_are 0
echo 1 >"$tracing"/events/vmbus_gpadl/enable

headline "A host, Linux $(uname -r), with $modules; pages pinned: $(pinned_pages)"
headline "1. A guest comes and goes"
come_and_go
headline "2. Again, in the same boot of the host"
come_and_go
headline "3. Once more, and the VMM is killed in mid-traffic"
killed
unload
if [ -e /sys/kernel/debug/kmemleak ]; then
	check_leaks "by the demo"
	expect "kmemleak finds no leak" [ $failed -eq 0 ]
	tell host "kmemleak finds no leak"
fi
headline "All of this happened."
finish
