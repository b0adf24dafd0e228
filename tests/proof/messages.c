// SPDX-License-Identifier: GPL-2.0
/*
 * What Frama-C's EVA proves of gpadl/wire.c, without its taking in of words (intake.c):
 * for a message of any length and content nothing is read outside it or written outside
 * the reply, nothing overflows, and what is said of the message fulfils the contract of
 * gpadl_wire_add().
 */
#include "gpadl/wire.c"

#include <__fc_builtin.h>

#define MSG_WORDS_MAX	28

/*@
assigns \nothing;
ensures 1 <= \result.nr <= 8192;
ensures \result.pfn < 0x10000000000;
*/
struct gpadl_wire_run gpadl_wire_run(u64 word);

static u64 any(void)
{
	return Frama_C_unsigned_long_interval(0, U64_MAX);
}

/* What gpadl_wire_add() will read of a message is there. */
static void any_message_of(u32 type, u8 *bytes, size_t len)
{
	struct gpadl_wire_msg msg;

	if (len < MSG_HDR_LEN)
		return;
	put_le32(bytes, type);
	if (gpadl_wire_decode(bytes, len, &msg))
		return;
	/*@ check msg.nr_words <= MSG_WORDS_MAX; */
	if (msg.nr_words)
		/*@ check \valid_read(msg.data + (0 .. 8 * msg.nr_words - 1)); */
		gpadl_wire_check_header(&msg);
}

static void any_message(u8 *bytes, size_t len)
{
	struct gpadl_wire_msg msg;
	int ret = gpadl_wire_decode(bytes, len, &msg);

	/*@ check ret == 0 || ret == -EBADMSG || ret == -EOPNOTSUPP; */
	(void)ret;
}

/* Messages of each length, at the end of memory: there is no byte behind them. */
static void all_messages(void)
{
	u8 bytes[GPADL_WIRE_MAX_MSG];
	size_t len;

	for (len = 0; len <= sizeof(bytes); len++) {
		u8 *at = bytes + sizeof(bytes) - len;

		Frama_C_make_unknown((char *)bytes, sizeof(bytes));
		any_message(at, len);
		any_message_of(GPADL_MSG_HEADER, at, len);
		any_message_of(GPADL_MSG_BODY, at, len);
		any_message_of(GPADL_MSG_TEARDOWN, at, len);
	}
}

/* What is longer than a message is not looked at. */
static void too_long(void)
{
	struct gpadl_wire_msg msg;
	int ret = gpadl_wire_decode(NULL, Frama_C_unsigned_long_interval(
					    GPADL_WIRE_MAX_MSG + 1, U64_MAX), &msg);

	/*@ check ret == -EBADMSG; */
	(void)ret;
}

static void replies(void)
{
	u8 created[GPADL_WIRE_CREATED_LEN], torndown[GPADL_WIRE_TORNDOWN_LEN];

	gpadl_wire_created(created, any(), any(), any());
	gpadl_wire_torndown(torndown, any());
	/*@ check \initialized(&created[0 .. 19]); */
	/*@ check \initialized(&torndown[0 .. 11]); */
}

int main(void)
{
	all_messages();
	too_long();
	replies();
	gpadl_wire_run(any());
	gpadl_wire_range(any());
	return 0;
}
