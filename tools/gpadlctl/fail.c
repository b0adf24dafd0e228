// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is wrong, and the next step: on standard error, in one form for all commands.
 */
#include <stdarg.h>
#include <stdio.h>

#include "../compiler.h"
#include "fail.h"

static void complain(const char *next, const char *format, va_list args)
{
	fflush(stdout);
	fputs("gpadlctl: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	if (next)
		fprintf(stderr, "  next: %s\n", next);
}

int fail(const char *next, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(next, format, args);
	va_end(args);
	return STATUS_FAILED;
}

int misuse(const char *next, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(next, format, args);
	va_end(args);
	return STATUS_MISUSE;
}
