#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a host (L1): what a stock guest makes of tools/vmm, beyond the demo. One guest uses
# the sample backend vmbus_crc and its sub-channels by uio_hv_generic; four panic while a
# backend does not return, and are to dump.
#
# shellcheck disable=SC2317 # what await() and expect() call is reachable

. /lib.sh
. /demo-lib.sh

test_type=6f1d4c2a-93b7-4e58-a0c4-5d2f8b7e1a90
test_instance=5e5e5e00-5e5e-5e5e-5e5e-5e5e5e5e5e5e

ok() { echo "ok - $1" >/dev/results; }

# The relids of the sub-channels that were offered, in order
subchannels()
{
	sed -n 's/.*OFFERCHANNEL relid=\([0-9]*\) .*sub-channel=.*/\1/p' /tmp/messages
}

released()
{
	for r in $(subchannels); do
		message "guest > RELID_RELEASED relid=$r\$" || return 1
	done
}

crc_case()
{
	headline "A guest uses a device that it has no driver for, and its sub-channels, by uio"
	start_vmm "case=crc" --memory 512 --offer heartbeat --offer crc,requests=8
	await 120 "the guest boots" console '^guest: Linux'
	await 120 "the guest has sums of its buffer" console '^crc: GPADL .* summed right'
	tell guest "$(sed -n 's/^crc: \(GPADL.*\)/\1/p' /tmp/console | tr -d '\r')"
	await 40 "its sub-channels answer" console '^crc: 3 sub-channels, and each answers'
	expect "three sub-channels were offered" heard 3 'OFFERCHANNEL .*sub-channel='
	tell guest "opens $(subchannels | wc -l) sub-channels, and each answers"
	await 40 "the guest releases them" released
	tell guest "ends the program: the host takes the sub-channels back, the guest releases them"
	press_return
	await 40 "two sub-channels answer" console '^crc: 2 sub-channels, and each answers'
	expect "two more were offered" heard 5 'OFFERCHANNEL .*sub-channel='
	tell guest "starts it again, and gets two"
	await 40 "the guest releases them" released
	press_return
	end_vmm 0
	ok "sub-channels through uio"
}

# ---- Panics ----

# The handle of the largest GPADL, uio_hv_generic's receive buffer
largest_gpadl()
{
	sed -n 's/.*GPADL_HEADER .*handle=\([^ ]*\) ranges=1 buflen=\([0-9]*\).*/\2 \1/p' \
		/tmp/messages | sort -n | tail -n 1 | cut -d ' ' -f 2
}

hang_says()
{
	! grep -q '^failed' /tmp/hang || give_up "$(cat /tmp/hang)"
	grep -qx "$1" /tmp/hang
}

seconds_of() { sed -n "s/^ *\([0-9.]*\) $1\$/\1/p" /tmp/messages | head -n 1; }

unload_took()
{
	echo "$(seconds_of 'guest > UNLOAD') $(seconds_of 'host  > UNLOAD_RESPONSE')" |
		awk '{ printf "%.3f", $2 - $1 }'
}

panic_case()
{
	headline "A guest panics while a backend does not return from $1()"
	start_vmm "case=$1 crashkernel=192M" --memory 768 --offer heartbeat \
		--offer "$test_type,instance=$test_instance"
	await 120 "the guest boots" console '^guest: Linux'
	await 120 "a crash kernel is loaded" console '^guest: a crash kernel is loaded'
	await 120 "the guest is ready" console '^guest: ready'
	handle=
	[ "$1" != revoke ] || handle=$(largest_gpadl)
	# shellcheck disable=SC2086 # there may be none
	/hang "$1" $handle >/tmp/hang &
	hang=$!
	await 20 "the backend is ready" hang_says ready
	press_return
	await 40 "the backend hangs in $1()" hang_says hangs
	tell host "the backend sleeps in $1()"

	press_return
	await 120 "the guest panics" console 'Kernel panic - not syncing: sysrq triggered crash'
	tell guest "panics"
	await 60 "UNLOAD_RESPONSE" message 'host  > UNLOAD_RESPONSE'
	expect "the backend still hangs" kill -0 $hang
	tell host "UNLOAD_RESPONSE, $(unload_took) s after UNLOAD"
	await 120 "the crash kernel runs" console '^guest: the crash kernel runs'
	await 20 "it has the old kernel's memory" console '^guest: /proc/vmcore can be read'
	expect "no kernel has given UNLOAD up" [ "$(grep -c 'VMBus UNLOAD' /tmp/console)" -eq 0 ]
	tell guest "$(sed -n 's/^guest: \(the crash kernel .*\)/\1/p' /tmp/console | tr -d '\r')"
	await 40 "the crash kernel gets its offers" heard 2 'host  > ALLOFFERS_DELIVERED'
	await 40 "its heartbeat channel opens" heard 2 'host  > OPENCHANNEL_RESULT relid=1 status=0'
	expect "it was not offered what hangs" [ "$(grep -c 'OFFERCHANNEL relid=2 ' /tmp/messages)" -eq 1 ]
	tell guest "its VMBus works: the heartbeat was offered, and opened"

	kill $hang
	wait $hang
	await 40 "what hung is offered" heard 2 'OFFERCHANNEL relid=2 '
	tell host "the backend returns, and the crash kernel is offered its channel"
	press_return
	end_vmm 0
	await 40 "nothing stays pinned" nothing_pinned
	ok "panic while a backend is in $1()"
}

begin nested
while read -r what; do
	case $what in
	crc)	crc_case ;;
	*)	panic_case "$what" ;;
	esac
done </arguments
end
