// SPDX-License-Identifier: GPL-2.0
/*
 * The ioctls of /dev/vmbus-host.
 *
 * Each takes one structure, which begins with its size, as do those that it points to. They
 * are copied once, here, by the rules of copy_struct_from_user(); what comes after sees only
 * the copy.
 */
#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/uuid.h>
#include <linux/wait.h>

#include "gpadl/compat.h"
#include "host.h"
#include "ioctl.h"
#include "ioctl_copy.h"

/* ---- Handlers ---- */

static int ioctl_create(const struct ioctl_call *call, union ioctl_arg *arg)
{
	if (arg->create.flags)
		return -EOPNOTSUPP;
	return vmbus_guest_create(call->guest);
}

static u32 region_flags(u32 from)
{
	return (from & VMBUS_HOST_REGION_READ_ONLY ? VMBUS_GPA_REGION_READ_ONLY : 0) |
	       (from & VMBUS_HOST_REGION_RESIDENT ? VMBUS_GPA_REGION_RESIDENT : 0);
}

/* The uAPI's regions equal the mapper's today; they may grow apart. */
static int region_convert(struct vmbus_gpa_region *to,
			  const struct vmbus_host_region *from)
{
	if (from->flags & ~(VMBUS_HOST_REGION_READ_ONLY | VMBUS_HOST_REGION_RESIDENT) ||
	    from->__reserved)
		return -EOPNOTSUPP;
	*to = (struct vmbus_gpa_region){
		.slot = from->slot,
		.flags = region_flags(from->flags),
		.gpa = from->gpa,
		.bytes = from->bytes,
		.hva = from->hva,
	};
	return 0;
}

static int regions_copy(struct vmbus_gpa_region *changes, const void __user *from, u32 nr)
{
	struct vmbus_host_region region;
	int size, ret;
	u32 i;

	for (i = 0; i < nr; i++) {
		size = COPY_SIZED(&region, from, hva);
		if (size < 0)
			return size;
		ret = region_convert(&changes[i], &region);
		if (ret)
			return ret;
		from += size;
	}
	return 0;
}

static int ioctl_set_regions(const struct ioctl_call *call, union ioctl_arg *arg)
{
	const struct vmbus_host_set_regions *set = &arg->set_regions;
	struct vmbus_gpa_region *changes;
	int ret;

	if (set->flags & ~VMBUS_HOST_SET_REGIONS_RETIRE || set->__reserved)
		return -EOPNOTSUPP;
	if (!set->nr || set->nr > VMBUS_HOST_REGION_SLOTS)
		return -EINVAL;
	changes = kvcalloc(set->nr, sizeof(*changes), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!changes)
		return -ENOMEM;
	ret = regions_copy(changes, u64_to_user_ptr(set->regions), set->nr);
	if (!ret)
		ret = vmbus_partition_set_regions(call->guest->p, changes, set->nr,
						  set->flags);
	kvfree(changes);
	return ret;
}

static int ioctl_channel_modify(const struct ioctl_call *call, union ioctl_arg *arg)
{
	const struct vmbus_host_channel_modify *modify = &arg->channel_modify;
	bool retarget = modify->flags & VMBUS_HOST_MODIFY_TARGET_VP;
	struct vmbus_guest *guest = call->guest;
	struct vmbus_host_signals signals;
	struct vmbus_endpoint *ep;
	int ret;

	if (modify->flags & ~VMBUS_HOST_MODIFY_TARGET_VP ||
	    (modify->target_vp && !retarget))
		return -EOPNOTSUPP;
	ret = vmbus_host_signals_copy(&signals, modify->signals);
	if (ret)
		return ret;
	if (modify->target_vp == VMBUS_HOST_NO_TARGET_VP && signals.call_fd >= 0)
		return -EINVAL;
	ep = vmbus_guest_get_endpoint(guest, modify->relid);
	if (!ep)
		return -ENOENT;
	ret = vmbus_ep_set_signals(ep, &signals);
	if (!ret && retarget)
		vmbus_ep_retarget(ep, modify->target_vp);
	vmbus_ep_put(ep);
	return ret;
}

static bool call_waits(const struct ioctl_call *call, u32 flags)
{
	return flags & VMBUS_HOST_WAIT || !call->nonblock;
}

static int ioctl_channel_rescind(const struct ioctl_call *call, union ioctl_arg *arg)
{
	if (arg->channel.flags & ~VMBUS_HOST_WAIT || arg->channel.__reserved)
		return -EOPNOTSUPP;
	return vmbus_guest_rescind_channel(call->guest, arg->channel.relid,
					   !call_waits(call, arg->channel.flags));
}

static int ioctl_channel_destroy(const struct ioctl_call *call, union ioctl_arg *arg)
{
	if (arg->channel.flags & ~VMBUS_HOST_WAIT || arg->channel.__reserved)
		return -EOPNOTSUPP;
	return vmbus_guest_destroy_channel(call->guest, arg->channel.relid,
					   !call_waits(call, arg->channel.flags));
}

static int ioctl_channel_unplug(const struct ioctl_call *call, union ioctl_arg *arg)
{
	if (arg->channel.flags || arg->channel.__reserved)
		return -EOPNOTSUPP;
	return vmbus_guest_unplug_channel(call->guest, arg->channel.relid);
}

static int ioctl_post(const struct ioctl_call *call, union ioctl_arg *arg)
{
	const struct vmbus_host_post *post = &arg->post;
	struct vmbus_guest *guest = call->guest;
	struct iov_iter msg;
	u32 flags = 0;

	if (post->flags & ~VMBUS_HOST_POST_GPADL_READ_ONLY || post->__reserved)
		return -EOPNOTSUPP;
	if (post->flags & VMBUS_HOST_POST_GPADL_READ_ONLY)
		flags |= VMBUS_GPADL_RECEIVE_READ_ONLY;
	iov_iter_ubuf(&msg, ITER_SOURCE, u64_to_user_ptr(post->msg), post->len);
	return vmbus_guest_receive_wait(guest, &msg, flags, call->nonblock);
}

static int ioctl_reset(const struct ioctl_call *call, union ioctl_arg *arg)
{
	if (arg->reset.flags & ~VMBUS_HOST_WAIT)
		return -EOPNOTSUPP;
	return vmbus_guest_reset(call->guest, !call_waits(call, arg->reset.flags));
}

/*
 * An event leaves the queue only when it has reached the VMM. Returns -EAGAIN if there is none,
 * -EFAULT if the memory is not present: the caller faults it in when it holds nothing.
 */
static int event_read_one(const struct ioctl_call *call, struct vmbus_host_event *event)
{
	struct vmbus_guest *guest = call->guest;
	int ret;

	vmbus_guest_finish(guest);
	if (mutex_lock_interruptible(&guest->read_lock))
		return -ERESTARTSYS;
	ret = vmbus_host_event_peek(guest, event);
	if (!ret)
		ret = copy_to_user_nofault(call->from, event, call->size);
	if (!ret)
		vmbus_host_event_take(guest, event);
	mutex_unlock(&guest->read_lock);
	return ret;
}

static int event_read(const struct ioctl_call *call, struct vmbus_host_event *event)
{
	unsigned int tries = 0;
	int ret;

	while ((ret = event_read_one(call, event)) == -EFAULT) {
		/* Not what writes zeros: the caller's size stays, for another call. */
		if (fault_in_safe_writeable(call->from, call->size) ||
		    ++tries > HOST_FAULT_TRIES)
			break;
		/* The page may have been reclaimed again: let a signal end the loop. */
		if (signal_pending(current))
			return -ERESTARTSYS;
		cond_resched();
	}
	return ret;
}

static int ioctl_next_event(const struct ioctl_call *call, union ioctl_arg *arg)
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	struct vmbus_guest *guest = call->guest;
	int ret;

	if (arg->event.flags || arg->event.__reserved)
		return -EOPNOTSUPP;
	/* Not wait_event(): what brings requests to their end may sleep. */
	add_wait_queue(&guest->wait, &wait);
	for (;;) {
		ret = event_read(call, &arg->event);
		if (ret != -EAGAIN || call->nonblock)
			break;
		if (signal_pending(current)) {
			ret = -ERESTARTSYS;
			break;
		}
		wait_woken(&wait, TASK_INTERRUPTIBLE, MAX_SCHEDULE_TIMEOUT);
	}
	remove_wait_queue(&guest->wait, &wait);
	return ret;
}

static int ioctl_get_version(const struct ioctl_call *call, union ioctl_arg *arg)
{
	if (arg->version.flags || arg->version.__reserved)
		return -EOPNOTSUPP;
	arg->version.version = VMBUS_VERSION_CODE;
	return copy_to_user(call->from, &arg->version, call->size) ? -EFAULT : 0;
}

/* ---- Dispatch ---- */

/**
 * struct ioctl_op - one command, at the index that is its number
 * @size: of its structure, as this kernel knows it
 * @min_size: of its structure in its first version
 * @handler: does it
 */
struct ioctl_op {
	u32 size;
	u32 min_size;
	int (*handler)(const struct ioctl_call *call, union ioctl_arg *arg);
};

#define IOCTL_OP(_cmd, _handler, _struct, _last)				\
	[_IOC_NR(_cmd)] = {							\
		.size = sizeof(_struct) +					\
			BUILD_BUG_ON_ZERO(sizeof(_struct) >			\
					  sizeof(union ioctl_arg)),		\
		.min_size = offsetofend(_struct, _last),			\
		.handler = _handler,						\
	}

static const struct ioctl_op ioctl_ops[] = {
	IOCTL_OP(VMBUS_HOST_CREATE, ioctl_create, struct vmbus_host_create, flags),
	IOCTL_OP(VMBUS_HOST_SET_REGIONS, ioctl_set_regions,
		 struct vmbus_host_set_regions, regions),
	IOCTL_OP(VMBUS_HOST_CHANNEL_CREATE, vmbus_host_ioctl_channel_create,
		 struct vmbus_host_channel_create, __reserved),
	IOCTL_OP(VMBUS_HOST_CHANNEL_MODIFY, ioctl_channel_modify,
		 struct vmbus_host_channel_modify, signals),
	IOCTL_OP(VMBUS_HOST_CHANNEL_RESCIND, ioctl_channel_rescind,
		 struct vmbus_host_channel, __reserved),
	IOCTL_OP(VMBUS_HOST_CHANNEL_DESTROY, ioctl_channel_destroy,
		 struct vmbus_host_channel, __reserved),
	IOCTL_OP(VMBUS_HOST_POST, ioctl_post, struct vmbus_host_post, msg),
	IOCTL_OP(VMBUS_HOST_RESET, ioctl_reset, struct vmbus_host_reset, flags),
	IOCTL_OP(VMBUS_HOST_NEXT_EVENT, ioctl_next_event,
		 struct vmbus_host_event, __reserved),
	IOCTL_OP(VMBUS_HOST_GET_VERSION, ioctl_get_version,
		 struct vmbus_host_version, __reserved),
	IOCTL_OP(VMBUS_HOST_CHANNEL_UNPLUG, ioctl_channel_unplug,
		 struct vmbus_host_channel, __reserved),
};

/*
 * Any caller may ask for the version and CREATE; later ioctls must come from the bound address
 * space.
 */
static int ioctl_may(struct vmbus_guest *guest, unsigned int cmd)
{
	struct vmbus_partition *p = vmbus_guest_partition(guest);

	if (cmd == VMBUS_HOST_GET_VERSION)
		return 0;
	if (!p)
		return cmd == VMBUS_HOST_CREATE ? 0 : -EINVAL;
	return vmbus_partition_is_current(p) ? 0 : -EIO;
}

/**
 * vmbus_guest_ioctl() - Do an ioctl
 * @guest: the file
 * @cmd: the command
 * @from: its structure in user memory
 * @nonblock: the file is O_NONBLOCK
 *
 * Context: process, may sleep.
 * Return: 0, or a negative errno as the uAPI says.
 */
long vmbus_guest_ioctl(struct vmbus_guest *guest, unsigned int cmd, void __user *from,
		       bool nonblock)
{
	struct ioctl_call call = { .guest = guest, .from = from, .nonblock = nonblock };
	const struct ioctl_op *op;
	union ioctl_arg arg;
	int ret;

	if (_IOC_NR(cmd) >= ARRAY_SIZE(ioctl_ops) ||
	    cmd != _IO(VMBUS_HOST_IOC, _IOC_NR(cmd)))
		return -ENOTTY;
	op = &ioctl_ops[array_index_nospec(_IOC_NR(cmd), ARRAY_SIZE(ioctl_ops))];
	ret = ioctl_may(guest, cmd);
	if (ret)
		return ret;

	ret = vmbus_host_copy_sized(&arg, op->size, op->min_size, from);
	if (ret < 0)
		return ret;
	call.size = min_t(u32, ret, op->size);
	return op->handler(&call, &arg);
}
