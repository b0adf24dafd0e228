#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# All that can be found without running the code. Each check must be silent.
#
#	static.sh [CHECK]...	for example: static.sh checkpatch kernel_doc
#
# shellcheck disable=SC2046 # lists of names

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

dir=$out/static

"$top/scripts/deps.sh"
source=$("$top/scripts/kernel.sh" source)
stock=$("$top/scripts/kernel.sh" stock)
mirror_tree "$dir/build"
cd "$dir/build"

# Sources and headers of a pattern, of this tree only
sources() { grep -E "$1" .files; }

# compile KERNEL DIR ARGUMENT...: the modules, with the warnings that kernel code should not have. In
# a subshell: what fails gives up
compile()
(
	build_modules "$1" "$dir/$2" W=1 KCFLAGS=-Werror "${@:3}"
)

# What kernel.sh does is nothing that a check has to say
exec 3>&2
kernel() { "$top/scripts/kernel.sh" "$@" 2>&3; }

check_warnings() { compile "$stock/build" build GPADL_TESTS=m GPADL_BENCH=m; }

# Address spaces, endianness, lock balance
check_sparse()
{
	compile "$stock/build" build GPADL_TESTS=m GPADL_BENCH=m C=2 CF=-Wsparse-error
}

# KUnit's part is a module for another kernel
check_kunit_warnings() { compile "$(kernel build debug)" build-kunit GPADL_KUNIT=m; }

# Options that hold for every file stand in .checkpatch.conf
checkpatch() { perl "$source/scripts/checkpatch.pl" --terse --no-summary -f "$@"; }

check_checkpatch()
{
	# What is in tests/proof is more Frama-C's language than C; tests/host/include stands in
	# for the kernel's own macros. A list of cases is no expression. tools/qemu has QEMU's
	# style, and its checkpatch looks at it: qemu-build.sh.
	local special='/compat\.h$|^include/linux/vmbus_namespace\.h$|^(gpadl|host)/trace\.h$|^host/mc\.h$|^tests/(proof|host/include)/|^tools/qemu/' rc=0
	local lists='^tests/host/ring_.*_model\.c$|^gpadl/reasons\.h$'
	local in_lists=COMPLEX_MACRO,MACRO_ARG_REUSE,MACRO_ARG_UNUSED,BRACKET_SPACE,TRAILING_SEMICOLON

	checkpatch $(sources '\.[ch]$' | grep -vE "$special|$lists") || rc=1
	checkpatch --ignore "$in_lists" $(sources "$lists") || rc=1
	# The place for version checks, whose LINUX_... is taken for a constant;
	# its stand-ins for what a kernel does not have ignore their arguments
	checkpatch --ignore LINUX_VERSION_CODE,CONSTANT_COMPARISON \
		--ignore MACRO_ARG_UNUSED,EXPORT_SYMBOL \
		gpadl/compat.h backends/scsi/compat.h include/linux/vmbus_namespace.h || rc=1
	# A label of the assembler's is taken for a modulo
	checkpatch --ignore SPACING host/mc.h || rc=1
	# TRACE_EVENT() is laid out as a structure, in the kernel too
	checkpatch --ignore OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT gpadl/trace.h host/trace.h || rc=1
	return $rc
}

# Inputs of fuzzers are no text
check_spelling() { codespell $(sources '' | grep -vE '^(LICENSES|tests/fuzz/corpus.*)/'); }

# Functions of the modules that other files can call, without such a comment
undocumented()
{
	awk '
		/^\/\*/  { doc = /^\/\*\*/ }
		/^[a-z].*[ *][a-z0-9_]+\(/ && !/^(static|typedef|extern) / {
			name = $0
			sub(/\(.*/, "", name)
			sub(/.*[ *]/, "", name)
		}
		/;$/	 { if (/^[^ \t]/) name = "" }
		/^{/	 { if (name && !doc) print FILENAME ": " name "() has no kernel-doc"; name = "" }
		/^}/	 { doc = 0 }' "$@"
}

# Where a section of such a comment goes on behind an empty line: newer kernel-docs end it there
cut_sections()
{
	awk '
		/^ \*\// || (/^ \* [^ ]/ && last == " *") { section = 0 }
		/^ \* (Context|Return):/ { section = 1 }
		section && /^ \*  / && last == " *" { print FILENAME ":" FNR ": belongs to no section" }
		{ last = $0 }' "$@"
}

# Comments of functions and structures: there, complete, and true to the prototype
check_kernel_doc()
{
	undocumented $(sources '^(vmbus_gpadl_map|(gpadl|host|backends/.*)/.*)\.c$')
	cut_sections $(sources '\.[ch]$' | grep -vE '^(tests|tools|kunit)/')
	perl "$source/scripts/kernel-doc" -none -Wall -Werror \
		$(sources '\.[ch]$' | grep -vE '^(tests|tools|kunit)/')
}

check_shellcheck()
{
	shellcheck $(grep -lE '^#!.*[/ ](ba)?sh$|^# shellcheck shell=' \
		$(sources '^(scripts|tools|tests|\.ci)/'))
}

# Each file of the modules has a line where the tree is drawn: in the part of its folder; and a
# room, with arrows to what it uses
check_design()
{
	local file name folder

	sources '^(gpadl|host|backends/[^/]*)/.*\.[ch]$' | while read -r file; do
		name=$(basename "${file%.[ch]}")
		folder=$(dirname "$file")/
		[ "$folder" != gpadl/ ] || name=gpadl/$name folder="The mapper"
		awk -v title="(^|: )$folder\$" '/^---/ { inside = last ~ title } inside; { last = $0 }' \
			Documentation/design.rst | grep -qE "\`$name\.(\[ch\]|[ch])\`" ||
			echo "Documentation/design.rst does not say what $file knows"
	done
	python3 -B scripts/rooms.py $(sources '^(vmbus_gpadl_map|(gpadl|host|backends/.*)/.*)\.c$')
}

# In each module and each program files use each other one way, and never in a circle
check_circles()
{
	local folder

	for folder in '(vmbus_gpadl_map|gpadl/.*)' 'host/.*' 'backends/.*' 'tools/vmm/.*' \
		      'tools/gpadlctl/.*' 'kunit/.*' 'tests/bench/.*' 'tests/disk/.*' \
		      'tests/fault/.*' 'tests/module/.*' 'tests/selftest/.*'; do
		python3 -B scripts/circles.py $(sources "^$folder\.c$")
	done
}

# A file of one subject fits into so many
check_long_files()
{
	wc -l $(sources '\.[ch]$') | awk '$1 > 800 && $2 != "total" { print $2 ": " $1 " lines" }'
}

# Each script has a line where they are told of
check_scripts()
{
	local script

	sources '^scripts/[^/]*\.(sh|py|awk)$' | while read -r script; do
		grep -qE "(^|[^[:alnum:]-])$(basename "$script")\\>" scripts/README ||
			echo "scripts/README does not say what $script is"
	done
}

# Each suite and each program has a behaviour in Documentation/testing.rst
check_tests()
{
	local file name

	sources '^(kunit/.*_kunit|tests/selftest/.*_test)\.c$' | while read -r file; do
		name=$(basename "$file" .c)
		sed -n '/^Where a behaviour is tested/,/^How to run/p' Documentation/testing.rst |
			grep -qE "[ ,-] ?${name%_*}([,;]|\$)" ||
			echo "Documentation/testing.rst does not say what $file tests"
	done
}

# A name in a comment, name() or &struct name, is one of ours or the kernel's
check_names()
{
	local unknown=$dir/names

	python3 -B scripts/names.py $(sources '\.[ch]$' | grep -v '^tools/qemu/') >"$unknown.where"
	cut -f 1 "$unknown.where" | sort -u >"$unknown"
	(cd "$source" && grep -rhowFf "$unknown" include drivers/hv drivers/target drivers/virtio \
		kernel mm lib io_uring fs/*.c | sort -u) >"$unknown.kernel" || true
	grep -vwFf "$unknown.kernel" "$unknown.where" || true
}

# Each fault, and each part that can be left out, has its lines in the code
check_mutants()
{
	local list

	for list in tests/mutants/mutants.txt tests/bench/without.txt; do
		python3 -B tests/mutants/apply.py "$list" . >"$dir/mutants" || echo "(of $list)"
	done
}

# A script of more than 150 lines stays for a reason, which scripts/README gives
check_long_scripts()
{
	local lines file

	wc -l $(sources '^(scripts|tests)/.*\.(sh|py|awk)$') | while read -r lines file; do
		if [ "$file" = total ] || [ "$lines" -le 150 ]; then
			continue
		fi
		sed '1,/^Why the longer ones stay/d; /^Kept between runs/,$d' scripts/README |
			grep -E "(^[[:space:]]|, )${file#scripts/}([,[:space:]]|\$)" >/dev/null ||
			echo "$file: $lines lines, and scripts/README does not say why"
	done
}

# What a VMM includes compiles by itself: strict C90, C++, and for 32 bits with
# the same layout
check_uapi()
{
	local h
	local flags=(-Wall -Werror -fsyntax-only -Iinclude/uapi
		     -I/usr/include/x86_64-linux-gnu)

	for h in include/uapi/linux/*.h; do
		gcc -std=c90 "${flags[@]}" -x c "$h" &&
		gcc -std=c90 -m32 "${flags[@]}" -x c "$h" &&
		g++ -std=c++98 "${flags[@]}" -x c++ "$h" &&
		[ "$(uapi_layout -m64 "$h")" = "$(uapi_layout -m32 "$h")" ] || return
	done
}

# Size of each structure and value of each macro, as the compiler sees them
uapi_layout()
{
	{
		echo "#include \"$2\""
		sed -n 's/^struct \([a-z_]*\) {$/\1/p' "$2" |
			while read -r s; do
				echo "unsigned long size_$s = sizeof(struct $s);"
			done
	} | gcc "$1" -Iinclude/uapi -I/usr/include/x86_64-linux-gnu -S -o - -x c - |
		awk '/^size_/ { name = $1 } /\.(long|quad)/ { if (name) print name, $2; name = "" }'
}

# Versions of the kernel are compat.h's business, and that of the namespaces
check_versions()
{
	! grep -n 'LINUX_VERSION_CODE' $(sources '\.[ch]$' |
		grep -vE '^((gpadl|backends/scsi)/compat|include/linux/vmbus_namespace)\.h$')
}

# Each index that comes from outside, and leads to a second load, is masked where it is made:
# Documentation/security.rst. Nothing that runs tells whether it is.
check_masks()
{
	local file function masks=0 found

	while read -r file function; do
		masks=$((masks + 1))
		awk -v begins="^[a-z].*[ *]$function\\(" '
			$0 ~ begins			 { inside = 1 }
			inside && /array_index_nospec\(/ { masked = 1 }
			/^}/				 { inside = 0 }
			END { exit !masked }' "$file" ||
			echo "$file: $function() does not mask the index"
	done <<-END
		host/ioctl.c	vmbus_guest_ioctl
		gpadl/change.c	change_enter
		gpadl/mapping.c	lookup_find_region
		gpadl/mapping.c	lookup_only
		gpadl/region.c	gpadl_region_table_find
		gpadl/relook.c	relook_range
		gpadl/walk.h	gpadl_walk_take
		gpadl/walk.h	gpadl_walk_next_page
	END
	# One in each: so that none is there whose loss nobody would tell
	found=$(cat gpadl/*.[ch] host/*.[ch] vmbus_gpadl_map.c | grep -c 'array_index_nospec(')
	[ "$found" -eq "$masks" ] ||
		echo "check_masks of scripts/static.sh lists $masks functions that mask; there are $found masks"
}

# The samples build where Documentation/first-backend.rst says, by what is installed
check_first_backend()
{
	local sample

	for sample in vmbus_echo vmbus_crc; do
		rm -rf "$dir/example"
		mkdir -p "$dir/example"
		cp "samples/$sample".* "$dir/example"
		printf 'obj-m := %s.o\ninclude %s/usr/local/share/vmbus-gpadl/backend.mk\n' \
			"$sample" "$dir/installed" >"$dir/example/Kbuild"
		make -s -C "$stock/build" M="$dir/example" W=1 KCFLAGS=-Werror modules || return
	done
}

# dkms_modules DIRECTORY: what DKMS is to find built for the kernel that has its headers there
dkms_modules()
{
	# shellcheck disable=SC2016 # the inner shell expands them
	kernel_source_dir=$1 bash -c '. packaging/dkms.conf.in; printf "%s\n" "${BUILT_MODULE_NAME[@]}"' |
		sort
}

# make install puts everything in its place, and make uninstall takes all of it away. A
# backend is built by what is installed.
check_install()
{
	local dest=$dir/installed kernel

	kernel=$(cat "$stock/release")
	rm -rf "$dest"
	# Debian's headers have no key to sign modules with: sign-file says so
	make -s -C "$dir/build" KDIR="$stock/build" DESTDIR="$dest" install >"$dir/install.log" 2>&1 ||
		{ cat "$dir/install.log"; return 1; }
	for f in lib/modules/"$kernel"/updates/vmbus-gpadl/vmbus_gpadl.ko.xz \
		 usr/local/include/linux/vmbus_host.h usr/local/share/man/man4/vmbus-host.4; do
		[ -s "$dest/$f" ] || { echo "make install has not made $f"; return 1; }
	done
	check_first_backend || return 1
	# Nor does DKMS leave one out
	diff <(find "$dest/lib/modules" -name '*.ko*' -printf '%f\n' | sed 's/\.ko.*//' | sort) \
		<(dkms_modules "$stock/build") || return 1
	# A kernel without the SCSI target
	mkdir -p "$dir/headers"
	echo "# CONFIG_TARGET_CORE is not set" >"$dir/headers/.config"
	diff <(dkms_modules "$stock/build" | grep -v '^vmbus_scsi$') \
		<(dkms_modules "$dir/headers") || return 1
	make -s -C "$dir/build" DESTDIR="$dest" uninstall
	[ ! -e "$dest" ] || find "$dest"
}

# The tarball of a commit is the same whoever makes it, and there is none of what is not committed
check_release()
{
	local clone

	for clone in one two; do
		rm -rf "${dir:?}/$clone"
		git -c advice.detachedHead=false -c init.defaultBranch=main \
			clone -q "$top" "$dir/$clone" || return
	done
	GPADL_OUT=$dir/one/out "$dir/one/scripts/release.sh" >"$dir/one.sum" || return
	(umask 077 && TZ=Asia/Tokyo GPADL_OUT=$dir/two/out "$dir/two/scripts/release.sh") \
		>"$dir/two.sum" || return
	cmp "$dir/one.sum" "$dir/two.sum" || return
	echo >>"$dir/two/README.md"
	! GPADL_OUT=$dir/two/out "$dir/two/scripts/release.sh" >/dev/null 2>&1 ||
		{ echo "it made one of a tree with changes"; return 1; }
	rm -rf "${dir:?}/one" "$dir/two"
}

# What is in Documentation/, and the comments that it takes out of the sources
check_docs()
{
	KSRC=$("$top/scripts/kernel.sh" source) sphinx-build -q -W --keep-going -b html \
		-d "$dir/doctrees" Documentation "$dir/html"
}

# Who runs what the documents tell a reader to type
check_commands() { python3 -B scripts/commands.py; }

# Against the older LTS too
check_old_kernel()
{
	compile "$(kernel stock "$series_old")/build" build-old GPADL_TESTS=m
}

# Against the newest of the archive, all there is. Not by default: it takes a kernel of its own
check_newest_kernel()
{
	compile "$(kernel build quick newest)" build-newest GPADL_TESTS=m GPADL_BENCH=m GPADL_KUNIT=m
}

# With ARCH=arm64, PAGES=64k: for that
check_cross() { compile "$(kernel build debug)" "build-$arch-$pages" GPADL_TESTS=m GPADL_KUNIT=m; }

# warnings comes first: others use what it built
checks=(warnings sparse old_kernel kunit_warnings checkpatch spelling kernel_doc
	shellcheck long_scripts long_files scripts tests names design circles uapi versions masks
	mutants install release docs commands)
[ $# -eq 0 ] || checks=("$@")

# A check fails by its status or by having something to say
is_silent() { "check_$1" >"$log" 2>&1 && ! grep -qvE '^(Skipping BTF generation|$)' "$log"; }

mkdir -p "$dir/log"
for c in "${checks[@]}"; do
	SECONDS=0
	log=$dir/log/$c.log
	if tally is_silent "$c"; then
		say "  ok   $c ($SECONDS s)"
	else
		say "  FAIL $c ($SECONDS s)"
		head -n 40 "$log" >&2
		say "(all of it: $log)"
	fi
done
totals
