// SPDX-License-Identifier: GPL-2.0
/*
 * Real guests again: the messages that ten of them sent, and the replies that they got.
 *
 * In the second pass each GPADL is mapped as soon as it is there, and its pages are
 * checked one by one: they are lists as a guest's page allocator makes them.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/jiffies.h>
#include <linux/mman.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "capture.h"
#include "gpadl/wire.h"
#include "suites.h"
#include "vmbus_gpadl_map.h"

#define MSG_RESCIND	2
#define MSG_UNLOAD	16

/* The guests have 2 GiB at most, from address 0, and the relids 1 to 6. */
#define GUEST_MEMORY	(2ul << 30)
#define NR_CHANNELS	6

/* Nothing here waits for anything but a work item. */
#define PATIENCE	(30 * HZ)

/**
 * struct channel - a channel of the guest
 * @chan: the channel
 * @relid: its number
 * @rescinded: the next RELID_RELEASED ends it
 */
struct channel {
	struct vmbus_gpadl_channel *chan;
	u32 relid;
	bool rescinded;
};

/**
 * struct replay - a guest whose messages are sent again
 * @test: the case
 * @map: map what can be mapped
 * @hva: where its memory is
 * @p: the partition
 * @channels: by relid - 1
 * @s: range data of the GPADL that is being sent
 * @wake: a reply may wait
 * @released: the partition has gone
 * @sent: GPADL messages that were sent
 * @mapped: GPADLs that were mapped
 * @refused: replies by which the host refused, for the guest to see what it does
 */
struct replay {
	struct kunit *test;
	bool map;
	unsigned long hva;
	struct vmbus_partition *p;
	struct channel channels[NR_CHANNELS];
	struct guest_stream s;
	struct completion wake;
	struct completion released;
	u32 sent, mapped, refused;
};

/* ---- The channel layer ---- */

static void replay_wake(void *priv)
{
	struct replay *r = priv;

	complete(&r->wake);
}

static void replay_released(void *priv)
{
	struct replay *r = priv;

	complete(&r->released);
}

static const struct vmbus_partition_ops partition_ops = {
	.owner = THIS_MODULE,
	.wake = replay_wake,
	.release = replay_released,
};

static void replay_revoke(struct vmbus_gpadl_channel *chan, struct vmbus_mapping *map)
{
	vmbus_gpadl_unmap(map);
}

static const struct vmbus_gpadl_channel_ops channel_ops = {
	.revoke = replay_revoke,
};

static void channel_open(struct replay *r, struct channel *c)
{
	c->chan = vmbus_gpadl_channel_create(r->p, c->relid, &channel_ops, r);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(r->test, c->chan);
	c->rescinded = false;
}

static struct channel *find_channel(struct replay *r, const struct guest_msg *m)
{
	u32 relid = guest_get(m->bytes + GUEST_RELID, 4);

	KUNIT_ASSERT_GE(r->test, relid, 1);
	KUNIT_ASSERT_LE(r->test, relid, NR_CHANNELS);
	return &r->channels[relid - 1];
}

/* What is offered again after it was rescinded is a new channel. */
static void channel_released(struct replay *r, struct channel *c)
{
	vmbus_gpadl_channel_relid_released(c->chan);
	if (!c->rescinded)
		return;
	vmbus_gpadl_channel_put(c->chan);
	channel_open(r, c);
}

static void channel_rescind(struct replay *r, struct channel *c)
{
	KUNIT_EXPECT_EQ(r->test, 0, vmbus_gpadl_channel_rescind(c->chan));
	c->rescinded = true;
}

static void guest_begins(struct replay *r)
{
	u32 i;

	r->p = vmbus_partition_create(&partition_ops, r);
	if (IS_ERR(r->p))
		r->p = NULL;
	KUNIT_ASSERT_NOT_NULL(r->test, r->p);
	KUNIT_ASSERT_EQ(r->test, 0,
			vmbus_partition_set_regions(r->p, &(struct vmbus_gpa_region) {
				.bytes = GUEST_MEMORY, .hva = r->hva }, 1, 0));
	for (i = 0; i < NR_CHANNELS; i++) {
		r->channels[i].relid = i + 1;
		channel_open(r, &r->channels[i]);
	}
}

static void guest_ends(struct replay *r)
{
	u8 buf[GUEST_MSG_MAX];
	u32 i;

	if (!r->p)
		return;
	KUNIT_EXPECT_EQ(r->test, -EAGAIN,
			vmbus_partition_next_reply(r->p, buf, sizeof(buf)));
	for (i = 0; i < NR_CHANNELS; i++) {
		if (!IS_ERR_OR_NULL(r->channels[i].chan))
			vmbus_gpadl_channel_put(r->channels[i].chan);
		r->channels[i].chan = NULL;
	}
	vmbus_partition_put(r->p);
	r->p = NULL;
	KUNIT_EXPECT_NE(r->test, 0, wait_for_completion_timeout(&r->released, PATIENCE));
}

/* ---- Memory ---- */

/* Write its number into each page of the GPADL that was sent last. */
static void number_pages(struct replay *r)
{
	u32 i;

	/* All ranges of these guests are one, and begin with a page. */
	for (i = 1; i < r->s.nr; i++) {
		u64 pfn = r->s.words[i];

		KUNIT_ASSERT_EQ(r->test, 0,
				copy_to_user((void __user *)(r->hva + pfn * GUEST_PAGE),
					     &pfn, sizeof(pfn)));
	}
}

/* The scatterlist has them all, in order. */
static void expect_pages(struct replay *r, struct sg_table *sgt)
{
	struct sg_mapping_iter miter;
	u64 at, pfn;
	u32 i = 1;

	sg_miter_start(&miter, sgt->sgl, sgt->orig_nents, SG_MITER_FROM_SG);
	while (sg_miter_next(&miter)) {
		for (at = 0; at < miter.length && i < r->s.nr; at += GUEST_PAGE) {
			memcpy(&pfn, miter.addr + at, sizeof(pfn));
			KUNIT_EXPECT_EQ(r->test, pfn, r->s.words[i]);
			i++;
		}
	}
	sg_miter_stop(&miter);
	KUNIT_EXPECT_EQ(r->test, i, r->s.nr);
}

static void map_last(struct replay *r, struct channel *c, u32 handle)
{
	struct vmbus_mapping *map;

	number_pages(r);
	KUNIT_ASSERT_EQ(r->test, 0, vmbus_gpadl_map(c->chan, 0, handle, &map));
	expect_pages(r, vmbus_mapping_sgt(map));
	vmbus_mapping_arm(map, r);
	r->mapped++;
}

/* ---- Messages ---- */

/* Keep a GPADL's range data, to know its pages. */
static void keep_words(struct replay *r, const struct guest_msg *m)
{
	bool header = guest_get(m->bytes + GUEST_TYPE, 4) == GPADL_MSG_HEADER;
	u32 at = header ? GUEST_HEADER_DATA : GUEST_BODY_DATA;

	if (header)
		r->s.nr = 0;
	for (; at + 8 <= m->len && r->s.nr < GPADL_MAX_WORDS; at += 8)
		r->s.words[r->s.nr++] = guest_get(m->bytes + at, 8);
}

static void from_guest(struct replay *r, const struct guest_msg *m)
{
	switch (guest_get(m->bytes + GUEST_TYPE, 4)) {
	case GPADL_MSG_HEADER:
	case GPADL_MSG_BODY:
		keep_words(r, m);
		fallthrough;
	case GPADL_MSG_TEARDOWN:
		KUNIT_EXPECT_EQ(r->test, 0,
				vmbus_partition_receive(r->p, m->bytes, m->len, 0));
		r->sent++;
		break;
	case GPADL_MSG_RELID_RELEASED:
		channel_released(r, find_channel(r, m));
		break;
	case MSG_UNLOAD:
		KUNIT_EXPECT_EQ(r->test, 0, vmbus_partition_reset(r->p));
		break;
	}
}

/* A mapped GPADL's TORNDOWN comes when its backend has unmapped it. */
static int next_reply(struct replay *r, u8 *buf, size_t len)
{
	int ret;

	do {
		ret = vmbus_partition_next_reply(r->p, buf, len);
	} while (ret == -EAGAIN && wait_for_completion_timeout(&r->wake, PATIENCE));
	return ret;
}

static void expect_reply(struct replay *r, const struct guest_msg *m)
{
	u8 buf[GUEST_MSG_MAX] = {};
	u32 handle;

	KUNIT_ASSERT_EQ(r->test, m->len, next_reply(r, buf, sizeof(buf)));
	KUNIT_EXPECT_MEMEQ(r->test, buf, m->bytes, m->len);
	if (!r->map || guest_get(buf + GUEST_TYPE, 4) != GPADL_MSG_CREATED)
		return;
	handle = guest_get(buf + GUEST_HANDLE, 4);
	map_last(r, find_channel(r, m), handle);
}

/*
 * Twice the host refused, to see what the guest does, what it would have granted: it
 * says nothing more of that GPADL. So does ours, after it granted it.
 */
static bool was_refused(struct replay *r, struct guest_msg *m)
{
	u8 *status = m->bytes + 16;

	if (guest_get(m->bytes + GUEST_TYPE, 4) != GPADL_MSG_CREATED ||
	    !guest_get(status, 4))
		return false;
	guest_put(status, 4, GPADL_STATUS_SUCCESS);
	r->refused++;
	return true;
}

static void to_guest(struct replay *r, struct guest_msg *m)
{
	switch (guest_get(m->bytes + GUEST_TYPE, 4)) {
	case GPADL_MSG_CREATED:
	case GPADL_MSG_TORNDOWN:
		was_refused(r, m);
		expect_reply(r, m);
		break;
	case MSG_RESCIND:
		channel_rescind(r, find_channel(r, m));
		break;
	}
}

static void replay_guests(struct replay *r)
{
	struct capture *c = kunit_kzalloc(r->test, sizeof(*c), GFP_KERNEL);
	enum capture_line line;
	u32 guests = 0;

	KUNIT_ASSERT_NOT_NULL(r->test, c);
	c->at = capture_text;
	while ((line = capture_next(c)) != CAPTURE_END) {
		KUNIT_ASSERT_NE(r->test, line, CAPTURE_BROKEN);
		if (line == CAPTURE_SECTION) {
			guest_ends(r);
			kunit_info(r->test, "%.*s", (int)c->title_len, c->title);
			guest_begins(r);
			guests++;
		} else if (line == CAPTURE_FROM_GUEST) {
			from_guest(r, &c->m);
		} else {
			to_guest(r, &c->m);
		}
	}
	guest_ends(r);
	KUNIT_EXPECT_EQ(r->test, guests, 10);
	KUNIT_EXPECT_EQ(r->test, r->refused, 2);
	/* 48 HEADERs, 1271 BODYs and 36 TEARDOWNs. */
	KUNIT_EXPECT_EQ(r->test, r->sent, 48 + 1271 + 36);
	KUNIT_EXPECT_EQ(r->test, r->mapped, r->map ? 48 : 0);
}

static int replay_init(struct kunit *test)
{
	struct replay *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, r);
	test->priv = r;
	r->test = test;
	r->s.words = kunit_kmalloc(test, GPADL_MAX_WORDS * sizeof(u64), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, r->s.words);
	init_completion(&r->wake);
	init_completion(&r->released);
	r->hva = kunit_vm_mmap(test, NULL, 0, GUEST_MEMORY, PROT_READ | PROT_WRITE,
			       MAP_ANONYMOUS | MAP_SHARED | MAP_NORESERVE, 0);
	KUNIT_ASSERT_NE(test, r->hva, 0);
	KUNIT_ASSERT_LT(test, r->hva, TASK_SIZE);
	return 0;
}

/* A case that was cut short leaves its guest behind. */
static void replay_exit(struct kunit *test)
{
	if (test->priv)
		guest_ends(test->priv);
}

static void replay(struct kunit *test)
{
	replay_guests(test->priv);
}

static void replay_mapped(struct kunit *test)
{
	struct replay *r = test->priv;

	r->map = true;
	replay_guests(r);
}

static struct kunit_case replay_cases[] = {
	KUNIT_CASE(replay),
	KUNIT_CASE_SLOW(replay_mapped),
	{}
};

struct kunit_suite replay_suite = {
	.name = "vmbus_gpadl_replay",
	.init = replay_init,
	.exit = replay_exit,
	.test_cases = replay_cases,
};
