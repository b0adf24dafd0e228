// SPDX-License-Identifier: GPL-2.0-only
/*
 * Numbers with their units, and what is wrong with a guest in whole sentences.
 */
#include <stdarg.h>
#include <string.h>

#include "gpadlctl.h"

/* ---- Units ---- */

static const char *scaled(double n, double step, const char *const *units, char buf[32])
{
	while (units[1] && n >= step)
		n /= step, units++;
	snprintf(buf, 32, n < 10 && n != (__u64)n ? "%.1f%s" : "%.0f%s", n, *units);
	return buf;
}

const char *bytes_text(__u64 bytes, char buf[32])
{
	static const char *const units[] = { " B", " KiB", " MiB", " GiB", " TiB", NULL };

	return scaled(bytes, 1024, units, buf);
}

const char *count_text(__u64 n, char buf[32])
{
	static const char *const units[] = { "", " k", " M", " G", NULL };

	if (n < 10000)
		snprintf(buf, 32, "%llu", n);
	else
		scaled(n, 1000, units, buf);
	return buf;
}

const char *time_text(__u64 ms, char buf[32])
{
	__u64 s = ms / 1000;

	if (ms < 1000)
		snprintf(buf, 32, "%llu ms", ms);
	else if (s < 120)
		snprintf(buf, 32, "%llu s", s);
	else if (s < 7200)
		snprintf(buf, 32, "%llu min %llu s", s / 60, s % 60);
	else
		snprintf(buf, 32, "%llu h %llu min", s / 3600, s / 60 % 60);
	return buf;
}

/* ---- Text ---- */

size_t printable_length(const char *text)
{
	static const __u32 least[] = { 0, ' ', 0xa0, 0x800, 0x10000 };
	const unsigned char *s = (const unsigned char *)text;
	size_t len = *s < 0x80 ? 1 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
	__u32 c = len == 1 ? *s : *s & (0x7f >> len);
	size_t i;

	if ((*s >= 0x80 && *s < 0xc0) || *s > 0xf4 || *s == 0x7f)
		return 0;
	for (i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	/* Longer than need be, controls, halves of UTF-16, what is beyond Unicode */
	return c < least[len] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff ? 0 : len;
}

/* ---- Sentences ---- */

struct teller {
	void (*fn)(void *arg, const char *sentence);
	void *arg;
	unsigned int nr;
};

static void __printf(2, 3) tell(struct teller *t, const char *format, ...)
{
	char sentence[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	t->fn(t->arg, sentence);
	t->nr++;
}

static bool is(const char *word, const char *what)
{
	return !strcmp(word, what);
}

/* What stands behind "channel 3: " */
static const char *revoke_text(const struct revoke *w)
{
	static const struct {
		const char *why, *text;
	} texts[] = {
		{ "teardown", "teardown" },
		{ "reset", "the reset of the guest" },
		{ "release", "the release of the channel" },
		{ "rescind", "the rescind of the channel" },
		{ "region", "the removal of its memory" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(texts); i++)
		if (is(w->why, texts[i].why))
			return texts[i].text;
	return "somebody";
}

/* ": what the backend says", if it says something */
static void words_of(const struct channel *c, char *buf, size_t size)
{
	snprintf(buf, size, c && *c->words ? ": %s" : "", c ? c->words : "");
}

static bool in_callback(const struct channel *c)
{
	return c && *c->callback && !is(c->callback, "none");
}

/* The channel closes, and waits for requests that are under way: vmbus_endpoint_drain(). */
static bool is_draining(const struct channel *c)
{
	return c && is(c->callback, "drain");
}

/*
 * The backend as what is waited for. What it says of itself tells of what it waits for: which disk
 * it is, how many requests that has and since when.
 */
static void awaited_backend(const struct channel *c, const char *backend, char *buf, size_t size)
{
	if (c && *c->words)
		snprintf(buf, size, "backend %s, %s", backend, c->words);
	else if (is_draining(c))
		snprintf(buf, size, "requests of backend %s that are under way", backend);
	else
		snprintf(buf, size, "backend %s", backend);
}

static void revoke_problem(struct teller *t, const struct guest *g, const struct revoke *w)
{
	const struct channel *c = guest_channel(g, w->relid);
	char who[512], words[256], time[32], busy[32];

	words_of(c, words, sizeof(words));
	if (is(w->state, "mapping"))
		snprintf(who, sizeof(who),
			 "memory of the VMM, process %d, which does not come (userfaultfd, FUSE, swap)",
			 g->pid);
	else if (is(w->state, "unmapping"))
		snprintf(who, sizeof(who), "its pages to be unpinned");
	else if (!w->told && in_callback(c) && !is_draining(c))
		snprintf(who, sizeof(who), "backend %s, which is in its %s() for %s%s",
			 w->backend, c->callback, time_text(c->callback_ms, busy), words);
	else if (!w->armed)
		snprintf(who, sizeof(who), "backend %s, which cannot be asked for it%s",
			 w->backend, words);
	else
		awaited_backend(c, w->backend, who, sizeof(who));
	tell(t, "GPADL %#llx, channel %llu: %s waits %s for %s", w->handle, w->relid,
	     revoke_text(w), time_text(w->ms, time), who);
}

/* A callback that does not return; what is revoked meanwhile tells of it too. */
static void callback_problem(struct teller *t, const struct channel *c)
{
	char who[512], words[256], time[32];

	if (!in_callback(c) || c->callback_ms < STUCK_MS)
		return;
	words_of(c, words, sizeof(words));
	awaited_backend(c, c->backend, who, sizeof(who));
	time_text(c->callback_ms, time);
	if (is_draining(c))
		tell(t, "Channel %llu: its close waits %s for %s", c->relid, time, who);
	else
		tell(t, "Channel %llu: backend %s is in its %s() for %s%s", c->relid,
		     c->backend, c->callback, time, words);
}

static void channel_problems(struct teller *t, const struct channel *c)
{
	char time[32], words[256];

	words_of(c, words, sizeof(words));
	if (c->in_flight_revoked && c->in_flight_revoked_ms >= STUCK_MS)
		tell(t, "Channel %llu: %llu %s should have ended %s ago, in backend %s%s",
		     c->relid, c->in_flight_revoked,
		     c->in_flight_revoked == 1 ? "request" : "requests",
		     time_text(c->in_flight_revoked_ms, time), c->backend, words);
	else if (c->in_flight && c->in_flight_ms >= STUCK_REQUEST_MS)
		tell(t, "Channel %llu: backend %s has %llu %s in flight, the oldest for %s%s",
		     c->relid, c->backend, c->in_flight,
		     c->in_flight == 1 ? "request" : "requests",
		     time_text(c->in_flight_ms, time), words);

	callback_problem(t, c);
	if (is(c->state, "draining") && c->state_ms >= STUCK_MS)
		tell(t, "Channel %llu: its close waits %s for its sub-channels to close",
		     c->relid, time_text(c->state_ms, time));
	if (is(c->state, "opening") && c->state_ms >= STUCK_MS && !in_callback(c))
		tell(t, "Channel %llu: its open waits %s for its rings to be mapped",
		     c->relid, time_text(c->state_ms, time));
	if (c->broken_in || c->broken_out)
		tell(t,
		     "Channel %llu: the guest has spoilt %s; it is of no use until the guest opens the channel anew",
		     c->relid, c->broken_in && c->broken_out ? "both its rings" :
		     c->broken_in ? "the ring that it writes" : "the ring that it reads");
	if (is(c->worker, "orphaned"))
		tell(t, "Channel %llu: its thread was killed; nothing can be mapped any more",
		     c->relid);
}

unsigned int guest_problems(const struct guest *g,
			    void (*fn)(void *arg, const char *sentence), void *arg)
{
	struct teller t = { .fn = fn, .arg = arg };
	unsigned int i;

	for (i = 0; i < g->nr_revokes; i++)
		if (g->revokes[i].ms >= STUCK_MS)
			revoke_problem(&t, g, &g->revokes[i]);
	for (i = 0; i < g->nr_channels; i++)
		channel_problems(&t, &g->channels[i]);
	if (g->is_partition && !g->owner)
		tell(&t,
		     "The process that made the guest has ended: another one keeps its file open");
	return t.nr;
}
