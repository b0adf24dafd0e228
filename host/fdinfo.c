// SPDX-License-Identifier: GPL-2.0
/*
 * /proc/PID/fdinfo/FD of /dev/vmbus-host: what a guest has, and what is being waited for.
 *
 * An interface for programs, which Documentation/fdinfo.rst describes. Any process that may
 * ptrace the VMM can read it, the VMM's own user's as a rule. It is read when something is
 * stuck: so it takes no mutex, waits for nobody, finds the channels by RCU, and leaves the end
 * of one that has gone meanwhile to that channel's work. (The last close can be a reader's, as of
 * any file.)
 */
#include <linux/ctype.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include "gpadl/compat.h"
#include "host.h"

/* Bytes of what a backend says of itself. */
#define SHOW_BYTES	192

static bool glance(const bool *flag)
{
	/* Without its lock: flags may be of different moments. */
	return data_race(*flag);
}

/* One word, so that the line can be taken to pieces. */
static void backend_word(const struct vmbus_endpoint *ep, char *to, size_t size)
{
	strscpy(to, ep->dev->backend_name, size);
	for (; *to; to++)
		if (!isgraph(*to) || *to == '=')
			*to = '_';
}

/* What has begun while this looks has begun just now. */
static unsigned int ms_since(unsigned long since)
{
	long age = jiffies - since;

	return age > 0 ? jiffies_to_msecs(age) : 0;
}

static void state_show(struct vmbus_endpoint *ep, struct seq_file *m)
{
	/* Pairs with vmbus_ep_callback_begin(). */
	const char *callback = smp_load_acquire(&ep->callback);
	unsigned long since = READ_ONCE(ep->callback_since);
	u8 asked = READ_ONCE(ep->asked);

	seq_printf(m, " state=%s state-ms=%u", vmbus_ep_state_name(ep),
		   ms_since(READ_ONCE(ep->since)));
	seq_printf(m, " callback=%s callback-ms=%u", callback ?: "none",
		   callback ? ms_since(since) : 0);
	seq_printf(m, " to-close=%d rescinded=%d released=%d asked=%s%s%s broken-in=%d broken-out=%d",
		   READ_ONCE(ep->close) != ENDPOINT_KEEP, glance(&ep->rescinded),
		   glance(&ep->released), asked & ENDPOINT_ASKED_RESCIND ? "rescind," : "",
		   asked & ENDPOINT_ASKED_DESTROY ? "destroy," : "", asked ? "" : "none",
		   glance(&ep->in.mem.broken), glance(&ep->out.mem.broken));
}

static void counts_show(struct vmbus_endpoint *ep, struct seq_file *m)
{
	const struct endpoint_counts *c = &ep->counts;

	seq_printf(m, " opens=%lld refused=%lld kicks=%lld calls=%llu", atomic64_read(&c->opens),
		   atomic64_read(&c->refused), atomic64_read(&c->kicks), READ_ONCE(c->calls));
	seq_printf(m, " received=%llu received-bytes=%llu sent=%llu sent-bytes=%llu",
		   READ_ONCE(c->received), READ_ONCE(c->received_bytes), READ_ONCE(c->sent),
		   READ_ONCE(c->sent_bytes));
}

/* What the backend says itself, if it knows the channel and has something to say. */
static void words_show(struct vmbus_endpoint *ep, struct seq_file *m)
{
	char words[SHOW_BYTES] = "";
	char *c;

	/* While there is data, the channel is open, and the backend's module there. */
	spin_lock(&ep->show_lock);
	if (ep->data && ep->dev->backend->show)
		ep->dev->backend->show(ep, words, sizeof(words));
	spin_unlock(&ep->show_lock);

	words[SHOW_BYTES - 1] = 0;
	for (c = words; *c; c++)
		if (!isprint(*c))
			*c = '?';
	if (*words)
		seq_printf(m, "vmbus-backend:\trelid=%u %s\n", ep->relid, words);
}

static void endpoint_show(struct vmbus_endpoint *ep, struct seq_file *m)
{
	char backend[sizeof(ep->dev->backend_name)];

	backend_word(ep, backend, sizeof(backend));
	seq_printf(m, "vmbus-channel:\trelid=%u primary=%u index=%u type=%pUl instance=%pUl backend=%s",
		   ep->relid, ep->dev->relid, ep->index, &ep->dev->if_type,
		   &ep->dev->if_instance, backend);
	state_show(ep, m);
	counts_show(ep, m);
	vmbus_gpadl_channel_show(ep->chan, m);
	seq_putc(m, '\n');
	words_show(ep, m);
	vmbus_gpadl_channel_show_revoked(ep->chan, backend, m);
}

/**
 * vmbus_guest_show_fdinfo() - Show what a guest has
 * @guest: the guest
 * @m: where to
 *
 * Context: process, may sleep, but for no backend and not for the VMM.
 */
void vmbus_guest_show_fdinfo(struct vmbus_guest *guest, struct seq_file *m)
{
	struct vmbus_endpoint *ep;
	unsigned long relid = 0;

	seq_puts(m, "vmbus-version:\t1\n");
	if (!vmbus_guest_partition(guest))
		return;
	vmbus_partition_show(guest->p, m);
	seq_printf(m, "vmbus-bad-messages:\t%u\n", atomic_read(&guest->nr_bad));
	seq_printf(m, "vmbus-events-pending:\t%u\n", vmbus_host_events_count(guest));
	seq_printf(m, "vmbus-reset-pending:\t%d\n", glance(&guest->asked_reset));
	seq_printf(m, "vmbus-channels:\t%d\n", atomic_read(&guest->nr_endpoints));
	while (!seq_has_overflowed(m) && (ep = vmbus_guest_peek_endpoint(guest, &relid))) {
		endpoint_show(ep, m);
		vmbus_ep_put_by_work(ep);
		cond_resched();
	}
}
