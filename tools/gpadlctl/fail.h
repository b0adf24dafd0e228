/* SPDX-License-Identifier: GPL-2.0-only */
/* How each command says that something is wrong, and what to do about it */
#ifndef _GPADLCTL_FAIL_H
#define _GPADLCTL_FAIL_H

enum { STATUS_FAILED = 1, STATUS_MISUSE = 2 };

/* Say what is wrong, and the next step unless it is NULL. Return an exit status. */
int fail(const char *next, const char *format, ...) __printf(2, 3);
int misuse(const char *next, const char *format, ...) __printf(2, 3);	/* the command line is */

#endif /* _GPADLCTL_FAIL_H */
