/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints: /sys/kernel/tracing/events/vmbus_gpadl. No ABI.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vmbus_gpadl

#if !defined(_GPADL_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _GPADL_TRACE_H

#include <linux/ktime.h>
#include <linux/tracepoint.h>

#include "reasons.h"

/* The file that makes the tracepoints, vmbus_gpadl_map.c, knows what is in there. */
struct gpa_request;
struct gpadl;
struct vmbus_gpadl_channel;

GPADL_REASONS(GPADL_REASON_TRACE)

/* The list ends with a comma. */
#define gpadl_show_reason(reason) \
	__print_symbolic(reason, GPADL_REASONS(GPADL_REASON_SYMBOL) { -1, "?" })

/* A message that did not do what it is for. relid is 0 if the message does not tell. */
TRACE_EVENT(vmbus_gpadl_reject,
	TP_PROTO(int id, u32 relid, u32 handle, enum gpadl_reason reason),
	TP_ARGS(id, relid, handle, reason),
	TP_STRUCT__entry(
		__field(int, id)
		__field(u32, relid)
		__field(u32, handle)
		__field(int, reason)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->relid = relid;
		__entry->handle = handle;
		__entry->reason = reason;
	),
	TP_printk("partition=%d relid=%u handle=%#x reason=%s", __entry->id,
		  __entry->relid, __entry->handle, gpadl_show_reason(__entry->reason))
);

/* GPADL_CREATED is queued. */
TRACE_EVENT(vmbus_gpadl_created,
	TP_PROTO(const struct gpadl *g, u32 status),
	TP_ARGS(g, status),
	TP_STRUCT__entry(
		__field(int, id)
		__field(u32, relid)
		__field(u32, handle)
		__field(u32, status)
		__field(u32, pages)
		__field(u32, ranges)
		__field(u32, runs)
		__field(u32, messages)
		__field(bool, read_only)
	),
	TP_fast_assign(
		__entry->id = g->chan->p->id;
		__entry->relid = g->chan->relid;
		__entry->handle = g->handle;
		__entry->status = status;
		__entry->pages = g->pfns.nr_pages;
		__entry->ranges = g->pfns.nr_ranges;
		__entry->runs = g->pfns.nr_runs;
		__entry->messages = g->nr_messages;
		__entry->read_only = g->read_only;
	),
	TP_printk("partition=%d relid=%u handle=%#x status=%#x pages=%u ranges=%u runs=%u messages=%u access=%s",
		  __entry->id, __entry->relid, __entry->handle, __entry->status,
		  __entry->pages, __entry->ranges, __entry->runs, __entry->messages,
		  __entry->read_only ? "ro" : "rw")
);

/*
 * A backend's map came to an end; with ret 0 the pages are pinned. ns is how long it took;
 * 0 if the event was switched on only after it began.
 */
TRACE_EVENT(vmbus_gpadl_map,
	TP_PROTO(const struct gpadl *g, bool write, int ret, u64 begin),
	TP_ARGS(g, write, ret, begin),
	TP_STRUCT__entry(
		__field(int, id)
		__field(u32, relid)
		__field(u32, handle)
		__field(bool, write)
		__field(int, ret)
		__field(unsigned long, pins)
		__field(unsigned int, nents)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->id = g->chan->p->id;
		__entry->relid = g->chan->relid;
		__entry->handle = g->handle;
		__entry->write = write;
		__entry->ret = ret;
		__entry->pins = ret ? 0 : g->lookup.nr_pins;
		__entry->nents = ret ? 0 : g->mapping->map.sgt.nents;
		__entry->ns = begin ? ktime_get_ns() - begin : 0;
	),
	TP_printk("partition=%d relid=%u handle=%#x access=%s pinned=%lu entries=%u ret=%d ns=%llu",
		  __entry->id, __entry->relid, __entry->handle,
		  __entry->write ? "rw" : "ro", __entry->pins, __entry->nents,
		  __entry->ret, __entry->ns)
);

/* The pages of an unmap are unpinned; ns is how long that took, or 0, likewise. */
TRACE_EVENT(vmbus_gpadl_unmapped,
	TP_PROTO(const struct gpadl *g, u64 begin),
	TP_ARGS(g, begin),
	TP_STRUCT__entry(
		__field(int, id)
		__field(u32, relid)
		__field(u32, handle)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->id = g->chan->p->id;
		__entry->relid = g->chan->relid;
		__entry->handle = g->handle;
		__entry->ns = begin ? ktime_get_ns() - begin : 0;
	),
	TP_printk("partition=%d relid=%u handle=%#x ns=%llu", __entry->id, __entry->relid,
		  __entry->handle, __entry->ns)
);

/* The same of a packet: a request begins, or does not. */
TRACE_EVENT(vmbus_gpa_map,
	TP_PROTO(const struct vmbus_gpadl_channel *chan, const struct gpa_request *r, int ret),
	TP_ARGS(chan, r, ret),
	TP_STRUCT__entry(
		__field(int, id)
		__field(u32, relid)
		__field(long, request)
		__field(bool, write)
		__field(int, ret)
		__field(u32, pages)
		__field(u32, ranges)
		__field(unsigned long, pins)
		__field(unsigned int, nents)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->id = chan->p->id;
		__entry->relid = chan->relid;
		__entry->request = r - r->pool->requests;
		__entry->write = r->map.writable;
		__entry->ret = ret;
		__entry->pages = r->pfns.nr_pages;
		__entry->ranges = r->pfns.nr_ranges;
		__entry->pins = ret ? 0 : r->lookup.nr_pins;
		__entry->nents = ret ? 0 : r->map.sgt.nents;
		__entry->ns = r->begin ? ktime_get_ns() - r->begin : 0;
	),
	TP_printk("partition=%d relid=%u request=%ld access=%s pages=%u ranges=%u pinned=%lu entries=%u ret=%d ns=%llu",
		  __entry->id, __entry->relid, __entry->request,
		  __entry->write ? "rw" : "ro", __entry->pages, __entry->ranges,
		  __entry->pins, __entry->nents, __entry->ret, __entry->ns)
);

/*
 * It is given back. late: pages were cleaned meanwhile, and are marked by a work item. ns is
 * how long ago its map began: the latency of the request, as the backend has it; or 0.
 */
TRACE_EVENT(vmbus_gpa_unmap,
	TP_PROTO(const struct gpa_request *r, bool late),
	TP_ARGS(r, late),
	TP_STRUCT__entry(
		__field(int, id)
		__field(u32, relid)
		__field(long, request)
		__field(bool, late)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->id = r->pool->chan->p->id;
		__entry->relid = r->pool->chan->relid;
		__entry->request = r - r->pool->requests;
		__entry->late = late;
		__entry->ns = r->begin ? ktime_get_ns() - r->begin : 0;
	),
	TP_printk("partition=%d relid=%u request=%ld ns=%llu%s", __entry->id, __entry->relid,
		  __entry->request, __entry->ns, __entry->late ? " late" : "")
);

/*
 * The VMM's memory is about to change, or may be, at addresses of a region. event is the
 * kernel's enum mmu_notifier_event.
 */
TRACE_EVENT(vmbus_gpadl_invalidate,
	TP_PROTO(int id, u32 slot, unsigned long first, unsigned long last, int event,
		 bool mapped),
	TP_ARGS(id, slot, first, last, event, mapped),
	TP_STRUCT__entry(
		__field(int, id)
		__field(u32, slot)
		__field(unsigned long, first)
		__field(unsigned long, last)
		__field(int, event)
		__field(bool, mapped)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->slot = slot;
		__entry->first = first;
		__entry->last = last;
		__entry->event = event;
		__entry->mapped = mapped;
	),
	TP_printk("partition=%d slot=%u hva=%#lx-%#lx event=%d%s", __entry->id,
		  __entry->slot, __entry->first, __entry->last, __entry->event,
		  __entry->mapped ? " mapped" : "")
);

DECLARE_EVENT_CLASS(vmbus_gpadl,
	TP_PROTO(const struct gpadl *g),
	TP_ARGS(g),
	TP_STRUCT__entry(
		__field(int, id)
		__field(u32, relid)
		__field(u32, handle)
	),
	TP_fast_assign(
		__entry->id = g->chan->p->id;
		__entry->relid = g->chan->relid;
		__entry->handle = g->handle;
	),
	TP_printk("partition=%d relid=%u handle=%#x", __entry->id, __entry->relid,
		  __entry->handle)
);

/* A backend's unmap begins. */
DEFINE_EVENT(vmbus_gpadl, vmbus_gpadl_unmap,
	TP_PROTO(const struct gpadl *g), TP_ARGS(g));
/* The guest asks for a teardown. */
DEFINE_EVENT(vmbus_gpadl, vmbus_gpadl_teardown,
	TP_PROTO(const struct gpadl *g), TP_ARGS(g));
/* The backend is going to be asked for a mapped GPADL. */
DEFINE_EVENT(vmbus_gpadl, vmbus_gpadl_revoke,
	TP_PROTO(const struct gpadl *g), TP_ARGS(g));
/* GPADL_TORNDOWN is queued: no page of it is pinned. */
DEFINE_EVENT(vmbus_gpadl, vmbus_gpadl_torndown,
	TP_PROTO(const struct gpadl *g), TP_ARGS(g));

#endif /* _GPADL_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH gpadl
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
