// SPDX-License-Identifier: GPL-2.0
/*
 * Runs the wire suites of kunit/ in user space; reports as TAP.
 */
#include <kunit/test.h>

#include "suites.h"

struct kunit_block {
	struct kunit_block *next;
	void *mem;
};

static unsigned int passed, failed;

void *kunit_kmalloc(struct kunit *test, size_t len, int gfp)
{
	struct kunit_block *block = malloc(sizeof(*block));
	void *mem = malloc(len);

	(void)gfp;
	if (!block || !mem)
		abort();
	/* Nothing may rely on it. */
	memset(mem, 0xa5, len);
	*block = (struct kunit_block) { .next = test->blocks, .mem = mem };
	test->blocks = block;
	return mem;
}

void *kunit_kzalloc(struct kunit *test, size_t len, int gfp)
{
	return memset(kunit_kmalloc(test, len, gfp), 0, len);
}

void kunit_kfree(struct kunit *test, const void *mem)
{
	struct kunit_block **link = &test->blocks, *block;

	while (*link && (*link)->mem != mem)
		link = &(*link)->next;
	block = *link;
	if (!block)
		abort();
	*link = block->next;
	free(block->mem);
	free(block);
}

void kunit_fail(struct kunit *test, bool assert, const char *file, int line,
		const char *what, long long left, long long right)
{
	test->failed = true;
	printf("# %s:%d: expected %s: %lld (%#llx), %lld (%#llx)\n", file, line, what,
	       left, (unsigned long long)left, right, (unsigned long long)right);
	if (assert)
		longjmp(test->abort, 1);
}

static void run(const struct kunit_case *c, const void *param, const char *desc)
{
	struct kunit test = { .param_value = param };

	if (!setjmp(test.abort))
		c->run_case(&test);
	while (test.blocks)
		kunit_kfree(&test, test.blocks->mem);
	printf("%s %u - %s%s%s\n", test.failed ? "not ok" : "ok", passed + failed + 1,
	       c->name, *desc ? ": " : "", desc);
	if (test.failed)
		failed++;
	else
		passed++;
}

static void run_suite(const struct kunit_suite *suite)
{
	const struct kunit_case *c;

	for (c = suite->test_cases; c->run_case; c++) {
		char desc[KUNIT_PARAM_DESC_SIZE] = "";
		const void *param = NULL;

		if (!c->generate_params) {
			run(c, NULL, desc);
			continue;
		}
		while ((param = c->generate_params(param, desc)))
			run(c, param, desc);
	}
}

int main(void)
{
	puts("TAP version 13");
	run_suite(&wire_suite);
	run_suite(&wire_stream_suite);
	printf("1..%u\n", passed + failed);
	return failed || !passed;
}
