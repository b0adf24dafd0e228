// SPDX-License-Identifier: GPL-2.0
/*
 * How guest and host signal each other.
 *
 * Kick, from the guest: an eventfd that KVM signals. A wait entry hooks into its wait
 * queue, as KVM's irqfd does; what it does is queue work of the channel.
 *
 * Call, to the guest: an eventfd that KVM makes an interrupt of, and before it, the bit
 * of the channel in the guest's page of event flags. The page is pinned, so that the bit
 * can be set from wherever a backend sends.
 *
 * Both are replaced as a whole. A struct signals does not change once made.
 */
#include <linux/errno.h>
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/slab.h>

#include "gpadl/compat.h"
#include "host.h"

/**
 * struct signals - kick and call of an endpoint
 * @ep: the endpoint
 * @kick: by which the guest signals; NULL if it does not
 * @wait: in the wait queue of @kick
 * @poll: puts it there
 * @call: by which the guest is interrupted; NULL if it is not
 * @page: page with the guest's event flags, pinned; NULL if the VMM sets them
 * @word: address of the 64 flags with that of the channel
 * @bit: number of the channel's flag in @word
 */
struct signals {
	struct vmbus_endpoint *ep;
	struct eventfd_ctx *kick;
	wait_queue_entry_t wait;
	poll_table poll;
	struct eventfd_ctx *call;
	struct page *page;
	void *word;
	unsigned int bit;
};

/* Event flags of one SINT */
#define EVENT_FLAGS_BYTES	256u

/* ---- Kick ---- */

/*
 * Called with the lock of the eventfd's wait queue held, interrupts off. When the last
 * file of the eventfd is closed (EPOLLHUP) there is nothing to do: our reference keeps
 * the wait queue, from which only kick_detach() takes the entry.
 */
static int kick_wake(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct signals *s = container_of(wait, struct signals, wait);
	u64 count;

	if (key_to_poll(key) & EPOLLIN) {
		/* Keeps the guest from ever finding the counter full. */
		eventfd_ctx_do_read(s->kick, &count);
		vmbus_ep_queue_kick(s->ep);
	}
	return 0;
}

static void kick_hook(struct file *file, wait_queue_head_t *wqh, poll_table *poll)
{
	add_wait_queue(wqh, &container_of(poll, struct signals, poll)->wait);
}

static int kick_attach(struct signals *s, int fd)
{
	struct file *file = fget(fd);
	struct eventfd_ctx *ctx;

	if (!file)
		return -EBADF;
	ctx = eventfd_ctx_fileget(file);
	if (IS_ERR(ctx)) {
		fput(file);
		return -EBADF;
	}

	s->kick = ctx;
	init_waitqueue_func_entry(&s->wait, kick_wake);
	init_poll_funcptr(&s->poll, kick_hook);
	/* A signal that came before counts. */
	if (vfs_poll(file, &s->poll) & EPOLLIN)
		vmbus_ep_queue_kick(s->ep);
	fput(file);
	return 0;
}

static void kick_detach(struct signals *s)
{
	u64 count;

	if (!s->kick)
		return;
	eventfd_ctx_remove_wait_queue(s->kick, &s->wait, &count);
	eventfd_ctx_put(s->kick);
}

/* ---- Call ---- */

static int call_attach(struct signals *s, int fd)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fdget(fd);

	if (IS_ERR(ctx))
		return -EBADF;
	s->call = ctx;
	return 0;
}

/* The 64 flags around the channel's own are aligned: they do not cross a page. */
static int flags_attach(struct signals *s, u64 event_flags, u32 flag)
{
	unsigned long hva = event_flags + flag / 64 * 8;
	struct page *page;
	int ret;

	ret = vmbus_partition_pin_page(s->ep->guest->p, hva, &page);
	if (ret)
		return ret;
	s->page = page;
	s->word = page_address(page) + offset_in_page(hva);
	s->bit = flag % 64;
	return 0;
}

/*
 * To the guest the flags are an array of little endian u64, set by a locked instruction
 * and cleared by another.
 */
static bool flag_test_and_set(const struct signals *s)
{
	return test_and_set_bit_le(s->bit, s->word);
}

/* Called with signal_lock held. */
static void signal_locked(struct vmbus_endpoint *ep)
{
	const struct signals *s = ep->signals;

	lockdep_assert_held(&ep->signal_lock);
	ep->signal_owed = !s || !s->call;
	/* Set already: the guest has been interrupted and has not looked yet. */
	if (ep->signal_owed || (s->page && flag_test_and_set(s)))
		return;
	compat_eventfd_signal(s->call);
	WRITE_ONCE(ep->counts.calls, ep->counts.calls + 1);
}

/**
 * vmbus_ep_signal() - Signal the guest
 * @ep: the endpoint
 *
 * Without a call eventfd the signal is owed, and sent once as soon as there is one.
 *
 * Context: any.
 */
void vmbus_ep_signal(struct vmbus_endpoint *ep)
{
	unsigned long irq;

	spin_lock_irqsave(&ep->signal_lock, irq);
	signal_locked(ep);
	spin_unlock_irqrestore(&ep->signal_lock, irq);
}

/**
 * vmbus_ep_forget_signal() - Cancel a signal that is owed: its cause is gone
 * @ep: the endpoint
 *
 * Context: any.
 */
void vmbus_ep_forget_signal(struct vmbus_endpoint *ep)
{
	unsigned long irq;

	spin_lock_irqsave(&ep->signal_lock, irq);
	ep->signal_owed = false;
	spin_unlock_irqrestore(&ep->signal_lock, irq);
}

/* ---- Both ---- */

static void signals_destroy(struct signals *s)
{
	if (!s)
		return;
	kick_detach(s);
	if (s->call)
		eventfd_ctx_put(s->call);
	if (s->page)
		vmbus_partition_unpin_page(s->ep->guest->p, s->page);
	kfree(s);
}

static int signals_check(const struct vmbus_host_signals *arg)
{
	if (arg->kick_fd < -1 || arg->call_fd < -1)
		return -EBADF;
	if (arg->flag > HOST_MAX_RELID || !IS_ALIGNED(arg->event_flags, 8))
		return -EINVAL;
	/* A guest's page holds whole SINTs; so 256 bytes never cross a page. */
	if (arg->event_flags % VMBUS_RING_PAGE > VMBUS_RING_PAGE - EVENT_FLAGS_BYTES)
		return -EINVAL;
	/* Flags without a call would tell nobody; the address has to fit into a long. */
	if (arg->event_flags && (arg->call_fd < 0 || arg->event_flags > ULONG_MAX))
		return -EINVAL;
	return 0;
}

/* The kick comes last: it works as soon as it is attached. */
static int signals_attach(struct signals *s, const struct vmbus_host_signals *arg)
{
	int ret = 0;

	if (arg->event_flags)
		ret = flags_attach(s, arg->event_flags, arg->flag);
	if (!ret && arg->call_fd >= 0)
		ret = call_attach(s, arg->call_fd);
	if (!ret && arg->kick_fd >= 0)
		ret = kick_attach(s, arg->kick_fd);
	return ret;
}

static void signals_replace(struct vmbus_endpoint *ep, struct signals *s)
{
	unsigned long irq;

	spin_lock_irqsave(&ep->signal_lock, irq);
	swap(ep->signals, s);
	if (ep->signal_owed)
		signal_locked(ep);
	spin_unlock_irqrestore(&ep->signal_lock, irq);
	signals_destroy(s);
}

/**
 * vmbus_ep_set_signals() - Set or replace the signals of an endpoint
 * @ep: the endpoint, held by the caller
 * @arg: the new ones
 *
 * On error the old ones stay.
 *
 * Context: process, may sleep for as long as the VMM likes; no lock is held.
 * Return: 0, or a negative errno as the uAPI says.
 */
int vmbus_ep_set_signals(struct vmbus_endpoint *ep, const struct vmbus_host_signals *arg)
{
	struct signals *s;
	int ret;

	ret = signals_check(arg);
	if (ret)
		return ret;
	s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);
	if (!s)
		return -ENOMEM;
	s->ep = ep;
	ret = signals_attach(s, arg);
	if (ret) {
		signals_destroy(s);
		return ret;
	}
	signals_replace(ep, s);
	return 0;
}

/**
 * vmbus_ep_clear_signals() - No more signals, either way
 * @ep: the endpoint
 *
 * Context: process, may sleep.
 */
void vmbus_ep_clear_signals(struct vmbus_endpoint *ep)
{
	signals_replace(ep, NULL);
}
