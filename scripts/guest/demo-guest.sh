#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# PID 1 of the demo's guest (L2): a machine that has nothing but its own VMBus
# drivers. What the host (demo-host.sh) goes by is what the kernel says here and
# what it does. The kernel's command line tells how the guest is to end:
#
#	demo=leave	unload the drivers and power off, each when the host sends
#			a line to the console
#	demo=busy	open and close the channel until somebody pulls the plug

export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys

leave()
{
	read -r _
	rmmod hv_utils
	read -r _
	rmmod hv_vmbus
	read -r _
	poweroff -f
}

busy()
{
	vmbus=/sys/bus/vmbus
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
