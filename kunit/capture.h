/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reads tests/data/guest-messages.txt. Compiles in user space too.
 */
#ifndef _KUNIT_CAPTURE_H
#define _KUNIT_CAPTURE_H

#include <linux/types.h>

#include "guest.h"

/* What a line is. */
enum capture_line {
	CAPTURE_END,		/* there is none */
	CAPTURE_SECTION,	/* a guest's first: the title has been read */
	CAPTURE_FROM_GUEST,	/* a message has been read */
	CAPTURE_TO_GUEST,
	CAPTURE_BROKEN,		/* nothing that we know */
};

/**
 * struct capture - a place in the text
 * @at: the next line
 * @title: of the section that was begun last; not terminated
 * @title_len: its length
 * @m: the message that was read last
 */
struct capture {
	const char *at;
	const char *title;
	u32 title_len;
	struct guest_msg m;
};

enum capture_line capture_next(struct capture *c);

/* The text, in this module. */
extern const char capture_text[];

#endif /* _KUNIT_CAPTURE_H */
