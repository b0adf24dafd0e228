#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Put faults into the code, one at a time, and see whether the tests find them.
#
#	mutants.sh [--again] [N|FILE]...	those of tests/mutants/mutants.txt
#						that have a number or are in a file, or all
#
# All are tried on the quickest tests; those that pass, on the next, and so on:
#
#	wire		what runs in user space as well: gpadl/wire.c, the rings, the vstor protocol
#	quick		KUnit on the kernel that coverage is measured on: it finds no bugs
#			by itself, and boots in seconds. Many faults in one boot, suite by
#			suite, those of the fault's file first; see guest/mutants.sh
#	disk		those of the SCSI backend only: its selftests on Debian's kernel, those
#			of the fault's file first
#	leaks		some KUnit suites on the debug kernel, those of the fault's file, and the
#			search for leaks
#	kunit		all of KUnit on the debug kernel, and the search for leaks
#	selftest	the selftests on Debian's kernel
#	debug		the selftests on the debug kernel
#	kcsan		KUnit on the kernel that looks for data races
#
# or only on the SUITES that the environment names, which cannot tell that a fault
# survives. JOBS at a time (2). Before a suite counts, it must pass with no fault in.
# What was found stays found (out/mutants/results) until the file or the fault changes,
# or with --again; so a run can be broken off and resumed. A fault that nothing finds
# fails, unless the list says why that is right. The last line on stdout is 'N passed,
# N failed'.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

dir=$out/mutants
results=$dir/results
jobs=${JOBS:-2}
# Trees have an out/ each; they are not part of this git tree
unset GPADL_OUT
export GIT_CEILING_DIRECTORIES=$dir
# What is tried is the tree as it is now, whatever is edited meanwhile
mirror_tree "$dir/base"
top=$dir/base
list=$top/tests/mutants/mutants.txt
apply=$top/tests/mutants/apply.py

all_suites='wire quick disk leaks kunit selftest debug kcsan'
suites=${SUITES:-$all_suites}
# The end of a guest that has a test failed, or a bug found by the kernel
failure='not ok [0-9]|(EXPECTATION|ASSERTION) FAILED|BUG: |Oops|Kernel panic|UBSAN: '
# Faults that are tried in one boot
batch_size=16

# Of a GPADL's life, whatever its memory
is_life()
{
	[[ $1 =~ ^(vmbus_gpadl_map|gpadl/(partition|channel|intake|refs|table|revoke|delivery|reply))\.c$ ]]
}

# The suites that use what a file allocates
leaks_glob()
{
	! is_life "$1" || { echo 'vmbus_gpadl_handle'; return; }
	case $1 in
	gpadl/region.c | gpadl/resident.c) echo 'vmbus_gpadl_re[gs]i*' ;;
	gpadl/*)  echo 'vmbus_gpadl_[mpc]*' ;;
	*)	  echo 'vmbus_gpadl_[hmprc]*' ;;
	esac
}

# try_in_user_space DIR LIMIT [FILE]. What the compiler warns of is not found by a test
try_in_user_space()
{
	local part

	[[ $3 != host/* ]] || part=-ring
	if make -s -C "$1" WERROR= "build${part-}" >&2; then
		timeout "$2" make -s -C "$1" WERROR= "check${part-}"
	else
		echo "it does not build"
	fi
}

# The selftests of the SCSI backend that find the faults of a file soonest
disk_glob()
{
	case $1 in
	*/answer.c)	echo 'scsi_@(share|hostile|batch)_test' ;;
	*/channel.c)	echo 'scsi_@(life|hostile|batch)_test' ;;
	*/data.c)	echo 'scsi_@(data|batch|hostile)_test' ;;
	*/device.c)	echo 'scsi_@(unplug|life)_test' ;;
	*/fabric.c | */main.c)	echo 'scsi_@(target|life)_test' ;;
	*/guard.c)	echo 'scsi_@(guard|reserve|target)_test' ;;
	*/request.c)	echo 'scsi_@(data|target|guard)_test' ;;
	*/reserve.c)	echo 'scsi_reserve_test' ;;
	*/tmr.c)	echo 'scsi_@(life|guard|reserve)_test' ;;
	*/unplug.c)	echo 'scsi_unplug_test' ;;
	esac
}

# try_on_disk SELFTEST [FILE]: all of its selftests, unless those of the file fail
try_on_disk()
{
	local near sum

	near=$(disk_glob "${2-}")
	if [ -n "$near" ]; then
		sum=$("$1" "$near" | tail -n 1) || true
		[[ $sum == *" passed, 0 failed" ]] || { echo "$sum"; return; }
	fi
	"$1" 'scsi_*'
}

# run_suite TREE SUITE LIMIT [FILE]: with LIMIT seconds for what it runs. Sets logs to where it logs
run_suite()
{
	local tree=$1 kunit=$1/scripts/kunit.sh selftest=$1/scripts/selftest.sh
	local -x TIMEOUT=$3 STOP=$failure LEAKS=0

	case $2 in
	wire)	  logs=; try_in_user_space "$tree/tests/host" "$3" "${4-}" ;;
	quick)	  logs="kunit-gcov"; CONFIG=gcov "$kunit" ;;
	disk)	  logs=selftest-$series; try_on_disk "$selftest" "${4-}" ;;
	leaks)	  logs="kunit-debug"; LEAKS=1 "$kunit" "$(leaks_glob "${4-}")" ;;
	kunit)	  logs="kunit-debug"; LEAKS=1 "$kunit" ;;
	selftest) logs=selftest-$series; "$selftest" ;;
	debug)	  logs="selftest-debug"; CONFIG=debug "$selftest" ;;
	kcsan)	  logs="kunit-kcsan"; CONFIG=kcsan "$kunit" ;;
	esac
}

# What has failed, in a few words, by the logs on stdin; nothing is known if nothing is
# printed
evidence()
{
	tr -d '\r' | awk '
		/not ok [0-9]+/ && !test { test = $0; sub(/.*not ok [0-9]+ (- )?/, "", test) }
		/# .*: (EXPECTATION|ASSERTION) FAILED/ && !test {
			test = $0; sub(/.*# /, "", test); sub(/: .*/, "", test) }
		/gpadl-test: expect WARNING/		{ expected = 1 }
		/gpadl-test: expected WARNING over/	{ expected = 0 }
		/BUG: |Oops|UBSAN: |ERROR: |WARNING: |KCSAN: |unreferenced object/ && !expected && !bug {
			bug = $0; sub(/^(\[[^]]*\] *|==[0-9]+==)/, "", bug) }
		/guest: FAILED/ && !bad	{ bad = $0; sub(/.*guest: FAILED: /, "", bad) }
		/was not done after|guest: no further/	{ late = "the time is over" }
		/verdict: [^0]/ && !bad	{ bad = "what the guest checks at its end" }
		END { print substr(test ? test : bug ? bug : late ? late : bad, 1, 60) }'
}

# Does a suite pass with no fault in? Found out once for each state of the tree; how long
# it takes is left in the file that control_of names.
control_of() { echo "$dir/control/$1-$state"; }

control()
{
	local suite=$1 file start=$SECONDS last

	file=$(control_of "$suite")
	[ ! -e "$file" ] || return 0
	mirror_tree "$dir/tree-control"
	run_suite "$dir/tree-control" "$suite" 1800 >"$file.stdout" 2>"$file.log" || true
	last=$(tail -n 1 "$file.stdout")
	say "$(printf '    %4d s  no fault: %s: %s' $((SECONDS - start)) "$suite" "$last")"
	[[ $last == *" passed, 0 failed" ]] ||
		die "$suite does not pass with no fault in" "see $file.log"
	echo $((SECONDS - start)) >"$file"
}

# found KEY N SECONDS "SUITE WHAT"
found()
{
	echo "$4" >"$results/$1"
	say "$(printf '%3d %4d s  %s  <- %s' "$2" "$3" "$4" "$("$apply" "$list" "$top" "$2" say)")"
}

# The next fault of what is pending, which all workers read from one open file
next_fault()
{
	{
		flock 6
		read -r n key file <&8
	} 6>"$dir/lock"
}

# ---- One at a time ----

# Sets what to why a fault of @file was found; to nothing if the suite passes
try_one()
{
	local suite=$1 tree=$2 log=$3 file=$4 limit last logs

	limit=$((60 + 5 * $(cat "$(control_of "$suite")")))
	run_suite "$tree" "$suite" "$limit" "$file" >"$log.stdout" 2>"$log" 8<&- || true
	last=$(tail -n 1 "$log.stdout")
	what=
	[[ $last != *" passed, 0 failed" ]] || return 0
	logs=$tree/out/$logs/log
	# Not each of them is there
	what=$({ cat "$log.stdout" "$logs"/{result,console,trouble}.log "$log" 2>/dev/null ||
		 true; } | evidence)
	if [[ $last == *" failed" ]] && [ -n "$what" ]; then
		what="$suite $what"
	elif [ "$suite" = wire ] && [[ $last != *build ]]; then
		what="wire a program dies or hangs"
	else
		what="broken $suite did not run, see $log"
	fi
}

worker_one()
{
	local suite=$1 tree=$dir/tree$2 n key file what start

	while next_fault; do
		start=$SECONDS
		mirror_tree "$tree"
		"$apply" "$list" "$tree" "$n" >/dev/null
		try_one "$suite" "$tree" "$dir/$n.log" "$file"
		[ -z "$what" ] || found "$key" "$n" $((SECONDS - start)) "$what"
	done
}

# ---- Many in one boot ----

# The KUnit suites, in the order in which those find a file's faults soonest
kunit_suites()
{
	local s suites life="handle same reply map object input api replay"
	local memory="mem pin charge map mem_resident map_resident region resident region_resident"
	local requests="gpa request gpa_resident request_resident gpa_race view view_resident"

	case $1 in
	host/ring*)	echo 'vmbus_ring_*'; return ;;
	host/*)		echo 'vmbus_host_*'; return ;;
	gpadl/wire.c)	suites="wire wire_stream" ;;
	gpadl/gpa*.c | gpadl/view.c) suites=$requests ;;
	gpadl/find.c)	suites="find" ;;
	gpadl/notifier.c) suites=watch ;;
	gpadl/worker.c)	suites=worker ;;
	*)		suites= ;;
	esac
	! is_life "$1" || suites=$life
	for s in $suites $memory $life retire find watch worker $requests bugs fault race lifetime \
		 order stress stress_resident; do
		echo "vmbus_gpadl_$s"
	done | awk '!seen[$1]++'
}

make_quick()
{
	make -s -C "$kernel" M="$1/build" GPADL_KUNIT=m modules >"$1/make.log" 2>&1 9>&-
}

# The modules with fault $n in $file, those that it changes, to faults/$n
build_fault()
{
	local tree=$1 to=$1/faults/$n ko

	mirror_tree "$tree/build"
	"$apply" "$list" "$tree/build" "$n" >/dev/null
	make_quick "$tree" || return 1
	mkdir -p "$to"
	kunit_suites "$file" >"$to/suites"
	for ko in "$tree"/build/{,*/}*.ko; do
		cmp -s "$ko" "$tree/ko/$(basename "$ko")" || cp "$ko" "$to"
	done
}

# What has become of the faults that a boot was for; those not tried stay in faults/
harvest()
{
	local tree=$1 seconds=$2 logs=$1/log n last what tried=0

	last=$(sed -n 's/.*guest: fault \([0-9]*\).*/\1/p' "$logs/console.log" | tail -n 1)
	for n in "${!batch[@]}"; do
		what=
		if [ -e "$logs/$n" ]; then
			what=$(cat "$logs/$n")
		elif [ "$n" = "$last" ]; then
			what=$(sed -n "/guest: fault $n\r*\$/,\$p" "$logs/console.log" |
				cat - "$tree/boot.log" | evidence)
			what="found ${what:-the guest prints nothing any more}"
		else
			continue
		fi
		tried=1
		if [ "$what" = passed ]; then
			say "$(printf '%3d %4d s  passes' "$n" "$seconds")"
		else
			found "${batch[$n]}" "$n" "$seconds" "quick ${what#found }"
		fi
		unset "batch[$n]"
		rm -rf "$tree/faults/$n"
	done
	[ $tried -eq 1 ]
}

# Boots until all of the batch have been tried
run_batch()
{
	local tree=$1 limit start all=${#batch[@]}

	# Without a word; all suites take that long, and no case more than a tenth of it
	limit=$((10 + $(cat "$(control_of quick)") / 4))
	while [ ${#batch[@]} -gt 0 ]; do
		start=$SECONDS
		RUN=mutants "$top/scripts/initramfs.sh" "$tree/initramfs" "$tree/ko" \
			"$tree/faults" "$top/scripts/console.awk" 8<&-
		TIMEOUT=7200 STOP='^@@@ stop' STALL=$((limit + 40)) "$top/scripts/qemu.sh" \
			"$(built_image "$kernel")" "$tree/initramfs" "$tree/log" \
			"LIMIT=$limit" >"$tree/boot.log" 2>&1 8<&- || true
		harvest "$tree" $(((SECONDS - start) / all)) ||
			die "nothing was tried in a boot" "see $tree/log"
	done
}

worker_quick()
{
	local tree=$dir/quick$1 n key file
	local -A batch=()

	mirror_tree "$tree/build"
	make_quick "$tree" || die "the modules do not build" "see $tree/make.log"
	rm -rf "$tree/faults"
	collect_modules "$tree/ko" "$(built_modules "$tree/build") vmbus_gpadl_kunit" "$tree/build"
	while :; do
		while [ ${#batch[@]} -lt $batch_size ] && next_fault; do
			if build_fault "$tree"; then
				batch[$n]=$key
			else
				found "$key" "$n" 0 "broken it does not build, see $tree/make.log"
			fi
		done
		[ ${#batch[@]} -gt 0 ] || return 0
		run_batch "$tree"
	done
}

# ---- All of them ----

# Entries of the list that the command line names
wanted()
{
	"$apply" "$list" "$top" | awk -v want=" $* " '
		want == "  " || index(want, " " $1 " ") || index(want, " " $3 " ")'
}

# tried COMMAND SUITE...: what has become of those that are wanted
tried()
{
	python3 -B "$top/tests/mutants/results.py" "$1" "$list" "$dir/list" "$results" "${@:2}"
}

try_suite()
{
	local suite=$1 job workers=()

	tried pending "$suite" >"$dir/pending"
	[ -s "$dir/pending" ] || return 0
	# Minutes, which no other suite needs, and which control() would take for its own
	[ "$suite" != quick ] || kernel=$("$top/scripts/kernel.sh" build gcov)
	control "$suite"
	say "$suite: $(wc -l <"$dir/pending") faults, $jobs at a time"
	exec 8<"$dir/pending"
	for ((job = 0; job < jobs; job++)); do
		if [ "$suite" = quick ]; then
			worker_quick "$job" &
		else
			worker_one "$suite" "$job" &
		fi
		workers[job]=$!
	done
	exec 8<&-
	for job in "${workers[@]}"; do
		wait "$job" || die "a worker did not get to its end" "see above"
	done
}

again=
if [ "${1-}" = --again ]; then
	again=1
	shift
fi
mkdir -p "$results" "$dir/control"
wanted "$@" >"$dir/list" || die "a fault does not fit the code any more" "see tests/mutants/mutants.txt"
if [ -n "$again" ]; then
	while read -r _ key _; do
		rm -f "$results/$key"
	done <"$dir/list"
fi
# Neither text nor what stands around the tests makes another state
state=$(cd "$top" && tree_files | grep -vE '^Documentation/|mutants|README' |
	xargs sha1sum | sha1sum | cut -c 1-12)

say "The logs are in $dir"
for suite in $suites; do
	try_suite "$suite"
done
end="survived all tests pass"
[ "$suites" = "$all_suites" ] || end="survived $suites"
while read -r _ key _; do
	echo "$end" >"$results/$key"
done < <(tried pending all)
# shellcheck disable=SC2086 # words
tried judge $all_suites
