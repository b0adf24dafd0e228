// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest's program for the device of the sample backend vmbus_crc, which no kernel has a
 * driver for: uio_hv_generic gives it the rings, and buffers whose GPADLs the kernel has
 * made.
 *
 *	modprobe uio_hv_generic
 *	echo 0d6b8c5e-2f41-4c7a-9e13-605ad2884b97 \
 *		>/sys/bus/vmbus/drivers/uio_hv_generic/new_id
 *	crc 0d6b8c5e-2f41-4c7a-9e13-605ad288ff01 3
 *
 * Arguments: the device's instance GUID (ls /sys/bus/vmbus/devices) and how many
 * sub-channels to ask for. It has the backend map the largest buffer, of 7936 pages, and sum
 * parts of it and all of it, compares with sums of its own, and checks that each sub-channel
 * answers. It says what it has seen, a line each, and ends with 1 at the first thing that is
 * wrong.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../vmbus_crc.h"

#define PAGE		4096u
#define TIMEOUT_MS	10000
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* Which of the device's memory is which: uio_hv_generic's numbers */
enum { MAP_RINGS = 0, MAP_BUFFER = 3 };

enum { PACKET_INBAND = 6, PACKET_COMPLETION = 11, WANTS_COMPLETION = 1 };

/* The control page of a ring, as far as it matters here; its data follow */
struct ring {
	__u32 write_index;
	__u32 read_index;
	__u32 interrupt_mask;
	__u32 pending_send_sz;
	__u32 reserved[12];
	__u32 feature_bits;
	__u8 rest[PAGE - 68];
	__u8 data[];
};

/* What a packet begins with */
struct packet {
	__u16 type;
	__u16 offset8;
	__u16 len8;
	__u16 flags;
	__u64 trans_id;
};

struct channel {
	struct ring *out;
	struct ring *in;
	__u32 size;			/* of a ring's data in bytes */
};

static int uio;

static void fail(const char *what)
{
	printf("crc: FAILED: %s (%s)\n", what, strerror(errno));
	exit(1);
}

static __u32 crc_table[256];

static void make_crc_table(void)
{
	__u32 crc;
	int n, i;

	for (n = 0; n < 256; n++) {
		crc = n;
		for (i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
		crc_table[n] = crc;
	}
}

static __u32 crc32(const __u8 *p, size_t len)
{
	__u32 crc = ~0u;

	while (len--)
		crc = crc >> 8 ^ crc_table[(crc ^ *p++) & 0xff];
	return ~crc;
}

/* ---- Files ---- */

/* The first line of a file of the uio device */
static char *attribute(const char *name, int map, const char *what)
{
	static char line[64];
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/uio/%s/maps/map%d/%s", name, map, what);
	f = fopen(path, "r");
	if (!f || !fgets(line, sizeof(line), f))
		fail(path);
	fclose(f);
	line[strcspn(line, "\n")] = '\0';
	return line;
}

static void *map_memory(const char *name, int map, size_t *size)
{
	void *p;

	*size = strtoul(attribute(name, map, "size"), NULL, 0);
	p = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, uio, map * PAGE);
	if (p == MAP_FAILED)
		fail("mmap of the device's memory");
	return p;
}

/* The uio device of a VMBus device */
static const char *find_uio(const char *instance)
{
	char pattern[256];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "/sys/bus/vmbus/devices/%s/uio/uio*", instance);
	if (glob(pattern, 0, NULL, &found))
		fail("uio_hv_generic has no such device");
	return strrchr(found.gl_pathv[0], '/') + 1;
}

static struct channel rings(void *p, size_t size)
{
	return (struct channel) {
		.out = p,
		.in = (void *)((__u8 *)p + size / 2),
		.size = size / 2 - PAGE,
	};
}

/* ---- Rings ---- */

static void put(const struct channel *c, __u32 *at, const void *from, __u32 len)
{
	const __u8 *p = from;

	for (; len; len--, *at = (*at + 1) % c->size)
		c->out->data[*at] = *p++;
}

static void get(const struct channel *c, __u32 at, void *to, __u32 len)
{
	__u8 *p = to;

	for (; len; len--, at = (at + 1) % c->size)
		*p++ = c->in->data[at];
}

/* A few requests are under way at a time, so there is room */
static void put_request(const struct channel *c, const struct vmbus_crc_request *ask,
			__u64 trans_id)
{
	struct packet head = {
		.type = PACKET_INBAND,
		.offset8 = sizeof(head) / 8,
		.len8 = (sizeof(head) + sizeof(*ask)) / 8,
		.flags = WANTS_COMPLETION,
		.trans_id = trans_id,
	};
	__u32 at = c->out->write_index;
	__u64 trailer = (__u64)at << 32;

	put(c, &at, &head, sizeof(head));
	put(c, &at, ask, sizeof(*ask));
	put(c, &at, &trailer, sizeof(trailer));
	__atomic_store_n(&c->out->write_index, at, __ATOMIC_SEQ_CST);
}

/* Interrupts on, and a signal to the host: on all channels of the device */
static void signal_host(void)
{
	const __u32 enable = 1;

	if (write(uio, &enable, sizeof(enable)) != sizeof(enable))
		fail("signal");
}

static bool is_empty(const struct channel *c)
{
	return __atomic_load_n(&c->in->write_index, __ATOMIC_ACQUIRE) == c->in->read_index;
}

/* An interrupt tells that there is something in one of the channels */
static void wait_for_packet(const struct channel *c)
{
	struct pollfd fd = { .fd = uio, .events = POLLIN };
	__u32 count;

	while (is_empty(c)) {
		if (poll(&fd, 1, TIMEOUT_MS) != 1) {
			errno = ETIMEDOUT;
			fail("an interrupt");
		}
		if (read(uio, &count, sizeof(count)) != sizeof(count))
			fail("the device is gone");
	}
}

/* Take the packet that is there, a completion of one of the two requests */
static struct vmbus_crc_answer take_either(const struct channel *c, __u64 trans_id, __u64 other)
{
	struct vmbus_crc_answer answer;
	struct packet head;
	__u32 at;

	at = c->in->read_index;
	get(c, at, &head, sizeof(head));
	errno = EPROTO;
	if (head.type != PACKET_COMPLETION ||
	    (head.trans_id != trans_id && head.trans_id != other) ||
	    (head.len8 - head.offset8) * 8 != sizeof(answer))
		fail("that is no completion of the request");
	get(c, (at + head.offset8 * 8) % c->size, &answer, sizeof(answer));
	at = (at + head.len8 * 8 + 8) % c->size;
	__atomic_store_n(&c->in->read_index, at, __ATOMIC_SEQ_CST);
	return answer;
}

/* Return its transaction id */
static __u64 begin_request(const struct channel *c, __u32 op, __u32 buffer, __u32 offset,
			   __u32 len)
{
	struct vmbus_crc_request ask = {
		.op = htole32(op),
		.buffer = htole32(buffer),
		.offset = htole32(offset),
		.len = htole32(len),
	};
	static __u64 trans_id = 0x1234567800000001;

	put_request(c, &ask, ++trans_id);
	return trans_id;
}

/* Return the value; anything but @error in the answer is a failure */
static __u32 request(const struct channel *c, __u32 op, __u32 buffer, __u32 offset,
		     __u32 len, int error)
{
	__u64 trans_id = begin_request(c, op, buffer, offset, len);
	struct vmbus_crc_answer answer;

	signal_host();
	wait_for_packet(c);
	answer = take_either(c, trans_id, trans_id);
	errno = le32toh(answer.error);
	if (errno != error)
		fail("the answer is not the one that was expected");
	return le32toh(answer.value);
}

/* ---- What is asked ---- */

/* Its name is "recv:" and the number of its GPADL */
static __u32 buffer_handle(const char *name)
{
	return strtoul(attribute(name, MAP_BUFFER, "name") + 5, NULL, 10);
}

static void sums(const struct channel *c, const char *name)
{
	static const __u32 parts[][2] = {
		{ 0, 1 }, { 1, 4095 }, { 4000, 200 }, { 12345, 100000 }, { 0, 1 << 20 },
	};
	__u32 handle = buffer_handle(name);
	__u32 *word;
	__u8 *buffer;
	size_t size, i;

	buffer = map_memory(name, MAP_BUFFER, &size);
	/* No two pages are alike */
	word = (__u32 *)buffer;
	for (i = 0; i < size / sizeof(*word); i += 61)
		word[i] = i * 2654435761u;
	request(c, VMBUS_CRC_MAP, handle, 0, 0, 0);
	for (i = 0; i < ARRAY_SIZE(parts); i++)
		if (request(c, VMBUS_CRC_SUM, handle, parts[i][0], parts[i][1], 0) !=
		    crc32(buffer + parts[i][0], parts[i][1]))
			fail("a sum is wrong");
	if (request(c, VMBUS_CRC_SUM, handle, 0, size, 0) != crc32(buffer, size))
		fail("the sum of all is wrong");
	request(c, VMBUS_CRC_SUM, handle, size - 1, 2, EINVAL);
	printf("crc: GPADL %#x mapped, %zu bytes: all %zu parts are summed right\n", handle, size,
	       i + 1);
	request(c, VMBUS_CRC_UNMAP, handle, 0, 0, 0);
	request(c, VMBUS_CRC_SUM, handle, 0, 1, ENOENT);
}

/*
 * How long the data of a channel's rings are in bytes: what may be written to one that is
 * empty. uio_hv_generic makes those of a sub-channel longer than those of the device.
 */
static size_t ring_size(const char *ring)
{
	char path[256], line[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%.*s/write_avail", (int)(strrchr(ring, '/') - ring), ring);
	f = fopen(path, "r");
	if (!f || !fgets(line, sizeof(line), f))
		fail(path);
	fclose(f);
	return strtoul(line, NULL, 10);
}

/* Without an interrupt, of which there is one for all that comes until the next signal */
static void wait_without_interrupt(const struct channel *c)
{
	unsigned int i;

	for (i = 0; is_empty(c); i++) {
		errno = ETIMEDOUT;
		if (i == TIMEOUT_MS)
			fail("a packet");
		usleep(1000);
	}
}

/*
 * uio_hv_generic signals on all channels that the guest has heard of, and follows a null pointer
 * for a sub-channel that it has not opened yet (Linux 6.12). So no signal may be under way when
 * the first is offered. The request for them has none of its own: the host finds it right after
 * that for a sum, or when it is through with the sum, which takes long enough.
 */
static void ask_for_subchannels(const struct channel *c, __u32 handle, unsigned int n)
{
	__u64 sum, ask;
	int i;

	request(c, VMBUS_CRC_MAP, handle, 0, 0, 0);
	sum = begin_request(c, VMBUS_CRC_SUM, handle, 0, 16 << 20);
	signal_host();
	ask = begin_request(c, VMBUS_CRC_SUBCHANNELS_WANTED, 0, 0, n);
	for (i = 0; i < 2; i++) {
		wait_without_interrupt(c);
		if (take_either(c, sum, ask).error)
			fail("no sum, or no sub-channels");
	}
}

static bool has_rings(const char *instance, unsigned int n, glob_t *found)
{
	char pattern[256];

	snprintf(pattern, sizeof(pattern), "/sys/bus/vmbus/devices/%s/channels/*/ring",
		 instance);
	return !glob(pattern, 0, NULL, found) && found->gl_pathc >= n;
}

/* The rings of the primary channel are there as well, first, as it has the lowest relid */
static void subchannels(const struct channel *primary, const char *instance, __u32 handle,
			unsigned int n)
{
	struct channel c;
	unsigned int i;
	glob_t found;
	void *p;
	int fd;

	ask_for_subchannels(primary, handle, n);
	for (i = 0; !has_rings(instance, n + 1, &found); i++) {
		errno = ETIMEDOUT;
		if (i == TIMEOUT_MS / 10)
			fail("sub-channels");
		usleep(10000);
	}
	for (i = 0; i < found.gl_pathc; i++) {
		size_t size = 2 * (ring_size(found.gl_pathv[i]) + PAGE);

		fd = open(found.gl_pathv[i], O_RDWR);
		p = fd < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE,
					       MAP_SHARED, fd, 0);
		if (p == MAP_FAILED)
			fail(found.gl_pathv[i]);
		close(fd);
		c = rings(p, size);
		/* A buffer belongs to the channel on which it was made: here is none */
		request(&c, VMBUS_CRC_SUM, 1, 0, 1, ENOENT);
	}
	request(primary, VMBUS_CRC_UNMAP, handle, 0, 0, 0);
	printf("crc: %u sub-channels, and each answers\n", i - 1);
}

int main(int argc, char **argv)
{
	struct channel c;
	const char *name;
	char path[64];
	size_t size;
	void *p;

	if (argc != 3) {
		fprintf(stderr, "usage: crc INSTANCE-GUID SUBCHANNELS\n");
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	make_crc_table();
	name = find_uio(argv[1]);
	snprintf(path, sizeof(path), "/dev/%s", name);
	uio = open(path, O_RDWR);
	if (uio < 0)
		fail(path);
	p = map_memory(name, MAP_RINGS, &size);
	c = rings(p, size);
	printf("crc: the channel is open, rings of %u bytes each\n", c.size);
	sums(&c, name);
	if (atoi(argv[2]))
		subchannels(&c, argv[1], buffer_handle(name), atoi(argv[2]));
	return 0;
}
