// SPDX-License-Identifier: GPL-2.0
/*
 * Channels whose only work is to be kicked, and how long that takes: from the moment that work is
 * queued, as a guest's signal does it, until the channel's worker has done it and the thread that
 * queued it runs again.
 */
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/ktime.h>
#include <linux/nospec.h>
#include <linux/sched.h>

#include "kick.h"

struct kick {
	struct vmbus_gpadl_work work;
	struct completion done;
};

static void kick_run(struct vmbus_gpadl_work *work)
{
	complete(&container_of(work, struct kick, work)->done);
}

/* More of them, by their number from @k->nr on; some may be there if it fails. */
int kick_channels_add(struct kick_channels *k, struct vmbus_partition *p,
		      const struct vmbus_gpadl_channel_ops *ops, void *priv, u32 nr)
{
	struct vmbus_gpadl_channel *chan;

	if (nr > KICK_MAX_CHANNELS - k->nr)
		return -EINVAL;
	while (nr--) {
		chan = vmbus_gpadl_channel_create(p, BENCH_RELID + 1 + k->nr, ops, priv);
		if (IS_ERR(chan))
			return PTR_ERR(chan);
		k->chans[k->nr++] = chan;
	}
	return 0;
}

void kick_channels_put(struct kick_channels *k)
{
	while (k->nr)
		vmbus_gpadl_channel_put(k->chans[--k->nr]);
}

int kick_time(struct kick_channels *k, struct bench_kick *t)
{
	struct vmbus_gpadl_channel *chan;
	struct kick kick;
	u64 begin;
	u32 i;

	if (t->channel >= k->nr)
		return -EINVAL;
	chan = k->chans[array_index_nospec(t->channel, k->nr)];
	vmbus_gpadl_work_init(&kick.work, kick_run);
	init_completion(&kick.done);
	begin = ktime_get_ns();
	for (i = 0; i < t->rounds; i++) {
		vmbus_gpadl_channel_queue_work(chan, &kick.work);
		wait_for_completion(&kick.done);
	}
	t->all_ns = ktime_get_ns() - begin;
	return 0;
}
