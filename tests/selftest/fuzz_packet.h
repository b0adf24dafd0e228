/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The model of the fuzzer of packets: what the ranges of one may come to.
 */
#ifndef _FUZZ_PACKET_H
#define _FUZZ_PACKET_H

#include "../module/vmbus_gpa_test.h"
#include "fuzz.h"
#include "layout.h"

#define HALVES		2u		/* regions, of which any may be missing */
#define HALF_PAGES	64u
#define GUEST_PAGES	(HALVES * HALF_PAGES)
#define GUEST_BYTES	(GUEST_PAGES * HV_PAGE)

#define MAX_WORDS	400u

/* What a packet names */
struct ranges {
	__u64 words[MAX_WORDS];
	unsigned int nr;
	__u32 nr_ranges;
};

/**
 * struct verdict - what a packet may come to
 * @may: these errors; none: it has to succeed
 * @wrong: there is one
 * @sum: of the bytes that it names, else
 */
struct verdict {
	bool may[FUZZ_ERRNOS];
	bool wrong;
	__u64 sum;
};

/**
 * struct model - the guest's memory as it has to be
 * @mem: all of it
 * @there: a half of it is a region
 * @read_only: without write access
 */
struct model {
	__u8 *mem;
	bool there[HALVES];
	bool read_only[HALVES];
};

void packet_may(struct verdict *v, int error);
struct verdict packet_judge(const struct model *m, const struct ranges *r, bool write);
/* Add the bytes of ranges that are right, or fill them */
__u64 packet_touch(const struct model *m, const struct ranges *r, bool fill, __u8 value);
bool packet_has_page_in(const struct ranges *r, unsigned int half);

#endif /* _FUZZ_PACKET_H */
