// SPDX-License-Identifier: GPL-2.0
/*
 * What is said of logical units beside their own commands: REPORT LUNS, and what a guest
 * hears that looks where there is none.
 *
 * A guest looks for disks at every path and target. It must hear "not there" for each, and
 * not an error: Linux takes an error of INQUIRY for a disk with nothing in it.
 */
#include <linux/compiler.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "vstor.h"

#define REPORT_LUNS		0xa0
#define INQUIRY			0x12
#define INQUIRY_EVPD		0x01
#define INQUIRY_LEN		36

/* No device, and none can be there */
#define NOT_THERE		0x7f

#define LONG_BITS		(8 * sizeof(long))

static const u8 invalid_field[] = {
	0x70, 0, 0x05, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0, 0, 0, 0, 0
};

/**
 * vstor_has_lun() - Is there a logical unit of that number?
 * @luns: those that are there
 * @lun: number, any
 *
 * Context: any.
 * Return: true if so.
 */
bool vstor_has_lun(const struct vstor_luns *luns, unsigned int lun)
{
	return lun < VSTOR_LUNS &&
	       READ_ONCE(luns->bits[lun / LONG_BITS]) >> (lun % LONG_BITS) & 1;
}

static void put_be32(u8 *p, u32 n)
{
	p[0] = n >> 24;
	p[1] = n >> 16;
	p[2] = n >> 8;
	p[3] = n;
}

static u32 get_be32(const u8 *p)
{
	return (u32)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* Bytes of the list, of which as many as there is room for are stored */
static size_t report_luns(const struct vstor_luns *luns, u8 *data, size_t max)
{
	size_t at = 8;
	unsigned int lun;

	memset(data, 0, max);
	for (lun = 0; luns && lun < VSTOR_LUNS; lun++) {
		if (!vstor_has_lun(luns, lun))
			continue;
		if (at + 8 <= max)
			data[at + 1] = lun;
		at += 8;
	}
	if (max >= 4)
		put_be32(data, at - 8);
	return at;
}

static size_t inquiry(u8 *data, size_t max)
{
	static const u8 nothing[5] = { NOT_THERE, 0, 0x05, 0x02, INQUIRY_LEN - 5 };

	memset(data, ' ', max);
	memset(data, 0, min_t(size_t, max, 8));
	memcpy(data, nothing, min(max, sizeof(nothing)));
	return INQUIRY_LEN;
}

static void result_set(struct vstor_result *result, u8 srb_status, u8 scsi_status)
{
	memset(result, 0, sizeof(*result));
	result->srb_status = srb_status;
	result->scsi_status = scsi_status;
}

/* Well-known logical units, which select 1 asks for, there are none of. */
static void do_report_luns(const struct vstor_command *cmd, const struct vstor_luns *luns,
			   struct vstor_result *result, u8 *data, size_t max, size_t *bytes)
{
	u8 select = cmd->cdb[2];

	if (select > 2) {
		result_set(result, VSTOR_SRB_INVALID_REQUEST, 0x02);
		result->sense = invalid_field;
		result->sense_bytes = sizeof(invalid_field);
		return;
	}
	result_set(result, VSTOR_SRB_SUCCESS, 0);
	*bytes = min_t(size_t, get_be32(&cmd->cdb[6]), max);
	*bytes = min(*bytes, report_luns(select == 1 || cmd->elsewhere ? NULL : luns, data,
					 max));
}

static void do_inquiry(const struct vstor_command *cmd, struct vstor_result *result, u8 *data,
		       size_t max, size_t *bytes)
{
	size_t alloc = cmd->cdb[3] << 8 | cmd->cdb[4];

	if (cmd->cdb[1] & INQUIRY_EVPD || cmd->cdb[2] || alloc < 5) {
		result_set(result, VSTOR_SRB_INVALID_REQUEST, 0x02);
		result->sense = invalid_field;
		result->sense_bytes = sizeof(invalid_field);
		return;
	}
	result_set(result, VSTOR_SRB_SUCCESS, 0);
	*bytes = min(min(alloc, max), inquiry(data, max));
}

/**
 * vstor_is_absent() - Is a command for no logical unit?
 * @cmd: the command
 * @luns: logical units that are there
 *
 * REPORT LUNS never is for one: the target's own list is not sorted.
 *
 * Context: any.
 * Return: true if so: vstor_absent() answers it.
 */
bool vstor_is_absent(const struct vstor_command *cmd, const struct vstor_luns *luns)
{
	return cmd->elsewhere || cmd->cdb[0] == REPORT_LUNS || !vstor_has_lun(luns, cmd->lun);
}

/**
 * vstor_absent() - Answer a command that is for no logical unit
 * @cmd: the command
 * @luns: logical units that are there
 * @result: where the result goes
 * @data: where data for the guest goes
 * @max: room of @data, and of the guest's
 * @bytes: bytes of @data that are the guest's
 *
 * @result->bytes is left to the caller, which knows what the guest got.
 *
 * Context: any.
 */
void vstor_absent(const struct vstor_command *cmd, const struct vstor_luns *luns,
		  struct vstor_result *result, u8 *data, size_t max, size_t *bytes)
{
	*bytes = 0;
	if (cmd->cdb[0] == REPORT_LUNS)
		do_report_luns(cmd, luns, result, data, max, bytes);
	else if (cmd->cdb[0] == INQUIRY)
		do_inquiry(cmd, result, data, max, bytes);
	else
		result_set(result, VSTOR_SRB_INVALID_LUN, 0x02);
}
