/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the VMM of the tests has, and by which numbers it goes.
 *
 * Guest memory is at MEM_GPA, the rings are at RING_GPA in memory of their own, so that
 * what a test does with one leaves the other alone.
 */
#ifndef _LAYOUT_H
#define _LAYOUT_H

#include "vmbus_guest.h"

#define RELID		5u
#define RELID2		6u

#define HANDLE		0xe1e10u
#define HANDLE2		0xe1e11u
#define HANDLE3		0xe1e12u
#define HANDLE4		0xe1e13u
#define RING_HANDLE	0xe1e0fu

#define MEM_SLOT	0u
#define MEM_GPA		0x100000ull
#define MEM_PFN		(MEM_GPA / HV_PAGE)
#define MEM_PAGES	1024u
#define MEM_BYTES	(MEM_PAGES * HV_PAGE)

#define RING_SLOT	1u
#define RING_GPA	0x100000000ull
#define RING_PAGES	4u
#define RING_BYTES	(RING_PAGES * HV_PAGE)
#define RING_SPLIT	2u	/* page at which the host's ring begins */
#define RING_KB		(RING_BYTES / 1024)

/* @backend: -1 until the channel is open */
struct vmm {
	int fd;
	int backend;
	unsigned int instance;
	char *mem;
	void *ring;
};

#endif /* _LAYOUT_H */
