// SPDX-License-Identifier: GPL-2.0
/*
 * The benchmark's program. Its argument is what to measure; what comes out is CSV.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_user.h"

void die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "cases"))
		cases_run(false);
	else if (!strcmp(what, "quick"))
		cases_run(true);
	else
		die("usage: bench cases | quick");
	return 0;
}
