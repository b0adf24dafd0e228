// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an operator asks for while the guest runs: lines that are written to a FIFO.
 *
 *	unplug N	take device N of those offered away from the guest, when it is ready
 *	rescind N	the same at once, whatever the guest does with it
 *	plug N		offer it again
 *
 * Devices count from 1 on, in the order of the options that name them. The delivery
 * thread reads it: vmbus.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "vmm.h"

static int fifo = -1;
static char line[64];
static size_t length;

/* Return: the file, to poll; -1 if nobody asks for anything */
int control_open(const char *path)
{
	if (!path)
		return -1;
	/* For writing as well: it does not end when a writer goes */
	fifo = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fifo < 0)
		die_errno("--control %s (next: mkfifo %s)", path, path);
	return fifo;
}

/* Device N is the one with relid N: they are the first to get one */
static void obey(void)
{
	unsigned int n;
	bool known = false;
	char rest;

	if (sscanf(line, "unplug %u%c", &n, &rest) == 1)
		known = offers_unplug(n);
	else if (sscanf(line, "rescind %u%c", &n, &rest) == 1)
		known = offers_rescind(n);
	else if (sscanf(line, "plug %u%c", &n, &rest) == 1)
		known = offers_plug(n);
	if (!known)
		warn("control: '%s' is not 'plug N', 'unplug N' or 'rescind N' of a device", line);
}

/* All that there is. What is too long for a line is cut off */
void control_read(void)
{
	char c;

	while (read(fifo, &c, 1) == 1) {
		if (c != '\n') {
			if (length < sizeof(line) - 1)
				line[length++] = c;
			continue;
		}
		line[length] = '\0';
		length = 0;
		obey();
	}
}
