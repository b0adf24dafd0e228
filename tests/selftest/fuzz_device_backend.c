// SPDX-License-Identifier: GPL-2.0
/*
 * The fuzzer of the device: what the backend of the tests is told to do.
 */
#include <errno.h>
#include <string.h>

#include "fuzz_device.h"

void fuzz_unbind(struct life *l)
{
	struct channel *channel = the_channel(l);

	fuzz_unhold(l, l->v, l->c);
	if (channel->backend >= 0)
		close(channel->backend);
	channel->backend = -1;
}

int run_bind(struct life *l)
{
	struct channel *channel = the_channel(l);

	fuzz_unbind(l);
	channel->backend = backend_open(the_instance(l));
	return channel->backend < 0 ? channel->backend : 0;
}

int run_unbind(struct life *l)
{
	fuzz_unbind(l);
	return 0;
}

static int set_policy(struct life *l, __u32 policy)
{
	struct channel *channel = the_channel(l);
	int ret;

	fuzz_unhold(l, l->v, l->c);
	channel->hold = policy == ON_REVOKE_HOLD;
	if (channel->backend < 0)
		return -EBADF;
	ret = backend_policy(channel->backend, policy);
	channel->holds = !ret && channel->hold;
	return ret;
}

int run_policy(struct life *l)
{
	__u32 policy = one_in(&l->dice, 8) ? VMBUS_GPADL_TEST_REFUSE_OPEN :
		       one_in(&l->dice, 2) ? ON_REVOKE_HOLD : ON_REVOKE_UNMAP;

	return set_policy(l, policy);
}

int run_hold(struct life *l)
{
	return set_policy(l, ON_REVOKE_HOLD);
}

static __u32 map_flags(struct life *l)
{
	__u32 odd = 1u << roll(&l->dice, 32);

	return one_in(&l->dice, 24) ? odd : one_in(&l->dice, 2) ? MAP_READ_ONLY : 0;
}

int run_map(struct life *l)
{
	__u32 flags = map_flags(l);
	int ret = backend_map(the_channel(l)->backend, the_handle(l), flags);

	if (!ret && the_channel(l)->holds)
		the_vm(l)->held[l->c][l->h] = true;
	return ret;
}

int run_kthread_map(struct life *l)
{
	__u32 flags = map_flags(l);

	return backend_map_by_kthread(the_channel(l)->backend, the_handle(l), flags);
}

int run_async_map(struct life *l)
{
	__u32 flags = map_flags(l);

	return backend_map_begin(the_channel(l)->backend, the_handle(l), flags);
}

int run_wait(struct life *l)
{
	return backend_map_end(the_channel(l)->backend, the_handle(l));
}

int run_unmap(struct life *l)
{
	the_vm(l)->held[l->c][l->h] = false;
	return backend_unmap(the_channel(l)->backend, the_handle(l));
}

int run_vmap(struct life *l)
{
	return backend_vmap(the_channel(l)->backend, the_handle(l));
}

int run_vunmap(struct life *l)
{
	return backend_vunmap(the_channel(l)->backend, the_handle(l));
}

/* Mostly inside of it */
static void extent_roll(struct life *l, __u32 *offset, __u32 *len)
{
	__u32 bytes = l->h < DATA_HANDLES ? the_vm(l)->bytes[l->c][l->h] : HV_PAGE;

	*offset = roll(&l->dice, bytes);
	*len = 1 + roll(&l->dice, COPY_MAX);
	if (*len > bytes - *offset && !one_in(&l->dice, 16))
		*len = bytes - *offset;
}

static int copy_out(struct life *l,
		    int (*copy)(int fd, __u32 handle, __u64 offset, void *buf, size_t len))
{
	static char buf[COPY_MAX];
	__u32 offset, len;
	int ret;

	extent_roll(l, &offset, &len);
	ret = copy(the_channel(l)->backend, the_handle(l), offset, buf, len);
	if (!ret && l->h < DATA_HANDLES)
		vm_compare(the_vm(l), l->c, l->h, offset, buf, len);
	return ret;
}

static int copy_in(struct life *l, int (*copy)(int fd, __u32 handle, __u64 offset,
					       const void *buf, size_t len),
		   int (*back)(int fd, __u32 handle, __u64 offset, void *buf, size_t len))
{
	static char buf[COPY_MAX];
	__u32 offset, len, i, first = roll64(&l->dice);
	int fd = the_channel(l)->backend, ret;

	extent_roll(l, &offset, &len);
	for (i = 0; i < len; i++)
		buf[i] = (first + i) * 37 >> 3;
	ret = copy(fd, the_handle(l), offset, buf, len);
	/* One page may be in it twice: what it holds now counts. */
	if (!ret && l->h < DATA_HANDLES && !back(fd, the_handle(l), offset, buf, len))
		vm_compare(the_vm(l), l->c, l->h, offset, buf, len);
	return ret;
}

int run_copy_out(struct life *l)
{
	return copy_out(l, backend_read);
}

int run_vcopy_out(struct life *l)
{
	return copy_out(l, backend_vread);
}

int run_copy_in(struct life *l)
{
	return copy_in(l, backend_write, backend_read);
}

int run_vcopy_in(struct life *l)
{
	return copy_in(l, backend_vwrite, backend_vread);
}

int run_dma_dir(struct life *l)
{
	int ret = backend_dma_dir(the_channel(l)->backend, the_handle(l));

	if (ret > 1)
		fuzz_fail("a DMA direction of %d", ret);
	return ret;
}

int run_sg(struct life *l)
{
	struct vmbus_gpadl_test_sg sg[64];
	int nr, i;
	__u32 bytes = 0;

	nr = backend_sg(the_channel(l)->backend, the_handle(l), sg, 64);
	if (nr < 0 || l->h >= DATA_HANDLES)
		return nr;
	for (i = 0; i < nr; i++)
		bytes += sg[i].length;
	if (nr > 64 || bytes != the_vm(l)->bytes[l->c][l->h])
		fuzz_fail("a scatterlist of %d entries, %u bytes instead of %u", nr, bytes,
			  the_vm(l)->bytes[l->c][l->h]);
	return nr;
}

int run_send(struct life *l)
{
	static const char bytes[SEND_MAX];
	__u32 len = one_in(&l->dice, 8) ? roll(&l->dice, SEND_MAX) : roll(&l->dice, 128);

	return backend_send(the_channel(l)->backend, bytes, len);
}

int run_recv(struct life *l)
{
	static char bytes[SEND_MAX];
	__u32 len = one_in(&l->dice, 4) ? roll(&l->dice, 64) : SEND_MAX;
	int ret = backend_recv(the_channel(l)->backend, bytes, len);

	if (ret > (int)len)
		fuzz_fail("%d bytes received where %u were asked for", ret, len);
	return ret;
}

int run_state(struct life *l)
{
	struct vmbus_gpadl_test_state s =
		backend_state(the_channel(l)->backend, the_instance(l));

	if (s.closes > s.opens)
		fuzz_fail("%u closes of %u opens", s.closes, s.opens);
	return 0;
}
