#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In a Debian system that has an older version of the packages installed, started by systemd:
# what an operator does and sees. Answers on the second serial port, by the rules of
# guest/init. /old and /new have the packages, /opt/gpadl-demo the demo's guest, /before says
# which files there were before the packages came.
#
# shellcheck disable=SC2317 # check() calls the functions below

exec >/dev/ttyS1 2>/tmp/said
stty -F /dev/ttyS1 raw -echo
echo "@@@ begin"
echo "@@ install.tap"
n=0 failed=0
demo=/opt/gpadl-demo
vmm=

# check WHAT COMMAND...: one line of TAP
check()
{
	local what=$1
	shift
	n=$((n + 1))
	if "$@" >/tmp/output 2>&1; then
		echo "ok $n - $what ($SECONDS s)"
	else
		echo "not ok $n - $what ($SECONDS s)"
		sed 's/^/# /' /tmp/output | tail -n 30
		failed=1
	fi
}

# shows PATTERN COMMAND...: a line of what that says matches
shows()
{
	"${@:2}" >/tmp/shown 2>&1
	cat /tmp/shown
	grep -qE -- "$1" /tmp/shown
}

# await SECONDS COMMAND...: look again and again until COMMAND succeeds
await()
{
	local left=$(($1 * 2))
	shift

	until "$@"; do
		left=$((left - 1))
		[ "$left" -gt 0 ] || return 1
		sleep 0.5
	done
}

# ---- Modules ----

# For group kvm, and nobody else
permissions()
{
	udevadm settle
	[ "$(stat -c '%G %a' /dev/vmbus-host)" = "kvm 660" ]
}

# The rule, where it came after the device
permissions_again()
{
	chown root:root /dev/vmbus-host
	chmod 600 /dev/vmbus-host
	udevadm control --reload
	udevadm trigger /dev/vmbus-host
	permissions
}

# ---- The demo's guest, of a user whom only the group lets in ----

# What the heartbeat backend counts, over all channels: one is open
answered() { cat /sys/kernel/debug/vmbus_heartbeat/* 2>/dev/null | sed -n 's/^answered: //p'; }

answered_more_than() { [ "$(answered)" -gt "$1" ] 2>/dev/null; }

beats_on()
{
	local before

	before=$(answered)
	await 60 answered_more_than "${before:-0}"
}

start_guest()
{
	rm -f /tmp/keyboard
	mkfifo -m 666 /tmp/keyboard
	exec 3<>/tmp/keyboard
	# noxsave, pci=off: for nested software emulation
	setpriv --reuid nobody --regid nogroup --groups "$(getent group kvm | cut -d : -f 3)" \
		"$demo/vmm" --kernel "$demo/vmlinuz" --initrd "$demo/initramfs" --memory 256 \
		--append "console=ttyS0 panic=-1 noxsave pci=off demo=leave" \
		</tmp/keyboard >/tmp/console 2>&1 &
	vmm=$!
	await 300 answered_more_than 2 || { tail -n 20 /tmp/console; return 1; }
}

# It unloads one driver, the other, and powers off, each when it gets a line
end_guest()
{
	echo >&3
	sleep 2
	echo >&3
	sleep 2
	echo >&3
	wait "$vmm"
}

kill_guest()
{
	kill -9 "$vmm"
	wait "$vmm"
	await 20 nobody_is_left
}

nobody_is_left()
{
	gpadlctl list | grep -q '^No process has /dev/vmbus-host open' &&
		! gpadlctl list | grep '^Partition'
}

# ---- Upgrade ----

# When each line came
stamp()
{
	while IFS= read -r line; do
		echo "$SECONDS s: $line"
	done
}

# DKMS finds what the compiler said before, on a processor that was not emulated
upgrade()
{
	local -x DEBIAN_KERNEL_USE_CCACHE=1 CCACHE_DIR=/var/cache/ccache

	ccache -z
	dpkg -i /new/*.deb </dev/null 2>&1 | stamp | tee /tmp/upgrade
	status=${PIPESTATUS[0]}
	ccache -s | tee -a /tmp/upgrade
	return "$status"
}

reload()
{
	modprobe -r vmbus_heartbeat && modprobe -r vmbus_scsi vmbus_host vmbus_gpadl &&
		modprobe vmbus_host
}

# ---- A disk ----

makes_a_disk()
{
	gpadlctl disk create data --file /tmp/data.img --size 8M &&
	shows '^data +naa\.5001405[0-9a-f]{9} +1 +0 fileio +/tmp/data.img$' gpadlctl disk list &&
	[ "$(stat -c %s /tmp/data.img)" = 8388608 ]
}

no_disk() { shows 'There are no disks' gpadlctl disk list; }
deletes_a_disk() { gpadlctl disk delete data && no_disk; }

# The unit that Documentation/disks.rst shows, enabled before this system booted
disk_of_unit()
{
	shows '^data +naa\.5001405000000001 +1 +0 +fileio +/srv/data\.img$' gpadlctl disk list
}

serial_of_unit() { cat /sys/kernel/config/target/core/fileio_*/data/wwn/vpd_unit_serial; }

disk_came_at_boot()
{
	systemd-analyze verify /etc/systemd/system/vmbus-disks.service &&
		systemctl status --no-pager vmbus-disks && disk_of_unit
}

disk_comes_again()
{
	local serial

	serial=$(serial_of_unit)
	systemctl stop vmbus-disks && no_disk && [ -s /srv/data.img ] &&
		systemctl start vmbus-disks && disk_of_unit &&
		[ "$(serial_of_unit)" = "$serial" ] && systemctl stop vmbus-disks && no_disk
}

# ---- What is installed, and what is left ----

manual()
{
	local page

	for page in man4/vmbus-host.4 man8/gpadlctl.8; do
		[ -e "/usr/share/man/$page.gz" ] || { echo "there is no $page"; return 1; }
	done
	[ -e /usr/share/bash-completion/completions/gpadlctl ]
}

# Each page that another one leads to
documents()
{
	cd /usr/share/doc/vmbus-gpadl-doc/html && [ -e index.html ] &&
	grep -oh 'href="[^"#:]*\.html' ./*.html | cut -d '"' -f 2 | sort -u | while read -r page; do
		[ -e "$page" ] || { echo "there is no $page"; exit 1; }
	done
}

# Of ours, or of anybody: the system has no file more and none less, but for what every system
# writes while it runs
no_trace()
{
	local usual

	usual='/(tmp|run|proc|sys|dev|lost\+found|var/(tmp|log|cache|backups|lib/(systemd|apt)))(/|$)'
	usual+='|/var/lib/dpkg/[^/]*$|/var/lib/(private|dbus)(/|$)|/(etc|var)/\.updated$'
	usual+='|/etc/(machine-id|resolv\.conf|\.pwd\.lock|mtab)$|/root/'
	# dkms itself: its key, and the initrd of before
	usual+='|/var/lib/dkms/mok\.|/boot/initrd\.img-.*old-dkms$'
	find / -xdev -printf '/%P\n' | LC_ALL=C sort >/tmp/after
	LC_ALL=C comm -3 /before /tmp/after | sed 's/^\t/came: /; t; s/^/went: /' |
		grep -vE "^....: ($usual)" >/tmp/difference
	cat /tmp/difference
	[ ! -s /tmp/difference ]
}

# ---- Secure Boot ----

key_is_known() { shows 'is already enrolled' mokutil --test-key /var/lib/dkms/mok.pub; }

refused()
{
	! modprobe vmbus_gpadl >/tmp/refused 2>&1 || return 1
	cat /tmp/refused
	grep 'Key was rejected by service' /tmp/refused
}

# As under Secure Boot, of a machine that does not know DKMS's key. There is no way back
refused_for_its_key()
{
	echo Y >/sys/module/module/parameters/sig_enforce
	refused
}

# secure-boot.sh types the same password
asks_for_the_key()
{
	printf 'enrol-dkms\nenrol-dkms\n' | mokutil --import /var/lib/dkms/mok.pub &&
		mokutil --list-new | grep 'CN *= *DKMS module signing key'
}

# end poweroff, or reboot
end()
{
	echo "1..$n"
	if [ -e /tmp/upgrade ]; then
		echo "@@ upgrade"
		cat /tmp/upgrade
	fi
	echo "@@ said"
	cat /tmp/said
	echo "@@@ verdict $failed"
	sync
	stty -F /dev/ttyS1 raw -echo
	systemctl "$1" --force --force
	exit
}

# Booted twice so: scripts/secure-boot.sh
secure_boot()
{
	check "the machine has Secure Boot on" shows '^SecureBoot enabled$' mokutil --sb-state
	if ! key_is_known >/dev/null 2>&1; then
		check "the kernel refuses the modules" refused
		check "mokutil asks for the key of DKMS" asks_for_the_key
		end reboot
	fi
	check "the key of DKMS is known" key_is_known
	check "the modules are loaded" grep '^vmbus_host ' /proc/modules
	check "and make a disk" disk_of_unit
	end poweroff
}

! grep -qw test=secure-boot /proc/cmdline || secure_boot
new=$(dpkg-deb -f /new/vmbus-gpadl-dkms_*.deb Version)
new=${new%-*}
loaded=/sys/module/vmbus_gpadl/version
check "the modules are loaded at boot" grep '^vmbus_host ' /proc/modules
check "they are of the version that is installed" grep -x 0.0.1 $loaded
check "DKMS has signed them" shows '^DKMS module signing key$' modinfo -F signer vmbus_gpadl
check "/dev/vmbus-host is for group kvm" permissions
check "and again when udev is told to look" permissions_again
check "gpadlctl check: this host is ready" gpadlctl check
check "the disk of a systemd unit is there after the boot" disk_came_at_boot
check "stopped, it goes; started, it is the same disk" disk_comes_again
check "a guest's heartbeats are answered" start_guest
# The module was asked for by the alias of the device's type
check "its backend was loaded by itself" grep '^vmbus_heartbeat ' /proc/modules
check "gpadlctl list: the guest is well" \
	shows "^ +[0-9]+ +$vmm +vmm +256 MiB .* 1 of 1 .* well$" gpadlctl list
check "an upgrade succeeds while that guest runs" upgrade
check "the guest runs on" beats_on
check "with the modules that it had" grep -x 0.0.1 $loaded
check "the new ones are installed" shows "^$new\$" modinfo -F version vmbus_gpadl
check "gpadlctl check says that they are not loaded" \
	shows "^warning  modules +version 0.0.1 of the modules is loaded; .* $new\$" gpadlctl check
check "the guest ends" end_guest
check "the new modules take their place" reload
check "the new ones are loaded" grep -xF "$new" $loaded
check "they serve a guest" start_guest
check "which leaves nothing when it is killed" kill_guest
check "gpadlctl makes a disk" makes_a_disk
check "and deletes it" deletes_a_disk
check "there are manual pages" manual
check "all pages of the documents are there" documents
check "the modules can be unloaded" \
	modprobe -r vmbus_heartbeat vmbus_scsi vmbus_host vmbus_gpadl
check "a kernel that demands a key it knows refuses them" refused_for_its_key
check "the packages can be purged" \
	dpkg --purge vmbus-gpadl-dkms vmbus-gpadl-dev vmbus-gpadl-tools vmbus-gpadl-doc
check "nothing is left of them" no_trace
end poweroff
