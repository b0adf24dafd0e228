/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests: packets that name guest pages (GPA-direct), mapped for the time of one request.
 *
 * A channel's backend makes a pool of them when the channel is opened, so that a map
 * allocates nothing. A request has no handle, and nobody asks for it back: it ends by itself.
 * What would revoke a GPADL marks a request, and waits.
 *
 *	FREE --> PARSING --> MAPPING --> MAPPED --> UNMAPPING --> FREE
 *	            `-----------`------------------------^
 *
 * Only the thread that maps ends PARSING and MAPPING, only the one that unmaps MAPPED.
 */
#ifndef _GPADL_GPA_POOL_H
#define _GPADL_GPA_POOL_H

#include <linux/llist.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "mapping.h"
#include "wire.h"
#include "vmbus_gpadl_map.h"

struct gpa_pool;
struct gpadl_region_table;
struct seq_file;

/* The pools of a partition: pages that one request of each has at most; see limits.c */
#define GPADL_POOL_PAGES	655360

/**
 * enum gpa_state - what a request is about
 * @GPA_FREE: nothing
 * @GPA_PARSING: taking the packet's ranges in
 * @GPA_MAPPING: they are in, and do not change: pages are being looked up and pinned
 * @GPA_MAPPED: the backend has it
 * @GPA_UNMAPPING: pages are being unpinned
 */
enum gpa_state {
	GPA_FREE,
	GPA_PARSING,
	GPA_MAPPING,
	GPA_MAPPED,
	GPA_UNMAPPING,
};

/**
 * struct gpa_request - a request
 * @map: its pages
 * @lookup: where they are
 * @pfns: as the packet named them, in memory of the pool
 * @pool: whose it is
 * @next: the next that is free
 * @late: in gpa_pool.late, if @is_late
 * @state: &enum gpa_state. FREE is left and set under the channel's
 *	pool_lock
 * @begin: when its map began, for tracing; 0 if nobody traced
 * @first: nothing else of the channel was in flight when it began
 * @counted: in vmbus_partition.nr_request_pages
 * @looked_at: somebody looks at @pfns, and frees it if it ends meanwhile. Protected, like all
 *	that follows, by the channel's pool_lock
 * @is_late: the backend has ended it; what is left of that is a work item's
 * @tearing_down: it is not to be mapped any more, if it is not yet
 * @revoked: somebody waits for its end, and it is counted in vmbus_partition.nr_revoked. Its
 *	backend is not asked: it ends by itself
 * @reset: and in nr_resetting
 * @since: when it was first waited for, in jiffies
 * @taken: when it began, in jiffies
 */
struct gpa_request {
	struct vmbus_mapping map;
	struct gpadl_lookup lookup;
	struct gpadl_pfn_list pfns;
	struct gpa_pool *pool;
	struct gpa_request *next;
	struct llist_node late;
	int state;
	u64 begin;
	bool first;
	unsigned long counted;
	bool looked_at;
	bool is_late;
	bool tearing_down;
	bool revoked;
	bool reset;
	unsigned long since;
	unsigned long taken;
};

/**
 * struct gpa_pool - the requests of a channel
 * @chan: the channel; held, and may have another pool by now
 * @nr_requests: all of them
 * @max_pages: pages that each has room for
 * @requests: all of them
 * @free: those that are free, the last one used first
 * @nr_busy: those that are not
 * @nr_late: of these, those that the backend has ended
 * @nr_ended: of such, how many have come to their end so far
 * @only_late: all that are busy are late: one of the channel's nr_late_pools
 * @nr_most: so many were busy at a time
 * @refs: 1 until the backend has destroyed it, 1 for each busy request, and 1 for each
 *	look at them. Protected by the channel's pool_lock, as are the six above
 * @dead: the backend has destroyed it; then it is its channel's no more as soon as nothing of it
 *	is mapped
 * @words: of all requests, for their pfns
 * @pages: likewise, for what they have pinned
 * @sgl: likewise, for their scatterlists
 * @late: requests with pages that were cleaned while they were mapped
 * @late_work: marks these pages dirty, and unpins
 * @free_work: frees the pool
 */
struct gpa_pool {
	struct vmbus_gpadl_channel *chan;
	unsigned int nr_requests;
	unsigned int max_pages;
	struct gpa_request *requests;
	struct gpa_request *free;
	unsigned int nr_busy;
	unsigned int nr_late;
	unsigned int nr_ended;
	bool only_late;
	unsigned int nr_most;
	unsigned int refs;
	bool dead;
	u64 *words;
	struct page **pages;
	struct scatterlist *sgl;
	struct llist_head late;
	struct work_struct late_work;
	struct work_struct free_work;
};

/**
 * struct gpa_sums - what the requests of a channel are together
 * @busy: in flight
 * @oldest: jiffies since the oldest of these began
 * @revoked: of these, those that somebody waits for
 * @oldest_revoked: jiffies since somebody waits for one of them
 */
struct gpa_sums {
	unsigned int busy;
	unsigned long oldest;
	unsigned int revoked;
	unsigned long oldest_revoked;
};

static inline struct gpa_request *to_gpa_request(const struct vmbus_mapping *map)
{
	return container_of(map, struct gpa_request, map);
}

/* Words that a request of so many pages can have. */
static inline u32 gpa_words(unsigned int max_pages)
{
	return max_pages + VMBUS_GPA_MAX_RANGES;
}

/* Is all that it has pinned for writing dirty? Usually it is so from the start. */
static inline bool gpadl_request_is_dirty(const struct gpa_request *r)
{
	return !r->map.writable || !r->lookup.nr_pins ||
	       gpadl_pin_set_is_dirty(&r->map.pinned);
}

struct gpa_request *gpadl_request_get(struct vmbus_gpadl_channel *chan);
void gpadl_request_free(struct gpa_request *r);
void gpadl_request_put(struct gpa_request *r);
void gpadl_request_put_late(struct gpa_request *r);
void gpadl_request_unpin(struct gpa_request *r, bool dirty);
int gpadl_requests_wait_late(struct vmbus_gpadl_channel *chan);
void gpadl_pool_end(struct vmbus_gpadl_channel *chan);
struct gpa_pool *gpadl_pool_get(struct vmbus_gpadl_channel *chan);
void gpadl_pool_unget(struct gpa_pool *pool);

/* gpa_all.c */
void gpadl_requests_teardown(struct vmbus_gpadl_channel *chan, bool reset);
void gpadl_requests_rescind(struct vmbus_gpadl_channel *chan);
bool gpadl_requests_move(struct vmbus_gpadl_channel *chan,
			 const struct gpadl_region_table *old,
			 const struct gpadl_region_table *new);
unsigned int gpadl_requests_stuck(struct vmbus_gpadl_channel *chan);
void gpadl_requests_sum(struct vmbus_gpadl_channel *chan, struct gpa_sums *sums);
void gpadl_requests_show(struct seq_file *m, struct vmbus_gpadl_channel *chan);

#endif /* _GPADL_GPA_POOL_H */
