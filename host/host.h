/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The VMBus channel layer of /dev/vmbus-host: what its files share.
 *
 * An open file is a struct vmbus_guest, one guest. A struct vmbus_endpoint is the host's end of
 * one of its channels. Both live until the mapper says that nothing calls in any more
 * (ops->release()); the file itself may be long closed then.
 *
 * Lock order: guest.lock or backends_lock > vmbus_device.lock > lock of the mapper's reply queue;
 * guest.lock > the mapper's rx_mutex; guest.lock > read_lock > lock of the reply queue.
 * vmbus_endpoint.signal_lock and the ring locks are innermost, and are not nested; but
 * host_events.lock can be taken under any of them. No callback of a backend is called with
 * a lock held, but for show(), with show_lock.
 */
#ifndef _VMBUS_HOST_PRIV_H
#define _VMBUS_HOST_PRIV_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/completion.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/percpu-refcount.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <linux/vmbus_backend.h>
#include <linux/vmbus_host.h>
#include "device.h"
#include "event.h"
#include "vmbus_gpadl_map.h"
#include "ring.h"

struct iov_iter;
struct seq_file;
struct signals;

/*
 * How often memory is faulted in for one copy. It may have been reclaimed again; but if the copy
 * fails for another reason (the tag of the address is not the memory's, on arm64 with MTE), it
 * fails for ever.
 */
#define HOST_FAULT_TRIES	100

/**
 * struct vmbus_guest - one open file, one guest
 * @p: the partition; NULL until VMBUS_HOST_CREATE, then it does not change. Written
 *	under @lock, read by vmbus_guest_partition()
 * @owner: process id of the caller of VMBUS_HOST_CREATE; shown in debugfs
 * @lock: serialises what the guest's messages and the ioctls do to @endpoints; protects
 *	vmbus_endpoint.released. Never held while waiting for a backend or for the VMM
 * @endpoints: by relid; each holds one reference
 * @wait: woken when there is a reply, room for one, or an event, and when an endpoint has
 *	closed
 * @read_lock: serialises readers, from the look at a reply or an event until it is out of
 *	the queue
 * @events: what the VMM is to be asked or told
 * @asked: endpoints that the VMM has asked something of without waiting, by
 *	vmbus_endpoint.asked_node; each holds one reference. Protected by @lock
 * @asked_reset: likewise, of all of them. Protected by @lock
 * @nr_bad: messages that were too short or too long
 * @nr_endpoints: endpoints that are not freed yet
 * @node: in the list of all guests
 */
struct vmbus_guest {
	struct vmbus_partition *p;
	pid_t owner;
	struct mutex lock;
	struct xarray endpoints;
	wait_queue_head_t wait;
	struct mutex read_lock;
	struct host_events events;
	struct list_head asked;
	bool asked_reset;
	atomic_t nr_bad;
	atomic_t nr_endpoints;
	struct list_head node;
};

/**
 * enum endpoint_state - where an endpoint is; only its state work changes it, once it is CLOSED
 * @ENDPOINT_NEW: not one of its device's yet
 * @ENDPOINT_CLOSED: no ring; the backend does not know it
 * @ENDPOINT_OPENING: the ring is being mapped, the backend asked
 * @ENDPOINT_OPEN: the backend has it
 * @ENDPOINT_DRAINING: to be closed when its sub-channels are
 * @ENDPOINT_CLOSING: the backend is asked to let go
 * @ENDPOINT_REMOVING: closed for good; the backend is being told of a primary
 * @ENDPOINT_REMOVED: not one of its device's any more
 */
enum endpoint_state {
	ENDPOINT_NEW,
	ENDPOINT_CLOSED,
	ENDPOINT_OPENING,
	ENDPOINT_OPEN,
	ENDPOINT_DRAINING,
	ENDPOINT_CLOSING,
	ENDPOINT_REMOVING,
	ENDPOINT_REMOVED,
};

/**
 * enum endpoint_step - what an endpoint's state work does next
 * @ENDPOINT_STEP_NONE: nothing, until somebody queues it again
 * @ENDPOINT_STEP_OPEN: map the rings, ask the backend
 * @ENDPOINT_STEP_RETARGET: tell the backend where the guest wants its interrupts
 * @ENDPOINT_STEP_CLOSE: take the channel from the backend
 * @ENDPOINT_STEP_REMOVE: after that of a primary, the backend has the device no more
 */
enum endpoint_step {
	ENDPOINT_STEP_NONE,
	ENDPOINT_STEP_OPEN,
	ENDPOINT_STEP_RETARGET,
	ENDPOINT_STEP_CLOSE,
	ENDPOINT_STEP_REMOVE,
};

/**
 * enum endpoint_close - whether what is open, or being opened, is to be closed
 * @ENDPOINT_KEEP: no
 * @ENDPOINT_CLOSE: yes; an OPENCHANNEL that was not answered yet will be
 * @ENDPOINT_CLOSE_QUIETLY: yes, and the guest is to hear nothing of it any more
 */
enum endpoint_close {
	ENDPOINT_KEEP,
	ENDPOINT_CLOSE,
	ENDPOINT_CLOSE_QUIETLY,
};

/**
 * enum endpoint_asked - what the VMM has asked for without waiting
 * @ENDPOINT_ASKED_RESCIND: VMBUS_HOST_CHANNEL_RESCIND
 * @ENDPOINT_ASKED_DESTROY: VMBUS_HOST_CHANNEL_DESTROY
 */
enum endpoint_asked {
	ENDPOINT_ASKED_RESCIND = BIT(0),
	ENDPOINT_ASKED_DESTROY = BIT(1),
};

/**
 * struct open_request - an OPENCHANNEL that is to be answered
 * @reply: reserved for the answer; NULL: there is no request
 * @openid: goes into the answer
 * @ring_handle: the GPADL of the two rings
 * @ring_page: page of the wire at which the second begins
 * @target_vp: where the guest wants its interrupts
 * @userdata: for the backend
 */
struct open_request {
	struct gpadl_reply *reply;
	u32 openid;
	u32 ring_handle;
	u32 ring_page;
	u32 target_vp;
	u8 userdata[VMBUS_USERDATA_SIZE];
};

/*
 * For fdinfo and debugfs. @received and @received_bytes are written by the receivers, one
 * at a time; @sent and @sent_bytes under out_lock, @calls under signal_lock. Bytes are those
 * that packets take in a ring.
 */
struct endpoint_counts {
	atomic64_t opens;
	atomic64_t refused;
	atomic64_t kicks;
	u64 calls;
	u64 received;
	u64 received_bytes;
	u64 sent;
	u64 sent_bytes;
};

/**
 * struct vmbus_endpoint - the host's end of a channel
 * @ref: the table's, or that of its end if @abandoned, and that of each ioctl that waits;
 *	the last puts @chan
 * @guest: the guest
 * @dev: the device
 * @index: 0 for the primary channel, else the number of the sub-channel
 * @sibling: in vmbus_device.endpoints
 * @chan: the mapper's view of the channel. Its release() frees the endpoint
 * @relid: number of the channel
 * @node: in the list of all endpoints
 * @asked: set of &enum endpoint_asked; protected by guest.lock
 * @asked_node: in guest.asked, if @asked is not 0 and nobody brings that to its end already
 * @released: rescinded, and then released by the guest: for it, not here any more
 * @state: &enum endpoint_state. This and what follows: device.lock
 * @since: when @state became that, in jiffies
 * @close: &enum endpoint_close; of what is OPENING or OPEN, not of @request
 * @rescinded: no more opens
 * @dying: to be removed
 * @abandoned: its removal puts the table's reference
 * @retarget: the backend is to be told of @target_vp
 * @target_vp: where the guest wants its interrupts; read without the lock, too
 * @request: what is to be opened once the endpoint is CLOSED
 * @nr_closed: how often it has become CLOSED
 * @reset_at: @nr_closed when what the last reset found is closed
 * @state_work: brings @state to what is asked for
 * @kick_work: tells the backend that the guest has signalled
 * @unplug_work: tells it that the VMM wants to have the device back
 * @put_work: lets the channel go, if the last reference was a reader's
 * @open: the request that was last taken up; belongs to @state_work
 * @callback: which of the backend's callbacks is running; NULL: none. Written by the
 *	channel's work, read without a lock
 * @callback_since: since when, in jiffies
 * @opened: the backend knows it, from before its open() until after its close(); belongs
 *	to the channel's work
 * @show_lock: held while the backend shows something of @data, and for writing @data
 * @data: the backend's own
 * @users: references that outlive a callback; dead while it is not open
 * @drained: nobody does
 * @signal_lock: protects @signals and @signal_owed
 * @signals: kick and call; NULL if none, or no more
 * @signal_owed: the guest was to be signalled, and there was nothing to do it by
 * @rings: the GPADL of both rings, while they are mapped; belongs to the channel's ordered
 *	work
 * @in: ring that the guest writes; while OPEN or CLOSING, and for the backend's open().
 *	The backend sees to it that one at a time uses it
 * @out_lock: protects @out, @out_poll and @reminders; not held while data is copied
 * @out: ring that the host writes; while OPEN or CLOSING, and for the backend's open()
 * @out_timer: looks whether there is room; pending while somebody waits for some
 * @out_poll: jiffies between two looks
 * @reminders: how often the guest is still to be signalled if it has read nothing yet
 * @late: completions that the channel's work is to send, the youngest first
 * @late_work: wakes the channel's work for these; has a hold of its own while it is queued
 * @late_here: it waits in kick(): whoever adds one sends it
 * @unsent_lock: protects what follows; not held while anything is sent
 * @unsent: completions that are to be sent, in order; only the context that has set
 *	@unsent_busy takes one out
 * @unsent_last: the last of them, if there is one
 * @unsent_busy: somebody sends them
 * @unsent_again: there may be room since that one last tried
 * @unsent_closing: what finds no room is dropped
 * @told_broken: the VMM was told that a ring is of no use any more
 * @counts: for debugfs
 */
struct vmbus_endpoint {
	refcount_t ref;
	struct vmbus_guest *guest;
	struct vmbus_device *dev;
	u16 index;
	struct list_head sibling;
	struct vmbus_gpadl_channel *chan;
	u32 relid;
	struct list_head node;
	u8 asked;
	struct list_head asked_node;
	bool released;

	u8 state;
	unsigned long since;
	u8 close;
	bool rescinded;
	bool dying;
	bool abandoned;
	bool retarget;
	u32 target_vp;
	struct open_request request;
	u32 nr_closed;
	u32 reset_at;

	struct vmbus_gpadl_work state_work;
	struct vmbus_gpadl_work kick_work;
	struct vmbus_gpadl_work unplug_work;
	struct vmbus_gpadl_work put_work;
	struct open_request open;
	const char *callback;
	unsigned long callback_since;
	bool opened;
	spinlock_t show_lock;
	void *data;
	struct percpu_ref users;
	struct completion drained;

	spinlock_t signal_lock;
	struct signals *signals;
	bool signal_owed;

	struct vmbus_mapping *rings;
	struct vmbus_ring_in in;
	spinlock_t out_lock;
	struct vmbus_ring_out out;
	struct timer_list out_timer;
	unsigned long out_poll;
	u8 reminders;

	struct llist_head late;
	struct work_struct late_work;
	bool late_here;
	spinlock_t unsent_lock;
	struct llist_node *unsent;
	struct llist_node *unsent_last;
	bool unsent_busy;
	bool unsent_again;
	bool unsent_closing;

	atomic_t told_broken;
	struct endpoint_counts counts;
};

/* guest.c: life of a guest, and its channels by their relid */
struct vmbus_guest *vmbus_guest_alloc(void);
int vmbus_guest_create(struct vmbus_guest *guest);
void vmbus_guest_close(struct vmbus_guest *guest);
void vmbus_guest_for_each(void (*fn)(struct vmbus_guest *guest, void *arg), void *arg);
int vmbus_guest_add_endpoint(struct vmbus_guest *guest, struct vmbus_endpoint *ep);
bool vmbus_guest_remove_endpoint(struct vmbus_guest *guest, struct vmbus_endpoint *ep);
struct vmbus_endpoint *vmbus_guest_get_endpoint(struct vmbus_guest *guest, u32 relid);
struct vmbus_endpoint *vmbus_guest_next_endpoint(struct vmbus_guest *guest, unsigned long *relid);
struct vmbus_endpoint *vmbus_guest_peek_endpoint(struct vmbus_guest *guest, unsigned long *relid);

static inline struct vmbus_partition *vmbus_guest_partition(const struct vmbus_guest *guest)
{
	/* Pairs with the release in vmbus_guest_create(). */
	return smp_load_acquire(&guest->p);
}

static inline bool vmbus_guest_is_readable(const struct vmbus_guest *guest)
{
	return vmbus_partition_poll(guest->p) & VMBUS_PARTITION_READABLE;
}

static inline bool vmbus_guest_is_writable(const struct vmbus_guest *guest)
{
	return vmbus_partition_poll(guest->p) & VMBUS_PARTITION_WRITABLE;
}

/* message.c: from the guest, and to it */
int vmbus_guest_receive_wait(struct vmbus_guest *guest, struct iov_iter *from, u32 flags,
			     bool nonblock);
ssize_t vmbus_guest_read_wait(struct vmbus_guest *guest, struct iov_iter *to, bool nonblock);

/* ask.c: what backends may keep waiting */
int vmbus_guest_rescind_channel(struct vmbus_guest *guest, u32 relid, bool nonblock);
int vmbus_guest_destroy_channel(struct vmbus_guest *guest, u32 relid, bool nonblock);
int vmbus_guest_unplug_channel(struct vmbus_guest *guest, u32 relid);
int vmbus_guest_reset(struct vmbus_guest *guest, bool nonblock);
void vmbus_guest_finish(struct vmbus_guest *guest);
void vmbus_guest_wait_reader(struct vmbus_guest *guest);
#if IS_ENABLED(CONFIG_KUNIT)
int vmbus_guest_ask(struct vmbus_guest *guest, struct vmbus_endpoint *ep,
		    enum endpoint_asked ask);
#endif

/* ioctl.c */
long vmbus_guest_ioctl(struct vmbus_guest *guest, unsigned int cmd, void __user *from,
		       bool nonblock);

/* Called with the device's lock held, or before anybody else knows the endpoint. */
static inline void endpoint_set_state(struct vmbus_endpoint *ep, enum endpoint_state state)
{
	WRITE_ONCE(ep->since, jiffies);
	WRITE_ONCE(ep->state, state);
}

/* When this returns, no show() runs with what was there before. */
static inline void endpoint_set_data(struct vmbus_endpoint *ep, void *data)
{
	spin_lock(&ep->show_lock);
	ep->data = data;
	spin_unlock(&ep->show_lock);
}

static inline bool vmbus_ep_is_primary(const struct vmbus_endpoint *ep)
{
	return !ep->index;
}

/* endpoint.c: how endpoints come and go */
struct vmbus_endpoint *vmbus_ep_create(struct vmbus_device *dev, u32 relid, u16 index);
int vmbus_ep_join(struct vmbus_endpoint *ep);
void vmbus_ep_unjoin(struct vmbus_endpoint *ep);
void vmbus_ep_for_each(void (*fn)(struct vmbus_endpoint *ep, void *arg), void *arg);

/* endpoint_state.c: the work that opens and closes them */
void vmbus_ep_state_init(struct vmbus_endpoint *ep);
const char *vmbus_ep_state_name(struct vmbus_endpoint *ep);

/* endpoint_ask.c: what is asked of them */
void vmbus_ep_open(struct vmbus_endpoint *ep, const struct open_request *req);
void vmbus_ep_close(struct vmbus_endpoint *ep, enum endpoint_close mode);
void vmbus_ep_rescind(struct vmbus_endpoint *ep);
void vmbus_ep_rescind_locked(struct vmbus_endpoint *ep);
void vmbus_ep_die(struct vmbus_endpoint *ep);
void vmbus_ep_abandon(struct vmbus_endpoint *ep);
void vmbus_ep_die_all(struct vmbus_device *dev);
void vmbus_ep_relid_released(struct vmbus_endpoint *ep);
void vmbus_ep_reset(struct vmbus_endpoint *ep);
bool vmbus_ep_is_reset(struct vmbus_endpoint *ep);
bool vmbus_ep_is_dying(struct vmbus_endpoint *ep);
bool vmbus_ep_is_idle(struct vmbus_endpoint *ep, bool removed);
void vmbus_ep_retarget(struct vmbus_endpoint *ep, u32 target_vp);
void vmbus_ep_revoke(struct vmbus_gpadl_channel *chan, struct vmbus_mapping *map);

/* unplug.c: when the VMM wants the device back */
void vmbus_ep_unplug_init(struct vmbus_endpoint *ep);

/* endpoint_ref.c: references */
void vmbus_ep_put(struct vmbus_endpoint *ep);
void vmbus_ep_put_by_work(struct vmbus_endpoint *ep);
int vmbus_ep_ref_init(struct vmbus_endpoint *ep);
void vmbus_ep_ref_exit(struct vmbus_endpoint *ep);
void vmbus_ep_revive(struct vmbus_endpoint *ep);
void vmbus_ep_kill(struct vmbus_endpoint *ep);
#if IS_ENABLED(CONFIG_KUNIT)
extern unsigned long vmbus_ep_drain_patience;
#endif

/* endpoint_complete.c: completions that wait for room */
int vmbus_host_completions_init(void);
void vmbus_host_completions_exit(void);
void vmbus_ep_completions_init(struct vmbus_endpoint *ep);
void vmbus_ep_completions_kick(struct vmbus_endpoint *ep);
void vmbus_ep_completions_close(struct vmbus_endpoint *ep, bool closing);

/* endpoint_send.c: a completion into a reservation */
void vmbus_ep_place_completion(struct vmbus_endpoint *ep, struct vmbus_reservation *res,
			       const struct vmbus_completion *c);

/* What vmbus_endpoint_kick() does, for the files that endpoint.c is built on */
static inline void vmbus_ep_queue_kick(struct vmbus_endpoint *ep)
{
	vmbus_gpadl_channel_queue_work(ep->chan, &ep->kick_work);
}

/* signal.c: kick and call */
int vmbus_ep_set_signals(struct vmbus_endpoint *ep, const struct vmbus_host_signals *arg);
void vmbus_ep_clear_signals(struct vmbus_endpoint *ep);
void vmbus_ep_signal(struct vmbus_endpoint *ep);
void vmbus_ep_forget_signal(struct vmbus_endpoint *ep);

/* fdinfo.c: what there is, for programs */
void vmbus_guest_show_fdinfo(struct vmbus_guest *guest, struct seq_file *m);

/* debugfs.c */
void vmbus_host_debugfs_init(void);
void vmbus_host_debugfs_exit(void);

#endif /* _VMBUS_HOST_PRIV_H */
