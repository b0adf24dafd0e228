#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Check the model of a GPADL's life (tests/model/gpadl.pml) in every interleaving, with
# Spin. The model's states are made of the code's.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
out=$top/out/model

for tool in spin gcc; do
	command -v "$tool" >/dev/null || {
		echo "model.sh: $tool is missing" >&2
		echo "model.sh  next: apt-get install $tool" >&2
		exit 1
	}
done

mkdir -p "$out"
echo "Making the model's states of enum gpadl_state ..."
awk '/^enum gpadl_state {/ { inside = 1; next }
     inside && /^}/ { exit }
     inside { gsub(/[,\t ]/, ""); if ($0) printf "#define %s %d\n", $0, n++ }' \
	"$top/gpadl_priv.h" >"$out/states.pml"
[ -s "$out/states.pml" ] || { echo "model.sh: no enum gpadl_state in gpadl_priv.h" >&2; exit 1; }
while read -r _ name _; do
	grep -q "\\<$name\\>" "$top/tests/model/gpadl.pml" || {
		echo "model.sh: the model does not know the state $name" >&2
		echo "model.sh  next: bring tests/model/gpadl.pml up to the code" >&2
		exit 1
	}
done <"$out/states.pml"

cp "$top/tests/model/gpadl.pml" "$out/"
cd "$out"
echo "Checking every interleaving ..."
spin -a gpadl.pml
gcc -O2 -DSAFETY -DCOLLAPSE -DVECTORSZ=2048 -DMEMLIM=8000 -w -o pan pan.c
./pan -m1000000 "$@" | tee pan.log | grep -E '^State-vector|states, stored|errors:|^pan:|elapsed' || true
if ! grep -q 'errors: 0$' pan.log ||
   grep -q 'search depth too small\|out of memory\|reached -DMEMLIM' pan.log; then
	echo "model.sh: the model has a fault, or is too large to be checked" >&2
	echo "model.sh  next: (cd $out && ./pan -r gpadl.pml) shows the way to a fault" >&2
	exit 1
fi
echo "No interleaving breaks a rule."
