// SPDX-License-Identifier: GPL-2.0
/*
 * Reads tests/data/guest-messages.txt: see there for what it looks like.
 */
#include <linux/string.h>

#include "capture.h"

#define ZEROS	5	/* bytes that a dot stands for */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Append what is written at @at; returns the characters it takes, 0 if that is wrong. */
static u32 read_bytes(struct guest_msg *m, const char *at)
{
	int high, low;

	if (*at == '.') {
		if (m->len + ZEROS > GUEST_MSG_MAX)
			return 0;
		m->len += ZEROS;
		return 1;
	}
	high = hex_digit(at[0]);
	low = high < 0 ? -1 : hex_digit(at[1]);
	if (low < 0 || m->len == GUEST_MSG_MAX)
		return 0;
	m->bytes[m->len++] = high << 4 | low;
	return 2;
}

/* "> TYPE bytes": the type's name is for readers. */
static bool read_message(struct guest_msg *m, const char *at, const char *end)
{
	u32 taken;

	*m = (struct guest_msg) {};
	if (at[1] != ' ')
		return false;
	at = strchr(at + 2, ' ');
	if (!at)
		return false;
	for (at++; at < end; at += taken) {
		taken = read_bytes(m, at);
		if (!taken)
			return false;
	}
	return m->len;
}

/* The end of the line at @at: its newline, or the end of the text. */
static const char *line_end(const char *at)
{
	while (*at && *at != '\n')
		at++;
	return at;
}

/* Read on to the next line that is neither empty nor a comment. */
enum capture_line capture_next(struct capture *c)
{
	const char *at, *end;

	do {
		at = c->at;
		if (!*at)
			return CAPTURE_END;
		end = line_end(at);
		c->at = *end ? end + 1 : end;
	} while (at == end || (*at == '#' && at[1] != '#'));

	if (!strncmp(at, "## ", 3)) {
		c->title = at + 3;
		c->title_len = end - c->title;
		return CAPTURE_SECTION;
	}
	if ((*at != '<' && *at != '>') || !read_message(&c->m, at, end))
		return CAPTURE_BROKEN;
	return *at == '>' ? CAPTURE_FROM_GUEST : CAPTURE_TO_GUEST;
}
