// SPDX-License-Identifier: GPL-2.0
/* The guest's end of a channel; see guest_ring.h. */
#include <sys/eventfd.h>
#include <unistd.h>

#include "guest_ring.h"
#include "layout.h"
#include "vmm.h"

#define TRAILER_BYTES	8

void ring_write(void *ring, const void *packet, unsigned int bytes, unsigned int room)
{
	char *data = ring + HV_PAGE;
	__u32 *index = ring, at = *index;
	unsigned int i;

	for (i = 0; i < bytes; i++)
		data[(at + i) % RING_DATA] = ((const char *)packet)[i];
	__atomic_store_n(index, (at + room) % RING_DATA, __ATOMIC_RELEASE);
}

bool ring_waits(void *ring, unsigned int heard)
{
	return __atomic_load_n((__u32 *)(ring + RING_SPLIT * HV_PAGE), __ATOMIC_ACQUIRE) != heard;
}

bool ring_take(void *ring, unsigned int *heard, void *packet, unsigned int bytes)
{
	__u32 *control = ring + RING_SPLIT * HV_PAGE;
	char *data = (char *)control + HV_PAGE;
	unsigned int i;

	if (!WAIT_FOR(ring_waits(ring, *heard)))
		return false;
	for (i = 0; i < bytes; i++)
		((char *)packet)[i] = data[(*heard + i) % RING_DATA];
	*heard = (*heard + bytes + TRAILER_BYTES) % RING_DATA;
	__atomic_store_n(&control[1], *heard, __ATOMIC_RELEASE);
	return true;
}

void ring_kick(int fd)
{
	struct vmbus_host_signals signals = {
		.size = sizeof(signals),
		.kick_fd = eventfd(1, EFD_CLOEXEC),
		.call_fd = -1,
	};

	vmm_modify(fd, RELID2, &signals);
	close(signals.kick_fd);
}
