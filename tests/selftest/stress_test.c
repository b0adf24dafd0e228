// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once, for as long as STRESS_SECONDS in the environment says: four VMMs,
 * each a process of four threads - guest, listener, backend, VMM - that end, or are
 * killed, and are started again.
 *
 * Half of the guests keep to the protocol. Of these each HEADER must get one CREATED, each
 * TEARDOWN one TORNDOWN, and when that comes, nothing may be mapped any more: the region
 * behind it can be replaced. The others say whatever they like. When all is over, nothing
 * is pinned and nothing charged.
 */
#include <glob.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>

#include "fixture.h"

#define PARTITIONS	4
#define THREADS		4
#define HANDLES		6u
#define RING		HANDLES		/* the last one of life.is */
#define PAGES		16u		/* of a GPADL */
#define BYTES		(PAGES * HV_PAGE)

/* Each handle has a region of its own. */
#define SLOT(h)		(8 + (h))
#define GPA(h)		(0x200000000ull + (h) * 0x1000000ull)

/* What a guest that keeps to the protocol has made of a handle */
enum is {
	GONE,
	MADE,		/* its CREATED is on the way */
	THERE,
	LEAVING,	/* its TORNDOWN is on the way */
};

/* One VMM, from its start to its end */
struct life {
	struct vmm vmm;
	unsigned int seed;
	atomic_uint is[HANDLES + 1];	/* enum is */
	unsigned int half[HANDLES];	/* of the memory, that the region shows */
	atomic_int asked;		/* messages that want an answer */
	atomic_int answered;
	atomic_uint opened;		/* openid of the last OPENCHANNEL_RESULT */
	unsigned int openid;
	atomic_int waiting;		/* for @posting */
	pthread_mutex_t posting;
	pthread_mutex_t hearing;
	atomic_bool stop;
	atomic_bool deaf;
	atomic_int wrong;
};

static void is_wrong(struct life *l, const char *what, long detail)
{
	if (!atomic_fetch_add(&l->wrong, 1))
		dprintf(1, "# instance %u: %s: %ld\n", l->vmm.instance, what, detail);
}

static void check(struct life *l, const char *what, bool ok, long detail)
{
	if (!ok)
		is_wrong(l, what, detail);
}

static bool done(struct life *l)
{
	return l->stop || l->wrong;
}

/* Every thread has its own sequence. */
static unsigned int dice(unsigned int *seed, unsigned int sides)
{
	return rand_r(seed) / 7 % sides;
}

static int set_region(struct life *l, unsigned int h)
{
	return vmm_region(l->vmm.fd, SLOT(h), 0, GPA(h), BYTES,
			  l->vmm.mem + (2 * h + l->half[h]) * BYTES);
}

/* ---- The guest that keeps to the protocol ---- */

/* The pages in both directions, in two messages */
static int make(struct life *l, unsigned int h)
{
	__u64 words[1 + PAGES];
	unsigned int i;

	words[0] = range_word(0, BYTES);
	for (i = 0; i < PAGES; i++)
		words[1 + i] = GPA(h) / HV_PAGE + (i < 8 ? i : PAGES + 7 - i);
	return guest_header(l->vmm.fd, RELID, h, 1, 1 + PAGES, words, 9) ?:
	       guest_body(l->vmm.fd, h, 1, words + 9, PAGES - 8);
}

static void post(struct life *l, unsigned int h)
{
	enum is is = l->is[h];

	if (is == MADE || is == LEAVING)
		return;
	l->asked++;
	l->is[h] = is == GONE ? MADE : LEAVING;
	check(l, "post", !(is == GONE ? make(l, h) : guest_teardown(l->vmm.fd, RELID, h)),
	      is);
}

static int guest(void *arg)
{
	struct life *l = arg;
	unsigned int h;

	for (h = 0; !done(l); h = (h + 1) % HANDLES) {
		while (l->waiting)
			sched_yield();
		pthread_mutex_lock(&l->posting);
		post(l, h);
		pthread_mutex_unlock(&l->posting);
	}
	return 0;
}

/* ---- The guest that does not ---- */

static int babbler(void *arg)
{
	struct life *l = arg;
	unsigned int seed = l->seed, h;
	__u64 words[] = { range_word(0, 2 * HV_PAGE), MEM_PFN, MEM_PFN + 77 };
	int fd = l->vmm.fd;

	while (!done(l)) {
		h = dice(&seed, HANDLES);
		switch (dice(&seed, 8)) {
		case 0:
			guest_open(fd, RELID, h, RING_HANDLE, RING_SPLIT);
			break;
		case 1:
			if (!dice(&seed, 8))
				guest_close(fd, RELID);
			break;
		case 2:
			if (!dice(&seed, 64))
				guest_released(fd, RELID);
			break;
		case 3:
			guest_teardown(fd, RELID, dice(&seed, 16) ? h : RING_HANDLE);
			break;
		case 4:
			guest_header(fd, RELID, h, 1, 3, words, 2);
			guest_body(fd, dice(&seed, HANDLES), 0, words, 1);
			break;
		default:
			make(l, h);
		}
	}
	return 0;
}

/* ---- The guest listens ---- */

/* Nobody has it mapped any more: its memory can be exchanged. */
static void is_gone(struct life *l, unsigned int h)
{
	int ret;

	l->half[h] ^= 1;
	ret = vmm_region(l->vmm.fd, SLOT(h), 0, 0, 0, NULL) ?: set_region(l, h);
	check(l, "torn down, but mapped", !ret, ret);
}

static void heard(struct life *l, const struct reply *r)
{
	unsigned int h = r->handle == RING_HANDLE ? RING : r->handle;
	enum is was = h <= RING ? l->is[h] : GONE;

	if (r->type == MSG_OPENCHANNEL_RESULT) {
		check(l, "open", r->status == STATUS_SUCCESS, r->status);
		l->opened = r->openid;
	} else if (r->type == MSG_GPADL_CREATED && was == MADE) {
		check(l, "created", r->status == STATUS_SUCCESS, r->status);
		l->is[h] = THERE;
	} else if (r->type == MSG_GPADL_TORNDOWN && was == LEAVING) {
		if (h != RING)
			is_gone(l, h);
		l->is[h] = GONE;
	} else {
		is_wrong(l, "type and what it was", r->type * 10 + was);
	}
	l->answered++;
}

static int listener(void *arg)
{
	struct life *l = arg;
	struct pollfd p = { .fd = l->vmm.fd, .events = POLLIN };
	struct reply r;

	while (!l->deaf) {
		if (poll(&p, 1, 100) != 1)
			continue;
		pthread_mutex_lock(&l->hearing);
		r = reply_read(l->vmm.fd);
		if (r.len >= 0)
			heard(l, &r);
		else
			check(l, "read", r.len == -EAGAIN, r.len);
		pthread_mutex_unlock(&l->hearing);
	}
	return 0;
}

static int deaf_listener(void *arg)
{
	struct life *l = arg;
	struct pollfd p = { .fd = l->vmm.fd, .events = POLLIN };

	while (!done(l)) {
		poll(&p, 1, 10);
		reply_read(l->vmm.fd);
	}
	return 0;
}

/* ---- The backend ---- */

/* Whatever happens to a mapping of this backend meanwhile */
static bool is_fine(int ret)
{
	return !ret || ret == -ENOENT || ret == -ENODEV || ret == -EBUSY ||
	       ret == -ESHUTDOWN || ret == -EACCES;
}

static void use(struct life *l, int fd, unsigned int h, unsigned int *seed)
{
	char bytes[64];
	int ret;

	backend_read(fd, h, HV_PAGE - 32, bytes, sizeof(bytes));
	backend_write(fd, h, HV_PAGE - 32, bytes, sizeof(bytes));
	if (dice(seed, 2)) {
		ret = backend_vmap(fd, h);
		check(l, "vmap", is_fine(ret), ret);
		backend_vread(fd, h, 5 * HV_PAGE - 32, bytes, sizeof(bytes));
		if (dice(seed, 2))
			backend_vunmap(fd, h);
	}
	if (!dice(seed, 4))
		backend_send(fd, bytes, 8);
	backend_recv(fd, bytes, sizeof(bytes));
}

static int backend(void *arg)
{
	struct life *l = arg;
	unsigned int seed = l->seed + 1, h, flags;
	int fd = -ENODEV, ret;

	while (!done(l)) {
		if (fd < 0) {
			fd = backend_open(l->vmm.instance);
			sched_yield();
			continue;
		}
		h = dice(&seed, HANDLES);
		flags = dice(&seed, 2) ? MAP_READ_ONLY : 0;
		ret = dice(&seed, 2) ? backend_map(fd, h, flags) :
				       backend_map_by_kthread(fd, h, flags);
		if (!ret) {
			use(l, fd, h, &seed);
			ret = backend_unmap(fd, h);
		}
		/* Only the others remove regions that are in use. */
		check(l, "map or unmap", is_fine(ret) || (ret == -EFAULT && l->seed & 1),
		      ret);
		if (ret == -ENODEV || !dice(&seed, 256)) {
			close(fd);
			fd = -1;
		}
	}
	if (fd >= 0)
		close(fd);
	return 0;
}

/* ---- The VMM of a guest that keeps to the protocol ---- */

/* Stop the guest. */
static void hush(struct life *l)
{
	l->waiting++;
	pthread_mutex_lock(&l->posting);
	l->waiting--;
}

static void go_on(struct life *l)
{
	pthread_mutex_unlock(&l->posting);
}

static void await_answers(struct life *l)
{
	check(l, "answers are missing", WAIT_FOR(l->answered == l->asked || l->wrong),
	      l->asked - l->answered);
}

/* With the guest stopped: it has nothing any more. */
static void forget(struct life *l)
{
	unsigned int h;

	pthread_mutex_lock(&l->hearing);
	for (h = 0; h <= RING; h++)
		l->is[h] = GONE;
	l->answered = (int)l->asked;
	pthread_mutex_unlock(&l->hearing);
}

static void open_channel(struct life *l)
{
	struct guest_gpadl g;

	l->asked += 2;
	l->is[RING] = MADE;
	gpadl_simple(&g, RING_HANDLE, RING_GPA, RING_BYTES);
	check(l, "ring", !guest_gpadl(l->vmm.fd, RELID, &g, false), 0);
	check(l, "ring is there", WAIT_FOR(l->is[RING] == THERE || l->wrong), 0);
	l->openid++;
	check(l, "open", !guest_open(l->vmm.fd, RELID, l->openid, RING_HANDLE, RING_SPLIT),
	      0);
	check(l, "is open", WAIT_FOR(l->opened == l->openid || l->wrong), 0);
}

static void close_channel(struct life *l)
{
	l->asked++;
	l->is[RING] = LEAVING;
	/* Either order: a guest in a hurry does not close first. */
	if (l->openid % 2)
		check(l, "close", !guest_close(l->vmm.fd, RELID), 0);
	check(l, "teardown", !guest_teardown(l->vmm.fd, RELID, RING_HANDLE), 0);
	check(l, "ring is gone", WAIT_FOR(l->is[RING] == GONE || l->wrong), 0);
}

static void replace_channel(struct life *l, bool rescind)
{
	int ret = rescind ? vmm_rescind(l->vmm.fd, RELID) : 0;

	check(l, "rescind", !ret, ret);
	hush(l);
	await_answers(l);
	if (rescind && l->openid % 2)
		check(l, "release", !guest_released(l->vmm.fd, RELID), 0);
	ret = vmm_destroy(l->vmm.fd, RELID) ?:
	      vmm_channel(l->vmm.fd, RELID, l->vmm.instance, NULL);
	check(l, "replace the channel", !ret, ret);
	forget(l);
	open_channel(l);
	go_on(l);
}

static void reset(struct life *l)
{
	int ret;

	hush(l);
	ret = vmm_reset(l->vmm.fd);
	check(l, "reset", !ret, ret);
	forget(l);
	open_channel(l);
	go_on(l);
}

static void look_at_debugfs(void)
{
	char text[4096];
	size_t i;
	glob_t g;
	int fd;

	if (glob("/sys/kernel/debug/vmbus_*/*", 0, NULL, &g))
		return;
	glob("/sys/kernel/debug/vmbus_gpadl/*/*", GLOB_APPEND, NULL, &g);
	for (i = 0; i < g.gl_pathc; i++) {
		fd = open(g.gl_pathv[i], O_RDONLY);
		while (read(fd, text, sizeof(text)) > 0)
			;
		close(fd);
	}
	globfree(&g);
}

static int vmm(void *arg)
{
	struct life *l = arg;
	unsigned int seed = l->seed + 2;

	while (!done(l)) {
		switch (dice(&seed, 6)) {
		case 0:
			close_channel(l);
			open_channel(l);
			break;
		case 1:
			replace_channel(l, true);
			break;
		case 2:
			replace_channel(l, false);
			break;
		case 3:
			reset(l);
			break;
		case 4:
			look_at_debugfs();
			break;
		default:
			usleep(dice(&seed, 50000));
		}
	}
	return 0;
}

/* ---- The VMM of one that does not ---- */

static int reckless_vmm(void *arg)
{
	struct life *l = arg;
	unsigned int seed = l->seed + 2, h;
	struct vmbus_host_signals signals = {
		.kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
		.call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
		.event_flags = PTR(l->vmm.mem),
	};
	int fd = l->vmm.fd;
	struct guest_gpadl g;

	gpadl_simple(&g, RING_HANDLE, RING_GPA, RING_BYTES);
	while (!done(l)) {
		h = dice(&seed, HANDLES);
		switch (dice(&seed, 8)) {
		case 0:
			vmm_rescind(fd, RELID);
			break;
		case 1:
			vmm_destroy(fd, RELID);
			break;
		case 2:
			vmm_reset(fd);
			break;
		case 3:
			vmm_region(fd, SLOT(h), 0, 0, 0, NULL);
			break;
		case 4:
			l->half[h] ^= 1;
			set_region(l, h);
			break;
		case 5:
			vmm_modify(fd, RELID, &signals);
			eventfd_write(signals.kick_fd, 1);
			break;
		default:
			vmm_channel(fd, RELID, l->vmm.instance, &signals);
			guest_gpadl(fd, RELID, &g, false);
			guest_open(fd, RELID, 1, RING_HANDLE, RING_SPLIT);
			usleep(dice(&seed, 20000));
		}
	}
	return 0;
}

/* ---- Lives ---- */

static int (*const orderly[THREADS])(void *) = { guest, listener, backend, vmm };
static int (*const reckless[THREADS])(void *) = {
	babbler, deaf_listener, backend, reckless_vmm,
};

/* Everything is torn down, and answered. */
static void leave(struct life *l)
{
	unsigned int h;

	await_answers(l);
	close_channel(l);
	for (h = 0; h < HANDLES; h++)
		if (l->is[h] == THERE)
			post(l, h);
	await_answers(l);
}

static void live(struct __test_metadata *_metadata, struct life *l, unsigned int ms)
{
	bool is_orderly = !(l->seed & 1);
	struct task tasks[THREADS];
	unsigned int i;

	for (i = 0; i < HANDLES; i++)
		ASSERT_EQ(0, set_region(l, i));
	task_start(&tasks[1], is_orderly ? listener : deaf_listener, l);
	if (is_orderly)
		open_channel(l);
	for (i = 0; i < THREADS; i++)
		if (i != 1)
			task_start(&tasks[i], (is_orderly ? orderly : reckless)[i], l);
	usleep(ms * 1000);
	l->stop = true;
	for (i = 0; i < THREADS; i++)
		if (i != 1)
			task_join(&tasks[i]);
	if (is_orderly)
		leave(l);
	l->deaf = true;
	task_join(&tasks[1]);
}

/* A process of its own. Its number says what kind of memory and of guest it has. */
static void process(struct __test_metadata *_metadata, unsigned int instance,
		    unsigned int number, unsigned int ms)
{
	static const enum memory kinds[] = { MEM_ANON, MEM_MEMFD, MEM_THP };
	static struct life l = {
		.posting = PTHREAD_MUTEX_INITIALIZER,
		.hearing = PTHREAD_MUTEX_INITIALIZER,
	};

	l.seed = number * 2 + instance % 2;
	vmm_resident = number % 4 == 3 ? VMBUS_HOST_REGION_RESIDENT : 0;
	vmm_start(_metadata, &l.vmm, kinds[number % 3], instance);
	live(_metadata, &l, ms);
	vmm_stop(&l.vmm);
	check(&l, "kB are charged", WAIT_FOR(!pinned_kb(0)), pinned_kb(0));
	_exit(l.wrong || !__test_passed(_metadata));
}

/* A VMM as its parent sees it */
struct child {
	pid_t pid;
	bool kill;
	unsigned long end;	/* in ms */
};

static unsigned long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void begin(struct __test_metadata *_metadata, struct child *c,
		  unsigned int instance, unsigned int number)
{
	unsigned int seed = number, ms = 200 + dice(&seed, 1500);

	c->kill = dice(&seed, 2);
	c->end = now() + ms;
	c->pid = fork();
	ASSERT_LE(0, c->pid);
	if (!c->pid)
		process(_metadata, instance, number, c->kill ? 60000 : ms);
}

/* Returns whether it has ended, by now. */
static bool has_ended(struct __test_metadata *_metadata, struct child *c)
{
	int status;

	if (c->kill && now() >= c->end)
		kill(c->pid, SIGKILL);
	if (waitpid(c->pid, &status, WNOHANG) != c->pid)
		return false;
	EXPECT_EQ(c->kill ? SIGKILL : 0, status);
	return true;
}

static unsigned long seconds(void)
{
	const char *s = getenv("STRESS_SECONDS");

	return s ? strtoul(s, NULL, 0) : 5;
}

FIXTURE(stress) {
	struct child children[PARTITIONS];
};

FIXTURE_SETUP(stress)
{
}

FIXTURE_TEARDOWN(stress)
{
	expect_nothing_pinned(_metadata);
}

TEST_F_TIMEOUT(stress, lives, 24 * 3600)
{
	unsigned long end = now() + seconds() * 1000;
	unsigned int i, lives = 0, running = 0;

	do {
		for (i = 0; i < PARTITIONS; i++) {
			struct child *c = &self->children[i];

			if (c->pid && has_ended(_metadata, c)) {
				c->pid = 0;
				running--;
			}
			if (!c->pid && now() < end) {
				begin(_metadata, c, i, lives++);
				running++;
			}
		}
		usleep(5000);
	} while (running);
	TH_LOG("%u lives", lives);
	EXPECT_LE(PARTITIONS, lives);
}

TEST_HARNESS_MAIN
