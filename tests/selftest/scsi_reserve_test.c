// SPDX-License-Identifier: GPL-2.0
/*
 * The SCSI backend: commands by which a guest would get at the target core's own weak places -
 * reservations, COMPARE AND WRITE, ordered commands, port groups.
 */
#include <endian.h>

#include "fail.h"
#include "scsi_life.h"

#define RESERVATION_CONFLICT	0x18
#define BUSY			0x08
#define TASK_SET_FULL		0x28
#define SRB_BUSY		0x05
#define OTHER_TAG		2
#define MAX_UNHEARD		1024u	/* UNIT_ATTENTIONS */
#define MAX_REGISTRATIONS	128u	/* REGISTRATIONS */
#define KEY			0x1122334455667788ull

/* Service actions of PERSISTENT RESERVE OUT and IN, and bits of the former's parameters */
enum { REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT_AND_ABORT, IGNORE_KEY, MOVE };
enum { READ_KEYS, READ_RESERVATION, READ_FULL_STATUS = 3 };
#define ALL_TG_PT	0x04
#define SPEC_I_PT	0x08
/* Types of a reservation: exclusive access, registrants only, and all registrants */
#define TYPE		0x06
#define TYPE_ALL	0x08

struct parameters {
	__be64 key;
	__be64 new_key;
	__u8 obsolete[4];
	__u8 flags;
	__u8 reserved[3];
	__be32 ids_bytes;
	__u8 ids[4];
};

static struct vstor_reply pr_out_type(struct scsi_chan *c, char *mem, unsigned int action,
				      __u8 type, __u64 key, __u64 new_key, __u8 flags)
{
	struct scsi_cmd cmd = {
		.cdb = { 0x5f, action, type }, .cdb_len = 10, .dir = DIR_OUT, .gpa = MEM_GPA,
		.bytes = flags & SPEC_I_PT ? 28 : 24,
	};
	struct parameters p = { htobe64(key), htobe64(new_key), .flags = flags };

	if (flags & SPEC_I_PT)
		p.ids_bytes = htobe32(1);
	cmd.cdb[8] = cmd.bytes;
	memcpy(mem, &p, sizeof(p));
	return scsi_do(c, &cmd);
}

static struct vstor_reply pr_out(struct scsi_chan *c, char *mem, unsigned int action, __u64 key,
				 __u64 new_key, __u8 flags)
{
	return pr_out_type(c, mem, action, TYPE, key, new_key, flags);
}

static struct vstor_reply pr_in(struct scsi_chan *c, unsigned int action)
{
	struct scsi_cmd cmd = {
		.cdb = { 0x5e, action, [8] = 64 }, .cdb_len = 10, .dir = DIR_IN, .gpa = MEM_GPA,
		.bytes = 64,
	};

	return scsi_do(c, &cmd);
}

/* Length of the list that PERSISTENT RESERVE IN has returned */
static unsigned int pr_list(const char *mem)
{
	__be32 bytes;

	memcpy(&bytes, mem + 4, sizeof(bytes));
	return be32toh(bytes);
}

/* The target writes what is registered to a file, which is named after the backstore. */
static void allow_reservations(struct __test_metadata *_metadata)
{
	mkdir("/var", 0755);
	mkdir("/var/target", 0755);
	mkdir("/var/target/pr", 0755);
	ASSERT_EQ(0, target_reservations(true));
}

/* What begins with a guest that has registered with KEY */
static void begin_registered(struct __test_metadata *_metadata, struct scsi_chan *c, char *mem)
{
	settle(c);
	allow_reservations(_metadata);
	EXPECT_GOOD(pr_out(c, mem, REGISTER, 0, KEY, 0), 24);
}

/* ---- Reservations ---- */

/* RESERVE and RELEASE */
static void expect_no_plain_ones(struct __test_metadata *_metadata, struct scsi_chan *c)
{
	static const __u8 plain[] = { 0x16, 0x17, 0x56, 0x57 };
	struct scsi_cmd cmd;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(plain); i++) {
		cmd = cmd_plain(plain[i]);
		cmd.cdb_len = plain[i] & 0x40 ? 10 : 6;
		EXPECT_SENSE(scsi_do(c, &cmd), SRB_ERROR, 5, 0x20, 0);
	}
}

TEST_F(life, reservations_are_not_allowed)
{
	char *mem = self->vmm.mem;

	settle(self->c);
	expect_no_plain_ones(_metadata, self->c);
	EXPECT_SENSE(pr_out(self->c, mem, REGISTER, 0, KEY, 0), SRB_ERROR, 5, 0x20, 0);
	EXPECT_SENSE(pr_in(self->c, READ_KEYS), SRB_ERROR, 5, 0x20, 0);
}

TEST_F(life, reserved_and_released)
{
	char *mem = self->vmm.mem;
	struct scsi_chan *c = self->c;

	begin_registered(_metadata, c, mem);
	EXPECT_GOOD(pr_in(c, READ_KEYS), 16);
	EXPECT_EQ(8, pr_list(mem));
	EXPECT_EQ(KEY, be64toh(*(__be64 *)(mem + 8)));
	EXPECT_GOOD(pr_out(c, mem, RESERVE, KEY, 0, 0), 24);
	EXPECT_GOOD(pr_in(c, READ_RESERVATION), 24);
	EXPECT_EQ(16, pr_list(mem));
	EXPECT_GOOD(pr_out(c, mem, RELEASE, KEY, 0, 0), 24);
	EXPECT_GOOD(pr_in(c, READ_RESERVATION), 8);
	EXPECT_EQ(0, pr_list(mem));
	EXPECT_GOOD(pr_out(c, mem, CLEAR, KEY, 0, 0), 24);
	EXPECT_GOOD(pr_in(c, READ_KEYS), 8);
	EXPECT_EQ(0, pr_list(mem));
}

/*
 * Of whose holder the target core keeps a pointer that may dangle: not even where they are
 * allowed
 */
TEST_F(life, plain_reservations)
{
	settle(self->c);
	allow_reservations(_metadata);
	expect_no_plain_ones(_metadata, self->c);
}

/* It frees the registration of the one who asks, and goes on with it. */
TEST_F(life, preempts_itself)
{
	char *mem = self->vmm.mem;
	struct scsi_chan *c = self->c;

	begin_registered(_metadata, c, mem);
	EXPECT_SENSE(pr_out(c, mem, PREEMPT, KEY, KEY, 0), SRB_ERROR, 5, 0x26, 0);
	/* By another key, which nobody has */
	EXPECT_SRB(pr_out(c, mem, PREEMPT, KEY, KEY + 1, 0), SRB_ERROR, RESERVATION_CONFLICT, 0);
	EXPECT_GOOD(pr_in(c, READ_KEYS), 16);
	EXPECT_GOOD(pr_out(c, mem, REGISTER, KEY, 0, 0), 24);
}

/* One waits for itself, the other drops a reference twice. */
TEST_F(life, service_actions_that_are_refused)
{
	char *mem = self->vmm.mem;
	struct scsi_chan *c = self->c;

	begin_registered(_metadata, c, mem);
	EXPECT_SENSE(pr_out(c, mem, PREEMPT_AND_ABORT, KEY, KEY, 0), SRB_ERROR, 5, 0x24, 0);
	EXPECT_SENSE(pr_out(c, mem, MOVE, KEY, KEY + 1, 0), SRB_ERROR, 5, 0x24, 0);
	/* Nothing waits. */
	EXPECT_GOOD(pr_out(c, mem, CLEAR, KEY, 0, 0), 24);
	EXPECT_EQ(0, scsi_op(c, OP_RESET_BUS).msg.status);
}

/*
 * Whoever removes the logical unit then waits for a reference that nobody drops; and what all ports
 * have in common frees the registration that holds the reservation.
 */
TEST_F(life, registers_others)
{
	char *mem = self->vmm.mem;
	struct scsi_chan *c = self->c;

	settle(c);
	allow_reservations(_metadata);
	EXPECT_SENSE(pr_out(c, mem, REGISTER, 0, KEY, SPEC_I_PT), SRB_ERROR, 5, 0x26, 0);
	EXPECT_SENSE(pr_out(c, mem, REGISTER, 0, KEY, ALL_TG_PT), SRB_ERROR, 5, 0x26, 0);
	EXPECT_GOOD(pr_in(c, READ_KEYS), 8);
	EXPECT_EQ(0, target_remove_lun(0));
	ASSERT_EQ(0, target_add_lun(0, "fileio", "a"));
}

/* Guests that do not know each other read it. */
TEST_F(life, read_only_disk_is_not_reserved)
{
	struct scsi_cmd reserve = {
		.cdb = { 0x5f, REGISTER, [8] = 24 }, .cdb_len = 10, .dir = DIR_OUT,
		.gpa = MEM_GPA, .bytes = 24, .lun = 2,
	};
	struct scsi_cmd plain = cmd_plain(0x16), tur = cmd_plain(0);
	unsigned int i;
	char loop[32];

	allow_reservations(_metadata);
	ASSERT_EQ(0, loop_attach(HUNG_FILE, loop, sizeof(loop)));
	ASSERT_EQ(0, target_iblock_read_only("ro", loop));
	ASSERT_EQ(0, target_add_lun(2, "iblock", "ro"));
	settle(self->c);
	tur.lun = 2;
	for (i = 0; i < 4; i++)
		scsi_do(self->c, &tur);
	plain.lun = 2;
	EXPECT_SENSE(scsi_do(self->c, &reserve), SRB_ERROR, 7, 0x27, 0);
	EXPECT_SENSE(scsi_do(self->c, &plain), SRB_ERROR, 7, 0x27, 0);
	EXPECT_GOOD(scsi_do(self->c, &tur), 0);
	EXPECT_EQ(0, target_remove_lun(2));
	EXPECT_EQ(0, target_remove_backstore("iblock", "ro"));
	EXPECT_TRUE(WAIT_FOR(loop_detach(loop) == 0));
}

/* A logical unit goes while a guest registers, and takes that back, as fast as it can. */
TEST_F(life, removed_while_it_is_registered)
{
	struct scsi_chan *c = self->c;
	char *mem = self->vmm.mem;
	struct parameters p[2] = { { 0, htobe64(KEY) }, { htobe64(KEY), 0 } };
	unsigned int i, round, answers = 0;

	settle(c);
	allow_reservations(_metadata);
	memcpy(mem, p, sizeof(p));
	for (round = 0; round < 10; round++) {
		for (i = 0; i < 40; i++) {
			struct scsi_cmd cmd = {
				.cdb = { 0x5f, REGISTER, [8] = 24 }, .cdb_len = 10,
				.dir = DIR_OUT, .gpa = MEM_GPA + i % 2 * sizeof(*p), .bytes = 24,
			};

			scsi_send(c, &cmd);
		}
		scsi_kick(c);
		EXPECT_EQ(0, target_remove_lun(0));
		ASSERT_EQ(0, target_add_lun(0, "fileio", "a"));
		while (i-- && scsi_next(c).id != ~0ull)
			answers++;
	}
	EXPECT_EQ(400, answers);
}

/* Another guest, one of whose disks has the same backstore */
static struct scsi_vmm other_start(struct __test_metadata *_metadata, const char *type,
				   const char *backstore)
{
	struct scsi_vmm other = { .fd = -1 };

	EXPECT_EQ(0, target_create(TARGET_WWPN, OTHER_TAG));
	EXPECT_EQ(0, target_nexus(TARGET_WWPN, OTHER_TAG, "naa.5001405000000003"));
	EXPECT_EQ(0, target_reservations_of(OTHER_TAG, true));
	EXPECT_EQ(0, target_add_lun_of(OTHER_TAG, 0, type, backstore));
	scsi_vmm_start(_metadata, &other);
	other.config.tpgt = OTHER_TAG;
	EXPECT_EQ(0, scsi_create(&other, 0));
	return other;
}

static void other_stop(struct __test_metadata *_metadata, struct scsi_vmm *other)
{
	scsi_vmm_stop(other);
	EXPECT_TRUE(WAIT_FOR(target_remove(TARGET_WWPN, OTHER_TAG) == 0));
}

/* It frees the registration that holds the reservation, and goes on with it. */
TEST_F(life, preempts_all_registrants)
{
	struct scsi_chan *c = self->c, *o;
	char *mem = self->vmm.mem;
	struct scsi_vmm other;

	begin_registered(_metadata, c, mem);
	EXPECT_GOOD(pr_out_type(c, mem, RESERVE, TYPE_ALL, KEY, 0, 0), 24);
	other = other_start(_metadata, "fileio", "a");
	OPEN_CHANNEL(&other, 0);
	o = &other.chan[0];
	ASSERT_EQ(0, scsi_init(o, 0x0602));
	settle(o);
	EXPECT_GOOD(pr_out(o, other.mem, REGISTER, 0, KEY + 1, 0), 24);
	EXPECT_SENSE(pr_out_type(o, other.mem, PREEMPT, TYPE_ALL, KEY + 1, 0, 0), SRB_ERROR, 5,
		     0x26, 0);
	/* Both are registered still. */
	EXPECT_GOOD(pr_in(c, READ_KEYS), 24);
	/* What another cluster does when a node has failed */
	EXPECT_GOOD(pr_out_type(o, other.mem, PREEMPT, TYPE_ALL, KEY + 1, KEY, 0), 24);
	EXPECT_GOOD(pr_in(o, READ_RESERVATION), 24);
	EXPECT_GOOD(pr_out(o, other.mem, CLEAR, KEY + 1, 0, 0), 24);
	other_stop(_metadata, &other);
}

/* A guest under another name, @nr */
static void next_start(struct __test_metadata *_metadata, struct scsi_vmm *v, unsigned int nr)
{
	char name[32];

	snprintf(name, sizeof(name), "naa.5001405000001%03u", nr);
	EXPECT_TRUE(WAIT_FOR(target_nexus(TARGET_WWPN, OTHER_TAG, "NULL") == 0));
	EXPECT_EQ(0, target_nexus(TARGET_WWPN, OTHER_TAG, name));
	scsi_vmm_start(_metadata, v);
	v->config.tpgt = OTHER_TAG;
	EXPECT_EQ(0, scsi_create(v, 0));
	OPEN_CHANNEL(v, 0);
	ASSERT_EQ(0, scsi_init(&v->chan[0], 0x0602));
	settle(&v->chan[0]);
}

/* The target core writes their full status behind its buffer. Registrations outlive sessions. */
TEST_F_TIMEOUT(life, many_registrations, 120)
{
	struct scsi_chan *c = self->c;
	char *mem = self->vmm.mem;
	struct scsi_vmm other;
	struct vstor_reply r;
	unsigned int i;

	begin_registered(_metadata, c, mem);
	other = other_start(_metadata, "fileio", "a");
	for (i = 1; i <= MAX_REGISTRATIONS; i++) {
		scsi_vmm_stop(&other);
		next_start(_metadata, &other, i);
		r = pr_out(&other.chan[0], other.mem, REGISTER, 0, KEY + i, 0);
		if (i < MAX_REGISTRATIONS)
			EXPECT_GOOD(r, 24);
	}
	EXPECT_SENSE(r, SRB_ERROR, 5, 0x26, 0);
	EXPECT_SENSE(pr_out(&other.chan[0], other.mem, IGNORE_KEY, 0, KEY, 0), SRB_ERROR, 5, 0x26,
		     0);
	/* One goes: another one may come. */
	EXPECT_GOOD(pr_out(c, mem, REGISTER, KEY, 0, 0), 24);
	EXPECT_GOOD(pr_out(&other.chan[0], other.mem, REGISTER, 0, KEY, 0), 24);
	EXPECT_GOOD(pr_out(&other.chan[0], other.mem, CLEAR, KEY, 0, 0), 24);
	other_stop(_metadata, &other);
}

static int remove_lun_300(void *arg)
{
	return target_remove_lun(300);
}

/* The registrations of one that is none of the guest's may be freed, too: they are its nexus'. */
TEST_F(life, registers_while_another_number_goes)
{
	char *mem = self->vmm.mem;
	struct scsi_chan *c = self->c;
	struct task task;
	int ret;

	ASSERT_EQ(0, target_add_lun(300, "iblock", "b"));
	begin_registered(_metadata, c, mem);
	ret = linger("core_clear_lun_from_tpg");
	if (ret == -EOPNOTSUPP)
		SKIP(return, "the kernel has no kprobes");
	ASSERT_EQ(0, ret);
	task_start(&task, remove_lun_300, NULL);
	EXPECT_TRUE(WAIT_FOR(lingers()));
	/* It hears that the list of logical units has changed. */
	settle(c);
	EXPECT_SRB(pr_out(c, mem, REGISTER, KEY, KEY + 1, 0), SRB_BUSY, BUSY, 0);
	EXPECT_SRB(pr_in(c, READ_FULL_STATUS), SRB_BUSY, BUSY, 0);
	EXPECT_GOOD(pr_in(c, READ_KEYS), 16);
	EXPECT_EQ(0, linger(" "));
	EXPECT_EQ(0, task_join(&task));
	EXPECT_GOOD(pr_out(c, mem, REGISTER, KEY, 0, 0), 24);
}

/* MODE SENSE of a disk that another guest has reserved: hv_storvsc takes any end for an answer. */
TEST_F(life, asked_while_it_is_reserved)
{
	static const __u8 modes[] = { 0x1a, 0x5a };
	struct scsi_cmd read = cmd_rw(false, 0, 1, MEM_GPA);
	struct scsi_vmm other;
	unsigned int i;

	allow_reservations(_metadata);
	other = other_start(_metadata, "fileio", "a");
	OPEN_CHANNEL(&other, 0);
	ASSERT_EQ(0, scsi_init(&other.chan[0], 0x0602));
	begin_registered(_metadata, &other.chan[0], other.mem);
	EXPECT_GOOD(pr_out(&other.chan[0], other.mem, RESERVE, KEY, 0, 0), 24);
	settle(self->c);
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		struct scsi_cmd cmd = {
			.cdb = { modes[i], [2] = 0x3f, [4] = 64 }, .cdb_len = 6, .dir = DIR_IN,
			.gpa = MEM_GPA, .bytes = 64,
		};
		struct vstor_reply r;

		if (i) {
			cmd.cdb[4] = 0;
			cmd.cdb[8] = 64;
			cmd.cdb_len = 10;
		}
		r = scsi_do(self->c, &cmd);
		EXPECT_EQ(SRB_SUCCESS, r.msg.srb_status);
		EXPECT_LT(0, r.msg.data_length);
	}
	EXPECT_SRB(scsi_do(self->c, &read), SRB_ERROR, RESERVATION_CONFLICT, 0);
	EXPECT_GOOD(pr_out(&other.chan[0], other.mem, CLEAR, KEY, 0, 0), 24);
	other_stop(_metadata, &other);
}

/*
 * A logical unit goes, and waits for a command. Meanwhile its registrations may be freed: another
 * guest's of the same backstore are not looked at.
 */
TEST_F(life, registers_while_another_one_goes)
{
	struct scsi_vmm other;
	struct scsi_chan *o;
	char *mem;
	pid_t pid;
	int status;

	settle(self->c);
	allow_reservations(_metadata);
	other = other_start(_metadata, "iblock", "b");
	o = &other.chan[0];
	mem = other.mem;
	OPEN_CHANNEL(&other, 0);
	ASSERT_EQ(0, scsi_init(o, 0x0602));
	settle(o);
	EXPECT_GOOD(pr_out(o, mem, REGISTER, 0, KEY, 0), 24);
	BEGIN_HUNG(self->c, 7);
	pid = fork();
	if (!pid)
		_exit(!!target_remove_lun(HUNG_LUN));
	/* As soon as it is going */
	EXPECT_TRUE(WAIT_FOR(pr_out(o, mem, IGNORE_KEY, 0, KEY, 0).msg.scsi_status == BUSY));
	EXPECT_SRB(pr_out(o, mem, REGISTER, KEY, KEY + 1, 0), SRB_BUSY, BUSY, 0);
	EXPECT_SRB(pr_in(o, READ_FULL_STATUS), SRB_BUSY, BUSY, 0);
	EXPECT_GOOD(pr_in(o, READ_KEYS), 16);
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	EXPECT_EQ(0, dm_suspend(DM, false));
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(SRB_SUCCESS, pr_in(o, READ_FULL_STATUS).msg.srb_status);
	EXPECT_GOOD(pr_out(o, mem, REGISTER, KEY, 0, 0), 24);
	other_stop(_metadata, &other);
	ASSERT_EQ(0, target_add_lun(HUNG_LUN, "iblock", "b"));
}

/*
 * A guest that is registered, and sends nothing, is told of each release, by an entry that stays:
 * there is a limit.
 */
TEST_F(life, releases_that_nobody_hears_of)
{
	struct scsi_chan *c = self->c;
	char *mem = self->vmm.mem;
	struct vstor_reply r = {};
	struct scsi_vmm other;
	unsigned int i;

	begin_registered(_metadata, c, mem);
	other = other_start(_metadata, "fileio", "a");
	OPEN_CHANNEL(&other, 0);
	ASSERT_EQ(0, scsi_init(&other.chan[0], 0x0602));
	settle(&other.chan[0]);
	EXPECT_GOOD(pr_out(&other.chan[0], other.mem, REGISTER, 0, KEY + 1, 0), 24);
	/* What it has to hear of first */
	ASSERT_EQ(0, target_add_lun_of(OTHER_TAG, 1, "iblock", "b"));
	for (i = 0; i < MAX_UNHEARD + 2 && !r.msg.scsi_status; i++) {
		r = pr_out(c, mem, RESERVE, KEY, 0, 0);
		if (!r.msg.scsi_status)
			r = pr_out(c, mem, RELEASE, KEY, 0, 0);
	}
	EXPECT_GE(MAX_UNHEARD, i);
	EXPECT_EQ(TASK_SET_FULL, r.msg.scsi_status);
	/* It hears of them, and all goes on. */
	settle(&other.chan[0]);
	while (scsi_do(&other.chan[0], &(struct scsi_cmd){ .cdb_len = 6, .dir = DIR_NONE })
	       .msg.scsi_status == CHECK_CONDITION && i--)
		;
	EXPECT_GOOD(pr_out(c, mem, RESERVE, KEY, 0, 0), 24);
	other_stop(_metadata, &other);
}

/* ---- What else the target core has for guests ---- */

/* It lets go of the backstore's semaphore for a command that has not taken it, and warns. */
TEST_F(life, compare_and_write_with_unit_attention)
{
	struct scsi_cmd cmd = {
		.cdb = { 0x89, [9] = 3, [13] = 1 }, .cdb_len = 16, .dir = DIR_OUT,
		.gpa = MEM_GPA, .bytes = 2 * BLOCK,
	};
	struct scsi_cmd read = cmd_rw(false, 3, 1, MEM_GPA);

	settle(self->c);
	EXPECT_GOOD(scsi_do(self->c, &read), BLOCK);
	memcpy(self->vmm.mem + BLOCK, self->vmm.mem, BLOCK);
	self->vmm.mem[2 * BLOCK - 1] = 0x5a;
	EXPECT_EQ(0, scsi_op(self->c, OP_RESET_LUN).msg.status);
	EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_ERROR, 6, 0x29, 3);
	/* And then it does what it is to do, once. */
	EXPECT_GOOD(scsi_do(self->c, &cmd), cmd.bytes);
	EXPECT_SRB(scsi_do(self->c, &cmd), SRB_ERROR | AUTOSENSE, CHECK_CONDITION, 0);
	EXPECT_GOOD(scsi_do(self->c, &read), BLOCK);
	EXPECT_EQ(0x5a, self->vmm.mem[BLOCK - 1]);
}

/* It forgets that a command that a reset has ended was under way: an ordered one waits for it. */
TEST_F(life, ordered_after_reset)
{
	struct vstor_msg reset = { .op = OP_RESET_LUN, .flags = 1, .lun = HUNG_LUN };
	struct scsi_cmd tur = cmd_plain(0);
	unsigned int i;

	BEGIN_HUNG(self->c, 3);
	scsi_put(self->c, 6, 1, ++self->c->next_id, NULL, 0, &reset, sizeof(reset));
	scsi_kick(self->c);
	EXPECT_TRUE(WAIT_FOR(is_taken(self->c)));
	usleep(100000);
	EXPECT_EQ(0, dm_suspend(DM, false));
	EXPECT_NE(~0ull, scsi_next(self->c).id);
	EXPECT_NE(~0ull, scsi_next(self->c).id);
	settle(self->c);
	tur.lun = HUNG_LUN;
	tur.ordered = true;
	for (i = 0; i < 2; i++)
		EXPECT_GOOD(scsi_do(self->c, &tur), 0);
}

/* One guest would say which ports of a backstore the others can use. */
TEST_F(life, set_target_port_groups)
{
	struct scsi_cmd cmd = {
		.cdb = { 0xa4, 0x0a, [9] = 8 }, .cdb_len = 12, .dir = DIR_OUT, .gpa = MEM_GPA,
		.bytes = 8,
	};

	settle(self->c);
	memset(self->vmm.mem, 0, 8);
	EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_ERROR, 5, 0x20, 0);
}

TEST_HARNESS_MAIN
