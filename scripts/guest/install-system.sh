#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In a Debian system that has an older version of the packages installed, started by
# systemd: what an operator would see and do. Answers on the second serial port, by the
# rules of guest/init. /old and /new have the packages.

exec >/dev/ttyS1 2>/tmp/said
stty -F /dev/ttyS1 raw -echo
echo "@@@ begin"
echo "@@ install.tap"
n=0 failed=0
module=$(find /lib/modules -name 'vmbus_gpadl.ko*')

# check WHAT COMMAND...: one line of TAP
check()
{
	local what=$1
	shift
	n=$((n + 1))
	if "$@" >/tmp/output 2>&1; then
		echo "ok $n - $what"
	else
		echo "not ok $n - $what"
		sed 's/^/# /' /tmp/output | tail -n 20
		failed=1
	fi
}

loaded_at_boot()
{
	grep -q '^vmbus_host ' /proc/modules
}

version_loaded()
{
	[ "$(cat /sys/module/vmbus_gpadl/version)" = "$1" ]
}

version_on_disk()
{
	[ "$(modinfo -F version vmbus_gpadl)" = "$1" ]
}

# For group kvm, and nobody else
permissions()
{
	udevadm settle
	[ "$(stat -c '%G %a' /dev/vmbus-host)" = "kvm 660" ]
}

upgrade_while_in_use()
{
	exec 5<>/dev/vmbus-host
	dpkg -i /new/*.deb </dev/null
	local status=$?
	exec 5>&-
	return $status
}

reload()
{
	modprobe -r vmbus_host vmbus_gpadl && modprobe vmbus_host
}

manual()
{
	[ -e /usr/share/man/man4/vmbus-host.4.gz ] && [ -e /usr/share/man/man8/gpadlctl.8.gz ]
}

host_is_checked()
{
	gpadlctl check --json >/tmp/check.json
	grep -q '"checks"' /tmp/check.json
}

purge()
{
	modprobe -r vmbus_host vmbus_gpadl
	dpkg --purge vmbus-gpadl-dkms vmbus-gpadl-dev vmbus-gpadl-tools vmbus-gpadl-doc
}

no_trace()
{
	rm -f /etc/systemd/system/gpadl-install-test.service \
		/etc/systemd/system/multi-user.target.wants/gpadl-install-test.service
	find / -xdev -iname '*vmbus*gpadl*' ! -path '/usr/sbin/*' ! -path '/proc/*' \
		! -path '/new/*' ! -path '/old/*' ! -path '/var/log/*' ! -path '/usr/src/linux-*' \
		! -path '/var/cache/*' ! -path '/tmp/*' >/tmp/left
	find / -xdev -name 'vmbus-host*' -o -xdev -name 'gpadlctl*' >>/tmp/left
	cat /tmp/left
	[ ! -s /tmp/left ] && [ ! -e "$module" ]
}

new=$(dpkg-deb -f /new/vmbus-gpadl-dkms_*.deb Version)
new=${new%-*}
check "the modules are loaded at boot" loaded_at_boot
check "they are of the version that is installed" version_loaded 0.0.1
check "/dev/vmbus-host is for group kvm" permissions
check "an upgrade succeeds while a VMM has it open" upgrade_while_in_use
check "the old modules work on" version_loaded 0.0.1
check "the new ones are installed" version_on_disk "$new"
check "and take their place when they can" reload
check "the new ones are loaded" version_loaded "$new"
check "there are manual pages" manual
check "gpadlctl says whether the host is ready" host_is_checked
check "the packages can be purged" purge
check "nothing is left of them" no_trace
echo "1..$n"
echo "@@@ verdict $failed"
stty -F /dev/ttyS1 raw -echo
systemctl poweroff --force --force
