/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Events: what the kernel asks or tells the VMM of its own accord.
 *
 * An event is a flag of its relid, so there is room for every one before it is posted:
 * posting allocates nothing and cannot fail, and an event that repeats before it is read
 * is one.
 */
#ifndef _VMBUS_HOST_EVENT_H
#define _VMBUS_HOST_EVENT_H

#include <linux/bitmap.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include <linux/vmbus_host.h>

/* highest relid: a SINT has 2048 event flags */
#define HOST_MAX_RELID	2047

struct vmbus_guest;

/**
 * struct host_events - events of one guest that wait to be read
 * @lock: protects all below; innermost, but for the locks of wait queues
 * @next: relid at which the search for the next event begins, so that no channel's
 *	events keep another's waiting
 * @relids: relids that have a flag in @kinds; 0 is for what is of no channel
 * @kinds: by relid, a flag for each kind of event that waits
 * @subchannels: by relid, the value of VMBUS_HOST_EVENT_OFFER_SUBCHANNELS
 */
struct host_events {
	spinlock_t lock;
	unsigned int next;
	DECLARE_BITMAP(relids, HOST_MAX_RELID + 1);
	u8 kinds[HOST_MAX_RELID + 1];
	u16 subchannels[HOST_MAX_RELID + 1];
};

void vmbus_host_events_init(struct host_events *events);
void vmbus_host_event_post(struct vmbus_guest *guest, enum vmbus_host_event_type type, u32 relid,
			   u32 value);
void vmbus_host_events_closed(struct vmbus_guest *guest, u32 relid);
void vmbus_host_event_withdraw(struct vmbus_guest *guest, enum vmbus_host_event_type type,
			       u32 relid, u32 value);
void vmbus_host_events_forget(struct vmbus_guest *guest, u32 relid);
bool vmbus_host_events_pending(struct vmbus_guest *guest);
unsigned int vmbus_host_events_count(struct vmbus_guest *guest);
int vmbus_host_event_peek(struct vmbus_guest *guest, struct vmbus_host_event *event);
void vmbus_host_event_take(struct vmbus_guest *guest, const struct vmbus_host_event *event);

#endif /* _VMBUS_HOST_EVENT_H */
