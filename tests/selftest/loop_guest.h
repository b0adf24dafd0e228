/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of tools/vmm's loop share: a guest that posts messages as a processor's thread
 * does on a hypercall, and takes what comes out of its message page. There is no KVM: what
 * tools/vmm has from vm.c is in loop_guest.c.
 */
#ifndef _LOOP_GUEST_H
#define _LOOP_GUEST_H

#include <stdbool.h>
#include <linux/types.h>

#include "../../tools/vmm/messages.h"
#include "../../tools/vmm/vmm.h"
#undef __printf	/* the kernel has it as well */
#include "vmm.h"

#define FIFO		"/tmp/vmm_loop_test.fifo"

/* Guest memory, by guest physical address */
#define RAM		(8u << 20)
#define SIMP(cpu)	(0x10000u + (cpu) * 0x2000)
#define SIEFP(cpu)	(0x11000u + (cpu) * 0x2000)
#define POST		0x20000u
#define RING(relid)	(0x100000u + (relid) * 0x10000)
#define RING_PAGES	4u
#define RING_SPLIT	2u
#define BUFFER		0x80000u

/* Handles of GPADLs; a channel has one for its rings */
#define RING_HANDLE(relid)	(0x100u + (relid))
#define BUFFER_HANDLE		0xe1e10u

#define NOTHING		0	/* no message has this type */

struct slot {
	__u32 type;
	__u8 size;
	__u8 flags;
	__u16 reserved;
	__u64 sender;
	__u8 payload[240];
};

union message {
	struct vmbus_header header;
	struct vmbus_offer offer;
	struct vmbus_open_result opened;
	struct vmbus_gpadl_created created;
	struct vmbus_gpadl_torndown torndown;
	struct vmbus_relid relid;
	struct vmbus_version_response version;
	struct vmbus_modify_response modified;
	__u8 bytes[240];
};

int post_type(__u32 type);
int post_relid(__u32 type, __u32 relid);
int post_contact(__u32 version);
int post_open(__u32 relid, __u32 target_vp);
int post_modify(__u32 relid, __u32 target_vp);
int post_gpadl(__u32 relid, __u32 handle, __u32 gpa, unsigned int pages);
int post_teardown(__u32 relid, __u32 handle);

/* The last message that the guest has heard */
extern union message heard;

struct slot *slot(void);
/* The next message, and its type; NOTHING if there is none for long */
__u32 hear(void);

#define EXPECT_HEARD(_type)	EXPECT_EQ(_type, hear())

#define EXPECT_OFFER(_sub_channel) do {					\
	EXPECT_HEARD(VMBUS_OFFERCHANNEL);				\
	EXPECT_EQ(_sub_channel, heard.offer.sub_channel);		\
	EXPECT_NE(0, heard.offer.relid);				\
} while (0)

#define EXPECT_RESCINDED(_relid) do {					\
	EXPECT_HEARD(VMBUS_RESCIND_CHANNELOFFER);			\
	EXPECT_EQ(_relid, heard.relid.relid);				\
} while (0)

#define EXPECT_CONTACT() do {						\
	EXPECT_EQ(0, post_contact(VMBUS_VERSION(5, 3)));		\
	EXPECT_HEARD(VMBUS_VERSION_RESPONSE);				\
	EXPECT_EQ(1, heard.version.supported);				\
} while (0)

#define EXPECT_GPADL_MADE(_relid, _handle, _gpa, _pages) do {		\
	__u32 __handle = (_handle);					\
									\
	EXPECT_EQ(0, post_gpadl(_relid, __handle, _gpa, _pages));	\
	EXPECT_HEARD(VMBUS_GPADL_CREATED);				\
	EXPECT_EQ(__handle, heard.created.gpadl);			\
	EXPECT_EQ(0, heard.created.status);				\
} while (0)

#define EXPECT_OPEN(_relid, _target) do {				\
	__u32 __relid = (_relid);					\
									\
	memset(vm.ram + RING(__relid), 0, RING_PAGES * PAGE);		\
	EXPECT_GPADL_MADE(__relid, RING_HANDLE(__relid), RING(__relid), RING_PAGES); \
	EXPECT_EQ(0, post_open(__relid, _target));			\
	EXPECT_HEARD(VMBUS_OPENCHANNEL_RESULT);				\
	EXPECT_EQ(__relid, heard.opened.relid);				\
	EXPECT_EQ(0, heard.opened.status);				\
} while (0)

/* The guest closes a channel, and gets its rings back */
#define EXPECT_CLOSE(_relid) do {					\
	__u32 __relid = (_relid);					\
									\
	EXPECT_EQ(0, post_relid(VMBUS_CLOSECHANNEL, __relid));		\
	EXPECT_EQ(0, post_teardown(__relid, RING_HANDLE(__relid)));	\
	EXPECT_HEARD(VMBUS_GPADL_TORNDOWN);				\
	EXPECT_EQ(RING_HANDLE(__relid), heard.torndown.gpadl);		\
} while (0)

void set_synic(unsigned int cpu, bool on);
/* Boot a machine of two processors that has these devices */
void boot(const char *first, const char *second);
/* What an operator writes to --control */
int operate(const char *line);
/*
 * The guest asks for offers. Returns the relid of the one device that it is offered: a
 * channel that is to be destroyed first comes when it is, which may be after the end of the
 * offers.
 */
__u32 one_offer(void);

#endif /* _LOOP_GUEST_H */
