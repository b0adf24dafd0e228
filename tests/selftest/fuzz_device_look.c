// SPDX-License-Identifier: GPL-2.0
/*
 * The fuzzer of the device: which states of the kernel's were seen, as debugfs shows them.
 */
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "fuzz_device.h"

static const char *const gpadl_states[] = {
	"ASSEMBLING", "READY", "MAPPING", "MAPPED", "UNMAPPING",
};

static const char *const endpoint_states[] = { " closed", " opening", " open", " closing" };

#define FIRST_ENDPOINT	20u
#define FIRST_RING	36u

const char *fuzz_device_state_name(unsigned int state)
{
	static char name[64];

	if (state >= FIRST_RING)
		return state == FIRST_RING ? "ring of the guest broken" :
					     "ring of the host broken";
	if (state >= FIRST_ENDPOINT)
		snprintf(name, sizeof(name), "channel%s%s%s",
			 endpoint_states[(state - FIRST_ENDPOINT) / 4],
			 state & 2 ? ", rescinded" : "", state & 1 ? ", released" : "");
	else
		snprintf(name, sizeof(name), "GPADL %s%s%s", gpadl_states[state / 4],
			 state & 2 ? ", tearing down" : "", state & 1 ? ", revoked" : "");
	return name;
}

static void saw_gpadl(const char *line)
{
	char state[16];
	unsigned int i;

	if (sscanf(line, "%*s %*s %15s", state) != 1)
		return;
	for (i = 0; i < 5; i++)
		if (!strcmp(state, gpadl_states[i]))
			fuzz->states[i * 4 + 2 * !!strstr(line, " tearing-down") +
				     (strstr(line, " revoke-pending") ||
				      strstr(line, " revoked"))]++;
}

static void saw_endpoint(const char *line)
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		const char *at = strstr(line, endpoint_states[i]);

		if (at && at[strlen(endpoint_states[i])] == ' ')
			fuzz->states[FIRST_ENDPOINT + i * 4 + 2 * !!strstr(line, " rescinded") +
				     !!strstr(line, " released")]++;
	}
	fuzz->states[FIRST_RING] += !!strstr(line, " bad-in-ring");
	fuzz->states[FIRST_RING + 1] += !!strstr(line, " bad-out-ring");
}

static void look_at(const char *path, void (*saw)(const char *line))
{
	FILE *f = fopen(path, "re");
	char line[512];

	/* It may just have gone. */
	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		saw(line);
	fclose(f);
}

int run_look(struct life *l)
{
	size_t i;
	glob_t g;

	look_at("/sys/kernel/debug/vmbus_host/endpoints", saw_endpoint);
	if (glob("/sys/kernel/debug/vmbus_gpadl/*/gpadls", GLOB_NOSORT, NULL, &g))
		return 0;
	for (i = 0; i < g.gl_pathc; i++)
		look_at(g.gl_pathv[i], saw_gpadl);
	globfree(&g);
	return 0;
}
