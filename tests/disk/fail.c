// SPDX-License-Identifier: GPL-2.0
/* How the program ends where something cannot be measured. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "disk.h"

void give_up(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	exit(1);
}
