// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMBus: what the guest posts, and what it gets.
 *
 *	guest				here			/dev/vmbus-host
 *	INITIATE_CONTACT,		answered by the
 *	REQUESTOFFERS, UNLOAD,		delivery thread		asked to let go: it says
 *	MODIFYCHANNEL						by an event when it has
 *	OPENCHANNEL, CLOSECHANNEL,	written by the		takes them, all
 *	GPADL_*, RELID_RELEASED		processor's thread	or nothing
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

#include "vmbus.h"
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
static uint32_t max_version;
static uint32_t version;		/* 0: the guest has not connected */
static struct vcpu *message_cpu = &vm.cpus[0];
static bool unloading;			/* UNLOAD_RESPONSE is still to come */
static bool wants_offers;		/* the guest has asked for them */

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
		return relay(msg, len);
	case VMBUS_CLOSECHANNEL:
	case VMBUS_GPADL_HEADER:
	case VMBUS_GPADL_BODY:
	case VMBUS_GPADL_TEARDOWN:
	case VMBUS_RELID_RELEASED:
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

/* Put a message into the guest's slot, as soon as the guest has emptied it */
static void deliver(const void *msg, size_t len)
{
	enum synic_result result;
	uint64_t count;

	trace_message("host  >", msg, len, NULL);
	while ((result = synic_post(message_cpu, msg, len)) == SYNIC_FULL)
		if (read(message_cpu->eom_fd, &count, sizeof(count)) < 0 &&
		    errno != EINTR)
			die_errno("eventfd");
	if (result == SYNIC_OFF)
		trace_message("host  >", msg, len, "lost: the guest has no message page");
}

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

/* The guest asks for one version after the other, newest first, until one is known */
static void initiate_contact(const struct vmbus_initiate_contact *msg)
{
	struct vmbus_version_response response = {
		.header.type = VMBUS_VERSION_RESPONSE,
		.connection_id = VMBUS_CONNECTION,
	};

	if (msg->target_vp < vm.nr_cpus)
		message_cpu = &vm.cpus[msg->target_vp];
	response.supported = version_known(msg->version);
	if (msg->version >= VMBUS_VERSION(5, 0)) {
		response.connection_id = VMBUS_CONNECTION_5;
		response.supported &= msg->sint == VMBUS_SINT && msg->vtl == 0;
	}
	/* A kernel that comes without its predecessor's UNLOAD has nothing to do with it */
	if (version)
		host_reset();
	__atomic_store_n(&crashed, false, __ATOMIC_RELEASE);
	wants_offers = false;
	version = response.supported ? msg->version : 0;
	deliver(&response, sizeof(response));
}

static void offer(struct channel *channel)
{
	struct vmbus_offer msg = {
		.header.type = VMBUS_OFFERCHANNEL,
		.flags = channel->flags,
		.mmio_megabytes = channel->mmio_megabytes,
		.relid = channel->relid,
		.dedicated_interrupt = 1,
		.connection_id = channel->connection_id,
	};

	channel_create(channel);
	channel->state = CHANNEL_OFFERED;
	memcpy(msg.if_type, channel->if_type, sizeof(msg.if_type));
	memcpy(msg.if_instance, channel->if_instance, sizeof(msg.if_instance));
	memcpy(msg.user_defined, channel->user_defined, sizeof(msg.user_defined));
	deliver(&msg, sizeof(msg));
}

/*
 * A guest that comes back (UNLOAD, RELID_RELEASED, contact) gets new channels. One that a
 * backend has not let go of yet is offered when it has: see channel_destroyed().
 */
static void request_offers(void)
{
	struct vmbus_header all = { .type = VMBUS_ALLOFFERS_DELIVERED };
	struct channel *channel;
	unsigned int i;

	if (!version)
		return;
	wants_offers = true;
	for (i = 0; (channel = channel_nth(i)); i++) {
		if (host_channel_destroy(channel))
			offer(channel);
		else
			channel->state = CHANNEL_DESTROYING;
	}
	deliver(&all, sizeof(all));
}

static void channel_destroyed(struct channel *channel)
{
	if (channel->state != CHANNEL_DESTROYING)
		return;
	channel->state = CHANNEL_NONE;
	if (wants_offers)
		offer(channel);
}

/* The guest may free what it gave when it hears of it, so the backend comes first */
static void channel_rescinded(struct channel *channel)
{
	struct vmbus_relid msg = {
		.header.type = VMBUS_RESCIND_CHANNELOFFER,
		.relid = channel->relid,
	};

	channel->state = CHANNEL_NONE;
	if (version)
		deliver(&msg, sizeof(msg));
}

static void rescind(struct channel *channel)
{
	if (channel->state != CHANNEL_OFFERED)
		return;
	if (host_channel_rescind(channel))
		channel_rescinded(channel);
	else
		channel->state = CHANNEL_RESCINDING;
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
	wants_offers = false;
	version = 0;
	if (host_reset() || __atomic_load_n(&crashed, __ATOMIC_ACQUIRE))
		unloaded();
}

static void request_is_done(uint32_t command, struct channel *channel)
{
	switch (command) {
	case VMBUS_HOST_RESET:
		unloaded();
		break;
	case VMBUS_HOST_CHANNEL_RESCIND:
		if (channel && channel->state == CHANNEL_RESCINDING)
			channel_rescinded(channel);
		break;
	case VMBUS_HOST_CHANNEL_DESTROY:
		if (channel)
			channel_destroyed(channel);
		break;
	}
}

/* What the kernel asks or tells of its own accord; what is not known is ignored */
static void hear(const struct vmbus_host_event *event)
{
	struct channel *channel = channel_find(event->relid);

	switch (event->type) {
	case VMBUS_HOST_EVENT_DONE:
		request_is_done(event->value, channel);
		break;
	case VMBUS_HOST_EVENT_RESCIND:
		if (channel)
			rescind(channel);
		break;
	case VMBUS_HOST_EVENT_BROKEN:
		warn("channel %u: the guest has spoilt its ring", event->relid);
		break;
	}
}

static void hear_all(void)
{
	struct vmbus_host_event event;

	while (host_next_event(&event))
		hear(&event);
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

	switch (header->type) {
	case VMBUS_INITIATE_CONTACT:
		if (note->len >= sizeof(struct vmbus_initiate_contact))
			initiate_contact((const void *)note->msg);
		break;
	case VMBUS_REQUESTOFFERS:
		request_offers();
		break;
	case VMBUS_UNLOAD:
		unload();
		break;
	case VMBUS_MODIFYCHANNEL:
		if (note->len >= sizeof(struct vmbus_modify_channel))
			modify_channel((const void *)note->msg);
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
	uint64_t count;

	if (read(inbox_fd, &count, sizeof(count)) < 0 && errno != EINTR)
		die_errno("eventfd");
	while (inbox_get(&note))
		answer(&note);
	if (__atomic_load_n(&crashed, __ATOMIC_ACQUIRE))
		unloaded();
}

static void *delivery_thread(void *unused)
{
	uint8_t msg[SYNIC_MESSAGE_MAX];
	struct pollfd fds[2] = {
		{ .fd = inbox_fd, .events = POLLIN },
		{ .fd = host_fd, .events = POLLIN | POLLPRI },
	};
	size_t len;

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			die_errno("poll");
		if (fds[0].revents)
			answer_all();
		if (fds[1].revents & POLLERR)
			die("/dev/vmbus-host gave the guest up");
		if (fds[1].revents & POLLPRI)
			hear_all();
		if (fds[1].revents & POLLIN) {
			len = host_read(msg);
			if (len)
				deliver(msg, len);
		}
	}
	return unused;
}

void vmbus_init(const struct options *opt)
{
	pthread_t thread;

	max_version = opt->vmbus_version;
	inbox_fd = vm_event();
	host_fd = host_open(opt->device);
	channels_init();
	errno = pthread_create(&thread, NULL, delivery_thread, NULL);
	if (errno)
		die_errno("a thread for messages");
}
