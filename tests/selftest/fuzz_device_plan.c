// SPDX-License-Identifier: GPL-2.0
/*
 * The fuzzer of the device: what there is to do, and what comes next.
 */
#include <errno.h>

#include "fuzz_device.h"

/* EBADF of a backend's: there is none */
const struct fuzz_op fuzz_device_ops[NR_OPS] = {
	[CREATE] = { "create", 1, run_create, { EBUSY } },
	[REGIONS] = { "regions", 16, run_regions,
		      { EINVAL, EOPNOTSUPP, EEXIST, ENOENT, EBUSY, EFAULT, ENOMEM } },
	[CHANNEL] = { "channel", 4, run_channel,
		{ EEXIST, ENOSPC, EINVAL, EBADF, EFAULT, ENOMEM, EOPNOTSUPP } },
	[MODIFY] = { "modify", 4, run_modify,
		{ ENOENT, EINVAL, EBADF, EFAULT, ENOMEM, EOPNOTSUPP } },
	[RESCIND] = { "rescind", 2, run_rescind, { ENOENT } },
	[DESTROY] = { "destroy", 2, run_destroy, { ENOENT } },
	[RESET] = { "reset", 3, run_reset, {} },
	[BAD_IOCTL] = { "bad ioctl", 4, run_bad_ioctl,
			{ ENOTTY, E2BIG, EOPNOTSUPP, EINVAL, EFAULT } },
	[REOPEN] = { "reopen", 1, run_reopen, {} },
	[MAKE] = { "make", 24, run_make, { ENXIO, ENOENT, EAGAIN } },
	[TEARDOWN] = { "teardown", 12, run_teardown, { ENXIO, EAGAIN } },
	[MAKE_RING] = { "make ring", 2, run_make_ring, { ENXIO, EAGAIN } },
	[TEARDOWN_RING] = { "tear ring", 2, run_teardown_ring, { ENXIO, EAGAIN } },
	[OPEN] = { "open", 3, run_open, { ENXIO, EAGAIN } },
	[CLOSE] = { "close", 2, run_close, { ENXIO } },
	[RELEASE] = { "release", 1, run_release, { ENXIO } },
	[JUNK_HEADER] = { "junk", 8, run_junk_header, { ENXIO, EAGAIN } },
	[JUNK_BODY] = { "junk body", 8, run_junk_body, { ENOENT, EAGAIN } },
	[GARBAGE] = { "garbage", 8, run_garbage,
		{ EBADMSG, EOPNOTSUPP, ENXIO, ENOENT, EAGAIN, EFAULT } },
	[BURST] = { "burst", 1, run_burst, { ENXIO, EAGAIN } },
	[BAD_WRITE] = { "bad write", 2, run_bad_write, { EFAULT, EBADMSG } },
	[KICK] = { "kick", 4, run_kick, { EAGAIN } },
	[POKE] = { "poke", 8, run_poke, {} },
	[READ] = { "read", 16, run_read, { EAGAIN } },
	[ODD_READ] = { "odd read", 4, run_odd_read, { EAGAIN, EMSGSIZE } },
	[BAD_READ] = { "bad read", 3, run_bad_read, { EAGAIN, EFAULT } },
	[WAITING_READ] = { "wait read", 2, run_waiting_read, { EINTR, EAGAIN } },
	[DRAIN] = { "drain", 6, run_drain, {} },
	[AWAIT] = { "await", 2, run_await, { ETIMEDOUT } },
	[POLL] = { "poll", 4, run_poll, {} },
	[BIND] = { "bind", 4, run_bind, { ENOENT, EBUSY } },
	[UNBIND] = { "unbind", 1, run_unbind, {} },
	[POLICY] = { "policy", 6, run_policy, { EBADF } },
	[HOLD] = { "hold", 2, run_hold, { EBADF } },
	[MAP] = { "map", 24, run_map,
		{ EBADF, ENODEV, EINVAL, ENOENT, ESHUTDOWN, EBUSY, EACCES, EFAULT, ENOMEM } },
	[KTHREAD_MAP] = { "kthread map", 8, run_kthread_map,
		{ EBADF, ENODEV, EINVAL, ENOENT, ESHUTDOWN, EBUSY, EACCES, EFAULT, ENOMEM } },
	[ASYNC_MAP] = { "async map", 10, run_async_map,
		{ EBADF, ENODEV, EINVAL, ENOENT, ESHUTDOWN, EBUSY, EACCES, EFAULT, ENOMEM } },
	[WAIT] = { "wait", 8, run_wait,
		{ EBADF, ENODEV, EINVAL, ENOENT, ESHUTDOWN, EBUSY, EACCES, EFAULT, ENOMEM } },
	[UNMAP] = { "unmap", 14, run_unmap, { EBADF, ENODEV, ENOENT } },
	[VMAP] = { "vmap", 10, run_vmap,
		{ EBADF, ENODEV, ENOENT, EOPNOTSUPP, EBUSY, ENOMEM } },
	[VUNMAP] = { "vunmap", 4, run_vunmap, { EBADF, ENODEV, ENOENT } },
	[COPY_OUT] = { "copy out", 14, run_copy_out, { EBADF, ENODEV, ENOENT, EINVAL } },
	[COPY_IN] = { "copy in", 10, run_copy_in,
		{ EBADF, ENODEV, ENOENT, EINVAL, EACCES } },
	[VCOPY_OUT] = { "vcopy out", 6, run_vcopy_out, { EBADF, ENODEV, ENOENT, EINVAL } },
	[VCOPY_IN] = { "vcopy in", 6, run_vcopy_in,
		{ EBADF, ENODEV, ENOENT, EINVAL, EACCES } },
	[DMA_DIR] = { "dma dir", 2, run_dma_dir, { EBADF, ENODEV, ENOENT } },
	[SG] = { "sg", 6, run_sg, { EBADF, ENODEV, ENOENT } },
	[SEND] = { "send", 6, run_send, { EBADF, ENODEV, EAGAIN, EMSGSIZE, EIO } },
	[RECV] = { "recv", 8, run_recv, { EBADF, ENODEV, EAGAIN, EMSGSIZE, EIO } },
	[STATE] = { "state", 2, run_state, {} },
	[EVICT] = { "evict", 8, run_evict, {} },
	[FORK] = { "fork", 1, run_fork, {} },
	[JOIN] = { "join", 4, run_join, {} },
	[LOOK] = { "look", 8, run_look, {} },
};

#define GENTLE_SCRIPTS	9u

/*
 * Each ends with NR_OPS, unless it is as long as can be. The first ones leave the channel
 * open, and come as often as all the others.
 */
static const unsigned char scripts[][QUEUE / 2] = {
	{ MAKE, MAP, VMAP, VCOPY_IN, COPY_OUT, UNMAP, TEARDOWN, NR_OPS },
	{ MAKE, MAP, COPY_IN, SG, COPY_OUT, NR_OPS },
	{ MAKE, MAP, REGIONS, REGIONS, COPY_OUT, UNMAP, REGIONS, MAP },
	/* Mapped and being torn down, and named again */
	{ HOLD, MAKE, MAP, TEARDOWN, MAKE, LOOK, COPY_OUT, UNMAP },
	{ HOLD, MAKE, MAP, TEARDOWN, DRAIN, TEARDOWN, LOOK, JOIN },
	{ EVICT, MAKE, ASYNC_MAP, LOOK, TEARDOWN, LOOK, WAIT, UNMAP },
	{ BURST, MAKE, OPEN, POLL, READ, MAKE, DRAIN, NR_OPS },
	{ POKE, KICK, RECV, SEND, POKE, RECV, RECV, NR_OPS },
	{ JUNK_HEADER, JUNK_BODY, JUNK_BODY, LOOK, NR_OPS },
	/* Reset, rescinded, closed, released, destroyed while mapped */
	{ HOLD, MAKE, MAP, RESET, LOOK, MAKE, UNMAP, JOIN },
	{ HOLD, MAKE, MAP, RESCIND, LOOK, MAP, TEARDOWN, JOIN },
	{ HOLD, MAKE, MAP, CLOSE, OPEN, LOOK, UNMAP, AWAIT },
	{ HOLD, MAKE, MAP, RELEASE, LOOK, MAKE, UNMAP, DRAIN },
	{ HOLD, MAKE, MAP, DESTROY, LOOK, COPY_IN, UNMAP, JOIN },
	{ HOLD, MAKE, MAP, REOPEN, LOOK, UNMAP, UNBIND, NR_OPS },
	/* The same while a map is at work */
	{ EVICT, MAKE, ASYNC_MAP, RESET, LOOK, WAIT, NR_OPS },
	{ EVICT, MAKE, ASYNC_MAP, RESCIND, LOOK, WAIT, NR_OPS },
	{ EVICT, MAKE, ASYNC_MAP, RELEASE, LOOK, REOPEN, WAIT, NR_OPS },
	{ EVICT, MAKE, ASYNC_MAP, REGIONS, UNBIND, LOOK, NR_OPS },
	/* After a rescind the guest still speaks. */
	{ RESCIND, MAKE, TEARDOWN, OPEN, LOOK, RELEASE, MAKE, LOOK },
	{ TEARDOWN_RING, LOOK, DRAIN, MAKE_RING, OPEN, AWAIT, BIND, NR_OPS },
	{ MAKE, BAD_READ, DESTROY, CHANNEL, READ, DRAIN, NR_OPS },
	{ MAKE, BAD_READ, RELEASE, READ, DRAIN, NR_OPS },
};

static void enqueue(struct life *l, enum op op)
{
	l->queue[l->last++ % QUEUE] = op;
}

static void plan_opening(struct life *l)
{
	if (the_channel(l)->gone) {
		enqueue(l, DESTROY);
		enqueue(l, CHANNEL);
	}
	enqueue(l, MAKE_RING);
	enqueue(l, OPEN);
	enqueue(l, AWAIT);
	enqueue(l, BIND);
	the_channel(l)->opened = true;
}

static void plan(struct life *l)
{
	const unsigned char *script;
	unsigned int i;

	if (one_in(&l->dice, 3)) {
		l->v = one_in(&l->dice, 4);
		l->c = roll(&l->dice, CHANNELS);
	}
	/* A channel has two handles of its own, so to speak. */
	l->h = one_in(&l->dice, 8) ? roll(&l->dice, HANDLES) : 2 * l->c + roll(&l->dice, 2);
	if (!the_channel(l)->opened && !one_in(&l->dice, 6)) {
		plan_opening(l);
		return;
	}
	script = scripts[roll(&l->dice, one_in(&l->dice, 2) ? GENTLE_SCRIPTS :
			      ARRAY_SIZE(scripts))];
	if (one_in(&l->dice, 2))
		for (i = 0; i < QUEUE / 2 && script[i] != NR_OPS; i++)
			enqueue(l, script[i]);
}

enum op fuzz_device_next(struct life *l)
{
	bool idle = l->first == l->last;

	if (idle && !one_in(&l->dice, the_channel(l)->opened ? 2 : 4))
		plan(l);
	if (l->first != l->last && !one_in(&l->dice, 8))
		return l->queue[l->first++ % QUEUE];
	return fuzz_choose(&l->dice, fuzz_device_ops, NR_OPS);
}
