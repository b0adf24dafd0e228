// SPDX-License-Identifier: GPL-2.0
/*
 * What each input of the guest on GPADLs gets, one test for each row of the table in
 * Documentation/guest-input.rst.
 */
#include "fixture.h"

FIXTURE(gpadl) {
	struct vmm vmm;
	char max_gpadls[16];
	char max_pages[16];
};

FIXTURE_SETUP(gpadl)
{
	vmm_start(_metadata, &self->vmm, MEM_ANON, 0);
	ASSERT_EQ(0, vmm_channel(self->vmm.fd, RELID2, 1, NULL));
	ASSERT_EQ(0, param_get("max_gpadls", self->max_gpadls, 16));
	ASSERT_EQ(0, param_get("max_pages", self->max_pages, 16));
}

FIXTURE_TEARDOWN(gpadl)
{
	EXPECT_EQ(0, param_set("max_gpadls", self->max_gpadls));
	EXPECT_EQ(0, param_set("max_pages", self->max_pages));
	vmm_stop(&self->vmm);
	expect_nothing_pinned(_metadata);
}

/* A HEADER with all of its words is refused, and leaves nothing behind. */
#define EXPECT_REFUSED(_nr_ranges, _nr_all, _words, _nr) do {			\
	const __u64 *__words = (_words);					\
										\
	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, _nr_ranges,	\
				  _nr_all, __words, _nr));			\
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_INVALID_PARAMETER);	\
	EXPECT_SILENCE(self->vmm.fd);						\
	EXPECT_EQ(-ENOENT, guest_body(self->vmm.fd, HANDLE, 0, __words, 1));	\
} while (0)

/* ---- What is fine ---- */

TEST_F(gpadl, one_message)
{
	__u64 words[] = { range_word(0, 2 * HV_PAGE), MEM_PFN, MEM_PFN + 7 };

	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 1, 3, words, 3));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
	EXPECT_SILENCE(self->vmm.fd);
}

/* Not before the last word has come. */
TEST_F(gpadl, created_comes_with_the_last_body)
{
	struct guest_gpadl g;
	__u32 i;

	gpadl_simple(&g, HANDLE, MEM_GPA, 60 * HV_PAGE);
	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 1, 61, g.words, 27));
	for (i = 27; i < 60; i++) {
		EXPECT_EQ(0, guest_body(self->vmm.fd, HANDLE, 0, g.words + i, 1));
		EXPECT_SILENCE(self->vmm.fd);
	}
	EXPECT_EQ(0, guest_body(self->vmm.fd, HANDLE, 0, g.words + 60, 1));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
}

TEST_F(gpadl, largest)
{
	struct guest_gpadl g;

	gpadl_init(&g, HANDLE);
	gpadl_range(&g, 0, 8190 * HV_PAGE);
	while (g.nr_words < GPADL_WORDS)
		gpadl_pages(&g, MEM_PFN + g.nr_words % MEM_PAGES, 1);
	EXPECT_EQ(0, guest_gpadl(self->vmm.fd, RELID, &g, false));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
}

TEST_F(gpadl, many_ranges)
{
	struct guest_gpadl g;
	__u32 i;

	gpadl_init(&g, HANDLE);
	for (i = 0; i < GPADL_WORDS / 2; i++) {
		gpadl_range(&g, i % HV_PAGE, 1);
		gpadl_pages(&g, MEM_PFN + i % MEM_PAGES, 1);
	}
	EXPECT_EQ(0, guest_gpadl(self->vmm.fd, RELID, &g, false));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
}

TEST_F(gpadl, handles_0_and_all_ones)
{
	EXPECT_GPADL(self->vmm.fd, RELID, 0, MEM_GPA, HV_PAGE);
	EXPECT_GPADL(self->vmm.fd, RELID, ~0u, MEM_GPA, HV_PAGE);
	EXPECT_TEARDOWN(self->vmm.fd, RELID, 0);
	EXPECT_TEARDOWN(self->vmm.fd, RELID, ~0u);
	EXPECT_SILENCE(self->vmm.fd);
}

TEST_F(gpadl, surplus_words_in_header)
{
	__u64 words[HEADER_WORDS] = { range_word(0, HV_PAGE), MEM_PFN, ~0ull, 0, ~0ull };

	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 1, 2, words, 27));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
	EXPECT_SILENCE(self->vmm.fd);
}

TEST_F(gpadl, surplus_words_in_range_buflen)
{
	__u64 words[HEADER_WORDS] = { range_word(0, HV_PAGE), MEM_PFN, ~0ull, 0, ~0ull };

	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 1, 5, words, 5));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
	/* The rest does not come, or it comes: */
	EXPECT_EQ(-ENOENT, guest_body(self->vmm.fd, HANDLE, 0, words, 3));
	EXPECT_SILENCE(self->vmm.fd);
}

TEST_F(gpadl, odd_bytes_at_the_end)
{
	struct msg_header msg = {
		.type = MSG_GPADL_HEADER,
		.relid = RELID,
		.range_buflen = 24,
		.rangecount = 1,
		.words = { range_word(0, 2 * HV_PAGE), MEM_PFN, ~0ull },
	};
	__u64 rest[] = { MEM_PFN + 1, ~0ull };
	struct msg_body body = { .type = MSG_GPADL_BODY };
	unsigned int odd;

	memcpy(body.words, rest, sizeof(rest));
	for (odd = 1; odd < 8; odd++) {
		msg.handle = odd;
		body.handle = odd;
		EXPECT_EQ(0, guest_post(self->vmm.fd, &msg, HEADER_LEN(2) + odd));
		EXPECT_SILENCE(self->vmm.fd);
		EXPECT_EQ(0, guest_post(self->vmm.fd, &body, BODY_LEN(1) + odd));
		EXPECT_CREATED(self->vmm.fd, RELID, odd, STATUS_SUCCESS);
	}
}

TEST_F(gpadl, header_without_pfns)
{
	__u64 words[] = { range_word(0, HV_PAGE), MEM_PFN };

	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 1, 2, words, 1));
	EXPECT_SILENCE(self->vmm.fd);
	EXPECT_EQ(0, guest_body(self->vmm.fd, HANDLE, 0, words + 1, 1));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
}

TEST_F(gpadl, header_without_range)
{
	__u64 words[] = { range_word(0, HV_PAGE), MEM_PFN };

	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 1, 2, words, 0));
	EXPECT_SILENCE(self->vmm.fd);
	EXPECT_EQ(0, guest_body(self->vmm.fd, HANDLE, 0, words, 2));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
}

TEST_F(gpadl, range_header_begins_a_body)
{
	__u64 words[] = {
		range_word(0, HV_PAGE), MEM_PFN, range_word(8, 8), MEM_PFN + 1,
	};

	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 2, 4, words, 2));
	EXPECT_SILENCE(self->vmm.fd);
	EXPECT_EQ(0, guest_body(self->vmm.fd, HANDLE, 0, words + 2, 2));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
}

TEST_F(gpadl, repeated_pfns)
{
	__u64 words[] = { range_word(0, 3 * HV_PAGE), MEM_PFN, MEM_PFN, MEM_PFN };

	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 1, 4, words, 4));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
}

TEST_F(gpadl, any_msgnumber)
{
	__u64 words[] = { range_word(0, 3 * HV_PAGE), MEM_PFN, MEM_PFN, MEM_PFN };

	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 1, 4, words, 1));
	EXPECT_EQ(0, guest_body(self->vmm.fd, HANDLE, ~0u, words + 1, 1));
	EXPECT_EQ(0, guest_body(self->vmm.fd, HANDLE, 7, words + 2, 1));
	EXPECT_EQ(0, guest_body(self->vmm.fd, HANDLE, 7, words + 3, 1));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
}

TEST_F(gpadl, two_assembled_at_once)
{
	__u64 words[] = { range_word(0, 2 * HV_PAGE), MEM_PFN, MEM_PFN };

	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 1, 3, words, 2));
	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID2, HANDLE2, 1, 3, words, 2));
	EXPECT_EQ(0, guest_body(self->vmm.fd, HANDLE2, 0, words + 2, 1));
	EXPECT_CREATED(self->vmm.fd, RELID2, HANDLE2, STATUS_SUCCESS);
	EXPECT_EQ(0, guest_body(self->vmm.fd, HANDLE, 0, words + 2, 1));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
}

/* ---- What is refused ---- */

/* A HEADER that is right but for its range_buflen, which is the caller's to set */
static struct msg_header header_of_one_page(void)
{
	return (struct msg_header) {
		.type = MSG_GPADL_HEADER,
		.relid = RELID,
		.handle = HANDLE,
		.rangecount = 1,
		.words = { range_word(0, HV_PAGE), MEM_PFN },
	};
}

TEST_F(gpadl, range_buflen_too_small)
{
	struct msg_header msg = header_of_one_page();

	for (msg.range_buflen = 0; msg.range_buflen < 16; msg.range_buflen++) {
		EXPECT_EQ(0, guest_post(self->vmm.fd, &msg, HEADER_LEN(2)));
		EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_INVALID_PARAMETER);
	}
	EXPECT_EQ(0, guest_post(self->vmm.fd, &msg, HEADER_LEN(2)));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
}

TEST_F(gpadl, range_buflen_odd)
{
	struct msg_header msg = header_of_one_page();

	for (msg.range_buflen = 17; msg.range_buflen < 24; msg.range_buflen++) {
		EXPECT_EQ(0, guest_post(self->vmm.fd, &msg, HEADER_LEN(2)));
		EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_INVALID_PARAMETER);
	}
	msg.range_buflen = 0xffff;
	EXPECT_EQ(0, guest_post(self->vmm.fd, &msg, HEADER_LEN(2)));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_INVALID_PARAMETER);
}

TEST_F(gpadl, rangecount_0)
{
	__u64 words[] = { range_word(0, HV_PAGE), MEM_PFN };

	EXPECT_REFUSED(0, 2, words, 2);
}

TEST_F(gpadl, rangecount_more_than_fit)
{
	__u64 words[] = { range_word(0, HV_PAGE), MEM_PFN };

	EXPECT_REFUSED(2, 2, words, 2);
	EXPECT_REFUSED(0xffff, 2, words, 2);
	EXPECT_REFUSED(2, 3, words, 2);
}

TEST_F(gpadl, byte_count_0)
{
	__u64 words[] = { range_word(0, 0), MEM_PFN };

	EXPECT_REFUSED(1, 2, words, 2);
	words[0] = range_word(0xfff, 0);
	EXPECT_REFUSED(1, 2, words, 2);
}

TEST_F(gpadl, byte_count_all_ones)
{
	__u64 words[] = { range_word(0, 0xffffffff), MEM_PFN };
	__u32 offset;

	for (offset = 0; offset <= 0xfff; offset += 0xfff) {
		words[0] = range_word(offset, 0xffffffff);
		EXPECT_REFUSED(1, 2, words, 2);
		EXPECT_REFUSED(1, GPADL_WORDS, words, 2);
	}
}

TEST_F(gpadl, byte_offset_0x1000)
{
	__u64 words[] = { range_word(0x1000, 8), MEM_PFN, MEM_PFN + 1 };

	EXPECT_REFUSED(1, 3, words, 3);
	words[0] = range_word(0xffffffff, 8);
	EXPECT_REFUSED(1, 3, words, 3);
	words[0] = range_word(0xfff, 8);
	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 1, 3, words, 3));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
}

/* 32 bits cannot hold offset and count */
TEST_F(gpadl, offset_and_count_overflow)
{
	__u64 words[] = { range_word(0x800, 0xfffff801), MEM_PFN };

	EXPECT_REFUSED(1, 2, words, 2);
	words[0] = range_word(1, 0xffffffff);
	EXPECT_REFUSED(1, 2, words, 2);
}

TEST_F(gpadl, range_longer_than_range_buflen)
{
	__u64 words[] = { range_word(0, HV_PAGE + 1), MEM_PFN };

	EXPECT_REFUSED(1, 2, words, 2);
	words[0] = range_word(1, HV_PAGE);
	EXPECT_REFUSED(1, 2, words, 2);
}

TEST_F(gpadl, first_range_leaves_no_room_for_the_second)
{
	__u64 words[] = { range_word(0, 2 * HV_PAGE), MEM_PFN, MEM_PFN, range_word(0, 1) };

	EXPECT_REFUSED(2, 4, words, 4);
}

TEST_F(gpadl, second_range_longer_than_range_buflen)
{
	__u64 words[] = {
		range_word(0, HV_PAGE), MEM_PFN, range_word(0, 2 * HV_PAGE), MEM_PFN,
	};

	EXPECT_REFUSED(2, 4, words, 4);
}

TEST_F(gpadl, pfn_too_large)
{
	__u64 words[] = { range_word(0, 2 * HV_PAGE), MEM_PFN, 1ull << 40 };

	EXPECT_REFUSED(1, 3, words, 3);
	words[2] = ~0ull;
	EXPECT_REFUSED(1, 3, words, 3);
	/* The largest that there can be is in no region */
	words[2] = (1ull << 40) - 1;
	EXPECT_REFUSED(1, 3, words, 3);
}

TEST_F(gpadl, bad_word_in_a_body)
{
	__u64 words[] = {
		range_word(0, HV_PAGE), MEM_PFN, range_word(0x1000, 1), MEM_PFN,
	};

	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 2, 4, words, 2));
	EXPECT_SILENCE(self->vmm.fd);
	EXPECT_EQ(0, guest_body(self->vmm.fd, HANDLE, 0, words + 2, 1));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_INVALID_PARAMETER);
	EXPECT_EQ(-ENOENT, guest_body(self->vmm.fd, HANDLE, 0, words + 3, 1));
	EXPECT_SILENCE(self->vmm.fd);
}

TEST_F(gpadl, page_outside_of_every_region)
{
	__u64 words[] = { range_word(0, 3 * HV_PAGE), MEM_PFN, MEM_PFN, MEM_PFN };
	int i;

	for (i = 1; i < 4; i++) {
		words[i] = MEM_PFN - 1;
		EXPECT_REFUSED(1, 4, words, 4);
		words[i] = MEM_PFN + MEM_PAGES;
		EXPECT_REFUSED(1, 4, words, 4);
		words[i] = MEM_PFN;
	}
	/* A run that begins inside */
	words[2] = MEM_PFN - 1;
	words[3] = MEM_PFN - 2;
	EXPECT_REFUSED(1, 4, words, 4);
}

TEST_F(gpadl, refused_handle_can_be_used)
{
	__u64 words[] = { range_word(0, 0), MEM_PFN };

	EXPECT_REFUSED(1, 2, words, 2);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
}

/* ---- Handles in use ---- */

#define EXPECT_COLLISION(_relid) do {						\
	__u64 _words[] = { range_word(0, HV_PAGE), MEM_PFN };			\
	__u32 __relid = (_relid);						\
										\
	EXPECT_EQ(0, guest_header(self->vmm.fd, __relid, HANDLE, 1, 2, _words, 2)); \
	EXPECT_CREATED(self->vmm.fd, __relid, HANDLE,				\
		       STATUS_OBJECT_NAME_COLLISION);				\
} while (0)

TEST_F(gpadl, duplicate_handle)
{
	char byte = 'o';

	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA + HV_PAGE, HV_PAGE);
	EXPECT_COLLISION(RELID);
	EXPECT_SILENCE(self->vmm.fd);

	/* The old one is untouched */
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, backend_write(self->vmm.backend, HANDLE, 0, &byte, 1));
	EXPECT_EQ('o', self->vmm.mem[HV_PAGE]);
	EXPECT_COLLISION(RELID);
	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_TEARDOWN(self->vmm.fd, RELID, HANDLE);
	EXPECT_SILENCE(self->vmm.fd);
}

TEST_F(gpadl, handle_being_assembled)
{
	__u64 words[] = { range_word(0, 2 * HV_PAGE), MEM_PFN, MEM_PFN };

	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 1, 3, words, 2));
	EXPECT_COLLISION(RELID);
	/* A BODY has no relid: there can be only one */
	EXPECT_COLLISION(RELID2);
	EXPECT_EQ(0, guest_body(self->vmm.fd, HANDLE, 0, words + 2, 1));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
}

TEST_F(gpadl, handle_being_torn_down)
{
	vmm_open_channel(_metadata, &self->vmm);
	ASSERT_EQ(0, backend_policy(self->vmm.backend, ON_REVOKE_HOLD));
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE));
	EXPECT_COLLISION(RELID);
	/* TORNDOWN has no relid */
	EXPECT_COLLISION(RELID2);
	EXPECT_SILENCE(self->vmm.fd);

	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_TORNDOWN(self->vmm.fd, HANDLE);
	EXPECT_GPADL(self->vmm.fd, RELID2, HANDLE, MEM_GPA, HV_PAGE);
}

TEST_F(gpadl, same_handle_on_two_channels)
{
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_GPADL(self->vmm.fd, RELID2, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_TEARDOWN(self->vmm.fd, RELID, HANDLE);
	/* The other lives */
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE));
	EXPECT_SILENCE(self->vmm.fd);
	EXPECT_TEARDOWN(self->vmm.fd, RELID2, HANDLE);
	EXPECT_SILENCE(self->vmm.fd);
}

/* ---- Limits ---- */

TEST_F(gpadl, too_many)
{
	__u64 words[] = { range_word(0, HV_PAGE), MEM_PFN };

	ASSERT_EQ(0, param_set("max_gpadls", "2"));
	EXPECT_GPADL(self->vmm.fd, RELID, 1, MEM_GPA, HV_PAGE);
	EXPECT_GPADL(self->vmm.fd, RELID, 2, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 1, 2, words, 2));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_QUOTA_EXCEEDED);
	EXPECT_TEARDOWN(self->vmm.fd, RELID, 1);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
}

/* What is announced counts, not what comes */
TEST_F(gpadl, too_many_pages)
{
	__u64 words[] = { range_word(0, HV_PAGE), MEM_PFN };

	ASSERT_EQ(0, param_set("max_pages", "100"));
	EXPECT_GPADL(self->vmm.fd, RELID, 1, MEM_GPA, 60 * HV_PAGE);
	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 1, 42, words, 2));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_QUOTA_EXCEEDED);
	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 1, 41, words, 2));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
	EXPECT_TEARDOWN(self->vmm.fd, RELID, 1);
	EXPECT_GPADL(self->vmm.fd, RELID, 1, MEM_GPA, 60 * HV_PAGE);
}

/* ---- One handle on several channels ---- */

/* Torn down in an order other than that in which they came */
TEST_F(gpadl, same_handle_on_three_channels)
{
	static const __u32 relids[] = { RELID, RELID2, RELID2 + 1 };
	static const unsigned int order[] = { 1, 0 };
	unsigned int i;

	EXPECT_EQ(0, vmm_channel(self->vmm.fd, relids[2], 2, NULL));
	for (i = 0; i < 3; i++)
		EXPECT_GPADL(self->vmm.fd, relids[i], HANDLE, MEM_GPA, HV_PAGE);
	for (i = 0; i < 2; i++) {
		EXPECT_TEARDOWN(self->vmm.fd, relids[order[i]], HANDLE);
		/* Now it names that of another channel, and is none of it */
		EXPECT_EQ(0, guest_teardown(self->vmm.fd, relids[order[i]], HANDLE));
		EXPECT_SILENCE(self->vmm.fd);
	}
	EXPECT_TEARDOWN(self->vmm.fd, relids[2], HANDLE);
	EXPECT_TEARDOWN(self->vmm.fd, RELID, HANDLE);
}

/* ---- BODY ---- */

TEST_F(gpadl, body_without_header)
{
	__u64 words[] = { MEM_PFN };

	EXPECT_EQ(-ENOENT, guest_body(self->vmm.fd, HANDLE, 0, words, 1));
	EXPECT_EQ(-ENOENT, guest_body(self->vmm.fd, HANDLE, 0, words, 0));
	EXPECT_SILENCE(self->vmm.fd);
}

TEST_F(gpadl, body_for_a_complete_gpadl)
{
	__u64 words[] = { MEM_PFN };

	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(-ENOENT, guest_body(self->vmm.fd, HANDLE, 0, words, 1));
	EXPECT_SILENCE(self->vmm.fd);
	EXPECT_TEARDOWN(self->vmm.fd, RELID, HANDLE);
}

TEST_F(gpadl, body_for_a_mapped_gpadl)
{
	__u64 words[] = { MEM_PFN };

	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_EQ(-ENOENT, guest_body(self->vmm.fd, HANDLE, 0, words, 1));
	EXPECT_SILENCE(self->vmm.fd);
}

TEST_F(gpadl, body_that_adds_nothing)
{
	struct msg_body body = { .type = MSG_GPADL_BODY, .handle = HANDLE };
	__u64 words[] = { range_word(0, 2 * HV_PAGE), MEM_PFN };
	unsigned int odd;

	for (odd = 0; odd < 8; odd++) {
		EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 1, 3, words, 2));
		EXPECT_EQ(0, guest_post(self->vmm.fd, &body, BODY_LEN(0) + odd));
		EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_INVALID_PARAMETER);
	}
	EXPECT_SILENCE(self->vmm.fd);
}

TEST_F(gpadl, body_past_the_end)
{
	__u64 words[] = { range_word(0, 2 * HV_PAGE), MEM_PFN };
	__u64 rest[BODY_WORDS] = { MEM_PFN, ~0ull, 0, ~0ull };

	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 1, 3, words, 2));
	EXPECT_EQ(0, guest_body(self->vmm.fd, HANDLE, 0, rest, 28));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_SUCCESS);
	EXPECT_SILENCE(self->vmm.fd);
}

/* ---- TEARDOWN ---- */

TEST_F(gpadl, teardown_of_what_is_ready)
{
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_TEARDOWN(self->vmm.fd, RELID, HANDLE);
	EXPECT_SILENCE(self->vmm.fd);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
}

TEST_F(gpadl, teardown_while_assembling)
{
	__u64 words[] = { range_word(0, 2 * HV_PAGE), MEM_PFN };

	EXPECT_EQ(0, guest_header(self->vmm.fd, RELID, HANDLE, 1, 3, words, 2));
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE));
	EXPECT_CREATED(self->vmm.fd, RELID, HANDLE, STATUS_CANCELLED);
	EXPECT_TORNDOWN(self->vmm.fd, HANDLE);
	EXPECT_EQ(-ENOENT, guest_body(self->vmm.fd, HANDLE, 0, words, 1));
	EXPECT_SILENCE(self->vmm.fd);
}

TEST_F(gpadl, teardown_of_an_unknown_handle)
{
	EXPECT_TEARDOWN(self->vmm.fd, RELID, HANDLE);
	EXPECT_TEARDOWN(self->vmm.fd, RELID, HANDLE);
	EXPECT_TEARDOWN(self->vmm.fd, RELID, 0);
	EXPECT_TEARDOWN(self->vmm.fd, RELID, ~0u);
	EXPECT_SILENCE(self->vmm.fd);
}

TEST_F(gpadl, teardown_of_another_channels_handle)
{
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID2, HANDLE));
	EXPECT_SILENCE(self->vmm.fd);
	EXPECT_TEARDOWN(self->vmm.fd, RELID, HANDLE);
}

TEST_F(gpadl, teardown_while_mapped)
{
	struct vmbus_gpadl_test_state before, after;

	vmm_open_channel(_metadata, &self->vmm);
	ASSERT_EQ(0, backend_policy(self->vmm.backend, ON_REVOKE_HOLD));
	before = backend_state(self->vmm.backend, 0);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));

	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE));
	EXPECT_TRUE(WAIT_FOR(backend_state(self->vmm.backend, 0).revokes >
			     before.revokes));
	EXPECT_EQ(HANDLE, backend_state(self->vmm.backend, 0).last_revoked);
	EXPECT_SILENCE(self->vmm.fd);
	/* The second one is ignored */
	EXPECT_EQ(0, guest_teardown(self->vmm.fd, RELID, HANDLE));
	EXPECT_SILENCE(self->vmm.fd);
	EXPECT_EQ(RING_KB + 4, pinned_kb(0));

	EXPECT_EQ(0, backend_unmap(self->vmm.backend, HANDLE));
	EXPECT_TORNDOWN(self->vmm.fd, HANDLE);
	EXPECT_EQ(RING_KB, pinned_kb(0));
	EXPECT_SILENCE(self->vmm.fd);
	after = backend_state(self->vmm.backend, 0);
	EXPECT_EQ(before.revokes + 1, after.revokes);
}

TEST_F(gpadl, teardown_is_answered_by_revoke)
{
	vmm_open_channel(_metadata, &self->vmm);
	EXPECT_GPADL(self->vmm.fd, RELID, HANDLE, MEM_GPA, HV_PAGE);
	EXPECT_EQ(0, backend_map(self->vmm.backend, HANDLE, 0));
	EXPECT_TEARDOWN(self->vmm.fd, RELID, HANDLE);
	EXPECT_EQ(-ENOENT, backend_unmap(self->vmm.backend, HANDLE));
}

TEST_HARNESS_MAIN
