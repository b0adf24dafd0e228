# SPDX-License-Identifier: GPL-2.0-only
# The picture of Documentation/performance-disks.rst: scripts/bench-disk.sh names the files
set terminal svg size 1000,860 font "sans-serif,13" background "white"
set output picture
set datafile separator comma
set multiplot
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.9 border -1
set grid ytics
set xtics rotate by 50 right nomirror
set yrange [0:1.75<*]
set ytics 0.25
set lmargin 10
set rmargin 3
set key at graph 0.99, graph 0.97 top right horizontal
set ylabel "ratio to vhost-scsi"

set size 1, 0.5
set origin 0, 0.5
set title "instructions of the host for a request: less is better"
plot table every ::1 using 7:xtic(sprintf("%s %s %d K, %d", strcol(1), strcol(2), $3 / 1024, $4)) \
	title "pages pinned for each" linecolor "#4477aa", \
     "" every ::1 using 9 title "memory resident" linecolor "#66ccee", \
     1 with lines linecolor "#cc3311" linewidth 2 title "vhost-scsi"

set origin 0, 0
set title "requests per second, fio in a guest: more is better"
plot nested every ::1 using 5:xtic(sprintf("%s %d K, %d x %d", strcol(1), $2 / 1024, $4, $3)) \
	title "one channel" linecolor "#228833", \
     1 with lines linecolor "#cc3311" linewidth 2 title "vhost-scsi"
