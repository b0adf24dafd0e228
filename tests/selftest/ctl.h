/* SPDX-License-Identifier: GPL-2.0 */
/* gpadlctl as an operator runs it, and what it prints */
#ifndef _CTL_H
#define _CTL_H

#include <stdbool.h>

#include <kselftest.h>

#define CTL_TEXT_BYTES	262144

/*
 * Run it with these arguments; what it prints goes into @text, of CTL_TEXT_BYTES.
 * Returns its exit status, or a negative errno.
 */
__printf(2, 3) int ctl_run(char *text, const char *format, ...);
/* Is there a line in @text that matches the extended regular expression? */
__printf(2, 3) bool ctl_says(const char *text, const char *format, ...);

#endif /* _CTL_H */
