// SPDX-License-Identifier: GPL-2.0
/*
 * Events: what the kernel tells the VMM, or asks of it, without being asked.
 */
#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/poll.h>
#include <linux/wait.h>

#include "gpadl/compat.h"
#include "event.h"
#include "host.h"

/* Bits of host_events.kinds; of one relid, the lower is read first. */
static const struct {
	u32 type;
	u32 value;
} kinds[] = {
	{ VMBUS_HOST_EVENT_OFFER_SUBCHANNELS },
	{ VMBUS_HOST_EVENT_BROKEN },
	{ VMBUS_HOST_EVENT_RESCIND },
	{ VMBUS_HOST_EVENT_DONE, VMBUS_HOST_RESET },
	{ VMBUS_HOST_EVENT_DONE, VMBUS_HOST_CHANNEL_RESCIND },
	{ VMBUS_HOST_EVENT_DONE, VMBUS_HOST_CHANNEL_DESTROY },
};

static_assert(ARRAY_SIZE(kinds) <= BITS_PER_BYTE);

static int event_kind(u32 type, u32 value)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].type == type &&
		    (type != VMBUS_HOST_EVENT_DONE || kinds[i].value == value))
			return i;
	return -EINVAL;
}

/**
 * vmbus_host_events_init() - Prepare for events, of which there are none yet
 * @events: zeroed memory
 *
 * Context: any.
 */
void vmbus_host_events_init(struct host_events *events)
{
	spin_lock_init(&events->lock);
}

/**
 * vmbus_host_event_post() - Tell the VMM something
 * @guest: the guest
 * @type: what
 * @relid: of which channel; 0 if of none
 * @value: of VMBUS_HOST_EVENT_OFFER_SUBCHANNELS, how many; of VMBUS_HOST_EVENT_DONE, the
 *	command; else 0
 *
 * An event that is still unread is not queued twice; of two numbers of
 * sub-channels the last is told.
 *
 * Context: any, also under spinlocks.
 */
void vmbus_host_event_post(struct vmbus_guest *guest, enum vmbus_host_event_type type, u32 relid,
			   u32 value)
{
	struct host_events *events = &guest->events;
	int kind = event_kind(type, value);
	unsigned long irq;

	if (WARN_ON_ONCE(kind < 0 || relid > HOST_MAX_RELID))
		return;
	spin_lock_irqsave(&events->lock, irq);
	if (type == VMBUS_HOST_EVENT_OFFER_SUBCHANNELS)
		events->subchannels[relid] = value;
	events->kinds[relid] |= BIT(kind);
	__set_bit(relid, events->relids);
	spin_unlock_irqrestore(&events->lock, irq);
	wake_up_poll(&guest->wait, EPOLLPRI);
}

static void events_drop(struct host_events *events, u32 relid, unsigned long types)
{
	unsigned int kind;
	unsigned long irq;

	spin_lock_irqsave(&events->lock, irq);
	for (kind = 0; kind < ARRAY_SIZE(kinds); kind++)
		if (types & BIT(kinds[kind].type))
			events->kinds[relid] &= ~BIT(kind);
	if (!events->kinds[relid])
		__clear_bit(relid, events->relids);
	spin_unlock_irqrestore(&events->lock, irq);
}

/**
 * vmbus_host_events_closed() - Drop what was not read of an opening of a channel that is over
 * @guest: the guest
 * @relid: the channel
 *
 * What its driver has asked for is nothing to the next one, of another kernel perhaps. That
 * a ring was broken stays: it is for the VMM's log.
 *
 * Context: any, also under spinlocks.
 */
void vmbus_host_events_closed(struct vmbus_guest *guest, u32 relid)
{
	events_drop(&guest->events, relid, BIT(VMBUS_HOST_EVENT_OFFER_SUBCHANNELS));
}

/**
 * vmbus_host_event_withdraw() - What was to be told is not so any more
 * @guest: the guest
 * @type: what
 * @relid: of which channel; 0 if of none
 * @value: as vmbus_host_event_post()
 *
 * Nothing happens if the event is not there, or was read already.
 *
 * Context: any, also under spinlocks.
 */
void vmbus_host_event_withdraw(struct vmbus_guest *guest, enum vmbus_host_event_type type,
			       u32 relid, u32 value)
{
	struct host_events *events = &guest->events;
	int kind = event_kind(type, value);
	unsigned long irq;

	if (WARN_ON_ONCE(kind < 0 || relid > HOST_MAX_RELID))
		return;
	spin_lock_irqsave(&events->lock, irq);
	events->kinds[relid] &= ~BIT(kind);
	if (!events->kinds[relid])
		__clear_bit(relid, events->relids);
	spin_unlock_irqrestore(&events->lock, irq);
}

/**
 * vmbus_host_events_forget() - Drop what was not read of a channel that is gone
 * @guest: the guest
 * @relid: the channel
 *
 * VMBUS_HOST_EVENT_DONE stays: it answers the VMM, and asks nothing.
 *
 * Context: any, also under spinlocks.
 */
void vmbus_host_events_forget(struct vmbus_guest *guest, u32 relid)
{
	events_drop(&guest->events, relid, ~BIT(VMBUS_HOST_EVENT_DONE));
}

/**
 * vmbus_host_events_pending() - Does an event wait to be read?
 * @guest: the guest
 *
 * Context: any.
 * Return: true if vmbus_host_event_peek() would find one.
 */
bool vmbus_host_events_pending(struct vmbus_guest *guest)
{
	/* Without the lock: vmbus_host_event_post() wakes the readers that looked before. */
	return !data_race(bitmap_empty(guest->events.relids, HOST_MAX_RELID + 1));
}

/**
 * vmbus_host_events_count() - How many events wait to be read?
 * @guest: the guest
 *
 * Context: any. Takes no lock: a glance.
 * Return: the number.
 */
unsigned int vmbus_host_events_count(struct vmbus_guest *guest)
{
	unsigned int sum = 0;
	u32 relid;

	/* A glance, without the lock. */
	for_each_set_bit(relid, guest->events.relids, HOST_MAX_RELID + 1)
		sum += hweight8(READ_ONCE(guest->events.kinds[relid]));
	return sum;
}

static u32 event_value(const struct host_events *events, u32 relid, unsigned int kind)
{
	if (kinds[kind].type == VMBUS_HOST_EVENT_OFFER_SUBCHANNELS)
		return events->subchannels[relid];
	return kinds[kind].value;
}

/* The relid that is next in turn; HOST_MAX_RELID + 1 if there is none. */
static u32 event_next_relid(const struct host_events *events)
{
	u32 relid = find_next_bit(events->relids, HOST_MAX_RELID + 1, events->next);

	if (relid > HOST_MAX_RELID)
		relid = find_first_bit(events->relids, HOST_MAX_RELID + 1);
	return relid;
}

/**
 * vmbus_host_event_peek() - Look at the next event
 * @guest: the guest
 * @event: where it goes; its size and flags are left as they are
 *
 * It waits until vmbus_host_event_take(). The caller serialises both.
 *
 * Context: any.
 * Return: 0; -EAGAIN if there is none.
 */
int vmbus_host_event_peek(struct vmbus_guest *guest, struct vmbus_host_event *event)
{
	struct host_events *events = &guest->events;
	unsigned int kind;
	unsigned long irq;
	u32 relid;

	spin_lock_irqsave(&events->lock, irq);
	relid = event_next_relid(events);
	if (relid <= HOST_MAX_RELID) {
		kind = __ffs(events->kinds[relid]);
		event->type = kinds[kind].type;
		event->relid = relid;
		event->value = event_value(events, relid, kind);
	}
	spin_unlock_irqrestore(&events->lock, irq);
	return relid <= HOST_MAX_RELID ? 0 : -EAGAIN;
}
EXPORT_SYMBOL_IF_KUNIT(vmbus_host_event_peek);

/**
 * vmbus_host_event_take() - An event has reached the VMM
 * @guest: the guest
 * @event: what vmbus_host_event_peek() has said
 *
 * Context: any.
 */
void vmbus_host_event_take(struct vmbus_guest *guest, const struct vmbus_host_event *event)
{
	struct host_events *events = &guest->events;
	int kind = event_kind(event->type, event->value);
	u32 relid = event->relid;
	unsigned long irq;

	spin_lock_irqsave(&events->lock, irq);
	/* A new number of sub-channels, posted meanwhile, stays queued. */
	if (event_value(events, relid, kind) == event->value)
		events->kinds[relid] &= ~BIT(kind);
	if (!events->kinds[relid])
		__clear_bit(relid, events->relids);
	events->next = relid + 1;
	spin_unlock_irqrestore(&events->lock, irq);
}
EXPORT_SYMBOL_IF_KUNIT(vmbus_host_event_take);
