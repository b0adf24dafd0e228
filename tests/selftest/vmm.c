// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <linux/capability.h>
#include <linux/userfaultfd.h>

#include "vmm.h"

/* ---- /dev/vmbus-host ---- */

static int do_ioctl(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) ? -errno : 0;
}

int vmm_create(int fd)
{
	struct vmbus_host_create arg = { .size = sizeof(arg) };

	return do_ioctl(fd, VMBUS_HOST_CREATE, &arg);
}

/* Sizes are filled in, where that is possible. */
static int set_regions(int fd, const struct vmbus_host_region *regions, __u32 nr,
		       __u32 flags)
{
	struct vmbus_host_region sized[VMBUS_HOST_REGION_SLOTS];
	struct vmbus_host_set_regions arg = {
		.size = sizeof(arg),
		.flags = flags,
		.nr = nr,
		.regions = PTR(regions),
	};
	__u32 i;

	if (regions && (long)regions > 0 && nr <= VMBUS_HOST_REGION_SLOTS) {
		for (i = 0; i < nr; i++) {
			sized[i] = regions[i];
			sized[i].size = sizeof(sized[i]);
		}
		arg.regions = PTR(sized);
	}
	return do_ioctl(fd, VMBUS_HOST_SET_REGIONS, &arg);
}

int vmm_regions(int fd, const struct vmbus_host_region *regions, __u32 nr)
{
	return set_regions(fd, regions, nr, 0);
}

int vmm_retire(int fd, const struct vmbus_host_region *regions, __u32 nr)
{
	return set_regions(fd, regions, nr, VMBUS_HOST_SET_REGIONS_RETIRE);
}

__u32 vmm_resident;

int vmm_region(int fd, __u32 slot, __u32 flags, __u64 gpa, __u64 bytes, const void *hva)
{
	struct vmbus_host_region region = {
		.slot = slot,
		.flags = bytes ? flags | vmm_resident : flags,
		.gpa = gpa,
		.bytes = bytes,
		.hva = PTR(hva),
	};

	return vmm_regions(fd, &region, 1);
}

static void instance_guid(__u8 *guid, unsigned int instance)
{
	memset(guid, 0x5e, 16);
	guid[0] = instance;
}

int vmm_channel(int fd, __u32 relid, unsigned int instance,
		const struct vmbus_host_signals *signals)
{
	struct vmbus_host_channel_create arg = {
		.size = sizeof(arg),
		.relid = relid,
		.if_type = VMBUS_GPADL_TEST_IF_TYPE,
	};
	struct vmbus_host_signals sized;

	instance_guid(arg.if_instance, instance);
	if (signals) {
		sized = *signals;
		sized.size = sizeof(sized);
		arg.signals = PTR(&sized);
	}
	return do_ioctl(fd, VMBUS_HOST_CHANNEL_CREATE, &arg);
}

int vmm_modify(int fd, __u32 relid, const struct vmbus_host_signals *signals)
{
	struct vmbus_host_signals sized = *signals;
	struct vmbus_host_channel_modify arg = {
		.size = sizeof(arg),
		.relid = relid,
		.signals = PTR(&sized),
	};

	sized.size = sizeof(sized);
	return do_ioctl(fd, VMBUS_HOST_CHANNEL_MODIFY, &arg);
}

static int request(int fd, unsigned long cmd, __u32 relid, __u32 flags)
{
	struct vmbus_host_channel arg = {
		.size = sizeof(arg),
		.flags = flags,
		.relid = relid,
	};

	return do_ioctl(fd, cmd, &arg);
}

int vmm_rescind(int fd, __u32 relid)
{
	return request(fd, VMBUS_HOST_CHANNEL_RESCIND, relid, VMBUS_HOST_WAIT);
}

int vmm_destroy(int fd, __u32 relid)
{
	return request(fd, VMBUS_HOST_CHANNEL_DESTROY, relid, VMBUS_HOST_WAIT);
}

int vmm_rescind_start(int fd, __u32 relid)
{
	return request(fd, VMBUS_HOST_CHANNEL_RESCIND, relid, 0);
}

int vmm_destroy_start(int fd, __u32 relid)
{
	return request(fd, VMBUS_HOST_CHANNEL_DESTROY, relid, 0);
}

static int reset(int fd, __u32 flags)
{
	struct vmbus_host_reset arg = { .size = sizeof(arg), .flags = flags };

	return do_ioctl(fd, VMBUS_HOST_RESET, &arg);
}

int vmm_reset(int fd)
{
	return reset(fd, VMBUS_HOST_WAIT);
}

int vmm_reset_start(int fd)
{
	return reset(fd, 0);
}

int vmm_next_event(int fd, struct vmbus_host_event *event)
{
	*event = (struct vmbus_host_event){ .size = sizeof(*event) };
	return do_ioctl(fd, VMBUS_HOST_NEXT_EVENT, event);
}

int poll_now(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	return poll(&p, 1, 0) < 0 ? -errno : p.revents;
}

bool event_waits(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLPRI };

	return poll(&p, 1, 0) == 1 && p.revents == POLLPRI;
}

/* ---- The backend ---- */

int backend_open(unsigned int instance)
{
	struct vmbus_gpadl_test_bind bind;
	int fd, ret;

	fd = open("/dev/vmbus-gpadl-test", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	instance_guid(bind.if_instance, instance);
	ret = do_ioctl(fd, VMBUS_GPADL_TEST_BIND, &bind);
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

int backend_policy(int fd, __u32 policy)
{
	struct vmbus_gpadl_test_policy arg = { .policy = policy };

	return do_ioctl(fd, VMBUS_GPADL_TEST_POLICY, &arg);
}

int backend_hang(int fd, unsigned int instance, __u32 where)
{
	struct vmbus_gpadl_test_hang arg = { .where = where };

	instance_guid(arg.if_instance, instance);
	return do_ioctl(fd, VMBUS_GPADL_TEST_HANG, &arg);
}

struct vmbus_gpadl_test_state backend_state(int fd, unsigned int instance)
{
	struct vmbus_gpadl_test_state arg = {};

	instance_guid(arg.if_instance, instance);
	if (do_ioctl(fd, VMBUS_GPADL_TEST_STATE, &arg))
		memset(&arg, 0, sizeof(arg));
	return arg;
}

static int map(int fd, __u32 handle, __u32 map_flags, __u32 flags)
{
	struct vmbus_gpadl_test_op arg = {
		.op = VMBUS_GPADL_TEST_MAP,
		.flags = flags,
		.handle = handle,
		.map_flags = map_flags,
	};

	return do_ioctl(fd, VMBUS_GPADL_TEST_OP, &arg);
}

int backend_map(int fd, __u32 handle, __u32 map_flags)
{
	return map(fd, handle, map_flags, 0);
}

int backend_map_by_kthread(int fd, __u32 handle, __u32 map_flags)
{
	return map(fd, handle, map_flags, VMBUS_GPADL_TEST_KTHREAD);
}

int backend_map_begin(int fd, __u32 handle, __u32 map_flags)
{
	return map(fd, handle, map_flags,
		   VMBUS_GPADL_TEST_KTHREAD | VMBUS_GPADL_TEST_ASYNC);
}

/* An operation on a handle that has no more to say */
static int simple_op(int fd, __u32 op, __u32 handle)
{
	struct vmbus_gpadl_test_op arg = { .op = op, .handle = handle };

	return do_ioctl(fd, VMBUS_GPADL_TEST_OP, &arg);
}

int backend_map_end(int fd, __u32 handle)
{
	return simple_op(fd, VMBUS_GPADL_TEST_WAIT, handle);
}

int backend_pool(int fd, __u32 requests, size_t bytes)
{
	struct vmbus_gpadl_test_op arg = {
		.op = VMBUS_GPADL_TEST_POOL,
		.len = requests,
		.value = bytes,
	};

	return do_ioctl(fd, VMBUS_GPADL_TEST_OP, &arg);
}

int backend_map_packet(int fd, __u32 name, __u32 map_flags, const __u64 *words,
		       __u32 nr_words, __u32 nr_ranges)
{
	struct vmbus_gpadl_test_op arg = {
		.op = VMBUS_GPADL_TEST_MAP_PACKET,
		.handle = name,
		.map_flags = map_flags,
		.len = nr_words * sizeof(*words),
		.data = PTR(words),
		.value = nr_ranges,
	};

	return do_ioctl(fd, VMBUS_GPADL_TEST_OP, &arg);
}

int backend_view(int fd, __u32 handle, __u64 offset, size_t len)
{
	struct vmbus_gpadl_test_op arg = {
		.op = VMBUS_GPADL_TEST_VIEW,
		.handle = handle,
		.offset = offset,
		.len = len,
	};

	return do_ioctl(fd, VMBUS_GPADL_TEST_OP, &arg) ?: (int)arg.value;
}

int backend_unmap(int fd, __u32 handle)
{
	return simple_op(fd, VMBUS_GPADL_TEST_UNMAP, handle);
}

int backend_vunmap(int fd, __u32 handle)
{
	return simple_op(fd, VMBUS_GPADL_TEST_VUNMAP, handle);
}

int backend_vmap(int fd, __u32 handle)
{
	return simple_op(fd, VMBUS_GPADL_TEST_VMAP, handle);
}

int backend_dma_dir(int fd, __u32 handle)
{
	struct vmbus_gpadl_test_op arg = {
		.op = VMBUS_GPADL_TEST_DMA_DIR,
		.handle = handle,
	};

	return do_ioctl(fd, VMBUS_GPADL_TEST_OP, &arg) ?: (int)arg.value;
}

static int copy(int fd, __u32 op, __u32 handle, __u64 offset, const void *buf, size_t len)
{
	struct vmbus_gpadl_test_op arg = {
		.op = op,
		.handle = handle,
		.offset = offset,
		.len = len,
		.data = PTR(buf),
	};

	return do_ioctl(fd, VMBUS_GPADL_TEST_OP, &arg);
}

int backend_read(int fd, __u32 handle, __u64 offset, void *buf, size_t len)
{
	return copy(fd, VMBUS_GPADL_TEST_READ, handle, offset, buf, len);
}

int backend_first_byte(int fd, __u32 handle)
{
	unsigned char byte;
	int ret;

	ret = backend_map(fd, handle, 0);
	if (ret)
		return ret;
	ret = backend_read(fd, handle, 0, &byte, 1);
	backend_unmap(fd, handle);
	return ret ?: byte;
}

int backend_write(int fd, __u32 handle, __u64 offset, const void *buf, size_t len)
{
	return copy(fd, VMBUS_GPADL_TEST_WRITE, handle, offset, buf, len);
}

int backend_vread(int fd, __u32 handle, __u64 offset, void *buf, size_t len)
{
	return copy(fd, VMBUS_GPADL_TEST_VREAD, handle, offset, buf, len);
}

int backend_vwrite(int fd, __u32 handle, __u64 offset, const void *buf, size_t len)
{
	return copy(fd, VMBUS_GPADL_TEST_VWRITE, handle, offset, buf, len);
}

int backend_sg(int fd, __u32 handle, struct vmbus_gpadl_test_sg *sg, unsigned int nr)
{
	struct vmbus_gpadl_test_op arg = {
		.op = VMBUS_GPADL_TEST_SG_INFO,
		.handle = handle,
		.len = nr,
		.data = PTR(sg),
	};

	return do_ioctl(fd, VMBUS_GPADL_TEST_OP, &arg) ?: (int)arg.value;
}

int backend_send(int fd, const void *buf, size_t len)
{
	return copy(fd, VMBUS_GPADL_TEST_SEND, 0, 0, buf, len);
}

int backend_recv(int fd, void *buf, size_t len)
{
	struct vmbus_gpadl_test_op arg = {
		.op = VMBUS_GPADL_TEST_RECV,
		.len = len,
		.data = PTR(buf),
	};

	/* The packet's type is in the upper half */
	return do_ioctl(fd, VMBUS_GPADL_TEST_OP, &arg) ?: (int)(__u32)arg.value;
}

int backend_disable_kick(int fd)
{
	struct vmbus_gpadl_test_op arg = { .op = VMBUS_GPADL_TEST_DISABLE_KICK };

	return do_ioctl(fd, VMBUS_GPADL_TEST_OP, &arg);
}

int backend_enable_kick(int fd)
{
	struct vmbus_gpadl_test_op arg = { .op = VMBUS_GPADL_TEST_ENABLE_KICK };

	return do_ioctl(fd, VMBUS_GPADL_TEST_OP, &arg) ?: (int)arg.value;
}

int backend_send_wrong(int fd, __u64 mistake)
{
	struct vmbus_gpadl_test_op arg = {
		.op = VMBUS_GPADL_TEST_SEND_WRONG,
		.value = mistake,
	};

	return do_ioctl(fd, VMBUS_GPADL_TEST_OP, &arg);
}

/* ---- Memory of the guest ---- */

#define HUGE	(2ul << 20)

static void *map_file(size_t bytes, int flags, unsigned int memfd_flags)
{
	int fd = memfd_create("guest", memfd_flags | MFD_CLOEXEC);
	void *mem;

	if (fd < 0 || ftruncate(fd, bytes))
		return MAP_FAILED;
	mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
	close(fd);
	return mem;
}

static void *map_anon(size_t bytes, int flags)
{
	return mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
}

/* Aligned, so that huge pages fit, and with one advised and touched */
static void *map_thp(size_t bytes)
{
	char *mem = map_anon(bytes + HUGE, MAP_PRIVATE);

	if (mem == MAP_FAILED)
		return mem;
	mem += -(uintptr_t)mem % HUGE;
	if (madvise(mem, bytes, MADV_HUGEPAGE))
		return MAP_FAILED;
	memset(mem, 0, bytes);
	return mem;
}

/*
 * Of pages as small as they say: Debian's kernel makes them huge where it can. Aligned as if they
 * were huge, as since Linux 6.7: so other memory has no share in the mapper's blocks.
 */
static void *map_small(size_t bytes)
{
	size_t more = bytes < HUGE ? 0 : HUGE, skip;
	char *mem = map_anon(bytes + more, MAP_PRIVATE);

	if (mem == MAP_FAILED)
		return mem;
	if (more) {
		skip = -(uintptr_t)mem % HUGE;
		munmap(mem, skip);
		mem += skip;
		munmap(mem + bytes, more - skip);
	}
	madvise(mem, bytes, MADV_NOHUGEPAGE);
	return mem;
}

void *const nowhere = (void *)8;

void *memory_alloc(enum memory kind, size_t bytes)
{
	void *mem = MAP_FAILED;

	switch (kind) {
	case MEM_ANON:
		mem = map_small(bytes);
		break;
	case MEM_ANON_SHARED:
		mem = map_anon(bytes, MAP_SHARED);
		break;
	case MEM_MEMFD:
		mem = map_file(bytes, MAP_SHARED, 0);
		break;
	case MEM_MEMFD_PRIVATE:
		mem = map_file(bytes, MAP_PRIVATE, 0);
		break;
	case MEM_THP:
		mem = map_thp(bytes);
		break;
	case MEM_HUGETLB:
		mem = map_anon(bytes, MAP_PRIVATE | MAP_HUGETLB);
		break;
	case MEM_HUGETLB_MEMFD:
		mem = map_file(bytes, MAP_SHARED, MFD_HUGETLB);
		break;
	}
	return mem == MAP_FAILED ? NULL : mem;
}

static int memory_watch(void *mem, size_t bytes, __u64 mode)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { .start = PTR(mem), .len = bytes },
		.mode = mode,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		return -errno;
	return fd;
}

int memory_stall(void *mem, size_t bytes)
{
	return memory_watch(mem, bytes, UFFDIO_REGISTER_MODE_MISSING);
}

int memory_protect(int uffd, void *mem, size_t bytes, bool protect)
{
	struct uffdio_writeprotect arg = {
		.range = { .start = PTR(mem), .len = bytes },
		.mode = protect ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return do_ioctl(uffd, UFFDIO_WRITEPROTECT, &arg);
}

int memory_stall_writes(void *mem, size_t bytes)
{
	int fd = memory_watch(mem, bytes, UFFDIO_REGISTER_MODE_WP);

	return fd < 0 ? fd : memory_protect(fd, mem, bytes, true) ?: fd;
}

bool memory_is_touched(int uffd)
{
	struct pollfd p = { .fd = uffd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && p.revents == POLLIN;
}

int memory_fill(int uffd, void *page, int byte)
{
	char content[4096];
	struct uffdio_copy arg = {
		.dst = PTR(page),
		.src = PTR(content),
		.len = sizeof(content),
	};

	memset(content, byte, sizeof(content));
	return do_ioctl(uffd, UFFDIO_COPY, &arg);
}

/* ---- A call that may wait ---- */

static void *task_main(void *arg)
{
	struct task *t = arg;

	__atomic_store_n(&t->tid, gettid(), __ATOMIC_RELEASE);
	t->ret = t->fn(t->arg);
	__atomic_store_n(&t->done, true, __ATOMIC_RELEASE);
	return NULL;
}

void task_start(struct task *t, int (*fn)(void *arg), void *arg)
{
	*t = (struct task){ .fn = fn, .arg = arg };
	if (pthread_create(&t->thread, NULL, task_main, t)) {
		t->ret = -EAGAIN;
		t->done = true;
	}
}

bool task_is_done(struct task *t)
{
	return __atomic_load_n(&t->done, __ATOMIC_ACQUIRE);
}

/* A thread that starts may sleep for a page, but not often nor twice in the same call. */
bool task_sleeps(struct task *t)
{
	pid_t tid = __atomic_load_n(&t->tid, __ATOMIC_ACQUIRE);
	char path[64], line[256] = "", *state;
	FILE *f;

	if (!tid || task_is_done(t))
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		line[0] = 0;
	fclose(f);
	state = strrchr(line, ')');
	return state && (state[2] == 'S' || state[2] == 'D');
}

int task_join(struct task *t)
{
	pthread_join(t->thread, NULL);
	return t->ret;
}

/* ---- The machine ---- */

/* The number behind @key in a file of lines "key number"; -1 if there is none */
static long read_value(const char *path, const char *key)
{
	char line[256];
	long value = -1;
	FILE *f = fopen(path, "r");

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			sscanf(line + strlen(key), "%ld", &value);
	fclose(f);
	return value;
}

static int write_file(const char *path, const char *value)
{
	ssize_t len = strlen(value);
	int fd = open(path, O_WRONLY);
	int ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, value, len) == len ? 0 : -errno;
	close(fd);
	return ret;
}

/* Both are counted per CPU, and added up once a second or when asked for. */
long pinned_pages(void)
{
	if (write_file("/proc/sys/vm/stat_refresh", "1"))
		return -1;
	return read_value("/proc/vmstat", "nr_foll_pin_acquired ") -
	       read_value("/proc/vmstat", "nr_foll_pin_released ");
}

long pinned_kb(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", pid ?: getpid());
	return read_value(path, "VmPin:");
}

bool kernel_before(int major, int minor)
{
	struct utsname name;
	int a, b;

	uname(&name);
	if (sscanf(name.release, "%d.%d", &a, &b) != 2)
		return false;
	return a < major || (a == major && b < minor);
}

int drop_ipc_lock(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data))
		return -errno;
	data[0].effective &= ~(1u << CAP_IPC_LOCK);
	return syscall(SYS_capset, &head, data) ? -errno : 0;
}

int memlock_limit(size_t bytes)
{
	struct rlimit limit = { .rlim_cur = bytes, .rlim_max = RLIM_INFINITY };

	return setrlimit(RLIMIT_MEMLOCK, &limit) ? -errno : 0;
}

static void param_path(char *path, size_t len, const char *name)
{
	snprintf(path, len, "/sys/module/vmbus_gpadl/parameters/%s", name);
}

int param_get(const char *name, char *value, size_t len)
{
	char path[128];
	FILE *f;
	int ret;

	param_path(path, sizeof(path), name);
	f = fopen(path, "r");
	if (!f)
		return -errno;
	ret = fgets(value, len, f) ? 0 : -EIO;
	fclose(f);
	return ret;
}

int param_set(const char *name, const char *value)
{
	char path[128];

	param_path(path, sizeof(path), name);
	return write_file(path, value);
}
