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
#include <linux/poll.h>
#include <linux/uio.h>

#include "gpadl/compat.h"
#include "host.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static int host_fop_open(struct inode *inode, struct file *file)
{
	struct vmbus_guest *guest = vmbus_guest_alloc();

	if (!guest)
		return -ENOMEM;
	file->private_data = guest;
	/* Honour IOCB_NOWAIT (io_uring): read and write return -EAGAIN instead of waiting. */
	file->f_mode |= FMODE_NOWAIT;
	return stream_open(inode, file);
}

static int host_fop_release(struct inode *inode, struct file *file)
{
	vmbus_guest_close(file->private_data);
	return 0;
}

static bool iocb_nonblock(const struct kiocb *iocb)
{
	return iocb->ki_flags & IOCB_NOWAIT || iocb->ki_filp->f_flags & O_NONBLOCK;
}

static ssize_t host_fop_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct vmbus_guest *guest = iocb->ki_filp->private_data;
	size_t len = iov_iter_count(from);
	int ret;

	if (!vmbus_guest_partition(guest))
		return -EINVAL;
	ret = vmbus_guest_receive_wait(guest, from, 0, iocb_nonblock(iocb));
	return ret ?: len;
}

static ssize_t host_fop_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct vmbus_guest *guest = iocb->ki_filp->private_data;

	if (!vmbus_guest_partition(guest))
		return -EINVAL;
	return vmbus_guest_read_wait(guest, to, iocb_nonblock(iocb));
}

static __poll_t host_fop_poll(struct file *file, poll_table *wait)
{
	struct vmbus_guest *guest = file->private_data;
	__poll_t events = 0;

	poll_wait(file, &guest->wait, wait);
	if (!vmbus_guest_partition(guest))
		return EPOLLERR;
	vmbus_guest_finish(guest);
	if (vmbus_guest_is_readable(guest))
		events |= EPOLLIN | EPOLLRDNORM;
	if (vmbus_guest_is_writable(guest))
		events |= EPOLLOUT | EPOLLWRNORM;
	if (vmbus_host_events_pending(guest))
		events |= EPOLLPRI;
	return events;
}

static long host_fop_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return vmbus_guest_ioctl(file->private_data, cmd, (void __user *)arg,
				 file->f_flags & O_NONBLOCK);
}

static void host_fop_show_fdinfo(struct seq_file *m, struct file *file)
{
	vmbus_guest_show_fdinfo(file->private_data, m);
}

static const struct file_operations host_fops = {
	.owner = THIS_MODULE,
	.open = host_fop_open,
	.release = host_fop_release,
	.read_iter = host_fop_read_iter,
	.write_iter = host_fop_write_iter,
	.poll = host_fop_poll,
	.unlocked_ioctl = host_fop_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.show_fdinfo = host_fop_show_fdinfo,
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

	ret = vmbus_host_completions_init();
	if (ret)
		return ret;
	vmbus_host_debugfs_init();
	ret = misc_register(&host_device);
	if (ret) {
		vmbus_host_debugfs_exit();
		vmbus_host_completions_exit();
	}
	return ret;
}

static void __exit vmbus_host_exit(void)
{
	/* No file is open, and nothing is left of what was: each partition holds the module. */
	misc_deregister(&host_device);
	vmbus_host_debugfs_exit();
	vmbus_host_completions_exit();
}

module_init(vmbus_host_init);
module_exit(vmbus_host_exit);

MODULE_DESCRIPTION("VMBus channels for in-kernel backends: /dev/vmbus-host");
MODULE_AUTHOR("The vmbus_gpadl_map developers");
MODULE_VERSION(VMBUS_VERSION);
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(VMBUS_GPADL_NS);
