// SPDX-License-Identifier: GPL-2.0
/*
 * Suite vmbus_gpadl_fault: each call of the in-kernel API, while first the 1st, then the
 * 2nd, 3rd ... allocation that it makes fails, until none is left; and each that pins,
 * while first the 1st, then the 2nd, 3rd ... pin comes back short. A call that fails has
 * changed nothing, and works the next time.
 */
#include <linux/completion.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/slab.h>

#include "gpadl/notifier.h"
#include "suites.h"
#include "vm.h"

#define RESIDENT	VMBUS_GPA_REGION_RESIDENT
#define READ_ONLY	VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY

/*
 * The kernel's debugging allocates on the side, now here, now there: it is over when the
 * nth was not reached so many times in a row.
 */
#define IDLE		4
#define POINTS_MOST	1000

/* Pages of VM_BIG that are in three blocks of a resident region */
#define BLOCKS_PAGES	1200

/**
 * struct call - a call of the API that is made again and again
 * @name: as it is printed
 * @setup: once, before all; or NULL
 * @prepare: before each call; or NULL
 * @run: the call, in the thread of the case or in one without an address space
 * @outcome: what came of it, if it does not say: 0 or -ENOMEM; or NULL
 * @undo: takes back what it and @prepare did, when it succeeded; or NULL
 * @cleanup: once, after all: takes back what @setup did and vm_exit() does not; or NULL
 * @in_thread: the call is made by a kernel thread without an address space
 * @never: it must not fail, whatever does
 */
struct call {
	const char *name;
	void (*setup)(struct vm *vm);
	void (*prepare)(struct vm *vm);
	int (*run)(struct vm_task *t);
	int (*outcome)(struct vm *vm);
	void (*undo)(struct vm *vm);
	void (*cleanup)(struct vm *vm);
	bool in_thread;
	bool never;
};

/* ---- Partitions and channels ---- */

static struct vmbus_partition *other_p;
static struct vmbus_gpadl_channel *other_chan;
static DECLARE_COMPLETION(other_released);

static void other_wake(void *priv)
{
}

static void other_revoke(struct vmbus_gpadl_channel *chan, struct vmbus_mapping *map)
{
}

static void other_release(void *priv)
{
	complete(&other_released);
}

static const struct vmbus_partition_ops other_ops = {
	.owner = THIS_MODULE,
	.wake = other_wake,
	.release = other_release,
};

static const struct vmbus_gpadl_channel_ops other_channel_ops = {
	.revoke = other_revoke,
	.release = other_release,
};

static int partition_create(struct vm_task *t)
{
	other_p = vmbus_partition_create(&other_ops, NULL);
	return PTR_ERR_OR_ZERO(other_p);
}

static void undo_partition(struct vm *vm)
{
	vmbus_partition_put(other_p);
	wait_for_completion(&other_released);
}

static int channel_create(struct vm_task *t)
{
	other_chan = vmbus_gpadl_channel_create(t->vm->p, VM_RELID(VM_CHANNELS),
						&other_channel_ops, NULL);
	return PTR_ERR_OR_ZERO(other_chan);
}

static void undo_channel(struct vm *vm)
{
	vmbus_gpadl_channel_put(other_chan);
	wait_for_completion(&other_released);
}

static void channel_make(struct vm *vm)
{
	struct vm_task t = { .vm = vm };

	KUNIT_EXPECT_EQ(vm->test, channel_create(&t), 0);
}

static int channel_rescind(struct vm_task *t)
{
	return vmbus_gpadl_channel_rescind(other_chan);
}

static int channel_release(struct vm_task *t)
{
	vmbus_gpadl_channel_relid_released(other_chan);
	return 0;
}

static int partition_reset(struct vm_task *t)
{
	return vmbus_partition_reset(t->vm->p);
}

/* ---- Regions ---- */

static int set_region(struct vm *vm, u32 flags, u64 pages)
{
	return vm_set_region(vm, VM_FREE_SLOT, flags, VM_HOLE_PFN, pages,
			     vm_hva(vm, VM_BIG_PFN));
}

static int region_on_demand(struct vm_task *t)
{
	return set_region(t->vm, 0, 32);
}

static int region_resident(struct vm_task *t)
{
	return set_region(t->vm, RESIDENT, BLOCKS_PAGES);
}

static void region_remove(struct vm *vm)
{
	KUNIT_EXPECT_EQ(vm->test, vm_remove_region(vm, VM_FREE_SLOT), 0);
}

static void region_make_resident(struct vm *vm)
{
	KUNIT_EXPECT_EQ(vm->test, set_region(vm, RESIDENT, 32), 0);
}

static int region_be_removed(struct vm_task *t)
{
	return vm_remove_region(t->vm, VM_FREE_SLOT);
}

/* Touched, so that each call finds the same pages, and no two blocks are alike */
static void touch_blocks(struct vm *vm)
{
	vm_begin(vm);
	vm_range(vm, VM_BIG_PFN, BLOCKS_PAGES);
	vm_fill_gpadl(vm);
}

static int set_high_again(struct vm_task *t)
{
	return vmbus_partition_set_regions(t->vm->p, &t->vm->memory[VM_HIGH], 1, 0);
}

static void make_high_resident(struct vm *vm)
{
	struct vm_task t = { .vm = vm };

	vm->memory[VM_HIGH].flags |= RESIDENT;
	KUNIT_EXPECT_EQ(vm->test, set_high_again(&t), 0);
}

static void mark_high(struct vm *vm)
{
	gpadl_watch_mark_all(&vm_region(vm, VM_HIGH)->watch);
}

/* ---- Messages ---- */

static void post_header(struct vm *vm)
{
	KUNIT_EXPECT_EQ(vm->test, vm_post(vm, &vm->msg), 0);
}

static int receive(struct vm_task *t)
{
	return vm_post(t->vm, &t->vm->msg);
}

/* The status of the CREATED that has come */
static int created(struct vm *vm)
{
	u8 reply[VMBUS_GPADL_MAX_REPLY];
	u32 status;

	KUNIT_EXPECT_EQ(vm->test, 20, vmbus_partition_next_reply(vm->p, reply, sizeof(reply)));
	KUNIT_EXPECT_EQ(vm->test, guest_get(reply + 4, 4), 0);
	KUNIT_EXPECT_EQ(vm->test, guest_get(reply, 4), 10);
	status = guest_get(reply + 16, 4);
	KUNIT_EXPECT_TRUE(vm->test, !status || status == GPADL_STATUS_INSUFFICIENT_RESOURCES);
	return status ? -ENOMEM : 0;
}

static int torndown(struct vm *vm)
{
	vm_expect_torndown(vm, VM_HANDLE);
	return 0;
}

static void tear_down(struct vm *vm)
{
	KUNIT_EXPECT_EQ(vm->test, vm_teardown(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_torndown(vm, VM_HANDLE);
}

static void make_header(struct vm *vm)
{
	vm_valid_header(vm, &vm->msg, &vm->c[0], VM_HANDLE);
}

static void make_header_of_same_handle(struct vm *vm)
{
	vm_establish(vm, &vm->c[1], VM_HANDLE, VM_LOW_PFN, 2);
	make_header(vm);
}

/* A HEADER is in, its BODY is in vm->msg. */
static void make_body(struct vm *vm)
{
	vm_begin(vm);
	vm_range(vm, VM_BIG_PFN, 40);
	guest_next_msg(&vm->msg, vm->c[0].relid, VM_HANDLE, &vm->s);
	post_header(vm);
	guest_next_msg(&vm->msg, vm->c[0].relid, VM_HANDLE, &vm->s);
}

static void make_teardown(struct vm *vm)
{
	vm_establish(vm, &vm->c[0], VM_HANDLE, VM_LOW_PFN, 2);
	guest_teardown(&vm->msg, vm->c[0].relid, VM_HANDLE);
}

/* The reply is that of the guest's TEARDOWN: the last of what a GPADL has. */
static void make_reply(struct vm *vm)
{
	make_teardown(vm);
	post_header(vm);
}

static int next_reply(struct vm_task *t)
{
	u8 reply[VMBUS_GPADL_MAX_REPLY];
	int ret = vmbus_partition_next_reply(t->vm->p, reply, sizeof(reply));

	return ret == 12 ? 0 : -EPROTO;
}

/* ---- Maps ---- */

/* Nothing adjoins: a pin, and an entry, for each page */
static void establish_scattered(struct vm *vm)
{
	vm_begin(vm);
	guest_range(&vm->s, 30 * GUEST_PAGE, 0);
	guest_pfns(&vm->s, VM_BIG_PFN, 3, 30);
	vm_fill_gpadl(vm);
	KUNIT_EXPECT_EQ(vm->test, vm_send(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_created(vm, &vm->c[0], VM_HANDLE, GPADL_STATUS_SUCCESS);
}

static void make_resident(struct vm *vm, enum vm_slot slot)
{
	vm->memory[slot].flags |= RESIDENT;
	KUNIT_EXPECT_EQ(vm->test, 0,
			vmbus_partition_set_regions(vm->p, &vm->memory[slot], 1, 0));
}

static void establish_resident(struct vm *vm)
{
	make_resident(vm, VM_BIG);
	establish_scattered(vm);
}

/* Half of the pages are resident; the scatterlist grows in either kind. */
static void establish_mixed(struct vm *vm)
{
	u32 i;

	make_resident(vm, VM_HIGH);
	vm_begin(vm);
	for (i = 0; i < 40; i++) {
		vm_range(vm, VM_HIGH_PFN + 3 * i, 1);
		vm_range(vm, VM_BIG_PFN + 3 * i, 1);
	}
	vm_fill_gpadl(vm);
	KUNIT_EXPECT_EQ(vm->test, vm_send(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_created(vm, &vm->c[0], VM_HANDLE, GPADL_STATUS_SUCCESS);
}

/* Runs of pages that have been touched in another order: an entry for each page */
static void establish_runs(struct vm *vm)
{
	u32 i;

	vm_need_small_pages(vm->test);
	for (i = 0; i < 64; i++)
		vm_fill(vm, VM_BIG_PFN + i * 27 % 64 / 8 * 9 + i * 27 % 64 % 8, 1);
	vm_begin(vm);
	guest_range(&vm->s, 64 * GUEST_PAGE, 0);
	for (i = 0; i < 8; i++)
		guest_pfns(&vm->s, VM_BIG_PFN + 9 * i, 1, 8);
	KUNIT_EXPECT_EQ(vm->test, vm_send(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_created(vm, &vm->c[0], VM_HANDLE, GPADL_STATUS_SUCCESS);
}

static void establish_resident_runs(struct vm *vm)
{
	make_resident(vm, VM_BIG);
	establish_runs(vm);
}

/* As if it were mapped for the first time: nothing is known of how long its list becomes. */
static void forget_entries(struct vm *vm)
{
	vm_gpadl(&vm->c[0], VM_HANDLE)->lookup.nr_entries = 0;
}

/* Few entries, of which each becomes one for each page */
static void establish_long_entries(struct vm *vm)
{
	vm_need_small_pages(vm->test);
	vm_begin(vm);
	vm_range(vm, VM_BIG_PFN, 64);
	vm_fill_gpadl(vm);
	KUNIT_EXPECT_EQ(vm->test, 0,
			vmbus_gpadl_set_max_segment(vm->c[0].chan, GPADL_PAGE_SIZE));
	KUNIT_EXPECT_EQ(vm->test, vm_send(vm, &vm->c[0], VM_HANDLE), 0);
	vm_expect_created(vm, &vm->c[0], VM_HANDLE, GPADL_STATUS_SUCCESS);
}

static void establish_mixed_small(struct vm *vm)
{
	vm_need_small_pages(vm->test);
	establish_mixed(vm);
}

/* Another page is there than was pinned when the region was set. */
static void move_memory(struct vm *vm)
{
	unsigned long hva = vm_hva(vm, VM_HIGH_PFN + 3);

	KUNIT_EXPECT_EQ(vm->test, hva,
			kunit_vm_mmap(vm->test, NULL, hva, PAGE_SIZE, PROT_READ | PROT_WRITE,
				      MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED, 0));
	vm_fill(vm, VM_HIGH_PFN + 3, 1);
}

static void undo_map_and_stale(struct vm *vm)
{
	vm_unmap(&vm->c[0], VM_HANDLE);
	flush_delayed_work(&vm->p->mem.stale_work);
}

static int map(struct vm_task *t)
{
	return vm_map(&t->vm->c[0], 0, VM_HANDLE, NULL);
}

static int map_read_only(struct vm_task *t)
{
	return vm_map(&t->vm->c[0], READ_ONLY, VM_HANDLE, NULL);
}

static int unmap(struct vm_task *t)
{
	vm_unmap(&t->vm->c[0], VM_HANDLE);
	return 0;
}

static void undo_map(struct vm *vm)
{
	vm_unmap(&vm->c[0], VM_HANDLE);
}

static void make_map(struct vm *vm)
{
	KUNIT_EXPECT_EQ(vm->test, vm_map(&vm->c[0], 0, VM_HANDLE, NULL), 0);
}

static int vmap_it(struct vm_task *t)
{
	return PTR_ERR_OR_ZERO(vm_vmap(&t->vm->c[0], VM_HANDLE));
}

static int vunmap_it(struct vm_task *t)
{
	vm_vunmap(&t->vm->c[0], VM_HANDLE);
	return 0;
}

static void establish_and_map(struct vm *vm)
{
	/* Else they cannot be vmapped. */
	vm_need_small_pages(vm->test);
	establish_scattered(vm);
	make_map(vm);
}

static void make_vmap(struct vm *vm)
{
	KUNIT_EXPECT_FALSE(vm->test, IS_ERR(vm_vmap(&vm->c[0], VM_HANDLE)));
}

static void undo_vmap(struct vm *vm)
{
	vm_vunmap(&vm->c[0], VM_HANDLE);
}

static struct page *single;

static int pin_page(struct vm_task *t)
{
	return vmbus_partition_pin_page(t->vm->p, vm_hva(t->vm, VM_LOW_PFN), &single);
}

static void unpin_page(struct vm *vm)
{
	vmbus_partition_unpin_page(vm->p, single);
}

static const struct call calls[] = {
	{ "partition_create", .run = partition_create, .undo = undo_partition },
	{ "channel_create", .run = channel_create, .undo = undo_channel },
	{ "channel_rescind", .prepare = channel_make, .run = channel_rescind,
	  .undo = undo_channel, .never = true },
	{ "channel_release", .prepare = channel_make, .run = channel_release,
	  .undo = undo_channel, .never = true },
	{ "reset", .prepare = make_reply, .run = partition_reset, .never = true },
	{ "regions", .run = region_on_demand, .undo = region_remove },
	{ "regions, resident", .setup = touch_blocks, .run = region_resident,
	  .undo = region_remove },
	{ "regions, removal", .prepare = region_make_resident, .run = region_be_removed },
	{ "regions, looked at again", .setup = make_high_resident, .prepare = mark_high,
	  .run = set_high_again },
	{ "HEADER", .prepare = make_header, .run = receive, .outcome = created,
	  .undo = tear_down },
	{ "HEADER by a kernel thread", .prepare = make_header, .run = receive,
	  .outcome = created, .undo = tear_down, .in_thread = true },
	{ "HEADER of a handle on two channels", .setup = make_header_of_same_handle,
	  .run = receive, .outcome = created, .prepare = make_header, .undo = tear_down },
	{ "BODY", .prepare = make_body, .run = receive, .outcome = created,
	  .undo = tear_down, .never = true },
	{ "TEARDOWN", .prepare = make_teardown, .run = receive, .outcome = torndown,
	  .never = true },
	{ "next_reply", .prepare = make_reply, .run = next_reply, .never = true },
	{ "map", .setup = establish_scattered, .run = map, .undo = undo_map },
	{ "map, read-only", .setup = establish_scattered, .run = map_read_only,
	  .undo = undo_map },
	{ "map by a kernel thread", .setup = establish_scattered, .run = map,
	  .undo = undo_map, .in_thread = true },
	{ "map, resident", .setup = establish_resident, .run = map, .undo = undo_map },
	{ "map, resident, by a kernel thread", .setup = establish_resident, .run = map,
	  .undo = undo_map, .in_thread = true },
	{ "map, both kinds", .setup = establish_mixed, .run = map, .undo = undo_map },
	{ "map, runs", .setup = establish_runs, .prepare = forget_entries, .run = map,
	  .undo = undo_map },
	{ "map, resident runs", .setup = establish_resident_runs, .prepare = forget_entries,
	  .run = map, .undo = undo_map },
	{ "map, short entries", .setup = establish_long_entries, .prepare = forget_entries,
	  .run = map, .undo = undo_map },
	{ "map, memory has moved", .setup = establish_mixed_small, .prepare = move_memory,
	  .run = map, .undo = undo_map_and_stale },
	{ "unmap", .setup = establish_mixed, .prepare = make_map, .run = unmap,
	  .never = true },
	{ "vmap", .setup = establish_and_map, .run = vmap_it, .undo = undo_vmap,
	  .cleanup = undo_map },
	{ "vunmap", .setup = establish_and_map, .prepare = make_vmap, .run = vunmap_it,
	  .cleanup = undo_map, .never = true },
	{ "pin_page", .run = pin_page, .undo = unpin_page },
};

static void call_desc(const struct call *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(call, calls, call_desc);

/* ---- Each allocation ---- */

struct attempt {
	const struct call *call;
	struct alloc_fault fault;
};

static int attempt_run(struct vm_task *t)
{
	struct attempt *a = t->arg;
	int ret;

	alloc_fault_begin(&a->fault);
	ret = a->call->run(t);
	alloc_fault_end(&a->fault);
	return ret;
}

/* Make the call, and say what came of it. */
static int attempt_make(struct vm *vm, struct attempt *a)
{
	struct vm_task t = { .vm = vm, .arg = a };
	int ret;

	if (a->call->in_thread) {
		ret = vm_join(vm_start_with(vm, attempt_run, NULL, 0, 0, a));
		vm_forget_tasks(vm);
	} else {
		ret = attempt_run(&t);
	}
	return ret || !a->call->outcome ? ret : a->call->outcome(vm);
}

/* What was there before it is there after it, and the call works. */
static void attempt_again(struct vm *vm, const struct call *call)
{
	struct attempt a = { .call = call };

	KUNIT_EXPECT_EQ(vm->test, attempt_make(vm, &a), 0);
}

/* Returns whether it failed. */
static bool attempt(struct vm *vm, struct attempt *a)
{
	const struct call *call = a->call;
	s64 charged;
	int ret;

	if (call->prepare)
		call->prepare(vm);
	charged = atomic64_read(&vm->mm->pinned_vm);
	ret = attempt_make(vm, a);
	if (ret) {
		KUNIT_EXPECT_EQ_MSG(vm->test, ret, -ENOMEM, "number %u", a->fault.n);
		KUNIT_EXPECT_TRUE_MSG(vm->test, a->fault.injected && !call->never,
				      "number %u", a->fault.n);
		/* Pages that a map had found to be others are left to a work item. */
		flush_delayed_work(&vm->p->mem.stale_work);
		KUNIT_EXPECT_EQ(vm->test, atomic64_read(&vm->mm->pinned_vm), charged);
		vm_check(vm);
		attempt_again(vm, call);
	}
	if (call->undo)
		call->undo(vm);
	vm_check(vm);
	return ret;
}

VM_CASE(each_allocation_fails)
{
	const struct call *call = test->param_value;
	struct attempt a = { .call = call };
	u32 idle = 0, points = 0, failures = 0;

	alloc_fault_need(test);
	if (call->setup)
		call->setup(vm);
	for (a.fault.n = 1; idle < IDLE && a.fault.n < POINTS_MOST; a.fault.n++) {
		failures += attempt(vm, &a);
		points += a.fault.injected;
		idle = a.fault.injected ? 0 : idle + 1;
	}
	if (call->cleanup)
		call->cleanup(vm);
	KUNIT_EXPECT_EQ(test, idle, IDLE);
	kunit_info(test, "faults: %u places, %u errors\n", points, failures);
}

/* ---- Each pin ---- */

/* One that pins, with so many calls of the pin function at least. */
struct pinning {
	const char *call;
	u32 pins;
};

static const struct pinning pinnings[] = {
	{ "map", 30 },
	{ "map, read-only", 30 },
	{ "map by a kernel thread", 30 },
	{ "map, both kinds", 40 },
	{ "regions, resident", 3 },
	{ "pin_page", 1 },
};

static void pinning_desc(const struct pinning *p, char *desc)
{
	strscpy(desc, p->call, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(pinning, pinnings, pinning_desc);

static const struct call *call_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		if (!strcmp(calls[i].name, name))
			return &calls[i];
	return NULL;
}

static u32 short_at;

/* As it should be, but number short_at, which comes to vm->pin_result. */
static long pin_short_once(struct vm *vm, unsigned long hva, unsigned long nr,
			   unsigned int gup_flags, struct page **pages)
{
	if (atomic_read(&vm->pins) == short_at) {
		if (vm->pin_result <= 0)
			return vm->pin_result;
		nr = min_t(unsigned long, nr, vm->pin_result);
	}
	/* A thread without an address space has adopted the VMM's. */
	KUNIT_EXPECT_PTR_EQ(vm->test, current->mm, vm->mm);
	return pin_user_pages_fast(hva, nr, gup_flags, pages);
}

/* A pin that comes to @pin, at each place; the call then comes to @expected. */
static u32 pins_short(struct vm *vm, const struct call *call, long pin, int expected)
{
	struct attempt a = { .call = call };
	s64 charged = atomic64_read(&vm->mm->pinned_vm);
	u32 reached, at = 0;

	do {
		short_at = ++at;
		atomic_set(&vm->pins, 0);
		vm->pin_result = pin;
		vm->pin = pin_short_once;
		a.fault.n = 0;
		KUNIT_EXPECT_EQ_MSG(vm->test, attempt_make(vm, &a), expected, "pin %u", at);
		reached = atomic_read(&vm->pins);
		vm->pin = NULL;
		if (expected) {
			KUNIT_EXPECT_EQ(vm->test, atomic64_read(&vm->mm->pinned_vm), charged);
			KUNIT_EXPECT_EQ(vm->test, reached, at);
			vm_check(vm);
			/* It would have gone on from there. */
			attempt_again(vm, call);
			reached = atomic_read(&vm->pins) - at;
		}
		call->undo(vm);
		KUNIT_EXPECT_EQ(vm->test, atomic64_read(&vm->mm->pinned_vm), charged);
		vm_check(vm);
	} while (at < reached);
	return at;
}

VM_CASE(each_pin_comes_back_short)
{
	static const struct {
		long pin;
		int expected;
	} rows[] = {
		{ 1, 0 }, { -EFAULT, -EFAULT }, { -EINTR, -EFAULT },
		/* Tried again. */
		{ 0, 0 }, { -EAGAIN, 0 }, { -EBUSY, 0 }, { -ENOMEM, 0 },
	};
	const struct pinning *p = test->param_value;
	const struct call *call = call_find(p->call);
	u32 places = 0;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, call);
	if (call->setup)
		call->setup(vm);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		u32 nr = pins_short(vm, call, rows[i].pin, rows[i].expected);

		/* Larger pages are fewer. */
		KUNIT_EXPECT_GE(test, nr, VM_PER_HOST > 1 ? 1 : p->pins);
		places += nr;
	}
	kunit_info(test, "faults: %u short pins\n", places);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE_PARAM_ATTR(each_allocation_fails, call_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE_PARAM_ATTR(each_pin_comes_back_short, pinning_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	{}
};

struct kunit_suite fault_suite = {
	.name = "vmbus_gpadl_fault",
	.init = vm_init,
	.exit = vm_exit,
	.test_cases = fault_cases,
};
