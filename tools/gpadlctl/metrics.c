// SPDX-License-Identifier: GPL-2.0-only
/*
 * metrics: for node_exporter's textfile collector, or whatever reads Prometheus' text format.
 */
#include <errno.h>
#include <string.h>

#include "gpadlctl.h"

struct metric {
	const char *name, *type, *help;
	const char *key;	/* of a field, see gpadlctl.h */
};

static const struct metric guest_metrics[] = {
	{ "region_bytes", "gauge", "Guest memory that the VMM has set.", "region-bytes" },
	{ "resident_bytes", "gauge", "Guest memory that is resident.", "resident-bytes" },
	{ "pinned_pages", "gauge", "Host pages pinned now.", "pinned-pages" },
	{ "gpadls", "gauge", "GPADLs not freed yet.", "gpadls" },
	{ "gpadl_pages", "gauge", "4 KiB pages that GPADLs describe.", "gpadl-pages" },
	{ "revoked", "gauge", "Mapped GPADLs that somebody waits for.", "revoked" },
	{ "events_pending", "gauge", "Events that the VMM has not fetched.", "events-pending" },
	{ "replies_total", "counter", "Messages for the guest.", "replies" },
	{ "bad_messages_total", "counter",
	  "Messages that were too long, or, on channels, too short.", "bad-messages" },
	{}
};

static const struct metric channel_metrics[] = {
	{ "opens_total", "counter", "Opens by the guest that succeeded.", "opens" },
	{ "opens_refused_total", "counter", "Opens by the guest that did not.", "refused" },
	{ "kicks_total", "counter", "Times that the backend was called for packets.", "kicks" },
	{ "calls_total", "counter", "Interrupts of the guest.", "calls" },
	{ "received_packets_total", "counter", "Packets from the guest.", "received" },
	{ "received_bytes_total", "counter", "Bytes of packets from the guest.",
	  "received-bytes" },
	{ "sent_packets_total", "counter", "Packets to the guest.", "sent" },
	{ "sent_bytes_total", "counter", "Bytes of packets to the guest.", "sent-bytes" },
	{ "maps_total", "counter", "Maps of GPADLs.", "maps" },
	{ "map_failures_total", "counter", "Maps of GPADLs that failed.", "map-failures" },
	{ "requests_total", "counter", "Packets whose pages were mapped.", "requests" },
	{ "request_failures_total", "counter", "Packets whose pages could not be mapped.",
	  "request-failures" },
	{ "in_flight", "gauge", "Packets whose pages are mapped now.", "in-flight" },
	{ "in_flight_milliseconds", "gauge", "How long the oldest of these has been in flight.",
	  "in-flight-ms" },
	{ "mapped_pages_total", "counter", "4 KiB pages that were mapped.", "map-pages" },
	{ "pins_total", "counter", "Host pages that were pinned for maps.", "pins" },
	{ "mapped_pages", "gauge", "4 KiB pages mapped now.", "mapped-pages" },
	{ "mapped_gpadls", "gauge", "GPADLs mapped now.", "mapped" },
	{ "revoked_milliseconds", "gauge",
	  "How long a GPADL has been waited for that the backend does not give back.",
	  "revoked-ms" },
	{ "callback_milliseconds", "gauge", "How long the backend's callback has been running.",
	  "callback-ms" },
	{}
};

static const struct field *find_field(const struct field *f, const char *key)
{
	while (f->key && strcmp(f->key, key))
		f++;
	return f;
}

static void head(const char *of, const struct metric *m)
{
	printf("# HELP vmbus_%s%s %s\n# TYPE vmbus_%s%s %s\n", of, m->name, m->help, of, m->name,
	       m->type);
}

/* Within quotes: neither a quote nor a backslash. All is ASCII and can be printed. */
static void label(const char *name, const char *value)
{
	printf("%s=\"", name);
	for (; *value; value++)
		putchar(*value == '"' || *value == '\\' ? '_' : *value);
	putchar('"');
}

static void guest_labels(const struct guest *g)
{
	printf("{partition=\"%llu\",pid=\"%d\",", g->partition, g->pid);
	label("process", g->command);
}

static void of_guests(const struct guests *all, const struct metric *m)
{
	const struct field *f = find_field(guest_fields, m->key);
	unsigned int i;

	head("guest_", m);
	for (i = 0; i < all->nr; i++) {
		if (!all->list[i].is_partition)
			continue;
		printf("vmbus_guest_%s", m->name);
		guest_labels(&all->list[i]);
		printf("} %llu\n", field_number(&all->list[i], f));
	}
}

static void of_rejects(const struct guests *all)
{
	static const struct metric m = {
		"rejects_total", "counter", "Messages that were refused, by reason.", NULL
	};
	const struct guest *g;
	unsigned int i;

	head("guest_", &m);
	for (g = all->list; g < all->list + all->nr; g++)
		for (i = 0; i < g->nr_rejects; i++) {
			printf("vmbus_guest_%s", m.name);
			guest_labels(g);
			putchar(',');
			label("reason", g->rejects[i].reason);
			printf("} %llu\n", g->rejects[i].count);
		}
}

static void of_channels(const struct guests *all, const struct metric *m)
{
	const struct field *f = find_field(channel_fields, m->key);
	const struct channel *c;
	const struct guest *g;

	head("channel_", m);
	for (g = all->list; g < all->list + all->nr; g++)
		for (c = g->channels; c < g->channels + g->nr_channels; c++) {
			printf("vmbus_channel_%s", m->name);
			guest_labels(g);
			printf(",channel=\"%llu\",", c->relid);
			label("backend", c->backend);
			putchar(',');
			label("instance", c->instance);
			printf("} %llu\n", field_number(c, f));
		}
}

/* Those may have guests: where it is not 0, what is above is not all there is. */
static void of_unreadable(const struct guests *all)
{
	static const struct metric m = {
		"unreadable_processes", "gauge",
		"Processes of other users, whose guests are missing here.", NULL
	};

	head("", &m);
	printf("vmbus_%s %u\n", m.name, all->nr_unreadable);
}

static void json_metrics(const struct guests *all)
{
	struct json j;
	unsigned int i;

	json_begin(&j, "metrics");
	json_open(&j, "guests", '[');
	for (i = 0; i < all->nr; i++)
		json_guest(&j, &all->list[i]);
	json_close(&j, ']');
	json_number(&j, "unreadable_processes", all->nr_unreadable);
	json_end(&j);
}

int command_metrics(int argc, char **argv)
{
	const struct metric *m;
	struct guests all;
	int ret;

	(void)argv;
	if (argc)
		return misuse("gpadlctl metrics >FILE.prom", "metrics takes no arguments");
	ret = guests_find(&all);
	if (ret)
		return fail("gpadlctl check", "cannot look at the processes: %s", strerror(-ret));
	if (want_json) {
		json_metrics(&all);
	} else {
		for (m = guest_metrics; m->name; m++)
			of_guests(&all, m);
		of_rejects(&all);
		for (m = channel_metrics; m->name; m++)
			of_channels(&all, m);
		of_unreadable(&all);
	}
	guests_free(&all);
	return 0;
}
