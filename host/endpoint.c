// SPDX-License-Identifier: GPL-2.0
/*
 * The host's end of a channel: opened and closed by the guest, served by a backend.
 *
 *	           OPENCHANNEL                     CLOSECHANNEL
 *	 CLOSED ----> OPENING ----> OPEN (the backend has it) ----> CLOSING ----> CLOSED
 *	    ^            |                                                          |
 *	    `------------'  no ring, no backend, or it refuses    <-----------------'
 *
 * Whoever wants something (a message of the guest, an ioctl, the last close of the file)
 * only leaves a note under the endpoint's lock and queues the state work, which goes
 * where the notes say, one step after the other. So nobody waits for a backend in
 * write(), a close that comes while the open is at work undoes all of it, and an open
 * that comes while the close is at work is done after it.
 *
 * The state work, kick() and revoke() are work of the channel: they run one at a time.
 *
 * An OPENCHANNEL is answered exactly once, in the critical section that changes what it
 * tells of; or never, if the guest has released the channel or was reset.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "gpadl/compat.h"
#include "gpadl/wire.h"
#include "host.h"

/* All that are not freed yet. */
static DEFINE_MUTEX(endpoints_lock);
static LIST_HEAD(endpoints);

/* ---- Answers ---- */

#define STATUS_UNSUCCESSFUL		0xC0000001u
#define STATUS_NO_SUCH_DEVICE		0xC000000Eu
#define STATUS_DELETE_PENDING		0xC0000056u
#define STATUS_INVALID_DEVICE_STATE	0xC0000184u

/* NTSTATUS for the guest. It treats all but 0 alike; people read it in its log. */
static u32 open_status(int err)
{
	switch (err) {
	case 0:
		return GPADL_STATUS_SUCCESS;
	case -EINVAL:
	case -ENOENT:
	case -EOPNOTSUPP:
		return GPADL_STATUS_INVALID_PARAMETER;
	case -ENOMEM:
		return GPADL_STATUS_INSUFFICIENT_RESOURCES;
	case -ENODEV:
		return STATUS_NO_SUCH_DEVICE;
	case -EBUSY:
		return STATUS_INVALID_DEVICE_STATE;
	case -ESHUTDOWN:
		return STATUS_DELETE_PENDING;
	case -ECANCELED:
		return GPADL_STATUS_CANCELLED;
	default:
		return STATUS_UNSUCCESSFUL;
	}
}

/* struct vmbus_channel_open_result */
struct open_result {
	__le32 type;
	__le32 padding;
	__le32 relid;
	__le32 openid;
	__le32 status;
};

static_assert(sizeof(struct open_result) <= VMBUS_GPADL_MAX_REPLY);

/* Ends @req. Called with the endpoint's lock held. */
static void open_answer(struct vmbus_endpoint *ep, struct open_request *req, int err)
{
	struct open_result msg = {
		.type = cpu_to_le32(GPADL_MSG_OPENCHANNEL_RESULT),
		.relid = cpu_to_le32(ep->relid),
		.openid = cpu_to_le32(req->openid),
		.status = cpu_to_le32(open_status(err)),
	};

	lockdep_assert_held(&ep->lock);
	vmbus_partition_queue_reply(ep->chan, req->reply, &msg, sizeof(msg));
	req->reply = NULL;
	atomic_inc(err ? &ep->counts.refused : &ep->counts.opens);
}

static void open_drop(struct vmbus_endpoint *ep, struct open_request *req)
{
	lockdep_assert_held(&ep->lock);
	vmbus_partition_cancel_reply(ep->host->p, req->reply);
	req->reply = NULL;
}

/* ---- State work ---- */

static int endpoint_bind(struct vmbus_endpoint *ep)
{
	struct vmbus_backend *backend;
	int ret;

	/* Once: a guest that tries again and again is not to run modprobe each time. */
	backend = backend_get(&ep->if_type, !ep->looked);
	ep->looked = true;
	if (!backend)
		return -ENODEV;
	ep->backend = backend;
	ret = backend->open(ep);
	if (ret) {
		ep->backend = NULL;
		ep->data = NULL;
		backend_put(backend);
	}
	return ret;
}

static int endpoint_do_open(struct vmbus_endpoint *ep)
{
	int ret;

	ret = endpoint_rings_map(ep);
	if (ret)
		return ret;
	ret = endpoint_bind(ep);
	if (ret) {
		endpoint_rings_unmap(ep);
		return ret;
	}
	/* The signal for what is there already may have come when nobody listened. */
	if (endpoint_rings_have_input(ep))
		vmbus_endpoint_kick(ep);
	return 0;
}

static void endpoint_do_close(struct vmbus_endpoint *ep)
{
	struct vmbus_backend *backend = ep->backend;

	backend->close(ep);
	endpoint_rings_unmap(ep);
	ep->backend = NULL;
	ep->data = NULL;
	/* Who owes an unmap stays until it is done: nobody else can do it. */
	if (WARN_ONCE(vmbus_gpadl_channel_is_busy(ep->chan),
		      "vmbus_host: channel %u: backend %s left a GPADL mapped\n",
		      ep->relid, backend->name) && !ep->debtor)
		ep->debtor = backend;
	else
		backend_put(backend);
}

static void endpoint_set_closed(struct vmbus_endpoint *ep)
{
	lockdep_assert_held(&ep->lock);
	ep->state = ENDPOINT_CLOSED;
	ep->leave = ENDPOINT_STAY;
	ep->nr_closed++;
	wake_up_all(&ep->host->wait);
}

static void endpoint_finish_open(struct vmbus_endpoint *ep, int ret)
{
	spin_lock(&ep->lock);
	if (ep->leave == ENDPOINT_LEAVE_QUIETLY)
		open_drop(ep, &ep->open);
	else
		open_answer(ep, &ep->open, ret ?: ep->leave ? -ECANCELED : 0);
	if (ret)
		endpoint_set_closed(ep);
	else
		ep->state = ENDPOINT_OPEN;
	spin_unlock(&ep->lock);
}

static void endpoint_finish_close(struct vmbus_endpoint *ep)
{
	spin_lock(&ep->lock);
	endpoint_set_closed(ep);
	spin_unlock(&ep->lock);
}

/* Take up what is to be done next. Returns the state to leave. */
static enum endpoint_state endpoint_next(struct vmbus_endpoint *ep)
{
	enum endpoint_state state;

	spin_lock(&ep->lock);
	if (ep->state == ENDPOINT_CLOSED && ep->request.reply) {
		ep->open = ep->request;
		ep->request.reply = NULL;
		ep->state = ENDPOINT_OPENING;
	} else if (ep->state == ENDPOINT_OPEN && ep->leave) {
		ep->state = ENDPOINT_CLOSING;
	}
	state = ep->state;
	spin_unlock(&ep->lock);
	return state;
}

static void endpoint_state_work(struct vmbus_gpadl_work *work)
{
	struct vmbus_endpoint *ep =
		container_of(work, struct vmbus_endpoint, state_work);

	for (;;) {
		switch (endpoint_next(ep)) {
		case ENDPOINT_OPENING:
			endpoint_finish_open(ep, endpoint_do_open(ep));
			break;
		case ENDPOINT_CLOSING:
			endpoint_do_close(ep);
			endpoint_finish_close(ep);
			break;
		default:
			return;
		}
	}
}

static void endpoint_queue(struct vmbus_endpoint *ep)
{
	vmbus_gpadl_channel_queue_work(ep->chan, &ep->state_work);
}

/* ---- What is asked for ---- */

/* Called with the endpoint's lock held. */
static bool endpoint_is_taken(const struct vmbus_endpoint *ep)
{
	lockdep_assert_held(&ep->lock);
	if (ep->request.reply)
		return true;
	return !ep->leave &&
	       (ep->state == ENDPOINT_OPENING || ep->state == ENDPOINT_OPEN);
}

/**
 * endpoint_open() - The guest opens the channel
 * @ep: the endpoint
 * @req: what it asks for; its reply is spent when this returns
 *
 * Context: process. Waits for nothing; host.lock is held.
 */
void endpoint_open(struct vmbus_endpoint *ep, const struct open_request *req)
{
	struct open_request refused = *req;

	lockdep_assert_held(&ep->host->lock);
	spin_lock(&ep->lock);
	if (ep->rescinded) {
		open_answer(ep, &refused, -ESHUTDOWN);
	} else if (endpoint_is_taken(ep)) {
		open_answer(ep, &refused, -EBUSY);
	} else {
		ep->request = *req;
		endpoint_queue(ep);
	}
	spin_unlock(&ep->lock);
}

static void endpoint_close_locked(struct vmbus_endpoint *ep, enum endpoint_leave how)
{
	lockdep_assert_held(&ep->lock);
	if (ep->request.reply) {
		if (how == ENDPOINT_LEAVE_QUIETLY)
			open_drop(ep, &ep->request);
		else
			open_answer(ep, &ep->request, -ECANCELED);
		wake_up_all(&ep->host->wait);
	}
	if (ep->state == ENDPOINT_OPENING || ep->state == ENDPOINT_OPEN) {
		ep->leave = max_t(u8, ep->leave, how);
		endpoint_queue(ep);
	}
}

/**
 * endpoint_close() - The channel is to be closed
 * @ep: the endpoint
 * @how: whether an OPENCHANNEL that waits is answered
 *
 * Context: process. Waits for nothing; the caller holds a reference.
 */
void endpoint_close(struct vmbus_endpoint *ep, enum endpoint_leave how)
{
	spin_lock(&ep->lock);
	endpoint_close_locked(ep, how);
	spin_unlock(&ep->lock);
}

/**
 * endpoint_rescind() - The channel is to be closed, and not to be opened again
 * @ep: the endpoint
 *
 * Context: process. Waits for nothing; the caller holds a reference.
 */
void endpoint_rescind(struct vmbus_endpoint *ep)
{
	spin_lock(&ep->lock);
	/* endpoint_let_go() looks without the lock. */
	WRITE_ONCE(ep->rescinded, true);
	spin_unlock(&ep->lock);
	endpoint_close(ep, ENDPOINT_LEAVE);
}

/**
 * endpoint_let_go() - The guest has nothing to do with the channel any more
 * @ep: the endpoint
 *
 * It hears nothing more of it: what waits is dropped, and if the channel was rescinded,
 * nothing comes. One that was not can be offered and used again.
 *
 * Context: process. Waits for nothing; host.lock is held.
 */
void endpoint_let_go(struct vmbus_endpoint *ep)
{
	lockdep_assert_held(&ep->host->lock);
	endpoint_close(ep, ENDPOINT_LEAVE_QUIETLY);
	vmbus_gpadl_channel_release(ep->chan);
	ep->released = READ_ONCE(ep->rescinded);
}

/**
 * endpoint_is_closed() - Is nothing open, nor about to be?
 * @ep: the endpoint, held by the caller
 *
 * host.wait is woken when that has become so.
 *
 * Context: process, also under a spinlock.
 * Return: true if so.
 */
bool endpoint_is_closed(struct vmbus_endpoint *ep)
{
	bool closed;

	spin_lock(&ep->lock);
	closed = ep->state == ENDPOINT_CLOSED && !ep->request.reply;
	spin_unlock(&ep->lock);
	return closed;
}

/**
 * endpoint_reset() - The channel is to be closed; the guest may open it again at once
 * @ep: the endpoint
 *
 * Context: process. Waits for nothing; the caller holds a reference.
 */
void endpoint_reset(struct vmbus_endpoint *ep)
{
	spin_lock(&ep->lock);
	endpoint_close_locked(ep, ENDPOINT_LEAVE_QUIETLY);
	ep->reset_at = ep->nr_closed + (ep->state != ENDPOINT_CLOSED);
	spin_unlock(&ep->lock);
}

/**
 * endpoint_is_reset() - Is closed what endpoint_reset() has found?
 * @ep: the endpoint, held by the caller
 *
 * Not whether the endpoint is: the guest, who can open it any time, could have that asked
 * for ever. host.wait is woken when it has become so.
 *
 * Context: process, also under a spinlock.
 * Return: true if so.
 */
bool endpoint_is_reset(struct vmbus_endpoint *ep)
{
	bool reset;

	spin_lock(&ep->lock);
	reset = (s32)(ep->nr_closed - ep->reset_at) >= 0;
	spin_unlock(&ep->lock);
	return reset;
}

/* ---- What the backend is told ---- */

static void endpoint_kick_work(struct vmbus_gpadl_work *work)
{
	struct vmbus_endpoint *ep =
		container_of(work, struct vmbus_endpoint, kick_work);

	if (!ep->backend)
		return;
	atomic_inc(&ep->counts.kicks);
	ep->backend->kick(ep);
}

/*
 * Called in the channel's ordered work. A guest that tears down the rings of an open
 * channel has closed it.
 */
static void endpoint_revoke(struct vmbus_gpadl_channel *chan, struct vmbus_mapping *map)
{
	struct vmbus_endpoint *ep = vmbus_gpadl_channel_priv(chan);

	if (!ep->backend)
		return;
	if (map == ep->rings)
		endpoint_close(ep, ENDPOINT_LEAVE);
	else if (ep->backend->revoke)
		ep->backend->revoke(ep, map);
}

/* ---- Lifetime ---- */

/* Nothing is mapped, queued or running any more. */
static void endpoint_release(void *priv)
{
	struct vmbus_endpoint *ep = priv;

	scoped_guard(mutex, &endpoints_lock)
		list_del(&ep->node);
	atomic_dec(&ep->host->nr_endpoints);
	if (ep->debtor)
		backend_put(ep->debtor);
	kfree(ep);
}

static const struct vmbus_gpadl_channel_ops endpoint_ops = {
	.revoke = endpoint_revoke,
	.release = endpoint_release,
};

static struct vmbus_endpoint *endpoint_alloc(struct host *host, u32 relid)
{
	struct vmbus_endpoint *ep = kzalloc(sizeof(*ep), GFP_KERNEL_ACCOUNT);

	if (!ep)
		return NULL;
	refcount_set(&ep->ref, 1);
	INIT_LIST_HEAD(&ep->asked_node);
	ep->host = host;
	ep->relid = relid;
	spin_lock_init(&ep->lock);
	spin_lock_init(&ep->signal_lock);
	endpoint_rings_init(ep);
	vmbus_gpadl_work_init(&ep->state_work, endpoint_state_work);
	vmbus_gpadl_work_init(&ep->kick_work, endpoint_kick_work);
	return ep;
}

/**
 * endpoint_create() - Make a channel
 * @host: the guest
 * @relid: number of the channel
 * @if_type: interface type GUID
 * @if_instance: interface instance GUID
 *
 * Context: process, may sleep.
 * Return: the endpoint, closed and without signals, in no table yet; or ERR_PTR of
 * -EEXIST, or an errno of vmbus_gpadl_channel_create().
 */
struct vmbus_endpoint *endpoint_create(struct host *host, u32 relid,
				       const guid_t *if_type, const guid_t *if_instance)
{
	struct vmbus_gpadl_channel *chan;
	struct vmbus_endpoint *ep;

	ep = endpoint_alloc(host, relid);
	if (!ep)
		return ERR_PTR(-ENOMEM);
	ep->if_type = *if_type;
	ep->if_instance = *if_instance;
	chan = vmbus_gpadl_channel_create(host->p, relid, &endpoint_ops, ep);
	if (IS_ERR(chan)) {
		kfree(ep);
		return PTR_ERR(chan) == -EBUSY ? ERR_PTR(-EEXIST) : ERR_CAST(chan);
	}
	ep->chan = chan;
	atomic_inc(&host->nr_endpoints);
	guard(mutex)(&endpoints_lock);
	list_add_tail(&ep->node, &endpoints);
	return ep;
}

/**
 * endpoint_put() - Drop a reference to an endpoint
 * @ep: the endpoint
 *
 * The last one lets the channel go: work that is queued is still done.
 *
 * Context: process. Never waits for a backend or for the VMM.
 */
void endpoint_put(struct vmbus_endpoint *ep)
{
	if (!refcount_dec_and_test(&ep->ref))
		return;
	/* Kicks queue work, which the channel does not take any more. */
	signals_clear(ep);
	vmbus_gpadl_channel_put(ep->chan);
}

/**
 * endpoint_for_each() - Call a function for each endpoint of every guest
 * @fn: the function; it may sleep, but must not make or free an endpoint
 * @arg: passed to it
 *
 * Context: process, may sleep.
 */
void endpoint_for_each(void (*fn)(struct vmbus_endpoint *ep, void *arg), void *arg)
{
	struct vmbus_endpoint *ep;

	guard(mutex)(&endpoints_lock);
	list_for_each_entry(ep, &endpoints, node) {
		fn(ep, arg);
		cond_resched();
	}
}

/**
 * endpoint_state_name() - State of an endpoint, for people
 * @ep: the endpoint
 *
 * Context: any but hard interrupts.
 * Return: a word.
 */
const char *endpoint_state_name(struct vmbus_endpoint *ep)
{
	static const char * const names[] = {
		[ENDPOINT_CLOSED] = "closed",
		[ENDPOINT_OPENING] = "opening",
		[ENDPOINT_OPEN] = "open",
		[ENDPOINT_CLOSING] = "closing",
	};

	/* Without the lock: it may be another one when this returns, with it too. */
	return names[data_race(READ_ONCE(ep->state))];
}

/* ---- What the backend uses ---- */

/**
 * vmbus_endpoint_channel() - The channel, for vmbus_gpadl_map() and the like
 * @ep: the endpoint
 *
 * Context: any, from open() until close() has returned.
 * Return: the channel.
 */
struct vmbus_gpadl_channel *vmbus_endpoint_channel(const struct vmbus_endpoint *ep)
{
	return ep->chan;
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_channel, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_relid() - Number of the channel in VMBus messages
 * @ep: the endpoint
 *
 * Context: any, from open() until close() has returned.
 * Return: the number.
 */
u32 vmbus_endpoint_relid(const struct vmbus_endpoint *ep)
{
	return ep->relid;
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_relid, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_instance() - Interface instance GUID of the channel's offer
 * @ep: the endpoint
 *
 * Context: any, from open() until close() has returned.
 * Return: the GUID.
 */
const guid_t *vmbus_endpoint_instance(const struct vmbus_endpoint *ep)
{
	return &ep->if_instance;
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_instance, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_userdata() - What the guest gave along when it opened the channel
 * @ep: the endpoint
 *
 * Context: any, from open() until close() has returned.
 * Return: VMBUS_USERDATA_SIZE bytes, a copy; whatever the guest likes is in them.
 */
const u8 *vmbus_endpoint_userdata(const struct vmbus_endpoint *ep)
{
	return ep->open.userdata;
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_userdata, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_set_data() - Keep something of the backend's own with the endpoint
 * @ep: the endpoint
 * @data: what to keep; to be set in open(), and forgotten after close()
 *
 * Context: any.
 */
void vmbus_endpoint_set_data(struct vmbus_endpoint *ep, void *data)
{
	ep->data = data;
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_set_data, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_data() - What vmbus_endpoint_set_data() has set
 * @ep: the endpoint
 *
 * Context: any, from open() until close() has returned.
 * Return: that; NULL if nothing.
 */
void *vmbus_endpoint_data(const struct vmbus_endpoint *ep)
{
	return ep->data;
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_data, VMBUS_HOST_NS);

/**
 * vmbus_endpoint_kick() - Have kick() called once more
 * @ep: the endpoint
 *
 * For a kick() that has done enough for now: a guest can write as fast as the backend
 * reads, and while kick() runs, close() and revoke() have to wait.
 *
 * Context: any, from open() until close() has returned.
 */
void vmbus_endpoint_kick(struct vmbus_endpoint *ep)
{
	endpoint_queue_kick(ep);
}
EXPORT_SYMBOL_NS_GPL(vmbus_endpoint_kick, VMBUS_HOST_NS);
