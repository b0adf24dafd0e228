/* SPDX-License-Identifier: GPL-2.0-only */
/* VMBus messages, all little-endian, as a VMM sees them. And what host.c offers. */
#ifndef VMBUS_H
#define VMBUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

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

enum channel_state {
	CHANNEL_NONE,			/* not in the kernel, or of no use there any more */
	CHANNEL_CREATED,		/* the guest has not asked for offers yet */
	CHANNEL_OFFERED,
	CHANNEL_RESCINDING,		/* a backend is to let go of it first */
	CHANNEL_RESCINDED,		/* the guest knows, and has not released it yet */
	CHANNEL_DESTROYING,		/* a backend is to let go of it first */
};

/**
 * struct channel - one that is offered to the guest, its backend in the kernel
 * @relid: its number in messages, and its event flag; 0: this one is free
 * @connection_id: to which the guest signals
 * @kick_fd: eventfd, guest to host
 * @target: processor that gets its signals, or VMBUS_NO_TARGET
 * @primary: that of the device, of a sub-channel; NULL: it is the primary itself
 * @index: number of the sub-channel in its device, 0 for the primary
 * @if_type: what it is; selects the backend
 * @if_instance: which one of these
 * @config: configuration of the device, which begins with its size; or NULL
 * @module: that serves such devices, to name it when there is none
 * @flags: of its offer, as the kernel's backend has said; and what follows
 * @mmio_megabytes: likewise
 * @user_defined: likewise
 * @state: whether it is there, and what the guest knows of it
 * @unplugged: it is not offered, until somebody plugs it in
 * @leaving: the guest is to let go of it: the event that says that it has is not news
 * @opened: the guest has it open, as far as it has said
 * @wanted: sub-channels that the device wants to have
 *
 * @relid to @target: target_lock. The rest is for the delivery thread alone; what is
 * before @state does not change while the channel is there.
 */
struct channel {
	uint32_t relid;
	uint32_t connection_id;
	int kick_fd;
	uint32_t target;
	struct channel *primary;
	uint16_t index;
	uint8_t if_type[16];
	uint8_t if_instance[16];
	void *config;
	const char *module;
	uint16_t flags;
	uint16_t mmio_megabytes;
	uint8_t user_defined[120];
	enum channel_state state;
	bool unplugged;
	bool leaving;
	bool opened;
	unsigned int wanted;
};

struct vmbus_host_event;
struct vcpu;

/* vmbus.c */
void vmbus_deliver(const void *msg, size_t len);

/* channels.c */
struct channel *channel_new(struct channel *primary, uint16_t index);
void channel_free(struct channel *channel);
struct channel *channel_find(uint32_t relid);
struct channel *channel_next(struct channel *after);
struct channel *channel_sub(const struct channel *primary, uint16_t index);
void channel_opens(uint32_t relid, uint32_t vp);
bool channel_set_target(uint32_t relid, uint32_t vp);
int channel_create(struct channel *channel);

/* kinds.c */
void kind_offer(const char *what);
void kind_offer_disk(const char *what);

/* offers.c */
void offers_create(void);
void offers_request(bool clean);
void offers_stop(void);
void offers_opened(uint32_t relid);
void offers_closed(uint32_t relid);
void offers_released(uint32_t relid);
void offers_hear(const struct vmbus_host_event *event);
bool offers_plug(uint32_t relid);
bool offers_unplug(uint32_t relid);

/* control.c */
int control_open(const char *path);
void control_read(void);

/* host.c */
int host_open(const char *device);
int host_channel_create(struct channel *channel);
void host_channel_unplug(const struct channel *channel);
bool host_channel_rescind(const struct channel *channel);
bool host_channel_destroy(const struct channel *channel);
void host_channel_signals(const struct channel *channel);
void host_channel_retarget(const struct channel *channel);
bool host_reset(void);
bool host_next_event(struct vmbus_host_event *event);
int host_write(const void *msg, size_t len);
size_t host_read(void *msg);

#endif /* VMBUS_H */
