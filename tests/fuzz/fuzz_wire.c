// SPDX-License-Identifier: GPL-2.0
/*
 * What libFuzzer does with an input: any sequence of messages, on each of which the
 * reference of tests/host must agree.
 *
 * The input is messages with a byte before each that tells its length. What is longer
 * than the rest of the input ends with it. No message is 255 bytes long: this says that the rest
 * is the ranges of a packet, behind a byte for their number and one for the room there is.
 */
#include <stdlib.h>

#include "compare.h"
#include "fuzz.h"

#define PACKET	255

static const char *compare_packet(struct compare *c, const u8 *data, size_t size)
{
	/* All of a pool's, or fewer than the packet may have. */
	u32 room = data[1] < 128 ? 289 : data[1] - 128;

	return compare_ranges(c, data + 2, size - 2, data[0], room);
}

int fuzz_input(const u8 *data, size_t size)
{
	static struct compare c;
	const char *complaint = NULL;

	while (size && !complaint) {
		size_t len = *data++;

		size--;
		if (len == PACKET && size >= 2) {
			complaint = compare_packet(&c, data, size);
			break;
		}
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
