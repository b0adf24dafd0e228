// SPDX-License-Identifier: GPL-2.0
/*
 * What a test can have done: map and unmap, copy, DMA, packets.
 */
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmbus_backend.h>
#include <linux/workqueue.h>

#include "gpadl/compat.h"
#include "backend.h"
#include "edu.h"

#define MAX_DATA	(64 * 1024 * 1024)
#define MAX_ENTRIES	32

/* For maps in a kernel thread */
struct workqueue_struct *test_wq;

/* ---- Mapping ---- */

/* Without the lock. The instance stays: close() waits until every map has returned. */
static void mapping_do(struct mapping *m)
{
	struct vmbus_gpadl_channel *chan = vmbus_endpoint_channel(m->inst->ep);
	struct vmbus_mapping *map = NULL;
	int ret;

	if (m->is_packet)
		ret = vmbus_gpa_map(chan, m->flags, m->ranges, m->len, m->nr_ranges, &map);
	else
		ret = vmbus_gpadl_map(chan, m->flags, m->handle, &map);

	guard(mutex)(&test_lock);
	m->result = ret;
	m->done = true;
	m->map = map;
	if (map && m->unwanted)
		mapping_undo(m);
	else if (map && !m->is_packet)
		vmbus_mapping_arm(map, m);
	else if (!map && !m->kept)
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

int op_map(struct session *s, const struct vmbus_gpadl_test_op *op)
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

int op_map_packet(struct session *s, const struct vmbus_gpadl_test_op *op)
{
	struct mapping *m;
	void *ranges;
	int ret;

	if (op->flags || op->len > VMBUS_GPADL_TEST_PACKET_BYTES)
		return -EINVAL;
	ranges = memdup_user(u64_to_user_ptr(op->data), op->len);
	if (IS_ERR(ranges))
		return PTR_ERR(ranges);
	m = mapping_start(s, op);
	if (IS_ERR(m)) {
		kfree(ranges);
		return PTR_ERR(m);
	}
	m->is_packet = true;
	m->ranges = ranges;
	m->len = op->len;
	m->nr_ranges = op->value;
	mapping_do(m);
	ret = m->result;
	mapping_put(m);
	kfree(ranges);
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

int op_wait(struct session *s, const struct vmbus_gpadl_test_op *op)
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

static int op_pool(struct instance *inst, const struct vmbus_gpadl_test_op *op)
{
	struct vmbus_gpadl_channel *chan = vmbus_endpoint_channel(inst->ep);

	if (op->len)
		return vmbus_gpa_pool_create(chan, op->len, op->value);
	vmbus_gpa_pool_destroy(chan);
	return 0;
}

static int op_view(struct instance *inst, struct vmbus_gpadl_test_op *op)
{
	struct mapping *m = mapping_find(inst, op->handle);
	/* With the lock; large for a stack */
	static struct scatterlist sgl[MAX_ENTRIES];
	int ret;

	if (!m)
		return -ENOENT;
	ret = vmbus_mapping_view(m->map, op->offset, op->len, sgl, ARRAY_SIZE(sgl));
	if (ret < 0)
		return ret;
	op->value = ret;
	return 0;
}

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

/* ---- What the API refuses ---- */

static int op_send_wrong_v(struct vmbus_endpoint *ep, u64 mistake)
{
	static const u8 bytes[16];
	struct kvec v = { .iov_base = (void *)bytes, .iov_len = sizeof(bytes) };
	struct vmbus_packet pkt = { .type = VMBUS_PACKET_INBAND, .len = sizeof(bytes) };
	unsigned int flags = 0;

	switch (mistake) {
	case VMBUS_GPADL_TEST_WRONG_PIECES:
		v.iov_len--;
		break;
	case VMBUS_GPADL_TEST_WRONG_FLAG:
		flags = ~VMBUS_SEND_MORE;
		break;
	case VMBUS_GPADL_TEST_WRONG_OFFSET:
		pkt.offset = 4;
		pkt.len -= 4;
		break;
	case VMBUS_GPADL_TEST_WRONG_LENGTH:
		/* What a descriptor can say, without itself; nobody reads so far. */
		pkt.len = U16_MAX * 8;
		v.iov_len = pkt.len;
		break;
	}
	return vmbus_endpoint_sendv(ep, &pkt, &v, 1, flags);
}

static int op_place_wrong(struct vmbus_endpoint *ep, u64 mistake)
{
	static const u8 bytes[16];
	struct kvec v = { .iov_base = (void *)bytes, .iov_len = sizeof(bytes) }, seg[2];
	struct vmbus_packet pkt = { .type = VMBUS_PACKET_INBAND, .len = sizeof(bytes) };
	struct vmbus_reservation res;
	int ret, submitted;

	ret = vmbus_endpoint_reserve(ep, &res, vmbus_packet_room(8));
	if (ret)
		return ret;
	if (mistake == VMBUS_GPADL_TEST_WRONG_PLACE)
		ret = vmbus_endpoint_place(ep, &res, &pkt, seg);
	else if (mistake == VMBUS_GPADL_TEST_WRONG_PLACEV)
		ret = vmbus_endpoint_placev(ep, &res, &pkt, &v, 1);
	else if (mistake == VMBUS_GPADL_TEST_WRONG_PLACED_PIECES)
		ret = vmbus_endpoint_placev(ep, &res, &pkt, &v, 0);
	/* As the warning itself: once in a boot */
	pr_info_once("gpadl-test: expect WARNING\n");
	submitted = vmbus_endpoint_submit(ep, &res, 0);
	pr_info_once("gpadl-test: expected WARNING over\n");
	return ret ?: submitted;
}

static int op_send_wrong(struct instance *inst, const struct vmbus_gpadl_test_op *op)
{
	struct vmbus_reservation res;

	if (op->value < VMBUS_GPADL_TEST_WRONG_NO_ROOM)
		return op_send_wrong_v(inst->ep, op->value);
	if (op->value == VMBUS_GPADL_TEST_WRONG_NO_ROOM)
		return vmbus_endpoint_reserve(inst->ep, &res, 0);
	if (op->value == VMBUS_GPADL_TEST_WRONG_SHORT_ROOM)
		return vmbus_endpoint_reserve(inst->ep, &res, vmbus_packet_room(0) - 8);
	if (op->value == VMBUS_GPADL_TEST_WRONG_ODD_ROOM)
		return vmbus_endpoint_reserve(inst->ep, &res, 28);
	return op_place_wrong(inst->ep, op->value);
}

/* ---- Which is which ---- */

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
	case VMBUS_GPADL_TEST_POOL:
		return op_pool(inst, op);
	case VMBUS_GPADL_TEST_VIEW:
		return op_view(inst, op);
	case VMBUS_GPADL_TEST_SEND:
		return op_send(inst, op, buf);
	case VMBUS_GPADL_TEST_RECV:
		return op_recv(inst, op, buf);
	case VMBUS_GPADL_TEST_DISABLE_KICK:
		vmbus_endpoint_disable_kick(inst->ep);
		return 0;
	case VMBUS_GPADL_TEST_ENABLE_KICK:
		op->value = vmbus_endpoint_enable_kick(inst->ep);
		return 0;
	case VMBUS_GPADL_TEST_SEND_WRONG:
		return op_send_wrong(inst, op);
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

int op_with_data(struct session *s, struct vmbus_gpadl_test_op *op)
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
