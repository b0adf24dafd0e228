// SPDX-License-Identifier: GPL-2.0
/*
 * Packets, one by one: what a backend receives, how it polls, and what is refused to one that
 * sends what is none.
 */
#include "fixture.h"

FIXTURE(packet) {
	struct vmm vmm;
	__u32 index;	/* where the guest writes next */
};

FIXTURE_SETUP(packet)
{
	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
	vmm_open_channel(_metadata, &self->vmm);
	self->index = 0;
}

FIXTURE_TEARDOWN(packet)
{
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

/* ---- The guest ---- */

#define DESC	16u
#define TRAILER	8u

struct control {
	__u32 write_index;
	__u32 read_index;
	__u32 interrupt_mask;
};

static struct control *incoming(struct vmm *vmm)
{
	return vmm->ring;
}

/* A packet with @len bytes of payload, each of which is @byte; none of them goes round the end */
static void guest_sends(struct vmm *vmm, __u32 *index, __u32 len, int byte)
{
	char *data = (char *)vmm->ring + HV_PAGE;
	__u16 *desc = (void *)(data + *index);

	desc[0] = 6;	/* VM_PKT_DATA_INBAND */
	desc[1] = DESC / 8;
	desc[2] = (DESC + len) / 8;
	memset(data + *index + DESC, byte, len);
	*index += DESC + len + TRAILER;
	__atomic_store_n(&incoming(vmm)->write_index, *index, __ATOMIC_RELEASE);
}

static bool all_are(const char *buf, size_t len, int byte)
{
	while (len && buf[len - 1] == byte)
		len--;
	return !len;
}

/* ---- Receiving ---- */

/* Copied by words, or by the kernel; the first of a batch is looked for, others are known of. */
TEST_F(packet, of_any_length)
{
	static const __u32 lens[] = { 256, 264, 512, 8, 0, 264 };
	char buf[512];
	unsigned int i;

	for (i = 0; i < 6; i++)
		guest_sends(&self->vmm, &self->index, lens[i], i + 1);
	for (i = 0; i < 6; i++) {
		EXPECT_EQ((int)lens[i], backend_recv(self->vmm.backend, buf, sizeof(buf)));
		EXPECT_TRUE(all_are(buf, lens[i], i + 1));
	}
	EXPECT_EQ(-EAGAIN, backend_recv(self->vmm.backend, buf, sizeof(buf)));
	EXPECT_EQ(self->index, incoming(&self->vmm)->read_index);
}

/* Also when it is known of already, it stays until there is room for it. */
TEST_F(packet, larger_than_the_buffer)
{
	char buf[512];
	int i;

	guest_sends(&self->vmm, &self->index, 8, 1);
	guest_sends(&self->vmm, &self->index, 64, 2);
	EXPECT_EQ(8, backend_recv(self->vmm.backend, buf, sizeof(buf)));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(-EMSGSIZE, backend_recv(self->vmm.backend, buf, 56));
	EXPECT_EQ(64, backend_recv(self->vmm.backend, buf, 64));
	EXPECT_TRUE(all_are(buf, 64, 2));
}

TEST_F(packet, polled)
{
	struct control *in = incoming(&self->vmm);
	char buf[64];

	EXPECT_EQ(0, in->interrupt_mask);
	EXPECT_EQ(0, backend_disable_kick(self->vmm.backend));
	EXPECT_EQ(1, in->interrupt_mask);
	/* Not even when it is found empty */
	EXPECT_EQ(-EAGAIN, backend_recv(self->vmm.backend, buf, sizeof(buf)));
	EXPECT_EQ(1, in->interrupt_mask);
	guest_sends(&self->vmm, &self->index, 8, 1);
	EXPECT_EQ(1, backend_enable_kick(self->vmm.backend));
	EXPECT_EQ(8, backend_recv(self->vmm.backend, buf, sizeof(buf)));
	EXPECT_EQ(0, backend_disable_kick(self->vmm.backend));
	EXPECT_EQ(0, backend_enable_kick(self->vmm.backend));
	EXPECT_EQ(0, in->interrupt_mask);
	/* A ring that is of no use any more: there is something to look at. */
	EXPECT_EQ(0, backend_disable_kick(self->vmm.backend));
	in->write_index = 1;
	EXPECT_EQ(1, backend_enable_kick(self->vmm.backend));
	EXPECT_EQ(-EIO, backend_recv(self->vmm.backend, buf, sizeof(buf)));
}

/* ---- Sending ---- */

TEST_F(packet, that_is_none)
{
	static const struct {
		__u64 mistake;
		int error;
	} wrong[] = {
		{ VMBUS_GPADL_TEST_WRONG_PIECES, -EINVAL },
		{ VMBUS_GPADL_TEST_WRONG_FLAG, -EINVAL },
		{ VMBUS_GPADL_TEST_WRONG_OFFSET, -EINVAL },
		{ VMBUS_GPADL_TEST_WRONG_LENGTH, -EMSGSIZE },
		{ VMBUS_GPADL_TEST_WRONG_NO_ROOM, -EINVAL },
		{ VMBUS_GPADL_TEST_WRONG_SHORT_ROOM, -EINVAL },
		{ VMBUS_GPADL_TEST_WRONG_ODD_ROOM, -EINVAL },
	};
	__u64 word = 1;
	unsigned int i;

	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		EXPECT_EQ(wrong[i].error,
			  backend_send_wrong(self->vmm.backend, wrong[i].mistake));
	/* The ring has none of it. */
	EXPECT_EQ(0, *(__u32 *)((char *)self->vmm.ring + RING_SPLIT * HV_PAGE));
	EXPECT_EQ(0, backend_send(self->vmm.backend, &word, sizeof(word)));
}

FIXTURE(place) {
	struct vmm vmm;
};

FIXTURE_VARIANT(place) {
	__u64 mistake;
	int error;
};

FIXTURE_VARIANT_ADD(place, too_long) {
	.mistake = VMBUS_GPADL_TEST_WRONG_PLACE,
	.error = -EINVAL,
};

FIXTURE_VARIANT_ADD(place, too_long_in_pieces) {
	.mistake = VMBUS_GPADL_TEST_WRONG_PLACEV,
	.error = -EINVAL,
};

FIXTURE_VARIANT_ADD(place, pieces) {
	.mistake = VMBUS_GPADL_TEST_WRONG_PLACED_PIECES,
	.error = -EINVAL,
};

FIXTURE_VARIANT_ADD(place, nothing) {
	.mistake = VMBUS_GPADL_TEST_WRONG_NOTHING_PLACED,
	.error = -EIO,
};

FIXTURE_SETUP(place)
{
	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
	vmm_open_channel(_metadata, &self->vmm);
}

FIXTURE_TEARDOWN(place)
{
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

/* A place that is taken and not filled ends the ring: the guest would take it for a packet. */
TEST_F(place, is_not_filled)
{
	__u64 word = 1;

	EXPECT_EQ(variant->error, backend_send_wrong(self->vmm.backend, variant->mistake));
	EXPECT_EQ(-EIO, backend_send(self->vmm.backend, &word, sizeof(word)));
	EXPECT_EQ(0, *(__u32 *)((char *)self->vmm.ring + RING_SPLIT * HV_PAGE));
}

TEST_HARNESS_MAIN
