// SPDX-License-Identifier: GPL-2.0
/*
 * What libFuzzer does with an input: any sequence of packets on a SCSI controller's channels,
 * and what must hold of each verdict, command and answer, whatever the packet says.
 *
 * A packet has five bytes before it: its length; bits (primary channel, named pages); LUNs
 * that there are, 0 to 7 by a bit each; the longest transfer in units of 32 bytes; and how many
 * of the packet's bytes are its ranges, if it has any.
 */
#include <stdio.h>
#include <stdlib.h>

#include <linux/kernel.h>
#include <linux/string.h>

#include "backends/scsi/vstor.h"
#include "fuzz.h"

#define PRIMARY		0x01
#define HAS_RANGES	0x02
#define HEAD		5

#define MUST(_x) do {								\
	if (!(_x)) {								\
		fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #_x);	\
		abort();							\
	}									\
} while (0)

static void check_answer(const struct vstor_packet *a)
{
	const struct vstor_srb *s = &a->srb;

	MUST(a->operation == VSTOR_COMPLETE_IO && !a->flags);
	MUST(s->srb_status & 0x3f);
	MUST(s->sense_length <= VSTOR_SENSE_MAX);
	/* A guest that is told of sense data looks at it. */
	MUST(!(s->srb_status & VSTOR_SRB_AUTOSENSE_VALID) == !s->sense_length);
	MUST(!s->sense_length || s->scsi_status == 2);
	MUST((s->srb_status == VSTOR_SRB_SUCCESS) == !a->status);
}

/* A command for no logical unit: what there is no room for is not written. */
static void check_absent(const struct vstor_command *cmd, const struct vstor_luns *luns)
{
	struct vstor_packet answer;
	struct vstor_result r = {};
	size_t bytes;
	u8 *data = malloc(cmd->bytes);

	vstor_absent(cmd, luns, &r, data, cmd->bytes, &bytes);
	MUST(bytes <= cmd->bytes);
	free(data);
	r.bytes = bytes;
	vstor_complete(&r, &answer);
	check_answer(&answer);
}

/* As the target says that a command has ended: status and sense data are out of the packet */
static void check_complete(const struct vstor_packet *in)
{
	struct vstor_result r = {
		.scsi_status = in->srb.scsi_status,
		.sense = in->bytes,
		.sense_bytes = in->srb.sense_length % (sizeof(in->bytes) + 1),
		.bytes = in->srb.data_length,
	};
	struct vstor_packet answer;

	vstor_complete(&r, &answer);
	check_answer(&answer);
}

static void check_ranges(const u8 *from, size_t len, u32 bytes)
{
	u8 *header = malloc(len);

	memcpy(header, from, len);
	if (vstor_ranges(header, len, bytes)) {
		u32 words[3];

		MUST(len >= 16);
		memcpy(words, header, sizeof(words));
		/* One, as long as the command; its pages are for others to check. */
		MUST(words[1] == 1 && words[2] == bytes);
	}
	free(header);
}

static void check_execute(const struct vstor_packet *in, size_t len, const u8 *head,
			  const u8 *data)
{
	struct vstor_luns luns = { { head[2] } };
	u32 max = head[3] * 32;
	struct vstor_command cmd;
	struct vstor_packet answer;

	check_complete(in);
	MUST(!vstor_has_lun(&luns, VSTOR_LUNS));
	if (!vstor_command(in, len, head[1] & HAS_RANGES, max, &cmd)) {
		vstor_reject(&answer);
		check_answer(&answer);
		return;
	}
	MUST(cmd.bytes <= max);
	MUST(!cmd.bytes || (head[1] & HAS_RANGES));
	MUST(cmd.direction != VSTOR_NO_DATA || !cmd.bytes);
	/* INQUIRY, MODE SENSE(6) and (10): those whose status hv_storvsc passes over */
	MUST(vstor_asks(&cmd) == !!memchr("\x12\x1a\x5a", cmd.cdb[0], 3));
	if (cmd.bytes)
		check_ranges(data, head[4] < len ? head[4] : len, cmd.bytes);
	if (vstor_is_absent(&cmd, &luns))
		check_absent(&cmd, &luns);
	else
		MUST(vstor_has_lun(&luns, cmd.lun));
}

static void check_packet(struct vstor *v, const u8 *head, const u8 *data, size_t len)
{
	struct vstor_packet in = {}, answer, event;
	enum vstor_state before = v->state;
	enum vstor_verdict verdict;

	memcpy(&in, data, len < sizeof(in) ? len : sizeof(in));
	verdict = vstor_receive(v, head[1] & PRIMARY, &in, len, &answer);
	MUST(answer.operation == VSTOR_COMPLETE_IO && !answer.flags);
	MUST(vstor_answer_len(len) <= sizeof(answer));
	MUST(v->state == before || (v->state == before + 1 && head[1] & PRIMARY));
	MUST(vstor_enumerate_bus(v, &event) <= sizeof(event));
	if (verdict == VSTOR_DO_EXECUTE) {
		MUST(v->state == VSTOR_STATE_READY && len >= VSTOR_SHORT_LEN);
		check_execute(&in, len, head, data);
	} else if (verdict == VSTOR_DO_OFFER) {
		MUST(in.subchannels && in.subchannels <= v->max_subchannels);
	}
}

int fuzz_input(const u8 *data, size_t size)
{
	struct vstor v = {};

	vstor_start(&v);
	v.max_subchannels = 3;
	v.max_transfer_bytes = 8192;
	while (size >= HEAD) {
		const u8 *head = data;
		size_t len = *data;

		data += HEAD;
		size -= HEAD;
		if (len > size)
			len = size;
		check_packet(&v, head, data, len);
		data += len;
		size -= len;
	}
	return 0;
}
