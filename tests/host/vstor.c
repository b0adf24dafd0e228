// SPDX-License-Identifier: GPL-2.0
/*
 * backends/scsi/vstor.c and lun.c in user space: what each packet of a guest's leads to.
 *
 *	vstor [SEED]
 *
 * First what is known to be right, then packets at random, of which only is known what must
 * hold of every answer.
 */
#include <stdlib.h>
#include <time.h>

#include <linux/types.h>

#include "backends/scsi/vstor.h"

static unsigned int tests, failures;
static bool failed;

#define EXPECT(cond) do {							\
	if (!(cond)) {								\
		printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond);		\
		failed = true;							\
	}									\
} while (0)

static void report(const char *name)
{
	printf("%s %u - %s\n", failed ? "not ok" : "ok", ++tests, name);
	failures += failed;
	failed = false;
}

static u64 state;

static u32 random_u32(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state >> 16;
}

static void random_bytes(void *to, size_t len)
{
	u8 *p = to;

	while (len--)
		*p++ = random_u32();
}

/* ---- Initialisation ---- */

static enum vstor_verdict say(struct vstor *v, bool primary, u32 op, u16 number, u32 *status)
{
	struct vstor_packet in = { .operation = op }, answer;
	enum vstor_verdict verdict;

	in.subchannels = number;
	verdict = vstor_receive(v, primary, &in, VSTOR_LEN, &answer);
	/* Of a request block there is none yet. */
	if (verdict == VSTOR_DO_EXECUTE)
		return verdict;
	*status = answer.status;
	EXPECT(answer.operation == VSTOR_COMPLETE_IO && !answer.flags);
	return verdict;
}

static struct vstor controller(void)
{
	struct vstor v = { .max_subchannels = 3, .max_transfer_bytes = 1 << 20 };

	vstor_start(&v);
	return v;
}

static void initialise(struct vstor *v, u16 version)
{
	u32 status;

	say(v, true, VSTOR_BEGIN_INITIALIZATION, 0, &status);
	say(v, true, VSTOR_QUERY_PROTOCOL_VERSION, version, &status);
	say(v, true, VSTOR_QUERY_PROPERTIES, 0, &status);
	say(v, true, VSTOR_END_INITIALIZATION, 0, &status);
	EXPECT(v->state == VSTOR_STATE_READY);
}

static void versions(void)
{
	static const u16 served[] = { 0x0200, 0x0402, 0x0501, 0x0600, 0x0602 };
	struct vstor v = controller();
	unsigned int version, i = 0;
	u32 status;

	for (version = 0; version <= 0xffff; version++) {
		bool known = i < ARRAY_SIZE(served) && version == served[i];

		vstor_start(&v);
		say(&v, true, VSTOR_BEGIN_INITIALIZATION, 0, &status);
		say(&v, true, VSTOR_QUERY_PROTOCOL_VERSION, version, &status);
		EXPECT(status == (known ? 0 : VSTOR_STATUS_REVISION_MISMATCH));
		EXPECT(v.state == (known ? VSTOR_STATE_PROPERTIES : VSTOR_STATE_VERSION));
		i += known;
	}
	EXPECT(i == ARRAY_SIZE(served));
	report("versions");
}

static void short_packets(void)
{
	struct vstor_packet in = { .operation = VSTOR_BEGIN_INITIALIZATION }, answer;
	struct vstor v = controller();
	size_t len;

	for (len = 0; len < VSTOR_HEADER_LEN; len++) {
		EXPECT(vstor_receive(&v, true, &in, len, &answer) == VSTOR_DO_ANSWER);
		EXPECT(answer.status == VSTOR_STATUS_INVALID_PARAMETER);
		EXPECT(v.state == VSTOR_STATE_BEGIN);
	}
	report("short_packets");
}

static void subchannels(void)
{
	struct vstor v = controller();
	u32 status;

	say(&v, true, VSTOR_BEGIN_INITIALIZATION, 0, &status);
	say(&v, true, VSTOR_QUERY_PROTOCOL_VERSION, VSTOR_VERSION_6_2, &status);
	say(&v, true, VSTOR_QUERY_PROPERTIES, 0, &status);
	/* More than there can be; then once, before the end; and any number of times after. */
	EXPECT(say(&v, true, VSTOR_CREATE_SUB_CHANNELS, 4, &status) == VSTOR_DO_ANSWER);
	EXPECT(status == VSTOR_STATUS_INVALID_PARAMETER);
	EXPECT(say(&v, true, VSTOR_CREATE_SUB_CHANNELS, 3, &status) == VSTOR_DO_OFFER);
	EXPECT(!status);
	EXPECT(say(&v, true, VSTOR_CREATE_SUB_CHANNELS, 1, &status) == VSTOR_DO_ANSWER);
	EXPECT(status == VSTOR_STATUS_INVALID_DEVICE_STATE);
	EXPECT(say(&v, true, VSTOR_END_INITIALIZATION, 0, &status) == VSTOR_DO_READY);
	EXPECT(say(&v, true, VSTOR_CREATE_SUB_CHANNELS, 2, &status) == VSTOR_DO_OFFER);
	EXPECT(say(&v, true, VSTOR_CREATE_SUB_CHANNELS, 0, &status) == VSTOR_DO_ANSWER);
	EXPECT(!status);
	/* On a sub-channel none of it is right. */
	EXPECT(say(&v, false, VSTOR_CREATE_SUB_CHANNELS, 1, &status) == VSTOR_DO_ANSWER);
	EXPECT(status == VSTOR_STATUS_INVALID_DEVICE_STATE);
	/* A guest of that time has none. */
	v = controller();
	initialise(&v, VSTOR_VERSION_4_2);
	EXPECT(say(&v, true, VSTOR_CREATE_SUB_CHANNELS, 1, &status) == VSTOR_DO_ANSWER);
	EXPECT(status == VSTOR_STATUS_INVALID_PARAMETER);
	report("subchannels");
}

static void waiting(void)
{
	struct vstor v = controller();
	u32 status;

	EXPECT(say(&v, false, VSTOR_EXECUTE_SRB, 0, &status) == VSTOR_DO_WAIT);
	EXPECT(say(&v, false, VSTOR_RESET_BUS, 0, &status) == VSTOR_DO_WAIT);
	EXPECT(say(&v, true, VSTOR_EXECUTE_SRB, 0, &status) == VSTOR_DO_ANSWER);
	EXPECT(status == VSTOR_STATUS_INVALID_DEVICE_STATE);
	initialise(&v, VSTOR_VERSION_6_2);
	EXPECT(say(&v, false, VSTOR_EXECUTE_SRB, 0, &status) == VSTOR_DO_EXECUTE);
	EXPECT(say(&v, false, VSTOR_RESET_LUN, 0, &status) == VSTOR_DO_RESET_LUN);
	EXPECT(say(&v, true, VSTOR_RESET_ADAPTER, 0, &status) == VSTOR_DO_RESET_ALL);
	report("before_it_is_ready");
}

static void lengths(void)
{
	EXPECT(vstor_answer_len(0) == 48);
	EXPECT(vstor_answer_len(48) == 48);
	EXPECT(vstor_answer_len(56) == 56);
	EXPECT(vstor_answer_len(64) == 64);
	EXPECT(vstor_answer_len(72) == 64);
	EXPECT(vstor_answer_len(~0u) == 64);
	report("length_of_answers");
}

static void events(void)
{
	static const struct { u16 version; size_t len; } t[] = {
		{ VSTOR_VERSION_2_0, 0 }, { VSTOR_VERSION_4_2, 48 }, { VSTOR_VERSION_5_1, 64 },
		{ VSTOR_VERSION_6_2, 64 },
	};
	struct vstor_packet event;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct vstor v = controller();

		initialise(&v, t[i].version);
		EXPECT(vstor_enumerate_bus(&v, &event) == t[i].len);
		EXPECT(!t[i].len || event.operation == VSTOR_ENUMERATE_BUS);
	}
	report("enumerate_bus");
}

/* ---- Commands ---- */

static void blocks(void)
{
	static const struct { u8 cdb[16]; u32 blocks; } t[] = {
		{ { 0x08, [4] = 1 }, 1 },
		{ { 0x0a, [4] = 0 }, 256 },
		{ { 0x28, [7] = 1, 2 }, 0x102 },
		{ { 0x2a, [7] = 0xff, 0xff }, 0xffff },
		{ { 0x2e, [8] = 9 }, 9 },
		{ { 0xa8, [6] = 1, 2, 3, 4 }, 0x01020304 },
		{ { 0xaa, [6] = 0xff, 2, 3, 4 }, 0xff020304 },
		{ { 0x88, [10] = 1, 2, 3, 4 }, 0x01020304 },
		{ { 0x8a, [10] = 0, 0, 3, 4 }, 0x304 },
		{ { 0x8e, [13] = 4 }, 4 },
		{ { 0x9c, [11] = 1, [13] = 4 }, 0x010004 },
		{ { 0x41, [8] = 9 }, 0 },
		{ { 0x89, [13] = 1 }, 0 },
		{ { 0x12, [4] = 36 }, 0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct vstor_packet in = { .srb = { .cdb_length = 16, .data_in = 2 } };
		struct vstor_command cmd;

		memcpy(in.srb.cdb, t[i].cdb, 16);
		EXPECT(vstor_command(&in, VSTOR_LEN, false, 1 << 20, &cmd));
		EXPECT(cmd.blocks == t[i].blocks);
	}
	report("blocks");
}

static void asks(void)
{
	unsigned int op, nr = 0;

	for (op = 0; op < 256; op++) {
		struct vstor_packet in = { .srb = { .cdb_length = 16, .data_in = 2 } };
		struct vstor_command cmd;

		in.srb.cdb[0] = op;
		/* Not one of variable length */
		EXPECT(vstor_command(&in, VSTOR_LEN, false, 1 << 20, &cmd) == (op != 0x7f));
		nr += vstor_asks(&cmd);
		EXPECT(vstor_asks(&cmd) == (op == 0x12 || op == 0x1a || op == 0x5a));
	}
	EXPECT(nr == 3);
	report("asks");
}

/* Operation code, data_in, flags: what the direction is; -1: refused */
static void directions(void)
{
	static const struct { u8 op, data_in; u32 flags, bytes; int direction; } t[] = {
		{ 0x28, 1, 0x40, 512, VSTOR_TO_GUEST },
		{ 0x28, 1, 0, 512, VSTOR_TO_GUEST },
		{ 0x28, 1, 0xc0, 512, VSTOR_TO_GUEST },
		{ 0x28, 2, 0, 512, VSTOR_TO_GUEST },
		{ 0x28, 1, 0x80, 512, -1 },
		{ 0x28, 0, 0x80, 512, -1 },
		{ 0x28, 0, 0x40, 512, -1 },
		{ 0x28, 0, 0, 0, VSTOR_TO_GUEST },
		{ 0x2a, 0, 0x80, 512, VSTOR_FROM_GUEST },
		{ 0x2a, 1, 0x40, 512, -1 },
		{ 0x2a, 2, 0, 512, -1 },
		{ 0x2a, 2, 0, 0, VSTOR_FROM_GUEST },
		{ 0x93, 2, 0, 0, VSTOR_FROM_GUEST },
		{ 0x42, 1, 0x40, 24, -1 },
		{ 0x9c, 1, 0x40, 512, -1 },
		{ 0x5f, 1, 0x40, 24, -1 },
		{ 0x12, 0, 0x80, 36, -1 },
		{ 0x00, 2, 0, 0, VSTOR_NO_DATA },
		{ 0xe0, 0, 0x80, 8, VSTOR_FROM_GUEST },
		{ 0xe0, 1, 0x40, 8, VSTOR_TO_GUEST },
		{ 0xe0, 1, 0x80, 8, -1 },
		{ 0xe0, 1, 0x80, 0, VSTOR_NO_DATA },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct vstor_packet in = { .srb = {
			.cdb_length = 10, .cdb = { t[i].op }, .data_in = t[i].data_in,
			.flags = t[i].flags, .data_length = t[i].bytes,
		} };
		struct vstor_command cmd;
		bool ok = vstor_command(&in, VSTOR_LEN, t[i].bytes, 1 << 20, &cmd);

		if ((ok ? (int)cmd.direction : -1) != t[i].direction) {
			printf("# %u: %#x\n", i, t[i].op);
			failed = true;
		}
	}
	report("directions");
}

static void cdbs(void)
{
	struct vstor_packet in = { .srb = { .data_in = 2 } };
	struct vstor_command cmd;
	unsigned int len;

	for (len = 0; len < 256; len++) {
		in.srb.cdb_length = len;
		EXPECT(vstor_command(&in, VSTOR_LEN, false, 0, &cmd) == (len && len <= 16));
	}
	/* Zero beyond what the guest says, and beyond what the operation code says */
	memset(in.srb.cdb, 0x28, 16);
	in.srb.cdb_length = 7;
	EXPECT(vstor_command(&in, VSTOR_LEN, false, 0, &cmd));
	EXPECT(cmd.cdb[6] == 0x28 && !cmd.cdb[7]);
	in.srb.cdb_length = 16;
	EXPECT(vstor_command(&in, VSTOR_LEN, false, 0, &cmd));
	EXPECT(cmd.cdb[9] == 0x28 && !cmd.cdb[10]);
	in.srb.cdb[0] = 0x7f;
	EXPECT(!vstor_command(&in, VSTOR_LEN, false, 0, &cmd));
	report("cdb_length");
}

static void data_lengths(void)
{
	struct vstor_packet in = { .srb = {
		.cdb_length = 10, .cdb = { 0x28 }, .data_in = 1, .data_length = 4096,
	} };
	struct vstor_command cmd;

	EXPECT(vstor_command(&in, VSTOR_LEN, true, 4096, &cmd) && cmd.bytes == 4096);
	EXPECT(!vstor_command(&in, VSTOR_LEN, true, 4095, &cmd));
	/* Without pages there is none; an old length in a command of no data is no matter. */
	EXPECT(!vstor_command(&in, VSTOR_LEN, false, 4096, &cmd));
	in.srb.data_in = 2;
	EXPECT(vstor_command(&in, VSTOR_LEN, false, 4096, &cmd) && !cmd.bytes);
	report("data_lengths");
}

static void ranges(void)
{
	u32 h[6] = { 0, 1, 4096, 17, 1, 0 };

	EXPECT(!vstor_ranges(h, 0, 1));
	EXPECT(!vstor_ranges(h, 15, 1));
	EXPECT(!vstor_ranges(h, sizeof(h), 4097));
	EXPECT(vstor_ranges(h, sizeof(h), 4096));
	EXPECT(vstor_ranges(h, sizeof(h), 100));
	EXPECT(h[2] == 100 && h[3] == 17 && h[4] == 1);
	h[1] = 2;
	EXPECT(!vstor_ranges(h, sizeof(h), 1));
	report("ranges");
}

/* ---- Answers ---- */

static void answers(void)
{
	static const struct { u8 scsi, srb; u32 status; } t[] = {
		{ 0x00, 0x01, 0 }, { 0x04, 0x01, 0 }, { 0x08, 0x05, 0x80000011 },
		{ 0x28, 0x05, 0x80000011 }, { 0x18, 0x04, 0xC0000185 },
		{ 0x40, 0x02, 0xC0000120 }, { 0x02, 0x84, 0xC0000185 },
	};
	u8 sense[96] = { 0x70, 0, 3, [7] = 10, [12] = 0x11 };
	const struct vstor_result bad = {
		.scsi_status = 2, .sense = sense, .sense_bytes = sizeof(sense),
	};
	struct vstor_packet a;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct vstor_result r = {
			.scsi_status = t[i].scsi, .sense = sense, .sense_bytes = 96,
		};

		vstor_complete(&r, &a);
		EXPECT(a.srb.srb_status == t[i].srb && a.srb.scsi_status == t[i].scsi);
		EXPECT(a.status == t[i].status);
		EXPECT(a.srb.sense_length == (t[i].scsi == 2 ? 18 : 0));
	}
	/* Descriptor format, longer than there is room for; and what is no sense data */
	sense[0] = 0x72;
	sense[7] = 200;
	vstor_complete(&bad, &a);
	EXPECT(a.srb.sense_length == 20 && a.srb.srb_status == 0x84);
	sense[0] = 0;
	vstor_complete(&bad, &a);
	EXPECT(!a.srb.sense_length && a.srb.srb_status == 0x04);
	report("answers");
}

/* ---- Logical units ---- */

static void luns_list(void)
{
	struct vstor_luns luns = { { 1ul << 3 } }, all;
	struct vstor_command cmd = { .cdb = { 0xa0, [9] = 255 }, .bytes = 255 };
	struct vstor_result r;
	u8 data[VSTOR_ABSENT_DATA];
	size_t bytes;

	luns.bits[254 / (8 * sizeof(long))] |= 1ul << (254 % (8 * sizeof(long)));
	EXPECT(vstor_has_lun(&luns, 3) && vstor_has_lun(&luns, 254));
	EXPECT(!vstor_has_lun(&luns, 4) && !vstor_has_lun(&luns, 255));
	EXPECT(!vstor_has_lun(&luns, ~0u));
	memset(&all, 0xff, sizeof(all));
	EXPECT(vstor_has_lun(&all, 254) && !vstor_has_lun(&all, 255));
	EXPECT(vstor_is_absent(&cmd, &luns));
	vstor_absent(&cmd, &luns, &r, data, 255, &bytes);
	EXPECT(bytes == 24 && data[3] == 16 && data[9] == 3 && data[17] == 254);
	/* Less is asked for than there is room for; */
	cmd.cdb[9] = 16;
	vstor_absent(&cmd, &luns, &r, data, 255, &bytes);
	EXPECT(bytes == 16);
	cmd.cdb[9] = 255;
	/* and room for less, which the length of the list does not tell */
	vstor_absent(&cmd, &luns, &r, data, 17, &bytes);
	EXPECT(bytes == 17 && data[3] == 16 && data[9] == 3);
	vstor_absent(&cmd, &luns, &r, data, 0, &bytes);
	EXPECT(!bytes && r.srb_status == VSTOR_SRB_SUCCESS);
	cmd.cdb[2] = 1;
	vstor_absent(&cmd, &luns, &r, data, 255, &bytes);
	EXPECT(bytes == 8 && !data[3]);
	cmd.cdb[2] = 3;
	vstor_absent(&cmd, &luns, &r, data, 255, &bytes);
	EXPECT(!bytes && r.srb_status == VSTOR_SRB_INVALID_REQUEST && r.sense);
	cmd.cdb[2] = 0;
	cmd.elsewhere = true;
	vstor_absent(&cmd, &luns, &r, data, 255, &bytes);
	EXPECT(bytes == 8 && !data[3]);
	report("report_luns");
}

static void inquiry(void)
{
	struct vstor_command cmd = { .cdb = { 0x12, [4] = 96 }, .bytes = 96, .lun = 9 };
	struct vstor_luns luns = { { 1ul << 3 } };
	struct vstor_result r;
	u8 data[96];
	size_t bytes;

	EXPECT(vstor_is_absent(&cmd, &luns));
	vstor_absent(&cmd, &luns, &r, data, 96, &bytes);
	EXPECT(bytes == 36 && data[0] == 0x7f && data[4] == 31);
	EXPECT(r.srb_status == VSTOR_SRB_SUCCESS && !r.scsi_status);
	vstor_absent(&cmd, &luns, &r, data, 5, &bytes);
	EXPECT(bytes == 5);
	cmd.cdb[4] = 4;
	vstor_absent(&cmd, &luns, &r, data, 96, &bytes);
	EXPECT(!bytes && r.srb_status == VSTOR_SRB_INVALID_REQUEST);
	cmd.cdb[4] = 96;
	cmd.cdb[1] = 1;
	vstor_absent(&cmd, &luns, &r, data, 96, &bytes);
	EXPECT(!bytes && r.srb_status == VSTOR_SRB_INVALID_REQUEST && r.sense);
	cmd.cdb[0] = 0;
	vstor_absent(&cmd, &luns, &r, data, 96, &bytes);
	EXPECT(!bytes && r.srb_status == VSTOR_SRB_INVALID_LUN && r.scsi_status == 2);
	cmd.lun = 3;
	EXPECT(!vstor_is_absent(&cmd, &luns));
	cmd.elsewhere = true;
	EXPECT(vstor_is_absent(&cmd, &luns));
	report("inquiry_of_nothing");
}

/* ---- At random ---- */

static void random_answer(const struct vstor_packet *a)
{
	const struct vstor_srb *s = &a->srb;

	EXPECT(a->operation == VSTOR_COMPLETE_IO && !a->flags);
	EXPECT(s->srb_status & 0x3f);
	EXPECT(s->sense_length <= VSTOR_SENSE_MAX);
	EXPECT(!(s->srb_status & VSTOR_SRB_AUTOSENSE_VALID) == !s->sense_length);
	EXPECT(!s->sense_length || s->scsi_status == 2);
	EXPECT((s->srb_status == VSTOR_SRB_SUCCESS) == !a->status);
}

static void random_command(const struct vstor_packet *in, size_t len)
{
	static const u8 ops[] = { 0x12, 0xa0, 0x28, 0x2a, 0 };
	u32 max = random_u32() % 4096;
	struct vstor_packet answer;
	struct vstor_command cmd;
	struct vstor_result r = {};
	struct vstor_luns luns;
	size_t bytes;
	u8 *data;

	if (!vstor_command(in, len, random_u32() & 1, max, &cmd)) {
		vstor_reject(&answer);
		random_answer(&answer);
		return;
	}
	EXPECT(cmd.bytes <= max);
	EXPECT(cmd.direction != VSTOR_NO_DATA || !cmd.bytes);
	random_bytes(&luns, sizeof(luns));
	if (random_u32() & 1)
		cmd.cdb[0] = ops[random_u32() % ARRAY_SIZE(ops)];
	if (!vstor_is_absent(&cmd, &luns)) {
		EXPECT(cmd.lun < VSTOR_LUNS);
		return;
	}
	/* To the byte, for AddressSanitizer */
	data = malloc(cmd.bytes);
	vstor_absent(&cmd, &luns, &r, data, cmd.bytes, &bytes);
	EXPECT(bytes <= cmd.bytes);
	free(data);
	r.bytes = bytes;
	vstor_complete(&r, &answer);
	random_answer(&answer);
}

static void random_packets(void)
{
	struct vstor v = controller();
	unsigned int n, executed = 0;

	for (n = 0; n < 500000 && !failed; n++) {
		struct vstor_packet in = {}, answer;
		size_t len = random_u32() % 80;
		enum vstor_state before = v.state;
		enum vstor_verdict verdict;

		random_bytes(&in, len < sizeof(in) ? len : sizeof(in));
		if (len >= 4)
			in.operation = random_u32() % 16;
		if (len >= 14 && random_u32() & 1)
			in.version.version = VSTOR_VERSION_6_0;
		if (in.operation == VSTOR_EXECUTE_SRB && random_u32() & 1) {
			in.srb.path = 0;
			in.srb.target = 0;
			in.srb.cdb_length %= 17;
			in.srb.data_length %= 5000;
		}
		verdict = vstor_receive(&v, random_u32() & 1, &in, len, &answer);
		EXPECT(verdict == VSTOR_DO_EXECUTE ||
		       (answer.operation == VSTOR_COMPLETE_IO && !answer.flags));
		EXPECT(v.state == before || v.state == before + 1);
		if (verdict == VSTOR_DO_EXECUTE) {
			EXPECT(v.state == VSTOR_STATE_READY && len >= VSTOR_SHORT_LEN);
			random_command(&in, len);
			executed++;
		}
		if (verdict == VSTOR_DO_OFFER)
			EXPECT(in.subchannels && in.subchannels <= v.max_subchannels);
		if (!(random_u32() % 1000))
			vstor_start(&v);
	}
	/* Else it would test little. */
	EXPECT(executed > 1000);
	printf("# %u packets, %u of them executed\n", n, executed);
	report("random_packets");
}

int main(int argc, char **argv)
{
	u64 seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (u64)time(NULL);

	state = seed ?: 1;
	printf("# seed %llu\n", seed);
	versions();
	short_packets();
	subchannels();
	waiting();
	lengths();
	events();
	blocks();
	asks();
	directions();
	cdbs();
	data_lengths();
	ranges();
	answers();
	luns_list();
	inquiry();
	random_packets();
	printf("1..%u\n", tests);
	return !!failures;
}
