# SPDX-License-Identifier: GPL-2.0-only
#
# The table of "bench-disk.sh nested", from the lines of nested-runs.csv: medians of the rounds.
# Ratios are taken round by round, where one disk was measured right after the other.

BEGIN {
	FS = ","
	print "op,bytes,depth,jobs,to_vhost,spread,to_blk,spread," \
	      "vhost_exits,vmbus_exits,blk_exits,vhost_irqs,vmbus_irqs,blk_irqs"
}

# Sorted into v[1] to v[n], as n is small
function sort(v, n,	i, j, x)
{
	for (i = 2; i <= n; i++) {
		x = v[i]
		for (j = i - 1; j && v[j] > x; j--)
			v[j + 1] = v[j]
		v[j + 1] = x
	}
}

function median(v, n)
{
	sort(v, n)
	return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}

function median_of(what, way, key,	v, i)
{
	for (i = 1; i <= rounds[way, key]; i++)
		v[i] = what[way, key, i]
	return median(v, rounds[way, key])
}

# "median,from-to" of ours to the other's
function ratio(way, key,	v, i, m)
{
	for (i = 1; i <= rounds[way, key]; i++)
		v[i] = iops["vmbus", key, i] / iops[way, key, i]
	m = median(v, rounds[way, key])
	return sprintf("%.2f,%.2f-%.2f", m, v[1], v[rounds[way, key]])
}

function counts(what, key)
{
	return sprintf("%.3f,%.3f,%.3f", median_of(what, "vhost", key),
		       median_of(what, "vmbus", key), median_of(what, "blk", key))
}

$1 == "way" { next }

{
	key = $2 "," $3 "," $4 "," $5
	if (!(("first", key) in rounds)) {
		rounds["first", key] = 1
		keys[++rows] = key
	}
	n = ++rounds[$1, key]
	iops[$1, key, n] = $6
	interrupts[$1, key, n] = $8
	exits[$1, key, n] = $9
}

END {
	for (i = 1; i <= rows; i++) {
		key = keys[i]
		if (rounds["vmbus", key] < rounds["blk", key] || !rounds["blk", key])
			continue
		print key "," ratio("vhost", key) "," ratio("blk", key) "," \
		      counts(exits, key) "," counts(interrupts, key)
	}
}
