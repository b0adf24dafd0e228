// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMBus: what the guest posts, and what it gets.
 *
 *	guest				here			/dev/vmbus-host
 *	INITIATE_CONTACT,		answered by the
 *	REQUESTOFFERS, UNLOAD,		delivery thread		asked to let go: it says
 *	MODIFYCHANNEL						by an event when it has
 *	OPENCHANNEL, CLOSECHANNEL,	noted for the delivery	takes them, all
 *	RELID_RELEASED			thread (offers.c), and	or nothing
 *	GPADL_*				written by the
 *					processor's thread
 *	OPENCHANNEL_RESULT,		delivered by the	replies
 *	GPADL_CREATED/TORNDOWN		delivery thread
 *
 * A message that finds no room, here or in the kernel, is refused with
 * HV_STATUS_INSUFFICIENT_BUFFERS, and the guest posts it again. Replies that the
 * guest does not take stay where they are. So neither side can make the other
 * store without limit.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/vmbus_host.h>

#include "channel.h"
#include "messages.h"
#include "vmm.h"

/* HvPostMessage's input */
struct post_message {
	uint32_t connection_id;
	uint32_t reserved;
	uint32_t type;
	uint32_t size;
	uint8_t payload[SYNIC_MESSAGE_MAX];
};

struct note {
	size_t len;
	uint8_t msg[SYNIC_MESSAGE_MAX];
};

/* Messages for the delivery thread; inbox_lock. inbox_fd says that there are some */
#define INBOX_SIZE	16
static pthread_mutex_t inbox_lock = PTHREAD_MUTEX_INITIALIZER;
static struct note inbox[INBOX_SIZE];
static unsigned int inbox_head, inbox_count;
static int inbox_fd;

/* The delivery thread's own */
static int host_fd;
static int control_fd;
static uint32_t max_version;
static uint32_t version;		/* 0: the guest has not connected */
static bool unloading;			/* UNLOAD_RESPONSE is still to come */
static bool resetting;			/* the last reset is not done yet */
static unsigned int resets;		/* that were asked for */

/* Set by a processor's thread */
static bool crashed;

/* --- What the processors' threads do --- */

static void inbox_wake(void)
{
	const uint64_t one = 1;

	if (write(inbox_fd, &one, sizeof(one)) < 0)
		die_errno("eventfd");
}

static uint16_t inbox_put(const void *msg, size_t len)
{
	struct note *note;
	bool full;

	pthread_mutex_lock(&inbox_lock);
	full = inbox_count == INBOX_SIZE;
	if (!full) {
		note = &inbox[(inbox_head + inbox_count++) % INBOX_SIZE];
		memcpy(note->msg, msg, len);
		note->len = len;
	}
	pthread_mutex_unlock(&inbox_lock);

	if (full)
		return HV_STATUS_INSUFFICIENT_BUFFERS;
	inbox_wake();
	return HV_STATUS_SUCCESS;
}

/*
 * The port took the message: what it says is between guest and host, and a message
 * that is wrong gets no status in a hypercall.
 */
static uint16_t relay(const void *msg, size_t len)
{
	int err = host_write(msg, len);

	if (err)
		trace_message("guest >", msg, len, strerror(err));
	return err == EAGAIN ? HV_STATUS_INSUFFICIENT_BUFFERS : HV_STATUS_SUCCESS;
}

/* First a note of it: what the kernel says about it may be here before we are back */
static uint16_t note_and_relay(const void *msg, size_t len)
{
	uint16_t status = inbox_put(msg, len);

	return status ?: relay(msg, len);
}

static uint16_t receive(const void *msg, size_t len)
{
	const struct vmbus_open_channel *open = msg;
	uint32_t type = 0;

	/* Now: the reply may be on its way before we are back */
	trace_message("guest >", msg, len, NULL);
	if (len >= sizeof(type))
		memcpy(&type, msg, sizeof(type));
	switch (type) {
	case VMBUS_OPENCHANNEL:
		/* First: the backend may signal as soon as it is open */
		if (len >= sizeof(*open))
			channel_opens(open->relid, open->target_vp);
		return note_and_relay(msg, len);
	case VMBUS_CLOSECHANNEL:
	case VMBUS_RELID_RELEASED:
		return note_and_relay(msg, len);
	case VMBUS_GPADL_HEADER:
	case VMBUS_GPADL_BODY:
	case VMBUS_GPADL_TEARDOWN:
		return relay(msg, len);
	case VMBUS_INITIATE_CONTACT:
	case VMBUS_REQUESTOFFERS:
	case VMBUS_UNLOAD:
	case VMBUS_MODIFYCHANNEL:
		return inbox_put(msg, len);
	default:
		return HV_STATUS_SUCCESS;
	}
}

/**
 * vmbus_post_message - HvPostMessage
 * @gpa: where the guest says that its input is
 *
 * Return: the hypercall's status.
 */
uint16_t vmbus_post_message(uint64_t gpa)
{
	const void *where = vm_memory(gpa, sizeof(struct post_message));
	struct post_message post;

	if (!where)
		return HV_STATUS_INVALID_PARAMETER;
	memcpy(&post, where, sizeof(post));	/* the guest can still change it */
	if (post.connection_id != VMBUS_CONNECTION &&
	    post.connection_id != VMBUS_CONNECTION_5)
		return HV_STATUS_INVALID_CONNECTION_ID;
	if (post.size > sizeof(post.payload))
		return HV_STATUS_INVALID_PARAMETER;
	return receive(post.payload, post.size);
}

/* The guest panics: it runs on for long enough to unload its drivers */
void vmbus_guest_crashed(void)
{
	__atomic_store_n(&crashed, true, __ATOMIC_RELEASE);
	inbox_wake();
}

/* --- What the delivery thread does --- */

static bool version_known(uint32_t v)
{
	static const uint32_t known[] = {
		VMBUS_VERSION(5, 3), VMBUS_VERSION(5, 2), VMBUS_VERSION(5, 1),
		VMBUS_VERSION(5, 0), VMBUS_VERSION(4, 1), VMBUS_VERSION(4, 0),
		VMBUS_VERSION(3, 0),
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i] == v)
			return v <= max_version;
	return false;
}

static void reset(void)
{
	resets++;
	resetting = !host_reset();
}

/* The guest asks for one version after the other, newest first, until one is known */
static void initiate_contact(const struct vmbus_initiate_contact *msg)
{
	struct vmbus_version_response response = {
		.header.type = VMBUS_VERSION_RESPONSE,
		.connection_id = VMBUS_CONNECTION,
	};

	if (msg->target_vp < vm.nr_cpus)
		deliver_to(&vm.cpus[msg->target_vp]);
	response.supported = version_known(msg->version);
	if (msg->version >= VMBUS_VERSION(5, 0)) {
		response.connection_id = VMBUS_CONNECTION_5;
		response.supported &= msg->sint == VMBUS_SINT && msg->vtl == 0;
	}
	/* A kernel that comes without its predecessor's UNLOAD has nothing to do with it */
	if (version)
		reset();
	unloading = false;
	__atomic_store_n(&crashed, false, __ATOMIC_RELEASE);
	offers_stop();
	version = response.supported ? msg->version : 0;
	deliver(&response, sizeof(response));
}

static void unloaded(void)
{
	struct vmbus_header response = { .type = VMBUS_UNLOAD_RESPONSE };

	if (!unloading)
		return;
	unloading = false;
	deliver(&response, sizeof(response));
}

/*
 * The guest may use its memory for something else when it has the response, so the
 * backends have to let go of it first. But a guest that panics waits in vain for a backend
 * that does not, and then there is no dump; its memory is read, and not used any more.
 */
static void unload(void)
{
	unloading = true;
	offers_stop();
	version = 0;
	reset();
	if (!resetting || __atomic_load_n(&crashed, __ATOMIC_ACQUIRE))
		unloaded();
}

static void modify_channel(const struct vmbus_modify_channel *msg)
{
	struct vmbus_modify_response response = {
		.header.type = VMBUS_MODIFYCHANNEL_RESPONSE,
		.relid = msg->relid,
	};

	response.status = channel_set_target(msg->relid, msg->target_vp) ? 0 : 0xc000000d;
	if (version >= VMBUS_VERSION(5, 3))
		deliver(&response, sizeof(response));
}

static void answer(const struct note *note)
{
	const struct vmbus_header *header = (const void *)note->msg;
	const struct vmbus_relid *channel = (const void *)note->msg;

	switch (header->type) {
	case VMBUS_INITIATE_CONTACT:
		if (note->len >= sizeof(struct vmbus_initiate_contact))
			initiate_contact((const void *)note->msg);
		break;
	case VMBUS_REQUESTOFFERS:
		if (version)
			offers_request(!resetting);
		break;
	case VMBUS_UNLOAD:
		unload();
		break;
	case VMBUS_MODIFYCHANNEL:
		if (note->len >= sizeof(struct vmbus_modify_channel))
			modify_channel((const void *)note->msg);
		break;
	case VMBUS_OPENCHANNEL:
		if (note->len >= sizeof(struct vmbus_open_channel))
			offers_opened(channel->relid);
		break;
	case VMBUS_CLOSECHANNEL:
		if (note->len >= sizeof(*channel))
			offers_closed(channel->relid);
		break;
	case VMBUS_RELID_RELEASED:
		if (note->len >= sizeof(*channel))
			offers_released(channel->relid);
		break;
	}
}

static bool inbox_get(struct note *note)
{
	bool some;

	pthread_mutex_lock(&inbox_lock);
	some = inbox_count;
	if (some) {
		*note = inbox[inbox_head];
		inbox_head = (inbox_head + 1) % INBOX_SIZE;
		inbox_count--;
	}
	pthread_mutex_unlock(&inbox_lock);
	return some;
}

static void answer_all(void)
{
	struct note note;

	while (inbox_get(&note))
		answer(&note);
	if (__atomic_load_n(&crashed, __ATOMIC_ACQUIRE))
		unloaded();
}

static void reset_is_done(void)
{
	resetting = false;
	unloaded();
}

/*
 * What the guest did before the kernel said something of it is to be known first: the
 * notes are looked at between the two. If they ask for another reset, it is the one before
 * that is done.
 */
static void hear_all(void)
{
	struct vmbus_host_event event;
	unsigned int before = resets;

	for (; host_next_event(&event); before = resets) {
		answer_all();
		if (event.type != VMBUS_HOST_EVENT_DONE || event.value != VMBUS_HOST_RESET)
			offers_hear(&event);
		else if (before == resets)
			reset_is_done();
	}
}

static void inbox_look(void)
{
	uint64_t count;

	if (read(inbox_fd, &count, sizeof(count)) < 0 && errno != EINTR)
		die_errno("eventfd");
	answer_all();
}

static void *delivery_thread(void *unused)
{
	uint8_t msg[SYNIC_MESSAGE_MAX];
	struct pollfd fds[] = {
		{ .fd = inbox_fd, .events = POLLIN },
		{ .fd = host_fd, .events = POLLIN | POLLPRI },
		{ .fd = control_fd, .events = POLLIN },
	};
	size_t len;

	for (;;) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			die_errno("poll");
		if (fds[0].revents)
			inbox_look();
		if (fds[1].revents & POLLERR)
			die("/dev/vmbus-host gave the guest up");
		if (fds[1].revents & POLLPRI)
			hear_all();
		if (fds[1].revents & POLLIN) {
			len = host_read(msg);
			if (len)
				deliver(msg, len);
		}
		if (fds[2].revents & POLLIN)
			control_read();
	}
	return unused;
}

void vmbus_init(const struct options *opt)
{
	pthread_t thread;
	unsigned int i;

	max_version = opt->vmbus_version;
	inbox_fd = vm_event();
	host_fd = host_open(opt->device);
	control_fd = control_open(opt->control);
	for (i = 0; i < opt->nr_offers; i++) {
		if (opt->is_disk[i])
			kind_offer_disk(opt->offers[i]);
		else
			kind_offer(opt->offers[i]);
	}
	offers_create();
	errno = pthread_create(&thread, NULL, delivery_thread, NULL);
	if (errno)
		die_errno("a thread for messages");
}
