// SPDX-License-Identifier: GPL-2.0
/*
 * The smallest backend: what the guest sends comes back. Documentation/first-backend.rst goes
 * through it line by line; vmbus_crc.c is the one to copy from.
 */
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/vmbus_backend.h>

#define ECHO_MAX_BYTES	256u

/* Returns false if there is no packet, or no room for its answer: kick() comes again. */
static bool echo_one(struct vmbus_endpoint *ep)
{
	struct vmbus_packet ask, answer = { .type = VMBUS_PACKET_COMPLETION };
	u8 bytes[ECHO_MAX_BYTES];
	struct kvec seg[2];

	if (vmbus_endpoint_peek(ep, &ask, seg))
		return false;
	if (ask.type == VMBUS_PACKET_COMPLETION)
		goto next;	/* an answer has no answer */
	answer.trans_id = ask.trans_id;
	answer.len = min(ask.len, ECHO_MAX_BYTES);
	if (vmbus_endpoint_copy(ep, seg, ask.offset, bytes, answer.len))
		return false;
	if (vmbus_endpoint_send(ep, &answer, bytes))
		return false;	/* the packet is the next one still */
next:
	vmbus_endpoint_consume(ep);
	return true;
}

static void echo_kick(struct vmbus_endpoint *ep)
{
	unsigned int n;

	for (n = 0; n < 64; n++) {
		if (!echo_one(ep))
			break;
	}
	/* The guest gets its room back. */
	vmbus_endpoint_commit(ep);
	if (n == 64)
		vmbus_endpoint_kick(ep);	/* the rest later: close() may be waiting */
}

static int echo_open(struct vmbus_endpoint *ep)
{
	return 0;
}

static void echo_close(struct vmbus_endpoint *ep)
{
}

static struct vmbus_backend echo_backend = {
	.owner = THIS_MODULE,
	.name = KBUILD_MODNAME,
	.if_type = GUID_INIT(0x5f0c7a52, 0x8d1e, 0x4b39,
			     0xa6, 0x7e, 0x14, 0xc9, 0x3b, 0x20, 0x6d, 0xf8),
	.open = echo_open,
	.close = echo_close,
	.kick = echo_kick,
};
module_vmbus_backend(echo_backend);

MODULE_DESCRIPTION("What a guest sends comes back: the smallest VMBus backend");
MODULE_AUTHOR("The vmbus_gpadl_map developers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(VMBUS_HOST_NS);
MODULE_IMPORT_NS(VMBUS_GPADL_NS);
MODULE_ALIAS_VMBUS_BACKEND("5f0c7a52-8d1e-4b39-a67e-14c93b206df8");
