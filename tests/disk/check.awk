# SPDX-License-Identifier: GPL-2.0-only
#
# bench-disk.sh check: both ratios of each row that was measured now, which is read second, beside
# what the committed table tells, which is read first. A ratio may be @tolerance times the other.

BEGIN { FS = "," }

function look(what, now, was)
{
	if (now <= was * tolerance && now >= was / tolerance) {
		passed++
		return
	}
	failed++
	printf "  %s, %s: %s; the table tells %s\n", key, what, now, was >"/dev/stderr"
}

{ key = $1 " " $2 " " $3 " " $4 }

NR == FNR {
	ratio[key] = $7
	resident[key] = $9
	next
}

FNR > 1 {
	look("pinned", $7, ratio[key])
	look("resident", $9, resident[key])
}

END {
	if (failed)
		print "  next: scripts/bench-disk.sh profile shows where the instructions go; if it is to\n" \
		      "  be so, scripts/bench-disk.sh writes the new figures" >"/dev/stderr"
	print passed + 0 " passed, " failed + 0 " failed"
	exit failed || !passed
}
