// SPDX-License-Identifier: GPL-2.0-only
/*
 * The text of fdinfo, taken to pieces (Documentation/fdinfo.rst). Whatever stands in it: what
 * is not known is ignored, what is too long is cut off, what is missing is 0.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gpadlctl.h"

/* More than a host gives */
#define MAX_CHANNELS	4096
#define MAX_REVOKES	65536

#define NUMBER(type, key, member)	{ key, offsetof(struct type, member), false }
#define WORD(type, key, member)		{ key, offsetof(struct type, member), true }

const struct field guest_fields[] = {
	NUMBER(guest, "partition", partition),
	NUMBER(guest, "owner", owner),
	NUMBER(guest, "regions", regions),
	NUMBER(guest, "region-bytes", region_bytes),
	NUMBER(guest, "resident-bytes", resident_bytes),
	NUMBER(guest, "page-size", page_size),
	NUMBER(guest, "pinned-pages", pinned_pages),
	NUMBER(guest, "gpadls", gpadls),
	NUMBER(guest, "gpadl-pages", gpadl_pages),
	NUMBER(guest, "revoked", revoked),
	NUMBER(guest, "replies", replies),
	NUMBER(guest, "replies-waiting", replies_waiting),
	NUMBER(guest, "bad-messages", bad_messages),
	NUMBER(guest, "events-pending", events_pending),
	NUMBER(guest, "reset-pending", reset_pending),
	NUMBER(guest, "channels", nr_endpoints),
	{}
};

const struct field channel_fields[] = {
	NUMBER(channel, "relid", relid),
	NUMBER(channel, "primary", primary),
	NUMBER(channel, "index", index),
	WORD(channel, "type", type),
	WORD(channel, "instance", instance),
	WORD(channel, "backend", backend),
	WORD(channel, "state", state),
	NUMBER(channel, "state-ms", state_ms),
	WORD(channel, "callback", callback),
	NUMBER(channel, "callback-ms", callback_ms),
	NUMBER(channel, "to-close", to_close),
	NUMBER(channel, "rescinded", rescinded),
	NUMBER(channel, "released", released),
	WORD(channel, "asked", asked),
	NUMBER(channel, "broken-in", broken_in),
	NUMBER(channel, "broken-out", broken_out),
	NUMBER(channel, "opens", opens),
	NUMBER(channel, "refused", refused),
	NUMBER(channel, "kicks", kicks),
	NUMBER(channel, "calls", calls),
	NUMBER(channel, "received", received),
	NUMBER(channel, "received-bytes", received_bytes),
	NUMBER(channel, "sent", sent),
	NUMBER(channel, "sent-bytes", sent_bytes),
	NUMBER(channel, "maps", maps),
	NUMBER(channel, "map-failures", map_failures),
	NUMBER(channel, "requests", requests),
	NUMBER(channel, "request-failures", request_failures),
	NUMBER(channel, "in-flight", in_flight),
	NUMBER(channel, "in-flight-ms", in_flight_ms),
	NUMBER(channel, "in-flight-revoked", in_flight_revoked),
	NUMBER(channel, "in-flight-revoked-ms", in_flight_revoked_ms),
	NUMBER(channel, "map-pages", map_pages),
	NUMBER(channel, "pins", pins),
	NUMBER(channel, "assembling", assembling),
	NUMBER(channel, "ready", ready),
	NUMBER(channel, "mapping", mapping),
	NUMBER(channel, "mapped", mapped),
	NUMBER(channel, "unmapping", unmapping),
	NUMBER(channel, "mapped-pages", mapped_pages),
	NUMBER(channel, "revoked", revoked),
	NUMBER(channel, "revoked-ms", revoked_ms),
	WORD(channel, "worker", worker),
	{}
};

const struct field revoke_fields[] = {
	NUMBER(revoke, "relid", relid),
	NUMBER(revoke, "handle", handle),
	WORD(revoke, "why", why),
	WORD(revoke, "state", state),
	NUMBER(revoke, "armed", armed),
	NUMBER(revoke, "told", told),
	NUMBER(revoke, "ms", ms),
	NUMBER(revoke, "pages", pages),
	WORD(revoke, "backend", backend),
	{}
};

/* A piece of the text, which has no end of its own */
struct piece {
	const char *at;
	size_t len;
};

static bool piece_is(struct piece p, const char *s)
{
	return p.len == strlen(s) && !memcmp(p.at, s, p.len);
}

/* What cannot be printed would drive a terminal. */
static void piece_copy(struct piece p, char *to, size_t size)
{
	size_t i, len = p.len < size ? p.len : size - 1;

	for (i = 0; i < len; i++)
		to[i] = p.at[i] >= ' ' && p.at[i] <= '~' ? p.at[i] : '?';
	to[len] = 0;
}

/* Decimal, or 0x and hexadecimal; what is none is 0, what is too large the largest. */
static __u64 piece_number(struct piece p)
{
	char buf[24];

	if (!p.len || p.len >= sizeof(buf) || p.at[0] < '0' || p.at[0] > '9')
		return 0;
	memcpy(buf, p.at, p.len);
	buf[p.len] = 0;
	return strtoull(buf, NULL, 0);
}

/* The next of what is parted by @by; false at the end. */
static bool piece_next(struct piece *rest, char by, struct piece *p)
{
	const char *end;

	while (rest->len && *rest->at == by)
		rest->at++, rest->len--;
	if (!rest->len)
		return false;
	end = memchr(rest->at, by, rest->len);
	p->at = rest->at;
	p->len = end ? (size_t)(end - rest->at) : rest->len;
	rest->at += p->len;
	rest->len -= p->len;
	return true;
}

/* "key=value" */
static bool piece_pair(struct piece p, struct piece *key, struct piece *value)
{
	const char *is = memchr(p.at, '=', p.len);

	if (!is)
		return false;
	*key = (struct piece){ p.at, is - p.at };
	*value = (struct piece){ is + 1, p.at + p.len - is - 1 };
	return true;
}

static void field_set(void *to, const struct field *fields, struct piece key,
		      struct piece value)
{
	const struct field *f;

	for (f = fields; f->key; f++) {
		if (!piece_is(key, f->key))
			continue;
		if (f->is_word)
			piece_copy(value, (char *)to + f->at, WORD_BYTES);
		else
			*(__u64 *)((char *)to + f->at) = piece_number(value);
	}
}

static void pairs_parse(struct piece line, void *to, const struct field *fields)
{
	struct piece p, key, value;

	while (piece_next(&line, ' ', &p))
		if (piece_pair(p, &key, &value))
			field_set(to, fields, key, value);
}

/* One more element, zeroed. NULL if there are too many, or no memory. */
static void *array_add(void **array, unsigned int *nr, unsigned int max, size_t size)
{
	char *more;

	if (*nr >= max)
		return NULL;
	/* Room is doubled when it is used up: at every power of 2. */
	if (!(*nr & (*nr - 1))) {
		more = realloc(*array, (*nr ? 2 * *nr : 1) * size);
		if (!more)
			return NULL;
		*array = more;
	}
	more = (char *)*array + *nr * size;
	memset(more, 0, size);
	++*nr;
	return more;
}

static void parse_channel(struct guest *g, struct piece line)
{
	struct channel *c = array_add((void **)&g->channels, &g->nr_channels, MAX_CHANNELS,
				      sizeof(*c));

	if (c)
		pairs_parse(line, c, channel_fields);
}

static void parse_revoke(struct guest *g, struct piece line)
{
	struct revoke *w = array_add((void **)&g->revokes, &g->nr_revokes, MAX_REVOKES,
				     sizeof(*w));

	if (w)
		pairs_parse(line, w, revoke_fields);
}

static void parse_rejects(struct guest *g, struct piece line)
{
	struct piece p, key, value;

	while (g->nr_rejects < MAX_REJECTS && piece_next(&line, ' ', &p)) {
		if (!piece_pair(p, &key, &value))
			continue;
		piece_copy(key, g->rejects[g->nr_rejects].reason, WORD_BYTES);
		g->rejects[g->nr_rejects++].count = piece_number(value);
	}
}

static void parse_pinning(struct guest *g, struct piece line)
{
	static const struct field fields[] = {
		NUMBER(guest, "done", pinning_done),
		NUMBER(guest, "total", pinning_total),
		{}
	};

	pairs_parse(line, g, fields);
}

/* "relid=N" and the backend's own words, of the channel whose line came before */
static void parse_backend(struct guest *g, struct piece line)
{
	struct piece p, key, value;
	struct channel *c;

	if (!piece_next(&line, ' ', &p) || !piece_pair(p, &key, &value) ||
	    !piece_is(key, "relid"))
		return;
	c = guest_channel(g, piece_number(value));
	if (line.len)
		line.at++, line.len--;
	if (c)
		piece_copy(line, c->words, sizeof(c->words));
}

static void parse_line(struct guest *g, struct piece line)
{
	static const char prefix[] = "vmbus-";
	const char *colon = memchr(line.at, ':', line.len);
	struct piece key, rest;

	if (!colon || line.len < strlen(prefix) || memcmp(line.at, prefix, strlen(prefix)))
		return;
	key = (struct piece){ line.at + strlen(prefix), colon - line.at - strlen(prefix) };
	rest = (struct piece){ colon + 1, line.at + line.len - colon - 1 };
	while (rest.len && (*rest.at == '\t' || *rest.at == ' '))
		rest.at++, rest.len--;

	if (piece_is(key, "version"))
		g->version = piece_number(rest);
	else if (piece_is(key, "channel"))
		parse_channel(g, rest);
	else if (piece_is(key, "revoke"))
		parse_revoke(g, rest);
	else if (piece_is(key, "backend"))
		parse_backend(g, rest);
	else if (piece_is(key, "rejects"))
		parse_rejects(g, rest);
	else if (piece_is(key, "pinning"))
		parse_pinning(g, rest);
	else
		field_set(g, guest_fields, key, rest);
	if (piece_is(key, "partition"))
		g->is_partition = true;
}

/*
 * Of the text of an fdinfo. 0; -ENOENT if it is not one of /dev/vmbus-host; -EPROTO if it is
 * of a version that has changed its meaning.
 */
int guest_parse(struct guest *g, const char *text)
{
	struct piece rest = { text, strlen(text) }, line;

	while (piece_next(&rest, '\n', &line))
		parse_line(g, line);
	if (!g->version)
		return -ENOENT;
	return g->version == 1 ? 0 : -EPROTO;
}

void guest_free(struct guest *g)
{
	free(g->channels);
	free(g->revokes);
}

/* NULL if there is none. */
struct channel *guest_channel(const struct guest *g, __u64 relid)
{
	unsigned int i;

	/* The last, which is asked for most often, first */
	for (i = g->nr_channels; i--;)
		if (g->channels[i].relid == relid)
			return &g->channels[i];
	return NULL;
}
