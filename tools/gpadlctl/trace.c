// SPDX-License-Identifier: GPL-2.0-only
/*
 * trace: the life of a channel, from the kernel's tracepoints, as a person reads it.
 *
 * The events go through an instance of tracefs of our own: nobody else's tracing is touched.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "gpadlctl.h"

/* ---- One event ---- */

/* Requests whose completion is to come: the oldest is overwritten. */
#define NR_REQUESTS	1024

struct request {
	__u64 partition, relid, id;
	double at;
	bool waits;
};

struct trace_state {
	double first;
	bool begun;
	struct request requests[NR_REQUESTS];
	unsigned int next;
};

/* An event of the trace, as far as it is told below */
struct event {
	char name[32];
	double at;
	const char *fields;
};

struct trace_state *trace_state_new(void)
{
	return calloc(1, sizeof(struct trace_state));
}

/* "... 12.345678: vmbus_gpadl_map: partition=0 relid=1 ..." */
static bool event_parse(struct event *e, const char *line)
{
	const char *name = NULL, *end, *time = line;

	/* The last: what comes first is the thread's name, which is whatever it likes. */
	while ((time = strstr(time, ": vmbus_")))
		name = time++;
	if (!name)
		return false;
	for (time = name; time > line && (isdigit((unsigned char)time[-1]) || time[-1] == '.'); )
		time--;
	e->at = strtod(time, NULL);
	name += 2;
	end = strchr(name, ':');
	if (!end || end == name || (size_t)(end - name) >= sizeof(e->name))
		return false;
	memcpy(e->name, name, end - name);
	e->name[end - name] = 0;
	e->fields = end + 1;
	return true;
}

/* The value of " key="; "" if there is none */
static const char *value(const struct event *e, const char *key, char buf[WORD_BYTES])
{
	size_t len = strlen(key), i = 0;
	const char *at = e->fields;

	while ((at = strstr(at, key))) {
		if (at > e->fields && at[-1] == ' ' && at[len] == '=')
			break;
		at += len;
	}
	if (at)
		for (at += len + 1; isgraph((unsigned char)*at) && i < WORD_BYTES - 1; at++)
			buf[i++] = *at;
	buf[i] = 0;
	return buf;
}

static __u64 number(const struct event *e, const char *key)
{
	char buf[WORD_BYTES];

	return strtoull(value(e, key, buf), NULL, 0);
}

static const char *ns_text(__u64 ns, char buf[32])
{
	if (!ns)
		snprintf(buf, 32, "a time that is not known");
	else if (ns < 10000)
		snprintf(buf, 32, "%llu ns", ns);
	else if (ns < 10000000)
		snprintf(buf, 32, "%llu us", ns / 1000);
	else
		snprintf(buf, 32, "%llu ms", ns / 1000000);
	return buf;
}

static void on_created(struct trace_state *t, const struct event *e, char *out, size_t size)
{
	char access[WORD_BYTES], status[WORD_BYTES];

	(void)t;
	if (number(e, "status"))
		snprintf(out, size, "guest   is refused GPADL %#llx, status %s",
			 number(e, "handle"), value(e, "status", status));
	else
		snprintf(out, size,
			 "guest   makes GPADL %#llx: %llu pages in %llu ranges, %llu messages, %s",
			 number(e, "handle"), number(e, "pages"), number(e, "ranges"),
			 number(e, "messages"), strcmp(value(e, "access", access), "ro") ?
			 "read and write" : "read only");
}

static void on_map(struct trace_state *t, const struct event *e, char *out, size_t size)
{
	char ret[WORD_BYTES], time[32];
	int err = atoi(value(e, "ret", ret));

	(void)t;
	ns_text(number(e, "ns"), time);
	if (err)
		snprintf(out, size, "backend cannot map GPADL %#llx: %s; after %s",
			 number(e, "handle"), strerror(-err), time);
	else
		snprintf(out, size,
			 "backend maps GPADL %#llx: %llu pages pinned, %llu entries; took %s",
			 number(e, "handle"), number(e, "pinned"), number(e, "entries"), time);
}

static void on_unmapped(struct trace_state *t, const struct event *e, char *out, size_t size)
{
	char time[32];

	(void)t;
	snprintf(out, size, "backend has unmapped GPADL %#llx; took %s",
		 number(e, "handle"), ns_text(number(e, "ns"), time));
}

static void on_gpa_map(struct trace_state *t, const struct event *e, char *out, size_t size)
{
	char ret[WORD_BYTES], time[32];
	int err = atoi(value(e, "ret", ret));

	(void)t;
	ns_text(number(e, "ns"), time);
	if (err)
		snprintf(out, size, "backend cannot map the pages of a packet: %s; after %s",
			 strerror(-err), time);
	else
		snprintf(out, size,
			 "backend maps the pages of packet %llu: %llu pages, %llu pinned; took %s",
			 number(e, "request"), number(e, "pages"), number(e, "pinned"), time);
}

static void on_gpa_unmap(struct trace_state *t, const struct event *e, char *out, size_t size)
{
	char time[32];

	(void)t;
	snprintf(out, size, "backend is done with the pages of packet %llu; after %s",
		 number(e, "request"), ns_text(number(e, "ns"), time));
}

static void on_reject(struct trace_state *t, const struct event *e, char *out, size_t size)
{
	char reason[WORD_BYTES];

	(void)t;
	snprintf(out, size,
		 "guest   sends a message on GPADL %#llx that does not do what it is for: %s",
		 number(e, "handle"), value(e, "reason", reason));
}

static void on_callback(struct trace_state *t, const struct event *e, char *out, size_t size)
{
	char name[WORD_BYTES], time[32];

	(void)t;
	snprintf(out, size, "backend returns from %s(); took %s", value(e, "callback", name),
		 ns_text(number(e, "ns"), time));
}

static void on_receive(struct trace_state *t, const struct event *e, char *out, size_t size)
{
	struct request *r = &t->requests[t->next++ % NR_REQUESTS];

	*r = (struct request){
		number(e, "partition"), number(e, "relid"), number(e, "trans_id"), e->at, true
	};
	snprintf(out, size, "guest   sends a packet of type %llu, %llu bytes, request %#llx",
		 number(e, "type"), number(e, "len"), r->id);
}

/* The latest of that number: a guest may use it again. */
static struct request *find_request(struct trace_state *t, const struct event *e)
{
	__u64 partition = number(e, "partition"), relid = number(e, "relid");
	__u64 id = number(e, "trans_id");
	struct request *r;
	unsigned int i;

	for (i = 1; i <= NR_REQUESTS; i++) {
		r = &t->requests[(t->next - i) % NR_REQUESTS];
		if (r->waits && r->id == id && r->relid == relid && r->partition == partition)
			return r;
	}
	return NULL;
}

#define TYPE_COMPLETION	11

static void on_send(struct trace_state *t, const struct event *e, char *out, size_t size)
{
	struct request *r = NULL;
	char time[32];

	if (number(e, "type") == TYPE_COMPLETION)
		r = find_request(t, e);
	if (r)
		snprintf(out, size, "backend completes request %#llx, %llu bytes; after %s",
			 r->id, number(e, "len"), ns_text((e->at - r->at) * 1e9, time));
	else
		snprintf(out, size, "backend sends a packet of type %llu, %llu bytes",
			 number(e, "type"), number(e, "len"));
	if (r)
		r->waits = false;
}

static const struct {
	const char *name;
	void (*tell)(struct trace_state *t, const struct event *e, char *out, size_t size);
	const char *text;	/* and the GPADL's number, if there is nothing else to tell */
} events[] = {
	{ "vmbus_gpadl_created", on_created, NULL },
	{ "vmbus_gpadl_map", on_map, NULL },
	{ "vmbus_gpadl_unmap", NULL, "backend begins to unmap" },
	{ "vmbus_gpadl_unmapped", on_unmapped, NULL },
	{ "vmbus_gpadl_teardown", NULL, "guest   tears down" },
	{ "vmbus_gpadl_revoke", NULL, "backend is asked to give back" },
	{ "vmbus_gpadl_torndown", NULL, "guest   is told of the end of" },
	{ "vmbus_gpadl_reject", on_reject, NULL },
	{ "vmbus_gpa_map", on_gpa_map, NULL },
	{ "vmbus_gpa_unmap", on_gpa_unmap, NULL },
	{ "vmbus_host_callback", on_callback, NULL },
	{ "vmbus_host_receive", on_receive, NULL },
	{ "vmbus_host_send", on_send, NULL },
};

bool trace_line(struct trace_state *t, const char *line, char *out, size_t size)
{
	char text[256];
	struct event e;
	size_t i;

	if (!event_parse(&e, line))
		return false;
	for (i = 0; i < ARRAY_SIZE(events); i++)
		if (!strcmp(e.name, events[i].name))
			break;
	if (i == ARRAY_SIZE(events))
		return false;
	if (!t->begun)
		t->first = e.at;
	t->begun = true;
	if (events[i].tell)
		events[i].tell(t, &e, text, sizeof(text));
	else
		snprintf(text, sizeof(text), "%s GPADL %#llx", events[i].text,
			 number(&e, "handle"));
	snprintf(out, size, "%+12.6f s  %llu:%-4llu %s", e.at - t->first,
		 number(&e, "partition"), number(&e, "relid"), text);
	return true;
}

/* ---- tracefs ---- */

static bool ended;

static void on_signal(int sig)
{
	(void)sig;
	__atomic_store_n(&ended, true, __ATOMIC_RELAXED);
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* Of one event; an event that has no such field is left off. */
static int enable_event(const char *instance, const char *name, const char *filter)
{
	const char *system = strstr(name, "_host_") ? "vmbus_host" : "vmbus_gpadl";
	int ret = 0;

	if (*filter)
		ret = write_file(rooted("%s/events/%s/%s/filter", instance, system, name),
				 filter);
	return ret ?: write_file(rooted("%s/events/%s/%s/enable", instance, system, name), "1");
}

static int enable_events(const char *instance, const char *filter)
{
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(events); i++) {
		ret = enable_event(instance, events[i].name, filter);
		if (ret)
			return ret;
	}
	return 0;
}

static void tell_line(struct trace_state *t, char *line)
{
	static const char format[] = "{\"text\":\"%s\"}\n";
	char out[512], *c;

	if (!trace_line(t, line, out, sizeof(out)))
		return;
	/* One document a line: it is a stream. */
	for (c = out; want_json && *c; c++)
		if (*c == '"' || *c == '\\')
			*c = '_';
	if (want_json)
		printf(format, out);
	else
		puts(out);
	fflush(stdout);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Whole lines of what was read; returns how much is left of the last. */
static size_t tell_lines(struct trace_state *t, char *buf, size_t len, size_t size)
{
	char *line = buf, *end;

	while ((end = memchr(line, '\n', len - (line - buf)))) {
		*end = 0;
		tell_line(t, line);
		line = end + 1;
	}
	len -= line - buf;
	/* No event is as long as that. */
	if (len == size)
		return 0;
	memmove(buf, line, len);
	return len;
}

/* Returns 0 at the end of a file, or of the time, or when it is ended; else a negative errno. */
static int follow(int fd, double seconds)
{
	struct trace_state *t = trace_state_new();
	struct pollfd p = { .fd = fd, .events = POLLIN };
	double begin = now();
	char buf[16384];
	size_t len = 0;
	ssize_t n = 0;
	int ret = 0;

	if (!t)
		return -ENOMEM;
	while (!__atomic_load_n(&ended, __ATOMIC_RELAXED)) {
		n = read(fd, buf + len, sizeof(buf) - len);
		if (n > 0)
			len = tell_lines(t, buf, len + n, sizeof(buf));
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			ret = -errno;
		/* Whoever read it may have gone: main() says so. */
		if (!n || ret || ferror(stdout))
			break;
		if (seconds && now() - begin >= seconds)
			break;
		if (n < 0)
			poll(&p, 1, 200);
	}
	free(t);
	return ret;
}

/* "3" or "0:3", as a filter of events; "" is everything. Returns whether it is one. */
static bool filter_of(const char *which, char *filter, size_t size)
{
	unsigned int partition, relid;
	char more;

	*filter = 0;
	if (!which)
		return true;
	if (sscanf(which, "%u:%u%c", &partition, &relid, &more) == 2)
		snprintf(filter, size, "id==%u && relid==%u", partition, relid);
	else if (sscanf(which, "%u%c", &relid, &more) == 1)
		snprintf(filter, size, "relid==%u", relid);
	return *filter;
}

/*
 * So that the instance is removed, whoever ends it: also an ssh that breaks. What is ignored,
 * by nohup for example, ends nothing.
 */
static void catch_signals(void)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE };
	struct sigaction action = { .sa_handler = on_signal }, old;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(signals); i++)
		if (!sigaction(signals[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
}

/* An exit status */
static int trace_instance(const char *instance, const char *filter, double seconds)
{
	int ret = enable_events(instance, filter), fd;

	if (ret)
		return fail("modprobe vmbus_host", "cannot switch the events on: %s",
			    strerror(-ret));
	fd = open(rooted("%s/trace_pipe", instance), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ret = fd < 0 ? -errno : follow(fd, seconds);
	if (fd >= 0)
		close(fd);
	return ret ? fail("gpadlctl check", "cannot read the trace: %s", strerror(-ret)) : 0;
}

static int trace_live(const char *filter, double seconds)
{
	char instance[64], next[128];
	int ret;

	catch_signals();
	snprintf(instance, sizeof(instance), "/sys/kernel/tracing/instances/gpadlctl.%d",
		 getpid());
	if (mkdir(rooted("%s", instance), 0700)) {
		/* SIGKILL leaves it, and the number is that of another process some day. */
		snprintf(next, sizeof(next), "rmdir %s: a gpadlctl that was killed has left it",
			 instance);
		return fail(errno == EEXIST ? next :
			    errno == EACCES || errno == EPERM ? "run it as root" :
			    "mount -t tracefs none /sys/kernel/tracing",
			    "cannot trace: %s: %s", instance, strerror(errno));
	}
	ret = trace_instance(instance, filter, seconds);
	if (rmdir(rooted("%s", instance)))
		ret = fail("rmdir it", "%s is left, and its events are on: %s", instance,
			   strerror(errno));
	return ret;
}

/* Of a copy; an exit status */
static int trace_copy(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	int ret = fd < 0 ? -errno : follow(fd, 0);

	if (fd >= 0)
		close(fd);
	return ret ? fail("give a file that was copied from /sys/kernel/tracing/trace", "%s: %s",
			  file, strerror(-ret)) : 0;
}

/* More than 0, and a time that passes. Returns whether it is one. */
static bool seconds_of(const char *text, double *seconds)
{
	char *end;

	*seconds = strtod(text, &end);
	return end != text && !*end && *seconds > 0 && *seconds < 1e9;
}

int command_trace(int argc, char **argv)
{
	const char *which = NULL, *file = NULL;
	double seconds = 0;
	char filter[64];
	int i;

	for (i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "--seconds") && i + 1 < argc) {
			if (!seconds_of(argv[++i], &seconds))
				return misuse("--seconds 10", "%s is no time", argv[i]);
		} else if (!strcmp(argv[i], "--file") && i + 1 < argc) {
			file = argv[++i];
		} else if (*argv[i] != '-' && !which) {
			which = argv[i];
		} else {
			return misuse("gpadlctl trace [PARTITION:]CHANNEL", "what is %s?", argv[i]);
		}
	}
	/* A copy is read as it is, to its end. */
	if (file && (which || seconds))
		return misuse("gpadlctl trace --file FILE",
			      "--file shows all of a copy: no channel, no --seconds");
	if (!filter_of(which, filter, sizeof(filter)))
		return misuse("gpadlctl show lists the channels", "%s is no channel", which);
	return file ? trace_copy(file) : trace_live(filter, seconds);
}
