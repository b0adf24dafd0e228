/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VMM that is a process of its own, which a test gives orders to by a pipe; and the backend
 * that says whose thread its work runs in (../module/vmbus_worker_test.c).
 */
#ifndef _WORKER_VMM_H
#define _WORKER_VMM_H

#include "vmm.h"
#include "../module/vmbus_worker_test.h"

/* ---- The backend ---- */

extern int worker_fd;

int worker_do(unsigned int instance, __u32 op, __u32 value);
struct vmbus_worker_test_state worker_state(unsigned int instance);
int worker_do_wait(unsigned int instance, __u32 op, __u32 value);
int worker_channel(int fd, __u32 relid, unsigned int instance);

/* ---- The VMM ---- */

/*
 * @fd: /dev/vmbus-host
 * @uffd: stops each access to the second half of the memory; -1 if none
 * @mem: guest memory
 */
struct guest {
	int fd;
	int uffd;
	char *mem;
	void *ring;
};

#define STALL_GPA	(MEM_GPA + MEM_BYTES / 2)

/* Two processes: "I am there", and "go on" */
struct sync {
	int there[2];
	int go[2];
};

int guest_begin(struct guest *g, unsigned int instance, enum memory kind);
int guest_has(struct guest *g, __u32 handle, __u64 gpa, size_t bytes);
int device_open(void);
int sync_make(struct sync *s);
void sync_tell(int fd, char what);
char sync_hear(int fd);
void child_report(struct sync *s, int ret);
void child_wait(struct sync *s);

#endif /* _WORKER_VMM_H */
