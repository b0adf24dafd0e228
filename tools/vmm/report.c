// SPDX-License-Identifier: GPL-2.0-only
/* What a VMM has to say: warnings, and the reason why it ends. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vmm.h"

static void complain(const char *fmt, va_list ap, const char *why)
{
	fprintf(stderr, "vmm: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "%s%s\n", why ? ": " : "", why ? why : "");
}

#define FEW_WARNINGS	10
#define FEW_SECONDS	5

/* A guest can cause them without end: few in a time, and how many were left out. */
static bool may_warn(unsigned int *left_out)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static unsigned int nr, dropped;
	static time_t since;
	struct timespec now;
	bool may;

	clock_gettime(CLOCK_MONOTONIC, &now);
	pthread_mutex_lock(&lock);
	if (now.tv_sec - since >= FEW_SECONDS) {
		since = now.tv_sec;
		nr = 0;
	}
	may = nr < FEW_WARNINGS;
	nr += may;
	dropped += !may;
	*left_out = may ? dropped : 0;
	if (may)
		dropped = 0;
	pthread_mutex_unlock(&lock);
	return may;
}

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(fmt, ap, NULL);
	va_end(ap);
	exit(VMM_FAILED);
}

void die_errno(const char *fmt, ...)
{
	const char *why = strerror(errno);
	va_list ap;

	va_start(ap, fmt);
	complain(fmt, ap, why);
	va_end(ap);
	exit(VMM_FAILED);
}

void warn(const char *fmt, ...)
{
	unsigned int left_out;
	va_list ap;

	if (!may_warn(&left_out))
		return;
	if (left_out)
		fprintf(stderr, "vmm: %u warnings were left out\n", left_out);
	va_start(ap, fmt);
	complain(fmt, ap, NULL);
	va_end(ap);
}
