// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_stress: threads run against each other, many times.
 */
#include <linux/delay.h>
#include <linux/mutex.h>

#include "suites.h"
#include "vm.h"

#define PAGES	3

/* What has been read of the replies about a handle. */
struct tally {
	int created;
	int torndown;
};

/* Few: they are to meet. */
#define HANDLES		4

/**
 * struct arena - threads that run against each other
 * @vm: the guest
 * @lock: serialises readers of the replies
 * @tally: of handle i
 * @backends: those that have not finished
 * @maps: maps that succeeded
 * @refused: maps that did not
 * @late: of these, because of a teardown
 */
struct arena {
	struct vm *vm;
	struct mutex lock; /* see above */
	struct tally tally[HANDLES];
	atomic_t backends;
	atomic_t maps;
	atomic_t refused;
	atomic_t late;
};

/* Read what there is. CREATED and TORNDOWN of a handle come in turn. */
static void arena_read(struct arena *a)
{
	struct kunit *test = a->vm->test;
	u8 reply[VMBUS_GPADL_MAX_REPLY];
	int len;

	guard(mutex)(&a->lock);
	for (;;) {
		struct tally *tally;

		len = vmbus_partition_next_reply(a->vm->p, reply, sizeof(reply));
		if (len < 0)
			return;
		if (len == GPADL_WIRE_CREATED_LEN) {
			tally = &a->tally[guest_get(reply + 12, 4) % HANDLES];
			KUNIT_EXPECT_EQ(test, guest_get(reply + 16, 4), 0);
			KUNIT_EXPECT_EQ(test, ++tally->created, tally->torndown + 1);
		} else {
			tally = &a->tally[guest_get(reply + 8, 4) % HANDLES];
			KUNIT_EXPECT_EQ(test, tally->created, ++tally->torndown);
		}
	}
}

static int arena_torndown(struct arena *a, u32 handle)
{
	arena_read(a);
	return READ_ONCE(a->tally[handle].torndown);
}

/* Each handle belongs to the guest and the backend of one channel. */
static u32 arena_handle(struct vm_task *t, u64 *seed)
{
	u32 i = t->c - t->vm->c;

	return guest_random(seed) % (HANDLES / VM_CHANNELS) * VM_CHANNELS + i;
}

/* Make a GPADL, let the backend at it, tear it down, wait, and again, as Linux does. */
static int task_guest(struct vm_task *t)
{
	struct arena *a = t->arg;
	struct vm *vm = t->vm;
	u64 words[PAGES + 1], seed = t->c->relid;
	int lives = 0;

	while (atomic_read(&a->backends)) {
		struct guest_stream s = { .words = words };
		u32 handle = arena_handle(t, &seed);
		int before = arena_torndown(a, handle);
		struct guest_msg m;

		guest_range(&s, PAGES * GUEST_PAGE, 0);
		guest_pfns(&s, VM_LOW_PFN + handle, 1, PAGES);
		guest_next_msg(&m, t->c->relid, handle, &s);
		KUNIT_EXPECT_EQ(vm->test, vm_post(vm, &m), 0);
		if (guest_random(&seed) & 1)
			usleep_range(1, 50);
		guest_teardown(&m, t->c->relid, handle);
		KUNIT_EXPECT_EQ(vm->test, vm_post(vm, &m), 0);
		while (arena_torndown(a, handle) == before)
			cond_resched();
		lives++;
	}
	return lives;
}

/* Maps of each backend. */
#define MAPS	5000

/* What a revoke() says is ignored: the backend never keeps anything for long. */
static int task_backend(struct vm_task *t)
{
	struct arena *a = t->arg;
	u64 seed = t->c->relid + 1000;
	struct sg_table *sgt;
	int maps = 0;

	while (maps < MAPS) {
		u32 handle = arena_handle(t, &seed);
		int ret;

		ret = vm_map(t->c, 0, handle, &sgt);
		if (ret) {
			KUNIT_EXPECT_TRUE(t->vm->test, ret == -ENOENT || ret == -ESHUTDOWN);
			atomic_inc(&a->refused);
			if (ret == -ESHUTDOWN)
				atomic_inc(&a->late);
			cond_resched();
			continue;
		}
		maps++;
		if (guest_random(&seed) % 8 == 0) {
			void *addr = vm_vmap(t->c, handle);

			KUNIT_EXPECT_FALSE(t->vm->test, IS_ERR(addr));
			if (!IS_ERR(addr))
				vm_vunmap(t->c, handle);
		}
		KUNIT_EXPECT_EQ(t->vm->test, sgt->sgl->length % GUEST_PAGE, 0);
		vm_unmap(t->c, handle);
	}
	atomic_add(maps, &a->maps);
	atomic_dec(&a->backends);
	return 0;
}

static struct arena *arena_create(struct kunit *test)
{
	struct arena *a = kunit_kzalloc(test, sizeof(*a), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, a);
	a->vm = test->priv;
	mutex_init(&a->lock);
	return a;
}

/* 10,000 maps: two threads map and unmap, two make GPADLs and tear them down. */
VM_CASE(ten_thousand_races)
{
	struct arena *a = arena_create(test);
	struct vm_task *guests[VM_CHANNELS], *backends[VM_CHANNELS];
	int i, lives = 0;

	atomic_set(&a->backends, VM_CHANNELS);
	for (i = 0; i < VM_CHANNELS; i++) {
		backends[i] = vm_start_with(vm, task_backend, &vm->c[i], 0, 0, a);
		guests[i] = vm_start_with(vm, task_guest, &vm->c[i], 0, 0, a);
	}
	for (i = 0; i < VM_CHANNELS; i++) {
		KUNIT_EXPECT_EQ(test, vm_join(backends[i]), 0);
		lives += vm_join(guests[i]);
	}
	kunit_info(test, "%d maps, %d refused, %d of them late, %d GPADLs",
		   atomic_read(&a->maps), atomic_read(&a->refused), atomic_read(&a->late),
		   lives);
	KUNIT_EXPECT_EQ(test, atomic_read(&a->maps), VM_CHANNELS * MAPS);
	KUNIT_EXPECT_GT(test, lives, 0);
	KUNIT_EXPECT_TRUE(test, xa_empty(&vm->p->handles));
	vm_expect_silence(vm);
}

/* Complete a GPADL in one thread, tear it down in another. */
static int task_body(struct vm_task *t)
{
	struct guest_msg m;
	u64 words[2] = { GUEST_PAGE, VM_LOW_PFN };

	guest_body(&m, t->handle);
	guest_words(&m, words, ARRAY_SIZE(words));
	return vm_post(t->vm, &m);
}

static int task_teardown(struct vm_task *t)
{
	struct guest_msg m;

	guest_teardown(&m, t->c->relid, t->handle);
	return vm_post(t->vm, &m);
}

/* Whichever writer comes first, the guest reads CREATED first, once, and TORNDOWN then, once. */
VM_CASE(several_writers)
{
	int i, cancelled = 0;

	for (i = 0; i < 500; i++) {
		struct vm_task *body, *teardown;
		struct guest_msg m;
		u32 status;

		vm_begin(vm);
		vm_range(vm, VM_LOW_PFN, 1);
		guest_header(&m, vm->c[0].relid, i, &vm->s);
		KUNIT_ASSERT_EQ(test, vm_post(vm, &m), 0);
		/* Now one, now the other is ahead. */
		if (i & 1)
			teardown = vm_start(vm, task_teardown, &vm->c[0], 0, i);
		body = vm_start(vm, task_body, &vm->c[0], 0, i);
		if (!(i & 1))
			teardown = vm_start(vm, task_teardown, &vm->c[0], 0, i);

		KUNIT_EXPECT_EQ(test, vm_join(teardown), 0);
		status = vm_join(body) ? GPADL_STATUS_CANCELLED : GPADL_STATUS_SUCCESS;
		cancelled += !!status;
		vm_expect_created(vm, &vm->c[0], i, status);
		vm_expect_torndown(vm, i);
		vm_expect_silence(vm);
		vm_forget_tasks(vm);
	}
	kunit_info(test, "%d of 500 cancelled", cancelled);
	vm_expect_no_gpadl(vm, &vm->c[0]);
}

/* Takes a region away and puts it back until the backends have finished. */
static int task_regions(struct vm_task *t)
{
	struct arena *a = t->arg;
	struct vm *vm = t->vm;
	int ret, removed = 0;

	while (atomic_read(&a->backends)) {
		ret = vm_remove_region(vm, VM_LOW);
		KUNIT_EXPECT_TRUE(vm->test, !ret || ret == -EBUSY);
		removed += !ret;
		KUNIT_EXPECT_EQ(vm->test, 0,
				vmbus_partition_set_regions(vm->p, &vm->memory[VM_LOW], 1, 0));
		cond_resched();
	}
	return removed;
}

static int task_map_again_and_again(struct vm_task *t)
{
	struct arena *a = t->arg;
	int i, ret;

	for (i = 0; i < 2000; i++) {
		ret = vm_task_map(t);
		KUNIT_EXPECT_TRUE(t->vm->test, !ret || ret == -EFAULT);
		atomic_inc(ret ? &a->refused : &a->maps);
		if (!ret)
			vm_unmap(t->c, t->handle);
	}
	atomic_dec(&a->backends);
	return 0;
}

VM_CASE(maps_against_region_changes)
{
	struct arena *a = arena_create(test);
	struct vm_task *backends[VM_CHANNELS], *regions;
	int i, removed;

	atomic_set(&a->backends, VM_CHANNELS);
	for (i = 0; i < VM_CHANNELS; i++)
		vm_establish(vm, &vm->c[i], VM_HANDLE, VM_LOW_PFN, PAGES);
	regions = vm_start_with(vm, task_regions, NULL, 0, 0, a);
	for (i = 0; i < VM_CHANNELS; i++)
		backends[i] = vm_start_with(vm, task_map_again_and_again, &vm->c[i], 0,
					    VM_HANDLE, a);
	for (i = 0; i < VM_CHANNELS; i++)
		vm_join(backends[i]);
	removed = vm_join(regions);
	kunit_info(test, "%d maps, %d refused, %d times removed", atomic_read(&a->maps),
		   atomic_read(&a->refused), removed);
	KUNIT_EXPECT_EQ(test, vm_remove_region(vm, VM_LOW), 0);
}

static struct kunit_case stress_cases[] = {
	KUNIT_CASE_SLOW(ten_thousand_races),
	KUNIT_CASE_SLOW(several_writers),
	KUNIT_CASE_SLOW(maps_against_region_changes),
	{}
};

/* The pages of a region go and come with it, while maps look into its table. */
static struct kunit_case stress_resident_cases[] = {
	KUNIT_CASE_SLOW(maps_against_region_changes),
	{}
};

struct kunit_suite stress_suite = {
	.name = "vmbus_gpadl_stress",
	.init = vm_init,
	.exit = vm_exit,
	.test_cases = stress_cases,
};

struct kunit_suite stress_resident_suite = {
	.name = "vmbus_gpadl_stress_resident",
	.init = vm_init_resident,
	.exit = vm_exit,
	.test_cases = stress_resident_cases,
};
