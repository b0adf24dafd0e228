// SPDX-License-Identifier: GPL-2.0
/*
 * The fuzzer of the device: what the guest says, sense or not, and how it reads the answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "fuzz_device.h"

/* ---- The guest ---- */

int run_make(struct life *l)
{
	bool read_only = one_in(&l->dice, 6);

	if (l->h >= DATA_HANDLES)
		return 0;
	return vm_make(the_vm(l), l->c, l->h, read_only);
}

int run_make_ring(struct life *l)
{
	return vm_make(the_vm(l), l->c, RING, false);
}

int run_teardown(struct life *l)
{
	return vm_teardown(the_vm(l), l->c, l->h);
}

int run_teardown_ring(struct life *l)
{
	the_channel(l)->opened = false;
	return vm_teardown(the_vm(l), l->c, RING);
}

static __u32 *the_ring(struct life *l, unsigned int page)
{
	return (void *)(the_vm(l)->mem + (MEM_RING + l->c * RING_PAGES + page) * HV_PAGE);
}

int run_open(struct life *l)
{
	struct msg_open msg = {
		.type = MSG_OPENCHANNEL,
		.relid = RELID_OF(l->c),
		.openid = roll64(&l->dice),
		.ring_handle = vm_handles[one_in(&l->dice, 24) ? JUNK : RING],
		.ring_page = one_in(&l->dice, 24) ? roll(&l->dice, 6) : 2,
		.userdata = "hello",
	};

	if (!one_in(&l->dice, 16)) {
		memset(the_ring(l, 0), 0, 64);
		memset(the_ring(l, 2), 0, 64);
	}
	return vm_say(the_vm(l), &msg, sizeof(msg), false);
}

static int say_channel(struct life *l, __u32 type)
{
	struct msg_channel msg = { .type = type, .relid = RELID_OF(l->c) };

	the_channel(l)->opened = false;
	return vm_say(the_vm(l), &msg, sizeof(msg), false);
}

int run_close(struct life *l)
{
	return say_channel(l, MSG_CLOSECHANNEL);
}

int run_release(struct life *l)
{
	return say_channel(l, MSG_RELID_RELEASED);
}

/* Not a page of the data: what has a ring or a backend there writes at any time. */
static __u64 junk_page(struct life *l)
{
	switch (roll(&l->dice, 4)) {
	case 0:
		return SLOW_PFN + roll(&l->dice, SLOW_PAGES);
	case 1:
		return HOLE_PFN + roll(&l->dice, HOLE_PAGES);
	default:
		return RING_PFN + roll(&l->dice, CHANNELS * RING_PAGES);
	}
}

static void junk_roll(struct life *l, __u64 *words, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		words[i] = junk_page(l);
		if (one_in(&l->dice, 10))
			words[i] = range_word(roll(&l->dice, HV_PAGE),
					      roll(&l->dice, 20) * HV_PAGE);
		if (one_in(&l->dice, 40))
			words[i] = roll64(&l->dice);
	}
	/* As a rule it begins with a range. */
	if (!one_in(&l->dice, 6))
		words[0] = range_word(0, (1 + roll(&l->dice, 30)) * HV_PAGE);
}

int run_junk_header(struct life *l)
{
	struct msg_header msg = {
		.type = MSG_GPADL_HEADER,
		.relid = RELID_OF(l->c),
		.handle = vm_handles[JUNK],
		.range_buflen = one_in(&l->dice, 12) ? roll64(&l->dice) : roll(&l->dice, 60) * 8,
		.rangecount = one_in(&l->dice, 12) ? roll64(&l->dice) : 1,
	};
	unsigned int nr = roll(&l->dice, HEADER_WORDS + 1);

	junk_roll(l, msg.words, HEADER_WORDS);
	return vm_say(the_vm(l), &msg, HEADER_LEN(nr), one_in(&l->dice, 6));
}

int run_junk_body(struct life *l)
{
	struct msg_body msg = {
		.type = MSG_GPADL_BODY,
		.msgnumber = roll64(&l->dice),
		.handle = vm_handles[JUNK],
	};
	unsigned int nr = roll(&l->dice, BODY_WORDS + 1);

	junk_roll(l, msg.words, BODY_WORDS);
	return vm_say(the_vm(l), &msg, BODY_LEN(nr), false);
}

/* Of any length, and of any type */
int run_garbage(struct life *l)
{
	__u32 msg[80], type, i;
	__u64 page;
	size_t len = one_in(&l->dice, 3) ? roll(&l->dice, 32) : roll(&l->dice, 260);

	for (i = 0; i < 80; i++)
		msg[i] = roll64(&l->dice);
	type = one_in(&l->dice, 2) ? roll(&l->dice, 20) : 5 + roll(&l->dice, 9);
	msg[0] = type;
	msg[2] = one_in(&l->dice, 8) ? roll(&l->dice, 4096) : RELID_OF(l->c);
	/* Those of the data keep their lists, and the data is no ring. */
	msg[3] = vm_handles[JUNK];
	msg[4] = one_in(&l->dice, 2) ? msg[4] : vm_handles[JUNK];
	if (type == MSG_OPENCHANNEL && one_in(&l->dice, 2))
		msg[4] = vm_handles[RING];
	/* Mostly pages, where there can be some */
	for (i = 5 - (type == MSG_GPADL_BODY); i + 1 < 80 && type != MSG_OPENCHANNEL; i += 2) {
		page = junk_page(l);
		memcpy(&msg[i], &page, sizeof(page));
	}
	if (type == MSG_RELID_RELEASED || type == MSG_CLOSECHANNEL)
		the_channel(l)->opened = false;
	return vm_say(the_vm(l), msg, len, one_in(&l->dice, 4));
}

/* More than there is room for answers */
int run_burst(struct life *l)
{
	unsigned int nr = 200 + roll(&l->dice, 100);
	int ret = 0;

	while (!ret && nr--)
		ret = vm_teardown(the_vm(l), l->c, JUNK);
	return ret;
}

int run_bad_write(struct life *l)
{
	__u32 len = roll(&l->dice, 300);

	return write(the_vm(l)->fd, (void *)8, len) < 0 ? -errno : 0;
}

int run_kick(struct life *l)
{
	return eventfd_write(l->kick[l->v], 1 + roll(&l->dice, 3)) ? -errno : 0;
}

/* The guest writes into its rings, sense or not. */
int run_poke(struct life *l)
{
	__u32 *in = the_ring(l, 0), at = roll(&l->dice, 16), len8 = 2 + roll(&l->dice, 6);
	bool sense = !one_in(&l->dice, 4);
	__u32 value = roll64(&l->dice);

	if (!sense) {
		the_ring(l, one_in(&l->dice, 2) ? 0 : 2)[at] = value;
		return 0;
	}
	at = in[0] % 4096 / 8 * 2;
	the_ring(l, 1)[at % 1024] = 6 | 2 << 16;
	the_ring(l, 1)[(at + 1) % 1024] = len8;
	in[0] = (at * 4 + len8 * 8 + 8) % 4096;
	return 0;
}

/* ---- What comes back ---- */

static int heard_or_not(int ret)
{
	return ret < 0 ? ret : 0;
}

int run_read(struct life *l)
{
	return heard_or_not(vm_hear(the_vm(l), VMBUS_HOST_MSG_MAX));
}

int run_odd_read(struct life *l)
{
	size_t size = one_in(&l->dice, 2) ? roll(&l->dice, 240) : 241 + roll(&l->dice, 3000);

	return heard_or_not(vm_hear(the_vm(l), size));
}

/* Nothing is lost by it. */
int run_bad_read(struct life *l)
{
	return read(the_vm(l)->fd, nowhere, VMBUS_HOST_MSG_MAX) < 0 ? -errno : 0;
}

int run_drain(struct life *l)
{
	vm_drain(the_vm(l));
	return 0;
}

/* Until the channel's opens are answered, but not for long */
int run_await(struct life *l)
{
	struct fuzz_vm *vm = the_vm(l);
	int n;

	for (n = 0; n < 30; n++) {
		vm_drain(vm);
		if (vm->ledger->opened[l->c] >= vm->ledger->opens[l->c])
			return 0;
		usleep(2000);
	}
	return -ETIMEDOUT;
}

int run_poll(struct life *l)
{
	struct fuzz_vm *vm = the_vm(l);
	int events = poll_now(vm->fd);

	if (events < 0)
		return events;
	if (events & ~(POLLIN | POLLOUT))
		fuzz_fail("poll() says %#x", events);
	/* Nobody else reads, or resets. */
	if (events & POLLIN && !vm->forked && !vm->threads &&
	    vm_hear(vm, VMBUS_HOST_MSG_MAX) < 0)
		fuzz_fail("poll() says POLLIN, and there is nothing");
	return 0;
}
