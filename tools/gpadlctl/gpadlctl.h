/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * gpadlctl: what its files share.
 *
 * fdinfo.c makes structures of text; find.c gets the text; words.c says what is wrong in
 * sentences; fail.c says what is wrong with a command; each command has a file of its own, and
 * main.c calls them. Functions that return int return 0, or a
 * negative errno, unless they say otherwise.
 */
#ifndef _GPADLCTL_H
#define _GPADLCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>
#include <linux/types.h>

#include "../compiler.h"
#include "fail.h"

/* Of the documents that --json prints; see gpadlctl(8) */
#define JSON_VERSION	1

/* What takes longer is worth a sentence. */
#define STUCK_MS	1000
/* A request that nobody waits for but the guest: a disk may take its time. */
#define STUCK_REQUEST_MS	10000

/* A word that fdinfo shows; what is longer is cut off. */
#define WORD_BYTES	40

/* ---- fdinfo.c: what a guest has ---- */

struct channel {
	__u64 relid, primary, index;
	char type[WORD_BYTES];
	char instance[WORD_BYTES];
	char backend[WORD_BYTES];
	char state[WORD_BYTES];
	char callback[WORD_BYTES];
	char asked[WORD_BYTES];
	char worker[WORD_BYTES];
	__u64 state_ms, callback_ms, to_close, rescinded, released, broken_in, broken_out;
	__u64 opens, refused, kicks, calls;
	__u64 received, received_bytes, sent, sent_bytes;
	__u64 maps, map_failures, requests, request_failures, map_pages, pins;
	__u64 in_flight, in_flight_ms, in_flight_revoked, in_flight_revoked_ms;
	__u64 assembling, ready, mapping, mapped, unmapping;
	__u64 mapped_pages, revoked, revoked_ms;
	char words[200];	/* the backend's own */
};

struct revoke {
	__u64 relid, handle, armed, told, ms, pages;
	char why[WORD_BYTES];
	char state[WORD_BYTES];
	char backend[WORD_BYTES];
};

struct reject {
	char reason[WORD_BYTES];
	__u64 count;
};

#define MAX_REJECTS	64

struct guest {
	pid_t pid;
	int fd;
	char command[WORD_BYTES];
	__u64 version;
	bool is_partition;
	__u64 partition, owner, regions, region_bytes, resident_bytes, page_size, pinned_pages;
	__u64 pinning_done, pinning_total, gpadls, gpadl_pages, revoked, replies;
	__u64 replies_waiting, bad_messages, events_pending, reset_pending, nr_endpoints;
	struct reject rejects[MAX_REJECTS];
	unsigned int nr_rejects;
	struct channel *channels;
	unsigned int nr_channels;
	struct revoke *revokes;
	unsigned int nr_revokes;
};

/* A number or a word of a structure, by the key that fdinfo gives it */
struct field {
	const char *key;
	size_t at;
	bool is_word;
};

extern const struct field guest_fields[], channel_fields[], revoke_fields[];

static inline __u64 field_number(const void *of, const struct field *f)
{
	return *(const __u64 *)((const char *)of + f->at);
}

static inline const char *field_word(const void *of, const struct field *f)
{
	return (const char *)of + f->at;
}

int guest_parse(struct guest *g, const char *text);
void guest_free(struct guest *g);
struct channel *guest_channel(const struct guest *g, __u64 relid);

/* ---- find.c: where the guests are ---- */

struct guests {
	struct guest *list;
	unsigned int nr;
	unsigned int nr_unreadable;	/* processes that this user may not look at */
	bool hidden;			/* /proc shows none of others (hidepid); counted as one */
};

/* All below is looked for in this directory: "" but for tests and saved machines. */
extern const char *root;
/* In one of a few buffers, which are used again */
const char *rooted(const char *format, ...) __printf(1, 2);
char *read_file(const char *path);	/* NULL, and errno; to be freed */

int guests_find(struct guests *all);
void guests_free(struct guests *all);
/* Of the partition, or of the process; NULL if there is none. */
struct guest *guests_select(struct guests *all, const char *which);

/* A partition whose VMM has ended, as debugfs shows it to root */
struct orphan {
	unsigned int partition;
	__u64 pinned_pages;
	pid_t owner;			/* that made it; 0: it has ended */
	bool unseen;			/* it lives, and somebody may have the file open */
	unsigned int mapped;		/* GPADLs */
	__u64 handle, relid, age;	/* of the one that is mapped longest */
	__u64 request_pages;		/* pinned for requests, beside those of GPADLs */
	__u64 in_flight;		/* requests */
	__u64 most, most_relid;		/* of them, those of the channel that has most */
};

struct orphans {
	struct orphan *list;
	unsigned int nr;
	bool unreadable;		/* only root sees them */
};

int orphan_parse(struct orphan *o, const char *stats, const char *gpadls, const char *requests);
/*
 * The partitions that there are, before guests_find(): what is made later is not taken for one that
 * nobody has. After it, those that nobody has stay.
 */
int orphans_begin(struct orphans *all);
void orphans_end(struct orphans *all, const struct guests *guests);
void orphans_free(struct orphans *all);

/* ---- words.c: units, and sentences ---- */

const char *bytes_text(__u64 bytes, char buf[32]);
const char *time_text(__u64 ms, char buf[32]);
const char *count_text(__u64 n, char buf[32]);

/* Of the character of UTF-8 at @text, in bytes; 0 if it is none, or drives a terminal */
size_t printable_length(const char *text);

/* @fn is called for each sentence. Returns how many there are. */
unsigned int guest_problems(const struct guest *g,
			    void (*fn)(void *arg, const char *sentence), void *arg);

/* ---- json.c ---- */

extern bool want_json;	/* --json was given */

struct json {
	FILE *out;
	bool comma;
};

void json_begin(struct json *j, const char *command);
void json_end(struct json *j);
/* @key: NULL within an array */
void json_open(struct json *j, const char *key, char bracket);
void json_close(struct json *j, char bracket);
void json_string(struct json *j, const char *key, const char *value);
void json_number(struct json *j, const char *key, __u64 value);
void json_bool(struct json *j, const char *key, bool value);
void json_guest(struct json *j, const struct guest *g);

/* ---- The commands: arguments behind the command's name; an exit status ---- */

int command_list(int argc, char **argv);
int command_show(int argc, char **argv);
int command_top(int argc, char **argv);
int command_trace(int argc, char **argv);
int command_check(int argc, char **argv);
int command_disk(int argc, char **argv);
int command_metrics(int argc, char **argv);

/* ---- trace.c: one event as a person reads it ---- */

struct trace_state;
struct trace_state *trace_state_new(void);
/* Returns whether @line is one of our events; then @out has the text. */
bool trace_line(struct trace_state *t, const char *line, char *out, size_t size);

#endif /* _GPADLCTL_H */
