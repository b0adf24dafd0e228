// SPDX-License-Identifier: GPL-2.0
/*
 * What /proc/PID/fdinfo/FD of /dev/vmbus-host tells: of a guest at work, and of one whose
 * backend does not let go.
 */
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "fixture.h"

#define TEXT_BYTES	1048576

/* A VMM, and what the fdinfo of its file has said last */
struct file {
	struct vmm vmm;
	char *text;
};

FIXTURE(fdinfo) {
	struct file file;
};

FIXTURE_SETUP(fdinfo)
{
	self->file.text = malloc(TEXT_BYTES);
	ASSERT_NE(NULL, self->file.text);
	vmm_start(_metadata, &self->file.vmm, MEM_ANON, 0);
	vmm_open_channel(_metadata, &self->file.vmm);
}

FIXTURE_TEARDOWN(fdinfo)
{
	vmm_stop(&self->file.vmm);
	expect_nothing_pinned(_metadata);
	free(self->file.text);
}

/* Bytes read, into @text; a negative errno */
static int read_fdinfo(int fd, char *text)
{
	char path[64];
	ssize_t n, sum = 0;
	int info;

	sprintf(path, "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY);
	if (info < 0)
		return -errno;
	while ((n = read(info, text + sum, TEXT_BYTES - 1 - sum)) > 0)
		sum += n;
	text[sum] = 0;
	close(info);
	return n < 0 ? -errno : sum;
}

/* The rest of the first line that begins so; NULL if there is none */
static char *line_of(char *text, const char *format, ...)
{
	char head[64], *at = text;
	va_list args;

	va_start(args, format);
	vsnprintf(head, sizeof(head), format, args);
	va_end(args);
	while (at) {
		if (!strncmp(at, head, strlen(head)))
			return at + strlen(head);
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	return NULL;
}

static bool has_word(const char *line, const char *word)
{
	size_t len = strlen(word), left = line ? strcspn(line, "\n") : 0;
	const char *at;

	for (at = line; at && at + len <= line + left; at++)
		if (!strncmp(at, word, len) && (at[len] == ' ' || at[len] == '\n') &&
		    (at == line || at[-1] == ' '))
			return true;
	return false;
}

/* The number of " key=", -1 if there is none */
static long long value_of(const char *line, const char *key)
{
	char word[64];
	const char *at;

	sprintf(word, " %s=", key);
	at = line ? strstr(line, word) : NULL;
	if (!at || at > line + strcspn(line, "\n"))
		return -1;
	return strtoll(at + strlen(word), NULL, 0);
}

static int read_text(struct file *f)
{
	return read_fdinfo(f->vmm.fd, f->text);
}

/* Of the guest; of what was read last */
static long long number_of(struct file *f, const char *key)
{
	char *line = line_of(f->text, "vmbus-%s:\t", key);

	return line ? strtoll(line, NULL, 10) : -1;
}

static char *channel_of(struct file *f)
{
	return line_of(f->text, "vmbus-channel:\trelid=%u", RELID);
}

/* Of the channel; of now */
static long long count(struct file *f, const char *key)
{
	return read_text(f) > 0 ? value_of(channel_of(f), key) : -1;
}

TEST(file_without_partition)
{
	int fd = open("/dev/vmbus-host", O_RDWR | O_CLOEXEC);
	char *text = malloc(TEXT_BYTES);

	ASSERT_LE(0, fd);
	ASSERT_NE(NULL, text);
	ASSERT_LT(0, read_fdinfo(fd, text));
	EXPECT_NE(NULL, line_of(text, "vmbus-version:\t1\n"));
	EXPECT_EQ(NULL, line_of(text, "vmbus-partition:"));
	close(fd);
	free(text);
}

/* In a child of this process, which is the first of a namespace of its own */
static int child_reads_owner(struct file *f, pid_t owner)
{
	int status;

	if (unshare(CLONE_NEWPID))
		return errno;
	if (!fork())
		_exit(read_text(f) > 0 && number_of(f, "owner") == owner ? 0 : 1);
	return wait(&status) > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* Who reads another namespace's /proc, which has ids of its own, is told such an id. */
TEST_F(fdinfo, owner_is_as_in_that_proc)
{
	pid_t self_id = getpid(), child = fork();
	int status;

	if (!child)
		_exit(child_reads_owner(&self->file, self_id));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	if (WEXITSTATUS(status) == EINVAL)
		SKIP(return, "the kernel has no PID namespaces");
	EXPECT_EQ(0, WEXITSTATUS(status));
}

TEST_F(fdinfo, partition)
{
	ASSERT_LT(0, read_text(&self->file));
	EXPECT_EQ(getpid(), number_of(&self->file, "owner"));
	EXPECT_EQ(2, number_of(&self->file, "regions"));
	EXPECT_EQ(MEM_BYTES + RING_BYTES, number_of(&self->file, "region-bytes"));
	EXPECT_EQ(vmm_resident ? MEM_BYTES + RING_BYTES : 0, number_of(&self->file,
								       "resident-bytes"));
	EXPECT_EQ(4096, number_of(&self->file, "page-size"));
	EXPECT_EQ(pinned_pages(), number_of(&self->file, "pinned-pages"));
	EXPECT_EQ(1, number_of(&self->file, "gpadls"));
	EXPECT_EQ(RING_PAGES, number_of(&self->file, "gpadl-pages"));
	EXPECT_EQ(0, number_of(&self->file, "revoked"));
	EXPECT_EQ(0, number_of(&self->file, "events-pending"));
	EXPECT_EQ(1, number_of(&self->file, "channels"));
}

TEST_F(fdinfo, channel)
{
	char *line;

	/* The guest hears that it is open a moment before that is so. */
	EXPECT_TRUE(WAIT_FOR(read_text(&self->file) > 0 &&
			     has_word(channel_of(&self->file), "state=open")));
	line = channel_of(&self->file);
	EXPECT_EQ(RELID, value_of(line, "primary"));
	EXPECT_TRUE(has_word(line, "index=0"));
	EXPECT_TRUE(has_word(line, "type=6f1d4c2a-93b7-4e58-a0c4-5d2f8b7e1a90"));
	EXPECT_TRUE(has_word(line, "backend=test"));
	EXPECT_TRUE(has_word(line, "state=open"));
	EXPECT_TRUE(has_word(line, "callback=none"));
	EXPECT_TRUE(has_word(line, "asked=none"));
	EXPECT_TRUE(has_word(line, "worker=vmm"));
	EXPECT_EQ(1, value_of(line, "opens"));
	EXPECT_EQ(1, value_of(line, "mapped"));
	EXPECT_EQ(0, value_of(line, "ready"));
	EXPECT_EQ(RING_PAGES, value_of(line, "mapped-pages"));
}

/* The first in the ring: a descriptor, a payload of 8 bytes, a trailer */
static void guest_writes_packet(void *ring)
{
	__u16 *desc = ring + HV_PAGE;
	__u32 *write_index = ring;

	desc[0] = 6;	/* VM_PKT_DATA_INBAND */
	desc[1] = 16 / 8;
	desc[2] = (16 + 8) / 8;
	__atomic_store_n(write_index, 16 + 8 + 8, __ATOMIC_RELEASE);
}

TEST_F(fdinfo, counts_packets_and_their_bytes)
{
	__u64 word = 0;
	long long sent;

	EXPECT_EQ(0, count(&self->file, "sent"));
	EXPECT_EQ(0, backend_send(self->file.vmm.backend, &word, sizeof(word)));
	EXPECT_EQ(1, count(&self->file, "sent"));
	sent = count(&self->file, "sent-bytes");
	/* A descriptor, the payload, a trailer */
	EXPECT_EQ(16 + 8 + 8, sent);
	EXPECT_EQ(0, count(&self->file, "received"));
	EXPECT_EQ(0, count(&self->file, "received-bytes"));
	guest_writes_packet(self->file.vmm.ring);
	EXPECT_EQ(8, backend_recv(self->file.vmm.backend, &word, sizeof(word)));
	EXPECT_EQ(1, count(&self->file, "received"));
	EXPECT_EQ(16 + 8 + 8, count(&self->file, "received-bytes"));
	EXPECT_EQ(sent, count(&self->file, "sent-bytes"));
}

TEST_F(fdinfo, counts_maps_pages_and_pins)
{
	long long maps = count(&self->file, "maps"), pins = count(&self->file, "pins");
	long long pages = count(&self->file, "map-pages"), failures = count(&self->file,
									    "map-failures");

	EXPECT_EQ(1, maps);
	EXPECT_GPADL(self->file.vmm.fd, RELID, HANDLE, MEM_GPA, 3 * HV_PAGE);
	EXPECT_EQ(0, backend_map(self->file.vmm.backend, HANDLE, 0));
	EXPECT_EQ(maps + 1, count(&self->file, "maps"));
	EXPECT_EQ(pages + 3, count(&self->file, "map-pages"));
	EXPECT_EQ(pins + (vmm_resident ? 0 : 3), count(&self->file, "pins"));
	EXPECT_EQ(-EBUSY, backend_map(self->file.vmm.backend, HANDLE, 0));
	EXPECT_EQ(failures + 1, count(&self->file, "map-failures"));
	EXPECT_EQ(0, backend_unmap(self->file.vmm.backend, HANDLE));
	EXPECT_EQ(maps + 1, count(&self->file, "maps"));
	EXPECT_EQ(-ENOENT, backend_map(self->file.vmm.backend, HANDLE3, 0));
	EXPECT_EQ(failures + 2, count(&self->file, "map-failures"));
}

TEST_F(fdinfo, counts_rejects_by_reason)
{
	__u64 words[] = { range_word(0, HV_PAGE) };
	char *line;

	EXPECT_EQ(-ENOENT, guest_body(self->file.vmm.fd, HANDLE, 0, words, 1));
	ASSERT_LT(0, read_text(&self->file));
	line = line_of(self->file.text, "vmbus-rejects:\t");
	EXPECT_EQ(1, value_of(line, "no_header"));
	EXPECT_EQ(0, value_of(line, "quota"));
}

TEST_F(fdinfo, gpadls_by_state)
{
	__u64 words[] = { range_word(0, 2 * HV_PAGE), MEM_PFN };

	EXPECT_GPADL(self->file.vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, guest_header(self->file.vmm.fd, RELID, HANDLE2, 1, 3, words, 1));
	EXPECT_EQ(1, count(&self->file, "ready"));
	EXPECT_EQ(1, count(&self->file, "assembling"));
	EXPECT_EQ(1, count(&self->file, "mapped"));
	EXPECT_EQ(0, count(&self->file, "unmapping"));
}

/* Whose teardown waits, since when, and for whom */
TEST_F(fdinfo, gpadl_that_a_backend_holds)
{
	char *line;

	EXPECT_EQ(0, backend_policy(self->file.vmm.backend, ON_REVOKE_HOLD));
	EXPECT_GPADL(self->file.vmm.fd, RELID, HANDLE, MEM_GPA, 2 * HV_PAGE);
	EXPECT_EQ(0, backend_map(self->file.vmm.backend, HANDLE, 0));
	ASSERT_LT(0, read_text(&self->file));
	EXPECT_EQ(NULL, line_of(self->file.text, "vmbus-revoke:"));

	EXPECT_EQ(0, guest_teardown(self->file.vmm.fd, RELID, HANDLE));
	EXPECT_TRUE(WAIT_FOR(read_fdinfo(self->file.vmm.fd, self->file.text) > 0 &&
			     has_word(line_of(self->file.text, "vmbus-revoke:\t"), "told=1")));
	line = line_of(self->file.text, "vmbus-revoke:\trelid=%u", RELID);
	EXPECT_EQ(HANDLE, value_of(line, "handle"));
	EXPECT_TRUE(has_word(line, "why=teardown"));
	EXPECT_TRUE(has_word(line, "state=mapped"));
	EXPECT_TRUE(has_word(line, "armed=1"));
	EXPECT_TRUE(has_word(line, "backend=test"));
	EXPECT_EQ(2, value_of(line, "pages"));
	EXPECT_EQ(1, number_of(&self->file, "revoked"));
	EXPECT_EQ(1, value_of(channel_of(&self->file), "revoked"));

	usleep(50000);
	ASSERT_LT(0, read_text(&self->file));
	/* By a clock that stands still for a tick or two. */
	EXPECT_LE(30, value_of(line_of(self->file.text, "vmbus-revoke:\trelid=%u", RELID), "ms"));
	EXPECT_LE(30, value_of(channel_of(&self->file), "revoked-ms"));

	EXPECT_EQ(0, backend_unmap(self->file.vmm.backend, HANDLE));
	EXPECT_TORNDOWN(self->file.vmm.fd, HANDLE);
	ASSERT_LT(0, read_text(&self->file));
	EXPECT_EQ(NULL, line_of(self->file.text, "vmbus-revoke:"));
	EXPECT_EQ(0, value_of(channel_of(&self->file), "revoked-ms"));
}

TEST_F(fdinfo, channel_whose_rescind_a_backend_holds)
{
	EXPECT_EQ(0, backend_policy(self->file.vmm.backend, ON_REVOKE_HOLD));
	EXPECT_GPADL(self->file.vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(self->file.vmm.backend, HANDLE, 0));
	EXPECT_EQ(-EINPROGRESS, vmm_rescind_start(self->file.vmm.fd, RELID));
	ASSERT_LT(0, read_text(&self->file));
	EXPECT_TRUE(has_word(line_of(self->file.text, "vmbus-revoke:\trelid=%u", RELID),
			     "why=rescind"));
	EXPECT_TRUE(has_word(channel_of(&self->file), "asked=rescind,"));
	EXPECT_TRUE(has_word(channel_of(&self->file), "rescinded=1"));
	EXPECT_EQ(-EINPROGRESS, vmm_destroy_start(self->file.vmm.fd, RELID));
	ASSERT_LT(0, read_text(&self->file));
	EXPECT_TRUE(has_word(channel_of(&self->file), "asked=rescind,destroy,"));
	EXPECT_EQ(0, backend_unmap(self->file.vmm.backend, HANDLE));
	EXPECT_TRUE(WAIT_FOR(event_waits(self->file.vmm.fd)));
	ASSERT_LT(0, read_text(&self->file));
	EXPECT_LE(1, number_of(&self->file, "events-pending"));
}

/* A packet that a backend holds has no line, but is counted. */
TEST_F(fdinfo, request_that_a_backend_holds)
{
	__u64 words[] = { range_word(0, HV_PAGE), MEM_PFN };
	int backend = self->file.vmm.backend;

	EXPECT_EQ(0, backend_policy(backend, ON_REVOKE_HOLD));
	EXPECT_EQ(0, backend_pool(backend, 4, HV_PAGE));
	EXPECT_EQ(0, backend_map_packet(backend, HANDLE, 0, words, 2, 1));
	EXPECT_EQ(1, count(&self->file, "in-flight"));
	EXPECT_EQ(0, count(&self->file, "in-flight-revoked"));
	EXPECT_EQ(-EINPROGRESS, vmm_rescind_start(self->file.vmm.fd, RELID));
	EXPECT_EQ(1, count(&self->file, "in-flight-revoked"));
	usleep(50000);
	EXPECT_LE(30, count(&self->file, "in-flight-revoked-ms"));
	EXPECT_EQ(NULL, line_of(self->file.text, "vmbus-revoke:\trelid=%u handle=%#x", RELID,
				HANDLE));
	EXPECT_EQ(0, backend_unmap(backend, HANDLE));
	EXPECT_EQ(0, count(&self->file, "in-flight-revoked"));
	EXPECT_TRUE(WAIT_FOR(event_waits(self->file.vmm.fd)));
}

/* More of them than have a line: the others are counted. */
TEST_F(fdinfo, many_gpadls_that_a_backend_holds)
{
	const __u32 nr = 10;
	char *line;
	__u32 i;

	EXPECT_EQ(0, backend_policy(self->file.vmm.backend, ON_REVOKE_HOLD));
	for (i = 0; i < nr; i++) {
		EXPECT_GPADL(self->file.vmm.fd, RELID, HANDLE + i, MEM_GPA, HV_PAGE);
		EXPECT_EQ(0, backend_map(self->file.vmm.backend, HANDLE + i, 0));
		EXPECT_EQ(0, guest_teardown(self->file.vmm.fd, RELID, HANDLE + i));
	}
	ASSERT_LT(0, read_text(&self->file));
	EXPECT_EQ(nr, number_of(&self->file, "revoked"));
	EXPECT_EQ(nr, value_of(channel_of(&self->file), "revoked"));
	for (i = 0, line = self->file.text; (line = line_of(line, "vmbus-revoke:\t")); i++)
		;
	EXPECT_EQ(8, i);
	for (i = 0; i < nr; i++) {
		EXPECT_EQ(0, backend_unmap(self->file.vmm.backend, HANDLE + i));
		EXPECT_TORNDOWN(self->file.vmm.fd, HANDLE + i);
	}
}

/* What else it may be wanted back for */
FIXTURE(revoked) {
	struct file file;
};

FIXTURE_VARIANT(revoked) {
	const char *why;
	int asked;
};

FIXTURE_VARIANT_ADD(revoked, reset) {
	.why = "why=reset",
	.asked = -EINPROGRESS,
};

FIXTURE_VARIANT_ADD(revoked, release) {
	.why = "why=release",
};

FIXTURE_VARIANT_ADD(revoked, region) {
	.why = "why=region",
};

FIXTURE_SETUP(revoked)
{
	self->file.text = malloc(TEXT_BYTES);
	ASSERT_NE(NULL, self->file.text);
	vmm_start(_metadata, &self->file.vmm, MEM_ANON, 0);
	vmm_open_channel(_metadata, &self->file.vmm);
}

FIXTURE_TEARDOWN(revoked)
{
	vmm_stop(&self->file.vmm);
	expect_nothing_pinned(_metadata);
	free(self->file.text);
}

static int ask_back(int fd, const char *why)
{
	const struct vmbus_host_region gone = { .size = sizeof(gone), .slot = MEM_SLOT };

	if (!strcmp(why, "why=reset"))
		return vmm_reset_start(fd);
	if (!strcmp(why, "why=release"))
		return guest_released(fd, RELID);
	return vmm_retire(fd, &gone, 1);
}

TEST_F(revoked, back)
{
	int fd = self->file.vmm.fd;

	EXPECT_EQ(0, backend_policy(self->file.vmm.backend, ON_REVOKE_HOLD));
	EXPECT_GPADL(fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(self->file.vmm.backend, HANDLE, 0));
	EXPECT_EQ(variant->asked, ask_back(fd, variant->why));
	ASSERT_LT(0, read_text(&self->file));
	EXPECT_TRUE(has_word(line_of(self->file.text, "vmbus-revoke:\trelid=%u handle=%#x",
				     RELID, HANDLE), variant->why));
	EXPECT_EQ(0, backend_unmap(self->file.vmm.backend, HANDLE));
}

/* Neither the VMM's mutexes nor the backend's keep the reader waiting. */
TEST_F(fdinfo, callback_that_does_not_return)
{
	__u32 in = VMBUS_GPADL_TEST_HANG_CLOSE;
	int hanger = open("/dev/vmbus-gpadl-test", O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, hanger);
	ASSERT_EQ(0, backend_hang(hanger, 0, in));
	EXPECT_EQ(0, guest_close(self->file.vmm.fd, RELID));
	ASSERT_TRUE(WAIT_FOR(backend_state(hanger, 0).hangs & in));
	ASSERT_LT(0, read_text(&self->file));
	EXPECT_TRUE(has_word(channel_of(&self->file), "state=closing"));
	EXPECT_TRUE(has_word(channel_of(&self->file), "callback=close"));
	EXPECT_TRUE(has_word(channel_of(&self->file), "to-close=1"));
	usleep(50000);
	EXPECT_LE(30, count(&self->file, "callback-ms"));
	EXPECT_LE(30, count(&self->file, "state-ms"));
	/* Also what the backend says of itself, which close() has not taken away yet */
	EXPECT_NE(NULL, line_of(self->file.text, "vmbus-backend:\trelid=%u", RELID));

	EXPECT_EQ(0, backend_hang(hanger, 0, 0));
	EXPECT_TRUE(WAIT_FOR(read_fdinfo(self->file.vmm.fd, self->file.text) > 0 &&
			     has_word(channel_of(&self->file), "state=closed")));
	EXPECT_TRUE(has_word(channel_of(&self->file), "callback=none"));
	EXPECT_EQ(NULL, line_of(self->file.text, "vmbus-backend:"));
	close(hanger);
}

/* Whatever a backend says is on its own line, and its line is one. */
TEST_F(fdinfo, words_of_the_backend)
{
	char *line;

	ASSERT_LT(0, read_text(&self->file));
	line = line_of(self->file.text, "vmbus-backend:\trelid=%u ", RELID);
	ASSERT_NE(NULL, line);
	EXPECT_EQ(0, strncmp(line, "opens ", 6));
	EXPECT_EQ(NULL, line_of(self->file.text, "vmbus-revoke:"));
}

/* The file is longer than a page: the kernel begins anew, and shows all of it. */
TEST_F(fdinfo, many_channels)
{
	const unsigned int first = RELID + 1, nr = 60;
	unsigned int i;

	for (i = 0; i < nr; i++)
		ASSERT_EQ(0, vmm_channel(self->file.vmm.fd, first + i, i + 1, NULL));
	ASSERT_LT(0, read_text(&self->file));
	for (i = 0; i < nr; i++)
		EXPECT_TRUE(has_word(line_of(self->file.text,
					     "vmbus-channel:\trelid=%u", first + i),
				     "state=closed"));
	EXPECT_EQ(nr + 1, number_of(&self->file, "channels"));
}

/* ---- While all of it comes and goes ---- */

static int read_for_ever(void *arg)
{
	char *text = malloc(TEXT_BYTES);
	struct vmm *v = arg;
	int reads = 0;

	while (text && __atomic_load_n(&v->instance, __ATOMIC_RELAXED) == 0) {
		if (read_fdinfo(v->fd, text) <= 0)
			return -EIO;
		reads++;
	}
	free(text);
	return reads;
}

TEST_F(fdinfo, is_read_while_channels_come_and_go)
{
	struct vmm reader = { .fd = self->file.vmm.fd };
	struct task task = {};
	unsigned int i;

	task_start(&task, read_for_ever, &reader);
	for (i = 0; i < 200; i++) {
		EXPECT_EQ(0, vmm_channel(self->file.vmm.fd, RELID + 1, 1, NULL));
		EXPECT_GPADL(self->file.vmm.fd, RELID + 1, HANDLE, MEM_GPA, HV_PAGE);
		EXPECT_EQ(0, guest_open(self->file.vmm.fd, RELID + 1, 1, HANDLE, 2));
		EXPECT_NOT_OPENED(self->file.vmm.fd, RELID + 1, 1);
		EXPECT_EQ(0, vmm_destroy(self->file.vmm.fd, RELID + 1));
	}
	__atomic_store_n(&reader.instance, 1, __ATOMIC_RELAXED);
	EXPECT_LT(0, task_join(&task));
}

TEST_HARNESS_MAIN
