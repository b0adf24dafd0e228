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

# What the kernel needs for it, beside what kunit.py gives it to run in QEMU
cat_config()
{
	cat <<-END
		CONFIG_KUNIT=y
		CONFIG_MMU=y
		CONFIG_EVENTFD=y
		CONFIG_SHMEM=y
		CONFIG_TMPFS=y
		CONFIG_MEMFD_CREATE=y
		CONFIG_TRANSPARENT_HUGEPAGE=y
		CONFIG_HUGETLBFS=y
		CONFIG_USERFAULTFD=y
		CONFIG_DEBUG_FS=y
		CONFIG_DEBUG_KERNEL=y
		CONFIG_FAULT_INJECTION=y
		CONFIG_FAULT_INJECTION_DEBUG_FS=y
		CONFIG_FAILSLAB=y
		CONFIG_CONFIGFS_FS=y
		CONFIG_SCSI=y
		CONFIG_TARGET_CORE=y
		CONFIG_VMBUS_GPADL=$1
		CONFIG_VMBUS_HOST=$1
		CONFIG_VMBUS_HOST_SCSI=$1
		CONFIG_VMBUS_HOST_SAMPLES=$1
	END
}

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

as_modules()
{
	local o=$dir/modules

	mkdir -p "$o"
	{ cat_config m; echo CONFIG_MODULES=y; echo CONFIG_VMBUS_GPADL_KUNIT_TEST=m; } >"$dir/m.config"
	make -s -C "$dir/linux" O="$o" tinyconfig &&
	(cd "$dir/linux" && scripts/kconfig/merge_config.sh -m -O "$o" "$o/.config" \
		"$top/scripts/config/base.config" "$top/scripts/config/base.x86.config" "$dir/m.config") &&
	make -s -C "$dir/linux" O="$o" olddefconfig &&
	nice make -s -C "$dir/linux" O="$o" -j"$(nproc)" KCFLAGS=-Werror drivers/vmbus_gpadl/ modules_prepare &&
	[ -e "$o/drivers/vmbus_gpadl/vmbus_gpadl.o" ] &&
	[ -e "$o/drivers/vmbus_gpadl/kunit/vmbus_gpadl_kunit.o" ]
}

built_in()
{
	{ cat_config y; echo CONFIG_VMBUS_GPADL_KUNIT_TEST=y; } >"$dir/kunitconfig"
	cd "$dir/linux" && nice tools/testing/kunit/kunit.py run --arch x86_64 \
		--build_dir "$dir/kunit" --kunitconfig "$dir/kunitconfig" --jobs "$(nproc)" \
		--timeout 900 --raw_output=all 'vmbus_gpadl*'
}

place
say "Building it as modules ..."
logged "$dir/modules.log" as_modules && status=0 || status=$?
count "$status" "it does not build as modules"
say "Building it in, and running kunit.py ..."
logged "$dir/kunit.log" built_in && status=0 || status=$?
count "$status" "kunit.py"
read -r p f _ < <(count_results "$dir/kunit.log" "    ")
totals $((passed + p)) $((failed + f))
