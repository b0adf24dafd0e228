// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fuzz_vm.h"

const __u32 vm_handles[HANDLES] = { 0, 1, 2, ~0u, 0xe1e0f, 0xe1e10 };

/* ---- Memory ---- */

static const struct vmbus_host_region first_slots[SLOTS] = {
	{ .slot = 0, .gpa = DATA_PFN, .bytes = DATA_PAGES / 2, .hva = 0 },
	{ .slot = 1, .gpa = DATA_PFN + DATA_PAGES / 2, .bytes = DATA_PAGES / 2,
	  .hva = DATA_PAGES / 2 },
	{ .slot = SLOT_SLOW, .gpa = SLOW_PFN, .bytes = SLOW_PAGES },
	{ .slot = SLOT_RING, .gpa = RING_PFN, .bytes = CHANNELS * RING_PAGES,
	  .hva = MEM_RING },
	{ .slot = 4, .gpa = ALIAS_PFN, .bytes = ALIAS_PAGES, .hva = 0 },
};

int vm_change_regions(struct fuzz_vm *vm, const struct vmbus_host_region *regions,
		      unsigned int nr)
{
	int ret = vmm_regions(vm->fd, regions, nr);
	unsigned int i;

	for (i = 0; !ret && i < nr; i++)
		if (regions[i].slot < SLOTS)
			vm->slots[regions[i].slot] = regions[i];
	return ret;
}

int vm_set_regions(struct fuzz_vm *vm)
{
	struct vmbus_host_region regions[SLOT_HOLE];
	unsigned int i;

	memset(vm->slots, 0, sizeof(vm->slots));
	for (i = 0; i < SLOT_HOLE; i++) {
		regions[i] = first_slots[i];
		regions[i].gpa *= HV_PAGE;
		regions[i].bytes *= HV_PAGE;
		regions[i].hva = i == SLOT_SLOW ? PTR(vm->slow) :
				 PTR(vm->mem + first_slots[i].hva * HV_PAGE);
	}
	return vm_change_regions(vm, regions, SLOT_HOLE);
}

/* Where the VMM has a page of the guest's; NULL if nowhere */
static const char *vm_page(struct fuzz_vm *vm, __u64 pfn)
{
	__u64 gpa = pfn * HV_PAGE;
	unsigned int i;

	for (i = 0; i < SLOTS; i++)
		if (gpa - vm->slots[i].gpa < vm->slots[i].bytes)
			return (char *)(unsigned long)(vm->slots[i].hva + gpa -
						       vm->slots[i].gpa);
	return NULL;
}

/* A page that comes late may be another one by now. */
static bool vm_is_slow(struct fuzz_vm *vm, const char *page)
{
	return page >= vm->slow && page < vm->slow + SLOW_PAGES * HV_PAGE;
}

/* ---- GPADLs ---- */

struct area {
	__u32 pfn;
	__u32 pages;
};

/* Where most of them are comes most often. */
static const struct area areas[] = {
	{ DATA_PFN, DATA_PAGES }, { DATA_PFN, DATA_PAGES }, { DATA_PFN, DATA_PAGES },
	{ DATA_PFN, DATA_PAGES }, { DATA_PFN, DATA_PAGES }, { SLOW_PFN, SLOW_PAGES },
	{ ALIAS_PFN, ALIAS_PAGES }, { HOLE_PFN, HOLE_PAGES },
};

static void range_roll(struct dice *d, struct guest_gpadl *g)
{
	const struct area *area = &areas[roll(d, ARRAY_SIZE(areas))];
	__u32 pages = 1 + roll(d, 10), first = roll(d, area->pages), i;
	__u32 offset = one_in(d, 2) ? 0 : roll(d, HV_PAGE / 2);
	__u32 cut = one_in(d, 2) ? 0 : roll(d, HV_PAGE / 2);
	unsigned int how = roll(d, 4);

	gpadl_range(g, offset, pages * HV_PAGE - offset - cut);
	for (i = 0; i < pages; i++) {
		__u32 random = roll(d, area->pages);
		__u32 at[] = { first + i, first + area->pages - i % area->pages, random, first };

		gpadl_pages(g, area->pfn + at[how] % area->pages, 1);
	}
}

static void layout_roll(struct dice *d, struct fuzz_vm *vm, unsigned int c, unsigned int h)
{
	struct guest_gpadl *g = &vm->layouts[c][h];
	unsigned int ranges = one_in(d, 3) ? 1 + roll(d, 3) : 1;
	unsigned int word;

	gpadl_init(g, vm_handles[h]);
	while (ranges--) {
		word = g->nr_words;
		range_roll(d, g);
		vm->bytes[c][h] += (__u32)g->words[word];
	}
}

bool vm_init(struct fuzz_vm *vm, struct dice *d, enum memory kind)
{
	unsigned int c, h;

	vm->ledger = fuzz_share(sizeof(*vm->ledger));
	vm->mem = memory_alloc(kind, MEM_PAGES * HV_PAGE);
	vm->slow = memory_alloc(MEM_ANON, SLOW_PAGES * HV_PAGE);
	if (!vm->ledger || !vm->mem || !vm->slow)
		return false;
	for (h = 0; h < MEM_PAGES * HV_PAGE / 8; h++)
		((__u64 *)vm->mem)[h] = roll64(d);
	for (c = 0; c < CHANNELS; c++)
		for (h = 0; h < DATA_HANDLES; h++)
			layout_roll(d, vm, c, h);
	vm_forget(vm);
	return true;
}

/* ---- What the guest says ---- */

static int index_of(const __u32 *numbers, unsigned int nr, __u32 number)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (numbers[i] == number)
			return i;
	return -1;
}

static int handle_index(__u32 handle)
{
	return index_of(vm_handles, HANDLES, handle);
}

static int channel_index(__u32 relid)
{
	static const __u32 relids[CHANNELS] = { RELID_OF(0), RELID_OF(1) };

	return index_of(relids, CHANNELS, relid);
}

/* The counter of what is owed an answer by this message; NULL if none is */
static atomic_int *promise(struct fuzz_vm *vm, const void *msg, size_t len)
{
	/* Type, padding, relid, handle: where they are in all that matter here */
	__u32 head[4] = {};
	int c, h;

	memcpy(head, msg, len < sizeof(head) ? len : sizeof(head));
	c = channel_index(head[2]);
	h = handle_index(head[3]);
	if (c < 0)
		return NULL;
	if (head[0] == MSG_OPENCHANNEL)
		return &vm->ledger->opens[c];
	if (h < 0)
		return NULL;
	if (head[0] == MSG_GPADL_HEADER)
		return &vm->ledger->headers[c][h];
	return head[0] == MSG_GPADL_TEARDOWN ? &vm->ledger->teardowns[h] : NULL;
}

static int vm_post(struct fuzz_vm *vm, const void *msg, size_t len, bool read_only)
{
	struct vmbus_host_post post = {
		.size = sizeof(post),
		.flags = read_only ? VMBUS_HOST_POST_GPADL_READ_ONLY : 0,
		.len = len,
		.msg = PTR(msg),
	};

	if (!read_only)
		return guest_post(vm->fd, msg, len);
	return ioctl(vm->fd, VMBUS_HOST_POST, &post) ? -errno : 0;
}

static void waiting_add(struct waiting *w, int needed)
{
	if (w->nr < MAX_WAITING)
		w->needed[w->nr++] = needed;
	else
		w->lost = true;
}

/* What the oldest of them needs; -1 if that is not known */
static int waiting_take(struct waiting *w)
{
	int needed;

	if (!w->nr || w->lost)
		return -1;
	needed = w->needed[0];
	w->nr--;
	memmove(w->needed, w->needed + 1, w->nr * sizeof(w->needed[0]));
	return needed;
}

/* A message has been taken; for what only the thread that says most of it keeps */
static void vm_said(struct fuzz_vm *vm, const __u32 *head)
{
	int c = channel_index(head[2]), h = handle_index(head[3]);

	if (vm->forked || c < 0)
		return;
	if (head[0] == MSG_RELID_RELEASED)
		vm_forget_channel(vm, c);
	if (h < 0 || (head[0] != MSG_GPADL_HEADER && head[0] != MSG_GPADL_TEARDOWN))
		return;
	vm->used[h] |= 1 << c;
	if (head[0] == MSG_GPADL_TEARDOWN)
		waiting_add(&vm->waiting[c][h], vm->ledger->headers[c][h]);
}

int vm_say(struct fuzz_vm *vm, const void *msg, size_t len, bool read_only)
{
	atomic_int *owed = promise(vm, msg, len);
	__u32 head[4] = {};
	int ret;

	/* Before, since others may hear the answer first. */
	if (owed)
		++*owed;
	ret = vm_post(vm, msg, len, read_only);
	if (ret && owed)
		--*owed;
	memcpy(head, msg, len < sizeof(head) ? len : sizeof(head));
	if (!ret)
		vm_said(vm, head);
	return ret;
}

int vm_insist(struct fuzz_vm *vm, const void *msg, size_t len, bool read_only)
{
	int ret, n;

	for (n = 0; n < 100; n++) {
		ret = vm_say(vm, msg, len, read_only);
		if (ret != -EAGAIN)
			break;
		/* Others may hold what they have not been told yet. */
		if (vm_hear(vm, VMBUS_HOST_MSG_MAX) < 0)
			usleep(1000);
	}
	return ret;
}

static int say_gpadl(struct fuzz_vm *vm, unsigned int c, const struct guest_gpadl *g,
		     bool read_only)
{
	unsigned int done = g->nr_words < HEADER_WORDS ? g->nr_words : HEADER_WORDS;
	unsigned int left = g->nr_words - done;
	struct msg_header header = {
		.type = MSG_GPADL_HEADER,
		.relid = RELID_OF(c),
		.handle = g->handle,
		.range_buflen = g->nr_words * 8,
		.rangecount = g->nr_ranges,
	};
	struct msg_body body = { .type = MSG_GPADL_BODY, .handle = g->handle };
	int ret;

	memcpy(header.words, g->words, done * 8);
	ret = vm_insist(vm, &header, HEADER_LEN(done), read_only);
	if (ret || !left)
		return ret;
	/* Three ranges of ten pages: one is enough. */
	memcpy(body.words, g->words + done, left * 8);
	return vm_insist(vm, &body, BODY_LEN(left), false);
}

int vm_make(struct fuzz_vm *vm, unsigned int c, unsigned int h, bool read_only)
{
	static struct guest_gpadl ring;

	if (h < DATA_HANDLES)
		return say_gpadl(vm, c, &vm->layouts[c][h], read_only);
	gpadl_simple(&ring, vm_handles[h], (RING_PFN + c * RING_PAGES) * HV_PAGE,
		     RING_PAGES * HV_PAGE);
	return say_gpadl(vm, c, &ring, read_only);
}

int vm_teardown(struct fuzz_vm *vm, unsigned int c, unsigned int h)
{
	struct msg_teardown msg = {
		.type = MSG_GPADL_TEARDOWN,
		.relid = RELID_OF(c),
		.handle = vm_handles[h],
	};

	return vm_say(vm, &msg, sizeof(msg), false);
}

/* ---- What it hears ---- */

static bool status_is_known(__u32 status)
{
	return status == STATUS_SUCCESS || status == STATUS_INVALID_PARAMETER ||
	       status == STATUS_OBJECT_NAME_COLLISION || status == STATUS_QUOTA_EXCEEDED ||
	       status == STATUS_CANCELLED || status == 0xC000009A;
}

static void heard_created(struct fuzz_vm *vm, const struct reply *r)
{
	int c = channel_index(r->relid), h = handle_index(r->handle);

	if (c < 0 || h < 0)
		fuzz_fail("CREATED for channel %u, handle %#x", r->relid, r->handle);
	if (++vm->ledger->created[c][h] > vm->ledger->headers[c][h])
		fuzz_fail("CREATED without a HEADER: channel %u, handle %#x", r->relid,
			  r->handle);
	if (!status_is_known(r->status))
		fuzz_fail("CREATED with status %#x", r->status);
}

/* Of a handle that was named on one channel only */
static void check_order(struct fuzz_vm *vm, unsigned int c, unsigned int h)
{
	struct ledger *ledger = vm->ledger;
	int needed;

	if (gettid() != getpid())
		return;
	needed = waiting_take(&vm->waiting[c][h]);
	if (needed < 0 || vm->loose || vm->threads)
		return;
	if (ledger->created[c][h] < needed)
		fuzz_fail("TORNDOWN before CREATED: handle %#x", vm_handles[h]);
	if (vm->held[c][h] && needed == ledger->headers[c][h])
		fuzz_fail("TORNDOWN while mapped: handle %#x", vm_handles[h]);
}

static void heard_torndown(struct fuzz_vm *vm, const struct reply *r)
{
	int h = handle_index(r->handle);

	if (h < 0)
		fuzz_fail("TORNDOWN for handle %#x", r->handle);
	if (++vm->ledger->torndown[h] > vm->ledger->teardowns[h])
		fuzz_fail("TORNDOWN without a TEARDOWN: handle %#x", r->handle);
	if (vm->used[h] == 1 || vm->used[h] == 2)
		check_order(vm, vm->used[h] - 1, h);
}

static void heard(struct fuzz_vm *vm, const struct reply *r)
{
	int c = channel_index(r->relid);

	fuzz_trace("#   comes: type %u, channel %u, handle %#x, status %#x\n", r->type, r->relid,
		   r->handle, r->status);
	if (r->type == MSG_GPADL_CREATED)
		heard_created(vm, r);
	else if (r->type == MSG_GPADL_TORNDOWN)
		heard_torndown(vm, r);
	else if (r->len < 0 || c < 0)
		fuzz_fail("a message of type %u, channel %u", r->type, r->relid);
	else if (++vm->ledger->opened[c] > vm->ledger->opens[c])
		fuzz_fail("OPENCHANNEL_RESULT without an OPENCHANNEL");
}

int vm_hear(struct fuzz_vm *vm, size_t size)
{
	__u32 msg[1024];
	struct reply r;
	int len;

	len = read(vm->fd, msg, size);
	if (len < 0)
		return -errno;
	if (size < VMBUS_HOST_MSG_MAX)
		fuzz_fail("read() of %zu bytes returned %d", size, len);
	r = reply_parse(msg, len);
	heard(vm, &r);
	return len;
}

void vm_drain(struct fuzz_vm *vm)
{
	while (vm_hear(vm, VMBUS_HOST_MSG_MAX) >= 0)
		;
}

/* ---- What is mapped ---- */

static __u32 least(__u32 a, __u32 b)
{
	return a < b ? a : b;
}

/* @at of a page's bytes, and what the backend has read of it */
static void compare_page(struct fuzz_vm *vm, __u64 pfn, __u32 at, const char *buf, __u32 len)
{
	const char *page = vm_page(vm, pfn);
	__u32 i;

	if (!page)
		fuzz_fail("page %#llx is mapped and in no region", pfn);
	if (vm_is_slow(vm, page))
		return;
	for (i = 0; i < len; i++)
		if (page[at + i] != buf[i])
			fuzz_fail("page %#llx byte %#x is %#x, and was read as %#x", pfn,
				  at + i, page[at + i], buf[i]);
}

void vm_compare(struct fuzz_vm *vm, unsigned int c, unsigned int h, __u32 offset,
		const char *buf, __u32 len)
{
	const __u64 *word = vm->layouts[c][h].words;
	__u32 at, left = 0, n;

	while (len) {
		if (!left) {
			left = (__u32)*word;
			at = *word++ >> 32;
		}
		n = least(left, HV_PAGE - at);
		if (offset < n) {
			__u32 some = least(n - offset, len);

			compare_page(vm, *word, at + offset, buf, some);
			buf += some;
			len -= some;
			offset = 0;
		} else {
			offset -= n;
		}
		left -= n;
		at = 0;
		word++;
	}
}

/* ---- What is not owed any more ---- */

void vm_forget_channel(struct fuzz_vm *vm, unsigned int c)
{
	struct ledger *ledger = vm->ledger;
	unsigned int h;

	memset(vm->waiting[c], 0, sizeof(vm->waiting[c]));
	/* What is on its way may still come, or may be gone: nobody knows. */
	if (vm->forked || vm->threads)
		vm->loose = true;
	if (vm->loose)
		return;
	for (h = 0; h < HANDLES; h++) {
		ledger->headers[c][h] = 0;
		ledger->created[c][h] = 0;
	}
	ledger->opens[c] = 0;
	ledger->opened[c] = 0;
}

void vm_forget(struct fuzz_vm *vm)
{
	unsigned int c, h;

	vm->loose = false;
	for (c = 0; c < CHANNELS; c++)
		vm_forget_channel(vm, c);
	for (h = 0; h < HANDLES; h++)
		vm->used[h] = 0;
	if (vm->loose)
		return;
	for (h = 0; h < HANDLES; h++) {
		vm->ledger->teardowns[h] = 0;
		vm->ledger->torndown[h] = 0;
	}
}

static bool is_settled(struct fuzz_vm *vm)
{
	struct ledger *ledger = vm->ledger;
	unsigned int c, h;

	vm_drain(vm);
	for (c = 0; c < CHANNELS; c++) {
		if (ledger->opens[c] != ledger->opened[c])
			return false;
		for (h = 0; h < HANDLES; h++)
			if (ledger->headers[c][h] != ledger->created[c][h])
				return false;
	}
	return true;
}

void vm_settle(struct fuzz_vm *vm)
{
	unsigned int c, h;
	int ret;

	for (c = 0; c < CHANNELS; c++) {
		for (h = 0; h < HANDLES; h++) {
			while ((ret = vm_teardown(vm, c, h)) == -EAGAIN)
				if (vm_hear(vm, VMBUS_HOST_MSG_MAX) < 0)
					usleep(1000);
			if (ret && ret != -ENXIO)
				fuzz_fail("the last TEARDOWN returned %d", ret);
		}
	}
	if (vm->loose || vm->forked)
		return;
	if (!WAIT_FOR(is_settled(vm)))
		fuzz_fail("an answer is missing");
}
