// SPDX-License-Identifier: GPL-2.0
/*
 * A backend of devices whose requests complete in other threads, in softirqs and in work.
 *
 * Each packet is a request. It holds its endpoint until it is completed, which is done when
 * a test says so, and where it says so. What was called, and in which order, is logged.
 *
 * It serves one device at a time, as a test has it.
 */
#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmbus_backend.h>
#include <linux/workqueue.h>

#include "gpadl/compat.h"
#include "vmbus_device_test.h"

/* ---- Log ---- */

static DEFINE_MUTEX(log_lock);
static char log_text[4096];
static size_t log_len;

__printf(1, 2) static void test_log(const char *fmt, ...)
{
	va_list ap;

	guard(mutex)(&log_lock);
	va_start(ap, fmt);
	log_len += vscnprintf(log_text + log_len, sizeof(log_text) - log_len, fmt, ap);
	va_end(ap);
}

static int log_show(struct seq_file *m, void *unused)
{
	guard(mutex)(&log_lock);
	seq_write(m, log_text, log_len);
	log_len = 0;
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(log);

/* ---- Requests ---- */

/**
 * struct channel - an endpoint of the device
 * @open: from open() until the end of close()
 */
struct channel {
	bool open;
};

static struct channel channels[VMBUS_DEVICE_TEST_SUBCHANNELS + 1];
static u32 config_flags;

struct request {
	struct list_head node;
	struct vmbus_endpoint *ep;
	struct vmbus_completion done;
};

/* Protects the list; taken in softirqs. */
static DEFINE_SPINLOCK(requests_lock);
static LIST_HEAD(requests);
static atomic_t nr_taken = ATOMIC_INIT(0);
static atomic_t nr_done = ATOMIC_INIT(0);
static atomic_t nr_stray = ATOMIC_INIT(0);

/* Where a chain began: each completion hands over the next, as if the guest were quick */
static struct task_struct *chaining;
/* How many of these it has sent itself */
static unsigned int nr_chained;

/* The thread that completes all requests, and how many of these it has sent itself */
static struct task_struct *completing;
static atomic_t nr_here = ATOMIC_INIT(0);

static struct request *next_request(void)
{
	struct request *r;
	unsigned long irq;

	spin_lock_irqsave(&requests_lock, irq);
	r = list_first_entry_or_null(&requests, struct request, node);
	if (r)
		list_del(&r->node);
	else
		chaining = NULL;
	spin_unlock_irqrestore(&requests_lock, irq);
	return r;
}

static void request_done(struct vmbus_endpoint *ep, struct vmbus_completion *done)
{
	struct request *r;

	atomic_inc(&nr_done);
	if (current == READ_ONCE(completing))
		atomic_inc(&nr_here);
	kfree(container_of(done, struct request, done));
	if (!READ_ONCE(chaining))
		return;
	if (current == READ_ONCE(chaining))
		nr_chained++;
	r = next_request();
	if (r)
		vmbus_endpoint_complete(r->ep, &r->done);
}

static void request_complete(struct request *r)
{
	struct vmbus_packet pkt = {
		.type = VMBUS_PACKET_COMPLETION,
		.trans_id = r->done.trans_id,
	};
	struct vmbus_endpoint *ep = r->ep;

	if (!READ_ONCE(channels[vmbus_endpoint_index(ep)].open))
		atomic_inc(&nr_stray);
	if (config_flags & VMBUS_DEVICE_TEST_LATER) {
		vmbus_endpoint_complete_later(ep, &r->done);
		return;
	}
	if (config_flags & VMBUS_DEVICE_TEST_COMPLETION) {
		vmbus_endpoint_complete(ep, &r->done);
		return;
	}
	/* The rings are there, whatever becomes of the channel. */
	vmbus_endpoint_send(ep, &pkt, NULL);
	request_done(ep, &r->done);
	vmbus_endpoint_put(ep);
}

static void complete_all_requests(void)
{
	struct request *r, *next;
	unsigned long irq;
	LIST_HEAD(list);

	spin_lock_irqsave(&requests_lock, irq);
	list_splice_init(&requests, &list);
	spin_unlock_irqrestore(&requests_lock, irq);
	list_for_each_entry_safe(r, next, &list, node)
		request_complete(r);
}

static int request_take(struct vmbus_endpoint *ep, const struct vmbus_packet *pkt)
{
	struct request *r = kzalloc(sizeof(*r), GFP_KERNEL);
	unsigned long irq;

	if (!r)
		return -ENOMEM;
	if (!vmbus_endpoint_tryget(ep)) {
		kfree(r);
		return -ESHUTDOWN;
	}
	r->ep = ep;
	r->done.trans_id = pkt->trans_id;
	r->done.done = request_done;
	spin_lock_irqsave(&requests_lock, irq);
	list_add_tail(&r->node, &requests);
	spin_unlock_irqrestore(&requests_lock, irq);
	atomic_inc(&nr_taken);
	return 0;
}

static int counts_show(struct seq_file *m, void *unused)
{
	seq_printf(m, "taken %d done %d stray %d chained %u here %d\n",
		   atomic_read(&nr_taken), atomic_read(&nr_done), atomic_read(&nr_stray),
		   nr_chained, atomic_read(&nr_here));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counts);

/* ---- Where they complete ---- */

static DECLARE_COMPLETION(elsewhere);

static void complete_work(struct work_struct *work)
{
	complete_all_requests();
	complete(&elsewhere);
}

static DECLARE_WORK(request_work, complete_work);

static void chain_fn(struct work_struct *work)
{
	struct request *r = next_request();

	nr_chained = 0;
	WRITE_ONCE(chaining, current);
	if (r)
		vmbus_endpoint_complete(r->ep, &r->done);
	complete(&elsewhere);
}

static DECLARE_WORK(chain_work, chain_fn);

static int complete_kthread(void *unused)
{
	WRITE_ONCE(completing, current);
	complete_all_requests();
	WRITE_ONCE(completing, NULL);
	kthread_complete_and_exit(&elsewhere, 0);
}

static enum hrtimer_restart complete_timer(struct hrtimer *timer)
{
	complete_all_requests();
	complete(&elsewhere);
	return HRTIMER_NORESTART;
}

static struct hrtimer request_timer;

static int complete_in(const char *where)
{
	struct task_struct *task;

	if (!strcmp(where, "work")) {
		queue_work(system_unbound_wq, &request_work);
	} else if (!strcmp(where, "chain")) {
		queue_work(system_unbound_wq, &chain_work);
	} else if (!strcmp(where, "softirq")) {
		hrtimer_start(&request_timer, 0, HRTIMER_MODE_REL_SOFT);
	} else {
		task = kthread_run(complete_kthread, NULL, "vmbus_device_test");
		if (IS_ERR(task))
			return PTR_ERR(task);
	}
	wait_for_completion(&elsewhere);
	return 0;
}

/* ---- The backend ---- */

static struct vmbus_device *test_dev;
static DEFINE_MUTEX(dev_lock);

static int test_probe(struct vmbus_device *dev, const void *from, size_t len)
{
	struct vmbus_device_test_config config = {};
	int ret = 0;

	if (len)
		ret = vmbus_config_copy(&config, sizeof(config),
					VMBUS_DEVICE_TEST_CONFIG_V1, from, len);
	if (!ret)
		ret = -(int)config.error;
	if (ret)
		return ret;
	test_log("probe %u\n", vmbus_device_relid(dev));
	config_flags = config.flags;
	vmbus_device_offer(dev)->mmio_megabytes = config.mmio_megabytes;
	/* The guest is not to hear of it. */
	vmbus_device_offer(dev)->flags |= 0x2;
	vmbus_device_set_data(dev, channels);
	guard(mutex)(&dev_lock);
	test_dev = dev;
	return 0;
}

static void test_remove(struct vmbus_device *dev)
{
	test_log("remove %u\n", vmbus_device_relid(dev));
	guard(mutex)(&dev_lock);
	if (test_dev == dev)
		test_dev = NULL;
}

static struct channel *test_channel(struct vmbus_endpoint *ep)
{
	struct channel *all = vmbus_device_data(vmbus_endpoint_device(ep));

	return &all[vmbus_endpoint_index(ep)];
}

static int test_open(struct vmbus_endpoint *ep)
{
	struct vmbus_packet pkt = { .type = VMBUS_PACKET_COMPLETION };

	test_log("open %u vp %u\n", vmbus_endpoint_index(ep), vmbus_endpoint_target_vp(ep));
	WRITE_ONCE(test_channel(ep)->open, true);
	if (config_flags & VMBUS_DEVICE_TEST_SLOW)
		msleep(50);
	if (config_flags & VMBUS_DEVICE_TEST_SENDS_IN_OPEN)
		return vmbus_endpoint_send(ep, &pkt, NULL);
	return 0;
}

static void test_close(struct vmbus_endpoint *ep)
{
	bool held = vmbus_endpoint_tryget(ep);

	test_log("close %u%s\n", vmbus_endpoint_index(ep), held ? " held" : "");
	if (held)
		vmbus_endpoint_put(ep);
	if (config_flags & VMBUS_DEVICE_TEST_SLOW)
		msleep(50);
	if (config_flags & VMBUS_DEVICE_TEST_NO_DRAIN)
		return;
	vmbus_endpoint_drain(ep);
	WRITE_ONCE(test_channel(ep)->open, false);
}

static void test_kick(struct vmbus_endpoint *ep)
{
	struct vmbus_packet pkt;
	u8 buf[64];

	while (!vmbus_endpoint_recv(ep, &pkt, buf, sizeof(buf)))
		if (request_take(ep, &pkt))
			break;
}

static void test_retarget(struct vmbus_endpoint *ep, u32 target_vp)
{
	test_log("retarget %u vp %u\n", vmbus_endpoint_index(ep), target_vp);
}

#define TEST_BACKEND(_name, _last)						\
	{									\
		.owner = THIS_MODULE,						\
		.name = _name,							\
		.if_type = GUID_INIT(0x2d9f0c61, 0x5b1e, 0x4f37,		\
				     0x8a, 0x70, 0xc4, 0xe6, 0xb3, 0xa8, 0x1d, _last), \
		.max_subchannels = VMBUS_DEVICE_TEST_SUBCHANNELS,		\
		.offer = {							\
			.flags = VMBUS_OFFER_NAMED_PIPE_MODE,			\
			.user = { VMBUS_OFFER_PIPE_MESSAGES },			\
		},								\
		.probe = test_probe,						\
		.remove = test_remove,						\
		.open = test_open,						\
		.close = test_close,						\
		.kick = test_kick,						\
		.retarget = test_retarget,					\
	}

static struct vmbus_backend test_backend = TEST_BACKEND("device test", 0x52);
static struct vmbus_backend other_backend = TEST_BACKEND("other=device\ttest", 0x53);

/* ---- What a test says ---- */

static int control_device(const char *what)
{
	unsigned int n;

	guard(mutex)(&dev_lock);
	if (!test_dev)
		return -ENODEV;
	if (sscanf(what, "offer %u", &n) == 1)
		return vmbus_device_offer_subchannels(test_dev, n);
	if (!strcmp(what, "instance")) {
		test_log("instance %pUl\n", vmbus_device_instance(test_dev));
		return 0;
	}
	if (strcmp(what, "rescind"))
		return -EINVAL;
	vmbus_device_rescind(test_dev);
	return 0;
}

static int control(const char *what)
{
	int ret;

	if (!strcmp(what, "softirq") || !strcmp(what, "work") || !strcmp(what, "kthread") ||
	    !strcmp(what, "chain"))
		return complete_in(what);
	if (!strcmp(what, "load"))
		return vmbus_backend_register(&other_backend);
	if (!strcmp(what, "load confidential")) {
		other_backend.offer.flags |= 0x2;
		ret = vmbus_backend_register(&other_backend);
		other_backend.offer.flags &= ~0x2;
		return ret;
	}
	if (!strcmp(what, "unload")) {
		vmbus_backend_unregister(&other_backend);
		return 0;
	}
	return control_device(what);
}

static ssize_t control_write(struct file *file, const char __user *from, size_t len,
			     loff_t *pos)
{
	char what[32] = "";
	int ret;

	if (len >= sizeof(what))
		return -EINVAL;
	if (copy_from_user(what, from, len))
		return -EFAULT;
	ret = control(strim(what));
	return ret ?: len;
}

static const struct file_operations control_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = control_write,
};

static struct dentry *test_debugfs;

static int __init test_init(void)
{
	int ret;

	compat_hrtimer_setup(&request_timer, complete_timer, CLOCK_MONOTONIC,
			     HRTIMER_MODE_REL_SOFT);
	test_debugfs = debugfs_create_dir("vmbus_device_test", NULL);
	debugfs_create_file("log", 0400, test_debugfs, NULL, &log_fops);
	debugfs_create_file("counts", 0400, test_debugfs, NULL, &counts_fops);
	debugfs_create_file("control", 0200, test_debugfs, NULL, &control_fops);
	ret = vmbus_backend_register(&test_backend);
	if (ret)
		debugfs_remove_recursive(test_debugfs);
	return ret;
}

static void __exit test_exit(void)
{
	vmbus_backend_unregister(&test_backend);
	debugfs_remove_recursive(test_debugfs);
}

module_init(test_init);
module_exit(test_exit);

MODULE_DESCRIPTION("VMBus backend whose requests complete elsewhere, for tests");
MODULE_AUTHOR("The vmbus_gpadl_map developers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(VMBUS_HOST_NS);
MODULE_ALIAS_VMBUS_BACKEND("2d9f0c61-5b1e-4f37-8a70-c4e6b3a81d52");
