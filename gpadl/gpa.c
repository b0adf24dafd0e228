// SPDX-License-Identifier: GPL-2.0
/*
 * GPA-direct: the pages that a packet names, mapped for the time of one request.
 *
 * What a disk or a network card reads and writes comes this way, so a map is made of what is
 * there already: the request is of a pool, and its pages are looked up, pinned and listed as
 * those of a GPADL (mapping.c), in room that the pool has.
 *
 * The pins are not FOLL_LONGTERM, as those of direct I/O and of vhost-scsi are not. They last
 * for as long as a device takes, and not for as long as the guest likes: that is the backend's
 * duty. So memory need not be moved out of CMA or ZONE_MOVABLE first, which waits for it as
 * it does for direct I/O; guest memory may be what long-term pins are refused for (a file
 * whose writes are tracked, DAX); and of a copy-on-write mapping that the VMM has not written
 * to, a map for reading sees what was there when it began. Nor are they charged to
 * RLIMIT_MEMLOCK: a request that is refused for want of it would be an I/O error in the guest. A
 * resident region is charged, and what the VMM has replaced there with it: such an error is then
 * its own doing.
 * What bounds them is the pool of the channel, and the partition's limit of pages.
 */
#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/mm.h>

#include "compat.h"
#include "gpa_pool.h"
#include "limits.h"
#include "priv.h"
#include "trace.h"

/* ---- Mapping ---- */

static int request_parse(struct gpa_request *r, const void *ranges, size_t len,
			 unsigned int nr_ranges)
{
	const unsigned int max_pages = r->pool->max_pages;
	const u32 room = gpa_words(max_pages);

	if (nr_ranges > VMBUS_GPA_MAX_RANGES)
		return -EMSGSIZE;
	switch (gpadl_wire_take_ranges(&r->pfns, ranges, min_t(size_t, len, U32_MAX), nr_ranges,
				       r->pfns.words, room)) {
	case GPADL_WIRE_COMPLETE:
		return r->pfns.nr_pages > max_pages ? -EMSGSIZE : 0;
	case GPADL_WIRE_TOO_LONG:
		return len / sizeof(u64) > room ? -EMSGSIZE : -EBADMSG;
	default:
		return -EBADMSG;
	}
}

/*
 * Count what is to be pinned. The only request of a channel is never refused: nothing would tell
 * the backend when to try again.
 */
static int request_count(struct gpa_request *r)
{
	atomic_t *nr_pages = &r->pool->chan->p->nr_request_pages;
	int nr = r->lookup.nr_pins;

	if (!nr)
		return 0;
	if (atomic_add_return(nr, nr_pages) > gpadl_max_request_pages() && !r->first) {
		atomic_sub(nr, nr_pages);
		return -EAGAIN;
	}
	r->counted = nr;
	return 0;
}

static void request_uncount(struct gpa_request *r)
{
	atomic_sub(r->counted, &r->pool->chan->p->nr_request_pages);
	r->counted = 0;
}

/* Look the pages up, pin and list them. */
static int request_take(struct gpa_request *r)
{
	const bool nowait = r->map.gup_flags & FOLL_NOFAULT;
	int ret;

	do {
		/* Of no table: what the last request found is of no use. */
		r->lookup.generation = 0;
		ret = gpadl_mapping_use_regions(&r->map);
		if (ret)
			return ret;
		ret = request_count(r);
		if (ret) {
			gpadl_mapping_unuse_regions(&r->map);
			return ret;
		}
		ret = gpadl_mapping_take_there(&r->map);
		if (likely(!ret))
			return 0;
		request_uncount(r);
		gpadl_mapping_unuse_regions(&r->map);
	} while (ret == -EAGAIN && !nowait);
	/* A caller that may wait finds out whether there can be memory at all. */
	return nowait ? -EAGAIN : ret;
}

static int request_map(struct gpa_request *r, u32 flags, bool nowait)
{
	struct vmbus_gpadl_channel *chan = r->pool->chan;
	int ret;

	r->map.writable = !(flags & VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY);
	r->map.gup_flags = nowait ? FOLL_NOFAULT : 0;
	r->map.max_segment = READ_ONCE(chan->max_segment);
	/* What it names stays as it is, and can be looked at: see request_moves() */
	smp_store_release(&r->state, GPA_MAPPING);
	/* The address space may still exist, but nobody may wait for it. */
	if (gpadl_worker_is_orphaned(&chan->worker))
		return -ESRCH;
	ret = request_take(r);
	if (ret)
		return ret;
	/* What is not marked then, the unmap sees to. */
	if (!nowait && !gpadl_request_is_dirty(r))
		gpadl_pin_set_mark_dirty(&r->map.pinned);
	if (READ_ONCE(r->tearing_down) || READ_ONCE(chan->rescinded)) {
		/* Nobody has written to them. */
		gpadl_request_unpin(r, false);
		gpadl_mapping_unuse_regions(&r->map);
		return -ESHUTDOWN;
	}
	return 0;
}

/* The thread may move to another processor at any time: each count is right by itself. */
static void gpa_count(const struct gpa_request *r, int ret)
{
	struct gpadl_channel_stats __percpu *stats = r->pool->chan->stats;

	if (ret == -EAGAIN)
		return;
	if (ret) {
		this_cpu_inc(stats->requests_failed);
		return;
	}
	this_cpu_inc(stats->requests);
	this_cpu_add(stats->pages, r->pfns.nr_pages);
	this_cpu_add(stats->pins, r->lookup.nr_pins);
}

/* Tries it once. */
static __always_inline int gpa_map(struct vmbus_gpadl_channel *chan, u32 flags,
				   const void *ranges, size_t len, unsigned int nr_ranges,
				   struct vmbus_mapping **map, bool nowait)
{
	struct gpa_request *r;
	int ret;

	might_sleep();
	if (flags & ~VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY)
		return -EINVAL;
	r = gpadl_request_get(chan);
	if (IS_ERR(r))
		return PTR_ERR(r);
	r->begin = 0;
	if (trace_vmbus_gpa_map_enabled() || trace_vmbus_gpa_unmap_enabled())
		r->begin = ktime_get_ns();
	ret = request_parse(r, ranges, len, nr_ranges);
	if (!ret)
		ret = request_map(r, flags, nowait);
	trace_vmbus_gpa_map(chan, r, ret);
	gpa_count(r, ret);
	if (ret) {
		gpadl_request_put(r);
		return ret;
	}
	/* Release, as before: a reader of the pages it names may see this state alone. */
	smp_store_release(&r->state, GPA_MAPPED);
	*map = &r->map;
	return 0;
}

/**
 * vmbus_gpa_map() - Map the pages that a packet names
 * @chan: channel that the packet came on
 * @flags: VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY, or 0 for writing as well
 * @ranges: the packet's ranges, in memory that the guest cannot change
 * @len: bytes of @ranges. What is behind the last range is ignored: old versions of Linux sent
 *	32 page frame numbers whatever the length of their range was
 * @nr_ranges: the packet's range_cnt
 * @map: where the mapping goes, for vmbus_gpa_unmap()
 *
 * vmbus_mapping_sgt() has the pages: its entries cover the ranges in order and to the byte, none
 * spans two ranges. vmbus_mapping_dma_dir() and vmbus_mapping_view() work on it as well.
 *
 * Allocates nothing, and charges nothing to the owner's RLIMIT_MEMLOCK, but for pages of resident
 * regions that the VMM has replaced. The pages are not pinned for long (FOLL_LONGTERM): the backend
 * keeps them for as long as its device takes, and does not wait for the guest. The guest may go on
 * writing to them.
 *
 * On error no pin of this call's is left, but for pages of a resident region that have replaced
 * others: the region has these.
 *
 * Does what VmbChannelPacketGetExternalData() of vmbkmcl.sys does.
 *
 * Context: any process context, kernel threads included. May sleep for as long as the VMM
 * likes, as vmbus_gpadl_map().
 *
 * Return:
 *   * 0
 *   * %-EINVAL: unknown flag bit
 *   * %-ENXIO: the channel has no pool
 *   * %-ESHUTDOWN: the channel is rescinded, or was released or reset while this mapped
 *   * %-EAGAIN: as many requests of the channel, or pages of the partition, are in flight as may
 *     be. Only while something of the channel is: try again after an unmap, or after a map that
 *     was going on has failed
 *   * %-EBADMSG: no range; a length of 0, an offset beyond a page, a sum that overflows, a page
 *     frame number that no guest can have, or fewer of them than the ranges need
 *   * %-EMSGSIZE: more pages than a request of the pool may have, or more than
 *     VMBUS_GPA_MAX_RANGES ranges
 *   * %-EACCES: write access is wanted, and a page lies in a read-only region
 *   * %-ESRCH: the VMM's address space is gone, or its thread for this channel was killed
 *   * %-EFAULT: a page lies in no region, or its memory cannot be pinned
 *   * %-ENOMEM: no memory to bring a page in; or the owner's RLIMIT_MEMLOCK would be exceeded, by
 *     a page of a resident region that the VMM has replaced
 *   * %-EINTR: fatal signal
 */
int vmbus_gpa_map(struct vmbus_gpadl_channel *chan, u32 flags, const void *ranges,
		  size_t len, unsigned int nr_ranges, struct vmbus_mapping **map)
{
	int ret;

	do {
		ret = gpa_map(chan, flags, ranges, len, nr_ranges, map, false);
		if (ret != -EAGAIN)
			return ret;
		/* In a work queue that others' channels share, nothing waits for a VMM. */
		ret = gpadl_worker_is_orphaned(&chan->worker) ? -ESRCH :
								gpadl_requests_wait_late(chan);
	} while (!ret);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpa_map, VMBUS_GPADL_NS);

/**
 * vmbus_gpa_map_nowait() - vmbus_gpa_map() that does not wait for the VMM
 * @chan: as vmbus_gpa_map()
 * @flags: as vmbus_gpa_map()
 * @ranges: as vmbus_gpa_map()
 * @len: as vmbus_gpa_map()
 * @nr_ranges: as vmbus_gpa_map()
 * @map: as vmbus_gpa_map()
 *
 * Maps what is resident, or in the VMM's page tables as it is wanted.
 *
 * Context: process; sleeps for locks of the kernel, but for no page, and not for the lock of the
 * VMM's address space. Only in a thread of that VMM it waits for that, as any of its page faults
 * does; SIGKILL ends it.
 *
 * Return: as vmbus_gpa_map(), but never %-ENOMEM or %-EINTR; %-EAGAIN also if a page, or that lock,
 * would have to be waited for, or a page cannot be had: vmbus_gpa_map() in a thread that may wait
 * tells why.
 */
int vmbus_gpa_map_nowait(struct vmbus_gpadl_channel *chan, u32 flags, const void *ranges,
			 size_t len, unsigned int nr_ranges, struct vmbus_mapping **map)
{
	return gpa_map(chan, flags, ranges, len, nr_ranges, map, true);
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpa_map_nowait, VMBUS_GPADL_NS);

/* ---- Unmapping ---- */

/**
 * vmbus_gpa_unmap() - Undo vmbus_gpa_map()
 * @map: the mapping; not the backend's any more when this returns
 *
 * When this returns the pages are unpinned, and dirty if they were mapped for writing; but if
 * one is not, as writeback has cleaned it meanwhile, or the map has not marked it (it did not wait,
 * or somebody had the page's lock), a work item does both soon. Cannot fail. A second unmap,
 * and one of a GPADL's mapping, is a bug of the backend: it warns once and does nothing.
 *
 * Context: any but NMI; interrupts may be off. On PREEMPT_RT, where the lock that it takes can
 * sleep, neither hard interrupts nor with interrupts off.
 */
void vmbus_gpa_unmap(struct vmbus_mapping *map)
{
	struct gpa_request *r = to_gpa_request(map);
	bool late;

	if (WARN_ONCE(!map->is_request, "a GPADL's mapping is unmapped as a packet's\n"))
		return;
	if (WARN_ONCE(cmpxchg(&r->state, GPA_MAPPED, GPA_UNMAPPING) != GPA_MAPPED,
		      "channel %u: a packet's mapping is unmapped twice\n",
		      r->pool->chan->relid))
		return;
	late = !gpadl_request_is_dirty(r);
	trace_vmbus_gpa_unmap(r, late);
	/*
	 * Not by the work item: it may wait for ever, and what is resident is not to wait for
	 * that.
	 */
	gpadl_mapping_unuse_regions(&r->map);
	if (late) {
		gpadl_request_put_late(r);
		return;
	}
	gpadl_request_unpin(r, false);
	gpadl_request_put(r);
}
EXPORT_SYMBOL_NS_GPL(vmbus_gpa_unmap, VMBUS_GPADL_NS);
