// SPDX-License-Identifier: GPL-2.0
/*
 * Random sequences of everything that a VMM, its guest and a backend can do with two files
 * of /dev/vmbus-host: messages, ioctls, the operations of the tests' backend, changes of
 * regions, reads and polls of all kinds, forks, and the end of the VMM at any point.
 *
 * There are few channels, handles and slots, and an operation mostly is about the same as
 * the one before, so that things meet. Now and then comes a script, a short sequence that
 * leads to where dice seldom do; others come in between.
 *
 * What is wrong: an error that is not documented; an answer too many, too early, or
 * missing; bytes read of a mapped GPADL that are not the guest's; what is left after the
 * VMM. The rest is the kernel's to say.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/userfaultfd.h>

#include "kselftest_harness.h"
#include "fuzz_vm.h"

#define VMS		2u
#define THREADS		4u
#define QUEUE		16u
#define SEND_MAX	20000u
#define COPY_MAX	16384u

/**
 * struct channel - a channel as the sequence goes
 * @backend: file of the tests' backend; -1 if none
 * @opened: the sequence has opened it, and not closed it again
 * @gone: it has to be made anew first
 * @hold: the backend may hold on to what it has mapped, if it is there
 * @holds: it does
 */
struct channel {
	int backend;
	bool opened;
	bool gone;
	bool hold;
	bool holds;
};

/* An operation in a thread of its own, since it may wait */
struct thread {
	struct task task;
	unsigned int op;
	struct vm *vm;
	__u32 relid;
};

/* How it ends */
enum ending {
	LEAVES,
	DIES,		/* after the last operation */
	IS_KILLED,	/* some time after the operation @mark */
};

struct life {
	struct dice dice;
	struct vm vms[VMS];
	struct channel channels[VMS][CHANNELS];
	int kick[VMS];
	int call[VMS];
	/* What the next operation is about */
	unsigned int v, c, h;
	unsigned char queue[QUEUE];
	unsigned int first, last;
	struct thread threads[THREADS];
	unsigned int nr_threads;
	int uffd;
	struct task pager;
	atomic_bool stop;
	enum ending ending;
	unsigned int mark;
	unsigned int delay;
};

enum op {
	/* The VMM */
	CREATE, REGIONS, CHANNEL, MODIFY, RESCIND, DESTROY, RESET, BAD_IOCTL, REOPEN,
	/* The guest */
	MAKE, TEARDOWN, MAKE_RING, TEARDOWN_RING, OPEN, CLOSE, RELEASE, JUNK_HEADER,
	JUNK_BODY, GARBAGE, BURST, BAD_WRITE, KICK, POKE,
	/* What comes back */
	READ, ODD_READ, BAD_READ, WAITING_READ, DRAIN, AWAIT, POLL,
	/* The backend */
	BIND, UNBIND, POLICY, HOLD, MAP, KTHREAD_MAP, ASYNC_MAP, WAIT, UNMAP, VMAP, VUNMAP,
	COPY_OUT, COPY_IN, VCOPY_OUT, VCOPY_IN, DMA_DIR, SG, SEND, RECV, STATE,
	/* Others */
	EVICT, FORK, JOIN, LOOK,
	NR_OPS,
};

static const struct fuzz_op ops[NR_OPS];

static struct vm *the_vm(struct life *l)
{
	return &l->vms[l->v];
}

static struct channel *the_channel(struct life *l)
{
	return &l->channels[l->v][l->c];
}

static __u32 the_handle(struct life *l)
{
	return vm_handles[l->h];
}

static unsigned int the_instance(struct life *l)
{
	return l->v * CHANNELS + l->c;
}

/* ---- The VMM: regions ---- */

/* One that can be right, depending on the others */
static struct vmbus_host_region region_roll(struct life *l)
{
	static const __u32 pfns[SLOTS] = {
		DATA_PFN, DATA_PFN + DATA_PAGES / 2, SLOW_PFN, RING_PFN, ALIAS_PFN, HOLE_PFN,
	};
	static const __u32 pages[SLOTS] = {
		DATA_PAGES / 2, DATA_PAGES / 2, SLOW_PAGES, CHANNELS * RING_PAGES, ALIAS_PAGES,
		HOLE_PAGES,
	};
	static const __u32 from[SLOTS] = { 0, DATA_PAGES / 2, 0, MEM_RING, 0, MEM_HOLE };
	unsigned int slot = roll(&l->dice, SLOTS);
	bool copy = one_in(&l->dice, 3) && slot != SLOT_RING && slot != SLOT_HOLE;
	unsigned int flags = roll(&l->dice, 6), part = roll(&l->dice, 6);
	struct vm *vm = the_vm(l);
	struct vmbus_host_region r = {
		.slot = slot,
		.flags = (flags == 0 ? VMBUS_HOST_REGION_READ_ONLY : 0) |
			 (flags <= 1 ? VMBUS_HOST_REGION_RESIDENT : 0),
		.gpa = pfns[slot] * (__u64)HV_PAGE,
		.bytes = (part ? pages[slot] : pages[slot] / 2) * HV_PAGE,
		.hva = slot == SLOT_SLOW ? PTR(vm->slow) :
		       PTR(vm->mem + (from[slot] + copy * MEM_COPY) * HV_PAGE),
	};

	if (one_in(&l->dice, 4))
		r.bytes = 0;
	/* Nothing works without the rings. */
	if (slot == SLOT_RING && !one_in(&l->dice, 8)) {
		r.flags &= VMBUS_HOST_REGION_RESIDENT;
		r.bytes = pages[slot] * HV_PAGE;
	}
	return r;
}

static void region_spoil(struct life *l, struct vmbus_host_region *r)
{
	switch (roll(&l->dice, 7)) {
	case 0:
		r->slot = VMBUS_HOST_REGION_SLOTS + roll(&l->dice, 2);
		break;
	case 1:
		r->flags = 1 << roll(&l->dice, 32);
		break;
	case 2:
		r->gpa += 1 + roll(&l->dice, HV_PAGE - 1);
		break;
	case 3:
		r->gpa = DATA_PFN * HV_PAGE;
		break;
	case 4:
		r->bytes = roll64(&l->dice) & -(__u64)HV_PAGE;
		r->hva = roll64(&l->dice) & -(__u64)HV_PAGE;
		break;
	case 5:
		/* There is nothing. */
		r->hva = HV_PAGE;
		break;
	default:
		r->flags = VMBUS_HOST_REGION_RESIDENT;
		r->hva = HV_PAGE;
	}
}

static int run_regions(struct life *l)
{
	struct vmbus_host_region regions[3];
	unsigned int nr = one_in(&l->dice, 3) ? 1 + roll(&l->dice, 3) : 1, i;

	for (i = 0; i < nr; i++)
		regions[i] = region_roll(l);
	if (one_in(&l->dice, 6))
		region_spoil(l, &regions[0]);
	return vm_change_regions(the_vm(l), regions, nr);
}

/* ---- The VMM: channels ---- */

static int fd_roll(struct life *l, int fd)
{
	switch (roll(&l->dice, 16)) {
	case 0:
		return 0;
	case 1:
		return -1 - (int)roll(&l->dice, 2);
	case 2:
		return 9999;
	default:
		return fd;
	}
}

static struct vmbus_host_signals signals_roll(struct life *l)
{
	struct vmbus_host_signals s = {
		.kick_fd = fd_roll(l, l->kick[l->v]),
		.call_fd = fd_roll(l, l->call[l->v]),
		.flag = one_in(&l->dice, 16) ? roll64(&l->dice) : roll(&l->dice, 2048),
	};

	switch (roll(&l->dice, 8)) {
	case 0:
		s.event_flags = PTR(the_vm(l)->mem) + roll(&l->dice, HV_PAGE);
		break;
	case 1:
		s.event_flags = HV_PAGE;
		break;
	case 2 ... 4:
		s.event_flags = PTR(the_vm(l)->mem + MEM_FLAGS * HV_PAGE);
	}
	/* Never where the data is: bits come at any time. */
	if (s.event_flags != HV_PAGE && s.event_flags % 8 == 0 && s.event_flags)
		s.event_flags = PTR(the_vm(l)->mem + MEM_FLAGS * HV_PAGE);
	return s;
}

static struct vmbus_host_signals good_signals(struct life *l)
{
	return (struct vmbus_host_signals){
		.kick_fd = l->kick[l->v],
		.call_fd = l->call[l->v],
		.event_flags = PTR(the_vm(l)->mem + MEM_FLAGS * HV_PAGE),
		.flag = RELID_OF(l->c),
	};
}

static int run_create(struct life *l)
{
	return vmm_create(the_vm(l)->fd);
}

static int run_channel(struct life *l)
{
	struct vmbus_host_signals s = signals_roll(l);

	if (!one_in(&l->dice, 6))
		s = good_signals(l);
	the_channel(l)->gone = false;
	return vmm_channel(the_vm(l)->fd, RELID_OF(l->c), the_instance(l),
			   one_in(&l->dice, 2) ? NULL : &s);
}

static int run_modify(struct life *l)
{
	struct vmbus_host_signals s = signals_roll(l);

	return vmm_modify(the_vm(l)->fd, RELID_OF(l->c), &s);
}

/* ---- What waits ---- */

static int thread_read(struct vm *vm)
{
	int ret = vm_hear(vm, VMBUS_HOST_MSG_MAX);

	return ret < 0 ? ret : 0;
}

static int thread_main(void *arg)
{
	struct thread *t = arg;
	int ret;

	switch (t->op) {
	case RESCIND:
		ret = vmm_rescind(t->vm->fd, t->relid);
		break;
	case DESTROY:
		ret = vmm_destroy(t->vm->fd, t->relid);
		break;
	case RESET:
		ret = vmm_reset(t->vm->fd);
		break;
	default:
		ret = thread_read(t->vm);
	}
	fuzz_count(ops, t->op, ret);
	return ret;
}

static struct thread *begin(struct life *l, enum op op)
{
	struct thread *t = &l->threads[l->nr_threads++];

	t->op = op;
	t->vm = the_vm(l);
	t->relid = RELID_OF(l->c);
	t->vm->threads++;
	/* Only a reader loses nothing. */
	if (op != WAITING_READ)
		t->vm->loose = true;
	task_start(&t->task, thread_main, t);
	return t;
}

/* A backend that holds on lets go when it is told to. */
static void let_go(struct life *l, unsigned int v, unsigned int c)
{
	struct channel *channel = &l->channels[v][c];

	channel->hold = false;
	channel->holds = false;
	memset(l->vms[v].held[c], 0, sizeof(l->vms[v].held[c]));
	if (channel->backend >= 0)
		backend_policy(channel->backend, ON_REVOKE_UNMAP);
}

/* A reader may wait for what does not come. */
static void thread_end(struct thread *t)
{
	while (!task_is_done(&t->task)) {
		if (t->op == WAITING_READ)
			pthread_kill(t->task.thread, SIGUSR1);
		usleep(1000);
	}
	task_join(&t->task);
}

static int run_join(struct life *l)
{
	unsigned int v, c, i;

	for (v = 0; v < VMS; v++) {
		for (c = 0; c < CHANNELS; c++)
			let_go(l, v, c);
	}
	for (i = 0; i < l->nr_threads; i++)
		thread_end(&l->threads[i]);
	l->nr_threads = 0;
	for (v = 0; v < VMS; v++)
		l->vms[v].threads = 0;
	return 0;
}

/* Here, if that must end; else, and sometimes, in a thread of its own */
static int block(struct life *l, enum op op)
{
	bool may_hang = l->channels[l->v][0].hold || l->channels[l->v][1].hold;
	bool apart = one_in(&l->dice, 4);

	if (!may_hang && !apart)
		return 0;
	if (l->nr_threads == THREADS)
		run_join(l);
	begin(l, op);
	return FUZZ_LATER;
}

static int run_rescind(struct life *l)
{
	the_channel(l)->opened = false;
	the_channel(l)->gone = true;
	return block(l, RESCIND) ?: vmm_rescind(the_vm(l)->fd, RELID_OF(l->c));
}

static int run_destroy(struct life *l)
{
	int ret;

	the_channel(l)->opened = false;
	the_channel(l)->gone = true;
	ret = block(l, DESTROY);
	if (ret)
		return ret;
	ret = vmm_destroy(the_vm(l)->fd, RELID_OF(l->c));
	if (!ret)
		vm_forget_channel(the_vm(l), l->c);
	return ret;
}

static int run_reset(struct life *l)
{
	int ret;

	l->channels[l->v][0].opened = false;
	l->channels[l->v][1].opened = false;
	ret = block(l, RESET);
	if (ret)
		return ret;
	ret = vmm_reset(the_vm(l)->fd);
	if (!ret)
		vm_forget(the_vm(l));
	return ret;
}

/* For a message, until one comes or somebody says that it is enough */
static int run_waiting_read(struct life *l)
{
	struct vm *vm = the_vm(l);
	struct thread *t;
	int n;

	if (l->nr_threads == THREADS)
		run_join(l);
	fcntl(vm->fd, F_SETFL, 0);
	t = begin(l, WAITING_READ);
	for (n = 0; n < 50 && !task_is_done(&t->task) && !task_sleeps(&t->task); n++)
		usleep(1000);
	fcntl(vm->fd, F_SETFL, O_NONBLOCK);
	return FUZZ_LATER;
}

/* ---- The VMM: nonsense, and a new beginning ---- */

static int run_bad_ioctl(struct life *l)
{
	static const __u32 sizes[] = { 0, 4, 8, 16, 24, 40, 88, 4096, 4097, ~0u };
	__u32 page[1024] = {};
	__u32 nr = roll(&l->dice, 10), words = roll(&l->dice, 12), i;
	unsigned long cmd = _IO(VMBUS_HOST_IOC, nr);
	void *arg = one_in(&l->dice, 8) ? (void *)8 : page;

	if (one_in(&l->dice, 8))
		cmd = roll64(&l->dice) & 0xffffffff;
	for (i = 0; i < words; i++)
		page[roll(&l->dice, 32)] = roll64(&l->dice);
	page[0] = sizes[roll(&l->dice, 10)];
	/* Flags that no command has: whatever else is right, nothing comes of it. */
	page[1] = 0x80000000 | roll64(&l->dice);
	return ioctl(the_vm(l)->fd, cmd, arg) ? -errno : 0;
}

static void begin_partition(struct life *l, unsigned int v)
{
	struct vm *vm = &l->vms[v];
	unsigned int c;
	int ret;

	vm->fd = open("/dev/vmbus-host", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	ret = vm->fd < 0 ? -errno : vmm_create(vm->fd);
	if (ret)
		fuzz_fail("open, or CREATE: %d", ret);
	ret = vm_set_regions(vm);
	if (ret)
		fuzz_fail("the first regions: %d", ret);
	for (c = 0; c < CHANNELS; c++) {
		l->channels[v][c].opened = false;
		/* There may be a limit. */
		ret = vmm_channel(vm->fd, RELID_OF(c), v * CHANNELS + c, NULL);
		if (ret && ret != -ENOSPC)
			fuzz_fail("the first channels: %d", ret);
	}
}

static int run_reopen(struct life *l)
{
	struct vm *vm = the_vm(l);

	if (l->nr_threads)
		run_join(l);
	close(vm->fd);
	/* Those who were forked have the old one. */
	vm->ledger = fuzz_share(sizeof(*vm->ledger));
	if (!vm->ledger)
		fuzz_fail("no memory");
	vm->forked = false;
	vm_forget(vm);
	memset(vm->held, 0, sizeof(vm->held));
	begin_partition(l, l->v);
	return 0;
}

/* ---- The guest ---- */

static int run_make(struct life *l)
{
	bool read_only = one_in(&l->dice, 6);

	if (l->h >= DATA_HANDLES)
		return 0;
	return vm_make(the_vm(l), l->c, l->h, read_only);
}

static int run_make_ring(struct life *l)
{
	return vm_make(the_vm(l), l->c, RING, false);
}

static int run_teardown(struct life *l)
{
	return vm_teardown(the_vm(l), l->c, l->h);
}

static int run_teardown_ring(struct life *l)
{
	the_channel(l)->opened = false;
	return vm_teardown(the_vm(l), l->c, RING);
}

static __u32 *the_ring(struct life *l, unsigned int page)
{
	return (void *)(the_vm(l)->mem + (MEM_RING + l->c * RING_PAGES + page) * HV_PAGE);
}

static int run_open(struct life *l)
{
	struct msg_open msg = {
		.type = MSG_OPENCHANNEL,
		.relid = RELID_OF(l->c),
		.openid = roll64(&l->dice),
		.ring_handle = vm_handles[one_in(&l->dice, 24) ? JUNK : RING],
		.ring_page = one_in(&l->dice, 24) ? roll(&l->dice, 6) : 2,
		.userdata = "hello",
	};

	if (!one_in(&l->dice, 16)) {
		memset(the_ring(l, 0), 0, 64);
		memset(the_ring(l, 2), 0, 64);
	}
	return vm_say(the_vm(l), &msg, sizeof(msg), false);
}

static int say_channel(struct life *l, __u32 type)
{
	struct msg_channel msg = { .type = type, .relid = RELID_OF(l->c) };

	the_channel(l)->opened = false;
	return vm_say(the_vm(l), &msg, sizeof(msg), false);
}

static int run_close(struct life *l)
{
	return say_channel(l, MSG_CLOSECHANNEL);
}

static int run_release(struct life *l)
{
	return say_channel(l, MSG_RELID_RELEASED);
}

/* Not a page of the data: what has a ring or a backend there writes at any time. */
static __u64 junk_page(struct life *l)
{
	switch (roll(&l->dice, 4)) {
	case 0:
		return SLOW_PFN + roll(&l->dice, SLOW_PAGES);
	case 1:
		return HOLE_PFN + roll(&l->dice, HOLE_PAGES);
	default:
		return RING_PFN + roll(&l->dice, CHANNELS * RING_PAGES);
	}
}

static void junk_roll(struct life *l, __u64 *words, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		words[i] = junk_page(l);
		if (one_in(&l->dice, 10))
			words[i] = range_word(roll(&l->dice, HV_PAGE),
					      roll(&l->dice, 20) * HV_PAGE);
		if (one_in(&l->dice, 40))
			words[i] = roll64(&l->dice);
	}
	/* As a rule it begins with a range. */
	if (!one_in(&l->dice, 6))
		words[0] = range_word(0, (1 + roll(&l->dice, 30)) * HV_PAGE);
}

static int run_junk_header(struct life *l)
{
	struct msg_header msg = {
		.type = MSG_GPADL_HEADER,
		.relid = RELID_OF(l->c),
		.handle = vm_handles[JUNK],
		.range_buflen = one_in(&l->dice, 12) ? roll64(&l->dice) : roll(&l->dice, 60) * 8,
		.rangecount = one_in(&l->dice, 12) ? roll64(&l->dice) : 1,
	};
	unsigned int nr = roll(&l->dice, HEADER_WORDS + 1);

	junk_roll(l, msg.words, HEADER_WORDS);
	return vm_say(the_vm(l), &msg, HEADER_LEN(nr), one_in(&l->dice, 6));
}

static int run_junk_body(struct life *l)
{
	struct msg_body msg = {
		.type = MSG_GPADL_BODY,
		.msgnumber = roll64(&l->dice),
		.handle = vm_handles[JUNK],
	};
	unsigned int nr = roll(&l->dice, BODY_WORDS + 1);

	junk_roll(l, msg.words, BODY_WORDS);
	return vm_say(the_vm(l), &msg, BODY_LEN(nr), false);
}

/* Of any length, and of any type */
static int run_garbage(struct life *l)
{
	__u32 msg[80], type, i;
	__u64 page;
	size_t len = one_in(&l->dice, 3) ? roll(&l->dice, 32) : roll(&l->dice, 260);

	for (i = 0; i < 80; i++)
		msg[i] = roll64(&l->dice);
	type = one_in(&l->dice, 2) ? roll(&l->dice, 20) : 5 + roll(&l->dice, 9);
	msg[0] = type;
	msg[2] = one_in(&l->dice, 8) ? roll(&l->dice, 4096) : RELID_OF(l->c);
	/* Those of the data keep their lists, and the data is no ring. */
	msg[3] = vm_handles[JUNK];
	msg[4] = one_in(&l->dice, 2) ? msg[4] : vm_handles[JUNK];
	if (type == MSG_OPENCHANNEL && one_in(&l->dice, 2))
		msg[4] = vm_handles[RING];
	/* Mostly pages, where there can be some */
	for (i = 5 - (type == MSG_GPADL_BODY); i + 1 < 80 && type != MSG_OPENCHANNEL; i += 2) {
		page = junk_page(l);
		memcpy(&msg[i], &page, sizeof(page));
	}
	if (type == MSG_RELID_RELEASED || type == MSG_CLOSECHANNEL)
		the_channel(l)->opened = false;
	return vm_say(the_vm(l), msg, len, one_in(&l->dice, 4));
}

/* More than there is room for answers */
static int run_burst(struct life *l)
{
	unsigned int nr = 200 + roll(&l->dice, 100);
	int ret = 0;

	while (!ret && nr--)
		ret = vm_teardown(the_vm(l), l->c, JUNK);
	return ret;
}

static int run_bad_write(struct life *l)
{
	__u32 len = roll(&l->dice, 300);

	return write(the_vm(l)->fd, (void *)8, len) < 0 ? -errno : 0;
}

static int run_kick(struct life *l)
{
	return eventfd_write(l->kick[l->v], 1 + roll(&l->dice, 3)) ? -errno : 0;
}

/* The guest writes into its rings, sense or not. */
static int run_poke(struct life *l)
{
	__u32 *in = the_ring(l, 0), at = roll(&l->dice, 16), len8 = 2 + roll(&l->dice, 6);
	bool sense = !one_in(&l->dice, 4);
	__u32 value = roll64(&l->dice);

	if (!sense) {
		the_ring(l, one_in(&l->dice, 2) ? 0 : 2)[at] = value;
		return 0;
	}
	at = in[0] % 4096 / 8 * 2;
	the_ring(l, 1)[at % 1024] = 6 | 2 << 16;
	the_ring(l, 1)[(at + 1) % 1024] = len8;
	in[0] = (at * 4 + len8 * 8 + 8) % 4096;
	return 0;
}

/* ---- What comes back ---- */

static int heard_or_not(int ret)
{
	return ret < 0 ? ret : 0;
}

static int run_read(struct life *l)
{
	return heard_or_not(vm_hear(the_vm(l), VMBUS_HOST_MSG_MAX));
}

static int run_odd_read(struct life *l)
{
	size_t size = one_in(&l->dice, 2) ? roll(&l->dice, 240) : 241 + roll(&l->dice, 3000);

	return heard_or_not(vm_hear(the_vm(l), size));
}

/* Nothing is lost by it. */
static int run_bad_read(struct life *l)
{
	return read(the_vm(l)->fd, nowhere, VMBUS_HOST_MSG_MAX) < 0 ? -errno : 0;
}

static int run_drain(struct life *l)
{
	vm_drain(the_vm(l));
	return 0;
}

/* Until the channel's opens are answered, but not for long */
static int run_await(struct life *l)
{
	struct vm *vm = the_vm(l);
	int n;

	for (n = 0; n < 30; n++) {
		vm_drain(vm);
		if (vm->ledger->opened[l->c] >= vm->ledger->opens[l->c])
			return 0;
		usleep(2000);
	}
	return -ETIMEDOUT;
}

static int run_poll(struct life *l)
{
	struct vm *vm = the_vm(l);
	int events = poll_now(vm->fd);

	if (events < 0)
		return events;
	if (events & ~(POLLIN | POLLOUT))
		fuzz_fail("poll() says %#x", events);
	/* Nobody else reads, or resets. */
	if (events & POLLIN && !vm->forked && !vm->threads &&
	    vm_hear(vm, VMBUS_HOST_MSG_MAX) < 0)
		fuzz_fail("poll() says POLLIN, and there is nothing");
	return 0;
}

/* ---- The backend ---- */

static void unbind(struct life *l)
{
	struct channel *channel = the_channel(l);

	let_go(l, l->v, l->c);
	if (channel->backend >= 0)
		close(channel->backend);
	channel->backend = -1;
}

static int run_bind(struct life *l)
{
	struct channel *channel = the_channel(l);

	unbind(l);
	channel->backend = backend_open(the_instance(l));
	return channel->backend < 0 ? channel->backend : 0;
}

static int run_unbind(struct life *l)
{
	unbind(l);
	return 0;
}

static int set_policy(struct life *l, __u32 policy)
{
	struct channel *channel = the_channel(l);
	int ret;

	let_go(l, l->v, l->c);
	channel->hold = policy == ON_REVOKE_HOLD;
	if (channel->backend < 0)
		return -EBADF;
	ret = backend_policy(channel->backend, policy);
	channel->holds = !ret && channel->hold;
	return ret;
}

static int run_policy(struct life *l)
{
	__u32 policy = one_in(&l->dice, 8) ? VMBUS_GPADL_TEST_REFUSE_OPEN :
		       one_in(&l->dice, 2) ? ON_REVOKE_HOLD : ON_REVOKE_UNMAP;

	return set_policy(l, policy);
}

static int run_hold(struct life *l)
{
	return set_policy(l, ON_REVOKE_HOLD);
}

static __u32 map_flags(struct life *l)
{
	__u32 odd = 1u << roll(&l->dice, 32);

	return one_in(&l->dice, 24) ? odd : one_in(&l->dice, 2) ? MAP_READ_ONLY : 0;
}

static int run_map(struct life *l)
{
	__u32 flags = map_flags(l);
	int ret = backend_map(the_channel(l)->backend, the_handle(l), flags);

	if (!ret && the_channel(l)->holds)
		the_vm(l)->held[l->c][l->h] = true;
	return ret;
}

static int run_kthread_map(struct life *l)
{
	__u32 flags = map_flags(l);

	return backend_map_by_kthread(the_channel(l)->backend, the_handle(l), flags);
}

static int run_async_map(struct life *l)
{
	__u32 flags = map_flags(l);

	return backend_map_begin(the_channel(l)->backend, the_handle(l), flags);
}

static int run_wait(struct life *l)
{
	return backend_map_end(the_channel(l)->backend, the_handle(l));
}

static int run_unmap(struct life *l)
{
	the_vm(l)->held[l->c][l->h] = false;
	return backend_unmap(the_channel(l)->backend, the_handle(l));
}

static int run_vmap(struct life *l)
{
	return backend_vmap(the_channel(l)->backend, the_handle(l));
}

static int run_vunmap(struct life *l)
{
	return backend_vunmap(the_channel(l)->backend, the_handle(l));
}

/* Mostly inside of it */
static void extent_roll(struct life *l, __u32 *offset, __u32 *len)
{
	__u32 bytes = l->h < DATA_HANDLES ? the_vm(l)->bytes[l->c][l->h] : HV_PAGE;

	*offset = roll(&l->dice, bytes);
	*len = 1 + roll(&l->dice, COPY_MAX);
	if (*len > bytes - *offset && !one_in(&l->dice, 16))
		*len = bytes - *offset;
}

static int copy_out(struct life *l,
		    int (*copy)(int fd, __u32 handle, __u64 offset, void *buf, size_t len))
{
	static char buf[COPY_MAX];
	__u32 offset, len;
	int ret;

	extent_roll(l, &offset, &len);
	ret = copy(the_channel(l)->backend, the_handle(l), offset, buf, len);
	if (!ret && l->h < DATA_HANDLES)
		vm_compare(the_vm(l), l->c, l->h, offset, buf, len);
	return ret;
}

static int copy_in(struct life *l, int (*copy)(int fd, __u32 handle, __u64 offset,
					       const void *buf, size_t len),
		   int (*back)(int fd, __u32 handle, __u64 offset, void *buf, size_t len))
{
	static char buf[COPY_MAX];
	__u32 offset, len, i, first = roll64(&l->dice);
	int fd = the_channel(l)->backend, ret;

	extent_roll(l, &offset, &len);
	for (i = 0; i < len; i++)
		buf[i] = (first + i) * 37 >> 3;
	ret = copy(fd, the_handle(l), offset, buf, len);
	/* One page may be in it twice: what it holds now counts. */
	if (!ret && l->h < DATA_HANDLES && !back(fd, the_handle(l), offset, buf, len))
		vm_compare(the_vm(l), l->c, l->h, offset, buf, len);
	return ret;
}

static int run_copy_out(struct life *l)
{
	return copy_out(l, backend_read);
}

static int run_vcopy_out(struct life *l)
{
	return copy_out(l, backend_vread);
}

static int run_copy_in(struct life *l)
{
	return copy_in(l, backend_write, backend_read);
}

static int run_vcopy_in(struct life *l)
{
	return copy_in(l, backend_vwrite, backend_vread);
}

static int run_dma_dir(struct life *l)
{
	int ret = backend_dma_dir(the_channel(l)->backend, the_handle(l));

	if (ret > 1)
		fuzz_fail("a DMA direction of %d", ret);
	return ret;
}

static int run_sg(struct life *l)
{
	struct vmbus_gpadl_test_sg sg[64];
	int nr, i;
	__u32 bytes = 0;

	nr = backend_sg(the_channel(l)->backend, the_handle(l), sg, 64);
	if (nr < 0 || l->h >= DATA_HANDLES)
		return nr;
	for (i = 0; i < nr; i++)
		bytes += sg[i].length;
	if (nr > 64 || bytes != the_vm(l)->bytes[l->c][l->h])
		fuzz_fail("a scatterlist of %d entries, %u bytes instead of %u", nr, bytes,
			  the_vm(l)->bytes[l->c][l->h]);
	return nr;
}

static int run_send(struct life *l)
{
	static const char bytes[SEND_MAX];
	__u32 len = one_in(&l->dice, 8) ? roll(&l->dice, SEND_MAX) : roll(&l->dice, 128);

	return backend_send(the_channel(l)->backend, bytes, len);
}

static int run_recv(struct life *l)
{
	static char bytes[SEND_MAX];
	__u32 len = one_in(&l->dice, 4) ? roll(&l->dice, 64) : SEND_MAX;
	int ret = backend_recv(the_channel(l)->backend, bytes, len);

	if (ret > (int)len)
		fuzz_fail("%d bytes received where %u were asked for", ret, len);
	return ret;
}

static int run_state(struct life *l)
{
	struct vmbus_gpadl_test_state s =
		backend_state(the_channel(l)->backend, the_instance(l));

	if (s.closes > s.opens)
		fuzz_fail("%u closes of %u opens", s.closes, s.opens);
	return 0;
}

/* ---- Others ---- */

static int run_evict(struct life *l)
{
	return madvise(the_vm(l)->slow, SLOW_PAGES * HV_PAGE, MADV_DONTNEED) ? -errno : 0;
}

/* Another process does not own the address space, and has all files. Only system calls. */
static void child(struct life *l, struct dice d)
{
	struct vm *vm = the_vm(l);
	unsigned int n = 1 + roll(&d, 8);

	/* Somebody may just have made the file one that blocks. */
	alarm(5);
	while (n--) {
		switch (roll(&d, 6)) {
		case 0:
			vm_teardown(vm, l->c, JUNK);
			break;
		case 1:
			vm_hear(vm, VMBUS_HOST_MSG_MAX);
			break;
		case 2:
			if (vmm_reset(vm->fd) != -EIO || vmm_rescind(vm->fd, 1) != -EIO)
				fuzz_fail("an ioctl of another process");
			break;
		case 3:
			backend_map(the_channel(l)->backend, vm_handles[roll(&d, HANDLES)],
				    MAP_READ_ONLY);
			break;
		case 4:
			poll_now(vm->fd);
			break;
		default:
			usleep(roll(&d, 5000));
		}
	}
	_exit(0);
}

static int run_fork(struct life *l)
{
	struct dice d = { roll64(&l->dice) };
	pid_t pid;

	the_vm(l)->forked = true;
	the_vm(l)->loose = true;
	pid = fork();
	if (!pid)
		child(l, d);
	return pid < 0 ? -errno : 0;
}

/* ---- States of the kernel's, as debugfs shows them ---- */

static const char *const gpadl_states[] = {
	"ASSEMBLING", "READY", "MAPPING", "MAPPED", "UNMAPPING",
};

static const char *const endpoint_states[] = { " closed", " opening", " open", " closing" };

#define FIRST_ENDPOINT	20u
#define FIRST_RING	36u
#define NR_STATES	38u

static const char *state_name(unsigned int state)
{
	static char name[64];

	if (state >= FIRST_RING)
		return state == FIRST_RING ? "ring of the guest broken" :
					     "ring of the host broken";
	if (state >= FIRST_ENDPOINT)
		snprintf(name, sizeof(name), "channel%s%s%s",
			 endpoint_states[(state - FIRST_ENDPOINT) / 4],
			 state & 2 ? ", rescinded" : "", state & 1 ? ", released" : "");
	else
		snprintf(name, sizeof(name), "GPADL %s%s%s", gpadl_states[state / 4],
			 state & 2 ? ", leaving" : "", state & 1 ? ", wanted back" : "");
	return name;
}

static void saw_gpadl(const char *line)
{
	char state[16];
	unsigned int i;

	if (sscanf(line, "%*s %*s %15s", state) != 1)
		return;
	for (i = 0; i < 5; i++)
		if (!strcmp(state, gpadl_states[i]))
			fuzz->states[i * 4 + 2 * !!strstr(line, " leaving") +
				     (strstr(line, " wanted-back") || strstr(line, " revoked"))]++;
}

static void saw_endpoint(const char *line)
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		const char *at = strstr(line, endpoint_states[i]);

		if (at && at[strlen(endpoint_states[i])] == ' ')
			fuzz->states[FIRST_ENDPOINT + i * 4 + 2 * !!strstr(line, " rescinded") +
				     !!strstr(line, " released")]++;
	}
	fuzz->states[FIRST_RING] += !!strstr(line, " bad-in-ring");
	fuzz->states[FIRST_RING + 1] += !!strstr(line, " bad-out-ring");
}

static void look_at(const char *path, void (*saw)(const char *line))
{
	FILE *f = fopen(path, "re");
	char line[512];

	/* It may just have gone. */
	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		saw(line);
	fclose(f);
}

static int run_look(struct life *l)
{
	size_t i;
	glob_t g;

	look_at("/sys/kernel/debug/vmbus_host/endpoints", saw_endpoint);
	if (glob("/sys/kernel/debug/vmbus_gpadl/*/gpadls", GLOB_NOSORT, NULL, &g))
		return 0;
	for (i = 0; i < g.gl_pathc; i++)
		look_at(g.gl_pathv[i], saw_gpadl);
	globfree(&g);
	return 0;
}

/* ---- What there is to do ---- */

/* EBADF of a backend's: there is none */
static const struct fuzz_op ops[NR_OPS] = {
	[CREATE] = { "create", 1, run_create, { EBUSY } },
	[REGIONS] = { "regions", 16, run_regions,
		      { EINVAL, EOPNOTSUPP, EEXIST, ENOENT, EBUSY, EFAULT, ENOMEM } },
	[CHANNEL] = { "channel", 4, run_channel,
		{ EEXIST, ENOSPC, EINVAL, EBADF, EFAULT, ENOMEM, EOPNOTSUPP } },
	[MODIFY] = { "modify", 4, run_modify,
		{ ENOENT, EINVAL, EBADF, EFAULT, ENOMEM, EOPNOTSUPP } },
	[RESCIND] = { "rescind", 2, run_rescind, { ENOENT } },
	[DESTROY] = { "destroy", 2, run_destroy, { ENOENT } },
	[RESET] = { "reset", 3, run_reset, {} },
	[BAD_IOCTL] = { "bad ioctl", 4, run_bad_ioctl,
			{ ENOTTY, E2BIG, EOPNOTSUPP, EINVAL, EFAULT } },
	[REOPEN] = { "reopen", 1, run_reopen, {} },
	[MAKE] = { "make", 24, run_make, { ENXIO, ENOENT, EAGAIN } },
	[TEARDOWN] = { "teardown", 12, run_teardown, { ENXIO, EAGAIN } },
	[MAKE_RING] = { "make ring", 2, run_make_ring, { ENXIO, EAGAIN } },
	[TEARDOWN_RING] = { "tear ring", 2, run_teardown_ring, { ENXIO, EAGAIN } },
	[OPEN] = { "open", 3, run_open, { ENXIO, EAGAIN } },
	[CLOSE] = { "close", 2, run_close, { ENXIO } },
	[RELEASE] = { "release", 1, run_release, { ENXIO } },
	[JUNK_HEADER] = { "junk", 8, run_junk_header, { ENXIO, EAGAIN } },
	[JUNK_BODY] = { "junk body", 8, run_junk_body, { ENOENT, EAGAIN } },
	[GARBAGE] = { "garbage", 8, run_garbage,
		{ EBADMSG, EOPNOTSUPP, ENXIO, ENOENT, EAGAIN, EFAULT } },
	[BURST] = { "burst", 1, run_burst, { ENXIO, EAGAIN } },
	[BAD_WRITE] = { "bad write", 2, run_bad_write, { EFAULT, EBADMSG } },
	[KICK] = { "kick", 4, run_kick, { EAGAIN } },
	[POKE] = { "poke", 8, run_poke, {} },
	[READ] = { "read", 16, run_read, { EAGAIN } },
	[ODD_READ] = { "odd read", 4, run_odd_read, { EAGAIN, EMSGSIZE } },
	[BAD_READ] = { "bad read", 3, run_bad_read, { EAGAIN, EFAULT } },
	[WAITING_READ] = { "wait read", 2, run_waiting_read, { EINTR, EAGAIN } },
	[DRAIN] = { "drain", 6, run_drain, {} },
	[AWAIT] = { "await", 2, run_await, { ETIMEDOUT } },
	[POLL] = { "poll", 4, run_poll, {} },
	[BIND] = { "bind", 4, run_bind, { ENOENT, EBUSY } },
	[UNBIND] = { "unbind", 1, run_unbind, {} },
	[POLICY] = { "policy", 6, run_policy, { EBADF } },
	[HOLD] = { "hold", 2, run_hold, { EBADF } },
	[MAP] = { "map", 24, run_map,
		{ EBADF, ENODEV, EINVAL, ENOENT, ESHUTDOWN, EBUSY, EACCES, EFAULT, ENOMEM } },
	[KTHREAD_MAP] = { "kthread map", 8, run_kthread_map,
		{ EBADF, ENODEV, EINVAL, ENOENT, ESHUTDOWN, EBUSY, EACCES, EFAULT, ENOMEM } },
	[ASYNC_MAP] = { "async map", 10, run_async_map,
		{ EBADF, ENODEV, EINVAL, ENOENT, ESHUTDOWN, EBUSY, EACCES, EFAULT, ENOMEM } },
	[WAIT] = { "wait", 8, run_wait,
		{ EBADF, ENODEV, EINVAL, ENOENT, ESHUTDOWN, EBUSY, EACCES, EFAULT, ENOMEM } },
	[UNMAP] = { "unmap", 14, run_unmap, { EBADF, ENODEV, ENOENT } },
	[VMAP] = { "vmap", 10, run_vmap,
		{ EBADF, ENODEV, ENOENT, EOPNOTSUPP, EBUSY, ENOMEM } },
	[VUNMAP] = { "vunmap", 4, run_vunmap, { EBADF, ENODEV, ENOENT } },
	[COPY_OUT] = { "copy out", 14, run_copy_out, { EBADF, ENODEV, ENOENT, EINVAL } },
	[COPY_IN] = { "copy in", 10, run_copy_in,
		{ EBADF, ENODEV, ENOENT, EINVAL, EACCES } },
	[VCOPY_OUT] = { "vcopy out", 6, run_vcopy_out, { EBADF, ENODEV, ENOENT, EINVAL } },
	[VCOPY_IN] = { "vcopy in", 6, run_vcopy_in,
		{ EBADF, ENODEV, ENOENT, EINVAL, EACCES } },
	[DMA_DIR] = { "dma dir", 2, run_dma_dir, { EBADF, ENODEV, ENOENT } },
	[SG] = { "sg", 6, run_sg, { EBADF, ENODEV, ENOENT } },
	[SEND] = { "send", 6, run_send, { EBADF, ENODEV, EAGAIN, EMSGSIZE, EIO } },
	[RECV] = { "recv", 8, run_recv, { EBADF, ENODEV, EAGAIN, EMSGSIZE, EIO } },
	[STATE] = { "state", 2, run_state, {} },
	[EVICT] = { "evict", 8, run_evict, {} },
	[FORK] = { "fork", 1, run_fork, {} },
	[JOIN] = { "join", 4, run_join, {} },
	[LOOK] = { "look", 8, run_look, {} },
};

#define GENTLE_SCRIPTS	9u

/*
 * Each ends with NR_OPS, unless it is as long as can be. The first ones leave the channel
 * open, and come as often as all the others.
 */
static const unsigned char scripts[][QUEUE / 2] = {
	{ MAKE, MAP, VMAP, VCOPY_IN, COPY_OUT, UNMAP, TEARDOWN, NR_OPS },
	{ MAKE, MAP, COPY_IN, SG, COPY_OUT, NR_OPS },
	{ MAKE, MAP, REGIONS, REGIONS, COPY_OUT, UNMAP, REGIONS, MAP },
	/* Mapped and leaving, and named again */
	{ HOLD, MAKE, MAP, TEARDOWN, MAKE, LOOK, COPY_OUT, UNMAP },
	{ HOLD, MAKE, MAP, TEARDOWN, DRAIN, TEARDOWN, LOOK, JOIN },
	{ EVICT, MAKE, ASYNC_MAP, LOOK, TEARDOWN, LOOK, WAIT, UNMAP },
	{ BURST, MAKE, OPEN, POLL, READ, MAKE, DRAIN, NR_OPS },
	{ POKE, KICK, RECV, SEND, POKE, RECV, RECV, NR_OPS },
	{ JUNK_HEADER, JUNK_BODY, JUNK_BODY, LOOK, NR_OPS },
	/* Reset, rescinded, closed, released, destroyed while mapped */
	{ HOLD, MAKE, MAP, RESET, LOOK, MAKE, UNMAP, JOIN },
	{ HOLD, MAKE, MAP, RESCIND, LOOK, MAP, TEARDOWN, JOIN },
	{ HOLD, MAKE, MAP, CLOSE, OPEN, LOOK, UNMAP, AWAIT },
	{ HOLD, MAKE, MAP, RELEASE, LOOK, MAKE, UNMAP, DRAIN },
	{ HOLD, MAKE, MAP, DESTROY, LOOK, COPY_IN, UNMAP, JOIN },
	{ HOLD, MAKE, MAP, REOPEN, LOOK, UNMAP, UNBIND, NR_OPS },
	/* The same while a map is at work */
	{ EVICT, MAKE, ASYNC_MAP, RESET, LOOK, WAIT, NR_OPS },
	{ EVICT, MAKE, ASYNC_MAP, RESCIND, LOOK, WAIT, NR_OPS },
	{ EVICT, MAKE, ASYNC_MAP, RELEASE, LOOK, REOPEN, WAIT, NR_OPS },
	{ EVICT, MAKE, ASYNC_MAP, REGIONS, UNBIND, LOOK, NR_OPS },
	/* After a rescind the guest still speaks. */
	{ RESCIND, MAKE, TEARDOWN, OPEN, LOOK, RELEASE, MAKE, LOOK },
	{ TEARDOWN_RING, LOOK, DRAIN, MAKE_RING, OPEN, AWAIT, BIND, NR_OPS },
	{ MAKE, BAD_READ, DESTROY, CHANNEL, READ, DRAIN, NR_OPS },
	{ MAKE, BAD_READ, RELEASE, READ, DRAIN, NR_OPS },
};

static void enqueue(struct life *l, enum op op)
{
	l->queue[l->last++ % QUEUE] = op;
}

static void plan_opening(struct life *l)
{
	if (the_channel(l)->gone) {
		enqueue(l, DESTROY);
		enqueue(l, CHANNEL);
	}
	enqueue(l, MAKE_RING);
	enqueue(l, OPEN);
	enqueue(l, AWAIT);
	enqueue(l, BIND);
	the_channel(l)->opened = true;
}

static void plan(struct life *l)
{
	const unsigned char *script;
	unsigned int i;

	if (one_in(&l->dice, 3)) {
		l->v = one_in(&l->dice, 4);
		l->c = roll(&l->dice, CHANNELS);
	}
	/* A channel has two handles of its own, so to speak. */
	l->h = one_in(&l->dice, 8) ? roll(&l->dice, HANDLES) : 2 * l->c + roll(&l->dice, 2);
	if (!the_channel(l)->opened && !one_in(&l->dice, 6)) {
		plan_opening(l);
		return;
	}
	script = scripts[roll(&l->dice, one_in(&l->dice, 2) ? GENTLE_SCRIPTS :
			      ARRAY_SIZE(scripts))];
	if (one_in(&l->dice, 2))
		for (i = 0; i < QUEUE / 2 && script[i] != NR_OPS; i++)
			enqueue(l, script[i]);
}

static enum op next(struct life *l)
{
	bool idle = l->first == l->last;

	if (idle && !one_in(&l->dice, the_channel(l)->opened ? 2 : 4))
		plan(l);
	if (l->first != l->last && !one_in(&l->dice, 8))
		return l->queue[l->first++ % QUEUE];
	return fuzz_choose(&l->dice, ops, NR_OPS);
}

/* ---- The life ---- */

static void page_in(struct life *l, struct dice *d)
{
	struct uffd_msg msg;
	struct uffdio_zeropage zero = {};

	if (read(l->uffd, &msg, sizeof(msg)) != sizeof(msg) ||
	    msg.event != UFFD_EVENT_PAGEFAULT)
		return;
	usleep(roll(d, 4000));
	zero.range.start = msg.arg.pagefault.address & -(__u64)HV_PAGE;
	zero.range.len = HV_PAGE;
	ioctl(l->uffd, UFFDIO_ZEROPAGE, &zero);
}

/* Whoever waits for a page gets it, late. */
static int pager(void *arg)
{
	struct life *l = arg;
	struct dice d = { l->mark };
	struct pollfd p = { .fd = l->uffd, .events = POLLIN };

	while (!l->stop)
		if (poll(&p, 1, 20) == 1)
			page_in(l, &d);
	return 0;
}

static int killer(void *arg)
{
	struct life *l = arg;

	usleep(l->delay);
	return kill(getpid(), SIGKILL);
}

static void woken(int sig)
{
}

/* One file of pages that come late, of all guests */
static int slow_memory(struct life *l)
{
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int ret;

	l->uffd = memory_stall(l->vms[0].slow, SLOW_PAGES * HV_PAGE);
	if (l->uffd < 0)
		return l->uffd;
	reg.range.start = PTR(l->vms[1].slow);
	reg.range.len = SLOW_PAGES * HV_PAGE;
	ret = ioctl(l->uffd, UFFDIO_REGISTER, &reg) ? -errno : 0;
	task_start(&l->pager, pager, l);
	return ret;
}

static void limits_roll(struct life *l)
{
	static const char *const names[] = { "max_gpadls", "max_pages", "max_channels" };
	static const char *const values[] = { "4", "40", "1" };
	unsigned int i = roll(&l->dice, 3), pages = roll(&l->dice, 64);
	bool few = one_in(&l->dice, 4), poor = one_in(&l->dice, 4);

	if (few)
		param_set(names[i], values[i]);
	if (poor && (drop_ipc_lock() || memlock_limit(pages * HV_PAGE)))
		fuzz_fail("RLIMIT_MEMLOCK");
}

static void begin_life(struct life *l, unsigned int length)
{
	static const enum memory kinds[] = {
		MEM_ANON, MEM_ANON_SHARED, MEM_MEMFD, MEM_MEMFD_PRIVATE, MEM_THP, MEM_HUGETLB,
	};
	unsigned int v, c;

	l->ending = roll(&l->dice, 4) % 3;
	l->mark = roll(&l->dice, length);
	l->delay = roll(&l->dice, 30000);
	limits_roll(l);
	for (v = 0; v < VMS; v++) {
		if (!vm_init(&l->vms[v], &l->dice, kinds[roll(&l->dice, 6)]))
			fuzz_fail("no memory");
		l->kick[v] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		l->call[v] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		for (c = 0; c < CHANNELS; c++)
			l->channels[v][c].backend = -1;
	}
	if (slow_memory(l))
		fuzz_fail("userfaultfd: %d", errno);
	for (v = 0; v < VMS; v++)
		begin_partition(l, v);
}

static void end_life(struct life *l)
{
	unsigned int v, c;

	run_join(l);
	for (v = 0; v < VMS; v++) {
		for (c = 0; c < CHANNELS; c++) {
			l->v = v;
			l->c = c;
			unbind(l);
		}
		vm_settle(&l->vms[v]);
		close(l->vms[v].fd);
	}
	/* A child may keep a file, and what it holds, a little longer. */
	if (!WAIT_FOR(pinned_kb(0) == 0))
		fuzz_fail("%ld kB are charged", pinned_kb(0));
	l->stop = true;
	task_join(&l->pager);
}

static void life(__u64 seed, unsigned int length)
{
	static struct life l;
	struct sigaction action = { .sa_handler = woken };
	struct task death;
	__u64 sum = 0;
	unsigned int op;
	int ret;

	sigaction(SIGUSR1, &action, NULL);
	l.dice.state = seed;
	begin_life(&l, length);
	for (fuzz->step = 0; fuzz->step < length; fuzz->step++) {
		if (l.ending == IS_KILLED && fuzz->step == l.mark) {
			fuzz->mortal = true;
			task_start(&death, killer, &l);
		}
		op = next(&l);
		sum = sum * 31 + op * 64 + l.v * 32 + l.c * 16 + l.h;
		ret = ops[op].run(&l);
		fuzz_trace("# %u: guest %u, channel %u, handle %u: %s: %d\n", fuzz->step, l.v,
			   l.c, l.h, ops[op].name, ret);
		fuzz_count(ops, op, ret);
	}
	fuzz->end = sum + l.dice.state;
	if (l.ending != LEAVES) {
		fuzz->mortal = true;
		kill(getpid(), SIGKILL);
	}
	end_life(&l);
}

/* As the module has them by itself */
static void restore_limits(void)
{
	param_set("max_gpadls", "4096");
	param_set("max_pages", "524288");
	param_set("max_channels", "2048");
}

#define DEVICE_SEED(seed, length)	{ seed, length },

static const struct fuzz_seed seeds[] = {
#include "fuzz_seeds.h"
};

static const struct fuzz_kind kind = {
	.name = "device",
	.ops = ops,
	.nr_ops = NR_OPS,
	.nr_states = NR_STATES,
	.state_name = state_name,
	.before = restore_limits,
	.life = life,
	.seeds = seeds,
	.nr_seeds = ARRAY_SIZE(seeds),
	.length = 400,
};

FIXTURE(device) {
};

FIXTURE_SETUP(device)
{
}

FIXTURE_TEARDOWN(device)
{
}

TEST_F_TIMEOUT(device, lives, 24 * 3600)
{
	EXPECT_EQ(0, fuzz_run(&kind));
}

TEST_HARNESS_MAIN
