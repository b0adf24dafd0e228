/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Streams of words, sent and taken in, for the suites of gpadl/wire.c.
 *
 * These run in user space too, under AddressSanitizer (tests/host/). What is given to the
 * code under test lies in memory of exactly its size, so that either sanitizer sees a
 * byte read or written too much.
 */
#ifndef _KUNIT_WIRE_TEST_H
#define _KUNIT_WIRE_TEST_H

#include <kunit/test.h>
#include <linux/types.h>

#include "gpadl/wire.h"
#include "guest.h"

#define RELID		5
#define HANDLE		0xe1e10
#define PFN		0x18060ull	/* any */
#define PFN_END		BIT_ULL(GPADL_PFN_BITS)

void *wire_test_copy(struct kunit *test, const void *bytes, size_t len);
struct guest_stream wire_test_stream(struct kunit *test);
struct guest_stream wire_test_buffer(struct kunit *test, u64 first, s64 step, u32 nr);
struct guest_stream wire_test_ranges(struct kunit *test);
enum gpadl_wire_verdict wire_test_take(struct kunit *test, struct gpadl_pfn_list *w,
				       const struct guest_msg *m);
u32 wire_test_take_stream(struct kunit *test, struct gpadl_pfn_list *w, struct guest_stream *s);
void wire_test_expect(struct kunit *test, const struct gpadl_pfn_list *w,
		      const struct guest_stream *s);

#endif /* _KUNIT_WIRE_TEST_H */
