// SPDX-License-Identifier: GPL-2.0
/*
 * A guest, its GPADLs, and a clock: /dev/vmbus-gpadl-bench.
 *
 * A program in user space sets the guest up and says what to time; see
 * vmbus_gpadl_bench.h. What is timed is called as a backend in another module calls it,
 * through the exports of vmbus_gpadl.
 *
 * The program uses a file from one thread at a time, but for BENCH_TIME.
 */
#include <linux/completion.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "gpadl/compat.h"
#include "kick.h"
#include "packet.h"
#include "vmbus_gpadl_map.h"
#include "ring_bench.h"
#include "watch.h"
#include "yardstick.h"

#define MAX_RUNS	8192
#define MAX_TEXT	(4 << 20)

/**
 * struct bench - a guest
 * @p: the partition; NULL before BENCH_CREATE
 * @gone: completed when nothing is left of it
 * @chan: its channel
 * @yard: the same guest by the yardstick
 * @packet: what it has sent last
 * @kicks: more channels
 */
struct bench {
	struct vmbus_partition *p;
	struct completion gone;
	struct vmbus_gpadl_channel *chan;
	struct yardstick yard;
	struct packet packet;
	struct kick_channels kicks;
};

static void bench_wake(void *priv)
{
}

static void bench_revoke(struct vmbus_gpadl_channel *chan, struct vmbus_mapping *map)
{
}

static void bench_release(void *priv)
{
	struct bench *b = priv;

	complete(&b->gone);
}

static const struct vmbus_partition_ops bench_partition_ops = {
	.owner = THIS_MODULE,
	.wake = bench_wake,
	.release = bench_release,
};

static const struct vmbus_gpadl_channel_ops bench_channel_ops = {
	.revoke = bench_revoke,
};

/* ---- Timing ---- */

/* What the two ways have mapped, each by its own name for it. */
struct bench_mapped {
	struct sg_table *sgt;
	struct vmbus_mapping *map;
	struct packet_request *request;
};

static int bench_map(struct bench *b, const struct bench_time *t, struct bench_mapped *m)
{
	struct yardstick_how how = { .sg = t->sg, .unpin = t->unpin };
	const bool write = !t->read_only;
	int ret;

	switch (t->what) {
	case BENCH_YARD:
		return yardstick_map(&b->yard, t->handle, write, how, &m->sgt);
	case BENCH_PACKET_YARD:
		return packet_yard_map(&b->packet, write, how, &m->request, &m->sgt);
	case BENCH_PACKET:
		ret = packet_map(&b->packet, b->chan, write, &m->map);
		break;
	default:
		ret = vmbus_gpadl_map(b->chan, write ? 0 : VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY,
				      t->handle, &m->map);
	}
	if (!ret)
		m->sgt = vmbus_mapping_sgt(m->map);
	return ret;
}

static void bench_unmap(struct bench *b, const struct bench_time *t,
			const struct bench_mapped *m)
{
	switch (t->what) {
	case BENCH_YARD:
		yardstick_unmap(&b->yard, t->handle);
		break;
	case BENCH_PACKET_YARD:
		packet_yard_unmap(&b->packet, m->request);
		break;
	case BENCH_PACKET:
		vmbus_gpa_unmap(m->map);
		break;
	default:
		vmbus_gpadl_unmap(m->map);
	}
}

/* Lists of the same pages in the same order have the same hash. */
static u64 bench_hash(struct sg_table *sgt)
{
	struct sg_page_iter iter;
	u64 hash = 0;

	for_each_sgtable_page(sgt, &iter, 0)
		hash = (hash ^ page_to_pfn(sg_page_iter_page(&iter))) * 0x100000001b3ull;
	return hash;
}

/* One round: map and unmap. It counts if it takes less than those before. */
static int bench_round(struct bench *b, struct bench_time *t)
{
	u64 begin, mapped, end, unmapped;
	struct bench_mapped m;
	int ret;

	begin = ktime_get_ns();
	ret = bench_map(b, t, &m);
	mapped = ktime_get_ns();
	if (ret)
		return ret;
	t->entries = m.sgt->orig_nents;
	if (!t->pages)
		t->pages = bench_hash(m.sgt);
	end = ktime_get_ns();
	bench_unmap(b, t, &m);
	unmapped = ktime_get_ns();

	mapped -= begin;
	unmapped -= end;
	t->all_ns += mapped + unmapped;
	if (!t->map_ns || mapped + unmapped < t->map_ns + t->unmap_ns) {
		t->map_ns = mapped;
		t->unmap_ns = unmapped;
	}
	return 0;
}

static int bench_rounds(struct bench *b, struct bench_time *t)
{
	int ret = 0;
	u32 i;

	for (i = 0; i < t->rounds && !ret; i++) {
		ret = bench_round(b, t);
		cond_resched();
	}
	return ret;
}

/*
 * A second map does no more than find the GPADL and see that it is mapped. All rounds under
 * one look at the clock: a look-up is not longer than that look.
 */
static int bench_lookup(struct bench *b, struct bench_time *t)
{
	struct vmbus_mapping *unused;
	struct bench_mapped m;
	u64 begin;
	int ret;
	u32 i;

	ret = bench_map(b, t, &m);
	if (ret)
		return ret;
	begin = ktime_get_ns();
	for (i = 0; i < t->rounds; i++)
		ret |= vmbus_gpadl_map(b->chan, 0, t->handle, &unused) != -EBUSY;
	t->all_ns = ktime_get_ns() - begin;
	bench_unmap(b, t, &m);
	return ret ? -EIO : 0;
}

static int bench_do(struct bench *b, struct bench_time *t)
{
	return t->what == BENCH_LOOKUP ? bench_lookup(b, t) : bench_rounds(b, t);
}

struct bench_work {
	struct work_struct work;
	struct bench *b;
	struct bench_time *t;
	int ret;
};

static void bench_work_fn(struct work_struct *work)
{
	struct bench_work *w = container_of(work, struct bench_work, work);

	w->ret = bench_do(w->b, w->t);
}

static int bench_do_by_kthread(struct bench *b, struct bench_time *t)
{
	struct bench_work w = { .b = b, .t = t };

	INIT_WORK_ONSTACK(&w.work, bench_work_fn);
	schedule_work(&w.work);
	flush_work(&w.work);
	destroy_work_on_stack(&w.work);
	return w.ret;
}

static bool bench_time_valid(const struct bench *b, const struct bench_time *t)
{
	if (!b->packet.words && (t->what == BENCH_PACKET || t->what == BENCH_PACKET_YARD))
		return false;
	return t->what <= BENCH_LOOKUP && t->sg < BENCH_NR_SG &&
	       t->unpin < BENCH_NR_UNPIN;
}

static int bench_ioctl_time(struct bench *b, void __user *arg)
{
	struct bench_time t;
	int ret;

	if (copy_from_user(&t, arg, sizeof(t)))
		return -EFAULT;
	if (!bench_time_valid(b, &t))
		return -EINVAL;
	t.map_ns = 0;
	t.unmap_ns = 0;
	t.all_ns = 0;
	t.pages = 0;
	ret = t.kthread ? bench_do_by_kthread(b, &t) : bench_do(b, &t);
	if (ret)
		return ret;
	return copy_to_user(arg, &t, sizeof(t)) ? -EFAULT : 0;
}

/* ---- Watching ---- */

static int bench_step(struct bench *b, const struct bench_time *t, struct profile *prof)
{
	struct bench_mapped m;
	int ret;

	profile_begin(prof, WATCH_MAP);
	ret = bench_map(b, t, &m);
	profile_end(prof);
	if (ret)
		return ret;
	profile_begin(prof, WATCH_UNMAP);
	bench_unmap(b, t, &m);
	profile_end(prof);
	return 0;
}

static int bench_profile_to_user(u64 to, u64 *room, const struct profile *prof)
{
	char *text = kvmalloc(MAX_TEXT, GFP_KERNEL);
	ssize_t len;
	int ret = 0;

	if (!text)
		return -ENOMEM;
	len = profile_print(prof, text, MAX_TEXT);
	if (len < 0 || len > *room)
		ret = -ENOSPC;
	else if (copy_to_user(u64_to_user_ptr(to), text, len))
		ret = -EFAULT;
	*room = len;
	kvfree(text);
	return ret;
}

static int bench_ioctl_profile(struct bench *b, void __user *arg)
{
	struct bench_profile p;
	struct profile *prof;
	int ret;

	if (copy_from_user(&p, arg, sizeof(p)))
		return -EFAULT;
	if (!bench_time_valid(b, &p.time))
		return -EINVAL;
	prof = profile_create();
	if (!prof)
		return -ENOMEM;
	ret = bench_step(b, &p.time, prof);
	if (!ret)
		ret = bench_profile_to_user(p.data, &p.len, prof);
	profile_destroy(prof);
	if (ret)
		return ret;
	return copy_to_user(arg, &p, sizeof(p)) ? -EFAULT : 0;
}

static int bench_ioctl_allocs(void __user *arg)
{
	struct bench_allocs a;
	int ret;

	ret = allocs_end(&a);
	if (ret)
		return ret;
	return copy_to_user(arg, &a, sizeof(a)) ? -EFAULT : 0;
}

static int bench_ioctl_ring(void __user *arg)
{
	struct profile *prof = NULL;
	struct bench_ring r;
	int ret;

	if (copy_from_user(&r, arg, sizeof(r)))
		return -EFAULT;
	if (r.data) {
		prof = profile_create();
		if (!prof)
			return -ENOMEM;
	}
	ret = ring_bench(&r, prof);
	if (!ret && prof)
		ret = bench_profile_to_user(r.data, &r.text, prof);
	if (prof)
		profile_destroy(prof);
	if (ret)
		return ret;
	return copy_to_user(arg, &r, sizeof(r)) ? -EFAULT : 0;
}

/* ---- Setting up ---- */

static int bench_ioctl_yardstick(struct bench *b, void __user *arg)
{
	struct bench_yardstick y;
	struct bench_run *runs;
	int ret;

	if (copy_from_user(&y, arg, sizeof(y)))
		return -EFAULT;
	if (!y.nr_runs || y.nr_runs > MAX_RUNS)
		return -EINVAL;
	runs = vmemdup_user(u64_to_user_ptr(y.runs), y.nr_runs * sizeof(*runs));
	if (IS_ERR(runs))
		return PTR_ERR(runs);
	ret = yardstick_add(&b->yard, y.handle, runs, y.nr_runs);
	kvfree(runs);
	return ret;
}

static int bench_ioctl_set_packet(struct bench *b, void __user *arg)
{
	struct bench_packet p;

	if (copy_from_user(&p, arg, sizeof(p)))
		return -EFAULT;
	return packet_set(&b->packet, b->chan, &p);
}

static int bench_set_up(struct bench *b, const struct bench_create *c)
{
	struct vmbus_gpa_region region = {
		.flags = c->resident ? VMBUS_GPA_REGION_RESIDENT : 0,
		.bytes = c->bytes,
		.hva = c->hva,
	};
	int ret;

	ret = vmbus_partition_set_regions(b->p, &region, 1, 0);
	if (ret)
		return ret;
	b->chan = vmbus_gpadl_channel_create(b->p, BENCH_RELID, &bench_channel_ops, b);
	return PTR_ERR_OR_ZERO(b->chan);
}

static int bench_ioctl_create(struct bench *b, void __user *arg)
{
	struct bench_create c;
	int ret;

	if (copy_from_user(&c, arg, sizeof(c)))
		return -EFAULT;
	if (b->p)
		return -EBUSY;
	init_completion(&b->gone);
	b->p = vmbus_partition_create(&bench_partition_ops, b);
	if (IS_ERR(b->p)) {
		ret = PTR_ERR(b->p);
		goto err_p;
	}
	ret = bench_set_up(b, &c);
	if (ret)
		goto err_put;
	yardstick_init(&b->yard);
	b->packet.hva = c.hva;
	b->packet.bytes = c.bytes;
	return 0;

err_put:
	vmbus_partition_put(b->p);
	wait_for_completion(&b->gone);
err_p:
	b->p = NULL;
	return ret;
}

static int bench_ioctl_kick(struct bench *b, void __user *arg)
{
	struct bench_kick t;
	int ret;

	if (copy_from_user(&t, arg, sizeof(t)))
		return -EFAULT;
	ret = kick_time(&b->kicks, &t);
	if (!ret && copy_to_user(arg, &t, sizeof(t)))
		ret = -EFAULT;
	return ret;
}

/* ---- The device ---- */

static long bench_fop_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct bench *b = file->private_data;
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case BENCH_CREATE:
		return bench_ioctl_create(b, uarg);
	case BENCH_ALLOCS_BEGIN:
		return allocs_begin();
	case BENCH_ALLOCS_END:
		return bench_ioctl_allocs(uarg);
	case BENCH_RING:
		return bench_ioctl_ring(uarg);
	}
	if (!b->p)
		return -EINVAL;
	switch (cmd) {
	case BENCH_YARDSTICK:
		return bench_ioctl_yardstick(b, uarg);
	case BENCH_SET_PACKET:
		return bench_ioctl_set_packet(b, uarg);
	case BENCH_TIME:
		return bench_ioctl_time(b, uarg);
	case BENCH_PROFILE:
		return bench_ioctl_profile(b, uarg);
	case BENCH_CHANNELS:
		return kick_channels_add(&b->kicks, b->p, &bench_channel_ops, b, arg);
	case BENCH_KICK:
		return bench_ioctl_kick(b, uarg);
	default:
		return -ENOTTY;
	}
}

static ssize_t bench_fop_write(struct file *file, const char __user *buf, size_t len,
			       loff_t *pos)
{
	struct bench *b = file->private_data;
	u8 msg[VMBUS_GPADL_MSG_MAX];
	int ret;

	if (!b->p || len > sizeof(msg))
		return -EINVAL;
	if (copy_from_user(msg, buf, len))
		return -EFAULT;
	ret = vmbus_partition_receive(b->p, msg, len, 0);
	return ret ?: len;
}

static ssize_t bench_fop_read(struct file *file, char __user *buf, size_t len,
			      loff_t *pos)
{
	struct bench *b = file->private_data;
	u8 msg[VMBUS_GPADL_MAX_REPLY];
	int ret;

	if (!b->p || len < sizeof(msg))
		return -EINVAL;
	ret = vmbus_partition_next_reply(b->p, msg, sizeof(msg));
	if (ret > 0 && copy_to_user(buf, msg, ret))
		return -EFAULT;
	return ret;
}

static int bench_fop_open(struct inode *inode, struct file *file)
{
	struct bench *b = kvzalloc(sizeof(*b), GFP_KERNEL);

	if (!b)
		return -ENOMEM;
	file->private_data = b;
	return nonseekable_open(inode, file);
}

static int bench_fop_release(struct inode *inode, struct file *file)
{
	struct bench *b = file->private_data;

	if (b->p) {
		yardstick_destroy(&b->yard);
		packet_end(&b->packet);
		kick_channels_put(&b->kicks);
		vmbus_gpadl_channel_put(b->chan);
		vmbus_partition_put(b->p);
		wait_for_completion(&b->gone);
	}
	kvfree(b);
	return 0;
}

static const struct file_operations bench_fops = {
	.owner = THIS_MODULE,
	.open = bench_fop_open,
	.release = bench_fop_release,
	.read = bench_fop_read,
	.write = bench_fop_write,
	.unlocked_ioctl = bench_fop_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice bench_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "vmbus-gpadl-bench",
	.mode = 0600,
	.fops = &bench_fops,
};

static int __init bench_init(void)
{
	int ret = ring_bench_init();

	if (ret)
		return ret;
	ret = misc_register(&bench_device);
	if (ret)
		ring_bench_exit();
	return ret;
}

static void __exit bench_exit(void)
{
	misc_deregister(&bench_device);
	ring_bench_exit();
}

module_init(bench_init);
module_exit(bench_exit);

MODULE_DESCRIPTION("Times vmbus_gpadl_map() beside the kernel's own way");
MODULE_AUTHOR("The vmbus_gpadl_map developers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(VMBUS_GPADL_NS);
