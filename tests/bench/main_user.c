// SPDX-License-Identifier: GPL-2.0
/*
 * The benchmark's program: bench WHAT [ROUNDS]. What comes out is CSV, in nanoseconds,
 * which are instructions where QEMU counts them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_user.h"

static void all_cases(void)
{
	cases_run(false);
}

static void quick_cases(void)
{
	cases_run(true);
}

static const struct {
	const char *name;
	void (*run)(void);
} measures[] = {
	{ "cases", all_cases },
	{ "quick", quick_cases },
	{ "packets", packets_run },
	{ "ways", ways_run },
	{ "establish", establish_run },
	{ "lookup", lookup_run },
	{ "idle", idle_run },
	{ "region", region_run },
	{ "ring", ring_run },
	{ "parallel", parallel_run },
	{ "kicks", kicks_run },
};

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	unsigned int i;

	if (!strcmp(what, "profile") && argc > 2) {
		profile_run(argv[2]);
		return 0;
	}
	if (argc > 2)
		rounds = atoi(argv[2]);
	for (i = 0; i < ARRAY_SIZE(measures); i++) {
		if (!strcmp(what, measures[i].name)) {
			measures[i].run();
			return 0;
		}
	}
	for (i = 0; i < ARRAY_SIZE(measures); i++)
		fprintf(stderr, "%s ", measures[i].name);
	die("\nbench one of these, or bench profile CASE");
}
