#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A Debian system under Secure Boot, in QEMU, as on a PC: its firmware knows Microsoft's keys,
# with which Debian's shim is signed, which knows Debian's.
#
#	secure-boot.sh DIRECTORY	with the system's disk, vmlinuz and initrd; see install.sh
#
# The system boots twice: guest/install-system.sh sees that the modules are refused, and has mokutil
# ask for DKMS's key; in between, the MOK manager gets on the console what an operator would
# type; then the modules are loaded. The disk is left as it is.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$top/scripts/archive.sh"

dir=${1:?usage: secure-boot.sh DIRECTORY}
here=$dir/secure-boot
firmware=$here/firmware
console=$here/console.log
# guest/install-system.sh has the same
password=enrol-dkms
from=1 qemu=

trap '[ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true' EXIT

# What the firmware starts: shim, the MOK manager beside it, and GRUB with the system's kernel
make_esp()
{
	local esp=$here/esp

	cat >"$here/grub.cfg" <<-END
		linux /vmlinuz root=/dev/vda rw quiet console=ttyS0 panic=-1 test=secure-boot
		initrd /initrd
		boot
	END
	truncate -s 192M "$esp"
	mformat -i "$esp" -F ::
	mmd -i "$esp" ::/EFI ::/EFI/BOOT ::/EFI/debian
	mcopy -i "$esp" "$firmware/usr/lib/shim/shimx64.efi.signed" ::/EFI/BOOT/BOOTX64.EFI
	mcopy -i "$esp" "$firmware/usr/lib/shim/mmx64.efi.signed" ::/EFI/BOOT/mmx64.efi
	mcopy -i "$esp" "$firmware/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed" \
		::/EFI/BOOT/grubx64.efi
	mcopy -i "$esp" "$here/grub.cfg" ::/EFI/debian/grub.cfg
	mcopy -i "$esp" "$dir/vmlinuz" "$dir/initrd" ::/
}

boot()
{
	local code=$firmware/usr/share/OVMF/OVMF_CODE_4M.secboot.fd

	cp "$firmware/usr/share/OVMF/OVMF_VARS_4M.ms.fd" "$here/variables"
	mkfifo "$here/console.in" "$here/console.out"
	timeout -k 5 "${TIMEOUT:-1200}" qemu-system-x86_64 -accel tcg,thread=multi -cpu max \
		-machine q35,smm=on -global driver=cfi.pflash01,property=secure,value=on \
		-smp 1 -m 2G -nodefaults -display none \
		-drive "if=pflash,unit=0,format=raw,readonly=on,file=$code" \
		-drive "if=pflash,unit=1,format=raw,file=$here/variables" \
		-drive "file=$dir/disk,if=virtio,format=raw,snapshot=on" \
		-drive "file=$here/esp,if=virtio,format=raw,snapshot=on" \
		-chardev "pipe,id=console,path=$here/console" -serial chardev:console \
		-serial "file:$here/result.log" </dev/null >&2 &
	qemu=$!
	cat "$here/console.out" >"$console" &
	exec 3>"$here/console.in"
}

# await TEXT: on the console, behind what was awaited last; without what places and colours it
await()
{
	until tail -c "+$from" "$console" | tr -d '\0' | sed 's/\x1b\[[0-9;]*[A-Za-z]//g' |
			grep -qaF "$1"; do
		kill -0 "$qemu" 2>/dev/null || return 1
		sleep 0.5
	done
	from=$(($(stat -c %s "$console") + 1))
}

# type KEYS: as an operator does, a moment apart
type()
{
	sleep 1
	printf '%b' "$1" >&3
}

down='\e[B' enter='\r'

enrol()
{
	await "Press any key to perform MOK management" || return 1
	type "$enter"
	await "Enroll MOK" && type "$down" && type "$enter" &&
	await "View key 0" && type "$down" && type "$enter" &&
	await "Enroll the key" && type "$down" && type "$enter" &&
	await "Password:" && type "$password$enter" &&
	await "Reboot" && type "$enter"
}

[ -e "$dir/disk" ] || die "there is no $dir/disk" "scripts/install.sh makes it"
"$top/scripts/deps.sh" mtools
rm -rf "$here"
mkdir -p "$firmware"
archive_ask bookworm
unpack "$firmware" ovmf shim-signed shim-helpers-amd64-signed grub-efi-amd64-signed
make_esp
say "Booting it with Secure Boot ..."
touch "$console"
boot
status=0
enrol || status=1
[ "$status" -ne 0 ] || say "The MOK manager has asked, and was told"
wait_for "$qemu" || status=1
qemu=
grep -aE '^(#|ok|not ok) ' "$here/result.log" >&2 || true
read -r passed failed _ < <(count_results "$here/result.log" "")
# Each boot has said that it came to its end
[ "$(grep -ac '^@@@ verdict' "$here/result.log")" -eq 2 ] || status=1
if [ "$status" -ne 0 ]; then
	add 0 1
	say "The end of the console ($console):"
	tail -c 1000 "$console" | tr -d '\0\r' | sed 's/\x1b\[[0-9;]*[A-Za-z]//g' >&2
fi
totals
