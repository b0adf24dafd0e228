# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# Messages of the guest: more of them than there is room for, and such as no kernel posts.
# Sourced by demo-qemu-host.sh.
#
# shellcheck disable=SC2317,SC2154,SC2034 # what await() and expect() call; what is set for others

balloon_type=525074dc-8985-46e2-8057-a307dc18a502

# QEMU's own VMBus device, which 7.2 does not have
has_balloon()
{
	/qemu/bin/qemu-system-x86_64 -device help 2>/dev/null | grep -q '"hv-balloon"'
}

# Of those that the guest posts, 0x7001400
saw_the_last() { [ "$(traced vmbus_gpadl_header '#117445632 ')" -gt 0 ]; }

# A processor of the guest takes no more answers, so that they wait, and its messages behind them
reset_with_queue()
{
	guest "post queue"
	await 60 "the guest posts" console "hostile: queue posted, status 0"
	boots_again
	tell guest "is reset with messages on their way in both directions: it connects again"
}

# The heartbeat's channel is taken for one that another device may share the interrupts of
open_for_nothing()
{
	guest_posts opens "$heartbeat_type" "$balloon_type"
	tell guest "opens channels without interrupts, of the kernel's and of QEMU's devices: QEMU lives"
	boots_again
	guest_posts rings "$heartbeat_type" "$balloon_type"
	boots_again
	tell guest "opens a channel of QEMU's own with rings that are in no memory: QEMU lives"
	guest_posts offset "$heartbeat_type" "$balloon_type"
	guest_posts waiting "$heartbeat_type" "$balloon_type"
	boots_again
	tell guest "opens one whose ring begins nowhere, and one with a bad packet in it: QEMU lives"
}

# The hypervisor has taken them
guest_posts()
{
	guest_does "post $*" 60 "the guest posts" posted
	expect "QEMU takes it" console "hostile: $1 posted, status 0"
}

# After the last of them, the guest has no VMBus any more
hostile_case()
{
	headline "12. Messages that no kernel posts"
	preload=/slow.so
	# A sub-channel that goes at a reset has QEMU look at its queue, whatever waits there
	subchannels=0
	set -- -device "$heartbeat" -device "$(disk 0)"
	subchannels=3
	! has_balloon || set -- "$@" -device hv-balloon
	start_with_disk "$@" -trace vmbus_gpadl_header -trace vmbus_gpadl_created \
		-trace vmbus_send_offer
	preload=
	write_some 50 sda
	guest_posts gpadl
	guest_posts bodies
	goes_on
	tell guest "posts a GPADL that is shorter than its ranges, and more GPADL_BODYs than it has announced: QEMU lives"
	touch /tmp/meddle-slow
	guest_posts lengths
	guest_posts nowhere
	rm /tmp/meddle-slow
	goes_on
	# handles from 117440768, 0x7000100, on
	expect "QEMU has seen headers" [ "$(traced vmbus_gpadl_header 'gfns 200')" -gt 0 ]
	expect "QEMU reads no further than a message goes" [ "$(traced vmbus_gpadl_created '#1174407[6-9]')" -eq 0 ]
	tell guest "changes the length of a message while QEMU looks at it: QEMU takes it as it was"
	tell guest "posts on both processors what is in no memory: QEMU lives"
	guest_posts many
	await 60 "QEMU sees the last of many GPADLs" saw_the_last
	goes_on
	expect "QEMU has no room for it" [ "$(traced vmbus_gpadl_created '#117445632$')" -eq 0 ]
	tell guest "creates 1025 GPADLs: QEMU has no room for the last one"
	reset_with_queue
	! has_balloon || open_for_nothing
	for messages in contact absent unloads; do
		guest_posts "$messages"
		boots_again
	done
	tell guest "connects to no processor, and to one that is not there; unloads what is not connected: QEMU lives"
	offers=$(traced vmbus_send_offer '#')
	guest_posts ancient
	sleep 1
	expect "QEMU offers nothing" [ "$(traced vmbus_send_offer '#')" -eq "$offers" ]
	boots_again
	tell guest "connects as one of VMBus 1.1: QEMU does not have that with such devices"
	write_some 50 sda
	quit_qemu
}

# 7936 and 4096 pages, and the rings' 1024: a HEADER each, and as many BODYs
uio_case()
{
	headline "11. GPADLs of 7936 pages, through a queue that is full"
	preload=/meddle.so
	start_with_disk -device "$heartbeat" -device "$(disk 0)" \
		-device vmbus-host,id=crc,if-type=0d6b8c5e-2f41-4c7a-9e13-605ad2884b97,config=0c0000000800000000000000,subchannels=3 \
		-trace vmbus_recv_message -trace vmbus_host_write -trace vmbus_host_read
	preload=
	touch /tmp/meddle-busy
	for n in 3 2; do
		guest_does "uio $n" 240 "the guest uses the device" 'uio: done'
		expect "its GPADL has 7936 pages" console '^crc: GPADL .* 32505856 bytes: all 6 parts are summed right'
		tell guest "GPADLs of 7936 and 4096 pages; the backend sums 7936 right; $n sub-channels answer"
		await 60 "the guest lets go of it" guest_says 'uio: unbound'
	done
	rm /tmp/meddle-busy
	posted=$(traced vmbus_recv_message 'type 9 ')
	taken=$(traced vmbus_host_write 'type 9 .*errno 0')
	later=$(traced vmbus_host_write 'type 9 .*errno 11')
	unread=$(grep -c read /tmp/meddled)
	expect "all BODYs are there: $taken" [ "$taken" -ge $((2 * (283 + 146 + 36))) ]
	expect "the kernel had QEMU come back" [ "$later" -gt 0 ]
	expect "QEMU had the guest come back" [ "$posted" -gt "$taken" ]
	expect "QEMU had to ask for answers again" [ "$unread" -gt 0 ]
	tell QEMU "of $posted GPADL_BODYs posted refused $((posted - taken)) for a full queue; the kernel refused $later; $taken arrived; $unread answers came later"
	write_some 50 sda
	quit_qemu
}
