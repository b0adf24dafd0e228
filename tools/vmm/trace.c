// SPDX-License-Identifier: GPL-2.0-only
/* VMBus messages in words, one line each, with the seconds since the start. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "messages.h"
#include "vmm.h"

static FILE *trace;
static struct timespec start;
static pthread_mutex_t trace_lock = PTHREAD_MUTEX_INITIALIZER;

static const char *const names[] = {
	[VMBUS_OFFERCHANNEL] = "OFFERCHANNEL",
	[VMBUS_RESCIND_CHANNELOFFER] = "RESCIND_CHANNELOFFER",
	[VMBUS_REQUESTOFFERS] = "REQUESTOFFERS",
	[VMBUS_ALLOFFERS_DELIVERED] = "ALLOFFERS_DELIVERED",
	[VMBUS_OPENCHANNEL] = "OPENCHANNEL",
	[VMBUS_OPENCHANNEL_RESULT] = "OPENCHANNEL_RESULT",
	[VMBUS_CLOSECHANNEL] = "CLOSECHANNEL",
	[VMBUS_GPADL_HEADER] = "GPADL_HEADER",
	[VMBUS_GPADL_BODY] = "GPADL_BODY",
	[VMBUS_GPADL_CREATED] = "GPADL_CREATED",
	[VMBUS_GPADL_TEARDOWN] = "GPADL_TEARDOWN",
	[VMBUS_GPADL_TORNDOWN] = "GPADL_TORNDOWN",
	[VMBUS_RELID_RELEASED] = "RELID_RELEASED",
	[VMBUS_INITIATE_CONTACT] = "INITIATE_CONTACT",
	[VMBUS_VERSION_RESPONSE] = "VERSION_RESPONSE",
	[VMBUS_UNLOAD] = "UNLOAD",
	[VMBUS_UNLOAD_RESPONSE] = "UNLOAD_RESPONSE",
	[VMBUS_MODIFYCHANNEL] = "MODIFYCHANNEL",
	[VMBUS_MODIFYCHANNEL_RESPONSE] = "MODIFYCHANNEL_RESPONSE",
};

/* Any message, as long as it may be: what is missing reads as zero */
union message {
	uint8_t bytes[SYNIC_MESSAGE_MAX];
	struct vmbus_header header;
	struct vmbus_offer offer;
	struct vmbus_open_channel open;
	struct vmbus_open_result open_result;
	struct vmbus_gpadl_header gpadl_header;
	struct vmbus_gpadl_body gpadl_body;
	struct vmbus_gpadl_created created;
	struct vmbus_gpadl_teardown teardown;
	struct vmbus_gpadl_torndown torndown;
	struct vmbus_relid relid;
	struct vmbus_initiate_contact contact;
	struct vmbus_version_response response;
	struct vmbus_modify_channel modify;
	struct vmbus_modify_response modify_response;
};

void trace_open(const char *path)
{
	trace = strcmp(path, "-") ? fopen(path, "we") : stderr;
	if (!trace)
		die_errno("%s", path);
	setvbuf(trace, NULL, _IOLBF, 0);
	clock_gettime(CLOCK_MONOTONIC, &start);
}

static void show_gpadl(const union message *m, size_t len)
{
	switch (m->header.type) {
	case VMBUS_GPADL_HEADER:
		fprintf(trace, " relid=%u handle=%#x ranges=%u buflen=%u",
			m->gpadl_header.relid, m->gpadl_header.gpadl,
			m->gpadl_header.rangecount, m->gpadl_header.range_buflen);
		fprintf(trace, " first=%u+%u length=%zu", m->gpadl_header.byte_offset,
			m->gpadl_header.byte_count, len);
		break;
	case VMBUS_GPADL_BODY:
		fprintf(trace, " handle=%#x length=%zu", m->gpadl_body.gpadl, len);
		break;
	case VMBUS_GPADL_CREATED:
		fprintf(trace, " relid=%u handle=%#x status=%#x", m->created.relid,
			m->created.gpadl, m->created.status);
		break;
	case VMBUS_GPADL_TEARDOWN:
		fprintf(trace, " relid=%u handle=%#x", m->teardown.relid,
			m->teardown.gpadl);
		break;
	case VMBUS_GPADL_TORNDOWN:
		fprintf(trace, " handle=%#x", m->torndown.gpadl);
		break;
	}
}

static void show_channel(const union message *m)
{
	switch (m->header.type) {
	case VMBUS_OFFERCHANNEL:
		fprintf(trace, " relid=%u connection=%#x", m->offer.relid,
			m->offer.connection_id);
		if (m->offer.sub_channel)
			fprintf(trace, " sub-channel=%u", m->offer.sub_channel);
		break;
	case VMBUS_OPENCHANNEL:
		fprintf(trace, " relid=%u ring=%#x downstream=%u vp=%u", m->open.relid,
			m->open.ring_gpadl, m->open.downstream_page, m->open.target_vp);
		break;
	case VMBUS_OPENCHANNEL_RESULT:
		fprintf(trace, " relid=%u status=%#x", m->open_result.relid,
			m->open_result.status);
		break;
	case VMBUS_RESCIND_CHANNELOFFER:
	case VMBUS_CLOSECHANNEL:
	case VMBUS_RELID_RELEASED:
		fprintf(trace, " relid=%u", m->relid.relid);
		break;
	case VMBUS_INITIATE_CONTACT:
		fprintf(trace, " version=%u.%u vp=%u", m->contact.version >> 16,
			m->contact.version & 0xffff, m->contact.target_vp);
		break;
	case VMBUS_VERSION_RESPONSE:
		fprintf(trace, " supported=%u", m->response.supported);
		break;
	case VMBUS_MODIFYCHANNEL:
		fprintf(trace, " relid=%u vp=%u", m->modify.relid, m->modify.target_vp);
		break;
	case VMBUS_MODIFYCHANNEL_RESPONSE:
		fprintf(trace, " relid=%u status=%#x", m->modify_response.relid,
			m->modify_response.status);
		break;
	}
}

static double elapsed(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - start.tv_sec + (now.tv_nsec - start.tv_nsec) / 1e9;
}

/**
 * trace_message - say what went by
 * @direction: from whom
 * @msg: the message
 * @len: bytes, SYNIC_MESSAGE_MAX at most
 * @remark: what came of it, or NULL
 */
void trace_message(const char *direction, const void *msg, size_t len, const char *remark)
{
	union message m = { };
	const char *name = NULL;

	if (!trace)
		return;
	memcpy(&m, msg, len);
	if (m.header.type < ARRAY_SIZE(names))
		name = names[m.header.type];

	pthread_mutex_lock(&trace_lock);
	fprintf(trace, "%9.3f %s ", elapsed(), direction);
	if (name)
		fputs(name, trace);
	else
		fprintf(trace, "type %u", m.header.type);
	show_gpadl(&m, len);
	show_channel(&m);
	fprintf(trace, "%s%s%s\n", remark ? " (" : "", remark ? remark : "",
		remark ? ")" : "");
	pthread_mutex_unlock(&trace_lock);
}
