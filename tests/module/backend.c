// SPDX-License-Identifier: GPL-2.0
/*
 * A backend that maps and unmaps what a test in user space tells it.
 *
 * An instance is a channel by its instance GUID; it is remembered, with its counters,
 * until the module goes. A session is an open file of /dev/vmbus-gpadl-test, bound to one
 * instance at most. A mapping is a GPADL of an instance, being mapped or mapped.
 *
 * One mutex guards all of it. It is held over everything but vmbus_gpadl_map(), which may
 * sleep for as long as the VMM likes, and close()'s wait for a test that holds on.
 */
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/scatterlist.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uuid.h>
#include <linux/vmbus_backend.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "gpadl/compat.h"
#include "edu.h"
#include "vmbus_gpadl_test.h"

#define MAX_INSTANCES	256
#define MAX_DATA	(64 * 1024 * 1024)

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
 * struct mapping - a GPADL that is mapped, or on the way there
 * @ref: the list's, and that of who waits for the map
 * @node: in instance.mappings; empty if in no list any more
 * @inst: the instance
 * @handle: the GPADL
 * @flags: of the map
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
	struct vmbus_mapping *map;
	void *vaddr;
	bool dma;
	bool unwanted;
	bool kept;
	bool done;
	int result;
	struct work_struct work;
};

static DEFINE_MUTEX(test_lock);
static LIST_HEAD(instances);
static unsigned int nr_instances;
static unsigned int nr_refusing;
static DECLARE_WAIT_QUEUE_HEAD(test_wait);
static struct workqueue_struct *test_wq;

/*
 * Wait for a change of anything. Called, and returns, with the lock held, and drops it
 * while it waits: who changes something has the lock. Returns true if there is a signal.
 */
static bool test_sleep(unsigned int task_state)
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

static struct instance *instance_find(const guid_t *guid)
{
	struct instance *inst;

	lockdep_assert_held(&test_lock);
	list_for_each_entry(inst, &instances, node)
		if (guid_equal(&inst->guid, guid))
			return inst;
	return NULL;
}

static struct instance *instance_find_or_make(const guid_t *guid)
{
	struct instance *inst = instance_find(guid);

	if (inst || nr_instances == MAX_INSTANCES)
		return inst;
	inst = kzalloc(sizeof(*inst), GFP_KERNEL);
	if (!inst)
		return NULL;
	inst->guid = *guid;
	INIT_LIST_HEAD(&inst->mappings);
	list_add(&inst->node, &instances);
	nr_instances++;
	return inst;
}

static u32 instance_policy(const struct instance *inst)
{
	return inst->session ? inst->session->policy : VMBUS_GPADL_TEST_ON_REVOKE_UNMAP;
}

static struct mapping *mapping_find(struct instance *inst, u32 handle)
{
	struct mapping *m;

	lockdep_assert_held(&test_lock);
	list_for_each_entry(m, &inst->mappings, node)
		if (m->handle == handle && m->map)
			return m;
	return NULL;
}

static void mapping_put(struct mapping *m)
{
	if (refcount_dec_and_test(&m->ref))
		kfree(m);
}

static void mapping_unlink(struct mapping *m)
{
	list_del_init(&m->node);
	mapping_put(m);
	wake_up_all(&test_wait);
}

static void mapping_undo(struct mapping *m)
{
	if (m->dma)
		edu_unmap(vmbus_mapping_sgt(m->map), vmbus_mapping_dma_dir(m->map));
	if (m->vaddr)
		vmbus_mapping_vunmap(m->map);
	vmbus_gpadl_unmap(m->map);
	m->vaddr = NULL;
	m->dma = false;
	m->map = NULL;
	if (!m->kept)
		mapping_unlink(m);
}

/* Unmap what is mapped, and have unmapped what is just being mapped. */
static void instance_drop(struct instance *inst, bool keep_results)
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

static void instance_unhang(struct session *s)
{
	struct instance *inst;

	list_for_each_entry(inst, &instances, node) {
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
	if (nr_refusing)
		return -EPERM;
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
	/* With the lock: who unmaps has it too. */
	m = vmbus_mapping_priv(map);
	if (!m)
		return;
	inst->last_revoked = m->handle;
	if (instance_policy(inst) != VMBUS_GPADL_TEST_ON_REVOKE_HOLD)
		mapping_undo(m);
}

static struct vmbus_backend test_backend = {
	.owner = THIS_MODULE,
	.name = "test",
	.if_type = GUID_INIT(0x6f1d4c2a, 0x93b7, 0x4e58,
			     0xa0, 0xc4, 0x5d, 0x2f, 0x8b, 0x7e, 0x1a, 0x90),
	.open = test_open,
	.close = test_close,
	.kick = test_kick,
	.revoke = test_revoke,
};

/* ---- Mapping ---- */

/* Without the lock. The instance stays: close() waits until every map has returned. */
static void mapping_do(struct mapping *m)
{
	struct vmbus_mapping *map = NULL;
	int ret;

	ret = vmbus_gpadl_map(vmbus_endpoint_channel(m->inst->ep), m->flags, m->handle,
			      &map);

	guard(mutex)(&test_lock);
	m->result = ret;
	m->done = true;
	m->map = map;
	if (map && m->unwanted)
		mapping_undo(m);
	else if (map)
		vmbus_mapping_arm(map, m);
	else if (!m->kept)
		mapping_unlink(m);
	wake_up_all(&test_wait);
}

static void mapping_work(struct work_struct *work)
{
	mapping_do(container_of(work, struct mapping, work));
}

/* Returns a mapping with a reference for the caller. */
static struct mapping *mapping_start(struct session *s,
				     const struct vmbus_gpadl_test_op *op)
{
	struct mapping *m;

	guard(mutex)(&test_lock);
	if (!s->inst || s->inst->closing)
		return ERR_PTR(-ENODEV);
	m = kzalloc(sizeof(*m), GFP_KERNEL);
	if (!m)
		return ERR_PTR(-ENOMEM);
	refcount_set(&m->ref, 2);
	m->inst = s->inst;
	m->handle = op->handle;
	m->flags = op->map_flags;
	m->kept = op->flags & VMBUS_GPADL_TEST_ASYNC;
	INIT_WORK(&m->work, mapping_work);
	list_add_tail(&m->node, &s->inst->mappings);
	return m;
}

/* Wait for a map in another thread; nobody wants what it maps after a signal. */
static int mapping_wait(struct mapping *m)
{
	guard(mutex)(&test_lock);
	while (!m->done) {
		if (test_sleep(TASK_INTERRUPTIBLE)) {
			m->unwanted = true;
			return -EINTR;
		}
	}
	return m->result;
}

static int op_map(struct session *s, const struct vmbus_gpadl_test_op *op)
{
	struct mapping *m = mapping_start(s, op);
	int ret = 0;

	if (IS_ERR(m))
		return PTR_ERR(m);
	if (op->flags & VMBUS_GPADL_TEST_KTHREAD) {
		queue_work(test_wq, &m->work);
		if (!(op->flags & VMBUS_GPADL_TEST_ASYNC))
			ret = mapping_wait(m);
	} else {
		mapping_do(m);
		ret = m->result;
	}
	mapping_put(m);
	return ret;
}

/* The map of @handle that was begun with ASYNC, if its result was not collected. */
static struct mapping *mapping_find_kept(struct session *s, u32 handle)
{
	struct mapping *m;

	lockdep_assert_held(&test_lock);
	if (!s->inst)
		return NULL;
	list_for_each_entry(m, &s->inst->mappings, node)
		if (m->handle == handle && m->kept)
			return m;
	return NULL;
}

static int op_wait(struct session *s, const struct vmbus_gpadl_test_op *op)
{
	struct mapping *m;
	int ret;

	guard(mutex)(&test_lock);
	while ((m = mapping_find_kept(s, op->handle)) && !m->done)
		if (test_sleep(TASK_INTERRUPTIBLE))
			return -EINTR;
	if (!m)
		return s->inst ? -ENOENT : -ENODEV;
	ret = m->result;
	m->kept = false;
	if (!m->map)
		mapping_unlink(m);
	return ret;
}

/* ---- Operations on what is mapped; called with the lock held ---- */

static int op_unmap(struct instance *inst, const struct vmbus_gpadl_test_op *op)
{
	struct mapping *m = mapping_find(inst, op->handle);

	if (!m)
		return -ENOENT;
	mapping_undo(m);
	return 0;
}

static int op_vmap(struct instance *inst, const struct vmbus_gpadl_test_op *op)
{
	struct mapping *m = mapping_find(inst, op->handle);
	void *vaddr;

	if (!m)
		return -ENOENT;
	vaddr = vmbus_mapping_vmap(m->map);
	if (IS_ERR(vaddr))
		return PTR_ERR(vaddr);
	m->vaddr = vaddr;
	return 0;
}

static int op_vunmap(struct instance *inst, const struct vmbus_gpadl_test_op *op)
{
	struct mapping *m = mapping_find(inst, op->handle);

	if (!m || !m->vaddr)
		return -ENOENT;
	vmbus_mapping_vunmap(m->map);
	m->vaddr = NULL;
	return 0;
}

static int op_dma_dir(struct instance *inst, struct vmbus_gpadl_test_op *op)
{
	struct mapping *m = mapping_find(inst, op->handle);

	if (!m)
		return -ENOENT;
	op->value = vmbus_mapping_dma_dir(m->map);
	return 0;
}

static size_t mapping_len(const struct mapping *m)
{
	struct scatterlist *sg;
	unsigned int i;
	size_t len = 0;

	for_each_sgtable_sg(vmbus_mapping_sgt(m->map), sg, i)
		len += sg->length;
	return len;
}

/* READ, WRITE, VREAD and VWRITE: between @buf and the GPADL. */
static int op_copy(struct instance *inst, const struct vmbus_gpadl_test_op *op, void *buf)
{
	bool write = op->op == VMBUS_GPADL_TEST_WRITE || op->op == VMBUS_GPADL_TEST_VWRITE;
	bool virt = op->op == VMBUS_GPADL_TEST_VREAD || op->op == VMBUS_GPADL_TEST_VWRITE;
	struct mapping *m = mapping_find(inst, op->handle);
	struct sg_table *sgt;
	size_t len;

	if (!m || (virt && !m->vaddr))
		return -ENOENT;
	if (write && m->flags & VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY)
		return -EACCES;
	len = mapping_len(m);
	if (op->offset > len || op->len > len - op->offset)
		return -EINVAL;

	sgt = vmbus_mapping_sgt(m->map);
	if (virt && write)
		memcpy(m->vaddr + op->offset, buf, op->len);
	else if (virt)
		memcpy(buf, m->vaddr + op->offset, op->len);
	else if (write)
		sg_pcopy_from_buffer(sgt->sgl, sgt->orig_nents, buf, op->len, op->offset);
	else
		sg_pcopy_to_buffer(sgt->sgl, sgt->orig_nents, buf, op->len, op->offset);
	return 0;
}

static int op_sg_info(struct instance *inst, struct vmbus_gpadl_test_op *op, void *buf)
{
	struct mapping *m = mapping_find(inst, op->handle);
	struct vmbus_gpadl_test_sg *info = buf;
	struct scatterlist *sg;
	struct sg_table *sgt;
	unsigned int i;

	if (!m)
		return -ENOENT;
	sgt = vmbus_mapping_sgt(m->map);
	op->value = sgt->orig_nents;
	for_each_sgtable_sg(sgt, sg, i) {
		if (i == op->len)
			break;
		info[i] = (struct vmbus_gpadl_test_sg){
			.offset = sg->offset,
			.length = sg->length,
			.pfn = page_to_pfn(sg_page(sg)),
		};
	}
	return 0;
}

/* ---- The device's view of it ---- */

static int op_dma_map(struct instance *inst, struct vmbus_gpadl_test_op *op)
{
	struct mapping *m = mapping_find(inst, op->handle);
	struct sg_table *sgt;
	int ret;

	if (!m || m->dma)
		return -ENOENT;
	sgt = vmbus_mapping_sgt(m->map);
	ret = edu_map(sgt, vmbus_mapping_dma_dir(m->map), op->len);
	if (ret)
		return ret;
	m->dma = true;
	op->value = sgt->nents;
	return 0;
}

static int op_dma_unmap(struct instance *inst, const struct vmbus_gpadl_test_op *op)
{
	struct mapping *m = mapping_find(inst, op->handle);

	if (!m || !m->dma)
		return -ENOENT;
	edu_unmap(vmbus_mapping_sgt(m->map), vmbus_mapping_dma_dir(m->map));
	m->dma = false;
	return 0;
}

static int op_dma_info(struct instance *inst, struct vmbus_gpadl_test_op *op, void *buf)
{
	struct mapping *m = mapping_find(inst, op->handle);
	struct vmbus_gpadl_test_dma *info = buf;
	struct scatterlist *sg;
	struct sg_table *sgt;
	unsigned int i;

	if (!m || !m->dma)
		return -ENOENT;
	sgt = vmbus_mapping_sgt(m->map);
	op->value = sgt->nents;
	for_each_sgtable_dma_sg(sgt, sg, i) {
		if (i == op->len)
			break;
		info[i] = (struct vmbus_gpadl_test_dma){
			.addr = sg_dma_address(sg),
			.length = sg_dma_len(sg),
		};
	}
	return 0;
}

static int op_dma_copy(struct instance *inst, const struct vmbus_gpadl_test_op *op)
{
	struct mapping *from = mapping_find(inst, op->handle);
	struct mapping *to = mapping_find(inst, op->value);

	if (!from || !from->dma || !to || !to->dma)
		return -ENOENT;
	return edu_copy(vmbus_mapping_sgt(to->map), vmbus_mapping_sgt(from->map),
			op->offset, op->len);
}

/* ---- Packets ---- */

static int op_send(struct instance *inst, const struct vmbus_gpadl_test_op *op,
		   const void *buf)
{
	struct vmbus_packet pkt = {
		.type = VMBUS_PACKET_INBAND,
		.trans_id = op->value,
		.len = op->len,
	};

	if (op->flags & VMBUS_GPADL_TEST_COMPLETION)
		pkt.flags = VMBUS_PACKET_FLAG_COMPLETION;
	return vmbus_endpoint_send(inst->ep, &pkt, buf);
}

static int op_recv(struct instance *inst, struct vmbus_gpadl_test_op *op, void *buf)
{
	struct vmbus_packet pkt;
	int ret;

	ret = vmbus_endpoint_recv(inst->ep, &pkt, buf, op->len);
	if (ret)
		return ret;
	op->value = pkt.len | (u64)pkt.type << 32;
	memmove(buf, buf + pkt.offset, pkt.len);
	return 0;
}

static int op_locked(struct instance *inst, struct vmbus_gpadl_test_op *op, void *buf)
{
	switch (op->op) {
	case VMBUS_GPADL_TEST_UNMAP:
		return op_unmap(inst, op);
	case VMBUS_GPADL_TEST_VMAP:
		return op_vmap(inst, op);
	case VMBUS_GPADL_TEST_VUNMAP:
		return op_vunmap(inst, op);
	case VMBUS_GPADL_TEST_DMA_DIR:
		return op_dma_dir(inst, op);
	case VMBUS_GPADL_TEST_SG_INFO:
		return op_sg_info(inst, op, buf);
	case VMBUS_GPADL_TEST_MAX_SEGMENT:
		return vmbus_gpadl_set_max_segment(vmbus_endpoint_channel(inst->ep), op->len);
	case VMBUS_GPADL_TEST_DMA_MAP:
		return op_dma_map(inst, op);
	case VMBUS_GPADL_TEST_DMA_UNMAP:
		return op_dma_unmap(inst, op);
	case VMBUS_GPADL_TEST_DMA_INFO:
		return op_dma_info(inst, op, buf);
	case VMBUS_GPADL_TEST_DMA_COPY:
		return op_dma_copy(inst, op);
	case VMBUS_GPADL_TEST_SEND:
		return op_send(inst, op, buf);
	case VMBUS_GPADL_TEST_RECV:
		return op_recv(inst, op, buf);
	case VMBUS_GPADL_TEST_READ:
	case VMBUS_GPADL_TEST_WRITE:
	case VMBUS_GPADL_TEST_VREAD:
	case VMBUS_GPADL_TEST_VWRITE:
		return op_copy(inst, op, buf);
	default:
		return -EINVAL;
	}
}

/* ---- Data to and from user space, without the lock ---- */

static bool op_has_input(const struct vmbus_gpadl_test_op *op)
{
	return op->op == VMBUS_GPADL_TEST_WRITE || op->op == VMBUS_GPADL_TEST_VWRITE ||
	       op->op == VMBUS_GPADL_TEST_SEND;
}

static bool op_has_output(const struct vmbus_gpadl_test_op *op)
{
	return op->op == VMBUS_GPADL_TEST_READ || op->op == VMBUS_GPADL_TEST_VREAD ||
	       op->op == VMBUS_GPADL_TEST_RECV || op->op == VMBUS_GPADL_TEST_SG_INFO ||
	       op->op == VMBUS_GPADL_TEST_DMA_INFO;
}

static size_t op_data_len(const struct vmbus_gpadl_test_op *op)
{
	if (!op_has_input(op) && !op_has_output(op))
		return 0;
	if (op->op == VMBUS_GPADL_TEST_SG_INFO)
		return array_size(op->len, sizeof(struct vmbus_gpadl_test_sg));
	if (op->op == VMBUS_GPADL_TEST_DMA_INFO)
		return array_size(op->len, sizeof(struct vmbus_gpadl_test_dma));
	return op->len;
}

static int op_do(struct session *s, struct vmbus_gpadl_test_op *op, void *buf)
{
	guard(mutex)(&test_lock);
	return s->inst ? op_locked(s->inst, op, buf) : -ENODEV;
}

static int op_with_data(struct session *s, struct vmbus_gpadl_test_op *op)
{
	void __user *data = u64_to_user_ptr(op->data);
	size_t len = op_data_len(op);
	void *buf;
	int ret;

	if (len > MAX_DATA)
		return -EINVAL;
	buf = kvzalloc(max_t(size_t, len, 8), GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	ret = -EFAULT;
	if (op_has_input(op) && copy_from_user(buf, data, len))
		goto out_free;
	ret = op_do(s, op, buf);
	if (!ret && op_has_output(op) && copy_to_user(data, buf, len))
		ret = -EFAULT;
out_free:
	kvfree(buf);
	return ret;
}

/* ---- The device ---- */

static int test_ioctl_op(struct session *s, void __user *arg)
{
	struct vmbus_gpadl_test_op op;
	int ret;

	if (copy_from_user(&op, arg, sizeof(op)))
		return -EFAULT;
	if (op.op == VMBUS_GPADL_TEST_MAP)
		return op_map(s, &op);
	if (op.op == VMBUS_GPADL_TEST_WAIT)
		return op_wait(s, &op);
	ret = op_with_data(s, &op);
	if (!ret && copy_to_user(arg, &op, sizeof(op)))
		ret = -EFAULT;
	return ret;
}

static int test_ioctl_bind(struct session *s, void __user *arg)
{
	struct vmbus_gpadl_test_bind bind;
	struct instance *inst;
	guid_t guid;

	if (copy_from_user(&bind, arg, sizeof(bind)))
		return -EFAULT;
	import_guid(&guid, bind.if_instance);
	guard(mutex)(&test_lock);
	inst = instance_find(&guid);
	if (!inst || !inst->ep || inst->closing)
		return -ENOENT;
	if (inst->session || s->inst)
		return -EBUSY;
	inst->session = s;
	s->inst = inst;
	return 0;
}

static int test_ioctl_policy(struct session *s, void __user *arg)
{
	struct vmbus_gpadl_test_policy policy;

	if (copy_from_user(&policy, arg, sizeof(policy)))
		return -EFAULT;
	if (policy.policy > VMBUS_GPADL_TEST_REFUSE_OPEN)
		return -EINVAL;
	guard(mutex)(&test_lock);
	nr_refusing -= s->policy == VMBUS_GPADL_TEST_REFUSE_OPEN;
	nr_refusing += policy.policy == VMBUS_GPADL_TEST_REFUSE_OPEN;
	s->policy = policy.policy;
	wake_up_all(&test_wait);
	return 0;
}

static int test_ioctl_hang(struct session *s, void __user *arg)
{
	struct vmbus_gpadl_test_hang hang;
	struct instance *inst;
	guid_t guid;

	if (copy_from_user(&hang, arg, sizeof(hang)))
		return -EFAULT;
	import_guid(&guid, hang.if_instance);
	guard(mutex)(&test_lock);
	inst = instance_find_or_make(&guid);
	if (!inst)
		return -ENOMEM;
	if (inst->hanger && inst->hanger != s)
		return -EBUSY;
	inst->hanger = s;
	inst->hang_in = hang.where;
	wake_up_all(&test_wait);
	return 0;
}

static u32 instance_nr_mapped(struct instance *inst)
{
	struct mapping *m;
	u32 nr = 0;

	list_for_each_entry(m, &inst->mappings, node)
		nr += !!m->map;
	return nr;
}

static int test_ioctl_state(void __user *arg)
{
	struct vmbus_gpadl_test_state state;
	struct instance *inst;
	guid_t guid;

	if (copy_from_user(&state, arg, sizeof(state.if_instance)))
		return -EFAULT;
	import_guid(&guid, state.if_instance);
	scoped_guard(mutex, &test_lock) {
		inst = instance_find(&guid);
		if (!inst)
			return -ENOENT;
		state = (struct vmbus_gpadl_test_state){
			.open = !!inst->ep,
			.bound = !!inst->session,
			.opens = inst->opens,
			.closes = inst->closes,
			.kicks = inst->kicks,
			.revokes = inst->revokes,
			.mapped = instance_nr_mapped(inst),
			.last_revoked = inst->last_revoked,
			.relid = inst->relid,
			.hangs = inst->hangs,
		};
		memcpy(state.userdata, inst->userdata, sizeof(state.userdata));
	}
	export_guid(state.if_instance, &guid);
	return copy_to_user(arg, &state, sizeof(state)) ? -EFAULT : 0;
}

static long test_fop_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct session *s = file->private_data;
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case VMBUS_GPADL_TEST_BIND:
		return test_ioctl_bind(s, uarg);
	case VMBUS_GPADL_TEST_OP:
		return test_ioctl_op(s, uarg);
	case VMBUS_GPADL_TEST_POLICY:
		return test_ioctl_policy(s, uarg);
	case VMBUS_GPADL_TEST_HANG:
		return test_ioctl_hang(s, uarg);
	case VMBUS_GPADL_TEST_STATE:
		return test_ioctl_state(uarg);
	default:
		return -ENOTTY;
	}
}

static int test_fop_open(struct inode *inode, struct file *file)
{
	struct session *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return -ENOMEM;
	file->private_data = s;
	return stream_open(inode, file);
}

static int test_fop_release(struct inode *inode, struct file *file)
{
	struct session *s = file->private_data;

	mutex_lock(&test_lock);
	nr_refusing -= s->policy == VMBUS_GPADL_TEST_REFUSE_OPEN;
	if (s->inst) {
		s->inst->session = NULL;
		instance_drop(s->inst, false);
	}
	instance_unhang(s);
	mutex_unlock(&test_lock);
	kfree(s);
	return 0;
}

static const struct file_operations test_fops = {
	.owner = THIS_MODULE,
	.open = test_fop_open,
	.release = test_fop_release,
	.unlocked_ioctl = test_fop_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice test_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "vmbus-gpadl-test",
	.mode = 0600,
	.fops = &test_fops,
};

static int __init test_init(void)
{
	int ret;

	test_wq = alloc_workqueue("vmbus_gpadl_test", WQ_UNBOUND, 0);
	if (!test_wq)
		return -ENOMEM;
	ret = vmbus_backend_register(&test_backend);
	if (ret)
		goto err_wq;
	ret = edu_register();
	if (ret)
		goto err_backend;
	ret = misc_register(&test_device);
	if (ret)
		goto err_edu;
	return 0;

err_edu:
	edu_unregister();
err_backend:
	vmbus_backend_unregister(&test_backend);
err_wq:
	destroy_workqueue(test_wq);
	return ret;
}

static void __exit test_exit(void)
{
	struct instance *inst, *next;

	misc_deregister(&test_device);
	vmbus_backend_unregister(&test_backend);
	edu_unregister();
	destroy_workqueue(test_wq);
	list_for_each_entry_safe(inst, next, &instances, node)
		kfree(inst);
}

module_init(test_init);
module_exit(test_exit);

MODULE_DESCRIPTION("VMBus backend that tests command from user space");
MODULE_AUTHOR("The vmbus_gpadl_map developers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(VMBUS_HOST_NS);
MODULE_IMPORT_NS(VMBUS_GPADL_NS);
MODULE_ALIAS_VMBUS_BACKEND("6f1d4c2a-93b7-4e58-a0c4-5d2f8b7e1a90");
