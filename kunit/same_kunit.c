// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_same: GPADLs of one handle on many channels, against a model of what
 * each message gets.
 *
 * The partition keeps them in an order of which nothing is to be seen from outside. So what
 * is done to them is random, and each step is one that depends on all of them.
 */
#include <linux/string.h>

#include "suites.h"
#include "vm.h"

#define CHANNELS	6
#define STEPS		1500

enum life {
	LIFE_NONE,
	LIFE_ASSEMBLING,
	LIFE_READY,
	LIFE_MAPPED,
	LIFE_LEAVING,	/* mapped, and torn down */
};

/* What is known of the handle */
struct model {
	struct vm *vm;
	struct vm_channel c[CHANNELS];
	enum life life[CHANNELS];
	u64 seed;
	unsigned int nr_most;	/* most that were there at once */
};

static unsigned int model_count(const struct model *m, enum life life)
{
	unsigned int i, nr = 0;

	for (i = 0; i < CHANNELS; i++)
		nr += m->life[i] == life;
	return nr;
}

static int model_counted(struct model *m, enum gpadl_reason reason)
{
	return atomic_read(&m->vm->p->counts[reason]);
}

/* Half a GPADL, or all of it */
static void do_header(struct model *m, unsigned int i, bool whole)
{
	bool taken = m->life[i] != LIFE_NONE || model_count(m, LIFE_ASSEMBLING) ||
		     model_count(m, LIFE_LEAVING);
	struct vm *vm = m->vm;
	struct guest_msg msg;

	vm_valid_header(vm, &msg, &m->c[i], VM_HANDLE);
	if (!whole)
		msg.len = GUEST_HEADER_DATA;
	KUNIT_EXPECT_EQ(vm->test, vm_post(vm, &msg), 0);
	if (taken) {
		vm_expect_created(vm, &m->c[i], VM_HANDLE, GPADL_STATUS_OBJECT_NAME_COLLISION);
	} else if (whole) {
		vm_expect_created(vm, &m->c[i], VM_HANDLE, GPADL_STATUS_SUCCESS);
		m->life[i] = LIFE_READY;
	} else {
		m->life[i] = LIFE_ASSEMBLING;
	}
}

/* It does not say of which channel; it completes what is being assembled. */
static void do_body(struct model *m)
{
	bool any = model_count(m, LIFE_ASSEMBLING);
	struct vm *vm = m->vm;
	struct guest_msg msg;
	unsigned int i;

	vm_valid_header(vm, &msg, &m->c[0], VM_HANDLE);
	guest_body(&msg, VM_HANDLE);
	guest_words(&msg, vm->s.words, vm->s.nr);
	KUNIT_EXPECT_EQ(vm->test, vm_post(vm, &msg), any ? 0 : -ENOENT);
	for (i = 0; i < CHANNELS; i++) {
		if (m->life[i] != LIFE_ASSEMBLING)
			continue;
		vm_expect_created(vm, &m->c[i], VM_HANDLE, GPADL_STATUS_SUCCESS);
		m->life[i] = LIFE_READY;
	}
}

static void do_teardown(struct model *m, unsigned int i)
{
	bool elsewhere = model_count(m, LIFE_NONE) < CHANNELS;
	int other = model_counted(m, GPADL_REASON_OTHER_CHANNEL);
	struct vm *vm = m->vm;

	KUNIT_EXPECT_EQ(vm->test, vm_teardown(vm, &m->c[i], VM_HANDLE), 0);
	switch (m->life[i]) {
	case LIFE_NONE:
		other += elsewhere;
		if (!elsewhere)
			vm_expect_torndown(vm, VM_HANDLE);
		break;
	case LIFE_ASSEMBLING:
		vm_expect_created(vm, &m->c[i], VM_HANDLE, GPADL_STATUS_CANCELLED);
		fallthrough;
	case LIFE_READY:
		vm_expect_torndown(vm, VM_HANDLE);
		m->life[i] = LIFE_NONE;
		break;
	default:
		m->life[i] = LIFE_LEAVING;
	}
	KUNIT_EXPECT_EQ(vm->test, model_counted(m, GPADL_REASON_OTHER_CHANNEL), other);
}

static void do_map(struct model *m, unsigned int i)
{
	static const int expected[] = {
		[LIFE_NONE] = -ENOENT,
		[LIFE_ASSEMBLING] = -ENOENT,
		[LIFE_READY] = 0,
		[LIFE_MAPPED] = -EBUSY,
		[LIFE_LEAVING] = -ESHUTDOWN,
	};
	struct vm *vm = m->vm;

	KUNIT_EXPECT_EQ(vm->test, vm_map(&m->c[i], 0, VM_HANDLE, NULL),
			expected[m->life[i]]);
	if (m->life[i] == LIFE_READY)
		m->life[i] = LIFE_MAPPED;
}

static void do_unmap(struct model *m, unsigned int i)
{
	if (m->life[i] != LIFE_MAPPED && m->life[i] != LIFE_LEAVING)
		return;
	vm_unmap(&m->c[i], VM_HANDLE);
	if (m->life[i] == LIFE_LEAVING) {
		vm_expect_torndown(m->vm, VM_HANDLE);
		m->life[i] = LIFE_NONE;
	} else {
		m->life[i] = LIFE_READY;
	}
}

static void do_something(struct model *m)
{
	unsigned int i = guest_random(&m->seed) % CHANNELS;

	switch (guest_random(&m->seed) % 8) {
	case 0:
		do_header(m, i, false);
		break;
	case 1:
		do_body(m);
		break;
	case 2:
		do_teardown(m, i);
		break;
	case 3:
		do_map(m, i);
		break;
	case 4:
		do_unmap(m, i);
		break;
	default:
		do_header(m, i, true);
	}
	m->nr_most = max(m->nr_most, CHANNELS - model_count(m, LIFE_NONE));
	vm_expect_silence(m->vm);
}

static void random_life(struct kunit *test)
{
	struct model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, m);
	m->vm = test->priv;
	m->seed = 1;
	for (i = 0; i < CHANNELS; i++) {
		m->c[i].vm = m->vm;
		m->c[i].relid = 100 + i;
		vm_new_channel(m->vm, &m->c[i]);
	}
	for (i = 0; i < STEPS; i++)
		do_something(m);
	/* It was not all refused. */
	KUNIT_EXPECT_EQ(test, m->nr_most, CHANNELS);
	for (i = 0; i < CHANNELS; i++) {
		do_unmap(m, i);
		if (m->life[i] != LIFE_NONE)
			do_teardown(m, i);
	}
	KUNIT_EXPECT_TRUE(test, xa_empty(&m->vm->p->handles));
	/* A worker that has come too late to revoke holds what it has looked at */
	for (i = 0; i < CHANNELS; i++)
		vm_flush_revokes(&m->c[i]);
	vm_check(m->vm);
	for (i = 0; i < CHANNELS; i++)
		vm_put_channel(&m->c[i]);
	for (i = 0; i < CHANNELS; i++)
		KUNIT_EXPECT_EQ(test, vm_await_release(&m->c[i]), 1);
}

static struct kunit_case same_cases[] = {
	KUNIT_CASE(random_life),
	{}
};

struct kunit_suite same_suite = {
	.name = "vmbus_gpadl_same",
	.init = vm_init,
	.exit = vm_exit,
	.test_cases = same_cases,
};
