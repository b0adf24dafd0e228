// SPDX-License-Identifier: GPL-2.0
/*
 * The SCSI backend: commands with data, on a disk whose file is looked at.
 */
#include "scsi_fixture.h"

#define DATA_GPA	MEM_GPA
#define DATA(v)		((v)->mem)
#define FILL		0xa5

/* A page that the VMM has not given, and a region that the host may not write to */
#define NO_GPA		0x40000000ull
#define RO_SLOT		2u
#define RO_GPA		0x200000000ull
#define RO_BYTES	(4 * HV_PAGE)

FIXTURE(data) {
	struct scsi_vmm vmm;
	struct scsi_chan *c;
	int file;
};

FIXTURE_SETUP(data)
{
	struct scsi_vmm *v = &self->vmm;

	disk_make(_metadata, DISK_FILE);
	self->file = open(DISK_FILE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->file);
	ASSERT_EQ(0, target_fileio("a", DISK_FILE, DISK_BYTES));
	ASSERT_EQ(0, target_create(TARGET_WWPN, TARGET_TAG));
	ASSERT_EQ(0, target_nexus(TARGET_WWPN, TARGET_TAG, TARGET_NEXUS));
	ASSERT_EQ(0, target_add_lun(0, "fileio", "a"));
	scsi_vmm_start(_metadata, v);
	ASSERT_EQ(0, scsi_create(v, 0));
	OPEN_CHANNEL(v, 0);
	self->c = &v->chan[0];
	ASSERT_EQ(0, scsi_init(self->c, 0x0602));
	memset(v->mem, FILL, MEM_BYTES);
}

FIXTURE_TEARDOWN(data)
{
	scsi_vmm_stop(&self->vmm);
	close(self->file);
	EXPECT_TRUE(WAIT_FOR(target_remove(TARGET_WWPN, TARGET_TAG) == 0));
	EXPECT_EQ(0, target_remove_backstore("fileio", "a"));
	expect_nothing_pinned(_metadata);
}

static bool is_filled(const char *mem, size_t len)
{
	while (len--)
		if ((unsigned char)*mem++ != FILL)
			return false;
	return true;
}

/* As disk_make() has made it */
static bool is_block(const char *mem, __u64 lba)
{
	char block[BLOCK];

	memset(block, lba & 0xff, BLOCK);
	memcpy(block, &lba, 8);
	return !memcmp(mem, block, BLOCK);
}

static bool are_blocks(const char *mem, __u64 lba, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!is_block(mem + i * BLOCK, lba + i))
			return false;
	return true;
}

static bool disk_has(int file, __u64 lba, const void *mem, size_t len)
{
	char buf[64 * 1024];

	return pread(file, buf, len, lba * BLOCK) == (ssize_t)len && !memcmp(buf, mem, len);
}

/* ---- What a guest asks first ---- */

TEST_F(data, inquiry)
{
	struct scsi_cmd cmd = cmd_inquiry(-1, DATA_GPA, 36);

	EXPECT_GOOD(scsi_do(self->c, &cmd), 36);
	EXPECT_EQ(0, DATA(&self->vmm)[0]);
	EXPECT_EQ(0, memcmp(DATA(&self->vmm) + 8, "LIO-ORG ", 8));
	EXPECT_TRUE(is_filled(DATA(&self->vmm) + 36, 4096 - 36));
	/* The list of VPD pages, into a buffer that is longer */
	cmd = cmd_inquiry(0, DATA_GPA + 100, 255);
	cmd.bytes = 255;
	EXPECT_EQ(SRB_SUCCESS, scsi_do(self->c, &cmd).msg.srb_status);
	EXPECT_EQ(0, DATA(&self->vmm)[101]);
	/* A page that there is not */
	cmd = cmd_inquiry(0x42, DATA_GPA, 255);
	EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_ERROR, 5, 0x24, 0);
}

TEST_F(data, capacity)
{
	struct scsi_cmd cmd = {
		.cdb = { 0x25 }, .cdb_len = 10, .dir = DIR_IN, .gpa = DATA_GPA, .bytes = 8,
	};
	unsigned char *p = (unsigned char *)DATA(&self->vmm);

	EXPECT_GOOD(scsi_do(self->c, &cmd), 8);
	EXPECT_EQ(DISK_BLOCKS - 1, p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]);
	EXPECT_EQ(BLOCK, p[6] << 8 | p[7]);
}

TEST_F(data, absent)
{
	struct scsi_cmd cmd = cmd_inquiry(-1, DATA_GPA, 96);

	cmd.lun = 3;
	EXPECT_GOOD(scsi_do(self->c, &cmd), 36);
	EXPECT_EQ(0x7f, DATA(&self->vmm)[0]);
	cmd.lun = 0;
	cmd.target = 1;
	EXPECT_GOOD(scsi_do(self->c, &cmd), 36);
	cmd = cmd_inquiry(0x80, DATA_GPA, 96);
	cmd.lun = 3;
	EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_INVALID_REQUEST, 5, 0x24, 0);
	cmd = cmd_rw(false, 0, 1, DATA_GPA);
	cmd.lun = 3;
	EXPECT_SRB(scsi_do(self->c, &cmd), SRB_INVALID_LUN, CHECK_CONDITION, 0);
}

TEST_F(data, report_luns)
{
	struct scsi_cmd cmd = cmd_report_luns(DATA_GPA, 4096);
	unsigned char *p = (unsigned char *)DATA(&self->vmm);

	ASSERT_EQ(0, target_rd_mcp("r", 1 << 20));
	ASSERT_EQ(0, target_add_lun(254, "rd_mcp", "r"));
	ASSERT_EQ(0, target_add_lun(7, "rd_mcp", "r"));
	/* No command yet: nothing is said of them. */
	EXPECT_GOOD(scsi_do(self->c, &cmd), 8 + 3 * 8);
	EXPECT_EQ(3 * 8, p[3]);
	EXPECT_EQ(0, p[9]);
	EXPECT_EQ(7, p[17]);
	EXPECT_EQ(254, p[25]);
	EXPECT_TRUE(is_filled((char *)p + 32, 4096 - 32));
	/* Wherever it goes to; there is nothing on other targets. */
	cmd.lun = 100;
	EXPECT_GOOD(scsi_do(self->c, &cmd), 32);
	cmd.target = 1;
	EXPECT_GOOD(scsi_do(self->c, &cmd), 8);
	EXPECT_EQ(0, p[3]);
	EXPECT_EQ(0, target_remove_lun(7));
	EXPECT_EQ(0, target_remove_lun(254));
	EXPECT_EQ(0, target_remove_backstore("rd_mcp", "r"));
}

/* ---- Reads and writes ---- */

TEST_F(data, read)
{
	static const struct { __u32 lba, blocks, offset; } t[] = {
		{ 0, 1, 0 }, { 8, 8, 0 }, { 100, 16, 512 }, { 17, 64, 3584 },
		{ 1000, 2048, 0 }, { DISK_BLOCKS - 1, 1, 4096 },
		/* not where a sector begins: copied */
		{ 5, 3, 1 }, { 77, 40, 4095 }, { 200, 1, 3800 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct scsi_cmd cmd = cmd_rw(false, t[i].lba, t[i].blocks,
					     DATA_GPA + HV_PAGE + t[i].offset);
		char *p = DATA(&self->vmm) + HV_PAGE + t[i].offset;

		memset(self->vmm.mem, FILL, MEM_BYTES);
		EXPECT_GOOD(scsi_do(self->c, &cmd), t[i].blocks * BLOCK);
		EXPECT_TRUE(are_blocks(p, t[i].lba, t[i].blocks));
		EXPECT_TRUE(is_filled(self->vmm.mem, p - self->vmm.mem));
		EXPECT_TRUE(is_filled(p + cmd.bytes, HV_PAGE));
	}
}

TEST_F(data, write)
{
	static const struct { __u32 lba, blocks, offset; } t[] = {
		{ 3, 1, 0 }, { 8, 8, 0 }, { 100, 16, 512 }, { 300, 64, 3584 },
		{ 505, 3, 1 }, { 577, 40, 4095 },
	};
	unsigned int i, j;

	for (j = 0; j < MEM_BYTES; j++)
		self->vmm.mem[j] = j * 7 + j / 4096;
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct scsi_cmd cmd = cmd_rw(true, t[i].lba, t[i].blocks,
					     DATA_GPA + t[i].offset);

		EXPECT_GOOD(scsi_do(self->c, &cmd), t[i].blocks * BLOCK);
		EXPECT_TRUE(disk_has(self->file, t[i].lba, self->vmm.mem + t[i].offset,
				     cmd.bytes));
	}
	/* and nothing beside */
	EXPECT_EQ(BLOCK, pread(self->file, self->vmm.mem, BLOCK, 4 * BLOCK));
	EXPECT_TRUE(is_block(self->vmm.mem, 4));
}

TEST_F(data, residual)
{
	struct scsi_cmd cmd = cmd_rw(false, 10, 2, DATA_GPA);
	struct vstor_reply r;

	/* More room than the command has data: it gets no more than that. */
	cmd.bytes = 8 * BLOCK;
	EXPECT_GOOD(scsi_do(self->c, &cmd), 2 * BLOCK);
	EXPECT_TRUE(are_blocks(self->vmm.mem, 10, 2));
	EXPECT_TRUE(is_filled(self->vmm.mem + 2 * BLOCK, HV_PAGE));
	/* Less: as much as there is room for. */
	cmd = cmd_rw(false, 20, 8, DATA_GPA + HV_PAGE);
	cmd.bytes = 3 * BLOCK;
	EXPECT_GOOD(scsi_do(self->c, &cmd), 3 * BLOCK);
	EXPECT_TRUE(are_blocks(self->vmm.mem + HV_PAGE, 20, 3));
	EXPECT_TRUE(is_filled(self->vmm.mem + HV_PAGE + 3 * BLOCK, HV_PAGE));
	/* A write of another length than it says is refused. */
	cmd = cmd_rw(true, 30, 2, DATA_GPA);
	cmd.bytes = 3 * BLOCK;
	r = scsi_do(self->c, &cmd);
	EXPECT_SRB(r, SRB_ERROR | AUTOSENSE, CHECK_CONDITION, 0);
	cmd.bytes = 1 * BLOCK;
	r = scsi_do(self->c, &cmd);
	EXPECT_SRB(r, SRB_ERROR | AUTOSENSE, CHECK_CONDITION, 0);
	EXPECT_EQ(BLOCK, pread(self->file, self->vmm.mem, BLOCK, 30 * BLOCK));
	EXPECT_TRUE(is_block(self->vmm.mem, 30));
	/* The end of the disk */
	cmd = cmd_rw(false, DISK_BLOCKS - 1, 2, DATA_GPA);
	EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_ERROR, 5, 0x21, 0);
}

/* The guest says one direction, and its command has another one. */
TEST_F(data, direction)
{
	struct scsi_cmd cmd = cmd_rw(true, 40, 1, DATA_GPA);

	cmd.dir = DIR_IN;
	EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_INVALID_REQUEST, 5, 0x24, 0);
	cmd = cmd_rw(false, 40, 1, DATA_GPA);
	cmd.dir = DIR_OUT;
	EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_INVALID_REQUEST, 5, 0x24, 0);
	cmd = cmd_inquiry(-1, DATA_GPA, 36);
	cmd.dir = DIR_OUT;
	EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_INVALID_REQUEST, 5, 0x24, 0);
	/* WRITE SAME(16), said to read; and without its block */
	cmd = cmd_rw(true, 40, 1, DATA_GPA);
	cmd.cdb[0] = 0x93;
	cmd.dir = DIR_IN;
	EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_INVALID_REQUEST, 5, 0x24, 0);
	cmd.dir = DIR_NONE;
	cmd.bytes = 0;
	EXPECT_EQ(CHECK_CONDITION, scsi_do(self->c, &cmd).msg.scsi_status);
	EXPECT_TRUE(is_filled(self->vmm.mem, HV_PAGE));
	EXPECT_EQ(BLOCK, pread(self->file, self->vmm.mem, BLOCK, 40 * BLOCK));
	EXPECT_TRUE(is_block(self->vmm.mem, 40));
}

/* ---- Packets that name no pages, or the wrong ones ---- */

/* What stands before the message: a range, or what is to be taken for one. */
struct ranges {
	__u32 reserved, nr, bytes, offset;
	__u64 pfn[4];
};

#define RANGES_HEAD	offsetof(struct ranges, pfn)
#define RANGES_PAGES(n)	(RANGES_HEAD + (n) * sizeof(__u64))

static const struct ranges one_page = {
	.nr = 1,
	.bytes = HV_PAGE,
	.pfn = { MEM_PFN, MEM_PFN + 1 },
};

static const struct vstor_msg read_page = {
	.op = OP_EXECUTE_SRB,
	.cdb_length = 10,
	.data_in = DIR_IN,
	.data_length = HV_PAGE,
	.cdb = { 0x28, [8] = HV_PAGE / BLOCK },
};

/* A packet of that type, with so many bytes of @h, and its answer */
static struct vstor_reply ask(struct __test_metadata *_metadata, struct scsi_chan *c, __u16 type,
			      const struct ranges *h, size_t len, const struct vstor_msg *msg)
{
	struct vstor_reply r;

	scsi_put(c, type, 1, ++c->next_id, h, len, msg, sizeof(*msg));
	scsi_kick(c);
	r = scsi_next(c);
	EXPECT_EQ(c->next_id, r.id);
	return r;
}

#define ASK(_type, _h, _len, _msg)	ask(_metadata, self->c, _type, _h, _len, _msg)
#define EXPECT_BAD(_h, _len, _msg)						\
	EXPECT_SENSE(ASK(9, _h, _len, _msg), SRB_INVALID_REQUEST, 5, 0x24, 0)

TEST_F(data, ranges)
{
	struct ranges h = one_page;

	EXPECT_GOOD(ASK(9, &h, RANGES_PAGES(1), &read_page), HV_PAGE);
	/* A page more than it needs is no matter. */
	EXPECT_GOOD(ASK(9, &h, RANGES_PAGES(2), &read_page), HV_PAGE);
	h.bytes = ~0u;
	EXPECT_GOOD(ASK(9, &h, RANGES_PAGES(1), &read_page), HV_PAGE);
}

TEST_F(data, ranges_that_are_cut_short)
{
	EXPECT_SENSE(ASK(6, &one_page, 0, &read_page), SRB_INVALID_REQUEST, 5, 0x24, 0);
	EXPECT_BAD(&one_page, 8, &read_page);
	EXPECT_BAD(&one_page, RANGES_HEAD, &read_page);
}

TEST_F(data, ranges_none_or_several)
{
	static const __u32 numbers[] = { 0, 2, ~0u };
	struct ranges h = one_page;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		h.nr = numbers[i];
		EXPECT_BAD(&h, RANGES_PAGES(1), &read_page);
	}
}

TEST_F(data, ranges_of_less_than_the_data)
{
	struct ranges h = one_page;

	h.bytes--;
	EXPECT_BAD(&h, RANGES_PAGES(1), &read_page);
	h = one_page;
	h.offset = 1;
	EXPECT_BAD(&h, RANGES_PAGES(1), &read_page);
	h.offset = HV_PAGE;
	EXPECT_BAD(&h, RANGES_PAGES(2), &read_page);
}

TEST_F(data, ranges_where_no_memory_is)
{
	struct ranges h = one_page;

	h.pfn[0] = NO_GPA / HV_PAGE;
	EXPECT_BAD(&h, RANGES_PAGES(1), &read_page);
	h.pfn[0] = ~0ull;
	EXPECT_BAD(&h, RANGES_PAGES(1), &read_page);
}

TEST_F(data, more_data_than_a_command_can_have)
{
	struct vstor_msg msg = read_page;
	struct ranges h = one_page;

	msg.data_length = ~0u;
	EXPECT_BAD(&h, RANGES_PAGES(1), &msg);
	msg.data_length = (1 << 20) + 1;
	h.bytes = ~0u;
	EXPECT_BAD(&h, RANGES_PAGES(1), &msg);
}

/* An old length in a command without data */
TEST_F(data, length_without_data)
{
	struct vstor_msg msg = read_page;

	msg.cdb[0] = 0;
	msg.data_in = DIR_NONE;
	EXPECT_GOOD(ASK(6, &one_page, 0, &msg), 0);
}

TEST_F(data, read_only_region)
{
	char *ro = memory_alloc(MEM_ANON, RO_BYTES);
	struct scsi_cmd cmd = cmd_rw(true, 50, 1, RO_GPA);

	ASSERT_NE(NULL, ro);
	memset(ro, 0x3c, RO_BYTES);
	ASSERT_EQ(0, vmm_region(self->vmm.fd, RO_SLOT, VMBUS_HOST_REGION_READ_ONLY, RO_GPA,
				RO_BYTES, ro));
	/* The guest's write only reads it. */
	EXPECT_GOOD(scsi_do(self->c, &cmd), BLOCK);
	EXPECT_TRUE(disk_has(self->file, 50, ro, BLOCK));
	cmd = cmd_rw(false, 51, 1, RO_GPA);
	EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_INVALID_REQUEST, 5, 0x24, 0);
	cmd = cmd_inquiry(-1, RO_GPA, 36);
	EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_INVALID_REQUEST, 5, 0x24, 0);
	EXPECT_EQ(0x3c, ro[0]);
}

/* ---- More at a time than fits ---- */

#define MANY	1000u

/* Each is answered once. */
TEST_F(data, many)
{
	unsigned int ring_holds = SCSI_RING_DATA / (16 + 24 + 64 + 8) - 1;
	unsigned int sent = 0, heard = 0, i;
	bool answered[MANY] = {};
	__u64 first = self->c->next_id + 1;

	/* First as many as the ring holds, then in turns. */
	while (heard < MANY) {
		while (sent < MANY && sent - heard < ring_holds) {
			struct scsi_cmd cmd = cmd_rw(false, sent, 1,
						     DATA_GPA + sent * BLOCK);

			scsi_send(self->c, &cmd);
			sent++;
		}
		scsi_kick(self->c);
		if (sent < MANY)
			usleep(10000);
		for (i = 0; i < 8 && heard < sent; i++, heard++) {
			struct vstor_reply r = scsi_next(self->c);

			EXPECT_GOOD(r, BLOCK);
			ASSERT_GT(MANY, r.id - first);
			EXPECT_FALSE(answered[r.id - first]);
			answered[r.id - first] = true;
		}
	}
	EXPECT_TRUE(are_blocks(self->vmm.mem, 0, MANY));
	EXPECT_TRUE(scsi_is_quiet(self->c));
}

/* Until the host has taken all, or takes no more */
static bool all_taken(const struct scsi_chan *c)
{
	const __u32 *index = (const __u32 *)c->ring;
	unsigned int still = 0;
	__u32 before = ~0u, read;

	while (still < 100) {
		read = __atomic_load_n(&index[1], __ATOMIC_SEQ_CST);
		if (read == index[0])
			return true;
		still = read == before ? still + 1 : 0;
		before = read;
		usleep(10000);
	}
	return false;
}

TEST_F(data, unread_answers)
{
	/* An answer takes 88 bytes of the ring, a command without data as many. */
	unsigned int i, n, all = 0;
	struct scsi_cmd tur = cmd_plain(0);

	for (n = 0; n < 5; n++) {
		for (i = 0; i < SCSI_RING_DATA / 88 - 1; i++, all++)
			scsi_send(self->c, &tur);
		scsi_kick(self->c);
		/* The host takes them out, and has no room for its answers. */
		if (!all_taken(self->c))
			break;
	}
	/* It stops at its limit. */
	EXPECT_LE(2, n);
	EXPECT_TRUE(n < 5);
	for (i = 0; i < all; i++)
		EXPECT_GOOD(scsi_next(self->c), 0);
	EXPECT_TRUE(scsi_is_quiet(self->c));
}

TEST_HARNESS_MAIN
