/* SPDX-License-Identifier: GPL-2.0 */
/*
 * As much of KUnit as the wire suite uses, for user space.
 *
 * Memory of a case is freed behind it; until then each piece has AddressSanitizer's red
 * zones around it. A failed assertion ends its case.
 */
#ifndef _HOST_KUNIT_TEST_H
#define _HOST_KUNIT_TEST_H

#include <assert.h>
#include <linux/types.h>
#include <setjmp.h>
#include <stdlib.h>

#define GFP_KERNEL			0
#define KUNIT_PARAM_DESC_SIZE		128

struct kunit_block;

struct kunit {
	const void *param_value;
	bool failed;
	jmp_buf abort;
	struct kunit_block *blocks;
};

struct kunit_case {
	void (*run_case)(struct kunit *test);
	const char *name;
	const void *(*generate_params)(const void *prev, char *desc);
};

struct kunit_suite {
	const char *name;
	struct kunit_case *test_cases;
};

void *kunit_kmalloc(struct kunit *test, size_t len, int gfp);
void *kunit_kzalloc(struct kunit *test, size_t len, int gfp);
void kunit_kfree(struct kunit *test, const void *mem);
void kunit_fail(struct kunit *test, bool assert, const char *file, int line,
		const char *what, long long left, long long right);

#define KUNIT_CASE(f)			{ .run_case = f, .name = #f }
#define KUNIT_CASE_PARAM(f, gen)	\
	{ .run_case = f, .name = #f, .generate_params = gen }

#define KUNIT_ARRAY_PARAM_DESC(name, array, member)				\
static const void *name##_gen_params(const void *prev, char *desc)		\
{										\
	__auto_type all = &(array);						\
	typeof(&(*all)[0]) next = prev;						\
										\
	/* A restriction of this one: the description is the first member. */	\
	static_assert(!offsetof(typeof(*next), member), #member);		\
	next = next ? next + 1 : *all;						\
	if (next == *all + ARRAY_SIZE(*all))					\
		return NULL;							\
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s", *(char *const *)next);	\
	return next;								\
}

#define HOST_COMPARE(test, left, op, right, assert) do {			\
	typeof(left) _left = (left);						\
	typeof(right) _right = (right);						\
										\
	if (!(_left op _right))							\
		kunit_fail(test, assert, __FILE__, __LINE__,			\
			   #left " " #op " " #right,				\
			   (long long)_left, (long long)_right);		\
} while (0)

#define KUNIT_EXPECT_EQ(test, a, b)	HOST_COMPARE(test, a, ==, b, false)
#define KUNIT_EXPECT_LE(test, a, b)	HOST_COMPARE(test, a, <=, b, false)
#define KUNIT_EXPECT_PTR_EQ(test, a, b)	\
	HOST_COMPARE(test, (uintptr_t)(a), ==, (uintptr_t)(b), false)
#define KUNIT_EXPECT_MEMEQ(test, a, b, n)	\
	HOST_COMPARE(test, memcmp(a, b, n), ==, 0, false)
#define KUNIT_ASSERT_EQ(test, a, b)	HOST_COMPARE(test, a, ==, b, true)
#define KUNIT_ASSERT_LE(test, a, b)	HOST_COMPARE(test, a, <=, b, true)
#define KUNIT_ASSERT_LT(test, a, b)	HOST_COMPARE(test, a, <, b, true)
#define KUNIT_ASSERT_NOT_NULL(test, p)	\
	HOST_COMPARE(test, (uintptr_t)(p), !=, 0, true)

#endif /* _HOST_KUNIT_TEST_H */
