#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Prove with Frama-C, for all inputs, what tests/proof/README says of gpadl/wire.c.
#
#	proof.sh
#
# The last line on stdout is 'N passed, N failed': one for each of the two proofs.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

dir=$out/proof
proof=$top/tests/proof

# frama_c LOG ARGUMENT...
frama_c()
{
	local log=$1
	shift

	logged "$log" nice frama-c -machdep gcc_x86_64 -cpp-extra-args="-I$dir \
		-I$top/tests/host/include -I$top -I$top/gpadl" "$@"
}

# The file as it is, with the comments that a proof of its two loops needs
annotate()
{
	local loop='^	for (i = 0; i < msg->nr_words' run='^	while (n < nr'

	[ "$(grep -c '^[[:space:]]*\(for\|while\|do\)\>' "$top/gpadl/wire.c")" = 2 ] ||
		die "gpadl/wire.c has not the two loops that are proved" \
		    "see tests/proof/README"
	sed "/$loop/{
		e cat '$proof/loop.acsl'
	}
	/$run/{
		e cat '$proof/run.acsl'
	}" "$top/gpadl/wire.c" >"$dir/gpadl_wire.annotated.c"
	[ "$(grep -c 'loop variant' "$dir/gpadl_wire.annotated.c")" = 2 ] ||
		die "a loop of gpadl/wire.c is not where its invariant goes" \
		    "see annotate() in scripts/proof.sh"
}

prove_messages()
{
	say "EVA: reading messages, making replies ..."
	frama_c "$dir/messages.log" "$proof/messages.c" -eva -eva-precision 7 \
		-eva-slevel 5000 || return 1
	sed -n '/ANALYSIS SUMMARY/,$ { /alarms generated/p
		/logical properties reached have/p }' "$dir/messages.log" >&2
	grep -q '^  0 alarms generated' "$dir/messages.log" &&
	grep -q '^  100% of the logical properties' "$dir/messages.log" &&
	! grep -qE 'status (unknown|invalid)' "$dir/messages.log"
}

# get_le16() and gpadl_wire_run() are EVA's: shifts are not for these provers
prove_intake()
{
	local functions log=$dir/intake.log proved
	functions=gpadl_wire_check_header,gpadl_wire_init,gpadl_wire_add
	functions+=,gpadl_wire_range,wire_begin_range
	functions+=,wire_add_page,wire_add_run,wire_complete,get_le32,get_le64
	functions+=,wire_take_page,gpadl_wire_take_ranges

	say "WP: taking in words, about two minutes ..."
	annotate
	why3 config detect >"$dir/why3.log" 2>&1
	frama_c "$log" "$proof/intake.c" -wp -wp-rte -wp-prover z3,cvc4 \
		-wp-timeout 60 -wp-par "$(nproc)" -wp-fct "$functions" || return 1
	proved=$(sed -n 's/^\[wp\] Proved goals: *\([0-9]*\) *\/ *\([0-9]*\)$/\1 \2/p' "$log")
	say "  goals proved: ${proved/ / of }"
	grep -E '^\[wp\] \[(Failed|Timeout|Unknown)' "$log" >&2 || true
	[ -n "$proved" ] && [ "${proved% *}" = "${proved#* }" ]
}

run()
{
	local step

	mkdir -p "$dir"
	cd "$dir"
	export WHY3CONFIG=$dir/why3.conf
	for step in prove_messages prove_intake; do
		tally "$step" || say "  NOT PROVED; see $dir/"
	done
	totals
}

"$top/scripts/deps.sh" frama-c-base why3 z3 cvc4
with_lock "$dir" run
