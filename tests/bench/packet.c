// SPDX-License-Identifier: GPL-2.0
/*
 * The yardstick of packets that name guest pages: what vhost-scsi does with a request, by the
 * kernel's own parts.
 *
 * - a request is one of a pool that was made when the device was: to take it is to set a
 *   bit, and nothing is allocated;
 * - a reference says that something is in flight, for whoever takes the device away;
 * - the packet's ranges are checked, and its page frame numbers, in the order in which they
 *   come: pages that adjoin are found as they are met, and pinned by one call;
 * - the scatterlist and the unpin are by the cheapest way that the kernel offers, as for
 *   GPADLs (yardstick.c).
 *
 * vhost-scsi gets its pages with get_user_pages_fast(), which is not meant for memory that a
 * device writes to, and leaves them clean. Here they are pinned, and dirty. What a yardstick
 * leaves out where it costs: regions (the VMM's memory is one piece), a limit for what is in
 * flight, unmapping where nothing may sleep.
 */
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "packet.h"
#include "vmbus_gpadl_map.h"

/* Of the guest, and of the host that this is measured on */
#define HV_PAGE_BYTES	4096u

#define NR_REQUESTS	16
#define MAX_BYTES	0x100000u
#define MAX_PAGES	(MAX_BYTES / HV_PAGE_BYTES + 1)
#define MAX_WORDS	(MAX_PAGES + 1)

/**
 * struct packet_request - a request of the yardstick
 * @nr: pages that are pinned
 * @write: for writing
 * @how: as it was mapped
 * @sgt: of @sgl
 * @pages: what is pinned
 * @sgl: room for the list
 */
struct packet_request {
	unsigned long nr;
	bool write;
	struct yardstick_how how;
	struct sg_table sgt;
	struct page *pages[MAX_PAGES];
	struct scatterlist sgl[MAX_PAGES];
};

/* ---- By the kernel's own parts ---- */

static struct packet_request *yard_request_get(struct packet *p)
{
	unsigned int i;

	do {
		i = find_first_zero_bit(&p->busy, NR_REQUESTS);
		if (i == NR_REQUESTS)
			return NULL;
	} while (test_and_set_bit_lock(i, &p->busy));
	refcount_inc(&p->in_flight);
	return &p->pool[i];
}

static void yard_request_put(struct packet *p, struct packet_request *req)
{
	refcount_dec(&p->in_flight);
	clear_bit_unlock(req - p->pool, &p->busy);
}

/* How many of these page frame numbers follow each other */
static unsigned long run_of(const u64 *pfns, unsigned long nr)
{
	unsigned long n = 1;

	while (n < nr && pfns[n] == pfns[n - 1] + 1)
		n++;
	return n;
}

static int yard_pin(struct packet *p, struct packet_request *req, const u64 *pfns,
		    unsigned long nr)
{
	const unsigned int gup_flags = req->write ? FOLL_WRITE : 0;
	const u64 most = p->bytes / HV_PAGE_BYTES;

	while (nr) {
		unsigned long run = run_of(pfns, nr);
		long ret;

		if (*pfns >= most || run > most - *pfns)
			return -EFAULT;
		ret = pin_user_pages_fast(p->hva + *pfns * HV_PAGE_BYTES, run, gup_flags,
					  req->pages + req->nr);
		if (ret <= 0)
			return -EFAULT;
		req->nr += ret;
		pfns += ret;
		nr -= ret;
	}
	return 0;
}

/* The pages of one range: @first to the last that was pinned */
static struct scatterlist *yard_list(struct packet_request *req, struct scatterlist *sg,
				     unsigned long first, u32 offset, u32 len)
{
	struct page **pages = req->pages;
	unsigned long i, next;
	u32 n;

	for (i = first; i < req->nr; i = next) {
		next = i + 1;
		if (req->how.sg == BENCH_SG_MERGED)
			while (next < req->nr && pages[next] == pages[next - 1] + 1)
				next++;
		n = min_t(u32, len, (next - i) * PAGE_SIZE - offset);
		sg_set_page(sg, pages[i], n, offset);
		sg = sg + 1;
		len -= n;
		offset = 0;
	}
	return sg;
}

static int yard_take(struct packet *p, struct packet_request *req)
{
	const u64 *word = p->words, *end = word + p->nr_words;
	struct scatterlist *sg = req->sgl;
	unsigned long first, nr;
	u32 i, offset, len;
	int ret;

	req->nr = 0;
	for (i = 0; i < p->nr_ranges; i++) {
		if (word == end)
			return -EBADMSG;
		len = lower_32_bits(*word);
		offset = upper_32_bits(*word++);
		if (!len || len > MAX_BYTES || offset >= HV_PAGE_BYTES)
			return -EBADMSG;
		nr = DIV_ROUND_UP(offset + len, HV_PAGE_BYTES);
		if (nr > end - word || req->nr + nr > MAX_PAGES)
			return -EBADMSG;
		first = req->nr;
		ret = yard_pin(p, req, word, nr);
		if (ret)
			return ret;
		sg = yard_list(req, sg, first, offset, len);
		word += nr;
	}
	req->sgt.sgl = req->sgl;
	req->sgt.nents = sg - req->sgl;
	req->sgt.orig_nents = sg - req->sgl;
	sg_mark_end(sg - 1);
	return 0;
}

int packet_yard_map(struct packet *p, bool write, struct yardstick_how how,
		    struct packet_request **ret_req, struct sg_table **sgt)
{
	struct packet_request *req = yard_request_get(p);
	int ret;

	if (!req)
		return -EAGAIN;
	req->how = how;
	req->write = write;
	ret = yard_take(p, req);
	if (ret) {
		unpin_user_pages(req->pages, req->nr);
		yard_request_put(p, req);
		return ret;
	}
	*ret_req = req;
	*sgt = &req->sgt;
	return 0;
}

void packet_yard_unmap(struct packet *p, struct packet_request *req)
{
	struct scatterlist *sg;
	unsigned int i;

	if (req->how.unpin == BENCH_UNPIN_PAGES) {
		unpin_user_pages_dirty_lock(req->pages, req->nr, req->write);
	} else {
		for_each_sgtable_sg(&req->sgt, sg, i)
			unpin_user_page_range_dirty_lock(sg_page(sg),
							 PAGE_ALIGN(sg->offset + sg->length) >>
							 PAGE_SHIFT, req->write);
	}
	/* The marks of this list are not to end the next one. */
	sg_unmark_end(&req->sgl[req->sgt.orig_nents - 1]);
	yard_request_put(p, req);
}

/* ---- By us ---- */

int packet_map(struct packet *p, struct vmbus_gpadl_channel *chan, bool write,
	       struct vmbus_mapping **map)
{
	return vmbus_gpa_map(chan, write ? 0 : VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY, p->words,
			     p->nr_words * sizeof(*p->words), p->nr_ranges, map);
}

/* ---- Setting up ---- */

static int packet_begin(struct packet *p, struct vmbus_gpadl_channel *chan)
{
	int ret;

	p->words = kcalloc(MAX_WORDS, sizeof(*p->words), GFP_KERNEL);
	p->pool = kvcalloc(NR_REQUESTS, sizeof(*p->pool), GFP_KERNEL);
	refcount_set(&p->in_flight, 1);
	ret = p->words && p->pool ? vmbus_gpa_pool_create(chan, NR_REQUESTS, MAX_BYTES) : -ENOMEM;
	if (ret)
		packet_end(p);
	return ret;
}

/* The guest sends a packet, and the channel has room for requests from then on. */
int packet_set(struct packet *p, struct vmbus_gpadl_channel *chan,
	       const struct bench_packet *what)
{
	int ret;

	if (!what->nr_words || what->nr_words > MAX_WORDS || !what->nr_ranges)
		return -EINVAL;
	if (!p->words) {
		ret = packet_begin(p, chan);
		if (ret)
			return ret;
	}
	p->nr_words = what->nr_words;
	p->nr_ranges = what->nr_ranges;
	if (copy_from_user(p->words, u64_to_user_ptr(what->words),
			   what->nr_words * sizeof(*p->words)))
		return -EFAULT;
	return 0;
}

/* The channel's pool goes with it. */
void packet_end(struct packet *p)
{
	kvfree(p->pool);
	kfree(p->words);
	p->pool = NULL;
	p->words = NULL;
}
