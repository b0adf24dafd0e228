# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# What the host's kernel is made to refuse by meddle.so (tests/nested).
# Sourced by demo-qemu-host.sh.
#
# shellcheck disable=SC2317,SC2154,SC2034 # what await() and expect() call; what is set for others

# What is pinned still is QEMU's own memory: the event flags of each channel
no_gpadls() { grep -qs '^vmbus-gpadls:[[:space:]]*0$' "/proc/$vmm"/fdinfo/*; }

refused_regions() { [ "$(grep -c regions /tmp/meddled)" -ge "$1" ]; }

# After a reset that the kernel takes at last
boots_when_let_go_on()
{
	mark
	asked system_reset >/dev/null
	await 20 "the machine is reset" machine_is "paused (prelaunch)"
	monitor cont
	await 120 "the guest boots" guest_says ready
	check_image 0 "$last"
}

regions_case()
{
	headline "10. The kernel does not take a change of guest memory"
	preload=/meddle.so
	boot
	preload=
	write_some 50 sda
	touch /tmp/meddle-regions
	monitor "object_add memory-backend-ram,id=more,size=256M"
	asked "device_add pc-dimm,id=dimm,memdev=more" |
		grep -q "the kernel does not take the change of guest memory: Cannot allocate memory" ||
		give_up "QEMU says what the kernel does not take"
	await 20 "the machine is stopped" machine_is "paused (internal-error)"
	await 20 "backends have let go of all" no_gpadls
	last=$(acknowledged)
	asked cont | grep -q "Resetting the Virtual Machine is required" || give_up "cont is refused"
	tell QEMU "stops the machine, and does not let it go on before it is reset; backends have nothing of it"
	refused=$(grep -c regions /tmp/meddled)
	asked system_reset >/dev/null
	await 20 "it is tried again, and refused again" refused_regions $((refused + 1))
	asked cont | grep -q "the machine has to be reset" || give_up "cont is not obeyed"
	await 20 "the machine is stopped again" machine_is "paused (internal-error)"
	rm /tmp/meddle-regions
	boots_when_let_go_on
	write_some 50 sda
	tell guest "boots after a reset, with the memory that it has now, and writes"
	reset_is_refused
	quit_qemu
}

# The guest writes, and so backends may have requests of it
reset_is_refused()
{
	touch /tmp/meddle-reset
	last=$(acknowledged)
	mark
	asked system_reset >/dev/null
	await 20 "the kernel does not take a reset" grep -q reset /tmp/meddled
	expect "the machine does not run" machine_waits
	asked cont | grep -q "the machine has to be reset" || give_up "cont is not obeyed"
	await 20 "the machine is stopped" machine_is "paused (internal-error)"
	expect "no guest has booted" [ "$(since_mark | grep -c '^guest: Linux')" -eq 0 ]
	rm /tmp/meddle-reset
	boots_when_let_go_on
	tell QEMU "does not let the machine run after a reset that the kernel does not take, but after the next one"
}

# A reset that a backend keeps waiting has its channels destroyed, and made anew
destroy_is_refused()
{
	touch /tmp/meddle-destroy
	reset_while_it_hangs
	await 20 "the kernel does not take a channel back" grep -q destroy /tmp/meddled
	fsfreeze --unfreeze /tmp/frozen
	await 120 "the guest boots" guest_says Linux
	rm /tmp/meddle-destroy
	boots_again
	check_image 3 "$last"
	tell QEMU "asks again, at the next reset, to destroy what it could not: the guest has the disk again"
}

# heartbeat_is_offered OFFERS: more often than so
heartbeat_is_offered() { [ "$(traced vmbus_send_offer '#1 ')" -gt "$1" ]; }

# Nor a backend, after a reset; and then a backend that has gone unnoticed
refused_case()
{
	headline "13. Backends that are not there any more"
	make_frozen
	preload=/meddle.so
	start_with_disk -device "$heartbeat" -device "$(disk 3)" -trace vmbus_send_offer
	preload=
	write_some 50 sda
	reset_while_it_hangs
	offers=$(traced vmbus_send_offer '#[^1]')
	offers_before=$(traced vmbus_send_offer '#1 ')
	touch /tmp/meddle-create
	fsfreeze --unfreeze /tmp/frozen
	await 120 "the guest boots" guest_says Linux
	expect "QEMU has tried to have the channels again" grep -q create /tmp/meddled
	expect "the disk's channels, which are not there, are not offered" [ "$(traced vmbus_send_offer '#[^1]')" -eq "$offers" ]
	await 120 "the guest connects" heartbeat_is_offered "$offers_before"
	sleep 1
	# The firmware may reset the machine once more
	resets_done=$(($(grep -c '"event": "RESET"' /tmp/monitor.log) - resets_before))
	expect "QEMU tries once for a reset, and not for a guest" [ "$(grep -c create /tmp/meddled)" -le "$resets_done" ]
	tell guest "boots without the disk when the kernel does not make its channels again"
	rm /tmp/meddle-create

	boots_again
	check_image 3 "$last"
	touch /tmp/meddle-unknown
	mark
	asked system_reset >/dev/null
	await 120 "the guest boots" guest_says Linux
	expect "the kernel knew no channel" grep -q unknown /tmp/meddled
	rm /tmp/meddle-unknown
	tell guest "is told that channels that the kernel does not know cannot be used, and boots"
	boots_again
	write_some 50 sda
	destroy_is_refused
	quit_qemu
	remove_frozen
}
