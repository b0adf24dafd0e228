// SPDX-License-Identifier: GPL-2.0
/*
 * In a guest: post VMBus messages that no kernel posts, past the guest's own driver. The VMM has
 * to live; the guest's VMBus need not.
 *
 *	insmod hostile.ko what=WHAT [relid=N,M]
 *
 * WHAT is one of the table at the end. Loading it does that, says so, and fails: there is nothing
 * to stay for. Handles and channels are such as the guest's own driver does not use.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <asm/mshyperv.h>

#define CONNECTION	1
#define MESSAGE_VMBUS	1
#define PAYLOAD_BYTES	240
#define FIRST_CHANNEL	16		/* QEMU's connections of channels, less their numbers */
#define NO_CHANNEL	2000		/* the VMM's own to look at */
#define HANDLE		0x7000000
#define MANY		1024		/* patches/fixes/0014 */
#define NO_PROCESSOR	0xffffffff
#define NO_PAGE		0xffffffff
#define VERSION_1_1	0x10001
#define VERSION_4_0	0x40000
#define GPA_DIRECT	9		/* type of a packet */
#define NOWHERE		0xd0000000	/* below 4 GiB, where neither memory is nor a device */

enum {
	REQUESTOFFERS = 3,
	OPENCHANNEL = 5,
	GPADL_HEADER = 8,
	GPADL_BODY = 9,
	INITIATE_CONTACT = 14,
	UNLOAD = 16,
};

struct hostile_input {
	u32 connection;
	u32 reserved;
	u32 type;
	u32 bytes;
	u32 payload[PAYLOAD_BYTES / sizeof(u32)];
};

static char *what = "gpadl";
module_param(what, charp, 0);

static unsigned int relid[2];
module_param_array(relid, uint, NULL, 0);

static struct hostile_input *input;	/* in one page, as hypercalls want it */

static u64 status;		/* of all hypercalls: 0, or what went wrong */

static void begin(u32 type)
{
	memset(input->payload, 0, sizeof(input->payload));
	input->payload[0] = type;
}

static void post(u32 bytes)
{
	input->connection = CONNECTION;
	input->type = MESSAGE_VMBUS;
	WRITE_ONCE(input->bytes, bytes);
	status |= hv_do_hypercall(HVCALL_POST_MESSAGE, input, NULL) & HV_HYPERCALL_RESULT_MASK;
}

/*
 * One range of @pages, as far as they fit into @bytes: the first one and each fourth after it are
 * the page at @pfn, the others that at @other
 */
static void post_pages(u32 channel, u32 handle, u32 pages, u64 pfn, u64 other, u32 bytes)
{
	u32 i;

	begin(GPADL_HEADER);
	input->payload[2] = channel;
	input->payload[3] = handle;
	input->payload[4] = 1 << 16 | (8 + pages * 8);
	input->payload[5] = pages * PAGE_SIZE;
	for (i = 0; i < pages && 28 + 8 * (i + 1) <= bytes; i++)
		memcpy(&input->payload[7 + 2 * i], i % 4 ? &other : &pfn, sizeof(pfn));
	post(bytes);
}

/* One range of @pages, all of them the page at @pfn */
static void post_header(u32 channel, u32 handle, u32 pages, u64 pfn, u32 bytes)
{
	post_pages(channel, handle, pages, pfn, pfn, bytes);
}

/* A range that is as long as it says, in a buffer that is shorter than its own header */
static void post_short_gpadls(void)
{
	u32 i;

	for (i = 0; i < 4; i++) {
		begin(GPADL_HEADER);
		input->payload[2] = NO_CHANNEL;
		input->payload[3] = HANDLE + i;
		input->payload[4] = 1 << 16;		/* no bytes of ranges, and one range */
		input->payload[5] = 0xfffff000;		/* its length in bytes */
		post(36);
	}
}

/* A GPADL that is complete, and bodies for it */
static void post_bodies(void)
{
	u32 i;

	post_header(NO_CHANNEL, HANDLE + 0x10, 1, page_to_pfn(virt_to_page(input)), 36);
	for (i = 0; i < 2; i++) {
		begin(GPADL_BODY);
		input->payload[2] = i + 1;
		input->payload[3] = HANDLE + 0x10;
		post(32);
	}
}

/* One change in a round: as long in one state as in the other, wherever it is interrupted */
static int change_length(void *unused)
{
	u32 bytes = PAYLOAD_BYTES;

	while (!kthread_should_stop()) {
		bytes ^= PAYLOAD_BYTES ^ 2000;
		WRITE_ONCE(input->bytes, bytes);
		cond_resched();
	}
	return 0;
}

/*
 * GPADLs of more pages than a message has, the length of which another processor changes to that of
 * all pages: if the VMM looks at it twice, it finds them all behind the message
 */
static void post_lengths(void)
{
	struct task_struct *other = kthread_create(change_length, NULL, "change-length");
	u32 i;

	if (IS_ERR(other)) {
		status = -1;
		return;
	}
	migrate_disable();
	kthread_bind(other, cpumask_any_but(cpu_online_mask, smp_processor_id()));
	wake_up_process(other);
	for (i = 0; i < 32; i++)
		post_header(NO_CHANNEL, HANDLE + 0x100 + i, 200, 1, PAYLOAD_BYTES);
	migrate_enable();
	kthread_stop(other);
	status = 0;		/* some are refused: the length was too long at the first look */
}

/*
 * As many GPADLs as the VMM has room for, of each of which only the first page of two is told, then
 * one that is whole. A queue that is full is none of the failures that are looked for.
 */
static void post_many(void)
{
	u32 i;

	for (i = 0; i <= MANY; i++) {
		do {
			cond_resched();
			status = 0;
			post_header(NO_CHANNEL, HANDLE + 0x1000 + i, i < MANY ? 2 : 1,
				    page_to_pfn(virt_to_page(input)), 36);
		} while (status == HV_STATUS_INSUFFICIENT_BUFFERS);
		if (status)
			return;
	}
}

static atomic_t taken;

/* As often as it takes for the other processor to be at it, too */
static void post_from_there(void *unused)
{
	u32 i;

	for (i = 0; i < 8; i++)
		if (hv_result_success(hv_do_hypercall(HVCALL_POST_MESSAGE, __va(NOWHERE), NULL)))
			atomic_inc(&taken);
}

/* Each processor posts what is in no memory */
static void post_nowhere(void)
{
	on_each_cpu(post_from_there, NULL, true);
	status = atomic_read(&taken);
}

/* @page: of the GPADL, from which on it is the other ring */
static void open_channel(u32 channel, u32 id, u32 gpadl, u32 processor, u32 page)
{
	begin(OPENCHANNEL);
	input->payload[2] = channel;
	input->payload[3] = id;
	input->payload[4] = gpadl;
	input->payload[5] = processor;
	input->payload[6] = page;
	post(PAYLOAD_BYTES);
}

/*
 * The first channel, whose backend is the kernel's, is opened without a processor to interrupt;
 * then the second, which is the VMM's own, and whose rings are there
 */
static void post_opens(void)
{
	/* Stays: the VMM looks at it when it comes to that */
	void *ring = (void *)get_zeroed_page(GFP_KERNEL);
	u32 i;

	if (!ring) {
		status = -1;
		return;
	}
	post_header(relid[1], HANDLE + 0x20, 8, page_to_pfn(virt_to_page(ring)), PAYLOAD_BYTES);
	for (i = 0; i < 2; i++)
		open_channel(relid[i], i, HANDLE + 0x20, NO_PROCESSOR, 4);
}

/* The second channel, which is the VMM's own: its other ring begins at the last page of all */
static void post_offset(void)
{
	void *ring = (void *)get_zeroed_page(GFP_KERNEL);	/* stays, as above */

	if (!ring) {
		status = -1;
		return;
	}
	post_header(relid[1], HANDLE + 0x40, 8, page_to_pfn(virt_to_page(ring)), PAYLOAD_BYTES);
	open_channel(relid[1], 0, HANDLE + 0x40, 0, NO_PAGE);
}

/*
 * The same channel: when it is opened, a packet waits in its ring, and says that it has more ranges
 * than any packet
 */
static void post_waiting(void)
{
	u32 *ring = (void *)get_zeroed_page(GFP_KERNEL);	/* stay, as above */
	u32 *packet = (void *)get_zeroed_page(GFP_KERNEL);

	if (!ring || !packet) {
		status = -1;
		return;
	}
	packet[0] = 3 << 16 | GPA_DIRECT;	/* 3 times 8 bytes of description */
	packet[1] = 3;				/* and no more */
	packet[5] = 0x80000001;			/* ranges */
	ring[0] = 256;				/* where the next packet goes */
	post_pages(relid[1], HANDLE + 0x50, 8, page_to_pfn(virt_to_page(ring)),
		   page_to_pfn(virt_to_page(packet)), PAYLOAD_BYTES);
	open_channel(relid[1], 0, HANDLE + 0x50, 0, 4);
}

/*
 * The second channel, which is the VMM's own: there is a packet, says the ring, the pages of which
 * are in no memory
 */
static void post_rings(void)
{
	u32 *ring = (void *)get_zeroed_page(GFP_KERNEL);	/* stays, as above */

	if (!ring) {
		status = -1;
		return;
	}
	post_pages(relid[1], HANDLE + 0x30, 8, page_to_pfn(virt_to_page(ring)),
		   NOWHERE >> PAGE_SHIFT, PAYLOAD_BYTES);
	open_channel(relid[1], 0, HANDLE + 0x30, 0, 4);
	msleep(1000);			/* it is open */
	WRITE_ONCE(ring[0], 256);	/* where the next packet goes */
	status |= hv_do_fast_hypercall8(HVCALL_SIGNAL_EVENT, FIRST_CHANNEL + relid[1]) &
		  HV_HYPERCALL_RESULT_MASK;
}

static void post_contact(u32 version, u32 processor)
{
	begin(INITIATE_CONTACT);
	input->payload[2] = version;
	input->payload[3] = processor;
	post(40);
}

/* The processor that messages are to go to is none */
static void post_no_processor(void)
{
	post_contact(VERSION_4_0, NO_PROCESSOR);
}

static void post_absent_processor(void)
{
	post_contact(VERSION_4_0, 77);
}

/* A version that knows no channel's own interrupt; is it told of channels nevertheless? */
static void post_ancient(void)
{
	post_contact(VERSION_1_1, 0);
	msleep(1000);				/* it has been answered */
	begin(REQUESTOFFERS);
	post(8);
}

/* The last ones come from a guest that is not connected any more */
static void post_unloads(void)
{
	u32 i;

	for (i = 0; i < 3; i++) {
		begin(UNLOAD);
		post(8);
		msleep(1000);			/* it has been answered */
	}
}

/*
 * On the processor that messages go to, which does not take the first answer: the second one waits
 * for that, and what is posted besides waits in the VMM's queue. Nothing but a reset ends it.
 */
static void fill_queue(void *unused)
{
	u32 i;

	for (i = 0; i < 4; i++) {
		begin(REQUESTOFFERS);
		post(8);
	}
	pr_info("hostile: queue posted, status %lld\n", status);
	for (;;)
		cpu_relax();
}

static void post_queue(void)
{
	smp_call_function_single(0, fill_queue, NULL, true);
}

/*
 * While the VMM waits for a backend: UNLOAD, as much as its queue holds, and another kernel that
 * connects. The status is that of the last one.
 */
static void post_full(void)
{
	begin(UNLOAD);
	post(8);
	msleep(1000);			/* it waits */
	while (!status) {
		begin(REQUESTOFFERS);
		post(8);
	}
	if (status != HV_STATUS_INSUFFICIENT_BUFFERS)
		return;
	status = 0;
	post_contact(VERSION_4_0, 0);
}

static const struct {
	const char *what;
	void (*post)(void);
} messages[] = {
	{ "gpadl", post_short_gpadls },
	{ "bodies", post_bodies },
	{ "lengths", post_lengths },
	{ "many", post_many },
	{ "nowhere", post_nowhere },
	{ "queue", post_queue },
	{ "opens", post_opens },
	{ "rings", post_rings },
	{ "offset", post_offset },
	{ "waiting", post_waiting },
	{ "contact", post_no_processor },
	{ "absent", post_absent_processor },
	{ "ancient", post_ancient },
	{ "unloads", post_unloads },
	{ "full", post_full },
};

static int __init hostile_init(void)
{
	u32 i;

	input = (struct hostile_input *)get_zeroed_page(GFP_KERNEL);
	if (!input)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(messages); i++)
		if (!strcmp(what, messages[i].what))
			messages[i].post();
	free_page((unsigned long)input);
	pr_info("hostile: %s posted, status %lld\n", what, status);
	return -ENODEV;
}
module_init(hostile_init);

MODULE_DESCRIPTION("VMBus messages that no kernel posts");
MODULE_LICENSE("GPL");
