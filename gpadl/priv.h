/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Partitions, channels and GPADLs: what the files of the mapper share.
 *
 * References: a reply that waits, and each look-up of a GPADL, holds the GPADL; a busy
 * GPADL holds itself; a GPADL holds its channel; a channel holds its partition; a
 * partition holds the address space (mmgrab) and its owner. A channel and a partition without
 * a reference are freed by a work item, so that any thread may drop the last one under any lock.
 *
 * Lock order: rx_mutex > GPADL lock > lock of an xarray > reply queue lock;
 * rx_mutex > pool_lock of a channel.
 * vmbus_gpadl_map() and vmbus_gpadl_unmap() take no rx_mutex. Nothing is held while
 * pages are pinned, but change_lock by a change of regions; nor while a callback runs, but for
 * wake(), which says so.
 */
#ifndef _GPADL_PRIV_H
#define _GPADL_PRIV_H

#include <linux/atomic.h>
#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "mapping.h"
#include "mem.h"
#include "reasons.h"
#include "region.h"
#include "reply.h"
#include "wire.h"
#include "worker.h"
#include "vmbus_gpadl_map.h"

struct dentry;
struct gpa_pool;
struct gpadl_user;

/* A handle is an index in xarrays, with room for one above. */
static_assert(BITS_PER_LONG == 64);

/* What a guest writes is read as it is: of messages, rings and packets. */
static_assert(!IS_ENABLED(CONFIG_CPU_BIG_ENDIAN));

/* The reason that belongs to a verdict which is neither OK nor COMPLETE. */
static inline enum gpadl_reason gpadl_verdict_reason(enum gpadl_wire_verdict verdict)
{
	return GPADL_REASON_BAD_BUFLEN + (verdict - GPADL_WIRE_BAD_BUFLEN);
}

static_assert(GPADL_REASON_NOTHING_ADDED - GPADL_REASON_BAD_BUFLEN ==
	      GPADL_WIRE_NOTHING_ADDED - GPADL_WIRE_BAD_BUFLEN);

/**
 * enum gpadl_state - life of a GPADL
 * @GPADL_ASSEMBLING: the guest has not sent all of it
 * @GPADL_READY: complete, not mapped
 * @GPADL_MAPPING: vmbus_gpadl_map() is at work; only its thread ends this state
 * @GPADL_MAPPED: the backend has it
 * @GPADL_UNMAPPING: pages are being unpinned; only that thread ends this state
 * @GPADL_DEAD: in no table any more; set once
 */
enum gpadl_state {
	GPADL_ASSEMBLING,
	GPADL_READY,
	GPADL_MAPPING,
	GPADL_MAPPED,
	GPADL_UNMAPPING,
	GPADL_DEAD,
};

/**
 * struct vmbus_partition - one guest
 * @ref: references
 * @id: number in logs and debugfs
 * @ops: the channel layer
 * @priv: its own
 * @mem: guest memory
 * @replies: messages that wait for the guest
 * @rx_mutex: serialises the guest's messages and all that makes GPADLs leave. Protects
 *	@dead, @channels, @nr_channels, @all_channels, the insertion of GPADLs, and the
 *	change of vmbus_gpadl_channel.rescinded and .released and of gpadl.tearing_down
 * @dead: the channel layer has gone
 * @channels: by relid, those that the channel layer has not put
 * @nr_channels: number of these
 * @all_channels: these, and those put whose GPADLs are still mapped
 * @handles: by handle, the first of the GPADLs that have it; see gpadl.same. Protected by
 *	its own lock; inserted into under @rx_mutex
 * @nr_gpadls: GPADLs not freed yet, replies not read included
 * @nr_pages: HV pages that they were announced to have
 * @nr_revoked: busy GPADLs and requests that are revoked
 * @nr_resetting: of these, those that a reset has found: what the guest makes and tears
 *	down after that is not waited for
 * @nr_request_pages: host pages that are pinned for requests (gpa_pool.h), each once for each
 *	time that it is named
 * @nr_pool_pages: pages that requests of all pools have at most, one request of each
 * @idle: woken when a GPADL or a request is no longer busy
 * @stuck_work: complains of those that stay busy; ends with the partition
 * @counts: of &enum gpadl_reason
 * @debugfs: directory
 * @user: whose it is
 * @drop_wq: unpins what its regions have pinned
 * @watch_wq: lets go of its regions then, which may wait for changes of the VMM's memory
 * @late_wq: unpins what unmaps of requests have left, which may wait for a FUSE server
 * @free_wq: frees its channels, which may wait until the VMM's threads run
 * @clear_work: removes its regions when it was put; holds a reference while pending
 * @free_work: frees it
 */
struct vmbus_partition {
	refcount_t ref;
	int id;
	const struct vmbus_partition_ops *ops;
	void *priv;
	struct gpadl_mem mem;
	struct gpadl_reply_queue replies;

	struct mutex rx_mutex;
	bool dead;
	struct xarray channels;
	unsigned int nr_channels;
	struct list_head all_channels;
	struct xarray handles;

	atomic_t nr_gpadls;
	atomic_t nr_pages;
	atomic_t nr_revoked;
	atomic_t nr_resetting;
	atomic_t nr_request_pages;
	atomic_t nr_pool_pages;
	wait_queue_head_t idle;
	struct delayed_work stuck_work;

	atomic_t counts[GPADL_NR_REASONS];
	struct dentry *debugfs;
	struct gpadl_user *user;
	struct workqueue_struct *drop_wq;
	struct workqueue_struct *watch_wq;
	struct workqueue_struct *late_wq;
	struct workqueue_struct *free_wq;
	struct work_struct clear_work;
	struct work_struct free_work;
};

/**
 * struct gpadl_channel_stats - what backends have done, by processor
 * @maps: maps that have succeeded
 * @failed: and that have not
 * @requests: packets whose pages were mapped
 * @requests_failed: and those of which that failed, other than for want of room
 * @pages: HV pages that were mapped
 * @pins: host pages that were pinned for it; resident ones are not
 */
struct gpadl_channel_stats {
	u64 maps;
	u64 failed;
	u64 requests;
	u64 requests_failed;
	u64 pages;
	u64 pins;
};

/**
 * struct vmbus_gpadl_channel - one channel of a partition
 * @ref: references
 * @relid: number in VMBus messages
 * @p: the partition
 * @node: in its all_channels
 * @ops: the channel layer
 * @priv: its own
 * @worker: runs the channel's work
 * @rescinded: GPADLs come and go, but are not mapped any more. Set under rx_mutex, read
 *	under a GPADL's lock; see vmbus_gpadl_channel_rescind()
 * @released: rescinded, and then released by the guest: it is not here any more
 * @max_segment: length that an entry of a scatterlist has at most; whole pages
 * @gpadls: by handle; all that are not DEAD. Mark 0: the backend is to be told
 * @nr_busy: of @gpadls; and one for all requests of @pool that are in flight
 * @pool_lock: protects @pool, and the requests in it; taken with interrupts off
 * @pool: what requests are mapped with; NULL if the backend has made none
 * @nr_late_pools: pools counted in @nr_busy of which the backend has nothing mapped. Protected by
 *	@pool_lock
 * @stats: what backends have done, by processor: all maps of a channel count
 * @replies: about it, in the partition's queue: protected by the lock of that
 * @revoke_work: tells the backend; holds a reference while pending
 * @last_work: the last of its work, when it has no reference left
 * @free_work: frees it then, in @free_wq of the partition, after a grace period
 */
struct vmbus_gpadl_channel {
	refcount_t ref;
	u32 relid;
	struct vmbus_partition *p;
	struct list_head node;
	const struct vmbus_gpadl_channel_ops *ops;
	void *priv;
	struct gpadl_worker worker;

	bool rescinded;
	bool released;
	unsigned int max_segment;
	struct xarray gpadls;
	atomic_t nr_busy;
	spinlock_t pool_lock;
	struct gpa_pool *pool;
	int nr_late_pools;
	struct gpadl_channel_stats __percpu *stats;
	struct list_head replies;
	struct vmbus_gpadl_work revoke_work;
	struct vmbus_gpadl_work last_work;
	struct rcu_work free_work;
};

#define GPADL_MARK_REVOKE	XA_MARK_0

/**
 * struct gpadl - one GPADL
 * @ref: references
 * @rcu: frees it
 * @handle: its number
 * @read_only: created without write access
 * @chan: its channel
 * @nr_announced: HV pages it is charged for in vmbus_partition.nr_pages
 * @nr_messages: HEADER and BODYs taken in; protected by rx_mutex
 * @pfns: its pages; protected by rx_mutex while ASSEMBLING, does not change after
 * @same: ring of the GPADLs with this handle, on other channels: the newest first, those
 *	that are being torn down last; protected by the lock of vmbus_partition.handles
 * @created: GPADL_CREATED
 * @torndown: GPADL_TORNDOWN
 * @lock: protects @state, @tearing_down, @owe_torndown, @revoked, @retired, @reset, @since and
 *	@mapping
 * @state: &enum gpadl_state
 * @tearing_down: to be DEAD as soon as it is not busy; set under rx_mutex too, for good
 * @owe_torndown: the guest waits for GPADL_TORNDOWN
 * @revoked: busy, and to be unmapped; the backend is told if it is MAPPED and armed
 * @retired: busy, and the VMM has taken away regions of its pages: generation of the table that
 *	they were last in, else 0. It is revoked; unless it turns out to have looked in a later
 *	table (gpadl_finish_map())
 * @reset: busy when the partition was reset; goes with it
 * @since: when it became busy, or was revoked, in jiffies
 * @lookup: where its pages are: what is known of an earlier table of regions is of no use,
 *	else kept over unmap and map. Belongs to the thread that set MAPPING, and does not
 *	change while MAPPED or UNMAPPING
 * @mapping: while MAPPED or UNMAPPING; else NULL
 */
struct gpadl {
	refcount_t ref;
	struct rcu_head rcu;
	u32 handle;
	bool read_only;
	struct vmbus_gpadl_channel *chan;
	u32 nr_announced;
	u32 nr_messages;
	struct gpadl_pfn_list pfns;
	struct list_head same;
	struct gpadl_reply created;
	struct gpadl_reply torndown;

	spinlock_t lock;
	u8 state;
	bool tearing_down;
	bool owe_torndown;
	bool revoked;
	bool reset;
	u64 retired;
	unsigned long since;
	struct gpadl_lookup lookup;
	struct gpadl_mapping *mapping;
};

static inline bool gpadl_is_busy(const struct gpadl *g)
{
	return g->state == GPADL_MAPPING || g->state == GPADL_MAPPED ||
	       g->state == GPADL_UNMAPPING;
}

/* vmbus_gpadl_map.c: the life of a GPADL */
struct gpadl *gpadl_create(struct vmbus_gpadl_channel *chan,
			   const struct gpadl_wire_msg *header, bool read_only);
void gpadl_add(struct gpadl *g, const struct gpadl_wire_msg *msg);
bool gpadl_teardown(struct gpadl *g);
void gpadl_teardown_quietly(struct gpadl *g, bool reset);
void gpadl_wait_dying(struct vmbus_gpadl_channel *chan);

/* revoke.c */
void gpadl_queue_revoke(struct gpadl *g);
void gpadl_revoke(struct gpadl *g);
void gpadl_rescind(struct gpadl *g);
bool gpadl_moves(struct gpadl *g, const struct gpadl_region_table *old,
		 const struct gpadl_region_table *new);
void gpadl_retire(struct gpadl *g, const struct gpadl_region_table *old);
void gpadl_unretire(struct gpadl *g);
void gpadl_run_revokes(struct vmbus_gpadl_channel *chan);
#if IS_ENABLED(CONFIG_KUNIT)
void gpadl_call_revoke(struct gpadl_mapping *m);
#endif

/**
 * struct gpadl_handle_look - what is known of a handle in the whole partition
 * @here: the GPADL on the channel in question, held
 * @assembling: the one that is ASSEMBLING, on whatever channel, held
 * @elsewhere: there is one on another channel
 * @tearing_down: one is being torn down, on whatever channel
 */
struct gpadl_handle_look {
	struct gpadl *here;
	struct gpadl *assembling;
	bool elsewhere;
	bool tearing_down;
};

/* table.c: where GPADLs stand */
struct gpadl *gpadl_table_get(struct vmbus_gpadl_channel *chan, u32 handle);
struct gpadl *gpadl_table_next(struct vmbus_gpadl_channel *chan, unsigned long *handle);
int gpadl_table_insert(struct gpadl *g);
void gpadl_table_remove(struct gpadl *g);
void gpadl_table_move_last(struct gpadl *g);
struct gpadl_handle_look gpadl_table_look(struct vmbus_gpadl_channel *chan, u32 handle);
void gpadl_table_look_end(struct gpadl_handle_look *look);
struct gpadl *gpadl_table_get_assembling(struct vmbus_partition *p, u32 handle);
#if IS_ENABLED(CONFIG_KUNIT)
int gpadl_table_store(struct xarray *xa, struct gpadl *g);
#endif

/* refs.c: references; what lies below partitions and channels needs of them */
void gpadl_put(struct gpadl *g);
void gpadl_mapping_put(struct gpadl_mapping *m);
extern struct workqueue_struct *gpadl_wq;
void gpadl_partition_get(struct vmbus_partition *p);
void gpadl_partition_unref(struct vmbus_partition *p);
void gpadl_partition_watch_revoked(struct vmbus_partition *p);
void gpadl_partition_unwatch_revoked(struct vmbus_partition *p);
void gpadl_channel_unref(struct vmbus_gpadl_channel *chan);
void gpadl_channel_queue_revoke(struct vmbus_gpadl_channel *chan);
void gpadl_count(struct vmbus_partition *p, u32 relid, u32 handle,
		 enum gpadl_reason reason);

/* A GPADL that stays mapped for longer after its revoke is worth a line in the log. */
#define GPADL_STUCK_SECONDS	10

/* To the channel layer: there is something to read, or room to write. */
static inline void gpadl_partition_wake(struct vmbus_partition *p)
{
	p->ops->wake(p->priv);
}

/*
 * A GPADL or a request is no longer busy: wake what waits for that. As wq_has_sleeper(), with the
 * barrier after the atomic that told so.
 */
static inline void gpadl_wake_idle(struct vmbus_partition *p)
{
	/* Pairs with set_current_state() in wait_event(): it shows itself, then looks. */
	smp_mb__after_atomic();
	/* Avoid the queue's lock when nobody waits: all maps of the partition share it. */
	if (waitqueue_active(&p->idle))
		wake_up_all(&p->idle);
}

static inline int gpadl_wait_killable(struct vmbus_partition *p, const atomic_t *nr)
{
	return wait_event_killable(p->idle, !atomic_read(nr)) ? -EINTR : 0;
}

/* channel.c */
void gpadl_channel_teardown(struct vmbus_gpadl_channel *chan, bool reset);

/* debugfs.c */
void gpadl_debugfs_init(void);
void gpadl_debugfs_exit(void);
void gpadl_debugfs_add(struct vmbus_partition *p);
void gpadl_debugfs_remove(struct vmbus_partition *p);

#endif /* _GPADL_PRIV_H */
