// SPDX-License-Identifier: GPL-2.0
/*
 * The SCSI backend, vmbus_scsi.ko: its configuration, the protocol, and commands.
 */
#include "fail.h"
#include "scsi_fixture.h"

/* ---- What CHANNEL_CREATE says ---- */

FIXTURE(config) {
	struct scsi_vmm vmm;
};

FIXTURE_SETUP(config)
{
	scsi_vmm_start(_metadata, &self->vmm);
	ASSERT_EQ(0, target_create(TARGET_WWPN, TARGET_TAG));
}

FIXTURE_TEARDOWN(config)
{
	scsi_vmm_stop(&self->vmm);
	EXPECT_TRUE(WAIT_FOR(target_remove(TARGET_WWPN, TARGET_TAG) == 0));
	expect_nothing_pinned(_metadata);
}

TEST_F(config, portal_group)
{
	struct scsi_vmm *v = &self->vmm;

	EXPECT_EQ(-ENOTCONN, scsi_create(v, 0));
	ASSERT_EQ(0, target_nexus(TARGET_WWPN, TARGET_TAG, TARGET_NEXUS));
	v->config.tpgt = TARGET_TAG + 1;
	EXPECT_EQ(-ENOENT, scsi_create(v, 0));
	v->config.tpgt = TARGET_TAG;
	memcpy(v->config.wwpn, TARGET_NEXUS, sizeof(TARGET_NEXUS));
	EXPECT_EQ(-ENOENT, scsi_create(v, 0));
	memcpy(v->config.wwpn, TARGET_WWPN, sizeof(TARGET_WWPN));
	EXPECT_EQ(0, scsi_create(v, 0));
	v->chan[0].relid++;
	EXPECT_EQ(-EBUSY, scsi_create(v, 0));
	v->chan[0].relid--;
	EXPECT_EQ(0, vmm_destroy(v->fd, v->chan[0].relid));
	EXPECT_EQ(0, scsi_create(v, 0));
}

/* No memory is not EACCES, which is what the target core makes of it. */
TEST_F(config, no_memory)
{
	struct scsi_vmm *v = &self->vmm;
	int ret;

	ASSERT_EQ(0, target_nexus(TARGET_WWPN, TARGET_TAG, TARGET_NEXUS));
	ret = fail("core_tpg_check_initiator_node_acl 0 1");
	if (ret == -EOPNOTSUPP)
		SKIP(return, "the kernel has no kprobes");
	ASSERT_EQ(0, ret);
	EXPECT_EQ(-ENOMEM, scsi_create(v, 0));
	EXPECT_EQ(0, fail_left());
	fail(" ");
	EXPECT_EQ(0, scsi_create(v, 0));
}

TEST_F(config, values)
{
	struct scsi_vmm *v = &self->vmm;
	const struct vmbus_host_scsi_config good = v->config;

	ASSERT_EQ(0, target_nexus(TARGET_WWPN, TARGET_TAG, TARGET_NEXUS));
#define EXPECT_REFUSED(_errno, _field, _value) do {			\
	v->config = good;						\
	v->config._field = (_value);					\
	EXPECT_EQ(-(_errno), scsi_create(v, 0));			\
} while (0)
	EXPECT_REFUSED(EINVAL, size, sizeof(good) - 4);
	EXPECT_REFUSED(EOPNOTSUPP, flags, 1);
	EXPECT_REFUSED(EINVAL, wwpn[0], 0);
	EXPECT_REFUSED(EINVAL, subchannels, VMBUS_HOST_SCSI_SUBCHANNELS_MAX + 1);
	EXPECT_REFUSED(EINVAL, max_transfer_bytes, VMBUS_HOST_SCSI_TRANSFER_MIN - 4096);
	EXPECT_REFUSED(EINVAL, max_transfer_bytes, VMBUS_HOST_SCSI_TRANSFER_MAX + 4096);
	EXPECT_REFUSED(EINVAL, max_transfer_bytes, VMBUS_HOST_SCSI_TRANSFER_MIN + 512);
	v->config = good;
	memset(v->config.wwpn, 'n', sizeof(v->config.wwpn));
	EXPECT_EQ(-EINVAL, scsi_create(v, 0));
	v->config = good;
	v->config.max_transfer_bytes = VMBUS_HOST_SCSI_TRANSFER_MAX;
	EXPECT_EQ(0, scsi_create(v, 0));
}

/* Names that no transport id can be made of, and what is in use */
TEST_F(config, names)
{
	EXPECT_NE(0, target_create("naa.500140500000000", 1));
	EXPECT_NE(0, target_create("naa.50014050000000010", 1));
	EXPECT_NE(0, target_create("iqn.2003-01.org.example:disk", 1));
	EXPECT_EQ(-EINVAL, target_nexus(TARGET_WWPN, TARGET_TAG, "naa.5001405"));
	EXPECT_EQ(-ENODEV, target_nexus(TARGET_WWPN, TARGET_TAG, "NULL"));
	EXPECT_EQ(0, target_nexus(TARGET_WWPN, TARGET_TAG, TARGET_NEXUS "\n"));
	EXPECT_EQ(-EEXIST, target_nexus(TARGET_WWPN, TARGET_TAG, TARGET_NEXUS));
	ASSERT_EQ(0, scsi_create(&self->vmm, 0));
	EXPECT_EQ(-EBUSY, target_nexus(TARGET_WWPN, TARGET_TAG, "NULL"));
	EXPECT_EQ(-EBUSY, target_remove(TARGET_WWPN, TARGET_TAG));
	EXPECT_EQ(0, vmm_destroy(self->vmm.fd, self->vmm.chan[0].relid));
	EXPECT_EQ(0, target_nexus(TARGET_WWPN, TARGET_TAG, "NULL"));
}

/* ---- The protocol ---- */

FIXTURE(scsi) {
	struct scsi_vmm vmm;
	struct scsi_chan *c;	/* the primary channel */
};

FIXTURE_SETUP(scsi)
{
	struct scsi_vmm *v = &self->vmm;

	disk_make(_metadata, DISK_FILE);
	ASSERT_EQ(0, target_fileio("a", DISK_FILE, DISK_BYTES));
	ASSERT_EQ(0, target_create(TARGET_WWPN, TARGET_TAG));
	ASSERT_EQ(0, target_nexus(TARGET_WWPN, TARGET_TAG, TARGET_NEXUS));
	ASSERT_EQ(0, target_add_lun(0, "fileio", "a"));
	scsi_vmm_start(_metadata, v);
	ASSERT_EQ(0, scsi_create(v, 0));
	OPEN_CHANNEL(v, 0);
	self->c = &v->chan[0];
}

FIXTURE_TEARDOWN(scsi)
{
	scsi_vmm_stop(&self->vmm);
	EXPECT_TRUE(WAIT_FOR(target_remove(TARGET_WWPN, TARGET_TAG) == 0));
	EXPECT_EQ(0, target_remove_backstore("fileio", "a"));
	expect_nothing_pinned(_metadata);
}

TEST_F(scsi, versions)
{
	static const __u16 served[] = { 0x0602, 0x0600, 0x0501, 0x0402, 0x0200 };
	static const __u16 unknown[] = { 0x0603, 0x0500, 0x0100, 0, 0xffff };
	struct vstor_msg msg = { .op = OP_VERSION };
	struct vstor_reply r;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(served); i++) {
		EXPECT_EQ(0, scsi_op(self->c, OP_BEGIN).msg.status);
		msg.version = unknown[i];
		r = scsi_ask(self->c, &msg, sizeof(msg));
		EXPECT_EQ(STATUS_REVISION_MISMATCH, r.msg.status);
		EXPECT_EQ(unknown[i], r.msg.version);
		msg.version = served[i];
		r = scsi_ask(self->c, &msg, sizeof(msg));
		EXPECT_EQ(0, r.msg.status);
		r = scsi_op(self->c, OP_PROPERTIES);
		EXPECT_EQ(0, r.msg.status);
		EXPECT_EQ(served[i] >= 0x0501 ? MAX_CHANNELS - 1 : 0, r.msg.max_channels);
		EXPECT_EQ(served[i] >= 0x0501, r.msg.p_flags);
		EXPECT_EQ(1u << 20, r.msg.max_transfer);
		EXPECT_EQ(0, scsi_op(self->c, OP_END).msg.status);
		/* A close begins anew. */
		EXPECT_EQ(0, guest_close(self->vmm.fd, self->c->relid));
		EXPECT_TEARDOWN(self->vmm.fd, self->c->relid, self->c->handle);
		OPEN_CHANNEL(&self->vmm, 0);
	}
}

TEST_F(scsi, order)
{
	static const __u32 ops[] = { OP_BEGIN, OP_VERSION, OP_PROPERTIES, OP_END };
	struct vstor_msg msg = { .version = 0x0602 };
	struct scsi_cmd tur = cmd_plain(0);
	unsigned int i, j;

	/* In each state, all that do not belong there; then the one that does */
	for (i = 0; i <= ARRAY_SIZE(ops); i++) {
		for (j = 0; j < ARRAY_SIZE(ops); j++) {
			if (j == i)
				continue;
			EXPECT_EQ(STATUS_INVALID_DEVICE_STATE,
				  scsi_op(self->c, ops[j]).msg.status);
		}
		if (i == ARRAY_SIZE(ops))
			break;
		EXPECT_EQ(STATUS_INVALID_DEVICE_STATE,
			  scsi_do(self->c, &tur).msg.status);
		EXPECT_EQ(STATUS_INVALID_DEVICE_STATE,
			  scsi_op(self->c, OP_RESET_BUS).msg.status);
		if (ops[i] != OP_END)
			EXPECT_EQ(STATUS_INVALID_DEVICE_STATE,
				  scsi_op(self->c, OP_SUBCHANNELS).msg.status);
		msg.op = ops[i];
		EXPECT_EQ(0, scsi_ask(self->c, &msg, sizeof(msg)).msg.status);
	}
	EXPECT_GOOD(scsi_do(self->c, &tur), 0);
}

/* Every packet that asks for an answer gets one, as long as it was itself. */
TEST_F(scsi, nonsense)
{
	static const __u32 ops[] = { 0, 1, 2, 11, 12, 14, 15, ~0u };
	struct vstor_msg msg = { .op = OP_EXECUTE_SRB };
	struct vstor_reply r;
	unsigned int i;

	ASSERT_EQ(0, scsi_init(self->c, 0x0602));
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		r = scsi_op(self->c, ops[i]);
		EXPECT_EQ(STATUS_INVALID_DEVICE_REQUEST, r.msg.status);
		EXPECT_EQ(64, r.len);
		EXPECT_EQ(self->c->next_id, r.id);
	}
	for (i = 0; i < 48; i += 8) {
		r = scsi_ask(self->c, &msg, i);
		EXPECT_EQ(STATUS_INVALID_PARAMETER, r.msg.status);
		EXPECT_EQ(48, r.len);
	}
	for (i = 48; i <= 80; i += 8) {
		char longer[80] = {};

		memcpy(longer, &msg, 12);
		scsi_put(self->c, 6, 1, 7, NULL, 0, longer, i);
		scsi_kick(self->c);
		r = scsi_next(self->c);
		EXPECT_EQ(7, r.id);
		EXPECT_EQ(i < 64 ? i : 64, r.len);
		/* A command of no bytes */
		EXPECT_EQ(SRB_INVALID_REQUEST | AUTOSENSE, r.msg.srb_status);
	}
	/* What asks for none gets none. */
	scsi_put(self->c, 6, 0, 8, NULL, 0, &msg, sizeof(msg));
	scsi_put(self->c, 11, 1, 9, NULL, 0, &msg, sizeof(msg));
	EXPECT_EQ(STATUS_INVALID_DEVICE_STATE, scsi_op(self->c, OP_BEGIN).msg.status);
	EXPECT_TRUE(scsi_is_quiet(self->c));
}

TEST_F(scsi, no_data)
{
	struct scsi_cmd cmd = cmd_plain(0);

	ASSERT_EQ(0, scsi_init(self->c, 0x0602));
	EXPECT_GOOD(scsi_do(self->c, &cmd), 0);
	/* SYNCHRONIZE CACHE(10), of everything and of a part */
	cmd = (struct scsi_cmd){ .cdb = { 0x35 }, .cdb_len = 10, .dir = DIR_NONE };
	EXPECT_GOOD(scsi_do(self->c, &cmd), 0);
	cmd.cdb[8] = 8;
	EXPECT_GOOD(scsi_do(self->c, &cmd), 0);
	/* Nobody knows it. */
	cmd.cdb[0] = 0xe0;
	EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_ERROR, 5, 0x20, 0);
	/* A length of the command that cannot be */
	cmd.cdb[0] = 0;
	cmd.cdb_len = 0;
	EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_INVALID_REQUEST, 5, 0x24, 0);
	cmd.cdb_len = 17;
	EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_INVALID_REQUEST, 5, 0x24, 0);
	/* One of variable length does not fit. */
	cmd.cdb_len = 16;
	cmd.cdb[0] = 0x7f;
	cmd.cdb[7] = 0x18;
	EXPECT_SENSE(scsi_do(self->c, &cmd), SRB_INVALID_REQUEST, 5, 0x24, 0);
}

TEST_F(scsi, absent)
{
	struct scsi_cmd tur = cmd_plain(0);

	ASSERT_EQ(0, scsi_init(self->c, 0x0602));
	tur.lun = 1;
	EXPECT_SRB(scsi_do(self->c, &tur), SRB_INVALID_LUN, CHECK_CONDITION, 0);
	tur.lun = 255;
	EXPECT_SRB(scsi_do(self->c, &tur), SRB_INVALID_LUN, CHECK_CONDITION, 0);
	tur.lun = 0;
	tur.target = 1;
	EXPECT_SRB(scsi_do(self->c, &tur), SRB_INVALID_LUN, CHECK_CONDITION, 0);
	tur.target = 0;
	tur.path = 255;
	EXPECT_SRB(scsi_do(self->c, &tur), SRB_INVALID_LUN, CHECK_CONDITION, 0);
	tur.path = 0;
	EXPECT_GOOD(scsi_do(self->c, &tur), 0);
}

TEST_HARNESS_MAIN
