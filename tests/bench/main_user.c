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
	else if (!strcmp(what, "establish"))
		establish_run();
	else if (!strcmp(what, "lookup"))
		lookup_run();
	else if (!strcmp(what, "idle"))
		idle_run();
	else if (!strcmp(what, "profile") && argc > 2)
		profile_run(argv[2]);
	else
		die("usage: bench cases | quick | establish | lookup | idle | profile CASE");
	return 0;
}
