// SPDX-License-Identifier: GPL-2.0-only
/*
 * gpadlctl: watch the guests of /dev/vmbus-host, find out what is stuck, and prepare a host.
 * gpadlctl(8) is the manual.
 */
#include <getopt.h>
#include <string.h>

#include "gpadlctl.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *text;
} commands[] = {
	{ "list", command_list, "the guests, a line each" },
	{ "show", command_show, "one guest, or all: memory, channels, what is stuck and in whom" },
	{ "top", command_top, "live: what the channels do; q ends it" },
	{ "trace", command_trace, "the life of a channel as it happens" },
	{ "check", command_check, "is this host ready? What is missing, and the next step" },
	{ "disk", command_disk, "make, list and delete disks for guests" },
	{ "metrics", command_metrics, "counters in Prometheus' text format" },
};

static void print_usage(FILE *to)
{
	size_t i;

	fputs("usage: gpadlctl [--json] [--root DIR] COMMAND [ARGUMENTS]\n\n", to);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].text);
	fputs("\nA guest is a partition's number, or its VMM's process id.\n"
	      "man gpadlctl tells the rest.\n", to);
}

/* --json may stand anywhere: take it out of what the command gets. */
static int take_json(int argc, char **argv)
{
	int i, n = 0;

	for (i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "--json"))
			want_json = true;
		else
			argv[n++] = argv[i];
	}
	argv[n] = NULL;
	return n;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "root", required_argument, NULL, 'r' },
		{ "version", no_argument, NULL, 'v' },
		{}
	};
	size_t i;
	int c;

	argc = take_json(argc, argv);
	while ((c = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		switch (c) {
		case 'r':
			root = optarg;
			break;
		case 'v':
			puts("gpadlctl " GPADLCTL_VERSION);
			return 0;
		case 'h':
			print_usage(stdout);
			return 0;
		default:
			print_usage(stderr);
			return STATUS_MISUSE;
		}
	}
	if (optind == argc) {
		print_usage(stderr);
		return STATUS_MISUSE;
	}
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[optind], commands[i].name))
			break;
	if (i == ARRAY_SIZE(commands))
		return misuse("gpadlctl --help lists them", "there is no command %s",
			      argv[optind]);
	argc -= optind + 1;
	argv += optind + 1;
	c = commands[i].run(argc, argv);
	if (fflush(stdout) || ferror(stdout))
		return fail("is the disk full?", "cannot write the output");
	return c;
}
