/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the tests' backend share.
 *
 * An instance is a channel by its instance GUID; it is remembered, with its counters, until
 * the module goes. A session is an open file of /dev/vmbus-gpadl-test, bound to one instance
 * at most. A mapping is a GPADL of an instance, being mapped or mapped.
 *
 * One mutex guards all of it. It is held over everything but vmbus_gpadl_map(), which may
 * sleep for as long as the VMM likes, and close()'s wait for a test that holds on.
 */
#ifndef _TEST_BACKEND_H
#define _TEST_BACKEND_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/uuid.h>
#include <linux/vmbus_backend.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "vmbus_gpadl_test.h"

struct session;

struct instance {
	struct list_head node;
	guid_t guid;
	struct vmbus_endpoint *ep;
	bool closing;
	struct session *session;
	struct list_head mappings;
	struct session *hanger;
	u32 hang_in, hangs;
	u32 opens, closes, kicks, revokes, last_revoked;
	u32 relid;
	u8 userdata[12];
};

struct session {
	struct instance *inst;
	u32 policy;
};

/**
 * struct mapping - a GPADL or a packet that is mapped, or on the way there
 * @ref: the list's, and that of the thread that waits for the map
 * @node: in instance.mappings; empty if in no list any more
 * @inst: the instance
 * @handle: the GPADL; of a packet, what the test calls it
 * @flags: of the map
 * @ranges: of a packet, while it is mapped; NULL for a GPADL
 * @len: bytes of @ranges
 * @nr_ranges: how many ranges
 * @is_packet: it is one
 * @map: once it is mapped; NULL before, and if the map failed
 * @vaddr: where it is vmapped, or NULL
 * @dma: mapped for the device (see edu.h) as well
 * @unwanted: nobody waits for it any more: unmap as soon as it is mapped
 * @kept: somebody comes for the result (VMBUS_GPADL_TEST_WAIT)
 * @result: of the map, once @done
 * @done: the map has returned
 * @work: for a map in a kernel thread
 */
struct mapping {
	refcount_t ref;
	struct list_head node;
	struct instance *inst;
	u32 handle;
	u32 flags;
	const void *ranges;
	size_t len;
	unsigned int nr_ranges;
	bool is_packet;
	struct vmbus_mapping *map;
	void *vaddr;
	bool dma;
	bool unwanted;
	bool kept;
	bool done;
	int result;
	struct work_struct work;
};

extern struct mutex test_lock;
extern struct list_head test_instances;
/* Files by their policy; the first one, which is the default, is not counted right. */
extern int test_nr_sessions[VMBUS_GPADL_TEST_POLICIES];
extern wait_queue_head_t test_wait;
extern struct vmbus_backend test_backend;

/* backend.c */
bool test_sleep(unsigned int task_state);
struct instance *instance_find(const guid_t *guid);
struct instance *instance_find_or_make(const guid_t *guid);
struct mapping *mapping_find(struct instance *inst, u32 handle);
void mapping_put(struct mapping *m);
void mapping_unlink(struct mapping *m);
void mapping_undo(struct mapping *m);
void instance_drop(struct instance *inst, bool keep_results);
void instance_unhang(struct session *s);

/* operation.c */
extern struct workqueue_struct *test_wq;

int op_map(struct session *s, const struct vmbus_gpadl_test_op *op);
int op_map_packet(struct session *s, const struct vmbus_gpadl_test_op *op);
int op_wait(struct session *s, const struct vmbus_gpadl_test_op *op);
int op_with_data(struct session *s, struct vmbus_gpadl_test_op *op);

#endif /* _TEST_BACKEND_H */
