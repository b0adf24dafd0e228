// SPDX-License-Identifier: GPL-2.0-only
/*
 * list and show: the guests, and one of them in full.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gpadlctl.h"

/* What is not seen, and why: to stderr, so that tables stay tables. */
static void say_unseen(const struct guests *all, const struct orphans *orphans)
{
	const char *next = geteuid() ? "run gpadlctl as root, or as the VMM's user" :
			   "run gpadlctl with CAP_SYS_PTRACE, in the host's PID namespace";

	if (all->hidden)
		fprintf(stderr, "Processes of other users are hidden (hidepid of /proc).\n"
			"  next: %s\n", next);
	else if (all->nr_unreadable)
		fprintf(stderr, "Files of %u processes of other users could not be looked at.\n"
			"  next: %s\n", all->nr_unreadable, next);
	else if (orphans->unreadable && geteuid())
		fputs("Partitions whose VMM has ended are shown to root only.\n", stderr);
}

static int look(struct guests *all, struct orphans *orphans)
{
	int ret;

	*all = (struct guests){};
	ret = orphans_begin(orphans) ?: guests_find(all);
	if (!ret) {
		orphans_end(orphans, all);
		return 0;
	}
	guests_free(all);
	orphans_free(orphans);
	if (ret == -EPROTO)
		return fail("install the gpadlctl of the version that the modules have",
			    "this host's vmbus_host.ko speaks another version of fdinfo");
	return fail("is /proc mounted?", "cannot look at the processes: %s", strerror(-ret));
}

static void count_problem(void *arg, const char *sentence)
{
	(void)arg;
	(void)sentence;
}

static void json_orphans(struct json *j, const struct orphans *orphans)
{
	const struct orphan *o;

	json_open(j, "orphans", '[');
	for (o = orphans->list; o < orphans->list + orphans->nr; o++) {
		if (o->unseen)
			continue;
		json_open(j, NULL, '{');
		json_number(j, "partition", o->partition);
		json_number(j, "pinned_pages", o->pinned_pages);
		json_number(j, "mapped", o->mapped);
		json_number(j, "relid", o->relid);
		json_number(j, "handle", o->handle);
		json_number(j, "age", o->age);
		json_number(j, "request_pages", o->request_pages);
		json_number(j, "in_flight", o->in_flight);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void print_in_flight(const struct orphan *o)
{
	printf("  channel %llu: %llu request%s in flight", o->most_relid, o->most,
	       o->most == 1 ? " is" : "s are");
	if (o->in_flight > o->most)
		printf(", %llu in all", o->in_flight);
	puts(": a disk, or its backstore, does not answer (gpadlctl disk list)");
}

static void print_orphans(const struct orphans *orphans)
{
	const struct orphan *o;
	char age[32];

	for (o = orphans->list; o < orphans->list + orphans->nr; o++) {
		if (o->unseen) {
			printf("\nPartition %u: process %d made it; ", o->partition, o->owner);
			puts("who has its file open cannot be seen");
			continue;
		}
		printf("\nPartition %u: its VMM has ended; ", o->partition);
		printf("%llu host pages are still pinned", o->pinned_pages);
		if (o->request_pages)
			printf(", and %llu for requests", o->request_pages);
		putchar('\n');
		if (o->mapped)
			printf("  GPADL %#llx, channel %llu: mapped for %s; %u mapped in all\n",
			       o->handle, o->relid, time_text(o->age * 1000, age), o->mapped);
		if (o->in_flight)
			print_in_flight(o);
	}
}

static void json_guests(const char *command, const struct guests *all, const struct guest *one,
			const struct orphans *orphans)
{
	struct json j;
	unsigned int i;

	json_begin(&j, command);
	json_open(&j, "guests", '[');
	for (i = 0; i < all->nr; i++)
		if (!one || one == &all->list[i])
			json_guest(&j, &all->list[i]);
	json_close(&j, ']');
	json_orphans(&j, orphans);
	json_number(&j, "unreadable_processes", all->nr_unreadable);
	json_end(&j);
}

/* ---- list ---- */

static void list_line(const struct guest *g)
{
	unsigned int open = 0, stuck, i;
	char memory[32], pinned[32];

	if (!g->is_partition) {
		printf("%9s %8d %-16s not a guest yet\n", "-", g->pid, g->command);
		return;
	}
	for (i = 0; i < g->nr_channels; i++)
		open += !strcmp(g->channels[i].state, "open");
	stuck = guest_problems(g, count_problem, NULL);
	printf("%9llu %8d %-16s %10s %10s %4u of %-4u %7llu ", g->partition, g->pid,
	       g->command, bytes_text(g->region_bytes, memory),
	       bytes_text(g->pinned_pages * g->page_size, pinned), open, g->nr_channels,
	       g->gpadls);
	if (stuck)
		printf("%u stuck: gpadlctl show %llu\n", stuck, g->partition);
	else
		puts("well");
}

int command_list(int argc, char **argv)
{
	struct orphans orphans;
	struct guests all;
	unsigned int i;

	(void)argv;
	if (argc)
		return misuse("gpadlctl list", "list takes no arguments");
	if (look(&all, &orphans))
		return 1;
	if (want_json) {
		json_guests("list", &all, NULL, &orphans);
	} else if (!all.nr) {
		puts("No process has /dev/vmbus-host open.");
		print_orphans(&orphans);
	} else {
		printf("%9s %8s %-16s %10s %10s %12s %7s %s\n", "PARTITION", "PID", "PROCESS",
		       "MEMORY", "PINNED", "CHANNELS OPEN", "GPADLS", "STATE");
		for (i = 0; i < all.nr; i++)
			list_line(&all.list[i]);
		print_orphans(&orphans);
	}
	say_unseen(&all, &orphans);
	guests_free(&all);
	orphans_free(&orphans);
	return 0;
}

/* ---- show ---- */

static void show_memory(const struct guest *g)
{
	char a[32], b[32], c[32];

	printf("  memory   %s in %llu regions, %s resident; %s pinned now\n",
	       bytes_text(g->region_bytes, a), g->regions, bytes_text(g->resident_bytes, b),
	       bytes_text(g->pinned_pages * g->page_size, c));
	if (g->pinning_total)
		printf("           a resident region is being pinned: %llu of %llu pages\n",
		       g->pinning_done, g->pinning_total);
	printf("  GPADLs   %llu, which describe %s\n", g->gpadls,
	       bytes_text(g->gpadl_pages * 4096, a));
	if (g->events_pending)
		printf("  events   %llu that the VMM has not fetched\n", g->events_pending);
	if (g->reset_pending)
		puts("  reset    asked for, and not done yet");
}

static void show_rejects(const struct guest *g)
{
	bool any = false;
	unsigned int i;

	for (i = 0; i < g->nr_rejects; i++) {
		if (!g->rejects[i].count)
			continue;
		printf("%s%s %llu", any ? ", " : "  refused  ", g->rejects[i].reason,
		       g->rejects[i].count);
		any = true;
	}
	if (any)
		putchar('\n');
}

static void show_channel(const struct channel *c)
{
	char state[64], in[32], out[32], maps[32];

	snprintf(state, sizeof(state), "%s%s", c->state, c->released ? ", released" :
		 c->rescinded ? ", rescinded" : c->to_close ? ", to close" : "");
	printf("  %7llu %4llu %-16s %-20s %9s %9s %9s %7llu of %-5llu\n",
	       c->relid, c->index, c->backend, state, count_text(c->received, in),
	       count_text(c->sent, out), count_text(c->maps, maps), c->mapped,
	       c->assembling + c->ready + c->mapping + c->mapped + c->unmapping);
	if (*c->words)
		printf("          %s\n", c->words);
}

static void print_problem(void *arg, const char *sentence)
{
	bool *any = arg;

	if (!*any)
		puts("\n  What is wrong:");
	*any = true;
	printf("  - %s\n", sentence);
}

static void show_guest(const struct guest *g)
{
	bool any = false;
	unsigned int i;

	if (!g->is_partition) {
		printf("Process %d (%s) has /dev/vmbus-host open; it is not a guest yet.\n", g->pid,
		       g->command);
		return;
	}
	printf("Partition %llu: process %d (%s)\n", g->partition, g->pid, g->command);
	show_memory(g);
	show_rejects(g);
	if (g->nr_channels)
		printf("\n  %7s %4s %-16s %-20s %9s %9s %9s %16s\n", "CHANNEL", "SUB", "BACKEND",
		       "STATE", "RECEIVED", "SENT", "MAPS", "GPADLS MAPPED");
	for (i = 0; i < g->nr_channels; i++)
		show_channel(&g->channels[i]);
	guest_problems(g, print_problem, &any);
}

int command_show(int argc, char **argv)
{
	struct orphans orphans;
	struct guest *one = NULL;
	struct guests all;
	unsigned int i;
	int ret = 0;

	if (argc > 1)
		return misuse("gpadlctl show 0", "show takes one guest, or none for all");
	if (look(&all, &orphans))
		return 1;
	if (argc)
		one = guests_select(&all, argv[0]);
	if (argc && !one) {
		ret = fail("gpadlctl list", "there is no guest %s that can be seen", argv[0]);
	} else if (want_json) {
		json_guests("show", &all, one, &orphans);
	} else {
		for (i = 0; i < all.nr; i++) {
			if (one && one != &all.list[i])
				continue;
			if (i && !one)
				putchar('\n');
			show_guest(&all.list[i]);
		}
		if (!all.nr)
			puts("No process has /dev/vmbus-host open.");
		if (!one)
			print_orphans(&orphans);
	}
	say_unseen(&all, &orphans);
	guests_free(&all);
	orphans_free(&orphans);
	return ret;
}
