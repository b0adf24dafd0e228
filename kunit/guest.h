/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest's side of the GPADL messages, for tests: makes them, well-formed unless told
 * otherwise. Compiles in user space too.
 *
 * What a guest sends of a GPADL is a stream of 64-bit words. A test writes the stream
 * (guest_range(), guest_pfns()), then lets it be cut into messages as Linux cuts it
 * (guest_next_msg()), or cuts it itself (guest_header(), guest_body(), guest_words()).
 */
#ifndef _KUNIT_GUEST_H
#define _KUNIT_GUEST_H

#include <linux/types.h>

#define GUEST_MSG_MAX		240

/* Words that Linux puts in one message. */
#define GUEST_HEADER_WORDS	27
#define GUEST_BODY_WORDS	28

/* Offsets of fields in the messages. */
#define GUEST_TYPE		0
#define GUEST_PADDING		4
#define GUEST_RELID		8
#define GUEST_MSGNUMBER		8	/* of a BODY */
#define GUEST_HANDLE		12
#define GUEST_BUFLEN		16	/* of a HEADER, u16 */
#define GUEST_RANGECOUNT	18	/* of a HEADER, u16 */
#define GUEST_HEADER_DATA	20
#define GUEST_BODY_DATA		16
#define GUEST_BYTE_COUNT	20	/* of the first range, in a HEADER */
#define GUEST_BYTE_OFFSET	24
#define GUEST_PFN(i)		(28 + 8 * (i))

/* Addresses of GPADLs are 4 KiB pages, whatever PAGE_SIZE is. */
#define GUEST_PAGE		4096u

struct guest_msg {
	u32 len;
	u8 bytes[GUEST_MSG_MAX];
};

/**
 * struct guest_stream - range data of a GPADL
 * @words: memory of the test
 * @nr: words in it
 * @nr_ranges: ranges in it
 * @sent: words that guest_next_msg() has put in messages
 */
struct guest_stream {
	u64 *words;
	u32 nr;
	u16 nr_ranges;
	u32 sent;
};

u64 guest_get(const u8 *p, unsigned int size);
void guest_put(u8 *p, unsigned int size, u64 value);

void guest_range(struct guest_stream *s, u32 count, u32 offset);
void guest_pfns(struct guest_stream *s, u64 first, s64 step, u32 nr);

void guest_header(struct guest_msg *m, u32 relid, u32 handle,
		  const struct guest_stream *s);
void guest_body(struct guest_msg *m, u32 handle);
void guest_teardown(struct guest_msg *m, u32 relid, u32 handle);
void guest_words(struct guest_msg *m, const u64 *words, u32 nr);
bool guest_next_msg(struct guest_msg *m, u32 relid, u32 handle, struct guest_stream *s);

u32 guest_random(u64 *state);

#endif /* _KUNIT_GUEST_H */
