/* SPDX-License-Identifier: GPL-2.0-only */
/* VMBus messages, all little-endian, as a VMM sees them. */
#ifndef MESSAGES_H
#define MESSAGES_H

#include <stdint.h>

#include "../compiler.h"

enum vmbus_type {
	VMBUS_OFFERCHANNEL		= 1,
	VMBUS_RESCIND_CHANNELOFFER	= 2,
	VMBUS_REQUESTOFFERS		= 3,
	VMBUS_ALLOFFERS_DELIVERED	= 4,
	VMBUS_OPENCHANNEL		= 5,
	VMBUS_OPENCHANNEL_RESULT	= 6,
	VMBUS_CLOSECHANNEL		= 7,
	VMBUS_GPADL_HEADER		= 8,
	VMBUS_GPADL_BODY		= 9,
	VMBUS_GPADL_CREATED		= 10,
	VMBUS_GPADL_TEARDOWN		= 11,
	VMBUS_GPADL_TORNDOWN		= 12,
	VMBUS_RELID_RELEASED		= 13,
	VMBUS_INITIATE_CONTACT		= 14,
	VMBUS_VERSION_RESPONSE		= 15,
	VMBUS_UNLOAD			= 16,
	VMBUS_UNLOAD_RESPONSE		= 17,
	VMBUS_MODIFYCHANNEL		= 22,
	VMBUS_MODIFYCHANNEL_RESPONSE	= 24,
};

#define VMBUS_VERSION(major, minor)	((major) << 16 | (minor))

/* Where guests post: the second is for VMBus 5.0 and later */
#define VMBUS_CONNECTION	1
#define VMBUS_CONNECTION_5	4

struct vmbus_header {
	uint32_t type;
	uint32_t reserved;
};

/* OFFERCHANNEL */
struct vmbus_offer {
	struct vmbus_header header;
	uint8_t if_type[16];
	uint8_t if_instance[16];
	uint64_t reserved[2];
	uint16_t flags;
	uint16_t mmio_megabytes;
	uint8_t user_defined[120];	/* of a pipe, begins with its mode */
	uint16_t sub_channel;
	uint16_t reserved2;
	uint32_t relid;
	uint8_t monitor_id;
	uint8_t monitor_allocated;
	uint16_t dedicated_interrupt;
	uint32_t connection_id;
} __packed;

struct vmbus_open_channel {
	struct vmbus_header header;
	uint32_t relid;
	uint32_t open_id;
	uint32_t ring_gpadl;
	uint32_t target_vp;
	uint32_t downstream_page;
};

struct vmbus_open_result {
	struct vmbus_header header;
	uint32_t relid;
	uint32_t open_id;
	uint32_t status;
};

struct vmbus_gpadl_header {
	struct vmbus_header header;
	uint32_t relid;
	uint32_t gpadl;
	uint16_t range_buflen;
	uint16_t rangecount;
	uint32_t byte_count;		/* of the first range */
	uint32_t byte_offset;
} __packed;

struct vmbus_gpadl_body {
	struct vmbus_header header;
	uint32_t number;
	uint32_t gpadl;
};

struct vmbus_gpadl_created {
	struct vmbus_header header;
	uint32_t relid;
	uint32_t gpadl;
	uint32_t status;
};

struct vmbus_gpadl_teardown {
	struct vmbus_header header;
	uint32_t relid;
	uint32_t gpadl;
};

struct vmbus_gpadl_torndown {
	struct vmbus_header header;
	uint32_t gpadl;
};

/* CLOSECHANNEL, RELID_RELEASED, RESCIND_CHANNELOFFER */
struct vmbus_relid {
	struct vmbus_header header;
	uint32_t relid;
};

struct vmbus_initiate_contact {
	struct vmbus_header header;
	uint32_t version;
	uint32_t target_vp;		/* where the host's messages go */
	uint8_t sint;			/* 5.0 and later; before, */
	uint8_t vtl;			/* a page for signals */
	uint8_t reserved[6];
	uint64_t monitor_pages[2];
};

struct vmbus_version_response {
	struct vmbus_header header;
	uint8_t supported;
	uint8_t state;
	uint16_t reserved;
	uint32_t connection_id;
};

/* MODIFYCHANNEL: another processor is to get the channel's signals */
struct vmbus_modify_channel {
	struct vmbus_header header;
	uint32_t relid;
	uint32_t target_vp;
};

struct vmbus_modify_response {
	struct vmbus_header header;
	uint32_t relid;
	uint32_t status;
};

static_assert(sizeof(struct vmbus_offer) == 196, "OFFERCHANNEL");
static_assert(sizeof(struct vmbus_gpadl_header) == 28, "GPADL_HEADER");
static_assert(sizeof(struct vmbus_initiate_contact) == 40, "INITIATE_CONTACT");

/* OPENCHANNEL's and MODIFYCHANNEL's: the guest wants no interrupts */
#define VMBUS_NO_TARGET			0xffffffffu

#endif /* MESSAGES_H */
