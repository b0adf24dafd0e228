#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the demo's host (L1): load KVM and our modules, run the guest, say what is
# observed.

. /lib.sh

# Both kvm-amd and kvm-intel are there: one fits the processor
while read -r m; do
	insmod "/kvm/$m.ko" 2>/dev/null
done </kvm/order
while read -r m; do
	load "$m"
done </ko/order
[ -e /dev/kvm ] || fail "there is no /dev/kvm"

echo "@@ demo.txt" >/dev/ttyS1
{
	/vmm -k /guest/vmlinuz -i /guest/initramfs </dev/null 2>&1 ||
		fail "the VMM ended with status $?"
} >/dev/ttyS1
unload_all
check_pins "after the demo"
exit $failed
