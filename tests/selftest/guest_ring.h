/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest's end of the channel RELID2, whose rings have a page of data each: for backends that
 * are tested by what they answer. @ring is where the guest's ring begins; the host's is RING_SPLIT
 * pages behind.
 */
#ifndef _GUEST_RING_H
#define _GUEST_RING_H

#include <stdbool.h>
#include <linux/types.h>

#include "vmbus_guest.h"

#define RING_DATA	HV_PAGE

/* @bytes of a packet, to the guest's index, which then is @room further */
void ring_write(void *ring, const void *packet, unsigned int bytes, unsigned int room);

/* There is a packet of the host's that was not taken */
bool ring_waits(void *ring, unsigned int heard);

/*
 * Take the next packet of the host's, of so many bytes and a trailer; @heard is where the guest
 * reads. Returns whether one has come.
 */
bool ring_take(void *ring, unsigned int *heard, void *packet, unsigned int bytes);

/* The backend looks. @fd is that of /dev/vmbus-host. */
void ring_kick(int fd);

#endif /* _GUEST_RING_H */
