#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Check the models of tests/model in every interleaving, with Spin: of a GPADL's life (gpadl.pml),
# of a request's (request.pml), of resident regions (region.pml), of a channel's work
# (worker.pml); and break them, one rule at a time, and see that it is noticed: NAME.rules has the
# rules that a model's first comment explains, and the assertion of Spin's that must fail when each
# is broken.
#
#	model.sh [OPTION]...	options for Spin's pan, for example -m20000
#
# The models' states are made of the code's. The last line on stdout is 'N passed, N
# failed': one for each model as it is, and one for each rule.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# make_definitions ENUM HEADER: the states of the code, and numbers for the rules
make_definitions()
{
	awk -v begin="^enum $1 {" '$0 ~ begin { inside = 1; next }
	     inside && /^}/ { exit }
	     inside { gsub(/[,\t ]/, ""); if ($0) printf "#define %s %d\n", $0, n++ }' \
		"$top/$2" >states.pml
	[ -s states.pml ] || die "there is no enum $1 in $2" "bring $model up to the code"
	awk '{ print "#define", $1, NR }' "${model%.pml}.rules" >breaks.pml
}

# Of functions of the code
prefixes='gpadl|vmbus|channel|rx|host|wait|worker|endpoint|guest|partition|mem|region|regions'
prefixes+='|watch|block|part|relook|mapping|lookup|table|change|kick|pool|request'

# Does the model know every state of the code, and the code every function that the model
# says it is made of?
compare_with_code()
{
	local name

	while read -r _ name _; do
		grep -q "\\<$name\\>" "$model" || die "the model does not know the state $name" \
			"bring $model up to the code"
	done <states.pml
	grep -oE "\\<($prefixes)_[a-z_]+\(\)" "$model" | sort -u |
		while read -r name; do
			name=${name%()}
			grep -qE "^([a-z].*[ *])?$name\(" "$top"/*.c "$top"/gpadl/*.c "$top"/gpadl/*.h "$top"/host/*.[ch] ||
			grep -qE "^inline $name\(" "$model" ||
				die "the model is made of $name(), which the code does not have" \
				    "bring $model up to the code"
		done
}

# check NUMBER LOG [OPTION]...: with that rule broken; 0: none is
check()
{
	local rule=$1 log=$2
	shift 2

	BREAK=$rule nice ./pan -m10000 "$@" >"$log" 2>&1 9>&- || true
	! grep -q 'search depth too small\|out of memory\|reached -DMEMLIM' "$log"
}

check_all()
{
	say "Checking every interleaving ..."
	check 0 pan.log -w26 "$@" &
	wait_for $! || return 1
	sed -n 's/^ *\([0-9]*\) states, stored/  states: \1/p
		s/^ *\([0-9]*\).*total actual memory usage/  memory: \1 MB/p' pan.log >&2
	grep -q 'errors: 0$' pan.log
}

# Each rule is broken in turn: the right check must fail.
check_breaks()
{
	local rule expected found n=0 before=$passed

	while IFS=$'\t' read -r rule expected; do
		n=$((n + 1))
		rm -f "$what.pml.trail"
		check "$n" "break-$rule.log" || true
		found=$(sed -n 's/^pan:1: //p' "break-$rule.log")
		tally [ "${found:0:${#expected}}" = "$expected" ] ||
			say "  $rule is broken, and found is: ${found:-nothing}"
	done <"${model%.pml}.rules"
	say "  rules broken, and found by their checks: $((passed - before)) of $n"
}

# check_model NAME ENUM HEADER [OPTION]...: each in a directory of its own
check_model()
{
	local what=$1 enum=$2 header=$3 dir=$out/model/$1 model=$top/tests/model/$1.pml
	shift 3

	mkdir -p "$dir"
	cd "$dir"
	make_definitions "$enum" "$header"
	compare_with_code
	cp "$model" "$dir/"
	spin -a "$what.pml" >&2
	gcc -O2 -DSAFETY -DCOLLAPSE -DVECTORSZ=1024 -DMEMLIM=8000 -w -o pan pan.c
	say "Breaking $what.pml, rule by rule ..."
	check_breaks
	rm -f "$what.pml.trail"
	tally check_all "$@" || {
		say "  the model breaks a rule, or is too large to be checked"
		say "  next: (cd $dir && ./pan -r $what.pml) shows the way to it"
	}
}

run()
{

	check_model region gpadl_state gpadl/priv.h "$@"


	totals
}

"$top/scripts/deps.sh" spin gcc
with_lock "$out/model" run "$@"
