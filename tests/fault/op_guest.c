// SPDX-License-Identifier: GPL-2.0
/*
 * Operations of the guest: GPADLs, and opening a channel.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "vmm.h"
#include "operation.h"

/* ---- GPADLs ---- */

static int post(struct rig *r)
{
	gpadl_simple(&r->gpadl, HANDLE, MEM_GPA, 4 * HV_PAGE);
	return guest_gpadl(r->vmm.fd, RELID, &r->gpadl, true);
}

const struct operation op_post = {
	.name = "post",
	.run = post,
	.outcome = rig_answer_created,
	.undo = rig_tear_down_small,
	.may = MAY_ENOMEM | MAY_EFAULT,
};

const struct operation op_header = {
	.name = "header",
	.run = rig_header,
	.outcome = rig_answer_created,
	.undo = rig_tear_down_small,
	.may = MAY_ENOMEM | MAY_EFAULT,
};

/* The first message of the largest there is: its page list takes several pages. */
static int header_large(struct rig *r)
{
	gpadl_simple(&r->gpadl, HANDLE, MEM_GPA, MEM_BYTES);
	return guest_header(r->vmm.fd, RELID, HANDLE, 1, GPADL_WORDS, r->gpadl.words,
			    HEADER_WORDS);
}

/* It is answered only if it is refused; else it waits for the rest. */
static int header_large_outcome(struct rig *r, int ret)
{
	struct reply reply = reply_read(r->vmm.fd);

	if (reply.len == -EAGAIN)
		return ret;
	return ret ? -EPROTO : rig_status(reply.status) ?: -EPROTO;
}

static int header_large_undo(struct rig *r)
{
	struct reply reply;
	int ret;

	ret = guest_teardown(r->vmm.fd, RELID, HANDLE);
	reply = reply_wait(r->vmm.fd);
	if (ret || reply.type != MSG_GPADL_CREATED || reply.status != STATUS_CANCELLED)
		return ret ?: -EPROTO;
	return rig_answer_torndown(r, 0);
}

const struct operation op_header_large = {
	.name = "header_large",
	.run = header_large,
	.outcome = header_large_outcome,
	.undo = header_large_undo,
	.may = MAY_ENOMEM | MAY_EFAULT,
};

/* There is one of this handle, on another channel. */
static int same_handle_setup(struct rig *r)
{
	gpadl_simple(&r->gpadl, HANDLE, MEM_GPA, 4 * HV_PAGE);
	return rig_channel_create(r) ?: rig_establish(r, RELID2);
}

static int same_handle_cleanup(struct rig *r)
{
	return rig_tear_down(r, RELID2, HANDLE) ?: rig_channel_destroy(r);
}

const struct operation op_header_same_handle = {
	.name = "header_same_handle",
	.setup = same_handle_setup,
	.run = rig_header,
	.outcome = rig_answer_created,
	.undo = rig_tear_down_small,
	.cleanup = same_handle_cleanup,
	.may = MAY_ENOMEM | MAY_EFAULT,
};

#define BODY_PAGES	(HEADER_WORDS - 1 + BODY_WORDS)

static int body_prepare(struct rig *r)
{
	gpadl_simple(&r->gpadl, HANDLE, MEM_GPA, BODY_PAGES * HV_PAGE);
	return guest_header(r->vmm.fd, RELID, HANDLE, 1, r->gpadl.nr_words, r->gpadl.words,
			    HEADER_WORDS);
}

/* It completes the GPADL: without memory to make the page list shorter that works too. */
static int body(struct rig *r)
{
	return guest_body(r->vmm.fd, HANDLE, 0, r->gpadl.words + HEADER_WORDS, BODY_WORDS);
}

const struct operation op_body = {
	.name = "body",
	.prepare = body_prepare,
	.run = body,
	.outcome = rig_answer_created,
	.undo = rig_tear_down_small,
	.may = MAY_EFAULT,
};

static int teardown(struct rig *r)
{
	return guest_teardown(r->vmm.fd, RELID, HANDLE);
}

const struct operation op_teardown = {
	.name = "teardown",
	.prepare = rig_establish_small,
	.run = teardown,
	.outcome = rig_answer_torndown,
	.may = MAY_EFAULT,
};

static int read_reply(struct rig *r)
{
	struct reply reply = reply_read(r->vmm.fd);

	if (reply.len < 0)
		return reply.len;
	return reply.type == MSG_GPADL_CREATED ? 0 : -EPROTO;
}

/* No reply is lost: it is there the next time. */
const struct operation op_read_reply = {
	.name = "read_reply",
	.prepare = rig_header,
	.run = read_reply,
	.undo = rig_tear_down_small,
	.may = MAY_EFAULT,
};

static int poll_file(struct rig *r)
{
	int ret = poll_now(r->vmm.fd);

	return ret < 0 ? ret : 0;
}

const struct operation op_poll_file = {
	.name = "poll_file",
	.run = poll_file,
	.may = MAY_EFAULT,
};

/* ---- Opening a channel ---- */

static int ring_establish(struct rig *r)
{
	memset(r->vmm.ring, 0, RING_BYTES);
	gpadl_simple(&r->gpadl, RING_HANDLE, RING_GPA, RING_BYTES);
	return rig_establish(r, RELID);
}

static int ring_tear_down(struct rig *r)
{
	return rig_tear_down(r, RELID, RING_HANDLE);
}

static int open_message(struct rig *r)
{
	return guest_open(r->vmm.fd, RELID, 1, RING_HANDLE, RING_SPLIT);
}

static int close_message(struct rig *r)
{
	return guest_close(r->vmm.fd, RELID);
}

/* Closed is when the backend is; the rings are unmapped then, or soon after. */
static int close_outcome(struct rig *r, int ret)
{
	bool closed;
	int fd;

	if (ret)
		return ret;
	fd = open("/dev/vmbus-gpadl-test", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	closed = WAIT_FOR(!backend_state(fd, r->vmm.instance).open && !pinned_pages());
	close(fd);
	return closed ? 0 : -ETIMEDOUT;
}

static int close_channel(struct rig *r)
{
	return close_outcome(r, close_message(r));
}

/* What it takes is a message; the work comes later. */
const struct operation op_open_message = {
	.name = "open_message",
	.setup = ring_establish,
	.run = open_message,
	.outcome = rig_answer_opened,
	.undo = close_channel,
	.cleanup = ring_tear_down,
	.may = MAY_EFAULT,
};

/* And this is the work: map and vmap the rings, and ask the backend. */
const struct operation op_open_by_worker = {
	.name = "open_by_worker",
	.setup = ring_establish,
	.run = open_message,
	.outcome = rig_answer_opened,
	.undo = close_channel,
	.cleanup = ring_tear_down,
	.may = MAY_ENOMEM,
	.by_workers = true,
};

static int open_channel(struct rig *r)
{
	return rig_answer_opened(r, open_message(r));
}

const struct operation op_close_message = {
	.name = "close_message",
	.setup = ring_establish,
	.prepare = open_channel,
	.run = close_message,
	.outcome = close_outcome,
	.cleanup = ring_tear_down,
	.may = MAY_EFAULT,
};
