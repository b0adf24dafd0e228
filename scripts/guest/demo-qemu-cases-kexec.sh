# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# Another kernel begins where the guest was: it has panicked, or wants it so.
# Sourced by demo-qemu-host.sh.
#
# shellcheck disable=SC2317,SC2154,SC2034 # what await() and expect() call; what is set for others

kdump_case()
{
	headline "8. The guest panics while it writes, and dumps by kexec"
	memory=640M initramfs=/guest/initramfs-kdump append=crashkernel=256M
	boot
	memory=384M initramfs=/guest/initramfs append=
	guest_does kdump 120 "a crash kernel is loaded" 'kdump: loaded'
	write_some 100 sda
	guest panic
	await 60 "the guest panics" console 'Kernel panic - not syncing: sysrq triggered crash'
	last=$(acknowledged)
	await 240 "the crash kernel runs" guest_says 'kdump: the crash kernel runs'
	expect "the kernel before has got its UNLOAD_RESPONSE" [ "$(grep -c 'VMBus UNLOAD' /tmp/console)" -eq 0 ]
	await 240 "the crash kernel dumps to the disk" guest_says 'kdump: dumped '
	tell guest "panics; the crash kernel finds the disk and dumps, of $(since_mark | sed -n 's/^guest: kdump: dumped //p') bytes"
	guest
	end_qemu 0
	check_image 0 "$last"
	expect "the image has a core dump" [ "$(dd if=/tmp/disk-0 bs=1M skip=32 count=1 2>/dev/null | head -c 5 | od -An -tx1 | tr -d ' ')" = 7f454c4602 ]
	tell host "all $last acknowledged writes and the dump are in the image; nothing is pinned, no partition is left"
}

kexec_case()
{
	headline "16. The guest begins anew by kexec while it writes"
	memory=640M initramfs=/guest/initramfs-kdump
	boot
	memory=384M initramfs=/guest/initramfs
	write_some 100 sda
	last=$(acknowledged)
	guest_does kexec 240 "the other kernel has the disk" ready
	expect "the kernel before has got its UNLOAD_RESPONSE" [ "$(grep -c 'VMBus UNLOAD' /tmp/console)" -eq 0 ]
	check_image 0 "$last"
	write_some 50 sda
	tell guest "another kernel finds the disk, and writes; what was acknowledged before is in the image"
	quit_qemu
}
