// SPDX-License-Identifier: GPL-2.0
/*
 * What debugfs tells of a partition and of its channels, and what the log says of a
 * backend that does not unmap.
 */
#include <glob.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>

#include "fixture.h"

#define PARTITIONS	"/sys/kernel/debug/vmbus_gpadl"
/* The last columns of a region: changes, and blocks to be looked at */
#define COUNTS		" +[0-9]+ +[0-9]+$"
#define ENDPOINTS	"/sys/kernel/debug/vmbus_host/endpoints"
#define GUESTS		"/sys/kernel/debug/vmbus_host/guests"

/* Is there a line that matches? @format makes an extended regular expression. */
static bool says(const char *path, const char *format, ...)
{
	FILE *f = fopen(path, "r");
	char line[512], pattern[256];
	bool found = false;
	regex_t regex;
	va_list args;

	va_start(args, format);
	vsnprintf(pattern, sizeof(pattern), format, args);
	va_end(args);
	if (!f || regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE))
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = !regexec(&regex, line, 0, NULL, 0);
	regfree(&regex);
	fclose(f);
	return found;
}

/* Of one partition */
struct files {
	char gpadls[64];
	char regions[64];
	char requests[64];
	char stats[64];
};

FIXTURE(debugfs) {
	struct vmm vmm;
	struct files files;
};

/* This process has one partition. */
static bool find_files(struct files *files)
{
	bool found = false;
	size_t i;
	glob_t g;

	if (glob(PARTITIONS "/*/stats", 0, NULL, &g))
		return false;
	for (i = 0; i < g.gl_pathc && !found; i++) {
		int dir = strrchr(g.gl_pathv[i], '/') - g.gl_pathv[i];

		found = says(g.gl_pathv[i], "^owner pid +%d$", getpid());
		sprintf(files->stats, "%.*s/stats", dir, g.gl_pathv[i]);
		sprintf(files->gpadls, "%.*s/gpadls", dir, g.gl_pathv[i]);
		sprintf(files->regions, "%.*s/regions", dir, g.gl_pathv[i]);
		sprintf(files->requests, "%.*s/requests", dir, g.gl_pathv[i]);
	}
	globfree(&g);
	return found;
}

FIXTURE_SETUP(debugfs)
{
	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
	vmm_open_channel(_metadata, &self->vmm);
	ASSERT_TRUE(find_files(&self->files));
}

FIXTURE_TEARDOWN(debugfs)
{
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

TEST_F(debugfs, gpadls)
{
	__u64 words[] = { range_word(0, 2 * HV_PAGE), MEM_PFN, MEM_PFN + 9 };
	struct guest_gpadl g;

	gpadl_simple(&g, HANDLE, MEM_GPA, 3 * HV_PAGE);
	EXPECT_EQ(0, guest_gpadl(self->vmm.fd, RELID, &g, true));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE2, 1, 3, words, 2));
	EXPECT_TRUE(says(self->files.gpadls, "^ +%u +%#x MAPPED +rw +%u +1 +1 +1 +[0-9]+$",
			 RELID, RING_HANDLE, RING_PAGES));
	EXPECT_TRUE(says(self->files.gpadls, "^ +%u +%#x READY +ro +3 +1 +1 +1 +0$",
			 RELID, HANDLE));
	EXPECT_TRUE(says(self->files.gpadls, "^ +%u +%#x ASSEMBLING +rw ", RELID, HANDLE2));
	EXPECT_EQ(0, guest_body(self->vmm.fd, HANDLE2, 0, words + 2, 1));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE2, STATUS_SUCCESS);
	EXPECT_TRUE(says(self->files.gpadls, "^ +%u +%#x READY +rw +2 +1 +2 +2 +0$", RELID,
			 HANDLE2));
	EXPECT_TEARDOWN(self->vmm.fd, RELID, HANDLE);
	EXPECT_FALSE(says(self->files.gpadls, " %#x ", HANDLE));
}

TEST_F(debugfs, gpadl_that_is_revoked)
{
	EXPECT_EQ(0, backend_policy(self->vmm.backend, ON_REVOKE_HOLD));
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_TRUE(says(self->files.stats, "^revoked +0$"));
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE));
	EXPECT_TRUE(says(self->files.gpadls,
			 " %#x MAPPED .* tearing-down (revoked|revoke-pending)$", HANDLE));
	EXPECT_TRUE(says(self->files.stats, "^revoked +1$"));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_TORNDOWN(self->vmm.fd, HANDLE);
	EXPECT_TRUE(says(self->files.stats, "^revoked +0$"));
}

/* A backend that is just mapping it is not told: its map fails. */
TEST_F(debugfs, gpadl_that_is_revoked_while_it_is_mapped)
{
	int uffd = memory_stall(self->vmm.mem, MEM_BYTES);

	if (kernel_before(6, 2))
		SKIP(return, NO_PIN_WAITS);
	ASSERT_LE(0, uffd);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map_begin(self->vmm.backend, HANDLE, 0));
	EXPECT_TRUE(WAIT_FOR(memory_is_touched(uffd)));
	EXPECT_TRUE(says(self->files.gpadls, " %#x MAPPING .* [0-9]+$", HANDLE));
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE));
	EXPECT_TRUE(says(self->files.gpadls, " %#x MAPPING .* tearing-down revoke-pending$",
			 HANDLE));
	EXPECT_EQ(0, memory_fill(uffd, self->vmm.mem, 0));
	EXPECT_EQ(-ESHUTDOWN, backend_map_end(self->vmm.backend, HANDLE));
	EXPECT_TORNDOWN(self->vmm.fd, HANDLE);
	close(uffd);
}

/* The packet has one page */
static void hold_a_packet(struct __test_metadata *_metadata, struct vmm *vmm)
{
	__u64 words[] = { range_word(0, HV_PAGE), MEM_PFN };

	ASSERT_EQ(0, backend_pool(vmm->backend, 4, 3 * HV_PAGE));
	ASSERT_EQ(0, backend_policy(vmm->backend, ON_REVOKE_HOLD));
	ASSERT_EQ(0, backend_map_packet(vmm->backend, HANDLE, 0, words, 2, 1));
}

TEST_F(debugfs, requests)
{
	EXPECT_FALSE(says(self->files.requests, "^%u ", RELID));
	hold_a_packet(_metadata, &self->vmm);
	EXPECT_TRUE(says(self->files.requests, "^%u +1 +1 +4 +4$", RELID));
	EXPECT_TRUE(says(self->files.stats, "^revoked +0$"));
	EXPECT_EQ(-EINPROGRESS, vmm_rescind_start(self->vmm.fd, RELID));
	/* And the rings */
	EXPECT_TRUE(says(self->files.stats, "^revoked +2$"));
	EXPECT_EQ(0, backend_pool(self->vmm.backend, 0, 0));
	EXPECT_TRUE(says(self->files.requests, "^%u +1 +1 +4 +4 destroyed$", RELID));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_FALSE(says(self->files.requests, "^%u ", RELID));
	EXPECT_TRUE(WAIT_FOR(event_waits(self->vmm.fd)));
	EXPECT_TRUE(says(self->files.stats, "^revoked +0$"));
}

TEST_F(debugfs, regions)
{
	const char *kind = vmm_resident ? "resident" : "on-demand";

	EXPECT_EQ(0, vmm_region(self->vmm.fd, 7, VMBUS_HOST_REGION_READ_ONLY,
				0x200000000ull, HV_PAGE, self->vmm.mem));
	EXPECT_EQ(0, vmm_region(self->vmm.fd, 9, VMBUS_HOST_REGION_RESIDENT,
				0x300000000ull, HV_PAGE, self->vmm.mem));
	EXPECT_TRUE(says(self->files.regions, "^ +%u +%#llx +%#x +%#lx rw +%s +0" COUNTS,
			 MEM_SLOT, MEM_GPA, MEM_BYTES, (unsigned long)self->vmm.mem, kind));
	EXPECT_TRUE(says(self->files.regions, "^ +%u +%#llx .* rw +%s +1" COUNTS,
			 RING_SLOT, RING_GPA, kind));
	EXPECT_TRUE(says(self->files.regions, "^ +7 +0x200000000 +0x1000 .* ro +%s +0" COUNTS,
			 kind));
	EXPECT_TRUE(says(self->files.regions, "^ +9 +0x300000000 +0x1000 .* rw +resident +0"
			 COUNTS));
}

TEST_F(debugfs, stats)
{
	__u64 words[] = { range_word(0, HV_PAGE) };

	EXPECT_TRUE(says(self->files.stats, "^pinned host pages +%u$", RING_PAGES));
	EXPECT_TRUE(says(self->files.stats, "^GPADLs +1$"));
	EXPECT_TRUE(says(self->files.stats, "^described HV pages +%u$", RING_PAGES));
	EXPECT_EQ(-ENOENT, guest_body(self->vmm.fd, HANDLE, 0, words, 1));
	EXPECT_EQ(-ENOENT, guest_body(self->vmm.fd, HANDLE, 0, words, 1));
	EXPECT_TRUE(says(self->files.stats, "^ +2  "));
}

TEST_F(debugfs, endpoints)
{
	__u32 *in = self->vmm.ring, *out = self->vmm.ring + RING_SPLIT * HV_PAGE;
	/* A file that is no partition yet has none. */
	int other = open("/dev/vmbus-host", O_RDWR | O_CLOEXEC);
	__u64 word = 0;
	int ret;

	ASSERT_LE(0, other);
	EXPECT_EQ(0, guest_open(self->vmm.fd, RELID, 2, RING_HANDLE, RING_SPLIT));
	EXPECT_NOT_OPENED(self->vmm.fd, RELID, 2);
	EXPECT_EQ(0, backend_send(self->vmm.backend, &word, sizeof(word)));
	EXPECT_TRUE(WAIT_FOR(says(ENDPOINTS, "^%d %u .* open opens 1 .* sent 1$",
				  getpid(), RELID)));

	/* Indexes that cannot be */
	in[0] = ~0u;
	out[1] = ~0u;
	EXPECT_EQ(-EIO, backend_recv(self->vmm.backend, &word, sizeof(word)));
	/* The guest's read index is looked at when there seems to be no room. */
	do {
		ret = backend_send(self->vmm.backend, &word, sizeof(word));
	} while (!ret);
	EXPECT_EQ(-EIO, ret);
	EXPECT_TRUE(says(ENDPOINTS, "^%d %u .* bad-in-ring bad-out-ring$", getpid(),
			 RELID));

	EXPECT_EQ(0, vmm_rescind(self->vmm.fd, RELID));
	EXPECT_TRUE(says(ENDPOINTS, "^%d %u .* closed rescinded opens 1 ", getpid(),
			 RELID));
	EXPECT_EQ(0, guest_released(self->vmm.fd, RELID));
	EXPECT_TRUE(says(ENDPOINTS, "^%d %u .* rescinded released ", getpid(), RELID));
	EXPECT_EQ(0, vmm_destroy(self->vmm.fd, RELID));
	EXPECT_TRUE(WAIT_FOR(!says(ENDPOINTS, "^%d ", getpid())));
	close(other);
}

/* A file that is no partition yet is nobody's, and not listed. */
TEST_F(debugfs, guests)
{
	int other = open("/dev/vmbus-host", O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, other);
	EXPECT_TRUE(says(GUESTS, "^%d channels 1 bad-messages 0$", getpid()));
	EXPECT_FALSE(says(GUESTS, "^0 "));
	EXPECT_EQ(0, vmm_create(other));
	EXPECT_TRUE(says(GUESTS, "^%d channels 0 bad-messages 0$", getpid()));
	close(other);
}

/* ---- The log ---- */

#define LONG	60000

/*
 * The next number that the log has in front of "still mapped", 0 if none for so many ms: the
 * handle of a GPADL that is stuck; or, @format says so, how many requests of a channel are
 */
static __u32 complaint_of(int kmsg, int ms, const char *format)
{
	struct pollfd p = { .fd = kmsg, .events = POLLIN };
	char line[1024], *at;
	__u32 number;
	ssize_t n;

	while (poll(&p, 1, ms) == 1) {
		n = read(kmsg, line, sizeof(line) - 1);
		line[n < 0 ? 0 : n] = 0;
		at = strstr(line, "channel ");
		if (at && sscanf(at, format, &number) == 1 && strstr(at, "still mapped"))
			return number;
	}
	return 0;
}

static __u32 complaint(int kmsg, int ms)
{
	return complaint_of(kmsg, ms, "channel %*u: GPADL %x is");
}

/*
 * Told every ten seconds, of those that are stuck, and only of them: not of one that nobody
 * wants back, nor of one that was asked for five seconds ago.
 */
TEST_F_TIMEOUT(debugfs, stuck, 120)
{
	int kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	__u32 unwanted = HANDLE2, late = HANDLE3;

	ASSERT_LE(0, kmsg);
	ASSERT_LE(0, lseek(kmsg, 0, SEEK_END));
	EXPECT_EQ(0, backend_policy(self->vmm.backend, ON_REVOKE_HOLD));
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_GPADL(self->vmm.fd, RELID, unwanted, MEM_GPA, HV_PAGE);
	EXPECT_GPADL(self->vmm.fd, RELID, late, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, backend_map(self->vmm.backend, unwanted, 0));
	EXPECT_EQ(0, backend_map(self->vmm.backend, late, 0));

	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE));
	EXPECT_EQ(HANDLE, complaint(kmsg, LONG));
	sleep(5);
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, late));
	EXPECT_EQ(HANDLE, complaint(kmsg, LONG));
	EXPECT_EQ(0, complaint(kmsg, 2000));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_TORNDOWN(self->vmm.fd, HANDLE);
	EXPECT_EQ(late, complaint(kmsg, LONG));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, late));
	EXPECT_TORNDOWN(self->vmm.fd, late);
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, unwanted));
}

/* Nobody can take it back: all that there is to do is to tell. */
TEST_F_TIMEOUT(debugfs, stuck_request, 120)
{
	int kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	ASSERT_LE(0, kmsg);
	ASSERT_LE(0, lseek(kmsg, 0, SEEK_END));
	hold_a_packet(_metadata, &self->vmm);
	EXPECT_EQ(-EINPROGRESS, vmm_rescind_start(self->vmm.fd, RELID));
	EXPECT_EQ(1, complaint_of(kmsg, LONG, "channel %*u: %u requests are"));
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_TRUE(WAIT_FOR(event_waits(self->vmm.fd)));
}

TEST_HARNESS_MAIN
