// SPDX-License-Identifier: GPL-2.0-only
/*
 * JSON, written as it goes. gpadlctl(8) describes the documents.
 */

#include "gpadlctl.h"

bool want_json;

/*
 * All text is ASCII by now, but for names of files. These are bytes: UTF-8 stays what it is,
 * and what is none becomes the character that stands for such.
 */
static void string(FILE *out, const char *s)
{
	size_t len;

	putc('"', out);
	for (; *s; s += len ?: 1) {
		len = printable_length(s);
		if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if (len)
			fwrite(s, len, 1, out);
		else
			fprintf(out, "\\u%04x", (signed char)*s < 0 ? 0xfffd : *s);
	}
	putc('"', out);
}

static void begin_value(struct json *j, const char *key)
{
	if (j->comma)
		putc(',', j->out);
	j->comma = true;
	if (!key)
		return;
	string(j->out, key);
	putc(':', j->out);
}

void json_open(struct json *j, const char *key, char bracket)
{
	begin_value(j, key);
	putc(bracket, j->out);
	j->comma = false;
}

void json_close(struct json *j, char bracket)
{
	putc(bracket, j->out);
	j->comma = true;
}

void json_string(struct json *j, const char *key, const char *value)
{
	begin_value(j, key);
	string(j->out, value);
}

void json_number(struct json *j, const char *key, __u64 value)
{
	begin_value(j, key);
	fprintf(j->out, "%llu", value);
}

void json_bool(struct json *j, const char *key, bool value)
{
	begin_value(j, key);
	fputs(value ? "true" : "false", j->out);
}

/* What every document begins with; the command adds its own. */
void json_begin(struct json *j, const char *command)
{
	*j = (struct json){ .out = stdout };
	json_open(j, NULL, '{');
	json_number(j, "version", JSON_VERSION);
	json_string(j, "command", command);
}

void json_end(struct json *j)
{
	json_close(j, '}');
	putc('\n', j->out);
}

/* Keys are those of fdinfo, with _ for -. */
static void fields(struct json *j, const void *of, const struct field *f)
{
	char key[WORD_BYTES];
	size_t i;

	for (; f->key; f++) {
		for (i = 0; f->key[i]; i++)
			key[i] = f->key[i] == '-' ? '_' : f->key[i];
		key[i] = 0;
		if (f->is_word)
			json_string(j, key, field_word(of, f));
		else
			json_number(j, key, field_number(of, f));
	}
}

static void problem(void *j, const char *sentence)
{
	json_string(j, NULL, sentence);
}

static void channels(struct json *j, const struct guest *g)
{
	unsigned int i;

	json_open(j, "channel_list", '[');
	for (i = 0; i < g->nr_channels; i++) {
		json_open(j, NULL, '{');
		fields(j, &g->channels[i], channel_fields);
		json_string(j, "words", g->channels[i].words);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_open(j, "revoke_list", '[');
	for (i = 0; i < g->nr_revokes; i++) {
		json_open(j, NULL, '{');
		fields(j, &g->revokes[i], revoke_fields);
		json_close(j, '}');
	}
	json_close(j, ']');
}

void json_guest(struct json *j, const struct guest *g)
{
	unsigned int i;

	json_open(j, NULL, '{');
	json_number(j, "pid", g->pid);
	json_number(j, "fd", g->fd);
	json_string(j, "process", g->command);
	json_bool(j, "is_partition", g->is_partition);
	fields(j, g, guest_fields);
	json_open(j, "rejects", '{');
	for (i = 0; i < g->nr_rejects; i++)
		json_number(j, g->rejects[i].reason, g->rejects[i].count);
	json_close(j, '}');
	channels(j, g);
	json_open(j, "problems", '[');
	guest_problems(g, problem, j);
	json_close(j, ']');
	json_close(j, '}');
}
