#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest: load the modules, keep the tests at work, and run each of /examples: N.sh has to
# show what N.shows says. Answers with watch.tap.

. /lib.sh

programs="sample_test gpadl_test gpa_test"
n=0

at_work()
{
	while :; do
		for p in $programs; do
			"/$p" >/tmp/tests 2>&1
		done
	done
}

echo "@@ watch.tap" >/dev/results
load_all
at_work &
worker=$!
for example in /examples/*.sh; do
	n=$((n + 1))
	timeout 400 sh "$example" >/tmp/output 2>&1
	if grep -qE "$(cat "${example%.sh}.shows")" /tmp/output; then
		echo "ok $n - $(head -n 1 "$example")" >/dev/results
	else
		echo "not ok $n - $(head -n 1 "$example")" >/dev/results
		sed 's/^/# /' /tmp/output >/dev/results
		failed=1
	fi
	result "$n.txt" </tmp/output
	echo "@@ watch.tap" >/dev/results
done
echo "1..$n" >/dev/results
kill $worker
for p in $programs; do
	killall "$p" 2>/dev/null
done
unload_all
exit $failed
