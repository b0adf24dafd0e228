// SPDX-License-Identifier: GPL-2.0-only
/*
 * What gpadlctl makes of the kernel's texts: of those that are right, and of everything else.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gpadlctl.h"

static bool wrong;

#define EXPECT(cond) do {						\
	if (!(cond)) {							\
		printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond);	\
		wrong = true;						\
	}								\
} while (0)

/* As vmbus_scsi says it */
#define DISK_WORDS \
	"LUN 0 of naa.5001405000000001 tpgt_1: 3 requests in flight, oldest 41 s; 3 in all"

static const char typical[] =
	"pos:\t0\nflags:\t02004002\nmnt_id:\t15\nino:\t7\n"
	"vmbus-version:\t1\n"
	"vmbus-partition:\t3\n"
	"vmbus-owner:\t1234\n"
	"vmbus-regions:\t2\n"
	"vmbus-region-bytes:\t268435456\n"
	"vmbus-page-size:\t4096\n"
	"vmbus-pinned-pages:\t9\n"
	"vmbus-pinning:\tdone=5 total=10\n"
	"vmbus-rejects:\tbad_buflen=0 quota=7 something_new=1\n"
	"vmbus-channel:\trelid=3 primary=3 index=0 type=ba6163d9-04a1-4d29-b605-72e2ffb1dc7f instance=6f1d4c2a-93b7-4e58-a0c4-5d2f8b7e1a90 backend=vmbus_scsi state=open state-ms=90000 callback=none callback-ms=0 to-close=0 rescinded=0 released=0 asked=none broken-in=0 broken-out=0 opens=1 received=100 received-bytes=6400 sent=97 maps=100 mapped=4 revoked=1 revoked-ms=42000 worker=vmm a-new-key=5\n"
	"vmbus-backend:\trelid=3 " DISK_WORDS "\n"
	"vmbus-revoke:\trelid=3 handle=0xe1e11 why=teardown state=mapped armed=1 told=1 ms=42000 pages=8 backend=vmbus_scsi\n"
	"vmbus-line-of-the-future:\twhatever=1\n";

/* ---- fdinfo ---- */

static void reads_a_guest(void)
{
	struct guest g = {};

	EXPECT(!guest_parse(&g, typical));
	EXPECT(g.is_partition && g.partition == 3 && g.owner == 1234);
	EXPECT(g.region_bytes == 268435456 && g.pinned_pages == 9 && g.page_size == 4096);
	EXPECT(g.pinning_done == 5 && g.pinning_total == 10);
	EXPECT(g.nr_rejects == 3 && !strcmp(g.rejects[1].reason, "quota") &&
	       g.rejects[1].count == 7);
	EXPECT(g.nr_channels == 1 && g.nr_revokes == 1);
	EXPECT(g.channels[0].relid == 3 && g.channels[0].received_bytes == 6400);
	EXPECT(!strcmp(g.channels[0].type, "ba6163d9-04a1-4d29-b605-72e2ffb1dc7f"));
	EXPECT(!strcmp(g.channels[0].words, DISK_WORDS));
	EXPECT(g.revokes[0].handle == 0xe1e11 && g.revokes[0].told == 1 &&
	       g.revokes[0].ms == 42000);
	guest_free(&g);
}

static void is_no_guest_without_partition(void)
{
	struct guest g = {};

	EXPECT(!guest_parse(&g, "vmbus-version:\t1\n"));
	EXPECT(!g.is_partition);
	EXPECT(guest_parse(&g, "pos:\t0\n") == 0);
	g = (struct guest){};
	EXPECT(guest_parse(&g, "pos:\t0\n") == -ENOENT);
	EXPECT(guest_parse(&g, "") == -ENOENT);
	EXPECT(guest_parse(&g, "vmbus-version:\t2\n") == -EPROTO);
}

static void cuts_off_what_is_too_long(void)
{
	char text[20000] = "vmbus-version:\t1\nvmbus-channel:\tbackend=", *end;
	struct guest g = {};

	end = text + strlen(text);
	memset(end, 'x', 10000);
	memcpy(end + 10000, " relid=7\n", sizeof(" relid=7\n"));
	EXPECT(!guest_parse(&g, text));
	EXPECT(g.nr_channels == 1 && g.channels[0].relid == 7);
	EXPECT(strlen(g.channels[0].backend) == WORD_BYTES - 1);
	guest_free(&g);
}

static void shows_nothing_that_drives_a_terminal(void)
{
	struct guest g = {};
	const char *c;

	EXPECT(!guest_parse(&g, "vmbus-version:\t1\nvmbus-channel:\trelid=1 backend=a\033[2J\377b\n"
				"vmbus-backend:\trelid=1 \033]0;x\007\n"));
	EXPECT(!strcmp(g.channels[0].backend, "a?[2J?b"));
	for (c = g.channels[0].words; *c; c++)
		EXPECT(*c >= ' ' && *c <= '~');
	guest_free(&g);
}

static void takes_no_number_for_what_is_none(void)
{
	struct guest g = {};

	EXPECT(!guest_parse(&g, "vmbus-version:\t1\nvmbus-gpadls:\t-5\nvmbus-regions:\tmany\n"
				"vmbus-owner:\t99999999999999999999999\nvmbus-replies:\t0x\n"
				"vmbus-gpadl-pages:\t184467440737095516159\n"));
	EXPECT(!g.gpadls && !g.regions && !g.replies);
	EXPECT(g.owner == ~0ull && g.gpadl_pages == ~0ull);
	guest_free(&g);
}

static void takes_words_for_a_channel_that_there_is(void)
{
	struct guest g = {};

	EXPECT(!guest_parse(&g, "vmbus-version:\t1\nvmbus-backend:\trelid=1 early\n"
				"vmbus-channel:\trelid=1\nvmbus-channel:\trelid=2\n"
				"vmbus-backend:\trelid=2 two\nvmbus-backend:\trelid=9 none\n"
				"vmbus-backend:\t\nvmbus-backend:\trelid\n"));
	EXPECT(!*g.channels[0].words && !strcmp(g.channels[1].words, "two"));
	guest_free(&g);
}

static void takes_no_more_than_a_host_has(void)
{
	size_t size = 1 << 20, len;
	char *text = malloc(size);
	struct guest g = {};

	len = sprintf(text, "vmbus-version:\t1\n");
	while (len < size - 64)
		len += sprintf(text + len, "vmbus-channel:\trelid=1\n");
	EXPECT(!guest_parse(&g, text));
	EXPECT(g.nr_channels == 4096);
	guest_free(&g);
	free(text);
}

/* ---- Sentences ---- */

static char told[4096];

static void keep(void *arg, const char *sentence)
{
	(void)arg;
	strncat(told, sentence, sizeof(told) - strlen(told) - 1);
	strncat(told, "\n", sizeof(told) - strlen(told) - 1);
}

static unsigned int problems(const char *more)
{
	char text[8192];
	struct guest g = { .pid = 77 };
	unsigned int nr;

	*told = 0;
	snprintf(text, sizeof(text), "vmbus-version:\t1\nvmbus-partition:\t0\nvmbus-owner:\t77\n%s",
		 more);
	EXPECT(!guest_parse(&g, text));
	nr = guest_problems(&g, keep, NULL);
	guest_free(&g);
	return nr;
}

/* Of a text, that sentence, and nothing else */
static bool tells(const char *const pair[2])
{
	unsigned int nr = problems(pair[0]);
	size_t len = strlen(pair[1]);

	if (nr == 1 && !strncmp(told, pair[1], len) && !strcmp(told + len, "\n"))
		return true;
	printf("# %s", told);
	return false;
}

static void says_for_whom_a_teardown_waits(void)
{
	static const char *const pair[] = {
		"vmbus-channel:\trelid=3 backend=vmbus_scsi callback=none\n"
		"vmbus-backend:\trelid=3 " DISK_WORDS "\n"
		"vmbus-revoke:\trelid=3 handle=0xe1e11 why=teardown state=mapped armed=1 told=1 ms=42000 backend=vmbus_scsi\n",
		"GPADL 0xe1e11, channel 3: teardown waits 42 s for backend vmbus_scsi, " DISK_WORDS,
	};

	EXPECT(tells(pair));
}

/* Its close() waits for requests: the disk is named, and not the function that waits. */
static void says_which_disk_a_teardown_waits_for(void)
{
	static const char *const pair[] = {
		"vmbus-channel:\trelid=3 backend=vmbus_scsi state=closing callback=drain callback-ms=42000 in-flight=3 in-flight-ms=9000\n"
		"vmbus-backend:\trelid=3 " DISK_WORDS "\n"
		"vmbus-revoke:\trelid=3 handle=0xe1e11 why=teardown state=mapped armed=1 told=0 ms=42000 backend=vmbus_scsi\n",
		"GPADL 0xe1e11, channel 3: teardown waits 42 s for backend vmbus_scsi, "
		DISK_WORDS "\n"
		"Channel 3: its close waits 42 s for backend vmbus_scsi, " DISK_WORDS "\n",
	};

	EXPECT(problems(pair[0]) == 2);
	EXPECT(!strcmp(told, pair[1]));
}

/* Of a backend that says nothing of itself */
static void says_that_a_teardown_waits_for_requests(void)
{
	static const char *const pair[] = {
		"vmbus-channel:\trelid=4 backend=b state=closing callback=drain callback-ms=500\n"
		"vmbus-revoke:\trelid=4 handle=0x1 why=teardown state=mapped armed=1 told=0 ms=2000 backend=b\n",
		"GPADL 0x1, channel 4: teardown waits 2 s for requests of backend b that are under way",
	};

	EXPECT(tells(pair));
}

static void says_that_the_vmm_gives_no_memory(void)
{
	static const char *const pair[] = {
		"vmbus-revoke:\trelid=1 handle=0x10 why=rescind state=mapping ms=130000\n",
		"GPADL 0x10, channel 1: the rescind of the channel waits 2 min 10 s for memory of the VMM, process 77, which does not come (userfaultfd, FUSE, swap)",
	};

	EXPECT(tells(pair));
}

static void says_that_a_request_is_old(void)
{
	static const char *const pairs[][2] = {
		{
			"vmbus-channel:\trelid=3 backend=vmbus_scsi state=open callback=none in-flight=3 in-flight-ms=41000\n"
			"vmbus-backend:\trelid=3 " DISK_WORDS "\n",
			"Channel 3: backend vmbus_scsi has 3 requests in flight, the oldest for 41 s: "
			DISK_WORDS,
		}, {
			"vmbus-channel:\trelid=3 backend=b state=open callback=none in-flight=1 in-flight-ms=10000\n",
			"Channel 3: backend b has 1 request in flight, the oldest for 10 s",
		},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pairs); i++)
		EXPECT(tells(pairs[i]));
	/* A disk may take its time. */
	EXPECT(!problems("vmbus-channel:\trelid=3 in-flight=9 in-flight-ms=9999\n"));
}

static void says_in_which_callback_a_backend_is(void)
{
	static const char *const pair[] = {
		"vmbus-channel:\trelid=4 backend=crc state=open callback=kick callback-ms=9000\n"
		"vmbus-revoke:\trelid=4 handle=0x1 why=reset state=mapped armed=1 told=0 ms=8000 backend=crc\n",
		"GPADL 0x1, channel 4: the reset of the guest waits 8 s for backend crc, which is in its kick() for 9 s\n"
		"Channel 4: backend crc is in its kick() for 9 s\n",
	};

	EXPECT(problems(pair[0]) == 2);
	EXPECT(!strcmp(told, pair[1]));
}

static void says_what_a_close_waits_for(void)
{
	static const char *const pairs[][2] = {
		{
			"vmbus-channel:\trelid=4 backend=crc state=closing callback=drain callback-ms=5000\n",
			"Channel 4: its close waits 5 s for requests of backend crc that are under way",
		}, {
			"vmbus-channel:\trelid=4 backend=crc state=draining state-ms=5000 callback=none\n",
			"Channel 4: its close waits 5 s for its sub-channels to close",
		},
	};

	EXPECT(tells(pairs[0]));
	EXPECT(tells(pairs[1]));
}

static void says_that_a_ring_is_spoilt(void)
{
	static const char *const pair[] = {
		"vmbus-channel:\trelid=4 broken-in=1 callback=none\n",
		"Channel 4: the guest has spoilt the ring that it writes; it is of no use until the guest opens the channel anew",
	};

	EXPECT(tells(pair));
}

static void says_nothing_of_what_takes_a_moment(void)
{
	EXPECT(!problems("vmbus-channel:\trelid=4 state=closing callback=close callback-ms=999\n"
			 "vmbus-revoke:\trelid=4 handle=0x1 why=teardown state=mapped ms=999\n"));
	EXPECT(!problems("vmbus-channel:\trelid=4 state=open state-ms=99999999 callback=none\n"));
}

static void has_units(void)
{
	char buf[32];

	EXPECT(!strcmp(bytes_text(0, buf), "0 B"));
	EXPECT(!strcmp(bytes_text(1536, buf), "1.5 KiB"));
	EXPECT(!strcmp(bytes_text(256 << 20, buf), "256 MiB"));
	EXPECT(strlen(bytes_text(~0ull, buf)) < 31);
	EXPECT(!strcmp(time_text(999, buf), "999 ms"));
	EXPECT(!strcmp(time_text(7200000, buf), "2 h 0 min"));
	EXPECT(!strcmp(count_text(9999, buf), "9999"));
	EXPECT(!strcmp(count_text(12345678, buf), "12 M"));
}

/* ---- Partitions that are left ---- */

static void reads_what_debugfs_shows(void)
{
	static const char gpadls[] =
		"relid     handle state      access pages range  runs messages age/s\n"
		"    3    0xe1e10 READY      rw         8     1     1        1     0\n"
		"    3    0xe1e11 MAPPED     rw         8     1     1        1    42 tearing-down revoked\n"
		"    4    0xe1e12 MAPPED     rw         8     1     1        1     7\n";
	static const char requests[] =
		"relid    in-flight   most requests pages-each\n"
		"3                2      9      256        512\n"
		"4                3      9      256        512 destroyed\n"
		"5                0      9      256        512\n";
	struct orphan o = {};

	EXPECT(!orphan_parse(&o, "owner pid            0\npinned host pages    12\n"
				 "requests' host pages 2048\n", gpadls, requests));
	EXPECT(o.pinned_pages == 12 && o.mapped == 2 && !o.owner);
	EXPECT(o.handle == 0xe1e11 && o.relid == 3 && o.age == 42);
	EXPECT(o.request_pages == 2048 && o.in_flight == 5 && o.most == 3 && o.most_relid == 4);
	EXPECT(!orphan_parse(&o, "owner pid            77\npinned host pages    1\n", "", ""));
	EXPECT(o.owner == 77 && !o.request_pages);
	EXPECT(orphan_parse(&o, "", "", "") == -ENOENT);
}

/* ---- Tracepoints ---- */

static const char *const traces[][2] = {
	{
		"  vmm-7 [000] .....  10.000000: vmbus_gpadl_created: partition=0 relid=3 handle=0xe1e10 status=0x0 pages=8 ranges=1 runs=1 messages=1 access=rw",
		"guest   makes GPADL 0xe1e10: 8 pages in 1 ranges, 1 messages, read and write"
	},
	{
		"  vmm-7 [000] .....  10.000100: vmbus_gpadl_map: partition=0 relid=3 handle=0xe1e10 access=rw pinned=8 entries=1 ret=0 ns=4321",
		"backend maps GPADL 0xe1e10: 8 pages pinned, 1 entries; took 4321 ns"
	},
	{
		"  vmm-7 [000] .....  10.000100: vmbus_gpadl_map: partition=0 relid=3 handle=0xe1e10 access=rw pinned=0 entries=0 ret=-16 ns=0",
		"backend cannot map GPADL 0xe1e10: Device or resource busy; after a time that is not known"
	},
	/* A thread is named as it likes. */
	{
		"  x: vmbus_y: z-9 [001] .....  10.000150: vmbus_gpadl_map: partition=0 relid=3 handle=0xe1e10 access=rw pinned=0 entries=0 ret=-16 ns=0",
		"backend cannot map GPADL 0xe1e10: Device or resource busy; after a time that is not known"
	},
	{
		"  vmbus/0.3-9 [001] .....  10.000200: vmbus_host_receive: partition=0 relid=3 type=6 flags=0x1 len=48 trans_id=0x77",
		"guest   sends a packet of type 6, 48 bytes, request 0x77"
	},
	{
		"  vmbus/0.3-9 [001] .....  10.000450: vmbus_host_send: partition=0 relid=3 type=11 flags=0x0 len=8 trans_id=0x77",
		"backend completes request 0x77, 8 bytes; after 250 us"
	},
	{
		"  vmbus/0.3-9 [001] .....  10.000450: vmbus_host_send: partition=0 relid=3 type=11 flags=0x0 len=8 trans_id=0x77",
		"backend sends a packet of type 11, 8 bytes"
	},
	{
		"  vmbus/0.3-9 [001] .....  10.000500: vmbus_host_callback: partition=0 relid=3 callback=kick ns=12345678",
		"backend returns from kick(); took 12 ms"
	},
	{
		"  vmbus/0.3-9 [001] .....  10.000510: vmbus_gpa_map: partition=0 relid=3 request=5 access=ro pages=2 ranges=1 pinned=2 entries=1 ret=0 ns=900",
		"backend maps the pages of packet 5: 2 pages, 2 pinned; took 900 ns"
	},
	{
		"  <idle>-0 [001] .....  10.000520: vmbus_gpa_unmap: partition=0 relid=3 request=5 ns=11000 late",
		"backend is done with the pages of packet 5; after 11 us"
	},
	{
		"  vmm-7 [000] .....  10.000600: vmbus_gpadl_teardown: partition=0 relid=3 handle=0xe1e10",
		"guest   tears down GPADL 0xe1e10"
	},
	{
		"  vmm-7 [000] .....  10.000700: vmbus_gpadl_reject: partition=0 relid=3 handle=0x1 reason=QUOTA",
		"guest   sends a message on GPADL 0x1 that does not do what it is for: QUOTA"
	},
};

static void tells_a_channel_s_life(void)
{
	struct trace_state *t = trace_state_new();
	char out[512];
	size_t i, len;

	for (i = 0; i < ARRAY_SIZE(traces); i++) {
		EXPECT(trace_line(t, traces[i][0], out, sizeof(out)));
		len = strlen(traces[i][1]);
		EXPECT(strlen(out) > len && !strcmp(out + strlen(out) - len, traces[i][1]));
		if (wrong)
			printf("# %s\n", out);
	}
	EXPECT(strstr(out, "+0.000700 s  0:3 "));
	EXPECT(!trace_line(t, "# tracer: nop", out, sizeof(out)));
	EXPECT(!trace_line(t, "x: vmbus_gpadl_", out, sizeof(out)));
	free(t);
}

/* ---- Everything else ---- */

static unsigned int seed = 1;

static unsigned int dice(unsigned int n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 8) % n;
}

/* Pieces that mean something, and bytes that do not */
static void spoil(char *text, size_t size)
{
	static const char *const bits[] = {
		"vmbus-", "vmbus-channel:\t", "=", " ", "\n", ":", "relid=", "0x", "\t",
		"vmbus-revoke:\trelid=1 handle=", "18446744073709551616", "ms=99999999 ",
		"state=mapped ", "%s%n", ": vmbus_", "MAPPED ", "\033", "\377",
	};
	size_t len = strlen(text), at, n;
	unsigned int k;
	const char *bit;

	for (k = dice(8); k; k--) {
		len = strlen(text);
		at = dice(len + 1);
		bit = bits[dice(ARRAY_SIZE(bits))];
		n = strlen(bit);
		switch (dice(4)) {
		case 0:		/* put in */
			if (len + n >= size)
				break;
			memmove(text + at + n, text + at, len - at + 1);
			memcpy(text + at, bit, n);
			break;
		case 1:		/* cut out */
			n = dice(len - at + 1);
			memmove(text + at, text + at + n, len - at - n + 1);
			break;
		case 2:		/* cut off */
			text[at] = 0;
			break;
		default:
			if (at < len)
				text[at] = 1 + dice(255);
			break;
		}
	}
}

static void drop(void *arg, const char *sentence)
{
	*(size_t *)arg += strlen(sentence);
}

static void use(const char *text, FILE *null)
{
	struct json j = { .out = null };
	struct guest g = {};
	size_t sum = 0;

	if (!guest_parse(&g, text)) {
		guest_problems(&g, drop, &sum);
		json_guest(&j, &g);
	}
	guest_free(&g);
}

static void takes_whatever_comes(void)
{
	FILE *null = fopen("/dev/null", "w");
	struct trace_state *t = trace_state_new();
	char text[2 * sizeof(typical)], out[512];
	struct orphan o;
	size_t i;

	for (i = 0; i <= strlen(typical); i++) {
		snprintf(text, sizeof(text), "%.*s", (int)i, typical);
		use(text, null);
	}
	for (i = 0; i < 50000; i++) {
		memcpy(text, typical, sizeof(typical));
		spoil(text, sizeof(text));
		use(text, null);
		snprintf(text, 512, "%s", traces[dice(ARRAY_SIZE(traces))][0]);
		spoil(text, 512);
		trace_line(t, text, out, sizeof(out));
		o = (struct orphan){};
		orphan_parse(&o, "pinned host pages 1", text, text);
	}
	EXPECT(null);
	fclose(null);
	free(t);
}

/* ---- Names of files ---- */

static void tells_characters_from_bytes(void)
{
	static const struct {
		const char *text;
		size_t len;
	} texts[] = {
		{ "a", 1 }, { "\x7f", 0 }, { "\x1b", 0 }, { "", 0 },
		{ "\xc3\xa4", 2 }, { "\xe2\x82\xac", 3 }, { "\xf0\x9f\x92\xbe", 4 },
		{ "\xc3", 0 }, { "\xe2\x82", 0 }, { "\xf0\x9f\x92", 0 }, { "\xa4", 0 },
		{ "\xc2\x9b", 0 },			/* CSI, of terminals */
		{ "\xc0\xaf", 0 }, { "\xe0\x80\xaf", 0 }, { "\xf0\x80\x80\xaf", 0 },
		{ "\xed\xa0\x80", 0 }, { "\xf4\x90\x80\x80", 0 }, { "\xff", 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		if (printable_length(texts[i].text) == texts[i].len)
			continue;
		printf("# text %zu\n", i);
		wrong = true;
	}
}

static void writes_names_of_files(void)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct json j = { .out = out };

	json_string(&j, NULL, "\xc3\xa4\xff\"\n\xe2\x82");
	fclose(out);
	EXPECT(!strcmp(text, "\"\xc3\xa4\\ufffd\\\"\\u000a\\ufffd\\ufffd\""));
	free(text);
}

#define TEST(name)	{ #name, name }

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {
		TEST(reads_a_guest),
		TEST(is_no_guest_without_partition),
		TEST(cuts_off_what_is_too_long),
		TEST(shows_nothing_that_drives_a_terminal),
		TEST(takes_no_number_for_what_is_none),
		TEST(takes_words_for_a_channel_that_there_is),
		TEST(takes_no_more_than_a_host_has),
		TEST(says_for_whom_a_teardown_waits),
		TEST(says_which_disk_a_teardown_waits_for),
		TEST(says_that_a_teardown_waits_for_requests),
		TEST(says_that_the_vmm_gives_no_memory),
		TEST(says_that_a_request_is_old),
		TEST(says_in_which_callback_a_backend_is),
		TEST(says_what_a_close_waits_for),
		TEST(says_that_a_ring_is_spoilt),
		TEST(says_nothing_of_what_takes_a_moment),
		TEST(has_units),
		TEST(reads_what_debugfs_shows),
		TEST(tells_a_channel_s_life),
		TEST(tells_characters_from_bytes),
		TEST(writes_names_of_files),
		TEST(takes_whatever_comes),
	};
	bool failed = false;
	size_t i;

	if (argc > 1)
		seed = strtoul(argv[1], NULL, 0);
	printf("TAP version 13\n1..%zu\n", ARRAY_SIZE(tests));
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		wrong = false;
		tests[i].run();
		printf("%sok %zu %s\n", wrong ? "not " : "", i + 1, tests[i].name);
		failed |= wrong;
	}
	return failed;
}
