// SPDX-License-Identifier: GPL-2.0
/*
 * Both ends of a ring: the host's, by host/ring.h, and a guest's, which writes into it as it likes.
 */
#include <linux/module.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#ifdef CONFIG_X86_64
#include <asm/cpufeature.h>
#endif

#include "gpadl/compat.h"
#include "ring_test.h"

const u32 ring_bad_indexes[] = {
	1, 4, 7, DATA_BYTES - 1, DATA_BYTES, DATA_BYTES + 8, 0x80000000, 0xfffffff8, U32_MAX,
};

struct ring_test *ring_test_alloc(struct kunit *test)
{
	struct ring_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	t->control = kunit_kzalloc(test, RING_BYTES, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->control);
	t->data = (u8 *)(t->control + 1);
	return t;
}

struct ring_test *ring_test_in(struct kunit *test)
{
	struct ring_test *t = ring_test_alloc(test);

	KUNIT_ASSERT_EQ(test, vmbus_ring_init_in(&t->in, t->control, RING_BYTES), 0);
	return t;
}

struct ring_test *ring_test_out(struct kunit *test)
{
	struct ring_test *t = ring_test_alloc(test);

	KUNIT_ASSERT_EQ(test, vmbus_ring_init_out(&t->out, t->control, RING_BYTES), 0);
	return t;
}

/* ---- The host ---- */

static void error_free(void *page)
{
	vfree(page);
}

static bool error_is_survived(void)
{
#ifdef CONFIG_X86_64
	/* Long copies are made by copy_mc_to_kernel(), which needs that. */
	return boot_cpu_has(X86_FEATURE_ERMS);
#else
	return false;
#endif
}

u8 *ring_test_error(struct kunit *test)
{
	u8 *page;

	if (!IS_ENABLED(CONFIG_X86_64))
		kunit_skip(test, "only on x86 the kernel can tell");
	if (!error_is_survived())
		kunit_skip(test, "long copies do not survive an error here");
	page = vmalloc(PAGE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, page);
	kunit_add_action(test, error_free, page);
	return page + PAGE_SIZE;
}

int ring_test_read(struct ring_test *t, struct vmbus_packet *pkt, void *buf, size_t size,
		   bool *signal)
{
	unsigned int todo = 0;
	struct kvec seg[2];
	int ret;

	ret = vmbus_ring_peek(&t->in, pkt, seg, &todo);
	if (ret)
		return ret;
	if (pkt->offset + pkt->len > size)
		return -EMSGSIZE;
	ret = vmbus_ring_copy(&t->in, seg, 0, buf, pkt->offset + pkt->len);
	if (ret)
		return ret;
	vmbus_ring_consume(&t->in);
	vmbus_ring_commit(&t->in, &todo);
	*signal = todo & VMBUS_RING_SIGNAL;
	return 0;
}

int ring_test_write(struct ring_test *t, const struct vmbus_packet *pkt, const void *buf,
		    bool *signal)
{
	size_t len = (size_t)pkt->offset + pkt->len;
	struct kvec v = { .iov_base = (void *)buf, .iov_len = len };
	struct vmbus_reservation res;
	unsigned int todo = 0;
	struct kvec seg[2];
	int ret;

	if (len > VMBUS_RING_MAX_PACKET - VMBUS_RING_DESC)
		return -EMSGSIZE;
	ret = vmbus_ring_reserve(&t->out, vmbus_packet_room(len), &res, &todo);
	if (ret)
		return ret;
	ret = vmbus_ring_place(&t->out, &res, pkt, seg);
	if (!ret)
		vmbus_ring_fill(seg, &v, 1);
	ret = vmbus_ring_finish(&t->out, &res, false, &todo) ?: ret;
	*signal = todo & VMBUS_RING_SIGNAL;
	return ret;
}

int ring_test_send(struct ring_test *t, u32 len, u64 id, bool *signal)
{
	struct vmbus_packet pkt = {
		.type = VMBUS_PACKET_INBAND,
		.trans_id = id,
		.len = len,
	};
	static u8 payload[1024];

	memset(payload, id, sizeof(payload));
	return ring_test_write(t, &pkt, payload, signal);
}

/* ---- The guest ---- */

u32 ring_guest_put(struct ring_test *t, u32 index, const void *src, u32 len)
{
	const u8 *bytes = src;

	while (len--) {
		t->data[index] = *bytes++;
		index = (index + 1) % DATA_BYTES;
	}
	return index;
}

static void ring_guest_get(struct ring_test *t, u32 index, void *dst, u32 len)
{
	u8 *bytes = dst;

	while (len--) {
		*bytes++ = t->data[index];
		index = (index + 1) % DATA_BYTES;
	}
}

u32 ring_guest_room(struct ring_test *t)
{
	u32 read = READ_ONCE(t->control->read_index);
	u32 write = t->guest_index;

	return write >= read ? DATA_BYTES - (write - read) : read - write;
}

bool ring_guest_write(struct ring_test *t, const struct desc *desc, u32 len)
{
	u64 trailer = (u64)t->guest_index << 32;
	u32 start = t->guest_index, index;

	index = ring_guest_put(t, start, desc, sizeof(*desc));
	index = ring_guest_put(t, index, t->buf, len);
	index = ring_guest_put(t, index, &trailer, sizeof(trailer));
	t->guest_index = index;
	/* The packet before write_index. */
	virt_store_release(&t->control->write_index, index);
	/* As hv_signal_on_write(): write_index, interrupt_mask, read_index. */
	virt_mb();
	if (READ_ONCE(t->control->interrupt_mask))
		return false;
	/* See above. */
	virt_rmb();
	return READ_ONCE(t->control->read_index) == start;
}

bool ring_guest_send(struct ring_test *t, u32 len, u64 id)
{
	struct desc desc = {
		.type = VMBUS_PACKET_INBAND,
		.offset8 = 2,
		.len8 = 2 + len / 8,
		.trans_id = id,
	};

	memset(t->buf, id, len);
	return ring_guest_write(t, &desc, len);
}

u32 ring_guest_recv(struct ring_test *t, struct desc *desc)
{
	/* write_index before the packet. */
	u32 write = virt_load_acquire(&t->control->write_index);
	u32 len;

	if (write == t->guest_index)
		return 0;
	ring_guest_get(t, t->guest_index, desc, sizeof(*desc));
	len = (desc->len8 - desc->offset8) * 8;
	ring_guest_get(t, (t->guest_index + desc->offset8 * 8) % DATA_BYTES, t->buf, len);
	t->guest_index = (t->guest_index + desc->len8 * 8 + 8) % DATA_BYTES;
	/* The packet before read_index. */
	virt_store_release(&t->control->read_index, t->guest_index);
	return len;
}
