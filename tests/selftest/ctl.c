// SPDX-License-Identifier: GPL-2.0
/* gpadlctl as an operator runs it: see ctl.h */
#include <errno.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "ctl.h"

int ctl_run(char *text, const char *format, ...)
{
	char command[256] = "/gpadlctl ";
	size_t len = strlen(command), n;
	va_list args;
	FILE *out;
	int status;

	va_start(args, format);
	len += vsnprintf(command + len, sizeof(command) - len - 6, format, args);
	va_end(args);
	memcpy(command + len, " 2>&1", sizeof(" 2>&1"));
	out = popen(command, "r");
	if (!out)
		return -errno;
	n = fread(text, 1, CTL_TEXT_BYTES - 1, out);
	text[n] = 0;
	status = pclose(out);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

/* No line of it is to be taken for one of the test's own. */
static void tell_text(const char *pattern, const char *text)
{
	const char *end;

	printf("# nothing like %s in\n", pattern);
	for (; *text; text = *end ? end + 1 : end) {
		end = text + strcspn(text, "\n");
		printf("#\t%.*s\n", (int)(end - text), text);
	}
}

bool ctl_says(const char *text, const char *format, ...)
{
	char pattern[256];
	regex_t regex;
	va_list args;
	bool found;

	va_start(args, format);
	vsnprintf(pattern, sizeof(pattern), format, args);
	va_end(args);
	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE))
		return false;
	found = !regexec(&regex, text, 0, NULL, 0);
	regfree(&regex);
	if (!found)
		tell_text(pattern, text);
	return found;
}
