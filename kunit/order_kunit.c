// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_order: whatever happens to a GPADL, in whatever order.
 *
 * A model says what each step must return, which replies it must queue, and what is
 * pinned after it. It knows the rules, but none of the code that is tested. The steps are
 * taken in every order, and at random for long; after each the model, the mapper's own
 * counts and the kernel's count of pinned pages must agree.
 *
 * A step that waits (rescind, reset) goes on in a thread of its own, which must come back
 * when the last page it waits for is unpinned, and not before.
 */
#include "suites.h"
#include "vm.h"

#define PAGES	3

enum step {
	STEP_MAP,
	STEP_UNMAP,
	STEP_TEARDOWN,
	STEP_HEADER,
	STEP_RESCIND,
	STEP_RELEASE,
	STEP_RESET,
	STEP_REMOVE_REGION,
	STEP_SET_REGION,
	STEP_READ,
	STEP_NEW_CHANNEL,
	NR_STEPS
};

enum model_state { NONE, READY, MAPPING, MAPPED, UNMAPPING };

enum model_reply { CREATED, COLLISION, TORNDOWN };

/* No case comes near. */
#define MAX_REPLIES	40
#define MAX_WAITERS	40

/**
 * struct model - what must be
 * @vm: the guest
 * @c: the channel
 * @state: of the only GPADL
 * @tearing_down: it goes when it is not busy
 * @owe: the guest waits for TORNDOWN
 * @wanted: the backend is to give it back
 * @told: how often it has been told
 * @closing: rescinded
 * @released: and released
 * @no_region: its memory is in no region
 * @replies: that wait, oldest first
 * @nr_replies: number of these
 * @busy: thread that is held up in MAPPING or UNMAPPING
 * @waiters: threads that wait for it to be given back
 * @nr_waiters: number of these
 */
struct model {
	struct vm *vm;
	struct vm_channel *c;
	enum model_state state;
	bool tearing_down, owe, wanted;
	int told;
	bool closing, released, no_region;
	enum model_reply replies[MAX_REPLIES];
	int nr_replies;
	struct vm_task *busy;
	struct vm_task *waiters[MAX_WAITERS];
	int nr_waiters;
};

static bool model_is_busy(const struct model *m)
{
	return m->state >= MAPPING;
}

static void model_expect_reply(struct model *m, enum model_reply r)
{
	m->replies[m->nr_replies++] = r;
}

/* ---- The rules ---- */

/* The busy state has ended. */
static void model_settle(struct model *m)
{
	m->state = READY;
	m->wanted = false;
	if (!m->tearing_down)
		return;
	m->state = NONE;
	if (m->owe)
		model_expect_reply(m, TORNDOWN);
}

static void model_want_back(struct model *m)
{
	if (!m->wanted && m->state == MAPPED)
		m->told++;
	m->wanted = true;
}

static void model_leave(struct model *m, bool owe)
{
	if (m->state == NONE)
		return;
	m->tearing_down = true;
	m->owe = owe;
	if (model_is_busy(m))
		model_want_back(m);
	else
		model_settle(m);
}

static int model_map(const struct model *m)
{
	if (m->state == NONE)
		return -ENOENT;
	if (m->tearing_down || m->closing)
		return -ESHUTDOWN;
	if (model_is_busy(m))
		return -EBUSY;
	return m->no_region ? -EFAULT : 0;
}

/* ---- The steps ---- */

static void step_map(struct model *m)
{
	int expected = model_map(m);

	KUNIT_EXPECT_EQ(m->vm->test, vm_map(m->c, 0, VM_HANDLE, NULL), expected);
	if (!expected)
		m->state = MAPPED;
}

static void step_unmap(struct model *m)
{
	/* Anything else is a bug of the backend, with a case of its own. */
	if (m->state != MAPPED)
		return;
	vm_unmap(m->c, VM_HANDLE);
	model_settle(m);
}

static void step_teardown(struct model *m)
{
	int expected = m->released ? -ENXIO : 0;

	KUNIT_EXPECT_EQ(m->vm->test, vm_teardown(m->vm, m->c, VM_HANDLE), expected);
	if (expected)
		return;
	if (m->state == NONE)
		model_expect_reply(m, TORNDOWN);
	else
		model_leave(m, true);
}

static void step_header(struct model *m)
{
	struct guest_msg msg;

	vm_begin(m->vm);
	vm_range(m->vm, VM_LOW_PFN, PAGES);
	guest_next_msg(&msg, m->c->relid, VM_HANDLE, &m->vm->s);
	if (m->released) {
		KUNIT_EXPECT_EQ(m->vm->test, vm_post(m->vm, &msg), -ENXIO);
		return;
	}
	/* It would be refused for another reason. */
	if (m->no_region && m->state == NONE)
		return;
	KUNIT_EXPECT_EQ(m->vm->test, vm_post(m->vm, &msg), 0);
	if (m->state != NONE) {
		model_expect_reply(m, COLLISION);
		return;
	}
	model_expect_reply(m, CREATED);
	m->state = READY;
	m->tearing_down = false;
	m->owe = false;
}

/* Call what waits, in another thread if it has to. */
static void step_wait(struct model *m, int (*fn)(struct vm_task *t))
{
	struct vm_task *t = vm_start(m->vm, fn, m->c, 0, 0);

	if (!model_is_busy(m)) {
		KUNIT_EXPECT_EQ(m->vm->test, vm_join(t), 0);
		return;
	}
	/* Until it has done all but wait. */
	vm_wait_asleep(t);
	m->waiters[m->nr_waiters++] = t;
}

static void step_rescind(struct model *m)
{
	m->closing = true;
	step_wait(m, vm_task_rescind);
	if (model_is_busy(m))
		model_want_back(m);
}

static void step_release(struct model *m)
{
	vmbus_gpadl_channel_relid_released(m->c->chan);
	model_leave(m, false);
	m->nr_replies = 0;
	m->released = m->closing;
}

static void step_reset(struct model *m)
{
	step_wait(m, vm_task_reset);
	model_leave(m, false);
	m->nr_replies = 0;
}

static void step_remove_region(struct model *m)
{
	int expected = m->no_region ? -ENOENT : model_is_busy(m) ? -EBUSY : 0;

	KUNIT_EXPECT_EQ(m->vm->test, vm_remove_region(m->vm, VM_LOW), expected);
	if (!expected)
		m->no_region = true;
}

static void step_set_region(struct model *m)
{
	KUNIT_EXPECT_EQ(m->vm->test, 0,
			vmbus_partition_set_regions(m->vm->p, &m->vm->memory[VM_LOW], 1, 0));
	m->no_region = false;
}

static void step_read(struct model *m)
{
	int i;

	for (i = 0; i < m->nr_replies; i++) {
		if (m->replies[i] == TORNDOWN)
			vm_expect_torndown(m->vm, VM_HANDLE);
		else
			vm_expect_created(m->vm, m->c, VM_HANDLE, m->replies[i] == CREATED ?
					  GPADL_STATUS_SUCCESS :
					  GPADL_STATUS_OBJECT_NAME_COLLISION);
	}
	vm_expect_silence(m->vm);
	m->nr_replies = 0;
}

/* The VMM takes the device out, and puts another in. Not while someone waits for it. */
static void step_new_channel(struct model *m)
{
	if (model_is_busy(m))
		return;
	vm_put_channel(m->c);
	vm_new_channel(m->vm, m->c);
	m->state = NONE;
	m->closing = false;
	m->released = false;
	m->nr_replies = 0;
	m->told = 0;
	atomic_set(&m->c->revokes, 0);
}

static void (*const steps[NR_STEPS])(struct model *m) = {
	[STEP_MAP] = step_map,
	[STEP_UNMAP] = step_unmap,
	[STEP_TEARDOWN] = step_teardown,
	[STEP_HEADER] = step_header,
	[STEP_RESCIND] = step_rescind,
	[STEP_RELEASE] = step_release,
	[STEP_RESET] = step_reset,
	[STEP_REMOVE_REGION] = step_remove_region,
	[STEP_SET_REGION] = step_set_region,
	[STEP_READ] = step_read,
	[STEP_NEW_CHANNEL] = step_new_channel,
};

/* ---- What must hold after each step ---- */

static const u8 model_states[] = {
	[READY] = GPADL_READY,
	[MAPPING] = GPADL_MAPPING,
	[MAPPED] = GPADL_MAPPED,
	[UNMAPPING] = GPADL_UNMAPPING,
};

static void model_check(struct model *m)
{
	struct kunit *test = m->vm->test;
	struct gpadl *g = vm_gpadl(m->c, VM_HANDLE);
	int i;

	KUNIT_EXPECT_EQ(test, !!g, m->state != NONE);
	if (g && m->state != NONE) {
		KUNIT_EXPECT_EQ(test, g->state, model_states[m->state]);
		KUNIT_EXPECT_EQ(test, g->tearing_down, m->tearing_down);
		KUNIT_EXPECT_EQ(test, g->revoked, m->wanted);
	}
	KUNIT_EXPECT_EQ(test, vm_pages_pinned(m->vm),
			m->state == MAPPED || m->state == UNMAPPING ? PAGES : 0);
	KUNIT_EXPECT_EQ(test, !!(vmbus_partition_poll(m->vm->p) & VMBUS_PARTITION_READABLE),
			m->nr_replies > 0);
	vm_flush_revokes(m->c);
	KUNIT_EXPECT_EQ(test, atomic_read(&m->c->revokes), m->told);
	vm_check(m->vm);

	for (i = 0; i < m->nr_waiters; i++) {
		if (model_is_busy(m))
			KUNIT_EXPECT_FALSE(test, vm_is_done(m->waiters[i]));
		else
			KUNIT_EXPECT_EQ(test, vm_join(m->waiters[i]), 0);
	}
	if (!model_is_busy(m))
		m->nr_waiters = 0;
}

/* Take steps, and see that all is well after each. False: it is not. */
static bool model_run(struct model *m, const u8 *order, int nr, bool read)
{
	int i;

	for (i = 0; i < nr; i++) {
		steps[order[i]](m);
		model_check(m);
		if (read)
			step_read(m);
		if (m->vm->test->status == KUNIT_FAILURE)
			return false;
	}
	return true;
}

/* From whatever state back to the first. */
static void model_restart(struct model *m)
{
	static const u8 end[] = { STEP_UNMAP, STEP_READ, STEP_NEW_CHANNEL, STEP_SET_REGION };

	model_run(m, end, ARRAY_SIZE(end), true);
	vm_forget_tasks(m->vm);
}

static struct model *model_create(struct kunit *test)
{
	struct model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, m);
	m->vm = test->priv;
	m->c = &m->vm->c[0];
	vm_begin(m->vm);
	vm_range(m->vm, VM_LOW_PFN, PAGES);
	/* So that the kernel has pages to ask about. */
	vm_fill_gpadl(m->vm);
	return m;
}

/* The next order, as in a dictionary. False: that was the last. */
static bool permute(u8 *order, int nr)
{
	int i = nr - 1, j = nr - 1;

	while (i && order[i - 1] >= order[i])
		i--;
	if (!i)
		return false;
	while (order[j] <= order[i - 1])
		j--;
	swap(order[i - 1], order[j]);
	for (j = nr - 1; i < j; i++, j--)
		swap(order[i], order[j]);
	return true;
}

static void say_order(struct kunit *test, const u8 *order, int nr)
{
	kunit_info(test, "in the order %*ph", nr, order);
}

/* A READY GPADL, then @nr steps in every order. */
static void every_order(struct kunit *test, u8 *order, int nr, bool read)
{
	static const u8 begin[] = { STEP_HEADER };
	struct model *m = model_create(test);

	do {
		if (!model_run(m, begin, 1, read) || !model_run(m, order, nr, read)) {
			say_order(test, order, nr);
			return;
		}
		model_restart(m);
	} while (permute(order, nr));
}

/* ---- One thread ---- */

#define LIFE	{ STEP_MAP, STEP_UNMAP, STEP_TEARDOWN, STEP_RESCIND, STEP_RELEASE, \
		  STEP_RESET }

static void life_in_every_order(struct kunit *test)
{
	u8 order[] = LIFE;

	every_order(test, order, ARRAY_SIZE(order), true);
}

static void life_in_every_order_replies_unread(struct kunit *test)
{
	u8 order[] = LIFE;

	every_order(test, order, ARRAY_SIZE(order), false);
}

static void regions_in_every_order(struct kunit *test)
{
	u8 order[] = {
		STEP_MAP, STEP_UNMAP, STEP_TEARDOWN, STEP_HEADER, STEP_REMOVE_REGION,
		STEP_SET_REGION,
	};

	every_order(test, order, ARRAY_SIZE(order), true);
}

static void long_life_at_random(struct kunit *test)
{
	u64 seed = 20;
	struct model *m = model_create(test);
	int run, i;

	for (run = 0; run < 200; run++) {
		u8 order[30];

		/* Half of the steps those that get somewhere. */
		for (i = 0; i < ARRAY_SIZE(order); i++)
			order[i] = guest_random(&seed) & 1 ? guest_random(&seed) % NR_STEPS :
				   guest_random(&seed) & 1 ? STEP_MAP : STEP_HEADER;
		if (!model_run(m, order, ARRAY_SIZE(order), false)) {
			kunit_info(test, "in run %d", run);
			say_order(test, order, ARRAY_SIZE(order));
			return;
		}
		model_restart(m);
	}
}

/* ---- While another thread maps or unmaps ---- */

/* What can happen while the backend is inside a call for the GPADL. */
#define MEANWHILE	{ STEP_TEARDOWN, STEP_HEADER, STEP_RESCIND, STEP_RELEASE, \
			  STEP_RESET, STEP_REMOVE_REGION }

static void begin_mapping(struct model *m)
{
	vm_stall_arm(&m->vm->in_pin, 1);
	m->busy = vm_start(m->vm, vm_task_map, m->c, 0, VM_HANDLE);
	vm_stall_wait(m->vm, &m->vm->in_pin);
	m->state = MAPPING;
	model_check(m);
}

/* If it is wanted by now, the backend never gets it. */
static void end_mapping(struct model *m)
{
	bool late = m->tearing_down || m->closing;

	vm_stall_end(&m->vm->in_pin);
	KUNIT_EXPECT_EQ(m->vm->test, vm_join(m->busy), late ? -ESHUTDOWN : 0);
	if (late)
		model_settle(m);
	else
		m->state = MAPPED;
	model_check(m);
}

static void begin_unmapping(struct model *m, struct vm_stall *where)
{
	step_map(m);
	vm_stall_arm(where, 1);
	m->busy = vm_start(m->vm, vm_task_unmap, m->c, 0, VM_HANDLE);
	vm_stall_wait(m->vm, where);
	m->state = UNMAPPING;
	model_check(m);
}

static void end_unmapping(struct model *m, struct vm_stall *where)
{
	vm_stall_end(where);
	KUNIT_EXPECT_EQ(m->vm->test, vm_join(m->busy), 0);
	model_settle(m);
	model_check(m);
}

/* @order, with the other thread held up from the begin to before step @end. */
static bool run_meanwhile(struct model *m, const u8 *order, int nr, int end, bool mapping)
{
	bool ok;

	if (mapping)
		begin_mapping(m);
	else
		begin_unmapping(m, &m->vm->in_unmap);
	ok = model_run(m, order, end, false);
	if (mapping)
		end_mapping(m);
	else
		end_unmapping(m, &m->vm->in_unmap);
	return ok && model_run(m, order + end, nr - end, false);
}

static void every_order_meanwhile(struct kunit *test, bool mapping)
{
	u8 order[] = MEANWHILE;
	struct model *m = model_create(test);
	int n = 0;

	do {
		/* Each order once; where it ends goes round. */
		int end = n++ % (ARRAY_SIZE(order) + 1);

		step_header(m);
		if (!run_meanwhile(m, order, ARRAY_SIZE(order), end, mapping)) {
			kunit_info(test, "held up before step %d", end);
			say_order(test, order, ARRAY_SIZE(order));
			return;
		}
		model_restart(m);
	} while (permute(order, ARRAY_SIZE(order)));
}

static void every_order_while_mapping(struct kunit *test)
{
	every_order_meanwhile(test, true);
}

static void every_order_while_unmapping(struct kunit *test)
{
	every_order_meanwhile(test, false);
}

static struct kunit_case order_cases[] = {
	KUNIT_CASE_SLOW(life_in_every_order),
	KUNIT_CASE_SLOW(life_in_every_order_replies_unread),
	KUNIT_CASE_SLOW(regions_in_every_order),
	KUNIT_CASE_SLOW(long_life_at_random),
	KUNIT_CASE_SLOW(every_order_while_mapping),
	KUNIT_CASE_SLOW(every_order_while_unmapping),
	{}
};

struct kunit_suite order_suite = {
	.name = "vmbus_gpadl_order",
	.init = vm_init,
	.exit = vm_exit,
	.test_cases = order_cases,
};
