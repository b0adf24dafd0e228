/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Channels whose only work is to be kicked, and how long that takes.
 */
#ifndef _BENCH_KICK_H
#define _BENCH_KICK_H

#include "vmbus_gpadl_bench.h"
#include "vmbus_gpadl_map.h"

#define KICK_MAX_CHANNELS	2040

/**
 * struct kick_channels - channels that can be kicked
 * @chans: the channels
 * @nr: number of these
 */
struct kick_channels {
	struct vmbus_gpadl_channel *chans[KICK_MAX_CHANNELS];
	unsigned int nr;
};

int kick_channels_add(struct kick_channels *k, struct vmbus_partition *p,
		      const struct vmbus_gpadl_channel_ops *ops, void *priv, u32 nr);
void kick_channels_put(struct kick_channels *k);
int kick_time(struct kick_channels *k, struct bench_kick *t);

#endif /* _BENCH_KICK_H */
