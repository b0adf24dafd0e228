// SPDX-License-Identifier: GPL-2.0
/*
 * What libFuzzer does with an input: any sequence of messages, on each of which the
 * reference of tests/host must agree.
 *
 * The input is messages with a byte before each that tells its length. What is longer
 * than the rest of the input ends with it.
 */
#include <stdlib.h>

#include "compare.h"
#include "fuzz.h"

int fuzz_input(const u8 *data, size_t size)
{
	static struct compare c;
	const char *complaint = NULL;

	while (size && !complaint) {
		size_t len = *data++;

		size--;
		if (len > size)
			len = size;
		complaint = compare_message(&c, data, len);
		data += len;
		size -= len;
	}
	compare_end(&c);
	if (complaint) {
		fprintf(stderr, "%s\n", complaint);
		abort();
	}
	return 0;
}
