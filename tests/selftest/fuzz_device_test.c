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
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/userfaultfd.h>

#include "kselftest_harness.h"
#include "fuzz_device.h"

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

/* A fault waits for its page, and gets it late. */
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
		fuzz_device_begin(l, v);
}

static void end_life(struct life *l)
{
	unsigned int v, c;

	run_join(l);
	for (v = 0; v < VMS; v++) {
		for (c = 0; c < CHANNELS; c++) {
			l->v = v;
			l->c = c;
			fuzz_unbind(l);
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
		op = fuzz_device_next(&l);
		sum = sum * 31 + op * 64 + l.v * 32 + l.c * 16 + l.h;
		ret = fuzz_device_ops[op].run(&l);
		fuzz_trace("# %u: guest %u, channel %u, handle %u: %s: %d\n", fuzz->step, l.v,
			   l.c, l.h, fuzz_device_ops[op].name, ret);
		fuzz_count(op, ret);
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

#define FUZZ_KIND				\
	.name = "device",			\
	.ops = fuzz_device_ops,			\
	.nr_ops = NR_OPS,			\
	.nr_states = NR_STATES,			\
	.state_name = fuzz_device_state_name,	\
	.before = restore_limits,		\
	.length = 400

#include "fuzz_main.h"

TEST_HARNESS_MAIN
