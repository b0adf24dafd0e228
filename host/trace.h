/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints: /sys/kernel/tracing/events/vmbus_host. No ABI.
 *
 * A packet from the guest and the completion that answers it have the same trans_id: the
 * time between both is what a request took.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vmbus_host

#if !defined(_VMBUS_HOST_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _VMBUS_HOST_TRACE_H

#include <linux/ktime.h>
#include <linux/tracepoint.h>

#include "host.h"

/*
 * A backend's callback has returned. ns is how long it took; 0 if the event was switched on after
 * it began.
 */
TRACE_EVENT(vmbus_host_callback,
	TP_PROTO(const struct vmbus_endpoint *ep, u64 begin),
	TP_ARGS(ep, begin),
	TP_STRUCT__entry(
		__field(int, id)
		__field(u32, relid)
		__array(char, name, 12)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->id = vmbus_partition_id(ep->guest->p);
		__entry->relid = ep->relid;
		strscpy(__entry->name, ep->callback, sizeof(__entry->name));
		__entry->ns = begin ? ktime_get_ns() - begin : 0;
	),
	TP_printk("partition=%d relid=%u callback=%s ns=%llu", __entry->id, __entry->relid,
		  __entry->name, __entry->ns)
);

DECLARE_EVENT_CLASS(vmbus_host_packet,
	TP_PROTO(const struct vmbus_endpoint *ep, const struct vmbus_packet *pkt),
	TP_ARGS(ep, pkt),
	TP_STRUCT__entry(
		__field(int, id)
		__field(u32, relid)
		__field(u16, type)
		__field(u16, flags)
		__field(u32, len)
		__field(u64, trans_id)
	),
	TP_fast_assign(
		__entry->id = vmbus_partition_id(ep->guest->p);
		__entry->relid = ep->relid;
		__entry->type = pkt->type;
		__entry->flags = pkt->flags;
		__entry->len = pkt->len;
		__entry->trans_id = pkt->trans_id;
	),
	TP_printk("partition=%d relid=%u type=%u flags=%#x len=%u trans_id=%#llx",
		  __entry->id, __entry->relid, __entry->type, __entry->flags, __entry->len,
		  __entry->trans_id)
);

/* The backend looks at a packet; again if it does not consume it. */
DEFINE_EVENT(vmbus_host_packet, vmbus_host_receive,
	TP_PROTO(const struct vmbus_endpoint *ep, const struct vmbus_packet *pkt),
	TP_ARGS(ep, pkt));
/* The backend sends a packet, for which there is room. */
DEFINE_EVENT(vmbus_host_packet, vmbus_host_send,
	TP_PROTO(const struct vmbus_endpoint *ep, const struct vmbus_packet *pkt),
	TP_ARGS(ep, pkt));

#endif /* _VMBUS_HOST_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH host
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
