// SPDX-License-Identifier: GPL-2.0
/*
 * Messages. From the guest: those on channels are taken here, those on GPADLs are passed
 * on. To the guest: what waits in the partition's queue.
 *
 * A message from the guest is looked at in a copy, which does not change any more. What
 * follows its fixed part is ignored: UEFI sends every message at full length.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/wait.h>

#include "gpadl/compat.h"
#include "gpadl/wire.h"
#include "host.h"

/* ---- From the guest ---- */

/* struct vmbus_channel_message_header and what follows it in every message of ours */
struct message {
	__le32 type;
	__le32 padding;
	__le32 relid;
};

/* struct vmbus_channel_open_channel */
struct message_open {
	struct message head;
	__le32 openid;
	__le32 ring_handle;
	__le32 target_vp;
	__le32 ring_page;
	u8 userdata[VMBUS_USERDATA_SIZE];
};

static_assert(sizeof(struct message_open) == 148);

/* The same to the VMM, to channel layers, and in user space, where the wire format is tested */
static_assert(VMBUS_HOST_MSG_MAX == VMBUS_GPADL_MSG_MAX);
static_assert(GPADL_WIRE_MAX_MSG == VMBUS_GPADL_MSG_MAX);
static_assert(VMBUS_HOST_NO_TARGET_VP == VMBUS_NO_TARGET);

static int receive_open(struct vmbus_guest *guest, struct vmbus_endpoint *ep,
			const struct message_open *msg)
{
	struct open_request req = {
		.openid = le32_to_cpu(msg->openid),
		.ring_handle = le32_to_cpu(msg->ring_handle),
		.ring_page = le32_to_cpu(msg->ring_page),
		.target_vp = le32_to_cpu(msg->target_vp),
	};

	/* First: without room for an answer, nothing may change. */
	req.reply = vmbus_partition_reserve_reply(guest->p);
	if (!req.reply)
		return -EAGAIN;
	memcpy(req.userdata, msg->userdata, sizeof(req.userdata));
	vmbus_ep_open(ep, &req);
	return 0;
}

/* A message on a channel, long enough for its type. */
static int receive_on_channel(struct vmbus_guest *guest, const struct message *msg)
{
	struct vmbus_endpoint *ep;

	guard(mutex)(&guest->lock);
	ep = xa_load(&guest->endpoints, le32_to_cpu(msg->relid));
	if (!ep || ep->released)
		return -ENXIO;

	switch (le32_to_cpu(msg->type)) {
	case GPADL_MSG_OPENCHANNEL:
		return receive_open(guest, ep, (const struct message_open *)msg);
	case GPADL_MSG_CLOSECHANNEL:
		vmbus_ep_close(ep, ENDPOINT_CLOSE);
		return 0;
	default:
		vmbus_ep_relid_released(ep);
		return 0;
	}
}

/* Length of a message's fixed part; 0 if the message is not one on a channel. */
static size_t message_min_len(u32 type)
{
	switch (type) {
	case GPADL_MSG_OPENCHANNEL:
		return sizeof(struct message_open);
	case GPADL_MSG_CLOSECHANNEL:
	case GPADL_MSG_RELID_RELEASED:
		return sizeof(struct message);
	default:
		return 0;
	}
}

/*
 * Take a message, @msg, of @len bytes. Waits neither for a backend nor for the VMM.
 * Returns as vmbus_partition_receive() does.
 */
static int guest_receive(struct vmbus_guest *guest, const void *msg, size_t len, u32 flags)
{
	size_t min_len;

	if (len < sizeof(u32))
		goto err_bad;
	min_len = message_min_len(le32_to_cpup(msg));
	if (!min_len)
		return vmbus_partition_receive(guest->p, msg, len, flags);
	if (len < min_len)
		goto err_bad;
	return receive_on_channel(guest, msg);

err_bad:
	atomic_inc(&guest->nr_bad);
	return -EBADMSG;
}

/**
 * vmbus_guest_receive_wait() - Take a message from the guest, when there is room for the answer
 * @guest: the guest, a partition
 * @from: the message, all of it, in however many pieces
 * @flags: as for vmbus_partition_receive()
 * @nonblock: do not wait
 *
 * Context: process, may sleep.
 * Return: 0, or a negative errno as the uAPI says for write().
 */
int vmbus_guest_receive_wait(struct vmbus_guest *guest, struct iov_iter *from, u32 flags,
			     bool nonblock)
{
	u8 msg[VMBUS_GPADL_MSG_MAX] __aligned(8);
	size_t len = iov_iter_count(from);
	int ret;

	if (len > sizeof(msg)) {
		atomic_inc(&guest->nr_bad);
		return -EBADMSG;
	}
	if (!copy_from_iter_full(msg, len, from))
		return -EFAULT;
	for (;;) {
		ret = guest_receive(guest, msg, len, flags);
		if (ret != -EAGAIN || nonblock)
			return ret;
		ret = wait_event_interruptible(guest->wait, vmbus_guest_is_writable(guest));
		if (ret)
			return ret;
	}
}
EXPORT_SYMBOL_IF_KUNIT(vmbus_guest_receive_wait);

/* ---- To the guest ---- */

/* As copy_to_user_nofault(): copies all, or returns -EFAULT and leaves @to as it was. */
static int copy_to_iter_nofault(const void *from, size_t len, struct iov_iter *to)
{
	size_t copied;

	pagefault_disable();
	copied = copy_to_iter(from, len, to);
	pagefault_enable();
	if (copied == len)
		return 0;
	iov_iter_revert(to, copied);
	return -EFAULT;
}

/*
 * A reply leaves the queue only when it has reached the reader: one that does not is not
 * lost, and still goes with its channel. Returns its length; -EAGAIN if there is none;
 * -EFAULT if memory is not there. Never fault (userfaultfd, FUSE) while holding
 * read_lock: other readers must not wait for it.
 */
static ssize_t guest_read_one(struct vmbus_guest *guest, struct iov_iter *to)
{
	struct vmbus_partition_reply reply;
	ssize_t ret;

	if (mutex_lock_interruptible(&guest->read_lock))
		return -ERESTARTSYS;
	ret = vmbus_partition_peek_reply(guest->p, &reply);
	if (!ret)
		ret = copy_to_iter_nofault(reply.msg, reply.len, to);
	if (!ret)
		vmbus_partition_take_reply(guest->p, reply.id);
	mutex_unlock(&guest->read_lock);
	return ret ?: reply.len;
}

/* The same; faults the memory in while nothing is held. */
static ssize_t guest_read_faulting(struct vmbus_guest *guest, struct iov_iter *to)
{
	unsigned int tries = 0;
	ssize_t ret;

	while ((ret = guest_read_one(guest, to)) == -EFAULT) {
		if (fault_in_iov_iter_writeable(to, VMBUS_HOST_MSG_MAX) ||
		    ++tries > HOST_FAULT_TRIES)
			break;
		/* The page may have been reclaimed again: let a signal end the loop. */
		if (signal_pending(current))
			return -ERESTARTSYS;
		cond_resched();
	}
	return ret;
}

/**
 * vmbus_guest_read_wait() - Give the oldest message for the guest to the VMM
 * @guest: the guest, a partition
 * @to: where it goes, in however many pieces
 * @nonblock: do not wait for one
 *
 * Context: process, may sleep.
 * Return: length of the message, or a negative errno as the uAPI says for read().
 */
ssize_t vmbus_guest_read_wait(struct vmbus_guest *guest, struct iov_iter *to, bool nonblock)
{
	ssize_t ret;

	if (iov_iter_count(to) < VMBUS_HOST_MSG_MAX)
		return -EMSGSIZE;
	for (;;) {
		ret = guest_read_faulting(guest, to);
		if (ret != -EAGAIN || nonblock)
			return ret;
		ret = wait_event_interruptible(guest->wait, vmbus_guest_is_readable(guest));
		if (ret)
			return ret;
	}
}
