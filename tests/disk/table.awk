# SPDX-License-Identifier: GPL-2.0-only
#
# The table of bench-disk.sh, from what tests/disk has measured of each: a line for each kind of
# request, with all three, and ours to the other.

BEGIN {
	FS = ","
	print "backstore,op,bytes,depth,vhost,vmbus,ratio,resident,ratio," \
	      "vhost_kicks,vmbus_kicks,vhost_calls,vmbus_calls"
}

{
	key = $2 "," $3 "," $4 "," $5
	ns[$1, key] = $6
	kicks[$1, key] = $7
	calls[$1, key] = $8
}

$1 == "resident" {
	vhost = ns["vhost", key]
	vmbus = ns["vmbus", key]
	printf "%s,%d,%d,%.2f,%d,%.2f,%s,%s,%s,%s\n", key, vhost, vmbus, vmbus / vhost, $6,
	       $6 / vhost, kicks["vhost", key], kicks["vmbus", key], calls["vhost", key],
	       calls["vmbus", key]
}
