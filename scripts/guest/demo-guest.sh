#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# PID 1 of the demo's guest (L2): a machine that has nothing but its own VMBus
# drivers. What the host (demo-host.sh) goes by is what the kernel says here and
# what it does; the kernel's command line tells how the guest is to end:
#
#	demo=leave	after some heartbeats unload the drivers, power off
#	demo=busy	open and close the channel until somebody pulls the plug

export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys

vmbus=/sys/bus/vmbus

# Interrupts that the first channel got; one for the versions, one per heartbeat
interrupts()
{
	cat $vmbus/devices/*/channels/1/interrupts 2>/dev/null || echo 0
}

leave()
{
	while [ "$(interrupts)" -lt 6 ]; do
		sleep 0.2
	done
	rmmod hv_utils
	rmmod hv_vmbus
	# Time for the host to see what is left then
	sleep 4
	poweroff -f
}

busy()
{
	device=$(ls $vmbus/devices)
	while true; do
		echo "$device" >$vmbus/drivers/hv_utils/unbind
		echo "$device" >$vmbus/drivers/hv_utils/bind
	done
}

echo "guest: Linux $(uname -r)"
while read -r m; do
	insmod "/ko/$m.ko"
done </ko/order

case $(cat /proc/cmdline) in
*demo=leave*)	leave ;;
*demo=busy*)	busy ;;
esac
