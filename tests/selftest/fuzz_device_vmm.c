// SPDX-License-Identifier: GPL-2.0
/*
 * The fuzzer of the device: what the VMM does with regions and channels, what waits, and what
 * other processes do.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "fuzz_device.h"

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
	struct fuzz_vm *vm = the_vm(l);
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

int run_regions(struct life *l)
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

int run_create(struct life *l)
{
	return vmm_create(the_vm(l)->fd);
}

int run_channel(struct life *l)
{
	struct vmbus_host_signals s = signals_roll(l);

	if (!one_in(&l->dice, 6))
		s = good_signals(l);
	the_channel(l)->gone = false;
	return vmm_channel(the_vm(l)->fd, RELID_OF(l->c), the_instance(l),
			   one_in(&l->dice, 2) ? NULL : &s);
}

int run_modify(struct life *l)
{
	struct vmbus_host_signals s = signals_roll(l);

	return vmm_modify(the_vm(l)->fd, RELID_OF(l->c), &s);
}

/* ---- What waits ---- */

static int thread_read(struct fuzz_vm *vm)
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
	fuzz_count(t->op, ret);
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
void fuzz_unhold(struct life *l, unsigned int v, unsigned int c)
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

int run_join(struct life *l)
{
	unsigned int v, c, i;

	for (v = 0; v < VMS; v++) {
		for (c = 0; c < CHANNELS; c++)
			fuzz_unhold(l, v, c);
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

int run_rescind(struct life *l)
{
	the_channel(l)->opened = false;
	the_channel(l)->gone = true;
	return block(l, RESCIND) ?: vmm_rescind(the_vm(l)->fd, RELID_OF(l->c));
}

int run_destroy(struct life *l)
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

int run_reset(struct life *l)
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
int run_waiting_read(struct life *l)
{
	struct fuzz_vm *vm = the_vm(l);
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

int run_bad_ioctl(struct life *l)
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

void fuzz_device_begin(struct life *l, unsigned int v)
{
	struct fuzz_vm *vm = &l->vms[v];
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

int run_reopen(struct life *l)
{
	struct fuzz_vm *vm = the_vm(l);

	if (l->nr_threads)
		run_join(l);
	close(vm->fd);
	/* Forked processes have the old one. */
	vm->ledger = fuzz_share(sizeof(*vm->ledger));
	if (!vm->ledger)
		fuzz_fail("no memory");
	vm->forked = false;
	vm_forget(vm);
	memset(vm->held, 0, sizeof(vm->held));
	fuzz_device_begin(l, l->v);
	return 0;
}

/* ---- Others ---- */

int run_evict(struct life *l)
{
	return madvise(the_vm(l)->slow, SLOW_PAGES * HV_PAGE, MADV_DONTNEED) ? -errno : 0;
}

/* Another process does not own the address space, and has all files. Only system calls. */
static void child(struct life *l, struct dice d)
{
	struct fuzz_vm *vm = the_vm(l);
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

int run_fork(struct life *l)
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
