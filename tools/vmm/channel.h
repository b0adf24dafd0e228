/* SPDX-License-Identifier: GPL-2.0-only */
/* A channel, and what the files that serve it offer each other. */
#ifndef CHANNEL_H
#define CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* channels.c */
struct channel *channel_new(struct channel *primary, uint16_t index);
void channel_free(struct channel *channel);
struct channel *channel_find(uint32_t relid);
struct channel *channel_next(struct channel *after);
struct channel *channel_sub(const struct channel *primary, uint16_t index);
void channel_opens(uint32_t relid, uint32_t vp);
bool channel_set_target(uint32_t relid, uint32_t vp);

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
bool offers_rescind(uint32_t relid);

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

#endif /* CHANNEL_H */
