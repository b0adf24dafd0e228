// SPDX-License-Identifier: GPL-2.0
/*
 * A backend with several senders on one ring: see vmbus_sender_test.h.
 *
 * One device at a time, one channel.
 */
#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/errno.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmbus_backend.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "gpadl/compat.h"
#include "vmbus_sender_test.h"

#define LONGEST		4096u
#define MAX_BATCH	4u

/**
 * struct sender - one of several
 * @ep: the endpoint
 * @who: its number
 * @next: number of its next packet; only it changes that
 * @task: where it sends, if @who is 0 or 3
 * @work: likewise, 1 or 4
 * @timer: likewise, 2 or 5
 * @payload: scratch
 */
struct sender {
	struct vmbus_endpoint *ep;
	u32 who;
	u32 next;
	struct task_struct *task;
	struct work_struct work;
	struct hrtimer timer;
	u8 payload[LONGEST];
};

static struct vmbus_sender_test_config config;
static struct sender *senders;
static atomic_t kicks = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(kicked);
static atomic_t nr_sent = ATOMIC_INIT(0);
static atomic_t nr_received = ATOMIC_INIT(0);
static atomic_t nr_bad = ATOMIC_INIT(0);

static int counts_show(struct seq_file *m, void *unused)
{
	seq_printf(m, "sent %d received %d bad %d\n", atomic_read(&nr_sent),
		   atomic_read(&nr_received), atomic_read(&nr_bad));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counts);

/* ---- Sending ---- */

static u32 sender_number(const struct sender *s, u32 n)
{
	return sender_test_number(config.seed, s->who, n);
}

static struct vmbus_packet sender_packet(const struct sender *s, u32 n)
{
	return (struct vmbus_packet){
		.type = VMBUS_PACKET_INBAND,
		.trans_id = (u64)s->who << 32 | n,
		.len = sender_test_len(sender_number(s, n), config.longest),
	};
}

static int sender_send_one(struct sender *s, bool pieces, bool more)
{
	struct vmbus_packet pkt = sender_packet(s, s->next);
	struct kvec v[2] = {
		{ s->payload, pieces ? pkt.len / 3 : pkt.len },
		{ s->payload, pkt.len - pkt.len / 3 },
	};

	memset(s->payload, sender_number(s, s->next), pkt.len);
	return vmbus_endpoint_sendv(s->ep, &pkt, v, 1 + pieces, more ? VMBUS_SEND_MORE : 0);
}

/* As many as were reserved, in place or by copy */
static int sender_send_batch(struct sender *s, u32 nr)
{
	struct vmbus_reservation res;
	struct vmbus_packet pkt;
	struct kvec seg[2];
	size_t room = 0;
	u32 i;
	int ret;

	for (i = 0; i < nr; i++)
		room += vmbus_packet_room(sender_packet(s, s->next + i).len);
	ret = vmbus_endpoint_reserve(s->ep, &res, room);
	if (ret)
		return ret;
	for (i = 0; i < nr; i++) {
		u32 number = sender_number(s, s->next + i);

		pkt = sender_packet(s, s->next + i);
		if (vmbus_endpoint_place(s->ep, &res, &pkt, seg))
			break;
		memset(seg[0].iov_base, number, seg[0].iov_len);
		if (seg[1].iov_len)
			memset(seg[1].iov_base, number, seg[1].iov_len);
	}
	return vmbus_endpoint_submit(s->ep, &res, 0);
}

/* Returns how many were sent, or an errno. */
static int sender_step(struct sender *s)
{
	u32 number = sender_number(s, s->next), left = config.packets - s->next, nr = 1;
	u32 len = sender_test_len(number, config.longest);
	ssize_t room;
	int ret;

	switch (number >> 24 & 7) {
	case 0 ... 2:
		nr = min(1 + (number >> 28) % MAX_BATCH, left);
		ret = sender_send_batch(s, nr);
		/* Of as much as the ring can never hold, one at a time. */
		if (ret == -EMSGSIZE)
			ret = sender_send_batch(s, nr = 1);
		break;
	case 3:
		room = vmbus_endpoint_room(s->ep, len);
		if (room < len)
			return room < 0 ? room : -EAGAIN;
		fallthrough;
	case 4:
		ret = sender_send_one(s, true, false);
		break;
	case 5 ... 6:
		ret = sender_send_one(s, false, left > 1);
		break;
	default:
		ret = sender_send_one(s, false, false);
	}
	return ret ?: nr;
}

/* Until there is no room, or all is sent. Returns whether all is. */
static bool sender_run(struct sender *s)
{
	int ret = 0;

	while (s->next < config.packets && ret >= 0) {
		ret = sender_step(s);
		if (ret > 0) {
			s->next += ret;
			atomic_add(ret, &nr_sent);
		}
	}
	/* The last may have been sent with others to follow, and the others were not. */
	if (s->next == config.packets)
		vmbus_endpoint_flush(s->ep);
	return s->next == config.packets || (ret < 0 && ret != -EAGAIN);
}

static int sender_thread(void *arg)
{
	struct sender *s = arg;
	int seen = atomic_read(&kicks);

	while (!sender_run(s) && !kthread_should_stop()) {
		wait_event(kicked, atomic_read(&kicks) != seen || kthread_should_stop());
		seen = atomic_read(&kicks);
	}
	wait_event(kicked, kthread_should_stop());
	return 0;
}

static void sender_work(struct work_struct *work)
{
	sender_run(container_of(work, struct sender, work));
}

static enum hrtimer_restart sender_timer(struct hrtimer *timer)
{
	sender_run(container_of(timer, struct sender, timer));
	return HRTIMER_NORESTART;
}

static void sender_again(struct sender *s)
{
	if (s->who % 3 == 1)
		queue_work(system_unbound_wq, &s->work);
	else if (s->who % 3 == 2)
		hrtimer_start(&s->timer, 0, HRTIMER_MODE_REL_SOFT);
}

static int sender_start(struct sender *s, struct vmbus_endpoint *ep, u32 who)
{
	s->ep = ep;
	s->who = who;
	INIT_WORK(&s->work, sender_work);
	compat_hrtimer_setup(&s->timer, sender_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_SOFT);
	if (who % 3 == 0) {
		s->task = kthread_run(sender_thread, s, "vmbus_sender");
		if (IS_ERR(s->task))
			return PTR_ERR(s->task);
	}
	sender_again(s);
	return 0;
}

static void sender_stop(struct sender *s)
{
	if (!IS_ERR_OR_NULL(s->task))
		kthread_stop(s->task);
	if (!s->ep)
		return;
	cancel_work_sync(&s->work);
	hrtimer_cancel(&s->timer);
}

/* ---- The backend ---- */

static int test_probe(struct vmbus_device *dev, const void *from, size_t len)
{
	struct vmbus_sender_test_config c;
	int ret;

	ret = vmbus_config_copy(&c, sizeof(c), sizeof(c), from, len);
	if (ret)
		return ret;
	if (c.senders > VMBUS_SENDER_TEST_MAX || c.longest > LONGEST)
		return -EINVAL;
	config = c;
	return 0;
}

static void test_close(struct vmbus_endpoint *ep)
{
	u32 i;

	for (i = 0; i < config.senders; i++)
		sender_stop(&senders[i]);
	kvfree(senders);
	senders = NULL;
}

static int test_open(struct vmbus_endpoint *ep)
{
	int ret = 0;
	u32 i;

	senders = kvcalloc(VMBUS_SENDER_TEST_MAX, sizeof(*senders), GFP_KERNEL);
	if (!senders)
		return -ENOMEM;
	atomic_set(&nr_sent, 0);
	atomic_set(&nr_received, 0);
	atomic_set(&nr_bad, 0);
	for (i = 0; i < config.senders && !ret; i++)
		ret = sender_start(&senders[i], ep, i);
	if (ret)
		test_close(ep);
	return ret;
}

static void check_received(const struct vmbus_packet *pkt, const u8 *buf)
{
	u32 n = atomic_inc_return(&nr_received) - 1;
	u32 number = sender_test_number(config.seed, VMBUS_SENDER_TEST_MAX, n);

	if (pkt->trans_id != n || pkt->len != ALIGN(sender_test_len(number, config.longest), 8) ||
	    (pkt->len >= 8 && buf[0] != (u8)number))
		atomic_inc(&nr_bad);
}

/* By copy or in place, as the packet before says; and what there is room for is sent. */
static void test_kick(struct vmbus_endpoint *ep)
{
	static u8 buf[LONGEST + 8];
	struct vmbus_packet pkt;
	struct kvec seg[2];
	int ret = 0;
	u32 i;

	atomic_inc(&kicks);
	wake_up_all(&kicked);
	for (i = 0; i < config.senders; i++)
		sender_again(&senders[i]);
	for (i = 0; i < 16 && !ret; i++) {
		ret = vmbus_endpoint_recv(ep, &pkt, buf, sizeof(buf));
		if (!ret)
			check_received(&pkt, buf);
	}
	if (!ret)
		ret = vmbus_endpoint_peek(ep, &pkt, seg);
	for (i = 0; i < 16 && !ret; i++) {
		vmbus_endpoint_copy(ep, seg, pkt.offset, buf, pkt.len);
		check_received(&pkt, buf);
		ret = vmbus_endpoint_next(ep, &pkt, seg);
	}
	vmbus_endpoint_commit(ep);
	if (!ret)
		vmbus_endpoint_kick(ep);
}

static struct vmbus_backend test_backend = {
	.owner = THIS_MODULE,
	.name = "sender test",
	.if_type = GUID_INIT(0xa1c7e250, 0x6b3f, 0x4d18,
			     0x9a, 0x44, 0x7f, 0x0c, 0x52, 0xd1, 0xbe, 0x63),
	.probe = test_probe,
	.open = test_open,
	.close = test_close,
	.kick = test_kick,
};

static struct dentry *test_debugfs;

static int __init test_init(void)
{
	int ret = vmbus_backend_register(&test_backend);

	if (ret)
		return ret;
	test_debugfs = debugfs_create_dir("vmbus_sender_test", NULL);
	debugfs_create_file("counts", 0400, test_debugfs, NULL, &counts_fops);
	return 0;
}

static void __exit test_exit(void)
{
	debugfs_remove_recursive(test_debugfs);
	vmbus_backend_unregister(&test_backend);
}

module_init(test_init);
module_exit(test_exit);

MODULE_DESCRIPTION("VMBus backend with several senders on a ring, for tests");
MODULE_AUTHOR("The vmbus_gpadl_map developers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(VMBUS_HOST_NS);
MODULE_ALIAS_VMBUS_BACKEND("a1c7e250-6b3f-4d18-9a44-7f0c52d1be63");
