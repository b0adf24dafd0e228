// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_reply: the queue of messages for the guest, by itself.
 */
#include <kunit/test.h>
#include <linux/list.h>
#include <linux/slab.h>

#include "gpadl/compat.h"
#include "gpadl/reply.h"
#include "suites.h"

#define CHANNELS	2
#define REPLIES		5

/* A queue, and replies of two channels in it, turn by turn */
struct fixture {
	struct kunit *test;
	struct gpadl_reply_queue q;
	struct list_head same[CHANNELS];
	struct item {
		struct gpadl_reply reply;
		struct fixture *f;
		int released;
	} items[REPLIES][CHANNELS];
	/* What each release finds in the queue, in order */
	size_t queued[REPLIES * CHANNELS];
	unsigned int nr_released;
	bool reads;
};

static void item_release(struct gpadl_reply *r)
{
	struct item *item = container_of(r, struct item, reply);
	struct fixture *f = item->f;
	u8 msg[VMBUS_GPADL_MAX_REPLY];

	item->released++;
	KUNIT_ASSERT_LT(f->test, f->nr_released, ARRAY_SIZE(f->queued));
	f->queued[f->nr_released++] = list_count_nodes(&f->q.queued);
	if (f->reads) {
		f->reads = false;
		KUNIT_EXPECT_EQ(f->test, gpadl_reply_next(&f->q, msg, sizeof(msg)), 1);
	}
}

/* The next message is that of an item. */
static void expect_next(struct fixture *f, unsigned int i, unsigned int channel)
{
	u8 msg[VMBUS_GPADL_MAX_REPLY];

	KUNIT_EXPECT_EQ(f->test, gpadl_reply_next(&f->q, msg, sizeof(msg)), 1);
	KUNIT_EXPECT_EQ(f->test, msg[0], i * CHANNELS + channel);
}

static void expect_silence(struct fixture *f)
{
	u8 msg[VMBUS_GPADL_MAX_REPLY];

	KUNIT_EXPECT_EQ(f->test, gpadl_reply_next(&f->q, msg, sizeof(msg)), -EAGAIN);
}

/* Each was given back once. */
static void expect_released(struct fixture *f)
{
	unsigned int i, j;

	for (i = 0; i < REPLIES; i++)
		for (j = 0; j < CHANNELS; j++)
			KUNIT_EXPECT_EQ(f->test, f->items[i][j].released, 1);
	KUNIT_EXPECT_TRUE(f->test, list_empty(&f->same[0]) && list_empty(&f->same[1]));
}

/*
 * One at a time, however many there are: the others of the channel are in the queue still
 * when one is given back, outside of the lock.
 */
static void purge_of_a_channel(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int i;

	gpadl_reply_purge(&f->q, &f->same[0]);
	KUNIT_EXPECT_EQ(test, f->nr_released, REPLIES);
	for (i = 0; i < REPLIES; i++)
		KUNIT_EXPECT_EQ(test, f->queued[i], 2 * REPLIES - 1 - i);
	for (i = 0; i < REPLIES; i++)
		expect_next(f, i, 1);
	expect_silence(f);
	expect_released(f);
}

static void purge_of_nothing(struct kunit *test)
{
	struct fixture *f = test->priv;

	gpadl_reply_purge(&f->q, &f->same[1]);
	gpadl_reply_purge(&f->q, &f->same[1]);
	KUNIT_EXPECT_EQ(test, f->nr_released, REPLIES);
	gpadl_reply_purge(&f->q, &f->same[0]);
	expect_silence(f);
	expect_released(f);
}

/* A reader takes one that is being purged: it is given back once. */
static void purge_while_one_reads(struct kunit *test)
{
	struct fixture *f = test->priv;

	/* Of the first channel: the first is purged, then the first of the other is read. */
	f->reads = true;
	gpadl_reply_purge(&f->q, &f->same[0]);
	KUNIT_EXPECT_EQ(test, f->nr_released, REPLIES + 1);
	expect_next(f, 1, 1);
	/* And one that is next in both lists. */
	f->reads = true;
	gpadl_reply_purge(&f->q, &f->same[1]);
	expect_silence(f);
	expect_released(f);
}

/* Of a reset, a reader gets all that wait, or none. */
static void purge_of_all(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int i;

	gpadl_reply_purge_all(&f->q);
	KUNIT_EXPECT_EQ(test, f->nr_released, 2 * REPLIES);
	for (i = 0; i < 2 * REPLIES; i++)
		KUNIT_EXPECT_EQ(test, f->queued[i], 0);
	expect_silence(f);
	expect_released(f);
}

/* Room goes back to where it is free. */
static void purge_gives_room_back(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct gpadl_reply *r;
	unsigned int i, nr = 0;

	for (i = 0; i < 2; i++) {
		for (nr = 0; (r = gpadl_reply_reserve(&f->q)); nr++) {
			r->len = 1;
			gpadl_reply_post(&f->q, r, &f->same[nr % 2]);
		}
		KUNIT_EXPECT_EQ(test, nr, GPADL_REPLY_ROOM);
		if (i)
			gpadl_reply_purge_all(&f->q);
		else
			gpadl_reply_purge(&f->q, &f->same[0]);
		gpadl_reply_purge(&f->q, &f->same[1]);
		KUNIT_EXPECT_EQ(test, list_count_nodes(&f->q.free), GPADL_REPLY_ROOM);
	}
	expect_silence(f);
	expect_released(f);
}

/* ---- The suite ---- */

static int reply_init(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	unsigned int i, j;
	int ret;

	if (!f)
		return -ENOMEM;
	ret = gpadl_reply_queue_init(&f->q);
	if (ret)
		return ret;
	f->test = test;
	for (j = 0; j < CHANNELS; j++)
		INIT_LIST_HEAD(&f->same[j]);
	for (i = 0; i < REPLIES; i++) {
		for (j = 0; j < CHANNELS; j++) {
			struct item *item = &f->items[i][j];

			item->f = f;
			item->reply.release = item_release;
			item->reply.len = 1;
			item->reply.msg[0] = i * CHANNELS + j;
			gpadl_reply_post(&f->q, &item->reply, &f->same[j]);
		}
	}
	test->priv = f;
	return 0;
}

static void reply_exit(struct kunit *test)
{
	struct fixture *f = test->priv;

	if (!f)
		return;
	gpadl_reply_purge_all(&f->q);
	gpadl_reply_queue_destroy(&f->q);
}

static struct kunit_case reply_cases[] = {
	KUNIT_CASE(purge_of_a_channel),
	KUNIT_CASE(purge_of_nothing),
	KUNIT_CASE(purge_while_one_reads),
	KUNIT_CASE(purge_of_all),
	KUNIT_CASE(purge_gives_room_back),
	{}
};

struct kunit_suite reply_suite = {
	.name = "vmbus_gpadl_reply",
	.init = reply_init,
	.exit = reply_exit,
	.test_cases = reply_cases,
};
