# SPDX-License-Identifier: GPL-2.0-only
# The picture of Documentation/performance.rst: scripts/bench.sh names the files
set terminal svg size 900,500 font "sans-serif,13" background "white"
set output picture
set title "map + unmap, 7936 pages (real: eight buffers of 16 and 31 MB)"
set ylabel "instructions per 4 KiB page"
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.9 border -1
set grid ytics
set xtics rotate by -35 nomirror
set key outside top center horizontal
plot bars using 2:xtic(1) title "the kernel's own parts" linecolor "#999999", \
     "" using 3 title "on demand" linecolor "#4477aa", \
     "" using 4 title "resident" linecolor "#66ccee"
