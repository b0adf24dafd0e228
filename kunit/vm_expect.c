// SPDX-License-Identifier: GPL-2.0
/*
 * What a test's guest sends and expects, and what must hold after every step; see vm_helpers.h.
 */
#include "gpadl/gpa_pool.h"
#include "vm_helpers.h"

/* ---- What the guest sends ---- */

/* Begin the stream of another GPADL. */
void vm_begin(struct vm *vm)
{
	vm->s = (struct guest_stream) { .words = vm->s.words };
}

/* Add a range of whole pages that follow each other. */
void vm_range(struct vm *vm, u64 pfn, u32 nr)
{
	guest_range(&vm->s, nr * GUEST_PAGE, 0);
	guest_pfns(&vm->s, pfn, 1, nr);
}

/* Pages from VM_BIG_PFN on, in any order. */
void vm_shuffled_range(struct vm *vm, u32 nr, u64 seed)
{
	u32 i, j;

	vm_begin(vm);
	vm_range(vm, VM_BIG_PFN, nr);
	for (i = nr; i > 1; i--) {
		j = 1 + guest_random(&seed) % i;
		swap(vm->s.words[i], vm->s.words[j]);
	}
}

int vm_post(struct vm *vm, const struct guest_msg *m)
{
	return vmbus_partition_receive(vm->p, m->bytes, m->len, 0);
}

/* Send the GPADL in vm->s; returns what the last message got. */
int vm_send(struct vm *vm, struct vm_channel *c, u32 handle)
{
	int ret = 0;

	vm->s.sent = 0;
	while (!ret && guest_next_msg(&vm->msg, c->relid, handle, &vm->s))
		ret = vm_post(vm, &vm->msg);
	return ret;
}

int vm_teardown(struct vm *vm, struct vm_channel *c, u32 handle)
{
	guest_teardown(&vm->msg, c->relid, handle);
	return vm_post(vm, &vm->msg);
}

/* A GPADL of pages that follow each other, READY. */
void vm_establish(struct vm *vm, struct vm_channel *c, u32 handle, u64 pfn, u32 nr)
{
	vm_begin(vm);
	vm_range(vm, pfn, nr);
	KUNIT_ASSERT_EQ_MSG(vm->test, vm_send(vm, c, handle), 0, VM_AT(vm));
	vm_expect_created(vm, c, handle, GPADL_STATUS_SUCCESS);
}

/* ---- What the guest gets ---- */

static void vm_expect_reply(struct vm *vm, const void *expected, size_t len)
{
	u8 reply[VMBUS_GPADL_MAX_REPLY];
	int ret;

	ret = vmbus_partition_next_reply(vm->p, reply, sizeof(reply));
	KUNIT_EXPECT_EQ_MSG(vm->test, ret, len, VM_AT(vm));
	if (ret == len)
		KUNIT_EXPECT_MEMEQ_MSG(vm->test, reply, expected, len, VM_AT(vm));
}

/* The next reply is GPADL_CREATED. Not made by the code that is tested. */
void vm_expect_created(struct vm *vm, struct vm_channel *c, u32 handle, u32 status)
{
	u8 expected[20] = {};

	guest_put(expected, 4, 10);
	guest_put(expected + 8, 4, c->relid);
	guest_put(expected + 12, 4, handle);
	guest_put(expected + 16, 4, status);
	vm_expect_reply(vm, expected, sizeof(expected));
}

/* The next reply is GPADL_TORNDOWN. */
void vm_expect_torndown(struct vm *vm, u32 handle)
{
	u8 expected[12] = {};

	guest_put(expected, 4, 12);
	guest_put(expected + 8, 4, handle);
	vm_expect_reply(vm, expected, sizeof(expected));
}

/* There is no further reply. */
void vm_expect_silence(struct vm *vm)
{
	u8 reply[VMBUS_GPADL_MAX_REPLY];

	KUNIT_EXPECT_EQ_MSG(vm->test, -EAGAIN,
			    vmbus_partition_next_reply(vm->p, reply, sizeof(reply)), VM_AT(vm));
	KUNIT_EXPECT_FALSE_MSG(vm->test, vmbus_partition_poll(vm->p) & VMBUS_PARTITION_READABLE,
			       VM_AT(vm));
}

/* ---- What many cases begin or end with ---- */

/* The message that all others are made from: a GPADL of two pages, in one HEADER. */
void vm_valid_header(struct vm *vm, struct guest_msg *m, struct vm_channel *c,
		     u32 handle)
{
	vm_begin(vm);
	vm_range(vm, VM_LOW_PFN, 2);
	guest_next_msg(m, c->relid, handle, &vm->s);
}

/* A message has been counted for @reason, once, and for no other. */
void vm_expect_counted(struct vm *vm, enum gpadl_reason reason)
{
	int i;

	for (i = 0; i < GPADL_NR_REASONS; i++)
		KUNIT_EXPECT_EQ_MSG(vm->test, atomic_read(&vm->p->counts[i]), i == reason,
				    "reason %d, called at %s", i, vm->caller);
}

void vm_expect_no_gpadl(struct vm *vm, struct vm_channel *c)
{
	KUNIT_EXPECT_TRUE_MSG(vm->test, xa_empty(&c->chan->gpadls), VM_AT(vm));
	KUNIT_EXPECT_TRUE_MSG(vm->test, xa_empty(&vm->p->handles), VM_AT(vm));
	vm_check(vm);
}

/* Posts a message that nobody answers and that changes nothing. */
void vm_expect_refused(struct vm *vm, const struct guest_msg *m, int ret,
		       enum gpadl_reason reason)
{
	KUNIT_EXPECT_EQ_MSG(vm->test, vm_post(vm, m), ret, VM_AT(vm));
	vm_expect_silence(vm);
	vm_expect_counted(vm, reason);
	vm_check(vm);
}

/* The GPADL of vm_valid_header() is there, and nothing more. */
void vm_expect_established(struct vm *vm, struct vm_channel *c, u32 handle)
{
	struct sg_table *sgt;

	vm_expect_created(vm, c, handle, GPADL_STATUS_SUCCESS);
	vm_expect_silence(vm);
	vm_fill(vm, VM_LOW_PFN, 2);
	KUNIT_ASSERT_EQ_MSG(vm->test, vm_map(c, 0, handle, &sgt), 0, VM_AT(vm));
	vm_expect_sg(vm, sgt);
	vm_unmap(c, handle);
}

/* A GPADL of @nr pages is mapped, and nothing else. */
static void vm_expect_charged(struct vm *vm, u32 nr)
{
	s64 charged = atomic64_read(&vm->p->mem.pinned);

	if (vm->resident) {
		KUNIT_EXPECT_EQ_MSG(vm->test, charged, vm_resident(vm), VM_AT(vm));
		return;
	}
	/* A host page counts once for each run of guest pages in it. */
	KUNIT_EXPECT_LE_MSG(vm->test, charged, nr, VM_AT(vm));
	KUNIT_EXPECT_GE_MSG(vm->test, charged, nr / VM_PER_HOST, VM_AT(vm));
}

/*
 * Establish the GPADL in vm->s, map it by @flags, compare the scatterlist with it, and
 * unmap it.
 */
void vm_expect_maps(struct vm *vm, u32 flags)
{
	struct vm_channel *c = &vm->c[0];
	struct sg_table *sgt;
	u32 nr;

	vm_fill_gpadl(vm);
	KUNIT_ASSERT_EQ_MSG(vm->test, vm_send(vm, c, VM_HANDLE), 0, VM_AT(vm));
	vm_expect_created(vm, c, VM_HANDLE, GPADL_STATUS_SUCCESS);
	nr = vm_gpadl(c, VM_HANDLE)->pfns.nr_pages;
	vm_expect_pinned(vm, false);

	KUNIT_ASSERT_EQ_MSG(vm->test, vm_map(c, flags, VM_HANDLE, &sgt), 0, VM_AT(vm));
	vm_expect_sg(vm, sgt);
	vm_expect_pinned(vm, true);
	vm_expect_charged(vm, nr);
	vm_check(vm);

	vm_unmap(c, VM_HANDLE);
	vm_expect_pinned(vm, false);
	vm_check(vm);
	KUNIT_EXPECT_EQ_MSG(vm->test, vm_teardown(vm, c, VM_HANDLE), 0, VM_AT(vm));
	vm_expect_torndown(vm, VM_HANDLE);
}

/* ---- What must hold ---- */

struct vm_sums {
	unsigned int requests;
	unsigned int gpadls;
	unsigned int pages;
	unsigned int revoked;
	unsigned int resetting;
	unsigned long pins;
};

/* Returns whether any request is in flight. */
static bool vm_check_requests(struct vm *vm, struct vmbus_gpadl_channel *chan,
			      struct vm_sums *sums)
{
	struct gpa_pool *pool = chan->pool;
	unsigned int i, busy = 0, late = 0, nr_free = 0;
	struct gpa_request *r;

	if (!pool)
		return false;
	for (i = 0; i < pool->nr_requests; i++) {
		r = &pool->requests[i];
		if (r->state == GPA_FREE)
			continue;
		busy++;
		late += r->is_late;
		sums->revoked += r->revoked;
		sums->resetting += r->reset;
		sums->requests += r->counted;
	}
	for (r = pool->free; r; r = r->next)
		nr_free++;
	KUNIT_EXPECT_EQ_MSG(vm->test, pool->nr_busy, busy, VM_AT(vm));
	KUNIT_EXPECT_EQ_MSG(vm->test, pool->nr_late, late, VM_AT(vm));
	KUNIT_EXPECT_EQ_MSG(vm->test, nr_free + busy, pool->nr_requests, VM_AT(vm));
	KUNIT_EXPECT_EQ_MSG(vm->test, pool->refs, busy + !pool->dead, VM_AT(vm));
	return busy;
}

static void vm_check_channel(struct vm *vm, struct vmbus_gpadl_channel *chan,
			     struct vm_sums *sums)
{
	unsigned long handle = 0;
	unsigned int busy = 0;
	struct gpadl *g;

	xa_for_each(&chan->gpadls, handle, g) {
		KUNIT_EXPECT_NE_MSG(vm->test, g->state, GPADL_DEAD, VM_AT(vm));
		KUNIT_EXPECT_EQ_MSG(vm->test, g->handle, handle, VM_AT(vm));
		KUNIT_EXPECT_TRUE_MSG(vm->test, gpadl_is_busy(g) || !g->tearing_down, VM_AT(vm));
		KUNIT_EXPECT_TRUE_MSG(vm->test, gpadl_is_busy(g) || !g->revoked, VM_AT(vm));
		KUNIT_EXPECT_TRUE_MSG(vm->test, gpadl_is_busy(g) || !g->mapping, VM_AT(vm));
		sums->gpadls++;
		sums->pages += g->nr_announced;
		sums->revoked += g->revoked;
		sums->resetting += g->reset;
		busy += gpadl_is_busy(g);
		if (gpadl_is_busy(g))
			sums->pins += g->lookup.nr_pins;
	}
	busy += vm_check_requests(vm, chan, sums);
	KUNIT_EXPECT_EQ_MSG(vm->test, atomic_read(&chan->nr_busy), busy, VM_AT(vm));
}

static unsigned int vm_count_room(struct gpadl_reply_queue *q, bool *idle)
{
	struct gpadl_reply *r;
	unsigned int nr = 0;

	spin_lock(&q->lock);
	list_for_each_entry(r, &q->queued, node)
		nr += !r->release;
	list_for_each_entry(r, &q->free, node)
		nr++;
	*idle = list_empty(&q->queued);
	spin_unlock(&q->lock);
	return nr;
}

/*
 * The counts agree with what is there. For when no thread is inside, or those that are
 * stand where they have charged what they pin: in vm_stall_wait().
 */
void vm_check(struct vm *vm)
{
	struct vmbus_partition *p = vm->p;
	struct vmbus_gpadl_channel *chan;
	struct vm_sums sums = { .pins = vm_resident(vm) };
	bool all_read;

	mutex_lock(&p->rx_mutex);
	list_for_each_entry(chan, &p->all_channels, node)
		vm_check_channel(vm, chan, &sums);
	mutex_unlock(&p->rx_mutex);

	KUNIT_EXPECT_EQ_MSG(vm->test, vm_count_room(&p->replies, &all_read),
			    GPADL_REPLY_ROOM, VM_AT(vm));
	KUNIT_EXPECT_EQ_MSG(vm->test, atomic_read(&p->nr_revoked), sums.revoked, VM_AT(vm));
	KUNIT_EXPECT_EQ_MSG(vm->test, atomic_read(&p->nr_resetting), sums.resetting, VM_AT(vm));
	KUNIT_EXPECT_EQ_MSG(vm->test, atomic_read(&p->nr_request_pages), sums.requests, VM_AT(vm));
	KUNIT_EXPECT_EQ_MSG(vm->test, atomic64_read(&p->mem.pinned), sums.pins, VM_AT(vm));
	KUNIT_EXPECT_EQ_MSG(vm->test, atomic64_read(&vm->mm->pinned_vm), sums.pins, VM_AT(vm));
	if (all_read) {
		KUNIT_EXPECT_EQ_MSG(vm->test, atomic_read(&p->nr_gpadls), sums.gpadls, VM_AT(vm));
		KUNIT_EXPECT_EQ_MSG(vm->test, atomic_read(&p->nr_pages), sums.pages, VM_AT(vm));
	}
}
