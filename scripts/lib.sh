# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034 # for scripts that source this
#
# What the scripts here share. Source it:
#
#	. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
#
# Everything is said on stderr; stdout is left for the answer of a script
# ("where is that kernel?"), so that scripts can be used in $(...).
#
# top		the root of this source tree
# cache		what costs time to make and is the same for every tree of this
#		project on the machine: packages, kernel sources, built kernels
# out		what is made from this very tree: modules, images, logs

set -euo pipefail
export LC_ALL=C
# make's own variables are not for the makes that are started from here
unset MAKEFLAGS MAKELEVEL MFLAGS MAKEOVERRIDES

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vmbus_gpadl_map
out=${GPADL_OUT:-$top/out}

# The kernel series that is tested, and the one that the modules must build
# against besides. Exact versions come from the archive, see kernel.sh, which
# finds the newest series there, too.
series=6.12
series_old=6.1

# What kernels are built for: ARCH and PAGES of the environment, which is where the kernel's
# own makes look for ARCH and CROSS_COMPILE
export ARCH=${ARCH:-x86} PAGES=${PAGES:-4k}
arch=$ARCH pages=$PAGES
case $arch-$pages in
x86-4k)
	image=bzImage ;;
arm64-4k | arm64-64k)
	image=Image
	export CROSS_COMPILE=aarch64-linux-gnu- ;;
*)
	echo "ARCH=$arch PAGES=$pages: x86 with 4k, or arm64 with 4k or 64k" >&2
	exit 1 ;;
esac

say() { printf '%s\n' "$*" >&2; }

# die "what happened" "the next step to take"
die()
{
	printf '%s: %s\n' "${0##*/}" "$1" >&2
	[ $# -lt 2 ] || printf '%s  next: %s\n' "${0##*/}" "$2" >&2
	exit 1
}

# with_lock NAME COMMAND...: one user at a time on this machine; of a directory of
# this tree, if NAME is that. Locks live in the cache and are freed by the kernel, so
# a killed run leaves none behind.
with_lock()
{
	local lock=$cache/lock/${1//\//_}
	shift

	mkdir -p "$cache/lock"
	{
		if ! flock -n 9; then
			say "Waiting for another run that holds $lock ..."
			flock 9
		fi
		"$@"
	} 9>"$lock"
}

# wait_for PID: until it ends, with its status; a dot every ten seconds shows
# that the machine is at work
wait_for()
{
	local dots=0 start=$SECONDS status=0

	while kill -0 "$1" 2>/dev/null; do
		sleep 0.5
		if [ $(((SECONDS - start) / 10)) -gt $dots ]; then
			dots=$((dots + 1))
			printf '.' >&2
		fi
	done
	[ $dots -eq 0 ] || printf '\n' >&2
	wait "$1" || status=$?
	return $status
}

# logged FILE COMMAND...: the output goes to FILE, whose end is shown if the
# command fails
logged()
{
	local log=$1 rc=0
	shift

	mkdir -p "$(dirname "$log")"
	"$@" >"$log" 2>&1 9>&- &
	wait_for $! || rc=$?
	if [ "$rc" -ne 0 ]; then
		tail -n 30 "$log" >&2
		say "(the whole log: $log)"
	fi
	return "$rc"
}

# The files of this tree, without what was built in it
tree_files()
{
	if git -C "$top" rev-parse --git-dir >/dev/null 2>&1; then
		git -C "$top" ls-files -co --exclude-standard | sort -u |
			while read -r f; do
				[ ! -f "$top/$f" ] || echo "$f"
			done
	else
		(cd "$top" && find . -path ./out -prune -o -type f \
			! -name '*.o' ! -name '*.ko' ! -name '*.mod*' \
			! -name '*.cmd' ! -name .files -print | sed 's,^\./,,' | sort)
	fi
}

# sums_of DIR LIST: of the files that LIST names, as far as they are there
sums_of()
{
	(cd "$1" && xargs -d '\n' sha1sum <"$2" 2>/dev/null | LC_ALL=C sort)
}

# mirror_tree DIR: make DIR a copy of this tree, touching only what differs, so
# that make there builds no more than it has to. Each kernel is built against
# in a copy of its own: kbuild writes beside the sources.
mirror_tree()
{
	local dir f

	mkdir -p "$1"
	dir=$(realpath "$1")
	tree_files >"$dir/.files.new"
	if [ -e "$dir/.files" ]; then
		comm -23 "$dir/.files" "$dir/.files.new" | while read -r f; do
			rm -f "$dir/$f" "$dir/${f%.c}.o"
		done
	fi
	mv "$dir/.files.new" "$dir/.files"
	LC_ALL=C comm -23 <(sums_of "$top" "$dir/.files") <(sums_of "$dir" "$dir/.files") |
		cut -d ' ' -f 3- | (cd "$top" && xargs -r -d '\n' cp --parents -t "$dir")
}

# build_modules KDIR DIR [make arguments]: this tree's modules, in DIR
build_modules()
{
	local kdir=$1 dir=$2
	shift 2

	mirror_tree "$dir"
	nice make -s -C "$kdir" M="$dir" -j"$(nproc)" "$@" modules >&2 ||
		die "the modules do not build against $kdir" "see above"
}

# build_programs TREE DIRECTORY...: what is for user space, in a copy of this tree
build_programs()
{
	local tree=$1 d
	shift

	for d; do
		nice make -s -C "$tree/$d" >&2 || die "$d does not build" "see above"
	done
}

# find_module NAME DIR...: the file of a module. Names may have - or _.
find_module()
{
	local name=${1//[-_]/[-_]}
	shift

	find "$@" -name "$name.ko" -o -name "$name.ko.xz" \
		-o -name "$name.ko.zst" -o -name "$name.ko.gz" | head -n 1
}

# collect_modules DEST "NAME..." DIR...: put modules and all that they depend on
# in DEST as NAME.ko, plain, and the order to load them in in DEST/order. A
# dependency that is found in none of the DIRs is built into the kernel.
collect_modules()
{
	rm -rf "$1"
	mkdir -p "$1"
	touch "$1/order"
	add_modules "$@"
}

add_modules()
{
	local dest=$1 names=$2 name file dep
	shift 2

	for name in $names; do
		name=${name//-/_}
		! grep -qx "$name" "$dest/order" || continue
		file=$(find_module "$name" "$@")
		[ -n "$file" ] || continue
		case $file in
		*.xz)	xz -dc "$file" ;;
		*.zst)	zstd -dcq "$file" ;;
		*.gz)	gzip -dc "$file" ;;
		*)	cat "$file" ;;
		esac >"$dest/$name.ko"
		for dep in $(modinfo -F depends "$dest/$name.ko" | tr , ' '); do
			add_modules "$dest" "$dep" "$@"
		done
		echo "$name" >>"$dest/order"
	done
}

# The image of a kernel that was built here
built_image() { echo "$1/arch/$arch/boot/$image"; }

# choose_kernel CONFIG SERIES: Debian's, or with a CONFIG one that is built here. Sets
#
#	kdir, vmlinuz	what modules are built against, and what boots
#	found		where there are more modules of that kernel, or nothing
choose_kernel()
{
	local kernel

	if [ -n "$1" ]; then
		kdir=$("$top/scripts/kernel.sh" build "$1" "$2")
		vmlinuz=$(built_image "$kdir")
		found=()
	else
		kernel=$("$top/scripts/kernel.sh" stock "$2")
		kdir=$kernel/build vmlinuz=$kernel/vmlinuz found=("$kernel/modules")
	fi
}

# name_of CONFIG SERIES: of a kernel that is built here, for directories
name_of()
{
	local name=$1

	[ "$2" = "$series" ] || name+=-$2
	[ "$arch" = x86 ] || name+=-$arch-$pages
	echo "$name"
}

# The names of the modules that a built copy of this tree has, without kunit's. (Linux 6.1
# lists the .ko, with the whole path, 6.12 the .o.)
built_modules()
{
	sed -n "s,^$1/,,; s/\.k*o\$//p" "$1/modules.order" | grep -v '^kunit/' |
		sed 's,.*/,,' | tr '\n' ' '
}

# count_results FILE INDENT [REASON]: passed, failed and skipped of a (K)TAP file, at a
# depth. Skipped are those whose reason begins so, which says what the kernel is too old
# for; any other that was skipped has failed: here everything that it needs is there.
count_results()
{
	awk -v indent="$2" -v reason="# SKIP ${3:-.^}" '
		$0 ~ "^" indent "ok .*" reason	{ skipped++; next }
		$0 ~ "^" indent "ok .*# SKIP"	{ failed++; next }
		$0 ~ "^" indent "ok "		{ passed++ }
		$0 ~ "^" indent "not ok "	{ failed++ }
		END { print passed + 0, failed + 0, skipped + 0 }' "$1"
}

# What a script adds up, and ends with
passed=0 failed=0 skipped=0

# add PASSED FAILED [SKIPPED]
add() { passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + ${3:-0})); }

# add_line LINE: the last one of another script; any other line is a failure, and it fails
add_line()
{
	[[ $1 =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed(,\ ([0-9]+)\ skipped)?$ ]] ||
		{ add 0 1; return 1; }
	add "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" "${BASH_REMATCH[4]:-0}"
}

# tally COMMAND...: counts it in passed or failed, and fails if it does. Within a condition errexit
# does not reach into what is called
tally()
{
	if "$@"; then
		add 1 0
	else
		add 0 1
		return 1
	fi
}

# totals [PASSED FAILED SKIPPED]: the last line of a script, of what it has added up, if it is not
# told; fails if one has failed, or if nothing has passed
totals()
{
	[ $# -gt 0 ] || set -- "$passed" "$failed" "$skipped"
	echo "$1 passed, $2 failed$([ "$3" -eq 0 ] || echo ", $3 skipped")"
	[ "$2" -eq 0 ] && [ "$1" -gt 0 ]
}
