// SPDX-License-Identifier: GPL-2.0
/*
 * Packets that name guest pages, right and wrong, against a model of what they may come to.
 *
 * The guest puts one packet after the other into the ring of vmbus_gpa_test.ko, which adds up
 * or fills the pages that it names: counts, lengths, offsets and page numbers that cannot be,
 * ranges that disagree with their number, a header that is not there, types that name nothing
 * or parts of a GPADL. Some requests are held, while regions and pages go away under them and
 * the channel is closed, destroyed, or dies with its VMM.
 *
 * What is wrong: an answer that is missing, or comes twice; an error that what the packet has
 * does not explain; a sum that is not that of the pages; a byte of the guest's memory that is
 * not what it should be; what is left after the VMM.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "../module/vmbus_gpa_test.h"
#include "fuzz_packet.h"
#include "fixture.h"

#define DATA_PAGES	2u		/* of each ring */
#define DATA_BYTES	(DATA_PAGES * HV_PAGE)
#define RINGS_BYTES	(2 * (1 + DATA_PAGES) * HV_PAGE)

#define TYPE_XFER	7
#define TYPE_GPADL	8
#define TYPE_DIRECT	9
#define TYPE_INBAND	6
#define TYPE_COMPLETION	11

#define PART_GPADL_PAGES	16u
/* More pages than a request can have */
#define TOO_MANY	(VMBUS_GPA_TEST_BYTES / HV_PAGE + 9)

enum op {
	SUM, FILL, NOWAIT, HOLD, SPOIL, PARTS, NO_RANGES, OTHER_TYPE, RELEASE, BREAK,
	REGION, EVICT, REOPEN, DESTROY, LOOK,
	NR_OPS
};

/* A request that the backend holds; it is done when it is let go */
struct held {
	__u64 id;
	bool fill;
	__u8 value;
	struct ranges r;
};

/**
 * struct life - a VMM, and a guest with one channel
 * @mem: the guest's memory
 * @m: what it has to be
 * @keeps: what was given back to the kernel is there as it was
 * @evictable: it can be given back page by page
 * @has_parts: there is the GPADL of which packets name parts
 * @wrote: where the next packet goes
 * @heard: where the next answer is
 * @mark: it is killed at this operation
 */
struct life {
	struct dice dice;
	int fd, kick;
	char *ring;
	__u8 *mem;
	struct model m;
	bool keeps, evictable;
	bool has_parts;
	__u32 wrote, heard;
	__u64 next_id;
	struct held held[VMBUS_GPA_TEST_REQUESTS];
	unsigned int nr_held;
	unsigned int mark;
	struct ranges r;
};

static bool is_held(const struct life *l, unsigned int half)
{
	unsigned int i;

	for (i = 0; i < l->nr_held; i++)
		if (packet_has_page_in(&l->held[i].r, half))
			return true;
	return false;
}

/* ---- The channel ---- */

static void await(struct life *l, __u32 type)
{
	struct reply r = reply_wait(l->fd);

	if (r.len < 0 || r.type != type || r.status)
		fuzz_fail("message %d of type %u, status %#x, instead of type %u", r.len, r.type,
			  r.status, type);
}

static void must(const char *what, int ret)
{
	if (ret)
		fuzz_fail("%s: %d", what, ret);
}

static void establish(struct life *l, __u32 handle, __u64 gpa, size_t bytes)
{
	static struct guest_gpadl g;

	gpadl_simple(&g, handle, gpa, bytes);
	must("a GPADL", guest_gpadl(l->fd, RELID, &g, false));
	await(l, MSG_GPADL_CREATED);
}

static void channel_open(struct life *l)
{
	memset(l->ring, 0, RINGS_BYTES);
	l->wrote = 0;
	l->heard = 0;
	establish(l, RING_HANDLE, RING_GPA, RINGS_BYTES);
	must("OPENCHANNEL", guest_open(l->fd, RELID, 1, RING_HANDLE, 1 + DATA_PAGES));
	await(l, MSG_OPENCHANNEL_RESULT);
}

static void channel_create(struct life *l)
{
	const __u8 type[16] = VMBUS_GPA_TEST_IF_TYPE;
	struct vmbus_host_signals signals = {
		.size = sizeof(signals),
		.kick_fd = l->kick,
		.call_fd = -1,
	};
	struct vmbus_host_channel_create create = {
		.size = sizeof(create),
		.relid = RELID,
		.signals = PTR(&signals),
	};

	memcpy(create.if_type, type, sizeof(type));
	must("CHANNEL_CREATE", ioctl(l->fd, VMBUS_HOST_CHANNEL_CREATE, &create) ? -errno : 0);
	/* One with pages that are nowhere would be refused. */
	l->has_parts = l->m.there[0];
	if (l->has_parts)
		establish(l, HANDLE, MEM_GPA, PART_GPADL_PAGES * HV_PAGE);
	channel_open(l);
}

/* What was held has been let go, and nobody has heard of it. */
static void held_done(struct life *l)
{
	unsigned int i;

	for (i = 0; i < l->nr_held; i++)
		if (l->held[i].fill)
			packet_touch(&l->m, &l->held[i].r, true, l->held[i].value);
	l->nr_held = 0;
}

static void channel_close(struct life *l)
{
	must("CLOSECHANNEL", guest_close(l->fd, RELID));
	must("TEARDOWN", guest_teardown(l->fd, RELID, RING_HANDLE));
	await(l, MSG_GPADL_TORNDOWN);
	held_done(l);
}

/* ---- Packets ---- */

/* A packet of these words, the first two of which are its descriptor's; a word about it */
static void put(struct life *l, const __u64 *words, unsigned int nr)
{
	char *data = l->ring + HV_PAGE;
	__u32 *index = (__u32 *)l->ring, i;

	for (i = 0; i < nr; i++)
		memcpy(data + (l->wrote + i * 8) % DATA_BYTES, &words[i], 8);
	l->wrote = (l->wrote + nr * 8 + 8) % DATA_BYTES;
	__atomic_store_n(index, l->wrote, __ATOMIC_RELEASE);
	if (eventfd_write(l->kick, 1))
		fuzz_fail("the eventfd: %d", errno);
}

static __u64 descriptor(__u64 type, __u64 offset8, __u64 len8)
{
	return type | offset8 << 16 | len8 << 32 | 1ull << 48;
}

/* Returns the id. @header: with what comes before the ranges */
static __u64 ask(struct life *l, __u64 type, bool header, const struct ranges *r, __u32 op,
		 __u32 flags, __u64 value)
{
	struct vmbus_gpa_test_request request = { op, flags, value };
	__u64 words[3 + MAX_WORDS + 2];
	unsigned int nr = 2;

	if (header) {
		words[nr++] = (__u64)r->nr_ranges << 32;
		memcpy(words + nr, r->words, r->nr * 8);
		nr += r->nr;
	}
	words[0] = descriptor(type, nr, nr + 2);
	words[1] = ++l->next_id;
	memcpy(words + nr, &request, sizeof(request));
	put(l, words, nr + 2);
	return l->next_id;
}

struct answer {
	__u16 type, offset8, len8, flags;
	__u64 id;
	struct vmbus_gpa_test_answer a;
};

static bool is_quiet(const struct life *l)
{
	const __u32 *index = (const __u32 *)(l->ring + RINGS_BYTES / 2);

	return __atomic_load_n(index, __ATOMIC_ACQUIRE) == l->heard;
}

static struct answer next_answer(struct life *l)
{
	__u32 *index = (__u32 *)(l->ring + RINGS_BYTES / 2), i;
	const char *data = (char *)index + HV_PAGE;
	struct answer a;

	if (!WAIT_FOR(!is_quiet(l)))
		fuzz_fail("no answer to packet %llu", l->next_id);
	for (i = 0; i < sizeof(a); i++)
		((char *)&a)[i] = data[(l->heard + i) % DATA_BYTES];
	l->heard = (l->heard + sizeof(a) + 8) % DATA_BYTES;
	__atomic_store_n(&index[1], l->heard, __ATOMIC_RELEASE);
	if (a.type != TYPE_COMPLETION || a.offset8 != 2 || a.len8 != sizeof(a) / 8)
		fuzz_fail("an answer of type %u, %u of %u words", a.type, a.offset8, a.len8);
	return a;
}

/* To packet @id; returns its status */
static int answer_to(struct life *l, __u64 id, const struct verdict *v, bool is_sum)
{
	struct answer a = next_answer(l);

	if (a.id != id)
		fuzz_fail("an answer to packet %llu instead of %llu", a.id, id);
	if (a.a.status > 0 || a.a.status <= -FUZZ_ERRNOS ||
	    (a.a.status ? !v->may[-a.a.status] : v->wrong))
		fuzz_fail("packet %llu came to %d", id, a.a.status);
	if (!a.a.status && is_sum && a.a.value != v->sum)
		fuzz_fail("packet %llu: a sum of %llu instead of %llu", id, a.a.value, v->sum);
	return a.a.status;
}

/* ---- What is in them ---- */

static __u64 page_roll(struct life *l)
{
	return MEM_PFN + roll(&l->dice, GUEST_PAGES);
}

static void range_add(struct life *l, unsigned int most)
{
	unsigned int nr = 1 + roll(&l->dice, most), i;
	__u32 offset = one_in(&l->dice, 2) ? roll(&l->dice, HV_PAGE) : 0;
	__u32 len = nr * HV_PAGE - offset;
	int step = (int)roll(&l->dice, 3) - 1;
	__u64 pfn = page_roll(l);

	if (one_in(&l->dice, 2))
		len -= roll(&l->dice, HV_PAGE - offset);
	l->r.words[l->r.nr++] = range_word(offset, len);
	for (i = 0; i < nr; i++) {
		/* Up, down, the same again; or anything */
		l->r.words[l->r.nr++] = pfn;
		pfn = one_in(&l->dice, 8) ? page_roll(l) :
		      MEM_PFN + (pfn - MEM_PFN + GUEST_PAGES + step) % GUEST_PAGES;
	}
	l->r.nr_ranges++;
}

/* Ranges that are right, if the regions are there */
static void ranges_roll(struct life *l)
{
	unsigned int nr = one_in(&l->dice, 3) ? 1 + roll(&l->dice, 6) : 1;

	l->r.nr = 0;
	l->r.nr_ranges = 0;
	while (nr--)
		range_add(l, one_in(&l->dice, 4) ? 40 : 6);
	/* As old versions of Linux do */
	if (one_in(&l->dice, 8))
		for (nr = roll(&l->dice, 30); nr--; )
			l->r.words[l->r.nr++] = roll64(&l->dice);
}

/* One that does not change for the kernel what it changes for the model */
static void spoil(struct life *l)
{
	struct ranges *r = &l->r;
	__u64 *head = r->words, *pfn = r->words + 1 + roll(&l->dice, r->nr - 1);

	switch (roll(&l->dice, 10)) {
	case 0:
		*head = range_word(*head >> 32, 0);
		break;
	case 1:
		*head = range_word(HV_PAGE + roll(&l->dice, HV_PAGE), *head);
		break;
	case 2:
		*head = range_word(*head >> 32, ~0u - roll(&l->dice, 2 * HV_PAGE));
		break;
	case 3:
		*head = range_word(*head >> 32, (__u32)*head + HV_PAGE * roll(&l->dice, 9));
		break;
	case 4:
		*head = roll64(&l->dice);
		break;
	case 5:
		*pfn = one_in(&l->dice, 2) ? roll64(&l->dice) : 1ull << (30 + roll(&l->dice, 34));
		break;
	case 6:
		*pfn = MEM_PFN + GUEST_PAGES + roll(&l->dice, 4);
		break;
	case 7:
		r->nr_ranges = one_in(&l->dice, 2) ? roll64(&l->dice) : roll(&l->dice, 40);
		break;
	case 8:
		r->nr = roll(&l->dice, r->nr + 1);
		break;
	default:
		/* More pages than a request may have */
		for (r->nr = 1; r->nr < TOO_MANY; r->nr++)
			r->words[r->nr] = page_roll(l);
		r->nr_ranges = 1;
		*head = range_word(0, (TOO_MANY - 9 + roll(&l->dice, 4)) * HV_PAGE);
	}
}

/* ---- Operations ---- */

static int do_ranges(struct life *l, bool fill, __u32 flags)
{
	struct verdict v = packet_judge(&l->m, &l->r, fill);
	__u8 value = roll64(&l->dice);
	__u64 id;
	int ret;

	if (flags & VMBUS_GPA_TEST_NOWAIT)
		v.may[EAGAIN] = true;
	if (one_in(&l->dice, 4))
		flags |= VMBUS_GPA_TEST_SOFTIRQ;
	id = ask(l, TYPE_DIRECT, true, &l->r, fill ? VMBUS_GPA_TEST_FILL : VMBUS_GPA_TEST_SUM,
		 flags, value);
	ret = answer_to(l, id, &v, !fill);
	if (!ret && fill)
		packet_touch(&l->m, &l->r, true, value);
	return ret;
}

static int run_sum(struct life *l)
{
	ranges_roll(l);
	return do_ranges(l, false, 0);
}

static int run_fill(struct life *l)
{
	ranges_roll(l);
	return do_ranges(l, true, 0);
}

static int run_nowait(struct life *l)
{
	ranges_roll(l);
	return do_ranges(l, one_in(&l->dice, 2), VMBUS_GPA_TEST_NOWAIT);
}

static int run_spoil(struct life *l)
{
	ranges_roll(l);
	spoil(l);
	return do_ranges(l, one_in(&l->dice, 2), 0);
}

static int run_release(struct life *l)
{
	__u64 id = ask(l, TYPE_INBAND, false, NULL, VMBUS_GPA_TEST_RELEASE, 0, 0);
	struct verdict v = {};
	unsigned int i;

	for (i = 0; i < l->nr_held; i++) {
		struct held *h = &l->held[i];

		v.sum = h->fill ? 0 : packet_touch(&l->m, &h->r, false, 0);
		if (h->fill)
			packet_touch(&l->m, &h->r, true, h->value);
		answer_to(l, h->id, &v, true);
	}
	l->nr_held = 0;
	return answer_to(l, id, &v, false);
}

static int run_hold(struct life *l)
{
	struct held *h = &l->held[l->nr_held];
	struct verdict v;

	/* With one to spare, so that what else there is can be done */
	if (l->nr_held == VMBUS_GPA_TEST_REQUESTS - 1)
		return run_release(l);
	ranges_roll(l);
	h->fill = one_in(&l->dice, 2);
	h->value = roll64(&l->dice);
	h->r = l->r;
	v = packet_judge(&l->m, &l->r, h->fill);
	h->id = ask(l, TYPE_DIRECT, true, &l->r, h->fill ? VMBUS_GPA_TEST_FILL : VMBUS_GPA_TEST_SUM,
		    VMBUS_GPA_TEST_HOLD, h->value);
	if (v.wrong)
		return answer_to(l, h->id, &v, false);
	/* It is mapped when the next packet is answered. */
	l->nr_held++;
	l->r = (struct ranges){};
	return do_ranges(l, false, 0);
}

/* Is there the GPADL, and its memory? */
static void may_parts(struct life *l, struct verdict *v, __u32 handle)
{
	if (!l->m.there[0])
		packet_may(v, EFAULT);
	if (handle != HANDLE || !l->has_parts)
		packet_may(v, ENOENT);
}

/* Parts of a GPADL: as many entries as there can be of scattered pages */
static int run_parts(struct life *l)
{
	const __u32 bytes = PART_GPADL_PAGES * HV_PAGE;
	unsigned int n = roll(&l->dice, 4), i;
	struct verdict v = {};
	__u64 handle = one_in(&l->dice, 12) ? RING_HANDLE + 9 : HANDLE;
	__u32 at, len;

	l->r = (struct ranges){ .nr = n, .nr_ranges = n };
	may_parts(l, &v, handle);
	for (i = 0; i < n; i++) {
		at = one_in(&l->dice, 12) ? roll64(&l->dice) : roll(&l->dice, bytes);
		len = one_in(&l->dice, 12) ? roll64(&l->dice) : 1 + roll(&l->dice, 3 * HV_PAGE);
		l->r.words[i] = range_word(at, len);
		if (!len || at >= bytes || len > bytes - at)
			packet_may(&v, EINVAL);
		/* More pages than there is room for entries */
		if (len > bytes)
			v.may[EMSGSIZE] = true;
	}
	if (one_in(&l->dice, 8)) {
		l->r.nr_ranges += 1 + roll(&l->dice, 3);
		packet_may(&v, EBADMSG);
	}
	for (i = 0; i < n && !v.wrong; i++) {
		len = l->r.words[i];
		for (at = l->r.words[i] >> 32; len; len--, at++)
			v.sum += l->m.mem[at];
	}
	return answer_to(l, ask(l, TYPE_XFER, true, &l->r, VMBUS_GPA_TEST_SUM, 0, handle), &v,
			 true);
}

/* A header that says how many ranges, or parts, there are, and nothing behind it */
static int run_no_ranges(struct life *l)
{
	bool direct = one_in(&l->dice, 2);
	struct verdict v = {};

	packet_may(&v, EBADMSG);
	if (!direct)
		may_parts(l, &v, HANDLE);
	l->r = (struct ranges){ .nr_ranges = direct ? roll(&l->dice, 3) : 1 + roll(&l->dice, 3) };
	return answer_to(l, ask(l, direct ? TYPE_DIRECT : TYPE_XFER, true, &l->r,
				VMBUS_GPA_TEST_SUM, 0, HANDLE), &v, false);
}

static int run_other_type(struct life *l)
{
	static const __u8 types[] = { 0, 4, 5, 6, TYPE_GPADL, 10, 11, 12, 255 };
	struct verdict v = {};

	packet_may(&v, EBADMSG);
	ranges_roll(l);
	return answer_to(l, ask(l, types[roll(&l->dice, ARRAY_SIZE(types))], true, &l->r,
				VMBUS_GPA_TEST_SUM, 0, HANDLE), &v, false);
}

/*
 * A descriptor that cannot be, or one of a type that has a header, without it: nothing is
 * answered any more, until the channel is reopened.
 */
static int run_break(struct life *l)
{
	static const __u64 wrong[][3] = {
		{ TYPE_INBAND, 0, 4 }, { TYPE_DIRECT, 1, 4 }, { TYPE_DIRECT, 5, 4 },
		{ TYPE_GPADL, 3, 2 }, { TYPE_DIRECT, 2, 0 }, { TYPE_INBAND, 2, 0xffff },
		{ TYPE_XFER, 0xffff, 0xffff }, { TYPE_DIRECT, 2, 4 }, { TYPE_XFER, 2, 4 },
	};
	const __u64 *w = wrong[roll(&l->dice, ARRAY_SIZE(wrong))];
	__u64 words[4] = { descriptor(w[0], w[1], w[2]), ++l->next_id };
	bool held = l->nr_held;

	put(l, words, 4);
	channel_close(l);
	/* What was held is answered when it is let go. */
	if (!held && !is_quiet(l))
		fuzz_fail("something behind a broken packet was answered");
	channel_open(l);
	return 0;
}

static int run_region(struct life *l)
{
	unsigned int half = roll(&l->dice, HALVES);
	bool held = is_held(l, half), retire = one_in(&l->dice, 2);
	struct vmbus_host_region region = { .slot = half };
	int ret;

	if (l->m.there[half]) {
		ret = retire ? vmm_retire(l->fd, &region, 1) : vmm_regions(l->fd, &region, 1);
		if (ret != (held && !retire ? -EBUSY : 0))
			fuzz_fail("region %u, %s: %d", half, held ? "in use" : "not in use", ret);
		l->m.there[half] = ret;
		return ret;
	}
	l->m.read_only[half] = one_in(&l->dice, 4);
	region.flags = (l->m.read_only[half] ? VMBUS_HOST_REGION_READ_ONLY : 0) |
		       (one_in(&l->dice, 3) ? VMBUS_HOST_REGION_RESIDENT : 0);
	region.gpa = MEM_GPA + half * HALF_PAGES * HV_PAGE;
	region.bytes = HALF_PAGES * HV_PAGE;
	region.hva = PTR(l->mem + half * HALF_PAGES * HV_PAGE);
	must("a region", vmm_regions(l->fd, &region, 1));
	l->m.there[half] = true;
	return 0;
}

static int run_evict(struct life *l)
{
	unsigned int page = roll(&l->dice, GUEST_PAGES), nr = 1 + roll(&l->dice, 8);

	if (nr > GUEST_PAGES - page)
		nr = GUEST_PAGES - page;
	/* What is held has other pages then: the model does not know these. */
	if (l->nr_held || !l->evictable)
		return 0;
	if (madvise(l->mem + page * HV_PAGE, nr * HV_PAGE, MADV_DONTNEED))
		return -errno;
	if (!l->keeps)
		memset(l->m.mem + page * HV_PAGE, 0, nr * HV_PAGE);
	return 0;
}

static int run_reopen(struct life *l)
{
	channel_close(l);
	channel_open(l);
	return 0;
}

static int run_destroy(struct life *l)
{
	must("DESTROY", vmm_destroy(l->fd, RELID));
	held_done(l);
	channel_create(l);
	return 0;
}

static int run_look(struct life *l)
{
	unsigned int i;

	if (!memcmp(l->mem, l->m.mem, GUEST_BYTES))
		return 0;
	for (i = 0; l->mem[i] == l->m.mem[i]; i++)
		;
	fuzz_fail("byte %#x of the guest is %#x instead of %#x", i, l->mem[i], l->m.mem[i]);
}

static const struct fuzz_op ops[NR_OPS] = {
	[SUM] = { "sum", 10, run_sum, { EFAULT } },
	[FILL] = { "fill", 10, run_fill, { EFAULT, EACCES } },
	[NOWAIT] = { "nowait", 6, run_nowait, { EFAULT, EACCES, EAGAIN } },
	[HOLD] = { "hold", 8, run_hold, { EFAULT, EACCES, EBADMSG } },
	[SPOIL] = { "spoil", 20, run_spoil, { EBADMSG, EMSGSIZE, EFAULT, EACCES } },
	[PARTS] = { "parts", 6, run_parts, { EBADMSG, EINVAL, EMSGSIZE, ENOENT, EFAULT } },
	[NO_RANGES] = { "no ranges", 4, run_no_ranges, { EBADMSG, ENOENT, EFAULT } },
	[OTHER_TYPE] = { "other type", 2, run_other_type, { EBADMSG } },
	[RELEASE] = { "release", 2, run_release, {} },
	[BREAK] = { "break", 1, run_break, {} },
	[REGION] = { "region", 6, run_region, { EBUSY } },
	[EVICT] = { "evict", 4, run_evict, {} },
	[REOPEN] = { "reopen", 1, run_reopen, {} },
	[DESTROY] = { "destroy", 1, run_destroy, {} },
	[LOOK] = { "look", 6, run_look, {} },
};

/* ---- The life ---- */

static void begin(struct life *l)
{
	static const enum memory kinds[] = {
		MEM_ANON, MEM_ANON_SHARED, MEM_MEMFD, MEM_THP, MEM_HUGETLB,
	};
	enum memory kind = kinds[roll(&l->dice, ARRAY_SIZE(kinds))];
	unsigned int i;

	l->mem = memory_alloc(kind, 2 << 20);
	l->m.mem = memory_alloc(MEM_ANON, GUEST_BYTES);
	l->ring = memory_alloc(MEM_ANON, RINGS_BYTES);
	if (!l->mem || !l->m.mem || !l->ring)
		fuzz_fail("no memory");
	l->keeps = kind == MEM_ANON_SHARED || kind == MEM_MEMFD;
	l->evictable = kind != MEM_HUGETLB;
	for (i = 0; i < GUEST_BYTES; i++)
		l->m.mem[i] = i * 37 >> 3;
	memcpy(l->mem, l->m.mem, GUEST_BYTES);
	l->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	l->fd = open("/dev/vmbus-host", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	must("CREATE", vmm_create(l->fd));
	must("the rings", vmm_region(l->fd, HALVES, 0, RING_GPA, RINGS_BYTES, l->ring));
	for (i = 0; i < HALVES; i++)
		run_region(l);
	channel_create(l);
}

static void life(__u64 seed, unsigned int length)
{
	static struct life l;
	__u64 sum = 0;

	l.dice.state = seed;
	l.mark = one_in(&l.dice, 2) ? roll(&l.dice, length) : length;
	begin(&l);
	for (fuzz->step = 0; fuzz->step < length; fuzz->step++) {
		if (fuzz->step == l.mark) {
			fuzz->mortal = true;
			kill(getpid(), SIGKILL);
		}
		sum = sum * 31 + fuzz_do(&l.dice, ops, NR_OPS, &l);
	}
	fuzz->end = sum + l.dice.state;
	run_release(&l);
	run_look(&l);
	close(l.fd);
}

#define PACKET_SEED(seed, length)	{ seed, length },

#define FUZZ_KIND				\
	.name = "packet",			\
	.ops = ops,				\
	.nr_ops = NR_OPS,			\
	.length = 400

#include "fuzz_main.h"

TEST_HARNESS_MAIN
