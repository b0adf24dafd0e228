// SPDX-License-Identifier: GPL-2.0-only
/*
 * top: what the channels do per second, the busiest first. Plain escape codes on a terminal;
 * elsewhere one look over a second.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "gpadlctl.h"

/* What one channel has done between two looks */
struct rate {
	const struct guest *g;
	const struct channel *c;
	double received, received_bytes, sent, sent_bytes, kicks, maps, calls;
};

static struct termios saved;
static bool ended;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static const struct channel *before(const struct guests *old, const struct guest *g,
				    const struct channel *c)
{
	unsigned int i;

	for (i = 0; i < old->nr; i++)
		if (old->list[i].is_partition && old->list[i].partition == g->partition &&
		    old->list[i].pid == g->pid)
			return guest_channel(&old->list[i], c->relid);
	return NULL;
}

/* A counter that has become less is that of another channel with the number. */
static double per_second(__u64 is, __u64 was, double seconds)
{
	return is > was && seconds > 0 ? (is - was) / seconds : 0;
}

static struct rate rate_of(const struct guests *old, const struct guest *g,
			   const struct channel *c, double seconds)
{
	const struct channel *o = before(old, g, c);
	struct rate r = { .g = g, .c = c };

	/* One that is new has no rate yet. */
	if (!o)
		o = c;
	r.received = per_second(c->received, o->received, seconds);
	r.received_bytes = per_second(c->received_bytes, o->received_bytes, seconds);
	r.sent = per_second(c->sent, o->sent, seconds);
	r.sent_bytes = per_second(c->sent_bytes, o->sent_bytes, seconds);
	r.kicks = per_second(c->kicks, o->kicks, seconds);
	r.maps = per_second(c->maps, o->maps, seconds);
	r.calls = per_second(c->calls, o->calls, seconds);
	return r;
}

static int compare_rates(const void *a, const void *b)
{
	const struct rate *x = a, *y = b;
	double left = x->received + x->sent + x->maps, right = y->received + y->sent + y->maps;

	if (left != right)
		return left < right ? 1 : -1;
	if (x->g->partition != y->g->partition)
		return x->g->partition < y->g->partition ? -1 : 1;
	return x->c->relid < y->c->relid ? -1 : x->c->relid > y->c->relid;
}

/* NULL if there is no memory, or no channel: then *nr is 0 */
static struct rate *rates(const struct guests *old, const struct guests *all, double seconds,
			  unsigned int *nr)
{
	struct rate *list;
	unsigned int i, k;

	*nr = 0;
	for (i = 0; i < all->nr; i++)
		*nr += all->list[i].nr_channels;
	list = *nr ? calloc(*nr, sizeof(*list)) : NULL;
	*nr = 0;
	for (i = 0; list && i < all->nr; i++)
		for (k = 0; k < all->list[i].nr_channels; k++)
			list[(*nr)++] = rate_of(old, &all->list[i], &all->list[i].channels[k],
						seconds);
	if (list)
		qsort(list, *nr, sizeof(*list), compare_rates);
	return list;
}

static void print_rate(const struct rate *r)
{
	char in[32], in_bytes[32], out[32], out_bytes[32], kicks[32], maps[32], calls[32];

	printf("%9llu %7llu %-16s %-9s %9s %11s %9s %11s %8s %8s %8s\n",
	       r->g->partition, r->c->relid, r->c->backend, r->c->state,
	       count_text(r->received, in), bytes_text(r->received_bytes, in_bytes),
	       count_text(r->sent, out), bytes_text(r->sent_bytes, out_bytes),
	       count_text(r->kicks, kicks), count_text(r->calls, calls),
	       count_text(r->maps, maps));
}

struct room {
	unsigned int lines;
};

static void print_problem(void *arg, const char *sentence)
{
	struct room *room = arg;

	if (!room->lines)
		return;
	room->lines--;
	printf("! %s\n", sentence);
}

static void print_all(const struct guests *old, const struct guests *all, double seconds,
		      unsigned int lines)
{
	struct room room = { lines / 3 };
	struct rate *list;
	unsigned int i, nr;

	printf("%9s %7s %-16s %-9s %9s %11s %9s %11s %8s %8s %8s\n", "PARTITION", "CHANNEL",
	       "BACKEND", "STATE", "IN/s", "IN/s", "OUT/s", "OUT/s", "KICKS/s", "CALLS/s",
	       "MAPS/s");
	list = rates(old, all, seconds, &nr);
	for (i = 0; i < nr && i + room.lines + 3 < lines; i++)
		print_rate(&list[i]);
	if (i < nr)
		printf("... and %u more channels\n", nr - i);
	free(list);
	for (i = 0; i < all->nr; i++)
		guest_problems(&all->list[i], print_problem, &room);
	if (!all->nr)
		puts("No process has /dev/vmbus-host open.");
}

static void json_all(const struct guests *old, const struct guests *all, double seconds)
{
	struct rate *list;
	unsigned int i, nr;
	struct json j;

	json_begin(&j, "top");
	json_number(&j, "milliseconds", seconds * 1000);
	json_open(&j, "channels", '[');
	list = rates(old, all, seconds, &nr);
	for (i = 0; i < nr; i++) {
		json_open(&j, NULL, '{');
		json_number(&j, "partition", list[i].g->partition);
		json_number(&j, "pid", list[i].g->pid);
		json_number(&j, "relid", list[i].c->relid);
		json_string(&j, "backend", list[i].c->backend);
		json_string(&j, "state", list[i].c->state);
		json_number(&j, "received_per_second", list[i].received);
		json_number(&j, "received_bytes_per_second", list[i].received_bytes);
		json_number(&j, "sent_per_second", list[i].sent);
		json_number(&j, "sent_bytes_per_second", list[i].sent_bytes);
		json_number(&j, "kicks_per_second", list[i].kicks);
		json_number(&j, "calls_per_second", list[i].calls);
		json_number(&j, "maps_per_second", list[i].maps);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_end(&j);
	free(list);
}

/* ---- The terminal ---- */

static void on_signal(int number)
{
	(void)number;
	__atomic_store_n(&ended, true, __ATOMIC_RELAXED);
}

static void terminal_restore(void)
{
	tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
}

static bool terminal_begin(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct termios raw;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) ||
	    tcgetattr(STDIN_FILENO, &saved))
		return false;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	raw = saved;
	raw.c_lflag &= ~(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	/* Another screen, without a cursor */
	fputs("\033[?1049h\033[?25l", stdout);
	return true;
}

static unsigned int terminal_lines(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_row < 8 ? 24 : size.ws_row;
}

/* Wait for a second, or for a key. Returns whether to end. */
static bool wait_key(int ms)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	char key;

	if (poll(&in, 1, ms) <= 0)
		return __atomic_load_n(&ended, __ATOMIC_RELAXED);
	return read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q';
}

static void print_head(const struct guests *all)
{
	/* Home; erase what is behind: no flicker */
	printf("\033[H\033[J\033[1mgpadlctl top\033[0m, every second; q ends");
	if (all->hidden)
		printf("; processes of other users are hidden");
	else if (all->nr_unreadable)
		printf("; %u processes of other users not seen", all->nr_unreadable);
	puts("\n");
}

/* 0, or what guests_find() returns */
static int run_live(struct guests *old, double since)
{
	struct guests all;
	double at;
	int ret;

	while (!wait_key(1000)) {
		ret = guests_find(&all);
		if (ret) {
			guests_free(&all);
			return ret;
		}
		at = now();
		print_head(&all);
		print_all(old, &all, at - since, terminal_lines() - 3);
		fflush(stdout);
		guests_free(old);
		*old = all;
		since = at;
	}
	return 0;
}

static int run_once(struct guests *old, double since)
{
	struct guests all;
	int ret;

	sleep(1);
	ret = guests_find(&all);
	if (!ret && want_json)
		json_all(old, &all, now() - since);
	else if (!ret)
		print_all(old, &all, now() - since, 10000);
	guests_free(&all);
	return ret;
}

int command_top(int argc, char **argv)
{
	struct guests old;
	double since;
	int ret;

	(void)argv;
	if (argc)
		return misuse("gpadlctl top", "top takes no arguments");
	ret = guests_find(&old);
	since = now();
	if (!ret && !want_json && terminal_begin()) {
		ret = run_live(&old, since);
		terminal_restore();
	} else if (!ret) {
		ret = run_once(&old, since);
	}
	guests_free(&old);
	/* When the terminal is what it was: the other screen is gone. */
	return ret ? fail("gpadlctl check", "cannot look at the processes: %s", strerror(-ret)) : 0;
}
