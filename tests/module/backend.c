// SPDX-License-Identifier: GPL-2.0
/*
 * A backend that maps and unmaps what a test in user space tells it; see backend.h.
 */
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmbus_backend.h>
#include <linux/wait.h>

#include "gpadl/compat.h"
#include "backend.h"
#include "edu.h"

#define MAX_INSTANCES	256

DEFINE_MUTEX(test_lock);
LIST_HEAD(test_instances);
static unsigned int nr_instances;
int test_nr_sessions[VMBUS_GPADL_TEST_POLICIES];
DECLARE_WAIT_QUEUE_HEAD(test_wait);

/*
 * Wait for a change of anything. Called, and returns, with the lock held, and drops it while it
 * waits: each change is made under the lock. Returns true if there is a signal.
 */
bool test_sleep(unsigned int task_state)
{
	DEFINE_WAIT(wait);

	lockdep_assert_held(&test_lock);
	prepare_to_wait(&test_wait, &wait, task_state);
	mutex_unlock(&test_lock);
	if (!signal_pending_state(task_state, current))
		schedule();
	finish_wait(&test_wait, &wait);
	mutex_lock(&test_lock);
	return signal_pending_state(task_state, current);
}

/* ---- Instances and mappings ---- */

struct instance *instance_find(const guid_t *guid)
{
	struct instance *inst;

	lockdep_assert_held(&test_lock);
	list_for_each_entry(inst, &test_instances, node)
		if (guid_equal(&inst->guid, guid))
			return inst;
	return NULL;
}

struct instance *instance_find_or_make(const guid_t *guid)
{
	struct instance *inst = instance_find(guid);

	if (inst || nr_instances == MAX_INSTANCES)
		return inst;
	inst = kzalloc(sizeof(*inst), GFP_KERNEL);
	if (!inst)
		return NULL;
	inst->guid = *guid;
	INIT_LIST_HEAD(&inst->mappings);
	list_add(&inst->node, &test_instances);
	nr_instances++;
	return inst;
}

static u32 instance_policy(const struct instance *inst)
{
	return inst->session ? inst->session->policy : VMBUS_GPADL_TEST_ON_REVOKE_UNMAP;
}

struct mapping *mapping_find(struct instance *inst, u32 handle)
{
	struct mapping *m;

	lockdep_assert_held(&test_lock);
	list_for_each_entry(m, &inst->mappings, node)
		if (m->handle == handle && m->map)
			return m;
	return NULL;
}

void mapping_put(struct mapping *m)
{
	if (refcount_dec_and_test(&m->ref))
		kfree(m);
}

void mapping_unlink(struct mapping *m)
{
	list_del_init(&m->node);
	mapping_put(m);
	wake_up_all(&test_wait);
}

void mapping_undo(struct mapping *m)
{
	if (m->dma)
		edu_unmap(vmbus_mapping_sgt(m->map), vmbus_mapping_dma_dir(m->map));
	if (m->vaddr)
		vmbus_mapping_vunmap(m->map);
	if (m->is_packet)
		vmbus_gpa_unmap(m->map);
	else
		vmbus_gpadl_unmap(m->map);
	m->vaddr = NULL;
	m->dma = false;
	m->map = NULL;
	if (!m->kept)
		mapping_unlink(m);
}

/* Unmap what is mapped, and have unmapped what is just being mapped. */
void instance_drop(struct instance *inst, bool keep_results)
{
	struct mapping *m, *next;

	list_for_each_entry_safe(m, next, &inst->mappings, node) {
		m->unwanted = true;
		if (!keep_results)
			m->kept = false;
		if (m->map)
			mapping_undo(m);
		else if (m->done && !m->kept)
			mapping_unlink(m);
	}
}

static bool instance_is_busy(struct instance *inst)
{
	struct mapping *m;

	list_for_each_entry(m, &inst->mappings, node)
		if (!m->done || m->map)
			return true;
	return false;
}

/* ---- The backend ---- */

/* Do not return from the callback @where while a test wants it so. */
static void instance_hang(struct instance *inst, u32 where)
{
	while (inst->hang_in & where) {
		inst->hangs |= where;
		test_sleep(TASK_UNINTERRUPTIBLE);
	}
	inst->hangs &= ~where;
}

void instance_unhang(struct session *s)
{
	struct instance *inst;

	list_for_each_entry(inst, &test_instances, node) {
		if (inst->hanger != s)
			continue;
		inst->hanger = NULL;
		inst->hang_in = 0;
	}
	wake_up_all(&test_wait);
}

static int test_open(struct vmbus_endpoint *ep)
{
	struct instance *inst;

	guard(mutex)(&test_lock);
	if (test_nr_sessions[VMBUS_GPADL_TEST_REFUSE_OPEN])
		return -EPERM;
	if (test_nr_sessions[VMBUS_GPADL_TEST_REFUSE_ABSENT])
		return -ENODEV;
	inst = instance_find_or_make(vmbus_endpoint_instance(ep));
	if (!inst)
		return -ENOMEM;
	instance_hang(inst, VMBUS_GPADL_TEST_HANG_OPEN);
	if (inst->ep)
		return -EBUSY;
	inst->ep = ep;
	inst->closing = false;
	inst->opens++;
	inst->relid = vmbus_endpoint_relid(ep);
	memcpy(inst->userdata, vmbus_endpoint_userdata(ep), sizeof(inst->userdata));
	vmbus_endpoint_set_data(ep, inst);
	return 0;
}

/* Until nothing is mapped, nor about to be. */
static void close_wait(struct instance *inst)
{
	for (;;) {
		if (instance_policy(inst) != VMBUS_GPADL_TEST_ON_REVOKE_HOLD)
			instance_drop(inst, true);
		if (!instance_is_busy(inst))
			return;
		test_sleep(TASK_UNINTERRUPTIBLE);
	}
}

static void test_close(struct vmbus_endpoint *ep)
{
	struct instance *inst = vmbus_endpoint_data(ep);

	guard(mutex)(&test_lock);
	inst->closing = true;
	inst->closes++;
	instance_hang(inst, VMBUS_GPADL_TEST_HANG_CLOSE);
	close_wait(inst);
	instance_drop(inst, false);
	vmbus_gpa_pool_destroy(vmbus_endpoint_channel(ep));
	inst->ep = NULL;
	if (inst->session)
		inst->session->inst = NULL;
	inst->session = NULL;
}

static void test_kick(struct vmbus_endpoint *ep)
{
	struct instance *inst = vmbus_endpoint_data(ep);

	guard(mutex)(&test_lock);
	inst->kicks++;
	instance_hang(inst, VMBUS_GPADL_TEST_HANG_KICK);
}

static void test_revoke(struct vmbus_endpoint *ep, struct vmbus_mapping *map)
{
	struct instance *inst = vmbus_endpoint_data(ep);
	struct mapping *m;

	guard(mutex)(&test_lock);
	inst->revokes++;
	instance_hang(inst, VMBUS_GPADL_TEST_HANG_REVOKE);
	/* With the lock: an unmap takes it too. */
	m = vmbus_mapping_priv(map);
	if (!m)
		return;
	inst->last_revoked = m->handle;
	if (instance_policy(inst) != VMBUS_GPADL_TEST_ON_REVOKE_HOLD)
		mapping_undo(m);
}

/* Without the lock, which may sleep. A newline, to see that it begins no line. */
static int test_show(struct vmbus_endpoint *ep, char *buf, size_t size)
{
	const struct instance *inst = vmbus_endpoint_data(ep);

	return scnprintf(buf, size, "opens %u revokes %u\nvmbus-revoke:\tno line of its own",
			 READ_ONCE(inst->opens), READ_ONCE(inst->revokes));
}

struct vmbus_backend test_backend = {
	.owner = THIS_MODULE,
	.name = "test",
	.if_type = GUID_INIT(0x6f1d4c2a, 0x93b7, 0x4e58,
			     0xa0, 0xc4, 0x5d, 0x2f, 0x8b, 0x7e, 0x1a, 0x90),
	.open = test_open,
	.close = test_close,
	.kick = test_kick,
	.revoke = test_revoke,
	.show = test_show,
};
