// SPDX-License-Identifier: GPL-2.0
/*
 * Devices: configuration, sub-channels, and what the backend asks for.
 */
#include <signal.h>
#include <sys/eventfd.h>

#include "device_fixture.h"

/* ---- The VMM ---- */

FIXTURE(device) {
	int fd;
	char *rings;		/* one pair after the other */
	struct vmbus_host_channel_create create;	/* of the primary channel */
	struct vmbus_device_test_config config;
};

FIXTURE_SETUP(device)
{
	self->rings = memory_alloc(MEM_ANON, NR_RINGS * RING_BYTES);
	ASSERT_NE(NULL, self->rings);
	self->fd = open("/dev/vmbus-host", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vmm_create(self->fd));
	ASSERT_EQ(0, vmm_region(self->fd, RING_SLOT, 0, RING_GPA, NR_RINGS * RING_BYTES,
				self->rings));
	self->config.size = sizeof(self->config);
	self->create = (struct vmbus_host_channel_create){
		.size = sizeof(self->create),
		.relid = RELID,
		.if_instance = { 1, 2, 3 },
		.config = PTR(&self->config),
	};
	memcpy(self->create.if_type, if_type, sizeof(if_type));
	backend_log();
}

FIXTURE_TEARDOWN(device)
{
	close(self->fd);
	expect_nothing_pinned(_metadata);
}

/* ---- Configuration ---- */

TEST_F(device, probe_and_remove)
{
	EXPECT_EQ(0, create(self->fd, &self->create));
	EXPECT_LOG("probe 5\n");
	EXPECT_EQ(0, vmm_destroy(self->fd, RELID));
	EXPECT_LOG("remove 5\n");
	EXPECT_EQ(0, create(self->fd, &self->create));
	EXPECT_EQ(0, vmm_destroy(self->fd, RELID));
}

TEST_F(device, instance_of_the_offer)
{
	EXPECT_EQ(0, create(self->fd, &self->create));
	backend_log();
	EXPECT_EQ(0, control("instance"));
	EXPECT_LOG("instance 00030201-0000-0000-0000-000000000000\n");
}

static bool fdinfo_names(int fd, const char *backend)
{
	char path[64], line[1024], word[64];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	snprintf(word, sizeof(word), " backend=%s ", backend);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		found |= !strncmp(line, "vmbus-channel:", 14) && strstr(line, word);
	if (f)
		fclose(f);
	return found;
}

/* Its name is two words, and one where programs look. */
TEST_F(device, name_of_the_backend)
{
	EXPECT_EQ(0, create(self->fd, &self->create));
	EXPECT_TRUE(fdinfo_names(self->fd, "device_test"));
}

/* Nor does it look like another key, or begin another field. */
TEST_F(device, odd_name_of_a_backend)
{
	EXPECT_EQ(0, control("load"));
	self->create.if_type[15] ^= 1;
	EXPECT_EQ(0, create(self->fd, &self->create));
	EXPECT_TRUE(fdinfo_names(self->fd, "other_device_test"));
	EXPECT_EQ(0, control("unload"));
	EXPECT_EQ(0, vmm_destroy(self->fd, RELID));
}

TEST_F(device, nobody_serves_it)
{
	self->create.if_type[0] ^= 1;
	EXPECT_EQ(-ENODEV, create(self->fd, &self->create));
	/* Nothing is left of it */
	self->create.if_type[0] ^= 1;
	EXPECT_EQ(0, create(self->fd, &self->create));
}

TEST_F(device, last_close_removes)
{
	EXPECT_DEVICE(1);
	backend_log();
	close(self->fd);
	self->fd = -1;
	EXPECT_TRUE(WAIT_FOR(pinned_pages() == 0));
	EXPECT_TRUE(WAIT_FOR(control("rescind") == -ENODEV));
	EXPECT_LOG("close 1\nclose 0\nremove 5\n");
}

TEST_F(device, probe_refuses)
{
	self->config.error = EBADF;
	EXPECT_EQ(-EBADF, create(self->fd, &self->create));
	EXPECT_LOG("");
	EXPECT_EQ(-ENXIO, guest_close(self->fd, RELID));
	self->config.error = 0;
	EXPECT_EQ(0, create(self->fd, &self->create));
}

TEST_F(device, config_can_be_left_out)
{
	self->create.config = 0;
	EXPECT_EQ(0, create(self->fd, &self->create));
}

TEST_F(device, config_of_the_first_version)
{
	self->config.size = VMBUS_DEVICE_TEST_CONFIG_V1;
	EXPECT_EQ(0, create(self->fd, &self->create));
}

TEST_F(device, config_is_too_short)
{
	self->config.size = VMBUS_DEVICE_TEST_CONFIG_V1 - 1;
	EXPECT_EQ(-EINVAL, create(self->fd, &self->create));
	self->config.size = 3;
	EXPECT_EQ(-EINVAL, create(self->fd, &self->create));
	self->config.size = 0;
	EXPECT_EQ(-EINVAL, create(self->fd, &self->create));
}

TEST_F(device, config_of_a_later_version)
{
	struct {
		struct vmbus_device_test_config config;
		__u32 more;
	} later = { .config.size = sizeof(later) };

	self->create.config = PTR(&later);
	later.more = 1;
	EXPECT_EQ(-E2BIG, create(self->fd, &self->create));
	later.more = 0;
	EXPECT_EQ(0, create(self->fd, &self->create));
}

TEST_F(device, config_is_too_long)
{
	__u32 *config = memory_alloc(MEM_ANON, 2 * HV_PAGE);

	ASSERT_NE(NULL, config);
	self->create.config = PTR(config);
	config[0] = VMBUS_HOST_CONFIG_MAX + 1;
	EXPECT_EQ(-E2BIG, create(self->fd, &self->create));
	config[0] = VMBUS_HOST_CONFIG_MAX;
	EXPECT_EQ(0, create(self->fd, &self->create));
}

TEST_F(device, config_is_nowhere)
{
	char *pages = mmap(NULL, 2 * HV_PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	self->create.config = PTR(nowhere);
	EXPECT_EQ(-EFAULT, create(self->fd, &self->create));
	/* Its size is there, the rest is not */
	ASSERT_EQ(0, munmap(pages + HV_PAGE, HV_PAGE));
	*(__u32 *)(pages + HV_PAGE - 4) = sizeof(self->config);
	self->create.config = PTR(pages + HV_PAGE - 4);
	EXPECT_EQ(-EFAULT, create(self->fd, &self->create));
}

/* That of the test backend without a probe() of its own is the other one */
TEST_F(device, backend_takes_no_config)
{
	const __u8 type[16] = VMBUS_GPADL_TEST_IF_TYPE;

	memcpy(self->create.if_type, type, sizeof(type));
	EXPECT_EQ(-EINVAL, create(self->fd, &self->create));
	self->create.config = 0;
	EXPECT_EQ(0, create(self->fd, &self->create));
}

/* ---- The offer ---- */

TEST_F(device, offer)
{
	struct vmbus_host_offer offer = { .size = sizeof(offer), .user_defined = { 9, 9 } };

	self->config.mmio_megabytes = 17;
	self->create.offer = PTR(&offer);
	EXPECT_EQ(0, create(self->fd, &self->create));
	EXPECT_EQ(sizeof(offer), offer.size);
	EXPECT_EQ(0x10, offer.flags);
	EXPECT_EQ(17, offer.mmio_megabytes);
	EXPECT_EQ(4, offer.user_defined[0]);
	EXPECT_EQ(0, offer.user_defined[1]);
}

TEST_F(device, offer_goes_nowhere)
{
	struct vmbus_host_offer *offer = mmap(NULL, HV_PAGE, PROT_READ,
					      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	self->create.offer = PTR(offer);
	EXPECT_EQ(-EINVAL, create(self->fd, &self->create));
	ASSERT_EQ(0, mprotect(offer, HV_PAGE, PROT_READ | PROT_WRITE));
	offer->size = sizeof(*offer);
	ASSERT_EQ(0, mprotect(offer, HV_PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, create(self->fd, &self->create));
	EXPECT_LOG("probe 5\nremove 5\n");
	self->create.offer = 0;
	EXPECT_EQ(0, create(self->fd, &self->create));
}

/* ---- Sub-channels ---- */

TEST_F(device, subchannels)
{
	EXPECT_DEVICE(2);
	EXPECT_LOG("probe 5\nopen 0 vp 0\nopen 1 vp 0\nopen 2 vp 0\n");
	EXPECT_EQ(0, guest_close(self->fd, SUB_RELID(1)));
	EXPECT_CHANNEL_OPENS(1);
	EXPECT_LOG("close 1\nopen 1 vp 0\n");
}

TEST_F(device, subchannel_of_nobody)
{
	EXPECT_EQ(-ENOENT, create_sub(self->fd, &self->create, 1));
	EXPECT_EQ(0, create(self->fd, &self->create));
	EXPECT_EQ(0, create_sub(self->fd, &self->create, 1));
	/* A sub-channel has none */
	self->create.relid = RELID + 20;
	self->create.primary = SUB_RELID(1);
	self->create.index = 2;
	self->create.config = 0;
	EXPECT_EQ(-ENOENT, create(self->fd, &self->create));
}

TEST_F(device, subchannel_numbers)
{
	struct vmbus_host_channel_create arg = self->create;

	arg.index = 1;
	EXPECT_EQ(-EINVAL, create(self->fd, &arg));
	EXPECT_EQ(0, create(self->fd, &self->create));
	EXPECT_EQ(-EINVAL, create_sub(self->fd, &self->create, 0));
	EXPECT_EQ(-EINVAL, create_sub(self->fd, &self->create,
				      VMBUS_DEVICE_TEST_SUBCHANNELS + 1));
	EXPECT_EQ(0, create_sub(self->fd, &self->create, VMBUS_DEVICE_TEST_SUBCHANNELS));
	EXPECT_EQ(-EEXIST, create_sub(self->fd, &self->create,
				      VMBUS_DEVICE_TEST_SUBCHANNELS));
	/* The index is taken, the relid is not */
	arg.relid = RELID + 20;
	arg.primary = RELID;
	arg.config = 0;
	arg.index = VMBUS_DEVICE_TEST_SUBCHANNELS;
	EXPECT_EQ(-EEXIST, create(self->fd, &arg));
	arg.primary = 2048;
	EXPECT_EQ(-EINVAL, create(self->fd, &arg));
}

TEST_F(device, subchannel_is_of_the_same_kind)
{
	struct vmbus_host_channel_create other = self->create;

	EXPECT_EQ(0, create(self->fd, &self->create));
	other.if_type[15] ^= 1;
	EXPECT_EQ(-EINVAL, create_sub(self->fd, &other, 1));
	other = self->create;
	other.if_instance[0] ^= 1;
	EXPECT_EQ(-EINVAL, create_sub(self->fd, &other, 1));
}

TEST_F(device, subchannel_has_no_config)
{
	EXPECT_EQ(0, create(self->fd, &self->create));
	self->create.relid = SUB_RELID(1);
	self->create.primary = RELID;
	self->create.index = 1;
	EXPECT_EQ(-EINVAL, create(self->fd, &self->create));
}

/* A sub-channel is open only while its primary is */
TEST_F(device, subchannel_needs_its_primary)
{
	EXPECT_EQ(0, create(self->fd, &self->create));
	EXPECT_EQ(0, create_sub(self->fd, &self->create, 1));
	EXPECT_RINGS(1);
	EXPECT_CHANNEL_IS_REFUSED(1);
	EXPECT_RINGS(0);
	EXPECT_CHANNEL_OPENS(0);
	EXPECT_CHANNEL_OPENS(1);
	EXPECT_LOG("probe 5\nopen 0 vp 0\nopen 1 vp 0\n");
}

TEST_F(device, primary_closes_last)
{
	const char *log;

	EXPECT_DEVICE(2);
	backend_log();
	EXPECT_EQ(0, guest_close(self->fd, RELID));
	EXPECT_CHANNEL_OPENS(0);
	log = backend_log();
	EXPECT_TRUE(!strcmp(log, "close 1\nclose 2\nclose 0\nopen 0 vp 0\n") ||
		    !strcmp(log, "close 2\nclose 1\nclose 0\nopen 0 vp 0\n"))
		TH_LOG("%s", log);
}

TEST_F(device, rescind_takes_all)
{
	EXPECT_DEVICE(1);
	backend_log();
	EXPECT_EQ(0, vmm_rescind(self->fd, RELID));
	EXPECT_LOG("close 1\nclose 0\n");
	EXPECT_EQ(0, pinned_kb(0));
	EXPECT_CHANNEL_IS_REFUSED(0);
	EXPECT_CHANNEL_IS_REFUSED(1);
	EXPECT_EQ(-ENODEV, create_sub(self->fd, &self->create, 2));
}

TEST_F(device, rescind_of_a_subchannel)
{
	EXPECT_DEVICE(2);
	backend_log();
	EXPECT_EQ(0, vmm_rescind(self->fd, SUB_RELID(1)));
	EXPECT_LOG("close 1\n");
	EXPECT_CHANNEL_IS_REFUSED(1);
	EXPECT_EQ(0, vmm_destroy(self->fd, SUB_RELID(1)));
	EXPECT_EQ(0, create_sub(self->fd, &self->create, 1));
	EXPECT_RINGS(1);
	EXPECT_CHANNEL_OPENS(1);
}

TEST_F(device, destroy_takes_all)
{
	EXPECT_DEVICE(2);
	backend_log();
	EXPECT_EQ(0, vmm_destroy(self->fd, RELID));
	EXPECT_EQ(-ENXIO, guest_close(self->fd, RELID));
	EXPECT_EQ(-ENXIO, guest_close(self->fd, SUB_RELID(1)));
	EXPECT_EQ(-ENOENT, vmm_destroy(self->fd, SUB_RELID(2)));
	EXPECT_EQ(0, pinned_kb(0));
	EXPECT_DEVICE(2);
}

TEST_F(device, reset_closes_all)
{
	EXPECT_DEVICE(1);
	backend_log();
	EXPECT_EQ(0, vmm_reset(self->fd));
	EXPECT_LOG("close 1\nclose 0\n");
	EXPECT_RINGS(0);
	EXPECT_RINGS(1);
	EXPECT_CHANNEL_OPENS(0);
	EXPECT_CHANNEL_OPENS(1);
}

/* ---- What the backend asks for ---- */

static int next_event(int fd, struct vmbus_host_event *event)
{
	*event = (struct vmbus_host_event){ .size = sizeof(*event) };
	return ioctl(fd, VMBUS_HOST_NEXT_EVENT, event) ? -errno : 0;
}

#define EXPECT_EVENT(_type, _relid, _value) do {				\
	struct vmbus_host_event _e;						\
										\
	EXPECT_EQ(0, next_event(self->fd, &_e));				\
	EXPECT_EQ(_type, _e.type);						\
	EXPECT_EQ(_relid, _e.relid);						\
	EXPECT_EQ(_value, _e.value);						\
} while (0)

/*
 * A reset takes the rings of the primary back while that waits for its sub-channels to close: of
 * that nobody is told.
 */
TEST_F(device, reset_breaks_nothing)
{
	struct vmbus_host_event event;

	self->config.flags = VMBUS_DEVICE_TEST_SLOW;
	EXPECT_DEVICE(2);
	EXPECT_EQ(0, vmm_reset(self->fd));
	EXPECT_EQ(-EAGAIN, next_event(self->fd, &event));
	EXPECT_EQ(0, vmm_destroy(self->fd, RELID));
	EXPECT_EQ(-EAGAIN, next_event(self->fd, &event));
}

TEST_F(device, offer_subchannels)
{
	struct vmbus_host_event event;

	EXPECT_DEVICE(0);
	EXPECT_EQ(-EAGAIN, next_event(self->fd, &event));
	EXPECT_EQ(0, control("offer 2"));
	EXPECT_EVENT(VMBUS_HOST_EVENT_OFFER_SUBCHANNELS, RELID, 2);
	EXPECT_EQ(-EAGAIN, next_event(self->fd, &event));
	EXPECT_EQ(-EINVAL, control("offer 0"));
	EXPECT_EQ(-EINVAL, control("offer 4"));
	/* As many as 1, to 16 bits */
	EXPECT_EQ(-EINVAL, control("offer 65537"));
	EXPECT_EQ(-EAGAIN, next_event(self->fd, &event));
}

/* What one driver of the guest's has asked for is nothing to the next. */
TEST_F(device, offer_goes_when_the_channel_closes)
{
	struct vmbus_host_event event;

	EXPECT_DEVICE(0);
	EXPECT_EQ(0, control("offer 2"));
	EXPECT_EQ(0, vmm_reset(self->fd));
	EXPECT_EQ(-EAGAIN, next_event(self->fd, &event));
}

TEST_F(device, backend_unplugs)
{
	EXPECT_DEVICE(1);
	backend_log();
	EXPECT_EQ(0, control("rescind"));
	EXPECT_EVENT(VMBUS_HOST_EVENT_RESCIND, RELID, 0);
	EXPECT_TRUE(WAIT_FOR(pinned_kb(0) == 0));
	EXPECT_CHANNEL_IS_REFUSED(0);
	EXPECT_LOG("close 1\nclose 0\n");
	EXPECT_EQ(0, vmm_rescind(self->fd, RELID));
	EXPECT_LOG("");
	EXPECT_EQ(0, vmm_destroy(self->fd, RELID));
	EXPECT_LOG("remove 5\n");
}

/* The backend has nothing to tell the guest before: it goes at once. */
TEST_F(device, vmm_unplugs)
{
	struct vmbus_host_channel arg = { .size = sizeof(arg), .relid = RELID };

	EXPECT_DEVICE(1);
	backend_log();
	EXPECT_EQ(0, ioctl(self->fd, VMBUS_HOST_CHANNEL_UNPLUG, &arg));
	EXPECT_TRUE(WAIT_FOR(event_waits(self->fd)));
	EXPECT_EVENT(VMBUS_HOST_EVENT_RESCIND, RELID, 0);
	EXPECT_EQ(0, vmm_rescind(self->fd, RELID));
	EXPECT_LOG("close 1\nclose 0\n");
	EXPECT_EQ(0, vmm_destroy(self->fd, RELID));
}

/* vmbus_backend_unregister() does not leave a device behind */
/* One of which the host could not read the rings is none. */
TEST_F(device, confidential_channels)
{
	EXPECT_EQ(-EINVAL, control("load confidential"));
	EXPECT_EQ(-ENODEV, control("rescind"));
}

TEST_F(device, backend_is_unregistered)
{
	EXPECT_EQ(0, control("load"));
	self->create.if_type[15] ^= 1;
	EXPECT_DEVICE(1);
	EXPECT_EQ(0, control("unload"));
	EXPECT_LOG("probe 5\nopen 0 vp 0\nopen 1 vp 0\nclose 1\nclose 0\nremove 5\n");
	EXPECT_EVENT(VMBUS_HOST_EVENT_RESCIND, RELID, 0);
	EXPECT_CHANNEL_IS_REFUSED(0);
	EXPECT_EQ(-ENODEV, create_sub(self->fd, &self->create, 2));
	EXPECT_EQ(0, vmm_rescind(self->fd, RELID));
	EXPECT_EQ(0, vmm_destroy(self->fd, RELID));
	EXPECT_EQ(-ENODEV, create(self->fd, &self->create));
}

/* ---- Target processors ---- */

static int modify(int fd, __u32 flags, __u32 target_vp,
		  const struct vmbus_host_signals *signals)
{
	struct vmbus_host_channel_modify arg = {
		.size = sizeof(arg),
		.flags = flags,
		.relid = RELID,
		.target_vp = target_vp,
		.signals = PTR(signals),
	};

	return ioctl(fd, VMBUS_HOST_CHANNEL_MODIFY, &arg) ? -errno : 0;
}

#define TARGET	VMBUS_HOST_MODIFY_TARGET_VP

TEST_F(device, retarget)
{
	EXPECT_DEVICE(0);
	backend_log();
	EXPECT_EQ(0, modify(self->fd, TARGET, 3, NULL));
	EXPECT_TRUE(WAIT_FOR(!strcmp(backend_log(), "retarget 0 vp 3\n")));
	EXPECT_EQ(0, guest_close(self->fd, RELID));
	EXPECT_CHANNEL_OPENS(0);
	EXPECT_LOG("close 0\nopen 0 vp 0\n");
	/* Without the flag it is only the signals that change; and so it is the same again */
	EXPECT_EQ(0, modify(self->fd, 0, 0, NULL));
	EXPECT_EQ(0, modify(self->fd, TARGET, 0, NULL));
	EXPECT_EQ(0, vmm_rescind(self->fd, RELID));
	EXPECT_LOG("close 0\n");
}

TEST_F(device, no_target)
{
	struct vmbus_host_signals signals = {
		.size = sizeof(signals),
		.kick_fd = -1,
		.call_fd = 0,
	};

	EXPECT_DEVICE(0);
	backend_log();
	EXPECT_EQ(-EINVAL, modify(self->fd, TARGET, VMBUS_HOST_NO_TARGET_VP, &signals));
	signals.call_fd = -1;
	EXPECT_EQ(0, modify(self->fd, TARGET, VMBUS_HOST_NO_TARGET_VP, &signals));
	EXPECT_EQ(-EOPNOTSUPP, modify(self->fd, 0, 1, &signals));
	EXPECT_EQ(-EOPNOTSUPP, modify(self->fd, 2, 0, &signals));
	EXPECT_TRUE(WAIT_FOR(!strcmp(backend_log(), "retarget 0 vp 4294967295\n")));
}

/* ---- Sending ---- */

/* How often an eventfd was signalled since the last look */
static int signalled(int fd)
{
	eventfd_t n;

	return eventfd_read(fd, &n) ? 0 : (int)n;
}

/*
 * The guest may not listen yet when open() sends: it is signalled again when it has been told
 * that the channel is open, until it reads.
 */
TEST_F(device, sends_in_open)
{
	__u32 *ring = (void *)(self->rings + RING_SPLIT * HV_PAGE);
	struct vmbus_host_signals signals = { .size = sizeof(signals), .kick_fd = -1 };
	int nr = 0;

	signals.call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ASSERT_LE(0, signals.call_fd);
	self->config.flags = VMBUS_DEVICE_TEST_SENDS_IN_OPEN;
	self->create.signals = PTR(&signals);
	EXPECT_EQ(0, create(self->fd, &self->create));
	EXPECT_RINGS(0);
	EXPECT_CHANNEL_OPENS(0);
	EXPECT_TRUE(WAIT_FOR((nr += signalled(signals.call_fd)) >= 2));
	EXPECT_LT(0, ring[0]);
	ring[1] = ring[0];
	close(signals.call_fd);
}

TEST_HARNESS_MAIN
