// SPDX-License-Identifier: GPL-2.0
#include <errno.h>

#include "fuzz_packet.h"

#define MAX_RANGES	32u	/* of a request; see VMBUS_GPA_MAX_RANGES */
#define MAX_PAGES	(VMBUS_GPA_TEST_BYTES / HV_PAGE + 1)
#define PFN_BITS	40

void packet_may(struct verdict *v, int error)
{
	v->may[error] = true;
	v->wrong = true;
}

/* Is the page one that a request can have? */
static void judge_page(const struct model *m, struct verdict *v, __u64 pfn, bool write)
{
	__u64 half = (pfn - MEM_PFN) / HALF_PAGES;

	if (half >= HALVES || !m->there[half])
		packet_may(v, EFAULT);
	else if (write && m->read_only[half])
		packet_may(v, EACCES);
}

/* Walk over the bytes of ranges that are right. */
__u64 packet_touch(const struct model *m, const struct ranges *r, bool fill, __u8 value)
{
	const __u64 *w = r->words;
	__u32 i, len, at, n;
	__u64 sum = 0;
	__u8 *page;

	for (i = 0; i < r->nr_ranges; i++) {
		len = *w;
		for (at = *w++ >> 32; len; at = 0, w++) {
			page = m->mem + (*w - MEM_PFN) * HV_PAGE;
			for (n = HV_PAGE - at < len ? HV_PAGE - at : len, len -= n; n; n--, at++)
				if (fill)
					page[at] = value;
				else
					sum += page[at];
		}
	}
	return sum;
}

/* What is wrong with the form; what is behind the last range does not count. */
static void judge_form(struct verdict *v, const struct ranges *r)
{
	unsigned int at = 0, pages = 0, i;
	__u64 len, offset, nr;

	if (!r->nr_ranges)
		packet_may(v, EBADMSG);
	if (r->nr_ranges > MAX_RANGES)
		packet_may(v, EMSGSIZE);
	for (i = 0; i < r->nr_ranges && !v->may[EBADMSG]; i++) {
		if (at == r->nr) {
			packet_may(v, EBADMSG);
			break;
		}
		len = (__u32)r->words[at];
		offset = r->words[at++] >> 32;
		nr = (offset + len + HV_PAGE - 1) / HV_PAGE;
		if (!len || offset >= HV_PAGE || nr > r->nr - at) {
			packet_may(v, EBADMSG);
			break;
		}
		for (pages += nr; nr; nr--)
			if (r->words[at++] >> PFN_BITS)
				packet_may(v, EBADMSG);
	}
	if (pages > MAX_PAGES)
		packet_may(v, EMSGSIZE);
}

struct verdict packet_judge(const struct model *m, const struct ranges *r, bool write)
{
	struct verdict v = {};
	unsigned int at = 0, i;
	__u64 nr;

	judge_form(&v, r);
	if (v.wrong)
		return v;
	for (i = 0; i < r->nr_ranges; i++) {
		nr = (__u32)r->words[at] + (r->words[at] >> 32);
		for (nr = (nr + HV_PAGE - 1) / HV_PAGE, at++; nr; nr--)
			judge_page(m, &v, r->words[at++], write);
	}
	if (!v.wrong)
		v.sum = packet_touch(m, r, false, 0);
	return v;
}

bool packet_has_page_in(const struct ranges *r, unsigned int half)
{
	unsigned int at = 0, i;
	__u64 nr;

	for (i = 0; i < r->nr_ranges; i++) {
		nr = (__u32)r->words[at] + (r->words[at] >> 32);
		for (nr = (nr + HV_PAGE - 1) / HV_PAGE, at++; nr; nr--)
			if ((r->words[at++] - MEM_PFN) / HALF_PAGES == half)
				return true;
	}
	return false;
}
