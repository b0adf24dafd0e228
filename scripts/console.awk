# SPDX-License-Identifier: GPL-2.0-only
#
# Read a guest's console; print each line that means trouble in the kernel.
#
# A test that provokes a warning on purpose (a WARN_ONCE that backends get for
# their own bugs, say) announces it, from the kernel:
#
#	gpadl-test: expect WARNING
#	...
#	gpadl-test: expected WARNING over
#
# Between the two, one "WARNING:" must come, and only there it may.

BEGIN {
	trouble = "BUG:|WARNING:|KASAN:|KCSAN:|UBSAN:|Oops|Kernel panic" \
		"|general protection fault|unable to handle|ODEBUG:|DMA-API:" \
		"|possible (recursive|circular|irq lock)|suspicious RCU usage" \
		"|inconsistent lock state|trying to register non-static key" \
		"|task .* blocked for more than|detected stall|soft lockup" \
		"|workqueue lockup|sleeping function called|while atomic" \
		"|refcount_t:|corruption|unreferenced object|kmemleak: .*leak" \
		"|Bad page|stack guard|guest: FAILED|Out of memory:|page allocation failure"
	# What kernels say of themselves at boot that reads like the above
	harmless = "kmemleak: Kernel memory leak detector initialized" \
		"|kmemleak: Automatic memory scanning thread" \
		"|DMA-API: (preallocated|debugging enabled)"
}

/gpadl-test: expect WARNING/ {
	expecting = 1
	came = 0
	next
}

/gpadl-test: expected WARNING over/ {
	if (!came)
		print "no warning came where one was expected: " $0
	expecting = 0
	next
}

expecting && /WARNING:/ {
	came++
	if (came == 1)
		next
}

$0 ~ trouble && $0 !~ harmless { print }

END {
	if (expecting)
		print "the console ends while a warning was expected"
}
