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

want=${1:-$series}
"$top/scripts/deps.sh"
src=$("$top/scripts/kernel.sh" source "$want")
dir=$out/intree-$want
passed=0 failed=0

# What the kernel needs for it, beside what kunit.py gives it to run in QEMU; and what is large
# and has nothing to do with it. A case lets another thread spin, and kunit.py's machine has
# one processor: hence PREEMPT. Allocations cannot be made to fail there, as user space would have
# to say first that failslab spares none: these cases are skipped.
kunitconfig()
{
	cat <<-END
		CONFIG_KUNIT=y
		CONFIG_SMP=y
		CONFIG_PREEMPT=y
		CONFIG_MMU=y
		CONFIG_MODULES=y
		CONFIG_MODULE_UNLOAD=y
		CONFIG_EVENTFD=y
		CONFIG_SHMEM=y
		CONFIG_TMPFS=y
		CONFIG_MEMFD_CREATE=y
		CONFIG_TRANSPARENT_HUGEPAGE=y
		CONFIG_HUGETLBFS=y
		CONFIG_USERFAULTFD=y
		CONFIG_DEBUG_FS=y
		CONFIG_DEBUG_KERNEL=y
		CONFIG_BLOCK=y
		CONFIG_CONFIGFS_FS=y
		CONFIG_SCSI=y
		CONFIG_TARGET_CORE=y
		# CONFIG_ACPI is not set
		# CONFIG_PERF_EVENTS_INTEL_UNCORE is not set
		# CONFIG_PERF_EVENTS_INTEL_RAPL is not set
		# CONFIG_PERF_EVENTS_INTEL_CSTATE is not set
		# CONFIG_CPU_MITIGATIONS is not set
		# CONFIG_MQ_IOSCHED_KYBER is not set
		# CONFIG_WLAN is not set
	END
	printf 'CONFIG_%s=y\n' "${ours[@]}"
}

# Symbols of this tree's Kconfig
mapfile -t ours < <(sed -n 's/^\(menu\)*config //p' "$top/Kconfig")

place()
{
	say "Copying the tree into Linux $want ..."
	rm -rf "$dir"
	mkdir -p "$dir"
	cp -rl "$src" "$dir/linux"
	mirror_tree "$dir/linux/drivers/vmbus_gpadl"
	# Not the files themselves: they are links to the cache's
	for f in Kconfig Makefile; do
		cp "$src/drivers/$f" "$dir/$f"
		rm "$dir/linux/drivers/$f"
	done
	sed 's,^endmenu,source "drivers/vmbus_gpadl/Kconfig"\n&,' "$dir/Kconfig" \
		>"$dir/linux/drivers/Kconfig"
	{ cat "$dir/Makefile"; echo "obj-y += vmbus_gpadl/"; } >"$dir/linux/drivers/Makefile"
	rm "$dir/Kconfig" "$dir/Makefile"
}

# count STATUS WHAT
count()
{
	if [ "$1" -eq 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		say "FAILED: $2"
	fi
}

# no_warning LOG: of the compiler, about this tree
no_warning()
{
	! grep -E 'drivers/vmbus_gpadl/[^ ]*:.*warning:' "$1" >&2
}

built_in()
{
	kunitconfig >"$dir/kunitconfig"
	cd "$dir/linux" && nice python3 -B tools/testing/kunit/kunit.py run --arch x86_64 \
		--build_dir "$dir/build" --kunitconfig "$dir/kunitconfig" --jobs "$(nproc)" \
		--timeout "${TIMEOUT:-900}" --raw_output=all 'vmbus_gpadl*'
}

# What was built in becomes modules: little else of the kernel changes
as_modules()
{
	local o=$dir/build symbol

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

	for name in vmbus_gpadl vmbus_host vmbus_scsi vmbus_heartbeat vmbus_crc vmbus_gpadl_kunit; do
		find "$dir/build/drivers/vmbus_gpadl" -name "$name.ko" | grep -q . ||
			{ say "there is no $name.ko"; return 1; }
	done
}

# step WHAT-FAILED LOG COMMAND...
step()
{
	local what=$1 log=$2 status=0
	shift 2

	logged "$log" "$@" || status=$?
	count "$status" "$what"
	return "$status"
}

place
say "Building it in, and running kunit.py: a kernel, some minutes ..."
step "kunit.py run fails" "$dir/kunit.log" built_in || true
read -r p f s < <(count_results "$dir/kunit.log" "    " "the kernel cannot make an allocation fail")
# It has run, with every case
count "$([ "$p" -gt 0 ]; echo $?)" "no case has run"
say "Building it as modules ..."
if step "it does not build as modules" "$dir/modules.log" as_modules; then
	step "a module is missing" "$dir/missing.log" all_modules || true
fi
step "there is a warning" "$dir/warnings.log" no_warning "$dir/kunit.log" || true
step "there is a warning" "$dir/warnings.log" no_warning "$dir/modules.log" || true
totals $((passed + p)) $((failed + f)) "$s"
