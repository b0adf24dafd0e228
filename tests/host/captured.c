// SPDX-License-Identifier: GPL-2.0
/*
 * What ten real guests sent: gpadl/wire.c and the reference must agree on it.
 *
 *	captured FILE
 */
#include <stdlib.h>

#include "capture.h"
#include "compare.h"

static char *read_text(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 1 << 20);
	size_t len;

	if (!f || !text)
		abort();
	len = fread(text, 1, (1 << 20) - 1, f);
	if (ferror(f) || len == (1 << 20) - 1)
		abort();
	fclose(f);
	return text;
}

int main(int argc, char **argv)
{
	char *text = argc > 1 ? read_text(argv[1]) : NULL;
	struct capture at = { .at = text ?: "" };
	const char *complaint = NULL;
	static struct compare c;
	enum capture_line line;

	do {
		line = capture_next(&at);
		if (line == CAPTURE_FROM_GUEST)
			complaint = compare_message(&c, at.m.bytes, at.m.len);
	} while (line != CAPTURE_END && line != CAPTURE_BROKEN && !complaint);
	compare_end(&c);
	free(text);

	if (line == CAPTURE_BROKEN)
		complaint = "a line cannot be read";
	else if (!complaint && (c.complete != 48 || c.refused))
		complaint = "not all of 48 GPADLs were complete";
	if (complaint)
		printf("# %s\n", complaint);
	printf("%s 1 - captured_guests\n1..1\n", complaint ? "not ok" : "ok");
	return !!complaint;
}
