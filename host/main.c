// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/vmbus-host: the guest's messages go in by write(), those for it come out by
 * read().
 *
 * See include/uapi/linux/vmbus_host.h for what a VMM can rely on.
 */
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "gpadl/compat.h"
#include "host.h"

/* Hosts that are not freed yet. */
static atomic_t nr_hosts = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(no_host);

/* ---- Lifetime ---- */

static void host_free(struct host *host)
{
	host_debugfs_remove(host);
	kfree(host);
	if (atomic_dec_and_test(&nr_hosts))
		wake_up_all(&no_host);
}

static void host_wake(void *priv)
{
	struct host *host = priv;

	wake_up_all(&host->wait);
}

static void host_release(void *priv)
{
	host_free(priv);
}

static const struct vmbus_partition_ops host_ops = {
	.wake = host_wake,
	.release = host_release,
};

/**
 * host_create() - Make a file a partition of the current process
 * @host: the file
 *
 * Context: process, may sleep.
 * Return: 0; -EBUSY if it is one already; -ENOMEM.
 */
int host_create(struct host *host)
{
	struct vmbus_partition *p;

	guard(mutex)(&host->lock);
	if (host->p)
		return -EBUSY;
	p = vmbus_partition_create(&host_ops, host);
	if (IS_ERR(p))
		return PTR_ERR(p);
	host->owner = task_tgid_nr(current);
	host_debugfs_add(host);
	/* Pairs with the acquire in host_partition(). */
	smp_store_release(&host->p, p);
	wake_up_all(&host->wait);
	return 0;
}

static int host_fop_open(struct inode *inode, struct file *file)
{
	struct host *host = kzalloc(sizeof(*host), GFP_KERNEL_ACCOUNT);

	if (!host)
		return -ENOMEM;
	mutex_init(&host->lock);
	mutex_init(&host->read_lock);
	xa_init_flags(&host->endpoints, XA_FLAGS_ACCOUNT);
	init_waitqueue_head(&host->wait);
	host_events_init(&host->events);
	INIT_LIST_HEAD(&host->node);
	atomic_inc(&nr_hosts);
	file->private_data = host;
	return stream_open(inode, file);
}

/* Waits for nobody: see endpoint_put() and vmbus_partition_put(). */
static int host_fop_release(struct inode *inode, struct file *file)
{
	struct host *host = file->private_data;
	struct vmbus_endpoint *ep;
	unsigned long relid;

	xa_for_each(&host->endpoints, relid, ep) {
		xa_erase(&host->endpoints, relid);
		endpoint_close(ep, ENDPOINT_LEAVE_QUIETLY);
		endpoint_put(ep);
	}
	if (host->p)
		vmbus_partition_put(host->p);
	else
		host_free(host);
	return 0;
}

/* ---- From the guest ---- */

static bool host_is_writable(struct host *host)
{
	return vmbus_partition_poll(host->p) & VMBUS_PARTITION_WRITABLE;
}

/**
 * host_receive_wait() - Take a message from the guest, when there is room for the answer
 * @host: the guest, a partition
 * @from: the message in user memory
 * @len: its length in bytes
 * @flags: as for vmbus_partition_receive()
 * @nonblock: do not wait
 *
 * Context: process, may sleep.
 * Return: 0, or a negative errno as the uAPI says for write().
 */
int host_receive_wait(struct host *host, const void __user *from, size_t len, u32 flags,
		      bool nonblock)
{
	u8 msg[VMBUS_GPADL_MSG_MAX] __aligned(8);
	int ret;

	if (len > sizeof(msg)) {
		atomic_inc(&host->nr_bad);
		return -EBADMSG;
	}
	if (copy_from_user(msg, from, len))
		return -EFAULT;
	for (;;) {
		ret = host_receive(host, msg, len, flags);
		if (ret != -EAGAIN || nonblock)
			return ret;
		ret = wait_event_interruptible(host->wait, host_is_writable(host));
		if (ret)
			return ret;
	}
}

static ssize_t host_fop_write(struct file *file, const char __user *from, size_t len,
			      loff_t *pos)
{
	struct host *host = file->private_data;
	int ret;

	if (!host_partition(host))
		return -EINVAL;
	ret = host_receive_wait(host, from, len, 0, file->f_flags & O_NONBLOCK);
	return ret ?: len;
}

/* ---- To the guest ---- */

static bool host_is_readable(struct host *host)
{
	return vmbus_partition_poll(host->p) & VMBUS_PARTITION_READABLE;
}

/*
 * A reply leaves the queue only when it has reached the reader: one that does not is not
 * lost, and still goes with its channel. Returns its length; -EAGAIN if there is none;
 * -EFAULT if memory is not there: what is served by somebody else, at leisure, must not
 * keep other readers waiting.
 */
static ssize_t host_read_one(struct host *host, void __user *to)
{
	struct vmbus_partition_reply reply;
	ssize_t ret;

	if (mutex_lock_interruptible(&host->read_lock))
		return -ERESTARTSYS;
	ret = vmbus_partition_peek_reply(host->p, &reply);
	if (!ret)
		ret = copy_to_user_nofault(to, reply.msg, reply.len);
	if (!ret)
		vmbus_partition_take_reply(host->p, reply.id);
	mutex_unlock(&host->read_lock);
	return ret ?: reply.len;
}

/* The same; the memory is brought in when nothing is held. */
static ssize_t host_read_faulting(struct host *host, void __user *to)
{
	ssize_t ret;

	while ((ret = host_read_one(host, to)) == -EFAULT) {
		if (fault_in_writeable(to, VMBUS_HOST_MSG_MAX))
			break;
		/* It may have gone again. */
		if (signal_pending(current))
			return -ERESTARTSYS;
		cond_resched();
	}
	return ret;
}

static ssize_t host_fop_read(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	struct host *host = file->private_data;
	ssize_t ret;

	if (!host_partition(host))
		return -EINVAL;
	if (len < VMBUS_HOST_MSG_MAX)
		return -EMSGSIZE;
	for (;;) {
		ret = host_read_faulting(host, to);
		if (ret != -EAGAIN || file->f_flags & O_NONBLOCK)
			return ret;
		ret = wait_event_interruptible(host->wait, host_is_readable(host));
		if (ret)
			return ret;
	}
}

static __poll_t host_fop_poll(struct file *file, poll_table *wait)
{
	struct host *host = file->private_data;
	__poll_t events = 0;

	poll_wait(file, &host->wait, wait);
	if (!host_partition(host))
		return EPOLLERR;
	if (host_is_readable(host))
		events |= EPOLLIN | EPOLLRDNORM;
	if (host_is_writable(host))
		events |= EPOLLOUT | EPOLLWRNORM;
	if (host_events_pending(host))
		events |= EPOLLPRI;
	return events;
}

/* ---- The device ---- */

static long host_fop_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return host_ioctl(file->private_data, cmd, (void __user *)arg,
			  file->f_flags & O_NONBLOCK);
}

static const struct file_operations host_fops = {
	.owner = THIS_MODULE,
	.open = host_fop_open,
	.release = host_fop_release,
	.read = host_fop_read,
	.write = host_fop_write,
	.poll = host_fop_poll,
	.unlocked_ioctl = host_fop_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice host_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "vmbus-host",
	.nodename = "vmbus-host",
	.mode = 0600,
	.fops = &host_fops,
};

static int __init vmbus_host_init(void)
{
	int ret;

	host_debugfs_init();
	ret = misc_register(&host_device);
	if (ret)
		host_debugfs_exit();
	return ret;
}

static void __exit vmbus_host_exit(void)
{
	misc_deregister(&host_device);
	/* No file is open, but backends may still have to close what was. */
	endpoint_wait_gone();
	wait_event(no_host, !atomic_read(&nr_hosts));
	vmbus_gpadl_flush();
	host_debugfs_exit();
}

module_init(vmbus_host_init);
module_exit(vmbus_host_exit);

MODULE_DESCRIPTION("VMBus channels for in-kernel backends: /dev/vmbus-host");
MODULE_AUTHOR("The vmbus_gpadl_map developers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(VMBUS_GPADL_NS);
