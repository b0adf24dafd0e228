#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A copy of this tree in a kernel's, as drivers/vmbus_gpadl: it builds in and as modules, and
# the kernel's own kunit.py runs the suites.
#
#	intree.sh [SERIES]	6.12, if not told, or newest
#
# The last line on stdout is 'N passed, N failed': the two ways to build, and the cases.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$top/scripts/archive.sh"

want=${1:-$series}
"$top/scripts/deps.sh"
src=$("$top/scripts/kernel.sh" source "$want")
# The kernel is kept: of the next run it builds only what has changed
dir=$cache/intree-$want-${src##*/}
tree=$dir/linux/drivers/vmbus_gpadl
logs=$out/intree-$want

# Symbols of this tree's Kconfig
mapfile -t ours < <(sed -n 's/^\(menu\)*config //p' "$top/Kconfig")

# Beside what the suites need, which is in kunit/.kunitconfig: what else there is to build takes
# modules and the SCSI target. Of what kunit.py adds by itself, some is large and not needed
with=(MODULES MODULE_UNLOAD BLOCK CONFIGFS_FS SCSI TARGET_CORE "${ours[@]}")
without=(ACPI PERF_EVENTS_INTEL_UNCORE PERF_EVENTS_INTEL_RAPL PERF_EVENTS_INTEL_CSTATE
	 CPU_MITIGATIONS MQ_IOSCHED_KYBER WLAN)

# replace FILE: by stdin, if that differs. A file of the kernel's is a link to the cache's, which
# has to stay as it is
replace()
{
	cat >"$1.new"
	if cmp -s "$1.new" "$1"; then
		rm "$1.new"
	else
		mv "$1.new" "$1"
	fi
}

place()
{
	say "Copying the tree into Linux $want ..."
	if [ ! -e "$dir" ]; then
		rm -rf "$dir.tmp"
		mkdir "$dir.tmp"
		cp -rl "$src" "$dir.tmp/linux"
		mv "$dir.tmp" "$dir"
		prune "$dir" "intree-$want-*"
	fi
	touch "$dir"
	mirror_tree "$tree"
	sed 's,^endmenu,source "drivers/vmbus_gpadl/Kconfig"\n&,' "$src/drivers/Kconfig" |
		replace "$dir/linux/drivers/Kconfig"
	{ cat "$src/drivers/Makefile"; echo "obj-y += vmbus_gpadl/"; } |
		replace "$dir/linux/drivers/Makefile"
}

# The compiler says nothing about this tree. What was built before it does not look at again
fresh() { rm -rf "$dir/build/drivers/vmbus_gpadl"; }

no_warning() { ! grep -E 'drivers/vmbus_gpadl/[^ ]*:.*warning:' "$1" >&2; }

# Newer kunit.py runs QEMU with KVM where there is /dev/kvm, which does not mean that it runs any
# kernel: ACCEL=kvm says so, as for qemu.sh
without_kvm()
{
	local real

	real=$(command -v qemu-system-x86_64)
	mkdir -p "$dir/bin"
	cat >"$dir/bin/qemu-system-x86_64" <<-END
		#!/bin/bash
		for arg; do
			shift
			[ "\$arg \${1-}" = "-accel kvm" ] || [ "\$last \$arg" = "-accel kvm" ] ||
				set -- "\$@" "\$arg"
			last=\$arg
		done
		exec $real "\$@"
	END
	chmod 755 "$dir/bin/qemu-system-x86_64"
	PATH=$dir/bin:$PATH
}

built_in()
{
	local symbol add=()

	for symbol in "${with[@]}"; do add+=(--kconfig_add "CONFIG_$symbol=y"); done
	for symbol in "${without[@]}"; do add+=(--kconfig_add "CONFIG_$symbol=n"); done
	fresh
	[ "${ACCEL-}" = kvm ] || without_kvm
	cd "$dir/linux" && nice python3 -B tools/testing/kunit/kunit.py run --arch x86_64 \
		--kunitconfig drivers/vmbus_gpadl/kunit "${add[@]}" --build_dir "$dir/build" \
		--jobs "$(nproc)" --timeout "${TIMEOUT:-900}" --raw_output=all 'vmbus_gpadl*'
}

# What was built in becomes modules: little else of the kernel changes
as_modules()
{
	local o=$dir/build symbol

	fresh
	for symbol in "${ours[@]}"; do
		"$dir/linux/scripts/config" --file "$o/.config" --module "$symbol"
	done
	make -s -C "$dir/linux" O="$o" ARCH=x86_64 olddefconfig &&
	nice make -s -C "$dir/linux" O="$o" ARCH=x86_64 -j"$(nproc)" vmlinux modules
}

# A module for each that a tree of our own has
all_modules()
{
	local name

	for name in vmbus_gpadl vmbus_host vmbus_scsi vmbus_echo vmbus_heartbeat vmbus_crc \
			vmbus_gpadl_kunit; do
		find "$dir/build/drivers/vmbus_gpadl" -name "$name.ko" | grep -q . ||
			{ say "there is no $name.ko"; return 1; }
	done
}

# step WHAT-FAILED LOG COMMAND...
step()
{
	local what=$1 log=$logs/$2
	shift 2

	tally logged "$log" "$@" || { say "FAILED: $what"; return 1; }
}

try()
{
	local p f s

	place
	say "Building it in, and running kunit.py: the first time, a kernel ..."
	step "kunit.py run fails" kunit.log built_in || true
	# The skipped: of what one processor cannot do, as kunit.py's machine has no other
	read -r p f s < <(count_results "$logs/kunit.log" "    " ".* only processor")
	# It has run, with every case
	tally [ "$p" -gt 0 ] || say "FAILED: no case has run"
	say "Building it as modules ..."
	if step "it does not build as modules" modules.log as_modules; then
		step "a module is missing" missing.log all_modules || true
	fi
	step "there is a warning" warnings.log no_warning "$logs/kunit.log" || true
	step "there is a warning" warnings.log no_warning "$logs/modules.log" || true
	add "$p" "$f" "$s"
	totals
}

mkdir -p "$logs"
with_lock "intree-$want" try
