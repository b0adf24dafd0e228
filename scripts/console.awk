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
	# Of memory errors that a test has asked for
	harmless = harmless "|Memory failure: .*: Sending SIGBUS to memory_test:"
	# Races that KCSAN finds in Linux 6.12 itself, whatever module runs on it: what races
	# on both sides is named here, or is none of ours for another reason: see is_ours().
	# Timers: a timer that is looked at while it runs
	own = "__hrtimer_run_queues|hrtimer_active|hrtimer_wakeup" \
		"|schedule_hrtimeout_range_clock"
	# Workqueues: statistics, and bits of work_struct.data beside PENDING
	own = own "|process_one_work|__pwq_activate_work|move_linked_works" \
		"|queue_work_on|queue_delayed_work_on"
	# XArray: readers under RCU beside a writer, marks too
	own = own "|xas_(start|load|store|find|find_marked|set_mark|clear_mark)"
	# poll(), struct file of reused memory, TLB flushes, the trace's clock, the owner of
	# an address space whose processes end
	own = own "|poll_schedule_timeout|pollwake|init_file" \
		"|smp_call_function_many_cond|trace_clock_global" \
		"|mm_update_next_owner|try_to_set_owner"
	own = "(" own ")(\\.[a-z0-9.]+)?(\\+0x[0-9a-f]+/0x[0-9a-f]+)?"
	named = "^" own "$"
	# Takes care of itself, whatever calls it at the same time
	lock = "^_*mutex_(un|try)?lock"
	harmless = harmless "|KCSAN: data-race in " own "( / " own ")?\r?$"
}

# Is it ours what races on side @i? If one of ours is on the stack, unless it is named, or
# inside a lock that ours has called.
function is_ours(i)
{
	return of_us[i] && top[i] !~ named && (called[i] == "" || called[i] !~ lock)
}

# A report of KCSAN is over: it is held until here if its title is not harmless. What an
# interrupt has interrupted is not on the stack, in this sense: see kcsan_frame().
function kcsan_end(	i, ours)
{
	if (report == "")
		return
	for (i = 1; i <= sides; i++)
		if (is_ours(i))
			ours = 1
	if (ours || sides < 2)
		print report
	report = ""
}

# The function of a line of a stack, without what stands around it
function kcsan_frame(	name)
{
	name = $0
	sub(/^\[[^]]*\] */, "", name)
	sub(/[ \r].*/, "", name)
	if (name ~ /^asm_(sysvec|exc)_/)
		interrupted = 1
	if (interrupted)
		return
	if (top[sides] == "")
		top[sides] = name
	if (/ \[vmbus_/)
		of_us[sides] = 1
	else if (!of_us[sides])
		called[sides] = name
}

report != "" && /(read|write).* to 0x[0-9a-f]+ of [0-9]+ bytes by / {
	sides++
	top[sides] = called[sides] = ""
	of_us[sides] = 0
	interrupted = 0
	next
}

report != "" && sides && /\+0x[0-9a-f]+\/0x[0-9a-f]+/ { kcsan_frame() }

report != "" && /==========/ { kcsan_end() }

/BUG: KCSAN: data-race in / && $0 !~ harmless {
	kcsan_end()
	report = $0
	sides = 0
	next
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

# Up to here nothing of ours ran: what the kernel has said of itself is its own. An interrupt
# that comes while it finds out what its processor can do, say, makes KASAN take a good address
# for a wild one.
!started && /Run \/init as init process/ {
	started = 1
	early = ""
}

$0 ~ trouble && $0 !~ harmless {
	if (started)
		print
	else
		early = early $0 "\n"
}

END {
	printf "%s", early
	kcsan_end()
	if (expecting)
		print "the console ends while a warning was expected"
}
