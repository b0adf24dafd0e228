// SPDX-License-Identifier: GPL-2.0
/*
 * Whatever fails inside of an operation, it comes to the errno that the uAPI says, and
 * nothing has happened: nothing is pinned or charged, nobody was told anything, and the
 * same operation then works.
 *
 * Each operation (op_*.c) is done again and again, while first the 1st, then the
 * 2nd, 3rd ... of what it allocates or copies from and to user space fails, until none is
 * left. Then again, while for each function of the modules all fails that is allocated
 * below it: that gets behind what is tried a second time, another way.
 */
#include <stdio.h>
#include <sys/eventfd.h>

#include "fixture.h"
#include "operation.h"

/*
 * The kernel's debugging allocates on the side, now here, now there. So it is over when
 * the nth was not reached so many times in a row.
 */
#define IDLE		4u
/* No operation has more; one that never comes to an end is to fail. */
#define POINTS_MOST	1000u
/* A new worker that nobody knew of does the work: once more */
#define RETRIES		50u

#define SYMBOLS_MOST	512u

/* What of memory is pinned in the machine, and what the VMM is charged */
struct held {
	long pages;
	long kb;
};

static struct held held_now(void)
{
	return (struct held){ pinned_pages(), pinned_kb(0) };
}

/* struct sweep - an operation that is done again and again */
struct sweep {
	const struct operation *op;
	struct rig rig;
	struct fault_code where;	/* what is to fail is below that */
	struct held before;		/* when nothing was done */
	struct held prepared;		/* when the operation was prepared */
	bool is_known;			/* that is */
	unsigned int points, failures;
};

FIXTURE(operation) {
	struct sweep s;
};

FIXTURE_VARIANT(operation) {
	const struct operation *op;
};

FIXTURE_VARIANT_ADD(operation, open_file) {
	.op = &op_open_file,
};

FIXTURE_VARIANT_ADD(operation, create) {
	.op = &op_create,
};

FIXTURE_VARIANT_ADD(operation, create_many) {
	.op = &op_create_many,
};

FIXTURE_VARIANT_ADD(operation, regions) {
	.op = &op_regions,
};

FIXTURE_VARIANT_ADD(operation, regions_many) {
	.op = &op_regions_many,
};

FIXTURE_VARIANT_ADD(operation, region_resident) {
	.op = &op_region_resident,
};

FIXTURE_VARIANT_ADD(operation, region_to_resident) {
	.op = &op_region_to_resident,
};

FIXTURE_VARIANT_ADD(operation, region_remove) {
	.op = &op_region_remove,
};

FIXTURE_VARIANT_ADD(operation, channel_create) {
	.op = &op_channel_create,
};

FIXTURE_VARIANT_ADD(operation, channel_modify) {
	.op = &op_channel_modify,
};

FIXTURE_VARIANT_ADD(operation, rescind) {
	.op = &op_rescind,
};

FIXTURE_VARIANT_ADD(operation, destroy) {
	.op = &op_destroy,
};

FIXTURE_VARIANT_ADD(operation, unplug) {
	.op = &op_unplug,
};

FIXTURE_VARIANT_ADD(operation, next_event) {
	.op = &op_next_event,
};

FIXTURE_VARIANT_ADD(operation, get_version) {
	.op = &op_get_version,
};

FIXTURE_VARIANT_ADD(operation, reset) {
	.op = &op_reset,
};

FIXTURE_VARIANT_ADD(operation, post) {
	.op = &op_post,
};

FIXTURE_VARIANT_ADD(operation, header) {
	.op = &op_header,
};

FIXTURE_VARIANT_ADD(operation, header_large) {
	.op = &op_header_large,
};

FIXTURE_VARIANT_ADD(operation, header_same_handle) {
	.op = &op_header_same_handle,
};

FIXTURE_VARIANT_ADD(operation, body) {
	.op = &op_body,
};

FIXTURE_VARIANT_ADD(operation, teardown) {
	.op = &op_teardown,
};

FIXTURE_VARIANT_ADD(operation, read_reply) {
	.op = &op_read_reply,
};

FIXTURE_VARIANT_ADD(operation, poll_file) {
	.op = &op_poll_file,
};

FIXTURE_VARIANT_ADD(operation, open_message) {
	.op = &op_open_message,
};

FIXTURE_VARIANT_ADD(operation, open_by_worker) {
	.op = &op_open_by_worker,
};

FIXTURE_VARIANT_ADD(operation, close_message) {
	.op = &op_close_message,
};

FIXTURE_VARIANT_ADD(operation, released) {
	.op = &op_released,
};

FIXTURE_VARIANT_ADD(operation, map) {
	.op = &op_map,
};

FIXTURE_VARIANT_ADD(operation, map_read_only) {
	.op = &op_map_read_only,
};

FIXTURE_VARIANT_ADD(operation, map_large) {
	.op = &op_map_large,
};

FIXTURE_VARIANT_ADD(operation, map_resident) {
	.op = &op_map_resident,
};

FIXTURE_VARIANT_ADD(operation, map_mixed) {
	.op = &op_map_mixed,
};

FIXTURE_VARIANT_ADD(operation, map_by_worker) {
	.op = &op_map_by_worker,
};

FIXTURE_VARIANT_ADD(operation, unmap) {
	.op = &op_unmap,
};

FIXTURE_VARIANT_ADD(operation, vmap) {
	.op = &op_vmap,
};

FIXTURE_VARIANT_ADD(operation, vmap_large) {
	.op = &op_vmap_large,
};

FIXTURE_VARIANT_ADD(operation, vunmap) {
	.op = &op_vunmap,
};

FIXTURE_VARIANT_ADD(operation, pool) {
	.op = &op_pool,
};

FIXTURE_VARIANT_ADD(operation, pool_large) {
	.op = &op_pool_large,
};

FIXTURE_VARIANT_ADD(operation, pool_destroy) {
	.op = &op_pool_destroy,
};

FIXTURE_VARIANT_ADD(operation, map_packet) {
	.op = &op_map_packet,
};

FIXTURE_VARIANT_ADD(operation, map_packet_resident) {
	.op = &op_map_packet_resident,
};

FIXTURE_VARIANT_ADD(operation, unmap_packet) {
	.op = &op_unmap_packet,
};

FIXTURE_VARIANT_ADD(operation, view) {
	.op = &op_view,
};

FIXTURE_VARIANT_ADD(operation, disk_create) {
	.op = &op_disk_create,
};

FIXTURE_VARIANT_ADD(operation, disk_open) {
	.op = &op_disk_open,
};

FIXTURE_VARIANT_ADD(operation, debugfs) {
	.op = &op_debugfs,
};

FIXTURE_VARIANT_ADD(operation, close_file) {
	.op = &op_close_file,
};

static void rig_start(struct __test_metadata *_metadata, struct rig *r, bool open)
{
	r->other = -1;
	r->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT_LE(0, r->kick);
	ASSERT_LE(0, r->call);
	r->spare = spare_alloc();
	ASSERT_NE(NULL, r->spare);
	vmm_start(_metadata, &r->vmm, MEM_ANON, 1);
	memset(r->vmm.mem, 1, MEM_BYTES);
	if (open)
		vmm_open_channel(_metadata, &r->vmm);
}

static void rig_stop(struct rig *r)
{
	if (r->other >= 0)
		close(r->other);
	vmm_stop(&r->vmm);
	close(r->kick);
	close(r->call);
}

static struct fault_code where_of(const struct operation *op)
{
	if (op->by_workers && op->disk)
		return code_of_modules("vmbus_gpadl", "vmbus_scsi");
	if (op->by_workers)
		return code_of_modules("vmbus_gpadl", "vmbus_host");
	if (op->mapper_only)
		return code_of_modules("vmbus_gpadl", "vmbus_gpadl");
	return FAULT_ANYWHERE;
}

FIXTURE_SETUP(operation)
{
	struct sweep *s = &self->s;

	ASSERT_EQ(0, fault_init()) {
		TH_LOG("this kernel has no fault injection: scripts/fault.sh has one");
	}
	s->op = variant->op;
	s->where = where_of(s->op);
	rig_start(_metadata, &s->rig, s->op->open);
	ASSERT_EQ(0, s->op->setup ? s->op->setup(&s->rig) : 0);
	s->before = held_now();
}

FIXTURE_TEARDOWN(operation)
{
	struct sweep *s = &self->s;

	EXPECT_EQ(0, s->op->cleanup ? s->op->cleanup(&s->rig) : 0);
	rig_stop(&s->rig);
	expect_nothing_pinned(_metadata);
	EXPECT_TRUE(WAIT_FOR(!debugfs_partitions())) {
		TH_LOG("%d partitions are not freed", debugfs_partitions());
	}
}

static bool may_come_to(const struct operation *op, int ret)
{
	return (ret == -ENOMEM && op->may & MAY_ENOMEM) ||
	       (ret == -EFAULT && op->may & MAY_EFAULT);
}

static int outcome(struct sweep *s, int ret)
{
	return s->op->outcome ? s->op->outcome(&s->rig, ret) : ret;
}

/* What is to fail: all below some code; or, if that is NULL, the nth */
struct fault {
	const struct fault_code *all;
	unsigned int nth;
};

static void fault_begin(struct sweep *s, const struct fault *f)
{
	enum fault_task task = s->op->by_workers ? FAULT_WORKERS : FAULT_THIS;

	if (f->all)
		fault_begin_all(task, *f->all);
	else
		fault_begin_nth(task, f->nth, s->where);
}

static enum fault_result fault_end(const struct fault *f)
{
	return f->all ? fault_end_all() : fault_end_nth();
}

/* Workers have done it when its outcome is known; else nothing fails in the outcome. */
static int run(struct sweep *s, const struct fault *f, enum fault_result *result)
{
	int ret;

	fault_begin(s, f);
	ret = s->op->run(&s->rig);
	if (s->op->by_workers)
		ret = outcome(s, ret);
	*result = fault_end(f);
	return s->op->by_workers ? ret : outcome(s, ret);
}

/* What the VMM is charged is as it was; what ends by itself may take a while. */
static void expect_charged(struct __test_metadata *_metadata, struct held h)
{
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) == h.kb)) {
		TH_LOG("%ld kB are charged, not %ld", pinned_kb(0), h.kb);
	}
}

static void expect_held(struct __test_metadata *_metadata, struct held h)
{
	EXPECT_TRUE(WAIT_FOR(pinned_pages() == h.pages)) {
		TH_LOG("%ld pages are pinned, not %ld", pinned_pages(), h.pages);
	}
	expect_charged(_metadata, h);
}

static void prepare(struct __test_metadata *_metadata, struct sweep *s)
{
	ASSERT_EQ(0, s->op->prepare ? s->op->prepare(&s->rig) : 0);
	/* Once: it is the same each time, and to count pages takes long. */
	if (!s->is_known)
		s->prepared = held_now();
	s->is_known = true;
}

/* It has failed: it was to, and it works now. */
static void expect_no_effect(struct __test_metadata *_metadata, struct sweep *s, int ret,
			     enum fault_result result)
{
	EXPECT_TRUE(may_come_to(s->op, ret)) {
		TH_LOG("it came to %d", ret);
	}
	EXPECT_EQ(FAULT_INJECTED, result);
	expect_held(_metadata, s->prepared);
	EXPECT_EQ(0, outcome(s, s->op->run(&s->rig)));
}

/* Do it once, with the fault; what came of it must be right. */
static enum fault_result try_once(struct __test_metadata *_metadata, struct sweep *s,
				  const struct fault *f)
{
	enum fault_result result;
	int ret;

	prepare(_metadata, s);
	ret = run(s, f, &result);
	if (ret)
		expect_no_effect(_metadata, s, ret, result);
	ASSERT_EQ(0, s->op->undo ? s->op->undo(&s->rig) : 0);
	expect_charged(_metadata, s->before);
	s->failures += !!ret;
	s->points += result == FAULT_INJECTED;
	return result;
}

static enum fault_result try_nth(struct __test_metadata *_metadata, struct sweep *s,
				 unsigned int nth)
{
	struct fault f = { .nth = nth };
	enum fault_result result = FAULT_NOT_ARMED;
	unsigned int i;

	for (i = 0; i < RETRIES && result == FAULT_NOT_ARMED; i++)
		result = try_once(_metadata, s, &f);
	EXPECT_NE(FAULT_NOT_ARMED, result);
	EXPECT_TRUE(_metadata->exit_code == KSFT_PASS) {
		TH_LOG("... when number %u failed", nth);
	}
	return result;
}

/* For the table that scripts/fault.sh shows */
static void tell(const struct sweep *s, const char *how)
{
	printf("# faults: %s %s places %u errors %u\n", s->op->name, how, s->points,
	       s->failures);
	fflush(stdout);
}

TEST_F_TIMEOUT(operation, each_fails, 300)
{
	struct sweep *s = &self->s;
	unsigned int nth, idle = 0;

	for (nth = 1; idle < IDLE && _metadata->exit_code == KSFT_PASS; nth++) {
		ASSERT_GT(POINTS_MOST, nth);
		if (try_nth(_metadata, s, nth) == FAULT_INJECTED)
			idle = 0;
		else
			idle++;
	}
	expect_held(_metadata, s->before);
	tell(s, "each");
	/* Where something may fail there is something that can. */
	if (s->op->may)
		EXPECT_LT(0, s->points);
}

/*
 * Functions of which none has anything allocated below it are found together: half by
 * half, as long as something fails.
 */
static void all_below(struct __test_metadata *_metadata, struct sweep *s,
		      const struct code_symbol *symbols, size_t nr)
{
	struct fault_code code = { symbols[0].code.begin, symbols[nr - 1].code.end };
	struct fault f = { .all = &code };
	enum fault_result result;

	result = try_once(_metadata, s, &f);
	EXPECT_TRUE(_metadata->exit_code == KSFT_PASS) {
		TH_LOG("... when all failed below %s to %s", symbols[0].name,
		       symbols[nr - 1].name);
	}
	if (result != FAULT_INJECTED || nr == 1 || _metadata->exit_code != KSFT_PASS)
		return;
	all_below(_metadata, s, symbols, nr / 2);
	all_below(_metadata, s, symbols + nr / 2, nr - nr / 2);
}

static void all_below_module(struct __test_metadata *_metadata, struct sweep *s,
			     const char *module)
{
	static struct code_symbol symbols[SYMBOLS_MOST];
	size_t nr = code_symbols(module, symbols, SYMBOLS_MOST);

	ASSERT_LT(10, nr);
	ASSERT_GT(SYMBOLS_MOST, nr);
	all_below(_metadata, s, symbols, nr);
}

/* Functions of the kernel that try a second time by themselves */
#define NR_RETRYING	5

static const char * const retrying[NR_RETRYING] = {
	"ida_alloc_range",	/* first: once it has succeeded it needs nothing more */
	"__kvmalloc_node_noprof",
	"__xa_insert",
	"__xa_store",
	"xa_store",
};

static void all_below_kernel(struct __test_metadata *_metadata, struct sweep *s)
{
	struct code_symbol symbol;
	size_t i;

	for (i = 0; i < NR_RETRYING; i++) {
		snprintf(symbol.name, sizeof(symbol.name), "%s", retrying[i]);
		symbol.code = code_of_kernel(retrying[i]);
		ASSERT_NE(0, symbol.code.end) {
			TH_LOG("this kernel has no %s", retrying[i]);
		}
		all_below(_metadata, s, &symbol, 1);
	}
}

TEST_F_TIMEOUT(operation, all_fail, 300)
{
	struct sweep *s = &self->s;

	/* The tests' own backend is not to fail. */
	if (!s->op->mapper_only)
		all_below_kernel(_metadata, s);
	all_below_module(_metadata, s, "vmbus_gpadl");
	all_below_module(_metadata, s, "vmbus_host");
	if (s->op->disk)
		all_below_module(_metadata, s, "vmbus_scsi");
	expect_held(_metadata, s->before);
	tell(s, "all");
	if (s->op->may & MAY_ENOMEM)
		EXPECT_LT(0, s->failures);
}

TEST_HARNESS_MAIN
