#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# PID 1 of the demo's guest (L2): a machine that has nothing but its own VMBus
# drivers.

export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys

while read -r m; do
	insmod "/ko/$m.ko"
done </ko/order
sleep 5
rmmod hv_utils
poweroff -f
