// SPDX-License-Identifier: GPL-2.0
/*
 * Ioctls of /dev/vmbus-host: the rules that hold for each and for its structure, and for
 * the structures that it points to.
 */
#include <signal.h>

#include "fixture.h"

/* ---- Each of them ---- */

union arg {
	__u32 size;
	struct vmbus_host_create create;
	struct vmbus_host_set_regions set_regions;
	struct vmbus_host_channel_create channel_create;
	struct vmbus_host_channel_modify channel_modify;
	struct vmbus_host_channel channel;
	struct vmbus_host_post post;
	struct vmbus_host_reset reset;
	struct vmbus_host_event event;
	__u8 bytes[256];
};

/* A region that the ioctl tests set, signals, and a message that they post */
static struct vmbus_host_region one_region;
static struct msg_teardown one_message;
static const struct vmbus_host_signals no_signals = {
	.size = sizeof(no_signals),
	.kick_fd = -1,
	.call_fd = -1,
};

static void fill_create(union arg *arg)
{
}

static void fill_set_regions(union arg *arg)
{
	one_region = (struct vmbus_host_region){
		.size = sizeof(one_region),
		.slot = 9,
		.gpa = 0x40000000,
		.bytes = HV_PAGE,
		.hva = 0x10000,
	};
	arg->set_regions.nr = 1;
	arg->set_regions.regions = PTR(&one_region);
}

static void fill_channel_create(union arg *arg)
{
	static const __u8 type[16] = VMBUS_GPADL_TEST_IF_TYPE;

	arg->channel_create.relid = RELID2;
	memcpy(arg->channel_create.if_type, type, sizeof(type));
	arg->channel_create.signals = PTR(&no_signals);
}

static void fill_channel_modify(union arg *arg)
{
	arg->channel_modify.relid = RELID;
	arg->channel_modify.signals = PTR(&no_signals);
}

static void fill_channel(union arg *arg)
{
	arg->channel.relid = RELID;
}

static void fill_post(union arg *arg)
{
	one_message = (struct msg_teardown){
		.type = MSG_GPADL_TEARDOWN,
		.relid = RELID,
		.handle = HANDLE,
	};
	arg->post.len = sizeof(one_message);
	arg->post.msg = PTR(&one_message);
}

FIXTURE(ioctls) {
	struct vmm vmm;
	int raw;	/* a file that is no partition */
	int fd;		/* on which the ioctl should work */
	union arg arg;
};

/*
 * @known_flags: the flags that there are
 * @reserved: offset of a field that must be 0 here: a reserved one, or else of the upper flags
 * @result: what it comes to on a file that does not block
 */
FIXTURE_VARIANT(ioctls) {
	unsigned int cmd;
	size_t size;
	__u32 known_flags;
	size_t reserved;
	int result;
	void (*fill)(union arg *arg);
};

FIXTURE_VARIANT_ADD(ioctls, create) {
	.cmd = VMBUS_HOST_CREATE,
	.size = sizeof(struct vmbus_host_create),
	.reserved = offsetof(struct vmbus_host_create, flags),
	.fill = fill_create,
};

FIXTURE_VARIANT_ADD(ioctls, set_regions) {
	.cmd = VMBUS_HOST_SET_REGIONS,
	.size = sizeof(struct vmbus_host_set_regions),
	.known_flags = VMBUS_HOST_SET_REGIONS_RETIRE,
	.reserved = offsetof(struct vmbus_host_set_regions, __reserved),
	.fill = fill_set_regions,
};

FIXTURE_VARIANT_ADD(ioctls, channel_create) {
	.cmd = VMBUS_HOST_CHANNEL_CREATE,
	.size = sizeof(struct vmbus_host_channel_create),
	.reserved = offsetof(struct vmbus_host_channel_create, __reserved),
	.fill = fill_channel_create,
};

FIXTURE_VARIANT_ADD(ioctls, channel_modify) {
	.cmd = VMBUS_HOST_CHANNEL_MODIFY,
	.known_flags = VMBUS_HOST_MODIFY_TARGET_VP,
	.size = sizeof(struct vmbus_host_channel_modify),
	.reserved = offsetof(struct vmbus_host_channel_modify, target_vp),
	.fill = fill_channel_modify,
};

FIXTURE_VARIANT_ADD(ioctls, channel_rescind) {
	.cmd = VMBUS_HOST_CHANNEL_RESCIND,
	.size = sizeof(struct vmbus_host_channel),
	.known_flags = VMBUS_HOST_WAIT,
	.reserved = offsetof(struct vmbus_host_channel, __reserved),
	.fill = fill_channel,
};

FIXTURE_VARIANT_ADD(ioctls, channel_destroy) {
	.cmd = VMBUS_HOST_CHANNEL_DESTROY,
	.size = sizeof(struct vmbus_host_channel),
	.known_flags = VMBUS_HOST_WAIT,
	.reserved = offsetof(struct vmbus_host_channel, __reserved),
	.fill = fill_channel,
};

FIXTURE_VARIANT_ADD(ioctls, channel_unplug) {
	.cmd = VMBUS_HOST_CHANNEL_UNPLUG,
	.size = sizeof(struct vmbus_host_channel),
	.reserved = offsetof(struct vmbus_host_channel, __reserved),
	.fill = fill_channel,
};

FIXTURE_VARIANT_ADD(ioctls, post) {
	.cmd = VMBUS_HOST_POST,
	.size = sizeof(struct vmbus_host_post),
	.known_flags = VMBUS_HOST_POST_GPADL_READ_ONLY,
	.reserved = offsetof(struct vmbus_host_post, __reserved),
	.fill = fill_post,
};

FIXTURE_VARIANT_ADD(ioctls, reset) {
	.cmd = VMBUS_HOST_RESET,
	.size = sizeof(struct vmbus_host_reset),
	.known_flags = VMBUS_HOST_WAIT,
	.reserved = offsetof(struct vmbus_host_reset, flags) + 1,
	.fill = fill_create,
};

FIXTURE_VARIANT_ADD(ioctls, next_event) {
	.cmd = VMBUS_HOST_NEXT_EVENT,
	.size = sizeof(struct vmbus_host_event),
	.reserved = offsetof(struct vmbus_host_event, __reserved),
	.result = -EAGAIN,
	.fill = fill_create,
};

FIXTURE_SETUP(ioctls)
{
	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
	self->raw = open("/dev/vmbus-host", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->raw);
	self->fd = variant->cmd == VMBUS_HOST_CREATE ? self->raw : self->vmm.fd;
	variant->fill(&self->arg);
	self->arg.size = variant->size;
}

FIXTURE_TEARDOWN(ioctls)
{
	close(self->raw);
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

static int do_cmd(int fd, unsigned int cmd, union arg *arg)
{
	return ioctl(fd, cmd, arg) ? -errno : 0;
}

TEST_F(ioctls, works)
{
	EXPECT_EQ(variant->result, do_cmd(self->fd, variant->cmd, &self->arg));
}

TEST_F(ioctls, too_small)
{
	self->arg.size--;
	EXPECT_IOCTL_ERRNO(EINVAL, self->fd, variant->cmd, &self->arg);
	self->arg.size = 0;
	EXPECT_IOCTL_ERRNO(EINVAL, self->fd, variant->cmd, &self->arg);
}

TEST_F(ioctls, larger_with_zeroes)
{
	self->arg.size++;
	EXPECT_EQ(variant->result, do_cmd(self->fd, variant->cmd, &self->arg));
}

TEST_F(ioctls, larger_with_garbage)
{
	self->arg.bytes[variant->size] = 1;
	self->arg.size++;
	EXPECT_IOCTL_ERRNO(E2BIG, self->fd, variant->cmd, &self->arg);
}

TEST_F(ioctls, larger_than_a_page)
{
	self->arg.size = 1U << 31;
	EXPECT_IOCTL_ERRNO(E2BIG, self->fd, variant->cmd, &self->arg);
}

TEST_F(ioctls, unknown_flag)
{
	__u32 *flags = (__u32 *)&self->arg.bytes[4];

	for (*flags = 1; *flags; *flags <<= 1) {
		if (*flags & variant->known_flags)
			continue;
		EXPECT_IOCTL_ERRNO(EOPNOTSUPP, self->fd, variant->cmd, &self->arg);
	}
}

TEST_F(ioctls, reserved_field)
{
	self->arg.bytes[variant->reserved] = 1;
	EXPECT_IOCTL_ERRNO(EOPNOTSUPP, self->fd, variant->cmd, &self->arg);
}

TEST_F(ioctls, faulting)
{
	char *page = mmap(NULL, HV_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, page);
	EXPECT_IOCTL_ERRNO(EFAULT, self->fd, variant->cmd, page);
}

TEST_F(ioctls, end_faulting)
{
	char *page = mmap(NULL, 2 * HV_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, page);
	ASSERT_EQ(0, mprotect(page + HV_PAGE, HV_PAGE, PROT_NONE));
	page += HV_PAGE - 4;
	memcpy(page, &self->arg, 4);
	EXPECT_IOCTL_ERRNO(EFAULT, self->fd, variant->cmd, page);
}

/* Only CREATE works on a file that is no partition yet, and only there. */
TEST_F(ioctls, before_create)
{
	int created = variant->cmd == VMBUS_HOST_CREATE;

	EXPECT_EQ(created ? 0 : -1, ioctl(self->raw, variant->cmd, &self->arg));
	if (!created)
		EXPECT_EQ(EINVAL, errno);
}

TEST_F(ioctls, another_address_space)
{
	int status, wrong;
	pid_t pid = fork();

	if (!pid) {
		wrong = ioctl(self->vmm.fd, variant->cmd, &self->arg) != -1 ||
			errno != EIO;
		_exit(wrong);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* ---- Called by a program of 32 bits ---- */

#ifdef __x86_64__
#define NR_IOCTL_32	54

/* Such a call, of which each argument has 32 bits. Where there are none, SIGSEGV */
static int call_32(unsigned int nr, int fd, unsigned int cmd, void *arg)
{
	long ret = nr;

	asm volatile("int $0x80" : "+a" (ret) : "b" (fd), "c" (cmd), "d" (arg) :
		     "memory", "r8", "r9", "r10", "r11");
	return ret;
}

static void has_none(int sig)
{
	_exit(1);
}

static bool kernel_has_calls_of_32_bits(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		/* One that nobody handles is in the kernel's log. */
		signal(SIGSEGV, has_none);
		_exit(call_32(NR_IOCTL_32, -1, 0, NULL) != -EBADF);
	}
	return waitpid(pid, &status, 0) == pid && !status;
}

TEST_F(ioctls, by_a_call_of_32_bits)
{
	union arg *low = mmap(NULL, HV_PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	ASSERT_NE(MAP_FAILED, low);
	if (!kernel_has_calls_of_32_bits())
		SKIP(return, "the kernel has no calls of 32 bits");
	*low = self->arg;
	EXPECT_EQ(variant->result, call_32(NR_IOCTL_32, self->fd, variant->cmd, low));
}
#endif

/* ---- Structures that they point to ---- */

/*
 * Signals: on a channel that is, and for one that is to be. Regions: one that comes behind
 * another, whose size says where it is.
 */
FIXTURE(nested) {
	struct vmm vmm;
	union {
		__u32 size;
		struct vmbus_host_signals signals;
		struct vmbus_host_region region;
		__u8 bytes[256];
	} arg;
};

FIXTURE_VARIANT(nested) {
	size_t size;
	int (*use)(int fd, const void *arg);
};

static int use_signals(int fd, const void *arg)
{
	struct vmbus_host_channel_modify modify = {
		.size = sizeof(modify),
		.relid = RELID,
		.signals = PTR(arg),
	};

	return ioctl(fd, VMBUS_HOST_CHANNEL_MODIFY, &modify) ? -errno : 0;
}

static int use_new_signals(int fd, const void *arg)
{
	struct vmbus_host_channel_create create = {
		.size = sizeof(create),
		.relid = RELID2,
		.if_type = VMBUS_GPADL_TEST_IF_TYPE,
		.signals = PTR(arg),
	};

	return ioctl(fd, VMBUS_HOST_CHANNEL_CREATE, &create) ? -errno : 0;
}

static int use_region(int fd, const void *arg)
{
	struct vmbus_host_set_regions set = {
		.size = sizeof(set),
		.nr = 1,
		.regions = PTR(arg),
	};

	return ioctl(fd, VMBUS_HOST_SET_REGIONS, &set) ? -errno : 0;
}

static int use_second_region(int fd, const void *arg)
{
	char both[4096] = {};
	struct vmbus_host_region *first = (void *)both;
	struct vmbus_host_set_regions set = {
		.size = sizeof(set),
		.nr = 2,
		.regions = PTR(both),
	};

	fill_set_regions(&(union arg){});
	*first = one_region;
	first->slot++;
	first->gpa += HV_PAGE;
	first->size += 8;
	memcpy(both + first->size, arg, 256);
	return ioctl(fd, VMBUS_HOST_SET_REGIONS, &set) ? -errno : 0;
}

FIXTURE_VARIANT_ADD(nested, signals) {
	.size = sizeof(struct vmbus_host_signals),
	.use = use_signals,
};

FIXTURE_VARIANT_ADD(nested, new_signals) {
	.size = sizeof(struct vmbus_host_signals),
	.use = use_new_signals,
};

FIXTURE_VARIANT_ADD(nested, region) {
	.size = sizeof(struct vmbus_host_region),
	.use = use_region,
};

FIXTURE_VARIANT_ADD(nested, second_region) {
	.size = sizeof(struct vmbus_host_region),
	.use = use_second_region,
};

FIXTURE_SETUP(nested)
{
	union arg unused;

	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
	fill_set_regions(&unused);
	if (variant->size == sizeof(one_region))
		self->arg.region = one_region;
	if (variant->use == use_signals || variant->use == use_new_signals)
		self->arg.signals = no_signals;
}

FIXTURE_TEARDOWN(nested)
{
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

TEST_F(nested, works)
{
	EXPECT_EQ(0, variant->use(self->vmm.fd, &self->arg));
}

TEST_F(nested, too_small)
{
	self->arg.size--;
	EXPECT_EQ(-EINVAL, variant->use(self->vmm.fd, &self->arg));
	self->arg.size = 0;
	EXPECT_EQ(-EINVAL, variant->use(self->vmm.fd, &self->arg));
}

TEST_F(nested, larger_with_zeroes)
{
	self->arg.size += 8;
	EXPECT_EQ(0, variant->use(self->vmm.fd, &self->arg));
}

TEST_F(nested, larger_with_garbage)
{
	self->arg.bytes[self->arg.size] = 1;
	self->arg.size += 8;
	EXPECT_EQ(-E2BIG, variant->use(self->vmm.fd, &self->arg));
}

TEST_F(nested, larger_than_a_page)
{
	self->arg.size = 1U << 31;
	EXPECT_EQ(-E2BIG, variant->use(self->vmm.fd, &self->arg));
}

/* Nothing is done by halves: what came before the one that is wrong is not set either. */
TEST_F(nested, wrong_changes_nothing)
{
	self->arg.size = 0;
	EXPECT_EQ(-EINVAL, variant->use(self->vmm.fd, &self->arg));
	EXPECT_EQ(-ENOENT, vmm_region(self->vmm.fd, 9, 0, 0, 0, NULL));
	EXPECT_EQ(-ENOENT, vmm_region(self->vmm.fd, 10, 0, 0, 0, NULL));
	EXPECT_EQ(-ENXIO, guest_teardown(self->vmm.fd, RELID2, HANDLE));
}

TEST(nested_faulting)
{
	struct vmm vmm;

	vmm_start(_metadata, &vmm, MEM_ANON, 0);
	EXPECT_EQ(-EFAULT, use_signals(vmm.fd, nowhere));
	EXPECT_EQ(-EFAULT, use_new_signals(vmm.fd, nowhere));
	EXPECT_EQ(-EFAULT, use_region(vmm.fd, nowhere));
	vmm_stop(&vmm);
}

TEST(reserved_field_of_a_region)
{
	union arg unused;
	struct vmm vmm;

	vmm_start(_metadata, &vmm, MEM_ANON, 0);
	fill_set_regions(&unused);
	one_region.__reserved = 1;
	EXPECT_EQ(-EOPNOTSUPP, use_region(vmm.fd, &one_region));
	vmm_stop(&vmm);
}

TEST(no_signals_at_all)
{
	struct vmm vmm;

	vmm_start(_metadata, &vmm, MEM_ANON, 0);
	EXPECT_EQ(0, use_signals(vmm.fd, NULL));
	EXPECT_EQ(0, use_new_signals(vmm.fd, NULL));
	vmm_stop(&vmm);
}

TEST_HARNESS_MAIN
