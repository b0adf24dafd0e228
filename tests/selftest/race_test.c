// SPDX-License-Identifier: GPL-2.0
/*
 * Guest, backends and VMM at once: each of a few GPADLs is made, mapped, unmapped and
 * torn down by threads that know nothing of each other. Whatever the order, each HEADER
 * gets one CREATED, each TEARDOWN one TORNDOWN, in this order, and in the end nothing is
 * pinned.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include "fixture.h"

#define ROUNDS	10000
#define HANDLES	4
#define MAPPED_MIN 100	/* of fewer maps, nobody was in the way */

/* What the guest has made of a handle, told by what it has heard */
enum life {
	GONE,		/* may be made */
	MADE,		/* its CREATED is on the way */
	THERE,		/* may be torn down */
	LEAVING,	/* its TORNDOWN is on the way */
};

/* A test, as its threads see it */
struct race {
	struct vmm vmm;
	atomic_uint life[HANDLES];	/* enum life */
	atomic_int rounds;	/* teardowns begun */
	atomic_int answered;	/* TORNDOWNs heard */
	atomic_int mapped;	/* maps that worked */
	atomic_int wrong;	/* what cannot be */
	atomic_bool stop;
};

FIXTURE(race) {
	struct race race;
};

static void is_wrong(struct race *r, const char *what, long detail)
{
	if (!atomic_fetch_add(&r->wrong, 1))
		printf("# %s: %ld\n", what, detail);
}

static bool done(struct race *r)
{
	return r->stop || r->wrong;
}

/* ---- The guest: what it posts ---- */

static int make(int fd, unsigned int handle)
{
	/* Several runs, and a page that all share */
	__u64 words[] = {
		range_word(0, 4 * HV_PAGE), MEM_PFN + handle, MEM_PFN + 100, MEM_PFN + 50,
		MEM_PFN + 49,
	};

	return guest_header(fd, RELID, handle, 1, 5, words, 5);
}

static int posting(void *arg)
{
	struct race *r = arg;
	unsigned int i;
	int ret;

	for (i = 0; !done(r); i = (i + 1) % HANDLES) {
		switch (r->life[i]) {
		case GONE:
			r->life[i] = MADE;
			ret = make(r->vmm.fd, i);
			break;
		case THERE:
			r->life[i] = LEAVING;
			r->rounds++;
			ret = guest_teardown(r->vmm.fd, RELID, i);
			break;
		default:
			sched_yield();
			continue;
		}
		if (ret)
			is_wrong(r, "post", ret);
		if (r->rounds >= ROUNDS)
			r->stop = true;
	}
	return 0;
}

/* ---- The guest: what it hears ---- */

static void heard(struct race *r, const struct reply *msg)
{
	enum life was;

	if (msg->handle >= HANDLES) {
		is_wrong(r, "handle", msg->handle);
		return;
	}
	was = r->life[msg->handle];
	if (msg->type == MSG_GPADL_CREATED && was == MADE &&
	    msg->status == STATUS_SUCCESS) {
		r->life[msg->handle] = THERE;
	} else if (msg->type == MSG_GPADL_TORNDOWN && was == LEAVING) {
		/* First: the thread that makes it again begins another round */
		r->answered++;
		r->life[msg->handle] = GONE;
	} else {
		is_wrong(r, "type and life", msg->type * 10 + was);
	}
}

static int hearing(void *arg)
{
	struct race *r = arg;
	struct pollfd p = { .fd = r->vmm.fd, .events = POLLIN };
	struct reply msg;

	/* Until the last teardown is answered */
	while (!r->wrong && (!r->stop || r->answered < r->rounds)) {
		if (poll(&p, 1, 100) != 1)
			continue;
		msg = reply_read(r->vmm.fd);
		if (msg.len < 0)
			is_wrong(r, "read", msg.len);
		else
			heard(r, &msg);
	}
	return 0;
}

/* ---- The backend ---- */

static int mapping(void *arg)
{
	struct race *r = arg;
	unsigned int i;
	char byte;
	int ret;

	for (i = 0; !done(r); i = (i + 1) % HANDLES) {
		ret = backend_map(r->vmm.backend, i, i % 2 ? MAP_READ_ONLY : 0);
		if (ret == -ENODEV) {
			sched_yield();
			continue;
		}
		if (ret && ret != -ENOENT && ret != -ESHUTDOWN && ret != -EBUSY)
			is_wrong(r, "map", ret);
		if (ret)
			continue;
		r->mapped++;
		/* It may be revoked by now */
		backend_read(r->vmm.backend, i, 0, &byte, 1);
		ret = backend_unmap(r->vmm.backend, i);
		if (ret && ret != -ENOENT && ret != -ENODEV)
			is_wrong(r, "unmap", ret);
	}
	return 0;
}

/* ---- The VMM ---- */

static int changing_regions(void *arg)
{
	struct race *r = arg;
	char *halves[2] = { r->vmm.mem, r->vmm.mem + MEM_BYTES / 2 };
	unsigned int n;
	int ret;

	for (n = 0; !done(r); n++) {
		ret = vmm_region(r->vmm.fd, MEM_SLOT, 0, MEM_GPA, MEM_BYTES / 2,
				 halves[n % 2]);
		if (ret && ret != -EBUSY)
			is_wrong(r, "region", ret);
	}
	return 0;
}

FIXTURE_SETUP(race)
{
	vmm_start(_metadata, &self->race.vmm, MEM_ANON, 0);
	vmm_open_channel(_metadata, &self->race.vmm);
}

FIXTURE_TEARDOWN(race)
{
	vmm_stop(&self->race.vmm);
	expect_nothing_pinned(_metadata);
}

static void run(struct __test_metadata *_metadata, struct race *r,
		int (*const fns[4])(void *))
{
	struct task tasks[4];
	unsigned int i;

	for (i = 0; i < 4; i++)
		task_start(&tasks[i], fns[i], r);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, task_join(&tasks[i]));
	EXPECT_EQ(0, r->wrong);
	/* It was a race */
	EXPECT_LT(MAPPED_MIN, r->mapped);
	TH_LOG("%d teardowns, %d maps", r->rounds, r->mapped);
}

static void expect_all_answered(struct __test_metadata *_metadata, struct race *r)
{
	EXPECT_EQ(ROUNDS, r->rounds);
	EXPECT_EQ(ROUNDS, r->answered);
}

TEST_F_TIMEOUT(race, map_unmap_teardown, 600)
{
	static int (*const fns[4])(void *) = { posting, hearing, mapping, mapping };

	run(_metadata, &self->race, fns);
	expect_all_answered(_metadata, &self->race);
}

TEST_F_TIMEOUT(race, and_regions, 600)
{
	static int (*const fns[4])(void *) = {
		posting, hearing, mapping, changing_regions,
	};

	run(_metadata, &self->race, fns);
	expect_all_answered(_metadata, &self->race);
}

/* ---- Without a protocol: everybody does what he likes ---- */

static int babbling(void *arg)
{
	struct race *r = arg;
	unsigned int i = 0;

	while (!done(r)) {
		make(r->vmm.fd, i % HANDLES);
		guest_teardown(r->vmm.fd, RELID, (i + i / 7) % HANDLES);
		if (i++ % 64 == 0)
			guest_close(r->vmm.fd, RELID);
		reply_read(r->vmm.fd);
		reply_read(r->vmm.fd);
	}
	return 0;
}

/* The backend is the file that binds the channel which was opened last. */
static int reopening(void *arg)
{
	struct race *r = arg;
	struct guest_gpadl g;
	int backend, i;

	gpadl_simple(&g, RING_HANDLE, RING_GPA, RING_BYTES);
	while (!done(r)) {
		guest_gpadl(r->vmm.fd, RELID, &g, false);
		guest_open(r->vmm.fd, RELID, 1, RING_HANDLE, RING_SPLIT);
		backend = backend_open(r->vmm.instance);
		for (i = 0; i < 20 && backend >= 0; i++)
			r->mapped += !backend_map(backend, i % HANDLES, 0);
		close(backend);
	}
	return 0;
}

/* Until others have come to something, too */
static int resetting(void *arg)
{
	struct race *r = arg;
	int i, ret;

	for (i = 0; (i < 300 || r->mapped <= MAPPED_MIN) && !r->wrong; i++) {
		ret = vmm_reset(r->vmm.fd);
		if (ret)
			is_wrong(r, "reset", ret);
		usleep(2000);
	}
	r->stop = true;
	return 0;
}

TEST_F_TIMEOUT(race, close_and_reset, 600)
{
	static int (*const fns[4])(void *) = { babbling, reopening, mapping, resetting };
	struct vmm *v = &self->race.vmm;

	run(_metadata, &self->race, fns);

	/* And all is as if it were new */
	EXPECT_EQ(0, vmm_reset(v->fd));
	EXPECT_EQ(0, pinned_kb(0));
	EXPECT_SILENCE(v->fd);
	close(v->backend);
	vmm_open_channel(_metadata, v);
	EXPECT_GPADL(v->fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(v->backend, HANDLE, 0));
}

TEST_HARNESS_MAIN
