/* SPDX-License-Identifier: GPL-2.0 */
/* The only test of a fuzzer, which has defined its struct fuzz_kind as kind. */

FIXTURE(fuzz) {
};

FIXTURE_SETUP(fuzz)
{
}

FIXTURE_TEARDOWN(fuzz)
{
}

TEST_F_TIMEOUT(fuzz, lives, 24 * 3600)
{
	EXPECT_EQ(0, fuzz_run(&kind));
}
