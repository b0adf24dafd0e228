// SPDX-License-Identifier: GPL-2.0
/*
 * In the host: have the tests' backend not return from one of its callbacks, until this is
 * killed.
 *
 *	hang open | kick | revoke HANDLE | close
 *
 * revoke: map that GPADL first, whose channel is open. Says "ready" when the next such
 * callback will hang, and "hangs" when it does.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../selftest/vmm.h"

static const struct {
	const char *name;
	__u32 where;
} callbacks[] = {
	{ "open", VMBUS_GPADL_TEST_HANG_OPEN },
	{ "kick", VMBUS_GPADL_TEST_HANG_KICK },
	{ "revoke", VMBUS_GPADL_TEST_HANG_REVOKE },
	{ "close", VMBUS_GPADL_TEST_HANG_CLOSE },
};

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

static int fail(const char *what, int err)
{
	printf("failed: %s: %s\n", what, strerror(-err));
	return 1;
}

static __u32 find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(callbacks); i++)
		if (!strcmp(callbacks[i].name, name))
			return callbacks[i].where;
	return 0;
}

int main(int argc, char **argv)
{
	__u32 where = argc > 1 ? find(argv[1]) : 0;
	bool needs_handle = where == VMBUS_GPADL_TEST_HANG_REVOKE;
	int control, backend, ret;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!where || argc != 2 + needs_handle) {
		fprintf(stderr, "usage: hang open | kick | revoke HANDLE | close\n");
		return 1;
	}
	control = open("/dev/vmbus-gpadl-test", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return fail("/dev/vmbus-gpadl-test", control);
	if (needs_handle) {
		backend = backend_open(0);
		if (backend < 0)
			return fail("bind", backend);
		ret = backend_map(backend, strtoul(argv[2], NULL, 0), 0);
		if (ret)
			return fail("map", ret);
	}
	ret = backend_hang(control, 0, where);
	if (ret)
		return fail("hang", ret);
	puts("ready");
	while (backend_state(control, 0).hangs != where)
		usleep(10000);
	puts("hangs");
	pause();
	return 0;
}
