/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a VMM does with /dev/vmbus-host, what the tests' backend in the kernel is told to
 * do, and what the machine tells of both.
 *
 * Functions return 0, or a negative errno.
 */
#ifndef _VMM_H
#define _VMM_H

#include <stdbool.h>
#include <stddef.h>
#include <pthread.h>
#include <sys/types.h>
#include <unistd.h>
#include <linux/types.h>
#include <linux/vmbus_host.h>

#include "../module/vmbus_gpadl_test.h"

#define PTR(p)	((__u64)(unsigned long)(p))

/* Look until it is so, or for 20 s. Says whether it is. */
#define WAIT_FOR(cond) ({						\
	bool _is;							\
	int _n;								\
	for (_n = 0; !(_is = (cond)) && _n < 2000; _n++)		\
		usleep(10000);						\
	_is;								\
})

/* ---- /dev/vmbus-host ---- */

/* VMBUS_HOST_REGION_RESIDENT: vmm_region() sets only such; 0: as it is told */
extern __u32 vmm_resident;

int vmm_create(int fd);
int vmm_region(int fd, __u32 slot, __u32 flags, __u64 gpa, __u64 bytes, const void *hva);
int vmm_regions(int fd, const struct vmbus_host_region *regions, __u32 nr);
int vmm_retire(int fd, const struct vmbus_host_region *regions, __u32 nr);
/* @instance: number of the instance GUID; @signals: NULL for none */
int vmm_channel(int fd, __u32 relid, unsigned int instance,
		const struct vmbus_host_signals *signals);
int vmm_modify(int fd, __u32 relid, const struct vmbus_host_signals *signals);
/* These wait, even if the file is O_NONBLOCK; */
int vmm_rescind(int fd, __u32 relid);
int vmm_destroy(int fd, __u32 relid);
int vmm_reset(int fd);
/* these do not, if it is */
int vmm_rescind_start(int fd, __u32 relid);
int vmm_destroy_start(int fd, __u32 relid);
int vmm_reset_start(int fd);
int vmm_next_event(int fd, struct vmbus_host_event *event);

/* What poll() says at once */
int poll_now(int fd);
/* Whether it says that there is an event */
bool event_waits(int fd);

/* ---- The backend: /dev/vmbus-gpadl-test ---- */

/* vmbus_gpadl_map.h is for the kernel */
#define MAP_READ_ONLY	1

#define ON_REVOKE_UNMAP	VMBUS_GPADL_TEST_ON_REVOKE_UNMAP
#define ON_REVOKE_HOLD	VMBUS_GPADL_TEST_ON_REVOKE_HOLD

int backend_open(unsigned int instance);	/* a file, bound to that instance */
int backend_policy(int fd, __u32 policy);
/* Callbacks that are not to return: VMBUS_GPADL_TEST_HANG_*; until 0, or fd is closed */
int backend_hang(int fd, unsigned int instance, __u32 where);
struct vmbus_gpadl_test_state backend_state(int fd, unsigned int instance);

int backend_map(int fd, __u32 handle, __u32 map_flags);
int backend_map_by_kthread(int fd, __u32 handle, __u32 map_flags);
int backend_map_begin(int fd, __u32 handle, __u32 map_flags);	/* by a kernel thread */
int backend_map_end(int fd, __u32 handle);			/* waits for it */
/* A packet, that has no handle: @name is one. See VMBUS_GPADL_TEST_MAP_PACKET */
int backend_pool(int fd, __u32 requests, size_t bytes);
int backend_map_packet(int fd, __u32 name, __u32 map_flags, const __u64 *words,
		       __u32 nr_words, __u32 nr_ranges);
int backend_view(int fd, __u32 handle, __u64 offset, size_t len);	/* entries */
int backend_unmap(int fd, __u32 handle);
int backend_vmap(int fd, __u32 handle);
int backend_vunmap(int fd, __u32 handle);
int backend_dma_dir(int fd, __u32 handle);
int backend_read(int fd, __u32 handle, __u64 offset, void *buf, size_t len);
int backend_first_byte(int fd, __u32 handle);	/* mapped for it; or why not */
int backend_write(int fd, __u32 handle, __u64 offset, const void *buf, size_t len);
int backend_vread(int fd, __u32 handle, __u64 offset, void *buf, size_t len);
int backend_vwrite(int fd, __u32 handle, __u64 offset, const void *buf, size_t len);
/* Number of scatterlist entries, of which the first @nr are stored */
int backend_sg(int fd, __u32 handle, struct vmbus_gpadl_test_sg *sg, unsigned int nr);
int backend_send(int fd, const void *buf, size_t len);
int backend_recv(int fd, void *buf, size_t len);	/* length of the payload */
int backend_disable_kick(int fd);
int backend_enable_kick(int fd);	/* 1: there is a packet, or the ring is broken */
int backend_send_wrong(int fd, __u64 mistake);	/* VMBUS_GPADL_TEST_WRONG_* */

/* ---- Memory of the guest ---- */

enum memory {
	MEM_ANON,
	MEM_ANON_SHARED,
	MEM_MEMFD,
	MEM_MEMFD_PRIVATE,
	MEM_THP,
	MEM_HUGETLB,
	MEM_HUGETLB_MEMFD,
};

/* @bytes: a multiple of 2 MiB for the huge ones. NULL if there is none. */
void *memory_alloc(enum memory kind, size_t bytes);

/* An address where nothing is; no compiler knows that. */
extern void *const nowhere;

/* A userfaultfd that stops each first access to the memory */
int memory_stall(void *mem, size_t bytes);
/* Each write to memory that is there, until it is not protected any more */
int memory_stall_writes(void *mem, size_t bytes);
int memory_protect(int uffd, void *mem, size_t bytes, bool protect);
bool memory_is_touched(int uffd);	/* somebody waits */
int memory_fill(int uffd, void *page, int byte);	/* let it go on */

/* ---- A call that may wait ---- */

struct task {
	pthread_t thread;
	pid_t tid;
	int (*fn)(void *arg);
	void *arg;
	int ret;
	bool done;
};

void task_start(struct task *t, int (*fn)(void *arg), void *arg);
bool task_is_done(struct task *t);
bool task_sleeps(struct task *t);	/* it waits */
int task_join(struct task *t);		/* its result */

/* ---- The machine ---- */

long pinned_pages(void);	/* in the whole machine */
long pinned_kb(pid_t pid);	/* charged to that process; 0: to this one */

/* Is the kernel older than that? What it then cannot do, selftest.sh tells by these words. */
bool kernel_before(int major, int minor);
#define NO_PIN_WAITS	"before Linux 6.2: no long-term pin waits for a userfaultfd"
#define UNCOUNTED_ERRORS "before Linux 6.3: memory errors are not counted"
#define KERNEL_WORKERS	"before Linux 6.10: workers are kernel threads"
#define PROT_NONE_PINNED "before Linux 6.5: compat.h pins with FOLL_FORCE"

int drop_ipc_lock(void);
int memlock_limit(size_t bytes);

int param_get(const char *name, char *value, size_t len);
int param_set(const char *name, const char *value);

#endif /* _VMM_H */
