// SPDX-License-Identifier: GPL-2.0
/*
 * Processes that are killed, and modules that are unloaded, while something else still uses
 * what they leave behind: nothing stays pinned, and the modules unload.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "fixture.h"
#include "machine.h"

/* Of the guest's memory, the pages from STALL_PAGE on come late. */
#define STALL_PAGE	512u
#define STALL_GPA	(MEM_GPA + STALL_PAGE * HV_PAGE)

/* ---- Modules ---- */

#define MODULES		16
#define MODULES_DIR	"/ko"	/* of the guest that runs this, see scripts/ */

/* Those of ours, in the order in which they are loaded. Returns how many. */
static int module_names(char names[MODULES][64])
{
	FILE *f = fopen(MODULES_DIR "/order", "r");
	int nr = 0;

	if (!f)
		return 0;
	while (nr < MODULES && fscanf(f, "%63s", names[nr]) == 1)
		nr += !strncmp(names[nr], "vmbus_", 6);
	fclose(f);
	return nr;
}

static int module_unload(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

static int module_load(const char *name)
{
	char path[128];
	int fd, ret;

	snprintf(path, sizeof(path), MODULES_DIR "/%s.ko", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return ret;
}

/* The last one first. Returns false if one does not unload. */
static bool modules_unload(char names[MODULES][64], int nr)
{
	bool ok = true;

	while (ok && nr-- > 0)
		ok = WAIT_FOR(module_unload(names[nr]) == 0);
	return ok;
}

static void modules_cycle(struct __test_metadata *_metadata)
{
	char names[MODULES][64];
	int i, nr = module_names(names);

	ASSERT_LE(3, nr);
	EXPECT_TRUE(modules_unload(names, nr));
	EXPECT_EQ(0, pinned_pages());
	for (i = 0; i < nr; i++)
		EXPECT_EQ(0, module_load(names[i]));
}

/* ---- Processes that are killed ---- */

/*
 * The VMM is another process, which gets somewhere, says so and waits to be killed. The
 * backend is this one.
 */
FIXTURE(killed) {
	pid_t pid;
	int ready[2];
	int backend;
};

/*
 * @vmm: what the VMM does before it is killed, with its channel open, if it has one
 * @backend: what the backend does then; NULL: it is not there
 * @open: it has a channel that is open
 * @stall: its memory stops each thread that touches it
 */
FIXTURE_VARIANT(killed) {
	int (*vmm)(struct vmm *v);
	int (*backend)(int fd);
	bool open;
	bool stall;
	__u32 policy;
};

static int vmm_does_nothing(struct vmm *v)
{
	return 0;
}

static int vmm_assembles(struct vmm *v)
{
	struct guest_gpadl g;

	gpadl_simple(&g, HANDLE, MEM_GPA, 60 * HV_PAGE);
	return guest_header(v->fd, RELID, HANDLE, 1, g.nr_words, g.words, HEADER_WORDS);
}

/* The reply is not read */
static int vmm_makes_gpadl(struct vmm *v)
{
	struct guest_gpadl g;

	gpadl_simple(&g, HANDLE, STALL_GPA, 60 * HV_PAGE);
	return guest_gpadl(v->fd, RELID, &g, false);
}

static int vmm_opens(struct vmm *v)
{
	struct guest_gpadl g;
	int ret;

	gpadl_simple(&g, RING_HANDLE, RING_GPA, RING_BYTES);
	ret = guest_gpadl(v->fd, RELID, &g, false);
	return ret ?: guest_open(v->fd, RELID, 1, RING_HANDLE, RING_SPLIT);
}

static int vmm_maps(struct vmm *v)
{
	int ret = vmm_makes_gpadl(v);

	v->backend = backend_open(v->instance);
	if (ret || v->backend < 0)
		return -EIO;
	return backend_map(v->backend, HANDLE, 0);
}

static int backend_maps(int fd)
{
	return backend_map(fd, HANDLE, 0);
}

static int backend_maps_by_kthread(int fd)
{
	return backend_map_by_kthread(fd, HANDLE, 0);
}

static int backend_begins_map(int fd)
{
	return backend_map_begin(fd, HANDLE, 0);
}

static int backend_vmaps(int fd)
{
	return backend_map(fd, HANDLE, 0) ?: backend_vmap(fd, HANDLE);
}

/* Of another process, in a thread of its own */
static struct task other_map;

static int other_maps(void *arg)
{
	return backend_map((int)(long)arg, HANDLE, 0);
}

static int backend_starts_map(int fd)
{
	task_start(&other_map, other_maps, (void *)(long)fd);
	return 0;
}

FIXTURE_VARIANT_ADD(killed, created) {
	.vmm = vmm_does_nothing,
};

FIXTURE_VARIANT_ADD(killed, assembling) {
	.vmm = vmm_assembles,
};

FIXTURE_VARIANT_ADD(killed, ready) {
	.vmm = vmm_makes_gpadl,
};

FIXTURE_VARIANT_ADD(killed, opening) {
	.vmm = vmm_opens,
};

FIXTURE_VARIANT_ADD(killed, open) {
	.open = true,
	.vmm = vmm_does_nothing,
};

FIXTURE_VARIANT_ADD(killed, mapped_by_itself) {
	.open = true,
	.vmm = vmm_maps,
};

FIXTURE_VARIANT_ADD(killed, mapped) {
	.open = true,
	.vmm = vmm_makes_gpadl,
	.backend = backend_maps,
};

FIXTURE_VARIANT_ADD(killed, mapped_by_kthread) {
	.open = true,
	.vmm = vmm_makes_gpadl,
	.backend = backend_maps_by_kthread,
};

FIXTURE_VARIANT_ADD(killed, vmapped) {
	.open = true,
	.vmm = vmm_makes_gpadl,
	.backend = backend_vmaps,
};

FIXTURE_VARIANT_ADD(killed, mapped_and_held) {
	.open = true,
	.vmm = vmm_makes_gpadl,
	.backend = backend_maps,
	.policy = ON_REVOKE_HOLD,
};

FIXTURE_VARIANT_ADD(killed, vmapped_and_held) {
	.open = true,
	.vmm = vmm_makes_gpadl,
	.backend = backend_vmaps,
	.policy = ON_REVOKE_HOLD,
};

/* In the page fault is a kernel thread */
FIXTURE_VARIANT_ADD(killed, stalled_kthread) {
	.open = true,
	.stall = true,
	.vmm = vmm_makes_gpadl,
	.backend = backend_begins_map,
};

/* In the page fault is the VMM's own thread */
FIXTURE_VARIANT_ADD(killed, stalled_itself) {
	.open = true,
	.stall = true,
	.vmm = vmm_maps,
};

/* In a process that may sleep in a page fault itself */
struct watcher {
	struct task task;
	int uffd;
	int ready;
};

static int watch(void *arg)
{
	struct watcher *w = arg;

	while (!memory_is_touched(w->uffd))
		usleep(1000);
	return write(w->ready, "t", 1) == 1 ? 0 : -EIO;
}

/* In the page fault is another process */
FIXTURE_VARIANT_ADD(killed, stalled_other) {
	.open = true,
	.stall = true,
	.vmm = vmm_makes_gpadl,
	.backend = backend_starts_map,
};

/* A process that is to be killed, whatever it does */
static void killed_main(struct __test_metadata *_metadata, int ready, bool stall,
			bool open, int (*fn)(struct vmm *v))
{
	char *mem = memory_alloc(MEM_ANON, MEM_BYTES);
	struct watcher w = { .ready = ready };
	char byte = 0;
	struct vmm v;

	/* Before the device: it is the last to be closed then */
	ASSERT_NE(NULL, mem);
	if (stall) {
		w.uffd = memory_stall(mem + STALL_PAGE * HV_PAGE,
				      MEM_BYTES - STALL_PAGE * HV_PAGE);
		ASSERT_LE(0, w.uffd);
		task_start(&w.task, watch, &w);
	}
	vmm_start(_metadata, &v, MEM_ANON, 0);
	ASSERT_EQ(0, vmm_region(v.fd, MEM_SLOT, 0, MEM_GPA, MEM_BYTES, mem));
	if (open) {
		vmm_open_channel(_metadata, &v);
		close(v.backend);
	}
	/* A process that sleeps in there cannot say that it is ready */
	if (stall && fn == vmm_maps)
		ASSERT_EQ(1, write(ready, &byte, 1));
	ASSERT_EQ(0, fn(&v));
	ASSERT_EQ(1, write(ready, &byte, 1));
	pause();
}

FIXTURE_SETUP(killed)
{
	char byte;

	if (variant->stall && kernel_before(6, 2))
		SKIP(return, NO_PIN_WAITS);
	self->backend = -1;
	ASSERT_EQ(0, pipe(self->ready));
	self->pid = fork();
	if (!self->pid) {
		killed_main(_metadata, self->ready[1], variant->stall, variant->open,
			    variant->vmm);
		_exit(1);
	}
	close(self->ready[1]);
	ASSERT_EQ(1, read(self->ready[0], &byte, 1));
	if (!variant->backend)
		return;
	self->backend = backend_open(0);
	ASSERT_LE(0, self->backend);
	ASSERT_EQ(0, backend_policy(self->backend, variant->policy));
	ASSERT_EQ(0, variant->backend(self->backend));
}

FIXTURE_TEARDOWN(killed)
{
	if (self->backend >= 0)
		close(self->backend);
	expect_nothing_pinned(_metadata);
	modules_cycle(_metadata);
}

static void expect_killed(struct __test_metadata *_metadata, pid_t pid)
{
	int status;

	ASSERT_TRUE(WAIT_FOR(waitpid(pid, &status, WNOHANG) == pid));
	EXPECT_TRUE(WIFSIGNALED(status));
}

static void kill_it(struct __test_metadata *_metadata, pid_t pid)
{
	ASSERT_EQ(0, kill(pid, SIGKILL));
	expect_killed(_metadata, pid);
}

TEST_F_TIMEOUT(killed, leaves_nothing, 120)
{
	char byte;

	/* A map has got to the page where it sleeps */
	if (variant->stall)
		ASSERT_EQ(1, read(self->ready[0], &byte, 1));
	kill_it(_metadata, self->pid);
	if (variant->policy == ON_REVOKE_HOLD) {
		/* It is the backend's turn */
		EXPECT_LE(60 + RING_PAGES, pinned_pages());
		EXPECT_EQ(0, backend_unmap(self->backend, HANDLE));
	}
	EXPECT_TRUE(WAIT_FOR(pinned_pages() == 0));
	if (variant->backend == backend_starts_map)
		task_join(&other_map);
	if (self->backend >= 0) {
		EXPECT_TRUE(WAIT_FOR(!backend_state(self->backend, 0).open));
		EXPECT_EQ(-ENODEV, backend_map(self->backend, HANDLE, 0));
	}
}

/*
 * Killed while it waits, in a call that a backend keeps waiting. If that is in close(), it is
 * in a thread of the VMM's: the process has ended when the backend has let go.
 */
FIXTURE(killed_waiting) {
	pid_t pid;
	int ready[2];
	int backend;
	struct vmbus_gpadl_test_state before;
};

FIXTURE_VARIANT(killed_waiting) {
	int (*fn)(void *vmm);
};

static int do_rescind(void *arg)
{
	return vmm_rescind(((struct vmm *)arg)->fd, RELID);
}

static int do_reset(void *arg)
{
	return vmm_reset(((struct vmm *)arg)->fd);
}

static int do_destroy(void *arg)
{
	return vmm_destroy(((struct vmm *)arg)->fd, RELID);
}

static int do_teardown(void *arg)
{
	struct vmm *v = arg;

	return guest_teardown(v->fd, RELID, HANDLE) ?: reply_wait(v->fd).len;
}

FIXTURE_VARIANT_ADD(killed_waiting, teardown) {
	.fn = do_teardown,
};

FIXTURE_VARIANT_ADD(killed_waiting, rescind) {
	.fn = do_rescind,
};

FIXTURE_VARIANT_ADD(killed_waiting, destroy) {
	.fn = do_destroy,
};

FIXTURE_VARIANT_ADD(killed_waiting, reset) {
	.fn = do_reset,
};

FIXTURE_SETUP(killed_waiting)
{
	char byte = 0;

	self->backend = -1;
	ASSERT_EQ(0, pipe(self->ready));
	self->pid = fork();
	if (!self->pid) {
		int fd = open("/dev/vmbus-gpadl-test", O_RDWR);
		struct vmm v;

		vmm_start(_metadata, &v, MEM_ANON, 0);
		vmm_open_channel(_metadata, &v);
		EXPECT_GPADL(v.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
		close(v.backend);
		ASSERT_EQ(1, write(self->ready[1], &byte, 1));
		/* Go on when it is mapped */
		while (!backend_state(fd, 0).mapped)
			usleep(1000);
		variant->fn(&v);
		_exit(1);
	}
	ASSERT_EQ(1, read(self->ready[0], &byte, 1));
	self->backend = backend_open(0);
	ASSERT_LE(0, self->backend);
	ASSERT_EQ(0, backend_policy(self->backend, ON_REVOKE_HOLD));
	self->before = backend_state(self->backend, 0);
	ASSERT_EQ(0, backend_map(self->backend, HANDLE, 0));
}

FIXTURE_TEARDOWN(killed_waiting)
{
	if (self->backend >= 0)
		close(self->backend);
	expect_nothing_pinned(_metadata);
	modules_cycle(_metadata);
}

/* The backend has been told */
static bool told(int backend, const struct vmbus_gpadl_test_state *before)
{
	struct vmbus_gpadl_test_state now = backend_state(backend, 0);

	return now.revokes + now.closes > before->revokes + before->closes;
}

TEST_F_TIMEOUT(killed_waiting, leaves_nothing, 120)
{
	EXPECT_TRUE(WAIT_FOR(told(self->backend, &self->before)));
	ASSERT_EQ(0, kill(self->pid, SIGKILL));
	EXPECT_EQ(1 + RING_PAGES, pinned_pages());
	EXPECT_EQ(0, backend_unmap(self->backend, HANDLE));
	expect_killed(_metadata, self->pid);
	EXPECT_TRUE(WAIT_FOR(pinned_pages() == 0));
}

/* The backend goes without a word: its file is closed. */
TEST_F_TIMEOUT(killed_waiting, and_the_backend_too, 120)
{
	EXPECT_TRUE(WAIT_FOR(told(self->backend, &self->before)));
	ASSERT_EQ(0, kill(self->pid, SIGKILL));
	close(self->backend);
	self->backend = -1;
	expect_killed(_metadata, self->pid);
	EXPECT_TRUE(WAIT_FOR(pinned_pages() == 0));
}

/* ---- Stopped ---- */

/* It stops when a channel of its own has gone, and goes on as it is told. */
static void stopped_main(struct __test_metadata *_metadata)
{
	struct vmm v;

	vmm_start(_metadata, &v, MEM_ANON, 0);
	ASSERT_EQ(0, vmm_destroy(v.fd, RELID));
	/* The thread has nothing left to do; somebody is about to stop it. */
	usleep(1000);
	kill(getpid(), SIGSTOP);
	vmm_stop(&v);
	_exit(0);
}

/* Whether somebody waits for the thread; at first it may not have come to that. */
static bool somebody_waits(void)
{
	int n;

	for (n = 0; n < 50; n++) {
		if (workers_in("vmbus_free", 'I') + workers_in("vmbus_free", 'D'))
			return true;
		usleep(10000);
	}
	return false;
}

/*
 * Whoever waits for it to go on is no task that hangs: khungtaskd would tell of it, and the machine
 * might panic.
 */
TEST(stopped_vmm_hangs_nobody)
{
	bool waits = false;
	int status, n;
	pid_t pid;

	if (kernel_before(6, 10))
		SKIP(return, KERNEL_WORKERS);
	for (n = 0; n < 20 && !waits; n++) {
		pid = fork();
		if (!pid)
			stopped_main(_metadata);
		ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
		ASSERT_TRUE(WIFSTOPPED(status));
		waits = somebody_waits();
		EXPECT_EQ(0, workers_in("vmbus_free", 'D'));
		ASSERT_EQ(0, kill(pid, SIGCONT));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFEXITED(status));
		EXPECT_TRUE(WAIT_FOR(partitions_left() == 0));
	}
	EXPECT_TRUE(waits);
	expect_nothing_pinned(_metadata);
}

/* ---- Memory that changes all the time ---- */

#define CHANGERS	4

struct changing {
	struct vmm vmm;
	bool begin;
	char stacks[CHANGERS][16384];
};

/* A process that shares the VMM's memory and nothing else: it goes on without the VMM. */
static int change_always(void *arg)
{
	struct changing *c = arg;

	while (!__atomic_load_n(&c->begin, __ATOMIC_ACQUIRE))
		sched_yield();
	for (;;) {
		*c->vmm.mem = 'c';
		madvise(c->vmm.mem, MEM_BYTES, MADV_DONTNEED);
	}
	return 0;
}

/* All of these are in one process group. */
static void changing_main(struct __test_metadata *_metadata, int ready)
{
	static struct changing c;
	int i;

	ASSERT_EQ(0, setpgid(0, 0));
	/* They have no file of the partition's: there is none yet. */
	for (i = 0; i < CHANGERS; i++)
		ASSERT_LT(0, clone(change_always, c.stacks[i] + sizeof(c.stacks[i]),
				   CLONE_VM | SIGCHLD, &c));
	vmm_resident = VMBUS_HOST_REGION_RESIDENT;
	vmm_start(_metadata, &c.vmm, MEM_ANON, 0);
	__atomic_store_n(&c.begin, true, __ATOMIC_RELEASE);
	ASSERT_EQ(1, write(ready, "r", 1));
	pause();
}

/* However long it changes, with the VMM killed: all is gone soon after it has ended. */
TEST(memory_that_changes_outlives_its_vmm)
{
	int ready[2];
	pid_t pid;
	char byte;

	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	if (!pid) {
		changing_main(_metadata, ready[1]);
		_exit(1);
	}
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	kill_it(_metadata, pid);
	/* The worst may happen. */
	usleep(300000);
	EXPECT_TRUE(WAIT_FOR(pinned_pages() == 0));
	EXPECT_EQ(0, workers_in("vmbus_drop", 'D'));
	EXPECT_EQ(0, kill(-pid, SIGKILL));
	EXPECT_TRUE(WAIT_FOR(partitions_left() == 0));
	EXPECT_EQ(0, workers_in("vmbus_watch", 'D'));
	expect_nothing_pinned(_metadata);
}

/* ---- Modules in use ---- */

FIXTURE(module) {
	int unused;
};

FIXTURE_SETUP(module)
{
}

FIXTURE_TEARDOWN(module)
{
	expect_nothing_pinned(_metadata);
}

TEST_F(module, load_and_unload)
{
	modules_cycle(_metadata);
	modules_cycle(_metadata);
}

TEST_F(module, file_is_open)
{
	int fd = open("/dev/vmbus-host", O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EWOULDBLOCK, module_unload("vmbus_host"));
	EXPECT_EQ(-EWOULDBLOCK, module_unload("vmbus_gpadl"));
	EXPECT_EQ(0, vmm_create(fd));
	EXPECT_EQ(-EWOULDBLOCK, module_unload("vmbus_host"));
	close(fd);
	modules_cycle(_metadata);
}

TEST_F(module, backend_is_bound)
{
	struct vmm v;

	vmm_start(_metadata, &v, MEM_ANON, 0);
	vmm_open_channel(_metadata, &v);
	/* By the channel, not by the test's file */
	close(v.backend);
	v.backend = -1;
	EXPECT_EQ(-EWOULDBLOCK, module_unload("vmbus_gpadl_test"));
	EXPECT_EQ(-EWOULDBLOCK, module_unload("vmbus_host"));
	EXPECT_EQ(-EWOULDBLOCK, module_unload("vmbus_gpadl"));
	/* It has the device as long as that is there, open or not */
	EXPECT_EQ(0, guest_close(v.fd, RELID));
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) == 0));
	EXPECT_EQ(-EWOULDBLOCK, module_unload("vmbus_gpadl_test"));
	EXPECT_EQ(0, vmm_destroy(v.fd, RELID));
	EXPECT_EQ(0, module_unload("vmbus_gpadl_test"));
	EXPECT_EQ(-EWOULDBLOCK, module_unload("vmbus_host"));

	/* Without its backend there is no such device; with it, there is again */
	EXPECT_EQ(-ENODEV, vmm_channel(v.fd, RELID, 0, NULL));
	EXPECT_EQ(0, module_load("vmbus_gpadl_test"));
	EXPECT_EQ(0, vmm_channel(v.fd, RELID, 0, NULL));
	vmm_open_channel(_metadata, &v);
	vmm_stop(&v);
	modules_cycle(_metadata);
}

/* What the file left behind is cleaned up before vmbus_host is gone. */
TEST_F(module, unload_right_behind_close)
{
	struct vmm v;
	int i;

	for (i = 0; i < 5; i++) {
		vmm_start(_metadata, &v, MEM_ANON, 0);
		vmm_open_channel(_metadata, &v);
		EXPECT_GPADL(v.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
		EXPECT_EQ(0, backend_map(v.backend, HANDLE, 0));
		vmm_stop(&v);
		modules_cycle(_metadata);
	}
}

TEST_HARNESS_MAIN
